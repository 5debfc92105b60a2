//! What was found in histories.

use askama::Template;

use super::format::{count, counted, filters};
use super::search::Summary;
use super::shell::Shell;
use crate::highlight::SourceHtml;

/// `/search?q=type:diff …` and `type:commit …`.
#[derive(Debug, Template)]
#[template(path = "pages/search_history.html")]
pub struct HistoryPage {
    pub shell: Shell,
    pub summary: Summary,
    pub results: Results,
}

#[derive(Debug)]
pub struct Results {
    /// Messages were searched, and not changed lines.
    pub messages: bool,
    /// Newest first.
    pub commits: Vec<FoundCommit>,
    pub total_lines: u64,
    pub total_files: u64,
    pub total_commits: u64,
    /// False: the totals are lower bounds.
    pub complete: bool,
    /// Changes or messages looked at, and those there are to look at, both within what may be read.
    pub searched: u64,
    pub searchable: u64,
    /// From 1.
    pub page: u64,
    pub previous: Option<String>,
    pub next: Option<String>,
}

impl Results {
    /// "23 changed lines in 9 commits", "At least 4 commits".
    pub fn matched_words(&self) -> String {
        if self.total_commits == 0 && self.complete {
            return "Nothing found".to_owned();
        }
        let least = if self.complete { "" } else { "At least " };
        let commits = counted(self.total_commits, "commit", "commits");
        if self.messages {
            format!("{least}{commits}")
        } else if self.total_lines == 0 {
            format!("{least}{} in {commits}", counted(self.total_files, "changed file", "changed files"))
        } else {
            format!("{least}{} in {commits}", counted(self.total_lines, "changed line", "changed lines"))
        }
    }

    /// "Searched 4,012 of 4,012 messages in the history you may read."
    pub fn coverage_words(&self) -> String {
        let unit = if self.messages { "messages" } else { "changed files" };
        let more = if self.complete { "" } else { " There may be more." };
        format!("Searched {} of {} {unit} in the history you may read.{more}", count(self.searched), count(self.searchable))
    }
}

/// A commit with something to show.
#[derive(Debug)]
pub struct FoundCommit {
    pub id: String,
    /// Ten digits of it.
    pub short: String,
    /// None where the message may not be read.
    pub subject: Option<String>,
    pub author: String,
    /// When it was written.
    pub at: i64,
    /// The product's title.
    pub product: String,
    /// "in v2.1 back to v2.0, 7 versions".
    pub versions: String,
    /// Lines of the message that match.
    pub message: Vec<MessageLine>,
    /// Matching lines of the message that are not shown here.
    pub more: u64,
    pub files: Vec<ChangedFile>,
}

#[derive(Debug)]
pub struct MessageLine {
    pub number: u64,
    pub html: SourceHtml,
}

#[derive(Debug)]
pub struct ChangedFile {
    pub path: String,
    /// Why there are no lines; empty when there is nothing to say.
    pub note: &'static str,
    pub lines: Vec<ChangedLine>,
    /// Matching lines of this change that are not shown here.
    pub more: u64,
}

#[derive(Debug)]
pub struct ChangedLine {
    pub added: bool,
    /// In the new file when added, in the old one when removed.
    pub number: u64,
    pub html: SourceHtml,
}

impl ChangedLine {
    pub fn sign(&self) -> &'static str {
        if self.added { "+" } else { "\u{2212}" }
    }

    /// As it is read out.
    pub fn words(&self) -> &'static str {
        if self.added { "added" } else { "removed" }
    }
}
