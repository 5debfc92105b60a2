//! The history of a path: the commits that changed a file or what lies below a directory, newest first.

use std::collections::{BinaryHeap, HashSet};

use super::shown::{Answer, Became, Deadline, Edition, Inquiry, Step, bytes_of_words, with_commits};
use super::{NONE, NOWHERE, Track};
use crate::access::Cleared;
use crate::access::{Entitled, Resource, Sought};
use crate::audit::{Draft, Kind, Receipt, Shown};
use crate::catalog::{Place, RepoPath, path_text};
use crate::source::history::{Side, hunks, text_of};
use crate::source::tree::ObjectId;
use crate::source::{SourceError, Vault, with_object};

/// Bytes of a file whose changed lines are counted.
const COUNTED: usize = 8 << 20;
/// Files of a directory whose changed lines are counted: of one commit, and of a page.
const COUNTED_OF_A_COMMIT: usize = 50;
const COUNTED_OF_A_PAGE: usize = 600;

/// What is asked of a path's history.
#[derive(Clone, Debug)]
pub struct TrailAsked<'a> {
    /// The commit that was shown last before.
    pub after: Option<ObjectId>,
    pub most: usize,
    pub editions: &'a [Edition],
}

/// A part of a path's history; nothing of it is told before it is recorded.
#[derive(Clone, Debug)]
pub struct Trail {
    place: Place,
    /// What stands at the path in the version.
    object: Option<ObjectId>,
    directory: bool,
    rows: Vec<TrailRow>,
    more: bool,
}

/// A commit that changed the path.
#[derive(Clone, Debug)]
pub struct TrailRow {
    pub step: Step,
    /// Lines added and removed; none where they were not counted.
    pub lines: Option<(u64, u64)>,
    /// Files changed below the directory.
    pub files: u64,
    /// The oldest version in which the file stands as this commit left it.
    pub edition: Option<String>,
}

impl Resource for Trail {
    fn place(&self) -> &Place {
        &self.place
    }

    fn kind(&self) -> Kind {
        Kind::HistoryViewed
    }

    fn is_listing(&self) -> bool {
        self.directory
    }

    fn describe(&self, draft: Draft) -> Draft {
        let draft = match self.object {
            Some(object) => with_object(draft, object),
            None => draft,
        };
        let mut told: HashSet<&RepoPath> = HashSet::from([&self.place.path]);
        let names = self.rows.iter().flat_map(|row| [Some(&row.step.path), row.step.renamed_from.as_ref()]).flatten();
        let others: Vec<&RepoPath> = names.filter(|name| !self.directory && told.insert(name)).collect();
        let shown = others.into_iter().map(|name| Shown {
            product: self.place.product.clone(),
            versions: vec![self.place.version.clone()],
            path: path_text(name),
            ..Shown::default()
        });
        let shown: Vec<Shown> = shown.collect();
        let draft = with_commits(draft, self.rows.iter().map(|row| (row.step.commit, row.step.words.is_some())));
        if shown.is_empty() { draft } else { draft.showing(shown) }
    }
}

impl Answer for Trail {
    /// Rows of a file depend on what else its reader may read, too.
    fn bytes(&self) -> Option<usize> {
        self.directory.then(|| self.rows.iter().map(|row| bytes_of_words(&row.step)).sum())
    }
}

/// A part of a path's history, told.
pub struct Trailed<'a> {
    pub place: &'a Place,
    pub directory: bool,
    /// It does not stand in the version any more.
    pub gone: bool,
    /// Newest first.
    pub rows: &'a [TrailRow],
    /// The commit after which the next page begins.
    pub next: Option<ObjectId>,
    pub receipt: Receipt,
}

impl Trail {
    /// Tells what was recorded.
    #[must_use]
    pub fn told(cleared: &Cleared<Self>) -> Trailed<'_> {
        let trail = cleared.get().resource();
        Trailed {
            place: &trail.place,
            directory: trail.directory,
            gone: trail.object.is_none() && !trail.directory,
            rows: &trail.rows,
            next: trail.rows.last().filter(|_| trail.more).map(|row| row.step.commit),
            receipt: cleared.receipt(),
        }
    }
}

