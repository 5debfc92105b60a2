//! Weaving: a text told by lines that others at its path have already.
//!
//! A file changes little from version to version, and what is written of it once is looked through once for all versions. Each
//! document has lines of its *own*: all of its text, or, when it was woven, those that no earlier document at its path has.
//! The own lines of all documents at a path, one behind the other in the order of their numbers, are counted through; *runs* of
//! them are the text of a document that was woven. A line is taken to be the same only when it is, byte for byte.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

/// Lines looked at that may be the same as one: of a line that stands everywhere, the last ones will do.
const LOOKED_AT: usize = 16;
/// Bytes of a line that is rather written once more than taken from elsewhere between two others that are new.
const SHORT: usize = 12;

/// Neighbouring lines, as they are counted at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) lines: u32,
}

/// A text, woven.
pub(super) struct Woven {
    pub(super) own: Vec<u8>,
    pub(super) runs: Vec<Run>,
}

/// The own lines of the documents at a path, to weave with.
#[derive(Default)]
pub(super) struct Loom {
    text: Vec<u8>,
    starts: Vec<usize>,
    /// The last line of each fingerprint, and for each line the one before it with the same.
    last: HashMap<u64, u32>,
    before: Vec<Option<u32>>,
}

impl Loom {
    /// Takes the own lines of the next document.
    pub(super) fn take(&mut self, own: &[u8]) {
        for line in lines_of(own) {
            let Ok(number) = u32::try_from(self.starts.len()) else { return };
            self.starts.push(self.text.len());
            self.text.extend_from_slice(line);
            self.before.push(self.last.insert(fingerprint(line), number));
        }
    }

    /// A text by the lines that were taken. `None` when they are too many to be counted.
    pub(super) fn weave(&self, text: &[u8]) -> Option<Woven> {
        let mut woven = Woven { own: Vec::new(), runs: Vec::new() };
        let mut next_own = u32::try_from(self.starts.len()).ok()?;
        let mut expected = None;
        let mut lines = lines_of(text).peekable();
        while let Some(line) = lines.next() {
            let same = expected.filter(|&number| self.line(number) == Some(line));
            let in_own = expected.is_none() && !woven.runs.is_empty();
            let found = same.or_else(|| self.find(line, lines.peek().copied(), in_own));
            let number = found.unwrap_or(next_own);
            if found.is_none() {
                woven.own.extend_from_slice(line);
                next_own = next_own.checked_add(1)?;
            }
            match woven.runs.last_mut() {
                Some(run) if run.first + run.lines == number => run.lines += 1,
                _ => woven.runs.push(Run { first: number, lines: 1 }),
            }
            expected = found.map(|number| number + 1);
        }
        Some(woven)
    }

    fn line(&self, number: u32) -> Option<&[u8]> {
        let start = *self.starts.get(number as usize)?;
        self.text.get(start..self.starts.get(number as usize + 1).copied().unwrap_or(self.text.len()))
    }

    /// The same line, rather one before the same line as here.
    fn find(&self, line: &[u8], next: Option<&[u8]>, in_own: bool) -> Option<u32> {
        let mut at = self.last.get(&fingerprint(line)).copied();
        let mut any = None;
        for _ in 0..LOOKED_AT {
            let Some(number) = at else { break };
            if self.line(number) == Some(line) {
                if next.is_none_or(|next| self.line(number + 1) == Some(next)) {
                    return Some(number);
                }
                any = any.or(Some(number));
            }
            at = self.before.get(number as usize).copied().flatten();
        }
        any.filter(|_| !in_own || line.len() > SHORT)
    }
}

fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&b| b == b'\n')
}

fn fingerprint(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    hasher.finish()
}

/// Lines of a text: also the last one that no newline ends.
pub(super) fn count_lines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count() + usize::from(text.last().is_some_and(|&b| b != b'\n'))
}

