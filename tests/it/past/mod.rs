//! Histories, blame and commits over HTTP: known from how their repository was made, cut to what may be read, and recorded.

mod attic;
mod oddities;
mod scopes;

use std::path::Path;
use std::sync::Arc;

use attic::{Attic, attic};
use lectern::audit::{Draft, Entry, Filter, Kind, Outcome};
use lectern::catalog::NewProduct;
use serde_json::{Value, json};

use crate::harness::{Backend, Client, Grant, Portal, on_both, witness_places};

on_both! {
    a_file_is_followed_through_renames_and_merges
    a_directory_has_the_commits_of_what_may_be_read_below
    pages_of_a_history_follow_each_other
    each_line_has_the_commit_that_wrote_it
    a_file_can_be_looked_at_as_it_stood_before
    large_files_are_blamed_in_pieces
    what_has_no_lines_is_said_to_have_none
    a_commit_shows_what_it_changed
    a_long_commit_comes_in_parts
    lines_are_followed_back
    what_is_asked_again_is_told_and_recorded_again
    what_was_shown_is_in_the_entry
    without_the_table_the_answer_is_the_same
    odd_addresses_are_answered_in_words
}

/// A portal with the attic as a product.
async fn portal(backend: Backend) -> (Portal, Attic, tempfile::TempDir) {
    portal_with(backend, attic).await
}

/// A portal with a repository furnished so as a product; its versions are the tags that begin with a v.
async fn portal_with(backend: Backend, furnish: impl FnOnce(&Path) -> Attic) -> (Portal, Attic, tempfile::TempDir) {
    let portal = Portal::bare(backend).await;
    let home = tempfile::tempdir().unwrap();
    let made = furnish(&home.path().join("attic.git"));
    let new = NewProduct {
        name: "attic".to_owned(),
        title: "The attic".to_owned(),
        source: home.path().join("attic.git").display().to_string(),
        tags: vec!["v*".to_owned()],
        branches: Vec::new(),
    };
    let product = portal.rooms.catalog.add(new, Draft::new(Kind::ProductCreated, Outcome::Done), &portal.context()).await.unwrap();
    let quiet: lectern::jobs::Watch = Arc::new(|_| {});
    // No search is asked for here.
    portal.rooms.jobs.synchronise(&product, &quiet).await.unwrap();
    portal.rooms.jobs.keep_past(&product).await.unwrap();
    (portal, made, home)
}

async fn whole(portal: &Portal) -> Client {
    let person = portal.reviewer(&[Grant::of("attic")]).await;
    portal.sign_in(&person).await
}

async fn within(portal: &Portal, includes: &[&'static str], excludes: &[&'static str]) -> Client {
    let person = portal.reviewer(&[Grant::of("attic").paths(includes, excludes)]).await;
    portal.sign_in(&person).await
}

async fn json_of(client: &Client, place: &str) -> Value {
    client.get_json(&format!("/p/attic/v2.0/{place}")).await.is(200).json()
}

/// The names of the commits of a history, in its order.
fn names(attic: &Attic, history: &Value) -> Vec<&'static str> {
    history["commits"].as_array().unwrap().iter().map(|row| attic.name_of(&row["commit"])).collect()
}

/// The commit that wrote each line, by name, and the line's number there.
fn origins(attic: &Attic, blame: &Value) -> Vec<(&'static str, u64)> {
    let lines = blame["lines"].as_array().unwrap().iter();
    lines.map(|line| (attic.name_of(&line["commit"]), line["line"].as_u64().unwrap())).collect()
}

async fn newest_entry(portal: &Portal, kind: Kind) -> Entry {
    portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await.pop().unwrap()
}

