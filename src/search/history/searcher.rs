//! Answering a query over histories: changed lines or messages, newest commits first.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::asked::{Asked, Signs};
use super::commits::decode_runs;
use super::scope::{HistoryScope, Reach};
use super::{CommitId, HistoryIndex};
use crate::catalog::RepoPath;
use crate::search::SearchError;
use crate::search::documents::Document;
use crate::search::pattern::{Matcher, line_end};
use crate::search::plan::Bound;
use crate::search::query::{Query, Trait};
use crate::search::results::{Budget, LineHit, PageRequest, VersionName};
use crate::search::searcher::Searcher;
use crate::search::verify::{self, Subject};
use crate::source::history::Run;

/// An answer. Everything in it is counted within the scope, and of the history of the versions asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct HistoryResults {
    /// Messages were searched, and not changed lines.
    pub messages: bool,
    /// Changed lines, or lines of messages, that a match of a term touches.
    pub total_lines: u64,
    /// Changed files that match; none when messages are searched.
    pub total_files: u64,
    pub total_commits: u64,
    /// False: the totals are lower bounds.
    pub complete: bool,
    /// Changed files, or messages, that the answer takes account of, of those in `scope`.
    pub searched: u64,
    pub scope: u64,
    /// Changes in the scope of files that are no text, and are searched by the texts found in them.
    pub binary_files: u64,
    /// Changes in the scope that are too large to be compared.
    pub unread_files: u64,
    /// Versions asked for whose history is not indexed as they are now.
    pub not_indexed: Vec<VersionName>,
    /// Newest first, by when they were committed.
    pub commits: Vec<CommitHit>,
    /// The offset of the next page.
    pub next: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitHit {
    pub product: String,
    pub commit: CommitId,
    /// The author's name.
    pub author: String,
    /// When it was written, in seconds since the epoch.
    pub at: i64,
    /// The first line of its message; none where the message is outside of the scope.
    pub subject: Option<String>,
    /// Of the versions asked for, those in which everything shown here is open, newest first. None, when what is shown is open
    /// in different versions.
    pub versions: Vec<String>,
    /// Lines of the message that a match touches, when messages are searched: how many, and the first of them.
    pub message_lines: u64,
    pub message: Vec<LineHit>,
    pub files: Vec<ChangeHit>,
}

/// A file that a commit changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeHit {
    pub path: RepoPath,
    pub language: Option<String>,
    /// Of the versions asked for, those in which this is open, newest first; never empty.
    pub versions: Vec<String>,
    /// It is no text, before or afterwards; the lines are texts found in it.
    pub binary: bool,
    /// The change is too large to be compared.
    pub unread: bool,
    /// Changed lines that a match touches; `lines` are the first of them.
    pub total_lines: u64,
    pub lines: Vec<ChangedLine>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedLine {
    pub added: bool,
    /// Its number is that of the new file when it was added, of the old one when it was removed.
    pub line: LineHit,
}

struct Product<'a> {
    name: &'a str,
    reach: Reach<'a>,
    bound: Bound,
}

/// A document to look into.
#[derive(Clone, Copy)]
struct Candidate {
    product: usize,
    document: u32,
    commit: u32,
}

/// What a candidate that matches adds to the totals.
struct Found {
    candidate: Candidate,
    lines: u64,
}

