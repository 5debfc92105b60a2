//! Verifying from outside: what is exported or served holds, and whatever is changed in it is found.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::checkpoint::Checkpoint;
use super::fsck::{FsckError, Receipts, Report, Trust, check_receipt, fsck};
use super::handover::Keys;
use super::merkle::{self, Frontier};
use super::tests::{Bench, context, fill, opened};
use super::*;
use crate::clock::Timestamp;

/// A log of 700 entries, exported, and what was kept from its youth.
struct Exported {
    dir: PathBuf,
    trust: Trust,
    bench: Bench,
    _files: TempDir,
}

async fn exported() -> Exported {
    let bench = Bench::sqlite();
    let log = bench.open().await;
    fill(&log, 299).await;
    let kept = vec![("kept.txt".to_owned(), log.checkpoint().await.unwrap())];
    let receipts = vec![("a.tlog-proof".to_owned(), Receipts::Kept(proof(&log, 260).await))];
    fill(&log, 399).await;
    let files = TempDir::new().unwrap();
    let dir = files.path().join("out");
    let size = export(&log, Draft::exported_by_operator(), &context(), Format::Tiles, &dir, &mut |_, _| {}).await.unwrap();
    assert_eq!(size, 700);
    Exported { dir, trust: Trust { keys: log.public_key().clone().into(), policy: None, kept, receipts }, bench, _files: files }
}

async fn proof(log: &Log, index: u64) -> Proof {
    log.receipt_file(index).await.unwrap().unwrap().parse().unwrap()
}

