//! Products and their versions, as reviewers see them.

use askama::Template;

use super::format::filters;
use super::shell::Shell;

/// `/p`.
#[derive(Debug, Template)]
#[template(path = "pages/products.html")]
pub struct Products {
    pub shell: Shell,
    pub products: Vec<ProductCard>,
}

/// A product in a list.
#[derive(Clone, Debug)]
pub struct ProductCard {
    pub title: String,
    /// The product's page.
    pub href: String,
    /// One sentence about it; may be empty.
    pub summary: String,
    /// The newest version that may be read, and its root.
    pub newest: Option<(String, String)>,
    /// How many versions may be read.
    pub versions: u64,
    /// What may be read, in words: "All of it", "net/ and tests/".
    pub scope: String,
}

/// `/p/{product}`.
#[derive(Debug, Template)]
#[template(path = "pages/product.html")]
pub struct Product {
    pub shell: Shell,
    pub title: String,
    pub summary: String,
    /// What may be read, in words: "All of it", "net/ and tests/".
    pub scope: String,
    /// The end of the grant, microseconds since the epoch, UTC.
    pub until: Option<i64>,
    /// The newest version and its root: the page's main action.
    pub newest: Option<(String, String)>,
    /// The file finder of the newest version.
    pub find: Option<String>,
    /// Newest first.
    pub versions: Vec<VersionRow>,
    /// Where the form goes that compares two of them.
    pub compare: String,
}

/// A published version.
#[derive(Clone, Debug)]
pub struct VersionRow {
    pub name: String,
    /// Its root; `None` where it cannot be opened (an administrator's page).
    pub href: Option<String>,
    /// Full commit id.
    pub commit: String,
    pub tag: TagKind,
    /// What its signature is worth: "good, by dev@vendor.example".
    pub signature: String,
    /// The CSS class of that.
    pub signature_class: &'static str,
    /// Microseconds since the epoch, UTC.
    pub published_at: i64,
    /// The version before this one, and what changed since.
    pub changes: Option<(String, String)>,
    pub moved: Option<MovedTag>,
}

/// What the version was published from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagKind {
    Annotated,
    Lightweight,
    Branch,
}

impl TagKind {
    /// "annotated tag", "lightweight tag", "branch".
    pub fn words(self) -> &'static str {
        match self {
            Self::Annotated => "annotated tag",
            Self::Lightweight => "lightweight tag",
            Self::Branch => "branch",
        }
    }
}

/// A tag that was moved at its source after the version was published. The version still shows the commit it was published with.
#[derive(Clone, Debug)]
pub struct MovedTag {
    /// Full id of the commit that the tag names now.
    pub to_commit: String,
    /// When it was seen, microseconds since the epoch, UTC.
    pub seen_at: i64,
}
