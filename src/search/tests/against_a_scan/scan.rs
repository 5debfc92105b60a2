//! The plain scan that a search is held against: each file by itself, with the `regex` crate and no index. The fuzz targets use it, too.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::bytes::{Regex, RegexBuilder};

use super::{Case, Expr, PathTerm, RepoPath, Term};

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
        // The first line that does not end before the match; then all that begin within it.
        let first = lines.partition_point(|&(_, end)| end <= found.start());
        for (number, &(start, end)) in lines.iter().enumerate().skip(first.saturating_sub(1)) {
            if start > found.end() {
                break;
            }
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
pub(super) type Compiled = RefCell<HashMap<(String, bool), Regex>>;

pub(super) struct Reference<'a> {
    pub(super) case: Case,
    pub(super) compiled: &'a Compiled,
    pub(super) path: &'a RepoPath,
    pub(super) text: &'a [u8],
    /// Its own bytes, where the text was decoded from them.
    pub(super) raw: Option<&'a [u8]>,
    pub(super) language: Option<String>,
}

impl Reference<'_> {
    /// The lines that are shown of the file, when it matches: those of the text, or of the bytes that it was decoded from when the
    /// text has none.
    pub(super) fn matches(&self, expr: &Expr) -> Option<Vec<usize>> {
        if !self.holds(expr) {
            return None;
        }
        let mut lines = Vec::new();
        for text in std::iter::once(self.text).chain(self.raw) {
            if lines.is_empty() {
                self.lines(expr, true, text, &mut lines);
            }
        }
        lines.sort_unstable();
        lines.dedup();
        Some(lines)
    }

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

    fn is_found(&self, term: &Term) -> bool {
        std::iter::once(self.text).chain(self.raw).any(|text| !self.term(term, text).is_empty())
    }

    fn term(&self, term: &Term, text: &[u8]) -> Vec<usize> {
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
            Expr::Term(term) => self.is_found(term),
        }
    }

    fn lines(&self, expr: &Expr, positive: bool, text: &[u8], lines: &mut Vec<usize>) {
        match expr {
            Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| self.lines(part, positive, text, lines)),
            Expr::Not(inner) => self.lines(inner, !positive, text, lines),
            Expr::Term(term) if positive => lines.extend(self.term(term, text)),
            Expr::Term(_) => {}
        }
    }
}
