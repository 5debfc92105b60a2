//! The log's key in its files: `log.key`, which only the portal may read; `log.vkey`, which everyone should have; and
//! `handovers`, by which a verifier follows it when it was changed.
//!
//! A change of key is made of steps that can each be the last before a crash: the new key is written beside the old one
//! (`log.key.next`); an entry says that it comes; the hand-over, signed by both, is kept; the new key takes the old one's place.
//! Until the hand-over is kept the old key goes on; from then on opening the keys finishes what was left.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::checkpoint::{SignerKey, VerifierKey};
use super::handover::{HANDOVERS_FILE, Handover, HandoverError, Keys, read_handovers};
use super::store;
use super::{AuditError, Checkpoint, Context, Draft, Entry, Kind, Log, NoteError, Outcome, Shared, VKEY_FILE, durable_file, opening};
use crate::ids::Entropy;

const SECRET: &str = "log.key";
const NEXT: &str = "log.key.next";

/// The key that signs checkpoints, and those before it. Its name is the log's origin.
#[derive(Clone, Debug)]
pub struct LogKey {
    signer: SignerKey,
    keys: Keys,
    /// As they are published, oldest first.
    handovers: String,
    /// The key that a change has made which is not finished.
    next: Option<VerifierKey>,
}

impl LogKey {
    /// A key that no other was before.
    ///
    /// # Errors
    /// When the name is empty or holds a space or `+`.
    pub fn new(origin: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Ok(Self::of(SignerKey::new(origin, seed)?, String::new(), &[]))
    }

    /// The key in `directory` (`DATA/keys`), made with this origin when there is none yet.
    ///
    /// # Errors
    /// When the files cannot be read or written, or the key that is there has another origin.
    pub fn open_or_create(directory: &Path, origin: &str, entropy: &Entropy) -> Result<Self, AuditError> {
        fs::create_dir_all(directory).map_err(|e| file_error(directory, e))?;
        make_unless_there(&directory.join(SECRET), origin, entropy)?;
        finish_change(directory)?;
        let key = Self::read(directory)?;
        if key.public().name() != origin {
            let (path, is, wanted) = (directory.join(SECRET), key.public().name(), origin);
            return Err(AuditError::Inconsistent {
                found: format!("the key in {} is that of the log {is:?}, and the origin is set to {wanted:?}", path.display()),
                remedy: format!("set the origin back to {is:?}: a log keeps its name for as long as it lives"),
            });
        }
        let public = directory.join(VKEY_FILE);
        let text = format!("{}\n", key.public());
        if fs::read(&public).ok().as_deref() != Some(text.as_bytes()) {
            durable_file::replace(&public, text.as_bytes()).map_err(|e| file_error(&public, e))?;
        }
        Ok(key)
    }

    /// The key in `directory`.
    ///
    /// # Errors
    /// When there is none, or a file holds something else.
    pub fn read(directory: &Path) -> Result<Self, AuditError> {
        let signer = read_secret(&directory.join(SECRET))?;
        let (text, handovers) = handovers(directory)?;
        let next = directory.join(NEXT);
        let next = if next.exists() { Some(read_secret(&next)?.public().clone()) } else { None };
        if let Some(last) = handovers.last()
            && last.new != *signer.public()
        {
            return Err(AuditError::Inconsistent {
                found: format!("{} ends with a hand-over to {}, and the key beside it is {}", HANDOVERS_FILE, last.new, signer.public()),
                remedy: format!("Put {SECRET} and {HANDOVERS_FILE} back from the same copy of {}", directory.display()),
            });
        }
        Ok(Self { next, ..Self::of(signer, text, &handovers) })
    }

    #[must_use]
    pub fn public(&self) -> &VerifierKey {
        self.signer.public()
    }

    /// It and those before it, as a verifier believes them.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    #[must_use]
    pub fn signer(&self) -> &SignerKey {
        &self.signer
    }

    /// The hand-overs that led to it, as they are published.
    #[must_use]
    pub fn handovers(&self) -> &str {
        &self.handovers
    }

    fn of(signer: SignerKey, handovers: String, read: &[Handover]) -> Self {
        let mut keys = Keys::from(signer.public().clone());
        keys.follow(read);
        Self { signer, keys, handovers, next: None }
    }
}

