//! Precise symbols of one version, imported from an index that the tools of a language made ([`super::scip`]): which of several things
//! of one name is meant where.
//!
//! One file for each commit, `precise-<commit>`, beside the parts: a checksum, then documents with what stands in each. It is read whole.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::extract::extract;
use super::scip::{self, Document, Occurrence};
use super::{ReferenceKind, SymbolError, SymbolKind};
use crate::audit::Receipt;
use crate::catalog::RepoPath;
use crate::source::text::{self, Content, Text};
use crate::source::{MachineReader, ObjectId};

const MAGIC: &[u8; 8] = b"LPRECIS1";
/// Bytes of an index that is imported.
const LARGEST: u64 = 4 << 30;
/// Of so many hundredths of the places in an index, at least, the sources have to have a name there; else it was made of others.
const FITTING: u64 = 90;

/// What is known of a version precisely.
#[derive(Default)]
pub(super) struct Precise {
    pub(super) files: Vec<Known>,
    names: HashMap<String, Vec<u32>>,
    pub(super) symbols: Vec<Symbol>,
    /// Of each symbol, where it stands: the file, and the place in its list.
    places: Vec<Vec<(u32, u32)>>,
    by_path: HashMap<RepoPath, u32>,
}

pub(super) struct Known {
    pub(super) path: RepoPath,
    pub(super) blob: [u8; 20],
    pub(super) occurrences: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) kind: SymbolKind,
    pub(super) container: String,
}

/// Where a symbol stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// From 1, and the byte in the line, from 0.
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) length: u32,
    pub(super) symbol: u32,
    /// None: it is defined there.
    pub(super) kind: Option<ReferenceKind>,
    /// The last line of the whole of a definition.
    pub(super) last: u32,
}

/// What was read for an import, checked and written, and not looked at by anybody yet.
#[must_use]
pub struct Import {
    pub brought: Imported,
    /// Of the file that it comes from, in hexadecimal, and its length in bytes.
    pub sha256: String,
    pub size: u64,
    directory: PathBuf,
    commit: String,
}

/// What an import brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Imported {
    /// Files that are in the version, and those that are not.
    pub files: u64,
    pub unknown_files: u64,
    pub definitions: u64,
    pub references: u64,
    /// Places at which the version has no name.
    pub unfitting: u64,
}

pub(super) fn path_of(directory: &Path, commit: &str) -> PathBuf {
    directory.join(format!("precise-{commit}"))
}

/// Reads a SCIP index for a version. Nobody is told anything by it before [`Import::serve`].
///
/// # Errors
/// When it is no such index or was made of other sources, or when the source or the directory cannot be used.
pub fn import(reader: &MachineReader, product: &str, commit: &str, index: &Path, directory: &Path) -> Result<Import, SymbolError> {
    let length = fs::metadata(index).map_err(|cause| SymbolError::import(index, &cause))?.len();
    if length > LARGEST {
        return Err(SymbolError::NotScip { what: format!("it has {length} bytes; {LARGEST} is the most that is taken") });
    }
    let bytes = fs::read(index).map_err(|cause| SymbolError::import(index, &cause))?;
    let mut walker = reader.walker(product).map_err(SymbolError::source)?;
    let root = ObjectId::parse(commit).ok_or_else(|| SymbolError::damaged("a version without a commit"))?;
    let mut held: HashMap<RepoPath, ObjectId> = HashMap::new();
    let mut keep = |path: &RepoPath, id, _| {
        held.insert(path.clone(), id);
    };
    walker.walk(root, &mut keep).map_err(SymbolError::source)?;
    let mut made = Maker::default();
    scip::documents(&bytes, &mut |document| {
        let known = RepoPath::parse(document.relative_path.as_bytes()).ok().and_then(|path| Some((*held.get(&path)?, path)));
        let Some((blob, path)) = known else {
            made.done.unknown_files += 1;
            return Ok(());
        };
        match text::decode(&walker.read(blob).map_err(SymbolError::source)?) {
            Content::Text(text) => made.take(&document, path, *blob.bytes(), &text),
            _ => made.done.unknown_files += 1,
        }
        Ok(())
    })?;
    let (done, precise) = made.finish();
    let places = done.definitions + done.references + done.unfitting;
    if done.files == 0 || (done.definitions + done.references) * 100 < places * FITTING {
        let what = format!(
            "it was made of other sources: {} of its files are not in this version, and {} of {places} places have no name there",
            done.unknown_files, done.unfitting
        );
        return Err(SymbolError::NotScip { what });
    }
    precise.write(directory, commit)?;
    Ok(Import {
        brought: done,
        sha256: HEXLOWER.encode(&Sha256::digest(&bytes)),
        size: bytes.len() as u64,
        directory: directory.to_owned(),
        commit: commit.to_owned(),
    })
}

