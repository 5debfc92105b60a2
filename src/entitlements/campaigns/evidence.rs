//! What the log says of the use of a grant, shut until it is recorded who is shown it.

use serde_json::json;

use super::super::{EntitlementError, Entitlements, only_administrators};
use super::campaign::{Campaign, Counted, Evidence, Item, PersonUse, Points};
use super::{about, on, store};
use crate::accounts::Principal;
use crate::audit::{Draft, Kind, Receipt, Recordable, Recorded};
use crate::clock::Timestamp;
use crate::entitlements::{NominationStage, Readers, State};
use crate::ids::AccountId;

/// How somebody used what was granted; opened only by the proof that showing it was recorded.
#[derive(Debug)]
#[must_use]
pub struct SealedEvidence {
    draft: Draft,
    evidence: Evidence,
}

impl Recordable for SealedEvidence {
    fn drafts(&self) -> Vec<Draft> {
        vec![self.draft.clone()]
    }
}

impl SealedEvidence {
    #[must_use]
    pub fn open(recorded: Recorded<Self>) -> (Evidence, Receipt) {
        let receipt = recorded.receipt();
        (recorded.into_parts().0.evidence, receipt)
    }
}

impl Entitlements {
    /// Counts how a grant was used, up to now. `opens` is how many files it opens, if that was counted.
    pub async fn evidence(
        &self,
        campaign: &Campaign,
        item: &Item,
        opens: Option<u64>,
        by: &Principal,
    ) -> Result<SealedEvidence, EntitlementError> {
        only_administrators(by)?;
        let grant = &item.line.entitlement;
        let since = approved_at(&grant.state).unwrap_or(grant.proposed.at);
        let (used, counted_to) = self.log.use_of(&grant.id).await.map_err(EntitlementError::Audit)?;
        let refused = self.log.refusals().await.map_err(EntitlementError::Audit)?;
        let named: Vec<(AccountId, String)> = self
            .nominees(&grant.agreement)
            .await?
            .into_iter()
            .filter(|of| of.nomination.stage == NominationStage::Approved && !of.disabled)
            .map(|of| (of.nomination.account, of.name))
            .filter(|(account, _)| match &grant.readers {
                Readers::Everybody => true,
                Readers::These(these) => these.contains(account),
            })
            .collect();
        let mut usages = used.people;
        let mut people: Vec<PersonUse> = named
            .into_iter()
            .map(|(account, name)| PersonUse {
                usage: usages.remove(account.as_str()).unwrap_or_default(),
                refusals: refused.since(&account, &item.line.product_name, since),
                named: true,
                account,
                name,
            })
            .collect();
        let mut earlier: Vec<_> = usages.into_iter().collect();
        earlier.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (account, usage) in earlier {
            let account = AccountId::known(account);
            let name = store::name_of(&self.database, &account).await?.unwrap_or_default();
            let refusals = refused.since(&account, &item.line.product_name, since);
            people.push(PersonUse { account, name, named: false, usage, refusals });
        }
        let counted = Counted {
            last: used.all.last,
            files: used.all.files,
            opens: opens.or(item.counted.opens),
            refusals: people.iter().map(|person| person.refusals).sum(),
        };
        let points = Points::of(&counted, since, self.clock.now());
        let mut draft = on(about(&campaign.id, &campaign.name, by, Kind::EntitlementExamined), &item.line);
        draft = draft.fact("counted_to", json!(counted_to)).fact("files", json!(counted.files)).fact("refusals", json!(counted.refusals));
        draft = draft.fact("last_used", json!(counted.last.map(|at: Timestamp| at.to_string()))).fact("opens", json!(counted.opens));
        draft = draft.fact("people", json!(people.iter().map(|person| person.account.as_str()).collect::<Vec<_>>()));
        let evidence = Evidence { counted_to, counted, points, people, directories: used.directories, versions: used.versions };
        Ok(SealedEvidence { draft, evidence })
    }
}

pub(super) fn approved_at(state: &State) -> Option<Timestamp> {
    match state {
        State::Approved { approved } | State::Revoked { approved, .. } => Some(approved.at),
        State::Proposed | State::Refused { .. } => None,
    }
}
