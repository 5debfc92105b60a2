//! People: who there are, and inviting more.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::grants::{agencies, choice};
use super::{Nothing, Trouble, account_problem, again};
use crate::accounts::{Account, InvitationStage, Link, NewAccount, Role, Standing, Wanted};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::{self, html};
use crate::web::views::admin::people::{PeoplePage, PersonForm, PersonInvited, PersonRow};
use crate::web::views::forms::FieldErrors;
use crate::web::views::links;
use crate::web::views::shell::Place;

/// What the address asks for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    agency: String,
    role: String,
    state: String,
    after: String,
}

pub(super) async fn list(who: Administering, State(portal): State<AppState>, Query(asked): Query<Asked>) -> Result<Response, WebError> {
    let agencies = portal.entitlements.agencies().await?;
    let wanted = Wanted {
        text: asked.q.clone(),
        agency: agencies.iter().find(|agency| agency.slug == asked.agency).map(|agency| agency.id.clone()),
        role: asked.role.parse().ok(),
        standing: Standing::ALL.into_iter().find(|standing| standing.as_str() == asked.state),
        after: asked.after.clone(),
    };
    let found = portal.accounts.search(&wanted).await?;
    let filters = [("q", asked.q.as_str()), ("agency", &asked.agency), ("role", &asked.role), ("state", &asked.state)];
    let beginning = links::query("/admin/people", &filters);
    let next = found.next.map(|after| {
        let mut pairs = filters.to_vec();
        pairs.push(("after", &after));
        links::query("/admin/people", &pairs)
    });
    html(&PeoplePage {
        shell: who.shell(&portal, "People", Place::People).await?,
        filtered: filters.iter().any(|(_, value)| !value.is_empty()),
        rows: found.people.into_iter().map(row).collect(),
        total: found.total,
        next,
        first: (!asked.after.is_empty()).then_some(beginning),
        roles: Role::ALL.into_iter().map(|role| choice(role.as_str(), role.title())).collect(),
        states: STATES.iter().map(|(standing, words, _)| choice(standing.as_str(), *words)).collect(),
        agencies: agencies.into_iter().map(|agency| choice(agency.slug, agency.name)).collect(),
        q: asked.q,
        agency: asked.agency,
        role: asked.role,
        state: asked.state,
    })
}

/// How an account stands, in words and as a CSS class.
const STATES: [(Standing, &str, &str); 4] = [
    (Standing::Active, "Active", "done"),
    (Standing::Invited, "No password yet", "look"),
    (Standing::Reset, "Password reset", "look"),
    (Standing::Locked, "Locked", "danger"),
];

pub(super) fn row(account: Account) -> PersonRow {
    let standing = account.standing();
    let (state, class) = STATES.iter().find(|(of, ..)| *of == standing).map_or(("", ""), |(_, words, class)| (words, class));
    PersonRow {
        id: account.id.to_string(),
        name: account.name,
        email: account.email,
        role: page::role(account.role),
        agency: account.agency.map(|agency| agency.name).unwrap_or_default(),
        state,
        class,
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
    match portal.accounts.invite(new, Some(&who.principal), &who.visit.context).await {
        Ok((id, link)) => {
            let account = portal.accounts.find(id.as_str()).await?.ok_or(WebError::NotFound)?;
            invited(&who, &portal, account, &link).await
        }
        Err(error) => {
            let (status, field, problem) = account_problem(error)?;
            let mut errors = FieldErrors::default();
            errors.add(field, problem);
            Ok(again(status, form_page(&who, &portal, typed, errors).await?))
        }
    }
}

/// Another link for somebody who has not used theirs.
pub(super) async fn invite_again(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    _: Protected<Nothing>,
) -> Result<Response, WebError> {
    let account = portal.accounts.find(&id).await?.ok_or(WebError::NotFound)?;
    match portal.accounts.invite_again(&account.id, &who.principal, &who.visit.context).await {
        Ok(link) => invited(&who, &portal, account, &link).await,
        Err(error) => {
            let (status, field, problem) = account_problem(error)?;
            let trouble = Trouble::at(String::new(), field, problem);
            Ok(again(status, super::person::page(&who, &portal, account, trouble).await?))
        }
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
    let shell = who.shell(portal, "Invite a person", Place::People).await?;
    let Typed { name, email, role, agency } = typed;
    html(&PersonForm { csrf: shell.csrf.clone(), shell, name, email, role, agency, agencies: agencies(portal).await?, errors })
}

/// The one page that ever shows the link.
async fn invited(who: &SignedIn, portal: &AppState, account: Account, link: &Link) -> Result<Response, WebError> {
    let invitation = portal.accounts.invitation_of(&account.id).await?.ok_or(WebError::NotFound)?;
    let shell = who.shell(portal, "Invited", Place::People).await?;
    html(&PersonInvited {
        shell,
        link: address_of(portal, link),
        second: invitation.stage == InvitationStage::Proposed,
        expires_at: invitation.expires_at.micros(),
        person: row(account),
    })
}

/// The whole address of a link.
pub(super) fn address_of(portal: &AppState, link: &Link) -> String {
    link.address(portal.config.public_origin.as_deref(), portal.config.listen)
}
