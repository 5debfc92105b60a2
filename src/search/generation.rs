//! Writing the files of one generation.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::blocks::{Blocks, Measure, cut};
use super::contents::{Contents, GRAMS, PartWriter, share_parts, write_tables};
use super::documents::{Body, Document, Documents, IndexedVersion};
use super::grams::GramWriter;
use super::indexer::Decoded;
use super::pattern::line_end;
use super::query::Trait;
use super::traits::Traits;
use super::weave::{Loom, Woven, count_lines, encode};
use super::{BlobId, ProductIndex, SearchError};
use crate::catalog::RepoPath;

/// Bytes at one path that are kept in memory to weave with.
const MOST_WOVEN: u64 = 64 << 20;

/// Writes the files of a generation.
pub(super) struct GenerationWriter {
    directory: PathBuf,
    documents: Vec<(RepoPath, Document)>,
    languages: Vec<String>,
    blocks: Blocks,
    /// Lengths of the parts taken from the previous generation, and what is in them.
    parts: Vec<u64>,
    older: Contents,
    part: PartWriter,
    grams: GramWriter,
    /// The documents at each path, when what they have in common is to be found.
    forms: Option<HashMap<RepoPath, Vec<u32>>>,
    /// Of the path looked at last.
    loom: Option<(RepoPath, Loom)>,
}

impl GenerationWriter {
    pub(super) fn fresh(directory: &Path) -> Result<Self, SearchError> {
        Ok(Self {
            directory: directory.to_owned(),
            documents: Vec::new(),
            languages: Vec::new(),
            blocks: Blocks::default(),
            parts: Vec::new(),
            older: Contents::default(),
            part: PartWriter::create(directory, 0)?,
            grams: GramWriter::create(&directory.join(GRAMS))?,
            forms: None,
            loom: None,
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
            older: previous.contents.clone(),
            grams: GramWriter::upon(&directory.join(GRAMS), &older.join(GRAMS))?,
            forms: None,
            loom: None,
        })
    }

    /// Weaves what is added: texts at the same path are told by the lines that they have in common.
    pub(super) fn weaving(mut self) -> Self {
        let mut forms: HashMap<RepoPath, Vec<u32>> = HashMap::new();
        for (number, (path, _)) in (0..).zip(&self.documents) {
            forms.entry(path.clone()).or_default().push(number);
        }
        self.forms = Some(forms);
        self
    }

    /// Adds a document, by its path alone when it could not be read; tells its number.
    pub(super) fn add(&mut self, path: &RepoPath, blob: BlobId, size: u64, decoded: Option<Decoded>) -> Result<u32, SearchError> {
        let number = self.next()?;
        let Some(decoded) = decoded else {
            let traits = Traits::default().with(Trait::Unindexed);
            self.put(path, Document { path: 0, blob, size, language: None, traits, body: None }, &[measure(&[])?])?;
            self.grams.add(self.block()?, Vec::new(), Some(path))?;
            return Ok(number);
        };
        let raw = decoded.raw.unwrap_or_default();
        let woven = self.woven(path, &decoded.text, &raw)?;
        let (own, runs) = woven.as_ref().map_or((&decoded.text, Vec::new()), |woven| (&woven.own, encode(&woven.runs)));
        let body = Body {
            part: u32::try_from(self.parts.len()).map_err(|_| SearchError::Full)?,
            offset: self.part.append(own)?,
            text: decoded.text.len() as u64,
            own: own.len() as u64,
            raw: raw.len() as u64,
            runs: runs.len() as u64,
            lines: u32::try_from(count_lines(own)).map_err(|_| SearchError::Full)?,
        };
        self.part.append(&raw)?;
        self.part.append(&runs)?;
        let language = decoded.language.and_then(|language| self.language(language));
        let traits = decoded.traits.with_if(Trait::LongLine, has_long_line(&decoded.text));
        let mut measures = Vec::new();
        let mut first = u32::try_from(self.blocks.len()).map_err(|_| SearchError::Full)?;
        let mut named = Some(path);
        for (bytes, present) in [(own, true), (&raw, !raw.is_empty())] {
            for range in cut(bytes).into_iter().filter(|_| present) {
                let block = bytes.get(range).unwrap_or_default();
                measures.push(measure(block)?);
                self.grams.add(first, block.to_vec(), named.take())?;
                first = first.checked_add(1).ok_or(SearchError::Full)?;
            }
        }
        if let Some((_, loom)) = self.loom.as_mut().filter(|(at, _)| at == path) {
            loom.take(own);
        }
        self.put(path, Document { path: 0, blob, size, language, traits, body: Some(body) }, &measures)?;
        if let Some(forms) = &mut self.forms {
            forms.entry(path.clone()).or_default().push(number);
        }
        Ok(number)
    }

    /// The text of the next document by what earlier ones at its path have, where that is worth it.
    fn woven(&mut self, path: &RepoPath, text: &[u8], raw: &[u8]) -> Result<Option<Woven>, SearchError> {
        let forms = self.forms.as_ref().and_then(|forms| forms.get(path));
        let Some(forms) = forms.filter(|_| raw.is_empty() && !text.is_empty()) else { return Ok(None) };
        let bodies = || forms.iter().filter_map(|&number| self.documents.get(number as usize)?.1.body);
        if bodies().map(|body| body.own).sum::<u64>() + text.len() as u64 > MOST_WOVEN {
            return Ok(None);
        }
        let loom = match self.loom.take() {
            Some((at, loom)) if at == *path => loom,
            _ => {
                let mut loom = Loom::default();
                for &number in forms {
                    let Some(body) = self.documents.get(number as usize).and_then(|(_, document)| document.body) else { continue };
                    let own = if (body.part as usize) < self.parts.len() {
                        Cow::Borrowed(self.older.bytes(body.part, body.offset, body.own)?)
                    } else {
                        Cow::Owned(self.part.read(body.offset, body.own)?)
                    };
                    // A newline that was lost would make each line behind it another.
                    self.blocks.check(number, &own)?;
                    loom.take(&own);
                }
                loom
            }
        };
        let woven = loom.weave(text).filter(|woven| woven.own.len() < text.len() / 4 * 3);
        self.loom = Some((path.clone(), loom));
        Ok(woven)
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
    Measure::of(block).ok_or(SearchError::Full)
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
