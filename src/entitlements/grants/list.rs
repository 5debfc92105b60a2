//! Lists of grants, filtered and paged by the database.

use super::super::paging::{Conditions, List, Page, Turn};
use super::super::suspensions::suspends;
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

const FROM: &str = "FROM entitlements e JOIN products p ON p.id = e.product_id JOIN agreements g ON g.id = e.agreement_id
    JOIN agencies y ON y.id = g.agency_id JOIN accounts w ON w.id = e.proposed_by";
const SEARCHED: [&str; 9] = ["p.title", "p.name", "y.name", "g.reference", "w.name", "e.purpose", "e.versions", "e.includes", "e.excludes"];
const LIST: List<'_> = List {
    from: FROM,
    id: "e.id",
    column: "e.proposed_at",
    of: "(SELECT k.proposed_at FROM entitlements k WHERE k.id = {})",
    descending: true,
};
const BY_END: List<'_> =
    List { from: FROM, id: "e.id", column: "e.ends_at", of: "(SELECT k.ends_at FROM entitlements k WHERE k.id = {})", descending: false };

impl Phase {
    pub const ALL: [Self; 7] = [Self::Proposed, Self::NotYet, Self::InForce, Self::Suspended, Self::Ended, Self::Refused, Self::Revoked];

    /// What [`Line::phase`] tells of a grant, as the database tells it.
    fn condition(self, conditions: &mut Conditions, now: Timestamp) {
        let stage = match self {
            Self::Proposed => "proposed",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::NotYet | Self::InForce | Self::Suspended | Self::Ended => "approved",
        };
        conditions.and(format!("e.state = '{stage}'"));
        if stage != "approved" {
            return;
        }
        let now = conditions.number(now.micros());
        let over = format!("(e.ends_at <= {now} OR g.ends_at <= {now} OR (g.ended_at IS NOT NULL AND g.ended_at <= {now}))");
        let begun = format!("(e.starts_at <= {now} AND g.starts_at <= {now})");
        let suspended = suspends("e.id, g.id, g.agency_id, e.product_id");
        conditions.and(match self {
            Self::Ended => over,
            Self::Suspended => format!("NOT {over} AND {suspended}"),
            Self::NotYet => format!("NOT {over} AND NOT {begun} AND NOT {suspended}"),
            _ => format!("NOT {over} AND {begun} AND NOT {suspended}"),
        });
    }
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

    #[must_use]
    pub fn phase(&self, now: Timestamp) -> Phase {
        match &self.entitlement.state {
            State::Proposed => Phase::Proposed,
            State::Refused { .. } => Phase::Refused,
            State::Revoked { .. } => Phase::Revoked,
            State::Approved { .. } if now >= self.end() => Phase::Ended,
            State::Approved { .. } if self.suspended => Phase::Suspended,
            State::Approved { .. } if now < self.start() => Phase::NotYet,
            State::Approved { .. } => Phase::InForce,
        }
    }
}

impl GrantFilter {
    fn conditions(&self, now: Timestamp) -> Conditions {
        let mut all = Conditions::default();
        if let Some(phase) = self.phase {
            phase.condition(&mut all, now);
        }
        let texts = [
            ("g.agency_id =", self.agency.as_ref().map(AgencyId::as_str)),
            ("e.agreement_id =", self.agreement.as_ref().map(AgreementId::as_str)),
            ("p.name =", Some(self.product.as_str()).filter(|name| !name.is_empty())),
            ("e.proposed_by =", self.by.as_ref().map(AccountId::as_str)),
            ("e.proposed_by <>", self.not_by.as_ref().map(AccountId::as_str)),
        ];
        for (condition, value) in texts {
            if let Some(value) = value {
                let value = all.text(value);
                all.and(format!("{condition} {value}"));
            }
        }
        if let Some(end) = self.ends_before {
            let end = all.number(end.micros());
            all.and(format!("e.ends_at < {end}"));
        }
        if self.unreviewed {
            all.and("e.emergency = 1 AND e.reviewed_at IS NULL".to_owned());
        }
        all.words(&SEARCHED, &self.words);
        all
    }
}

impl Entitlements {
    /// A page of the grants, newest proposal first unless the filter says otherwise.
    pub async fn grants(&self, filter: &GrantFilter, turn: &Turn) -> Result<Page<Line>, EntitlementError> {
        let list = if filter.soonest_first { BY_END } else { LIST };
        let page = list.page(&self.database, &filter.conditions(self.clock.now()), turn).await?;
        let lines = store::lines(&self.database, &page.rows).await?;
        Ok(page.filled(lines, |line| line.entitlement.id.as_str()))
    }

    pub async fn count_grants(&self, filter: &GrantFilter) -> Result<u64, EntitlementError> {
        Ok(filter.conditions(self.clock.now()).count(&self.database, FROM).await?)
    }

    /// How many grants are in force under each agreement that has some.
    pub async fn in_force_by_agreement(&self) -> Result<Vec<(String, u64)>, EntitlementError> {
        self.in_force_by("e.agreement_id").await
    }

    /// The same by agency.
    pub async fn in_force_by_agency(&self) -> Result<Vec<(String, u64)>, EntitlementError> {
        self.in_force_by("g.agency_id").await
    }

    async fn in_force_by(&self, column: &str) -> Result<Vec<(String, u64)>, EntitlementError> {
        let filter = GrantFilter { phase: Some(Phase::InForce), ..GrantFilter::default() };
        let from = "FROM entitlements e JOIN agreements g ON g.id = e.agreement_id";
        Ok(filter.conditions(self.clock.now()).count_by(&self.database, column, from).await?)
    }
}
