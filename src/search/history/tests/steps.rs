//! What is built in steps is what is built at once, and a kill at any time leaves a whole index.

use std::fs;
use std::path::Path;

use super::*;

const QUERIES: [&str; 5] =
    ["needle version:all", "/_[0-9]+3$/", "path:d1 version:all", "needle -\"needle_7\" version:v*", "version:v1 lang:c int"];

/// Adds commits to a history, with a merge now and then, and publishes the last.
fn grow(t: &mut Told, at: &mut Files, version: &str, count: usize) {
    let mut tip: Vec<Oid> = t.versions.first().map(|(_, commit)| *commit).into_iter().collect();
    for n in 0..count {
        let number = t.clock % 100;
        at.insert(format!("d{}/f{}.c", n % 3, n % 7), format!("int x;\nneedle_{number}\n").into_bytes());
        let next = t.commit(&tip, at, &format!("Change needle_{number}\n"));
        if n % 4 == 3 {
            let mut side = at.clone();
            side.insert(format!("side{n}"), b"needle side\n".to_vec());
            let branch = t.commit(&tip, &side, "On a branch\n");
            at.clone_from(&side);
            tip = vec![t.commit(&[next, branch], at, "Merge\n")];
        } else {
            tip = vec![next];
        }
    }
    t.publish(version, tip[0]);
}

fn assert_same(t: &Told, one: HistoryIndex, other: HistoryIndex) {
    let (one, other) = (t.whole(one), t.whole(other));
    for query in QUERIES {
        for kind in [DIFF, COMMIT] {
            assert_eq!(search(query, kind, &one), search(query, kind, &other), "{query}");
        }
    }
    assert!(search("needle version:all", DIFF, &one).total_files > 5);
}

#[test]
fn in_steps_as_at_once() {
    let (mut t, mut at) = (Told::new(), Files::new());
    let mut previous: Option<HistoryIndex> = None;
    for step in 1..20 {
        grow(&mut t, &mut at, &format!("v{step}"), 5);
        let built = t.build_in("index", previous.as_ref()).unwrap();
        // Five commits, and what one merge brings; nothing is read again.
        assert_eq!((built.changed, built.added, built.commits), (true, 7, step * 7));
        previous = Some(t.open("index"));
    }
    let last = previous.unwrap();
    let again = t.build_in("index", Some(&last)).unwrap();
    assert_eq!((again.changed, again.generation), (false, last.generation()));
    // The parts were put together on the way.
    assert!(last.index.contents.parts() < 19);
    let _ = t.build_in("fresh", None).unwrap();
    assert_same(&t, last, t.open("fresh"));
}

#[test]
fn forgotten_versions_are_compacted() {
    let (mut t, mut at) = (Told::new(), Files::new());
    grow(&mut t, &mut at, "v1", 5);
    let kept = t.versions.clone();
    grow(&mut t, &mut at, "v2", 12);
    let index = t.indexed();
    t.versions = kept;
    let built = t.build_in("index", Some(&index)).unwrap();
    assert_eq!((built.added, built.commits, t.open("index").commits()), (0, 7, 7));
    assert!(index.commits() > 20);
    grow(&mut t, &mut at, "v3", 5);
    let built = t.build_in("index", Some(&t.open("index"))).unwrap();
    assert_eq!((built.added, built.commits), (7, 14));
    let _ = t.build_in("fresh", None).unwrap();
    assert_same(&t, t.open("index"), t.open("fresh"));
}

