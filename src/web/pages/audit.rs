//! The log as auditors read it. Looking at it is recorded before anything of it is shown.

mod fields;
pub(super) mod filter;
mod names;
mod words;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

use self::filter::Wanted;
pub(super) use self::names::named;
pub(super) use self::words::row;
use crate::accounts::done_by;
use crate::audit::{self, Draft, Entry, Kind, Note, Outcome, Page};
use crate::ids::AgencyId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::{Auditing, SignedIn};
use crate::web::page::html;
use crate::web::views::audit::{Checkpoint, EntryPage, LogPage};
use crate::web::views::forms::Choice;
use crate::web::views::shell::Place;

/// Entries on one page.
const PAGE: usize = 100;

/// An address's parameters as they were sent; a name may come twice.
pub(super) type Parameters = Query<Vec<(String, String)>>;

pub(super) async fn list(who: Auditing, State(portal): State<AppState>, Query(parameters): Parameters) -> Result<Response, WebError> {
    let wanted = wanted(&portal, parameters).await?;
    let chosen = match wanted.read() {
        Ok(chosen) => chosen,
        Err(problem) => return refused(&who, &portal, wanted, problem).await,
    };
    let draft = chosen.describe(viewed(&who).fact("page", "list"), &wanted);
    portal.log.append(draft, &who.visit.context).await?;
    let page = portal.log.list(&chosen.filter, PAGE).await?;
    if who.visit.wants_json {
        return Ok(Json(list_json(&wanted, &page, portal.log.size().await?)).into_response());
    }
    html(&list_page(&who, &portal, wanted, page).await?)
}

/// What an address asks for. An agency named by its slug or its whole name becomes that agency, whatever it was called before.
pub(super) async fn wanted(portal: &AppState, parameters: Vec<(String, String)>) -> Result<Wanted, WebError> {
    let mut wanted = Wanted::of(parameters);
    if let Some(agency) = portal.entitlements.agency(&wanted.values.agency).await? {
        wanted.values.agency = agency.id.to_string();
    }
    Ok(wanted)
}

/// The entry that says somebody looked at the log.
pub(super) fn viewed(who: &SignedIn) -> Draft {
    let mut draft = done_by(&who.principal, Kind::AuditViewed);
    draft.outcome = Outcome::Permitted;
    draft
}

/// A filter that cannot be understood: the page without entries, and what to write instead.
async fn refused(who: &SignedIn, portal: &AppState, wanted: Wanted, problem: String) -> Result<Response, WebError> {
    if who.visit.wants_json {
        return Err(WebError::BadRequest(problem));
    }
    let nothing = Page { entries: Vec::new(), next: None };
    let mut page = list_page(who, portal, wanted, nothing).await?;
    page.problem = Some(problem);
    Ok((StatusCode::BAD_REQUEST, html(&page)?).into_response())
}

async fn list_page(who: &SignedIn, portal: &AppState, wanted: Wanted, page: Page) -> Result<LogPage, WebError> {
    let entries = named(portal, page.entries).await?;
    let mut shell = who.shell(portal, "The log", Place::Log).await?;
    shell.query.clone_from(&wanted.values.path);
    let (agencies, products) = (agencies(portal).await?, products(portal).await?);
    Ok(LogPage {
        shell,
        checkpoint: checkpoint_view(portal).await?,
        kinds: Kind::ALL.iter().map(|kind| Choice { value: kind.to_string(), label: words::label(kind.words()) }).collect(),
        chips: wanted.chips(&[agencies.as_slice(), &products].concat()),
        agencies,
        products,
        problem: None,
        entries: entries.iter().map(row).collect(),
        older: page.next.map(|before| wanted.older(before)),
        newest: (!wanted.before.is_empty()).then(|| wanted.newest()),
        filter: wanted.values,
    })
}

pub(super) async fn agencies(portal: &AppState) -> Result<Vec<Choice>, WebError> {
    let agencies = portal.entitlements.agencies().await?.into_iter();
    Ok(agencies.map(|agency| Choice { value: agency.id.to_string(), label: agency.name }).collect())
}

