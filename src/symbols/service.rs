//! The indexes that are served, and answers from them within what somebody may read.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::answer::{Answer, Ask, Defined, Elsewhere, Sealed, Use, UsedIn, UsedLine, Wanted};
use super::builder::lang_of;
use super::extract::{Extracted, within};
use super::index::{Home, IndexedVersion, SymbolIndex, by_path};
use super::language::Lang;
use super::part::{UnitKey, Uses};
use super::precise::{self, Place, Precise};
use super::{Definition, ReferenceKind, SymbolError, SymbolKind};
use crate::access::{Readable, ReadableVersion, Scoped};
use crate::catalog::RepoPath;
use crate::source::text::{self, Content, Text};
use crate::source::{MachineReader, ObjectId, Opened, Walker};

/// Definitions shown beside references, of a click, and on a page of their own.
const FIRST_DEFINITIONS: usize = 20;
const PEEKED: usize = 6;
const PAGE_DEFINITIONS: usize = 100;
/// Other products of which definitions are shown, and how many of each.
const OTHER_PRODUCTS: usize = 10;
const OF_EACH: usize = 3;
/// Files with references on a page, and lines shown of one.
const PAGE_FILES: usize = 20;
const LINES: usize = 25;
/// Bytes of a line that are shown, and those before the name in one that is too long.
const WIDEST: usize = 400;
const LEAD: usize = 80;
/// Texts kept in memory, and the size up to which one is.
const KEPT: usize = 64;
const KEPT_BYTES: usize = 1 << 20;
/// How long a file may take to be extracted while somebody waits; of what takes longer, the beginning is shown.
const PATIENCE: Duration = Duration::from_secs(2);
/// Imported versions kept in memory.
const IMPORTED: usize = 4;
/// A lookup takes this long, or a multiple of it, where part of the version lies outside of what may be read: names are looked up in all
/// of it, and how long that takes must not tell what lies outside.
const PACE: Duration = Duration::from_millis(5);

/// The symbols of all products. Its methods block: call them off the async threads.
///
/// It reads the text of what it found, as the indexer does; nobody sees that before the entry about it is durable ([`Sealed`]).
pub struct Symbols {
    directory: PathBuf,
    reader: MachineReader,
    open: RwLock<HashMap<String, Arc<SymbolIndex>>>,
    kept: Mutex<LruCache<UnitKey, Arc<Source>>>,
    imported: Mutex<LruCache<PathBuf, (FileStamp, Arc<Precise>)>>,
}

/// What changes with every import.
type FileStamp = (u64, u64, Option<std::time::SystemTime>);

/// A text, and what is defined and used in it once that was asked for.
struct Source {
    text: Text,
    lang: Option<Lang>,
    starts: Vec<usize>,
    extracted: OnceLock<Extracted>,
}

/// Where a name begins in a line, and how it is used there; defined, where there is no kind.
type InLine = (u32, Option<ReferenceKind>);

/// A file of the version that has the name.
struct Site {
    path: RepoPath,
    key: UnitKey,
    near: Nearness,
    definitions: Vec<Definition>,
    uses: Uses,
    /// Where, if that is known precisely; else extracting it tells.
    places: Option<Vec<Place>>,
}

/// A question to one version, and what is known of that.
struct Lookup<'a> {
    ask: Ask,
    version: &'a ReadableVersion,
    index: Option<Arc<SymbolIndex>>,
    precise: Option<Arc<Precise>>,
    damaged: bool,
}

/// A definition, and where it is.
type Found = (Nearness, RepoPath, UnitKey, Definition);

/// How near a file is to where the asker stands; the least is the nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Here,
    Beside,
    /// In a language that calls this one by name; directories that the two paths do not share.
    Akin(usize),
    Elsewhere(usize),
}

