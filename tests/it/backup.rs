//! Backups by the real program: taken while people read, restored into either database, and refused when anything is amiss.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lectern::audit::{Filter, Kind, Receipt};
use lectern::database::Database;

use crate::harness::library::{MAIN, SOCKET};
use crate::harness::postgres as server;
use crate::harness::process::{Program, lectern, run, said};
use crate::harness::{Backend, Portal, on_both};

on_both! {
    taken_while_eight_write_and_restored_into_either_database
    what_is_newer_or_other_is_never_overwritten
}

const WRITERS: usize = 8;

/// A configuration for the real program.
fn configuration(directory: &Path, data: &Path, database: Option<&str>) -> String {
    fs::create_dir_all(directory).unwrap();
    let file = directory.join("lectern.toml");
    let database = database.map(|url| format!("[database]\nurl = {url:?}\nallow_unsafe = true\n")).unwrap_or_default();
    // Slow machines are no fault of the log.
    let text = format!("data = {:?}\nlisten = \"127.0.0.1:0\"\n{database}[log]\ndeadline_ms = 60000\n", data.display().to_string());
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// The same installation, for the real program.
fn beside(portal: &Portal, home: &Path) -> String {
    let config = &portal.rooms.config;
    configuration(home, &config.data, (portal.backend == Backend::Postgres).then_some(config.database.as_str()))
}

/// An installation that is not there yet.
fn target(home: &Path, name: &str, backend: Backend) -> (String, PathBuf) {
    let data = home.join(name).join("data");
    let url = (backend == Backend::Postgres).then(server::database);
    (configuration(&home.join(name), &data, url.as_deref()), data)
}

fn ok(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    said(output)
}

fn refused(output: &Output, says: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    assert!(said(output).contains(says), "{says:?} is not in: {}", said(output));
}

async fn program(args: &[&str]) -> Output {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    tokio::task::spawn_blocking(move || run(&args.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap()
}

async fn whoever_changes_what_auditors_filter_by_is_found_out(database: &str, config: &str) {
    ok(&program(&["doctor", "--config", config]).await);
    let database = Database::open_on(database, lectern::database::Server::Unsafe).await.unwrap();
    let changed = sqlx::query("UPDATE log_listing SET product = 'another' WHERE idx = 2").execute(database.pool()).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    database.close().await;
    refused(&program(&["doctor", "--config", config]).await, "auditors' listing: entry 2 is not listed as it is");
    ok(&program(&["audit", "relist", "--config", config]).await);
    ok(&program(&["doctor", "--config", config]).await);
}

fn manifest(backup: &Path) -> serde_json::Value {
    let text = fs::read_to_string(backup.join("manifest.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["manifest"].clone()
}

/// The names of the tables that stand in a backup.
fn tables(backup: &Path) -> Vec<String> {
    let files = manifest(backup)["files"].as_array().unwrap().clone();
    files.iter().filter_map(|file| file["path"].as_str()?.strip_prefix("tables/").map(str::to_owned)).collect()
}

async fn taken_while_eight_write_and_restored_into_either_database(backend: Backend) {
    let portal = Portal::start(backend).await;
    let home = tempfile::tempdir().unwrap();
    let own = beside(&portal, &home.path().join("own"));
    let person = portal.reviewer(&crate::harness::library::PRODUCTS.map(crate::harness::Grant::of)).await;
    let reader = portal.sign_in(&person).await;
    let before = reader.get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200).json();
    let before: Receipt = serde_json::from_value(before["receipt"].clone()).unwrap();
    let receipt = home.path().join("before.tlog-proof");
    fs::write(&receipt, portal.rooms.log.receipt_file_with_entry(before.index).await.unwrap().unwrap()).unwrap();

    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (reader, stop, count) = (portal.sign_in(&person).await, Arc::clone(&stop), Arc::clone(&count));
        writers.push(tokio::spawn(async move {
            let mut receipts: Vec<Receipt> = Vec::new();
            let path = if writer % 2 == 0 { MAIN } else { SOCKET };
            while !stop.load(Ordering::SeqCst) {
                let page = reader.get_json(&format!("/p/gateway/v2.0/file/{path}")).await.is(200).json();
                receipts.push(serde_json::from_value(page["receipt"].clone()).unwrap());
                count.fetch_add(1, Ordering::SeqCst);
            }
            receipts
        }));
    }
    while count.load(Ordering::SeqCst) < 2 * WRITERS {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let first = home.path().join("first");
    let told = ok(&program(&["backup", "--out", first.to_str().unwrap(), "--config", &own]).await);
    stop.store(true, Ordering::SeqCst);
    let mut receipts = vec![before];
    for writer in writers {
        receipts.extend(writer.await.unwrap());
    }
    let said_of_it = manifest(&first);
    let size = said_of_it["log"]["size"].as_u64().unwrap();
    assert!(told.contains(&format!("with its {size} entries")), "{told}");
    assert!(said_of_it["files"].as_array().unwrap().iter().any(|file| file["path"] == "configuration.toml"));
    assert!(receipts.iter().any(|r| r.index < size) && portal.rooms.log.size().await.unwrap() > size, "it was taken in the middle");
    // It stands in the log that it was taken, and in the backup itself, too.
    let taken = portal.entries(Filter { kind: Some(Kind::BackupTaken), ..Filter::default() }).await;
    assert!(taken.len() == 1 && taken[0].index < size, "{taken:?}");
    for (path, mode) in
        [("", 0o700), ("tables", 0o700), ("manifest.json", 0o600), ("tables/accounts.jsonl", 0o600), ("data/keys/log.key", 0o600)]
    {
        assert_eq!(fs::metadata(first.join(path)).unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
    assert!(!tables(&first).contains(&"sessions.jsonl".to_owned()));

    // Into the other database, and from there back.
    let others = match backend {
        Backend::Sqlite if server::is_there() => [Backend::Postgres, Backend::Sqlite],
        Backend::Sqlite => [Backend::Sqlite, Backend::Sqlite],
        Backend::Postgres => [Backend::Sqlite, Backend::Postgres],
    };
    let (second, data) = target(home.path(), "second", others[0]);
    let told = ok(&program(&["restore", "--from", first.to_str().unwrap(), "--config", &second]).await);
    assert!(told.contains("Everybody has to sign in again") && told.contains("it forks"), "{told}");
    let text = receipt.to_str().unwrap();
    ok(&program(&["audit", "verify", "--config", &second]).await);
    let kept = data.join("checkpoint");
    assert_eq!(fs::read(&kept).unwrap(), fs::read(first.join("checkpoint")).unwrap());
    ok(&program(&["audit", "verify", text, "--config", &second]).await);
    let again = home.path().join("again");
    ok(&program(&["backup", "--out", again.to_str().unwrap(), "--config", &second]).await);
    assert_eq!(manifest(&again)["log"]["size"].as_u64().unwrap(), size + 1, "one entry: that it was backed up again");
    assert_eq!(tables(&again), tables(&first));
    for table in tables(&first) {
        let read = |backup: &Path| fs::read(backup.join("tables").join(&table)).unwrap();
        let (one, two) = (read(&first), read(&again));
        match table.as_str() {
            "log_entries.jsonl" | "log_tree.jsonl" => assert!(two.starts_with(&one), "{table}"),
            "log_head.jsonl" => {}
            _ => assert!(one == two, "{table}: {} and {}", String::from_utf8_lossy(&one), String::from_utf8_lossy(&two)),
        }
    }
    let (third, data) = target(home.path(), "third", others[1]);
    ok(&program(&["restore", "--from", again.to_str().unwrap(), "--checkpoint", kept.to_str().unwrap(), "--config", &third]).await);
    let verified = ok(&program(&["audit", "verify", "--checkpoint", kept.to_str().unwrap(), "--config", &third]).await);
    assert!(verified.contains("holds"), "{verified}");

    // Every receipt from before is of an entry in it.
    let url = match others[1] {
        Backend::Sqlite => Database::sqlite_url(&data.join("lectern.db")),
        Backend::Postgres => {
            let text = fs::read_to_string(&third).unwrap();
            text.lines().find_map(|line| Some(line.strip_prefix("url = \"")?.trim_end_matches('"').to_owned())).unwrap()
        }
    };
    let restored = Database::open_on(&url, lectern::database::Server::Unsafe).await.unwrap();
    for receipt in receipts.iter().filter(|receipt| receipt.index < size) {
        let row = sqlx::query("SELECT leaf FROM log_entries WHERE idx = $1").bind(i64::try_from(receipt.index).unwrap());
        let leaf: Vec<u8> = sqlx::Row::get(&row.fetch_one(restored.pool()).await.unwrap(), 0);
        assert_eq!(leaf, receipt.leaf, "entry {}", receipt.index);
    }
    restored.close().await;

    // And it serves: the same person, the same grant, source fetched anew. What is read there is not in the first log.
    ok(&program(&["mirror", "sync", "--config", &third]).await);
    whoever_changes_what_auditors_filter_by_is_found_out(&url, &third).await;
    assert_eq!(portal.what_is_wrong().await, Vec::<String>::new());
    portal.do_not_check();
    let mut reader = portal
        .beside(|config| {
            config.data.clone_from(&data);
            config.database = url;
        })
        .await;
    reader.get("/").await.is(303);
    reader.sign_in(&person).await.is(303);
    let page = reader.get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200).json();
    assert!(page["receipt"]["index"].as_u64().unwrap() > size);
    drop(reader);
    let accounts = serde_json::json!([{"email": person.email, "password": person.password}]);
    fs::write(data.join("demo-accounts.json"), accounts.to_string()).unwrap();
    tokio::task::spawn_blocking(move || {
        let mut command = lectern();
        command.args(["serve", "--config", &third]);
        let mut portal = Program::start(command);
        // Whether the grant is in force is for the clock of this machine to say, but it is the same person.
        assert_eq!(portal.sign_in(&data, 0).get("/").unwrap().status, 200);
        assert_eq!(portal.visitor().get("/readyz").unwrap().status, 200);
        portal.kill();
    })
    .await
    .unwrap();
}

async fn what_is_newer_or_other_is_never_overwritten(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let home = tempfile::tempdir().unwrap();
    let own = beside(&portal, &home.path().join("own"));
    let old = home.path().join("old");
    let (old, new) = (old.to_str().unwrap(), home.path().join("new"));
    let new = new.to_str().unwrap();
    ok(&program(&["backup", "--out", old, "--config", &own]).await);
    let size = manifest(old.as_ref())["log"]["size"].as_u64().unwrap();
    portal.agency().await;
    ok(&program(&["backup", "--out", new, "--config", &own]).await);
    let newer = manifest(new.as_ref())["log"]["size"].as_u64().unwrap();
    assert!(newer > size + 1);
    refused(&program(&["backup", "--out", new, "--config", &own]).await, "is not empty");
    let within = portal.rooms.config.data.join("backup");
    refused(&program(&["backup", "--out", within.to_str().unwrap(), "--config", &own]).await, "lies in the data directory");
    assert!(!within.exists());

    // An earlier part of the same log may be replaced, and a later one may not, whatever still says how far it went.
    let (other, data) = target(home.path(), "other", backend);
    ok(&program(&["restore", "--from", old, "--config", &other]).await);
    ok(&program(&["restore", "--from", new, "--config", &other]).await);
    let lost = format!("the entries {size} to {} would be lost", newer - 1);
    refused(&program(&["restore", "--from", old, "--config", &other]).await, &lost);
    let kept = data.join("checkpoint");
    let checkpoint = fs::read(&kept).unwrap();
    fs::remove_file(&kept).unwrap();
    refused(&program(&["restore", "--from", old, "--config", &other]).await, &lost);
    ok(&program(&["restore", "--from", new, "--config", &other]).await);
    assert_eq!(fs::read(&kept).unwrap(), checkpoint);
    ok(&program(&["audit", "verify", "--config", &other]).await);

    // A checkpoint that somebody kept tells that a backup is too old for an empty directory as well.
    let (empty, data) = target(home.path(), "empty", backend);
    let kept = kept.to_str().unwrap();
    refused(&program(&["restore", "--from", old, "--checkpoint", kept, "--config", &empty]).await, &lost);
    assert!(!data.join("checkpoint").exists() && !data.join("keys").exists(), "nothing was put in place");

    // Another log with the same name, made by init, is none that this one continues.
    let (foreign, data) = target(home.path(), "foreign", backend);
    ok(&program(&["init", "--config", &foreign, "--administrators", "a@x.example", "b@x.example"]).await);
    let before = fs::read(data.join("keys/log.key")).unwrap();
    refused(&program(&["restore", "--from", new, "--config", &foreign]).await, "is no checkpoint of the log in the backup");
    fs::remove_file(data.join("checkpoint")).unwrap();
    refused(&program(&["restore", "--from", new, "--config", &foreign]).await, "is another key than that of the log in the backup");
    fs::remove_dir_all(data.join("keys")).unwrap();
    refused(&program(&["restore", "--from", new, "--config", &foreign]).await, "of another log, or of one that was rewritten");
    assert!(!data.join("checkpoint").exists() && !data.join("keys").exists() && !before.is_empty());
}

/// A backup of a small installation of SQLite.
fn small(home: &Path) -> (PathBuf, String) {
    let config = configuration(&home.join("own"), &home.join("own/data"), None);
    ok(&run(&["init", "--config", &config, "--administrators", "a@x.example", "b@x.example"]));
    let backup = home.join("backup");
    ok(&run(&["backup", "--out", backup.to_str().unwrap(), "--config", &config]));
    (backup, config)
}

#[test]
fn a_flipped_bit_is_found_in_every_file() {
    let home = tempfile::tempdir().unwrap();
    let (backup, _) = small(home.path());
    let text = backup.to_str().unwrap();
    assert!(ok(&run(&["backup", "verify", text])).contains("whole, taken"));
    let mut files: Vec<String> =
        manifest(&backup)["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
    files.push("manifest.json".to_owned());
    for needed in ["checkpoint", "data/keys/log.key", "data/keys/log.vkey", "tables/log_entries.jsonl", "tables/accounts.jsonl"] {
        assert!(files.iter().any(|file| file == needed), "{needed} is not in {files:?}");
    }
    let (empty, data) = target(home.path(), "empty", Backend::Sqlite);
    for (number, file) in files.iter().enumerate() {
        let path = backup.join(file);
        let whole = fs::read(&path).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut bent = whole.clone();
            bent[at] ^= 1 << (number % 7);
            fs::write(&path, &bent).unwrap();
            let verified = run(&["backup", "verify", text]);
            assert_eq!(verified.status.code(), Some(1), "{file} at {at}: {}", said(&verified));
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(run(&["restore", "--from", text, "--config", &empty]).status.code(), Some(1), "{file} is shorter");
        fs::remove_file(&path).unwrap();
        assert_eq!(run(&["restore", "--from", text, "--config", &empty]).status.code(), Some(1), "{file} is missing");
        assert!(!data.join("checkpoint").exists() && !data.join("keys").exists(), "{file}: something was put in place");
        fs::write(&path, &whole).unwrap();
    }
    ok(&run(&["restore", "--from", text, "--config", &empty]));
    ok(&run(&["audit", "verify", "--config", &empty]));
}

#[test]
fn one_that_is_killed_is_none() {
    let home = tempfile::tempdir().unwrap();
    let (_, config) = small(home.path());
    // A file that takes long to copy, so that there is a middle to be killed in. It takes no room itself.
    let large = fs::File::create(home.path().join("own/data/large")).unwrap();
    large.set_len(1 << 40).unwrap();
    let out = home.path().join("out");
    let mut child = lectern().args(["backup", "--out", out.to_str().unwrap(), "--config", &config]).spawn().unwrap();
    while !out.join("data/large").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(home.path().join("own/data/large")).unwrap();
    let text = out.to_str().unwrap();
    refused(&run(&["backup", "verify", text]), "it has no manifest.json, which is written last");
    let (empty, data) = target(home.path(), "empty", Backend::Sqlite);
    refused(&run(&["restore", "--from", text, "--config", &empty]), "it has no manifest.json, which is written last");
    assert!(!data.exists());
    refused(&run(&["backup", "--out", text, "--config", &config]), "is not empty");
    // The installation is none the worse.
    ok(&run(&["doctor", "--config", &config]));
}

/// Killed at any moment, a restore leaves what a portal refuses or what is whole; and the same command brings it to its end.
#[test]
fn a_restore_that_is_killed_can_be_made_again() {
    let home = tempfile::tempdir().unwrap();
    let (backup, _) = small(home.path());
    let text = backup.to_str().unwrap();
    let (config, data) = target(home.path(), "new", Backend::Sqlite);
    for sign in ["lock", "lectern.db", "checkpoint", "keys", "keys/log.key", "keys/verifier.token"] {
        let mut child =
            lectern().args(["restore", "--from", text, "--config", &config]).stdout(std::process::Stdio::null()).spawn().unwrap();
        while !data.join(sign).exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        let looked = run(&["audit", "verify", "--config", &config]);
        if data.join("checkpoint").exists() {
            let begun = said(&looked).contains("1 entries");
            assert!(!begun, "{sign}: a log of its own was begun: {}", said(&looked));
        }
    }
    ok(&run(&["restore", "--from", text, "--config", &config]));
    ok(&run(&["audit", "verify", "--checkpoint", backup.join("checkpoint").to_str().unwrap(), "--config", &config]));
}
