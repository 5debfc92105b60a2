//! What the links have in common with which people choose a password: that of an invitation, and that of a reset.

use axum::response::{IntoResponse, Redirect, Response};

use super::everyone::admitted;
use crate::accounts::{AccountError, Attempt, Password, Presence};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::{Anyone, Visit};

/// Links are opened only as often as an address may, and by nobody who is signed in.
pub(super) fn may_open(anyone: &Anyone, portal: &AppState) -> Result<(), WebError> {
    if matches!(anyone.presence, Presence::Present(_) | Presence::Due(_)) {
        return Err(WebError::Forbidden("You are signed in. Sign out first, then open the link again.".to_owned()));
    }
    let address = anyone.visit.context.address.as_deref().unwrap_or_default();
    portal
        .invitations
        .admit(address)
        .map_err(|wait| WebError::TooMany { problem: "Links were opened too often from your network.".to_owned(), wait })
}

/// With the password that was just chosen.
pub(super) async fn signs_in(visit: &Visit, portal: &AppState, email: String, password: String) -> Result<Response, WebError> {
    let address = visit.context.address.clone().unwrap_or_default();
    let attempt = Attempt { email, password: Password::new(password), address };
    match portal.accounts.sign_in(attempt, &visit.session, &visit.context).await {
        Ok(admission) => admitted(visit, portal, admission, "").await,
        // Too many attempts from that address, for example. The password is set.
        Err(AccountError::Refused) => Ok(Redirect::to("/sign-in").into_response()),
        Err(other) => Err(other.into()),
    }
}
