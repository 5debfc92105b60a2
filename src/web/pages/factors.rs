//! One's own second factor: set up, replaced, turned off, and its recovery codes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::everyone::{Code, factor_line, onward};
use crate::accounts::{AccountError, OneTimeCode};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Entered, SignedIn};
use crate::web::page::html;
use crate::web::views::factors::{Begun, FactorPage, QrCode, RecoveryCodes};
use crate::web::views::forms::FieldErrors;
use crate::web::views::links;
use crate::web::views::shell::{Place, Shell};

const PAGE: &str = "/account/second-factor";

pub(super) async fn show(who: Entered, State(portal): State<AppState>) -> Result<Response, WebError> {
    let next = who.visit.parameter("next");
    let shell = who.shell(&portal, "Second factor", Place::Account).await?;
    page(&who, &portal, shell, next, FieldErrors::default()).await
}

pub(super) async fn begin(who: Entered, State(portal): State<AppState>, form: Protected<Code>) -> Result<Response, WebError> {
    let next = form.into_inner().next;
    let page = links::query(PAGE, &[("next", &next)]);
    let by = who.fresh(&portal, &page, "set up a second factor")?;
    portal.accounts.begin_enrolment(&by).await?;
    Ok(Redirect::to(&page).into_response())
}

pub(super) async fn confirm(who: Entered, State(portal): State<AppState>, form: Protected<Code>) -> Result<Response, WebError> {
    let Code { code, next } = form.into_inner();
    let by = who.fresh(&portal, &links::query(PAGE, &[("next", &next)]), "set up a second factor")?;
    match portal.accounts.confirm_enrolment(&by, &code, &who.visit.context).await {
        Ok(codes) => {
            // Nothing is due any more.
            let shell = Shell { closed: false, ..who.shell(&portal, "Recovery codes", Place::Account).await? };
            html(&recovery(shell, &codes, "Your second factor is set up.", onward(&next)))
        }
        Err(error) => {
            let shell = who.shell(&portal, "Second factor", Place::Account).await?;
            refused(&who, &portal, shell, next, error).await
        }
    }
}

pub(super) async fn renew(who: SignedIn, State(portal): State<AppState>, form: Protected<Code>) -> Result<Response, WebError> {
    let by = who.step_up(&portal, PAGE, "make new recovery codes")?;
    match portal.accounts.renew_recovery_codes(&by, &form.into_inner().code, &who.visit.context).await {
        Ok(codes) => {
            let shell = who.shell(&portal, "Recovery codes", Place::Account).await?;
            html(&recovery(shell, &codes, "You have new recovery codes.", "/account"))
        }
        Err(error) => refused_to(who, &portal, error).await,
    }
}

pub(super) async fn turn_off(who: SignedIn, State(portal): State<AppState>, form: Protected<Code>) -> Result<Response, WebError> {
    let by = who.step_up(&portal, PAGE, "turn your second factor off")?;
    match portal.accounts.turn_factor_off(&by, &form.into_inner().code, &who.visit.context).await {
        Ok(()) => {
            who.flash("Your second factor is off. Your password alone opens your account.").await?;
            Ok(Redirect::to("/account").into_response())
        }
        Err(error) => refused_to(who, &portal, error).await,
    }
}

async fn refused_to(who: SignedIn, portal: &AppState, error: AccountError) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Second factor", Place::Account).await?;
    let entered = Entered { person: who.principal.admitted(), visit: who.visit, due: false };
    refused(&entered, portal, shell, String::new(), error).await
}

async fn refused(who: &Entered, portal: &AppState, shell: Shell, next: String, error: AccountError) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    let status = match error {
        AccountError::Invalid { field, problem } => {
            errors.add(field, problem);
            StatusCode::UNPROCESSABLE_ENTITY
        }
        AccountError::Conflict => {
            errors.add("", "This was changed meanwhile, or begun too long ago. This is how it stands now.");
            StatusCode::CONFLICT
        }
        other => return Err(other.into()),
    };
    Ok((status, page(who, portal, shell, next, errors).await?).into_response())
}

async fn page(who: &Entered, portal: &AppState, shell: Shell, next: String, errors: FieldErrors) -> Result<Response, WebError> {
    let begun = match portal.accounts.fresh(&who.person) {
        // What is being set up is shown for as long as the password was given just now, as it could be copied.
        Some(by) => portal.accounts.enrolment(&by).await?,
        None => None,
    };
    let begun = begun.and_then(|begun| Some(Begun { picture: QrCode::of(&begun.uri)?, uri: begun.uri, secret: grouped(&begun.secret) }));
    html(&FactorPage {
        csrf: shell.csrf.clone(),
        shell,
        due: who.due,
        required: portal.accounts.requires_factor(&who.person),
        factor: portal.accounts.second_factor(&who.person).await?.map(factor_line),
        begun,
        next,
        errors,
    })
}

fn recovery(shell: Shell, codes: &[OneTimeCode], heading: &str, next: &str) -> RecoveryCodes {
    RecoveryCodes { shell, heading: heading.to_owned(), codes: codes.iter().map(OneTimeCode::reveal).collect(), next: next.to_owned() }
}

/// In groups of four, as people type.
fn grouped(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}
