//! What was found, in words and links.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::narrow;
use crate::access::{Readable, Scoped};
use crate::audit::Receipt;
use crate::highlight::{Limits, Snippet, SourceHtml, plain_line};
use crate::search::{Budget, FileHit, LineHit, PageRequest, PathHit, PathKind, Query, Results, Sealed, Span, Trait};
use crate::web::AppState;
use crate::web::allowance::Turn;
use crate::web::error::WebError;
use crate::web::pages::place::line_href;
use crate::web::views::format::{count, counted, series};
use crate::web::views::links;
use crate::web::views::search::{Form, HitFile, HitLine, Older};
use crate::web::views::shell::{Link, Notice, Tone};

/// Runs of versions that are named; of more it is said how many.
const SPANS: usize = 3;

/// Runs a search off the async threads. When the reader goes away this future is dropped, and the work ends with it.
pub(super) async fn run(
    portal: &AppState,
    scoped: Arc<Scoped<Query>>,
    text: String,
    page: PageRequest,
    deadline: Duration,
    turn: Turn,
) -> Result<Sealed<Results>, WebError> {
    let budget = Budget { deadline: Some(Instant::now() + deadline), bytes: portal.config.search.count_bytes, ..Budget::unlimited() };
    let cancel = CancelOnDrop(Arc::clone(&budget.cancel));
    let portal = Arc::clone(portal);
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        portal.searcher.run_scoped(&scoped, &text, &portal.indexes, page, &budget)
    });
    let sealed = work.await?.map_err(WebError::internal)?;
    drop(cancel);
    Ok(sealed)
}

/// Ends the work when nobody waits for it any more.
pub(in crate::web::pages) struct CancelOnDrop(pub(in crate::web::pages) Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Bytes of a line that is highlighted: one that is longer may take long by itself.
const PAINTED: usize = 400;

/// Makes cards of hits: highlighted, as far as that is done in time.
pub(super) struct Cards<'a> {
    pub(super) portal: &'a AppState,
    pub(super) readable: &'a [Readable],
    /// More than one version was searched.
    pub(super) many_versions: bool,
    /// There is more than one product to be told apart.
    pub(super) many_products: bool,
}

impl Cards<'_> {
    pub(super) async fn of(&self, hits: &[PathHit]) -> Vec<HitFile> {
        let snippets: Vec<Snippet> =
            hits.iter().flat_map(|hit| &hit.states).flat_map(|state| state.lines.iter().map(|line| snippet(state, line))).collect();
        // A small part of what a page with a file waits: there the highlighting is the page, here it is a help.
        let patience = self.portal.config.reading.highlight_deadline / 25;
        let limits = Limits { line_bytes: PAINTED, ..Limits::default() };
        let mut painted = self.portal.painter.snippets(snippets, limits, patience).await.into_iter();
        hits.iter().map(|hit| self.card(hit, &mut painted)).collect()
    }

    fn card(&self, hit: &PathHit, painted: &mut impl Iterator<Item = SourceHtml>) -> HitFile {
        let page_lines = self.portal.config.reading.page_lines as u64;
        let path = hit.path.to_string();
        let (directory, name) = path.rfind('/').map_or(("", path.as_str()), |slash| path.split_at(slash + 1));
        let mut forms = hit.states.iter().map(|state| (state, lines(state, page_lines, painted)));
        let (newest, newest_lines) = forms.next().map_or((None, Vec::new()), |(state, lines)| (Some(state), lines));
        let version = newest.and_then(|state| state.versions.first()).cloned().unwrap_or_default();
        let href = links::file(&hit.product, &version, hit.path.bytes());
        let shown = newest.map_or(0, |state| state.lines.len() as u64);
        let more = newest.map_or(0, |state| state.total_lines.saturating_sub(shown));
        let mut texts: Vec<&str> = newest.map(texts).unwrap_or_default();
        let mut older: Vec<Form> = Vec::new();
        let mut shown_forms = 0;
        for (state, lines) in forms {
            shown_forms += 1;
            let next = form(state, lines, &mut texts);
            match older.last_mut() {
                // One sentence for all that show nothing new.
                Some(last) if last.lines.is_empty() && next.lines.is_empty() && last.note == next.note => last.links.extend(next.links),
                _ => older.push(next),
            }
        }
        HitFile {
            directory: directory.to_owned(),
            name: name.to_owned(),
            product: self.many_products.then(|| self.title(&hit.product)),
            language: hit.language.clone(),
            kind: kind(hit.kind),
            span: span_words(hit, self.many_versions),
            gone: hit.gone.is_some(),
            binary: hit.binary.then(|| binary_words(newest.map_or(0, |state| state.total_lines))),
            more: (more > 0).then(|| Link {
                label: format!("{} in this file", counted(more, "more matching line", "more matching lines")),
                href: newest
                    .and_then(|state| state.lines.last())
                    .map_or(href.clone(), |line| line_href(&hit.product, &version, &hit.path, line.number, page_lines)),
            }),
            older: older_words(older, shown_forms, hit.more_states),
            lines: newest_lines,
            href,
            path,
        }
    }

    fn title(&self, name: &str) -> String {
        self.readable.iter().find(|one| one.product.name == name).map_or(name.to_owned(), |one| one.product.title.clone())
    }
}

