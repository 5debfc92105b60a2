//! Who somebody is: one reply for every failure, sessions that end, and forms that come from the portal's own pages.

use std::time::Duration;

use axum::http::Method;
use lectern::accounts::Role;
use lectern::audit::{Filter, Kind};
use sqlx::Row;

use crate::harness::client::{Client, HOST, ORIGIN, csrf_in, form};
use crate::harness::library::MAIN;
use crate::harness::{Backend, HOUR, Portal, on_both};

on_both! {
    every_failure_has_one_reply
    who_keeps_failing_is_slowed_down
    a_planted_session_is_worth_nothing
    after_signing_out_nothing_works
    sessions_end_when_idle_and_in_the_end
    forms_of_other_sites_are_refused
    pages_of_other_sites_and_prefetches_get_nothing
    stronger_hashes_come_with_the_next_sign_in
    one_may_end_ones_other_sessions
    where_to_go_on_stays_inside
}

const MINUTE: Duration = Duration::from_secs(60);

async fn every_failure_has_one_reply(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    let disabled = portal.named(&agency).await;
    let by = portal.desk(&portal.administrators[0]).await;
    portal.rooms.accounts.lock(&disabled.id, "over", &by.step_up, &portal.context()).await.unwrap();
    let long = "x".repeat(5_000);
    let mut replies = Vec::new();
    for (email, password) in [
        (person.email.as_str(), "wrong"),
        (person.email.as_str(), ""),
        (person.email.as_str(), long.as_str()),
        ("nobody@agency.example", person.password.as_str()),
        (disabled.email.as_str(), disabled.password.as_str()),
        ("", ""),
        ("'; DROP TABLE accounts; --", "x"),
    ] {
        let stranger = portal.stranger();
        let answer = stranger.post("/sign-in", &[("email", email), ("password", password)]).await.is(401);
        let csrf = csrf_in(&answer.text()).unwrap();
        let (status, mut headers, text) = answer.essence();
        headers.retain(|(name, _)| name != "content-length");
        let typed = email.replace('\'', "&#39;");
        let plain = text.replace(&csrf, "CSRF").replace(&format!("type=\"email\" value=\"{typed}\""), "type=\"email\" value=\"EMAIL\"");
        // Which field has the cursor depends on what was typed.
        let plain = plain.replace(" autofocus", "");
        replies.push((email, (status, headers, plain)));
        stranger.get("/").await.is(303);
    }
    for (email, reply) in &replies[1..] {
        assert_eq!(reply.2.len(), replies[0].1.2.len(), "{email}: {}", reply.2);
        assert_eq!(*reply, replies[0].1, "{email}");
    }
    let refused = portal.entries(Filter { kind: Some(Kind::SessionRefused), ..Filter::default() }).await;
    assert_eq!(refused.len(), replies.len());
    assert!(refused.iter().all(|entry| entry.actor.is_none()));
}

async fn who_keeps_failing_is_slowed_down(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    for _ in 0..6 {
        portal.stranger().post("/sign-in", &[("email", &person.email), ("password", "wrong")]).await.is(401);
    }
    // Now even the right one is refused from there, and with the same words.
    portal.stranger().sign_in(&person).await.is(401);
    let mut elsewhere = portal.stranger();
    elsewhere.address = "198.51.100.9:5000";
    elsewhere.sign_in(&person).await.is(303);
    portal.clock.advance(Duration::from_secs(3));
    portal.stranger().sign_in(&person).await.is(303);
}

async fn a_planted_session_is_worth_nothing(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    let mut client = portal.stranger();
    let csrf = client.csrf().await;
    let planted = client.cookie().unwrap();
    client.sign_in(&person).await.is(303);
    assert_ne!(client.cookie().unwrap(), planted);
    assert_ne!(client.csrf().await, csrf);
    let thief = portal.stranger();
    thief.set_cookie(Some(planted));
    thief.get("/").await.is(303);
    // Neither is one that the portal never gave.
    for made_up in ["AAAAAAAAAAAAAAAAAAAAAA", "x", "../../etc", "%00"] {
        thief.set_cookie(Some(made_up.to_owned()));
        thief.get("/").await.is(303);
    }
    // What stands in the database opens nothing.
    let rows = sqlx::query("SELECT hash FROM sessions").fetch_all(portal.rooms.database.pool()).await.unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        let hash: String = row.get(0);
        assert!(!hash.contains(&client.cookie().unwrap()));
        thief.set_cookie(Some(hash));
        thief.get("/").await.is(303);
    }
}

