//! The guarded source: trees and files of the mirrored repositories.
//!
//! The vault gives away nothing that was derived from source unless it is handed a [`Cleared`] resource: somebody was
//! entitled to it and the entry that says so is durable. What it does before that, finding out which object stands at a
//! place, stays inside the proof. Machines (indexer, symbols) read through a [`MachineReader`], of which there is one.

pub mod compare;
pub mod history;
pub mod past;
mod raw;
pub mod text;
pub mod tree;
pub mod varint;
mod walk;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lru::LruCache;

pub(crate) use raw::read_shallow;
pub use tree::{Entry, EntryKind, ObjectId};

use crate::access::{Cleared, Entitled, Pair, Resource, Sought};
use crate::audit::{Draft, Kind, Receipt};
use crate::catalog::{Place, RepoPath};

/// Bytes of a file that are read at most to be shown as text; more is shown in pieces as bytes.
pub const LARGEST_TEXT: u64 = 128 << 20;
/// Blobs kept in memory, the bytes up to which one is, and those of all together. What is larger than a page is read part by part.
const KEPT: usize = 64;
const LARGEST_KEPT: usize = 16 << 20;
const KEPT_BYTES: usize = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the source could not be read: {0}")]
    Unreadable(String),
    #[error("a recorded version names a commit that is no object id")]
    BadCommit,
    #[error("it took longer than an answer may")]
    OutOfTime,
}

impl From<raw::RawError> for SourceError {
    fn from(cause: raw::RawError) -> Self {
        Self::Unreadable(cause.to_string())
    }
}

impl From<walk::WalkError> for SourceError {
    fn from(cause: walk::WalkError) -> Self {
        Self::Unreadable(cause.to_string())
    }
}

/// A directory that is there.
#[derive(Clone, Debug)]
pub struct Listing {
    place: Place,
    tree: ObjectId,
}

/// A file that is there, and which part of it is shown.
#[derive(Clone, Debug)]
pub struct Opening {
    place: Place,
    blob: ObjectId,
    kind: EntryKind,
    size: u64,
    lines: Option<(u64, u64)>,
    bytes: Option<(u64, u64)>,
    outline: bool,
    links: bool,
}

/// A submodule: a commit of another repository, which is not mirrored.
#[derive(Clone, Debug)]
pub struct Gitlink {
    place: Place,
    commit: ObjectId,
}

impl Resource for Listing {
    fn place(&self) -> &Place {
        &self.place
    }

    fn kind(&self) -> Kind {
        Kind::TreeListed
    }

    fn describe(&self, draft: Draft) -> Draft {
        with_object(draft, self.tree)
    }
}

impl Resource for Opening {
    fn place(&self) -> &Place {
        &self.place
    }

    fn kind(&self) -> Kind {
        Kind::FileOpened
    }

    fn describe(&self, draft: Draft) -> Draft {
        let mut draft = with_object(draft, self.blob).fact("size", self.size);
        if let Some(place) = &mut draft.place {
            place.lines = self.lines;
        }
        if self.outline {
            draft = draft.fact("outline", true);
        }
        if let Some((from, to)) = self.bytes {
            draft = draft.fact("bytes", vec![from, to]);
        }
        if self.links { draft.fact("links", true) } else { draft }
    }
}

impl Resource for Gitlink {
    fn place(&self) -> &Place {
        &self.place
    }

    fn kind(&self) -> Kind {
        Kind::FileOpened
    }

    fn describe(&self, draft: Draft) -> Draft {
        with_object(draft, self.commit)
    }
}

pub(in crate::source) fn with_object(mut draft: Draft, id: ObjectId) -> Draft {
    if let Some(place) = &mut draft.place {
        place.blob = Some(id.to_string());
    }
    draft
}

impl Opening {
    fn of(place: Place, found: tree::Found) -> Self {
        Self {
            place,
            blob: found.id,
            kind: found.kind,
            size: found.size.unwrap_or(0),
            lines: None,
            bytes: None,
            outline: false,
            links: false,
        }
    }

    #[must_use]
    pub fn blob(&self) -> ObjectId {
        self.blob
    }

