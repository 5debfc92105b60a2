//! Comparing two versions: what differs by directory and file, and the lines of one file.

use askama::Template;

use super::format::filters;
use super::reading::{Act, Pieces, Seal};
use super::shell::{Link, Notice, Shell};
use crate::highlight::SourceHtml;

/// The two versions of a page, and the form that chooses others.
#[derive(Clone, Debug)]
pub struct Versions {
    /// The product's title.
    pub product: String,
    pub product_href: String,
    pub from: String,
    pub to: String,
    /// Full commit ids.
    pub from_commit: String,
    pub to_commit: String,
    /// All that may be read, newest first.
    pub all: Vec<String>,
    /// Where the form goes.
    pub action: String,
    /// What the form keeps: name and value.
    pub kept: Vec<(&'static str, String)>,
    /// The same page with the versions the other way round.
    pub swapped: String,
}

/// `/p/{product}/compare/{from}/{to}`.
#[derive(Debug, Template)]
#[template(path = "pages/compare.html")]
pub struct ComparePage {
    pub shell: Shell,
    pub seal: Seal,
    pub versions: Versions,
    /// "Differs: 1,204 files, …", what is counted.
    pub totals: TotalsRow,
    /// "in builtin/, of C, without vendored code"; empty when nothing is left out.
    pub chosen: String,
    /// What a reader should know of how it was counted.
    pub notices: Vec<Notice>,
    pub filters: Vec<Choices>,
    /// The pattern of paths, and what its form keeps.
    pub glob: String,
    pub kept: Vec<(&'static str, String)>,
    /// Without any filter; `None` when there is none.
    pub cleared: Option<String>,
    pub directories: Vec<DirectoryRow>,
    pub more_directories: Option<String>,
    pub files: Vec<FileRow>,
    /// "By path", "By size".
    pub orders: Vec<Act>,
    pub pages: Option<Pieces>,
}

/// One group of filters.
#[derive(Clone, Debug)]
pub struct Choices {
    pub title: &'static str,
    pub values: Vec<Choice>,
}

impl Choices {
    const AT_ONCE: usize = 10;