impl Searcher {
    /// Answers a query over histories. A page counts changed files, or commits when messages are searched.
    ///
    /// # Errors
    /// When an index cannot be read, or the work was cancelled.
    pub(super) fn run_history(
        &self,
        query: &Query,
        scope: &[HistoryScope],
        page: PageRequest,
        budget: &Budget,
    ) -> Result<HistoryResults, SearchError> {
        let page = PageRequest { limit: page.limit.min(1_000), lines_per_file: page.lines_per_file.min(10_000), context: 0, ..page };
        let asked = Asked::new(query)?;
        let mut results = HistoryResults { complete: true, messages: asked.messages, ..HistoryResults::default() };
        let mut products = Vec::new();
        let mut candidates = Vec::new();
        for product in scope.iter().filter(|one| asked.plan.concerns(&one.product.product)) {
            let name = product.product.product.as_str();
            let (reach, missing) = Reach::new(product, &query.versions);
            results
                .not_indexed
                .extend(missing.into_iter().map(|version| VersionName { product: name.to_owned(), version: version.name.clone() }));
            let Some(reach) = reach else { continue };
            results.cover(&reach);
            let bound = asked.bind(&reach)?;
            for document in &bound.bounds.maybe {
                if let Some((commit, _)) = reach.history.commit_of(document) {
                    candidates.push(Candidate { product: products.len(), document, commit });
                }
            }
            products.push(Product { name, reach, bound });
        }
        results.not_indexed.dedup();
        results.complete = results.not_indexed.is_empty() && (results.unread_files == 0 || !query.reads_contents());
        newest_first(&products, &mut candidates);

        let found = self.count_history(&asked, &products, &candidates, budget)?;
        results.complete &= found.looked_into == candidates.len();
        results.searched = results.scope - (candidates.len() - found.looked_into) as u64;
        results.total_lines = found.matching.iter().map(|one| one.lines).sum();
        let files = found.matching.len() as u64;
        let commits = found.matching.chunk_by(|a, b| same_commit(&a.candidate, &b.candidate)).count() as u64;
        (results.total_files, results.total_commits) = if asked.messages { (0, commits) } else { (files, commits) };

        let wanted: Vec<Candidate> = found.matching.iter().skip(page.offset).take(page.limit).map(|one| one.candidate).collect();
        let end = page.offset.saturating_add(wanted.len());
        results.next = (end < found.matching.len() && !wanted.is_empty()).then_some(end);
        for same in wanted.chunk_by(same_commit) {
            results.commits.extend(show(&asked, &products, same, &page)?);
        }
        Ok(results)
    }

    /// Looks into the candidates, in order, until the budget is spent.
    fn count_history(
        &self,
        asked: &Asked,
        products: &[Product<'_>],
        candidates: &[Candidate],
        budget: &Budget,
    ) -> Result<Counted, SearchError> {
        let (next, spent) = (AtomicUsize::new(0), AtomicU64::new(0));
        let most = if asked.count_all { u64::MAX } else { budget.bytes };
        let outcome = Mutex::new((Vec::new(), candidates.len(), None));
        let worker = || {
            let mut done = Vec::new();
            let (mut stopped, mut failed) = (candidates.len(), None);
            'work: loop {
                let from = next.fetch_add(HANDFUL, Ordering::Relaxed);
                let Some(handful) = candidates.get(from..(from + HANDFUL).min(candidates.len())).filter(|some| !some.is_empty()) else {
                    break;
                };
                if budget.cancel.load(Ordering::Relaxed) {
                    failed = Some(SearchError::Cancelled);
                    next.store(candidates.len(), Ordering::Relaxed);
                    break;
                }
                let over = budget.deadline.is_some_and(|deadline| Instant::now() >= deadline);
                for (place, candidate) in (from..).zip(handful) {
                    if over || spent.load(Ordering::Relaxed) >= most {
                        stopped = place;
                        next.store(candidates.len(), Ordering::Relaxed);
                        break 'work;
                    }
                    match look(asked, products, candidate) {
                        Ok((bytes, lines)) => {
                            spent.fetch_add(bytes, Ordering::Relaxed);
                            done.extend(lines.map(|lines| (place, Found { candidate: *candidate, lines })));
                        }
                        Err(e) => {
                            failed = Some(e);
                            next.store(candidates.len(), Ordering::Relaxed);
                            break 'work;
                        }
                    }
                }
            }
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            outcome.0.append(&mut done);
            outcome.1 = outcome.1.min(stopped);
            outcome.2 = outcome.2.take().or(failed);
        };
        let helpers = self.threads().min(candidates.len().div_ceil(HANDFUL)).saturating_sub(1);
        thread::scope(|threads| {
            for _ in 0..helpers {
                threads.spawn(worker);
            }
            worker();
        });
        let (mut all, looked_into, failed) = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(failed) = failed {
            return Err(failed);
        }
        // Behind the first that was left out nothing counts: what is shown is the newest, without gaps.
        all.retain(|(place, _)| *place < looked_into);
        all.sort_unstable_by_key(|(place, _)| *place);
        Ok(Counted { looked_into, matching: all.into_iter().map(|(_, found)| found).collect() })
    }
}

/// Candidates that a thread takes at once.
const HANDFUL: usize = 16;

struct Counted {
    looked_into: usize,
    matching: Vec<Found>,
}

