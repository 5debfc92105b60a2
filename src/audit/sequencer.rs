//! The one task that appends. It takes whoever waits, up to a bound, into one transaction, and answers them when it is
//! durable. After an error nobody is answered from that transaction and it is not tried again.
//!
//! What follows depends on what the error proves.
//!
//! - **Storage failed** (SQLite's `IOERR`, `CORRUPT`, `NOTADB`; PostgreSQL's `io_error`, `data_corrupted`, `index_corrupted`): the log is
//!   *poisoned* until the process ends. After a failed write-back the system may keep pages in memory that it holds for written; another
//!   sync says that all is well, and whatever is read back to check comes from that memory. So nothing is appended and nothing more is
//!   signed. The next start writes what the write-ahead log holds anew, syncs that, and verifies everything.
//! - **A write was refused** (full disk, read-only, busy, a constraint or trigger): the log is *suspended* and opens by itself. Nothing is
//!   half done: the head moves only when a commit succeeds, SQLite publishes a commit to other connections only after its sync, and the
//!   frames of one that failed are written again by the next, which makes them dirty again. (A full disk that is noticed only by the sync is
//!   reported as `IOERR`, and poisons.)
//! - **The server was lost, before or during a commit**: *suspended*. Whether it committed is unknown, and nobody was told that it did. PostgreSQL
//!   shows others only what it has synced, ends itself when a sync fails, and replays its own log: what a new connection finds is durable.
//! - **It took too long**: *suspended* at once. On SQLite the write is waited for to its end, since it may still fail, and nobody else
//!   would hear of that; on PostgreSQL the connection is given up, as above.
//! - **What is found contradicts what was seen** (fewer entries, another root): the log is *broken*, for people to look at.
//!
//! Opening by itself means: a new connection locked the head, followed the entries from what this process had verified to there,
//! found that they hash to it, and committed a write.

use std::pin::pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::checkpoint::VerifierKey;
use super::event::Sealed;
use super::listing::{ASKED_BATCH, BATCH, LARGEST_BATCH};
use super::merkle::{Frontier, Hash};
use super::receipt::Receipt;
use super::store::{self, Head, Writer};
use super::{AuditError, Health, LogUnavailable, Shared, durable_file, opening};
use crate::database::{DatabaseError, Kind, Tx};

/// How long a commit may take before the log is suspended. Those who wait have left before, at their deadline.
const COMMIT: Duration = Duration::from_secs(15);
/// Pauses between attempts to open a suspended log.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The least time between two writings of the checkpoint file.
const CHECKPOINTS: Duration = Duration::from_secs(1);

/// How long nobody has appended when entries are listed that nobody asked for yet; half as long when so many more are behind, and so on.
const QUIET: Duration = Duration::from_millis(25);
const HURRIED: u64 = 1024;

pub(super) enum Message {
    Append(Job),
    /// Answered when the first `size` entries are listed.
    List {
        size: u64,
        done: oneshot::Sender<Result<(), AuditError>>,
    },
    Close(oneshot::Sender<()>),
}

/// Somebody who waits for entries to become durable.
pub(super) struct Job {
    pub(super) entries: Vec<Sealed>,
    pub(super) reply: oneshot::Sender<Result<Vec<Receipt>, LogUnavailable>>,
}

/// Those who wait, and those who have asked for the log to be closed.
struct Line {
    queue: mpsc::Receiver<Message>,
    closing: Vec<oneshot::Sender<()>>,
    asking: Vec<(u64, oneshot::Sender<Result<(), AuditError>>)>,
    /// Nobody has appended for a while.
    quiet: bool,
    /// An entry could not be listed: it is not tried again until somebody asks.
    unlistable: bool,
}

impl Line {
    /// How long to wait for messages before entries are listed; `None` when there is nothing to list.
    fn until_listing(&self, behind: u64) -> Option<Duration> {
        if !self.asking.is_empty() {
            Some(Duration::ZERO)
        } else if behind == 0 || self.unlistable {
            None
        } else {
            let times = u32::try_from(1 + behind / HURRIED).unwrap_or(u32::MAX);
            Some(if self.quiet { Duration::ZERO } else { QUIET / times })
        }
    }

    /// Whether those who append wait until entries are listed.
    fn lists_now(&self, behind: u64, most_behind: u64) -> bool {
        !self.asking.is_empty() || behind > most_behind && !self.unlistable
    }

