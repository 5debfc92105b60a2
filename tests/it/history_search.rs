//! Search in history over HTTP: what programs and people get, what is cut away, and what the log says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::client::{Client, encoded};
use crate::harness::library::{MAIN, SEED, SOCKET, VERSIONS};
use crate::harness::witness_places;
use crate::harness::{Backend, DAY, Grant, Portal, on_both};

on_both! {
    the_answer_for_programs
    messages_for_programs
    the_page_for_people
    what_may_not_be_read_takes_no_part
    an_expired_grant_opens_no_history
    every_place_shown_is_in_the_entry
    pages_follow_each_other
}

async fn ask(reader: &Client, query: &str) -> Value {
    reader.get_json(&format!("/search?q={}", encoded(query))).await.is(200).json()
}

fn paths(answer: &Value) -> BTreeSet<String> {
    let commits = answer["commits"].as_array().unwrap().iter();
    commits.flat_map(|commit| commit["files"].as_array().unwrap()).map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

fn subjects(answer: &Value) -> Vec<Option<&str>> {
    answer["commits"].as_array().unwrap().iter().map(|commit| commit["subject"].as_str()).collect()
}

async fn the_answer_for_programs(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let found = ask(&reader, "type:diff product:gateway path:gateway_main CANARY").await;
    assert_eq!(
        (&found["type"], &found["complete"], &found["next"], &found["files"]),
        (&json!("diff"), &json!(true), &Value::Null, &json!([]))
    );
    // It came with the first version, and each later one replaced the line.
    assert_eq!((&found["total"], &found["total_files"], &found["total_commits"]), (&json!(5), &json!(3), &json!(3)));
    assert_eq!(subjects(&found), VERSIONS.map(Some));
    let newest = &found["commits"][0];
    assert_eq!(newest["commit"], portal.library.commit("gateway", "v2.0"));
    assert_eq!(
        (&newest["product"], &newest["author"], &newest["at"]),
        (&json!("gateway"), &json!("A U Thor"), &json!("2023-11-16T22:13:20.000000Z"))
    );
    assert_eq!(newest["versions"], json!({"newest": "v2.0", "oldest": "v2.0", "count": 1}));
    let lines = newest["files"][0]["lines"].as_array().unwrap();
    let told: Vec<(&str, u64)> = lines.iter().map(|line| (line["sign"].as_str().unwrap(), line["number"].as_u64().unwrap())).collect();
    assert_eq!(told, [("-", 1), ("+", 1)]);
    let canary = |version: &str| portal.library.piece("gateway", version, MAIN).canaries[0].clone();
    assert!(lines[0]["text"].as_str().unwrap().contains(&canary("v1.1")) && lines[1]["text"].as_str().unwrap().contains(&canary("v2.0")));
    assert_eq!(lines[0]["ranges"], json!([[3, 9]]));
    let added = ask(&reader, "type:diff is:added product:gateway path:gateway_main CANARY version:all").await;
    assert_eq!(added["total"], 3);
    assert_eq!(added["commits"][2]["versions"], json!({"newest": "v2.0", "oldest": "v1.0", "count": 3}));
    // No address of the author.
    assert!(!found.to_string().contains("author@vendor.example"));
    let wrong = reader.get_json(&format!("/search?q={}", encoded("is:added CANARY"))).await.is(400).json();
    assert_eq!(wrong["error"]["code"], "bad_query");
}

async fn messages_for_programs(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let found = ask(&reader, "type:commit v1 product:gateway").await;
    assert_eq!((&found["type"], &found["total_commits"], &found["total"]), (&json!("commit"), &json!(2), &json!(2)));
    assert_eq!(subjects(&found), [Some("v1.1"), Some("v1.0")]);
    let hit = &found["commits"][0];
    assert_eq!((&hit["lines"][0]["number"], &hit["lines"][0]["text"], &hit["total"]), (&json!(1), &json!("v1.1"), &json!(1)));
    assert_eq!(ask(&reader, "type:commit path:ledger_main author:thor").await["total_commits"], 3);
    assert_eq!(ask(&reader, "type:commit v2 version:v1.*").await["total_commits"], 0);
}

async fn the_page_for_people(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let page = reader.get(&format!("/search?q={}", encoded("type:diff strcpy"))).await.is(200).text();
    assert!(
        page.contains("<mark>strcpy</mark>") && page.contains("class=\"added\"") && page.contains("in the history you may read"),
        "{page}"
    );
    let commit = portal.library.commit("gateway", "v1.0");
    assert!(page.contains(&commit[..10]) && page.contains(MAIN) && page.contains("value=\"type:diff strcpy\""), "{page}");
    let page = reader.get(&format!("/search?q={}", encoded("type:commit v1.1"))).await.is(200).text();
    assert!(page.contains("2 commits") && page.contains("<mark>v1.1</mark>"), "{page}");
    let page = reader.get(&format!("/search?q={}", encoded("type:diff nothing_like_this"))).await.is(200).text();
    assert!(page.contains("Nothing found") && page.contains("version:all"), "{page}");
}

async fn what_may_not_be_read_takes_no_part(backend: Backend) {
    let portal = Portal::start(backend).await;
    let net = portal.reviewer(&[Grant::of("gateway").paths(&["src/net"], &["src/net/deep"])]).await;
    let net = portal.sign_in(&net).await;
    let found = ask(&net, "type:diff CANARY version:all").await;
    let expected = BTreeSet::from([SOCKET.to_owned(), "src/net/socket_close.c".to_owned()]);
    assert_eq!((paths(&found), &found["total_files"], &found["total"]), (expected, &json!(6), &json!(10)));
    // Their messages speak of other files, too; and nothing tells of the other product.
    assert_eq!(subjects(&found), [None, None, None]);
    // Two files and a link, in three commits; the link never changed.
    assert_eq!((&found["searchable"], &found["searched"]), (&json!(7), &json!(7)));
    let messages = ask(&net, "type:commit v version:all").await;
    assert_eq!((&messages["total_commits"], &messages["searchable"], &messages["commits"]), (&json!(0), &json!(0), &json!([])));
    for nothing in [
        "type:diff \"seed = 42\" version:all",
        "type:diff path:secret version:all",
        "type:diff product:ledger version:all",
        "type:diff path:deep",
    ] {
        let found = ask(&net, nothing).await;
        assert_eq!((&found["total_files"], &found["total_commits"], &found["commits"]), (&json!(0), &json!(0), &json!([])), "{nothing}");
    }
    // Everything but one file: the messages stay closed, since each commit changed that file.
    let but_one = portal.reviewer(&[Grant::of("gateway").paths(&[""], &[SEED])]).await;
    let but_one = portal.sign_in(&but_one).await;
    assert_eq!(ask(&but_one, "type:commit v").await["total_commits"], 0);
    assert_eq!(ask(&but_one, "type:diff \"seed = 42\"").await["total"], 0);
    // An older version opens what came before it, and nothing since.
    let old = portal.reviewer(&[Grant::of("ledger").versions(&["v1.0"])]).await;
    let old = portal.sign_in(&old).await;
    let found = ask(&old, "type:diff CANARY version:all").await;
    assert_eq!((subjects(&found), &found["total"]), (vec![Some("v1.0")], &json!(3)));
    assert_eq!(ask(&old, "type:commit v version:all").await["total_commits"], 1);
}

async fn an_expired_grant_opens_no_history(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant { until: 2 * DAY, ..Grant::of("ledger") }]).await;
    let reader = portal.sign_in(&person).await;
    assert_eq!(ask(&reader, "type:diff CANARY").await["total_commits"], 3);
    portal.clock.advance(3 * DAY);
    let reader = portal.sign_in(&person).await;
    for query in ["type:diff CANARY", "type:commit v"] {
        let found = ask(&reader, query).await;
        assert_eq!((&found["total_commits"], &found["searchable"], &found["commits"]), (&json!(0), &json!(0), &json!([])), "{query}");
    }
}

