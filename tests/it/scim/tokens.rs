//! Who is let in as a directory, and for how long.

use std::time::Duration;

use axum::http::Method;
use lectern::audit::Kind;
use lectern::entitlements::SubjectKind;
use serde_json::json;

use super::{Directory, Scene, connect, kind, kinds};
use crate::harness::{Backend, DAY, Portal, on_both};

on_both! {
    a_token_is_shown_once_and_holds_until_it_ends_or_is_revoked
    nobody_else_is_let_in
    a_suspended_agency_s_directory_is_not_answered
    a_struck_agency_s_directory_only_ends
    whoever_calls_too_often_waits
}

fn secret_in(page: &str) -> String {
    let (_, rest) = page.split_once("lectern_directory_").unwrap_or_else(|| panic!("no token in {page}"));
    format!("lectern_directory_{}", rest.split('<').next().unwrap())
}

async fn a_token_is_shown_once_and_holds_until_it_ends_or_is_revoked(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let agency = portal.agency().await;
    let slug = portal.rooms.entitlements.agency(agency.id.as_str()).await.unwrap().unwrap().slug;
    let page = format!("/admin/agencies/{slug}/directory");
    let first = portal.sign_in(&portal.administrators[0]).await;
    assert!(first.get(&format!("/admin/agencies/{slug}")).await.is(200).text().contains("Connect one"));
    // Without a fresh password nothing is made, and what was typed is kept.
    portal.clock.advance(Duration::from_secs(11 * 60));
    let asked = first.post(&format!("{page}/tokens"), &[("name", "Entra 2027"), ("days", "90")]).await.is(303);
    assert!(asked.location().starts_with("/reauthenticate"));
    assert!(first.get(&page).await.is(200).text().contains("value=\"Entra 2027\""));
    let first = portal.sign_in(&portal.administrators[0]).await;
    for (name, days, says) in [("", "90", "what tells this token"), ("Entra", "91", "how long"), ("Entra", "", "how long")] {
        let told = first.post(&format!("{page}/tokens"), &[("name", name), ("days", days)]).await.is(422).text();
        assert!(told.contains(says), "{told}");
    }
    let made = first.post(&format!("{page}/tokens"), &[("name", "Entra 2027"), ("days", "90")]).await.is(200).text();
    let token = secret_in(&made);
    assert!(made.contains("http://127.0.0.1:8420/scim/v2"));
    let shown = first.get(&page).await.is(200).text();
    assert!(shown.contains("Entra 2027") && shown.contains("Never") && !shown.contains("lectern_directory_"));
    let tokens = portal.rooms.accounts.directory_tokens(&agency.id).await.unwrap();
    let directory = Directory { client: portal.stranger(), token, id: tokens[0].id.clone() };
    directory.get("/Users").await.is(200);
    let shown = first.get(&format!("/admin/agencies/{slug}")).await.is(200).text();
    assert!(shown.contains("One token holds, last used"), "{shown}");
    // It ends by itself.
    let left = (90 * DAY).saturating_sub(Duration::from_micros(1)).saturating_sub(portal_age(&portal, &tokens[0]));
    portal.clock.advance(left);
    directory.get("/Users").await.is(200);
    portal.clock.advance(Duration::from_micros(1));
    directory.get("/Users").await.is(401);
    // Two at once, for the change from one to the next; the one that is revoked ends at once.
    let (old, new) =
        (connect(&portal, &agency, &portal.administrators[0]).await, connect(&portal, &agency, &portal.administrators[1]).await);
    old.get("/Users").await.is(200);
    new.get("/Users").await.is(200);
    let second = portal.sign_in(&portal.administrators[1]).await;
    second.post(&format!("{page}/tokens/{}/revoke", old.id.as_str()), &[]).await.is(303);
    old.get("/Users").await.is(401);
    new.get("/Users").await.is(200);
    let again = second.post(&format!("{page}/tokens/{}/revoke", old.id.as_str()), &[]).await.is(409).text();
    assert!(again.contains("revoked already"));
    // A token of another agency is none of this page's.
    let other = portal.agency().await;
    let theirs = connect(&portal, &other, &portal.administrators[0]).await;
    second.post(&format!("{page}/tokens/{}/revoke", theirs.id.as_str()), &[]).await.is(409);
    theirs.get("/Users").await.is(200);
    let entries = kinds(&portal, Kind::DirectoryTokenMade).await;
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[0].facts["name"], "Entra 2027");
    assert!(entries.iter().all(|entry| !String::from_utf8_lossy(&entry.bytes).contains("lectern_directory_")));
    let revoked = kinds(&portal, Kind::DirectoryTokenRevoked).await;
    assert_eq!((revoked.len(), &revoked[0].facts["token"]), (1, &json!(old.id.as_str())));
    // Ten hold at once, no more.
    for _ in 0..9 {
        connect(&portal, &agency, &portal.administrators[0]).await;
    }
    let told = second.post(&format!("{page}/tokens"), &[("name", "One more"), ("days", "90")]).await.is(422).text();
    assert!(told.contains("ten tokens"));
}

/// How long ago a token was made.
fn portal_age(portal: &Portal, token: &lectern::accounts::DirectoryToken) -> Duration {
    use lectern::clock::Clock as _;
    portal.clock.now().since(token.made_at)
}

