//! The link with which somebody whose password was reset chooses another one; it takes the code, too, that another administrator has. Every
//! link that does not work has the same answer.

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
use crate::web::page::html;
use crate::web::views::everyone::{ResetClosed, ResetForm};
use crate::web::views::forms::FieldErrors;
use crate::web::views::shell::Shell;

pub(super) async fn form(anyone: Anyone, State(portal): State<AppState>, Path(secret): Path<String>) -> Result<Response, WebError> {
    may_open(&anyone, &portal)?;
    match portal.accounts.resetting(&secret).await? {
        Some(account) => page(&anyone.visit, &portal, account, String::new(), FieldErrors::default()).await,
        None => closed(),
    }
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    #[serde(default)]
    code: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

pub(super) async fn choose(
    anyone: Anyone,
    State(portal): State<AppState>,
    Path(secret): Path<String>,
    form: Protected<Chosen>,
) -> Result<Response, WebError> {
    may_open(&anyone, &portal)?;
    let Some(account) = portal.accounts.resetting(&secret).await? else { return closed() };
    let Chosen { code, password, again } = form.into_inner();
    let visit = anyone.visit;
    let mut errors = FieldErrors::default();
    if password != again {
        errors.add("again", "This is not what you typed above. Type the same password twice.");
        return refused(&visit, &portal, account, code, errors).await;
    }
    match portal.accounts.use_reset(&secret, &code, Password::new(password.clone()), &visit.context).await {
        Ok(account) => signs_in(&visit, &portal, account.email, password).await,
        Err(AccountError::Invalid { field, problem }) => {
            errors.add(field, problem);
            refused(&visit, &portal, account, code, errors).await
        }
        Err(AccountError::Unknown) => closed(),
        Err(other) => Err(other.into()),
    }
}

async fn refused(visit: &Visit, portal: &AppState, account: Account, code: String, errors: FieldErrors) -> Result<Response, WebError> {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(visit, portal, account, code, errors).await?).into_response())
}

async fn page(visit: &Visit, portal: &AppState, account: Account, code: String, errors: FieldErrors) -> Result<Response, WebError> {
    html(&ResetForm {
        shell: Shell { title: "Choose another password".to_owned(), ..Shell::default() },
        csrf: csrf(visit, portal).await?,
        action: visit.address.clone(),
        name: account.name,
        email: account.email,
        code,
        errors,
    })
}

fn closed() -> Result<Response, WebError> {
    let page = html(&ResetClosed { shell: Shell { title: "Reset".to_owned(), ..Shell::default() } })?;
    Ok((StatusCode::NOT_FOUND, page).into_response())
}
