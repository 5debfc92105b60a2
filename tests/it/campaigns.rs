//! Campaigns: what nobody confirms lapses at its instant; whoever confirms was shown how it was used; calling one off takes two.

use std::time::Duration;

use lectern::accounts::Role;
use lectern::audit::{Entry, Filter, Kind, Outcome};
use lectern::clock::Clock;
use lectern::ids::EntitlementId;
use serde_json::Value;

use crate::harness::client::Client;
use crate::harness::library::{LOGO, MAIN};
use crate::harness::{Agency, Backend, DAY, Grant, HOUR, Person, Portal, on_both};

on_both! {
    what_nobody_confirms_lapses_at_its_instant
    whoever_confirms_was_shown_how_it_was_used
    calling_off_takes_two_and_nothing_lapses
    of_two_at_once_one_wins
    a_campaign_asks_about_what_is_in_force_or_to_come
    odd_campaigns_are_answered_in_words
}

fn file(product: &str) -> String {
    let path = if product == "ledger" { "src/ledger_main.rs" } else { MAIN };
    format!("/p/{product}/v2.0/file/{path}")
}

/// An agency with a reader of two products, whose grants the first administrator proposed and the second approved, and a third.
struct Scene {
    portal: Portal,
    agency: Agency,
    person: Person,
    third: Person,
    gateway: EntitlementId,
    ledger: EntitlementId,
}

impl Scene {
    async fn set(backend: Backend) -> Self {
        let portal = Portal::start(backend).await;
        let agency = portal.agency().await;
        let person = portal.named(&agency).await;
        let gateway = portal.grant(&agency, &Grant::of("gateway")).await;
        let ledger = portal.grant(&agency, &Grant::of("ledger")).await;
        let third = portal.colleague(Role::Administrator).await;
        Self { portal, agency, person, third, gateway, ledger }
    }

    /// Signed in anew: sessions end while the clock is moved by days.
    async fn first(&self) -> Client {
        self.portal.sign_in(&self.portal.administrators[0]).await
    }

    async fn second(&self) -> Client {
        self.portal.sign_in(&self.portal.administrators[1]).await
    }

    async fn kinds(&self, kind: Kind) -> Vec<Entry> {
        self.portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await
    }

    /// Opened by the first administrator, to the end of this day.
    async fn opened(&self, subject: &str, due: &str) -> String {
        let fields = [("name", "Spring"), ("subject", subject), ("due", due)];
        self.first().await.post("/admin/campaigns/new", &fields).await.is(303).location().to_owned()
    }

    async fn reads(&self, product: &str, status: u16) {
        self.portal.sign_in(&self.person).await.get(&file(product)).await.is(status);
    }
}

/// The entry that says what a page showed, as its form sends it on.
fn examined(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"examined\" value=\"").expect("a form to confirm with");
    rest.split('"').next().unwrap().to_owned()
}

async fn confirm(client: &Client, page: &str, reason: &str) -> crate::harness::client::Answer {
    let seen = examined(&client.get(page).await.is(200).text());
    client.post(&format!("{page}/confirm"), &[("reason", reason), ("examined", &seen)]).await
}

