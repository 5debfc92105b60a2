//! Symbols over HTTP: definitions and references of a name, the outline of a file, `sym:`; cut to what may be read, and recorded.

use lectern::audit::{Filter, Kind};
use serde_json::{Value, json};

use crate::harness::library::{MAIN, SEED, SOCKET};
use crate::harness::{Backend, Client, Grant, Portal, on_both};

on_both! {
    the_answer_for_programs
    what_is_near_comes_first
    what_may_not_be_read_is_not_there
    every_line_shown_is_in_the_entry
    a_click_shows_a_few_definitions
    a_file_has_an_outline
    the_outline_is_of_the_whole_file_and_its_entry_says_so
    another_product_that_may_be_read_is_looked_into
    files_are_found_by_what_they_define
    questions_that_cannot_be_answered
    an_older_installation_gets_its_symbols
}

async fn json_of(client: &Client, query: &str) -> Value {
    client.get_json(&format!("/symbol/gateway/v2.0?{query}")).await.is(200).json()
}

fn paths(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect()
}

async fn the_answer_for_programs(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let found = json_of(&reader, "name=socket_open").await;
    assert_eq!(
        (&found["name"], &found["version"], &found["indexed"], &found["precise"]),
        (&json!("socket_open"), &json!("v2.0"), &json!(true), &json!(false))
    );
    assert_eq!((&found["total_definitions"], &found["total_files"]), (&json!(0), &json!(1)));
    assert_eq!(found["uses"], json!({"call": 1, "type": 0, "implementation": 0, "declaration": 0, "other": 0}));
    let file = &found["files"][0];
    assert_eq!(file["path"], MAIN);
    assert_eq!(file["blob"], portal.library.piece("gateway", "v2.0", MAIN).object.as_str());
    assert_eq!(
        file["lines"],
        json!([{"number": 5, "text": "    return socket_open() + strcpy(a, b);", "uses": [{"range": [11, 22], "kind": "call"}]}])
    );
    let value = json_of(&reader, "name=value").await;
    let defined =
        portal.library.of("gateway", "v2.0").filter(|piece| piece.text.as_ref().is_some_and(|text| text.contains("int value(void)")));
    assert_eq!(value["total_definitions"], defined.count() as u64);
    let first = &value["definitions"][0];
    assert_eq!(
        (&first["kind"], &first["line"], &first["column"], &first["whole"]),
        (&json!("function"), &json!(3), &json!(4), &json!([3, 6]))
    );
    assert_eq!(first["text"], "int value(void)");
    let older = reader.get_json("/symbol/gateway/v1.0?name=value").await.is(200).json();
    assert_eq!(older["total_definitions"], value["total_definitions"]);
    let rust = reader.get_json("/symbol/ledger/v2.0?name=strcpy").await.is(200).json();
    assert_eq!(paths(&rust["files"]), ["src/ledger_main.rs"]);
    let page = reader.get("/symbol/gateway/v2.0?name=value").await.is(200).text();
    assert!(page.contains("<mark><span class=\"f\">value</span></mark>") && page.contains("Recorded as entry"), "{page}");
}

async fn what_is_near_comes_first(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let found = json_of(&reader, &format!("name=value&from={SOCKET}")).await;
    assert_eq!(paths(&found["definitions"])[..2], [SOCKET, "src/net/socket_close.c"]);
    let calls = json_of(&reader, "name=strcpy&kind=call&from=src/netx_beside.c").await;
    assert_eq!(paths(&calls["files"]), [MAIN, SOCKET, "src/netx/other_side.c"]);
    assert_eq!(calls["definitions"], json!([]));
    let below = json_of(&reader, "name=strcpy&path=src/net").await;
    assert_eq!((paths(&below["files"]), &below["uses"]["call"]), (vec![SOCKET], &json!(1)));
    assert_eq!(json_of(&reader, "name=value&path=src/net/deep").await["total_definitions"], 1);
    let other = json_of(&reader, "name=strcpy&kind=other").await;
    assert_eq!((&other["total_files"], &other["files"], &other["uses"]["call"]), (&json!(0), &json!([]), &json!(3)));
}

