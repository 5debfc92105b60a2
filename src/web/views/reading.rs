//! The reading room: directories, files and whatever else a tree holds.

use askama::Template;

use super::format::filters;
use super::shell::{Link, Notice, Shell};
use crate::highlight::SourceHtml;

/// Where in a version the page is; every page of the reading room has one.
#[derive(Clone, Debug)]
pub struct Location {
    /// The product's title.
    pub product: String,
    pub product_href: String,
    pub version: String,
    /// The version's root.
    pub root_href: String,
    /// Full commit id.
    pub commit: String,
    /// The directories above, from the top, without the root.
    pub above: Vec<Link>,
    /// The last component; empty at the root.
    pub name: String,
    /// The whole path; empty at the root.
    pub path: String,
    /// The same path in the product's other versions, newest first.
    pub versions: Vec<VersionLink>,
    /// The tree pane.
    pub tree: Vec<TreeRow>,
    /// Words under the tree when it is not whole: "Only the first 2,000 entries of src/ are listed here."
    pub tree_note: Option<String>,
    /// The file finder, if there is one; `t` goes there.
    pub find_href: Option<String>,
}

impl Location {
    /// The directory that holds the nth of those above: where what stands beside it is listed.
    pub fn beside(&self, nth: &usize) -> &str {
        nth.checked_sub(1).and_then(|parent| self.above.get(parent)).map_or(&self.root_href, |parent| &parent.href)
    }

    /// The directory that holds the place itself.
    pub fn holder(&self) -> &str {
        self.above.last().map_or(&self.root_href, |parent| &parent.href)
    }
}

/// One version in the picker.
#[derive(Clone, Debug)]
pub struct VersionLink {
    pub name: String,
    pub href: String,
    pub current: bool,
    /// The difference between it and this one, at this path; `None` for this one itself.
    pub compare: Option<String>,
    /// "newest", "not in this version"; may be empty.
    pub note: String,
}

/// One row of the tree pane.
#[derive(Clone, Debug)]
pub struct TreeRow {
    pub name: String,
    pub href: String,
    /// 0 at the root; the pane indents at most twelve deep.
    pub depth: usize,
    pub kind: EntryKind,
    /// A directory whose entries follow.
    pub open: bool,
    pub current: bool,
    /// How much of it this agency has read, 0 to 100; `None` draws no bar.
    pub read_percent: Option<u8>,
}

impl TreeRow {
    /// The CSS class for the indentation.
    pub fn indent(&self) -> String {
        format!("d{}", self.depth.min(12))
    }

    /// The length of the coverage bar, which is 28 when all is read; anything read at all shows.
    pub fn bar(&self) -> u64 {
        (u64::from(self.read_percent.unwrap_or(0).min(100)) * 28).div_ceil(100)
    }

    /// Only directories have a triangle.
    pub fn is_dir(&self) -> bool {
        self.kind == EntryKind::Directory
    }
}

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Directory,
    File,
    Executable,
    Symlink,
    Submodule,
}

impl EntryKind {
    /// "Directory", "File", "Executable file", "Symbolic link", "Submodule".
    pub fn words(self) -> &'static str {
        match self {
            Self::Directory => "Directory",
            Self::File => "File",
            Self::Executable => "Executable file",
            Self::Symlink => "Symbolic link",
            Self::Submodule => "Submodule",
        }
    }

    /// The CSS class of its row.
    pub fn class(self) -> &'static str {
        match self {
            Self::Directory => "dir",
            Self::File | Self::Executable => "blob",
            Self::Symlink => "link",
            Self::Submodule => "sub",
        }
    }
}

/// The audit entry that says this page was shown.
#[derive(Clone, Copy, Debug)]
pub struct Seal {
    pub entry: u64,
}

impl Seal {
    /// Where its receipt is.
    pub fn receipt(self) -> String {
        super::links::receipt(self.entry)
    }
}

/// A link among the acts of a file: Code, and only those that exist.
#[derive(Clone, Debug)]
pub struct Act {
    pub label: String,
    pub href: String,
    pub current: bool,
    /// The single key that goes there; may be empty.
    pub key: &'static str,
}

/// `…/tree/{path}?part=rows`: a directory's entries for a tree that is open already.
#[derive(Debug, Template)]
#[template(path = "parts/rows_part.html")]
pub struct RowsPart {
    /// The entry of the log that says they were listed.
    pub entry: u64,
    pub rows: Vec<TreeRow>,
}

/// `…/file/{path}?part=lines&from=`: lines for a page that is open already.
#[derive(Debug, Template)]
#[template(path = "parts/lines_part.html")]
pub struct LinesPart {
    /// The entry of the log that says they were shown.
    pub entry: u64,
    pub lines: Lines,
}

