//! An index on disk that meets with accidents: its builder is killed, its files are damaged, its disk is full.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository, Signature, Time};
use lectern::audit::{Draft, Kind, Outcome};
use lectern::catalog::NewProduct;
use lectern::ids::Entropy;
use lectern::search::ProductIndex;
use serde_json::Value;

use crate::harness::client::{Client, encoded};
use crate::harness::disk::{Disk, fill, may_have};
use crate::harness::process::{lectern, run, said};
use crate::harness::{Backend, Grant, Portal};

const PRODUCT: &str = "warehouse";
const KILLS: usize = 100;
const FILES: usize = 120;

/// A repository that brings out one version after the other. Version `n` writes anew each file whose number leaves `n % 3` over.
struct Upstream {
    repository: Repository,
    path: PathBuf,
    versions: usize,
    last: Option<Oid>,
}

/// The version that wrote this file as it stands in `version`, counted from 1. The first wrote all.
fn written_in(file: usize, version: usize) -> usize {
    (2..=version).rev().find(|v| file % 3 == v % 3).unwrap_or(1)
}

fn text(file: usize, written: usize) -> String {
    let mut text = format!("/* shelf{} */\nstatic int made_in_{written}_end = {file};\n", file % 17);
    for line in 0..30 {
        text.push_str(&format!("int take_{file}_{line}(struct crate_{written} *c) {{ return c->weight + {}; }}\n", line * file + written));
    }
    text
}

impl Upstream {
    fn new(path: &Path) -> Self {
        Self { repository: Repository::init_bare(path).unwrap(), path: path.to_owned(), versions: 0, last: None }
    }

    /// Twenty megabytes in forty files.
    fn release_large(&mut self) {
        self.versions += 1;
        let mut tree = TreeUpdateBuilder::new();
        for file in 0..40 {
            let blob = self.repository.blob(text(file, self.versions).repeat(250).as_bytes()).unwrap();
            tree.upsert(format!("large/crate{file:02}.c"), blob, FileMode::Blob);
        }
        self.commit(tree);
    }

    fn release(&mut self) {
        self.versions += 1;
        let mut tree = TreeUpdateBuilder::new();
        for file in (0..FILES).filter(|file| written_in(*file, self.versions) == self.versions) {
            let blob = self.repository.blob(text(file, self.versions).as_bytes()).unwrap();
            tree.upsert(format!("hall{}/box{file:04}.c", file % 7), blob, FileMode::Blob);
        }
        self.commit(tree);
    }

    fn commit(&mut self, mut tree: TreeUpdateBuilder) {
        let parents: Vec<_> = self.last.iter().map(|id| self.repository.find_commit(*id).unwrap()).collect();
        let before = match parents.first() {
            Some(parent) => parent.tree().unwrap(),
            None => self.repository.find_tree(self.repository.treebuilder(None).unwrap().write().unwrap()).unwrap(),
        };
        let tree = self.repository.find_tree(tree.create_updated(&self.repository, &before).unwrap()).unwrap();
        let seconds = 1_700_000_000 + 86_400 * i64::try_from(self.versions).unwrap();
        let who = Signature::new("A U Thor", "author@vendor.example", &Time::new(seconds, 0)).unwrap();
        let id =
            self.repository.commit(Some("refs/heads/main"), &who, &who, "A version", &tree, &parents.iter().collect::<Vec<_>>()).unwrap();
        self.repository.tag_lightweight(&name(self.versions), &self.repository.find_object(id, None).unwrap(), false).unwrap();
        self.last = Some(id);
    }
}

fn name(version: usize) -> String {
    format!("v1.{version}")
}

/// A portal that serves the first version of the product, and somebody who reads it.
async fn warehouse(upstream: &mut Upstream) -> (Portal, Client, PathBuf) {
    upstream.release();
    let portal = Portal::bare(Backend::Sqlite).await;
    let new = NewProduct {
        name: PRODUCT.to_owned(),
        title: "The warehouse".to_owned(),
        source: upstream.path.display().to_string(),
        tags: vec!["v*".to_owned()],
        branches: Vec::new(),
    };
    let product = portal.rooms.catalog.add(new, Draft::new(Kind::ProductCreated, Outcome::Done), &portal.context()).await.unwrap();
    let quiet: lectern::jobs::Watch = Arc::new(|_| {});
    let _ = portal.rooms.jobs.bring_up_to_date(&product, &quiet).await.unwrap();
    let person = portal.reviewer(&[Grant::of(PRODUCT)]).await;
    let reader = portal.sign_in(&person).await;
    let directory = portal.rooms.indexes.directory_of(PRODUCT);
    (portal, reader, directory)
}

async fn ask(reader: &Client, query: &str) -> Value {
    reader.get_json(&format!("/search?q={}", encoded(query))).await.is(200).json()
}

