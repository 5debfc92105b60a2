//! The history of some lines of a file, as `git log -L` tells it: the commits that changed them, each with what it changed.
//!
//! The lines are followed back from the version: through a commit that did not touch them under the numbers they had before, and through
//! one that did as all the lines that stood in the place of those it changed. A merge that took them from one side is passed over to it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::blame::Nature;
use super::diff::{DiffLine, Sign, numbers, unified};
use super::shown::{Answer, Deadline, Inquiry, MOST_BYTES_OF_NAMES, Step, bytes_of_words, weight, with_commits};
use super::{NONE, NOWHERE};
use crate::access::{Cleared, Entitled, Resource, Sought};
use crate::audit::{Draft, Kind, Receipt, Shown};
use crate::catalog::{Place, RepoPath, path_text};
use crate::source::history::{Hunk, hunks, text_of};
use crate::source::tree::{EntryKind, ObjectId};
use crate::source::{SourceError, Vault, with_object};

/// Lines shown of one commit and of a page: the entry names every one of them.
const MOST_OF_A_COMMIT: usize = 200;
const MOST_OF_A_PAGE: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinesAsked {
    /// First and last line, counted from 1.
    pub lines: (u64, u64),
    /// The commit that was shown last before.
    pub after: Option<ObjectId>,
    pub most: usize,
}

/// A part of the history of some lines; nothing of it is told before it is recorded.
#[derive(Clone, Debug)]
pub struct LinesTrail {
    place: Place,
    blob: ObjectId,
    nature: Nature,
    /// None where the file has no lines.
    lines: Option<(u64, u64)>,
    rows: Vec<LinesRow>,
    more: bool,
}

/// A commit that changed the lines.
#[derive(Clone, Debug)]
pub struct LinesRow {
    pub step: Step,
    pub lines: Vec<DiffLine>,
    /// Lines of the change that are not shown.
    pub left: usize,
}

impl Resource for LinesTrail {
    fn place(&self) -> &Place {
        &self.place
    }

    fn kind(&self) -> Kind {
        Kind::HistoryViewed
    }

    fn describe(&self, draft: Draft) -> Draft {
        let mut draft = with_object(draft, self.blob);
        if let Some(place) = &mut draft.place {
            place.lines = self.lines;
        }
        let shown = |row: &LinesRow, path: &RepoPath| Shown {
            product: self.place.product.clone(),
            versions: vec![self.place.version.clone()],
            path: path_text(path),
            commit: Some(row.step.commit.to_string()),
            ..Shown::default()
        };
        let mut places = Vec::new();
        for row in &self.rows {
            let (lines, removed) = numbers(&row.lines);
            let path = &row.step.path;
            match &row.step.renamed_from {
                Some(from) => {
                    places.push(Shown { lines, ..shown(row, path) });
                    places.push(Shown { removed, ..shown(row, from) });
                }
                None => places.push(Shown { lines, removed, ..shown(row, path) }),
            }
        }
        let draft = with_commits(draft, self.rows.iter().map(|row| (row.step.commit, row.step.words.is_some())));
        if places.is_empty() { draft } else { draft.showing(places) }
    }
}

impl Answer for LinesTrail {
    fn bytes(&self) -> Option<usize> {
        let lines = self.rows.iter().flat_map(|row| &row.lines);
        let texts = lines.map(|line| line.text.len() + size_of::<DiffLine>()).sum::<usize>();
        Some(texts + self.rows.iter().map(|row| bytes_of_words(&row.step)).sum::<usize>())
    }
}

/// A part of the history of some lines, told.
pub struct LinesTold<'a> {
    pub place: &'a Place,
    pub nature: Nature,
    /// First and last line, counted from 1, within the file; none where it has no lines.
    pub lines: Option<(u64, u64)>,
    /// Newest first.
    pub rows: &'a [LinesRow],
    /// The commit after which the next page begins.
    pub next: Option<ObjectId>,
    pub receipt: Receipt,
}

impl LinesTrail {
    /// Tells what was recorded.
    #[must_use]
    pub fn told(cleared: &Cleared<Self>) -> LinesTold<'_> {
        let trail = cleared.get().resource();
        let next = trail.rows.last().filter(|_| trail.more).map(|row| row.step.commit);
        LinesTold { place: &trail.place, nature: trail.nature, lines: trail.lines, rows: &trail.rows, next, receipt: cleared.receipt() }
    }
}

