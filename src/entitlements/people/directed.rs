//! What an agency's directory does to nominations: it nominates for every agreement of its agency that has not ended, and withdraws. Whoever
//! made its token stands as the nominator, so that the second administrator is somebody independent of them.

use serde_json::json;

use super::super::{EntitlementError, Entitlements};
use super::{Entrant, Stage, store};
use crate::accounts::Directory;
use crate::audit::{Draft, Kind};
use crate::database::Tx;
use crate::ids::{AccountId, AgreementId, NominationId};

impl Entitlements {
    /// Nominates a reviewer for each agreement of the directory's agency that has not ended and does not name them yet.
    pub(in crate::entitlements) async fn nominate_via(
        &self,
        tx: &mut Tx,
        account: &AccountId,
        by: &Directory,
        entries: &mut Vec<Draft>,
    ) -> Result<usize, EntitlementError> {
        let mut made = 0;
        for agreement in store::open_agreements(tx, &by.agency().id, account, self.clock.now()).await? {
            made += usize::from(self.enter_via(tx, &agreement, account, by, entries).await?);
        }
        Ok(made)
    }

    async fn enter_via(
        &self,
        tx: &mut Tx,
        agreement: &AgreementId,
        account: &AccountId,
        by: &Directory,
        entries: &mut Vec<Draft>,
    ) -> Result<bool, EntitlementError> {
        let id = NominationId::random(&self.entropy);
        let entrant = Entrant { by: Some(by.maker()), via: Some(by.token()) };
        if !store::insert(tx, &id, agreement, account, entrant, self.clock.now()).await? {
            return Ok(false);
        }
        let mut entry = by.draft(Kind::PersonNominated).fact("agreement", json!(agreement.as_str()));
        entry = entry.fact("account", json!(account.as_str())).fact("nomination", json!(id.as_str()));
        entries.push(entry);
        Ok(true)
    }

    /// Withdraws the nominations of somebody that are at one of these stages, and says how many those were.
    pub(in crate::entitlements) async fn withdraw_via(
        &self,
        tx: &mut Tx,
        account: &AccountId,
        stages: &[Stage],
        reason: &str,
        by: &Directory,
        entries: &mut Vec<Draft>,
    ) -> Result<usize, EntitlementError> {
        let mut ended = 0;
        for id in store::standing(tx, account).await? {
            let Some(found) = store::load(tx, &id).await?.filter(|found| stages.contains(&found.stage)) else { continue };
            if !store::end_via(tx, &id, found.stage, by.token(), self.clock.now(), reason).await? {
                return Err(EntitlementError::Conflict);
            }
            let mut entry = by.draft(Kind::PersonWithdrawn).fact("agreement", json!(found.agreement.as_str()));
            entry = entry.fact("account", json!(account.as_str())).fact("nomination", json!(id.as_str())).fact("reason", reason);
            entries.push(entry);
            ended += 1;
        }
        Ok(ended)
    }

    /// Whether a second administrator ever approved that an agreement names this person.
    pub(in crate::entitlements) async fn was_approved(&self, tx: &mut Tx, account: &AccountId) -> Result<bool, EntitlementError> {
        Ok(store::was_approved(tx, account).await?)
    }
}
