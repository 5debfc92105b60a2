//! Answering a query within a scope.
//!
//! First every candidate is read, in parallel, to learn whether it matches and how many lines; then the files of the page asked
//! for are read once more for what is shown of them. So a page costs the same memory however much there is to find.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use roaring::RoaringBitmap;

use super::documents::PathKind;
use super::plan::{Plan, Test};
use super::query::Query;
use super::scope::{Scope, Selection};
use super::{BlobId, SearchError, verify};
use crate::catalog::RepoPath;

/// Which part of the answer is wanted. Files are counted from 0, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    pub offset: usize,
    /// Files; 1,000 at most.
    pub limit: usize,
    /// Lines shown of one file; 10,000 at most.
    pub lines_per_file: usize,
    /// Lines shown before and after each; 20 at most.
    pub context: usize,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { offset: 0, limit: 30, lines_per_file: 20, context: 0 }
    }
}

/// What a query may cost. When it is spent, what was found so far is the answer, and says that it is not complete.
#[derive(Clone, Debug)]
pub struct Budget {
    pub deadline: Option<Instant>,
    /// Bytes of texts read to learn what matches.
    pub bytes: u64,
    /// Set when nobody waits for the answer any more.
    pub cancel: Arc<AtomicBool>,
}

impl Budget {
    #[must_use]
    pub fn unlimited() -> Self {
        Self { deadline: None, bytes: u64::MAX, cancel: Arc::default() }
    }
}

/// An answer. Everything in it is counted within the scope, and of the versions asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Results {
    /// Lines that a match of a term touches, in all files that match.
    pub total_lines: u64,
    pub total_files: u64,
    /// False: the totals are lower bounds.
    pub complete: bool,
    /// Distinct files that the answer takes account of, of those in `scope_files`. Binary files are searched by their paths.
    pub searched_files: u64,
    pub scope_files: u64,
    /// Files in the scope that have no text.
    pub binary_files: u64,
    /// Files in the scope that could not be read when they were indexed.
    pub unread_files: u64,
    /// Versions asked for that the index does not hold as they are now.
    pub not_indexed: Vec<VersionName>,
    /// By product as in the scope, then by kind of path, then by path, then by newest version.
    pub hits: Vec<FileHit>,
    /// The offset of the next page.
    pub next: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionName {
    pub product: String,
    pub version: String,
}

/// A file that matches: the same path with the same bytes, in all the versions named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHit {
    pub product: String,
    /// Newest first.
    pub versions: Vec<String>,
    pub path: RepoPath,
    pub blob: BlobId,
    pub language: Option<String>,
    pub binary: bool,
    pub kind: PathKind,
    /// Lines in this file that a match touches; `lines` are the first of them.
    pub total_lines: u64,
    pub lines: Vec<LineHit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineHit {
    /// From 1.
    pub number: u64,
    /// Without its end. A long line is cut to the part around its first match.
    pub text: String,
    /// What matches, in bytes of `text`: first, and behind the last. In order, not overlapping.
    pub ranges: Vec<(usize, usize)>,
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// Bytes of the line that are not shown, before and behind `text`.
    pub cut_front: usize,
    pub cut_back: usize,
}

/// Answers queries, each on a few threads.
#[derive(Clone, Debug)]
pub struct Searcher {
    threads: usize,
}

/// A file to look into: the place of its product, and its number there.
#[derive(Clone, Copy)]
struct Candidate {
    product: usize,
    document: u32,
    /// It matches, and nothing in it is shown.
    settled: bool,
}

struct Product<'a> {
    selection: Selection<'a>,
    test: Test,
}

