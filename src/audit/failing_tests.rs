//! A log whose storage fails, and what a start makes of what it finds.

use std::fs;

use super::store::bench;
use super::tests::{Bench, ORIGIN, context, fill, opened};
use super::*;
use crate::database::{Kind as DatabaseKind, coded};

fn failure(code: &'static str) -> AuditError {
    AuditError::Database(coded::error(code))
}

/// 1034 is `SQLITE_IOERR_FSYNC`.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_appended_or_signed_until_a_restart() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 10).await;
        let signed = log.checkpoint().await.unwrap();
        log.shared.suspend(&failure("1034"));
        let Health::Poisoned { since, why } = log.health() else { panic!("{:?}", log.health()) };
        assert!(why.contains("1034"), "{why}");
        let told = log.health().alarm().unwrap().to_string();
        assert!(told.starts_with(&format!("since {since}: storage failed under the audit log")), "{told}");
        assert!(told.contains("Found: the database failed") && told.contains("check the disk"), "{told}");
        // Nothing it could try again would prove anything: a later error does not make it milder either.
        log.shared.suspend(&failure("13"));
        assert!(matches!(log.append(opened(1), &context()).await, Err(LogUnavailable::Suspended(_))));
        let mut tx = log.shared.database.begin().await.unwrap();
        assert!(log.append_in(&mut tx, opened(1), &context()).await.is_err());
        tx.rollback().await.unwrap();
        // Another process goes on; this one signs nothing of that, for it cannot tell what is on disk.
        let other = bench.open().await;
        other.append(opened(2), &context()).await.unwrap();
        assert_eq!(log.checkpoint().await.unwrap(), signed);
        assert!(matches!(log.health(), Health::Poisoned { .. }));
        log.close().await;
        assert!(matches!(log.health(), Health::Poisoned { .. }), "and it is not forgotten");
        drop((log, other));
        assert_eq!(bench.open().await.append(opened(3), &context()).await.unwrap().index, 12);
    }
}

/// What the sequencer itself meets: here a server can be made to say anything.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_of_its_disk_is_heard() {
    for bench in Bench::all().await {
        let database = bench.database().await;
        if database.kind() == DatabaseKind::Sqlite {
            continue;
        }
        for (code, poisons) in [("58030", true), ("XX001", true), ("53100", false)] {
            let log = bench.open().await;
            let size = log.size().await.unwrap();
            let raise = format!(
                "CREATE OR REPLACE FUNCTION fails() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'the disk' USING ERRCODE = '{code}'; END $$ LANGUAGE plpgsql"
            );
            bench::execute(&database, &raise).await;
            bench::execute(&database, "CREATE TRIGGER fails BEFORE INSERT ON log_entries FOR EACH ROW EXECUTE FUNCTION fails()").await;
            assert!(log.append(opened(1), &context()).await.is_err());
            assert_eq!(matches!(log.health(), Health::Poisoned { .. }), poisons, "{code}: {:?}", log.health());
            bench::execute(&database, "DROP TRIGGER fails ON log_entries").await;
            if !poisons {
                while log.health() != Health::Open {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            assert_eq!(log.append(opened(1), &context()).await.is_err(), poisons, "{code}");
            drop(log);
            let log = bench.open().await;
            assert_eq!(log.append(opened(1), &context()).await.unwrap().index, size + u64::from(!poisons));
        }
    }
}

/// Entries of other rooms' transactions are committed by them.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_another_room_that_fails_in_storage_poisons_the_log() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        let database = log.shared.database.clone();
        if database.kind() == DatabaseKind::Sqlite {
            continue;
        }
        let raise = "CREATE FUNCTION fails() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'the disk' USING ERRCODE = '58030'; END $$ LANGUAGE plpgsql";
        bench::execute(&database, raise).await;
        let at_commit = "CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON log_entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fails()";
        bench::execute(&database, at_commit).await;
        let mut tx = database.begin().await.unwrap();
        log.append_in(&mut tx, opened(1), &context()).await.unwrap();
        assert_eq!((log.health(), database.fault()), (Health::Open, None));
        tx.commit().await.unwrap_err();
        assert!(matches!(log.health(), Health::Poisoned { .. }), "{:?}", log.health());
        bench::execute(&database, "DROP TRIGGER fails ON log_entries").await;
        assert!(log.append(opened(1), &context()).await.is_err());
        drop(log);
        assert_eq!(bench.open().await.append(opened(1), &context()).await.unwrap().index, 1);
    }
}

