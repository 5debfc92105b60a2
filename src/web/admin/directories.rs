//! An agency's identity directory: its tokens, made and revoked, and whom it keeps here.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::grants::choice;
use super::{Nothing, Trouble, account_problem, again, confirmed, done};
use crate::accounts::{AccountError, DIRECTORY_TOKEN_LASTS, DirectoryToken, Standing};
use crate::clock::Timestamp;
use crate::entitlements::{Agency, Kept, KeptAccount};
use crate::ids::DirectoryTokenId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::scim::base;
use crate::web::views::admin::directories::{DirectoryPage, DirectoryRow, TokenMade, TokenRow};
use crate::web::views::format::{counted, day, moment};
use crate::web::views::shell::{Notice, Place, Tone};

type Answer = Result<Response, WebError>;

/// How long a token holds when nothing else is chosen, in days.
const USUAL: u32 = 180;
/// A token that ends within these days is told of.
const SOON: u32 = 21;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    days: String,
}

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let agency = find(&portal, &id).await?;
    let trouble = Trouble::none(&who, &address(&agency)).await?;
    page(&who, &portal, &agency, String::new(), trouble).await
}

/// Makes a token. It is shown here and never again.
pub(super) async fn make(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, form: Protected<Typed>) -> Answer {
    let agency = find(&portal, &id).await?;
    let typed = form.into_inner();
    let by = confirmed(&who, &portal, &address(&agency), "make a token for this directory", &typed.name).await?;
    let days = typed.days.parse().unwrap_or(0);
    match portal.accounts.make_directory_token(&agency.id, &typed.name, days, &by, &who.visit.context).await {
        Ok((token, secret)) => {
            let tokens = portal.accounts.directory_tokens(&agency.id).await?;
            let made = tokens.into_iter().find(|one| one.id == token).ok_or(WebError::NotFound)?;
            let shell = who.shell(&portal, &format!("Token for {}", agency.name), Place::Agencies).await?;
            html(&TokenMade {
                shell,
                url: base(&portal),
                secret: secret.reveal().to_owned(),
                token: made.name,
                expires_at: made.expires_at.micros(),
                id: agency.slug,
                name: agency.name,
            })
        }
        Err(error) => {
            let (status, field, problem) = account_problem(error)?;
            Ok(again(status, page(&who, &portal, &agency, typed.days, Trouble::at(typed.name, field, problem)).await?))
        }
    }
}

pub(super) async fn revoke(
    who: Administering,
    State(portal): State<AppState>,
    Path((id, token)): Path<(String, String)>,
    _: Protected<Nothing>,
) -> Answer {
    let agency = find(&portal, &id).await?;
    let by = confirmed(&who, &portal, &address(&agency), "revoke this token", "").await?;
    match portal.accounts.revoke_directory_token(&agency.id, &DirectoryTokenId::known(token), &by, &who.visit.context).await {
        Ok(()) => done(&who, "Revoked. Nothing is taken with this token from the next request on.", &address(&agency)).await,
        Err(AccountError::Conflict) => {
            let trouble = Trouble::at(String::new(), "", "This token was revoked already.");
            Ok(again(StatusCode::CONFLICT, page(&who, &portal, &agency, String::new(), trouble).await?))
        }
        Err(error) => Err(error.into()),
    }
}

async fn find(portal: &AppState, id: &str) -> Result<Agency, WebError> {
    portal.entitlements.agency(id).await?.ok_or(WebError::NotFound)
}

fn address(agency: &Agency) -> String {
    format!("/admin/agencies/{}/directory", agency.slug)
}

async fn page(who: &SignedIn, portal: &AppState, agency: &Agency, days: String, trouble: Trouble) -> Answer {
    let now = portal.clock.now();
    let tokens = portal.accounts.directory_tokens(&agency.id).await?;
    let kept = portal.entitlements.kept_by_directory(&agency.id).await?;
    let shell = who.shell(portal, &format!("Directory of {}", agency.name), Place::Agencies).await?;
    html(&DirectoryPage {
        csrf: shell.csrf.clone(),
        shell,
        notices: notices(agency, &tokens, now),
        url: base(portal),
        waiting: kept.iter().filter(|one| one.account.as_ref().is_some_and(|account| account.waiting)).count(),
        people: kept.iter().map(|one| person_row(one, agency)).collect(),
        tokens: tokens.into_iter().map(|token| token_row(token, now)).collect(),
        lasts: DIRECTORY_TOKEN_LASTS.iter().map(|days| choice(days.to_string(), format!("{days} days"))).collect(),
        days: if days.is_empty() { USUAL.to_string() } else { days },
        typed: trouble.reason,
        errors: trouble.errors,
        id: agency.slug.clone(),
        name: agency.name.clone(),
    })
}

