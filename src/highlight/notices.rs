//! What in a file a reader should be told of before reading it.

use std::fmt;

use super::marks::Mark;

/// Of each kind at most this many line numbers are kept.
const KEPT_LINES: usize = 100;

/// Why a place in a text deserves a second look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A control character that changes the order in which its neighbours are read (CVE-2021-42574).
    ReadingOrder,
    /// A character that is not seen.
    Invisible,
    /// A word with letters of several scripts (CVE-2021-42694).
    MixedScripts,
    /// A word of another script that looks like an ASCII word.
    Lookalike,
    /// A byte that means nothing in the file's encoding.
    InvalidBytes,
}

/// All places of one kind. `Display` is a sentence for the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub kind: Kind,
    /// How many places there are.
    pub count: usize,
    /// The lines they are on, from 1, in order, each once; at most the first hundred.
    pub lines: Vec<usize>,
    /// On how many lines there are any.
    pub line_count: usize,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.count == 1;
        if one {
            f.write_str("One ")?;
        } else {
            write!(f, "{} ", self.count)?;
        }
        f.write_str(match (self.kind, one) {
            (Kind::ReadingOrder, true) => "invisible character that changes reading order",
            (Kind::ReadingOrder, false) => "invisible characters that change reading order",
            (Kind::Invisible, true) => "character that cannot be seen",
            (Kind::Invisible, false) => "characters that cannot be seen",
            (Kind::MixedScripts, true) => "word that mixes letters of several scripts",
            (Kind::MixedScripts, false) => "words that mix letters of several scripts",
            (Kind::Lookalike, true) => "word that looks like another in plain letters",
            (Kind::Lookalike, false) => "words that look like others in plain letters",
            (Kind::InvalidBytes, true) => "byte that is not text",
            (Kind::InvalidBytes, false) => "bytes that are not text",
        })?;
        match (self.lines.as_slice(), self.line_count) {
            ([line], 1) => write!(f, ", on line {line}."),
            ([first, second], 2) => write!(f, ", on lines {first} and {second}."),
            ([first, second, third], 3) => write!(f, ", on lines {first}, {second} and {third}."),
            ([first, ..], lines) => write!(f, ", on {lines} lines from line {first}."),
            ([], _) => f.write_str("."),
        }
    }
}

/// The notices of a file, the gravest kind first; a kind of which there is nothing is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notices(Vec<Notice>);

impl Notices {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Notice> {
        self.0.iter()
    }

    pub fn of(&self, kind: Kind) -> Option<&Notice> {
        self.iter().find(|notice| notice.kind == kind)
    }
}

impl<'a> IntoIterator for &'a Notices {
    type Item = &'a Notice;
    type IntoIter = std::slice::Iter<'a, Notice>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Counts while lines are written.
#[derive(Default)]
pub(super) struct Tally {
    line: usize,
    counted: Vec<Counted>,
}

struct Counted {
    notice: Notice,
    last_line: usize,
}

impl Tally {
    pub(super) fn next_line(&mut self) {
        self.line += 1;
    }

    pub(super) fn add_mark(&mut self, mark: Mark) {
        match mark {
            Mark::Order => self.add(Kind::ReadingOrder),
            Mark::Hidden => self.add(Kind::Invisible),
            Mark::Mild => {}
        }
    }

    pub(super) fn add(&mut self, kind: Kind) {
        let place = self.counted.partition_point(|counted| counted.notice.kind < kind);
        if self.counted.get(place).is_none_or(|counted| counted.notice.kind != kind) {
            let notice = Notice { kind, count: 0, lines: Vec::new(), line_count: 0 };
            self.counted.insert(place, Counted { notice, last_line: 0 });
        }
        let Some(Counted { notice, last_line }) = self.counted.get_mut(place) else { return };
        notice.count += 1;
        if *last_line != self.line {
            *last_line = self.line;
            notice.line_count += 1;
            if notice.lines.len() < KEPT_LINES {
                notice.lines.push(self.line);
            }
        }
    }

    pub(super) fn finish(self) -> Notices {
        Notices(self.counted.into_iter().map(|counted| counted.notice).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(places: &[usize]) -> Notice {
        let mut tally = Tally::default();
        for line in 1..=places.last().copied().unwrap_or(0) {
            tally.next_line();
            places.iter().filter(|place| **place == line).for_each(|_| tally.add(Kind::ReadingOrder));
        }
        tally.finish().of(Kind::ReadingOrder).cloned().unwrap()
    }

    #[test]
    fn a_notice_is_a_sentence() {
        assert_eq!(notice(&[207]).to_string(), "One invisible character that changes reading order, on line 207.");
        assert_eq!(notice(&[3, 3]).to_string(), "2 invisible characters that change reading order, on line 3.");
        assert_eq!(notice(&[3, 9]).to_string(), "2 invisible characters that change reading order, on lines 3 and 9.");
        assert_eq!(notice(&[3, 9, 14, 14]).to_string(), "4 invisible characters that change reading order, on lines 3, 9 and 14.");
        assert_eq!(notice(&[3, 9, 14, 20]).to_string(), "4 invisible characters that change reading order, on 4 lines from line 3.");
    }

    #[test]
    fn lines_are_bounded_and_counts_are_not() {
        let places: Vec<usize> = (1..=500).collect();
        let notice = notice(&places);
        assert_eq!((notice.count, notice.line_count, notice.lines.len()), (500, 500, KEPT_LINES));
    }

    #[test]
    fn the_gravest_kind_comes_first() {
        let mut tally = Tally::default();
        for kind in [Kind::InvalidBytes, Kind::Invisible, Kind::ReadingOrder, Kind::MixedScripts] {
            tally.add(kind);
        }
        let kinds: Vec<Kind> = tally.finish().iter().map(|notice| notice.kind).collect();
        assert_eq!(kinds, [Kind::ReadingOrder, Kind::Invisible, Kind::MixedScripts, Kind::InvalidBytes]);
    }
}
