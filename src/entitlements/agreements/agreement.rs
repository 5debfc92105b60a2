//! What the vendor and an agency signed, and how it stands.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::super::Window;
use super::super::steps::{Act, Hand, Step};
use crate::clock::Timestamp;
use crate::ids::{AgencyId, AgreementId, AmendmentId};

/// How long before its term's end an agreement is due for renewal, and when administrators are reminded of it.
pub const REMINDERS: [Duration; 3] = [days(90), days(30), days(7)];

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 60 * 60)
}

#[derive(Clone, Debug)]
pub struct Agreement {
    pub id: AgreementId,
    pub agency: AgencyId,
    pub reference: String,
    /// From the day it takes effect to the end of its term.
    pub term: Window,
    pub reach: Reach,
    pub paper: Paper,
    /// Not signed yet.
    pub draft: bool,
    /// The day both sides signed.
    pub signed_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub ended: Option<Ended>,
    /// Something suspended it, or its agency.
    pub suspended: bool,
}

/// How far an agreement reaches, whatever is granted under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The networks reading is allowed from; none is any.
    pub addresses: Vec<IpNet>,
    /// The names of the products it covers; none is any.
    pub covers: Vec<String>,
}

/// What the paper says besides; it opens nothing and closes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paper {
    pub kind: String,
    pub renewal: String,
    pub handling: String,
    pub export_class: String,
    pub sites: Vec<String>,
}

/// An end before the term's.
#[derive(Clone, Debug)]
pub struct Ended {
    pub at: Timestamp,
    pub reason: String,
}

/// What is written down of an agreement's life. Whether it is in force, [`Agreement::standing`] derives from it and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Draft,
    Signed,
    Terminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Sign,
    Terminate,
}

/// The life of an agreement. It opens nothing by itself, so one hand signs it; each grant under it takes two, and so does making it
/// reach further.
pub const LIFE: &[Step<Stage, Verb>] = &[
    Step { from: Stage::Draft, verb: Verb::Sign, to: Stage::Signed, hand: Hand::Any },
    Step { from: Stage::Draft, verb: Verb::Terminate, to: Stage::Terminated, hand: Hand::Any },
    Step { from: Stage::Signed, verb: Verb::Terminate, to: Stage::Terminated, hand: Hand::Any },
];

/// How an agreement stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    Draft,
    /// Signed, and its term has not begun.
    Signed,
    InForce,
    /// In force, and its term ends within ninety days.
    RenewalDue,
    Suspended,
    /// Its term is over.
    Expired,
    /// Ended before its term.
    Terminated,
}

impl Standing {
    /// Whether anything can be read under it.
    #[must_use]
    pub fn opens(self) -> bool {
        matches!(self, Self::InForce | Self::RenewalDue)
    }
}

impl Agreement {
    #[must_use]
    pub fn stage(&self) -> Stage {
        match (&self.ended, self.draft) {
            (Some(_), _) => Stage::Terminated,
            (None, true) => Stage::Draft,
            (None, false) => Stage::Signed,
        }
    }

    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.ended.as_ref().is_some_and(|ended| ended.at <= now) {
            return Standing::Terminated;
        }
        if self.draft {
            return Standing::Draft;
        }
        if now >= self.term.until {
            return Standing::Expired;
        }
        if self.suspended {
            return Standing::Suspended;
        }
        if now < self.term.from {
            return Standing::Signed;
        }
        if self.reminder(now).is_some() { Standing::RenewalDue } else { Standing::InForce }
    }

    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.standing(now).opens()
    }

    /// Which of the [`REMINDERS`] the end of its term has come within: the shortest.
    #[must_use]
    pub fn reminder(&self, now: Timestamp) -> Option<Duration> {
        let ends = self.term.until;
        if now >= ends || self.ended.is_some() || self.draft {
            return None;
        }
        REMINDERS.into_iter().rev().find(|&ahead| now.plus(ahead) >= ends)
    }
}

