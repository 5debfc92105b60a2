//! Reading a document: whether a query holds of it, and which of its lines are shown.
//!
//! What matches within lines is looked for block by block, in the blocks that may have it; anything else in the whole text.
//! A document's own bytes, where its text was decoded from them, are looked at when the text has nothing.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::blocks::Block;
use super::forms::Forms;
use super::pattern::{Matcher, line_end, line_start};
use super::plan::{Bound, Plan, defined_lines};
use super::rank::Signals;
use super::results::{LineHit, LineText, PageRequest};
use super::{ProductIndex, SearchError};

/// Bytes of a line that are shown at most.
const WIDEST: usize = 2_000;
/// Bytes shown before the first match in a line that is too long to be shown whole.
const LEAD: usize = 200;
/// Matches marked in a line at most.
const MOST_MARKS: usize = 500;

/// A document to look into.
pub(super) struct Subject<'a> {
    plan: &'a Plan,
    bound: &'a Bound,
    index: &'a ProductIndex,
    number: u32,
    text: Cow<'a, [u8]>,
    raw: &'a [u8],
    /// Those of a text that was woven are not its own: it has none.
    blocks: Vec<(u32, Block)>,
    woven: bool,
    /// Whether to give up.
    stop: &'a (dyn Fn() -> bool + Sync),
}

/// What is to be shown of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) lines: u64,
    pub(super) signals: Signals,
}

impl<'a> Subject<'a> {
    /// A document, of these forms when it was woven; `stop` is asked between its blocks. What is counted when it said so counts for nothing.
    pub(super) fn new(
        plan: &'a Plan,
        bound: &'a Bound,
        index: &'a ProductIndex,
        number: u32,
        forms: Option<&Forms<'_>>,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Option<Self>, SearchError> {
        let Some(document) = index.documents.get(number) else { return Ok(None) };
        let woven = document.body.is_some_and(|body| body.is_woven());
        let text = match forms.filter(|_| woven) {
            Some(forms) => Cow::Owned(forms.text(number)?),
            None => index.text(number)?,
        };
        let raw = index.contents.raw(document)?;
        let all = index.documents.blocks();
        let blocks = all.of(number).filter(|_| !woven).filter_map(|block| Some((block, *all.get(block)?))).collect();
        Ok(Some(Self { plan, bound, index, number, text, raw, blocks, woven, stop }))
    }

    /// How many lines are shown; `None` when the document does not match.
    pub(super) fn count(&self) -> Option<Counted> {
        let mut signals = Signals::default();
        // The usual query is one term: whether it is found and how often is one question.
        if let ([only], true) = (self.plan.shown.as_slice(), self.bound.test.is_one_term()) {
            let lines = self.count_of(*only, &mut signals);
            return (lines > 0).then_some(Counted { lines, signals });
        }
        let mut found = vec![None; self.plan.matchers.len()];
        let holds = self.bound.test.holds(self.number, &mut |place| {
            let known = found.get(place).copied().flatten();
            known.unwrap_or_else(|| {
                let is = self.has(place);
                if let Some(slot) = found.get_mut(place) {
                    *slot = Some(is);
                }
                is
            })
        });
        if !holds {
            return None;
        }
        let mut lines = 0;
        if let [only] = self.plan.shown.as_slice() {
            lines = self.count_of(*only, &mut signals);
        } else {
            for raw in [false, true] {
                if lines == 0 {
                    lines = self.starts(raw, usize::MAX, &mut signals).1;
                }
            }
        }
        Some(Counted { lines, signals })
    }

    fn has(&self, place: usize) -> bool {
        let Some(matcher) = self.plan.matchers.get(place) else { return false };
        if let Some(named) = self.named(place) {
            return !named.is_empty();
        }
        [false, true].into_iter().any(|raw| self.pieces(place, matcher, raw).any(|(_, piece)| matcher.is_in(piece)))
    }

