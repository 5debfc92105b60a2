//! People over HTTP: who is invited and how, who has which role and by whose hands, who is locked out, and which sessions live.

mod hands;

use std::collections::BTreeSet;
use std::time::Duration;

use lectern::accounts::Role;
use lectern::audit::{Entry, Filter, Kind};

use crate::harness::client::{Answer, Client, csrf_in};
use crate::harness::library::MAIN;
use crate::harness::{Agency, Backend, DAY, Grant, HOUR, Person, Portal, on_both};

on_both! {
    whoever_is_invited_chooses_a_password_once
    every_link_that_does_not_work_has_one_answer
    what_makes_an_administrator_takes_two
    another_link_takes_the_place_of_the_first_and_a_second_administrator
    links_are_not_tried_without_end
    a_role_is_changed_by_two_and_what_hung_on_the_old_one_ends
    two_administrators_remain
    of_two_who_lock_each_other_at_once_one_is_refused
    a_lock_holds_at_once_and_another_lifts_it
    sessions_are_listed_and_ended
    people_are_found_and_paged
}

const CHOSEN: &str = "copper lantern under seven hills";

/// The path of the link on the page that shows it.
fn link_in(page: &str) -> String {
    let (_, rest) = page.split_once("http://127.0.0.1:8420/invitation/").unwrap_or_else(|| panic!("no link in {page}"));
    format!("/invitation/{}", rest.split('<').next().unwrap())
}

async fn invite(by: &Client, role: &str, email: &str, agency: &str) -> String {
    let fields = [("name", "Ada Byron"), ("email", email), ("role", role), ("agency", agency)];
    link_in(&by.post("/admin/people/new", &fields).await.is(200).text())
}

/// Opens a link and sends its form.
async fn choose(who: &Client, link: &str, password: &str) -> Answer {
    let page = who.get(link).await;
    let Some(csrf) = csrf_in(&page.text()) else { return page };
    who.post_with(link, &csrf, &[("password", password), ("again", password)]).await
}

async fn kinds(portal: &Portal, kind: Kind) -> Vec<Entry> {
    portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await
}

async fn page_of(portal: &Portal, email: &str) -> String {
    format!("/admin/people/{}", portal.rooms.accounts.find(email).await.unwrap().unwrap().id)
}

struct Scene {
    portal: Portal,
    agency: Agency,
    first: Client,
    second: Client,
}

impl Scene {
    async fn set(backend: Backend) -> Self {
        let portal = Portal::bare(backend).await;
        let agency = portal.agency().await;
        let first = portal.sign_in(&portal.administrators[0]).await;
        let second = portal.sign_in(&portal.administrators[1]).await;
        Self { portal, agency, first, second }
    }
}

async fn whoever_is_invited_chooses_a_password_once(backend: Backend) {
    let scene = Scene::set(backend).await;
    let link = invite(&scene.first, "reviewer", "Ada@One.example", scene.agency.id.as_str()).await;
    let person = page_of(&scene.portal, "ada@one.example").await;
    let page = scene.second.get(&person).await.is(200).text();
    assert!(page.contains("Has not chosen a password yet") && !page.contains(link.rsplit('/').next().unwrap()));
    let guess = scene.portal.stranger();
    guess.post("/sign-in", &[("email", "ada@one.example"), ("password", "")]).await.is(401);
    let ada = scene.portal.stranger();
    let page = ada.get(&link).await.is(200).text();
    assert!(page.contains("Ada Byron") && page.contains("ada@one.example") && page.contains(&scene.agency.name), "{page}");
    // What is refused uses nothing up.
    let csrf = csrf_in(&page).unwrap();
    ada.post_with(&link, &csrf, &[("password", CHOSEN), ("again", "another")]).await.is(422);
    ada.post_with(&link, &csrf, &[("password", "short"), ("again", "short")]).await.is(422);
    assert!(kinds(&scene.portal, Kind::AccountInvitationUsed).await.is_empty());
    let done = choose(&ada, &link, CHOSEN).await.is(303);
    assert_eq!(done.location(), "/");
    assert!(ada.get("/account").await.is(200).text().contains("ada@one.example"));
    // The same link again, for them or for anybody.
    let spent = choose(&scene.portal.stranger(), &link, CHOSEN).await.is(404);
    assert!(spent.text().contains("This link opens nothing."));
    let account = scene.portal.rooms.accounts.find("ada@one.example").await.unwrap().unwrap();
    let mut again = scene.portal.stranger();
    let known = Person { id: account.id.clone(), email: account.email, password: CHOSEN.to_owned(), role: Role::Reviewer };
    again.sign_in(&known).await.is(303);
    let used = kinds(&scene.portal, Kind::AccountInvitationUsed).await;
    assert_eq!(used.len(), 1);
    assert_eq!(used[0].actor.as_ref().unwrap().account, account.id);
    assert_eq!(kinds(&scene.portal, Kind::AccountInvited).await[0].facts["second_needed"], false);
    // What is kept of the secret opens nothing.
    let row = sqlx::query("SELECT secret FROM invitations").fetch_one(scene.portal.rooms.database.pool()).await.unwrap();
    let kept: String = sqlx::Row::get(&row, 0);
    assert!(!link.contains(&kept));
    scene.portal.stranger().get(&format!("/invitation/{kept}")).await.is(404);
}

