//! The log: what happened, in a Merkle tree that only grows (RFC 6962; C2SP tlog-tiles, signed-note, tlog-checkpoint).
//!
//! - [`Log::record`] gives out a [`Recorded`] only when the entries about its subject are durable; whatever needs to have
//!   been recorded asks for that type. The log may say more than happened (a read that then failed), never less.
//! - A checkpoint is signed only over committed entries, and only when it extends every one this process signed before.
//! - What is stored is not taken on trust: on start the tree is recomputed and held against the checkpoint kept outside the
//!   database; a group of entries is appended only to a head that extends the last one seen.
//! - When the log cannot be written, everyone who waits for it gets [`LogUnavailable`] within the deadline. After a failure of
//!   storage nothing is written or signed any more until a restart has verified everything.
//!
//! Several processes may append to one database: the head's lock orders them.
//!
//! What a verifier needs (tree, notes, tiles, proofs, and the verification itself) is a package of its own, `verify/`, which
//! knows nothing of portals; it is named here as if it stood here.

mod artefacts;
mod durable_file;
mod entry;
pub mod event;
mod export;
mod health;
mod keys;
mod kind;
mod listing;
mod opening;
mod outgoing;
mod query;
mod receipt;
mod receipts;
mod sequencer;
mod snapshot;
mod store;
mod usage;
pub mod witness;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot};

pub use lectern_verify::artefacts::{ArtefactError, Artefacts, Directory, Lines, PERSONAL_FILE, VKEY_FILE};
pub use lectern_verify::entry::EntryError;
pub use lectern_verify::proof::{EXTENSION as PROOF_EXTENSION, Proof, ProofError, read_proofs};
pub use lectern_verify::{checkpoint, command, fsck, handover, merkle, policy, tiles};

pub use self::artefacts::{Own, Portal};
pub use self::checkpoint::{Checkpoint, Note, NoteError, VerifierKey};
pub use self::entry::Entry;
use self::event::Sealed;
pub use self::event::{Actor, Basis, Context, Draft, DraftError, Kind, Outcome, PathText, Personal, Place, Shown};
pub use self::export::{Format, ROW_NAMES, csv_field, csv_header, csv_line, export, jsonl_line};
pub use self::health::{Alarm, Health};
pub use self::keys::{LogKey, read_public};
use self::merkle::Frontier;
use self::opening::Verified;
pub use self::query::{Filter, Page};
pub use self::receipt::Receipt;
pub use self::receipts::{ReceiptBundle, Refusals};
use self::sequencer::{Job, Message};
pub use self::snapshot::{Rebuild, Stand, stand, verify_loaded};
pub use self::usage::{Refused, Usage, Use};
use crate::clock::SharedClock;
use crate::database::{Database, DatabaseError, Tx};
use crate::ids::{Entropy, RequestId};

/// Why something could not be recorded. Whatever was to be shown must not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogUnavailable {
    #[error("too many are waiting for the audit log")]
    Busy,
    #[error("the audit log did not answer in time")]
    Late,
    #[error("the audit log cannot be written: {0}")]
    Suspended(String),
    #[error("the audit log is closed")]
    Closed,
    /// Only what shows source is refused for this.
    #[error("no quorum of witnesses has cosigned the last {entries} entries of the audit log, the first of them {seconds} seconds old")]
    Unwitnessed { entries: u64, seconds: u64 },
    #[error(transparent)]
    Draft(#[from] DraftError),
}

/// What is wrong with the log, its key or its files.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Unavailable(#[from] LogUnavailable),
    #[error("the audit log does not hold: {found}. {remedy}.")]
    Inconsistent { found: String, remedy: String },
    #[error("entry {index} of the audit log: {source}")]
    Entry { index: u64, source: EntryError },
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the trust policy does not fit this log: {0}")]
    Policy(String),
}

/// How the log runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long somebody waits for an entry to become durable.
    pub deadline: Duration,
    /// How many may wait at a time.
    pub queue: usize,
    /// How many of those who wait are served by one commit.
    pub group: usize,
    /// How many entries the auditors' listing may be behind before those who append wait for it.
    pub behind: u64,
    /// Where the last signed checkpoint is kept, outside the database (`DATA/checkpoint`).
    pub checkpoint_file: PathBuf,
    /// Who cosigns checkpoints, when somebody must. What they cosigned is kept beside the checkpoint, in `witnessed`.
    pub witnesses: Option<witness::Witnesses>,
}

impl Settings {
    /// Two seconds, 4,096 waiting, 256 to a commit, 262,144 not listed.
    #[must_use]
    pub fn new(checkpoint_file: PathBuf) -> Self {
        Self { deadline: Duration::from_secs(2), queue: 4096, group: 256, behind: 1 << 18, checkpoint_file, witnesses: None }
    }
}

