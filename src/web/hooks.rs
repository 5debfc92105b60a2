//! Webhooks: a host says that something was pushed, and the product is fetched. Whoever calls shows a secret: GitHub, Gitea and Forgejo
//! sign the body with it (`X-Hub-Signature-256`, HMAC-SHA-256), GitLab sends it (`X-Gitlab-Token`). Nothing of the body is read, and no
//! answer tells whether a product is there.

use std::pin::Pin;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER_PERMISSIVE;
use futures_core::Stream as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::AppState;
use super::error::WebError;
use super::guard::{Public, client_address, text};
use super::routes::Routes;
use crate::catalog::{CatalogError, Purpose, Secret};

/// No host sends more.
const LARGEST: u64 = 25 << 20;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.post::<Public, _, _>("/hooks/{product}", hook)
}

async fn hook(_: Public, State(portal): State<AppState>, Path(product): Path<String>, request: Request) -> Result<Response, WebError> {
    let (parts, body) = request.into_parts();
    if let Err(wait) = portal.hooks.admit(&client_address(&parts, portal.config.trusted_proxies)) {
        let wait = HeaderValue::from(wait.as_secs().max(1));
        return Ok((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, wait)], "Too many calls. Try again later.\n").into_response());
    }
    let secret = match portal.catalog.secret(&product, Purpose::Webhook).await {
        Err(CatalogError::Sealing(cause)) => {
            tracing::error!(%cause, "a webhook was called, and its secret cannot be opened");
            None
        }
        other => other?,
    };
    let known = secret.is_some();
    // Without a secret the same is done with another, so that it takes as long.
    let secret = secret.unwrap_or_else(|| Secret::new(portal.entropy.hex::<32>()));
    let right = is_right(&secret, &parts.headers, body).await;
    match portal.catalog.product(&product).await? {
        Some(product) if known && right => {
            portal.jobs.request_sync(&product).await.map_err(WebError::internal)?;
            Ok((StatusCode::ACCEPTED, "Accepted.\n").into_response())
        }
        _ => Ok((StatusCode::NOT_FOUND, "There is no such webhook, or the secret is another.\n").into_response()),
    }
}

/// Whether the caller knows the secret.
async fn is_right(secret: &Secret, headers: &HeaderMap, body: Body) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else { return false };
    let mut stream = body.into_data_stream();
    let mut left = LARGEST;
    while let Some(piece) = std::future::poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        let Ok(piece) = piece else { return false };
        let Some(rest) = left.checked_sub(piece.len() as u64) else { return false };
        left = rest;
        mac.update(&piece);
    }
    let signed = text(headers, "x-hub-signature-256").and_then(|given| {
        let hex = given.trim().strip_prefix("sha256=")?;
        HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()
    });
    let signed = signed.is_some_and(|signature| mac.verify_slice(&signature).is_ok());
    // Digests are of one length, whatever was shown.
    let digest = |text: &str| -> [u8; 32] { Sha256::digest(text.as_bytes()).into() };
    let shown = text(headers, "x-gitlab-token").unwrap_or_default();
    signed | bool::from(digest(&shown).ct_eq(&digest(secret.reveal())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect()
    }

    /// The example of GitHub's documentation, "Validating webhook deliveries".
    #[tokio::test]
    async fn a_body_signed_as_github_does_is_right_and_any_other_is_not() {
        let secret = Secret::new("It's a Secret to Everybody".to_owned());
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let holds = async |headers: HeaderMap, body: &'static str| is_right(&secret, &headers, Body::from(body)).await;
        assert!(holds(headers("x-hub-signature-256", signature), "Hello, World!").await);
        assert!(!holds(headers("x-hub-signature-256", signature), "Hello, World?").await);
        for wrong in ["", "sha256=", "sha1=757107ea0eb2509fc211221cce984b8a37570b6d", &signature[..70], &signature.replace('7', "8")] {
            assert!(!holds(headers("x-hub-signature-256", wrong), "Hello, World!").await, "{wrong}");
        }
        assert!(holds(headers("x-gitlab-token", "It's a Secret to Everybody"), "whatever").await);
        for wrong in ["", "It's a Secret to Everybod", "It's a Secret to Everybody!"] {
            assert!(!holds(headers("x-gitlab-token", wrong), "whatever").await, "{wrong}");
        }
        assert!(!holds(HeaderMap::new(), "Hello, World!").await);
    }
}
