//! What differs between two versions of a product, within what may be read of each.
//!
//! A file that may be read in one of them only is added or removed, and so is one whose other name lies outside: the scope is applied before
//! anything is compared, counted or called renamed. Nothing that is kept between requests depends on a permit: trees and files are kept by
//! their ids, and a comparison by all that it was made of, so whoever may read the same is answered from it and nobody else is.
//!
//! What was found is shut away until the entries that name it are durable: [`Summary::open`] and [`Difference::open`] take the proof.

mod changes;
mod file;
mod lines;
mod renames;
mod summary;
mod texts;
mod words;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use lru::LruCache;
use sha2::{Digest, Sha256};

pub use changes::Side;
pub use file::{Asked, Difference, MOST_ROWS, Part, SealedDifference, What};
pub use lines::{Hunk, Row};
pub use renames::Looked;
pub use summary::{Directory, Look, Only, Order, PAGE, Purpose, SealedSummary, Selection, Summary, Totals};

use super::raw::{Handle, Repositories};
use super::text::{Content, Text};
use super::tree::{EntryKind, ObjectId};
use super::{SourceError, commit};
use crate::access::{Pair, Resource};
use crate::audit::{Draft, Kind, Recordable, Shown};
use crate::catalog::{Place, RepoPath, path_text};
use changes::{Change, Trees};
use renames::{Bag, Rename};

/// Bytes of a file whose lines are counted.
pub const LARGEST_COUNTED: u64 = 8 << 20;
/// Comparisons that are kept, and the files in them, about 250 bytes each.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).expect("it is not zero");
const KEPT_FILES: usize = 300_000;
/// Threads that read for one comparison.
const READERS: usize = 4;
/// Bytes of places that one entry names, at most; more go into further entries of the same group.
const ENTRY_ROOM: usize = 40_000;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Added,
    Removed,
    /// Its bytes, its mode or its kind.
    Changed,
    /// It had another path, and perhaps changed, too.
    Renamed,
}

impl Fate {
    pub const ALL: [Self; 4] = [Self::Added, Self::Removed, Self::Changed, Self::Renamed];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Renamed => "renamed",
        }
    }
}

/// How much of a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Lines {
        added: u32,
        removed: u32,
    },
    /// It is no text, before or afterwards.
    Binary,
    /// Larger than [`LARGEST_COUNTED`].
    Large,
}

impl Count {
    /// Lines added and removed, where there are lines.
    fn lines(self) -> Option<u64> {
        match self {
            Self::Lines { added, removed } => Some(u64::from(added) + u64::from(removed)),
            Self::Binary | Self::Large => None,
        }
    }
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Where it stands now, or where it stood when it was removed.
    pub path: RepoPath,
    /// Where it stood before, when that was elsewhere.
    pub before: Option<RepoPath>,
    pub old: Option<Side>,
    pub new: Option<Side>,
    /// How much of it is the same, per cent, when it was renamed.
    pub likeness: u8,
}

impl Changed {
    #[must_use]
    pub fn fate(&self) -> Fate {
        match (&self.before, self.old, self.new) {
            (Some(_), ..) => Fate::Renamed,
            (None, None, _) => Fate::Added,
            (None, _, None) => Fate::Removed,
            _ => Fate::Changed,
        }
    }

    /// Only its mode changed, or nothing at all.
    #[must_use]
    pub fn same_bytes(&self) -> bool {
        matches!((self.old, self.new), (Some(old), Some(new)) if (old.kind, old.id) == (new.kind, new.id))
    }
}

/// What differs between two versions as far as somebody may read them, in the order of paths.
struct Comparison {
    files: Vec<Changed>,
    counts: Vec<OnceLock<Count>>,
    looked: Looked,
}

/// Comparisons, by the product and the digest of all that was compared.
type Kept = LruCache<(String, [u8; 32]), Arc<Comparison>>;

/// Compares, and keeps what depends on nobody's rights.
pub(super) struct Comparisons {
    repositories: Arc<Repositories>,
    trees: Trees,
    kept: Mutex<Kept>,
    shelf: texts::Shelf,
}

impl Comparisons {
    pub(super) fn new(repositories: Arc<Repositories>) -> Self {
        Self { repositories, trees: Trees::new(), kept: Mutex::new(LruCache::new(KEPT)), shelf: texts::Shelf::new() }
    }

    fn compare(&self, pair: &Pair) -> Result<Arc<Comparison>, SourceError> {
        let (from, to) = (pair.from.resource().place(), pair.to.resource().place());
        if from.product != to.product {
            return Err(SourceError::Unreadable("versions of two products are not compared".to_owned()));
        }
        let handle = self.repositories.handle(&to.product)?;
        let roots = [handle.links(commit(from)?)?.tree, handle.links(commit(to)?)?.tree];
        let changes = self.trees.changes(&handle, pair, roots)?;
        drop(handle);
        let key = (to.product.clone(), digest(&changes));
        if let Some(known) = self.kept().get(&key) {
            return Ok(Arc::clone(known));
        }
        let comparison = Arc::new(self.resolve(&to.product, &changes)?);
        let mut kept = self.kept();
        kept.put(key, Arc::clone(&comparison));
        while kept.len() > 1 && kept.iter().map(|(_, one)| one.files.len()).sum::<usize>() > KEPT_FILES {
            kept.pop_lru();
        }
        Ok(comparison)
    }

