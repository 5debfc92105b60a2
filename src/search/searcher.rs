//! Answering a query within a scope.
//!
//! What may match is looked through in tiers, in the order in which files are listed; a tier is looked through in parallel, and
//! what matches in it is ranked. Then the paths of the page asked for are read once more for what is shown of them. So a page
//! costs the same memory however much there is to find, pages follow one another, and what is found early can be shown early.
//! Once the page is full the search goes on to count the rest, as far as the budget goes; a page that is not full goes on.

use std::cell::OnceCell;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use roaring::RoaringBitmap;

use super::SearchError;
use super::across::Across;
use super::facets::facets;
use super::forms::Forms;
use super::plan::{Bound, Plan};
use super::query::{Query, Trait};
use super::rank::{NameHas, Standing};
use super::results::{Budget, Coverage, PageRequest, PathHit, Results, VersionName};
use super::scope::{Scope, Selection};
use super::show;
use super::verify::{Counted, Subject};

/// Bytes looked through before what was found is ranked: of the first tier, which most searches never leave, and of the others.
const FIRST_TIER: u64 = 512 << 20;
const TIER: u64 = 256 << 20;
/// Bytes below which starting a thread costs more than it brings.
const ALONE: u64 = 512 << 10;
/// Bytes of a file that takes long by itself, and about what a path costs to be shown.
const LONG: u64 = 1 << 20;
const SHOWN: u64 = 256 << 10;

/// Answers queries, each on a few threads.
#[derive(Clone, Debug)]
pub struct Searcher {
    threads: usize,
}

/// A product in which something may match.
pub(super) struct Product<'a> {
    pub(super) selection: Selection<'a>,
    pub(super) bound: Bound,
    /// Documents found to match.
    matching: RoaringBitmap,
}

/// A path at which something may match: its documents.
#[derive(Clone, Debug)]
struct Candidate {
    product: usize,
    documents: Vec<u32>,
    bytes: u64,
    /// How many of these count among what is still to be looked into.
    counted: u64,
}

/// A path at which something matches.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) product: usize,
    /// Each with the lines in it.
    pub(super) documents: Vec<(u32, u64)>,
    score: u32,
}

/// Where parts of an answer go that are ready before the whole is. What it returns with an error ends the search.
pub(super) type Sink<'a> = dyn FnMut(Results) -> Result<(), SearchError> + 'a;

impl Searcher {
    /// `threads` a query may use: 1 to 64.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.clamp(1, 64) }
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Answers a query.
    ///
    /// # Errors
    /// When an index cannot be read, or the work was cancelled.
    #[cfg(any(test, fuzzing))]
    pub(super) fn run(&self, query: &Query, scope: &Scope, page: PageRequest, budget: &Budget) -> Result<Results, SearchError> {
        let mut whole = None;
        self.stream(query, scope, page, budget, &mut |part| {
            let hits = whole.take().map(|earlier: Results| earlier.hits).unwrap_or_default();
            whole = Some(Results { hits: hits.into_iter().chain(part.hits.clone()).collect(), ..part });
            Ok(())
        })?;
        Ok(whole.unwrap_or_default())
    }

