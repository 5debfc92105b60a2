//! What a ref stands for, and which refs a mirror has accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use super::quarantine::replace;
use super::{FetchError, Mirror, disk};
use crate::source::tree::{ObjectId, commit_links};

/// Keeps an accepted commit, whatever becomes of the ref it came by.
const COMMITS: &str = "refs/lectern/commits/";
/// What an accepted ref pointed at: `refs/lectern/known/tags/v1.0`.
const KNOWN: &str = "refs/lectern/known/";
/// Tags of tags of tags.
const TAGS_DEEP: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefKind {
    Tag,
    Branch,
}

/// The kind of a signature that is there. It has not been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureKind {
    OpenPgp,
    Ssh,
    X509,
}

/// A tag or branch that leads to a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    pub kind: RefKind,
    /// Short: `v1.0`, not `refs/tags/v1.0`.
    pub name: String,
    pub commit: ObjectId,
    /// The tag object of an annotated tag.
    pub tag: Option<ObjectId>,
    /// On the annotated tag; for others, on the commit.
    pub signature: Option<SignatureKind>,
    /// Seconds since the epoch: when it was tagged, else when committed.
    pub time: i64,
    /// First line of the tag's message, else of the commit's; at most 200 characters.
    pub subject: String,
}

impl Ref {
    #[must_use]
    pub fn annotated(&self) -> bool {
        self.tag.is_some()
    }

    /// The object the ref itself names.
    #[must_use]
    pub fn target(&self) -> ObjectId {
        self.tag.unwrap_or(self.commit)
    }

    /// `refs/tags/v1.0`
    #[must_use]
    pub fn full_name(&self) -> String {
        match self.kind {
            RefKind::Tag => format!("refs/tags/{}", self.name),
            RefKind::Branch => format!("refs/heads/{}", self.name),
        }
    }
}

/// A wanted ref that cannot become a version, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// In full; bytes that are not UTF-8 as `\xE9`.
    pub name: String,
    pub reason: String,
}

/// Takes `refs/tags/v1.0` apart.
pub(super) fn split_name(full: &str) -> Option<(RefKind, &str)> {
    full.strip_prefix("refs/tags/")
        .map(|name| (RefKind::Tag, name))
        .or_else(|| full.strip_prefix("refs/heads/").map(|name| (RefKind::Branch, name)))
}

/// Follows a ref to its commit. The inner error is a reason to skip it.
pub(super) fn describe(odb: &Odb<'_>, full: &str, target: ObjectId) -> Result<Result<Ref, String>, git2::Error> {
    let Some((kind, name)) = split_name(full) else { return Ok(Err("it is neither tag nor branch".to_owned())) };
    let mut tag: Option<(ObjectId, Text)> = None;
    let mut at = target;
    for _ in 0..=TAGS_DEEP {
        let oid = Oid::from_bytes(at.bytes())?;
        match header(odb, oid)?.1 {
            ObjectType::Commit => {
                let commit = Text::of(odb.read(oid)?.data(), "committer ");
                let of = tag.as_ref().map_or(&commit, |(_, text)| text);
                return Ok(Ok(Ref {
                    kind,
                    name: name.to_owned(),
                    commit: at,
                    tag: tag.as_ref().map(|(id, _)| *id),
                    signature: of.signature,
                    // Old tags name no tagger.
                    time: of.time.or(commit.time).unwrap_or(0),
                    subject: of.subject.clone(),
                }));
            }
            ObjectType::Tag => {
                let object = odb.read(oid)?;
                let Some(next) = tagged(object.data()) else { return Ok(Err("its tag object is damaged".to_owned())) };
                let text = Text::of(object.data(), "tagger ");
                tag.get_or_insert((at, text));
                at = next;
            }
            ObjectType::Tree => return Ok(Err("it points at a directory, not at a commit".to_owned())),
            ObjectType::Blob => return Ok(Err("it points at a file, not at a commit".to_owned())),
            ObjectType::Any => return Ok(Err("it points at no known kind of object".to_owned())),
        }
    }
    Ok(Err(format!("it is a tag of a tag more than {TAGS_DEEP} deep")))
}

/// The object a tag object names.
pub(super) fn tagged(tag: &[u8]) -> Option<ObjectId> {
    let line = tag.split(|&b| b == b'\n').next()?;
    ObjectId::parse(std::str::from_utf8(line.strip_prefix(b"object ")?).ok()?)
}

/// What a tag or commit says of itself.
struct Text {
    time: Option<i64>,
    subject: String,
    signature: Option<SignatureKind>,
}

