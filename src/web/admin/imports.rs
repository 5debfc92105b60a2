//! People and grants as files: what a file would do is shown line by line, then carried out whole or not at all; and all there are, written
//! to one.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{again, done, problem_of};
use crate::entitlements::{EntitlementError, GRANT_COLUMNS, ImportOutcome, ImportPlan, Invited, PEOPLE_COLUMNS};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::imports::{ImportPage, ImportedPage, LinkRow, PlanRow, PlanView};
use crate::web::views::format::counted;
use crate::web::views::forms::FieldErrors;
use crate::web::views::shell::Place;

type Answer = Result<Response, WebError>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    People,
    Grants,
}

impl List {
    /// As addresses write it.
    fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Grants => "grants",
        }
    }

    fn place(self) -> Place {
        match self {
            Self::People => Place::People,
            Self::Grants => Place::Grants,
        }
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::People => &PEOPLE_COLUMNS,
            Self::Grants => &GRANT_COLUMNS,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    csv: String,
    /// Of the file that was looked at; empty when it is only to be looked at.
    digest: String,
}

pub(super) async fn people_form(who: Administering, State(portal): State<AppState>) -> Answer {
    page(&who, &portal, List::People, String::new(), None, FieldErrors::default()).await
}

pub(super) async fn grants_form(who: Administering, State(portal): State<AppState>) -> Answer {
    page(&who, &portal, List::Grants, String::new(), None, FieldErrors::default()).await
}

pub(super) async fn import_people(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Answer {
    let Typed { csv, digest } = form.into_inner();
    let (rooms, by) = (&portal.entitlements, Some(&who.principal));
    if digest.is_empty() {
        let plan = rooms.plan_people(&portal.accounts, csv.as_bytes(), false).await;
        return looked_at(&who, &portal, List::People, csv, plan).await;
    }
    match rooms.import_people(&portal.accounts, csv.as_bytes(), Some(&digest), by, &who.visit.context).await {
        Ok((plan, invited)) => imported(&who, &portal, &plan, invited).await,
        Err(error) => not_done(&who, &portal, List::People, csv, error).await,
    }
}

pub(super) async fn import_grants(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Answer {
    let Typed { csv, digest } = form.into_inner();
    let products = portal.catalog.products().await?;
    if digest.is_empty() {
        let plan = portal.entitlements.plan_grants(&products, csv.as_bytes(), &who.principal).await;
        return looked_at(&who, &portal, List::Grants, csv, plan).await;
    }
    let (file, context) = (csv.as_bytes(), &who.visit.context);
    match portal.entitlements.import_grants(&products, file, Some(&digest), &who.principal, context).await {
        Ok(plan) => {
            let made = counted(plan.makes() as u64, "grant was proposed", "grants were proposed");
            done(&who, &format!("{made}. Another administrator has to approve each."), "/admin/grants").await
        }
        Err(error) => not_done(&who, &portal, List::Grants, csv, error).await,
    }
}

pub(super) async fn export_people(who: Administering, State(portal): State<AppState>) -> Answer {
    let by = who.step_up(&portal, "/admin/people/export", "export everybody")?;
    let file = portal.entitlements.export_people(&portal.accounts, Some(&by), &who.visit.context).await?;
    Ok(attached("people.csv", file))
}

pub(super) async fn export_grants(who: Administering, State(portal): State<AppState>) -> Answer {
    let by = who.step_up(&portal, "/admin/grants/export", "export every grant")?;
    let file = portal.entitlements.export_grants(Some(&by), &who.visit.context).await?;
    Ok(attached("grants.csv", file))
}

fn attached(name: &str, file: String) -> Response {
    let named = format!("attachment; filename=\"{name}\"");
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()), (header::CONTENT_DISPOSITION, named)];
    (headers, file).into_response()
}

/// What the file would do, or why it cannot be read.
async fn looked_at(who: &SignedIn, portal: &AppState, list: List, csv: String, plan: Result<ImportPlan, EntitlementError>) -> Answer {
    match plan {
        Ok(plan) => page(who, portal, list, csv, Some(plan), FieldErrors::default()).await,
        Err(error) => {
            let (status, field, problem) = problem_of(error)?;
            Ok(again(status, page(who, portal, list, csv, None, error_at(field, problem)).await?))
        }
    }
}

/// Nothing was done: the same with what the file would do now.
async fn not_done(who: &SignedIn, portal: &AppState, list: List, csv: String, error: EntitlementError) -> Answer {
    let (_, _, problem) = problem_of(error)?;
    let plan = match list {
        List::People => portal.entitlements.plan_people(&portal.accounts, csv.as_bytes(), false).await,
        List::Grants => {
            let products = portal.catalog.products().await?;
            portal.entitlements.plan_grants(&products, csv.as_bytes(), &who.principal).await
        }
    };
    Ok(again(StatusCode::CONFLICT, page(who, portal, list, csv, plan.ok(), error_at("", problem)).await?))
}

fn error_at(field: &str, problem: String) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add(field, problem);
    errors
}

async fn page(who: &SignedIn, portal: &AppState, list: List, csv: String, plan: Option<ImportPlan>, errors: FieldErrors) -> Answer {
    let shell = who.shell(portal, &format!("Import {}", list.name()), list.place()).await?;
    html(&ImportPage {
        csrf: shell.csrf.clone(),
        shell,
        list: list.name(),
        is_people: list == List::People,
        columns: list.columns().join(","),
        plan: plan.map(plan_view),
        csv,
        errors,
    })
}

fn plan_view(plan: ImportPlan) -> PlanView {
    let (makes, refuses) = (plan.makes(), plan.refuses());
    let nothing = plan.lines.len() - makes - refuses;
    let lines = |number: usize| counted(number as u64, "line", "lines");
    let sentence = match (makes, refuses) {
        (0, 0) => "It would change nothing: all of it is so already.".to_owned(),
        (_, 0) => format!("{} would make something, {} nothing. No line is refused.", lines(makes), lines(nothing)),
        _ => format!("{} cannot be done, so none is. Mend what is named below, and look at the file again.", lines(refuses)),
    };
    PlanView {
        digest: plan.digest,
        sentence,
        may: refuses == 0 && makes > 0,
        rows: plan
            .lines
            .into_iter()
            .map(|line| {
                let (state, class) = match line.outcome {
                    ImportOutcome::Make(_) => ("Makes", "done"),
                    ImportOutcome::Nothing => ("Changes nothing", "quiet"),
                    ImportOutcome::Refuse(_) => ("Refused", "danger"),
                };
                PlanRow { line: line.line, subject: line.subject, says: line.outcome.says(), state, class }
            })
            .collect(),
    }
}

/// The one page that ever shows the links.
async fn imported(who: &SignedIn, portal: &AppState, plan: &ImportPlan, invited: Vec<Invited>) -> Answer {
    let shell = who.shell(portal, "Imported", Place::People).await?;
    html(&ImportedPage {
        shell,
        made: plan.makes() as u64,
        links: invited.into_iter().map(|one| LinkRow { link: super::people::address_of(portal, &one.link), email: one.email }).collect(),
    })
}
