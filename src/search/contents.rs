//! The files of an index: generations, their small tables, and the texts of documents in flat files.
//!
//! ```text
//! LOCK                     held while a generation is built
//! CURRENT                  the name of the generation that is served; replaced by rename
//! generation-00000007/
//!     meta.json            format version, lengths and checksums of what follows (of contents the lengths)
//!     documents  versions  small tables
//!     contents-0 …         of each document its own lines, raw bytes and runs; parts never change once written, and generations
//!                          share them
//!     grams/               which documents hold which three bytes
//! building-00000008/       what a run that was killed left behind; removed by the next
//! ```
//!
//! A generation is whole before `CURRENT` names it: its files and directories are on disk, and only then the name is replaced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tantivy::Directory as _;
use tantivy::directory::{MmapDirectory, OwnedBytes};

use super::SearchError;
use super::documents::{Body, Document, Documents, IndexedVersion, decode_versions, encode_versions};

/// Raised whenever an index written before could be misread.
pub(super) const FORMAT: u32 = 3;

const META: &str = "meta.json";
const DOCUMENTS: &str = "documents";
const VERSIONS: &str = "versions";
pub(super) const GRAMS: &str = "grams";

#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    format: u32,
    documents: Table,
    versions: Table,
    /// The length of each part.
    contents: Vec<u64>,
    /// The files of the grams, by name.
    grams: BTreeMap<String, Table>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    length: u64,
    sha256: String,
}

/// What the tables of a generation say.
pub(super) struct Tables {
    pub(super) documents: Documents,
    pub(super) versions: Vec<IndexedVersion>,
    pub(super) contents: Contents,
}

/// The texts of documents, mapped into memory: what is read is copied nowhere. Parts never change once written, and one that
/// is removed stays readable to whoever has it open.
#[derive(Clone, Default)]
pub(super) struct Contents {
    parts: Vec<OwnedBytes>,
}

impl Contents {
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Opens the parts of a generation, which must be of these lengths.
    fn open(directory: &Path, lengths: &[u64]) -> Result<Self, SearchError> {
        let fail = |e: io::Error| SearchError::io("reading the contents", &e);
        let mapped = MmapDirectory::open(directory).map_err(|_| SearchError::damaged("the contents are missing"))?;
        let mut parts = Vec::new();
        for (part, length) in lengths.iter().enumerate() {
            let name = part_name(part);
            if fs::metadata(directory.join(&name)).map_err(fail)?.len() != *length {
                return Err(SearchError::damaged("the contents are not as long as they should be"));
            }
            let file = mapped.open_read(Path::new(&name)).map_err(|_| SearchError::damaged("the contents cannot be opened"))?;
            parts.push(file.read_bytes().map_err(fail)?);
        }
        Ok(Self { parts })
    }

    /// The own lines of a document, which are its text unless it was woven: nothing when it has none.
    pub(super) fn own(&self, document: &Document) -> Result<&[u8], SearchError> {
        document.body.map_or(Ok(&[]), |body| self.bytes(body.part, body.offset, body.own))
    }

    /// The bytes of a document where its text is not just these: nothing otherwise.
    pub(super) fn raw(&self, document: &Document) -> Result<&[u8], SearchError> {
        document.body.map_or(Ok(&[]), |body| self.bytes(body.part, body.offset.saturating_add(body.own), body.raw))
    }

    /// The runs of a document, as they are written: nothing when it was not woven.
    pub(super) fn runs(&self, document: &Document) -> Result<&[u8], SearchError> {
        let behind = |body: Body| body.offset.saturating_add(body.own).saturating_add(body.raw);
        document.body.map_or(Ok(&[]), |body| self.bytes(body.part, behind(body), body.runs))
    }

    pub(super) fn bytes(&self, part: u32, offset: u64, length: u64) -> Result<&[u8], SearchError> {
        let end = offset.checked_add(length).and_then(|end| usize::try_from(end).ok());
        let range = usize::try_from(offset).ok().zip(end).map(|(start, end)| start..end);
        let bytes = self.parts.get(part as usize).zip(range).and_then(|(part, range)| part.as_slice().get(range));
        bytes.ok_or_else(|| SearchError::damaged("a document lies outside of the contents"))
    }
}

/// Appends texts to a new part.
pub(super) struct PartWriter {
    file: BufWriter<File>,
    length: u64,
}

