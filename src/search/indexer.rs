//! Building an index: a new generation beside the one that is served, then one switch.
//!
//! A (path, blob) that the previous generation holds keeps its number and its text; only what is new is read from the source.
//! Much that is new is written in steps, each a generation of its own that is served: what was written when a build is killed
//! is not written again, and the versions that are whole can be searched meanwhile, the newest first. Numbers and texts of
//! documents that no version holds any more stay behind until they are too many: then everything is copied into fresh files,
//! still without reading the source.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use roaring::RoaringBitmap;

use super::contents::Home;
use super::documents::IndexedVersion;
use super::generation::GenerationWriter;
use super::traits::Traits;
use super::{BlobId, ProductIndex, SearchError, VersionKey};
use crate::catalog::RepoPath;

pub type CorpusError = Box<dyn std::error::Error + Send + Sync>;

/// Where the sources of one product come from.
pub trait Corpus {
    /// The versions to index. The index forgets all others.
    fn versions(&self) -> Vec<VersionKey>;

    /// Calls `visit` with every file of a version: path, blob and the blob's size in bytes. Asked only for versions that the
    /// index does not hold yet.
    ///
    /// # Errors
    /// When the version cannot be read; the build is then given up and the index served stays.
    fn walk(&mut self, version: &VersionKey, visit: &mut dyn FnMut(&RepoPath, &BlobId, u64)) -> Result<(), CorpusError>;

    /// The bytes of a blob; `None` when they are more than `limit` or are not to be had. Such a file is indexed by its path and
    /// counted as unread.
    ///
    /// # Errors
    /// When reading fails in a way that another try may mend; the build is then given up and the index served stays.
    fn read(&mut self, blob: &BlobId, limit: u64) -> Result<Option<Vec<u8>>, CorpusError>;

    /// What is searched and shown of these bytes.
    fn decode(&self, path: &RepoPath, bytes: Vec<u8>) -> Decoded;
}

/// A file as it is searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Its text, in UTF-8 as far as it is text at all; of a binary the texts that are found in it, one a line.
    pub text: Vec<u8>,
    /// The file's own bytes, to be searched too, where the text was decoded from another encoding.
    pub raw: Option<Vec<u8>>,
    /// Long lines are noted by the indexer itself.
    pub traits: Traits,
    pub language: Option<String>,
}

/// How far a build has come, in what must be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub files_done: u64,
    pub files_total: u64,
    pub bytes_done: u64,
    pub bytes_total: u64,
}

/// What a build did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Built {
    /// The generation that is served now.
    pub generation: u64,
    /// False: it was as it should be already.
    pub changed: bool,
    /// Distinct (path, blob) pairs in all versions, and how many of them the previous generation did not hold.
    pub documents: u64,
    pub added: u64,
}

/// Builds the next generation of an index. One at a time for each index, in all processes.
#[derive(Debug)]
pub struct IndexWriter<'a> {
    home: Home,
    previous: Option<&'a ProductIndex>,
    step: u64,
    _lock: File,
}

/// Blobs larger than this are not read. Only memory limits it: a file is read and searched whole.
const LARGEST: u64 = 1 << 30;
/// Bytes read of the source before what was written is served.
const STEP: u64 = 512 << 20;
/// Parts of contents before they are put together again.
const MOST_PARTS: usize = 16;

impl<'a> IndexWriter<'a> {
    /// Takes the index at `directory`, creates it when there is none, and removes what a run that was killed left behind.
    ///
    /// `previous` is the generation to build upon, which must be the current one; without it everything is read anew.
    ///
    /// # Errors
    /// When another process is building this index, or its directory cannot be used.
    pub fn begin(directory: &Path, previous: Option<&'a ProductIndex>) -> Result<Self, SearchError> {
        let home = Home::new(directory);
        let lock = home.lock()?;
        home.sweep()?;
        // Files of an older generation are gone by now: nothing can be taken from them.
        let current = home.served()?;
        let previous = previous.filter(|index| index.home == home && Some(index.generation) == current);
        // What is built anew beside an index that can be served is not to take its place before it is whole.
        let anew = previous.is_none() && current.is_some_and(|number| ProductIndex::open_generation(&home, number).is_ok());
        Ok(Self { home, previous, step: if anew { u64::MAX } else { STEP }, _lock: lock })
    }

    /// Has what was written served, and kept if the process is killed, after so many bytes read of the source.
    #[must_use]
    pub fn in_steps_of(self, bytes: u64) -> Self {
        Self { step: bytes, ..self }
    }

