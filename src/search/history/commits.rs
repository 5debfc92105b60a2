//! The commits of an index, and which lines a change is made of: one table, read whole, and a few bytes behind each text.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{CommitId, Numbers};
use crate::search::SearchError;
use crate::source::history::Run;
use crate::source::varint::{array, put, take};

const NAME: &str = "commits";
/// Raised whenever a table written before could be misread.
const MAGIC: &[u8; 16] = b"lectern commits1";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) id: CommitId,
    /// Place in the table of names.
    pub(super) author: u32,
    /// Seconds since the epoch.
    pub(super) authored_at: i64,
    pub(super) committed_at: i64,
    /// The document of its message.
    pub(super) first: u32,
    /// Places of its parents: before its own.
    pub(super) parents: Vec<u32>,
}

/// Parents before their children.
#[derive(Debug, Default)]
pub(super) struct Commits {
    all: Vec<Commit>,
    authors: Vec<String>,
}

impl Commits {
    pub(super) fn new(all: Vec<Commit>, authors: Vec<String>) -> Self {
        Self { all, authors }
    }

    pub(super) fn all(&self) -> &[Commit] {
        &self.all
    }

    pub(super) fn authors(&self) -> &[String] {
        &self.authors
    }

    pub(super) fn author(&self, commit: &Commit) -> &str {
        self.authors.get(commit.author as usize).map_or("", String::as_str)
    }

    /// Their places, by their ids.
    pub(super) fn numbers(&self) -> Numbers {
        self.all.iter().map(|commit| commit.id).zip(0..).collect()
    }

    /// Whether each commit can be reached from one at these places.
    pub(super) fn reachable(&self, from: impl IntoIterator<Item = u32>) -> Vec<bool> {
        let mut reached = vec![false; self.all.len()];
        let mut waiting: Vec<u32> = from.into_iter().collect();
        while let Some(place) = waiting.pop() {
            let Some(slot) = reached.get_mut(place as usize).filter(|reached| !**reached) else { continue };
            *slot = true;
            if let Some(commit) = self.all.get(place as usize) {
                waiting.extend(&commit.parents);
            }
        }
        reached
    }

    /// Writes the table into the directory of a generation, durably.
    pub(super) fn write(&self, directory: &Path) -> Result<(), SearchError> {
        let bytes = self.encode();
        let write = || {
            let mut file = File::create(directory.join(NAME))?;
            file.write_all(&bytes)?;
            file.write_all(&Sha256::digest(&bytes))?;
            file.sync_all()
        };
        write().map_err(|e| SearchError::io("writing the table of commits", &e))
    }

    /// Reads the table of a generation with so many documents, and checks it.
    pub(super) fn read(directory: &Path, documents: usize) -> Result<Self, SearchError> {
        let bytes = fs::read(directory.join(NAME)).map_err(|e| SearchError::io("reading the table of commits", &e))?;
        let damaged = || SearchError::damaged("the table of commits is not what was written");
        let (bytes, sum) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
        if Sha256::digest(bytes).as_slice() != sum {
            return Err(damaged());
        }
        Self::decode(bytes, documents).ok_or_else(|| SearchError::damaged("the table of commits cannot be read"))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put(&mut out, self.authors.len() as u64);
        for author in &self.authors {
            put(&mut out, author.len() as u64);
            out.extend_from_slice(author.as_bytes());
        }
        put(&mut out, self.all.len() as u64);
        for (place, commit) in (0_u64..).zip(&self.all) {
            out.extend_from_slice(commit.id.bytes());
            put(&mut out, u64::from(commit.author));
            out.extend_from_slice(&commit.authored_at.to_le_bytes());
            out.extend_from_slice(&commit.committed_at.to_le_bytes());
            put(&mut out, u64::from(commit.first));
            put(&mut out, commit.parents.len() as u64);
            for parent in &commit.parents {
                put(&mut out, place.saturating_sub(u64::from(*parent)));
            }
        }
        out
    }

