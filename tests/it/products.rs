//! Products and their versions as administrators tend them: quarantine, withdrawal and return by two hands, tags that moved.

/// Schedules, webhooks, and the credentials of mirrors.
mod mirrors;
/// Signatures that the real programs make, and what they are worth here.
mod signatures;

use std::time::Duration;

use git2::Repository;
use lectern::accounts::Role;
use lectern::audit::{Entry, Filter, Kind, Outcome};
use lectern::catalog::{Arrival, Pin, Settings, Standing};

use crate::harness::client::encoded;
use crate::harness::library::{Library, MAIN, SEED};
use crate::harness::process::{Program, run, said};
use crate::harness::{Backend, Client, Grant, Person, Portal, canaries_in, on_both};

on_both! {
    what_is_withdrawn_is_there_for_nobody_and_comes_back_by_two_hands
    new_versions_wait_in_quarantine_until_two_release_them
    of_two_administrators_at_once_one_wins
    a_withdrawal_wants_a_reason_and_a_fresh_confirmation
    a_tag_that_moved_is_an_alarm_until_somebody_acknowledges_it
    settings_are_changed_after_a_confirmation_and_recorded
}

const PLACE: &str = "/admin/products/gateway/versions/v1.0";

async fn standing(portal: &Portal, version: &str) -> Standing {
    let product = portal.rooms.catalog.product("gateway").await.unwrap().unwrap();
    let catalog = &portal.rooms.catalog;
    // What readers are listed is what is published, in its order.
    let published = catalog.versions(&product.id).await.unwrap().into_iter();
    let published: Vec<Pin> = published.map(|version| Pin { name: version.name, commit: version.commit }).collect();
    assert_eq!(catalog.pins(&product.id).await.unwrap(), published);
    catalog.tended(&product.id, version).await.unwrap().unwrap().life.standing
}

async fn of_kind(portal: &Portal, kind: Kind) -> Vec<Entry> {
    portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await
}

/// Every way in which a version of the gateway could show.
fn ways(version: &str) -> Vec<String> {
    let mut ways: Vec<String> = ["tree/", "tree/src", "history/", "find/?q=main", "blame/src/gateway_main.c", "history/src/gateway_main.c"]
        .map(|place| format!("/p/gateway/{version}/{place}"))
        .to_vec();
    ways.extend([MAIN, SEED, "README.md"].map(|file| format!("/p/gateway/{version}/file/{file}")));
    ways.push(format!("/symbol/gateway/{version}?name=value"));
    ways.push(format!("/p/gateway/compare/{version}/v2.0"));
    ways.push(format!("/p/gateway/compare/v2.0/{version}/{MAIN}"));
    ways
}

/// What names versions, or looks through all that may be read: the address, and what of it was typed.
fn lists(version: &str, readable: &str) -> Vec<(String, String)> {
    let mut lists: Vec<(String, String)> = ["/", "/p", "/p/gateway", "/account"].map(|page| (page.to_owned(), String::new())).to_vec();
    for place in ["tree/".to_owned(), format!("file/{MAIN}")] {
        lists.push((format!("/p/gateway/{readable}/{place}"), String::new()));
    }
    for query in ["CANARY", "strcpy", "CANARY version:*", "strcpy version:*", "sym:value version:*", &format!("CANARY version:{version}")] {
        lists.push((format!("/search?q={}", encoded(query)), query.to_owned()));
        lists.push((format!("/search/export?format=jsonl&q={}", encoded(query)), query.to_owned()));
    }
    for typed in ["product:gateway version:v", "CANARY version:* path:src", "version:* path:src/g"] {
        lists.push((format!("/search/suggest?q={}", encoded(typed)), typed.to_owned()));
    }
    lists
}

/// Nothing of the version shows anywhere, and its pages are those of what was never there.
async fn is_not_there(portal: &Portal, (client, person): (&Client, &Person), version: &str, readable: &str) {
    let never = "/p/no-such-product/v9/file/never/there.c";
    let (html, json) = (client.get(never).await.is(404), client.get_json(never).await.is(404));
    for way in ways(version) {
        let before = portal.refusals(&person.id).await.len();
        assert_eq!(client.get(&way).await.essence(), html.essence(), "{way}");
        assert_eq!(client.get_json(&way).await.essence(), json.essence(), "{way}");
        let refusals = portal.refusals(&person.id).await;
        assert_eq!(refusals.len(), before + 2, "{way}");
        assert!(refusals.iter().all(|entry| entry.outcome == Outcome::Denied));
    }
    for (list, typed) in lists(version, readable) {
        for answer in [client.get(&list).await, client.get_json(&list).await] {
            assert!(answer.status == 200 || answer.status == 400, "{list}: {}", answer.status);
            let text = answer.text();
            assert!(!text.contains(version) || typed.contains(version), "{version} shows at {list}");
            for canary in canaries_in(&answer.body) {
                let pieces = &portal.library.canaries[&canary];
                assert!(pieces.iter().any(|&at| portal.library.pieces[at].version != version), "{canary} shows at {list}");
            }
        }
    }
    let found = client.get_json(&format!("/search?q={}", encoded(&format!("strcpy version:{version}")))).await.is(200).json();
    assert_eq!((&found["total"], &found["searchable"]), (&0.into(), &0.into()));
}

