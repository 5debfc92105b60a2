//! Lines of a change as they are shown: what went, what came, and a few lines around.

use crate::source::history::{Hunk, Lines, hunks};

/// Lines shown around what changed.
const AROUND: u32 = 3;

/// A line of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    pub sign: Sign,
    /// Its number before and afterwards, counted from 1, where it has one.
    pub old: Option<u32>,
    pub new: Option<u32>,
    /// Without the newline that ends it.
    pub text: String,
    /// It is the last one, and no newline ends it.
    pub unended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Added,
    Removed,
    Same,
    /// Lines are left out before the next.
    Gap,
}

impl DiffLine {
    fn of(sign: Sign, old: Option<u32>, new: Option<u32>, text: &[u8]) -> Self {
        let ended = text.strip_suffix(b"\n");
        let unended = ended.is_none() && sign != Sign::Gap;
        Self { sign, old, new, text: String::from_utf8_lossy(ended.unwrap_or(text)).into_owned(), unended }
    }

    fn gap() -> Self {
        Self::of(Sign::Gap, None, None, b"")
    }
}

/// What turns `old` into `new`, with lines around. Of hunks that `wanted` does not take, nothing.
pub(super) fn unified(old: &[u8], new: &[u8], wanted: &dyn Fn(&Hunk) -> bool) -> Vec<DiffLine> {
    let hunks = hunks(old, new);
    let (old, new) = (lines(old), lines(new));
    let end = u32::try_from(new.len()).unwrap_or(u32::MAX);
    let line = |lines: &[&[u8]], at: u32| lines.get(at as usize).map(|line| line.to_vec()).unwrap_or_default();
    let mut shown = Vec::new();
    // The lines of the new file behind the last one shown, and behind the hunk before.
    let (mut behind, mut before) = (0, 0);
    for (at, hunk) in hunks.iter().enumerate() {
        if wanted(hunk) {
            let from = hunk.new.start.saturating_sub(AROUND).max(before).max(behind);
            if from > behind {
                shown.push(DiffLine::gap());
            }
            // Between hunks the files are the same, line by line.
            let same = |number: u32, old_end: u32, new_end: u32| {
                let old = (old_end + number).checked_sub(new_end).map(|old| old + 1);
                DiffLine::of(Sign::Same, old, Some(number + 1), &line(&new, number))
            };
            shown.extend((from..hunk.new.start).map(|number| same(number, hunk.old.start, hunk.new.start)));
            shown.extend(hunk.old.clone().map(|number| DiffLine::of(Sign::Removed, Some(number + 1), None, &line(&old, number))));
            shown.extend(hunk.new.clone().map(|number| DiffLine::of(Sign::Added, None, Some(number + 1), &line(&new, number))));
            let next = hunks.get(at + 1).map_or(end, |next| next.new.start);
            behind = (hunk.new.end + AROUND).min(next);
            shown.extend((hunk.new.end..behind).map(|number| same(number, hunk.old.end, hunk.new.end)));
        }
        before = hunk.new.end;
    }
    if behind < end && !shown.is_empty() {
        shown.push(DiffLine::gap());
    }
    shown
}

/// Changed lines of a merge, as they are told: without lines around.
pub(super) fn bare(lines: &Lines) -> Vec<DiffLine> {
    let mut texts = lines.text.split_inclusive(|&b| b == b'\n');
    let mut shown: Vec<DiffLine> = Vec::new();
    let mut before: Option<bool> = None;
    for run in &lines.runs {
        // What was taken away stands beside what came in its place.
        if before.is_some_and(|added| added || !run.added) {
            shown.push(DiffLine::gap());
        }
        before = Some(run.added);
        for number in (run.first..).take(run.lines as usize) {
            let text = texts.next().unwrap_or_default();
            let (sign, old, new) = if run.added { (Sign::Added, None, Some(number)) } else { (Sign::Removed, Some(number), None) };
            shown.push(DiffLine::of(sign, old, new, text));
        }
    }
    shown
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&b| b == b'\n').collect()
}

/// The numbers of the lines that were shown of the new file, and those of the old one that went.
pub(super) fn numbers(shown: &[DiffLine]) -> (Vec<u64>, Vec<u64>) {
    let new = shown.iter().filter_map(|line| line.new.map(u64::from)).collect();
    let removed = shown.iter().filter(|line| line.sign == Sign::Removed).filter_map(|line| line.old.map(u64::from)).collect();
    (new, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> Vec<String> {
        let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
        let line = |line: DiffLine| match line.sign {
            Sign::Gap => "…".to_owned(),
            sign => {
                let sign = match sign {
                    Sign::Added => '+',
                    Sign::Removed => '-',
                    _ => ' ',
                };
                format!("{}:{}{sign}{}{}", number(line.old), number(line.new), line.text, if line.unended { "|" } else { "" })
            }
        };
        unified(old.as_bytes(), new.as_bytes(), &|_| true).into_iter().map(line).collect()
    }

    #[test]
    fn changes_stand_with_the_lines_around_them() {
        assert_eq!(told("a\nb\nc\n", "a\nB\nc\n"), ["1:1 a", "2:--b", "-:2+B", "3:3 c"]);
        let old: String = (1..=20).map(|n| n.to_string() + "\n").collect();
        let new = old.replace("\n10\n", "\nten\nmore\n").replace("\n20\n", "\n20");
        assert_eq!(
            told(&old, &new),
            [
                "…",
                "7:7 7",
                "8:8 8",
                "9:9 9",
                "10:--10",
                "-:10+ten",
                "-:11+more",
                "11:12 11",
                "12:13 12",
                "13:14 13",
                "…",
                "17:18 17",
                "18:19 18",
                "19:20 19",
                "20:--20",
                "-:21+20|"
            ]
        );
        assert_eq!(told("", "x\n"), ["-:1+x"]);
        assert_eq!(told("x\ny\n", ""), ["1:--x", "2:--y"]);
        assert_eq!(told("x\n", "x\n"), [""; 0]);
        assert_eq!(told("x\r\n", "x\n"), ["1:--x\r", "-:1+x"]);
    }
}
