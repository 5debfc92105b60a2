//! Agreements: what everything an agency reads hangs on, how far it reaches, and whom it names.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::agreement_form::{Typed, read};
use super::fields::last_moment;
use super::grants::{agencies, choice, row as grant_row, turn};
use super::nominations::row as nominee_row;
use super::suspensions::{form_address, notice};
use super::{Because, Nothing, Trouble, again, confirmed, done, problem_of};
use crate::clock::Timestamp;
use crate::entitlements::{
    Agreement, AgreementFilter, Amendment, AmendmentStage, EntitlementError, GrantFilter, NominationStage, Phase, REMINDERS, Standing,
    Subject, SubjectKind, Turn,
};
use crate::ids::AmendmentId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::agencies::{
    AgreementForm, AgreementPage, AgreementRow, AgreementsPage, AmendmentView, Fact, TermsPage, TermsRow,
};
use crate::web::views::format::{day, moment, series};
use crate::web::views::forms::FieldErrors;
use crate::web::views::links;
use crate::web::views::shell::{Notice, Place, Tone};

type Answer = Result<Response, WebError>;

const STANDINGS: [(&str, Standing); 7] = [
    ("draft", Standing::Draft),
    ("signed", Standing::Signed),
    ("in-force", Standing::InForce),
    ("renewal", Standing::RenewalDue),
    ("suspended", Standing::Suspended),
    ("expired", Standing::Expired),
    ("terminated", Standing::Terminated),
];

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    state: String,
    agency: String,
    /// Words to be found.
    q: String,
    /// `renewal`: those whose terms end soon.
    due: String,
    /// The agreement that the page lies behind, or before.
    after: String,
    before: String,
}

impl Filter {
    fn standing(&self) -> Result<Vec<Standing>, WebError> {
        if self.state.is_empty() {
            return Ok(Vec::new());
        }
        let found = STANDINGS.iter().find(|(value, _)| *value == self.state);
        found.map(|(_, standing)| vec![*standing]).ok_or_else(|| {
            let known: Vec<&str> = STANDINGS.iter().map(|(value, _)| *value).collect();
            WebError::BadRequest(format!("There is no such state of an agreement. There are {}.", known.join(", ")))
        })
    }

    /// Another page of the same list.
    fn at(&self, turn: (&str, &str)) -> String {
        links::query("/admin/agreements", &[("state", &self.state), ("agency", &self.agency), ("due", &self.due), ("q", &self.q), turn])
    }
}

pub(super) async fn list(who: Administering, State(portal): State<AppState>, Query(filter): Query<Filter>) -> Answer {
    let now = portal.clock.now();
    let due = filter.due == "renewal";
    let agency = match filter.agency.as_str() {
        "" => None,
        key => Some(portal.entitlements.agency(key).await?.ok_or(WebError::NotFound)?),
    };
    let wanted = AgreementFilter {
        standing: filter.standing()?,
        due,
        agency: agency.as_ref().map(|agency| agency.id.clone()),
        words: filter.q.clone(),
    };
    let page = portal.entitlements.agreements_page(&wanted, &turn(&filter.after, &filter.before)).await?;
    let names = portal.entitlements.agencies().await?;
    let name = |of: &Agreement| names.iter().find(|agency| agency.id == of.agency).map_or("", |agency| agency.name.as_str());
    let in_force = portal.entitlements.in_force_by_agreement().await?;
    html(&AgreementsPage {
        shell: who.shell(&portal, "Agreements", Place::Agencies).await?,
        rows: page.rows.iter().map(|of| row(of, name(of), count_of(&in_force, of.id.as_str()), now)).collect(),
        total: page.total,
        sooner: page.before.as_deref().map(|id| filter.at(("before", id))),
        later: page.after.as_deref().map(|id| filter.at(("after", id))),
        states: STANDINGS.iter().map(|(value, standing)| choice(*value, standing.words())).collect(),
        agencies: names.iter().map(|agency| choice(agency.slug.clone(), agency.name.clone())).collect(),
        filtered: !filter.state.is_empty() || agency.is_some() || !filter.q.is_empty(),
        due,
        agency: agency.map(|agency| agency.slug).unwrap_or_default(),
        state: filter.state,
        words: filter.q,
    })
}

