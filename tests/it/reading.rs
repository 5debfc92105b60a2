//! Reading through the front door.

use axum::http::StatusCode;
use git2::FileMode;
use lectern::audit::{Filter, Kind};
use lectern::catalog::RepoPath;
use serde_json::{Value, json};

use crate::harness::library::{self, BINARY, ELSEWHERE, LINK_OUT, LOGO, LONG, MAIN, ODD_BYTES, ODD_NAME, SEED, SUBMODULE, VERSIONS};
use crate::harness::{Backend, Grant, Portal, on_both};

on_both! {
    products_and_versions_for_programs
    every_file_of_every_version_for_programs_and_people
    every_directory_for_programs_and_people
    a_large_text_comes_in_pieces
    a_text_is_whole_however_long_highlighting_takes
    other_encodings_are_text_and_named
    what_hides_in_a_text_is_shown
    bytes_images_links_and_submodules
    a_readme_is_rendered_and_its_links_stay_inside
    a_file_leads_only_where_something_is_for_its_reader
    odd_addresses_are_answered_in_words
    receipts_name_the_entry
    pages_say_how_they_may_be_used
}

fn address(product: &str, version: &str, room: &str, path: &[u8]) -> String {
    format!("/p/{product}/{version}/{room}/{}", RepoPath::parse(path).unwrap().address())
}

async fn products_and_versions_for_programs(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let products = reader.get_json("/p").await.is(200).json();
    let expected = json!({"products": [
        {"name": "gateway", "title": "The gateway", "versions": ["v2.0", "v1.1", "v1.0"]},
        {"name": "ledger", "title": "The ledger", "versions": ["v2.0", "v1.1", "v1.0"]},
    ]});
    assert_eq!(products, expected);
    let some = portal.reviewer(&[Grant::of("ledger").versions(&["v1.*"])]).await;
    let some = portal.sign_in(&some).await;
    let products = some.get_json("/p").await.is(200).json();
    assert_eq!(products, json!({"products": [{"name": "ledger", "title": "The ledger", "versions": ["v1.1", "v1.0"]}]}));
    let page = reader.get("/p/gateway").await.is(200).text();
    assert!(page.contains("/p/gateway/v1.1/tree/"), "{page}");
}

async fn every_file_of_every_version_for_programs_and_people(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    for piece in &portal.library.pieces {
        let address = address(piece.product, piece.version, "file", &piece.path);
        let file = reader.get_json(&address).await.is(200).json();
        assert_eq!(file["product"], piece.product);
        assert_eq!(file["version"], piece.version);
        assert_eq!(file["path"], piece.path_text());
        assert!(file["commit"].as_str().unwrap().len() == 40);
        match piece.mode {
            FileMode::Commit => assert_eq!((&file["text"], &file["submodule"]), (&Value::Null, &json!(ELSEWHERE))),
            FileMode::Link => assert_eq!(file["text"], String::from_utf8_lossy(&piece.bytes).as_ref()),
            _ => {
                assert_eq!(file["blob"], piece.object.as_str(), "{address}");
                assert_eq!(file["size"], piece.bytes.len());
                assert_eq!(file["text"], piece.text.as_deref().map_or(Value::Null, Value::from), "{address}");
                assert_eq!(file["encoding"].is_null(), piece.text.is_none());
            }
        }
        let receipt = &file["receipt"];
        let entry = portal.rooms.log.entry(receipt["index"].as_u64().unwrap()).await.unwrap().unwrap();
        assert_eq!(receipt["leaf"], data_encoding::HEXLOWER.encode(&entry.leaf));
        assert!(receipt["checkpoint"].as_u64().unwrap() > entry.index);
        assert_eq!(entry.kind, Kind::FileOpened);
        if piece.version == "v2.0" {
            reader.get(&address).await.is(200);
        }
    }
}

