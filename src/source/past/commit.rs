//! One commit: what it says, and what it changed, cut to what may be read.
//!
//! An id in an address would walk around a scope, since the same commit can be reached from many versions and changes many paths. So it
//! is looked for only among the commits that the version reaches, and of what it changed only what lies within the scope is told, or
//! counted. A commit of which nothing is left is not there. Its parents are named only where they, too, can be shown.

use std::collections::HashSet;

use super::diff::{DiffLine, bare, numbers, unified};
use super::rename::Moves;
use super::shown::{Became, Deadline, Inquiry, MOST_BYTES_OF_NAMES, weight};
use super::{Change, NONE};
use crate::access::{Cleared, Entitled, Resource, Sought};
use crate::audit::{Draft, Kind, Receipt, Shown};
use crate::catalog::{Place, RepoPath, path_text};
use crate::source::history::{Changed, Side, Words, text_of};
use crate::source::tree::ObjectId;
use crate::source::{SourceError, Vault};

/// Lines and files of a page: its entry names every one of them.
const MOST_LINES: usize = 2_000;
const MOST_FILES: usize = 100;
/// Lines of a file whose names alone fill much of an entry.
const FEW_LINES: usize = 200;
/// Pairs of files that came and went which are compared with each other; of more, those with the same bytes are one.
const MOST_PAIRS: usize = 10_000;
/// Bytes of a file whose lines are compared for a page.
const LARGEST: usize = 16 << 20;

#[derive(Clone, Copy, Debug)]
pub struct CommitAsked {
    pub id: ObjectId,
    /// The first file that is shown, and the first line of its change; counted from 0.
    pub from: usize,
    pub skip: usize,
}

/// A part of a commit; nothing of it is told before it is recorded.
#[derive(Clone, Debug)]
pub struct Told {
    place: Place,
    id: ObjectId,
    at: i64,
    words: Option<Words>,
    parents: Vec<ObjectId>,
    merge: bool,
    from: usize,
    total: usize,
    files: Vec<ToldFile>,
    next: Option<(usize, usize)>,
}

/// A file that a commit changed.
#[derive(Clone, Debug)]
pub struct ToldFile {
    pub path: RepoPath,
    pub renamed_from: Option<RepoPath>,
    pub became: Became,
    /// It stands in the version that is looked at.
    pub stands: bool,
    /// It is no text, before or afterwards.
    pub binary: bool,
    /// Too large to be compared line by line.
    pub unread: bool,
    /// Lines added and removed, of the whole change.
    pub added: u64,
    pub removed: u64,
    /// The lines that are shown here, and how many of the change come before them and behind.
    pub lines: Vec<DiffLine>,
    pub skipped: usize,
    pub left: usize,
}

impl Resource for Told {
    fn place(&self) -> &Place {
        &self.place
    }

    fn kind(&self) -> Kind {
        Kind::DiffViewed
    }

    fn is_listing(&self) -> bool {
        true
    }

    fn describe(&self, draft: Draft) -> Draft {
        let place = |path: &RepoPath| Shown {
            product: self.place.product.clone(),
            versions: vec![self.place.version.clone()],
            path: path_text(path),
            commit: Some(self.id.to_string()),
            ..Shown::default()
        };
        let mut shown = Vec::new();
        for file in &self.files {
            let (lines, removed) = numbers(&file.lines);
            match &file.renamed_from {
                Some(from) => {
                    shown.push(Shown { lines, ..place(&file.path) });
                    shown.push(Shown { removed, ..place(from) });
                }
                None => shown.push(Shown { lines, removed, ..place(&file.path) }),
            }
        }
        draft.fact("commit", self.id.to_string()).fact("message", self.words.is_some()).showing(shown)
    }
}

/// A part of a commit, told.
pub struct CommitTold<'a> {
    pub place: &'a Place,
    pub id: ObjectId,
    /// When it was written: seconds since the epoch.
    pub at: i64,
    /// None where its words may not be shown.
    pub words: Option<&'a Words>,
    /// Those of which something can be shown.
    pub parents: &'a [ObjectId],
    pub merge: bool,
    /// The first file shown, counted from 0, and how many there are that may be read.
    pub from: usize,
    pub total: usize,
    pub files: &'a [ToldFile],
    /// Where the next part begins: the file, and the line of its change.
    pub next: Option<(usize, usize)>,
    pub receipt: Receipt,
}

