//! Indexes that real indexers made (`rust-analyzer scip`, `scip-typescript`, `scip-python`), imported for a version of the same sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Repository, Signature, Time};
use lectern::audit::{Draft, Filter, Kind, Outcome};
use lectern::catalog::NewProduct;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Backend, Client, Grant, Portal};

fn vectors(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/scip").join(name)
}

/// The sources beside an index, as a product with the version `v1`.
async fn bring(portal: &Portal, name: &str, home: &Path) {
    let root = vectors(name);
    let mut files = Vec::new();
    let mut waiting = vec![root.clone()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_none_or(|ending| ending != "scip") {
                files.push((path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    publish(portal, name, &files, home).await;
}

/// These files, as a product with the version `v1`.
pub(crate) async fn publish(portal: &Portal, name: &str, files: &[(String, Vec<u8>)], home: &Path) {
    let repository = Repository::init_bare(home.join(format!("{name}.git"))).unwrap();
    let mut tree = TreeUpdateBuilder::new();
    for (path, bytes) in files {
        let blob = repository.odb().unwrap().write(ObjectType::Blob, bytes).unwrap();
        tree.upsert(path.as_str(), blob, FileMode::Blob);
    }
    let empty = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
    let tree = repository.find_tree(tree.create_updated(&repository, &empty).unwrap()).unwrap();
    let who = Signature::new("A U Thor", "author@vendor.example", &Time::new(1_700_000_000, 0)).unwrap();
    let commit = repository.commit(Some("refs/heads/main"), &who, &who, "one", &tree, &[]).unwrap();
    repository.tag_lightweight("v1", &repository.find_object(commit, None).unwrap(), false).unwrap();
    let new = NewProduct {
        name: name.to_owned(),
        title: name.to_owned(),
        source: home.join(format!("{name}.git")).display().to_string(),
        tags: vec!["v*".to_owned()],
        branches: Vec::new(),
    };
    let product = portal.rooms.catalog.add(new, Draft::new(Kind::ProductCreated, Outcome::Done), &portal.context()).await.unwrap();
    let quiet: lectern::jobs::Watch = Arc::new(|_| {});
    let _ = portal.rooms.jobs.bring_up_to_date(&product, &quiet).await.unwrap();
}

async fn reader(portal: &Portal, grant: Grant) -> Client {
    portal.sign_in(&portal.reviewer(&[grant]).await).await
}

async fn asked(client: &Client, product: &str, query: &str) -> Value {
    client.get_json(&format!("/symbol/{product}/v1?{query}")).await.is(200).json()
}

/// `path:line kind` of definitions, then of uses.
fn told(answer: &Value) -> (Vec<String>, Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let definitions = answer["definitions"].as_array().unwrap().iter();
    let definitions = definitions.map(|one| format!("{}:{} {}", text(&one["path"]), one["line"], text(&one["kind"])));
    let mut uses = Vec::new();
    for file in answer["files"].as_array().unwrap() {
        for line in file["lines"].as_array().unwrap() {
            for one in line["uses"].as_array().unwrap() {
                uses.push(format!("{}:{} {}", text(&file["path"]), line["number"], text(&one["kind"])));
            }
        }
    }
    (definitions.collect(), uses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_several_things_of_a_name_is_told_from_the_others() {
    let home = tempfile::tempdir().unwrap();
    let portal = Portal::bare(Backend::Sqlite).await;
    bring(&portal, "fetcher", home.path()).await;
    let client = reader(&portal, Grant::of("fetcher")).await;
    let by_text = asked(&client, "fetcher", "name=size").await;
    assert_eq!((&by_text["precise"], &by_text["total_definitions"]), (&json!(false), &json!(3)));
    let done = portal.rooms.jobs.import_scip("fetcher", "v1", &vectors("fetcher").join("index.scip")).await.unwrap();
    assert_eq!((done.files, done.unknown_files, done.unfitting), (2, 0, 0));
    // The method, called through a value.
    let method = asked(&client, "fetcher", "name=size&from=src/lib.rs&at=12:21").await;
    assert_eq!(method["precise"], true);
    assert_eq!(told(&method), (vec!["src/queue.rs:8 method".to_owned()], vec!["src/lib.rs:12 call".to_owned()]));
    assert_eq!(method["definitions"][0]["container"], "queue.Queue");
    // The local of the same name.
    let local = asked(&client, "fetcher", "name=size&from=src/lib.rs&at=12:8").await;
    assert_eq!(told(&local).0, ["src/lib.rs:12 variable"]);
    assert_eq!(told(&local).1, ["src/lib.rs:13 other", "src/lib.rs:14 other"]);
    // By the name alone: everything that is called so.
    let all = asked(&client, "fetcher", "name=size").await;
    assert!(all["total_definitions"].as_u64().unwrap() > 3, "{all}");
    // What lies outside is not there, even where what is clicked at is known.
    let narrow = reader(&portal, Grant::of("fetcher").paths(&[""], &["src/queue.rs"])).await;
    let method = asked(&narrow, "fetcher", "name=size&from=src/lib.rs&at=12:21").await;
    assert_eq!(told(&method), (Vec::new(), vec!["src/lib.rs:12 call".to_owned()]));
    assert_eq!(method["total_definitions"], 0);
    // From a file that may not be read nothing is known of the place: only the name counts.
    let hidden = asked(&narrow, "fetcher", "name=Drain&from=src/queue.rs&at=1:12").await;
    let open = asked(&narrow, "fetcher", "name=Drain&from=src/nothing.rs&at=1:12").await;
    assert_eq!(told(&hidden), told(&open));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_and_implementations_of_another_indexer() {
    let home = tempfile::tempdir().unwrap();
    let portal = Portal::bare(Backend::Sqlite).await;
    bring(&portal, "reader", home.path()).await;
    let client = reader(&portal, Grant::of("reader")).await;
    let done = portal.rooms.jobs.import_scip("reader", "v1", &vectors("reader").join("index.scip")).await.unwrap();
    assert_eq!((done.files, done.unknown_files, done.unfitting), (2, 0, 0));
    // Behind letters that take more bytes than units.
    let total = asked(&client, "reader", "name=total").await;
    assert_eq!(total["precise"], true);
    let line = total["definitions"][0]["text"].as_str().unwrap();
    let column = usize::try_from(total["definitions"][0]["column"].as_u64().unwrap()).unwrap();
    assert!(line[column..].starts_with("total(") && line[..column].contains("größe"), "{line}");
    let shape = told(&asked(&client, "reader", "name=Shape").await);
    assert_eq!(shape.0, ["shape.ts:1 interface"]);
    assert!(shape.1.contains(&"shape.ts:5 implementation".to_owned()), "{:?}", shape.1);
    let square = told(&asked(&client, "reader", "name=Square").await);
    // What `new Square` calls is its constructor.
    assert_eq!(square.0, ["shape.ts:5 class", "shape.ts:6 method"]);
    assert!(!client.get("/symbol/reader/v1?name=gr%C3%B6%C3%9Fe").await.is(200).text().contains("No definition"));
}

/// One that says neither what kind a thing is nor what its columns count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_indexer_that_says_little_is_understood() {
    let home = tempfile::tempdir().unwrap();
    let portal = Portal::bare(Backend::Sqlite).await;
    bring(&portal, "gauge", home.path()).await;
    let client = reader(&portal, Grant::of("gauge")).await;
    assert_eq!(asked(&client, "gauge", "name=convert").await["total_definitions"], 3);
    let done = portal.rooms.jobs.import_scip("gauge", "v1", &vectors("gauge").join("index.scip")).await.unwrap();
    assert_eq!((done.files, done.unknown_files, done.unfitting), (2, 0, 0));
    // The function, called from another file; then the method of the same name, which another class has its own of.
    let function = asked(&client, "gauge", "name=convert&from=gauge/__init__.py&at=10:39").await;
    assert_eq!(function["definitions"][0]["container"], "gauge.units");
    let calls = ["gauge/__init__.py:3 call".to_owned(), "gauge/__init__.py:10 call".to_owned()];
    assert_eq!(told(&function), (vec!["gauge/units.py:25 function".to_owned()], calls.to_vec()));
    let method = asked(&client, "gauge", "name=convert&from=gauge/units.py&at=10:8").await;
    assert_eq!(told(&method), (vec!["gauge/units.py:10 method".to_owned()], vec!["gauge/units.py:16 implementation".to_owned()]));
    // Behind letters of two bytes.
    let class = asked(&client, "gauge", "name=Fahrenheit&from=gauge/units.py&at=17:27").await;
    assert_eq!(told(&class), (vec!["gauge/units.py:20 class".to_owned()], vec!["gauge/units.py:17 type".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_of_other_sources_is_refused_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let portal = Portal::bare(Backend::Sqlite).await;
    bring(&portal, "fetcher", home.path()).await;
    let jobs = &portal.rooms.jobs;
    let other = jobs.import_scip("fetcher", "v1", &vectors("reader").join("index.scip")).await.unwrap_err().to_string();
    assert!(other.contains("other sources"), "{other}");
    let nonsense = home.path().join("nonsense");
    fs::write(&nonsense, b"nonsense, not an index").unwrap();
    assert!(jobs.import_scip("fetcher", "v1", &nonsense).await.unwrap_err().to_string().contains("no SCIP index"));
    assert!(jobs.import_scip("fetcher", "v2", &nonsense).await.unwrap_err().to_string().contains("no version v2"));
    assert!(jobs.import_scip("fetcher", "v1", &home.path().join("gone")).await.unwrap_err().to_string().contains("cannot be read"));
    let client = reader(&portal, Grant::of("fetcher")).await;
    assert_eq!(asked(&client, "fetcher", "name=size").await["precise"], false);
    // One that is imported again takes the place of the first; the rest of the product is as it was.
    for _ in 0..2 {
        let _ = jobs.import_scip("fetcher", "v1", &vectors("fetcher").join("index.scip")).await.unwrap();
    }
    assert_eq!(asked(&client, "fetcher", "name=size").await["precise"], true);
    let product = portal.rooms.catalog.product("fetcher").await.unwrap().unwrap();
    let quiet: lectern::jobs::Watch = Arc::new(|_| {});
    let _ = jobs.rebuild(&product, &quiet).await.unwrap();
    assert_eq!(asked(&client, "fetcher", "name=size").await["precise"], true);
}

/// By imported symbols that are not what was written nothing is told, and that is said; importing them again mends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_import_tells_nothing() {
    let home = tempfile::tempdir().unwrap();
    let portal = Portal::bare(Backend::Sqlite).await;
    bring(&portal, "fetcher", home.path()).await;
    let client = reader(&portal, Grant::of("fetcher")).await;
    let file = vectors("fetcher").join("index.scip");
    let _ = portal.rooms.jobs.import_scip("fetcher", "v1", &file).await.unwrap();
    let commit = portal.rooms.catalog.locate("fetcher", "v1").await.unwrap().unwrap().commit;
    let served = portal.rooms.symbols.directory_of("fetcher").join(format!("precise-{commit}"));
    let whole = fs::read(&served).unwrap();
    for at in [0, 20, 60, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::remove_file(&served).unwrap();
        fs::write(&served, &damaged).unwrap();
        let answer = asked(&client, "fetcher", "name=size").await;
        assert_eq!((&answer["precise"], &answer["damaged"], &answer["indexed"]), (&json!(false), &json!(true), &json!(true)), "{at}");
        let page = client.get("/symbol/fetcher/v1?name=size").await.is(200).text();
        assert!(page.contains("have to be imported again"), "{page}");
    }
    let _ = portal.rooms.jobs.import_scip("fetcher", "v1", &file).await.unwrap();
    let answer = asked(&client, "fetcher", "name=size").await;
    assert_eq!((&answer["precise"], &answer["damaged"]), (&json!(true), &json!(false)));
}

/// What readers are told changes with an import, so the log says which file it was, before it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_is_in_the_log() {
    let home = tempfile::tempdir().unwrap();
    let portal = Portal::bare(Backend::Sqlite).await;
    bring(&portal, "fetcher", home.path()).await;
    let file = vectors("fetcher").join("index.scip");
    let done = portal.rooms.jobs.import_scip("fetcher", "v1", &file).await.unwrap();
    let imports = Filter { kind: Some(Kind::SymbolsImported), ..Filter::default() };
    let entries = portal.entries(imports.clone()).await;
    assert_eq!(entries.len(), 1);
    let (entry, place) = (&entries[0], entries[0].place.as_ref().unwrap());
    let commit = portal.rooms.catalog.locate("fetcher", "v1").await.unwrap().unwrap().commit;
    assert_eq!((place.product.as_str(), place.version.as_deref(), place.commit.as_deref()), ("fetcher", Some("v1"), Some(commit.as_str())));
    let bytes = fs::read(&file).unwrap();
    assert_eq!(entry.facts["sha256"], HEXLOWER.encode(&Sha256::digest(&bytes)));
    assert_eq!((&entry.facts["size"], &entry.facts["by"]), (&json!(bytes.len()), &json!("command line")));
    assert_eq!(
        (&entry.facts["files"], &entry.facts["definitions"], &entry.facts["references"]),
        (&json!(done.files), &json!(done.definitions), &json!(done.references))
    );
    let auditor = portal.sign_in(&portal.auditor).await;
    let page = auditor.get(&format!("/audit/entries/{}", entry.index)).await.is(200).text();
    assert!(page.contains("The operator imported precise symbols for fetcher v1"), "{page}");
    // What is refused is not said to have been imported, and what cannot be recorded is not served.
    let jobs = &portal.rooms.jobs;
    assert!(jobs.import_scip("fetcher", "v1", &vectors("reader").join("index.scip")).await.is_err());
    assert_eq!(portal.entries(imports.clone()).await.len(), 1);
    let served = portal.rooms.symbols.directory_of("fetcher").join(format!("precise-{commit}"));
    fs::remove_file(&served).unwrap();
    portal.rooms.log.close().await;
    assert!(jobs.import_scip("fetcher", "v1", &file).await.is_err());
    assert!(!served.exists());
    portal.do_not_check();
}
