//! Histories made object by object, indexed and searched.
//!
//! - here: what is found, and how it is shown.
//! - `scopes`: what takes part for whom.
//! - `steps`: what is built in steps is what is built at once, and what survives a kill.
//! - `against_a_scan`: generated queries give what a plain scan of the same history gives.

mod against_a_scan;
mod scopes;
mod steps;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use git2::{ObjectType, Oid, Repository, Signature, Time};

use super::scope::HistoryScope;
use super::*;
use crate::catalog::RepoPath;
use crate::search::scope::{ProductScope, VersionScope};
use crate::search::{Budget, PageRequest, Query, Searcher};
use crate::source::history::History;
use crate::source::{MachineReader, Vault};

type Files = BTreeMap<String, Vec<u8>>;

/// A mirror `x`, and the versions published of it.
struct Told {
    home: tempfile::TempDir,
    repository: Repository,
    reader: MachineReader,
    /// Newest first: name and commit.
    versions: Vec<(String, Oid)>,
    clock: i64,
}

impl Told {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(home.path().join("mirrors/x.git")).unwrap();
        let (_, reader) = Vault::open(home.path().join("mirrors"), home.path().join("past"));
        Self { home, repository, reader, versions: Vec::new(), clock: 1_700_000_000 }
    }

    fn commit(&mut self, parents: &[Oid], files: &Files, message: &str) -> Oid {
        let empty = self.repository.find_tree(self.repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let mut tree = git2::build::TreeUpdateBuilder::new();
        for (path, bytes) in files {
            tree.upsert(path.as_str(), self.repository.odb().unwrap().write(ObjectType::Blob, bytes).unwrap(), git2::FileMode::Blob);
        }
        let tree = self.repository.find_tree(tree.create_updated(&self.repository, &empty).unwrap()).unwrap();
        self.clock += 60;
        let who = Signature::new("A U Thor", "author@vendor.example", &Time::new(self.clock, 0)).unwrap();
        let parents: Vec<_> = parents.iter().map(|id| self.repository.find_commit(*id).unwrap()).collect();
        self.repository.commit(None, &who, &who, message, &tree, &parents.iter().collect::<Vec<_>>()).unwrap()
    }

    fn publish(&mut self, name: &str, commit: Oid) {
        self.versions.insert(0, (name.to_owned(), commit));
    }

    fn history(&self) -> History {
        self.reader.history("x")
    }

    fn keys(&self) -> Vec<VersionKey> {
        self.versions.iter().map(|(name, commit)| VersionKey { name: name.clone(), commit: commit.to_string() }).collect()
    }

    fn build_in(&self, name: &str, previous: Option<&HistoryIndex>) -> Result<HistoryBuilt, SearchError> {
        let (history, keys) = (self.history(), self.keys());
        let language = |path: &RepoPath| path.bytes().ends_with(b".c").then(|| "C".to_owned());
        let source = HistorySource { history: &history, versions: &keys, language: &language };
        HistoryWriter::begin(&self.home.path().join(name), previous)?.build(&source, &mut |_| {}, &AtomicBool::new(false))
    }

    fn open(&self, name: &str) -> HistoryIndex {
        HistoryIndex::open(&self.home.path().join(name)).unwrap()
    }

    fn indexed(&self) -> HistoryIndex {
        let _ = self.build_in("index", None).unwrap();
        self.open("index")
    }

    /// The scope of someone who may read so much of each version: name, includes, excludes.
    fn scope(&self, index: HistoryIndex, rules: &[(&str, &[&str], &[&str])]) -> Vec<HistoryScope> {
        let paths = |texts: &[&str]| texts.iter().map(|text| RepoPath::parse(text.as_bytes()).unwrap()).collect();
        let versions = rules.iter().map(|(name, includes, excludes)| {
            let (_, commit) = self.versions.iter().find(|(known, _)| known == name).unwrap();
            VersionScope { name: (*name).to_owned(), commit: commit.to_string(), includes: paths(includes), excludes: paths(excludes) }
        });
        let product = ProductScope { product: "x".to_owned(), index: None, symbols: None, versions: versions.collect() };
        vec![HistoryScope::new(product, Some(Arc::new(index)))]
    }

    fn whole(&self, index: HistoryIndex) -> Vec<HistoryScope> {
        let names: Vec<&str> = self.versions.iter().map(|(name, _)| name.as_str()).collect();
        let rules: Vec<(&str, &[&str], &[&str])> = names.iter().map(|name| (*name, &[""][..], &[][..])).collect();
        self.scope(index, &rules)
    }
}

