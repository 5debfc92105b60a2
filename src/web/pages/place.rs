//! Where in a version a page is: breadcrumb, version picker, and the pane with the directory around it.

use crate::catalog::{self, RepoPath, name_text};
use crate::source::{EntryKind, Listed};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::views::links;
use crate::web::views::reading::{self as view, Location, TreeRow, VersionLink};
use crate::web::views::shell::Link;

/// Versions in the picker; the product's page has all.
const PICKED: usize = 40;
/// Rows of the pane.
const ROWS: usize = 2000;

/// What the page shows, and the listing recorded for it.
pub(super) enum Where<'a> {
    Directory(&'a Listed),
    File(&'a catalog::Place, Option<&'a Listed>),
}

impl Where<'_> {
    fn place(&self) -> &catalog::Place {
        match self {
            Self::Directory(listed) => &listed.place,
            Self::File(place, _) => place,
        }
    }

    fn listed(&self) -> Option<&Listed> {
        match self {
            Self::Directory(listed) => Some(listed),
            Self::File(_, listed) => *listed,
        }
    }
}

pub(super) async fn location(who: &Reader, portal: &AppState, at: Where<'_>) -> Result<Location, WebError> {
    let place = at.place();
    let product = portal.catalog.product(&place.product).await?.map(|product| product.title);
    let above = place.path.parent().trail();
    let link = |path: &RepoPath| Link { label: name_text(path.name()), href: links::tree(&place.product, &place.version, path.bytes()) };
    let (tree, tree_note) = pane(&at);
    Ok(Location {
        product: product.unwrap_or_else(|| place.product.clone()),
        product_href: links::product(&place.product),
        version: place.version.clone(),
        root_href: links::tree(&place.product, &place.version, b""),
        commit: place.commit.clone(),
        above: above.iter().map(link).collect(),
        name: name_text(place.path.name()),
        path: place.path.to_string(),
        versions: picker(who, portal, &at).await?,
        tree,
        tree_note,
        find_href: None,
    })
}

/// The newest versions and the one shown, each at the same path.
async fn picker(who: &Reader, portal: &AppState, at: &Where<'_>) -> Result<Vec<VersionLink>, WebError> {
    let place = at.place();
    let room = if matches!(at, Where::Directory(_)) { "tree" } else { "file" };
    let versions = portal.gate.versions(&who.principal, &place.product).await?;
    let total = versions.len();
    let mut links: Vec<VersionLink> = versions
        .into_iter()
        .enumerate()
        .filter(|(rank, name)| *rank < PICKED || *name == place.version)
        .map(|(rank, name)| VersionLink {
            href: links::place(&place.product, &name, room, place.path.bytes()),
            current: name == place.version,
            note: if rank == 0 { "newest".to_owned() } else { String::new() },
            name,
        })
        .collect();
    if total > links.len() {
        links.push(VersionLink {
            name: format!("All {total} versions"),
            href: links::product(&place.product),
            current: false,
            note: String::new(),
        });
    }
    Ok(links)
}

/// The way down to the directory, and what is in it. Nothing of other directories, since nobody asked for those.
fn pane(at: &Where<'_>) -> (Vec<TreeRow>, Option<String>) {
    let place = at.place();
    let Some(listed) = at.listed() else { return (Vec::new(), None) };
    let mut rows: Vec<TreeRow> = listed
        .place
        .path
        .trail()
        .iter()
        .enumerate()
        .map(|(depth, path)| TreeRow {
            name: name_text(path.name()),
            href: links::tree(&place.product, &place.version, path.bytes()),
            depth,
            kind: view::EntryKind::Directory,
            open: true,
            current: *path == place.path,
            read_percent: None,
        })
        .collect();
    let depth = rows.len();
    rows.extend(listed.entries.iter().take(ROWS).map(|one| TreeRow {
        name: name_text(&one.entry.name),
        href: href(place, &one.path, one.entry.kind),
        depth,
        kind: entry_kind(one.entry.kind, one.entry.executable),
        open: false,
        current: one.path == place.path,
        read_percent: None,
    }));
    let note = (listed.entries.len() > ROWS).then(|| format!("Only the first {ROWS} entries are listed here."));
    (rows, note)
}

/// The page of an entry.
pub(super) fn href(place: &catalog::Place, path: &RepoPath, kind: EntryKind) -> String {
    match kind {
        EntryKind::Tree => links::tree(&place.product, &place.version, path.bytes()),
        _ => links::file(&place.product, &place.version, path.bytes()),
    }
}

/// A line's place, in the piece of its file that shows it.
pub(super) fn line_href(product: &str, version: &str, path: &RepoPath, line: u64, page_lines: u64) -> String {
    let file = links::file(product, version, path.bytes());
    if line > page_lines { format!("{file}?from={line}#L{line}") } else { format!("{file}#L{line}") }
}

pub(super) fn entry_kind(kind: EntryKind, executable: bool) -> view::EntryKind {
    match kind {
        EntryKind::Tree => view::EntryKind::Directory,
        EntryKind::Blob if executable => view::EntryKind::Executable,
        EntryKind::Blob => view::EntryKind::File,
        EntryKind::Symlink => view::EntryKind::Symlink,
        EntryKind::Submodule => view::EntryKind::Submodule,
    }
}