impl PartWriter {
    pub(super) fn create(directory: &Path, part: usize) -> Result<Self, SearchError> {
        let file = File::options().read(true).write(true).create_new(true).open(directory.join(part_name(part)));
        let file = file.map_err(|e| SearchError::io("creating the contents", &e))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), length: 0 })
    }

    /// Where the text now lies.
    pub(super) fn append(&mut self, text: &[u8]) -> Result<u64, SearchError> {
        self.file.write_all(text).map_err(|e| SearchError::io("writing the contents", &e))?;
        let offset = self.length;
        self.length += text.len() as u64;
        Ok(offset)
    }

    /// What was appended before.
    pub(super) fn read(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, SearchError> {
        let fail = |e: io::Error| SearchError::io("reading the contents again", &e);
        self.file.flush().map_err(fail)?;
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| SearchError::Full)?];
        self.file.get_ref().read_exact_at(&mut bytes, offset).map_err(fail)?;
        Ok(bytes)
    }

    pub(super) fn finish(self) -> Result<u64, SearchError> {
        let synced = self.file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        synced.map_err(|e| SearchError::io("writing the contents", &e))?;
        Ok(self.length)
    }
}

fn part_name(part: usize) -> String {
    format!("contents-{part}")
}

/// The directory of a product's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home(PathBuf);

impl Home {
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Takes the right to build, until the file is dropped.
    pub(super) fn lock(&self) -> Result<File, SearchError> {
        fs::create_dir_all(&self.0).map_err(|e| SearchError::io("creating the directory of the index", &e))?;
        let file = File::options().create(true).truncate(false).write(true).open(self.0.join("LOCK"));
        let file = file.map_err(|e| SearchError::io("opening the lock of the index", &e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(SearchError::Busy),
            Err(fs::TryLockError::Error(e)) => Err(SearchError::io("locking the index", &e)),
        }
    }

    /// The number of the generation that is served, when there is one.
    pub(super) fn current(&self) -> Result<Option<u64>, SearchError> {
        match fs::read_to_string(self.0.join("CURRENT")) {
            Ok(name) => match number(name.trim_end(), "generation-") {
                Some(number) => Ok(Some(number)),
                None => Err(SearchError::damaged("CURRENT names no generation")),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(SearchError::io("reading which generation is current", &e)),
        }
    }

    /// The same; none where it cannot be told, since then nothing is served.
    pub(super) fn served(&self) -> Result<Option<u64>, SearchError> {
        match self.current() {
            Err(SearchError::Damaged { .. }) => Ok(None),
            known => known,
        }
    }

    pub(super) fn generation(&self, number: u64) -> PathBuf {
        self.0.join(format!("generation-{number:08}"))
    }

    /// Makes the directory in which the next generation is built, and its number: above all that are there.
    pub(super) fn begin(&self) -> Result<(u64, PathBuf), SearchError> {
        let fail = |e: io::Error| SearchError::io("creating a generation of the index", &e);
        let mut last = self.served()?.unwrap_or(0);
        for entry in fs::read_dir(&self.0).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            last = last.max(name.to_str().and_then(|name| number(name, "generation-")).unwrap_or(0));
        }
        let next = last + 1;
        let directory = self.0.join(format!("building-{next:08}"));
        fs::create_dir(&directory).map_err(fail)?;
        Ok((next, directory))
    }

    /// Lets what was built be the generation that is served.
    pub(super) fn switch(&self, number: u64, built: &Path) -> Result<(), SearchError> {
        let fail = |e: io::Error| SearchError::io("switching to a new generation of the index", &e);
        sync_directory(built).map_err(fail)?;
        fs::rename(built, self.generation(number)).map_err(fail)?;
        sync_directory(&self.0).map_err(fail)?;
        write_durably(&self.0.join("CURRENT.new"), format!("generation-{number:08}\n").as_bytes()).map_err(fail)?;
        fs::rename(self.0.join("CURRENT.new"), self.0.join("CURRENT")).map_err(fail)?;
        sync_directory(&self.0).map_err(fail)
    }

    /// Removes generations that are not served, and what runs that were killed left behind. Readers of an older generation
    /// hold its files open and are not disturbed.
    pub(super) fn sweep(&self) -> Result<(), SearchError> {
        let fail = |e: io::Error| SearchError::io("removing old generations of the index", &e);
        let current = self.served()?;
        for entry in fs::read_dir(&self.0).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let old = number(name, "generation-").is_some_and(|number| Some(number) != current);
            if old || number(name, "building-").is_some() {
                fs::remove_dir_all(entry.path()).map_err(fail)?;
            }
        }
        Ok(())
    }
}

