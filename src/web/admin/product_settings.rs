//! How a product is brought in, and what becomes of its new versions. Asked for and changed only after a fresh confirmation.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::products::{address, find};
use super::{Nothing, again, done};
use crate::catalog::{Arrival, Every, Kept, Product, Purpose, Secret, Settings, Signers};
use crate::mirrors::{Credentials, Source};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::products::{SettingsPage, WebhookMade};
use crate::web::views::format::moment;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::shell::Place;

const PURPOSE: &str = "change how this product is brought in";

/// Minutes that can be chosen between synchronisations.
const INTERVALS: [u64; 8] = [15, 30, 60, 180, 360, 720, 1440, 10_080];
/// Characters of a token or key at most.
const LONGEST_SECRET: usize = 20_000;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    arrival: String,
    /// Minutes, or `off`.
    every: String,
    signers: String,
}

impl Typed {
    fn of(settings: &Settings) -> Self {
        let every = settings.every.map_or_else(|| "off".to_owned(), |every| (every.span().as_secs() / 60).to_string());
        Self { arrival: settings.arrival.as_str().to_owned(), every, signers: settings.signers.clone() }
    }

    fn settings(&self) -> Result<Settings, FieldErrors> {
        let mut errors = FieldErrors::default();
        let arrival = Arrival::parse(&self.arrival);
        if arrival.is_none() {
            errors.add("arrival", "Choose what becomes of new versions.");
        }
        let every = match self.every.as_str() {
            "off" => Some(None),
            text => text.parse().ok().and_then(Every::minutes).map(Some),
        };
        if every.is_none() {
            errors.add("every", "Choose an interval from 15 minutes to 7 days, or none.");
        }
        let signers = self.signers.replace("\r\n", "\n").trim().to_owned();
        if let Err(problem) = Signers::parse(&signers) {
            errors.add("signers", problem.to_string());
        }
        match (arrival, every) {
            (Some(arrival), Some(every)) if errors.is_empty() => Ok(Settings { arrival, every, signers }),
            _ => Err(errors),
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

/// Makes a secret for the webhook; one that was made before does not hold any more. It is shown here and never again.
pub(super) async fn make_webhook(
    who: Administering,
    State(portal): State<AppState>,
    Path(name): Path<String>,
    _: Protected<Nothing>,
) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    let by = who.step_up(&portal, &at(&product), PURPOSE)?;
    let secret = Secret::new(portal.entropy.hex::<32>());
    // Which secret it is can be told apart in the record, and not guessed from that.
    let digest = HEXLOWER.encode(&Sha256::digest(secret.reveal().as_bytes()));
    let told = format!("secret {}", digest.get(..8).unwrap_or_default());
    portal.catalog.keep_secret(&product, Purpose::Webhook, (&secret, &told), &by, &who.visit.context).await?;
    let shell = who.shell(&portal, &format!("Webhook of {}", product.title), Place::Products).await?;
    html(&WebhookMade {
        shell,
        url: webhook_url(&portal, &product),
        secret: secret.reveal().to_owned(),
        told,
        name: product.name,
        title: product.title,
    })
}

pub(super) async fn remove_webhook(
    who: Administering,
    State(portal): State<AppState>,
    Path(name): Path<String>,
    _: Protected<Nothing>,
) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    let by = who.step_up(&portal, &at(&product), PURPOSE)?;
    portal.catalog.remove_secret(&product, Purpose::Webhook, &by, &who.visit.context).await?;
    done(&who, "The webhook takes no calls any more.", &at(&product)).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TypedCredentials {
    user: String,
    token: String,
    key: String,
    passphrase: String,
}

impl TypedCredentials {
    fn credentials(self, is_ssh: bool) -> Result<Credentials, FieldErrors> {
        let mut errors = FieldErrors::default();
        let Self { user, token, key, passphrase } = self;
        let plain = |text: &str| text.chars().count() <= LONGEST_SECRET && !text.chars().any(char::is_control);
        if is_ssh {
            let private = format!("{}\n", key.replace("\r\n", "\n").trim());
            let is_key = private.starts_with("-----BEGIN ") && private.contains(" PRIVATE KEY-----") && private.len() <= LONGEST_SECRET;
            if !is_key {
                errors.add("key", "Paste a private key whole, from its line BEGIN to its line END.");
            }
            if !plain(&passphrase) {
                errors.add("passphrase", "Write it in one line.");
            }
            let passphrase = Some(passphrase).filter(|text| !text.is_empty());
            return if errors.is_empty() { Ok(Credentials::Key { private, passphrase }) } else { Err(errors) };
        }
        let (user, token) = (user.trim().to_owned(), token.trim().to_owned());
        if !plain(&user) || user.chars().count() > 200 {
            errors.add("user", "Write a user name of 200 characters at most, or leave it empty.");
        }
        if token.is_empty() || !plain(&token) {
            errors.add("token", "Write the access token or password, in one line.");
        }
        let user = if user.is_empty() { "x-access-token".to_owned() } else { user };
        if errors.is_empty() { Ok(Credentials::Token { user, token }) } else { Err(errors) }
    }
}

pub(super) async fn set_credentials(
    who: Administering,
    State(portal): State<AppState>,
    Path(name): Path<String>,
    form: Protected<TypedCredentials>,
) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    let by = who.step_up(&portal, &at(&product), PURPOSE)?;
    let Some(is_ssh) = Source::parse(&product.source).ok().and_then(|source| source.is_ssh()) else {
        return Err(WebError::BadRequest("Its source is a path on the server, which wants no credentials.".to_owned()));
    };
    match form.into_inner().credentials(is_ssh) {
        Ok(credentials) => {
            let secret = Secret::new(credentials.to_json().map_err(WebError::internal)?);
            let told = credentials.told();
            portal.catalog.keep_secret(&product, Purpose::Credentials, (&secret, &told), &by, &who.visit.context).await?;
            done(&who, "The credentials are kept. They are never shown again.", &at(&product)).await
        }
        Err(errors) => {
            let page = page(&who, &portal, &product, Typed::of(&product.settings), errors).await?;
            Ok(again(StatusCode::UNPROCESSABLE_ENTITY, page))
        }
    }
}

pub(super) async fn remove_credentials(
    who: Administering,
    State(portal): State<AppState>,
    Path(name): Path<String>,
    _: Protected<Nothing>,
) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    let by = who.step_up(&portal, &at(&product), PURPOSE)?;
    portal.catalog.remove_secret(&product, Purpose::Credentials, &by, &who.visit.context).await?;
    done(&who, "The credentials are removed.", &at(&product)).await
}

