//! Invitations: an account is made without a password, and whoever has the link chooses one, once. A reviewer is invited by one
//! administrator; what makes an auditor or an administrator takes two.

mod store;

use std::time::Duration;

use serde_json::json;

use super::one_time::{Door, Link, hash};
use super::steps::{Act, Hand, Kinship, Step, TransitionError, take};
use super::store as accounts_store;
use super::{
    Account, AccountError, Accounts, NewAccount, Password, Principal, Role, StepUp, actor_of, done_by, drafted, invalid,
    only_administrators, personal_of, taken,
};
use crate::audit::{Context, Draft, Kind};
use crate::clock::Timestamp;
use crate::database::{DatabaseError, Tx};
use crate::ids::{AccountId, InvitationId};

/// How long a link can be used.
pub const LASTS: Duration = Duration::from_secs(7 * 86_400);

/// Where an invitation is in its life. That its time is over is no stage: it shows by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Where it takes two; its link opens nothing yet.
    Proposed,
    Open,
    Used,
    Withdrawn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Approve,
    Withdraw,
    /// By whoever has the link.
    Use,
}

/// The life of an invitation. Whoever let it lapse is invited anew.
pub const LIFE: &[Step<Stage, Verb>] = &[
    Step { from: Stage::Proposed, verb: Verb::Approve, to: Stage::Open, hand: Hand::Second },
    Step { from: Stage::Proposed, verb: Verb::Withdraw, to: Stage::Withdrawn, hand: Hand::Any },
    Step { from: Stage::Open, verb: Verb::Withdraw, to: Stage::Withdrawn, hand: Hand::Any },
    Step { from: Stage::Open, verb: Verb::Use, to: Stage::Used, hand: Hand::Any },
];

impl Stage {
    pub const ALL: [Self; 4] = [Self::Proposed, Self::Open, Self::Used, Self::Withdrawn];

    fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Open => "open",
            Self::Used => "used",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// How an account's first invitation begins. What the command line makes its operator answers for.
    fn first(role: Role, by: Option<&Principal>) -> Self {
        match role {
            Role::Auditor | Role::Administrator if by.is_some() => Self::Proposed,
            _ => Self::Open,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: InvitationId,
    pub account: AccountId,
    pub stage: Stage,
    /// Absent for what the command line made.
    pub invited_by: Option<AccountId>,
    /// The name of whoever invited.
    pub inviter: Option<String>,
    pub invited_at: Timestamp,
    /// The first instant at which it opens nothing any more.
    pub expires_at: Timestamp,
}

impl Invitation {
    /// Whether its link works now.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.stage == Stage::Open && now < self.expires_at
    }
}

impl Accounts {
    /// Makes an account without a password, and the link with which its owner chooses one.
    pub async fn invite(&self, new: NewAccount, by: Option<&Principal>, context: &Context) -> Result<(AccountId, Link), AccountError> {
        let mut tx = self.database.begin().await?;
        let made = self.invite_in(&mut tx, new, by, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(made)
    }

    /// As [`Accounts::invite`], within a transaction.
    pub async fn invite_in(
        &self,
        tx: &mut Tx,
        new: NewAccount,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<(AccountId, Link), AccountError> {
        only_administrators(by)?;
        let account = super::check(new, AccountId::random(&self.entropy), self.clock.now())?;
        self.enter(tx, &account, String::new(), by, context).await?;
        let link = self.link(tx, &account, Stage::first(account.role, by), by, context).await?;
        Ok((account.id, link))
    }

    /// Makes another link for somebody who has not used theirs; an earlier one opens nothing any more. It takes a second administrator
    /// whatever the role: others may have agreed meanwhile to what whoever had the first link may read.
    pub async fn invite_again(&self, account: &AccountId, by: &Principal, context: &Context) -> Result<Link, AccountError> {
        only_administrators(Some(by))?;
        let account = self.find(account.as_str()).await?.ok_or(AccountError::Unknown)?;
        if account.joined || account.disabled_at.is_some() {
            return Err(AccountError::Conflict);
        }
        let mut tx = self.database.begin().await?;
        if let Some(earlier) = store::pending(&mut tx, &account.id).await? {
            self.end(&mut tx, &earlier, Verb::Withdraw, by, context).await?;
        }
        // Whoever has the link may be whoever chooses the password: the account comes from their line.
        accounts_store::set_lineage(&mut tx, &account.id, by.account()).await?;
        let link = self.link(&mut tx, &account, Stage::Proposed, Some(by), context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(link)
    }

    async fn link(
        &self,
        tx: &mut Tx,
        account: &Account,
        stage: Stage,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<Link, AccountError> {
        let now = self.clock.now();
        let link = Link::random(Door::Invitation, &self.entropy);
        let new = Invitation {
            id: InvitationId::random(&self.entropy),
            account: account.id.clone(),
            stage,
            invited_by: by.map(|by| by.account().clone()),
            inviter: None,
            invited_at: now,
            expires_at: now.plus(LASTS),
        };
        if !store::insert(tx, &new, &link.hash()).await? {
            return Err(AccountError::Conflict);
        }
        let mut entry = drafted(by, Kind::AccountInvited).fact("account", json!(account.id.as_str()));
        entry = entry.fact("invitation", json!(new.id.as_str())).fact("role", json!(account.role.as_str()));
        entry = entry.fact_if("agency", account.agency.as_ref().map(|agency| agency.id.as_str()));
        entry = entry.fact("expires", json!(new.expires_at.to_string())).fact("second_needed", json!(new.stage == Stage::Proposed));
        self.log.append_in(tx, entry, context).await?;
        Ok(link)
    }

    /// The newest invitation of an account.
    pub async fn invitation_of(&self, account: &AccountId) -> Result<Option<Invitation>, AccountError> {
        Ok(store::newest(&self.database, account).await?)
    }

    /// Those that wait for a second administrator, oldest first, each with whom it invites.
    pub async fn proposed_invitations(&self) -> Result<Vec<(Invitation, Account)>, AccountError> {
        let mut waiting = Vec::new();
        for invitation in store::proposed(&self.database).await? {
            let account = self.find(invitation.account.as_str()).await?;
            waiting.extend(account.map(|account| (invitation, account)));
        }
        Ok(waiting)
    }

    /// Lets the link of an invitation to a role that takes two work. Its days begin now.
    pub async fn approve_invitation(&self, id: &InvitationId, by: &StepUp, context: &Context) -> Result<(), AccountError> {
        let by = by.principal();
        only_administrators(Some(by))?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(AccountError::Unknown)?;
        let to = taken(&mut tx, LIFE, (found.stage, Verb::Approve), found.invited_by.as_ref(), by.account()).await?;
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        if !store::approve(&mut tx, id, (found.stage, to), &act, act.at.plus(LASTS)).await? {
            return Err(AccountError::Conflict);
        }
        let entry = about(by, Kind::AccountInvitationApproved, &found).fact("expires", json!(act.at.plus(LASTS).to_string()));
        self.log.commit(tx, entry, context).await
    }

    /// Takes the link out of force, at once.
    pub async fn withdraw_invitation(&self, id: &InvitationId, by: &Principal, context: &Context) -> Result<(), AccountError> {
        only_administrators(Some(by))?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(AccountError::Unknown)?;
        self.end(&mut tx, &found, Verb::Withdraw, by, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    async fn end(&self, tx: &mut Tx, of: &Invitation, verb: Verb, by: &Principal, context: &Context) -> Result<(), AccountError> {
        let to = take(LIFE, of.stage, verb, Kinship::Independent)?;
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        if !store::end(tx, &of.id, (of.stage, to), &act).await? {
            return Err(AccountError::Conflict);
        }
        self.log.append_in(tx, about(by, Kind::AccountInvitationWithdrawn, of), context).await?;
        Ok(())
    }

    /// Whom a link invites; `None` for one that is used, withdrawn, too old, not approved yet, or was never made.
    pub async fn invited(&self, secret: &str) -> Result<Option<Account>, AccountError> {
        let Some(found) = store::by_secret(&self.database, &hash(secret)).await? else { return Ok(None) };
        if !found.is_live(self.clock.now()) {
            return Ok(None);
        }
        let account = self.find(found.account.as_str()).await?;
        Ok(account.filter(|account| !account.joined && account.disabled_at.is_none()))
    }

    /// Sets the password of whoever a link invites, which uses it up. [`AccountError::Unknown`] is the one reply for every link that
    /// does not work.
    pub async fn accept_invitation(&self, secret: &str, password: Password, context: &Context) -> Result<Account, AccountError> {
        let account = self.invited(secret).await?.ok_or(AccountError::Unknown)?;
        password.check(&account.email).map_err(|problem| invalid("password", problem))?;
        let hashed = self.hasher.hash(password).await?;
        let now = self.clock.now();
        let mut tx = self.database.begin().await?;
        let found = store::load_by_secret(&mut tx, &hash(secret)).await?.filter(|found| found.is_live(now)).ok_or(AccountError::Unknown)?;
        let to = take(LIFE, found.stage, Verb::Use, Kinship::Independent).map_err(|_: TransitionError| AccountError::Unknown)?;
        let act = Act { by: account.id.clone(), at: now };
        let used = store::end(&mut tx, &found.id, (found.stage, to), &act).await?;
        if !used || !accounts_store::set_first_password(&mut tx, &account.id, hashed).await? {
            return Err(AccountError::Unknown);
        }
        let mut entry = drafted(None, Kind::AccountInvitationUsed);
        entry = entry.fact("account", json!(account.id.as_str())).fact("invitation", json!(found.id.as_str()));
        entry.actor = Some(actor_of(&account));
        entry.personal = personal_of(&account);
        self.log.commit(tx, entry, context).await.map(|()| account)
    }
}

fn about(by: &Principal, kind: Kind, of: &Invitation) -> Draft {
    done_by(by, kind).fact("account", json!(of.account.as_str())).fact("invitation", json!(of.id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_to_a_role_that_takes_two_opens_by_a_second_hand_alone() {
        let step = |from, verb, kinship| take(LIFE, from, verb, kinship);
        assert_eq!(step(Stage::Proposed, Verb::Approve, Kinship::Same), Err(TransitionError::OwnProposal));
        assert_eq!(step(Stage::Proposed, Verb::Approve, Kinship::OneLine), Err(TransitionError::SameHand));
        assert_eq!(step(Stage::Proposed, Verb::Approve, Kinship::Independent), Ok(Stage::Open));
        for kinship in [Kinship::Same, Kinship::OneLine, Kinship::Independent] {
            assert_eq!(step(Stage::Proposed, Verb::Use, kinship), Err(TransitionError::AlreadyDecided));
            assert_eq!(step(Stage::Open, Verb::Withdraw, kinship), Ok(Stage::Withdrawn));
        }
        for ended in [Stage::Used, Stage::Withdrawn] {
            for verb in [Verb::Approve, Verb::Withdraw, Verb::Use] {
                assert_eq!(step(ended, verb, Kinship::Independent), Err(TransitionError::AlreadyDecided));
            }
        }
    }
}