/// What is served is whole, and answers for each of its versions as if it had been built at once. Gives the versions.
async fn check(portal: &Portal, reader: &Client, directory: &Path, newest: usize) -> BTreeSet<String> {
    let index = ProductIndex::open(directory).unwrap();
    let held: BTreeSet<String> = index.versions().map(|(key, _)| key.name.clone()).collect();
    assert!(index.versions().all(|(_, files)| files == FILES as u64));
    portal.rooms.indexes.refresh(PRODUCT).unwrap();
    for version in [1, newest - 1, newest].into_iter().filter(|version| held.contains(&name(*version))) {
        let written = written_in(version % 3, version);
        let found = ask(reader, &format!("made_in_{written}_end version:{}", name(version))).await;
        let expected = (0..FILES).filter(|file| written_in(*file, version) == written).count();
        assert_eq!((&found["total"], &found["complete"]), (&expected.into(), &true.into()), "{}", name(version));
        let found = ask(reader, &format!(r"/made_in_\d+_end/ version:{}", name(version))).await;
        assert_eq!((&found["total_files"], &found["searched"]), (&FILES.into(), &FILES.into()), "{}", name(version));
    }
    held
}

fn synchronise(data: &Path) -> Child {
    let mut command = lectern();
    command.args(["mirror", "sync", PRODUCT, "--data"]).arg(data).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn is_building(directory: &Path) -> bool {
    let names = fs::read_dir(directory).unwrap().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| name.as_encoded_bytes().starts_with(b"building-"))
}