async fn every_link_that_does_not_work_has_one_answer(backend: Backend) {
    let scene = Scene::set(backend).await;
    let agency = scene.agency.id.as_str();
    let used = invite(&scene.first, "reviewer", "used@one.example", agency).await;
    choose(&scene.portal.stranger(), &used, CHOSEN).await.is(303);
    let locked = invite(&scene.first, "reviewer", "locked@one.example", agency).await;
    let page = page_of(&scene.portal, "locked@one.example").await;
    scene.first.post(&format!("{page}/lock"), &[("reason", "a mistake")]).await.is(303);
    let withdrawn = invite(&scene.first, "reviewer", "withdrawn@one.example", agency).await;
    let page = page_of(&scene.portal, "withdrawn@one.example").await;
    scene.second.post(&format!("{page}/invitation/withdraw"), &[]).await.is(303);
    scene.second.post(&format!("{page}/invitation/withdraw"), &[]).await.is(409);
    let proposed = invite(&scene.first, "auditor", "proposed@one.example", "").await;
    let late = invite(&scene.first, "reviewer", "late@one.example", agency).await;
    let never = "/invitation/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let long = format!("/invitation/{}", "x".repeat(3000));
    // To the last instant of the seventh day.
    scene.portal.clock.advance((7 * DAY).checked_sub(Duration::from_micros(1)).unwrap());
    scene.portal.stranger().get(&late).await.is(200);
    scene.portal.clock.advance(Duration::from_micros(1));
    let essence = scene.portal.stranger().get(&never).await.is(404).essence();
    for link in [&used, &locked, &withdrawn, &proposed, &late, &long] {
        let stranger = scene.portal.stranger();
        assert_eq!(stranger.get(link).await.essence(), essence, "{link}");
        let csrf = stranger.csrf().await;
        let answer = stranger.post_with(link, &csrf, &[("password", CHOSEN), ("again", CHOSEN)]).await;
        assert_eq!(answer.essence(), essence, "{link}");
    }
    assert_eq!(kinds(&scene.portal, Kind::AccountInvitationUsed).await.len(), 1);
}

