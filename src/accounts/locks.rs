//! Locking an account, at once and by one administrator, and unlocking it, by another. And the sessions that administrators end.

use serde_json::json;

use super::steps::{Hand, Kinship, Step, take};
use super::{
    AccountError, Accounts, LiveSession, Principal, Role, Sessions, StepUp, done_by, drafted, invalid, only_administrators, reason_of,
    store, taken,
};
use crate::audit::{Context, Kind};
use crate::database::{DatabaseError, Tx};
use crate::ids::AccountId;

/// Whether whoever has an account may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Open,
    Locked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Lock,
    Unlock,
}

/// The life of an account: whoever locked it does not unlock it.
pub const LIFE: &[Step<Stage, Verb>] = &[
    Step { from: Stage::Open, verb: Verb::Lock, to: Stage::Locked, hand: Hand::Any },
    Step { from: Stage::Locked, verb: Verb::Unlock, to: Stage::Open, hand: Hand::Second },
];

/// Administrators of different lines who can sign in: with fewer nothing can be approved.
const FEWEST: i64 = 2;

impl Accounts {
    /// Locks an account and ends its sessions at once. Nobody locks their own.
    pub async fn lock(&self, id: &AccountId, reason: &str, by: &StepUp, context: &Context) -> Result<(), AccountError> {
        let mut tx = self.database.begin().await?;
        self.lock_in(&mut tx, id, reason, Some(by.principal()), context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// Locks an account from the command line.
    pub async fn lock_by_operator(&self, id: &AccountId, reason: &str, context: &Context) -> Result<(), AccountError> {
        let mut tx = self.database.begin().await?;
        self.lock_in(&mut tx, id, reason, None, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// As [`Accounts::lock`], within a transaction. `by` is absent for the command line.
    pub(crate) async fn lock_in(
        &self,
        tx: &mut Tx,
        id: &AccountId,
        reason: &str,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<(), AccountError> {
        only_administrators(by)?;
        let reason = reason_of(reason)?;
        if by.is_some_and(|by| by.account() == id) {
            return Err(invalid("account", "You cannot lock your own account; ask another administrator."));
        }
        store::hold_administrators(tx).await?;
        let found = store::hold(tx, id).await?.ok_or(AccountError::Unknown)?;
        let to = take(LIFE, found.stage(), Verb::Lock, Kinship::Independent)?;
        debug_assert_eq!(to, Stage::Locked);
        store::lock(tx, id, self.clock.now(), by.map(Principal::account), &reason).await?;
        self.enough_administrators(tx, found.role).await?;
        Sessions::revoke_all(tx, id).await?;
        let mut entry = drafted(by, Kind::AccountDisabled).fact("account", json!(id.as_str())).fact("reason", json!(reason));
        if by.is_none() {
            entry = entry.fact("by", "command line");
        }
        self.log.append_in(tx, entry, context).await?;
        Ok(())
    }

    /// Unlocks an account; not for whoever locked it.
    pub async fn unlock(&self, id: &AccountId, by: &StepUp, context: &Context) -> Result<(), AccountError> {
        let by = by.principal();
        only_administrators(Some(by))?;
        let mut tx = self.database.begin().await?;
        let found = store::hold(&mut tx, id).await?.ok_or(AccountError::Unknown)?;
        taken(&mut tx, LIFE, (found.stage(), Verb::Unlock), found.locked_by.as_ref(), by.account()).await?;
        store::unlock(&mut tx, id).await?;
        self.log.commit(tx, done_by(by, Kind::AccountEnabled).fact("account", json!(id.as_str())), context).await
    }

    /// That whoever is left after a change to somebody of this role can still approve something.
    pub(super) async fn enough_administrators(&self, tx: &mut Tx, role: Role) -> Result<(), AccountError> {
        if role == Role::Administrator && store::administrators(tx).await? < FEWEST {
            return Err(invalid(
                "account",
                "Fewer than two administrators who are independent of each other would remain, and nobody could approve anything any more. \
                 Invite another administrator first.",
            ));
        }
        Ok(())
    }

    /// A person's live sessions, newest first.
    pub async fn sessions_of(&self, account: &AccountId) -> Result<Vec<LiveSession>, AccountError> {
        Ok(self.sessions.of_account(account).await?)
    }

    /// Ends one of somebody's sessions, named by its short hash, or one of one's own.
    pub async fn end_session(&self, account: &AccountId, short: &str, by: &Principal, context: &Context) -> Result<(), AccountError> {
        may_end(account, by)?;
        let sessions = self.sessions.of_account(account).await?;
        let session = sessions.into_iter().find(|session| session.hash.short() == short).ok_or(AccountError::Unknown)?;
        let mut entry = done_by(by, Kind::SessionClosed).fact("session", short);
        if account != by.account() {
            entry = entry.fact("account", json!(account.as_str()));
        }
        self.log.append(entry, context).await?;
        self.sessions.revoke(&session.hash).await?;
        Ok(())
    }

    /// Ends all of somebody's sessions but the one in which it is asked for, and says how many.
    pub async fn end_sessions(&self, account: &AccountId, by: &Principal, context: &Context) -> Result<u64, AccountError> {
        may_end(account, by)?;
        let mut tx = self.database.begin().await?;
        let ended = Sessions::revoke_all_but(&mut tx, account, by.session()).await?;
        let mut entry = done_by(by, Kind::AccountSessionsEnded).fact("account", json!(account.as_str()));
        entry = entry.fact("sessions", json!(ended));
        self.log.commit(tx, entry, context).await.map(|()| ended)
    }
}

/// Everybody ends their own sessions, administrators those of others, too.
fn may_end(account: &AccountId, by: &Principal) -> Result<(), AccountError> {
    if account == by.account() { Ok(()) } else { only_administrators(Some(by)) }
}

#[cfg(test)]
mod tests {
    use super::super::steps::TransitionError;
    use super::*;

    #[test]
    fn whoever_locked_an_account_does_not_unlock_it() {
        let step = |from, verb, kinship| take(LIFE, from, verb, kinship);
        for kinship in [Kinship::Same, Kinship::OneLine, Kinship::Independent] {
            assert_eq!(step(Stage::Open, Verb::Lock, kinship), Ok(Stage::Locked));
            assert_eq!(step(Stage::Open, Verb::Unlock, kinship), Err(TransitionError::AlreadyDecided));
            assert_eq!(step(Stage::Locked, Verb::Lock, kinship), Err(TransitionError::AlreadyDecided));
        }
        assert_eq!(step(Stage::Locked, Verb::Unlock, Kinship::Same), Err(TransitionError::OwnProposal));
        assert_eq!(step(Stage::Locked, Verb::Unlock, Kinship::OneLine), Err(TransitionError::SameHand));
        assert_eq!(step(Stage::Locked, Verb::Unlock, Kinship::Independent), Ok(Stage::Open));
    }
}
