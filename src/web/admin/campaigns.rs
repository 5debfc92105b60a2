//! Campaigns in lists, opening one, calling one off by two.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::fields::{ending, last_moment};
use super::grants::{agencies, choice, products, row as grant_row, turn};
use super::{Because, Nothing, Trouble, again, confirmed, done, problem_of, subjects};
use crate::clock::Timestamp;
use crate::entitlements::{
    Campaign, CampaignStage as Stage, Confirmation, EntitlementError, Item, ItemFilter, NewCampaign, Subject, SubjectKind,
};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::campaigns::{CampaignForm, CampaignPage, CampaignRow, CampaignsPage, ItemRow};
use crate::web::views::admin::grants::{Step, StepState};
use crate::web::views::format::{count, counted, day, moment};
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::links;
use crate::web::views::shell::Place;

type Answer = Result<Response, WebError>;

const ADDRESS: &str = "/admin/campaigns";
const STATES: [(&str, Confirmation, &str); 4] = [
    ("waiting", Confirmation::Pending, "Waits"),
    ("confirmed", Confirmation::Confirmed, "Confirmed"),
    ("lapsed", Confirmation::Lapsed, "Lapsed"),
    ("released", Confirmation::Released, "Released"),
];
const POINTS: [(&str, &str); 3] = [("unused", "Unused"), ("broad", "Much broader than its use"), ("refused", "With refusals")];

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    state: String,
    point: String,
    after: String,
    before: String,
}

impl Which {
    fn filter(&self) -> Result<ItemFilter, WebError> {
        let standing = match self.state.as_str() {
            "" => None,
            text => match STATES.iter().find(|(value, ..)| *value == text) {
                Some((_, standing, _)) => Some(*standing),
                None => {
                    return Err(WebError::BadRequest("There is no such state. There are waiting, confirmed, lapsed, released.".to_owned()));
                }
            },
        };
        if !self.point.is_empty() && !POINTS.iter().any(|(value, _)| *value == self.point) {
            return Err(WebError::BadRequest("Nothing of that name is pointed out. There are unused, broad, refused.".to_owned()));
        }
        let points = |value: &str| self.point == value;
        Ok(ItemFilter { standing, unused: points("unused"), broad: points("broad"), refused: points("refused") })
    }

    /// Another page of the same list.
    fn at(&self, id: &str, turn: (&str, &str)) -> String {
        links::query(&address(id), &[("state", &self.state), ("point", &self.point), turn])
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    subject: String,
    due: String,
}

pub(super) async fn list(who: Administering, State(portal): State<AppState>, Query(which): Query<Which>) -> Answer {
    let page = portal.entitlements.campaigns(&turn(&which.after, &which.before)).await?;
    let now = portal.clock.now();
    let other = |turn: (&str, &str)| links::query(ADDRESS, &[turn]);
    html(&CampaignsPage {
        shell: who.shell(&portal, "Campaigns", Place::Grants).await?,
        newer: page.before.as_deref().map(|id| other(("before", id))),
        older: page.after.as_deref().map(|id| other(("after", id))),
        rows: page.rows.iter().map(|campaign| row(campaign, now)).collect(),
    })
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>, Query(typed): Query<Typed>) -> Answer {
    form_page(&who, &portal, typed, FieldErrors::default()).await
}

pub(super) async fn open(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Answer {
    let typed = form.into_inner();
    let refused = |field: &str, sentence: &str| {
        let mut errors = FieldErrors::default();
        errors.add(field, sentence);
        errors
    };
    let Some(due) = ending(&typed.due) else {
        let errors = refused("due", "Choose the last day on which grants can be confirmed.");
        return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, typed, errors).await?));
    };
    let subject = subject(&portal, &typed.subject).await?;
    let back = links::query("/admin/campaigns/new", &[("name", &typed.name), ("subject", &typed.subject), ("due", &typed.due)]);
    let by = confirmed(&who, &portal, &back, "open this campaign", "").await?;
    let new = NewCampaign { name: typed.name.clone(), subject, due };
    match portal.entitlements.open_campaign(new, &by, &who.visit.context).await {
        Ok(id) => done(&who, "Opened. What nobody confirms lapses on its day.", &address(id.as_str())).await,
        Err(error) => {
            let (status, field, problem) = problem_of(error)?;
            Ok(again(status, form_page(&who, &portal, typed, refused(field, &problem)).await?))
        }
    }
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, Query(which): Query<Which>) -> Answer {
    let found = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&id)).await?;
    page(&who, &portal, &found, &which, trouble).await
}

