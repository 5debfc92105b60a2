//! What a directory does to the accounts of its agency's reviewers: it opens them without a password, locks them, and opens again, without
//! the password they had, what it locked. An account of anybody else is out of its reach, and so is a lock that somebody else placed.
//!
//! Entries are handed back, for whoever called to append when all rows are written: the log is locked last.

use serde_json::json;

use super::super::{Account, AccountError, Accounts, NewAccount, Role, Sessions};
use super::{Directory, store};
use crate::audit::{Draft, Kind};
use crate::database::Tx;
use crate::ids::AccountId;

/// What became of an address that a directory names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// An account was made for it.
    Made(AccountId),
    /// A reviewer of the directory's agency has it.
    Theirs(AccountId),
    /// Somebody else has it, of whom the directory learns nothing.
    Elsewhere,
}

/// A reviewer's account, as far as a directory may touch it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) locked: bool,
    /// It was a directory that locked it.
    pub(super) by_directory: bool,
}

impl Accounts {
    /// Whether the directory's token holds still; nobody revokes it before the transaction ends.
    pub(crate) async fn hold_directory(&self, tx: &mut Tx, by: &Directory) -> Result<bool, AccountError> {
        Ok(store::hold_token(tx, by.token(), self.clock.now()).await?)
    }

    /// Finds the account of an address, or makes one without a password.
    pub(crate) async fn claim_in(
        &self,
        tx: &mut Tx,
        email: &str,
        name: &str,
        by: &Directory,
        entries: &mut Vec<Draft>,
    ) -> Result<Claim, AccountError> {
        let account = self.written(email, name, by)?;
        if store::insert_account(tx, &account, by).await? {
            let mut entry = by.draft(Kind::AccountCreated).fact("account", json!(account.id.as_str()));
            entry = entry.fact("role", json!(account.role.as_str())).fact("agency", json!(by.agency().id.as_str()));
            entries.push(entry);
            return Ok(Claim::Made(account.id));
        }
        Ok(store::theirs(tx, &by.agency().id, &account.email).await?.map_or(Claim::Elsewhere, Claim::Theirs))
    }

    /// The account of an address, where it is that of a reviewer of the directory's agency.
    pub(crate) async fn theirs_in(&self, tx: &mut Tx, email: &str, by: &Directory) -> Result<Option<AccountId>, AccountError> {
        Ok(store::theirs(tx, &by.agency().id, &email.to_lowercase()).await?)
    }

    /// Gives an account another name and address that a directory made and nobody has made a link for. False where that is not so: then it
    /// is somebody's whom administrators know by the name that it has.
    pub(crate) async fn rename_in(
        &self,
        tx: &mut Tx,
        id: &AccountId,
        (email, name): (&str, &str),
        by: &Directory,
        entries: &mut Vec<Draft>,
    ) -> Result<bool, AccountError> {
        let account = self.written(email, name, by)?;
        if store::hold(tx, &by.agency().id, id).await?.is_none() || !store::rename_unused(tx, id, &account.email, &account.name).await? {
            return Ok(false);
        }
        entries.push(by.draft(Kind::AccountChanged).fact("account", json!(id.as_str())));
        Ok(true)
    }

    /// Locks the account of somebody who left, ends their sessions and takes their links out of force. False when it is no reviewer's of
    /// the directory's agency.
    pub(crate) async fn end_in(
        &self,
        tx: &mut Tx,
        id: &AccountId,
        reason: &str,
        by: &Directory,
        entries: &mut Vec<Draft>,
    ) -> Result<bool, AccountError> {
        let Some(found) = store::hold(tx, &by.agency().id, id).await? else { return Ok(false) };
        let now = self.clock.now();
        for link in store::withdraw_links(tx, id, now).await? {
            let entry = by.draft(Kind::AccountInvitationWithdrawn).fact("account", json!(id.as_str()));
            entries.push(entry.fact("invitation", json!(link.as_str())));
        }
        for (reset, what) in store::withdraw_resets(tx, id, now).await? {
            let entry = by.draft(Kind::AccountResetWithdrawn).fact("account", json!(id.as_str()));
            entries.push(entry.fact("reset", json!(reset)).fact("what", json!(what)));
        }
        // What an administrator locked stays theirs to unlock.
        if !found.locked {
            store::lock(tx, id, now, by.token(), reason).await?;
            let entry = by.draft(Kind::AccountDisabled).fact("account", json!(id.as_str())).fact("reason", reason);
            entries.push(entry);
        }
        Sessions::revoke_all(tx, id).await?;
        Ok(true)
    }

    /// Opens the account of somebody who is back, if it was a directory that locked it: like a new one, without a password. Returns
    /// whether it is an open account of a reviewer of the directory's agency now.
    pub(crate) async fn reopen_in(
        &self,
        tx: &mut Tx,
        id: &AccountId,
        by: &Directory,
        entries: &mut Vec<Draft>,
    ) -> Result<bool, AccountError> {
        let Some(found) = store::hold(tx, &by.agency().id, id).await? else { return Ok(false) };
        if found.locked && found.by_directory {
            store::reopen(tx, id).await?;
            let entry = by.draft(Kind::AccountEnabled).fact("account", json!(id.as_str())).fact("password", "none");
            entries.push(entry);
        }
        Ok(!found.locked || found.by_directory)
    }

    fn written(&self, email: &str, name: &str, by: &Directory) -> Result<Account, AccountError> {
        let new = NewAccount { email: email.to_owned(), name: name.to_owned(), role: Role::Reviewer, agency: Some(by.agency().id.clone()) };
        super::super::check(new, AccountId::random(&self.entropy), self.clock.now())
    }
}
