//! Repositories on this computer, read as files.
//!
//! They are not opened as repositories: their configuration is never obeyed, nothing in them runs, and who owns them does not matter,
//! because all that is taken from them is refs and objects, and both are checked. (git's `safe.directory` guards against obeying the
//! configuration of a repository planted by somebody else.) It is also faster than libgit2's local transport, which computes every
//! delta anew and gives up on repositories where any ref, wanted or not, is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::remote::{Advertised, Tip};
use super::{FetchError, OnProgress, Phase, Progress, disk};
use crate::source::tree::ObjectId;

/// Bytes of packed-refs read at most: about a million refs.
const LONGEST_REFS: u64 = 128 << 20;
/// Repositories borrowing objects from each other, one after the other.
const ALTERNATES_DEEP: usize = 8;
/// Directories under refs, one in the other.
const REFS_DEEP: usize = 32;

/// A repository's directories, found.
#[derive(Debug)]
pub(super) struct LocalRepository {
    given: PathBuf,
    /// Where `HEAD` of this worktree is.
    git_dir: PathBuf,
    /// Where refs and objects are; another directory for linked worktrees.
    common_dir: PathBuf,
}

/// The repository that `path` lies in: itself or the nearest directory above it that is one.
#[must_use]
pub fn enclosing_repository(path: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(path).ok()?;
    path.ancestors().find(|dir| LocalRepository::find(dir).is_ok()).map(Path::to_owned)
}

impl LocalRepository {
    /// Finds the repository at a bare repository, a checkout, its `.git`, or a linked worktree.
    pub(super) fn find(path: &Path) -> Result<Self, FetchError> {
        let unreadable = |why| FetchError::Unreadable { path: path.to_owned(), why };
        let not_one = || FetchError::NotARepository { path: path.to_owned() };
        match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(FetchError::NoSuchPath { path: path.to_owned() }),
            Err(e) => return Err(unreadable(e)),
            Ok(at) if !at.is_dir() && path.file_name() != Some(OsStr::new(".git")) => return Err(not_one()),
            Ok(_) => {}
        }
        fs::read_dir(if path.is_dir() { path } else { path.parent().unwrap_or(path) }).map_err(unreadable)?;
        let git_dir = [path.to_owned(), path.join(".git")]
            .into_iter()
            .filter_map(|at| if at.is_file() { gitlink(&at) } else { Some(at) })
            .find(|at| at.join("HEAD").symlink_metadata().is_ok() && common(at).join("objects").is_dir())
            .ok_or_else(not_one)?;
        let common_dir = common(&git_dir);
        if common_dir.join("reftable").is_dir() {
            return Err(FetchError::Format { path: path.to_owned(), what: "a reftable" });
        }
        Ok(Self { given: path.to_owned(), git_dir, common_dir })
    }

    /// Tags and branches, and which branch is checked out.
    pub(super) fn advertised(&self) -> Result<Advertised, FetchError> {
        let mut refs: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        if let Some(packed) = self.text(&self.common_dir.join("packed-refs"), LONGEST_REFS)? {
            for line in packed.split(|&b| b == b'\n') {
                let mut words = line.splitn(2, |&b| b == b' ');
                if let (Some(id), Some(name)) = (words.next(), words.next())
                    && !line.starts_with(b"#")
                {
                    refs.insert(name.trim_ascii_end().to_vec(), id.to_vec());
                }
            }
        }
        for kind in ["refs/tags", "refs/heads"] {
            self.loose(kind.as_bytes(), REFS_DEEP, &mut refs)?;
        }
        let mut tips = Vec::new();
        for (name, value) in &refs {
            if !name.starts_with(b"refs/tags/") && !name.starts_with(b"refs/heads/") {
                continue;
            }
            if value.len() == 64 && value.iter().all(u8::is_ascii_hexdigit) {
                return Err(FetchError::Sha256 { source_name: self.given.display().to_string() });
            }
            tips.push(Tip { name: name.clone(), target: Self::peel(&refs, value) });
        }
        let head = self.text(&self.git_dir.join("HEAD"), 4096)?.unwrap_or_default();
        let head = head.trim_ascii().strip_prefix(b"ref:").map(<[u8]>::trim_ascii);
        let default_branch = head
            .filter(|name| refs.contains_key(*name))
            .and_then(|name| std::str::from_utf8(name.strip_prefix(b"refs/heads/")?).ok())
            .map(str::to_owned);
        Ok(Advertised { tips, default_branch, unnamed: 0 })
    }

    /// What a ref's value leads to; symbolic refs are followed a few times.
    fn peel(refs: &BTreeMap<Vec<u8>, Vec<u8>>, value: &[u8]) -> Option<ObjectId> {
        let mut value = value;
        for _ in 0..5 {
            match value.strip_prefix(b"ref:") {
                Some(name) => value = refs.get(name.trim_ascii())?,
                None => return ObjectId::parse(std::str::from_utf8(value).ok()?),
            }
        }
        None
    }

    fn loose(&self, under: &[u8], deep: usize, refs: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), FetchError> {
        let dir = self.common_dir.join(OsStr::from_bytes(under));
        for entry in entries(&dir).map_err(|why| FetchError::Unreadable { path: dir.clone(), why })? {
            let name = [under, b"/", entry.file_name().as_bytes()].concat();
            let kind = entry.file_type().map_err(|why| FetchError::Unreadable { path: entry.path(), why })?;
            if kind.is_dir() && deep > 0 {
                self.loose(&name, deep - 1, refs)?;
            } else if kind.is_file() && !name.ends_with(b".lock") {
                // Gone between listing and reading: then packed-refs, or nothing, holds it.
                if let Some(value) = self.text(&entry.path(), 4096)? {
                    refs.insert(name, value.trim_ascii().to_vec());
                }
            }
        }
        Ok(())
    }

    /// The commits a shallow clone stops at.
    pub(super) fn shallow(&self) -> Result<BTreeSet<ObjectId>, FetchError> {
        let text = self.text(&self.common_dir.join("shallow"), LONGEST_REFS)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().filter_map(|line| ObjectId::parse(line.trim())).collect())
    }

    /// Its directory of objects and those it borrows from.
    pub(super) fn object_dirs(&self) -> Result<Vec<PathBuf>, FetchError> {
        let mut dirs = vec![self.common_dir.join("objects")];
        let mut at = 0;
        while let Some(dir) = dirs.get(at).cloned() {
            at += 1;
            let Some(text) = self.text(&dir.join("info/alternates"), 1 << 20)? else { continue };
            for line in text.split(|&b| b == b'\n').filter(|l| !l.is_empty() && !l.starts_with(b"#")) {
                let other = dir.join(OsStr::from_bytes(line));
                if !dirs.contains(&other) {
                    dirs.push(other);
                }
            }
            if dirs.len() > ALTERNATES_DEEP {
                return Err(FetchError::Format { path: self.given.clone(), what: "more than eight borrowed object directories" });
            }
        }
        Ok(dirs)
    }

    fn text(&self, path: &Path, longest: u64) -> Result<Option<Vec<u8>>, FetchError> {
        let unreadable = |why| FetchError::Unreadable { path: path.to_owned(), why };
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(e)),
        };
        let mut bytes = Vec::new();
        file.take(longest + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > longest {
            return Err(FetchError::Format { path: self.given.clone(), what: "files too large to be refs" });
        }
        Ok(Some(bytes))
    }
}

