//! How products are brought in: by schedule, when a host calls, and from hosts that ask who is there.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use lectern::audit::{Filter, Kind};
use lectern::catalog::{Every, Purpose, Settings};
use lectern::clock::Clock;
use lectern::jobs::Figures;
use lectern::queue::Queue;
use sha2::Sha256;

use super::of_kind;
use crate::harness::client::HOST;
use crate::harness::git_host::{self, GitHost};
use crate::harness::library::Library;
use crate::harness::process::{run, said};
use crate::harness::{Backend, Client, DAY, HOUR, Portal, on_both};

on_both! {
    a_schedule_asks_at_its_instants_and_once
    a_webhook_has_the_product_fetched_by_whoever_knows_its_secret
    a_caller_is_held_back_whatever_it_calls
    credentials_open_a_host_and_are_never_shown
    what_is_done_is_told_while_it_is_done
    a_failure_is_told_with_its_cause_and_tried_again
}

const SETTINGS: &str = "/admin/products/gateway/settings";
const INSTANT: Duration = Duration::from_micros(1);

async fn a_schedule_asks_at_its_instants_and_once(backend: Backend) {
    let portal = Portal::start(backend).await;
    let product = portal.rooms.catalog.product("gateway").await.unwrap().unwrap();
    let by = portal.desk(&portal.administrators[0]).await;
    let set = async |every| {
        let settings = Settings { every, ..Settings::default() };
        portal.rooms.catalog.change_settings(&product, &settings, &by.step_up, &portal.context()).await.unwrap();
    };
    let synced = async || {
        portal.rooms.jobs.work_off().await.unwrap();
        of_kind(&portal, Kind::MirrorSynced).await.iter().filter(|entry| entry.place.as_ref().unwrap().product == "gateway").count()
    };
    let begin = portal.clock.now();
    set(Every::minutes(60)).await;
    assert_eq!(synced().await, 1);
    for (nth, hours) in [(1, 1), (2, 2), (3, 3)] {
        portal.clock.set(begin.plus(hours * HOUR).minus(INSTANT));
        assert_eq!(synced().await, nth);
        portal.clock.set(begin.plus(hours * HOUR));
        // Two processes that look at the same moment ask once.
        let (one, other) = tokio::join!(portal.rooms.catalog.ask_for_what_is_due(), portal.rooms.catalog.ask_for_what_is_due());
        assert!(one.unwrap() != other.unwrap());
        assert_eq!(synced().await, nth + 1);
        assert_eq!(synced().await, nth + 1);
    }
    // What somebody asked for meanwhile counts, too.
    portal.clock.advance(HOUR / 2);
    portal.rooms.jobs.request_sync(&product).await.unwrap();
    assert_eq!(synced().await, 5);
    portal.clock.advance(HOUR / 2);
    assert_eq!(synced().await, 5);
    portal.clock.advance(HOUR / 2);
    assert_eq!(synced().await, 6);
    set(None).await;
    portal.clock.advance(9 * DAY);
    assert_eq!(synced().await, 6);
    let changed = of_kind(&portal, Kind::ProductChanged).await;
    assert_eq!(changed.last().unwrap().facts["before"], serde_json::json!({"synchronised": "every hour"}));
    assert_eq!(changed.last().unwrap().facts["after"], serde_json::json!({"synchronised": "when asked"}));
}

