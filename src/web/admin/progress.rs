//! What is done about a product now: in its page, and as server-sent events that keep the page up to date.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::products::find;
use crate::catalog::Product;
use crate::jobs::{Doing, Figures};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Administering;
use crate::web::page::Pieces;
use crate::web::views::admin::products::Work;
use crate::web::views::format::{count, moment, size};

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How long one answer lasts. A browser asks again by itself, and is then asked anew who it is.
const LASTING: Duration = Duration::from_secs(8);

pub(super) async fn events(_: Administering, State(portal): State<AppState>, Path(name): Path<String>) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    let (to, from) = mpsc::channel(4);
    tokio::spawn(async move {
        let until = Instant::now() + LASTING;
        let mut told = None;
        while Instant::now() < until {
            let Ok(work) = work(&portal, &product).await else { return };
            let over = work.is_none();
            let data = match &work {
                Some(work) => json!({"text": work.text, "percent": work.percent}),
                None => json!({"over": true}),
            };
            if told.as_ref() != Some(&data)
                && to.send(Ok::<_, Infallible>(Event::default().retry(EVERY).data(data.to_string()))).await.is_err()
            {
                return;
            }
            told = Some(data);
            if over {
                return;
            }
            tokio::time::sleep(EVERY).await;
        }
    });
    Ok(Sse::new(Pieces(from)).into_response())
}

/// What is done about a product, or waits to be; none when nothing is.
pub(super) async fn work(portal: &AppState, product: &Product) -> Result<Option<Work>, WebError> {
    Ok(match portal.jobs.doing(product).await.map_err(WebError::internal)? {
        Doing::Nothing => None,
        Doing::Waiting { again: None } => Some(Work { text: "It waits to be taken up.".to_owned(), percent: None, runs: false }),
        Doing::Waiting { again: Some(at) } => {
            let text = format!("It failed, and is tried again by itself after {}.", moment(at.micros()));
            Some(Work { text, percent: None, runs: false })
        }
        Doing::Running(None) => Some(Work { text: "It has begun.".to_owned(), percent: None, runs: true }),
        Doing::Running(Some(figures)) => Some(Work { text: sentence(&figures), percent: percent(&figures), runs: true }),
    })
}

/// "Indexing: 1,200 of 30,492 files, 82 MB."
fn sentence(at: &Figures) -> String {
    let mut words = at.words.clone();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match (at.done, at.total, at.unit.as_str()) {
        (0, 0, _) => format!("{words}."),
        (done, 0, "bytes") => format!("{words}: {}.", size(done)),
        (done, total, "bytes") => format!("{words}: {} of {}.", size(done), size(total)),
        (done, total, unit) if at.bytes > 0 => format!("{words}: {} of {} {unit}, {}.", count(done), count(total), size(at.bytes)),
        (done, total, unit) => format!("{words}: {} of {} {unit}.", count(done), count(total)),
    }
}

fn percent(at: &Figures) -> Option<u8> {
    let share = at.done.min(at.total).saturating_mul(100).checked_div(at.total)?;
    u8::try_from(share).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_a_sentence() {
        let at = |done, total, unit: &str, bytes| Figures { words: "indexing".to_owned(), done, total, unit: unit.to_owned(), bytes };
        for (figures, says, share) in [
            (at(0, 0, "files", 0), "Indexing.", None),
            (at(1_200, 30_492, "files", 0), "Indexing: 1,200 of 30,492 files.", Some(3)),
            (at(10, 10, "files", 2_000), "Indexing: 10 of 10 files, 2.0 KB.", Some(100)),
            (at(2_000, 0, "bytes", 2_000), "Indexing: 2.0 KB.", None),
        ] {
            assert_eq!((sentence(&figures).as_str(), percent(&figures)), (says, share));
        }
    }
}
