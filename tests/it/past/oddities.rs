//! What histories seldom hold, and somebody who hides something may put there.

use std::path::Path;

use git2::FileMode;
use serde_json::{Value, json};

use super::attic::{Attic, text};
use super::{diff, json_of, names, newest_entry, origins, portal_with, whole, within};
use crate::harness::{Backend, on_both, witness_places};
use lectern::audit::{Filter, Kind};
use lectern::catalog::RepoPath;

on_both! {
    merges_of_many_and_histories_that_begin_twice
    what_was_one_kind_of_thing_and_became_another
    bytes_that_are_no_text_and_texts_without_lines
    a_commit_of_ten_thousand_files
    what_is_too_large_to_be_compared_is_said_to_be
    many_files_that_moved_are_followed_one_by_one
    names_that_would_fill_an_entry_come_in_parts
}

fn cellar(path: &Path) -> Attic {
    let mut a = Attic::at(path);
    a.put("shape", "a file\n").put("dir/inner.c", "int inner;\n").put("grows", "was a file\n").put("empty", "");
    a.put_as("sub", "1".repeat(40), FileMode::Commit).put(b"odd/\xff.c", "int odd = 1;\n").put("ends.txt", "one\r\ntwo\r\n");
    a.put("data", b"\0\x01\xff\0").put("becomes.bin", "a text\nof two lines\n").put("three.txt", "a\nb\nc\n");
    a.commit("begin", &[]);
    let files = a.remove_all();
    a.put("orphan.txt", "from elsewhere\n");
    a.commit("orphan", &[]);
    a.put_back(files).put("orphan.txt", "from elsewhere\n");
    a.commit("join", &["begin", "orphan"]);
    for (name, text) in [("one", "A\nb\nc\n"), ("two", "a\nB\nc\n"), ("three", "a\nb\nC\n")] {
        a.put("three.txt", text);
        a.commit(name, &["join"]);
    }
    a.put("three.txt", "A\nB\nC\nin none of them\n");
    a.commit("octopus", &["one", "two", "three"]);
    a.tag("v1.0", "octopus");
    a.put_as("shape", "dir/inner.c", FileMode::Link).remove("dir/inner.c").put("dir", "now a file\n");
    a.remove("grows").put("grows/inside.txt", "below\n").put("empty", "no longer\n").put("ends.txt", "one\ntwo\n");
    a.put_as("sub", "2".repeat(40), FileMode::Commit).put(b"odd/\xff.c", "int odd = 2;\n").put("data", "now a text\n");
    a.put("becomes.bin", b"a text\nof two lines\n\0\0\xff");
    a.commit("turn", &["octopus"]);
    a.tag("v2.0", "turn");
    a
}

async fn merges_of_many_and_histories_that_begin_twice(backend: Backend) {
    let (portal, cellar, _home) = portal_with(backend, cellar).await;
    let reader = whole(&portal).await;
    let history = json_of(&reader, "history/three.txt").await;
    assert_eq!(names(&cellar, &history), ["octopus", "three", "two", "one", "begin"]);
    assert_eq!((&history["commits"][0]["change"], &history["commits"][4]["change"]), (&json!("merged"), &json!("added")));
    let blame = json_of(&reader, "blame/three.txt").await;
    assert_eq!(origins(&cellar, &blame), [("one", 1), ("two", 2), ("three", 3), ("octopus", 4)]);
    let octopus = json_of(&reader, &format!("commit/{}", cellar.id("octopus"))).await;
    assert_eq!((octopus["parents"].as_array().unwrap().len(), diff(&octopus["files"][0])), (3, vec!["+4 in none of them".to_owned()]));
    // The first line came from one side as it is; the last stands in none.
    assert_eq!(names(&cellar, &json_of(&reader, "history/three.txt?lines=1").await), ["one", "begin"]);
    assert_eq!(names(&cellar, &json_of(&reader, "history/three.txt?lines=4").await), ["octopus", "begin"]);
    // Two beginnings; what joins them changed nothing itself.
    assert_eq!(names(&cellar, &json_of(&reader, "history/orphan.txt").await), ["orphan"]);
    assert_eq!(names(&cellar, &json_of(&reader, "history/").await), ["turn", "octopus", "three", "two", "one", "orphan", "begin"]);
    let orphan = json_of(&reader, &format!("commit/{}", cellar.id("orphan"))).await;
    assert_eq!((&orphan["parents"], &orphan["files"][0]["change"]), (&json!([]), &json!("added")));
    assert_eq!(diff(&orphan["files"][0]), ["+1 from elsewhere"]);
    let join = json_of(&reader, &format!("commit/{}", cellar.id("join"))).await;
    assert_eq!((&join["total"], join["parents"].as_array().unwrap().len()), (&json!(0), 2));
    for page in ["octopus", "orphan", "join", "turn"] {
        reader.get(&format!("/p/attic/v2.0/commit/{}", cellar.id(page))).await.is(200);
    }
}