impl Symbols {
    /// Indexes are the directories `<product>/symbols` in `directory`.
    #[must_use]
    pub fn at(directory: PathBuf, reader: MachineReader) -> Self {
        let kept = Mutex::new(LruCache::new(NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN)));
        let imported = Mutex::new(LruCache::new(NonZeroUsize::new(IMPORTED).unwrap_or(NonZeroUsize::MIN)));
        Self { directory, reader, open: RwLock::default(), kept, imported }
    }

    /// Where the symbols of a product are kept.
    #[must_use]
    pub fn directory_of(&self, product: &str) -> PathBuf {
        self.directory.join(product).join("symbols")
    }

    /// The index served for a product; none while there is none.
    #[must_use]
    pub fn get(&self, product: &str) -> Option<Arc<SymbolIndex>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(product).cloned()
    }

    /// Serves what another process has built since.
    ///
    /// # Errors
    /// As [`Symbols::reload`].
    pub fn refresh(&self, product: &str) -> Result<(), SymbolError> {
        let current = Home::new(&self.directory_of(product)).manifest()?.map(|manifest| manifest.generation);
        if current.is_some() && current != self.get(product).map(|index| index.generation()) {
            self.reload(product)?;
        }
        Ok(())
    }

    /// Serves the index on disk from now on.
    ///
    /// # Errors
    /// When there is none, or it cannot be read; what was served before is served still.
    pub fn reload(&self, product: &str) -> Result<Arc<SymbolIndex>, SymbolError> {
        let index = Arc::new(SymbolIndex::open(&self.directory_of(product))?);
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(product.to_owned(), Arc::clone(&index));
        Ok(index)
    }

    /// What is defined in a file that was opened, in the order of its text. Its record has to say that all of it is shown.
    #[must_use]
    pub fn outline(&self, opened: &Opened) -> Vec<Definition> {
        let path = opened.place.path.to_string();
        let Some(by_path) = by_path(&path) else { return Vec::new() };
        let key = UnitKey { blob: *opened.blob.bytes(), by_path };
        // Looking it up takes less than extracting it. An index that cannot be read is told of by whoever looks a name up.
        if let Some(Ok(known)) = self.get(&opened.place.product).and_then(|index| index.defined_in(&key).transpose()) {
            return known;
        }
        let source = self.kept(&key).or_else(|| Some(self.keep(key, Source::of(by_path, &opened.data)?)));
        source.map(|source| source.extracted().definitions.clone()).unwrap_or_default()
    }

    /// Answers within what the asker may read; `None` when that is nothing of this version.
    ///
    /// # Errors
    /// When an index or the source cannot be read.
    pub fn find(&self, scoped: &Scoped<Ask>) -> Result<Option<Sealed>, SymbolError> {
        let ask = scoped.query();
        let product = scoped.products().iter().find(|one| one.product.name == ask.product);
        let version = product.and_then(|one| one.versions.iter().find(|version| version.name == ask.version));
        let Some(version) = version else { return Ok(None) };
        let here = self.known(ask, version)?;
        let mut others = Vec::new();
        let first = ask.page <= 1 && !matches!(ask.wanted, Wanted::References(_)) && ask.below.is_root();
        for other in scoped.products().iter().filter(|one| first && one.product.name != ask.product) {
            others.extend(self.newest_known(ask, other)?);
        }
        // One pace for all: how many there are must not tell either.
        let (mut sites, mut found) = paced(others.iter().chain([&here]), || {
            let found: Result<Vec<Vec<Site>>, SymbolError> = others.iter().map(Lookup::sites).collect();
            here.sites().and_then(|sites| Ok((sites, found?)))
        })?;
        let mut answer = Answer::empty(ask, &version.commit);
        answer.indexed = here.index.is_some() || here.precise.is_some();
        answer.damaged = here.damaged;
        self.fill(&mut answer, ask, &mut sites)?;
        self.fill_elsewhere(&mut answer, ask, others.iter().zip(&mut found))?;
        // The scope once more, asked of each place by itself.
        let stray = |version: &ReadableVersion, path: &RepoPath| !version.scopes.iter().any(|scope| scope.reads(path));
        let of_other = |one: &Elsewhere| {
            let other = others.iter().find(|other| other.ask.product == one.product);
            other.is_none_or(|other| one.definitions.iter().any(|found| stray(other.version, &found.path)))
        };
        if answer.definitions.iter().any(|one| stray(version, &one.path))
            || answer.files.iter().any(|one| stray(version, &one.path))
            || answer.elsewhere.iter().any(of_other)
        {
            tracing::error!("a symbol was found outside of its scope; the answer was withheld");
            answer = Answer::empty(ask, &version.commit);
        }
        Ok(Some(Sealed::of(answer, scoped, version)))
    }

    /// What is known of a version.
    fn known<'a>(&self, ask: &Ask, version: &'a ReadableVersion) -> Result<Lookup<'a>, SymbolError> {
        let (name, commit) = (&version.name, &version.commit);
        let index = self.get(&ask.product).filter(|index| index.version(name, commit).is_some());
        let (precise, damaged) = match self.precise(&ask.product, commit) {
            Ok(precise) => (precise, false),
            Err(cause) if cause.wants_rebuild() => {
                tracing::error!(product = ask.product, version = name, %cause, "imported symbols cannot be used; import them again");
                (None, true)
            }
            Err(cause) => return Err(cause),
        };
        Ok(Lookup { ask: ask.clone(), version, index, precise, damaged })
    }

    /// The same question to another product: its newest version of which anything is known.
    fn newest_known<'a>(&self, ask: &Ask, other: &'a Readable) -> Result<Option<Lookup<'a>>, SymbolError> {
        for version in &other.versions {
            let ask = Ask { product: other.product.name.clone(), version: version.name.clone(), from: None, at: None, ..ask.clone() };
            let known = self.known(&ask, version)?;
            if known.index.is_some() || known.precise.is_some() {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    fn fill(&self, answer: &mut Answer, ask: &Ask, sites: &mut [Site]) -> Result<(), SymbolError> {
        answer.precise = sites.iter().any(|site| site.places.is_some());
        let walker = self.reader.walker(&ask.product)?;
        let definitions = definitions_of(sites);
        answer.total_definitions = definitions.len() as u64;
        for kind in ReferenceKind::ALL {
            let count = sites.iter().filter_map(|site| site.uses.get(kind as usize)).map(|count| u64::from(*count)).sum();
            if let Some(slot) = answer.uses.get_mut(kind as usize) {
                *slot = count;
            }
        }
        let page = ask.page.max(1) - 1;
        let (skip, take) = match ask.wanted {
            Wanted::All if page == 0 => (0, FIRST_DEFINITIONS),
            Wanted::Peek => (0, PEEKED),
            Wanted::Definitions => (page.saturating_mul(PAGE_DEFINITIONS), PAGE_DEFINITIONS),
            Wanted::All | Wanted::References(_) => (0, 0),
        };
        for found in definitions.into_iter().skip(skip).take(take) {
            answer.definitions.push(self.defined(&walker, found)?);
        }
        if ask.wanted == Wanted::Definitions && answer.total_definitions > (skip + take) as u64 {
            answer.next = Some(page + 2);
        }
        self.fill_uses(answer, ask, sites, &walker)
    }

    /// Definitions of other products: those in a language that the asker's calls by name first.
    fn fill_elsewhere<'a>(
        &self,
        answer: &mut Answer,
        ask: &Ask,
        others: impl Iterator<Item = (&'a Lookup<'a>, &'a mut Vec<Site>)>,
    ) -> Result<(), SymbolError> {
        let spoken = ask.from.as_ref().and_then(|path| Lang::of(&path.to_string(), ""));
        let foreign = |key: &UnitKey| spoken.zip(Lang::numbered(key.by_path)).is_some_and(|(a, b)| !a.is_akin(b));
        let mut found: Vec<(bool, &Lookup<'_>, Vec<Found>)> = Vec::new();
        for (other, sites) in others {
            let mut definitions = definitions_of(sites);
            definitions.sort_by_key(|(_, _, key, _)| foreign(key));
            answer.total_elsewhere += definitions.len() as u64;
            if let Some((_, _, key, _)) = definitions.first() {
                found.push((foreign(key), other, definitions));
            }
        }
        found.sort_by_key(|(foreign, ..)| *foreign);
        // A click has room for a few in all.
        let mut room = if ask.wanted == Wanted::Peek { PEEKED.saturating_sub(answer.definitions.len()) } else { usize::MAX };
        for (_, other, definitions) in found.into_iter().take(OTHER_PRODUCTS) {
            let walker = self.reader.walker(&other.ask.product)?;
            let total = definitions.len() as u64;
            let shown = definitions.into_iter().take(OF_EACH.min(room));
            let shown = shown.map(|found| self.defined(&walker, found)).collect::<Result<Vec<_>, _>>()?;
            room = room.saturating_sub(shown.len());
            if shown.is_empty() {
                break;
            }
            let (product, version) = (other.ask.product.clone(), other.ask.version.clone());
            let (commit, basis) = (other.version.commit.clone(), other.version.basis.clone());
            answer.elsewhere.push(Elsewhere { product, version, commit, total, definitions: shown, basis });
        }
        Ok(())
    }

    fn defined(&self, walker: &Walker, (_, path, key, definition): Found) -> Result<Defined, SymbolError> {
        let source = self.source(walker, key)?;
        let line = source.line(definition.line, &[(definition.column, None)], definition.name.len());
        Ok(Defined { path, blob: object(key)?, definition, line })
    }

    fn fill_uses(&self, answer: &mut Answer, ask: &Ask, sites: &[Site], walker: &Walker) -> Result<(), SymbolError> {
        let kinds: &[ReferenceKind] = match &ask.wanted {
            Wanted::All => &ReferenceKind::ALL,
            Wanted::References(kind) => std::slice::from_ref(kind),
            Wanted::Peek | Wanted::Definitions => &[],
        };
        let count = |site: &Site| kinds.iter().filter_map(|kind| site.uses.get(*kind as usize)).map(|n| u64::from(*n)).sum::<u64>();
        let mut files: Vec<(&Site, u64)> = sites.iter().map(|site| (site, count(site))).filter(|(_, count)| *count > 0).collect();
        files.sort_by(|(a, _), (b, _)| (a.near, &a.path).cmp(&(b.near, &b.path)));
        answer.total_files = files.len() as u64;
        let page = ask.page.max(1) - 1;
        let skip = page.saturating_mul(PAGE_FILES);
        if files.len() > skip.saturating_add(PAGE_FILES) {
            answer.next = Some(page + 2);
        }
        for (site, total) in files.into_iter().skip(skip).take(PAGE_FILES) {
            let source = self.source(walker, site.key)?;
            let mut by_line: Vec<(u32, Vec<InLine>)> = Vec::new();
            let mut length = ask.name.len();
            let mut note = |line: u32, column: u32, kind: ReferenceKind| match by_line.last_mut() {
                _ if !kinds.contains(&kind) => {}
                Some((last, uses)) if *last == line => uses.push((column, Some(kind))),
                _ => by_line.push((line, vec![(column, Some(kind))])),
            };
            match &site.places {
                Some(places) => {
                    for one in places {
                        length = one.length as usize;
                        if let Some(kind) = one.kind {
                            note(one.line, one.column, kind);
                        }
                    }
                }
                None => {
                    for one in source.extracted().references_to(source.text.as_str(), &ask.name) {
                        note(one.line, one.column, one.kind);
                    }
                }
            }
            let shown = by_line.get(..by_line.len().min(LINES)).unwrap_or_default();
            let lines: Vec<UsedLine> = shown.iter().map(|(line, uses)| source.line(*line, uses, length)).collect();
            let named: u64 = shown.iter().map(|(_, uses)| uses.len() as u64).sum();
            let more = total.saturating_sub(named);
            answer.files.push(UsedIn { path: site.path.clone(), blob: object(site.key)?, total, lines, more });
        }
        Ok(())
    }

    /// What was imported for a version, if anything was.
    fn precise(&self, product: &str, commit: &str) -> Result<Option<Arc<Precise>>, SymbolError> {
        let path = precise::path_of(&self.directory_of(product), commit);
        let Ok(about) = fs::metadata(&path) else { return Ok(None) };
        let stamp = (about.len(), about.ino(), about.modified().ok());
        let kept = || self.imported.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, known)) = kept().get(&path)
            && *of == stamp
        {
            return Ok(Some(Arc::clone(known)));
        }
        let read = Arc::new(Precise::read(&path)?);
        kept().put(path, (stamp, Arc::clone(&read)));
        Ok(Some(read))
    }

    fn kept(&self, key: &UnitKey) -> Option<Arc<Source>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: UnitKey, source: Source) -> Arc<Source> {
        let source = Arc::new(source);
        if source.text.as_str().len() <= KEPT_BYTES {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).put(key, Arc::clone(&source));
        }
        source
    }

    fn source(&self, walker: &Walker, key: UnitKey) -> Result<Arc<Source>, SymbolError> {
        if let Some(kept) = self.kept(&key) {
            return Ok(kept);
        }
        let source = Source::of(key.by_path, &walker.read(object(key)?)?);
        let source = source.ok_or_else(|| SymbolError::damaged("it has symbols of what is no text"))?;
        Ok(self.keep(key, source))
    }
}

