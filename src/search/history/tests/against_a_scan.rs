//! Generated histories and queries: what is found is what a scan of the same changes finds, and the changes are those between
//! the files.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use regex::bytes::{Regex, RegexBuilder};

use super::*;
use crate::search::pattern::Matcher;
use crate::source::ObjectId;
use crate::source::history::{Changed, Lines, Run};

const LINES: [&str; 12] =
    ["strcpy(a, b);", "memcpy(a, b, n);", "goto fail;", "", "}", "int x = 1;", "  return;", "needle", "Needle", "ß straße", "\tx", "a b c"];
const PATHS: [&str; 5] = ["a.c", "src/b.c", "src/deep/c.c", "doc/d.txt", "e"];

/// A history with branches and merges, some of which change lines themselves.
fn generated(runner: &mut TestRunner) -> Told {
    let mut t = Told::new();
    let text =
        prop::collection::vec(select(&LINES[..]), 0..12).prop_map(|lines| lines.iter().flat_map(|line| [*line, "\n"]).collect::<String>());
    let edit = (select(&PATHS[..]), prop::option::weighted(0.9, text));
    let step = (prop::collection::vec(edit, 0..3), 0..6_usize, any::<u16>());
    let mut commits: Vec<(Oid, Files)> = vec![(t.commit(&[], &files(&[("a.c", "needle\n")]), "Begin\n"), files(&[("a.c", "needle\n")]))];
    for n in 0..40 {
        let (edits, kind, which) = step.new_tree(runner).unwrap().current();
        let (parent, mut at) = commits[commits.len() - 1 - usize::from(which) % commits.len().min(4)].clone();
        let other = commits[usize::from(which) % commits.len()].clone();
        let merges = kind == 0 && other.0 != parent;
        if merges {
            // Some files from one side, some from the other.
            for (path, bytes) in other.1 {
                if path.len() % 2 == 0 {
                    at.insert(path, bytes);
                }
            }
        }
        for (path, text) in edits {
            match text {
                Some(text) => at.insert(path.to_owned(), text.into_bytes()),
                None => at.remove(path),
            };
        }
        let parents = if merges { vec![parent, other.0] } else { vec![parent] };
        commits.push((t.commit(&parents, &at, &format!("Commit {n}\n\n{}\n", LINES[n % LINES.len()])), at));
        if n % 10 == 9 {
            t.publish(&format!("v{}", n / 10), commits[commits.len() - 1].0);
        }
    }
    t
}

/// Everything that changed, as it is read: commit, path, lines.
fn changes_of(t: &Told, heads: &[Oid]) -> Vec<(ObjectId, RepoPath, Lines)> {
    let heads: Vec<ObjectId> = heads.iter().map(|id| ObjectId::from_bytes(id.as_bytes()).unwrap()).collect();
    let history = t.history();
    let mut reader = history.reader().unwrap();
    let mut all = Vec::new();
    for links in history.commits(&heads, &|_| false).unwrap() {
        for change in reader.commit(links.id).unwrap().1 {
            match reader.lines(&change).unwrap() {
                Some(Changed::Lines { lines, .. }) => all.push((links.id, change.path, lines)),
                Some(_) => panic!("every file here is text"),
                None => {}
            }
        }
    }
    all
}

/// The blocks of a change, and the sign and number of each line.
fn blocks(lines: &Lines) -> Vec<(Run, String)> {
    let mut texts = lines.text.split_inclusive(|&b| b == b'\n');
    lines.runs.iter().map(|run| (*run, texts.by_ref().take(run.lines as usize).map(|t| String::from_utf8_lossy(t)).collect())).collect()
}

/// How often each line stands in a file.
fn counted(bytes: Option<&[u8]>) -> HashMap<Vec<u8>, i64> {
    let mut counts = HashMap::new();
    for line in bytes.unwrap_or_default().split_inclusive(|&b| b == b'\n') {
        *counts.entry(line.to_vec()).or_default() += 1;
    }
    counts
}

