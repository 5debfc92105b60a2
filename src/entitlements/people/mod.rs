//! The people an agreement names: nominated by one administrator, approved by another; and the terms each of them accepts.

mod directed;
mod list;
mod store;

pub use list::NominationFilter;

use serde_json::json;

use super::steps::{Act, Hand, Step, TransitionError, take};
use super::{EntitlementError, Entitlements, draft, invalid, only_administrators, words};
use crate::accounts::{AccountError, Accounts, Principal, StepUp, done_by};
use crate::audit::{Context, Kind};
use crate::clock::Timestamp;
use crate::database::{DatabaseError, Tx};
use crate::ids::{AccountId, AgreementId, DirectoryTokenId, NominationId, RoleChangeId};

/// Where a nomination is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Opens nothing yet.
    Nominated,
    Approved,
    Refused,
    /// The person left, or is named no longer.
    Withdrawn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Approve,
    Refuse,
    Withdraw,
}

/// The life of a nomination. A person who is to be named again is nominated anew.
pub const LIFE: &[Step<Stage, Verb>] = &[
    Step { from: Stage::Nominated, verb: Verb::Approve, to: Stage::Approved, hand: Hand::Second },
    Step { from: Stage::Nominated, verb: Verb::Refuse, to: Stage::Refused, hand: Hand::Any },
    Step { from: Stage::Nominated, verb: Verb::Withdraw, to: Stage::Withdrawn, hand: Hand::Any },
    Step { from: Stage::Approved, verb: Verb::Withdraw, to: Stage::Withdrawn, hand: Hand::Any },
];

#[derive(Clone, Debug)]
pub struct Nomination {
    pub id: NominationId,
    pub agreement: AgreementId,
    pub account: AccountId,
    pub stage: Stage,
    /// Absent for whom the command line named.
    pub nominated_by: Option<AccountId>,
    /// The directory's token that it came through; whoever made that one nominated.
    pub nominated_via: Option<DirectoryTokenId>,
    pub nominated_at: Timestamp,
    /// Absent also for whom one administrator named before a second had to approve it.
    pub decided: Option<Act>,
    pub reason: Option<String>,
}

/// A nomination with the names around it.
#[derive(Clone, Debug)]
pub struct Nominee {
    pub nomination: Nomination,
    pub name: String,
    pub email: String,
    pub agency: String,
    pub agreement: String,
    pub nominator: Option<String>,
    /// The name of the directory's token that it came through.
    pub directory: Option<String>,
    pub decider: Option<String>,
    /// The newest version of the agreement's terms that the person accepted.
    pub accepted: Option<i64>,
    pub disabled: bool,
}

/// Who enters a nomination: an administrator, by themselves or through a directory whose token they made. Nobody for the command line.
#[derive(Clone, Copy)]
struct Entrant<'a> {
    by: Option<&'a AccountId>,
    via: Option<&'a DirectoryTokenId>,
}

