//! What may not be read has no past either.

use serde_json::{Value, json};

use super::{json_of, names, origins, portal, within};
use crate::harness::library::{MAIN, SEED, SOCKET};
use crate::harness::{Backend, Client, Grant, HOUR, Portal, canaries_in, on_both};

on_both! {
    whoever_may_not_read_everything_is_told_what_they_may
    every_reason_gives_the_answer_of_what_was_never_there
    commits_are_no_way_around_a_scope
    a_file_that_crosses_the_scope_begins_and_ends_there
    what_was_told_within_one_scope_is_not_told_within_another
}

async fn whoever_may_not_read_everything_is_told_what_they_may(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    // Everything but the secret: what came out of it was added here.
    let reader = within(&portal, &[""], &["secret"]).await;
    let history = json_of(&reader, "history/src/came_out.txt").await;
    let row = &history["commits"][0];
    assert_eq!((names(&attic, &history), &row["change"], &row["renamed_from"]), (vec!["out"], &json!("added"), &Value::Null));
    // Its commit changed the plan, too, so its words are not shown; no more than those of the first, and of merges.
    assert_eq!((&row["subject"], &row["author"]), (&Value::Null, &Value::Null));
    let blame = json_of(&reader, "blame/src/came_out.txt").await;
    assert!(origins(&attic, &blame).iter().all(|(name, _)| *name == "out"), "{blame}");
    assert_eq!(blame["commits"][0]["path_before"], Value::Null);
    let history = json_of(&reader, "history/src/b.c").await;
    assert_eq!(names(&attic, &history), ["evil", "ten", "rename", "merge", "fifteen", "five", "begin"]);
    let subjects: Vec<Option<&str>> = history["commits"].as_array().unwrap().iter().map(|row| row["subject"].as_str()).collect();
    assert_eq!(subjects, [None, Some("ten"), Some("rename"), None, Some("fifteen"), Some("five"), None]);
    let commit = json_of(&reader, &format!("commit/{}", attic.id("out"))).await;
    assert_eq!((&commit["total"], &commit["message"], &commit["files"][0]["path"]), (&json!(1), &Value::Null, &json!("src/came_out.txt")));
    for place in ["history/src/came_out.txt", "history/", "blame/src/came_out.txt", &format!("commit/{}", attic.id("out"))] {
        let page = reader.get(&format!("/p/attic/v2.0/{place}")).await.is(200).text();
        assert!(page.contains("utside of what you may read"), "{place}: {page}");
        for hidden in ["secret/", "plan.txt", "The body of out"] {
            assert!(!page.contains(hidden), "{hidden} shows in {place}");
        }
    }
    // Only the secret: a file that went out was removed, and nobody is told where to.
    let reader = within(&portal, &["secret"], &[]).await;
    let commit = json_of(&reader, &format!("commit/{}", attic.id("out"))).await;
    let told: Vec<(&str, &str)> =
        commit["files"].as_array().unwrap().iter().map(|file| (file["path"].as_str().unwrap(), file["change"].as_str().unwrap())).collect();
    assert_eq!(told, [("secret/came_out.txt", "removed"), ("secret/plan.txt", "changed")]);
    // Its parent changed nothing that may be read, and is not named.
    assert_eq!(commit["parents"], json!([]));
    let page = reader.get(&format!("/p/attic/v2.0/commit/{}", attic.id("out"))).await.is(200).text();
    assert!(!page.contains("src/") && !page.contains(&attic.id("rename").to_string()), "{page}");
}

