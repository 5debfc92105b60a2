//! Lists of agreements, filtered and paged by the database.

use super::super::paging::{Page, Turn};
use super::super::{EntitlementError, Entitlements};
use super::{Agreement, Standing, store};
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

impl Entitlements {
    /// A page of the agreements, the next to end first.
    pub async fn agreements_page(&self, filter: &AgreementFilter, turn: &Turn) -> Result<Page<Agreement>, EntitlementError> {
        let page = store::page(&self.database, filter, self.clock.now(), turn).await?;
        let agreements = store::those(&self.database, &page.rows).await?;
        Ok(page.filled(agreements, |agreement| agreement.id.as_str()))
    }

    /// How many agreements of each agency that has some are in force.
    pub async fn agreements_in_force(&self) -> Result<Vec<(String, u64)>, EntitlementError> {
        let filter = AgreementFilter { standing: vec![Standing::InForce, Standing::RenewalDue], ..AgreementFilter::default() };
        Ok(store::count_by_agency(&self.database, &filter, self.clock.now()).await?)
    }

    /// Those whose terms end within ninety days, the next to end first; a page of them at most.
    pub async fn renewals(&self) -> Result<Vec<Agreement>, EntitlementError> {
        let due = AgreementFilter { due: true, ..AgreementFilter::default() };
        Ok(self.agreements_page(&due, &Turn::First).await?.rows)
    }
}
