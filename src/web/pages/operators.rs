//! For operators: whether the portal lives and can serve, and figures; and the files pages are dressed with.

use std::fmt::Write;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::audit::Health;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Public;
use crate::web::page::plain;
use crate::web::views;

pub(super) async fn static_file(_: Public, Path(name): Path<String>) -> Result<Response, WebError> {
    let (bytes, mime) = views::static_file(&name).ok_or(WebError::NotFound)?;
    let headers = [(header::CONTENT_TYPE, mime), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, bytes).into_response())
}

/// The process answers.
pub(super) async fn alive(_: Public) -> Response {
    plain("alive\n".to_owned())
}

/// It can do its work: the database answers and the log can be written.
pub(super) async fn ready(_: Public, State(portal): State<AppState>) -> Response {
    let log = match portal.log.health() {
        Health::Open => Ok(()),
        Health::Suspended { .. } => Err("the log cannot be written now, and is tried again"),
        Health::Broken { .. } => Err("the log contradicts what was signed; see the operator's log"),
        Health::Closed => Err("the log is closed"),
    };
    match (log, portal.database.ping().await) {
        (Ok(()), Ok(())) => plain("ready\n".to_owned()),
        (Err(why), _) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
        (_, Err(_)) => (StatusCode::SERVICE_UNAVAILABLE, "not ready: the database does not answer\n").into_response(),
    }
}

/// Prometheus' text format. Nothing in it says who read what.
pub(super) async fn metrics(_: Public, State(portal): State<AppState>) -> Result<Response, WebError> {
    let mut text = String::new();
    let up = u8::from(portal.log.health() == Health::Open);
    let figures = [("lectern_log_open", "gauge", "Whether the transparency log can be written.", u64::from(up))];
    for (name, kind, help, value) in figures {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    Ok(plain(text))
}
