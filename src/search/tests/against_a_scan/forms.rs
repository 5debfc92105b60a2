//! Files that change from version to version: what is found in them is what a scan of each form finds, whatever they have in
//! common; and what was damaged is never shown.

use std::collections::BTreeSet;

use super::scan::{Compiled, Reference};
use super::*;

const VERSIONS: usize = 9;

/// Distinct files by path, each with the versions that have it, newest first.
type AllForms = BTreeMap<(RepoPath, BlobId), (Vec<u8>, Vec<String>)>;

/// Every file again and again, with lines put in, taken out, changed and moved.
fn sources() -> Sources {
    let mut runner = TestRunner::deterministic();
    let mut files = super::corpus().versions.remove(0).1;
    let lines = select(&["strcpy(a);\n", "}\n", "memcpy\n", "goto fail;\r\n", "task_struct ok\n", "straße\n", "\n", "no end"][..]);
    let change = (0..4_usize, any::<prop::sample::Index>(), lines, any::<bool>());
    let mut sources = Sources { versions: vec![("v1".to_owned(), files.clone())], ..Sources::default() };
    for version in 2..=VERSIONS {
        for bytes in files.values_mut() {
            let (kind, place, line, again) = change.new_tree(&mut runner).unwrap().current();
            let mut all: Vec<Vec<u8>> = bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
            let at = place.index(all.len() + 1);
            match kind {
                0 => all.insert(at, line.as_bytes().to_vec()),
                1 if at < all.len() => drop(all.remove(at)),
                2 if at < all.len() => all[at] = line.as_bytes().to_vec(),
                3 => all.rotate_left(at),
                _ => {}
            }
            if again && version % 3 == 0 {
                all.extend(all.clone());
            }
            *bytes = all.concat();
        }
        sources.versions.insert(0, (format!("v{version}"), files.clone()));
    }
    // One that was there once, and came back.
    let gone = path("dir1/File001.rs");
    let first = sources.versions[VERSIONS - 1].1[&gone].clone();
    sources.versions[2].1.remove(&gone);
    sources.versions[0].1.insert(gone, first);
    sources
}

/// What may be read in these versions.
fn forms(sources: &Sources, versions: &[usize], closed: &dyn Fn(usize, &RepoPath) -> bool) -> AllForms {
    let mut forms: AllForms = BTreeMap::new();
    for &place in versions {
        let (name, files) = &sources.versions[place];
        for (path, bytes) in files.iter().filter(|(path, _)| !closed(place, path)) {
            let form = forms.entry((path.clone(), blob(bytes))).or_insert_with(|| (bytes.clone(), Vec::new()));
            form.1.push(name.clone());
        }
    }
    forms
}

/// Holds an answer against a scan of each form; gives how many match.
fn compare(results: &Results, forms: &AllForms, written: &str, context: usize) -> usize {
    let query = Query::parse(written).unwrap();
    let compiled = Compiled::default();
    let mut found: BTreeMap<(RepoPath, BlobId), &FileHit> = states(results).map(|hit| ((hit.path.clone(), hit.blob), hit)).collect();
    assert_eq!(results.total_files, found.len() as u64, "{written}");
    let mut matching = 0;
    for ((path, id), (bytes, versions)) in forms {
        let Decoded { text, raw, language, .. } = Sources::decoded(path, bytes);
        let file = Reference { case: query.case(), compiled: &compiled, path, text: &text, raw: raw.as_deref(), language };
        let Some(expected) = file.matches(query.filter().unwrap()) else { continue };
        let hit = found.remove(&(path.clone(), *id)).unwrap_or_else(|| panic!("{written}: {path} {versions:?} was not found"));
        let lines: Vec<usize> = hit.lines.iter().map(|line| usize::try_from(line.number).unwrap()).collect();
        assert_eq!((&lines, &hit.versions, hit.total_lines), (&expected, versions, expected.len() as u64), "{written} {path}");
        matching += 1;
        // What is shown of a line that is long, or of the bytes of one, is another matter.
        let all: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
        if raw.is_some() || all.iter().any(|line| line.len() > 1_000) {
            continue;
        }
        for line in &hit.lines {
            let at = usize::try_from(line.number).unwrap() - 1;
            let told = |lines: &[&[u8]]| lines.iter().map(|line| shown(line)).collect::<Vec<_>>();
            assert_eq!(line.text, shown(all[at]), "{written} {path}");
            assert_eq!(line.before, told(&all[at.saturating_sub(context)..at]), "{written} {path} {versions:?}");
            assert_eq!(line.after, told(&all[at + 1..(at + 1 + context).min(all.len())]), "{written} {path} {versions:?}");
        }
    }
    assert!(found.is_empty(), "{written}: {:?} should not be found", found.keys());
    matching
}

fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
    String::from_utf8_lossy(line).into_owned()
}

#[test]
fn what_is_found_in_all_forms_is_what_a_scan_of_each_finds() {
    let mut sources = sources();
    let (_home, index) = indexed(&mut sources);
    assert!(index.documents.all().iter().filter(|document| document.body.is_some_and(|body| body.is_woven())).count() > 200);
    let whole = sources.whole("git", index);
    let mut partial = whole.clone();
    for (place, version) in partial.products[0].versions.iter_mut().enumerate() {
        version.excludes = vec![path(&format!("dir{}", place % 4))];
    }
    let closed = |place: usize, file: &RepoPath| path(&format!("dir{}", place % 4)).contains(file);
    let asked: [(&str, Vec<usize>); 3] = [("all", (0..VERSIONS).collect()), ("v4", vec![VERSIONS - 4]), ("v3..v6", (3..=6).collect())];
    let mut runner = TestRunner::deterministic();
    let (mut left, mut matched) = (60, 0);
    while left > 0 {
        let written = query().new_tree(&mut runner).unwrap().current();
        if Query::parse(&written).is_err() {
            continue;
        }
        left -= 1;
        let context = left % 3;
        for (versions, places) in &asked {
            let query = format!("{written} version:{versions}");
            let page = PageRequest { limit: 1_000, lines_per_file: 10_000, states_per_path: 1_000, context, ..PageRequest::default() };
            let open = forms(&sources, places, &|_, _| false);
            matched += usize::from(compare(&search_page(&query, &whole, page), &open, &written, context) > 0);
            compare(&search_page(&query, &partial, page), &forms(&sources, places, &closed), &written, context);
        }
    }
    assert!(matched > 80, "{matched} found something");
}

/// The file of an index that holds texts.
fn contents(home: &Path) -> std::path::PathBuf {
    let generation = std::fs::read_to_string(home.join("CURRENT")).unwrap();
    home.join(generation.trim()).join("contents-0")
}

#[test]
fn what_was_damaged_is_never_shown() {
    let secret = "int secret_key = 1;\n";
    let lines = |word: &str| (0..12).map(|n| format!("int {word}_{n};\n")).collect::<Vec<_>>().concat();
    let mut sources = Sources::default()
        .with("v1", &[("a.c", format!("{}{secret}", lines("needle")).as_str()), ("b.c", format!("{secret}{}", lines("other")).as_str())])
        .with("v2", &[("a.c", format!("int new;\n{}", lines("needle")).as_str()), ("b.c", lines("other").as_str())]);
    let (home, index) = indexed(&mut sources);
    assert!(index.documents.all().iter().any(|document| document.body.unwrap().is_woven()));
    drop(index);
    let bytes = std::fs::read(contents(home.path())).unwrap();
    let truth: BTreeSet<String> = (0..12).map(|n| format!("int needle_{n};")).collect();
    let mut noticed = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x04;
        std::fs::write(contents(home.path()), &damaged).unwrap();
        let Ok(index) = ProductIndex::open(home.path()) else {
            noticed += 1;
            continue;
        };
        let mut scope = sources.whole("git", index);
        // Only the older version is open, and of it one file: it is told by lines of the newer one.
        scope.products[0].versions.remove(0);
        scope.products[0].versions[0].excludes = vec![path("b.c")];
        let query = Query::parse("needle_ version:all").unwrap();
        let page = PageRequest { lines_per_file: 1_000, context: 1, ..PageRequest::default() };
        match Searcher::new(1).run(&query, &scope, page, &Budget::unlimited()) {
            Err(error) => {
                assert!(error.wants_rebuild(), "{error}");
                noticed += 1;
            }
            Ok(results) => {
                for line in states(&results).flat_map(|hit| &hit.lines) {
                    assert!(truth.contains(&line.text), "byte {at}: {}", line.text);
                    for near in line.before.iter().chain(&line.after) {
                        assert!(truth.contains(near) || near == secret.trim_end(), "byte {at}: {near}");
                    }
                }
            }
        }
    }
    assert!(noticed > bytes.len() / 4, "{noticed} of {} were noticed", bytes.len());
}

