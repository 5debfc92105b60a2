//! Checks what arrived, from the wanted refs down: every tag, commit, tree and file is there, is what it is named as (libgit2 compares
//! the hash on every read), and every tree can be shown whole.

use std::cmp::Ordering as CmpOrdering;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use git2::{ObjectType, Odb, Oid, Repository};

use super::refs::{header, is_missing, tagged};
use super::{FetchError, OnProgress, Phase, Progress, disk};
use crate::source::tree::{EntryKind, LARGEST_OBJECT, ObjectId, TreeEntries, check_tree, commit_links};

/// Files above this size, in bytes, are read one at a time.
const LARGE: u64 = 64 << 20;
/// Parents of new commits whose trees are marked as checked before.
const MOST_EDGES: usize = 64;

/// What to check, and how.
pub(super) struct Check<'a> {
    /// Opens the repository; each thread has its own handle.
    pub(super) open: &'a (dyn Fn() -> Result<Repository, FetchError> + Sync),
    pub(super) source_name: &'a str,
    /// Full name and target of each ref.
    pub(super) tips: &'a [(String, ObjectId)],
    /// Commits checked before, with everything they reach.
    pub(super) checked: &'a BTreeSet<ObjectId>,
    /// Commits whose parents are missing on purpose.
    pub(super) shallow: &'a BTreeSet<ObjectId>,
    /// Whether files must be read to know that they are what they are named as. What libgit2 has indexed itself, it has hashed.
    pub(super) read_files: bool,
    /// Gives up with `None` past so many new objects.
    pub(super) most: usize,
}

/// What was reached and found good, besides what had been checked before.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// And whatever else than a commit they name.
    pub(super) tags: Vec<ObjectId>,
    pub(super) commits: Vec<ObjectId>,
    pub(super) trees: Vec<ObjectId>,
    pub(super) files: Vec<ObjectId>,
}

impl Checked {
    pub(super) fn len(&self) -> usize {
        self.tags.len() + self.commits.len() + self.trees.len() + self.files.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = ObjectId> {
        [&self.tags, &self.commits, &self.trees, &self.files].into_iter().flatten().copied()
    }
}

impl Check<'_> {
    pub(super) fn run(&self, progress: OnProgress<'_>, stop: &AtomicBool) -> Result<Option<Checked>, FetchError> {
        let repository = (self.open)()?;
        let odb = repository.odb().map_err(|e| self.transfer(&e))?;
        let mut found = Checked::default();
        progress(Progress::start(Phase::Checking));
        let roots = self.commits(&repository, &odb, &mut found, stop)?;
        if found.len() > self.most {
            return Ok(None);
        }
        let packs = Packs::read(repository.path())?;
        let crew = Crew {
            check: self,
            stop,
            halt: AtomicBool::new(false),
            done: AtomicU64::new(found.len() as u64),
            total: AtomicU64::new(found.len() as u64),
        };
        let mut seen = self.seen_before(&odb, &found)?;
        let mut level: Vec<ObjectId> = roots.into_iter().filter(|root| seen.insert(*root)).collect();
        while !level.is_empty() {
            packs.sort(&mut level);
            let children = crew.work(&level, progress, &|odb, id, children| crew.tree(odb, id, children))?;
            found.trees.append(&mut level);
            for (id, is_tree) in children {
                if seen.insert(id) {
                    if is_tree { &mut level } else { &mut found.files }.push(id);
                }
            }
            if found.len() > self.most {
                return Ok(None);
            }
        }
        drop(seen);
        packs.sort(&mut found.files);
        let one_large = Mutex::new(());
        crew.work(&found.files, progress, &|odb, id, _| crew.file(odb, id, &one_large))?;
        Ok(Some(found))
    }

