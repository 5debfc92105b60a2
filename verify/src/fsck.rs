//! Verifying a log from what it publishes, and from nothing else: every entry hashes to its leaf, every tile follows from
//! the leaves, the root from the tiles, and a trusted key has signed that root. Whatever an older checkpoint or a receipt
//! says must be the beginning of the same log: a rewritten log passes every other check.
//!
//! Memory stays flat: at any time a few bundles, one tile a level, and one hash for each receipt and older checkpoint.
//! Bundles are read and their entries checked by several threads; the tree is built by one, in order, so that the first
//! thing that does not hold is the first in the log.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::artefacts::{ArtefactError, Artefacts, Lines};
use super::checkpoint::{Checkpoint, NoteError};
use super::entry::{self, EntryError};
use super::handover::Keys;
use super::merkle::{self, Frontier, Hash};
use super::policy::{Policy, UntrustedNote};
use super::proof::{Proof, ProofError, read_proofs};
use super::tiles::{self, Resource, TileError, WIDTH, nodes_at};

/// Bundles that each thread takes before the tree goes on.
const ROUND: usize = 8;

/// What the verifier holds and believes. The names say where each came from, for messages.
pub struct Trust {
    pub keys: Keys,
    /// Whose cosignatures a checkpoint needs.
    pub policy: Option<Policy>,
    /// Checkpoints kept from earlier.
    pub kept: Vec<(String, String)>,
    pub receipts: Vec<(String, Receipts)>,
}

/// Where receipts are.
pub enum Receipts {
    Kept(Proof),
    /// A file with one or with many; read through, never held whole.
    File(PathBuf),
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
    /// Earlier checkpoints that this log extends, those inside receipts and hand-overs among them.
    pub checkpoints: u64,
    pub receipts: u64,
    /// Witnesses that have cosigned the newest checkpoint, with the time each states, in seconds since 1970.
    pub witnesses: Vec<(String, u64)>,
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
    Policy { name: String, source: UntrustedNote },
    #[error("{name} is not cosigned as the policy asks: {}", witnesses(.by))]
    Quorum { name: String, by: Vec<String> },
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
    #[error(
        "{name} and {other} are both signed, and say different things about the first {size} entries: the log shows different people different histories"
    )]
    Forked { name: String, other: String, size: u64 },
    #[error("{name} does not prove the entry {index}")]
    Receipt { name: String, index: u64 },
    #[error("{name}: {source}")]
    Proof { name: String, source: ProofError },
    #[error("line {line} of the personal parts: {why}")]
    Personal { line: u64, why: String },
}

fn witnesses(by: &[String]) -> String {
    if by.is_empty() { "no witness of the policy has signed it".to_owned() } else { format!("only {} signed it", by.join(", ")) }
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
    let (checkpoint, witnesses) = trust.checkpoint("the checkpoint", &String::from_utf8_lossy(&note))?;
    let size = checkpoint.size;
    let mut expected = Expectations::of(trust, size)?;
    let mut walk = Walk::new(artefacts, size)?;
    expected.meet(&walk.frontier)?;
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16);
    let bundles = size.div_ceil(WIDTH);
    let mut next = 0;
    while next < bundles {
        let end = bundles.min(next.saturating_add((threads * ROUND) as u64));
        for (number, bundle) in (next..end).zip(walk.read(next, end, threads)) {
            walk.take(bundle?, &mut expected)?;
            progress((number + 1).saturating_mul(WIDTH).min(size), size);
        }
        next = end;
    }
    walk.finish()?;
    if walk.frontier.root() != checkpoint.root {
        return Err(FsckError::Root { size });
    }
    let mut report = walk.report;
    (report.size, report.root, report.witnesses) = (size, checkpoint.root, witnesses);
    report.checkpoints = expected.checked;
    report.receipts = expected.prove()?;
    Ok(report)
}

