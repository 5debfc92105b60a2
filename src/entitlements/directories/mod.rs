//! What an agency's identity directory does here: it nominates people of its own agency and ends their access, and reads again what it wrote.
//!
//! What the directory says of somebody ([`Profile`]) and the account are two things. The account is made, or that of a reviewer whom the
//! agency has already is taken up, when somebody is first nominated. It follows what the directory says for as long as nobody at the vendor
//! has had a hand in it, and each time it does they are nominated anew; afterwards it stays as administrators know it, since what they
//! approved is a person with a name and an address. Whoever comes back after leaving is nominated and invited like somebody new.

mod profile;
mod store;

use serde_json::{Map, Value, json};

pub use profile::{Email, Name, Profile, ProfileError};
use store::Taken;

use super::people::Stage;
use super::{EntitlementError, Entitlements};
use crate::accounts::{AccountError, Accounts, Claim, Directory, Standing};
use crate::audit::{Context, Draft, Kind, LogUnavailable};
use crate::clock::Timestamp;
use crate::database::{DatabaseError, Tx};
use crate::ids::{AccountId, AgencyId, DirectoryPersonId};

/// People of one directory at most.
pub const MOST_DIRECTORY_PEOPLE: u64 = 5_000;
/// Accounts that one agency may come to have through it. Those of people who left stay, since the log speaks of them.
const MOST_ACCOUNTS: u64 = 20_000;

const LEFT: &str = "Their agency's directory says that they left.";
const REMOVED: &str = "Their agency's directory removed them.";
const RENAMED: &str = "Their agency's directory gave them another name or address.";

/// Somebody whom a directory keeps.
#[derive(Clone, Debug)]
pub struct DirectoryPerson {
    pub id: DirectoryPersonId,
    /// The account that was made for them or taken up; none where the address is somebody else's.
    account: Option<AccountId>,
    pub profile: Profile,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// Counts from 1, one more with each change.
    pub version: i64,
}

/// Which of a directory's people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Narrow {
    #[default]
    All,
    Id(String),
    /// Whatever the case.
    UserName(String),
    ExternalId(String),
}

/// Somebody whom a directory keeps, as administrators see them.
#[derive(Clone, Debug)]
pub struct Kept {
    pub person: DirectoryPerson,
    /// None where the directory nominates nobody, or the address is that of somebody whom it has no say about.
    pub account: Option<KeptAccount>,
}

#[derive(Clone, Debug)]
pub struct KeptAccount {
    pub name: String,
    pub email: String,
    pub standing: Standing,
    /// An agreement that has not ended is to name them.
    pub waiting: bool,
    /// One names them.
    pub named: bool,
}

impl Kept {
    #[must_use]
    pub fn account_id(&self) -> Option<&AccountId> {
        self.account.as_ref().and(self.person.account.as_ref())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ProvisioningError {
    /// Of this directory: another's people do not exist for it.
    #[error("There is no such user.")]
    Unknown,
    #[error("Another user of this directory has this userName.")]
    UserNameTaken,
    #[error("Another user of this directory has this e-mail address.")]
    AddressTaken,
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// It is not, or no longer, of the version that the change was meant for.
    #[error("The user was changed meanwhile.")]
    Stale,
    #[error(
        "{MOST_DIRECTORY_PEOPLE} users are the most that are kept of one directory, and {MOST_ACCOUNTS} accounts of one agency, those who left among them."
    )]
    Full,
    /// The agency is suspended.
    #[error("The agency of this directory is suspended.")]
    Suspended,
    /// The token was revoked or ended just now.
    #[error("The token does not hold.")]
    TokenEnded,
    #[error(transparent)]
    Entitlement(#[from] EntitlementError),
}

macro_rules! through_entitlements {
    ($($error:ty)*) => {$(impl From<$error> for ProvisioningError {
        fn from(error: $error) -> Self {
            Self::Entitlement(error.into())
        }
    })*};
}

through_entitlements! { AccountError DatabaseError LogUnavailable }

impl From<Taken> for ProvisioningError {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::UserName => Self::UserNameTaken,
            Taken::Account => Self::AddressTaken,
        }
    }
}

