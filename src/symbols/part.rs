//! A part of an index: the symbols of some files, in one file that never changes once written.
//!
//! ```text
//! units        each a blob, and the language its path says: what is defined in it, in the order of its text
//! containers   what definitions lie in
//! names        ascending, distinct
//! postings     of each name the units that define or use it, and how often
//! footer       where each of these begins
//! ```
//!
//! Numbers are little-endian where their place is computed and variable in length elsewhere. Nothing is mapped into memory: a name is
//! found by halving, with reads of a few bytes.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use super::language::Lang;
use super::{Definition, ReferenceKind, SymbolError, SymbolKind};

const KINDS: usize = ReferenceKind::ALL.len();
/// Eight numbers of eight bytes.
const FOOTER: u64 = 64;
/// Bytes of a unit's row: blob, language by path, language, whether it is complete, and where its definitions begin.
const ROW: usize = 31;
/// Bytes of names read at once when all are looked through.
const STRETCH: u64 = 1 << 20;

/// A distinct file: its blob, and the language that its path says, 0 where the path says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UnitKey {
    pub(super) blob: [u8; 20],
    pub(super) by_path: u8,
}

/// A unit as it was extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) key: UnitKey,
    /// None: there is no grammar for it after all.
    pub(super) lang: Option<Lang>,
    pub(super) complete: bool,
}

/// How often a name is used, by [`ReferenceKind`].
pub(super) type Uses = [u32; KINDS];

/// What a unit has of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Posting {
    /// Its number in the part.
    pub(super) unit: u32,
    pub(super) definitions: u32,
    pub(super) uses: Uses,
}

/// What is to be written of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) unit: Unit,
    pub(super) definitions: Vec<Definition>,
    pub(super) uses: Vec<(String, Uses)>,
}

/// Gathers units until they are written as one part.
#[derive(Default)]
pub(super) struct PartBuilder {
    /// By the place that each is to have.
    units: BTreeMap<u64, (Unit, Vec<u8>)>,
    names: HashMap<Box<str>, u32>,
    containers: HashMap<Box<str>, u32>,
    /// Name, place of the unit, definitions and uses.
    pairs: Vec<(u32, u64, u32, Uses)>,
}

fn number(names: &mut HashMap<Box<str>, u32>, name: &str) -> u32 {
    if let Some(known) = names.get(name) {
        return *known;
    }
    let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
    names.insert(name.into(), next);
    next
}

impl PartBuilder {
    /// Takes what was found in a unit, to stand at this place among the others.
    pub(super) fn add(&mut self, place: u64, facts: &Facts) {
        let mut of_names: BTreeMap<u32, (u32, Uses)> = BTreeMap::new();
        let mut bytes = Vec::new();
        put(&mut bytes, facts.definitions.len() as u64);
        let mut before = 0;
        for one in &facts.definitions {
            let name = number(&mut self.names, &one.name);
            let container = number(&mut self.containers, &one.container);
            of_names.entry(name).or_default().0 += 1;
            // Pieces are in order, and so are the names in them.
            let line = one.line.max(before);
            put(&mut bytes, u64::from(name));
            bytes.push(one.kind as u8);
            put(&mut bytes, u64::from(line - before));
            put(&mut bytes, u64::from(one.column));
            put(&mut bytes, u64::from(line.saturating_sub(one.whole.0)));
            put(&mut bytes, u64::from(one.whole.1.saturating_sub(line)));
            put(&mut bytes, u64::from(container));
            before = line;
        }
        for (name, uses) in &facts.uses {
            let name = number(&mut self.names, name);
            of_names.entry(name).or_default().1 = *uses;
        }
        self.pairs.extend(of_names.into_iter().map(|(name, (definitions, uses))| (name, place, definitions, uses)));
        self.units.insert(place, (facts.unit, bytes));
    }