async fn what_makes_an_administrator_takes_two(backend: Backend) {
    let scene = Scene::set(backend).await;
    for (role, email) in [("administrator", "third@vendor.example"), ("auditor", "another.auditor@vendor.example")] {
        let first = scene.portal.sign_in(&scene.portal.administrators[0]).await;
        let second = scene.portal.sign_in(&scene.portal.administrators[1]).await;
        let link = invite(&first, role, email, "").await;
        let page = page_of(&scene.portal, email).await;
        scene.portal.stranger().get(&link).await.is(404);
        let own = first.post(&format!("{page}/invitation/approve"), &[]).await.is(409);
        assert!(own.text().contains("another administrator must"), "{}", own.text());
        scene.portal.stranger().get(&link).await.is(404);
        assert!(second.get("/").await.is(200).text().contains("Ada Byron as an"));
        // Its days begin when it is approved.
        scene.portal.clock.advance(6 * DAY);
        let second = scene.portal.sign_in(&scene.portal.administrators[1]).await;
        second.post(&format!("{page}/invitation/approve"), &[]).await.is(303);
        scene.portal.clock.advance(6 * DAY);
        let ada = scene.portal.stranger();
        choose(&ada, &link, CHOSEN).await.is(303);
        ada.get(if role == "auditor" { "/audit" } else { "/admin/grants" }).await.is(200);
        scene.portal.clock.advance(HOUR);
    }
    assert_eq!(kinds(&scene.portal, Kind::AccountInvitationApproved).await.len(), 2);
    // Whoever the first administrator invited is of their line, and no second hand to them.
    let first = scene.portal.sign_in(&scene.portal.administrators[0]).await;
    let link = invite(&first, "auditor", "puppet@vendor.example", "").await;
    let third = scene.portal.rooms.accounts.find("third@vendor.example").await.unwrap().unwrap();
    let third = Person { id: third.id, email: third.email, password: CHOSEN.to_owned(), role: Role::Administrator };
    let third = scene.portal.sign_in(&third).await;
    let page = page_of(&scene.portal, "puppet@vendor.example").await;
    let told = third.post(&format!("{page}/invitation/approve"), &[]).await.is(409);
    assert!(told.text().contains("opened by the same administrator"), "{}", told.text());
    scene.portal.stranger().get(&link).await.is(404);
}

async fn another_link_takes_the_place_of_the_first_and_a_second_administrator(backend: Backend) {
    let scene = Scene::set(backend).await;
    let old = invite(&scene.first, "reviewer", "ada@one.example", scene.agency.id.as_str()).await;
    let page = page_of(&scene.portal, "ada@one.example").await;
    let new = link_in(&scene.second.post(&format!("{page}/invitation"), &[]).await.is(200).text());
    scene.portal.stranger().get(&old).await.is(404);
    scene.portal.stranger().get(&new).await.is(404);
    scene.second.post(&format!("{page}/invitation/approve"), &[]).await.is(409);
    scene.first.post(&format!("{page}/invitation/approve"), &[]).await.is(303);
    let ada = scene.portal.stranger();
    choose(&ada, &new, CHOSEN).await.is(303);
    scene.first.post(&format!("{page}/invitation"), &[]).await.is(409);
    assert_eq!(kinds(&scene.portal, Kind::AccountInvitationWithdrawn).await.len(), 1);
}

async fn links_are_not_tried_without_end(backend: Backend) {
    let scene = Scene::set(backend).await;
    let link = invite(&scene.first, "reviewer", "ada@one.example", scene.agency.id.as_str()).await;
    let stranger = scene.portal.stranger();
    for n in 0..30 {
        stranger.get(&format!("/invitation/{n}")).await.is(404);
    }
    assert!(!stranger.get(&link).await.is(429).header("retry-after").is_empty());
    let mut elsewhere = scene.portal.stranger();
    elsewhere.address = "198.51.100.9:5000";
    elsewhere.get(&link).await.is(200);
    scene.portal.clock.advance(Duration::from_secs(2));
    stranger.get(&link).await.is(200);
    // Somebody who is signed in is told to sign out first.
    scene.second.get(&link).await.is(403);
}

