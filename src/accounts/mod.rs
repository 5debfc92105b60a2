//! People: who they are, how they prove it, and their sessions.
//!
//! A [`Principal`] is made here alone, afresh for each request, from a live session of an account that is not disabled. What
//! needs a recent proof of identity takes a [`StepUp`], which is made here alone too.

mod directories;
mod invitations;
mod locks;
mod password;
mod principal;
mod roles;
mod sign_in;
pub(crate) mod steps;
mod store;

use std::sync::Arc;

use serde_json::json;
use tower_sessions::Session;

pub(crate) use directories::Claim;
pub use directories::{DIRECTORY_TOKEN_LASTS, Directory, DirectorySecret, DirectoryToken};
pub use invitations::{Invitation, LASTS as INVITATION_LASTS, Link, Stage as InvitationStage};
pub use password::{HashingError, Password};
pub use principal::{Agency, Principal, Role, SessionHash, StepUp};
pub use roles::RoleChange;
pub use sign_in::{Attempt, Failures};
pub use store::Sessions;

use crate::audit::{Actor, Context, Draft, Kind, Log, LogUnavailable, Outcome, Personal};
use crate::clock::{SharedClock, Timestamp};
use crate::config::Config;
use crate::database::{Database, DatabaseError, Tx};
use crate::ids::{AccountId, AgencyId, Entropy};
use steps::{Kinship, TransitionError};

/// The tables of every life in this room, for tests that walk them.
pub mod lives {
    pub use super::invitations::{LIFE as INVITATION, Stage as InvitationStage, Verb as InvitationVerb};
    pub use super::locks::{LIFE as LOCK, Stage as LockStage, Verb as LockVerb};
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
    /// Has a password: whoever was invited chose one.
    pub joined: bool,
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
        match (self.disabled_at, self.joined) {
            (Some(_), _) => Standing::Locked,
            (None, false) => Standing::Invited,
            (None, true) => Standing::Active,
        }
    }
}

/// Whether whoever has an account can use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Active,
    /// Has not chosen a password yet.
    Invited,
    Locked,
}

impl Standing {
    pub const ALL: [Self; 3] = [Self::Active, Self::Invited, Self::Locked];

    /// As addresses and files write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Invited => "invited",
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
}

