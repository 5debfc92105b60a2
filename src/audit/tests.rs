//! The log against a real database: SQLite in a temporary directory, and PostgreSQL as well where its programs are on the machine.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::merkle::{self, Hash};
use super::store::bench;
use super::*;
use crate::clock::{Clock, FixedClock, Timestamp};
use crate::database::Server;
use crate::ids::{AccountId, AgencyId, AgreementId, EntitlementId};

#[path = "../../tests/it/harness/postgres.rs"]
mod postgres;

pub(super) const ORIGIN: &str = "portal.example/audit";

/// A data directory and the database that belongs to it.
pub(super) struct Bench {
    pub(super) url: String,
    pub(super) dir: TempDir,
    pub(super) clock: Arc<FixedClock>,
}

/// How many entries the listing may be behind here.
pub(super) const BEHIND: u64 = 8192;

impl Bench {
    pub(super) fn sqlite() -> Self {
        let dir = TempDir::new().unwrap();
        Self::at(Database::sqlite_url(&dir.path().join("lectern.db")), dir)
    }

    /// One on each database there is.
    pub(super) async fn all() -> Vec<Self> {
        let mut all = vec![Self::sqlite()];
        let address = tokio::task::spawn_blocking(|| postgres::is_there().then(postgres::database)).await.unwrap();
        all.extend(address.map(|url| Self::at(url, TempDir::new().unwrap())));
        all
    }