pub(super) async fn ask(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let found = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let asked = portal.entitlements.ask_to_call_off(&found.id, &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &id, asked, "Asked. Another administrator has to call it off.", reason).await
}

pub(super) async fn keep(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let found = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let kept = portal.entitlements.go_on(&found.id, &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &id, kept, "The campaign goes on.", reason).await
}

pub(super) async fn end(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, _: Protected<Nothing>) -> Answer {
    let found = find(&portal, &id).await?;
    let by = confirmed(&who, &portal, &address(&id), "call this campaign off", "").await?;
    let ended = portal.entitlements.call_off(&found.id, &by, &who.visit.context).await;
    answer(&who, &portal, &id, ended, "Called off. Nothing lapses by it.", String::new()).await
}

async fn answer(
    who: &SignedIn,
    portal: &AppState,
    id: &str,
    result: Result<(), EntitlementError>,
    sentence: &str,
    reason: String,
) -> Answer {
    let Err(error) = result else { return done(who, sentence, &address(id)).await };
    let (status, trouble) = Trouble::of(error, reason)?;
    Ok(again(status, page(who, portal, &find(portal, id).await?, &Which::default(), trouble).await?))
}

pub(super) async fn find(portal: &AppState, id: &str) -> Result<Campaign, WebError> {
    portal.entitlements.campaign(id).await?.ok_or(WebError::NotFound)
}

/// "agency:slug", "product:name", "agreement:id", or nothing, as the form writes it.
async fn subject(portal: &AppState, text: &str) -> Result<Option<Subject>, WebError> {
    let Some((kind, key)) = text.split_once(':') else {
        return if text.is_empty() { Ok(None) } else { Err(WebError::NotFound) };
    };
    match SubjectKind::parse(kind) {
        Some(kind) if kind != SubjectKind::Grant => subjects::find(portal, kind, key).await.map(Some),
        _ => Err(WebError::NotFound),
    }
}

fn address(id: &str) -> String {
    format!("{ADDRESS}/{id}")
}

/// What a campaign was opened for.
fn what(of: Option<&Subject>) -> String {
    match of {
        None => "Every grant".to_owned(),
        Some(Subject { kind: SubjectKind::Agreement, name, .. }) => format!("Grants under {name}"),
        Some(Subject { name, .. }) => format!("Grants of {name}"),
    }
}

pub(super) fn row(of: &Campaign, now: Timestamp) -> CampaignRow {
    let tally = of.tally;
    // What is overdue has lapsed, noted or not.
    let over = now >= of.due;
    let (pending, lapsed) = if over { (0, tally.lapsed + tally.pending) } else { (tally.pending, tally.lapsed) };
    let (state, class) = match of.stage {
        Stage::CalledOff => ("Called off", "quiet"),
        _ if over => ("Over", "quiet"),
        Stage::EndAsked => ("Open, calling off asked for", "look"),
        Stage::Open if pending == 0 => ("All decided", "done"),
        Stage::Open => ("Open", "look"),
    };
    let all = tally.all();
    CampaignRow {
        id: of.id.to_string(),
        name: of.name.clone(),
        what: what(of.subject.as_ref()),
        due: last_moment(of.due),
        confirmed: tally.confirmed,
        pending,
        lapsed,
        all,
        percent: (tally.confirmed * 100).checked_div(all).unwrap_or(0),
        state,
        class,
    }
}

