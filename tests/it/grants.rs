//! Nobody acts alone, and access lapses by itself: grants over HTTP, at their boundary instants, and under two hands at once.

use std::time::Duration;

use lectern::accounts::Role;
use lectern::audit::{Filter, Kind};
use lectern::clock::{Clock, Timestamp};
use lectern::entitlements::State;

use crate::harness::library::MAIN;
use crate::harness::{Backend, DAY, Grant, HOUR, Portal, on_both};

on_both! {
    a_grant_takes_two
    a_revocation_holds_from_the_next_request
    a_grant_begins_and_ends_at_its_instants
    an_agreement_ends_what_hangs_on_it
    of_two_at_once_one_wins_and_the_other_is_told
    what_weighs_asks_for_the_password_again
    odd_forms_are_answered_in_words_and_change_nothing
}

fn file() -> String {
    format!("/p/gateway/v2.0/file/{MAIN}")
}

async fn state(portal: &Portal, id: &str) -> State {
    let lines = portal.rooms.entitlements.list().await.unwrap();
    lines.into_iter().find(|line| line.entitlement.id.as_str() == id).unwrap().entitlement.state
}

async fn a_grant_takes_two(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    let reader = portal.sign_in(&person).await;
    let first = portal.sign_in(&portal.administrators[0]).await;
    let second = portal.sign_in(&portal.administrators[1]).await;
    let slug = agency.name.to_lowercase().replace(' ', "-");
    let fields = [
        ("agency", slug.as_str()),
        ("agreement", agency.agreement.as_str()),
        ("product", "gateway"),
        ("versions", "v2.*"),
        ("include", "src\r\ndocs"),
        ("exclude", "src/net/deep"),
        ("from", "2027-02-03"),
        ("until", "2027-03-31"),
        ("purpose", "review"),
    ];
    let answer = first.propose("/admin/grants/new", &fields).await.is(303);
    let page = answer.location().to_owned();
    let id = page.rsplit('/').next().unwrap().to_owned();
    reader.get(&file()).await.is(404);
    let told = first.approve(&page).await.is(409);
    assert!(told.text().contains("another administrator must"), "{}", told.text());
    assert_eq!(state(&portal, &id).await, State::Proposed);
    reader.get(&file()).await.is(404);
    second.approve(&page).await.is(303);
    reader.get(&file()).await.is(200);
    reader.get(&format!("/p/gateway/v1.0/file/{MAIN}")).await.is(404);
    reader.get("/p/gateway/v2.0/tree/src/net/deep").await.is(404);
    for (kind, by) in [(Kind::EntitlementProposed, 0), (Kind::EntitlementApproved, 1)] {
        let entries = portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await;
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].actor.as_ref().unwrap().account, portal.administrators[by].id);
        assert_eq!(entries[0].basis.as_ref().unwrap().entitlement.as_str(), id);
    }
    // Approving once more is told to be done already, and is not done again.
    second.approve(&page).await.is(409);
    assert_eq!(portal.entries(Filter { kind: Some(Kind::EntitlementApproved), ..Filter::default() }).await.len(), 1);
}

async fn a_revocation_holds_from_the_next_request(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    let grant = portal.grant(&agency, &Grant::of("gateway")).await;
    let reader = portal.sign_in(&person).await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    reader.get(&file()).await.is(200);
    administrator.post(&format!("/admin/grants/{grant}/revoke"), &[("reason", "  ")]).await.is(422);
    reader.get(&file()).await.is(200);
    administrator.post(&format!("/admin/grants/{grant}/revoke"), &[("reason", "over")]).await.is(303);
    reader.get(&file()).await.is(404);
    reader.get("/p").await.is(200);
    assert_eq!(reader.get_json("/search?q=strcpy").await.is(200).json()["total"], 0);
    for act in ["revoke", "refuse", "approve"] {
        administrator.post(&format!("/admin/grants/{grant}/{act}"), &[("reason", "again")]).await.is(409);
    }
    assert!(matches!(state(&portal, grant.as_str()).await, State::Revoked { .. }));
}

async fn a_grant_begins_and_ends_at_its_instants(backend: Backend) {
    let portal = Portal::start(backend).await;
    let now = portal.clock.now();
    let grant = Grant { from: DAY, until: 2 * DAY, ..Grant::of("gateway") };
    let person = portal.reviewer(&[grant]).await;
    let instant = Duration::from_micros(1);
    for (at, before, after) in [(now.plus(DAY), 404, 200), (now.plus(2 * DAY), 200, 404)] {
        portal.clock.set(at.minus(instant));
        let reader = portal.sign_in(&person).await;
        reader.get(&file()).await.is(before);
        portal.clock.set(at);
        reader.get(&file()).await.is(after);
        reader.get(&format!("/p/gateway/v2.0/image/{}", crate::harness::library::LOGO)).await.is(after);
        reader.get("/p/gateway").await.is(after);
    }
}

