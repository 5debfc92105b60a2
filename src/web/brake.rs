//! Addresses that call too often what anybody may call, and programs that call too often what only they may.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{SharedClock, Timestamp};

/// One address may make so many calls at once, and one more each so long.
const AT_ONCE: u32 = 30;
const ONE_MORE: Duration = Duration::from_secs(2);
/// A program that has something to say of many people, the same.
const PROGRAM_AT_ONCE: u32 = 200;
const PROGRAM_ONE_MORE: Duration = Duration::from_millis(40);
/// Addresses remembered before those are forgotten that may call as often as anybody.
const REMEMBERED: usize = 10_000;

/// Holds back addresses that call too often.
pub struct AddressBrake {
    clock: SharedClock,
    at_once: u32,
    one_more: Duration,
    /// Until when each address has used up what it may do.
    spent: Mutex<HashMap<String, Timestamp>>,
}

impl AddressBrake {
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, at_once: AT_ONCE, one_more: ONE_MORE, spent: Mutex::default() }
    }

    /// For programs, told apart by what they show.
    #[must_use]
    pub fn for_programs(clock: SharedClock) -> Self {
        Self { at_once: PROGRAM_AT_ONCE, one_more: PROGRAM_ONE_MORE, ..Self::new(clock) }
    }

    /// # Errors
    /// How long to wait.
    pub(super) fn admit(&self, address: &str) -> Result<(), Duration> {
        let now = self.clock.now();
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= REMEMBERED {
            spent.retain(|_, until| *until > now);
        }
        let until = spent.get(address).copied().unwrap_or(now).max(now);
        let ahead = until.since(now);
        let beyond = ahead.saturating_sub(self.one_more * (self.at_once - 1));
        if !beyond.is_zero() {
            return Err(beyond);
        }
        spent.insert(address.to_owned(), until.plus(self.one_more));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn an_address_calls_so_often_and_then_waits() {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1)));
        let brake = AddressBrake::new(Arc::clone(&clock) as SharedClock);
        for _ in 0..AT_ONCE {
            brake.admit("a").unwrap();
        }
        assert_eq!(brake.admit("a"), Err(ONE_MORE));
        brake.admit("b").unwrap();
        clock.advance(ONE_MORE);
        brake.admit("a").unwrap();
        assert!(brake.admit("a").is_err());
        clock.advance(ONE_MORE * AT_ONCE);
        for _ in 0..AT_ONCE {
            brake.admit("a").unwrap();
        }
        assert!(brake.admit("a").is_err());
    }
}
