//! Terms that a reviewer accepts before reading under an agreement.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::everyone::onward;
use crate::entitlements::EntitlementError;
use crate::ids::AgreementId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::SignedIn;
use crate::web::page::html;
use crate::web::views::everyone::TermsToAccept;
use crate::web::views::shell::Place;

pub(super) async fn form(who: SignedIn, State(portal): State<AppState>) -> Result<Response, WebError> {
    page(&who, &portal, who.visit.parameter("next"), None).await
}

#[derive(Deserialize)]
pub(super) struct Accepting {
    #[serde(default)]
    agreement: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn accept(who: SignedIn, State(portal): State<AppState>, form: Protected<Accepting>) -> Result<Response, WebError> {
    let Accepting { agreement, version, next } = form.into_inner();
    let agreement = AgreementId::known(agreement);
    // What is no number is no version of anything.
    let version = version.parse().unwrap_or(0);
    match portal.entitlements.accept_terms(&agreement, version, &who.principal, &who.visit.context).await {
        Ok(()) => page(&who, &portal, next, None).await,
        Err(EntitlementError::Conflict) => {
            let problem = "These terms have changed since you opened this page. Read the newer ones below.".to_owned();
            Ok((StatusCode::CONFLICT, page(&who, &portal, next, Some(problem)).await?).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

/// The next terms to accept, or onward when there are none.
async fn page(who: &SignedIn, portal: &AppState, next: String, problem: Option<String>) -> Result<Response, WebError> {
    let pending = portal.entitlements.pending_terms(who.principal.account()).await?;
    let left = pending.len();
    let Some(terms) = pending.into_iter().next() else { return Ok(Redirect::to(onward(&next)).into_response()) };
    let shell = who.shell(portal, &format!("Terms of {}", terms.reference), Place::Elsewhere).await?;
    html(&TermsToAccept {
        csrf: shell.csrf.clone(),
        shell,
        next,
        agreement: terms.agreement.to_string(),
        reference: terms.reference,
        version: terms.version,
        published_at: terms.published_at.micros(),
        changed: terms.changed,
        text: terms.text,
        more: left - 1,
        problem,
    })
}
