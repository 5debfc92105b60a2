//! Queries by the thousand give what a plain scan gives: over files of every kind that has been a trap, of every encoding, and of lines
//! that are very long.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

mod corpus;
mod forms;
mod scan;

use super::*;
use corpus::Hostile;
use scan::{Compiled, Reference};

const WORDS: [&str; 34] = [
    "strcpy",
    "StrCpy",
    "STRCPY(",
    "memcpy",
    "goto fail;",
    "copy_from_user",
    "Kernel",
    "\u{212A}ernel",
    "task_struct",
    "ta\u{17F}k",
    "10 µs",
    "10 μs",
    "Μs",
    "straße",
    "STRASSE",
    "ẞ",
    "İstanbul",
    "ıs",
    "ǅ",
    "ﬁle",
    "naïve",
    "NAÏVE",
    "привет",
    "ПРИВЕТ",
    "ok",
    "if",
    "x",
    "a.b",
    "a*b",
    "[x]",
    "\\d",
    "\"q\"",
    "/* c */",
    "ABCabc123",
];

/// Files of every kind that has been a trap.
fn corpus() -> Sources {
    let mut runner = TestRunner::deterministic();
    let mut files: BTreeMap<RepoPath, Vec<u8>> = BTreeMap::new();
    let line = prop::collection::vec(select(&WORDS[..]), 0..6).prop_map(|words| words.join(" "));
    let end = select(&["\n", "\n", "\n", "\r\n", "\r", "\n\n"][..]);
    let text = prop::collection::vec((line, end), 0..12);
    for n in 0..120 {
        let mut bytes = Vec::new();
        for (line, end) in text.new_tree(&mut runner).unwrap().current() {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(end.as_bytes());
        }
        if n % 3 == 0 {
            bytes.extend_from_slice(b"no newline at the end");
        }
        if n % 11 == 0 {
            bytes.insert(bytes.len() / 2, 0xFF);
        }
        let kind = ["c", "rs", "txt"][n % 3];
        files.insert(path(&format!("dir{}/File{n:03}.{kind}", n % 4)), bytes);
    }
    for (name, bytes) in [
        ("empty", b"".to_vec()),
        ("newline", b"\n".to_vec()),
        ("newlines", b"\n\n\n".to_vec()),
        ("one", b"x".to_vec()),
        ("two", b"ok".to_vec()),
        ("three", b"ab\n".to_vec()),
        ("binary", b"strcpy\0memcpy\n".to_vec()),
        ("late-nul", [vec![b'a'; 9_000], b"\0strcpy\n".to_vec()].concat()),
        ("long", format!("{}strcpy{}\nmemcpy", "ab ".repeat(4_000), " task_struct".repeat(1_000)).into_bytes()),
        ("latin", b"caf\xe9 stra\xdfe strcpy\n".to_vec()),
    ] {
        files.insert(path(name), bytes);
    }
    Sources { versions: vec![("v1".to_owned(), files)], ..Sources::default() }
}

fn literal() -> BoxedStrategy<String> {
    let part = |word: &str, from: usize, length: usize| -> String {
        let chars: Vec<char> = word.chars().collect();
        let from = from % chars.len();
        chars.into_iter().skip(from).take(length.max(1)).collect()
    };
    let any = (select(&WORDS[..]), 0..20_usize, 1..20_usize).prop_map(move |(word, from, length)| part(word, from, length));
    let two = (select(&WORDS[..]), select(&[" ", "\n", "\r\n", "", "\n\n"][..]), select(&WORDS[..]))
        .prop_map(|(a, between, b)| format!("{a}{between}{b}"));
    let turned = any.clone().prop_map(|text| text.to_lowercase());
    prop_oneof![4 => any, 2 => turned, 1 => two, 1 => "[a-z ]{1,4}"].boxed()
}

