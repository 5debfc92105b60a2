//! People and their accounts.

use askama::Template;

use crate::web::views::format::filters;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::shell::{Role, Shell};

/// `/admin/people`.
#[derive(Debug, Template)]
#[template(path = "admin/people.html")]
pub struct PeoplePage {
    pub shell: Shell,
    pub rows: Vec<PersonRow>,
}

/// A person in a list.
#[derive(Clone, Debug)]
pub struct PersonRow {
    /// `/admin/people/{id}`.
    pub id: String,
    pub name: String,
    pub email: String,
    pub role: Role,
    /// The agency's name, of reviewers; may be empty.
    pub agency: String,
    pub disabled: bool,
}

/// `/admin/people/new`; posts `name`, `email`, `role`, `agency`, `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/person_form.html")]
pub struct PersonForm {
    pub shell: Shell,
    pub csrf: String,
    pub name: String,
    pub email: String,
    /// "reviewer", "auditor", "administrator", or empty.
    pub role: String,
    pub agency: String,
    pub agencies: Vec<Choice>,
    pub errors: FieldErrors,
}

/// After a person was made: the one-time password, shown once.
#[derive(Debug, Template)]
#[template(path = "admin/person_created.html")]
pub struct PersonCreated {
    pub shell: Shell,
    pub person: PersonRow,
    pub password: String,
}

/// `/admin/people/{id}`; posts `csrf` and `reason` to `…/disable`, `csrf` to `…/enable`.
#[derive(Debug, Template)]
#[template(path = "admin/person.html")]
pub struct PersonPage {
    pub shell: Shell,
    pub csrf: String,
    pub person: PersonRow,
    /// Microseconds since the epoch, UTC.
    pub created_at: i64,
    /// Nobody disables their own account.
    pub may_disable: bool,
    /// A reviewer whose account is open.
    pub may_leave: bool,
    /// The agreements that name them, or did.
    pub nominees: Vec<NomineeRow>,
    /// There is a way to enable it again.
    pub may_enable: bool,
    pub reason: String,
    pub errors: FieldErrors,
}

/// Somebody whom an agreement names, or is to name.
#[derive(Clone, Debug)]
pub struct NomineeRow {
    /// `/admin/nominations/{id}`.
    pub id: String,
    /// `/admin/people/{account}`.
    pub account: String,
    pub name: String,
    pub email: String,
    pub agency: String,
    /// The reference.
    pub agreement: String,
    /// `/admin/agreements/{agreement_id}`.
    pub agreement_id: String,
    /// The newest version of its terms that they accepted.
    pub accepted: Option<i64>,
    pub nominator: String,
    /// Microseconds since the epoch, UTC.
    pub nominated_at: i64,
    pub state: &'static str,
    /// The CSS class of the state.
    pub class: &'static str,
}

/// `/admin/nominations?state=&agency=&q=`, newest first.
#[derive(Debug, Template)]
#[template(path = "admin/nominations.html")]
pub struct NominationsPage {
    pub shell: Shell,
    pub rows: Vec<NomineeRow>,
    /// Values in force; empty is any.
    pub state: String,
    pub agency: String,
    /// What is looked for.
    pub words: String,
    pub states: Vec<Choice>,
    pub agencies: Vec<Choice>,
    pub filtered: bool,
    /// Nominations on all pages.
    pub total: u64,
    pub newer: Option<String>,
    pub older: Option<String>,
}

/// `/admin/nominations/{id}`; posts `csrf` to `…/approve`, `csrf` and `reason` to `…/refuse` and `…/withdraw`.
#[derive(Debug, Template)]
#[template(path = "admin/nomination.html")]
pub struct NominationPage {
    pub shell: Shell,
    pub csrf: String,
    pub row: NomineeRow,
    pub sentence: String,
    /// "Second administrator, 21 Nov 2026, 09:12:40 UTC".
    pub decided: Option<String>,
    pub may_approve: bool,
    pub may_refuse: bool,
    pub may_withdraw: bool,
    pub why_not: Option<&'static str>,
    pub reason: String,
    pub errors: FieldErrors,
}