    /// Takes messages in; returns those that append.
    fn sort(&mut self, messages: &mut Vec<Message>) -> Vec<Job> {
        let mut jobs = Vec::new();
        for message in messages.drain(..) {
            match message {
                // Who has left has been told that nothing was recorded, and was shown nothing.
                Message::Append(job) if job.reply.is_closed() => {}
                Message::Append(job) => jobs.push(job),
                Message::List { size, done } => self.asking.push((size, done)),
                Message::Close(done) => {
                    self.queue.close();
                    self.closing.push(done);
                }
            }
        }
        jobs
    }
}

pub(super) async fn run(shared: Arc<Shared>, queue: mpsc::Receiver<Message>) {
    let mut writer = Writer::new(&shared.database);
    let mut pause = SHORTEST_PAUSE;
    let mut line = Line { queue, closing: Vec::new(), asking: Vec::new(), quiet: false, unlistable: false };
    let mut messages = Vec::new();
    loop {
        let wait = line.until_listing(shared.behind());
        let received = line.queue.recv_many(&mut messages, shared.settings.group.max(1));
        let received = match wait {
            Some(quiet) => timeout(quiet, received).await.ok(),
            None => Some(received.await),
        };
        if received == Some(0) {
            break;
        }
        let jobs = line.sort(&mut messages);
        let appending: usize = jobs.iter().map(|job| job.entries.len()).sum();
        line.quiet = received.is_none() || line.quiet && jobs.is_empty();
        let appended = jobs.is_empty() || shared.append_group(&mut writer, jobs, &mut line).await;
        let lists = appended && (received.is_none() || line.lists_now(shared.behind(), shared.settings.behind));
        let listed = !lists || shared.list(&mut writer, &mut line, 2 * appending as u64).await;
        if appended && listed {
            pause = SHORTEST_PAUSE;
        } else {
            writer.abandon();
            shared.refuse_waiting(&mut line);
            shared.reopen(&mut writer, &mut line, &mut pause).await;
        }
    }
    shared.set_health(Health::Closed);
    if let Err(error) = shared.write_checkpoint_file().await {
        tracing::warn!(%error, "the last checkpoint was not kept");
    }
    for done in line.closing {
        // Whoever closed the log need not wait for it.
        let _ = done.send(());
    }
}

/// Keeps the last signed checkpoint outside the database, at most once a second, until the log is gone.
pub(super) async fn keep_checkpoint(log: Weak<Shared>) {
    loop {
        let Some(shared) = log.upgrade() else { return };
        let moved = Arc::clone(&shared.moved);
        drop(shared);
        moved.notified().await;
        sleep(CHECKPOINTS).await;
        let Some(shared) = log.upgrade() else { return };
        if let Err(error) = shared.write_checkpoint_file().await {
            tracing::warn!(%error, "the checkpoint was not kept; it is tried again after the next entry");
        }
    }
}

impl Shared {
    /// One transaction for all, and an answer to each. Whether it was committed; an error suspends the log.
    async fn append_group(&self, writer: &mut Writer, jobs: Vec<Job>, line: &mut Line) -> bool {
        let mut entries = Vec::new();
        let mut waiting = Vec::with_capacity(jobs.len());
        for job in jobs {
            waiting.push((job.entries.len(), job.reply));
            entries.extend(job.entries);
        }
        let outcome = match self.writable() {
            Ok(()) => self.patiently(self.commit_group(writer, &entries), line).await,
            // Another's commit failed since they were let in.
            Err(refusal) => Err(refusal.into()),
        };
        let mut receipts = match outcome {
            Ok(receipts) => receipts.into_iter(),
            Err(error) => {
                // First, so that whoever is refused finds the log in the state that refused them.
                self.suspend(&error);
                for (_, reply) in waiting {
                    // Who has left is not told.
                    let _ = reply.send(Err(LogUnavailable::Suspended(error.to_string())));
                }
                return false;
            }
        };
        for (count, reply) in waiting {
            let _ = reply.send(Ok(receipts.by_ref().take(count).collect()));
        }
        true
    }

