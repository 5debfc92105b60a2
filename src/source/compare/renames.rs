//! Which added file is a removed one under another name: the same bytes first, then mostly the same lines.
//!
//! Likeness is measured as git measures it (`diffcore-delta.c`): a file is a bag of lines, long ones cut into pieces of 64 bytes; the score is
//! the bytes that both bags hold, by the larger file. Unlike git, not every pair is looked at: files that share a line which few files hold
//! are, and files of one name.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::changes::Change;
use crate::source::tree::{EntryKind, ObjectId};

/// Files added and removed that are held against each other; with more, only those with the same bytes are found.
pub(super) const MOST_FILES: usize = 10_000;
/// Bytes of such a file, and of all of them.
pub(super) const LARGEST_FILE: u64 = 1 << 20;
pub(super) const MOST_BYTES: usize = 160 << 20;
/// Per cent of the larger file that both must hold.
const LEAST: u64 = 50;
/// A line that more of the removed files hold tells nothing of where a file came from.
const TELLING: usize = 12;
/// Removed files that are held against an added one.
const CANDIDATES: usize = 12;
/// Bytes of a piece of a line.
const PIECE: usize = 64;

/// A removed and an added file that are one, by their places among the changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rename {
    pub(super) old: usize,
    pub(super) new: usize,
    /// Per cent.
    pub(super) likeness: u8,
}

/// How far likeness was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    Everywhere,
    /// So many files were added and removed that only the same bytes were looked for.
    SameBytesOnly,
}

/// A file's lines: how many bytes of each there are, by its hash, in the order of hashes.
pub(super) struct Bag {
    lines: Vec<(u32, u32)>,
    size: u64,
}

impl Bag {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut lines: Vec<(u32, u32)> = bytes
            .split_inclusive(|&b| b == b'\n')
            .flat_map(|line| line.chunks(PIECE))
            .map(|piece| {
                // A file whose lines end otherwise is the same file.
                let text = piece.strip_suffix(b"\r\n").or_else(|| piece.strip_suffix(b"\n")).unwrap_or(piece);
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                let folded = hasher.finish();
                (
                    u32::try_from((folded ^ (folded >> 32)) & u64::from(u32::MAX)).unwrap_or_default(),
                    u32::try_from(piece.len()).unwrap_or(0),
                )
            })
            .collect();
        lines.sort_unstable();
        lines.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 = earlier.1.saturating_add(later.1);
            }
            same
        });
        Self { lines, size: bytes.len() as u64 }
    }

    /// Per cent of the larger one that both hold.
    fn likeness(&self, other: &Self) -> u64 {
        let (mut mine, mut theirs) = (self.lines.iter().peekable(), other.lines.iter().peekable());
        let mut common = 0_u64;
        while let (Some((a, x)), Some((b, y))) = (mine.peek(), theirs.peek()) {
            if a == b {
                common += u64::from(*x.min(y));
            }
            if a <= b {
                mine.next();
            }
            if b <= a {
                theirs.next();
            }
        }
        common.saturating_mul(100) / self.size.max(other.size).max(1)
    }
}

/// The files that are there under another name with the same bytes, of which there are some.
pub(super) fn exact(changes: &[Change]) -> Vec<Rename> {
    let mut removed: HashMap<(EntryKind, ObjectId), Vec<usize>> = HashMap::new();
    for (at, change) in changes.iter().enumerate() {
        if let (Some(old), None) = (change.old, change.new)
            && matches!(old.kind, EntryKind::Blob | EntryKind::Symlink)
            && old.id != ObjectId::EMPTY
        {
            removed.entry((old.kind, old.id)).or_default().push(at);
        }
    }
    let mut found = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let (None, Some(new)) = (change.old, change.new) else { continue };
        let Some(candidates) = removed.get_mut(&(new.kind, new.id)) else { continue };
        let name = |at: &usize| changes.get(*at).map(|old| old.path.name());
        let best = candidates.iter().position(|old| name(old) == Some(change.path.name())).unwrap_or(0);
        if !candidates.is_empty() {
            found.push(Rename { old: candidates.remove(best), new: at, likeness: 100 });
        }
    }
    found
}

