//! Comparing two versions over HTTP: held against the same files read one by one.

use std::collections::{BTreeMap, BTreeSet};

use git2::FileMode;
use lectern::audit::{Entry, Filter, Kind};
use serde_json::Value;

use crate::harness::library::{BINARY, LINK_OUT, LOGO, MAIN, ODD_BYTES, Piece, SEED, SOCKET, SUBMODULE};
use crate::harness::witness_places;
use crate::harness::{Backend, Client, Grant, Portal, canaries_in, on_both};

on_both! {
    oddities_are_told_as_what_they_are
    a_rename_across_the_scope_is_an_added_file
    what_may_be_read_in_one_version_only_differs_though_its_bytes_do_not
    a_summary_is_what_a_scan_of_both_versions_finds
    a_summary_is_cut_to_what_may_be_read_of_each_version
    what_is_shown_of_a_file_turns_one_version_into_the_other
    files_are_told_by_what_they_are
    every_page_is_recorded_with_all_it_showed
    addresses_that_mean_nothing_are_told_so
    a_file_says_where_it_differs_from_another_version
}

/// The files of a version by path.
fn shelf<'a>(portal: &'a Portal, version: &'a str, reads: &'a dyn Fn(&str) -> bool) -> BTreeMap<String, &'a Piece> {
    portal.library.of("gateway", version).map(|piece| (piece.path_text(), piece)).filter(|(path, _)| reads(path)).collect()
}

fn names(found: &Value) -> BTreeSet<(String, String)> {
    let text = |file: &Value, name: &str| file[name].as_str().unwrap().to_owned();
    found["files"].as_array().unwrap().iter().map(|file| (text(file, "change"), text(file, "path"))).collect()
}

/// What a scan finds: of the library's files, the same path in both versions differs, or stands in one alone.
fn scan(from: &BTreeMap<String, &Piece>, to: &BTreeMap<String, &Piece>) -> BTreeSet<(String, String)> {
    let paths: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let fate = |path: &String| match (from.get(path), to.get(path)) {
        (Some(old), Some(new)) if (old.mode, &old.object) == (new.mode, &new.object) => None,
        (Some(_), Some(_)) => Some("changed"),
        (None, _) => Some("added"),
        (_, None) => Some("removed"),
    };
    paths.into_iter().filter_map(|path| Some((fate(path)?.to_owned(), path.clone()))).collect()
}

async fn compared(portal: &Portal, client: &Client) -> Vec<Entry> {
    let filter =
        Filter { person: client.who.as_ref().map(|(account, _)| account.clone()), kind: Some(Kind::DiffViewed), ..Filter::default() };
    portal.entries(filter).await
}

async fn a_summary_is_what_a_scan_of_both_versions_finds(backend: Backend) {
    let portal = Portal::start(backend).await;
    let client = portal.reader().await;
    let all = |_: &str| true;
    for (from, to) in [("v1.0", "v2.0"), ("v2.0", "v1.0"), ("v1.1", "v2.0"), ("v2.0", "v2.0")] {
        let found = client.get_json(&format!("/p/gateway/compare/{from}/{to}")).await.is(200).json();
        let expected = scan(&shelf(&portal, from, &all), &shelf(&portal, to, &all));
        assert_eq!(names(&found), expected, "{from} {to}");
        assert_eq!(found["totals"]["files"], expected.len(), "{from} {to}");
        assert_eq!(found["complete"], true);
        // Each text differs in the line of its canary, and in what names its version.
        for file in found["files"].as_array().unwrap() {
            let of = |version: &str| portal.library.piece("gateway", version, path_bytes(file["path"].as_str().unwrap())).text.clone();
            let (Some(old), Some(new)) = (of(from), of(to)) else {
                assert_eq!(file["binary"], true, "{file}");
                continue;
            };
            let differing = old.lines().zip(new.lines()).filter(|(a, b)| a != b).count();
            assert_eq!((&file["lines_added"], &file["lines_removed"]), (&differing.into(), &differing.into()), "{file}");
        }
        let lines: u64 = found["files"].as_array().unwrap().iter().filter_map(|file| file["lines_added"].as_u64()).sum();
        assert_eq!(found["totals"]["lines_added"], lines);
    }
    // Filters, each against the same rule on the whole list.
    let whole = names(&client.get_json("/p/gateway/compare/v1.0/v2.0").await.is(200).json());
    let within = |keep: &dyn Fn(&str) -> bool| whole.iter().filter(|(_, path)| keep(path)).cloned().collect::<BTreeSet<_>>();
    for (query, expected) in [
        ("dir=src", within(&|path| path.starts_with("src/"))),
        ("dir=src/net", within(&|path| path.starts_with("src/net/"))),
        ("path=*.md", within(&|path| path.rsplit('.').next() == Some("md"))),
        (
            "path=src/*.c",
            within(&|path| path.starts_with("src/") && path.matches('/').count() == 1 && path.rsplit('.').next() == Some("c")),
        ),
        ("path=socket", within(&|path| path.contains("socket"))),
        ("lang=C", within(&|path| [Some("c"), Some("h")].contains(&path.rsplit('.').next()))),
        ("only=binary", within(&|path| path == BINARY || path == LOGO)),
        ("only=changed", whole.clone()),
        ("only=added", BTreeSet::new()),
        ("kind=build", BTreeSet::new()),
        ("vendored=no", within(&|path| !path.starts_with("vendor/"))),
        ("lang=C&path=net", within(&|path| path.rsplit('.').next() == Some("c") && path.contains("net"))),
        ("sort=size", whole.clone()),
    ] {
        let found = client.get_json(&format!("/p/gateway/compare/v1.0/v2.0?{query}")).await.is(200).json();
        assert_eq!(names(&found), expected, "{query}");
        assert_eq!(found["totals"]["files"], expected.len(), "{query}");
        client.get(&format!("/p/gateway/compare/v1.0/v2.0?{query}")).await.is(200);
    }
    let sorted = client.get_json("/p/gateway/compare/v1.0/v2.0?sort=size").await.is(200).json();
    let sizes: Vec<Option<u64>> = sorted["files"].as_array().unwrap().iter().map(|file| file["lines_added"].as_u64()).collect();
    assert!(sizes.windows(2).all(|two| two[0] >= two[1]), "{sizes:?}");
}

