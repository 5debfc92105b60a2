//! What differs, by directory and by file: chosen, counted, ordered and cut into pages.

use std::collections::BTreeMap;
use std::time::Instant;

use globset::GlobMatcher;
use serde_json::json;

use super::{Changed, Comparison, Comparisons, Count, Fate, Looked, drafts, names_of};
use crate::access::{Pair, Resource};
use crate::audit::{Draft, Receipt, Recordable, Recorded, Shown};
use crate::catalog::{Place, RepoPath, path_text};
use crate::source::SourceError;

/// Files on a page.
pub const PAGE: usize = 200;
/// Directories that are listed of one; a page says when there are more.
const MOST_DIRECTORIES: usize = 400;

/// What a path looks like. Rooms above this one know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub language: Option<&'static str>,
    /// It says how something is built.
    pub build: bool,
    pub test: bool,
    pub vendored: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Path,
    /// The most changed lines first; then what has no lines.
    Size,
}

/// What became of a file, or what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    Fate(Fate),
    /// No text, before or afterwards.
    Binary,
}

/// What a file is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Build,
    Test,
}

/// Which of the files that differ are asked for.
#[derive(Clone, Debug)]
pub struct Selection {
    pub directory: RepoPath,
    pub glob: Option<GlobMatcher>,
    pub language: Option<String>,
    pub only: Option<Only>,
    pub purpose: Option<Purpose>,
    pub without_vendored: bool,
    pub order: Order,
    /// From 0.
    pub page: usize,
    pub look: fn(&RepoPath) -> Look,
}

impl Selection {
    /// Everything that differs.
    #[must_use]
    pub fn all(look: fn(&RepoPath) -> Look) -> Self {
        Self {
            directory: RepoPath::root(),
            glob: None,
            language: None,
            only: None,
            purpose: None,
            without_vendored: false,
            order: Order::Path,
            page: 0,
            look,
        }
    }

    /// All but the directory, the language and whether it is text.
    fn takes(&self, file: &Changed, look: Look) -> bool {
        let at = |path: &RepoPath| self.glob.as_ref().is_none_or(|glob| glob.is_match(path.to_string()));
        let fits = match self.purpose {
            None => true,
            Some(Purpose::Build) => look.build,
            Some(Purpose::Test) => look.test,
        };
        fits && !matches!(self.only, Some(Only::Fate(fate)) if fate != file.fate())
            && !(self.without_vendored && look.vendored)
            && (at(&file.path) || file.before.as_ref().is_some_and(at))
    }

    /// Whether a page lists it. What it looks like is found out only if that is asked about.
    fn lists(&self, file: &Changed, count: Option<Count>) -> bool {
        let by_look = self.purpose.is_some() || self.without_vendored || self.language.is_some();
        let look = if by_look { (self.look)(&file.path) } else { Look::default() };
        self.directory.contains(&file.path)
            && self.takes(file, look)
            && self.language.as_ref().is_none_or(|wanted| look.language.unwrap_or(OTHER) == wanted)
            && (self.only != Some(Only::Binary) || count == Some(Count::Binary))
    }
}

/// How many files, and how many lines of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub files: u64,
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    pub renamed: u64,
    pub binary: u64,
    pub lines_added: u64,
    pub lines_removed: u64,
    /// Files whose lines were not counted yet.
    pub uncounted: u64,
    /// Files too large to be counted.
    pub large: u64,
}

impl Totals {
    fn add(&mut self, file: &Changed, count: Option<Count>) {
        self.files += 1;
        *match file.fate() {
            Fate::Added => &mut self.added,
            Fate::Removed => &mut self.removed,
            Fate::Changed => &mut self.changed,
            Fate::Renamed => &mut self.renamed,
        } += 1;
        match count {
            Some(Count::Lines { added, removed }) => {
                self.lines_added += u64::from(added);
                self.lines_removed += u64::from(removed);
            }
            Some(Count::Binary) => self.binary += 1,
            Some(Count::Large) => self.large += 1,
            None => self.uncounted += 1,
        }
    }
}

/// A directory in which something differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    pub path: RepoPath,
    /// It is the one shown, or leads to it.
    pub open: bool,
    pub totals: Totals,
}

