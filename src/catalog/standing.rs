//! A version's life: fetched into quarantine or published, withdrawn, put back. Only what is published can be read, whatever was granted.

use crate::clock::Timestamp;
use crate::ids::AccountId;

/// How a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Fetched and checked, and readable by nobody yet.
    Quarantined,
    /// The same; somebody has asked for its release.
    ReleaseAsked,
    /// Readable by whom a grant opens it to.
    Published,
    /// Readable by nobody any more.
    Withdrawn,
    /// The same; somebody has asked to put it back.
    ReturnAsked,
}

/// What an administrator does about a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Takes it from everybody. One administrator is enough to take access away.
    Withdraw,
    /// Asks to open it, or to open it again.
    Ask,
    /// Opens it: somebody else than who asked.
    Approve,
    /// Leaves it closed. Whoever asked may take that back so.
    Refuse,
}

/// What follows on what. Nothing else is possible.
pub const TRANSITIONS: [(Standing, Deed, Standing); 9] = [
    (Standing::Quarantined, Deed::Ask, Standing::ReleaseAsked),
    (Standing::ReleaseAsked, Deed::Approve, Standing::Published),
    (Standing::ReleaseAsked, Deed::Refuse, Standing::Quarantined),
    (Standing::Published, Deed::Withdraw, Standing::Withdrawn),
    (Standing::Quarantined, Deed::Withdraw, Standing::Withdrawn),
    (Standing::ReleaseAsked, Deed::Withdraw, Standing::Withdrawn),
    (Standing::Withdrawn, Deed::Ask, Standing::ReturnAsked),
    (Standing::ReturnAsked, Deed::Approve, Standing::Published),
    (Standing::ReturnAsked, Deed::Refuse, Standing::Withdrawn),
];

impl Standing {
    pub const ALL: [Self; 5] = [Self::Quarantined, Self::ReleaseAsked, Self::Published, Self::Withdrawn, Self::ReturnAsked];

    /// As the database and entries write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::ReleaseAsked => "release asked",
            Self::Published => "published",
            Self::Withdrawn => "withdrawn",
            Self::ReturnAsked => "return asked",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == text)
    }

    /// How it stands after a deed; none where that cannot be done.
    #[must_use]
    pub fn after(self, deed: Deed) -> Option<Self> {
        TRANSITIONS.iter().find(|(from, by, _)| (*from, *by) == (self, deed)).map(|(.., to)| *to)
    }

    /// Whether somebody has asked to open it.
    #[must_use]
    pub fn is_asked(self) -> bool {
        matches!(self, Self::ReleaseAsked | Self::ReturnAsked)
    }
}

/// Who did something about a version, when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// None for the command line.
    pub by: Option<AccountId>,
    /// Their name, where it is known.
    pub name: Option<String>,
    pub at: Timestamp,
    pub reason: String,
}

/// How a version stands, and who brought it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    pub standing: Standing,
    /// While somebody has asked to open it.
    pub asked: Option<Act>,
    /// The last that was decided; none while it stands as the fetch left it.
    pub decided: Option<Act>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StandingError {
    #[error("Whoever asked to open a version cannot approve it; another administrator must.")]
    OwnRequest,
    #[error(
        "The account that asked to open this version and yours were opened by the same administrator; somebody independent must approve it."
    )]
    SameHand,
    #[error("This cannot be done to the version as it stands now; look at it again.")]
    NotNow,
}

impl Life {
    /// As a fetch leaves it.
    #[must_use]
    pub fn new(standing: Standing) -> Self {
        Self { standing, asked: None, decided: None }
    }