/// Verifies a receipt by itself, against the entry that it carries or a leaf hash known from elsewhere. Returns the checkpoint
/// it rests on, and whether the entry itself was proved or only the signature over that checkpoint.
///
/// # Errors
/// When its signature, its path or the entry in it does not hold.
pub fn check_receipt(name: &str, proof: &Proof, leaf: Option<&Hash>, keys: &Keys) -> Result<(Checkpoint, bool), FsckError> {
    let checkpoint = keys.open(&proof.checkpoint).map_err(|source| FsckError::Note { name: name.to_owned(), source })?;
    let proved = check_path(name, proof, leaf, &checkpoint)?;
    Ok((checkpoint, proved))
}

/// As [`check_receipt`], under a checkpoint whose signature has been verified. Whether the entry itself was proved.
fn check_path(name: &str, proof: &Proof, leaf: Option<&Hash>, checkpoint: &Checkpoint) -> Result<bool, FsckError> {
    let wrong = || FsckError::Receipt { name: name.to_owned(), index: proof.index };
    if let Some(bytes) = &proof.extra {
        entry::check(bytes).map_err(|source| FsckError::Entry { index: proof.index, source })?;
    }
    let carried = proof.leaf();
    if let (Some(a), Some(b)) = (&carried, leaf)
        && a != b
    {
        return Err(wrong());
    }
    match carried.as_ref().or(leaf) {
        Some(leaf) if merkle::includes(proof.index, checkpoint.size, leaf, &proof.path, &checkpoint.root) => Ok(true),
        None if proof.index < checkpoint.size => Ok(false),
        _ => Err(wrong()),
    }
}

/// Verifies receipts and kept checkpoints without the log they are from: each by itself, and that no two of them contradict
/// each other. `each` is told of every receipt, and whether its entry was proved.
///
/// # Errors
/// The first that does not hold.
pub fn check_alone(trust: &Trust, leaf: Option<&Hash>, each: &mut dyn FnMut(&str, &Proof, &Checkpoint, bool)) -> Result<(), FsckError> {
    let mut opened = Opened::new(trust);
    let mut seen: HashMap<u64, (String, Hash)> = HashMap::new();
    let mut agree = |name: &str, checkpoint: &Checkpoint| match seen.get(&checkpoint.size) {
        Some((other, root)) if *root != checkpoint.root => {
            Err(FsckError::Forked { name: name.to_owned(), other: other.clone(), size: checkpoint.size })
        }
        Some(_) => Ok(()),
        None => {
            seen.insert(checkpoint.size, (name.to_owned(), checkpoint.root));
            Ok(())
        }
    };
    for (name, note) in &trust.kept {
        let (checkpoint, _) = trust.checkpoint(name, note)?;
        agree(name, &checkpoint)?;
    }
    trust.each_receipt(&mut |name, proof| {
        let inside = format!("the checkpoint in {name}");
        let checkpoint = opened.open(&inside, &proof.checkpoint, true)?;
        agree(&inside, &checkpoint)?;
        let proved = check_path(&name, &proof, leaf, &checkpoint)?;
        each(&name, &proof, &checkpoint, proved);
        Ok(())
    })
}

impl Trust {
    /// Verifies a checkpoint's signature, and its cosignatures when there is a policy. Who cosigned it, and when.
    fn checkpoint(&self, name: &str, note: &str) -> Result<(Checkpoint, Vec<(String, u64)>), FsckError> {
        let checkpoint = self.keys.open(note).map_err(|source| FsckError::Note { name: name.to_owned(), source })?;
        let Some(policy) = &self.policy else { return Ok((checkpoint, Vec::new())) };
        let cosigned = policy.open_for(note, &self.keys.all()).map_err(|source| FsckError::Policy { name: name.to_owned(), source })?;
        if cosigned.quorum {
            Ok((checkpoint, cosigned.by))
        } else {
            Err(FsckError::Quorum { name: name.to_owned(), by: cosigned.by.into_iter().map(|(witness, _)| witness).collect() })
        }
    }

