//! Two files held against each other, and what of that is kept: by their blobs, so that it never goes stale and depends on nobody's rights.
//! Whoever is answered from it may read both.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lru::LruCache;

use super::file::What;
use super::lines::{Hunk, hunks, whole_lines};
use super::words::{changed, pairs};
use crate::source::text::Text;
use crate::source::tree::{EntryKind, ObjectId};

/// Pairs of files that are kept, and the bytes of their texts and of what differs in them.
const KEPT: NonZeroUsize = NonZeroUsize::new(128).expect("it is not zero");
const KEPT_BYTES: usize = 96 << 20;

/// A side's blob, and whether it is a symbolic link: that is told otherwise than a file of the same bytes.
pub(super) type Key = [Option<(EntryKind, ObjectId)>; 2];

/// What stands on each side, and how the texts differ.
pub(super) struct Held {
    /// With its size in bytes.
    pub(super) sides: [Option<(u64, What)>; 2],
    /// Where white space counts, and where it tells nothing.
    differing: [OnceLock<Differing>; 2],
}

/// The lines in which two texts differ.
#[derive(Default)]
pub(super) struct Differing {
    pub(super) hunks: Vec<Hunk>,
    /// Of each hunk; found out when somebody looks at it.
    became: Vec<OnceLock<Became>>,
}

/// Lines of a hunk that became others; all numbers from 1.
#[derive(Default)]
pub(super) struct Became {
    pub(super) pairs: Vec<(u32, u32)>,
    /// The bytes that changed in such lines.
    pub(super) old_words: Vec<(u32, Vec<Range<usize>>)>,
    pub(super) new_words: Vec<(u32, Vec<Range<usize>>)>,
}

impl Held {
    pub(super) fn new(sides: [Option<(u64, What)>; 2]) -> Self {
        Self { sides, differing: [OnceLock::new(), OnceLock::new()] }
    }

    /// Both texts, where both are texts or nothing.
    pub(super) fn texts(&self) -> Option<[Arc<Text>; 2]> {
        let [old, new] = self.sides.each_ref().map(|side| text(side.as_ref().map(|(_, what)| what)));
        Some([old?, new?])
    }

    /// What differs in the lines of both texts; nothing where they are none.
    pub(super) fn differing(&self, loose: bool) -> &Differing {
        let [strict, without_space] = &self.differing;
        let of = || {
            let hunks = self.texts().map(|[old, new]| hunks(&old, &new, loose)).unwrap_or_default();
            Differing { became: hunks.iter().map(|_| OnceLock::new()).collect(), hunks }
        };
        let kept = if loose { without_space } else { strict };
        kept.get_or_init(of)
    }

    /// What became of the lines of those hunks that `wanted` takes.
    pub(super) fn became(&self, loose: bool, wanted: &dyn Fn(&Hunk) -> bool) -> Vec<&Became> {
        let differing = self.differing(loose);
        let Some(texts) = self.texts() else { return Vec::new() };
        // Taken apart only if some hunk was not looked at before.
        let lines: [OnceLock<Vec<&str>>; 2] = [OnceLock::new(), OnceLock::new()];
        let [olds, news] = [0, 1].map(|side| {
            let (lines, texts) = (&lines, &texts);
            move || match (lines.get(side), texts.get(side)) {
                (Some(lines), Some(text)) => lines.get_or_init(|| whole_lines(text).collect()).as_slice(),
                _ => &[],
            }
        });
        let looked_at = differing.hunks.iter().zip(&differing.became).filter(|(hunk, _)| wanted(hunk));
        looked_at.map(|(hunk, became)| became.get_or_init(|| Became::of(hunk, olds(), news()))).collect()
    }

    /// Bytes that it takes in memory, about, when everything in it was looked at.
    fn size(&self) -> usize {
        let texts = self.texts().map_or(0, |texts| texts.iter().map(|text| text.as_str().len()).sum());
        // A line that became another takes some ranges; what has as many changes as lines is as large again as its text.
        4_096 + texts * 2
    }
}

pub(super) fn text(what: Option<&What>) -> Option<Arc<Text>> {
    match what {
        None => Some(Arc::new(Text::from(String::new()))),
        Some(What::Text(text)) => Some(Arc::clone(text)),
        Some(_) => None,
    }
}