fn files(all: &[(&str, &str)]) -> Files {
    all.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

const EVERYTHING: PageRequest = PageRequest { offset: 0, limit: 1_000, lines_per_file: 10_000, context: 0, states_per_path: 1 };

/// What is searched: `DIFF` or `COMMIT`.
fn search(query: &str, kind: &str, scope: &[HistoryScope]) -> HistoryResults {
    let query = format!("{kind} {query}");
    let query = Query::parse(&query).unwrap_or_else(|e| panic!("{query}: {e}"));
    Searcher::new(2).run_history(&query, scope, EVERYTHING, &Budget::unlimited()).unwrap()
}

const DIFF: &str = "type:diff";
const COMMIT: &str = "type:commit";

/// `subject path:+1,-2`, of each file.
fn changed(query: &str, scope: &[HistoryScope]) -> Vec<String> {
    told(&search(query, DIFF, scope))
}

fn told(results: &HistoryResults) -> Vec<String> {
    let sign = |added: bool| if added { '+' } else { '-' };
    let line = |line: &ChangedLine| format!("{}{}", sign(line.added), line.line.number);
    let subject = |commit: &CommitHit| commit.subject.clone().unwrap_or_else(|| "?".to_owned());
    let files = results.commits.iter().flat_map(|commit| {
        commit
            .files
            .iter()
            .map(move |file| format!("{} {}:{}", subject(commit), file.path, file.lines.iter().map(line).collect::<Vec<_>>().join(",")))
    });
    files.collect()
}

fn subjects(query: &str, scope: &[HistoryScope]) -> Vec<String> {
    let results = search(query, COMMIT, scope);
    assert_eq!(results.total_commits, results.commits.len() as u64);
    results.commits.into_iter().map(|commit| commit.subject.unwrap()).collect()
}

/// Three commits in a row, a branch merged, published as v1 and v2.
fn story() -> Told {
    let mut t = Told::new();
    let mut at = files(&[("a.c", "one\ntwo\nthree\n"), ("doc/readme", "hello\n")]);
    let root = t.commit(&[], &at, "Begin\n\nThe body speaks of strcpy.\n");
    at.insert("a.c".into(), b"one\nstrcpy(2)\nthree\n".to_vec());
    let second = t.commit(&[root], &at, "Use strcpy\n");
    t.publish("v1", second);
    let mut side = at.clone();
    side.insert("b.c".into(), b"strcpy(b)\nmore\n".to_vec());
    let branch = t.commit(&[second], &side, "Add b.c\n");
    at.insert("a.c".into(), b"one\nmemcpy(2)\nthree\n".to_vec());
    let third = t.commit(&[second], &at, "Replace it\n");
    at.insert("b.c".into(), b"strcpy(b)\nmore\n".to_vec());
    let merge = t.commit(&[third, branch], &at, "Merge the branch\n");
    t.publish("v2", merge);
    t
}

#[test]
fn lines_are_found_where_they_came_and_went() {
    let t = story();
    let scope = t.whole(t.indexed());
    assert_eq!(changed("strcpy", &scope), ["Replace it a.c:-2", "Add b.c b.c:+1", "Use strcpy a.c:+2"]);
    assert_eq!(changed("strcpy version:v1", &scope), ["Use strcpy a.c:+2"]);
    let results = search("strcpy", DIFF, &scope);
    assert_eq!((results.total_lines, results.total_files, results.total_commits, results.complete), (3, 3, 3, true));
    assert_eq!((results.searched, results.scope), (5, 5));
    let first = &results.commits[0];
    assert_eq!((first.product.as_str(), first.author.as_str(), first.versions.as_slice()), ("x", "A U Thor", &["v2".to_owned()][..]));
    let line = &first.files[0].lines[0];
    assert_eq!(
        (line.added, line.line.number, line.line.text.as_str(), line.line.ranges.as_slice()),
        (false, 2, "strcpy(2)", &[(0, 6)][..])
    );
    let all = search("strcpy version:all", DIFF, &scope);
    assert_eq!(all.commits[2].versions, ["v2", "v1"]);
    assert_eq!(changed("strcpy is:added", &scope), ["Add b.c b.c:+1", "Use strcpy a.c:+2"]);
    assert_eq!(changed("is:removed strcpy", &scope), ["Replace it a.c:-2"]);
    assert_eq!(changed("NOT is:added strcpy", &scope), ["Replace it a.c:-2"]);
    assert_eq!(changed("is:added is:removed strcpy", &scope), [""; 0]);
    assert_eq!(changed("((is:added strcpy path:b.c) OR (is:removed one))", &scope), ["Add b.c b.c:+1"]);
    // Each term in a line of its own, of either sign.
    assert_eq!(changed("strcpy memcpy", &scope), ["Replace it a.c:-2,+2"]);
    assert_eq!(changed("strcpy memcpy is:added", &scope), [""; 0]);
    assert_eq!(changed("strcpy -memcpy path:a.c", &scope), ["Use strcpy a.c:+2"]);
    assert_eq!(changed("path:doc", &scope), ["Begin doc/readme:"]);
    assert_eq!(changed("lang:c one", &scope), ["Begin a.c:+1"]);
    assert_eq!(changed("product:other strcpy", &scope), [""; 0]);
    assert_eq!(changed("author:thor strcpy path:b.c", &scope), ["Add b.c b.c:+1"]);
    assert_eq!(changed("author:nobody strcpy", &scope), [""; 0]);
    assert_eq!(changed("-author:thor strcpy", &scope), [""; 0]);
}

#[test]
fn messages_are_found_by_subject_and_body() {
    let t = story();
    let scope = t.whole(t.indexed());
    assert_eq!(subjects("strcpy", &scope), ["Use strcpy", "Begin"]);
    assert_eq!(subjects("/^Merge/", &scope), ["Merge the branch"]);
    assert_eq!(subjects("author:Thor strcpy", &scope), ["Use strcpy", "Begin"]);
    assert_eq!(subjects("author:nobody", &scope), [""; 0]);
    assert_eq!(subjects("version:v1 NOT strcpy", &scope), [""; 0]);
    assert_eq!(subjects("path:doc", &scope), ["Begin"]);
    assert_eq!(subjects("-path:a.c -/^Merge/", &scope), ["Add b.c"]);
    let results = search("speaks", COMMIT, &scope);
    assert_eq!((results.total_lines, results.total_commits, results.scope), (1, 1, 5));
    let hit = &results.commits[0];
    assert_eq!((hit.message[0].number, hit.message[0].text.as_str(), hit.message_lines), (3, "The body speaks of strcpy.", 1));
    assert!(hit.files.is_empty());
}

#[test]
fn a_match_lies_within_lines_that_stood_together() {
    let mut t = Told::new();
    let root = t.commit(&[], &files(&[("a", "1\n2\n3\n4\n5\n")]), "Begin\n");
    let tip = t.commit(&[root], &files(&[("a", "x\ny\n2\n3\n4\nz\n")]), "Change\n");
    t.publish("v1", tip);
    let scope = t.whole(t.indexed());
    assert_eq!(changed(r"/x\ny/", &scope), ["Change a:+1,+2"]);
    assert_eq!(changed(r"/y\nz/", &scope), [""; 0]);
    assert_eq!(changed(r"/1\nx/", &scope), [""; 0]);
    assert_eq!(changed(r"/\Ay/", &scope), [""; 0]);
    assert_eq!(changed(r"/^z$/", &scope), ["Change a:+6"]);
    assert_eq!(changed(r"/(?s)1.*5/", &scope), ["Begin a:+1,+2,+3,+4,+5"]);
}

#[test]
fn newest_come_first_and_pages_follow_one_another() {
    let mut t = Told::new();
    let mut last = None;
    for n in 0..25 {
        let text = "needle\n".repeat(n + 1);
        last = Some(t.commit(&last.into_iter().collect::<Vec<_>>(), &files(&[("a", &text), ("b", &text)]), &format!("Commit {n}\n")));
    }
    t.publish("v1", last.unwrap());
    let scope = t.whole(t.indexed());
    let query = Query::parse("type:diff needle").unwrap();
    let (mut offset, mut seen) = (0, Vec::new());
    loop {
        let page = PageRequest { offset, limit: 7, lines_per_file: 3, ..EVERYTHING };
        let results = Searcher::new(2).run_history(&query, &scope, page, &Budget::unlimited()).unwrap();
        assert_eq!((results.total_lines, results.total_files, results.total_commits), (50, 50, 25));
        seen.extend(told(&results).into_iter().map(|one| one.split(':').next().unwrap().to_owned()));
        match results.next {
            Some(next) => offset = next,
            None => break,
        }
    }
    let expected: Vec<String> = (0..25).rev().flat_map(|n| ["a", "b"].map(|path| format!("Commit {n} {path}"))).collect();
    assert_eq!(seen, expected);
    let spent = Budget { bytes: 1, ..Budget::unlimited() };
    let results = Searcher::new(1).run_history(&query, &scope, EVERYTHING, &spent).unwrap();
    assert!(!results.complete && results.searched < results.scope && results.total_files < 50);
    let gone = Budget::unlimited();
    gone.cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    let cancelled = Searcher::new(2).run_history(&query, &scope, EVERYTHING, &gone);
    assert!(matches!(cancelled, Err(SearchError::Cancelled)));
}

#[test]
fn binary_files_are_searched_by_their_texts_and_odd_bytes_are_found() {
    let mut t = Told::new();
    let mut all = files(&[("plain", "x\n")]);
    all.insert("bin".into(), b"\0needle within\0".to_vec());
    all.insert("odd".into(), b"caf\xe9 needle \xff\n".to_vec());
    let tip = t.commit(&[], &all, "Begin\n");
    t.publish("v1", tip);
    let scope = t.whole(t.indexed());
    assert_eq!(changed("needle", &scope), ["Begin bin:+1", "Begin odd:+1"]);
    assert_eq!(changed("path:bin", &scope), ["Begin bin:"]);
    let results = search("path:bin", DIFF, &scope);
    assert!(results.commits[0].files[0].binary);
    assert_eq!((results.binary_files, results.unread_files), (1, 0));
}
