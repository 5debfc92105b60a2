//! Products and the mirrors they come from, as administrators see them.

use askama::Template;

use crate::web::views::format::filters;
use crate::web::views::forms::FieldErrors;
use crate::web::views::products::VersionRow;
use crate::web::views::shell::{Notice, Shell};

/// `/admin/products`.
#[derive(Debug, Template)]
#[template(path = "admin/products.html")]
pub struct ProductsPage {
    pub shell: Shell,
    pub rows: Vec<ProductRow>,
}

/// A product in a list.
#[derive(Clone, Debug)]
pub struct ProductRow {
    /// `/admin/products/{name}`.
    pub name: String,
    pub title: String,
    pub versions: u64,
    /// The newest version; may be empty.
    pub newest: String,
    /// Microseconds since the epoch, UTC.
    pub synced_at: Option<i64>,
    /// Tags moved at the source after they were published.
    pub moved_tags: u64,
    /// "Indexed", "3 versions wait to be indexed".
    pub index: String,
}

/// `/admin/products/new`; posts `name`, `title`, `source`, `tags`, `branches` and `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/product_form.html")]
pub struct ProductForm {
    pub shell: Shell,
    pub csrf: String,
    /// As addresses show it.
    pub name: String,
    pub title: String,
    /// A URL or a path on the server.
    pub source: String,
    /// Patterns, parted by spaces or line ends.
    pub tags: String,
    pub branches: String,
    pub errors: FieldErrors,
}

/// `/admin/products/{name}`; posts `csrf` to `…/sync`.
#[derive(Debug, Template)]
#[template(path = "admin/product.html")]
pub struct ProductPage {
    pub shell: Shell,
    pub csrf: String,
    pub name: String,
    pub title: String,
    /// Where it is mirrored from; credentials left out.
    pub source_url: String,
    /// Which tags or branches become versions.
    pub version_pattern: String,
    /// Microseconds since the epoch, UTC.
    pub synced_at: Option<i64>,
    /// What the last synchronisation brought or why it failed, a sentence.
    pub sync_report: String,
    pub sync_failed: bool,
    /// A synchronisation is under way or queued.
    pub syncing: bool,
    /// In words: "All 52 versions are indexed: 30,492 files, 412 MB."
    pub index: String,
    /// Moved tags and other alarms.
    pub alarms: Vec<Notice>,
    /// Newest first.
    pub versions: Vec<VersionRow>,
}
