//! What became of a path: its history, who wrote its lines, and what one commit did.

use askama::Template;

use super::format::filters;
use super::reading::{Act, Location, Pieces, Seal};
use super::shell::{Link, Notice, Shell};
use crate::highlight::SourceHtml;

/// What is shown of a commit wherever it stands.
#[derive(Clone, Debug)]
pub struct CommitLine {
    pub id: String,
    /// None where its words may not be shown.
    pub subject: Option<String>,
    /// Empty where its words may not be shown.
    pub author: String,
    /// When it was written.
    pub at: i64,
    /// The commit's page.
    pub href: String,
}

/// `…/history/{path}`.
#[derive(Debug, Template)]
#[template(path = "pages/history.html")]
pub struct HistoryPage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub acts: Vec<Act>,
    pub notices: Vec<Notice>,
    pub directory: bool,
    /// Newest first.
    pub rows: Vec<HistoryRow>,
    /// Where the first page is, on any other.
    pub newest: Option<String>,
    pub older: Option<String>,
}

/// A commit, and what it did.
#[derive(Clone, Debug)]
pub struct Step {
    pub commit: CommitLine,
    /// "added", "changed"; what it did to the path.
    pub became: &'static str,
    /// What the file was called before.
    pub renamed_from: Option<String>,
    /// What it was called then, where that is another name.
    pub called: Option<String>,
}

/// A commit that changed the path.
#[derive(Clone, Debug)]
pub struct HistoryRow {
    pub step: Step,
    pub added: u64,
    pub removed: u64,
    /// Whether lines were counted.
    pub counted: bool,
    /// Files changed below the directory.
    pub files: u64,
    /// Who wrote the file's lines as this commit left it.
    pub blame: Option<String>,
    /// The version whose file is the same.
    pub edition: Option<Link>,
}

/// `…/history/{path}?lines=10-20`.
#[derive(Debug, Template)]
#[template(path = "pages/history_lines.html")]
pub struct LinesPage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub acts: Vec<Act>,
    /// None where the file has no lines; a notice says why.
    pub lines: Option<LinesFollowed>,
    pub notices: Vec<Notice>,
    /// Newest first.
    pub rows: Vec<LinesRow>,
    pub newest: Option<String>,
    pub older: Option<String>,
}

/// The lines whose history it is.
#[derive(Clone, Debug)]
pub struct LinesFollowed {
    pub first: u64,
    pub last: u64,
    /// These lines on the file's page.
    pub href: String,
}

/// A commit that changed the lines.
#[derive(Clone, Debug)]
pub struct LinesRow {
    pub step: Step,
    pub lines: Vec<DiffRow>,
    /// Lines that are not shown.
    pub left: u64,
}

/// A line of a change.
#[derive(Clone, Debug)]
pub struct DiffRow {
    /// "added", "removed", "same" or "gap".
    pub class: &'static str,
    pub old: Option<u32>,
    pub new: Option<u32>,
    pub html: SourceHtml,
    /// No newline ends it.
    pub unended: bool,
}

impl DiffRow {
    /// The sign in front of it.
    pub fn sign(&self) -> &'static str {
        match self.class {
            "added" => "+",
            "removed" => "\u{2212}",
            _ => "",
        }
    }
}

/// `…/blame/{path}`.
#[derive(Debug, Template)]
#[template(path = "pages/blame.html")]
pub struct BlamePage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub acts: Vec<Act>,
    pub notices: Vec<Notice>,
    pub lines: Vec<BlameLine>,
    pub pieces: Option<Pieces>,
    /// Commits that wrote what is shown.
    pub commits: u64,
    pub oldest: i64,
    pub newest: i64,
}

impl BlamePage {
    /// The CSS class that makes room for the highest line number.
    pub fn gutter(&self) -> &'static str {
        match self.lines.last().map_or(0, |line| line.number) {
            0..=1_000 => "g3",
            1_001..=10_000 => "g4",
            10_001..=100_000 => "g5",
            _ => "g7",
        }
    }
}

/// A line and who wrote it.
#[derive(Clone, Debug)]
pub struct BlameLine {
    pub number: u64,
    pub html: SourceHtml,
    /// 0 for the newest to 7 for the oldest.
    pub heat: u8,
    /// On the first of the lines that one commit wrote.
    pub by: Option<By>,
}

/// A commit beside its lines.
#[derive(Clone, Debug)]
pub struct By {
    pub commit: CommitLine,
    /// The file as it stood before, if it did.
    pub before: Option<String>,
}

/// `…/commit/{id}`.
#[derive(Debug, Template)]
#[template(path = "pages/commit.html")]
pub struct CommitPage {
    pub shell: Shell,
    pub seal: Seal,
    /// The product's title.
    pub product: String,
    pub product_href: String,
    pub version: String,
    pub root_href: String,
    /// The history of everything.
    pub history_href: String,
    pub commit: CommitLine,
    /// What its message says behind the subject.
    pub body: String,
    /// Those that can be shown.
    pub parents: Vec<Link>,
    pub merge: bool,
    /// The number of the first file shown, counted from 1, and how many there are that may be read.
    pub from: u64,
    pub total: u64,
    pub files: Vec<ChangedFile>,
    pub start: Option<String>,
    pub next: Option<String>,
}

impl CommitPage {
    /// The number of the last file shown.
    pub fn to(&self) -> u64 {
        (self.from + self.files.len() as u64).saturating_sub(1)
    }
}

/// A file that a commit changed.
#[derive(Clone, Debug)]
pub struct ChangedFile {
    pub path: String,
    pub became: &'static str,
    pub renamed_from: Option<String>,
    /// The file in the version, if it stands there.
    pub href: Option<String>,
    pub history: String,
    /// Why there are no lines; empty when there is nothing to say.
    pub note: &'static str,
    pub added: u64,
    pub removed: u64,
    pub lines: Vec<DiffRow>,
    /// Lines of the change before those shown here, and behind them.
    pub skipped: u64,
    pub left: u64,
}
