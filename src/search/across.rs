//! Looking into all forms of a file at once: what they have in common is looked through once.
//!
//! Only for what matches within lines: whether a line matches is then the same in every form that has it. Where something of the
//! product is closed to the asker, only lines are read that a document has which may be read.

use std::cell::{OnceCell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;

use super::forms::{Forms, nth_line};
use super::pattern::{Matcher, line_end};
use super::plan::{Bound, Plan};
use super::rank::{Signals, is_word};
use super::results::{LineHit, LineText, PageRequest};
use super::scope::Selection;
use super::verify::{Counted, excerpt, fingerprint, marks_within};
use super::weave::Run;
use super::{ProductIndex, SearchError};

/// All forms of a file, to look into.
pub(super) struct Across<'a> {
    plan: &'a Plan,
    bound: &'a Bound,
    index: &'a ProductIndex,
    forms: Forms<'a>,
    /// The lines that the documents asked about have, where no others may be read.
    readable: Option<Vec<Run>>,
    /// Where each matcher is found.
    found: Vec<OnceCell<Hits>>,
    /// The lines that are shown, and what is shown of each where all around it is as in the document that it was written with.
    shown: OnceCell<Hits>,
    texts: RefCell<Vec<Option<Arc<LineText>>>>,
    intact: RefCell<HashSet<u32>>,
    /// Whether to give up.
    stop: &'a (dyn Fn() -> bool + Sync),
}

/// A line in which something is found.
#[derive(Clone, Copy, Debug)]
struct Hit {
    /// Its number, as lines are counted at this path.
    line: u32,
    /// Whose own line it is, in which block, and where it begins among the own lines.
    form: usize,
    block: u32,
    start: usize,
    /// The match is a whole word.
    word: bool,
}

