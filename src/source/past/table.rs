//! The table as a file: written whole, read whole, and refused when it is not what was written.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Change, Commit, NONE, Past};
use crate::catalog::RepoPath;
use crate::source::history::{Side, Step};
use crate::source::tree::{EntryKind, ObjectId};
use crate::source::varint::{array, put, take};

/// Raised whenever a table written before could be misread.
const MAGIC: &[u8; 16] = b"lectern past   1";

impl Past {
    /// Writes the table beside its name and moves it there, so that who reads it finds the whole of one table.
    pub(in crate::source) fn write(&self, file: &Path) -> io::Result<()> {
        let bytes = self.encode();
        let directory = file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        // No product's name begins with a dot.
        let mut beside = OsString::from(".");
        beside.push(file.file_name().unwrap_or_default());
        let beside = file.with_file_name(beside);
        let mut new = File::create(&beside)?;
        new.write_all(&bytes)?;
        new.write_all(&Sha256::digest(&bytes))?;
        new.sync_all()?;
        fs::rename(&beside, file)?;
        File::open(directory)?.sync_all()
    }

    /// `None` when there is none, or it is damaged or of another form: it is then made anew.
    pub(in crate::source) fn read(file: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(file) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let whole = bytes.split_last_chunk::<32>().filter(|(bytes, sum)| Sha256::digest(bytes).as_slice() == *sum);
        Ok(whole.and_then(|(bytes, _)| Self::decode(bytes)))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put(&mut out, self.paths.len() as u64);
        for path in &self.paths {
            put(&mut out, path.bytes().len() as u64);
            out.extend_from_slice(path.bytes());
        }
        put(&mut out, self.sides.len() as u64);
        for side in &self.sides {
            out.push(code(side));
            out.extend_from_slice(side.id.bytes());
        }
        put(&mut out, self.commits.len() as u64);
        for (place, commit) in (0_u32..).zip(&self.commits) {
            out.extend_from_slice(commit.id.bytes());
            out.extend_from_slice(&commit.at.to_le_bytes());
            let parents = self.parents(place);
            put(&mut out, parents.len() as u64);
            for parent in parents {
                put(&mut out, u64::from(place.saturating_sub(*parent)));
            }
            let changes = self.changes_of(place);
            put(&mut out, changes.len() as u64);
            for change in changes {
                put(&mut out, u64::from(change.path) << 1 | u64::from(change.own));
                put(&mut out, u64::from(change.old));
                put(&mut out, u64::from(change.new));
            }
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let mut paths = Vec::new();
        for _ in 0..take(&mut rest)? {
            let length = usize::try_from(take(&mut rest)?).ok()?;
            let (path, after) = rest.split_at_checked(length)?;
            paths.push(RepoPath::parse(path).ok()?);
            rest = after;
        }
        let mut sides = Vec::new();
        for _ in 0..take(&mut rest)? {
            let [code] = array(&mut rest)?;
            let (kind, executable) = side_of(code)?;
            sides.push(Side { kind, executable, id: ObjectId::from_bytes(&array::<20>(&mut rest)?)? });
        }
        let number = |number: u64, most: usize| u32::try_from(number).ok().filter(|number| *number as usize <= most);
        let (mut commits, mut parents, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        for place in 0..take(&mut rest)? {
            let id = ObjectId::from_bytes(&array::<20>(&mut rest)?)?;
            let at = i64::from_le_bytes(array(&mut rest)?);
            let (first_parent, first) = (u32::try_from(parents.len()).ok()?, u32::try_from(changes.len()).ok()?);
            commits.push(Commit { id, at, first_parent, first });
            for _ in 0..take(&mut rest)? {
                let back = take(&mut rest).filter(|back| *back > 0)?;
                parents.push(u32::try_from(place.checked_sub(back)?).ok()?);
            }
            for _ in 0..take(&mut rest)? {
                let path = take(&mut rest)?;
                let (own, path) = (path & 1 == 1, number((path >> 1) + 1, paths.len())? - 1);
                let (old, new) = (number(take(&mut rest)?, sides.len())?, number(take(&mut rest)?, sides.len())?);
                changes.push(Change { path, old, new, own });
            }
        }
        rest.is_empty().then(|| Self::new(commits, parents, paths, sides, changes))
    }
}

fn code(side: &Side) -> u8 {
    match (side.kind, side.executable) {
        (EntryKind::Tree, _) => 0,
        (EntryKind::Blob, false) => 1,
        (EntryKind::Blob, true) => 2,
        (EntryKind::Symlink, _) => 3,
        (EntryKind::Submodule, _) => 4,
    }
}

fn side_of(code: u8) -> Option<(EntryKind, bool)> {
    Some(match code {
        1 => (EntryKind::Blob, false),
        2 => (EntryKind::Blob, true),
        3 => (EntryKind::Symlink, false),
        4 => (EntryKind::Submodule, false),
        _ => return None,
    })
}

/// A table as it grows.
#[derive(Default)]
pub(super) struct Builder {
    commits: Vec<Commit>,
    numbers: HashMap<ObjectId, u32>,
    parents: Vec<u32>,
    paths: Vec<RepoPath>,
    by_path: HashMap<RepoPath, u32>,
    sides: Vec<Side>,
    by_side: HashMap<Side, u32>,
    changes: Vec<Change>,
}

impl Builder {
    /// With everything that a table holds.
    pub(super) fn upon(past: &Past) -> Self {
        Self {
            commits: past.commits.clone(),
            numbers: past.commits.iter().map(|commit| commit.id).zip(0..).collect(),
            parents: past.parents.clone(),
            paths: past.paths.clone(),
            by_path: past.paths.iter().cloned().zip(0..).collect(),
            sides: past.sides.clone(),
            by_side: past.sides.iter().copied().zip(1..).collect(),
            changes: past.changes.clone(),
        }
    }

    pub(super) fn knows(&self, id: &ObjectId) -> bool {
        self.numbers.contains_key(id)
    }

    /// Adds a commit, whose parents were added before. `None` when they were not, or there are more than can be numbered.
    pub(super) fn add(&mut self, id: ObjectId, at: i64, parents: &[ObjectId], steps: Vec<Step>) -> Option<()> {
        let parents = parents.iter().map(|parent| self.numbers.get(parent).copied()).collect::<Option<Vec<_>>>()?;
        let place = u32::try_from(self.commits.len()).ok().filter(|place| *place < u32::MAX)?;
        let (first_parent, first) = (u32::try_from(self.parents.len()).ok()?, u32::try_from(self.changes.len()).ok()?);
        for (path, old, new, own) in steps {
            let path = if let Some(known) = self.by_path.get(&path) {
                *known
            } else {
                let number = u32::try_from(self.paths.len()).ok()?;
                self.paths.push(path.clone());
                self.by_path.insert(path, number);
                number
            };
            let change = Change { path, old: self.side(old)?, new: self.side(new)?, own };
            self.changes.push(change);
        }
        self.numbers.insert(id, place);
        self.parents.extend(parents);
        self.commits.push(Commit { id, at, first_parent, first });
        Some(())
    }

    fn side(&mut self, side: Option<Side>) -> Option<u32> {
        let Some(side) = side else { return Some(NONE) };
        if let Some(known) = self.by_side.get(&side) {
            return Some(*known);
        }
        self.sides.push(side);
        let number = u32::try_from(self.sides.len()).ok()?;
        self.by_side.insert(side, number);
        Some(number)
    }

    pub(super) fn finish(self) -> Past {
        Past::new(self.commits, self.parents, self.paths, self.sides, self.changes)
    }
}
