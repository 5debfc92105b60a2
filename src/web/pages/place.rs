//! Where in a version a page is: breadcrumb, version picker, and the pane with the directory around it.

use super::text_views::View;
use crate::catalog::{self, RepoPath, name_text};
use crate::source::{EntryKind, Listed, ListedEntry};
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

/// In which of its ways a place is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Text(View),
    /// As it is, which is no text.
    Image,
    Bytes,
    /// A directory's entries.
    Entries,
    /// Where it points, which is all there is to a symbolic link and a submodule.
    Pointer,
    /// What it was, by the act that leads there; none for a state between.
    Past {
        directory: bool,
        act: &'static str,
    },
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
        find_href: Some(links::find(&place.product, &place.version)),
    })
}

/// The ways to look at a place, those of it that it has.
pub(super) async fn acts(who: &Reader, portal: &AppState, place: &catalog::Place, shown: Shown) -> Result<Vec<view::Act>, WebError> {
    let (product, version, at) = (&place.product, &place.version, place.path.bytes());
    let href = links::file(product, version, at);
    let other = View::other_of(&place.path.to_string());
    let directory = matches!(shown, Shown::Entries | Shown::Past { directory: true, .. });
    let current = match shown {
        Shown::Text(View::Source) => "Code",
        Shown::Text(_) => other.map_or("", |(_, label, _)| label),
        Shown::Image => "Image",
        Shown::Bytes => "Bytes",
        Shown::Entries => "Files",
        Shown::Pointer => "",
        Shown::Past { act, .. } => act,
    };
    let act = |label: &str, href: String, key: &'static str| view::Act { label: label.to_owned(), href, current: label == current, key };
    let mut acts = Vec::new();
    if directory {
        acts.push(act("Files", links::tree(product, version, at), ""));
    } else if shown != Shown::Pointer {
        acts.push(act(if shown == Shown::Image { "Image" } else { "Code" }, href.clone(), ""));
        if let Some((_, label, name)) = other {
            acts.push(act(label, links::query(&href, &[("view", name)]), ""));
        }
        if matches!(shown, Shown::Text(_) | Shown::Past { .. }) {
            acts.push(act("Blame", links::blame(product, version, at), "b"));
        }
    }
    acts.push(act("History", links::history(product, version, at), "h"));
    if !directory && shown != Shown::Pointer {
        acts.push(act("Bytes", format!("{href}?hex=1"), ""));
    }
    let versions = portal.gate.versions(&who.principal, product).await?;
    if let Some((from, to)) = compared(&versions, version) {
        let other = if from == *version { &to } else { &from };
        acts.push(act(&format!("Compare with {other}"), links::compare_at(product, &from, &to, at, directory), ""));
    }
    Ok(acts)
}

/// The newest versions and the one shown, each at the same path.
async fn picker(who: &Reader, portal: &AppState, at: &Where<'_>) -> Result<Vec<VersionLink>, WebError> {
    let place = at.place();
    let room = if matches!(at, Where::Directory(_)) { "tree" } else { "file" };
    let versions = portal.gate.versions(&who.principal, &place.product).await?;
    let total = versions.len();
    let order = versions.clone();
    let mut links: Vec<VersionLink> = versions
        .into_iter()
        .enumerate()
        .filter(|(rank, name)| *rank < PICKED || *name == place.version)
        .map(|(rank, name)| VersionLink {
            href: links::place(&place.product, &name, room, place.path.bytes()),
            current: name == place.version,
            compare: between(&order, &name, &place.version)
                .map(|(from, to)| links::compare_at(&place.product, from, to, place.path.bytes(), matches!(at, Where::Directory(_)))),
            note: if rank == 0 { "newest".to_owned() } else { String::new() },
            name,
        })
        .collect();
    if total > links.len() {
        links.push(VersionLink {
            name: format!("All {total} versions"),
            href: links::product(&place.product),
            current: false,
            compare: None,
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
    rows.extend(self::rows(place, listed, depth));
    let note = (listed.entries.len() > ROWS).then(|| format!("Only the first {ROWS} entries are listed here."));
    (rows, note)
}

/// A directory's entries as rows of the pane.
pub(super) fn rows(current: &catalog::Place, listed: &Listed, depth: usize) -> Vec<TreeRow> {
    let row = |one: &ListedEntry| TreeRow {
        name: name_text(&one.entry.name),
        href: href(current, &one.path, one.entry.kind),
        depth,
        kind: entry_kind(one.entry.kind, one.entry.executable),
        open: false,
        current: one.path == current.path,
        read_percent: None,
    };
    listed.entries.iter().take(ROWS).map(row).collect()
}

/// Of two different versions the older first; `order` has the newest first.
fn between<'a>(order: &[String], one: &'a str, other: &'a str) -> Option<(&'a str, &'a str)> {
    let place = |name: &str| order.iter().position(|known| known == name);
    match place(one)?.cmp(&place(other)?) {
        std::cmp::Ordering::Greater => Some((one, other)),
        std::cmp::Ordering::Less => Some((other, one)),
        std::cmp::Ordering::Equal => None,
    }
}

/// The version before this one and this one; of the oldest, itself and the one behind it.
pub(super) fn compared(order: &[String], version: &str) -> Option<(String, String)> {
    let here = order.iter().position(|known| known == version)?;
    let other = order.get(here + 1).or_else(|| order.get(here.checked_sub(1)?))?;
    between(order, other, version).map(|(from, to)| (from.to_owned(), to.to_owned()))
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
    line_at(&links::file(product, version, path.bytes()), "", line, page_lines)
}

/// The same of a file's address, with what changed since another version marked, where one is named.
pub(super) fn line_at(file: &str, since: &str, line: u64, page_lines: u64) -> String {
    let from = if line > page_lines { line.to_string() } else { String::new() };
    format!("{}#L{line}", links::query(file, &[("since", since), ("from", &from)]))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_with_the_one_before_it() {
        let order = ["v3", "v2", "v1"].map(str::to_owned);
        let pair = |version: &str| compared(&order, version);
        assert_eq!(pair("v3"), Some(("v2".to_owned(), "v3".to_owned())));
        assert_eq!(pair("v1"), Some(("v1".to_owned(), "v2".to_owned())));
        assert_eq!(pair("v9"), None);
        assert_eq!(compared(&order[..1], "v3"), None);
        assert_eq!(between(&order, "v3", "v1"), Some(("v1", "v3")));
    }
}
