//! One grant: its life so far, what it opens in words, and deciding on it.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::fields::last_moment;
use super::grants::{scope_words, state_of};
use super::previews::{self, Asked};
use super::suspensions::{form_address, notice};
use super::{Because, Trouble, again, confirmed, done};
use crate::access::fits;
use crate::catalog::RepoPath;
use crate::clock::Timestamp;
use crate::entitlements::{EntitlementError, Figures, Line, NominationStage, Readers, Review, State as Life, Subject, SubjectKind};
use crate::ids::AccountId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::grants::{Decisions, GrantPage, GrantState, Reveal, Step, StepState};
use crate::web::views::format::{count, counted, day, moment, series};
use crate::web::views::shell::{Notice, Place, Tone};

type Answer = Result<Response, WebError>;

/// What a page of a grant shows besides.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Shows {
    /// "now": what it opens, of a grant that was decided on.
    opens: String,
}

/// What an approver looked at.
#[derive(Deserialize)]
pub(super) struct Looked {
    #[serde(default)]
    seen: String,
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, Query(shows): Query<Shows>) -> Answer {
    let line = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&line)).await?;
    page(&who, &portal, line, trouble, shows.opens == "now").await
}

pub(super) async fn approve(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Looked>) -> Answer {
    let line = find(&portal, &id).await?;
    let digest = form.into_inner().seen;
    let by = confirmed(&who, &portal, &address(&line), "approve this grant", "").await?;
    let mut seen = None;
    if may_approve(&portal, &line, &who) {
        let foreseen = previews::foresee_grant(&who, &portal, &line).await?;
        seen = previews::seen(&who, &foreseen, &digest).await?;
        // Somebody may have decided meanwhile. What cannot be approved is told below, whatever was looked at.
        let line = find(&portal, &id).await?;
        if seen.is_none() && may_approve(&portal, &line, &who) {
            let sentence = if digest.is_empty() {
                "Nothing was approved: look at what it opens first. It is shown here."
            } else {
                "Nothing was approved: what it opens has changed since you looked. This is what it opens now."
            };
            let trouble = Trouble::at(String::new(), "", sentence);
            return Ok(again(StatusCode::CONFLICT, page(&who, &portal, line, trouble, false).await?));
        }
    }
    let decided = portal.entitlements.approve_seen(&line.entitlement.id, seen.as_ref(), &by, &who.visit.context).await;
    answer(&who, &portal, &id, (decided, "Approved.", String::new())).await
}

pub(super) async fn refuse(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let line = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let decided = portal.entitlements.refuse(&line.entitlement.id, &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &id, (decided, "Refused. It opens nothing.", reason)).await
}

pub(super) async fn revoke(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let line = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let by = confirmed(&who, &portal, &address(&line), "revoke this grant", &reason).await?;
    let decided = portal.entitlements.revoke(&line.entitlement.id, &reason, &by, &who.visit.context).await;
    answer(&who, &portal, &id, (decided, "Revoked. It opens nothing from the next request on.", reason)).await
}

/// Says that access given alone was justified.
pub(super) async fn justified(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Because>,
) -> Answer {
    reviewed(&who, &portal, &id, Review::Justified, form.into_inner().reason).await
}

/// Says that it should not have been given.
pub(super) async fn objected(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Because>,
) -> Answer {
    reviewed(&who, &portal, &id, Review::Objected, form.into_inner().reason).await
}

async fn reviewed(who: &SignedIn, portal: &AppState, id: &str, review: Review, reason: String) -> Answer {
    let line = find(portal, id).await?;
    let by = confirmed(who, portal, &address(&line), "review this access", &reason).await?;
    let done = portal.entitlements.review(&line.entitlement.id, review, &reason, &by, &who.visit.context).await;
    answer(who, portal, id, (done, "Reviewed. It stands in the record.", reason)).await
}

/// Onward when it was decided; otherwise the grant as it is now, with what stood in the way.
async fn answer(who: &SignedIn, portal: &AppState, id: &str, decided: (Result<(), EntitlementError>, &str, String)) -> Answer {
    let (result, sentence, reason) = decided;
    let Err(error) = result else { return done(who, sentence, &format!("/admin/grants/{id}")).await };
    let (status, trouble) = Trouble::of(error, reason)?;
    Ok(again(status, page(who, portal, find(portal, id).await?, trouble, false).await?))
}

