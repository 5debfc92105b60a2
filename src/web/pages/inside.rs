//! Where a file leads: the links and pictures of a document and the target of a symbolic link, looked up in the tree they stand in. What is not
//! there, or not for this reader, has no address: nobody asks for it by looking at a page, and is refused under their own name.

use std::sync::Arc;

use super::reading;
use crate::access::{Cleared, Entitled, Resource};
use crate::catalog::RepoPath;
use crate::highlight::{Target, path_from};
use crate::source::{EntryKind, Opened, Opening, Vault};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::views::links;

/// What a file that was read leads to. Its methods block.
pub(super) struct Inside {
    vault: Arc<Vault>,
    cleared: Cleared<Opening>,
}

/// Reads a file whose links will be told of, and records it so.
pub(super) async fn read(who: &Reader, portal: &AppState, opening: Entitled<Opening>) -> Result<(Opened, Inside), WebError> {
    let cleared = portal.log.record(reading::same(opening, Opening::with_links)?, &who.visit.context).await?;
    let vault = Arc::clone(&portal.vault);
    Ok(tokio::task::spawn_blocking(move || vault.read(&cleared).map(|opened| (opened, Inside { vault, cleared }))).await??)
}

impl Inside {
    /// The address of what a document wants to lead to.
    pub(super) fn address(&self, target: Target<'_>) -> Option<String> {
        match target {
            Target::Link { path } => self.page(path),
            Target::Image { path } if is_picture(path) => {
                self.find(path).filter(|(_, kind)| *kind == EntryKind::Blob).map(|(path, _)| self.at("image", &path))
            }
            Target::Image { .. } | Target::Elsewhere { .. } => None,
        }
    }

    /// The page of what stands at a path, as it is written in the file.
    pub(super) fn page(&self, written: &str) -> Option<String> {
        let (path, kind) = self.find(written)?;
        Some(self.at(if kind == EntryKind::Tree { "tree" } else { "file" }, &path))
    }

    fn find(&self, written: &str) -> Option<(RepoPath, EntryKind)> {
        let directory = self.cleared.get().resource().place().path.parent();
        let path = RepoPath::parse(path_from(&directory.to_string(), written)?.as_bytes()).ok()?;
        // A damaged repository is told of where the file itself is read.
        let kind = self.vault.leads_to(&self.cleared, &path).ok().flatten()?;
        Some((path, kind))
    }

    fn at(&self, room: &str, path: &RepoPath) -> String {
        let place = self.cleared.get().resource().place();
        links::place(&place.product, &place.version, room, path.bytes())
    }
}

/// Pictures that a page shows by itself. A drawing is shown only to whoever asks for it.
fn is_picture(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    [".png", ".jpg", ".jpeg", ".gif", ".webp"].iter().any(|ending| path.ends_with(ending))
}
