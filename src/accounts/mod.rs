//! People: who they are, how they prove it, and their sessions.
//!
//! A [`Principal`] is made here alone, afresh for each request, from a live session of an account that is not disabled. What
//! needs a recent proof of identity takes a [`StepUp`], which is made here alone too.

mod brake;
mod directories;
mod invitations;
mod locks;
mod one_time;
mod password;
mod principal;
mod resets;
mod roles;
mod second_factor;
mod sign_in;
pub(crate) mod steps;
mod store;

use std::sync::Arc;

use serde_json::json;
use tower_sessions::Session;

pub use brake::Failures;
pub(crate) use directories::Claim;
pub use directories::{DIRECTORY_TOKEN_LASTS, Directory, DirectorySecret, DirectoryToken};
pub use invitations::{Invitation, LASTS as INVITATION_LASTS, Stage as InvitationStage};
pub use one_time::{Link, OneTimeCode};
pub use password::{HashingError, Password};
pub use principal::{Admitted, Agency, Fresh, Presence, Principal, Role, SessionHash, StepUp, Waiting};
pub use resets::{Reset, Stage as ResetStage, What as ResetOf};
pub use roles::RoleChange;
pub use second_factor::{Enrolment, SecondFactor};
pub use sign_in::{Admission, Attempt};
pub use store::Sessions;

use crate::audit::{Actor, Context, Draft, Kind, Log, LogUnavailable, Outcome, Personal};
use crate::clock::{SharedClock, Timestamp};
use crate::config::{Config, FactorPolicy};
use crate::database::{Database, DatabaseError, Tx};
use crate::ids::{AccountId, AgencyId, Entropy};
use crate::sealing::{Kept, Sealer, SealingError};
use steps::{Kinship, Step, TransitionError};
use store::Owner;

/// The tables of every life in this room, for tests that walk them.
pub mod lives {
    pub use super::invitations::{LIFE as INVITATION, Stage as InvitationStage, Verb as InvitationVerb};
    pub use super::locks::{LIFE as LOCK, Stage as LockStage, Verb as LockVerb};
    pub use super::resets::{LIFE as RESET, Stage as ResetStage, Verb as ResetVerb};
    pub use super::roles::{LIFE as ROLE_CHANGE, Stage as RoleStage, Verb as RoleVerb};
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// One reply for every reason why somebody is not let in.
    #[error("The e-mail address and the password do not go together, or there were too many attempts. Try again in a while.")]
    Refused,
    #[error("{problem}")]
    Invalid { field: &'static str, problem: String },
    #[error("there is no such account")]
    Unknown,
    #[error("somebody else changed this account at the same moment")]
    Conflict,
    #[error(transparent)]
    Transition(#[from] TransitionError),
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error("the session could not be kept: {0}")]
    Session(#[from] tower_sessions::session::Error),
}

/// Somebody's account, as administrators see it.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: AccountId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub agency: Option<Agency>,
    pub created_at: Timestamp,
    /// Whoever was invited chose a password.
    pub joined: bool,
    /// Since when the password is reset, until they choose another one.
    pub reset_at: Option<Timestamp>,
    /// Since when they have a second factor.
    pub second_factor: Option<Timestamp>,
    /// Since when it is locked.
    pub disabled_at: Option<Timestamp>,
    pub lock: Lock,
}

/// Who locked an account, and why, as far as that was written down; nothing of one that is open.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    pub by: Option<AccountId>,
    pub name: Option<String>,
    pub reason: Option<String>,
}

impl Account {
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.disabled_at, self.reset_at, self.joined) {
            (Some(_), _, _) => Standing::Locked,
            (None, Some(_), _) => Standing::Reset,
            (None, None, false) => Standing::Invited,
            (None, None, true) => Standing::Active,
        }
    }
}

/// Whether whoever has an account can use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Active,
    /// Has not chosen a password yet.
    Invited,
    /// Has to choose another password.
    Reset,
    Locked,
}

impl Standing {
    pub const ALL: [Self; 4] = [Self::Active, Self::Invited, Self::Reset, Self::Locked];

    /// As addresses and files write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Invited => "invited",
            Self::Reset => "reset",
            Self::Locked => "locked",
        }
    }
}

/// Whom a search among people asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Part of the name or e-mail address, whatever the case.
    pub text: String,
    pub agency: Option<AgencyId>,
    pub role: Option<Role>,
    pub standing: Option<Standing>,
    /// The e-mail address behind which the page begins.
    pub after: String,
}

/// A page of people, by e-mail address.
#[derive(Clone, Debug)]
pub struct People {
    pub people: Vec<Account>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// On all pages.
    pub total: u64,
}