    /// Finds what was renamed.
    fn resolve(&self, product: &str, changes: &[Change]) -> Result<Comparison, SourceError> {
        let mut renames = renames::exact(changes);
        let (bags, looked) = self.bags(product, changes, &renames)?;
        renames.extend(renames::similar(changes, &renames, &bags));
        let moved: HashMap<usize, Rename> = renames.iter().map(|one| (one.new, *one)).collect();
        let gone: std::collections::HashSet<usize> = renames.iter().map(|one| one.old).collect();
        let mut files = Vec::new();
        for (at, change) in changes.iter().enumerate().filter(|(at, _)| !gone.contains(at)) {
            let before = moved.get(&at).and_then(|one| Some((changes.get(one.old)?, one.likeness)));
            files.push(Changed {
                path: change.path.clone(),
                before: before.map(|(old, _)| old.path.clone()),
                old: before.map_or(change.old, |(old, _)| old.old),
                new: change.new,
                likeness: before.map_or(0, |(_, likeness)| likeness),
            });
        }
        let counts = files.iter().map(|_| OnceLock::new()).collect();
        Ok(Comparison { files, counts, looked })
    }

    /// The lines of files that may be one under two names.
    fn bags(&self, product: &str, changes: &[Change], known: &[Rename]) -> Result<(HashMap<usize, Bag>, Looked), SourceError> {
        let taken: std::collections::HashSet<usize> = known.iter().flat_map(|one| [one.old, one.new]).collect();
        let file = |side: Option<Side>| side.filter(|side| side.kind == EntryKind::Blob);
        let of = |added: bool| {
            changes.iter().enumerate().filter(move |(_, change)| if added { change.old.is_none() } else { change.new.is_none() })
        };
        let alone = |added: bool| -> Vec<(usize, ObjectId)> {
            let sides = of(added).filter_map(|(at, change)| Some((at, file(if added { change.new } else { change.old })?.id)));
            sides.filter(|(at, _)| !taken.contains(at)).collect()
        };
        let (removed, added) = (alone(false), alone(true));
        if removed.is_empty() || added.is_empty() {
            return Ok((HashMap::new(), Looked::Everywhere));
        }
        if removed.len() + added.len() > renames::MOST_FILES {
            return Ok((HashMap::new(), Looked::SameBytesOnly));
        }
        let all: Vec<(usize, ObjectId)> = removed.into_iter().chain(added).collect();
        let bags = Mutex::new(HashMap::new());
        let bytes = AtomicUsize::new(0);
        self.each(product, all.len(), &|handle, place| {
            let Some((at, id)) = all.get(place) else { return Ok(false) };
            let Some(data) = handle.read_within(*id, renames::LARGEST_FILE)? else { return Ok(true) };
            let read = bytes.fetch_add(data.len(), Ordering::Relaxed) + data.len();
            if !data.is_empty() {
                let bag = Bag::of(&data);
                bags.lock().unwrap_or_else(PoisonError::into_inner).insert(*at, bag);
            }
            Ok(read <= renames::MOST_BYTES)
        })?;
        if bytes.into_inner() > renames::MOST_BYTES {
            return Ok((HashMap::new(), Looked::SameBytesOnly));
        }
        Ok((bags.into_inner().unwrap_or_else(PoisonError::into_inner), Looked::Everywhere))
    }

    /// Counts the lines of these files, as far as it comes until then; what was counted stays counted.
    fn count(&self, product: &str, comparison: &Comparison, wanted: &[usize], until: Instant) -> Result<(), SourceError> {
        let left: Vec<usize> =
            wanted.iter().copied().filter(|at| comparison.counts.get(*at).is_some_and(|one| one.get().is_none())).collect();
        if left.is_empty() {
            return Ok(());
        }
        self.each(product, left.len(), &|handle, place| {
            let Some(at) = left.get(place) else { return Ok(false) };
            if let Some((file, count)) = comparison.files.get(*at).zip(comparison.counts.get(*at)) {
                let found = counted(handle, file)?;
                count.get_or_init(|| found);
            }
            Ok(Instant::now() < until)
        })
    }

    /// Does `work` for each number below `many`, several at a time, until it says to stop.
    fn each(
        &self,
        product: &str,
        many: usize,
        work: &(dyn Fn(&Handle, usize) -> Result<bool, SourceError> + Sync),
    ) -> Result<(), SourceError> {
        let next = AtomicUsize::new(0);
        let run = || -> Result<(), SourceError> {
            let handle = self.repositories.handle(product)?;
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= many || !work(&handle, place)? {
                    next.fetch_max(many, Ordering::Relaxed);
                    return Ok(());
                }
            }
        };
        let readers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(READERS).min(many.div_ceil(8));
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..readers).map(|_| scope.spawn(run)).collect();
            let mut result = run();
            for other in others {
                let theirs = other.join().unwrap_or_else(|_| Err(SourceError::Unreadable("comparing failed".to_owned())));
                result = result.and(theirs);
            }
            result
        })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of everything that is compared.
