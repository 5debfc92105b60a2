//! How two texts differ, line by line, and which of their lines a page shows.
//!
//! A line is what the page of a file calls one, with what ends it, so a change of line ends is a change; bytes that mean nothing in the
//! encoding are told apart though all of them are shown by one sign.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput};

use crate::source::text::{self, Content, Text};

/// Lines that differ and stand one behind the other, counted from 0: what was there, and what is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    pub old: Range<u32>,
    pub new: Range<u32>,
}

/// A row of a page; lines are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Same {
        old: u32,
        new: u32,
    },
    Removed {
        old: u32,
    },
    Added {
        new: u32,
    },
    /// So many lines that are the same are not shown, from these on.
    Gap {
        old: u32,
        new: u32,
        lines: u32,
    },
}

/// A line, as it is compared.
#[derive(Clone, Copy, Default)]
struct Token<'a> {
    /// With what ends it.
    text: &'a str,
    offset: usize,
    invalid: &'a [(usize, u8)],
    /// White space tells nothing.
    loose: bool,
}

impl Token<'_> {
    fn letters(&self) -> impl Iterator<Item = char> {
        self.text.chars().filter(|c| !(self.loose && c.is_whitespace()))
    }

    fn bytes(&self) -> impl Iterator<Item = (usize, u8)> {
        let start = if self.loose { usize::MAX } else { self.offset };
        // Where white space tells nothing, the order of such bytes is enough: their signs stand at the same letters.
        self.invalid.iter().map(move |(at, byte)| (if start == usize::MAX { 0 } else { at - start }, *byte))
    }
}

impl PartialEq for Token<'_> {
    fn eq(&self, other: &Self) -> bool {
        let same = if self.loose { self.letters().eq(other.letters()) } else { self.text == other.text };
        same && self.bytes().eq(other.bytes())
    }
}

impl Eq for Token<'_> {}

impl Hash for Token<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.loose {
            self.letters().for_each(|c| c.hash(state));
        } else {
            self.text.hash(state);
        }
    }
}

impl AsRef<[u8]> for Token<'_> {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Every line of a text with what ends it.
pub(super) fn whole_lines(text: &Text) -> impl Iterator<Item = &str> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        let line = lines.next()?;
        let end = lines.peek().map_or(text.as_str().len(), |next| next.offset);
        text.as_str().get(line.offset..end)
    })
}

fn tokens(text: &Text, loose: bool) -> impl Iterator<Item = Token<'_>> {
    text.lines().zip(whole_lines(text)).map(move |(line, whole)| Token { text: whole, offset: line.offset, invalid: line.invalid, loose })
}

fn differ<'a>(old: &'a Text, new: &'a Text, loose: bool) -> (Diff, InternedInput<Token<'a>>) {
    let mut input = InternedInput::default();
    input.update_before(tokens(old, loose));
    input.update_after(tokens(new, loose));
    (Diff::compute(Algorithm::Myers, &input), input)
}

/// What differs, in order. `loose`: white space tells nothing.
pub(super) fn hunks(old: &Text, new: &Text, loose: bool) -> Vec<Hunk> {
    let (mut diff, input) = differ(old, new, loose);
    diff.postprocess_lines(&input);
    diff.hunks().map(|hunk| Hunk { old: hunk.before, new: hunk.after }).collect()
}

/// Lines added and removed.
pub(super) fn count(old: &Text, new: &Text) -> (u32, u32) {
    let (diff, _) = differ(old, new, false);
    (diff.count_additions(), diff.count_removals())
}

/// As [`text::decode`], without a look at the bytes where there is no question.
pub(super) fn decode(bytes: &[u8]) -> Content {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) && !text.starts_with('\u{feff}') => Content::Text(Text::from(text.to_owned())),
        _ => text::decode(bytes),
    }
}

/// The rows of a page: what differs with `context` lines around it, and the lines of the new text that were `opened`, first and
/// last from 1.
pub(super) fn rows(hunks: &[Hunk], lines: (u32, u32), context: u32, opened: &[(u32, u32)]) -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut old, mut new) = (0, 0);
    let end = Hunk { old: lines.0..lines.0, new: lines.1..lines.1 };
    for (place, hunk) in hunks.iter().chain([&end]).enumerate() {
        let (first, last) = (place == 0, place == hunks.len());
        same(&mut rows, (old, new), hunk.new.start - new, [if first { 0 } else { context }, if last { 0 } else { context }], opened);
        rows.extend(hunk.old.clone().map(|old| Row::Removed { old: old + 1 }));
        rows.extend(hunk.new.clone().map(|new| Row::Added { new: new + 1 }));
        (old, new) = (hunk.old.end, hunk.new.end);
    }
    rows
}

