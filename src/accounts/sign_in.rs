//! Signing in and out, confirming who it is, and changing one's password: one reply for every failure, and the same work behind it.

use serde_json::json;
use tower_sessions::Session;

use super::brake::Trying;
use super::password::Verified;
use super::second_factor::Taken;
use super::{
    Account, AccountError, Accounts, Admitted, Fresh, Password, Principal, Sessions, StepUp, Waiting, actor_of, done_by, invalid,
    personal_of, store,
};
use crate::audit::{Actor, Context, Draft, Kind, Outcome, Personal};
use crate::clock::Timestamp;

/// What was typed, and where it came from.
pub struct Attempt {
    pub email: String,
    pub password: Password,
    /// The client's network address, as text.
    pub address: String,
}

/// What the right password opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// The session is theirs.
    Open,
    /// It awaits their second factor, and is nobody's until then.
    Factor,
}

impl Accounts {
    /// Lets somebody in, or refuses with one reply for every reason. The entry is durable before the session opens.
    pub async fn sign_in(&self, attempt: Attempt, session: &Session, context: &Context) -> Result<Admission, AccountError> {
        // Nobody's address is longer (RFC 5321); what is cut fits no account.
        let email: String = attempt.email.trim().to_lowercase().chars().take(254).collect();
        let now = self.clock.now();
        let trying = Trying { email: &email, address: &attempt.address, now };
        let held_back = trying.is_held_back(&self.database).await?;
        let stored = store::credentials(&self.database, &email).await?;
        let verified = self.hasher.verify(attempt.password.again(), stored.as_ref().map(|(_, hash)| hash.clone())).await?;
        let (id, hash, upgraded) = match (verified, stored) {
            (Verified::Yes { upgraded }, Some((id, hash))) if !held_back => (id, hash, upgraded),
            _ => {
                // An attempt while held back is not counted, or a stranger's script could hold back the owner for ever.
                if !held_back {
                    trying.failed(&self.database).await?;
                }
                return Err(self.turned_away(&email, "password", context).await?);
            }
        };
        // A new id at each change of assurance; the old one, which an attacker may have planted, dies, and what was kept in it. It opens
        // nothing until the entry that says so is durable.
        session.clear().await;
        session.cycle_id().await?;
        session.insert(store::ADDRESS, &attempt.address).await?;
        session.insert(store::USER_AGENT, &context.user_agent).await?;
        session.insert(store::WAITING, id.as_str()).await?;
        session.save().await?;
        // From here on this session ends with all others of the account. What ended them a moment ago shows in the password.
        if !self.is_still(&email, &hash, attempt.password).await? {
            give_up(session).await?;
            return Err(self.turned_away(&email, "password", context).await?);
        }
        if let Some(new) = upgraded {
            store::rehash(&self.database, &id, &hash, new).await?;
        }
        let account = store::find(&self.database, id.as_str()).await?.ok_or(AccountError::Refused)?;
        if account.second_factor.is_some() {
            return Ok(Admission::Factor);
        }
        trying.succeeded(&self.database).await?;
        self.open(&account, &["password"], session, context).await?;
        Ok(Admission::Open)
    }

    /// Takes a code of the second factor, or a recovery code in its place, from somebody who gave the password: then the session is
    /// theirs. One reply for every reason why it is not.
    pub async fn give_factor(&self, waiting: &Waiting, typed: &str, session: &Session, context: &Context) -> Result<(), AccountError> {
        let Waiting(who) = waiting;
        let before = self.standing_proofs(who).await?;
        // What ended this session ended it for good, though it gets another id below: seen before the proofs were read, it is seen here.
        let alive = match session.id() {
            Some(id) => matches!(self.sessions.owner(id).await?, Some(store::Owner::Awaits(_))),
            None => false,
        };
        let taken = if alive { self.take_factor(&who.admitted(), typed, context).await? } else { None };
        let Some(taken) = taken else {
            return Err(self.turned_away(&who.email, "code", context).await?);
        };
        session.cycle_id().await?;
        session.save().await?;
        // From here on the new id ends with all others of the account. What ended them a moment ago shows in what is asked for.
        let account = store::find(&self.database, who.account.as_str()).await?.ok_or(AccountError::Refused)?;
        if before.is_none() || self.standing_proofs(who).await? != before {
            give_up(session).await?;
            return Err(self.turned_away(&who.email, "code", context).await?);
        }
        let factors = match taken {
            Taken::Code => ["password", "code"],
            Taken::RecoveryCode => ["password", "recovery code"],
        };
        self.open(&account, &factors, session, context).await
    }

    /// What the account asks for now: the hash of its password, and since when it has its second factor.
    async fn standing_proofs(&self, who: &Principal) -> Result<Option<(String, Timestamp)>, AccountError> {
        let hash = store::credentials(&self.database, &who.email).await?.map(|(_, hash)| hash);
        let since = store::find(&self.database, who.account.as_str()).await?.and_then(|account| account.second_factor);
        Ok(hash.zip(since))
    }

    /// The entry of a refusal at the door, and the error that says so.
    async fn turned_away(&self, email: &str, wrong: &'static str, context: &Context) -> Result<AccountError, AccountError> {
        let mut draft = Draft::new(Kind::SessionRefused, Outcome::Denied).fact("wrong", wrong);
        draft.personal = Personal { email: Some(email.to_owned()), ..Personal::default() };
        self.log.append(draft, context).await?;
        Ok(AccountError::Refused)
    }

