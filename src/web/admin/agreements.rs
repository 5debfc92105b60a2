//! Agreements: what everything an agency reads hangs on, and whom it names.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::agencies::count;
use super::fields::{ending, last_moment, starting};
use super::grants::{agencies, choice, row as grant_row, state_of};
use super::people::row as person_row;
use super::{Because, Trouble, again, confirmed, done};
use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::entitlements::{Agency, Agreement, EntitlementError, Line, Window};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::agencies::{AgreementForm, AgreementPage, AgreementRow, AgreementState};
use crate::web::views::admin::grants::GrantState;
use crate::web::views::forms::FieldErrors;
use crate::web::views::shell::Place;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    agency: String,
    reference: String,
    from: String,
    until: String,
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>, Query(mut typed): Query<Typed>) -> Result<Response, WebError> {
    if let Some(agency) = portal.entitlements.agency(&typed.agency).await? {
        typed.agency = agency.slug;
    }
    form_page(&who, &portal, typed, FieldErrors::default()).await
}

pub(super) async fn sign(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Result<Response, WebError> {
    let typed = form.into_inner();
    let agency = portal.entitlements.agency(&typed.agency).await?;
    let (agency, term) = match read(&typed, agency) {
        Ok(read) => read,
        Err(errors) => return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, typed, errors).await?)),
    };
    let by = Some(&who.principal);
    match portal.entitlements.sign_agreement(&agency.id, &typed.reference, term, by, &who.visit.context).await {
        Ok(agreement) => done(&who, "The agreement was added. Name the reviewers who may read under it.", &address(&agreement)).await,
        Err(EntitlementError::Invalid { field, problem }) => {
            let mut errors = FieldErrors::default();
            errors.add(field, problem);
            Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, typed, errors).await?))
        }
        Err(other) => Err(other.into()),
    }
}

fn read(typed: &Typed, agency: Option<Agency>) -> Result<(Agency, Window), FieldErrors> {
    let mut errors = FieldErrors::default();
    let (from, until) = (starting(&typed.from), ending(&typed.until));
    if agency.is_none() {
        errors.add("agency", "Choose the agency that signed it.");
    }
    if from.is_none() {
        errors.add("from", "Choose the first day, as in 2026-11-21.");
    }
    if until.is_none() {
        errors.add("until", "Choose the last day, as in 2027-03-31.");
    }
    match (agency, from, until) {
        (Some(agency), Some(from), Some(until)) => Ok((agency, Window { from, until })),
        _ => Err(errors),
    }
}

async fn form_page(who: &SignedIn, portal: &AppState, typed: Typed, errors: FieldErrors) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Add an agreement", Place::Agencies).await?;
    let Typed { agency, reference, from, until } = typed;
    html(&AgreementForm { csrf: shell.csrf.clone(), shell, agencies: agencies(portal).await?, agency, reference, from, until, errors })
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Result<Response, WebError> {
    let agreement = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&agreement)).await?;
    page(&who, &portal, agreement, String::new(), trouble).await
}

pub(super) async fn end(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Because>,
) -> Result<Response, WebError> {
    let agreement = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let by = confirmed(&who, &portal, &address(&agreement), "end this agreement", &reason).await?;
    let (status, trouble) = match portal.entitlements.end_agreement(&agreement.id, &reason, &by, &who.visit.context).await {
        Ok(()) => return done(&who, "The agreement has ended, and with it everything granted under it.", &address(&agreement)).await,
        Err(EntitlementError::Invalid { field, problem }) => (StatusCode::UNPROCESSABLE_ENTITY, Trouble::at(reason, field, problem)),
        Err(EntitlementError::Conflict) => (StatusCode::CONFLICT, Trouble::at(reason, "", "This agreement has been ended already.")),
        Err(other) => return Err(other.into()),
    };
    let agreement = find(&portal, &id).await?;
    Ok(again(status, page(&who, &portal, agreement, String::new(), trouble).await?))
}

#[derive(Deserialize)]
pub(super) struct Naming {
    #[serde(default)]
    account: String,
}

pub(super) async fn name_person(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Naming>,
) -> Result<Response, WebError> {
    let agreement = find(&portal, &id).await?;
    let key = form.into_inner().account;
    let account = portal.accounts.find(&key).await?;
    let named = match &account {
        Some(account) => portal.entitlements.name_person(&agreement.id, &account.id, Some(&who.principal), &who.visit.context).await,
        None => Err(EntitlementError::Invalid { field: "account", problem: "Choose a reviewer of this agency.".to_owned() }),
    };
    match named {
        Ok(()) => {
            let name = account.map(|account| account.name).unwrap_or_default();
            done(&who, &format!("{name} may read what is granted under this agreement."), &address(&agreement)).await
        }
        Err(EntitlementError::Invalid { problem, .. }) => {
            let trouble = Trouble::at(String::new(), "account", problem);
            Ok(again(StatusCode::UNPROCESSABLE_ENTITY, page(&who, &portal, agreement, key, trouble).await?))
        }
        Err(other) => Err(other.into()),
    }
}

