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
    /// There is a way to enable it again.
    pub may_enable: bool,
    pub reason: String,
    pub errors: FieldErrors,
}
