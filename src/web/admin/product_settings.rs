//! How a product is brought in, and what becomes of its new versions. Asked for and changed only after a fresh confirmation.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::products::{address, find};
use super::{again, done};
use crate::catalog::{Arrival, Product, Settings};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::products::SettingsPage;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::shell::Place;

const PURPOSE: &str = "change how this product is brought in";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    arrival: String,
}

impl Typed {
    fn of(settings: &Settings) -> Self {
        Self { arrival: settings.arrival.as_str().to_owned() }
    }

    fn settings(&self) -> Result<Settings, FieldErrors> {
        let mut errors = FieldErrors::default();
        let arrival = Arrival::parse(&self.arrival);
        if arrival.is_none() {
            errors.add("arrival", "Choose what becomes of new versions.");
        }
        match arrival {
            Some(arrival) => Ok(Settings { arrival }),
            None => Err(errors),
        }
    }
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>, Path(name): Path<String>) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    // Asked before anything is typed that would be lost.
    let _ = who.step_up(&portal, &at(&product), PURPOSE)?;
    page(&who, &portal, &product, Typed::of(&product.settings), FieldErrors::default()).await
}

pub(super) async fn change(
    who: Administering,
    State(portal): State<AppState>,
    Path(name): Path<String>,
    form: Protected<Typed>,
) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    let by = who.step_up(&portal, &at(&product), PURPOSE)?;
    let typed = form.into_inner();
    match typed.settings() {
        Ok(settings) => {
            portal.catalog.change_settings(&product, &settings, &by, &who.visit.context).await?;
            done(&who, "Kept.", &address(&product)).await
        }
        Err(errors) => Ok(again(StatusCode::UNPROCESSABLE_ENTITY, page(&who, &portal, &product, typed, errors).await?)),
    }
}

fn at(product: &Product) -> String {
    format!("{}/settings", address(product))
}

async fn page(who: &SignedIn, portal: &AppState, product: &Product, typed: Typed, errors: FieldErrors) -> Result<Response, WebError> {
    let shell = who.shell(portal, &format!("Settings of {}", product.title), Place::Products).await?;
    let choice = |value: &str, label: &str| Choice { value: value.to_owned(), label: label.to_owned() };
    html(&SettingsPage {
        csrf: shell.csrf.clone(),
        shell,
        name: product.name.clone(),
        title: product.title.clone(),
        arrivals: Arrival::ALL
            .into_iter()
            .map(|arrival| match arrival {
                Arrival::Published => choice(arrival.as_str(), "They are published at once"),
                Arrival::Quarantined => choice(arrival.as_str(), "They wait in quarantine until two administrators release them"),
            })
            .collect(),
        arrival: typed.arrival,
        errors,
    })
}