    /// Collects new tags and commits, and returns the commits' trees.
    fn commits(&self, repository: &Repository, odb: &Odb<'_>, found: &mut Checked, stop: &AtomicBool) -> Result<Vec<ObjectId>, FetchError> {
        // Only worked out when a commit is met that is not itself known: a walk over all accepted history.
        let mut old: Option<HashSet<ObjectId>> = None;
        let mut roots = Vec::new();
        let mut seen: HashSet<ObjectId> = HashSet::new();
        for (name, target) in self.tips {
            let mut todo = vec![*target];
            while let Some(id) = todo.pop() {
                if self.checked.contains(&id) || old.as_ref().is_some_and(|old| old.contains(&id)) || !seen.insert(id) {
                    continue;
                }
                if stop.load(Ordering::Relaxed) {
                    return Err(FetchError::Stopped);
                }
                let oid = Oid::from_bytes(id.bytes()).map_err(|e| self.transfer(&e))?;
                let (_, kind) = header(odb, oid).map_err(|e| self.unread(id, "commit", name, &e))?;
                if !matches!(kind, ObjectType::Commit | ObjectType::Tag) {
                    // A tag of a file or directory: passed over later, with a reason. What is in it is of no use here.
                    found.tags.push(id);
                    continue;
                }
                let object = self.read(odb, id, "commit", name)?;
                if object.kind() == ObjectType::Tag {
                    found.tags.push(id);
                    todo.push(tagged(object.data()).ok_or_else(|| self.damaged(id, "it is no tag"))?);
                    continue;
                }
                if old.is_none() && old.insert(self.old_commits(repository, stop)?).contains(&id) {
                    continue;
                }
                let links = commit_links(object.data()).ok_or_else(|| self.damaged(id, "it is no commit"))?;
                found.commits.push(id);
                roots.push(links.tree);
                if !self.shallow.contains(&id) {
                    todo.extend(links.parents);
                }
            }
        }
        Ok(roots)
    }

    /// The commits reachable from those checked before.
    fn old_commits(&self, repository: &Repository, stop: &AtomicBool) -> Result<HashSet<ObjectId>, FetchError> {
        let mut old = HashSet::new();
        if self.checked.is_empty() {
            return Ok(old);
        }
        let mut walk = repository.revwalk().map_err(|e| self.transfer(&e))?;
        for id in self.checked {
            walk.push(Oid::from_bytes(id.bytes()).map_err(|e| self.transfer(&e))?).map_err(|e| self.transfer(&e))?;
        }
        for id in walk {
            if stop.load(Ordering::Relaxed) {
                return Err(FetchError::Stopped);
            }
            old.extend(ObjectId::from_bytes(id.map_err(|e| self.transfer(&e))?.as_bytes()));
        }
        Ok(old)
    }

    /// Trees and files of the old commits that new ones stand on: most of what the new ones hold.
    fn seen_before(&self, odb: &Odb<'_>, found: &Checked) -> Result<HashSet<ObjectId>, FetchError> {
        let mut seen = HashSet::new();
        if self.checked.is_empty() {
            return Ok(seen);
        }
        let new: HashSet<ObjectId> = found.commits.iter().copied().collect();
        let mut edges: BTreeSet<ObjectId> = BTreeSet::new();
        for id in &found.commits {
            let object = self.read(odb, *id, "commit", "")?;
            let parents = commit_links(object.data()).map(|l| l.parents).unwrap_or_default();
            if !self.shallow.contains(id) {
                edges.extend(parents.into_iter().filter(|p| !new.contains(p)));
            }
        }
        for id in edges.into_iter().take(MOST_EDGES) {
            let object = self.read(odb, id, "commit", "")?;
            let mut todo: Vec<ObjectId> = commit_links(object.data()).map(|l| l.tree).into_iter().collect();
            while let Some(id) = todo.pop() {
                if !seen.insert(id) {
                    continue;
                }
                let object = self.read(odb, id, "tree", "")?;
                for entry in TreeEntries::of(object.data()).flatten() {
                    match entry.kind {
                        EntryKind::Tree => todo.push(entry.id),
                        EntryKind::Blob | EntryKind::Symlink => {
                            seen.insert(entry.id);
                        }
                        EntryKind::Submodule => {}
                    }
                }
            }
        }
        Ok(seen)
    }

