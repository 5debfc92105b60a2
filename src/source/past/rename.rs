//! Where a file that appeared came from: a file that the same commit took away, and of which half is in the new one.
//!
//! As git measures it: of the lines of both files, or pieces of 64 bytes of longer ones, the bytes that both have, against the size of
//! the larger. Only what its reader may read is looked at: what lies outside has no part in the answer.

use std::collections::{HashMap, HashSet};

use crate::catalog::RepoPath;
use crate::source::SourceError;
use crate::source::history::{Difference, Reader, Side};
use crate::source::tree::{EntryKind, ObjectId};

/// Files compared with one that appeared, at most; those of the same name come first.
const MOST: usize = 400;
/// Bytes of a file that is compared.
const LARGEST: usize = 8 << 20;
/// Bytes of a piece of a long line.
const PIECE: usize = 64;

/// What a commit took away and added, within what may be read.
pub(super) struct Moves {
    gone: Vec<(RepoPath, Side)>,
    /// Places in `gone`.
    by_id: HashMap<ObjectId, Vec<usize>>,
    added: HashSet<ObjectId>,
}

impl Moves {
    pub(super) fn of(differences: impl IntoIterator<Item = Difference>, reads: &dyn Fn(&RepoPath) -> bool) -> Self {
        let (mut gone, mut added) = (Vec::new(), HashSet::new());
        let mut by_id: HashMap<ObjectId, Vec<usize>> = HashMap::new();
        for (path, old, new) in differences.into_iter().filter(|(path, ..)| reads(path)) {
            match (old, new) {
                (Some(old), None) => {
                    by_id.entry(old.id).or_default().push(gone.len());
                    gone.push((path, old));
                }
                (None, Some(new)) => {
                    added.insert(new.id);
                }
                _ => {}
            }
        }
        Self { gone, by_id, added }
    }

    /// Where the same bytes went from, of the places that are `free`; best of all from one of the same name.
    pub(super) fn same(&self, path: &RepoPath, new: Side, free: &dyn Fn(&RepoPath) -> bool) -> Option<(RepoPath, Side)> {
        let places = self.by_id.get(&new.id).filter(|_| new.id != ObjectId::EMPTY).map(Vec::as_slice).unwrap_or_default();
        let gone = places.iter().filter_map(|place| self.gone.get(*place));
        let alike = gone.filter(|(other, old)| old.kind == new.kind && old.kind != EntryKind::Submodule && free(other));
        // The first of several.
        alike.rev().max_by_key(|(other, _)| other.name() == path.name()).cloned()
    }

    /// The former name of what appeared at `path`, if it has one among the places that are `free`.
    pub(super) fn source_of(
        &self,
        reader: &mut Reader,
        path: &RepoPath,
        new: Side,
        free: &dyn Fn(&RepoPath) -> bool,
    ) -> Result<Option<(RepoPath, Side)>, SourceError> {
        if let Some(same) = self.same(path, new, free) {
            return Ok(Some(same));
        }
        let same_name = |other: &RepoPath| other.name() == path.name();
        let alike = self.gone.iter().filter(|(other, old)| old.kind == new.kind && free(other));
        if new.kind != EntryKind::Blob {
            return Ok(None);
        }
        // What stands elsewhere now as it was went there.
        let mut candidates: Vec<_> = alike.filter(|(_, old)| !self.added.contains(&old.id)).collect();
        candidates.sort_by_key(|(other, _)| !same_name(other));
        if candidates.is_empty() {
            return Ok(None);
        }
        let Some(bytes) = reader.bytes(Some(new))?.filter(|bytes| !bytes.is_empty() && bytes.len() <= LARGEST) else { return Ok(None) };
        let pieces = pieces(&bytes);
        let mut best: Option<(usize, &(RepoPath, Side))> = None;
        for candidate in candidates.into_iter().take(MOST) {
            let Some(old) = reader.bytes(Some(candidate.1))?.filter(|old| old.len() <= LARGEST) else { continue };
            let larger = old.len().max(bytes.len());
            // As much as the smaller one holds can be in both, and no more.
            if old.len().min(bytes.len()) * 2 < larger {
                continue;
            }
            let score = shared(&pieces, &old) * 1_000 / larger;
            if score >= 500 && best.is_none_or(|(found, _)| score > found) {
                best = Some((score, candidate));
            }
        }
        Ok(best.map(|(_, found)| found.clone()))
    }
}

/// The pieces of a file, and how many bytes of each there are.
fn pieces(bytes: &[u8]) -> HashMap<&[u8], usize> {
    let mut found: HashMap<&[u8], usize> = HashMap::new();
    each_piece(bytes, |piece| *found.entry(piece).or_default() += piece.len());
    found
}

/// Bytes of `old` that are in the other file, too.
fn shared(pieces: &HashMap<&[u8], usize>, old: &[u8]) -> usize {
    let mut left = pieces.clone();
    let mut shared = 0;
    each_piece(old, |piece| {
        if let Some(rest) = left.get_mut(piece) {
            let taken = piece.len().min(*rest);
            *rest -= taken;
            shared += taken;
        }
    });
    shared
}

fn each_piece<'b>(bytes: &'b [u8], mut take: impl FnMut(&'b [u8])) {
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        line.chunks(PIECE).for_each(&mut take);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_counted_once() {
        let old = b"one\ntwo\ntwo\nthree\n";
        let count = |new: &[u8]| shared(&pieces(new), old);
        assert_eq!(count(old), old.len());
        assert_eq!(count(b"two\n"), 4);
        assert_eq!(count(b"two\ntwo\ntwo\n"), 8);
        assert_eq!(count(b"four\n"), 0);
        let long = [b'x'; 130];
        assert_eq!(shared(&pieces(&long[..100]), &long), 64);
    }
}
