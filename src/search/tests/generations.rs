//! What is built in steps is what is built at once, and a kill at any time leaves a whole index.

use std::fs;

use super::*;

fn files(count: usize, salt: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|n| {
            let age = if n % 7 == 0 { salt } else { 0 };
            (format!("d{}/f{n:03}.c", n % 5), format!("int f{n}_{age}(void);\nneedle{}\n", n % 13))
        })
        .collect()
}

fn add(sources: Sources, version: &str, count: usize, salt: usize) -> Sources {
    let files = files(count, salt);
    let files: Vec<_> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    sources.with(version, &files)
}

const QUERIES: [&str; 7] = [
    "needle1 version:all",
    "needle12",
    "/f[0-9]+_2/ version:all",
    "version:all NOT needle3",
    "path:d3 version:v1",
    "/f1.*\\nneedle/ version:all",
    "lang:c void version:v*",
];

fn assert_same(one: &Scope, other: &Scope) {
    for query in QUERIES {
        assert_eq!(search(query, one), search(query, other), "{query}");
    }
}

#[test]
fn in_steps_as_at_once() {
    let mut sources = add(Sources::default(), "v1", 60, 1);
    let (home, first) = indexed(&mut sources);
    sources = add(sources, "v2", 70, 2);
    sources.read.clear();
    sources.walked = 0;
    let built = sources.build(home.path(), Some(&first)).unwrap();
    // Each seventh file changed, and ten came; the first version was not walked again.
    assert_eq!((built.changed, built.added, sources.read.len(), sources.walked), (true, 19, 19, 1));
    let second = ProductIndex::open(home.path()).unwrap();
    assert_eq!(second.generation(), built.generation);
    assert_eq!(built.documents, second.documents() as u64);
    let (_other, fresh) = indexed(&mut sources.clone());
    let scope = sources.whole("git", second);
    assert_same(&scope, &sources.whole("git", fresh));

    // The older generation was swept away, and is still readable by whoever holds it open.
    let old = Sources { versions: sources.versions[1..].to_vec(), ..Sources::default() };
    assert_eq!(search("needle1", &old.whole("git", first)).total_files, 17);
    assert_eq!(generations(home.path()), 1);
}

#[test]
fn nothing_is_done_when_nothing_changed() {
    let mut sources = add(Sources::default(), "v1", 5, 1);
    let (home, index) = indexed(&mut sources);
    sources.read.clear();
    let built = sources.build(home.path(), Some(&index)).unwrap();
    assert_eq!((built.changed, built.generation), (false, index.generation()));
    assert!(sources.read.is_empty());
}

#[test]
fn forgotten_versions_are_compacted_without_reading_the_source() {
    let mut sources = add(Sources::default(), "v1", 60, 1);
    sources = sources.with("v2", &[("only.c", "needle1 here\n"), ("b.bin", "\0"), ("d0/f000.c", "needle12\n")]);
    sources.absent = Some(blob(b"needle12\n"));
    let (home, index) = indexed(&mut sources);
    let full = index.documents();
    sources.versions.remove(1);
    sources = sources.with("v3", &[("only.c", "needle1 here\n"), ("b.bin", "\0"), ("new.c", "needle1 too\n")]);
    sources.read.clear();
    let built = sources.build(home.path(), Some(&index)).unwrap();
    assert_eq!(sources.read, [blob(b"needle1 too\n")]);
    let index = ProductIndex::open(home.path()).unwrap();
    assert_eq!((full, index.documents(), built.documents), (63, 4, 4));
    let (_other, fresh) = indexed(&mut sources.clone());
    assert_same(&sources.whole("git", index), &sources.whole("git", fresh));
}

#[test]
fn many_small_steps() {
    let mut sources = Sources::default();
    let home = tempfile::tempdir().unwrap();
    let mut previous: Option<ProductIndex> = None;
    for step in 1..24 {
        sources = add(sources, &format!("v{step}"), step, step);
        let _ = sources.build(home.path(), previous.as_ref()).unwrap();
        previous = Some(ProductIndex::open(home.path()).unwrap());
    }
    let (_other, fresh) = indexed(&mut sources.clone());
    assert_same(&sources.whole("git", previous.unwrap()), &sources.whole("git", fresh));
}