impl Lookup<'_> {
    /// Every file that may be read and has the name.
    fn sites(&self) -> Result<Vec<Site>, SymbolError> {
        let (name, commit) = (&self.version.name, &self.version.commit);
        let held = self.index.as_ref().and_then(|index| Some((index, index.version(name, commit)?)));
        sites(&self.ask, self.version, held, self.precise.as_deref())
    }
}

fn sites(
    ask: &Ask,
    version: &ReadableVersion,
    held: Option<(&Arc<SymbolIndex>, &IndexedVersion)>,
    precise: Option<&Precise>,
) -> Result<Vec<Site>, SymbolError> {
    let from = ask.from.as_ref().map(|path| (path, Lang::of(&path.to_string(), "")));
    let may = |path: &RepoPath| ask.below.contains(path) && version.scopes.iter().any(|scope| scope.reads(path));
    let mut sites = Vec::new();
    // What stands at a place that the asker may read is one thing, and nothing else of the same name is meant.
    let standing = precise.zip(ask.from.as_ref()).zip(ask.at);
    let standing = standing.filter(|((_, path), _)| version.scopes.iter().any(|scope| scope.reads(path)));
    let standing = standing.map(|((precise, path), at)| precise.standing(path, at)).unwrap_or_default();
    if let Some(precise) = precise {
        let symbols = if standing.is_empty() { precise.named(&ask.name) } else { &standing };
        sites.extend(known(precise, symbols, &ask.name, from, &may));
    }
    let Some((index, held)) = held.filter(|_| standing.is_empty()) else { return Ok(sites) };
    for (part, first) in index.parts.iter().zip(&index.firsts) {
        let Some(number) = part.find(&ask.name)? else { continue };
        for posting in part.postings(number)? {
            let Some(unit) = part.units.get(posting.unit as usize) else { continue };
            let mut definitions = None;
            for document in index.documents_of(first + posting.unit).filter(|document| held.documents.contains(*document)) {
                let Some(path) = index.path(document).filter(|path| may(path)) else { continue };
                if precise.is_some_and(|precise| precise.covers(path)) {
                    continue;
                }
                if definitions.is_none() {
                    let none = posting.definitions == 0;
                    definitions = Some(if none { Vec::new() } else { part.definitions_of(posting.unit, (number, &ask.name))? });
                }
                sites.push(Site {
                    path: path.clone(),
                    key: unit.key,
                    near: nearness(from, path, unit.lang),
                    definitions: definitions.clone().unwrap_or_default(),
                    uses: posting.uses,
                    places: None,
                });
            }
        }
    }
    Ok(sites)
}