fn digest(changes: &[Change]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for change in changes {
        hash.update((change.path.bytes().len() as u64).to_le_bytes());
        hash.update(change.path.bytes());
        for side in [change.old, change.new] {
            match side {
                Some(side) => {
                    hash.update(side.mode());
                    hash.update(side.id.bytes());
                }
                None => hash.update([0]),
            }
        }
    }
    hash.finalize().into()
}

fn counted(handle: &Handle, file: &Changed) -> Result<Count, SourceError> {
    if file.same_bytes() {
        // Whether it is text takes a look all the same: who asks for binary files asks for this one, too.
        return Ok(match file.new.map(|side| content(handle, side)).transpose()? {
            Some(Some(Content::Text(_))) | None => Count::Lines { added: 0, removed: 0 },
            Some(Some(_)) => Count::Binary,
            Some(None) => Count::Large,
        });
    }
    let mut texts = Vec::new();
    for side in [file.old, file.new] {
        match side.map(|side| content(handle, side)).transpose()? {
            None => texts.push(Text::from(String::new())),
            Some(Some(Content::Text(text))) => texts.push(text),
            Some(Some(_)) => return Ok(Count::Binary),
            Some(None) => return Ok(Count::Large),
        }
    }
    Ok(match texts.as_slice() {
        [old, new] if file.old.is_none() => Count::Lines { added: lines_of(new), removed: lines_of(old) },
        [old, new] if file.new.is_none() => Count::Lines { added: lines_of(new), removed: lines_of(old) },
        [old, new] => {
            let (added, removed) = lines::count(old, new);
            Count::Lines { added, removed }
        }
        _ => Count::Binary,
    })
}

fn lines_of(text: &Text) -> u32 {
    u32::try_from(text.line_count()).unwrap_or(u32::MAX)
}

/// What stands there; none when it is too large. A submodule is told by its commit, as git tells it.
fn content(handle: &Handle, side: Side) -> Result<Option<Content>, SourceError> {
    if side.kind == EntryKind::Submodule {
        return Ok(Some(Content::Text(Text::from(format!("Subproject commit {}\n", side.id)))));
    }
    Ok(handle.read_within(side.id, LARGEST_COUNTED)?.map(|bytes| lines::decode(&bytes)))
}

/// An entry that two versions were compared at a path of theirs.
fn draft(pair: &Pair, path: &RepoPath) -> Draft {
    let (from, to) = (pair.from.resource().place(), pair.to.resource().place());
    let mut draft = pair.to.drafts().pop().unwrap_or_else(|| Draft::new(Kind::DiffViewed, crate::audit::Outcome::Permitted));
    let theirs = pair.from.drafts().pop().and_then(|draft| draft.basis);
    draft.kind = Kind::DiffViewed;
    draft.place = Some(to.with_path(path.clone()).entry());
    draft = draft.fact("from", from.version.as_str()).fact("from_commit", from.commit.as_str());
    match theirs.filter(|basis| draft.basis.as_ref() != Some(basis)) {
        Some(basis) => draft.fact("from_entitlement", basis.entitlement.as_str()),
        None => draft,
    }
}

/// As many entries as the places take; the facts stand in the first.
fn drafts(pair: &Pair, path: &RepoPath, facts: Vec<(&str, serde_json::Value)>, places: Vec<Shown>) -> Vec<Draft> {
    let mut all: Vec<Vec<Shown>> = vec![Vec::new()];
    let mut room = ENTRY_ROOM;
    for place in places {
        let names = serde_json::to_string(&place.path).map_or(ENTRY_ROOM, |text| text.len());
        let size = names + place.lines.len() * 8 + place.versions.iter().map(|v| v.len() + 3).sum::<usize>() + 200;
        if size > room {
            all.push(Vec::new());
            room = ENTRY_ROOM;
        }
        room = room.saturating_sub(size);
        if let Some(last) = all.last_mut() {
            last.push(place);
        }
    }
    let mut drafts: Vec<Draft> =
        all.into_iter().filter(|places| !places.is_empty()).map(|places| draft(pair, path).showing(places)).collect();
    if drafts.is_empty() {
        drafts.push(draft(pair, path));
    }
    if let Some(first) = drafts.first_mut() {
        first.facts.extend(facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    drafts
}

/// The names of a file in the versions that it stands in.
fn names_of(from: &Place, to: &Place, file: &Changed) -> Vec<Shown> {
    let shown =
        |path: &RepoPath, versions: Vec<String>| Shown { product: to.product.clone(), versions, path: path_text(path), ..Shown::default() };
    if let Some(before) = &file.before {
        return vec![shown(before, vec![from.version.clone()]), shown(&file.path, vec![to.version.clone()])];
    }
    let sides = [(file.old, from), (file.new, to)];
    vec![shown(&file.path, sides.iter().filter(|(side, _)| side.is_some()).map(|(_, place)| place.version.clone()).collect())]
}
