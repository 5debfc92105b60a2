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
    if let Some(alarm) = portal.log.health().alarm() {
        // Anyone may ask, so the cause stays in the operator's log and on the administrators' desks.
        let since = alarm.since.map(|since| format!("since {since}, ")).unwrap_or_default();
        let text = format!("not ready: {since}{}\nwhat to do: {}\n", alarm.what, alarm.remedy);
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    match portal.database.ping().await {
        Ok(()) => plain("ready\n".to_owned()),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready: the database does not answer\n").into_response(),
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