fn path_bytes(text: &str) -> Vec<u8> {
    if text == lectern::catalog::name_text(ODD_BYTES) { ODD_BYTES.to_vec() } else { text.as_bytes().to_vec() }
}

async fn a_summary_is_cut_to_what_may_be_read_of_each_version(backend: Backend) {
    let portal = Portal::start(backend).await;
    // The newer version is open to src/ without what lies deep, the older to src/net alone.
    let person = portal
        .reviewer(&[
            Grant::of("gateway").versions(&["v2.0"]).paths(&["src"], &["src/net/deep"]),
            Grant::of("gateway").versions(&["v1.*"]).paths(&["src/net"], &["src/net/socket_close.c"]),
        ])
        .await;
    let client = portal.sign_in(&person).await;
    let newer = |path: &str| path.starts_with("src/") && !path.starts_with("src/net/deep/");
    let older = |path: &str| path.starts_with("src/net/") && path != "src/net/socket_close.c";
    let expected = scan(&shelf(&portal, "v1.0", &older), &shelf(&portal, "v2.0", &newer));
    assert!(expected.contains(&("added".to_owned(), "src/net/socket_close.c".to_owned())));
    assert!(expected.contains(&("removed".to_owned(), "src/net/deep/level/one/rock_bottom.c".to_owned())));
    let found = client.get_json("/p/gateway/compare/v1.0/v2.0").await.is(200).json();
    // The link's target says the same in both versions, so it differs in none: `src/link_to_main` is readable in one only.
    assert_eq!(names(&found), expected);
    assert_eq!(found["totals"]["files"], expected.len());
    let count = |fate: &str| expected.iter().filter(|(one, _)| one == fate).count();
    for fate in ["added", "removed", "changed"] {
        assert_eq!(found["totals"][fate], count(fate), "{fate}");
    }
    let top: Vec<&str> = found["directories"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(top, ["src"]);
    for address in ["/p/gateway/compare/v1.0/v2.0", "/p/gateway/compare/v1.0/v2.0?dir=src", "/p/gateway/compare/v1.0/v2.0?only=binary"] {
        let page = client.get(address).await.is(200).text();
        for hidden in ["secret", "assets", "include", "odd/", "vendor", ".gitmodules", "user_guide"] {
            assert!(!page.contains(&format!("{hidden}<")) && !page.contains(&format!("/{hidden}")), "{hidden} shows at {address}");
        }
    }
    // One side of a file, where the other may not be read: as if it had never been there.
    let file = client.get_json("/p/gateway/compare/v1.0/v2.0/src/net/socket_close.c").await.is(200).json();
    assert_eq!((&file["change"], &file["old"]), (&"added".into(), &Value::Null));
    let page = client.get("/p/gateway/compare/v1.0/v2.0/src/net/socket_close.c").await.is(200);
    let old = portal.library.piece("gateway", "v1.0", "src/net/socket_close.c");
    assert!(canaries_in(&page.body).iter().all(|canary| !old.canaries.contains(canary)));
    let gone = client.get_json("/p/gateway/compare/v1.0/v2.0/src/net/deep/level/one/rock_bottom.c").await.is(200).json();
    assert_eq!((&gone["change"], &gone["new"]), (&"removed".into(), &Value::Null));
    // Outside both, and nowhere: the same answer.
    let nowhere = client.get("/p/gateway/compare/v1.0/v2.0/never/there.c").await.is(404);
    for outside in [SEED, "README.md", "src/net", "secret", "src", "src/net/deep"] {
        let answer = client.get(&format!("/p/gateway/compare/v1.0/v2.0/{outside}")).await.is(404);
        assert_eq!(answer.essence(), nowhere.essence(), "{outside}");
    }
    for outside in ["secret", "assets", "never"] {
        client.get(&format!("/p/gateway/compare/v1.0/v2.0?dir={outside}")).await.is(404);
    }
}

/// The text that the rows of a file's JSON make of `old`, over all its pieces.
async fn applied(client: &Client, address: &str, old: &str) -> String {
    let lines: Vec<&str> = old.split_inclusive('\n').collect();
    let mut new = String::new();
    let mut at = 0;
    let mut address = Some(address.to_owned());
    while let Some(next) = address {
        let found = client.get_json(&next).await.is(200).json();
        for row in found["rows"].as_array().unwrap() {
            let number = |name: &str| usize::try_from(row[name].as_u64().unwrap()).unwrap();
            match row["kind"].as_str().unwrap() {
                "same" | "removed" => {
                    assert_eq!((number("old"), row["text"].as_str().unwrap()), (at + 1, lines[at]));
                    if row["kind"] == "same" {
                        new.push_str(lines[at]);
                    }
                    at += 1;
                }
                "added" => new.push_str(row["text"].as_str().unwrap()),
                _ => {
                    assert_eq!(number("old"), at + 1);
                    new.extend(lines[at..at + number("lines")].iter().copied());
                    at += number("lines");
                }
            }
        }
        address = found["next"].as_str().map(str::to_owned);
    }
    assert_eq!(at, lines.len(), "the rows cover all of the old text");
    new
}

async fn what_is_shown_of_a_file_turns_one_version_into_the_other(backend: Backend) {
    let portal = Portal::start(backend).await;
    let client = portal.reader().await;
    let mut tried = 0;
    for new in portal.library.of("gateway", "v2.0").filter(|piece| piece.mode == FileMode::Blob) {
        let old = portal.library.piece("gateway", "v1.0", &new.path);
        let (Some(before), Some(after)) = (&old.text, &new.text) else { continue };
        let path: String = new.path.iter().map(|byte| if *byte == b'/' { "/".to_owned() } else { format!("%{byte:02X}") }).collect();
        let address = format!("/p/gateway/compare/v1.0/v2.0/{path}");
        if before == after {
            // Empty in both versions: nothing differs, and the page says so.
            assert!(client.get(&address).await.is(200).text().contains("the same in both"));
            continue;
        }
        for query in ["", "?context=0", "?context=all", "?open=1-4"] {
            assert_eq!(&applied(&client, &format!("{address}{query}"), before).await, after, "{address}{query}");
        }
        for query in ["", "?view=split", "?space=ignore", "?view=split&context=all&row=2000"] {
            let page = client.get(&format!("{address}{query}")).await.is(200);
            if !query.contains("row=") {
                assert!(
                    canaries_in(&page.body).contains(&new.canaries[0]) && canaries_in(&page.body).contains(&old.canaries[0]),
                    "{address}{query}"
                );
            }
        }
        tried += 1;
    }
    assert!(tried > 15, "{tried}");
    // Twelve thousand lines come in pieces, each recorded by the lines it shows.
    let big = "/p/gateway/compare/v1.0/v2.0/big/twelve_thousand_lines.c?context=all";
    let first = client.get(big).await.is(200).text();
    assert!(first.contains("Next piece") && first.contains("line_1000") && !first.contains("line_5000"));
    let entries = compared(&portal, &client).await;
    let shown = witness_places(entries.last().unwrap());
    assert_eq!(shown.iter().find(|place| place.versions == ["v2.0"] && place.blob.is_some()).unwrap().lines.last(), Some(&1_999));
    let third = client.get(&format!("{big}&row=4000")).await.is(200).text();
    assert!(third.contains("line_5000") && !third.contains("line_1000 "));
}

async fn files_are_told_by_what_they_are(backend: Backend) {
    let portal = Portal::start(backend).await;
    let client = portal.reader().await;
    let at = |path: &str| format!("/p/gateway/compare/v1.0/v2.0/{path}");
    let binary = client.get_json(&at(BINARY)).await.is(200).json();
    let piece = portal.library.piece("gateway", "v2.0", BINARY);
    assert_eq!(binary["new"]["blob"], piece.object.as_str());
    assert_eq!(binary["new"]["size"], piece.bytes.len());
    assert_eq!((&binary["rows"], binary["new"]["sha256"].as_str().unwrap().len()), (&Value::Null, 64));
    let page = client.get(&at(BINARY)).await.is(200);
    assert!(page.text().contains(binary["old"]["sha256"].as_str().unwrap()) && canaries_in(&page.body).is_empty());
    let page = client.get(&at(LOGO)).await.is(200).text();
    for version in ["v1.0", "v2.0"] {
        assert!(page.contains(&format!("src=\"/p/gateway/{version}/image/{LOGO}\"")), "{version}");
    }
    for (path, words) in
        [(LINK_OUT, "a symbolic link that points to ../../secret/keys/hsm_seed.txt"), (SUBMODULE, "a submodule at commit 0123456789")]
    {
        let page = client.get(&at(path)).await.is(200).text();
        assert!(page.contains(words) && page.contains("The same in both"), "{path}");
    }
    let page = client.get(&at("text/trojan_bidi.c")).await.is(200).text();
    assert!(page.contains("U+202E") && page.contains("among what was added"));
    assert!(!page.contains('\u{202e}'));
    // Words that changed are marked within the colours of the file's page.
    let page = client.get(&at(SOCKET)).await.is(200).text();
    assert!(page.contains("<mark>v1</mark>") || page.contains("<mark>v1.0</mark>") || page.contains("<mark>1</mark>"), "{page}");
    let named = client.get(&at(&lectern::catalog::RepoPath::parse(ODD_BYTES).unwrap().address())).await.is(200).text();
    assert!(named.contains("caf\\xE9_latin_name.c"));
}

async fn every_page_is_recorded_with_all_it_showed(backend: Backend) {
    let portal = Portal::start(backend).await;
    let client = portal.reader().await;
    let found = client.get_json("/p/gateway/compare/v1.1/v2.0?dir=src").await.is(200).json();
    let entries = compared(&portal, &client).await;
    let entry = entries.last().unwrap();
    assert_eq!(found["receipt"]["index"], entry.index);
    let place = entry.place.clone().unwrap();
    assert_eq!((place.version.as_deref(), place.commit.as_deref()), (Some("v2.0"), Some(portal.library.commit("gateway", "v2.0"))));
    assert_eq!(place.path.unwrap().text, "src");
    assert_eq!((&entry.facts["from"], &entry.facts["from_commit"]), (&"v1.1".into(), &portal.library.commit("gateway", "v1.1").into()));
    let shown: BTreeSet<String> = witness_places(entry).into_iter().map(|place| place.path.text).collect();
    for file in found["files"].as_array().unwrap() {
        assert!(shown.contains(file["path"].as_str().unwrap()), "{file}");
    }
    assert!(shown.contains("src/net") && !shown.contains(SEED));
    // A file: both blobs, the lines of each, and the names of the files before and behind it.
    client.get(&format!("/p/gateway/compare/v1.1/v2.0/{MAIN}?dir=src")).await.is(200);
    let entries = compared(&portal, &client).await;
    let shown = witness_places(entries.last().unwrap());
    for version in ["v1.1", "v2.0"] {
        let piece = portal.library.piece("gateway", version, MAIN);
        let place = shown.iter().find(|place| place.blob.as_deref() == Some(piece.object.as_str())).unwrap();
        assert_eq!((place.versions.as_slice(), place.path.text.as_str()), (&[version.to_owned()][..], MAIN));
        assert_eq!(place.lines, [1, 2, 3, 4, 5, 6]);
    }
    assert!(shown.iter().any(|place| place.blob.is_none() && place.path.text.starts_with("src/")));
    let unrecordable = portal.rooms.log.size().await.unwrap();
    assert!(unrecordable > entries.last().unwrap().index);
    let auditor = portal.sign_in(&portal.auditor).await;
    let page = auditor.get(&format!("/audit/entries/{}", entries.last().unwrap().index)).await.is(200).text();
    assert!(page.contains("compared src/gateway_main.c in gateway v2.0 with v1.1"), "{page}");
    let by_path = auditor.get_json(&format!("/audit?kind=source.diff.viewed&path={MAIN}")).await.is(200).json();
    assert!(by_path["entries"].as_array().unwrap().len() >= 2, "the listing and the file are both found by the path");
}

async fn addresses_that_mean_nothing_are_told_so(backend: Backend) {
    let portal = Portal::start(backend).await;
    let client = portal.reader().await;
    for query in ["only=gone", "kind=x", "vendored=x", "sort=x", "page=x", "path=%5B", "dir=../x"] {
        client.get(&format!("/p/gateway/compare/v1.0/v2.0?{query}")).await.is(400);
    }
    for query in ["context=x", "open=3", "open=9-2", "row=x"] {
        client.get(&format!("/p/gateway/compare/v1.0/v2.0/{MAIN}?{query}")).await.is(400);
    }
    // The form leads to the address of what it chose, filters kept.
    let answer = client.get("/p/gateway/compare?from=v1.0&to=v2.0&dir=src&lang=C").await.is(303);
    assert_eq!(answer.location(), "/p/gateway/compare/v1.0/v2.0?dir=src&lang=C");
    client.get("/p/gateway/compare?from=v1.0").await.is(400);
    client.get("/p/gateway/compare/v1.0/v9.9").await.is(404);
    client.get("/p/gateway/compare/v9.9/v1.0").await.is(404);
    // Pages behind the last are the last.
    client.get("/p/gateway/compare/v1.0/v2.0?page=99").await.is(200);
    // The product's page leads here.
    let page = client.get("/p/gateway").await.is(200).text();
    assert!(page.contains("action=\"/p/gateway/compare\"") && page.contains("href=\"/p/gateway/compare/v1.1/v2.0\""));
}

/// A product `bench` in two versions that differ in every way there is.
async fn oddities(portal: &Portal) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let repository = git2::Repository::init_bare(home.path().join("bench.git")).unwrap();
    let lines = |from: u32, to: u32| (from..to).map(|n| format!("    call_number_{n}(argument);\n")).collect::<Vec<_>>().concat();
    let submodule = |digit: &str| digit.repeat(40).into_bytes();
    let old: Vec<(&[u8], FileMode, Vec<u8>)> = vec![
        (b"Makefile", FileMode::Blob, b"all:\n\tcc a.c\n".to_vec()),
        (b"a/moved.c", FileMode::Blob, lines(0, 60).into()),
        (b"a/same.txt", FileMode::Blob, b"the same\nbytes\n".to_vec()),
        (b"bom.txt", FileMode::Blob, b"marked\n".to_vec()),
        (b"data.bin", FileMode::Blob, b"\0\x01\x02\xff\0".to_vec()),
        (b"empty_old", FileMode::Blob, Vec::new()),
        (b"ends.txt", FileMode::Blob, b"one\r\ntwo\r\nthree\r\n".to_vec()),
        (b"grown/inner.c", FileMode::Blob, b"int inner;\n".to_vec()),
        (b"last.txt", FileMode::Blob, b"first\nno end".to_vec()),
        (b"link", FileMode::Link, b"a/same.txt".to_vec()),
        (b"odd/\xff.c", FileMode::Blob, b"int odd = 1;\n".to_vec()),
        (b"secret/kept.c", FileMode::Blob, lines(500, 540).into()),
        (b"secret/like.c", FileMode::Blob, lines(700, 760).into()),
        (b"shape", FileMode::Blob, b"a file\n".to_vec()),
        (b"spaces.c", FileMode::Blob, b"if (a)\n\treturn 1;\nreturn 0;\n".to_vec()),
        (b"still/kept.c", FileMode::Blob, b"int kept;\n".to_vec()),
        (b"sub", FileMode::Commit, submodule("1")),
        (b"tests/case.c", FileMode::Blob, b"int test = 1;\n".to_vec()),
        (b"tool.sh", FileMode::Blob, b"#!/bin/sh\n".to_vec()),
        (b"trojan.c", FileMode::Blob, b"if (admin)\n".to_vec()),
        (b"unchanged.c", FileMode::Blob, b"int same;\n".to_vec()),
        (b"vendor/lib.c", FileMode::Blob, b"int lib = 1;\n".to_vec()),
    ];
    let new: Vec<(&[u8], FileMode, Vec<u8>)> = vec![
        (b"Makefile", FileMode::Blob, b"all:\n\tcc -O2 a.c\n".to_vec()),
        (b"b/moved.c", FileMode::Blob, (lines(0, 55) + &lines(900, 905)).into()),
        (b"c/same.txt", FileMode::Blob, b"the same\nbytes\n".to_vec()),
        (b"bom.txt", FileMode::Blob, b"\xef\xbb\xbfmarked\n".to_vec()),
        (b"data.bin", FileMode::Blob, b"\0\x01\x03\xff\0more".to_vec()),
        (b"empty_new", FileMode::Blob, Vec::new()),
        (b"ends.txt", FileMode::Blob, b"one\ntwo\nthree\n".to_vec()),
        (b"grown", FileMode::Blob, b"a file now\n".to_vec()),
        (b"last.txt", FileMode::Blob, b"first\nno end\n".to_vec()),
        (b"link", FileMode::Link, b"c/same.txt".to_vec()),
        (b"odd/\xff.c", FileMode::Blob, b"int odd = 2;\n".to_vec()),
        (b"open/kept.c", FileMode::Blob, lines(500, 540).into()),
        (b"open/like.c", FileMode::Blob, (lines(700, 755) + &lines(910, 915)).into()),
        (b"shape", FileMode::Link, b"a file\n".to_vec()),
        (b"spaces.c", FileMode::Blob, b"if (a)\n    return 1;\nreturn  0;\n".to_vec()),
        (b"still/kept.c", FileMode::Blob, b"int kept;\n".to_vec()),
        (b"sub", FileMode::Commit, submodule("2")),
        (b"tests/case.c", FileMode::Blob, b"int test = 2;\n".to_vec()),
        (b"tool.sh", FileMode::BlobExecutable, b"#!/bin/sh\n".to_vec()),
        (b"trojan.c", FileMode::Blob, "if (admin\u{202e} || 1)\n".as_bytes().to_vec()),
        (b"unchanged.c", FileMode::Blob, b"int same;\n".to_vec()),
        (b"vendor/lib.c", FileMode::Blob, b"int lib = 2;\n".to_vec()),
    ];
    let empty = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
    for (tag, files) in [("v1", old), ("v2", new)] {
        let mut tree = git2::build::TreeUpdateBuilder::new();
        for (path, mode, bytes) in files {
            let id = match mode {
                FileMode::Commit => git2::Oid::from_str(std::str::from_utf8(&bytes).unwrap()).unwrap(),
                _ => repository.blob(&bytes).unwrap(),
            };
            tree.upsert(path.to_vec(), id, mode);
        }
        let tree = repository.find_tree(tree.create_updated(&repository, &empty).unwrap()).unwrap();
        let who = git2::Signature::new("A", "a@vendor.example", &git2::Time::new(1_700_000_000, 0)).unwrap();
        let parents: Vec<git2::Commit<'_>> = repository.head().ok().and_then(|head| head.peel_to_commit().ok()).into_iter().collect();
        let id = repository.commit(Some("HEAD"), &who, &who, tag, &tree, &parents.iter().collect::<Vec<_>>()).unwrap();
        repository.tag_lightweight(tag, &repository.find_object(id, None).unwrap(), false).unwrap();
    }
    let product = lectern::catalog::NewProduct {
        name: "bench".to_owned(),
        title: "The bench".to_owned(),
        source: home.path().join("bench.git").display().to_string(),
        tags: vec!["v*".to_owned()],
        branches: Vec::new(),
    };
    let draft = lectern::audit::Draft::new(Kind::ProductCreated, lectern::audit::Outcome::Done);
    let product = portal.rooms.catalog.add(product, draft, &portal.context()).await.unwrap();
    let quiet: lectern::jobs::Watch = std::sync::Arc::new(|_| {});
    portal.rooms.jobs.synchronise(&product, &quiet).await.unwrap();
    home
}

