//! The room through its door: indexes built from sources in memory, and searched.
//!
//! - `against_a_scan`: a thousand queries give what a plain scan with the `regex` crate gives.
//! - `scopes`: nothing outside of a scope takes part.
//! - `contents`: encodings, binaries, long lines, and what is said of files.
//! - `versions`: hits over many versions, and the order of hits.
//! - `generations`: what is built in steps, and what survives a kill.
//! - `language`: what is read, what is refused, and how.

mod against_a_scan;
mod contents;
mod generations;
mod language;
mod scopes;
mod versions;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::catalog::RepoPath;

/// Sources in memory. It notes which blobs were read.
#[derive(Clone, Default)]
struct Sources {
    /// Newest first: name, and bytes by path.
    versions: Vec<(String, BTreeMap<RepoPath, Vec<u8>>)>,
    read: Vec<BlobId>,
    walked: usize,
    /// Fail when this blob is read.
    broken: Option<BlobId>,
    /// Answer that this blob cannot be had.
    absent: Option<BlobId>,
}

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text.as_bytes()).unwrap()
}

fn blob(bytes: &[u8]) -> BlobId {
    let digest = Sha256::digest(bytes);
    BlobId::from_bytes(digest[..20].try_into().unwrap())
}

impl Sources {
    fn with(mut self, version: &str, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(p, text)| (path(p), text.as_bytes().to_vec())).collect();
        self.versions.insert(0, (version.to_owned(), files));
        self
    }

    fn commit(files: &BTreeMap<RepoPath, Vec<u8>>) -> String {
        blob(format!("{files:?}").as_bytes()).to_string()
    }

    fn decoded(path: &RepoPath, bytes: &[u8]) -> Decoded {
        let language = match path.name().rsplit(|&b| b == b'.').next() {
            Some(b"c") => Some("C".to_owned()),
            Some(b"rs") => Some("Rust".to_owned()),
            _ => None,
        };
        if bytes.iter().take(8_000).any(|&b| b == 0) {
            let texts = bytes.split(|&b| b == 0).filter(|text| text.len() >= 4).flat_map(|text| [text, b"\n"].concat());
            return Decoded { text: texts.collect(), raw: None, traits: Traits::default().with(Trait::Binary), language };
        }
        if bytes.contains(&0xE9) && !bytes.contains(&0xC3) {
            let text = bytes.iter().map(|&b| char::from(b)).collect::<String>().into_bytes();
            return Decoded { text, raw: Some(bytes.to_vec()), traits: Traits::default().with(Trait::NonUtf8), language };
        }
        Decoded { text: bytes.to_vec(), raw: None, traits: Traits::default(), language }
    }

    fn build(&mut self, directory: &Path, previous: Option<&ProductIndex>) -> Result<Built, SearchError> {
        IndexWriter::begin(directory, previous)?.build(self, &mut |_| {}, &AtomicBool::new(false))
    }

    /// The scope of someone who may read everything.
    fn whole(&self, product: &str, index: ProductIndex) -> Scope {
        let versions = self.versions.iter().map(|(name, files)| VersionScope {
            name: name.clone(),
            commit: Self::commit(files),
            includes: vec![RepoPath::root()],
            excludes: Vec::new(),
        });
        let product =
            ProductScope { product: product.to_owned(), index: Some(Arc::new(index)), symbols: None, versions: versions.collect() };
        Scope { products: vec![product] }
    }
}

impl Corpus for Sources {
    fn versions(&self) -> Vec<VersionKey> {
        let key = |(name, files): &(String, _)| VersionKey { name: name.clone(), commit: Self::commit(files) };
        self.versions.iter().map(key).collect()
    }

    fn walk(&mut self, version: &VersionKey, visit: &mut dyn FnMut(&RepoPath, &BlobId, u64)) -> Result<(), CorpusError> {
        self.walked += 1;
        let (_, files) = self.versions.iter().find(|(name, _)| *name == version.name).ok_or("no such version")?;
        for (path, bytes) in files {
            visit(path, &blob(bytes), bytes.len() as u64);
        }
        Ok(())
    }

    fn read(&mut self, id: &BlobId, limit: u64) -> Result<Option<Vec<u8>>, CorpusError> {
        if self.broken == Some(*id) {
            return Err("the disk is on fire".into());
        }
        self.read.push(*id);
        let bytes = self.versions.iter().flat_map(|(_, files)| files.values()).find(|bytes| blob(bytes) == *id);
        Ok(bytes.filter(|b| b.len() as u64 <= limit && self.absent != Some(*id)).cloned())
    }

    fn decode(&self, path: &RepoPath, bytes: Vec<u8>) -> Decoded {
        Self::decoded(path, &bytes)
    }
}

fn search(query: &str, scope: &Scope) -> Results {
    let page = PageRequest { limit: 1_000, lines_per_file: 10_000, states_per_path: 1_000, ..PageRequest::default() };
    search_page(query, scope, page)
}

/// The files of all paths that match.
fn states(results: &Results) -> impl Iterator<Item = &FileHit> {
    results.hits.iter().flat_map(|hit| &hit.states)
}

