//! Everybody's own receipts: the entries about what they did, each with its proof, singly or all in one file.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::audit::filter::Wanted;
use super::audit::{Parameters, checkpoint_view, row};
use super::transparency::how_to_verify;
use crate::accounts::Role;
use crate::audit::{AuditError, Entry, Filter, Log, Refusals};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::SignedIn;
use crate::web::page::{Pieces, html};
use crate::web::views::links;
use crate::web::views::shell::Place;
use crate::web::views::transparency::ReceiptsPage;

/// Receipts on one page.
const PAGE: usize = 100;
/// Pieces that wait for a slow reader.
const WAITING: usize = 2;
const LIST: &str = "/transparency/receipts";
const BUNDLE: &str = "/transparency/receipts/bundle";

/// What of one's own entries is asked for.
struct Own {
    wanted: Wanted,
    filter: Result<Filter, String>,
}

impl Own {
    fn of(who: &SignedIn, parameters: Vec<(String, String)>) -> Self {
        // Whose they are is not for the address to say.
        let own = parameters.into_iter().filter(|(name, _)| !matches!(name.as_str(), "person" | "agency"));
        let wanted = Wanted::of(own.collect());
        let account = Some(who.principal.account().to_string());
        let filter = wanted.read().map(|chosen| Filter { account, ..chosen.filter });
        Self { wanted, filter }
    }
}

pub(super) async fn list(who: SignedIn, State(portal): State<AppState>, Query(parameters): Parameters) -> Result<Response, WebError> {
    let Own { wanted, filter } = Own::of(&who, parameters);
    let (page, count, problem) = match filter {
        Ok(filter) => {
            let count = portal.log.count(&Filter { before: None, ..filter.clone() }).await?;
            (Some(portal.log.list(&filter, PAGE).await?), count, None)
        }
        Err(problem) if who.visit.wants_json => return Err(WebError::BadRequest(problem)),
        Err(problem) => (None, 0, Some(problem)),
    };
    let (entries, next) = page.map(|page| (page.entries, page.next)).unwrap_or_default();
    let values = wanted.into_values();
    let chosen = [("product", values.product.as_str()), ("path", &values.path), ("from", &values.from), ("until", &values.until)];
    let address = |to: &str, before: &str| links::query(to, &[chosen.as_slice(), &[("before", before)]].concat());
    let older = next.map(|before| address(LIST, &before.to_string()));
    if who.visit.wants_json {
        let receipts: Vec<Value> = entries.iter().map(receipt_json).collect();
        return Ok(Json(json!({"count": count, "receipts": receipts, "next": older, "bundle": address(BUNDLE, "")})).into_response());
    }
    let mut checkpoint = checkpoint_view(&portal).await?;
    checkpoint.verify_command = how_to_verify(who.principal.role(), &checkpoint);
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = ReceiptsPage {
        shell: who.shell(&portal, "Your receipts", Place::Receipts).await?,
        checkpoint,
        count,
        everything: chosen.iter().all(|(_, value)| value.is_empty()),
        rows: entries.iter().map(row).collect(),
        older,
        bundle: address(BUNDLE, ""),
        filter: values,
        problem,
    };
    Ok((status, html(&page)?).into_response())
}

fn receipt_json(entry: &Entry) -> Value {
    json!({
        "index": entry.index,
        "at": entry.at.to_string(),
        "kind": entry.kind.as_str(),
        "outcome": entry.outcome.as_str(),
        "leaf": data_encoding::HEXLOWER.encode(&entry.leaf),
        "place": entry.place.as_ref().map(|place| json!({
            "product": place.product,
            "version": place.version,
            "path": place.path.as_ref().map(|path| &path.text),
            "blob": place.blob,
        })),
        "receipt": links::receipt(entry.index),
    })
}

/// All of them in one file.
pub(super) async fn bundle(who: SignedIn, State(portal): State<AppState>, Query(parameters): Parameters) -> Result<Response, WebError> {
    let filter = Own::of(&who, parameters).filter.map_err(WebError::BadRequest)?;
    file(&portal.log, filter, refusals(who.principal.role())).await
}

/// Why somebody was refused is told to auditors only.
pub(super) fn refusals(role: Role) -> Refusals {
    if role == Role::Auditor { Refusals::Whole } else { Refusals::Bare }
}

/// A bundle that is made while it is sent. An error breaks it off, so that a part never passes for the whole.
pub(super) async fn file(log: &Log, filter: Filter, refusals: Refusals) -> Result<Response, WebError> {
    let mut bundle = log.receipts(filter, refusals).await?;
    let (to, pieces) = mpsc::channel::<Result<Bytes, AuditError>>(WAITING);
    tokio::spawn(async move {
        loop {
            let piece = match bundle.next().await {
                Ok(Some(piece)) => Ok(Bytes::from(piece)),
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(%error, "a file of receipts broke off");
                    Err(error)
                }
            };
            let ended = piece.is_err();
            // A reader who goes away ends it.
            if to.send(piece).await.is_err() || ended {
                return;
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"receipts.tlog-proofs\""),
    ];
    Ok((headers, Body::from_stream(Pieces(pieces))).into_response())
}