    fn decode(bytes: &[u8], documents: usize) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let mut authors = Vec::new();
        for _ in 0..take(&mut rest)? {
            let length = usize::try_from(take(&mut rest)?).ok()?;
            let (name, after) = rest.split_at_checked(length)?;
            authors.push(std::str::from_utf8(name).ok()?.to_owned());
            rest = after;
        }
        let mut all: Vec<Commit> = Vec::new();
        for place in 0..take(&mut rest)? {
            let id = CommitId::from_bytes(array(&mut rest)?);
            let author = u32::try_from(take(&mut rest)?).ok().filter(|author| (*author as usize) < authors.len())?;
            let authored_at = i64::from_le_bytes(array(&mut rest)?);
            let committed_at = i64::from_le_bytes(array(&mut rest)?);
            let first = u32::try_from(take(&mut rest)?).ok()?;
            let follows = all.last().is_none_or(|before| before.first < first) && (place > 0 || first == 0);
            if !follows || first as usize >= documents {
                return None;
            }
            let mut parents = Vec::new();
            for _ in 0..take(&mut rest)? {
                let back = take(&mut rest).filter(|back| *back > 0)?;
                parents.push(u32::try_from(place.checked_sub(back)?).ok()?);
            }
            all.push(Commit { id, author, authored_at, committed_at, first, parents });
        }
        let whole = rest.is_empty() && (documents == 0) == all.is_empty();
        whole.then_some(Self { all, authors })
    }
}

/// What is kept behind a text.
pub(super) fn encode_runs(runs: &[Run]) -> Vec<u8> {
    let mut out = Vec::with_capacity(runs.len() * 4);
    for run in runs {
        put(&mut out, u64::from(run.lines) << 1 | u64::from(run.added));
        put(&mut out, u64::from(run.first));
    }
    out
}

pub(super) fn decode_runs(mut bytes: &[u8]) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    while !bytes.is_empty() {
        let lines = take(&mut bytes)?;
        let first = u32::try_from(take(&mut bytes)?).ok()?;
        runs.push(Run { added: lines & 1 == 1, first, lines: u32::try_from(lines >> 1).ok()? });
    }
    Some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(n: u8, first: u32, parents: &[u32]) -> Commit {
        Commit { id: CommitId::from_bytes([n; 20]), author: 0, authored_at: -5, committed_at: i64::MAX, first, parents: parents.to_vec() }
    }

    #[test]
    fn tables_are_read_as_written_and_refused_when_damaged() {
        let all = vec![commit(1, 0, &[]), commit(2, 2, &[0]), commit(3, 300, &[0, 1])];
        let table = Commits::new(all.clone(), vec!["René".to_owned()]);
        let home = tempfile::tempdir().unwrap();
        table.write(home.path()).unwrap();
        let again = Commits::read(home.path(), 301).unwrap();
        assert_eq!((again.all(), again.author(&all[2])), (all.as_slice(), "René"));
        assert_eq!(again.reachable([1]), [true, true, false]);
        assert!(Commits::read(home.path(), 300).is_err());
        let bytes = fs::read(home.path().join(NAME)).unwrap();
        for (at, _) in bytes.iter().enumerate() {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            fs::write(home.path().join(NAME), &broken).unwrap();
            assert!(Commits::read(home.path(), 301).unwrap_err().wants_rebuild(), "{at}");
        }
        fs::remove_file(home.path().join(NAME)).unwrap();
        assert!(Commits::read(home.path(), 301).unwrap_err().wants_rebuild());
    }

    #[test]
    fn runs_are_read_as_written() {
        let runs = [Run { added: false, first: 1, lines: 3 }, Run { added: true, first: 70_000, lines: 200 }];
        assert_eq!(decode_runs(&encode_runs(&runs)).unwrap(), runs);
        assert_eq!(decode_runs(&[]).unwrap(), []);
        assert_eq!(decode_runs(&[0x80]), None);
        assert_eq!(decode_runs(&[0xFF; 11]), None);
    }
}