/// The number counted for an id.
pub(super) fn count_of(counted: &[(String, u64)], id: &str) -> u64 {
    counted.iter().find(|(known, _)| known == id).map_or(0, |(_, number)| *number)
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>, Query(mut typed): Query<Typed>) -> Answer {
    if let Some(agency) = portal.entitlements.agency(&typed.agency).await? {
        typed.agency = agency.slug;
    }
    form_page(&who, &portal, None, typed, FieldErrors::default()).await
}

pub(super) async fn add(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Answer {
    let typed = form.into_inner();
    let agency = portal.entitlements.agency(&typed.agency).await?;
    let new = match read(&portal, &typed, agency.as_ref(), None).await? {
        Ok(new) => new,
        Err(errors) => {
            return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, None, typed, errors).await?));
        }
    };
    let sentence = if new.draft {
        "The draft was kept. It opens nothing until it is signed."
    } else {
        "The agreement was added. Nominate the reviewers who may read under it."
    };
    match portal.entitlements.add_agreement(new, Some(&who.principal), &who.visit.context).await {
        Ok(agreement) => done(&who, sentence, &address(&agreement)).await,
        Err(error) => {
            let (status, errors) = errors_of(error)?;
            Ok(again(status, form_page(&who, &portal, None, typed, errors).await?))
        }
    }
}

fn errors_of(error: EntitlementError) -> Result<(StatusCode, FieldErrors), WebError> {
    let (status, field, problem) = problem_of(error)?;
    let mut errors = FieldErrors::default();
    errors.add(field, problem);
    Ok((status, errors))
}

pub(super) async fn edit_form(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let agreement = find(&portal, &id).await?;
    let typed = typed_of(&portal, &agreement).await?;
    form_page(&who, &portal, Some(&agreement), typed, FieldErrors::default()).await
}

/// A draft is changed whole. Of a signed agreement what the paper says is changed, and what makes it reach further is proposed.
pub(super) async fn edit(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Typed>) -> Answer {
    let agreement = find(&portal, &id).await?;
    let typed = form.into_inner();
    let agency = portal.entitlements.agency(agreement.agency.as_str()).await?;
    let new = match read(&portal, &typed, agency.as_ref(), Some(&agreement)).await? {
        Ok(new) => new,
        Err(errors) => {
            return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, Some(&agreement), typed, errors).await?));
        }
    };
    let further = !agreement.draft && (new.term.until != agreement.term.until || new.reach != agreement.reach);
    let (until, reach) = (new.term.until, new.reach.clone());
    let mut result = Ok(());
    if further {
        let (by, context) = (&who.principal, &who.visit.context);
        result = portal.entitlements.propose_amendment(&agreement.id, until, reach, &typed.reason, by, context).await.map(drop);
    }
    if result.is_ok() && (agreement.draft || new.paper != agreement.paper) {
        result = portal.entitlements.edit_agreement(&agreement.id, new, &who.principal, &who.visit.context).await;
    }
    match result {
        Ok(()) if further => {
            done(&who, "Proposed. How far it reaches changes when another administrator approves.", &address(&agreement)).await
        }
        Ok(()) => done(&who, "Changed.", &address(&agreement)).await,
        Err(EntitlementError::Conflict) if further => {
            let mut errors = FieldErrors::default();
            errors.add("", "A change of this agreement waits for a second administrator already.");
            Ok(again(StatusCode::CONFLICT, form_page(&who, &portal, Some(&agreement), typed, errors).await?))
        }
        Err(error) => {
            let (status, errors) = errors_of(error)?;
            Ok(again(status, form_page(&who, &portal, Some(&agreement), typed, errors).await?))
        }
    }
}

async fn typed_of(portal: &AppState, of: &Agreement) -> Result<Typed, WebError> {
    let agency = portal.entitlements.agency(of.agency.as_str()).await?;
    Ok(Typed::of(of, agency.map(|agency| agency.slug).unwrap_or_default()))
}

