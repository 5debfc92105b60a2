//! Grants: proposing, deciding, ending.

use askama::Template;

use crate::web::views::format::filters;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::reading::Seal;
use crate::web::views::shell::{Notice, Shell};

/// A grant in a list.
#[derive(Clone, Debug)]
pub struct GrantRow {
    /// `/admin/grants/{id}`.
    pub id: String,
    pub agency: String,
    pub product: String,
    /// The pattern.
    pub versions: String,
    /// What it opens, in words: "All of it", "net/ and tests/ without tests/keys/".
    pub scope: String,
    pub state: GrantState,
    /// Microseconds since the epoch, UTC.
    pub from: i64,
    pub until: i64,
    /// Name of the administrator who proposed it.
    pub proposed_by: String,
}

/// Where a grant is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// Waits for a second administrator.
    Proposed,
    /// Approved, and its window has not begun.
    NotYet,
    InForce,
    /// In its window, and something it hangs on is suspended.
    Suspended,
    /// Nobody confirmed it by the day of a campaign.
    Lapsed,
    /// Its window, or its agreement's, is over.
    Ended,
    Refused,
    Revoked,
}

impl GrantState {
    /// "awaits approval", "in force" …
    pub fn words(self) -> &'static str {
        match self {
            Self::Proposed => "Awaits approval",
            Self::NotYet => "Approved, not yet begun",
            Self::InForce => "In force",
            Self::Suspended => "Suspended",
            Self::Lapsed => "Lapsed",
            Self::Ended => "Ended",
            Self::Refused => "Refused",
            Self::Revoked => "Revoked",
        }
    }

    /// The CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Proposed => "look",
            Self::NotYet | Self::InForce => "done",
            Self::Ended => "quiet",
            Self::Suspended | Self::Lapsed | Self::Refused | Self::Revoked => "danger",
        }
    }
}

/// `/admin/grants?state=&agency=&agreement=&product=&q=`, newest proposals first.
#[derive(Debug, Template)]
#[template(path = "admin/grants.html")]
pub struct GrantsPage {
    pub shell: Shell,
    pub rows: Vec<GrantRow>,
    /// Values in force; empty is any.
    pub state: String,
    pub agency: String,
    /// The reference.
    pub agreement: String,
    pub product: String,
    /// What is looked for.
    pub words: String,
    /// Grants on all pages.
    pub total: u64,
    pub states: Vec<Choice>,
    pub agencies: Vec<Choice>,
    pub products: Vec<Choice>,
    /// Any filter is in force, so an empty list does not mean that there are no grants.
    pub filtered: bool,
    /// The pages of newer and of older proposals.
    pub newer: Option<String>,
    pub older: Option<String>,
}

/// `/admin/grants/new`; posts the fields of [`GrantValues`] and `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/grant_form.html")]
pub struct GrantForm {
    pub shell: Shell,
    pub csrf: String,
    pub values: GrantValues,
    pub errors: FieldErrors,
    /// One administrator gives it alone, for hours.
    pub alone: bool,
    /// What it opens, when that was looked at.
    pub reveal: Option<Reveal>,
    pub agencies: Vec<Choice>,
    /// Labels name the agency, the reference and the end of the term.
    pub agreements: Vec<Choice>,
    pub products: Vec<Choice>,
}

/// What was typed; the names are those of the inputs.
#[derive(Clone, Debug, Default)]
pub struct GrantValues {
    pub agency: String,
    pub agreement: String,
    pub product: String,
    /// A pattern: "4.*".
    pub versions: String,
    /// Paths, one a line; empty is everything.
    pub include: String,
    pub exclude: String,
    /// E-mail addresses of the people it is for, one a line; empty is everybody the agreement names.
    pub people: String,
    /// "2026-11-21".
    pub from: String,
    pub until: String,
    pub purpose: String,
    /// How many other administrators have to approve it.
    pub needed: String,
    /// How long what is given alone lasts.
    pub hours: String,
}