    /// Goes through all receipts, each under a name for messages.
    fn each_receipt(&self, each: &mut dyn FnMut(String, Proof) -> Result<(), FsckError>) -> Result<(), FsckError> {
        for (name, receipts) in &self.receipts {
            let path = match receipts {
                Receipts::Kept(proof) => {
                    each(name.clone(), proof.clone())?;
                    continue;
                }
                Receipts::File(path) => path,
            };
            let unread = |source| ArtefactError::Io { name: name.clone(), source };
            for (number, proof) in (1_u64..).zip(read_proofs(BufReader::new(File::open(path).map_err(unread)?))) {
                let named = if number == 1 { name.clone() } else { format!("{name}, receipt {number}") };
                let proof = proof.map_err(|source| FsckError::Proof { name: named.clone(), source })?;
                each(named, proof)?;
            }
        }
        Ok(())
    }
}

/// Verified checkpoints by their text, since many receipts rest on the same one.
struct Opened<'t> {
    trust: &'t Trust,
    by_text: HashMap<String, Checkpoint>,
}

impl<'t> Opened<'t> {
    fn new(trust: &'t Trust) -> Self {
        Self { trust, by_text: HashMap::new() }
    }

    /// `quorum`: nothing newer vouches for it, so that it needs the policy's cosignatures itself.
    fn open(&mut self, name: &str, note: &str, quorum: bool) -> Result<Checkpoint, FsckError> {
        if let Some(known) = self.by_text.get(note) {
            return Ok(known.clone());
        }
        let checkpoint = if quorum {
            self.trust.checkpoint(name, note)?.0
        } else {
            self.trust.keys.open(note).map_err(|source| FsckError::Note { name: name.to_owned(), source })?
        };
        self.by_text.insert(note.to_owned(), checkpoint.clone());
        Ok(checkpoint)
    }
}

/// A receipt that does not carry its entry, under its name, with the checkpoint it rests on.
type Bare = (String, Proof, Checkpoint);

/// What older checkpoints and receipts say of the log, to be met on the way.
struct Expectations {
    /// Roots by size, each with the name of what states it.
    roots: BTreeMap<u64, Vec<(String, Hash)>>,
    /// Receipts that do not carry their entry, by the index of the leaf that they prove.
    bare: BTreeMap<u64, Vec<Bare>>,
    passed: Vec<(Bare, Hash)>,
    checked: u64,
    /// Receipts whose path leads to a root that is met.
    receipts: u64,
}

impl Expectations {
    fn of(trust: &Trust, size: u64) -> Result<Self, FsckError> {
        let mut expected = Self { roots: BTreeMap::new(), bare: BTreeMap::new(), passed: Vec::new(), checked: 0, receipts: 0 };
        let mut opened = Opened::new(trust);
        let kept = trust.kept.iter().map(|(name, note)| (name.clone(), note.clone()));
        let handed = trust.keys.handovers().iter().map(|h| (format!("the hand-over to {}", h.new), h.checkpoint.clone()));
        for (name, old) in handed {
            expected.expect(name, &old, size)?;
        }
        for (name, note) in kept {
            let old = opened.open(&name, &note, false)?;
            expected.expect(name, &old, size)?;
        }
        trust.each_receipt(&mut |name, proof| {
            let inside = format!("the checkpoint in {name}");
            let old = opened.open(&inside, &proof.checkpoint, false)?;
            expected.expect(inside, &old, size)?;
            // One that carries its entry is proved when the root it rests on is met.
            if check_path(&name, &proof, None, &old)? {
                expected.receipts += 1;
            } else {
                expected.bare.entry(proof.index).or_default().push((name, proof, old));
            }
            Ok(())
        })?;
        Ok(expected)
    }

    fn expect(&mut self, name: String, old: &Checkpoint, size: u64) -> Result<(), FsckError> {
        if old.size > size {
            return Err(FsckError::Shrunk { name, kept: old.size, size });
        }
        let stated = self.roots.entry(old.size).or_default();
        self.checked += 1;
        // Each root is met once, whoever states it.
        if !stated.iter().any(|(_, root)| *root == old.root) {
            stated.push((name, old.root));
        }
        Ok(())
    }