/// Runs as they are written: a checksum; then of each how far behind the end of the one before it begins, and its lines.
pub(super) fn encode(runs: &[Run]) -> Vec<u8> {
    let mut out = vec![0; 4];
    let mut end = 0_i64;
    for run in runs {
        let step = i64::from(run.first) - end;
        put(&mut out, u64::try_from((step << 1) ^ (step >> 63)).unwrap_or(0));
        put(&mut out, u64::from(run.lines));
        end = i64::from(run.first) + i64::from(run.lines);
    }
    let sum = crc32fast::hash(out.get(4..).unwrap_or_default());
    out.splice(..4, sum.to_le_bytes());
    out
}

/// Reads runs one by one. `None` when these are not the bytes that were written, or name a line that is not one of so many.
pub(super) fn each(bytes: &[u8], lines: u32, mut take_in: impl FnMut(Run)) -> Option<()> {
    let (sum, mut rest) = bytes.split_first_chunk()?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut end = 0_i64;
    while !rest.is_empty() {
        let step = i64::try_from(take(&mut rest)?).ok()?;
        let first = u32::try_from(end.checked_add((step >> 1) ^ -(step & 1))?).ok()?;
        let run = Run { first, lines: u32::try_from(take(&mut rest)?).ok()? };
        let behind = run.first.checked_add(run.lines).filter(|&behind| behind <= lines)?;
        end = i64::from(behind);
        take_in(run);
    }
    Some(())
}

/// Seven bits at a time, the lowest first.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7F).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, more) = rest.split_first()?;
        *rest = more;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8], lines: u32) -> Option<Vec<Run>> {
        let mut runs = Vec::new();
        each(bytes, lines, |run| runs.push(run))?;
        Some(runs)
    }

    /// The text that runs stand for.
    fn read(loom: &Loom, woven: &Woven) -> Vec<u8> {
        let own: Vec<&[u8]> = lines_of(&woven.own).collect();
        let line = |n: u32| loom.line(n).unwrap_or_else(|| own[n as usize - loom.starts.len()]);
        woven.runs.iter().flat_map(|run| run.first..run.first + run.lines).flat_map(|n| line(n).to_vec()).collect()
    }

    #[test]
    fn what_is_there_already_is_not_written_again() {
        let mut loom = Loom::default();
        loom.take(b"one\n}\ntwo\n}\nthree");
        let woven = loom.weave(b"one\n}\nbetween\ntwo\n}\nthree").unwrap();
        assert_eq!(woven.own, b"between\n");
        let run = |first, lines| Run { first, lines };
        assert_eq!(woven.runs, [run(0, 2), run(5, 1), run(2, 3)]);
        // "three" without its end is another line than "three" with it.
        assert_eq!(loom.weave(b"three\n").unwrap().own, b"three\n");
        assert_eq!(loom.weave(b"").unwrap().runs, []);
        // What is short and stands between new lines goes with them.
        assert_eq!(loom.weave(b"new\n}\nnewer\n").unwrap().runs, [run(5, 3)]);
    }

    proptest! {
        #[test]
        fn a_woven_text_is_that_text(texts in prop::collection::vec("[ab}\n]{0,40}", 1..6), last in "[abc}\n]{0,60}") {
            let mut loom = Loom::default();
            for text in &texts {
                loom.take(text.as_bytes());
            }
            let woven = loom.weave(last.as_bytes()).unwrap();
            prop_assert_eq!(read(&loom, &woven), last.as_bytes());
            let lines = u32::try_from(loom.starts.len() + count_lines(&woven.own)).unwrap();
            let written = encode(&woven.runs);
            let behind = woven.runs.iter().map(|run| run.first + run.lines).max().unwrap_or(0);
            prop_assert_eq!(decode(&written, lines), Some(woven.runs));
            if behind > 0 {
                prop_assert_eq!(decode(&written, behind - 1), None);
            }
            for place in 0..written.len() {
                let mut flipped = written.clone();
                flipped[place] ^= 0x10;
                prop_assert_eq!(decode(&flipped, lines), None);
            }
        }
    }
}