impl Import {
    /// Lets it be what readers are told, in the place of what was imported for the version before. The entry that says so comes first.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn serve(self, _entry: &Receipt) -> Result<Imported, SymbolError> {
        let fail = |cause: std::io::Error| SymbolError::io("putting imported symbols in their place", &cause);
        fs::rename(waiting(&self.directory, &self.commit), path_of(&self.directory, &self.commit)).map_err(fail)?;
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(fail)?;
        Ok(self.brought)
    }
}

/// What is read and not served yet.
fn waiting(directory: &Path, commit: &str) -> PathBuf {
    directory.join(format!("precise-{commit}.new"))
}

#[derive(Default)]
struct Maker {
    done: Imported,
    numbers: HashMap<String, u32>,
    precise: Precise,
    /// What implements what: the file and line of the first, and the symbol of the second.
    implementations: Vec<(u32, u32)>,
}

impl Maker {
    fn symbol(&mut self, document: u32, symbol: &str) -> u32 {
        let own = if scip::is_local(symbol) { format!("{document} {symbol}") } else { symbol.to_owned() };
        if let Some(known) = self.numbers.get(&own) {
            return *known;
        }
        let next = u32::try_from(self.precise.symbols.len()).unwrap_or(u32::MAX);
        self.numbers.insert(own, next);
        self.precise.symbols.push(Symbol { kind: scip::kind(0, symbol), container: scip::container(symbol) });
        next
    }

    fn take(&mut self, document: &Document, path: RepoPath, blob: [u8; 20], text: &Text) {
        let number = u32::try_from(self.precise.files.len()).unwrap_or(u32::MAX);
        for told in &document.symbols {
            let symbol = self.symbol(number, &told.symbol);
            if let Some(known) = self.precise.symbols.get_mut(symbol as usize) {
                known.kind = scip::kind(told.kind, &told.symbol);
            }
            for other in told.relationships.iter().filter(|other| other.is_implementation) {
                let other = self.symbol(number, &other.symbol);
                self.implementations.push((symbol, other));
            }
        }
        // Where the index does not say what a thing is, the text does.
        let by_text = extract(&path.to_string(), text.as_str()).unwrap_or_default();
        let by_text: HashMap<(u32, u32), SymbolKind> = by_text.definitions.iter().map(|one| ((one.line, one.column), one.kind)).collect();
        let said: HashSet<&str> = document.symbols.iter().filter(|told| told.kind != 0).map(|told| told.symbol.as_str()).collect();
        let lines: Vec<&str> = text.lines().map(|line| line.text).collect();
        let mut occurrences = Vec::new();
        for one in document.occurrences.iter().filter(|one| !one.symbol.is_empty()) {
            let Some(at) = within(&lines, one, document.position_encoding) else {
                self.done.unfitting += 1;
                continue;
            };
            // A file, or the whole of a module, is named by nothing that stands there.
            if at.2 == 0 {
                continue;
            }
            let symbol = self.symbol(number, &one.symbol);
            let kind = self.role(one, symbol);
            let shown = by_text.get(&(at.0 + 1, at.1)).filter(|_| kind.is_none() && !said.contains(one.symbol.as_str()));
            if let (Some(shown), Some(known)) = (shown, self.precise.symbols.get_mut(symbol as usize)) {
                known.kind = *shown;
            }
            match kind {
                None => self.done.definitions += 1,
                Some(_) => self.done.references += 1,
            }
            let name = lines.get(at.0 as usize).and_then(|line| line.get(at.1 as usize..(at.1 + at.2) as usize)).unwrap_or_default();
            let named = self.precise.names.entry(name.to_owned()).or_default();
            if named.last() != Some(&symbol) {
                named.push(symbol);
            }
            let last = match one.enclosing_range.as_slice() {
                [_, _, last, _] => u32::try_from(*last).unwrap_or(0) + 1,
                _ => 0,
            };
            occurrences.push(Place { line: at.0 + 1, column: at.1, length: at.2, symbol, kind, last: last.max(at.0 + 1) });
        }
        occurrences.sort_unstable();
        occurrences.dedup_by_key(|one| (one.line, one.column, one.symbol));
        self.done.files += 1;
        self.precise.files.push(Known { path, blob, occurrences });
    }

