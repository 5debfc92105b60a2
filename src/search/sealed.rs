//! Searching for a person: the query comes bound to what its asker may read, and what was found is shut away until the
//! entries that name it are durable.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value, json};

use super::contents::Home;
use super::history::Histories;
use super::{Budget, FileHit, PageRequest, ProductIndex, ProductScope, Query, Results, Scope, SearchError, Searcher, VersionScope};
use crate::access::Scoped;
use crate::accounts::Principal;
use crate::audit::{Basis, Draft, Kind, Outcome, Receipt, Recordable, Recorded, Shown};
use crate::catalog::path_text;
use crate::symbols::Symbols;

/// Versions of a hit that its entry names; of more, the newest and the oldest. The blob says what was shown in any case.
const NAMED_VERSIONS: usize = 8;
/// Bytes of places that one entry names, at most; more go into further entries of the same group.
const ENTRY_ROOM: usize = 40_000;
/// Lines that are named of a place at a time.
const MOST_LINES: usize = 4_000;

/// The indexes that are served, by product. A product's is replaced as a whole when a newer one is ready.
pub struct Indexes {
    directory: PathBuf,
    open: RwLock<HashMap<String, Arc<ProductIndex>>>,
    pub(super) histories: Histories,
    symbols: Option<Arc<Symbols>>,
}

/// Results that nobody may look at yet.
#[must_use]
pub struct Sealed<T> {
    found: T,
    principal: Principal,
    query: String,
    bases: Vec<(String, Basis)>,
    /// What else its entries are to say.
    notes: Vec<(&'static str, Value)>,
}

impl Indexes {
    /// Indexes are the directories `<product>` in `directory`.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        Self { directory, open: RwLock::default(), histories: Histories::default(), symbols: None }
    }

    /// With the symbols that `sym:` looks among.
    #[must_use]
    pub fn with_symbols(self, symbols: Arc<Symbols>) -> Self {
        Self { symbols: Some(symbols), ..self }
    }

    /// Where a product's index is kept.
    #[must_use]
    pub fn directory_of(&self, product: &str) -> PathBuf {
        self.directory.join(product)
    }

    /// The index served for a product; none while there is none.
    #[must_use]
    pub fn get(&self, product: &str) -> Option<Arc<ProductIndex>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(product).cloned()
    }

    /// Serves the newest index on disk if another process has built one since.
    ///
    /// # Errors
    /// As [`Indexes::reload`].
    pub fn refresh(&self, product: &str) -> Result<(), SearchError> {
        let current = Home::new(&self.directory_of(product)).current()?;
        if current.is_some() && current != self.get(product).map(|index| index.generation()) {
            self.reload(product)?;
        }
        Ok(())
    }

    /// Serves the newest index on disk from now on.
    ///
    /// # Errors
    /// When there is none, or it cannot be read; what was served before is served still.
    pub fn reload(&self, product: &str) -> Result<Arc<ProductIndex>, SearchError> {
        let index = Arc::new(ProductIndex::open(&self.directory_of(product))?);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(product.to_owned(), Arc::clone(&index));
        Ok(index)
    }
}

impl Searcher {
    /// Runs a query within what its asker may read. Blocks: call it off the async threads.
    ///
    /// # Errors
    /// When an index cannot be read, or the work was cancelled.
    pub fn run_scoped(
        &self,
        scoped: &Scoped<Query>,
        text: &str,
        indexes: &Indexes,
        page: PageRequest,
        budget: &Budget,
    ) -> Result<Sealed<Results>, SearchError> {
        let mut whole: Option<Sealed<Results>> = None;
        self.stream_scoped(scoped, text, indexes, page, budget, &mut |mut part| {
            if let Some(earlier) = whole.take() {
                part.found.hits.splice(..0, earlier.found.hits);
            }
            whole = Some(part);
            Ok(())
        })?;
        whole.ok_or(SearchError::Cancelled)
    }

