//! A portal that is killed while people read: every page that arrived has its entry, and the log verifies.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lectern::ids::Entropy;
use sha2::{Digest, Sha256};

use crate::harness::library::{Library, VERSIONS};
use crate::harness::process::{Program, run, said};

const READERS: usize = 8;
const FILES: usize = 1_000;

/// A page as it arrived.
struct Arrived {
    index: u64,
    leaf: String,
    version: String,
    path: String,
}

#[test]
fn every_page_that_arrived_has_its_entry() {
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let data = home.path().join("data");
    let source = library.source("gateway");
    let products = [("gateway", source.as_str())];
    let places: Vec<(String, String)> = VERSIONS
        .iter()
        .flat_map(|version| library.of("gateway", version))
        .filter(|piece| piece.text.is_some() && piece.bytes.len() < 10_000 && piece.path.is_ascii() && !piece.path.contains(&b' '))
        .map(|piece| (piece.version.to_owned(), piece.path_text()))
        .collect();
    let [a, b] = Entropy::system().unwrap().bytes::<2>();
    let enough = 50 + usize::from(u16::from_be_bytes([a, b])) % (FILES - 100);
    println!("killed after {enough} pages");

    let mut program = Program::demo(&data, &products, &[]);
    let arrived: Mutex<Vec<Arrived>> = Mutex::default();
    let count = AtomicUsize::new(0);
    let readers: Vec<_> = (0..READERS).map(|_| program.sign_in(&data, 0)).collect();
    std::thread::scope(|scope| {
        for (reader, mut visitor) in readers.into_iter().enumerate() {
            let (places, arrived, count) = (&places, &arrived, &count);
            scope.spawn(move || {
                for n in 0..FILES / READERS {
                    let (version, path) = &places[(reader * 31 + n) % places.len()];
                    let Some(page) = visitor.get_json(&format!("/p/gateway/{version}/file/{path}")) else { return };
                    assert_eq!(page.status, 200, "{}", page.text());
                    let page = page.json();
                    let receipt = &page["receipt"];
                    let (index, leaf) = (receipt["index"].as_u64().unwrap(), receipt["leaf"].as_str().unwrap().to_owned());
                    arrived.lock().unwrap().push(Arrived { index, leaf, version: version.clone(), path: path.clone() });
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        while count.load(Ordering::SeqCst) < enough {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        program.kill();
    });
    let arrived = arrived.into_inner().unwrap();
    assert!(arrived.len() >= enough);

    verify_and_compare(&data, &arrived, &home.path().join("after"));
    let mut program = Program::demo(&data, &products, &[]);
    let mut visitor = program.sign_in(&data, 0);
    let (version, path) = &places[0];
    let page = visitor.get_json(&format!("/p/gateway/{version}/file/{path}")).unwrap();
    assert_eq!(page.status, 200, "it goes on without repair");
    program.kill();
    verify_and_compare(&data, &arrived, &home.path().join("again"));
}

fn verify_and_compare(data: &Path, arrived: &[Arrived], out: &Path) {
    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    let verified = run(&["audit", "verify", "--data", data]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    let exported = run(&["audit", "export", "--format", "tiles", "--out", out, "--data", data]);
    assert_eq!(exported.status.code(), Some(0), "{}", said(&exported));
    let verified = run(&["audit", "verify", out]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    let entries = entries(Path::new(out));
    let by_index: HashMap<u64, &Vec<u8>> = (0..).zip(&entries).collect();
    for page in arrived {
        let entry = by_index.get(&page.index).unwrap_or_else(|| panic!("no entry {} for {}", page.index, page.path));
        let mut leaf = Sha256::new_with_prefix([0]);
        leaf.update(entry);
        assert_eq!(data_encoding::HEXLOWER.encode(&leaf.finalize()), page.leaf, "entry {}", page.index);
        let entry: serde_json::Value = serde_json::from_slice(entry).unwrap();
        assert_eq!(entry["kind"], "source.file.opened");
        assert_eq!(entry["place"]["path"], page.path.as_str());
        assert_eq!(entry["place"]["version"], page.version.as_str());
    }
}

/// The entries in the bundles of an export: each behind its length in two bytes (C2SP tlog-tiles).
fn entries(directory: &Path) -> Vec<Vec<u8>> {
    let bundles = directory.join("tile/entries");
    let mut entries = Vec::new();
    for number in 0.. {
        let name = format!("{number:03}");
        let bytes = match fs::read(bundles.join(&name)) {
            Ok(bytes) => bytes,
            Err(_) => match fs::read_dir(bundles.join(format!("{name}.p"))) {
                Ok(mut partial) => fs::read(partial.next().unwrap().unwrap().path()).unwrap(),
                Err(_) => break,
            },
        };
        let mut rest = bytes.as_slice();
        while let [a, b, more @ ..] = rest {
            let (entry, behind) = more.split_at(usize::from(u16::from_be_bytes([*a, *b])));
            entries.push(entry.to_vec());
            rest = behind;
        }
    }
    entries
}
