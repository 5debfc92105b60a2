//! Lists of agencies, searched and paged by the database.

use super::super::paging::{Page, Turn};
use super::super::{EntitlementError, Entitlements};
use super::{Agency, store};

impl Entitlements {
    /// A page of the agencies, by name; of those in whose name, country or kind all these words stand.
    pub async fn agencies_page(&self, words: &str, turn: &Turn) -> Result<Page<Agency>, EntitlementError> {
        let page = store::page(&self.database, words, turn).await?;
        let agencies = store::those(&self.database, &page.rows).await?;
        Ok(page.filled(agencies, |agency| agency.id.as_str()))
    }

    pub async fn count_agencies(&self) -> Result<u64, EntitlementError> {
        Ok(store::count(&self.database).await?)
    }

    /// How many people each agency has that has some, disabled ones among them.
    pub async fn people_by_agency(&self) -> Result<Vec<(String, u64)>, EntitlementError> {
        Ok(store::people(&self.database).await?)
    }
}
