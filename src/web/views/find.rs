//! The file finder.

use askama::Template;

use super::format::filters;
use super::reading::Seal;
use super::shell::Shell;
use crate::highlight::SourceHtml;

/// `…/find?q=`.
#[derive(Debug, Template)]
#[template(path = "pages/find.html")]
pub struct FindPage {
    pub shell: Shell,
    /// The product's title.
    pub product: String,
    pub product_href: String,
    pub version: String,
    pub root_href: String,
    /// Where its form goes.
    pub action: String,
    /// What was typed.
    pub query: String,
    /// `None` when nothing was asked.
    pub found: Option<FoundFiles>,
}

/// What was found, by itself: for the dialog.
#[derive(Debug, Template)]
#[template(path = "parts/found_part.html")]
pub struct FoundPart {
    pub found: FoundFiles,
}

#[derive(Clone, Debug)]
pub struct FoundFiles {
    /// The likeliest first.
    pub files: Vec<FoundFile>,
    /// Of all, shown or not.
    pub total: u64,
    /// Files of the version that may be read.
    pub searched: u64,
    /// False: the version is not indexed yet.
    pub indexed: bool,
    pub seal: Seal,
}

impl FoundFiles {
    /// There are more than are named.
    pub fn is_cut(&self) -> bool {
        self.total > self.files.len() as u64
    }
}

#[derive(Clone, Debug)]
pub struct FoundFile {
    /// With its slash; empty at the root.
    pub directory: SourceHtml,
    pub name: SourceHtml,
    pub href: String,
    /// The line asked for with it.
    pub line: Option<u64>,
}
