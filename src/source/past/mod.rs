//! What became of each path of a product, commit by commit: a table, so that the history of a path is looked up and not searched for.
//!
//! Git keeps whole trees. To learn which commits changed one file, all of their trees have to be compared, and for a long history that
//! takes many seconds. The table holds the outcome of these comparisons: for every commit its parents, and which paths differ from the
//! first of them, each with what stood there before and afterwards. What stands at a path in every commit follows from that in one pass.
//!
//! What is told of a path, to a reader with a scope:
//! - Whoever may read a path of a version may read how it came about: the commits that the version reaches and that changed it, with
//!   their ids and dates. A commit's author and message are shown by the rule of search in history: only where everything that the
//!   commit changed may be read, and those of a merge, or of a commit that changed nothing, only where all that the version reaches may.
//! - A file is followed to the name it had before only where that name, too, lies within the scope. Else it was added here.
//! - As in `git log`, a side of a merge from which nothing was taken is not followed.
//!
//! The table is derived and can be deleted: jobs write it anew, and until then it is gathered in memory for whoever asks.

mod blame;
mod commit;
mod diff;
mod gather;
mod lines;
mod rename;
mod shown;
mod table;
#[cfg(test)]
mod tests;
mod trail;

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use super::history::Side;
use super::tree::ObjectId;
use crate::catalog::RepoPath;

pub use blame::{BlameAsked, BlameCommit, BlameTold, Blamed, Nature, Origin, State};
pub use commit::{CommitAsked, CommitTold, Told, ToldFile};
pub use diff::{DiffLine, Sign};
pub use lines::{LinesAsked, LinesRow, LinesTold, LinesTrail};
pub(super) use shown::Tables;
pub use shown::{Became, Deadline, Edition, Step};
pub use trail::{Trail, TrailAsked, TrailRow, Trailed};

/// Nothing stands there.
const NONE: u32 = 0;
/// No commit.
const NOWHERE: u32 = u32::MAX;

/// A product's commits, parents before their children, and what each changed.
#[derive(Debug, Default)]
pub(super) struct Past {
    commits: Vec<Commit>,
    /// Places of commits in the order of their ids.
    by_id: Vec<u32>,
    /// Places of the parents of all commits, commit by commit.
    parents: Vec<u32>,
    /// By number, in the order in which they first appeared.
    paths: Vec<RepoPath>,
    /// Numbers of paths in the order of the paths' bytes: what lies below a directory stands side by side.
    sorted: Vec<u32>,
    /// What can stand at a path; `NONE` is nothing, and the first of these is 1.
    sides: Vec<Side>,
    /// In the order of commits.
    changes: Vec<Change>,
    /// Places in `changes`, path by path, each in the order of commits.
    by_path: Vec<u32>,
    /// Where the places of each path begin; one more than there are paths.
    begins: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Commit {
    id: ObjectId,
    /// Seconds since the epoch, by the committer's clock: what histories are ordered by.
    at: i64,
    /// Where its parents begin among those of all commits, and its changes among all changes.
    first_parent: u32,
    first: u32,
}

/// What a commit did to a path, against its first parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    path: u32,
    old: u32,
    new: u32,
    /// It differs from every parent. Only a merge has changes that do not.
    own: bool,
}