async fn every_reason_gives_the_answer_of_what_was_never_there(backend: Backend) {
    let portal = Portal::start(backend).await;
    let whole = Grant::of("gateway");
    let entitled = portal.reviewer(std::slice::from_ref(&whole)).await;
    let commit = portal.library.commit("gateway", "v1.0").to_owned();
    let pages = |version: &str| {
        [
            "history".to_owned(),
            "history/src".to_owned(),
            format!("history/{MAIN}"),
            format!("history/{SEED}"),
            format!("history/{MAIN}?lines=1-3"),
            format!("blame/{MAIN}"),
            format!("blame/{MAIN}?at={commit}"),
            format!("commit/{commit}"),
        ]
        .map(|place| format!("/p/gateway/{version}/{place}"))
    };
    let client = portal.sign_in(&entitled).await;
    for page in pages("v1.0") {
        client.get(&page).await.is(200);
        client.get_json(&page).await.is(200);
    }
    let other_agency = portal.reviewer(&[]).await;
    let other_product = portal.reviewer(&[Grant::of("ledger")]).await;
    let not_yet = portal.reviewer(&[Grant { from: 24 * HOUR, ..whole.clone() }]).await;
    let expired = portal.reviewer(&[Grant { until: HOUR, ..whole.clone() }]).await;
    let revoked_agency = portal.agency().await;
    let revoked = portal.named(&revoked_agency).await;
    let grant = portal.grant(&revoked_agency, &whole).await;
    let by = portal.desk(&portal.administrators[0]).await;
    portal.rooms.entitlements.revoke(&grant, "over", &by.step_up, &portal.context()).await.unwrap();
    let newer_only = portal.reviewer(&[whole.clone().versions(&["v2.*"])]).await;
    let proposed_agency = portal.agency().await;
    let proposed = portal.named(&proposed_agency).await;
    portal.propose(&proposed_agency, &whole).await;
    portal.clock.advance(2 * HOUR);
    for person in [&other_agency, &other_product, &not_yet, &expired, &revoked, &newer_only, &proposed] {
        let client = portal.sign_in(person).await;
        refused(&portal, &client, person, &pages("v1.0")).await;
    }
    // Outside of the paths, and what is not there for anybody.
    let narrow = portal.reviewer(&[whole.clone().paths(&["src/net"], &["src/net/deep"])]).await;
    let client = portal.sign_in(&narrow).await;
    client.get(&format!("/p/gateway/v2.0/blame/{SOCKET}")).await.is(200);
    let outside = [
        format!("history/{MAIN}"),
        format!("history/{SEED}"),
        "history/secret".to_owned(),
        "history/src/netx".to_owned(),
        "history/src/net/deep".to_owned(),
        format!("history/{SEED}?lines=1-2"),
        format!("blame/{SEED}"),
        format!("blame/{MAIN}?at={commit}"),
        "blame/src/net".to_owned(),
        "history/src/net/never.c".to_owned(),
        "commit/0123456789012345678901234567890123456789".to_owned(),
        "commit/main".to_owned(),
        format!("commit/{}", portal.library.commit("ledger", "v1.0")),
    ]
    .map(|place| format!("/p/gateway/v2.0/{place}"));
    refused(&portal, &client, &narrow, &outside).await;
}

/// Answered like what was never there, each recorded, and no canary.
async fn refused(portal: &Portal, client: &Client, person: &crate::harness::Person, pages: &[String]) {
    let never = "/p/no-such-product/v9/file/never/there.c";
    let (html, json) = (client.get(never).await.is(404), client.get_json(never).await.is(404));
    for page in pages {
        let before = portal.refusals(&person.id).await.len();
        for (answer, missing) in [(client.get(page).await, &html), (client.get_json(page).await, &json)] {
            assert_eq!(answer.essence(), missing.essence(), "{page}");
            assert!(canaries_in(&answer.body).is_empty());
        }
        let refusals = portal.refusals(&person.id).await;
        assert_eq!(refusals.len(), before + 2, "{page} is not recorded");
        for entry in &refusals[before..] {
            let place = entry.place.as_ref().unwrap();
            let (path, _) = page.split_once('?').unwrap_or((page, ""));
            let mut parts = path.splitn(6, '/').skip(2);
            assert_eq!((Some(place.product.as_str()), place.version.as_deref()), (parts.next(), parts.next()));
            let (room, rest) = (parts.next().unwrap(), parts.next().unwrap_or_default());
            let named = place.path.as_ref().unwrap().text.as_str();
            assert_eq!(named, if room == "commit" { "" } else { rest }, "{page}");
        }
    }
}

async fn commits_are_no_way_around_a_scope(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let narrow = within(&portal, &["secret"], &[]).await;
    for outside in ["five", "rename", "evil", "merge", "last"] {
        let answer = narrow.get_json(&format!("/p/attic/v2.0/commit/{}", attic.id(outside))).await;
        assert_eq!(answer.status.as_u16(), 404, "{outside}");
    }
    let person = portal.reviewer(&[Grant::of("attic").versions(&["v1.0"])]).await;
    let old = portal.sign_in(&person).await;
    old.get_json(&format!("/p/attic/v1.0/commit/{}", attic.id("five"))).await.is(200);
    for later in ["rename", "last"] {
        old.get_json(&format!("/p/attic/v1.0/commit/{}", attic.id(later))).await.is(404);
        old.get_json(&format!("/p/attic/v2.0/commit/{}", attic.id(later))).await.is(404);
    }
    let entry = portal.refusals(&person.id).await;
    assert_eq!(entry[0].facts["commit"], attic.id("rename").to_string());
    // Whoever may read only the old version is told of no other.
    let history = old.get_json("/p/attic/v1.0/history/src/a.c").await.is(200).json();
    assert!(!history.to_string().contains("v2.0"));
}

