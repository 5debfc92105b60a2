//! Mirrored repositories read with git2, without a word about who may: the vault puts its demands in front of this.
//!
//! Everything is found by walking from a commit, component by component. Reads are bounded, and object hashes are checked on every
//! read (libgit2's default), so a mirror that rots on disk is noticed rather than shown.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository, RepositoryOpenFlags};

use super::tree::{
    CommitLinks, Entry, EntryKind, Found, LARGEST_OBJECT, ObjectId, TreeEntries, TreeEntry, TreeError, commit_links, listing_order,
    parse_tree,
};
use crate::catalog::RepoPath;

/// Handles open at once for one mirror. More readers wait; libgit2 keeps caches in each.
const HANDLES: usize = 16;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RawError {
    #[error("the mirror {0:?} is not there")]
    NoMirror(String),
    #[error("the mirror {mirror:?} cannot be opened: {why}")]
    Unopened { mirror: String, why: String },
    #[error("the {kind} {id} is missing from its mirror")]
    Missing { kind: &'static str, id: ObjectId },
    #[error("{id} is not a {kind}")]
    NotA { kind: &'static str, id: ObjectId },
    #[error("the tree {id} is damaged: {why}")]
    Tree { id: ObjectId, why: TreeError },
    #[error("the object {id} cannot be read: {why}")]
    Unread { id: ObjectId, why: String },
    #[error("the object {id} holds {size} bytes, which is more than is ever read")]
    TooLarge { id: ObjectId, size: u64 },
}

/// Open repositories, by mirror.
#[derive(Debug)]
pub(crate) struct Repositories {
    root: PathBuf,
    pools: Mutex<HashMap<String, Arc<Pool>>>,
}

#[derive(Default)]
struct Pool {
    state: Mutex<PoolState>,
    returned: Condvar,
}

#[derive(Default)]
struct PoolState {
    idle: Vec<Repository>,
    open: usize,
}

/// The bytes of a file, or their beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) data: Vec<u8>,
    /// Of the whole file, in bytes.
    pub(crate) size: u64,
}

impl Repositories {
    /// Mirrors are the directories `<mirror>.git` in `root`.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root, pools: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn root(&self) -> &std::path::Path {
        &self.root
    }

    /// Closes what is open, after the mirror was replaced or removed.
    pub(crate) fn forget(&self, mirror: &str) {
        lock(&self.pools).remove(mirror);
    }

    /// The object at `path` in the tree of `commit`; `None` when there is none.
    pub(crate) fn resolve(&self, mirror: &str, commit: ObjectId, path: &RepoPath) -> Result<Option<Found>, RawError> {
        self.with(mirror, |odb, _| {
            let found = find(odb, commit, path)?;
            Ok(match found {
                Some(e) => Some(Found { kind: e.kind, id: e.id, size: size_of(odb, e.kind, e.id)?, executable: e.executable }),
                None => None,
            })
        })
    }

    /// The entries of a directory, directories first, then names in byte order.
    pub(crate) fn list(&self, mirror: &str, tree: ObjectId) -> Result<Vec<Entry>, RawError> {
        self.with(mirror, |odb, _| {
            let mut entries = read_tree(odb, tree)?
                .into_iter()
                .map(|TreeEntry { name, kind, executable, id }| {
                    let size = size_of(odb, kind, id)?;
                    Ok(Entry { name, kind, executable, id, size })
                })
                .collect::<Result<Vec<_>, RawError>>()?;
            entries.sort_by(listing_order);
            Ok(entries)
        })
    }

    /// The first `limit` bytes of a file, and its size.
    pub(crate) fn read(&self, mirror: &str, blob: ObjectId, limit: u64) -> Result<Bytes, RawError> {
        self.read_range(mirror, blob, 0, limit)
    }

    /// Up to `limit` bytes of a file from `start`; none behind its end.
    pub(crate) fn read_range(&self, mirror: &str, blob: ObjectId, start: u64, limit: u64) -> Result<Bytes, RawError> {
        self.with(mirror, |odb, _| {
            let object = read_object(odb, blob, ObjectType::Blob)?;
            let data = object.data();
            let size = data.len();
            let start = usize::try_from(start).map_or(size, |start| start.min(size));
            let end = usize::try_from(limit).map_or(size, |limit| start.saturating_add(limit).min(size));
            Ok(Bytes { data: data.get(start..end).unwrap_or_default().to_vec(), size: size as u64 })
        })
    }

    /// A handle to keep for a while; drop it to give it back.
    pub(super) fn handle(&self, mirror: &str) -> Result<Handle, RawError> {
        let lease = self.lease(mirror)?;
        let ends = read_shallow(lease.repository().path())
            .map_err(|why| RawError::Unopened { mirror: mirror.to_owned(), why: why.to_string() })?;
        Ok(Handle { lease, ends })
    }

    /// Runs `work` with an open handle, waiting for one when all are in use. `work` must not come back here.
    fn with<T>(&self, mirror: &str, work: impl FnOnce(&Odb<'_>, &Repository) -> Result<T, RawError>) -> Result<T, RawError> {
        let lease = self.lease(mirror)?;
        let repository = lease.repository();
        let odb = repository.odb().map_err(|e| unopened(mirror, &e))?;
        work(&odb, repository)
    }

    fn lease(&self, mirror: &str) -> Result<Lease, RawError> {
        let pool = Arc::clone(lock(&self.pools).entry(mirror.to_owned()).or_default());
        let mut state = lock(&pool.state);
        let idle = loop {
            if let Some(repository) = state.idle.pop() {
                break Some(repository);
            }
            if state.open < HANDLES {
                state.open += 1;
                break None;
            }
            state = pool.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        // From here on the lease gives the place back, whatever happens.
        let mut lease = Lease { pool, repository: idle };
        if lease.repository.is_none() {
            lease.repository = Some(self.open(mirror)?);
        }
        Ok(lease)
    }

    fn open(&self, mirror: &str) -> Result<Repository, RawError> {
        // A mirror's name comes from the catalog, but a path may still never be made of anything else.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+".contains(&b);
        if mirror.is_empty() || mirror.starts_with('.') || !mirror.bytes().all(plain) {
            return Err(RawError::NoMirror(mirror.to_owned()));
        }
        let path = self.root.join(format!("{mirror}.git"));
        if !path.is_dir() {
            return Err(RawError::NoMirror(mirror.to_owned()));
        }
        let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        Repository::open_ext(&path, flags, &[] as &[&OsStr]).map_err(|e| unopened(mirror, &e))
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

/// A handle in use, given back when dropped.
struct Lease {
    pool: Arc<Pool>,
    repository: Option<Repository>,
}

/// An open mirror for one user for a while, as a walk over many versions is.
pub(super) struct Handle {
    lease: Lease,
    /// Where its history begins, since what it was mirrored from is a shallow clone: the parents of these commits are in neither.
    ends: BTreeSet<ObjectId>,
}

/// The commits that a shallow clone stops at.
pub(crate) fn read_shallow(repository: &Path) -> io::Result<BTreeSet<ObjectId>> {
    match fs::read_to_string(repository.join("shallow")) {
        Ok(text) => Ok(text.lines().filter_map(|line| ObjectId::parse(line.trim())).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(e) => Err(e),
    }
}

impl Handle {
    /// Closes it for good, with all that libgit2 keeps in memory of what was read, where others would be given it next.
    pub(super) fn close(&mut self) {
        self.lease.repository = None;
    }

    pub(super) fn links(&self, commit: ObjectId) -> Result<CommitLinks, RawError> {
        Ok(self.cut(commit, read_links(&self.odb(commit)?, commit)?))
    }

    /// The bytes of a commit object, and what it names.
    pub(super) fn commit(&self, commit: ObjectId) -> Result<(Vec<u8>, CommitLinks), RawError> {
        let bytes = read_object(&self.odb(commit)?, commit, ObjectType::Commit)?.data().to_vec();
        let links = commit_links(&bytes).ok_or(RawError::NotA { kind: "commit", id: commit })?;
        Ok((bytes, self.cut(commit, links)))
    }

    /// Where history begins a commit has no parents, whatever it names.
    fn cut(&self, commit: ObjectId, links: CommitLinks) -> CommitLinks {
        if self.ends.contains(&commit) { CommitLinks { parents: Vec::new(), ..links } } else { links }
    }

    pub(super) fn tree(&self, tree: ObjectId) -> Result<Vec<TreeEntry>, RawError> {
        read_tree(&self.odb(tree)?, tree)
    }

    pub(super) fn size(&self, blob: ObjectId) -> Result<u64, RawError> {
        header_size(&self.odb(blob)?, blob)
    }

    pub(super) fn read(&self, blob: ObjectId) -> Result<Vec<u8>, RawError> {
        Ok(read_object(&self.odb(blob)?, blob, ObjectType::Blob)?.data().to_vec())
    }

    /// The bytes of a file, whole; none when there are more than `most`.
    pub(super) fn read_within(&self, blob: ObjectId, most: u64) -> Result<Option<Vec<u8>>, RawError> {
        let odb = self.odb(blob)?;
        if header_size(&odb, blob)? > most {
            return Ok(None);
        }
        let object = odb.read(oid(blob)).map_err(|e| unread(blob, "blob", &e))?;
        if object.kind() != ObjectType::Blob {
            return Err(RawError::NotA { kind: "blob", id: blob });
        }
        Ok(Some(object.data().to_vec()))
    }

    /// The bytes of a tree object.
    pub(super) fn tree_bytes(&self, tree: ObjectId) -> Result<Vec<u8>, RawError> {
        Ok(read_object(&self.odb(tree)?, tree, ObjectType::Tree)?.data().to_vec())
    }

    fn odb(&self, id: ObjectId) -> Result<Odb<'_>, RawError> {
        self.lease.repository().odb().map_err(|e| unread(id, "object", &e))
    }
}

impl Lease {
    fn repository(&self) -> &Repository {
        self.repository.as_ref().expect("a lease is handed out with its repository opened")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = lock(&self.pool.state);
        match self.repository.take() {
            Some(repository) => state.idle.push(repository),
            None => state.open -= 1,
        }
        drop(state);
        self.pool.returned.notify_one();
    }
}

/// The entry at `path`; for the root, its tree.
fn find(odb: &Odb<'_>, commit: ObjectId, path: &RepoPath) -> Result<Option<TreeEntry>, RawError> {
    let tree = read_links(odb, commit)?.tree;
    let mut at = TreeEntry { name: Vec::new(), kind: EntryKind::Tree, executable: false, id: tree };
    for component in path.components() {
        if at.kind != EntryKind::Tree {
            return Ok(None);
        }
        match entry_of(odb, at.id, component)? {
            Some(entry) => at = entry,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn entry_of(odb: &Odb<'_>, tree: ObjectId, name: &[u8]) -> Result<Option<TreeEntry>, RawError> {
    let object = read_object(odb, tree, ObjectType::Tree)?;
    // Not a binary search: it would miss names in a tree whose order is off.
    for entry in TreeEntries::of(object.data()) {
        let e = entry.map_err(|why| RawError::Tree { id: tree, why })?;
        if e.name == name {
            return Ok(Some(TreeEntry { name: e.name.to_vec(), kind: e.kind, executable: e.executable, id: e.id }));
        }
    }
    Ok(None)
}

fn read_tree(odb: &Odb<'_>, id: ObjectId) -> Result<Vec<TreeEntry>, RawError> {
    parse_tree(read_object(odb, id, ObjectType::Tree)?.data()).map_err(|why| RawError::Tree { id, why })
}

fn read_links(odb: &Odb<'_>, commit: ObjectId) -> Result<CommitLinks, RawError> {
    commit_links(read_object(odb, commit, ObjectType::Commit)?.data()).ok_or(RawError::NotA { kind: "commit", id: commit })
}

fn read_object<'a>(odb: &'a Odb<'_>, id: ObjectId, kind: ObjectType) -> Result<git2::OdbObject<'a>, RawError> {
    if kind == ObjectType::Blob {
        let size = header_size(odb, id)?;
        if size > LARGEST_OBJECT {
            return Err(RawError::TooLarge { id, size });
        }
    }
    let object = odb.read(oid(id)).map_err(|e| unread(id, kind.str(), &e))?;
    if object.kind() != kind {
        return Err(RawError::NotA { kind: kind.str(), id });
    }
    Ok(object)
}

fn size_of(odb: &Odb<'_>, kind: EntryKind, id: ObjectId) -> Result<Option<u64>, RawError> {
    match kind {
        EntryKind::Tree | EntryKind::Submodule => Ok(None),
        EntryKind::Blob | EntryKind::Symlink => header_size(odb, id).map(Some),
    }
}

/// The size of a blob. `Odb::read_header` panics when a damaged pack states a kind of object that does not exist.
fn header_size(odb: &Odb<'_>, id: ObjectId) -> Result<u64, RawError> {
    catch_unwind(AssertUnwindSafe(|| odb.read_header(oid(id))))
        .unwrap_or_else(|_| Err(git2::Error::from_str("it states a kind of object that does not exist")))
        .map(|(size, _)| size as u64)
        .map_err(|e| unread(id, "blob", &e))
}

fn oid(id: ObjectId) -> Oid {
    Oid::from_bytes(id.bytes()).expect("an object id has the length of one")
}

fn unread(id: ObjectId, kind: &'static str, error: &git2::Error) -> RawError {
    if error.code() == ErrorCode::NotFound {
        RawError::Missing { kind, id }
    } else {
        RawError::Unread { id, why: error.message().to_owned() }
    }
}

fn unopened(mirror: &str, error: &git2::Error) -> RawError {
    RawError::Unopened { mirror: mirror.to_owned(), why: error.message().to_owned() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A mirror `x`, made object by object.
    pub(in crate::source) struct Fixture {
        home: TempDir,
        pub(in crate::source) repositories: Repositories,
        repository: Repository,
    }

    impl Fixture {
        pub(in crate::source) fn new() -> Self {
            let home = TempDir::new().unwrap();
            let repository = Repository::init_bare(home.path().join("x.git")).unwrap();
            let repositories = Repositories::at(home.path().to_owned());
            Self { home, repositories, repository }
        }

        fn write(&self, kind: ObjectType, bytes: &[u8]) -> ObjectId {
            ObjectId::from_bytes(self.repository.odb().unwrap().write(kind, bytes).unwrap().as_bytes()).unwrap()
        }

        pub(in crate::source) fn blob(&self, bytes: &[u8]) -> ObjectId {
            self.write(ObjectType::Blob, bytes)
        }

        pub(in crate::source) fn tree(&self, entries: &[(&str, &[u8], ObjectId)]) -> ObjectId {
            let bytes: Vec<u8> =
                entries.iter().flat_map(|(mode, name, id)| [mode.as_bytes(), b" ", name, b"\0", id.bytes()].concat()).collect();
            self.write(ObjectType::Tree, &bytes)
        }

        pub(in crate::source) fn commit(&self, tree: ObjectId, rest: &[u8]) -> ObjectId {
            self.write(ObjectType::Commit, &[format!("tree {tree}\n").as_bytes(), rest].concat())
        }

        /// A version with one of everything.
        pub(in crate::source) fn version(&self) -> ObjectId {
            let file = self.blob(b"int main;\n");
            let link = self.blob(b"../../etc/passwd");
            let modules = self.blob(b"[submodule \"s\"]\npath = lib/s\nurl = https://example.org/s\n");
            let inner = self.tree(&[("100755", b"run.sh", file), ("160000", b"s", file)]);
            let tree = self.tree(&[
                ("100644", b".gitmodules", modules),
                ("100644", b"caf\xe9", file),
                ("40000", b"lib", inner),
                ("120000", b"link", link),
                ("40000", b"same", inner),
            ]);
            self.commit(tree, b"author A <a@b> 1700000000 +0130\ncommitter C <c@d> 1700000001 -0800\n\nFirst line\n")
        }
    }

    fn path(bytes: &[u8]) -> RepoPath {
        RepoPath::parse(bytes).unwrap()
    }

    #[test]
    fn paths_lead_to_what_stands_there() {
        let f = Fixture::new();
        let commit = f.version();
        let at = |p: &[u8]| f.repositories.resolve("x", commit, &path(p)).unwrap().map(|x| (x.kind, x.size, x.executable));
        assert_eq!(at(b""), Some((EntryKind::Tree, None, false)));
        assert_eq!(at(b"lib"), Some((EntryKind::Tree, None, false)));
        assert_eq!(at(b"lib/run.sh"), Some((EntryKind::Blob, Some(10), true)));
        assert_eq!(at(b"caf\xe9"), Some((EntryKind::Blob, Some(10), false)));
        assert_eq!(at(b"link"), Some((EntryKind::Symlink, Some(16), false)));
        assert_eq!(at(b"lib/s"), Some((EntryKind::Submodule, None, false)));
        for absent in [&b"nothing"[..], b"lib/run.sh/x", b"lib/s/x", b"link/x", b"li", b"lib/run"] {
            assert_eq!(at(absent), None, "{absent:?}");
        }
    }

    #[test]
    fn listings_are_read() {
        let f = Fixture::new();
        let commit = f.version();
        let root = f.repositories.resolve("x", commit, &RepoPath::root()).unwrap().unwrap();
        let lines = f.repositories.list("x", root.id).unwrap();
        let names: Vec<_> = lines.iter().map(|l| (l.name.as_slice(), l.size)).collect();
        assert_eq!(names, [(&b"lib"[..], None), (b"same", None), (b".gitmodules", Some(57)), (b"caf\xe9", Some(10)), (b"link", Some(16))]);
    }

    #[test]
    fn files_are_read_in_pieces() {
        let f = Fixture::new();
        let blob = f.blob(b"0123456789");
        let piece = |start, limit| f.repositories.read_range("x", blob, start, limit).unwrap();
        assert_eq!(piece(0, 4), Bytes { data: b"0123".to_vec(), size: 10 });
        assert_eq!(piece(8, 4).data, b"89");
        assert_eq!(piece(10, 4), Bytes { data: vec![], size: 10 });
        assert_eq!(piece(u64::MAX, u64::MAX), Bytes { data: vec![], size: 10 });
        assert_eq!(f.repositories.read("x", blob, u64::MAX).unwrap().data, b"0123456789");
    }

    #[test]
    fn a_file_of_100_mb_is_read_as_far_as_asked() {
        let f = Fixture::new();
        let blob = f.blob(&vec![0; 100 << 20]);
        let commit = f.commit(f.tree(&[("100644", b"big", blob)]), b"\n");
        let found = f.repositories.resolve("x", commit, &path(b"big")).unwrap().unwrap();
        assert_eq!(found.size, Some(100 << 20));
        let read = f.repositories.read_range("x", found.id, (100 << 20) - 8, 1 << 20).unwrap();
        assert_eq!((read.data.len(), read.size), (8, 100 << 20));
    }

    #[test]
    fn what_is_not_there_or_damaged_is_an_error_that_says_so() {
        let f = Fixture::new();
        let commit = f.version();
        let nothing = ObjectId::parse(&"5".repeat(40)).unwrap();
        for mirror in ["y", "", "..", "../x", ".x", "a/b"] {
            assert!(matches!(f.repositories.list(mirror, nothing), Err(RawError::NoMirror(_))), "{mirror:?}");
        }
        assert!(matches!(f.repositories.list("x", nothing), Err(RawError::Missing { .. })));
        assert!(matches!(f.repositories.list("x", commit), Err(RawError::NotA { kind: "tree", .. })));
        assert!(matches!(f.repositories.resolve("x", nothing, &RepoPath::root()), Err(RawError::Missing { .. })));
        let file = f.repositories.resolve("x", commit, &path(b"lib/run.sh")).unwrap().unwrap();
        assert!(matches!(f.repositories.resolve("x", file.id, &RepoPath::root()), Err(RawError::NotA { kind: "commit", .. })));
        let broken = f.write(ObjectType::Tree, b"100644 cut");
        assert!(matches!(f.repositories.list("x", broken), Err(RawError::Tree { .. })));
        std::fs::create_dir(f.home.path().join("hollow.git")).unwrap();
        assert!(matches!(f.repositories.list("hollow", nothing), Err(RawError::Unopened { .. })));
    }

    #[test]
    fn packs_that_come_while_a_handle_is_open_are_found() {
        let f = Fixture::new();
        f.repositories.resolve("x", f.version(), &RepoPath::root()).unwrap().unwrap();
        let other = Fixture::new();
        let blob = other.blob(b"newly fetched");
        let tree = other.tree(&[("100644", b"new", blob)]);
        let commit = other.commit(tree, b"\n");
        let mut pack = other.repository.packbuilder().unwrap();
        for id in [blob, tree, commit] {
            pack.insert_object(oid(id), None).unwrap();
        }
        pack.write(&f.home.path().join("x.git/objects/pack"), 0).unwrap();
        assert!(f.repositories.resolve("x", commit, &path(b"new")).unwrap().is_some());
    }

    #[test]
    fn more_readers_than_handles_wait_their_turn() {
        let f = Fixture::new();
        let commit = f.version();
        std::thread::scope(|scope| {
            for _ in 0..3 * HANDLES {
                scope.spawn(|| {
                    for _ in 0..20 {
                        f.repositories.resolve("x", commit, &path(b"lib/run.sh")).unwrap().unwrap();
                    }
                });
            }
        });
        let pool = Arc::clone(&lock(&f.repositories.pools)["x"]);
        let state = lock(&pool.state);
        assert!(state.open <= HANDLES && state.idle.len() == state.open);
    }
}