    /// Indexes the versions of `corpus`, and lets the result be served. Whatever goes wrong before, and whenever the process
    /// is killed, what was served before is served still.
    ///
    /// # Errors
    /// When the source cannot be read, the index cannot be written, or `cancel` was set.
    pub fn build(self, corpus: &mut dyn Corpus, progress: &mut dyn FnMut(Progress), cancel: &AtomicBool) -> Result<Built, SearchError> {
        let keys = corpus.versions();
        if let Some(previous) = self.previous
            && previous.versions.iter().map(|version| &version.key).eq(&keys)
        {
            let documents = previous.living.len();
            return Ok(Built { generation: previous.generation, changed: false, documents, added: 0 });
        }
        let built = self.generation(keys, corpus, progress, cancel);
        // What was built is served, or is of no use. What cannot be removed now is removed by the next run.
        let _ = self.home.sweep();
        built
    }

    fn generation(
        &self,
        keys: Vec<VersionKey>,
        corpus: &mut dyn Corpus,
        progress: &mut dyn FnMut(Progress),
        cancel: &AtomicBool,
    ) -> Result<Built, SearchError> {
        let mut census = Census::new(self.previous);
        for key in keys {
            stop_if(cancel)?;
            census.take(key, corpus)?;
        }
        let order = census.order();
        let mut work = Progress {
            files_total: order.len() as u64,
            bytes_total: census.new.iter().map(|(.., size)| size).sum(),
            ..Progress::default()
        };
        let mut rest = order.as_slice();
        // What the last step wrote; the next goes on from there.
        let mut base: Option<ProductIndex> = None;
        loop {
            let (number, directory) = self.home.begin()?;
            let mut writer = match (base.as_ref(), self.previous) {
                (Some(base), _) => GenerationWriter::upon(&directory, base)?.weaving(),
                (None, Some(previous)) if wants_compaction(previous, &census.living()) => {
                    let mut writer = GenerationWriter::fresh(&directory)?.weaving();
                    census.compact(previous, &mut writer, cancel)?;
                    writer
                }
                (None, Some(previous)) => GenerationWriter::upon(&directory, previous)?.weaving(),
                (None, None) => GenerationWriter::fresh(&directory)?.weaving(),
            };
            let until = work.bytes_done.saturating_add(self.step);
            while let Some((&place, more)) = rest.split_first().filter(|_| work.bytes_done < until) {
                stop_if(cancel)?;
                work.bytes_done += census.read(place, corpus, &mut writer)?;
                work.files_done += 1;
                progress(work);
                rest = more;
            }
            writer.finish(&census.whole_versions())?;
            self.home.switch(number, &directory)?;
            if rest.is_empty() {
                let documents = census.living().len();
                return Ok(Built { generation: number, changed: true, documents, added: order.len() as u64 });
            }
            base = Some(ProductIndex::open_generation(&self.home, number)?);
            self.home.sweep()?;
        }
    }
}

/// What all versions hold, before anything is read.
struct Census<'a> {
    previous: Option<&'a ProductIndex>,
    /// By path, the blobs it has, each with its provisional number: that of the previous generation, or above all of them.
    numbers: HashMap<RepoPath, Vec<(BlobId, u32)>>,
    /// In the order of their provisional numbers.
    new: Vec<(RepoPath, BlobId, u64)>,
    /// Their documents by provisional numbers.
    versions: Vec<IndexedVersion>,
    /// The number under which each provisional one was written; [`UNWRITTEN`] before.
    written: Vec<u32>,
}

const UNWRITTEN: u32 = u32::MAX;

impl<'a> Census<'a> {
    fn new(previous: Option<&'a ProductIndex>) -> Self {
        let mut numbers: HashMap<RepoPath, Vec<(BlobId, u32)>> = HashMap::new();
        if let Some(previous) = previous {
            for (number, document) in (0..).zip(previous.documents.all()) {
                if let Some(path) = previous.documents.path(number) {
                    numbers.entry(path.clone()).or_default().push((document.blob, number));
                }
            }
        }
        let written = (0..).take(previous.map_or(0, |index| index.documents.len())).collect();
        Self { previous, numbers, new: Vec::new(), versions: Vec::new(), written }
    }

    /// A version that is known already, under whatever name, is not walked again.
    fn take(&mut self, key: VersionKey, corpus: &mut dyn Corpus) -> Result<(), SearchError> {
        let previous = self.previous.map(|index| index.versions.as_slice()).unwrap_or_default();
        let same = previous.iter().chain(&self.versions).find(|version| version.key.commit == key.commit);
        if let Some(same) = same {
            let documents = same.documents.clone();
            self.versions.push(IndexedVersion { key, documents });
            return Ok(());
        }
        let mut documents = RoaringBitmap::new();
        let old = self.previous.map_or(0, |index| index.documents.len());
        let (numbers, new) = (&mut self.numbers, &mut self.new);
        let mut full = false;
        corpus
            .walk(&key, &mut |path, blob, size| {
                if path.is_root() {
                    return;
                }
                if !numbers.contains_key(path) {
                    numbers.insert(path.clone(), Vec::new());
                }
                let blobs = numbers.get_mut(path).expect("inserted above when it was missing");
                let known = blobs.iter().find(|(known, _)| known == blob).map(|(_, number)| *number);
                let Some(number) = known.or_else(|| u32::try_from(old + new.len()).ok().filter(|&n| n < u32::MAX)) else {
                    full = true;
                    return;
                };
                if known.is_none() {
                    blobs.push((*blob, number));
                    new.push((path.clone(), *blob, size));
                }
                documents.insert(number);
            })
            .map_err(SearchError::Corpus)?;
        if full {
            return Err(SearchError::Full);
        }
        self.versions.push(IndexedVersion { key, documents });
        self.written.resize(old + self.new.len(), UNWRITTEN);
        Ok(())
    }

