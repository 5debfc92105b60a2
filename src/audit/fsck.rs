//! Verifying a log from what it publishes, and from nothing else: every entry hashes to its leaf, every tile follows from
//! the leaves, the root from the tiles, and a trusted key has signed that root. Whatever an older checkpoint or a receipt
//! says must be the beginning of the same log: a rewritten log passes every other check.
//!
//! Memory stays flat: at any time one bundle, one tile a level, and one hash for each receipt and older checkpoint.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use serde::Deserialize;
use serde_json::Value;

use super::artefacts::{ArtefactError, Artefacts, Lines};
use super::checkpoint::{Checkpoint, NoteError, VerifierKey};
use super::entry::{EntryError, Form, canonical, check_entry, check_personal};
use super::merkle::{self, Frontier, Hash};
use super::receipt::Proof;
use super::tiles::{self, Resource, TileError, WIDTH, nodes_at};

/// What the verifier holds and believes. The names say where each came from, for messages.
pub struct Trust {
    pub key: VerifierKey,
    /// Checkpoints kept from earlier.
    pub kept: Vec<(String, String)>,
    pub receipts: Vec<(String, Proof)>,
}

/// What was proved, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub size: u64,
    pub root: Hash,
    /// Entries whose text was read, found well-formed, and hashed to its leaf.
    pub entries: u64,
    /// Personal parts that fit their commitments.
    pub personal: u64,
    /// Entries whose personal part was not there: erased, or not given.
    pub without_personal: u64,
    pub tiles: u64,
    /// Earlier checkpoints that this log extends, those inside receipts among them.
    pub checkpoints: u64,
    pub receipts: u64,
    /// What could not be proved, in words.
    pub unproved: Vec<String>,
}

/// The first thing that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    #[error("{0} is not published, though the checkpoint says that it exists")]
    Missing(String),
    #[error("{name}: {source}")]
    Note { name: String, source: NoteError },
    #[error("{name}: {source}")]
    Form { name: String, source: TileError },
    #[error("entry {index}: {source}")]
    Entry { index: u64, source: EntryError },
    #[error("entry {index} does not hash to its leaf in {tile}")]
    Leaf { index: u64, tile: String },
    #[error("{tile} does not follow from the hashes below it, from entry {index} on")]
    Tile { index: u64, tile: String },
    #[error("the {size} leaves do not hash to the root that the checkpoint states")]
    Root { size: u64 },
    #[error("{name} is over {kept} entries, and the log published here has {size}: it is an older copy, or its end was removed")]
    Shrunk { name: String, kept: u64, size: u64 },
    #[error("{name} says other things about the first {size} entries than this log does: one of them was rewritten")]
    Rewritten { name: String, size: u64 },
    #[error("{name} does not prove the entry {index}")]
    Receipt { name: String, index: u64 },
    #[error("line {line} of the personal parts: {why}")]
    Personal { line: u64, why: String },
}

impl FsckError {
    /// The first entry that is affected, when it is known.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Entry { index, .. } | Self::Leaf { index, .. } | Self::Tile { index, .. } | Self::Receipt { index, .. } => Some(*index),
            _ => None,
        }
    }
}

