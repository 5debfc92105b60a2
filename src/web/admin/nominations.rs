//! Who an agreement names: nominating, deciding, withdrawing.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::grants::{agencies, choice, turn};
use super::{Because, Nothing, Trouble, again, confirmed, done};
use crate::entitlements::{EntitlementError, NominationFilter, NominationStage as Stage, Nominee};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::people::{NominationPage, NominationsPage, NomineeRow};
use crate::web::views::format::moment;
use crate::web::views::links;
use crate::web::views::shell::Place;

type Answer = Result<Response, WebError>;

#[derive(Deserialize)]
pub(super) struct Nominating {
    #[serde(default)]
    account: String,
}

pub(super) async fn nominate(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Nominating>,
) -> Answer {
    let agreement = portal.entitlements.agreement(&id).await?.ok_or(WebError::NotFound)?;
    let page = format!("/admin/agreements/{}", agreement.id);
    let key = form.into_inner().account;
    let account = portal.accounts.find(&key).await?;
    let nominated = match &account {
        Some(account) => portal.entitlements.nominate(&agreement.id, &account.id, &who.principal, &who.visit.context).await,
        None => Err(EntitlementError::Invalid { field: "account", problem: "Choose a reviewer of this agency.".to_owned() }),
    };
    match nominated {
        Ok(_) => {
            let name = account.map(|account| account.name).unwrap_or_default();
            done(&who, &format!("{name} was nominated. Another administrator has to approve it."), &page).await
        }
        Err(error) => {
            let (status, trouble) = Trouble::of(error, String::new())?;
            Ok(again(status, super::agreements::page(&who, &portal, agreement, key, trouble).await?))
        }
    }
}

const STATES: [(&str, Stage, &str); 4] = [
    ("nominated", Stage::Nominated, "Awaits approval"),
    ("approved", Stage::Approved, "Approved"),
    ("refused", Stage::Refused, "Refused"),
    ("withdrawn", Stage::Withdrawn, "Withdrawn"),
];

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    state: String,
    agency: String,
    /// Words to be found.
    q: String,
    /// The nomination that the page lies behind, or before.
    after: String,
    before: String,
}

pub(super) async fn list(who: Administering, State(portal): State<AppState>, Query(filter): Query<Filter>) -> Answer {
    let stage = match filter.state.as_str() {
        "" => None,
        state => Some(STATES.iter().find(|(value, _, _)| *value == state).map(|(_, stage, _)| *stage).ok_or_else(|| {
            let known: Vec<&str> = STATES.iter().map(|(value, _, _)| *value).collect();
            WebError::BadRequest(format!("There is no such state of a nomination. There are {}.", known.join(", ")))
        })?),
    };
    let agency = match filter.agency.as_str() {
        "" => None,
        key => Some(portal.entitlements.agency(key).await?.ok_or(WebError::NotFound)?),
    };
    let wanted = NominationFilter { stage, agency: agency.as_ref().map(|agency| agency.id.clone()), words: filter.q.clone() };
    let page = portal.entitlements.nominations(&wanted, &turn(&filter.after, &filter.before)).await?;
    let at = |name, id: &Option<String>| {
        let pairs = [("state", filter.state.as_str()), ("agency", filter.agency.as_str()), ("q", filter.q.as_str())];
        id.as_deref().map(|id| links::query("/admin/nominations", &[pairs.as_slice(), &[(name, id)]].concat()))
    };
    html(&NominationsPage {
        shell: who.shell(&portal, "Nominations", Place::Agencies).await?,
        rows: page.rows.iter().map(row).collect(),
        total: page.total,
        newer: at("before", &page.before),
        older: at("after", &page.after),
        states: STATES.iter().map(|(value, _, words)| choice(*value, *words)).collect(),
        agencies: agencies(&portal).await?,
        filtered: stage.is_some() || agency.is_some() || !filter.q.is_empty(),
        agency: agency.map(|agency| agency.slug).unwrap_or_default(),
        state: filter.state,
        words: filter.q,
    })
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let nominee = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&id)).await?;
    page(&who, &portal, &nominee, trouble).await
}

pub(super) async fn approve(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, _: Protected<Nothing>) -> Answer {
    let nominee = find(&portal, &id).await?;
    let by = confirmed(&who, &portal, &address(&id), "approve this nomination", "").await?;
    let decided = portal.entitlements.approve_nomination(&nominee.nomination.id, &by, &who.visit.context).await;
    answer(&who, &portal, &nominee, decided, "Approved.", String::new()).await
}

