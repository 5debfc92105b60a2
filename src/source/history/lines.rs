//! Lines that a change adds and removes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput};

use crate::source::text::{self, Content, Encoding};

/// Lines of one sign that stand one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub added: bool,
    /// The number of its first line, from 1: in the new file when added, in the old one when removed.
    pub first: u32,
    pub lines: u32,
}

/// The changed lines of one file, each ended by a newline, and which lines they are. In the order of the file; removed lines
/// before those added in their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    pub text: Vec<u8>,
    pub runs: Vec<Run>,
}

/// A file as its lines are compared: as it is searched.
pub(in crate::source) struct Text<'a> {
    pub(in crate::source) text: Cow<'a, [u8]>,
    /// It is no text: these are the texts found in it, one a line.
    pub(in crate::source) binary: bool,
}

pub(in crate::source) fn text_of(bytes: &[u8]) -> Text<'_> {
    let (text, binary) = if std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0) && !bytes.starts_with(b"\xef\xbb\xbf") {
        // Most files by far. What is a picture by its first bytes is not UTF-8, but for a GIF without a NUL, which is text.
        (Cow::Borrowed(bytes), false)
    } else {
        match text::decode(bytes) {
            // Bytes that are not UTF-8 stay findable as bytes.
            Content::Text(text) if text.encoding() == Encoding::Utf8 && !text.byte_order_mark() => (Cow::Borrowed(bytes), false),
            Content::Text(text) => (Cow::Owned(text.as_str().as_bytes().to_vec()), false),
            Content::Image(_) | Content::Binary => (Cow::Owned(text::texts_within(bytes)), true),
        }
    };
    Text { text, binary }
}

impl Lines {
    /// What turns `old` into `new`.
    pub(super) fn between(old: &[u8], new: &[u8]) -> Self {
        let mut lines = Self::default();
        if old == new {
            return lines;
        }
        if old.is_empty() || new.is_empty() {
            lines.push_all(false, 1, old);
            lines.push_all(true, 1, new);
            return lines;
        }
        let (old_middle, new_middle, skipped) = middles(old, new);
        let input = InternedInput::new(old_middle, new_middle);
        let mut diff = Diff::compute(Algorithm::Myers, &input);
        diff.postprocess_lines(&input);
        for hunk in diff.hunks() {
            for (added, range, tokens) in [(false, hunk.before, &input.before), (true, hunk.after, &input.after)] {
                if range.is_empty() {
                    continue;
                }
                lines.runs.push(Run { added, first: skipped + 1 + range.start, lines: range.end - range.start });
                for token in tokens.get(range.start as usize..range.end as usize).unwrap_or_default() {
                    lines.push_text(input.interner[*token]);
                }
            }
        }
        lines
    }

    /// What a merge itself changed: lines it adds that none of its parents has, and lines it takes away that all had. `all` holds
    /// what turns each parent into the merge; removed lines are told by their text, and numbered as in the first parent.
    pub(super) fn of_merge(all: &[Self]) -> Self {
        let Some((first, others)) = all.split_first() else { return Self::default() };
        let mut added: HashMap<u32, usize> = HashMap::new();
        let mut removed: Vec<HashMap<&[u8], usize>> = vec![HashMap::new(); others.len()];
        for (other, removed) in others.iter().zip(&mut removed) {
            other.each(|sign, number, line| {
                if sign {
                    *added.entry(number).or_default() += 1;
                } else {
                    *removed.entry(line).or_default() += 1;
                }
            });
        }
        let mut own = Self::default();
        first.each(|sign, number, line| {
            let all_agree = if sign {
                added.get(&number).is_some_and(|count| *count == others.len())
            } else {
                removed.iter().all(|lines| lines.contains_key(line))
            };
            if !all_agree {
                return;
            }
            if !sign {
                for lines in &mut removed {
                    if let Some(count) = lines.get_mut(line) {
                        *count -= 1;
                        if *count == 0 {
                            lines.remove(line);
                        }
                    }
                }
            }
            own.push_line(sign, number, line);
        });
        own
    }

