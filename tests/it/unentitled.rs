//! What a person may not read does not exist for them.

use std::collections::BTreeSet;

use lectern::audit::{Filter, Kind, Outcome};
use lectern::entitlements::{PathScope, SubjectKind};
use serde_json::Value;

use crate::harness::library::{BINARY, BOTTOM, LINK_OUT, LOGO, MAIN, SEED, SOCKET, SUBMODULE};
use crate::harness::{Backend, Client, Grant, HOUR, Person, Portal, canaries_in, on_both};

on_both! {
    every_reason_gives_the_answer_of_what_was_never_there
    a_disabled_account_is_signed_out_in_the_middle
    a_listing_shows_what_lies_within_and_the_way_there
    a_search_sees_what_lies_within_only
    links_and_submodules_say_no_more_than_may_be_read
    products_out_of_reach_are_not_named
}

/// A page of each kind that shows source, at a place that is there.
fn pages(version: &str) -> Vec<String> {
    let mut pages = vec!["/p/gateway".to_owned()];
    for directory in ["", "src", "secret", "secret/keys"] {
        pages.push(format!("/p/gateway/{version}/tree/{directory}"));
    }
    for file in [MAIN, SEED, BINARY, LOGO, LINK_OUT, SUBMODULE, "README.md", "text/utf16_words.txt"] {
        pages.push(format!("/p/gateway/{version}/file/{file}"));
    }
    pages.push(format!("/p/gateway/{version}/file/{MAIN}?hex=1"));
    pages.push(format!("/p/gateway/{version}/file/{MAIN}?from=3"));
    pages.push(format!("/p/gateway/{version}/file/{MAIN}?part=lines&from=1"));
    pages.push(format!("/p/gateway/{version}/file/{MAIN}?since=v1.0"));
    pages.push(format!("/p/gateway/{version}/file/README.md?view=rendered"));
    pages.push(format!("/p/gateway/{version}/tree/src?part=rows"));
    pages.push(format!("/p/gateway/{version}/find/?q=main"));
    pages.push(format!("/p/gateway/{version}/image/{LOGO}"));
    pages.push(format!("/symbol/gateway/{version}?name=value"));
    pages.push(format!("/symbol/gateway/{version}?name=value&fragment=1"));
    pages.extend(compared(version));
    for past in ["history/".to_owned(), "history/src".to_owned(), format!("history/{MAIN}"), format!("history/{SEED}?lines=1-2")] {
        pages.push(format!("/p/gateway/{version}/{past}"));
    }
    for file in [MAIN, SEED, BINARY] {
        pages.push(format!("/p/gateway/{version}/blame/{file}"));
    }
    pages
}

/// Comparisons of a version with another, which may be readable or not.
fn compared(version: &str) -> Vec<String> {
    let mut pages = Vec::new();
    for place in
        ["", "?dir=src", "?only=binary", &format!("/{MAIN}"), &format!("/{SEED}?view=split"), &format!("/{BINARY}"), &format!("/{LOGO}")]
    {
        pages.push(format!("/p/gateway/compare/{version}/v1.1{place}"));
        pages.push(format!("/p/gateway/compare/v1.1/{version}{place}"));
    }
    pages
}

