//! Agencies.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::agreements::{in_force, row as agreement_row};
use super::grants::{row as grant_row, state_of};
use super::people::row as person_row;
use super::{again, done};
use crate::entitlements::EntitlementError;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::agencies::{AgenciesPage, AgencyForm, AgencyPage, AgencyRow};
use crate::web::views::admin::grants::GrantState;
use crate::web::views::forms::FieldErrors;
use crate::web::views::shell::Place;

pub(super) async fn list(who: Administering, State(portal): State<AppState>) -> Result<Response, WebError> {
    let now = portal.clock.now();
    let accounts = portal.accounts.list().await?;
    let agreements = portal.entitlements.agreements().await?;
    let grants = portal.entitlements.list().await?;
    let rows = portal.entitlements.agencies().await?.into_iter().map(|agency| AgencyRow {
        people: count(accounts.iter().filter(|account| account.agency.as_ref().is_some_and(|of| of.id == agency.id))),
        agreements_in_force: count(agreements.iter().filter(|agreement| agreement.agency == agency.id && agreement.in_force(now))),
        grants_in_force: count(grants.iter().filter(|line| line.agency == agency.id && state_of(line, now) == GrantState::InForce)),
        id: agency.slug,
        name: agency.name,
    });
    html(&AgenciesPage { rows: rows.collect(), shell: who.shell(&portal, "Agencies", Place::Agencies).await? })
}

pub(super) fn count(of: impl Iterator) -> u64 {
    of.count() as u64
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    country: String,
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>) -> Result<Response, WebError> {
    form_page(&who, &portal, Typed::default(), FieldErrors::default()).await
}

pub(super) async fn add(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Result<Response, WebError> {
    let typed = form.into_inner();
    let by = Some(&who.principal);
    match portal.entitlements.add_agency(&typed.name, &typed.country, by, &who.visit.context).await {
        Ok(agency) => {
            let sentence = format!("{} was added. It needs an agreement, people and a grant before it can read anything.", agency.name);
            done(&who, &sentence, &format!("/admin/agencies/{}", agency.slug)).await
        }
        Err(EntitlementError::Invalid { field, problem }) => {
            let mut errors = FieldErrors::default();
            errors.add(field, problem);
            Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, typed, errors).await?))
        }
        Err(other) => Err(other.into()),
    }
}

async fn form_page(who: &SignedIn, portal: &AppState, typed: Typed, errors: FieldErrors) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Add an agency", Place::Agencies).await?;
    html(&AgencyForm { csrf: shell.csrf.clone(), shell, name: typed.name, country: typed.country, errors })
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Result<Response, WebError> {
    let agency = portal.entitlements.agency(&id).await?.ok_or(WebError::NotFound)?;
    let now = portal.clock.now();
    let grants = portal.entitlements.list().await?;
    let agreements = portal.entitlements.agreements().await?.into_iter().filter(|agreement| agreement.agency == agency.id);
    let accounts = portal.accounts.list().await?.into_iter();
    html(&AgencyPage {
        shell: who.shell(&portal, &agency.name, Place::Agencies).await?,
        people: accounts.filter(|account| account.agency.as_ref().is_some_and(|of| of.id == agency.id)).map(person_row).collect(),
        agreements: agreements.map(|of| agreement_row(&of, &agency.name, in_force(&grants, &of, now), now)).collect(),
        grants: grants.iter().filter(|line| line.agency == agency.id).map(|line| grant_row(line, now)).collect(),
        id: agency.slug,
        name: agency.name,
    })
}
