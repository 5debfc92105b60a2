//! Indexes of mirrors made object by object.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use git2::{ObjectType, Oid, Repository, Signature, Time};

use super::super::index::Home;
use super::super::*;
use crate::source::{MachineReader, Vault};

/// A mirror `x` with versions.
struct Told {
    home: tempfile::TempDir,
    repository: Repository,
    reader: MachineReader,
    versions: Vec<VersionKey>,
}

impl Told {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(home.path().join("mirrors/x.git")).unwrap();
        let (_, reader) = Vault::open(home.path().join("mirrors"), home.path().join("past"));
        Self { home, repository, reader, versions: Vec::new() }
    }

    fn publish(&mut self, name: &str, files: &BTreeMap<String, String>) {
        let empty = self.repository.find_tree(self.repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let mut tree = git2::build::TreeUpdateBuilder::new();
        for (path, text) in files {
            let blob: Oid = self.repository.odb().unwrap().write(ObjectType::Blob, text.as_bytes()).unwrap();
            tree.upsert(path.as_str(), blob, git2::FileMode::Blob);
        }
        let tree = self.repository.find_tree(tree.create_updated(&self.repository, &empty).unwrap()).unwrap();
        let who = Signature::new("A", "a@vendor.example", &Time::new(1_700_000_000, 0)).unwrap();
        let commit = self.repository.commit(None, &who, &who, name, &tree, &[]).unwrap();
        self.versions.insert(0, VersionKey { name: name.to_owned(), commit: commit.to_string() });
    }

    fn directory(&self) -> std::path::PathBuf {
        self.home.path().join("symbols")
    }

    fn writer(&self, anew: bool) -> SymbolWriter {
        SymbolWriter::begin(&self.directory(), anew).unwrap()
    }

    fn build(&self) -> Built {
        self.writer(false).build(&self.reader, "x", &self.versions, &mut |_| {}, &AtomicBool::new(false)).unwrap()
    }

    fn open(&self) -> SymbolIndex {
        SymbolIndex::open(&self.directory()).unwrap()
    }

    /// `version path:line name` of everything that is defined.
    fn defined(&self) -> Vec<String> {
        let index = self.open();
        let mut all = Vec::new();
        for version in &index.table.versions {
            for document in &version.documents {
                let (part, unit) = index.part_of(index.table.documents[document as usize].unit).unwrap();
                for (number, one) in part.definitions(unit).unwrap() {
                    let mut name = String::new();
                    part.each_name(&mut |nth, text| {
                        if nth == number {
                            text.clone_into(&mut name);
                        }
                    })
                    .unwrap();
                    all.push(format!("{} {}:{} {name}", version.key.name, index.path(document).unwrap(), one.line));
                }
            }
        }
        all.sort();
        all
    }
}