type Ranges = Vec<Range<u32>>;

impl Vault {
    /// The commits that changed some lines of a file; the permit comes back when there is no such file.
    ///
    /// # Errors
    /// When the repository cannot be read, or time is up.
    pub fn lines_trail(
        &self,
        sought: Entitled<Sought>,
        asked: LinesAsked,
        deadline: Deadline,
    ) -> Result<Result<Entitled<LinesTrail>, Entitled<Sought>>, SourceError> {
        self.inquire_once(&self.tables.lines, asked, sought, deadline, |inquiry, place| inquiry.lines_trail(place, asked))
    }
}

impl Inquiry<'_> {
    fn lines_trail(&mut self, place: &Place, asked: LinesAsked) -> Result<Option<LinesTrail>, SourceError> {
        let Some(number) = self.past.number_of(&place.path).filter(|_| (self.reads)(&place.path)) else { return Ok(None) };
        let track = self.follow(number);
        let Some(side) = self.past.side(self.side(track, self.head)) else { return Ok(None) };
        if side.kind == EntryKind::Submodule {
            return Ok(None);
        }
        let bytes = self.reader.bytes(Some(side))?;
        let text = bytes.as_deref().map(|bytes| text_of(bytes));
        let nature = match &text {
            None => Nature::Large,
            Some(text) if text.binary => Nature::NoText,
            Some(_) => Nature::Text,
        };
        let count = text.filter(|text| !text.binary).map_or(0, |text| super::blame::lines_in(&text.text));
        if count == 0 {
            return Ok(Some(LinesTrail { place: place.clone(), blob: side.id, nature, lines: None, rows: Vec::new(), more: false }));
        }
        let within = |line: u64| u32::try_from(line).unwrap_or(u32::MAX).clamp(1, count);
        let (first, last) = (within(asked.lines.0.min(asked.lines.1)), within(asked.lines.0.max(asked.lines.1)));
        let mut waiting: BTreeMap<(u32, usize), Ranges> = BTreeMap::new();
        waiting.insert((self.origin(track, self.head), track), std::iter::once(first - 1..last).collect());
        let (mut rows, mut begun, mut more): (Vec<LinesRow>, bool, bool) = (Vec::new(), asked.after.is_none(), false);
        let (mut shown, mut names) = (0, 0);
        while let Some(((at, track), ranges)) = waiting.pop_last() {
            self.deadline.check()?;
            let Some((row, passed)) = self.lines_step(at, track, &united(ranges), begun)? else { continue };
            for (key, ranges) in passed {
                waiting.entry(key).or_default().extend(ranges);
            }
            let Some(row) = row else { continue };
            if !begun {
                begun = Some(row.step.commit) == asked.after;
                continue;
            }
            if rows.len() >= asked.most || shown >= MOST_OF_A_PAGE || names > MOST_BYTES_OF_NAMES {
                more = true;
                break;
            }
            shown += row.lines.len();
            names += weight(&row.step.path) + row.step.renamed_from.as_ref().map_or(0, weight);
            rows.push(row);
        }
        let lines = Some((u64::from(first), u64::from(last)));
        Ok(Some(LinesTrail { place: place.clone(), blob: side.id, nature, lines, rows, more }).filter(|trail| !trail.rows.is_empty()))
    }

    /// What a commit did to the lines, if anything, and where they were before.
    #[expect(clippy::type_complexity, reason = "it is taken apart where it is called, and nowhere else")]
    fn lines_step(
        &mut self,
        at: u32,
        track: usize,
        ranges: &Ranges,
        show: bool,
    ) -> Result<Option<(Option<LinesRow>, Vec<((u32, usize), Ranges)>)>, SourceError> {
        let own = self.bytes(track, at)?;
        let own = text_of(&own);
        let parents = self.past.parents(at).to_vec();
        let merge = parents.len() > 1;
        let mut passed = Vec::new();
        let mut first = None;
        for parent in parents.iter().copied().chain(parents.is_empty().then_some(NOWHERE)) {
            let was = if parent == NOWHERE { track } else { self.in_parent(track, at, parent)? };
            let bytes = if parent == NOWHERE { std::sync::Arc::default() } else { self.bytes(was, parent)? };
            let old = text_of(&bytes);
            let hunks = hunks(&old.text, &own.text);
            let touched = |hunk: &Hunk| touches(hunk, ranges);
            let before = ranges.iter().map(|range| moved(range, &hunks)).filter(|range| !range.is_empty()).collect::<Ranges>();
            let key = (self.origin(was, parent), was);
            let stands = parent != NOWHERE && self.side(was, parent) != NONE && key.0 != NOWHERE;
            if merge && stands && !hunks.iter().any(touched) {
                // It took these lines from this side.
                return Ok(Some((None, vec![(key, before)])));
            }
            if first.is_none() {
                let lines = if show && !merge { clipped(unified(&old.text, &own.text, &touched), ranges) } else { Vec::new() };
                first = Some((hunks.iter().any(touched), lines, Some((parent, was)).filter(|_| parent != NOWHERE)));
            }
            if stands && !before.is_empty() {
                passed.push((key, before));
            }
        }
        let Some((touched, mut lines, before)) = first else { return Ok(None) };
        if !touched && !merge {
            return Ok(Some((None, passed)));
        }
        let left = lines.len().saturating_sub(MOST_OF_A_COMMIT);
        lines.truncate(MOST_OF_A_COMMIT);
        Ok(Some((Some(LinesRow { step: self.step(at, track, before)?, lines, left }), passed)))
    }
}

