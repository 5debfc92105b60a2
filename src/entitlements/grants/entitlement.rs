//! A grant and its life: proposed by one administrator, approved or refused by others, revoked by any.

use std::time::Duration;

use super::super::steps::{Act, Hand, Kinship, Step, TransitionError, take};
use crate::catalog::RepoPath;
use crate::clock::Timestamp;
use crate::ids::{AccountId, AgreementId, EntitlementId, ProductId};

/// How long access that one administrator gives alone may last.
pub const LONGEST_EMERGENCY: Duration = Duration::from_secs(8 * 60 * 60);
/// How many administrators besides the proposer may be asked to approve.
pub const MOST_APPROVALS: i64 = 5;

/// What an agency may read under an agreement, once it is approved.
#[derive(Clone, Debug)]
pub struct Entitlement {
    pub id: EntitlementId,
    pub agreement: AgreementId,
    pub product: ProductId,
    /// Patterns of version names.
    pub versions: Vec<String>,
    pub scope: PathScope,
    pub readers: Readers,
    pub window: Window,
    pub purpose: String,
    pub proposed: Act,
    /// How many approvals by others it takes.
    pub needed: i64,
    /// Those it has, oldest first.
    pub approvals: Vec<Act>,
    pub state: State,
    /// One administrator gave it alone, for hours, to be reviewed afterwards.
    pub emergency: Option<Emergency>,
}

/// Whom of the people its agreement names a grant is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    Everybody,
    These(Vec<AccountId>),
}

/// What became of access that was given alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    pub reviewed: Option<Act>,
    pub review: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Proposed,
    Approved { approved: Act },
    Refused { refused: Act, reason: String },
    Revoked { approved: Act, revoked: Act, reason: String },
}

/// A state without what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Proposed,
    Approved,
    Refused,
    Revoked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Approve,
    Refuse,
    Revoke,
}

/// The life of a grant. Where more approvals are asked for than one, it stays proposed until it has them.
pub const LIFE: &[Step<Stage, Verb>] = &[
    Step { from: Stage::Proposed, verb: Verb::Approve, to: Stage::Approved, hand: Hand::Second },
    Step { from: Stage::Proposed, verb: Verb::Refuse, to: Stage::Refused, hand: Hand::Any },
    Step { from: Stage::Approved, verb: Verb::Revoke, to: Stage::Revoked, hand: Hand::Any },
];

/// From its first instant to just before its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Window {
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// The paths a grant opens: what lies within an included path and within no excluded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathScope {
    pub includes: Vec<RepoPath>,
    pub excludes: Vec<RepoPath>,
}

impl PathScope {
    #[must_use]
    pub fn whole() -> Self {
        Self { includes: vec![RepoPath::root()], excludes: Vec::new() }
    }

    /// Whether what stands at `path` may be read.
    #[must_use]
    pub fn reads(&self, path: &RepoPath) -> bool {
        self.includes.iter().any(|include| include.contains(path)) && !self.excludes.iter().any(|exclude| exclude.contains(path))
    }

    /// Whether `path` may be passed through as a directory, since it may be read or something below it may.
    #[must_use]
    pub fn passes(&self, path: &RepoPath) -> bool {
        self.reads(path) || self.includes.iter().any(|include| path.contains(include) && self.reads(include))
    }
}

impl State {
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Proposed => Stage::Proposed,
            Self::Approved { .. } => Stage::Approved,
            Self::Refused { .. } => Stage::Refused,
            Self::Revoked { .. } => Stage::Revoked,
        }
    }

    /// As the database and files write it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Approved { .. } => "approved",
            Self::Refused { .. } => "refused",
            Self::Revoked { .. } => "revoked",
        }
    }
}

impl Entitlement {
    /// Whether as many people as it takes approved it, none of them its proposer; or it was given alone and is as short as that may be.
    #[must_use]
    pub fn is_well_approved(&self, now: Timestamp) -> bool {
        let State::Approved { approved } = &self.state else { return false };
        if approved.at > now {
            return false;
        }
        if self.emergency.is_some() {
            return self.window.until <= approved.at.plus(LONGEST_EMERGENCY);
        }
        let mut others: Vec<&AccountId> = self.approvals.iter().filter(|act| act.at <= now).map(|act| &act.by).collect();
        others.retain(|by| **by != self.proposed.by);
        others.sort_unstable();
        others.dedup();
        !others.is_empty() && i64::try_from(others.len()).unwrap_or(i64::MAX) >= self.needed
    }

    /// Adds an approval; the last one that it takes puts it in force.
    ///
    /// # Errors
    /// When it was decided before, its window is over, or the approver proposed it, stands in one line with the proposer or with another
    /// approver, or approved it already.
    pub fn approve(self, by: &AccountId, kinship: Kinship, now: Timestamp) -> Result<Self, TransitionError> {
        take(LIFE, self.state.stage(), Verb::Approve, kinship)?;
        if self.approvals.iter().any(|act| act.by == *by) {
            return Err(TransitionError::ApprovedAlready);
        }
        if now >= self.window.until {
            return Err(TransitionError::WindowEnded);
        }
        let approved = Act { by: by.clone(), at: now };
        let mut approvals = self.approvals;
        approvals.push(approved.clone());
        let enough = i64::try_from(approvals.len()).unwrap_or(i64::MAX) >= self.needed;
        let state = if enough { State::Approved { approved } } else { State::Proposed };
        Ok(Self { approvals, state, ..self })
    }

