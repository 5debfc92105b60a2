//! Searching histories: changed lines and messages, as `type:diff` and `type:commit` ask for them.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::search::{CancelOnDrop, page_href, ran, saved_as, summary, versions_words};
use crate::access::Readable;
use crate::audit::Receipt;
use crate::catalog::name_text;
use crate::clock::Timestamp;
use crate::highlight::snippet_line;
use crate::search::{Budget, ChangeHit, CommitHit, HistoryResults, LineHit, PageRequest, Query, Sealed};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::html;
use crate::web::views::format;
use crate::web::views::history_search::{self as view, ChangedFile, ChangedLine, FoundCommit, HistoryPage, MessageLine};
use crate::web::views::search::Summary;
use crate::web::views::shell::{Notice, Place, Tone};

/// Changed files, or commits, on a page, and lines shown of one.
const PAGE: usize = 30;
const LINES: usize = 40;

/// Answers a query over histories with its page of this number, from 1.
pub(super) async fn answer(who: &Reader, portal: &AppState, (text, query): (String, Query), number: u64) -> Result<Response, WebError> {
    let kind = query.kind();
    let turn = portal.allowance.turn(who.principal.account()).await?;
    let scoped = portal.gate.scope(&who.principal, query).await?;
    let products: Vec<Readable> = scoped.products().to_vec();
    let offset = usize::try_from(number - 1).unwrap_or(usize::MAX).saturating_mul(PAGE);
    let budget = Budget {
        deadline: Some(Instant::now() + portal.config.search.deadline),
        bytes: portal.config.search.count_bytes,
        ..Budget::unlimited()
    };
    // When the reader goes away this future is dropped, and the work ends with it.
    let cancel = CancelOnDrop(Arc::clone(&budget.cancel));
    let request = PageRequest { offset, limit: PAGE, lines_per_file: LINES, context: 0, ..PageRequest::default() };
    let (room, words) = (Arc::clone(portal), text.clone());
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        room.searcher.run_history_scoped(&scoped, &words, &room.indexes, request, &budget)
    });
    let sealed = work.await?.map_err(WebError::internal)?;
    drop(cancel);
    let (results, receipt) = Sealed::open_history(portal.log.record(sealed, &who.visit.context).await?);
    ran(who, portal, &products).await?;
    if who.visit.wants_json {
        return Ok(Json(results_json(&text, number, &results, &receipt)).into_response());
    }
    let found = view::Results {
        messages: results.messages,
        commits: results.commits.iter().map(|hit| commit(hit, &products)).collect(),
        total_lines: results.total_lines,
        total_files: results.total_files,
        total_commits: results.total_commits,
        complete: results.complete,
        searched: results.searched,
        searchable: results.scope,
        page: number,
        previous: (number > 1).then(|| page_href(&text, number - 1)),
        next: results.next.map(|_| page_href(&text, number + 1)),
    };
    let mut shell = who.shell(portal, "Search", Place::Search).await?;
    shell.query.clone_from(&text);
    let saved_as = saved_as(who, portal, &text).await?;
    let summary = Summary {
        matched: found.matched_words(),
        coverage: found.coverage_words(),
        notices: notices(&results),
        ..summary(&text, kind, shell.csrf.clone(), saved_as, receipt.index)
    };
    html(&HistoryPage { shell, summary, results: found })
}

fn notices(results: &HistoryResults) -> Vec<Notice> {
    let mut notices = Vec::new();
    if !results.not_indexed.is_empty() {
        let count = format::counted(results.not_indexed.len() as u64, "version is", "versions are");
        notices.push(Notice::new(Tone::Look, format!("The history of {count} not indexed yet, so this is not everything.")));
    }
    if results.searched < results.scope {
        let text = "The search took too long and ended early: older commits were not looked at. Narrow it with path: or a longer word.";
        notices.push(Notice::new(Tone::Look, text));
    }
    if results.binary_files > 0 {
        let count = format::counted(results.binary_files, "change of a binary file was", "changes of binary files were");
        notices.push(Notice::new(Tone::Quiet, format!("{count} searched by path and the texts found inside.")));
    }
    if results.unread_files > 0 {
        let count = format::counted(results.unread_files, "change is", "changes are");
        notices.push(Notice::new(Tone::Danger, format!("{count} too large to be compared line by line, and searched by path only.")));
    }
    notices
}