async fn is_there(client: &Client, version: &str) {
    for way in ways(version) {
        client.get(&way).await.is(200);
    }
    let found = client.get_json(&format!("/search?q={}", encoded(&format!("strcpy version:{version}")))).await.is(200).json();
    assert!(found["total"].as_u64().unwrap() > 0 && found["complete"] == true, "{found}");
}

async fn what_is_withdrawn_is_there_for_nobody_and_comes_back_by_two_hands(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    let first = portal.sign_in(&portal.administrators[0]).await;
    let second = portal.sign_in(&portal.administrators[1]).await;
    is_there(&reader, "v1.0").await;
    let opened = of_kind(&portal, Kind::FileOpened).await.len();

    first.post(&format!("{PLACE}/withdraw"), &[("reason", "It holds a key of ours.")]).await.is(303);
    is_not_there(&portal, (&reader, &person), "v1.0", "v2.0").await;
    // Nor when the index has been brought to that; and what was read before is recorded still.
    portal.rooms.jobs.work_off().await.unwrap();
    is_not_there(&portal, (&reader, &person), "v1.0", "v2.0").await;
    is_there(&reader, "v1.1").await;
    assert!(!reader.get("/p/gateway/compare/v1.1/v2.0").await.is(200).text().contains("v1.0"));
    assert!(of_kind(&portal, Kind::FileOpened).await.len() > opened);
    let page = second.get(PLACE).await.is(200);
    assert!(page.text().contains("It holds a key of ours.") && canaries_in(&page.body).is_empty());
    // A fetch brings it back to nobody.
    first.post("/admin/products/gateway/sync", &[]).await.is(303);
    portal.rooms.jobs.work_off().await.unwrap();
    is_not_there(&portal, (&reader, &person), "v1.0", "v2.0").await;
    second.post(&format!("{PLACE}/withdraw"), &[("reason", "again")]).await.is(409);
    second.post(&format!("{PLACE}/approve"), &[]).await.is(409);

    // Whoever asks cannot approve, nor can an account that they opened; refusing leaves it withdrawn.
    first.post(&format!("{PLACE}/ask"), &[("reason", "The key is void.")]).await.is(303);
    let told = first.post(&format!("{PLACE}/approve"), &[]).await.is(409);
    assert!(told.text().contains("another administrator must"), "{}", told.text());
    let puppet = portal.invited(Role::Administrator, None, &portal.administrators[0], &portal.administrators[1]).await;
    let puppet = portal.sign_in(&puppet).await;
    let told = puppet.post(&format!("{PLACE}/approve"), &[]).await.is(409);
    assert!(told.text().contains("opened by the same administrator"), "{}", told.text());
    reader.get("/p/gateway/v1.0/tree/").await.is(404);
    second.post(&format!("{PLACE}/refuse"), &[("reason", "Not yet.")]).await.is(303);
    second.post(&format!("{PLACE}/approve"), &[]).await.is(409);
    assert_eq!(standing(&portal, "v1.0").await, Standing::Withdrawn);

    first.post(&format!("{PLACE}/ask"), &[("reason", "The key is void now.")]).await.is(303);
    let desk = second.get("/").await.is(200).text();
    assert!(desk.contains("asks to put back The gateway v1.0") && desk.contains(PLACE), "{desk}");
    second.post(&format!("{PLACE}/approve"), &[]).await.is(303);
    portal.rooms.jobs.work_off().await.unwrap();
    is_there(&reader, "v1.0").await;

    // All of it is in the log, with how it stood before and after, in words.
    let auditor = portal.sign_in(&portal.auditor).await;
    for (kind, before, after, by, words) in [
        (Kind::VersionWithdrawn, "published", "withdrawn", 0, "withdrew gateway v1.0."),
        (Kind::VersionReleaseAsked, "withdrawn", "return asked", 0, "asked to put back gateway v1.0, which had been withdrawn."),
        (Kind::VersionReleaseRefused, "return asked", "withdrawn", 1, "refused to put back gateway v1.0, which stays withdrawn."),
        (Kind::VersionReleased, "return asked", "published", 1, "put back gateway v1.0, which had been withdrawn."),
    ] {
        let entry = of_kind(&portal, kind).await.pop().unwrap();
        assert_eq!((&entry.facts["before"], &entry.facts["after"]), (&before.into(), &after.into()), "{kind}");
        assert_eq!(entry.actor.as_ref().unwrap().account, portal.administrators[by].id);
        let place = entry.place.as_ref().unwrap();
        assert_eq!((place.product.as_str(), place.version.as_deref()), ("gateway", Some("v1.0")));
        assert_eq!(place.commit.as_deref(), Some(portal.library.commit("gateway", "v1.0")));
        let page = auditor.get(&format!("/audit/entries/{}", entry.index)).await.is(200).text();
        assert!(page.contains(words), "{kind}: {page}");
    }
}