fn verify(dir: &Path, trust: &Trust) -> Result<Report, FsckError> {
    let mut last = (0, 0);
    let report = fsck(&Directory(dir.to_owned()), trust, &mut |done, all| last = (done, all))?;
    assert_eq!(last, (report.size, report.size));
    Ok(report)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_with_all_that_was_kept() {
    let one = exported().await;
    let report = verify(&one.dir, &one.trust).unwrap();
    assert_eq!((report.size, report.entries, report.tiles), (700, 700, 4));
    // The entries that the portal wrote of itself name nobody, but an address for the export.
    assert_eq!((report.personal, report.without_personal), (699, 0));
    assert_eq!((report.checkpoints, report.receipts, report.unproved.len()), (2, 1, 0));
    fs::remove_file(one.dir.join("personal.jsonl")).unwrap();
    assert_eq!(verify(&one.dir, &one.trust).unwrap().unproved.len(), 1);

    // The log itself, through what it publishes.
    let own = Own { log: one.bench.open().await, runtime: tokio::runtime::Handle::current() };
    let trust = one.trust;
    let report = tokio::task::spawn_blocking(move || fsck(&own, &trust, &mut |_, _| {}).unwrap()).await.unwrap();
    assert_eq!((report.size, report.entries, report.receipts), (700, 700, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_tiles_may_have_given_way_to_full_ones() {
    let one = exported().await;
    let small = one.dir.join("checkpoint");
    fs::write(&small, &one.trust.kept[0].1).unwrap();
    let trust = Trust { kept: vec![], receipts: vec![], ..one.trust };
    fs::remove_file(one.dir.join("personal.jsonl")).unwrap();
    // The tile 1/000 of 300 entries is partial in either, but narrower: that one is not there.
    let error = verify(&one.dir, &trust).unwrap_err();
    assert!(matches!(&error, FsckError::Missing(name) if name == "tile/1/000.p/1"), "{error}");
    let tile = fs::read(one.dir.join("tile/1/000.p/2")).unwrap();
    fs::write(one.dir.join("tile/1/000.p/1"), &tile[..32]).unwrap();
    assert_eq!(verify(&one.dir, &trust).unwrap().entries, 300);
}

/// Changes one byte of a file, or writes something else into it.
fn bend(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_to_an_export_is_found_with_its_place() {
    type Change = fn(&Path);
    let changes: [(&str, Change, Option<u64>); 14] = [
        ("does not hash to its leaf", |d| bend(&d.join("tile/entries/001"), 40), Some(256)),
        ("does not hash to its leaf", |d| bend(&d.join("tile/0/001"), 32 * 44), Some(300)),
        ("does not hash to its leaf", |d| bend(&d.join("tile/0/002.p/188"), 32), Some(513)),
        ("tile/1/000.p/2 does not follow", |d| bend(&d.join("tile/1/000.p/2"), 32), Some(256)),
        ("tile/1/000.p/2 is not published", |d| fs::remove_file(d.join("tile/1/000.p/2")).unwrap(), None),
        ("tile/entries/001 is not published", |d| fs::remove_file(d.join("tile/entries/001")).unwrap(), None),
        ("ends within an entry", |d| fs::write(d.join("tile/entries/001"), [0, 9, 1]).unwrap(), None),
        ("not a whole number of hashes", |d| fs::write(d.join("tile/0/001"), [0; 33]).unwrap(), None),
        ("the checkpoint: the signature by portal.example/audit does not fit", |d| bend(&d.join("checkpoint"), 22), None),
        ("checkpoint is not published", |d| fs::remove_file(d.join("checkpoint")).unwrap(), None),
        ("the personal part does not fit", |d| bend(&d.join("personal.jsonl"), 40), Some(1)),
        ("line 700 of the personal parts: there is no entry 900", |d| append(d, r#"{"index":900,"personal":{}}"#), None),
        ("line 700 of the personal parts: there is no entry 3 after", |d| append(d, r#"{"index":3,"personal":{}}"#), None),
        ("line 700 of the personal parts: ", |d| append(d, "{"), None),
    ];
    let one = exported().await;
    for (says, change, index) in changes {
        let copy = TempDir::new().unwrap();
        copy_tree(&one.dir, copy.path());
        verify(copy.path(), &one.trust).unwrap();
        change(copy.path());
        let error = verify(copy.path(), &one.trust).unwrap_err();
        assert!(error.to_string().contains(says), "{says}: {error}");
        assert_eq!(error.index(), index, "{error}");
    }
}

fn append(dir: &Path, line: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(dir.join("personal.jsonl")).unwrap();
    writeln!(file, "{line}").unwrap();
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_rewritten_with_its_own_key_is_found_by_what_others_kept() {
    let one = exported().await;
    let forged = Bench::sqlite();
    fs::create_dir(forged.dir.path().join("keys")).unwrap();
    fs::copy(one.bench.dir.path().join("keys/log.key"), forged.dir.path().join("keys/log.key")).unwrap();
    let log = forged.open().await;
    fill(&log, 500).await;
    let out = forged.dir.path().join("out");
    export(&log, Draft::exported_by_operator(), &context(), Format::Tiles, &out, &mut |_, _| {}).await.unwrap();

    let receipts = one.trust.receipts;
    let trust = |kept: &[(String, String)], receipts| Trust { keys: one.trust.keys.clone(), policy: None, kept: kept.to_vec(), receipts };
    assert!(verify(&out, &trust(&[], vec![])).is_ok(), "every other check passes");
    let found = verify(&out, &trust(&one.trust.kept, vec![])).unwrap_err().to_string();
    assert!(found.starts_with("kept.txt says other things about the first 300 entries"), "{found}");
    let found = verify(&out, &trust(&[], receipts)).unwrap_err().to_string();
    assert!(found.starts_with("the checkpoint in a.tlog-proof says other things"), "{found}");
    let late = ("late".to_owned(), fs::read_to_string(one.dir.join("checkpoint")).unwrap());
    let found = verify(&out, &trust(&[late], vec![])).unwrap_err().to_string();
    assert!(found.contains("late is over 700 entries, and the log published here has 502"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_are_not_in_their_form_are_found_though_they_are_in_the_tree() {
    let key = LogKey::new("portal.example/audit", &[1; 32]).unwrap();
    let entropy = Entropy::seeded(1);
    let good = opened(1).seal(&context(), Timestamp::from_seconds(0), &entropy).unwrap().entry;
    let files = TempDir::new().unwrap();
    let mut bundle = Vec::new();
    let mut frontier = Frontier::new();
    let mut leaves = Vec::new();
    for entry in [good.as_slice(), b"{\"v\":1}"] {
        tiles::push_entry(&mut bundle, entry).unwrap();
        leaves.extend(merkle::leaf(entry));
        frontier.push(merkle::leaf(entry), |_, _| {});
    }
    let checkpoint = Checkpoint { origin: key.public().name().into(), size: 2, root: frontier.root() };
    for dir in ["tile/0", "tile/entries"] {
        fs::create_dir_all(files.path().join(dir)).unwrap();
    }
    for partial in ["tile/0/000.p", "tile/entries/000.p"] {
        fs::create_dir(files.path().join(partial)).unwrap();
    }
    fs::write(files.path().join("checkpoint"), checkpoint.sign(key.signer()).to_string()).unwrap();
    fs::write(files.path().join("tile/0/000.p/2"), leaves).unwrap();
    fs::write(files.path().join("tile/entries/000.p/2"), bundle).unwrap();
    let trust = Trust { keys: key.keys().clone(), policy: None, kept: vec![], receipts: vec![] };
    let error = verify(files.path(), &trust).unwrap_err();
    assert!(matches!(error, FsckError::Entry { index: 1, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_hold_by_themselves() {
    let bench = Bench::sqlite();
    let log = bench.open().await;
    fill(&log, 20).await;
    let key = Keys::from(log.public_key().clone());
    let bare = proof(&log, 7).await;
    let leaf = log.entry(7).await.unwrap().unwrap().leaf;
    assert!(matches!(check_receipt("r", &bare, None, &key), Ok((_, false))));
    assert!(matches!(check_receipt("r", &bare, Some(&leaf), &key), Ok((_, true))));
    assert!(check_receipt("r", &bare, Some(&[0; 32]), &key).is_err());
    let whole: Proof = log.receipt_file_with_entry(7).await.unwrap().unwrap().parse().unwrap();
    assert!(matches!(check_receipt("r", &whole, None, &key), Ok((_, true))));
    assert!(check_receipt("r", &whole, Some(&[0; 32]), &key).is_err());
    let moved = Proof { index: 8, ..whole.clone() };
    assert!(matches!(check_receipt("r", &moved, None, &key), Err(FsckError::Receipt { index: 8, .. })));
    let mut other = whole;
    other.extra.as_mut().unwrap()[10] ^= 1;
    assert!(check_receipt("r", &other, None, &key).is_err());
}

/// Serves a directory as a portal would: entry bundles only to those with the token, the key under its own name.
fn serve(dir: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let Some(request) = lines.next() else { continue };
            let headers: Vec<_> = lines.take_while(|l| !l.is_empty()).collect();
            let auditor = headers.iter().any(|h| h.eq_ignore_ascii_case("authorization: Bearer secret"));
            let name = request.split(' ').nth(1).unwrap().strip_prefix("/transparency/").unwrap().replace("key", "log.vkey");
            let (status, body) = match fs::read(dir.join(&name)) {
                _ if name.contains("entries") && !auditor => ("303 See Other\r\nLocation: /sign-in", vec![]),
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", vec![]),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_is_verified_as_far_as_it_lets_one_see() {
    let one = exported().await;
    let address = serve(one.dir.clone());
    let hashes_only = fsck(&Portal::new(&address, None), &one.trust, &mut |_, _| {}).unwrap();
    assert_eq!((hashes_only.size, hashes_only.entries, hashes_only.receipts), (700, 0, 1));
    assert!(hashes_only.unproved.iter().any(|u| u.starts_with("the entries from 0 on were refused")));
    let auditor = Portal::new(&format!("{address}/transparency/"), Some("secret".into()));
    let all = fsck(&auditor, &one.trust, &mut |_, _| {}).unwrap();
    assert_eq!((all.size, all.entries), (700, 700));
    assert_eq!(auditor.get("log.vkey").unwrap(), Some(format!("{}\n", one.trust.keys.current().unwrap()).into_bytes()));
    let nobody = Portal::new("http://127.0.0.1:1", None).get("checkpoint").unwrap_err().to_string();
    assert!(nobody.starts_with("http://127.0.0.1:1/transparency/checkpoint could not be fetched: "), "{nobody}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_lines_say_each_entry_in_words() {
    let bench = Bench::sqlite();
    let log = bench.open().await;
    let mut odd = opened(1).query("a \"b\",\nc");
    odd.personal.name = Some("=HYPERLINK(1)".into());
    log.append(odd, &context()).await.unwrap();
    let (csv, jsonl) = (bench.dir.path().join("out.csv"), bench.dir.path().join("out.jsonl"));
    for (format, file) in [(Format::Csv, &csv), (Format::JsonLines, &jsonl)] {
        export(&log, Draft::exported_by_operator(), &context(), format, file, &mut |_, _| {}).await.unwrap();
    }
    let csv = fs::read_to_string(csv).unwrap();
    let mut rows = csv.split("\r\n");
    assert_eq!(rows.next().unwrap().split(',').count(), ROW_NAMES.len());
    assert!(rows.next().unwrap().starts_with("0,2027-01-02T03:04:05.000000Z,log.opened,log opened,done,,,"));
    let row = rows.next().unwrap();
    assert!(row.contains(r#",file opened,permitted,"'=HYPERLINK(1)",Ada1@agency.example,reviewer,acc_1,"#), "{row}");
    assert!(row.contains("src/m1.rs,,b1,1-20,ent_1,agr_1,req_1,192.0.2.7,Browser/1,\"a \"\"b\"\",\nc\","), "{row}");
    assert_eq!(rows.count(), 2);
    let lines: Vec<serde_json::Value> = fs::read_to_string(jsonl).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1]["name"], "=HYPERLINK(1)");
    assert_eq!(lines[1]["facts"]["bytes"], 1);
    assert_eq!(lines[3]["what"], "audit trail exported");
    assert_eq!(lines[3]["facts"]["format"], "jsonl");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_does_not_overwrite_another_log_s() {
    let (one, two) = (exported().await, Bench::sqlite());
    let log = two.open().await;
    let refused = export(&log, Draft::exported_by_operator(), &context(), Format::Tiles, &one.dir, &mut |_, _| {}).await;
    assert!(refused.unwrap_err().to_string().contains("holds the export of another log"));
    assert_eq!(log.size().await.unwrap(), 1, "and nothing was recorded");
}

/// Changes the key of a log that is open, and opens it anew.
async fn with_a_new_key(bench: &Bench, log: Log) -> Log {
    let entropy = Entropy::system().unwrap();
    let new = log.change_key(&bench.dir.path().join("keys"), &entropy, &context()).await.unwrap();
    log.close().await;
    let log = bench.open().await;
    assert_eq!(*log.public_key(), new);
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_changed_twice_is_followed_from_any_of_the_three() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        fill(&log, 10).await;
        let mut trusted = vec![log.public_key().clone()];
        let mut receipts = vec![("first".to_owned(), Receipts::Kept(proof(&log, 5).await))];
        let mut kept = vec![("one".to_owned(), log.checkpoint().await.unwrap())];
        let mut log = log;
        for name in ["second", "third"] {
            log = with_a_new_key(&bench, log).await;
            fill(&log, 10).await;
            trusted.push(log.public_key().clone());
            receipts.push((name.to_owned(), Receipts::Kept(proof(&log, 5).await)));
            kept.push((name.to_owned(), log.checkpoint().await.unwrap()));
        }
        let changes = log.list(&Filter { kind: Some(Kind::LogKeyChanged), ..Filter::default() }, 10).await.unwrap().entries;
        let new: Vec<_> = changes.iter().map(|e| e.facts["new"].as_str().unwrap().to_owned()).collect();
        assert_eq!(new, [trusted[2].to_string(), trusted[1].to_string()]);
        let out = bench.dir.path().join("out");
        export(&log, Draft::exported_by_operator(), &context(), Format::Tiles, &out, &mut |_, _| {}).await.unwrap();
        let handovers = handover::read_handovers(&fs::read_to_string(out.join("handovers")).unwrap()).unwrap();
        let mut trust = Trust { keys: trusted[0].clone().into(), policy: None, kept, receipts };
        for key in &trusted {
            trust.keys = key.clone().into();
            let error = verify(&out, &trust).unwrap_err().to_string();
            assert!(error.contains("no known key has signed this"), "without the hand-overs: {error}");
            trust.keys.follow(&handovers);
            let report = verify(&out, &trust).unwrap();
            assert_eq!((report.receipts, report.checkpoints), (3, 8), "three receipts, three kept, two hand-overs");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_key_that_broke_off_is_finished_or_begun_anew() {
    let bench = Bench::sqlite();
    let keys = bench.dir.path().join("keys");
    let log = bench.open().await;
    let (old, secret) = (log.public_key().clone(), fs::read(keys.join("log.key")).unwrap());
    // The new key was made and nothing said of it yet: the old one goes on, and the next change takes that new one.
    let next = LogKey::new("portal.example/audit", &[3; 32]).unwrap();
    fs::write(keys.join("log.key.next"), next.signer().to_secret_text()).unwrap();
    log.close().await;
    let log = bench.open().await;
    assert_eq!(*log.public_key(), old);
    let log = with_a_new_key(&bench, log).await;
    assert_eq!(log.public_key(), next.public());
    log.close().await;
    // The hand-over was kept, and the crash came before the key was put in its place.
    fs::rename(keys.join("log.key"), keys.join("log.key.next")).unwrap();
    fs::write(keys.join("log.key"), &secret).unwrap();
    let log = bench.open().await;
    assert_eq!(log.public_key(), next.public());
    assert_eq!(read_public(&keys).unwrap(), *next.public());
    assert!(!keys.join("log.key.next").exists());
    log.close().await;
    // An old key put back beside the hand-over is refused.
    fs::write(keys.join("log.key"), &secret).unwrap();
    let refusal = LogKey::read(&keys).unwrap_err().to_string();
    assert!(refusal.contains("handovers ends with a hand-over to"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_key_before_is_told_and_appends_nothing_more() {
    for bench in Bench::all().await {
        let log = bench.open().await;
        // A node of its own: the same database, its own copy of the keys and of the checkpoint.
        let keys = bench.dir.path().join("keys");
        let node = TempDir::new().unwrap();
        copy_tree(&keys, &node.path().join("keys"));
        fs::copy(bench.checkpoint_file(), node.path().join("checkpoint")).unwrap();
        let open = || async {
            let key = LogKey::read(&node.path().join("keys")).unwrap();
            let settings = Settings::new(node.path().join("checkpoint"));
            let clock = Arc::new(crate::clock::SystemClock);
            Log::open(bench.database().await, key, clock, Entropy::system().unwrap(), settings).await
        };
        let other = open().await.unwrap();
        other.append(opened(1), &context()).await.unwrap();
        log.change_key(&keys, &Entropy::system().unwrap(), &context()).await.unwrap();
        log.close().await;
        let refused = other.append(opened(2), &context()).await.unwrap_err().to_string();
        assert!(refused.contains("the log was given another key than this process has"), "{refused}");
        assert!(matches!(other.health(), Health::Broken { .. }));
        let refused = open().await.unwrap_err().to_string();
        assert!(refused.contains("the log was given another key"), "{refused}");
        // With the keys as they are now it goes on.
        fs::remove_dir_all(node.path().join("keys")).unwrap();
        copy_tree(&keys, &node.path().join("keys"));
        open().await.unwrap().append(opened(2), &context()).await.unwrap();
    }
}
