//! A person's page, and what administrators do there: their invitation, their role, their lock and their sessions.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::grants::{agencies, choice};
use super::nominations::row as nominee_row;
use super::people::row;
use super::{Because, Nothing, Trouble, again, confirmed, done};
use crate::accounts::{Account, AccountError, Invitation, InvitationStage, Role, RoleChange};
use crate::clock::Timestamp;
use crate::entitlements::EntitlementError;
use crate::ids::{AccountId, AgencyId};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::{html, session_row};
use crate::web::views::admin::people::{ChangeView, Doing, InvitationView, PersonPage};
use crate::web::views::format::{counted, moment};
use crate::web::views::shell::Place;

type Answer = Result<Response, WebError>;

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let account = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&account)).await?;
    page(&who, &portal, account, trouble).await
}

pub(super) async fn lock(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let account = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let by = confirmed(&who, &portal, &address(&account), "lock this account", &reason).await?;
    let locked = portal.accounts.lock(&account.id, &reason, &by, &who.visit.context).await;
    answer(&who, &portal, &account, locked, "Locked. Their sessions have ended.", reason).await
}

pub(super) async fn unlock(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, _: Protected<Nothing>) -> Answer {
    let account = find(&portal, &id).await?;
    let by = confirmed(&who, &portal, &address(&account), "unlock this account", "").await?;
    let unlocked = portal.accounts.unlock(&account.id, &by, &who.visit.context).await;
    answer(&who, &portal, &account, unlocked, "Unlocked. They can sign in again.", String::new()).await
}

/// A person left their agency: no agreement names them any more, and their account is locked.
pub(super) async fn leave(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Because>) -> Answer {
    let account = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let by = confirmed(&who, &portal, &address(&account), "end this person's access", &reason).await?;
    let left = portal.entitlements.leave(&portal.accounts, &account.id, &reason, &by, &who.visit.context).await;
    answer(&who, &portal, &account, left, "They read nothing any more: no agreement names them, and the account is locked.", reason).await
}

#[derive(Deserialize)]
pub(super) struct Ending {
    /// Empty for all of them.
    #[serde(default)]
    session: String,
}

pub(super) async fn end_session(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Ending>,
) -> Answer {
    let account = find(&portal, &id).await?;
    let session = form.into_inner().session;
    let (context, by) = (&who.visit.context, &who.principal);
    let ended = match session.as_str() {
        "" => portal.accounts.end_sessions(&account.id, by, context).await.map(drop),
        short => portal.accounts.end_session(&account.id, short, by, context).await,
    };
    answer(&who, &portal, &account, ended, "Ended, from the next request on.", String::new()).await
}

pub(super) async fn approve_invitation(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    _: Protected<Nothing>,
) -> Answer {
    let account = find(&portal, &id).await?;
    let invitation = portal.accounts.invitation_of(&account.id).await?.ok_or(WebError::NotFound)?;
    let by = confirmed(&who, &portal, &address(&account), "approve this invitation", "").await?;
    let approved = portal.accounts.approve_invitation(&invitation.id, &by, &who.visit.context).await;
    answer(&who, &portal, &account, approved, "Approved. Their link works for seven days from now.", String::new()).await
}