fn snippet(state: &FileHit, line: &LineHit) -> Snippet {
    Snippet { path: state.path.to_string(), text: line.text.clone(), found: line.ranges.iter().map(|&(start, end)| start..end).collect() }
}

fn texts(state: &FileHit) -> Vec<&str> {
    state.lines.iter().map(|line| line.text.as_str()).collect()
}

/// An older state: its lines that no newer state has, so that what changed can be seen.
fn form<'a>(state: &'a FileHit, lines: Vec<HitLine>, seen: &mut Vec<&'a str>) -> Form {
    let all = state.lines.len() as u64;
    let fresh: Vec<u64> = state.lines.iter().filter(|line| !seen.contains(&line.text.as_str())).map(|line| line.number).collect();
    let lines: Vec<HitLine> = lines
        .into_iter()
        .filter(|line| line.matched && fresh.contains(&line.number))
        .map(|line| HitLine { gap_before: false, ..line })
        .collect();
    seen.extend(texts(state));
    let same = all.saturating_sub(lines.len() as u64);
    let note = match (same, lines.is_empty()) {
        (0, _) => None,
        (_, true) if all == 1 => Some("The same line as above.".to_owned()),
        (_, true) => Some(format!("The same {all} lines as above.")),
        (same, false) => Some(format!("{} as above, and:", counted(same, "line", "lines"))),
    };
    let version = state.versions.first().cloned().unwrap_or_default();
    let link = Link { label: versions_words(&state.versions), href: links::file(&state.product, &version, state.path.bytes()) };
    Form { links: vec![link], lines, note }
}

fn older_words(forms: Vec<Form>, shown: usize, more: usize) -> Option<Older> {
    let words = counted((shown + more) as u64, "earlier form of this file", "earlier forms of this file");
    let rest =
        (more > 0).then(|| format!("{} not shown here; name a version to see it.", counted(more as u64, "more form is", "more forms are")));
    (shown + more > 0).then_some(Older { words, forms, rest })
}

/// The lines with what is around them, leaving out what stands there already.
fn lines(state: &FileHit, page_lines: u64, painted: &mut impl Iterator<Item = SourceHtml>) -> Vec<HitLine> {
    let version = state.versions.first().cloned().unwrap_or_default();
    let matching: Vec<u64> = state.lines.iter().map(|line| line.number).collect();
    let mut lines: Vec<HitLine> = Vec::new();
    // The texts in a binary file have numbers and no place on a page.
    let line_of = |number| {
        if state.binary {
            return links::file(&state.product, &version, state.path.bytes());
        }
        line_href(&state.product, &version, &state.path, number, page_lines)
    };
    for line in &state.lines {
        let first = line.number.saturating_sub(line.before.len() as u64);
        let before = (first..).zip(&line.before).map(|(number, text)| (number, text, None));
        let own = painted.next().unwrap_or_else(|| plain_line(&line.text));
        let after = (line.number + 1..).zip(&line.after).map(|(number, text)| (number, text, None));
        for (number, text, html) in before.chain([(line.number, &line.text, Some(own))]).chain(after) {
            let (last, matched) = (lines.last().map_or(0, |line| line.number), html.is_some());
            // A blank line around says something only between two others; one that matches itself has its own turn.
            let joins = last + 1 == number && matching.contains(&(number + 1));
            if number <= last || !matched && (matching.contains(&number) || text.trim().is_empty() && !joins) {
                continue;
            }
            lines.push(HitLine {
                number,
                html: html.unwrap_or_else(|| plain_line(text)),
                matched,
                href: line_of(number),
                gap_before: last != 0 && number > last + 1,
                cut: if matched { (line.cut_front, line.cut_back) } else { (0, 0) },
            });
        }
    }
    lines
}

fn kind(kind: PathKind) -> Option<&'static str> {
    match kind {
        PathKind::Test => Some("test"),
        PathKind::Vendored => Some("vendored"),
        _ => None,
    }
}

fn binary_words(strings: u64) -> String {
    match strings {
        0 => "This is a binary file; its name matches.".to_owned(),
        1 => "1 string matches in this binary file.".to_owned(),
        many => format!("{} strings match in this binary file.", count(many)),
    }
}

/// "v2.1", "v2.0 to v2.1".
fn versions_words(versions: &[String]) -> String {
    match versions {
        [] => String::new(),
        [only] => only.clone(),
        [newest, .., oldest] => format!("{oldest} to {newest}"),
    }
}

fn run_words(span: &Span) -> String {
    if span.versions <= 1 { span.newest.clone() } else { format!("{} to {}", span.oldest, span.newest) }
}

