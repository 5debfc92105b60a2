//! Who may search now: a few searches of one person at once, so much work at a stretch, and so many searches of all together,
//! which no person can fill alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::{SharedClock, Timestamp};
use crate::config::SearchConfig;
use crate::ids::AccountId;

/// People remembered before those are forgotten who have all of their allowance.
const REMEMBERED: usize = 1_000;
/// Work that must be left for a search to begin: with less it would only be broken off.
const LEAST: i64 = 1_000_000;

/// How much work one person may ask for now: a bucket that fills again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Purse {
    /// Microseconds of searching. Below zero when the last search took more than there was.
    left: i64,
    as_of: Timestamp,
}

impl Purse {
    fn full(rules: &SearchConfig, now: Timestamp) -> Self {
        Self { left: micros(rules.budget), as_of: now }
    }

    fn refill(&mut self, rules: &SearchConfig, now: Timestamp) {
        let gained = i128::from(micros(now.since(self.as_of))) * i128::from(micros(rules.refill)) / 60_000_000;
        let gained = i64::try_from(gained).unwrap_or(i64::MAX);
        self.left = self.left.saturating_add(gained).min(micros(rules.budget));
        self.as_of = self.as_of.max(now);
    }

    fn spend(&mut self, work: Duration) {
        self.left = self.left.saturating_sub(micros(work));
    }