impl Searcher {
    /// `threads` a query may use: 1 to 64.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.clamp(1, 64) }
    }

    /// Answers a query.
    ///
    /// # Errors
    /// When an index cannot be read, or the work was cancelled.
    pub(super) fn run(&self, query: &Query, scope: &Scope, page: PageRequest, budget: &Budget) -> Result<Results, SearchError> {
        let page = PageRequest {
            limit: page.limit.min(1_000),
            lines_per_file: page.lines_per_file.min(10_000),
            context: page.context.min(20),
            ..page
        };
        let plan = Plan::new(query)?;
        let mut results = Results::nothing();
        let mut products = Vec::new();
        let mut candidates = Vec::new();
        for product in scope.products.iter().filter(|product| plan.concerns(&product.product)) {
            let (selection, missing) = Selection::new(product, &query.versions);
            results
                .not_indexed
                .extend(missing.into_iter().map(|version| VersionName { product: product.product.clone(), version: version.name.clone() }));
            let Some(selection) = selection else { continue };
            results.cover(&selection);
            let test = plan.bind(&selection);
            candidates.extend(order(&selection, products.len(), &candidates_of(&plan, &test, &selection)?));
            products.push(Product { selection, test });
        }
        results.complete = results.not_indexed.is_empty() && (results.unread_files == 0 || !query.reads_contents());

        let found = self.count(&plan, &products, &candidates, budget)?;
        let left = (candidates.len() - found.looked_into) as u64;
        results.complete &= left == 0;
        results.searched_files = results.scope_files - left;
        results.total_files = found.matching.len() as u64;
        results.total_lines = found.matching.iter().map(|(_, lines)| lines).sum();

        let wanted: Vec<Candidate> =
            found.matching.iter().skip(page.offset).take(page.limit).filter_map(|(place, _)| candidates.get(*place).copied()).collect();
        let end = page.offset.saturating_add(wanted.len());
        results.next = (end < found.matching.len() && !wanted.is_empty()).then_some(end);
        results.hits = self.show(&plan, &products, &wanted, &page, budget)?;
        Ok(results)
    }

    /// Looks into the candidates, in order, until the budget is spent.
    fn count(&self, plan: &Plan, products: &[Product<'_>], candidates: &[Candidate], budget: &Budget) -> Result<Found, SearchError> {
        let spent = AtomicU64::new(0);
        let all = self.in_parallel(candidates, budget, |candidate, text| {
            if candidate.settled {
                return Ok(Some(Some(0)));
            }
            let Some(product) = products.get(candidate.product) else { return Ok(Some(None)) };
            let index = product.selection.index;
            let Some(document) = index.documents.get(candidate.document) else { return Ok(Some(None)) };
            let over = budget.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if over || spent.load(Ordering::Relaxed) >= budget.bytes {
                return Ok(None);
            }
            index.contents.read(&document.body, text)?;
            spent.fetch_add(text.len() as u64, Ordering::Relaxed);
            Ok(Some(verify::count(plan, &product.test, candidate.document, text)))
        })?;
        let looked_into = all.len();
        let matching = all.into_iter().filter_map(|(place, lines)| Some((place, lines?))).collect();
        Ok(Found { looked_into, matching })
    }

    fn show(
        &self,
        plan: &Plan,
        products: &[Product<'_>],
        wanted: &[Candidate],
        page: &PageRequest,
        budget: &Budget,
    ) -> Result<Vec<FileHit>, SearchError> {
        let hits = self.in_parallel(wanted, budget, |candidate, text| {
            let Some(Product { selection, .. }) = products.get(candidate.product) else { return Ok(None) };
            let documents = &selection.index.documents;
            let found = documents.get(candidate.document).zip(documents.path(candidate.document));
            let Some((document, path)) = found else { return Ok(None) };
            let (mut lines, mut total_lines) = (Vec::new(), 0);
            if !candidate.settled {
                selection.index.contents.read(&document.body, text)?;
                (lines, total_lines) = verify::lines(plan, text, page);
            }
            let language = document.language.and_then(|l| documents.languages().get(usize::from(l)));
            Ok(Some(FileHit {
                product: selection.scope.product.clone(),
                versions: selection.versions_of(candidate.document).into_iter().map(str::to_owned).collect(),
                path: path.clone(),
                blob: document.blob,
                language: language.cloned(),
                binary: document.is_binary(),
                kind: documents.kind(document),
                total_lines,
                lines,
            }))
        })?;
        Ok(hits.into_iter().map(|(_, hit)| hit).collect())
    }

    /// What `work` makes of each candidate, with the candidate's place, in order. It stops everywhere at the first `None` or
    /// error. `work` is given a buffer of its thread.
    fn in_parallel<T: Send>(
        &self,
        candidates: &[Candidate],
        budget: &Budget,
        work: impl Fn(Candidate, &mut Vec<u8>) -> Result<Option<T>, SearchError> + Sync,
    ) -> Result<Vec<(usize, T)>, SearchError> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let outcome = Mutex::new((Vec::with_capacity(candidates.len()), None));
        let worker = || {
            let mut text = Vec::new();
            let mut done = Vec::new();
            let mut failed = None;
            while !stop.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(candidate) = candidates.get(place) else { break };
                if budget.cancel.load(Ordering::Relaxed) {
                    failed = Some(SearchError::Cancelled);
                    stop.store(true, Ordering::Relaxed);
                    break;
                }
                match work(*candidate, &mut text) {
                    Ok(Some(made)) => done.push((place, made)),
                    Ok(None) => stop.store(true, Ordering::Relaxed),
                    Err(e) => failed = Some(e),
                }
                if failed.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            outcome.0.append(&mut done);
            outcome.1 = outcome.1.take().or(failed);
        };
        let helpers = self.threads.min(candidates.len().div_ceil(4)).saturating_sub(1);
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
        Ok(all)
    }
}

