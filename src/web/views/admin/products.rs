//! Products and the mirrors they come from, as administrators see them.

use askama::Template;

use super::grants::Step;
use crate::web::views::format::filters;
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::products::{MovedTag, TagKind, VersionRow};
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
    /// Those published.
    pub versions: u64,
    /// Those that wait in quarantine.
    pub quarantined: u64,
    /// The newest version; may be empty.
    pub newest: String,
    /// Microseconds since the epoch, UTC.
    pub synced_at: Option<i64>,
    /// Tags moved at the source that nobody has looked into yet.
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
    /// The page that suspends it; none while it is suspended.
    pub suspend: Option<String>,
    /// Where it is mirrored from; credentials left out.
    pub source_url: String,
    /// Which tags or branches become versions.
    pub version_pattern: String,
    /// New versions wait in quarantine.
    pub quarantines: bool,
    /// "every 6 hours", "when somebody asks".
    pub schedule: String,
    /// What is told of the credentials, where there are any.
    pub credentials: Option<String>,
    /// Microseconds since the epoch, UTC.
    pub synced_at: Option<i64>,
    /// What the last synchronisation brought or why it failed, a sentence.
    pub sync_report: String,
    pub sync_failed: bool,
    /// What is done about it now, or waits to be.
    pub work: Option<Work>,
    /// Bytes on this machine's disk.
    pub mirror_bytes: u64,
    pub index_bytes: u64,
    /// In words: "All 52 versions are indexed: 30,492 files, 412 MB."
    pub index: String,
    /// Moved tags and other alarms.
    pub alarms: Vec<Notice>,
    /// How many can be read.
    pub published: u64,
    /// Of any standing, newest first.
    pub versions: Vec<TendedVersion>,
    /// How many older ones there are besides.
    pub more_versions: u64,
}

/// What is done about a product now, or waits to be.
#[derive(Clone, Debug)]
pub struct Work {
    /// A sentence.
    pub text: String,
    pub percent: Option<u8>,
    /// It has been taken up.
    pub runs: bool,
}

/// A version in an administrator's list.
#[derive(Clone, Debug)]
pub struct TendedVersion {
    /// `/admin/products/{name}/versions/{version}`.
    pub href: String,
    pub state: VersionState,
    pub row: VersionRow,
    /// The commit that its tag or branch names upstream by now.
    pub moved: Option<String>,
    /// Nobody has looked into that.
    pub is_alarm: bool,
}

/// How a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    Quarantined,
    ReleaseAsked,
    Published,
    Withdrawn,
    ReturnAsked,
}

impl VersionState {
    pub fn words(self) -> &'static str {
        match self {
            Self::Quarantined => "In quarantine",
            Self::ReleaseAsked => "Release asked for",
            Self::Published => "Published",
            Self::Withdrawn => "Withdrawn",
            Self::ReturnAsked => "Return asked for",
        }
    }

    /// The CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Published => "done",
            Self::Withdrawn => "danger",
            Self::Quarantined | Self::ReleaseAsked | Self::ReturnAsked => "look",
        }
    }

    pub fn is_withdrawn(self) -> bool {
        matches!(self, Self::Withdrawn | Self::ReturnAsked)
    }
}

/// `/admin/products/{name}/versions/{version}`; posts `csrf` and `reason` to `…/withdraw`, `…/ask`, `…/approve`, `…/refuse`, and these
/// with `moved_to` to `…/acknowledge`.
#[derive(Debug, Template)]
#[template(path = "admin/version.html")]
pub struct VersionPage {
    pub shell: Shell,
    pub csrf: String,
    pub product: String,
    pub product_title: String,
    /// `/admin/products/{name}/versions/`.
    pub here: String,
    pub name: String,
    pub state: VersionState,
    pub steps: Vec<Step>,
    /// How it stands and what follows, a sentence or two.
    pub sentence: String,
    pub commit: String,
    /// In full, `refs/tags/v2.1`.
    pub reference: String,
    pub tag: TagKind,
    /// What its signature is worth.
    pub signature: String,
    pub signature_class: &'static str,
    /// Microseconds since the epoch, UTC.
    pub authored_at: i64,
    pub moved: Option<MovedTag>,
    /// Who has looked into that, and why it is no alarm, a sentence or two.
    pub acknowledged: Option<String>,
    /// What this administrator may do about it: `withdraw`, `ask`, `approve`, `refuse`.
    pub deeds: Vec<&'static str>,
    /// This administrator asked to open it.
    pub own: bool,
    /// The reason typed before, kept when a form was not accepted.
    pub reason: String,
    pub errors: FieldErrors,
}

impl VersionPage {
    pub fn may(&self, deed: &str) -> bool {
        self.deeds.contains(&deed)
    }
}

/// `/admin/products/{name}/settings`; posts `arrival`, `every` and `csrf` to the same address; `csrf` to `…/webhook`, `…/webhook/remove` and
/// `…/credentials/remove`; `user`, `token` or `key`, `passphrase` to `…/credentials`.
#[derive(Debug, Template)]
#[template(path = "admin/product_settings.html")]
pub struct SettingsPage {
    pub shell: Shell,
    pub csrf: String,
    pub name: String,
    pub title: String,
    pub arrivals: Vec<Choice>,
    pub arrival: String,
    /// Minutes, or `off`.
    pub intervals: Vec<Choice>,
    pub every: String,
    /// Lines of an `allowed_signers` file.
    pub signers: String,
    /// What is told of its secret, where it has one.
    pub webhook: Option<String>,
    pub webhook_url: String,
    /// What is told of the credentials, where there are any.
    pub credentials: Option<String>,
    /// Whether the source is fetched over ssh; none of a path.
    pub is_ssh: Option<bool>,
    pub errors: FieldErrors,
}

/// The answer to `/admin/products/{name}/webhook`: the one page that shows the secret.
#[derive(Debug, Template)]
#[template(path = "admin/webhook_made.html")]
pub struct WebhookMade {
    pub shell: Shell,
    pub name: String,
    pub title: String,
    pub url: String,
    pub secret: String,
    /// What is told of it from here on.
    pub told: String,
}
