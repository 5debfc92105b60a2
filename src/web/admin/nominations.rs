//! Who an agreement names: nominating, deciding, withdrawing.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::{Because, Nothing, Trouble, again, confirmed, done, problem_of};
use crate::entitlements::{EntitlementError, NominationStage as Stage, Nominee};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::people::{NominationPage, NomineeRow};
use crate::web::views::format::moment;
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
            let (status, field, problem) = problem_of(error)?;
            let trouble = Trouble::at(String::new(), field, problem);
            Ok(again(status, super::agreements::page(&who, &portal, agreement, key, trouble).await?))
        }
    }
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
    match result {
        Ok(()) => done(who, sentence, &address(id)).await,
        Err(error) => {
            let (status, field, problem) = problem_of(error)?;
            let now = find(portal, id).await?;
            Ok(again(status, page(who, portal, &now, Trouble::at(reason, field, problem)).await?))
        }
    }
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
        nominator: nominee.nominator.clone().unwrap_or_else(|| "the command line".to_owned()),
        nominated_at: nominee.nomination.nominated_at.micros(),
        state,
        class,
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
        why_not: (nominated && own).then_some("You nominated this person, so another administrator has to approve it."),
        reason: trouble.reason,
        errors: trouble.errors,
    })
}
