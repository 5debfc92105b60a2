//! Agencies, and the agreements everything they read hangs on.

use super::Window;
use crate::clock::Timestamp;
use crate::ids::{AgencyId, AgreementId};

/// A government agency whose people review source.
#[derive(Clone, Debug)]
pub struct Agency {
    pub id: AgencyId,
    /// As addresses show it.
    pub slug: String,
    pub name: String,
    pub country: String,
    pub created_at: Timestamp,
}

/// What the vendor and an agency signed.
#[derive(Clone, Debug)]
pub struct Agreement {
    pub id: AgreementId,
    pub agency: AgencyId,
    pub reference: String,
    pub term: Window,
    pub created_at: Timestamp,
    pub ended: Option<Ended>,
}

/// An end before the term's.
#[derive(Clone, Debug)]
pub struct Ended {
    pub at: Timestamp,
    pub reason: String,
}

impl Agreement {
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.term.contains(now) && self.ended.as_ref().is_none_or(|ended| now < ended.at)
    }
}
