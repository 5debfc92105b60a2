//! A thousand queries give what a plain scan gives.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use regex::bytes::{Regex, RegexBuilder};

use super::*;

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

/// What a reader would do by hand: all lines that a match touches, or nothing when there is none.
fn scan(regex: &Regex, text: &[u8]) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut from = 0;
    for line in text.split_inclusive(|&b| b == b'\n') {
        lines.push((from, from + line.len()));
        from += line.len();
    }
    let unended = text.last().is_some_and(|&b| b != b'\n');
    let mut touched = vec![false; lines.len()];
    for found in regex.find_iter(text) {
        for (number, &(start, end)) in lines.iter().enumerate() {
            let last = unended && number + 1 == lines.len();
            touched[number] |= if found.start() == found.end() {
                start <= found.start() && (found.start() < end || last)
            } else {
                found.start() < end && start < found.end()
            };
        }
    }
    touched.iter().enumerate().filter(|(_, touched)| **touched).map(|(number, _)| number + 1).collect()
}

/// Expressions compiled for one query, by their text and whether case is ignored.
type Compiled = RefCell<HashMap<(String, bool), Regex>>;

struct Reference<'a> {
    case: Case,
    compiled: &'a Compiled,
    path: &'a RepoPath,
    text: &'a [u8],
    raw: Option<&'a [u8]>,
    language: Option<String>,
}

impl Reference<'_> {
    fn ignores(&self, written: &str) -> bool {
        match self.case {
            Case::Heeded => false,
            Case::Ignored => true,
            Case::Auto => !written.chars().any(char::is_uppercase),
        }
    }

    fn scan(&self, pattern: &str, ignore_case: bool, text: &[u8]) -> Vec<usize> {
        let mut compiled = self.compiled.borrow_mut();
        let regex = compiled
            .entry((pattern.to_owned(), ignore_case))
            .or_insert_with(|| RegexBuilder::new(pattern).multi_line(true).case_insensitive(ignore_case).build().unwrap());
        scan(regex, text)
    }

    fn term(&self, term: &Term) -> Vec<usize> {
        let found = self.term_in(term, self.text);
        if found.is_empty() { self.raw.map(|raw| self.term_in(term, raw)).unwrap_or_default() } else { found }
    }

    fn term_in(&self, term: &Term, text: &[u8]) -> Vec<usize> {
        match term {
            Term::Text(written) => self.scan(&regex_syntax::escape(written), self.ignores(written), text),
            Term::Pattern(pattern) => {
                // Capitals of classes (\W, \p{Lu}) are no capitals looked for.
                let spelled = pattern.replace("\\p{Lu}", "").replace("\\p{Greek}", "");
                let spelled = ["\\W", "\\S", "\\D", "\\A"].iter().fold(spelled, |p, class| p.replace(class, ""));
                self.scan(pattern, self.ignores(&spelled), text)
            }
            _ => Vec::new(),
        }
    }

    fn holds(&self, expr: &Expr) -> bool {
        match expr {
            Expr::All(parts) => parts.iter().all(|part| self.holds(part)),
            Expr::Any(parts) => parts.iter().any(|part| self.holds(part)),
            Expr::Not(inner) => !self.holds(inner),
            Expr::Term(Term::Path(PathTerm::Words(words))) if words == "*.c" => self.path.bytes().ends_with(b".c"),
            Expr::Term(Term::Path(PathTerm::Words(words))) => {
                let own = self.path.to_string();
                if self.ignores(words) { own.to_lowercase().contains(&words.to_lowercase()) } else { own.contains(words) }
            }
            Expr::Term(Term::Path(PathTerm::Pattern(pattern))) => !self.scan(pattern, self.ignores(pattern), self.path.bytes()).is_empty(),
            Expr::Term(Term::Language(language)) => self.language.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(language)),
            Expr::Term(term) => !self.term(term).is_empty(),
        }
    }

    fn lines(&self, expr: &Expr, positive: bool, text: &[u8], lines: &mut Vec<usize>) {
        match expr {
            Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| self.lines(part, positive, text, lines)),
            Expr::Not(inner) => self.lines(inner, !positive, text, lines),
            Expr::Term(term) if positive => lines.extend(self.term_in(term, text)),
            Expr::Term(_) => {}
        }
    }
}

#[test]
fn a_thousand_queries() {
    let mut sources = corpus();
    let (_home, index) = indexed(&mut sources);
    let scope = sources.whole("git", index);
    let files = &sources.versions[0].1;
    let mut runner = TestRunner::deterministic();
    let strategy = query();
    let (mut asked, mut found, mut narrowed) = (0, 0, 0);
    while asked < 1_000 {
        let written = strategy.new_tree(&mut runner).unwrap().current();
        // The generator may go beyond what is taken: an expression that is too large.
        let Ok(query) = Query::parse(&written) else { continue };
        asked += 1;
        let filter = query.filter().unwrap();
        let mut expected = BTreeMap::new();
        let compiled = Compiled::default();
        for (path, bytes) in files {
            let decoded = Sources::decoded(path, bytes);
            let file = Reference {
                case: query.case(),
                compiled: &compiled,
                path,
                text: &decoded.text,
                raw: decoded.raw.as_deref(),
                language: decoded.language.clone(),
            };
            if file.holds(filter) {
                // The lines of the text; those of the bytes that it was decoded from when it has none.
                let mut lines = Vec::new();
                for text in std::iter::once(file.text).chain(file.raw) {
                    if lines.is_empty() {
                        file.lines(filter, true, text, &mut lines);
                    }
                }
                lines.sort_unstable();
                lines.dedup();
                expected.insert(path.clone(), lines);
            }
        }
        let results = search(&written, &scope);
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
    // The test would prove little if most queries found nothing, or everything.
    assert!(found > 500 && narrowed > 500, "{found} found something, {narrowed} not everything");
}
