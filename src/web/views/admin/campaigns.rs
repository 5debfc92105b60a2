//! Campaigns: confirming grants, or letting them lapse.

use askama::Template;

use super::grants::{GrantRow, Reveal, Step};
use crate::web::views::format::filters;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::reading::Seal;
use crate::web::views::shell::{Notice, Shell};

/// `/admin/campaigns`, newest first.
#[derive(Debug, Template)]
#[template(path = "admin/campaigns.html")]
pub struct CampaignsPage {
    pub shell: Shell,
    pub rows: Vec<CampaignRow>,
    pub newer: Option<String>,
    pub older: Option<String>,
}

/// A campaign in a list.
#[derive(Clone, Debug)]
pub struct CampaignRow {
    /// `/admin/campaigns/{id}`.
    pub id: String,
    pub name: String,
    /// "Every grant", "Agency Agency One".
    pub what: String,
    /// The last moment before its day, microseconds since the epoch, UTC.
    pub due: i64,
    pub confirmed: u64,
    pub pending: u64,
    pub lapsed: u64,
    pub all: u64,
    /// Of 100.
    pub percent: u64,
    pub state: &'static str,
    /// The CSS class of the state.
    pub class: &'static str,
}

/// `/admin/campaigns/new`; posts `name`, `agency`, `agreement`, `product`, `due`, `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/campaign_form.html")]
pub struct CampaignForm {
    pub shell: Shell,
    pub csrf: String,
    pub name: String,
    /// "", "agency:slug", "product:name".
    pub subject: String,
    pub due: String,
    /// "38 grants would be asked about."
    pub sentence: String,
    pub subjects: Vec<Choice>,
    pub errors: FieldErrors,
}

/// `/admin/campaigns/{id}?state=&point=`; posts `csrf` and `reason` to `…/ask` and `…/keep`, `csrf` to `…/end`.
#[derive(Debug, Template)]
#[template(path = "admin/campaign.html")]
pub struct CampaignPage {
    pub shell: Shell,
    pub csrf: String,
    pub row: CampaignRow,
    pub sentence: String,
    pub steps: Vec<Step>,
    pub items: Vec<ItemRow>,
    /// Grants that match on all pages.
    pub total: u64,
    pub state: String,
    pub point: String,
    pub states: Vec<Choice>,
    pub points: Vec<Choice>,
    pub newer: Option<String>,
    pub older: Option<String>,
    pub may_ask: bool,
    pub may_end: bool,
    pub may_keep: bool,
    pub why_not: Option<&'static str>,
    pub reason: String,
    pub errors: FieldErrors,
}

/// A grant in a campaign.
#[derive(Clone, Debug)]
pub struct ItemRow {
    pub grant: GrantRow,
    /// Microseconds since the epoch, UTC; none: never.
    pub last_used: Option<i64>,
    /// "12 of 4,096".
    pub files: String,
    pub refusals: u64,
    /// What is pointed out, in words.
    pub points: Vec<&'static str>,
    pub state: &'static str,
    pub class: &'static str,
}

/// `/admin/campaigns/{id}/grants/{grant}`; posts `csrf`, `reason` and `examined` to `…/confirm`.
#[derive(Debug, Template)]
#[template(path = "admin/campaign_grant.html")]
pub struct CampaignGrantPage {
    pub shell: Shell,
    pub csrf: String,
    pub campaign_id: String,
    pub campaign: String,
    pub item: ItemRow,
    pub sentence: String,
    pub notices: Vec<Notice>,
    /// "Entries 0 to 4,096 of the log were counted."
    pub counted: String,
    pub seal: Seal,
    pub people: Vec<PersonRow>,
    pub directories: Vec<(String, u64)>,
    /// How many more directories were read.
    pub more: usize,
    pub versions: String,
    pub reveal: Reveal,
    /// The entry that says what is shown here.
    pub examined: u64,
    pub may_confirm: bool,
    pub why_not: Option<String>,
    /// Who confirmed it, when and why.
    pub decided: Option<String>,
    pub reason: String,
    pub errors: FieldErrors,
}

/// What one person did with a grant.
#[derive(Clone, Debug)]
pub struct PersonRow {
    pub name: String,
    /// The grant is not for them any more.
    pub gone: bool,
    pub last_used: Option<i64>,
    pub files: u64,
    pub shown: u64,
    pub refusals: u64,
}
