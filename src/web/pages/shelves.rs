//! What a reviewer may read: products and their versions.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::access::Readable;
use crate::accounts::Role;
use crate::catalog::Version;
use crate::entitlements::PathScope;
use crate::web::AppState;
use crate::web::admin;
use crate::web::error::WebError;
use crate::web::guard::{Reader, SignedIn};
use crate::web::page::html;
use crate::web::views::everyone::AgreementTerm;
use crate::web::views::format;
use crate::web::views::links;
use crate::web::views::products::{Product, ProductCard, Products, VersionRow};
use crate::web::views::shell::Place;

pub(super) async fn products(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let readable = portal.gate.readable(&who.principal).await?;
    if who.visit.wants_json {
        let products: Vec<_> = readable
            .iter()
            .map(|one| {
                let versions: Vec<&str> = one.versions.iter().map(|v| v.name.as_str()).collect();
                json!({"name": one.product.name, "title": one.product.title, "versions": versions})
            })
            .collect();
        return Ok(Json(json!({ "products": products })).into_response());
    }
    let shell = who.shell(&portal, "Products", Place::Products).await?;
    html(&Products { shell, products: readable.iter().map(card).collect() })
}

pub(super) async fn product(who: Reader, State(portal): State<AppState>, Path(name): Path<String>) -> Result<Response, WebError> {
    let readable = portal.gate.readable(&who.principal).await?;
    let Some(one) = readable.into_iter().find(|one| one.product.name == name) else {
        return Err(portal.gate.unknown_product(&who.principal, &name, &who.visit.context).await.into());
    };
    if who.visit.wants_json {
        let versions: Vec<_> = one.versions.iter().map(|v| json!({"name": v.name, "commit": v.commit})).collect();
        return Ok(Json(json!({"name": one.product.name, "title": one.product.title, "versions": versions})).into_response());
    }
    let shell = who.shell(&portal, &one.product.title, Place::Products).await?;
    let card = card(&one);
    html(&Product {
        shell,
        title: card.title,
        summary: card.summary,
        scope: card.scope,
        until: ends(&portal, &who).await?,
        find: card.newest.as_ref().map(|(newest, _)| links::find(&one.product.name, newest)),
        newest: card.newest,
        versions: rows(&one, portal.catalog.versions(&one.product.id).await?),
        compare: format!("{}/compare", links::product(&one.product.name)),
    })
}

pub(super) fn card(one: &Readable) -> ProductCard {
    let newest = one.versions.first().map(|v| (v.name.clone(), links::tree(&one.product.name, &v.name, b"")));
    ProductCard {
        title: one.product.title.clone(),
        href: links::product(&one.product.name),
        summary: String::new(),
        newest,
        versions: one.versions.len() as u64,
        scope: one.versions.first().map(|v| scopes_words(&v.scopes)).unwrap_or_default(),
    }
}

/// Each version with what changed since the one before it.
fn rows(one: &Readable, published: Vec<Version>) -> Vec<VersionRow> {
    let product = &one.product.name;
    let before = one.versions.iter().skip(1).map(Some).chain([None]);
    let mut readable: HashMap<_, _> = one.versions.iter().zip(before).map(|(version, before)| (version.name.as_str(), before)).collect();
    let row = |version: Version| {
        let before = readable.remove(version.name.as_str())?;
        Some(VersionRow {
            href: Some(links::tree(product, &version.name, b"")),
            changes: before.map(|before| (before.name.clone(), links::compare(product, &before.name, &version.name))),
            ..admin::version_row(version)
        })
    };
    published.into_iter().filter_map(row).collect()
}

/// What several grants open together, in words.
fn scopes_words(scopes: &[PathScope]) -> String {
    scopes.iter().map(admin::scope_words).collect::<Vec<_>>().join("; ")
}

/// When the agreement ends that somebody reads under.
async fn ends(portal: &AppState, who: &SignedIn) -> Result<Option<i64>, WebError> {
    Ok(agreement(portal, who).await?.map(|term| term.until))
}

/// The agreement in force that a reviewer reads under; the one that ends last when there are several.
pub(super) async fn agreement(portal: &AppState, who: &SignedIn) -> Result<Option<AgreementTerm>, WebError> {
    if who.principal.role() != Role::Reviewer {
        return Ok(None);
    }
    let now = portal.clock.now();
    let held = portal.entitlements.held_by(who.principal.account()).await?;
    let last = held
        .iter()
        .map(|held| (held, held.under.term))
        .filter(|(held, term)| term.contains(now) && !held.under.draft && held.under.ended.is_none_or(|ended| now < ended))
        .max_by_key(|(_, term)| term.until);
    let Some((last, term)) = last else { return Ok(None) };
    let reference = portal.entitlements.agreement(last.entitlement.agreement.as_str()).await?.map(|a| a.reference);
    let whole = term.until.since(term.from).as_secs().max(1);
    let passed = now.since(term.from).as_secs().saturating_mul(100) / whole;
    Ok(Some(AgreementTerm {
        reference: reference.unwrap_or_default(),
        agency: who.principal.agency().map(|agency| agency.name.clone()).unwrap_or_default(),
        from: term.from.micros(),
        until: admin::last_moment(term.until),
        days_left: term.until.since(now).as_secs() / 86_400,
        passed_percent: u8::try_from(passed.min(100)).unwrap_or(100),
    }))
}

/// What may be read, one sentence a product.
pub(super) async fn sentences(portal: &AppState, who: &SignedIn) -> Result<Vec<String>, WebError> {
    let readable = portal.gate.readable(&who.principal).await?;
    Ok(readable
        .iter()
        .map(|one| {
            let card = card(one);
            let versions = format::counted(card.versions, "version", "versions");
            format!("{}: {}, {versions}.", card.title, card.scope)
        })
        .collect())
}