async fn an_agreement_ends_what_hangs_on_it(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    portal.grant(&agency, &Grant::of("gateway")).await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    let reader = portal.sign_in(&person).await;
    reader.get(&file()).await.is(200);
    administrator.post(&format!("/admin/agreements/{}/end", agency.agreement), &[("reason", "over")]).await.is(303);
    reader.get(&file()).await.is(404);
    assert_eq!(portal.entries(Filter { kind: Some(Kind::AgreementEnded), ..Filter::default() }).await.len(), 1);

    // And one that ends by its term does so at its last instant.
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    portal.grant(&agency, &Grant { until: 730 * DAY, ..Grant::of("gateway") }).await;
    let end = portal.clock.now().plus(730 * DAY);
    portal.clock.set(end.minus(Duration::from_micros(1)));
    let reader = portal.sign_in(&person).await;
    reader.get(&file()).await.is(200);
    portal.clock.set(end);
    reader.get(&file()).await.is(404);
}

async fn of_two_at_once_one_wins_and_the_other_is_told(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    let third = portal.colleague(Role::Administrator).await;
    let second = portal.sign_in(&portal.administrators[1]).await;
    let third = portal.sign_in(&third).await;
    let (one, two) = (second.csrf().await, third.csrf().await);
    for (left, right) in [("approve", "approve"), ("approve", "refuse"), ("refuse", "refuse")].repeat(3) {
        let grant = portal.propose(&agency, &Grant::of("ledger")).await;
        let page = format!("/admin/grants/{grant}");
        let (left, right) = (format!("{page}/{left}"), format!("{page}/{right}"));
        let seen = [second.look(&page).await, third.look(&page).await];
        let fields = seen.each_ref().map(|seen| [("reason", "because"), ("seen", seen.as_str())]);
        let (a, b) = tokio::join!(second.post_with(&left, &one, &fields[0]), third.post_with(&right, &two, &fields[1]));
        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409], "{left} and {right}");
        let loser = if a.status == 409 { a } else { b };
        let text = loser.text();
        assert!(text.contains("at the same moment") || text.contains("was decided already"), "{text}");
        let decided = Filter { kind: None, ..Filter::default() };
        let entries = portal.entries(decided).await;
        let about = |entry: &&lectern::audit::Entry| {
            let kinds = [Kind::EntitlementApproved, Kind::EntitlementRefused];
            kinds.contains(&entry.kind) && entry.basis.as_ref().is_some_and(|basis| basis.entitlement == grant)
        };
        assert_eq!(entries.iter().filter(about).count(), 1);
    }
}

async fn what_weighs_asks_for_the_password_again(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    let grant = portal.propose(&agency, &Grant::of("gateway")).await;
    let person = &portal.administrators[1];
    let administrator = portal.sign_in(person).await;
    portal.clock.advance(Duration::from_secs(601));
    let answer = administrator.approve(&format!("/admin/grants/{grant}")).await.is(303);
    assert!(answer.location().starts_with("/reauthenticate?"), "{}", answer.location());
    assert_eq!(state(&portal, grant.as_str()).await, State::Proposed);
    let next = format!("/admin/grants/{grant}");
    let wrong = administrator.post("/reauthenticate", &[("password", "wrong"), ("next", &next)]).await.is(200);
    assert!(wrong.text().contains("not your password"));
    administrator.approve(&format!("/admin/grants/{grant}")).await.is(303);
    assert_eq!(state(&portal, grant.as_str()).await, State::Proposed);
    let onward = administrator.post("/reauthenticate", &[("password", &person.password), ("next", &next)]).await.is(303);
    assert_eq!(onward.location(), next);
    let done = administrator.approve(&format!("/admin/grants/{grant}")).await.is(303);
    assert_eq!(done.location(), next);
    assert!(matches!(state(&portal, grant.as_str()).await, State::Approved { .. }));
}

async fn odd_forms_are_answered_in_words_and_change_nothing(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    let good = [
        ("agreement", agency.agreement.as_str()),
        ("product", "gateway"),
        ("versions", "*"),
        ("include", "/"),
        ("exclude", ""),
        ("from", "2027-02-03"),
        ("until", "2027-03-31"),
        ("purpose", "review"),
    ];
    for (name, value, says) in [
        ("agreement", "agr_none", "Choose the agreement"),
        ("product", "nothing", "Choose a product"),
        ("versions", "", "at least one pattern"),
        ("versions", "v[", "is no pattern"),
        ("include", "../etc", "Line 1"),
        ("exclude", "/", "nothing would be left"),
        ("from", "yesterday", "Choose the first day"),
        ("until", "2027-02-01", "end after it begins"),
        ("until", "2031-01-01", "beyond its agreement"),
        ("purpose", "", "cannot be left empty"),
    ] {
        let fields: Vec<(&str, &str)> = good.iter().map(|&(key, old)| (key, if key == name { value } else { old })).collect();
        let answer = administrator.propose("/admin/grants/new", &fields).await.is(422);
        assert!(answer.text().contains(says), "{name}={value}: {}", answer.text());
    }
    assert!(portal.rooms.entitlements.list().await.unwrap().is_empty());
    administrator.get("/admin/grants/ent_none").await.is(404);
    administrator.post("/admin/grants/ent_none/approve", &[]).await.is(404);
    administrator.get("/admin/grants?state=odd").await.is(400);
    administrator.get("/admin/grants?agency=none").await.is(404);
    administrator.propose("/admin/grants/new", &good).await.is(303);
    assert!(portal.clock.now() < Timestamp::parse("2027-03-31").unwrap().plus(HOUR));
}
