//! What all that is told of the past has in common: the tables, who asks, how long it may take, and whose words may be shown.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::blame::{Kept, KeptKey};
use super::gather::gather;
use super::lines::{LinesAsked, LinesTrail};
use super::rename::Moves;
use super::trail::Trail;
use super::{NONE, NOWHERE, Past, Track};
use crate::access::{Entitled, Resource, Sought};
use crate::audit::Draft;
use crate::catalog::{Place, RepoPath, path_text};
use crate::entitlements::PathScope;
use crate::source::history::{History, Reader, Side, Words};
use crate::source::raw::Repositories;
use crate::source::tree::ObjectId;
use crate::source::{SourceError, Vault};

/// Names that a file is followed through, and the bytes that they take in an entry: it has to hold them all.
const MOST_NAMES: usize = 64;
pub(super) const MOST_BYTES_OF_NAMES: usize = 16 << 10;
/// Bytes of tables kept in memory, and the one asked for last however large it is: the others are read again.
const KEPT_TABLES: usize = 256 << 20;
/// Blames kept in memory.
const KEPT_BLAMES: NonZeroUsize = NonZeroUsize::new(64).expect("it is not zero");
/// Answers of a kind kept in memory, and the bytes up to which one is.
const KEPT_ANSWERS: NonZeroUsize = NonZeroUsize::new(64).expect("it is not zero");
const LARGEST_ANSWER: usize = 1 << 20;

/// Until when an answer is worked on.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    #[must_use]
    pub fn within(span: Duration) -> Self {
        Self(Instant::now() + span)
    }

    pub(super) fn check(self) -> Result<(), SourceError> {
        if self.is_over() { Err(SourceError::OutOfTime) } else { Ok(()) }
    }

    fn is_over(self) -> bool {
        Instant::now() >= self.0
    }
}

/// A version of which its reader may read something, for links to what stands there as it was.
#[derive(Clone, Debug)]
pub struct Edition {
    pub name: String,
    pub commit: String,
    pub scopes: Vec<PathScope>,
}

/// What a commit did to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    Added,
    Changed,
    Removed,
    /// Only its mode, or what kind of entry it is.
    Mode,
    /// A merge that took neither side's as it was.
    Merged,
}

impl Became {
    pub(super) fn of(old: Option<Side>, new: Option<Side>, merge: bool) -> Self {
        match (old, new) {
            _ if merge => Self::Merged,
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            (Some(old), Some(new)) if old.id == new.id => Self::Mode,
            _ => Self::Changed,
        }
    }

    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Mode => "mode changed",
            Self::Merged => "merged",
        }
    }
}

/// A commit that changed what is looked at, a file or some of its lines.
#[derive(Clone, Debug)]
pub struct Step {
    pub commit: ObjectId,
    /// When it was written: seconds since the epoch.
    pub at: i64,
    /// None where its words may not be shown.
    pub words: Option<Words>,
    pub became: Became,
    /// What the file was called then, and before.
    pub path: RepoPath,
    pub renamed_from: Option<RepoPath>,
}

/// The tables of all products, as far as they were asked for, and the blames that were made.
pub(in crate::source) struct Tables {
    directory: PathBuf,
    open: Mutex<LruCache<String, Arc<Past>>>,
    /// Products whose table is being gathered for somebody.
    busy: Mutex<Vec<String>>,
    freed: Condvar,
    pub(super) blames: Mutex<LruCache<KeptKey, Arc<Kept>>>,
    pub(super) trails: Answers<(Option<ObjectId>, usize), Trail>,
    pub(super) lines: Answers<LinesAsked, LinesTrail>,
}

/// What was found for a place and a scope, by what was asked of it. A version's past never changes, so neither does the answer.
pub(super) struct Answers<Q, T>(Mutex<LruCache<Question<Q>, Arc<T>>>);

/// Where, within which scope, and what.
type Question<Q> = (Place, Vec<u8>, Q);

/// An answer that may be kept.
pub(super) trait Answer: Resource + Clone {
    /// Bytes that it takes, about; none where it depends on more than its place and its scope.
    fn bytes(&self) -> Option<usize>;
}

impl<Q: Hash + Eq, T: Answer> Answers<Q, T> {
    fn new() -> Self {
        Self(Mutex::new(LruCache::new(KEPT_ANSWERS)))
    }

    fn get(&self, key: &Question<Q>) -> Option<Arc<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: Question<Q>, answer: &T) {
        if answer.bytes().is_some_and(|bytes| bytes <= LARGEST_ANSWER) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, Arc::new(answer.clone()));
        }
    }
}

