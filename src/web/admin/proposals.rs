//! Proposing a grant, and giving access alone where it cannot wait.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::fields::{ending, last_moment, paths, patterns, starting, within};
use super::grants::{agencies, choice, products};
use super::previews::{Asked, foresee, seen, show};
use super::{again, confirmed, done, problem_of};
use crate::access::Opening;
use crate::catalog::{Product, RepoPath};
use crate::clock::Timestamp;
use crate::entitlements::{
    Agreement, EntitlementError, LONGEST_EMERGENCY, MOST_APPROVALS, PathScope, Proposal, Readers, Seen, Standing, Window,
};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::grants::{GrantForm, GrantValues, Reveal};
use crate::web::views::format::day;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::links;
use crate::web::views::shell::Place;

/// The button that shows what would be opened and sends nothing on.
const PREVIEW: &str = "preview";

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
    people: String,
    from: String,
    until: String,
    purpose: String,
    needed: String,
    hours: String,
    /// "preview": nothing is to be sent on yet.
    act: String,
    /// The digest of what was shown.
    seen: String,
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>, Query(mut typed): Query<Typed>) -> Result<Response, WebError> {
    if typed.from.is_empty() {
        typed.from = portal.clock.now().date();
    }
    if let Some(agency) = portal.entitlements.agency(&typed.agency).await? {
        typed.agency = agency.slug;
    }
    page(&who, &portal, typed, FieldErrors::default(), false, None).await
}