pub(super) async fn products(portal: &AppState) -> Result<Vec<Choice>, WebError> {
    let products = portal.catalog.products().await?.into_iter();
    Ok(products.map(|product| Choice { value: product.name, label: product.title }).collect())
}

fn list_json(wanted: &Wanted, page: &Page, size: u64) -> Value {
    json!({
        "size": size,
        "entries": page.entries.iter().map(entry_json).collect::<Vec<_>>(),
        "next": page.next.map(|before| wanted.older(before)),
    })
}

/// An entry in a list for programs; what is absent is null.
fn entry_json(entry: &Entry) -> Value {
    let personal = entry.personal.clone().unwrap_or_default();
    let actor = entry.actor.as_ref();
    let known = actor.is_some() || personal.email.is_some();
    json!({
        "index": entry.index,
        "at": entry.at.to_string(),
        "kind": entry.kind.as_str(),
        "outcome": entry.outcome.as_str(),
        "actor": known.then(|| json!({
            "email": personal.email,
            "role": actor.map(|actor| &actor.role),
            "agency": personal.agency_name,
            "account": actor.map(|actor| actor.account.as_str()),
            "agency_id": actor.and_then(|actor| actor.agency.as_ref()).map(AgencyId::as_str),
        })),
        "place": entry.place.as_ref().map(|place| json!({
            "product": place.product,
            "version": place.version,
            "path": place.path.as_ref().map(|path| &path.text),
            "blob": place.blob,
        })),
        "basis": entry.basis,
        "request": entry.request.as_str(),
        "query": personal.query,
        "shown": (entry.kind == Kind::Searched).then(|| words::shown(entry)),
    })
}

pub(super) async fn entry(who: Auditing, State(portal): State<AppState>, Path(index): Path<String>) -> Result<Response, WebError> {
    let index: u64 = index.parse().map_err(|_| WebError::NotFound)?;
    if index >= portal.log.size().await? {
        return Err(WebError::NotFound);
    }
    portal.log.append(viewed(&who).fact("page", "entry").fact("entry", index), &who.visit.context).await?;
    let entry = portal.log.entry(index).await?.ok_or(WebError::NotFound)?;
    let checkpoint = checkpoint_view(&portal).await?;
    let proof = portal.log.proof(index, checkpoint.size).await?.ok_or(WebError::NotFound)?;
    let proof = proof.iter().map(|hash| HEXLOWER.encode(hash)).collect();
    if who.visit.wants_json {
        return Ok(Json(whole_entry_json(&entry, proof, checkpoint)?).into_response());
    }
    let shell = who.shell(&portal, &format!("Entry {index}"), Place::Log).await?;
    let entry = named(&portal, vec![entry]).await?.pop().ok_or(WebError::NotFound)?;
    html(&EntryPage {
        shell,
        index,
        kind: entry.kind.to_string(),
        sentence: words::sentence(&entry),
        at: entry.at.micros(),
        refused: words::is_refused(&entry),
        facts: fields::facts(&entry),
        erased: entry.is_erased(),
        json: serde_json::to_string_pretty(&read(&entry.bytes)?).map_err(WebError::internal)?,
        leaf: HEXLOWER.encode(&entry.leaf),
        proof,
        previous: index.checked_sub(1),
        next: (index + 1 < checkpoint.size).then_some(index + 1),
        checkpoint,
    })
}

/// One entry for programs: as in a list, and with what it takes to verify it.
fn whole_entry_json(entry: &Entry, proof: Vec<String>, checkpoint: Checkpoint) -> Result<Value, WebError> {
    let mut whole = entry_json(entry);
    if let Value::Object(fields) = &mut whole {
        fields.insert("entry".to_owned(), read(&entry.bytes)?);
        fields.insert("personal".to_owned(), entry.beside.as_deref().map(|beside| read(beside.as_bytes())).transpose()?.into());
        fields.insert("erased".to_owned(), entry.is_erased().into());
        fields.insert("leaf".to_owned(), HEXLOWER.encode(&entry.leaf).into());
        fields.insert("proof".to_owned(), proof.into());
        fields.insert("size".to_owned(), checkpoint.size.into());
        fields.insert("checkpoint".to_owned(), checkpoint.note.into());
    }
    Ok(whole)
}

