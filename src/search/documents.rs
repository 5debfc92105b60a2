//! The documents of a product, and which versions hold them: two small tables, read whole when an index is opened.
//!
//! A document is a distinct (path, blob) of one product. Its number is its place in the table, and stays the same in every
//! later generation until the index is compacted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use roaring::RoaringBitmap;

use super::blocks::{Blocks, Measure};
use super::path_kind::PathKind;
use super::query::Trait;
use super::traits::Traits;
use super::{BlobId, VersionKey};
use crate::catalog::RepoPath;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Place in the table of paths.
    pub(super) path: u32,
    pub(super) blob: BlobId,
    /// Bytes of the blob itself.
    pub(super) size: u64,
    pub(super) language: Option<u16>,
    pub(super) traits: Traits,
    /// `None`: it could not be read, and is known by its path alone.
    pub(super) body: Option<Body>,
}

/// Where the bytes of a document lie that are searched, in a part of the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) part: u32,
    pub(super) offset: u64,
    /// Bytes of its text: the blob itself, or what it was decoded to, or the texts found in a binary.
    pub(super) text: u64,
    /// Bytes of its own lines, which lie first: all of the text, unless it was woven ([`super::weave`]).
    pub(super) own: u64,
    /// Bytes behind these: those of the blob itself, where the text is not just these.
    pub(super) raw: u64,
    /// Bytes behind these: of its runs, if it was woven.
    pub(super) runs: u64,
    /// Its own lines.
    pub(super) lines: u32,
}

impl Body {
    pub(super) fn is_woven(&self) -> bool {
        self.runs > 0
    }
}

/// All documents, their paths in ascending order of bytes, and the names of their languages.
pub(super) struct Documents {
    all: Vec<Document>,
    paths: Vec<RepoPath>,
    languages: Vec<String>,
    blocks: Blocks,
    /// The numbers of all documents by path, and where each path's begin.
    by_path: Vec<u32>,
    starts: Vec<u32>,
    /// The numbers of the documents that were woven, by the place of their path.
    woven: HashMap<u32, Vec<u32>>,
    /// What each path looks like, and its place in the order in which files are listed.
    kinds: Vec<PathKind>,
    ranks: Vec<u32>,
    traits: HashMap<Trait, RoaringBitmap>,
    /// Documents below a directory. Filled on demand: what lies where does not depend on who asks.
    below: Mutex<HashMap<RepoPath, Arc<RoaringBitmap>>>,
}

/// Directories remembered at most; when there are more, all are forgotten.
const MOST_DIRECTORIES: usize = 4096;

