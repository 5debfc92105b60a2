//! Agencies' identity directories.

use askama::Template;

use crate::web::views::format::filters;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::shell::{Notice, Shell};

/// `/admin/agencies/{id}/directory`; posts `name`, `days` and `csrf` to `…/tokens`, `csrf` to `…/tokens/{token}/revoke`.
#[derive(Debug, Template)]
#[template(path = "admin/directory.html")]
pub struct DirectoryPage {
    pub shell: Shell,
    pub csrf: String,
    /// `/admin/agencies/{id}`.
    pub id: String,
    /// The agency's.
    pub name: String,
    pub notices: Vec<Notice>,
    /// Where the directory finds the portal.
    pub url: String,
    /// Newest first.
    pub tokens: Vec<TokenRow>,
    /// By user name.
    pub people: Vec<DirectoryRow>,
    /// Of these, who awaits approval.
    pub waiting: usize,
    pub lasts: Vec<Choice>,
    /// How long the next token is to hold.
    pub days: String,
    /// The next token's name.
    pub typed: String,
    pub errors: FieldErrors,
}

/// A token with which the directory calls.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// `/admin/agencies/{agency}/directory/tokens/{id}`.
    pub id: String,
    pub name: String,
    pub maker: String,
    /// Microseconds since the epoch, UTC.
    pub made_at: i64,
    pub expires_at: i64,
    pub used_at: Option<i64>,
    /// "by First administrator, 21 Nov 2026, 09:12:40 UTC".
    pub revoked: Option<String>,
    pub may_revoke: bool,
    pub state: &'static str,
    /// The CSS class of the state.
    pub class: &'static str,
}

/// Somebody whom the directory keeps here.
#[derive(Clone, Debug)]
pub struct DirectoryRow {
    /// `/admin/people/{account}`.
    pub account: Option<String>,
    /// As the directory says.
    pub name: String,
    pub user_name: String,
    pub email: String,
    pub state: &'static str,
    /// The CSS class of the state.
    pub class: &'static str,
    pub note: Option<String>,
}

/// The answer to `…/tokens`: the one page that shows a token.
#[derive(Debug, Template)]
#[template(path = "admin/directory_token.html")]
pub struct TokenMade {
    pub shell: Shell,
    /// `/admin/agencies/{id}/directory`.
    pub id: String,
    /// The agency's.
    pub name: String,
    pub url: String,
    pub secret: String,
    /// The token's name.
    pub token: String,
    /// Microseconds since the epoch, UTC.
    pub expires_at: i64,
}
