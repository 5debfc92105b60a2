//! What a reviewer does with searches besides reading them: completion, saving, taking away.

use lectern::audit::{Filter, Kind};
use lectern::inspection::NewestVersion;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::client::{csrf_in, encoded};
use crate::harness::{Backend, Client, Grant, Portal, on_both, witness_places};

on_both! {
    completion_names_paths_once_they_are_recorded
    completion_knows_nothing_out_of_reach
    searches_are_kept_under_names
    what_was_published_since_is_said
    an_export_is_everything_to_the_last_line
    an_export_asks_who_it_is
}

async fn suggested(reader: &Client, query: &str) -> Value {
    reader.get_json(&format!("/search/suggest?q={}", encoded(query))).await.is(200).json()
}

fn inserts(found: &Value) -> Vec<String> {
    found["items"].as_array().unwrap().iter().map(|item| item["insert"].as_str().unwrap().to_owned()).collect()
}

async fn completion_names_paths_once_they_are_recorded(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway"), Grant::of("ledger")]).await;
    let reader = portal.sign_in(&person).await;
    let size = portal.rooms.log.size().await.unwrap();
    // What is the same for everybody, and what one may read of anyway, needs no entry.
    assert_eq!(inserts(&suggested(&reader, "strcpy la").await), ["lang:"]);
    assert_eq!(inserts(&suggested(&reader, "case:").await), ["case:yes ", "case:no ", "case:auto "]);
    assert!(inserts(&suggested(&reader, "lang:rus").await).contains(&"lang:rust ".to_owned()));
    assert_eq!(inserts(&suggested(&reader, "product:gate").await), ["product:gateway "]);
    assert_eq!(inserts(&suggested(&reader, "product:gateway version:v1").await), ["version:v1.1 ", "version:v1.0 "]);
    assert_eq!(portal.rooms.log.size().await.unwrap(), size);

    let found = suggested(&reader, "strcpy path:sr").await;
    assert_eq!((&found["from"], &found["to"]), (&7.into(), &14.into()));
    assert!(inserts(&found).contains(&"path:src/".to_owned()), "{found}");
    let index = found["receipt"]["index"].as_u64().unwrap();
    let entry = portal.rooms.log.entry(index).await.unwrap().unwrap();
    assert_eq!((entry.kind, &entry.facts["suggested"]), (Kind::Searched, &Value::Bool(true)));
    assert_eq!(entry.personal.as_ref().unwrap().query.as_deref(), Some("path:sr"));
    assert!(witness_places(&entry).iter().any(|place| place.path.text.starts_with("src/")));
    let found = suggested(&reader, "path:src/net/socket").await;
    assert_eq!(inserts(&found), ["path:src/net/socket_open.c ", "path:src/net/socket_close.c "]);
    // The caret decides what is completed.
    let middle = reader.get_json("/search/suggest?q=la%20strcpy&at=2").await.is(200).json();
    assert_eq!(inserts(&middle)[0], "lang:");
    assert_eq!((&middle["from"], &middle["to"]), (&0.into(), &2.into()));
    // What was asked lately is offered, what was suggested is not.
    reader.get("/search?q=socket_open").await.is(200);
    let own = suggested(&reader, "sock").await;
    assert_eq!(inserts(&own), ["socket_open"]);
    assert_eq!((&own["items"][0]["runs"], &own["items"][0]["from"]), (&true.into(), &0.into()));
    for odd in ["", "path:", "path:/x", "path:*", "(((", "\"", "path:\u{202e}", "version:..", "NOT ", "-"] {
        suggested(&reader, odd).await;
    }
    reader.get_json("/search/suggest?q=abc&at=99999").await.is(200);
    reader.get_json(&format!("/search/suggest?q={}", "x".repeat(5_000))).await.is(400);
}

async fn completion_knows_nothing_out_of_reach(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway").versions(&["v1.*"]).paths(&["src/net"], &["src/net/deep"])]).await;
    let reader = portal.sign_in(&person).await;
    for query in [
        "path:",
        "path:s",
        "path:sec",
        "path:secret/",
        "path:src/",
        "path:src/net/d",
        "file:gateway",
        "version:",
        "product:",
        "path:r version:v2.0",
    ] {
        let found = suggested(&reader, query).await;
        let text = found["items"].to_string();
        for hidden in ["secret", "ledger", "v2.0", "deep", "gateway_main", "assets", "README"] {
            assert!(!text.contains(hidden), "{query}: {hidden} shows in {text}");
        }
    }
    let nobody = portal.sign_in(&portal.reviewer(&[]).await).await;
    for query in ["path:s", "version:v", "product:g"] {
        let found = suggested(&nobody, query).await;
        assert_eq!(found["items"], Value::Array(Vec::new()), "{query}");
    }
}

