//! Second factors: codes of an authenticator app (RFC 6238), and recovery codes for when that is not at hand.
//!
//! What the app shares with the portal is sealed; of recovery codes hashes are kept. A code is taken once, by whoever comes first.

mod store;
mod totp;

use std::time::Duration;

use serde_json::json;

use super::brake::{Given, Trying};
use super::one_time::OneTimeCode;
use super::principal::Admitted;
use super::{AccountError, Accounts, Fresh, Sessions, StepUp, done_by, invalid};
use crate::audit::{Context, Kind};
use crate::clock::Timestamp;
use crate::database::{DatabaseError, Tx};
use crate::ids::AccountId;
use crate::sealing::SealingError;

use store::Kept;
use totp::Seed;

/// How many recovery codes there are at first.
const RECOVERY_CODES: usize = 10;
/// How long a factor can be confirmed after it was begun.
const BEGUN_FOR: Duration = Duration::from_secs(3600);

/// What one is told about one's own second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    pub since: Timestamp,
    /// How many recovery codes are left.
    pub codes_left: u64,
}

/// A second factor that is being set up: for the person's own page, and nobody else's.
pub struct Enrolment {
    /// What to type into an app, in base32.
    pub secret: String,
    /// The same for a picture.
    pub uri: String,
}

/// What was given and taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Code,
    RecoveryCode,
}

/// As authenticator apps call the portal: they list it beside others.
pub(super) fn issuer(public_origin: Option<&str>) -> String {
    let host = public_origin.and_then(|origin| origin.split_once("://")).map(|(_, host)| host.split(':').next().unwrap_or(host));
    host.map_or_else(|| "Lectern".to_owned(), |host| format!("Lectern {host}"))
}

/// What a seed is sealed for: in another row it does not open.
fn about(account: &AccountId) -> String {
    format!("lectern second factor\n{account}")
}

impl Accounts {
    /// One's own second factor; none when none is set up.
    pub async fn second_factor(&self, who: &Admitted) -> Result<Option<SecondFactor>, AccountError> {
        self.second_factor_of(who.account()).await
    }

    /// What administrators see of somebody's.
    pub async fn second_factor_of(&self, account: &AccountId) -> Result<Option<SecondFactor>, AccountError> {
        let Some(since) = store::find(&self.database, account).await?.and_then(|kept| kept.since) else { return Ok(None) };
        let left = store::unused(&self.database, account).await?;
        Ok(Some(SecondFactor { since, codes_left: u64::try_from(left).unwrap_or(0) }))
    }

    /// What is being set up, for whoever does that.
    pub async fn enrolment(&self, by: &Fresh) -> Result<Option<Enrolment>, AccountError> {
        let Some(kept) = store::find(&self.database, by.admitted.account()).await? else { return Ok(None) };
        let Some(seed) = self.begun(by.admitted.account(), &kept)? else { return Ok(None) };
        Ok(Some(Enrolment { uri: seed.uri(&self.issuer, by.admitted.email()), secret: seed.text() }))
    }

