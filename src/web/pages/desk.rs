//! The desk of whoever signed in.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;

use super::{audit, shelves};
use crate::accounts::Role;
use crate::audit::{Filter, Kind};
use crate::catalog::RepoPath;
use crate::entitlements::{CampaignStage, GrantFilter, Line, NominationFilter, NominationStage, Page, Phase, SuspensionStage, Turn};
use crate::ids::AccountId;
use crate::web::AppState;
use crate::web::admin;
use crate::web::error::WebError;
use crate::web::guard::SignedIn;
use crate::web::page::html;
use crate::web::views::desks::{AdministratorDesk, Ask, AuditorDesk, Figure, RecentFile, ReviewerDesk};
use crate::web::views::format::{counted, day};
use crate::web::views::links;
use crate::web::views::shell::{Notice, Place, Tone};

pub(super) async fn desk(who: SignedIn, State(portal): State<AppState>) -> Result<Response, WebError> {
    match who.principal.role() {
        Role::Reviewer => reviewer(&who, &portal).await,
        Role::Auditor => auditor(&who, &portal).await,
        Role::Administrator => administrator(&who, &portal).await,
    }
}

async fn reviewer(who: &SignedIn, portal: &AppState) -> Result<Response, WebError> {
    if !portal.entitlements.pending_terms(who.principal.account()).await?.is_empty() {
        return Err(WebError::Terms { next: if who.visit.wants_json { String::new() } else { who.visit.address.clone() } });
    }
    let readable = portal.gate.readable(&who.principal).await?;
    html(&ReviewerDesk {
        shell: who.shell(portal, "Desk", Place::Desk).await?,
        agreement: shelves::agreement(portal, who).await?,
        products: readable.iter().map(shelves::card).collect(),
        recent: recent(who, portal, &readable).await?,
    })
}

/// Files this person opened and may read still. Their names were disclosed to the same person, and recorded, then.
async fn recent(who: &SignedIn, portal: &AppState, readable: &[crate::access::Readable]) -> Result<Vec<RecentFile>, WebError> {
    let filter = Filter { person: Some(who.principal.account().as_str().to_owned()), kind: Some(Kind::FileOpened), ..Filter::default() };
    let mut recent: Vec<RecentFile> = Vec::new();
    for entry in portal.log.list(&filter, 60).await?.entries {
        // The filter finds people by parts of a name, too; another's reading is not this person's to see.
        if entry.actor.is_none_or(|actor| actor.account != *who.principal.account()) {
            continue;
        }
        let Some(place) = entry.place else { continue };
        let (Some(version), Some(path)) = (place.version, place.path.filter(|path| path.hex.is_none())) else { continue };
        let Ok(at) = RepoPath::parse(path.text.as_bytes()) else { continue };
        let open = readable
            .iter()
            .filter(|one| one.product.name == place.product)
            .any(|one| one.versions.iter().any(|v| v.name == version && v.scopes.iter().any(|scope| scope.reads(&at))));
        let href = links::file(&place.product, &version, at.bytes());
        if open && recent.len() < 12 && !recent.iter().any(|file| file.href == href) {
            recent.push(RecentFile { path: path.text, href, product: place.product, version, at: entry.at.micros() });
        }
    }
    Ok(recent)
}