/// `/admin/grants/{id}`; posts `csrf` and `reason` to `…/approve`, `…/refuse`, `…/revoke`.
#[derive(Debug, Template)]
#[template(path = "admin/grant.html")]
pub struct GrantPage {
    pub shell: Shell,
    pub csrf: String,
    pub id: String,
    pub state: GrantState,
    pub agency: String,
    /// `/admin/agencies/{id}`.
    pub agency_id: String,
    pub product: String,
    pub steps: Vec<Step>,
    /// What approving does, or what holds now, a sentence or two.
    pub sentence: String,
    pub reveal: Option<Reveal>,
    pub notices: Vec<Notice>,
    pub agreement: String,
    /// `/admin/agreements/{id}`.
    pub agreement_id: String,
    /// The agreement's term, microseconds since the epoch, UTC.
    pub agreement_from: i64,
    pub agreement_until: i64,
    /// Names of the reviewers it would open to.
    pub people: Vec<String>,
    pub versions: String,
    /// Empty: everything.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    /// The grant's own window.
    pub from: i64,
    pub until: i64,
    pub purpose: String,
    pub may: Decisions,
    /// It was given alone, and this administrator may say whether that was justified.
    pub may_review: bool,
    /// "Second administrator found it justified: the incident was real".
    pub review: Option<String>,
    /// It is for everybody the agreement names, now and later.
    pub everybody: bool,
    /// The page that suspends it.
    pub suspend: Option<String>,
    /// Why nothing can be done here, a sentence: "You proposed this grant, so another administrator has to approve it."
    pub why_not: Option<String>,
    /// The reason typed before, kept when the form was not accepted.
    pub reason: String,
    pub errors: FieldErrors,
}

/// What this administrator may do about a grant now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    pub approve: bool,
    pub refuse: bool,
    pub revoke: bool,
}

impl Decisions {
    /// Any that takes effect at once.
    pub fn any(self) -> bool {
        self.approve || self.refuse || self.revoke
    }
}

/// One step in the life of a grant.
#[derive(Clone, Debug)]
pub struct Step {
    /// "Proposed by First administrator, 21 Nov 2026, 09:12:40 UTC".
    pub text: String,
    pub state: StepState,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    Done,
    Now,
    Later,
    /// Refused, revoked.
    Stopped,
}

impl StepState {
    /// The CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Now => "now",
            Self::Later => "later",
            Self::Stopped => "stopped",
        }
    }

    /// Read out by screen readers.
    pub fn words(self) -> &'static str {
        match self {
            Self::Done => "Done: ",
            Self::Now => "Now: ",
            Self::Later => "Later: ",
            Self::Stopped => "Stopped: ",
        }
    }
}

/// What a grant opens, as it was counted.
#[derive(Clone, Debug)]
pub struct Reveal {
    /// Goes back with the form: what is sent is what was shown.
    pub digest: String,
    pub seal: Seal,
    /// "1,204 files with 38,112 lines, in 2 of the 3 versions published."
    pub summary: String,
    /// "In v2.0, the newest of these: 612 files with 20,004 lines."
    pub newest: Option<String>,
    pub rows: Vec<RevealRow>,
    /// How many more directories there are.
    pub more: usize,
    pub people: Vec<RevealPerson>,
    pub sensitive: Vec<SensitiveRow>,
    /// "The first 60 of 112 paths."
    pub sensitive_caption: String,
    pub notices: Vec<Notice>,
    /// What has changed since it was proposed, a sentence each; none on the proposer's form.
    pub since: Vec<String>,
}

/// One directory, or what is excluded.
#[derive(Clone, Debug)]
pub struct RevealRow {
    /// "net/".
    pub path: String,
    pub second_level: bool,
    /// Files that it opens there; of what is excluded, files that it does not.
    pub files: u64,
    /// Of these, files that somebody it is for cannot read today.
    pub new: u64,
    pub excluded: bool,
}

/// What changes for one person.
#[derive(Clone, Debug)]
pub struct RevealPerson {
    pub name: String,
    /// Files readable today, and together with the grant.
    pub today: u64,
    pub after: u64,
    /// "1,204 files more".
    pub change: String,
}

/// A path whose name stands out.
#[derive(Clone, Debug)]
pub struct SensitiveRow {
    pub path: String,
    /// "may hold keys".
    pub why: &'static str,
}
