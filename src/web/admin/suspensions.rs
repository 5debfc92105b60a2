//! Taking something out of force at once, and putting it back by two.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::{Because, Nothing, Trouble, again, confirmed, done, subjects};
use crate::entitlements::{EntitlementError, Subject, SubjectKind, Suspension, SuspensionStage as Stage};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::grants::{Step, StepState};
use crate::web::views::admin::suspensions::{SuspensionForm, SuspensionPage, SuspensionRow, SuspensionsPage};
use crate::web::views::format::moment;
use crate::web::views::shell::{Notice, Place, Tone};

type Answer = Result<Response, WebError>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    subject: String,
    id: String,
    reason: String,
}

pub(super) async fn list(who: Administering, State(portal): State<AppState>) -> Answer {
    let rows = portal.entitlements.suspensions().await?.iter().map(row).collect();
    html(&SuspensionsPage { shell: who.shell(&portal, "Suspensions", Place::Desk).await?, rows })
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>, Query(typed): Query<Typed>) -> Answer {
    let subject = subject(&portal, &typed).await?;
    let trouble = Trouble::none(&who, &form_address(&subject)).await?;
    form_page(&who, &portal, subject, trouble).await
}

pub(super) async fn place(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Answer {
    let typed = form.into_inner();
    let subject = subject(&portal, &typed).await?;
    let by = confirmed(&who, &portal, &form_address(&subject), "suspend this", &typed.reason).await?;
    match portal.entitlements.suspend(subject.kind, &subject.id, &typed.reason, &by, &who.visit.context).await {
        Ok(id) => done(&who, "Suspended. Nothing of it can be read from the next request on.", &address(id.as_str())).await,
        Err(EntitlementError::Conflict) => {
            let trouble = Trouble::at(typed.reason, "", "It is suspended already.");
            Ok(again(StatusCode::CONFLICT, form_page(&who, &portal, subject, trouble).await?))
        }
        Err(other) => {
            let (status, trouble) = Trouble::of(other, typed.reason)?;
            Ok(again(status, form_page(&who, &portal, subject, trouble).await?))
        }
    }
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let found = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&id)).await?;
    page(&who, &portal, &found, trouble).await
}

pub(super) async fn ask(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let found = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let asked = portal.entitlements.ask_to_lift(&found.id, &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &id, asked, "Asked. Another administrator has to lift it.", reason).await
}

pub(super) async fn keep(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let found = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let kept = portal.entitlements.keep_suspended(&found.id, &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &id, kept, "It stays suspended.", reason).await
}

pub(super) async fn lift(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, _: Protected<Nothing>) -> Answer {
    let found = find(&portal, &id).await?;
    let by = confirmed(&who, &portal, &address(&id), "lift this suspension", "").await?;
    let lifted = portal.entitlements.lift(&found.id, &by, &who.visit.context).await;
    answer(&who, &portal, &id, lifted, "Lifted. What it held back is in force again.", String::new()).await
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
    Ok(again(status, page(who, portal, &find(portal, id).await?, trouble).await?))
}

async fn find(portal: &AppState, id: &str) -> Result<Suspension, WebError> {
    portal.entitlements.suspension(id).await?.ok_or(WebError::NotFound)
}

async fn subject(portal: &AppState, typed: &Typed) -> Result<Subject, WebError> {
    subjects::find(portal, SubjectKind::parse(&typed.subject).ok_or(WebError::NotFound)?, &typed.id).await
}

fn address(id: &str) -> String {
    format!("/admin/suspensions/{id}")
}

/// The page that suspends something.
pub(super) fn form_address(subject: &Subject) -> String {
    format!("/admin/suspensions/new?subject={}&id={}", subject.kind.as_str(), subject.id)
}

/// The page of what is suspended.
fn href(subject: &Subject) -> String {
    match subject.kind {
        SubjectKind::Agency => format!("/admin/agencies/{}", subject.id),
        SubjectKind::Agreement => format!("/admin/agreements/{}", subject.id),
        SubjectKind::Grant => format!("/admin/grants/{}", subject.id),
        SubjectKind::Product => format!("/admin/products/{}", subject.name),
    }
}

