//! Which directory calls: an agency's, by its token. There is no session, and no cookie opens anything here.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::error::ScimError;
use crate::accounts::Directory;
use crate::audit::Context;
use crate::ids::RequestId;
use crate::web::AppState;
use crate::web::guard::{USER_AGENT, client_address, text};
use crate::web::routes::Guard;

/// An agency's directory with a token that holds.
pub(super) struct Provisioning {
    pub(super) directory: Directory,
    pub(super) context: Context,
    /// Where the answers say that they are.
    pub(super) base: String,
    pub(super) headers: HeaderMap,
}

impl Guard for Provisioning {
    const NAME: &'static str = "directory's token";
}

impl FromRequestParts<AppState> for Provisioning {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, ScimError> {
        let address = client_address(parts, portal.config.trusted_proxies);
        let directory = match bearer(&parts.headers) {
            Some(token) => portal.accounts.directory(&token).await?,
            None => None,
        };
        let Some(directory) = directory else {
            // Whoever has a token that holds is never held back by those who guess from the same address.
            portal.strange_directories.admit(&address).map_err(|wait| ScimError::too_many(wait.as_secs()))?;
            return Err(ScimError::unauthorized());
        };
        portal.directories.admit(directory.token().as_str()).map_err(|wait| ScimError::too_many(wait.as_secs()))?;
        if !portal.entitlements.is_served(&directory).await? {
            return Err(ScimError::forbidden("The agency of this directory is suspended."));
        }
        let request = parts.extensions.get::<RequestId>().cloned();
        Ok(Self {
            directory,
            context: Context {
                request: request.unwrap_or_else(|| RequestId::random(&portal.entropy)),
                address: Some(address),
                user_agent: text(&parts.headers, header::USER_AGENT.as_str()).map(|ua| ua.chars().take(USER_AGENT).collect()),
            },
            base: super::base(portal),
            headers: parts.headers.clone(),
        })
    }
}

/// The token that a program sends (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = text(headers, header::AUTHORIZATION.as_str())?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
