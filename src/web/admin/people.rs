//! People and their accounts.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use super::grants::agencies;
use super::nominations::row as nominee_row;
use super::{Because, Trouble, again, confirmed, done, problem_of};
use crate::accounts::{Account, AccountError, NewAccount, Password, Role};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::{self, html};
use crate::web::views::admin::people::{PeoplePage, PersonCreated, PersonForm, PersonPage, PersonRow};
use crate::web::views::forms::FieldErrors;
use crate::web::views::shell::Place;

pub(super) async fn list(who: Administering, State(portal): State<AppState>) -> Result<Response, WebError> {
    let rows = portal.accounts.list().await?.into_iter().map(row).collect();
    html(&PeoplePage { shell: who.shell(&portal, "People", Place::People).await?, rows })
}

pub(super) fn row(account: Account) -> PersonRow {
    PersonRow {
        id: account.id.to_string(),
        name: account.name,
        email: account.email,
        role: page::role(account.role),
        agency: account.agency.map(|agency| agency.name).unwrap_or_default(),
        disabled: account.disabled_at.is_some(),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    email: String,
    role: String,
    agency: String,
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>, Query(mut typed): Query<Typed>) -> Result<Response, WebError> {
    if let Some(agency) = portal.entitlements.agency(&typed.agency).await? {
        typed.agency = agency.slug;
        Role::Reviewer.as_str().clone_into(&mut typed.role);
    }
    form_page(&who, &portal, typed, FieldErrors::default()).await
}

pub(super) async fn add(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Result<Response, WebError> {
    let typed = form.into_inner();
    let new = match read(&portal, &typed).await? {
        Ok(new) => new,
        Err(errors) => return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, typed, errors).await?)),
    };
    let password = Password::random(&portal.entropy);
    let shown = password.reveal().to_owned();
    match portal.accounts.create(new, password, Some(&who.principal), &who.visit.context).await {
        Ok(id) => {
            let account = portal.accounts.find(id.as_str()).await?.ok_or(WebError::NotFound)?;
            created(&who, &portal, account, shown).await
        }
        Err(AccountError::Invalid { field, problem }) => {
            let mut errors = FieldErrors::default();
            errors.add(field, problem);
            Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, typed, errors).await?))
        }
        Err(other) => Err(other.into()),
    }
}

async fn read(portal: &AppState, typed: &Typed) -> Result<Result<NewAccount, FieldErrors>, WebError> {
    let mut errors = FieldErrors::default();
    let agency = match typed.agency.as_str() {
        "" => None,
        key => {
            let found = portal.entitlements.agency(key).await?;
            if found.is_none() {
                errors.add("agency", "There is no such agency.");
            }
            found.map(|agency| agency.id)
        }
    };
    let Ok(role) = typed.role.parse() else {
        errors.add("role", "Choose what the account is for.");
        return Ok(Err(errors));
    };
    if !errors.is_empty() {
        return Ok(Err(errors));
    }
    Ok(Ok(NewAccount { email: typed.email.clone(), name: typed.name.clone(), role, agency }))
}

async fn form_page(who: &SignedIn, portal: &AppState, typed: Typed, errors: FieldErrors) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Add a person", Place::People).await?;
    let Typed { name, email, role, agency } = typed;
    html(&PersonForm { csrf: shell.csrf.clone(), shell, name, email, role, agency, agencies: agencies(portal).await?, errors })
}

/// The one page that ever shows the password.
async fn created(who: &SignedIn, portal: &AppState, account: Account, password: String) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Account opened", Place::People).await?;
    let mut response = html(&PersonCreated { shell, person: row(account), password })?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Result<Response, WebError> {
    let account = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&account)).await?;
    person_page(&who, &portal, account, trouble).await
}

pub(super) async fn disable(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Because>,
) -> Result<Response, WebError> {
    let account = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let by = confirmed(&who, &portal, &address(&account), "disable this account", &reason).await?;
    let problem = match portal.accounts.disable(&account.id, &reason, &by, &who.visit.context).await {
        Ok(()) => return done(&who, "The account is disabled, and its sessions have ended.", &address(&account)).await,
        Err(AccountError::Invalid { problem, .. }) => problem,
        Err(AccountError::Conflict) => "This account has been disabled already.".to_owned(),
        Err(other) => return Err(other.into()),
    };
    let account = find(&portal, &id).await?;
    Ok(again(StatusCode::CONFLICT, person_page(&who, &portal, account, Trouble::at(reason, "", problem)).await?))
}

/// A person left their agency: no agreement names them any more, and their account closes.
pub(super) async fn leave(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Because>,
) -> Result<Response, WebError> {
    let account = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let by = confirmed(&who, &portal, &address(&account), "end this person's access", &reason).await?;
    let (status, field, problem) = match portal.entitlements.leave(&account.id, &reason, &by, &who.visit.context).await {
        Ok(()) => match portal.accounts.disable(&account.id, &reason, &by, &who.visit.context).await {
            Ok(()) | Err(AccountError::Conflict) => {
                return done(&who, "They read nothing any more: no agreement names them, and the account is disabled.", &address(&account))
                    .await;
            }
            Err(AccountError::Invalid { problem, .. }) => (StatusCode::CONFLICT, "", problem),
            Err(other) => return Err(other.into()),
        },
        Err(error) => problem_of(error)?,
    };
    let account = find(&portal, &id).await?;
    Ok(again(status, person_page(&who, &portal, account, Trouble::at(reason, field, problem)).await?))
}

async fn find(portal: &AppState, id: &str) -> Result<Account, WebError> {
    portal.accounts.find(id).await?.ok_or(WebError::NotFound)
}

fn address(account: &Account) -> String {
    format!("/admin/people/{}", account.id)
}

async fn person_page(who: &SignedIn, portal: &AppState, account: Account, trouble: Trouble) -> Result<Response, WebError> {
    let shell = who.shell(portal, &account.name, Place::People).await?;
    let nominees = portal.entitlements.nominations_of(&account.id).await?;
    html(&PersonPage {
        csrf: shell.csrf.clone(),
        shell,
        created_at: account.created_at.micros(),
        may_disable: account.disabled_at.is_none() && account.id != *who.principal.account(),
        may_enable: false,
        may_leave: account.role == Role::Reviewer && account.disabled_at.is_none(),
        nominees: nominees.iter().map(nominee_row).collect(),
        person: row(account),
        reason: trouble.reason,
        errors: trouble.errors,
    })
}
