//! Signing in: one reply for every failure, the same work behind it, and growing delays for whoever keeps failing.

use std::time::Duration;

use super::store;
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError};

/// What was typed, and where it came from.
pub struct Attempt {
    pub email: String,
    pub password: super::Password,
    /// The client's network address, as text.
    pub address: String,
}

/// Failures after which a quiet spell forgets them.
const FORGET: Duration = Duration::from_secs(24 * 3600);

/// Who is slowed down by failures: (failures that cost nothing, longest delay).
///
/// An account as a whole is held back for a minute at most, so that nobody can lock another out for good, and not at all
/// for an address that has signed in to it before.
#[derive(Clone, Copy)]
enum Brake {
    Address,
    Pair,
    Account,
}

impl Brake {
    const ALL: [Self; 3] = [Self::Address, Self::Pair, Self::Account];

    fn subject(self, email: &str, address: &str) -> String {
        match self {
            Self::Address => format!("address {address}"),
            Self::Pair => format!("pair {address} {email}"),
            Self::Account => format!("account {email}"),
        }
    }

    fn delay(self, failures: i64) -> Duration {
        let (free, longest) = match self {
            Self::Address => (30, 900),
            Self::Pair => (5, 900),
            Self::Account => (20, 60),
        };
        match u32::try_from(failures - free) {
            Ok(over) if over > 0 => Duration::from_secs(2_u64.saturating_pow(over.min(20)).min(longest)),
            _ => Duration::ZERO,
        }
    }
}

fn known(email: &str, address: &str) -> String {
    format!("known {address} {email}")
}

/// Whether an attempt must be refused whatever its password, because of failures before it.
pub(super) async fn is_held_back(database: &Database, email: &str, address: &str, now: Timestamp) -> Result<bool, DatabaseError> {
    let familiar = store::attempts(database, &known(email, address)).await?.failures > 0;
    let mut held = false;
    // All are asked, so that the answer's time does not tell which one holds.
    for brake in Brake::ALL {
        let attempts = store::attempts(database, &brake.subject(email, address)).await?;
        held |= attempts.not_before > now.micros() && !(familiar && matches!(brake, Brake::Account));
    }
    Ok(held)
}

pub(super) async fn failed(database: &Database, email: &str, address: &str, now: Timestamp) -> Result<(), DatabaseError> {
    for brake in Brake::ALL {
        let subject = brake.subject(email, address);
        let failures = store::count_failure(database, &subject, now, FORGET).await?;
        let delay = brake.delay(failures);
        if !delay.is_zero() {
            store::hold_back(database, &subject, now.plus(delay)).await?;
        }
    }
    Ok(())
}

pub(super) async fn succeeded(database: &Database, email: &str, address: &str, now: Timestamp) -> Result<(), DatabaseError> {
    store::forget_failures(database, &Brake::Pair.subject(email, address)).await?;
    store::count_failure(database, &known(email, address), now, Duration::from_secs(90 * 86_400)).await?;
    Ok(())
}

/// Wrong passwords for an account, from wherever they came, since the last quiet day.
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
    }
}
