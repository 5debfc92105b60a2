//! The corpora: unpacked trees, and repositories of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

const PACKED: &str = "/usr/src/linux-source-6.1.tar.xz";
const RELEASES: usize = 52;

/// Files on disk, and a repository with a tag at them.
pub(crate) struct Corpus {
    pub(crate) name: &'static str,
    pub(crate) tree: PathBuf,
    pub(crate) repository: PathBuf,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Files in which other programs count other lines than those of the text, each with the reason.
    pub(crate) apart: BTreeMap<Vec<u8>, &'static str>,
}

/// The tree of Linux: unpacked already, or unpacked now. `None` when there is none.
pub(crate) fn linux(given: Option<&Path>, dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    let packed = given.unwrap_or(Path::new(PACKED));
    if packed.is_dir() {
        return Ok(Some(fs::canonicalize(packed)?));
    }
    if !packed.is_file() {
        if given.is_some() {
            bail!("{} is neither a directory nor a file", packed.display());
        }
        return Ok(None);
    }
    let tree = dir.join("linux/tree");
    if !tree.is_dir() {
        let new = dir.join("linux/tree.new");
        empty(&new)?;
        call(Command::new("tar").args(["--strip-components=1", "-xf"]).arg(packed).arg("-C").arg(&new))?;
        fs::rename(new, &tree)?;
    }
    Ok(Some(tree))
}

/// Every fifth file of a tree, in the order of their paths, as a tree of its own.
pub(crate) fn fifth(of: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let tree = dir.join("subset/tree");
    if !tree.is_dir() {
        let new = dir.join("subset/tree.new");
        empty(&new)?;
        let listed = files(of)?;
        for (path, _) in listed.iter().filter(|(_, link)| !link).skip(4).step_by(5) {
            let path = Path::new(OsStr::from_bytes(path));
            let copy = new.join(path);
            fs::create_dir_all(copy.parent().context("a file without a directory")?)?;
            fs::copy(of.join(path), copy)?;
        }
        fs::rename(new, &tree)?;
    }
    Ok(tree)
}

impl Corpus {
    /// Makes the repository unless it is there already.
    pub(crate) fn new(name: &'static str, tree: PathBuf, dir: &Path) -> anyhow::Result<Self> {
        let repository = dir.join(name).join("repository.git");
        if !repository.is_dir() {
            let new = dir.join(name).join("repository.new");
            empty(&new)?;
            let git = |args: &[&str]| call(Command::new("git").arg("--git-dir").arg(&new).arg("--work-tree").arg(&tree).args(args));
            call(Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&new))?;
            for (key, value) in [
                ("core.bare", "false"),
                ("core.autocrlf", "false"),
                ("gc.auto", "0"),
                ("user.name", "Bench"),
                ("user.email", "bench@vendor.example"),
            ] {
                git(&["config", key, value])?;
            }
            // What the tree's own rules for git would leave out or convert is wanted as it is.
            fs::create_dir_all(new.join("info"))?;
            fs::write(new.join("info/attributes"), "* -text -ident -filter\n")?;
            git(&["add", "-A", "-f", "."])?;
            git(&["commit", "-q", "-m", "As it was unpacked"])?;
            git(&["tag", "v1.0"])?;
            fs::rename(new, &repository)?;
        }
        let listed = files(&tree)?;
        let mut apart = BTreeMap::new();
        let mut bytes = 0;
        for (path, link) in &listed {
            let full = tree.join(OsStr::from_bytes(path));
            if *link {
                apart.insert(path.clone(), "a symbolic link");
                continue;
            }
            let text = fs::read(&full).with_context(|| full.display().to_string())?;
            bytes += text.len() as u64;
            if let Some(reason) = reason(&text) {
                apart.insert(path.clone(), reason);
            }
        }
        Ok(Self { name, tree, repository, files: listed.len() as u64, bytes, apart })
    }
}

/// Why lines of this file are not the same for everybody.
fn reason(bytes: &[u8]) -> Option<&'static str> {
    if bytes.contains(&0) {
        Some("holds NUL bytes")
    } else if bytes.starts_with(b"\xef\xbb\xbf") {
        Some("begins with a byte order mark")
    } else if std::str::from_utf8(bytes).is_err() {
        Some("is not UTF-8")
    } else {
        None
    }
}