impl Told {
    /// Tells what was recorded.
    #[must_use]
    pub fn told(cleared: &Cleared<Self>) -> CommitTold<'_> {
        let told = cleared.get().resource();
        CommitTold {
            place: &told.place,
            id: told.id,
            at: told.at,
            words: told.words.as_ref(),
            parents: &told.parents,
            merge: told.merge,
            from: told.from,
            total: told.total,
            files: &told.files,
            next: told.next,
            receipt: cleared.receipt(),
        }
    }
}

/// A file before its lines are compared.
struct Plan {
    path: RepoPath,
    from: Option<(RepoPath, Side)>,
    old: Option<Side>,
    new: Option<Side>,
}

/// Files, and where the next ones begin.
type Part = (Vec<ToldFile>, Option<(usize, usize)>);

impl Vault {
    /// What a commit did; the permit, which is for the top of the version, comes back when there is nothing to tell.
    ///
    /// # Errors
    /// When the repository cannot be read, or time is up.
    pub fn commit(
        &self,
        sought: Entitled<Sought>,
        asked: CommitAsked,
        deadline: Deadline,
    ) -> Result<Result<Entitled<Told>, Entitled<Sought>>, SourceError> {
        self.inquire(sought, deadline, |inquiry, place| inquiry.tell(place, asked))
    }
}

