//! Signing in and out, the account, confirming who it is.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::accounts::{AccountError, Attempt, Password, Role};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Anyone, SignedIn, csrf, renew_csrf};
use crate::web::page::{html, session_row};
use crate::web::views::design::DesignPage;
use crate::web::views::everyone::{Account, Reauthenticate, SessionRow, SignIn};
use crate::web::views::shell::{Place, Shell};

/// Where to go on: a page of this portal, or the desk.
pub(super) fn onward(next: &str) -> &str {
    let inside = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r']) && next.len() < 4096;
    if inside { next } else { "/" }
}

pub(super) async fn sign_in_form(anyone: Anyone, State(portal): State<AppState>) -> Result<Response, WebError> {
    let next = anyone.visit.parameter("next");
    if anyone.principal.is_some() {
        return Ok(Redirect::to(onward(&next)).into_response());
    }
    let csrf = csrf(&anyone.visit, &portal).await?;
    if let Err(cause) = anyone.visit.session.save().await {
        tracing::error!(%cause, "a session could not be kept");
        let page = html(&SignIn { csrf, next, ..SignIn::closed() })?;
        return Ok((axum::http::StatusCode::SERVICE_UNAVAILABLE, page).into_response());
    }
    let suspended = portal.log.health().alarm().map(|_| {
        "Reading is suspended: the record cannot be written, and nothing is shown that it does not say first. Nobody can sign in until it can."
            .to_owned()
    });
    html(&sign_in_page(csrf, next, String::new(), suspended))
}

fn sign_in_page(csrf: String, next: String, email: String, error: Option<String>) -> SignIn {
    let shell = Shell { title: "Sign in".to_owned(), ..Shell::default() };
    SignIn { shell, csrf, next, email, error }
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn sign_in(anyone: Anyone, State(portal): State<AppState>, form: Protected<Credentials>) -> Result<Response, WebError> {
    let Credentials { email, password, next } = form.into_inner();
    let visit = anyone.visit;
    let attempt =
        Attempt { email: email.clone(), password: Password::new(password), address: visit.context.address.clone().unwrap_or_default() };
    match portal.accounts.sign_in(attempt, &visit.session, &visit.context).await {
        Ok(()) => {
            renew_csrf(&visit, &portal).await?;
            Ok(Redirect::to(onward(&next)).into_response())
        }
        Err(refused @ AccountError::Refused) => {
            let csrf = csrf(&visit, &portal).await?;
            let page = html(&sign_in_page(csrf, next, email, Some(refused.to_string())))?;
            Ok((axum::http::StatusCode::UNAUTHORIZED, page).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn sign_out(who: SignedIn, State(portal): State<AppState>, _: Protected<Nothing>) -> Result<Response, WebError> {
    portal.accounts.sign_out(&who.principal, &who.visit.session, &who.visit.context).await?;
    let shell = Shell { title: "Signed out".to_owned(), ..Shell::default() };
    let mut response = html(&crate::web::views::everyone::SignedOut { shell })?;
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}

pub(super) async fn account(who: SignedIn, State(portal): State<AppState>) -> Result<Response, WebError> {
    let shell = who.shell(&portal, "Your account", Place::Account).await?;
    let readable = match who.principal.role() {
        Role::Reviewer => super::shelves::sentences(&portal, &who).await?,
        _ => Vec::new(),
    };
    let sessions = portal.accounts.sessions_of(who.principal.account()).await?;
    let mut sessions: Vec<SessionRow> = sessions.into_iter().map(|one| session_row(&portal, one, who.principal.session())).collect();
    sessions.sort_by_key(|session| !session.current);
    html(&Account {
        csrf: shell.csrf.clone(),
        shell,
        email: who.principal.email().to_owned(),
        agreement: super::shelves::agreement(&portal, &who).await?,
        readable,
        sessions,
    })
}

#[derive(Deserialize)]
pub(super) struct Ending {
    /// Empty for every other one.
    #[serde(default)]
    session: String,
}

pub(super) async fn end_session(who: SignedIn, State(portal): State<AppState>, form: Protected<Ending>) -> Result<Response, WebError> {
    let (me, context) = (who.principal.account(), &who.visit.context);
    match form.into_inner().session.as_str() {
        "" => {
            portal.accounts.end_sessions(me, &who.principal, context).await?;
            who.flash("Every other session has ended.").await?;
        }
        short => {
            portal.accounts.end_session(me, short, &who.principal, context).await?;
            who.flash("That session has ended.").await?;
        }
    }
    Ok(Redirect::to("/account").into_response())
}

pub(super) async fn confirm_form(who: SignedIn, State(portal): State<AppState>) -> Result<Response, WebError> {
    confirm_page(&who, &portal, who.visit.parameter("next"), who.visit.parameter("purpose"), None).await
}

async fn confirm_page(
    who: &SignedIn,
    portal: &AppState,
    next: String,
    purpose: String,
    error: Option<String>,
) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Confirm it is you", Place::Elsewhere).await?;
    let purpose = purpose.chars().filter(|c| c.is_ascii_lowercase() || *c == ' ').take(60).collect();
    html(&Reauthenticate { csrf: shell.csrf.clone(), shell, next, purpose, error })
}

#[derive(Deserialize)]
pub(super) struct Confirmation {
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn confirm(who: SignedIn, State(portal): State<AppState>, form: Protected<Confirmation>) -> Result<Response, WebError> {
    let Confirmation { password, next } = form.into_inner();
    let password = Password::new(password);
    match portal.accounts.confirm(&who.principal, password, &who.visit.session, &who.visit.context).await {
        Ok(()) => Ok(Redirect::to(onward(&next)).into_response()),
        Err(AccountError::Refused) => {
            let sentence = "That is not your password, or there were too many attempts.".to_owned();
            confirm_page(&who, &portal, next, String::new(), Some(sentence)).await
        }
        Err(other) => Err(other.into()),
    }
}

pub(super) async fn design(who: SignedIn, State(portal): State<AppState>) -> Result<Response, WebError> {
    html(&DesignPage { shell: who.shell(&portal, "Design", Place::Elsewhere).await? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn onward_stays_inside() {
        assert_eq!(onward("/p/git?x=1"), "/p/git?x=1");
        for bad in ["", "https://evil.example", "//evil.example", "/\\evil.example", "p/git", "/a\r\nSet-Cookie: x"] {
            assert_eq!(onward(bad), "/", "{bad:?}");
        }
    }
}
