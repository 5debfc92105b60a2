//! Lists of agencies, searched and paged by the database.

use super::super::paging::{Conditions, List, Page, Turn};
use super::super::{EntitlementError, Entitlements};
use super::{Agency, store};

const FROM: &str = "FROM agencies y";
const SEARCHED: [&str; 4] = ["y.name", "y.slug", "y.country", "y.kind"];
const LIST: List<'_> =
    List { from: FROM, id: "y.id", column: "y.name", of: "(SELECT k.name FROM agencies k WHERE k.id = {})", descending: false };

impl Entitlements {
    /// A page of the agencies, by name; of those in whose name, country or kind all these words stand.
    pub async fn agencies_page(&self, words: &str, turn: &Turn) -> Result<Page<Agency>, EntitlementError> {
        let mut conditions = Conditions::default();
        conditions.words(&SEARCHED, words);
        let page = LIST.page(&self.database, &conditions, turn).await?;
        let agencies = store::those(&self.database, &page.rows).await?;
        Ok(page.filled(agencies, |agency| agency.id.as_str()))
    }

    pub async fn count_agencies(&self) -> Result<u64, EntitlementError> {
        Ok(Conditions::default().count(&self.database, FROM).await?)
    }

    /// How many people each agency has that has some, disabled ones among them.
    pub async fn people_by_agency(&self) -> Result<Vec<(String, u64)>, EntitlementError> {
        let mut conditions = Conditions::default();
        conditions.and("a.agency_id IS NOT NULL".to_owned());
        Ok(conditions.count_by(&self.database, "a.agency_id", "FROM accounts a").await?)
    }
}
