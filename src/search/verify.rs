//! Reading a document: whether a query holds of it, and which of its lines are shown.

use std::ops::Range;

use super::pattern::{line_end, line_start};
use super::plan::{Plan, Test};
use super::searcher::{LineHit, PageRequest};

/// Bytes of a line that are shown at most.
const WIDEST: usize = 2_000;
/// Bytes shown before the first match in a line that is too long to be shown whole.
const LEAD: usize = 200;
/// Matches marked in a line at most.
const MOST_MARKS: usize = 500;

/// How many lines are shown of a text that matches; `None` when it does not match.
pub(super) fn count(plan: &Plan, asked: &Test, document: u32, text: &[u8]) -> Option<u64> {
    let mut found = vec![None; plan.matchers.len()];
    let holds = asked.holds(document, &mut |place| {
        let known = found.get(place).copied().flatten();
        known.unwrap_or_else(|| {
            let is = plan.matchers.get(place).is_some_and(|matcher| matcher.is_in(text));
            if let Some(slot) = found.get_mut(place) {
                *slot = Some(is);
            }
            is
        })
    });
    if !holds {
        return None;
    }
    let lines = match plan.shown.as_slice() {
        [only] => {
            let mut lines = 0;
            if let Some(matcher) = plan.matchers.get(*only) {
                matcher.lines(text, |_| lines += 1);
            }
            lines
        }
        _ => starts(plan, text).len() as u64,
    };
    Some(lines)
}

/// The lines that a match of a term touches: the first of them in full, and how many there are.
pub(super) fn lines(plan: &Plan, text: &[u8], page: &PageRequest) -> (Vec<LineHit>, u64) {
    let starts = starts(plan, text);
    let total = starts.len() as u64;
    let mut shown: Vec<(Range<usize>, Vec<Range<usize>>)> =
        starts.into_iter().take(page.lines_per_file).map(|start| (start..line_end(text, start), Vec::new())).collect();
    for place in &plan.shown {
        if let Some(matcher) = plan.matchers.get(*place) {
            mark(&mut shown, matcher.matches(text));
        }
    }
    let mut number = 1;
    let mut counted = 0;
    let hits = shown.into_iter().map(|(line, marks)| {
        number += newlines(text.get(counted..line.start));
        counted = line.start;
        let mut hit = excerpt(text, &line, marks);
        hit.number = number;
        hit.before = before(text, line.start, page.context);
        hit.after = after(text, line.end, page.context);
        hit
    });
    (hits.collect(), total)
}

fn starts(plan: &Plan, text: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    for place in &plan.shown {
        if let Some(matcher) = plan.matchers.get(*place) {
            matcher.lines(text, |start| starts.push(start));
        }
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// Adds matches, which come in order, to the lines that they touch.
fn mark(lines: &mut [(Range<usize>, Vec<Range<usize>>)], matches: impl Iterator<Item = Range<usize>>) {
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

fn newlines(text: Option<&[u8]>) -> u64 {
    text.unwrap_or_default().iter().map(|&b| u64::from(b == b'\n')).sum()
}

/// A line as it is shown: whole, or the part around its first match. `marks` are places in the text.
fn excerpt(text: &[u8], line: &Range<usize>, mut marks: Vec<Range<usize>>) -> LineHit {
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
    LineHit {
        number: 0,
        text: shown.into_owned(),
        ranges,
        before: Vec::new(),
        after: Vec::new(),
        cut_front: from - line.start,
        cut_back: end - to,
    }
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