/// Lines of source, in stretches that are laid out one by one. What is sent together ends with a whole one, unless it ends the page.
#[derive(Debug, Template)]
#[template(path = "parts/lines.html")]
pub struct Lines {
    /// The number of the first.
    pub first: u64,
    pub lines: Vec<SourceHtml>,
}

/// Lines in one stretch of the page; the stylesheet knows how high that is.
pub const STRETCH: usize = 200;

impl LinesPart {
    fn stretches(&self) -> impl Iterator<Item = impl Iterator<Item = (u64, &SourceHtml)>> {
        self.lines.stretches()
    }
}

impl Lines {
    /// With their numbers.
    fn stretches(&self) -> impl Iterator<Item = impl Iterator<Item = (u64, &SourceHtml)>> {
        self.lines.chunks(STRETCH).zip((self.first..).step_by(STRETCH)).map(|(lines, first)| (first..).zip(lines))
    }
}

/// `…/tree/{path}`.
#[derive(Debug, Template)]
#[template(path = "pages/tree.html")]
pub struct TreePage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub acts: Vec<Act>,
    /// Directories first.
    pub entries: Vec<Entry>,
    /// Files and directories here that the agreement does not cover exist for nobody: they are not counted.
    pub notices: Vec<Notice>,
    pub readme: Option<Readme>,
}

/// One entry of the listing.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub href: String,
    pub kind: EntryKind,
    /// Bytes, of files.
    pub size: Option<u64>,
    /// Where a symbolic link points.
    pub target: Option<String>,
    /// The commit a submodule pins, in full.
    pub commit: Option<String>,
}

/// A README shown beneath its directory.
#[derive(Clone, Debug)]
pub struct Readme {
    pub name: String,
    pub href: String,
    /// Rendered Markdown (h2 and below), or lines of plain text when `plain`.
    pub html: SourceHtml,
    pub plain: bool,
}

/// What is known of a file's bytes.
#[derive(Clone, Debug, Default)]
pub struct FileFacts {
    /// "C", "Rust"; empty when not known.
    pub language: String,
    /// "UTF-8", "Shift-JIS"; empty for binary files.
    pub encoding: String,
    /// Lines in the whole file; 0 for binary files.
    pub lines: u64,
    /// Bytes.
    pub size: u64,
    /// Full blob id.
    pub blob: String,
    /// Only when odd: "CRLF line endings", "mixed line endings".
    pub line_endings: Option<String>,
}

/// Stands once in the page of a text, which is sent piece by piece: where its lines go. Values are escaped, so no other text reads like it.
pub const LINES_GO_HERE: &str = "<!--lines-->";

/// `…/file/{path}` of a text.
#[derive(Debug, Template)]
#[template(path = "pages/file.html")]
pub struct FilePage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub facts: FileFacts,
    pub acts: Vec<Act>,
    /// Written in sentences: there are no blocks to fold.
    pub prose: bool,
    /// What was searched for on the way here, to be marked; may be empty.
    pub find: String,
    /// Lines that are asked for at a time while somebody scrolls.
    pub part_lines: u64,
    /// Invisible characters, mixed scripts, invalid bytes, with links to the lines.
    pub notices: Vec<Notice>,
    /// Lines that differ from another version, if the page was asked for them: `10-12 20-20 -31`; before 31 some went. May be empty.
    pub changes: String,
    /// The numbers of the first and of the last line shown, from 1; of an empty file the last is 0.
    pub shown: (u64, u64),
    /// When the file is shown in pieces.
    pub pieces: Option<Pieces>,
    /// Why it is shown without colours, a sentence.
    pub plain_reason: Option<String>,
    /// Something failed after the page had begun to be sent.
    pub broken: bool,
    pub outline: Outline,
    /// Where symbols of this version are looked up.
    pub symbol_action: String,
    /// The file's path, as addresses have it.
    pub symbol_from: String,
}

impl FilePage {
    /// The CSS class that makes room for the highest line number.
    pub fn gutter(&self) -> &'static str {
        match self.shown.1 {
            0..1_000 => "g3",
            1_000..10_000 => "g4",
            10_000..100_000 => "g5",
            _ => "g7",
        }
    }
}

/// `…/file/{path}?view=rendered` of Markdown.
#[derive(Debug, Template)]
#[template(path = "pages/rendered.html")]
pub struct RenderedPage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub facts: FileFacts,
    pub acts: Vec<Act>,
    pub prose: SourceHtml,
}

/// `…/file/{path}?view=table` of separated values.
#[derive(Debug, Template)]
#[template(path = "pages/table.html")]
pub struct TablePage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub facts: FileFacts,
    pub acts: Vec<Act>,
    pub pieces: Option<Pieces>,
    /// The file's source, where each row's line is.
    pub source: String,
    /// The names of the columns; empty in a later piece.
    pub head: Vec<SourceHtml>,
    /// Each with the line it begins at.
    pub rows: Vec<(u64, Vec<SourceHtml>)>,
}

