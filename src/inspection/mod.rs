//! What a reviewer keeps of their work: searches under a name, to run again when a version has been published.
//!
//! They belong to one account and are seen by no other. Keeping, renaming and removing one is recorded; its name and words are
//! personal, so they stand in the part of the entry that can be erased.

mod store;

use serde_json::json;

use crate::accounts::{Principal, done_by};
use crate::audit::{Context, Kind, Log, LogUnavailable};
use crate::clock::{SharedClock, Timestamp};
use crate::database::{Database, DatabaseError};
use crate::ids::{Entropy, SavedSearchId};

#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    #[error("{problem}")]
    Invalid { field: &'static str, problem: String },
    /// Not there, or another person's.
    #[error("there is no such saved search")]
    Unknown,
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A search kept under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSearch {
    pub id: SavedSearchId,
    pub name: String,
    /// As typed.
    pub query: String,
    pub saved_at: Timestamp,
    /// When it was last run, or saved.
    pub ran_at: Timestamp,
    /// The newest version of each product that could be searched then.
    pub newest: Vec<NewestVersion>,
}

/// A product and the version of it that was published last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestVersion {
    pub product: String,
    pub version: String,
}

impl SavedSearch {
    /// Those of `now` that the last run could not see yet, because they were published since.
    #[must_use]
    pub fn published_since<'a>(&self, now: &'a [NewestVersion]) -> Vec<&'a NewestVersion> {
        now.iter().filter(|one| !self.newest.contains(one)).collect()
    }
}

/// Keeps what people keep.
#[derive(Clone)]
pub struct Inspection {
    database: Database,
    log: Log,
    clock: SharedClock,
    entropy: Entropy,
}

impl Inspection {
    /// Saved searches of one person.
    pub const MOST: u64 = 200;
    /// Characters of a name.
    pub const LONGEST_NAME: usize = 80;
    /// Bytes of a query.
    pub const LONGEST_QUERY: usize = 4096;

    #[must_use]
    pub fn new(database: Database, log: Log, clock: SharedClock, entropy: Entropy) -> Self {
        Self { database, log, clock, entropy }
    }

    /// All that this person keeps, by name.
    pub async fn saved_searches(&self, of: &Principal) -> Result<Vec<SavedSearch>, InspectionError> {
        Ok(store::list(&self.database, of.account()).await?)
    }

    /// Keeps a search under a name.
    ///
    /// # Errors
    /// When the name or the query is out of its limits, the name is taken, or there are [`Inspection::MOST`] already.
    pub async fn save(
        &self,
        by: &Principal,
        name: &str,
        query: &str,
        newest: Vec<NewestVersion>,
        context: &Context,
    ) -> Result<SavedSearchId, InspectionError> {
        let now = self.clock.now();
        let saved = SavedSearch {
            id: SavedSearchId::random(&self.entropy),
            name: check_name(name)?,
            query: check_query(query)?,
            saved_at: now,
            ran_at: now,
            newest,
        };
        let mut tx = self.database.begin().await?;
        if store::count(&mut tx, by.account()).await? >= Self::MOST {
            let problem = format!("You keep {} searches, which is the most. Remove one first.", Self::MOST);
            return Err(InspectionError::Invalid { field: "name", problem });
        }
        if !store::insert(&mut tx, by.account(), &saved).await? {
            return Err(taken(&saved.name));
        }
        let draft = done_by(by, Kind::SearchSaved).fact("search", json!(saved.id.as_str())).query(words(&saved.name, &saved.query));
        self.log.commit(tx, draft, context).await.map(|()| saved.id)
    }

    /// Gives a saved search another name.
    ///
    /// # Errors
    /// When it is not this person's, or the name is out of its limits or taken.
    pub async fn rename(&self, by: &Principal, id: &SavedSearchId, name: &str, context: &Context) -> Result<(), InspectionError> {
        let name = check_name(name)?;
        let mut tx = self.database.begin().await?;
        let saved = store::find(&mut tx, by.account(), id).await?.ok_or(InspectionError::Unknown)?;
        if !store::rename(&mut tx, by.account(), id, &name).await? {
            return Err(taken(&name));
        }
        let draft =
            done_by(by, Kind::SearchSaved).fact("search", json!(id.as_str())).fact("renamed", true).query(words(&name, &saved.query));
        self.log.commit(tx, draft, context).await
    }

    /// Keeps it no longer.
    ///
    /// # Errors
    /// When it is not this person's.
    pub async fn remove(&self, by: &Principal, id: &SavedSearchId, context: &Context) -> Result<(), InspectionError> {
        let mut tx = self.database.begin().await?;
        let saved = store::find(&mut tx, by.account(), id).await?.ok_or(InspectionError::Unknown)?;
        store::remove(&mut tx, by.account(), id).await?;
        let draft = done_by(by, Kind::SearchRemoved).fact("search", json!(id.as_str())).query(words(&saved.name, &saved.query));
        self.log.commit(tx, draft, context).await
    }

    /// Notes that a saved search of this person was run again; another's is left alone. The search has an entry of its own.
    pub async fn ran(&self, by: &Principal, id: &SavedSearchId, newest: &[NewestVersion]) -> Result<(), InspectionError> {
        Ok(store::ran(&self.database, by.account(), id, self.clock.now(), newest).await?)
    }
}

/// How an entry names it: both are words of the person.
fn words(name: &str, query: &str) -> String {
    format!("{name}: {query}")
}

fn taken(name: &str) -> InspectionError {
    InspectionError::Invalid { field: "name", problem: format!("You keep another search called “{name}”. Choose another name.") }
}

fn check_name(name: &str) -> Result<String, InspectionError> {
    let name = name.trim();
    let length = name.chars().count();
    if length == 0 || length > Inspection::LONGEST_NAME || name.chars().any(char::is_control) {
        let problem = format!("Give it a name of 1 to {} characters.", Inspection::LONGEST_NAME);
        return Err(InspectionError::Invalid { field: "name", problem });
    }
    Ok(name.to_owned())
}

fn check_query(query: &str) -> Result<String, InspectionError> {
    if query.trim().is_empty() || query.len() > Inspection::LONGEST_QUERY || query.contains('\0') {
        let problem = format!("A query to be saved has 1 to {} bytes.", Inspection::LONGEST_QUERY);
        return Err(InspectionError::Invalid { field: "query", problem });
    }
    Ok(query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_limits() {
        assert_eq!(check_name("  Copies without bounds ").unwrap(), "Copies without bounds");
        assert!(check_name(&"é".repeat(80)).is_ok());
        for bad in ["", "   ", &"é".repeat(81), "a\nb"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_new_is_what_the_last_run_could_not_see() {
        let newest = |pairs: &[(&str, &str)]| -> Vec<NewestVersion> {
            pairs.iter().map(|(product, version)| NewestVersion { product: (*product).into(), version: (*version).into() }).collect()
        };
        let saved = SavedSearch {
            id: SavedSearchId::known("sav_1"),
            name: "n".into(),
            query: "q".into(),
            saved_at: Timestamp::from_seconds(1),
            ran_at: Timestamp::from_seconds(1),
            newest: newest(&[("git", "v2.45.0"), ("tools", "v1")]),
        };
        assert!(saved.published_since(&newest(&[("git", "v2.45.0")])).is_empty());
        let now = newest(&[("git", "v2.46.0"), ("tools", "v1"), ("other", "v9")]);
        let since: Vec<&str> = saved.published_since(&now).into_iter().map(|one| one.version.as_str()).collect();
        assert_eq!(since, ["v2.46.0", "v9"]);
    }
}