fn may_approve(portal: &AppState, line: &Line, who: &SignedIn) -> bool {
    let now = portal.clock.now();
    Choices::of(line, state_of(line, now), who, now).may.approve
}

async fn find(portal: &AppState, id: &str) -> Result<Line, WebError> {
    portal.entitlements.grant(id).await?.ok_or(WebError::NotFound)
}

fn address(line: &Line) -> String {
    format!("/admin/grants/{}", line.entitlement.id)
}

async fn page(who: &SignedIn, portal: &AppState, line: Line, trouble: Trouble, opens: bool) -> Answer {
    let now = portal.clock.now();
    let people = people(portal, &line).await?;
    let agency = portal.entitlements.agency(line.agency.as_str()).await?.ok_or(WebError::NotFound)?;
    let shell = who.shell(portal, &format!("Grant {} to {}", line.product_title, line.agency_name), Place::Grants).await?;
    let state = state_of(&line, now);
    let choices = Choices::of(&line, state, who, now);
    // What waits for a decision is shown to whoever may decide; of the rest it is counted when somebody asks.
    let reveal = if opens || state == GrantState::Proposed { Some(reveal(who, portal, &line).await?.0) } else { None };
    let notices = notices(portal, &line, state, reveal.is_none(), people.is_empty()).await?;
    let subject = Subject {
        kind: SubjectKind::Grant,
        id: line.entitlement.id.to_string(),
        name: format!("{} under {}", line.product_title, line.agreement_reference),
    };
    let emergency = line.entitlement.emergency.as_ref();
    let texts = |paths: &[RepoPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    let scope = &line.entitlement.scope;
    let whole = scope.includes.iter().any(RepoPath::is_root);
    html(&GrantPage {
        csrf: shell.csrf.clone(),
        shell,
        id: line.entitlement.id.to_string(),
        state,
        agency_id: agency.slug,
        steps: steps(&line, state, now),
        sentence: sentence(&line, state, people.len(), now),
        reveal,
        notices,
        agreement_id: line.entitlement.agreement.to_string(),
        agreement_from: line.agreement_term.from.micros(),
        agreement_until: last_moment(line.agreement_term.until),
        people,
        versions: line.entitlement.versions.join(", "),
        include: if whole { Vec::new() } else { texts(&scope.includes) },
        exclude: texts(&scope.excludes),
        from: line.entitlement.window.from.micros(),
        until: last_moment(line.entitlement.window.until),
        may: choices.may,
        may_review: emergency.is_some_and(|of| of.reviewed.is_none()) && line.entitlement.proposed.by != *who.principal.account(),
        review: emergency.and_then(|of| of.review.clone().zip(line.reviewer.clone())).map(|(said, by)| format!("{by} found it {said}")),
        everybody: line.entitlement.readers == Readers::Everybody,
        suspend: (choices.may.revoke && !line.suspended).then(|| form_address(&subject)),
        why_not: choices.why_not.map(str::to_owned),
        reason: trouble.reason,
        errors: trouble.errors,
        agency: line.agency_name,
        product: line.product_title,
        agreement: line.agreement_reference,
        purpose: line.entitlement.purpose,
    })
}

/// What it opens, counted now, and what has changed since it was proposed.
pub(super) async fn reveal(who: &SignedIn, portal: &AppState, line: &Line) -> Result<(Reveal, Figures), WebError> {
    let agreement = portal.entitlements.agreement(line.entitlement.agreement.as_str()).await?.ok_or(WebError::NotFound)?;
    let foreseen = previews::foresee_grant(who, portal, line).await?;
    let asked = Asked {
        product: &line.product_name,
        scope: &line.entitlement.scope,
        versions: &line.entitlement.versions,
        until: line.entitlement.window.until,
        agreement: &agreement,
    };
    let (reveal, preview) = previews::show(who, portal, foreseen, &asked).await?;
    let figures = preview.figures();
    Ok((Reveal { since: previews::since(line.foreseen.as_ref(), &figures), ..reveal }, figures))
}

/// What this administrator may do about a grant now. The room decides again when it is done.
#[derive(Debug, PartialEq, Eq)]
struct Choices {
    may: Decisions,
    why_not: Option<&'static str>,
}

/// What an administrator did about a grant before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Proposed,
    Approved,
}