    /// Lists a batch of entries, so many or a few more, and answers who waited for those. Whether the log can go on; an error suspends it, but for one of a single entry.
    async fn list(&self, writer: &mut Writer, line: &mut Line, least: u64) -> bool {
        let most = least.clamp(if line.asking.is_empty() { BATCH } else { ASKED_BATCH }, LARGEST_BATCH);
        match self.patiently(self.list_batch(writer, most), line).await {
            Ok(many) => {
                line.unlistable = false;
                let listed = self.listed();
                // A batch that is empty is the last.
                for (_, done) in line.asking.extract_if(.., |(size, _)| *size <= listed || many == 0) {
                    // Who has left is not told.
                    let _ = done.send(Ok(()));
                }
                true
            }
            Err(error @ AuditError::Entry { .. }) => {
                tracing::error!(%error, "the auditors' listing ends before this entry");
                line.unlistable = true;
                // Its transaction would hold the head until the connection is used again.
                writer.abandon();
                for (_, done) in line.asking.drain(..) {
                    let _ = done.send(Err(opening::refuse(error.to_string())));
                }
                true
            }
            Err(error) => {
                self.suspend(&error);
                false
            }
        }
    }

    /// Waits for a write. When it takes too long, the log is suspended and the line is sent away meanwhile.
    async fn patiently<T>(&self, work: impl Future<Output = Result<T, AuditError>>, line: &mut Line) -> Result<T, AuditError> {
        *self.writing.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let done = self.patiently_to_its_end(work, line).await;
        *self.writing.lock().unwrap_or_else(PoisonError::into_inner) = None;
        done
    }

    async fn patiently_to_its_end<T>(&self, work: impl Future<Output = Result<T, AuditError>>, line: &mut Line) -> Result<T, AuditError> {
        let mut work = pin!(work);
        if let Ok(done) = timeout(COMMIT, &mut work).await {
            return done;
        }
        self.suspend(&too_slow());
        while self.database.kind() == Kind::Sqlite {
            self.refuse_waiting(line);
            if let Ok(done) = timeout(LONGEST_PAUSE, &mut work).await {
                // That it came to a good end after all is for the next attempt to find out: the log is suspended now.
                return Err(done.err().filter(is_final).unwrap_or_else(too_slow));
            }
        }
        Err(too_slow())
    }

    pub(super) async fn commit_group(&self, writer: &mut Writer, entries: &[Sealed]) -> Result<Vec<Receipt>, AuditError> {
        let mut tx = writer.begin(&self.database).await?;
        let (receipts, frontier) = self.append_to(&mut tx, entries).await?;
        store::commit_group(tx).await?;
        self.saw(frontier);
        self.moved.notify_one();
        Ok(receipts)
    }