/// In which versions a path matches: "v2.30.0 to v2.45.0, still there", "appeared in v4.1.5, gone in v4.1.6".
pub(super) fn span_words(hit: &PathHit, many_versions: bool) -> String {
    let runs: Vec<String> = hit.spans.iter().rev().map(run_words).collect();
    if !many_versions {
        return series(&runs);
    }
    let end = match (&hit.gone, &hit.introduced) {
        (Some(gone), _) => format!(", gone in {gone}"),
        (None, _) => ", still there".to_owned(),
    };
    match (&hit.introduced, runs.as_slice()) {
        (Some(first), [_]) => format!("appeared in {first}{end}"),
        (_, runs) if runs.len() > SPANS => {
            let (oldest, newest) = (hit.spans.last().map(|span| &span.oldest), hit.spans.first().map(|span| &span.newest));
            let (oldest, newest) = (oldest.cloned().unwrap_or_default(), newest.cloned().unwrap_or_default());
            format!("{oldest} to {newest} with {}{end}", counted(runs.len() as u64 - 1, "gap", "gaps"))
        }
        (_, runs) => format!("{}{end}", series(runs)),
    }
}

/// "Searched 38,112 of 38,112 files in v2.45.0."
pub(super) fn coverage_words(results: &Results, many_products: bool) -> String {
    let place = match results.coverage.as_slice() {
        [] => String::new(),
        [one] => {
            let product = if many_products { format!("{} ", one.product) } else { String::new() };
            match one.versions.as_slice() {
                [only] => format!(" in {product}{only}"),
                [] => String::new(),
                versions if many_products => format!(" in {} of {}", counted(versions.len() as u64, "version", "versions"), one.product),
                versions => format!(" in {}", counted(versions.len() as u64, "version", "versions")),
            }
        }
        several => format!(" in {} products", several.len()),
    };
    format!("Searched {} of {}{place}.", count(results.searched_files), counted(results.scope_files, "file", "files"))
}

/// What a reader must know before taking the answer for all there is.
pub(super) fn notices(results: &Results, query: &str, counts_all: bool) -> Vec<Notice> {
    let mut notices = Vec::new();
    if !results.not_indexed.is_empty() {
        let count = counted(results.not_indexed.len() as u64, "version is", "versions are");
        notices.push(Notice::new(Tone::Look, format!("{count} not indexed yet, so this is not everything.")));
    }
    if results.searched_files < results.scope_files {
        let text = if counts_all {
            "The search ended before every file was looked into, because it took too long. Narrow it with path: or lang:."
        } else {
            "Not every file was looked into: the totals are what is known so far."
        };
        let why = narrow::costly(query).map(|why| format!(" {why}")).unwrap_or_default();
        notices.push(Notice::new(Tone::Look, format!("{text}{why}")));
    }
    if results.unread_files > 0 {
        let count = counted(results.unread_files, "file", "files");
        notices.push(Notice::new(Tone::Danger, format!("{count} could not be read when the index was built.")));
    }
    notices
}

/// As a program reads it.
pub(super) fn json(text: &str, number: u64, results: &Results, next: Option<&str>, receipt: Option<&Receipt>) -> serde_json::Value {
    use serde_json::json;
    let files: Vec<_> = results
        .hits
        .iter()
        .flat_map(|hit| hit.states.iter().map(move |state| (hit, state)))
        .map(|(hit, state)| {
            let lines: Vec<_> =
                state.lines.iter().map(|line| json!({"number": line.number, "text": line.text, "ranges": line.ranges})).collect();
            json!({
                "product": state.product, "versions": state.versions, "path": state.path.to_string(), "blob": state.blob.to_string(),
                "language": state.language, "binary": state.binary, "introduced": hit.introduced, "gone": hit.gone,
                "total": state.total_lines, "lines": lines,
            })
        })
        .collect();
    let counts = |counts: &[crate::search::Count]| -> Vec<_> {
        counts.iter().map(|one| json!({"product": one.product, "value": one.value, "files": one.files})).collect()
    };
    let coverage: Vec<_> = results
        .coverage
        .iter()
        .map(|one| {
            json!({
                "product": one.product, "versions": one.versions, "files": one.files,
            })
        })
        .collect();
    let not_indexed: Vec<_> = results.not_indexed.iter().map(|one| json!({"product": one.product, "version": one.version})).collect();
    let facets = &results.facets;
    let kinds: Vec<_> = facets.kinds.iter().map(|(kind, files)| json!({"value": Trait::Kind(*kind).name(), "files": files})).collect();
    json!({
        "query": text, "page": number, "total": results.total_lines, "total_files": results.total_files, "total_paths": results.total_paths, "complete": results.complete,
        "searched": results.searched_files, "searchable": results.scope_files, "coverage": coverage, "not_indexed": not_indexed,
        "facets": {
            "languages": counts(&facets.languages), "directories": counts(&facets.directories),
            "versions": counts(&facets.versions), "kinds": kinds,
        },
        "next": next, "files": files, "receipt": receipt,
    })
}
