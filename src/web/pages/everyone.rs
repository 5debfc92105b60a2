//! Signing in and out, the account, confirming who it is.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::accounts::{AccountError, Admission, Attempt, Password, Presence, Role, SecondFactor};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Anyone, Awaited, Entered, SignedIn, Visit, csrf, renew_csrf};
use crate::web::page::{html, session_row};
use crate::web::views::design::DesignPage;
use crate::web::views::everyone::{Account, FactorLine, Reauthenticate, SessionRow, SignIn, SignInFactor};
use crate::web::views::forms::FieldErrors;
use crate::web::views::links;
use crate::web::views::shell::{Place, Shell};

/// Where to go on: a page of this portal, or the desk.
pub(super) fn onward(next: &str) -> &str {
    let inside = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r']) && next.len() < 4096;
    if inside { next } else { "/" }
}

pub(super) async fn sign_in_form(anyone: Anyone, State(portal): State<AppState>) -> Result<Response, WebError> {
    let next = anyone.visit.parameter("next");
    if matches!(anyone.presence, Presence::Present(_) | Presence::Due(_)) {
        return Ok(Redirect::to(onward(&next)).into_response());
    }
    let csrf = csrf(&anyone.visit, &portal).await?;
    if let Err(cause) = anyone.visit.session.save().await {
        tracing::error!(%cause, "a session could not be kept");
        let page = html(&SignIn { csrf, next, ..SignIn::closed() })?;
        return Ok((StatusCode::SERVICE_UNAVAILABLE, page).into_response());
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
        Ok(admission) => admitted(&visit, &portal, admission, &next).await,
        Err(refused @ AccountError::Refused) => {
            let csrf = csrf(&visit, &portal).await?;
            let page = html(&sign_in_page(csrf, next, email, Some(refused.to_string())))?;
            Ok((StatusCode::UNAUTHORIZED, page).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

/// On into the portal, or to the page that asks for the second factor.
pub(super) async fn admitted(visit: &Visit, portal: &AppState, admission: Admission, next: &str) -> Result<Response, WebError> {
    renew_csrf(visit, portal).await?;
    let next = onward(next);
    Ok(match admission {
        Admission::Open => Redirect::to(next).into_response(),
        Admission::Factor => {
            let next = if next == "/" { "" } else { next };
            Redirect::to(&links::query("/sign-in/second-factor", &[("next", next)])).into_response()
        }
    })
}

#[derive(Deserialize)]
pub(super) struct Code {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) next: String,
}

pub(super) async fn factor_form(who: Awaited, State(portal): State<AppState>) -> Result<Response, WebError> {
    factor_page(&who, &portal, who.visit.parameter("next"), None).await
}

async fn factor_page(who: &Awaited, portal: &AppState, next: String, error: Option<String>) -> Result<Response, WebError> {
    let shell = Shell { title: "Second factor".to_owned(), ..Shell::default() };
    html(&SignInFactor { shell, csrf: csrf(&who.visit, portal).await?, next, error })
}

pub(super) async fn give_factor(who: Awaited, State(portal): State<AppState>, form: Protected<Code>) -> Result<Response, WebError> {
    let Code { code, next } = form.into_inner();
    match portal.accounts.give_factor(&who.waiting, &code, &who.visit.session, &who.visit.context).await {
        Ok(()) => admitted(&who.visit, &portal, Admission::Open, &next).await,
        Err(AccountError::Refused) => {
            let sentence = "This code does not fit, was used before, or there were too many wrong ones. Each code works once.".to_owned();
            Ok((StatusCode::UNAUTHORIZED, factor_page(&who, &portal, next, Some(sentence)).await?).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn sign_out(who: Entered, State(portal): State<AppState>, _: Protected<Nothing>) -> Result<Response, WebError> {
    portal.accounts.sign_out(&who.person, &who.visit.session, &who.visit.context).await?;
    let shell = Shell { title: "Signed out".to_owned(), ..Shell::default() };
    let mut response = html(&crate::web::views::everyone::SignedOut { shell })?;
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}

pub(super) async fn account(who: SignedIn, State(portal): State<AppState>) -> Result<Response, WebError> {
    account_page(&who, &portal, FieldErrors::default()).await
}

async fn account_page(who: &SignedIn, portal: &AppState, errors: FieldErrors) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Your account", Place::Account).await?;
    let readable = match who.principal.role() {
        Role::Reviewer => super::shelves::sentences(portal, who).await?,
        _ => Vec::new(),
    };
    let sessions = portal.accounts.sessions_of(who.principal.account()).await?;
    let mut sessions: Vec<SessionRow> = sessions.into_iter().map(|one| session_row(portal, one, who.principal.session())).collect();
    sessions.sort_by_key(|session| !session.current);
    html(&Account {
        csrf: shell.csrf.clone(),
        shell,
        email: who.principal.email().to_owned(),
        agreement: super::shelves::agreement(portal, who).await?,
        readable,
        sessions,
        factor: portal.accounts.second_factor(&who.principal.admitted()).await?.map(factor_line),
        errors,
    })
}

/// A second factor in a sentence.
pub(super) fn factor_line(of: SecondFactor) -> FactorLine {
    FactorLine { since: of.since.micros(), codes_left: of.codes_left }
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(default)]
    current: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

pub(super) async fn change_password(
    who: SignedIn,
    State(portal): State<AppState>,
    form: Protected<NewPassword>,
) -> Result<Response, WebError> {
    let NewPassword { current, password, again } = form.into_inner();
    let mut errors = FieldErrors::default();
    if password != again {
        errors.add("again", "This is not what you typed above. Type the same password twice.");
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, account_page(&who, &portal, errors).await?).into_response());
    }
    let (current, new) = (Password::new(current), Password::new(password));
    match portal.accounts.change_password(&who.principal, current, new, &who.visit.context).await {
        Ok(_) => {
            who.flash("Your password is changed. Every other session of yours has ended.").await?;
            return Ok(Redirect::to("/account").into_response());
        }
        Err(AccountError::Refused) => errors.add("current", "This is not your password, or there were too many attempts."),
        Err(AccountError::Invalid { field, problem }) => errors.add(field, problem),
        Err(AccountError::Conflict) => errors.add("current", "Your password was changed at the same moment. Use the new one."),
        Err(other) => return Err(other.into()),
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, account_page(&who, &portal, errors).await?).into_response())
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

pub(super) async fn confirm_form(who: Entered, State(portal): State<AppState>) -> Result<Response, WebError> {
    confirm_page(&who, &portal, who.visit.parameter("next"), who.visit.parameter("purpose"), None).await
}

async fn confirm_page(
    who: &Entered,
    portal: &AppState,
    next: String,
    purpose: String,
    error: Option<String>,
) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Confirm it is you", Place::Elsewhere).await?;
    let purpose = purpose.chars().filter(|c| c.is_ascii_lowercase() || *c == ' ').take(60).collect();
    html(&Reauthenticate { csrf: shell.csrf.clone(), shell, next, purpose, factor: who.person.has_second_factor(), error })
}

#[derive(Deserialize)]
pub(super) struct Confirmation {
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn confirm(who: Entered, State(portal): State<AppState>, form: Protected<Confirmation>) -> Result<Response, WebError> {
    let Confirmation { password, code, next } = form.into_inner();
    let password = Password::new(password);
    match portal.accounts.confirm(&who.person, password, &code, &who.visit.session, &who.visit.context).await {
        Ok(()) => Ok(Redirect::to(onward(&next)).into_response()),
        Err(AccountError::Refused) => {
            let sentence = if who.person.has_second_factor() {
                "Password and code do not both fit, the code was used before, or there were too many attempts. Each code works once."
            } else {
                "That is not your password, or there were too many attempts."
            };
            confirm_page(&who, &portal, next, String::new(), Some(sentence.to_owned())).await
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
