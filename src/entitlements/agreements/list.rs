//! Lists of agreements, filtered and paged by the database.

use super::super::paging::{Conditions, List, Page, Turn};
use super::super::suspensions::suspends;
use super::super::{EntitlementError, Entitlements};
use super::{Agreement, REMINDERS, Standing, store};
use crate::clock::Timestamp;
use crate::ids::AgencyId;

/// Which agreements.
#[derive(Clone, Debug, Default)]
pub struct AgreementFilter {
    /// Those that stand in one of these ways; any when there is none.
    pub standing: Vec<Standing>,
    /// Those whose terms end within ninety days, suspended or not.
    pub due: bool,
    pub agency: Option<AgencyId>,
    /// Words that stand in the reference, the agency's name, the kind, the products or the sites.
    pub words: String,
}

const FROM: &str = "FROM agreements g JOIN agencies y ON y.id = g.agency_id";
const SEARCHED: [&str; 5] = ["g.reference", "y.name", "g.kind", "g.covers", "g.sites"];
const LIST: List<'_> =
    List { from: FROM, id: "g.id", column: "g.ends_at", of: "(SELECT k.ends_at FROM agreements k WHERE k.id = {})", descending: false };

/// What [`Agreement::standing`] tells, as the database tells it.
fn stands(standing: Standing, conditions: &mut Conditions, now: Timestamp) -> String {
    let at = now;
    let now = conditions.number(at.micros());
    let ended = format!("(g.ended_at IS NOT NULL AND g.ended_at <= {now})");
    let signed = format!("NOT {ended} AND g.draft = 0 AND g.ends_at > {now}");
    let suspended = suspends("g.id, g.agency_id");
    let begun = format!("{signed} AND NOT {suspended} AND g.starts_at <= {now}");
    // Reminders are for those that nobody has ended, not even for later.
    let mut due = || format!("(g.ends_at <= {} AND g.ended_at IS NULL)", conditions.number(soon(at)));
    match standing {
        Standing::Terminated => ended,
        Standing::Draft => format!("(NOT {ended} AND g.draft = 1)"),
        Standing::Expired => format!("(NOT {ended} AND g.draft = 0 AND g.ends_at <= {now})"),
        Standing::Suspended => format!("({signed} AND {suspended})"),
        Standing::Signed => format!("({signed} AND NOT {suspended} AND g.starts_at > {now})"),
        Standing::RenewalDue => format!("({begun} AND {})", due()),
        Standing::InForce => format!("({begun} AND NOT {})", due()),
    }
}

/// What ends until then ends soon.
fn soon(now: Timestamp) -> i64 {
    let [first, ..] = REMINDERS;
    now.plus(first).micros()
}

impl AgreementFilter {
    fn conditions(&self, now: Timestamp) -> Conditions {
        let mut all = Conditions::default();
        if !self.standing.is_empty() {
            let ways: Vec<String> = self.standing.iter().map(|standing| stands(*standing, &mut all, now)).collect();
            all.and(format!("({})", ways.join(" OR ")));
        }
        if self.due {
            let (now, soon) = (all.number(now.micros()), all.number(soon(now)));
            all.and(format!("g.ended_at IS NULL AND g.draft = 0 AND g.ends_at > {now} AND g.ends_at <= {soon}"));
        }
        if let Some(agency) = &self.agency {
            let agency = all.text(agency.as_str());
            all.and(format!("g.agency_id = {agency}"));
        }
        all.words(&SEARCHED, &self.words);
        all
    }
}

impl Entitlements {
    /// A page of the agreements, the next to end first.
    pub async fn agreements_page(&self, filter: &AgreementFilter, turn: &Turn) -> Result<Page<Agreement>, EntitlementError> {
        let page = LIST.page(&self.database, &filter.conditions(self.clock.now()), turn).await?;
        let agreements = store::those(&self.database, &page.rows).await?;
        Ok(page.filled(agreements, |agreement| agreement.id.as_str()))
    }

    /// How many agreements of each agency that has some are in force.
    pub async fn agreements_in_force(&self) -> Result<Vec<(String, u64)>, EntitlementError> {
        let filter = AgreementFilter { standing: vec![Standing::InForce, Standing::RenewalDue], ..AgreementFilter::default() };
        Ok(filter.conditions(self.clock.now()).count_by(&self.database, "g.agency_id", "FROM agreements g").await?)
    }

    /// Those whose terms end within ninety days, the next to end first; a page of them at most.
    pub async fn renewals(&self) -> Result<Vec<Agreement>, EntitlementError> {
        let due = AgreementFilter { due: true, ..AgreementFilter::default() };
        Ok(self.agreements_page(&due, &Turn::First).await?.rows)
    }
}