    fn read<'o>(&self, odb: &'o Odb<'_>, id: ObjectId, kind: &'static str, needed_by: &str) -> Result<git2::OdbObject<'o>, FetchError> {
        let oid = Oid::from_bytes(id.bytes()).map_err(|e| self.transfer(&e))?;
        odb.read(oid).map_err(|e| self.unread(id, kind, needed_by, &e))
    }

    fn unread(&self, id: ObjectId, kind: &'static str, needed_by: &str, error: &git2::Error) -> FetchError {
        if is_missing(error) {
            let ref_name = if needed_by.is_empty() { "what was asked for".to_owned() } else { needed_by.to_owned() };
            return FetchError::Incomplete { source_name: self.source_name.to_owned(), kind, id, ref_name };
        }
        self.damaged(id, error.message())
    }

    fn damaged(&self, id: ObjectId, why: &str) -> FetchError {
        FetchError::Damaged { source_name: self.source_name.to_owned(), id, why: why.to_owned() }
    }

    fn transfer(&self, error: &git2::Error) -> FetchError {
        FetchError::Transfer { source_name: self.source_name.to_owned(), why: error.message().to_owned() }
    }
}

/// Threads at work on one check.
struct Crew<'a> {
    check: &'a Check<'a>,
    stop: &'a AtomicBool,
    halt: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

/// An entry of a tree that was checked, and whether it is a tree itself.
type Child = (ObjectId, bool);