/// What differs, as far as it was asked for.
pub struct Summary {
    pub from: Place,
    pub to: Place,
    /// Of what was chosen, in the directory.
    pub totals: Totals,
    /// The way down to the directory, from the root, and the directories in it.
    pub directories: Vec<Directory>,
    /// Directories that are not listed.
    pub more_directories: usize,
    /// Those of the page.
    pub files: Vec<(Changed, Option<Count>)>,
    /// Languages of what was chosen in whatever language, and how many files each.
    pub languages: Vec<(&'static str, u64)>,
    pub page: usize,
    pub pages: usize,
    pub looked: Looked,
}

/// A summary that nobody may look at yet.
#[must_use]
pub struct SealedSummary {
    pair: Pair,
    summary: Summary,
    directory: RepoPath,
}

impl Comparisons {
    /// Counts lines until then at the latest, and tells how many files were left.
    pub(in crate::source) fn summary(&self, pair: Pair, chosen: &Selection, until: Instant) -> Result<SealedSummary, SourceError> {
        let comparison = self.compare(&pair)?;
        let (from, to) = (pair.from.resource().place().clone(), pair.to.resource().place().clone());
        let inside = |file: &Changed| chosen.directory.contains(&file.path);
        let looks: Vec<Look> = comparison.files.iter().map(|file| (chosen.look)(&file.path)).collect();
        let mut places: Vec<usize> = (0..)
            .zip(comparison.files.iter().zip(&looks))
            .filter(|(_, (file, look))| chosen.takes(file, **look))
            .map(|(at, _)| at)
            .collect();
        let file = |at: usize| comparison.files.get(at);
        let mut languages: BTreeMap<&'static str, u64> = BTreeMap::new();
        let language = |at: usize| looks.get(at).and_then(|look| look.language);
        for at in places.iter().filter(|at| file(**at).is_some_and(inside)) {
            *languages.entry(language(*at).unwrap_or(OTHER)).or_default() += 1;
        }
        if let Some(wanted) = &chosen.language {
            places.retain(|at| language(*at).unwrap_or(OTHER) == wanted);
        }
        // What is shown is counted first.
        let (mut here, elsewhere): (Vec<usize>, Vec<usize>) = places.iter().partition(|at| file(**at).is_some_and(inside));
        self.count(&to.product, &comparison, &here, until)?;
        self.count(&to.product, &comparison, &elsewhere, until)?;
        let count = |at: usize| comparison.counts.get(at).and_then(|count| count.get().copied());
        if chosen.only == Some(Only::Binary) {
            places.retain(|at| count(*at) == Some(Count::Binary));
            here.retain(|at| count(*at) == Some(Count::Binary));
        }
        let (directories, more_directories) = directories(&comparison, &places, chosen, &count);
        let mut totals = Totals::default();
        for at in &here {
            if let Some(file) = file(*at) {
                totals.add(file, count(*at));
            }
        }
        if chosen.order == Order::Size {
            here.sort_by_key(|at| std::cmp::Reverse(count(*at).and_then(Count::lines)));
        }
        let pages = here.len().div_ceil(PAGE).max(1);
        let page = chosen.page.min(pages - 1);
        let files = here.iter().skip(page * PAGE).take(PAGE).filter_map(|at| Some((file(*at)?.clone(), count(*at)))).collect();
        let mut languages: Vec<(&'static str, u64)> = languages.into_iter().collect();
        languages.sort_by_key(|(name, files)| (std::cmp::Reverse(*files), *name));
        let looked = comparison.looked;
        let summary = Summary { from, to, totals, directories, more_directories, files, languages, page, pages, looked };
        Ok(SealedSummary { pair, summary, directory: chosen.directory.clone() })
    }
}

/// The language of files that have none.
const OTHER: &str = "Other";

/// The files before and behind one, among those chosen, in the order asked for.
pub(super) fn neighbours(comparison: &Comparison, at: usize, chosen: &Selection) -> [Option<Changed>; 2] {
    let count = |at: usize| comparison.counts.get(at).and_then(|count| count.get().copied());
    let takes = |place: &usize| comparison.files.get(*place).is_some_and(|file| chosen.lists(file, count(*place)));
    let near = |place: Option<usize>| comparison.files.get(place?).cloned();
    if chosen.order == Order::Path {
        return [near((0..at).rev().find(takes)), near((at + 1..comparison.files.len()).find(takes))];
    }
    let mut all: Vec<usize> = (0..comparison.files.len()).filter(|place| *place == at || takes(place)).collect();
    all.sort_by_key(|place| std::cmp::Reverse(count(*place).and_then(Count::lines)));
    let here = all.iter().position(|place| *place == at).unwrap_or(0);
    [here.checked_sub(1), here.checked_add(1)].map(|place| near(all.get(place?).copied()))
}

/// The way down to the directory, and those in it, each with all that differs below.
fn directories(
    comparison: &Comparison,
    places: &[usize],
    chosen: &Selection,
    count: &dyn Fn(usize) -> Option<Count>,
) -> (Vec<Directory>, usize) {
    let mut open = vec![RepoPath::root()];
    open.extend(chosen.directory.trail());
    let mut trail: Vec<Totals> = vec![Totals::default(); open.len()];
    let mut inside: BTreeMap<&[u8], Totals> = BTreeMap::new();
    let skip = if chosen.directory.is_root() { 0 } else { chosen.directory.bytes().len() + 1 };
    for at in places {
        let Some(file) = comparison.files.get(*at) else { continue };
        for (directory, totals) in open.iter().zip(&mut trail) {
            if directory.contains(&file.path) {
                totals.add(file, count(*at));
            }
        }
        if !chosen.directory.contains(&file.path) {
            continue;
        }
        let rest = file.path.bytes().get(skip..).unwrap_or_default();
        if let Some(end) = rest.iter().position(|&b| b == b'/') {
            inside.entry(rest.get(..end).unwrap_or_default()).or_default().add(file, count(*at));
        }
    }
    let more = inside.len().saturating_sub(MOST_DIRECTORIES);
    let mut directories: Vec<Directory> =
        open.into_iter().zip(trail).map(|(path, totals)| Directory { path, open: true, totals }).collect();
    let inside = inside.into_iter().take(MOST_DIRECTORIES);
    directories
        .extend(inside.filter_map(|(name, totals)| Some(Directory { path: chosen.directory.join(name).ok()?, open: false, totals })));
    (directories, more)
}

impl SealedSummary {
    /// Opens what was recorded.
    pub fn open(recorded: Recorded<Self>) -> (Summary, Receipt) {
        let receipt = recorded.receipt();
        (recorded.into_parts().0.summary, receipt)
    }
}

impl Recordable for SealedSummary {
    fn drafts(&self) -> Vec<Draft> {
        let Summary { from, to, directories, files, totals, page, .. } = &self.summary;
        let listed = directories.iter().filter(|directory| !directory.open).map(|directory| Shown {
            product: to.product.clone(),
            versions: vec![from.version.clone(), to.version.clone()],
            path: path_text(&directory.path),
            ..Shown::default()
        });
        let places = listed.chain(files.iter().flat_map(|(file, _)| names_of(from, to, file))).collect();
        let facts = vec![("files", json!(totals.files)), ("page", json!(page + 1))];
        drafts(&self.pair, &self.directory, facts, places)
    }
}