async fn every_directory_for_programs_and_people(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let root = reader.get_json("/p/gateway/v2.0/tree/").await.is(200).json();
    let names: Vec<(&str, &str)> =
        root["entries"].as_array().unwrap().iter().map(|e| (e["name"].as_str().unwrap(), e["kind"].as_str().unwrap())).collect();
    let expected = [
        ("assets", "tree"),
        ("big", "tree"),
        ("docs", "tree"),
        ("include", "tree"),
        ("odd", "tree"),
        ("secret", "tree"),
        ("src", "tree"),
        ("text", "tree"),
        ("vendor", "tree"),
        (".gitmodules", "blob"),
        ("README.md", "blob"),
    ];
    assert_eq!(names, expected);
    assert_eq!(root["path"], "");
    let mut directories: Vec<Vec<u8>> = vec![Vec::new()];
    for piece in portal.library.of("gateway", "v2.0") {
        directories.extend(RepoPath::parse(&piece.directory()).unwrap().trail().iter().map(|path| path.bytes().to_vec()));
    }
    directories.sort();
    directories.dedup();
    for directory in directories {
        let address = address("gateway", "v2.0", "tree", &directory);
        let listed = reader.get_json(&address).await.is(200).json();
        let mut entries: Vec<&str> = listed["entries"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
        entries.sort_unstable();
        let mut expected: Vec<String> = portal
            .library
            .of("gateway", "v2.0")
            .filter_map(|piece| {
                let below = match directory.as_slice() {
                    b"" => &piece.path[..],
                    _ => piece.path.strip_prefix(&directory[..])?.strip_prefix(b"/")?,
                };
                below.split(|&b| b == b'/').next().map(lectern::catalog::name_text)
            })
            .collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(entries, expected, "{address}");
        let index = listed["receipt"]["index"].as_u64().unwrap();
        let entry = portal.rooms.log.entry(index).await.unwrap().unwrap();
        assert_eq!(entry.kind, Kind::TreeListed);
        reader.get(&address).await.is(200);
    }
}

async fn a_large_text_comes_in_pieces(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let address = "/p/gateway/v2.0/file/big/twelve_thousand_lines.c";
    let whole = reader.get_json(address).await.is(200).json();
    assert_eq!(whole["text"].as_str().unwrap().lines().count(), LONG);
    let first = reader.get(address).await.is(200).text();
    assert!(first.contains("id=\"L5000\"") && !first.contains("id=\"L5001\""));
    assert!(first.contains("?from=5001"));
    let last = reader.get(&format!("{address}?from=11999")).await.is(200).text();
    assert!(last.contains("id=\"L10001\"") && last.contains("id=\"L12000\"") && !last.contains("id=\"L10000\""));
    let opened = portal.entries(Filter { kind: Some(Kind::FileOpened), ..Filter::default() }).await;
    let lines: Vec<_> = opened.iter().map(|entry| entry.place.as_ref().unwrap().lines.unwrap()).collect();
    assert_eq!(lines, [(1, 12_000), (1, 5_000), (10_001, 12_000)]);
}

async fn a_text_is_whole_however_long_highlighting_takes(backend: Backend) {
    // No page waits for any of it.
    let portal = Portal::with(backend, |config| config.reading.highlight_deadline = std::time::Duration::ZERO).await;
    for product in ["gateway", "ledger"] {
        portal.bring(product).await;
    }
    let reader = portal.reader().await;
    for path in [MAIN, "big/twelve_thousand_lines.c"] {
        let text = portal.library.piece("gateway", "v2.0", path).text.clone().unwrap();
        let page = reader.get(&format!("/p/gateway/v2.0/file/{path}")).await.is(200).text();
        let numbers: Vec<&str> = page.split("<div id=\"L").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let expected = text.lines().count().min(portal.rooms.config.reading.page_lines);
        assert_eq!(numbers, (1..=expected).map(|number| number.to_string()).collect::<Vec<_>>(), "{path}");
        assert!(page.trim_end().ends_with("</html>") && !page.contains("is not whole"), "{path}");
    }
}

async fn other_encodings_are_text_and_named(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    for (file, encoding, words) in [
        ("utf16_words.txt", "UTF-16", "naïve Grüße, мир"),
        ("latin1_words.txt", "1252", "naïve Grüße à la carte"),
        ("shift_jis_words.txt", "Shift", "日本語の文字列とテスト"),
    ] {
        let address = format!("/p/gateway/v2.0/file/text/{file}");
        let json = reader.get_json(&address).await.is(200).json();
        let named = json["encoding"].as_str().unwrap().to_owned();
        assert!(named.contains(encoding) || (encoding == "1252" && named.contains("Latin")), "{file}: {named}");
        assert!(json["text"].as_str().unwrap().contains(words));
        let page = reader.get(&address).await.is(200).text();
        assert!(page.contains(words) && page.contains(&named), "{file}");
    }
}

async fn what_hides_in_a_text_is_shown(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let page = reader.get("/p/gateway/v2.0/file/text/trojan_bidi.c").await.is(200).text();
    for hidden in ['\u{202e}', '\u{2066}', '\u{2069}', '\u{200b}'] {
        assert!(!page.contains(hidden), "{:x} is in the page as it is", u32::from(hidden));
        assert!(page.contains(&format!("U+{:04X}", u32::from(hidden))), "{:x} is not shown", u32::from(hidden));
    }
    assert!(page.contains("class=\"notices\""));
}

async fn bytes_images_links_and_submodules(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let page = reader.get(&format!("/p/gateway/v2.0/file/{BINARY}")).await.is(200).text();
    let canary = library::canary("gateway", "v2.0", BINARY.as_bytes());
    assert!(page.contains(&canary) && page.contains("00000100"), "{page}");
    let later = reader.get(&format!("/p/gateway/v2.0/file/{BINARY}?hex=1&at=4096")).await.is(200).text();
    assert!(later.contains("00001000") && !later.contains(&canary));
    let as_bytes = reader.get(&format!("/p/gateway/v2.0/file/{MAIN}?hex=1")).await.is(200).text();
    assert!(as_bytes.contains("2f 2a 20") || as_bytes.contains("2F 2A 20"), "{as_bytes}");

    let page = reader.get(&format!("/p/gateway/v2.0/file/{LOGO}")).await.is(200).text();
    assert!(page.contains(&format!("/p/gateway/v2.0/image/{LOGO}")));
    let image = reader.get(&format!("/p/gateway/v2.0/image/{LOGO}")).await.is(200);
    assert_eq!(image.header("content-type"), "image/png");
    assert_eq!(image.header("cache-control"), "no-store");
    assert_eq!(image.body, portal.library.piece("gateway", "v2.0", LOGO).bytes);
    reader.get(&format!("/p/gateway/v2.0/image/{MAIN}")).await.is(404);

    let page = reader.get(&format!("/p/gateway/v2.0/file/{LINK_OUT}")).await.is(200).text();
    assert!(page.contains("../../secret/keys/hsm_seed.txt") && page.contains(&format!("/p/gateway/v2.0/file/{SEED}")));
    let page = reader.get(&format!("/p/gateway/v2.0/file/{SUBMODULE}")).await.is(200).text();
    assert!(page.contains(ELSEWHERE));
    assert!(page.contains(&library::canary("gateway", "v2.0", SUBMODULE.as_bytes())), "the address in .gitmodules is shown");
}

async fn a_readme_is_rendered_and_its_links_stay_inside(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let page = reader.get("/p/gateway/v2.0/tree/").await.is(200).text();
    assert!(page.contains(&library::canary("gateway", "v2.0", b"README.md")));
    assert!(page.contains("href=\"/p/gateway/v2.0/file/docs/user_guide.md\""), "{page}");
    assert!(page.contains(&format!("src=\"/p/gateway/v2.0/image/{LOGO}\"")), "{page}");
    assert!(!page.contains("href=\"https://elsewhere.example"));
    assert!(!page.contains("<script>alert"));
    // Two entries: the listing and the README.
    let kinds: Vec<Kind> =
        portal.entries(Filter { product: Some("gateway".to_owned()), ..Filter::default() }).await.iter().map(|e| e.kind).collect();
    assert_eq!(kinds[kinds.len() - 2..], [Kind::TreeListed, Kind::FileOpened]);
}

async fn a_file_leads_only_where_something_is_for_its_reader(backend: Backend) {
    let portal = Portal::start(backend).await;
    let seed = format!("href=\"/p/gateway/v2.0/file/{SEED}\"");
    let pages = [
        "/p/gateway/v2.0/tree/".to_owned(),
        "/p/gateway/v2.0/file/README.md?view=rendered".to_owned(),
        format!("/p/gateway/v2.0/file/{LINK_OUT}"),
    ];
    let all = portal.reader().await;
    for page in &pages {
        assert!(all.get(page).await.is(200).text().contains(&seed), "{page}");
    }
    // Each of these entries says that it was told where the file leads.
    let opened = portal.entries(Filter { kind: Some(Kind::FileOpened), ..Filter::default() }).await;
    assert_eq!(opened.iter().filter(|entry| entry.facts["links"] == true).count(), pages.len());

    let person = portal.reviewer(&[Grant::of("gateway").paths(&[""], &["secret"])]).await;
    let some = portal.sign_in(&person).await;
    for page in &pages {
        let text = some.get(page).await.is(200).text();
        assert!(!text.contains(&seed), "{page} leads to what may not be read");
    }
    assert!(portal.refusals(&person.id).await.is_empty(), "nothing was asked for that may not be read");
}

async fn odd_addresses_are_answered_in_words(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    for path in [ODD_NAME.as_bytes(), ODD_BYTES] {
        let file = reader.get_json(&address("gateway", "v2.0", "file", path)).await.is(200).json();
        assert_eq!(file["path"], lectern::catalog::name_text(path));
    }
    for (odd, status) in [
        ("/p/gateway/v2.0/file/src//gateway_main.c", 400),
        ("/p/gateway/v2.0/file/src/../src/gateway_main.c", 400),
        ("/p/gateway/v2.0/file/src%2f..%2fsecret%2fkeys%2fhsm_seed.txt", 400),
        ("/p/gateway/v2.0/file/a%00b", 400),
        ("/p/gateway/v2.0/file/src", 404),
        ("/p/gateway/v2.0/tree/src/gateway_main.c", 404),
        ("/p/gateway/v9/tree/", 404),
        ("/p/gateway/v2.0/file/src/gateway_main.c?from=x", 400),
        ("/p/%ff/v2.0/tree/", 404),
        ("/no/such/page", 404),
    ] {
        for answer in [reader.get(odd).await, reader.get_json(odd).await] {
            assert_eq!(answer.status.as_u16(), status, "{odd}");
            assert!(!answer.body.is_empty(), "{odd}: no words");
        }
    }
    // What is too long for any tree is refused in words, too.
    let long = format!("/p/gateway/v2.0/file/{}", "a/".repeat(3_000));
    assert_eq!(reader.get(&long).await.status, StatusCode::BAD_REQUEST);
}

async fn receipts_name_the_entry(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let page = reader.get(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200).text();
    let entries = portal.entries(Filter { kind: Some(Kind::FileOpened), ..Filter::default() }).await;
    assert!(page.contains(&format!("/transparency/receipt/{}", entries[0].index)), "{page}");
    let entry = &entries[0];
    let place = entry.place.as_ref().unwrap();
    let piece = portal.library.piece("gateway", VERSIONS[0], MAIN);
    assert_eq!(place.blob.as_deref(), Some(piece.object.as_str()));
    assert_eq!(place.lines, Some((1, 6)));
    assert!(entry.basis.is_some() && place.commit.is_some());
    assert_eq!(entry.personal.as_ref().unwrap().address.as_deref(), Some("192.0.2.7"));
}

async fn pages_say_how_they_may_be_used(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    for page in ["/p/gateway/v2.0/tree/", "/p/gateway/v2.0/file/README.md", "/search?q=strcpy", "/p", "/", "/no/such/page"] {
        let answer = reader.get(page).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{page}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{page}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.header("x-request-id").is_empty());
        let body = answer.text();
        assert!(!body.contains("<style") && !body.contains(" style=") && !body.contains("<script>"), "{page}");
    }
}