    /// How long until a search may begin; `None` when it may now.
    fn wait(&self, rules: &SearchConfig) -> Option<Duration> {
        let missing = LEAST.min(micros(rules.budget)).saturating_sub(self.left);
        let rate = u64::try_from(micros(rules.refill)).unwrap_or(1).max(1);
        let missing = u64::try_from(missing).ok().filter(|missing| *missing > 0)?;
        Some(Duration::from_secs(missing.saturating_mul(60).div_ceil(rate)))
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

struct Person {
    purse: Purse,
    turns: Arc<Semaphore>,
}

/// Shares searching out among people.
pub struct Allowance {
    rules: SearchConfig,
    clock: SharedClock,
    people: Mutex<HashMap<AccountId, Person>>,
    /// First come, first served.
    all: Arc<Semaphore>,
}

/// Leave to search. It is given back, and the work is counted, when it is dropped.
#[must_use]
pub(super) struct Turn {
    allowance: Arc<Allowance>,
    person: AccountId,
    began: Instant,
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// Why somebody has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Other searches of the same person are running.
    Busy,
    /// So much was searched that the rest has to wait so long.
    Spent(Duration),
}

impl Allowance {
    /// On a machine with so many `cores`.
    #[must_use]
    pub fn new(rules: SearchConfig, clock: SharedClock, cores: usize) -> Self {
        // Always one more than a person may have, so that nobody keeps everybody else out.
        let all = (2 * cores).max(rules.at_once + 2);
        Self { rules, clock, people: Mutex::default(), all: Arc::new(Semaphore::new(all)) }
    }

    /// Leave to search, after waiting for it as long as is configured.
    pub(super) async fn turn(self: &Arc<Self>, person: &AccountId) -> Result<Turn, Wait> {
        self.turn_within(person, self.rules.patience).await
    }

    /// The same without waiting: for what can be left out.
    pub(super) async fn turn_now(self: &Arc<Self>, person: &AccountId) -> Result<Turn, Wait> {
        self.turn_within(person, Duration::ZERO).await
    }

    async fn turn_within(self: &Arc<Self>, person: &AccountId, patience: Duration) -> Result<Turn, Wait> {
        let turns = self.admit(person)?;
        let both = async {
            let own = turns.acquire_owned().await.ok()?;
            let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some((own, all))
        };
        match tokio::time::timeout(patience, both).await {
            Ok(Some((own, all))) => {
                // What ran meanwhile may have spent what was left.
                self.admit(person)?;
                Ok(Turn { allowance: Arc::clone(self), person: person.clone(), began: Instant::now(), _own: own, _all: all })
            }
            _ => Err(Wait::Busy),
        }
    }

    fn admit(&self, person: &AccountId) -> Result<Arc<Semaphore>, Wait> {
        let now = self.clock.now();
        let mut people = self.people();
        if people.len() > REMEMBERED {
            people.retain(|_, one| {
                one.purse.refill(&self.rules, now);
                one.purse.left < micros(self.rules.budget) || one.turns.available_permits() < self.rules.at_once
            });
        }
        let one = people
            .entry(person.clone())
            .or_insert_with(|| Person { purse: Purse::full(&self.rules, now), turns: Arc::new(Semaphore::new(self.rules.at_once)) });
        one.purse.refill(&self.rules, now);
        match one.purse.wait(&self.rules) {
            Some(wait) => Err(Wait::Spent(wait)),
            None => Ok(Arc::clone(&one.turns)),
        }
    }

    fn spend(&self, person: &AccountId, work: Duration) {
        if let Some(one) = self.people().get_mut(person) {
            one.purse.spend(work);
        }
    }

    fn people(&self) -> MutexGuard<'_, HashMap<AccountId, Person>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.allowance.spend(&self.person, self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    fn rules() -> SearchConfig {
        SearchConfig {
            deadline: Duration::from_secs(15),
            stream_after: Duration::from_millis(300),
            count_bytes: 1,
            at_once: 2,
            patience: Duration::ZERO,
            budget: Duration::from_secs(120),
            refill: Duration::from_secs(30),
        }
    }

    fn allowance() -> (Arc<Allowance>, Arc<FixedClock>) {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1_000)));
        (Arc::new(Allowance::new(rules(), Arc::clone(&clock) as SharedClock, 2)), clock)
    }

    #[test]
    fn a_purse_fills_by_the_minute_and_never_beyond_its_size() {
        let at = Timestamp::from_seconds;
        let mut purse = Purse::full(&rules(), at(0));
        purse.spend(Duration::from_secs(100));
        purse.refill(&rules(), at(60));
        assert_eq!((purse.left, purse.wait(&rules())), (50_000_000, None));
        purse.refill(&rules(), at(100_000));
        assert_eq!(purse.left, 120_000_000);
        // A clock that was set back gives nothing and takes nothing.
        purse.spend(Duration::from_secs(20));
        purse.refill(&rules(), at(10));
        purse.refill(&rules(), at(100_000));
        assert_eq!(purse.left, 100_000_000);
    }

    #[test]
    fn who_spent_too_much_is_told_how_long_to_wait() {
        let at = Timestamp::from_seconds;
        let mut purse = Purse::full(&rules(), at(0));
        purse.spend(Duration::from_secs(150));
        // 30 seconds too many, and one to begin with, at half a second a second.
        assert_eq!(purse.wait(&rules()), Some(Duration::from_secs(62)));
        purse.refill(&rules(), at(61));
        assert_eq!(purse.wait(&rules()), Some(Duration::from_secs(1)));
        purse.refill(&rules(), at(62));
        assert_eq!(purse.wait(&rules()), None);
    }

    #[test]
    fn a_small_budget_lets_one_search() {
        let small = SearchConfig { budget: Duration::from_millis(10), ..rules() };
        let mut purse = Purse::full(&small, Timestamp::from_seconds(0));
        assert_eq!(purse.wait(&small), None);
        purse.spend(Duration::from_millis(1));
        assert_eq!(purse.wait(&small), Some(Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn one_person_has_two_turns_and_others_have_theirs() {
        let (allowance, _) = allowance();
        let (first, second) = (AccountId::known("acc_1"), AccountId::known("acc_2"));
        let held = (allowance.turn(&first).await.unwrap(), allowance.turn(&first).await.unwrap());
        assert_eq!(allowance.turn(&first).await.err(), Some(Wait::Busy));
        let theirs = allowance.turn(&second).await.unwrap();
        drop(held.0);
        drop(allowance.turn(&first).await.unwrap());
        drop((held.1, theirs));
    }

    #[tokio::test]
    async fn what_was_spent_is_given_back_by_the_clock() {
        let (allowance, clock) = allowance();
        let person = AccountId::known("acc_1");
        drop(allowance.turn(&person).await.unwrap());
        allowance.spend(&person, Duration::from_secs(120));
        assert!(matches!(allowance.turn(&person).await.err(), Some(Wait::Spent(wait)) if wait <= Duration::from_secs(3)));
        clock.set(Timestamp::from_seconds(1_060));
        drop(allowance.turn(&person).await.unwrap());
    }

    #[tokio::test]
    async fn those_who_have_all_of_it_are_forgotten() {
        let (allowance, clock) = allowance();
        for number in 0..=REMEMBERED {
            let _ = allowance.admit(&AccountId::known(format!("acc_{number}")));
        }
        allowance.spend(&AccountId::known("acc_3"), Duration::from_secs(9));
        clock.set(Timestamp::from_seconds(1_001));
        let _ = allowance.admit(&AccountId::known("acc_last"));
        let left: Vec<_> = allowance.people().keys().map(ToString::to_string).collect();
        assert!(left.contains(&"acc_3".to_owned()) && left.len() == 2, "{left:?}");
    }
}
