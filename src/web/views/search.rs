//! Searching what one may read.

use askama::Template;

use super::format::{counted, filters};
use super::reading::Seal;
use super::shell::{Notice, Shell};
use crate::highlight::SourceHtml;

/// `/search?q=&page=`.
#[derive(Debug, Template)]
#[template(path = "pages/search.html")]
pub struct SearchPage {
    pub shell: Shell,
    /// As typed.
    pub query: String,
    pub outcome: Outcome,
}

/// What became of the query.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing was asked: help is shown.
    Unasked,
    Invalid(QueryError),
    Found(Results),
}

/// A query that cannot be understood, pointing at the characters.
#[derive(Clone, Debug)]
pub struct QueryError {
    /// First offending character, counted in characters from 0.
    pub start: usize,
    /// One past the last; equal to `start` when something is missing there.
    pub end: usize,
    /// What is wrong, a sentence.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl SearchPage {
    /// The query before, within and after the span of an error.
    pub fn spans(&self, error: &QueryError) -> (String, String, String) {
        let (start, end) = (error.start, error.end.max(error.start));
        (
            self.query.chars().take(start).collect(),
            self.query.chars().skip(start).take(end - start).collect(),
            self.query.chars().skip(end).collect(),
        )
    }
}

/// What was found.
#[derive(Debug)]
pub struct Results {
    pub seal: Seal,
    pub files: Vec<HitFile>,
    pub matching_lines: u64,
    pub matching_files: u64,
    /// False: the two numbers above are lower bounds.
    pub complete: bool,
    /// Files looked at, and files there are to look at, both within what may be read.
    pub searched: u64,
    pub searchable: u64,
    /// From 1.
    pub page: u64,
    pub previous: Option<String>,
    pub next: Option<String>,
    pub facets: Vec<Facet>,
    /// For example that a time limit ended the search early.
    pub notices: Vec<Notice>,
}

impl Results {
    /// "23 matching lines in 9 files", "At least 500 matching lines in 40 files".
    pub fn matched_words(&self) -> String {
        if self.matching_files == 0 && self.complete {
            return "Nothing found".to_owned();
        }
        format!(
            "{}{} in {}",
            if self.complete { "" } else { "At least " },
            counted(self.matching_lines, "matching line", "matching lines"),
            counted(self.matching_files, "file", "files")
        )
    }
}

/// One file with matching lines.
#[derive(Debug)]
pub struct HitFile {
    pub path: String,
    pub href: String,
    /// The product's title.
    pub product: String,
    /// "4.2.1", "3.0.0 to 4.2.1".
    pub versions: String,
    pub lines: Vec<HitLine>,
    /// Matching lines of this file that are not shown here.
    pub more: u64,
}

/// A line of a file with matches, or beside one.
#[derive(Debug)]
pub struct HitLine {
    /// From 1.
    pub number: u64,
    /// With `<mark>` around what matched.
    pub html: SourceHtml,
    /// False for lines of context.
    pub matched: bool,
    /// The line in its file.
    pub href: String,
    /// Lines were left out before this one.
    pub gap_before: bool,
}

/// A list that narrows the search.
#[derive(Debug)]
pub struct Facet {
    /// "Versions", "Language", "Directory".
    pub title: String,
    pub values: Vec<FacetValue>,
}

/// One value of a facet.
#[derive(Debug)]
pub struct FacetValue {
    pub label: String,
    pub count: u64,
    /// The search narrowed to it, or widened again when it is on.
    pub href: String,
    pub on: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_cut_by_characters_and_never_out_of_range() {
        let page = SearchPage { shell: Shell::default(), query: "é(b".into(), outcome: Outcome::Unasked };
        let error = |start, end| QueryError { start, end, message: String::new(), hint: String::new() };
        assert_eq!(page.spans(&error(1, 2)), ("é".into(), "(".into(), "b".into()));
        assert_eq!(page.spans(&error(3, 3)), ("é(b".into(), String::new(), String::new()));
        assert_eq!(page.spans(&error(9, 2)), ("é(b".into(), String::new(), String::new()));
    }
}