    /// In bytes, of the whole file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.kind == EntryKind::Symlink
    }

    /// Says which lines will be shown, first and last, counted from 1.
    #[must_use]
    pub fn with_lines(self, lines: (u64, u64)) -> Self {
        Self { lines: Some(lines), ..self }
    }

    /// Says that besides these lines the outline of the whole file will be shown: what is defined in it, and where.
    #[must_use]
    pub fn with_outline(self) -> Self {
        Self { outline: true, ..self }
    }

    /// Says which bytes will be shown: the first, and the one behind the last.
    #[must_use]
    pub fn with_bytes(self, bytes: (u64, u64)) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// Says that the places it leads to will be looked up, and those that may be read told of.
    #[must_use]
    pub fn with_links(self) -> Self {
        Self { links: true, ..self }
    }
}

/// What a file is, as far as its record needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Text { lines: u64 },
    Image(text::ImageKind),
    Binary,
}

/// What stands at a place that somebody may see.
pub enum Resolved {
    Directory(Entitled<Listing>),
    File(Entitled<Opening>),
    Submodule(Entitled<Gitlink>),
    /// Nothing, or a directory where a file was asked for, or the other way round; the permit comes back to be turned into a refusal.
    Nothing(Entitled<Sought>),
}

/// A directory's entries that its reader may know of, directories first.
pub struct Listed {
    pub place: Place,
    pub tree: ObjectId,
    pub entries: Vec<ListedEntry>,
    pub receipt: Receipt,
}

/// An entry of a directory. Where a symbolic link points is what its file holds: opening it says so.
#[derive(Clone, Debug)]
pub struct ListedEntry {
    pub path: RepoPath,
    pub entry: Entry,
}

/// A file's bytes, or those that were asked for.
pub struct Opened {
    pub place: Place,
    pub blob: ObjectId,
    /// In bytes, of the whole file.
    pub size: u64,
    pub data: Arc<Vec<u8>>,
    pub receipt: Receipt,
}

/// The repositories, behind proofs. Its methods block: call them off the async threads.
pub struct Vault {
    repositories: Arc<raw::Repositories>,
    tables: Arc<past::Tables>,
    kept: Mutex<LruCache<ObjectId, Arc<Vec<u8>>>>,
    comparisons: compare::Comparisons,
}

/// Reads source for machines that show it to nobody. Made once, by [`Vault::open`]; never handed to `web`.
#[derive(Clone)]
pub struct MachineReader {
    repositories: Arc<raw::Repositories>,
    tables: Arc<past::Tables>,
}