impl Documents {
    /// `paths` must be in ascending order, every document's path must be one of them, and `blocks` must be theirs.
    pub(super) fn new(documents: Vec<Document>, paths: Vec<RepoPath>, languages: Vec<String>, blocks: Blocks) -> Self {
        let mut by_path: Vec<u32> = (0..).take(documents.len()).collect();
        let path_of = |n: &u32| documents.get(*n as usize).map_or(u32::MAX, |d| d.path);
        by_path.sort_by_key(|n| (path_of(n), *n));
        let starts = (0..=u32::try_from(paths.len()).unwrap_or(u32::MAX))
            .map(|path| u32::try_from(by_path.partition_point(|n| path_of(n) < path)).unwrap_or(u32::MAX))
            .collect();
        let kinds: Vec<PathKind> = paths.iter().map(PathKind::of).collect();
        let mut listed: Vec<usize> = (0..paths.len()).collect();
        listed.sort_by_key(|&path| kinds.get(path).copied());
        let mut ranks = vec![0; paths.len()];
        for (rank, path) in (0..).zip(listed) {
            if let Some(slot) = ranks.get_mut(path) {
                *slot = rank;
            }
        }
        let is = |d: &Document, is: Trait| match is {
            Trait::Kind(kind) => kinds.get(d.path as usize) == Some(&kind),
            other => d.traits.has(other),
        };
        let mut woven: HashMap<u32, Vec<u32>> = HashMap::new();
        for (number, document) in (0..).zip(&documents).filter(|(_, document)| document.body.is_some_and(|body| body.is_woven())) {
            woven.entry(document.path).or_default().push(number);
        }
        let those = |wanted: Trait| (0..).zip(&documents).filter(|(_, d)| is(d, wanted)).map(|(n, _)| n).collect();
        Self {
            traits: Trait::ALL.iter().map(|(_, wanted, _)| (*wanted, those(*wanted))).collect(),
            all: documents,
            blocks,
            paths,
            languages,
            by_path,
            starts,
            woven,
            kinds,
            ranks,
            below: Mutex::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn all(&self) -> &[Document] {
        &self.all
    }

    pub(super) fn languages(&self) -> &[String] {
        &self.languages
    }

    pub(super) fn get(&self, number: u32) -> Option<&Document> {
        self.all.get(number as usize)
    }

    pub(super) fn path(&self, number: u32) -> Option<&RepoPath> {
        self.paths.get(self.get(number)?.path as usize)
    }

    pub(super) fn kind(&self, document: &Document) -> PathKind {
        self.kinds.get(document.path as usize).copied().unwrap_or(PathKind::Source)
    }

    /// The place of a document's path in the order in which files are listed: by kind, then by path.
    pub(super) fn rank(&self, number: u32) -> u32 {
        let rank = self.get(number).and_then(|document| self.ranks.get(document.path as usize));
        rank.copied().unwrap_or(u32::MAX)
    }

    /// Documents that are so.
    pub(super) fn that_are(&self, is: Trait) -> RoaringBitmap {
        self.traits.get(&is).cloned().unwrap_or_default()
    }

    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// The documents in which something of these blocks may stand: their own, and what was woven at the same path.
    pub(super) fn with_blocks(&self, blocks: &RoaringBitmap) -> RoaringBitmap {
        let mut documents: Vec<u32> = blocks.iter().filter_map(|block| self.blocks.document(block)).collect();
        documents.dedup();
        let mut paths: Vec<u32> = documents.iter().filter_map(|&number| Some(self.get(number)?.path)).collect();
        paths.sort_unstable();
        paths.dedup();
        documents.extend(paths.iter().filter_map(|path| self.woven.get(path)).flatten());
        documents.sort_unstable();
        documents.into_iter().collect()
    }

    /// The numbers of all documents at the path of this one, in ascending order.
    pub(super) fn forms(&self, number: u32) -> &[u32] {
        self.get(number).map(|document| self.at(document.path as usize)).unwrap_or_default()
    }

    /// The numbers of the documents at this path of the table.
    fn at(&self, path: usize) -> &[u32] {
        let bounds = self.starts.get(path).zip(self.starts.get(path + 1));
        bounds.and_then(|(&start, &end)| self.by_path.get(start as usize..end as usize)).unwrap_or_default()
    }

    /// Documents at paths that `wanted` takes.
    pub(super) fn where_path(&self, mut wanted: impl FnMut(&RepoPath) -> bool) -> RoaringBitmap {
        let numbers = self.paths.iter().enumerate().filter(|(_, path)| wanted(path)).flat_map(|(n, _)| self.at(n));
        numbers.copied().collect()
    }

    /// Documents in languages that `wanted` takes.
    pub(super) fn where_language(&self, mut wanted: impl FnMut(&str) -> bool) -> RoaringBitmap {
        let taken: Vec<bool> = self.languages.iter().map(|language| wanted(language)).collect();
        let is = |d: &Document| d.language.is_some_and(|l| taken.get(usize::from(l)).copied().unwrap_or(false));
        (0..).zip(&self.all).filter(|(_, d)| is(d)).map(|(n, _)| n).collect()
    }

    /// Documents whose path is `directory` or lies below it.
    pub(super) fn below(&self, directory: &RepoPath) -> Arc<RoaringBitmap> {
        if let Some(known) = self.below.lock().unwrap_or_else(PoisonError::into_inner).get(directory) {
            return Arc::clone(known);
        }
        let found: RoaringBitmap = if directory.is_root() {
            (0..).take(self.all.len()).collect()
        } else {
            // Not one range: "a-b" stands between "a" and "a/b".
            let itself = self.paths.binary_search(directory).ok();
            let mut inside = directory.bytes().to_vec();
            inside.push(b'/');
            let first = self.paths.partition_point(|path| path.bytes() < inside.as_slice());
            let rest = self.paths.iter().skip(first).take_while(|path| path.bytes().starts_with(&inside));
            let inner = first..first + rest.count();
            itself.into_iter().chain(inner).flat_map(|path| self.at(path)).copied().collect()
        };
        let found = Arc::new(found);
        let mut below = self.below.lock().unwrap_or_else(PoisonError::into_inner);
        if below.len() >= MOST_DIRECTORIES {
            below.clear();
        }
        below.insert(directory.clone(), Arc::clone(&found));
        found
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_u64(&mut out, self.languages.len() as u64);
        for language in &self.languages {
            put_bytes(&mut out, language.as_bytes());
        }
        put_u64(&mut out, self.paths.len() as u64);
        for path in &self.paths {
            put_bytes(&mut out, path.bytes());
        }
        put_u64(&mut out, self.all.len() as u64);
        for document in &self.all {
            out.extend_from_slice(&document.path.to_le_bytes());
            out.extend_from_slice(document.blob.bytes());
            put_u64(&mut out, document.size);
            out.extend_from_slice(&document.language.unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(&document.traits.bits().to_le_bytes());
            let body = document.body.unwrap_or(Body { part: u32::MAX, offset: 0, text: 0, own: 0, raw: 0, runs: 0, lines: 0 });
            out.extend_from_slice(&body.part.to_le_bytes());
            put_u64(&mut out, body.offset);
            put_u64(&mut out, body.text);
            put_u64(&mut out, body.own);
            put_u64(&mut out, body.raw);
            put_u64(&mut out, body.runs);
            out.extend_from_slice(&body.lines.to_le_bytes());
        }
        for number in (0..).take(self.all.len()) {
            let measures = self.blocks.measures(number);
            put_u64(&mut out, measures.len() as u64);
            for Measure { length, lines, sum } in measures {
                for number in [length, lines, sum] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        out
    }

    /// `None` when these are not the bytes of a table, or it points to what it does not have.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let mut languages = Vec::new();
        for _ in 0..rest.u64()? {
            languages.push(String::from_utf8(rest.bytes()?.to_vec()).ok()?);
        }
        let mut paths = Vec::new();
        for _ in 0..rest.u64()? {
            paths.push(RepoPath::parse(rest.bytes()?).ok()?);
        }
        let mut documents = Vec::new();
        for _ in 0..rest.u64()? {
            let path = rest.u32()?;
            let blob = BlobId::from_bytes(rest.array()?);
            let size = rest.u64()?;
            let language = Some(u16::from_le_bytes(rest.array()?)).filter(|&l| l != u16::MAX);
            let traits = Traits::from_bits(u16::from_le_bytes(rest.array()?))?;
            let (part, offset, text, own) = (rest.u32()?, rest.u64()?, rest.u64()?, rest.u64()?);
            let body = Body { part, offset, text, own, raw: rest.u64()?, runs: rest.u64()?, lines: rest.u32()? };
            let body = Some(body).filter(|body| body.part != u32::MAX);
            let known = (path as usize) < paths.len() && language.is_none_or(|l| usize::from(l) < languages.len());
            documents.push(known.then_some(Document { path, blob, size, language, traits, body })?);
        }
        let mut blocks = Blocks::default();
        for document in &documents {
            let mut measures = Vec::new();
            for _ in 0..rest.u64()? {
                measures.push(Measure { length: rest.u32()?, lines: rest.u32()?, sum: rest.u32()? });
            }
            if !blocks.push(document.body.as_ref(), &measures) {
                return None;
            }
        }
        let whole = rest.0.is_empty() && paths.is_sorted_by(|a, b| a < b);
        whole.then(|| Self::new(documents, paths, languages, blocks))
    }
}

/// A version and the documents in it.
pub(super) struct IndexedVersion {
    pub(super) key: VersionKey,
    pub(super) documents: RoaringBitmap,
}

/// Which versions hold each document.
pub(super) struct HeldBy {
    places: Vec<u32>,
    /// Where those of each document begin, and behind the last.
    first: Vec<usize>,
}

impl HeldBy {
    pub(super) fn new(versions: &[IndexedVersion], documents: usize) -> Self {
        let mut pairs: Vec<(u32, u32)> =
            (0..).zip(versions).flat_map(|(place, version)| version.documents.iter().map(move |number| (number, place))).collect();
        pairs.sort_unstable();
        let mut first = Vec::with_capacity(documents + 1);
        let mut at = 0;
        for number in 0..=documents {
            at += pairs.get(at..).unwrap_or_default().iter().take_while(|(held, _)| (*held as usize) < number).count();
            first.push(at);
        }
        Self { places: pairs.into_iter().map(|(_, place)| place).collect(), first }
    }

    pub(super) fn of(&self, document: u32) -> &[u32] {
        let bounds = self.first.get(document as usize).zip(self.first.get(document as usize + 1));
        bounds.and_then(|(&start, &end)| self.places.get(start..end)).unwrap_or_default()
    }
}

pub(super) fn encode_versions(versions: &[IndexedVersion]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    put_u64(&mut out, versions.len() as u64);
    for version in versions {
        put_bytes(&mut out, version.key.name.as_bytes());
        put_bytes(&mut out, version.key.commit.as_bytes());
        let mut bitmap = Vec::new();
        version.documents.serialize_into(&mut bitmap)?;
        put_bytes(&mut out, &bitmap);
    }
    Ok(out)
}

/// `None` when these are not the bytes of a table, or it names a document that is not there.
pub(super) fn decode_versions(bytes: &[u8], documents: usize) -> Option<Vec<IndexedVersion>> {
    let mut rest = Reader(bytes);
    let mut versions = Vec::new();
    for _ in 0..rest.u64()? {
        let name = String::from_utf8(rest.bytes()?.to_vec()).ok()?;
        let commit = String::from_utf8(rest.bytes()?.to_vec()).ok()?;
        let bitmap = RoaringBitmap::deserialize_from(rest.bytes()?).ok()?;
        if bitmap.max().is_some_and(|last| last as usize >= documents) {
            return None;
        }
        versions.push(IndexedVersion { key: VersionKey { name, commit }, documents: bitmap });
    }
    rest.0.is_empty().then_some(versions)
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u64()?).ok()?;
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }
}
