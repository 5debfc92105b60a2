//! Where a fetch lands: a bare repository beside the mirror, `<name>.incoming-<random>`, removed when done with.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use git2::{Repository, RepositoryInitOptions, RepositoryOpenFlags};

use super::{FetchError, Mirror, disk, on_disk};
use crate::ids::Entropy;
use crate::source::read_shallow;
use crate::source::tree::ObjectId;

const MARK: &str = ".incoming-";

/// Held while a mirror is being written; let go when dropped, and by the system when the process ends.
#[derive(Debug)]
pub(super) struct MirrorLock(#[expect(dead_code, reason = "held for its lock")] File);

pub(super) fn lock(mirror: &Mirror) -> Result<MirrorLock, FetchError> {
    fs::create_dir_all(&mirror.mirrors).map_err(disk(format_args!("making {}", mirror.mirrors.display())))?;
    lock_file(&mirror.mirrors, &mirror.name)?.ok_or_else(|| FetchError::Busy { name: mirror.name.clone() })
}

fn lock_file(mirrors: &Path, name: &str) -> Result<Option<MirrorLock>, FetchError> {
    let path = mirrors.join(format!("{name}.lock"));
    let doing = format!("locking {}", path.display());
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(disk(&doing))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(MirrorLock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(why)) => Err(FetchError::Disk { doing, why }),
    }
}

