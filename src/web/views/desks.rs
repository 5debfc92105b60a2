//! The desk of each role: what to go on with.

use askama::Template;

use super::admin::grants::GrantRow;
use super::audit::{Checkpoint, LogRow};
use super::everyone::AgreementTerm;
use super::format::filters;
use super::products::ProductCard;
use super::shell::{Notice, Shell};

/// `/` for a reviewer.
#[derive(Debug, Template)]
#[template(path = "pages/desk.html")]
pub struct ReviewerDesk {
    pub shell: Shell,
    /// `None` when no agreement is in force: then nothing can be read.
    pub agreement: Option<AgreementTerm>,
    pub products: Vec<ProductCard>,
    /// Files last opened, newest first.
    pub recent: Vec<RecentFile>,
}

/// A file opened before.
#[derive(Clone, Debug)]
pub struct RecentFile {
    pub path: String,
    pub href: String,
    pub product: String,
    pub version: String,
    /// Microseconds since the epoch, UTC.
    pub at: i64,
}

/// `/` for an auditor.
#[derive(Debug, Template)]
#[template(path = "audit/desk.html")]
pub struct AuditorDesk {
    pub shell: Shell,
    pub checkpoint: Checkpoint,
    /// Figures of the last day, each leading to the entries behind it.
    pub figures: Vec<Figure>,
    /// What an auditor should look at first.
    pub alarms: Vec<Notice>,
    /// Refusals, newest first.
    pub refusals: Vec<LogRow>,
    /// The newest entries.
    pub latest: Vec<LogRow>,
}

/// A number that leads to what it counts.
#[derive(Clone, Debug)]
pub struct Figure {
    pub number: u64,
    /// Finishes the sentence: "files opened today".
    pub words: String,
    pub href: String,
}

/// Something that waits for a second administrator and is no grant.
#[derive(Clone, Debug)]
pub struct Ask {
    pub what: &'static str,
    /// What it is about.
    pub text: String,
    /// Who asked.
    pub by: String,
    /// This administrator did.
    pub own: bool,
    pub href: String,
}

/// `/` for an administrator.
#[derive(Debug, Template)]
#[template(path = "admin/desk.html")]
pub struct AdministratorDesk {
    pub shell: Shell,
    /// What needs a look: moved tags, an index behind, a synchronisation that failed.
    pub alarms: Vec<Notice>,
    /// What else waits for a second administrator.
    pub asks: Vec<Ask>,
    /// How many nominations wait, when they are more than those among `asks`.
    pub more_nominations: Option<u64>,
    /// Proposed by someone else, so that this administrator may decide: how many there are, and the newest.
    pub grants_for_me: u64,
    /// Grants in campaigns that somebody else proposed.
    pub to_confirm: u64,
    pub awaiting_me: Vec<GrantRow>,
    /// Proposed by this administrator: another has to decide.
    pub awaiting_others: Vec<GrantRow>,
    /// In force, ending within thirty days: how many there are, and the soonest first.
    pub ending: u64,
    pub ending_soon: Vec<GrantRow>,
    /// Figures: grants in force, agencies, people, products.
    pub figures: Vec<Figure>,
}

impl AdministratorDesk {
    /// How many decisions this administrator may take.
    fn waiting(&self) -> u64 {
        self.grants_for_me + self.to_confirm + self.asks.iter().filter(|ask| !ask.own).count() as u64
    }
}