    /// Answers a query in one part or more: hits are in the first part in which they are ready, totals count up.
    ///
    /// # Errors
    /// When an index cannot be read, the work was cancelled, or `sink` fails.
    pub(super) fn stream(
        &self,
        query: &Query,
        scope: &Scope,
        page: PageRequest,
        budget: &Budget,
        sink: &mut Sink<'_>,
    ) -> Result<(), SearchError> {
        let page = PageRequest {
            limit: page.limit.min(1_000),
            lines_per_file: page.lines_per_file.min(10_000),
            context: page.context.min(20),
            states_per_path: page.states_per_path.clamp(1, 1_000),
            ..page
        };
        let plan = Plan::new(query)?;
        let mut results = Results { complete: true, ..Results::default() };
        let mut products = Vec::new();
        let mut candidates = Vec::new();
        for product in scope.products.iter().filter(|product| plan.concerns(&product.product)) {
            let (selection, missing) = Selection::new(product, &query.versions);
            results
                .not_indexed
                .extend(missing.into_iter().map(|version| VersionName { product: product.product.clone(), version: version.name.clone() }));
            let Some(selection) = selection else { continue };
            results.cover(&selection);
            let bound = plan.bind(&selection)?;
            candidates.extend(order(&plan, &selection, products.len(), &bound));
            products.push(Product { selection, bound, matching: RoaringBitmap::new() });
        }
        results.complete = results.not_indexed.is_empty() && (results.unread_files == 0 || !query.reads_contents());

        let mut found: Vec<Found> = Vec::new();
        let mut shown = 0;
        let mut left: u64 = candidates.iter().map(|candidate| candidate.counted).sum();
        let woven: u64 = products.iter().map(|product| product.selection.uncounted()).sum();
        let mut broken_off = false;
        let mut rest = candidates.as_slice();
        let mut spent = 0;
        let mut size = FIRST_TIER;
        while !rest.is_empty() {
            let full = found.len() > page.offset.saturating_add(page.limit);
            let costs = || rest.iter().any(|candidate| candidate.bytes > 0);
            if budget.is_late() || full && !query.count_all && spent >= budget.bytes && costs() {
                broken_off = true;
                break;
            }
            let (tier, more) = rest.split_at(tier_of(rest, size.min(budget.bytes.max(1))));
            let looked_into = self.count(&plan, &products, tier, budget, &mut found)?;
            for one in found.get(shown_before(&found, looked_into.found)..).unwrap_or_default() {
                if let Some(product) = products.get_mut(one.product) {
                    product.matching.extend(one.documents.iter().map(|(document, _)| *document));
                }
            }
            left -= looked_into.documents;
            spent += tier.iter().map(|candidate| candidate.bytes).sum::<u64>();
            broken_off = !looked_into.whole;
            rest = if looked_into.whole { more } else { &[] };
            size = TIER;
            if !rest.is_empty() {
                // What stands in this tier stays where it is.
                let ready = page_of(&found, &page, shown);
                if !ready.is_empty() {
                    shown += ready.len();
                    let hits = self.show(&plan, &products, ready, &page, budget)?;
                    let counted = results.counted(&found, left + woven);
                    sink(Results { hits, more_to_come: true, complete: false, ..counted })?;
                }
            }
        }
        let ready = page_of(&found, &page, shown);
        let end = page.offset.saturating_add(shown + ready.len());
        let hits = self.show(&plan, &products, ready, &page, budget)?;
        let mut last = results.counted(&found, if broken_off { left + woven } else { 0 });
        last.complete &= !broken_off;
        last.next = (end < found.len() && end > page.offset).then_some(end);
        last.hits = hits;
        let spread: Vec<_> = products.iter().map(|product| (&product.selection, &product.matching)).collect();
        last.facets = facets(&spread);
        sink(last)
    }

