//! Agencies and the agreements they read under.

use askama::Template;

use super::grants::GrantRow;
use super::people::PersonRow;
use crate::web::views::format::filters;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::shell::Shell;

/// `/admin/agencies`.
#[derive(Debug, Template)]
#[template(path = "admin/agencies.html")]
pub struct AgenciesPage {
    pub shell: Shell,
    pub rows: Vec<AgencyRow>,
}

/// An agency in a list.
#[derive(Clone, Debug)]
pub struct AgencyRow {
    /// `/admin/agencies/{id}`.
    pub id: String,
    pub name: String,
    pub people: u64,
    pub agreements_in_force: u64,
    pub grants_in_force: u64,
}

/// `/admin/agencies/new`; posts `name`, `country` and `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/agency_form.html")]
pub struct AgencyForm {
    pub shell: Shell,
    pub csrf: String,
    pub name: String,
    pub country: String,
    pub errors: FieldErrors,
}

/// `/admin/agencies/{id}`.
#[derive(Debug, Template)]
#[template(path = "admin/agency.html")]
pub struct AgencyPage {
    pub shell: Shell,
    pub id: String,
    pub name: String,
    pub people: Vec<PersonRow>,
    pub agreements: Vec<AgreementRow>,
    pub grants: Vec<GrantRow>,
}

/// An agreement in a list.
#[derive(Clone, Debug)]
pub struct AgreementRow {
    /// `/admin/agreements/{id}`.
    pub id: String,
    pub reference: String,
    pub agency: String,
    /// Microseconds since the epoch, UTC.
    pub from: i64,
    pub until: i64,
    pub state: AgreementState,
    pub grants_in_force: u64,
}

/// Where an agreement is in its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgreementState {
    NotYet,
    InForce,
    /// Its term is over.
    Expired,
    /// Ended by an administrator before its term.
    EndedEarly,
}

impl AgreementState {
    pub fn words(self) -> &'static str {
        match self {
            Self::NotYet => "Not yet begun",
            Self::InForce => "In force",
            Self::Expired => "Expired",
            Self::EndedEarly => "Ended early",
        }
    }

    /// The CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::NotYet => "look",
            Self::InForce => "done",
            Self::Expired => "quiet",
            Self::EndedEarly => "danger",
        }
    }
}

/// `/admin/agreements/new?agency=`; posts `agency`, `reference`, `from`, `until`, `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/agreement_form.html")]
pub struct AgreementForm {
    pub shell: Shell,
    pub csrf: String,
    pub agencies: Vec<Choice>,
    pub agency: String,
    pub reference: String,
    /// "2026-11-21".
    pub from: String,
    pub until: String,
    pub errors: FieldErrors,
}

/// `/admin/agreements/{id}`; posts `csrf` and `reason` to `…/end`, `csrf` and `account` to `…/people`.
#[derive(Debug, Template)]
#[template(path = "admin/agreement.html")]
pub struct AgreementPage {
    pub shell: Shell,
    pub csrf: String,
    pub agreement: AgreementRow,
    /// `/admin/agencies/{id}`.
    pub agency_id: String,
    pub people: Vec<PersonRow>,
    /// Reviewers of the agency whom it could name besides.
    pub may_name: Vec<Choice>,
    /// Whom the form naming a reviewer was sent with.
    pub account: String,
    pub grants: Vec<GrantRow>,
    pub may_end: bool,
    /// The reason typed before.
    pub reason: String,
    pub errors: FieldErrors,
}