async fn what_was_one_kind_of_thing_and_became_another(backend: Backend) {
    let (portal, cellar, _home) = portal_with(backend, cellar).await;
    let reader = whole(&portal).await;
    for (path, expected) in [
        ("shape", vec!["turn", "begin"]),
        ("dir", vec!["turn"]),
        ("dir/inner.c", vec!["turn", "begin"]),
        ("grows", vec!["turn"]),
        ("grows/inside.txt", vec!["turn"]),
        ("sub", vec!["turn", "begin"]),
        ("odd/%FF.c", vec!["turn", "begin"]),
    ] {
        let address = format!("history/{path}");
        assert_eq!(names(&cellar, &json_of(&reader, &address).await), expected, "{path}");
        reader.get(&format!("/p/attic/v2.0/{address}")).await.is(200);
    }
    assert_eq!(json_of(&reader, "history/dir").await["directory"], json!(false));
    assert_eq!(json_of(&reader, "history/grows").await["directory"], json!(true));
    // In the version before it was the other way round.
    let old = |path: &str| format!("/p/attic/v1.0/history/{path}");
    assert_eq!(reader.get_json(&old("dir")).await.is(200).json()["directory"], json!(true));
    assert_eq!(names(&cellar, &reader.get_json(&old("grows")).await.is(200).json()), ["begin"]);
    reader.get_json(&old("grows/inside.txt")).await.is(404);
    assert_eq!(json_of(&reader, "history/odd/%FF.c").await["commits"][0]["path"], json!("odd/\\xFF.c"));
    assert_eq!(origins(&cellar, &json_of(&reader, "blame/odd/%FF.c").await), [("turn", 1)]);
    assert_eq!(origins(&cellar, &json_of(&reader, "blame/dir").await), [("turn", 1)]);
    // A link has no lines, a submodule is no file.
    assert_eq!(json_of(&reader, "blame/shape").await["lines"], json!([]));
    assert_eq!(origins(&cellar, &json_of(&reader, &format!("blame/shape?before={}", cellar.id("turn"))).await), [("begin", 1)]);
    reader.get_json("/p/attic/v2.0/blame/sub").await.is(404);
    let turn = json_of(&reader, &format!("commit/{}", cellar.id("turn"))).await;
    let file = |path: &str| turn["files"].as_array().unwrap().iter().find(|file| file["path"] == path).unwrap().clone();
    let pinned = |digit: &str| format!("Subproject commit {}", digit.repeat(40));
    assert_eq!(diff(&file("sub")), [format!("-1 {}", pinned("1")), format!("+1 {}", pinned("2"))]);
    assert_eq!(diff(&file("shape")), ["-1 a file", "+1 dir/inner.c"]);
    assert_eq!((diff(&file("dir")), diff(&file("dir/inner.c"))), (vec!["+1 now a file".to_owned()], vec!["-1 int inner;".to_owned()]));
    assert_eq!(diff(&file("odd/\\xFF.c")), ["-1 int odd = 1;", "+1 int odd = 2;"]);
}