/// What a name that is nowhere gives, in the words of another.
async fn like_nothing(client: &Client, name: &str) {
    let nothing = "no_such_name_anywhere";
    let seals = regex::Regex::new(r"(receipt/|entry <span class=.num.>|name=.csrf. value=.)[^<'\x22]*").unwrap();
    for more in ["", "&kind=call", "&kind=definition", "&fragment=1", "&from=src/net/socket_close.c"] {
        let address = |name: &str| format!("/symbol/gateway/v2.0?name={name}{more}");
        let (there, never) = (client.get(&address(name)).await.is(200).text(), client.get(&address(nothing)).await.is(200).text());
        // The name may stand in what surrounds it, too: `main` is an element of every page.
        let bare = |text: &str| {
            let text = text.replace(nothing, "NAME").replace(name, "NAME");
            seals.replace_all(&text, "").into_owned()
        };
        assert_eq!(bare(&there), bare(&never), "{more}");
        let (mut there, mut never) =
            (client.get_json(&address(name)).await.is(200).json(), client.get_json(&address(nothing)).await.is(200).json());
        for answer in [&mut there, &mut never] {
            answer["name"] = Value::Null;
            answer["receipt"] = Value::Null;
        }
        assert_eq!(there, never, "{more}");
    }
}

async fn what_may_not_be_read_is_not_there(backend: Backend) {
    let portal = Portal::start(backend).await;
    let grant = Grant::of("gateway").paths(&["src/net", "odd"], &["src/net/deep"]);
    let narrow = portal.reviewer(&[grant]).await;
    let narrow = portal.sign_in(&narrow).await;
    let found = json_of(&narrow, "name=value&from=src/gateway_main.c").await;
    let mut defined = paths(&found["definitions"]);
    defined.sort_unstable();
    assert_eq!(found["total_definitions"], 4);
    assert_eq!(defined, ["odd/caf\\xE9_latin_name.c", "odd/name with spaces #?%20 odd_one.c", "src/net/socket_close.c", SOCKET]);
    let calls = json_of(&narrow, "name=strcpy").await;
    assert_eq!((paths(&calls["files"]), &calls["total_files"], &calls["uses"]["call"]), (vec![SOCKET], &json!(1), &json!(1)));
    // Used only outside, defined only outside, and below a directory that is outside.
    like_nothing(&narrow, "socket_open").await;
    like_nothing(&narrow, "line_7000").await;
    assert_eq!(json_of(&narrow, "name=value&path=src/net/deep").await["total_definitions"], 0);
    assert_eq!(json_of(&narrow, "name=value&path=include").await["total_definitions"], 0);
    let searched = narrow.get_json("/search?q=sym:value").await.is(200).json();
    assert_eq!(searched["total_files"], 4);
    assert_eq!(narrow.get_json("/search?q=sym:line_7000").await.is(200).json()["total_files"], 0);
    // Another version, another product, and what was never there: one answer.
    let other = portal.reviewer(&[Grant::of("gateway").versions(&["v2.*"])]).await;
    let other = portal.sign_in(&other).await;
    let never = other.get_json("/symbol/no-such-product/v9?name=value").await.is(404);
    for address in
        ["/symbol/gateway/v1.0?name=value", "/symbol/ledger/v2.0?name=main", "/symbol/gateway/v9?name=value", "/symbol/gateway/v1.0"]
    {
        let size = portal.rooms.log.size().await.unwrap();
        assert_eq!(other.get_json(address).await.is(404).essence(), never.essence(), "{address}");
        assert_eq!(portal.rooms.log.entry(size).await.unwrap().unwrap().kind, Kind::AccessDenied, "{address}");
    }
}