/// Removes what interrupted fetches left in the directory of mirrors; call it at start. Fetches under way are left alone.
///
/// # Errors
/// When the directory cannot be read or cleaned.
pub fn sweep(mirrors: &Path) -> Result<usize, FetchError> {
    let doing = || disk(format!("clearing {} of interrupted fetches", mirrors.display()));
    let mut removed = 0;
    let list = match fs::read_dir(mirrors) {
        Ok(list) => list,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(doing()(e)),
    };
    for entry in list {
        let entry = entry.map_err(doing())?;
        let name = entry.file_name();
        let Some((mirror, _)) = name.to_str().and_then(|n| n.split_once(MARK)) else { continue };
        if let Some(_lock) = lock_file(mirrors, mirror)? {
            fs::remove_dir_all(entry.path()).map_err(doing())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// A quarantine in use.
#[derive(Debug)]
pub(super) struct Quarantine {
    dir: PathBuf,
    nonce: String,
}

impl Quarantine {
    /// An empty one that can read the objects of the directories in `borrow`.
    pub(super) fn new(mirror: &Mirror, borrow: &[PathBuf], entropy: &Entropy) -> Result<Self, FetchError> {
        let nonce = entropy.hex::<8>();
        let dir = mirror.mirrors.join(format!("{}{MARK}{nonce}", mirror.name));
        let quarantine = Self { dir, nonce };
        init(&quarantine.dir)?;
        if !borrow.is_empty() {
            let mut text = Vec::new();
            for dir in borrow {
                let dir = fs::canonicalize(dir).map_err(disk(format_args!("finding {}", dir.display())))?;
                text.extend_from_slice(std::os::unix::ffi::OsStrExt::as_bytes(dir.as_os_str()));
                text.push(b'\n');
            }
            let file = quarantine.objects().join("info/alternates");
            write_new(&file, &text).map_err(disk("making the quarantine"))?;
        }
        Ok(quarantine)
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.dir.join("objects")
    }

    pub(super) fn open(&self) -> Result<Repository, FetchError> {
        open(&self.dir)
    }

    /// Makes refs that tell the other side what is already here, for the negotiation.
    pub(super) fn have(&self, commits: &BTreeSet<ObjectId>) -> Result<(), FetchError> {
        let mut text = String::from("# pack-refs with: sorted \n");
        for id in commits {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{id} refs/have/{id}");
        }
        write_new(&self.dir.join("packed-refs"), text.as_bytes()).map_err(disk("making the quarantine"))
    }

    /// Says where history stops on purpose.
    pub(super) fn set_shallow(&self, commits: &BTreeSet<ObjectId>) -> Result<(), FetchError> {
        write_shallow(&self.dir, commits).map_err(disk("making the quarantine"))
    }

    pub(super) fn shallow(&self) -> Result<BTreeSet<ObjectId>, FetchError> {
        read_shallow(&self.dir).map_err(disk("reading the quarantine"))
    }

    /// Moves what was checked into the mirror: packs, and those loose objects that `wanted` names.
    ///
    /// Each file is durable under its name before the next depends on it, and a pack is there before the index that makes it visible. Cut
    /// short anywhere, the mirror holds some objects more and is otherwise as it was.
    pub(super) fn promote(self, mirror: &Mirror, wanted: &dyn Fn(ObjectId) -> bool) -> Result<(), FetchError> {
        self.move_files(mirror, wanted).map_err(disk("moving what was fetched into the mirror"))
    }

    fn move_files(&self, mirror: &Mirror, wanted: &dyn Fn(ObjectId) -> bool) -> io::Result<()> {
        let from = self.objects();
        let to = mirror.dir().join("objects");
        fs::create_dir_all(to.join("pack"))?;
        for (count, entry) in fs::read_dir(from.join("pack"))?.enumerate() {
            let index = entry?.path();
            let pack = index.with_extension("pack");
            if index.extension() != Some(OsStr::new("idx")) || !pack.is_file() {
                continue;
            }
            let stem = index.file_stem().unwrap_or_default().to_owned();
            let (mut new_pack, mut new_index) = (to.join("pack").join(&stem), to.join("pack").join(&stem));
            if new_index.with_extension("idx").exists() {
                // A pack is named by what it holds or by its bytes, depending on who made it: the same name is no proof.
                new_pack = to.join("pack").join(format!("pack-{}{count:08x}", self.nonce));
                new_index.clone_from(&new_pack);
            }
            for (old, new) in [(pack, new_pack.with_extension("pack")), (index, new_index.with_extension("idx"))] {
                File::open(&old)?.sync_all()?;
                fs::rename(&old, &new)?;
                sync_dir(&to.join("pack"))?;
            }
        }
        for fan in fs::read_dir(&from)? {
            let fan = fan?;
            let name = fan.file_name();
            if name.len() != 2 {
                continue;
            }
            let target = to.join(&name);
            let mut moved = false;
            for entry in fs::read_dir(fan.path())? {
                let entry = entry?;
                let hex = [name.to_string_lossy(), entry.file_name().to_string_lossy()].concat();
                let new = target.join(entry.file_name());
                // Over one of the same name, too: this one was checked just now.
                if ObjectId::parse(&hex).is_some_and(wanted) {
                    fs::create_dir_all(&target)?;
                    File::open(entry.path())?.sync_all()?;
                    fs::rename(entry.path(), new)?;
                    moved = true;
                }
            }
            if moved {
                sync_dir(&target)?;
            }
        }
        let mut shallow = read_shallow(&self.dir)?;
        let before = read_shallow(&mirror.dir())?;
        if !shallow.is_subset(&before) {
            shallow.extend(before);
            write_shallow(&mirror.dir(), &shallow)?;
        }
        sync_dir(&to)
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(dir = %self.dir.display(), %error, "a quarantine stays until the next start");
        }
    }
}

/// Makes the mirror where there is none, complete or not at all.
pub(super) fn ensure(mirror: &Mirror, entropy: &Entropy) -> Result<(), FetchError> {
    let dir = mirror.dir();
    if dir.is_dir() {
        return Ok(());
    }
    let new = Quarantine::new(mirror, &[], entropy)?;
    let doing = || disk(format!("making {}", dir.display()));
    fs::rename(&new.dir, &dir).map_err(doing())?;
    sync_dir(&mirror.mirrors).map_err(doing())
}

pub(super) fn open(dir: &Path) -> Result<Repository, FetchError> {
    let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
    Repository::open_ext(dir, flags, &[] as &[&OsStr]).map_err(|e| match e.code() {
        git2::ErrorCode::Owner => on_disk(format_args!("opening {}", dir.display()), &e),
        _ => FetchError::Mirror { path: dir.to_owned(), why: e.message().to_owned() },
    })
}

fn init(dir: &Path) -> Result<(), FetchError> {
    let mut options = RepositoryInitOptions::new();
    // No template: it could bring hooks and configuration along.
    options.bare(true).no_reinit(true).mkpath(true).external_template(false).initial_head("main");
    let doing = format!("making {}", dir.display());
    Repository::init_opts(dir, &options).map_err(|e| on_disk(&doing, &e))?;
    fs::create_dir_all(dir.join("objects/info")).and_then(|()| fs::create_dir_all(dir.join("objects/pack"))).map_err(disk(doing))
}

fn write_shallow(dir: &Path, commits: &BTreeSet<ObjectId>) -> io::Result<()> {
    if commits.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for id in commits {
        text.push_str(&id.to_string());
        text.push('\n');
    }
    replace(&dir.join("shallow"), text.as_bytes())
}

/// Puts a file in place whole: written beside, made durable, renamed.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