async fn what_nobody_confirms_lapses_at_its_instant(backend: Backend) {
    let scene = Scene::set(backend).await;
    let campaign = scene.opened("", "2027-02-20").await;
    let page = |grant: &EntitlementId| format!("{campaign}/grants/{grant}");
    let second = scene.second().await;
    let grants = second.get("/admin/grants/").await;
    assert_eq!(grants.status.as_u16(), 404);
    let told = second.get(&format!("/admin/grants/{}", scene.ledger)).await.is(200).text();
    assert!(told.contains("It lapses on 21 February 2027"), "{told}");
    let desk = second.get("/").await.is(200).text();
    assert!(desk.contains("2 grants wait to be confirmed in the campaign Spring by 20 February 2027, or to lapse"), "{desk}");
    assert!(desk.contains("2 decisions wait for you."), "{desk}");
    // Whoever proposed it does not confirm it.
    let first = scene.first().await;
    assert!(first.get("/").await.is(200).text().contains("Nothing waits for you."));
    let own = first.get(&page(&scene.gateway)).await.is(200).text();
    assert!(own.contains("You proposed this grant") && !own.contains("name=\"examined\""), "{own}");
    let shown = scene.kinds(Kind::EntitlementExamined).await.last().unwrap().index.to_string();
    let fields = [("reason", "mine"), ("examined", shown.as_str())];
    let refused = first.post(&format!("{}/confirm", page(&scene.gateway)), &fields).await.is(409);
    assert!(refused.text().contains("another administrator must"), "{}", refused.text());
    // Another does, with a reason.
    confirm(&second, &page(&scene.gateway), "  ").await.is(422);
    confirm(&second, &page(&scene.gateway), "the review goes on").await.is(303);
    assert!(second.get("/").await.is(200).text().contains("One decision waits for you."));
    let again = second.get(&page(&scene.gateway)).await.is(200).text();
    assert!(again.contains("Confirmed by") && again.contains("the review goes on") && !again.contains("name=\"examined\""), "{again}");
    let confirmed = scene.kinds(Kind::EntitlementConfirmed).await;
    assert_eq!(confirmed.len(), 1);
    assert_eq!(confirmed[0].basis.as_ref().unwrap().entitlement, scene.gateway);
    assert_eq!(confirmed[0].facts["reason"], Value::from("the review goes on"));

    let due = lectern::clock::Timestamp::parse("2027-02-21").unwrap();
    scene.portal.clock.set(due.minus(Duration::from_micros(1)));
    scene.reads("gateway", 200).await;
    scene.reads("ledger", 200).await;
    assert_eq!(scene.portal.rooms.entitlements.note_lapses().await.unwrap(), 0);
    let late = scene.second().await;
    let look = examined(&late.get(&page(&scene.ledger)).await.is(200).text());
    scene.portal.clock.set(due);
    scene.reads("gateway", 200).await;
    scene.reads("ledger", 404).await;
    let reader = scene.portal.sign_in(&scene.person).await;
    let found = reader.get_json("/search?q=product%3Aledger+main").await.is(200).json();
    assert_eq!(found["total"], 0, "{found}");
    reader.get("/p/ledger").await.is(404);
    reader.get(&format!("/p/ledger/v2.0/image/{LOGO}")).await.is(404);
    let why = scene.portal.refusals(&scene.person.id).await;
    assert!(why.iter().any(|entry| entry.facts["reason"] == "the grant has lapsed, since nobody confirmed it in time"), "{why:?}");
    // Too late, though it was looked at before and the lapse is not noted yet.
    let fields = [("reason", "now"), ("examined", look.as_str())];
    let answer = late.post(&format!("{}/confirm", page(&scene.ledger)), &fields).await.is(409);
    assert!(answer.text().contains("The day of the campaign has come"), "{}", answer.text());
    let second = scene.second().await;
    assert!(second.get("/").await.is(200).text().contains("Nothing waits for you."));
    second.post(&format!("{campaign}/ask"), &[("reason", "oh")]).await.is(409);
    assert!(second.get(&format!("/admin/grants/{}", scene.ledger)).await.is(200).text().contains("Lapsed"));
    let listed = second.get("/admin/grants?state=lapsed").await.is(200).text();
    assert!(listed.contains(scene.ledger.as_str()) && !listed.contains(scene.gateway.as_str()), "{listed}");
    let in_force = second.get("/admin/grants?state=in-force").await.is(200).text();
    assert!(!in_force.contains(scene.ledger.as_str()) && in_force.contains(scene.gateway.as_str()));
    // It is noted once, whoever does it.
    let entitlements = &scene.portal.rooms.entitlements;
    let (one, two) = tokio::join!(entitlements.note_lapses(), entitlements.note_lapses());
    assert_eq!(one.unwrap() + two.unwrap(), 1);
    assert_eq!(entitlements.note_lapses().await.unwrap(), 0);
    let lapsed = scene.kinds(Kind::EntitlementLapsed).await;
    assert_eq!(lapsed.len(), 1);
    assert!(lapsed[0].actor.is_none() && lapsed[0].outcome == Outcome::Done);
    assert_eq!(lapsed[0].basis.as_ref().unwrap().entitlement, scene.ledger);
    scene.reads("ledger", 404).await;
    scene.reads("gateway", 200).await;
    let over = second.get(&campaign).await.is(200).text();
    assert!(over.contains("1 confirmed, 1 lapsed"), "{over}");
}