async fn after_signing_out_nothing_works(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[crate::harness::Grant::of("gateway")]).await;
    let address = format!("/p/gateway/v2.0/file/{MAIN}");
    for _ in 0..5 {
        let client = portal.sign_in(&person).await;
        let cookie = client.cookie();
        let csrf = client.csrf().await;
        let tabs = [client.clone(), client.clone(), client.clone()];
        let (page, desk, out, more) =
            tokio::join!(tabs[0].get(&address), tabs[1].get("/"), client.post_with("/sign-out", &csrf, &[]), tabs[2].get("/account"),);
        assert_eq!(out.status, 200);
        assert_eq!(out.header("clear-site-data"), "\"cache\", \"storage\"");
        for answer in [page, desk, more] {
            assert!([200, 303].contains(&answer.status.as_u16()), "{}", answer.status);
        }
        // Nothing in flight has brought the session back.
        let thief = portal.stranger();
        for page in ["/", "/p", "/account", address.as_str()] {
            thief.set_cookie(cookie.clone());
            thief.get(page).await.is(303);
        }
        thief.set_cookie(cookie);
        let again = thief.send(Client::request(Method::POST, "/sign-out", Some(form(&[("csrf", &csrf)])), &[("origin", ORIGIN)])).await;
        assert!([401, 403].contains(&again.status.as_u16()), "{}", again.status);
    }
    assert_eq!(portal.entries(Filter { kind: Some(Kind::SessionClosed), ..Filter::default() }).await.len(), 5);
}

async fn sessions_end_when_idle_and_in_the_end(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let client = portal.sign_in(&portal.auditor).await;
    portal.clock.advance(Duration::from_secs(899));
    client.get("/").await.is(200);
    portal.clock.advance(Duration::from_secs(899));
    client.get("/").await.is(200);
    portal.clock.advance(15 * MINUTE);
    client.get("/").await.is(303);
    client.get("/").await.is(303);

    let client = portal.sign_in(&portal.auditor).await;
    for _ in 0..71 {
        portal.clock.advance(10 * MINUTE);
        client.get("/").await.is(200);
    }
    portal.clock.advance(Duration::from_secs(599));
    client.get("/").await.is(200);
    portal.clock.advance(Duration::from_secs(1));
    client.get("/").await.is(303);
    assert!(12 * HOUR == 72 * 10 * MINUTE);
}

async fn forms_of_other_sites_are_refused(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let client = portal.sign_in(&portal.administrators[0]).await;
    let csrf = client.csrf().await;
    let agencies = portal.rooms.entitlements.agencies().await.unwrap().len();
    let fields = form(&[("csrf", &csrf), ("name", "Agency Nine"), ("country", "Atlantis")]);
    let without = form(&[("name", "Agency Nine"), ("country", "Atlantis")]);
    let other = form(&[("csrf", "AAAAAAAAAAAAAAAAAAAAAAAA"), ("name", "Agency Nine"), ("country", "Atlantis")]);
    for (body, headers) in [
        (&fields, vec![]),
        (&fields, vec![("origin", "https://evil.example")]),
        (&fields, vec![("origin", "null")]),
        (&fields, vec![("origin", "http://127.0.0.1:1")]),
        (&fields, vec![("sec-fetch-site", "cross-site"), ("origin", ORIGIN)]),
        (&fields, vec![("sec-fetch-site", "same-site"), ("origin", ORIGIN)]),
        (&fields, vec![("sec-fetch-site", "none"), ("origin", ORIGIN)]),
        (&without, vec![("origin", ORIGIN)]),
        (&other, vec![("origin", ORIGIN)]),
    ] {
        let answer = client.send(Client::request(Method::POST, "/admin/agencies/new", Some(body.clone()), &headers)).await;
        assert_eq!(answer.status, 403, "{headers:?} {body}");
    }
    // A token of somebody else's session is no token of this one.
    let foreign = portal.sign_in(&portal.administrators[1]).await.csrf().await;
    client.post_with("/admin/agencies/new", &foreign, &[("name", "Agency Nine"), ("country", "Atlantis")]).await.is(403);
    assert_eq!(portal.rooms.entitlements.agencies().await.unwrap().len(), agencies);
    let headers = [("sec-fetch-site", "same-origin")];
    client.send(Client::request(Method::POST, "/admin/agencies/new", Some(fields), &headers)).await.is(303);
    assert_eq!(portal.rooms.entitlements.agencies().await.unwrap().len(), agencies + 1);
    // A form of any size is not read.
    let huge = form(&[("csrf", &csrf), ("name", &"x".repeat(100_000))]);
    let answer = client.send(Client::request(Method::POST, "/admin/agencies/new", Some(huge), &[("origin", ORIGIN)])).await;
    assert!([400, 413].contains(&answer.status.as_u16()), "{}", answer.status);
    assert!(ORIGIN.ends_with(HOST));
}

