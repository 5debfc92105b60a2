//! What slows down whoever keeps failing: wrong passwords and wrong codes are counted by account, by address and by both together.

mod store;

use std::time::Duration;

use store::Attempts;

use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx};

/// Failures after which a quiet spell forgets them.
const FORGET: Duration = Duration::from_secs(24 * 3600);
/// How long an address counts as known from which somebody has signed in.
const KNOWN_FOR: Duration = Duration::from_secs(90 * 86_400);

/// Who is slowed down by failures: (failures that cost nothing, longest delay).
///
/// An account as a whole is held back for a minute at most by wrong passwords, so that nobody can lock another out for good, and not at
/// all for an address that has signed in to it before. Whoever gives codes knows the password already: they are held back wherever
/// they come from, for a quarter of an hour at most, so that guessing one takes years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brake {
    Address,
    Pair,
    Account,
    Code,
}

/// What was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Password,
    /// A code of a second factor, or a recovery code.
    Code,
}

impl Given {
    fn brakes(self) -> &'static [Brake] {
        match self {
            Self::Password => &[Brake::Address, Brake::Pair, Brake::Account],
            Self::Code => &[Brake::Address, Brake::Pair, Brake::Account, Brake::Code],
        }
    }
}

impl Brake {
    fn subject(self, email: &str, address: &str) -> String {
        match self {
            Self::Address => format!("address {address}"),
            Self::Pair => format!("pair {address} {email}"),
            Self::Account => format!("account {email}"),
            Self::Code => format!("code {email}"),
        }
    }

    fn delay(self, failures: i64) -> Duration {
        let (free, longest) = match self {
            Self::Address => (30, 900),
            Self::Pair | Self::Code => (5, 900),
            Self::Account => (20, 60),
        };
        match u32::try_from(failures - free) {
            Ok(over) if over > 0 => Duration::from_secs(2_u64.saturating_pow(over.min(20)).min(longest)),
            _ => Duration::ZERO,
        }
    }
}

/// Somebody who tries: whose account, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trying<'t> {
    pub(super) email: &'t str,
    pub(super) address: &'t str,
    pub(super) now: Timestamp,
}

impl Trying<'_> {
    fn known(&self) -> String {
        format!("known {} {}", self.address, self.email)
    }

    /// Whether an attempt must be refused whatever is given, because of failures before it.
    pub(super) async fn is_held_back(&self, database: &Database) -> Result<bool, DatabaseError> {
        let known = store::attempts(database, &self.known()).await?;
        let mut found = Vec::new();
        // All are asked, so that the answer's time does not tell which one holds.
        for brake in Given::Password.brakes() {
            found.push((*brake, store::attempts(database, &brake.subject(self.email, self.address)).await?));
        }
        Ok(self.held(known, &found))
    }

    /// As [`Trying::is_held_back`], of a code, by what the transaction sees.
    pub(super) async fn is_held_back_in(&self, tx: &mut Tx) -> Result<bool, DatabaseError> {
        let known = store::attempts_in(tx, &self.known()).await?;
        let mut found = Vec::new();
        for brake in Given::Code.brakes() {
            found.push((*brake, store::attempts_in(tx, &brake.subject(self.email, self.address)).await?));
        }
        Ok(self.held(known, &found))
    }

    fn held(&self, known: Attempts, found: &[(Brake, Attempts)]) -> bool {
        let familiar = known.failures > 0;
        found.iter().any(|(brake, of)| of.not_before > self.now.micros() && !(familiar && *brake == Brake::Account))
    }

    pub(super) async fn failed(&self, database: &Database) -> Result<(), DatabaseError> {
        let mut tx = database.begin().await?;
        self.failed_in(&mut tx, Given::Password).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn failed_in(&self, tx: &mut Tx, given: Given) -> Result<(), DatabaseError> {
        for brake in given.brakes() {
            let subject = brake.subject(self.email, self.address);
            let failures = store::count_failure(tx, &subject, self.now, FORGET).await?;
            let delay = brake.delay(failures);
            if !delay.is_zero() {
                store::hold_back(tx, &subject, self.now.plus(delay)).await?;
            }
        }
        Ok(())
    }

    /// Somebody gave everything that is asked of them.
    pub(super) async fn succeeded(&self, database: &Database) -> Result<(), DatabaseError> {
        let mut tx = database.begin().await?;
        self.succeeded_in(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn succeeded_in(&self, tx: &mut Tx) -> Result<(), DatabaseError> {
        for brake in [Brake::Pair, Brake::Code] {
            store::forget_failures(tx, &brake.subject(self.email, self.address)).await?;
        }
        store::count_failure(tx, &self.known(), self.now, KNOWN_FOR).await?;
        Ok(())
    }
}

/// Wrong passwords and codes for an account, from wherever they came, since the last quiet day.
#[derive(Clone, Copy, Debug)]
pub struct Failures {
    pub number: u64,
    pub last_at: Timestamp,
    /// Until when everybody is held back who has not signed in from their address before.
    pub held_until: Option<Timestamp>,
}

pub(super) async fn failures(database: &Database, email: &str, now: Timestamp) -> Result<Failures, DatabaseError> {
    let found = store::attempts(database, &Brake::Account.subject(email, "")).await?;
    let forgotten = found.last_at < now.minus(FORGET).micros();
    Ok(Failures {
        number: if forgotten { 0 } else { u64::try_from(found.failures).unwrap_or(0) },
        last_at: Timestamp::from_micros(found.last_at),
        held_until: (found.not_before > now.micros()).then(|| Timestamp::from_micros(found.not_before)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_end() {
        assert_eq!(Brake::Pair.delay(5), Duration::ZERO);
        assert_eq!(Brake::Pair.delay(6), Duration::from_secs(2));
        assert_eq!(Brake::Pair.delay(10), Duration::from_secs(32));
        assert_eq!(Brake::Pair.delay(1_000_000), Duration::from_secs(900));
        assert_eq!(Brake::Account.delay(1_000_000), Duration::from_secs(60));
        assert_eq!(Brake::Code.delay(1_000_000), Duration::from_secs(900));
    }

    #[test]
    fn codes_are_counted_whatever_their_address_and_passwords_as_before() {
        assert!(Given::Code.brakes().contains(&Brake::Code) && !Given::Password.brakes().contains(&Brake::Code));
        assert_eq!(Brake::Code.subject("a@b.example", "192.0.2.1"), Brake::Code.subject("a@b.example", "198.51.100.2"));
    }
}