impl Vault {
    /// Mirrors are the directories `<product>.git` in `mirrors`; the table of a product's past is the file `<product>` in `pasts`.
    #[must_use]
    pub fn open(mirrors: PathBuf, pasts: PathBuf) -> (Self, MachineReader) {
        let repositories = Arc::new(raw::Repositories::at(mirrors));
        let tables = Arc::new(past::Tables::at(pasts));
        let kept = Mutex::new(LruCache::new(NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN)));
        let comparisons = compare::Comparisons::new(Arc::clone(&repositories));
        let reader = MachineReader { repositories: Arc::clone(&repositories), tables: Arc::clone(&tables) };
        (Self { repositories, tables, kept, comparisons }, reader)
    }

    /// Finds out what stands at the place, inside the permit.
    pub fn resolve(&self, sought: Entitled<Sought>) -> Result<Resolved, SourceError> {
        let place = sought.resource().place().clone();
        let wants_tree = sought.resource().kind() == Kind::TreeListed;
        let found = self.repositories.resolve(&place.product, commit(&place)?, &place.path)?;
        let Some(found) = found else { return Ok(Resolved::Nothing(sought)) };
        Ok(match (found.kind, wants_tree) {
            (EntryKind::Tree, true) => narrow(sought, Listing { place, tree: found.id }, Resolved::Directory),
            (EntryKind::Blob | EntryKind::Symlink, false) => narrow(sought, Opening::of(place, found), Resolved::File),
            (EntryKind::Submodule, false) => narrow(sought, Gitlink { place, commit: found.id }, Resolved::Submodule),
            _ => Resolved::Nothing(sought),
        })
    }

    /// A permit of its own for a file directly in a directory that may be listed; none when there is none or it may not be read.
    pub fn file_in(&self, listing: &Entitled<Listing>, name: &[u8]) -> Result<Option<Entitled<Opening>>, SourceError> {
        let directory = &listing.resource().place;
        let Ok(path) = directory.path.join(name) else { return Ok(None) };
        if !listing.shows(&path, false) {
            return Ok(None);
        }
        let found = self.repositories.resolve(&directory.product, commit(directory)?, &path)?;
        let Some(found) = found.filter(|found| found.kind == EntryKind::Blob) else { return Ok(None) };
        Ok(listing.fork(Opening::of(directory.with_path(path), found)).ok())
    }

    /// The names a directory's README can have that stand in it and may be read, best first. They are in the listing, too.
    pub fn readme_in(&self, listing: &Entitled<Listing>) -> Result<Option<Entitled<Opening>>, SourceError> {
        let directory = &listing.resource().place;
        let entries = self.repositories.list(&directory.product, listing.resource().tree)?;
        let best = entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Blob)
            .filter_map(|entry| Some((readme_rank(&entry.name)?, &entry.name)))
            .min();
        best.map_or(Ok(None), |(_, name)| self.file_in(listing, name))
    }

    /// What kind of file it is, for the entry that will say which part is shown. It is told to nobody before the record.
    pub fn examine(&self, opening: &Entitled<Opening>) -> Result<Shape, SourceError> {
        let file = opening.resource();
        if file.size > LARGEST_TEXT {
            return Ok(Shape::Binary);
        }
        let data = self.bytes(&file.place.product, file.blob)?;
        Ok(match text::decode(&data) {
            text::Content::Text(text) => Shape::Text { lines: text.line_count() as u64 },
            text::Content::Image(kind) => Shape::Image(kind),
            text::Content::Binary => Shape::Binary,
        })
    }

    /// The entries of a directory that its reader may know of.
    pub fn list(&self, cleared: &Cleared<Listing>) -> Result<Listed, SourceError> {
        let entitled = cleared.get();
        let listing = entitled.resource();
        let product = &listing.place.product;
        let mut entries = Vec::new();
        for entry in self.repositories.list(product, listing.tree)? {
            let Ok(path) = listing.place.path.join(&entry.name) else { continue };
            if !entitled.shows(&path, entry.kind == EntryKind::Tree) {
                continue;
            }
            entries.push(ListedEntry { path, entry });
        }
        Ok(Listed { place: listing.place.clone(), tree: listing.tree, entries, receipt: cleared.receipt() })
    }

    /// A whole file up to [`LARGEST_TEXT`], or the bytes that its record names.
    pub fn read(&self, cleared: &Cleared<Opening>) -> Result<Opened, SourceError> {
        let file = cleared.get().resource();
        let product = &file.place.product;
        let data = match file.bytes {
            Some((from, to)) => Arc::new(self.repositories.read_range(product, file.blob, from, to.saturating_sub(from))?.data),
            None => self.bytes(product, file.blob)?,
        };
        Ok(Opened { place: file.place.clone(), blob: file.blob, size: file.size, data, receipt: cleared.receipt() })
    }

    /// What stands at a path that a file leads to, if its reader may know of it and the file's record says that this is told.
    pub fn leads_to(&self, cleared: &Cleared<Opening>, path: &RepoPath) -> Result<Option<EntryKind>, SourceError> {
        let (permit, file) = (cleared.get(), cleared.get().resource());
        if !file.links || !(permit.shows(path, true) || permit.shows(path, false)) {
            return Ok(None);
        }
        let found = self.repositories.resolve(&file.place.product, commit(&file.place)?, path)?;
        Ok(found.map(|found| found.kind).filter(|kind| permit.shows(path, *kind == EntryKind::Tree)))
    }

    /// The commit a submodule pins.
    #[must_use]
    pub fn submodule(&self, cleared: &Cleared<Gitlink>) -> ObjectId {
        cleared.get().resource().commit
    }

    /// What differs between two versions, within what may be read of each. Lines are counted until then at the latest.
    pub fn summary(&self, pair: Pair, chosen: &compare::Selection, until: Instant) -> Result<compare::SealedSummary, SourceError> {
        self.comparisons.summary(pair, chosen, until)
    }

    /// What differs in one file; none when neither version has one there that may be read.
    pub fn difference(
        &self,
        pair: Pair,
        path: &RepoPath,
        chosen: &compare::Selection,
        asked: &compare::Asked,
    ) -> Result<Option<compare::SealedDifference>, SourceError> {
        self.comparisons.difference(pair, path, chosen, asked)
    }

    fn bytes(&self, product: &str, blob: ObjectId) -> Result<Arc<Vec<u8>>, SourceError> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(data) = kept().get(&blob) {
            return Ok(Arc::clone(data));
        }
        let data = Arc::new(self.repositories.read(product, blob, LARGEST_TEXT)?.data);
        if data.len() <= LARGEST_KEPT {
            let mut kept = kept();
            kept.put(blob, Arc::clone(&data));
            while kept.iter().map(|(_, data)| data.len()).sum::<usize>() > KEPT_BYTES {
                kept.pop_lru();
            }
        }
        Ok(data)
    }
}