impl Tables {
    pub(in crate::source) fn at(directory: PathBuf) -> Self {
        let blames = Mutex::new(LruCache::new(KEPT_BLAMES));
        let (open, busy, freed) = (Mutex::new(LruCache::unbounded()), Mutex::default(), Condvar::new());
        Self { directory, open, busy, freed, blames, trails: Answers::new(), lines: Answers::new() }
    }

    /// Bytes of a product's table on disk.
    pub(in crate::source) fn size(&self, product: &str) -> u64 {
        std::fs::metadata(self.file(product)).map_or(0, |file| file.len())
    }

    fn file(&self, product: &str) -> PathBuf {
        self.directory.join(product)
    }

    /// A table that holds this commit: the one in memory, else the one on disk, else one gathered now.
    pub(super) fn holding(
        &self,
        repositories: &Arc<Repositories>,
        product: &str,
        head: ObjectId,
        deadline: Deadline,
    ) -> Result<Arc<Past>, SourceError> {
        loop {
            if let Some(past) = self.known(product, head) {
                return Ok(past);
            }
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            if !busy.iter().any(|other| other == product) {
                busy.push(product.to_owned());
                break;
            }
            // Somebody gathers it already.
            let (_guard, _) = self.freed.wait_timeout(busy, Duration::from_millis(200)).unwrap_or_else(PoisonError::into_inner);
            deadline.check()?;
        }
        let gathered = self.gather(repositories, product, head, deadline);
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| other != product);
        self.freed.notify_all();
        gathered
    }

    fn gather(
        &self,
        repositories: &Arc<Repositories>,
        product: &str,
        head: ObjectId,
        deadline: Deadline,
    ) -> Result<Arc<Past>, SourceError> {
        let history = History::of(Arc::clone(repositories), product);
        let before = self.in_memory(product);
        let gathered = gather(&history, &[head], before.as_deref(), &|| !deadline.is_over())?;
        let past = Arc::new(gathered.ok_or(SourceError::OutOfTime)?);
        self.keep(product, &past);
        Ok(past)
    }

    fn in_memory(&self, product: &str) -> Option<Arc<Past>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(product).cloned()
    }

    fn keep(&self, product: &str, past: &Arc<Past>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.put(product.to_owned(), Arc::clone(past));
        while open.len() > 1 && open.iter().map(|(_, past)| past.size()).sum::<usize>() > KEPT_TABLES {
            open.pop_lru();
        }
    }

    fn known(&self, product: &str, head: ObjectId) -> Option<Arc<Past>> {
        if let Some(past) = self.in_memory(product).filter(|past| past.find(head).is_some()) {
            return Some(past);
        }
        let past = Arc::new(self.on_disk(product)?);
        let holds_it = past.find(head).is_some();
        if holds_it || self.in_memory(product).is_none() {
            self.keep(product, &past);
        }
        holds_it.then_some(past)
    }

    /// The table as it was written. What cannot be read is made anew, as if it were not there.
    fn on_disk(&self, product: &str) -> Option<Past> {
        Past::read(&self.file(product)).unwrap_or_else(|cause| {
            tracing::warn!(product, %cause, "the table of its history cannot be read");
            None
        })
    }

    /// Writes a product's table, unless it is there and holds all of these commits. `None` when it was told to stop.
    pub(in crate::source) fn write(
        &self,
        history: &History,
        product: &str,
        heads: &[ObjectId],
        anew: bool,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<()>, SourceError> {
        let unwritten = |cause: std::io::Error| SourceError::Unreadable(format!("the table of its history cannot be kept: {cause}"));
        let before = self.on_disk(product).filter(|_| !anew);
        if before.as_ref().is_some_and(|past| heads.iter().all(|head| past.find(*head).is_some())) {
            return Ok(Some(()));
        }
        let Some(past) = gather(history, heads, before.as_ref(), go_on)? else { return Ok(None) };
        past.write(&self.file(product)).map_err(unwritten)?;
        self.keep(product, &Arc::new(past));
        Ok(Some(()))
    }

    /// Whether the table on disk holds all of these commits.
    pub(in crate::source) fn is_written(&self, product: &str, heads: &[ObjectId]) -> bool {
        let held = |past: &Past| heads.iter().all(|head| past.find(*head).is_some());
        self.on_disk(product).as_ref().is_some_and(held)
    }
}

