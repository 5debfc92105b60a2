//! Searching what one may read. The query is bound to its asker's rights before it runs, and what was found is opened only
//! when the entry that names it is durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::history_search;
use super::place::line_href;
use crate::access::{Readable, Scoped};
use crate::audit::Receipt;
use crate::highlight::{plain_line, snippet_line};
use crate::search::{Budget, FileHit, LineHit, PageRequest, Query, Results, Sealed, Type};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::html;
use crate::web::views::format;
use crate::web::views::links;
use crate::web::views::reading::Seal;
use crate::web::views::search::{self as view, HitFile, HitLine, Outcome, QueryError, SearchPage};
use crate::web::views::shell::{Notice, Place, Tone};

/// Files on a page, lines shown of one, and lines around each.
const FILES: usize = 20;
const LINES: usize = 50;
const CONTEXT: usize = 1;
/// Bytes of text that are read to learn what matches, and how long that may take.
pub(super) const BYTES: u64 = 1 << 30;
pub(super) const DEADLINE: Duration = Duration::from_secs(15);

pub(super) async fn search(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let (query, number) = (who.visit.parameter("q"), who.visit.parameter("page"));
    if query.trim().is_empty() {
        if who.visit.wants_json {
            return Err(WebError::BadRequest("Say what to search for, as in ?q=memcpy.".to_owned()));
        }
        return page(&who, &portal, query, Outcome::Unasked).await;
    }
    let Ok(page_number @ 1..=100_000) = (if number.is_empty() { "1" } else { number.as_str() }).parse::<u64>() else {
        return Err(WebError::BadRequest("A page is a number from 1 to 100,000.".to_owned()));
    };
    match Query::parse(&query) {
        Ok(parsed) if matches!(parsed.kind(), Type::Diff | Type::Commit) => {
            history_search::answer(&who, &portal, (query, parsed), page_number).await
        }
        Ok(parsed) => answer(&who, &portal, query, parsed, page_number).await,
        Err(error) if who.visit.wants_json => {
            let body = json!({"error": {
                "code": "bad_query", "message": error.message, "hint": error.hint, "start": error.span.start, "end": error.span.end,
            }});
            Ok((StatusCode::BAD_REQUEST, Json(body)).into_response())
        }
        Err(error) => {
            let error = QueryError { start: error.span.start, end: error.span.end, message: error.message, hint: error.hint };
            let page = page(&who, &portal, query, Outcome::Invalid(error)).await?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
    }
}

async fn page(who: &Reader, portal: &AppState, query: String, outcome: Outcome) -> Result<Response, WebError> {
    let mut shell = who.shell(portal, "Search", Place::Search).await?;
    shell.query.clone_from(&query);
    html(&SearchPage { shell, query, outcome })
}

async fn answer(who: &Reader, portal: &AppState, text: String, query: Query, number: u64) -> Result<Response, WebError> {
    let scoped = portal.gate.scope(&who.principal, query).await?;
    let products: Vec<Readable> = scoped.products().to_vec();
    let offset = usize::try_from(number - 1).unwrap_or(usize::MAX).saturating_mul(FILES);
    let sealed = run(portal, scoped, text.clone(), offset).await?;
    let (results, receipt) = Sealed::open(portal.log.record(sealed, &who.visit.context).await?);
    if who.visit.wants_json {
        return Ok(Json(results_json(&text, number, &results, receipt)).into_response());
    }
    let page_lines = portal.config.reading.page_lines as u64;
    let found = view::Results {
        seal: Seal { entry: receipt.index },
        files: results.hits.iter().flat_map(|hit| &hit.states).map(|hit| file(hit, &products, page_lines)).collect(),
        matching_lines: results.total_lines,
        matching_files: results.total_files,
        complete: results.complete,
        searched: results.searched_files,
        searchable: results.scope_files,
        page: number,
        previous: (number > 1).then(|| page_href(&text, number - 1)),
        next: results.next.map(|_| page_href(&text, number + 1)),
        facets: Vec::new(),
        notices: notices(&results),
    };
    page(who, portal, text, Outcome::Found(found)).await
}

async fn run(portal: &AppState, scoped: Scoped<Query>, text: String, offset: usize) -> Result<Sealed<Results>, WebError> {
    let budget = Budget { deadline: Some(Instant::now() + DEADLINE), bytes: BYTES, ..Budget::unlimited() };
    // When the reader goes away this future is dropped, and the work ends with it.
    let cancel = CancelOnDrop(Arc::clone(&budget.cancel));
    let request = PageRequest { offset, limit: FILES, lines_per_file: LINES, context: CONTEXT, ..PageRequest::default() };
    let permit = Arc::clone(&portal.searches).acquire_owned().await.map_err(WebError::internal)?;
    let portal = Arc::clone(portal);
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        portal.searcher.run_scoped(&scoped, &text, &portal.indexes, request, &budget)
    });
    let sealed = work.await?.map_err(WebError::internal)?;
    drop(cancel);
    Ok(sealed)
}