/// A commit, and the name by which the file is followed there; the newest comes first.
type Waiting = (i64, u32, usize);

impl Vault {
    /// The commits that changed what stands, or stood, at a path; the permit comes back when there are none that may be told of.
    ///
    /// # Errors
    /// When the repository cannot be read, or time is up.
    pub fn trail(
        &self,
        sought: Entitled<Sought>,
        asked: &TrailAsked<'_>,
        deadline: Deadline,
    ) -> Result<Result<Entitled<Trail>, Entitled<Sought>>, SourceError> {
        self.inquire_once(&self.tables.trails, (asked.after, asked.most), sought, deadline, |inquiry, place| inquiry.trail(place, asked))
    }
}

impl Inquiry<'_> {
    fn trail(&mut self, place: &Place, asked: &TrailAsked<'_>) -> Result<Option<Trail>, SourceError> {
        let file = self.past.number_of(&place.path).filter(|_| (self.reads)(&place.path));
        let stands = file.is_some_and(|number| {
            let track = self.follow(number);
            self.side(track, self.head) != NONE
        });
        let readable: Vec<u32> = self.past.below(&place.path).iter().copied().filter(|number| self.may_read(*number)).collect();
        let below = if readable.is_empty() { None } else { Some(self.past.states_of_all(&readable, self.head)) };
        let directory = below.filter(|track| !stands && (track.state(self.head) != 0 || file.is_none()));
        let trail = match (directory, file) {
            (Some(track), _) => self.trail_of_directory(place, &track, asked)?,
            (None, Some(number)) => self.trail_of_file(place, number, asked)?,
            (None, None) => return Ok(None),
        };
        // Without a commit there is nothing that could have stood there; behind the last one there is nothing either.
        Ok(Some(trail).filter(|trail| !trail.rows.is_empty()))
    }

    fn may_read(&self, number: u32) -> bool {
        self.past.path(number).is_some_and(|path| (self.reads)(path))
    }

    fn at(&self, place: u32) -> i64 {
        self.past.commit(place).map_or(0, |commit| commit.at)
    }

    fn trail_of_file(&mut self, place: &Place, number: u32, asked: &TrailAsked<'_>) -> Result<Trail, SourceError> {
        let track = self.follow(number);
        let object = self.past.side(self.side(track, self.head)).map(|side| side.id);
        let mut waiting: BinaryHeap<Waiting> = BinaryHeap::new();
        let mut seen: HashSet<(u32, usize)> = HashSet::new();
        self.push(&mut waiting, &mut seen, (self.head, track));
        let (mut rows, mut begun, mut more) = (Vec::new(), asked.after.is_none(), false);
        while let Some((_, at, track)) = waiting.pop() {
            self.deadline.check()?;
            let parents = self.past.parents(at).to_vec();
            let mut before = Vec::with_capacity(parents.len());
            for parent in parents {
                let was = self.in_parent(track, at, parent)?;
                self.push(&mut waiting, &mut seen, (parent, was));
                before.push((parent, was));
            }
            if !begun {
                begun = self.past.commit(at).map(|commit| commit.id) == asked.after;
                continue;
            }
            if rows.len() >= asked.most {
                more = true;
                break;
            }
            rows.push(self.row(at, track, &before, asked.editions)?);
        }
        Ok(Trail { place: place.clone(), object, directory: false, rows, more })
    }

    /// Waits for who made the file what it is in this commit.
    fn push(&self, waiting: &mut BinaryHeap<Waiting>, seen: &mut HashSet<(u32, usize)>, (place, track): (u32, usize)) {
        let origin = self.origin(track, place);
        if origin != NOWHERE && seen.insert((origin, track)) {
            waiting.push((self.at(origin), origin, track));
        }
    }

    fn row(&mut self, at: u32, track: usize, before: &[(u32, usize)], editions: &[Edition]) -> Result<TrailRow, SourceError> {
        let first = before.first().copied();
        let new = self.past.side(self.side(track, at));
        let old = first.and_then(|(parent, was)| self.past.side(self.side(was, parent)));
        let lines = if before.len() > 1 { None } else { self.count(old, new)? };
        Ok(TrailRow { step: self.step(at, track, first)?, lines, files: 1, edition: self.edition(editions, track, at) })
    }

    /// Lines added and removed. None of what is no text, or too large.
    pub(super) fn count(&mut self, old: Option<Side>, new: Option<Side>) -> Result<Option<(u64, u64)>, SourceError> {
        let (Some(old), Some(new)) = (self.reader.bytes(old)?, self.reader.bytes(new)?) else { return Ok(None) };
        if old.len().max(new.len()) > COUNTED {
            return Ok(None);
        }
        let (old, new) = (text_of(&old), text_of(&new));
        if old.binary || new.binary {
            return Ok(None);
        }
        let hunks = hunks(&old.text, &new.text);
        let sum = |lines: &dyn Fn(&crate::source::history::Hunk) -> usize| hunks.iter().map(lines).sum::<usize>() as u64;
        Ok(Some((sum(&|hunk| hunk.new.len()), sum(&|hunk| hunk.old.len()))))
    }

    fn trail_of_directory(&mut self, place: &Place, track: &Track, asked: &TrailAsked<'_>) -> Result<Trail, SourceError> {
        let path = &place.path;
        let mut waiting: BinaryHeap<(i64, u32)> = BinaryHeap::new();
        let mut seen: HashSet<u32> = HashSet::new();
        let push = |inquiry: &Self, waiting: &mut BinaryHeap<(i64, u32)>, seen: &mut HashSet<u32>, place: u32| {
            let origin = track.origin(place);
            if origin != NOWHERE && seen.insert(origin) {
                waiting.push((inquiry.at(origin), origin));
            }
        };
        push(self, &mut waiting, &mut seen, self.head);
        let (mut rows, mut begun, mut more, mut left) = (Vec::new(), asked.after.is_none(), false, COUNTED_OF_A_PAGE);
        while let Some((_, at)) = waiting.pop() {
            self.deadline.check()?;
            for parent in self.past.parents(at).to_vec() {
                push(self, &mut waiting, &mut seen, parent);
            }
            let inside = |change: &&super::Change| {
                change.own && self.past.path(change.path).is_some_and(|changed| path.contains(changed) && (self.reads)(changed))
            };
            let changes: Vec<super::Change> = self.past.changes_of(at).iter().filter(inside).copied().collect();
            if changes.is_empty() {
                // A merge that only brings together what both sides did.
                continue;
            }
            if !begun {
                begun = self.past.commit(at).map(|commit| commit.id) == asked.after;
                continue;
            }
            if rows.len() >= asked.most {
                more = true;
                break;
            }
            rows.push(self.row_of_directory(at, path, &changes, &mut left)?);
        }
        Ok(Trail { place: place.clone(), object: None, directory: true, rows, more })
    }

    fn row_of_directory(&mut self, at: u32, path: &RepoPath, changes: &[super::Change], left: &mut usize) -> Result<TrailRow, SourceError> {
        let (commit, written, words) = self.words(at)?;
        let merge = self.past.parents(at).len() > 1;
        let mut lines = None;
        if !merge && changes.len() <= COUNTED_OF_A_COMMIT.min(*left) {
            *left -= changes.len();
            let mut sum = (0, 0);
            let mut text = false;
            for change in changes {
                // Of binary files there are no lines.
                if let Some((added, removed)) = self.count(self.past.side(change.old), self.past.side(change.new))? {
                    sum = (sum.0 + added, sum.1 + removed);
                    text = true;
                }
            }
            lines = text.then_some(sum);
        }
        let became = if merge { Became::Merged } else { Became::Changed };
        let step = Step { commit, at: written, words, became, path: path.clone(), renamed_from: None };
        Ok(TrailRow { step, lines, files: changes.len() as u64, edition: None })
    }
}