async fn new_versions_wait_in_quarantine_until_two_release_them(backend: Backend) {
    let portal = Portal::bare(backend).await;
    portal.add("gateway").await;
    let by = portal.desk(&portal.administrators[0]).await;
    let product = portal.rooms.catalog.product("gateway").await.unwrap().unwrap();
    let settings = Settings { arrival: Arrival::Quarantined, ..Settings::default() };
    portal.rooms.catalog.change_settings(&product, &settings, &by.step_up, &portal.context()).await.unwrap();
    portal.rooms.jobs.request_sync(&product).await.unwrap();
    portal.rooms.jobs.work_off().await.unwrap();
    let person = portal.reviewer(&[Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    assert_eq!(reader.get_json("/p").await.is(200).json()["products"], serde_json::json!([]));
    for version in ["v1.0", "v2.0"] {
        assert_eq!(standing(&portal, version).await, Standing::Quarantined);
        for way in ways(version) {
            reader.get(&way).await.is(404);
        }
    }
    for query in ["CANARY", "strcpy version:*"] {
        let found = reader.get_json(&format!("/search?q={}", encoded(query))).await.is(200).json();
        assert_eq!((&found["total"], &found["searchable"]), (&0.into(), &0.into()));
    }
    assert!(of_kind(&portal, Kind::VersionPublished).await.is_empty());
    assert_eq!(of_kind(&portal, Kind::VersionQuarantined).await.len(), 3);
    assert_eq!(of_kind(&portal, Kind::MirrorSynced).await[0].facts["quarantined"], 3);

    let first = portal.sign_in(&portal.administrators[0]).await;
    let second = portal.sign_in(&portal.administrators[1]).await;
    assert!(first.get("/admin/products").await.is(200).text().contains("3 wait in quarantine"));
    first.post(&format!("{PLACE}/approve"), &[]).await.is(409);
    first.post(&format!("{PLACE}/ask"), &[("reason", " ")]).await.is(422);
    first.post(&format!("{PLACE}/ask"), &[("reason", "Its signature is ours.")]).await.is(303);
    first.post(&format!("{PLACE}/approve"), &[]).await.is(409);
    reader.get("/p/gateway/v1.0/tree/").await.is(404);
    portal.clock.advance(Duration::from_secs(5));
    second.post(&format!("{PLACE}/approve"), &[]).await.is(303);
    let released = of_kind(&portal, Kind::VersionReleased).await;
    assert_eq!((released.len(), &released[0].facts["before"]), (1, &"release asked".into()));
    reader.get("/p/gateway/v1.0/tree/").await.is(200);
    portal.rooms.jobs.work_off().await.unwrap();
    let found = reader.get_json(&format!("/search?q={}", encoded("strcpy version:*"))).await.is(200).json();
    for file in found["files"].as_array().unwrap() {
        assert_eq!(file["versions"], serde_json::json!(["v1.0"]));
    }
    assert!(found["total"].as_u64().unwrap() > 0);
    is_not_there(&portal, (&reader, &person), "v1.1", "v1.0").await;
    // What waits can be withdrawn, too.
    let other = "/admin/products/gateway/versions/v1.1";
    first.post(&format!("{other}/withdraw"), &[("reason", "Not what we tagged.")]).await.is(303);
    assert_eq!(standing(&portal, "v1.1").await, Standing::Withdrawn);
}

async fn of_two_administrators_at_once_one_wins(backend: Backend) {
    let portal = Portal::start(backend).await;
    let third = portal.colleague(Role::Administrator).await;
    let first = portal.sign_in(&portal.administrators[0]).await;
    let second = portal.sign_in(&portal.administrators[1]).await;
    let third = portal.sign_in(&third).await;
    let (one, two) = (second.csrf().await, third.csrf().await);
    let because = [("reason", "because")];
    for deeds in [("withdraw", "withdraw"), ("ask", "ask"), ("refuse", "refuse"), ("ask", "ask"), ("refuse", "withdraw")] {
        let (left, right) = (format!("{PLACE}/{}", deeds.0), format!("{PLACE}/{}", deeds.1));
        let (a, b) = tokio::join!(second.post_with(&left, &one, &because), third.post_with(&right, &two, &because));
        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409], "{deeds:?}");
    }
    // Asked for by the first, two approve at once.
    for _ in 0..3 {
        let now = standing(&portal, "v1.0").await;
        if now == Standing::Published {
            first.post(&format!("{PLACE}/withdraw"), &because).await.is(303);
        }
        first.post(&format!("{PLACE}/ask"), &because).await.is(303);
        let approve = format!("{PLACE}/approve");
        let before = of_kind(&portal, Kind::VersionReleased).await.len();
        let (a, b) = tokio::join!(second.post_with(&approve, &one, &[]), third.post_with(&approve, &two, &[]));
        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409]);
        assert_eq!(standing(&portal, "v1.0").await, Standing::Published);
        assert_eq!(of_kind(&portal, Kind::VersionReleased).await.len(), before + 1);
    }
    portal.rooms.jobs.work_off().await.unwrap();
}