#[derive(Clone, Debug)]
pub struct NewAccount {
    pub email: String,
    pub name: String,
    pub role: Role,
    pub agency: Option<AgencyId>,
}

#[derive(Clone, Debug)]
pub struct LiveSession {
    pub hash: SessionHash,
    pub opened_at: Timestamp,
    pub seen_at: Timestamp,
    pub address: Option<String>,
    /// What its browser called itself.
    pub user_agent: Option<String>,
}

#[derive(Clone)]
pub struct Accounts {
    database: Database,
    log: Log,
    clock: SharedClock,
    entropy: Entropy,
    hasher: password::Hasher,
    sessions: Sessions,
    sealer: Sealer,
    /// Who must have a second factor.
    required: FactorPolicy,
    /// As authenticator apps call the portal.
    issuer: String,
}

impl Accounts {
    /// # Errors
    /// When the configured cost of passwords is none that Argon2 takes.
    pub fn new(database: Database, log: Log, clock: SharedClock, entropy: Entropy, config: &Config) -> Result<Self, AccountError> {
        Ok(Self {
            hasher: password::Hasher::new(config.password, entropy.clone())?,
            sessions: Sessions { database: database.clone(), clock: Arc::clone(&clock), limits: config.session },
            sealer: Sealer::new(&config.keys(), Kept::SecondFactors, entropy.clone()),
            required: config.accounts.second_factor,
            issuer: second_factor::issuer(config.public_origin.as_deref()),
            database,
            log,
            clock,
            entropy,
        })
    }

    /// Where `tower-sessions` keeps sessions.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// Whose session this is, now, asked for from this network address.
    pub async fn presence(&self, session: &Session, address: Option<&str>) -> Result<Presence, AccountError> {
        let Some(id) = session.id() else { return Ok(Presence::Nobody) };
        let address = address.and_then(|address| address.parse().ok());
        Ok(match self.sessions.owner(id).await? {
            None => Presence::Nobody,
            Some(Owner::Awaits(principal)) => Presence::Waiting(Waiting(Principal { address, ..principal })),
            Some(Owner::Is(principal)) => {
                let principal = Principal { address, ..principal };
                let due = self.required.of(principal.role) && !principal.second_factor;
                if due { Presence::Due(principal.admitted()) } else { Presence::Present(principal) }
            }
        })
    }

    /// Who is signed in in this session, now, and has everything that their account must have.
    pub async fn principal(&self, session: &Session, address: Option<&str>) -> Result<Option<Principal>, AccountError> {
        match self.presence(session, address).await? {
            Presence::Present(principal) => Ok(Some(principal)),
            Presence::Nobody | Presence::Waiting(_) | Presence::Due(_) => Ok(None),
        }
    }

    pub async fn list(&self) -> Result<Vec<Account>, AccountError> {
        Ok(store::list(&self.database).await?)
    }

    /// How many there are.
    pub async fn count(&self) -> Result<u64, AccountError> {
        Ok(store::count(&self.database).await?)
    }

    /// The people of an agency, by e-mail address.
    pub async fn of_agency(&self, agency: &AgencyId) -> Result<Vec<Account>, AccountError> {
        Ok(store::of_agency(&self.database, agency).await?)
    }

    /// Some of them, a page at a time.
    pub async fn search(&self, wanted: &Wanted) -> Result<People, AccountError> {
        Ok(store::page(&self.database, wanted).await?)
    }

    /// By id or by e-mail address.
    pub async fn find(&self, key: &str) -> Result<Option<Account>, AccountError> {
        Ok(store::find(&self.database, key).await?)
    }

