//! People: who they are, how they prove it, and their sessions.
//!
//! A [`Principal`] is made here alone, afresh for each request, from a live session of an account that is not disabled. What
//! needs a recent proof of identity takes a [`StepUp`], which is made here alone too.

mod password;
mod principal;
mod sign_in;
mod store;

use std::sync::Arc;

use serde_json::json;
use tower_sessions::Session;

pub use password::{HashingError, Password};
pub use principal::{Agency, Principal, Role, SessionHash, StepUp};
pub use sign_in::Attempt;
pub use store::Sessions;

use crate::audit::{Actor, Context, Draft, Kind, Log, LogUnavailable, Outcome, Personal};
use crate::clock::{SharedClock, Timestamp};
use crate::config::Config;
use crate::database::{Database, DatabaseError};
use crate::ids::{AccountId, AgencyId, Entropy};

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
    pub disabled_at: Option<Timestamp>,
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

    pub async fn live_sessions(&self, principal: &Principal) -> Result<Vec<LiveSession>, AccountError> {
        Ok(self.sessions.of_account(&principal.account).await?)
    }

    /// Ends one of a person's own sessions, named by its short hash.
    pub async fn end_session(&self, principal: &Principal, short: &str, context: &Context) -> Result<(), AccountError> {
        let sessions = self.sessions.of_account(&principal.account).await?;
        let session = sessions.into_iter().find(|session| session.hash.short() == short).ok_or(AccountError::Unknown)?;
        self.log.append(done_by(principal, Kind::SessionClosed).fact("session", short), context).await?;
        self.sessions.revoke(&session.hash).await?;
        Ok(())
    }

    pub async fn list(&self) -> Result<Vec<Account>, AccountError> {
        Ok(store::list(&self.database).await?)
    }

    /// By id or by e-mail address.
    pub async fn find(&self, key: &str) -> Result<Option<Account>, AccountError> {
        Ok(store::find(&self.database, key).await?)
    }

    /// Opens an account. `by` is absent only for the first accounts, which the command line makes.
    pub async fn create(
        &self,
        new: NewAccount,
        password: Password,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<AccountId, AccountError> {
        let account = check(new, AccountId::random(&self.entropy), self.clock.now())?;
        password.check(&account.email).map_err(|problem| invalid("password", problem))?;
        let hash = self.hasher.hash(password).await?;
        let mut tx = self.database.begin().await?;
        if !store::insert(&mut tx, &account, hash, by.map(Principal::account)).await? {
            return Err(invalid("email", "Somebody has an account with this e-mail address already."));
        }
        let mut draft = by.map_or_else(|| Draft::new(Kind::AccountCreated, Outcome::Done), |by| done_by(by, Kind::AccountCreated));
        draft = draft.fact("account", json!(account.id.as_str()));
        draft = draft.fact("role", json!(account.role.as_str()));
        if let Some(agency) = &account.agency {
            draft = draft.fact("agency", json!(agency.id.as_str()));
        }
        self.log.append_in(&mut tx, draft, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(account.id)
    }

    /// Closes an account and ends its sessions at once.
    pub async fn disable(&self, id: &AccountId, reason: &str, by: &StepUp, context: &Context) -> Result<(), AccountError> {
        if by.principal().account() == id {
            return Err(invalid("account", "You cannot disable your own account; ask another administrator."));
        }
        let mut tx = self.database.begin().await?;
        if !store::set_disabled(&mut tx, id, Some(self.clock.now())).await? {
            return Err(AccountError::Conflict);
        }
        Sessions::revoke_all(&mut tx, id).await?;
        let mut draft = done_by(by.principal(), Kind::AccountDisabled);
        draft = draft.fact("account", json!(id.as_str())).fact("reason", reason.chars().take(1000).collect::<String>());
        self.log.append_in(&mut tx, draft, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
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

fn invalid(field: &'static str, problem: &str) -> AccountError {
    AccountError::Invalid { field, problem: problem.to_owned() }
}

fn check(new: NewAccount, id: AccountId, created_at: Timestamp) -> Result<Account, AccountError> {
    let email = new.email.trim().to_lowercase();
    let plausible = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if !plausible || email.len() > 254 || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(invalid("email", "Write an e-mail address, as in name@agency.example."));
    }
    let name = new.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(invalid("name", "Write the person's name, in 200 characters at most."));
    }
    match (new.role, &new.agency) {
        (Role::Reviewer, None) => return Err(invalid("agency", "Choose the agency this reviewer works for.")),
        (Role::Auditor | Role::Administrator, Some(_)) => {
            return Err(invalid("agency", "Only reviewers work for an agency."));
        }
        _ => {}
    }
    let agency = new.agency.map(|id| Agency { id, name: String::new() });
    Ok(Account { id, email, name, role: new.role, agency, created_at, disabled_at: None })
}
