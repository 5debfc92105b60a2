//! The index of a product's symbols: parts, and which files each version has.
//!
//! ```text
//! LOCK              held while it is built
//! manifest.json     format version; the parts and the table that are served, with lengths and checksums; replaced by rename
//! part-00000003     symbols of some files
//! table-00000007    paths, documents (a path and the unit that stands there), versions
//! ```
//!
//! What the manifest does not name was left behind by a run that was killed, and is removed by the next.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::language::Lang;
use super::part::{Part, UnitKey};
use super::{Definition, SymbolError, VersionKey};
use crate::catalog::RepoPath;

/// Raised whenever an index written before could be misread, or a grammar or a rule finds other things.
pub(super) const FORMAT: u32 = 2;
/// A document without symbols of its own.
pub(super) const NO_UNIT: u32 = u32::MAX;

const MANIFEST: &str = "manifest.json";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// Rises with every change.
    pub(super) generation: u64,
    pub(super) parts: Vec<Stored>,
    pub(super) table: Stored,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) length: u64,
    pub(super) sha256: String,
}

/// A path and what stands there, in one version or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) path: u32,
    /// Counted through all parts; [`NO_UNIT`] where there is none.
    pub(super) unit: u32,
}

pub(super) struct IndexedVersion {
    pub(super) key: VersionKey,
    pub(super) documents: RoaringBitmap,
}

/// Paths in ascending order, documents, and the versions that hold them.
#[derive(Default)]
pub(super) struct Table {
    pub(super) paths: Vec<RepoPath>,
    pub(super) documents: Vec<Document>,
    pub(super) versions: Vec<IndexedVersion>,
}

/// The symbols of one product, open for reading.
pub struct SymbolIndex {
    pub(super) generation: u64,
    pub(super) parts: Vec<Part>,
    /// The number of the first unit of each part.
    pub(super) firsts: Vec<u32>,
    pub(super) table: Table,
    /// Unit and document, ascending.
    by_unit: Vec<(u32, u32)>,
    /// Units in the order of their keys.
    by_key: Vec<u32>,
}

/// Names no path: what is printed ends up in logs.
impl std::fmt::Debug for SymbolIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SymbolIndex(generation {}, {} documents)", self.generation, self.table.documents.len())
    }
}

