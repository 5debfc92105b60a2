//! Two at once.

use axum::http::Method;
use lectern::accounts::Standing;
use lectern::entitlements::NominationStage;
use serde_json::{Value, json};

use super::{PATCH, Scene, USER, connect, kind, user};
use crate::harness::{Backend, on_both};

on_both! {
    of_two_who_enter_one_user_name_at_once_one_is_told_of_the_other
    of_two_who_change_one_version_at_once_one_is_told
    changes_without_a_condition_are_all_made
    whoever_is_switched_off_while_they_are_approved_reads_nothing
}

/// Times that each race is run.
const ROUNDS: usize = 4;

async fn of_two_who_enter_one_user_name_at_once_one_is_told_of_the_other(backend: Backend) {
    let scene = Scene::set(backend).await;
    let other = connect(&scene.portal, &scene.agency, &scene.portal.administrators[1]).await;
    for round in 0..ROUNDS {
        let email = format!("ada.{round}@one.example");
        let (one, two) = tokio::join!(scene.directory.post("/Users", user(&email)), other.post("/Users", user(&email.to_uppercase())));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", one.text(), two.text());
        let lost = if one.status == 409 { one } else { two };
        assert_eq!(kind(&lost), "uniqueness");
        assert_eq!(scene.stages(&email).await, [NominationStage::Nominated]);
    }
    // Two agencies with one address: both are entered, one has the account.
    let theirs = scene.portal.agency().await;
    let third = connect(&scene.portal, &theirs, &scene.portal.administrators[1]).await;
    let (one, two) = tokio::join!(scene.directory.post("/Users", user("x@both.example")), third.post("/Users", user("x@both.example")));
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (201, 201));
    assert_eq!(scene.stages("x@both.example").await, [NominationStage::Nominated]);
}

async fn of_two_who_change_one_version_at_once_one_is_told(backend: Backend) {
    let scene = Scene::set(backend).await;
    for round in 0..ROUNDS {
        let path = scene.directory.enter(&format!("ada.{round}@one.example")).await;
        let titled = |title: &str| {
            let mut one = user(&format!("ada.{round}@one.example"));
            one["title"] = json!(title);
            Some(one)
        };
        let tag = [("if-match", "W/\"1\"")];
        let (one, two) = tokio::join!(
            scene.directory.ask(Method::PUT, &path, titled("one"), &tag),
            scene.directory.ask(Method::PUT, &path, titled("two"), &tag)
        );
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{} {}", one.text(), two.text());
        let won = if one.status == 200 { "one" } else { "two" };
        let now = scene.directory.get(&path).await.is(200).json();
        assert_eq!((&now["title"], &now["meta"]["version"]), (&json!(won), &json!("W/\"2\"")));
    }
}

async fn changes_without_a_condition_are_all_made(backend: Backend) {
    let scene = Scene::set(backend).await;
    let path = scene.directory.enter("ada@one.example").await;
    let one = |path: &str, value: Value| Some(json!({"schemas": [PATCH], "Operations": [{"op": "add", "path": path, "value": value}]}));
    let (a, b, c) = tokio::join!(
        scene.directory.ask(Method::PATCH, &path, one("title", json!("Analyst")), &[]),
        scene.directory.ask(Method::PATCH, &path, one("name.givenName", json!("Ada")), &[]),
        scene.directory.ask(Method::PATCH, &path, one("externalId", json!("7")), &[])
    );
    for answer in [a, b, c] {
        answer.is(200);
    }
    let now = scene.directory.get(&path).await.is(200).json();
    assert_eq!((&now["title"], &now["name"]["givenName"], &now["externalId"]), (&json!("Analyst"), &json!("Ada"), &json!("7")));
    assert_eq!(now["meta"]["version"], "W/\"4\"");
}

async fn whoever_is_switched_off_while_they_are_approved_reads_nothing(backend: Backend) {
    let scene = Scene::set(backend).await;
    for round in 0..ROUNDS {
        let email = format!("ada.{round}@one.example");
        let path = scene.directory.enter(&email).await;
        let account = scene.portal.rooms.accounts.find(&email).await.unwrap().unwrap();
        let room = &scene.portal.rooms.entitlements;
        let id = room.nominations_of(&account.id).await.unwrap().remove(0).nomination.id;
        let by = scene.portal.desk(&scene.portal.administrators[1]).await;
        let context = scene.portal.context();
        let off = json!({"schemas": [USER], "userName": email, "active": false});
        let (_, mut answer) = tokio::join!(room.approve_nomination(&id, &by.step_up, &context), scene.directory.put(&path, off.clone()));
        // Whoever was slower is told, and tries again.
        if answer.status == 409 {
            answer = scene.directory.put(&path, off).await;
        }
        answer.is(200);
        assert_eq!(scene.stages(&email).await, [NominationStage::Withdrawn]);
        let account = scene.portal.rooms.accounts.find(&email).await.unwrap().unwrap();
        assert_eq!(account.standing(), Standing::Locked);
        assert!(room.people(&scene.agency.agreement).await.unwrap().is_empty());
    }
}