/// How long it was building after it began; `None` when it ended before. It is killed after that long.
fn wait_for_building(child: &mut Child, directory: &Path, longest: Duration) -> Option<Duration> {
    while !is_building(directory) {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    let began = Instant::now();
    while began.elapsed() < longest {
        if child.try_wait().unwrap().is_some() {
            return Some(began.elapsed());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    Some(began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_builder_killed_a_hundred_times_leaves_a_whole_index() {
    let home = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::new(&home.path().join("upstream.git"));
    let (portal, reader, directory) = warehouse(&mut upstream).await;
    let data = portal.rooms.config.data.clone();
    let mut held = check(&portal, &reader, &directory, 1).await;
    assert_eq!(held.len(), 1);

    // How long building takes when nobody interferes says when to interfere.
    let (mut kills, mut rounds, mut whole) = (0, 0, Duration::ZERO);
    while kills < KILLS {
        if held.len() == upstream.versions {
            upstream.release();
        }
        rounds += 1;
        assert!(rounds < 10 * KILLS, "only {kills} of {rounds} were killed in time");
        let let_live = whole.is_zero() || rounds % 6 == 0;
        let [a, b] = Entropy::system().unwrap().bytes::<2>();
        let longest = if let_live { Duration::from_secs(120) } else { whole * u32::from(u16::from_be_bytes([a, b])) / 65_536 };
        // Left behind by one that was killed, it would be taken for the beginning of the next.
        let mut child = synchronise(&data);
        let took = wait_for_building(&mut child, &directory, longest);
        let output = child.wait_with_output().unwrap();
        if output.status.code().is_none() {
            kills += 1;
        } else {
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            whole = if let_live { took.unwrap_or(whole) } else { whole };
        }
        let now = check(&portal, &reader, &directory, upstream.versions).await;
        assert!(now.is_superset(&held), "{now:?} after {held:?}");
        assert!(output.status.code().is_none() || now.len() == upstream.versions, "what is finished is served");
        held = now;
    }
    println!("{kills} of {rounds} were killed, over {} versions", upstream.versions);
    let finished = synchronise(&data).wait_with_output().unwrap();
    assert_eq!(finished.status.code(), Some(0), "{}", said(&finished));
    assert_eq!(check(&portal, &reader, &directory, upstream.versions).await.len(), upstream.versions);
    assert!(!is_building(&directory), "nothing is left behind");
    let status = run(&["index", "status", "--data", data.to_str().unwrap()]);
    assert_eq!(status.status.code(), Some(0), "{}", said(&status));
}

/// Files of the generation that is served, and the one that names it.
fn files(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().unwrap().to_str().unwrap() {
                // The index of the history lies beside, with tests of its own.
                "history" => {}
                _ if path.is_dir() => waiting.push(path),
                "LOCK" => {}
                _ if path.extension().is_some_and(|ending| ending == "lock") => {}
                _ => found.push(path),
            }
        }
    }
    found.sort();
    found
}

const QUERIES: [&str; 5] = ["shelf3", "/made_in_[12]_end/ version:v*", "weight NOT shelf5", "path:hall3", "/[0-9]{4}/"];

/// What each query is answered; an error of the server is an answer, too.
async fn answers(reader: &Client) -> Vec<Value> {
    let mut all = Vec::new();
    for query in QUERIES {
        let answer = reader.get_json(&format!("/search?q={}", encoded(query))).await;
        let mut found = answer.json();
        if let Some(found) = found.as_object_mut() {
            found.remove("receipt");
        }
        all.push(serde_json::json!([answer.status.as_u16(), found]));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_said_and_mended() {
    let home = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::new(&home.path().join("upstream.git"));
    let (portal, reader, directory) = warehouse(&mut upstream).await;
    upstream.release();
    let data = portal.rooms.config.data.display().to_string();
    assert_eq!(run(&["mirror", "sync", "--data", &data]).status.code(), Some(0));
    portal.rooms.indexes.refresh(PRODUCT).unwrap();
    let right = answers(&reader).await;
    assert!(right.iter().all(|found| found[1]["total_files"].as_u64().unwrap() > 3));

    let mut silent = Vec::new();
    for file in files(&directory) {
        let bytes = fs::read(&file).unwrap();
        let name = file.strip_prefix(&directory).unwrap().display().to_string();
        let mut damages = vec![("emptied", Vec::new()), ("cut in half", bytes[..bytes.len() / 2].to_vec())];
        // Of the contents the length alone is checked: to read a gigabyte whenever an index is opened would take too long.
        let places: &[usize] =
            if name.contains("contents-") { &[] } else { &[0, bytes.len() / 3, bytes.len() / 2, bytes.len().saturating_sub(1)] };
        for &at in places {
            let mut flipped = bytes.clone();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 0x10;
            }
            damages.push(("with a bit flipped", flipped));
        }
        for (what, damaged) in damages.into_iter().filter(|(_, damaged)| *damaged != bytes) {
            // A new file, as a disk that went wrong would not do: what is served already stays as it is.
            fs::remove_file(&file).unwrap();
            fs::write(&file, damaged).unwrap();
            let indexes = Arc::clone(&portal.rooms.indexes);
            let Ok(opened) = tokio::task::spawn_blocking(move || indexes.reload(PRODUCT)).await else {
                silent.push(format!("{name} {what}: it panics"));
                continue;
            };
            match opened {
                Err(error) => assert!(error.wants_rebuild() && error.to_string().contains("rebuild it"), "{name} {what}: {error}"),
                Ok(_) => {
                    if answers(&reader).await != right {
                        silent.push(format!("{name} {what}: it answers otherwise"));
                    }
                }
            }
        }
        fs::remove_file(&file).unwrap();
        fs::write(&file, &bytes).unwrap();
        let _ = portal.rooms.indexes.reload(PRODUCT).unwrap();
    }
    assert!(silent.is_empty(), "damage that is not noticed:\n{}", silent.join("\n"));

    for file in files(&directory) {
        // A generation has one file in which the versions stand, and it is enough to lose any.
        if !file.exists() {
            continue;
        }
        fs::write(&file, "not what was written").unwrap();
        let status = run(&["index", "status", "--data", &data]);
        assert_eq!(status.status.code(), Some(1), "{}: {}", file.display(), said(&status));
        let doctor = run(&["doctor", "--data", &data]);
        assert_eq!(doctor.status.code(), Some(1), "{}: {}", file.display(), said(&doctor));
        let mended = run(&["index", "rebuild", "--data", &data]);
        assert_eq!(mended.status.code(), Some(0), "{}: {}", file.display(), said(&mended));
        portal.rooms.indexes.refresh(PRODUCT).unwrap();
        assert_eq!(answers(&reader).await, right, "{}", file.display());
    }
}

#[test]
fn a_full_disk_ends_a_build_and_nothing_else() {
    if !may_have("a disk that fills up while an index is built") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::new(&home.path().join("upstream.git"));
    upstream.release();
    let disk = Disk::memory(home.path(), 96);
    let config = home.path().join("lectern.toml");
    fs::write(&config, format!("data = {:?}\n", home.path().join("disk/data").display().to_string())).unwrap();
    let config = config.display().to_string();
    let call = |args: &[&str]| disk.command(env!("CARGO_BIN_EXE_lectern")).args(args).args(["--config", &config]).output().unwrap();
    let made = call(&["init", "--administrators", "one@vendor.example", "two@vendor.example"]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let added = call(&["mirror", "add", PRODUCT, &upstream.path.display().to_string()]);
    assert_eq!(added.status.code(), Some(0), "{}", said(&added));
    let directory = disk.outside().join("data/index").join(PRODUCT);
    let state = || said(&call(&["index", "status"]));
    assert!(state().contains("All 1 versions are indexed"), "{}", state());

    // Text that is packed to little upstream and in the mirror, and takes its room in the index.
    upstream.release_large();
    let filler = disk.outside().join("filler");
    fill(&filler);
    let file = fs::OpenOptions::new().write(true).open(&filler).unwrap();
    file.set_len(file.metadata().unwrap().len() - (8 << 20)).unwrap();
    // A file that is open keeps its room when it is removed.
    drop(file);
    for _ in 0..2 {
        let full = call(&["mirror", "sync"]);
        assert_eq!(full.status.code(), Some(1), "{}", said(&full));
        let words = said(&full);
        assert!(words.contains("the index of warehouse could not be built") && words.contains("No space left"), "{words}");
        assert!(state().contains("1 of 2 versions are indexed"), "what was served is served: {}", state());
    }

    // With room again nothing needs to be mended.
    fs::remove_file(&filler).unwrap();
    let synchronised = call(&["mirror", "sync"]);
    assert_eq!(synchronised.status.code(), Some(0), "{}", said(&synchronised));
    assert!(state().contains("All 2 versions are indexed"), "{}", state());
    assert!(!is_building(&directory), "nothing is left behind");
}