    /// Looks into the paths of a tier, and adds those that match to `found`, ranked.
    fn count(
        &self,
        plan: &Plan,
        products: &[Product<'_>],
        tier: &[Candidate],
        budget: &Budget,
        found: &mut Vec<Found>,
    ) -> Result<LookedInto, SearchError> {
        let words: Vec<String> = plan.words.iter().map(|(word, _)| word.to_lowercase()).collect();
        let stop = || budget.is_over();
        let all = self.in_parallel(
            tier,
            |candidate| candidate.bytes,
            budget,
            |candidate| {
                let Some(product) = products.get(candidate.product) else { return Ok(Some(None)) };
                let index = product.selection.index;
                let across = Across::new(plan, &product.bound, &product.selection, &candidate.documents, &stop)?;
                let forms = if across.is_none() { Forms::of_woven(index, &candidate.documents)? } else { None };
                // All at one path.
                let name = OnceCell::new();
                let mut matching = Vec::new();
                let mut best = 0;
                for &document in &candidate.documents {
                    let counted = if product.bound.bounds.sure.contains(document) && plan.shown.is_empty() {
                        Some(Counted::default())
                    } else if let Some(across) = &across {
                        across.count(document)?
                    } else {
                        Subject::new(plan, &product.bound, index, document, forms.as_ref(), &stop)?.and_then(|subject| subject.count())
                    };
                    let Some(counted) = counted else { continue };
                    matching.push((document, counted.lines));
                    let Some(known) = index.documents.get(document) else { continue };
                    let name_of = || index.documents.path(document).map_or(NameHas::Nothing, |path| NameHas::of(path, &words));
                    best = best.max(counted.signals.score(Standing {
                        defines: product.bound.defines(index, document),
                        kind: index.documents.kind(known),
                        name: *name.get_or_init(name_of),
                        in_newest: product.selection.newest().is_some_and(|newest| newest.contains(document)),
                    }));
                }
                // What was broken off says nothing.
                if stop() {
                    return Ok(None);
                }
                Ok(Some((!matching.is_empty()).then_some(Found { product: candidate.product, documents: matching, score: best })))
            },
        )?;
        let documents = tier.iter().zip(&all).map(|(candidate, _)| candidate.counted).sum();
        let whole = all.len() == tier.len();
        let mut ranked: Vec<Found> = all.into_iter().flatten().collect();
        ranked.sort_by_key(|one| (one.product, std::cmp::Reverse(one.score)));
        let new = ranked.len();
        found.append(&mut ranked);
        Ok(LookedInto { documents, found: new, whole })
    }

    fn show(
        &self,
        plan: &Plan,
        products: &[Product<'_>],
        wanted: &[Found],
        page: &PageRequest,
        budget: &Budget,
    ) -> Result<Vec<PathHit>, SearchError> {
        // The budget's deadline is for looking; what was found is shown.
        let budget = Budget { deadline: None, ..budget.clone() };
        let hits = self.in_parallel(
            wanted,
            |_| SHOWN,
            &budget,
            |one| match products.get(one.product) {
                Some(product) => show::path(plan, product, one, page).map(Some),
                None => Ok(Some(None)),
            },
        )?;
        Ok(hits.into_iter().flatten().collect())
    }

    /// What `work` makes of each, in order; of the first ones only, when it gives nothing of one or the deadline passes.
    fn in_parallel<I: Sync, T: Send>(
        &self,
        items: &[I],
        size: impl Fn(&I) -> u64,
        budget: &Budget,
        work: impl Fn(&I) -> Result<Option<T>, SearchError> + Sync,
    ) -> Result<Vec<T>, SearchError> {
        let (order, next) = (long_first(items, &size), AtomicUsize::new(0));
        let stop = AtomicBool::new(false);
        let outcome = Mutex::new((Vec::with_capacity(items.len()), None));
        let worker = || {
            let mut done = Vec::new();
            let mut failed = None;
            while !stop.load(Ordering::Relaxed) {
                if budget.cancel.load(Ordering::Relaxed) {
                    failed = Some(SearchError::Cancelled);
                } else if budget.is_late() {
                    break;
                } else {
                    let turn = order.get(next.fetch_add(1, Ordering::Relaxed));
                    let Some((place, item)) = turn.and_then(|&place| Some((place, items.get(place)?))) else { break };
                    match work(item) {
                        Ok(Some(made)) => done.push((place, made)),
                        Ok(None) => stop.store(true, Ordering::Relaxed),
                        Err(e) => failed = Some(e),
                    }
                }
                if failed.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            outcome.0.append(&mut done);
            outcome.1 = outcome.1.take().or(failed);
        };
        let helpers = if items.iter().map(&size).fold(0, u64::saturating_add) < ALONE {
            0
        } else {
            self.threads.min(items.len().div_ceil(2)).saturating_sub(1)
        };
        thread::scope(|threads| {
            for _ in 0..helpers {
                threads.spawn(worker);
            }
            worker();
        });
        let (mut all, failed) = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(failed) = failed {
            return Err(failed);
        }
        all.sort_unstable_by_key(|(place, _)| *place);
        // Others may have gone on behind one that was given up.
        Ok(all.into_iter().enumerate().take_while(|(nth, (place, _))| nth == place).map(|(_, (_, made))| made).collect())
    }
}

/// The places of all: what is long first, so that nobody begins with it last; the rest in order.
fn long_first<I>(items: &[I], size: impl Fn(&I) -> u64) -> Vec<usize> {
    let long = |place: &usize| items.get(*place).map(&size).filter(|size| *size >= LONG);
    let mut order: Vec<usize> = (0..items.len()).filter(|place| long(place).is_some()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(long(place)));
    order.extend((0..items.len()).filter(|place| long(place).is_none()));
    order
}

/// How far a tier was looked through.
struct LookedInto {
    documents: u64,
    /// Paths that match.
    found: usize,
    /// False: the deadline came first.
    whole: bool,
}

/// The place of the first of so many that were found last.
fn shown_before(found: &[Found], last: usize) -> usize {
    found.len().saturating_sub(last)
}

/// What is ready of the page asked for, when so many of its paths were shown before.
fn page_of<'a>(found: &'a [Found], page: &PageRequest, shown: usize) -> &'a [Found] {
    let start = page.offset.saturating_add(shown).min(found.len());
    let end = page.offset.saturating_add(page.limit).min(found.len());
    found.get(start..end).unwrap_or_default()
}

/// How many candidates make up a tier of so many bytes: one at least. What costs nothing makes no difference to where it ends.
fn tier_of(candidates: &[Candidate], size: u64) -> usize {
    let mut bytes = 0;
    let within = candidates.iter().take_while(|candidate| {
        let first = bytes == 0;
        bytes += candidate.bytes;
        first || bytes <= size
    });
    within.count()
}

impl Results {
    fn cover(&mut self, selection: &Selection<'_>) {
        let documents = &selection.index.documents;
        let those = |is: Trait| selection.documents.intersection_len(&documents.that_are(is));
        let files = selection.documents.len();
        self.scope_files += files;
        self.unread_files += those(Trait::Unindexed);
        self.binary_files += those(Trait::Binary);
        self.coverage.push(Coverage {
            product: selection.scope.product.clone(),
            versions: selection.version_names().map(str::to_owned).collect(),
            files,
        });
    }

