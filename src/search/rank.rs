//! Which files are likeliest looked for: a score of what was found in a file and of what its path is.

use std::ops::Range;

use super::PathKind;
use crate::catalog::RepoPath;

/// What the matches in a file are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signals {
    /// One is a whole word.
    word: bool,
}

/// What is known of a file besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// It defines a word looked for.
    pub(super) defines: bool,
    pub(super) kind: PathKind,
    /// What its name has of the words looked for.
    pub(super) name: NameHas,
    pub(super) in_newest: bool,
}

impl Signals {
    pub(super) fn of(word: bool) -> Self {
        Self { word }
    }

    pub(super) fn is_word(self) -> bool {
        self.word
    }

    /// Takes account of a match in a text.
    pub(super) fn note(&mut self, text: &[u8], found: &Range<usize>) {
        self.word = self.word || is_word(text, found);
    }

    /// The higher, the earlier a file is listed among its like. What defines a word comes before all else.
    pub(super) fn score(self, standing: Standing) -> u32 {
        let kind = match standing.kind {
            PathKind::Source => 6,
            PathKind::Documentation => 4,
            PathKind::Test => 2,
            PathKind::Vendored => 0,
        };
        let name = match standing.name {
            NameHas::All => 5,
            NameHas::Part => 2,
            NameHas::Nothing => 0,
        };
        let weigh = |is: bool, weight: u32| if is { weight } else { 0 };
        weigh(standing.defines, 20) + kind + name + weigh(self.word, 2) + weigh(standing.in_newest, 4)
    }
}

/// Whether a match is a whole word.
pub(super) fn is_word(text: &[u8], found: &Range<usize>) -> bool {
    let of_word = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let joined = of_word(found.start.checked_sub(1)) && of_word(Some(found.start));
    let goes_on = of_word(found.end.checked_sub(1)) && of_word(Some(found.end));
    !joined && !goes_on
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

/// The word that a text is, but for what stands around it: `name(` is a call of `name`. None when it is more than one.
pub(super) fn word_of(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let word = text.trim_matches(|c| !is_part(c));
    (!word.is_empty() && word.chars().all(is_part)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_told_from_parts() {
        let is_word = |text: &str, found: &str| {
            let mut signals = Signals::default();
            let at = text.find(found).unwrap();
            signals.note(text.as_bytes(), &(at..at + found.len()));
            signals.word
        };
        assert!(is_word("int find(a)", "find") && is_word("find", "find") && is_word("refind()", "()"));
        assert!(!is_word("int refind(a)", "find") && !is_word("finder", "find"));
        assert_eq!(
            [word_of("find("), word_of("->find"), word_of("a b"), word_of("::"), word_of("")],
            [Some("find"), Some("find"), None, None, None]
        );
    }

    #[test]
    fn what_is_likelier_scores_higher() {
        let used = Signals::of(true);
        let part = Signals::default();
        let plain = Standing { defines: false, kind: PathKind::Source, name: NameHas::Nothing, in_newest: true };
        let gone = Standing { in_newest: false, ..plain };
        let test = Standing { kind: PathKind::Test, ..plain };
        let named = Standing { name: NameHas::All, ..plain };
        // Nothing outweighs a definition.
        let last = Standing { defines: true, kind: PathKind::Vendored, name: NameHas::Nothing, in_newest: false };
        let order = [part.score(last), used.score(named), used.score(plain), part.score(plain), used.score(gone), used.score(test)];
        assert!(order[0] > order[1] && order[1] > order[2] && order[2] > order[3] && order[2] > order[4] && order[2] > order[5]);
        assert!(used.score(test) > used.score(Standing { kind: PathKind::Vendored, ..plain }));
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