/// The files that are mostly there under another name. `bag` gives a change's lines; none of a file that is not compared.
pub(super) fn similar(changes: &[Change], known: &[Rename], bags: &HashMap<usize, Bag>) -> Vec<Rename> {
    let taken: std::collections::HashSet<usize> = known.iter().flat_map(|one| [one.old, one.new]).collect();
    let of = |added: bool| {
        let mut places: Vec<usize> = bags.keys().copied().filter(|at| !taken.contains(at)).collect();
        places.retain(|at| changes.get(*at).is_some_and(|change| change.new.is_some() == added));
        places.sort_unstable();
        places
    };
    let (removed, added) = (of(false), of(true));
    let mut holders: HashMap<u32, Vec<usize>> = HashMap::new();
    let mut names: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for at in &removed {
        for (hash, _) in bags.get(at).map(|bag| bag.lines.as_slice()).unwrap_or_default() {
            let holders = holders.entry(*hash).or_default();
            if holders.len() <= TELLING {
                holders.push(*at);
            }
        }
        names.entry(changes.get(*at).map_or(b"", |change| change.path.name())).or_default().push(*at);
    }
    let mut scored = Vec::new();
    for new in &added {
        let (Some(bag), Some(change)) = (bags.get(new), changes.get(*new)) else { continue };
        let mut shared: HashMap<usize, u64> = HashMap::new();
        for (hash, bytes) in &bag.lines {
            for old in holders.get(hash).filter(|holders| holders.len() <= TELLING).into_iter().flatten() {
                *shared.entry(*old).or_default() += u64::from(*bytes);
            }
        }
        let mut candidates: Vec<(u64, usize)> = shared.into_iter().map(|(old, bytes)| (bytes, old)).collect();
        candidates.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        candidates.truncate(CANDIDATES);
        let namesakes = names.get(change.path.name()).map(Vec::as_slice).unwrap_or_default();
        candidates.extend(namesakes.iter().take(CANDIDATES).map(|old| (0, *old)));
        candidates.sort_unstable_by_key(|(_, old)| *old);
        candidates.dedup_by_key(|(_, old)| *old);
        for (_, old) in candidates {
            let Some((theirs, before)) = bags.get(&old).zip(changes.get(old)) else { continue };
            let likeness = bag.likeness(theirs);
            if likeness >= LEAST {
                let same_name = before.path.name() == change.path.name();
                scored.push((likeness, same_name, old, *new));
            }
        }
    }
    scored.sort_unstable_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then((a.2, a.3).cmp(&(b.2, b.3))));
    let mut taken = taken;
    let mut found = Vec::new();
    for (likeness, _, old, new) in scored {
        if taken.contains(&old) || taken.contains(&new) {
            continue;
        }
        taken.extend([old, new]);
        // Files that differ are not said to be the same.
        found.push(Rename { old, new, likeness: u8::try_from(likeness.min(99)).unwrap_or(99) });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::changes::Side;
    use super::*;
    use crate::catalog::RepoPath;

    fn side(byte: u8) -> Side {
        Side { kind: EntryKind::Blob, executable: false, id: ObjectId::from_bytes(&[byte; 20]).unwrap() }
    }

    fn change(path: &str, old: Option<Side>, new: Option<Side>) -> Change {
        Change { path: RepoPath::parse(path.as_bytes()).unwrap(), old, new }
    }

    fn told(changes: &[Change], found: &[Rename]) -> Vec<String> {
        let path = |at: usize| changes[at].path.to_string();
        found.iter().map(|one| format!("{} > {} {}", path(one.old), path(one.new), one.likeness)).collect()
    }

    #[test]
    fn the_same_bytes_go_to_the_same_name_first_and_only_once() {
        let empty = Some(Side { id: ObjectId::EMPTY, ..side(0) });
        let changes = [
            change("a/one.c", Some(side(1)), None),
            change("a/two.c", Some(side(1)), None),
            change("b/two.c", None, Some(side(1))),
            change("c/three.c", None, Some(side(1))),
            change("d/four.c", None, Some(side(1))),
            change("e/nothing", empty, None),
            change("f/nothing", None, empty),
        ];
        assert_eq!(told(&changes, &exact(&changes)), ["a/two.c > b/two.c 100", "a/one.c > c/three.c 100"]);
    }

    #[test]
    fn what_is_mostly_the_same_is_found_and_what_is_not_is_not() {
        let lines = |from: u32, to: u32| (from..to).map(|n| format!("line number {n} of a file\n")).collect::<Vec<_>>().concat();
        let texts = [
            ("old/a.c", true, lines(0, 100)),
            ("old/b.c", true, lines(1_000, 1_100)),
            ("old/crlf.c", true, lines(3_000, 3_050)),
            ("new/a.c", false, lines(0, 80) + &lines(5_000, 5_020)),
            ("new/other.c", false, lines(1_060, 1_100) + &lines(6_000, 6_060)),
            ("new/unix.c", false, lines(3_000, 3_050).replace('\n', "\r\n")),
        ];
        let changes: Vec<Change> = (1..)
            .zip(&texts)
            .map(|(id, (path, removed, _))| if *removed { change(path, Some(side(id)), None) } else { change(path, None, Some(side(id))) })
            .collect();
        let bags = texts.iter().enumerate().map(|(at, (.., text))| (at, Bag::of(text.as_bytes()))).collect();
        assert_eq!(told(&changes, &similar(&changes, &[], &bags)), ["old/crlf.c > new/unix.c 96", "old/a.c > new/a.c 78"]);
    }
}
