//! A disk that holds every write back for half a minute: requests are refused while it does, nothing is acknowledged meanwhile, and
//! everything goes on afterwards.

use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use super::judge::Judge;
use super::readers::{opened, places};
use super::tell;
use crate::harness::canaries_in;
use crate::harness::disk::{Disk, may_have};
use crate::harness::library::Library;
use crate::harness::process::{Program, demo_args};

/// How long the disk hangs.
const HANGS: Duration = Duration::from_secs(30);
const READERS: usize = 4;

#[test]
fn a_disk_that_hangs() {
    if !may_have("a disk that hangs for half a minute") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let disk = Disk::ext4(home.path(), 128);
    let source = library.source("gateway");
    let mut command = disk.command(env!("CARGO_BIN_EXE_lectern"));
    command.args(demo_args(&disk.path().join("data"), &[("gateway", &source)])).process_group(0);
    let mut program = Program::start(command);
    let data = disk.outside().join("data");
    let mut judge = Judge::of_data(&disk.path().join("data"));
    let places = places(&library);
    let mut readers: Vec<_> = (0..READERS).map(|_| program.sign_in(&data, 0)).collect();
    for (reader, (version, path)) in readers.iter_mut().zip(&places) {
        let page = reader.get_json(&format!("/p/gateway/{version}/file/{path}")).unwrap();
        let (index, answer) = opened(&page, version, path);
        judge.acknowledge(index, answer);
    }

    let hanging = Instant::now();
    let frozen = disk.freeze();
    let first = readers[0].get_json(&format!("/p/gateway/{}/file/{}", places[0].0, places[0].1)).expect("no answer while the disk hangs");
    assert_eq!(first.status, 503, "{}", first.text());
    // The first that is refused is enough for whoever spreads requests over portals.
    let ready = program.visitor().get("/readyz").expect("no answer while the disk hangs");
    assert_eq!(ready.status, 503, "{}", ready.text());
    let refused: usize = std::thread::scope(|scope| {
        let asking: Vec<_> = readers
            .iter_mut()
            .zip(&places)
            .map(|(reader, (version, path))| {
                scope.spawn(move || {
                    let mut refused = 0;
                    // Each is answered while the disk hangs, or this would wait for what only comes afterwards.
                    while refused < 3 || hanging.elapsed() < HANGS {
                        let answer = reader.get_json(&format!("/p/gateway/{version}/file/{path}"));
                        let answer = answer.expect("no answer while the disk hangs");
                        assert_eq!(answer.status, 503, "{}", answer.text());
                        assert!(canaries_in(&answer.body).is_empty());
                        refused += 1;
                    }
                    refused
                })
            })
            .collect();
        let alive = program.visitor().get("/healthz").expect("no answer while the disk hangs");
        assert_eq!(alive.status, 200);
        // A page that needs a new session says what is the matter.
        let stranger = program.visitor().get("/sign-in").expect("no answer while the disk hangs");
        assert_eq!(stranger.status, 503, "{}", stranger.text());
        asking.into_iter().map(|asking| asking.join().unwrap()).sum()
    });
    drop(frozen);

    let patience = Instant::now() + Duration::from_secs(120);
    for (reader, (version, path)) in readers.iter_mut().zip(&places) {
        loop {
            let page = reader.get_json(&format!("/p/gateway/{version}/file/{path}")).unwrap();
            if page.status == 200 {
                let (index, answer) = opened(&page, version, path);
                judge.acknowledge(index, answer);
                break;
            }
            assert_eq!(page.status, 503, "{}", page.text());
            assert!(Instant::now() < patience, "it did not go on: {}", page.text());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    program.kill();
    judge.judges_by(&|args| {
        let mut command = disk.command(env!("CARGO_BIN_EXE_lectern"));
        command.args(args);
        command
    });
    println!("{refused} requests were refused while the disk hung");
    tell("a disk that hung for 30 seconds", 1);
}
