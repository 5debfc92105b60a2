//! Resets, for whoever has lost what they sign in with. One administrator proposes it for a reason, another one, who is neither of the same
//! line nor the person themselves, carries it out.
//!
//! A new password takes both of their parts: the code that the proposer was shown and the link that the approver was. Whoever had both
//! alone could act as that person, and an administrator so become a second hand to themselves.

mod store;

use std::time::Duration;

use serde_json::json;
use subtle::ConstantTimeEq;

use super::one_time::{Door, Link, OneTimeCode, hash};
use super::steps::{Act, Hand, Kinship, Step, TransitionError, take};
use super::store as accounts_store;
use super::{
    Account, AccountError, Accounts, Password, Principal, Role, Sessions, StepUp, actor_of, done_by, drafted, invalid, only_administrators,
    personal_of, reason_of, taken,
};
use crate::audit::{Context, Draft, Kind};
use crate::clock::Timestamp;
use crate::database::{DatabaseError, Tx};
use crate::ids::{AccountId, ResetId};

/// How long a proposal waits for a second administrator.
const WAITS: Duration = Duration::from_secs(7 * 86_400);
/// How long a link can be used.
const LASTS: Duration = Duration::from_secs(86_400);

/// What is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The password, and the second factor with it.
    Password,
    /// The second factor alone; the password stays.
    Factor,
}

/// Where a reset is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Changes nothing yet.
    Proposed,
    /// The password opens nothing any more, and the person can choose another one.
    Open,
    /// They have.
    Used,
    /// The second factor was removed.
    Done,
    Refused,
    Withdrawn,
    /// Nobody decided on it, or used it, in time.
    Lapsed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Takes the password and gives a link.
    Open,
    /// Takes the second factor.
    Remove,
    Refuse,
    Withdraw,
    /// By the person, with the link and the code.
    Use,
    /// By the clock.
    Lapse,
}

/// The life of a reset. A password that was taken stays so, however its reset ends.
pub const LIFE: &[Step<Stage, Verb>] = &[
    Step { from: Stage::Proposed, verb: Verb::Open, to: Stage::Open, hand: Hand::Second },
    Step { from: Stage::Proposed, verb: Verb::Remove, to: Stage::Done, hand: Hand::Second },
    Step { from: Stage::Proposed, verb: Verb::Refuse, to: Stage::Refused, hand: Hand::Any },
    Step { from: Stage::Proposed, verb: Verb::Withdraw, to: Stage::Withdrawn, hand: Hand::Any },
    Step { from: Stage::Proposed, verb: Verb::Lapse, to: Stage::Lapsed, hand: Hand::Any },
    Step { from: Stage::Open, verb: Verb::Use, to: Stage::Used, hand: Hand::Any },
    Step { from: Stage::Open, verb: Verb::Withdraw, to: Stage::Withdrawn, hand: Hand::Any },
    Step { from: Stage::Open, verb: Verb::Lapse, to: Stage::Lapsed, hand: Hand::Any },
];

impl What {
    pub const ALL: [Self; 2] = [Self::Password, Self::Factor];

    /// As forms, entries and the database write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Factor => "second factor",
        }
    }

    /// The step that carries it out.
    fn carried_out(self) -> Verb {
        match self {
            Self::Password => Verb::Open,
            Self::Factor => Verb::Remove,
        }
    }
}

impl Stage {
    pub const ALL: [Self; 7] = [Self::Proposed, Self::Open, Self::Used, Self::Done, Self::Refused, Self::Withdrawn, Self::Lapsed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Open => "open",
            Self::Used => "used",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Reset {
    pub id: ResetId,
    pub account: AccountId,
    /// The name of the person.
    pub name: String,
    pub what: What,
    pub reason: String,
    pub stage: Stage,
    /// Absent for what the command line did.
    pub proposed_by: Option<AccountId>,
    pub proposer: Option<String>,
    pub proposed_at: Timestamp,
    /// The first instant at which it can be decided on, or used, no longer.
    pub expires_at: Timestamp,
    /// The name of whoever carried it out.
    pub decider: Option<String>,
    /// The hash of the proposer's part.
    code: String,
}

impl Reset {
    /// Whether its link works now.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.stage == Stage::Open && now < self.expires_at
    }
}

impl Accounts {
    /// Proposes to reset what somebody signs in with. Changes nothing before a second administrator approves it. For a password it gives
    /// the code that the person will need besides the link.
    pub async fn propose_reset(
        &self,
        account: &AccountId,
        what: What,
        reason: &str,
        by: &Principal,
        context: &Context,
    ) -> Result<(ResetId, OneTimeCode), AccountError> {
        only_administrators(Some(by))?;
        if account == by.account() {
            return Err(invalid("reset", "Nobody proposes the reset of their own account. Ask another administrator."));
        }
        let (found, reason) = self.resettable(account, what, reason).await?;
        let mut tx = self.database.begin().await?;
        self.make_way(&mut tx, &found.id, Some(by), context).await?;
        let (reset, code) = self.enter_reset(&mut tx, (&found, what), &reason, Some(by), None).await?;
        let entry = about(done_by(by, Kind::AccountResetProposed), &reset).fact("reason", json!(reason));
        self.log.commit(tx, entry.fact("expires", json!(reset.expires_at.to_string())), context).await.map(|()| (reset.id, code))
    }