async fn every_line_shown_is_in_the_entry(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let found = json_of(&reader, "name=strcpy").await;
    let entry = portal.rooms.log.entry(found["receipt"]["index"].as_u64().unwrap()).await.unwrap().unwrap();
    assert_eq!(entry.kind, Kind::SymbolViewed);
    assert_eq!(entry.personal.as_ref().unwrap().query.as_deref(), Some("strcpy"));
    assert!(!String::from_utf8_lossy(&entry.bytes).contains("strcpy"), "the name is beside the log, not in it");
    let place = entry.place.as_ref().unwrap();
    assert_eq!(
        (place.product.as_str(), place.version.as_deref(), place.commit.as_deref()),
        ("gateway", Some("v2.0"), Some(portal.library.commit("gateway", "v2.0")))
    );
    assert_eq!(entry.facts["references"], 3);
    let shown: Vec<_> = entry.shown();
    assert_eq!(shown.len(), 3);
    for (place, file) in shown.iter().zip(found["files"].as_array().unwrap()) {
        assert_eq!(place.path.text, file["path"].as_str().unwrap());
        assert_eq!(place.blob.as_deref(), file["blob"].as_str());
        let lines: Vec<u64> = file["lines"].as_array().unwrap().iter().map(|line| line["number"].as_u64().unwrap()).collect();
        assert_eq!(place.lines, lines);
        assert_eq!(place.versions, ["v2.0"]);
    }
    // An auditor finds it by the path of a file that it showed.
    let by_path = portal.entries(Filter { path: Some(SOCKET.to_owned()), kind: Some(Kind::SymbolViewed), ..Filter::default() }).await;
    assert_eq!(by_path.len(), 1);
    let auditor = portal.sign_in(&portal.auditor).await;
    let page = auditor.get(&format!("/audit/entries/{}", entry.index)).await.is(200).text();
    assert!(page.contains("looked up the symbol strcpy in gateway v2.0"), "{page}");
}

async fn a_click_shows_a_few_definitions(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let peek = reader.get(&format!("/symbol/gateway/v2.0?name=value&from={SOCKET}&fragment=1")).await.is(200).text();
    assert!(!peek.contains("<html") && peek.contains("class=\"peek\""), "{peek}");
    assert_eq!(peek.matches("<article class=\"def\">").count(), 6);
    assert!(peek.contains("more definitions") && peek.contains("this file"), "{peek}");
    let entries = portal.entries(Filter { kind: Some(Kind::SymbolViewed), ..Filter::default() }).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].shown().len(), 6);
    // Uses are counted and not shown.
    let uses = reader.get("/symbol/gateway/v2.0?name=strcpy&fragment=1").await.is(200).text();
    assert!(uses.contains("All 3 references") && uses.contains("no definition that you may read") && !uses.contains("return"), "{uses}");
}

/// The list of an outline, and the sentence above it.
fn outline_of(page: &str) -> (&str, &str) {
    let (before, outline) = page.split_once("<ul class=\"outline\">").expect("an outline");
    let note = before.rsplit_once("<p class=\"outnote\">").map_or("", |(_, note)| note.split_once("</p>").unwrap().0);
    (outline.split_once("</ul>").unwrap().0, note)
}

async fn a_file_has_an_outline(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let page = reader.get(&format!("/p/gateway/v2.0/file/{SOCKET}")).await.is(200).text();
    let (outline, note) = outline_of(&page);
    // Where the whole of it begins and ends, for scope lines.
    assert!(outline.contains("<a href=\"#L3\" data-from=\"3\" data-to=\"6\">"), "{outline}");
    assert!(outline.contains("function") && outline.contains("value"), "{outline}");
    assert_eq!(note, "");
    assert!(page.contains("action=\"/symbol/gateway/v2.0\""), "the form works without scripts");
    // Where a file defines thousands of names, those on the lines shown.
    let piece = reader.get("/p/gateway/v2.0/file/big/twelve_thousand_lines.c?from=5001").await.is(200).text();
    let (outline, note) = outline_of(&piece);
    assert_eq!(note, "Of the lines shown. The whole file defines 11,999 names.");
    assert_eq!(outline.matches("<li>").count(), 5_000);
    assert!(outline.contains("<a href=\"#L5001\"><span") && !outline.contains("data-from"));
    assert!(
        outline.contains(">line_5001<")
            && outline.contains(">line_10000<")
            && !outline.contains("line_5000<")
            && !outline.contains("line_10001<")
    );
    let words = reader.get("/p/gateway/v2.0/file/docs/user_guide.md").await.is(200).text();
    assert!(!words.contains("<ul class=\"outline\">"));
}