async fn whoever_confirms_was_shown_how_it_was_used(backend: Backend) {
    let scene = Scene::set(backend).await;
    let reader = scene.portal.sign_in(&scene.person).await;
    reader.get(&file("gateway")).await.is(200);
    reader.get(&file("gateway")).await.is(200);
    reader.get("/p/gateway/v2.0/file/README.md").await.is(200);
    reader.get("/p/gateway/v2.0/file/nothing/here").await.is(404);
    reader.get("/p/gateway/v9/file/nothing/here").await.is(404);
    let idle = scene.portal.named(&scene.agency).await;
    let campaign = scene.opened("", "2027-02-20").await;
    let second = scene.second().await;
    let before = scene.kinds(Kind::CampaignViewed).await.len();
    let list = second.get(&campaign).await.is(200).text();
    assert_eq!(scene.kinds(Kind::CampaignViewed).await.len(), before + 1);
    assert!(list.contains("<td data-label=\"Files opened\" class=\"num\">2</td>"), "{list}");
    assert!(list.contains("<td data-label=\"Refusals\" class=\"num\">2</td>"), "{list}");
    let page = format!("{campaign}/grants/{}", scene.gateway);
    let shown = second.get(&page).await.is(200).text();
    assert!(shown.contains("Never used by") && idle.id != scene.person.id, "{shown}");
    assert!(shown.contains("were refused something of") && shown.contains("2 times since"), "{shown}");
    let entry = scene.kinds(Kind::EntitlementExamined).await.pop().unwrap();
    assert_eq!((&entry.facts["files"], &entry.facts["refusals"]), (&Value::from(2), &Value::from(2)));
    assert_eq!(entry.basis.as_ref().unwrap().entitlement, scene.gateway);
    assert_eq!(entry.index.to_string(), examined(&shown));
    // What is recorded is what was shown, to this person, of this grant, in the last hour: nothing else lets anybody confirm it.
    let third = scene.portal.sign_in(&scene.third).await;
    let theirs = examined(&third.get(&page).await.is(200).text());
    let other = examined(&second.get(&format!("{campaign}/grants/{}", scene.ledger)).await.is(200).text());
    for odd in ["", "x", "0", "99999999999", theirs.as_str(), other.as_str()] {
        let fields = [("reason", "needed"), ("examined", odd)];
        let answer = second.post(&format!("{page}/confirm"), &fields).await.is(422);
        assert!(answer.text().contains("Look at how it was used first"), "{odd}: {}", answer.text());
    }
    let seen = examined(&second.get(&page).await.is(200).text());
    scene.portal.clock.advance(HOUR);
    let second = scene.second().await;
    second.post(&format!("{page}/confirm"), &[("reason", "needed"), ("examined", &seen)]).await.is(422);
    assert!(scene.kinds(Kind::EntitlementConfirmed).await.is_empty());
    confirm(&second, &page, "needed").await.is(303);
    // Nobody but administrators sees any of it.
    for person in [&scene.person, &scene.portal.auditor] {
        let client = scene.portal.sign_in(person).await;
        for address in ["/admin/campaigns", campaign.as_str(), page.as_str()] {
            client.get(address).await.is(404);
        }
    }
}