/// A directory at work in one transaction. Entries are appended last, when all rows are written.
struct Work<'a> {
    accounts: &'a Accounts,
    by: &'a Directory,
    tx: Tx,
    entries: Vec<Draft>,
    /// The agency is among the eligible; nobody is nominated of one that is not.
    eligible: bool,
}

impl Entitlements {
    /// Whether a directory is answered: not while its agency is suspended.
    pub async fn is_served(&self, by: &Directory) -> Result<bool, EntitlementError> {
        Ok(!store::is_suspended(&self.database, &by.agency().id).await?)
    }

    /// Some or all of a directory's people, in the order in which they were entered.
    pub async fn directory_people(&self, by: &Directory, narrow: &Narrow) -> Result<Vec<DirectoryPerson>, EntitlementError> {
        Ok(store::list(&self.database, &by.agency().id, narrow).await?)
    }

    pub async fn directory_person(&self, by: &Directory, id: &str) -> Result<Option<DirectoryPerson>, EntitlementError> {
        Ok(self.directory_people(by, &Narrow::Id(id.to_owned())).await?.pop())
    }

    /// An agency's directory as administrators see it: its people by user name, with what became of them.
    pub async fn kept_by_directory(&self, agency: &AgencyId) -> Result<Vec<Kept>, EntitlementError> {
        Ok(store::kept(&self.database, agency, self.clock.now()).await?)
    }

    /// Enters somebody, and nominates them where they are active.
    pub async fn enter_directory_person(
        &self,
        accounts: &Accounts,
        profile: Profile,
        by: &Directory,
        context: &Context,
    ) -> Result<DirectoryPerson, ProvisioningError> {
        profile.check()?;
        let mut work = self.begin_work(accounts, by).await?;
        let (people, accounts_there) = store::count(&mut work.tx, &by.agency().id).await?;
        if people >= MOST_DIRECTORY_PEOPLE || accounts_there >= MOST_ACCOUNTS {
            return Err(ProvisioningError::Full);
        }
        let now = self.clock.now();
        let id = DirectoryPersonId::random(&self.entropy);
        let mut person = DirectoryPerson { id, account: None, profile, created_at: now, changed_at: now, version: 1 };
        store::insert(&mut work.tx, &by.agency().id, &person).await??;
        let nominated = self.settle(&mut work, &mut person, None).await?;
        let mut entry = about(by, Kind::DirectoryPersonEntered, &person).fact("nominated", json!(nominated));
        entry = entry.fact("after", json!({"active": person.profile.active}));
        self.finish_work(work, entry.query(words(&differences(None, Some(&person.profile)))), context).await?;
        Ok(person)
    }

    /// Writes what a directory says of somebody now over what it said in `version`. What was so already is no change.
    pub async fn change_directory_person(
        &self,
        accounts: &Accounts,
        (id, version): (&DirectoryPersonId, i64),
        profile: Profile,
        by: &Directory,
        context: &Context,
    ) -> Result<DirectoryPerson, ProvisioningError> {
        profile.check()?;
        let mut work = self.begin_work(accounts, by).await?;
        let mut person = self.hold_person(&mut work, id, version).await?;
        if person.profile == profile {
            return Ok(person);
        }
        let before = std::mem::replace(&mut person.profile, profile);
        person.changed_at = self.clock.now();
        person.version += 1;
        store::update(&mut work.tx, &person).await??;
        let nominated = self.settle(&mut work, &mut person, Some(&before)).await?;
        let changes = differences(Some(&before), Some(&person.profile));
        let mut entry = about(by, Kind::DirectoryPersonChanged, &person).fact("nominated", json!(nominated));
        entry = entry.fact("changed", changes.keys().cloned().collect::<Vec<_>>());
        entry = entry.fact("before", json!({"active": before.active})).fact("after", json!({"active": person.profile.active}));
        self.finish_work(work, entry.query(words(&changes)), context).await?;
        Ok(person)
    }

