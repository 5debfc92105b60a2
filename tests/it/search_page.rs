//! The page of results: what it covers, what narrows it, what it offers where nothing was found, and how it arrives.

use std::collections::BTreeSet;

use regex::Regex;

use crate::harness::client::encoded;
use crate::harness::library::MAIN;
use crate::harness::{Backend, Client, Grant, Portal, on_both, witness_places};
use lectern::audit::{Filter, Kind};

on_both! {
    the_first_line_says_what_was_covered
    every_count_beside_a_link_is_what_the_link_finds
    the_versions_of_a_path_are_told
    where_nothing_is_found_the_next_steps_are_links
    an_answer_in_parts_is_the_same_answer
    who_searched_too_much_waits
    facets_know_nothing_out_of_reach
}

/// The links of a page into search, with their words and the counts beside them.
fn narrowing(page: &str) -> Vec<(String, String, Option<u64>)> {
    let link = Regex::new(
        r#"<li><a href="(/search[^"]*)"[^>]*><span>([^<]*)</span>(?:<span class="unseen">[^<]*</span>)?(?:<b class="num">([0-9,]+)</b>)?</a></li>"#,
    );
    let plain = |text: &str| text.replace("&#38;", "&").replace("&#39;", "'").replace("&#34;", "\"");
    let count = |found: regex::Match<'_>| found.as_str().replace(',', "").parse().unwrap();
    link.unwrap().captures_iter(page).map(|found| (plain(&found[1]), plain(&found[2]), found.get(3).map(count))).collect()
}

