//! Which files are likeliest looked for: a score of what was found in a file and of what its path is.

use std::ops::Range;

use super::PathKind;
use super::pattern::{line_end, line_start};
use crate::catalog::RepoPath;

/// Matches of a file that are looked at for signals.
const LOOKED_AT: u32 = 100;
/// Bytes of a line that are looked at.
const WIDEST: usize = 1_000;

/// What the matches in a file are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signals {
    /// One is a whole word.
    word: bool,
    /// One seems to be where its name is defined.
    definition: bool,
    seen: u32,
}

impl Signals {
    /// Takes account of a match in a text, on the line that starts there.
    pub(super) fn note(&mut self, text: &[u8], start: usize, found: &Range<usize>) {
        if self.definition || self.seen >= LOOKED_AT {
            return;
        }
        self.seen += 1;
        // Of a match over lines, the line on which it begins.
        let start = if found.start < start { line_start(text, found.start) } else { start };
        let is_word = |at: Option<&u8>| at.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let joined = is_word(found.start.checked_sub(1).and_then(|at| text.get(at))) && is_word(text.get(found.start));
        let goes_on = is_word(found.end.checked_sub(1).and_then(|at| text.get(at))) && is_word(text.get(found.end));
        if joined || goes_on {
            return;
        }
        self.word = true;
        if found.start - start > WIDEST {
            return;
        }
        let end = line_end(text, found.start).min(start + 2 * WIDEST);
        let front = text.get(start..found.start).unwrap_or_default();
        let back = text.get(found.end.min(end)..end).unwrap_or_default();
        self.definition = defines(front, back);
    }

    /// The higher, the earlier a file is listed among its like. `name`: what its name has of the words looked for.
    pub(super) fn score(self, kind: PathKind, name: NameHas, in_newest: bool) -> u32 {
        let kind = match kind {
            PathKind::Source => 6,
            PathKind::Documentation => 4,
            PathKind::Test => 2,
            PathKind::Vendored => 0,
        };
        let name = match name {
            NameHas::All => 5,
            NameHas::Part => 2,
            NameHas::Nothing => 0,
        };
        let here = if self.definition {
            8
        } else if self.word {
            2
        } else {
            0
        };
        kind + name + here + if in_newest { 4 } else { 0 }
    }
}

/// What a file's name has of the words looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameHas {
    /// It is one of them, but for what follows a dot.
    All,
    /// One of them is part of it.
    Part,
    Nothing,
}

impl NameHas {
    /// `words` in lower case.
    pub(super) fn of(path: &RepoPath, words: &[String]) -> Self {
        if words.is_empty() {
            return Self::Nothing;
        }
        let name = path.name().to_ascii_lowercase();
        let stem = name.split(|&b| b == b'.').next().unwrap_or_default();
        let is = |word: &String| word.as_bytes() == stem || word.as_bytes() == name;
        if words.iter().any(is) {
            Self::All
        } else if words.iter().any(|word| memchr::memmem::find(&name, word.as_bytes()).is_some()) {
            Self::Part
        } else {
            Self::Nothing
        }
    }
}

/// Words that stand before a name where it is defined, in the usual languages.
const DEFINING: [&[u8]; 26] = [
    b"fn",
    b"def",
    b"class",
    b"struct",
    b"enum",
    b"union",
    b"func",
    b"function",
    b"interface",
    b"trait",
    b"type",
    b"typedef",
    b"module",
    b"mod",
    b"namespace",
    b"package",
    b"macro_rules!",
    b"#define",
    b"const",
    b"static",
    b"let",
    b"var",
    b"sub",
    b"record",
    b"object",
    b"val",
];

/// Whether a name with this before and behind it on its line seems to be defined there. It is a guess, and only moves files up.
fn defines(front: &[u8], back: &[u8]) -> bool {
    let before = front.trim_ascii();
    let last = before.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
    if last.len() < before.len() || before.len() == last.len() {
        let directive = before.ends_with(b"# define");
        if DEFINING.contains(&last) || directive {
            return true;
        }
    }
    // `func (r *Reader) name(`, in Go.
    if before.starts_with(b"func (") && before.ends_with(b")") {
        return true;
    }
    // `static int name(int a)`, at the margin and without a semicolon at its end.
    let at_margin = front.first().map_or(!back.is_empty(), |b| b.is_ascii_alphabetic() || *b == b'_');
    let plain =
        front.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b' ' | b'\t' | b'*' | b'&' | b':' | b'<' | b'>' | b','));
    let back = back.trim_ascii();
    at_margin && plain && back.starts_with(b"(") && !back.ends_with(b";") && !matches!(last, b"return" | b"else" | b"case" | b"goto")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(line: &str, name: &str) -> Signals {
        let mut signals = Signals::default();
        let at = line.find(name).unwrap();
        signals.note(line.as_bytes(), 0, &(at..at + name.len()));
        signals
    }

    #[test]
    fn definitions_are_told_from_uses() {
        for line in [
            "int find(const char *what)",
            "static struct node *find(int a) {",
            "find() {",
            "    pub fn find(&self) -> bool {",
            "def find(self):",
            "func (r *Reader) find(name string) error {",
            "#define find(x) (x)",
            "# define find",
            "struct find {",
            "type find = u32;",
        ] {
            assert!(signals(line, "find").definition, "{line}");
        }
        for line in ["    find(a);", "int find(int a);", "return find(a)", "x = find(a)", "/* find(a) */", "if (find(a))", "the find"] {
            let signals = signals(line, "find");
            assert!(!signals.definition && signals.word, "{line}");
        }
        assert!(!signals("int refind(int a)", "find").word);
        assert!(!signals("int finder(int a)", "find").word);
    }

    #[test]
    fn what_is_likelier_scores_higher() {
        let used = Signals { word: true, ..Signals::default() };
        let defined = Signals { word: true, definition: true, ..Signals::default() };
        let score = |signals: Signals, kind, name| signals.score(kind, name, true);
        assert!(score(defined, PathKind::Source, NameHas::Nothing) > score(used, PathKind::Source, NameHas::Part));
        assert!(score(used, PathKind::Source, NameHas::Nothing) > score(used, PathKind::Test, NameHas::Nothing));
        assert!(score(used, PathKind::Test, NameHas::Nothing) > score(used, PathKind::Vendored, NameHas::Nothing));
        assert!(score(used, PathKind::Source, NameHas::All) > score(used, PathKind::Source, NameHas::Nothing));
        assert!(score(used, PathKind::Source, NameHas::Nothing) > score(Signals::default(), PathKind::Source, NameHas::Nothing));
        assert!(used.score(PathKind::Source, NameHas::Nothing, true) > used.score(PathKind::Source, NameHas::Nothing, false));
    }

    #[test]
    fn names_are_compared_without_their_endings() {
        let has = |path: &str, word: &str| NameHas::of(&RepoPath::parse(path.as_bytes()).unwrap(), &[word.to_owned()]);
        assert_eq!(has("lib/Strbuf.c", "strbuf"), NameHas::All);
        assert_eq!(has("lib/strbuf_read.c", "strbuf"), NameHas::Part);
        assert_eq!(has("strbuf/x.c", "strbuf"), NameHas::Nothing);
        assert_eq!(NameHas::of(&RepoPath::parse(b"a").unwrap(), &[]), NameHas::Nothing);
    }
}