struct Found {
    looked_into: usize,
    /// The place of each candidate that matches, with the number of its lines.
    matching: Vec<(usize, u64)>,
}

impl Results {
    fn nothing() -> Self {
        Self {
            total_lines: 0,
            total_files: 0,
            complete: true,
            searched_files: 0,
            scope_files: 0,
            binary_files: 0,
            unread_files: 0,
            not_indexed: Vec::new(),
            hits: Vec::new(),
            next: None,
        }
    }

    fn cover(&mut self, selection: &Selection<'_>) {
        let documents = &selection.index.documents;
        let files = selection.documents.len();
        let unread = selection.documents.intersection_len(documents.unread());
        self.scope_files += files;
        self.unread_files += unread;
        self.binary_files += files - unread - selection.documents.intersection_len(documents.text());
    }
}

struct ToRead {
    documents: RoaringBitmap,
    /// Those of which nothing is left to learn.
    settled: RoaringBitmap,
}

fn candidates_of(plan: &Plan, test: &Test, selection: &Selection<'_>) -> Result<ToRead, SearchError> {
    let documents = &selection.index.documents;
    let bounds = test.bounds(&selection.documents, &mut |place| plan.candidates(place, selection.index))?;
    let settled = if plan.shown.is_empty() { bounds.sure } else { bounds.sure - documents.text() };
    Ok(ToRead { documents: bounds.maybe, settled })
}

/// In the order in which files are listed.
fn order(selection: &Selection<'_>, product: usize, found: &ToRead) -> Vec<Candidate> {
    let documents = &selection.index.documents;
    let mut keyed: Vec<_> = found.documents.iter().map(|document| (documents.rank(document), document)).collect();
    keyed.sort_unstable();
    // The same path with other bytes: the newest first.
    for same in keyed.chunk_by_mut(|a, b| a.0 == b.0) {
        if same.len() > 1 {
            same.sort_by_cached_key(|(_, document)| (selection.age_of(*document), documents.get(*document).map(|d| d.blob)));
        }
    }
    let candidate = |document: u32| Candidate { product, document, settled: found.settled.contains(document) };
    keyed.into_iter().map(|(_, document)| candidate(document)).collect()
}