async fn every_place_shown_is_in_the_entry(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let found = ask(&reader, "type:diff strcpy version:all").await;
    let entry = portal.rooms.log.entry(found["receipt"]["index"].as_u64().unwrap()).await.unwrap().unwrap();
    assert_eq!((&entry.facts["history"], &entry.facts["commits"]), (&json!("changes"), &found["total_commits"]));
    let places = witness_places(&entry);
    let numbers = |file: &Value, sign: &str| -> Vec<u64> {
        let lines = file["lines"].as_array().unwrap().iter();
        lines.filter(|line| line["sign"] == sign).map(|line| line["number"].as_u64().unwrap()).collect()
    };
    let mut seen = 0;
    for commit in found["commits"].as_array().unwrap() {
        let of_commit =
            |place: &&lectern::audit::Shown| place.commit.as_deref() == commit["commit"].as_str() && place.product == commit["product"];
        assert!(places.iter().filter(of_commit).any(|place| place.message && place.path.text.is_empty()), "the subject is recorded");
        for file in commit["files"].as_array().unwrap() {
            let place = places.iter().filter(of_commit).find(|place| file["path"] == place.path.text.as_str() && !place.message).unwrap();
            assert_eq!((place.lines.clone(), place.removed.clone(), &place.blob), (numbers(file, "+"), numbers(file, "-"), &None));
            seen += 1;
        }
    }
    assert!(seen == 5 && places.len() == seen + found["commits"].as_array().unwrap().len());
    assert_eq!(entry.personal.as_ref().unwrap().query.as_deref(), Some("type:diff strcpy version:all"));
}

async fn pages_follow_each_other(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let mut next = Some(format!("/search?q={}", encoded("type:diff CANARY")));
    let (mut files, mut total, mut pages) = (BTreeSet::new(), Value::Null, 0);
    while let Some(address) = next {
        let page = reader.get_json(&address).await.is(200).json();
        for commit in page["commits"].as_array().unwrap() {
            for file in commit["files"].as_array().unwrap() {
                assert!(files.insert((commit["commit"].to_string(), file["path"].to_string())), "a change twice");
            }
        }
        total = page["total_files"].clone();
        next = page["next"].as_str().map(str::to_owned);
        pages += 1;
    }
    assert_eq!(json!(files.len()), total);
    assert!(pages > 1);
}
