//! The listing against the entries it is made from, on each database there is.

use std::time::Duration;

use super::super::store::bench;
use super::super::tests::{BEHIND, Bench, context, fill, opened};
use super::super::{Context, Filter, Kind, PathText, Shown, store as log_store};
use super::*;
use crate::clock::Clock as _;

/// Entries with everything that is listed.
async fn various(log: &Log) {
    fill(log, 40).await;
    let shown =
        |path: &str| Shown { product: "tools".into(), path: PathText::of(path.as_bytes()), blob: Some("b".into()), ..Shown::default() };
    let search = opened(3).query("needle").showing([shown("lib/a.c"), shown("nul\0 and \u{e9}"), shown("lib/b.c")]);
    log.append(search, &context()).await.unwrap();
    fill(log, 10).await;
}

async fn in_table(bench: &Bench) -> u64 {
    store::listed(&mut log_store::reader(&bench.database().await).await.unwrap()).await.unwrap()
}

fn by_name(name: &str) -> Filter {
    Filter { person: Some(name.into()), ..Filter::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_exact_the_moment_an_entry_is_durable() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        let database = bench.database().await;
        for n in 1..60 {
            if n % 2 == 0 {
                log.append(opened(n), &context()).await.unwrap();
            } else {
                // Within a transaction of somebody else, of which the task that appends hears nothing.
                let mut tx = database.begin().await.unwrap();
                log.append_in(&mut tx, opened(n), &context()).await.unwrap();
                log_store::commit(tx).await.unwrap();
            }
            assert_eq!(log.count(&Filter::default()).await.unwrap(), n + 1);
            let newest = log.list(&Filter { account: Some(format!("acc_{}", n % 5)), ..Filter::default() }, 1).await.unwrap();
            assert_eq!(newest.entries.first().unwrap().index, n);
        }
        assert_eq!(log.check_listing().await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_listed_when_nobody_appends_and_nobody_asks() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 1200).await;
        while in_table(&bench).await < 1201 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(log.check_listing().await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_append_without_a_pause_do_not_leave_the_listing_behind() {
    let bench = Bench::sqlite();
    let log = bench.open().await;
    let drafts: Vec<_> = (0..500).map(opened).collect();
    for _ in 0..30 {
        log.append_all(drafts.clone(), &context()).await.unwrap();
    }
    assert!(log.shared.behind() <= BEHIND + 1000, "{}", log.shared.behind());
    assert!(in_table(&bench).await >= 15_000 - BEHIND - 1000);
    assert_eq!(log.count(&by_name("ada 3")).await.unwrap(), 3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_listed_when_a_process_ended_is_listed_by_the_next() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        various(&log).await;
        log.close().await;
        drop(log);
        let database = bench.database().await;
        bench::execute(&database, "DELETE FROM log_listing WHERE idx >= 20").await;
        bench::execute(&database, "DELETE FROM log_places").await;
        // Two at once, as on two nodes.
        let (one, two) = (bench.open().await, bench.open().await);
        let everything = Filter::default();
        let counts = tokio::join!(one.count(&everything), two.count(&everything));
        assert_eq!((counts.0.unwrap(), counts.1.unwrap()), (52, 52));
        assert_eq!(two.check_listing().await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_was_changed_is_found_and_made_anew() {
    let changes = [
        ("UPDATE log_listing SET account = 'acc_9' WHERE idx = 7", 7),
        ("UPDATE log_listing SET at = at + 1 WHERE idx = 7", 7),
        ("UPDATE log_listing SET kind = 'signin.failed' WHERE idx = 7", 7),
        ("UPDATE log_listing SET email = NULL WHERE idx = 7", 7),
        ("UPDATE log_listing SET name = 'bob' WHERE idx = 7", 7),
        ("UPDATE log_listing SET agency = NULL WHERE idx = 7", 7),
        ("UPDATE log_listing SET agency_name = 'x' WHERE idx = 7", 7),
        ("UPDATE log_listing SET product = 'tools' WHERE idx = 7", 7),
        ("UPDATE log_listing SET version = NULL WHERE idx = 7", 7),
        ("UPDATE log_listing SET path = 'src/other' WHERE idx = 7", 7),
        ("UPDATE log_listing SET blob = NULL WHERE idx = 7", 7),
        ("UPDATE log_listing SET request = 'req_9' WHERE idx = 7", 7),
        ("UPDATE log_listing SET outcome = 'denied' WHERE idx = 7", 7),
        ("UPDATE log_listing SET entitlement = 'ent_9' WHERE idx = 7", 7),
        ("DELETE FROM log_listing WHERE idx = 7", 7),
        ("DELETE FROM log_places WHERE position = 1", 41),
        ("UPDATE log_places SET path = 'lib/c.c' WHERE position = 0", 41),
        ("UPDATE log_places SET position = 9 WHERE position = 2", 41),
        ("UPDATE log_places SET blob = NULL", 41),
        ("UPDATE log_places SET idx = 42 WHERE position = 2", 41),
        ("INSERT INTO log_places (idx, position, product, path) VALUES (9, 0, 'kernel', 'x')", 9),
        ("INSERT INTO log_places (idx, position, product, path) VALUES (52, 0, 'kernel', 'x')", 52),
    ];
    for bench in Bench::all().await {
        let log = bench.open().await;
        various(&log).await;
        assert_eq!(log.check_listing().await.unwrap(), None);
        let database = bench.database().await;
        for (change, found) in changes {
            assert!(bench::execute(&database, change).await > 0, "{change}");
            assert_eq!(log.check_listing().await.unwrap(), Some(found), "{change}");
            assert_eq!(log.list_anew().await.unwrap(), 52);
            assert_eq!(log.check_listing().await.unwrap(), None, "{change}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_before_it_is_listed_is_erased_from_the_listing_too() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        for round in 0..5 {
            fill(&log, 60).await;
            bench.clock.advance(Duration::from_secs(1));
            // With the entry of the round before, which has an address.
            assert_eq!(log.erase_personal(bench.clock.now(), &context()).await.unwrap(), 60 + u64::from(round > 0));
            assert_eq!(log.count(&by_name("ada")).await.unwrap(), 0);
            assert_eq!(log.check_listing().await.unwrap(), None);
        }
        assert_eq!(log.count(&Filter { kind: Some(Kind::FileOpened), ..Filter::default() }).await.unwrap(), 300);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cannot_be_listed_is_named_and_does_not_stop_the_log() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 5).await;
        log.listed_to(log.size().await.unwrap()).await.unwrap();
        let database = bench.database().await;
        bench::execute(&database, "CREATE TABLE kept AS SELECT entry FROM log_entries WHERE idx = 4").await;
        bench::execute(&database, "UPDATE log_entries SET entry = leaf WHERE idx = 4").await;
        let refused = log.list_anew().await.unwrap_err().to_string();
        assert!(refused.contains("entry 4 "), "{refused}");
        log.append(opened(6), &Context::internal(crate::ids::RequestId::known("req_2"))).await.unwrap();
        assert!(log.count(&Filter::default()).await.is_err());
        // Who was refused holds nothing that others wait for.
        let mut other = database.begin().await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), log_store::lock_head(&mut other)).await.expect("the head is free").unwrap();
        drop(other);
        // It is not tried over and over, but when somebody asks.
        bench::execute(&database, "UPDATE log_entries SET entry = (SELECT entry FROM kept) WHERE idx = 4").await;
        log.append(opened(7), &context()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(in_table(&bench).await, 0, "a batch that holds it is not listed");
        assert_eq!(log.count(&Filter::default()).await.unwrap(), 8);
        assert_eq!(log.check_listing().await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_cannot_be_written_keeps_nobody_waiting() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 5).await;
        assert_eq!(log.count(&Filter::default()).await.unwrap(), 6);
        let database = bench.database().await;
        bench::execute(&database, "ALTER TABLE log_listing RENAME TO log_listing_away").await;
        let mut tx = log.shared.database.begin().await.unwrap();
        log.append_in(&mut tx, opened(6), &context()).await.unwrap();
        log_store::commit(tx).await.unwrap();
        // Told, whether the table or the log that is suspended for it is in the way.
        assert!(log.count(&Filter::default()).await.is_err());
        bench::execute(&database, "ALTER TABLE log_listing_away RENAME TO log_listing").await;
        while log.append(opened(7), &context()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(log.count(&Filter::default()).await.unwrap(), log.size().await.unwrap());
        assert_eq!(log.check_listing().await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_listed_is_neither_erased_nor_said_to_be_listed() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 5).await;
        log.close().await;
        let database = bench.database().await;
        bench::execute(&database, "DELETE FROM log_listing").await;
        bench.clock.advance(Duration::from_secs(1));
        let refused = log.erase_personal(bench.clock.now(), &context()).await;
        assert!(matches!(refused, Err(AuditError::Unavailable(LogUnavailable::Late))), "{refused:?}");
        assert!(log.entry(3).await.unwrap().unwrap().personal.is_some());
        assert!(matches!(log.list_anew().await, Err(AuditError::Unavailable(LogUnavailable::Closed))));
    }
}

/// Erasing, listing and listing anew hold the head: none of them meets another half done, in this process or in one beside it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_lists_waits_for_whoever_holds_the_head() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 5).await;
        assert_eq!(log.count(&Filter::default()).await.unwrap(), 6);
        let database = bench.database().await;
        // In a transaction of somebody else, so that the task that appends and lists does not hear of it.
        let mut tx = log.shared.database.begin().await.unwrap();
        log.append_in(&mut tx, opened(6), &context()).await.unwrap();
        log_store::commit(tx).await.unwrap();
        let lock_it = async || {
            let mut held = database.begin().await.unwrap();
            log_store::lock_head(&mut held).await.unwrap();
            held
        };
        let held = lock_it().await;
        let asking = tokio::spawn({
            let log = log.clone();
            async move { log.count(&Filter::default()).await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(in_table(&bench).await, 6);
        held.rollback().await.unwrap();
        assert_eq!(asking.await.unwrap().unwrap(), 7);
        let held = lock_it().await;
        let anew = tokio::spawn({
            let log = log.clone();
            async move { log.list_anew().await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(in_table(&bench).await, 7);
        held.rollback().await.unwrap();
        assert_eq!(anew.await.unwrap().unwrap(), 7);
        assert_eq!(log.check_listing().await.unwrap(), None);
    }
}