impl Choices {
    fn of(line: &Line, state: GrantState, who: &SignedIn, now: Timestamp) -> Self {
        let me = who.principal.account();
        let before = match &line.entitlement {
            grant if grant.proposed.by == *me => Before::Proposed,
            grant if grant.approvals.iter().any(|act| act.by == *me) => Before::Approved,
            _ => Before::Nothing,
        };
        Self::at(state, before, now >= line.entitlement.window.until)
    }

    fn at(state: GrantState, before: Before, over: bool) -> Self {
        let proposed = state == GrantState::Proposed;
        let may = Decisions {
            approve: proposed && before == Before::Nothing && !over,
            refuse: proposed,
            revoke: matches!(state, GrantState::NotYet | GrantState::InForce | GrantState::Suspended),
        };
        let why_not = match (state, before) {
            (GrantState::Proposed, _) if over => Some("Its window has ended, so it cannot be approved any more. Propose it anew."),
            (GrantState::Proposed, Before::Proposed) => {
                Some("You proposed this grant, so another administrator has to approve it. You can take it back by refusing it.")
            }
            (GrantState::Proposed, Before::Approved) => Some("You have approved it. It waits for another administrator."),
            (GrantState::Ended, _) => Some("It has ended by itself. Propose a new one to open this again."),
            (GrantState::Lapsed, _) => Some("It has lapsed: nobody confirmed it in time. Propose a new one to open this again."),
            (GrantState::Refused, _) => Some("It was refused. Propose it anew to have it decided again."),
            (GrantState::Revoked, _) => Some("It was revoked. Propose a new one to open this again."),
            _ => None,
        };
        Self { may, why_not }
    }
}

fn steps(line: &Line, state: GrantState, now: Timestamp) -> Vec<Step> {
    let step = |text: String, state| Step { text, state };
    let by = |did: &str, name: &Option<String>, at: Timestamp| {
        format!("{did} by {}, {}", name.as_deref().unwrap_or("an administrator"), moment(at.micros()))
    };
    let grant = &line.entitlement;
    let first = if grant.emergency.is_some() { "Given alone" } else { "Proposed" };
    let mut steps = vec![step(by(first, &Some(line.proposer.clone()), grant.proposed.at), StepState::Done)];
    match &grant.state {
        Life::Proposed => {
            let missing = grant.needed.saturating_sub(i64::try_from(grant.approvals.len()).unwrap_or(0));
            for approved in &grant.approvals {
                steps.push(step(format!("Approved by one administrator, {}", moment(approved.at.micros())), StepState::Done));
            }
            let words = if missing == 1 {
                "Approval by another administrator".to_owned()
            } else {
                format!("Approval by {missing} other administrators")
            };
            steps.push(step(words, StepState::Now));
            steps.push(step(format!("In force from {} to {}", day(line.start().micros()), day(last_moment(line.end()))), StepState::Later));
        }
        Life::Refused { refused, .. } => steps.push(step(by("Refused", &line.decider, refused.at), StepState::Stopped)),
        Life::Approved { approved } => {
            match &grant.emergency {
                None => steps.push(step(by("Approved", &line.decider, approved.at), StepState::Done)),
                Some(of) => steps.push(match &of.reviewed {
                    Some(reviewed) => step(by("Reviewed", &line.reviewer, reviewed.at), StepState::Done),
                    None => step("Review by a second administrator".to_owned(), StepState::Now),
                }),
            }
            steps.push(match state {
                GrantState::NotYet => step(format!("In force from {}", day(line.start().micros())), StepState::Later),
                GrantState::Lapsed => {
                    let on = line.confirm_by.map(|on| day(on.micros())).unwrap_or_default();
                    step(format!("Lapsed on {on}, since nobody confirmed it"), StepState::Stopped)
                }
                GrantState::Ended => step(format!("Ended on {}", day(last_moment(line.end()))), StepState::Done),
                _ => step(format!("In force since {}", day(line.start().max(approved.at).min(now).micros())), StepState::Now),
            });
        }
        Life::Revoked { approved, revoked, .. } => {
            steps.push(step(by("Approved", &line.decider, approved.at), StepState::Done));
            steps.push(step(by("Revoked", &line.revoker, revoked.at), StepState::Stopped));
        }
    }
    steps
}