    /// Calls `visit` with every line: whether it is added, its number, and its text without the newline that ends it here.
    fn each<'t>(&'t self, mut visit: impl FnMut(bool, u32, &'t [u8])) {
        let mut texts = self.text.split(|&b| b == b'\n');
        for run in &self.runs {
            for number in (run.first..).take(run.lines as usize) {
                visit(run.added, number, texts.next().unwrap_or_default());
            }
        }
    }

    fn push_line(&mut self, added: bool, number: u32, line: &[u8]) {
        match self.runs.last_mut() {
            Some(run) if run.added == added && run.first + run.lines == number => run.lines += 1,
            _ => self.runs.push(Run { added, first: number, lines: 1 }),
        }
        self.push_text(line);
    }

    fn push_all(&mut self, added: bool, first: u32, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let unended = u32::from(text.last() != Some(&b'\n'));
        self.runs.push(Run { added, first, lines: newlines(text) + unended });
        self.push_text(text);
    }

    fn push_text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        if text.last() != Some(&b'\n') {
            self.text.push(b'\n');
        }
    }
}

/// Lines that were replaced, and the lines that stand in their place; counted from 0, and one of the two may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) struct Hunk {
    pub(in crate::source) old: Range<u32>,
    pub(in crate::source) new: Range<u32>,
}

/// What turns `old` into `new`, without the lines themselves.
pub(in crate::source) fn hunks(old: &[u8], new: &[u8]) -> Vec<Hunk> {
    if old == new {
        return Vec::new();
    }
    let (old, new, skipped) = middles(old, new);
    let input = InternedInput::new(old, new);
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let moved = |range: Range<u32>| range.start + skipped..range.end + skipped;
    diff.hunks().map(|hunk| Hunk { old: moved(hunk.before), new: moved(hunk.after) }).collect()
}

/// What differs, and how many lines stand before it. What is the same at both ends is left aside, but for some lines: where like lines
/// stand around a change, which of them are said to be changed is chosen as git does, by looking at what is around.
fn middles<'t>(old: &'t [u8], new: &'t [u8]) -> (&'t [u8], &'t [u8], u32) {
    let front = common_front(old, new);
    let (old_rest, new_rest) = (old.get(front..).unwrap_or_default(), new.get(front..).unwrap_or_default());
    let back = common_back(old_rest, new_rest);
    let middle = |rest: &'t [u8]| rest.get(..rest.len() - back).unwrap_or_default();
    (middle(old_rest), middle(new_rest), newlines(old.get(..front).unwrap_or_default()))
}

/// Lines on either side of what differs that are compared nevertheless.
const AROUND: usize = 40;
/// Bytes compared at once.
const STEP: usize = 64;

/// Bytes at the beginning that are the same: whole lines, less the last few of them.
fn common_front(old: &[u8], new: &[u8]) -> usize {
    let steps = old.chunks_exact(STEP).zip(new.chunks_exact(STEP)).take_while(|(a, b)| a == b).count() * STEP;
    let rest = old.iter().zip(new).skip(steps).take_while(|(a, b)| a == b).count();
    let same = old.get(..steps + rest).unwrap_or_default();
    let mut ends = same.iter().enumerate().rev().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
    ends.nth(AROUND).unwrap_or(0)
}

/// Bytes at the end that are the same: whole lines, less the first few of them.
fn common_back(old: &[u8], new: &[u8]) -> usize {
    let steps = old.rchunks_exact(STEP).zip(new.rchunks_exact(STEP)).take_while(|(a, b)| a == b).count() * STEP;
    let rest = old.iter().rev().zip(new.iter().rev()).skip(steps).take_while(|(a, b)| a == b).count();
    let same = steps + rest;
    // The first line of what is the same may be the end of one that differs: it is among those left out here.
    let tail = old.get(old.len() - same..).unwrap_or_default();
    let mut ends = tail.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
    ends.nth(AROUND).map_or(0, |end| same - end)
}