    fn meet(&mut self, frontier: &Frontier) -> Result<(), FsckError> {
        let size = frontier.size();
        let Some(stated) = self.roots.remove(&size) else { return Ok(()) };
        let root = frontier.root();
        match stated.into_iter().find(|(_, said)| *said != root) {
            Some((name, _)) => Err(FsckError::Rewritten { name, size }),
            None => Ok(()),
        }
    }

    fn pass(&mut self, index: u64, leaf: &Hash) {
        for bare in self.bare.remove(&index).unwrap_or_default() {
            self.passed.push((bare, *leaf));
        }
    }

    /// Proves the receipts whose leaf was passed, after all roots were met: a log that was rewritten is told as that.
    fn prove(&mut self) -> Result<u64, FsckError> {
        for ((name, proof, checkpoint), leaf) in self.passed.drain(..) {
            check_path(&name, &proof, Some(&leaf), &checkpoint)?;
            self.receipts += 1;
        }
        Ok(self.receipts)
    }
}

/// The way through the leaves, from the first to the last.
struct Walk<'a> {
    published: Published<'a>,
    frontier: Frontier,
    /// For each level above the leaves: the tile being filled, and its number.
    levels: Vec<(u64, Vec<Hash>)>,
    personal: Option<PersonalLines>,
    /// That entries were refused has been reported.
    told: bool,
    report: Report,
}

/// What all threads read from.
struct Published<'a> {
    artefacts: &'a dyn Artefacts,
    size: u64,
    /// Bundles may be refused to those who may see the hashes.
    refused: AtomicBool,
}

/// A leaf tile whose entries were checked.
struct Bundle {
    leaves: Vec<Hash>,
    entries: u64,
    personal: u64,
    without_personal: u64,
    /// Its entries were refused, or not asked for any more because others were.
    refused: bool,
}

/// The personal parts beside a bundle's entries, in their order.
type Beside = Vec<Option<String>>;

impl<'a> Walk<'a> {
    fn new(artefacts: &'a dyn Artefacts, size: u64) -> Result<Self, FsckError> {
        let personal = artefacts.personal()?.map(PersonalLines::new);
        let mut report = Report::default();
        if personal.is_none() {
            report.unproved.push("personal details were not given, so they were not held against the entries' commitments".into());
        }
        let published = Published { artefacts, size, refused: AtomicBool::new(false) };
        Ok(Self { published, frontier: Frontier::new(), levels: Vec::new(), personal, told: false, report })
    }

