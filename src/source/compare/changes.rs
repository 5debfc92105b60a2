//! Which files differ between two versions, as far as each of them may be read.
//!
//! Only directories that lead to something readable are looked into, so that neither what is found nor how long it takes tells of what
//! lies outside. What is kept from one request to the next are trees, which say nothing of anybody's rights.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::access::Pair;
use crate::catalog::RepoPath;
use crate::source::SourceError;
use crate::source::raw::Handle;
use crate::source::tree::{EntryKind, ObjectId};
use crate::source::walk::MOST_FILES;

/// Entries of trees that are kept, about 100 bytes each, and the trees they may be in.
const KEPT_ENTRIES: usize = 400_000;
const KEPT_TREES: NonZeroUsize = NonZeroUsize::new(100_000).expect("it is not zero");

/// What stands at a path in one of the versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Side {
    pub kind: EntryKind,
    pub executable: bool,
    pub id: ObjectId,
}

impl Side {
    /// The mode as git writes it.
    #[must_use]
    pub fn mode(self) -> &'static str {
        match (self.kind, self.executable) {
            (EntryKind::Tree, _) => "040000",
            (EntryKind::Blob, false) => "100644",
            (EntryKind::Blob, true) => "100755",
            (EntryKind::Symlink, _) => "120000",
            (EntryKind::Submodule, _) => "160000",
        }
    }
}

/// A path at which the versions differ; at least one side is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) path: RepoPath,
    pub(super) old: Option<Side>,
    pub(super) new: Option<Side>,
}

type Tree = Arc<[(Box<[u8]>, Side)]>;

/// Trees read before, by their ids.
pub(super) struct Trees {
    kept: Mutex<(LruCache<ObjectId, Tree>, usize)>,
}

impl Trees {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::new((LruCache::new(KEPT_TREES), 0)) }
    }

    /// What differs between two trees within the permits, in the order of paths.
    pub(super) fn changes(&self, handle: &Handle, pair: &Pair, roots: [ObjectId; 2]) -> Result<Vec<Change>, SourceError> {
        let [old, new] = roots;
        let mut changes = Vec::new();
        let mut waiting = vec![(RepoPath::root(), Some(old), Some(new))];
        let mut seen = 0_u64;
        while let Some((directory, old, new)) = waiting.pop() {
            if old == new && pair.from.shows_alike(&pair.to, &directory) {
                continue;
            }
            let (old, new) = (self.tree(handle, old)?, self.tree(handle, new)?);
            let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
            while let Some(name) = olds.peek().into_iter().chain(news.peek()).map(|(name, _)| name).min() {
                seen += 1;
                if seen > MOST_FILES {
                    return Err(SourceError::Unreadable("two versions hold more files than are compared".to_owned()));
                }
                let path = directory.join(name).map_err(|_| SourceError::Unreadable("a path is longer than is taken".to_owned()))?;
                let theirs = olds.next_if(|(one, _)| one == name).map(|(_, side)| *side);
                let ours = news.next_if(|(one, _)| one == name).map(|(_, side)| *side);
                let shown = |side: Option<Side>, shows: &dyn Fn(bool) -> bool| side.filter(|side| shows(side.kind == EntryKind::Tree));
                let theirs = shown(theirs, &|is_tree| pair.from.shows(&path, is_tree));
                let ours = shown(ours, &|is_tree| pair.to.shows(&path, is_tree));
                let tree = |side: Option<Side>| side.filter(|side| side.kind == EntryKind::Tree).map(|side| side.id);
                let file = |side: Option<Side>| side.filter(|side| side.kind != EntryKind::Tree);
                if tree(theirs).is_some() || tree(ours).is_some() {
                    waiting.push((path.clone(), tree(theirs), tree(ours)));
                }
                if file(theirs) != file(ours) {
                    changes.push(Change { path, old: file(theirs), new: file(ours) });
                }
            }
        }
        changes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    /// A tree's entries in the order of their names; git's own order is another.
    fn tree(&self, handle: &Handle, tree: Option<ObjectId>) -> Result<Tree, SourceError> {
        let Some(id) = tree else { return Ok(Arc::default()) };
        if let Some(known) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).0.get(&id) {
            return Ok(Arc::clone(known));
        }
        let entries = handle.tree(id)?.into_iter();
        let mut entries: Vec<_> = entries
            .map(|entry| (entry.name.into_boxed_slice(), Side { kind: entry.kind, executable: entry.executable, id: entry.id }))
            .collect();
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let tree: Tree = entries.into();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (trees, entries) = &mut *kept;
        *entries += tree.len();
        let displaced = trees.push(id, Arc::clone(&tree));
        *entries -= displaced.map_or(0, |(_, tree)| tree.len());
        while *entries > KEPT_ENTRIES {
            let Some((_, oldest)) = trees.pop_lru() else { break };
            *entries -= oldest.len();
        }
        Ok(tree)
    }
}
