//! The link with which somebody who was invited chooses their password. Every link that does not work has the same answer.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::one_time::{may_open, signs_in};
use crate::accounts::{Account, AccountError, Password};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Anyone, Visit, csrf};
use crate::web::page::{self, html};
use crate::web::views::everyone::{Invitation, InvitationClosed};
use crate::web::views::forms::FieldErrors;
use crate::web::views::shell::Shell;

pub(super) async fn form(anyone: Anyone, State(portal): State<AppState>, Path(secret): Path<String>) -> Result<Response, WebError> {
    match invited(&anyone, &portal, &secret).await? {
        Some(account) => invitation_page(&anyone.visit, &portal, account, FieldErrors::default()).await,
        None => closed(),
    }
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

pub(super) async fn accept(
    anyone: Anyone,
    State(portal): State<AppState>,
    Path(secret): Path<String>,
    form: Protected<Chosen>,
) -> Result<Response, WebError> {
    let Some(account) = invited(&anyone, &portal, &secret).await? else { return closed() };
    let Chosen { password, again } = form.into_inner();
    let visit = anyone.visit;
    let mut errors = FieldErrors::default();
    if password != again {
        errors.add("again", "This is not what you typed above. Type the same password twice.");
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, invitation_page(&visit, &portal, account, errors).await?).into_response());
    }
    match portal.accounts.accept_invitation(&secret, Password::new(password.clone()), &visit.context).await {
        Ok(account) => signs_in(&visit, &portal, account.email, password).await,
        Err(AccountError::Invalid { field, problem }) => {
            errors.add(field, problem);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, invitation_page(&visit, &portal, account, errors).await?).into_response())
        }
        Err(AccountError::Unknown) => closed(),
        Err(other) => Err(other.into()),
    }
}

/// Whom the link invites, if it works.
async fn invited(anyone: &Anyone, portal: &AppState, secret: &str) -> Result<Option<Account>, WebError> {
    may_open(anyone, portal)?;
    Ok(portal.accounts.invited(secret).await?)
}

async fn invitation_page(visit: &Visit, portal: &AppState, account: Account, errors: FieldErrors) -> Result<Response, WebError> {
    html(&Invitation {
        shell: Shell { title: "Choose a password".to_owned(), ..Shell::default() },
        csrf: csrf(visit, portal).await?,
        action: visit.address.clone(),
        name: account.name,
        email: account.email,
        role: page::role(account.role),
        agency: account.agency.map(|agency| agency.name).unwrap_or_default(),
        errors,
    })
}

fn closed() -> Result<Response, WebError> {
    let page = html(&InvitationClosed { shell: Shell { title: "Invitation".to_owned(), ..Shell::default() } })?;
    Ok((StatusCode::NOT_FOUND, page).into_response())
}
