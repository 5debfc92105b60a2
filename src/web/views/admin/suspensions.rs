//! What is suspended, and putting it back.

use askama::Template;

use super::grants::Step;
use crate::web::views::format::filters;
use crate::web::views::forms::FieldErrors;
use crate::web::views::shell::Shell;

/// `/admin/suspensions`.
#[derive(Debug, Template)]
#[template(path = "admin/suspensions.html")]
pub struct SuspensionsPage {
    pub shell: Shell,
    pub rows: Vec<SuspensionRow>,
}

/// A suspension in a list.
#[derive(Clone, Debug)]
pub struct SuspensionRow {
    /// `/admin/suspensions/{id}`.
    pub id: String,
    /// "Agency Agency One".
    pub what: String,
    pub reason: String,
    pub placed_by: String,
    /// Microseconds since the epoch, UTC.
    pub placed_at: i64,
    pub state: &'static str,
    /// The CSS class of the state.
    pub class: &'static str,
}

/// `/admin/suspensions/new?subject=&id=`; posts `subject`, `id`, `reason`, `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/suspension_form.html")]
pub struct SuspensionForm {
    pub shell: Shell,
    pub csrf: String,
    /// "agency", "agreement", "grant", "product".
    pub subject: String,
    pub subject_id: String,
    /// "Agency One", "GSP-2026-03".
    pub name: String,
    /// The page of what is to be suspended.
    pub href: String,
    /// What stops, a sentence.
    pub sentence: String,
    pub reason: String,
    pub errors: FieldErrors,
}

/// `/admin/suspensions/{id}`; posts `csrf` and `reason` to `…/ask` and `…/keep`, `csrf` to `…/lift`.
#[derive(Debug, Template)]
#[template(path = "admin/suspension.html")]
pub struct SuspensionPage {
    pub shell: Shell,
    pub csrf: String,
    pub row: SuspensionRow,
    pub href: String,
    pub sentence: String,
    pub steps: Vec<Step>,
    pub may_ask: bool,
    pub may_lift: bool,
    pub may_keep: bool,
    pub why_not: Option<&'static str>,
    pub reason: String,
    pub errors: FieldErrors,
}