async fn bytes_that_are_no_text_and_texts_without_lines(backend: Backend) {
    let (portal, cellar, _home) = portal_with(backend, cellar).await;
    let reader = whole(&portal).await;
    let at = |path: &str| format!("blame/{path}?at={}", cellar.id("begin"));
    assert_eq!(origins(&cellar, &json_of(&reader, "blame/ends.txt").await), [("turn", 1), ("turn", 2)]);
    assert_eq!(origins(&cellar, &json_of(&reader, "blame/empty").await), [("turn", 1)]);
    assert_eq!(json_of(&reader, &at("empty")).await["total"], json!(0));
    assert!(reader.get(&format!("/p/attic/v2.0/{}", at("empty"))).await.is(200).text().contains("The file is empty."));
    assert_eq!(origins(&cellar, &json_of(&reader, "blame/data").await), [("turn", 1)]);
    assert_eq!(json_of(&reader, &at("data")).await["lines"], json!([]));
    assert_eq!(json_of(&reader, "blame/becomes.bin").await["lines"], json!([]));
    assert_eq!(origins(&cellar, &json_of(&reader, &at("becomes.bin")).await), [("begin", 1), ("begin", 2)]);
    let turn = json_of(&reader, &format!("commit/{}", cellar.id("turn"))).await;
    let is_binary = |path: &str| turn["files"].as_array().unwrap().iter().find(|file| file["path"] == path).unwrap()["binary"].clone();
    let told: Vec<Value> = ["data", "becomes.bin", "ends.txt", "empty"].map(is_binary).to_vec();
    assert_eq!(told, [true, true, false, false]);
    assert_eq!(json_of(&reader, "history/becomes.bin?lines=1").await["lines"], Value::Null);
    assert_eq!(names(&cellar, &json_of(&reader, "history/data?lines=1").await), ["turn"]);
}