/// Every page is answered like one that was never there, is recorded, and gives nothing away.
async fn refused(portal: &Portal, person: &Person, client: &Client, pages: &[String], case: &str) {
    let never = "/p/no-such-product/v9/file/never/there.c";
    let html = client.get(never).await.is(404);
    let json = client.get_json(never).await.is(404);
    for page in pages {
        let before = portal.refusals(&person.id).await.len();
        for (answer, missing) in [(client.get(page).await, &html), (client.get_json(page).await, &json)] {
            assert_eq!(answer.essence(), missing.essence(), "{case}: {page}");
            assert!(canaries_in(&answer.body).is_empty());
        }
        let refusals = portal.refusals(&person.id).await;
        assert_eq!(refusals.len(), before + 2, "{case}: {page} is not recorded");
        for entry in &refusals[before..] {
            assert_eq!(entry.outcome, Outcome::Denied);
            let place = entry.place.as_ref().unwrap();
            let mut parts = page.split('?').next().unwrap().splitn(6, '/').skip(2);
            assert_eq!(place.product, parts.next().unwrap(), "{case}");
            if page.contains("/compare/") {
                let mut parts = parts.skip(1).flat_map(|part| part.splitn(2, '/'));
                let versions = [parts.next().unwrap(), parts.next().unwrap()];
                assert!(versions.contains(&place.version.as_deref().unwrap()), "{case}: {page}");
                let path = parts.next().map_or_else(|| page.split_once("dir=").map_or("", |(_, dir)| dir).to_owned(), str::to_owned);
                assert_eq!(place.path.as_ref().unwrap().text, path, "{case}: {page}");
                assert!(entry.facts.contains_key("reason"));
                continue;
            }
            assert_eq!(place.version.as_deref(), parts.next(), "{case}");
            // A symbol is asked of a whole version.
            let path = parts.nth(1).or_else(|| page.starts_with("/symbol/").then_some("")).map(str::to_owned);
            assert_eq!(place.path.as_ref().map(|path| path.text.clone()), path, "{case}");
            assert!(entry.facts.contains_key("reason"));
        }
    }
    for query in ["CANARY", "strcpy", "file:hsm_seed", "seed", "/./"] {
        let found = client.get_json(&format!("/search?q={query}")).await.is(200).json();
        if case.starts_with("nothing") {
            assert_eq!(found["files"], Value::Array(Vec::new()), "{case}");
            for number in ["total", "total_files", "searched", "searchable"] {
                assert_eq!(found[number], 0, "{case}: {number}");
            }
            assert_eq!(found["complete"], true, "{case}");
        }
        let page = client.get(&format!("/search?q={query}")).await.is(200);
        if case.starts_with("nothing") {
            assert!(canaries_in(&page.body).is_empty());
        }
    }
}