/// What a suspension of it stops.
fn stops(subject: &Subject) -> String {
    match subject.kind {
        SubjectKind::Agency => format!("Nobody of {} reads anything any more, whatever was granted to it.", subject.name),
        SubjectKind::Agreement => format!("Nothing granted under {} can be read any more.", subject.name),
        SubjectKind::Grant => "What this grant opens can no longer be read by it; other grants stand beside it.".to_owned(),
        SubjectKind::Product => format!("Nobody reads anything of {} any more, whatever was granted.", subject.name),
    }
}

pub(super) fn row(of: &Suspension) -> SuspensionRow {
    let (state, class) = match of.stage {
        Stage::Placed => ("Suspended", "danger"),
        Stage::LiftAsked => ("Suspended, lifting asked for", "look"),
        Stage::Lifted => ("Lifted", "quiet"),
    };
    let kind = match of.subject.kind {
        SubjectKind::Agency => "Agency",
        SubjectKind::Agreement => "Agreement",
        SubjectKind::Grant => "Grant of",
        SubjectKind::Product => "Product",
    };
    SuspensionRow {
        id: of.id.to_string(),
        what: format!("{kind} {}", of.subject.name),
        reason: of.reason.clone(),
        placed_by: of.placer.clone(),
        placed_at: of.placed.at.micros(),
        state,
        class,
    }
}

/// What stands on the page of something that is suspended.
pub(super) async fn notice(portal: &AppState, subject: &str) -> Result<Option<Notice>, WebError> {
    let all = portal.entitlements.suspensions_of(subject).await?;
    Ok(all.into_iter().find(|of| of.stage.holds()).map(|of| {
        let text = format!("Suspended by {} since {}: {}", of.placer, moment(of.placed.at.micros()), of.reason);
        Notice::new(Tone::Danger, text).link("The suspension", address(of.id.as_str()))
    }))
}

async fn form_page(who: &SignedIn, portal: &AppState, subject: Subject, trouble: Trouble) -> Answer {
    let shell = who.shell(portal, &format!("Suspend {}", subject.name), Place::Desk).await?;
    html(&SuspensionForm {
        csrf: shell.csrf.clone(),
        shell,
        href: href(&subject),
        sentence: stops(&subject),
        subject: subject.kind.as_str().to_owned(),
        subject_id: subject.id,
        name: subject.name,
        reason: trouble.reason,
        errors: trouble.errors,
    })
}

async fn page(who: &SignedIn, portal: &AppState, of: &Suspension, trouble: Trouble) -> Answer {
    let own = of.asked.as_ref().is_some_and(|asked| asked.by == *who.principal.account());
    let asked = of.stage == Stage::LiftAsked;
    let shell = who.shell(portal, &format!("Suspension of {}", of.subject.name), Place::Desk).await?;
    html(&SuspensionPage {
        csrf: shell.csrf.clone(),
        shell,
        row: row(of),
        href: href(&of.subject),
        sentence: match (of.stage, &of.lift_reason) {
            (Stage::LiftAsked, Some(reason)) => format!("{} Lifting it was asked for: {reason}", stops(&of.subject)),
            (Stage::Placed | Stage::LiftAsked, _) => stops(&of.subject),
            (Stage::Lifted, _) => "It holds no longer.".to_owned(),
        },
        steps: steps(of),
        may_ask: of.stage == Stage::Placed,
        may_lift: asked && !own,
        may_keep: asked,
        why_not: (asked && own).then_some("You asked for it to be lifted, so another administrator has to lift it."),
        reason: trouble.reason,
        errors: trouble.errors,
    })
}

fn steps(of: &Suspension) -> Vec<Step> {
    let by =
        |did: &str, name: Option<&String>, at: i64| format!("{did} by {}, {}", name.map_or("an administrator", String::as_str), moment(at));
    let mut steps = vec![Step { text: by("Suspended", Some(&of.placer), of.placed.at.micros()), state: StepState::Stopped }];
    match &of.asked {
        Some(asked) => steps.push(Step { text: by("Lifting asked for", of.asker.as_ref(), asked.at.micros()), state: StepState::Done }),
        None => steps.push(Step { text: "Somebody asks that it be lifted".to_owned(), state: StepState::Later }),
    }
    match &of.lifted {
        Some(lifted) => steps.push(Step { text: by("Lifted", of.lifter.as_ref(), lifted.at.micros()), state: StepState::Done }),
        None => steps.push(Step {
            text: "A second administrator lifts it".to_owned(),
            state: if of.asked.is_some() { StepState::Now } else { StepState::Later },
        }),
    }
    steps
}