fn search_page(query: &str, scope: &Scope, page: PageRequest) -> Results {
    let query = Query::parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
    Searcher::new(2).run(&query, scope, page, &Budget::unlimited()).unwrap()
}

/// `path:line,line` of each hit.
fn places(results: &Results) -> Vec<String> {
    let line = |hit: &FileHit| hit.lines.iter().map(|l| l.number.to_string()).collect::<Vec<_>>().join(",");
    states(results).map(|hit| format!("{}:{}", hit.path, line(hit))).collect()
}

fn indexed(sources: &mut Sources) -> (tempfile::TempDir, ProductIndex) {
    let home = tempfile::tempdir().unwrap();
    let _ = sources.build(home.path(), None).unwrap();
    let index = ProductIndex::open(home.path()).unwrap();
    (home, index)
}

fn one_version(files: &[(&str, &str)]) -> (tempfile::TempDir, Scope) {
    let mut sources = Sources::default().with("v1", files);
    let (home, index) = indexed(&mut sources);
    let scope = sources.whole("git", index);
    (home, scope)
}

#[test]
fn lines_ranges_and_context_are_shown() {
    let (_home, scope) = one_version(&[("a.c", "one\r\ntwo strcpy(strcpy(x\r\nthree\nfour")]);
    let page = PageRequest { context: 1, ..PageRequest::default() };
    let results = search_page("strcpy", &scope, page);
    assert_eq!((results.total_lines, results.total_files, results.complete), (1, 1, true));
    assert_eq!((results.searched_files, results.scope_files, results.next), (1, 1, None));
    let hit = &results.hits[0].states[0];
    assert_eq!((hit.product.as_str(), hit.versions.as_slice()), ("git", &["v1".to_owned()][..]));
    assert_eq!(hit.language.as_deref(), Some("C"));
    let line = &hit.lines[0];
    assert_eq!((line.number, line.text.as_str()), (2, "two strcpy(strcpy(x"));
    assert_eq!(line.ranges, [(4, 10), (11, 17)]);
    assert_eq!((line.before.as_slice(), line.after.as_slice()), (&["one".to_owned()][..], &["three".to_owned()][..]));
}

#[test]
fn a_match_over_lines_shows_the_lines_it_touches() {
    let (_home, scope) = one_version(&[("a.c", "if (x)\n\n  goto fail;\nelse\n")]);
    assert_eq!(places(&search(r"/\)\s+goto/", &scope)), ["a.c:1,2,3"]);
    // A newline belongs to the line that it ends.
    assert_eq!(places(&search(r"/fail;\n/", &scope)), ["a.c:3"]);
    assert_eq!(places(&search(r"/^$/", &scope)), ["a.c:2"]);
    assert_eq!(places(&search(r"/\z/", &scope)), [""; 0]);
    let results = search(r"/\)\s+goto/", &scope);
    let ranges: Vec<_> = results.hits[0].states[0].lines.iter().map(|l| l.ranges.clone()).collect();
    assert_eq!(ranges, [vec![(5, 6)], vec![], vec![(0, 6)]]);
}

#[test]
fn excluded_terms_are_not_shown_and_do_not_hide_binaries() {
    let files = [("a.c", "alpha\nbeta\n"), ("b.c", "alpha\n"), ("bin", "al\0pha\0"), ("empty", "")];
    let (_home, scope) = one_version(&files);
    assert_eq!(places(&search("alpha NOT beta", &scope)), ["b.c:1"]);
    assert_eq!(places(&search("-alpha", &scope)), ["bin:", "empty:"]);
    assert_eq!(places(&search("NOT (NOT beta)", &scope)), ["a.c:2"]);
    assert_eq!(places(&search("path:a.c OR alpha", &scope)), ["a.c:1", "b.c:1"]);
    assert_eq!(places(&search("path:bin OR beta", &scope)), ["a.c:2", "bin:"]);
    let results = search("alpha", &scope);
    assert_eq!((results.binary_files, results.scope_files, results.searched_files), (1, 4, 4));
}

#[test]
fn filters_alone_list_files() {
    let files = [("src/Makefile", "x"), ("doc/b.rs", "y"), ("src/net/c.c", "z"), ("t/src.c", "w")];
    let (_home, scope) = one_version(&files);
    let listed = |query: &str| -> Vec<String> { search(query, &scope).hits.iter().map(|hit| hit.path.to_string()).collect() };
    assert_eq!(listed("file:Makefile"), ["src/Makefile"]);
    assert_eq!(listed("file:makefile"), ["src/Makefile"]);
    assert_eq!(listed("file:MAKEFILE"), [""; 0]);
    assert_eq!(listed("path:*.c"), ["src/net/c.c", "t/src.c"]);
    assert_eq!(listed("path:src/*.c"), [""; 0]);
    assert_eq!(listed("path:src/**.c"), ["src/net/c.c"]);
    assert_eq!(listed("path:src"), ["src/Makefile", "src/net/c.c", "t/src.c"]);
    assert_eq!(listed("path:\"/src\""), ["src/Makefile", "src/net/c.c", "t/src.c"]);
    assert_eq!(listed("path:/^src\\//"), ["src/Makefile", "src/net/c.c"]);
    assert_eq!(listed("lang:rust"), ["doc/b.rs"]);
    assert_eq!(listed("lang:rs"), ["doc/b.rs"]);
    assert_eq!(listed("-lang:c -path:doc"), ["src/Makefile"]);
    assert_eq!(listed("product:g*t lang:c"), ["src/net/c.c", "t/src.c"]);
    assert_eq!(listed("version:v1").len(), 4);
    let other = search("product:linux x", &scope);
    assert_eq!((other.total_files, other.scope_files), (0, 0));
}