    /// Opens an account with a password, from the command line, whose operator answers for it. Administrators invite: see
    /// [`Accounts::invite`].
    pub async fn create(&self, new: NewAccount, password: Password, context: &Context) -> Result<AccountId, AccountError> {
        let account = check(new, AccountId::random(&self.entropy), self.clock.now())?;
        password.check(&account.email).map_err(|problem| invalid("password", problem))?;
        let hash = self.hasher.hash(password).await?;
        let mut tx = self.database.begin().await?;
        self.enter(&mut tx, &account, hash, None, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(account.id)
    }

    /// Whether an account can be made like this, as far as it alone says.
    ///
    /// # Errors
    /// A sentence for whoever wrote it.
    pub fn check(new: &NewAccount) -> Result<(), AccountError> {
        check(new.clone(), AccountId::known(""), Timestamp::from_micros(0)).map(drop)
    }

    async fn enter(
        &self,
        tx: &mut Tx,
        account: &Account,
        hash: String,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<(), AccountError> {
        if !store::insert(tx, account, hash, by.map(Principal::account)).await? {
            return Err(invalid("email", "Somebody has an account with this e-mail address already."));
        }
        let mut draft = drafted(by, Kind::AccountCreated);
        draft = draft.fact("account", json!(account.id.as_str()));
        draft = draft.fact("role", json!(account.role.as_str()));
        draft = draft.fact_if("agency", account.agency.as_ref().map(|agency| agency.id.as_str()));
        self.log.append_in(tx, draft, context).await?;
        Ok(())
    }

    /// Drops the rows of sessions that ended long ago.
    pub async fn sweep(&self) -> Result<u64, AccountError> {
        Ok(self.sessions.sweep().await?)
    }
}

/// An entry about something that `principal` did.
#[must_use]
pub fn done_by(principal: &Principal, kind: Kind) -> Draft {
    let mut draft = Draft::new(kind, Outcome::Done);
    draft.actor = Some(principal.actor());
    draft.personal = principal.personal();
    draft
}

/// An entry about something that `by` did, or the command line where nobody did.
fn drafted(by: Option<&Principal>, kind: Kind) -> Draft {
    by.map_or_else(|| Draft::new(kind, Outcome::Done), |by| done_by(by, kind))
}

/// Whoever is no administrator is told that there is nothing to decide on.
fn only_administrators(by: Option<&Principal>) -> Result<(), AccountError> {
    match by {
        Some(by) if by.role() != Role::Administrator => Err(AccountError::Unknown),
        _ => Ok(()),
    }
}

/// How `by` stands to whoever asked for something.
pub(crate) async fn kinship(tx: &mut Tx, asked: &AccountId, by: &AccountId) -> Result<Kinship, DatabaseError> {
    if asked == by {
        return Ok(Kinship::Same);
    }
    let [one, other] = store::lineages(tx, asked, by).await?;
    // An account without a line, which no table holds, is nobody independent.
    Ok(if one == other || one.is_none() { Kinship::OneLine } else { Kinship::Independent })
}

/// Where a step leads that `by` takes on what `asked` asked for; of what nobody but the command line asked for every hand is another.
async fn taken<S: Copy + PartialEq, V: Copy + PartialEq>(
    tx: &mut Tx,
    life: &[Step<S, V>],
    (from, verb): (S, V),
    asked: Option<&AccountId>,
    by: &AccountId,
) -> Result<S, AccountError> {
    let kinship = match asked {
        Some(asked) => kinship(tx, asked, by).await?,
        None => Kinship::Independent,
    };
    Ok(steps::take(life, from, verb, kinship)?)
}

/// An account as an entry names it, outside of a session.
fn actor_of(account: &Account) -> Actor {
    Actor {
        account: account.id.clone(),
        agency: account.agency.as_ref().map(|agency| agency.id.clone()),
        role: account.role.as_str().to_owned(),
        session: None,
    }
}

/// What an entry says about somebody by commitment only.
fn personal_of(account: &Account) -> Personal {
    Personal {
        name: Some(account.name.clone()),
        email: Some(account.email.clone()),
        agency_name: account.agency.as_ref().map(|agency| agency.name.clone()),
        ..Personal::default()
    }
}

fn invalid(field: &'static str, problem: &str) -> AccountError {
    AccountError::Invalid { field, problem: problem.to_owned() }
}

fn check(new: NewAccount, id: AccountId, created_at: Timestamp) -> Result<Account, AccountError> {
    let email = new.email.trim().to_lowercase();
    if !is_address(&email) {
        return Err(invalid("email", "Write an e-mail address, as in name@agency.example."));
    }
    let name = new.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(invalid("name", "Write the person's name, in 200 characters at most."));
    }
    role_fits(new.role, new.agency.as_ref())?;
    let agency = new.agency.map(|id| Agency { id, name: String::new() });
    Ok(Account {
        id,
        email,
        name,
        role: new.role,
        agency,
        created_at,
        joined: false,
        reset_at: None,
        second_factor: None,
        disabled_at: None,
        lock: Lock::default(),
    })
}

/// Whether somebody could have this e-mail address.
pub(crate) fn is_address(text: &str) -> bool {
    let plausible = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    plausible && text.len() <= 254 && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Reviewers work for an agency, and nobody else does.
fn role_fits(role: Role, agency: Option<&AgencyId>) -> Result<(), AccountError> {
    match (role, agency) {
        (Role::Reviewer, None) => Err(invalid("agency", "Choose the agency this reviewer works for.")),
        (Role::Auditor | Role::Administrator, Some(_)) => Err(invalid("agency", "Only reviewers work for an agency.")),
        _ => Ok(()),
    }
}

/// A reason as it stands in the record.
fn reason_of(text: &str) -> Result<String, AccountError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid("reason", "This cannot be left empty."));
    }
    if text.chars().count() > 1000 || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(invalid("reason", "Write 1000 characters at most, without control characters."));
    }
    Ok(text.to_owned())
}
