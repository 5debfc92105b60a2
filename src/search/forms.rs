//! The forms of a file: all documents at one path, as the lines that they have in common.
//!
//! What lies on disk may have been damaged: runs carry a checksum, and every line that is told lies at this path.

use std::cell::OnceCell;
use std::ops::Range;

use super::blocks::Blocks;
use super::pattern::line_end;
use super::weave::{Run, each};
use super::{ProductIndex, SearchError};

/// The documents at a path.
pub(super) struct Forms<'a> {
    all: Vec<Form<'a>>,
    /// Where the own lines of each begin, when that is asked for.
    starts: Vec<OnceCell<Vec<usize>>>,
}

/// A document, and its own lines.
pub(super) struct Form<'a> {
    pub(super) document: u32,
    pub(super) own: &'a [u8],
    /// The number of the first of its own lines, and how many they are.
    pub(super) lines: Run,
    runs: &'a [u8],
    /// Bytes of its text.
    size: u64,
}

impl<'a> Forms<'a> {
    /// All documents at the path of this one, whatever a scope says.
    pub(super) fn of(index: &'a ProductIndex, document: u32) -> Result<Self, SearchError> {
        let mut all = Vec::new();
        let mut first = 0_u32;
        for &number in index.documents.forms(document) {
            let Some((known, body)) = index.documents.get(number).and_then(|known| Some((known, known.body?))) else { continue };
            let (own, runs) = (index.contents.own(known)?, index.contents.runs(known)?);
            all.push(Form { document: number, own, lines: Run { first, lines: body.lines }, runs, size: body.text });
            first = first.checked_add(body.lines).ok_or_else(|| damaged("it has more lines than can be counted"))?;
        }
        Ok(Self { starts: all.iter().map(|_| OnceCell::new()).collect(), all })
    }

    /// Those of the path that these documents have, when one of them was woven.
    pub(super) fn of_woven(index: &'a ProductIndex, documents: &[u32]) -> Result<Option<Self>, SearchError> {
        let woven = |number: &&u32| index.documents.get(**number).and_then(|known| known.body).is_some_and(|body| body.is_woven());
        documents.iter().find(woven).map(|&number| Self::of(index, number)).transpose()
    }

    pub(super) fn all(&self) -> &[Form<'a>] {
        &self.all
    }

    /// The lines of a document, in order. None when it has no text.
    pub(super) fn runs(&self, document: u32) -> Result<Vec<Run>, SearchError> {
        let mut runs = Vec::new();
        self.each_run(document, |run| runs.push(run))?;
        Ok(runs)
    }

    /// As [`Forms::runs`], one by one.
    pub(super) fn each_run(&self, document: u32, mut take_in: impl FnMut(Run)) -> Result<(), SearchError> {
        let Ok(place) = self.all.binary_search_by_key(&document, |form| form.document) else { return Ok(()) };
        let Some(form) = self.all.get(place) else { return Ok(()) };
        if form.runs.is_empty() {
            take_in(form.lines);
            return Ok(());
        }
        each(form.runs, self.lines(), take_in).ok_or_else(|| damaged("the lines of a file are not what was written"))
    }

    /// Lines in all.
    pub(super) fn lines(&self) -> u32 {
        self.all.last().map_or(0, |form| form.lines.first + form.lines.lines)
    }

    /// A line: the own lines among which it stands, and where, without its newline; and the block that it lies in, by which it was
    /// counted, so that it is this line when the block is what was written.
    pub(super) fn line(&self, blocks: &Blocks, number: u32) -> Option<(&'a [u8], Range<usize>, u32)> {
        let (_, form) = self.form_of(number)?;
        let nth = number - form.lines.first;
        let known = blocks.of(form.document).filter_map(|number| Some((number, blocks.get(number)?)));
        let (within, block) = known.take_while(|(_, block)| !block.raw && block.lines <= nth).last()?;
        let start = block.range().start + nth_line(form.own.get(block.range())?, nth - block.lines);
        Some((form.own, start..line_end(form.own, start), within))
    }

    /// Whose own line this is.
    fn form_of(&self, number: u32) -> Option<(usize, &Form<'a>)> {
        let place = self.all.partition_point(|form| form.lines.first <= number).checked_sub(1)?;
        self.all.get(place).filter(|form| number - form.lines.first < form.lines.lines).map(|form| (place, form))
    }

    /// Where a line begins among the own lines of a form; behind the last line their end.
    fn start(&self, place: usize, number: u32) -> Option<usize> {
        let form = self.all.get(place)?;
        let starts = self.starts.get(place)?.get_or_init(|| {
            let behind = memchr::memchr_iter(b'\n', form.own).map(|newline| newline + 1);
            std::iter::once(0).chain(behind).collect()
        });
        let nth = number.checked_sub(form.lines.first)?;
        if nth >= form.lines.lines { Some(form.own.len()) } else { starts.get(nth as usize).copied() }
    }

    /// Checks that the own lines of all are those that were written.
    pub(super) fn check(&self, index: &ProductIndex) -> Result<(), SearchError> {
        self.all.iter().try_for_each(|form| index.documents.blocks().check(form.document, form.own))
    }

    /// The text of a document, put together.
    pub(super) fn text(&self, document: u32) -> Result<Vec<u8>, SearchError> {
        let size = self.all.iter().find(|form| form.document == document).map_or(0, |form| form.size);
        let mut text = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        for run in self.runs(document)? {
            let mut rest = run;
            // A run may go on from the lines of one document to those of the next.
            while let Some((place, form)) = self.form_of(rest.first).filter(|_| rest.lines > 0) {
                let taken = rest.lines.min(form.lines.first + form.lines.lines - rest.first);
                let part = self.start(place, rest.first).zip(self.start(place, rest.first + taken));
                text.extend_from_slice(part.and_then(|(start, end)| form.own.get(start..end)).unwrap_or_default());
                rest = Run { first: rest.first + taken, lines: rest.lines - taken };
            }
        }
        if text.len() as u64 == size { Ok(text) } else { Err(damaged("the text of a file is not what was written")) }
    }
}

/// Where so many lines end.
pub(super) fn nth_line(text: &[u8], lines: u32) -> usize {
    let Some(last) = (lines as usize).checked_sub(1) else { return 0 };
    memchr::memchr_iter(b'\n', text).nth(last).map_or(text.len(), |newline| newline + 1)
}

fn damaged(what: &str) -> SearchError {
    SearchError::damaged(what)
}