/// Writes the tables of a generation whose other files are there; `parts` are the lengths of its contents.
pub(super) fn write_tables(
    directory: &Path,
    documents: &Documents,
    versions: &[IndexedVersion],
    parts: Vec<u64>,
) -> Result<(), SearchError> {
    let fail = |e: io::Error| SearchError::io("writing the tables of the index", &e);
    let documents = write_table(directory, DOCUMENTS, &documents.encode()).map_err(fail)?;
    let versions = write_table(directory, VERSIONS, &encode_versions(versions).map_err(fail)?).map_err(fail)?;
    let meta = Meta { format: FORMAT, documents, versions, contents: parts, grams: gram_tables(directory).map_err(fail)? };
    let meta = serde_json::to_vec(&meta).map_err(|e| fail(e.into()))?;
    write_durably(&directory.join(META), &meta).map_err(fail)
}

/// Reads the tables of a generation and checks them.
pub(super) fn read_tables(directory: &Path) -> Result<Tables, SearchError> {
    let fail = |e: io::Error| SearchError::io("reading the tables of the index", &e);
    let meta = fs::read(directory.join(META)).map_err(fail)?;
    let format = serde_json::from_slice::<serde_json::Value>(&meta).ok();
    let format = format.and_then(|meta| meta.get("format")?.as_u64());
    if format != Some(u64::from(FORMAT)) {
        return Err(SearchError::Format { found: format.unwrap_or(0), known: FORMAT });
    }
    let meta: Meta = serde_json::from_slice(&meta).map_err(|_| SearchError::damaged("meta.json cannot be read"))?;
    // What tantivy reads it trusts.
    if gram_tables(directory).map_err(|e| SearchError::io("reading the grams", &e))? != meta.grams {
        return Err(SearchError::damaged("its grams are not what was written"));
    }
    let documents = Documents::decode(&read_table(directory, DOCUMENTS, &meta.documents)?)
        .ok_or_else(|| SearchError::damaged("the table of documents cannot be read"))?;
    let versions = decode_versions(&read_table(directory, VERSIONS, &meta.versions)?, documents.len())
        .ok_or_else(|| SearchError::damaged("the table of versions cannot be read"))?;
    Ok(Tables { documents, versions, contents: Contents::open(directory, &meta.contents)? })
}

/// Takes the parts of another generation into this one, and tells their lengths.
pub(super) fn share_parts(from: &Path, to: &Path, contents: &Contents) -> Result<Vec<u64>, SearchError> {
    for part in 0..contents.parts() {
        share(&from.join(part_name(part)), &to.join(part_name(part)))?;
    }
    Ok(contents.parts.iter().map(|part| part.len() as u64).collect())
}

/// Lets a file that never changes again appear in a second directory: as the same file where the file system can do so.
pub(super) fn share(from: &Path, to: &Path) -> Result<(), SearchError> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let copied = fs::copy(from, to).and_then(|_| File::open(to)?.sync_all());
    copied.map_err(|e| SearchError::io("copying a file of the index", &e))
}

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn write_table(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<Table> {
    write_durably(&directory.join(name), bytes)?;
    Ok(Table { length: bytes.len() as u64, sha256: HEXLOWER.encode(&Sha256::digest(bytes)) })
}

fn gram_tables(directory: &Path) -> io::Result<BTreeMap<String, Table>> {
    let mut tables = BTreeMap::new();
    for entry in fs::read_dir(directory.join(GRAMS))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if Path::new(&name).extension().is_none_or(|ending| ending != "lock") {
            let mut digest = Sha256::new();
            let length = io::copy(&mut File::open(entry.path())?, &mut DigestWriter(&mut digest))?;
            tables.insert(name, Table { length, sha256: HEXLOWER.encode(&digest.finalize()) });
        }
    }
    Ok(tables)
}

struct DigestWriter<'a>(&'a mut Sha256);

impl io::Write for DigestWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read_table(directory: &Path, name: &str, table: &Table) -> Result<Vec<u8>, SearchError> {
    let lost = |e| SearchError::Damaged { what: format!("the table of {name} cannot be read ({e})") };
    let bytes = fs::read(directory.join(name)).map_err(lost)?;
    if bytes.len() as u64 != table.length || HEXLOWER.encode(&Sha256::digest(&bytes)) != table.sha256 {
        return Err(SearchError::Damaged { what: format!("the table of {name} is not what was written") });
    }
    Ok(bytes)
}

fn number(name: &str, prefix: &str) -> Option<u64> {
    name.strip_prefix(prefix)?.parse().ok()
}
