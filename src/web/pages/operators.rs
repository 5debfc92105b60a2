//! For operators: whether the portal lives and can serve, and figures; the files pages are dressed with, and the contract with programs.

use std::fmt::Write;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use crate::audit::Health;
use crate::audit::witness::Witnessing;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::{Public, SignedIn};
use crate::web::page::plain;
use crate::web::views;

pub(super) async fn static_file(_: Public, Path(name): Path<String>, address: Uri) -> Result<Response, WebError> {
    let (bytes, mime) = views::static_file(&name).ok_or(WebError::NotFound)?;
    // A module that another imports is asked for without its version, and so has to be asked for anew.
    let changes = mime.starts_with("text/javascript") && address.query().is_none();
    let caching = if changes { "no-cache" } else { "public, max-age=31536000, immutable" };
    let headers = [(header::CONTENT_TYPE, mime), (header::CACHE_CONTROL, caching)];
    Ok((headers, bytes).into_response())
}

/// What programs can rely on, in `OpenAPI` 3.1.
pub(super) async fn contract(_: SignedIn) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../../docs/openapi.json")).into_response()
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
    if portal.log.is_late() {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: the database is late to take an entry\n").into_response();
    }
    // A connection that answers says nothing of the disk below: something is read.
    if !matches!(timeout(portal.config.log.deadline, portal.log.size()).await, Ok(Ok(_))) {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: the database does not answer\n").into_response();
    }
    match witnessed(&portal).await {
        Ok(()) => plain("ready\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

/// Whether the log is witnessed as far as it must be for source to be shown.
async fn witnessed(portal: &AppState) -> Result<(), String> {
    match portal.log.witnessing().await {
        Ok(Some(w)) if w.exceeded => {
            let failing = w.witnesses.iter().filter(|w| w.standing.why().is_some());
            let said: Vec<String> = failing.map(|w| format!("{} is {}", w.name, w.standing.as_str())).collect();
            let (entries, seconds) = (w.entries, w.lag.as_secs());
            let why = if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) };
            Err(format!("no quorum of witnesses has cosigned the last {entries} entries of the log, the first {seconds} seconds old{why}"))
        }
        Ok(_) => Ok(()),
        Err(_) => Err("the log cannot be read".to_owned()),
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
    if let Some(witnessing) = portal.log.witnessing().await? {
        witness_figures(&mut text, &witnessing);
    }
    Ok(plain(text))
}

fn witness_figures(text: &mut String, witnessing: &Witnessing) {
    let figures = [
        ("lectern_log_witnessed_size", "Size of the newest checkpoint that a quorum of witnesses has cosigned.", witnessing.size),
        ("lectern_log_witness_lag_entries", "Entries beyond that checkpoint.", witnessing.entries),
        ("lectern_log_witness_lag_seconds", "Age of the first entry beyond that checkpoint.", witnessing.lag.as_secs()),
        ("lectern_log_witnessed", "Whether that is within what is allowed; no source is shown otherwise.", u64::from(!witnessing.exceeded)),
    ];
    for (name, help, value) in figures {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    }
    let name = "lectern_witness_cosigned_size";
    let _ = writeln!(text, "# HELP {name} The largest size of the log that a witness cosigned for this process.\n# TYPE {name} gauge");
    for witness in &witnessing.witnesses {
        let _ = writeln!(text, "{name}{{witness=\"{}\"}} {}", label(&witness.name), witness.size);
    }
    let name = "lectern_witness_state";
    let _ = writeln!(text, "# HELP {name} How a witness does; the state it is in is 1.\n# TYPE {name} gauge");
    for witness in &witnessing.witnesses {
        for state in ["unasked", "cosigning", "failing", "lying", "contradicting"] {
            let is = u8::from(witness.standing.as_str() == state);
            let _ = writeln!(text, "{name}{{witness=\"{}\",state=\"{state}\"}} {is}", label(&witness.name));
        }
    }
}

/// A label's value in Prometheus' text format.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
