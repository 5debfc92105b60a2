//! Promise 1 when nothing can be written: 503 and no source, and everything goes on by itself when it can be again.

use std::time::Duration;

use lectern::audit::Health;
use sqlx::Executor;

use crate::harness::library::{LOGO, MAIN, SEED, SUBMODULE};
use crate::harness::{Backend, Portal, canaries_in, on_both};

on_both! {
    no_entry_no_source
    what_cannot_be_recorded_is_not_done
    an_answer_in_parts_ends_where_it_cannot_be_recorded
}

/// A disk that fails, as its server reports it: no source until a restart, which finds everything that was acknowledged. What SQLite
/// reports cannot be had without a disk that fails; its codes are told apart beside the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failure_of_storage_nothing_is_shown_until_a_restart() {
    if !crate::harness::postgres::is_there() {
        return;
    }
    let portal = Portal::start(Backend::Postgres).await;
    let reader = portal.reader().await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    let page = format!("/p/gateway/v2.0/file/{MAIN}");
    let receipt = reader.get_json(&page).await.is(200).json()["receipt"].clone();
    let signed = reader.get("/transparency/checkpoint").await.is(200).text();
    let pool = portal.rooms.database.pool();
    let fails = "CREATE FUNCTION fails() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'could not fsync file' USING ERRCODE = '58030'; END $$ LANGUAGE plpgsql";
    pool.execute(fails).await.unwrap();
    pool.execute("CREATE TRIGGER fails BEFORE INSERT ON log_entries FOR EACH ROW EXECUTE FUNCTION fails()").await.unwrap();
    reader.get(&page).await.is(503);
    // The disk seems well again, and that is not believed.
    pool.execute("DROP FUNCTION fails() CASCADE").await.unwrap();
    assert!(matches!(portal.rooms.log.health(), Health::Poisoned { .. }), "{:?}", portal.rooms.log.health());
    for address in [page.as_str(), "/p/gateway/v2.0/tree/", "/search?q=strcpy"] {
        let refused = reader.get(address).await.is(503);
        assert!(canaries_in(&refused.body).is_empty(), "{address}");
    }
    let stranger = portal.stranger();
    stranger.get("/healthz").await.is(200);
    let ready = stranger.get("/readyz").await.is(503).text();
    assert!(ready.contains("until a restart") && ready.contains("check the disk") && !ready.contains("fsync"), "{ready}");
    let door = stranger.get("/sign-in").await.is(200).text();
    assert!(door.contains("Reading is suspended") && !door.contains("fsync"), "{door}");
    let desk = administrator.get("/").await.is(200).text();
    assert!(desk.contains("could not fsync file") && desk.contains("restart the portal"), "{desk}");
    assert_eq!(reader.get("/transparency/checkpoint").await.is(200).text(), signed, "nothing more is signed");

    assert_eq!(portal.what_is_wrong().await.len(), 1, "only that the log is not open");
    portal.do_not_check();
    let restarted = portal.beside(|_| {}).await;
    restarted.get("/readyz").await.is(200);
    let index = receipt["index"].as_u64().unwrap();
    assert_eq!(portal.rooms.log.entry(index).await.unwrap().unwrap().kind, lectern::audit::Kind::FileOpened);
    let mut restarted = restarted;
    restarted.sign_in(&portal.administrators[0]).await.is(303);
}

/// What a full database cannot take any more.
const TABLES: [&str; 3] = ["log_entries", "log_head", "entitlements"];

/// Makes every further write fail, as a full disk does: whichever connection it comes from.
pub(crate) async fn fill(portal: &Portal) {
    let pool = portal.rooms.database.pool();
    if portal.backend == Backend::Postgres {
        let raise =
            "CREATE FUNCTION no_room() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'no space left on device'; END $$ LANGUAGE plpgsql";
        pool.execute(raise).await.unwrap();
    }
    for table in TABLES {
        for change in ["INSERT", "UPDATE"] {
            let head = format!("CREATE TRIGGER no_room_{table}_{change} BEFORE {change} ON {table} FOR EACH ROW");
            let text = match portal.backend {
                Backend::Sqlite => format!("{head} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"),
                Backend::Postgres => format!("{head} EXECUTE FUNCTION no_room()"),
            };
            pool.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
        }
    }
}