#[test]
fn a_version_that_moved_is_walked_again() {
    let mut sources = Sources::default().with("main", &[("a", "needle1 old")]);
    let (home, index) = indexed(&mut sources);
    sources.versions[0].1.insert(path("a"), b"needle1 new".to_vec());
    let _ = sources.build(home.path(), Some(&index)).unwrap();
    let scope = sources.whole("git", ProductIndex::open(home.path()).unwrap());
    assert_eq!(search("new", &scope).total_files, 1);
    assert_eq!(search("old", &scope).total_files, 0);
}

fn generations(home: &Path) -> usize {
    let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("generation-") || name.starts_with("building-")).count()
}

#[test]
fn leftovers_of_a_kill_are_neither_served_nor_kept() {
    let mut sources = add(Sources::default(), "v1", 20, 1);
    let (home, index) = indexed(&mut sources);
    let before = search("needle1", &sources.whole("git", ProductIndex::open(home.path()).unwrap()));

    // Killed while building, killed between the two renames, killed before the last.
    fs::create_dir(home.path().join("building-00000002")).unwrap();
    fs::write(home.path().join("building-00000002/contents-0"), "half").unwrap();
    fs::create_dir_all(home.path().join("generation-00000003/grams")).unwrap();
    fs::write(home.path().join("generation-00000003/meta.json"), "{").unwrap();
    fs::write(home.path().join("CURRENT.new"), "generation-0000").unwrap();
    let again = ProductIndex::open(home.path()).unwrap();
    assert_eq!(again.generation(), 1);
    assert_eq!(search("needle1", &sources.whole("git", again)), before);

    sources = add(sources, "v2", 25, 2);
    let _ = sources.build(home.path(), Some(&index)).unwrap();
    let served = ProductIndex::open(home.path()).unwrap();
    assert_eq!(generations(home.path()), 1);
    assert_eq!(search("needle1 version:all", &sources.whole("git", served)).scope_files, 28);
}

#[test]
fn a_build_that_fails_changes_nothing() {
    let mut sources = add(Sources::default(), "v1", 20, 1);
    let (home, index) = indexed(&mut sources);
    sources = add(sources, "v2", 25, 2);
    sources.broken = Some(blob(files(25, 2)[21].1.as_bytes()));
    assert!(matches!(sources.build(home.path(), Some(&index)), Err(SearchError::Corpus(_))));
    assert_eq!(generations(home.path()), 1);
    assert_eq!(ProductIndex::open(home.path()).unwrap().generation(), 1);
    let stop = AtomicBool::new(true);
    let cancelled = IndexWriter::begin(home.path(), Some(&index)).unwrap().build(&mut sources, &mut |_| {}, &stop);
    assert!(matches!(cancelled, Err(SearchError::Cancelled)));
    sources.broken = None;
    assert!(sources.build(home.path(), Some(&index)).unwrap().changed);
    assert_eq!(generations(home.path()), 1);
}

#[test]
fn what_was_written_before_a_kill_is_not_read_again() {
    let mut sources = add(add(Sources::default(), "v1", 40, 1), "v2", 60, 2);
    let home = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let mut steps = 0;
    loop {
        let previous = ProductIndex::open(home.path()).ok();
        let writer = IndexWriter::begin(home.path(), previous.as_ref()).unwrap().in_steps_of(300);
        let before = sources.read.len();
        stop.store(false, std::sync::atomic::Ordering::Relaxed);
        // Killed within the second step of each run: the first was kept.
        let built = writer.build(&mut sources, &mut |p| stop.store(p.bytes_done > 400, std::sync::atomic::Ordering::Relaxed), &stop);
        steps += 1;
        match built {
            Ok(built) => {
                assert!(built.changed);
                break;
            }
            Err(SearchError::Cancelled) => assert!(sources.read.len() > before),
            Err(e) => panic!("{e}"),
        }
    }
    let distinct: std::collections::HashSet<_> = sources.read.iter().collect();
    assert!(steps > 3, "{steps} runs");
    assert!(sources.read.len() < distinct.len() * 2, "{} reads of {} blobs in {steps} runs", sources.read.len(), distinct.len());
    let (_other, fresh) = indexed(&mut sources.clone());
    assert_same(&sources.whole("git", ProductIndex::open(home.path()).unwrap()), &sources.whole("git", fresh));
}