async fn a_role_is_changed_by_two_and_what_hung_on_the_old_one_ends(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    portal.grant(&agency, &Grant::of("gateway")).await;
    let [first, second] = [portal.sign_in(&portal.administrators[0]).await, portal.sign_in(&portal.administrators[1]).await];
    let reader = portal.sign_in(&person).await;
    let file = format!("/p/gateway/v2.0/file/{MAIN}");
    let page = format!("/admin/people/{}", person.id);
    reader.get(&file).await.is(200);
    for fields in [
        [("role", "auditor"), ("agency", agency.id.as_str()), ("reason", "hired")],
        [("role", "auditor"), ("agency", ""), ("reason", " ")],
        [("role", "reviewer"), ("agency", agency.id.as_str()), ("reason", "as it is")],
        [("role", "publisher"), ("agency", ""), ("reason", "none such")],
    ] {
        first.post(&format!("{page}/role"), &fields).await.is(422);
    }
    let fields = [("role", "auditor"), ("agency", ""), ("reason", "hired by the vendor")];
    first.post(&format!("{page}/role"), &fields).await.is(303);
    second.post(&format!("{page}/role"), &fields).await.is(422);
    first.post(&format!("{page}/role/approve"), &[]).await.is(409);
    reader.get(&file).await.is(200);
    second.post(&format!("{page}/role/refuse"), &[("reason", "not yet")]).await.is(303);
    second.post(&format!("{page}/role/approve"), &[]).await.is(409);
    first.post(&format!("{page}/role"), &fields).await.is(303);
    assert!(second.get("/").await.is(200).text().contains("to become an auditor"));
    second.post(&format!("{page}/role/approve"), &[]).await.is(303);
    // The session has ended, nothing names them, and they are an auditor.
    reader.get(&file).await.is(303);
    assert!(portal.rooms.entitlements.people(&agency.agreement).await.unwrap().is_empty());
    let now = Person { role: Role::Auditor, ..person.clone() };
    let auditor = portal.sign_in(&now).await;
    auditor.get("/audit").await.is(200);
    auditor.get(&file).await.is(404);
    // Back again they read nothing before two administrators name them anew.
    let fields = [("role", "reviewer"), ("agency", agency.id.as_str()), ("reason", "back")];
    second.post(&format!("{page}/role"), &fields).await.is(303);
    first.post(&format!("{page}/role/approve"), &[]).await.is(303);
    auditor.get("/audit").await.is(303);
    let reader = portal.sign_in(&person).await;
    reader.get(&file).await.is(404);
    for (kind, count) in [(Kind::RoleChangeProposed, 3), (Kind::RoleChangeRefused, 1), (Kind::RoleChanged, 2), (Kind::PersonWithdrawn, 1)] {
        assert_eq!(kinds(&portal, kind).await.len(), count, "{kind}");
    }
    let changed = &kinds(&portal, Kind::RoleChanged).await[0];
    assert_eq!((&changed.facts["before"]["role"], &changed.facts["after"]["role"]), (&"reviewer".into(), &"auditor".into()));
}

async fn two_administrators_remain(backend: Backend) {
    let scene = Scene::set(backend).await;
    let [one, two] = scene.portal.administrators.clone();
    let page = format!("/admin/people/{}", two.id);
    let told = scene.first.post(&format!("{page}/lock"), &[("reason", "left")]).await.is(409);
    assert!(told.text().contains("Fewer than two administrators"), "{}", told.text());
    scene.second.get("/admin/people").await.is(200);
    // One that the first invited is no second hand to them.
    let child = scene.portal.invited(Role::Administrator, None, &one, &two).await;
    scene.first.post(&format!("{page}/lock"), &[("reason", "left")]).await.is(409);
    let fields = [("role", "auditor"), ("agency", ""), ("reason", "audits now")];
    scene.second.post(&format!("{page}/role"), &fields).await.is(303);
    // They proposed it themselves, and it would leave one line.
    scene.second.post(&format!("{page}/role/approve"), &[]).await.is(409);
    let told = scene.first.post(&format!("{page}/role/approve"), &[]).await.is(409);
    assert!(told.text().contains("Fewer than two administrators"), "{}", told.text());
    // With one more from the command line it goes.
    scene.portal.colleague(Role::Administrator).await;
    scene.first.post(&format!("{page}/role/approve"), &[]).await.is(303);
    scene.second.get("/admin/people").await.is(303);
    let own = scene.first.post(&format!("/admin/people/{}/lock", one.id), &[("reason", "me")]).await.is(409);
    assert!(own.text().contains("your own account"));
    let child = scene.portal.sign_in(&child).await;
    // Nobody approves a change of their own role, whoever proposed it.
    let third = scene.portal.colleague(Role::Administrator).await;
    let third_page = format!("/admin/people/{}", third.id);
    let third = scene.portal.sign_in(&third).await;
    child.post(&format!("{third_page}/role"), &fields).await.is(303);
    let told = third.post(&format!("{third_page}/role/approve"), &[]).await.is(409);
    assert!(told.text().contains("Nobody decides on their own role"), "{}", told.text());
}

