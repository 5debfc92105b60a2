//! The log for whoever verifies it: checkpoint, tiles, entry bundles, receipts (C2SP tlog-tiles).
//!
//! Checkpoint and hash tiles hold nothing but hashes of salted entries and are public; entry bundles name people by id and
//! go to auditors and to the verifier's token.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::accounts::Role;
use crate::audit::tiles::Resource;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::{Public, SignedIn, Verifying};
use crate::web::page::plain;

pub(super) async fn checkpoint(_: Public, State(portal): State<AppState>) -> Result<Response, WebError> {
    Ok(plain(portal.log.checkpoint().await?))
}

/// The key the portal says its checkpoints verify with. One handed over by other means proves more.
pub(super) async fn key(_: Public, State(portal): State<AppState>) -> Response {
    plain(format!("{}\n", portal.log.public_key()))
}

pub(super) async fn tile(_: Public, State(portal): State<AppState>, Path(tile): Path<String>) -> Result<Response, WebError> {
    let Ok(Resource::Tile { level, number, width }) = format!("tile/{tile}").parse() else {
        return Err(WebError::NotFound);
    };
    octets(portal.log.tile(level, number, width).await?)
}

pub(super) async fn entries(_: Verifying, State(portal): State<AppState>, Path(bundle): Path<String>) -> Result<Response, WebError> {
    let Ok(Resource::Entries { number, width }) = format!("tile/entries/{bundle}").parse() else {
        return Err(WebError::NotFound);
    };
    octets(portal.log.entry_bundle(number, width).await?)
}

fn octets(bytes: Option<Vec<u8>>) -> Result<Response, WebError> {
    let bytes = bytes.ok_or(WebError::NotFound)?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "private, max-age=31536000, immutable")];
    Ok((headers, bytes).into_response())
}

/// The proof that an entry is in the log: for auditors, and for whom the entry is about.
pub(super) async fn receipt(who: SignedIn, State(portal): State<AppState>, Path(index): Path<String>) -> Result<Response, WebError> {
    let index: u64 = index.parse().map_err(|_| WebError::NotFound)?;
    let entry = portal.log.entry(index).await?.ok_or(WebError::NotFound)?;
    let own = entry.actor.as_ref().is_some_and(|actor| actor.account == *who.principal.account());
    if !own && who.principal.role() != Role::Auditor {
        return Err(WebError::NotFound);
    }
    let proof = portal.log.receipt_file_with_entry(index).await?.ok_or(WebError::NotFound)?;
    let name = format!("attachment; filename=\"entry-{index}.tlog-proof\"");
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)], proof).into_response())
}