async fn searches_are_kept_under_names(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    let stranger = portal.sign_in(&portal.reviewer(&[Grant::of("gateway")]).await).await;
    let query = "strcpy -is:test";
    let page = reader.get(&format!("/search?q={}", encoded(query))).await.is(200).text();
    assert!(page.contains("Save this search"));
    let csrf = csrf_in(&page).unwrap();
    let saved = reader.post_with("/search/saved", &csrf, &[("name", "Copies without bounds"), ("query", query)]).await.is(303);
    assert_eq!(saved.location(), "/search?q=strcpy%20-is:test");
    let page = reader.get(saved.location()).await.is(200).text();
    assert!(page.contains("Saved as Copies without bounds"), "{page}");
    let start = reader.get("/search").await.is(200).text();
    assert!(start.contains("<strong>Copies without bounds</strong>") && start.contains("<code>strcpy -is:test</code>"), "{start}");
    assert!(!stranger.get("/search").await.is(200).text().contains("Copies"));
    assert_eq!(inserts(&suggested(&reader, "copies").await), [query]);
    assert!(inserts(&suggested(&stranger, "copies").await).is_empty());

    let again = reader.post_with("/search/saved", &csrf, &[("name", "Copies without bounds"), ("query", "memcpy")]).await.is(400);
    assert!(again.text().contains("You keep another search called"), "{}", again.text());
    for (name, query) in [("", "strcpy"), (" ", "strcpy"), ("x", ""), ("x", " "), (&*"n".repeat(81), "strcpy"), ("x", &*"q".repeat(4_097))]
    {
        reader.post_with("/search/saved", &csrf, &[("name", name), ("query", query)]).await.is(400);
    }
    let id = start.split("/search/saved/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let theirs = stranger.csrf().await;
    stranger.post_with(&format!("/search/saved/{id}/rename"), &theirs, &[("name", "Mine")]).await.is(404);
    stranger.post_with(&format!("/search/saved/{id}/remove"), &theirs, &[]).await.is(404);
    reader.post_with(&format!("/search/saved/{id}/rename"), &csrf, &[("name", "Copies")]).await.is(303);
    assert!(reader.get("/search").await.is(200).text().contains("<strong>Copies</strong>"));
    reader.post_with(&format!("/search/saved/{id}/remove"), &csrf, &[]).await.is(303);
    assert!(!reader.get("/search").await.is(200).text().contains("<strong>Copies"));
    reader.post_with(&format!("/search/saved/{id}/remove"), &csrf, &[]).await.is(404);

    let of = |kind| Filter { person: Some(person.id.to_string()), kind: Some(kind), ..Filter::default() };
    let saved = portal.entries(of(Kind::SearchSaved)).await;
    let words: Vec<&str> = saved.iter().map(|entry| entry.personal.as_ref().unwrap().query.as_deref().unwrap()).collect();
    assert_eq!(words, ["Copies without bounds: strcpy -is:test", "Copies: strcpy -is:test"]);
    assert!(saved.iter().all(|entry| !String::from_utf8_lossy(&entry.bytes).contains("Copies")), "names are beside the log");
    assert_eq!(saved[0].facts["search"], id.as_str());
    assert_eq!(portal.entries(of(Kind::SearchRemoved)).await.len(), 1);
}

async fn what_was_published_since_is_said(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let desk = portal.desk(&person).await;
    let newest = |version: &str| vec![NewestVersion { product: "gateway".to_owned(), version: version.to_owned() }];
    let keep = &portal.rooms.inspection;
    keep.save(&desk.principal, "Old", "strcpy", newest("v1.1"), &portal.context()).await.unwrap();
    keep.save(&desk.principal, "New", "memcpy", newest("v2.0"), &portal.context()).await.unwrap();
    let reader = portal.sign_in(&person).await;
    let start = reader.get("/search").await.is(200).text();
    assert_eq!(start.matches("v2.0 of The gateway was published since.").count(), 1, "{start}");
    let (_, rest) = start.split_once("class=\"saved\"").unwrap();
    let href =
        rest.split("href=\"").find(|one| one.starts_with("/search?q=strcpy")).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    reader.get(&href).await.is(200);
    assert!(!reader.get("/search").await.is(200).text().contains("published since"));
    // Another's is not touched by knowing its address.
    keep.save(&desk.principal, "Older", "goto", newest("v1.0"), &portal.context()).await.unwrap();
    let id = keep.saved_searches(&desk.principal).await.unwrap().into_iter().find(|search| search.name == "Older").unwrap().id;
    let stranger = portal.sign_in(&portal.reviewer(&[Grant::of("gateway")]).await).await;
    stranger.get(&format!("/search?q=goto&saved={id}")).await.is(200);
    assert!(reader.get("/search").await.is(200).text().contains("published since"));
    for number in keep.saved_searches(&desk.principal).await.unwrap().len()..200 {
        keep.save(&desk.principal, &format!("Search {number}"), "x", Vec::new(), &portal.context()).await.unwrap();
    }
    keep.save(&desk.principal, "One too many", "x", Vec::new(), &portal.context()).await.unwrap_err();
}

async fn an_export_is_everything_to_the_last_line(backend: Backend) {
    let portal = Portal::start(backend).await;
    let ledger = Grant::of("ledger").paths(&[""], &["secret"]);
    let person = portal.reviewer(&[Grant::of("gateway").paths(&[""], &["secret", "src/netx"]), ledger]).await;
    let reader = portal.sign_in(&person).await;
    let query = "CANARY version:all";
    let counted = reader.get_json(&format!("/search?q={}%20count:all", encoded(query))).await.is(200).json();
    let export = |format: &str| format!("/search/export?format={format}&q={}", encoded(query));

    let answer = reader.get(&export("jsonl")).await.is(200);
    assert!(!answer.broken && answer.header("content-disposition").starts_with("attachment"), "{:?}", answer.headers);
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (head, rest) = lines.split_first().unwrap();
    let (end, rows) = rest.split_last().unwrap();
    assert_eq!((&head["query"], &head["files"], &head["not_indexed"]), (&query.into(), &counted["searchable"], &Value::Array(Vec::new())));
    assert_eq!(head["versions"].as_array().unwrap().len(), 6);
    assert_eq!((&end["end"], &end["lines"], &end["paths"]), (&true.into(), &counted["total"], &counted["total_paths"]));
    assert_eq!(rows.len() as u64, counted["total"].as_u64().unwrap());
    assert!(rows.iter().all(|row| row["text"].as_str().unwrap().contains("CANARY")));
    assert!(
        rows.iter()
            .all(|row| !row["path"].as_str().unwrap().starts_with("src/netx/") && !row["path"].as_str().unwrap().starts_with("secret"))
    );
    // No file is in two versions: each row names the one that it is in, once.
    assert!(rows.iter().all(|row| row["count"] == 1 && row["versions"].as_array().unwrap().len() == 1));
    let entry = portal.rooms.log.entry(head["entry"].as_u64().unwrap()).await.unwrap().unwrap();
    assert_eq!((entry.kind, &entry.facts["exported"]), (Kind::Searched, &"jsonl".into()));
    let parts = portal.entries(Filter { person: Some(person.id.to_string()), kind: Some(Kind::Searched), ..Filter::default() }).await;
    let exported: Vec<_> = parts.iter().filter(|entry| entry.facts.contains_key("exported")).collect();
    assert!(exported.len() > 1, "each part has its own entry");
    let told: BTreeSet<(String, Option<String>)> =
        exported.iter().flat_map(|entry| witness_places(entry)).map(|place| (place.path.text, place.blob)).collect();
    let sent: BTreeSet<(String, Option<String>)> =
        rows.iter().map(|row| (row["path"].as_str().unwrap().to_owned(), row["blob"].as_str().map(str::to_owned))).collect();
    assert_eq!(told, sent);

    let csv = reader.get(&export("csv")).await.is(200).text();
    let table: Vec<&str> = csv.split("\r\n").collect();
    assert!(table[0].starts_with("query,CANARY version:all,at,2027-02-03T"), "{}", table[0]);
    assert!(table[1].starts_with("product,oldest_version,newest_version,"));
    assert_eq!(table.len() as u64, counted["total"].as_u64().unwrap() + 4, "a line each, two before, one behind, and the last line's end");
    assert_eq!(table[table.len() - 2], format!("end,paths,{},lines,{}", counted["total_paths"], counted["total"]));
    // Names alone.
    let names = reader.get("/search/export?format=csv&q=type:path%20socket").await.is(200).text();
    assert!(names.contains("src/net/socket_open.c") && names.contains("end,paths,2,lines,0"), "{names}");
}

async fn an_export_asks_who_it_is(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    let address = "/search/export?format=csv&q=strcpy";
    for odd in
        ["/search/export?format=xml&q=strcpy", "/search/export?format=csv&q=", "/search/export?format=csv&q=(", "/search/export?q=strcpy"]
    {
        reader.get(odd).await.is(400);
    }
    portal.clock.advance(Duration::from_secs(11 * 60));
    let size = portal.rooms.log.size().await.unwrap();
    let answer = reader.get(address).await.is(303);
    assert!(answer.location().starts_with("/reauthenticate?next=/search/export"), "{}", answer.location());
    assert_eq!(portal.rooms.log.size().await.unwrap(), size);
    reader.post("/reauthenticate", &[("password", &person.password), ("next", address)]).await.is(303);
    reader.get(address).await.is(200);
}