/// What approving does, or how it stands.
fn sentence(line: &Line, state: GrantState, people: usize, now: Timestamp) -> String {
    let readers = counted(people as u64, "named reviewer", "named reviewers");
    let what = format!("{} of {}, versions {}", opened(line), line.product_title, series(&line.entitlement.versions));
    let (from, until) = (day(line.start().micros()), day(last_moment(line.end())));
    match (&line.entitlement.state, state) {
        (Life::Refused { reason, .. }, _) => format!("It was refused and opens nothing. The reason: {reason}"),
        (Life::Revoked { reason, .. }, _) => format!("It was revoked and opens nothing. The reason: {reason}"),
        (Life::Proposed, _) if now < line.start() => {
            format!(
                "Approving opens {what}, to {readers} of {}. It takes effect on {from} and ends by itself on {until}.",
                line.agency_name
            )
        }
        (Life::Proposed, _) => {
            format!("Approving opens {what}, to {readers} of {}. It takes effect at once and ends by itself on {until}.", line.agency_name)
        }
        (_, GrantState::NotYet) => {
            format!("It opens {what}, to {readers} of {}, from {from} on, and ends by itself on {until}.", line.agency_name)
        }
        (_, GrantState::Lapsed) => {
            let on = line.confirm_by.map(|on| day(on.micros())).unwrap_or_default();
            format!("It opened {what}, to {}, and lapsed on {on}: no administrator confirmed it in time.", line.agency_name)
        }
        (_, GrantState::Ended) => format!("It opened {what}, to {}, and ended on {until}.", line.agency_name),
        _ => format!("It opens {what}, to {readers} of {}, and ends by itself on {until}.", line.agency_name),
    }
}

/// The paths within a sentence: "all", "net and tests without tests/keys".
fn opened(line: &Line) -> String {
    let words = scope_words(&line.entitlement.scope);
    words.strip_prefix("All of it").map_or_else(|| words.clone(), |rest| format!("all{rest}"))
}

/// Names of the people it is for whom the agreement names and whose accounts are open.
async fn people(portal: &AppState, line: &Line) -> Result<Vec<String>, WebError> {
    let nominees = portal.entitlements.nominees(&line.entitlement.agreement).await?.into_iter();
    let meant = |account: &AccountId| match &line.entitlement.readers {
        Readers::Everybody => true,
        Readers::These(accounts) => accounts.contains(account),
    };
    let named = nominees.filter(|of| of.nomination.stage == NominationStage::Approved && !of.disabled && meant(&of.nomination.account));
    Ok(named.map(|of| of.name).collect())
}

/// What an approver should know before deciding.
async fn notices(portal: &AppState, line: &Line, state: GrantState, uncounted: bool, nobody: bool) -> Result<Vec<Notice>, WebError> {
    let mut notices = Vec::new();
    if matches!(state, GrantState::Refused | GrantState::Revoked | GrantState::Ended) {
        return Ok(notices);
    }
    let agreement = format!("/admin/agreements/{}", line.entitlement.agreement);
    let hangs_on =
        [line.entitlement.id.as_str(), line.entitlement.agreement.as_str(), line.agency.as_str(), line.entitlement.product.as_str()];
    for subject in hangs_on {
        notices.extend(notice(portal, subject).await?);
    }
    if let (Some(on), Some(campaign)) = (line.confirm_by, portal.entitlements.campaign_of(&line.entitlement.id).await?) {
        let (text, label) = if state == GrantState::Lapsed {
            (format!("Nobody confirmed it in the campaign {}.", campaign.name), "The campaign")
        } else {
            (
                format!("It lapses on {} unless an administrator confirms it, in the campaign {}.", day(on.micros()), campaign.name),
                "How it was used",
            )
        };
        let href = format!("/admin/campaigns/{}/grants/{}", campaign.id, line.entitlement.id);
        notices.push(Notice::new(Tone::Look, text).link(label, href));
    }
    if let Some(of) = &line.entitlement.emergency
        && of.reviewed.is_none()
    {
        let text = format!("{} gave this access alone. Another administrator has to say whether that was justified.", line.proposer);
        notices.push(Notice::new(Tone::Danger, text));
    }
    if line.agreement_ended.is_some() {
        let text = "The agreement was ended before its term, so this grant opens nothing, approved or not.";
        notices.push(Notice::new(Tone::Look, text).link("The agreement", &agreement));
    }
    if !uncounted {
        // What was counted says the rest.
        return Ok(notices);
    }
    if nobody {
        let text = "The agreement names no reviewer yet, so nobody can read anything under it.";
        notices.push(Notice::new(Tone::Look, text).link("Name reviewers", &agreement));
    }
    let versions = portal.catalog.versions(&line.entitlement.product).await?;
    let open = versions.iter().filter(|version| fits(&line.entitlement.versions, &version.name)).count();
    notices.push(covered(open, versions.len()));
    Ok(notices)
}

