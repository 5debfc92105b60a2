//! Files of all encodings and hostile shapes, and a query: the index finds what a plain scan of each file finds.
#![no_main]

#[path = "../../src/search/tests/against_a_scan/scan.rs"]
mod scan;

use std::collections::BTreeMap;

use lectern::catalog::RepoPath;
use lectern::search::{Case, Decoded, Expr, PathTerm, Query, Term, Trait, Traits, fuzzing};
use lectern::source::text::{self, Content, Encoding};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use scan::{Compiled, Reference};

const WORDS: [&str; 24] = [
    "strcpy", "STRCPY(", "Kernel", "\u{212A}ernel", "ta\u{17F}k", "task", "10 µs", "10 μs", "straße", "ẞ", "İs", "ıs", "ﬁle", "NAÏVE",
    "привет", "ПРИВЕТ", "ok", "x", "a.b", "[x]", "\\d", "\"q\"", "/* c */", "ABCabc123",
];
const PIECES: [&str; 26] = [
    ".", r"\w", r"\W", r"\s", r"\S", r"\d", "[a-f]", "[^a-z]", "[K-S]", "[µk]", r"\b", "^", "$", r"\n", r"[\s\S]", "(?i:S)", "(?-i:s)",
    "(?s:.)", r"\p{Greek}", r"(?-u:\xff)", r"(?-u:[^a])", r"\A", r"\z", r"\x00", r"\r", "(?-u:\\xe9)",
];
const TIMES: [&str; 10] = ["?", "*", "+", "{2}", "{0,2}", "{3,}", "+?", "{0}", "{5}", "{1,6}"];
const PATHS: [&str; 6] = ["a.c", "b.rs", "dir/c.txt", "vendor/d.c", "tests/e.rs", "dir/gen.pb.go"];

fuzz_target!(|data: &[u8]| -> Corpus { if check(data).unwrap_or(false) { Corpus::Keep } else { Corpus::Reject } });

/// False when the bytes make no query.
fn check(data: &[u8]) -> Result<bool> {
    let mut from = Unstructured::new(data);
    let case = from.choose(&["", " case:yes", " case:no"])?;
    let written = format!("({}){case}", tree(&mut from, 2)?);
    let Ok(query) = Query::parse(&written) else { return Ok(false) };
    let Some(filter) = query.filter() else { return Ok(false) };
    let mut files = BTreeMap::new();
    for path in PATHS.iter().take(from.int_in_range(1..=PATHS.len())?) {
        if let Ok(path) = RepoPath::parse(path.as_bytes()) {
            files.insert(path, file(&mut from)?);
        }
    }

    let compiled = Compiled::default();
    let mut expected = BTreeMap::new();
    for (path, bytes) in &files {
        let Decoded { text, raw, language, .. } = decode(path, bytes.clone());
        let file = Reference { case: query.case(), compiled: &compiled, path, text: &text, raw: raw.as_deref(), language };
        expected.extend(file.matches(filter).map(|lines| (path.clone(), lines)));
    }
    let memory = std::path::Path::new("/dev/shm");
    let home = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let home = home.expect("a directory for the index");
    let results = fuzzing::search(home.path(), &files, decode, &query).expect("an answer");
    let found: BTreeMap<RepoPath, Vec<usize>> = results
        .hits
        .iter()
        .flat_map(|hit| &hit.states)
        .map(|hit| (hit.path.clone(), hit.lines.iter().map(|line| usize::try_from(line.number).unwrap_or(usize::MAX)).collect()))
        .collect();
    assert_eq!(found, expected, "{written}\n{files:?}");
    assert_eq!(results.total_lines, expected.values().map(|lines| lines.len() as u64).sum::<u64>(), "{written}\n{files:?}");
    assert!(results.complete && results.searched_files == results.scope_files, "{written}\n{files:?}");
    Ok(true)
}