fn call(product: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::post(format!("/hooks/{product}")).header(header::HOST, HOST).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

/// Makes a secret through the page, which shows it this once.
async fn make_secret(administrator: &Client) -> String {
    let page = administrator.post("/admin/products/gateway/webhook", &[]).await.is(200).text();
    let secret = regex::Regex::new(r">([0-9a-f]{64})<").unwrap().captures(&page).unwrap()[1].to_owned();
    assert!(page.contains("/hooks/gateway"));
    secret
}

async fn a_webhook_has_the_product_fetched_by_whoever_knows_its_secret(backend: Backend) {
    let portal = Portal::start(backend).await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    let host = portal.stranger();
    let body = r#"{"ref":"refs/tags/v3.0","padding":"é"}"#;
    let synced = async || {
        portal.rooms.jobs.work_off().await.unwrap();
        of_kind(&portal, Kind::MirrorSynced).await.len()
    };
    let before = synced().await;
    let unknown = host.send(call("no-such-product", &[("x-gitlab-token", "x")], body)).await.is(404);
    let refused = async |headers: &[(&str, &str)], body: &str| {
        assert_eq!(host.send(call("gateway", headers, body)).await.essence(), unknown.essence(), "{headers:?}");
    };
    // Where no secret was made there is no webhook, whatever is shown.
    refused(&[("x-gitlab-token", "")], body).await;
    refused(&[("x-hub-signature-256", &signature("", body))], body).await;
    let secret = make_secret(&administrator).await;
    refused(&[], body).await;
    refused(&[("x-gitlab-token", "x")], body).await;
    refused(&[("x-hub-signature-256", &signature("x", body))], body).await;
    refused(&[("x-hub-signature-256", &signature(&secret, "other"))], body).await;
    assert_eq!(synced().await, before);
    host.send(call("gateway", &[("x-hub-signature-256", &signature(&secret, body))], body)).await.is(202);
    // Many calls are one fetch.
    host.send(call("gateway", &[("x-hub-signature-256", &signature(&secret, body))], body)).await.is(202);
    assert_eq!(synced().await, before + 1);
    host.send(call("gateway", &[("x-gitlab-token", &secret)], "")).await.is(202);
    assert_eq!(synced().await, before + 2);
    host.send(call("ledger", &[("x-gitlab-token", &secret)], "")).await.is(404);
    // It is not shown again, another takes its place, and one that is removed opens nothing.
    assert!(!administrator.get(SETTINGS).await.is(200).text().contains(&secret));
    let other = make_secret(&administrator).await;
    assert_ne!(secret, other);
    refused(&[("x-gitlab-token", &secret)], body).await;
    host.send(call("gateway", &[("x-gitlab-token", &other)], "")).await.is(202);
    assert_eq!(synced().await, before + 3);
    administrator.post("/admin/products/gateway/webhook/remove", &[]).await.is(303);
    refused(&[("x-gitlab-token", &other)], body).await;
    assert_eq!(synced().await, before + 3);
    let changed = of_kind(&portal, Kind::ProductChanged).await;
    let told: Vec<&str> = changed.iter().map(|entry| entry.facts["after"]["webhook"].as_str().unwrap()).collect();
    assert_eq!((told.len(), told[2]), (3, "none"));
    assert!(told[0].starts_with("secret ") && told[1].starts_with("secret ") && told[0] != told[1], "{told:?}");
    assert_eq!(changed[1].facts["before"]["webhook"], told[0]);
    is_nowhere(&portal, &[&secret, &other]).await;
}

async fn a_caller_is_held_back_whatever_it_calls(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let host = portal.stranger();
    let mut statuses = Vec::new();
    for n in 0..40 {
        let answer = host.send(call(if n % 2 == 0 { "gateway" } else { "nothing" }, &[], "")).await;
        statuses.push(answer.status.as_u16());
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
        }
    }
    assert!(statuses.starts_with(&[404; 30]) && statuses[30..].iter().all(|status| *status == 429), "{statuses:?}");
    let mut elsewhere = portal.stranger();
    elsewhere.address = "192.0.2.8:5000";
    elsewhere.send(call("gateway", &[], "")).await.is(404);
    portal.clock.advance(Duration::from_secs(2));
    host.send(call("gateway", &[], "")).await.is(404);
}

/// None of these stands in an entry, its personal part, or anything that a table holds.
async fn is_nowhere(portal: &Portal, secrets: &[&str]) {
    for entry in portal.entries(Filter::default()).await {
        let whole = format!("{}{:?}", String::from_utf8_lossy(&entry.bytes), entry.personal);
        assert!(secrets.iter().all(|secret| !whole.contains(secret)), "{whole}");
    }
    let mut snapshot = portal.rooms.log.snapshot().await.unwrap().0;
    for table in snapshot.tables().await.unwrap() {
        let mut take = |row: &[lectern::database::Cell]| {
            let text = row.iter().map(|cell| match cell {
                lectern::database::Cell::Text(text) => text.clone(),
                lectern::database::Cell::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                _ => String::new(),
            });
            let text: String = text.collect();
            assert!(secrets.iter().all(|secret| !text.contains(secret)), "{}: {text}", table.name);
            Ok(())
        };
        snapshot.rows(&table, &mut take).await.unwrap();
    }
}