/// Something that is recorded when it happens.
pub trait Recordable {
    /// The entries that say so; at least one.
    fn drafts(&self) -> Vec<Draft>;
}

/// Proof that the entries about `T` are durable. One record, one use: it cannot be copied.
#[must_use]
#[derive(Debug)]
pub struct Recorded<T> {
    subject: T,
    receipts: Vec<Receipt>,
}

impl<T> Recorded<T> {
    pub fn get(&self) -> &T {
        &self.subject
    }

    /// The receipt of the first entry about it.
    pub fn receipt(&self) -> Receipt {
        *self.receipts.first().expect("Log::record refuses a subject without entries")
    }

    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Gives up the proof.
    pub fn into_parts(self) -> (T, Vec<Receipt>) {
        (self.subject, self.receipts)
    }
}

/// The log. Clones are the same log.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Message>,
}

/// What the log's tasks and its callers share.
struct Shared {
    database: Database,
    key: LogKey,
    clock: SharedClock,
    entropy: Entropy,
    settings: Settings,
    /// The right edge of the committed tree as far as this process has verified it.
    verified: Mutex<Frontier>,
    health: RwLock<Health>,
    /// When the write under way was begun.
    writing: Mutex<Option<Instant>>,
    /// How many entries are known to be listed for auditors.
    listed: AtomicU64,
    /// The checkpoint signed last, by its size.
    signed: Mutex<Option<(u64, String)>>,
    /// The tree may have grown.
    moved: Arc<Notify>,
    /// What is gathered from witnesses, when any are asked for.
    client: Option<witness::Client>,
}

impl Log {
    /// Opens the log: verifies all of it, then starts the task that appends to it.
    ///
    /// # Errors
    /// When the database cannot be read, or what is stored does not hold or does not extend the last signed checkpoint.
    pub async fn open(
        database: Database,
        key: LogKey,
        clock: SharedClock,
        entropy: Entropy,
        settings: Settings,
    ) -> Result<Self, AuditError> {
        store::create_head(&database).await?;
        let file = &settings.checkpoint_file;
        let signed = opening::read_checkpoint(file, key.keys())?;
        let Verified { frontier, key_changed } = opening::verify_all(&mut *store::reader(&database).await?, signed.as_ref()).await?;
        let size = frontier.size();
        if signed.is_none() {
            if size > 0 {
                return Err(opening::missing_checkpoint(file, size));
            }
            // From here on there always is one, so that a missing one means something.
            let empty = Checkpoint { origin: key.public().name().to_owned(), size, root: frontier.root() };
            durable_file::replace(file, empty.sign(key.signer()).to_string().as_bytes()).map_err(|e| keys::file_error(file, e))?;
        }
        let client = match &settings.witnesses {
            Some(witnesses) => witness::Client::new(witnesses, witness::kept_file(file), &key)?,
            None => None,
        };
        let listed = listing::store::listed(&mut *store::reader(&database).await?).await?;
        let (queue, waiting) = mpsc::channel(settings.queue.max(1));
        let shared = Arc::new(Shared {
            database,
            key,
            clock,
            entropy,
            settings,
            verified: Mutex::new(frontier),
            health: RwLock::new(Health::Open),
            writing: Mutex::new(None),
            listed: AtomicU64::new(listed),
            signed: Mutex::new(None),
            moved: Arc::new(Notify::new()),
            client,
        });
        if let Some(index) = key_changed {
            shared.check_key(index).await?;
        }
        shared.check_kept().await?;
        if size == 0 {
            shared.write_first_entry().await?;
        }
        tokio::spawn(sequencer::run(Arc::clone(&shared), waiting));
        tokio::spawn(sequencer::keep_checkpoint(Arc::downgrade(&shared)));
        Ok(Self { shared, queue })
    }

    /// Appends one entry and returns when it is durable.
    ///
    /// # Errors
    /// When it could not be made durable in time. It may still come to stand in the log.
    pub async fn append(&self, draft: Draft, context: &Context) -> Result<Receipt, LogUnavailable> {
        let receipts = self.append_all(vec![draft], context).await?;
        receipts.first().copied().ok_or(LogUnavailable::Draft(DraftError::Nothing))
    }