async fn a_file_is_followed_through_renames_and_merges(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let history = json_of(&reader, "history/src/b.c").await;
    assert_eq!(names(&attic, &history), ["evil", "ten", "rename", "merge", "fifteen", "five", "begin"]);
    let rows = history["commits"].as_array().unwrap();
    let told: Vec<(&str, &str)> = rows.iter().map(|row| (row["change"].as_str().unwrap(), row["path"].as_str().unwrap())).collect();
    let b = "src/b.c";
    let a = "src/a.c";
    assert_eq!(told, [("merged", b), ("changed", b), ("changed", b), ("merged", a), ("changed", a), ("changed", a), ("added", a)]);
    assert_eq!((&rows[2]["renamed_from"], &rows[2]["added"], &rows[2]["removed"]), (&json!(a), &json!(1), &json!(1)));
    assert_eq!((&rows[6]["added"], &rows[6]["removed"]), (&json!(20), &json!(0)));
    assert_eq!((&rows[0]["subject"], &rows[0]["author"], &rows[0]["added"]), (&json!("evil"), &json!("A U Thor"), &Value::Null));
    // What the merge left stands in the version of then, what came before in none.
    assert_eq!((&rows[3]["same_as_version"], &rows[5]["same_as_version"]), (&json!("v1.0"), &Value::Null));
    assert_eq!(names(&attic, &json_of(&reader, "history/gone.txt").await), ["again", "away", "begin"]);
    assert_eq!(names(&attic, &json_of(&reader, "history/run.sh").await), ["mode", "begin"]);
    assert_eq!(json_of(&reader, "history/run.sh").await["commits"][0]["change"], "mode changed");
    assert_eq!(names(&attic, &json_of(&reader, "history/src/came_out.txt").await), ["out", "begin"]);
    // A file that is gone has a history still.
    assert_eq!(names(&attic, &json_of(&reader, "history/README").await), ["last", "readme", "begin"]);
    let page = reader.get("/p/attic/v2.0/history/README").await.is(200).text();
    assert!(page.contains("does not stand in this version any more") && page.contains("removed"), "{page}");
    let page = reader.get("/p/attic/v2.0/history/src/b.c").await.is(200).text();
    assert!(page.contains("renamed from") && page.contains("src/a.c") && page.contains("As in v1.0"), "{page}");
    for commit in ["evil", "rename", "begin"] {
        assert!(page.contains(&format!("/p/attic/v2.0/commit/{}", attic.id(commit))), "{commit}");
    }
    // The older version knows only what it reaches.
    let old = reader.get_json("/p/attic/v1.0/history/src/a.c").await.is(200).json();
    assert_eq!(names(&attic, &old), ["merge", "fifteen", "five", "begin"]);
    reader.get_json("/p/attic/v1.0/history/src/b.c").await.is(404);
    assert!(!history.to_string().contains("author@vendor.example"));
}

async fn a_directory_has_the_commits_of_what_may_be_read_below(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let history = json_of(&reader, "history/src").await;
    // The first merge put together what both sides did, to one file; the rename is one commit.
    assert_eq!(names(&attic, &history), ["evil", "ten", "out", "rename", "merge", "fifteen", "five", "begin"]);
    assert_eq!((&history["directory"], &history["commits"][3]["files"]), (&json!(true), &json!(2)));
    let all = ["last", "evil", "readme", "ten", "again", "away", "mode", "out", "rename", "merge", "fifteen", "five", "begin"];
    for root in ["history", "history/"] {
        assert_eq!(names(&attic, &json_of(&reader, root).await), all);
    }
    // Cut to what may be read: merges and commits of other files are not there.
    let narrow = within(&portal, &["secret"], &[]).await;
    for place in ["history/", "history/secret"] {
        assert_eq!(names(&attic, &json_of(&narrow, place).await), ["out", "begin"], "{place}");
    }
    assert_eq!(json_of(&narrow, "history/").await["commits"][0]["files"], 2);
    assert_eq!(json_of(&narrow, "history/").await["commits"][1]["files"], 2);
}

async fn pages_of_a_history_follow_each_other(backend: Backend) {
    let mut names_of = Vec::new();
    let (portal, attic, _home) = portal_with(backend, |path| {
        let mut attic = Attic::at(path);
        for n in 0..120 {
            let name: &'static str = Box::leak(format!("change {n}").into_boxed_str());
            attic.put("f", format!("{n}\n"));
            let parent: Vec<&str> = names_of.last().copied().into_iter().collect();
            attic.commit(name, &parent);
            names_of.push(name);
        }
        attic.tag("v2.0", "change 119");
        attic
    })
    .await;
    let reader = whole(&portal).await;
    names_of.reverse();
    for place in ["f", ""] {
        let mut next = Some(format!("/p/attic/v2.0/history/{place}"));
        let (mut seen, mut pages) = (Vec::new(), 0);
        while let Some(address) = next {
            let page = reader.get_json(&address).await.is(200).json();
            reader.get(&address).await.is(200);
            seen.extend(names(&attic, &page));
            next = page["next"].as_str().map(str::to_owned);
            pages += 1;
        }
        assert_eq!((seen, pages), (names_of.clone(), 3));
    }
    reader.get_json(&format!("/p/attic/v2.0/history/f?after={}", "0".repeat(40))).await.is(404);
}

