//! Administrators: grants and their approval, agencies, agreements, people, products. None of these pages shows source or what
//! readers did; names of files only the preview of a grant, which is recorded first.

mod agencies;
mod agreement_form;
mod agreements;
mod campaign_grants;
mod campaigns;
mod decisions;
mod directories;
mod documents;
pub(super) mod fields;
mod grants;
mod imports;
mod nominations;
mod people;
mod person;
mod previews;
mod products;
mod progress;
mod product_settings;
mod proposals;
mod resets;
mod subjects;
mod suspensions;
mod versions;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

pub(super) use agreements::reminder_words;
pub(super) use fields::last_moment;
pub(super) use grants::{row as grant_row, scope_words};
pub(super) use nominations::nominator;
pub(super) use products::{all_alarms as product_alarms, version_row};

use super::AppState;
use super::error::WebError;
use super::guard::{Administering, SignedIn};
use super::routes::Routes;
use super::upload::LARGEST_UPLOAD;
use super::views::forms::FieldErrors;
use crate::accounts::{AccountError, StepUp};
use crate::entitlements::EntitlementError;

/// The reason typed before a confirmation was asked for, and the page it was typed on.
const REASON: &str = "reason";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get::<Administering, _, _>("/admin/grants", grants::list)
        .get::<Administering, _, _>("/admin/grants/new", proposals::form)
        .post::<Administering, _, _>("/admin/grants/new", proposals::propose)
        .get::<Administering, _, _>("/admin/grants/{id}", decisions::show)
        .post::<Administering, _, _>("/admin/grants/{id}/approve", decisions::approve)
        .post::<Administering, _, _>("/admin/grants/{id}/refuse", decisions::refuse)
        .post::<Administering, _, _>("/admin/grants/{id}/revoke", decisions::revoke)
        .post::<Administering, _, _>("/admin/grants/{id}/justified", decisions::justified)
        .post::<Administering, _, _>("/admin/grants/{id}/objected", decisions::objected)
        .get::<Administering, _, _>("/admin/grants/alone", proposals::alone_form)
        .post::<Administering, _, _>("/admin/grants/alone", proposals::give_alone)
        .get::<Administering, _, _>("/admin/agencies", agencies::list)
        .get::<Administering, _, _>("/admin/agencies/new", agencies::form)
        .post::<Administering, _, _>("/admin/agencies/new", agencies::add)
        .get::<Administering, _, _>("/admin/agencies/{id}", agencies::show)
        .get::<Administering, _, _>("/admin/agencies/{id}/edit", agencies::edit_form)
        .post::<Administering, _, _>("/admin/agencies/{id}/edit", agencies::edit)
        .post::<Administering, _, _>("/admin/agencies/{id}/strike", agencies::strike)
        .post::<Administering, _, _>("/admin/agencies/{id}/restore", agencies::restore)
        .get::<Administering, _, _>("/admin/agencies/{id}/directory", directories::show)
        .post::<Administering, _, _>("/admin/agencies/{id}/directory/tokens", directories::make)
        .post::<Administering, _, _>("/admin/agencies/{id}/directory/tokens/{token}/revoke", directories::revoke)
        .get::<Administering, _, _>("/admin/agreements", agreements::list)
        .get::<Administering, _, _>("/admin/agreements/new", agreements::form)
        .post::<Administering, _, _>("/admin/agreements/new", agreements::add)
        .get::<Administering, _, _>("/admin/agreements/{id}", agreements::show)
        .post::<Administering, _, _>("/admin/agreements/{id}/end", agreements::end)
        .get::<Administering, _, _>("/admin/agreements/{id}/edit", agreements::edit_form)
        .post::<Administering, _, _>("/admin/agreements/{id}/edit", agreements::edit)
        .post::<Administering, _, _>("/admin/agreements/{id}/sign", agreements::sign)
        .post::<Administering, _, _>("/admin/agreements/{id}/amendments/{amendment}/approve", agreements::approve_amendment)
        .post::<Administering, _, _>("/admin/agreements/{id}/amendments/{amendment}/refuse", agreements::refuse_amendment)
        .get::<Administering, _, _>("/admin/agreements/{id}/terms", agreements::terms)
        .post::<Administering, _, _>("/admin/agreements/{id}/terms", agreements::publish_terms)
        .get::<Administering, _, _>("/admin/agreements/{id}/documents", documents::list)
        .post_large::<Administering, _, _>("/admin/agreements/{id}/documents", LARGEST_UPLOAD, documents::attach)
        .get::<Administering, _, _>("/admin/agreements/{id}/documents/{document}", documents::download)
        .post::<Administering, _, _>("/admin/agreements/{id}/people", nominations::nominate)
        .get::<Administering, _, _>("/admin/nominations", nominations::list)
        .get::<Administering, _, _>("/admin/nominations/{id}", nominations::show)
        .post::<Administering, _, _>("/admin/nominations/{id}/approve", nominations::approve)
        .post::<Administering, _, _>("/admin/nominations/{id}/refuse", nominations::refuse)
        .post::<Administering, _, _>("/admin/nominations/{id}/withdraw", nominations::withdraw)
        .get::<Administering, _, _>("/admin/campaigns", campaigns::list)
        .get::<Administering, _, _>("/admin/campaigns/new", campaigns::form)
        .post::<Administering, _, _>("/admin/campaigns/new", campaigns::open)
        .get::<Administering, _, _>("/admin/campaigns/{id}", campaigns::show)
        .post::<Administering, _, _>("/admin/campaigns/{id}/ask", campaigns::ask)
        .post::<Administering, _, _>("/admin/campaigns/{id}/keep", campaigns::keep)
        .post::<Administering, _, _>("/admin/campaigns/{id}/end", campaigns::end)
        .get::<Administering, _, _>("/admin/campaigns/{id}/grants/{grant}", campaign_grants::show)
        .post::<Administering, _, _>("/admin/campaigns/{id}/grants/{grant}/confirm", campaign_grants::confirm)
        .get::<Administering, _, _>("/admin/suspensions", suspensions::list)
        .get::<Administering, _, _>("/admin/suspensions/new", suspensions::form)
        .post::<Administering, _, _>("/admin/suspensions/new", suspensions::place)
        .get::<Administering, _, _>("/admin/suspensions/{id}", suspensions::show)
        .post::<Administering, _, _>("/admin/suspensions/{id}/ask", suspensions::ask)
        .post::<Administering, _, _>("/admin/suspensions/{id}/keep", suspensions::keep)
        .post::<Administering, _, _>("/admin/suspensions/{id}/lift", suspensions::lift)
        .get::<Administering, _, _>("/admin/people", people::list)
        .get::<Administering, _, _>("/admin/people/import", imports::people_form)
        .post::<Administering, _, _>("/admin/people/import", imports::import_people)
        .get::<Administering, _, _>("/admin/people/export", imports::export_people)
        .get::<Administering, _, _>("/admin/grants/import", imports::grants_form)
        .post::<Administering, _, _>("/admin/grants/import", imports::import_grants)
        .get::<Administering, _, _>("/admin/grants/export", imports::export_grants)
        .get::<Administering, _, _>("/admin/people/new", people::form)
        .post::<Administering, _, _>("/admin/people/new", people::add)
        .get::<Administering, _, _>("/admin/people/{id}", person::show)
        .post::<Administering, _, _>("/admin/people/{id}/lock", person::lock)
        .post::<Administering, _, _>("/admin/people/{id}/unlock", person::unlock)
        .post::<Administering, _, _>("/admin/people/{id}/leave", person::leave)
        .post::<Administering, _, _>("/admin/people/{id}/sessions/end", person::end_session)
        .post::<Administering, _, _>("/admin/people/{id}/invitation", people::invite_again)
        .post::<Administering, _, _>("/admin/people/{id}/invitation/approve", person::approve_invitation)
        .post::<Administering, _, _>("/admin/people/{id}/invitation/withdraw", person::withdraw_invitation)
        .post::<Administering, _, _>("/admin/people/{id}/role", person::propose_role)
        .post::<Administering, _, _>("/admin/people/{id}/role/approve", person::approve_role)
        .post::<Administering, _, _>("/admin/people/{id}/role/refuse", person::refuse_role)
        .post::<Administering, _, _>("/admin/people/{id}/reset", resets::propose)
        .post::<Administering, _, _>("/admin/people/{id}/reset/approve", resets::approve)
        .post::<Administering, _, _>("/admin/people/{id}/reset/refuse", resets::refuse)
        .post::<Administering, _, _>("/admin/people/{id}/reset/withdraw", resets::withdraw)
        .get::<Administering, _, _>("/admin/products", products::list)
        .get::<Administering, _, _>("/admin/products/new", products::form)
        .post::<Administering, _, _>("/admin/products/new", products::add)
        .get::<Administering, _, _>("/admin/products/{name}", products::show)
        .post::<Administering, _, _>("/admin/products/{name}/sync", products::sync)
        .get::<Administering, _, _>("/admin/products/{name}/progress", progress::events)
        .get::<Administering, _, _>("/admin/products/{name}/settings", product_settings::form)
        .post::<Administering, _, _>("/admin/products/{name}/settings", product_settings::change)
        .post::<Administering, _, _>("/admin/products/{name}/webhook", product_settings::make_webhook)
        .post::<Administering, _, _>("/admin/products/{name}/webhook/remove", product_settings::remove_webhook)
        .post::<Administering, _, _>("/admin/products/{name}/credentials", product_settings::set_credentials)
        .post::<Administering, _, _>("/admin/products/{name}/credentials/remove", product_settings::remove_credentials)
        .get::<Administering, _, _>("/admin/products/{name}/versions/{version}", versions::show)
        .post::<Administering, _, _>("/admin/products/{name}/versions/{version}/withdraw", versions::withdraw)
        .post::<Administering, _, _>("/admin/products/{name}/versions/{version}/ask", versions::ask)
        .post::<Administering, _, _>("/admin/products/{name}/versions/{version}/approve", versions::approve)
        .post::<Administering, _, _>("/admin/products/{name}/versions/{version}/refuse", versions::refuse)
        .post::<Administering, _, _>("/admin/products/{name}/versions/{version}/acknowledge", versions::acknowledge)
}