pub(super) async fn refuse(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let nominee = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let decided = portal.entitlements.refuse_nomination(&nominee.nomination.id, &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &nominee, decided, "Refused.", reason).await
}

pub(super) async fn withdraw(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Because>,
) -> Answer {
    let nominee = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let by = confirmed(&who, &portal, &address(&id), "withdraw this person", &reason).await?;
    let decided = portal.entitlements.withdraw_nomination(&nominee.nomination.id, &reason, &by, &who.visit.context).await;
    answer(&who, &portal, &nominee, decided, "Withdrawn. Nothing is read under this agreement from the next request on.", reason).await
}

async fn answer(
    who: &SignedIn,
    portal: &AppState,
    nominee: &Nominee,
    result: Result<(), EntitlementError>,
    sentence: &str,
    reason: String,
) -> Answer {
    let id = nominee.nomination.id.as_str();
    let Err(error) = result else { return done(who, sentence, &address(id)).await };
    let (status, trouble) = Trouble::of(error, reason)?;
    Ok(again(status, page(who, portal, &find(portal, id).await?, trouble).await?))
}

async fn find(portal: &AppState, id: &str) -> Result<Nominee, WebError> {
    portal.entitlements.nomination(id).await?.ok_or(WebError::NotFound)
}

fn address(id: &str) -> String {
    format!("/admin/nominations/{id}")
}

pub(super) fn row(nominee: &Nominee) -> NomineeRow {
    let (state, class) = match nominee.nomination.stage {
        _ if nominee.disabled => ("Account locked", "danger"),
        Stage::Nominated => ("Awaits approval", "look"),
        Stage::Approved => ("Named", "done"),
        Stage::Refused => ("Refused", "danger"),
        Stage::Withdrawn => ("Withdrawn", "quiet"),
    };
    NomineeRow {
        id: nominee.nomination.id.to_string(),
        account: nominee.nomination.account.to_string(),
        name: nominee.name.clone(),
        email: nominee.email.clone(),
        agency: nominee.agency.clone(),
        agreement: nominee.agreement.clone(),
        agreement_id: nominee.nomination.agreement.to_string(),
        accepted: nominee.accepted,
        nominator: nominator(nominee),
        nominated_at: nominee.nomination.nominated_at.micros(),
        state,
        class,
    }
}

/// Who nominated somebody, within a sentence.
pub(in crate::web) fn nominator(nominee: &Nominee) -> String {
    match (&nominee.directory, &nominee.nominator) {
        (Some(token), Some(maker)) => format!("the agency's directory (token “{token}” of {maker})"),
        (None, Some(name)) => name.clone(),
        (_, None) => "the command line".to_owned(),
    }
}

async fn page(who: &SignedIn, portal: &AppState, nominee: &Nominee, trouble: Trouble) -> Answer {
    let stage = nominee.nomination.stage;
    let own = nominee.nomination.nominated_by.as_ref() == Some(who.principal.account());
    let nominated = stage == Stage::Nominated;
    let (person, agency, agreement) = (&nominee.name, &nominee.agency, &nominee.agreement);
    let decided = nominee.nomination.decided.as_ref().zip(nominee.decider.as_ref());
    let reason = nominee.nomination.reason.as_ref().map(|reason| format!(" The reason: {reason}")).unwrap_or_default();
    let shell = who.shell(portal, &format!("Nomination of {person}"), Place::Agencies).await?;
    html(&NominationPage {
        csrf: shell.csrf.clone(),
        shell,
        sentence: match stage {
            Stage::Nominated => format!("Approving lets {person} of {agency} read what is granted under {agreement}, now and later."),
            Stage::Approved => format!("{person} of {agency} may read what is granted under {agreement}."),
            Stage::Refused => format!("{agreement} does not name {person}.{reason}"),
            Stage::Withdrawn => format!("{agreement} names {person} no longer.{reason}"),
        },
        decided: decided.map(|(act, name)| format!("{name}, {}", moment(act.at.micros()))),
        row: row(nominee),
        may_approve: nominated && !own,
        may_refuse: nominated,
        may_withdraw: stage == Stage::Approved,
        why_not: match (nominated && own, &nominee.directory) {
            (false, _) => None,
            (true, None) => Some("You nominated this person, so another administrator has to approve it."),
            (true, Some(_)) => Some("You made the token that nominated this person, so another administrator has to approve it."),
        },
        reason: trouble.reason,
        errors: trouble.errors,
    })
}