    /// The same in parts: `sink` takes each as soon as it is ready, the last with the totals. Each is to be recorded and opened
    /// by itself.
    ///
    /// # Errors
    /// When an index cannot be read, the work was cancelled, or `sink` fails.
    pub fn stream_scoped(
        &self,
        scoped: &Scoped<Query>,
        text: &str,
        indexes: &Indexes,
        page: PageRequest,
        budget: &Budget,
        sink: &mut dyn FnMut(Sealed<Results>) -> Result<(), SearchError>,
    ) -> Result<(), SearchError> {
        let scope = scope_of(scoped, indexes);
        self.stream(scoped.query(), &scope, page, budget, &mut |mut found| {
            let all = found.hits.len();
            found.hits.retain(|hit| hit.states.iter().all(|state| may_read(scoped, state)));
            if found.hits.len() != all {
                tracing::error!(lost = all - found.hits.len(), "a search found files outside of its scope; they were withheld");
            }
            found.not_indexed.dedup();
            sink(Sealed::of(found, scoped, text))
        })
    }
}

impl Sealed<Results> {
    /// Opens what was recorded.
    pub fn open(recorded: Recorded<Self>) -> (Results, Receipt) {
        let receipt = recorded.receipt();
        (recorded.into_parts().0.found, receipt)
    }
}

impl<T> Sealed<T> {
    pub(super) fn of<Q>(found: T, scoped: &Scoped<Q>, query: &str) -> Self {
        let bases = scoped.products().iter().filter_map(|one| Some((one.product.name.clone(), one.versions.first()?.basis.clone())));
        Self { found, principal: scoped.principal().clone(), query: query.to_owned(), bases: bases.collect(), notes: Vec::new() }
    }

    /// The grants that this rests on, where those are fewer than all that its asker has.
    pub(super) fn resting_on(self, bases: Vec<(String, Basis)>) -> Self {
        Self { bases, ..self }
    }

    pub(super) fn found(&self) -> &T {
        &self.found
    }

    pub(super) fn into_found(self) -> T {
        self.found
    }

    /// Has every entry about it say this, too: that it is exported, for example.
    pub fn noting(mut self, fact: &'static str, value: impl Into<Value>) -> Self {
        self.notes.push((fact, value.into()));
        self
    }