    /// # Errors
    /// When it was decided before. Whoever proposed it may take it back, which is a refusal too.
    pub fn refuse(self, by: &AccountId, reason: String, now: Timestamp) -> Result<Self, TransitionError> {
        take(LIFE, self.state.stage(), Verb::Refuse, Kinship::Independent)?;
        let refused = Act { by: by.clone(), at: now };
        Ok(Self { state: State::Refused { refused, reason }, ..self })
    }

    /// # Errors
    /// When it is not approved. One administrator is enough to take access away.
    pub fn revoke(self, by: &AccountId, reason: String, now: Timestamp) -> Result<Self, TransitionError> {
        match self.state {
            State::Approved { approved } => {
                let revoked = Act { by: by.clone(), at: now };
                Ok(Self { state: State::Revoked { approved, revoked, reason }, ..self })
            }
            _ => Err(TransitionError::NotInForce),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::parse(text.as_bytes()).unwrap()
    }

    fn proposed() -> Entitlement {
        Entitlement {
            id: EntitlementId::known("ent"),
            agreement: AgreementId::known("agr"),
            product: ProductId::known("prd"),
            versions: vec!["*".to_owned()],
            scope: PathScope::whole(),
            window: Window { from: Timestamp::from_seconds(10), until: Timestamp::from_seconds(20) },
            purpose: String::new(),
            readers: Readers::Everybody,
            proposed: Act { by: AccountId::known("one"), at: Timestamp::from_seconds(1) },
            needed: 1,
            approvals: Vec::new(),
            state: State::Proposed,
            emergency: None,
        }
    }

    #[test]
    fn the_proposer_cannot_approve_and_nobody_decides_twice() {
        let (one, two) = (AccountId::known("one"), AccountId::known("two"));
        let now = Timestamp::from_seconds(2);
        let other = Kinship::Independent;
        assert_eq!(proposed().approve(&one, Kinship::Same, now).unwrap_err(), TransitionError::OwnProposal);
        assert_eq!(proposed().approve(&two, Kinship::OneLine, now).unwrap_err(), TransitionError::SameHand);
        let approved = proposed().approve(&two, other, now).unwrap();
        assert!(approved.is_well_approved(now) && !approved.is_well_approved(Timestamp::from_seconds(1)));
        assert_eq!(approved.clone().approve(&two, other, now).unwrap_err(), TransitionError::AlreadyDecided);
        assert_eq!(approved.clone().refuse(&two, String::new(), now).unwrap_err(), TransitionError::AlreadyDecided);
        let revoked = approved.revoke(&one, "left".to_owned(), now).unwrap();
        assert!(!revoked.is_well_approved(now));
        assert_eq!(revoked.clone().revoke(&one, String::new(), now).unwrap_err(), TransitionError::NotInForce);
        assert_eq!(revoked.approve(&two, other, now).unwrap_err(), TransitionError::AlreadyDecided);
        assert_eq!(proposed().revoke(&two, String::new(), now).unwrap_err(), TransitionError::NotInForce);
        assert_eq!(proposed().approve(&two, other, Timestamp::from_seconds(20)).unwrap_err(), TransitionError::WindowEnded);
    }

    #[test]
    fn it_takes_as_many_approvals_as_it_says() {
        let (two, three) = (AccountId::known("two"), AccountId::known("three"));
        let (now, other) = (Timestamp::from_seconds(2), Kinship::Independent);
        let once = Entitlement { needed: 2, ..proposed() }.approve(&two, other, now).unwrap();
        assert_eq!(once.state, State::Proposed);
        assert!(!once.is_well_approved(now));
        assert_eq!(once.clone().approve(&two, other, now).unwrap_err(), TransitionError::ApprovedAlready);
        let twice = once.approve(&three, other, now).unwrap();
        assert!(twice.is_well_approved(now));
        // What the database holds is not believed: the same hand twice is one.
        let act = |by: &AccountId| Act { by: by.clone(), at: now };
        for approvals in [vec![act(&two), act(&two)], vec![act(&two), twice.proposed.clone()], vec![]] {
            assert!(!Entitlement { approvals, ..twice.clone() }.is_well_approved(now));
        }
    }

    #[test]
    fn what_is_given_alone_is_short() {
        let given = Timestamp::from_seconds(10);
        let alone = |until: Timestamp| Entitlement {
            emergency: Some(Emergency { reviewed: None, review: None }),
            window: Window { from: given, until },
            state: State::Approved { approved: Act { by: AccountId::known("one"), at: given } },
            ..proposed()
        };
        assert!(alone(given.plus(LONGEST_EMERGENCY)).is_well_approved(given));
        assert!(!alone(given.plus(LONGEST_EMERGENCY + Duration::from_micros(1))).is_well_approved(given));
    }

    #[test]
    fn scopes_read_and_pass_by_component() {
        let scope = PathScope { includes: vec![path("net/session")], excludes: vec![path("net/session/keys")] };
        assert!(scope.reads(&path("net/session/verify.c")));
        assert!(!scope.reads(&path("net/sessions")));
        assert!(!scope.reads(&path("net")));
        assert!(!scope.reads(&path("net/session/keys/a.pem")));
        assert!(scope.passes(&path("net")) && scope.passes(&RepoPath::root()));
        assert!(!scope.passes(&path("platform")));
        let shut = PathScope { includes: vec![path("a/b")], excludes: vec![path("a")] };
        assert!(!shut.passes(&path("a")) && !shut.passes(&RepoPath::root()));
    }

    #[test]
    fn a_window_holds_its_first_instant_and_not_its_last() {
        let window = proposed().window;
        for (second, inside) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(window.contains(Timestamp::from_seconds(second)), inside, "{second}");
        }
    }
}
