//! Who may run a handler: extractors that stand first in every handler's arguments.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Deref;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use data_encoding::BASE64URL_NOPAD;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tower_sessions::Session;

use super::AppState;
use super::error::WebError;
use super::routes::Guard;
use crate::accounts::{Admitted, Fresh, Presence, Principal, Role, StepUp, Waiting, done_by};
use crate::audit::{Context, Kind, Outcome};
use crate::ids::RequestId;

const CSRF: &str = "csrf";
/// Characters of a user agent that an entry keeps.
pub(super) const USER_AGENT: usize = 300;

/// The request around a handler, whoever makes it.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) context: Context,
    pub(super) session: Session,
    /// A program asked for the page's data.
    pub(super) wants_json: bool,
    /// The address asked for, path and query.
    pub(super) address: String,
}

impl Visit {
    /// The components of the address's path, still percent-encoded.
    pub(super) fn components(&self) -> impl Iterator<Item = &str> {
        let path = self.address.split('?').next().unwrap_or_default();
        path.split('/').skip(1)
    }

    /// The value of a parameter of the address; empty when it is not there. Of several the first counts.
    pub(super) fn parameter(&self, name: &str) -> String {
        let query = self.address.split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| decoded(key) == name)
            .map(|(_, value)| decoded(value))
            .unwrap_or_default()
    }
}

/// A name or value of a query (URL Standard, `application/x-www-form-urlencoded`).
fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Anything that asks; what is given says nothing about source or people.
pub(super) struct Public;

/// Anybody, signed in or not.
pub(super) struct Anyone {
    pub(super) visit: Visit,
    pub(super) presence: Presence,
}

/// Somebody who gave their password and whose second factor is awaited. To everything else they are nobody.
pub(super) struct Awaited {
    pub(super) visit: Visit,
    pub(super) waiting: Waiting,
}

/// Whoever is signed in, though a second factor may be due: for setting one up, confirming who it is, signing out, and what everybody may
/// know of the log.
pub(super) struct Entered {
    pub(super) visit: Visit,
    pub(super) person: Admitted,
    /// A second factor is due, and nothing else is open.
    pub(super) due: bool,
}

/// Whoever is signed in.
#[derive(Clone)]
pub(super) struct SignedIn {
    pub(super) visit: Visit,
    pub(super) principal: Principal,
}

/// A reviewer. What they may read, the gate decides.
pub(super) struct Reader(SignedIn);

/// An auditor.
pub(super) struct Auditing(SignedIn);

/// An administrator.
pub(super) struct Administering(SignedIn);

/// An auditor, or a program with the token that verifies the log.
pub(super) struct Verifying;

/// Whoever is signed in, or a program with a token: the verifier's, or the one for witnesses.
pub(super) struct Witnessing;

impl Guard for Public {
    const NAME: &'static str = "public";
}

impl Guard for Anyone {
    const NAME: &'static str = "anyone";
}

impl Guard for Awaited {
    const NAME: &'static str = "password given";
}

impl Guard for Entered {
    const NAME: &'static str = "signed in, factor or not";
}

impl Guard for SignedIn {
    const NAME: &'static str = "signed in";
}

impl Guard for Reader {
    const NAME: &'static str = "reviewer";
}

impl Guard for Auditing {
    const NAME: &'static str = "auditor";
}

impl Guard for Administering {
    const NAME: &'static str = "administrator";
}

impl Guard for Verifying {
    const NAME: &'static str = "auditor or verifier's token";
}