#[test]
fn the_newest_version_is_searchable_before_the_rest_is_written() {
    let mut sources = add(add(Sources::default(), "v1", 40, 1), "v2", 40, 2);
    let home = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let newest: u64 = sources.versions[0].1.values().map(|text| text.len() as u64).sum();
    let writer = IndexWriter::begin(home.path(), None).unwrap().in_steps_of(newest);
    let built = writer.build(&mut sources, &mut |p| stop.store(p.bytes_done > newest, std::sync::atomic::Ordering::Relaxed), &stop);
    assert!(matches!(built, Err(SearchError::Cancelled)));
    let results = search("needle1 version:all", &sources.whole("git", ProductIndex::open(home.path()).unwrap()));
    assert_eq!((results.scope_files, results.complete), (40, false));
    assert_eq!(results.not_indexed, [VersionName { product: "git".to_owned(), version: "v1".to_owned() }]);
}

#[test]
fn one_builder_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let first = IndexWriter::begin(home.path(), None).unwrap();
    assert!(matches!(IndexWriter::begin(home.path(), None), Err(SearchError::Busy)));
    drop(first);
    assert!(IndexWriter::begin(home.path(), None).is_ok());
}

type Damage = fn(&Path);

#[test]
fn damage_is_noticed_and_named() {
    let home = tempfile::tempdir().unwrap();
    let missing = ProductIndex::open(home.path()).unwrap_err();
    assert!(missing.wants_rebuild(), "{missing}");
    let damage: [(&str, Damage); 8] = [
        ("documents", |g| fs::write(g.join("documents"), "not these").unwrap()),
        ("versions", |g| fs::remove_file(g.join("versions")).unwrap()),
        ("contents", |g| fs::write(g.join("contents-0"), "short").unwrap()),
        ("grams", |g| fs::remove_dir_all(g.join("grams")).unwrap()),
        ("meta.json", |g| fs::write(g.join("meta.json"), format!("{{\"format\":{}}}", crate::search::contents::FORMAT)).unwrap()),
        ("format 2", |g| fs::write(g.join("meta.json"), "{\"format\":2}").unwrap()),
        ("format 99", |g| fs::write(g.join("meta.json"), "{\"format\":99}").unwrap()),
        ("CURRENT", |g| fs::write(g.parent().unwrap().join("CURRENT"), "elsewhere").unwrap()),
    ];
    for (name, damage) in damage {
        let mut sources = add(Sources::default(), "v1", 9, 1);
        let (home, index) = indexed(&mut sources);
        damage(&home.path().join(format!("generation-{:08}", index.generation())));
        let error = ProductIndex::open(home.path()).unwrap_err();
        assert!(error.wants_rebuild(), "{name}: {error}");
        assert!(error.to_string().contains(name.split('-').next().unwrap()), "{name}: {error}");
    }
}

#[test]
fn progress_ends_at_its_total() {
    let mut sources = add(Sources::default(), "v1", 9, 1);
    let home = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let writer = IndexWriter::begin(home.path(), None).unwrap();
    let built = writer.build(&mut sources, &mut |p| seen.push(p), &AtomicBool::new(false)).unwrap();
    let last = seen.last().unwrap();
    assert_eq!((seen.len(), last.files_done, built.added), (9, 9, 9));
    assert_eq!((last.files_done, last.bytes_done), (last.files_total, last.bytes_total));
    assert!(seen.is_sorted_by_key(|p| p.bytes_done));
}