    /// Forgets somebody, whose access ends.
    pub async fn remove_directory_person(
        &self,
        accounts: &Accounts,
        (id, version): (&DirectoryPersonId, i64),
        by: &Directory,
        context: &Context,
    ) -> Result<(), ProvisioningError> {
        let mut work = self.begin_work(accounts, by).await?;
        let mut person = self.hold_person(&mut work, id, version).await?;
        if person.account.is_none() {
            person.account = self.unclaimed(&mut work, &person).await?;
        }
        if let Some(account) = &person.account {
            self.end_via(&mut work, account, REMOVED).await?;
        }
        store::delete(&mut work.tx, &person.id).await?;
        let mut entry = about(by, Kind::DirectoryPersonRemoved, &person);
        entry = entry.fact("before", json!({"active": person.profile.active}));
        self.finish_work(work, entry.query(words(&differences(Some(&person.profile), None))), context).await
    }

    async fn begin_work<'a>(&self, accounts: &'a Accounts, by: &'a Directory) -> Result<Work<'a>, ProvisioningError> {
        let mut tx = self.database.begin().await?;
        if !accounts.hold_directory(&mut tx, by).await? {
            return Err(ProvisioningError::TokenEnded);
        }
        let (suspended, eligible) = store::agency(&mut tx, &by.agency().id).await?;
        if suspended {
            return Err(ProvisioningError::Suspended);
        }
        Ok(Work { accounts, by, tx, entries: Vec::new(), eligible })
    }

    async fn hold_person(&self, work: &mut Work<'_>, id: &DirectoryPersonId, version: i64) -> Result<DirectoryPerson, ProvisioningError> {
        let found = store::hold(&mut work.tx, &work.by.agency().id, id.as_str()).await?.ok_or(ProvisioningError::Unknown)?;
        if found.version == version { Ok(found) } else { Err(ProvisioningError::Stale) }
    }