    fn count_of(&self, place: usize, signals: &mut Signals) -> u64 {
        if let Some(named) = self.named(place) {
            return named.chunk_by(|a, b| a == b).count() as u64;
        }
        let Some(matcher) = self.plan.matchers.get(place) else { return 0 };
        let mut lines = 0;
        for raw in [false, true] {
            for (_, piece) in self.pieces(place, matcher, raw) {
                matcher.lines(piece, |_, found| {
                    lines += 1;
                    signals.note(piece, found);
                });
            }
            if lines > 0 {
                break;
            }
        }
        lines
    }

    /// Of a matcher that is looked for in names: the lines, from 1, on which this text defines one.
    fn named(&self, place: usize) -> Option<&'a [u32]> {
        let defining = self.bound.names.get(place)?.as_ref()?;
        Some(defined_lines(self.index, defining, self.number).unwrap_or_default())
    }

    /// Where this line of the text, from 1, begins.
    fn start_of(&self, number: u32) -> Option<usize> {
        let block = self.blocks.iter().map(|(_, block)| block).rfind(|block| !block.raw && block.lines < number);
        let (mut start, before) = block.map_or((0, 0), |block| (block.range().start, block.lines));
        for _ in before + 1..number {
            start = (line_end(&self.text, start.min(self.text.len())) + 1).min(self.text.len());
        }
        (start < self.text.len()).then_some(start)
    }

    fn whole(&self, raw: bool) -> &[u8] {
        if raw { self.raw } else { &self.text }
    }

    /// What a matcher is looked for in, each with where it begins.
    fn pieces(&self, place: usize, matcher: &Matcher, raw: bool) -> impl Iterator<Item = (usize, &[u8])> {
        let whole = self.whole(raw);
        let among: Option<&RoaringBitmap> = self.bound.blocks.get(place).and_then(Option::as_ref);
        let at_once = !raw && self.woven || !(matcher.within_lines || raw && self.raw.is_empty());
        let blocks = self.blocks.iter().filter(move |(number, block)| {
            !at_once && matcher.within_lines && block.raw == raw && among.is_none_or(|among| among.contains(*number))
        });
        let blocks = blocks.filter_map(move |(_, block)| whole.get(block.range()).map(|piece| (block.range().start, piece)));
        at_once.then_some((0, whole)).into_iter().chain(blocks).take_while(|_| !(self.stop)())
    }

    /// Where the lines begin that are shown, of the text or of the raw bytes: the first of them, and how many there are.
    fn starts(&self, raw: bool, most: usize, signals: &mut Signals) -> (Vec<usize>, u64) {
        let mut starts = Vec::new();
        let mut total = 0;
        let alone = self.plan.shown.len() == 1;
        for place in &self.plan.shown {
            let Some(matcher) = self.plan.matchers.get(*place) else { continue };
            if let Some(named) = self.named(*place) {
                let named = if raw { &[] } else { named };
                let lines = named.chunk_by(|a, b| a == b).filter_map(|line| line.first());
                for start in lines.filter_map(|line| self.start_of(*line)) {
                    total += 1;
                    if !alone || starts.len() < most {
                        starts.push(start);
                    }
                }
                continue;
            }
            for (base, piece) in self.pieces(*place, matcher, raw) {
                matcher.lines(piece, |start, found| {
                    total += 1;
                    if !alone || starts.len() < most {
                        starts.push(base + start);
                    }
                    signals.note(piece, found);
                });
            }
        }
        if !alone {
            starts.sort_unstable();
            starts.dedup();
            total = starts.len() as u64;
            starts.truncate(most);
        }
        (starts, total)
    }

    /// The lines that a match of a term touches: the first of them in full, and how many there are.
    pub(super) fn lines(&self, page: &PageRequest) -> Result<(Vec<LineHit>, u64), SearchError> {
        for raw in [false, true] {
            let (starts, total) = self.starts(raw, page.lines_per_file, &mut Signals::default());
            if total > 0 {
                return Ok((self.show(&starts, raw, page)?, total));
            }
        }
        Ok((Vec::new(), 0))
    }

    /// A fingerprint of the text of each line that is shown, without the space around it.
    pub(super) fn fingerprints(&self) -> Vec<u64> {
        for raw in [false, true] {
            let (starts, total) = self.starts(raw, usize::MAX, &mut Signals::default());
            if total > 0 {
                let whole = self.whole(raw);
                return starts.into_iter().map(|start| fingerprint(whole.get(start..line_end(whole, start)).unwrap_or_default())).collect();
            }
        }
        Vec::new()
    }

    fn show(&self, starts: &[usize], raw: bool, page: &PageRequest) -> Result<Vec<LineHit>, SearchError> {
        let text = self.whole(raw);
        let mut shown: Vec<(Range<usize>, Vec<Range<usize>>)> =
            starts.iter().map(|&start| (start..line_end(text, start), Vec::new())).collect();
        for place in &self.plan.shown {
            let Some(matcher) = self.plan.matchers.get(*place) else { continue };
            if self.named(*place).is_some() {
                for (line, marks) in &mut shown {
                    marks.extend(
                        names_in(text, line).filter(|name| matcher.is_match(text.get(name.clone()).unwrap_or_default())).take(WIDEST),
                    );
                }
            } else if matcher.within_lines {
                for (line, marks) in &mut shown {
                    marks.extend(marks_of(matcher, text, line));
                }
            } else {
                mark(&mut shown, matcher.matches(text));
            }
        }
        let mut hits = Vec::with_capacity(shown.len());
        // The last place whose newlines before it are known.
        let (mut known, mut newlines) = (0, 0);
        let mut blocks = self.blocks.iter().map(|(_, block)| block).filter(|block| block.raw == raw).peekable();
        for (line, marks) in shown {
            while let Some(block) = blocks.next_if(|block| block.range().start <= line.start) {
                (known, newlines) = (block.range().start, u64::from(block.lines));
            }
            newlines += memchr::memchr_iter(b'\n', text.get(known..line.start).unwrap_or_default()).count() as u64;
            known = line.start;
            let mut shown = excerpt(text, &line, marks);
            shown.before = before(text, line.start, page.context);
            shown.after = after(text, line.end, page.context);
            hits.push(LineHit { number: newlines + 1, raw, spans: Arc::default(), shown: Arc::new(shown) });
        }
        self.check(starts, raw, page.context)?;
        Ok(hits)
    }

    /// Checks that what is shown is what was written: these lines, and what stands around them.
    fn check(&self, starts: &[usize], raw: bool, context: usize) -> Result<(), SearchError> {
        if self.woven {
            return Forms::of(self.index, self.number)?.check(self.index);
        }
        let text = self.whole(raw);
        let mut checked = 0;
        for &start in starts {
            let first = (0..context).fold(start, |at, _| line_start(text, at.saturating_sub(1)));
            let last = (0..context).fold(line_end(text, start), |end, _| line_end(text, (end + 1).min(text.len())));
            let near = |block: &Block| block.raw == raw && block.range().start <= last && first < block.range().end;
            for (number, block) in self.blocks.iter().filter(|(_, block)| near(block)) {
                if *number >= checked {
                    block.check(text)?;
                    checked = number + 1;
                }
            }
        }
        Ok(())
    }
}