    /// Those shown, and those that unfold.
    pub fn parts(&self) -> (&[Choice], &[Choice]) {
        let at = if self.values.len() <= Self::AT_ONCE + 1 { self.values.len() } else { Self::AT_ONCE };
        self.values.split_at_checked(at).unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
pub struct Choice {
    pub label: String,
    pub count: Option<u64>,
    pub href: String,
    pub on: bool,
}

/// Numbers of a directory, or of everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct TotalsRow {
    pub files: u64,
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    pub renamed: u64,
    pub lines_added: u64,
    pub lines_removed: u64,
}

/// A directory in which something differs.
#[derive(Clone, Debug)]
pub struct DirectoryRow {
    pub name: String,
    pub href: String,
    pub depth: usize,
    pub open: bool,
    pub current: bool,
    pub totals: TotalsRow,
}

impl DirectoryRow {
    /// The CSS class for the indentation.
    pub fn indent(&self) -> String {
        format!("d{}", self.depth.min(12))
    }
}

/// A file that differs.
#[derive(Clone, Debug)]
pub struct FileRow {
    pub path: String,
    pub href: String,
    /// Where it stood before, when that was elsewhere.
    pub before: Option<String>,
    /// "added", "removed", "changed", "renamed".
    pub fate: &'static str,
    /// "87% the same", "mode 100644 to 100755", "symbolic link"; may be empty.
    pub note: String,
    /// "binary", "too large to count", "not counted yet"; empty when the lines are counted.
    pub uncounted: &'static str,
    pub lines_added: u64,
    pub lines_removed: u64,
}

impl FileRow {
    /// How much of the bar, which is 40 long, stands for lines added, and how much for lines removed; the bar grows with the
    /// logarithm of the change.
    pub fn bar(&self) -> (u64, u64) {
        bar(self.lines_added, self.lines_removed)
    }
}

fn bar(added: u64, removed: u64) -> (u64, u64) {
    let all = u128::from(added) + u128::from(removed);
    if all == 0 {
        return (0, 0);
    }
    let long = (u64::from(all.ilog2()) + 1).min(10) * 4;
    let green = u64::try_from(u128::from(added) * u128::from(long) / all)
        .unwrap_or(long)
        .clamp(u64::from(added > 0), long - u64::from(removed > 0));
    (green, long - green)
}

/// `/p/{product}/compare/{from}/{to}/{path}`.
#[derive(Debug, Template)]
#[template(path = "pages/compare_file.html")]
pub struct CompareFilePage {
    pub shell: Shell,
    pub seal: Seal,
    pub versions: Versions,
    /// The summary this file was come from.
    pub summary_href: String,
    /// The directories above, each with what differs in it.
    pub above: Vec<Link>,
    pub name: String,
    pub path: String,
    /// "Renamed from", with the path; `None` when it stood at the same place.
    pub before: Option<String>,
    /// "Added in v2.0", "Changed"; a few words.
    pub fate: String,
    pub lines_added: u64,
    pub lines_removed: u64,
    /// How many places there are where lines differ, and the first that is on this page.
    pub changes: u64,
    pub first_change: Option<u64>,
    pub views: Vec<Act>,
    pub spaces: Vec<Act>,
    pub contexts: Vec<Act>,
    pub previous: Option<Link>,
    pub next: Option<Link>,
    pub notices: Vec<Notice>,
    /// What each side is, by version.
    pub sides: Vec<SideFacts>,
    pub body: Body,
    pub pieces: Option<Pieces>,
    /// The CSS class that makes room for the highest line number.
    pub gutter: &'static str,
}

/// One side, for whoever wants to know what it is.
#[derive(Clone, Debug)]
pub struct SideFacts {
    pub version: String,
    /// The page of the file in that version; `None` when it is not there.
    pub href: Option<String>,
    pub path: String,
    /// "Text, UTF-8", "Binary", "Symbolic link".
    pub what: String,
    /// Bytes.
    pub size: u64,
    /// As git writes it.
    pub mode: &'static str,
    pub blob: String,
    pub sha256: Option<String>,
    /// Where the image's bytes are.
    pub image: Option<String>,
}

/// What stands on the page.
#[derive(Clone, Debug)]
pub enum Body {
    /// A sentence or several, where there are no lines to show.
    Words(Vec<String>),
    Unified(Vec<UnifiedRow>),
    Split(Vec<SplitRow>),
    /// Two pictures.
    Images,
}

/// A line on one side.
#[derive(Clone, Debug)]
pub struct Cell {
    pub number: u64,
    /// The line in its file.
    pub href: String,
    pub html: SourceHtml,
    /// What ends the line, where that is worth a word.
    pub end: &'static str,
}

/// Lines that are the same and not shown.
#[derive(Clone, Debug)]
pub struct Gap {
    pub words: String,
    pub opens: Vec<Link>,
}

#[derive(Clone, Debug)]
pub enum UnifiedRow {
    Same { old: Cell, new: Cell },
    Removed { old: Cell, change: Option<u64> },
    Added { new: Cell, change: Option<u64> },
    Gap(Gap),
}

#[derive(Clone, Debug)]
pub enum SplitRow {
    Same { old: Cell, new: Cell },
    Changed { old: Option<Cell>, new: Option<Cell>, change: Option<u64> },
    Gap(Gap),
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn bars_show_both_colours_when_both_are_there() {
        assert_eq!(bar(0, 0), (0, 0));
        assert_eq!(bar(1, 0), (4, 0));
        assert_eq!(bar(0, 1), (0, 4));
        assert_eq!(bar(1_000_000, 1), (39, 1));
        assert_eq!(bar(1, 1_000_000), (1, 39));
        assert_eq!(bar(u64::MAX, 7), (39, 1));
    }
}