    /// Appends several entries, all or none, and returns when they are durable.
    ///
    /// # Errors
    /// As [`Log::append`]; also when there is none to append.
    pub async fn append_all(&self, drafts: Vec<Draft>, context: &Context) -> Result<Vec<Receipt>, LogUnavailable> {
        let entries = self.shared.seal(drafts, context)?;
        self.shared.writable()?;
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Message::Append(Job { entries, reply })).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => LogUnavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => LogUnavailable::Closed,
        })?;
        match tokio::time::timeout(self.shared.settings.deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LogUnavailable::Closed),
            Err(_) => Err(LogUnavailable::Late),
        }
    }

    /// Appends one entry within a transaction: the entry stands when it commits, together with the rest of it, and not
    /// otherwise. Until it ends nobody else can append, so keep the rest before this call and do not wait in between;
    /// [`Log::append`] from within would wait for itself, until the deadline.
    ///
    /// # Errors
    /// When the log is not open or the entry could not be written. Give the transaction up then.
    pub async fn append_in(&self, tx: &mut Tx, draft: Draft, context: &Context) -> Result<Receipt, LogUnavailable> {
        let entries = self.shared.seal(vec![draft], context)?;
        self.shared.writable()?;
        let receipts = self.shared.append_in(tx, entries).await?;
        receipts.first().copied().ok_or(LogUnavailable::Draft(DraftError::Nothing))
    }

    /// Commits a transaction with the entry that tells of it: neither stands without the other.
    ///
    /// # Errors
    /// As [`Log::append_in`]; also when the transaction was not committed, or nobody can tell.
    pub async fn commit<E>(&self, mut tx: Tx, draft: Draft, context: &Context) -> Result<(), E>
    where
        E: From<LogUnavailable> + From<DatabaseError>,
    {
        self.append_in(&mut tx, draft, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// As [`Log::append_in`], for several entries at once.
    ///
    /// # Errors
    /// As [`Log::append_in`]; also when there is none to append.
    pub async fn append_all_in(&self, tx: &mut Tx, drafts: Vec<Draft>, context: &Context) -> Result<Vec<Receipt>, LogUnavailable> {
        let entries = self.shared.seal(drafts, context)?;
        self.shared.writable()?;
        self.shared.append_in(tx, entries).await
    }

    /// Records a subject, and hands it back as recorded when its entries are durable.
    ///
    /// # Errors
    /// As [`Log::append_all`]; also when witnesses must cosign the log and have not for longer than is allowed.
    pub async fn record<T: Recordable>(&self, subject: T, context: &Context) -> Result<Recorded<T>, LogUnavailable> {
        self.shared.writable()?;
        self.shared.check_witnessed().await?;
        let receipts = self.append_all(subject.drafts(), context).await?;
        Ok(Recorded { subject, receipts })
    }

    /// Whether entries can be appended.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.notice_fault();
        let health = self.shared.health();
        // Without the task that appends nothing is, whatever it said last.
        if health == Health::Open && self.queue.is_closed() { Health::Closed } else { health }
    }

    /// Whether a write has been under way for longer than anybody waits for an entry. The log may not be suspended yet.
    #[must_use]
    pub fn is_late(&self) -> bool {
        let writing = self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
        writing.is_some_and(|since| since.elapsed() > self.shared.settings.deadline)
    }

    /// The key that this log's checkpoints are verified with.
    #[must_use]
    pub fn public_key(&self) -> &VerifierKey {
        self.shared.key.public()
    }

    /// Serves those who wait, keeps the last checkpoint, and takes no more entries.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // When the task is gone already, so is what it would have done.
            let _ = closed.await;
        }
    }
}

impl Shared {
    async fn write_first_entry(&self) -> Result<(), AuditError> {
        let key = self.key.public();
        let draft = Draft::new(Kind::LogOpened, Outcome::Done).fact("origin", key.name()).fact("key", key.to_string());
        let context = Context::internal(RequestId::random(&self.entropy));
        let entries = self.seal(vec![draft], &context).map_err(LogUnavailable::from)?;
        self.commit_group(&mut store::Writer::new(&self.database), &entries).await?;
        Ok(())
    }

    fn seal(&self, drafts: Vec<Draft>, context: &Context) -> Result<Vec<Sealed>, DraftError> {
        if drafts.is_empty() {
            return Err(DraftError::Nothing);
        }
        let now = self.clock.now();
        drafts.into_iter().map(|d| d.seal(context, now, &self.entropy)).collect()
    }

    fn writable(&self) -> Result<(), LogUnavailable> {
        self.notice_fault();
        match &*self.health.read().unwrap_or_else(PoisonError::into_inner) {
            Health::Open => Ok(()),
            Health::Suspended { why, .. } | Health::Poisoned { why, .. } | Health::Broken { why, .. } => {
                Err(LogUnavailable::Suspended(why.clone()))
            }
            Health::Closed => Err(LogUnavailable::Closed),
        }
    }

    fn health(&self) -> Health {
        self.health.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn verified(&self) -> Frontier {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The task that keeps the checkpoint waits for this and finds that the log is gone.
        self.moved.notify_one();
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({})", self.public_key().name())
    }
}

#[cfg(test)]
mod failing_tests;
#[cfg(test)]
mod outside_tests;
#[cfg(test)]
mod tests;
