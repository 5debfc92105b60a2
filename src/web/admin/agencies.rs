//! Agencies.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::agreements::{count_of, row as agreement_row};
use super::grants::{row as grant_row, turn};
use super::people::row as person_row;
use super::suspensions::{form_address, notice};
use super::{Because, Nothing, Trouble, again, done, problem_of};
use crate::entitlements::{Agency, EntitlementError, GrantFilter, NewAgency, Subject, SubjectKind, Turn};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::agencies::{AgenciesPage, AgencyForm, AgencyPage, AgencyRow};
use crate::web::views::format::day;
use crate::web::views::forms::FieldErrors;
use crate::web::views::links;
use crate::web::views::shell::{Notice, Place, Tone};

type Answer = Result<Response, WebError>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    /// Words to be found.
    q: String,
    /// The agency that the page lies behind, or before.
    after: String,
    before: String,
}

pub(super) async fn list(who: Administering, State(portal): State<AppState>, Query(filter): Query<Filter>) -> Answer {
    let page = portal.entitlements.agencies_page(&filter.q, &turn(&filter.after, &filter.before)).await?;
    let people = portal.entitlements.people_by_agency().await?;
    let agreements = portal.entitlements.agreements_in_force().await?;
    let grants = portal.entitlements.in_force_by_agency().await?;
    let at = |name, id: &Option<String>| id.as_deref().map(|id| links::query("/admin/agencies", &[("q", &filter.q), (name, id)]));
    let rows = page.rows.into_iter().map(|agency| AgencyRow {
        people: count_of(&people, agency.id.as_str()),
        agreements_in_force: count_of(&agreements, agency.id.as_str()),
        grants_in_force: count_of(&grants, agency.id.as_str()),
        suspended: agency.suspended,
        eligible: agency.ineligible.is_none(),
        id: agency.slug,
        name: agency.name,
        country: agency.country,
    });
    html(&AgenciesPage {
        rows: rows.collect(),
        shell: who.shell(&portal, "Agencies", Place::Agencies).await?,
        total: page.total,
        earlier: at("before", &page.before),
        later: at("after", &page.after),
        words: filter.q,
    })
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
    let Err(error) = result else { return done(who, sentence, &address(agency)).await };
    let (status, trouble) = Trouble::of(error, reason)?;
    Ok(again(status, page(who, portal, find(portal, agency.id.as_str()).await?, trouble).await?))
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
    let of_agency = GrantFilter { agency: Some(agency.id.clone()), ..GrantFilter::default() };
    let grants = portal.entitlements.grants(&of_agency, &Turn::First).await?;
    let in_force = portal.entitlements.in_force_by_agreement().await?;
    let agreements = portal.entitlements.agreements_of(&agency.id).await?;
    let accounts = portal.accounts.of_agency(&agency.id).await?;
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
        people: accounts.into_iter().map(person_row).collect(),
        agreements: agreements.iter().map(|of| agreement_row(of, &agency.name, count_of(&in_force, of.id.as_str()), now)).collect(),
        directory: super::directories::sentence(portal, &agency).await?,
        all_grants: grants.after.is_some().then(|| links::query("/admin/grants", &[("agency", &agency.slug)])),
        total_grants: grants.total,
        grants: grants.rows.iter().map(|line| grant_row(line, now)).collect(),
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
