//! Walks over whole versions, for the indexer and for symbols: each tree is read once however many versions hold it.

use std::collections::HashMap;
use std::sync::Arc;

use super::raw::{Handle, RawError, Repositories};
use super::tree::{EntryKind, ObjectId, TreeEntry};
use crate::catalog::RepoPath;

/// The most files a version may hold. A few nested trees can name more paths than there are atoms.
pub(crate) const MOST_FILES: u64 = 10_000_000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    #[error(transparent)]
    Raw(#[from] RawError),
    #[error("the version holds more than {MOST_FILES} files, or paths longer than {} bytes", RepoPath::LONGEST)]
    TooManyPaths,
}

/// A walker over versions of one mirror. It keeps every tree it has read, about 60 bytes an entry.
pub(crate) struct TreeWalker {
    handle: Handle,
    trees: HashMap<ObjectId, Arc<[WalkEntry]>>,
    sizes: HashMap<ObjectId, u64>,
}

struct WalkEntry {
    name: Box<[u8]>,
    kind: EntryKind,
    id: ObjectId,
    size: u64,
}

/// A file of a version, as a walk comes by it. Submodules are not files; a symbolic link is, and its bytes are its target.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) path: &'a RepoPath,
    pub(crate) id: ObjectId,
    /// In bytes.
    pub(crate) size: u64,
}

impl TreeWalker {
    /// Takes a handle of its own, given back when the walker is dropped.
    pub(crate) fn open(repositories: &Repositories, mirror: &str) -> Result<Self, RawError> {
        Ok(Self { handle: repositories.handle(mirror)?, trees: HashMap::new(), sizes: HashMap::new() })
    }

    /// Calls `visit` for every file of a version, directory by directory in the order of the tree.
    ///
    /// # Errors
    /// What cannot be read, or what `visit` returns: it ends the walk.
    pub(crate) fn walk<E: From<WalkError>>(
        &mut self,
        commit: ObjectId,
        visit: &mut dyn FnMut(Visit<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let root = self.handle.links(commit).map_err(WalkError::from)?.tree;
        let mut seen = 0_u64;
        let mut open = vec![(RepoPath::root(), self.tree(root)?, 0_usize)];
        while let Some((directory, entries, next)) = open.last_mut() {
            let Some(entry) = entries.get(*next) else {
                open.pop();
                continue;
            };
            *next += 1;
            if entry.kind == EntryKind::Submodule {
                continue;
            }
            seen += 1;
            if seen > MOST_FILES {
                return Err(WalkError::TooManyPaths.into());
            }
            let path = directory.join(&entry.name).map_err(|_| WalkError::TooManyPaths)?;
            if entry.kind == EntryKind::Tree {
                let entries = self.tree(entry.id)?;
                open.push((path, entries, 0));
            } else {
                visit(Visit { path: &path, id: entry.id, size: entry.size })?;
            }
        }
        Ok(())
    }

    /// The bytes of a file met on a walk, whole.
    pub(crate) fn read(&self, blob: ObjectId) -> Result<Vec<u8>, RawError> {
        self.handle.read(blob)
    }

    fn tree(&mut self, id: ObjectId) -> Result<Arc<[WalkEntry]>, WalkError> {
        if let Some(known) = self.trees.get(&id) {
            return Ok(Arc::clone(known));
        }
        let entries = self
            .handle
            .tree(id)?
            .into_iter()
            .map(|TreeEntry { name, kind, id, .. }| {
                let size = match (kind, self.sizes.get(&id)) {
                    (EntryKind::Tree | EntryKind::Submodule, _) => 0,
                    (_, Some(&size)) => size,
                    (_, None) => {
                        let size = self.handle.size(id)?;
                        self.sizes.insert(id, size);
                        size
                    }
                };
                Ok(WalkEntry { name: name.into(), kind, id, size })
            })
            .collect::<Result<Arc<[_]>, RawError>>()?;
        self.trees.insert(id, Arc::clone(&entries));
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::tests::Fixture;
    use super::*;

    #[test]
    fn a_walk_meets_every_file_once_a_version() {
        let f = Fixture::new();
        let commit = f.version();
        let mut walker = TreeWalker::open(&f.repositories, "x").unwrap();
        for _ in 0..2 {
            let mut met = Vec::new();
            walker
                .walk::<WalkError>(commit, &mut |v| {
                    met.push((v.path.to_string(), v.size));
                    Ok(())
                })
                .unwrap();
            assert_eq!(
                met,
                [
                    (".gitmodules".to_owned(), 57),
                    ("caf\\xE9".to_owned(), 10),
                    ("lib/run.sh".to_owned(), 10),
                    ("link".to_owned(), 16),
                    ("same/run.sh".to_owned(), 10),
                ]
            );
        }
        assert_eq!(walker.trees.len(), 2);
    }

    #[test]
    fn a_walk_ends_when_told_and_in_endless_trees() {
        let f = Fixture::new();
        let mut walker = TreeWalker::open(&f.repositories, "x").unwrap();
        let stop = walker.walk(f.version(), &mut |_| Err(WalkError::TooManyPaths));
        assert!(matches!(stop, Err(WalkError::TooManyPaths)));
        // Directories so deep that no path can be told.
        let mut tree = f.tree(&[("100644", b"x", f.blob(b""))]);
        for _ in 0..2100 {
            tree = f.tree(&[("40000", b"d", tree)]);
        }
        let deep = f.commit(tree, b"\n");
        assert!(matches!(walker.walk::<WalkError>(deep, &mut |_| Ok(())), Err(WalkError::TooManyPaths)));
    }
}