impl Past {
    fn new(commits: Vec<Commit>, parents: Vec<u32>, paths: Vec<RepoPath>, sides: Vec<Side>, changes: Vec<Change>) -> Self {
        let id = |place: &u32| commits.get(*place as usize).map(|commit| commit.id);
        let mut by_id: Vec<u32> = (0..).take(commits.len()).collect();
        by_id.sort_unstable_by_key(id);
        let mut sorted: Vec<u32> = (0..).take(paths.len()).collect();
        sorted.sort_by(|a, b| paths.get(*a as usize).cmp(&paths.get(*b as usize)));
        let mut begins = vec![0_u32; paths.len() + 1];
        for change in &changes {
            if let Some(count) = begins.get_mut(change.path as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        let mut next = begins.clone();
        let mut by_path = vec![0; changes.len()];
        for (at, change) in (0..).zip(&changes) {
            if let Some(slot) = next.get_mut(change.path as usize) {
                if let Some(place) = by_path.get_mut(*slot as usize) {
                    *place = at;
                }
                *slot += 1;
            }
        }
        Self { commits, by_id, parents, paths, sorted, sides, changes, by_path, begins }
    }

    fn find(&self, id: ObjectId) -> Option<u32> {
        let at = self.by_id.binary_search_by_key(&Some(id), |place| self.commit(*place).map(|commit| commit.id)).ok()?;
        self.by_id.get(at).copied()
    }

    /// Bytes that it takes in memory, about.
    fn size(&self) -> usize {
        let paths = self.paths.iter().map(|path| path.bytes().len() + size_of::<RepoPath>()).sum::<usize>();
        let numbers = [&self.by_id, &self.parents, &self.sorted, &self.by_path, &self.begins].map(Vec::len).iter().sum::<usize>();
        let lists = size_of_val(self.commits.as_slice()) + size_of_val(self.sides.as_slice()) + size_of_val(self.changes.as_slice());
        paths + numbers * size_of::<u32>() + lists
    }

    fn commit(&self, place: u32) -> Option<&Commit> {
        self.commits.get(place as usize)
    }

    fn parents(&self, place: u32) -> &[u32] {
        let first = |place: usize| self.commits.get(place).map_or(self.parents.len(), |commit| commit.first_parent as usize);
        self.parents.get(first(place as usize)..first(place as usize + 1)).unwrap_or_default()
    }

    /// The changes of a commit, in the order of its trees.
    fn changes_of(&self, place: u32) -> &[Change] {
        let first = |place: usize| self.commits.get(place).map_or(self.changes.len(), |commit| commit.first as usize);
        self.changes.get(first(place as usize)..first(place as usize + 1)).unwrap_or_default()
    }

    fn path(&self, number: u32) -> Option<&RepoPath> {
        self.paths.get(number as usize)
    }

    fn side(&self, number: u32) -> Option<Side> {
        self.sides.get((number as usize).checked_sub(1)?).copied()
    }

    fn number_of(&self, path: &RepoPath) -> Option<u32> {
        let at = self.sorted.binary_search_by(|number| self.path(*number).cmp(&Some(path))).ok()?;
        self.sorted.get(at).copied()
    }

    /// The numbers of all paths below a directory, in the order of the paths.
    fn below(&self, directory: &RepoPath) -> &[u32] {
        if directory.is_root() {
            return &self.sorted;
        }
        let mut prefix = directory.bytes().to_vec();
        prefix.push(b'/');
        let bytes = |number: &u32| self.path(*number).map(RepoPath::bytes).unwrap_or_default();
        let start = self.sorted.partition_point(|number| bytes(number) < prefix.as_slice());
        let rest = self.sorted.get(start..).unwrap_or_default();
        let length = rest.partition_point(|number| bytes(number).starts_with(&prefix));
        rest.get(..length).unwrap_or_default()
    }

    /// What was done to a path: the commit, and the change.
    fn changes_at(&self, path: u32) -> impl Iterator<Item = (u32, Change)> + '_ {
        let range = |at: usize| self.begins.get(at).copied().unwrap_or(0) as usize;
        let places = self.by_path.get(range(path as usize)..range(path as usize + 1)).unwrap_or_default();
        places.iter().filter_map(|at| Some((self.commit_of(*at)?, *self.changes.get(*at as usize)?)))
    }

    /// The commit that a change belongs to.
    fn commit_of(&self, change: u32) -> Option<u32> {
        let behind = self.commits.partition_point(|commit| commit.first <= change);
        u32::try_from(behind.checked_sub(1)?).ok()
    }

    /// Whether each commit can be reached from this one.
    fn reached(&self, head: u32) -> Vec<bool> {
        let mut reached = vec![false; head as usize + 1];
        let mut waiting = vec![head];
        while let Some(place) = waiting.pop() {
            if let Some(slot) = reached.get_mut(place as usize).filter(|reached| !**reached) {
                *slot = true;
                waiting.extend(self.parents(place));
            }
        }
        reached
    }

    /// Whether everything that a commit reaches may be read, as far as any of it was ever changed.
    fn all_open(&self, reached: &[bool], reads: &dyn Fn(&RepoPath) -> bool) -> bool {
        let closed = (0..).zip(&self.paths).filter(|(_, path)| !reads(path));
        let is_reached = |place: u32| reached.get(place as usize).copied().unwrap_or(false);
        !closed.into_iter().any(|(number, _)| self.changes_at(number).any(|(commit, _)| is_reached(commit)))
    }

    /// Whether everything that a commit changed may be read, and it changed something, and merged nothing.
    fn is_open(&self, place: u32, reads: &dyn Fn(&RepoPath) -> bool) -> bool {
        let changes = self.changes_of(place);
        let readable = |change: &Change| self.path(change.path).is_some_and(reads);
        self.parents(place).len() < 2 && !changes.is_empty() && changes.iter().all(readable)
    }

    /// What stands at one path in every commit up to `head`.
    fn states_of(&self, path: u32, head: u32) -> Track {
        let changes: Vec<(u32, Change)> = self.changes_at(path).collect();
        let mut changes = changes.into_iter().peekable();
        self.track(head, &mut |place, before| {
            let own = changes.next_if(|(commit, _)| *commit == place);
            own.map_or(before, |(_, change)| u128::from(change.new))
        })
    }

    /// The same of several paths together: a hash of what stands at all of them. Its keys are drawn anew each time, so that nobody can
    /// make two states that seem to be one.
    fn states_of_all(&self, paths: &[u32], head: u32) -> Track {
        let keys = [RandomState::new(), RandomState::new()];
        let hash = |path: u32, side: u32| {
            if side == NONE {
                return 0;
            }
            let [low, high] = keys.each_ref().map(|key| u128::from(key.hash_one((path, side))));
            high << 64 | low
        };
        let mut chosen = vec![false; self.paths.len()];
        for path in paths {
            if let Some(slot) = chosen.get_mut(*path as usize) {
                *slot = true;
            }
        }
        let is_chosen = |change: &&Change| chosen.get(change.path as usize).copied().unwrap_or(false);
        self.track(head, &mut |place, before| {
            let changes = self.changes_of(place).iter().filter(is_chosen);
            changes.fold(before, |state, change| state ^ hash(change.path, change.old) ^ hash(change.path, change.new))
        })
    }

    fn track(&self, head: u32, step: &mut dyn FnMut(u32, u128) -> u128) -> Track {
        let mut track = Track { states: Vec::with_capacity(head as usize + 1), origins: Vec::with_capacity(head as usize + 1) };
        for place in (0..=head).take(self.commits.len()) {
            let parents = self.parents(place);
            let before = parents.first().map_or(0, |parent| track.state(*parent));
            let state = step(place, before);
            let same = parents.iter().find(|parent| track.state(**parent) == state);
            let origin = match same {
                Some(parent) => track.origin(*parent),
                None if parents.is_empty() && state == 0 => NOWHERE,
                None => place,
            };
            track.states.push(state);
            track.origins.push(origin);
        }
        track
    }
}

/// What stands at a path, or at several together, in each commit.
struct Track {
    /// 0 is nothing.
    states: Vec<u128>,
    /// The nearest commit, itself or before it, that differs from all of its parents there: who made it what it is. At a merge the
    /// first parent that it agrees with is followed, and no other.
    origins: Vec<u32>,
}

impl Track {
    fn state(&self, place: u32) -> u128 {
        self.states.get(place as usize).copied().unwrap_or(0)
    }

    fn origin(&self, place: u32) -> u32 {
        self.origins.get(place as usize).copied().unwrap_or(NOWHERE)
    }

    /// The number of what stands there, of a single path.
    fn side(&self, place: u32) -> u32 {
        u32::try_from(self.state(place)).unwrap_or(NONE)
    }
}

/// The range of a slice that a page shows: from `start`, at most `most` of them.
fn window(start: usize, most: usize, length: usize) -> Range<usize> {
    let start = start.min(length);
    start..start.saturating_add(most).min(length)
}
