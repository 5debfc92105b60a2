//! Searching what one may read.

use askama::Template;

use super::format::{counted, filters};
use super::reading::Seal;
use super::shell::{Link, Notice, Shell};
use crate::highlight::SourceHtml;

/// Stand once each in a page that is sent piece by piece: where its results go, and what is known at the end. Values are escaped,
/// so no other text reads like them.
pub const HITS_GO_HERE: &str = "<!--hits-->";
pub const END_GOES_HERE: &str = "<!--end-->";

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
    /// Nothing was asked: saved searches and help are shown.
    Unasked(Start),
    Invalid(QueryError),
    Found(Box<Results>),
    /// What is found follows, and what is known at the end.
    Searching,
}

/// The page before anything was asked.
#[derive(Debug, Default)]
pub struct Start {
    pub csrf: String,
    pub saved: Vec<SavedRow>,
    /// Queries asked lately, newest first.
    pub recent: Vec<Link>,
    /// Why a form that was just sent did nothing.
    pub problem: Option<String>,
}

/// A search kept under a name. Forms post to `/search/saved/{id}/rename` (`name`) and `/search/saved/{id}/remove`.
#[derive(Clone, Debug)]
pub struct SavedRow {
    pub id: String,
    pub name: String,
    pub query: String,
    pub href: String,
    /// Microseconds since the epoch, UTC.
    pub ran_at: i64,
    /// "v2.46.0 of Git was published since."
    pub news: Option<String>,
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

/// What is said of all results: the line above them, how to go on, and how to narrow them.
#[derive(Debug)]
pub struct Summary {
    /// What was asked, as typed.
    pub query: String,
    pub csrf: String,
    pub seal: Seal,
    /// Entries of the same search besides the one that the seal names.
    pub more_entries: u64,
    /// "23 matching lines in 9 files across 41 versions".
    pub matched: String,
    /// "Searched 38,112 of 38,112 files in v2.45.0."
    pub coverage: String,
    pub tabs: Vec<Tab>,
    /// The same with `count:all`, where the totals are lower bounds.
    pub count_everything: Option<String>,
    /// The forms to take it away in.
    pub exports: Vec<Link>,
    /// The name under which this query is saved already.
    pub saved_as: Option<String>,
    pub facets: Vec<Facet>,
    /// For example that a time limit ended the search early.
    pub notices: Vec<Notice>,
}

/// What can be searched for with the same words.
#[derive(Clone, Debug)]
pub struct Tab {
    /// "Files", "Names", "Changes", "Commits".
    pub label: &'static str,
    pub href: String,
    pub on: bool,
}

/// What was found.
#[derive(Debug)]
pub struct Results {
    pub summary: Summary,
    /// None, where they were sent before.
    pub files: Vec<HitFile>,
    /// Nothing matches.
    pub nothing: bool,
    /// From 1.
    pub page: u64,
    pub previous: Option<String>,
    pub next: Option<String>,
    /// When nothing was found: queries that may find something, with what they change.
    pub instead: Vec<Instead>,
}

/// Another query, where this one found nothing.
#[derive(Clone, Debug)]
pub struct Instead {
    /// "Search all versions, not only the newest."
    pub words: String,
    pub query: String,
    pub href: String,
}

/// One result, as it is sent while others are still looked for.
#[derive(Debug, Template)]
#[template(path = "parts/hit.html")]
pub struct HitCard {
    pub file: HitFile,
}

/// The end of a page that was sent piece by piece.
#[derive(Debug, Template)]
#[template(path = "parts/search_end.html")]
pub struct SearchEnd {
    pub results: Results,
}

/// The end of such a page when the search broke off.
#[derive(Debug, Template)]
#[template(path = "parts/search_broken.html")]
pub struct SearchBroken {
    /// What happened, a sentence or two.
    pub problem: String,
}

/// A path with matches, in the versions that were searched.
#[derive(Debug)]
pub struct HitFile {
    /// The whole path.
    pub path: String,
    /// With its slash; empty at the top.
    pub directory: String,
    pub name: String,
    /// The newest file with a match.
    pub href: String,
    /// The product's title, where there are several to be told apart.
    pub product: Option<String>,
    pub language: Option<String>,
    /// "test", "vendored", "generated": why it stands lower.
    pub kind: Option<&'static str>,
    /// "v2.30.0 to v2.45.0, still there".
    pub span: String,
    /// It matches in an older version and in the newest no more.
    pub gone: bool,
    /// "3 strings match in this binary file."
    pub binary: Option<String>,
    pub lines: Vec<HitLine>,
    /// "12 more matching lines in this file", with where they are.
    pub more: Option<Link>,
    pub older: Option<Older>,
}

/// The same path with other bytes.
#[derive(Debug)]
pub struct Older {
    /// "12 earlier forms of this file".
    pub words: String,
    pub forms: Vec<Form>,
    /// How many more there are, and where.
    pub rest: Option<String>,
}

/// A state of a path in some versions; or several that say the same.
#[derive(Debug)]
pub struct Form {
    /// "v1.0 to v1.3", with the file there.
    pub links: Vec<Link>,
    /// Those that differ from the lines shown of newer forms.
    pub lines: Vec<HitLine>,
    /// What is left out: "The same 3 lines as above."
    pub note: Option<String>,
}

impl Form {
    /// "v1.0 to v1.3".
    pub fn versions(&self) -> &str {
        self.links.first().map_or("", |link| &link.label)
    }
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
    /// Bytes of the line that are not shown, before and behind.
    pub cut: (usize, usize),
}

/// A list that narrows the search.
#[derive(Debug)]
pub struct Facet {
    /// "Versions", "Language", "Directory".
    pub title: &'static str,
    /// The way back out of a directory, the outermost first.
    pub trail: Vec<Link>,
    pub values: Vec<FacetValue>,
}

impl Facet {
    /// Values shown at once.
    const AT_ONCE: usize = 9;