/// A form without fields of its own.
#[derive(Deserialize)]
struct Nothing {}

/// A form that asks why.
#[derive(Deserialize)]
struct Because {
    #[serde(default)]
    reason: String,
}

/// What did not go well with a form on a page: what was typed, and the sentences beside it.
#[derive(Default)]
struct Trouble {
    reason: String,
    errors: FieldErrors,
}

impl Trouble {
    /// With what was typed as the reason, and one sentence at a field.
    fn at(reason: String, field: &str, sentence: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, sentence);
        Self { reason, errors }
    }

    /// What kept something from being done, and the status of the answer. What is no answer to whoever asked is an error.
    fn of(error: impl Into<EntitlementError>, reason: String) -> Result<(StatusCode, Self), WebError> {
        let (status, field, problem) = problem_of(error.into())?;
        Ok((status, Self::at(reason, field, problem)))
    }

    /// Nothing went wrong; the reason is one typed here before a confirmation was asked for.
    async fn none(who: &SignedIn, page: &str) -> Result<Self, WebError> {
        let kept = who.visit.session.remove::<(String, String)>(REASON).await?;
        let reason = kept.filter(|(at, _)| at == page).map(|(_, reason)| reason).unwrap_or_default();
        Ok(Self { reason, errors: FieldErrors::default() })
    }
}