#[test]
fn changes_are_the_difference_between_the_files() {
    let mut runner = TestRunner::deterministic();
    let mut seen = 0;
    for _ in 0..10 {
        let t = generated(&mut runner);
        let heads: Vec<Oid> = t.versions.iter().map(|(_, commit)| *commit).collect();
        for (id, path, lines) in changes_of(&t, &heads) {
            let commit = t.repository.find_commit(Oid::from_bytes(id.bytes()).unwrap()).unwrap();
            if commit.parent_count() > 1 {
                continue;
            }
            let file = |commit: &git2::Commit<'_>| -> Option<Vec<u8>> {
                let entry = commit.tree().unwrap().get_path(std::path::Path::new(&path.to_string())).ok()?;
                Some(t.repository.find_blob(entry.id()).ok()?.content().to_vec())
            };
            let (old, new) = (commit.parent(0).ok().and_then(|parent| file(&parent)), file(&commit));
            let mut difference = counted(new.as_deref());
            for (line, count) in counted(old.as_deref()) {
                *difference.entry(line).or_default() -= count;
            }
            for (run, text) in blocks(&lines) {
                let side = if run.added { &new } else { &old };
                let whole: Vec<&[u8]> = side.as_ref().unwrap().split_inclusive(|&b| b == b'\n').collect();
                for (number, line) in (run.first..).zip(text.split_inclusive('\n')) {
                    assert_eq!(whole[number as usize - 1], line.as_bytes());
                    *difference.entry(line.as_bytes().to_vec()).or_default() -= if run.added { 1 } else { -1 };
                }
            }
            assert!(difference.values().all(|count| *count == 0), "{id} {path}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} changes");
}

fn term() -> BoxedStrategy<(String, Regex)> {
    let literal = select(&["strcpy", "memcpy", "needle", "fail", "}", "straße", "return", "x", "nowhere", "a b"][..])
        .prop_map(|text| (format!("\"{text}\""), regex::escape(text)));
    let expressions = &[r"^$", r"\(a, b", r"^\s+\w", r"^[Nn]eedle$", r";\n", r"fail;\n\}", r"needle\nneedle", r"\Aneedle", r"\n\z", r"\d"];
    let expression = select(&expressions[..]).prop_map(|text| (format!("/{text}/"), text.to_owned()));
    prop_oneof![literal, expression]
        .prop_map(|(written, pattern)| {
            let folds = !Matcher::has_capital(&pattern);
            (written, RegexBuilder::new(&pattern).multi_line(true).case_insensitive(folds).build().unwrap())
        })
        .boxed()
}

/// Lines of a text that a match touches, from 0.
fn touched(regex: &Regex, text: &str) -> Vec<usize> {
    let mut touched = Vec::new();
    let mut from = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let range = from..from + line.len();
        let is = regex.find_iter(text.as_bytes()).any(|found| {
            if found.is_empty() { range.contains(&found.start()) } else { found.start() < range.end && range.start < found.end() }
        });
        if is {
            touched.push(number);
        }
        from = range.end;
    }
    touched
}

#[test]
fn queries_find_what_a_scan_finds() {
    let mut runner = TestRunner::deterministic();
    let query =
        (prop::collection::vec(term(), 1..3), prop::option::weighted(0.3, term()), select(&["", "path:src", "-path:*.c"][..]), 0..3_usize);
    let (mut found, mut asked) = (0, 0);
    for _ in 0..4 {
        let t = generated(&mut runner);
        let scope = t.whole(t.indexed());
        let heads: Vec<Oid> = t.versions.iter().map(|(_, commit)| *commit).collect();
        let all = changes_of(&t, &heads);
        for _ in 0..80 {
            let (terms, not, path, sign) = query.new_tree(&mut runner).unwrap().current();
            let sign = ["", "is:added", "is:removed"][sign];
            let mut written: String = terms.iter().flat_map(|(text, _)| [text.as_str(), " "]).collect();
            if let Some((text, _)) = &not {
                written.push_str(&format!("-{text} "));
            }
            written.push_str(path);
            let mut expected = Vec::new();
            for (id, file, lines) in &all {
                let on_path = match path {
                    "path:src" => file.to_string().starts_with("src/"),
                    "-path:*.c" => !file.bytes().ends_with(b".c"),
                    _ => true,
                };
                let wanted = |run: &Run| sign.is_empty() || run.added == (sign == "is:added");
                let blocks: Vec<(Run, String)> = blocks(lines).into_iter().filter(|(run, _)| wanted(run)).collect();
                let is_in = |regex: &Regex| blocks.iter().any(|(_, text)| !touched(regex, text).is_empty());
                if !on_path || !terms.iter().all(|(_, regex)| is_in(regex)) || not.as_ref().is_some_and(|(_, regex)| is_in(regex)) {
                    continue;
                }
                let mut shown: Vec<(usize, u32, bool)> = Vec::new();
                for (place, (run, text)) in blocks.iter().enumerate() {
                    let numbers = terms.iter().flat_map(|(_, regex)| touched(regex, text));
                    shown.extend(numbers.map(|number| (place, run.first + u32::try_from(number).unwrap(), run.added)));
                }
                shown.sort_unstable();
                shown.dedup();
                let shown: Vec<(u32, bool)> = shown.into_iter().map(|(_, number, added)| (number, added)).collect();
                expected.push((id.to_string(), file.clone(), shown));
            }
            expected.sort();
            let results = search(&format!("{written} {sign} version:all"), DIFF, &scope);
            let mut got: Vec<_> = results
                .commits
                .iter()
                .flat_map(|commit| {
                    commit.files.iter().map(|file| {
                        let lines =
                            file.lines.iter().map(|line| (u32::try_from(line.line.number).unwrap(), line.added)).collect::<Vec<_>>();
                        assert_eq!(lines.len() as u64, file.total_lines);
                        (commit.commit.to_string(), file.path.clone(), lines)
                    })
                })
                .collect();
            got.sort();
            assert_eq!(results.total_files, got.len() as u64);
            assert_eq!(results.total_lines, got.iter().map(|(.., lines)| lines.len() as u64).sum::<u64>(), "{written}");
            assert_eq!(got, expected, "{written} {sign}");
            asked += 1;
            found += usize::from(!expected.is_empty());
        }
    }
    assert!(asked == 320 && found > 120, "{found} of {asked} found something");
}
