//! A campaign and its life, and that of each grant in it.

use super::super::steps::{Act, Hand, Kinship, Step, TransitionError, take};
use super::super::{Line, Subject};
use crate::audit::Usage;
use crate::clock::Timestamp;
use crate::ids::{AccountId, CampaignId};

/// A round in which administrators confirm grants, or let them lapse.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub id: CampaignId,
    pub name: String,
    /// What its grants have in common; none: it was opened for every grant.
    pub subject: Option<Subject>,
    /// The first instant at which what nobody confirmed opens nothing.
    pub due: Timestamp,
    /// Entries of the log that were counted when it was opened.
    pub counted_to: u64,
    pub opened: Act,
    pub opener: String,
    pub stage: Stage,
    /// Who asks that it be called off.
    pub asked: Option<Act>,
    pub asker: Option<String>,
    pub ask_reason: Option<String>,
    pub decided: Option<Act>,
    pub decider: Option<String>,
    pub tally: Tally,
}

/// How many grants of a campaign are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub pending: u64,
    pub confirmed: u64,
    pub lapsed: u64,
    pub released: u64,
}

impl Tally {
    #[must_use]
    pub fn all(&self) -> u64 {
        self.pending + self.confirmed + self.lapsed + self.released
    }
}

/// Where a campaign is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Open,
    /// Open, and somebody asks that it be called off.
    EndAsked,
    /// Nothing lapses by it.
    CalledOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    AskEnd,
    GoOn,
    CallOff,
}

/// The life of a campaign. One hand opens it, since it only takes away; that nothing lapses by it takes two, before its day.
pub const LIFE: &[Step<Stage, Verb>] = &[
    Step { from: Stage::Open, verb: Verb::AskEnd, to: Stage::EndAsked, hand: Hand::Any },
    Step { from: Stage::EndAsked, verb: Verb::GoOn, to: Stage::Open, hand: Hand::Any },
    Step { from: Stage::EndAsked, verb: Verb::CallOff, to: Stage::CalledOff, hand: Hand::Second },
];

/// Where a grant in a campaign is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It waits for somebody to confirm it, and opens nothing once the campaign's day has come.
    Pending,
    Confirmed,
    /// Nobody confirmed it in time: it opens nothing any more.
    Lapsed,
    /// The campaign was called off, or the grant had ended by itself when the day came.
    Released,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turning {
    Confirm,
    Lapse,
    Release,
}

/// The life of a grant in a campaign. Confirming is for somebody other than whoever proposed the grant; lapsing is for nobody: it is so when
/// the day has come, and noted afterwards.
pub const GRANT_LIFE: &[Step<Standing, Turning>] = &[
    Step { from: Standing::Pending, verb: Turning::Confirm, to: Standing::Confirmed, hand: Hand::Second },
    Step { from: Standing::Pending, verb: Turning::Lapse, to: Standing::Lapsed, hand: Hand::Any },
    Step { from: Standing::Pending, verb: Turning::Release, to: Standing::Released, hand: Hand::Any },
];

impl Stage {
    pub const ALL: [Self; 3] = [Self::Open, Self::EndAsked, Self::CalledOff];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::EndAsked => "end_asked",
            Self::CalledOff => "called_off",
        }
    }
}

impl Standing {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Confirmed, Self::Lapsed, Self::Released];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Lapsed => "lapsed",
            Self::Released => "released",
        }
    }
}

impl Campaign {
    /// Whether grants can still be confirmed in it.
    #[must_use]
    pub fn runs(&self, now: Timestamp) -> bool {
        self.stage != Stage::CalledOff && now < self.due
    }

    /// Where a step leads.
    ///
    /// # Errors
    /// When it is over, or the step is not for this hand.
    pub fn step(&self, verb: Verb, kinship: Kinship, now: Timestamp) -> Result<Stage, TransitionError> {
        if now >= self.due {
            return Err(TransitionError::CampaignOver);
        }
        take(LIFE, self.stage, verb, kinship)
    }
}

/// A grant in a campaign.
#[derive(Clone, Debug)]
pub struct Item {
    pub line: Line,
    pub standing: Standing,
    pub due: Timestamp,
    pub counted: Counted,
    /// What is pointed out.
    pub points: Points,
    pub decided: Option<Act>,
    pub decider: Option<String>,
    pub reason: Option<String>,
    /// The entry that says what whoever confirmed it was shown.
    pub examined: Option<u64>,
}

impl Item {
    /// Where it is at this moment, noted or not.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.standing == Standing::Pending && now >= self.due { Standing::Lapsed } else { self.standing }
    }

    /// # Errors
    /// When it is confirmed already or has lapsed, or whoever confirms it proposed it.
    pub fn confirm(&self, kinship: Kinship, now: Timestamp) -> Result<Standing, TransitionError> {
        if now >= self.due {
            return Err(TransitionError::CampaignOver);
        }
        take(GRANT_LIFE, self.standing, Turning::Confirm, kinship)
    }
}