pub(super) async fn propose(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Result<Response, WebError> {
    let typed = form.into_inner();
    let (proposal, product, seen) = match looked_at(&who, &portal, &typed, false).await? {
        Looked::Seen(sent) => *sent,
        Looked::Shown(reveal) => return shown(&who, &portal, typed, reveal, false).await,
        Looked::Wrong(errors) => return wrong(&who, &portal, typed, errors, false).await,
        Looked::NotTaken(error) => return not_taken(&who, &portal, typed, error, false).await,
    };
    match portal.entitlements.propose_seen(proposal, &product, Some(&seen), &who.principal, &who.visit.context).await {
        Ok(id) => done(&who, "Proposed. Another administrator has to approve it.", &format!("/admin/grants/{id}")).await,
        Err(error) => not_taken(&who, &portal, typed, error, false).await,
    }
}

/// The form of access that one administrator gives alone.
pub(super) async fn alone_form(
    who: Administering,
    State(portal): State<AppState>,
    Query(mut typed): Query<Typed>,
) -> Result<Response, WebError> {
    if typed.hours.is_empty() {
        "2".clone_into(&mut typed.hours);
    }
    page(&who, &portal, typed, FieldErrors::default(), true, None).await
}

pub(super) async fn give_alone(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Result<Response, WebError> {
    let typed = form.into_inner();
    let (proposal, product, seen) = match looked_at(&who, &portal, &typed, true).await? {
        Looked::Seen(sent) => *sent,
        Looked::Shown(reveal) => return shown(&who, &portal, typed, reveal, true).await,
        Looked::Wrong(errors) => return wrong(&who, &portal, typed, errors, true).await,
        Looked::NotTaken(error) => return not_taken(&who, &portal, typed, error, true).await,
    };
    // What was typed stands in the form again after the confirmation.
    let by = confirmed(&who, &portal, &typed.address(), "give access alone", "").await?;
    match portal.entitlements.break_glass(proposal, &product, Some(&seen), &by, &who.visit.context).await {
        Ok(id) => {
            done(
                &who,
                "Given, and told to every administrator and auditor. Another administrator has to review it.",
                &format!("/admin/grants/{id}"),
            )
            .await
        }
        Err(error) => not_taken(&who, &portal, typed, error, true).await,
    }
}

impl Typed {
    /// The form of access given alone with all this in it.
    fn address(&self) -> String {
        let pairs = [
            ("agency", &self.agency),
            ("agreement", &self.agreement),
            ("product", &self.product),
            ("versions", &self.versions),
            ("include", &self.include),
            ("exclude", &self.exclude),
            ("people", &self.people),
            ("purpose", &self.purpose),
            ("hours", &self.hours),
        ];
        links::query("/admin/grants/alone", &pairs.map(|(name, value)| (name, value.as_str())))
    }
}

/// What became of a form that was sent.
enum Looked {
    /// What is sent on is what was shown.
    Seen(Box<(Proposal, Product, Seen)>),
    /// It was asked to be shown, or had to be: nothing may be sent on unseen.
    Shown(Reveal),
    Wrong(FieldErrors),
    NotTaken(EntitlementError),
}

async fn looked_at(who: &SignedIn, portal: &AppState, typed: &Typed, alone: bool) -> Result<Looked, WebError> {
    let (proposal, product) = match read(portal, typed, alone).await? {
        Ok(read) => read,
        Err(errors) => return Ok(Looked::Wrong(errors)),
    };
    if let Err(error) = portal.entitlements.check(&proposal, &product, &who.principal).await {
        return Ok(Looked::NotTaken(error));
    }
    let agreement = portal.entitlements.agreement(proposal.agreement.as_str()).await?.ok_or(WebError::NotFound)?;
    let lasting = if alone {
        format!("{} hours from when it is given", typed.hours.trim())
    } else {
        format!("{} to {}", proposal.window.from, proposal.window.until)
    };
    let opening = Opening {
        grant: None,
        agreement: agreement.id.clone(),
        product: product.clone(),
        versions: proposal.versions.clone(),
        scope: proposal.scope.clone(),
        readers: proposal.readers.clone(),
        lasting,
    };
    let foreseen = foresee(who, portal, opening).await?;
    if typed.act != PREVIEW
        && let Some(seen) = seen(who, &foreseen, &typed.seen).await?
    {
        return Ok(Looked::Seen(Box::new((proposal, product, seen))));
    }
    let asked = Asked {
        product: &product.name,
        scope: &proposal.scope,
        versions: &proposal.versions,
        until: proposal.window.until,
        agreement: &agreement,
    };
    Ok(Looked::Shown(show(who, portal, foreseen, &asked).await?.0))
}

/// The form again with what it opens; with a word why, when it was to be sent on already.
async fn shown(who: &SignedIn, portal: &AppState, typed: Typed, reveal: Reveal, alone: bool) -> Result<Response, WebError> {
    if typed.act == PREVIEW {
        return page(who, portal, typed, FieldErrors::default(), alone, Some(reveal)).await;
    }
    let mut errors = FieldErrors::default();
    errors.add(
        "",
        if typed.seen.is_empty() {
            "Nothing was sent on yet: look at what it opens first. It is shown below."
        } else {
            "Nothing was sent on yet: what is asked for, or what it opens, is not what you looked at. Below is what it opens now."
        },
    );
    Ok(again(StatusCode::CONFLICT, page(who, portal, typed, errors, alone, Some(reveal)).await?))
}

async fn wrong(who: &SignedIn, portal: &AppState, typed: Typed, errors: FieldErrors, alone: bool) -> Result<Response, WebError> {
    Ok(again(StatusCode::UNPROCESSABLE_ENTITY, page(who, portal, typed, errors, alone, None).await?))
}

async fn not_taken(who: &SignedIn, portal: &AppState, typed: Typed, error: EntitlementError, alone: bool) -> Result<Response, WebError> {
    let (status, field, problem) = problem_of(error)?;
    let mut errors = FieldErrors::default();
    errors.add(input(field), problem);
    Ok(again(status, page(who, portal, typed, errors, alone, None).await?))
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
async fn read(portal: &AppState, typed: &Typed, alone: bool) -> Result<Result<(Proposal, Product), FieldErrors>, WebError> {
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
    let window = if alone { hours(typed, portal.clock.now(), &mut errors) } else { window(typed, agreement.as_ref(), &mut errors) };
    let readers = readers(portal, typed, &mut errors).await?;
    let needed = match typed.needed.trim() {
        "" => portal.config.grants.approvals,
        text => text.parse().unwrap_or(0),
    };
    if needed < portal.config.grants.approvals || needed > MOST_APPROVALS {
        errors.add("needed", format!("Choose {} to {MOST_APPROVALS} approvals.", portal.config.grants.approvals));
    }
    let (Some(agreement), Some(product), Some(window), true) = (agreement, product, window, errors.is_empty()) else {
        return Ok(Err(errors));
    };
    let versions = patterns(&typed.versions);
    let purpose = typed.purpose.clone();
    Ok(Ok((Proposal { agreement: agreement.id, versions, scope, readers, window, purpose, needed }, product)))
}

/// The people typed by their e-mail addresses; nobody is everybody.
async fn readers(portal: &AppState, typed: &Typed, errors: &mut FieldErrors) -> Result<Readers, WebError> {
    let mut accounts = Vec::new();
    for email in patterns(&typed.people) {
        match portal.accounts.find(&email.to_lowercase()).await? {
            Some(account) => accounts.push(account.id),
            None => errors.add("people", format!("Nobody has the e-mail address {email}.")),
        }
    }
    Ok(if accounts.is_empty() { Readers::Everybody } else { Readers::These(accounts) })
}

/// From now for so many hours.
fn hours(typed: &Typed, now: Timestamp, errors: &mut FieldErrors) -> Option<Window> {
    let most = LONGEST_EMERGENCY.as_secs() / 3600;
    let hours = typed.hours.trim().parse::<u64>().ok().filter(|hours| (1..=most).contains(hours));
    if hours.is_none() {
        errors.add("hours", format!("Choose 1 to {most} hours."));
    }
    Some(Window { from: now, until: now.plus(Duration::from_secs(hours? * 3600)) })
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

async fn page(
    who: &SignedIn,
    portal: &AppState,
    typed: Typed,
    errors: FieldErrors,
    alone: bool,
    reveal: Option<Reveal>,
) -> Result<Response, WebError> {
    let shell = who.shell(portal, if alone { "Give access alone" } else { "Propose a grant" }, Place::Grants).await?;
    let Typed { agency, agreement, product, versions, include, exclude, people, from, until, purpose, needed, hours, act: _, seen: _ } =
        typed;
    let needed = if needed.is_empty() { portal.config.grants.approvals.to_string() } else { needed };
    html(&GrantForm {
        csrf: shell.csrf.clone(),
        shell,
        values: GrantValues { agency, agreement, product, versions, include, exclude, people, from, until, purpose, needed, hours },
        errors,
        alone,
        reveal,
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
    let open =
        agreements.filter(|agreement| !matches!(agreement.standing(now), Standing::Draft | Standing::Expired | Standing::Terminated));
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