/// What may be a name in a line.
fn names_in(text: &[u8], line: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let is_part = |at: usize| text.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || *b >= 0x80);
    let (mut at, end) = (line.start, line.end);
    std::iter::from_fn(move || {
        at += (at..end).take_while(|&at| !is_part(at)).count();
        let start = at;
        at += (at..end).take_while(|&at| is_part(at)).count();
        (start < at).then_some(start..at)
    })
}

fn marks_of(matcher: &Matcher, text: &[u8], line: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let (start, end) = (line.start, line.end);
    let found = matcher.matches(text.get(start..(end + 1).min(text.len())).unwrap_or_default()).take(WIDEST);
    found.map(move |m| start + m.start..(start + m.end).min(end)).filter(|m| !m.is_empty())
}

/// What matches in a line, where everything that is looked for matches within lines.
pub(super) fn marks_within(plan: &Plan, text: &[u8], line: &Range<usize>) -> Vec<Range<usize>> {
    plan.shown.iter().filter_map(|place| plan.matchers.get(*place)).flat_map(|matcher| marks_of(matcher, text, line)).collect()
}

/// Of a line, without the space around it.
pub(super) fn fingerprint(line: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    line.trim_ascii().hash(&mut hasher);
    hasher.finish()
}

/// Adds matches, which come in order, to the lines that they touch.
pub(super) fn mark(lines: &mut [(Range<usize>, Vec<Range<usize>>)], matches: impl Iterator<Item = Range<usize>>) {
    let mut rest = lines;
    // More cannot come to be seen of one line.
    let mut left = vec![WIDEST; rest.len()];
    let mut first = 0;
    for found in matches {
        let behind = rest.partition_point(|(line, _)| line.end < found.start);
        rest = rest.split_at_mut(behind).1;
        first += behind;
        if rest.is_empty() {
            return;
        }
        for ((line, marks), left) in rest.iter_mut().zip(left.iter_mut().skip(first)) {
            if line.start >= found.end {
                break;
            }
            let inside = found.start.max(line.start)..found.end.min(line.end);
            if !inside.is_empty() && *left > 0 {
                *left -= 1;
                marks.push(inside);
            }
        }
    }
}