impl Guard for Witnessing {
    const NAME: &'static str = "signed in or a token";
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, WebError> {
        let session = parts.extensions.get::<Session>().cloned();
        let request = parts.extensions.get::<RequestId>().cloned();
        Ok(Self {
            context: Context {
                request: request.unwrap_or_else(|| RequestId::random(&portal.entropy)),
                address: Some(client_address(parts, portal.config.trusted_proxies)),
                user_agent: text(&parts.headers, header::USER_AGENT.as_str()).map(|ua| ua.chars().take(USER_AGENT).collect()),
            },
            session: session.ok_or_else(|| WebError::internal("a request without its session layer"))?,
            wants_json: wants_json(&parts.headers),
            address: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }
}

impl FromRequestParts<AppState> for Public {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl FromRequestParts<AppState> for Anyone {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, WebError> {
        let visit = Visit::from_request_parts(parts, portal).await?;
        let presence = portal.accounts.presence(&visit.session, visit.context.address.as_deref()).await?;
        Ok(Self { visit, presence })
    }
}

/// What somebody who is not signed in is told.
fn sign_in_first<T>(visit: Visit, method: &Method) -> Result<T, WebError> {
    if visit.wants_json || method != Method::GET {
        return Err(WebError::Unauthenticated);
    }
    Err(WebError::SignIn { next: visit.address })
}

impl FromRequestParts<AppState> for Awaited {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, WebError> {
        let Anyone { visit, presence } = Anyone::from_request_parts(parts, portal).await?;
        match presence {
            Presence::Waiting(waiting) => Ok(Self { visit, waiting }),
            Presence::Nobody => sign_in_first(visit, &parts.method),
            // Given already: sign-in leads on from here.
            Presence::Due(_) | Presence::Present(_) => sign_in_first(Visit { address: "/".to_owned(), ..visit }, &parts.method),
        }
    }
}

impl FromRequestParts<AppState> for Entered {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, WebError> {
        let Anyone { visit, presence } = Anyone::from_request_parts(parts, portal).await?;
        match presence {
            Presence::Present(principal) => Ok(Self { visit, person: principal.admitted(), due: false }),
            Presence::Due(person) => Ok(Self { visit, person, due: true }),
            Presence::Waiting(_) | Presence::Nobody => sign_in_first(visit, &parts.method),
        }
    }
}

impl Entered {
    /// Proof of a recent confirmation, or the way to the page that asks for one and back to `next`.
    pub(super) fn fresh(&self, portal: &AppState, next: &str, purpose: &'static str) -> Result<Fresh, WebError> {
        portal.accounts.fresh(&self.person).ok_or_else(|| WebError::Confirm { next: next.to_owned(), purpose })
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, WebError> {
        let Anyone { visit, presence } = Anyone::from_request_parts(parts, portal).await?;
        match presence {
            Presence::Present(principal) => Ok(Self { visit, principal }),
            Presence::Due(_) if visit.wants_json || parts.method != Method::GET => Err(WebError::FactorDue { next: None }),
            Presence::Due(_) => Err(WebError::FactorDue { next: Some(visit.address) }),
            Presence::Waiting(_) | Presence::Nobody => sign_in_first(visit, &parts.method),
        }
    }
}

impl SignedIn {
    /// Somebody of this role; anyone else gets the answer of a page that is not there, and an entry.
    async fn of_role(parts: &mut Parts, portal: &AppState, role: Role) -> Result<Self, WebError> {
        let signed_in = Self::from_request_parts(parts, portal).await?;
        if signed_in.principal.role() == role {
            return Ok(signed_in);
        }
        let mut draft = done_by(&signed_in.principal, Kind::AccessDenied)
            .fact("reason", "not for this role")
            .fact("page", parts.uri.path().chars().take(500).collect::<String>());
        draft.outcome = Outcome::Denied;
        portal.log.append(draft, &signed_in.visit.context).await?;
        Err(WebError::NotFound)
    }

    /// Proof of a recent confirmation, or the way to the page that asks for one and back to `next`.
    pub(super) fn step_up(&self, portal: &AppState, next: &str, purpose: &'static str) -> Result<StepUp, WebError> {
        portal.accounts.stepped_up(&self.principal).ok_or_else(|| WebError::Confirm { next: next.to_owned(), purpose })
    }
}

impl FromRequestParts<AppState> for Reader {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, WebError> {
        refuse_cross_site(&parts.headers)?;
        let reader = SignedIn::of_role(parts, portal, Role::Reviewer).await?;
        if portal.entitlements.pending_terms(reader.principal.account()).await?.is_empty() {
            return Ok(Self(reader));
        }
        // Nothing is shown under any agreement before its terms are accepted; the gate would refuse it, and this says why.
        let by_link = parts.method == Method::GET && !reader.visit.wants_json;
        Err(WebError::Terms { next: if by_link { reader.visit.address } else { String::new() } })
    }
}

impl Deref for Reader {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

macro_rules! role_guards {
    ($($guard:ident $role:ident)*) => {$(
        impl FromRequestParts<AppState> for $guard {
            type Rejection = WebError;

            async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, WebError> {
                refuse_cross_site(&parts.headers)?;
                SignedIn::of_role(parts, portal, Role::$role).await.map(Self)
            }
        }

        impl Deref for $guard {
            type Target = SignedIn;

            fn deref(&self) -> &SignedIn {
                &self.0
            }
        }
    )*};
}

role_guards! { Auditing Auditor Administering Administrator }

impl FromRequestParts<AppState> for Verifying {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, WebError> {
        match bearer(&parts.headers) {
            Some(given) if bool::from(given.ct_eq(&portal.tokens.verifier)) => Ok(Self),
            Some(_) => Err(WebError::Unauthenticated),
            None => SignedIn::of_role(parts, portal, Role::Auditor).await.map(|_| Self),
        }
    }
}

impl FromRequestParts<AppState> for Witnessing {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, portal: &AppState) -> Result<Self, WebError> {
        match bearer(&parts.headers) {
            Some(given) if bool::from(given.ct_eq(&portal.tokens.verifier) | given.ct_eq(&portal.tokens.witness)) => Ok(Self),
            Some(_) => Err(WebError::Unauthenticated),
            None => Entered::from_request_parts(parts, portal).await.map(|_| Self),
        }
    }
}

/// SHA-256 of the token that a program sends.
fn bearer(headers: &HeaderMap) -> Option<[u8; 32]> {
    let value = text(headers, header::AUTHORIZATION.as_str())?;
    Some(Sha256::digest(value.strip_prefix("Bearer ")?.trim().as_bytes()).into())
}

/// The session's anti-forgery token, made when there is none yet.
pub(super) async fn csrf(visit: &Visit, portal: &AppState) -> Result<String, WebError> {
    if let Some(token) = visit.session.get::<String>(CSRF).await? {
        return Ok(token);
    }
    renew_csrf(visit, portal).await
}

/// A new anti-forgery token, for the session that signing in begins.
pub(super) async fn renew_csrf(visit: &Visit, portal: &AppState) -> Result<String, WebError> {
    let token = BASE64URL_NOPAD.encode(&portal.entropy.bytes::<18>());
    visit.session.insert(CSRF, &token).await?;
    Ok(token)
}

pub(super) async fn csrf_holds(session: &Session, given: &str) -> Result<bool, WebError> {
    let expected = session.get::<String>(CSRF).await?;
    Ok(expected.is_some_and(|expected| bool::from(expected.as_bytes().ct_eq(given.as_bytes()))))
}

pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    text(headers, header::ACCEPT.as_str()).is_some_and(|accept| accept.contains("application/json") && !accept.contains("text/html"))
}

/// Pages behind the gate are not for other sites to open or embed.
fn refuse_cross_site(headers: &HeaderMap) -> Result<(), WebError> {
    match text(headers, "sec-fetch-site").as_deref() {
        Some("cross-site") => Err(WebError::Forbidden("This page was asked for by another site.".to_owned())),
        _ => Ok(()),
    }
}

/// The client's address: the connection's, or what the outermost of our own proxies says.
pub(super) fn client_address(parts: &Parts, trusted_proxies: usize) -> String {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
    // Several header lines are one list (RFC 9110, section 5.3).
    let lines: Vec<_> = parts.headers.get_all("x-forwarded-for").iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let forwarded = (!lines.is_empty()).then(|| lines.join(","));
    trusted_proxies
        .checked_sub(1)
        .and_then(|back| forwarded.as_deref()?.rsplit(',').nth(back).map(|hop| hop.trim().chars().take(64).collect()))
        .or(peer)
        .unwrap_or_else(|| "unknown".to_owned())
}