async fn nobody_else_is_let_in(backend: Backend) {
    let scene = Scene::set(backend).await;
    let size = scene.portal.rooms.log.size().await.unwrap();
    let good = &scene.directory;
    let other = |token: &str| Directory { token: token.to_owned(), ..good.clone() };
    for token in ["", "x", "lectern_directory_", &good.token[..good.token.len() - 1], &good.token.to_uppercase()] {
        let answer = other(token).get("/Users").await.is(401);
        assert_eq!((kind(&answer).as_str(), answer.header("www-authenticate")), ("", "Bearer realm=\"lectern\""));
    }
    scene.portal.clock.advance(DAY);
    // A session opens nothing here, whoever's it is, and no other token does.
    for person in [&scene.portal.auditor, &scene.portal.administrators[0]] {
        let client = scene.portal.sign_in(person).await;
        client.get("/scim/v2/Users").await.is(401);
        client.get_json("/scim/v2/Users").await.is(401);
    }
    // Every address and every method of it, for whoever shows nothing.
    let nobody = other("");
    for route in scene.portal.routes.iter().filter(|route| route.guard == "directory's token") {
        let path = route.path.replace("{id}", "x").replace("{*rest}", "Groups");
        scene.portal.clock.advance(Duration::from_secs(60));
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = nobody.ask(method.clone(), path.trim_start_matches("/scim/v2"), None, &[]).await;
            assert_eq!(answer.status, 401, "{method} {path}");
        }
    }
    assert_eq!(kinds(&scene.portal, Kind::DirectoryPersonEntered).await.len(), 0);
    assert!(scene.portal.rooms.log.size().await.unwrap() <= size + 2, "a stranger wrote an entry");
    // The scheme may be written in any case.
    let mut request = crate::harness::client::Client::request(Method::GET, "/scim/v2/Users", None, &[]);
    request.headers_mut().insert("authorization", format!("bearer {}", good.token).parse().unwrap());
    good.client.send(request).await.is(200);
}

async fn a_suspended_agency_s_directory_is_not_answered(backend: Backend) {
    let scene = Scene::set(backend).await;
    let ada = scene.directory.enter("ada@one.example").await;
    let (first, second) =
        (scene.portal.desk(&scene.portal.administrators[0]).await, scene.portal.desk(&scene.portal.administrators[1]).await);
    let (room, context) = (&scene.portal.rooms.entitlements, scene.portal.context());
    let id = room.suspend(SubjectKind::Agency, scene.agency.id.as_str(), "an incident", &first.step_up, &context).await.unwrap();
    for answer in [
        scene.directory.get("/Users").await,
        scene.directory.get(&ada).await,
        scene.directory.post("/Users", super::user("bea@one.example")).await,
        scene.directory.switch(&ada, false).await,
        scene.directory.delete(&ada).await,
    ] {
        assert!(answer.is(403).text().contains("suspended"));
    }
    room.ask_to_lift(&id, "over", &first.principal, &context).await.unwrap();
    room.lift(&id, &second.step_up, &context).await.unwrap();
    assert_eq!(scene.directory.get(&ada).await.is(200).json()["active"], true);
}

async fn a_struck_agency_s_directory_only_ends(backend: Backend) {
    let scene = Scene::set(backend).await;
    let ada = scene.directory.enter("ada@one.example").await;
    scene.approve("ada@one.example").await;
    let by = scene.portal.desk(&scene.portal.administrators[0]).await;
    let (room, context) = (&scene.portal.rooms.entitlements, scene.portal.context());
    room.set_eligible(&scene.agency.id, Some("not any more"), &by.principal, &context).await.unwrap();
    let bea = scene.directory.enter("bea@one.example").await;
    assert!(scene.portal.rooms.accounts.find("bea@one.example").await.unwrap().is_none());
    scene.directory.switch(&ada, false).await.is(200);
    assert!(scene.portal.rooms.accounts.find("ada@one.example").await.unwrap().unwrap().disabled_at.is_some());
    scene.directory.switch(&ada, true).await.is(200);
    assert!(scene.portal.rooms.accounts.find("ada@one.example").await.unwrap().unwrap().disabled_at.is_some());
    // Put back, whoever is written again is nominated.
    room.set_eligible(&scene.agency.id, None, &by.principal, &context).await.unwrap();
    scene.directory.patch(&bea, json!([{"op": "add", "path": "title", "value": "Analyst"}])).await.is(200);
    assert_eq!(scene.stages("bea@one.example").await.len(), 1);
}

async fn whoever_calls_too_often_waits(backend: Backend) {
    let scene = Scene::set(backend).await;
    let other = connect(&scene.portal, &scene.agency, &scene.portal.administrators[1]).await;
    for _ in 0..200 {
        scene.directory.get("/ServiceProviderConfig").await.is(200);
    }
    let told = scene.directory.get("/ServiceProviderConfig").await.is(429);
    assert_eq!((kind(&told).as_str(), told.header("retry-after")), ("", "1"));
    // Another token has calls of its own, and time gives them back.
    other.get("/ServiceProviderConfig").await.is(200);
    scene.portal.clock.advance(Duration::from_millis(40));
    scene.directory.get("/ServiceProviderConfig").await.is(200);
    scene.directory.get("/ServiceProviderConfig").await.is(429);
    // Whoever guesses is held back by address, and keeps nobody else there from calling.
    let guess = Directory { token: "lectern_directory_guess".to_owned(), ..scene.directory.clone() };
    let mut last = guess.get("/Users").await;
    for _ in 0..30 {
        last = guess.get("/Users").await;
    }
    last.is(429);
    other.get("/Users").await.is(200);
}
