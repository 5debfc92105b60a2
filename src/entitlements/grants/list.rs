//! Lists of grants, filtered and paged by the database.

use super::super::paging::{Page, Turn};
use super::super::{EntitlementError, Entitlements};
use super::{Line, State, store};
use crate::clock::Timestamp;
use crate::ids::{AccountId, AgencyId, AgreementId};

/// Where a grant is in its life at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for administrators.
    Proposed,
    /// Approved, and it or its agreement has not begun.
    NotYet,
    InForce,
    /// Not over, and something it hangs on is suspended.
    Suspended,
    /// Nobody confirmed it by the day of a campaign.
    Lapsed,
    /// Its window or its agreement is over.
    Ended,
    Refused,
    Revoked,
}

/// Which grants.
#[derive(Clone, Debug, Default)]
pub struct GrantFilter {
    pub phase: Option<Phase>,
    pub agency: Option<AgencyId>,
    pub agreement: Option<AgreementId>,
    /// The product's name.
    pub product: String,
    /// Words that stand in the names, the reference, the purpose, the versions or the paths.
    pub words: String,
    /// Proposed by this administrator, or by another.
    pub by: Option<AccountId>,
    pub not_by: Option<AccountId>,
    /// Ends before then.
    pub ends_before: Option<Timestamp>,
    /// Given alone, and not reviewed yet.
    pub unreviewed: bool,
    /// The next to end first, and not the newest proposal.
    pub soonest_first: bool,
}

impl Phase {
    pub const ALL: [Self; 8] =
        [Self::Proposed, Self::NotYet, Self::InForce, Self::Suspended, Self::Lapsed, Self::Ended, Self::Refused, Self::Revoked];
}

impl Line {
    /// The first moment at which it, once approved, opens anything: its window and its agreement's term have both begun.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.entitlement.window.from.max(self.agreement_term.from)
    }

    /// The first moment at which it no longer does: its window, its agreement's term, or the agreement itself is over.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        let end = self.entitlement.window.until.min(self.agreement_term.until);
        self.agreement_ended.map_or(end, |ended| ended.min(end))
    }

    /// Whether it would open something at a moment, as far as its own life and its agreement's go.
    #[must_use]
    pub fn would_open(&self, then: Timestamp) -> bool {
        matches!(self.entitlement.state, State::Approved { .. }) && then < self.end()
    }

    #[must_use]
    pub fn phase(&self, now: Timestamp) -> Phase {
        match &self.entitlement.state {
            State::Proposed => Phase::Proposed,
            State::Refused { .. } => Phase::Refused,
            State::Revoked { .. } => Phase::Revoked,
            State::Approved { .. } if now >= self.end() => Phase::Ended,
            State::Approved { .. } if self.confirm_by.is_some_and(|day| now >= day) => Phase::Lapsed,
            State::Approved { .. } if self.suspended => Phase::Suspended,
            State::Approved { .. } if now < self.start() => Phase::NotYet,
            State::Approved { .. } => Phase::InForce,
        }
    }
}

impl Entitlements {
    /// A page of the grants, newest proposal first unless the filter says otherwise.
    pub async fn grants(&self, filter: &GrantFilter, turn: &Turn) -> Result<Page<Line>, EntitlementError> {
        let page = store::page(&self.database, filter, self.clock.now(), turn).await?;
        let lines = store::lines(&self.database, &page.rows).await?;
        Ok(page.filled(lines, |line| line.entitlement.id.as_str()))
    }

    pub async fn count_grants(&self, filter: &GrantFilter) -> Result<u64, EntitlementError> {
        Ok(store::count(&self.database, filter, self.clock.now()).await?)
    }

    /// How many grants are in force under each agreement that has some.
    pub async fn in_force_by_agreement(&self) -> Result<Vec<(String, u64)>, EntitlementError> {
        Ok(store::in_force_by(&self.database, "e.agreement_id", self.clock.now()).await?)
    }

    /// The same by agency.
    pub async fn in_force_by_agency(&self) -> Result<Vec<(String, u64)>, EntitlementError> {
        Ok(store::in_force_by(&self.database, "g.agency_id", self.clock.now()).await?)
    }
}