    fn draft(&self) -> Draft {
        let mut draft = Draft::new(Kind::Searched, Outcome::Permitted).by(self.principal.actor());
        draft.personal = self.principal.personal();
        draft.facts.extend(self.notes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        draft.query(self.query.as_str())
    }
}

impl Recordable for Sealed<Results> {
    fn drafts(&self) -> Vec<Draft> {
        let facts = vec![
            ("files", json!(self.found.total_files)),
            ("lines", json!(self.found.total_lines)),
            ("searched", json!(self.found.searched_files)),
            ("complete", json!(self.found.complete)),
        ];
        drafts_of(self, self.found.hits.iter().flat_map(|hit| &hit.states).map(place_of), facts)
    }
}

/// As many entries as the places take; the facts stand in the first.
pub(super) fn drafts_of<T>(sealed: &Sealed<T>, places: impl Iterator<Item = Shown>, facts: Vec<(&str, Value)>) -> Vec<Draft> {
    let mut drafts = drafts_showing(places, || sealed.draft());
    if let Some(first) = drafts.first_mut() {
        first.facts.extend(facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let bases: Vec<_> =
            sealed.bases.iter().map(|(product, basis)| json!({"product": product, "entitlement": basis.entitlement.as_str()})).collect();
        first.facts.insert("bases".to_owned(), json!(bases));
        first.basis = sealed.bases.first().map(|(_, basis)| basis.clone());
    }
    drafts
}

/// One entry at least, and as many as the places take.
pub(super) fn drafts_showing(places: impl Iterator<Item = Shown>, draft: impl Fn() -> Draft) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut room = ENTRY_ROOM;
    let mut shown = Vec::new();
    for place in places.flat_map(in_pieces) {
        let numbers = place.lines.len() + place.removed.len();
        let path = place.path.text.len() * 3 + place.path.hex.as_ref().map_or(0, String::len);
        let size = path + numbers * 8 + place.versions.iter().map(|v| v.len() + 3).sum::<usize>() + 200;
        if size > room && !shown.is_empty() {
            drafts.push(draft().showing(std::mem::take(&mut shown)));
            room = ENTRY_ROOM;
        }
        room = room.saturating_sub(size);
        shown.push(place);
    }
    drafts.push(draft().showing(shown));
    drafts
}

/// A place as often as it takes to name all its lines in entries of their size.
fn in_pieces(mut place: Shown) -> Vec<Shown> {
    if place.lines.len() + place.removed.len() <= MOST_LINES {
        return vec![place];
    }
    let (lines, removed) = (std::mem::take(&mut place.lines), std::mem::take(&mut place.removed));
    let added = lines.chunks(MOST_LINES).map(|lines| Shown { lines: lines.to_vec(), ..place.clone() });
    let removed = removed.chunks(MOST_LINES).map(|removed| Shown { removed: removed.to_vec(), ..place.clone() });
    added.chain(removed).collect()
}

/// Of many versions the newest and the oldest.
pub(super) fn named(versions: &[String]) -> Vec<String> {
    match (versions.first(), versions.last()) {
        (Some(newest), Some(oldest)) if versions.len() > NAMED_VERSIONS => vec![newest.clone(), oldest.clone()],
        _ => versions.to_vec(),
    }
}

fn place_of(hit: &FileHit) -> Shown {
    let mut lines: Vec<u64> = hit
        .lines
        .iter()
        .flat_map(|line| {
            let first = line.number.saturating_sub(line.before.len() as u64);
            first..=line.number.saturating_add(line.after.len() as u64)
        })
        .collect();
    lines.sort_unstable();
    lines.dedup();
    Shown {
        product: hit.product.clone(),
        versions: named(&hit.versions),
        path: path_text(&hit.path),
        blob: Some(hit.blob.to_string()),
        lines,
        ..Shown::default()
    }
}

pub(super) fn scope_of<Q>(scoped: &Scoped<Q>, indexes: &Indexes) -> Scope {
    let products = scoped.products().iter().map(|one| ProductScope {
        product: one.product.name.clone(),
        index: indexes.get(&one.product.name),
        symbols: indexes.symbols.as_ref().and_then(|symbols| symbols.get(&one.product.name)),
        versions: one
            .versions
            .iter()
            .flat_map(|version| {
                version.scopes.iter().map(|scope| VersionScope {
                    name: version.name.clone(),
                    commit: version.commit.clone(),
                    includes: scope.includes.clone(),
                    excludes: scope.excludes.clone(),
                })
            })
            .collect(),
    });
    Scope { products: products.collect() }
}

/// The scope once more, asked of each hit by itself.
fn may_read(scoped: &Scoped<Query>, hit: &FileHit) -> bool {
    let product = scoped.products().iter().find(|one| one.product.name == hit.product);
    product.is_some_and(|one| {
        hit.versions.iter().all(|name| {
            let version = one.versions.iter().find(|version| version.name == *name);
            version.is_some_and(|version| version.scopes.iter().any(|scope| scope.reads(&hit.path)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_with_many_lines_takes_several_entries_and_loses_none() {
        let lines: Vec<u64> = (1_000_000..1_009_001).collect();
        let place = Shown { product: "git".to_owned(), lines: lines.clone(), removed: vec![7, 9], ..Shown::default() };
        let pieces = in_pieces(place);
        assert_eq!(pieces.iter().flat_map(|piece| piece.lines.clone()).collect::<Vec<_>>(), lines);
        assert_eq!(pieces.last().unwrap().removed, [7, 9]);
        for piece in &pieces {
            assert!(serde_json::to_vec(piece).unwrap().len() < ENTRY_ROOM && piece.product == "git");
        }
        let few = Shown { lines: vec![1], removed: vec![2], ..Shown::default() };
        assert_eq!(in_pieces(few.clone()), [few]);
    }
}
