//! The history of a product, for machines: which commits there are, what each says, and which lines it changed.
//!
//! A commit's changes are those against its first and only parent; a first commit added everything. What a merge brings is in the
//! commits it merges; its own changes are what is in none of its parents, where a hand could have hidden something. A file that was
//! moved is removed here and added there. Nothing is passed over: a change without lines (binary files, modes) is a change still.

mod commit;
mod lines;
mod trees;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

pub use commit::Words;
pub use lines::{Lines, Run};

use super::SourceError;
use super::raw::{Handle, Repositories};
use super::tree::{EntryKind, ObjectId};
use crate::catalog::RepoPath;
pub(in crate::source) use lines::{Hunk, hunks, text_of};
use trees::Trees;

/// Bytes of the largest file whose lines are compared, and of the changed lines of one file. What is larger is told by its path.
pub const LARGEST_FILE: u64 = 64 << 20;
pub const LARGEST_CHANGE: usize = 16 << 20;
/// Bytes of files that a reader keeps: what a commit wrote, the next to change it reads.
const KEPT_BYTES: usize = 32 << 20;
/// Commits of which a reader knows the tree.
const KEPT_ROOTS: NonZeroUsize = NonZeroUsize::new(4_096).expect("it is not zero");

/// The commits of one product. Readers of several threads share it.
#[derive(Clone)]
pub struct History {
    repositories: Arc<Repositories>,
    product: String,
}

/// A commit and its parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    pub id: ObjectId,
    pub parents: Vec<ObjectId>,
}

/// What stands at a path in a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::source) struct Side {
    pub(in crate::source) kind: EntryKind,
    pub(in crate::source) executable: bool,
    pub(in crate::source) id: ObjectId,
}

/// What differs between two commits at a path: what stood there in the first, and in the second.
pub(in crate::source) type Difference = (RepoPath, Option<Side>, Option<Side>);
/// A commit's change of a path against its first parent, and whether that is in no other parent either.
pub(in crate::source) type Step = (RepoPath, Option<Side>, Option<Side>, bool);

/// A file that a commit changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub path: RepoPath,
    /// What stood there in each parent.
    pub(in crate::source) olds: Vec<Option<Side>>,
    pub(in crate::source) new: Option<Side>,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// None, when only its mode changed. `binary`: it is not text, before or afterwards, and its lines are the texts found in it.
    Lines { lines: Lines, binary: bool },
    /// Too large to be compared.
    Unread,
}

impl History {
    pub(super) fn of(repositories: Arc<Repositories>, product: &str) -> Self {
        Self { repositories, product: product.to_owned() }
    }