    /// All that some version holds, by provisional numbers.
    fn living(&self) -> RoaringBitmap {
        let mut living = RoaringBitmap::new();
        for version in &self.versions {
            living |= &version.documents;
        }
        living
    }

    /// The places of what is new, as it is to be written: the newest version first; then in order of paths, so that files which
    /// are listed together lie together, and of a path the newer first, so that neighbours are alike.
    fn order(&self) -> Vec<usize> {
        let first = self.written.len() - self.new.len();
        let mut newest = vec![usize::MAX; self.new.len()];
        for (place, version) in self.versions.iter().enumerate() {
            for number in &version.documents {
                if let Some(known) = (number as usize).checked_sub(first).and_then(|new| newest.get_mut(new)) {
                    *known = place.min(*known);
                }
            }
        }
        let mut order: Vec<usize> = (0..self.new.len()).collect();
        order.sort_by(|&a, &b| {
            let key = |n: usize| {
                let newest = newest.get(n).copied().unwrap_or(usize::MAX);
                (newest > 0, self.new.get(n).map(|(path, blob, _)| (path, newest, blob)))
            };
            key(a).cmp(&key(b))
        });
        order
    }

    /// Reads what is new at this place and writes it; tells its bytes.
    fn read(&mut self, place: usize, corpus: &mut dyn Corpus, writer: &mut GenerationWriter) -> Result<u64, SearchError> {
        let first = self.written.len() - self.new.len();
        let Some((path, blob, size)) = self.new.get(place) else { return Ok(0) };
        let decoded = corpus.read(blob, LARGEST).map_err(SearchError::Corpus)?.map(|bytes| corpus.decode(path, bytes));
        let number = writer.add(path, *blob, *size, decoded)?;
        if let Some(slot) = self.written.get_mut(first + place) {
            *slot = number;
        }
        Ok(*size)
    }

    /// Copies the documents that are still held into fresh files.
    fn compact(&mut self, previous: &ProductIndex, writer: &mut GenerationWriter, cancel: &AtomicBool) -> Result<(), SearchError> {
        let mut kept: Vec<u32> = self.living().iter().filter(|&n| (n as usize) < previous.documents.len()).collect();
        kept.sort_by_key(|&n| previous.documents.get(n).map(|d| (d.path, n)));
        for old in kept {
            stop_if(cancel)?;
            if let Some((document, path)) = previous.documents.get(old).zip(previous.documents.path(old)) {
                let language = document.language.and_then(|l| previous.documents.languages().get(usize::from(l))).cloned();
                let raw = previous.contents.raw(document)?;
                let decoded = Decoded {
                    text: previous.intact_text(old)?.into_owned(),
                    raw: (!raw.is_empty()).then(|| raw.to_vec()),
                    traits: document.traits,
                    language,
                };
                let number = writer.add(path, document.blob, document.size, document.body.map(|_| decoded))?;
                if let Some(slot) = self.written.get_mut(old as usize) {
                    *slot = number;
                }
            }
        }
        Ok(())
    }

    /// The versions all of whose documents are written, by the numbers they were written under.
    fn whole_versions(&self) -> Vec<IndexedVersion> {
        let written = |number: u32| self.written.get(number as usize).copied().filter(|&n| n != UNWRITTEN);
        let whole = |version: &IndexedVersion| {
            let documents = version.documents.iter().map(written).collect::<Option<RoaringBitmap>>()?;
            Some(IndexedVersion { key: version.key.clone(), documents })
        };
        self.versions.iter().filter_map(whole).collect()
    }
}

fn wants_compaction(previous: &ProductIndex, living: &RoaringBitmap) -> bool {
    let old = previous.documents.len() as u64;
    let dead = old - living.range_cardinality(..u32::try_from(old).unwrap_or(u32::MAX));
    dead * 3 > old || previous.contents.parts() >= MOST_PARTS
}

fn stop_if(cancel: &AtomicBool) -> Result<(), SearchError> {
    if cancel.load(Ordering::Relaxed) { Err(SearchError::Cancelled) } else { Ok(()) }
}