/// The same from what is known precisely.
fn known(
    precise: &Precise,
    symbols: &[u32],
    name: &str,
    from: Option<(&RepoPath, Option<Lang>)>,
    may: &dyn Fn(&RepoPath) -> bool,
) -> Vec<Site> {
    let mut by_file: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
    for (file, place) in symbols.iter().flat_map(|symbol| precise.at(*symbol)) {
        by_file.entry(file).or_default().push(place);
    }
    let mut sites = Vec::new();
    for (file, mut places) in by_file {
        let Some(file) = precise.files.get(file as usize).filter(|file| may(&file.path)) else { continue };
        places.sort_unstable();
        places.dedup_by_key(|place| (place.line, place.column, place.kind));
        let mut uses = Uses::default();
        let mut definitions = Vec::new();
        for place in &places {
            let symbol = precise.symbols.get(place.symbol as usize);
            match (place.kind, symbol) {
                (Some(kind), _) => {
                    if let Some(count) = uses.get_mut(kind as usize) {
                        *count += 1;
                    }
                }
                (None, Some(symbol)) => definitions.push(Definition {
                    name: name.to_owned(),
                    kind: symbol.kind,
                    line: place.line,
                    column: place.column,
                    whole: (place.line, place.last),
                    container: symbol.container.clone(),
                }),
                (None, None) => {}
            }
        }
        let path = file.path.clone();
        let by_path = by_path(&path.to_string()).unwrap_or(0);
        let near = nearness(from, &path, Lang::numbered(by_path));
        let key = UnitKey { blob: file.blob, by_path };
        sites.push(Site { path, key, near, definitions, uses, places: Some(places) });
    }
    sites
}

