//! An answer in parts: each is recorded by an entry of its own before a byte of it leaves.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::results::CancelOnDrop;
use super::{Asked, Found};
use crate::access::Scoped;
use crate::audit::{Context, LogUnavailable, Receipt};
use crate::search::{Budget, PageRequest, Query, Results, Sealed, SearchError};
use crate::web::AppState;
use crate::web::allowance::Turn;
use crate::web::error::WebError;
use crate::web::page::Pieces;
use crate::web::views::search::{END_GOES_HERE, HITS_GO_HERE, HitCard, Outcome, SearchBroken, SearchEnd, SearchPage};
use crate::web::views::shell::Shell;

/// Parts that wait for whoever records and sends them.
const WAITING: usize = 2;

type Part = Result<Sealed<Results>, SearchError>;

/// The parts of an answer while it is worked out. Dropping them ends the work.
pub(super) struct Parts {
    receiver: mpsc::Receiver<Part>,
    over: bool,
    _cancel: CancelOnDrop,
}

impl Parts {
    pub(super) fn of(portal: &AppState, scoped: Scoped<Query>, text: String, page: PageRequest, deadline: Duration, turn: Turn) -> Self {
        let budget = Budget { deadline: Some(Instant::now() + deadline), bytes: portal.config.search.count_bytes, ..Budget::unlimited() };
        let cancel = CancelOnDrop(Arc::clone(&budget.cancel));
        let (to, receiver) = mpsc::channel(WAITING);
        let portal = Arc::clone(portal);
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut sink = |part| to.blocking_send(Ok(part)).map_err(|_| SearchError::Cancelled);
            if let Err(error) = portal.searcher.stream_scoped(&scoped, &text, &portal.indexes, page, &budget, &mut sink) {
                // When nobody waits for it any more, nobody needs to be told.
                let _ = to.blocking_send(Err(error));
            }
        });
        Self { receiver, over: false, _cancel: cancel }
    }

    /// All parts, when they are there in time; else those that are, at least one. Without any patience just the first.
    pub(super) async fn ready_within(&mut self, patience: Duration) -> Result<Vec<Sealed<Results>>, WebError> {
        let end = tokio::time::Instant::now() + patience;
        let mut ready = Vec::new();
        loop {
            let next = if ready.is_empty() { Ok(self.next().await) } else { tokio::time::timeout_at(end, self.next()).await };
            match next {
                Ok(Some(part)) => {
                    ready.push(part.map_err(WebError::internal)?);
                    if patience.is_zero() {
                        return Ok(ready);
                    }
                }
                // A search says at least once what it found.
                Ok(None) if ready.is_empty() => return Err(WebError::internal("a search ended without an answer")),
                Ok(None) | Err(_) => return Ok(ready),
            }
        }
    }

    async fn next(&mut self) -> Option<Part> {
        let part = self.receiver.recv().await;
        self.over |= part.is_none();
        part
    }

    pub(super) fn are_over(&self) -> bool {
        self.over
    }
}

/// Opens a part, once the entries that name what is in it are durable.
pub(super) async fn record(portal: &AppState, part: Sealed<Results>, context: &Context) -> Result<(Results, Receipt), LogUnavailable> {
    Ok(Sealed::open(portal.log.record(part, context).await?))
}

/// A page that is sent while the search goes on. What was found so far has been recorded.
pub(super) fn respond(
    portal: &AppState,
    shell: Shell,
    asked: Asked,
    saved_as: Option<String>,
    found: Found,
    parts: Parts,
    context: Context,
) -> Result<Response, WebError> {
    let csrf = shell.csrf.clone();
    let page = SearchPage { shell, query: asked.text.clone(), outcome: Outcome::Searching }.render()?;
    let (head, rest) = page.split_once(HITS_GO_HERE).ok_or_else(|| WebError::internal("the page has no place for its results"))?;
    let (middle, foot) = rest.split_once(END_GOES_HERE).ok_or_else(|| WebError::internal("the page has no end"))?;
    let frame = Frame { head: head.to_owned(), middle: middle.to_owned(), foot: foot.to_owned() };
    let (to, pieces) = mpsc::channel(WAITING);
    let writer = Writer { portal: Arc::clone(portal), asked, csrf, saved_as, context, to };
    tokio::spawn(writer.write(frame, found, parts));
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    Ok((headers, Body::from_stream(Pieces(pieces))).into_response())
}

/// What stands before the results, between them and the end, and behind it.
struct Frame {
    head: String,
    middle: String,
    foot: String,
}

struct Writer {
    portal: AppState,
    asked: Asked,
    csrf: String,
    saved_as: Option<String>,
    context: Context,
    to: mpsc::Sender<Result<Bytes, Infallible>>,
}

/// The reader went away.
struct Gone;

impl Writer {
    async fn write(self, frame: Frame, found: Found, parts: Parts) {
        // Nobody is there to be told.
        let _ = self.try_write(frame, found, parts).await;
    }

    async fn try_write(&self, frame: Frame, mut found: Found, mut parts: Parts) -> Result<(), Gone> {
        self.send(frame.head).await?;
        self.send(self.cards(&found.results).await).await?;
        let broken = loop {
            let next = tokio::select! {
                next = parts.next() => next,
                () = self.to.closed() => return Err(Gone),
            };
            let problem = match next {
                None => break None,
                Some(Ok(part)) => match record(&self.portal, part, &self.context).await {
                    Ok((part, receipt)) => {
                        self.send(self.cards(&part).await).await?;
                        found.take(part, receipt);
                        continue;
                    }
                    Err(cause) => {
                        tracing::warn!(%cause, "an answer broke off because it could not be recorded");
                        match cause {
                            LogUnavailable::Unwitnessed { .. } => "The record has not been witnessed, so nothing more is shown.",
                            _ => "The record cannot be written, so nothing more is shown.",
                        }
                    }
                },
                Some(Err(cause)) => {
                    tracing::error!(%cause, "a search failed while its answer was sent");
                    "Something went wrong on our side."
                }
            };
            break Some(problem.to_owned());
        };
        let end = if let Some(problem) = broken {
            SearchBroken { problem }.render()
        } else {
            let summary = self.asked.summary(&found, self.csrf.clone(), self.saved_as.clone());
            SearchEnd { results: self.asked.page(summary, Vec::new(), &found.results) }.render()
        };
        self.send(frame.middle).await?;
        self.send(end.unwrap_or_default()).await?;
        self.send(frame.foot).await
    }

    async fn cards(&self, part: &Results) -> String {
        let cards = self.asked.cards(&self.portal, part).of(&part.hits).await;
        cards.into_iter().filter_map(|file| HitCard { file }.render().ok()).collect()
    }

    async fn send(&self, text: String) -> Result<(), Gone> {
        if text.is_empty() {
            return Ok(());
        }
        self.to.send(Ok(Bytes::from(text))).await.map_err(|_| Gone)
    }
}