fn cards(page: &str) -> BTreeSet<String> {
    let card = Regex::new(r#"<article class="hits" aria-label="([^"]*)""#).unwrap();
    card.captures_iter(page).map(|found| found[1].to_owned()).collect()
}

async fn total_files(reader: &Client, address: &str) -> u64 {
    reader.get_json(address).await.is(200).json()["total_files"].as_u64().unwrap()
}

async fn the_first_line_says_what_was_covered(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    let files = portal.library.of("gateway", "v2.0").filter(|piece| piece.mode != git2::FileMode::Commit).count();
    let links = portal.library.of("gateway", "v2.0").filter(|piece| piece.mode == git2::FileMode::Link).count();
    let page = reader.get("/search?q=socket_open()").await.is(200).text();
    assert!(page.contains(">1 matching line in 1 file</span>"), "{page}");
    let all = [files, files - links].map(|count| format!("Searched {count} of {count} files in v2.0."));
    assert!(all.iter().any(|words| page.contains(words)), "{all:?}: {page}");
    assert!(page.contains("Recorded as entry"));
    let page = reader.get("/search?q=socket_open()%20version:all").await.is(200).text();
    assert!(page.contains("across 3 versions"), "{page}");
    assert!(page.contains(" files in 3 versions."), "{page}");
    for tab in ["Files", "Names", "Changes", "Commits"] {
        assert!(page.contains(&format!(">{tab}</a>")), "{tab}");
    }
    let names = reader.get("/search?q=socket%20type:path").await.is(200).text();
    assert_eq!(cards(&names), ["src/net/socket_close.c", "src/net/socket_open.c"].map(str::to_owned).into());
}

async fn every_count_beside_a_link_is_what_the_link_finds(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let mut followed = 0;
    for query in ["CANARY", "CANARY version:all", "strcpy product:gateway version:all", "int lang:c product:gateway"] {
        let page = reader.get(&format!("/search?q={}", encoded(query))).await.is(200).text();
        let links = narrowing(&page);
        assert!(links.len() > 4, "{query}: {links:?}");
        for (href, label, count) in links {
            let Some(count) = count else { continue };
            let chosen = page.contains(&format!("<span>{label}</span><span class=\"unseen\">"));
            let found = total_files(&reader, &href).await;
            assert!(chosen || found == count, "{query}: {label} says {count}, and {href} finds {found}");
            followed += 1;
        }
    }
    assert!(followed > 20, "only {followed} links were followed");
}

async fn the_versions_of_a_path_are_told(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    let page = reader.get("/search?q=socket_open()%20version:all").await.is(200).text();
    assert!(page.contains(">v1.0 to v2.0, still there</span>"), "{page}");
    // The line is the same in all forms of the file; each form can be opened.
    assert!(page.contains("2 earlier forms of this file"), "{page}");
    assert_eq!(page.matches("The same line as above.").count(), 1);
    for version in ["v1.0", "v1.1"] {
        assert!(page.contains(&format!("href=\"/p/gateway/{version}/file/{MAIN}\"")), "{version}");
    }
    let canary = portal.library.piece("gateway", "v1.1", MAIN).canaries[0].clone();
    let page = reader.get(&format!("/search?q={canary}%20version:all")).await.is(200).text();
    assert!(page.contains(">appeared in v1.1, gone in v2.0</span>"), "{page}");
    let found = reader.get_json(&format!("/search?q={canary}%20version:all")).await.is(200).json();
    assert_eq!((&found["files"][0]["introduced"], &found["files"][0]["gone"]), (&"v1.1".into(), &"v2.0".into()));
}

async fn where_nothing_is_found_the_next_steps_are_links(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let page = reader.get("/search?q=Socket_Open%20lang:c").await.is(200).text();
    assert!(page.contains("Nothing found") && page.contains("Nothing you may read matches."));
    let step = Regex::new(r#"<li><a href="(/search\?[^"]*)">[^<]*</a> <code>([^<]*)</code>"#).unwrap();
    let steps: Vec<(String, String)> =
        step.captures_iter(&page).map(|found| (found[1].replace("&#38;", "&"), found[2].to_owned())).collect();
    let queries: Vec<&str> = steps.iter().map(|(_, query)| query.as_str()).collect();
    assert_eq!(queries, ["Socket_Open lang:c version:all", "Socket_Open lang:c case:no", "Socket_Open", "Socket_Open lang:c type:path"]);
    for (href, _) in &steps {
        reader.get(href).await.is(200);
    }
    assert!(total_files(&reader, &steps[1].0).await > 0);
}

async fn an_answer_in_parts_is_the_same_answer(backend: Backend) {
    // Of one byte, every path is looked through by itself, and sent as soon as it is recorded.
    let portal = Portal::with(backend, |config| {
        config.search.stream_after = std::time::Duration::ZERO;
        config.search.count_bytes = 1;
    })
    .await;
    for product in crate::harness::library::PRODUCTS {
        portal.bring(product).await;
    }
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    let found = reader.get_json("/search?q=CANARY").await.is(200).json();
    let paths: BTreeSet<String> = found["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
    let before = portal.rooms.log.size().await.unwrap();
    let answer = reader.get("/search?q=CANARY").await.is(200);
    assert!(!answer.broken);
    let page = answer.text();
    assert_eq!(cards(&page).len(), 20);
    assert_eq!(cards(&page), paths);
    let entries = portal.rooms.log.size().await.unwrap() - before;
    assert!(entries > 1, "each part has an entry of its own");
    assert!(page.contains(&format!("and {} more</span>", entries - 1)), "{page}");
    // Results come first, and the totals behind them.
    let (first, tally) = (page.find("<article").unwrap(), page.find("class=\"tally\"").unwrap());
    assert!(page.find("Searching.").unwrap() < first && page.rfind("<article").unwrap() < tally);
    assert!(page.trim_end().ends_with("</html>"));
    for tag in ["div", "main", "aside", "article"] {
        assert_eq!(page.matches(&format!("<{tag}")).count(), page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    // The page was full before everything was counted.
    assert!(page.contains("At least") && page.contains("Count everything"), "{page}");
    let all = reader.get_json("/search?q=CANARY%20count:all").await.is(200).json();
    assert_eq!(all["complete"], true);
    assert!(all["total_files"].as_u64() > found["total_files"].as_u64());
    let page = reader.get("/search?q=CANARY%20count:all").await.is(200).text();
    assert!(!page.contains("At least") && !page.contains("Count everything"));
}

async fn who_searched_too_much_waits(backend: Backend) {
    let portal = Portal::with(backend, |config| config.search.budget = std::time::Duration::from_micros(1)).await;
    let reader = portal.sign_in(&portal.reviewer(&[]).await).await;
    let other = portal.sign_in(&portal.reviewer(&[]).await).await;
    reader.get("/search?q=strcpy").await.is(200);
    let before = portal.rooms.log.size().await.unwrap();
    let answer = reader.get("/search?q=strcpy").await.is(429);
    assert!(answer.text().contains("Too much at once."), "{}", answer.text());
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    let answer = reader.get_json("/search?q=strcpy").await.is(429);
    assert_eq!(answer.json()["error"]["code"], "too_many");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(portal.rooms.log.size().await.unwrap(), before, "nothing was searched");
    // Others have their own, and it comes back.
    other.get("/search?q=strcpy").await.is(200);
    portal.clock.advance(std::time::Duration::from_secs(600));
    reader.get("/search?q=strcpy").await.is(200);
}

async fn facets_know_nothing_out_of_reach(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway").versions(&["v1.*"]).paths(&["src/net"], &["src/net/deep"])]).await;
    let reader = portal.sign_in(&person).await;
    for query in ["CANARY", "CANARY version:all", "type:path .", "int version:all"] {
        let address = format!("/search?q={}", encoded(query));
        let page = reader.get(&address).await.is(200);
        let text = page.text();
        for hidden in ["secret", "ledger", "v2.0", "deep", "gateway_main", "assets", "Rust"] {
            assert!(!text.contains(hidden), "{query}: {hidden} shows in {text}");
        }
        let readable = |place: &lectern::audit::Shown| place.path.text.starts_with("src/net/");
        let entries = portal.entries(Filter { person: Some(person.id.to_string()), kind: Some(Kind::Searched), ..Filter::default() }).await;
        assert!(entries.iter().flat_map(witness_places).all(|place| readable(&place)));
        let json = reader.get_json(&address).await.is(200).json();
        assert!(!json.to_string().contains("secret") && !json.to_string().contains("v2.0"), "{json}");
    }
    // What stands in a file out of reach, and nowhere else.
    let none = reader.get("/search?q=%22seed%20=%2042%22%20version:all").await.is(200);
    assert!(none.text().contains("Nothing found"));
}