    fn role(&self, one: &Occurrence, symbol: u32) -> Option<ReferenceKind> {
        if one.symbol_roles & scip::DEFINITION != 0 {
            return None;
        }
        if one.symbol_roles & scip::FORWARD_DEFINITION != 0 {
            return Some(ReferenceKind::Declaration);
        }
        if one.symbol_roles & scip::IMPORT != 0 {
            return Some(ReferenceKind::Other);
        }
        let kind = self.precise.symbols.get(symbol as usize).map(|symbol| symbol.kind);
        Some(match kind {
            Some(SymbolKind::Function | SymbolKind::Method | SymbolKind::Macro) => ReferenceKind::Call,
            Some(SymbolKind::Class | SymbolKind::Struct | SymbolKind::Enum | SymbolKind::Interface | SymbolKind::Type) => {
                ReferenceKind::Type
            }
            _ => ReferenceKind::Other,
        })
    }

    fn finish(mut self) -> (Imported, Precise) {
        for symbols in self.precise.names.values_mut() {
            symbols.sort_unstable();
            symbols.dedup();
        }
        self.precise.index();
        let mut more: Vec<(u32, Place)> = Vec::new();
        for (own, other) in std::mem::take(&mut self.implementations) {
            for (file, place) in self.precise.at(own).filter(|(_, place)| place.kind.is_none()) {
                more.push((file, Place { symbol: other, kind: Some(ReferenceKind::Implementation), ..place }));
            }
        }
        for (file, place) in more {
            self.done.references += 1;
            if let Some(file) = self.precise.files.get_mut(file as usize) {
                file.occurrences.push(place);
            }
        }
        for file in &mut self.precise.files {
            file.occurrences.sort_unstable();
        }
        self.precise.index();
        (self.done, self.precise)
    }
}

/// Line and byte of the first character, from 0, and the bytes up to the last; none when that is not in the text, or goes over lines.
fn within(lines: &[&str], one: &Occurrence, encoding: i32) -> Option<(u32, u32, u32)> {
    let (line, from, to) = match one.range.as_slice() {
        [line, from, to] => (*line, *from, *to),
        [line, from, last, to] if line == last => (*line, *from, *to),
        [line, from, _, _] => (*line, *from, *from),
        _ => return None,
    };
    let text = lines.get(usize::try_from(line).ok()?)?;
    let byte = |column: i32| -> Option<usize> {
        let column = usize::try_from(column).ok()?;
        match encoding {
            1 => text.is_char_boundary(column).then_some(column),
            3 => text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(column),
            // Most indexers that do not say count as editors do.
            0 | scip::UTF16 => {
                let mut units = 0;
                let starts = text.char_indices().chain([(text.len(), ' ')]);
                starts
                    .take_while(|(_, c)| {
                        let here = units;
                        units += c.len_utf16();
                        here <= column
                    })
                    .last()
                    .map(|(at, _)| at)
                    .filter(|_| column <= text.encode_utf16().count())
            }
            _ => None,
        }
    };
    let (from, to) = (byte(from)?, byte(to)?);
    let length = to.checked_sub(from)?;
    Some((u32::try_from(line).ok()?, u32::try_from(from).ok()?, u32::try_from(length).ok()?))
}