/// Terms that somebody has yet to accept.
#[derive(Clone, Debug)]
pub struct PendingTerms {
    pub agreement: AgreementId,
    pub reference: String,
    pub version: i64,
    pub text: String,
    pub published_at: Timestamp,
    /// A version of them was accepted before.
    pub changed: bool,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Nominated, Self::Approved, Self::Refused, Self::Withdrawn];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Nominated => "nominated",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl Entitlements {
    /// Whom an agreement names, or is to name; by name.
    pub async fn nominees(&self, agreement: &AgreementId) -> Result<Vec<Nominee>, EntitlementError> {
        Ok(store::of_agreement(&self.database, agreement).await?)
    }

    /// Every nomination of a person, newest first.
    pub async fn nominations_of(&self, account: &AccountId) -> Result<Vec<Nominee>, EntitlementError> {
        Ok(store::of_account(&self.database, account).await?)
    }

    pub async fn nomination(&self, id: &str) -> Result<Option<Nominee>, EntitlementError> {
        Ok(store::find(&self.database, id).await?)
    }

    /// The people an agreement names, approved and not withdrawn.
    pub async fn people(&self, agreement: &AgreementId) -> Result<Vec<AccountId>, EntitlementError> {
        Ok(store::named(&self.database, agreement).await?)
    }

    /// Nominates a reviewer of the agency. Opens nothing before a second administrator approves it.
    pub async fn nominate(
        &self,
        agreement: &AgreementId,
        account: &AccountId,
        by: &Principal,
        context: &Context,
    ) -> Result<NominationId, EntitlementError> {
        self.enter(agreement, account, Some(by), context).await
    }

    /// Names a reviewer from the command line, whose operator answers for it. Such a person reads what is granted afterwards.
    pub async fn name_person(&self, agreement: &AgreementId, account: &AccountId, context: &Context) -> Result<(), EntitlementError> {
        self.enter(agreement, account, None, context).await.map(drop)
    }

    async fn enter(
        &self,
        agreement: &AgreementId,
        account: &AccountId,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<NominationId, EntitlementError> {
        let mut tx = self.database.begin().await?;
        let id = self.enter_in(&mut tx, agreement, account, by, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(id)
    }

    /// Nominates within a transaction, or, without an administrator, names.
    pub(super) async fn enter_in(
        &self,
        tx: &mut Tx,
        agreement: &AgreementId,
        account: &AccountId,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<NominationId, EntitlementError> {
        if let Some(by) = by {
            only_administrators(by)?;
        }
        let id = NominationId::random(&self.entropy);
        let entrant = Entrant { by: by.map(Principal::account), via: None };
        if !store::insert(tx, &id, agreement, account, entrant, self.clock.now()).await? {
            return Err(invalid("account", "Choose a reviewer of this agency whom the agreement does not name yet."));
        }
        let mut entry = draft(by, if by.is_some() { Kind::PersonNominated } else { Kind::AgreementPersonNamed });
        entry = entry.fact("agreement", json!(agreement.as_str())).fact("account", json!(account.as_str()));
        if by.is_some() {
            entry = entry.fact("nomination", json!(id.as_str()));
        } else {
            entry = entry.fact("by", "command line");
        }
        self.log.append_in(tx, entry, context).await?;
        Ok(id)
    }

    pub async fn approve_nomination(&self, id: &NominationId, by: &StepUp, context: &Context) -> Result<(), EntitlementError> {
        self.decide_nomination(id, Verb::Approve, None, by.principal(), context).await
    }

    pub async fn refuse_nomination(
        &self,
        id: &NominationId,
        reason: &str,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        self.decide_nomination(id, Verb::Refuse, Some(reason), by, context).await
    }

    /// Takes a person out of an agreement, from the next request on.
    pub async fn withdraw_nomination(
        &self,
        id: &NominationId,
        reason: &str,
        by: &StepUp,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        self.decide_nomination(id, Verb::Withdraw, Some(reason), by.principal(), context).await
    }

    /// Whoever left their agency: their account is locked, and no agreement names them any more.
    pub async fn leave(
        &self,
        accounts: &Accounts,
        account: &AccountId,
        reason: &str,
        by: &StepUp,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let by = by.principal();
        let reason = words("reason", reason, 1000)?;
        let mut tx = self.database.begin().await?;
        match accounts.lock_in(&mut tx, account, &reason, Some(by), context).await {
            // Locked before they left.
            Ok(()) | Err(AccountError::Transition(TransitionError::AlreadyDecided)) => {}
            Err(error) => return Err(error.into()),
        }
        self.withdraw_all(&mut tx, account, &reason, by, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// Gives somebody the role that was proposed. Their sessions end, and no agreement names them any more.
    pub async fn approve_role(
        &self,
        accounts: &Accounts,
        change: &RoleChangeId,
        by: &StepUp,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let mut tx = self.database.begin().await?;
        let change = accounts.approve_role_in(&mut tx, change, by, context).await?;
        self.withdraw_all(&mut tx, &change.account, "Their role was changed.", by.principal(), context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    async fn withdraw_all(
        &self,
        tx: &mut Tx,
        account: &AccountId,
        reason: &str,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        for id in store::standing(tx, account).await? {
            self.decide_in(tx, &id, Verb::Withdraw, Some(reason.to_owned()), by, context).await?;
        }
        Ok(())
    }

    async fn decide_nomination(
        &self,
        id: &NominationId,
        verb: Verb,
        reason: Option<String>,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let mut tx = self.database.begin().await?;
        self.decide_in(&mut tx, id, verb, reason, by, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    async fn decide_in(
        &self,
        tx: &mut Tx,
        id: &NominationId,
        verb: Verb,
        reason: Option<String>,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        only_administrators(by)?;
        let found = store::load(tx, id).await?.ok_or(EntitlementError::Unknown)?;
        let kinship = self.kinship(tx, found.nominated_by.as_ref(), by.account()).await?;
        let to = take(LIFE, found.stage, verb, kinship)?;
        if verb == Verb::Approve && !store::may_be_named(tx, &found).await? {
            return Err(TransitionError::AgreementOver.into());
        }
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        if !store::save(tx, id, found.stage, to, &act, reason.as_deref()).await? {
            return Err(EntitlementError::Conflict);
        }
        let kind = match verb {
            Verb::Approve => Kind::PersonApproved,
            Verb::Refuse => Kind::PersonRefused,
            Verb::Withdraw => Kind::PersonWithdrawn,
        };
        let mut entry = done_by(by, kind);
        entry = entry.fact("agreement", json!(found.agreement.as_str())).fact("account", json!(found.account.as_str()));
        entry = entry.fact("nomination", json!(id.as_str()));
        entry = entry.fact_if("reason", reason);
        self.log.append_in(tx, entry, context).await?;
        Ok(())
    }

    /// Terms of agreements naming this person that they have yet to accept in their newest version.
    pub async fn pending_terms(&self, account: &AccountId) -> Result<Vec<PendingTerms>, EntitlementError> {
        Ok(store::pending_terms(&self.database, account, self.clock.now()).await?)
    }

    /// Records that somebody accepts a version of an agreement's terms. Only the newest counts.
    pub async fn accept_terms(
        &self,
        agreement: &AgreementId,
        version: i64,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let pending = self.pending_terms(by.account()).await?;
        let Some(terms) = pending.into_iter().find(|terms| terms.agreement == *agreement) else {
            return Err(EntitlementError::Unknown);
        };
        if terms.version != version {
            return Err(EntitlementError::Conflict);
        }
        let mut tx = self.database.begin().await?;
        store::accept(&mut tx, agreement, version, by.account(), self.clock.now()).await?;
        let mut entry = done_by(by, Kind::TermsAccepted);
        entry = entry.fact("agreement", json!(agreement.as_str())).fact("version", json!(version));
        entry = entry.fact("sha256", json!(super::agreements::sha256(terms.text.as_bytes())));
        self.log.commit(tx, entry, context).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::steps::Kinship;
    use super::*;

    #[test]
    fn a_nomination_takes_two_and_ends_once() {
        let step = |from, verb, kinship| take(LIFE, from, verb, kinship);
        assert_eq!(step(Stage::Nominated, Verb::Approve, Kinship::Same), Err(TransitionError::OwnProposal));
        assert_eq!(step(Stage::Nominated, Verb::Approve, Kinship::OneLine), Err(TransitionError::SameHand));
        assert_eq!(step(Stage::Nominated, Verb::Approve, Kinship::Independent), Ok(Stage::Approved));
        assert_eq!(step(Stage::Approved, Verb::Withdraw, Kinship::Same), Ok(Stage::Withdrawn));
        for ended in [Stage::Refused, Stage::Withdrawn] {
            for verb in [Verb::Approve, Verb::Refuse, Verb::Withdraw] {
                assert_eq!(step(ended, verb, Kinship::Independent), Err(TransitionError::AlreadyDecided));
            }
        }
    }
}