/// What is told of a secret: "token of fetcher, set by First administrator, 21 Nov 2026, 09:12:40 UTC".
async fn told(portal: &AppState, product: &Product, purpose: Purpose) -> Result<Option<String>, WebError> {
    let kept = portal.catalog.kept(product, purpose).await?;
    Ok(kept.map(|Kept { told, at, by }| format!("{told}, set by {}, {}", by.as_deref().unwrap_or("the operator"), moment(at.micros()))))
}

fn webhook_url(portal: &AppState, product: &Product) -> String {
    format!("{}/hooks/{}", portal.config.public_origin.as_deref().unwrap_or_default(), product.name)
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
                Arrival::Quarantined => choice(arrival.as_str(), "They wait until two administrators release them"),
            })
            .collect(),
        arrival: typed.arrival,
        intervals: [choice("off", "Only when somebody asks")]
            .into_iter()
            .chain(intervals(&typed.every).filter_map(|minutes| Some(choice(&minutes.to_string(), &Every::minutes(minutes)?.words()))))
            .collect(),
        every: typed.every,
        signers: typed.signers,
        webhook: told(portal, product, Purpose::Webhook).await?,
        webhook_url: webhook_url(portal, product),
        credentials: told(portal, product, Purpose::Credentials).await?,
        is_ssh: Source::parse(&product.source).ok().and_then(|source| source.is_ssh()),
        errors,
    })
}

/// Those offered, and the one that is set where it is none of them.
fn intervals(set: &str) -> impl Iterator<Item = u64> {
    let mut all: Vec<u64> = INTERVALS.into_iter().chain(set.parse()).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_credentials_or_is_said_to_be_none() {
        let typed = |user: &str, token: &str, key: &str| TypedCredentials {
            user: user.to_owned(),
            token: token.to_owned(),
            key: key.to_owned(),
            passphrase: String::new(),
        };
        assert_eq!(typed("", " abc ", "").credentials(false).unwrap().told(), "token of x-access-token");
        assert_eq!(typed("fetcher", "abc", "").credentials(false).unwrap().told(), "token of fetcher");
        assert!(typed("fetcher", " ", "").credentials(false).unwrap_err().of("token").is_some());
        assert!(typed("a\nb", "x", "").credentials(false).unwrap_err().of("user").is_some());
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\r\nAAAA\r\n-----END OPENSSH PRIVATE KEY-----\r\n";
        match typed("", "", key).credentials(true).unwrap() {
            Credentials::Key { private, passphrase: None } => assert!(private.ends_with("KEY-----\n") && !private.contains('\r')),
            other => panic!("{other:?}"),
        }
        for odd in ["", "ssh-ed25519 AAAA", "-----BEGIN PUBLIC KEY-----\nx"] {
            assert!(typed("", "", odd).credentials(true).unwrap_err().of("key").is_some(), "{odd}");
        }
    }

    #[test]
    fn an_interval_that_is_set_is_offered() {
        assert_eq!(intervals("45").collect::<Vec<_>>(), [15, 30, 45, 60, 180, 360, 720, 1440, 10_080]);
        assert_eq!(intervals("off").count(), INTERVALS.len());
        for minutes in INTERVALS {
            assert!(Every::minutes(minutes).is_some());
        }
    }
}