/// Verifies a log. `progress` is told how many entries of how many have been verified.
///
/// # Errors
/// The first thing that does not hold, or that could not be read though it had to be.
pub fn fsck(artefacts: &dyn Artefacts, trust: &Trust, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, FsckError> {
    let note = fetch(artefacts, Resource::Checkpoint)?;
    let checkpoint = open("the checkpoint", &String::from_utf8_lossy(&note), &trust.key)?;
    let size = checkpoint.size;
    let mut expected = Expectations::of(trust, size)?;
    let mut walk = Walk::new(artefacts, size)?;
    expected.meet(&walk.frontier)?;
    for number in 0..size.div_ceil(WIDTH) {
        walk.bundle(number, &mut expected)?;
        progress((number + 1).saturating_mul(WIDTH).min(size), size);
    }
    walk.finish()?;
    if walk.frontier.root() != checkpoint.root {
        return Err(FsckError::Root { size });
    }
    let mut report = walk.report;
    (report.size, report.root) = (size, checkpoint.root);
    report.checkpoints = expected.checked;
    report.receipts = expected.prove(trust)?;
    Ok(report)
}

/// Verifies a receipt by itself, against the entry that it carries or a leaf hash known from elsewhere. Returns the checkpoint
/// it rests on, and whether the entry itself was proved or only the signature over that checkpoint.
///
/// # Errors
/// When its signature, its path or the entry in it does not hold.
pub fn check_receipt(name: &str, proof: &Proof, leaf: Option<&Hash>, key: &VerifierKey) -> Result<(Checkpoint, bool), FsckError> {
    let checkpoint = open(name, &proof.checkpoint, key)?;
    let wrong = || FsckError::Receipt { name: name.to_owned(), index: proof.index };
    if let Some(entry) = &proof.extra {
        check_entry(entry).map_err(|source| FsckError::Entry { index: proof.index, source })?;
    }
    let carried = proof.leaf();
    if let (Some(a), Some(b)) = (&carried, leaf)
        && a != b
    {
        return Err(wrong());
    }
    match carried.as_ref().or(leaf) {
        Some(leaf) => proof.verify(leaf, key).map(|_| (checkpoint, true)).map_err(|_| wrong()),
        None if proof.index < checkpoint.size => Ok((checkpoint, false)),
        None => Err(wrong()),
    }
}

/// What older checkpoints and receipts say of the log, to be met on the way.
struct Expectations {
    /// Roots by size, each with the name of what states it.
    roots: BTreeMap<u64, Vec<(String, Hash)>>,
    /// Leaves that receipts are about.
    leaves: BTreeMap<u64, Option<Hash>>,
    checked: u64,
}

impl Expectations {
    fn of(trust: &Trust, size: u64) -> Result<Self, FsckError> {
        let mut expected = Self { roots: BTreeMap::new(), leaves: BTreeMap::new(), checked: 0 };
        let kept = trust.kept.iter().map(|(name, note)| (name.clone(), note.as_str()));
        let inside = trust.receipts.iter().map(|(name, p)| (format!("the checkpoint in {name}"), p.checkpoint.as_str()));
        for (name, note) in kept.chain(inside) {
            let old = open(&name, note, &trust.key)?;
            if old.size > size {
                return Err(FsckError::Shrunk { name, kept: old.size, size });
            }
            expected.roots.entry(old.size).or_default().push((name, old.root));
        }
        expected.leaves = trust.receipts.iter().map(|(_, p)| (p.index, None)).collect();
        Ok(expected)
    }

    fn meet(&mut self, frontier: &Frontier) -> Result<(), FsckError> {
        let size = frontier.size();
        let Some(stated) = self.roots.remove(&size) else { return Ok(()) };
        let root = frontier.root();
        for (name, said) in stated {
            if said != root {
                return Err(FsckError::Rewritten { name, size });
            }
            self.checked += 1;
        }
        Ok(())
    }

    fn pass(&mut self, index: u64, leaf: Hash) {
        if let Some(place) = self.leaves.get_mut(&index) {
            *place = Some(leaf);
        }
    }

    fn prove(&self, trust: &Trust) -> Result<u64, FsckError> {
        for (name, proof) in &trust.receipts {
            let leaf = self.leaves.get(&proof.index).and_then(Option::as_ref);
            let leaf = leaf.ok_or_else(|| FsckError::Receipt { name: name.clone(), index: proof.index })?;
            check_receipt(name, proof, Some(leaf), &trust.key)?;
        }
        Ok(trust.receipts.len() as u64)
    }
}

/// The way through the leaves, from the first to the last.
struct Walk<'a> {
    artefacts: &'a dyn Artefacts,
    size: u64,
    frontier: Frontier,
    /// For each level above the leaves: the tile being filled, and its number.
    levels: Vec<(u64, Vec<Hash>)>,
    personal: Option<PersonalLines>,
    /// Bundles may be refused to those who may see the hashes.
    refused: bool,
    report: Report,
}