pub(super) fn item_row(item: &Item, now: Timestamp) -> ItemRow {
    let counted = &item.counted;
    let standing = item.standing(now);
    let (state, class) = match standing {
        Confirmation::Pending => ("Waits", "look"),
        Confirmation::Confirmed => ("Confirmed", "done"),
        Confirmation::Lapsed => ("Lapsed", "danger"),
        Confirmation::Released => ("Released", "quiet"),
    };
    ItemRow {
        grant: grant_row(&item.line, now),
        last_used: counted.last.map(Timestamp::micros),
        files: match counted.opens {
            Some(opens) => format!("{} of {}", count(counted.files), count(opens)),
            None => count(counted.files),
        },
        refusals: counted.refusals,
        points: [(item.points.unused, "unused"), (item.points.broad, "much broader than its use")]
            .into_iter()
            .filter_map(|(holds, words)| holds.then_some(words))
            .collect(),
        state,
        class,
    }
}

async fn form_page(who: &SignedIn, portal: &AppState, typed: Typed, errors: FieldErrors) -> Answer {
    let chosen = subject(portal, &typed.subject).await?;
    let grants = portal.entitlements.grants_to_confirm(chosen.as_ref()).await?;
    let mut subjects: Vec<Choice> = Vec::new();
    subjects.extend(agencies(portal).await?.into_iter().map(|of| choice(format!("agency:{}", of.value), format!("Agency {}", of.label))));
    subjects.extend(products(portal).await?.into_iter().map(|of| choice(format!("product:{}", of.value), format!("Product {}", of.label))));
    if let Some(Subject { kind: SubjectKind::Agreement, id, name }) = &chosen {
        subjects.push(choice(format!("agreement:{id}"), format!("Agreement {name}")));
    }
    let shell = who.shell(portal, "Open a campaign", Place::Grants).await?;
    html(&CampaignForm {
        csrf: shell.csrf.clone(),
        shell,
        sentence: format!(
            "{}: {} in force or to come, without those that wait in a campaign already.",
            what(chosen.as_ref()),
            counted(grants, "grant", "grants")
        ),
        name: typed.name,
        subject: typed.subject,
        due: typed.due,
        subjects,
        errors,
    })
}

async fn page(who: &SignedIn, portal: &AppState, of: &Campaign, which: &Which, trouble: Trouble) -> Answer {
    let now = portal.clock.now();
    let items = portal.entitlements.items(&of.id, which.filter()?, &turn(&which.after, &which.before)).await?;
    // How grants were used is told, so that is recorded first.
    portal.entitlements.campaign_viewed(of, items.rows.len(), &who.principal, &who.visit.context).await?;
    let own = of.asked.as_ref().is_some_and(|asked| asked.by == *who.principal.account());
    let (runs, asked) = (of.runs(now), of.stage == Stage::EndAsked);
    let row = row(of, now);
    let shell = who.shell(portal, &of.name, Place::Grants).await?;
    html(&CampaignPage {
        csrf: shell.csrf.clone(),
        shell,
        sentence: sentence(of, &row, now),
        steps: steps(of, now),
        items: items.rows.iter().map(|item| item_row(item, now)).collect(),
        total: items.total,
        newer: items.before.as_deref().map(|id| which.at(of.id.as_str(), ("before", id))),
        older: items.after.as_deref().map(|id| which.at(of.id.as_str(), ("after", id))),
        states: STATES.iter().map(|(value, _, words)| choice(*value, *words)).collect(),
        points: POINTS.iter().map(|(value, words)| choice(*value, *words)).collect(),
        state: which.state.clone(),
        point: which.point.clone(),
        may_ask: runs && of.stage == Stage::Open && row.pending > 0,
        may_end: runs && asked && !own,
        may_keep: runs && asked,
        why_not: (runs && asked && own).then_some("You asked for it to be called off, so another administrator has to decide."),
        row,
        reason: trouble.reason,
        errors: trouble.errors,
    })
}