fn commit(hit: &CommitHit, products: &[Readable]) -> FoundCommit {
    let product = products.iter().find(|one| one.product.name == hit.product);
    let id = hit.commit.to_string();
    FoundCommit {
        short: id.get(..10).unwrap_or(&id).to_owned(),
        id,
        subject: hit.subject.clone(),
        author: hit.author.clone(),
        at: Timestamp::from_seconds(hit.at).micros(),
        product: product.map_or_else(|| hit.product.clone(), |one| one.product.title.clone()),
        versions: span(&hit.versions),
        message: hit.message.iter().map(|line| MessageLine { number: line.number, html: marked(line) }).collect(),
        more: hit.message_lines.saturating_sub(hit.message.len() as u64),
        files: hit.files.iter().map(file).collect(),
    }
}

fn file(hit: &ChangeHit) -> ChangedFile {
    let note = match (hit.binary, hit.unread) {
        (true, _) => "A binary file: these are texts found in it.",
        (_, true) => "Too large to be compared line by line.",
        _ => "",
    };
    let lines = hit.lines.iter().map(|line| ChangedLine { added: line.added, number: line.line.number, html: marked(&line.line) });
    ChangedFile {
        path: name_text(hit.path.bytes()),
        note,
        lines: lines.collect(),
        more: hit.total_lines.saturating_sub(hit.lines.len() as u64),
    }
}

fn marked(line: &LineHit) -> crate::highlight::SourceHtml {
    let ranges: Vec<_> = line.ranges.iter().map(|&(start, end)| start..end).collect();
    snippet_line(&line.text, &ranges)
}

/// "in v2.1", "in v2.1 back to v2.0, 7 versions".
fn span(versions: &[String]) -> String {
    match versions {
        [] => String::new(),
        [only] => format!("in {only}"),
        [newest, .., oldest] => format!("in {newest} back to {oldest}, {}", versions_words(versions.len())),
    }
}

fn results_json(text: &str, number: u64, results: &HistoryResults, receipt: &Receipt) -> Value {
    let messages = results.messages;
    let line = |line: &LineHit| json!({"number": line.number, "text": line.text, "ranges": line.ranges});
    let file = |file: &ChangeHit| {
        let lines: Vec<Value> = file
            .lines
            .iter()
            .map(|one| {
                let sign = if one.added { "+" } else { "-" };
                json!({"sign": sign, "number": one.line.number, "text": one.line.text, "ranges": one.line.ranges})
            })
            .collect();
        json!({"path": file.path.to_string(), "binary": file.binary, "unread": file.unread, "total": file.total_lines, "lines": lines})
    };
    let commit = |hit: &CommitHit| {
        let versions = hit.versions.first().zip(hit.versions.last());
        let versions = versions.map(|(newest, oldest)| json!({"newest": newest, "oldest": oldest, "count": hit.versions.len()}));
        let mut commit = json!({
            "product": hit.product, "commit": hit.commit.to_string(), "author": hit.author,
            "at": Timestamp::from_seconds(hit.at).to_string(), "subject": hit.subject, "versions": versions,
            "files": hit.files.iter().map(file).collect::<Vec<_>>(),
        });
        if let (true, Some(fields)) = (messages, commit.as_object_mut()) {
            fields.insert("total".to_owned(), json!(hit.message_lines));
            fields.insert("lines".to_owned(), json!(hit.message.iter().map(line).collect::<Vec<_>>()));
        }
        commit
    };
    json!({
        "query": text, "type": if messages { "commit" } else { "diff" }, "total": results.total_lines, "total_files": results.total_files,
        "total_commits": results.total_commits, "complete": results.complete, "searched": results.searched, "searchable": results.scope,
        "next": results.next.map(|_| page_href(text, number + 1)), "commits": results.commits.iter().map(commit).collect::<Vec<_>>(),
        "files": [], "receipt": receipt,
    })
}
