//! Agencies and the agreements they read under.

use askama::Template;

use super::grants::GrantRow;
use super::people::{NomineeRow, PersonRow};
use crate::entitlements::Standing;
use crate::web::views::format::filters;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::shell::{Notice, Shell};

/// `/admin/agencies?q=`, by name.
#[derive(Debug, Template)]
#[template(path = "admin/agencies.html")]
pub struct AgenciesPage {
    pub shell: Shell,
    pub rows: Vec<AgencyRow>,
    /// What is looked for.
    pub words: String,
    /// Agencies on all pages.
    pub total: u64,
    /// The pages before and behind this one.
    pub earlier: Option<String>,
    pub later: Option<String>,
}

/// An agency in a list.
#[derive(Clone, Debug)]
pub struct AgencyRow {
    /// `/admin/agencies/{id}`.
    pub id: String,
    pub name: String,
    pub country: String,
    pub suspended: bool,
    pub eligible: bool,
    pub people: u64,
    pub agreements_in_force: u64,
    pub grants_in_force: u64,
}

/// `/admin/agencies/new` and `/admin/agencies/{id}/edit`; posts `name`, `country`, `kind`, `contacts` and `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/agency_form.html")]
pub struct AgencyForm {
    pub shell: Shell,
    pub csrf: String,
    /// The agency that is changed.
    pub id: Option<String>,
    pub name: String,
    pub country: String,
    pub kind: String,
    pub contacts: String,
    pub errors: FieldErrors,
}

/// `/admin/agencies/{id}`; posts `csrf` and `reason` to `…/strike`, `csrf` to `…/restore`.
#[derive(Debug, Template)]
#[template(path = "admin/agency.html")]
pub struct AgencyPage {
    pub shell: Shell,
    pub csrf: String,
    pub id: String,
    pub name: String,
    pub country: String,
    pub kind: String,
    pub contacts: Vec<String>,
    pub notices: Vec<Notice>,
    /// It stands on the list of eligible agencies.
    pub eligible: bool,
    /// The page that suspends it.
    pub suspend: Option<String>,
    pub reason: String,
    pub errors: FieldErrors,
    pub people: Vec<PersonRow>,
    /// How its identity directory stands, where it has one.
    pub directory: Option<String>,
    pub agreements: Vec<AgreementRow>,
    /// The newest, how many there are, and where the others are listed.
    pub grants: Vec<GrantRow>,
    pub total_grants: u64,
    pub all_grants: Option<String>,
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
    pub state: Standing,
    pub grants_in_force: u64,
}

/// `Standing` as it is said and shown.
impl Standing {
    pub fn words(self) -> &'static str {
        match self {
            Self::Draft => "Draft",
            Self::Signed => "Signed, not yet begun",
            Self::InForce => "In force",
            Self::RenewalDue => "In force, renewal due",
            Self::Suspended => "Suspended",
            Self::Expired => "Expired",
            Self::Terminated => "Ended early",
        }
    }

    /// The CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Draft | Self::Signed | Self::RenewalDue => "look",
            Self::InForce => "done",
            Self::Expired => "quiet",
            Self::Suspended | Self::Terminated => "danger",
        }
    }
}

/// `/admin/agreements?state=&agency=&q=&due=renewal`, the next to end first.
#[derive(Debug, Template)]
#[template(path = "admin/agreements.html")]
pub struct AgreementsPage {
    pub shell: Shell,
    pub rows: Vec<AgreementRow>,
    /// Only those whose terms end within ninety days.
    pub due: bool,
    /// Values in force; empty is any.
    pub state: String,
    pub agency: String,
    /// What is looked for.
    pub words: String,
    pub states: Vec<Choice>,
    pub agencies: Vec<Choice>,
    pub filtered: bool,
    /// Agreements on all pages.
    pub total: u64,
    /// The pages of those that end sooner, and later.
    pub sooner: Option<String>,
    pub later: Option<String>,
}

/// `/admin/agreements/new?agency=` and `/admin/agreements/{id}/edit`; posts the fields of [`AgreementValues`], `save` and `csrf` to the same
/// address.
#[derive(Debug, Template)]
#[template(path = "admin/agreement_form.html")]
pub struct AgreementForm {
    pub shell: Shell,
    pub csrf: String,
    pub agencies: Vec<Choice>,
    /// The agreement that is changed.
    pub id: Option<String>,
    pub reference: String,
    /// It is signed: what makes it reach further is proposed to another administrator.
    pub signed: bool,
    pub values: AgreementValues,
    pub errors: FieldErrors,
}