fn expression() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        6 => literal().prop_map(|text| regex_syntax::escape(&text).replace('\n', "\\n").replace('\r', "\\r")),
        1 => select(&[
            ".", r"\w", r"\W", r"\s", r"\S", r"\d", r"\D", "[a-f]", "[^a-z]", "[K-S]", "[µk]", r"\bs", "^", "$", r"\n", r"[\s\S]",
            r"(?i:S)", r"(?-i:s)", r"(?s:.)", r"\p{Lu}", r"\p{Greek}", r"(?-u:\xff)", r"(?-u:[^a])", r"\A", r"\z", "[st]r[ac]"
        ][..]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join("|"))),
            2 => (inner, select(&["?", "*", "+", "{2}", "{0,2}", "{3,}", "+?", "{0}", "{5}", "{1,6}"][..]))
                .prop_map(|(part, times)| format!("(?:{part}){times}")),
        ]
    })
    .boxed()
}

fn query() -> BoxedStrategy<String> {
    let quoted = |text: String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let slashed = |pattern: String| format!("/{}/", pattern.replace('/', "\\/"));
    let term = prop_oneof![
        4 => literal().prop_map(quoted),
        6 => expression().prop_map(slashed),
        1 => select(&["path:dir1", "path:file01", "path:File01", "path:*.c", "lang:rust", "path:/0[0-4]/"][..]).prop_map(str::to_owned),
    ];
    let tree = term.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..3).prop_map(|parts| parts.join(" ")),
            prop::collection::vec(inner.clone(), 2..3).prop_map(|parts| format!("({})", parts.join(" OR "))),
            inner.prop_map(|part| format!("NOT ({part})")),
        ]
    });
    (tree, select(&["", "", "case:yes", "case:no"][..])).prop_map(|(tree, case)| format!("({tree}) {case}")).boxed()
}

/// Asks for so much of what the strategy makes, and holds each answer against the scan of all files. Gives how many found something,
/// and how many not everything.
fn compare(
    asked: usize,
    strategy: &BoxedStrategy<String>,
    scope: &Scope,
    files: &BTreeMap<RepoPath, Vec<u8>>,
    decode: fn(&RepoPath, &[u8]) -> Decoded,
) -> (usize, usize) {
    let decoded: Vec<(&RepoPath, Decoded)> = files.iter().map(|(path, bytes)| (path, decode(path, bytes))).collect();
    let mut runner = TestRunner::deterministic();
    let (mut left, mut found, mut narrowed) = (asked, 0, 0);
    while left > 0 {
        let written = strategy.new_tree(&mut runner).unwrap().current();
        // The generator may go beyond what is taken: an expression that is too large.
        let Ok(query) = Query::parse(&written) else { continue };
        left -= 1;
        let filter = query.filter().unwrap();
        let mut expected = BTreeMap::new();
        let compiled = Compiled::default();
        for (path, Decoded { text, raw, language, .. }) in &decoded {
            let (raw, language) = (raw.as_deref(), language.clone());
            let file = Reference { case: query.case(), compiled: &compiled, path, text, raw, language };
            expected.extend(file.matches(filter).map(|lines| ((*path).clone(), lines)));
        }
        let results = search(&written, scope);
        let got: BTreeMap<RepoPath, Vec<usize>> = states(&results)
            .map(|hit| (hit.path.clone(), hit.lines.iter().map(|l| usize::try_from(l.number).unwrap()).collect()))
            .collect();
        assert_eq!(got, expected, "{written}");
        assert_eq!(results.total_files, expected.len() as u64, "{written}");
        assert_eq!(results.total_lines, expected.values().map(|lines| lines.len() as u64).sum::<u64>(), "{written}");
        assert!(results.complete && results.searched_files == results.scope_files);
        assert_eq!(Query::parse(&query.to_string()).as_ref(), Ok(&query), "{written}");
        found += usize::from(!expected.is_empty());
        narrowed += usize::from(expected.len() < files.len());
    }
    (found, narrowed)
}

