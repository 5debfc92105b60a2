//! One grant in a campaign: how it was used, and confirming it.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::campaigns::{find, item_row};
use super::decisions::reveal;
use super::fields::last_moment;
use super::{Trouble, again, confirmed, done, problem_of};
use crate::clock::Timestamp;
use crate::entitlements::{Campaign, Confirmation, Evidence, IDLE, Item, SealedEvidence};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::campaigns::{CampaignGrantPage, PersonRow};
use crate::web::views::format::{count, counted, day, moment, series};
use crate::web::views::reading::Seal;
use crate::web::views::shell::{Notice, Place, Tone};

type Answer = Result<Response, WebError>;

/// Directories that are named.
const NAMED: usize = 20;

/// What whoever confirms a grant sends.
#[derive(Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    reason: String,
    /// The entry that says what was shown.
    #[serde(default)]
    examined: String,
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path((id, grant)): Path<(String, String)>) -> Answer {
    let campaign = find(&portal, &id).await?;
    let item = item(&portal, &campaign, &grant).await?;
    let trouble = Trouble::none(&who, &address(&campaign, &item)).await?;
    page(&who, &portal, &campaign, item, trouble).await
}

pub(super) async fn confirm(
    who: Administering,
    State(portal): State<AppState>,
    Path((id, grant)): Path<(String, String)>,
    form: Protected<Said>,
) -> Answer {
    let campaign = find(&portal, &id).await?;
    let item = item(&portal, &campaign, &grant).await?;
    let said = form.into_inner();
    let page_address = address(&campaign, &item);
    let by = confirmed(&who, &portal, &page_address, "confirm this grant", &said.reason).await?;
    let examined = said.examined.parse().unwrap_or(u64::MAX);
    let context = &who.visit.context;
    let done_so = portal.entitlements.confirm(&campaign.id, &item.line.entitlement.id, examined, &said.reason, &by, context).await;
    match done_so {
        Ok(()) => done(&who, "Confirmed. It stands as it is.", &format!("/admin/campaigns/{}?state=waiting", campaign.id)).await,
        Err(error) => {
            let (status, field, problem) = problem_of(error)?;
            let field = if field == "examined" { "" } else { field };
            let now = self::item(&portal, &campaign, &grant).await?;
            Ok(again(status, page(&who, &portal, &campaign, now, Trouble::at(said.reason, field, problem)).await?))
        }
    }
}

async fn item(portal: &AppState, campaign: &Campaign, grant: &str) -> Result<Item, WebError> {
    portal.entitlements.item(&campaign.id, grant).await?.ok_or(WebError::NotFound)
}

fn address(campaign: &Campaign, item: &Item) -> String {
    format!("/admin/campaigns/{}/grants/{}", campaign.id, item.line.entitlement.id)
}

async fn page(who: &SignedIn, portal: &AppState, campaign: &Campaign, item: Item, trouble: Trouble) -> Answer {
    let now = portal.clock.now();
    let (reveal, figures) = reveal(who, portal, &item.line).await?;
    let sealed = portal.entitlements.evidence(campaign, &item, Some(figures.files), &who.principal).await?;
    let (evidence, receipt) = SealedEvidence::open(portal.log.record(sealed, &who.visit.context).await?);
    let waits = item.standing(now) == Confirmation::Pending;
    let own = item.line.entitlement.proposed.by == *who.principal.account();
    let more = evidence.directories.len().saturating_sub(NAMED);
    let shell = who.shell(portal, &format!("{}: {}", campaign.name, item.line.product_title), Place::Grants).await?;
    let mut row = item_row(&item, now);
    row.last_used = evidence.counted.last.map(Timestamp::micros);
    row.files = format!("{} of {}", count(evidence.counted.files), counted(figures.files, "file", "files"));
    row.refusals = evidence.counted.refusals;
    html(&CampaignGrantPage {
        csrf: shell.csrf.clone(),
        shell,
        campaign_id: campaign.id.to_string(),
        campaign: campaign.name.clone(),
        sentence: sentence(&item, now),
        notices: notices(&item, &evidence),
        counted: format!("Counted over the first {} of the log.", counted(evidence.counted_to, "entry", "entries")),
        seal: Seal { entry: receipt.index },
        people: evidence
            .people
            .iter()
            .map(|person| PersonRow {
                name: person.name.clone(),
                gone: !person.named,
                last_used: person.usage.last.map(Timestamp::micros),
                files: person.usage.files,
                shown: person.usage.shown,
                refusals: person.refusals,
            })
            .collect(),
        directories: evidence.directories.into_iter().take(NAMED).collect(),
        more,
        versions: series(&evidence.versions),
        reveal,
        examined: receipt.index,
        may_confirm: waits && !own,
        why_not: (waits && own).then(|| "You proposed this grant, so another administrator has to confirm it.".to_owned()),
        decided: item.decided.as_ref().map(|act| {
            let by = item.decider.as_deref().unwrap_or("an administrator");
            format!("Confirmed by {by}, {}: {}", moment(act.at.micros()), item.reason.as_deref().unwrap_or_default())
        }),
        item: row,
        reason: trouble.reason,
        errors: trouble.errors,
    })
}

fn sentence(item: &Item, now: Timestamp) -> String {
    let line = &item.line;
    let last = day(last_moment(item.due));
    match item.standing(now) {
        Confirmation::Pending => format!(
            "{} reads {} under {}. Confirm by {last} that it is still needed as it is, or it lapses. What is needed less of is proposed anew, \
             narrower, before that day.",
            line.agency_name, line.product_title, line.agreement_reference
        ),
        Confirmation::Confirmed => "It was confirmed, and stands as it is until its own end.".to_owned(),
        Confirmation::Lapsed => format!("Nobody confirmed it by {last}, so it opens nothing any more."),
        Confirmation::Released => "It waits for nobody any more: the campaign was called off, or it had ended by itself.".to_owned(),
    }
}

/// What stands out in how it was used.
fn notices(item: &Item, of: &Evidence) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut look = |text: String| notices.push(Notice::new(Tone::Look, text));
    if of.points.unused {
        look(match of.counted.last {
            None => format!("Unused: nobody has read anything by it, and it was approved more than {IDLE} days ago."),
            Some(last) => format!("Unused: nobody has read by it since {}, more than {IDLE} days ago.", day(last.micros())),
        });
    }
    if of.points.broad {
        let opens = counted(of.counted.opens.unwrap_or(0), "file", "files");
        let read = match of.directories.as_slice() {
            [] => "none was opened".to_owned(),
            [(only, _)] if !only.is_empty() => format!("all that was opened lies in {only}"),
            many => format!("{} opened, in {}", counted(of.counted.files, "file was", "files were"), places(many)),
        };
        look(format!("Much broader than its use: it opens {opens}, and {read}. A narrower grant would do."));
    }
    let idle: Vec<String> =
        of.people.iter().filter(|person| person.named && person.usage.shown == 0).map(|person| person.name.clone()).collect();
    if !idle.is_empty() && !of.points.unused {
        look(format!("Never used by {}.", series(&idle)));
    }
    if of.counted.refusals > 0 {
        let times = counted(of.counted.refusals, "time", "times");
        look(format!("People it is for were refused something of {} {times} since it was approved.", item.line.product_title));
    }
    notices
}

fn places(directories: &[(String, u64)]) -> String {
    match directories {
        few if few.len() <= 3 => {
            let names = few.iter().map(|(name, _)| if name.is_empty() { "the root".to_owned() } else { name.clone() });
            series(&names.collect::<Vec<_>>())
        }
        many => counted(many.len() as u64, "directory", "directories"),
    }
}