    /// The same with the totals of what was found; so many files are still to be looked into.
    fn counted(&self, found: &[Found], left: u64) -> Self {
        Self {
            searched_files: self.scope_files - left,
            total_paths: found.len() as u64,
            total_files: found.iter().map(|one| one.documents.len() as u64).sum(),
            total_lines: found.iter().flat_map(|one| &one.documents).map(|(_, lines)| lines).sum(),
            ..self.clone()
        }
    }
}

/// What may match, in the order in which it is looked through: what defines a word looked for before what does not; what is in the
/// newest version searched before what is gone; by kind of path; by path.
fn order(plan: &Plan, selection: &Selection<'_>, product: usize, bound: &Bound) -> Vec<Candidate> {
    let documents = &selection.index.documents;
    let mut keyed: Vec<(u32, u32)> = bound.bounds.maybe.iter().map(|document| (documents.rank(document), document)).collect();
    keyed.sort_unstable();
    let several = selection.version_names().len() > 1;
    let (mut defining, mut here, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for same in keyed.chunk_by(|a, b| a.0 == b.0) {
        let numbers: Vec<u32> = same.iter().map(|(_, document)| *document).collect();
        let bytes = plan.bytes_of(bound, selection, &numbers);
        let in_newest = !several || numbers.iter().any(|n| selection.newest().is_some_and(|newest| newest.contains(*n)));
        let defines = numbers.iter().any(|number| bound.defines(selection.index, *number));
        let place = match (defines, in_newest) {
            (true, _) => &mut defining,
            (false, true) => &mut here,
            (false, false) => &mut gone,
        };
        let counted = numbers.iter().filter(|number| selection.counts(**number)).count() as u64;
        place.push(Candidate { product, documents: numbers, bytes, counted });
    }
    [defining, here, gone].concat()
}