async fn a_withdrawal_wants_a_reason_and_a_fresh_confirmation(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = &portal.administrators[1];
    let administrator = portal.sign_in(person).await;
    for empty in ["", "  ", "\n"] {
        administrator.post(&format!("{PLACE}/withdraw"), &[("reason", empty)]).await.is(422);
    }
    portal.clock.advance(Duration::from_secs(601));
    let asked = administrator.post(&format!("{PLACE}/withdraw"), &[("reason", "It holds a key.")]).await.is(303);
    assert!(asked.location().starts_with("/reauthenticate?"), "{}", asked.location());
    assert_eq!(standing(&portal, "v1.0").await, Standing::Published);
    administrator.post("/reauthenticate", &[("password", &person.password), ("next", PLACE)]).await.is(303);
    assert!(administrator.get(PLACE).await.is(200).text().contains("It holds a key."), "what was typed is lost");
    administrator.post(&format!("{PLACE}/withdraw"), &[("reason", "It holds a key.")]).await.is(303);
    assert_eq!(standing(&portal, "v1.0").await, Standing::Withdrawn);
    for nowhere in ["/admin/products/gateway/versions/v9", "/admin/products/none/versions/v1.0"] {
        administrator.get(nowhere).await.is(404);
        administrator.post(&format!("{nowhere}/withdraw"), &[("reason", "x")]).await.is(404);
    }
    portal.rooms.jobs.work_off().await.unwrap();
}

fn move_tag(library: &Library, tag: &str, to: &str) {
    let repository = Repository::open(library.source("gateway")).unwrap();
    let commit = repository.find_object(library.commit("gateway", to).parse().unwrap(), None).unwrap();
    repository.tag_lightweight(tag, &commit, true).unwrap();
}