impl Accounts {
    /// # Errors
    /// When the configured cost of passwords is none that Argon2 takes.
    pub fn new(database: Database, log: Log, clock: SharedClock, entropy: Entropy, config: &Config) -> Result<Self, AccountError> {
        Ok(Self {
            hasher: password::Hasher::new(config.password, entropy.clone())?,
            sessions: Sessions { database: database.clone(), clock: Arc::clone(&clock), limits: config.session },
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

    /// Who is signed in in this session, now, asking from this network address.
    pub async fn principal(&self, session: &Session, address: Option<&str>) -> Result<Option<Principal>, AccountError> {
        let Some(id) = session.id() else { return Ok(None) };
        let address = address.and_then(|address| address.parse().ok());
        Ok(self.sessions.principal(id).await?.map(|principal| Principal { address, ..principal }))
    }

    /// Lets somebody in, or refuses with one reply for every reason. The entry is durable before the session opens.
    pub async fn sign_in(&self, attempt: Attempt, session: &Session, context: &Context) -> Result<(), AccountError> {
        // Nobody's address is longer (RFC 5321); what is cut fits no account.
        let email: String = attempt.email.trim().to_lowercase().chars().take(254).collect();
        let now = self.clock.now();
        let held_back = sign_in::is_held_back(&self.database, &email, &attempt.address, now).await?;
        let stored = store::credentials(&self.database, &email).await?;
        let verified = self.hasher.verify(attempt.password, stored.as_ref().map(|(_, hash)| hash.clone())).await?;
        let (id, hash, upgraded) = match (verified, stored) {
            (password::Verified::Yes { upgraded }, Some((id, hash))) if !held_back => (id, hash, upgraded),
            _ => {
                // An attempt while held back is not counted, or a stranger's script could hold back the owner for ever.
                if !held_back {
                    sign_in::failed(&self.database, &email, &attempt.address, now).await?;
                }
                let mut draft = Draft::new(Kind::SessionRefused, Outcome::Denied);
                draft.personal = Personal { email: Some(email), ..Personal::default() };
                self.log.append(draft, context).await?;
                return Err(AccountError::Refused);
            }
        };
        sign_in::succeeded(&self.database, &email, &attempt.address, now).await?;
        let account = store::find(&self.database, id.as_str()).await?.ok_or(AccountError::Refused)?;
        // A new id at each change of assurance; the old one, which an attacker may have planted, dies. It opens nothing
        // until the entry that says so is durable.
        session.cycle_id().await?;
        session.insert(store::ADDRESS, &attempt.address).await?;
        session.insert(store::USER_AGENT, &context.user_agent).await?;
        session.save().await?;
        let mut draft = Draft::new(Kind::SessionOpened, Outcome::Permitted);
        draft.actor = Some(Actor {
            account: id.clone(),
            agency: account.agency.as_ref().map(|agency| agency.id.clone()),
            role: account.role.as_str().to_owned(),
            session: session.id().map(|id| store::hash_of(id).short()),
        });
        draft.personal = Personal {
            name: Some(account.name),
            email: Some(account.email),
            agency_name: account.agency.map(|agency| agency.name),
            ..Personal::default()
        };
        self.log.append(draft, context).await?;
        session.insert(store::ACCOUNT, id.as_str()).await?;
        session.insert(store::CONFIRMED, now.micros()).await?;
        // Saved again, and not left to the end of the request: only now does the row name the account.
        session.save().await?;
        if let Some(new) = upgraded {
            store::rehash(&self.database, &id, &hash, new).await?;
        }
        Ok(())
    }

    /// Ends the session; its entry comes first.
    pub async fn sign_out(&self, principal: &Principal, session: &Session, context: &Context) -> Result<(), AccountError> {
        self.log.append(done_by(principal, Kind::SessionClosed), context).await?;
        session.flush().await?;
        Ok(())
    }

    /// Takes the password once more and remembers when, for what asks for a fresh proof of identity.
    pub async fn confirm(
        &self,
        principal: &Principal,
        password: Password,
        session: &Session,
        context: &Context,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        let address = context.address.clone().unwrap_or_default();
        let held_back = sign_in::is_held_back(&self.database, principal.email(), &address, now).await?;
        let stored = store::credentials(&self.database, principal.email()).await?.map(|(_, hash)| hash);
        let verified = self.hasher.verify(password, stored).await?;
        if held_back || verified == password::Verified::No {
            if !held_back {
                sign_in::failed(&self.database, principal.email(), &address, now).await?;
            }
            let mut draft = done_by(principal, Kind::SessionRefused);
            draft.outcome = Outcome::Denied;
            self.log.append(draft, context).await?;
            return Err(AccountError::Refused);
        }
        session.insert(store::CONFIRMED, now.micros()).await?;
        session.save().await?;
        Ok(())
    }

    /// Proof that the person confirmed who they are within the configured minutes; none when that is too long ago.
    pub fn stepped_up(&self, principal: &Principal) -> Option<StepUp> {
        let confirmed = principal.confirmed_at?;
        (self.clock.now() < confirmed.plus(self.sessions.limits.step_up)).then(|| StepUp { principal: principal.clone() })
    }

    /// What sign-in has counted against an account lately.
    pub async fn failures(&self, email: &str) -> Result<Failures, AccountError> {
        Ok(sign_in::failures(&self.database, email, self.clock.now()).await?)
    }

    pub async fn list(&self) -> Result<Vec<Account>, AccountError> {
        Ok(store::list(&self.database).await?)
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
        if let Some(agency) = &account.agency {
            draft = draft.fact("agency", json!(agency.id.as_str()));
        }
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
    Ok(Account { id, email, name, role: new.role, agency, created_at, joined: false, disabled_at: None, lock: Lock::default() })
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