    /// Begins to set up a second factor, or another one in the place of the one there is. Nothing holds before it is confirmed.
    pub async fn begin_enrolment(&self, by: &Fresh) -> Result<(), AccountError> {
        let account = by.admitted.account();
        let seed = Seed::random(&self.entropy);
        let mut tx = self.database.begin().await?;
        let first = store::nothing_sealed(&mut tx).await?;
        let sealed = self.sealer.seal(&about(account), &seed.secret(), first)?;
        store::begin(&mut tx, account, sealed, self.clock.now()).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// Takes the first code of what was begun: from here on signing in asks for one. Gives the recovery codes, to show once, and ends
    /// one's other sessions, which were opened with less.
    pub async fn confirm_enrolment(&self, by: &Fresh, typed: &str, context: &Context) -> Result<Vec<OneTimeCode>, AccountError> {
        let who = &by.admitted.0;
        let account = who.account();
        let now = self.clock.now();
        let mut tx = self.database.begin().await?;
        let kept = store::hold(&mut tx, account).await?.ok_or(AccountError::Conflict)?;
        let seed = self.begun(account, &kept)?.ok_or(AccountError::Conflict)?;
        let step = seed.accepts(typed, now, 0).ok_or_else(|| {
            invalid("code", "This is not the code that the app shows now. Wait for the next one; if that does not fit either, check the device's clock.")
        })?;
        store::confirm(&mut tx, account, step, now).await?;
        let codes = self.new_codes(&mut tx, account, now).await?;
        let ended = Sessions::revoke_all_but(&mut tx, account, who.session()).await?;
        let change = if kept.sealed.is_some() { "replaced" } else { "set up" };
        let entry = done_by(who, Kind::AccountSecondFactorChanged).fact("account", json!(account.as_str())).fact("change", change);
        self.log.commit(tx, entry.fact("sessions", json!(ended)), context).await.map(|()| codes)
    }

    /// Makes new recovery codes, to show once; the earlier ones stand for nothing any more. Asks for a code.
    pub async fn renew_recovery_codes(&self, by: &StepUp, typed: &str, context: &Context) -> Result<Vec<OneTimeCode>, AccountError> {
        let who = by.principal();
        self.with_code(by, typed, context).await?;
        let mut tx = self.database.begin().await?;
        store::hold(&mut tx, who.account()).await?.filter(|kept| kept.sealed.is_some()).ok_or(AccountError::Conflict)?;
        let codes = self.new_codes(&mut tx, who.account(), self.clock.now()).await?;
        let entry = done_by(who, Kind::AccountSecondFactorChanged).fact("account", json!(who.account().as_str()));
        self.log.commit(tx, entry.fact("change", "new recovery codes"), context).await.map(|()| codes)
    }

    /// Turns one's own second factor off, unless those of one's role must have one. Asks for a code.
    pub async fn turn_factor_off(&self, by: &StepUp, typed: &str, context: &Context) -> Result<(), AccountError> {
        let who = by.principal();
        if self.required.of(who.role()) {
            return Err(invalid("", "Your role needs a second factor. Set up another one instead, which takes the place of this one."));
        }
        self.with_code(by, typed, context).await?;
        let mut tx = self.database.begin().await?;
        if !store::remove(&mut tx, who.account()).await? {
            return Err(AccountError::Conflict);
        }
        let entry = done_by(who, Kind::AccountSecondFactorChanged).fact("account", json!(who.account().as_str()));
        self.log.commit(tx, entry.fact("change", "turned off"), context).await
    }

    async fn with_code(&self, by: &StepUp, typed: &str, context: &Context) -> Result<(), AccountError> {
        if self.take_factor(&by.principal().admitted(), typed, context).await?.is_some() {
            return Ok(());
        }
        match self.refused_to(by.principal(), "code", context).await? {
            AccountError::Refused => Err(invalid("code", WRONG)),
            other => Err(other),
        }
    }

    /// Takes a code of the app or a recovery code, once; none when it is neither, was taken before, or too many were wrong.
    pub(super) async fn take_factor(&self, who: &Admitted, typed: &str, context: &Context) -> Result<Option<Taken>, AccountError> {
        let address = context.address.clone().unwrap_or_default();
        let trying = Trying { email: who.email(), address: &address, now: self.clock.now() };
        let mut tx = self.database.begin().await?;
        // Who holds the row counts alone: however many codes arrive at once, each one waits for what the one before it cost.
        let Some(kept) = store::hold(&mut tx, who.account()).await? else { return Ok(None) };
        if trying.is_held_back_in(&mut tx).await? {
            return Ok(None);
        }
        let taken = self.try_code(&mut tx, who, &kept, typed, context).await?;
        match taken {
            Some(_) => trying.succeeded_in(&mut tx).await?,
            None => trying.failed_in(&mut tx, Given::Code).await?,
        }
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(taken)
    }

    async fn try_code(
        &self,
        tx: &mut Tx,
        who: &Admitted,
        kept: &Kept,
        typed: &str,
        context: &Context,
    ) -> Result<Option<Taken>, AccountError> {
        let (account, now) = (who.account(), self.clock.now());
        let Some(sealed) = &kept.sealed else { return Ok(None) };
        if let Some(code) = OneTimeCode::parse(typed) {
            if !store::use_recovery(tx, account, &code.hash(account.as_str()), now).await? {
                return Ok(None);
            }
            let left = store::unused_in(tx, account).await?;
            let entry = done_by(&who.0, Kind::AccountSecondFactorChanged).fact("account", json!(account.as_str()));
            let entry = entry.fact("change", "recovery code used").fact("left", json!(left));
            self.log.append_in(tx, entry, context).await?;
            return Ok(Some(Taken::RecoveryCode));
        }
        let Some(step) = self.unsealed(account, sealed)?.accepts(typed, now, kept.last_step) else { return Ok(None) };
        store::note_step(tx, account, step).await?;
        Ok(Some(Taken::Code))
    }

    /// Takes the second factor from an account, with its recovery codes. False when it has none.
    pub(super) async fn remove_factor(&self, tx: &mut Tx, account: &AccountId) -> Result<bool, AccountError> {
        Ok(store::remove(tx, account).await?)
    }

    /// Whether what is kept of second factors can be opened, if anything is.
    ///
    /// # Errors
    /// When the key is missing or is none.
    pub async fn check_factor_key(&self) -> Result<(), AccountError> {
        for account in store::accounts(&self.database).await? {
            if let Some(Kept { sealed: Some(sealed), .. }) = store::find(&self.database, &account).await? {
                self.unsealed(&account, &sealed)?;
            }
        }
        Ok(())
    }

    fn unsealed(&self, account: &AccountId, sealed: &[u8]) -> Result<Seed, AccountError> {
        let secret = self.sealer.open(&about(account), sealed)?;
        Seed::of(&secret).ok_or_else(|| SealingError::Other { path: self.sealer.path().to_owned() }.into())
    }

    /// What was begun and can still be confirmed.
    fn begun(&self, account: &AccountId, kept: &Kept) -> Result<Option<Seed>, AccountError> {
        match &kept.next {
            Some((sealed, at)) if self.clock.now() < at.plus(BEGUN_FOR) => Ok(Some(self.unsealed(account, sealed)?)),
            _ => Ok(None),
        }
    }

    async fn new_codes(&self, tx: &mut Tx, account: &AccountId, now: Timestamp) -> Result<Vec<OneTimeCode>, AccountError> {
        let codes: Vec<OneTimeCode> = (0..RECOVERY_CODES).map(|_| OneTimeCode::random(&self.entropy)).collect();
        let hashes: Vec<String> = codes.iter().map(|code| code.hash(account.as_str())).collect();
        store::replace_recovery(tx, account, &hashes, now).await?;
        Ok(codes)
    }
}

/// What whoever is signed in is told about a code that was not taken.
const WRONG: &str =
    "This code does not fit, was used before, or there were too many wrong ones. Each code works once: wait for the next one.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_tell_portals_apart_by_their_host() {
        assert_eq!(issuer(Some("https://reading-room.example")), "Lectern reading-room.example");
        assert_eq!(issuer(Some("http://127.0.0.1:8420")), "Lectern 127.0.0.1");
        assert_eq!(issuer(None), "Lectern");
    }
}