async fn auditor(who: &SignedIn, portal: &AppState) -> Result<Response, WebError> {
    // The desk shows entries, so looking at it is recorded as looking at the log is.
    portal.log.append(audit::viewed(who).fact("page", "desk"), &who.visit.context).await?;
    let day = portal.clock.now().minus(Duration::from_secs(86_400));
    let since = |kind| Filter { kind: Some(kind), from: Some(day), ..Filter::default() };
    let mut figures = Vec::new();
    for (kind, words) in [
        (Kind::FileOpened, "files opened in the last day"),
        (Kind::Searched, "searches in the last day"),
        (Kind::AccessDenied, "refusals in the last day"),
        (Kind::SessionOpened, "sign-ins in the last day"),
    ] {
        let number = portal.log.count(&since(kind)).await?;
        let href = links::query("/audit", &[("kind", kind.as_str()), ("from", &day.date())]);
        figures.push(Figure { number, words: words.to_owned(), href });
    }
    let alarms = grants(portal, GrantFilter { unreviewed: true, ..GrantFilter::default() }).await?.rows.into_iter().map(|line| {
        let text = format!(
            "{} gave {} of {} alone, and no other administrator has reviewed it.",
            line.proposer, line.product_title, line.agency_name
        );
        Notice::new(Tone::Danger, text).link("Its entries", "/audit?kind=entitlement.given_alone")
    });
    let refusals = portal.log.list(&Filter { kind: Some(Kind::AccessDenied), ..Filter::default() }, 6).await?;
    let latest = portal.log.list(&Filter::default(), 10).await?;
    html(&AuditorDesk {
        shell: who.shell(portal, "Desk", Place::Desk).await?,
        checkpoint: audit::checkpoint_view(portal).await?,
        figures,
        alarms: alarms.collect(),
        refusals: audit::named(portal, refusals.entries).await?.iter().map(audit::row).collect(),
        latest: audit::named(portal, latest.entries).await?.iter().map(audit::row).collect(),
    })
}

/// The first page of these grants.
async fn grants(portal: &AppState, filter: GrantFilter) -> Result<Page<Line>, WebError> {
    Ok(portal.entitlements.grants(&filter, &Turn::First).await?)
}