async fn of_two_who_lock_each_other_at_once_one_is_refused(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let third = portal.colleague(Role::Administrator).await;
    let [one, two] = &portal.administrators;
    let (first, second) = (portal.desk(one).await, portal.desk(two).await);
    let context = portal.context();
    let accounts = &portal.rooms.accounts;
    // Three there are; each of two locks one of the others.
    let (a, b) =
        tokio::join!(accounts.lock(&two.id, "now", &first.step_up, &context), accounts.lock(&third.id, "now", &second.step_up, &context),);
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let all = accounts.list().await.unwrap();
    let left = all.iter().filter(|account| account.role == Role::Administrator && account.disabled_at.is_none()).count();
    assert_eq!(left, 2);
}

async fn a_lock_holds_at_once_and_another_lifts_it(backend: Backend) {
    let scene = Scene::set(backend).await;
    let person = scene.portal.named(&scene.agency).await;
    let client = scene.portal.sign_in(&person).await;
    let page = format!("/admin/people/{}", person.id);
    client.get("/account").await.is(200);
    scene.first.post(&format!("{page}/lock"), &[("reason", " ")]).await.is(422);
    scene.first.post(&format!("{page}/lock"), &[("reason", "a laptop was stolen")]).await.is(303);
    client.get("/account").await.is(303);
    scene.portal.stranger().sign_in(&person).await.is(401);
    scene.second.post(&format!("{page}/lock"), &[("reason", "too")]).await.is(409);
    let shown = scene.second.get(&page).await.is(200).text();
    assert!(shown.contains("a laptop was stolen") && shown.contains("Unlock account"), "{shown}");
    let own = scene.first.post(&format!("{page}/unlock"), &[]).await.is(409);
    assert!(own.text().contains("another administrator"));
    scene.second.post(&format!("{page}/unlock"), &[]).await.is(303);
    scene.second.post(&format!("{page}/unlock"), &[]).await.is(409);
    // What had ended stays ended; the password opens a new one.
    client.get("/account").await.is(303);
    scene.portal.sign_in(&person).await.get("/account").await.is(200);
    assert_eq!(kinds(&scene.portal, Kind::AccountDisabled).await[0].facts["reason"], "a laptop was stolen");
    assert_eq!(kinds(&scene.portal, Kind::AccountEnabled).await.len(), 1);
    // Unlocking asks for the password again.
    scene.first.post(&format!("{page}/lock"), &[("reason", "again")]).await.is(303);
    scene.portal.clock.advance(Duration::from_secs(11 * 60));
    let asked = scene.second.post(&format!("{page}/unlock"), &[]).await.is(303);
    assert!(asked.location().starts_with("/reauthenticate"));
    client.get("/account").await.is(303);
}