fn nearness(from: Option<(&RepoPath, Option<Lang>)>, path: &RepoPath, lang: Option<Lang>) -> Nearness {
    let Some((from, spoken)) = from else { return Nearness::Akin(0) };
    if from == path {
        return Nearness::Here;
    }
    let akin = spoken.zip(lang).is_none_or(|(a, b)| a.is_akin(b));
    let (here, there) = (from.parent(), path.parent());
    if akin && here == there {
        return Nearness::Beside;
    }
    let shared = here.components().zip(there.components()).take_while(|(a, b)| a == b).count();
    let apart = here.components().count() + there.components().count() - 2 * shared;
    if akin { Nearness::Akin(apart) } else { Nearness::Elsewhere(apart) }
}

/// Of several definitions as near, what is called or is a type before what is a part of something.
fn weight(kind: SymbolKind) -> u8 {
    match kind {
        SymbolKind::Variable | SymbolKind::Module => 1,
        SymbolKind::Field => 2,
        _ => 0,
    }
}

/// Takes the definitions out, the nearest first.
fn definitions_of(sites: &mut [Site]) -> Vec<Found> {
    let mut definitions = Vec::new();
    for site in sites {
        definitions.extend(std::mem::take(&mut site.definitions).into_iter().map(|one| (site.near, site.path.clone(), site.key, one)));
    }
    definitions.sort_by(|(near, path, _, one), (other_near, other_path, _, other)| {
        (near, weight(one.kind), path, one.line).cmp(&(other_near, weight(other.kind), other_path, other.line))
    });
    definitions
}

