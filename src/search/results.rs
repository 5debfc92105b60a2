//! What a search answers.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{BlobId, PathKind};
use crate::catalog::RepoPath;

/// Which part of the answer is wanted. Paths are counted from 0, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    pub offset: usize,
    /// Paths; 1,000 at most.
    pub limit: usize,
    /// Lines shown of one file; 10,000 at most.
    pub lines_per_file: usize,
    /// Lines shown before and after each; 20 at most.
    pub context: usize,
    /// Files shown of one path, which differ in their bytes; 1,000 at most.
    pub states_per_path: usize,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { offset: 0, limit: 30, lines_per_file: 20, context: 0, states_per_path: 20 }
    }
}

/// What a query may cost. When it is spent, what was found so far is the answer, and says that it is not complete.
#[derive(Clone, Debug)]
pub struct Budget {
    pub deadline: Option<Instant>,
    /// Bytes looked through once the page is full, unless everything is to be counted.
    pub bytes: u64,
    /// Set when nobody waits for the answer any more.
    pub cancel: Arc<AtomicBool>,
}

impl Budget {
    #[must_use]
    pub fn unlimited() -> Self {
        Self { deadline: None, bytes: u64::MAX, cancel: Arc::default() }
    }

    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether to give up at once.
    pub(super) fn is_over(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.is_late()
    }
}

/// An answer. Everything in it is counted within the scope, and of the versions asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Results {
    /// Lines that a match of a term touches, in all files that match.
    pub total_lines: u64,
    /// Files that match: the same path with other bytes is another file.
    pub total_files: u64,
    /// Paths that match.
    pub total_paths: u64,
    /// False: the totals are lower bounds.
    pub complete: bool,
    /// Distinct files that the answer takes account of, of those in `scope_files`.
    pub searched_files: u64,
    pub scope_files: u64,
    /// Files in the scope that have no text, and are searched by the texts found in them.
    pub binary_files: u64,
    /// Files in the scope that could not be read when they were indexed.
    pub unread_files: u64,
    /// What was asked for of each product, in the order of the scope.
    pub coverage: Vec<Coverage>,
    /// Versions asked for that the index does not hold as they are now.
    pub not_indexed: Vec<VersionName>,
    pub facets: Facets,
    /// By product as in the scope; then the likeliest to be looked for first.
    pub hits: Vec<PathHit>,
    /// The offset of the next page.
    pub next: Option<usize>,
    /// More is being looked for: another part of the answer follows, whose totals take the place of these.
    pub more_to_come: bool,
}

/// What was searched of a product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    pub product: String,
    /// Newest first.
    pub versions: Vec<String>,
    /// Distinct files in these versions, within the scope.
    pub files: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionName {
    pub product: String,
    pub version: String,
}

/// How the files that match are spread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// Most first.
    pub languages: Vec<Count>,
    /// Directories, each ending with a slash, one level below what all files that match have in common; most first.
    pub directories: Vec<Count>,
    /// Newest first.
    pub versions: Vec<Count>,
    pub kinds: Vec<(PathKind, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Where it tells apart.
    pub product: Option<String>,
    pub value: String,
    pub files: u64,
}

/// A path that matches, in all the versions searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathHit {
    pub product: String,
    pub path: RepoPath,
    pub language: Option<String>,
    pub binary: bool,
    pub kind: PathKind,
    /// Runs of neighbouring versions, of those searched, in which it matches; newest first.
    pub spans: Vec<Span>,
    /// The version in which a match first appeared; none when the oldest version searched has one already.
    pub introduced: Option<String>,
    /// The first version without a match, where the newest version searched has none.
    pub gone: Option<String>,
    /// Lines that match in all its files.
    pub total_lines: u64,
    /// The same path with different bytes, newest first.
    pub states: Vec<FileHit>,
    /// Files of this path that match and are not among `states`.
    pub more_states: usize,
}

/// A run of neighbouring versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub newest: String,
    pub oldest: String,
    pub versions: usize,
}

/// A file that matches: the same path with the same bytes, in all the versions named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHit {
    pub product: String,
    /// Newest first.
    pub versions: Vec<String>,
    pub path: RepoPath,
    pub blob: BlobId,
    pub language: Option<String>,
    pub binary: bool,
    pub kind: PathKind,
    /// Lines in this file that a match touches; `lines` are the first of them.
    pub total_lines: u64,
    pub lines: Vec<LineHit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineHit {
    /// From 1; of a binary the number of the text in it.
    pub number: u64,
    /// It was found in the file's own bytes, not in the text that they were decoded to.
    pub raw: bool,
    /// Runs of neighbouring versions in which this path has this very line among those that match, wherever it stands in the
    /// file; empty when one version was searched.
    pub spans: Arc<[Span]>,
    /// One for all files that have it.
    pub shown: Arc<LineText>,
}

/// What is shown of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineText {
    /// Without its end. A long line is cut to the part around its first match.
    pub text: String,
    /// What matches, in bytes of `text`: first, and behind the last. In order, not overlapping.
    pub ranges: Vec<(usize, usize)>,
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// Bytes of the line that are not shown, before and behind `text`.
    pub cut_front: usize,
    pub cut_back: usize,
}

impl Deref for LineHit {
    type Target = LineText;

    fn deref(&self) -> &LineText {
        &self.shown
    }
}