async fn the_outline_is_of_the_whole_file_and_its_entry_says_so(backend: Backend) {
    let portal = Portal::with(backend, |config| config.reading.page_lines = 2).await;
    portal.bring("gateway").await;
    portal.bring("ledger").await;
    let reader = portal.reader().await;
    let opened = async |address: &str| {
        let page = reader.get(address).await.is(200).text();
        let of_files = Filter { kind: Some(Kind::FileOpened), ..Filter::default() };
        let entry = portal.entries(of_files).await.pop().unwrap();
        (page, entry.place.as_ref().unwrap().lines, entry.facts.get("outline").cloned())
    };
    let file = format!("/p/gateway/v2.0/file/{SOCKET}");
    let (page, lines, fact) = opened(&file).await;
    let (outline, _) = outline_of(&page);
    assert!(outline.contains(&format!("<a href=\"{file}?from=3#L3\" data-from=\"3\" data-to=\"6\">")), "{outline}");
    assert!(!page.contains("id=\"L3\""), "its line is not on this page");
    assert_eq!((lines, fact), (Some((1, 2)), Some(json!(true))));
    // Known from the index as from the text.
    let (later, lines, fact) = opened(&format!("{file}?from=3")).await;
    assert!(outline_of(&later).0.contains("<a href=\"#L3\""));
    assert_eq!((lines, fact), (Some((3, 4)), Some(json!(true))));
    std::fs::remove_dir_all(portal.rooms.symbols.directory_of("gateway")).unwrap();
    let mut beside = portal.beside(|_| {}).await;
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    beside.sign_in(&person).await.is(303);
    let by_text = beside.get(&file).await.is(200).text();
    assert_eq!(outline_of(&by_text).0, outline);
    // Lines by themselves come without one, a text without grammar has none, and a file that is shown whole says all by its lines.
    let (_, lines, fact) = opened(&format!("{file}?from=3&part=lines")).await;
    assert_eq!((lines.is_some(), fact), (true, None));
    let (_, lines, fact) = opened(&format!("/p/gateway/v2.0/file/{SEED}")).await;
    assert_eq!((lines, fact), (Some((1, 2)), None));
    let (_, lines, fact) = opened("/p/ledger/v2.0/file/src/ledger_main.rs?from=3").await;
    assert_eq!((lines, fact), (Some((3, 4)), Some(json!(true))));
    let (_, lines, fact) = opened("/p/ledger/v2.0/file/secret/ledger_keys.txt").await;
    assert_eq!((lines, fact), (Some((1, 2)), None));
}

async fn another_product_that_may_be_read_is_looked_into(backend: Backend) {
    let portal = Portal::start(backend).await;
    let both = portal.sign_in(&portal.reviewer(&[Grant::of("gateway"), Grant::of("ledger")]).await).await;
    let found = json_of(&both, &format!("name=main&from={MAIN}")).await;
    assert_eq!(found["total_elsewhere"], 1);
    let other = &found["elsewhere"][0];
    assert_eq!((&other["product"], &other["version"], &other["total"]), (&json!("ledger"), &json!("v2.0"), &json!(1)));
    assert_eq!(paths(&other["definitions"]), ["src/ledger_main.rs"]);
    // The entry names the place, and the grant that opens it.
    let entry = portal.rooms.log.entry(found["receipt"]["index"].as_u64().unwrap()).await.unwrap().unwrap();
    let place = entry.shown().into_iter().find(|place| place.product == "ledger").unwrap();
    assert_eq!((place.path.text.as_str(), &place.lines, &place.versions), ("src/ledger_main.rs", &vec![2], &vec!["v2.0".to_owned()]));
    assert_eq!((&entry.facts["elsewhere"], &entry.facts["bases"][0]["product"]), (&json!(1), &json!("ledger")));
    assert_ne!(entry.facts["bases"][0]["entitlement"], entry.basis.as_ref().unwrap().entitlement.as_str());
    let page = both.get("/symbol/gateway/v2.0?name=main").await.is(200).text();
    assert!(page.contains("In other products") && page.contains("href=\"/symbol/ledger/v2.0?name=main\""), "{page}");
    let peek = both.get("/symbol/gateway/v2.0?name=main&fragment=1").await.is(200).text();
    assert!(peek.contains("href=\"/p/ledger/v2.0/file/src/ledger_main.rs#L2\""), "{peek}");
    // References of one kind, what lies below a directory, and later pages stay in the version.
    for query in ["name=main&kind=call", "name=main&path=src", "name=main&page=2"] {
        assert_eq!(json_of(&both, query).await["total_elsewhere"], 0, "{query}");
    }
    // Neither the other way round, nor what lies outside of the grant of the other product.
    let one = portal.sign_in(&portal.reviewer(&[Grant::of("gateway")]).await).await;
    like_nothing(&one, "main").await;
    let part = portal.sign_in(&portal.reviewer(&[Grant::of("gateway"), Grant::of("ledger").paths(&["secret"], &[])]).await).await;
    like_nothing(&part, "main").await;
    // An older version of the other product is looked into where only that may be read.
    let older = portal.sign_in(&portal.reviewer(&[Grant::of("gateway"), Grant::of("ledger").versions(&["v1.*"])]).await).await;
    assert_eq!(json_of(&older, "name=main").await["elsewhere"][0]["version"], "v1.1");
}

