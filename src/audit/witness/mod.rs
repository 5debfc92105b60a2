//! Witnesses (C2SP tlog-witness): whoever holds a log to what it once showed.
//!
//! Both sides are here. [`Witness`] is what an agency runs against the vendor: it cosigns a checkpoint only when that
//! extends the last one it cosigned, and it has written that down before it answers. [`Witnesses`] is the log's side: it
//! offers its checkpoints and keeps what a quorum has cosigned (`client.rs` says what it makes of a witness that lies).

mod client;
mod gathering;
mod kept;
mod memory;
mod submission;
mod transport;

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

pub(super) use self::client::Client;
pub use self::client::{WitnessState, Witnesses, Witnessing};
pub use self::gathering::Standing;
pub(super) use self::kept::file as kept_file;
use self::memory::Memory;
pub use self::submission::{LONGEST_SUBMISSION, Submission};
pub use self::transport::{Http, Reply, Transport};
use super::checkpoint::{Checkpoint, Note, NoteError, VerifierKey};
use super::merkle;
use crate::clock::{SharedClock, Timestamp};
use crate::ids::Entropy;

/// The file with the witness's verifier key, in its directory.
pub const VKEY_FILE: &str = "witness.vkey";

/// Why a witness cannot work.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error("another witness is running on {}; stop it, or choose another directory", .0.display())]
    Taken(PathBuf),
    #[error("{}: {found}. {remedy}", path.display())]
    Damaged { path: PathBuf, found: String, remedy: &'static str },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("a witness needs a name when it first starts, one that its operator owns, as in witness.agency.example/lectern")]
    Unnamed,
    #[error(
        "the witness in this directory is named {is:?}, not {wanted:?}; leave the name out, or choose another directory for another witness"
    )]
    OtherName { is: String, wanted: String },
    #[error("{0} is a witness's key (type 04); name the log's, which is of type 01")]
    NoLogKey(String),
    #[error("a witness needs the verifier key of at least one log")]
    NoLog,
    #[error(transparent)]
    Key(#[from] NoteError),
}

/// What a witness answers to a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: its signature lines.
    Cosigned(String),
    /// 400.
    Malformed(String),
    /// 403: no key that is trusted for the origin has signed it, or a signature in its name does not hold.
    Unsigned(String),
    /// 404.
    UnknownLog(String),
    /// 409: the size it cosigned last is another.
    Conflict(u64),
    /// 422: the checkpoint does not extend the one cosigned last.
    Inconsistent(String),
    /// 500: it could not be written down, so nothing was cosigned, nor will anything be until the witness is started again.
    Failed(String),
}

/// What a witness cosigned last of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub checkpoint: Checkpoint,
    /// When, as its cosignature says.
    pub at: Timestamp,
    /// The checkpoint with the log's signature and its own.
    pub note: String,
}

/// A witness with its key and its memory.
pub struct Witness {
    logs: Vec<VerifierKey>,
    memory: Memory,
    clock: SharedClock,
}

impl Witness {
    /// Opens the witness in a directory, which is made with a key of this name when there is none yet. `logs` are the keys
    /// of the logs it cosigns; a log may have several.
    ///
    /// # Errors
    /// When another process runs it, its files cannot be read or written, are damaged or of another name, or no log is named.
    pub fn open(
        directory: &Path,
        name: Option<&str>,
        logs: Vec<VerifierKey>,
        clock: SharedClock,
        entropy: &Entropy,
    ) -> Result<Self, WitnessError> {
        if let Some(other) = logs.iter().find(|k| k.is_witness()) {
            return Err(WitnessError::NoLogKey(other.to_string()));
        }
        if logs.is_empty() {
            return Err(WitnessError::NoLog);
        }
        Ok(Self { logs, memory: Memory::open(directory, name, entropy)?, clock })
    }

    #[must_use]
    pub fn public_key(&self) -> &VerifierKey {
        self.memory.key().public()
    }

    /// The logs that it cosigns.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// What it cosigned last of each log, by origin.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.memory.seen()
    }

    /// What it cosigned last of the log whose origin has this SHA-256, in lower-case hexadecimal.
    #[must_use]
    pub fn latest(&self, origin_hash: &str) -> Option<Seen> {
        self.memory.seen().into_iter().find(|s| hash_of(&s.checkpoint.origin) == origin_hash)
    }

    /// Whether it could not write down what it cosigned, and answers nothing any more.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.memory.failed()
    }

    /// Checks a submission in the specification's order, writes down what is cosigned, and answers.
    #[must_use]
    pub fn add_checkpoint(&self, body: &[u8]) -> Answer {
        // Signatures first and the memory last, so that who has no key of a log never makes others wait.
        self.check(body).unwrap_or_else(|refusal| refusal)
    }

    fn check(&self, body: &[u8]) -> Result<Answer, Answer> {
        let malformed = |why: &dyn std::fmt::Display| Answer::Malformed(why.to_string());
        let text = std::str::from_utf8(body).map_err(|_| malformed(&"the request is not UTF-8"))?;
        let submission: Submission = text.parse().map_err(|why| malformed(&why))?;
        let note: Note = submission.note.parse().map_err(|why| malformed(&why))?;
        let new = Checkpoint::parse(note.text()).map_err(|why| malformed(&why))?;
        let trusted: Vec<VerifierKey> = self.logs.iter().filter(|k| k.name() == new.origin).cloned().collect();
        if trusted.is_empty() {
            return Err(Answer::UnknownLog(format!("this witness does not know the log {:?}", new.origin)));
        }
        let signed = note.verify(&trusted).map_err(|why| Answer::Unsigned(why.to_string()))?;
        let signed = signed.into_iter().map(|(_, signature)| signature.clone()).collect();
        if submission.old > new.size {
            return Err(malformed(&format_args!("the old size {} is larger than the checkpoint's, {}", submission.old, new.size)));
        }
        let text = note.text().to_owned();
        self.memory.advance(&new.origin.clone(), |last| {
            let (size, root) = last.map_or_else(|| (0, merkle::empty_root()), |c| (c.size, c.root));
            if submission.old != size {
                return Err(Answer::Conflict(size));
            }
            if !merkle::extends(size, new.size, &root, &new.root, &submission.proof) || (new.size == 0 && new.root != merkle::empty_root())
            {
                return Err(Answer::Inconsistent(format!(
                    "the checkpoint over {} entries is not shown to extend the one over {size} that this witness cosigned last",
                    new.size
                )));
            }
            let now = u64::try_from(self.clock.now().seconds()).ok().filter(|t| *t > 0);
            let now = now.ok_or_else(|| Answer::Failed("the clock of this witness stands before 1970; set it right".to_owned()))?;
            Ok((new, text, signed, now))
        })
    }
}

/// The name of a log in addresses: the SHA-256 of its origin, in lower-case hexadecimal.
#[must_use]
pub fn hash_of(origin: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(origin))
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Witness({})", self.public_key())
    }
}

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod tests;