/// Lines that are the same, between two hunks: those next to them are shown, and those that were opened.
fn same(rows: &mut Vec<Row>, (old, new): (u32, u32), lines: u32, [before, after]: [u32; 2], opened: &[(u32, u32)]) {
    let mut shown: Vec<Range<u32>> = vec![0..before.min(lines), lines.saturating_sub(after)..lines];
    for (first, last) in opened {
        let from = first.saturating_sub(new + 1).min(lines);
        shown.push(from..last.saturating_sub(new).min(lines));
    }
    shown.retain(|range| range.start < range.end);
    shown.sort_unstable_by_key(|range| range.start);
    let mut at = 0;
    let skip = |rows: &mut Vec<Row>, at: u32, to: u32| match to.saturating_sub(at) {
        0 => {}
        // A gap takes as much room as a line.
        1 => rows.push(Row::Same { old: old + at + 1, new: new + at + 1 }),
        lines => rows.push(Row::Gap { old: old + at + 1, new: new + at + 1, lines }),
    };
    for range in shown {
        skip(rows, at, range.start);
        rows.extend((range.start.max(at)..range.end).map(|n| Row::Same { old: old + n + 1, new: new + n + 1 }));
        at = at.max(range.end);
    }
    skip(rows, at, lines);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(words: &str) -> Text {
        Text::from(words.to_owned())
    }

    /// `-2 +2`, `=1/1`, `..3`.
    fn shown(old: &str, new: &str, loose: bool, context: u32, opened: &[(u32, u32)]) -> String {
        let (old, new) = (text(old), text(new));
        let lines = |text: &Text| u32::try_from(text.line_count()).unwrap();
        let rows = rows(&hunks(&old, &new, loose), (lines(&old), lines(&new)), context, opened);
        let words = rows.iter().map(|row| match row {
            Row::Same { old, new } => format!("={old}/{new}"),
            Row::Removed { old } => format!("-{old}"),
            Row::Added { new } => format!("+{new}"),
            Row::Gap { old, new, lines } => format!("..{old}/{new}x{lines}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rows_show_changes_with_lines_around_them() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\nV\n6\n7\n8\n9\n10\n";
        assert_eq!(shown(old, new, false, 1, &[]), "..1/1x3 =4/4 -5 +5 =6/6 ..7/7x2 =9/9 +10");
        assert_eq!(shown(old, new, false, 1, &[(2, 3)]), "=1/1 =2/2 =3/3 =4/4 -5 +5 =6/6 ..7/7x2 =9/9 +10");
        assert_eq!(shown(old, new, false, 1, &[(1, 99)]), "=1/1 =2/2 =3/3 =4/4 -5 +5 =6/6 =7/7 =8/8 =9/9 +10");
        assert_eq!(shown("", "a\nb", false, 3, &[]), "+1 +2");
        assert_eq!(shown("a\nb\n", "a\nb\n", false, 3, &[]), "..1/1x2");
        assert_eq!(shown("", "", false, 3, &[]), "");
    }

    #[test]
    fn line_ends_and_bytes_that_are_not_text_are_compared() {
        assert_eq!(shown("a\r\nb\r\n", "a\nb\n", false, 0, &[]), "-1 -2 +1 +2");
        assert_eq!(shown("a\nb", "a\nb\n", false, 0, &[]), "=1/1 -2 +2");
        assert_eq!(shown("a\rb\r", "a\rc\r", false, 0, &[]), "=1/1 -2 +2");
        let (Content::Text(old), Content::Text(new)) = (decode(b"x\n\xfe plain words here\n"), decode(b"x\n\xff plain words here\n"))
        else {
            panic!("these are texts");
        };
        assert_eq!(hunks(&old, &new, false), [Hunk { old: 1..2, new: 1..2 }]);
        assert_eq!(count(&old, &new), (1, 1));
        assert_eq!(hunks(&old, &new, true), [Hunk { old: 1..2, new: 1..2 }]);
    }

    #[test]
    fn white_space_can_be_left_aside() {
        assert_eq!(shown("if (x)\n\ty;\r\n", "if  ( x )\n    y ;\n", true, 0, &[]), "..1/1x2");
        assert_eq!(shown("a b\nc\n", "ab\nd\n", true, 0, &[]), "=1/1 -2 +2");
    }

    proptest! {
        /// What is shown, applied to the old text, gives the new one; taken back, the old one.
        #[test]
        fn rows_turn_one_text_into_the_other(old in "[ab \r\n]{0,40}", new in "[ab \r\n]{0,40}", context in 0..4_u32, loose: bool) {
            let (a, b) = (text(&old), text(&new));
            let (olds, news): (Vec<&str>, Vec<&str>) = (whole_lines(&a).collect(), whole_lines(&b).collect());
            let lines = (u32::try_from(olds.len()).unwrap(), u32::try_from(news.len()).unwrap());
            let (mut forth, mut back) = (String::new(), String::new());
            let (mut at_old, mut at_new) = (1, 1);
            for row in rows(&hunks(&a, &b, loose), lines, context, &[]) {
                let (from, to, run) = match row {
                    Row::Same { old, new } => (old, new, 1),
                    Row::Gap { old, new, lines } => (old, new, lines),
                    Row::Removed { old } => {
                        prop_assert_eq!(old, at_old);
                        back.push_str(olds[old as usize - 1]);
                        at_old += 1;
                        continue;
                    }
                    Row::Added { new } => {
                        prop_assert_eq!(new, at_new);
                        forth.push_str(news[new as usize - 1]);
                        at_new += 1;
                        continue;
                    }
                };
                prop_assert_eq!((from, to), (at_old, at_new));
                for n in 0..run {
                    let (one, other) = (olds[(from + n) as usize - 1], news[(to + n) as usize - 1]);
                    if !loose {
                        prop_assert_eq!(one, other);
                    }
                    forth.push_str(other);
                    back.push_str(one);
                }
                at_old += run;
                at_new += run;
            }
            prop_assert_eq!(forth, new);
            prop_assert_eq!(back, old);
        }
    }
}
