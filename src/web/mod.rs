//! The portal over HTTP: routes with their guards, forms, pages and JSON. It decides nothing: a handler extracts, calls one
//! verb of a room and renders.

mod admin;
mod allowance;
mod brake;
mod error;
mod form;
mod guard;
mod headers;
mod hooks;
mod page;
mod pages;
mod routes;
mod scim;
mod storage;
mod upload;
pub mod views;
mod witness;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;

pub use allowance::Allowance;
pub use brake::AddressBrake;
pub use routes::Route;
pub use witness::serve_witness;

use crate::access::Gate;
use crate::accounts::Accounts;
use crate::audit::Log;
use crate::catalog::Catalog;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::database::Database;
use crate::entitlements::Entitlements;
use crate::highlight::Painter;
use crate::ids::Entropy;
use crate::inspection::Inspection;
use crate::jobs::Jobs;
use crate::search::{Indexes, Searcher};
use crate::source::Vault;
use crate::symbols::Symbols;

/// The rooms a handler may call.
pub struct Portal {
    pub config: Config,
    pub database: Database,
    pub log: Log,
    pub accounts: Accounts,
    pub catalog: Catalog,
    pub entitlements: Entitlements,
    pub gate: Gate,
    pub vault: Arc<Vault>,
    pub painter: Painter,
    pub searcher: Searcher,
    pub indexes: Arc<Indexes>,
    pub symbols: Arc<Symbols>,
    /// Who may search now.
    pub allowance: Arc<Allowance>,
    pub inspection: Inspection,
    pub jobs: Jobs,
    /// Who may call webhooks now.
    pub hooks: AddressBrake,
    /// Who may open links of invitations now.
    pub invitations: AddressBrake,
    /// Which directories may call now, by their tokens; and from where may be called without one that holds.
    pub directories: AddressBrake,
    pub strange_directories: AddressBrake,
    pub clock: SharedClock,
    pub entropy: Entropy,
    pub tokens: Tokens,
}

/// SHA-256 of the tokens with which programs fetch what the log publishes.
pub struct Tokens {
    /// Everything, entry bundles too.
    pub verifier: [u8; 32],
    /// Checkpoints and tiles, which hold nothing but hashes.
    pub witness: [u8; 32],
}

pub(crate) type AppState = Arc<Portal>;

/// Bytes of a form at most.
const LARGEST_FORM: usize = 64 * 1024;

/// The portal's router, and the table of its routes.
pub fn router(portal: &Arc<Portal>) -> (Router, Vec<Route>) {
    let (router, table) =
        admin::routes(pages::routes(scim::routes(hooks::routes(routes::Routes::new())))).fallback(pages::nothing).into_parts();
    let sessions = SessionManagerLayer::new(portal.accounts.sessions())
        .with_name("__Host-lectern")
        .with_same_site(SameSite::Strict)
        .with_secure(true)
        .with_http_only(true)
        .with_path("/");
    let router = router
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(middleware::from_fn_with_state(Arc::clone(portal), error::render))
        .layer(sessions)
        .layer(middleware::from_fn_with_state(Arc::clone(portal), storage::while_it_answers))
        .layer(middleware::from_fn_with_state(Arc::clone(portal), headers::envelope))
        .with_state(Arc::clone(portal));
    (router, table)
}