/// What the log said of a grant when its campaign was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub last: Option<Timestamp>,
    /// Distinct files opened under it.
    pub files: u64,
    /// Files it opened when it was proposed, if they were counted.
    pub opens: Option<u64>,
    /// Of its product, to people whom it is for, since it was approved.
    pub refusals: u64,
}

/// What is pointed out about a grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Nobody has read by it for [`IDLE`].
    pub unused: bool,
    /// What was read of it is less than one file in [`BROAD`].
    pub broad: bool,
}

/// After how many days without reading a grant counts as unused.
pub const IDLE: i64 = 90;
/// A grant that opens more than this many times the files that were read of it counts as broad.
pub const BROAD: u64 = 100;
/// What opens fewer files than that is not broad, however little was read of it.
const SMALL: u64 = 200;

impl Points {
    /// What stands out at `now` about a grant approved at `since`.
    #[must_use]
    pub fn of(counted: &Counted, since: Timestamp, now: Timestamp) -> Self {
        let idle = now.minus(std::time::Duration::from_secs(IDLE.unsigned_abs() * 86_400));
        let unused = counted.last.unwrap_or(since).max(since) < idle;
        let broad = counted.opens.is_some_and(|opens| opens >= SMALL && counted.files.saturating_mul(BROAD) < opens);
        Self { unused, broad: broad && !unused }
    }
}

/// What the log says of the use of one grant, by person, directory and version: what whoever decides on it is shown.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Entries of the log that were counted.
    pub counted_to: u64,
    pub counted: Counted,
    pub points: Points,
    pub people: Vec<PersonUse>,
    /// Distinct files opened in each directory of the root, most first; an empty name for those in the root itself.
    pub directories: Vec<(String, u64)>,
    pub versions: Vec<String>,
}

/// What one person did with a grant.
#[derive(Clone, Debug)]
pub struct PersonUse {
    pub account: AccountId,
    pub name: String,
    /// Whether the grant is for them now.
    pub named: bool,
    pub usage: Usage,
    /// Since the grant was approved.
    pub refusals: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_seconds(n * 86_400)
    }

    #[test]
    fn what_is_unused_and_what_is_broad_is_pointed_out() {
        let counted = |last: Option<i64>, files, opens| Counted { last: last.map(day), files, opens, refusals: 0 };
        let points = |counted: &Counted| {
            let Points { unused, broad } = Points::of(counted, day(100), day(200));
            (unused, broad)
        };
        // Approved on day 100, looked at on day 200.
        assert_eq!(points(&counted(None, 0, Some(1000))), (true, false));
        assert_eq!(points(&counted(Some(109), 5, Some(1000))), (true, false));
        assert_eq!(points(&counted(Some(110), 5, Some(1000))), (false, true));
        assert_eq!(points(&counted(Some(110), 10, Some(1000))), (false, false));
        assert_eq!(points(&counted(Some(110), 1, Some(199))), (false, false));
        assert_eq!(points(&counted(Some(110), 1, None)), (false, false));
        // Approved a moment ago, and nobody has had time to read.
        assert!(!Points::of(&counted(None, 0, Some(1000)), day(199), day(200)).unused);
    }

    #[test]
    fn calling_off_takes_a_second_hand_and_confirming_takes_one_that_did_not_propose() {
        for kinship in [Kinship::Same, Kinship::OneLine, Kinship::Independent] {
            assert_eq!(take(LIFE, Stage::Open, Verb::AskEnd, kinship), Ok(Stage::EndAsked));
            assert_eq!(take(LIFE, Stage::EndAsked, Verb::GoOn, kinship), Ok(Stage::Open));
            assert!(take(LIFE, Stage::Open, Verb::CallOff, kinship).is_err());
            for verb in [Verb::AskEnd, Verb::GoOn, Verb::CallOff] {
                assert!(take(LIFE, Stage::CalledOff, verb, kinship).is_err());
            }
            for standing in [Standing::Confirmed, Standing::Lapsed, Standing::Released] {
                for step in [Turning::Confirm, Turning::Lapse, Turning::Release] {
                    assert!(take(GRANT_LIFE, standing, step, kinship).is_err());
                }
            }
        }
        assert_eq!(take(LIFE, Stage::EndAsked, Verb::CallOff, Kinship::Same), Err(TransitionError::OwnProposal));
        assert_eq!(take(LIFE, Stage::EndAsked, Verb::CallOff, Kinship::OneLine), Err(TransitionError::SameHand));
        assert_eq!(take(LIFE, Stage::EndAsked, Verb::CallOff, Kinship::Independent), Ok(Stage::CalledOff));
        assert_eq!(take(GRANT_LIFE, Standing::Pending, Turning::Confirm, Kinship::Same), Err(TransitionError::OwnProposal));
        assert_eq!(take(GRANT_LIFE, Standing::Pending, Turning::Confirm, Kinship::OneLine), Err(TransitionError::SameHand));
        assert_eq!(take(GRANT_LIFE, Standing::Pending, Turning::Confirm, Kinship::Independent), Ok(Standing::Confirmed));
    }
}