/// The check of one object; it may add to the list of what is to be checked next.
type Work<'w> = &'w (dyn Fn(&Odb<'_>, ObjectId, &mut Vec<Child>) -> Result<(), FetchError> + Sync);

impl Crew<'_> {
    /// Runs `work` on each of `ids` in as many threads as there are processors (eight at most), reporting from this one.
    fn work(&self, ids: &[ObjectId], progress: OnProgress<'_>, work: Work<'_>) -> Result<Vec<Child>, FetchError> {
        self.total.fetch_add(ids.len() as u64, Ordering::Relaxed);
        let threads = thread::available_parallelism().map_or(2, usize::from).min(8).min(1 + ids.len() / 64);
        let next = AtomicUsize::new(0);
        let (mut children, mut failed) = (Vec::new(), None);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.share(ids, &next, work))).collect();
            while workers.iter().any(|w| !w.is_finished()) {
                thread::sleep(Duration::from_millis(10));
                progress(Progress {
                    done: self.done.load(Ordering::Relaxed),
                    total: self.total.load(Ordering::Relaxed),
                    ..Progress::start(Phase::Checking)
                });
            }
            for worker in workers {
                match worker.join() {
                    Ok(Ok(mut found)) => children.append(&mut found),
                    Ok(Err(error)) => failed = failed.take().or(Some(error)),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        match failed {
            Some(error) => Err(error),
            None if self.stop.load(Ordering::Relaxed) => Err(FetchError::Stopped),
            None => Ok(children),
        }
    }

    /// One thread's share: neighbours in a pack are taken together, because they are often differences of one another.
    fn share(&self, ids: &[ObjectId], next: &AtomicUsize, work: Work<'_>) -> Result<Vec<Child>, FetchError> {
        const AT_ONCE: usize = 512;
        let repository = (self.check.open)()?;
        let odb = repository.odb().map_err(|e| self.check.transfer(&e))?;
        let (mut all, mut children) = (Vec::new(), Vec::new());
        loop {
            let from = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            let batch = ids.get(from..ids.len().min(from + AT_ONCE)).unwrap_or_default();
            if batch.is_empty() {
                return Ok(all);
            }
            for id in batch {
                if self.halt.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed) {
                    return Ok(all);
                }
                if let Err(error) = work(&odb, *id, &mut children) {
                    self.halt.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                self.done.fetch_add(1, Ordering::Relaxed);
            }
            // Trees of neighbouring commits share most of their entries.
            children.sort_unstable();
            children.dedup();
            all.append(&mut children);
        }
    }

    fn tree(&self, odb: &Odb<'_>, id: ObjectId, children: &mut Vec<Child>) -> Result<(), FetchError> {
        let object = self.check.read(odb, id, "tree", "")?;
        if object.kind() != ObjectType::Tree {
            return Err(self.check.damaged(id, "it should be a tree and is none"));
        }
        check_tree(object.data(), |entry| {
            if entry.kind != EntryKind::Submodule {
                children.push((entry.id, entry.kind == EntryKind::Tree));
            }
        })
        .map_err(|why| FetchError::UnsafeTree { source_name: self.check.source_name.to_owned(), id, why })
    }

    fn file(&self, odb: &Odb<'_>, id: ObjectId, one_large: &Mutex<()>) -> Result<(), FetchError> {
        let oid = Oid::from_bytes(id.bytes()).map_err(|e| self.check.transfer(&e))?;
        let (size, kind) = header(odb, oid).map_err(|e| self.check.unread(id, "file", "", &e))?;
        if kind != ObjectType::Blob {
            return Err(self.check.damaged(id, "it should be a file and is none"));
        }
        if size > LARGEST_OBJECT {
            return Err(FetchError::TooLarge { source_name: self.check.source_name.to_owned(), id, size, limit: LARGEST_OBJECT });
        }
        if self.check.read_files {
            let _alone = (size > LARGE).then(|| one_large.lock().unwrap_or_else(PoisonError::into_inner));
            odb.read(oid).map_err(|e| self.check.unread(id, "file", "", &e))?;
        }
        Ok(())
    }
}

/// Where objects lie in the packs of a repository, so that they can be read in that order: two to three times faster, since differences
/// follow what they are differences of. Only an order: nothing is believed.
struct Packs(Vec<Vec<u8>>);

impl Packs {
    fn read(repository: &Path) -> Result<Self, FetchError> {
        let read = || -> io::Result<Vec<Vec<u8>>> {
            let mut indexes = Vec::new();
            for entry in fs::read_dir(repository.join("objects/pack"))? {
                let path = entry?.path();
                if path.extension() == Some(OsStr::new("idx")) {
                    indexes.push(fs::read(path)?);
                }
            }
            Ok(indexes)
        };
        read().map(Self).map_err(disk("reading the quarantine"))
    }

    fn sort(&self, ids: &mut [ObjectId]) {
        ids.sort_by_cached_key(|id| {
            self.0.iter().enumerate().find_map(|(pack, index)| Some((pack, Self::offset(index, *id)?))).unwrap_or((usize::MAX, 0))
        });
    }

    /// The place of an object by a version 2 index: a header of 8 bytes, 256 running counts by first byte, then for every object its
    /// name (20 bytes), checksum (4) and place (4).
    fn offset(index: &[u8], id: ObjectId) -> Option<u32> {
        let word = |at: usize| Some(u32::from_be_bytes(*index.get(at..)?.first_chunk::<4>()?));
        let first = usize::from(id.bytes()[0]);
        let count = |byte: usize| word(8 + 4 * byte).map(|n| n as usize);
        let (mut low, mut high) = (if first == 0 { 0 } else { count(first - 1)? }, count(first)?);
        while low < high {
            let middle = low.midpoint(high);
            let name = index.get(1032 + 20 * middle..)?.first_chunk::<20>()?;
            match name.cmp(id.bytes()) {
                CmpOrdering::Less => low = middle + 1,
                CmpOrdering::Greater => high = middle,
                CmpOrdering::Equal => return word(1032 + 24 * count(255)? + 4 * middle),
            }
        }
        None
    }
}
