//! Search over HTTP: what programs get, and that it finds what a plain scan of the same files finds.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use regex::Regex;
use serde_json::Value;

use crate::harness::client::encoded;
use crate::harness::library::{MAIN, Piece};
use crate::harness::witness_places;
use crate::harness::{Backend, Portal, on_both};

on_both! {
    the_answer_for_programs
    generated_queries_find_what_a_scan_finds
    pages_follow_each_other
    mistakes_are_pointed_at
    every_place_shown_is_in_the_entry
}

async fn the_answer_for_programs(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let found = reader.get_json("/search?q=socket_open()%20%2B%20strcpy").await.is(200).json();
    assert_eq!(found["query"], "socket_open() + strcpy");
    assert_eq!(
        (&found["total"], &found["total_files"], &found["complete"], &found["next"]),
        (&1.into(), &1.into(), &true.into(), &Value::Null)
    );
    let file = &found["files"][0];
    assert_eq!((&file["product"], &file["path"], &file["versions"]), (&"gateway".into(), &MAIN.into(), &serde_json::json!(["v2.0"])));
    assert_eq!(file["lines"].as_array().unwrap().len(), 1);
    let line = &file["lines"][0];
    assert_eq!(line["number"], 5);
    assert_eq!(line["text"], "    return socket_open() + strcpy(a, b);");
    for range in line["ranges"].as_array().unwrap() {
        let (start, end) = (usize::try_from(range[0].as_u64().unwrap()).unwrap(), usize::try_from(range[1].as_u64().unwrap()).unwrap());
        assert!(["socket_open()", "+", "strcpy"].contains(&&line["text"].as_str().unwrap()[start..end]));
    }
    let entry = portal.rooms.log.entry(found["receipt"]["index"].as_u64().unwrap()).await.unwrap().unwrap();
    assert_eq!(entry.personal.as_ref().unwrap().query.as_deref(), Some("socket_open() + strcpy"));
    assert!(!String::from_utf8_lossy(&entry.bytes).contains("socket_open()"), "the words are beside the log, not in it");
    // By default the newest version of each product; all on request.
    let all = reader.get_json("/search?q=socket_open()%20%2B%20strcpy%20version:*").await.is(200).json();
    assert_eq!(all["total_files"], 3);
    let page = reader.get("/search?q=strcpy").await.is(200).text();
    assert!(page.contains("<mark>strcpy</mark>"), "{page}");
    assert!(reader.get("/search").await.is(200).text().contains("name=\"q\""));
    reader.get_json("/search").await.is(400);
}

/// A scan of the newest version of every product: per path, how many lines a term is in.
fn scan(pieces: &[&Piece], expressions: &[Regex], not: Option<&Regex>) -> BTreeMap<(String, String), u64> {
    let mut found = BTreeMap::new();
    for piece in pieces {
        let Some(text) = &piece.text else { continue };
        if !expressions.iter().all(|expression| expression.is_match(text)) || not.is_some_and(|not| not.is_match(text)) {
            continue;
        }
        let lines = text.lines().filter(|line| expressions.iter().any(|expression| expression.is_match(line))).count();
        found.insert((piece.product.to_owned(), piece.path_text()), lines as u64);
    }
    found
}

async fn generated_queries_find_what_a_scan_finds(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let pieces: Vec<&Piece> = portal.library.pieces.iter().filter(|piece| piece.version == "v2.0").collect();
    let words: &'static [&str] = &[
        "strcpy",
        "CANARY-",
        "return",
        "int",
        "naïve",
        "Grüße",
        "мир",
        "日本語",
        "value(void)",
        "line_11",
        "seed",
        "goto fail;",
        "Of",
        "a",
        "}",
        "#",
        "nowhere_at_all",
    ];
    let expressions: &'static [&str] =
        &[r"str\w+\(", r"line_1\d{3} ", r"(return|goto) ", r"[Nn]a.ve", r"^/\* CANARY-[0-9a-f]+", r"=\s*\d+;$", r"\bint\b", r"x{3}"];
    let term = prop_oneof![select(words).prop_map(|word| (word, false)), select(expressions).prop_map(|text| (text, true))];
    let strategy =
        (prop::collection::vec(term.clone(), 1..3), prop::option::weighted(0.3, term), select(&["", " case:yes", " case:no"][..]));
    let mut runner = TestRunner::deterministic();
    for _ in 0..60 {
        let (terms, not, case) = strategy.new_tree(&mut runner).unwrap().current();
        let compile = |&(text, is_expression): &(&str, bool)| {
            let pattern = if is_expression { text.to_owned() } else { regex::escape(text) };
            let folds = match case {
                " case:no" => true,
                " case:yes" => false,
                _ => !text.chars().any(char::is_uppercase),
            };
            regex::RegexBuilder::new(&pattern).case_insensitive(folds).multi_line(true).build().unwrap()
        };
        let write = |&(text, is_expression): &(&str, bool)| {
            if is_expression { format!("/{}/", text.replace('/', "\\/")) } else { format!("\"{text}\"") }
        };
        let mut query: String = terms.iter().map(write).collect::<Vec<_>>().join(" ");
        if let Some(not) = &not {
            query.push_str(&format!(" -{}", write(not)));
        }
        query.push_str(case);
        let compiled: Vec<Regex> = terms.iter().map(compile).collect();
        let expected = scan(&pieces, &compiled, not.as_ref().map(compile).as_ref());
        let mut found = BTreeMap::new();
        let mut next = Some(format!("/search?q={}", encoded(&query)));
        let mut total = reader.get_json(next.as_ref().unwrap()).await.is(200).json()["total"].as_u64().unwrap();
        while let Some(address) = next {
            let answer = reader.get_json(&address).await.is(200).json();
            assert_eq!(answer["complete"], true, "{query}");
            // What is found in binary files is held against a scan elsewhere.
            let (binary, texts): (Vec<&Value>, Vec<&Value>) =
                answer["files"].as_array().unwrap().iter().partition(|file| file["binary"] == true);
            total -= binary.iter().map(|file| file["total"].as_u64().unwrap()).sum::<u64>();
            for file in texts {
                let key = (file["product"].as_str().unwrap().to_owned(), file["path"].as_str().unwrap().to_owned());
                assert!(found.insert(key, file["total"].as_u64().unwrap()).is_none(), "{query}: a file twice");
            }
            next = answer["next"].as_str().map(str::to_owned);
        }
        assert_eq!(found, expected, "{query}");
        assert_eq!(total, expected.values().sum::<u64>(), "{query}");
    }
}

