//! Changes of roles. Nobody holds two roles, and nobody is given another by one hand: one administrator proposes it, and another, who is
//! neither of the same line nor the person themselves, approves it.

mod store;

use serde_json::json;

use super::steps::{Act, Hand, Step, TransitionError};
use super::store as accounts_store;
use super::{AccountError, Accounts, Principal, Role, Sessions, StepUp, done_by, invalid, only_administrators, reason_of, taken};
use crate::audit::{Context, Draft, Kind};
use crate::database::Tx;
use crate::ids::{AccountId, AgencyId, RoleChangeId};

/// Where a change of a role is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Changes nothing yet.
    Proposed,
    Approved,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Approve,
    Refuse,
}

/// The life of a change.
pub const LIFE: &[Step<Stage, Verb>] = &[
    Step { from: Stage::Proposed, verb: Verb::Approve, to: Stage::Approved, hand: Hand::Second },
    Step { from: Stage::Proposed, verb: Verb::Refuse, to: Stage::Refused, hand: Hand::Any },
];

impl Stage {
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Approved, Self::Refused];

    fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }
}

#[derive(Clone, Debug)]
pub struct RoleChange {
    pub id: RoleChangeId,
    pub account: AccountId,
    /// The name of the person.
    pub name: String,
    pub from: Role,
    pub to: Role,
    /// Of whoever becomes a reviewer, with its name.
    pub agency: Option<super::Agency>,
    pub reason: String,
    pub stage: Stage,
    pub proposed: Act,
    /// The name of whoever proposed it.
    pub proposer: String,
}

impl Accounts {
    /// Proposes that a person have another role, and as a reviewer an agency. Changes nothing before a second administrator approves it.
    pub async fn propose_role(
        &self,
        account: &AccountId,
        (to, agency): (Role, Option<AgencyId>),
        reason: &str,
        by: &Principal,
        context: &Context,
    ) -> Result<RoleChangeId, AccountError> {
        only_administrators(Some(by))?;
        let reason = reason_of(reason)?;
        super::role_fits(to, agency.as_ref())?;
        let found = self.find(account.as_str()).await?.ok_or(AccountError::Unknown)?;
        if !found.joined || found.disabled_at.is_some() {
            return Err(invalid("role", "Only whoever has chosen a password and is not locked can be given another role."));
        }
        if found.role == to && found.agency.as_ref().map(|agency| &agency.id) == agency.as_ref() {
            return Err(invalid("role", "This is the role they have."));
        }
        let id = RoleChangeId::random(&self.entropy);
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        let mut tx = self.database.begin().await?;
        if !store::insert(&mut tx, &id, &found, (to, agency.as_ref()), &reason, &act).await? {
            return Err(invalid("role", "A change of their role waits for a decision already."));
        }
        let change = store::load(&mut tx, &id).await?.ok_or(AccountError::Unknown)?;
        self.log.commit(tx, about(by, Kind::RoleChangeProposed, &change).fact("reason", json!(reason)), context).await.map(|()| id)
    }

    /// The change of a person's role that waits for a decision.
    pub async fn proposed_role(&self, account: &AccountId) -> Result<Option<RoleChange>, AccountError> {
        Ok(store::proposed(&self.database).await?.into_iter().find(|change| change.account == *account))
    }

    /// Those that wait for a second administrator, oldest first.
    pub async fn proposed_roles(&self) -> Result<Vec<RoleChange>, AccountError> {
        Ok(store::proposed(&self.database).await?)
    }

    pub async fn refuse_role(&self, id: &RoleChangeId, reason: &str, by: &Principal, context: &Context) -> Result<(), AccountError> {
        let reason = reason_of(reason)?;
        let mut tx = self.database.begin().await?;
        let change = self.decide(&mut tx, id, Verb::Refuse, Some(&reason), by).await?;
        self.log.commit(tx, about(by, Kind::RoleChangeRefused, &change).fact("reason", json!(reason)), context).await
    }

    /// Gives the person the role that was proposed and ends their sessions, within a transaction in which whatever hangs on the old role
    /// ends, too.
    pub(crate) async fn approve_role_in(
        &self,
        tx: &mut Tx,
        id: &RoleChangeId,
        by: &StepUp,
        context: &Context,
    ) -> Result<RoleChange, AccountError> {
        let by = by.principal();
        accounts_store::hold_administrators(tx).await?;
        let change = self.decide(tx, id, Verb::Approve, None, by).await?;
        let agency = change.agency.as_ref().map(|agency| &agency.id);
        if !accounts_store::set_role(tx, &change.account, change.from, (change.to, agency)).await? {
            return Err(AccountError::Conflict);
        }
        self.enough_administrators(tx, change.from).await?;
        Sessions::revoke_all(tx, &change.account).await?;
        self.log.append_in(tx, about(by, Kind::RoleChanged, &change), context).await?;
        Ok(change)
    }

    async fn decide(
        &self,
        tx: &mut Tx,
        id: &RoleChangeId,
        verb: Verb,
        refusal: Option<&str>,
        by: &Principal,
    ) -> Result<RoleChange, AccountError> {
        only_administrators(Some(by))?;
        let found = store::load(tx, id).await?.ok_or(AccountError::Unknown)?;
        let to = taken(tx, LIFE, (found.stage, verb), Some(&found.proposed.by), by.account()).await?;
        if verb == Verb::Approve && found.account == *by.account() {
            return Err(TransitionError::OwnRole.into());
        }
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        if !store::decide(tx, id, (found.stage, to), &act, refusal).await? {
            return Err(AccountError::Conflict);
        }
        Ok(RoleChange { stage: to, ..found })
    }
}

fn about(by: &Principal, kind: Kind, of: &RoleChange) -> Draft {
    let mut draft = done_by(by, kind).fact("account", json!(of.account.as_str())).fact("change", json!(of.id.as_str()));
    draft = draft.fact("before", json!({"role": of.from.as_str()}));
    let mut after = json!({"role": of.to.as_str()});
    if let (Some(agency), Some(after)) = (&of.agency, after.as_object_mut()) {
        after.insert("agency".to_owned(), json!(agency.id.as_str()));
    }
    draft.fact("after", after)
}

#[cfg(test)]
mod tests {
    use super::super::steps::{Kinship, take};
    use super::*;

    #[test]
    fn a_role_is_given_by_a_second_hand_alone() {
        let step = |from, verb, kinship| take(LIFE, from, verb, kinship);
        assert_eq!(step(Stage::Proposed, Verb::Approve, Kinship::Same), Err(TransitionError::OwnProposal));
        assert_eq!(step(Stage::Proposed, Verb::Approve, Kinship::OneLine), Err(TransitionError::SameHand));
        assert_eq!(step(Stage::Proposed, Verb::Approve, Kinship::Independent), Ok(Stage::Approved));
        for kinship in [Kinship::Same, Kinship::OneLine, Kinship::Independent] {
            assert_eq!(step(Stage::Proposed, Verb::Refuse, kinship), Ok(Stage::Refused));
            for ended in [Stage::Approved, Stage::Refused] {
                for verb in [Verb::Approve, Verb::Refuse] {
                    assert_eq!(step(ended, verb, kinship), Err(TransitionError::AlreadyDecided));
                }
            }
        }
    }
}