async fn each_line_has_the_commit_that_wrote_it(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let blame = json_of(&reader, "blame/src/b.c").await;
    let expected = |n: u64| match n {
        1 => "rename",
        5 => "five",
        10 => "ten",
        15 => "fifteen",
        20 => "evil",
        _ => "begin",
    };
    assert_eq!(origins(&attic, &blame), (1..=20).map(|n| (expected(n), n)).collect::<Vec<_>>());
    let commit =
        |name: &str| blame["commits"].as_array().unwrap().iter().find(|one| attic.name_of(&one["commit"]) == name).unwrap().clone();
    assert_eq!((&commit("rename")["path"], &commit("rename")["path_before"]), (&json!("src/b.c"), &json!("src/a.c")));
    assert_eq!((&commit("begin")["path"], &commit("begin")["path_before"]), (&json!("src/a.c"), &Value::Null));
    // Asked again it is the same.
    assert_eq!(json_of(&reader, "blame/src/b.c").await["lines"], blame["lines"]);
    assert_eq!(origins(&attic, &json_of(&reader, "blame/dos.txt").await), [("begin", 1), ("again", 2), ("begin", 3)]);
    assert_eq!(origins(&attic, &json_of(&reader, "blame/endless.txt").await), [("begin", 1), ("again", 2)]);
    assert_eq!(origins(&attic, &json_of(&reader, "blame/gone.txt").await), [("again", 1)]);
    assert_eq!(origins(&attic, &json_of(&reader, "blame/run.sh").await), [("begin", 1)]);
    let page = reader.get("/p/attic/v2.0/blame/src/b.c").await.is(200).text();
    assert!(page.contains("put in by the") && page.contains("6 commits"), "{page}");
    assert!(page.contains(&format!("/p/attic/v2.0/blame/src/a.c?before={}", attic.id("rename"))), "{page}");
    assert!(page.contains(&format!("/p/attic/v2.0/blame/src/a.c?before={}", attic.id("five"))), "{page}");
    assert!(!page.contains(&format!("before={}", attic.id("begin"))), "{page}");
}

async fn a_file_can_be_looked_at_as_it_stood_before(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let before = json_of(&reader, &format!("blame/src/a.c?before={}", attic.id("rename"))).await;
    let expected = |n: u64| match n {
        5 => "five",
        15 => "fifteen",
        _ => "begin",
    };
    assert_eq!(origins(&attic, &before), (1..=20).map(|n| (expected(n), n)).collect::<Vec<_>>());
    let at = json_of(&reader, &format!("blame/src/a.c?at={}", attic.id("five"))).await;
    assert_eq!(origins(&attic, &at), (1..=20).map(|n| (if n == 5 { "five" } else { "begin" }, n)).collect::<Vec<_>>());
    let page = reader.get(&format!("/p/attic/v2.0/blame/src/a.c?before={}", attic.id("five"))).await.is(200).text();
    // The version has no page of this file, so there is none to go to.
    assert!(!page.contains("/p/attic/v2.0/file/src/a.c"), "{page}");
    assert!(page.contains(">20</a>") && page.contains("not as it stands in v2.0"), "{page}");
    for nothing in [
        format!("blame/src/b.c?before={}", attic.id("rename")),
        format!("blame/src/a.c?before={}", attic.id("begin")),
        format!("blame/src/a.c?at={}", attic.id("last")),
        format!("blame/src/a.c?at={}", "0".repeat(40)),
        "blame/src/a.c".to_owned(),
        "blame/src".to_owned(),
    ] {
        reader.get_json(&format!("/p/attic/v2.0/{nothing}")).await.is(404);
    }
    // What another version reaches is not in the history of this one.
    reader.get_json(&format!("/p/attic/v1.0/blame/src/b.c?at={}", attic.id("rename"))).await.is(404);
}

async fn large_files_are_blamed_in_pieces(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let address = "/p/gateway/v2.0/blame/big/twelve_thousand_lines.c";
    let (mut next, mut lines) = (Some(address.to_owned()), 0_u64);
    while let Some(piece) = next {
        let blame = reader.get_json(&piece).await.is(200).json();
        assert_eq!(blame["lines"][0]["number"], lines + 1);
        lines += blame["lines"].as_array().unwrap().len() as u64;
        assert_eq!(newest_entry(&portal, Kind::BlameViewed).await.place.unwrap().lines, Some((lines - 999, lines)));
        next = blame["next"].as_str().map(str::to_owned);
    }
    assert_eq!(lines, 12_000);
    let page = reader.get(&format!("{address}?from=11999")).await.is(200).text();
    assert!(page.contains("id=\"L11001\"") && page.contains("id=\"L12000\"") && !page.contains("id=\"L11000\""));
}