#[test]
fn pages_follow_one_another() {
    let files: Vec<(String, String)> = (0..25).map(|n| (format!("f{n:02}"), "needle\n".repeat(n + 1))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let (_home, scope) = one_version(&files);
    let (mut offset, mut seen) = (0, Vec::new());
    loop {
        let page = PageRequest { offset, limit: 10, lines_per_file: 3, ..PageRequest::default() };
        let results = search_page("needle", &scope, page);
        assert_eq!((results.total_files, results.total_lines), (25, 325));
        for hit in states(&results) {
            assert_eq!(hit.lines.len(), usize::min(3, usize::try_from(hit.total_lines).unwrap()));
            seen.push(hit.path.to_string());
        }
        match results.next {
            Some(next) => offset = next,
            None => break,
        }
    }
    assert_eq!(seen, files.iter().map(|(p, _)| *p).collect::<Vec<_>>());
    let beyond = search_page("needle", &scope, PageRequest { offset: 99, ..PageRequest::default() });
    assert_eq!((beyond.hits.len(), beyond.next, beyond.total_files), (0, None, 25));
}

#[test]
fn a_spent_budget_says_so() {
    let text = "needle in a haystack\n".repeat(1_000);
    let files: Vec<(String, String)> = (0..20).map(|n| (format!("f{n:02}"), text.clone())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let (_home, scope) = one_version(&files);
    let query = Query::parse("needle").unwrap();
    let spent = Budget { bytes: 50_000, ..Budget::unlimited() };
    let page = PageRequest { limit: 2, ..PageRequest::default() };
    let results = Searcher::new(1).run(&query, &scope, page, &spent).unwrap();
    assert!(!results.complete);
    assert_eq!((results.total_files, results.total_lines, results.searched_files), (4, 4_000, 4));
    assert_eq!((results.scope_files, results.hits.len(), results.next), (20, 2, Some(2)));
    // A page that is not full yet goes on, and so does whoever wants everything counted.
    let results = Searcher::new(1).run(&query, &scope, PageRequest::default(), &spent).unwrap();
    assert_eq!((results.complete, results.total_files, results.hits.len()), (true, 20, 20));
    let all = Query::parse("needle count:all").unwrap();
    let results = Searcher::new(1).run(&all, &scope, page, &spent).unwrap();
    assert_eq!((results.complete, results.total_files, results.hits.len()), (true, 20, 2));
    let late = Budget { deadline: Some(std::time::Instant::now()), ..Budget::unlimited() };
    let results = Searcher::new(2).run(&query, &scope, page, &late).unwrap();
    assert_eq!((results.complete, results.searched_files, results.scope_files), (false, 0, 20));
    let gone = Budget::unlimited();
    gone.cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    let cancelled = Searcher::new(2).run(&query, &scope, PageRequest::default(), &gone);
    assert!(matches!(cancelled, Err(SearchError::Cancelled)));
}

#[test]
fn long_lines_and_odd_bytes_are_cut_and_marked_right() {
    let long = format!("{}é needle é{}", "ä".repeat(50_000), "ö".repeat(50_000));
    let mut sources = Sources::default().with("v1", &[("long", long.as_str())]);
    sources.versions[0].1.insert(path("odd"), b"caf\xe9 needle \xff\n".to_vec());
    let (_home, index) = indexed(&mut sources);
    let scope = sources.whole("git", index);
    let results = search("needle", &scope);
    assert_eq!(results.total_files, 2);
    for hit in states(&results) {
        let line = &hit.lines[0];
        let marked: Vec<&str> = line.ranges.iter().map(|&(a, b)| &line.text[a..b]).collect();
        assert_eq!(marked, ["needle"], "{}", hit.path);
        assert!(line.text.len() <= 2_010);
    }
    let line = &results.hits[0].states[0].lines[0];
    assert_eq!(line.cut_front + line.text.len() + line.cut_back, long.len());
    assert_eq!(search(r"/(?-u:\xe9) needle/", &scope).total_files, 1);
}

#[test]
fn a_file_that_cannot_be_read_is_counted() {
    let mut sources = Sources::default().with("v1", &[("a", "needle"), ("b", "needle too")]);
    sources.absent = Some(blob(b"needle too"));
    let (_home, index) = indexed(&mut sources);
    let results = search("needle", &sources.whole("git", index));
    assert_eq!(places(&results), ["a:1"]);
    assert_eq!((results.unread_files, results.complete), (1, false));
}