async fn every_reason_gives_the_answer_of_what_was_never_there(backend: Backend) {
    let portal = Portal::start(backend).await;
    let whole = Grant::of("gateway");
    let entitled_agency = portal.agency().await;
    let entitled = portal.named(&entitled_agency).await;
    portal.grant(&entitled_agency, &whole).await;

    let other_agency = portal.reviewer(&[]).await;
    let other_product = portal.reviewer(&[Grant::of("ledger")]).await;
    let not_named = portal.unnamed(&entitled_agency).await;
    let not_yet = portal.reviewer(&[Grant { from: 24 * HOUR, ..whole.clone() }]).await;
    let expired = portal.reviewer(&[Grant { until: HOUR, ..whole.clone() }]).await;
    let revoked_agency = portal.agency().await;
    let revoked = portal.named(&revoked_agency).await;
    let grant = portal.grant(&revoked_agency, &whole).await;
    let by = portal.desk(&portal.administrators[0]).await;
    portal.rooms.entitlements.revoke(&grant, "over", &by.step_up, &portal.context()).await.unwrap();
    let ended_agency = portal.agency().await;
    let ended = portal.named(&ended_agency).await;
    portal.grant(&ended_agency, &whole).await;
    portal.rooms.entitlements.end_agreement(&ended_agency.agreement, "over", &by.step_up, &portal.context()).await.unwrap();
    let proposed_agency = portal.agency().await;
    let proposed = portal.named(&proposed_agency).await;
    portal.propose(&proposed_agency, &whole).await;
    let refused_agency = portal.agency().await;
    let refused_person = portal.named(&refused_agency).await;
    let grant = portal.propose(&refused_agency, &whole).await;
    portal.rooms.entitlements.refuse(&grant, "no", &by.principal, &portal.context()).await.unwrap();
    let suspended_agency = portal.agency().await;
    let suspended = portal.named(&suspended_agency).await;
    portal.grant(&suspended_agency, &whole).await;
    let (kind, id) = (SubjectKind::Agency, suspended_agency.id.as_str());
    portal.rooms.entitlements.suspend(kind, id, "an incident", &by.step_up, &portal.context()).await.unwrap();
    let nominated = portal.unnamed(&entitled_agency).await;
    let room = &portal.rooms.entitlements;
    room.nominate(&entitled_agency.agreement, &nominated.id, &by.principal, &portal.context()).await.unwrap();
    let withdrawn = portal.named(&entitled_agency).await;
    let nomination = room.nominations_of(&withdrawn.id).await.unwrap()[0].nomination.id.clone();
    room.withdraw_nomination(&nomination, "left", &by.step_up, &portal.context()).await.unwrap();
    let newer_only = portal.reviewer(&[whole.clone().versions(&["v2.*"])]).await;
    let narrow = portal.reviewer(&[whole.clone().paths(&["src/net", "odd"], &["src/net/deep"])]).await;

    portal.clock.advance(2 * HOUR);

    let client = portal.sign_in(&entitled).await;
    for page in pages("v1.0") {
        client.get(&page).await.is(200);
    }
    for (case, person) in [
        ("nothing for another agency", &other_agency),
        ("another product only", &other_product),
        ("nothing for who is not named", &not_named),
        ("nothing before it begins", &not_yet),
        ("nothing after it ended", &expired),
        ("nothing after it was revoked", &revoked),
        ("nothing after the agreement was ended", &ended),
        ("nothing before it is approved", &proposed),
        ("nothing when it was refused", &refused_person),
        ("nothing while the agency is suspended", &suspended),
        ("nothing before the nomination is approved", &nominated),
        ("nothing after the nomination was withdrawn", &withdrawn),
    ] {
        let client = portal.sign_in(person).await;
        refused(&portal, person, &client, &pages("v1.0"), case).await;
    }

    let without_product = |version| pages(version).into_iter().skip(1).collect::<Vec<_>>();
    let client = portal.sign_in(&newer_only).await;
    client.get(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200);
    refused(&portal, &newer_only, &client, &without_product("v1.0"), "another version").await;

    let client = portal.sign_in(&narrow).await;
    client.get(&format!("/p/gateway/v2.0/file/{SOCKET}")).await.is(200);
    let outside: Vec<String> = [
        "tree/secret",
        "tree/secret/keys",
        "tree/src/netx",
        "tree/src/net/deep",
        "tree/src/net/deep/level",
        "file/src/netx_beside.c",
        "file/src/netx/other_side.c",
        "file/README.md",
        "file/src/README.md",
        "file/.gitmodules",
        "file/vendor/crypto_submodule",
        "history/secret",
        "history/src/netx_beside.c",
        "blame/src/netx_beside.c",
    ]
    .map(|place| format!("/p/gateway/v2.0/{place}"))
    .into_iter()
    .chain([MAIN, SEED, BINARY, LOGO, BOTTOM].map(|path| format!("/p/gateway/v2.0/file/{path}")))
    .chain([format!("/p/gateway/v2.0/image/{LOGO}")])
    .chain([MAIN, SEED, BINARY, LOGO, BOTTOM, "README.md", "src"].map(|path| format!("/p/gateway/compare/v1.0/v2.0/{path}")))
    .chain(["secret", "secret/keys", "assets", "src/netx", "src/net/deep"].map(|path| format!("/p/gateway/compare/v1.0/v2.0?dir={path}")))
    .collect();
    refused(&portal, &narrow, &client, &outside, "outside the paths").await;

    // Whoever may read everything is told the same of what is not there.
    let client = portal.sign_in(&entitled).await;
    let never: Vec<String> = [
        "/p/gateway/v2.0/file/src/never_was_there.c",
        "/p/gateway/v2.0/tree/never",
        "/p/gateway/v2.0/image/never.png",
        "/p/gateway/v3.0/tree/",
        "/p/gateway/v3.0/file/src/gateway_main.c",
        "/p/ledger/v2.0/file/src/ledger_main.rs",
        "/p/ledger",
        "/p/gateway/v2.0/file/src",
        "/p/gateway/v2.0/image/src/gateway_main.c",
        "/p/gateway/compare/v1.0/v3.0",
        "/p/gateway/compare/v3.0/v1.0/src/gateway_main.c",
        "/p/gateway/compare/v1.0/v2.0/src/never_was_there.c",
        "/p/gateway/compare/v1.0/v2.0/src",
        "/p/gateway/v2.0/history/src/never_was_there.c",
        "/p/gateway/v2.0/blame/src/never_was_there.c",
        "/p/gateway/v2.0/blame/src",
        "/p/ledger/v2.0/history/src/ledger_main.rs",
    ]
    .map(str::to_owned)
    .to_vec();
    refused(&portal, &entitled, &client, &never, "what was never there").await;

    // And of what was there for them a moment ago.
    let gateway = portal.rooms.catalog.product("gateway").await.unwrap().unwrap();
    let version = portal.rooms.catalog.tended(&gateway.id, "v1.0").await.unwrap().unwrap();
    portal.rooms.catalog.withdraw(&version, "over", &by.step_up, &portal.context()).await.unwrap();
    refused(&portal, &entitled, &client, &without_product("v1.0"), "a version that was withdrawn").await;
}