async fn a_commit_of_ten_thousand_files(backend: Backend) {
    const FILES: usize = 10_000;
    let (portal, made, _home) = portal_with(backend, |path| {
        let mut a = Attic::at(path);
        a.put("README", "first\n");
        a.commit("begin", &[]);
        a.tag("v1.0", "begin");
        a.put_all((0..FILES).map(|n| (format!("many/d{:02}/f{n:05}.c", n % 100), format!("int number_{n};\n"))));
        a.commit("many", &["begin"]);
        a.tag("v2.0", "many");
        a
    })
    .await;
    let reader = whole(&portal).await;
    let id = made.id("many");
    let (mut next, mut seen, mut parts) = (Some(format!("/p/attic/v2.0/commit/{id}")), std::collections::BTreeSet::new(), 0);
    while let Some(address) = next.filter(|_| parts < 3) {
        let part = reader.get_json(&address).await.is(200).json();
        assert_eq!(part["total"], json!(FILES));
        let shown = part["files"].as_array().unwrap();
        seen.extend(shown.iter().map(|file| file["path"].as_str().unwrap().to_owned()));
        let recorded = witness_places(&newest_entry(&portal, Kind::DiffViewed).await).len();
        assert_eq!(recorded, shown.len());
        next = part["next"].as_str().map(str::to_owned);
        parts += 1;
    }
    assert_eq!((seen.len(), seen.first().unwrap().as_str()), (300, "many/d00/f00000.c"));
    let last = json_of(&reader, &format!("commit/{id}?from={}", FILES - 3)).await;
    assert_eq!((last["files"].as_array().unwrap().len(), &last["next"]), (3, &Value::Null));
    assert_eq!(json_of(&reader, "history/many").await["commits"][0]["files"], json!(FILES));
    // The same as two versions. What a page lists takes more than one entry has room for, and all of it is recorded.
    let recorded = async || portal.entries(Filter { kind: Some(Kind::DiffViewed), ..Filter::default() }).await;
    let before = recorded().await.len();
    let found = reader.get_json("/p/attic/compare/v1.0/v2.0").await.is(200).json();
    assert_eq!((&found["totals"]["added"], found["files"].as_array().unwrap().len()), (&json!(FILES), 200));
    let entries = recorded().await.split_off(before);
    let places: Vec<String> = entries.iter().flat_map(witness_places).map(|place| place.path.text).collect();
    let listed = found["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap());
    assert_eq!((entries.len(), places), (2, std::iter::once("many").chain(listed).map(str::to_owned).collect()));
    // A scope that holds one file in a hundred counts no others, and shows no words.
    let narrow = within(&portal, &["many/d07"], &[]).await;
    let part = json_of(&narrow, &format!("commit/{id}")).await;
    assert_eq!((&part["total"], &part["message"], &part["parents"]), (&json!(100), &Value::Null, &json!([])));
    assert_eq!(json_of(&narrow, "history/").await["commits"][0]["files"], json!(100));
    narrow.get_json(&format!("/p/attic/v2.0/commit/{}", made.id("begin"))).await.is(404);
}

async fn what_is_too_large_to_be_compared_is_said_to_be(backend: Backend) {
    const LARGE: usize = (64 << 20) + 1;
    let (portal, made, _home) = portal_with(backend, |path| {
        let mut a = Attic::at(path);
        a.put("grown", "small\n");
        a.commit("small", &[]);
        a.tag("v1.0", "small");
        a.put("grown", [b"x".repeat(LARGE - 1), b"\n".to_vec()].concat());
        a.commit("large", &["small"]);
        a.put("other", "something else\n");
        a.commit("other", &["large"]);
        a.tag("v2.0", "other");
        a
    })
    .await;
    let reader = whole(&portal).await;
    let history = json_of(&reader, "history/grown").await;
    assert_eq!(names(&made, &history), ["large", "small"]);
    assert_eq!((&history["commits"][0]["added"], &history["commits"][1]["added"]), (&Value::Null, &json!(1)));
    let page = reader.get("/p/attic/v2.0/blame/grown").await.is(200).text();
    assert!(page.contains("larger than 64 MiB") && !page.contains("The file is empty"), "{page}");
    assert_eq!(json_of(&reader, "blame/grown").await["lines"], json!([]));
    assert_eq!(origins(&made, &json_of(&reader, &format!("blame/grown?before={}", made.id("large"))).await), [("small", 1)]);
    let commit = json_of(&reader, &format!("commit/{}", made.id("large"))).await;
    assert_eq!((diff(&commit["files"][0]), &commit["files"][0]["path"]), (vec![], &json!("grown")));
    reader.get(&format!("/p/attic/v2.0/commit/{}", made.id("large"))).await.is(200);
    assert_eq!(json_of(&reader, "history/grown?lines=1").await["commits"], json!([]));
    let page = reader.get("/p/attic/v2.0/history/grown?lines=1").await.is(200).text();
    assert!(page.contains("larger than 64 MiB") && !page.contains("The file is empty"), "{page}");
    // Compared, it is told by its size.
    let found = reader.get_json("/p/attic/compare/v1.0/v2.0").await.is(200).json();
    assert_eq!((&found["files"][0]["path"], &found["files"][0]["lines_added"]), (&json!("grown"), &Value::Null));
    let file = reader.get_json("/p/attic/compare/v1.0/v2.0/grown").await.is(200).json();
    assert_eq!((&file["new"]["size"], &file["rows"]), (&json!(LARGE), &Value::Null));
    let page = reader.get("/p/attic/compare/v1.0/v2.0/grown").await.is(200).text();
    assert!(page.contains("more than is compared line by line"), "{page}");
}

async fn many_files_that_moved_are_followed_one_by_one(backend: Backend) {
    let body = |n: usize| text(&[(1, &format!("this is file {n}")), (2, &format!("it says {}", n * 7))]);
    let (portal, made, _home) = portal_with(backend, |path| {
        let mut a = Attic::at(path);
        a.put_all((0..200).map(|n| (format!("old/f{n:03}.c"), body(n))));
        a.commit("begin", &[]);
        a.remove_all();
        a.put_all((0..200).map(|n| (format!("new/g{n:03}.c"), body(n) + if n % 2 == 0 { "" } else { "and a line more\n" })));
        a.commit("moved", &["begin"]);
        a.tag("v2.0", "moved");
        a
    })
    .await;
    let reader = whole(&portal).await;
    for (n, lines) in [(0, 20), (7, 21), (199, 21)] {
        let history = json_of(&reader, &format!("history/new/g{n:03}.c")).await;
        assert_eq!(names(&made, &history), ["moved", "begin"], "{n}");
        assert_eq!(history["commits"][0]["renamed_from"], json!(format!("old/f{n:03}.c")));
        let blame = json_of(&reader, &format!("blame/new/g{n:03}.c")).await;
        let by_whom: Vec<&str> = origins(&made, &blame).into_iter().map(|(name, _)| name).collect();
        assert_eq!((by_whom.len(), by_whom.iter().filter(|name| **name == "begin").count()), (lines, 20), "{n}");
    }
    // With so many on both sides only the same bytes make one file of two on the commit's page.
    let commit = json_of(&reader, &format!("commit/{}", made.id("moved"))).await;
    let files = commit["files"].as_array().unwrap();
    assert_eq!((&commit["total"], &files[0]["path"], &files[0]["renamed_from"]), (&json!(300), &json!("new/g000.c"), &json!("old/f000.c")));
    assert_eq!((&files[1]["path"], &files[1]["change"], &files[1]["renamed_from"]), (&json!("new/g001.c"), &json!("added"), &Value::Null));
}

async fn names_that_would_fill_an_entry_come_in_parts(backend: Backend) {
    // Bytes that are no text stand in an entry escaped, and once more as they are.
    let name = |n: u8| [vec![0xFE; 200], b"/".to_vec(), vec![0xFD; 200], vec![b'a' + n]].concat();
    let address = |n: u8| RepoPath::parse(&name(n)).unwrap().address();
    let (portal, made, _home) = portal_with(backend, |path| {
        let mut a = Attic::at(path);
        a.put(name(0), text(&[]));
        a.commit("begin", &[]);
        a.tag("v1.0", "begin");
        let mut before = "begin";
        for n in 1..20 {
            let commit: &'static str = Box::leak(format!("move {n}").into_boxed_str());
            a.remove(name(n - 1)).put(name(n), text(&[(1, &format!("moved {n} times"))]));
            a.commit(commit, &[before]);
            before = commit;
        }
        for n in 0..40 {
            a.put([b"x/".to_vec(), vec![0xFC; 240], vec![b'A' + n]].concat(), "int x;\n");
        }
        a.commit("many", &[before]);
        a.tag("v2.0", "many");
        a
    })
    .await;
    let reader = whole(&portal).await;
    let history = json_of(&reader, &format!("history/{}", address(19))).await;
    assert_eq!(names(&made, &history), ["move 19", "move 18", "move 17", "move 16", "move 15"]);
    let told: Vec<&str> = history["commits"].as_array().unwrap().iter().map(|row| row["change"].as_str().unwrap()).collect();
    assert_eq!(told, ["changed", "changed", "changed", "changed", "added"], "it is followed as far as an entry can say");
    let blame = json_of(&reader, &format!("blame/{}", address(19))).await;
    let by_whom: Vec<&str> = origins(&made, &blame).into_iter().map(|(name, _)| name).collect();
    assert_eq!((by_whom.len(), by_whom[0], by_whom[1], by_whom[19]), (20, "move 19", "move 15", "move 15"));
    let (mut next, mut found, mut parts) = (Some(format!("/p/attic/v2.0/history/{}?lines=1", address(19))), Vec::new(), 0);
    while let Some(part) = next {
        let history = reader.get_json(&part).await.is(200).json();
        found.extend(names(&made, &history));
        next = history["next"].as_str().map(str::to_owned);
        parts += 1;
    }
    assert_eq!((found, parts), (vec!["move 19", "move 18", "move 17", "move 16", "move 15"], 2));
    let (mut next, mut files, mut parts) = (Some(format!("/p/attic/v2.0/commit/{}", made.id("many"))), 0, 0);
    while let Some(part) = next {
        let commit = reader.get_json(&part).await.is(200).json();
        files += commit["files"].as_array().unwrap().len();
        next = commit["next"].as_str().map(str::to_owned);
        parts += 1;
    }
    assert_eq!((files, parts > 3), (40, true), "{parts}");
    let compared = reader.get_json("/p/attic/compare/v1.0/v2.0").await.is(200).json();
    assert_eq!((&compared["totals"]["added"], &compared["totals"]["renamed"]), (&json!(40), &json!(1)));
    for page in [format!("history/{}", address(19)), format!("blame/{}", address(19)), format!("commit/{}", made.id("many"))] {
        reader.get(&format!("/p/attic/v2.0/{page}")).await.is(200);
    }
}
