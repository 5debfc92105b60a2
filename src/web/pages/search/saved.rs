//! Searches kept under a name, and those asked lately.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::start_page;
use crate::access::Readable;
use crate::audit::{Filter, Kind};
use crate::ids::SavedSearchId;
use crate::inspection::{InspectionError, NewestVersion, SavedSearch};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::Reader;
use crate::web::views::format;
use crate::web::views::links;
use crate::web::views::search::{SavedRow, Start};
use crate::web::views::shell::Link;

/// Queries asked lately that are shown, and entries looked at for them.
const RECENT: usize = 8;
const LOOKED_AT: usize = 60;

/// What the page shows before anything was asked.
pub(super) async fn start(who: &Reader, portal: &AppState, csrf: String, problem: Option<String>) -> Result<Start, WebError> {
    let readable = portal.gate.readable(&who.principal).await?;
    let newest = newest(&readable);
    let saved = portal.inspection.saved_searches(&who.principal).await?;
    let recent = recent(who, portal).await?;
    Ok(Start {
        csrf,
        saved: saved.into_iter().map(|search| row(search, &newest, &readable)).collect(),
        recent: recent.into_iter().map(|query| Link { href: links::query("/search", &[("q", &query)]), label: query }).collect(),
        problem,
    })
}

/// The version of each product that was published last, of those that may be read.
pub(super) fn newest(readable: &[Readable]) -> Vec<NewestVersion> {
    let newest = |one: &Readable| Some(NewestVersion { product: one.product.name.clone(), version: one.versions.first()?.name.clone() });
    readable.iter().filter_map(newest).collect()
}

fn row(search: SavedSearch, newest: &[NewestVersion], readable: &[Readable]) -> SavedRow {
    let title = |name: &str| readable.iter().find(|one| one.product.name == name).map_or(name.to_owned(), |one| one.product.title.clone());
    let since: Vec<String> =
        search.published_since(newest).into_iter().map(|one| format!("{} of {}", one.version, title(&one.product))).collect();
    let news = match since.len() {
        0 => None,
        1 => Some(format!("{} was published since.", format::series(&since))),
        _ => Some(format!("{} were published since.", format::series(&since))),
    };
    SavedRow {
        href: links::query("/search", &[("q", &search.query), ("saved", search.id.as_str())]),
        id: search.id.to_string(),
        name: search.name,
        query: search.query,
        ran_at: search.ran_at.micros(),
        news,
    }
}

/// What this person asked lately, each once, the last first. Their own words, and nothing of what was found.
pub(super) async fn recent(who: &Reader, portal: &AppState) -> Result<Vec<String>, WebError> {
    let filter = Filter { account: Some(who.principal.account().as_str().to_owned()), kind: Some(Kind::Searched), ..Filter::default() };
    let mut recent: Vec<String> = Vec::new();
    for entry in portal.log.list(&filter, LOOKED_AT).await?.entries {
        let asked = !entry.facts.contains_key("suggested") && !entry.facts.contains_key("exported");
        let query = entry.personal.and_then(|personal| personal.query);
        if let Some(query) = query.filter(|query| asked && !recent.contains(query)) {
            recent.push(query);
        }
        if recent.len() == RECENT {
            break;
        }
    }
    Ok(recent)
}

#[derive(Deserialize)]
pub(in crate::web::pages) struct Saving {
    #[serde(default)]
    name: String,
    #[serde(default)]
    query: String,
}

pub(in crate::web::pages) async fn save(
    who: Reader,
    State(portal): State<AppState>,
    form: Protected<Saving>,
) -> Result<Response, WebError> {
    let Saving { name, query } = form.into_inner();
    let newest = newest(&portal.gate.readable(&who.principal).await?);
    match portal.inspection.save(&who.principal, &name, &query, newest, &who.visit.context).await {
        Ok(_) => {
            who.flash(&format!("Saved as “{}”. It stands on the search page.", name.trim())).await?;
            Ok(Redirect::to(&links::query("/search", &[("q", &query)])).into_response())
        }
        Err(error) => refused(&who, &portal, error).await,
    }
}

#[derive(Deserialize)]
pub(in crate::web::pages) struct Naming {
    #[serde(default)]
    name: String,
}

pub(in crate::web::pages) async fn rename(
    who: Reader,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Naming>,
) -> Result<Response, WebError> {
    let name = form.into_inner().name;
    match portal.inspection.rename(&who.principal, &SavedSearchId::known(id), &name, &who.visit.context).await {
        Ok(()) => {
            who.flash(&format!("Renamed to “{}”.", name.trim())).await?;
            Ok(Redirect::to("/search").into_response())
        }
        Err(error) => refused(&who, &portal, error).await,
    }
}

#[derive(Deserialize)]
pub(in crate::web::pages) struct Removing {}

pub(in crate::web::pages) async fn remove(
    who: Reader,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    _: Protected<Removing>,
) -> Result<Response, WebError> {
    portal.inspection.remove(&who.principal, &SavedSearchId::known(id), &who.visit.context).await?;
    who.flash("The saved search was removed.").await?;
    Ok(Redirect::to("/search").into_response())
}

/// The page with what has to be changed in the form.
async fn refused(who: &Reader, portal: &AppState, error: InspectionError) -> Result<Response, WebError> {
    let InspectionError::Invalid { problem, .. } = error else { return Err(error.into()) };
    let page = start_page(who, portal, Some(problem)).await?;
    Ok((StatusCode::BAD_REQUEST, page).into_response())
}