fn files(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn many(count: usize) -> BTreeMap<String, String> {
    (0..count).map(|n| (format!("d{}/f{n}.c", n % 3), format!("int f{n}(void) {{ return f{}(); }}\n", n + 1))).collect()
}

#[test]
fn a_file_is_extracted_once_however_many_versions_hold_it() {
    let mut told = Told::new();
    let mut at = files(&[("a.c", "int a(void) { return 1; }\n"), ("copy/a.c", "int a(void) { return 1; }\n"), ("notes.txt", "int z;\n")]);
    told.publish("v1", &at);
    assert_eq!(told.build().added, 1);
    assert_eq!(told.defined(), ["v1 a.c:1 a", "v1 copy/a.c:1 a"]);
    at.insert("b.py".into(), "def b(): a()\n".into());
    at.remove("copy/a.c");
    told.publish("v2", &at);
    let built = told.build();
    assert_eq!(built.added, 1);
    assert_eq!(told.defined(), ["v1 a.c:1 a", "v1 copy/a.c:1 a", "v2 a.c:1 a", "v2 b.py:1 b"]);
    let again = told.build();
    assert_eq!((again.added, again.generation), (0, built.generation));
    // The same bytes in another language are another file.
    at.insert("a.py".into(), "def b(): a()\n".into());
    at.insert("same.js".into(), "int a(void) { return 1; }\n".into());
    told.publish("v3", &at);
    assert_eq!(told.build().added, 1);
    // A version that is withdrawn is forgotten.
    told.versions.remove(1);
    let _ = told.build();
    assert_eq!(told.open().versions().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["v3", "v1"]);
}

#[test]
fn what_was_found_before_a_break_is_not_looked_for_again() {
    let mut told = Told::new();
    told.publish("v1", &many(40));
    told.publish("v2", &files(&[("one.c", "int one;\n")]));
    let stop = AtomicBool::new(false);
    let mut seen = 0;
    let broken = told.writer(false).in_steps_of(100).build(
        &told.reader,
        "x",
        &told.versions,
        &mut |progress| {
            seen = progress.files_done;
            if seen == 12 {
                stop.store(true, Ordering::Relaxed);
            }
        },
        &stop,
    );
    assert!(matches!(broken, Err(SymbolError::Cancelled)));
    // The newest version is served already, the other is not whole.
    assert_eq!(told.open().versions().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["v2"]);
    // What a killed run wrote and did not name goes.
    fs::write(told.directory().join("part-00000099"), b"half").unwrap();
    fs::write(told.directory().join("table-00000099"), b"half").unwrap();
    let built = told.build();
    assert!((20..41).contains(&built.added), "{}", built.added);
    assert_eq!(told.defined().len(), 41);
    assert!(!told.directory().join("part-00000099").exists() && !told.directory().join("table-00000099").exists());
    let fresh = Told { home: tempfile::tempdir().unwrap(), ..told };
    let _ = fresh.build();
    assert_eq!(fresh.defined().len(), 41);
}

#[test]
fn many_small_parts_are_put_together() {
    let mut told = Told::new();
    let mut all = BTreeMap::new();
    for n in 0..12 {
        all.insert(format!("f{n}.c"), format!("int f{n}(void) {{ return shared(); }}\n"));
        told.publish(&format!("v{n}"), &all);
        let _ = told.build();
    }
    let index = told.open();
    assert!(index.parts.len() <= 9, "{}", index.parts.len());
    assert_eq!(index.files(), 12);
    assert_eq!(told.defined().len(), (1..=12).sum::<usize>());
    let uses: usize = index
        .parts
        .iter()
        .map(|part| {
            part.find("shared").unwrap().map_or(0, |number| part.postings(number).unwrap().iter().map(|one| one.uses[0] as usize).sum())
        })
        .sum();
    assert_eq!(uses, 12);
}

#[test]
fn what_is_damaged_or_older_is_built_anew() {
    let mut told = Told::new();
    assert!(matches!(SymbolIndex::open(&told.directory()), Err(SymbolError::Missing)));
    told.publish("v1", &many(5));
    let _ = told.build();
    let before = told.defined();
    let manifest = told.directory().join("manifest.json");
    let part = told.directory().join(&Home::new(&told.directory()).manifest().unwrap().unwrap().parts[0].name);
    for damage in 0..4 {
        match damage {
            0 => fs::write(&part, b"nonsense").unwrap(),
            1 => fs::remove_file(&part).unwrap(),
            2 => fs::write(&manifest, b"{\"format\":0,\"parts\":[]}").unwrap(),
            _ => fs::write(&manifest, b"{").unwrap(),
        }
        assert!(SymbolIndex::open(&told.directory()).unwrap_err().wants_rebuild());
        assert_eq!(told.build().added, 5, "{damage}");
        assert_eq!(told.defined(), before);
        let served = Home::new(&told.directory()).manifest().unwrap().unwrap();
        fs::rename(told.directory().join(&served.parts[0].name), &part).unwrap();
        let renamed = fs::read_to_string(&manifest).unwrap().replace(&served.parts[0].name, part.file_name().unwrap().to_str().unwrap());
        fs::write(&manifest, renamed).unwrap();
    }
}

#[test]
fn what_is_built_anew_takes_the_place_of_what_is_served_when_it_is_whole() {
    let mut told = Told::new();
    told.publish("v1", &many(30));
    let built = told.build();
    let stop = AtomicBool::new(true);
    let broken = told.writer(true).in_steps_of(100).build(&told.reader, "x", &told.versions, &mut |_| {}, &stop);
    assert!(matches!(broken, Err(SymbolError::Cancelled)));
    assert_eq!(told.open().generation(), built.generation);
    assert_eq!(told.defined().len(), 30);
    let anew = told.writer(true).in_steps_of(100).build(&told.reader, "x", &told.versions, &mut |_| {}, &AtomicBool::new(false)).unwrap();
    assert_eq!(anew.added, 30);
    assert!(told.open().generation() > built.generation);
    assert_eq!(told.defined().len(), 30);
}

#[test]
fn one_at_a_time() {
    let told = Told::new();
    let first = told.writer(false);
    assert!(matches!(SymbolWriter::begin(&told.directory(), false), Err(SymbolError::Busy)));
    drop(first);
    assert!(SymbolWriter::begin(&told.directory(), false).is_ok());
}