pub(super) async fn withdraw_invitation(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    _: Protected<Nothing>,
) -> Answer {
    let account = find(&portal, &id).await?;
    let invitation = portal.accounts.invitation_of(&account.id).await?.ok_or(WebError::NotFound)?;
    let withdrawn = portal.accounts.withdraw_invitation(&invitation.id, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &account, withdrawn, "Withdrawn. Their link opens nothing any more.", String::new()).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Proposing {
    role: String,
    agency: String,
    reason: String,
}

pub(super) async fn propose_role(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Proposing>,
) -> Answer {
    let account = find(&portal, &id).await?;
    let typed = form.into_inner();
    let agency: Option<AgencyId> = match typed.agency.as_str() {
        "" => None,
        key => portal.entitlements.agency(key).await?.map(|agency| agency.id),
    };
    let invalid = || AccountError::Invalid { field: "role", problem: "Choose what the account is to be for.".to_owned() };
    let proposed = match typed.role.parse::<Role>() {
        Ok(role) => portal.accounts.propose_role(&account.id, (role, agency), &typed.reason, &who.principal, &who.visit.context).await,
        Err(()) => Err(invalid()),
    };
    answer(&who, &portal, &account, proposed.map(drop), "Proposed. Another administrator has to approve it.", typed.reason).await
}

pub(super) async fn approve_role(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    _: Protected<Nothing>,
) -> Answer {
    let account = find(&portal, &id).await?;
    let change = portal.accounts.proposed_role(&account.id).await?;
    let by = confirmed(&who, &portal, &address(&account), "approve this change of role", "").await?;
    let approved = match change {
        Some(change) => portal.entitlements.approve_role(&portal.accounts, &change.id, &by, &who.visit.context).await,
        None => Err(EntitlementError::Conflict),
    };
    answer(&who, &portal, &account, approved, "Approved. Their sessions have ended; they have the new role from now on.", String::new())
        .await
}

pub(super) async fn refuse_role(
    who: Administering,
    State(portal): State<AppState>,
    Path(id): Path<String>,
    form: Protected<Because>,
) -> Answer {
    let account = find(&portal, &id).await?;
    let reason = form.into_inner().reason;
    let refused = match portal.accounts.proposed_role(&account.id).await? {
        Some(change) => portal.accounts.refuse_role(&change.id, &reason, &who.principal, &who.visit.context).await,
        None => Err(AccountError::Conflict),
    };
    answer(&who, &portal, &account, refused, "Refused. Their role stays as it is.", reason).await
}

/// What was done, or the person's page again with what kept it from being done.
pub(super) async fn answer(
    who: &SignedIn,
    portal: &AppState,
    account: &Account,
    result: Result<(), impl Into<EntitlementError>>,
    sentence: &str,
    reason: String,
) -> Answer {
    let Err(error) = result else { return done(who, sentence, &address(account)).await };
    let (status, trouble) = Trouble::of(error, reason)?;
    Ok(again(status, page(who, portal, find(portal, account.id.as_str()).await?, trouble).await?))
}

pub(super) async fn find(portal: &AppState, id: &str) -> Result<Account, WebError> {
    portal.accounts.find(id).await?.ok_or(WebError::NotFound)
}

pub(super) fn address(account: &Account) -> String {
    format!("/admin/people/{}", account.id)
}

pub(super) async fn page(who: &SignedIn, portal: &AppState, account: Account, trouble: Trouble) -> Answer {
    let me = who.principal.account();
    let now = portal.clock.now();
    let shell = who.shell(portal, &account.name, Place::People).await?;
    let nominees = portal.entitlements.nominations_of(&account.id).await?;
    let invitation = portal.accounts.invitation_of(&account.id).await?;
    let change = portal.accounts.proposed_role(&account.id).await?;
    let reset = portal.accounts.reset_of(&account.id).await?;
    let sessions = portal.accounts.sessions_of(&account.id).await?;
    let open = account.disabled_at.is_none();
    let locked = account.disabled_at.map(|at| {
        let by = account.lock.name.as_deref().map(|name| format!(" by {name}")).unwrap_or_default();
        let why = account.lock.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{}{by}{why}", moment(at.micros()))
    });
    let roles = Role::ALL.into_iter().map(|role| choice(role.as_str(), role.title())).collect();
    html(&PersonPage {
        csrf: shell.csrf.clone(),
        shell,
        created_at: account.created_at.micros(),
        locked,
        acts: acts(&account, open && account.id != *me),
        may_unlock: !open && account.lock.by.as_ref() != Some(me),
        why_not: match (open, account.id == *me, account.lock.by.as_ref() == Some(me)) {
            (true, true, _) => Some("Nobody locks their own account. Ask another administrator."),
            (false, _, true) => Some("You locked this account, so another administrator has to unlock it."),
            _ => None,
        },
        invitation: if account.joined { None } else { Some(invitation.map_or_else(uninvited, |of| invitation_view(&of, me, now))) },
        resets: super::resets::choices(&account, me, reset.is_some()),
        reset: reset.map(|of| super::resets::view(&of, &account, me)),
        factor: factor(portal, &account).await?,
        may_propose: open && account.joined && change.is_none(),
        change: change.map(|of| change_view(&of, &account, me)),
        roles,
        agencies: agencies(portal).await?,
        failures: failures(portal, &account).await?,
        sessions: sessions.into_iter().map(|session| session_row(portal, session, who.principal.session())).collect(),
        nominees: nominees.iter().map(nominee_row).collect(),
        person: row(account),
        reason: trouble.reason,
        errors: trouble.errors,
    })
}

/// What takes a reason and one hand.
fn acts(account: &Account, may: bool) -> Vec<Doing> {
    let mut acts = Vec::new();
    if may && account.role == Role::Reviewer {
        acts.push(Doing {
            verb: "leave",
            opens: "Has left the agency",
            button: "End all access",
            hint: "Why, for example that they changed their employer. No agreement names them any more, their account is locked, and their \
                   sessions end with the next request.",
        });
    }
    if may {
        acts.push(Doing {
            verb: "lock",
            opens: "Lock account",
            button: "Lock account",
            hint: "Why. Their sessions end with the next request; another administrator can unlock it.",
        });
    }
    acts
}

/// Of somebody whom their agency's directory entered.
fn uninvited() -> InvitationView {
    InvitationView {
        sentence: "Their agency's directory entered them. Nobody has made a link for them yet.".to_owned(),
        first: true,
        may_approve: false,
        may_withdraw: false,
        why_not: None,
    }
}

fn invitation_view(of: &Invitation, me: &AccountId, now: Timestamp) -> InvitationView {
    let by = of.inviter.as_deref().unwrap_or("the command line");
    let own = of.invited_by.as_ref() == Some(me);
    let until = moment(of.expires_at.micros());
    let proposed = of.stage == InvitationStage::Proposed;
    let sentence = match of.stage {
        InvitationStage::Proposed => format!("Invited by {by}. The link opens nothing before another administrator approves it."),
        InvitationStage::Open if of.is_live(now) => {
            format!("Invited by {by}. The link that {by} was shown can be used once, until {until}.")
        }
        InvitationStage::Open => format!("Invited by {by}. The link could be used until {until}, and was not."),
        InvitationStage::Used | InvitationStage::Withdrawn => "The link was withdrawn before it was used.".to_owned(),
    };
    InvitationView {
        sentence,
        first: false,
        may_approve: proposed && !own,
        may_withdraw: proposed || of.is_live(now),
        why_not: (proposed && own).then_some("You made this link, so another administrator has to approve it."),
    }
}

fn change_view(of: &RoleChange, account: &Account, me: &AccountId) -> ChangeView {
    let agency = of.agency.as_ref().map(|agency| format!(" of {}", agency.name)).unwrap_or_default();
    let loses = if of.from == Role::Reviewer { " No agreement will name them any more, so they will read nothing." } else { "" };
    let why_not = match (of.proposed.by == *me, account.id == *me) {
        (true, _) => Some("You proposed this, so another administrator has to approve it."),
        (false, true) => Some("This is your own role, so another administrator has to approve it."),
        (false, false) => None,
    };
    ChangeView {
        sentence: format!(
            "{} is to be {}{agency} instead of {}, as {} proposed on {}. Their sessions will end.{loses}",
            of.name,
            of.to.noun(),
            of.from.noun(),
            of.proposer,
            moment(of.proposed.at.micros()),
        ),
        why: of.reason.clone(),
        may_approve: why_not.is_none(),
        why_not,
    }
}

/// Whether they have a second factor, in a sentence.
async fn factor(portal: &AppState, account: &Account) -> Result<String, WebError> {
    Ok(match portal.accounts.second_factor_of(&account.id).await? {
        Some(of) => {
            let left = counted(of.codes_left, "recovery code is", "recovery codes are");
            format!("Password and second factor, since {}. {left} left.", moment(of.since.micros()))
        }
        None if !account.joined => "No password was chosen yet.".to_owned(),
        None if account.reset_at.is_some() => "Nothing, before they choose another password.".to_owned(),
        None => "Password alone; no second factor is set up.".to_owned(),
    })
}

/// What sign-in has counted against the account, in a sentence.
async fn failures(portal: &AppState, account: &Account) -> Result<Option<String>, WebError> {
    let of = portal.accounts.failures(&account.email).await?;
    if of.number == 0 {
        return Ok(None);
    }
    let held = of
        .held_until
        .map(|until| format!(" Until {} nobody can try again but from addresses that signed in to it before.", moment(until.micros())));
    Ok(Some(format!(
        "{} lately, the last one on {}.{} Sign-in slows down by itself: after five from one address, and after twenty from anywhere, each \
         further one waits longer, up to fifteen minutes for the address and one for the account.",
        counted(of.number, "wrong password or code", "wrong passwords or codes"),
        moment(of.last_at.micros()),
        held.unwrap_or_default(),
    )))
}
