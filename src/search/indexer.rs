//! Building an index: a new generation beside the one that is served, then one switch.
//!
//! A (path, blob) that the previous generation holds keeps its number and its text; only what is new is read from the source.
//! Numbers and texts of documents that no version holds any more stay behind until they are too many: then everything is
//! copied into fresh files, still without reading the source.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use roaring::RoaringBitmap;

use super::contents::{GRAMS, Home, PartWriter, share_parts, write_tables};
use super::documents::{Body, Document, Documents, IndexedVersion};
use super::grams::GramWriter;
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
    /// Its text, in UTF-8 as far as it is text at all; `None` when it is binary.
    pub text: Option<Vec<u8>>,
    /// The text is not the file's own bytes, which were in another encoding.
    pub converted: bool,
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
    _lock: File,
}

/// Blobs larger than this are not read. Only memory limits it: a file is read and searched whole.
const LARGEST: u64 = 1 << 30;
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
        let current = home.current()?;
        let previous = previous.filter(|index| index.home == home && Some(index.generation) == current);
        Ok(Self { home, previous, _lock: lock })
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
            let documents = previous.living().len();
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
        let (number, directory) = self.home.begin()?;
        let (documents, added) = census.write(&directory, corpus, progress, cancel)?;
        self.home.switch(number, &directory)?;
        Ok(Built { generation: number, changed: true, documents, added })
    }
}

impl ProductIndex {
    /// Documents that some version holds.
    fn living(&self) -> RoaringBitmap {
        let mut living = RoaringBitmap::new();
        for version in &self.versions {
            living |= &version.documents;
        }
        living
    }
}

/// What all versions hold, before anything is read.
struct Census<'a> {
    previous: Option<&'a ProductIndex>,
    /// By path, the blobs it has, each with its provisional number: that of the previous generation, or above all of them.
    numbers: HashMap<RepoPath, Vec<(BlobId, u32)>>,
    /// In the order of their provisional numbers.
    new: Vec<(RepoPath, BlobId, u64)>,
    versions: Vec<IndexedVersion>,
}

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
        Self { previous, numbers, new: Vec::new(), versions: Vec::new() }
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
        Ok(())
    }

    /// Writes a generation into `directory`; tells how many documents its versions hold, and how many were new.
    fn write(
        mut self,
        directory: &Path,
        corpus: &mut dyn Corpus,
        progress: &mut dyn FnMut(Progress),
        cancel: &AtomicBool,
    ) -> Result<(u64, u64), SearchError> {
        let mut living = RoaringBitmap::new();
        for version in &self.versions {
            living |= &version.documents;
        }
        let added = self.new.len() as u64;
        let mut work = Progress { files_total: added, bytes_total: self.new.iter().map(|(.., size)| size).sum(), ..Progress::default() };
        let mut writer = match self.previous {
            Some(previous) if !wants_compaction(previous, &living) => GenerationWriter::upon(directory, previous)?,
            Some(previous) => {
                let mut writer = GenerationWriter::fresh(directory)?;
                self.compact(previous, &living, &mut writer, cancel)?;
                writer
            }
            None => GenerationWriter::fresh(directory)?,
        };
        // In order of paths, so that files which are listed together lie together.
        let first = self.previous.map_or(0, |index| index.documents.len());
        let mut order: Vec<usize> = (0..self.new.len()).collect();
        order.sort_by(|&a, &b| {
            let key = |n: usize| self.new.get(n).map(|(path, blob, _)| (path, blob));
            key(a).cmp(&key(b))
        });
        let mut moved = BTreeMap::new();
        for place in order {
            stop_if(cancel)?;
            let Some((path, blob, size)) = self.new.get(place) else { continue };
            let number = match corpus.read(blob, LARGEST).map_err(SearchError::Corpus)? {
                Some(bytes) => writer.add(path, *blob, *size, corpus.decode(path, bytes))?,
                None => writer.add_unread(path, *blob, *size)?,
            };
            moved.insert(provisional(first + place)?, number);
            work.files_done += 1;
            work.bytes_done += size;
            progress(work);
        }
        self.renumber(&moved);
        writer.finish(&self.versions)?;
        Ok((living.len(), added))
    }

    /// Copies the documents that are still held into fresh files.
    fn compact(
        &mut self,
        previous: &ProductIndex,
        living: &RoaringBitmap,
        writer: &mut GenerationWriter,
        cancel: &AtomicBool,
    ) -> Result<(), SearchError> {
        let mut moved = BTreeMap::new();
        let mut kept: Vec<u32> = living.iter().filter(|&n| (n as usize) < previous.documents.len()).collect();
        kept.sort_by_key(|&n| previous.documents.get(n).map(|d| (d.path, d.blob)));
        for old in kept {
            stop_if(cancel)?;
            if let Some((document, path)) = previous.documents.get(old).zip(previous.documents.path(old)) {
                let mut text = Vec::new();
                previous.contents.read(&document.body, &mut text)?;
                let language = document.language.and_then(|l| previous.documents.languages().get(usize::from(l))).cloned();
                let number = match document.body {
                    Body::Unread => writer.add_unread(path, document.blob, document.size)?,
                    Body::Binary => writer.add(path, document.blob, document.size, Decoded { text: None, converted: false, language })?,
                    Body::Text { converted, .. } => {
                        writer.add(path, document.blob, document.size, Decoded { text: Some(text), converted, language })?
                    }
                };
                moved.insert(old, number);
            }
        }
        self.renumber(&moved);
        Ok(())
    }

    /// Gives documents their final numbers. Those not named keep theirs.
    fn renumber(&mut self, moved: &BTreeMap<u32, u32>) {
        for version in &mut self.versions {
            version.documents = version.documents.iter().map(|n| moved.get(&n).copied().unwrap_or(n)).collect();
        }
    }
}