async fn calling_off_takes_two_and_nothing_lapses(backend: Backend) {
    let scene = Scene::set(backend).await;
    let campaign = scene.opened("product:ledger", "2027-02-20").await;
    let (first, second) = (scene.first().await, scene.second().await);
    let page = first.get(&campaign).await.is(200).text();
    assert!(page.contains(scene.ledger.as_str()) && !page.contains(scene.gateway.as_str()));
    first.get(&format!("{campaign}/grants/{}", scene.gateway)).await.is(404);
    first.post(&format!("{campaign}/end"), &[]).await.is(409);
    first.post(&format!("{campaign}/ask"), &[("reason", " ")]).await.is(422);
    first.post(&format!("{campaign}/ask"), &[("reason", "a mistake")]).await.is(303);
    assert!(first.post(&format!("{campaign}/end"), &[]).await.is(409).text().contains("another administrator must"));
    assert!(second.get("/").await.is(200).text().contains("Calling off a campaign"));
    second.post(&format!("{campaign}/keep"), &[("reason", "no")]).await.is(303);
    second.post(&format!("{campaign}/end"), &[]).await.is(409);
    first.post(&format!("{campaign}/ask"), &[("reason", "it is one")]).await.is(303);
    second.post(&format!("{campaign}/end"), &[]).await.is(303);
    for again in ["ask", "keep", "end"] {
        second.post(&format!("{campaign}/{again}"), &[("reason", "again")]).await.is(409);
    }
    let kinds = [(Kind::CampaignOpened, 1), (Kind::CampaignEndAsked, 2), (Kind::CampaignKept, 1), (Kind::CampaignCalledOff, 1)];
    for (kind, count) in kinds {
        assert_eq!(scene.kinds(kind).await.len(), count, "{kind}");
    }
    assert_eq!(scene.kinds(Kind::CampaignCalledOff).await[0].facts["released"], 1);
    scene.portal.clock.set(lectern::clock::Timestamp::parse("2027-02-22").unwrap());
    scene.reads("ledger", 200).await;
    assert_eq!(scene.portal.rooms.entitlements.note_lapses().await.unwrap(), 0);
    // What was released can be asked about again.
    scene.opened("product:ledger", "2027-02-25").await;
    scene.portal.clock.advance(4 * DAY);
    scene.reads("ledger", 404).await;
}

async fn of_two_at_once_one_wins(backend: Backend) {
    let scene = Scene::set(backend).await;
    let (second, third) = (scene.second().await, scene.portal.sign_in(&scene.third).await);
    let (one, two) = (second.csrf().await, third.csrf().await);
    let fields = [("name", "Spring"), ("due", "2027-02-20")];
    let (a, b) =
        tokio::join!(second.post_with("/admin/campaigns/new", &one, &fields), third.post_with("/admin/campaigns/new", &two, &fields));
    let statuses = [a.status.as_u16(), b.status.as_u16()];
    assert!(statuses.contains(&303) && (statuses.contains(&422) || statuses.contains(&409)), "{statuses:?}");
    let campaign = if statuses[0] == 303 { a.location() } else { b.location() }.to_owned();
    for grant in [&scene.gateway, &scene.ledger] {
        let page = format!("{campaign}/grants/{grant}");
        let seen = [examined(&second.get(&page).await.is(200).text()), examined(&third.get(&page).await.is(200).text())];
        let confirm = format!("{page}/confirm");
        let fields = seen.each_ref().map(|seen| [("reason", "needed"), ("examined", seen.as_str())]);
        let (a, b) = tokio::join!(second.post_with(&confirm, &one, &fields[0]), third.post_with(&confirm, &two, &fields[1]));
        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409]);
    }
    assert_eq!(scene.kinds(Kind::EntitlementConfirmed).await.len(), 2);
    assert_eq!(scene.kinds(Kind::CampaignOpened).await.len(), 1);
}

