//! What can go wrong, and the page or JSON that says so.
//!
//! A handler's error becomes a bare status with a note of what to say; [`render`] turns it into a page within the visitor's
//! own frame, or into JSON. Internal causes are logged once, here, and the visitor is told only the request's id.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;
use tower_sessions::Session;

use super::allowance::Wait;
use super::guard::{Visit, csrf, wants_json};
use super::page::html;
use super::views::everyone::{ErrorPage, SignIn};
use super::views::links;
use super::{AppState, page};
use crate::access::AccessError;
use crate::accounts::{AccountError, Presence};
use crate::audit::{AuditError, LogUnavailable};
use crate::catalog::CatalogError;
use crate::entitlements::EntitlementError;
use crate::ids::RequestId;
use crate::inspection::InspectionError;
use crate::source::SourceError;

/// The code of [`WebError::NotReady`].
const NOT_READY: &str = "not_ready";
/// The code of [`WebError::Unwitnessed`].
const UNWITNESSED: &str = "unwitnessed";

#[derive(Debug)]
pub(super) enum WebError {
    /// Not there, or not for this person: nobody is told which.
    NotFound,
    Unauthenticated,
    SignIn {
        next: String,
    },
    Confirm {
        next: String,
        purpose: &'static str,
    },
    /// A second factor is to be set up first; a page is asked for again afterwards.
    FactorDue {
        next: Option<String>,
    },
    /// Terms of an agreement are to be accepted first.
    Terms {
        next: String,
    },
    BadRequest(String),
    Forbidden(String),
    /// Too much at once, or in a short time: the sentence says what, and when to try again.
    TooMany {
        problem: String,
        wait: Duration,
    },
    /// The log cannot take an entry, so nothing that needs one is shown.
    Unrecordable,
    /// The answer took longer than it may.
    NotReady,
    /// The log's witnesses have not cosigned it for too long, so no source is shown.
    Unwitnessed,
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

/// What [`render`] is to say.
#[derive(Clone, Debug)]
struct Failure {
    code: &'static str,
    message: String,
    /// Seconds after which it makes sense to try again.
    wait: Option<u64>,
}

impl WebError {
    pub(super) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let wait = match &self {
            Self::TooMany { wait, .. } => Some(wait.as_secs().max(1)),
            Self::NotReady => Some(60),
            _ => None,
        };
        let (status, code, message) = match self {
            Self::SignIn { next } => {
                let next = if next == "/" { String::new() } else { next };
                return Redirect::to(&links::query("/sign-in", &[("next", &next)])).into_response();
            }
            Self::Confirm { next, purpose } => {
                let pairs = [("next", next.as_str()), ("purpose", purpose)];
                return Redirect::to(&links::query("/reauthenticate", &pairs)).into_response();
            }
            Self::FactorDue { next: Some(next) } => {
                let next = if next == "/" { String::new() } else { next };
                return Redirect::to(&links::query("/account/second-factor", &[("next", &next)])).into_response();
            }
            Self::FactorDue { next: None } => {
                (StatusCode::FORBIDDEN, "second_factor_due", "Set up a second factor first, at /account/second-factor.".to_owned())
            }
            Self::Terms { next } if next.is_empty() => {
                (StatusCode::FORBIDDEN, "terms_not_accepted", "Accept the terms of your agreement first, at /terms.".to_owned())
            }
            Self::Terms { next } => return Redirect::to(&links::query("/terms", &[("next", &next)])).into_response(),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing here that you can read.".to_owned()),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first.".to_owned()),
            Self::BadRequest(problem) => (StatusCode::BAD_REQUEST, "bad_request", problem),
            Self::Forbidden(problem) => (StatusCode::FORBIDDEN, "forbidden", problem),
            Self::TooMany { problem, .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many", problem),
            Self::Unrecordable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unrecordable", "The record cannot be written, so no source is shown.".to_owned())
            }
            Self::NotReady => {
                (StatusCode::SERVICE_UNAVAILABLE, NOT_READY, "This took longer than an answer may. Try again later.".to_owned())
            }
            Self::Unwitnessed => {
                (StatusCode::SERVICE_UNAVAILABLE, UNWITNESSED, "The record has not been witnessed, so no source is shown.".to_owned())
            }
            Self::Internal(cause) => {
                // The span around the request carries its id.
                tracing::error!(%cause, "a request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side.".to_owned())
            }
        };
        let mut response = status.into_response();
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response.extensions_mut().insert(Failure { code, message, wait });
        response
    }
}

