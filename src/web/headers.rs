//! What is done to every request and response: its id, its line in the operator's log, and the headers that keep a page's
//! content where it belongs.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::AppState;
use super::guard::text;
use crate::ids::RequestId;

/// Nothing but what is named may be loaded, run, framed or sent to.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
    script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) async fn envelope(State(portal): State<AppState>, mut request: Request, next: Next) -> Response {
    let id = RequestId::random(&portal.entropy);
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", id = %id, method = %request.method(), path = %logged(request.uri().path()));
    // A prefetched page would be recorded as read by somebody who never saw it.
    let prefetch =
        ["sec-purpose", "purpose"].iter().any(|name| text(request.headers(), name).is_some_and(|value| value.contains("prefetch")));
    async move {
        let mut response = if prefetch { StatusCode::FORBIDDEN.into_response() } else { next.run(request).await };
        dress(&mut response, &id, portal.config.public_origin.as_deref());
        tracing::info!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await
}

/// A path as the operator's log has it: the secret of a link is not for whoever reads that.
fn logged(path: &str) -> &str {
    const LINKS: [&str; 2] = ["/invitation/", "/reset/"];
    LINKS.into_iter().find(|door| path.starts_with(door)).unwrap_or(path)
}

fn dress(response: &mut Response, id: &RequestId, public_origin: Option<&str>) {
    let headers = response.headers_mut();
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), clipboard-read=()"),
        ("vary", "Sec-Fetch-Site, Origin, Accept, Cookie"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if public_origin.is_some_and(|origin| origin.starts_with("https:")) {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert("x-request-id", value);
    }
    // Pictures have a stricter one.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::logged;

    #[test]
    fn the_secret_of_a_link_is_not_logged() {
        assert_eq!(logged("/reset/AAAAsecret"), "/reset/");
        assert_eq!(logged("/invitation/AAAAsecret"), "/invitation/");
        assert_eq!(logged("/p/git"), "/p/git");
    }
}