/// Paths of files and symbolic links below a directory, in the order of their bytes, without git's own.
fn files(tree: &Path) -> anyhow::Result<Vec<(Vec<u8>, bool)>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(tree.join(&directory)).with_context(|| directory.display().to_string())? {
            let entry = entry?;
            let (path, kind) = (directory.join(entry.file_name()), entry.file_type()?);
            if kind.is_dir() {
                if entry.file_name() != ".git" {
                    waiting.push(path);
                }
            } else {
                found.push((path.as_os_str().as_bytes().to_vec(), kind.is_symlink()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The newest releases of git that begin a line (`v2.45.0`), newest first.
pub(crate) fn releases(repository: &Path) -> anyhow::Result<Vec<String>> {
    let repository = git2::Repository::open(repository).with_context(|| repository.display().to_string())?;
    let mut found = Vec::new();
    for name in repository.tag_names(Some("v*.0"))?.iter().flatten().flatten() {
        let numbers: Option<Vec<u32>> = name.trim_start_matches('v').split('.').map(|number| number.parse().ok()).collect();
        if let Some(numbers) = numbers.filter(|numbers| numbers.len() == 3 && *numbers >= vec![1, 8, 0]) {
            found.push((numbers, name.to_owned()));
        }
    }
    found.sort();
    found.reverse();
    found.truncate(RELEASES);
    if found.len() < 2 {
        bail!("the repository named with --git has no releases of git");
    }
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

/// A repository with the trees of these tags of another, newest first: each a commit of its own, upon the one before.
pub(crate) fn without_history(of: &Path, tags: &[String], dir: &Path) -> anyhow::Result<PathBuf> {
    let repository = dir.join("releases/repository.git");
    if repository.is_dir() {
        return Ok(repository);
    }
    let new = dir.join("releases/repository.new");
    empty(&new)?;
    call(Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&new))?;
    let objects = git2::Repository::open(of).with_context(|| of.display().to_string())?.path().join("objects");
    fs::create_dir_all(new.join("objects/info"))?;
    fs::write(new.join("objects/info/alternates"), format!("{}\n", fs::canonicalize(objects)?.display()))?;
    let made = git2::Repository::open(&new)?;
    let from = git2::Repository::open(of)?;
    let mut before: Option<git2::Oid> = None;
    // Times that rise, so that the order of versions does not hang on their names alone.
    for (number, tag) in (0..).zip(tags.iter().rev()) {
        let tree = from.revparse_single(&format!("refs/tags/{tag}^{{tree}}"))?.id();
        let who = git2::Signature::new("Bench", "bench@vendor.example", &git2::Time::new(1_600_000_000 + number * 86_400, 0))?;
        let parent = before.map(|id| made.find_commit(id)).transpose()?;
        let commit = made.commit(None, &who, &who, tag, &made.find_tree(tree)?, &parent.iter().collect::<Vec<_>>())?;
        made.reference(&format!("refs/tags/{tag}"), commit, false, "made")?;
        before = Some(commit);
    }
    // Their objects alone, in a pack of its own.
    let names = dir.join("releases/tags");
    fs::write(&names, format!("refs/tags/{}\n", tags.join("\nrefs/tags/")))?;
    let mut pack = Command::new("git");
    pack.arg("--git-dir").arg(&new).args(["pack-objects", "-q", "--revs"]).arg(new.join("objects/pack/pack"));
    let packed = pack.stdin(fs::File::open(&names)?).stdout(Stdio::null()).status().context("git could not be started")?;
    if !packed.success() {
        bail!("git failed: {packed}");
    }
    for loose in fs::read_dir(new.join("objects"))? {
        let loose = loose?;
        if loose.file_name().len() == 2 {
            fs::remove_dir_all(loose.path())?;
        }
    }
    fs::remove_file(new.join("objects/info/alternates"))?;
    fs::rename(new, &repository)?;
    Ok(repository)
}

fn empty(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    Ok(fs::create_dir_all(directory)?)
}

fn call(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().with_context(|| format!("{program} could not be started"))?;
    if status.success() { Ok(()) } else { bail!("{program} failed: {status}") }
}