async fn form_page(who: &SignedIn, portal: &AppState, of: Option<&Agreement>, typed: Typed, errors: FieldErrors) -> Answer {
    let title = of.map_or_else(|| "Add an agreement".to_owned(), |of| format!("Change {}", of.reference));
    let shell = who.shell(portal, &title, Place::Agencies).await?;
    html(&AgreementForm {
        csrf: shell.csrf.clone(),
        shell,
        agencies: agencies(portal).await?,
        id: of.map(|of| of.id.to_string()),
        reference: of.map(|of| of.reference.clone()).unwrap_or_default(),
        signed: of.is_some_and(|of| !of.draft),
        values: typed.into(),
        errors,
    })
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let agreement = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&agreement)).await?;
    page(&who, &portal, agreement, String::new(), trouble).await
}

pub(super) async fn sign(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, _: Protected<Nothing>) -> Answer {
    let agreement = find(&portal, &id).await?;
    let by = confirmed(&who, &portal, &address(&agreement), "enter this agreement as signed", "").await?;
    let signed = portal.entitlements.sign_agreement(&agreement.id, portal.clock.now(), &by, &who.visit.context).await;
    answer(&who, &portal, &id, signed, "Signed. It is in force within its term.", String::new()).await
}

pub(super) async fn end(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let agreement = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let by = confirmed(&who, &portal, &address(&agreement), "end this agreement", &reason).await?;
    let ended = portal.entitlements.end_agreement(&agreement.id, &reason, &by, &who.visit.context).await;
    if matches!(ended, Err(EntitlementError::Conflict)) {
        let trouble = Trouble::at(reason, "", "This agreement has been ended already.");
        let agreement = find(&portal, &id).await?;
        return Ok(again(StatusCode::CONFLICT, page(&who, &portal, agreement, String::new(), trouble).await?));
    }
    answer(&who, &portal, &id, ended, "The agreement has ended, and with it everything granted under it.", reason).await
}

pub(super) async fn approve_amendment(
    who: Administering,
    State(portal): State<AppState>,
    Path((id, amendment)): Path<(String, String)>,
    _: Protected<Nothing>,
) -> Answer {
    let agreement = find(&portal, &id).await?;
    let by = confirmed(&who, &portal, &address(&agreement), "approve this change", "").await?;
    let decided = portal.entitlements.approve_amendment(&AmendmentId::known(amendment), &by, &who.visit.context).await;
    answer(&who, &portal, &id, decided, "Approved. The agreement reaches as far as that now.", String::new()).await
}

pub(super) async fn refuse_amendment(
    who: Administering,
    State(portal): State<AppState>,
    Path((id, amendment)): Path<(String, String)>,
    form: Protected<Because>,
) -> Answer {
    let reason = form.into_inner().reason;
    let decided = portal.entitlements.refuse_amendment(&AmendmentId::known(amendment), &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &id, decided, "Refused. The agreement stays as it is.", reason).await
}