/// "In this file": what it defines.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    pub items: Vec<OutlineItem>,
    /// Of which lines it is, where it is not of all; a sentence.
    pub note: Option<String>,
}

/// One definition in the outline.
#[derive(Clone, Debug)]
pub struct OutlineItem {
    /// "function", "struct": its first letter is shown, the word is read out.
    pub kind: String,
    pub name: String,
    /// Where the line is: on this page, or on that of its piece.
    pub href: String,
    /// The first and the last line of the whole, when these are two.
    pub whole: Option<(u64, u64)>,
}

impl OutlineItem {
    /// The first letter of the kind.
    pub fn letter(&self) -> String {
        self.kind.chars().take(1).collect()
    }
}

/// Which part of a large file is shown.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// "Lines" or "Bytes".
    pub unit: &'static str,
    pub from: u64,
    pub to: u64,
    pub of: u64,
    pub previous: Option<String>,
    pub next: Option<String>,
}

/// `…/file/{path}` of a binary.
#[derive(Debug, Template)]
#[template(path = "pages/hex.html")]
pub struct HexPage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub facts: FileFacts,
    pub acts: Vec<Act>,
    /// Why it is not shown as text, a sentence.
    pub reason: String,
    pub rows: Vec<HexRow>,
    pub pieces: Option<Pieces>,
}

/// Sixteen bytes.
#[derive(Clone, Debug)]
pub struct HexRow {
    pub offset: u64,
    /// At most sixteen.
    pub bytes: Vec<u8>,
}

/// `…/file/{path}` of an image.
#[derive(Debug, Template)]
#[template(path = "pages/image.html")]
pub struct ImagePage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub facts: FileFacts,
    pub acts: Vec<Act>,
    /// Where the image's bytes are.
    pub src: String,
    /// "PNG".
    pub format: String,
    /// Width and height in pixels, if known.
    pub dimensions: Option<(u64, u64)>,
}

impl ImagePage {
    /// Bytes that it takes in memory when it is drawn, when that is more than a page takes without being asked: few bytes can unfold to many.
    pub fn much_memory(&self) -> Option<u64> {
        let (width, height) = self.dimensions?;
        much_memory(width, height)
    }
}

/// Four bytes a pixel.
fn much_memory(width: u64, height: u64) -> Option<u64> {
    let bytes = width.saturating_mul(height).saturating_mul(4);
    (bytes > 256 << 20).then_some(bytes)
}

/// `…/file/{path}` of a symbolic link.
#[derive(Debug, Template)]
#[template(path = "pages/symlink.html")]
pub struct SymlinkPage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub facts: FileFacts,
    pub acts: Vec<Act>,
    /// As it stands in the repository.
    pub target: String,
    /// When the target is within the version and may be read.
    pub target_href: Option<String>,
}

/// `…/file/{path}` of a submodule.
#[derive(Debug, Template)]
#[template(path = "pages/submodule.html")]
pub struct SubmodulePage {
    pub shell: Shell,
    pub location: Location,
    pub seal: Seal,
    pub acts: Vec<Act>,
    /// Full id of the commit it pins.
    pub commit: String,
    /// As .gitmodules says, if it may be read and does.
    pub url: Option<String>,
}

#[cfg(test)]
impl FilePage {
    /// Three lines in the middle of a file.
    pub(in crate::web) fn sample() -> Self {
        Self {
            shell: Shell::default(),
            location: Location {
                product: "git".into(),
                product_href: "/p/git".into(),
                version: "v1".into(),
                root_href: "/p/git/v1/tree/".into(),
                commit: "c".repeat(40),
                above: Vec::new(),
                name: "a.c".into(),
                path: "a.c".into(),
                versions: Vec::new(),
                tree: Vec::new(),
                tree_note: None,
                find_href: None,
            },
            seal: Seal { entry: 18_204 },
            facts: FileFacts::default(),
            acts: Vec::new(),
            prose: false,
            find: String::new(),
            part_lines: 1000,
            notices: Vec::new(),
            changes: String::new(),
            shown: (5_001, 5_003),
            pieces: None,
            plain_reason: None,
            broken: false,
            outline: Outline {
                items: vec![OutlineItem {
                    kind: "function".into(),
                    name: "<script>".into(),
                    href: "#L5001".into(),
                    whole: Some((5_001, 5_003)),
                }],
                note: None,
            },
            symbol_action: String::new(),
            symbol_from: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_unfolds_to_much_is_not_drawn_unasked() {
        assert_eq!(much_memory(8_192, 8_192), None);
        assert_eq!(much_memory(8_192, 8_193), Some(268_468_224));
        assert_eq!(much_memory(u64::MAX, 2), Some(u64::MAX));
    }
}