/// Proof of a recent confirmation. When one is asked for first, the reason typed on `page` will stand there again afterwards.
async fn confirmed(who: &SignedIn, portal: &AppState, page: &str, purpose: &'static str, reason: &str) -> Result<StepUp, WebError> {
    match who.step_up(portal, page, purpose) {
        Ok(by) => Ok(by),
        Err(asked) => {
            let reason: String = reason.chars().take(1000).collect();
            if !reason.is_empty() {
                who.visit.session.insert(REASON, (page, reason)).await?;
            }
            Err(asked)
        }
    }
}

/// What was done is said on the page to go on with.
async fn done(who: &SignedIn, sentence: &str, page: &str) -> Result<Response, WebError> {
    who.flash(sentence).await?;
    Ok(Redirect::to(page).into_response())
}

/// What keeps something from being done, for the page it was to be done on: the status, the field, the sentence. What is no answer to
/// whoever asked is an error.
fn problem_of(error: EntitlementError) -> Result<(StatusCode, &'static str, String), WebError> {
    match error {
        EntitlementError::Invalid { field, problem } => Ok((StatusCode::UNPROCESSABLE_ENTITY, field, problem)),
        EntitlementError::Conflict => {
            Ok((StatusCode::CONFLICT, "", "Another administrator decided on it at the same moment. This is how it stands now.".to_owned()))
        }
        EntitlementError::Transition(problem) => Ok((StatusCode::CONFLICT, "", problem.to_string())),
        EntitlementError::Account(error) => account_problem(error),
        other => Err(other.into()),
    }
}

/// As [`problem_of`], of people's accounts.
fn account_problem(error: AccountError) -> Result<(StatusCode, &'static str, String), WebError> {
    match error {
        AccountError::Invalid { field: "account" | "reset", problem } => Ok((StatusCode::CONFLICT, "", problem)),
        AccountError::Invalid { field, problem } => Ok((StatusCode::UNPROCESSABLE_ENTITY, field, problem)),
        AccountError::Transition(problem) => Ok((StatusCode::CONFLICT, "", problem.to_string())),
        AccountError::Conflict => {
            Ok((StatusCode::CONFLICT, "", "Somebody changed this at the same moment. This is how it stands now.".to_owned()))
        }
        other => Err(other.into()),
    }
}

/// A page shown again, with what keeps the form on it from being accepted.
fn again(status: StatusCode, page: Response) -> Response {
    (status, page).into_response()
}