/// What has nothing to do with the log, but is kept on the same disk.
#[tokio::test(flavor = "multi_thread")]
async fn any_write_that_fails_in_storage_poisons_the_log() {
    const WRITE: &str = "INSERT INTO sign_in_attempts (subject, failures, last_at, not_before) VALUES ('a', 1, 1, 1)";
    for bench in Bench::all().await {
        let log = bench.open().await;
        let database = log.shared.database.clone();
        bench::write(&database, WRITE).await.unwrap();
        // A refusal is none.
        bench::write(&database, WRITE).await.unwrap_err();
        assert_eq!((log.health(), database.fault()), (Health::Open, None));
        if database.kind() == DatabaseKind::Sqlite {
            continue;
        }
        let raise = "CREATE FUNCTION fails() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'the disk' USING ERRCODE = '58030'; END $$ LANGUAGE plpgsql";
        bench::execute(&database, raise).await;
        bench::execute(&database, "CREATE TRIGGER fails BEFORE INSERT ON sign_in_attempts FOR EACH ROW EXECUTE FUNCTION fails()").await;
        bench::write(&database, WRITE).await.unwrap_err();
        assert!(matches!(log.append(opened(1), &context()).await, Err(LogUnavailable::Suspended(_))));
        assert!(matches!(log.health(), Health::Poisoned { why, .. } if why.contains("the disk")));
        // A log that is broken besides says so: that is the worse of the two.
        log.shared.suspend(&opening::refuse("it was changed".into()));
        assert!(matches!(log.health(), Health::Broken { .. }));
    }
}