async fn administrator(who: &SignedIn, portal: &AppState) -> Result<Response, WebError> {
    let now = portal.clock.now();
    let me = who.principal.account();
    let rows = |page: &Page<Line>| page.rows.iter().map(|line| admin::grant_row(line, now)).collect();
    let proposed = GrantFilter { phase: Some(Phase::Proposed), ..GrantFilter::default() };
    let in_force = GrantFilter { phase: Some(Phase::InForce), ..GrantFilter::default() };
    let soon = now.plus(Duration::from_secs(30 * 86_400));
    let room = &portal.entitlements;
    // Side by side: each waits for the database.
    let (for_me, for_others, ending, unreviewed) = tokio::try_join!(
        grants(portal, GrantFilter { not_by: Some(me.clone()), ..proposed.clone() }),
        grants(portal, GrantFilter { by: Some(me.clone()), ..proposed }),
        grants(portal, GrantFilter { ends_before: Some(soon), soonest_first: true, ..in_force.clone() }),
        grants(portal, GrantFilter { unreviewed: true, ..GrantFilter::default() }),
    )?;
    let (suspended, campaigns, renewals, amendments, to_confirm, granted, agencies) = tokio::try_join!(
        room.suspensions(),
        room.running_campaigns(),
        room.renewals(),
        room.open_amendments(),
        room.to_confirm(&who.principal),
        room.count_grants(&in_force),
        room.count_agencies(),
    )?;
    let products = portal.catalog.products().await?;
    let mut alarms = Vec::new();
    if let Some(alarm) = portal.log.health().alarm() {
        alarms.push(Notice::new(Tone::Danger, format!("Reading is suspended. {alarm}.")));
    }
    alarms.extend(admin::product_alarms(portal).await?);
    if !suspended.is_empty() {
        let text = format!("{}.", counted(suspended.len() as u64, "suspension holds", "suspensions hold"));
        alarms.push(Notice::new(Tone::Look, text).link("Look at them", "/admin/suspensions"));
    }
    for line in &unreviewed.rows {
        let text = format!("{} gave {} of {} alone, and nobody has reviewed it.", line.proposer, line.product_title, line.agency_name);
        alarms.push(Notice::new(Tone::Danger, text).link("Look at it", format!("/admin/grants/{}", line.entitlement.id)));
    }
    for of in campaigns.iter().filter(|of| of.tally.pending > 0) {
        let waiting = counted(of.tally.pending, "grant waits", "grants wait");
        let until = day(admin::last_moment(of.due));
        let text = format!("{waiting} to be confirmed in the campaign {} by {until}, or to lapse.", of.name);
        alarms.push(Notice::new(Tone::Look, text).link("The campaign", format!("/admin/campaigns/{}?state=waiting", of.id)));
    }
    for agreement in renewals {
        let Some(ahead) = agreement.reminder(now) else { continue };
        let href = format!("/admin/agreements/{}", agreement.id);
        alarms.push(Notice::new(Tone::Look, admin::reminder_words(&agreement, ahead)).link("The agreement", href));
    }
    let nominated = NominationFilter { stage: Some(NominationStage::Nominated), ..NominationFilter::default() };
    let nominees = portal.entitlements.nominations(&nominated, &Turn::First).await?;
    let mut asks: Vec<Ask> = Vec::new();
    for of in &nominees.rows {
        asks.push(Ask {
            text: format!("{} of {} under {}", of.name, of.agency, of.agreement),
            what: "Nomination",
            by: admin::nominator(of),
            own: of.nomination.nominated_by.as_ref() == Some(me),
            href: format!("/admin/nominations/{}", of.nomination.id),
        });
    }
    asks.extend(about_people(portal, me).await?);
    for of in amendments {
        let agreement = portal.entitlements.agreement(of.agreement.as_str()).await?;
        asks.push(Ask {
            text: agreement.map(|agreement| agreement.reference).unwrap_or_default(),
            what: "Change of an agreement",
            own: of.proposed.by == *me,
            by: of.proposer,
            href: format!("/admin/agreements/{}", of.agreement),
        });
    }
    for of in campaigns.iter().filter(|of| of.stage == CampaignStage::EndAsked) {
        asks.push(Ask {
            text: of.name.clone(),
            what: "Calling off a campaign",
            by: of.asker.clone().unwrap_or_default(),
            own: of.asked.as_ref().is_some_and(|asked| asked.by == *me),
            href: format!("/admin/campaigns/{}", of.id),
        });
    }
    for of in suspended.iter().filter(|of| of.stage == SuspensionStage::LiftAsked) {
        asks.push(Ask {
            text: of.subject.name.clone(),
            what: "Lifting of a suspension",
            by: of.asker.clone().unwrap_or_default(),
            own: of.asked.as_ref().is_some_and(|asked| asked.by == *me),
            href: format!("/admin/suspensions/{}", of.id),
        });
    }
    let count = |n: u64, (one, many): (&str, &str), href: &str| Figure {
        number: n,
        words: if n == 1 { one } else { many }.to_owned(),
        href: href.to_owned(),
    };
    html(&AdministratorDesk {
        shell: who.shell(portal, "Desk", Place::Desk).await?,
        alarms,
        asks,
        more_nominations: nominees.after.is_some().then_some(nominees.total),
        grants_for_me: for_me.total,
        to_confirm,
        awaiting_me: rows(&for_me),
        awaiting_others: rows(&for_others),
        ending: ending.total,
        ending_soon: rows(&ending),
        figures: vec![
            count(granted, ("grant in force", "grants in force"), "/admin/grants?state=in-force"),
            count(agencies, ("agency", "agencies"), "/admin/agencies"),
            count(portal.accounts.count().await?, ("person", "people"), "/admin/people"),
            count(products.len() as u64, ("product", "products"), "/admin/products"),
        ],
    })
}

/// Invitations, changes of roles and resets that wait for a second administrator.
async fn about_people(portal: &AppState, me: &AccountId) -> Result<Vec<Ask>, WebError> {
    let mut asks = Vec::new();
    for (of, person) in portal.accounts.proposed_invitations().await? {
        asks.push(Ask {
            text: format!("{} as {}", person.name, person.role.noun()),
            what: "Invitation",
            own: of.invited_by.as_ref() == Some(me),
            by: of.inviter.unwrap_or_default(),
            href: format!("/admin/people/{}", person.id),
        });
    }
    for of in portal.accounts.proposed_roles().await? {
        asks.push(Ask {
            text: format!("{}, to become {}", of.name, of.to.noun()),
            what: "Change of a role",
            own: of.proposed.by == *me || of.account == *me,
            by: of.proposer,
            href: format!("/admin/people/{}", of.account),
        });
    }
    for of in portal.accounts.proposed_resets().await? {
        asks.push(Ask {
            text: format!("{}, {}", of.name, of.what.as_str()),
            what: "Reset",
            own: of.proposed_by.as_ref() == Some(me) || of.account == *me,
            by: of.proposer.unwrap_or_default(),
            href: format!("/admin/people/{}", of.account),
        });
    }
    Ok(asks)
}