/// Makes every entry fail from this one on.
async fn fill_from(portal: &Portal, index: u64) {
    let pool = portal.rooms.database.pool();
    let texts = match portal.backend {
        Backend::Sqlite => vec![format!(
            "CREATE TRIGGER no_room_from BEFORE INSERT ON log_entries FOR EACH ROW WHEN NEW.idx >= {index}
             BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )],
        Backend::Postgres => vec![
            format!(
                "CREATE FUNCTION no_room_from() RETURNS trigger AS $$ BEGIN
                 IF NEW.idx >= {index} THEN RAISE EXCEPTION 'no space left on device'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql"
            ),
            "CREATE TRIGGER no_room_from BEFORE INSERT ON log_entries FOR EACH ROW EXECUTE FUNCTION no_room_from()".to_owned(),
        ],
    };
    for text in texts {
        pool.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
    }
}

async fn make_room_again(portal: &Portal) {
    let text = match portal.backend {
        Backend::Sqlite => "DROP TRIGGER no_room_from",
        Backend::Postgres => "DROP FUNCTION no_room_from() CASCADE",
    };
    portal.rooms.database.pool().execute(text).await.unwrap();
    until_open(portal).await;
}

pub(crate) async fn make_room(portal: &Portal) {
    let pool = portal.rooms.database.pool();
    if portal.backend == Backend::Postgres {
        pool.execute("DROP FUNCTION no_room() CASCADE").await.unwrap();
        return;
    }
    for table in TABLES {
        for change in ["INSERT", "UPDATE"] {
            pool.execute(sqlx::AssertSqlSafe(format!("DROP TRIGGER no_room_{table}_{change}"))).await.unwrap();
        }
    }
}