async fn pages_of_other_sites_and_prefetches_get_nothing(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let address = format!("/p/gateway/v2.0/file/{MAIN}");
    let size = portal.rooms.log.size().await.unwrap();
    for header in
        [("sec-fetch-site", "cross-site"), ("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch")]
    {
        let answer = reader.send(Client::request(Method::GET, &address, None, &[header])).await.is(403);
        assert!(crate::harness::canaries_in(&answer.body).is_empty());
    }
    assert_eq!(portal.rooms.log.size().await.unwrap(), size);
    reader.send(Client::request(Method::GET, &address, None, &[("sec-fetch-site", "same-origin")])).await.is(200);
}

async fn stronger_hashes_come_with_the_next_sign_in(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    let hash = async || {
        let row = sqlx::query("SELECT password FROM accounts WHERE id = $1").bind(person.id.as_str());
        row.fetch_one(portal.rooms.database.pool()).await.unwrap().get::<String, _>(0)
    };
    let weak = hash().await;
    assert!(weak.starts_with("$argon2id$v=19$m=16,t=1,p=1$"), "{weak}");
    portal.sign_in(&person).await;
    assert_eq!(hash().await, weak, "nothing changes while the cost does not");
    let mut stronger = portal.beside(|config| config.password.passes = 3).await;
    stronger.post("/sign-in", &[("email", &person.email), ("password", "wrong")]).await.is(401);
    assert_eq!(hash().await, weak, "a wrong password changes nothing");
    stronger.sign_in(&person).await.is(303);
    let strong = hash().await;
    assert!(strong.starts_with("$argon2id$v=19$m=16,t=3,p=1$"), "{strong}");
    portal.sign_in(&person).await;
    assert_eq!(hash().await, strong, "a weaker cost never takes its place");
}

async fn one_may_end_ones_other_sessions(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.colleague(Role::Auditor).await;
    let (here, there) = (portal.sign_in(&person).await, portal.sign_in(&person).await);
    let other = portal.sign_in(&portal.auditor).await;
    let page = here.get("/account").await.is(200).text();
    let mut sessions: Vec<String> =
        page.split("name=\"session\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    sessions.dedup();
    assert!(!sessions.is_empty(), "{page}");
    for session in &sessions {
        // Of somebody else's session nobody is told whether it is there.
        other.post("/account/sessions/end", &[("session", session)]).await.is(404);
    }
    here.post("/account/sessions/end", &[("session", sessions.last().unwrap())]).await.is(303);
    let alive = [here.get("/").await.status.as_u16(), there.get("/").await.status.as_u16()];
    assert_eq!(alive, [200, 303]);
}

async fn where_to_go_on_stays_inside(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = &portal.auditor;
    for (next, expected) in [
        ("/audit?kind=access.denied", "/audit?kind=access.denied"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
    ] {
        let client = portal.stranger();
        let fields = [("email", person.email.as_str()), ("password", person.password.as_str()), ("next", next)];
        assert_eq!(client.post("/sign-in", &fields).await.is(303).location(), expected);
    }
    let stranger = portal.stranger();
    let answer = stranger.get("/audit?kind=access.denied").await.is(303);
    assert_eq!(answer.location(), "/sign-in?next=/audit%3Fkind%3Daccess.denied");
}