impl Reach {
    #[must_use]
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.addresses.is_empty()
            || address.is_some_and(|address| self.addresses.iter().any(|network| network.contains(&address.to_canonical())))
    }

    #[must_use]
    pub fn covers(&self, product: &str) -> bool {
        self.covers.is_empty() || self.covers.iter().any(|covered| covered == product)
    }
}

/// A change that could make a signed agreement reach further.
#[derive(Clone, Debug)]
pub struct Amendment {
    pub id: AmendmentId,
    pub agreement: AgreementId,
    /// The end of the term it would then have.
    pub until: Timestamp,
    pub reach: Reach,
    pub reason: String,
    pub stage: AmendmentStage,
    pub proposed: Act,
    pub proposer: String,
    pub decided: Option<Act>,
    pub decider: Option<String>,
    pub refusal: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AmendmentStage {
    Proposed,
    Approved,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AmendmentVerb {
    Approve,
    Refuse,
}

/// The life of an amendment.
pub const AMENDMENT_LIFE: &[Step<AmendmentStage, AmendmentVerb>] = &[
    Step { from: AmendmentStage::Proposed, verb: AmendmentVerb::Approve, to: AmendmentStage::Approved, hand: Hand::Second },
    Step { from: AmendmentStage::Proposed, verb: AmendmentVerb::Refuse, to: AmendmentStage::Refused, hand: Hand::Any },
];

impl AmendmentStage {
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Approved, Self::Refused];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn agreement() -> Agreement {
        Agreement {
            id: AgreementId::known("agr"),
            agency: AgencyId::known("agy"),
            reference: "GSP-1".to_owned(),
            term: Window { from: at(50), until: at(400 * DAY) },
            reach: Reach::default(),
            paper: Paper::default(),
            draft: false,
            signed_at: None,
            created_at: at(1),
            ended: None,
            suspended: false,
        }
    }

    #[test]
    fn it_stands_as_its_papers_and_the_time_say() {
        let changed = |change: fn(&mut Agreement)| {
            let mut agreement = agreement();
            change(&mut agreement);
            agreement
        };
        let ended = |a: &mut Agreement| a.ended = Some(Ended { at: at(100), reason: "left".to_owned() });
        for (agreement, second, expected) in [
            (agreement(), 49, Standing::Signed),
            (agreement(), 50, Standing::InForce),
            (agreement(), 310 * DAY - 1, Standing::InForce),
            (agreement(), 310 * DAY, Standing::RenewalDue),
            (agreement(), 400 * DAY - 1, Standing::RenewalDue),
            (agreement(), 400 * DAY, Standing::Expired),
            (changed(ended), 99, Standing::InForce),
            (changed(ended), 100, Standing::Terminated),
            (changed(|a| a.draft = true), 60, Standing::Draft),
            (changed(|a| a.suspended = true), 60, Standing::Suspended),
            (changed(|a| a.suspended = true), 400 * DAY, Standing::Expired),
        ] {
            assert_eq!(agreement.standing(at(second)), expected, "{second}");
        }
    }

    #[test]
    fn reminders_come_at_ninety_thirty_and_seven_days() {
        let left = |left: i64| agreement().reminder(at((400 - left) * DAY)).map(|ahead| ahead.as_secs() / 86_400);
        assert_eq!([91, 90, 31, 30, 8, 7, 1].map(left), [None, Some(90), Some(90), Some(30), Some(30), Some(7), Some(7)]);
        assert_eq!(left(0), None);
    }

    #[test]
    fn networks_and_products_limit_it() {
        let reach = Reach { addresses: vec!["192.0.2.0/24".parse().unwrap()], covers: vec!["gateway".to_owned()] };
        let from = |text: &str| reach.admits(Some(text.parse().unwrap()));
        assert!(from("192.0.2.255") && from("::ffff:192.0.2.1"));
        assert!(!from("192.0.3.0") && !from("::1") && !reach.admits(None));
        assert!(Reach::default().admits(None) && Reach::default().covers("anything"));
        assert!(reach.covers("gateway") && !reach.covers("gatewayx"));
    }
}