    /// Whether the account's password is the one that was verified: by its hash, or once more where another sign-in made that anew.
    async fn is_still(&self, email: &str, hash: &str, password: Password) -> Result<bool, AccountError> {
        match store::credentials(&self.database, email).await? {
            Some((_, now)) if now == hash => Ok(true),
            now => Ok(self.hasher.verify(password, now.map(|(_, hash)| hash)).await? != Verified::No),
        }
    }

    /// Makes the session theirs, once the entry that says so is durable.
    async fn open(&self, account: &Account, factors: &[&str], session: &Session, context: &Context) -> Result<(), AccountError> {
        let mut draft = Draft::new(Kind::SessionOpened, Outcome::Permitted).fact("factors", json!(factors));
        draft.actor = Some(Actor { session: session.id().map(|id| store::hash_of(id).short()), ..actor_of(account) });
        draft.personal = personal_of(account);
        self.log.append(draft, context).await?;
        session.remove::<String>(store::WAITING).await?;
        session.insert(store::ACCOUNT, account.id.as_str()).await?;
        session.insert(store::CONFIRMED, self.clock.now().micros()).await?;
        // Saved again, and not left to the end of the request: only now does the row name the account.
        session.save().await?;
        Ok(())
    }

    /// Ends the session; its entry comes first.
    pub async fn sign_out(&self, who: &Admitted, session: &Session, context: &Context) -> Result<(), AccountError> {
        self.log.append(done_by(&who.0, Kind::SessionClosed), context).await?;
        session.flush().await?;
        Ok(())
    }

    /// Takes the password once more, and a code from whoever has a second factor, and remembers when: for what asks for a fresh proof of
    /// identity.
    pub async fn confirm(
        &self,
        who: &Admitted,
        password: Password,
        code: &str,
        session: &Session,
        context: &Context,
    ) -> Result<(), AccountError> {
        self.verify_own(&who.0, password, context).await?;
        if who.has_second_factor() && self.take_factor(who, code, context).await?.is_none() {
            return Err(self.refused_to(&who.0, "code", context).await?);
        }
        session.insert(store::CONFIRMED, self.clock.now().micros()).await?;
        session.save().await?;
        Ok(())
    }

    /// That this is the password of whoever asks; its hash.
    async fn verify_own(&self, who: &Principal, password: Password, context: &Context) -> Result<String, AccountError> {
        let address = context.address.clone().unwrap_or_default();
        let trying = Trying { email: who.email(), address: &address, now: self.clock.now() };
        let held_back = trying.is_held_back(&self.database).await?;
        let stored = store::credentials(&self.database, who.email()).await?.map(|(_, hash)| hash);
        let verified = self.hasher.verify(password, stored.clone()).await?;
        match stored {
            Some(hash) if !held_back && verified != Verified::No => Ok(hash),
            _ => {
                if !held_back {
                    trying.failed(&self.database).await?;
                }
                Err(self.refused_to(who, "password", context).await?)
            }
        }
    }

    /// The entry of a refusal to somebody who is signed in, and the error that says so.
    pub(super) async fn refused_to(&self, who: &Principal, wrong: &'static str, context: &Context) -> Result<AccountError, AccountError> {
        let mut draft = done_by(who, Kind::SessionRefused).fact("wrong", wrong);
        draft.outcome = Outcome::Denied;
        self.log.append(draft, context).await?;
        Ok(AccountError::Refused)
    }

    /// Changes one's own password, and ends one's other sessions.
    pub async fn change_password(&self, who: &Principal, current: Password, new: Password, context: &Context) -> Result<u64, AccountError> {
        new.check(who.email()).map_err(|problem| invalid("password", problem))?;
        if current == new {
            return Err(invalid("password", "This is the password you have. Choose another one."));
        }
        let old = self.verify_own(who, current, context).await?;
        let hash = self.hasher.hash(new).await?;
        let mut tx = self.database.begin().await?;
        if !store::change_password(&mut tx, who.account(), &old, hash).await? {
            return Err(AccountError::Conflict);
        }
        let ended = Sessions::revoke_all_but(&mut tx, who.account(), who.session()).await?;
        let entry = done_by(who, Kind::AccountPasswordChanged).fact("account", json!(who.account().as_str()));
        self.log.commit(tx, entry.fact("sessions", json!(ended)), context).await.map(|()| ended)
    }

    /// Proof that the person confirmed who they are within the configured minutes; none when that is too long ago.
    pub fn stepped_up(&self, principal: &Principal) -> Option<StepUp> {
        self.is_fresh(principal).then(|| StepUp { principal: principal.clone() })
    }

    /// The same for whoever may do nothing yet but set up a second factor.
    pub fn fresh(&self, who: &Admitted) -> Option<Fresh> {
        self.is_fresh(&who.0).then(|| Fresh { admitted: who.clone() })
    }

    fn is_fresh(&self, who: &Principal) -> bool {
        who.confirmed_at.is_some_and(|at| self.clock.now() < at.plus(self.sessions.limits.step_up))
    }

    /// Whether an account's second factor is due: those of its role must have one.
    #[must_use]
    pub fn requires_factor(&self, who: &Admitted) -> bool {
        self.required.of(who.role())
    }

    /// What sign-in has counted against an account lately.
    pub async fn failures(&self, email: &str) -> Result<super::Failures, AccountError> {
        Ok(super::brake::failures(&self.database, email, self.clock.now()).await?)
    }
}

/// Leaves nothing of a session, and its id to nobody: what the visitor does next has another one.
async fn give_up(session: &Session) -> Result<(), AccountError> {
    session.clear().await;
    session.cycle_id().await?;
    Ok(())
}