impl Precise {
    /// Where a symbol stands, in the order of the files.
    pub(super) fn at(&self, symbol: u32) -> impl Iterator<Item = (u32, Place)> + '_ {
        self.places.get(symbol as usize).into_iter().flatten().filter_map(|(file, nth)| {
            let place = self.files.get(*file as usize)?.occurrences.get(*nth as usize)?;
            Some((*file, *place))
        })
    }

    /// The symbols that stand under this name somewhere; several things may be called the same.
    pub(super) fn named(&self, name: &str) -> &[u32] {
        self.names.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The symbols that stand at this place of a file.
    pub(super) fn standing(&self, path: &RepoPath, (line, column): (u32, u32)) -> Vec<u32> {
        let Some(file) = self.by_path.get(path).and_then(|file| self.files.get(*file as usize)) else { return Vec::new() };
        let from = file.occurrences.partition_point(|one| one.line < line);
        let here = file.occurrences.iter().skip(from).take_while(|one| one.line == line);
        let covers =
            |one: &&Place| (one.column..=one.column + one.length).contains(&column) && one.kind != Some(ReferenceKind::Implementation);
        let mut found: Vec<u32> = here.filter(covers).map(|one| one.symbol).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether this file is known precisely.
    pub(super) fn covers(&self, path: &RepoPath) -> bool {
        self.by_path.contains_key(path)
    }

    fn index(&mut self) {
        self.places = vec![Vec::new(); self.symbols.len()];
        self.by_path.clear();
        for (number, file) in (0..).zip(&self.files) {
            self.by_path.insert(file.path.clone(), number);
            for (nth, one) in (0..).zip(&file.occurrences) {
                if let Some(places) = self.places.get_mut(one.symbol as usize) {
                    places.push((number, nth));
                }
            }
        }
    }

    fn write(&self, directory: &Path, commit: &str) -> Result<(), SymbolError> {
        let fail = |cause: std::io::Error| SymbolError::io("writing imported symbols", &cause);
        let mut body = Vec::new();
        put(&mut body, self.symbols.len());
        for symbol in &self.symbols {
            body.push(symbol.kind as u8);
            put_text(&mut body, symbol.container.as_bytes());
        }
        put(&mut body, self.names.len());
        for (name, symbols) in &self.names {
            put_text(&mut body, name.as_bytes());
            put(&mut body, symbols.len());
            for symbol in symbols {
                body.extend_from_slice(&symbol.to_le_bytes());
            }
        }
        put(&mut body, self.files.len());
        for file in &self.files {
            put_text(&mut body, file.path.bytes());
            body.extend_from_slice(&file.blob);
            put(&mut body, file.occurrences.len());
            for one in &file.occurrences {
                for number in [one.line, one.column, one.length, one.symbol, one.last] {
                    body.extend_from_slice(&number.to_le_bytes());
                }
                body.push(one.kind.map_or(u8::MAX, |kind| kind as u8));
            }
        }
        fs::create_dir_all(directory).map_err(fail)?;
        let mut file = File::create(waiting(directory, commit)).map_err(fail)?;
        for bytes in [&MAGIC[..], Sha256::digest(&body).as_slice(), &body] {
            file.write_all(bytes).map_err(fail)?;
        }
        file.sync_all().map_err(fail)
    }

    pub(super) fn read(path: &Path) -> Result<Self, SymbolError> {
        let bytes = fs::read(path).map_err(|cause| SymbolError::io("reading imported symbols", &cause))?;
        let damaged = || SymbolError::damaged("its imported symbols are not what was written; import them again");
        let body = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<32>());
        let (sum, body) = body.ok_or_else(damaged)?;
        if Sha256::digest(body).as_slice() != sum {
            return Err(damaged());
        }
        let mut precise = Self::decode(body).ok_or_else(damaged)?;
        precise.index();
        Ok(precise)
    }

    fn decode(mut rest: &[u8]) -> Option<Self> {
        let rest = &mut rest;
        let mut precise = Self::default();
        for _ in 0..take(rest)? {
            let [kind] = take_array(rest)?;
            let kind = SymbolKind::numbered(kind)?;
            precise.symbols.push(Symbol { kind, container: take_text(rest)? });
        }
        for _ in 0..take(rest)? {
            let name = take_text(rest)?;
            let count = take(rest)?;
            let symbols = (0..count).map(|_| take_array(rest).map(u32::from_le_bytes)).collect::<Option<Vec<_>>>()?;
            precise.names.insert(name, symbols);
        }
        for _ in 0..take(rest)? {
            let length = take(rest)?;
            let path = RepoPath::parse(split(rest, length)?).ok()?;
            let blob = take_array(rest)?;
            let mut occurrences = Vec::new();
            for _ in 0..take(rest)? {
                let mut next = || take_array(rest).map(u32::from_le_bytes);
                let (line, column, length, symbol, last) = (next()?, next()?, next()?, next()?, next()?);
                let [kind] = take_array(rest)?;
                let kind = ReferenceKind::ALL.into_iter().find(|known| *known as u8 == kind);
                occurrences.push(Place { line, column, length, symbol, kind, last });
            }
            precise.files.push(Known { path, blob, occurrences });
        }
        rest.is_empty().then_some(precise)
    }
}

fn put(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u64).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put(out, text.len());
    out.extend_from_slice(text);
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, more) = rest.split_first_chunk()?;
    *rest = more;
    Some(*first)
}

fn take(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(take_array(rest)?)).ok()
}

fn split<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (first, more) = rest.split_at_checked(length)?;
    *rest = more;
    Some(first)
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = take(rest)?;
    String::from_utf8(split(rest, length)?.to_vec()).ok()
}