impl Inquiry<'_> {
    fn tell(&mut self, place: &Place, asked: CommitAsked) -> Result<Option<Told>, SourceError> {
        let Some(at) = self.reachable(asked.id) else { return Ok(None) };
        let changes = self.own_changes(at);
        if changes.is_empty() && !self.is_open(at) {
            return Ok(None);
        }
        let merge = self.past.parents(at).len() > 1;
        let plans = if merge { self.plain(&changes) } else { self.with_renames(&changes)? };
        let (id, written, words) = self.words(at)?;
        let parents: Vec<u32> = self.past.parents(at).to_vec();
        let shown = |parent: &u32| self.is_open(*parent) || !self.own_changes(*parent).is_empty();
        let parents = parents.iter().filter(|parent| shown(parent)).filter_map(|parent| Some(self.past.commit(*parent)?.id)).collect();
        let total = plans.len();
        if asked.from > 0 && asked.from >= total {
            return Ok(None);
        }
        let (files, next) = self.files(at, plans, asked, merge)?;
        Ok(Some(Told { place: place.clone(), id, at: written, words, parents, merge, from: asked.from, total, files, next }))
    }

    /// What a commit itself changed, within what may be read.
    fn own_changes(&self, at: u32) -> Vec<Change> {
        let readable = |change: &&Change| change.own && self.past.path(change.path).is_some_and(|path| (self.reads)(path));
        self.past.changes_of(at).iter().filter(readable).copied().collect()
    }

    fn plain(&self, changes: &[Change]) -> Vec<Plan> {
        let mut plans: Vec<Plan> = changes
            .iter()
            .filter_map(|change| {
                let (old, new) = (self.past.side(change.old), self.past.side(change.new));
                Some(Plan { path: self.past.path(change.path)?.clone(), from: None, old, new })
            })
            .collect();
        plans.sort_by(|a, b| a.path.cmp(&b.path));
        plans
    }

    /// A file that went and one that came from it are one change.
    fn with_renames(&mut self, changes: &[Change]) -> Result<Vec<Plan>, SourceError> {
        let mut plans = self.plain(changes);
        let differences: Vec<_> = plans.iter().map(|plan| (plan.path.clone(), plan.old, plan.new)).collect();
        let gone = plans.iter().filter(|plan| plan.new.is_none()).count();
        let came = plans.iter().filter(|plan| plan.old.is_none()).count();
        if gone == 0 || came == 0 {
            return Ok(plans);
        }
        let few = gone.saturating_mul(came) <= MOST_PAIRS;
        let moves = Moves::of(differences, self.reads);
        let mut taken: HashSet<RepoPath> = HashSet::new();
        for plan in plans.iter_mut().filter(|plan| plan.old.is_none()) {
            let Some(new) = plan.new else { continue };
            self.deadline.check()?;
            let free = |path: &RepoPath| !taken.contains(path);
            let source = if few { moves.source_of(&mut self.reader, &plan.path, new, &free)? } else { moves.same(&plan.path, new, &free) };
            taken.extend(source.iter().map(|(path, _)| path.clone()));
            plan.from = source;
        }
        plans.retain(|plan| plan.new.is_some() || !taken.contains(&plan.path));
        Ok(plans)
    }

    /// The files of a part, until it is full; and where the next one begins.
    fn files(&mut self, at: u32, plans: Vec<Plan>, asked: CommitAsked, merge: bool) -> Result<Part, SourceError> {
        let (mut files, mut lines, mut names, mut skip) = (Vec::new(), 0, 0, asked.skip);
        for (number, plan) in plans.into_iter().enumerate().skip(asked.from) {
            names += weight(&plan.path) + plan.from.as_ref().map_or(0, |(path, _)| weight(path));
            let many_names = names > MOST_BYTES_OF_NAMES;
            if lines >= MOST_LINES || files.len() >= MOST_FILES || (many_names && !files.is_empty()) {
                return Ok((files, Some((number, 0))));
            }
            self.deadline.check()?;
            let mut file = self.file(at, plan, merge)?;
            let all = file.lines.len();
            let most = if many_names { FEW_LINES } else { MOST_LINES - lines };
            let range = super::window(std::mem::take(&mut skip), most, all);
            file.skipped = range.start;
            file.left = all - range.end;
            let end = range.end;
            file.lines = file.lines.get(range).unwrap_or_default().to_vec();
            lines += file.lines.len();
            let left = file.left;
            files.push(file);
            if left > 0 {
                return Ok((files, Some((number, end))));
            }
        }
        Ok((files, None))
    }

    fn file(&mut self, at: u32, plan: Plan, merge: bool) -> Result<ToldFile, SourceError> {
        let number = self.past.number_of(&plan.path);
        let track = number.map(|number| self.follow(number));
        let old = plan.from.as_ref().map(|(_, side)| *side).or(plan.old);
        let mut file = ToldFile {
            stands: track.is_some_and(|track| self.side(track, self.head) != NONE),
            became: if plan.from.is_some() { Became::Changed } else { Became::of(plan.old, plan.new, merge) },
            path: plan.path,
            renamed_from: plan.from.map(|(path, _)| path),
            binary: false,
            unread: false,
            added: 0,
            removed: 0,
            lines: Vec::new(),
            skipped: 0,
            left: 0,
        };
        if merge {
            self.merged(at, &mut file)?;
        } else {
            let (old, new) = (self.reader.bytes(old)?, self.reader.bytes(plan.new)?);
            let Some((old, new)) = old.zip(new).filter(|(old, new)| old.len().max(new.len()) <= LARGEST) else {
                file.unread = true;
                return Ok(file);
            };
            let (old, new) = (text_of(&old), text_of(&new));
            file.binary = old.binary || new.binary;
            if !file.binary {
                file.lines = unified(&old.text, &new.text, &|_| true);
            }
        }
        let count = |sign| file.lines.iter().filter(|line| line.sign == sign).count() as u64;
        (file.added, file.removed) = (count(super::Sign::Added), count(super::Sign::Removed));
        Ok(file)
    }

    /// What a merge changed in a file is what is in none of its parents.
    fn merged(&mut self, at: u32, file: &mut ToldFile) -> Result<(), SourceError> {
        let id = self.past.commit(at).map(|commit| commit.id).ok_or(SourceError::BadCommit)?;
        let (_, changes) = self.reader.commit(id)?;
        let Some(change) = changes.iter().find(|change| change.path == file.path) else { return Ok(()) };
        match self.reader.lines(change)? {
            Some(Changed::Lines { lines, binary }) => {
                file.binary = binary;
                if !binary {
                    file.lines = bare(&lines);
                }
            }
            Some(Changed::Unread) => file.unread = true,
            None => {}
        }
        Ok(())
    }
}