    /// Those that are shown, and those that unfold. One alone is not worth a fold.
    pub fn parts(&self) -> (&[FacetValue], &[FacetValue]) {
        let at = if self.values.len() <= Self::AT_ONCE + 1 { self.values.len() } else { Self::AT_ONCE };
        self.values.split_at_checked(at).unwrap_or_default()
    }
}

/// One value of a facet.
#[derive(Debug)]
pub struct FacetValue {
    pub label: String,
    /// Files; unknown for what was not searched.
    pub count: Option<u64>,
    /// The search narrowed to it, or widened again when it is on.
    pub href: String,
    pub on: bool,
}

/// "23 matching lines in 9 files across 41 versions", "At least 500 matching lines in 40 files", "12 files".
pub fn matched_words(lines: u64, files: u64, versions: usize, complete: bool) -> String {
    if files == 0 && complete {
        return "Nothing found".to_owned();
    }
    let least = if complete { "" } else { "At least " };
    let across =
        if versions > 1 && files > 0 { format!(" across {}", counted(versions as u64, "version", "versions")) } else { String::new() };
    let found = counted(files, "file", "files");
    if lines == 0 && files > 0 {
        return format!("{least}{found}{across}");
    }
    format!("{least}{} in {found}{across}", counted(lines, "matching line", "matching lines"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_cut_by_characters_and_never_out_of_range() {
        let page = SearchPage { shell: Shell::default(), query: "é(b".into(), outcome: Outcome::Unasked(Start::default()) };
        let error = |start, end| QueryError { start, end, message: String::new(), hint: String::new() };
        assert_eq!(page.spans(&error(1, 2)), ("é".into(), "(".into(), "b".into()));
        assert_eq!(page.spans(&error(3, 3)), ("é(b".into(), String::new(), String::new()));
        assert_eq!(page.spans(&error(9, 2)), ("é(b".into(), String::new(), String::new()));
    }

    #[test]
    fn totals_are_said_as_they_are_known() {
        assert_eq!(matched_words(23, 9, 41, true), "23 matching lines in 9 files across 41 versions");
        assert_eq!(matched_words(1, 1, 1, true), "1 matching line in 1 file");
        assert_eq!(matched_words(500, 40, 1, false), "At least 500 matching lines in 40 files");
        assert_eq!(matched_words(0, 12, 1, true), "12 files");
        assert_eq!(matched_words(0, 0, 52, true), "Nothing found");
        assert_eq!(matched_words(0, 0, 1, false), "At least 0 matching lines in 0 files");
    }

    #[test]
    fn a_page_in_pieces_has_one_place_for_its_results() {
        let page = SearchPage { shell: Shell::default(), query: format!("x {HITS_GO_HERE}"), outcome: Outcome::Searching };
        let html = page.render().unwrap();
        assert_eq!((html.matches(HITS_GO_HERE).count(), html.matches(END_GOES_HERE).count()), (1, 1));
    }

    #[test]
    fn long_facets_fold() {
        let value = |n: usize| FacetValue { label: n.to_string(), count: None, href: String::new(), on: false };
        let facet = |n: usize| Facet { title: "Version", trail: Vec::new(), values: (0..n).map(value).collect() };
        assert_eq!(facet(10).parts().1.len(), 0);
        assert_eq!((facet(11).parts().0.len(), facet(11).parts().1.len()), (9, 2));
    }
}