fn notices(agency: &Agency, tokens: &[DirectoryToken], now: Timestamp) -> Vec<Notice> {
    let mut notices = Vec::new();
    if agency.suspended {
        let text = "The agency is suspended, so its directory is not answered: it learns that it is, and tries again later.";
        notices.push(Notice::new(Tone::Danger, text));
    }
    if agency.ineligible.is_some() {
        let text = "The agency is struck from the eligible: its directory nominates nobody, and still ends people's access.";
        notices.push(Notice::new(Tone::Look, text));
    }
    let soon = now.plus(std::time::Duration::from_secs(u64::from(SOON) * 86_400));
    let holding: Vec<&DirectoryToken> = tokens.iter().filter(|token| token.holds(now)).collect();
    if let Some(last) = holding.iter().map(|token| token.expires_at).max().filter(|last| *last < soon) {
        let text = format!("The last token that holds ends on {}. Make another and give it to the agency before that.", day(last.micros()));
        notices.push(Notice::new(Tone::Look, text));
    }
    notices
}

fn token_row(token: DirectoryToken, now: Timestamp) -> TokenRow {
    let (state, class) = match (&token.revoked, token.holds(now)) {
        (Some(_), _) => ("Revoked", "danger"),
        (None, true) => ("Holds", "done"),
        (None, false) => ("Ended", "quiet"),
    };
    TokenRow {
        may_revoke: token.revoked.is_none(),
        revoked: token.revoked.map(|(at, by)| format!("by {by}, {}", moment(at.micros()))),
        id: token.id.to_string(),
        name: token.name,
        maker: token.maker,
        made_at: token.made_at.micros(),
        expires_at: token.expires_at.micros(),
        used_at: token.used_at.map(Timestamp::micros),
        state,
        class,
    }
}

fn person_row(kept: &Kept, agency: &Agency) -> DirectoryRow {
    let profile = &kept.person.profile;
    let (state, class) = match &kept.account {
        _ if !profile.active => ("Not active", "quiet"),
        None => ("Not nominated", "danger"),
        Some(account) if account.standing == Standing::Locked => ("Account locked", "danger"),
        Some(account) if account.waiting => ("Awaits approval", "look"),
        Some(account) if account.named && account.standing == Standing::Active => ("Named", "done"),
        Some(account) if account.named => ("Named, no password yet", "look"),
        Some(_) => ("Named by no agreement", "quiet"),
    };
    DirectoryRow {
        account: kept.account_id().map(ToString::to_string),
        name: profile.called(),
        user_name: profile.user_name.clone(),
        email: profile.address().unwrap_or_default().to_owned(),
        note: note(kept, agency),
        state,
        class,
    }
}

/// Where what the directory says and what is so here are two things.
fn note(kept: &Kept, agency: &Agency) -> Option<String> {
    let profile = &kept.person.profile;
    let same = |account: &KeptAccount| {
        account.name == profile.called() && profile.address().is_some_and(|address| address.eq_ignore_ascii_case(&account.email))
    };
    match &kept.account {
        None if !profile.active => None,
        None if agency.ineligible.is_some() => Some("Nobody of an agency that is struck from the eligible is nominated.".to_owned()),
        None => Some("Somebody else has an account with this address. The directory is not told.".to_owned()),
        Some(account) if !profile.active && account.standing != Standing::Locked => Some("The account was unlocked here since.".to_owned()),
        Some(account) if !same(account) => Some(format!("Known here as {}, {}.", account.name, account.email)),
        Some(_) => None,
    }
}

/// How an agency's directory stands, in a sentence; none without one.
pub(super) async fn sentence(portal: &AppState, agency: &Agency) -> Result<Option<String>, WebError> {
    let now = portal.clock.now();
    let tokens = portal.accounts.directory_tokens(&agency.id).await?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let kept = portal.entitlements.kept_by_directory(&agency.id).await?;
    let waiting = kept.iter().filter(|one| one.account.as_ref().is_some_and(|account| account.waiting)).count();
    let holding = tokens.iter().filter(|token| token.holds(now)).count();
    let holds = match holding {
        0 => "No token holds".to_owned(),
        1 => "One token holds".to_owned(),
        more => format!("{more} tokens hold"),
    };
    let used = match tokens.iter().filter_map(|token| token.used_at).max() {
        Some(at) => format!("last used {}", moment(at.micros())),
        None => "never used".to_owned(),
    };
    let people = counted(kept.len() as u64, "person", "people");
    Ok(Some(format!("{holds}, {used}. It keeps {people} here, of whom {waiting} await approval.")))
}
