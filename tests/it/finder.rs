//! The file finder, the parts of pages that are asked for by themselves, and a text in other ways than line by line.

use lectern::audit::{Filter, Kind};
use serde_json::Value;

use crate::harness::client::encoded;
use crate::harness::library::{self, BOTTOM, MAIN, SOCKET};
use crate::harness::{Backend, Client, Grant, Portal, canaries_in, on_both, witness_places};

on_both! {
    files_are_found_by_letters_of_their_names
    the_finder_knows_nothing_out_of_reach
    a_directory_opens_in_place_and_is_recorded
    lines_come_part_by_part_each_recorded_as_what_it_shows
    markdown_is_rendered_at_an_address_of_its_own
    pages_lead_to_blame_history_and_comparison
}

fn address(text: &str) -> String {
    format!("/p/gateway/v2.0/find?q={}", encoded(text))
}

async fn found(reader: &Client, text: &str) -> Vec<String> {
    let answer = reader.get_json(&address(text)).await.is(200).json();
    paths(&answer)
}

fn paths(answer: &Value) -> Vec<String> {
    answer["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

async fn files_are_found_by_letters_of_their_names(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    // Nothing is asked, nothing is named, and nothing is recorded.
    let size = portal.rooms.log.size().await.unwrap();
    let page = reader.get("/p/gateway/v2.0/find").await.is(200).text();
    assert!(page.contains("name=\"q\"") && !page.contains("foundfiles"), "{page}");
    reader.get_json("/p/gateway/v2.0/find?q=").await.is(400);
    assert_eq!(portal.rooms.log.size().await.unwrap(), size);

    assert_eq!(found(&reader, "sockop").await[0], SOCKET);
    assert_eq!(found(&reader, "gateway_main.c").await[0], MAIN);
    assert_eq!(found(&reader, "bottom deep").await, [BOTTOM]);
    assert_eq!(found(&reader, "nothing_is_called_so").await, Vec::<String>::new());
    // Names that are not UTF-8, and odd ones, are found and lead to their files.
    assert!(found(&reader, "latin_name").await[0].starts_with("odd/caf"));
    assert!(found(&reader, "odd_one").await[0].starts_with("odd/name with spaces"));

    let answer = reader.get_json(&address("sockop:12")).await.is(200).json();
    assert_eq!((&answer["files"][0]["line"], &answer["complete"]), (&12.into(), &true.into()));
    assert_eq!(answer["files"][0]["ranges"], serde_json::json!([[8, 12], [15, 17]]));
    let entry = portal.rooms.log.entry(answer["receipt"]["index"].as_u64().unwrap()).await.unwrap().unwrap();
    assert_eq!((entry.kind, &entry.facts["suggested"]), (Kind::Searched, &Value::Bool(true)));
    assert_eq!(entry.personal.as_ref().unwrap().query.as_deref(), Some("sockop"));
    let shown = witness_places(&entry);
    let recorded: Vec<String> = shown.iter().map(|place| place.path.text.clone()).collect();
    assert_eq!(recorded, paths(&answer));
    assert!(shown.iter().all(|place| place.versions == ["v2.0"] && place.product == "gateway"));
    let piece = portal.library.piece("gateway", "v2.0", SOCKET);
    assert_eq!(shown[0].blob.as_deref(), Some(piece.object.as_str()));

    let page = reader.get(&address("sockop:12")).await.is(200).text();
    assert!(page.contains(&format!("href=\"/p/gateway/v2.0/file/{SOCKET}#L12\"")), "{page}");
    assert!(page.contains("<mark>sock</mark>et_<mark>op</mark>en.c"), "{page}");
    assert!(page.contains("Recorded as entry"));
    // The same list by itself, for the dialog.
    let part = reader.get(&format!("{}&part=list", address("sockop"))).await.is(200).text();
    assert!(part.contains("data-part=\"found\"") && !part.contains("<header"), "{part}");
    // What was typed into the finder is no search that somebody asked for.
    assert!(!reader.get("/").await.is(200).text().contains("sockop"));
    for odd in ["  ", ":", ":12", "\u{202e}", "((", "a\0b", "*"] {
        reader.get(&address(odd)).await.is(200);
    }
    reader.get(&address(&"x".repeat(1_001))).await.is(400);
}

async fn the_finder_knows_nothing_out_of_reach(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway").versions(&["v2.0"]).paths(&["src/net", "odd"], &["src/net/deep"])]).await;
    let reader = portal.sign_in(&person).await;
    let inside = found(&reader, "c").await;
    assert!(inside.contains(&SOCKET.to_owned()), "{inside:?}");
    for path in &inside {
        assert!((path.starts_with("src/net/") || path.starts_with("odd/")) && !path.starts_with("src/net/deep"), "{path}");
    }
    let all = portal.library.of("gateway", "v2.0");
    let readable = all.filter(|piece| {
        let path = piece.path_text();
        (path.starts_with("src/net/") && !path.starts_with("src/net/deep/")) || path.starts_with("odd/")
    });
    let readable = readable.count();
    // Neither counts nor words tell what lies outside: the answer is that of what is nowhere.
    let essence = |answer: Value| ["total", "searchable", "complete", "files"].map(|name| answer[name].clone());
    let nowhere = essence(reader.get_json(&address("zzyzx")).await.is(200).json());
    assert_eq!((&nowhere[0], &nowhere[1]), (&0.into(), &readable.into()));
    for outside in ["hsm_seed", "gateway_main", "rock_bottom", "netx_beside", "user_guide", "README", "twelve_thousand"] {
        assert_eq!(essence(reader.get_json(&address(outside)).await.is(200).json()), nowhere, "{outside}");
    }
    let missing = (reader.get("/p/gateway/v9/find?q=main").await.is(404), reader.get_json("/p/gateway/v9/find?q=main").await.is(404));
    for closed in ["/p/gateway/v1.0/find?q=main", "/p/ledger/v2.0/find?q=main", "/p/gateway/v1.0/find", "/p/nothing/v1/find?q=x&part=list"]
    {
        let before = portal.refusals(&person.id).await.len();
        assert_eq!(reader.get(closed).await.essence(), missing.0.essence(), "{closed}");
        assert_eq!(reader.get_json(closed).await.essence(), missing.1.essence(), "{closed}");
        assert_eq!(portal.refusals(&person.id).await.len(), before + 2, "{closed}");
    }
    for part in
        ["tree/secret?part=rows", "tree/src/net/deep?part=rows", "file/src/gateway_main.c?part=lines", "file/README.md?view=rendered"]
    {
        assert_eq!(reader.get(&format!("/p/gateway/v2.0/{part}")).await.essence(), missing.0.essence(), "{part}");
    }
}

async fn a_directory_opens_in_place_and_is_recorded(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway").paths(&["src/net", "docs"], &["src/net/deep"])]).await;
    let reader = portal.sign_in(&person).await;
    let rows = reader.get("/p/gateway/v2.0/tree/src?part=rows").await.is(200).text();
    assert!(rows.contains("href=\"/p/gateway/v2.0/tree/src/net\""), "{rows}");
    assert!(!rows.contains("netx") && !rows.contains("gateway_main") && !rows.contains("<header"), "{rows}");
    let rows = reader.get("/p/gateway/v2.0/tree/src/net?part=rows").await.is(200).text();
    assert!(rows.contains("socket_open.c") && !rows.contains("/deep"), "{rows}");
    let listed = portal.entries(Filter { kind: Some(Kind::TreeListed), ..Filter::default() }).await;
    let places: Vec<String> = listed.iter().map(|entry| entry.place.as_ref().unwrap().path.as_ref().unwrap().text.clone()).collect();
    assert_eq!(places, ["src", "src/net"]);
    assert!(rows.contains(&format!("data-entry=\"{}\"", listed[1].index)));
    // Nothing else is opened for it: no README.
    let opened = portal.entries(Filter { kind: Some(Kind::FileOpened), ..Filter::default() }).await;
    assert!(opened.is_empty());
}

async fn lines_come_part_by_part_each_recorded_as_what_it_shows(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let address = "/p/gateway/v2.0/file/big/twelve_thousand_lines.c";
    let part = reader.get(&format!("{address}?part=lines&from=5500")).await.is(200).text();
    assert!(part.contains("id=\"L5001\"") && part.contains("id=\"L6000\""), "{part}");
    assert!(!part.contains("id=\"L5000\"") && !part.contains("id=\"L6001\"") && !part.contains("<header"));
    let last = reader.get(&format!("{address}?part=lines&from=999999")).await.is(200).text();
    assert!(last.contains("id=\"L11001\"") && last.contains("id=\"L12000\""));
    let opened = portal.entries(Filter { kind: Some(Kind::FileOpened), ..Filter::default() }).await;
    let lines: Vec<_> = opened.iter().map(|entry| entry.place.as_ref().unwrap().lines.unwrap()).collect();
    assert_eq!(lines, [(5_001, 6_000), (11_001, 12_000)]);
    assert!(part.contains(&format!("data-entry=\"{}\"", opened[0].index)));
    // A part is the lines and nothing beside them: the directory was not listed for it.
    assert!(portal.entries(Filter { kind: Some(Kind::TreeListed), ..Filter::default() }).await.is_empty());
}

async fn markdown_is_rendered_at_an_address_of_its_own(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let source = reader.get("/p/gateway/v2.0/file/README.md").await.is(200).text();
    assert!(source.contains("id=\"L1\"") && source.contains("?view=rendered"), "{source}");
    let rendered = reader.get("/p/gateway/v2.0/file/README.md?view=rendered").await.is(200);
    let text = rendered.text();
    assert!(text.contains("class=\"rendered prose\"") && !text.contains("id=\"L1\""), "{text}");
    assert!(canaries_in(&rendered.body).contains(&library::canary("gateway", "v2.0", b"README.md")));
    assert!(!text.contains("<script>alert") && !text.contains("href=\"https://elsewhere.example"));
    // A view that a file does not have is its source; one that there is not is said to be none.
    let plain = reader.get(&format!("/p/gateway/v2.0/file/{MAIN}?view=rendered")).await.is(200).text();
    assert!(plain.contains("id=\"L1\"") && !plain.contains("?view="));
    reader.get(&format!("/p/gateway/v2.0/file/{MAIN}?view=sideways")).await.is(400);
}

async fn pages_lead_to_blame_history_and_comparison(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let page = reader.get(&format!("/p/gateway/v1.1/file/{MAIN}")).await.is(200).text();
    for link in [
        format!("/p/gateway/v1.1/blame/{MAIN}"),
        format!("/p/gateway/v1.1/history/{MAIN}"),
        format!("/p/gateway/compare/v1.0/v1.1/{MAIN}"),
        format!("/p/gateway/compare/v1.1/v2.0/{MAIN}"),
        "/p/gateway/v1.1/find".to_owned(),
    ] {
        assert!(page.contains(&format!("href=\"{link}\"")), "{link}: {page}");
    }
    let page = reader.get("/p/gateway/v2.0/tree/src").await.is(200).text();
    assert!(
        page.contains("href=\"/p/gateway/v2.0/history/src\"") && page.contains("href=\"/p/gateway/compare/v1.1/v2.0?dir=src\""),
        "{page}"
    );
    assert!(!page.contains("/blame/"), "a directory has no lines");
    // With one version to read there is nothing to compare it with.
    let one = portal.reviewer(&[Grant::of("gateway").versions(&["v1.0"])]).await;
    let one = portal.sign_in(&one).await;
    assert!(!one.get(&format!("/p/gateway/v1.0/file/{MAIN}")).await.is(200).text().contains("/compare/"));
}
