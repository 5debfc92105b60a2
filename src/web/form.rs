//! Forms that change state: their fields can be read only after the anti-forgery checks.

use axum::extract::{Form, FromRequest, Request};
use axum::http::{HeaderMap, Method, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tower_sessions::Session;

use super::AppState;
use super::error::WebError;
use super::guard::{csrf_holds, text};

/// A form sent by one of our own pages, in the session it was made for.
pub(super) struct Protected<T>(T);

impl<T> Protected<T> {
    pub(super) fn into_inner(self) -> T {
        self.0
    }
}

#[derive(Deserialize)]
struct Fields<T> {
    #[serde(default)]
    csrf: String,
    #[serde(flatten)]
    rest: T,
}

impl<T: DeserializeOwned + Send> FromRequest<AppState> for Protected<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, portal: &AppState) -> Result<Self, WebError> {
        if request.method() != Method::POST {
            return Err(WebError::NotFound);
        }
        check_origin(request.headers(), portal.config.public_origin.as_deref())?;
        let session = request.extensions().get::<Session>().cloned();
        let session = session.ok_or_else(|| WebError::internal("a request without its session layer"))?;
        let Form(fields) = Form::<Fields<T>>::from_request(request, portal)
            .await
            .map_err(|rejection| WebError::BadRequest(format!("The form could not be read: {}.", rejection.body_text())))?;
        if !csrf_holds(&session, &fields.csrf).await? {
            return Err(WebError::Forbidden("The form was made for another session, or it is too old.".to_owned()));
        }
        Ok(Self(fields.rest))
    }
}

/// `Sec-Fetch-Site: same-origin`; where it is absent an exact `Origin`; neither: refused.
pub(super) fn check_origin(headers: &HeaderMap, public_origin: Option<&str>) -> Result<(), WebError> {
    let refuse = || Err(WebError::Forbidden("The form did not come from a page of this portal.".to_owned()));
    match text(headers, "sec-fetch-site").as_deref() {
        Some("same-origin") => return Ok(()),
        Some(_) => return refuse(),
        None => {}
    }
    let Some(origin) = text(headers, header::ORIGIN.as_str()) else { return refuse() };
    let host = text(headers, header::HOST.as_str()).unwrap_or_default();
    let ours = match public_origin {
        Some(configured) => origin == configured,
        // Without a configured origin the portal listens on the loopback interface only.
        None => origin == format!("http://{host}") && is_loopback(&host),
    };
    if ours { Ok(()) } else { refuse() }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_pages_send_forms() {
        let room = Some("https://room.example");
        for (pairs, origin, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], room, true),
            (&[("sec-fetch-site", "same-site"), ("origin", "https://room.example")], room, false),
            (&[("sec-fetch-site", "none")], room, false),
            (&[("origin", "https://room.example")], room, true),
            (&[("origin", "https://room.example.evil.example")], room, false),
            (&[("origin", "null")], room, false),
            (&[], room, false),
            (&[("origin", "http://127.0.0.1:8420"), ("host", "127.0.0.1:8420")], None, true),
            (&[("origin", "http://evil.example"), ("host", "evil.example")], None, false),
            (&[("origin", "http://127.0.0.1:1"), ("host", "127.0.0.1:8420")], None, false),
        ] {
            assert_eq!(check_origin(&headers(pairs), origin).is_ok(), expected, "{pairs:?}");
        }
    }
}
