//! What the log says of the use of grants: for whoever decides whether a grant is still needed. Counts and names of places, never source.
//!
//! An entry belongs to the grant that is its basis. What a search shows of several products belongs to the first of its grants.

use std::collections::HashMap;

use super::listing::store as listing;
use super::{AuditError, Log};
use crate::clock::Timestamp;
use crate::ids::{AccountId, EntitlementId};

/// Reading under one grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entries that something was shown.
    pub shown: u64,
    pub last: Option<Timestamp>,
    /// Distinct files opened: a path, and what stood there.
    pub files: u64,
}

/// Reading under one grant, by person, directory and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    pub all: Usage,
    /// By account.
    pub people: HashMap<String, Usage>,
    /// Distinct files opened in each directory of the root, most first; an empty name for those in the root itself.
    pub directories: Vec<(String, u64)>,
    /// Names of versions in which something was shown, in order.
    pub versions: Vec<String>,
}

/// When somebody was refused something of a product.
#[derive(Clone, Debug, Default)]
pub struct Refused(HashMap<(String, String), Vec<i64>>);

impl Refused {
    /// How many there were of one person and product, from a moment on.
    #[must_use]
    pub fn since(&self, account: &AccountId, product: &str, since: Timestamp) -> u64 {
        let key = (account.as_str().to_owned(), product.to_owned());
        let times = self.0.get(&key).map(Vec::as_slice).unwrap_or_default();
        times.iter().filter(|at| **at >= since.micros()).count() as u64
    }
}

impl Log {
    /// The use of every grant that was used, by its id, and how many entries were counted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn usages(&self) -> Result<(HashMap<String, Usage>, u64), AuditError> {
        let size = self.size().await?;
        self.listed_to(size).await?;
        Ok((listing::usages(&self.shared.database, size).await?.into_iter().collect(), size))
    }

    /// The use of one grant, and how many entries were counted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn use_of(&self, grant: &EntitlementId) -> Result<(Use, u64), AuditError> {
        let size = self.size().await?;
        self.listed_to(size).await?;
        let database = &self.shared.database;
        let people: HashMap<String, Usage> = listing::usage_by_account(database, grant.as_str(), size).await?.into_iter().collect();
        let mut all = Usage::default();
        for usage in people.values() {
            all.shown += usage.shown;
            all.last = all.last.max(usage.last);
        }
        let mut directories: HashMap<String, u64> = HashMap::new();
        for path in listing::files_opened(database, grant.as_str(), size).await? {
            let directory = path.split_once('/').map_or("", |(first, _)| first);
            *directories.entry(directory.to_owned()).or_default() += 1;
            all.files += 1;
        }
        let mut directories: Vec<_> = directories.into_iter().collect();
        directories.sort_by(|(one, n), (other, m)| m.cmp(n).then_with(|| one.cmp(other)));
        let versions = listing::versions_read(database, grant.as_str(), size).await?;
        Ok((Use { all, people, directories, versions }, size))
    }

    /// What people were refused of products, all of it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn refusals(&self) -> Result<Refused, AuditError> {
        let size = self.size().await?;
        self.listed_to(size).await?;
        let mut times: HashMap<(String, String), Vec<i64>> = HashMap::new();
        for (account, product, at) in listing::refusals(&self.shared.database, size).await? {
            times.entry((account, product)).or_default().push(at);
        }
        Ok(Refused(times))
    }
}