fn sessions_in(page: &str) -> BTreeSet<String> {
    page.split("name=\"session\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

async fn sessions_are_listed_and_ended(backend: Backend) {
    let scene = Scene::set(backend).await;
    let person = scene.portal.named(&scene.agency).await;
    let clients = [scene.portal.sign_in(&person).await, scene.portal.sign_in(&person).await, scene.portal.sign_in(&person).await];
    let page = format!("/admin/people/{}", person.id);
    let shown = scene.first.get(&page).await.is(200).text();
    let sessions = sessions_in(&shown);
    assert_eq!(sessions.len(), 3);
    assert!(shown.contains("192.0.2.7") && shown.contains("An unknown browser"), "{shown}");
    for client in &clients {
        assert!(!shown.contains(&client.cookie().unwrap()), "an id shows");
    }
    // Nobody but administrators ends those of others.
    for session in &sessions {
        scene.portal.sign_in(&scene.portal.auditor).await.post(&format!("{page}/sessions/end"), &[("session", session)]).await.is(404);
    }
    scene.first.post(&format!("{page}/sessions/end"), &[("session", sessions.first().unwrap())]).await.is(303);
    let mut alive = 0;
    for client in &clients {
        alive += usize::from(client.get("/account").await.status == 200);
    }
    assert_eq!(alive, 2);
    scene.first.post(&format!("{page}/sessions/end"), &[("session", "0000000000000000")]).await.is(404);
    scene.first.post(&format!("{page}/sessions/end"), &[("session", "")]).await.is(303);
    for client in &clients {
        client.get("/account").await.is(303);
    }
    let ended = kinds(&scene.portal, Kind::AccountSessionsEnded).await;
    assert_eq!((ended.len(), &ended[0].facts["sessions"]), (1, &2.into()));
    assert_eq!(ended[0].facts["account"], person.id.as_str());
    // One's own: all but the one in which it is asked for.
    let [here, there] = [scene.portal.sign_in(&person).await, scene.portal.sign_in(&person).await];
    assert_eq!(sessions_in(&here.get("/account").await.is(200).text()).len(), 2);
    here.post("/account/sessions/end", &[("session", "")]).await.is(303);
    here.get("/account").await.is(200);
    there.get("/account").await.is(303);
    // What sign-in has counted shows to administrators.
    for _ in 0..7 {
        scene.portal.stranger().post("/sign-in", &[("email", &person.email), ("password", "wrong")]).await.is(401);
    }
    let shown = scene.first.get(&page).await.is(200).text();
    assert!(shown.contains("6 wrong passwords"), "{shown}");
}

/// The e-mail addresses of a list, in its order.
fn listed(page: &str) -> Vec<String> {
    let cells = page.split("data-label=\"E-mail address\">").skip(1);
    cells.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

async fn people_are_found_and_paged(backend: Backend) {
    let scene = Scene::set(backend).await;
    let other = scene.portal.agency().await;
    let mut all = vec!["auditor@vendor.example".to_owned()];
    all.extend(scene.portal.administrators.iter().map(|one| one.email.clone()));
    for _ in 0..60 {
        all.push(scene.portal.unnamed(&scene.agency).await.email);
    }
    let odd = scene.portal.unnamed(&other).await;
    all.push(odd.email.clone());
    all.sort();
    // Page by page everybody, once.
    let (mut address, mut seen, mut pages) = ("/admin/people".to_owned(), Vec::new(), 0);
    loop {
        let page = scene.first.get(&address).await.is(200).text();
        assert!(page.contains("<span class=\"num\">64</span> people"), "{page}");
        seen.extend(listed(&page));
        pages += 1;
        let Some((before, _)) = page.split_once("\">Next page") else { break };
        address = before.rsplit("href=\"").next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    }
    assert_eq!((seen, pages), (all, 2));
    let found = async |query: &str| listed(&scene.first.get(&format!("/admin/people?{query}")).await.is(200).text());
    assert_eq!(found("role=administrator").await.len(), 2);
    assert_eq!(found("q=FIRST.adm").await, ["first.administrator@vendor.example"]);
    assert_eq!(found("q=name%20of%20auditor").await, ["auditor@vendor.example"]);
    let slug = scene.portal.rooms.entitlements.agency(other.id.as_str()).await.unwrap().unwrap().slug;
    assert_eq!(found(&format!("agency={slug}")).await, std::slice::from_ref(&odd.email));
    // What stands for anything in a pattern stands for itself.
    for nothing in ["q=%25", "q=a_b", "q=!", "q=\\"] {
        assert!(found(nothing).await.is_empty(), "{nothing}");
    }
    assert!(found("state=locked").await.is_empty());
    scene.first.post(&format!("/admin/people/{}/lock", odd.id), &[("reason", "left")]).await.is(303);
    assert_eq!(found("state=locked").await, std::slice::from_ref(&odd.email));
    assert_eq!(found("state=active&role=reviewer").await.len(), 50);
    invite(&scene.first, "reviewer", "new@one.example", other.id.as_str()).await;
    assert_eq!(found("state=invited").await, ["new@one.example"]);
    let page = scene.first.get("/admin/people?q=nobody.there").await.is(200).text();
    assert!(page.contains("Nobody matches all of these"));
}