impl SymbolIndex {
    /// Opens the index in `directory`; everything in it is held against its checksum.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn open(directory: &Path) -> Result<Self, SymbolError> {
        let home = Home::new(directory);
        let mut manifest = home.manifest()?.ok_or(SymbolError::Missing)?;
        loop {
            match Self::of(&home, &manifest) {
                // It may have been replaced, and its files removed, in between.
                Err(cause) => match home.manifest()? {
                    Some(newer) if newer.generation != manifest.generation => manifest = newer,
                    _ => return Err(cause),
                },
                index => return index,
            }
        }
    }

    pub(super) fn of(home: &Home, manifest: &Manifest) -> Result<Self, SymbolError> {
        let mut parts = Vec::new();
        let mut firsts = Vec::new();
        let mut units = 0_usize;
        for stored in &manifest.parts {
            home.check(stored)?;
            let part = Part::open(&home.path(&stored.name))?;
            firsts.push(u32::try_from(units).map_err(|_| SymbolError::Full)?);
            units += part.units.len();
            parts.push(part);
        }
        home.check(&manifest.table)?;
        let bytes = fs::read(home.path(&manifest.table.name)).map_err(|cause| SymbolError::io("reading its table", &cause))?;
        let table = Table::decode(&bytes, units).ok_or_else(|| SymbolError::damaged("its table cannot be read"))?;
        let mut by_unit: Vec<(u32, u32)> =
            table.documents.iter().zip(0..).filter(|(one, _)| one.unit != NO_UNIT).map(|(one, number)| (one.unit, number)).collect();
        by_unit.sort_unstable();
        let mut index = Self { generation: manifest.generation, parts, firsts, table, by_unit, by_key: Vec::new() };
        let mut by_key: Vec<u32> = (0..u32::try_from(units).map_err(|_| SymbolError::Full)?).collect();
        by_key.sort_unstable_by_key(|unit| index.key(*unit));
        index.by_key = by_key;
        Ok(index)
    }

    /// Rises with every change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The versions whose symbols are known.
    pub fn versions(&self) -> impl Iterator<Item = &VersionKey> {
        self.table.versions.iter().map(|version| &version.key)
    }

    /// Distinct files whose symbols are known.
    #[must_use]
    pub fn files(&self) -> usize {
        self.parts.iter().map(|part| part.units.iter().filter(|unit| unit.lang.is_some()).count()).sum()
    }

    /// Distinct files in which something was given up, for its size or the time it took.
    #[must_use]
    pub fn incomplete(&self) -> usize {
        self.parts.iter().map(|part| part.units.iter().filter(|unit| !unit.complete).count()).sum()
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(Part::length).sum()
    }

    pub(super) fn version(&self, name: &str, commit: &str) -> Option<&IndexedVersion> {
        self.table.versions.iter().find(|version| version.key.name == name && version.key.commit == commit)
    }

    /// The part that a unit is in, and its number there.
    pub(super) fn part_of(&self, unit: u32) -> Option<(&Part, u32)> {
        let nth = self.firsts.partition_point(|first| *first <= unit).checked_sub(1)?;
        Some((self.parts.get(nth)?, unit - self.firsts.get(nth)?))
    }

    fn key(&self, unit: u32) -> Option<UnitKey> {
        let (part, nth) = self.part_of(unit)?;
        part.units.get(nth as usize).map(|unit| unit.key)
    }

    /// What is defined in a file, in the order of its text; `None` when the file is not known.
    pub(super) fn defined_in(&self, key: &UnitKey) -> Result<Option<Vec<Definition>>, SymbolError> {
        let nth = self.by_key.partition_point(|unit| self.key(*unit).is_some_and(|one| one < *key));
        let unit = self.by_key.get(nth).copied().filter(|unit| self.key(*unit) == Some(*key));
        let Some((part, unit)) = unit.and_then(|unit| self.part_of(unit)) else { return Ok(None) };
        part.named_definitions(unit).map(Some)
    }

    /// The documents at which a unit stands.
    pub(super) fn documents_of(&self, unit: u32) -> impl Iterator<Item = u32> + '_ {
        let from = self.by_unit.partition_point(|(of, _)| *of < unit);
        self.by_unit.iter().skip(from).take_while(move |(of, _)| *of == unit).map(|(_, document)| *document)
    }

    pub(super) fn path(&self, document: u32) -> Option<&RepoPath> {
        self.table.paths.get(self.table.documents.get(document as usize)?.path as usize)
    }

    /// The lines on which names are defined that `wanted` takes, by file: the blob, and the language that its path must say.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn defining(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Defining, SymbolError> {
        let mut found = Defining::default();
        for part in &self.parts {
            let mut names = Vec::new();
            part.each_name(&mut |number, name| {
                if wanted(name) {
                    names.push(number);
                }
            })?;
            for unit in defining_units(part, &names)? {
                let Some(key) = part.units.get(unit as usize).map(|unit| unit.key) else { continue };
                let lines = part.definitions(unit)?.into_iter().filter(|(name, _)| names.binary_search(name).is_ok());
                found.of(key).extend(lines.map(|(_, one)| one.line));
            }
        }
        Ok(found)
    }

    /// The files that define one of these words, each in its own case or in any; on which lines is not told.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn defining_words(&self, words: &[(&str, bool)]) -> Result<Defining, SymbolError> {
        let mut found = Defining::default();
        for part in &self.parts {
            let mut names = Vec::new();
            for (word, any_case) in words {
                if *any_case {
                    names.extend(part.find_in_any_case(word)?);
                } else {
                    names.extend(part.find(word)?);
                }
            }
            for unit in defining_units(part, &names)? {
                if let Some(unit) = part.units.get(unit as usize) {
                    found.of(unit.key);
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
impl SymbolIndex {
    /// Of these files alone, each a blob, a path and a text; of no version.
    pub(crate) fn of_files(directory: &Path, files: &[([u8; 20], &RepoPath, &str)]) -> Result<Self, SymbolError> {
        use super::builder::lang_of;
        use super::extract::of_lang;
        use super::part::{Facts, PartBuilder, Unit};
        let fail = |cause: io::Error| SymbolError::io("writing it", &cause);
        let home = Home::new(directory);
        let _lock = home.lock()?;
        let mut builder = PartBuilder::default();
        for (place, (blob, path, text)) in (0..).zip(files) {
            let Some(by_path) = by_path(&path.to_string()) else { continue };
            let lang = lang_of(by_path, text);
            let definitions = lang.map(|lang| of_lang(lang, text).definitions).unwrap_or_default();
            let unit = Unit { key: UnitKey { blob: *blob, by_path }, lang, complete: true };
            builder.add(place, &Facts { unit, definitions, uses: Vec::new() });
        }
        let name = home.next_part()?;
        builder.write(&home.path(&name)).map_err(fail)?;
        home.serve(1, vec![home.stored(&name).map_err(fail)?], &Table::default())?;
        Self::open(directory)
    }
}

/// The units of a part that define one of these names, each once.
fn defining_units(part: &Part, names: &[u64]) -> Result<Vec<u32>, SymbolError> {
    let mut units = Vec::new();
    for number in names {
        units.extend(part.postings(*number)?.into_iter().filter(|posting| posting.definitions > 0).map(|posting| posting.unit));
    }
    units.sort_unstable();
    units.dedup();
    Ok(units)
}

/// Files that define something, each with the lines: by blob, and the language that the path says.
#[derive(Clone, Debug, Default)]
pub struct Defining(HashMap<[u8; 20], Vec<(u8, Vec<u32>)>>);

impl Defining {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&mut self, key: UnitKey) -> &mut Vec<u32> {
        let known = self.0.entry(key.blob).or_default();
        let place = known.iter().position(|(by_path, _)| *by_path == key.by_path).unwrap_or_else(|| {
            known.push((key.by_path, Vec::new()));
            known.len() - 1
        });
        &mut known.get_mut(place).expect("found or added above").1
    }

    /// The lines, from 1, of the file with this blob at this path; in the order of the text.
    #[must_use]
    pub fn lines(&self, blob: &[u8; 20], path: &RepoPath) -> Option<&[u32]> {
        let known = self.0.get(blob)?;
        let by_path = by_path(&path.to_string())?;
        known.iter().find(|(of, _)| *of == by_path).map(|(_, lines)| lines.as_slice())
    }
}

/// Whether a file at this path can define anything that is known here.
#[must_use]
pub fn may_define(path: &RepoPath) -> bool {
    by_path(&path.to_string()).is_some()
}

/// The language that a path says: 0 when the contents may say one; none when there are no symbols to look for.
pub(super) fn by_path(path: &str) -> Option<u8> {
    if let Some(lang) = Lang::of(path, "") {
        return Some(lang.number());
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let says_nothing = !name.contains('.') && crate::highlight::language_of(path, "").is_none();
    says_nothing.then_some(0)
}

impl Table {
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let bytes = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(bytes);
        };
        out.extend_from_slice(&(self.paths.len() as u64).to_le_bytes());
        for path in &self.paths {
            bytes(&mut out, path.bytes());
        }
        out.extend_from_slice(&(self.documents.len() as u64).to_le_bytes());
        for document in &self.documents {
            out.extend_from_slice(&document.path.to_le_bytes());
            out.extend_from_slice(&document.unit.to_le_bytes());
        }
        out.extend_from_slice(&(self.versions.len() as u64).to_le_bytes());
        for version in &self.versions {
            bytes(&mut out, version.key.name.as_bytes());
            bytes(&mut out, version.key.commit.as_bytes());
            let mut bitmap = Vec::new();
            version.documents.serialize_into(&mut bitmap)?;
            bytes(&mut out, &bitmap);
        }
        Ok(out)
    }

    fn decode(bytes: &[u8], units: usize) -> Option<Self> {
        let mut rest = bytes;
        let mut table = Self::default();
        for _ in 0..take_u64(&mut rest)? {
            table.paths.push(RepoPath::parse(take_bytes(&mut rest)?).ok()?);
        }
        for _ in 0..take_u64(&mut rest)? {
            let document = Document { path: take_u32(&mut rest)?, unit: take_u32(&mut rest)? };
            let known = (document.path as usize) < table.paths.len() && (document.unit == NO_UNIT || (document.unit as usize) < units);
            table.documents.push(known.then_some(document)?);
        }
        for _ in 0..take_u64(&mut rest)? {
            let name = String::from_utf8(take_bytes(&mut rest)?.to_vec()).ok()?;
            let commit = String::from_utf8(take_bytes(&mut rest)?.to_vec()).ok()?;
            let documents = RoaringBitmap::deserialize_from(take_bytes(&mut rest)?).ok()?;
            if documents.max().is_some_and(|last| last as usize >= table.documents.len()) {
                return None;
            }
            table.versions.push(IndexedVersion { key: VersionKey { name, commit }, documents });
        }
        rest.is_empty().then_some(table)
    }
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, more) = rest.split_first_chunk()?;
    *rest = more;
    Some(*first)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take_array(rest).map(u32::from_le_bytes)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take_array(rest).map(u64::from_le_bytes)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_u64(rest)?).ok()?;
    let (first, more) = rest.split_at_checked(length)?;
    *rest = more;
    Some(first)
}