/// As the portal decodes what it indexes; the language is told from the name alone.
fn decode(path: &RepoPath, bytes: Vec<u8>) -> Decoded {
    let language = if path.bytes().ends_with(b".rs") { Some("Rust".to_owned()) } else { None };
    let (text, raw, traits) = match text::decode(&bytes) {
        Content::Text(text) if text.encoding() == Encoding::Utf8 && !text.byte_order_mark() => (bytes, None, Traits::default()),
        Content::Text(text) => (text.as_str().as_bytes().to_vec(), Some(bytes), Traits::default().with(Trait::NonUtf8)),
        Content::Image(_) | Content::Binary => {
            let text = text::texts_within(&bytes);
            (text, text::is_mostly_text(&bytes).then_some(bytes), Traits::default().with(Trait::Binary))
        }
    };
    Decoded { text, raw, traits, language }
}

fn file(from: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut text = String::new();
    for _ in 0..from.int_in_range(0..=8)? {
        for _ in 0..from.int_in_range(0..=3)? {
            text.push_str(from.choose(&WORDS)?);
            text.push_str(from.choose(&["", " ", "_"])?);
        }
        text.push_str(from.choose(&["\n", "\n", "\r\n", "\r", "\n\n", ""])?);
    }
    let narrow = |c: char| u8::try_from(u32::from(c)).unwrap_or(b'?');
    Ok(match from.int_in_range(0..=11)? {
        0 => Vec::new(),
        // UTF-16 with its mark.
        1 => [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect(),
        2 => [0xFE, 0xFF].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect(),
        3 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        // Latin-1; the bytes of Windows-1252 between.
        4 => text.chars().map(narrow).collect(),
        5 => text.chars().map(narrow).chain(*b" \x80\x93quoted\x94\x85").collect(),
        // A line that is long.
        6 => format!("{}{text}", "word ".repeat(from.int_in_range(1..=10_000)?)).into_bytes(),
        // Binary: strings between other bytes.
        7 => [b"\x7fELF\0\x01\x02\0\0", text.as_bytes(), b"\0\0\x03"].concat(),
        8 => [text.as_bytes(), b"\0"].concat(),
        // Whatever else.
        9 => from.bytes(from.len().min(64))?.to_vec(),
        10 => {
            let mut bytes = text.into_bytes();
            bytes.insert(from.int_in_range(0..=bytes.len())?, from.int_in_range(0x80..=0xFF)?);
            bytes
        }
        _ => text.into_bytes(),
    })
}

fn tree(from: &mut Unstructured<'_>, depth: u8) -> Result<String> {
    Ok(match from.int_in_range(0..=if depth == 0 { 7 } else { 10 })? {
        0..=2 => format!("\"{}\"", literal(from)?.replace('\\', "\\\\").replace('"', "\\\"")),
        3..=6 => format!("/{}/", expression(from, 3)?.replace('/', "\\/")),
        7 => (*from.choose(&["path:dir", "path:*.c", "lang:rust", "path:/[ab]/"])?).to_owned(),
        8 => format!("{} {}", tree(from, depth - 1)?, tree(from, depth - 1)?),
        9 => format!("({} OR {})", tree(from, depth - 1)?, tree(from, depth - 1)?),
        _ => format!("NOT ({})", tree(from, depth - 1)?),
    })
}

fn literal(from: &mut Unstructured<'_>) -> Result<String> {
    let word = from.choose(&WORDS)?;
    let start = from.int_in_range(0..=3)?;
    let part: String = word.chars().skip(start).take(from.int_in_range(1..=12)?).collect();
    Ok(match from.int_in_range(0..=4)? {
        0 => part.to_lowercase(),
        1 => format!("{part}{}{}", from.choose(&[" ", "\n", "\r\n", ""])?, from.choose(&WORDS)?),
        _ if part.is_empty() => (*word).to_owned(),
        _ => part,
    })
}

fn expression(from: &mut Unstructured<'_>, depth: u8) -> Result<String> {
    Ok(match from.int_in_range(0..=if depth == 0 { 5 } else { 9 })? {
        0..=3 => regex_syntax::escape(&literal(from)?).replace('\n', "\\n").replace('\r', "\\r"),
        4..=5 => (*from.choose(&PIECES)?).to_owned(),
        6..=7 => format!("{}{}", expression(from, depth - 1)?, expression(from, depth - 1)?),
        8 => format!("({}|{})", expression(from, depth - 1)?, expression(from, depth - 1)?),
        _ => format!("(?:{}){}", expression(from, depth - 1)?, from.choose(&TIMES)?),
    })
}