async fn a_disabled_account_is_signed_out_in_the_middle(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let client = portal.sign_in(&person).await;
    client.get(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200);
    let by = portal.desk(&portal.administrators[1]).await;
    portal.rooms.accounts.lock(&person.id, "over", &by.step_up, &portal.context()).await.unwrap();
    for page in pages("v2.0") {
        let answer = client.get(&page).await.is(303);
        assert!(answer.location().starts_with("/sign-in"));
        client.get_json(&page).await.is(401);
    }
    let mut again = portal.stranger();
    again.sign_in(&person).await.is(401);
}

async fn a_listing_shows_what_lies_within_and_the_way_there(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway").paths(&["src/net", "docs"], &["src/net/deep", "src/net/link_to_seed"])]).await;
    let client = portal.sign_in(&person).await;
    for (directory, expected) in [
        ("", vec!["docs", "src"]),
        ("src", vec!["net"]),
        ("src/net", vec!["socket_close.c", "socket_open.c"]),
        ("docs", vec!["user_guide.md"]),
    ] {
        let address = format!("/p/gateway/v2.0/tree/{directory}");
        let json = client.get_json(&address).await.is(200).json();
        let names: Vec<&str> = json["entries"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{directory}");
        let page = client.get(&address).await.is(200);
        let text = page.text();
        for hidden in ["secret", "netx", "gateway_main", "assets", "rock_bottom", "deep", "README", "link_to", ".gitmodules", "vendor"] {
            assert!(!text.contains(hidden), "{hidden} shows in {directory}");
        }
        assert!(canaries_in(&page.body).is_empty(), "a README outside the scope is shown in {directory}");
    }
    let page = client.get(&format!("/p/gateway/v2.0/file/{SOCKET}")).await.is(200).text();
    for hidden in ["netx", "deep", "gateway_main", "link_to_seed"] {
        assert!(!page.contains(hidden), "{hidden} shows beside the file");
    }
    // A file alone: its directory shows it and nothing else.
    let person = portal.reviewer(&[Grant::of("gateway").paths(&[MAIN], &[])]).await;
    let client = portal.sign_in(&person).await;
    let json = client.get_json("/p/gateway/v2.0/tree/src").await.is(200).json();
    assert_eq!(json["entries"].as_array().unwrap().len(), 1);
    client.get(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200);
    client.get(&format!("/p/gateway/v2.0/tree/{MAIN}")).await.is(404);
}

async fn a_search_sees_what_lies_within_only(backend: Backend) {
    let portal = Portal::start(backend).await;
    let scope = PathScope {
        includes: ["src/net", "secret"].map(|path| lectern::catalog::RepoPath::parse(path.as_bytes()).unwrap()).to_vec(),
        excludes: vec![lectern::catalog::RepoPath::parse(b"secret/keys").unwrap()],
    };
    let grant = Grant::of("gateway").paths(&["src/net", "secret"], &["secret/keys"]).versions(&["v1.*"]);
    let person = portal.reviewer(&[grant]).await;
    let client = portal.sign_in(&person).await;
    let within = |version: &'static str| {
        let readable = portal.library.of("gateway", version);
        readable.filter(|piece| scope.reads(&lectern::catalog::RepoPath::parse(&piece.path).unwrap())).collect::<Vec<_>>()
    };
    for (words, versions) in [
        ("", vec!["v1.1"]),
        (" version:*", vec!["v1.1", "v1.0"]),
        (" version:v1.0", vec!["v1.0"]),
        (" version:v2.0", vec![]),
        (" product:ledger", vec![]),
    ] {
        for term in ["strcpy", "CANARY", "/int|seed/", "of"] {
            let query = format!("{term}{words}");
            let address = format!("/search?q={}", crate::harness::client::encoded(&query));
            let found = client.get_json(&address).await.is(200).json();
            let expression = regex::Regex::new(&format!("(?i){}", term.trim_matches('/'))).unwrap();
            let expression = if term == "CANARY" { regex::Regex::new(term).unwrap() } else { expression };
            let pieces: Vec<_> = versions.iter().flat_map(|version| within(version)).collect();
            let expected: BTreeSet<(String, String)> = pieces
                .iter()
                .filter(|piece| piece.text.as_ref().is_some_and(|text| expression.is_match(text)))
                .map(|piece| (piece.path_text(), piece.object.clone()))
                .collect();
            let files = found["files"].as_array().unwrap();
            let shown: BTreeSet<(String, String)> =
                files.iter().map(|f| (f["path"].as_str().unwrap().to_owned(), f["blob"].as_str().unwrap().to_owned())).collect();
            assert_eq!(shown, expected, "{query}");
            assert_eq!(found["total_files"], expected.len(), "{query}");
            // What is the same in several versions is one document, and counts once.
            let texts: std::collections::BTreeMap<_, _> =
                pieces.iter().filter_map(|piece| Some(((&piece.path, &piece.object), piece.text.as_ref()?))).collect();
            let lines: usize = texts.values().map(|text| text.lines().filter(|line| expression.is_match(line)).count()).sum();
            assert_eq!(found["total"], lines, "{query}");
            let all: BTreeSet<(String, String)> = pieces
                .iter()
                .filter(|piece| piece.mode != git2::FileMode::Commit)
                .map(|piece| (piece.path_text(), piece.object.clone()))
                .collect();
            assert_eq!(found["searchable"], all.len(), "{query}");
            for file in files {
                for version in file["versions"].as_array().unwrap() {
                    assert!(versions.contains(&version.as_str().unwrap()), "{query}");
                }
            }
            let page = client.get(&address).await.is(200).text();
            for hidden in ["hsm_seed", "gateway_main", "v2.0", "ledger_"] {
                assert!(!page.contains(hidden) || query.contains(hidden), "{hidden} shows for {query}");
            }
        }
    }
    // A word that stands outside only: the same answer as for one that stands nowhere.
    let essence = |found: Value| ["total", "total_files", "searchable", "complete", "next", "files"].map(|name| found[name].clone());
    let outside = client.get_json("/search?q=socket_open()%20%2B%20strcpy").await.is(200).json();
    let nowhere = client.get_json("/search?q=socket_shut()%20%2B%20strcpy").await.is(200).json();
    assert_eq!(essence(outside), essence(nowhere));
}