    /// What the directory did comes first in the log, what followed of it behind.
    async fn finish_work(&self, work: Work<'_>, first: Draft, context: &Context) -> Result<(), ProvisioningError> {
        let Work { mut tx, entries, .. } = work;
        for entry in [first].into_iter().chain(entries) {
            self.log.append_in(&mut tx, entry, context).await?;
        }
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// Makes account and nominations follow what the directory says now, and said before. Returns how many nominations were made.
    async fn settle(
        &self,
        work: &mut Work<'_>,
        person: &mut DirectoryPerson,
        before: Option<&Profile>,
    ) -> Result<usize, ProvisioningError> {
        let became = |active: bool| person.profile.active == active && before.is_none_or(|before| before.active != active);
        if became(false) {
            if person.account.is_none() {
                self.take_up(work, person).await?;
            }
            if let Some(account) = &person.account {
                self.end_via(work, account, LEFT).await?;
            }
            return Ok(0);
        }
        if !person.profile.active || !work.eligible {
            return Ok(0);
        }
        let returned = became(true);
        let is_new = match &person.account {
            None => self.claim(work, person).await?,
            Some(account) if before.is_some_and(|before| identity(before) != identity(&person.profile)) => {
                self.follow(work, account, &person.profile).await?
            }
            Some(_) => false,
        };
        match &person.account {
            Some(account) if is_new || returned => {
                if !work.accounts.reopen_in(&mut work.tx, account, work.by, &mut work.entries).await? {
                    return Ok(0);
                }
                Ok(self.nominate_via(&mut work.tx, account, work.by, &mut work.entries).await?)
            }
            _ => Ok(0),
        }
    }

    /// Finds or makes the account of somebody who has none yet. False when the address is somebody else's.
    async fn claim(&self, work: &mut Work<'_>, person: &mut DirectoryPerson) -> Result<bool, ProvisioningError> {
        let Some(address) = person.profile.address() else { return Ok(false) };
        let (address, called) = (address.to_owned(), person.profile.called());
        match work.accounts.claim_in(&mut work.tx, &address, &called, work.by, &mut work.entries).await? {
            Claim::Made(account) | Claim::Theirs(account) => {
                store::link(&mut work.tx, &work.by.agency().id, &person.id, &account).await??;
                person.account = Some(account);
                Ok(true)
            }
            // The directory is not told: who has an account elsewhere is none of its business.
            Claim::Elsewhere => Ok(false),
        }
    }

    /// Takes up the account of a reviewer whom the agency has already and the directory says is not its.
    async fn take_up(&self, work: &mut Work<'_>, person: &mut DirectoryPerson) -> Result<(), ProvisioningError> {
        let Some(address) = person.profile.address() else { return Ok(()) };
        if let Some(account) = work.accounts.theirs_in(&mut work.tx, address, work.by).await? {
            store::link(&mut work.tx, &work.by.agency().id, &person.id, &account).await??;
            person.account = Some(account);
        }
        Ok(())
    }

    /// The account of a reviewer of the agency with this address, unless it is that of another of the directory's people.
    async fn unclaimed(&self, work: &mut Work<'_>, person: &DirectoryPerson) -> Result<Option<AccountId>, ProvisioningError> {
        let Some(address) = person.profile.address() else { return Ok(None) };
        let Some(account) = work.accounts.theirs_in(&mut work.tx, address, work.by).await? else { return Ok(None) };
        let linked = store::is_linked(&mut work.tx, &work.by.agency().id, &account).await?;
        Ok((!linked).then_some(account))
    }

    /// Gives an account that nobody at the vendor has had a hand in the name and address that the directory says now. Whoever waits for
    /// approval then is somebody else, and so are they nominated anew: true.
    async fn follow(&self, work: &mut Work<'_>, account: &AccountId, profile: &Profile) -> Result<bool, ProvisioningError> {
        let Some(address) = profile.address() else { return Ok(false) };
        let called = profile.called();
        if self.was_approved(&mut work.tx, account).await?
            || !work.accounts.rename_in(&mut work.tx, account, (address, &called), work.by, &mut work.entries).await?
        {
            return Ok(false);
        }
        let (tx, entries) = (&mut work.tx, &mut work.entries);
        self.withdraw_via(tx, account, &[Stage::Nominated], RENAMED, work.by, entries).await?;
        Ok(true)
    }

    async fn end_via(&self, work: &mut Work<'_>, account: &AccountId, reason: &str) -> Result<(), ProvisioningError> {
        let (tx, entries) = (&mut work.tx, &mut work.entries);
        if work.accounts.end_in(tx, account, reason, work.by, entries).await? {
            self.withdraw_via(tx, account, &[Stage::Nominated, Stage::Approved], reason, work.by, entries).await?;
        }
        Ok(())
    }
}

/// Who somebody is, as administrators are asked to approve it.
fn identity(profile: &Profile) -> (Option<&str>, String) {
    (profile.address(), profile.called())
}

fn about(by: &Directory, kind: Kind, person: &DirectoryPerson) -> Draft {
    let entry = by.draft(kind).fact("user", json!(person.id.as_str()));
    match &person.account {
        Some(account) => entry.fact("account", json!(account.as_str())),
        None => entry,
    }
}

/// By attribute, what was written before and what is now, as far as it differs.
fn differences(before: Option<&Profile>, after: Option<&Profile>) -> Map<String, Value> {
    let fields = |of: Option<&Profile>| match of.map(serde_json::to_value) {
        Some(Ok(Value::Object(fields))) => fields,
        _ => Map::new(),
    };
    let (old, new) = (fields(before), fields(after));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differing.map(|name| (name.clone(), json!({"before": old.get(name), "after": new.get(name)}))).collect()
}

/// For the personal part of an entry.
fn words(changes: &Map<String, Value>) -> String {
    Value::Object(changes.clone()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_by_attribute_and_nothing_else() {
        let one = Profile { user_name: "ada@one.example".to_owned(), active: true, ..Profile::default() };
        let other = Profile { title: Some("Analyst".to_owned()), active: false, ..one.clone() };
        let told = differences(Some(&one), Some(&other));
        assert_eq!(told.keys().collect::<Vec<_>>(), ["active", "title"]);
        assert_eq!(told["title"], json!({"before": null, "after": "Analyst"}));
        assert_eq!(differences(Some(&one), Some(&one)), Map::new());
        assert_eq!(differences(None, Some(&one)).keys().collect::<Vec<_>>(), ["active", "userName"]);
    }
}
