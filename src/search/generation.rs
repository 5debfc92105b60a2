//! Writing the files of one generation.

use std::path::{Path, PathBuf};

use super::blocks::{Blocks, Measure, cut};
use super::contents::{GRAMS, PartWriter, share_parts, write_tables};
use super::documents::{Body, Document, Documents, IndexedVersion};
use super::grams::GramWriter;
use super::indexer::Decoded;
use super::pattern::line_end;
use super::query::Trait;
use super::traits::Traits;
use super::{BlobId, ProductIndex, SearchError};
use crate::catalog::RepoPath;

/// Bytes behind a block that its last grams reach into.
const OVER: usize = 2;

/// Writes the files of a generation.
pub(super) struct GenerationWriter {
    directory: PathBuf,
    documents: Vec<(RepoPath, Document)>,
    languages: Vec<String>,
    blocks: Blocks,
    /// Lengths of the parts taken from the previous generation.
    parts: Vec<u64>,
    part: PartWriter,
    grams: GramWriter,
}

impl GenerationWriter {
    pub(super) fn fresh(directory: &Path) -> Result<Self, SearchError> {
        Ok(Self {
            directory: directory.to_owned(),
            documents: Vec::new(),
            languages: Vec::new(),
            blocks: Blocks::default(),
            parts: Vec::new(),
            part: PartWriter::create(directory, 0)?,
            grams: GramWriter::create(&directory.join(GRAMS))?,
        })
    }

    /// With everything that another generation holds, under the same numbers.
    pub(super) fn upon(directory: &Path, previous: &ProductIndex) -> Result<Self, SearchError> {
        let older = previous.home.generation(previous.generation);
        let parts = share_parts(&older, directory, &previous.contents)?;
        let mut blocks = Blocks::default();
        let mut documents = Vec::with_capacity(previous.documents.len());
        for (number, document) in (0..).zip(previous.documents.all()) {
            let Some(path) = previous.documents.path(number) else { continue };
            documents.push((path.clone(), document.clone()));
            if !blocks.push(document.body.as_ref(), &previous.documents.blocks().measures(number)) {
                return Err(SearchError::damaged("its blocks do not fit its documents"));
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            documents,
            languages: previous.documents.languages().to_vec(),
            blocks,
            part: PartWriter::create(directory, parts.len())?,
            parts,
            grams: GramWriter::upon(&directory.join(GRAMS), &older.join(GRAMS))?,
        })
    }

    /// Adds a document, by its path alone when it could not be read; tells its number.
    pub(super) fn add(&mut self, path: &RepoPath, blob: BlobId, size: u64, decoded: Option<Decoded>) -> Result<u32, SearchError> {
        let number = self.next()?;
        let Some(decoded) = decoded else {
            let traits = Traits::default().with(Trait::Unindexed);
            self.put(path, Document { path: 0, blob, size, language: None, traits, body: None }, &[(0, 0)])?;
            self.grams.add(self.block()?, Vec::new(), Some(path))?;
            return Ok(number);
        };
        let raw = decoded.raw.unwrap_or_default();
        let body = Body {
            part: u32::try_from(self.parts.len()).map_err(|_| SearchError::Full)?,
            offset: self.part.append(&decoded.text)?,
            text: decoded.text.len() as u64,
            raw: raw.len() as u64,
        };
        self.part.append(&raw)?;
        let language = decoded.language.and_then(|language| self.language(language));
        let traits = decoded.traits.with_if(Trait::LongLine, has_long_line(&decoded.text));
        let mut measures = Vec::new();
        let mut first = u32::try_from(self.blocks.len()).map_err(|_| SearchError::Full)?;
        let mut named = Some(path);
        for (bytes, present) in [(&decoded.text, true), (&raw, !raw.is_empty())] {
            for range in cut(bytes).into_iter().filter(|_| present) {
                measures.push(measure(bytes.get(range.clone()).unwrap_or_default())?);
                let over = range.start..(range.end + OVER).min(bytes.len());
                self.grams.add(first, bytes.get(over).unwrap_or_default().to_vec(), named.take())?;
                first = first.checked_add(1).ok_or(SearchError::Full)?;
            }
        }
        self.put(path, Document { path: 0, blob, size, language, traits, body: Some(body) }, &measures)?;
        Ok(number)
    }

    /// How many documents there are: the number of the next.
    pub(super) fn next(&self) -> Result<u32, SearchError> {
        u32::try_from(self.documents.len()).ok().filter(|&n| n < u32::MAX).ok_or(SearchError::Full)
    }

    /// Writes bytes that are not searched, behind those of the document added last.
    pub(super) fn append_behind(&mut self, bytes: &[u8]) -> Result<(), SearchError> {
        self.part.append(bytes).map(|_| ())
    }

    fn put(&mut self, path: &RepoPath, document: Document, measures: &[Measure]) -> Result<(), SearchError> {
        if !self.blocks.push(document.body.as_ref(), measures) {
            return Err(SearchError::Full);
        }
        self.documents.push((path.clone(), document));
        Ok(())
    }

    /// The number of the last block.
    fn block(&self) -> Result<u32, SearchError> {
        self.blocks.len().checked_sub(1).and_then(|n| u32::try_from(n).ok()).ok_or(SearchError::Full)
    }

    fn language(&mut self, name: String) -> Option<u16> {
        let known = self.languages.iter().position(|known| *known == name);
        let place = known.unwrap_or_else(|| {
            self.languages.push(name);
            self.languages.len() - 1
        });
        u16::try_from(place).ok().filter(|&place| place < u16::MAX)
    }

    pub(super) fn finish(mut self, versions: &[IndexedVersion]) -> Result<(), SearchError> {
        self.parts.push(self.part.finish()?);
        self.grams.finish(&self.directory.join(GRAMS))?;
        let mut paths: Vec<RepoPath> = self.documents.iter().map(|(path, _)| path.clone()).collect();
        paths.sort_unstable();
        paths.dedup();
        let documents = self.documents.into_iter().map(|(path, document)| {
            let place = paths.binary_search(&path).ok().and_then(|place| u32::try_from(place).ok());
            Document { path: place.unwrap_or(u32::MAX), ..document }
        });
        let documents = Documents::new(documents.collect(), paths, self.languages, self.blocks);
        write_tables(&self.directory, &documents, versions, self.parts)
    }
}

fn measure(block: &[u8]) -> Result<Measure, SearchError> {
    let newlines = memchr::memchr_iter(b'\n', block).count();
    u32::try_from(block.len()).ok().zip(u32::try_from(newlines).ok()).ok_or(SearchError::Full)
}

fn has_long_line(text: &[u8]) -> bool {
    let mut start = 0;
    while text.len() - start > Trait::LONG_LINE {
        let end = line_end(text, start);
        if end - start > Trait::LONG_LINE {
            return true;
        }
        start = end + 1;
        if start > text.len() {
            return false;
        }
    }
    false
}