impl<'a> Across<'a> {
    /// The documents at one path that are asked about. `None` when they are to be looked into one by one.
    pub(super) fn new(
        plan: &'a Plan,
        bound: &'a Bound,
        selection: &Selection<'a>,
        documents: &[u32],
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Option<Self>, SearchError> {
        let index = selection.index;
        let body = |number: &u32| index.documents.get(*number).and_then(|document| document.body);
        let apart = plan.matchers.is_empty() || plan.matchers.iter().any(|matcher| !matcher.within_lines) || plan.looks_for_names();
        let woven = documents.iter().any(|number| body(number).is_some_and(|body| body.is_woven()));
        let Some(&first) = documents.first().filter(|_| woven && !apart) else { return Ok(None) };
        if documents.iter().any(|number| body(number).is_none_or(|body| body.raw > 0)) {
            return Ok(None);
        }
        let forms = Forms::of(index, first)?;
        let closed = selection.partial && forms.all().len() > documents.len();
        let readable = if closed { Some(lines_of(&forms, documents)?) } else { None };
        Ok(Some(Self {
            plan,
            bound,
            index,
            forms,
            readable,
            found: plan.matchers.iter().map(|_| OnceCell::new()).collect(),
            shown: OnceCell::new(),
            texts: RefCell::default(),
            intact: RefCell::default(),
            stop,
        }))
    }

    /// How many lines of a document are shown; `None` when it does not match.
    pub(super) fn count(&self, document: u32) -> Result<Option<Counted>, SearchError> {
        if let ([only], true) = (self.plan.shown.as_slice(), self.bound.test.is_one_term()) {
            let counted = self.counted(self.hits(*only), document)?;
            return Ok((counted.lines > 0).then_some(counted));
        }
        let mut failed = None;
        let holds = self.bound.test.holds(document, &mut |place| {
            self.counted(self.hits(place), document).map_or_else(
                |e| {
                    failed = Some(e);
                    false
                },
                |counted| counted.lines > 0,
            )
        });
        match failed {
            Some(failed) => Err(failed),
            None if holds => self.counted(self.shown(), document).map(Some),
            None => Ok(None),
        }
    }

    /// How many of these lines a document has.
    fn counted(&self, hits: &Hits, document: u32) -> Result<Counted, SearchError> {
        let mut counted = Counted::default();
        if !hits.all.is_empty() {
            self.forms.each_run(document, |run| {
                let inside = hits.inside(run);
                if !inside.is_empty() {
                    counted.lines += inside.len() as u64;
                    if hits.words > 0 && !counted.signals.is_word() {
                        counted.signals = Signals::of(hits.all.get(inside).is_some_and(|inside| inside.iter().any(|hit| hit.word)));
                    }
                }
            })?;
        }
        Ok(counted)
    }

    /// A fingerprint of the text of each line that is shown of any document.
    pub(super) fn fingerprints(&self) -> Vec<u64> {
        let text = |hit: &Hit| self.own(hit).get(hit.start..line_end(self.own(hit), hit.start)).unwrap_or_default();
        self.shown().all.iter().map(|hit| fingerprint(text(hit))).collect()
    }

    /// The lines that are shown of a document, by their places among those of all.
    pub(super) fn shown_of(&self, document: u32) -> Result<Vec<usize>, SearchError> {
        let shown = self.shown();
        Ok(self.forms.runs(document)?.iter().flat_map(|run| shown.inside(*run)).collect())
    }

    /// The first of the lines that are shown of a document, each with its place among those of all.
    pub(super) fn lines(&self, document: u32, page: &PageRequest) -> Result<Vec<(usize, LineHit)>, SearchError> {
        let runs = self.forms.runs(document)?;
        let mut lines = Vec::new();
        let mut before = 0_u64;
        for (nth, run) in runs.iter().enumerate() {
            for place in self.shown().inside(*run) {
                let Some(hit) = self.shown().all.get(place) else { continue };
                if lines.len() == page.lines_per_file {
                    return Ok(lines);
                }
                let number = before + u64::from(hit.line - run.first) + 1;
                let shown = self.text(place, *hit, &runs, nth, page.context)?;
                lines.push((place, LineHit { number, raw: false, spans: Arc::default(), shown }));
            }
            before += u64::from(run.lines);
        }
        Ok(lines)
    }

    fn text(&self, place: usize, hit: Hit, runs: &[Run], nth: usize, context: usize) -> Result<Arc<LineText>, SearchError> {
        let reach = u32::try_from(context).unwrap_or(u32::MAX);
        let common = runs.get(nth).is_some_and(|run| {
            hit.line.checked_sub(reach).is_some_and(|first| first >= run.first) && hit.line.saturating_add(reach) < run.first + run.lines
        });
        let common = common || context == 0;
        if let Some(known) = self.texts.borrow().get(place).cloned().flatten().filter(|_| common) {
            return Ok(known);
        }
        let own = self.own(&hit);
        self.check(hit.block, own)?;
        let line = hit.start..line_end(own, hit.start);
        let mut text = excerpt(own, &line, marks_within(self.plan, own, &line));
        if context > 0 {
            text.before = around(runs, nth, hit.line, context, true).map(|line| self.plain(line)).collect::<Result<_, _>>()?;
            text.before.reverse();
            text.after = around(runs, nth, hit.line, context, false).map(|line| self.plain(line)).collect::<Result<_, _>>()?;
        }
        let text = Arc::new(text);
        if common {
            let mut texts = self.texts.borrow_mut();
            texts.resize(self.shown().all.len(), None);
            if let Some(slot) = texts.get_mut(place) {
                *slot = Some(Arc::clone(&text));
            }
        }
        Ok(text)
    }

    /// A line as it is shown beside another.
    fn plain(&self, number: u32) -> Result<String, SearchError> {
        let line = self.forms.line(self.index.documents.blocks(), number);
        let (own, line, block) = line.ok_or_else(|| SearchError::damaged("a line of a file is not there"))?;
        self.check(block, own)?;
        Ok(excerpt(own, &line, Vec::new()).text)
    }

    /// Checks that a block, of these own lines, is what was written: before anything of it is shown.
    fn check(&self, number: u32, own: &[u8]) -> Result<(), SearchError> {
        if self.intact.borrow().contains(&number) {
            return Ok(());
        }
        let block = self.index.documents.blocks().get(number);
        block.ok_or_else(|| SearchError::damaged("a line of a file is not there"))?.check(own)?;
        self.intact.borrow_mut().insert(number);
        Ok(())
    }

    fn own(&self, hit: &Hit) -> &'a [u8] {
        self.forms.all().get(hit.form).map(|form| form.own).unwrap_or_default()
    }

    /// The lines in which something is found that is shown.
    fn shown(&self) -> &Hits {
        self.shown.get_or_init(|| {
            let mut all: Vec<Hit> = self.plan.shown.iter().flat_map(|place| &self.hits(*place).all).copied().collect();
            if self.plan.shown.len() > 1 {
                all.sort_by_key(|hit| (hit.line, !hit.word));
                all.dedup_by_key(|hit| hit.line);
            }
            Hits::of(all, self.forms.lines())
        })
    }

    /// The lines in which a matcher is found.
    fn hits(&self, place: usize) -> &Hits {
        let found = self.found.get(place).zip(self.plan.matchers.get(place));
        found.map_or(&NONE, |(found, matcher)| found.get_or_init(|| Hits::of(self.look(place, matcher), self.forms.lines())))
    }