impl HistoryResults {
    fn cover(&mut self, reach: &Reach<'_>) {
        if self.messages {
            self.scope += reach.messages.len();
            return;
        }
        let documents = &reach.history.index.documents;
        let files = reach.changes.len();
        self.scope += files;
        self.unread_files += reach.changes.intersection_len(&documents.that_are(Trait::Unindexed));
        self.binary_files += reach.changes.intersection_len(&documents.that_are(Trait::Binary));
    }
}

fn same_commit(a: &Candidate, b: &Candidate) -> bool {
    (a.product, a.commit) == (b.product, b.commit)
}

fn newest_first(products: &[Product<'_>], candidates: &mut [Candidate]) {
    candidates.sort_by_cached_key(|candidate| {
        let history = products.get(candidate.product).map(|product| product.reach.history);
        let commit = history.and_then(|history| history.commits.all().get(candidate.commit as usize));
        let (at, id) = commit.map_or((i64::MIN, None), |commit| (commit.committed_at, Some(commit.id)));
        (Reverse(at), candidate.product, id, candidate.document)
    });
}

/// How many bytes were looked through, and how many lines are shown of the document if it matches.
fn look(asked: &Asked, products: &[Product<'_>], candidate: &Candidate) -> Result<(u64, Option<u64>), SearchError> {
    let Some(product) = products.get(candidate.product) else { return Ok((0, None)) };
    let (plan, bound) = (&asked.plan, &product.bound);
    if plan.shown.is_empty() && bound.bounds.sure.contains(candidate.document) {
        return Ok((0, Some(0)));
    }
    let index = &product.reach.history.index;
    let Some(document) = index.documents.get(candidate.document) else { return Ok((0, None)) };
    let bytes = document.body.map_or(0, |body| body.text);
    if asked.messages {
        // Messages are short: none is given up half way.
        let stop = || false;
        let counted = Subject::new(plan, bound, index, candidate.document, None, &stop)?.and_then(|subject| subject.count());
        return Ok((bytes, counted.map(|counted| counted.lines)));
    }
    let change = ChangeText::read(product.reach.history, document)?;
    let holds = bound
        .test
        .holds(candidate.document, &mut |place| plan.matchers.get(place).is_some_and(|matcher| change.has(matcher, asked.sign_of(place))));
    Ok((bytes, holds.then(|| change.starts(asked).len() as u64)))
}

/// The changed lines of a file: pieces of lines of one sign that stand one behind the other. A match lies within one of them, so
/// that none is made of lines that never stood together.
struct ChangeText<'t> {
    text: &'t [u8],
    pieces: Vec<(Run, Range<usize>)>,
}

impl<'t> ChangeText<'t> {
    fn read(history: &'t HistoryIndex, document: &Document) -> Result<Self, SearchError> {
        let text = history.index.contents.own(document)?;
        let runs = decode_runs(history.behind(document)?).ok_or_else(|| SearchError::damaged("the lines of a change cannot be told"))?;
        let mut ends = memchr::memchr_iter(b'\n', text).map(|at| at + 1);
        let mut start = 0;
        let mut pieces = Vec::with_capacity(runs.len());
        for run in runs {
            let end = run.lines.checked_sub(1).and_then(|more| ends.nth(more as usize));
            let end = end.ok_or_else(|| SearchError::damaged("a change has fewer lines than it should"))?;
            pieces.push((run, start..end));
            start = end;
        }
        Ok(Self { text, pieces })
    }

    /// The pieces of these signs, by their places.
    fn pieces(&self, signs: Signs) -> impl Iterator<Item = (usize, &'t [u8])> {
        let text = self.text;
        let wanted = self.pieces.iter().enumerate().filter(move |(_, (run, _))| signs.take(run));
        wanted.map(move |(place, (_, range))| (place, text.get(range.clone()).unwrap_or_default()))
    }

    fn has(&self, matcher: &Matcher, signs: Signs) -> bool {
        if signs.are_both() && matcher.within_lines {
            return matcher.is_in(self.text);
        }
        self.pieces(signs).any(|(_, text)| matcher.is_in(text))
    }

    /// The lines that are shown: the place of the piece, and where in it the line begins.
    fn starts(&self, asked: &Asked) -> Vec<(usize, usize)> {
        let mut starts: Vec<(usize, usize)> = Vec::new();
        for place in &asked.plan.shown {
            let Some(matcher) = asked.plan.matchers.get(*place) else { continue };
            for (piece, text) in self.pieces(asked.sign_of(*place)) {
                matcher.lines(text, |start, _| starts.push((piece, start)));
            }
        }
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// The first of the lines that a match touches, in full, and how many there are.
    fn lines(&self, asked: &Asked, page: &PageRequest) -> (Vec<ChangedLine>, u64) {
        let starts = self.starts(asked);
        let total = starts.len() as u64;
        let mut shown = Vec::new();
        let wanted = starts.get(..starts.len().min(page.lines_per_file)).unwrap_or_default();
        for of_piece in wanted.chunk_by(|a, b| a.0 == b.0) {
            let Some((run, range)) = of_piece.first().and_then(|(piece, _)| self.pieces.get(*piece)) else { continue };
            let text = self.text.get(range.clone()).unwrap_or_default();
            let mut lines: Vec<(Range<usize>, Vec<Range<usize>>)> =
                of_piece.iter().map(|&(_, start)| (start..line_end(text, start), Vec::new())).collect();
            for place in asked.plan.shown.iter().filter(|place| asked.sign_of(**place).take(run)) {
                if let Some(matcher) = asked.plan.matchers.get(*place) {
                    verify::mark(&mut lines, matcher.matches(text));
                }
            }
            for (line, marks) in lines {
                let before = memchr::memchr_iter(b'\n', text.get(..line.start).unwrap_or_default()).count() as u64;
                let text = Arc::new(verify::excerpt(text, &line, marks));
                let hit = LineHit { number: u64::from(run.first) + before, raw: false, spans: Arc::default(), shown: text };
                shown.push(ChangedLine { added: run.added, line: hit });
            }
        }
        (shown, total)
    }
}

/// What is shown of the documents of one commit.
fn show(asked: &Asked, products: &[Product<'_>], same: &[Candidate], page: &PageRequest) -> Result<Option<CommitHit>, SearchError> {
    let Some((first, product)) = same.first().and_then(|first| Some((first, products.get(first.product)?))) else { return Ok(None) };
    let (history, reach) = (product.reach.history, &product.reach);
    let (documents, contents) = (&history.index.documents, &history.index.contents);
    let Some(commit) = history.commits.all().get(first.commit as usize) else { return Ok(None) };
    let mut hit = CommitHit {
        product: product.name.to_owned(),
        commit: commit.id,
        author: history.commits.author(commit).to_owned(),
        at: commit.authored_at,
        subject: None,
        versions: Vec::new(),
        message_lines: 0,
        message: Vec::new(),
        files: Vec::new(),
    };
    let message = documents.get(commit.first).filter(|_| reach.messages.contains(commit.first));
    if let Some(message) = message {
        hit.subject = Some(subject(contents.own(message)?));
    }
    if asked.messages && !asked.plan.shown.is_empty() {
        let stop = || false;
        let subject = Subject::new(&asked.plan, &product.bound, &history.index, first.document, None, &stop)?;
        (hit.message, hit.message_lines) = subject.map_or_else(|| Ok(Default::default()), |subject| subject.lines(page))?;
    }
    if asked.messages {
        hit.versions = reach.versions_of(first.document);
        return Ok(Some(hit));
    }
    for number in same.iter().map(|candidate| &candidate.document) {
        let Some((document, path)) = documents.get(*number).zip(documents.path(*number)) else { continue };
        let (lines, total_lines) = ChangeText::read(history, document)?.lines(asked, page);
        let language = document.language.and_then(|l| documents.languages().get(usize::from(l)));
        hit.files.push(ChangeHit {
            path: path.clone(),
            language: language.cloned(),
            versions: reach.versions_of(*number),
            binary: document.traits.has(Trait::Binary),
            unread: document.body.is_none(),
            total_lines,
            lines,
        });
    }
    hit.versions = hit.files.first().map(|file| file.versions.clone()).unwrap_or_default();
    hit.versions.retain(|version| hit.files.iter().all(|file| file.versions.contains(version)));
    Ok(Some(hit))
}

/// The first line that says anything.
fn subject(message: &[u8]) -> String {
    const LONGEST: usize = 300;
    let line = message.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty()).unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    let end = (0..=text.len().min(LONGEST)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    if end < text.len() { format!("{}…", text.get(..end).unwrap_or_default()) } else { text.into_owned() }
}