    /// Reads the bundles `from..to` and checks their entries, on several threads. The answers are in order.
    fn read(&mut self, from: u64, to: u64, threads: usize) -> Vec<Result<Bundle, FsckError>> {
        let mut orders: Vec<(u64, Result<Option<Beside>, FsckError>)> = Vec::new();
        for number in from..to {
            let beside = self.beside(number);
            let stop = beside.is_err();
            orders.push((number, beside));
            // What stands behind a line that cannot be read belongs to no entry for certain.
            if stop {
                break;
            }
        }
        let published = &self.published;
        let share = orders.len().div_ceil(threads).max(1);
        let mut answers = Vec::with_capacity(orders.len());
        thread::scope(|scope| {
            let mut running = Vec::new();
            let mut orders = orders.into_iter().peekable();
            while orders.peek().is_some() {
                let part: Vec<_> = orders.by_ref().take(share).collect();
                running.push(scope.spawn(move || {
                    part.into_iter().map(|(number, beside)| published.bundle(number, beside?.as_ref())).collect::<Vec<_>>()
                }));
            }
            for thread in running {
                match thread.join() {
                    Ok(part) => answers.extend(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        answers
    }

    /// The personal parts beside the entries of a bundle; `None` when none are given.
    fn beside(&mut self, number: u64) -> Result<Option<Beside>, FsckError> {
        let (first, width) = (number * WIDTH, self.published.width(number));
        let Some(lines) = &mut self.personal else { return Ok(None) };
        (first..).take(width).map(|index| lines.at(index)).collect::<Result<_, _>>().map(Some)
    }

    /// Adds a bundle's leaves to the tree.
    fn take(&mut self, bundle: Bundle, expected: &mut Expectations) -> Result<(), FsckError> {
        if bundle.refused && !std::mem::replace(&mut self.told, true) {
            let first = self.frontier.size();
            self.report.unproved.push(format!(
                "the entries from {first} on were refused, so only their hashes were verified; an auditor's token (--token) shows them"
            ));
        }
        self.report.tiles += 1;
        self.report.entries += bundle.entries;
        self.report.personal += bundle.personal;
        self.report.without_personal += bundle.without_personal;
        for leaf in bundle.leaves {
            expected.pass(self.frontier.size(), &leaf);
            let mut completed = Vec::new();
            self.frontier.push(leaf, |node, hash| {
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
        let Some(tile) = Resource::tile(short, number, nodes_at(level, self.published.size)) else { return Ok(()) };
        let bytes = fetch(self.published.artefacts, tile)?;
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
            Some(lines) if !self.published.refused.load(Ordering::Relaxed) => lines.end(),
            _ => Ok(()),
        }
    }
}

impl Published<'_> {
    fn width(&self, number: u64) -> usize {
        usize::try_from(self.size - number * WIDTH).unwrap_or(usize::MAX).min(256)
    }

    /// Reads 256 leaves, or those that are left, and the entries they are the hashes of.
    fn bundle(&self, number: u64, beside: Option<&Beside>) -> Result<Bundle, FsckError> {
        let tile = Resource::tile(0, number, self.size).ok_or_else(|| FsckError::Missing(format!("leaf tile {number}")))?;
        let width = self.width(number);
        let bytes = fetch(self.artefacts, tile)?;
        let leaves = hashes(tile, &bytes, width)?.to_vec();
        let mut bundle = Bundle { leaves, entries: 0, personal: 0, without_personal: 0, refused: false };
        bundle.refused = self.refused.load(Ordering::Relaxed);
        let Some(name) = Resource::entries(number, self.size).filter(|_| !bundle.refused) else { return Ok(bundle) };
        let bytes = match fetch(self.artefacts, name) {
            Err(FsckError::Artefact(ArtefactError::Refused { .. })) => {
                self.refused.store(true, Ordering::Relaxed);
                bundle.refused = true;
                return Ok(bundle);
            }
            other => other?,
        };
        let form = |source| FsckError::Form { name: name.to_string(), source };
        // A full bundle may stand where a partial one was asked for.
        let entries = match tiles::decode_bundle(&bytes, width) {
            Err(TileError::Count) if width < 256 => tiles::decode_bundle(&bytes, 256).map_err(form)?,
            other => other.map_err(form)?,
        };
        let mut beside = beside.map(|b| b.iter());
        for (index, (bytes, leaf)) in (number * WIDTH..).zip(entries.iter().zip(&bundle.leaves)) {
            if merkle::leaf(bytes) != *leaf {
                return Err(FsckError::Leaf { index, tile: tile.to_string() });
            }
            let wrong = |source| FsckError::Entry { index, source };
            let checked = entry::check(bytes).map_err(wrong)?;
            bundle.entries += 1;
            match beside.as_mut().map(|b| b.next().and_then(Option::as_ref)) {
                Some(Some(text)) => {
                    entry::check_personal(&checked, text).map_err(wrong)?;
                    bundle.personal += 1;
                }
                Some(None) if checked.details.is_some() => bundle.without_personal += 1,
                _ => {}
            }
        }
        Ok(bundle)
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
struct PersonalLine<'l> {
    index: u64,
    #[serde(borrow)]
    personal: &'l RawValue,
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
        Ok(Some((line.index, line.personal.get().to_owned())))
    }

    fn wrong(&self, why: String) -> FsckError {
        FsckError::Personal { line: self.line, why }
    }
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
