//! Which files a commit changed, by the trees of its parents and its own. Equal trees are not looked into.

use std::ops::Range;
use std::sync::Arc;

use lru::LruCache;

use super::{Change, Side};
use crate::catalog::RepoPath;
use crate::source::SourceError;
use crate::source::raw::{Handle, RawError};
use crate::source::tree::{EntryKind, ObjectId, TreeEntries};
use crate::source::walk::MOST_FILES;

/// Bytes of trees kept in memory: those of one commit are its child's parents'.
const KEPT: usize = 16 << 20;

/// Trees as they are compared.
pub(super) struct Trees {
    kept: LruCache<ObjectId, Arc<Tree>>,
    bytes: usize,
}

/// A tree's bytes, and its entries in the order of their names.
#[derive(Default)]
struct Tree {
    bytes: Vec<u8>,
    entries: Vec<(Range<usize>, Side)>,
}

impl Tree {
    fn of(id: ObjectId, bytes: Vec<u8>) -> Result<Self, RawError> {
        let mut entries = Vec::new();
        // An entry ends with its name, a zero and twenty bytes of an id.
        let mut rest = TreeEntries::of(&bytes);
        while let Some(entry) = rest.next() {
            let entry = entry.map_err(|why| RawError::Tree { id, why })?;
            let end = bytes.len() - rest.left() - 21;
            entries.push((end - entry.name.len()..end, Side { kind: entry.kind, executable: entry.executable, id: entry.id }));
        }
        // Git sorts a directory as if its name ended in a slash.
        let name = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
        entries.sort_by(|(a, _), (b, _)| name(a).cmp(name(b)));
        Ok(Self { bytes, entries })
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<(Range<usize>, Side)>()
    }
}

/// A place in several trees at once: that of each parent, and the commit's own.
struct Level {
    directory: RepoPath,
    parents: Vec<Option<ObjectId>>,
    own: Option<ObjectId>,
}

impl Trees {
    pub(super) fn new() -> Self {
        Self { kept: LruCache::unbounded(), bytes: 0 }
    }

    /// What differs from every parent, in the order of paths as trees have them. Without a parent, everything.
    pub(super) fn changes(&mut self, handle: &Handle, parents: &[ObjectId], own: ObjectId) -> Result<Vec<Change>, SourceError> {
        let parents = if parents.is_empty() { vec![None] } else { parents.iter().copied().map(Some).collect() };
        let mut changes = Vec::new();
        let mut waiting = vec![Level { directory: RepoPath::root(), parents, own: Some(own) }];
        let mut seen = 0_u64;
        while let Some(level) = waiting.pop() {
            if level.parents.contains(&level.own) {
                continue;
            }
            let parents: Vec<Arc<Tree>> = level.parents.iter().map(|tree| self.tree(handle, *tree)).collect::<Result<_, SourceError>>()?;
            let own = self.tree(handle, level.own)?;
            let mut cursor = Cursor { parents: parents.iter().map(|tree| Entries::of(tree)).collect(), own: Entries::of(&own) };
            let mut inner = Vec::new();
            while let Some((name, theirs, ours)) = cursor.next() {
                seen += 1;
                if seen > MOST_FILES {
                    return Err(SourceError::Unreadable("a commit changes more files than are taken".to_owned()));
                }
                if theirs.contains(&ours) {
                    continue;
                }
                let Ok(path) = level.directory.join(name) else {
                    return Err(SourceError::Unreadable("a path is longer than is taken".to_owned()));
                };
                let tree = |entry: &Option<Side>| entry.filter(|side| side.kind == EntryKind::Tree).map(|side| side.id);
                let file = |entry: &Option<Side>| entry.filter(|side| side.kind != EntryKind::Tree);
                let trees: Vec<_> = theirs.iter().map(tree).collect();
                if tree(&ours).is_some() || trees.iter().any(Option::is_some) {
                    inner.push(Level { directory: path.clone(), parents: trees, own: tree(&ours) });
                }
                let (olds, new): (Vec<_>, _) = (theirs.iter().map(file).collect(), file(&ours));
                if !olds.contains(&new) {
                    changes.push(Change { path, olds, new });
                }
            }
            waiting.extend(inner.into_iter().rev());
        }
        Ok(changes)
    }

    fn tree(&mut self, handle: &Handle, tree: Option<ObjectId>) -> Result<Arc<Tree>, SourceError> {
        let Some(id) = tree else { return Ok(Arc::default()) };
        if let Some(known) = self.kept.get(&id) {
            return Ok(Arc::clone(known));
        }
        let tree = Arc::new(Tree::of(id, handle.tree_bytes(id)?)?);
        self.bytes += tree.size();
        self.kept.put(id, Arc::clone(&tree));
        while self.bytes > KEPT {
            let Some((_, oldest)) = self.kept.pop_lru() else { break };
            self.bytes -= oldest.size();
        }
        Ok(tree)
    }
}

/// Goes through several trees side by side, name by name.
struct Cursor<'a> {
    parents: Vec<Entries<'a>>,
    own: Entries<'a>,
}

/// A name, what each parent has there, and what the commit has.
type Named<'a> = (&'a [u8], Vec<Option<Side>>, Option<Side>);

/// What a tree has left.
struct Entries<'a> {
    bytes: &'a [u8],
    rest: &'a [(Range<usize>, Side)],
}

impl<'a> Cursor<'a> {
    /// The next name that any of them has, and what each has there.
    fn next(&mut self) -> Option<Named<'a>> {
        loop {
            let name = self.parents.iter().chain([&self.own]).filter_map(Entries::name).min()?;
            if let [parent] = self.parents.as_mut_slice() {
                // One parent, as most have: nothing is made of what did not change.
                let (theirs, ours) = (parent.take(name), self.own.take(name));
                if theirs == ours {
                    continue;
                }
                return Some((name, vec![theirs], ours));
            }
            let theirs = self.parents.iter_mut().map(|entries| entries.take(name)).collect();
            return Some((name, theirs, self.own.take(name)));
        }
    }
}

impl<'a> Entries<'a> {
    fn of(tree: &'a Tree) -> Self {
        Self { bytes: &tree.bytes, rest: &tree.entries }
    }

    fn name(&self) -> Option<&'a [u8]> {
        self.rest.first().and_then(|(name, _)| self.bytes.get(name.clone()))
    }

    /// What has this name, if it is what comes next.
    fn take(&mut self, name: &[u8]) -> Option<Side> {
        if self.name()? != name {
            return None;
        }
        let ((_, side), rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*side)
    }
}