fn provisional(number: usize) -> Result<u32, SearchError> {
    u32::try_from(number).map_err(|_| SearchError::Full)
}

fn wants_compaction(previous: &ProductIndex, living: &RoaringBitmap) -> bool {
    let old = previous.documents.len() as u64;
    let dead = old - living.range_cardinality(..u32::try_from(old).unwrap_or(u32::MAX));
    dead * 3 > old || previous.contents.parts() >= MOST_PARTS
}

/// Writes the files of a generation.
struct GenerationWriter {
    directory: PathBuf,
    documents: Vec<(RepoPath, Document)>,
    languages: Vec<String>,
    /// Lengths of the parts taken from the previous generation.
    parts: Vec<u64>,
    part: PartWriter,
    grams: GramWriter,
}

impl GenerationWriter {
    fn fresh(directory: &Path) -> Result<Self, SearchError> {
        Ok(Self {
            directory: directory.to_owned(),
            documents: Vec::new(),
            languages: Vec::new(),
            parts: Vec::new(),
            part: PartWriter::create(directory, 0)?,
            grams: GramWriter::create(&directory.join(GRAMS))?,
        })
    }

    /// With everything that the previous generation holds, under the same numbers.
    fn upon(directory: &Path, previous: &ProductIndex) -> Result<Self, SearchError> {
        let older = previous.home.generation(previous.generation);
        let parts = share_parts(&older, directory, &previous.contents)?;
        let documents = (0..)
            .zip(previous.documents.all())
            .filter_map(|(number, document)| previous.documents.path(number).map(|path| (path.clone(), document.clone())));
        Ok(Self {
            directory: directory.to_owned(),
            documents: documents.collect(),
            languages: previous.documents.languages().to_vec(),
            part: PartWriter::create(directory, parts.len())?,
            parts,
            grams: GramWriter::upon(&directory.join(GRAMS), &older.join(GRAMS))?,
        })
    }

    fn add(&mut self, path: &RepoPath, blob: BlobId, size: u64, decoded: Decoded) -> Result<u32, SearchError> {
        let language = decoded.language.and_then(|language| self.language(language));
        let Some(text) = decoded.text else {
            return self.put(path, Document { path: 0, blob, size, language, body: Body::Binary });
        };
        let body = Body::Text {
            part: u32::try_from(self.parts.len()).map_err(|_| SearchError::Full)?,
            offset: self.part.append(&text)?,
            length: text.len() as u64,
            converted: decoded.converted,
        };
        let number = self.put(path, Document { path: 0, blob, size, language, body })?;
        self.grams.add(number, text)?;
        Ok(number)
    }

    fn add_unread(&mut self, path: &RepoPath, blob: BlobId, size: u64) -> Result<u32, SearchError> {
        self.put(path, Document { path: 0, blob, size, language: None, body: Body::Unread })
    }

    fn put(&mut self, path: &RepoPath, document: Document) -> Result<u32, SearchError> {
        let number = u32::try_from(self.documents.len()).ok().filter(|&n| n < u32::MAX).ok_or(SearchError::Full)?;
        self.documents.push((path.clone(), document));
        Ok(number)
    }

    fn language(&mut self, name: String) -> Option<u16> {
        let known = self.languages.iter().position(|known| *known == name);
        let place = known.unwrap_or_else(|| {
            self.languages.push(name);
            self.languages.len() - 1
        });
        u16::try_from(place).ok().filter(|&place| place < u16::MAX)
    }

    fn finish(mut self, versions: &[IndexedVersion]) -> Result<(), SearchError> {
        self.parts.push(self.part.finish()?);
        self.grams.finish(&self.directory.join(GRAMS))?;
        let mut paths: Vec<RepoPath> = self.documents.iter().map(|(path, _)| path.clone()).collect();
        paths.sort_unstable();
        paths.dedup();
        let documents = self.documents.into_iter().map(|(path, document)| {
            let place = paths.binary_search(&path).ok().and_then(|place| u32::try_from(place).ok());
            Document { path: place.unwrap_or(u32::MAX), ..document }
        });
        let documents = Documents::new(documents.collect(), paths, self.languages);
        write_tables(&self.directory, &documents, versions, self.parts)
    }
}

fn stop_if(cancel: &AtomicBool) -> Result<(), SearchError> {
    if cancel.load(Ordering::Relaxed) { Err(SearchError::Cancelled) } else { Ok(()) }
}