async fn find(portal: &AppState, id: &str) -> Result<Agreement, WebError> {
    portal.entitlements.agreement(id).await?.ok_or(WebError::NotFound)
}

fn address(agreement: &Agreement) -> String {
    format!("/admin/agreements/{}", agreement.id)
}

async fn page(who: &SignedIn, portal: &AppState, agreement: Agreement, account: String, trouble: Trouble) -> Result<Response, WebError> {
    let now = portal.clock.now();
    let agency = portal.entitlements.agency(agreement.agency.as_str()).await?.ok_or(WebError::NotFound)?;
    let named = portal.entitlements.people(&agreement.id).await?;
    let grants = portal.entitlements.list().await?;
    let (people, others): (Vec<Account>, Vec<Account>) = portal
        .accounts
        .list()
        .await?
        .into_iter()
        .filter(|account| account.agency.as_ref().is_some_and(|of| of.id == agency.id))
        .partition(|account| named.contains(&account.id));
    let shell = who.shell(portal, &format!("Agreement {}", agreement.reference), Place::Agencies).await?;
    let row = row(&agreement, &agency.name, in_force(&grants, &agreement, now), now);
    let open = matches!(row.state, AgreementState::NotYet | AgreementState::InForce);
    html(&AgreementPage {
        csrf: shell.csrf.clone(),
        shell,
        agency_id: agency.slug,
        people: people.into_iter().map(person_row).collect(),
        may_name: others
            .into_iter()
            .filter(|account| open && account.disabled_at.is_none())
            .map(|account| choice(account.id.as_str(), format!("{}, {}", account.name, account.email)))
            .collect(),
        account,
        grants: grants.iter().filter(|line| line.entitlement.agreement == agreement.id).map(|line| grant_row(line, now)).collect(),
        may_end: open,
        agreement: row,
        reason: trouble.reason,
        errors: trouble.errors,
    })
}

/// How many grants under an agreement are in force.
pub(super) fn in_force(grants: &[Line], under: &Agreement, now: Timestamp) -> u64 {
    count(grants.iter().filter(|line| line.entitlement.agreement == under.id && state_of(line, now) == GrantState::InForce))
}

pub(super) fn row(agreement: &Agreement, agency: &str, grants_in_force: u64, now: Timestamp) -> AgreementRow {
    AgreementRow {
        id: agreement.id.to_string(),
        reference: agreement.reference.clone(),
        agency: agency.to_owned(),
        from: agreement.term.from.micros(),
        until: last_moment(agreement.term.until),
        state: state(agreement, now),
        grants_in_force,
    }
}

fn state(agreement: &Agreement, now: Timestamp) -> AgreementState {
    match &agreement.ended {
        Some(ended) if ended.at <= now => AgreementState::EndedEarly,
        _ if now < agreement.term.from => AgreementState::NotYet,
        _ if now < agreement.term.until => AgreementState::InForce,
        _ => AgreementState::Expired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entitlements::Ended;
    use crate::ids::{AgencyId, AgreementId};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn agreement() -> Agreement {
        Agreement {
            id: AgreementId::known("agr"),
            agency: AgencyId::known("agy"),
            reference: "GSP-1".to_owned(),
            term: Window { from: at(50), until: at(300) },
            created_at: at(1),
            ended: None,
        }
    }

    #[test]
    fn the_state_agrees_with_what_is_in_force() {
        let mut ended = agreement();
        ended.ended = Some(Ended { at: at(100), reason: "left".to_owned() });
        for (agreement, second, expected) in [
            (agreement(), 49, AgreementState::NotYet),
            (agreement(), 50, AgreementState::InForce),
            (agreement(), 299, AgreementState::InForce),
            (agreement(), 300, AgreementState::Expired),
            (ended.clone(), 99, AgreementState::InForce),
            (ended, 100, AgreementState::EndedEarly),
        ] {
            assert_eq!(state(&agreement, at(second)), expected, "{second}");
            assert_eq!(agreement.in_force(at(second)), expected == AgreementState::InForce, "{second}");
        }
    }

    #[test]
    fn every_field_that_is_missing_is_named_at_once() {
        let errors = read(&Typed::default(), None).unwrap_err();
        assert!(["agency", "from", "until"].iter().all(|field| errors.of(field).is_some()));
    }
}