/// How many of the versions published by now it is for.
fn covered(open: usize, published: usize) -> Notice {
    let all = counted(published as u64, "version", "versions");
    let (tone, text) = match (open, published) {
        (_, 0) => (Tone::Look, "No version is published yet.".to_owned()),
        (0, _) => (Tone::Look, format!("Of the {all} published so far it covers none.")),
        (_, _) => (Tone::Done, format!("Of the {all} published so far it covers {}.", count(open as u64))),
    };
    Notice::new(tone, format!("{text} Later ones are covered as soon as they are published, when their names match."))
}

#[cfg(test)]
mod tests {
    use super::super::grants::tests::{act, approved, at, line};
    use super::*;

    #[test]
    fn what_may_be_done_follows_the_state() {
        let choices = |state, before, over| {
            let Choices { may, why_not } = Choices::at(state, before, over);
            (may.approve, may.refuse, may.revoke, why_not.is_some())
        };
        assert_eq!(choices(GrantState::Proposed, Before::Nothing, false), (true, true, false, false));
        assert_eq!(choices(GrantState::Proposed, Before::Proposed, false), (false, true, false, true));
        assert_eq!(choices(GrantState::Proposed, Before::Approved, false), (false, true, false, true));
        assert_eq!(choices(GrantState::Proposed, Before::Nothing, true), (false, true, false, true));
        for before in [Before::Nothing, Before::Proposed, Before::Approved] {
            for state in [GrantState::NotYet, GrantState::InForce, GrantState::Suspended] {
                assert_eq!(choices(state, before, false), (false, false, true, false), "{state:?}");
            }
            for state in [GrantState::Ended, GrantState::Refused, GrantState::Revoked] {
                assert_eq!(choices(state, before, false), (false, false, false, true), "{state:?}");
            }
        }
    }

    #[test]
    fn the_sentence_says_when_it_begins_and_ends() {
        let say = |state, now| {
            let line = line(state);
            sentence(&line, state_of(&line, at(now)), 1, at(now))
        };
        assert_eq!(
            say(Life::Proposed, 150),
            "Approving opens all of Gateway, versions v1.*, to 1 named reviewer of Agency One. \
             It takes effect at once and ends by itself on 1 January 1970."
        );
        assert!(say(Life::Proposed, 99).contains("It takes effect on 1 January 1970"));
        assert!(say(approved(), 150).starts_with("It opens all of Gateway"));
        assert!(say(approved(), 250).contains("ended on"));
        let refused = Life::Refused { refused: act("two", 5), reason: "Too much.".to_owned() };
        assert!(say(refused, 150).ends_with("The reason: Too much."));
    }

    #[test]
    fn steps_end_where_the_grant_does() {
        let last = |state, now| {
            let line = line(state);
            steps(&line, state_of(&line, at(now)), at(now)).pop().unwrap().state
        };
        assert_eq!(last(Life::Proposed, 150), StepState::Later);
        assert_eq!(last(approved(), 50), StepState::Later);
        assert_eq!(last(approved(), 150), StepState::Now);
        assert_eq!(last(approved(), 250), StepState::Done);
        assert_eq!(last(Life::Refused { refused: act("two", 5), reason: String::new() }, 150), StepState::Stopped);
        let revoked = Life::Revoked { approved: act("two", 10), revoked: act("one", 120), reason: String::new() };
        assert_eq!(last(revoked, 150), StepState::Stopped);
    }
}
