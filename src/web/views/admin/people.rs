//! People and their accounts.

use askama::Template;

use crate::web::views::everyone::SessionRow;
use crate::web::views::format::filters;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::shell::{Role, Shell};

/// `/admin/people?q=&agency=&role=&state=&after=`.
#[derive(Debug, Template)]
#[template(path = "admin/people.html")]
pub struct PeoplePage {
    pub shell: Shell,
    pub rows: Vec<PersonRow>,
    /// On all pages.
    pub total: u64,
    /// Something was asked for.
    pub filtered: bool,
    /// The address of the next page, and of the first one when this is another.
    pub next: Option<String>,
    pub first: Option<String>,
    pub q: String,
    pub agency: String,
    pub role: String,
    pub state: String,
    pub agencies: Vec<Choice>,
    pub roles: Vec<Choice>,
    pub states: Vec<Choice>,
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
    /// "Active", "No password yet", "Locked".
    pub state: &'static str,
    /// The CSS class of the state.
    pub class: &'static str,
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

/// After a person was invited: the link, shown once.
#[derive(Debug, Template)]
#[template(path = "admin/person_invited.html")]
pub struct PersonInvited {
    pub shell: Shell,
    pub person: PersonRow,
    /// The whole address.
    pub link: String,
    /// It works only after a second administrator has approved it.
    pub second: bool,
    /// Microseconds since the epoch, UTC.
    pub expires_at: i64,
}

/// `/admin/people/{id}`; posts `csrf` and `reason` to `…/leave`, `…/lock` and `…/role/refuse`, `csrf` to `…/unlock`, `…/invitation`,
/// `…/invitation/approve`, `…/invitation/withdraw`, `…/reset/approve`, `…/reset/withdraw` and `…/role/approve`, `role`, `agency`, `reason`
/// to `…/role`, `what`, `reason` to `…/reset`, `reason` to `…/reset/refuse`, and `session` (all when
/// it is empty) to `…/sessions/end`.
#[derive(Debug, Template)]
#[template(path = "admin/person.html")]
pub struct PersonPage {
    pub shell: Shell,
    pub csrf: String,
    pub person: PersonRow,
    /// Microseconds since the epoch, UTC.
    pub created_at: i64,
    /// When, by whom and why it was locked.
    pub locked: Option<String>,
    /// What can be done alone, for a reason.
    pub acts: Vec<Doing>,
    pub may_unlock: bool,
    pub why_not: Option<&'static str>,
    /// Of somebody who has not chosen a password yet.
    pub invitation: Option<InvitationView>,
    /// The change of their role that waits.
    pub change: Option<ChangeView>,
    /// The reset that waits for a decision, or for the person.
    pub reset: Option<ResetView>,
    /// What of theirs can be proposed to be reset; empty for nothing.
    pub resets: Vec<Choice>,
    pub may_propose: bool,
    pub roles: Vec<Choice>,
    pub agencies: Vec<Choice>,
    /// Whether they have a second factor, in a sentence.
    pub factor: String,
    /// Wrong passwords and codes lately, in a sentence.
    pub failures: Option<String>,
    pub sessions: Vec<SessionRow>,
    /// The agreements that name them, or did.
    pub nominees: Vec<NomineeRow>,
    pub reason: String,
    pub errors: FieldErrors,
}

/// A reset that waits.
#[derive(Clone, Debug)]
pub struct ResetView {
    pub heading: &'static str,
    pub sentence: String,
    pub why: String,
    /// What the button says that carries it out; none for whoever may not.
    pub approve: Option<&'static str>,
    pub may_refuse: bool,
    pub may_withdraw: bool,
    pub why_not: Option<&'static str>,
}

/// What an administrator is shown once of a reset: their part of what the person needs.
#[derive(Debug, Template)]
#[template(path = "admin/reset_part.html")]
pub struct ResetPart {
    pub shell: Shell,
    pub person: PersonRow,
    pub part: Part,
    /// Microseconds since the epoch, UTC.
    pub expires_at: i64,
}

/// Which of the two.
#[derive(Clone, Debug)]
pub enum Part {
    /// Of whoever proposed it.
    Code(String),
    /// Of whoever carried it out: the whole address, and who has the code.
    Link { address: String, code_with: String },
}

/// Something that takes a reason: where it is posted, what opens the form, its button, and its hint.
#[derive(Clone, Copy, Debug)]
pub struct Doing {
    pub verb: &'static str,
    pub opens: &'static str,
    pub button: &'static str,
    pub hint: &'static str,
}

/// An invitation that was not used.
#[derive(Clone, Debug)]
pub struct InvitationView {
    pub sentence: String,
    /// There was none before.
    pub first: bool,
    pub may_approve: bool,
    pub may_withdraw: bool,
    pub why_not: Option<&'static str>,
}

/// A change of a role that waits for a second administrator.
#[derive(Clone, Debug)]
pub struct ChangeView {
    pub sentence: String,
    pub why: String,
    pub may_approve: bool,
    pub why_not: Option<&'static str>,
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
