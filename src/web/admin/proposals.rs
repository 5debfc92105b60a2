//! Proposing a grant.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::fields::{ending, last_moment, paths, patterns, starting, within};
use super::grants::{agencies, choice, products};
use super::{again, done};
use crate::catalog::{Product, RepoPath};
use crate::entitlements::{Agreement, EntitlementError, PathScope, Proposal, Window};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::grants::{GrantForm, GrantValues};
use crate::web::views::format::day;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::shell::Place;

/// What was typed; the names are those of the inputs.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    agency: String,
    agreement: String,
    product: String,
    versions: String,
    include: String,
    exclude: String,
    from: String,
    until: String,
    purpose: String,
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>, Query(mut typed): Query<Typed>) -> Result<Response, WebError> {
    if typed.from.is_empty() {
        typed.from = portal.clock.now().date();
    }
    if let Some(agency) = portal.entitlements.agency(&typed.agency).await? {
        typed.agency = agency.slug;
    }
    page(&who, &portal, typed, FieldErrors::default()).await
}

pub(super) async fn propose(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Result<Response, WebError> {
    let typed = form.into_inner();
    let (proposal, product) = match read(&portal, &typed).await? {
        Ok(read) => read,
        Err(errors) => return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, page(&who, &portal, typed, errors).await?)),
    };
    match portal.entitlements.propose(proposal, &product, &who.principal, &who.visit.context).await {
        Ok(id) => done(&who, "Proposed. Another administrator has to approve it.", &format!("/admin/grants/{id}")).await,
        Err(EntitlementError::Invalid { field, problem }) => {
            let mut errors = FieldErrors::default();
            errors.add(input(field), problem);
            Ok(again(StatusCode::UNPROCESSABLE_ENTITY, page(&who, &portal, typed, errors).await?))
        }
        Err(other) => Err(other.into()),
    }
}

/// The input that a field of the room's is typed into.
fn input(field: &'static str) -> &'static str {
    match field {
        "includes" => "include",
        "excludes" => "exclude",
        other => other,
    }
}

/// The proposal and the product it is about, or what keeps it from being one.
async fn read(portal: &AppState, typed: &Typed) -> Result<Result<(Proposal, Product), FieldErrors>, WebError> {
    let mut errors = FieldErrors::default();
    let agreement = portal.entitlements.agreement(&typed.agreement).await?;
    let agency = portal.entitlements.agency(&typed.agency).await?;
    let product = portal.catalog.product(&typed.product).await?;
    match (&agency, &agreement) {
        (_, None) => errors.add("agreement", "Choose the agreement that the grant hangs on."),
        (Some(agency), Some(agreement)) if agency.id != agreement.agency => {
            errors.add("agreement", "This agreement is with another agency.");
        }
        (None, _) if !typed.agency.is_empty() => errors.add("agency", "There is no such agency."),
        _ => {}
    }
    if product.is_none() {
        errors.add("product", "Choose a product.");
    }
    let scope = scope(typed, &mut errors);
    let window = window(typed, agreement.as_ref(), &mut errors);
    let (Some(agreement), Some(product), Some(window), true) = (agreement, product, window, errors.is_empty()) else {
        return Ok(Err(errors));
    };
    let versions = patterns(&typed.versions);
    let proposal = Proposal { agreement: agreement.id, versions, scope, window, purpose: typed.purpose.clone() };
    Ok(Ok((proposal, product)))
}

fn scope(typed: &Typed, errors: &mut FieldErrors) -> PathScope {
    let mut read = |field, text| {
        paths(text).unwrap_or_else(|sentence| {
            errors.add(field, sentence);
            Vec::new()
        })
    };
    let mut includes = read("include", &typed.include);
    let excludes = read("exclude", &typed.exclude);
    if excludes.iter().any(RepoPath::is_root) {
        errors.add("exclude", "Without the whole tree nothing would be left to read.");
    }
    if includes.is_empty() {
        includes.push(RepoPath::root());
    }
    PathScope { includes, excludes }
}

fn window(typed: &Typed, agreement: Option<&Agreement>, errors: &mut FieldErrors) -> Option<Window> {
    let from = starting(&typed.from);
    let until = ending(&typed.until);
    if from.is_none() {
        errors.add("from", "Choose the first day, as in 2026-11-21.");
    }
    if until.is_none() {
        errors.add("until", "Choose the last day, as in 2027-03-31.");
    }
    let window = Window { from: from?, until: until? };
    Some(agreement.map_or(window, |agreement| within(window, agreement.term)))
}

async fn page(who: &SignedIn, portal: &AppState, typed: Typed, errors: FieldErrors) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Propose a grant", Place::Grants).await?;
    let Typed { agency, agreement, product, versions, include, exclude, from, until, purpose } = typed;
    html(&GrantForm {
        csrf: shell.csrf.clone(),
        shell,
        values: GrantValues { agency, agreement, product, versions, include, exclude, from, until, purpose },
        errors,
        agencies: agencies(portal).await?,
        agreements: agreements(portal).await?,
        products: products(portal).await?,
    })
}

/// The agreements that something can be granted under, with their agencies and the last days of their terms.
async fn agreements(portal: &AppState) -> Result<Vec<Choice>, WebError> {
    let now = portal.clock.now();
    let agencies = portal.entitlements.agencies().await?;
    let agreements = portal.entitlements.agreements().await?.into_iter();
    let open = agreements.filter(|agreement| agreement.ended.is_none() && now < agreement.term.until);
    let mut choices: Vec<Choice> = open
        .map(|agreement| {
            let agency = agencies.iter().find(|agency| agency.id == agreement.agency).map_or("", |agency| agency.name.as_str());
            let until = day(last_moment(agreement.term.until));
            choice(agreement.id.as_str(), format!("{agency}: {}, until {until}", agreement.reference))
        })
        .collect();
    choices.sort_by(|a, b| a.label.cmp(&b.label));
    Ok(choices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn typed(include: &str, exclude: &str, from: &str, until: &str) -> Typed {
        let own = str::to_owned;
        Typed { include: own(include), exclude: own(exclude), from: own(from), until: own(until), ..Typed::default() }
    }

    #[test]
    fn no_path_at_all_is_the_whole_tree() {
        let mut errors = FieldErrors::default();
        for include in ["", "\n", "/"] {
            assert_eq!(scope(&typed(include, "", "", ""), &mut errors), PathScope::whole(), "{include:?}");
        }
        assert!(errors.is_empty());
    }

    #[test]
    fn odd_paths_and_days_are_named_at_their_fields() {
        let mut errors = FieldErrors::default();
        scope(&typed("net\n/etc", "/", "", ""), &mut errors);
        assert!(errors.of("include").unwrap().starts_with("Line 2:"));
        assert!(errors.of("exclude").is_some());
        assert_eq!(window(&typed("", "", "yesterday", ""), None, &mut errors), None);
        assert!(errors.of("from").is_some() && errors.of("until").is_some());
    }

    #[test]
    fn the_last_day_is_part_of_the_window() {
        let mut errors = FieldErrors::default();
        let window = window(&typed("", "", "2026-11-21", "2026-11-21"), None, &mut errors).unwrap();
        assert_eq!(window.from, Timestamp::parse("2026-11-21").unwrap());
        assert_eq!(window.until, Timestamp::parse("2026-11-22").unwrap());
        assert!(errors.is_empty());
    }
}
