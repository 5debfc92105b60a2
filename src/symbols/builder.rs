//! Building an index of symbols: what is new is read and extracted on several threads, and written in parts.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use roaring::RoaringBitmap;

use super::extract::of_lang;
use super::index::{Document, Home, IndexedVersion, Manifest, NO_UNIT, SymbolIndex, Table, by_path};
use super::language::Lang;
use super::part::{Facts, Part, PartBuilder, Unit, UnitKey, Uses};
use super::{SymbolError, VersionKey};
use crate::catalog::RepoPath;
use crate::source::text::{Content, decode};
use crate::source::{MachineReader, ObjectId, Walker};

/// Bytes read of the source before what was found is written as a part, and kept if the process is killed.
const STEP: u64 = 192 << 20;
/// Files of a name that says nothing are looked into up to this size.
const LARGEST_UNNAMED: u64 = 1 << 20;
/// Bytes of a part that is small, and small parts before they are put together.
const SMALL: u64 = 16 << 20;
const MOST_SMALL: usize = 8;

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
    pub generation: u64,
    /// Distinct files that were extracted.
    pub added: u64,
}

/// Builds the index of one product. One at a time, in all processes.
pub struct SymbolWriter {
    home: Home,
    served: Option<Manifest>,
    step: u64,
    /// What is built beside an index that is served is not to take its place before it is whole.
    beside: bool,
    threads: usize,
    _lock: File,
}

/// A file of a version that may have symbols.
struct Wanted {
    key: UnitKey,
    size: u64,
}

