//! Clients that ask for a file and leave: before the answer, in the middle of it, after it. Nothing of them stays, the log keeps its
//! promises, and others are served meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::judge::Judge;
use super::readers::{opened, places};
use super::{count, tell};
use crate::harness::library::Library;
use crate::harness::process::Program;

/// As many at a time.
const AT_ONCE: u32 = 8;
/// Anonymous memory that may be kept on top of what was held after the first thousand, in KiB. The allocator keeps some of what many
/// threads needed at the same time. A task that stayed for each of 10,000 clients would hold its buffers (8 KiB and more each).
const KEPT: u64 = 48 * 1024;

/// How a link to a socket begins.
const SOCKET: &str = "socket:";
/// Connections to the database, and some more: none of them is for a client that left.
const CONNECTIONS: usize = 16;

/// Sends the request and leaves: before the answer, after its first bytes, or after all of it.
fn ask_and_leave(address: &str, request: &[u8], when: u32) {
    let Ok(mut stream) = TcpStream::connect(address) else { panic!("{address} takes no more connections") };
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    match when % 4 {
        0 => {
            // Not even the whole request.
            let _ = stream.write_all(&request[..request.len() / 2]);
        }
        1 => {
            let _ = stream.write_all(request);
        }
        2 => {
            let _ = stream.write_all(request).and_then(|()| stream.read(&mut [0; 64]));
        }
        _ => {
            let _ = stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write));
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
}

/// What is open, each with how often: a file by its path, a socket by being one.
fn open_in(process: u32) -> BTreeMap<String, usize> {
    let mut open = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd")).unwrap() {
        // It may be closed meanwhile.
        let Ok(target) = fs::read_link(entry.unwrap().path()) else { continue };
        let target = target.to_string_lossy();
        *open.entry(if target.starts_with(SOCKET) { SOCKET.to_owned() } else { target.into_owned() }).or_default() += 1;
    }
    open
}

fn sockets(open: &BTreeMap<String, usize>) -> usize {
    open.get(SOCKET).copied().unwrap_or_default()
}

/// Memory that is not a file's, in KiB.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Waits until no more sockets are open than that, and no file more often than all connections to the database open it.
fn until_closed(process: u32, quiet: usize) {
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let open = open_in(process);
        if sockets(&open) <= quiet && open.iter().all(|(target, times)| target == SOCKET || *times <= CONNECTIONS) {
            return;
        }
        assert!(Instant::now() < patience, "there were {quiet} sockets; these are open: {open:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn clients_that_leave() {
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let data = home.path().join("data");
    let source = library.source("gateway");
    let mut program = Program::demo(&data, &[("gateway", &source)], &[]);
    let process = program.child.id();
    let mut judge = Judge::of_data(&data);
    let places = places(&library);
    let leaver = program.sign_in(&data, 0);
    let requests: Vec<Vec<u8>> = places
        .iter()
        .map(|(version, path)| leaver.request("GET", &format!("/p/gateway/{version}/file/{path}"), "text/html", None))
        .collect();
    let address = program.address.clone();
    let storm = |clients: u32| {
        std::thread::scope(|scope| {
            for part in 0..AT_ONCE {
                let (requests, address) = (&requests, &address);
                scope.spawn(move || {
                    for n in (part..clients).step_by(usize::try_from(AT_ONCE).unwrap()) {
                        // Each way to leave meets each file.
                        ask_and_leave(address, &requests[usize::try_from(n / 4).unwrap() % requests.len()], n);
                    }
                });
            }
        });
    };
    let clients = count(1_000, 10_000);
    let quiet = sockets(&open_in(process));
    storm(1_000);
    until_closed(process, quiet);
    let before = memory(process);

    let over = AtomicBool::new(false);
    let served = AtomicUsize::new(0);
    let arrived = Mutex::new(Vec::new());
    let mut reader = program.sign_in(&data, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (version, path) in places.iter().cycle() {
                if over.load(Ordering::SeqCst) && served.load(Ordering::SeqCst) > 0 {
                    return;
                }
                let page = reader.get_json(&format!("/p/gateway/{version}/file/{path}")).expect("others are not answered");
                // A slow machine may be late with an entry, and then says so.
                if page.status == 503 {
                    continue;
                }
                assert_eq!(page.status, 200, "{}", page.text());
                arrived.lock().unwrap().push(opened(&page, version, path));
                served.fetch_add(1, Ordering::SeqCst);
            }
        });
        storm(clients);
        over.store(true, Ordering::SeqCst);
    });
    // The reader's connection is kept.
    until_closed(process, quiet + 1);
    let after = memory(process);
    println!("{} pages were read meanwhile; {before} KiB before, {after} KiB after", arrived.lock().unwrap().len());
    assert!(after < before + KEPT, "{before} KiB before {clients} clients left, {after} KiB after");
    for (index, answer) in arrived.into_inner().unwrap() {
        judge.acknowledge(index, answer);
    }
    program.kill();
    judge.judges();
    tell("clients that left", clients);
}