async fn files_are_found_by_what_they_define(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let search = async |query: &str| reader.get_json(&format!("/search?q={query}")).await.is(200).json();
    let found = search("sym:valu%20path:src/net/socket").await;
    assert_eq!(found["total_files"], 2);
    let line = &found["files"][0]["lines"][0];
    assert_eq!((&line["number"], &line["text"], &line["ranges"]), (&json!(3), &json!("int value(void)"), &json!([[4, 9]])));
    assert_eq!(search("sym:/^value$/%20path:src/net/socket").await["total"], 2);
    assert_eq!(search("sym:/^valu$/").await["total_files"], 0);
    assert_eq!(search("sym:strcpy").await["total_files"], 0);
    assert_eq!(search("sym:main%20product:ledger").await["files"][0]["path"], "src/ledger_main.rs");
    let both = search("sym:value%20strcpy%20-path:netx").await;
    assert_eq!((&both["total_files"], &both["total"]), (&json!(2), &json!(4)));
    assert_eq!(search("-sym:value%20strcpy%20lang:c").await["total_files"], 0);
    assert_eq!(search("sym:line_119%20path:big").await["total"], 111);
    let older = search("sym:value%20version:all%20path:src/netx_beside.c").await;
    assert_eq!(older["total_files"], 3);
    reader.get_json("/search?q=sym:value%20type:diff").await.is(400);
    reader.get_json("/search?q=sym:/(/").await.is(400);
}

async fn questions_that_cannot_be_answered(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    for query in ["name=value&kind=nonsense", "name=value&page=0", "name=value&page=x", "", "name=", "name=value&from=../x", "fragment=1"] {
        reader.get_json(&format!("/symbol/gateway/v2.0?{query}")).await.is(400);
    }
    reader.get_json(&format!("/symbol/gateway/v2.0?name={}", "x".repeat(201))).await.is(400);
    let page = reader.get("/symbol/gateway/v2.0").await.is(200).text();
    assert!(page.contains("Find a symbol") && page.contains("name=\"name\""), "{page}");
    let odd = reader.get("/symbol/gateway/v2.0?name=%3Cscript%3Ealert(1)%3C/script%3E").await.is(200).text();
    assert!(!odd.contains("<script>alert"), "{odd}");
    assert_eq!(json_of(&reader, "name=value&page=99").await["definitions"], json!([]));
}

/// A data directory from before there were symbols: the pages say so, and the next start extracts them.
async fn an_older_installation_gets_its_symbols(backend: Backend) {
    let portal = Portal::start(backend).await;
    let directory = portal.rooms.symbols.directory_of("gateway");
    let before = portal.reader().await;
    let defined = json_of(&before, "name=value").await["total_definitions"].clone();
    std::fs::remove_dir_all(&directory).unwrap();
    let client = portal.beside(|_| {}).await;
    assert!(client.rooms.jobs.open_indexes().await.unwrap().iter().any(|product| product.name == "gateway"));
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let mut client = client;
    client.sign_in(&person).await.is(303);
    let answer = json_of(&client, "name=value").await;
    assert_eq!((&answer["indexed"], &answer["total_definitions"]), (&json!(false), &json!(0)));
    let page = client.get("/symbol/gateway/v2.0?name=value").await.is(200).text();
    assert!(page.contains("not extracted yet"), "{page}");
    let product = client.rooms.catalog.product("gateway").await.unwrap().unwrap();
    let quiet: lectern::jobs::Watch = std::sync::Arc::new(|_| {});
    let _ = client.rooms.jobs.index(&product, &quiet).await.unwrap();
    assert_eq!(json_of(&client, "name=value").await["total_definitions"], defined);
}