/// Ranges in order, those that meet made one.
fn united(mut ranges: Ranges) -> Ranges {
    ranges.sort_by_key(|range| range.start);
    let mut united: Ranges = Vec::with_capacity(ranges.len());
    for range in ranges {
        match united.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => united.push(range),
        }
    }
    united
}

/// Whether a hunk changed one of these lines, or took something away between two of them.
fn touches(hunk: &Hunk, ranges: &Ranges) -> bool {
    let (start, end) = (hunk.new.start, hunk.new.end);
    ranges.iter().any(|range| if start == end { range.start < start && start < range.end } else { start < range.end && range.start < end })
}

/// Where a range stood before: all that stood in the place of what was changed within it counts.
fn moved(range: &Range<u32>, hunks: &[Hunk]) -> Range<u32> {
    let (mut start, mut end) = (range.start, range.end);
    // The last hunk that begins before a border says how far it moved.
    for hunk in hunks {
        if hunk.new.end <= range.start {
            start = hunk.old.end + (range.start - hunk.new.end);
        } else if hunk.new.start <= range.start {
            start = hunk.old.start;
        }
        if hunk.new.end <= range.end && !(hunk.new.is_empty() && hunk.new.start == range.end) {
            end = hunk.old.end + (range.end - hunk.new.end);
        } else if hunk.new.start < range.end {
            end = hunk.old.end;
        }
    }
    start..end.max(start)
}

/// Without the added lines that were not asked for.
fn clipped(lines: Vec<DiffLine>, ranges: &Ranges) -> Vec<DiffLine> {
    let asked = |line: u32| ranges.iter().any(|range| range.contains(&(line.saturating_sub(1))));
    lines.into_iter().filter(|line| line.sign != Sign::Added || line.new.is_some_and(asked)).collect()
}

#[cfg(test)]
mod ranges {
    use super::*;

    #[test]
    fn are_followed_through_a_change() {
        let old = b"a\nb\nc\nd\ne\n";
        let before = |new: &[u8], range: Range<u32>| {
            let hunks = hunks(old, new);
            (moved(&range, &hunks), hunks.iter().any(|hunk| touches(hunk, &vec![range.clone()])))
        };
        assert_eq!(before(b"x\na\nb\nc\nd\ne\n", 1..3), (0..2, false));
        assert_eq!(before(b"a\nb\nc\nd\ne\nx\n", 1..3), (1..3, false));
        assert_eq!(before(b"a\nB\nc\nd\ne\n", 1..3), (1..3, true));
        assert_eq!(before(b"a\nB\nBB\nc\nd\ne\n", 1..3), (1..2, true));
        assert_eq!(before(b"a\nc\nd\ne\n", 1..3), (2..4, false));
        assert_eq!(before(b"a\nd\ne\n", 0..2), (0..4, true));
        assert_eq!(before(b"a\nb\nc\n", 0..3), (0..3, false));
        assert_eq!(before(b"a\nb\nnew\nc\nd\ne\n", 2..3), (2..2, true));
        assert_eq!(united(vec![4..6, 0..2, 2..3, 5..9]), [0..3, 4..9]);
    }
}