fn newlines(text: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(lines: &Lines) -> Vec<String> {
        let mut out = Vec::new();
        lines.each(|added, number, text| out.push(format!("{}{number} {}", if added { '+' } else { '-' }, String::from_utf8_lossy(text))));
        out
    }

    #[test]
    fn lines_carry_their_sign_and_number() {
        let between = |old: &str, new: &str| shown(&Lines::between(old.as_bytes(), new.as_bytes()));
        assert_eq!(between("a\nb\nc\n", "a\nB\nc\n"), ["-2 b", "+2 B"]);
        assert_eq!(between("", "a\nb"), ["+1 a", "+2 b"]);
        assert_eq!(between("a\nb", ""), ["-1 a", "-2 b"]);
        assert_eq!(between("a\nb", "a\nb\n"), ["-2 b", "+2 b"]);
        assert_eq!(between("x\na\nb\nc\nd\ny\n", "x\na\nB\nc\nD\ny\n"), ["-3 b", "+3 B", "-5 d", "+5 D"]);
        assert_eq!(between("same\n", "same\n"), [""; 0]);
        assert_eq!(between("a\r\n", "a\n"), ["-1 a\r", "+1 a"]);
        assert_eq!(between("\n\n", "\n\n\n"), ["+3 "]);
        assert_eq!(between("xa\nz\n", "ya\nz\n"), ["-1 xa", "+1 ya"]);
    }

    #[test]
    fn a_merge_has_only_what_is_in_no_parent() {
        let ours = b"one\nours\nthree\nfour\nfive\n";
        let theirs = b"one\ntwo\nthree\nfour\ntheirs\n";
        let clean = b"one\nours\nthree\nfour\ntheirs\n";
        let of = |new: &[u8]| shown(&Lines::of_merge(&[Lines::between(ours, new), Lines::between(theirs, new)]));
        assert_eq!(of(clean), [""; 0]);
        assert_eq!(of(b"one\nours\nevil\nthree\ntheirs\n"), ["+3 evil", "-4 four"]);
    }

    #[test]
    fn encodings_do_not_hide_a_change() {
        let utf16 = |text: &str| -> Vec<u8> { [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect() };
        let told = |bytes: &[u8]| (String::from_utf8_lossy(&text_of(bytes).text).into_owned(), text_of(bytes).binary);
        assert_eq!(told(&utf16("naïve\n")), ("naïve\n".to_owned(), false));
        assert_eq!(told(b"\0\x01\x02"), (String::new(), true));
        assert_eq!(told(b"mostly text \xff\nmore text\n"), ("mostly text \u{fffd}\nmore text\n".to_owned(), false));
    }

    proptest! {
        /// Applied to the old text, the lines give the new one.
        #[test]
        fn they_turn_the_old_into_the_new(old in "[ab\n]{0,30}", new in "[ab\n]{0,30}") {
            let lines = Lines::between(old.as_bytes(), new.as_bytes());
            let (mut removed, mut added) = (HashMap::new(), HashMap::new());
            lines.each(|sign, number, text| {
                let text = String::from_utf8(text.to_vec()).unwrap();
                assert!(if sign { added.insert(number, text) } else { removed.insert(number, text) }.is_none());
            });
            let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
            let mut kept: std::collections::VecDeque<&str> = std::collections::VecDeque::new();
            for (number, line) in (1..).zip(&old_lines) {
                match removed.remove(&number) {
                    Some(text) => prop_assert_eq!(&text, line.trim_end_matches('\n')),
                    None => kept.push_back(line),
                }
            }
            prop_assert!(removed.is_empty());
            for (number, line) in (1..).zip(new.split_inclusive('\n')) {
                if let Some(text) = added.remove(&number) {
                    prop_assert_eq!(&text, line.trim_end_matches('\n'));
                } else {
                    prop_assert_eq!(kept.pop_front(), Some(line));
                }
            }
            prop_assert!(added.is_empty() && kept.is_empty());
        }
    }
}
