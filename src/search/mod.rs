//! Search: every byte of every version that the asker may read, and nothing else.
//!
//! An index belongs to one product ([`ProductIndex`]), is built by an [`IndexWriter`] from a [`Corpus`], and is replaced as a
//! whole: what is served is always a complete generation. A [`Searcher`] answers a [`Query`] within a [`Scope`]. The scope is
//! plain data inside this room: who may read what is decided at the gate, and [`Searcher::run_scoped`] is the only door.
//!
//! What is guaranteed:
//! - A file outside of the scope takes no part: it is not read, not counted, not listed, and no version of a hit is named in
//!   which its path may not be read.
//! - Within the scope nothing is left out: every file, whatever its size and its lines, is searched whole; a text in another
//!   encoding decoded and by its bytes, a binary by the texts found in it. What is not searched (files that could not be read,
//!   versions not indexed yet) is counted and said.
//! - A file matches when the query holds of it whole. Shown are the lines that a match of a term touches, unless the term is
//!   excluded. Expressions may match across lines.
//!
//! How long a search takes does not tell what lies outside of the scope: grams are looked up in the whole index, and where that
//! holds more than the scope the answer waits for a fixed pace ([`plan`]). All else is done within the scope.
//!
//! Everything here blocks: asynchronous callers run it on threads meant for that.

mod across;
mod blocks;
mod contents;
mod documents;
mod facets;
mod finder;
mod forms;
mod generation;
mod gram;
mod grams;
mod history;
mod indexer;
mod parser;
mod path_kind;
mod pattern;
mod plan;
mod preview;
mod query;
mod rank;
mod results;
mod scope;
mod sealed;
mod searcher;
mod sensitive;
mod show;
mod traits;
mod trigram;
mod verify;
mod weave;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use roaring::{MultiOps as _, RoaringBitmap};

pub use finder::{Files, NamedFile, Wanted};
pub use history::{
    ChangeHit, ChangedLine, CommitHit, CommitId, HistoryBuilt, HistoryIndex, HistoryProgress, HistoryResults, HistorySource, HistoryWriter,
};
pub use indexer::{Built, Corpus, CorpusError, Decoded, IndexWriter, Progress};
pub use path_kind::{PathKind, is_build_script};
pub use preview::{Change, Directory, Extent, Foreseen, Preview, VersionFigures};
pub use query::{Case, Expr, PathTerm, Query, QueryError, SymbolTerm, Term, Trait, Type, Versions};
pub use results::{Budget, Count, Coverage, Facets, FileHit, LineHit, LineText, PageRequest, PathHit, Results, Span, VersionName};
use scope::{ProductScope, Scope, VersionScope};
pub use sealed::{Indexes, Sealed};
pub use searcher::Searcher;
pub use sensitive::Sensitive;
pub use traits::Traits;

use contents::{Contents, GRAMS, Home};
use documents::{Documents, HeldBy, IndexedVersion};
use forms::Forms;
use grams::GramIndex;

/// The id of a blob: SHA-1 of its object, as git keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 20]);

impl BlobId {
    #[must_use]
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Takes 40 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// In lower-case hexadecimal.
impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// A version as it is indexed: its name and the commit that it stood for then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionKey {
    pub name: String,
    pub commit: String,
}

/// What goes wrong with an index. A query never fails for what it asks; see [`QueryError`] for what cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("there is no index here yet; build it")]
    Missing,
    #[error("the index is damaged: {what}; rebuild it")]
    Damaged { what: String },
    #[error("the index is in format {found}, and this program reads format {known}; rebuild it")]
    Format { found: u64, known: u32 },
    #[error("another process is building this index")]
    Busy,
    #[error("the work was cancelled")]
    Cancelled,
    #[error("{doing} failed: {source}")]
    Io {
        doing: &'static str,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("writing the grams of the index failed: {0}")]
    Grams(String),
    #[error("the source could not be read: {0}")]
    Corpus(#[source] CorpusError),
    #[error("the index holds as many documents as it can")]
    Full,
}

impl SearchError {
    /// Whether building the index anew, from nothing, is the remedy.
    #[must_use]
    pub fn wants_rebuild(&self) -> bool {
        matches!(self, Self::Missing | Self::Damaged { .. } | Self::Format { .. })
    }

    fn damaged(what: &str) -> Self {
        Self::Damaged { what: what.to_owned() }
    }

    fn grams(error: &tantivy::TantivyError) -> Self {
        Self::Grams(error.to_string())
    }

    fn io(doing: &'static str, source: &io::Error) -> Self {
        // What an index needs and does not find has been lost.
        if source.kind() == io::ErrorKind::NotFound || source.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Damaged { what: format!("{doing} failed: {source}") };
        }
        Self::Io { doing, source: Arc::new(io::Error::new(source.kind(), source.to_string())) }
    }
}

