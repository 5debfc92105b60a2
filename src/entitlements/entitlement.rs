//! A grant and its life: proposed by one administrator, approved or refused by another, revoked by any.

use crate::catalog::RepoPath;
use crate::clock::Timestamp;
use crate::ids::{AccountId, AgreementId, EntitlementId, ProductId};

/// What an agency may read under an agreement, once it is approved.
#[derive(Clone, Debug)]
pub struct Entitlement {
    pub id: EntitlementId,
    pub agreement: AgreementId,
    pub product: ProductId,
    /// Patterns of version names.
    pub versions: Vec<String>,
    pub scope: PathScope,
    pub window: Window,
    pub purpose: String,
    pub proposed: Act,
    pub state: State,
}

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub by: AccountId,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Proposed,
    Approved { approved: Act },
    Refused { refused: Act, reason: String },
    Revoked { approved: Act, revoked: Act, reason: String },
}

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

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    #[error("Whoever proposed a grant cannot decide on it; another administrator must.")]
    OwnProposal,
    #[error("The account that proposed this grant and yours were opened by the same administrator; somebody independent must approve it.")]
    SameHand,
    #[error("This grant was decided already; look at it again.")]
    AlreadyDecided,
    #[error("Only a grant in force can be revoked.")]
    NotInForce,
    #[error("Its window has ended; propose it anew.")]
    WindowEnded,
}

impl Entitlement {
    /// # Errors
    /// When it was decided before, its window is over, or the approver is who proposed it.
    pub fn approve(self, by: &AccountId, now: Timestamp) -> Result<Self, TransitionError> {
        let decided = self.decidable(by)?;
        if now >= decided.window.until {
            return Err(TransitionError::WindowEnded);
        }
        let approved = Act { by: by.clone(), at: now };
        Ok(Self { state: State::Approved { approved }, ..decided })
    }

    /// # Errors
    /// When it was decided before. Whoever proposed it may take it back, which is a refusal too.
    pub fn refuse(self, by: &AccountId, reason: String, now: Timestamp) -> Result<Self, TransitionError> {
        match self.state {
            State::Proposed => {
                let refused = Act { by: by.clone(), at: now };
                Ok(Self { state: State::Refused { refused, reason }, ..self })
            }
            _ => Err(TransitionError::AlreadyDecided),
        }
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

    fn decidable(self, by: &AccountId) -> Result<Self, TransitionError> {
        match self.state {
            State::Proposed if self.proposed.by == *by => Err(TransitionError::OwnProposal),
            State::Proposed => Ok(self),
            _ => Err(TransitionError::AlreadyDecided),
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
            proposed: Act { by: AccountId::known("one"), at: Timestamp::from_seconds(1) },
            state: State::Proposed,
        }
    }

    #[test]
    fn the_proposer_cannot_approve_and_nobody_decides_twice() {
        let (one, two) = (AccountId::known("one"), AccountId::known("two"));
        let now = Timestamp::from_seconds(2);
        assert_eq!(proposed().approve(&one, now).unwrap_err(), TransitionError::OwnProposal);
        let approved = proposed().approve(&two, now).unwrap();
        assert_eq!(approved.clone().approve(&two, now).unwrap_err(), TransitionError::AlreadyDecided);
        assert_eq!(approved.clone().refuse(&two, String::new(), now).unwrap_err(), TransitionError::AlreadyDecided);
        let revoked = approved.revoke(&one, "left".to_owned(), now).unwrap();
        assert_eq!(revoked.clone().revoke(&one, String::new(), now).unwrap_err(), TransitionError::NotInForce);
        assert_eq!(revoked.approve(&two, now).unwrap_err(), TransitionError::AlreadyDecided);
        assert_eq!(proposed().revoke(&two, String::new(), now).unwrap_err(), TransitionError::NotInForce);
        assert_eq!(proposed().approve(&two, Timestamp::from_seconds(20)).unwrap_err(), TransitionError::WindowEnded);
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