    /// Appends within somebody else's transaction, which may be rolled back.
    pub(super) async fn append_in(&self, tx: &mut Tx, entries: Vec<Sealed>) -> Result<Vec<Receipt>, LogUnavailable> {
        match timeout(self.settings.deadline, self.append_to(tx, &entries)).await {
            Ok(Ok((receipts, _))) => {
                self.moved.notify_one();
                Ok(receipts)
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "an entry was not appended, and what it belongs to is given up");
                if is_final(&error) {
                    self.suspend(&error);
                }
                Err(LogUnavailable::Suspended(error.to_string()))
            }
            Err(_) => Err(LogUnavailable::Late),
        }
    }

    async fn append_to(&self, tx: &mut store::Connection, entries: &[Sealed]) -> Result<(Vec<Receipt>, Frontier), AuditError> {
        // Before the head is locked, so that it cannot be ahead of it; and nearly always it is the head.
        let mut seen = self.verified();
        let mut grown = Grown::from(&seen, entries);
        if !store::move_head(tx, &seen, &grown.frontier).await? {
            let head = store::lock_head(tx).await?;
            seen = extend(tx, seen, &head, self.key.public()).await?;
            grown = Grown::from(&seen, entries);
            was_there(store::move_head(tx, &seen, &grown.frontier).await?)?;
        }
        let first = seen.size();
        let Grown { frontier, nodes } = grown;
        store::insert_entries(tx, first, entries).await?;
        store::insert_nodes(tx, &nodes).await?;
        let checkpoint = frontier.size();
        let receipts = (first..).zip(entries).map(|(index, s)| Receipt { index, leaf: s.leaf, checkpoint }).collect();
        Ok((receipts, frontier))
    }

    /// The committed tree's right edge, after making sure that it extends what this process has seen.
    pub(super) async fn committed(&self) -> Result<Frontier, AuditError> {
        let verified = self.verified();
        self.notice_fault();
        if let Health::Poisoned { .. } = self.health_now() {
            // What can be read beyond this may be nowhere but in memory.
            return Ok(verified);
        }
        let head = store::head(&self.database).await?;
        let extended = if Head::of(&verified) == head {
            Ok(verified)
        } else {
            extend(&mut *store::reader(&self.database).await?, verified, &head, self.key.public()).await
        };
        match extended {
            Ok(frontier) => {
                self.saw(frontier.clone());
                Ok(frontier)
            }
            Err(error) => {
                if is_final(&error) {
                    self.suspend(&error);
                }
                Err(error)
            }
        }
    }

    /// Remembers a committed tree.
    pub(super) fn saw(&self, frontier: Frontier) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if frontier.size() > verified.size() {
            *verified = frontier;
        }
    }

    fn health_now(&self) -> Health {
        self.health.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_health(&self, health: Health) {
        let mut now = self.health.write().unwrap_or_else(PoisonError::into_inner);
        *now = match (&*now, health) {
            // A contradiction is not forgotten, nor is a failure of storage; and what lasts began when it was first seen.
            (Health::Broken { .. }, _) => return,
            (Health::Poisoned { .. }, health) if !matches!(health, Health::Broken { .. }) => return,
            (Health::Suspended { since, .. }, Health::Suspended { why, .. }) => Health::Suspended { since: *since, why },
            (_, health) => health,
        };
    }

    /// Poisons the log when storage failed under any commit of this process.
    pub(super) fn notice_fault(&self) {
        let known = || matches!(self.health_now(), Health::Poisoned { .. } | Health::Broken { .. });
        if let Some(why) = self.database.fault().filter(|_| !known()) {
            self.set_health(Health::Poisoned { since: self.clock.now(), why: why.to_owned() });
            self.raise_alarm();
        }
    }

    pub(super) fn suspend(&self, error: &AuditError) {
        let since = self.clock.now();
        let why = error.to_string();
        self.set_health(match error {
            AuditError::Inconsistent { .. } => Health::Broken { since, why },
            AuditError::Database(error) if error.is_storage_failure() => Health::Poisoned { since, why },
            _ => Health::Suspended { since, why },
        });
        self.raise_alarm();
    }

    /// Tells the operator, in one line.
    fn raise_alarm(&self) {
        if let Some(alarm) = self.health_now().alarm() {
            let since = alarm.since.map(|since| since.to_string());
            let (why, remedy) = (alarm.why.unwrap_or_default(), alarm.remedy);
            tracing::error!(since, why, remedy, "ALARM: {}", alarm.what);
        }
    }

    /// Answers those who wait that nothing was recorded.
    fn refuse_waiting(&self, line: &mut Line) {
        let refusal = self.writable().err().unwrap_or(LogUnavailable::Closed);
        let mut messages = Vec::new();
        while let Ok(message) = line.queue.try_recv() {
            messages.push(message);
        }
        for job in line.sort(&mut messages) {
            // Who has left is not told.
            let _ = job.reply.send(Err(refusal.clone()));
        }
        for (_, done) in line.asking.drain(..) {
            let _ = done.send(Err(refusal.clone().into()));
        }
    }

    /// Waits until the log can be written again. Returns at once from a log that nobody holds any more, when all that is left is to
    /// refuse; of one that is poisoned or broken nothing else is done until then.
    async fn reopen(&self, writer: &mut Writer, line: &mut Line, pause: &mut Duration) {
        while matches!(self.writable(), Err(LogUnavailable::Suspended(_))) && !line.queue.is_closed() {
            sleep(*pause).await;
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            if let Health::Suspended { .. } = self.health_now() {
                match self.patiently(self.probe(writer), line).await {
                    Ok(size) => {
                        tracing::warn!(size, "the audit log can be written again, and nothing acknowledged is missing");
                        self.set_health(Health::Open);
                    }
                    Err(error) => {
                        writer.abandon();
                        self.suspend(&error);
                    }
                }
            }
            if self.writable().is_err() {
                self.refuse_waiting(line);
            }
        }
    }

    /// Whether a new connection can write, and finds what was acknowledged.
    async fn probe(&self, writer: &mut Writer) -> Result<u64, AuditError> {
        store::drop_idle(&self.database).await;
        let verified = self.verified();
        let mut tx = writer.begin(&self.database).await?;
        let head = store::lock_head(&mut tx).await?;
        let frontier = extend(&mut tx, verified, &head, self.key.public()).await?;
        let size = frontier.size();
        // To where it is: a write, as an entry would be.
        was_there(store::move_head(&mut tx, &frontier, &frontier).await?)?;
        store::commit_group(tx).await?;
        self.saw(frontier);
        Ok(size)
    }

    /// Writes the checkpoint file, unless it says as much already.
    pub(super) async fn write_checkpoint_file(&self) -> Result<(), AuditError> {
        let (size, note) = self.checkpoint().await?;
        let file = self.settings.checkpoint_file.clone();
        let keys = self.key.keys().clone();
        let written = tokio::task::spawn_blocking(move || {
            let kept = opening::read_checkpoint(&file, &keys)?;
            if kept.is_some_and(|k| k.size >= size) {
                return Ok(());
            }
            durable_file::replace(&file, note.as_bytes()).map_err(|e| super::keys::file_error(&file, e))
        });
        written.await.unwrap_or_else(|e| Err(opening::refuse(format!("the checkpoint file was not written: {e}"))))
    }
}

