//! Encodings, binaries, long lines and large files: everything is searched, and what is odd is said.

use super::*;

fn scope_of(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Scope) {
    let files = files.iter().map(|(name, bytes)| (path(name), bytes.to_vec())).collect();
    let mut sources = Sources { versions: vec![("v1".to_owned(), files)], ..Sources::default() };
    let (home, index) = indexed(&mut sources);
    let scope = sources.whole("git", index);
    (home, scope)
}

#[test]
fn texts_of_binaries_are_searched() {
    let (_home, scope) = scope_of(&[("tool", b"\0\x7fELF\0ab\0backdoor=1\0/bin/sh\0"), ("a.c", b"backdoor\n")]);
    let results = search("backdoor", &scope);
    assert_eq!(places(&results), ["a.c:1", "tool:2"]);
    assert_eq!((results.binary_files, results.complete), (1, true));
    assert!(results.hits[1].binary && !results.hits[0].binary);
    assert_eq!(results.hits[1].states[0].lines[0].text, "backdoor=1");
    assert_eq!(places(&search("is:binary", &scope)), ["tool:"]);
    assert_eq!(places(&search("backdoor -is:binary", &scope)), ["a.c:1"]);
}

#[test]
fn decoded_files_are_searched_by_their_bytes_too() {
    let (_home, scope) = scope_of(&[("latin", b"caf\xe9\nplain\n"), ("plain", b"plain\n")]);
    let decoded = search("caf\u{e9}", &scope);
    assert_eq!(places(&decoded), ["latin:1"]);
    assert!(!decoded.hits[0].states[0].lines[0].raw);
    let raw = search(r"/caf(?-u:\xe9)\n/", &scope);
    assert_eq!(places(&raw), ["latin:1"]);
    assert!(raw.hits[0].states[0].lines[0].raw);
    // What is in both is told once.
    assert_eq!(search("plain", &scope).total_lines, 2);
    assert_eq!(places(&search("is:nonutf8", &scope)), ["latin:"]);
    assert_eq!(places(&search("NOT caf\u{e9}", &scope)), ["plain:1".trim_end_matches('1')]);
}

#[test]
fn long_lines_are_said_and_searched() {
    let long = format!("short\n{}needle{}\n", "x".repeat(700_000), "y".repeat(300_000));
    let just = format!("{}\nneedle", "z".repeat(1_000));
    let (_home, scope) = scope_of(&[("long.js", long.as_bytes()), ("just.js", just.as_bytes())]);
    assert_eq!(places(&search("needle", &scope)), ["just.js:2", "long.js:2"]);
    assert_eq!(places(&search("is:longline needle", &scope)), ["long.js:2"]);
}

#[test]
fn matches_are_found_at_the_seams_of_blocks() {
    // Lines of all lengths, so that blocks end everywhere; each line has its number, twice.
    let mut text = String::new();
    for n in 0..20_000 {
        text.push_str(&format!("<{n}>{}[{n}]\n", "-".repeat(n * 7 % 53)));
    }
    let (_home, scope) = scope_of(&[("big.txt", text.as_bytes()), ("small.txt", b"<1>\n")]);
    for n in (0..20_000).step_by(61) {
        let within = search(&format!("/<{n}>-*\\[{n}\\]$/"), &scope);
        assert_eq!(places(&within), [format!("big.txt:{}", n + 1)], "{n}");
        let over = search(&format!("/\\[{n}\\]\\n<{}>/", n + 1), &scope);
        assert_eq!(places(&over), [format!("big.txt:{},{}", n + 1, n + 2)], "{n}");
    }
    assert_eq!(search(r"/\A<0>/", &scope).total_lines, 1);
    assert_eq!(search(r"/\[19999\]\n\z/", &scope).total_lines, 1);
    assert_eq!(search(r"/^</", &scope).total_lines, 20_001);
    assert_eq!(search(r"/(?-m)^</", &scope).total_lines, 2);
    assert_eq!(search(r"/\B/ path:big", &scope).total_lines, 20_000);
}

#[test]
fn what_is_said_of_files_can_be_asked_for() {
    let (_home, scope) = scope_of(&[("src/a.c", b"x"), ("tests/b.c", b"x"), ("docs/c.md", b"x"), ("vendor/d.c", b"x")]);
    assert_eq!(places(&search("x", &scope)), ["src/a.c:1", "docs/c.md:1", "tests/b.c:1", "vendor/d.c:1"]);
    assert_eq!(places(&search("is:test OR is:vendored", &scope)), ["tests/b.c:", "vendor/d.c:"]);
    assert_eq!(places(&search("is:source", &scope)), ["src/a.c:"]);
    assert_eq!(places(&search("is:documentation x", &scope)), ["docs/c.md:1"]);
    assert_eq!(places(&search("is:unindexed", &scope)), [""; 0]);
    let mut sources = Sources::default().with("v1", &[("a", "needle"), ("b", "needle too")]);
    sources.absent = Some(blob(b"needle too"));
    let (_home, index) = indexed(&mut sources);
    assert_eq!(places(&search("is:unindexed", &sources.whole("git", index))), ["b:"]);
}

#[test]
fn names_are_searched_by_themselves() {
    let (_home, scope) = scope_of(&[("src/Socket.c", b"x"), ("src/socket_test.c", b"x"), ("src/other.c", b"socket")]);
    assert_eq!(places(&search("socket type:path", &scope)), ["src/Socket.c:", "src/socket_test.c:"]);
    assert_eq!(places(&search("Socket type:path", &scope)), ["src/Socket.c:"]);
    assert_eq!(places(&search("/t\\.c$/ type:path", &scope)), ["src/Socket.c:", "src/socket_test.c:"]);
    assert_eq!(places(&search("*_test.c type:path", &scope)), ["src/socket_test.c:"]);
    assert_eq!(places(&search("type:path src -test", &scope)), ["src/Socket.c:", "src/other.c:"]);
}