    /// Its life after a deed. `one_hand`: the account that asked and the one that acts were opened by the same administrator.
    ///
    /// # Errors
    /// When the deed does not follow on how it stands, or is not this person's to do.
    pub fn after(self, deed: Deed, act: Act, one_hand: bool) -> Result<Self, StandingError> {
        let standing = self.standing.after(deed).ok_or(StandingError::NotNow)?;
        match deed {
            Deed::Ask => Ok(Self { standing, asked: Some(act), ..self }),
            Deed::Approve => match self.asked {
                // Who may not be named cannot be told apart from who asked.
                Some(asked) if act.by.is_none() || asked.by == act.by => Err(StandingError::OwnRequest),
                Some(_) if one_hand => Err(StandingError::SameHand),
                Some(_) => Ok(Self { standing, asked: None, decided: Some(act) }),
                None => Err(StandingError::NotNow),
            },
            // That it was refused to open it changes nothing about why it is closed.
            Deed::Refuse => Ok(Self { standing, asked: None, ..self }),
            Deed::Withdraw => Ok(Self { standing, asked: None, decided: Some(act) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEEDS: [Deed; 4] = [Deed::Withdraw, Deed::Ask, Deed::Approve, Deed::Refuse];

    fn act(by: usize, at: usize) -> Act {
        let at = Timestamp::from_seconds(i64::try_from(at).unwrap());
        Act { by: Some(AccountId::known(format!("acc_{by}"))), name: None, at, reason: "because".to_owned() }
    }

    #[test]
    fn only_an_approval_opens_and_anything_open_can_be_closed_at_once() {
        for (from, deed, to) in TRANSITIONS {
            assert_eq!(to == Standing::Published, deed == Deed::Approve, "{from:?} {deed:?}");
            assert_eq!(from.is_asked(), from.after(Deed::Approve).is_some(), "{from:?}");
            assert_eq!(from.after(deed), Some(to));
        }
        assert_eq!(Standing::Published.after(Deed::Withdraw), Some(Standing::Withdrawn));
        for standing in Standing::ALL {
            assert_eq!(Standing::parse(standing.as_str()), Some(standing));
        }
    }

    #[test]
    fn nobody_opens_a_version_alone() {
        for (closed, asked) in [(Standing::Quarantined, Standing::ReleaseAsked), (Standing::Withdrawn, Standing::ReturnAsked)] {
            let life = Life::new(closed).after(Deed::Ask, act(1, 1), false).unwrap();
            assert_eq!(life.standing, asked);
            assert_eq!(life.clone().after(Deed::Approve, act(1, 2), false), Err(StandingError::OwnRequest));
            assert_eq!(life.clone().after(Deed::Approve, act(2, 2), true), Err(StandingError::SameHand));
            let nobody = Act { by: None, ..act(2, 2) };
            assert_eq!(life.clone().after(Deed::Approve, nobody, false), Err(StandingError::OwnRequest));
            assert_eq!(life.clone().after(Deed::Ask, act(2, 2), false), Err(StandingError::NotNow));
            assert_eq!(life.clone().after(Deed::Refuse, act(1, 2), false).unwrap(), Life::new(closed));
            assert_eq!(life.after(Deed::Approve, act(2, 2), false).unwrap().standing, Standing::Published);
        }
    }

    proptest! {
        /// Whatever anybody does in whatever order, what is published was never closed, or was opened by two hands since.
        #[test]
        fn what_is_open_was_opened_by_two(steps in proptest::collection::vec((0_usize..4, 0_usize..4), 0..40), quarantine: bool) {
            let first = if quarantine { Standing::Quarantined } else { Standing::Published };
            let mut life = Life::new(first);
            let (mut asker, mut opened) = (None, !quarantine);
            for (at, (deed, who)) in steps.into_iter().enumerate() {
                // Accounts 2 and 3 are of one hand.
                let one_hand = asker.is_some_and(|asker: usize| asker.min(2) == who.min(2));
                let deed = DEEDS[deed];
                let Ok(next) = life.clone().after(deed, act(who, at), one_hand) else { continue };
                match deed {
                    Deed::Ask => asker = Some(who),
                    Deed::Approve => {
                        prop_assert!(asker.is_some_and(|asker| asker != who) && !one_hand);
                        (asker, opened) = (None, true);
                    }
                    Deed::Refuse => asker = None,
                    Deed::Withdraw => (asker, opened) = (None, false),
                }
                prop_assert_eq!(next.standing == Standing::Published, opened);
                prop_assert_eq!(next.asked.is_some(), next.standing.is_asked());
                life = next;
            }
        }
    }
}