/// A tree with more entries.
struct Grown {
    frontier: Frontier,
    /// The nodes of tiles that they completed: level, number and hash.
    nodes: Vec<(u32, u64, Hash)>,
}

impl Grown {
    fn from(seen: &Frontier, entries: &[Sealed]) -> Self {
        let mut frontier = seen.clone();
        let mut nodes = Vec::new();
        for sealed in entries {
            frontier.push(sealed.leaf, |node, hash| {
                if let Some(level) = node.tile_level() {
                    nodes.push((level, node.index, *hash));
                }
            });
        }
        Self { frontier, nodes }
    }
}

/// Follows the tree from what was verified to the head, by its entries.
pub(super) async fn extend(on: &mut store::Connection, verified: Frontier, head: &Head, key: &VerifierKey) -> Result<Frontier, AuditError> {
    let mut frontier = verified;
    if head.size < frontier.size() {
        let (is, was) = (head.size, frontier.size());
        return Err(opening::refuse(format!("the log has {is} entries, and had {was} before")));
    }
    while frontier.size() < head.size {
        // What this process appends itself is not read back here: another one has changed the key.
        if opening::replay(on, &mut frontier, head.size).await?.key_changed.is_some() {
            return Err(opening::other_key(key));
        }
    }
    if Head::of(&frontier) == *head {
        Ok(frontier)
    } else {
        Err(opening::refuse(format!("the head of the log does not fit its {} entries", head.size)))
    }
}

/// That the head was where it had been locked.
fn was_there(moved: bool) -> Result<(), AuditError> {
    if moved { Ok(()) } else { Err(opening::refuse("the head of the log moved while it was locked".to_owned())) }
}

/// Whether an error is one that the log does not open by itself after.
fn is_final(error: &AuditError) -> bool {
    match error {
        AuditError::Inconsistent { .. } => true,
        AuditError::Database(error) => error.is_storage_failure(),
        _ => false,
    }
}

fn too_slow() -> AuditError {
    let late = std::io::Error::new(std::io::ErrorKind::TimedOut, format!("the database did not answer in {} seconds", COMMIT.as_secs()));
    AuditError::Database(DatabaseError::Sql(late.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_waits_for_a_pause_but_not_for_ever() {
        let mut line = Line { queue: mpsc::channel(1).1, closing: Vec::new(), asking: Vec::new(), quiet: false, unlistable: false };
        assert_eq!(line.until_listing(0), None);
        assert_eq!(line.until_listing(1), Some(QUIET));
        assert_eq!(line.until_listing(4 * HURRIED), Some(QUIET / 5));
        assert!(!line.lists_now(100, 100) && line.lists_now(101, 100));
        line.quiet = true;
        assert_eq!(line.until_listing(1), Some(Duration::ZERO));
        line.unlistable = true;
        assert!(line.until_listing(1).is_none() && !line.lists_now(101, 100));
        line.asking.push((1, oneshot::channel().0));
        assert!(line.lists_now(0, 100) && line.until_listing(0) == Some(Duration::ZERO));
    }
}