/// Gives failures their page or JSON.
pub(super) async fn render(State(portal): State<AppState>, request: Request, next: Next) -> Response {
    let json = wants_json(request.headers());
    let session = request.extensions().get::<Session>().cloned();
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    let Some(failure) = response.extensions().get::<Failure>().cloned() else { return response };
    let status = response.status();
    let again = response.headers().get(header::RETRY_AFTER).cloned();
    let mut rendered = failed(&portal, json, session, id, status, failure).await;
    rendered.headers_mut().extend(again.map(|value| (header::RETRY_AFTER, value)));
    rendered
}

/// What is known of a request when the database, and with it the session, cannot be read.
pub(super) struct WithoutStorage {
    json: bool,
    /// The page to sign in at is asked for.
    door: bool,
    id: Option<RequestId>,
}

impl WithoutStorage {
    pub(super) fn of(request: &Request) -> Self {
        let door = request.method() == Method::GET && request.uri().path() == "/sign-in";
        Self { json: wants_json(request.headers()), door, id: request.extensions().get::<RequestId>().cloned() }
    }

    /// As of [`WebError::Unrecordable`], in the bare frame.
    pub(super) async fn response(self, portal: &AppState) -> Response {
        if self.door
            && !self.json
            && let Ok(page) = html(&SignIn::closed())
        {
            return (StatusCode::SERVICE_UNAVAILABLE, page).into_response();
        }
        let response = WebError::Unrecordable.into_response();
        match response.extensions().get::<Failure>().cloned() {
            Some(failure) => failed(portal, self.json, None, self.id, response.status(), failure).await,
            None => response,
        }
    }
}

async fn failed(
    portal: &AppState,
    json: bool,
    session: Option<Session>,
    id: Option<RequestId>,
    status: StatusCode,
    failure: Failure,
) -> Response {
    if json {
        return (status, Json(json!({"error": {"code": failure.code, "message": failure.message}}))).into_response();
    }
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    let shell = match session {
        Some(session) => shell(portal, session, &id).await.unwrap_or_default(),
        None => super::views::shell::Shell::default(),
    };
    let page = match status {
        StatusCode::NOT_FOUND => ErrorPage::not_found(shell),
        StatusCode::FORBIDDEN => ErrorPage::forbidden(shell, &failure.message),
        StatusCode::SERVICE_UNAVAILABLE if failure.code == UNWITNESSED => ErrorPage::unwitnessed(shell),
        StatusCode::SERVICE_UNAVAILABLE if failure.code == NOT_READY => ErrorPage::not_ready(shell),
        StatusCode::SERVICE_UNAVAILABLE => ErrorPage::unrecordable(shell),
        StatusCode::TOO_MANY_REQUESTS => ErrorPage::too_many(shell, &failure.message, failure.wait.unwrap_or(1)),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => ErrorPage::bad_request(shell, &failure.message),
        _ => ErrorPage::internal(shell, &id),
    };
    match askama::Template::render(&page) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response(),
        Err(cause) => {
            tracing::error!(%cause, "the error page could not be rendered");
            (status, failure.message).into_response()
        }
    }
}

