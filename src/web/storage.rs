//! Nobody waits for storage that does not answer. A disk that holds every write back stops SQLite's readers as well, at the memory they
//! share through a file, and a session is read before anything else.

use std::pin::pin;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;

use super::{AppState, error};

/// Answers 503 in place of a request that is late while the database answers nothing else either. What only takes long goes on.
pub(super) async fn while_it_answers(State(portal): State<AppState>, request: Request, next: Next) -> Response {
    let deadline = portal.config.log.deadline;
    let without = error::WithoutStorage::of(&request);
    let mut work = pin!(next.run(request));
    loop {
        if let Ok(response) = timeout(deadline, &mut work).await {
            return if is_unsaved(&response) { without.response(&portal).await } else { response };
        }
        tokio::select! {
            biased;
            response = &mut work => return if is_unsaved(&response) { without.response(&portal).await } else { response },
            // Any read will do. One that fails is an answer: the request gets it, too.
            answer = timeout(deadline, portal.catalog.products()) => if answer.is_err() {
                tracing::error!("the database does not answer; a request was given up");
                return without.response(&portal).await;
            }
        }
    }
}

/// What keeps sessions puts this, without a word, in place of an answer whose session could not be saved. Ours say what they are.
fn is_unsaved(response: &Response) -> bool {
    response.status() == StatusCode::INTERNAL_SERVER_ERROR && !response.headers().contains_key(header::CONTENT_TYPE)
}