async fn pages_follow_each_other(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let first = reader.get_json("/search?q=CANARY%20version:*").await.is(200).json();
    let total = first["total_files"].as_u64().unwrap();
    assert!(total > 40);
    let mut seen = 0;
    let mut next = Some("/search?q=CANARY%20version:*".to_owned());
    while let Some(address) = next {
        let page = reader.get_json(&address).await.is(200).json();
        assert_eq!(page["total_files"], total);
        seen += page["files"].as_array().unwrap().len() as u64;
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, total);
    let beyond = reader.get_json("/search?q=CANARY&page=99").await.is(200).json();
    assert_eq!(beyond["files"], Value::Array(Vec::new()));
    for odd in ["0", "x", "-1", "100001"] {
        reader.get_json(&format!("/search?q=CANARY&page={odd}")).await.is(400);
    }
}

async fn mistakes_are_pointed_at(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.reviewer(&[]).await;
    let reader = portal.sign_in(&person).await;
    for (query, at) in [("abc (def", Some("(")), ("/a(b/", None), ("\"open", None), ("case:maybe", Some("maybe")), ("a OR", None)] {
        let error = reader.get_json(&format!("/search?q={}", encoded(query))).await.is(400).json()["error"].clone();
        assert_eq!(error["code"], "bad_query", "{query}");
        let (start, end) =
            (usize::try_from(error["start"].as_u64().unwrap()).unwrap(), usize::try_from(error["end"].as_u64().unwrap()).unwrap());
        assert!(start <= end && end <= query.len() && query.is_char_boundary(start) && query.is_char_boundary(end), "{query}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        if let Some(at) = at {
            assert!(query[start..end].contains(at) || query[start..].starts_with(at), "{query}: {error}");
        }
        assert!(reader.get(&format!("/search?q={}", encoded(query))).await.is(400).text().contains("name=\"q\""));
    }
    let long = "x".repeat(20_000);
    let answer = reader.get_json(&format!("/search?q={long}")).await;
    assert!([400, 414, 431].contains(&answer.status.as_u16()), "{}", answer.status);
    for odd in ["/search?q=%ff", "/search?q=a%00b", "/search?q=%F0%9F%98%80"] {
        assert!(reader.get_json(odd).await.status.as_u16() < 500, "{odd}");
    }
}

async fn every_place_shown_is_in_the_entry(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let found = reader.get_json("/search?q=strcpy%20version:*").await.is(200).json();
    let entry = portal.rooms.log.entry(found["receipt"]["index"].as_u64().unwrap()).await.unwrap().unwrap();
    assert!(found["facets"]["languages"].as_array().unwrap().len() > 1);
    let mut recorded: Vec<(String, Option<String>, Vec<u64>)> =
        witness_places(&entry).into_iter().map(|shown| (shown.path.text, shown.blob, shown.lines)).collect();
    let mut shown: Vec<(String, Option<String>, Vec<u64>)> = found["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            let lines = file["lines"].as_array().unwrap().iter().map(|line| line["number"].as_u64().unwrap()).collect();
            (file["path"].as_str().unwrap().to_owned(), file["blob"].as_str().map(str::to_owned), lines)
        })
        .collect();
    recorded.sort();
    shown.sort();
    assert_eq!(
        recorded.iter().map(|one| (&one.0, &one.1)).collect::<Vec<_>>(),
        shown.iter().map(|one| (&one.0, &one.1)).collect::<Vec<_>>()
    );
    for (recorded, shown) in recorded.iter().zip(&shown) {
        assert!(shown.2.iter().all(|line| recorded.2.contains(line)), "{recorded:?} {shown:?}");
    }
}