/// The frame of whoever is signed in; the bare one when that cannot be found out.
async fn shell(portal: &AppState, session: Session, id: &str) -> Option<super::views::shell::Shell> {
    let (person, due) = match portal.accounts.presence(&session, None).await.ok()? {
        Presence::Present(principal) => (principal.admitted(), false),
        Presence::Due(person) => (person, true),
        Presence::Waiting(_) | Presence::Nobody => return None,
    };
    let visit =
        Visit { context: crate::audit::Context::internal(RequestId::known(id)), session, wants_json: false, address: String::new() };
    let csrf = csrf(&visit, portal).await.ok()?;
    Some(page::frame(&person, due, csrf))
}

impl From<LogUnavailable> for WebError {
    fn from(cause: LogUnavailable) -> Self {
        tracing::warn!(%cause, "a page was refused because it could not be recorded");
        match cause {
            LogUnavailable::Unwitnessed { .. } => Self::Unwitnessed,
            _ => Self::Unrecordable,
        }
    }
}

impl From<AuditError> for WebError {
    fn from(cause: AuditError) -> Self {
        match cause {
            AuditError::Unavailable(cause) => cause.into(),
            other => Self::internal(other),
        }
    }
}

impl From<AccessError> for WebError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Denied => Self::NotFound,
            AccessError::Log(cause) => cause.into(),
            other => Self::internal(other),
        }
    }
}

impl From<AccountError> for WebError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Log(cause) => cause.into(),
            AccountError::Unknown => Self::NotFound,
            AccountError::Invalid { problem, .. } => Self::BadRequest(problem),
            AccountError::Conflict | AccountError::Refused | AccountError::Transition(_) => Self::BadRequest(error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<EntitlementError> for WebError {
    fn from(error: EntitlementError) -> Self {
        match error {
            EntitlementError::Log(cause) => cause.into(),
            EntitlementError::Unknown => Self::NotFound,
            EntitlementError::Invalid { problem, .. } => Self::BadRequest(problem),
            EntitlementError::Transition(_) | EntitlementError::Conflict => Self::BadRequest(error.to_string()),
            EntitlementError::Account(cause) => cause.into(),
            EntitlementError::Database(cause) => Self::internal(cause),
            EntitlementError::Audit(cause) => cause.into(),
        }
    }
}

impl From<CatalogError> for WebError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Log(cause) => cause.into(),
            CatalogError::Unknown => Self::NotFound,
            CatalogError::Invalid { problem, .. } => Self::BadRequest(problem),
            CatalogError::Standing(_) | CatalogError::Conflict => Self::BadRequest(error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<InspectionError> for WebError {
    fn from(error: InspectionError) -> Self {
        match error {
            InspectionError::Log(cause) => cause.into(),
            InspectionError::Unknown => Self::NotFound,
            InspectionError::Invalid { problem, .. } => Self::BadRequest(problem),
            InspectionError::Database(cause) => Self::internal(cause),
        }
    }
}

impl From<Wait> for WebError {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Busy => Self::TooMany {
                problem:
                    "Other searches or comparisons of yours are still running. Wait until one of them is done, or close its page to end it."
                        .to_owned(),
                wait: Duration::from_secs(5),
            },
            Wait::Spent(wait) => Self::TooMany {
                problem: "Your searches took more work lately than one person may ask for at a stretch. It comes back by itself; \
                          queries with a longer word, path: or lang: take far less."
                    .to_owned(),
                wait,
            },
        }
    }
}

impl From<SourceError> for WebError {
    fn from(cause: SourceError) -> Self {
        match cause {
            SourceError::OutOfTime => Self::NotReady,
            other => Self::internal(other),
        }
    }
}

impl From<tower_sessions::session::Error> for WebError {
    fn from(cause: tower_sessions::session::Error) -> Self {
        Self::internal(cause)
    }
}

impl From<askama::Error> for WebError {
    fn from(cause: askama::Error) -> Self {
        Self::internal(cause)
    }
}

impl From<tokio::task::JoinError> for WebError {
    fn from(cause: tokio::task::JoinError) -> Self {
        Self::internal(cause)
    }
}
