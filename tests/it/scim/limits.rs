//! What a directory meets at the end of what is kept, and of what can be recorded.

use lectern::audit::Kind;
use lectern::entitlements::MOST_DIRECTORY_PEOPLE;
use serde_json::json;

use super::{Scene, user};
use crate::harness::{Backend, on_both};
use crate::log_unavailable::{fill, make_room, until_open};

on_both! {
    no_directory_keeps_more_people_than_are_kept
    what_cannot_be_recorded_changes_nobody
}

async fn no_directory_keeps_more_people_than_are_kept(backend: Backend) {
    let scene = Scene::set(backend).await;
    let path = scene.directory.enter("ada@one.example").await;
    let mut tx = scene.portal.rooms.database.begin().await.unwrap();
    for n in 1..MOST_DIRECTORY_PEOPLE {
        sqlx::query(
            "INSERT INTO directory_people (id, agency_id, user_name_key, profile, created_at, changed_at, version)
             SELECT $1, agency_id, $1, profile, created_at + 1, changed_at, 1 FROM directory_people WHERE user_name_key = 'ada@one.example'",
        )
        .bind(format!("dpe_{n}"))
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let list = scene.directory.get("/Users?count=1").await.is(200).json();
    assert_eq!(list["totalResults"], json!(MOST_DIRECTORY_PEOPLE));
    let refused = scene.directory.post("/Users", user("one.too.many@one.example")).await.is(403);
    super::kind(&refused);
    assert!(refused.text().contains("are the most"), "{}", refused.text());
    assert!(scene.portal.rooms.accounts.find("one.too.many@one.example").await.unwrap().is_none());
    assert_eq!(scene.kinds(Kind::DirectoryPersonEntered).await.len(), 1);
    // Whoever is there can still be ended, and makes room.
    scene.directory.delete(&path).await.is(204);
    scene.directory.enter("one.too.many@one.example").await;
}

async fn what_cannot_be_recorded_changes_nobody(backend: Backend) {
    let scene = Scene::set(backend).await;
    let path = scene.directory.enter("ada@one.example").await;
    let before = scene.directory.get(&path).await.is(200).json();
    let stages = scene.stages("ada@one.example").await;
    fill(&scene.portal).await;
    let rename = json!([{"op": "replace", "value": {"displayName": "Somebody else"}}]);
    for refused in [
        scene.directory.post("/Users", user("bea@one.example")).await,
        scene.directory.switch(&path, false).await,
        scene.directory.patch(&path, rename).await,
        scene.directory.put(&path, user("eve@one.example")).await,
        scene.directory.delete(&path).await,
    ] {
        super::kind(&refused.is(503));
    }
    make_room(&scene.portal).await;
    until_open(&scene.portal).await;
    assert_eq!(scene.directory.get(&path).await.is(200).json(), before);
    assert_eq!(scene.stages("ada@one.example").await, stages);
    assert!(scene.portal.rooms.accounts.find("bea@one.example").await.unwrap().is_none());
    scene.directory.switch(&path, false).await.is(200);
}
