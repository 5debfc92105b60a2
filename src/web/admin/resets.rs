//! Resets of what people sign in with: proposed by one administrator, carried out by another. Each is shown one part, once.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::people::{address_of, row};
use super::person::{address, answer, find};
use super::{Because, Nothing, confirmed};
use crate::accounts::{Account, AccountError, Reset, ResetOf, ResetStage};
use crate::ids::AccountId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::Administering;
use crate::web::page::html;
use crate::web::views::admin::people::{Part, ResetPart, ResetView};
use crate::web::views::format::moment;
use crate::web::views::forms::Choice;
use crate::web::views::shell::Place;

type Answer = Result<Response, WebError>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Proposing {
    what: String,
    reason: String,
}

pub(super) async fn propose(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Proposing>,
) -> Answer {
    let account = find(&portal, &id).await?;
    let Proposing { what, reason } = form.into_inner();
    let proposed = match ResetOf::ALL.into_iter().find(|one| one.as_str() == what) {
        Some(what) => {
            let made = portal.accounts.propose_reset(&account.id, what, &reason, &who.principal, &who.visit.context).await;
            made.map(|(_, code)| (what, code))
        }
        None => Err(AccountError::Invalid { field: "what", problem: "Choose what is to be reset.".to_owned() }),
    };
    match proposed {
        Ok((ResetOf::Password, code)) => part(&who, &portal, account, Part::Code(code.reveal())).await,
        other => answer(&who, &portal, &account, other.map(drop), "Proposed. Another administrator has to carry it out.", reason).await,
    }
}

pub(super) async fn approve(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, _: Protected<Nothing>) -> Answer {
    let account = find(&portal, &id).await?;
    let by = confirmed(&who, &portal, &address(&account), "reset this account", "").await?;
    let reset = portal.accounts.reset_of(&account.id).await?;
    let code_with = reset.as_ref().and_then(|of| of.proposer.clone()).unwrap_or_default();
    let approved = match reset {
        Some(reset) => portal.accounts.approve_reset(&reset.id, &by, &who.visit.context).await,
        None => Err(AccountError::Conflict),
    };
    match approved {
        Ok(Some(link)) => {
            let link = Part::Link { address: address_of(&portal, &link), code_with };
            part(&who, &portal, account, link).await
        }
        other => {
            let sentence = "Their second factor is removed, and their sessions have ended. They sign in with their password.";
            answer(&who, &portal, &account, other.map(drop), sentence, String::new()).await
        }
    }
}

pub(super) async fn refuse(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let account = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let refused = match portal.accounts.reset_of(&account.id).await? {
        Some(reset) => portal.accounts.refuse_reset(&reset.id, &reason, &who.principal, &who.visit.context).await,
        None => Err(AccountError::Conflict),
    };
    answer(&who, &portal, &account, refused, "Refused. Nothing of theirs was reset.", reason).await
}

pub(super) async fn withdraw(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, _: Protected<Nothing>) -> Answer {
    let account = find(&portal, &id).await?;
    let withdrawn = match portal.accounts.reset_of(&account.id).await? {
        Some(reset) => portal.accounts.withdraw_reset(&reset.id, &who.principal, &who.visit.context).await,
        None => Err(AccountError::Conflict),
    };
    answer(&who, &portal, &account, withdrawn, "Withdrawn.", String::new()).await
}

/// The one page that ever shows it.
async fn part(who: &Administering, portal: &AppState, account: Account, part: Part) -> Answer {
    let reset = portal.accounts.reset_of(&account.id).await?.ok_or(WebError::NotFound)?;
    let shell = who.shell(portal, "Reset", Place::People).await?;
    html(&ResetPart { shell, part, expires_at: reset.expires_at.micros(), person: row(account) })
}

/// What can be proposed about somebody.
pub(super) fn choices(account: &Account, me: &AccountId, waits: bool) -> Vec<Choice> {
    if waits || account.id == *me || account.disabled_at.is_some() || !account.joined {
        return Vec::new();
    }
    let mut choices = vec![super::grants::choice(ResetOf::Password.as_str(), "Password, and the second factor with it")];
    if account.second_factor.is_some() {
        choices.push(super::grants::choice(ResetOf::Factor.as_str(), "Second factor only; the password stays"));
    }
    choices
}

pub(super) fn view(of: &Reset, account: &Account, me: &AccountId) -> ResetView {
    let by = of.proposer.as_deref().unwrap_or("the command line");
    let own = of.proposed_by.as_ref() == Some(me);
    let proposed = of.stage == ResetStage::Proposed;
    let (asked, until) = (moment(of.proposed_at.micros()), moment(of.expires_at.micros()));
    let what = match of.what {
        ResetOf::Password => "the password of this account be reset, and its second factor with it",
        ResetOf::Factor => "the second factor of this account be removed",
    };
    let sentence = if proposed {
        format!("{by} asked on {asked} that {what}. Every session of theirs will end. The proposal lapses on {until}.")
    } else {
        let with = of.decider.as_deref().unwrap_or("the command line");
        format!(
            "The password opens nothing any more. They need the link that {with} was shown and the code that {by} was shown, until {until}."
        )
    };
    let why_not = match (proposed, own, account.id == *me) {
        (true, true, _) => Some("You proposed this, so another administrator has to carry it out."),
        (true, false, true) => Some("This is your own account, so another administrator has to carry it out."),
        _ => None,
    };
    ResetView {
        heading: if proposed { "A reset awaits approval" } else { "Has to choose another password" },
        sentence,
        why: of.reason.clone(),
        approve: (proposed && why_not.is_none()).then_some(match of.what {
            ResetOf::Password => "Reset password",
            ResetOf::Factor => "Remove second factor",
        }),
        may_refuse: proposed && !own,
        may_withdraw: own || !proposed,
        why_not,
    }
}