async fn what_has_no_lines_is_said_to_have_none(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let page = reader.get("/p/attic/v2.0/blame/data.bin").await.is(200).text();
    assert!(page.contains("no lines of text"), "{page}");
    assert_eq!(json_of(&reader, "blame/data.bin").await["lines"], json!([]));
    assert_eq!(names(&attic, &json_of(&reader, "history/data.bin").await), ["mode", "begin"]);
    let commit = json_of(&reader, &format!("commit/{}", attic.id("mode"))).await;
    assert_eq!((&commit["files"][0]["path"], &commit["files"][0]["binary"]), (&json!("data.bin"), &json!(true)));
    assert_eq!((&commit["files"][1]["path"], &commit["files"][1]["change"]), (&json!("run.sh"), &json!("mode changed")));
}

/// `+12 text`, `-3 text`, ` 4 text`.
fn diff(file: &Value) -> Vec<String> {
    let lines = file["lines"].as_array().unwrap().iter();
    lines
        .map(|line| {
            let sign = line["sign"].as_str().unwrap();
            let number = if sign == "removed" { &line["old"] } else { &line["new"] };
            let sign = [("added", '+'), ("removed", '-'), ("same", ' ')].iter().find(|(word, _)| *word == sign).unwrap().1;
            format!("{sign}{number} {}", line["text"].as_str().unwrap())
        })
        .collect()
}

