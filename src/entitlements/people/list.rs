//! Lists of nominations, searched and paged by the database.

use super::super::paging::{Page, Turn};
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

impl Entitlements {
    /// A page of the nominations, newest first.
    pub async fn nominations(&self, filter: &NominationFilter, turn: &Turn) -> Result<Page<Nominee>, EntitlementError> {
        let page = store::page(&self.database, filter, turn).await?;
        let nominees = store::those(&self.database, &page.rows).await?;
        Ok(page.filled(nominees, |nominee| nominee.nomination.id.as_str()))
    }
}