#[test]
fn a_thousand_queries() {
    let mut sources = corpus();
    let (_home, index) = indexed(&mut sources);
    let scope = sources.whole("git", index);
    let (found, narrowed) = compare(1_000, &query(), &scope, &sources.versions[0].1, Sources::decoded);
    // The test would prove little if most queries found nothing, or everything.
    assert!(found > 500 && narrowed > 500, "{found} found something, {narrowed} not everything");
}

fn hostile(files: BTreeMap<RepoPath, Vec<u8>>) -> (tempfile::TempDir, Scope) {
    let home = tempfile::tempdir().unwrap();
    let writer = IndexWriter::begin(home.path(), None).unwrap();
    let _ = writer.build(&mut Hostile(files), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    let key = Hostile::version();
    let version = VersionScope { name: key.name, commit: key.commit, includes: vec![RepoPath::root()], excludes: Vec::new() };
    let index = Some(Arc::new(ProductIndex::open(home.path()).unwrap()));
    (home, Scope { products: vec![ProductScope { product: "git".to_owned(), index, symbols: None, versions: vec![version] }] })
}

#[test]
fn every_encoding_and_hostile_file() {
    let files = corpus::files();
    let (_home, scope) = hostile(files.clone());
    let (found, narrowed) = compare(300, &query(), &scope, &files, |_, bytes| corpus::decoded(bytes));
    assert!(found > 150 && narrowed > 150, "{found} found something, {narrowed} not everything");

    // What a reviewer would type is found in every file that says it, whatever it is written in.
    let named = |query: &str| -> Vec<String> { states(&search(query, &scope)).map(|hit| hit.path.to_string()).collect() };
    let in_encodings = |query: &str| named(&format!("{query} path:encodings/")).len();
    assert_eq!(in_encodings("strcpy"), 10);
    assert_eq!(in_encodings("straße"), 10);
    assert_eq!(in_encodings("привет"), 8, "all but the two narrow ones");
    assert_eq!(in_encodings("\u{201c}goto\u{201d}"), 1);
    assert_eq!(in_encodings(r"/stra(?-u:\xdf)e/"), 2, "their own bytes");
    assert_eq!(in_encodings(r"/(?-u:s\x00t\x00r\x00c\x00p\x00y)/"), 4);
    assert_eq!(named("strcpy path:binary/").len(), 5);
    assert_eq!(named("strcpy path:vendor/").len() + named("strcpy path:node_modules/").len() + named("strcpy path:src/").len(), 3);
    assert_eq!(search("/^$/ path:ends/newlines.c", &scope).total_lines, 2);
}

#[test]
fn lines_of_a_megabyte() {
    let long = format!("{}strcpy(needle){}", "word ".repeat(100_000), " straße".repeat(80_000));
    let lines = format!("short needle\n{long}\r\n{long}\nthe end\n");
    let one = [b"\x7fELF\0\0\x01".as_slice(), long.as_bytes(), b"\0\0tail needle\0"].concat();
    let files: BTreeMap<_, _> = [("one.c", long.clone().into_bytes()), ("some.c", lines.into_bytes()), ("binary", one)]
        .map(|(name, bytes)| (path(name), bytes))
        .into();
    let (_home, scope) = hostile(files.clone());
    let asked = [
        "needle",
        "NEEDLE case:no",
        "/word strcpy/",
        r"/\(needle\) stra/",
        "/ne{2}dle/",
        "STRASSE",
        "/(?i)STRAßE$/",
        r"/^word(?s:.)*?needle/",
        r"/\r\n/",
        r"/end\n\z/",
        "tail",
        r"/straße\s+word/",
        "absent",
        r"/needle.{40}/",
        "needle NOT tail",
    ];
    for query in asked {
        let (found, _) = compare(1, &Just(query.to_owned()).boxed(), &scope, &files, |_, bytes| corpus::decoded(bytes));
        assert!(found == 1 || ["absent", "STRASSE"].contains(&query), "{query}");
    }
}