fn read(json: &[u8]) -> Result<Value, WebError> {
    serde_json::from_slice(json).map_err(WebError::internal)
}

/// The signed state of the log that covers everything committed by now.
pub(super) async fn checkpoint_view(portal: &AppState) -> Result<Checkpoint, WebError> {
    let note = portal.log.newest_checkpoint().await?;
    let parsed: Note = note.parse().map_err(WebError::internal)?;
    let checkpoint = audit::Checkpoint::parse(parsed.text()).map_err(WebError::internal)?;
    // A checkpoint does not say when it was signed, and one is signed whenever the log has grown: not before its last entry.
    let last = match checkpoint.size.checked_sub(1) {
        Some(index) => portal.log.entry(index).await?,
        None => None,
    };
    let key = portal.log.public_key().to_string();
    let origin = portal.config.public_origin.clone().unwrap_or_else(|| format!("http://{}", portal.config.listen));
    Ok(Checkpoint {
        size: checkpoint.size,
        root: BASE64.encode(&checkpoint.root),
        origin: checkpoint.origin,
        signed_at: last.map_or_else(|| portal.clock.now(), |entry| entry.at).micros(),
        verify_command: format!("lectern audit verify {origin} --key '{key}'"),
        verifier_key: key,
        note,
    })
}

#[cfg(test)]
mod tests {
    use super::words::tests::{draft_of, sealed};
    use super::*;
    use crate::audit::{Basis, PathText, Place as At, Shown};
    use crate::ids::{AgreementId, EntitlementId};

    #[test]
    fn an_entry_for_programs_has_every_promised_field() {
        let place = At { product: "git".to_owned(), version: Some("v2.1".to_owned()), ..At::default() };
        let place = At { path: Some(PathText::of(b"builtin/add.c")), blob: Some("b10b".to_owned()), ..place };
        let basis = Basis { entitlement: EntitlementId::known("ent_1"), agreement: AgreementId::known("agr_1") };
        let json = entry_json(&sealed(draft_of(Kind::FileOpened).at(place).on(basis)));
        assert_eq!(json["kind"], "source.file.opened");
        assert_eq!(json["at"], "1970-01-01T00:00:07.000000Z");
        assert_eq!(json["actor"]["email"], "r@one.example");
        assert_eq!(json["actor"]["role"], "reviewer");
        assert_eq!(json["actor"]["agency"], "Agency One");
        assert_eq!(json["place"], json!({"product": "git", "version": "v2.1", "path": "builtin/add.c", "blob": "b10b"}));
        assert_eq!(json["basis"], json!({"entitlement": "ent_1", "agreement": "agr_1"}));
        assert_eq!(json["request"], "req_1");
        assert_eq!(json["query"], Value::Null);
    }

    #[test]
    fn what_is_absent_is_null() {
        let json = entry_json(&sealed(Draft::new(Kind::LogOpened, Outcome::Done)));
        for field in ["actor", "place", "basis", "query", "shown"] {
            assert_eq!(json[field], Value::Null, "{field}");
        }
    }

    #[test]
    fn a_search_says_what_was_searched_for_and_how_much_was_shown() {
        let places =
            ["a.c", "b.c"].map(|path| Shown { product: "git".to_owned(), path: PathText::of(path.as_bytes()), ..Shown::default() });
        let json = entry_json(&sealed(draft_of(Kind::Searched).query("memcpy len").showing(places)));
        assert_eq!((&json["query"], &json["shown"]), (&json!("memcpy len"), &json!(2)));
    }
}