#[test]
fn a_build_that_is_killed_goes_on_where_it_was() {
    let (mut t, mut at) = (Told::new(), Files::new());
    for version in ["v1", "v2", "v3"] {
        grow(&mut t, &mut at, version, 20);
    }
    let (history, keys) = (t.history(), t.keys());
    let source = HistorySource { history: &history, versions: &keys, language: &|_| None };
    let home = t.home.path().join("index");
    let stop = AtomicBool::new(false);
    let writer = HistoryWriter::begin(&home, None).unwrap().in_steps_of(35);
    let stopped = writer.build(&source, &mut |at| stop.store(at.commits_done > 40, std::sync::atomic::Ordering::Relaxed), &stop);
    assert!(matches!(stopped, Err(SearchError::Cancelled)));
    // The first version is whole, and served; of the second a part is kept.
    let served = t.open("index");
    let names: Vec<&str> = served.versions().map(|key| key.name.as_str()).collect();
    assert_eq!((names, served.commits()), (vec!["v1"], 35));
    let scope = t.whole(t.open("index"));
    let results = search("needle version:all", DIFF, &scope);
    assert_eq!((results.not_indexed.len(), results.complete), (2, false));
    assert!(results.total_files > 5);
    let built = HistoryWriter::begin(&home, Some(&served)).unwrap().in_steps_of(5).build(&source, &mut |_| {}, &AtomicBool::new(false));
    let built = built.unwrap();
    assert_eq!((built.added, built.commits), (55, 90));
    assert_eq!(generations(&home), 1);
    let fresh = HistoryWriter::begin(&t.home.path().join("fresh"), None).unwrap();
    let _ = fresh.build(&source, &mut |_| {}, &AtomicBool::new(false)).unwrap();
    assert_same(&t, t.open("index"), t.open("fresh"));
}

fn generations(home: &Path) -> usize {
    let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("generation-") || name.starts_with("building-")).count()
}

#[test]
fn a_build_that_ends_early_changes_nothing() {
    let (mut t, mut at) = (Told::new(), Files::new());
    grow(&mut t, &mut at, "v1", 5);
    let index = t.indexed();
    let home = t.home.path().join("index");
    grow(&mut t, &mut at, "v2", 40);
    let (history, keys) = (t.history(), t.keys());
    let source = HistorySource { history: &history, versions: &keys, language: &|_| None };
    let stop = AtomicBool::new(false);
    let mut seen = Vec::new();
    let writer = HistoryWriter::begin(&home, Some(&index)).unwrap();
    let stopped = writer.build(
        &source,
        &mut |progress| {
            seen.push(progress);
            stop.store(progress.commits_done > 2, std::sync::atomic::Ordering::Relaxed);
        },
        &stop,
    );
    assert!(matches!(stopped, Err(SearchError::Cancelled)));
    assert!(seen.iter().all(|p| p.commits_total == 60) && seen.is_sorted_by_key(|p| (p.commits_done, p.bytes)));
    assert_eq!((generations(&home), t.open("index").generation()), (1, index.generation()));
    // A version whose commit is not there.
    t.versions.insert(0, ("v9".to_owned(), Oid::from_str(&"9".repeat(40)).unwrap()));
    assert!(matches!(t.build_in("index", Some(&index)), Err(SearchError::Corpus(_))));
    assert_eq!((generations(&home), t.open("index").generation()), (1, index.generation()));
    t.versions.remove(0);
    // What a kill leaves behind is removed, and not served.
    fs::create_dir(home.join("building-00000002")).unwrap();
    fs::create_dir_all(home.join("generation-00000003/grams")).unwrap();
    fs::write(home.join("CURRENT.new"), "generation-0000").unwrap();
    assert_eq!(t.open("index").generation(), index.generation());
    assert_eq!(t.build_in("index", Some(&index)).unwrap().added, 60);
    assert_eq!(generations(&home), 1);
    let _ = t.build_in("fresh", None).unwrap();
    assert_same(&t, t.open("index"), t.open("fresh"));
}

#[test]
fn one_builder_at_a_time_and_damage_is_noticed() {
    let (mut t, mut at) = (Told::new(), Files::new());
    grow(&mut t, &mut at, "v1", 5);
    let home = t.home.path().join("index");
    let first = HistoryWriter::begin(&home, None).unwrap();
    assert!(matches!(HistoryWriter::begin(&home, None), Err(SearchError::Busy)));
    drop(first);
    assert!(HistoryIndex::open(&home).unwrap_err().wants_rebuild());
    let index = t.indexed();
    fs::write(home.join(format!("generation-{:08}/commits", index.generation())), "not these").unwrap();
    assert!(HistoryIndex::open(&home).unwrap_err().wants_rebuild());
}