impl Log {
    /// Gives the log a new key, which the old one vouches for. The log of this process still has the old one: close it without
    /// appending more, and open it anew. No other process may have the log open.
    ///
    /// # Errors
    /// When it could not be recorded, or the files not be written. Then the old key still stands, unless the hand-over was kept.
    pub async fn change_key(&self, directory: &Path, entropy: &Entropy, context: &Context) -> Result<VerifierKey, AuditError> {
        let next = directory.join(NEXT);
        make_unless_there(&next, self.public_key().name(), entropy)?;
        let new = read_secret(&next)?;
        let draft =
            Draft::new(Kind::LogKeyChanged, Outcome::Done).fact("old", self.public_key().to_string()).fact("new", new.public().to_string());
        self.append(draft, context).await?;
        let frontier = self.shared.committed().await?;
        let checkpoint = Checkpoint { origin: self.public_key().name().to_owned(), size: frontier.size(), root: frontier.root() };
        let handover = Handover::sign(checkpoint, self.shared.key.signer(), &new)?;
        let file = directory.join(HANDOVERS_FILE);
        let text = format!("{}{}", self.shared.key.handovers(), handover.note());
        durable_file::replace(&file, text.as_bytes()).map_err(|e| file_error(&file, e))?;
        finish_change(directory)?;
        Ok(new.public().clone())
    }

    /// The hand-overs from one key to the next, as they are published; empty when there was none.
    #[must_use]
    pub fn handovers(&self) -> String {
        self.shared.key.handovers().to_owned()
    }
}

impl Shared {
    /// Refuses a key that the log was changed away from by an entry, its last of that kind.
    pub(super) async fn check_key(&self, index: u64) -> Result<(), AuditError> {
        let mut reader = store::reader(&self.database).await?;
        let Some(last) = store::entries(&mut reader, index, index + 1, 1).await?.pop() else { return Ok(()) };
        let entry = Entry::read(index, last.entry, None).map_err(|source| AuditError::Entry { index, source })?;
        let new = entry.facts.get("new").and_then(|new| new.as_str()).unwrap_or_default();
        let own = [Some(self.key.public()), self.key.next.as_ref()];
        if own.into_iter().flatten().any(|key| key.to_string() == new) { Ok(()) } else { Err(opening::other_key(self.key.public())) }
    }
}

/// The verifier key in `directory`, as [`LogKey::open_or_create`] leaves it there.
///
/// # Errors
/// When there is none, or its file holds something else.
pub fn read_public(directory: &Path) -> Result<VerifierKey, AuditError> {
    let file = directory.join(VKEY_FILE);
    let text = fs::read_to_string(&file).map_err(|e| file_error(&file, e))?;
    Ok(text.parse()?)
}

/// Puts a new key in its place whose hand-over has been kept.
fn finish_change(directory: &Path) -> Result<(), AuditError> {
    let next = directory.join(NEXT);
    if !next.try_exists().map_err(|e| file_error(&next, e))? {
        return Ok(());
    }
    let new = read_secret(&next)?;
    if handovers(directory)?.1.last().is_some_and(|h| h.new == *new.public()) {
        let public = directory.join(VKEY_FILE);
        durable_file::put(&next, &directory.join(SECRET)).map_err(|e| file_error(&next, e))?;
        durable_file::replace(&public, format!("{}\n", new.public()).as_bytes()).map_err(|e| file_error(&public, e))?;
    }
    Ok(())
}

fn handovers(directory: &Path) -> Result<(String, Vec<Handover>), AuditError> {
    let file = directory.join(HANDOVERS_FILE);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        Err(e) => return Err(file_error(&file, e)),
    };
    let handovers = read_handovers(&text).map_err(|e: HandoverError| AuditError::Inconsistent {
        found: format!("{}: {e}", file.display()),
        remedy: "Put it back from the backup, together with the key beside it".to_owned(),
    })?;
    Ok((text, handovers))
}

fn make_unless_there(file: &Path, origin: &str, entropy: &Entropy) -> Result<(), AuditError> {
    if file.try_exists().map_err(|e| file_error(file, e))? {
        return Ok(());
    }
    let text = format!("{}\n", SignerKey::new(origin, &entropy.bytes())?.to_secret_text());
    match durable_file::create(file, text.as_bytes(), 0o600) {
        // Another process was faster: its key is the key.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|e| file_error(file, e)),
    }
}

fn read_secret(file: &Path) -> Result<SignerKey, AuditError> {
    let text = fs::read_to_string(file).map_err(|e| file_error(file, e))?;
    Ok(SignerKey::from_secret_text(&text)?)
}

pub(super) fn file_error(path: &Path, source: io::Error) -> AuditError {
    AuditError::File { path: path.to_owned(), source }
}