/// One generation of a product's index, open for searching. It stays readable after a newer one has taken its place.
pub struct ProductIndex {
    home: Home,
    generation: u64,
    documents: Documents,
    versions: Vec<IndexedVersion>,
    by_name: HashMap<String, usize>,
    /// Documents that some version holds.
    living: RoaringBitmap,
    held: OnceLock<HeldBy>,
    /// Lines of each document, when they are first asked for.
    lines: OnceLock<Vec<u32>>,
    contents: Contents,
    grams: GramIndex,
}

/// Names no path: what is printed ends up in logs.
impl fmt::Debug for ProductIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProductIndex(generation {}, {} documents)", self.generation, self.documents.len())
    }
}

impl ProductIndex {
    /// Opens the generation that is current in the index at `directory`.
    ///
    /// # Errors
    /// When there is none, or it cannot be used: [`SearchError::wants_rebuild`] tells.
    pub fn open(directory: &Path) -> Result<Self, SearchError> {
        let home = Home::new(directory);
        let mut generation = home.current()?.ok_or(SearchError::Missing)?;
        loop {
            match Self::open_generation(&home, generation) {
                // It may have been replaced and removed in between.
                Err(e) => match home.current()? {
                    Some(newer) if newer != generation => generation = newer,
                    _ => return Err(e),
                },
                index => return index,
            }
        }
    }

    fn open_generation(home: &Home, generation: u64) -> Result<Self, SearchError> {
        let directory = home.generation(generation);
        let tables = contents::read_tables(&directory)?;
        Ok(Self {
            home: home.clone(),
            generation,
            grams: GramIndex::open(&directory.join(GRAMS), tables.documents.blocks().len())?,
            documents: tables.documents,
            by_name: tables.versions.iter().enumerate().map(|(place, version)| (version.key.name.clone(), place)).collect(),
            living: tables.versions.iter().map(|version| &version.documents).union(),
            versions: tables.versions,
            held: OnceLock::new(),
            lines: OnceLock::new(),
            contents: tables.contents,
        })
    }

    /// What a version holds, if it is indexed with this commit.
    fn version(&self, name: &str, commit: &str) -> Option<&RoaringBitmap> {
        let version = self.by_name.get(name).and_then(|&place| self.versions.get(place));
        version.filter(|version| version.key.commit == commit).map(|version| &version.documents)
    }

    /// The places of the versions that hold a document.
    fn held_by(&self, document: u32) -> &[u32] {
        self.held.get_or_init(|| HeldBy::new(&self.versions, self.documents.len())).of(document)
    }

    /// The text of a document: nothing when it has none.
    fn text(&self, number: u32) -> Result<Cow<'_, [u8]>, SearchError> {
        let Some(document) = self.documents.get(number) else { return Ok(Cow::Borrowed(&[])) };
        if document.body.is_some_and(|body| body.is_woven()) {
            return Forms::of(self, number)?.text(number).map(Cow::Owned);
        }
        self.contents.own(document).map(Cow::Borrowed)
    }

    /// The same, and surely what was written.
    fn intact_text(&self, number: u32) -> Result<Cow<'_, [u8]>, SearchError> {
        match self.documents.get(number).and_then(|document| document.body) {
            Some(body) if body.is_woven() => Forms::of(self, number)?.check(self)?,
            Some(_) => self.documents.blocks().check(number, &self.text(number)?)?,
            None => {}
        }
        self.text(number)
    }

    /// Rises with every generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The versions that it holds, each with the number of files in it.
    pub fn versions(&self) -> impl Iterator<Item = (&VersionKey, u64)> {
        self.versions.iter().map(|version| (&version.key, version.documents.len()))
    }

    /// Distinct (path, blob) pairs in it.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents.len()
    }
}

#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(test)]
mod tests;
