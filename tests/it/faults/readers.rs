//! The program, killed while people read: every page that arrived has its entry, every checkpoint that was handed out holds, and it
//! goes on without repair.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lectern::ids::Entropy;

use super::judge::{Acknowledged, Judge};
use super::{count, tell};
use crate::harness::library::{Library, VERSIONS};
use crate::harness::process::{Program, Reply, Visitor};

const READERS: usize = 8;

/// Files of a product that are worth asking for, as (version, path).
pub(super) fn places(library: &Library) -> Vec<(String, String)> {
    VERSIONS
        .iter()
        .flat_map(|version| library.of("gateway", version))
        .filter(|piece| piece.text.is_some() && piece.bytes.len() < 10_000 && piece.path.is_ascii() && !piece.path.contains(&b' '))
        .map(|piece| (piece.version.to_owned(), piece.path_text()))
        .collect()
}

/// A page that arrived whole, as the judge keeps it.
pub(super) fn opened(page: &Reply, version: &str, path: &str) -> (u64, Acknowledged) {
    let page = page.json();
    let receipt = &page["receipt"];
    let leaf = receipt["leaf"].as_str().unwrap().to_owned();
    let checkpoint = receipt["checkpoint"].as_u64().unwrap();
    let answer = Acknowledged { leaf, checkpoint, path: path.to_owned(), version: Some(version.to_owned()) };
    (receipt["index"].as_u64().unwrap(), answer)
}

/// Reads one file after the other until the program is gone.
fn read(visitor: &mut Visitor, places: &[(String, String)], from: usize, arrived: &Mutex<Vec<(u64, Acknowledged)>>, count: &AtomicUsize) {
    for (version, path) in places.iter().cycle().skip(from) {
        let Some(page) = visitor.get_json(&format!("/p/gateway/{version}/file/{path}")) else { return };
        // A machine that is busy with something else may be late, and then no source is shown.
        if page.status == 503 {
            continue;
        }
        assert_eq!(page.status, 200, "{}", page.text());
        arrived.lock().unwrap().push(opened(&page, version, path));
        count.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn killed_while_people_read() {
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let data = home.path().join("data");
    let source = library.source("gateway");
    let products = [("gateway", source.as_str())];
    let places = places(&library);
    let mut judge = Judge::of_data(&data);
    let kills = count(2, 20);
    for _ in 0..kills {
        let [byte] = Entropy::system().unwrap().bytes::<1>();
        let enough = usize::from(byte);
        println!("killed after {enough} pages");
        let mut program = Program::demo(&data, &products, &[]);
        let readers: Vec<_> = (0..READERS).map(|_| program.sign_in(&data, 0)).collect();
        let mut keeper = program.sign_in(&data, 0);
        let (arrived, notes): (Mutex<Vec<_>>, Mutex<Vec<String>>) = Default::default();
        let (count, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let reading: Vec<_> = readers
                .into_iter()
                .enumerate()
                .map(|(reader, mut visitor)| {
                    let (places, arrived, count) = (&places, &arrived, &count);
                    scope.spawn(move || read(&mut visitor, places, reader * 31, arrived, count))
                })
                .collect();
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let Some(note) = keeper.get("/transparency/checkpoint") else { return };
                    if note.status == 200 {
                        notes.lock().unwrap().push(note.text());
                    }
                }
            });
            while count.load(Ordering::SeqCst) < enough && reading.iter().any(|reader| !reader.is_finished()) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            program.kill();
            over.store(true, Ordering::SeqCst);
        });
        assert!(count.load(Ordering::SeqCst) >= enough, "nobody was answered any more");
        for (index, answer) in arrived.into_inner().unwrap() {
            judge.acknowledge(index, answer);
        }
        for note in notes.into_inner().unwrap() {
            judge.keep(&note);
        }
        judge.judges();
    }
    let mut program = Program::demo(&data, &products, &[]);
    let mut visitor = program.sign_in(&data, 0);
    let (version, path) = &places[0];
    let page = visitor.get_json(&format!("/p/gateway/{version}/file/{path}")).unwrap();
    assert_eq!(page.status, 200, "it goes on without repair");
    let (index, answer) = opened(&page, version, path);
    judge.acknowledge(index, answer);
    program.kill();
    judge.judges();
    tell(&format!("the program killed while people read ({} pages arrived)", judge.acknowledged.len()), kills);
}
