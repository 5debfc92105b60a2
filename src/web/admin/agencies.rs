//! Agencies.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::agreements::{in_force, row as agreement_row};
use super::grants::{row as grant_row, state_of};
use super::people::row as person_row;
use super::suspensions::{form_address, notice};
use super::{Because, Nothing, Trouble, again, done, problem_of};
use crate::entitlements::{Agency, EntitlementError, NewAgency, Subject, SubjectKind};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::agencies::{AgenciesPage, AgencyForm, AgencyPage, AgencyRow};
use crate::web::views::admin::grants::GrantState;
use crate::web::views::format::day;
use crate::web::views::forms::FieldErrors;
use crate::web::views::shell::{Notice, Place, Tone};

type Answer = Result<Response, WebError>;

pub(super) async fn list(who: Administering, State(portal): State<AppState>) -> Answer {
    let now = portal.clock.now();
    let accounts = portal.accounts.list().await?;
    let agreements = portal.entitlements.agreements().await?;
    let grants = portal.entitlements.list().await?;
    let rows = portal.entitlements.agencies().await?.into_iter().map(|agency| AgencyRow {
        people: count(accounts.iter().filter(|account| account.agency.as_ref().is_some_and(|of| of.id == agency.id))),
        agreements_in_force: count(agreements.iter().filter(|agreement| agreement.agency == agency.id && agreement.in_force(now))),
        grants_in_force: count(grants.iter().filter(|line| line.agency == agency.id && state_of(line, now) == GrantState::InForce)),
        suspended: agency.suspended,
        eligible: agency.ineligible.is_none(),
        id: agency.slug,
        name: agency.name,
        country: agency.country,
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
    kind: String,
    contacts: String,
}

impl Typed {
    fn agency(&self) -> NewAgency {
        let Self { name, country, kind, contacts } = self;
        NewAgency { name: name.clone(), country: country.clone(), kind: kind.clone(), contacts: contacts.clone() }
    }
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>) -> Answer {
    form_page(&who, &portal, None, Typed::default(), FieldErrors::default()).await
}

pub(super) async fn add(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Answer {
    let typed = form.into_inner();
    match portal.entitlements.add_agency(typed.agency(), Some(&who.principal), &who.visit.context).await {
        Ok(agency) => {
            let sentence = format!("{} was added. It needs an agreement, people and a grant before it can read anything.", agency.name);
            done(&who, &sentence, &address(&agency)).await
        }
        Err(error) => not_taken(&who, &portal, None, typed, error).await,
    }
}

pub(super) async fn edit_form(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let agency = find(&portal, &id).await?;
    let typed = Typed { name: agency.name, country: agency.country, kind: agency.kind, contacts: agency.contacts };
    form_page(&who, &portal, Some(agency.slug), typed, FieldErrors::default()).await
}

pub(super) async fn edit(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Typed>) -> Answer {
    let agency = find(&portal, &id).await?;
    let typed = form.into_inner();
    match portal.entitlements.edit_agency(&agency.id, typed.agency(), &who.principal, &who.visit.context).await {
        Ok(()) => done(&who, "Changed.", &address(&agency)).await,
        Err(error) => not_taken(&who, &portal, Some(agency.slug), typed, error).await,
    }
}

async fn not_taken(who: &SignedIn, portal: &AppState, id: Option<String>, typed: Typed, error: EntitlementError) -> Answer {
    let (status, field, problem) = problem_of(error)?;
    let mut errors = FieldErrors::default();
    errors.add(field, problem);
    Ok(again(status, form_page(who, portal, id, typed, errors).await?))
}

async fn form_page(who: &SignedIn, portal: &AppState, id: Option<String>, typed: Typed, errors: FieldErrors) -> Answer {
    let title = if id.is_some() { format!("Change {}", typed.name) } else { "Add an agency".to_owned() };
    let shell = who.shell(portal, &title, Place::Agencies).await?;
    let Typed { name, country, kind, contacts } = typed;
    html(&AgencyForm { csrf: shell.csrf.clone(), shell, id, name, country, kind, contacts, errors })
}

/// Strikes it from the list of eligible agencies.
pub(super) async fn strike(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let agency = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let struck = portal.entitlements.set_eligible(&agency.id, Some(&reason), &who.principal, &who.visit.context).await;
    answer(&who, &portal, &agency, struck, "Struck from the list of eligible agencies.", reason).await
}

pub(super) async fn restore(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, _: Protected<Nothing>) -> Answer {
    let agency = find(&portal, &id).await?;
    let restored = portal.entitlements.set_eligible(&agency.id, None, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &agency, restored, "Put back on the list of eligible agencies.", String::new()).await
}

async fn answer(
    who: &SignedIn,
    portal: &AppState,
    agency: &Agency,
    result: Result<(), EntitlementError>,
    sentence: &str,
    reason: String,
) -> Answer {
    match result {
        Ok(()) => done(who, sentence, &address(agency)).await,
        Err(error) => {
            let (status, field, problem) = problem_of(error)?;
            let agency = find(portal, agency.id.as_str()).await?;
            Ok(again(status, page(who, portal, agency, Trouble::at(reason, field, problem)).await?))
        }
    }
}

async fn find(portal: &AppState, id: &str) -> Result<Agency, WebError> {
    portal.entitlements.agency(id).await?.ok_or(WebError::NotFound)
}

fn address(agency: &Agency) -> String {
    format!("/admin/agencies/{}", agency.slug)
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let agency = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&agency)).await?;
    page(&who, &portal, agency, trouble).await
}

async fn page(who: &SignedIn, portal: &AppState, agency: Agency, trouble: Trouble) -> Answer {
    let now = portal.clock.now();
    let grants = portal.entitlements.list().await?;
    let agreements = portal.entitlements.agreements_of(&agency.id).await?;
    let accounts = portal.accounts.list().await?.into_iter();
    let mut notices: Vec<Notice> = notice(portal, agency.id.as_str()).await?.into_iter().collect();
    if let Some((since, reason)) = &agency.ineligible {
        let text = format!("Struck from the list of eligible agencies on {}: {reason}", day(since.micros()));
        notices.push(Notice::new(Tone::Look, text));
    }
    let subject = Subject { kind: SubjectKind::Agency, id: agency.id.to_string(), name: agency.name.clone() };
    let shell = who.shell(portal, &agency.name, Place::Agencies).await?;
    html(&AgencyPage {
        csrf: shell.csrf.clone(),
        shell,
        people: accounts.filter(|account| account.agency.as_ref().is_some_and(|of| of.id == agency.id)).map(person_row).collect(),
        agreements: agreements.iter().map(|of| agreement_row(of, &agency.name, in_force(&grants, of, now), now)).collect(),
        grants: grants.iter().filter(|line| line.agency == agency.id).map(|line| grant_row(line, now)).collect(),
        notices,
        eligible: agency.ineligible.is_none(),
        suspend: (!agency.suspended).then(|| form_address(&subject)),
        contacts: agency.contacts.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
        id: agency.slug,
        name: agency.name,
        country: agency.country,
        kind: agency.kind,
        reason: trouble.reason,
        errors: trouble.errors,
    })
}