async fn answer(
    who: &SignedIn,
    portal: &AppState,
    id: &str,
    result: Result<(), EntitlementError>,
    sentence: &str,
    reason: String,
) -> Answer {
    let agreement = find(portal, id).await?;
    let Err(error) = result else { return done(who, sentence, &address(&agreement)).await };
    let (status, trouble) = Trouble::of(error, reason)?;
    Ok(again(status, page(who, portal, agreement, String::new(), trouble).await?))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TypedTerms {
    text: String,
}

pub(super) async fn terms(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let agreement = find(&portal, &id).await?;
    let newest = portal.entitlements.terms(&agreement.id).await?.into_iter().next();
    let text = newest.map(|terms| terms.text).unwrap_or_default();
    terms_page(&who, &portal, &agreement, text, FieldErrors::default()).await
}

pub(super) async fn publish_terms(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<TypedTerms>,
) -> Answer {
    let agreement = find(&portal, &id).await?;
    let text = form.into_inner().text;
    let by = confirmed(&who, &portal, &format!("{}/terms", address(&agreement)), "publish these terms", "").await?;
    match portal.entitlements.publish_terms(&agreement.id, &text, &by, &who.visit.context).await {
        Ok(version) => {
            let sentence = format!("Version {version} of the terms is published. Each reader accepts it before reading on.");
            done(&who, &sentence, &address(&agreement)).await
        }
        Err(error) => {
            let (status, errors) = errors_of(error)?;
            Ok(again(status, terms_page(&who, &portal, &agreement, text, errors).await?))
        }
    }
}

async fn terms_page(who: &SignedIn, portal: &AppState, of: &Agreement, text: String, errors: FieldErrors) -> Answer {
    let versions = portal.entitlements.terms(&of.id).await?;
    let shell = who.shell(portal, &format!("Terms of {}", of.reference), Place::Agencies).await?;
    let rows = versions.into_iter().map(|terms| TermsRow {
        version: terms.version,
        published_at: terms.published_at.micros(),
        publisher: terms.publisher.unwrap_or_else(|| "the command line".to_owned()),
        accepted: u64::try_from(terms.accepted).unwrap_or(0),
        text: terms.text,
    });
    html(&TermsPage {
        csrf: shell.csrf.clone(),
        shell,
        id: of.id.to_string(),
        reference: of.reference.clone(),
        rows: rows.collect(),
        text,
        errors,
    })
}

async fn find(portal: &AppState, id: &str) -> Result<Agreement, WebError> {
    portal.entitlements.agreement(id).await?.ok_or(WebError::NotFound)
}

fn address(agreement: &Agreement) -> String {
    format!("/admin/agreements/{}", agreement.id)
}

pub(super) async fn page(who: &SignedIn, portal: &AppState, agreement: Agreement, account: String, trouble: Trouble) -> Answer {
    let now = portal.clock.now();
    let agency = portal.entitlements.agency(agreement.agency.as_str()).await?.ok_or(WebError::NotFound)?;
    let nominees = portal.entitlements.nominees(&agreement.id).await?;
    let under = GrantFilter { agreement: Some(agreement.id.clone()), ..GrantFilter::default() };
    let grants = portal.entitlements.grants(&under, &Turn::First).await?;
    let in_force = portal.entitlements.count_grants(&GrantFilter { phase: Some(Phase::InForce), ..under }).await?;
    let terms = portal.entitlements.terms(&agreement.id).await?;
    let documents = portal.entitlements.documents(&agreement.id).await?;
    let named = |account: &crate::ids::AccountId| {
        nominees.iter().any(|nominee| {
            nominee.nomination.account == *account
                && matches!(nominee.nomination.stage, NominationStage::Nominated | NominationStage::Approved)
        })
    };
    let standing = agreement.standing(now);
    let open = !matches!(standing, Standing::Expired | Standing::Terminated);
    let people = portal.accounts.of_agency(&agency.id).await?.into_iter();
    let others = people.filter(|account| open && account.disabled_at.is_none() && !named(&account.id));
    let may_name = others.map(|account| choice(account.id.as_str(), format!("{}, {}", account.name, account.email))).collect();
    let mut notices = Vec::new();
    for subject in [agreement.id.as_str(), agency.id.as_str()] {
        notices.extend(notice(portal, subject).await?);
    }
    if let Some(left) = agreement.reminder(now) {
        notices.push(Notice::new(Tone::Look, reminder_words(&agreement, left)).link("Renew it", format!("{}/edit", address(&agreement))));
    }
    let subject = Subject { kind: SubjectKind::Agreement, id: agreement.id.to_string(), name: agreement.reference.clone() };
    let amendments = portal.entitlements.amendments(&agreement.id).await?;
    let shell = who.shell(portal, &format!("Agreement {}", agreement.reference), Place::Agencies).await?;
    html(&AgreementPage {
        csrf: shell.csrf.clone(),
        shell,
        agency_id: agency.slug,
        facts: facts(&agreement),
        notices,
        nominees: nominees.iter().map(nominee_row).collect(),
        may_name,
        account,
        all_grants: grants.after.is_some().then(|| links::query("/admin/grants", &[("agreement", agreement.id.as_str())])),
        total_grants: grants.total,
        grants: grants.rows.iter().map(|line| grant_row(line, now)).collect(),
        amendments: amendments.iter().map(|of| amendment(of, &agreement, who)).collect(),
        terms: terms.first().map(|newest| newest.version),
        documents: documents.iter().filter(|document| !document.replaced).count(),
        may_sign: agreement.draft && open,
        may_edit: open,
        may_end: open,
        suspend: (open && !agreement.draft && !agreement.suspended).then(|| form_address(&subject)),
        agreement: row(&agreement, &agency.name, in_force, now),
        reason: trouble.reason,
        errors: trouble.errors,
    })
}

/// What the paper says, in the order in which it would.
fn facts(of: &Agreement) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |label: &'static str, text: String| {
        if !text.is_empty() {
            facts.push(Fact { label, text });
        }
    };
    add("Kind", of.paper.kind.clone());
    add("Signed", of.signed_at.map(|at| day(at.micros())).unwrap_or_default());
    add("Covers", if of.reach.covers.is_empty() { "Any product".to_owned() } else { series(&of.reach.covers) });
    let networks: Vec<String> = of.reach.addresses.iter().map(ToString::to_string).collect();
    add("Read from", if networks.is_empty() { "Any network".to_owned() } else { series(&networks) });
    add("Sites", of.paper.sites.join(", "));
    add("Export control", of.paper.export_class.clone());
    add("Renewal", of.paper.renewal.clone());
    add("Handling", of.paper.handling.clone());
    facts
}