impl<'a> Walk<'a> {
    fn new(artefacts: &'a dyn Artefacts, size: u64) -> Result<Self, FsckError> {
        let personal = artefacts.personal()?.map(PersonalLines::new);
        let mut report = Report::default();
        if personal.is_none() {
            report.unproved.push("personal details were not given, so they were not held against the entries' commitments".into());
        }
        Ok(Self { artefacts, size, frontier: Frontier::new(), levels: Vec::new(), personal, refused: false, report })
    }

    /// Verifies 256 leaves, or those that are left.
    fn bundle(&mut self, number: u64, expected: &mut Expectations) -> Result<(), FsckError> {
        let Some(tile) = Resource::tile(0, number, self.size) else { return Ok(()) };
        let width = usize::try_from(self.size - number * WIDTH).unwrap_or(usize::MAX).min(256);
        let bytes = fetch(self.artefacts, tile)?;
        let leaves = hashes(tile, &bytes, width)?;
        self.report.tiles += 1;
        self.entries(number, width, leaves, &tile)?;
        for leaf in leaves {
            expected.pass(self.frontier.size(), *leaf);
            let mut completed = Vec::new();
            self.frontier.push(*leaf, |node, hash| {
                if let Some(level) = node.tile_level() {
                    completed.push((level, *hash));
                }
            });
            for (level, hash) in completed {
                self.node(level, hash)?;
            }
            expected.meet(&self.frontier)?;
        }
        Ok(())
    }

    /// Reads the bundle that belongs to these leaves, and each entry in it.
    fn entries(&mut self, number: u64, width: usize, leaves: &[Hash], tile: &Resource) -> Result<(), FsckError> {
        let Some(name) = Resource::entries(number, self.size).filter(|_| !self.refused) else { return Ok(()) };
        let bytes = match fetch(self.artefacts, name) {
            Err(FsckError::Artefact(ArtefactError::Refused { .. })) => {
                let first = number * WIDTH;
                self.refused = true;
                self.report.unproved.push(format!(
                    "the entries from {first} on were refused, so only their hashes were verified; an auditor's token (--token) shows them"
                ));
                return Ok(());
            }
            other => other?,
        };
        let form = |source| FsckError::Form { name: name.to_string(), source };
        // A full bundle may stand where a partial one was asked for.
        let entries = match tiles::decode_bundle(&bytes, width) {
            Err(TileError::Count) if width < 256 => tiles::decode_bundle(&bytes, 256).map_err(form)?,
            other => other.map_err(form)?,
        };
        for (index, (entry, leaf)) in (number * WIDTH..).zip(entries.iter().zip(leaves)) {
            if merkle::leaf(entry) != *leaf {
                return Err(FsckError::Leaf { index, tile: tile.to_string() });
            }
            let form = check_entry(entry).map_err(|source| FsckError::Entry { index, source })?;
            self.report.entries += 1;
            self.personal(index, &form)?;
        }
        Ok(())
    }

    fn personal(&mut self, index: u64, form: &Form) -> Result<(), FsckError> {
        let Some(lines) = &mut self.personal else { return Ok(()) };
        match lines.at(index)? {
            Some(beside) => {
                check_personal(form, &beside).map_err(|source| FsckError::Entry { index, source })?;
                self.report.personal += 1;
            }
            None if form.details.is_some() => self.report.without_personal += 1,
            None => {}
        }
        Ok(())
    }

    /// Takes the hash of a complete subtree, and holds a tile against what is published when it is full.
    fn node(&mut self, level: u32, hash: Hash) -> Result<(), FsckError> {
        let place = (level as usize).saturating_sub(1);
        if self.levels.len() <= place {
            self.levels.resize(place + 1, (0, Vec::new()));
        }
        let Some((number, filled)) = self.levels.get_mut(place) else { return Ok(()) };
        filled.push(hash);
        if filled.len() as u64 == WIDTH {
            let (number, full) = (*number, std::mem::take(filled));
            self.tile(level, number, &full)?;
            if let Some((next, _)) = self.levels.get_mut(place) {
                *next = number + 1;
            }
        }
        Ok(())
    }