impl Vault {
    /// Puts a question within a permit, which comes back when there is nothing to tell.
    pub(super) fn inquire<T: Resource>(
        &self,
        sought: Entitled<Sought>,
        deadline: Deadline,
        question: impl FnOnce(&mut Inquiry<'_>, &Place) -> Result<Option<T>, SourceError>,
    ) -> Result<Result<Entitled<T>, Entitled<Sought>>, SourceError> {
        let found = {
            let place = sought.resource().place();
            let reads = |path: &RepoPath| sought.shows(path, false);
            question(&mut Inquiry::new(self, place, &reads, deadline)?, place)?
        };
        Ok(match found.map(|found| sought.fork(found)) {
            Some(Ok(entitled)) => Ok(entitled),
            _ => Err(sought),
        })
    }

    /// The same, but what was answered before within the same scope is not looked for again.
    pub(super) fn inquire_once<Q: Hash + Eq, T: Answer>(
        &self,
        answers: &Answers<Q, T>,
        asked: Q,
        sought: Entitled<Sought>,
        deadline: Deadline,
        question: impl FnOnce(&mut Inquiry<'_>, &Place) -> Result<Option<T>, SourceError>,
    ) -> Result<Result<Entitled<T>, Entitled<Sought>>, SourceError> {
        let key = (sought.resource().place().clone(), sought.scope_key(), asked);
        if let Some(known) = answers.get(&key) {
            return Ok(sought.fork(T::clone(&known)).map_err(|_| sought));
        }
        let found = self.inquire(sought, deadline, question)?;
        if let Ok(found) = &found {
            answers.keep(key, found.resource());
        }
        Ok(found)
    }
}

/// What may be known of a version's past by whom, while one question is answered.
pub(super) struct Inquiry<'a> {
    pub(super) past: Arc<Past>,
    pub(super) head: u32,
    pub(super) reader: Reader,
    pub(super) reads: &'a dyn Fn(&RepoPath) -> bool,
    pub(super) deadline: Deadline,
    /// What the version reaches, and whether all of that may be read.
    pub(super) reached: Vec<bool>,
    whole: bool,
    tracks: Vec<(u32, Track)>,
    /// Former names, by commit, parent and name.
    moves: HashMap<(u32, u32, usize), Option<usize>>,
}

impl<'a> Inquiry<'a> {
    pub(super) fn new(vault: &Vault, place: &Place, reads: &'a dyn Fn(&RepoPath) -> bool, deadline: Deadline) -> Result<Self, SourceError> {
        let commit = crate::source::commit(place)?;
        let past = vault.tables.holding(&vault.repositories, &place.product, commit, deadline)?;
        let head = past.find(commit).ok_or(SourceError::BadCommit)?;
        let reader = History::of(Arc::clone(&vault.repositories), &place.product).reader()?;
        let reached = past.reached(head);
        let whole = past.all_open(&reached, reads);
        Ok(Self { past, head, reader, reads, deadline, reached, whole, tracks: Vec::new(), moves: HashMap::new() })
    }

    /// The place of a commit that the version reaches.
    pub(super) fn reachable(&self, id: ObjectId) -> Option<u32> {
        self.past.find(id).filter(|place| self.reached.get(*place as usize).copied().unwrap_or(false))
    }

    /// Whether author and message of a commit may be shown.
    pub(super) fn is_open(&self, place: u32) -> bool {
        self.whole || self.past.is_open(place, self.reads)
    }

    /// A commit's id, when it was written, and its words where they may be shown.
    pub(super) fn words(&self, place: u32) -> Result<(ObjectId, i64, Option<Words>), SourceError> {
        let commit = self.past.commit(place).ok_or(SourceError::BadCommit)?;
        let words = self.reader.words(commit.id)?;
        Ok((commit.id, words.authored_at, self.is_open(place).then_some(words)))
    }

    /// What a commit did to a file; `before` is its first parent, if it has one, and the name that the file had there.
    pub(super) fn step(&self, at: u32, track: usize, before: Option<(u32, usize)>) -> Result<Step, SourceError> {
        let (commit, written, words) = self.words(at)?;
        let merge = self.past.parents(at).len() > 1;
        let new = self.past.side(self.side(track, at));
        let old = before.and_then(|(parent, was)| self.past.side(self.side(was, parent)));
        let renamed_from = before.filter(|(_, was)| !merge && *was != track).map(|(_, was)| self.path(was));
        Ok(Step { commit, at: written, words, became: Became::of(old, new, merge), path: self.path(track), renamed_from })
    }

