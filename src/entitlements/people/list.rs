//! Lists of nominations, searched and paged by the database.

use super::super::paging::{Conditions, List, Page, Turn};
use super::super::{EntitlementError, Entitlements};
use super::{Nominee, Stage, store};
use crate::ids::AgencyId;

/// Which nominations.
#[derive(Clone, Debug, Default)]
pub struct NominationFilter {
    pub stage: Option<Stage>,
    pub agency: Option<AgencyId>,
    /// Words that stand in the person's name or address, the agency's name or the agreement's reference.
    pub words: String,
}

const FROM: &str = "FROM nominations n JOIN accounts a ON a.id = n.account_id JOIN agreements g ON g.id = n.agreement_id
    JOIN agencies y ON y.id = g.agency_id";
const SEARCHED: [&str; 4] = ["a.name", "a.email", "y.name", "g.reference"];
const LIST: List<'_> = List {
    from: FROM,
    id: "n.id",
    column: "n.nominated_at",
    of: "(SELECT k.nominated_at FROM nominations k WHERE k.id = {})",
    descending: true,
};

impl Entitlements {
    /// A page of the nominations, newest first.
    pub async fn nominations(&self, filter: &NominationFilter, turn: &Turn) -> Result<Page<Nominee>, EntitlementError> {
        let mut conditions = Conditions::default();
        if let Some(stage) = filter.stage {
            let stage = conditions.text(stage.as_str());
            conditions.and(format!("n.state = {stage}"));
        }
        if let Some(agency) = &filter.agency {
            let agency = conditions.text(agency.as_str());
            conditions.and(format!("g.agency_id = {agency}"));
        }
        conditions.words(&SEARCHED, &filter.words);
        let page = LIST.page(&self.database, &conditions, turn).await?;
        let nominees = store::those(&self.database, &page.rows).await?;
        Ok(page.filled(nominees, |nominee| nominee.nomination.id.as_str()))
    }
}