    /// Resets at once, by the operator of the machine, who answers for it: for when no two administrators are left who could. For a password
    /// it gives both parts that the person needs.
    pub async fn reset_by_operator(
        &self,
        account: &AccountId,
        what: What,
        reason: &str,
        context: &Context,
    ) -> Result<Option<(Link, OneTimeCode)>, AccountError> {
        let (found, reason) = self.resettable(account, what, reason).await?;
        let mut tx = self.database.begin().await?;
        let link = Link::random(Door::Reset, &self.entropy);
        self.make_way(&mut tx, &found.id, None, context).await?;
        let (reset, code) = self.enter_reset(&mut tx, (&found, what), &reason, None, Some(&link)).await?;
        self.carry_out(&mut tx, &reset, None, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(match what {
            What::Password => Some((link, code)),
            What::Factor => None,
        })
    }

    /// The reset of somebody's account that waits for a decision, or for being used.
    pub async fn reset_of(&self, account: &AccountId) -> Result<Option<Reset>, AccountError> {
        Ok(store::pending(&self.database, account, self.clock.now()).await?)
    }

    /// Those that wait for a second administrator, oldest first.
    pub async fn proposed_resets(&self) -> Result<Vec<Reset>, AccountError> {
        Ok(store::proposed(&self.database, self.clock.now()).await?)
    }

    /// Carries a reset out: every session of the person ends, their second factor is gone, and, where the password is reset, so is that.
    /// Then it gives the link with which they choose another one, for a day.
    pub async fn approve_reset(&self, id: &ResetId, by: &StepUp, context: &Context) -> Result<Option<Link>, AccountError> {
        let by = by.principal();
        only_administrators(Some(by))?;
        let mut tx = self.database.begin().await?;
        accounts_store::hold_administrators(&mut tx).await?;
        let found = store::load(&mut tx, id).await?.ok_or(AccountError::Unknown)?;
        let to = self.step(&mut tx, &found, found.what.carried_out(), by).await?;
        if found.account == *by.account() {
            return Err(TransitionError::OwnReset.into());
        }
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        let link = (found.what == What::Password).then(|| Link::random(Door::Reset, &self.entropy));
        let decision = store::Decision {
            secret: link.as_ref().map(Link::hash),
            expires_at: link.as_ref().map(|_| act.at.plus(LASTS)),
            ..store::Decision::default()
        };
        let expires_at = decision.expires_at.unwrap_or(found.expires_at);
        if !store::decide(&mut tx, id, (found.stage, to), &act, decision).await? {
            return Err(AccountError::Conflict);
        }
        self.carry_out(&mut tx, &Reset { stage: to, expires_at, ..found }, Some(by), context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(link)
    }

    pub async fn refuse_reset(&self, id: &ResetId, reason: &str, by: &Principal, context: &Context) -> Result<(), AccountError> {
        only_administrators(Some(by))?;
        let reason = reason_of(reason)?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(AccountError::Unknown)?;
        let to = self.step(&mut tx, &found, Verb::Refuse, by).await?;
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        let decision = store::Decision { refusal: Some(&reason), ..store::Decision::default() };
        if !store::decide(&mut tx, id, (found.stage, to), &act, decision).await? {
            return Err(AccountError::Conflict);
        }
        let entry = about(done_by(by, Kind::AccountResetRefused), &found).fact("reason", json!(reason));
        self.log.commit(tx, entry, context).await
    }

    /// Takes back what was proposed, or the link out of force. A password that was reset stays so.
    pub async fn withdraw_reset(&self, id: &ResetId, by: &Principal, context: &Context) -> Result<(), AccountError> {
        only_administrators(Some(by))?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(AccountError::Unknown)?;
        let to = self.step(&mut tx, &found, Verb::Withdraw, by).await?;
        if !store::end(&mut tx, id, (found.stage, to), (Some(by.account()), self.clock.now())).await? {
            return Err(AccountError::Conflict);
        }
        self.log.commit(tx, about(done_by(by, Kind::AccountResetWithdrawn), &found), context).await
    }

    /// Whose reset a link opens; `None` for one that is used, withdrawn, too old, or was never made.
    pub async fn resetting(&self, secret: &str) -> Result<Option<Account>, AccountError> {
        let Some(found) = store::by_secret(&self.database, &hash(secret)).await? else { return Ok(None) };
        if !found.is_live(self.clock.now()) {
            return Ok(None);
        }
        let account = self.find(found.account.as_str()).await?;
        Ok(account.filter(|account| account.reset_at.is_some() && account.disabled_at.is_none()))
    }

    /// Sets another password for whoever has the link and the code, which uses both up. [`AccountError::Unknown`] is the one reply for
    /// every link that does not work.
    pub async fn use_reset(&self, secret: &str, code: &str, password: Password, context: &Context) -> Result<Account, AccountError> {
        let account = self.resetting(secret).await?.ok_or(AccountError::Unknown)?;
        let typed = OneTimeCode::parse(code).map(|code| code.hash(account.id.as_str())).unwrap_or_default();
        password.check(&account.email).map_err(|problem| invalid("password", problem))?;
        let hashed = self.hasher.hash(password).await?;
        let now = self.clock.now();
        let mut tx = self.database.begin().await?;
        let found = store::load_by_secret(&mut tx, &hash(secret)).await?.filter(|found| found.is_live(now)).ok_or(AccountError::Unknown)?;
        if !bool::from(typed.as_bytes().ct_eq(found.code.as_bytes())) {
            return Err(invalid("code", "This is not the code that belongs to this link. Ask the administrator who asked for the reset."));
        }
        let to = take(LIFE, found.stage, Verb::Use, Kinship::Independent).map_err(|_: TransitionError| AccountError::Unknown)?;
        let used = store::end(&mut tx, &found.id, (found.stage, to), (Some(&account.id), now)).await?;
        if !used || !accounts_store::set_password_after_reset(&mut tx, &account.id, hashed).await? {
            return Err(AccountError::Unknown);
        }
        let mut entry = about(drafted(None, Kind::AccountResetUsed), &found);
        entry.actor = Some(actor_of(&account));
        entry.personal = personal_of(&account);
        self.log.commit(tx, entry, context).await.map(|()| account)
    }

    /// Somebody who has what is to be reset, and the reason as it is recorded.
    async fn resettable(&self, account: &AccountId, what: What, reason: &str) -> Result<(Account, String), AccountError> {
        let reason = reason_of(reason)?;
        let found = self.find(account.as_str()).await?.ok_or(AccountError::Unknown)?;
        let problem = match what {
            _ if found.disabled_at.is_some() => Some("This account is locked. It has to be unlocked first."),
            _ if !found.joined => Some("They have not chosen a password yet. Make another link of the invitation instead."),
            What::Factor if found.second_factor.is_none() => Some("They have no second factor."),
            _ => None,
        };
        match problem {
            Some(problem) => Err(invalid("reset", problem)),
            None => Ok((found, reason)),
        }
    }

    /// Ends what would be in the way of another reset: one that has lapsed, and for the operator any.
    async fn make_way(&self, tx: &mut Tx, account: &AccountId, by: Option<&Principal>, context: &Context) -> Result<(), AccountError> {
        let now = self.clock.now();
        let Some(earlier) = store::load_pending(tx, account).await? else { return Ok(()) };
        let lapsed = now >= earlier.expires_at;
        if !lapsed && by.is_some() {
            return Err(invalid("reset", "A reset of this account waits already."));
        }
        let to = take(LIFE, earlier.stage, if lapsed { Verb::Lapse } else { Verb::Withdraw }, Kinship::Independent)?;
        store::end(tx, &earlier.id, (earlier.stage, to), (None, now)).await?;
        if !lapsed {
            let entry = about(drafted(None, Kind::AccountResetWithdrawn), &earlier).fact("by", "command line");
            self.log.append_in(tx, entry, context).await?;
        }
        Ok(())
    }

    /// Writes a reset down: proposed, or carried out at once by the operator.
    async fn enter_reset(
        &self,
        tx: &mut Tx,
        (of, what): (&Account, What),
        reason: &str,
        by: Option<&Principal>,
        link: Option<&Link>,
    ) -> Result<(Reset, OneTimeCode), AccountError> {
        let now = self.clock.now();
        let code = OneTimeCode::random(&self.entropy);
        let (stage, lasts) = match (by, what) {
            (Some(_), _) => (Stage::Proposed, WAITS),
            (None, What::Password) => (Stage::Open, LASTS),
            (None, What::Factor) => (Stage::Done, LASTS),
        };
        let new = Reset {
            id: ResetId::random(&self.entropy),
            account: of.id.clone(),
            name: of.name.clone(),
            what,
            reason: reason.to_owned(),
            stage,
            proposed_by: by.map(|by| by.account().clone()),
            proposer: None,
            proposed_at: now,
            expires_at: now.plus(lasts),
            decider: None,
            code: code.hash(of.id.as_str()),
        };
        let secret = link.filter(|_| what == What::Password).map(Link::hash);
        if !store::insert(tx, &new, secret).await? {
            return Err(invalid("reset", "A reset of this account waits already."));
        }
        Ok((new, code))
    }

    /// What a reset takes away, and its entry.
    async fn carry_out(&self, tx: &mut Tx, of: &Reset, by: Option<&Principal>, context: &Context) -> Result<(), AccountError> {
        let factor = self.remove_factor(tx, &of.account).await?;
        let sessions = Sessions::revoke_all(tx, &of.account).await?;
        let mut entry = about(drafted(by, Kind::AccountResetApproved), of);
        match of.what {
            What::Password => {
                let Some(held) = accounts_store::hold(tx, &of.account).await? else { return Err(AccountError::Unknown) };
                if !accounts_store::reset_password(tx, &of.account, self.clock.now()).await? {
                    return Err(AccountError::Conflict);
                }
                self.enough_after_reset(tx, held.role, by).await?;
                entry = entry.fact("expires", json!(of.expires_at.to_string()));
            }
            // Gone meanwhile: there is nothing left that this would do.
            What::Factor if !factor => return Err(AccountError::Conflict),
            What::Factor => {}
        }
        entry = entry.fact("second_factor", json!(factor)).fact("sessions", json!(sessions));
        if by.is_none() {
            entry = entry.fact("by", "command line").fact("reason", json!(of.reason));
        }
        self.log.append_in(tx, entry, context).await?;
        Ok(())
    }

    /// Two administrators who carry out a reset are left by it; the command line resets the last ones, too.
    async fn enough_after_reset(&self, tx: &mut Tx, role: Role, by: Option<&Principal>) -> Result<(), AccountError> {
        match by {
            Some(_) => self.enough_administrators(tx, role).await,
            None => Ok(()),
        }
    }

    /// Where a step leads that an administrator takes, as long as it is time for it.
    async fn step(&self, tx: &mut Tx, of: &Reset, verb: Verb, by: &Principal) -> Result<Stage, AccountError> {
        let to = taken(tx, LIFE, (of.stage, verb), of.proposed_by.as_ref(), by.account()).await?;
        if self.clock.now() >= of.expires_at {
            return Err(TransitionError::Lapsed.into());
        }
        Ok(to)
    }
}

fn about(draft: Draft, of: &Reset) -> Draft {
    draft.fact("account", json!(of.account.as_str())).fact("reset", json!(of.id.as_str())).fact("what", of.what.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Verb; 6] = [Verb::Open, Verb::Remove, Verb::Refuse, Verb::Withdraw, Verb::Use, Verb::Lapse];

    #[test]
    fn a_reset_is_carried_out_by_a_second_hand_alone() {
        let step = |from, verb, kinship| take(LIFE, from, verb, kinship);
        for (verb, to) in [(Verb::Open, Stage::Open), (Verb::Remove, Stage::Done)] {
            assert_eq!(step(Stage::Proposed, verb, Kinship::Same), Err(TransitionError::OwnProposal));
            assert_eq!(step(Stage::Proposed, verb, Kinship::OneLine), Err(TransitionError::SameHand));
            assert_eq!(step(Stage::Proposed, verb, Kinship::Independent), Ok(to));
        }
        for kinship in [Kinship::Same, Kinship::OneLine, Kinship::Independent] {
            assert_eq!(step(Stage::Proposed, Verb::Use, kinship), Err(TransitionError::AlreadyDecided));
            assert_eq!(step(Stage::Proposed, Verb::Refuse, kinship), Ok(Stage::Refused));
            assert_eq!(step(Stage::Open, Verb::Refuse, kinship), Err(TransitionError::AlreadyDecided));
        }
    }

    #[test]
    fn what_is_over_stays_so() {
        for ended in Stage::ALL.into_iter().filter(|stage| !matches!(stage, Stage::Proposed | Stage::Open)) {
            for verb in ALL {
                assert_eq!(take(LIFE, ended, verb, Kinship::Independent), Err(TransitionError::AlreadyDecided), "{ended:?} {verb:?}");
            }
        }
    }
}