    /// What stands at a path in each commit: the number by which [`Inquiry::track`] knows it.
    pub(super) fn follow(&mut self, path: u32) -> usize {
        if let Some(known) = self.tracks.iter().position(|(other, _)| *other == path) {
            return known;
        }
        // Through all commits there are: other versions are asked, too.
        let last = u32::try_from(self.past.commits.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.tracks.push((path, self.past.states_of(path, last)));
        self.tracks.len() - 1
    }

    pub(super) fn side(&self, track: usize, place: u32) -> u32 {
        self.tracks.get(track).map_or(NONE, |(_, track)| track.side(place))
    }

    pub(super) fn origin(&self, track: usize, place: u32) -> u32 {
        self.tracks.get(track).map_or(NOWHERE, |(_, track)| track.origin(place))
    }

    /// The number of the path that is followed.
    pub(super) fn number(&self, track: usize) -> u32 {
        self.tracks.get(track).map_or(u32::MAX, |(path, _)| *path)
    }

    pub(super) fn path(&self, track: usize) -> RepoPath {
        let number = self.tracks.get(track).map(|(path, _)| *path);
        number.and_then(|number| self.past.path(number)).cloned().unwrap_or_default()
    }

    /// Where a file was in a parent of a commit: under the same name, or one it had before.
    pub(super) fn in_parent(&mut self, track: usize, place: u32, parent: u32) -> Result<usize, SourceError> {
        let appeared = self.side(track, parent) == NONE && self.side(track, place) != NONE;
        if !appeared || self.tracks.len() >= MOST_NAMES {
            return Ok(track);
        }
        if let Some(known) = self.moves.get(&(place, parent, track)) {
            return Ok(known.unwrap_or(track));
        }
        self.deadline.check()?;
        let past = Arc::clone(&self.past);
        let id = |place: u32| past.commit(place).map(|commit| commit.id).ok_or(SourceError::BadCommit);
        let moves = if past.parents(place).first() == Some(&parent) {
            let known = past.changes_of(place).iter().filter_map(|change| {
                let path = past.path(change.path)?.clone();
                Some((path, past.side(change.old), past.side(change.new)))
            });
            Moves::of(known, self.reads)
        } else {
            Moves::of(self.reader.differences(Some(id(parent)?), id(place)?)?, self.reads)
        };
        let path = self.path(track);
        let found = match past.side(self.side(track, place)) {
            Some(new) => moves.source_of(&mut self.reader, &path, new, &|_| true)?,
            None => None,
        };
        let known: usize = self.tracks.iter().filter_map(|(path, _)| self.past.path(*path)).map(weight).sum();
        let found = found.filter(|(path, _)| known + weight(path) <= MOST_BYTES_OF_NAMES);
        let source = found.and_then(|(path, _)| self.past.number_of(&path)).map(|path| self.follow(path));
        self.moves.insert((place, parent, track), source);
        Ok(source.unwrap_or(track))
    }

    /// The oldest of these versions in which the file stands as it does in a commit.
    pub(super) fn edition(&self, editions: &[Edition], track: usize, place: u32) -> Option<String> {
        let side = self.side(track, place);
        let path = self.path(track);
        let found = editions.iter().rev().find(|edition| {
            let head = ObjectId::parse(&edition.commit).and_then(|id| self.past.find(id));
            side != NONE && edition.scopes.iter().any(|scope| scope.reads(&path)) && head.is_some_and(|head| self.side(track, head) == side)
        });
        found.map(|edition| edition.name.clone())
    }
}

/// Bytes that a step takes in memory, about.
pub(super) fn bytes_of_words(step: &Step) -> usize {
    let words = step.words.as_ref().map_or(0, |words| words.author.len() + words.message.len());
    words + step.path.bytes().len() + size_of::<Step>()
}

/// Bytes that a name takes in an entry: those that are no text are written there twice, and escaped.
pub(super) fn weight(path: &RepoPath) -> usize {
    serde_json::to_string(&path_text(path)).map_or(usize::MAX, |text| text.len())
}

/// Which commits were shown: with their words, and by id and date only.
pub(super) fn with_commits(draft: Draft, commits: impl Iterator<Item = (ObjectId, bool)>) -> Draft {
    let (told, bare): (Vec<_>, Vec<_>) = commits.partition(|(_, words)| *words);
    let ids = |commits: Vec<(ObjectId, bool)>| commits.into_iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>();
    let mut draft = draft.fact("commits", ids(told));
    if !bare.is_empty() {
        draft = draft.fact("commits_without_words", ids(bare));
    }
    draft
}
