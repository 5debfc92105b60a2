//! Blocks: the pieces of texts that are looked up and verified by themselves.
//!
//! A block is some whole lines, about [`TARGET`] bytes; a line that is longer is a block alone. What matches within a line thus
//! lies within one block, so that of a file of ten megabytes only the few blocks are read that have what is looked for. Of a
//! document that was woven its own lines are cut. One without any has one empty block, so that each has one.

use std::ops::Range;

use super::SearchError;
use super::documents::Body;
use super::pattern::line_end;

/// Bytes after which a block ends with its line.
pub(super) const TARGET: usize = 16 << 10;
/// A rest no longer than this is put to the block before it.
const REST: usize = 4 << 10;

/// Where the blocks of all documents lie. They are numbered through, in the order of documents; a document's stand in order:
/// first those of its text, then those of its raw bytes.
#[derive(Default)]
pub(super) struct Blocks {
    all: Vec<Block>,
    /// The first block of each document, and behind the last.
    first: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) document: u32,
    /// Bytes.
    pub(super) length: u32,
    /// From the beginning of the document's own lines, or of the raw bytes.
    pub(super) start: u64,
    /// Newlines before it, in these.
    pub(super) lines: u32,
    /// A checksum of its bytes.
    pub(super) sum: u32,
    /// It belongs to the raw bytes.
    pub(super) raw: bool,
}

impl Block {
    pub(super) fn range(&self) -> Range<usize> {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        start..start.saturating_add(self.length as usize)
    }

    /// Checks that its bytes, of these lines of its document, are those that were written.
    pub(super) fn check(&self, own: &[u8]) -> Result<(), SearchError> {
        let intact = own.get(self.range()).is_some_and(|bytes| crc32fast::hash(bytes) == self.sum);
        if intact { Ok(()) } else { Err(SearchError::damaged("the text of a file is not what was written")) }
    }
}

/// What is written of a block: its bytes, its newlines and its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) length: u32,
    pub(super) lines: u32,
    pub(super) sum: u32,
}

impl Measure {
    pub(super) fn of(block: &[u8]) -> Option<Self> {
        let newlines = memchr::memchr_iter(b'\n', block).count();
        Some(Self { length: u32::try_from(block.len()).ok()?, lines: u32::try_from(newlines).ok()?, sum: crc32fast::hash(block) })
    }
}

/// Where a text is cut.
pub(super) fn cut(text: &[u8]) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let mut end =
            if text.len() - start <= TARGET + REST { text.len() } else { (line_end(text, start + TARGET - 1) + 1).min(text.len()) };
        if text.len() - end <= REST {
            end = text.len();
        }
        cuts.push(start..end);
        start = end;
    }
    if cuts.is_empty() {
        cuts.push(0..0);
    }
    cuts
}

impl Blocks {
    /// Takes the next document's blocks. `false` when these are not the blocks of such a body.
    #[must_use]
    pub(super) fn push(&mut self, body: Option<&Body>, measures: &[Measure]) -> bool {
        if self.first.is_empty() {
            self.first.push(0);
        }
        let Ok(document) = u32::try_from(self.first.len() - 1) else { return false };
        let (own, raw) = body.map_or((0, 0), |body| (body.own, body.raw));
        let (mut at, mut lines, mut in_raw) = (0_u64, 0_u32, false);
        for &Measure { length, lines: newlines, sum } in measures {
            if !in_raw && at == own && raw > 0 {
                (at, lines, in_raw) = (0, 0, true);
            }
            self.all.push(Block { document, length, start: at, lines, sum, raw: in_raw });
            at += u64::from(length);
            let Some(before) = lines.checked_add(newlines) else { return false };
            lines = before;
        }
        let Ok(first) = u32::try_from(self.all.len()) else { return false };
        self.first.push(first);
        !measures.is_empty() && at == if raw > 0 { raw } else { own } && in_raw == (raw > 0)
    }

    /// Checks that the own lines of a document are those that were written.
    pub(super) fn check(&self, document: u32, own: &[u8]) -> Result<(), SearchError> {
        self.of(document).filter_map(|number| self.get(number)).filter(|block| !block.raw).try_for_each(|block| block.check(own))
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, number: u32) -> Option<&Block> {
        self.all.get(number as usize)
    }

    /// The document that a block belongs to.
    pub(super) fn document(&self, number: u32) -> Option<u32> {
        self.get(number).map(|block| block.document)
    }

    /// The numbers of a document's blocks.
    pub(super) fn of(&self, document: u32) -> Range<u32> {
        let bounds = self.first.get(document as usize).zip(self.first.get(document as usize + 1));
        bounds.map_or(0..0, |(&start, &end)| start..end)
    }

    /// What is written of a document's blocks.
    pub(super) fn measures(&self, document: u32) -> Vec<Measure> {
        let numbers = self.of(document);
        let blocks = self.all.get(numbers.start as usize..numbers.end as usize).unwrap_or_default();
        let mut measures: Vec<Measure> = blocks.iter().map(|block| Measure { length: block.length, lines: 0, sum: block.sum }).collect();
        for (measure, pair) in measures.iter_mut().zip(blocks.windows(2)) {
            if let [one, next] = pair {
                measure.lines = next.lines.saturating_sub(one.lines);
            }
        }
        measures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_lines() {
        assert_eq!(cut(b""), vec![Range { start: 0, end: 0 }]);
        assert_eq!(cut(b"a\nb"), vec![Range { start: 0, end: 3 }]);
        let lines = "0123456789abcde\n".repeat(5_000);
        let cuts = cut(lines.as_bytes());
        assert_eq!(cuts.len(), 5);
        assert_eq!(cuts.last().unwrap().end, lines.len());
        for pair in cuts.windows(2) {
            assert_eq!(pair[0].end, pair[1].start);
            assert_eq!(lines.as_bytes()[pair[0].end - 1], b'\n');
            assert!(pair[0].len() >= TARGET);
        }
        let long = format!("short\n{}\nend\n", "x".repeat(100_000));
        let cuts = cut(long.as_bytes());
        assert_eq!(cuts, vec![Range { start: 0, end: long.len() }]);
        let rest = format!("{}\n{}", "x".repeat(100_000), "y\n".repeat(10_000));
        assert_eq!(cut(rest.as_bytes()).first().unwrap().end, 100_001);
    }

    #[test]
    fn a_documents_text_and_raw_bytes_are_apart() {
        let mut blocks = Blocks::default();
        let body = Body { part: 0, offset: 0, text: 30, own: 30, raw: 7, runs: 0, lines: 5 };
        let measures =
            |all: &[(u32, u32)]| -> Vec<Measure> { all.iter().map(|&(length, lines)| Measure { length, lines, sum: 9 }).collect() };
        assert!(blocks.push(None, &measures(&[(0, 0)])));
        assert!(blocks.push(Some(&body), &measures(&[(20, 3), (10, 1), (7, 0)])));
        assert_eq!((blocks.of(0), blocks.of(1), blocks.len()), (0..1, 1..4, 4));
        let second = Block { document: 1, length: 10, start: 20, lines: 3, sum: 9, raw: false };
        assert_eq!(blocks.get(2), Some(&second));
        assert_eq!(blocks.get(3), Some(&Block { document: 1, length: 7, start: 0, lines: 0, sum: 9, raw: true }));
        assert!(!blocks.push(Some(&body), &measures(&[(20, 3), (10, 1)])));
        assert!(!Blocks::default().push(Some(&body), &measures(&[(20, 3), (12, 1), (7, 0)])));
    }
}