async fn a_tag_that_moved_is_an_alarm_until_somebody_acknowledges_it(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let first = portal.sign_in(&portal.administrators[0]).await;
    let second = portal.sign_in(&portal.administrators[1]).await;
    let sync = async || {
        first.post("/admin/products/gateway/sync", &[]).await.is(303);
        portal.rooms.jobs.work_off().await.unwrap();
    };
    let alarm = "The tag or branch of The gateway v1.0 was moved";
    for (nth, to) in ["v1.1", "v2.0"].into_iter().enumerate() {
        move_tag(&portal.library, "v1.0", to);
        // As often as it is seen it is one alarm, and one entry.
        for _ in 0..2 {
            sync().await;
        }
        assert_eq!(of_kind(&portal, Kind::MirrorTagMoved).await.len(), nth + 1);
        for page in ["/", "/admin/products/gateway"] {
            let text = second.get(page).await.is(200).text();
            assert_eq!((text.matches(alarm).count(), text.contains(PLACE)), (1, true), "{page}");
        }
        assert!(second.get("/admin/products").await.is(200).text().contains("1 tag was moved at the source"));
        let moved_to = portal.library.commit("gateway", to).to_owned();
        let fields = |reason: &'static str| [("reason", reason.to_owned()), ("moved_to", moved_to.clone())];
        let acknowledge = async |client: &Client, fields: &[(&str, String)]| {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            client.post(&format!("{PLACE}/acknowledge"), &fields).await
        };
        acknowledge(&first, &fields("  ")).await.is(422);
        // Of a move that another one has overtaken since the page was shown.
        let elsewhere = [("reason", "Known.".to_owned()), ("moved_to", portal.library.commit("gateway", "v1.0").to_owned())];
        acknowledge(&first, &elsewhere).await.is(409);
        assert!(first.get("/").await.text().contains(alarm));
        acknowledge(&first, &fields("The vendor signed it anew.")).await.is(303);
        acknowledge(&second, &fields("So I hear.")).await.is(409);
        sync().await;
        for page in ["/", "/admin/products/gateway"] {
            assert!(!second.get(page).await.is(200).text().contains(alarm), "{page}");
        }
        assert!(second.get(PLACE).await.is(200).text().contains("The vendor signed it anew."));
        let entries = of_kind(&portal, Kind::MirrorTagMoveAcknowledged).await;
        let entry = entries.last().unwrap();
        assert_eq!((entries.len(), &entry.facts["to"]), (nth + 1, &moved_to.into()));
        assert_eq!(entry.facts["reason"], "The vendor signed it anew.");
        // The version is what it was all along.
        let tree = reader.get_json("/p/gateway/v1.0/tree/").await.is(200).json();
        assert_eq!(tree["commit"], portal.library.commit("gateway", "v1.0"));
    }
}

async fn settings_are_changed_after_a_confirmation_and_recorded(backend: Backend) {
    let portal = Portal::start(backend).await;
    let person = &portal.administrators[0];
    let administrator = portal.sign_in(person).await;
    let place = "/admin/products/gateway/settings";
    portal.clock.advance(Duration::from_secs(601));
    assert!(administrator.get(place).await.is(303).location().starts_with("/reauthenticate?"));
    let fields = [("arrival", "quarantined"), ("every", "off")];
    assert!(administrator.post(place, &fields).await.is(303).location().starts_with("/reauthenticate?"));
    administrator.post("/reauthenticate", &[("password", &person.password), ("next", place)]).await.is(303);
    administrator.get(place).await.is(200);
    administrator.post(place, &[("arrival", "odd"), ("every", "off")]).await.is(422);
    assert!(of_kind(&portal, Kind::ProductChanged).await.is_empty());
    // What is so already is no change.
    administrator.post(place, &[("arrival", "published"), ("every", "off")]).await.is(303);
    assert!(of_kind(&portal, Kind::ProductChanged).await.is_empty());
    administrator.post(place, &fields).await.is(303);
    let entries = of_kind(&portal, Kind::ProductChanged).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].facts["before"], serde_json::json!({"new_versions": "published"}));
    assert_eq!(entries[0].facts["after"], serde_json::json!({"new_versions": "quarantined"}));
    let auditor = portal.sign_in(&portal.auditor).await;
    let page = auditor.get(&format!("/audit/entries/{}", entries[0].index)).await.is(200).text();
    assert!(page.contains("changed the product gateway: new versions published, now quarantined."), "{page}");
    assert!(administrator.get("/admin/products/gateway").await.is(200).text().contains("wait in quarantine"));
}

#[test]
fn the_command_line_withdraws_and_says_how_versions_stand() {
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let (data, gateway) = (home.path().join("data"), library.source("gateway"));
    let program = Program::demo(&data, &[("gateway", gateway.as_str())], &[]);
    let mut reader = program.sign_in(&data, 0);
    let address = format!("/p/gateway/v1.0/file/{MAIN}");
    assert_eq!(reader.get_json(&address).unwrap().status, 200);
    let at = data.to_str().unwrap();
    let refused = run(&["version", "withdraw", "gateway", "v9", "--reason", "x", "--data", at]);
    assert!(said(&refused).contains("has no version v9") && refused.status.code() == Some(1), "{}", said(&refused));
    let done = run(&["version", "withdraw", "gateway", "v1.0", "--reason", "It holds a key.", "--data", at]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(said(&done).contains("refs/tags/v1.0\twithdrawn\n") && said(&done).contains("refs/tags/v1.1\tpublished\n"), "{}", said(&done));
    // The portal that runs heeds it from the next request on.
    assert_eq!(reader.get_json(&address).unwrap().status, 404);
    let again = run(&["version", "withdraw", "gateway", "v1.0", "--reason", "It holds a key.", "--data", at]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    let listed = run(&["version", "list", "gateway", "--data", at]);
    assert!(said(&listed).contains("withdrawn"), "{}", said(&listed));
}