impl Text {
    fn of(object: &[u8], person: &str) -> Self {
        let split = object.windows(2).position(|pair| pair == b"\n\n");
        let (headers, message) = match split {
            Some(at) => (object.get(..at).unwrap_or(object), object.get(at + 2..).unwrap_or_default()),
            None => (object, &b""[..]),
        };
        let mut time = None;
        let mut signature = None;
        for line in headers.split(|&b| b == b'\n') {
            if let Some(who) = line.strip_prefix(person.as_bytes()) {
                let mut words = who.rsplit(|&b| b == b' ');
                let seconds = words.nth(1).and_then(|w| std::str::from_utf8(w).ok());
                time = seconds.and_then(|s| s.parse().ok());
            }
            if let Some(value) = line.strip_prefix(b"gpgsig ") {
                signature = signature.or_else(|| signature_kind(value));
            }
        }
        // A tag carries its signature at the end of its message.
        if person == "tagger " {
            signature = message.split(|&b| b == b'\n').find_map(signature_kind);
        }
        let first = message.split(|&b| b == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
        let subject =
            if signature_kind(first).is_some() { String::new() } else { String::from_utf8_lossy(first).trim().chars().take(200).collect() };
        Self { time, subject, signature }
    }
}

fn signature_kind(line: &[u8]) -> Option<SignatureKind> {
    [
        (&b"-----BEGIN PGP SIGNATURE-----"[..], SignatureKind::OpenPgp),
        (b"-----BEGIN PGP MESSAGE-----", SignatureKind::OpenPgp),
        (b"-----BEGIN SSH SIGNATURE-----", SignatureKind::Ssh),
        (b"-----BEGIN SIGNED MESSAGE-----", SignatureKind::X509),
    ]
    .into_iter()
    .find_map(|(begin, kind)| line.starts_with(begin).then_some(kind))
}

/// What a mirror has accepted so far.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    /// Full ref name to what it pointed at.
    pub(super) known: BTreeMap<String, ObjectId>,
    pub(super) commits: BTreeSet<ObjectId>,
}

impl Accepted {
    pub(super) fn read(mirror: &Mirror, repository: &Repository) -> Result<Self, FetchError> {
        let mut accepted = Self::default();
        for (name, id) in all(mirror, repository)? {
            if name.starts_with(COMMITS) {
                accepted.commits.insert(id);
            } else if let Some(short) = name.strip_prefix(KNOWN) {
                let full = match short.strip_prefix("tags/") {
                    Some(tag) => format!("refs/tags/{tag}"),
                    None => format!("refs/{short}"),
                };
                accepted.known.insert(full, id);
            }
        }
        Ok(accepted)
    }
}

fn all(mirror: &Mirror, repository: &Repository) -> Result<BTreeMap<String, ObjectId>, FetchError> {
    let damaged = |e: git2::Error| FetchError::Mirror { path: mirror.dir(), why: e.message().to_owned() };
    let mut refs = BTreeMap::new();
    for reference in repository.references().map_err(damaged)? {
        let reference = reference.map_err(damaged)?;
        if let (Ok(name), Some(id)) = (std::str::from_utf8(reference.name_bytes()), reference.target())
            && let Some(id) = ObjectId::from_bytes(id.as_bytes())
        {
            refs.insert(name.to_owned(), id);
        }
    }
    Ok(refs)
}

/// Writes down that `refs` are accepted: their commits are kept for ever, and the next fetch compares with them.
pub(super) fn accept(mirror: &Mirror, repository: &Repository, refs: &[&Ref]) -> Result<(), FetchError> {
    let odb = repository.odb().map_err(|e| FetchError::Mirror { path: mirror.dir(), why: e.message().to_owned() })?;
    let mut refs_now = all(mirror, repository)?;
    for accepted in refs {
        for (kind, id) in [("commit", Some(accepted.commit)), ("tag", accepted.tag)] {
            let Some(id) = id else { continue };
            let object = Oid::from_bytes(id.bytes()).and_then(|oid| odb.read(oid));
            let fits = object.as_ref().is_ok_and(|o| o.kind().str() == kind && (kind != "commit" || commit_links(o.data()).is_some()));
            if !fits {
                return Err(FetchError::Mirror { path: mirror.dir(), why: format!("it lacks the {kind} {id} of {}", accepted.name) });
            }
        }
        refs_now.insert(format!("{COMMITS}{}", accepted.commit), accepted.commit);
        if let Some(tag) = accepted.tag {
            refs_now.insert(format!("refs/lectern/tags/{tag}"), tag);
        }
        let full = accepted.full_name();
        let known = full.strip_prefix("refs/").unwrap_or(&full);
        refs_now.insert(format!("{KNOWN}{known}"), accepted.target());
    }
    // One file for all, put in place at once: a thousand refs of their own would be a thousand files to make durable.
    let mut text = String::from("# pack-refs with: sorted \n");
    for (name, id) in &refs_now {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{id} {name}");
    }
    replace(&mirror.dir().join("packed-refs"), text.as_bytes()).map_err(disk("writing the mirror's refs"))
}

/// Size and kind of an object. `Odb::read_header` panics when a damaged pack states a kind that does not exist.
pub(super) fn header(odb: &Odb<'_>, id: Oid) -> Result<(u64, ObjectType), git2::Error> {
    catch_unwind(AssertUnwindSafe(|| odb.read_header(id)))
        .unwrap_or_else(|_| Err(git2::Error::from_str("it states a kind of object that does not exist")))
        .map(|(size, kind)| (size as u64, kind))
}

/// Whether the error says that an object is not there.
pub(super) fn is_missing(error: &git2::Error) -> bool {
    error.code() == ErrorCode::NotFound
}