/// What was typed; the names are those of the inputs.
#[derive(Clone, Debug, Default)]
pub struct AgreementValues {
    pub agency: String,
    pub reference: String,
    pub kind: String,
    /// "2026-11-21".
    pub from: String,
    pub until: String,
    pub signed: String,
    /// Names of products, one a line; empty is any.
    pub covers: String,
    /// Networks, one a line; empty is any.
    pub addresses: String,
    pub sites: String,
    pub export_class: String,
    pub renewal: String,
    pub handling: String,
    pub reason: String,
}

/// Something the paper says.
#[derive(Clone, Debug)]
pub struct Fact {
    pub label: &'static str,
    pub text: String,
}

/// A change of how far a signed agreement reaches.
#[derive(Clone, Debug)]
pub struct AmendmentView {
    /// `/admin/agreements/{agreement}/amendments/{id}`.
    pub id: String,
    pub sentence: String,
    pub reason: String,
    /// "First administrator, 21 Nov 2026, 09:12:40 UTC".
    pub proposed: String,
    pub decided: Option<String>,
    pub refusal: Option<String>,
    pub may_approve: bool,
    pub may_refuse: bool,
    /// It waits, and whoever looks proposed it.
    pub own: bool,
    pub state: &'static str,
    /// The CSS class of the state.
    pub class: &'static str,
}

/// `/admin/agreements/{id}`; posts `csrf` to `…/sign`, `csrf` and `reason` to `…/end`, `csrf` and `account` to `…/people`, and what decides on
/// an amendment.
#[derive(Debug, Template)]
#[template(path = "admin/agreement.html")]
pub struct AgreementPage {
    pub shell: Shell,
    pub csrf: String,
    pub agreement: AgreementRow,
    /// `/admin/agencies/{id}`.
    pub agency_id: String,
    pub facts: Vec<Fact>,
    pub notices: Vec<Notice>,
    pub nominees: Vec<NomineeRow>,
    /// Reviewers of the agency whom it could name besides.
    pub may_name: Vec<Choice>,
    /// Whom the form naming a reviewer was sent with.
    pub account: String,
    /// The newest, how many there are, and where the others are listed.
    pub grants: Vec<GrantRow>,
    pub total_grants: u64,
    pub all_grants: Option<String>,
    pub amendments: Vec<AmendmentView>,
    /// The newest version of its terms.
    pub terms: Option<i64>,
    /// How many documents are attached, those that were replaced left out.
    pub documents: usize,
    pub may_sign: bool,
    pub may_edit: bool,
    pub may_end: bool,
    /// The page that suspends it.
    pub suspend: Option<String>,
    /// The reason typed before.
    pub reason: String,
    pub errors: FieldErrors,
}

/// `/admin/agreements/{id}/documents`; posts `csrf`, `replaces` and the file `document` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/documents.html")]
pub struct DocumentsPage {
    pub shell: Shell,
    pub csrf: String,
    /// `/admin/agreements/{id}`.
    pub id: String,
    pub reference: String,
    /// Newest first.
    pub rows: Vec<DocumentRow>,
    /// What may be replaced.
    pub choices: Vec<Choice>,
    pub replaces: String,
    pub errors: FieldErrors,
}

/// Something attached to an agreement.
#[derive(Clone, Debug)]
pub struct DocumentRow {
    pub id: String,
    pub name: String,
    /// "1.2 MB".
    pub size: String,
    /// "First administrator, 21 Nov 2026, 09:12:40 UTC".
    pub attached: String,
    pub sha256: String,
    pub replaced: bool,
}

/// `/admin/agreements/{id}/terms`; posts `csrf` and `text` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/terms.html")]
pub struct TermsPage {
    pub shell: Shell,
    pub csrf: String,
    /// `/admin/agreements/{id}`.
    pub id: String,
    pub reference: String,
    /// Newest first.
    pub rows: Vec<TermsRow>,
    pub text: String,
    pub errors: FieldErrors,
}

/// A version of the terms.
#[derive(Clone, Debug)]
pub struct TermsRow {
    pub version: i64,
    /// Microseconds since the epoch, UTC.
    pub published_at: i64,
    pub publisher: String,
    /// People who have accepted it.
    pub accepted: u64,
    pub text: String,
}
