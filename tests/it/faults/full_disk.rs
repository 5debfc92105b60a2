//! A disk that fills up: 503 and no source; nothing that was acknowledged is lost; and it goes on when there is room again.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::appender::{Installation, Orders, binary};
use super::judge::Judge;
use super::{SHUT_UNTIL_RESTART, count, tell};
use crate::harness::canaries_in;
use crate::harness::disk::{Disk, fill, may_have};
use crate::harness::library::{Library, MAIN};
use crate::harness::process::{Program, Visitor, demo_args, run, said};

#[test]
fn a_full_disk_shows_no_source() {
    if !may_have("a disk that fills up under the program; log_unavailable fills the database itself up") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let disk = Disk::memory(home.path(), 24);
    let source = library.source("gateway");
    let mut command = disk.command(env!("CARGO_BIN_EXE_lectern"));
    command.args(demo_args(&disk.path().join("data"), &[("gateway", &source)])).process_group(0);
    let mut program = Program::start(command);
    let data = disk.outside().join("data");
    let mut reader = program.sign_in(&data, 0);
    let address = format!("/p/gateway/v2.0/file/{MAIN}");
    assert_eq!(reader.get(&address).unwrap().status, 200);

    let filler = disk.outside().join("filler");
    fill(&filler);
    refused(&mut reader, &address, &filler);
    for page in [address.as_str(), "/p/gateway/v2.0/tree/", "/search?q=strcpy", "/p/gateway/v2.0/file/README.md"] {
        let answer = reader.get(page).unwrap();
        assert_eq!(answer.status, 503, "{page}: {}", answer.text());
        assert!(canaries_in(&answer.body).is_empty(), "{page}");
    }
    let stranger = program.visitor().get("/sign-in").unwrap();
    assert!(stranger.status == 200 || stranger.text().contains("Nobody can sign in at the moment"), "{}", stranger.text());
    assert!(stranger.text().contains("name=\"password\""), "the page itself is there");

    fs::remove_file(&filler).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = reader.get(&address).unwrap();
        if answer.status == 200 {
            assert!(!canaries_in(&answer.body).is_empty());
            break;
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(Instant::now() < patience, "it did not recover");
        std::thread::sleep(Duration::from_millis(100));
    }
    let token = fs::read_to_string(data.join("keys/verifier.token")).unwrap();
    let verified = run(&["audit", "verify", &format!("http://{}", program.address), "--token", token.trim()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    program.kill();
}

/// What the database had room for within its files is used up first.
fn refused(reader: &mut Visitor, address: &str, filler: &Path) {
    for _ in 0..5_000 {
        let answer = reader.get(address).unwrap();
        if answer.status == 503 {
            return;
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        fill(filler);
    }
    panic!("the disk never filled up");
}

/// Those who append while there is no room.
const TASKS: u64 = 8;

/// Without root: no file of the process may become larger than so many blocks of 512 bytes.
#[test]
fn files_that_may_not_grow() {
    let times = count(4, 40);
    for time in 0..times {
        let installation = Installation::new();
        let mut judge = Judge::of(&installation);
        let mut first = Orders::at(&installation).entries(3).start();
        assert!(judge.hear_out(&mut first), "{}", first.errors());
        let mut command = Command::new("sh");
        // A write beyond the limit is then an error, and no signal.
        // What is there already may be written, and a little more.
        let files = ["lectern.db", "lectern.db-wal"].map(|name| fs::metadata(installation.data.join(name)).map_or(0, |file| file.len()));
        let blocks = files.into_iter().max().unwrap_or(0) / 512 + 40 + 37 * u64::from(time);
        command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh"]).arg(binary());
        let mut appender = Orders::at(&installation).tasks(TASKS).endless().start_by(command);
        if SHUT_UNTIL_RESTART {
            judge.hears_refusals(&mut appender, TASKS);
        } else {
            judge.hears_some_refused(&mut appender);
        }
        appender.kill();
        while let Some(said) = appender.next() {
            judge.hear(&said);
        }
        drop(appender);
        judge.judges();
        let mut next = Orders::at(&installation).entries(3).start();
        assert!(judge.hear_out(&mut next), "{}", next.errors());
        judge.judges();
    }
    tell("files that may not grow", times);
}