impl SymbolWriter {
    /// Takes the index at `directory`, makes it when there is none, and removes what a run that was killed left behind. `anew`: nothing
    /// of what is there is used. An index in another format is built anew in any case.
    ///
    /// # Errors
    /// When another process is building it, or its directory cannot be used.
    pub fn begin(directory: &Path, anew: bool) -> Result<Self, SymbolError> {
        let home = Home::new(directory);
        let lock = home.lock()?;
        let served = match home.manifest() {
            Ok(served) => served,
            Err(cause) if cause.wants_rebuild() => None,
            Err(cause) => return Err(cause),
        };
        home.sweep(served.as_ref())?;
        // Damaged files are found here, not by whoever asks.
        let usable = served.as_ref().is_some_and(|served| SymbolIndex::of(&home, served).is_ok());
        let served = served.filter(|_| usable && !anew);
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16);
        Ok(Self { home, served, step: STEP, beside: anew && usable, threads, _lock: lock })
    }

    /// Keeps what was found after so many bytes read of the source.
    #[must_use]
    pub fn in_steps_of(self, bytes: u64) -> Self {
        Self { step: bytes.max(1), ..self }
    }

    /// Extracts what is new in these versions, the newest first, and lets it be served, step by step: a version is served when all of
    /// it is known.
    ///
    /// # Errors
    /// When the source cannot be read, the index cannot be written, or `cancel` was set. What was finished before stays.
    pub fn build(
        self,
        reader: &MachineReader,
        product: &str,
        versions: &[VersionKey],
        progress: &mut dyn FnMut(Progress),
        cancel: &AtomicBool,
    ) -> Result<Built, SymbolError> {
        let previous = self.served.as_ref().map(|served| SymbolIndex::of(&self.home, served)).transpose()?;
        if let Some(previous) = &previous
            && previous.versions().eq(versions)
        {
            return Ok(Built { generation: previous.generation, added: 0 });
        }
        let mut census = Census::new(previous.as_ref());
        let mut walker = reader.walker(product).map_err(SymbolError::source)?;
        for key in versions {
            stop_if(cancel)?;
            census.take(key, &mut walker)?;
        }
        drop(walker);
        let mut parts = self.served.as_ref().map(|served| served.parts.clone()).unwrap_or_default();
        let generation = self.home.manifest().ok().flatten().map_or(0, |served| served.generation);
        let mut work = Progress {
            files_total: census.new.len() as u64,
            bytes_total: census.new.iter().map(|one| one.size).sum(),
            ..Progress::default()
        };
        let mut done = 0;
        let mut next_generation = generation + 1;
        while done < census.new.len() {
            let mut bytes = 0;
            let rest = census.new.get(done..).unwrap_or_default();
            let within = |one: &&Wanted| {
                let within = bytes < self.step;
                bytes += one.size;
                within
            };
            let step = rest.iter().take_while(within).count();
            let wanted = rest.get(..step).unwrap_or_default();
            let part = self.extract(reader, product, wanted, &mut work, progress, cancel)?;
            let name = self.home.next_part()?;
            part.write(&self.home.path(&name)).map_err(|cause| SymbolError::io("writing a part", &cause))?;
            parts.push(self.home.stored(&name).map_err(|cause| SymbolError::io("writing a part", &cause))?);
            done += step;
            census.written = done;
            if !self.beside {
                let _ = self.home.serve(next_generation, parts.clone(), &census.table(false)?)?;
                next_generation += 1;
            }
        }
        let small = parts.iter().filter(|part| part.length < SMALL).count();
        if small > MOST_SMALL {
            parts = self.put_together(parts, &mut census)?;
        }
        // Versions that went, or came without any new file, change the table alone.
        let manifest = self.home.serve(next_generation, parts, &census.table(true)?)?;
        self.home.sweep(Some(&manifest))?;
        Ok(Built { generation: next_generation, added: census.new.len() as u64 })
    }

    fn extract(
        &self,
        reader: &MachineReader,
        product: &str,
        wanted: &[Wanted],
        work: &mut Progress,
        progress: &mut dyn FnMut(Progress),
        cancel: &AtomicBool,
    ) -> Result<PartBuilder, SymbolError> {
        let next = AtomicUsize::new(0);
        let broken = AtomicBool::new(false);
        // What waits here is held in memory.
        let (sender, receiver) = sync_channel(4 * self.threads);
        let mut part = PartBuilder::default();
        thread::scope(|threads| {
            for _ in 0..self.threads.min(wanted.len()).max(1) {
                let sender = sender.clone();
                let (next, broken) = (&next, &broken);
                threads.spawn(move || {
                    let walker = match reader.walker(product) {
                        Ok(walker) => walker,
                        Err(cause) => return drop(sender.send(Err(SymbolError::source(cause)))),
                    };
                    while !cancel.load(Ordering::Relaxed) && !broken.load(Ordering::Relaxed) {
                        let nth = next.fetch_add(1, Ordering::Relaxed);
                        let Some(one) = wanted.get(nth) else { return };
                        if sender.send(facts_of(&walker, one).map(|facts| (nth as u64, one.size, facts))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for found in receiver {
                match found {
                    Ok((place, size, facts)) => {
                        part.add(place, &facts);
                        work.files_done += 1;
                        work.bytes_done += size;
                        progress(*work);
                    }
                    Err(cause) => {
                        broken.store(true, Ordering::Relaxed);
                        return Err(cause);
                    }
                }
            }
            stop_if(cancel)
        })?;
        Ok(part)
    }

    /// Writes the small parts as one.
    fn put_together(&self, parts: Vec<super::index::Stored>, census: &mut Census<'_>) -> Result<Vec<super::index::Stored>, SymbolError> {
        let mut kept = Vec::new();
        let mut order = Vec::new();
        let mut builder = PartBuilder::default();
        let mut place = 0;
        let mut moved = Vec::new();
        for stored in parts {
            let part = Part::open(&self.home.path(&stored.name))?;
            let keys = part.units.iter().map(|unit| unit.key);
            if stored.length < SMALL {
                moved.extend(keys);
                for facts in part.facts()? {
                    builder.add(place, &facts);
                    place += 1;
                }
            } else {
                order.extend(keys);
                kept.push(stored);
            }
        }
        let name = self.home.next_part()?;
        builder.write(&self.home.path(&name)).map_err(|cause| SymbolError::io("writing a part", &cause))?;
        kept.push(self.home.stored(&name).map_err(|cause| SymbolError::io("writing a part", &cause))?);
        order.extend(moved);
        census.order = order.into_iter().zip(0..).collect();
        Ok(kept)
    }
}

fn facts_of(walker: &Walker, wanted: &Wanted) -> Result<Facts, SymbolError> {
    let id = ObjectId::from_bytes(&wanted.key.blob).ok_or_else(|| SymbolError::damaged("a blob without an id"))?;
    let bytes = walker.read(id).map_err(SymbolError::source)?;
    Ok(facts(wanted.key, &bytes))
}

/// What is kept of a file with these bytes.
pub(super) fn facts(key: UnitKey, bytes: &[u8]) -> Facts {
    let none = |complete| Facts { unit: Unit { key, lang: None, complete }, definitions: Vec::new(), uses: Vec::new() };
    let Content::Text(text) = decode(bytes) else { return none(true) };
    let text = text.as_str();
    let Some(lang) = lang_of(key.by_path, text) else { return none(true) };
    let found = of_lang(lang, text);
    let mut uses: BTreeMap<&str, Uses> = BTreeMap::new();
    for (name, kind, _) in found.uses(text) {
        if let Some(count) = uses.entry(name).or_default().get_mut(kind as usize) {
            *count += 1;
        }
    }
    Facts {
        unit: Unit { key, lang: Some(lang), complete: found.complete },
        uses: uses.into_iter().map(|(name, uses)| (name.to_owned(), uses)).collect(),
        definitions: found.definitions,
    }
}

/// The language of a file: as its path says, or its first line where that says nothing.
pub(super) fn lang_of(by_path: u8, text: &str) -> Option<Lang> {
    let first = text.lines().next().unwrap_or_default();
    let first = first.get(..first.floor_char_boundary(200)).unwrap_or_default();
    Lang::numbered(by_path).or_else(|| Lang::of("", first))
}

/// What all versions hold.
struct Census<'a> {
    previous: Option<&'a SymbolIndex>,
    /// The number of each unit: of those that are written first, then of those to come.
    order: HashMap<UnitKey, u32>,
    /// How many units there were.
    old: usize,
    new: Vec<Wanted>,
    /// How many of them are written.
    written: usize,
    documents: HashMap<(RepoPath, UnitKey), u32>,
    listed: Vec<(RepoPath, UnitKey)>,
    versions: Vec<IndexedVersion>,
}

impl<'a> Census<'a> {
    fn new(previous: Option<&'a SymbolIndex>) -> Self {
        let keys = previous.iter().flat_map(|index| &index.parts).flat_map(|part| part.units.iter().map(|unit| unit.key));
        let order: HashMap<UnitKey, u32> = keys.zip(0..).collect();
        let old = order.len();
        let documents = HashMap::new();
        Self { previous, order, old, new: Vec::new(), written: 0, documents, listed: Vec::new(), versions: Vec::new() }
    }

    fn take(&mut self, key: &VersionKey, walker: &mut Walker) -> Result<(), SymbolError> {
        if let Some(same) = self.versions.iter().find(|version| version.key.commit == key.commit) {
            let documents = same.documents.clone();
            self.versions.push(IndexedVersion { key: key.clone(), documents });
            return Ok(());
        }
        let mut held = RoaringBitmap::new();
        // A version that is known is not walked again.
        let known = self.previous.and_then(|index| Some((index, index.table.versions.iter().find(|one| one.key.commit == key.commit)?)));
        if let Some((index, version)) = known {
            for number in &version.documents {
                let unit = index.table.documents.get(number as usize).filter(|document| document.unit != NO_UNIT);
                let found = unit.and_then(|document| index.part_of(document.unit));
                let unit_key = found.and_then(|(part, unit)| part.units.get(unit as usize)).map(|unit| unit.key);
                if let Some((path, unit)) = index.path(number).zip(unit_key) {
                    held.insert(self.document(path, unit)?);
                }
            }
            self.versions.push(IndexedVersion { key: key.clone(), documents: held });
            return Ok(());
        }
        let commit = ObjectId::parse(&key.commit).ok_or_else(|| SymbolError::damaged("a version without a commit"))?;
        let mut full = Ok(());
        walker
            .walk(commit, &mut |path, id, size| {
                let Some(by_path) = by_path(&path.to_string()).filter(|says| *says != 0 || size <= LARGEST_UNNAMED) else { return };
                let unit = UnitKey { blob: *id.bytes(), by_path };
                if !self.order.contains_key(&unit) {
                    let number = u32::try_from(self.old + self.new.len()).unwrap_or(NO_UNIT);
                    self.order.insert(unit, number);
                    self.new.push(Wanted { key: unit, size });
                }
                match self.document(path, unit) {
                    Ok(number) => {
                        held.insert(number);
                    }
                    Err(cause) => full = Err(cause),
                }
            })
            .map_err(SymbolError::source)?;
        full?;
        self.versions.push(IndexedVersion { key: key.clone(), documents: held });
        Ok(())
    }

    fn document(&mut self, path: &RepoPath, unit: UnitKey) -> Result<u32, SymbolError> {
        let next = u32::try_from(self.listed.len()).ok().filter(|&n| n < u32::MAX).ok_or(SymbolError::Full)?;
        let number = *self.documents.entry((path.clone(), unit)).or_insert(next);
        if number == next {
            self.listed.push((path.clone(), unit));
        }
        Ok(number)
    }

    /// The table of what is written: of versions only those that are whole, unless it is all.
    fn table(&self, all: bool) -> Result<Table, SymbolError> {
        let written = u32::try_from(self.old + self.written).map_err(|_| SymbolError::Full)?;
        let unit = |key: &UnitKey| self.order.get(key).copied().filter(|&number| all || number < written);
        let whole = |version: &&IndexedVersion| {
            version.documents.iter().all(|number| self.listed.get(number as usize).is_some_and(|(_, key)| unit(key).is_some()))
        };
        let versions: Vec<&IndexedVersion> = self.versions.iter().filter(whole).collect();
        let mut held = RoaringBitmap::new();
        for version in &versions {
            held |= &version.documents;
        }
        let mut listed: Vec<(&RepoPath, u32, u32)> = held
            .iter()
            .filter_map(|number| {
                let (path, key) = self.listed.get(number as usize)?;
                Some((path, number, unit(key)?))
            })
            .collect();
        listed.sort_unstable();
        let mut table = Table::default();
        let mut numbers: HashMap<u32, u32> = HashMap::new();
        for ((path, old, unit), new) in listed.into_iter().zip(0..) {
            if table.paths.last() != Some(path) {
                table.paths.push(path.clone());
            }
            numbers.insert(old, new);
            table.documents.push(Document { path: u32::try_from(table.paths.len() - 1).map_err(|_| SymbolError::Full)?, unit });
        }
        let renumbered = |version: &&IndexedVersion| IndexedVersion {
            key: version.key.clone(),
            documents: version.documents.iter().filter_map(|number| numbers.get(&number).copied()).collect(),
        };
        table.versions = versions.iter().map(renumbered).collect();
        Ok(table)
    }
}

fn stop_if(cancel: &AtomicBool) -> Result<(), SymbolError> {
    if cancel.load(Ordering::Relaxed) { Err(SymbolError::Cancelled) } else { Ok(()) }
}