pub(super) struct CancelOnDrop(pub(super) Arc<std::sync::atomic::AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

pub(super) fn page_href(text: &str, number: u64) -> String {
    links::query("/search", &[("q", text), ("page", &number.to_string())])
}

fn notices(results: &Results) -> Vec<Notice> {
    let mut notices = Vec::new();
    if !results.not_indexed.is_empty() {
        let count = format::counted(results.not_indexed.len() as u64, "version is", "versions are");
        let text = format!("{count} not indexed yet, so this is not everything.");
        notices.push(Notice::new(Tone::Look, text));
    }
    if results.searched_files < results.scope_files {
        notices.push(Notice::new(Tone::Look, "The search took too long and ended early. Narrow it with file: or a longer word."));
    }
    if results.binary_files > 0 {
        let count = format::counted(results.binary_files, "binary file was", "binary files were");
        notices.push(Notice::new(Tone::Quiet, format!("{count} searched by name only.")));
    }
    if results.unread_files > 0 {
        let count = format::counted(results.unread_files, "file", "files");
        notices.push(Notice::new(Tone::Danger, format!("{count} could not be read when the index was built.")));
    }
    notices
}

/// "1 version", "3 versions".
pub(super) fn versions_words(count: usize) -> String {
    format::counted(count as u64, "version", "versions")
}

fn file(hit: &FileHit, products: &[Readable], page_lines: u64) -> HitFile {
    let version = hit.versions.first().cloned().unwrap_or_default();
    let product = products.iter().find(|one| one.product.name == hit.product);
    let mut lines = Vec::new();
    let mut last = 0;
    for line in &hit.lines {
        push_lines(&mut lines, &mut last, hit, line, &version, page_lines);
    }
    let shown = hit.lines.len() as u64;
    HitFile {
        path: hit.path.to_string(),
        href: links::file(&hit.product, &version, hit.path.bytes()),
        product: product.map_or_else(|| hit.product.clone(), |one| one.product.title.clone()),
        versions: span(&hit.versions),
        lines,
        more: hit.total_lines.saturating_sub(shown),
    }
}

/// A matching line with what is around it, leaving out what stands there already.
fn push_lines(lines: &mut Vec<HitLine>, last: &mut u64, hit: &FileHit, line: &LineHit, version: &str, page_lines: u64) {
    let href = |number| line_href(&hit.product, version, &hit.path, number, page_lines);
    let first = line.number.saturating_sub(line.before.len() as u64);
    let mut gap = *last != 0 && first > *last + 1;
    let mut push = |number: u64, html, matched: bool| {
        // A line of context may match itself: its own turn comes.
        if number > *last {
            lines.push(HitLine { number, html, matched, href: href(number), gap_before: std::mem::take(&mut gap) });
            *last = number;
        }
    };
    for (number, text) in (first..).zip(&line.before) {
        push(number, plain_line(text), false);
    }
    let ranges: Vec<_> = line.ranges.iter().map(|&(start, end)| start..end).collect();
    push(line.number, snippet_line(&line.text, &ranges), true);
    for (number, text) in (line.number + 1..).zip(&line.after) {
        if !hit.lines.iter().any(|other| other.number == number) {
            push(number, plain_line(text), false);
        }
    }
}

/// "v2.1", "v2.0 to v2.1, 7 versions".
fn span(versions: &[String]) -> String {
    match versions {
        [] => String::new(),
        [only] => only.clone(),
        [newest, .., oldest] => format!("{oldest} to {newest}, {}", versions_words(versions.len())),
    }
}

fn results_json(text: &str, number: u64, results: &Results, receipt: Receipt) -> serde_json::Value {
    let files: Vec<_> = results
        .hits
        .iter()
        .flat_map(|hit| &hit.states)
        .map(|hit| {
            let lines: Vec<_> =
                hit.lines.iter().map(|line| json!({"number": line.number, "text": line.text, "ranges": line.ranges})).collect();
            json!({
                "product": hit.product, "versions": hit.versions, "path": hit.path.to_string(), "blob": hit.blob.to_string(),
                "total": hit.total_lines, "lines": lines,
            })
        })
        .collect();
    json!({
        "query": text, "total": results.total_lines, "total_files": results.total_files, "complete": results.complete,
        "searched": results.searched_files, "searchable": results.scope_files,
        "next": results.next.map(|_| page_href(text, number + 1)), "files": files, "receipt": receipt,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_name_the_ends() {
        let names = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(span(&names(&["v2"])), "v2");
        assert_eq!(span(&names(&["v3", "v2", "v1"])), "v1 to v3, 3 versions");
    }
}