/// The directory a `.git` file points at, as in linked worktrees and submodules.
fn gitlink(file: &Path) -> Option<PathBuf> {
    let mut text = Vec::new();
    fs::File::open(file).ok()?.take(4096).read_to_end(&mut text).ok()?;
    let target = text.trim_ascii().strip_prefix(b"gitdir:")?.trim_ascii();
    Some(file.parent()?.join(OsStr::from_bytes(target)))
}

fn common(git_dir: &Path) -> PathBuf {
    match fs::read(git_dir.join("commondir")) {
        Ok(text) if text.len() <= 4096 => git_dir.join(OsStr::from_bytes(text.trim_ascii())),
        _ => git_dir.to_owned(),
    }
}

/// A directory's entries; none when it is not there.
fn entries(dir: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(dir) {
        Ok(list) => list.collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// Copies the object files of `from` that `have` (the mirror's objects) lacks into `to`. Returns the bytes copied.
///
/// Copies and not hard links: a later change to the source's file must not change what was checked.
pub(super) fn copy_objects(
    from: &[PathBuf],
    have: &Path,
    to: &Path,
    progress: OnProgress<'_>,
    stop: &AtomicBool,
) -> Result<u64, FetchError> {
    let mut files: BTreeMap<PathBuf, (PathBuf, u64)> = BTreeMap::new();
    for dir in from {
        for (relative, path, size) in object_files(dir).map_err(|why| FetchError::Unreadable { path: dir.clone(), why })? {
            if fs::metadata(have.join(&relative)).is_ok_and(|there| there.len() == size) {
                continue;
            }
            files.entry(relative).or_insert((path, size));
        }
    }
    let mut state = Progress { total_bytes: files.values().map(|(_, size)| size).sum(), ..Progress::start(Phase::Receiving) };
    for (relative, (path, _)) in &files {
        let target = to.join(relative);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(disk("making the quarantine's directories"))?;
        }
        let source = match fs::File::open(path) {
            Ok(file) => file,
            // Repacked away while we were copying. What it held is elsewhere, or the check says what is missing.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(why) => return Err(FetchError::Unreadable { path: path.clone(), why }),
        };
        let target = fs::File::create(&target).map_err(disk("writing into the quarantine"))?;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(FetchError::Stopped);
            }
            let copied = io::copy(&mut (&source).take(16 << 20), &mut &target).map_err(disk(format_args!("copying {}", path.display())))?;
            state.bytes += copied;
            state.total_bytes = state.total_bytes.max(state.bytes);
            progress(state);
            if copied == 0 {
                break;
            }
        }
    }
    Ok(state.bytes)
}

