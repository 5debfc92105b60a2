//! Search over history: which commit added or removed this line, and which said so in its message.
//!
//! A second index of a product, below the first, with the same files: a document is a file that a commit changed, and its text
//! are the changed lines. A commit's message is a document, too, at the path of the root, and comes before those of its files;
//! the documents of one commit stand side by side, parents before children. What a version reaches is a bitmap over documents.
//! One further table holds the commits. A commit that was indexed once is never read again.
//!
//! What is guaranteed, to a reader with a scope:
//! - **Changed lines.** A change takes part when the file's path lies within what may be read of a version from which its commit
//!   can be reached. Whoever may read a path of a version may read how it came about, and nothing else: a line that stood at a
//!   path outside of the scope stays outside, also when the file was moved into it later, since a move is a removal there and an
//!   addition here, and is shown as the latter.
//! - **Messages.** A message may speak of any file that its commit changed, and says so in no form that could be checked. So it
//!   takes part only when every one of these files lies within the scope. A merge speaks of all that it brings, and a commit
//!   without changes of nothing that could be told: these take part only for whom everything is open that can be reached from the
//!   version. The subject beside changed lines is the message's, and is left out by the same rule.
//! - **Authors** are shown by name, never with an address, beside whatever of the commit is shown.
//! - Nothing else is read, counted, listed, or told from a total. Versions are named only where what is shown is open in them.
//! - Within the scope nothing is left out but what is counted: binary files, known by path, and changes too large to be compared.

mod asked;
mod commits;
mod indexer;
mod reading;
mod scope;
mod sealed;
mod searcher;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use roaring::RoaringBitmap;

pub use indexer::{HistoryBuilt, HistoryProgress, HistorySource, HistoryWriter};
pub(super) use sealed::Histories;
pub use searcher::{ChangeHit, ChangedLine, CommitHit, HistoryResults};

use super::contents::Home;
use super::documents::Document;
use super::{BlobId, ProductIndex, SearchError, VersionKey};
use commits::{Commit, Commits};

/// The id of a commit, kept where documents of files keep their blob's.
pub type CommitId = BlobId;

/// One generation of the index of a product's history, open for searching.
#[derive(Debug)]
pub struct HistoryIndex {
    index: Arc<ProductIndex>,
    commits: Commits,
    /// The documents that are messages.
    messages: RoaringBitmap,
}

impl HistoryIndex {
    /// Opens the generation that is current in the index at `directory`.
    ///
    /// # Errors
    /// When there is none, or it cannot be used: [`SearchError::wants_rebuild`] tells.
    pub fn open(directory: &Path) -> Result<Self, SearchError> {
        let home = Home::new(directory);
        loop {
            let generation = home.current()?;
            match Self::open_current(directory) {
                // It may have been replaced and removed in between.
                Err(_) if home.current()? != generation => {}
                index => return index,
            }
        }
    }

    fn open_current(directory: &Path) -> Result<Self, SearchError> {
        let index = ProductIndex::open(directory)?;
        let home = Home::new(directory);
        let commits = Commits::read(&home.generation(index.generation()), index.documents())?;
        let messages = commits.all().iter().map(|commit| commit.first).collect();
        Ok(Self { index: Arc::new(index), commits, messages })
    }

    /// Rises with every generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.index.generation()
    }

    /// The versions whose history it holds.
    pub fn versions(&self) -> impl Iterator<Item = &VersionKey> {
        self.index.versions().map(|(key, _)| key)
    }

    #[must_use]
    pub fn commits(&self) -> usize {
        self.commits.all().len()
    }

    /// Files changed, each counted once for every commit that changed it.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.index.documents() - self.commits()
    }

    /// The place of the commit that a document belongs to, and the commit.
    fn commit_of(&self, document: u32) -> Option<(u32, &Commit)> {
        let behind = self.commits.all().partition_point(|commit| commit.first <= document);
        let place = behind.checked_sub(1)?;
        Some((u32::try_from(place).ok()?, self.commits.all().get(place)?))
    }

    /// A commit's documents: its message, and behind it the files that it changed.
    fn documents_of(&self, place: u32) -> std::ops::Range<u32> {
        let all = self.commits.all();
        let end = u32::try_from(self.index.documents()).unwrap_or(u32::MAX);
        let first = |place: usize| all.get(place).map_or(end, |commit| commit.first);
        first(place as usize)..first(place as usize + 1)
    }

    /// What lies behind a document's text: which lines these are.
    fn behind(&self, document: &Document) -> Result<&[u8], SearchError> {
        let Some(body) = document.body else { return Ok(&[]) };
        let start = body.offset.saturating_add(body.text).saturating_add(body.raw);
        self.index.contents.bytes(body.part, start, document.size)
    }
}

/// Commits by their ids.
type Numbers = HashMap<CommitId, u32>;

#[cfg(test)]
mod tests;
