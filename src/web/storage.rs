//! Nobody waits for storage that does not answer. A disk that holds every write back stops SQLite's readers as well, at the memory they
//! share through a file, and a session is read before anything else.

use std::pin::pin;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;

use super::{AppState, error};
use crate::audit::Health;

/// Answers 503 in place of a request that is late while the database answers nothing else either. What only takes long goes on.
pub(super) async fn while_it_answers(State(portal): State<AppState>, request: Request, next: Next) -> Response {
    let deadline = portal.config.log.deadline;
    let without = error::WithoutStorage::of(&request);
    let mut work = pin!(next.run(request));
    loop {
        if let Ok(response) = timeout(deadline, &mut work).await {
            return if wants_storage(&portal, &response) { without.response(&portal).await } else { response };
        }
        tokio::select! {
            biased;
            response = &mut work => return if wants_storage(&portal, &response) { without.response(&portal).await } else { response },
            // Any read will do. One that fails is an answer: the request gets it, too.
            answer = timeout(deadline, portal.catalog.products()) => if answer.is_err() {
                tracing::error!("the database does not answer; a request was given up");
                return without.response(&portal).await;
            }
        }
    }
}

/// Whether a request failed for want of storage. What keeps sessions puts a failure, without a word, in place of an answer whose session
/// could not be saved; ours say what they are. And while the log waits for the disk, whoever needs one more connection gets none.
fn wants_storage(portal: &AppState, response: &Response) -> bool {
    response.status() == StatusCode::INTERNAL_SERVER_ERROR
        && (!response.headers().contains_key(header::CONTENT_TYPE) || portal.log.is_late() || portal.log.health() != Health::Open)
}