async fn links_and_submodules_say_no_more_than_may_be_read(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway").paths(&["src/net", "vendor"], &[])]).await;
    let client = portal.sign_in(&person).await;
    let link = client.get(&format!("/p/gateway/v2.0/file/{LINK_OUT}")).await.is(200);
    assert!(canaries_in(&link.body).is_empty(), "the link shows its target's text");
    client.get(&format!("/p/gateway/v2.0/file/{SEED}")).await.is(404);
    let page = client.get(&format!("/p/gateway/v2.0/file/{SUBMODULE}")).await.is(200);
    assert!(!page.text().contains("elsewhere.example"), "the address stands in a file that may not be read");
    assert!(canaries_in(&page.body).is_empty());
    let page = client.get("/p/gateway/v2.0/tree/vendor").await.is(200);
    assert!(!page.text().contains("elsewhere.example"));
}

async fn products_out_of_reach_are_not_named(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway").versions(&["v1.0"])]).await;
    let client = portal.sign_in(&person).await;
    for page in ["/", "/p", "/p/gateway", "/account", "/p/gateway/v1.0/tree/", &format!("/p/gateway/v1.0/file/{MAIN}"), "/search?q=strcpy"]
    {
        let text = client.get(page).await.is(200).text();
        for hidden in ["ledger", "v1.1", "v2.0"] {
            assert!(!text.contains(hidden), "{hidden} shows at {page}");
        }
    }
    // What somebody opened once and may read no longer is not named to them any more.
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    let grant = portal.grant(&agency, &Grant::of("ledger")).await;
    let client = portal.sign_in(&person).await;
    client.get("/p/ledger/v2.0/file/src/ledger_main.rs").await.is(200);
    assert!(client.get("/").await.text().contains("ledger_main.rs"));
    let by = portal.desk(&portal.administrators[1]).await;
    portal.rooms.entitlements.revoke(&grant, "over", &by.step_up, &portal.context()).await.unwrap();
    for page in ["/", "/p", "/account", "/search?q=strcpy"] {
        assert!(!client.get(page).await.is(200).text().contains("ledger"), "{page}");
    }
    let opened = Filter { person: Some(person.id.to_string()), kind: Some(Kind::FileOpened), ..Filter::default() };
    assert_eq!(portal.entries(opened).await.len(), 1);
}
