//! Comparing two versions: the gate for both, the vault's look inside the permits, the record, the answer.

mod asked;
mod file;
mod rows;
mod summary;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use self::asked::Comparing;
use crate::access::{Action, Pair, Wish};
use crate::catalog::{Place, RepoPath};
use crate::source::compare::{Asked, Difference, SealedDifference, SealedSummary, Selection};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::views::compare::Versions;
use crate::web::views::links;

/// How long a page waits for lines to be counted. What was counted by then is kept for the next.
const PATIENCE: Duration = Duration::from_secs(4);

/// The form that chooses versions, brought to their address. It tells nothing: the address it leads to does.
pub(super) async fn choose(who: Reader, Path(product): Path<String>) -> Result<Response, WebError> {
    let (from, to) = (who.visit.parameter("from"), who.visit.parameter("to"));
    if from.is_empty() || to.is_empty() {
        return Err(WebError::BadRequest("Choose the two versions that are to be compared.".to_owned()));
    }
    let kept: Vec<(&str, String)> = asked::KEPT.iter().map(|name| (*name, who.visit.parameter(name))).collect();
    let kept: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(Redirect::to(&links::query(&links::compare(&product, &from, &to), &kept)).into_response())
}

pub(super) async fn summary(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let asked = Comparing::of(&who)?;
    let chosen = asked.selection()?;
    let turn = portal.allowance.turn(who.principal.account()).await?;
    let pair = entitle(&who, &portal, &asked, &chosen.directory, Action::List).await?;
    let vault = Arc::clone(&portal.vault);
    let until = Instant::now() + PATIENCE;
    let sealed = tokio::task::spawn_blocking(move || vault.summary(pair, &chosen, until)).await??;
    drop(turn);
    let (found, receipt) = SealedSummary::open(portal.log.record(sealed, &who.visit.context).await?);
    if who.visit.wants_json {
        return Ok(summary::json(&asked, &found, receipt));
    }
    let versions = versions(&who, &portal, &asked, &found.from, &found.to).await?;
    let shell = who.shell(&portal, &format!("{} and {}", asked.from, asked.to), crate::web::views::shell::Place::Products).await?;
    summary::page(shell, versions, &asked, &found, receipt)
}

pub(super) async fn file(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let asked = Comparing::of(&who)?;
    let (chosen, part) = (asked.selection()?, asked.part()?);
    let turn = portal.allowance.turn(who.principal.account()).await?;
    let pair = entitle(&who, &portal, &asked, &asked.path, Action::Read).await?;
    let (vault, path) = (Arc::clone(&portal.vault), asked.path.clone());
    let found = tokio::task::spawn_blocking(move || vault.difference(pair, &path, &chosen, &part)).await??;
    drop(turn);
    let Some(sealed) = found else {
        let wish = asked.wish(false, asked.path.clone(), Action::Read);
        return Err(portal.gate.nothing_at(&who.principal, &wish, &who.visit.context).await.into());
    };
    let (found, receipt) = SealedDifference::open(portal.log.record(sealed, &who.visit.context).await?);
    if who.visit.wants_json {
        return Ok(file::json(&asked, &found, receipt));
    }
    let versions = versions(&who, &portal, &asked, &found.from, &found.to).await?;
    let shell = who.shell(&portal, &asked.path.to_string(), crate::web::views::shell::Place::Products).await?;
    file::page(&portal, shell, versions, &asked, &found, receipt).await
}

/// Where a file of a version differs from how it stood in another, recorded as the first page of their comparison.
pub(super) async fn since(who: &Reader, portal: &AppState, place: &Place, other: &str) -> Result<Difference, WebError> {
    let wish = |version: &str| Wish {
        product: place.product.clone(),
        version: version.to_owned(),
        path: place.path.clone(),
        action: Action::Read,
    };
    let turn = portal.allowance.turn(who.principal.account()).await?;
    let pair = portal.gate.entitle_both(&who.principal, [wish(other), wish(&place.version)], &who.visit.context).await?;
    let (vault, path) = (Arc::clone(&portal.vault), place.path.clone());
    let look = move || vault.difference(pair, &path, &Selection::all(asked::look), &Asked::default());
    let found = tokio::task::spawn_blocking(look).await??;
    drop(turn);
    let Some(sealed) = found else {
        return Err(portal.gate.nothing_at(&who.principal, &wish(other), &who.visit.context).await.into());
    };
    Ok(SealedDifference::open(portal.log.record(sealed, &who.visit.context).await?).0)
}

async fn entitle(who: &Reader, portal: &AppState, asked: &Comparing, path: &RepoPath, action: Action) -> Result<Pair, WebError> {
    let wish = |old| asked.wish(old, path.clone(), action);
    let wishes: [Wish; 2] = [wish(true), wish(false)];
    Ok(portal.gate.entitle_both(&who.principal, wishes, &who.visit.context).await?)
}

async fn versions(who: &Reader, portal: &AppState, asked: &Comparing, from: &Place, to: &Place) -> Result<Versions, WebError> {
    let product = portal.catalog.product(&asked.product).await?.map(|product| product.title);
    let action = format!("{}/compare", links::product(&asked.product));
    Ok(Versions {
        product: product.unwrap_or_else(|| asked.product.clone()),
        product_href: links::product(&asked.product),
        from: asked.from.clone(),
        to: asked.to.clone(),
        from_commit: from.commit.clone(),
        to_commit: to.commit.clone(),
        all: portal.gate.versions(&who.principal, &asked.product).await?,
        action,
        kept: asked.kept(&[]),
        swapped: asked.swapped(),
    })
}