fn amendment(of: &Amendment, agreement: &Agreement, who: &SignedIn) -> AmendmentView {
    let own = of.proposed.by == *who.principal.account();
    let open = of.stage == AmendmentStage::Proposed;
    let networks: Vec<String> = of.reach.addresses.iter().map(ToString::to_string).collect();
    let mut changes = Vec::new();
    if of.until != agreement.term.until || !open {
        changes.push(format!("The term ends on {}", day(last_moment(of.until))));
    }
    if of.reach.addresses != agreement.reach.addresses {
        changes.push(if networks.is_empty() { "read from any network".to_owned() } else { format!("read from {}", series(&networks)) });
    }
    if of.reach.covers != agreement.reach.covers {
        let covers = &of.reach.covers;
        changes.push(if covers.is_empty() { "covers any product".to_owned() } else { format!("covers {}", series(covers)) });
    }
    let (state, class) = match of.stage {
        AmendmentStage::Proposed => ("Awaits approval", "look"),
        AmendmentStage::Approved => ("Approved", "done"),
        AmendmentStage::Refused => ("Refused", "danger"),
    };
    let decided = of.decided.as_ref().zip(of.decider.as_ref());
    AmendmentView {
        id: of.id.to_string(),
        sentence: format!("{}.", changes.join("; ")),
        reason: of.reason.clone(),
        proposed: format!("{}, {}", of.proposer, moment(of.proposed.at.micros())),
        decided: decided.map(|(act, name)| format!("{name}, {}", moment(act.at.micros()))),
        refusal: of.refusal.clone(),
        may_approve: open && !own,
        may_refuse: open,
        own: open && own,
        state,
        class,
    }
}

pub(super) fn row(agreement: &Agreement, agency: &str, grants_in_force: u64, now: Timestamp) -> AgreementRow {
    AgreementRow {
        id: agreement.id.to_string(),
        reference: agreement.reference.clone(),
        agency: agency.to_owned(),
        from: agreement.term.from.micros(),
        until: last_moment(agreement.term.until),
        state: agreement.standing(now),
        grants_in_force,
    }
}

/// "GSP-1 with Agency One ends in 6 days, on 3 March 2027."
pub(in crate::web) fn reminder_words(of: &Agreement, ahead: std::time::Duration) -> String {
    let [_, month, week] = REMINDERS;
    let within = match ahead {
        ahead if ahead == week => "seven days",
        ahead if ahead == month => "thirty days",
        _ => "ninety days",
    };
    format!("{} ends within {within}, on {}. What is granted under it ends with it.", of.reference, day(last_moment(of.term.until)))
}