    fn tile(&mut self, level: u32, number: u64, computed: &[Hash]) -> Result<(), FsckError> {
        let short = u8::try_from(level).unwrap_or(u8::MAX);
        let Some(tile) = Resource::tile(short, number, nodes_at(level, self.size)) else { return Ok(()) };
        let bytes = fetch(self.artefacts, tile)?;
        let published = hashes(tile, &bytes, computed.len())?;
        self.report.tiles += 1;
        match (0_u64..).zip(published.iter().zip(computed)).find(|(_, (a, b))| a != b) {
            None => Ok(()),
            Some((at, _)) => {
                let index = (number * WIDTH + at) << (level * merkle::TILE_HEIGHT);
                Err(FsckError::Tile { index, tile: tile.to_string() })
            }
        }
    }

    /// Verifies the tiles at the right edge.
    fn finish(&mut self) -> Result<(), FsckError> {
        for (level, (number, rest)) in (1..).zip(std::mem::take(&mut self.levels)) {
            if !rest.is_empty() {
                self.tile(level, number, &rest)?;
            }
        }
        match &mut self.personal {
            Some(lines) if !self.refused => lines.end(),
            _ => Ok(()),
        }
    }
}

/// `personal.jsonl`, read in step with the entries.
struct PersonalLines {
    lines: Lines,
    line: u64,
    next: Option<(u64, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonalLine {
    index: u64,
    personal: Value,
}

impl PersonalLines {
    /// A personal part is far shorter than an entry may be.
    const LONGEST: u64 = 128 * 1024;

    fn new(lines: Lines) -> Self {
        Self { lines, line: 0, next: None }
    }

    /// The personal part of this entry, when there is a line about it. Entries are asked for by rising index.
    fn at(&mut self, index: u64) -> Result<Option<String>, FsckError> {
        if self.next.is_none() {
            self.next = self.read()?;
        }
        match &self.next {
            Some((next, _)) if *next < index => Err(self.wrong("it does not follow the line before it".into())),
            Some((next, _)) if *next == index => Ok(self.next.take().map(|(_, beside)| beside)),
            _ => Ok(None),
        }
    }

    fn end(&mut self) -> Result<(), FsckError> {
        if self.next.is_none() {
            self.next = self.read()?;
        }
        match &self.next {
            Some((index, _)) => Err(self.wrong(format!("there is no entry {index} after those before it"))),
            None => Ok(()),
        }
    }

    fn read(&mut self) -> Result<Option<(u64, String)>, FsckError> {
        let mut text = Vec::new();
        self.line += 1;
        let read = self.lines.by_ref().take(Self::LONGEST).read_until(b'\n', &mut text);
        read.map_err(|e| self.wrong(e.to_string()))?;
        if text.is_empty() {
            return Ok(None);
        }
        let line: PersonalLine = serde_json::from_slice(&text).map_err(|e| self.wrong(e.to_string()))?;
        Ok(Some((line.index, canonical(&line.personal))))
    }

    fn wrong(&self, why: String) -> FsckError {
        FsckError::Personal { line: self.line, why }
    }
}

fn open(name: &str, note: &str, key: &VerifierKey) -> Result<Checkpoint, FsckError> {
    Checkpoint::open(note, key).map_err(|source| FsckError::Note { name: name.to_owned(), source })
}

/// What is published under a name, or the full one in place of a partial one that is no longer kept.
fn fetch(artefacts: &dyn Artefacts, resource: Resource) -> Result<Vec<u8>, FsckError> {
    let name = resource.to_string();
    if let Some(bytes) = artefacts.get(&name)? {
        return Ok(bytes);
    }
    let full = match resource.full() {
        full if full != resource => artefacts.get(&full.to_string())?,
        _ => None,
    };
    full.ok_or(FsckError::Missing(name))
}

/// The first `width` hashes of a tile, which may be full where a partial one was asked for.
fn hashes(tile: Resource, bytes: &[u8], width: usize) -> Result<&[Hash], FsckError> {
    let whole = tiles::decode_tile(bytes, width).or_else(|_| tiles::decode_tile(bytes, 256));
    let form = |source| FsckError::Form { name: tile.to_string(), source };
    whole.map_err(form)?.get(..width).ok_or_else(|| form(TileError::Hashes))
}