fn sentence(of: &Campaign, row: &CampaignRow, now: Timestamp) -> String {
    let grants = counted(row.all, "grant", "grants");
    let asked = match (&of.ask_reason, of.runs(now)) {
        (Some(reason), true) => format!(" Calling it off was asked for: {reason}"),
        _ => String::new(),
    };
    match of.stage {
        Stage::CalledOff => format!("{}: {grants}. It was called off, so what nobody had confirmed stands as it did.", row.what),
        _ if now >= of.due => format!("{}: {grants}. {} confirmed, {} lapsed.", row.what, count(row.confirmed), count(row.lapsed)),
        _ if row.pending == 0 => format!("{}: {grants}, and every one is decided.{asked}", row.what),
        _ => format!(
            "{}: {grants}. {} still to be confirmed by {}; what is not opens nothing from the next day on.{asked}",
            row.what,
            count(row.pending),
            day(row.due)
        ),
    }
}

fn steps(of: &Campaign, now: Timestamp) -> Vec<Step> {
    let by =
        |did: &str, name: Option<&String>, at: i64| format!("{did} by {}, {}", name.map_or("an administrator", String::as_str), moment(at));
    let mut steps = vec![Step { text: by("Opened", Some(&of.opener), of.opened.at.micros()), state: StepState::Done }];
    if let (Stage::CalledOff, Some(decided)) = (of.stage, &of.decided) {
        steps.push(Step { text: by("Called off", of.decider.as_ref(), decided.at.micros()), state: StepState::Stopped });
        return steps;
    }
    let last = day(last_moment(of.due));
    let over = now >= of.due;
    let state = |is: bool| if is { StepState::Done } else { StepState::Now };
    steps.push(Step { text: format!("Grants are confirmed, to {last}"), state: state(over || of.tally.pending == 0) });
    let text = if over { "The rest lapsed" } else { "The rest lapses" };
    steps.push(Step { text: text.to_owned(), state: if over { StepState::Done } else { StepState::Later } });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entitlements::{Act, Tally};
    use crate::ids::{AccountId, CampaignId};

    fn campaign(stage: Stage, pending: u64) -> Campaign {
        Campaign {
            id: CampaignId::known("cmp"),
            name: "Spring".to_owned(),
            subject: None,
            due: Timestamp::from_seconds(1000),
            counted_to: 7,
            opened: Act { by: AccountId::known("one"), at: Timestamp::from_seconds(1) },
            opener: "First".to_owned(),
            stage,
            asked: None,
            asker: None,
            ask_reason: None,
            decided: None,
            decider: None,
            tally: Tally { pending, confirmed: 3, lapsed: 0, released: 0 },
        }
    }

    #[test]
    fn what_is_overdue_has_lapsed_before_it_is_noted() {
        let at = Timestamp::from_seconds;
        let told = |of: &Campaign, now| {
            let row = row(of, at(now));
            (row.state, row.pending, row.lapsed, row.percent)
        };
        assert_eq!(told(&campaign(Stage::Open, 1), 999), ("Open", 1, 0, 75));
        assert_eq!(told(&campaign(Stage::Open, 1), 1000), ("Over", 0, 1, 75));
        assert_eq!(told(&campaign(Stage::Open, 0), 999), ("All decided", 0, 0, 100));
        assert_eq!(told(&campaign(Stage::EndAsked, 1), 999).0, "Open, calling off asked for");
        assert_eq!(told(&campaign(Stage::CalledOff, 0), 1000).0, "Called off");
    }

    #[test]
    fn filters_are_named_and_kept_in_addresses() {
        let which = |state: &str, point: &str| Which { state: state.to_owned(), point: point.to_owned(), ..Which::default() };
        let filter = which("waiting", "unused").filter().unwrap();
        assert_eq!(filter, ItemFilter { standing: Some(Confirmation::Pending), unused: true, ..ItemFilter::default() });
        assert!(which("open", "").filter().is_err() && which("", "x").filter().is_err());
        assert_eq!(which("lapsed", "").at("cmp_1", ("after", "ent_1")), "/admin/campaigns/cmp_1?state=lapsed&after=ent_1");
    }
}