async fn a_campaign_asks_about_what_is_in_force_or_to_come(backend: Backend) {
    let scene = Scene::set(backend).await;
    let now = scene.portal.clock.now();
    // To come; over soon; revoked; proposed; another agency's.
    let later = scene.portal.grant(&scene.agency, &Grant { from: 30 * DAY, until: 60 * DAY, ..Grant::of("gateway") }).await;
    let short = scene.portal.grant(&scene.agency, &Grant { until: DAY, ..Grant::of("gateway") }).await;
    let revoked = scene.portal.grant(&scene.agency, &Grant::of("gateway")).await;
    let proposed = scene.portal.propose(&scene.agency, &Grant::of("gateway")).await;
    let elsewhere = scene.portal.agency().await;
    let other = scene.portal.grant(&elsewhere, &Grant::of("gateway")).await;
    let first = scene.first().await;
    first.post(&format!("/admin/grants/{revoked}/revoke"), &[("reason", "over")]).await.is(303);
    let slug = scene.agency.name.to_lowercase().replace(' ', "-");
    let campaign = scene.opened(&format!("agency:{slug}"), "2027-02-20").await;
    let page = first.get(&campaign).await.is(200).text();
    for (grant, within) in [(&later, true), (&short, true), (&scene.gateway, true), (&revoked, false), (&proposed, false), (&other, false)]
    {
        assert_eq!(page.contains(grant.as_str()), within, "{grant}");
    }
    // What waits in one campaign is in no other; the rest is.
    let second = scene.opened("", "2027-02-20").await;
    let page = scene.first().await.get(&second).await.is(200).text();
    assert!(page.contains(other.as_str()) && !page.contains(later.as_str()));
    // What ends by itself before the day does not lapse; what is to come does.
    scene.portal.clock.set(now.plus(20 * DAY));
    while scene.portal.rooms.entitlements.note_lapses().await.unwrap() > 0 {}
    let lapsed: Vec<_> = scene.kinds(Kind::EntitlementLapsed).await.into_iter().map(|entry| entry.basis.unwrap().entitlement).collect();
    assert!(lapsed.contains(&later) && lapsed.contains(&other) && !lapsed.contains(&short), "{lapsed:?}");
    assert_eq!(lapsed.len(), 4);
    scene.portal.clock.set(now.plus(31 * DAY));
    scene.reads("gateway", 404).await;
}

async fn odd_campaigns_are_answered_in_words(backend: Backend) {
    let scene = Scene::set(backend).await;
    let first = scene.first().await;
    for (name, due, status, words) in [
        ("", "2027-02-20", 422, "left empty"),
        ("Spring", "", 422, "Choose the last day"),
        ("Spring", "2026-01-01", 422, "Choose a day that is to come"),
        ("Spring", "2029-01-01", 422, "within 400 days"),
    ] {
        let answer = first.post("/admin/campaigns/new", &[("name", name), ("due", due)]).await.is(status);
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    for odd in ["agency:none", "product:none", "grant:ent_1", "agency", "x:y", "agreement:none"] {
        first.post("/admin/campaigns/new", &[("name", "Spring"), ("due", "2027-02-20"), ("subject", odd)]).await.is(404);
        first.get(&format!("/admin/campaigns/new?subject={odd}")).await.is(404);
    }
    let nobody = scene.portal.agency().await;
    let subject = format!("agreement:{}", nobody.agreement);
    let answer = first.post("/admin/campaigns/new", &[("name", "Spring"), ("due", "2027-02-20"), ("subject", &subject)]).await.is(422);
    assert!(answer.text().contains("no grant to confirm"), "{}", answer.text());
    assert!(scene.kinds(Kind::CampaignOpened).await.is_empty());
    first.get("/admin/campaigns").await.is(200);
    let campaign = scene.opened("", "2027-02-20").await;
    for odd in ["?state=x", "?point=x"] {
        first.get(&format!("{campaign}{odd}")).await.is(400);
    }
    for fine in ["?state=waiting&point=unused", "?state=confirmed", "?state=released&point=broad", "?point=refused&after=ent_none"] {
        first.get(&format!("{campaign}{fine}")).await.is(200);
    }
    for odd in ["/admin/campaigns/cmp_none", "/admin/campaigns/%27%20OR%201=1--"] {
        first.get(odd).await.is(404);
        first.get(&format!("{odd}/grants/{}", scene.gateway)).await.is(404);
    }
    first.get(&format!("{campaign}/grants/ent_none")).await.is(404);
}
