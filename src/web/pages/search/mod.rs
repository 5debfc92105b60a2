//! Searching what one may read. The query is bound to its asker's rights before it runs, and what was found is opened only
//! when the entry that names it is durable. An answer that takes long is sent piece by piece, each recorded before it leaves.

mod edit;
mod export;
mod narrow;
mod results;
mod saved;
mod stream;
mod suggest;

pub(super) use export::export;
pub(super) use results::CancelOnDrop;
pub(super) use saved::{remove, rename, save};
pub(super) use suggest::suggest;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::history_search;
use crate::access::Readable;
use crate::audit::Receipt;
use crate::ids::SavedSearchId;
use crate::search::{PageRequest, Query, Results, Type};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::html;
use crate::web::views::format;
use crate::web::views::links;
use crate::web::views::reading::Seal;
use crate::web::views::search::{self as view, Outcome, QueryError, SearchPage, Summary, matched_words};
use crate::web::views::shell::{Link, Place, Shell};
use results::Cards;
use stream::Parts;

/// Paths on a page, and for programs.
const PATHS: usize = 20;
/// Lines shown of one file: enough to see what it is about. Programs are given more.
const LINES: usize = 10;
const LINES_JSON: usize = 50;
/// Files of one path that differ in their bytes.
const STATES: usize = 20;
/// Lines around each.
const CONTEXT: usize = 1;
/// Where everything is to be counted, a search takes as long as it takes, within this.
const EXHAUSTIVE: Duration = Duration::from_secs(600);

/// A question that was understood.
struct Asked {
    /// As typed.
    text: String,
    /// From 1.
    page: u64,
    readable: Vec<Readable>,
    counts_all: bool,
    kind: Type,
}