/// `renamed a/x > b/x 91% +5 -5`, of each file.
fn told(found: &Value) -> Vec<String> {
    let one = |file: &Value| {
        let before = file["before"].as_str().map_or(String::new(), |before| format!("{before} > "));
        let likeness = file["likeness"].as_u64().map_or(String::new(), |likeness| format!(" {likeness}%"));
        let lines = match (file["binary"].as_bool(), file["lines_added"].as_u64(), file["lines_removed"].as_u64()) {
            (Some(true), ..) => " binary".to_owned(),
            (_, Some(added), Some(removed)) => format!(" +{added} -{removed}"),
            _ => " uncounted".to_owned(),
        };
        format!("{} {before}{}{likeness}{lines}", file["change"].as_str().unwrap(), file["path"].as_str().unwrap())
    };
    found["files"].as_array().unwrap().iter().map(one).collect()
}

async fn oddities_are_told_as_what_they_are(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let _home = oddities(&portal).await;
    let person = portal.reviewer(&[Grant::of("bench")]).await;
    let client = portal.sign_in(&person).await;
    let found = client.get_json("/p/bench/compare/v1/v2").await.is(200).json();
    insta::allow_duplicates! {
        insta::assert_snapshot!(told(&found).join("\n"), @r"
        changed Makefile +1 -1
        renamed a/moved.c > b/moved.c 91% +5 -5
        changed bom.txt +0 -0
        renamed a/same.txt > c/same.txt 100% +0 -0
        changed data.bin binary
        added empty_new +0 -0
        removed empty_old +0 -0
        changed ends.txt +3 -3
        added grown +1 -0
        removed grown/inner.c +0 -1
        changed last.txt +1 -1
        changed link +1 -1
        changed odd/\xFF.c +1 -1
        renamed secret/kept.c > open/kept.c 100% +0 -0
        renamed secret/like.c > open/like.c 91% +5 -5
        changed shape +0 -0
        changed spaces.c +2 -2
        changed sub +1 -1
        changed tests/case.c +1 -1
        changed tool.sh +0 -0
        changed trojan.c +1 -1
        changed vendor/lib.c +1 -1
        ");
    }
    let paths = |found: &Value| -> Vec<String> {
        found["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expected) in [
        ("only=renamed", vec!["b/moved.c", "c/same.txt", "open/kept.c", "open/like.c"]),
        ("only=added", vec!["empty_new", "grown"]),
        ("only=removed", vec!["empty_old", "grown/inner.c"]),
        ("only=binary", vec!["data.bin"]),
        ("kind=build", vec!["Makefile"]),
        ("kind=tests", vec!["tests/case.c"]),
        ("path=a/*", vec!["b/moved.c", "c/same.txt"]),
        ("dir=odd", vec!["odd/\\xFF.c"]),
        ("vendored=no&path=lib", vec![]),
    ] {
        let found = client.get_json(&format!("/p/bench/compare/v1/v2?{query}")).await.is(200).json();
        assert_eq!(paths(&found), expected, "{query}");
    }
    for (path, words) in [
        ("tool.sh", vec!["made executable: mode 100644 before, 100755 now", "Its bytes are the same in both versions"]),
        ("shape", vec!["What was a file is a symbolic link now", "points to a file"]),
        ("link", vec!["points to a/same.txt", "points to c/same.txt"]),
        ("sub", vec!["submodule at commit 1111111111", "submodule at commit 2222222222"]),
        ("bom.txt", vec!["A byte order mark was added", "No line of it differs as a text"]),
        ("ends.txt", vec!["Its lines end otherwise: CRLF before, LF now", ">CRLF</em>", ">LF</em>"]),
        ("last.txt", vec![">no line end</em>"]),
        ("data.bin", vec!["it is binary, 5 bytes", "SHA-256"]),
        ("trojan.c", vec!["changes reading order", "Line 1 is among what was added", "U+202E"]),
        ("c/same.txt", vec!["Renamed, the same bytes", "was a/same.txt"]),
        ("a/moved.c", vec!["Renamed, 91% the same", "was a/moved.c", "<h1>moved.c</h1>"]),
        ("b/moved.c?view=split", vec!["Renamed, 91% the same"]),
        ("grown/inner.c", vec!["Removed in v2"]),
        ("odd/%FF.c", vec!["odd", "\\xFF.c"]),
        ("unchanged.c", vec!["The same in both"]),
        ("spaces.c?space=ignore", vec!["White space is left aside", "3 lines are the same"]),
    ] {
        let page = client.get(&format!("/p/bench/compare/v1/v2/{path}")).await.is(200).text();
        for words in words {
            assert!(page.contains(words), "{words} at {path}: {page}");
        }
    }
    // A listing of bytes that no text can name leads back to them.
    let page = client.get("/p/bench/compare/v1/v2?dir=odd").await.is(200).text();
    assert!(page.contains("href=\"/p/bench/compare/v1/v2/odd/%FF.c?dir=odd\""), "{page}");
    // Taken the other way round, what was added was removed.
    let back = client.get_json("/p/bench/compare/v2/v1?only=removed").await.is(200).json();
    assert_eq!(paths(&back), ["empty_new", "grown"]);
}

async fn a_rename_across_the_scope_is_an_added_file(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let _home = oddities(&portal).await;
    let whole = portal.reviewer(&[Grant::of("bench")]).await;
    // What somebody else was shown does not help.
    portal.sign_in(&whole).await.get("/p/bench/compare/v1/v2").await.is(200);
    let person = portal.reviewer(&[Grant::of("bench").paths(&["open", "a"], &[])]).await;
    let client = portal.sign_in(&person).await;
    let found = client.get_json("/p/bench/compare/v1/v2").await.is(200).json();
    let expected = ["removed a/moved.c +0 -60", "removed a/same.txt +0 -2", "added open/kept.c +40 -0", "added open/like.c +60 -0"];
    assert_eq!(told(&found), expected);
    assert_eq!((&found["totals"]["renamed"], &found["totals"]["files"]), (&0.into(), &4.into()));
    for (path, change) in [("open/kept.c", "added"), ("open/like.c", "added"), ("a/moved.c", "removed"), ("a/same.txt", "removed")] {
        let file = client.get_json(&format!("/p/bench/compare/v1/v2/{path}")).await.is(200).json();
        assert_eq!(file["change"], change, "{path}");
        assert_eq!(file["likeness"], Value::Null);
        let page = client.get(&format!("/p/bench/compare/v1/v2/{path}?view=split")).await.is(200).text();
        for hidden in ["secret", "b/moved", "c/same", "Renamed"] {
            assert!(!page.contains(hidden), "{hidden} shows at {path}");
        }
    }
    for outside in ["secret/kept.c", "b/moved.c", "c/same.txt", "Makefile"] {
        client.get(&format!("/p/bench/compare/v1/v2/{outside}")).await.is(404);
    }
}

async fn what_may_be_read_in_one_version_only_differs_though_its_bytes_do_not(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let _home = oddities(&portal).await;
    let person = portal
        .reviewer(&[
            Grant::of("bench").versions(&["v1"]).paths(&["Makefile"], &[]),
            Grant::of("bench").versions(&["v2"]).paths(&["still"], &[]),
        ])
        .await;
    let client = portal.sign_in(&person).await;
    let found = client.get_json("/p/bench/compare/v1/v2").await.is(200).json();
    assert_eq!(told(&found), ["removed Makefile +0 -2", "added still/kept.c +1 -0"]);
    assert_eq!(
        told(&client.get_json("/p/bench/compare/v2/v1").await.is(200).json()),
        ["added Makefile +2 -0", "removed still/kept.c +0 -1"]
    );
    let file = client.get_json("/p/bench/compare/v1/v2/still/kept.c").await.is(200).json();
    assert_eq!((&file["change"], &file["old"]), (&"added".into(), &Value::Null));
    // Whoever may read it in both is told that it is the same; in neither, nothing.
    let both = portal.reviewer(&[Grant::of("bench").paths(&["still"], &[])]).await;
    let both = portal.sign_in(&both).await;
    assert_eq!(told(&both.get_json("/p/bench/compare/v1/v2").await.is(200).json()), [""; 0]);
    assert_eq!(both.get_json("/p/bench/compare/v1/v2/still/kept.c").await.is(200).json()["change"], Value::Null);
    for outside in ["unchanged.c", "Makefile"] {
        both.get(&format!("/p/bench/compare/v1/v2/{outside}")).await.is(404);
    }
}

async fn a_file_says_where_it_differs_from_another_version(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let numbers = |version: &str| {
        let text = |version: &str| portal.library.piece("gateway", version, MAIN).text.clone().unwrap();
        let (old, new) = (text(version), text("v2.0"));
        let changed: Vec<usize> = (1..).zip(old.lines().zip(new.lines())).filter(|(_, (a, b))| a != b).map(|(number, _)| number).collect();
        assert_eq!(old.lines().count(), new.lines().count());
        changed
    };
    let page = reader.get(&format!("/p/gateway/v2.0/file/{MAIN}?since=v1.0")).await.is(200).text();
    let marked = page.split_once("data-changes=\"").unwrap().1.split_once('"').unwrap().0;
    let mut found = Vec::new();
    for range in marked.split(' ') {
        let (first, last) = range.split_once('-').unwrap();
        found.extend(first.parse::<usize>().unwrap()..=last.parse().unwrap());
    }
    assert_eq!(found, numbers("v1.0"), "{marked}");
    assert!(page.contains("from v1.0.") && page.contains(&format!("/p/gateway/compare/v1.0/v2.0/{MAIN}")), "{page}");
    // It was recorded as what it is, with the lines of both.
    let entry = compared(&portal, &reader).await.pop().unwrap();
    let shown = witness_places(&entry);
    let lines: Vec<usize> = shown[1].lines.iter().map(|line| usize::try_from(*line).unwrap()).collect();
    assert_eq!((shown[0].versions.as_slice(), shown[1].versions.as_slice()), (&["v1.0".to_owned()][..], &["v2.0".to_owned()][..]));
    assert_eq!(lines, found);
    // The comparison leads there, and so do its lines.
    let comparison = reader.get(&format!("/p/gateway/compare/v1.0/v2.0/{MAIN}")).await.is(200).text();
    assert!(comparison.contains(&format!("/p/gateway/v2.0/file/{MAIN}?since=v1.0#L{}", found[0])), "{comparison}");
    let same = reader.get(&format!("/p/gateway/v2.0/file/{MAIN}?since=v2.0")).await.is(200).text();
    assert!(same.contains("No line of it differs from v2.0.") && !same.contains("data-changes"), "{same}");
    // A version that may not be read is as one that is not there.
    let person = portal.reviewer(&[Grant::of("gateway").versions(&["v2.*"])]).await;
    let client = portal.sign_in(&person).await;
    let missing = client.get(&format!("/p/gateway/v2.0/file/{MAIN}?since=never")).await.is(404);
    let denied = client.get(&format!("/p/gateway/v2.0/file/{MAIN}?since=v1.0")).await.is(404);
    assert_eq!(denied.essence(), missing.essence());
    assert_eq!(portal.refusals(&person.id).await.len(), 2);
    assert!(compared(&portal, &client).await.is_empty());
}