impl MachineReader {
    /// Closes what is open of a product's mirror, after something was moved into it.
    pub fn forget(&self, product: &str) {
        self.repositories.forget(product);
    }

    /// All that was ever changed in a product.
    #[must_use]
    pub fn history(&self, product: &str) -> history::History {
        history::History::of(Arc::clone(&self.repositories), product)
    }

    /// Keeps what each commit that these reach did to which path, so that it need not be gathered when somebody asks. With `anew`,
    /// from nothing. `None` when `go_on` said no before it was done.
    pub fn keep_past(
        &self,
        product: &str,
        heads: &[ObjectId],
        anew: bool,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<()>, SourceError> {
        self.tables.write(&self.history(product), product, heads, anew, go_on)
    }

    /// Whether that is kept of all these commits.
    #[must_use]
    pub fn has_past(&self, product: &str, heads: &[ObjectId]) -> bool {
        self.tables.is_written(product, heads)
    }

    /// Bytes of that on disk; none when there is none.
    #[must_use]
    pub fn past_size(&self, product: &str) -> u64 {
        self.tables.size(product)
    }

    /// A walk over versions of a product.
    pub fn walker(&self, product: &str) -> Result<Walker, SourceError> {
        Ok(Walker(walk::TreeWalker::open(&self.repositories, product)?))
    }
}

/// Walks versions one after the other, reading each directory once however many versions hold it.
pub struct Walker(walk::TreeWalker);

impl Walker {
    /// Calls `visit` with every file of a version: its path, blob and size in bytes.
    pub fn walk(&mut self, commit: ObjectId, visit: &mut dyn FnMut(&RepoPath, ObjectId, u64)) -> Result<(), SourceError> {
        let mut visit = |file: walk::Visit<'_>| {
            visit(file.path, file.id, file.size);
            Ok::<(), walk::WalkError>(())
        };
        Ok(self.0.walk(commit, &mut visit)?)
    }

    /// The bytes of a file met on a walk, whole.
    pub fn read(&self, blob: ObjectId) -> Result<Vec<u8>, SourceError> {
        Ok(self.0.read(blob)?)
    }
}

fn commit(place: &Place) -> Result<ObjectId, SourceError> {
    ObjectId::parse(&place.commit).ok_or(SourceError::BadCommit)
}

/// The object stands at the very place the permit is for, so it lies within it.
fn narrow<R: Resource + Clone>(sought: Entitled<Sought>, found: R, wrap: impl FnOnce(Entitled<R>) -> Resolved) -> Resolved {
    match sought.fork(found) {
        Ok(entitled) => wrap(entitled),
        Err(_) => Resolved::Nothing(sought),
    }
}

/// Lower is better; none when it is no README.
fn readme_rank(name: &[u8]) -> Option<u8> {
    match name.to_ascii_lowercase().as_slice() {
        b"readme.md" | b"readme.markdown" => Some(0),
        b"readme" => Some(1),
        b"readme.txt" | b"readme.rst" | b"readme.adoc" | b"readme.asciidoc" => Some(2),
        _ => None,
    }
}
