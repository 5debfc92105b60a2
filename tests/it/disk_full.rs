//! A disk that fills up under the real program: 503 and no source; and when there is room again, no repair.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::library::{Library, MAIN};
use crate::harness::process::{Program, Visitor, demo_args, run, said};
use crate::harness::{canaries_in, is_root};

#[test]
fn a_full_disk_shows_no_source_and_needs_no_repair() {
    if !is_root() || !may_mount() {
        println!("not run: mounting a small disk needs root; log_unavailable fills the database itself up");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut command = Command::new("unshare");
    // The mount is seen by this process and its children only, and ends with them.
    let script = "mount -t tmpfs -o size=24m none \"$1\" && shift && exec \"$@\"";
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&disk).arg(env!("CARGO_BIN_EXE_lectern"));
    command.args(demo_args(&disk.join("data"), &[("gateway", &library.source("gateway"))])).process_group(0);
    let mut program = Program::start(command);
    let inside = PathBuf::from(format!("/proc/{}/root{}", program.child.id(), disk.display()));
    let data = inside.join("data");
    let mut reader = program.sign_in(&data, 0);
    let address = format!("/p/gateway/v2.0/file/{MAIN}");
    assert_eq!(reader.get(&address).unwrap().status, 200);

    let filler = inside.join("filler");
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

pub(crate) fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    tried.is_ok_and(|output| output.status.success())
}

pub(crate) fn fill(filler: &PathBuf) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(filler).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write(&vec![b'x'; size]).unwrap_or(0) < size {
            size /= 2;
        }
    }
}

/// What the database had room for within its files is used up first.
fn refused(reader: &mut Visitor, address: &str, filler: &PathBuf) {
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
