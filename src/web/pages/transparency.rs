//! The log for whoever verifies it: checkpoint, tiles, entry bundles, receipts (C2SP tlog-tiles).
//!
//! Checkpoint and tiles hold nothing but hashes of salted entries and go to whoever is signed in and to witnesses, by their token;
//! entry bundles name people by id and go to auditors and to the verifier's token; an entry with its proof to whom it is about.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::audit::checkpoint_view;
use super::receipts::refusals;
use crate::accounts::Role;
use crate::audit::tiles::Resource;
use crate::audit::witness::{self, WitnessState};
use crate::audit::{Health, Kind, Refusals};
use crate::clock::Timestamp;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::{Entered, Public, SignedIn, Verifying, Witnessing};
use crate::web::page::{html, plain};
use crate::web::views::audit::Checkpoint;
use crate::web::views::shell::{Notice, Place, Tone};
use crate::web::views::transparency::{Transparency, WitnessRow, Witnessed};

/// The state of the log, and how it is verified.
pub(super) async fn overview(who: Entered, State(portal): State<AppState>) -> Result<Response, WebError> {
    let mut checkpoint = checkpoint_view(&portal).await?;
    checkpoint.verify_command = how_to_verify(who.person.role(), &checkpoint);
    let (tone, standing) = match portal.log.health() {
        Health::Open => (Tone::Done, "Every entry is on disk before what it tells of is shown.".to_owned()),
        Health::Closed => (Tone::Look, "The portal is ending, and records no more.".to_owned()),
        _ => (Tone::Danger, "The record cannot be written, so no source is shown until it can.".to_owned()),
    };
    html(&Transparency {
        shell: who.shell(&portal, "The record", Place::Receipts).await?,
        checkpoint,
        standing: Notice::new(tone, standing),
        handovers: portal.log.handovers(),
        reader: who.person.role() == Role::Reviewer,
        witnessed: portal.log.witnessing().await?.map(witnessed),
    })
}

fn witnessed(witnessing: witness::Witnessing) -> Witnessed {
    let row = |witness: WitnessState| WitnessRow {
        size: witness.size,
        at: witness.at.map(Timestamp::micros),
        state: witness.standing.as_str(),
        trouble: witness.standing.why().is_some(),
        name: witness.name,
    };
    Witnessed {
        size: witnessing.size,
        entries: witnessing.entries,
        exceeded: witnessing.exceeded,
        rows: witnessing.witnesses.into_iter().map(row).collect(),
    }
}

/// What this person can run to verify what they have.
pub(super) fn how_to_verify(role: Role, checkpoint: &Checkpoint) -> String {
    match role {
        Role::Auditor => format!("{} --token-file verifier.token", checkpoint.verify_command),
        _ => format!("lectern-verify receipts.tlog-proofs --key '{}'", checkpoint.verifier_key),
    }
}

/// How one key of the log vouches for the next.
pub(super) async fn handovers(_: Witnessing, State(portal): State<AppState>) -> Response {
    plain(portal.log.handovers())
}

pub(super) async fn checkpoint(_: Witnessing, State(portal): State<AppState>) -> Result<Response, WebError> {
    Ok(plain(portal.log.checkpoint().await?))
}

/// The key the portal says its checkpoints verify with. One handed over by other means proves more.
pub(super) async fn key(_: Public, State(portal): State<AppState>) -> Response {
    plain(format!("{}\n", portal.log.public_key()))
}

pub(super) async fn tile(_: Witnessing, State(portal): State<AppState>, Path(tile): Path<String>) -> Result<Response, WebError> {
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
    let bare = entry.kind == Kind::AccessDenied && refusals(who.principal.role()) == Refusals::Bare;
    let proof = if bare { portal.log.receipt_file(index).await? } else { portal.log.receipt_file_with_entry(index).await? };
    let proof = proof.ok_or(WebError::NotFound)?;
    let name = format!("attachment; filename=\"entry-{index}.tlog-proof\"");
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)], proof).into_response())
}
