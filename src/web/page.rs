//! The frame around pages, and how they are sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use askama::Template;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use futures_core::Stream;
use tokio::sync::mpsc;

use super::AppState;
use super::error::WebError;
use super::guard::{Entered, SignedIn, Visit, csrf};
use super::views::everyone::SessionRow;
use super::views::format;
use super::views::shell::{Notice, Person, Place, Role, Shell, Tone};
use crate::accounts::{self, Admitted, LiveSession, SessionHash};

const FLASH: &str = "flash";

/// The frame for whoever is signed in; `due`: a second factor is, and no room is open before.
pub(super) fn frame(person: &Admitted, due: bool, csrf: String) -> Shell {
    Shell {
        person: Some(Person {
            name: person.name().to_owned(),
            role: role(person.role()),
            agency: person.agency().map(|agency| agency.name.clone()),
        }),
        closed: due,
        csrf,
        ..Shell::default()
    }
}

pub(super) fn role(role: accounts::Role) -> Role {
    match role {
        accounts::Role::Reviewer => Role::Reviewer,
        accounts::Role::Auditor => Role::Auditor,
        accounts::Role::Administrator => Role::Administrator,
    }
}

/// A session as pages list it; `current` is the one in which they are asked for.
pub(super) fn session_row(portal: &AppState, session: LiveSession, current: &SessionHash) -> SessionRow {
    SessionRow {
        id: session.hash.short(),
        current: session.hash == *current,
        opened_at: session.opened_at.micros(),
        last_seen_at: session.seen_at.micros(),
        ends_at: session.opened_at.plus(portal.config.session.absolute).micros(),
        browser: format::browser(session.user_agent.as_deref().unwrap_or_default()),
        address: session.address.unwrap_or_default(),
    }
}

async fn shell(visit: &Visit, (person, due): (&Admitted, bool), portal: &AppState, title: &str, place: Place) -> Result<Shell, WebError> {
    let mut shell = frame(person, due, csrf(visit, portal).await?);
    title.clone_into(&mut shell.title);
    shell.place = place;
    shell.flash = visit.session.remove::<String>(FLASH).await?.map(|text| Notice::new(Tone::Done, text));
    Ok(shell)
}

impl Entered {
    /// The frame of a page, with what the form before it has done.
    pub(super) async fn shell(&self, portal: &AppState, title: &str, place: Place) -> Result<Shell, WebError> {
        shell(&self.visit, (&self.person, self.due), portal, title, place).await
    }
}

impl SignedIn {
    /// The frame of a page, with what the form before it has done.
    pub(super) async fn shell(&self, portal: &AppState, title: &str, place: Place) -> Result<Shell, WebError> {
        shell(&self.visit, (&self.principal.admitted(), false), portal, title, place).await
    }

    /// Says on the next page what was done.
    pub(super) async fn flash(&self, text: &str) -> Result<(), WebError> {
        Ok(self.visit.session.insert(FLASH, text).await?)
    }
}

/// The receiving end of a channel as a stream: what is sent while it is made. An error breaks it off.
pub(super) struct Pieces<E, T = Bytes>(pub(super) mpsc::Receiver<Result<T, E>>);

impl<E, T> Stream for Pieces<E, T> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

pub(super) fn html(page: &impl Template) -> Result<Response, WebError> {
    Ok(Html(page.render()?).into_response())
}

pub(super) fn plain(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