async fn a_file_that_crosses_the_scope_begins_and_ends_there(backend: Backend) {
    let (portal, attic, _home) = portal(backend).await;
    let (inside, outside) = ("src/came_out.txt", "secret/came_out.txt");
    let before = format!("before={}", attic.id("out"));
    // Whoever may read both names follows it; whoever may read one is told of that one.
    let whole = within(&portal, &[""], &[]).await;
    let history = json_of(&whole, &format!("history/{inside}?lines=3")).await;
    assert_eq!((names(&attic, &history), &history["commits"][0]["path"]), (vec!["begin"], &json!(outside)));
    assert_eq!(origins(&attic, &json_of(&whole, &format!("blame/{outside}?{before}")).await)[2], ("begin", 3));
    assert_eq!(json_of(&whole, &format!("blame/{inside}")).await["commits"][0]["path"], outside);

    let open = within(&portal, &[""], &["secret"]).await;
    let history = json_of(&open, &format!("history/{inside}?lines=3")).await;
    let row = &history["commits"][0];
    assert_eq!((names(&attic, &history), &row["change"], &row["renamed_from"]), (vec!["out"], &json!("added"), &Value::Null));
    assert_eq!(row["lines"].as_array().unwrap().iter().filter(|line| line["sign"] != "added").count(), 0, "{row}");
    for page in [format!("history/{inside}?lines=3"), format!("blame/{inside}"), format!("history/{inside}")] {
        let page = open.get(&format!("/p/attic/v2.0/{page}")).await.is(200).text();
        assert!(!page.contains("secret/") && !page.contains(&before) && !page.contains(&attic.id("begin").to_string()), "{page}");
    }
    for nothing in [
        format!("blame/{inside}?{before}"),
        format!("blame/{outside}?{before}"),
        format!("history/{outside}"),
        format!("history/{outside}?lines=3"),
        format!("blame/{inside}?at={}", attic.id("begin")),
    ] {
        open.get_json(&format!("/p/attic/v2.0/{nothing}")).await.is(404);
    }
    // The other way: it went where this reader cannot follow.
    let shut = within(&portal, &["secret"], &[]).await;
    let history = json_of(&shut, &format!("history/{outside}")).await;
    let told: Vec<&str> = history["commits"].as_array().unwrap().iter().map(|row| row["change"].as_str().unwrap()).collect();
    assert_eq!((names(&attic, &history), told), (vec!["out", "begin"], vec!["removed", "added"]));
    assert_eq!(origins(&attic, &json_of(&shut, &format!("blame/{outside}?{before}")).await)[2], ("begin", 3));
    for page in [format!("history/{outside}"), format!("blame/{outside}?{before}")] {
        let page = shut.get(&format!("/p/attic/v2.0/{page}")).await.is(200).text();
        assert!(!page.contains("src/") && !page.contains("renamed"), "{page}");
    }
    shut.get_json(&format!("/p/attic/v2.0/blame/{inside}")).await.is(404);
}

async fn what_was_told_within_one_scope_is_not_told_within_another(backend: Backend) {
    let (portal, _attic, _home) = portal(backend).await;
    let (everything, part) = (super::whole(&portal).await, within(&portal, &[""], &["secret"]).await);
    let told = async |client: &Client, place: &str| {
        let mut answer = json_of(client, place).await;
        answer.as_object_mut().unwrap().remove("receipt").unwrap();
        answer
    };
    // The one asks first here, the other there, and each again after the other.
    for (at, place) in ["history/", "history/src", "history/src/came_out.txt?lines=1", "history/src/b.c?lines=1-20"].iter().enumerate() {
        let (first, second) = if at % 2 == 0 { (&everything, &part) } else { (&part, &everything) };
        let (one, other) = (told(first, place).await, told(second, place).await);
        assert_ne!(one, other, "{place}");
        assert_eq!((told(first, place).await, told(second, place).await), (one, other), "{place}");
        let seen = told(&part, place).await.to_string();
        assert!(!seen.contains("secret/") && !seen.contains("plan.txt"), "{place}: {seen}");
    }
}