/// Packs, their indexes and loose objects: relative path, path, size. Nothing else (`.keep`, `.promisor`, bitmaps, commit graphs,
/// multi-pack indexes) is taken: it is derived data that would have to be believed.
fn object_files(objects: &Path) -> io::Result<Vec<(PathBuf, PathBuf, u64)>> {
    let mut files = Vec::new();
    let mut take = |relative: PathBuf, entry: &fs::DirEntry| -> io::Result<()> {
        // Follows links: some setups link packs from elsewhere.
        match fs::metadata(entry.path()) {
            Ok(at) if at.is_file() => files.push((relative, entry.path(), at.len())),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        Ok(())
    };
    for entry in entries(&objects.join("pack"))? {
        let name = entry.file_name();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let Some((stem, ending)) = name.to_str().and_then(|n| n.split_once('.')) else { continue };
        if stem.starts_with("pack-") && stem.len() <= 100 && stem.bytes().all(plain) && matches!(ending, "pack" | "idx") {
            take(Path::new("pack").join(&name), &entry)?;
        }
    }
    for dir in entries(objects)? {
        let fan = dir.file_name();
        let hex =
            |name: &OsStr, length: usize| name.len() == length && name.as_bytes().iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex(&fan, 2) {
            for entry in entries(&dir.path())? {
                if hex(&entry.file_name(), 38) {
                    take(Path::new(&fan).join(entry.file_name()), &entry)?;
                }
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use git2::Repository;

    use super::super::fixtures::{House, Upstream, path};
    use super::*;

    fn tag_names(at: &Path) -> Vec<String> {
        let advertised = LocalRepository::find(at).unwrap().advertised().unwrap();
        advertised.tips.into_iter().map(|t| String::from_utf8_lossy(&t.name).into_owned()).collect()
    }

    #[test]
    fn a_repository_is_found_in_each_of_its_shapes() {
        let home = tempfile::TempDir::new().unwrap();
        let checkout = home.path().join("work tree");
        let repository = Repository::init(&checkout).unwrap();
        let odb = repository.odb().unwrap();
        let tree = odb.write(git2::ObjectType::Tree, b"").unwrap();
        let text = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n");
        let commit = odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap();
        repository.reference("refs/heads/trunk", commit, true, "").unwrap();
        repository.set_head("refs/heads/trunk").unwrap();
        repository.worktree("other", &home.path().join("other"), None).unwrap();
        fs::create_dir(checkout.join("sub")).unwrap();
        for at in [checkout.clone(), checkout.join(".git"), home.path().join("other"), home.path().join("other/.git")] {
            let found = LocalRepository::find(&at).unwrap().advertised().unwrap();
            let names: Vec<_> = found.tips.iter().map(|t| String::from_utf8_lossy(&t.name)).collect();
            assert!(names.contains(&"refs/heads/trunk".into()), "{at:?} {names:?}");
            assert_eq!(House::new().fetch(&path(&at)).unwrap().refs[0].commit.to_string(), commit.to_string());
        }
        let other = LocalRepository::find(&home.path().join("other")).unwrap().advertised().unwrap();
        assert_eq!(other.default_branch.as_deref(), Some("other"));
        assert_eq!(enclosing_repository(&checkout.join("sub")), Some(fs::canonicalize(&checkout).unwrap()));
    }

    #[test]
    fn what_is_no_repository_gets_a_sentence() {
        let home = tempfile::TempDir::new().unwrap();
        fs::write(home.path().join("file"), "x").unwrap();
        fs::create_dir(home.path().join("dir")).unwrap();
        let says = |name: &str| House::new().fetch(&path(&home.path().join(name))).unwrap_err().to_string();
        assert!(says("absent").starts_with("nothing is at"), "{}", says("absent"));
        assert!(says("file").contains("is not a git repository"), "{}", says("file"));
        assert!(says("dir").contains("is not a git repository"), "{}", says("dir"));
        let up = Upstream::new();
        fs::create_dir(up.path().join("reftable")).unwrap();
        assert!(matches!(LocalRepository::find(&up.path()), Err(FetchError::Format { .. })));
        fs::remove_dir(up.path().join("reftable")).unwrap();
        fs::write(up.path().join("refs/heads/x"), format!("{}\n", "a".repeat(64))).unwrap();
        assert!(matches!(House::new().fetch(&path(&up.path())), Err(FetchError::Sha256 { .. })));
    }

    #[test]
    fn configuration_and_hooks_are_not_read() {
        let up = Upstream::new();
        up.point("refs/tags/v1", up.simple("one", &[]));
        fs::write(up.path().join("config"), "[core\n\trepositoryformatversion = 99\n\0nonsense").unwrap();
        fs::write(up.path().join("hooks/post-checkout"), "#!/bin/sh\nexit 1\n").unwrap();
        let house = House::new();
        assert_eq!(house.fetch(&path(&up.path())).unwrap().refs.len(), 1);
        assert!(!house.mirror.dir().join("hooks/post-checkout").exists());
        let config = fs::read_to_string(house.mirror.dir().join("config")).unwrap();
        assert!(!config.contains("remote") && !config.contains("99"), "{config}");
    }

    #[test]
    fn odd_refs_are_passed_over_with_a_reason() {
        let up = Upstream::new();
        let one = up.simple("one", &[]);
        up.point("refs/tags/v1", one);
        let dir = up.path().join("refs/tags");
        fs::write(dir.join(OsStr::from_bytes(b"caf\xe9")), format!("{one}\n")).unwrap();
        fs::write(dir.join("nonsense"), "not an id").unwrap();
        fs::write(dir.join("empty"), "").unwrap();
        fs::write(dir.join("with space"), format!("{one}\n")).unwrap();
        fs::write(dir.join("symbolic"), "ref: refs/tags/v1\n").unwrap();
        fs::write(dir.join("loop"), "ref: refs/tags/loop\n").unwrap();
        fs::write(dir.join("v2.lock"), format!("{one}\n")).unwrap();
        let fetched = House::new().fetch(&path(&up.path())).unwrap();
        let skipped: Vec<_> = fetched.skipped.iter().map(|s| (s.name.as_str(), s.reason.as_str())).collect();
        assert_eq!(
            skipped,
            [
                ("refs/tags/caf\\xE9", "its name is not UTF-8"),
                ("refs/tags/empty", "it leads nowhere"),
                ("refs/tags/loop", "it leads nowhere"),
                ("refs/tags/nonsense", "it leads nowhere"),
                ("refs/tags/with space", "its name is not a valid one"),
            ]
        );
        assert_eq!(fetched.refs.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["v1", "symbolic"]);
    }

    #[test]
    fn loose_refs_win_over_packed_ones() {
        let up = Upstream::new();
        let (old, new) = (up.simple("old", &[]), up.simple("new", &[]));
        fs::write(
            up.path().join("packed-refs"),
            format!("# pack-refs with: peeled fully-peeled sorted \n{old} refs/tags/a\n^{new}\n{old} refs/tags/b\n{old} refs/notes/n\n"),
        )
        .unwrap();
        up.point("refs/tags/a", new);
        assert_eq!(tag_names(&up.path()), ["refs/tags/a", "refs/tags/b"]);
        let fetched = House::new().fetch(&path(&up.path())).unwrap();
        let mut commits: Vec<_> = fetched.refs.iter().map(|r| (r.name.as_str(), r.commit.to_string())).collect();
        commits.sort();
        assert_eq!(commits, [("a", new.to_string()), ("b", old.to_string())]);
    }

    #[test]
    fn borrowed_objects_are_taken_too() {
        let up = Upstream::new();
        let one = up.simple("one", &[]);
        let borrower = Upstream::new();
        fs::create_dir_all(borrower.path().join("objects/info")).unwrap();
        fs::write(borrower.path().join("objects/info/alternates"), format!("# a comment\n{}\n", up.path().join("objects").display()))
            .unwrap();
        fs::write(borrower.path().join("refs/heads/main"), format!("{one}\n")).unwrap();
        let house = House::new();
        house.accept_all(&house.fetch(&path(&borrower.path())).unwrap());
        drop((up, borrower));
        assert_eq!(house.count_kept(), 3);
    }
}