pub(super) async fn search(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let (query, number) = (who.visit.parameter("q"), who.visit.parameter("page"));
    if query.trim().is_empty() {
        if who.visit.wants_json {
            return Err(WebError::BadRequest("Say what to search for, as in ?q=memcpy.".to_owned()));
        }
        return start_page(&who, &portal, None).await;
    }
    let Ok(page @ 1..=100_000) = (if number.is_empty() { "1" } else { number.as_str() }).parse::<u64>() else {
        return Err(WebError::BadRequest("A page is a number from 1 to 100,000.".to_owned()));
    };
    // An expression may take long to be made ready, which nobody else is to wait for.
    let typed = query.clone();
    match tokio::task::spawn_blocking(move || Query::parse(&typed)).await? {
        Ok(parsed) if matches!(parsed.kind(), Type::Diff | Type::Commit) => {
            history_search::answer(&who, &portal, (query, parsed), page).await
        }
        Ok(parsed) => answer(&who, &portal, query, parsed, page).await,
        Err(error) if who.visit.wants_json => {
            let body = json!({"error": {
                "code": "bad_query", "message": error.message, "hint": error.hint, "start": error.span.start, "end": error.span.end,
            }});
            Ok((StatusCode::BAD_REQUEST, Json(body)).into_response())
        }
        Err(error) => {
            let error = QueryError { start: error.span.start, end: error.span.end, message: error.message, hint: error.hint };
            let shell = shell(&who, &portal, &query).await?;
            let page = html(&SearchPage { shell, query, outcome: Outcome::Invalid(error) })?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
    }
}

async fn shell(who: &Reader, portal: &AppState, query: &str) -> Result<Shell, WebError> {
    let mut shell = who.shell(portal, "Search", Place::Search).await?;
    query.clone_into(&mut shell.query);
    Ok(shell)
}

async fn start_page(who: &Reader, portal: &AppState, problem: Option<String>) -> Result<Response, WebError> {
    let shell = shell(who, portal, "").await?;
    let start = saved::start(who, portal, shell.csrf.clone(), problem).await?;
    html(&SearchPage { shell, query: String::new(), outcome: Outcome::Unasked(start) })
}

async fn answer(who: &Reader, portal: &AppState, text: String, query: Query, page: u64) -> Result<Response, WebError> {
    let (counts_all, kind) = (query.counts_all(), query.kind());
    // The turn may have to be waited for: what may be read is decided when it has come.
    let turn = portal.allowance.turn(who.principal.account()).await?;
    let scoped = portal.gate.scope(&who.principal, query).await?;
    let asked = Asked { text, page, readable: scoped.products().to_vec(), counts_all, kind };
    let request = PageRequest {
        offset: usize::try_from(page - 1).unwrap_or(usize::MAX).saturating_mul(PATHS),
        limit: PATHS,
        lines_per_file: if who.visit.wants_json { LINES_JSON } else { LINES },
        context: CONTEXT,
        states_per_path: STATES,
    };
    let deadline = if counts_all { EXHAUSTIVE } else { portal.config.search.deadline };
    let mut parts = Parts::of(portal, scoped, asked.text.clone(), request, deadline, turn);
    let patience = if who.visit.wants_json { EXHAUSTIVE } else { portal.config.search.stream_after };
    let ready = parts.ready_within(patience).await?;
    // Recorded before the status line: when the log cannot take it, the answer is 503 and shows nothing.
    let mut found = Found::default();
    for part in ready {
        let (part, receipt) = stream::record(portal, part, &who.visit.context).await?;
        found.take(part, receipt);
    }
    ran(who, portal, &asked.readable).await?;
    if who.visit.wants_json {
        let next = asked.next(&found.results);
        let body = results::json(&asked.text, page, &found.results, next.as_deref(), found.receipts.first());
        return Ok(Json(body).into_response());
    }
    let shell = shell(who, portal, &asked.text).await?;
    let saved_as = saved_as(who, portal, &asked.text).await?;
    if parts.are_over() {
        let files = asked.cards(portal, &found.results).of(&found.results.hits).await;
        let summary = asked.summary(&found, shell.csrf.clone(), saved_as);
        let results = asked.page(summary, files, &found.results);
        return html(&SearchPage { shell, query: asked.text, outcome: Outcome::Found(Box::new(results)) });
    }
    let context = who.visit.context.clone();
    stream::respond(portal, shell, asked, saved_as, found, parts, context)
}

/// What stands above results of any kind: what is not told here, is not known of them.
pub(super) fn summary(text: &str, kind: Type, csrf: String, saved_as: Option<String>, entry: u64) -> Summary {
    Summary {
        query: text.to_owned(),
        csrf,
        seal: Seal { entry },
        more_entries: 0,
        matched: String::new(),
        coverage: String::new(),
        tabs: narrow::tabs(text, kind),
        count_everything: None,
        exports: Vec::new(),
        saved_as,
        facets: Vec::new(),
        notices: Vec::new(),
    }
}

pub(super) fn page_href(text: &str, number: u64) -> String {
    links::query("/search", &[("q", text), ("page", &number.to_string())])
}

/// What was found so far, and the entries that say so.
#[derive(Default)]
struct Found {
    results: Results,
    receipts: Vec<Receipt>,
}

impl Found {
    /// Takes a further part in: its hits come behind, its totals take the place of those before.
    fn take(&mut self, part: Results, receipt: Receipt) {
        let mut hits = std::mem::take(&mut self.results.hits);
        self.results = part;
        hits.append(&mut self.results.hits);
        self.results.hits = hits;
        self.receipts.push(receipt);
    }
}

impl Asked {
    fn cards<'a>(&'a self, portal: &'a AppState, results: &Results) -> Cards<'a> {
        Cards {
            portal,
            readable: &self.readable,
            many_versions: results.coverage.iter().any(|one| one.versions.len() > 1),
            many_products: self.readable.len() > 1,
        }
    }

    fn next(&self, results: &Results) -> Option<String> {
        results.next.map(|_| page_href(&self.text, self.page + 1))
    }

    fn page(&self, summary: Summary, files: Vec<view::HitFile>, results: &Results) -> view::Results {
        view::Results {
            summary,
            page: self.page,
            previous: (self.page > 1).then(|| page_href(&self.text, self.page - 1)),
            next: self.next(results),
            instead: if results.hits.is_empty() { narrow::instead(&self.text) } else { Vec::new() },
            nothing: results.hits.is_empty(),
            files,
        }
    }

    fn summary(&self, found: &Found, csrf: String, saved_as: Option<String>) -> Summary {
        let results = &found.results;
        // Where it is one of each product, their number says nothing.
        let several = results.coverage.iter().any(|one| one.versions.len() > 1);
        let versions = if several { results.coverage.iter().map(|one| one.versions.len()).sum() } else { 1 };
        let export = |format: &str, label: &str| Link {
            label: label.to_owned(),
            href: links::query("/search/export", &[("q", &self.text), ("format", format)]),
        };
        let can_export = results.total_paths > 0 && matches!(self.kind, Type::File | Type::Path);
        let entry = found.receipts.first().map_or(0, |receipt| receipt.index);
        Summary {
            more_entries: found.receipts.len().saturating_sub(1) as u64,
            matched: matched_words(results.total_lines, results.total_paths, versions, results.complete),
            coverage: results::coverage_words(results, self.readable.len() > 1),
            count_everything: (!results.complete && !self.counts_all && results.searched_files < results.scope_files)
                .then(|| edit::set(&self.text, "count", Some("all")))
                .flatten()
                .map(|all| links::query("/search", &[("q", &all)])),
            exports: if can_export { vec![export("csv", "Export as CSV"), export("jsonl", "Export as JSON Lines")] } else { Vec::new() },
            facets: narrow::facets(&self.text, results, &self.readable),
            notices: results::notices(results, &self.text, self.counts_all),
            ..summary(&self.text, self.kind, csrf, saved_as, entry)
        }
    }
}

/// Notes that a saved search was run, when this was one.
pub(super) async fn ran(who: &Reader, portal: &AppState, readable: &[Readable]) -> Result<(), WebError> {
    let id = who.visit.parameter("saved");
    if !id.is_empty() {
        portal.inspection.ran(&who.principal, &SavedSearchId::known(id), &saved::newest(readable)).await?;
    }
    Ok(())
}

pub(super) async fn saved_as(who: &Reader, portal: &AppState, text: &str) -> Result<Option<String>, WebError> {
    let saved = portal.inspection.saved_searches(&who.principal).await?;
    Ok(saved.into_iter().find(|search| search.query == text).map(|search| search.name))
}

/// "1 version", "3 versions".
pub(super) fn versions_words(count: usize) -> String {
    format::counted(count as u64, "version", "versions")
}
