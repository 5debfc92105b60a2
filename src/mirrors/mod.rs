//! Mirrors: bare copies of the vendor's repositories, and the only way new source comes into the house.
//!
//! A fetch lands in a quarantine, a repository of its own beside the mirror. What arrived is checked object by object from the wanted
//! refs down, and only then are its packs moved over. So a broken, interrupted or malicious fetch leaves the mirror as it was.
//!
//! The mirror's refs say what has been *accepted*, never what upstream has now: each accepted commit has a ref that keeps it, and a
//! tag that upstream moved is reported as moved. Configuration and hooks of a fetched repository are neither read nor run.
//!
//! Deliberately absent: garbage collection (an accepted commit must stay readable for ever) and any run of the `git` program.

mod check;
mod fetch;
#[cfg(test)]
mod fixtures;
mod local;
pub mod naming;
mod plan;
mod quarantine;
mod refs;
mod remote;
mod signed;
mod source;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use fetch::{Fetched, Request};
pub use local::enclosing_repository;
pub use plan::RefChange;
pub use quarantine::sweep;
pub use refs::{Ref, RefKind, SignatureKind, Skipped};
pub use signed::Signed;
pub use source::{Credentials, Source};

use crate::source::tree::{ObjectId, TreeError};

/// The mirror of one product's repository, `<name>.git` in the directory of mirrors.
#[derive(Clone, Debug)]
pub struct Mirror {
    name: String,
    mirrors: PathBuf,
}

impl Mirror {
    /// The mirror `name` in the directory `mirrors`, whether or not it exists yet. `name` is a product's slug.
    ///
    /// # Errors
    /// When `name` could not be a directory's name.
    pub fn at(mirrors: &Path, name: &str) -> Result<Self, FetchError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+".contains(&b);
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.bytes().all(plain) || name.contains(".incoming-") {
            return Err(FetchError::MirrorName { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), mirrors: mirrors.to_owned() })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the bare repository lies.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.mirrors.join(format!("{}.git", self.name))
    }
}

/// What a fetch is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Asking which refs there are.
    Contacting,
    /// Taking in objects. From a local path `done` counts bytes only.
    Receiving,
    /// Working out what was sent as differences.
    Resolving,
    /// Reading what arrived, object by object.
    Checking,
    /// Moving what was checked into the mirror.
    Storing,
}

/// How far a fetch has come within its phase. Totals are 0 while unknown, and may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub phase: Phase,
    /// Objects done.
    pub done: u64,
    pub total: u64,
    /// Bytes done.
    pub bytes: u64,
    pub total_bytes: u64,
}

impl Progress {
    fn start(phase: Phase) -> Self {
        Self { phase, done: 0, total: 0, bytes: 0, total_bytes: 0 }
    }
}

/// Takes progress, many times a second.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress);

/// What went wrong with a mirror and what to do about it, for an administrator.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(
        "{name:?} cannot name a mirror: use up to 100 letters, digits, dots, hyphens, underscores and plus signs, not starting with a dot"
    )]
    MirrorName { name: String },
    #[error(
        "{given:?} is no address of a repository: give an https:// or ssh:// URL, user@host:path, or the path of a repository on this computer"
    )]
    NoAddress { given: String },
    #[error(
        "{given} would be fetched over an unencrypted connection: use https:// or ssh:// (http:// and git:// are taken for this computer only)"
    )]
    Unencrypted { given: String },
    #[error("nothing is at {path:?}: check the spelling, and that the account the portal runs as may enter the directories above it")]
    NoSuchPath { path: PathBuf },
    #[error("{path:?} is not a git repository: give the top directory of a checkout, or a bare repository")]
    NotARepository { path: PathBuf },
    #[error("{path:?} cannot be read ({why}): let the account the portal runs as read it, or give an address it may fetch from")]
    Unreadable { path: PathBuf, why: io::Error },
    #[error(
        "{path:?} keeps its refs in {what}, which cannot be read from a path: serve the repository over https or ssh and give that address"
    )]
    Format { path: PathBuf, what: &'static str },
    #[error("{source_name} names its objects by SHA-256, and only SHA-1 repositories can be mirrored")]
    Sha256 { source_name: String },
    #[error("{source_name} cannot be reached ({why}): check the address, the name service, and whether this computer may connect to it")]
    Unreachable { source_name: String, why: String },
    #[error("{source_name} wants to know who is asking{why}: give {what}")]
    AuthenticationNeeded { source_name: String, what: &'static str, why: &'static str },
    #[error(
        "{source_name} does not prove to be the host it claims ({why}): for ssh add its key to known_hosts after comparing it; for https check its certificate"
    )]
    HostNotTrusted { source_name: String, why: String },
    #[error(
        "there is no repository at {source_name}, or the credentials given may not see it ({why}): check the address and the credentials"
    )]
    NotFound { source_name: String, why: String },
    #[error(
        "{source_name} broke off or sent what is no repository ({why}): nothing was changed; try again, and if it stays so, run git fsck there"
    )]
    Transfer { source_name: String, why: String },
    #[error(
        "{source_name} is incomplete: the {kind} {id}, which {ref_name} needs, is missing there. It may be a partial or broken clone: complete it (git fetch --refetch, git fsck) or give another address"
    )]
    Incomplete { source_name: String, kind: &'static str, id: ObjectId, ref_name: String },
    #[error("{source_name} is damaged: the object {id} cannot be read ({why}). Run git fsck there, or give another address")]
    Damaged { source_name: String, id: ObjectId, why: String },
    #[error("{source_name} holds a directory that cannot be shown safely (tree {id}: {why}); nothing of it was taken")]
    UnsafeTree { source_name: String, id: ObjectId, why: TreeError },
    #[error("{source_name} holds an object of {size} bytes ({id}), and the largest taken has {limit}")]
    TooLarge { source_name: String, id: ObjectId, size: u64, limit: u64 },
    #[error("{source_name} has {count} {what}, and at most {limit} are taken: choose fewer by pattern")]
    TooMany { source_name: String, count: usize, what: &'static str, limit: usize },
    #[error("the fetch was stopped; nothing was changed")]
    Stopped,
    #[error("another fetch into the mirror {name:?} is under way: wait until it ends")]
    Busy { name: String },
    #[error("{doing} failed ({why}): {}", advice(.why))]
    Disk { doing: String, why: io::Error },
    #[error("the mirror {path:?} is damaged ({why}): remove that directory and fetch again")]
    Mirror { path: PathBuf, why: String },
}

fn advice(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full; make room and fetch again",
        io::ErrorKind::PermissionDenied => "the account the portal runs as must own the data directory",
        io::ErrorKind::ReadOnlyFilesystem => "the data directory lies on a file system that is mounted read-only",
        _ => "check the disk the data directory lies on",
    }
}

/// Wraps an I/O error with what was being done, as in `disk("making the quarantine")`.
fn disk(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> FetchError {
    move |why| FetchError::Disk { doing: doing.to_string(), why }
}

/// An error of libgit2 while it worked on our own disk.
fn on_disk(doing: impl fmt::Display, error: &git2::Error) -> FetchError {
    let why = error.message().trim();
    let lower = why.to_ascii_lowercase();
    let kind = if lower.contains("no space left") {
        io::ErrorKind::StorageFull
    } else if error.code() == git2::ErrorCode::Owner || lower.contains("permission denied") {
        io::ErrorKind::PermissionDenied
    } else {
        io::ErrorKind::Other
    };
    FetchError::Disk { doing: doing.to_string(), why: io::Error::new(kind, why.to_owned()) }
}