/// Does the work, and waits until a multiple of the pace is over where not all of each version may be read.
fn paced<'a, T>(mut versions: impl Iterator<Item = &'a Lookup<'a>>, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    let is_whole =
        |one: &Lookup<'_>| one.version.scopes.iter().any(|scope| scope.excludes.is_empty() && scope.includes.iter().any(RepoPath::is_root));
    if !versions.all(is_whole) {
        let paces = began.elapsed().as_micros() / PACE.as_micros() + 1;
        let until = PACE.saturating_mul(u32::try_from(paces).unwrap_or(u32::MAX));
        thread::sleep(until.saturating_sub(began.elapsed()));
    }
    done
}

fn object(key: UnitKey) -> Result<ObjectId, SymbolError> {
    ObjectId::from_bytes(&key.blob).ok_or_else(|| SymbolError::damaged("a blob without an id"))
}

impl Source {
    fn of(by_path: u8, bytes: &[u8]) -> Option<Self> {
        let Content::Text(text) = text::decode(bytes) else { return None };
        let starts = text.lines().map(|line| line.offset).collect();
        let lang = lang_of(by_path, text.as_str());
        Some(Self { text, lang, starts, extracted: OnceLock::new() })
    }

    fn extracted(&self) -> &Extracted {
        self.extracted.get_or_init(|| self.lang.map(|lang| within(PATIENCE, lang, self.text.as_str())).unwrap_or_default())
    }

    /// A line, with the places in it at which the name stands.
    fn line(&self, number: u32, uses: &[InLine], length: usize) -> UsedLine {
        let nth = (number as usize).saturating_sub(1);
        let start = self.starts.get(nth).copied().unwrap_or(self.text.as_str().len());
        let end = self.starts.get(nth + 1).copied().unwrap_or(self.text.as_str().len());
        let whole = self.text.as_str().get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
        let first = uses.first().map_or(0, |(column, _)| *column as usize);
        let from = if whole.len() <= WIDEST { 0 } else { whole.floor_char_boundary(first.saturating_sub(LEAD)) };
        let to = whole.floor_char_boundary((from + WIDEST).min(whole.len()));
        let text = whole.get(from..to).unwrap_or_default();
        let uses = uses.iter().filter_map(|(column, kind)| {
            let at = (*column as usize).checked_sub(from)?;
            (at + length <= text.len()).then_some(Use { range: (at, at + length), kind: *kind })
        });
        UsedLine { number: u64::from(number), text: text.to_owned(), uses: uses.collect() }
    }
}