    fn look(&self, place: usize, matcher: &Matcher) -> Vec<Hit> {
        let among = self.bound.blocks.get(place).and_then(Option::as_ref);
        let blocks = self.index.documents.blocks();
        let mut hits = Vec::new();
        for (nth, form) in self.forms.all().iter().enumerate() {
            let all = blocks.of(form.document);
            for number in all.clone().filter(|number| among.is_none_or(|among| among.contains(*number))) {
                let Some(block) = blocks.get(number).filter(|block| !block.raw) else { continue };
                if (self.stop)() {
                    return hits;
                }
                let behind =
                    blocks.get(number + 1).filter(|next| number + 1 < all.end && !next.raw).map_or(form.lines.lines, |next| next.lines);
                let lines = Run { first: form.lines.first + block.lines, lines: behind.saturating_sub(block.lines) };
                let Some(piece) = form.own.get(block.range()) else { continue };
                for part in self.readable(lines) {
                    let (mut start, mut line) = (block.range().start, lines.first);
                    let mut text = piece;
                    if part != lines {
                        let from = nth_line(piece, part.first - lines.first);
                        let rest = piece.get(from..).unwrap_or_default();
                        text = rest.get(..nth_line(rest, part.lines)).unwrap_or_default();
                        (start, line) = (start + from, part.first);
                    }
                    let mut at = 0;
                    matcher.lines(text, |begin, found| {
                        let between = text.get(at..begin).unwrap_or_default();
                        line = line.saturating_add(u32::try_from(memchr::memchr_iter(b'\n', between).count()).unwrap_or(u32::MAX));
                        at = begin;
                        hits.push(Hit { line, form: nth, block: number, start: start + begin, word: is_word(text, found) });
                    });
                }
            }
        }
        hits
    }

    /// Of these neighbouring lines those that may be read.
    fn readable(&self, lines: Run) -> Vec<Run> {
        let Some(readable) = &self.readable else { return vec![lines] };
        let end = lines.first + lines.lines;
        let from = readable.partition_point(|run| run.first + run.lines <= lines.first);
        let inside = readable.iter().skip(from).take_while(|run| run.first < end);
        let cut = inside.map(|run| {
            let first = run.first.max(lines.first);
            Run { first, lines: end.min(run.first + run.lines) - first }
        });
        cut.collect()
    }
}

/// Lines in which something is found, in order.
struct Hits {
    all: Vec<Hit>,
    /// In how many of them it is a whole word.
    words: usize,
    /// Of each 64 lines of the path, in which of them something is found, and in how many before.
    places: Vec<(u64, u32)>,
}

static NONE: Hits = Hits { all: Vec::new(), words: 0, places: Vec::new() };

impl Hits {
    /// Of so many lines.
    fn of(all: Vec<Hit>, lines: u32) -> Self {
        let mut places = vec![(0_u64, 0_u32); if all.is_empty() { 0 } else { lines as usize / 64 + 1 }];
        for hit in &all {
            if let Some((bits, _)) = places.get_mut(hit.line as usize / 64) {
                *bits |= 1 << (hit.line % 64);
            }
        }
        let mut before = 0;
        for (bits, counted) in &mut places {
            *counted = before;
            before += bits.count_ones();
        }
        Self { words: all.iter().filter(|hit| hit.word).count(), all, places }
    }

    /// How many are before this line.
    fn before(&self, line: u32) -> usize {
        let place = self.places.get(line as usize / 64);
        place.map_or(self.all.len(), |(bits, before)| *before as usize + (bits & ((1 << (line % 64)) - 1)).count_ones() as usize)
    }

    /// The places of those in a run.
    fn inside(&self, run: Run) -> std::ops::Range<usize> {
        self.before(run.first)..self.before(run.first + run.lines)
    }
}

/// The lines that any of these documents has, in order.
fn lines_of(forms: &Forms<'_>, documents: &[u32]) -> Result<Vec<Run>, SearchError> {
    let mut all = Vec::new();
    for &document in documents {
        all.extend(forms.runs(document)?);
    }
    all.sort_unstable_by_key(|run| run.first);
    let mut joined: Vec<Run> = Vec::new();
    for run in all {
        match joined.last_mut() {
            Some(last) if run.first <= last.first + last.lines => {
                last.lines = last.lines.max(run.first + run.lines - last.first);
            }
            _ => joined.push(run),
        }
    }
    Ok(joined)
}

/// The lines before or behind one of a document, the nearest first.
fn around(runs: &[Run], nth: usize, line: u32, most: usize, before: bool) -> Box<dyn Iterator<Item = u32> + '_> {
    let Some(run) = runs.get(nth) else { return Box::new(std::iter::empty()) };
    let lines = |run: &Run| run.first..run.first + run.lines;
    if before {
        let earlier = runs.get(..nth).unwrap_or_default().iter().rev().flat_map(move |run| lines(run).rev());
        return Box::new((run.first..line).rev().chain(earlier).take(most));
    }
    let later = runs.get(nth + 1..).unwrap_or_default().iter().flat_map(lines);
    Box::new((line + 1..run.first + run.lines).chain(later).take(most))
}
