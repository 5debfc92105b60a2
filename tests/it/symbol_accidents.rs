//! Symbols of hostile sources, and an index of symbols that meets with accidents.

use std::collections::BTreeSet;
use std::fs;

use lectern::audit::{Filter, Kind};
use serde_json::{Value, json};

use crate::harness::{Backend, Client, Grant, Portal};
use crate::scip::publish;

async fn portal_of(files: &[(String, Vec<u8>)]) -> (tempfile::TempDir, Portal, Client) {
    let home = tempfile::tempdir().unwrap();
    let portal = Portal::bare(Backend::Sqlite).await;
    publish(&portal, "hostile", files, home.path()).await;
    let person = portal.reviewer(&[Grant::of("hostile")]).await;
    let client = portal.sign_in(&person).await;
    (home, portal, client)
}

async fn asked(client: &Client, query: &str) -> Value {
    client.get_json(&format!("/symbol/hostile/v1?{query}")).await.is(200).json()
}

/// The path and line of each definition in an answer.
fn defined(answer: &Value) -> Vec<(String, u64)> {
    let definitions = answer["definitions"].as_array().unwrap().iter();
    definitions.map(|one| (one["path"].as_str().unwrap().to_owned(), one["line"].as_u64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_definitions_of_one_name_come_page_by_page() {
    let one = "int same(void) { return same() + 1; }\n".repeat(100);
    let files: Vec<(String, Vec<u8>)> = (0..50).map(|n| (format!("d{}/f{n:02}.c", n % 7), one.clone().into_bytes())).collect();
    let (_home, portal, client) = portal_of(&files).await;
    let first = asked(&client, "name=same&from=d3/f10.c").await;
    assert_eq!((&first["total_definitions"], &first["uses"]["call"]), (&json!(5_000), &json!(5_000)));
    assert!(defined(&first).iter().all(|(path, _)| path == "d3/f10.c"), "the file that one stands in comes first");
    let mut seen = BTreeSet::new();
    let mut page = Some(1);
    while let Some(number) = page {
        let answer = asked(&client, &format!("name=same&kind=definition&page={number}&from=d3/f10.c")).await;
        let found = defined(&answer);
        let entry = portal.rooms.log.entry(answer["receipt"]["index"].as_u64().unwrap()).await.unwrap().unwrap();
        let recorded: Vec<(String, u64)> = entry.shown().iter().map(|place| (place.path.text.clone(), place.lines[0])).collect();
        assert_eq!(recorded, found);
        seen.extend(found);
        page = answer["next"].as_u64();
        assert!(number <= 50);
    }
    assert_eq!(seen.len(), 5_000);
    // References: some lines of a file, and how many more there are.
    let calls = asked(&client, "name=same&kind=call").await;
    assert_eq!((&calls["total_files"], &calls["next"], &calls["files"][0]["total"]), (&json!(50), &json!(2), &json!(100)));
    assert_eq!(calls["files"][0]["lines"].as_array().unwrap().len() as u64 + calls["files"][0]["more"].as_u64().unwrap(), 100);
    let page = client.get("/symbol/hostile/v1?name=same&kind=definition&page=2").await.is(200).text();
    assert!(page.contains("Previous page") && page.contains("Next page") && page.contains("5,000 definitions"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_made_to_hurt_are_answered() {
    let mut line = String::new();
    for n in 0..300_000 {
        line.push_str(&format!("int name_{n};"));
    }
    let mut broken = b"int before;\n\xff\xfe\xc3\x28 int \xe9t\xe9(void);\nint after(void) { return before; }\n".to_vec();
    broken.extend_from_slice(&[0xc3]);
    let files = [
        ("one_line.c", line.into_bytes()),
        ("deep.c", format!("int deep = {}1{};\nint behind;\n", "(".repeat(100_000), ")".repeat(100_000)).into_bytes()),
        ("broken.c", broken),
        ("nul.c", b"int hidden;\n\0\0\0\0\0\0\0\0".to_vec()),
        ("odd.sh", "'<script>alert(1)</script>'() { :; }\nname=1\n".as_bytes().to_vec()),
        ("module.py", b"def run():\n    pass\n".to_vec()),
    ];
    let files: Vec<(String, Vec<u8>)> = files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
    let (_home, portal, client) = portal_of(&files).await;
    for (name, path) in [("name_5", "one_line.c"), ("after", "broken.c"), ("run", "module.py")] {
        let answer = asked(&client, &format!("name={name}")).await;
        assert_eq!(defined(&answer).iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), [path], "{name}");
        // Of a line that is too long, the part around the name.
        let text = answer["definitions"][0]["text"].as_str().unwrap();
        assert!(text.contains(name) && text.len() <= 400, "{text}");
    }
    assert_eq!(asked(&client, "name=hidden").await["total_definitions"], 0);
    for path in ["one_line.c", "deep.c", "broken.c", "nul.c", "odd.sh"] {
        let page = client.get(&format!("/p/hostile/v1/file/{path}")).await.is(200).text();
        assert!(!page.contains("<script>alert"), "{path}");
        // However many names stand on the lines shown, an outline has an end.
        if path == "one_line.c" {
            assert_eq!(page.matches("<li><a href=\"#L1\">").count(), 5_000);
        }
    }
    // None of them keeps the version from being whole.
    let product = portal.rooms.catalog.product("hostile").await.unwrap().unwrap();
    let versions = portal.rooms.catalog.versions(&product.id).await.unwrap();
    assert!(portal.rooms.jobs.index_state(&product, &versions).contains("Their symbols are known"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_or_foreign_index_shows_nothing_and_is_built_anew() {
    let text = b"int alone(void) { return alone(); }\n".to_vec();
    let (_home, portal, client) = portal_of(&[("a.c".to_owned(), text)]).await;
    assert_eq!(asked(&client, "name=alone").await["total_definitions"], 1);
    let directory = portal.rooms.symbols.directory_of("hostile");
    let part = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let part = part.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("part-")).unwrap();
    let product = portal.rooms.catalog.product("hostile").await.unwrap().unwrap();
    let quiet: lectern::jobs::Watch = std::sync::Arc::new(|_| {});
    // Cut short under a portal that has it open: an error without a word of the source, recorded as nothing shown.
    let whole = fs::read(&part).unwrap();
    fs::File::options().write(true).open(&part).unwrap().set_len(8).unwrap();
    let viewed = || Filter { kind: Some(Kind::SymbolViewed), ..Filter::default() };
    let before = portal.entries(viewed()).await.len();
    let failed = client.get("/symbol/hostile/v1?name=alone").await.is(500).text();
    assert!(!failed.contains("return"), "{failed}");
    assert_eq!(portal.entries(viewed()).await.len(), before);
    fs::write(&part, &whole).unwrap();
    assert_eq!(asked(&client, "name=alone").await["total_definitions"], 1);
    // What another program, another format or half a write left there: told as not known yet by the next start, and built anew.
    let manifest = directory.join("manifest.json");
    let mut foreign: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    foreign["format"] = json!(999);
    let foreign = foreign.to_string();
    for left in [&b""[..], b"{", foreign.as_bytes(), b"[]", &[0xff; 64]] {
        fs::write(&manifest, left).unwrap();
        fs::write(directory.join("manifest.new"), b"half").unwrap();
        let mut beside = portal.beside(|_| {}).await;
        assert!(beside.rooms.jobs.open_indexes().await.unwrap().iter().any(|one| one.name == "hostile"));
        let person = portal.reviewer(&[Grant::of("hostile")]).await;
        beside.sign_in(&person).await.is(303);
        let unknown = beside.get_json("/symbol/hostile/v1?name=alone").await.is(200).json();
        assert_eq!((&unknown["indexed"], &unknown["total_definitions"]), (&json!(false), &json!(0)));
        let _ = beside.rooms.jobs.index(&product, &quiet).await.unwrap();
        assert_eq!(beside.get_json("/symbol/hostile/v1?name=alone").await.is(200).json()["total_definitions"], 1);
    }
}
