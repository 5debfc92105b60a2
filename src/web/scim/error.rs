//! What a directory is told when something cannot be done (RFC 7644, section 3.12).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::CONTENT_TYPE;
use crate::accounts::AccountError;
use crate::audit::LogUnavailable;
use crate::entitlements::{EntitlementError, ProvisioningError};

const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScimError {
    status: StatusCode,
    /// One of the words of RFC 7644, table 9.
    kind: Option<&'static str>,
    detail: String,
    /// A header that goes with the status.
    header: Option<(header::HeaderName, HeaderValue)>,
}

impl ScimError {
    fn new(status: StatusCode, kind: Option<&'static str>, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), header: None }
    }

    /// A request that says what cannot be.
    pub(super) fn bad(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Some(kind), detail)
    }

    pub(super) fn syntax(detail: impl Into<String>) -> Self {
        Self::bad("invalidSyntax", detail)
    }

    pub(super) fn value(attribute: &str, problem: impl AsRef<str>) -> Self {
        Self::bad("invalidValue", format!("{attribute}: {}", problem.as_ref()))
    }

    pub(super) fn filter(detail: impl Into<String>) -> Self {
        Self::bad("invalidFilter", detail)
    }

    pub(super) fn path(detail: impl Into<String>) -> Self {
        Self::bad("invalidPath", detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, None, "There is nothing here for this directory.")
    }

    pub(super) fn unauthorized() -> Self {
        let challenge = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lectern\""));
        Self { header: Some(challenge), ..Self::new(StatusCode::UNAUTHORIZED, None, "Show a token that holds.") }
    }

    pub(super) fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, None, detail)
    }

    pub(super) fn not_implemented(detail: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, None, detail)
    }

    pub(super) fn not_allowed(allow: &'static str) -> Self {
        let allow = (header::ALLOW, HeaderValue::from_static(allow));
        Self { header: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, None, "This cannot be done here.") }
    }

    pub(super) fn stale() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, None, "The user is of another version now. Read it again.")
    }

    pub(super) fn busy() -> Self {
        Self::new(StatusCode::CONFLICT, None, "Others changed the user at the same moment. Try again.")
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, None, "The request is longer than 64 KiB.")
    }

    pub(super) fn unsupported() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, "Send application/scim+json.")
    }

    pub(super) fn too_many(seconds: u64) -> Self {
        let wait = (header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        Self { header: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, None, "Too many calls. Try again later.") }
    }

    fn unrecordable(cause: &LogUnavailable) -> Self {
        tracing::warn!(%cause, "a directory's call was refused because it could not be recorded");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, None, "The record cannot be written, so nothing is done. Try again later.")
    }

    pub(super) fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(%cause, "a directory's call failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, None, "Something went wrong on our side.")
    }

    fn body(&self) -> Value {
        let mut body = json!({"schemas": [ERROR], "status": self.status.as_str(), "detail": self.detail});
        if let (Some(kind), Some(fields)) = (self.kind, body.as_object_mut()) {
            fields.insert("scimType".to_owned(), json!(kind));
        }
        body
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let mut response = (self.status, [(header::CONTENT_TYPE, CONTENT_TYPE)], self.body().to_string()).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<ProvisioningError> for ScimError {
    fn from(error: ProvisioningError) -> Self {
        match error {
            ProvisioningError::Unknown => Self::not_found(),
            ProvisioningError::UserNameTaken | ProvisioningError::AddressTaken => {
                Self::new(StatusCode::CONFLICT, Some("uniqueness"), error.to_string())
            }
            ProvisioningError::Profile(problem) => Self::value(problem.attribute, &problem.problem),
            ProvisioningError::Stale => Self::stale(),
            ProvisioningError::Full | ProvisioningError::Suspended => Self::forbidden(&error.to_string()),
            ProvisioningError::TokenEnded => Self::unauthorized(),
            ProvisioningError::Entitlement(cause) => cause.into(),
        }
    }
}

impl From<EntitlementError> for ScimError {
    fn from(error: EntitlementError) -> Self {
        match error {
            EntitlementError::Conflict => Self::busy(),
            EntitlementError::Log(cause) => Self::unrecordable(&cause),
            EntitlementError::Account(cause) => cause.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<AccountError> for ScimError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Log(cause) => Self::unrecordable(&cause),
            AccountError::Invalid { problem, .. } => Self::bad("invalidValue", problem),
            other => Self::internal(&other),
        }
    }
}