async fn credentials_open_a_host_and_are_never_shown(backend: Backend) {
    if !git_host::is_there() {
        return;
    }
    let portal = Portal::bare(backend).await;
    let root = Path::new(&portal.library.source("gateway")).parent().unwrap().to_owned();
    let (wrong, right) = ("hunter-the-second", "hunter-the-third");
    let host = GitHost::start(&root, "fetcher", right);
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    let source = format!("http://fetcher:{wrong}@{}/gateway.git", host.address);
    let fields = [("name", "gateway"), ("title", "The gateway"), ("source", source.as_str()), ("tags", "v*"), ("branches", "")];
    administrator.post("/admin/products/new", &fields).await.is(303);
    let product = portal.rooms.catalog.product("gateway").await.unwrap().unwrap();
    assert_eq!(product.source, format!("http://{}/gateway.git", host.address));
    let created = of_kind(&portal, Kind::ProductCreated).await.remove(0);
    assert_eq!((&created.facts["credentials"], &created.facts["source"]), (&"token of fetcher".into(), &product.source.clone().into()));
    portal.rooms.jobs.work_off().await.unwrap();
    let page = administrator.get("/admin/products/gateway").await.is(200).text();
    assert!(page.contains("did not accept the credentials given") && page.contains("token of fetcher"), "{page}");

    for (token, says) in [("", "Write the access token"), ("a\nb", "in one line")] {
        let answer = administrator.post("/admin/products/gateway/credentials", &[("user", "fetcher"), ("token", token)]).await.is(422);
        assert!(answer.text().contains(says), "{}", answer.text());
    }
    administrator.post("/admin/products/gateway/credentials", &[("user", "fetcher"), ("token", right)]).await.is(303);
    administrator.post("/admin/products/gateway/sync", &[]).await.is(303);
    portal.rooms.jobs.work_off().await.unwrap();
    let product = portal.rooms.catalog.product("gateway").await.unwrap().unwrap();
    assert_eq!(product.problem, None);
    assert_eq!(portal.rooms.catalog.versions(&product.id).await.unwrap().len(), 3);
    let kept = portal.rooms.catalog.secret("gateway", Purpose::Credentials).await.unwrap().unwrap();
    assert!(kept.reveal().contains(right) && format!("{kept:?}") == "Secret");

    administrator.post("/admin/products/gateway/credentials/remove", &[]).await.is(303);
    administrator.post("/admin/products/gateway/sync", &[]).await.is(303);
    portal.rooms.jobs.work_off().await.unwrap();
    let page = administrator.get("/admin/products/gateway").await.is(200).text();
    assert!(page.contains("give a user name and an access token"), "{page}");
    let changed = of_kind(&portal, Kind::ProductChanged).await;
    let told = |name: &str| changed.iter().map(|entry| entry.facts[name]["credentials"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((told("before"), told("after")), (vec!["token of fetcher"; 2], vec!["token of fetcher", "none"]));
    for place in ["/", "/admin/products", "/admin/products/gateway", SETTINGS] {
        let text = administrator.get(place).await.is(200).text();
        assert!(!text.contains(wrong) && !text.contains(right), "{place}");
    }
    is_nowhere(&portal, &[wrong, right]).await;
    // Without their key nothing that is kept opens, and the page says what to do.
    administrator.post("/admin/products/gateway/credentials", &[("user", "fetcher"), ("token", right)]).await.is(303);
    std::fs::remove_file(portal.rooms.config.keys().join("mirrors.key")).unwrap();
    administrator.post("/admin/products/gateway/sync", &[]).await.is(303);
    portal.rooms.jobs.work_off().await.unwrap();
    let page = administrator.get("/admin/products/gateway").await.is(200).text();
    assert!(page.contains("mirrors.key, is missing"), "{page}");
}

async fn what_is_done_is_told_while_it_is_done(backend: Backend) {
    let portal = Portal::start(backend).await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    let (page, events) = ("/admin/products/gateway", "/admin/products/gateway/progress");
    let over = administrator.get(events).await.is(200);
    assert_eq!(over.header("content-type"), "text/event-stream");
    assert!(over.text().contains(r#"{"over":true}"#), "{}", over.text());
    assert!(!administrator.get(page).await.text().contains("data-progress="));
    administrator.post("/admin/products/gateway/sync", &[]).await.is(303);
    let waiting = administrator.get(page).await.is(200).text();
    assert!(waiting.contains("It waits to be taken up.") && waiting.contains("See how it stands now"), "{waiting}");
    // As the process that works on it keeps it, which need not be this one.
    let queue = Queue::new(portal.rooms.database.clone(), portal.rooms.clock.clone(), portal.rooms.entropy.clone());
    let job = queue.claim().await.unwrap().unwrap();
    assert!(administrator.get(page).await.text().contains("It has begun."));
    let figures = Figures { words: "indexing".to_owned(), done: 1_200, total: 30_492, unit: "files".to_owned(), bytes: 2_000 };
    queue.note_progress(&job, &serde_json::to_string(&figures).unwrap()).await.unwrap();
    let says = "Indexing: 1,200 of 30,492 files, 2.0 KB.";
    assert!(administrator.get(page).await.is(200).text().contains(says));
    let told = administrator.get(events).await.is(200).text();
    assert!(told.contains(says) && told.contains(r#""percent":3"#) && !told.contains("over"), "{told}");
    queue.done(&job).await.unwrap();
    assert!(administrator.get(events).await.text().contains("over"));
    let page = administrator.get(page).await.is(200).text();
    assert!(page.contains("On disk") && !page.contains(">0 bytes mirror"), "{page}");
}

async fn a_failure_is_told_with_its_cause_and_tried_again(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    let source = portal.rooms.config.data.join("later.git").display().to_string();
    let fields = [("name", "gateway"), ("title", "The gateway"), ("source", source.as_str()), ("tags", "v*"), ("branches", "")];
    administrator.post("/admin/products/new", &fields).await.is(303);
    portal.rooms.jobs.work_off().await.unwrap();
    for place in ["/admin/products/gateway", "/"] {
        let text = administrator.get(place).await.is(200).text();
        assert!(text.contains("nothing is at") && text.contains("later.git"), "{text}");
    }
    let page = administrator.get("/admin/products/gateway").await.text();
    assert!(page.contains("Try again now") && page.contains("is tried again by itself after"), "{page}");
    // It is not tried before its time, unless somebody asks.
    copy(Path::new(&portal.library.source("gateway")), Path::new(&source));
    portal.rooms.jobs.work_off().await.unwrap();
    assert!(of_kind(&portal, Kind::MirrorSynced).await.is_empty());
    administrator.post("/admin/products/gateway/sync", &[]).await.is(303);
    portal.rooms.jobs.work_off().await.unwrap();
    assert_eq!(of_kind(&portal, Kind::MirrorSynced).await.len(), 1);
    let page = administrator.get("/admin/products/gateway").await.is(200).text();
    assert!(page.contains("Synchronise now") && !page.contains("nothing is at"), "{page}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_backup_carries_what_is_sealed_and_not_its_key() {
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let (data, backup) = (home.path().join("data"), home.path().join("backup"));
    let (out, gateway) = (backup.to_str().unwrap(), library.source("gateway"));
    let config = home.path().join("lectern.toml");
    std::fs::write(&config, format!("data = {:?}\nlisten = \"127.0.0.1:0\"\n", data.display().to_string())).unwrap();
    let at = config.to_str().unwrap();
    let made = run(&["init", "--config", at, "--administrators", "a@x.example", "b@x.example"]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let added = run(&["mirror", "add", "gateway", &gateway, "--config", at]);
    assert_eq!(added.status.code(), Some(0), "{}", said(&added));
    // Port 1 of this computer: nothing listens.
    let added = run(&["mirror", "add", "other", "http://fetcher:hunter2@127.0.0.1:1/other.git", "--config", at]);
    assert!(added.status.code() == Some(1) && !said(&added).contains("hunter2"), "{}", said(&added));
    let listed = run(&["mirror", "list", "--config", at]);
    assert!(said(&listed).contains("other\thttp://127.0.0.1:1/other.git") && !said(&listed).contains("hunter2"), "{}", said(&listed));
    let taken = run(&["backup", "--out", out, "--config", at]);
    assert!(said(&taken).contains("Nor is keys/mirrors.key"), "{}", said(&taken));
    assert!(data.join("keys/mirrors.key").exists() && !backup.join("data/keys/mirrors.key").exists());
    let rows = std::fs::read_to_string(backup.join("tables/mirror_secrets.jsonl")).unwrap();
    assert!(rows.lines().count() == 2 && rows.contains("token of fetcher") && !rows.contains("hunter2"), "{rows}");
}