/// The directory of an index.
#[derive(Clone, Debug)]
pub(super) struct Home(PathBuf);

impl Home {
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Takes the right to build, until the file is dropped.
    pub(super) fn lock(&self) -> Result<File, SymbolError> {
        fs::create_dir_all(&self.0).map_err(|cause| SymbolError::io("creating its directory", &cause))?;
        let file = File::options().create(true).truncate(false).write(true).open(self.path("LOCK"));
        let file = file.map_err(|cause| SymbolError::io("opening its lock", &cause))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(SymbolError::Busy),
            Err(fs::TryLockError::Error(cause)) => Err(SymbolError::io("locking it", &cause)),
        }
    }

    /// What is served; none where there is nothing yet.
    pub(super) fn manifest(&self) -> Result<Option<Manifest>, SymbolError> {
        let bytes = match fs::read(self.path(MANIFEST)) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(SymbolError::io("reading its manifest", &cause)),
        };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| SymbolError::damaged("its manifest cannot be read"))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            return Err(SymbolError::Format { found: format.unwrap_or(0), known: FORMAT });
        }
        serde_json::from_value(value).map(Some).map_err(|_| SymbolError::damaged("its manifest cannot be read"))
    }

    fn check(&self, stored: &Stored) -> Result<(), SymbolError> {
        let found = self.stored(&stored.name).map_err(|cause| SymbolError::io("reading a file of it", &cause))?;
        if found == *stored { Ok(()) } else { Err(SymbolError::damaged("a file of it is not what was written")) }
    }

    /// A file that is there, with its checksum.
    pub(super) fn stored(&self, name: &str) -> io::Result<Stored> {
        let mut digest = Sha256::new();
        let mut file = File::open(self.path(name))?;
        let length = io::copy(&mut file, &mut Digesting(&mut digest))?;
        Ok(Stored { name: name.to_owned(), length, sha256: HEXLOWER.encode(&digest.finalize()) })
    }

    /// Writes a table and lets this be what is served.
    pub(super) fn serve(&self, generation: u64, parts: Vec<Stored>, table: &Table) -> Result<Manifest, SymbolError> {
        let fail = |cause: io::Error| SymbolError::io("writing it", &cause);
        let name = format!("table-{generation:08}");
        write_durably(&self.path(&name), &table.encode().map_err(fail)?).map_err(fail)?;
        let manifest = Manifest { format: FORMAT, generation, parts, table: self.stored(&name).map_err(fail)? };
        let bytes = serde_json::to_vec(&manifest).map_err(|cause| fail(cause.into()))?;
        let beside = self.path("manifest.new");
        write_durably(&beside, &bytes).map_err(fail)?;
        let directory = File::open(&self.0).map_err(fail)?;
        // The files are to be there before the manifest that names them.
        directory.sync_all().map_err(fail)?;
        fs::rename(&beside, self.path(MANIFEST)).and_then(|()| directory.sync_all()).map_err(fail)?;
        Ok(manifest)
    }

    /// The number of the next part, above all that are there.
    pub(super) fn next_part(&self) -> Result<String, SymbolError> {
        let fail = |cause: io::Error| SymbolError::io("reading its directory", &cause);
        let mut last = 0;
        for entry in fs::read_dir(&self.0).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            last = last.max(name.to_str().and_then(|name| name.strip_prefix("part-")?.parse::<u64>().ok()).unwrap_or(0));
        }
        Ok(format!("part-{:08}", last + 1))
    }

    /// Removes what the manifest does not name. Readers of what was served before hold its files open.
    pub(super) fn sweep(&self, served: Option<&Manifest>) -> Result<(), SymbolError> {
        let fail = |cause: io::Error| SymbolError::io("removing what is left of earlier runs", &cause);
        let named =
            |name: &str| served.is_some_and(|served| served.table.name == name || served.parts.iter().any(|part| part.name == name));
        for entry in fs::read_dir(&self.0).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if (name.starts_with("part-") || name.starts_with("table-")) && !named(name) {
                fs::remove_file(entry.path()).map_err(fail)?;
            }
        }
        Ok(())
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

struct Digesting<'a>(&'a mut Sha256);

impl io::Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