async fn a_commit_shows_what_it_changed(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let commit = json_of(&reader, &format!("commit/{}", attic.id("rename"))).await;
    assert_eq!((&commit["subject"], &commit["message"]), (&json!("rename"), &json!("rename\n\nThe body of rename.\n")));
    assert_eq!(commit["parents"], json!([attic.id("merge").to_string()]));
    let files = commit["files"].as_array().unwrap();
    assert_eq!((files.len(), &files[0]["path"], &files[0]["renamed_from"]), (1, &json!("src/b.c"), &json!("src/a.c")));
    let expected =
        ["-1 line 1 as it was first", "+1 one", " 2 line 2 as it was first", " 3 line 3 as it was first", " 4 line 4 as it was first"];
    assert_eq!(diff(&files[0]), expected);
    // A clean merge changed nothing itself, an evil one what is on neither side.
    let clean = json_of(&reader, &format!("commit/{}", attic.id("merge"))).await;
    assert_eq!((clean["parents"].as_array().unwrap().len(), diff(&clean["files"][0])), (2, Vec::new()));
    let evil = json_of(&reader, &format!("commit/{}", attic.id("evil"))).await;
    assert_eq!(diff(&evil["files"][0]), ["-20 line 20 as it was first", "+20 put in by the merge"]);
    let page = reader.get(&format!("/p/attic/v2.0/commit/{}", attic.id("again"))).await.is(200).text();
    for part in ["The body of again.", "dos.txt", "endless.txt", "gone.txt", "no newline at the end", "added"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    reader.get(&format!("/p/attic/v2.0/commit/{}", attic.id("evil"))).await.is(200);
}

async fn a_long_commit_comes_in_parts(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let first = portal.library.commit("gateway", "v1.0").to_owned();
    let mut next = Some(format!("/p/gateway/v2.0/commit/{first}"));
    let (mut big, mut files, mut parts) = (Vec::new(), std::collections::BTreeSet::new(), 0);
    while let Some(address) = next {
        let part = reader.get_json(&address).await.is(200).json();
        reader.get(&address).await.is(200);
        for file in part["files"].as_array().unwrap() {
            files.insert(file["path"].as_str().unwrap().to_owned());
            if file["path"] == "big/twelve_thousand_lines.c" {
                big.extend(file["lines"].as_array().unwrap().iter().map(|line| line["new"].as_u64().unwrap()));
            }
        }
        assert!(part["files"].as_array().unwrap().iter().map(|file| file["lines"].as_array().unwrap().len()).sum::<usize>() <= 2_000);
        next = part["next"].as_str().map(str::to_owned);
        parts += 1;
    }
    assert_eq!(big, (1..=12_000).collect::<Vec<u64>>());
    assert_eq!(files.len(), portal.library.of("gateway", "v1.0").count());
    assert!(parts >= 6, "{parts}");
    reader.get_json(&format!("/p/gateway/v2.0/commit/{first}?from=9999")).await.is(404);
}

async fn lines_are_followed_back(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let lines = |range: &str| format!("history/src/b.c?lines={range}");
    let five = json_of(&reader, &lines("5-5")).await;
    assert_eq!(names(&attic, &five), ["five", "begin"]);
    assert_eq!(diff(&five["commits"][0])[3..5], ["-5 line 5 as it was first", "+5 five"]);
    assert_eq!(diff(&five["commits"][1]), ["+5 line 5 as it was first"]);
    assert_eq!(five["commits"][1]["path"], "src/a.c");
    assert_eq!(names(&attic, &json_of(&reader, &lines("1")).await), ["rename", "begin"]);
    assert_eq!(names(&attic, &json_of(&reader, &lines("L9-L11")).await), ["ten", "begin"]);
    assert_eq!(names(&attic, &json_of(&reader, &lines("16-20")).await), ["evil", "begin"]);
    assert_eq!(names(&attic, &json_of(&reader, &lines("2-4")).await), ["begin"]);
    // Beyond the end is the end.
    assert_eq!(json_of(&reader, &lines("20-99")).await["lines"], json!([20, 20]));
    let page = reader.get(&format!("/p/attic/v2.0/{}", lines("5-5"))).await.is(200).text();
    assert!(page.contains("line 5 as it was first") && !page.contains("line 15 as it was first"), "{page}");
    let entry = newest_entry(&portal, Kind::HistoryViewed).await;
    assert_eq!(entry.place.as_ref().unwrap().lines, Some((5, 5)));
    let shown = witness_places(&entry);
    assert_eq!((shown[0].path.text.as_str(), &shown[0].removed, shown[0].lines.contains(&5)), ("src/a.c", &vec![5], true));
    assert_eq!(shown[1].lines, [5]);
    reader.get("/p/attic/v2.0/history/src?lines=1-2").await.is(404);
    // What has no lines is said to have none, and recorded as looked at.
    let none = json_of(&reader, "history/data.bin?lines=1-2").await;
    assert_eq!((&none["lines"], &none["commits"], &none["next"]), (&Value::Null, &json!([]), &Value::Null));
    let page = reader.get("/p/attic/v2.0/history/data.bin?lines=1-2").await.is(200).text();
    assert!(page.contains("no lines of text"), "{page}");
    let entry = newest_entry(&portal, Kind::HistoryViewed).await;
    let place = entry.place.as_ref().unwrap();
    assert_eq!((place.path.as_ref().unwrap().text.as_str(), place.lines, place.blob.is_some()), ("data.bin", None, true));
}

async fn what_is_asked_again_is_told_and_recorded_again(backend: Backend) {
    let (portal, _attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let told = |mut answer: Value| {
        answer.as_object_mut().unwrap().remove("receipt").unwrap();
        answer
    };
    for place in ["history/", "history/src", "history/src/b.c?lines=1-9", "history/src/b.c?lines=5", "history/src/b.c?lines=9"] {
        let first = json_of(&reader, place).await;
        let before = portal.entries(Filter { kind: Some(Kind::HistoryViewed), ..Filter::default() }).await;
        let again = json_of(&reader, place).await;
        let after = portal.entries(Filter { kind: Some(Kind::HistoryViewed), ..Filter::default() }).await;
        assert_eq!(after.len(), before.len() + 1, "{place}");
        assert_eq!(witness_places(after.last().unwrap()), witness_places(before.last().unwrap()), "{place}");
        assert_eq!(after.last().unwrap().facts, before.last().unwrap().facts, "{place}");
        assert_eq!(told(first), told(again), "{place}");
    }
}

async fn what_was_shown_is_in_the_entry(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = within(&portal, &[""], &["secret"]).await;
    let ids = |entry: &Entry, fact: &str| -> Vec<&'static str> {
        entry.facts.get(fact).map(|ids| ids.as_array().unwrap().iter().map(|id| attic.name_of(id)).collect()).unwrap_or_default()
    };
    json_of(&reader, "history/src/b.c").await;
    let entry = newest_entry(&portal, Kind::HistoryViewed).await;
    let place = entry.place.as_ref().unwrap();
    assert_eq!((place.path.as_ref().unwrap().text.as_str(), place.version.as_deref()), ("src/b.c", Some("v2.0")));
    assert_eq!(ids(&entry, "commits"), ["ten", "rename", "fifteen", "five"]);
    assert_eq!(ids(&entry, "commits_without_words"), ["evil", "merge", "begin"]);
    assert_eq!(witness_places(&entry).iter().map(|shown| shown.path.text.clone()).collect::<Vec<_>>(), ["src/a.c"]);
    let blame = json_of(&reader, &format!("blame/src/a.c?before={}", attic.id("rename"))).await;
    let entry = newest_entry(&portal, Kind::BlameViewed).await;
    let place = entry.place.as_ref().unwrap();
    assert_eq!((place.blob.as_deref(), place.lines), (blame["blob"].as_str(), Some((1, 20))));
    assert_eq!(entry.facts["before"], attic.id("rename").to_string());
    assert_eq!((ids(&entry, "commits"), ids(&entry, "commits_without_words")), (vec!["five", "fifteen"], vec!["begin"]));
    json_of(&reader, &format!("commit/{}", attic.id("rename"))).await;
    let entry = newest_entry(&portal, Kind::DiffViewed).await;
    assert_eq!((&entry.facts["commit"], &entry.facts["message"]), (&json!(attic.id("rename").to_string()), &json!(true)));
    let shown: Vec<(String, Vec<u64>, Vec<u64>)> =
        witness_places(&entry).into_iter().map(|shown| (shown.path.text, shown.lines, shown.removed)).collect();
    assert_eq!(shown, [("src/b.c".to_owned(), vec![1, 2, 3, 4], vec![]), ("src/a.c".to_owned(), vec![], vec![1])]);
    // Each page has its receipt.
    let page = reader.get("/p/attic/v2.0/blame/src/b.c").await.is(200).text();
    let entry = newest_entry(&portal, Kind::BlameViewed).await;
    assert!(page.contains(&format!("/transparency/receipt/{}", entry.index)));
}

async fn without_the_table_the_answer_is_the_same(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let table = portal.rooms.config.pasts().join("attic");
    assert!(table.is_file());
    let with = json_of(&reader, "history/src/b.c").await;
    let by = |answer: &Value| (answer["commits"].clone(), answer["lines"].clone());
    let blame = json_of(&reader, "blame/src/b.c").await;
    for damage in [None, Some(&b"no table"[..])] {
        match damage {
            None => std::fs::remove_file(&table).unwrap(),
            Some(bytes) => std::fs::write(&table, bytes).unwrap(),
        }
        // Another process knows nothing of what this one has in memory.
        let mut fresh = portal.beside(|_| {}).await;
        let person = portal.reviewer(&[Grant::of("attic")]).await;
        fresh.sign_in(&person).await.is(303);
        assert_eq!(by(&json_of(&fresh, "history/src/b.c").await), by(&with));
        assert_eq!(by(&json_of(&fresh, "blame/src/b.c").await), by(&blame));
        // And where there is no time for it, says so, and shows nothing.
        let mut late = portal.beside(|config| config.reading.history_deadline = std::time::Duration::ZERO).await;
        late.sign_in(&person).await.is(303);
        let answer = late.get("/p/attic/v2.0/history/src/b.c").await.is(503);
        assert!(answer.text().contains("took longer than an answer may") && !answer.text().contains("rename"), "{}", answer.text());
        assert!(!answer.header("retry-after").is_empty());
        let answer = late.get_json(&format!("/p/attic/v2.0/commit/{}", attic.id("five"))).await.is(503);
        assert_eq!(answer.json()["error"]["code"], "not_ready");
    }
}

async fn odd_addresses_are_answered_in_words(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let reader = whole(&portal).await;
    let id = attic.id("five");
    for (odd, status) in [
        ("history/src/b.c?after=x".to_owned(), 400),
        ("history/src/b.c?lines=x".to_owned(), 400),
        ("history/src/b.c?lines=0".to_owned(), 400),
        ("history/src/b.c?lines=1-".to_owned(), 400),
        ("blame/src/b.c?before=x".to_owned(), 400),
        ("blame/src/b.c?from=x".to_owned(), 400),
        (format!("blame/src/a.c?before={id}&at={id}"), 400),
        (format!("commit/{id}?from=x"), 400),
        ("blame/src//b.c".to_owned(), 400),
        ("commit/x".to_owned(), 404),
        ("blame/never.c".to_owned(), 404),
        ("history/never".to_owned(), 404),
    ] {
        for answer in [reader.get(&format!("/p/attic/v2.0/{odd}")).await, reader.get_json(&format!("/p/attic/v2.0/{odd}")).await] {
            assert_eq!(answer.status.as_u16(), status, "{odd}");
            assert!(!answer.body.is_empty(), "{odd}: no words");
        }
    }
}