    fn at(url: String, dir: TempDir) -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::parse("2027-01-02T03:04:05Z").unwrap()));
        Self { url, dir, clock }
    }

    pub(super) fn checkpoint_file(&self) -> PathBuf {
        self.dir.path().join("checkpoint")
    }

    pub(super) async fn database(&self) -> Database {
        // What is tested here is thrown away, so a server that does not sync will do.
        Database::open_on(&self.url, Server::Unsafe).await.unwrap()
    }

    pub(super) async fn open(&self) -> Log {
        self.try_open().await.unwrap()
    }

    pub(super) async fn try_open(&self) -> Result<Log, AuditError> {
        self.open_on(self.database().await).await
    }

    async fn open_on(&self, database: Database) -> Result<Log, AuditError> {
        let entropy = Entropy::system().unwrap();
        let key = LogKey::open_or_create(&self.dir.path().join("keys"), ORIGIN, &entropy).unwrap();
        let mut settings = Settings::new(self.checkpoint_file());
        // Slow machines are no fault of the log; what happens at the deadline has a test of its own.
        settings.deadline = Duration::from_secs(60);
        settings.behind = BEHIND;
        Log::open(database, key, self.clock.clone(), entropy, settings).await
    }

    /// What opening says is wrong.
    async fn refusal(&self) -> String {
        match self.try_open().await {
            Err(AuditError::Inconsistent { found, .. }) => found,
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn context() -> Context {
    Context { request: RequestId::known("req_1"), address: Some("192.0.2.7".into()), user_agent: Some("Browser/1".into()) }
}

pub(super) fn opened(n: u64) -> Draft {
    Draft::new(Kind::FileOpened, Outcome::Permitted)
        .by(Actor {
            account: AccountId::known(format!("acc_{}", n % 5)),
            agency: Some(AgencyId::known("agy_1")),
            role: "reviewer".into(),
            session: Some("5f3a".into()),
        })
        .at(Place {
            product: "kernel".into(),
            version: Some("v2.1".into()),
            commit: Some("c0ffee".into()),
            path: Some(PathText::of(format!("src/m{}.rs", n % 7).as_bytes())),
            blob: Some(format!("b{n}")),
            lines: Some((1, 20)),
        })
        .on(Basis { entitlement: EntitlementId::known("ent_1"), agreement: AgreementId::known("agr_1") })
        .fact("bytes", n)
        .person(format!("Ada {}", n % 5), format!("Ada{}@agency.example", n % 5))
        .agency_name("Agency of Light")
}

/// Appends this many entries, a group at a time.
pub(super) async fn fill(log: &Log, count: u64) {
    let drafts: Vec<_> = (0..count).map(opened).collect();
    for group in drafts.chunks(100) {
        log.append_all(group.to_vec(), &context()).await.unwrap();
    }
}

async fn check_receipt(log: &Log, receipt: &Receipt) {
    let proof = log.proof(receipt.index, receipt.checkpoint).await.unwrap().unwrap();
    let leaves = all_leaves(log, receipt.checkpoint).await;
    let root = merkle::root_of(&leaves);
    assert!(merkle::includes(receipt.index, receipt.checkpoint, &receipt.leaf, &proof, &root));
}

async fn all_leaves(log: &Log, size: u64) -> Vec<Hash> {
    log.shared.nodes(0, 0, size).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_is_listed_and_proved() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        let receipt = log.append(opened(3), &context()).await.unwrap();
        assert_eq!((receipt.index, receipt.checkpoint), (1, 2));
        let entry = log.entry(1).await.unwrap().unwrap();
        assert_eq!(entry.leaf, receipt.leaf);
        assert_eq!(entry.kind, Kind::FileOpened);
        assert_eq!(entry.at.to_string(), "2027-01-02T03:04:05.000000Z");
        let personal = entry.personal.unwrap();
        assert_eq!(personal.email.as_deref(), Some("Ada3@agency.example"));
        assert_eq!(personal.address.as_deref(), Some("192.0.2.7"));
        assert!(!String::from_utf8(entry.bytes).unwrap().contains("Ada"));
        assert_eq!(log.entry(0).await.unwrap().unwrap().kind, Kind::LogOpened);
        assert_eq!(log.entry(2).await.unwrap(), None);
        let proof: Proof = log.receipt_file(1).await.unwrap().unwrap().parse().unwrap();
        assert_eq!(proof.verify(&receipt.leaf, log.public_key()).unwrap().size, 2);
        assert!(proof.verify(&[0; 32], log.public_key()).is_err());
        let alone: Proof = log.receipt_file_with_entry(1).await.unwrap().unwrap().parse().unwrap();
        assert!(alone.verify(&alone.leaf().unwrap(), log.public_key()).is_ok());
        assert_eq!(log.receipt_file(2).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_share_commits_and_each_receipt_verifies() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        let mut writers = Vec::new();
        for writer in 0..64 {
            let log = log.clone();
            writers.push(tokio::spawn(async move {
                let mut receipts = Vec::new();
                for n in 0..20 {
                    receipts.push(log.append(opened(writer * 20 + n), &context()).await.unwrap());
                }
                receipts
            }));
        }
        let mut receipts = Vec::new();
        for writer in writers {
            let own = writer.await.unwrap();
            assert!(own.is_sorted_by_key(|r| r.index));
            receipts.extend(own);
        }
        receipts.sort_by_key(|r| r.index);
        assert!(receipts.iter().map(|r| r.index).eq(1..=1280));
        let commits: std::collections::BTreeSet<_> = receipts.iter().map(|r| r.checkpoint).collect();
        assert!(commits.len() < 1280, "no two entries shared a commit");
        for receipt in receipts.iter().step_by(97).chain(receipts.last()) {
            check_receipt(&log, receipt).await;
        }
        let before = log.checkpoint().await.unwrap();
        log.close().await;
        assert_eq!(log.append(opened(1), &context()).await, Err(LogUnavailable::Closed));
        assert_eq!(std::fs::read_to_string(bench.checkpoint_file()).unwrap(), before);
        drop(log);
        assert_eq!(bench.open().await.checkpoint().await.unwrap(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_append_to_one_log() {
    for bench in Bench::all().await {
        let (one, two) = (bench.open().await, bench.open().await);
        let mut writers = Vec::new();
        for n in 0..40 {
            let log = if n % 2 == 0 { one.clone() } else { two.clone() };
            writers.push(tokio::spawn(async move { log.append(opened(n), &context()).await.unwrap() }));
        }
        for writer in writers {
            let receipt = writer.await.unwrap();
            check_receipt(&one, &receipt).await;
        }
        assert_eq!(one.checkpoint().await.unwrap(), two.checkpoint().await.unwrap());
        assert_eq!(one.size().await.unwrap(), 41);
        bench.open().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_within_a_transaction_stands_or_falls_with_it() {
    for bench in Bench::all().await {
        let database = bench.database().await;
        let log = bench.open_on(database.clone()).await.unwrap();
        let mut tx = database.begin().await.unwrap();
        let lost = log.append_in(&mut tx, opened(1), &context()).await.unwrap();
        assert_eq!(lost.index, 1);
        tx.rollback().await.unwrap();
        assert_eq!(log.size().await.unwrap(), 1);

        let mut tx = database.begin().await.unwrap();
        log.append_in(&mut tx, opened(2), &context()).await.unwrap();
        let kept = log.append_in(&mut tx, opened(3), &context()).await.unwrap();
        // The sequencer waits for the transaction, then goes on from where it left the log.
        let waiting = tokio::spawn({
            let log = log.clone();
            async move { log.append(opened(4), &context()).await.unwrap() }
        });
        tx.commit().await.unwrap();
        assert_eq!((kept.index, waiting.await.unwrap().index), (2, 3));
        check_receipt(&log, &kept).await;
        assert_eq!(log.list(&Filter::default(), 10).await.unwrap().entries.len(), 4);
        bench.open().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_handed_back_as_recorded() {
    struct Seen(u64);
    impl Recordable for Seen {
        fn drafts(&self) -> Vec<Draft> {
            (0..self.0).map(opened).collect()
        }
    }
    let bench = Bench::sqlite();
    let log = bench.open().await;
    let recorded = log.record(Seen(3), &context()).await.unwrap();
    assert_eq!((recorded.get().0, recorded.receipt().index, recorded.receipts().len()), (3, 1, 3));
    assert!(recorded.receipts().iter().all(|r| r.checkpoint == 4));
    assert_eq!(log.record(Seen(0), &context()).await.map(|r| r.receipt().index), Err(LogUnavailable::Draft(DraftError::Nothing)));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_for_an_entry_is_refused_before_it_waits() {
    let bench = Bench::sqlite();
    let log = bench.open().await;
    let large = opened(1).fact("text", "x".repeat(66_000));
    let refused = log.append(large, &context()).await.unwrap_err();
    assert!(matches!(refused, LogUnavailable::Draft(DraftError::TooLarge { bytes }) if bytes > 66_000));
    let inexact = log.append(opened(1).fact("n", u64::MAX), &context()).await.unwrap_err();
    assert_eq!(inexact, LogUnavailable::Draft(DraftError::Number));
    let mut lengthy = opened(1);
    lengthy.place.as_mut().unwrap().product = "p".repeat(600);
    let refused = log.append(lengthy, &context()).await.unwrap_err();
    assert_eq!(refused.to_string(), "the audit entry's product is 600 bytes long, and 512 is the most");
    let shortened = log.append(opened(1).query("é".repeat(9_000)), &context()).await.unwrap();
    let query = log.entry(shortened.index).await.unwrap().unwrap().personal.unwrap().query.unwrap();
    assert!(query.ends_with("é…") && query.len() <= 8 * 1024 + 3);
    assert_eq!(log.size().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_texts_are_kept_as_they_are() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        let mut draft = opened(1).query("a\0b \u{202e} % _ \\");
        draft.place.as_mut().unwrap().path = Some(PathText::of(b"caf\xe9/a\0b"));
        let receipt = log.append(draft, &context()).await.unwrap();
        let entry = log.entry(receipt.index).await.unwrap().unwrap();
        assert_eq!(entry.personal.unwrap().query.as_deref(), Some("a\0b \u{202e} % _ \\"));
        let path = entry.place.unwrap().path.unwrap();
        assert_eq!(path.hex.as_deref(), Some("636166e92f610062"));
        bench.open().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_find_what_they_say_newest_first() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 20).await;
        bench.clock.advance(Duration::from_secs(60));
        let shown = |path: &str| Shown { product: "tools".into(), path: PathText::of(path.as_bytes()), ..Shown::default() };
        let search = Draft::new(Kind::Searched, Outcome::Permitted)
            .person("Grace", "grace@other.example")
            .query("needle")
            .showing([shown("lib/100%_a.c"), shown("lib/deep/b.c")]);
        log.append(search, &context()).await.unwrap();

        let count = async |filter: Filter| log.list(&filter, 100).await.unwrap().entries.len();
        let by = |set: fn(&mut Filter, String), text: &str| {
            let mut filter = Filter::default();
            set(&mut filter, text.into());
            filter
        };
        let person = |text| by(|f, t| f.person = Some(t), text);
        assert_eq!(count(person("acc_3")).await, 4);
        assert_eq!(count(person("ADA3@agency.example")).await, 4);
        assert_eq!(count(person("ada")).await, 20);
        assert_eq!(count(person("a_a")).await, 0);
        assert_eq!(count(person("grace")).await, 1);
        assert_eq!(count(person("")).await, 22);
        let agency = |text| by(|f, t| f.agency = Some(t), text);
        assert_eq!((count(agency("agy_1")).await, count(agency("light")).await), (20, 20));
        let product = |text| by(|f, t| f.product = Some(t), text);
        assert_eq!((count(product("kernel")).await, count(product("tools")).await), (20, 1));
        let path = |text| by(|f, t| f.path = Some(t), text);
        assert_eq!((count(path("src/m2.rs")).await, count(path("/src/")).await, count(path("sr")).await), (3, 20, 0));
        assert_eq!((count(path("lib/100%_a.c")).await, count(path("lib/deep")).await), (1, 1));
        let mut both = path("lib");
        both.product = Some("kernel".into());
        assert_eq!(count(both.clone()).await, 0);
        both.product = Some("tools".into());
        assert_eq!(count(both).await, 1);
        assert_eq!(count(Filter { kind: Some(Kind::Searched), ..Filter::default() }).await, 1);
        let later = Some(Timestamp::parse("2027-01-02T03:05:00Z").unwrap());
        assert_eq!(count(Filter { from: later, ..Filter::default() }).await, 1);
        assert_eq!(count(Filter { until: later, ..Filter::default() }).await, 21);

        let mut filter = agency("agy_1");
        let mut seen = Vec::new();
        loop {
            let page = log.list(&filter, 7).await.unwrap();
            seen.extend(page.entries.iter().map(|e| e.index));
            filter.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert!(seen.into_iter().eq((1..=20).rev()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_details_are_gone_and_the_tree_still_verifies() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 300).await;
        let before = log.receipt_file_with_entry(7).await.unwrap().unwrap();
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(log.erase_personal(bench.clock.now(), &context()).await.unwrap(), 300);
        assert_eq!(log.erase_personal(bench.clock.now(), &context()).await.unwrap(), 0);
        let entry = log.entry(7).await.unwrap().unwrap();
        assert!(entry.is_erased() && entry.personal.is_none());
        let by_name = Filter { person: Some("ada".into()), ..Filter::default() };
        assert_eq!(log.list(&by_name, 10).await.unwrap().entries.len(), 0);
        assert_eq!(log.entry(301).await.unwrap().unwrap().kind, Kind::AuditDetailsErased);
        let old: Proof = before.parse().unwrap();
        assert!(old.verify(&entry.leaf, log.public_key()).is_ok());
        bench.open().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_and_bundles_are_there_exactly_as_far_as_the_tree_goes() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 599).await;
        let leaves = all_leaves(&log, 600).await;
        assert_eq!(log.tile(0, 1, None).await.unwrap().unwrap(), leaves[256..512].concat());
        assert_eq!(log.tile(0, 2, Some(88)).await.unwrap().unwrap(), leaves[512..600].concat());
        assert_eq!(log.tile(0, 1, Some(9)).await.unwrap().unwrap(), leaves[256..265].concat());
        let roots = [merkle::root_of(&leaves[..256]), merkle::root_of(&leaves[256..512])];
        assert_eq!(log.tile(1, 0, Some(2)).await.unwrap().unwrap(), roots.concat());
        for (level, number, width) in
            [(0, 2, Some(89)), (0, 2, None), (0, 3, Some(1)), (1, 0, Some(3)), (2, 0, Some(1)), (63, 0, None), (0, u64::MAX, None)]
        {
            assert_eq!(log.tile(level, number, width).await.unwrap(), None, "{level} {number} {width:?}");
        }
        let bundle = log.entry_bundle(2, Some(88)).await.unwrap().unwrap();
        let entries = tiles::decode_bundle(&bundle, 88).unwrap();
        assert!(entries.iter().map(|e| merkle::leaf(e)).eq(leaves[512..].iter().copied()));
        assert_eq!(log.entry_bundle(2, Some(89)).await.unwrap(), None);
        for (old, new) in [(0, 600), (1, 600), (256, 600), (511, 513), (600, 600)] {
            let proof = log.consistency(old, new).await.unwrap().unwrap();
            let roots = [old, new].map(|n| merkle::root_of(&leaves[..usize::try_from(n).unwrap()]));
            assert!(merkle::extends(old, new, &roots[0], &roots[1], &proof), "{old} {new}");
        }
        assert_eq!(log.consistency(1, 601).await.unwrap(), None);
        assert_eq!(log.proof(600, 600).await.unwrap(), None);
    }
}

/// Damages a log of 600 entries with each statement, and tells what opening says of it.
async fn damaged(statement: &str) -> Vec<String> {
    let mut found = Vec::new();
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 599).await;
        log.close().await;
        drop(log);
        let database = bench.database().await;
        assert!(bench::execute(&database, statement).await > 0);
        found.push(bench.refusal().await);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_is_found_on_opening() {
    for (statement, says) in [
        ("UPDATE log_entries SET entry = leaf WHERE idx = 300", "the entry 300 is not the one that was hashed"),
        ("UPDATE log_entries SET leaf = entry WHERE idx = 300", "the entry 300 is not the one that was hashed"),
        ("DELETE FROM log_entries WHERE idx = 300", "the entry 300 is missing"),
        ("DELETE FROM log_entries WHERE idx >= 590", "the entry 590 is missing"),
        ("UPDATE log_tree SET hash = (SELECT leaf FROM log_entries WHERE idx = 0) WHERE n = 1", "the stored hashes"),
        ("DELETE FROM log_tree WHERE n = 0", "the stored hashes"),
        ("UPDATE log_tree SET n = 9 WHERE n = 1", "the stored hashes"),
        ("UPDATE log_head SET root = frontier", "the head of the log does not fit its 600 entries"),
        ("UPDATE log_head SET frontier = root", "the head of the log does not fit its 600 entries"),
        ("UPDATE log_head SET size = 599", "the log has 599 entries, but a checkpoint over 600 was signed"),
        ("UPDATE log_head SET size = 601", "the entry 600 is missing"),
        ("DELETE FROM log_head", "the log has 0 entries, but a checkpoint over 600 was signed"),
        ("INSERT INTO log_tree (level, n, hash) SELECT 2, 0, root FROM log_head", "level 2 holds 1 hashes"),
    ] {
        for found in damaged(statement).await {
            assert!(found.contains(says), "{statement}: {found}");
        }
    }
}

/// A log of the same length and shape with another history behind it, made with the same key.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_written_anew_is_refused_for_the_checkpoint_kept_outside() {
    let (real, forged) = (Bench::sqlite(), Bench::sqlite());
    let log = real.open().await;
    fill(&log, 10).await;
    log.close().await;
    let keys = |b: &Bench| b.dir.path().join("keys/log.key");
    std::fs::create_dir(forged.dir.path().join("keys")).unwrap();
    std::fs::copy(keys(&real), keys(&forged)).unwrap();
    let log = forged.open().await;
    fill(&log, 12).await;
    log.close().await;
    let own = std::fs::read(forged.checkpoint_file()).unwrap();
    std::fs::copy(real.checkpoint_file(), forged.checkpoint_file()).unwrap();
    assert!(forged.refusal().await.contains("an entry was changed after it was signed"));
    std::fs::remove_file(forged.checkpoint_file()).unwrap();
    assert!(forged.refusal().await.contains("the checkpoint last signed over them is not in"));
    std::fs::write(forged.checkpoint_file(), "portal.example/audit\n1\n").unwrap();
    assert!(forged.refusal().await.contains("holds no checkpoint of this log"));
    std::fs::write(forged.checkpoint_file(), own).unwrap();
    assert!(forged.try_open().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_dropped_in_the_middle_of_writing_goes_on_from_what_was_acknowledged() {
    for bench in Bench::all().await {
        let mut acknowledged: Vec<Receipt> = Vec::new();
        for round in 0..5_u64 {
            let log = bench.open().await;
            for receipt in &acknowledged {
                assert_eq!(log.entry(receipt.index).await.unwrap().unwrap().leaf, receipt.leaf);
            }
            let writers: Vec<_> = (0..16)
                .map(|n| {
                    let log = log.clone();
                    tokio::spawn(async move { log.append(opened(n), &context()).await })
                })
                .collect();
            for (n, writer) in (0..).zip(writers) {
                // Some are awaited; the rest are given up wherever they are.
                if n % 4 <= round {
                    acknowledged.push(writer.await.unwrap().unwrap());
                } else {
                    writer.abort();
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fails_suspends_the_log_until_it_works_again() {
    for bench in Bench::all().await {
        let database = bench.database().await;
        let log = bench.open_on(database.clone()).await.unwrap();
        fill(&log, 10).await;
        // No table, no insert: as good as a full disk, and it can be undone.
        bench::execute(&database, "ALTER TABLE log_tree RENAME TO log_tree_away").await;
        bench::execute(&database, "ALTER TABLE log_entries RENAME TO log_entries_away").await;
        let refused = log.append(opened(1), &context()).await.unwrap_err();
        assert!(matches!(refused, LogUnavailable::Suspended(_)), "{refused:?}");
        bench::execute(&database, "ALTER TABLE log_tree_away RENAME TO log_tree").await;
        bench::execute(&database, "ALTER TABLE log_entries_away RENAME TO log_entries").await;
        let receipt = loop {
            match log.append(opened(2), &context()).await {
                Ok(receipt) => break receipt,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        assert_eq!((receipt.index, log.health()), (11, Health::Open));
        bench.open().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_shrinks_while_it_is_open_stays_broken() {
    for bench in Bench::all().await {
        let database = bench.database().await;
        let log = bench.open_on(database.clone()).await.unwrap();
        fill(&log, 10).await;
        let old = log.checkpoint().await.unwrap();
        assert_eq!(log.count(&Filter::default()).await.unwrap(), 11);
        bench::execute(&database, "UPDATE log_head SET size = 8").await;
        bench::execute(&database, "DELETE FROM log_entries WHERE idx >= 8").await;
        assert!(matches!(log.append(opened(1), &context()).await, Err(LogUnavailable::Suspended(_))));
        assert!(matches!(log.health(), Health::Broken { why, .. } if why.contains("has 8 entries, and had 11 before")));
        assert!(log.checkpoint().await.is_err());
        // Reading goes on, and nothing more is signed or kept.
        assert_eq!(log.list(&Filter::default(), 100).await.unwrap().entries.len(), 8);
        log.close().await;
        assert!(Checkpoint::open(&old, log.public_key()).unwrap().size == 11);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_hold_every_connection_do_not_hold_up_the_log() {
    for bench in Bench::all().await {
        let database = bench.database().await;
        let log = bench.open_on(database.clone()).await.unwrap();
        fill(&log, 1).await;
        let mut held = Vec::new();
        while let Some(connection) = database.pool().try_acquire() {
            held.push(connection);
        }
        while held.len() < database.pool().options().get_max_connections() as usize {
            held.push(database.pool().acquire().await.unwrap());
        }
        assert_eq!(log.append(opened(1), &context()).await.unwrap().index, 2);
    }
}

#[test]
fn the_key_is_made_once_and_keeps_its_name() {
    let dir = TempDir::new().unwrap();
    let entropy = Entropy::seeded(1);
    let first = LogKey::open_or_create(dir.path(), ORIGIN, &entropy).unwrap();
    let again = LogKey::open_or_create(dir.path(), ORIGIN, &entropy).unwrap();
    assert_eq!(first.public(), again.public());
    assert_eq!(read_public(dir.path()).unwrap(), *first.public());
    let file = std::fs::metadata(dir.path().join("log.key")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let other = LogKey::open_or_create(dir.path(), "elsewhere.example/audit", &entropy).unwrap_err();
    assert!(other.to_string().contains("set the origin back to \"portal.example/audit\""));
    std::fs::write(dir.path().join("log.key"), "PRIVATE+KEY+x").unwrap();
    let broken = LogKey::read(dir.path()).unwrap_err().to_string();
    assert_eq!(broken, "this is not a key: it is not of the form name+id+base64");
}

#[test]
fn a_receipt_is_written_as_other_programs_read_it() {
    let receipt = Receipt { index: 4, leaf: [0xab; 32], checkpoint: 9 };
    let text = json!({"index": 4, "leaf": "ab".repeat(32), "checkpoint": 9});
    assert_eq!(serde_json::to_value(receipt).unwrap(), text);
    assert_eq!(serde_json::from_value::<Receipt>(text).unwrap(), receipt);
}