    /// All commits reachable from `heads`, parents before their children; those that `known` names are left out, and so is what
    /// is reachable only through them.
    ///
    /// # Errors
    /// When a commit cannot be read.
    pub fn commits(&self, heads: &[ObjectId], known: &dyn Fn(&ObjectId) -> bool) -> Result<Vec<Links>, SourceError> {
        let handle = self.repositories.handle(&self.product)?;
        // The same for the same history, and neighbours in history mostly stand side by side.
        let mut ordered: Vec<ObjectId> = Vec::new();
        let mut dated = Vec::new();
        for head in heads {
            dated.push((handle.links(*head)?.time, *head));
        }
        dated.sort_unstable();
        ordered.extend(dated.into_iter().map(|(_, head)| head));

        let mut state: HashMap<ObjectId, Visit> = HashMap::new();
        let mut found = Vec::new();
        for head in ordered {
            let mut waiting = vec![head];
            while let Some(id) = waiting.last().copied() {
                match state.get_mut(&id) {
                    None if known(&id) => {
                        state.insert(id, Visit::Done);
                    }
                    None => {
                        let parents = handle.links(id)?.parents;
                        waiting.extend(parents.iter().rev().filter(|parent| !state.contains_key(parent)));
                        state.insert(id, Visit::Open(parents));
                    }
                    Some(visit) => {
                        waiting.pop();
                        if let Visit::Open(parents) = std::mem::replace(visit, Visit::Done) {
                            found.push(Links { id, parents });
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// A reader for one thread.
    ///
    /// # Errors
    /// When the mirror cannot be opened.
    pub fn reader(&self) -> Result<Reader, SourceError> {
        let handle = self.repositories.handle(&self.product)?;
        let roots = LruCache::new(KEPT_ROOTS);
        Ok(Reader { handle, trees: Trees::new(), roots, files: LruCache::unbounded(), kept: 0 })
    }
}

enum Visit {
    /// Its parents come first.
    Open(Vec<ObjectId>),
    Done,
}

/// Reads commits, one after the other.
pub struct Reader {
    handle: Handle,
    trees: Trees,
    /// The trees of commits read before.
    roots: LruCache<ObjectId, ObjectId>,
    files: LruCache<ObjectId, Arc<Vec<u8>>>,
    kept: usize,
}

impl Drop for Reader {
    /// A reader goes through more than is worth keeping.
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl Reader {
    /// What a commit says, and the files that it changed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn commit(&mut self, id: ObjectId) -> Result<(Words, Vec<Change>), SourceError> {
        let (bytes, links) = self.handle.commit(id)?;
        let mut parents = Vec::new();
        for parent in &links.parents {
            let known = self.roots.get(parent).copied();
            parents.push(known.map_or_else(|| self.handle.links(*parent).map(|links| links.tree), Ok)?);
        }
        self.roots.put(id, links.tree);
        Ok((Words::of(&bytes), self.trees.changes(&self.handle, &parents, links.tree)?))
    }

    /// The lines of a change. `None`: a merge that took every line from one parent or another.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn lines(&mut self, change: &Change) -> Result<Option<Changed>, SourceError> {
        let Some(new) = self.bytes(change.new)? else { return Ok(Some(Changed::Unread)) };
        let new = text_of(&new);
        let mut binary = new.binary;
        let mut all = Vec::new();
        for old in &change.olds {
            let Some(old) = self.bytes(*old)? else { return Ok(Some(Changed::Unread)) };
            let old = text_of(&old);
            binary |= old.binary;
            all.push(Lines::between(&old.text, &new.text));
        }
        let lines = match all.as_mut_slice() {
            [only] => std::mem::take(only),
            all => Lines::of_merge(all),
        };
        if lines.text.len() > LARGEST_CHANGE {
            return Ok(Some(Changed::Unread));
        }
        // Binary files differ in more than their texts.
        let merged = change.olds.len() > 1 && lines.runs.is_empty() && !binary;
        Ok((!merged).then_some(Changed::Lines { lines, binary }))
    }

    /// When a commit was committed, and what differs from its first parent; from nothing, when it has none.
    pub(in crate::source) fn steps(&mut self, id: ObjectId) -> Result<(i64, Vec<Step>), SourceError> {
        let links = self.handle.links(id)?;
        let merge = links.parents.len() > 1;
        let first = self.differences(links.parents.first().copied(), id)?;
        let own: HashSet<RepoPath> =
            if merge { self.commit(id)?.1.into_iter().map(|change| change.path).collect() } else { HashSet::new() };
        let steps = first.into_iter().map(|(path, old, new)| {
            let own = !merge || own.contains(&path);
            (path, old, new, own)
        });
        Ok((links.time, steps.collect()))
    }

    /// What differs between a commit, or nothing, and another.
    pub(in crate::source) fn differences(&mut self, from: Option<ObjectId>, to: ObjectId) -> Result<Vec<Difference>, SourceError> {
        let from = from.map(|commit| self.root(commit)).transpose()?;
        let to = self.root(to)?;
        let changes = self.trees.changes(&self.handle, from.as_slice(), to)?;
        Ok(changes.into_iter().map(|change| (change.path, change.olds.first().copied().flatten(), change.new)).collect())
    }

    /// What a commit says.
    pub(in crate::source) fn words(&self, id: ObjectId) -> Result<Words, SourceError> {
        Ok(Words::of(&self.handle.commit(id)?.0))
    }

    fn root(&mut self, commit: ObjectId) -> Result<ObjectId, SourceError> {
        if let Some(known) = self.roots.get(&commit) {
            return Ok(*known);
        }
        let root = self.handle.links(commit)?.tree;
        self.roots.put(commit, root);
        Ok(root)
    }

    /// What stands on a side, which may be nothing; `None` when it is too large.
    pub(in crate::source) fn bytes(&mut self, side: Option<Side>) -> Result<Option<Arc<Vec<u8>>>, SourceError> {
        let Some(side) = side else { return Ok(Some(Arc::default())) };
        if side.kind == EntryKind::Submodule {
            // As git shows it.
            return Ok(Some(Arc::new(format!("Subproject commit {}\n", side.id).into_bytes())));
        }
        if let Some(known) = self.files.get(&side.id) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(bytes) = self.handle.read_within(side.id, LARGEST_FILE)? else { return Ok(None) };
        let bytes = Arc::new(bytes);
        self.kept += bytes.len();
        self.files.put(side.id, Arc::clone(&bytes));
        while self.kept > KEPT_BYTES {
            let Some((_, oldest)) = self.files.pop_lru() else { break };
            self.kept -= oldest.len();
        }
        Ok(Some(bytes))
    }

    /// The size of a file, in bytes.
    pub(in crate::source) fn size(&self, side: Side) -> Result<u64, SourceError> {
        Ok(self.handle.size(side.id)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::tests::Fixture;
    use super::*;

    struct Told {
        fixture: Fixture,
        history: History,
    }

    impl Told {
        fn new() -> Self {
            let fixture = Fixture::new();
            let history = History::of(Arc::new(Repositories::at(fixture.repositories.root().to_owned())), "x");
            Self { fixture, history }
        }

        fn commit(&self, tree: ObjectId, parents: &[ObjectId], at: u32) -> ObjectId {
            let parents = parents.iter().map(|parent| format!("parent {parent}\n")).collect::<Vec<_>>().concat();
            let who = format!("A <a@b> {at} +0000");
            self.fixture.commit(tree, format!("{parents}author {who}\ncommitter {who}\n\nat {at}\n").as_bytes())
        }

        /// `path: -1 text +2 text`, of each change.
        fn changes(&self, commit: ObjectId) -> Vec<String> {
            let mut reader = self.history.reader().unwrap();
            let (_, changes) = reader.commit(commit).unwrap();
            let told = changes.iter().filter_map(|change| {
                let what = match reader.lines(change).unwrap()? {
                    Changed::Unread => " unread".to_owned(),
                    Changed::Lines { lines, binary } => {
                        let mut texts = lines.text.split(|&b| b == b'\n');
                        let numbered = lines.runs.iter().flat_map(|run| (run.first..).take(run.lines as usize).map(|n| (run.added, n)));
                        let line = |(added, n)| {
                            format!(" {}{n} {}", if added { '+' } else { '-' }, String::from_utf8_lossy(texts.next().unwrap()))
                        };
                        numbered.map(line).collect::<String>() + if binary { " binary" } else { "" }
                    }
                };
                Some(format!("{}:{what}", change.path))
            });
            told.collect()
        }
    }

    #[test]
    fn changes_are_those_against_the_only_parent() {
        let t = Told::new();
        let f = &t.fixture;
        let (one, two) = (f.blob(b"a\nb\n"), f.blob(b"a\nB\n"));
        let (binary, link) = (f.blob(b"\0\x01\0a text within\0\xff"), f.blob(b"../x"));
        let inner = f.tree(&[("100644", b"deep.c", one)]);
        let root = t.commit(f.tree(&[("100644", b"a.c", one), ("100644", b"bin", binary), ("40000", b"d", inner)]), &[], 1);
        assert_eq!(t.changes(root), ["a.c: +1 a +2 b", "bin: +1 a text within binary", "d/deep.c: +1 a +2 b"]);
        // Moved, its mode changed, a link made, a directory turned into a file, a submodule.
        let next = t.commit(
            f.tree(&[
                ("100755", b"a.c", one),
                ("100644", b"b.c", two),
                ("100644", b"d", two),
                ("120000", b"l", link),
                ("160000", b"s", one),
            ]),
            &[root],
            2,
        );
        let pinned = format!("s: +1 Subproject commit {one}");
        assert_eq!(
            t.changes(next),
            [
                "a.c:",
                "b.c: +1 a +2 B",
                "bin: -1 a text within binary",
                "d: +1 a +2 B",
                "l: +1 ../x",
                pinned.as_str(),
                "d/deep.c: -1 a -2 b"
            ]
        );
        let empty = t.commit(f.tree(&[("100644", b"a.c", one)]), &[root], 3);
        assert_eq!(t.changes(t.commit(f.tree(&[("100644", b"a.c", one)]), &[empty], 4)), [""; 0]);
    }

    #[test]
    fn a_merge_shows_what_is_in_no_parent() {
        let t = Told::new();
        let f = &t.fixture;
        let of = |text: &[u8]| f.tree(&[("100644", b"a.c", f.blob(text))]);
        let base = t.commit(of(b"1\n2\n3\n4\n5\n"), &[], 1);
        let ours = t.commit(of(b"ours\n2\n3\n4\n5\n"), &[base], 2);
        let theirs = t.commit(of(b"1\n2\n3\n4\ntheirs\n"), &[base], 3);
        assert_eq!(t.changes(t.commit(of(b"ours\n2\n3\n4\ntheirs\n"), &[ours, theirs], 4)), [""; 0]);
        assert_eq!(t.changes(t.commit(of(b"ours\n2\n3\n4\n5\n"), &[ours, theirs], 5)), [""; 0]);
        assert_eq!(t.changes(t.commit(of(b"ours\n2\nevil\n4\ntheirs\n"), &[ours, theirs], 6)), ["a.c: -3 3 +3 evil"]);
        let added = f.tree(&[("100644", b"a.c", f.blob(b"ours\n2\n3\n4\n5\n")), ("100644", b"b.c", f.blob(b"hidden\n"))]);
        assert_eq!(t.changes(t.commit(added, &[ours, theirs], 7)), ["b.c: +1 hidden"]);
    }

    #[test]
    fn parents_come_first_and_known_commits_not_again() {
        let t = Told::new();
        let tree = t.fixture.tree(&[]);
        let base = t.commit(tree, &[], 1);
        let (left, right) = (t.commit(tree, &[base], 2), t.commit(tree, &[base], 3));
        let merge = t.commit(tree, &[left, right], 4);
        let other = t.commit(tree, &[right], 5);
        let ids = |heads: &[ObjectId], known: &[ObjectId]| -> Vec<ObjectId> {
            t.history.commits(heads, &|id| known.contains(id)).unwrap().into_iter().map(|links| links.id).collect()
        };
        assert_eq!(ids(&[merge], &[]), [base, left, right, merge]);
        assert_eq!(ids(&[other, merge], &[]), [base, left, right, merge, other]);
        assert_eq!(ids(&[merge, other], &[right]), [base, left, merge, other]);
        assert_eq!(ids(&[merge], &[merge]), [] as [ObjectId; 0]);
        // Deep histories take no deep stack.
        let mut last = base;
        for at in 6..5_000 {
            last = t.commit(tree, &[last], at);
        }
        assert_eq!(ids(&[last], &[]).len(), 4_995);
    }

    #[test]
    fn where_a_shallow_clone_stops_history_begins() {
        let t = Told::new();
        let file = |text: &[u8]| t.fixture.tree(&[("100644", b"a.c", t.fixture.blob(text))]);
        let never_fetched = ObjectId::parse("0123456789012345678901234567890123456789").unwrap();
        let first = t.commit(file(b"one\n"), &[never_fetched], 1);
        let second = t.commit(file(b"two\n"), &[first], 2);
        assert!(t.history.commits(&[second], &|_| false).is_err(), "a parent is missing that nobody said is");
        std::fs::write(t.fixture.repositories.root().join("x.git/shallow"), format!("{first}\n")).unwrap();
        let commits = t.history.commits(&[second], &|_| false).unwrap();
        let told: Vec<_> = commits.iter().map(|links| (links.id, links.parents.clone())).collect();
        assert_eq!(told, [(first, vec![]), (second, vec![first])]);
        assert_eq!([t.changes(first), t.changes(second)], [["a.c: +1 one"], ["a.c: -1 one +1 two"]]);
    }

    #[test]
    fn what_is_too_large_is_said_to_be_unread() {
        let t = Told::new();
        let f = &t.fixture;
        let line = b"0123456789abcde\n";
        let wide = f.blob(&line.repeat(LARGEST_CHANGE / line.len() + 1));
        let largest = f.blob(&vec![b'a'; usize::try_from(LARGEST_FILE).unwrap() + 1]);
        let root =
            t.commit(f.tree(&[("100644", b"largest", largest), ("100644", b"small", f.blob(b"x\n")), ("100644", b"wide", wide)]), &[], 1);
        assert_eq!(t.changes(root), ["largest: unread", "small: +1 x", "wide: unread"]);
    }
}
