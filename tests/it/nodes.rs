//! Several processes at one installation: portals that share a PostgreSQL, and commands beside a portal that runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lectern::audit::{Context, Draft, Kind, Outcome};
use lectern::cli::installation;
use lectern::clock::SharedClock;
use lectern::ids::{Entropy, RequestId};

use crate::harness::library::{Library, MAIN};
use crate::harness::process::{Program, demo_args, lectern, run, said};
use crate::harness::{Backend, Portal, postgres};

fn context(entropy: &Entropy) -> Context {
    Context::internal(RequestId::random(entropy))
}

fn draft(n: usize) -> Draft {
    Draft::new(Kind::AccessDenied, Outcome::Denied).fact("n", n)
}

/// What a further node is given of one that runs.
fn hand_over(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("keys")).unwrap();
    for file in ["keys/log.key", "keys/log.vkey", "keys/verifier.token", "checkpoint"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_and_three_nodes_append_to_one_log() {
    if !postgres::is_there() {
        return;
    }
    for nodes in [2, 3] {
        let portal = Portal::bare(Backend::Postgres).await;
        let home = tempfile::tempdir().unwrap();
        let mut rooms = vec![Arc::clone(&portal.rooms)];
        for node in 1..nodes {
            let mut config = portal.rooms.config.clone();
            config.data = home.path().join(node.to_string());
            hand_over(&portal.rooms.config.data, &config.data);
            let clock: SharedClock = Arc::clone(&portal.clock) as SharedClock;
            rooms.push(installation::open(config, clock, Entropy::seeded(node)).await.unwrap());
        }
        let before = portal.rooms.log.size().await.unwrap();
        let mut writers = Vec::new();
        for n in 0..16 {
            let node = Arc::clone(&rooms[n % rooms.len()]);
            writers.push(tokio::spawn(async move {
                let mut receipts = Vec::new();
                for m in 0..25 {
                    receipts.push(node.log.append(draft(n * 100 + m), &context(&node.entropy)).await.unwrap());
                }
                receipts
            }));
        }
        // Checkpoints that nodes hand out meanwhile extend each other.
        let done = Arc::new(AtomicBool::new(false));
        let watching: Vec<_> = rooms
            .iter()
            .map(|node| {
                let (own, done) = (Arc::clone(node), Arc::clone(&done));
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    while !done.load(Ordering::SeqCst) {
                        let note = own.log.checkpoint().await.unwrap();
                        seen.push(lectern::audit::Checkpoint::open(&note, own.log.public_key()).unwrap());
                        tokio::task::yield_now().await;
                    }
                    seen
                })
            })
            .collect();
        let mut receipts = Vec::new();
        for writer in writers {
            receipts.extend(writer.await.unwrap());
        }
        done.store(true, Ordering::SeqCst);
        receipts.sort_by_key(|receipt| receipt.index);
        assert!(receipts.iter().map(|receipt| receipt.index).eq(before..before + 400), "{nodes} nodes");
        let note = portal.rooms.log.checkpoint().await.unwrap();
        let last = lectern::audit::Checkpoint::open(&note, portal.rooms.log.public_key()).unwrap();
        for watcher in watching {
            for seen in watcher.await.unwrap() {
                let proof = portal.rooms.log.consistency(seen.size, last.size).await.unwrap().unwrap();
                assert!(lectern::audit::merkle::extends(seen.size, last.size, &seen.root, &last.root, &proof), "at {}", seen.size);
            }
        }
        for node in &rooms {
            assert_eq!(node.log.checkpoint().await.unwrap(), note);
            for receipt in receipts.iter().step_by(41) {
                let path = node.log.proof(receipt.index, last.size).await.unwrap().unwrap();
                assert!(lectern::audit::merkle::includes(receipt.index, last.size, &receipt.leaf, &path, &last.root));
            }
        }
        for node in rooms.drain(1..) {
            let config = node.config.clone();
            node.jobs.stop();
            node.log.close().await;
            node.database.close().await;
            drop(node);
            let clock: SharedClock = Arc::clone(&portal.clock) as SharedClock;
            let again = installation::open(config, clock, Entropy::seeded(9)).await.unwrap();
            assert_eq!(again.log.size().await.unwrap(), last.size);
            again.log.close().await;
            again.database.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_further_node_is_told_what_it_needs() {
    if !postgres::is_there() {
        return;
    }
    let portal = Portal::bare(Backend::Postgres).await;
    portal.rooms.log.append(draft(1), &portal.context()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let (data, file) = (home.path().join("data"), home.path().join("lectern.toml"));
    let text = format!(
        "data = {:?}\nlisten = \"127.0.0.1:0\"\n[database]\nurl = {:?}\nallow_unsafe = true\n",
        data.display().to_string(),
        portal.rooms.config.database
    );
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    for command in ["serve", "doctor"] {
        let looked = run(&[command, "--config", file]);
        assert_eq!(looked.status.code(), Some(1), "{}", said(&looked));
        assert!(
            said(&looked).contains("needs the directory keys and the file checkpoint from the data directory of a node"),
            "{}",
            said(&looked)
        );
    }
    // Nor does init make a key of its own for a log that is there.
    let made = run(&["init", "--config", file, "--administrators", "a@x.example", "b@x.example"]);
    assert_eq!(made.status.code(), Some(1), "{}", said(&made));
    assert!(said(&made).contains("a new key would begin another log"), "{}", said(&made));
    assert!(!data.join("keys/log.key").exists());
    hand_over(&portal.rooms.config.data, &data);
    fs::remove_file(data.join("checkpoint")).unwrap();
    let looked = run(&["doctor", "--config", file]);
    assert!(said(&looked).contains("copy it from a node that runs"), "{}", said(&looked));
    hand_over(&portal.rooms.config.data, &data);
    let looked = run(&["doctor", "--config", file]);
    assert_eq!(looked.status.code(), Some(0), "{}", said(&looked));
    assert!(said(&looked).contains("all verified against the signed checkpoint"), "{}", said(&looked));
}

/// A server that may lose what it acknowledged is refused, unless the configuration says that this is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_sync_is_refused() {
    if !postgres::is_there() {
        return;
    }
    // That of the tests runs with fsync=off.
    let url = postgres::database();
    let refused = lectern::database::Database::open(&url).await.unwrap_err().to_string();
    assert!(refused.contains("PostgreSQL reports fsync = \"off\"") && refused.contains("database.allow_unsafe"), "{refused}");
    // What a connection can set for itself, each of them does, whatever the server's default.
    let open = async || lectern::database::Database::open_on(&url, lectern::database::Server::Unsafe).await.unwrap();
    let before = open().await;
    let name = url.split(['/', '?']).nth(3).unwrap();
    let default = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    sqlx::query(sqlx::AssertSqlSafe(default)).execute(before.pool()).await.unwrap();
    before.close().await;
    let database = open().await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut connection = database.pool().acquire().await.unwrap();
        let row = sqlx::query("SHOW synchronous_commit").fetch_one(&mut *connection).await.unwrap();
        assert_eq!(sqlx::Row::get::<String, _>(&row, 0), "on");
        held.push(connection);
    }
    drop(held);
    database.close().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("lectern.toml");
    let text = |more: &str| format!("data = \"data\"\n[database]\nurl = {url:?}\n{more}");
    fs::write(&file, text("")).unwrap();
    let init = || run(&["init", "--config", file.to_str().unwrap(), "--administrators", "a@x.example", "b@x.example"]);
    let made = init();
    assert_eq!(made.status.code(), Some(1), "{}", said(&made));
    assert!(said(&made).contains("PostgreSQL reports fsync"), "{}", said(&made));
    fs::write(&file, text("allow_unsafe = true\n")).unwrap();
    let made = init();
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    assert!(said(&made).contains("a power cut may take entries away that were acknowledged"), "{}", said(&made));
}

/// Wherever it is served from.
#[test]
fn one_database_of_sqlite_is_served_by_one_process() {
    let home = tempfile::tempdir().unwrap();
    let shared = format!("sqlite://{}?mode=rwc", home.path().join("shared.db").display());
    let config = |name: &str, database: &str| {
        let mut config = lectern::config::Config::for_data(&home.path().join(name)).unwrap();
        database.clone_into(&mut config.database);
        config
    };
    let held = installation::lock(&config("one", &shared)).unwrap();
    let refused = |config| installation::lock(&config).err().unwrap().to_string();
    assert!(refused(config("two", &shared)).contains("another Lectern is using the database"));
    let own = format!("sqlite://{}?mode=rwc", home.path().join("one/other.db").display());
    assert!(refused(config("one", &own)).contains("another Lectern is running on"));
    drop(held);
    drop(installation::lock(&config("two", &shared)).unwrap());
}

#[test]
fn commands_beside_a_portal_work_or_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let (data, gateway, ledger) = (home.path().join("data"), library.source("gateway"), library.source("ledger"));
    let products = [("gateway", gateway.as_str())];
    let mut program = Program::demo(&data, &products, &[]);
    // Slow machines are no fault of the log: the commands wait longer for it than the portal does.
    let file = home.path().join("lectern.toml");
    fs::write(&file, format!("data = {:?}\nlisten = \"127.0.0.1:0\"\n[log]\ndeadline_ms = 60000\n", data.display().to_string())).unwrap();
    let at = file.to_str().unwrap();
    let address = format!("/p/gateway/v2.0/file/{MAIN}");
    let done = AtomicBool::new(false);
    let readers: Vec<_> = (0..2).map(|_| program.sign_in(&data, 0)).collect();
    std::thread::scope(|scope| {
        for mut reader in readers {
            let (done, address) = (&done, &address);
            scope.spawn(move || {
                let mut read = 0;
                while !done.load(Ordering::SeqCst) {
                    let page = reader.get_json(address).unwrap();
                    // A page that had to wait for a command for too long is refused, and the next one is not.
                    assert!([200, 503].contains(&page.status), "{}", page.text());
                    read += u32::from(page.status == 200);
                }
                assert!(read > 0);
            });
        }
        let out = |name: &str| home.path().join(name).display().to_string();
        let (tiles, lines, backup) = (out("tiles"), out("log.jsonl"), out("backup"));
        let outcome = std::panic::catch_unwind(|| {
            for args in [
                vec!["audit", "verify", "--config", at],
                vec!["doctor", "--config", at],
                vec!["audit", "export", "--format", "tiles", "--out", &tiles, "--config", at],
                vec!["audit", "export", "--format", "jsonl", "--out", &lines, "--config", at],
                vec!["audit", "key", "--config", at],
                vec!["mirror", "list", "--config", at],
                vec!["mirror", "sync", "gateway", "--config", at],
                vec!["mirror", "add", "ledger", &ledger, "--config", at],
                vec!["version", "publish", "ledger", "--config", at],
                vec!["version", "list", "ledger", "--config", at],
                vec!["index", "status", "--config", at],
                vec!["backup", "--out", &backup, "--config", at],
                vec!["backup", "verify", &backup],
                vec!["audit", "verify", &tiles],
            ] {
                let output = run(&args);
                assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
            }
            // What wants the installation for itself says so.
            let demo = demo_args(&data, &products);
            for args in [
                vec!["serve", "--config", at],
                vec!["index", "rebuild", "--config", at],
                vec!["restore", "--from", &backup, "--config", at],
                demo.iter().map(String::as_str).collect(),
            ] {
                // The address of the portal that runs is not what is in the way.
                let output = lectern().args(&args).output().unwrap();
                assert_eq!(output.status.code(), Some(1), "{args:?}: {}", said(&output));
                assert!(said(&output).contains("another Lectern is running on"), "{args:?}: {}", said(&output));
            }
        });
        done.store(true, Ordering::SeqCst);
        outcome.unwrap();
    });
    program.kill();
    let verified = run(&["audit", "verify", "--config", at]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
}
