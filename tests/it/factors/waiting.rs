//! Sessions that wait: for a code after the password, or for a second factor that is due. Every route of the portal is asked.

use std::time::Duration;

use axum::http::Method;
use lectern::config::FactorPolicy;

use super::{DOOR, PAGE, enrol, give, knock};
use crate::harness::client::{Client, ORIGIN, csrf_in, form};
use crate::harness::{Backend, Portal, on_both};
use crate::routes::{address, is_for_programs, is_open};

on_both! {
    a_session_that_waits_for_a_code_is_nobody
    where_a_factor_is_due_nothing_else_answers
    a_session_does_not_wait_for_long
    what_ends_sessions_ends_those_that_wait
}

async fn a_session_that_waits_for_a_code_is_nobody(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let people = [portal.auditor.clone(), portal.administrators[0].clone()];
    let mut waiting = Vec::new();
    for person in &people {
        enrol(&portal, &portal.sign_in(person).await).await;
        waiting.push(knock(&portal, person).await);
    }
    drop(reader);
    for client in waiting {
        let csrf = csrf_in(&client.get(DOOR).await.is(200).text()).unwrap();
        let size = portal.rooms.log.size().await.unwrap();
        for route in portal.routes.iter().filter(|route| !is_open(route) && !is_for_programs(route) && route.guard != "password given") {
            let address = address(route);
            let stranger = portal.stranger();
            if route.method == "GET" {
                // Byte for byte what somebody is told who never signed in.
                assert_eq!(client.get(&address).await.is(303).essence(), stranger.get(&address).await.essence(), "{address}");
                assert_eq!(client.get_json(&address).await.is(401).essence(), stranger.get_json(&address).await.essence(), "{address}");
                continue;
            }
            let fields = form(&[("csrf", &csrf), ("reason", "x"), ("password", "x"), ("name", "x"), ("code", "x")]);
            let headers = [("origin", ORIGIN), ("accept", "text/html")];
            let answer = client.send(Client::request(Method::POST, &address, Some(fields), &headers)).await;
            assert_eq!(answer.status, 401, "{address}");
        }
        assert_eq!(portal.rooms.log.size().await.unwrap(), size, "it wrote an entry");
        assert!(client.get("/no/such/page").await.is(303).location().starts_with("/sign-in?next="));
    }
    // Whoever has not given a password finds no door.
    let stranger = portal.stranger();
    assert!(stranger.get(DOOR).await.is(303).location().starts_with("/sign-in"));
    let csrf = stranger.csrf().await;
    stranger.post_with(DOOR, &csrf, &[("code", "123456")]).await.is(401);
    // Nor does whoever is signed in.
    let signed_in = portal.sign_in(&portal.administrators[1]).await;
    assert_eq!(signed_in.get(DOOR).await.is(303).location(), "/sign-in");
}

async fn where_a_factor_is_due_nothing_else_answers(backend: Backend) {
    let portal = Portal::with(backend, |config| config.accounts.second_factor = FactorPolicy::Everybody).await;
    let agency = portal.agency().await;
    for person in [portal.auditor.clone(), portal.administrators[0].clone(), portal.named(&agency).await] {
        let client = portal.stranger();
        client.post("/sign-in", &[("email", &person.email), ("password", &person.password)]).await.is(303);
        let csrf = csrf_in(&client.get(PAGE).await.is(200).text()).unwrap();
        let size = portal.rooms.log.size().await.unwrap();
        let mut named = Vec::new();
        for route in portal.routes.iter().filter(|route| !is_open(route) && !is_for_programs(route) && route.guard != "password given") {
            if ["signed in, factor or not", "signed in or a token"].contains(&route.guard) {
                named.push(format!("{} {}", route.method, route.path));
                continue;
            }
            let address = address(route);
            if route.method == "GET" {
                let answer = client.get(&address).await.is(303);
                assert!(answer.location().starts_with(PAGE), "{address}: {}", answer.location());
                assert!(answer.body.is_empty());
                assert_eq!(client.get_json(&address).await.is(403).json()["error"]["code"], "second_factor_due", "{address}");
                continue;
            }
            let fields = form(&[("csrf", &csrf), ("reason", "x"), ("password", "x"), ("name", "x"), ("code", "x")]);
            let headers = [("origin", ORIGIN), ("accept", "application/json")];
            let answer = client.send(Client::request(Method::POST, &address, Some(fields), &headers)).await;
            assert_eq!(answer.json()["error"]["code"], "second_factor_due", "{address}");
        }
        assert_eq!(portal.rooms.log.size().await.unwrap(), size, "it wrote an entry");
        named.sort();
        assert_eq!(
            named,
            [
                "GET /account/second-factor",
                "GET /reauthenticate",
                "GET /transparency",
                "GET /transparency/checkpoint",
                "GET /transparency/handovers",
                "GET /transparency/tile/{*tile}",
                "POST /account/second-factor/begin",
                "POST /account/second-factor/confirm",
                "POST /reauthenticate",
                "POST /sign-out",
            ]
        );
        let record = client.get("/transparency").await.is(200).text();
        assert!(!record.contains("href=\"/transparency/receipts") && !record.contains("href=\"/audit"), "{record}");
        client.get("/transparency/checkpoint").await.is(200);
        client.post_with("/sign-out", &csrf, &[]).await.is(200);
        assert!(client.get(PAGE).await.is(303).location().starts_with("/sign-in"));
    }
}

async fn a_session_does_not_wait_for_long(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.auditor.clone();
    let app = enrol(&portal, &portal.sign_in(&person).await).await;
    let client = knock(&portal, &person).await;
    portal.clock.advance(Duration::from_micros(600_000_000 - 1));
    client.get(DOOR).await.is(200);
    portal.clock.advance(Duration::from_micros(1));
    assert!(client.get(DOOR).await.is(303).location().starts_with("/sign-in"));
    let csrf = client.csrf().await;
    client.post_with(DOOR, &csrf, &[("code", &app.code(&portal))]).await.is(401);
    give(&knock(&portal, &person).await, &app.code(&portal)).await.is(303);
}

async fn what_ends_sessions_ends_those_that_wait(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.auditor.clone();
    let signed_in = portal.sign_in(&person).await;
    let app = enrol(&portal, &signed_in).await;
    let gone = async |client: Client| assert!(client.get(DOOR).await.is(303).location().starts_with("/sign-in"));
    let client = knock(&portal, &person).await;
    signed_in.post("/account/sessions/end", &[("session", "")]).await.is(303);
    gone(client).await;
    let client = knock(&portal, &person).await;
    let by = portal.desk(&portal.administrators[0]).await;
    portal.rooms.accounts.lock(&person.id, "left", &by.step_up, &portal.context()).await.unwrap();
    gone(client.clone()).await;
    // Unlocked again, it stays as it is.
    let second = portal.desk(&portal.administrators[1]).await;
    portal.rooms.accounts.unlock(&person.id, &second.step_up, &portal.context()).await.unwrap();
    gone(client).await;
    // A session of one person becomes nobody's when the password of another is given in it.
    let client = portal.sign_in(&portal.administrators[0]).await;
    client.get("/admin/people").await.is(200);
    let csrf = client.csrf().await;
    let fields = [("email", person.email.as_str()), ("password", person.password.as_str())];
    assert_eq!(client.post_with("/sign-in", &csrf, &fields).await.is(303).location(), DOOR);
    assert!(client.get("/admin/people").await.is(303).location().starts_with("/sign-in"));
    give(&client, &app.next(&portal)).await.is(303);
}