/// The log tries again by itself; how soon is not what is tested.
pub(crate) async fn until_open(portal: &Portal) {
    for _ in 0..1_200 {
        if portal.rooms.log.health() == Health::Open {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the log did not open again: {:?}", portal.rooms.log.health());
}

async fn no_entry_no_source(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let auditor = portal.sign_in(&portal.auditor).await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    reader.get(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200);
    let size = portal.rooms.log.size().await.unwrap();
    let checkpoint = reader.get("/transparency/checkpoint").await.is(200).text();
    assert!(!checkpoint.is_empty());
    fill(&portal).await;
    reader.get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(503);

    let mut pages = vec!["/search?q=strcpy".to_owned(), "/search?q=CANARY".to_owned()];
    pages.extend(["", "src", "secret"].map(|path| format!("/p/gateway/v2.0/tree/{path}")));
    pages.extend([MAIN, SEED, LOGO, SUBMODULE, "README.md"].map(|path| format!("/p/gateway/v2.0/file/{path}")));
    pages.push(format!("/p/gateway/v2.0/image/{LOGO}"));
    // A refusal, too, is answered only when it is recorded.
    pages.push("/p/gateway/v2.0/file/never/there.c".to_owned());
    pages.push("/p/no-such-product".to_owned());
    pages.push("/audit/export".to_owned());
    for page in &pages {
        let html = reader.get(page).await.is(503);
        let json = reader.get_json(page).await.is(503);
        assert_eq!(json.json()["error"]["code"], "unrecordable", "{page}");
        assert!(canaries_in(&html.body).is_empty() && canaries_in(&json.body).is_empty(), "{page}");
        for hidden in ["socket_open.c", "hsm_seed", "return"] {
            assert!(page.contains(hidden) || !html.text().contains(hidden), "{hidden} shows at {page}");
        }
    }
    auditor.get("/audit").await.is(503);

    // What needs no entry stays alive, and says how things are.
    let stranger = portal.stranger();
    let door = stranger.get("/sign-in").await.is(200).text();
    assert!(door.contains("Reading is suspended: the record cannot be written"), "{door}");
    stranger.get("/healthz").await.is(200);
    let ready = stranger.get("/readyz").await.is(503).text();
    assert!(ready.starts_with("not ready: since 2027-02-03T09:30:00") && ready.contains("opens by itself"), "{ready}");
    assert!(ready.contains("what to do: make room on the disk"), "{ready}");
    // Anyone may ask, so neither says what the database said.
    for text in [&door, &ready] {
        assert!(!text.contains("no_room") && !text.contains("disk is full") && !text.contains("no space left"), "{text}");
    }
    // Those who run the portal are told.
    let desk = administrator.get("/").await.is(200).text();
    assert!(desk.contains("Reading is suspended. since 2027-02-03T09:30:00") && desk.contains("Found: "), "{desk}");
    assert!(desk.contains("disk is full") || desk.contains("no space left"), "{desk}");
    stranger.get("/transparency/key").await.is(200);
    assert!(stranger.get("/metrics").await.is(200).text().contains("lectern_log_open 0"));

    make_room(&portal).await;
    until_open(&portal).await;
    for page in &pages[..pages.len() - 3] {
        reader.get(page).await.is(200);
    }
    reader.get("/p/no-such-product").await.is(404);
    auditor.get("/audit").await.is(200);
    stranger.get("/readyz").await.is(200);
    assert!(!stranger.get("/sign-in").await.is(200).text().contains("suspended"));
    assert!(!administrator.get("/").await.is(200).text().contains("suspended"));
    let again = reader.get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200).json();
    assert!(again["receipt"]["index"].as_u64().unwrap() >= size);
}

async fn what_cannot_be_recorded_is_not_done(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let agency = portal.agency().await;
    let grant = portal.propose(&agency, &crate::harness::Grant::of("ledger")).await;
    let administrator = portal.sign_in(&portal.administrators[1]).await;
    let csrf = administrator.csrf().await;
    let seen = administrator.look(&format!("/admin/grants/{grant}")).await;
    let person = portal.unnamed(&agency).await;
    fill(&portal).await;
    reader.get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(503);

    let answer = administrator.post_with(&format!("/admin/grants/{grant}/approve"), &csrf, &[("seen", &seen)]).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    // What a grant opens is recorded before it is shown, so it is not shown.
    let page = administrator.get(&format!("/admin/grants/{grant}")).await.is(503);
    assert!(!page.text().contains("secret"), "{}", page.text());
    let fields = [
        ("agreement", agency.agreement.as_str()),
        ("product", "gateway"),
        ("versions", "*"),
        ("from", "2027-02-03"),
        ("until", "2027-03-31"),
        ("purpose", "review"),
        ("act", "preview"),
    ];
    let form = administrator.post_with("/admin/grants/new", &csrf, &fields).await.is(503);
    assert!(!form.text().contains("secret"), "{}", form.text());
    let mut stranger = portal.stranger();
    let answer = stranger.sign_in(&person).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    stranger.get("/").await.is(303);

    make_room(&portal).await;
    until_open(&portal).await;
    let lines = portal.rooms.entitlements.list().await.unwrap();
    let line = lines.iter().find(|line| line.entitlement.id == grant).unwrap();
    assert_eq!(line.entitlement.state, lectern::entitlements::State::Proposed);
    administrator.post_with(&format!("/admin/grants/{grant}/approve"), &csrf, &[("seen", &seen)]).await.is(303);
    let mut stranger = portal.stranger();
    stranger.sign_in(&person).await.is(303);
    stranger.get("/").await.is(200);
}

async fn an_answer_in_parts_ends_where_it_cannot_be_recorded(backend: Backend) {
    let portal = Portal::with(backend, |config| {
        config.search.stream_after = Duration::ZERO;
        config.search.count_bytes = 1;
    })
    .await;
    portal.bring("gateway").await;
    let person = portal.reviewer(&[crate::harness::Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    reader.get("/search?q=CANARY").await.is(200);
    // The first part can be recorded, the second cannot.
    fill_from(&portal, portal.rooms.log.size().await.unwrap() + 1).await;
    let answer = reader.get("/search?q=CANARY").await.is(200);
    let page = answer.text();
    assert!(page.contains("The search broke off.") && page.contains("The record cannot be written"), "{page}");
    let shown = canaries_in(&answer.body).len();
    assert!((1..20).contains(&shown), "{shown} were shown");
    assert!(!page.contains("class=\"facets\"") && page.trim_end().ends_with("</html>"), "{page}");
    make_room_again(&portal).await;

    fill_from(&portal, portal.rooms.log.size().await.unwrap() + 1).await;
    for format in ["csv", "jsonl"] {
        let answer = reader.get(&format!("/search/export?format={format}&q=CANARY%20version:all")).await;
        if format == "csv" {
            assert!(answer.broken && answer.status == 200, "{} {}", answer.status, answer.text());
            assert!(!answer.text().contains("\r\nend,"));
            assert!(!canaries_in(&answer.body).is_empty());
        } else {
            // Now not even the first part can be recorded.
            assert_eq!((answer.status.as_u16(), canaries_in(&answer.body).len()), (503, 0));
        }
    }
    reader.get("/search?q=strcpy").await.is(503);
    reader.get_json("/search/suggest?q=path:src").await.is(503);
    make_room_again(&portal).await;
    let answer = reader.get("/search/export?format=csv&q=CANARY%20version:all").await.is(200);
    assert!(!answer.broken && answer.text().contains("\r\nend,"));
}