impl Became {
    fn of(hunk: &Hunk, olds: &[&str], news: &[&str]) -> Self {
        let mut found = Self::default();
        if hunk.old.is_empty() || hunk.new.is_empty() {
            return found;
        }
        let bare = |lines: &[&'_ str], range: &Range<u32>| -> Vec<String> {
            let lines = lines.get(range.start as usize..range.end as usize).unwrap_or_default();
            lines.iter().map(|line| line.trim_end_matches(['\n', '\r']).to_owned()).collect()
        };
        let (before, after) = (bare(olds, &hunk.old), bare(news, &hunk.new));
        let (before, after): (Vec<&str>, Vec<&str>) =
            (before.iter().map(String::as_str).collect(), after.iter().map(String::as_str).collect());
        for (i, j) in pairs(&before, &after) {
            let number = |start: u32, at: usize| start + u32::try_from(at).unwrap_or(0) + 1;
            let (a, b) = (number(hunk.old.start, i), number(hunk.new.start, j));
            let (was, is) = changed(before.get(i).unwrap_or(&""), after.get(j).unwrap_or(&""));
            found.pairs.push((a, b));
            found.old_words.push((a, was));
            found.new_words.push((b, is));
        }
        found
    }
}

/// The pairs looked at last, as many as there is room for.
pub(super) struct Shelf(Mutex<(LruCache<Key, Arc<Held>>, usize)>);

impl Shelf {
    pub(super) fn new() -> Self {
        Self(Mutex::new((LruCache::new(KEPT), 0)))
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.get(key).cloned()
    }

    pub(super) fn put(&self, key: Key, held: &Arc<Held>) {
        let mut on = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, bytes) = &mut *on;
        *bytes += held.size();
        let mut gone = kept.push(key, Arc::clone(held));
        loop {
            *bytes -= gone.map_or(0, |(_, held)| held.size());
            if *bytes <= KEPT_BYTES {
                return;
            }
            gone = kept.pop_lru();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(old: &str, new: &str) -> Arc<Held> {
        let side = |text: &str| Some((text.len() as u64, What::Text(Arc::new(Text::from(text.to_owned())))));
        Arc::new(Held::new([side(old), side(new)]))
    }

    fn key(old: u8, new: u8) -> Key {
        [old, new].map(|byte| Some((EntryKind::Blob, ObjectId::from_bytes(&[byte; 20]).unwrap())))
    }

    #[test]
    fn each_way_of_comparing_is_kept_by_itself() {
        let held = held("int a;\nint  b;\n", "int x;\nint b;\n");
        for _ in 0..2 {
            assert_eq!(held.differing(false).hunks, [Hunk { old: 0..2, new: 0..2 }]);
            assert_eq!(held.differing(true).hunks, [Hunk { old: 0..1, new: 0..1 }]);
            let pairs = |loose| held.became(loose, &|_| true).iter().flat_map(|became| became.pairs.clone()).collect::<Vec<_>>();
            assert_eq!((pairs(false), pairs(true)), (vec![(1, 1), (2, 2)], vec![(1, 1)]));
            assert!(held.became(false, &|_| false).is_empty());
        }
        let binary = Held::new([None, Some((3, What::Binary(String::new())))]);
        assert!(binary.texts().is_none() && binary.differing(false).hunks.is_empty() && binary.became(false, &|_| true).is_empty());
    }

    #[test]
    fn what_was_looked_at_last_is_kept_as_long_as_there_is_room() {
        let shelf = Shelf::new();
        let large = held(&"x".repeat(10 << 20), &"y".repeat(10 << 20));
        for n in 0..4 {
            shelf.put(key(n, n), &large);
        }
        let kept = |n| shelf.get(&key(n, n)).is_some();
        assert_eq!([0, 1, 3, 2].map(kept), [false, false, true, true]);
        shelf.put(key(4, 4), &large);
        assert_eq!([2, 3, 4].map(kept), [true, false, true]);
        shelf.put(key(9, 9), &held(&"x".repeat(60 << 20), ""));
        assert!(shelf.get(&key(9, 9)).is_none() && shelf.get(&key(4, 4)).is_none());
        shelf.put(key(1, 2), &held("a", "b"));
        assert!(shelf.get(&key(1, 2)).is_some() && shelf.get(&key(2, 1)).is_none());
        for _ in 0..20 {
            shelf.put(key(1, 2), &large);
        }
        assert!(shelf.get(&key(1, 2)).is_some(), "putting it again takes no more room");
    }
}