/// A log of 600 entries whose head, as it was at 300, is kept in another table; then changed by these statements. What a start
/// says of it.
async fn found(statements: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 299).await;
        let database = bench.database().await;
        bench::execute(&database, "CREATE TABLE head_then AS SELECT * FROM log_head").await;
        fill(&log, 300).await;
        log.close().await;
        drop(log);
        for statement in statements {
            bench::execute(&database, statement).await;
        }
        match bench.try_open().await {
            Err(AuditError::Inconsistent { found: what, remedy }) => {
                assert!(remedy.contains("restore") || remedy.contains("Put that file back"), "{remedy}");
                found.push(what);
            }
            other => panic!("{statements:?}: {other:?}"),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_whole_in_itself_but_older_or_other_is_refused() {
    const HEAD_THEN: &str = "UPDATE log_head SET size = (SELECT size FROM head_then), root = (SELECT root FROM head_then), \
                             frontier = (SELECT frontier FROM head_then)";
    const SWAP: [&str; 3] = [
        "UPDATE log_entries SET idx = 9999 WHERE idx = 590",
        "UPDATE log_entries SET idx = 590 WHERE idx = 591",
        "UPDATE log_entries SET idx = 591 WHERE idx = 9999",
    ];
    const SWAP_BELOW: [&str; 3] = [
        "UPDATE log_entries SET idx = 9999 WHERE idx = 90",
        "UPDATE log_entries SET idx = 90 WHERE idx = 91",
        "UPDATE log_entries SET idx = 91 WHERE idx = 9999",
    ];
    let cases: [(&[&str], &str); 7] = [
        // An older state of the database, every part of which fits the others.
        (
            &["DELETE FROM log_entries WHERE idx >= 300", "DELETE FROM log_tree WHERE n >= 1", HEAD_THEN],
            "the log has 300 entries, but a checkpoint over 600 was signed: its end is missing, or an older copy was put in its place",
        ),
        // The tail with its tree nodes, and the head left as it was.
        (&["DELETE FROM log_entries WHERE idx >= 300", "DELETE FROM log_tree WHERE n >= 1"], "the entry 300 is missing"),
        // The head alone.
        (&[HEAD_THEN], "the log has 300 entries, but a checkpoint over 600 was signed"),
        // Two entries in each other's place, each with the hash that belongs to it.
        (&SWAP, "an entry was changed after it was signed"),
        (&SWAP_BELOW, "the stored hashes 0 to"),
        // More than the head says.
        (
            &["INSERT INTO log_entries (idx, leaf, entry) SELECT 600, leaf, entry FROM log_entries WHERE idx = 599"],
            "there is an entry 600 in a log of 600",
        ),
        (&["DELETE FROM log_entries WHERE idx >= 100 AND idx < 200"], "the entry 100 is missing"),
    ];
    for (statements, says) in cases {
        for found in found(statements).await {
            assert!(found.contains(says), "{statements:?}: {found}");
        }
    }
}

/// As when somebody copies yesterday's file back.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_file_under_a_newer_checkpoint_is_refused() {
    let bench = Bench::sqlite();
    let log = bench.open().await;
    fill(&log, 10).await;
    log.close().await;
    drop(log);
    let (file, old) = (bench.dir.path().join("lectern.db"), bench.dir.path().join("old"));
    // Opening it empties the write-ahead log, so that all is in the one file.
    bench.database().await.close().await;
    fs::copy(&file, &old).unwrap();
    let log = bench.open().await;
    fill(&log, 5).await;
    log.close().await;
    drop(log);
    fs::rename(&old, &file).unwrap();
    for beside in ["lectern.db-wal", "lectern.db-shm"] {
        // A last connection that has ended meanwhile has removed them itself.
        let _ = fs::remove_file(bench.dir.path().join(beside));
    }
    let refused = bench.try_open().await.unwrap_err().to_string();
    assert!(refused.contains("the log has 11 entries, but a checkpoint over 16 was signed"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_file_that_is_not_this_log_s_is_refused() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 10).await;
        log.close().await;
        let own = fs::read_to_string(bench.checkpoint_file()).unwrap();
        let checkpoint = Checkpoint::open(&own, log.public_key()).unwrap();
        drop(log);
        let other = LogKey::new(ORIGIN, &[7; 32]).unwrap();
        let elsewhere = LogKey::new("elsewhere.example/audit", &[7; 32]).unwrap();
        let of_elsewhere = Checkpoint { origin: "elsewhere.example/audit".into(), ..checkpoint.clone() };
        let half = own.get(..own.len() / 2).unwrap();
        for (text, says) in [
            (checkpoint.sign(other.signer()).to_string(), "holds no checkpoint of this log"),
            (of_elsewhere.sign(elsewhere.signer()).to_string(), "holds no checkpoint of this log"),
            (half.to_owned(), "holds no checkpoint of this log"),
            (String::new(), "holds no checkpoint of this log"),
            (own.replacen("\n11\n", "\n12\n", 1), "holds no checkpoint of this log"),
        ] {
            fs::write(bench.checkpoint_file(), &text).unwrap();
            let refused = bench.try_open().await.unwrap_err().to_string();
            assert!(refused.contains(says) && refused.contains("restore"), "{text}: {refused}");
        }
        fs::remove_file(bench.checkpoint_file()).unwrap();
        let refused = bench.try_open().await.unwrap_err().to_string();
        assert!(refused.contains("the checkpoint last signed over them is not in") && refused.contains("further node"), "{refused}");
        fs::write(bench.checkpoint_file(), own).unwrap();
        assert!(bench.try_open().await.is_ok());
    }
}

