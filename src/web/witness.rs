//! A witness over HTTP (C2SP tlog-witness). Nothing of the portal is behind it: whoever runs one has no portal.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::audit::witness::{Answer, LONGEST_SUBMISSION, Witness};

const PLAIN: &str = "text/plain; charset=utf-8";
/// What the specification calls the answer that states a size.
const SIZE: &str = "text/x.tlog.size";

struct Served {
    witness: Arc<Witness>,
    /// Told when the witness could not write down what it was to cosign.
    failed: Notify,
}

/// Serves a witness until `stopped`, or until it cannot write any more; returns whether it still can.
///
/// # Errors
/// When serving fails.
pub async fn serve_witness(
    listener: TcpListener,
    witness: Arc<Witness>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<bool> {
    let served = Arc::new(Served { witness, failed: Notify::new() });
    let router = router(Arc::clone(&served));
    let until = {
        let served = Arc::clone(&served);
        async move {
            tokio::select! {
                () = stopped => {}
                () = served.failed.notified() => {}
            }
        }
    };
    axum::serve(listener, router).with_graceful_shutdown(until).await?;
    Ok(!served.witness.failed())
}

fn router(served: Arc<Served>) -> Router {
    Router::new()
        .route("/", get(status))
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{log}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(LONGEST_SUBMISSION))
        .with_state(served)
}

async fn add_checkpoint(State(served): State<Arc<Served>>, body: Bytes) -> Response {
    let witness = Arc::clone(&served.witness);
    // It checks signatures and waits for the disk.
    let answer = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    let answer = answer.unwrap_or_else(|cause| {
        tracing::error!(%cause, "a submission was not answered");
        Answer::Failed("something went wrong in this witness".to_owned())
    });
    if served.witness.failed() {
        served.failed.notify_one();
    }
    let line = |text: String| format!("{text}\n");
    let (status, kind, text) = match answer {
        Answer::Cosigned(lines) => (StatusCode::OK, PLAIN, lines),
        Answer::Malformed(why) => (StatusCode::BAD_REQUEST, PLAIN, line(why)),
        Answer::Unsigned(why) => (StatusCode::FORBIDDEN, PLAIN, line(why)),
        Answer::UnknownLog(why) => (StatusCode::NOT_FOUND, PLAIN, line(why)),
        Answer::Conflict(size) => (StatusCode::CONFLICT, SIZE, line(size.to_string())),
        Answer::Inconsistent(why) => {
            // Signed by the log, and not what it signed before: whoever runs a witness wants to know.
            tracing::warn!(why, "a submission was refused");
            (StatusCode::UNPROCESSABLE_ENTITY, PLAIN, line(why))
        }
        Answer::Failed(why) => (StatusCode::INTERNAL_SERVER_ERROR, PLAIN, line(why)),
    };
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}

/// What was cosigned last of a log, named by the SHA-256 of its origin.
async fn checkpoint(State(served): State<Arc<Served>>, Path(log): Path<String>) -> Response {
    let headers = [(header::CONTENT_TYPE, PLAIN), (header::CACHE_CONTROL, "no-cache")];
    match served.witness.latest(&log) {
        Some(seen) => (headers, seen.note).into_response(),
        None => (StatusCode::NOT_FOUND, headers, "this witness has cosigned no checkpoint of such a log\n".to_owned()).into_response(),
    }
}

async fn status(State(served): State<Arc<Served>>) -> Response {
    let witness = &served.witness;
    let root = |hash: &[u8]| data_encoding::BASE64.encode(hash);
    let logs: Vec<_> = witness
        .seen()
        .into_iter()
        .map(
            |s| json!({"origin": s.checkpoint.origin, "size": s.checkpoint.size, "root": root(&s.checkpoint.root), "at": s.at.to_string()}),
        )
        .collect();
    let trusted: Vec<String> = witness.logs().iter().map(ToString::to_string).collect();
    let key = witness.public_key();
    Json(json!({"name": key.name(), "vkey": key.to_string(), "trusts": trusted, "cosigned": logs, "working": !witness.failed()}))
        .into_response()
}