#[test]
fn what_only_a_closed_form_has_counts_for_nothing() {
    let lines = |more: &str| format!("{}{more}", "int shared_needle;\n".repeat(40));
    let mut sources = Sources::default()
        .with("v1", &[("a.c", lines("int old_needle;\n").as_str())])
        .with("v2", &[("a.c", lines("int secret_needle;\nint old_needle;\n").as_str())])
        .with("v3", &[("a.c", lines("int new_needle;\nint old_needle;\n").as_str())]);
    let (_home, index) = indexed(&mut sources);
    let mut scope = sources.whole("git", index);
    let totals = |query: &str, scope: &Scope| {
        let results = search(query, scope);
        (results.total_lines, results.total_files, results.scope_files)
    };
    assert_eq!(totals("needle version:all", &scope), (41 + 42 + 42, 3, 3));
    assert_eq!(totals("secret_needle version:all", &scope), (1, 1, 3));
    // The second version is closed; its file has lines in common with both others, and one of its own.
    scope.products[0].versions[1].excludes = vec![path("a.c")];
    assert_eq!(totals("needle version:all", &scope), (41 + 42, 2, 2));
    assert_eq!(totals("secret_needle version:all", &scope), (0, 0, 2));
    assert_eq!(totals("old_needle NOT secret_needle version:all", &scope), (2, 2, 2));
    let results = search("old_needle version:all", &scope);
    let spans = &states(&results).next().unwrap().lines[0].spans;
    assert_eq!(
        spans.iter().map(|span| format!("{}..{} {}", span.oldest, span.newest, span.versions)).collect::<Vec<_>>(),
        ["v3..v3 1", "v1..v1 1"]
    );
}

/// Files that have a needle, and others with this text.
fn files(text: &str) -> Vec<(&str, &str)> {
    let needles = ["n0.c", "n1.c", "n2.c", "n3.c"].into_iter().map(|path| (path, "needle\n"));
    needles.chain(["a0.c", "n1a.c", "z0.c", "z1.c"].into_iter().map(|path| (path, text))).collect()
}

#[test]
fn what_was_looked_into_tells_nothing_of_a_closed_form() {
    let lines = |more: &str| format!("{}{more}", "int shared;\n".repeat(40));
    let (before, after) = (lines("old\n"), lines("secret_word\n"));
    let (old, new) = (files(&before), files(&after));
    let mut sources = Sources::default().with("v1", &old).with("v2", &new);
    let (_home, index) = indexed(&mut sources);
    let mut scope = sources.whole("git", index);
    scope.products[0].versions.retain(|version| version.name == "v1");
    let told = |query: &str, bytes: u64| {
        let page = PageRequest { limit: 1, ..PageRequest::default() };
        let budget = Budget { bytes, ..Budget::unlimited() };
        let results = Searcher::new(1).run(&Query::parse(query).unwrap(), &scope, page, &budget).unwrap();
        (results.searched_files, results.scope_files, results.complete, results.total_files, results.next)
    };
    let whole = told("needle OR secret_word", u64::MAX);
    assert_eq!(whole, (8, 8, true, 4, Some(1)));
    let part = told("needle OR nothing_here", 1);
    assert!(!part.2 && part.0 < 8, "{part:?}");
    for bytes in 0..40 {
        assert_eq!(told("needle OR secret_word", bytes), told("needle OR nothing_here", bytes), "{bytes}");
    }
}