/// A line as it is shown: whole, or the part around its first match. `marks` are places in the text.
pub(super) fn excerpt(text: &[u8], line: &Range<usize>, mut marks: Vec<Range<usize>>) -> LineText {
    let end = without_return(text, line);
    marks.sort_unstable_by_key(|mark| (mark.start, mark.end));
    let mut from = line.start;
    if end - line.start > WIDEST {
        let first = marks.first().map_or(line.start, |mark| mark.start);
        from = floor(text, first.saturating_sub(LEAD).clamp(line.start, end));
    }
    let to = floor(text, end.min(from.saturating_add(WIDEST))).max(from);
    let bytes = text.get(from..to).unwrap_or_default();
    let shown = String::from_utf8_lossy(bytes);
    // Where a byte of the line is in what is shown: the same place, unless something before it is not UTF-8.
    let exact = matches!(shown, std::borrow::Cow::Borrowed(_));
    let place = |at: usize| {
        let at = at.clamp(from, to) - from;
        if exact { at } else { String::from_utf8_lossy(bytes.get(..at).unwrap_or(bytes)).len().min(shown.len()) }
    };
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for mark in marks.into_iter().take_while(|mark| mark.start < to) {
        // An expression on bytes may match a part of a character: the whole of it is marked.
        let start = (0..=place(mark.start)).rev().find(|&at| shown.is_char_boundary(at)).unwrap_or(0);
        let stop = (place(mark.end)..=shown.len()).find(|&at| shown.is_char_boundary(at)).unwrap_or(shown.len());
        let full = ranges.len() == MOST_MARKS;
        match ranges.last_mut() {
            // Two terms may match at the same place.
            Some(last) if start < last.1 => last.1 = last.1.max(stop),
            _ if start < stop && !full => ranges.push((start, stop)),
            _ => {}
        }
    }
    LineText { text: shown.into_owned(), ranges, before: Vec::new(), after: Vec::new(), cut_front: from - line.start, cut_back: end - to }
}

/// The end of a line without the carriage return before its newline.
fn without_return(text: &[u8], line: &Range<usize>) -> usize {
    let ends_so = line.end > line.start && text.get(line.end) == Some(&b'\n') && text.get(line.end - 1) == Some(&b'\r');
    line.end - usize::from(ends_so)
}

/// The place itself, or the beginning of the UTF-8 character that it lies within.
fn floor(text: &[u8], at: usize) -> usize {
    let continues = |at: usize| text.get(at).is_some_and(|b| b & 0b1100_0000 == 0b1000_0000);
    (at.saturating_sub(3)..=at).rev().find(|&at| !continues(at)).unwrap_or(at)
}

fn before(text: &[u8], start: usize, lines: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = start;
    while found.len() < lines && at > 0 {
        let start = line_start(text, at - 1);
        found.push(excerpt(text, &(start..at - 1), Vec::new()).text);
        at = start;
    }
    found.reverse();
    found
}

fn after(text: &[u8], end: usize, lines: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = end + 1;
    while found.len() < lines && at < text.len() {
        let end = line_end(text, at);
        found.push(excerpt(text, &(at..end), Vec::new()).text);
        at = end + 1;
    }
    found
}