    /// Writes the part; its numbers of names are those of this builder, turned into places in ascending order.
    pub(super) fn write(self, path: &Path) -> io::Result<()> {
        let mut out = Counted { file: BufWriter::with_capacity(1 << 20, File::create(path)?), written: 0 };
        let mut names: Vec<(&str, u32)> = self.names.iter().map(|(name, number)| (name.as_ref(), *number)).collect();
        names.sort_unstable();
        let mut rank = vec![0_u32; names.len()];
        for (place, (_, number)) in (0..).zip(&names) {
            if let Some(slot) = rank.get_mut(*number as usize) {
                *slot = place;
            }
        }
        let ranked = |number: u32| rank.get(number as usize).copied().unwrap_or(u32::MAX);

        // Units: a row of fixed length each, then their definitions.
        let mut rows = Vec::new();
        let mut bodies = Vec::new();
        for (unit, definitions) in self.units.values() {
            rows.extend_from_slice(&unit.key.blob);
            rows.push(unit.key.by_path);
            rows.push(unit.lang.map_or(0, Lang::number));
            rows.push(u8::from(unit.complete));
            rows.extend_from_slice(&(bodies.len() as u64).to_le_bytes());
            bodies.extend(renumbered(definitions, &ranked).ok_or(io::ErrorKind::InvalidData)?);
        }
        let units_at = out.written;
        out.put(&rows)?;
        let bodies_at = out.written;
        out.put(&bodies)?;

        let mut containers: Vec<(&str, u32)> = self.containers.iter().map(|(name, number)| (name.as_ref(), *number)).collect();
        containers.sort_unstable_by_key(|(_, number)| *number);
        let containers_at = out.strings(containers.iter().map(|(name, _)| *name))?;
        let names_at = out.strings(names.iter().map(|(name, _)| *name))?;

        let places: HashMap<u64, u32> = self.units.keys().copied().zip(0..).collect();
        let mut pairs: Vec<(u32, u32, u32, Uses)> = self
            .pairs
            .into_iter()
            .map(|(name, place, definitions, uses)| (ranked(name), places.get(&place).copied().unwrap_or(u32::MAX), definitions, uses))
            .collect();
        pairs.sort_unstable_by_key(|(name, unit, ..)| (*name, *unit));
        let mut starts: Vec<u8> = Vec::with_capacity(names.len() * 8);
        let mut postings = Vec::new();
        let mut rest = pairs.as_slice();
        for name in 0..u32::try_from(names.len()).unwrap_or(u32::MAX) {
            starts.extend_from_slice(&(postings.len() as u64).to_le_bytes());
            let (here, more) = rest.split_at(rest.partition_point(|(of, ..)| *of <= name));
            rest = more;
            put(&mut postings, here.len() as u64);
            let mut before = 0;
            for (_, unit, definitions, uses) in here {
                put(&mut postings, u64::from(unit - before));
                before = *unit;
                let mask = uses
                    .iter()
                    .enumerate()
                    .fold(u8::from(*definitions > 0), |mask, (bit, count)| mask | (u8::from(*count > 0) << (bit + 1)));
                postings.push(mask);
                for count in std::iter::once(definitions).chain(uses).filter(|count| **count > 0) {
                    put(&mut postings, u64::from(*count));
                }
            }
        }
        starts.extend_from_slice(&(postings.len() as u64).to_le_bytes());
        let starts_at = out.written;
        out.put(&starts)?;
        let postings_at = out.written;
        out.put(&postings)?;
        let footer = [units_at, bodies_at, containers_at, containers.len() as u64, names_at, names.len() as u64, starts_at, postings_at];
        for number in footer {
            out.put(&number.to_le_bytes())?;
        }
        out.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// The definitions of a unit with the numbers of their names turned into those of the part.
fn renumbered(bytes: &[u8], ranked: &impl Fn(u32) -> u32) -> Option<Vec<u8>> {
    let mut rest = Rest(bytes);
    let mut out = Vec::with_capacity(bytes.len() + 8);
    let count = rest.take()?;
    put(&mut out, count);
    for _ in 0..count {
        put(&mut out, u64::from(ranked(rest.take32()?)));
        out.push(rest.byte()?);
        for _ in 0..5 {
            put(&mut out, rest.take()?);
        }
    }
    Some(out)
}

struct Counted {
    file: BufWriter<File>,
    written: u64,
}

impl Counted {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Strings, preceded by where each begins; tells where that is.
    fn strings<'a>(&mut self, all: impl Iterator<Item = &'a str> + Clone) -> io::Result<u64> {
        let at = self.written;
        let mut end = 0_u64;
        for one in all.clone() {
            self.put(&end.to_le_bytes())?;
            end += one.len() as u64;
        }
        self.put(&end.to_le_bytes())?;
        for one in all {
            self.put(one.as_bytes())?;
        }
        Ok(at)
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take32(&mut self) -> Option<u32> {
        u32::try_from(self.take()?).ok()
    }
}

/// A part, open for reading.
pub(super) struct Part {
    file: File,
    length: u64,
    pub(super) units: Vec<Unit>,
    /// Where the definitions of each unit begin, and behind them the end of all.
    bodies: Vec<u64>,
    containers: Vec<String>,
    names_at: u64,
    names: u64,
    starts_at: u64,
    postings_at: u64,
    folded: OnceLock<Box<[(u32, u32)]>>,
}

impl Part {
    pub(super) fn open(path: &Path) -> Result<Self, SymbolError> {
        let file = File::open(path).map_err(|cause| SymbolError::io("opening a part", &cause))?;
        let length = file.metadata().map_err(|cause| SymbolError::io("opening a part", &cause))?.len();
        let mut part = Self {
            file,
            length,
            units: Vec::new(),
            bodies: Vec::new(),
            containers: Vec::new(),
            names_at: 0,
            names: 0,
            starts_at: 0,
            postings_at: 0,
            folded: OnceLock::new(),
        };
        // Every number in it is checked before it is reckoned with: a file may be damaged.
        let footer = part.read(length.checked_sub(FOOTER).ok_or_else(short)?, FOOTER)?;
        let mut numbers = footer.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok().map(u64::from_le_bytes));
        let mut next = || numbers.next().ok_or_else(short);
        let (units_at, bodies_at, containers_at, containers) = (next()?, next()?, next()?, next()?);
        (part.names_at, part.names, part.starts_at, part.postings_at) = (next()?, next()?, next()?, next()?);
        let places = [units_at, bodies_at, containers_at, part.names_at, part.starts_at, part.postings_at];
        if places.into_iter().chain([part.names, containers]).any(|number| number > length) {
            return Err(short());
        }
        let rows = part.read(units_at, bodies_at.checked_sub(units_at).ok_or_else(short)?)?;
        for row in rows.chunks_exact(ROW) {
            let (key, rest) = row.split_first_chunk::<20>().ok_or_else(short)?;
            let [by_path, lang, complete, at @ ..] = rest else { return Err(short()) };
            let key = UnitKey { blob: *key, by_path: *by_path };
            part.units.push(Unit { key, lang: Lang::numbered(*lang), complete: *complete == 1 });
            let at: u64 = at.try_into().map(u64::from_le_bytes).map_err(|_| short())?;
            part.bodies.push(bodies_at.checked_add(at).ok_or_else(short)?);
        }
        part.bodies.push(containers_at);
        part.containers = (0..containers).map(|nth| part.string(containers_at, containers, nth)).collect::<Result<_, _>>()?;
        Ok(part)
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, at: u64, length: u64) -> Result<Vec<u8>, SymbolError> {
        let within = at.checked_add(length).is_some_and(|end| end <= self.length);
        let mut bytes = vec![0; usize::try_from(length).ok().filter(|_| within).ok_or_else(short)?];
        self.file.read_exact_at(&mut bytes, at).map_err(|cause| SymbolError::io("reading a part", &cause))?;
        Ok(bytes)
    }

    /// Two neighbouring numbers of a table.
    fn bounds(&self, table: u64, nth: u64) -> Result<(u64, u64), SymbolError> {
        let bytes = self.read(table + nth * 8, 16)?;
        let (first, second) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let second = second.try_into().map_err(|_| short())?;
        Ok((u64::from_le_bytes(*first), u64::from_le_bytes(second)))
    }

    fn string(&self, table: u64, count: u64, nth: u64) -> Result<String, SymbolError> {
        let (start, end) = self.bounds(table, nth)?;
        let at = (table + (count + 1) * 8).checked_add(start).ok_or_else(short)?;
        let bytes = self.read(at, end.checked_sub(start).ok_or_else(short)?)?;
        String::from_utf8(bytes).map_err(|_| SymbolError::damaged("a name in it is no text"))
    }

    fn name(&self, nth: u64) -> Result<String, SymbolError> {
        self.string(self.names_at, self.names, nth)
    }

    /// The number of a name, if anything here has it.
    pub(super) fn find(&self, name: &str) -> Result<Option<u64>, SymbolError> {
        let (mut low, mut high) = (0, self.names);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.name(middle)?.as_str().cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }

    /// The numbers of the names that are this word, whatever the case of its letters.
    pub(super) fn find_in_any_case(&self, word: &str) -> Result<Vec<u64>, SymbolError> {
        let word = word.to_lowercase();
        let folded = self.folded()?;
        let hash = short_hash(&word);
        let from = folded.partition_point(|(of, _)| *of < hash);
        let mut found = Vec::new();
        for (_, number) in folded.iter().skip(from).take_while(|(of, _)| *of == hash) {
            if self.name(u64::from(*number))?.to_lowercase() == word {
                found.push(u64::from(*number));
            }
        }
        Ok(found)
    }

    /// All names by what they are in small letters, hashed; made when it is first asked for.
    fn folded(&self) -> Result<&[(u32, u32)], SymbolError> {
        if let Some(known) = self.folded.get() {
            return Ok(known);
        }
        let mut folded = Vec::new();
        self.each_name(&mut |number, name| folded.push((short_hash(&name.to_lowercase()), u32::try_from(number).unwrap_or(u32::MAX))))?;
        folded.sort_unstable();
        Ok(self.folded.get_or_init(|| folded.into_boxed_slice()))
    }

    /// What units have of a name, by their numbers.
    pub(super) fn postings(&self, name: u64) -> Result<Vec<Posting>, SymbolError> {
        let (start, end) = self.bounds(self.starts_at, name)?;
        let bytes = self.read(self.postings_at.checked_add(start).ok_or_else(short)?, end.checked_sub(start).ok_or_else(short)?)?;
        self.decode_postings(&bytes).ok_or_else(|| SymbolError::damaged("what is said of a name in it cannot be read"))
    }

    fn decode_postings(&self, bytes: &[u8]) -> Option<Vec<Posting>> {
        let mut rest = Rest(bytes);
        let mut all = Vec::new();
        let mut unit = 0_u32;
        for _ in 0..rest.take()? {
            unit = unit.checked_add(rest.take32()?)?;
            let mask = rest.byte()?;
            let mut counts = [0_u32; KINDS + 1];
            for (bit, count) in counts.iter_mut().enumerate() {
                if mask & (1 << bit) != 0 {
                    *count = rest.take32()?;
                }
            }
            let [definitions, uses @ ..] = counts;
            all.push(((unit as usize) < self.units.len()).then_some(Posting { unit, definitions, uses })?);
        }
        Some(all)
    }

    /// The definitions of a unit, each with the number of its name, in the order of the text.
    pub(super) fn definitions(&self, unit: u32) -> Result<Vec<(u64, Definition)>, SymbolError> {
        let bounds = self.bodies.get(unit as usize).zip(self.bodies.get(unit as usize + 1));
        let (&start, &end) = bounds.ok_or_else(short)?;
        let bytes = self.read(start, end.checked_sub(start).ok_or_else(short)?)?;
        let found =
            self.decode_definitions(&bytes).ok_or_else(|| SymbolError::damaged("the definitions of a file in it cannot be read"))?;
        Ok(found)
    }

    fn decode_definitions(&self, bytes: &[u8]) -> Option<Vec<(u64, Definition)>> {
        let mut rest = Rest(bytes);
        let mut all = Vec::new();
        let mut line = 0_u32;
        for _ in 0..rest.take()? {
            let name = rest.take()?;
            let kind = SymbolKind::numbered(rest.byte()?)?;
            line = line.checked_add(rest.take32()?)?;
            let column = rest.take32()?;
            let whole = (line.saturating_sub(rest.take32()?), line.checked_add(rest.take32()?)?);
            let container = self.containers.get(usize::try_from(rest.take()?).ok()?)?.clone();
            all.push((name, Definition { name: String::new(), kind, line, column, whole, container }));
        }
        Some(all)
    }

    /// The same with their names.
    pub(super) fn named_definitions(&self, unit: u32) -> Result<Vec<Definition>, SymbolError> {
        let all = self.definitions(unit)?;
        all.into_iter().map(|(name, one)| Ok(Definition { name: self.name(name)?, ..one })).collect()
    }

    /// The definitions of one name in a unit.
    pub(super) fn definitions_of(&self, unit: u32, (number, name): (u64, &str)) -> Result<Vec<Definition>, SymbolError> {
        let all = self.definitions(unit)?.into_iter().filter(|(of, _)| *of == number);
        Ok(all.map(|(_, one)| Definition { name: name.to_owned(), ..one }).collect())
    }

    /// Calls `visit` with every name, in ascending order, and its number.
    pub(super) fn each_name(&self, visit: &mut dyn FnMut(u64, &str)) -> Result<(), SymbolError> {
        let texts = self.names_at + (self.names + 1) * 8;
        let mut first = 0;
        while first < self.names {
            let count = (self.names - first).min(STRETCH / 8);
            let ends = self.read(self.names_at + first * 8, (count + 1) * 8)?;
            let ends: Vec<u64> = ends.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok().map(u64::from_le_bytes)).collect();
            let (&start, &end) = ends.first().zip(ends.last()).ok_or_else(short)?;
            let bytes = self.read(texts.checked_add(start).ok_or_else(short)?, end.checked_sub(start).ok_or_else(short)?)?;
            for (nth, bounds) in (first..).zip(ends.windows(2)) {
                let [from, to] = bounds else { continue };
                let within = |at: u64| usize::try_from(at.checked_sub(start)?).ok();
                let range = within(*from).zip(within(*to)).ok_or_else(short)?;
                let name = bytes.get(range.0..range.1).and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or_else(short)?;
                visit(nth, name);
            }
            first += count;
        }
        Ok(())
    }

    /// Everything in it, to be written anew together with others.
    pub(super) fn facts(&self) -> Result<Vec<Facts>, SymbolError> {
        let mut names = Vec::new();
        self.each_name(&mut |_, name| names.push(name.to_owned()))?;
        let name_of = |number: u64| usize::try_from(number).ok().and_then(|number| names.get(number)).cloned().unwrap_or_default();
        let mut all = Vec::new();
        for (unit, number) in self.units.iter().zip(0..) {
            let definitions = self.definitions(number)?.into_iter().map(|(name, one)| Definition { name: name_of(name), ..one });
            all.push(Facts { unit: *unit, definitions: definitions.collect(), uses: Vec::new() });
        }
        for (number, name) in (0..).zip(&names) {
            for posting in self.postings(number)? {
                if posting.uses.iter().any(|count| *count > 0)
                    && let Some(facts) = all.get_mut(posting.unit as usize)
                {
                    facts.uses.push((name.clone(), posting.uses));
                }
            }
        }
        Ok(all)
    }
}

fn short_hash(text: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (hasher.finish() & u64::from(u32::MAX)).try_into().unwrap_or(0)
}

fn short() -> SymbolError {
    SymbolError::damaged("a part of it is not as long as it says")
}
