//! The file finder: part of a name, and the files of one version that are called so.
//!
//! File names are source. What is found comes out of a search bound to its asker, and is recorded like completion before a name is sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::reading;
use crate::access::{Action, Entitled, Resource, Sought};
use crate::audit::Receipt;
use crate::catalog::Place;
use crate::highlight::snippet_line;
use crate::search::{Files, NamedFile, Sealed, Wanted};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::html;
use crate::web::views::find::{FindPage, FoundFile, FoundFiles, FoundPart};
use crate::web::views::reading::Seal;
use crate::web::views::{links, shell};

/// Files named in the dialog, on the page, and to a program.
const IN_DIALOG: usize = 20;
const ON_PAGE: usize = 100;
const IN_JSON: usize = 200;
/// Bytes of what is looked for.
const LONGEST: usize = 1_000;

pub(super) async fn find(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let text = who.visit.parameter("q");
    if text.len() > LONGEST {
        return Err(WebError::BadRequest(format!("What is looked for has {LONGEST} bytes at most.")));
    }
    let wish = reading::wish(&who, Action::List)?;
    let sought: Entitled<Sought> = portal.gate.entitle(&who.principal, wish, &who.visit.context).await?;
    let place = sought.resource().place().clone();
    let in_dialog = who.visit.parameter("part") == "list";
    let (name, line) = line_of(&text);
    if name.trim().is_empty() {
        return unasked(&who, &portal, &place, text).await;
    }
    let limit = match (who.visit.wants_json, in_dialog) {
        (true, _) => IN_JSON,
        (_, true) => IN_DIALOG,
        _ => ON_PAGE,
    };
    let wanted = Wanted { product: place.product.clone(), version: place.version.clone(), text: name.to_owned(), limit };
    let (found, receipt) = look(&who, &portal, wanted).await?;
    if who.visit.wants_json {
        return Ok(Json(program(&place, &text, &found, line, receipt)).into_response());
    }
    let files = FoundFiles {
        files: found.files.iter().map(|file| shown(&place, file, line, portal.config.reading.page_lines as u64)).collect(),
        total: found.total,
        searched: found.searched,
        indexed: found.indexed,
        seal: Seal { entry: receipt.index },
    };
    if in_dialog {
        return html(&FoundPart { found: files });
    }
    page(&who, &portal, &place, text, Some(files)).await
}

/// Nothing was typed: nothing is named, and a program is told what to say.
async fn unasked(who: &Reader, portal: &AppState, place: &Place, text: String) -> Result<Response, WebError> {
    if who.visit.wants_json {
        return Err(WebError::BadRequest("Say what to find, as in ?q=main.".to_owned()));
    }
    page(who, portal, place, text, None).await
}

async fn page(who: &Reader, portal: &AppState, place: &Place, query: String, found: Option<FoundFiles>) -> Result<Response, WebError> {
    let title = portal.catalog.product(&place.product).await?.map_or_else(|| place.product.clone(), |product| product.title);
    html(&FindPage {
        shell: who.shell(portal, "Find a file", shell::Place::Products).await?,
        product: title,
        product_href: links::product(&place.product),
        version: place.version.clone(),
        root_href: links::tree(&place.product, &place.version, b""),
        action: links::find(&place.product, &place.version),
        query,
        found,
    })
}

async fn look(who: &Reader, portal: &AppState, wanted: Wanted) -> Result<(Files, Receipt), WebError> {
    let turn = portal.allowance.turn(who.principal.account()).await?;
    let scoped = portal.gate.scope(&who.principal, wanted).await?;
    let room = Arc::clone(portal);
    let sealed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        room.indexes.find(&scoped)
    })
    .await?;
    Ok(Sealed::open_files(portal.log.record(sealed.noting("suggested", true), &who.visit.context).await?))
}

/// `name:12` is line 12 of a file called so.
fn line_of(text: &str) -> (&str, Option<u64>) {
    match text.trim_end().rsplit_once(':') {
        Some((name, "")) => (name, None),
        Some((name, line)) => match line.parse() {
            Ok(line @ 1..) => (name, Some(line)),
            _ => (text, None),
        },
        None => (text, None),
    }
}

fn shown(place: &Place, file: &NamedFile, line: Option<u64>, page_lines: u64) -> FoundFile {
    let path = file.path.to_string();
    let cut = path.rfind('/').map_or(0, |slash| slash + 1);
    let within = |from: usize, to: usize| {
        let part = path.get(from..to).unwrap_or_default();
        let inside = file.matched.iter().filter(|range| range.start < to && range.end > from);
        let marked: Vec<_> = inside.map(|range| range.start.max(from) - from..range.end.min(to) - from).collect();
        snippet_line(part, &marked)
    };
    FoundFile {
        directory: within(0, cut),
        name: within(cut, path.len()),
        href: match line {
            Some(line) => super::place::line_href(&place.product, &place.version, &file.path, line, page_lines),
            None => links::file(&place.product, &place.version, file.path.bytes()),
        },
        line,
    }
}

fn program(place: &Place, text: &str, found: &Files, line: Option<u64>, receipt: Receipt) -> serde_json::Value {
    let file = |file: &NamedFile| {
        let ranges: Vec<[usize; 2]> = file.matched.iter().map(|range| [range.start, range.end]).collect();
        json!({"path": file.path.to_string(), "blob": file.blob.to_string(), "line": line, "ranges": ranges})
    };
    json!({
        "product": place.product, "version": place.version, "query": text, "total": found.total, "searchable": found.searched,
        "complete": found.indexed, "files": found.files.iter().map(file).collect::<Vec<_>>(), "receipt": receipt,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_behind_a_colon_is_a_line() {
        assert_eq!(line_of("diff.c:120"), ("diff.c", Some(120)));
        assert_eq!(line_of("diff.c:"), ("diff.c", None));
        assert_eq!(line_of("diff.c:0"), ("diff.c:0", None));
        assert_eq!(line_of("a:b"), ("a:b", None));
        assert_eq!(line_of("diff"), ("diff", None));
    }
}