/// The file that is written last is never the one that is there: a write that fails leaves that as it was, and the next one
/// begins with a new file.
#[test]
fn a_file_is_replaced_by_a_new_one() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("checkpoint");
    durable_file::replace(&file, b"one").unwrap();
    let first = fs::File::open(&file).unwrap();
    // Left behind by a write that failed.
    fs::write(dir.path().join(format!("checkpoint.{}.new", std::process::id())), b"half").unwrap();
    durable_file::replace(&file, b"two").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"two");
    assert_ne!(first.metadata().unwrap().ino(), fs::metadata(&file).unwrap().ino());
    assert_eq!(std::io::read_to_string(first).unwrap(), "one");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_is_told_so_and_the_queue_has_an_end() {
    let bench = Bench::sqlite();
    let database = bench.database().await;
    let entropy = Entropy::seeded(1);
    let key = LogKey::open_or_create(&bench.dir.path().join("keys"), ORIGIN, &entropy).unwrap();
    let mut settings = Settings::new(bench.checkpoint_file());
    (settings.deadline, settings.queue) = (Duration::from_millis(300), 2);
    let log = Log::open(database.clone(), key, bench.clock.clone(), entropy, settings).await.unwrap();
    let held = database.begin().await.unwrap();
    let tries: Vec<_> = (0..8)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move { log.append(opened(n), &context()).await.unwrap_err() })
        })
        .collect();
    let mut answers = Vec::new();
    for one in tries {
        answers.push(one.await.unwrap());
    }
    assert!(answers.contains(&LogUnavailable::Late) && answers.contains(&LogUnavailable::Busy), "{answers:?}");
    while !log.is_late() {
        assert_eq!(log.health(), Health::Open);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    held.rollback().await.unwrap();
    while log.append(opened(1), &context()).await.is_err() {}
    // Nothing is under way any more, however long nobody appends.
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        if !log.is_late() {
            break;
        }
    }
    assert!(!log.is_late());
    bench.open().await;
}

/// An entry is appended where this process left the log, or where what is stored leads to from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_was_changed_is_not_appended_to() {
    let changes = [
        "UPDATE log_head SET root = (SELECT leaf FROM log_entries WHERE idx = 3)",
        "UPDATE log_head SET frontier = root",
        "UPDATE log_head SET size = 12",
        "UPDATE log_head SET size = 10",
    ];
    for change in changes {
        for within in [false, true] {
            for bench in Bench::all().await {
                let log = bench.open().await;
                fill(&log, 10).await;
                let database = bench.database().await;
                assert_eq!(bench::execute(&database, change).await, 1);
                let refused = if within {
                    let mut tx = database.begin().await.unwrap();
                    log.append_in(&mut tx, opened(1), &context()).await.unwrap_err()
                } else {
                    log.append(opened(1), &context()).await.unwrap_err()
                };
                assert!(matches!(refused, LogUnavailable::Suspended(_)), "{change}: {refused:?}");
                assert!(matches!(log.health(), Health::Broken { .. }), "{change}: {:?}", log.health());
                assert!(log.checkpoint().await.is_err(), "{change}: nothing is signed over it");
            }
        }
    }
}

/// That the database answers and all is there is not enough: a disk that only reads does that, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_opens_again_only_when_it_was_written_to() {
    let bench = Bench::sqlite();
    let log = bench.open().await;
    let database = bench.database().await;
    let trigger = "CREATE TRIGGER refused BEFORE UPDATE ON log_head FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'no room'); END";
    bench::execute(&database, trigger).await;
    assert!(log.append(opened(1), &context()).await.is_err());
    for _ in 0..50 {
        assert!(matches!(log.health(), Health::Suspended { .. }));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench::execute(&database, "DROP TRIGGER refused").await;
    while log.append(opened(2), &context()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(log.health(), Health::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_let_in_before_storage_failed_is_refused_after() {
    for bench in Bench::all().await {
        let database = bench.database().await;
        let log = bench.open().await;
        fill(&log, 10).await;
        // Held up in the middle of a commit, and one more behind it.
        let mut held = database.begin().await.unwrap();
        store::lock_head(&mut held).await.unwrap();
        let append = |n| {
            let log = log.clone();
            tokio::spawn(async move { log.append(opened(n), &context()).await })
        };
        let first = append(1);
        while log.shared.writing.lock().unwrap().is_none() || log.queue.capacity() < log.queue.max_capacity() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let second = append(2);
        while log.queue.capacity() == log.queue.max_capacity() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        log.shared.suspend(&failure("1034"));
        held.rollback().await.unwrap();
        assert!(matches!(second.await.unwrap(), Err(LogUnavailable::Suspended(_))));
        let stored = if first.await.unwrap().is_ok() { 12 } else { 11 };
        assert_eq!(store::head(&database).await.unwrap().size, stored);
        // What was verified last is not given up for less.
        let seen = log.shared.verified().size();
        log.shared.saw(Frontier::new());
        assert_eq!(log.shared.verified().size(), seen);
    }
}
