//! The one task that appends. It takes whoever waits, up to a bound, into one transaction, and answers them when it is
//! durable. After an error nobody is answered from that transaction and it is not tried again: the log is suspended, and
//! opens by itself only when a new connection finds what was acknowledged still there.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::event::Sealed;
use super::merkle::Frontier;
use super::receipt::Receipt;
use super::store::{self, Head, Writer};
use super::{AuditError, Health, LogUnavailable, Shared, durable_file, opening};
use crate::database::{DatabaseError, Tx};

/// How long a commit may take before the connection is given up. Those who wait have left long before.
const COMMIT: Duration = Duration::from_secs(30);
/// Pauses between attempts to open a suspended log.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The least time between two writings of the checkpoint file.
const CHECKPOINTS: Duration = Duration::from_secs(1);

pub(super) enum Message {
    Append(Job),
    Close(oneshot::Sender<()>),
}

/// Somebody who waits for entries to become durable.
pub(super) struct Job {
    pub(super) entries: Vec<Sealed>,
    pub(super) reply: oneshot::Sender<Result<Vec<Receipt>, LogUnavailable>>,
}

pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Message>) {
    let mut writer = Writer::new(&shared.database);
    let mut pause = SHORTEST_PAUSE;
    let mut closing = Vec::new();
    let mut messages = Vec::new();
    while queue.recv_many(&mut messages, shared.settings.group.max(1)).await > 0 {
        let mut jobs = Vec::new();
        for message in messages.drain(..) {
            match message {
                // Who has left has been told that nothing was recorded, and was shown nothing.
                Message::Append(job) if job.reply.is_closed() => {}
                Message::Append(job) => jobs.push(job),
                Message::Close(done) => {
                    queue.close();
                    closing.push(done);
                }
            }
        }
        if jobs.is_empty() {
            continue;
        }
        if shared.append_group(&mut writer, jobs).await {
            pause = SHORTEST_PAUSE;
        } else {
            writer.abandon();
            shared.refuse_waiting(&mut queue, &mut closing);
            shared.reopen(&mut writer, &mut queue, &mut closing, &mut pause).await;
        }
    }
    shared.set_health(Health::Closed);
    if let Err(error) = shared.write_checkpoint_file().await {
        tracing::warn!(%error, "the last checkpoint was not kept");
    }
    for done in closing {
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
    async fn append_group(&self, writer: &mut Writer, jobs: Vec<Job>) -> bool {
        let mut entries = Vec::new();
        let mut waiting = Vec::with_capacity(jobs.len());
        for job in jobs {
            waiting.push((job.entries.len(), job.reply));
            entries.extend(job.entries);
        }
        let outcome = timeout(COMMIT, self.commit_group(writer, &entries)).await.unwrap_or_else(|_| Err(too_slow()));
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

    pub(super) async fn commit_group(&self, writer: &mut Writer, entries: &[Sealed]) -> Result<Vec<Receipt>, AuditError> {
        let mut tx = writer.begin(&self.database).await?;
        let (receipts, frontier) = self.append_to(&mut tx, entries).await?;
        store::commit(tx).await?;
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
                if let AuditError::Inconsistent { .. } = error {
                    self.suspend(&error);
                }
                Err(LogUnavailable::Suspended(error.to_string()))
            }
            Err(_) => Err(LogUnavailable::Late),
        }
    }

    async fn append_to(&self, tx: &mut store::Connection, entries: &[Sealed]) -> Result<(Vec<Receipt>, Frontier), AuditError> {
        // Before the head is read, so that it cannot be ahead of it.
        let verified = self.verified();
        let head = store::lock_head(tx).await?;
        let mut frontier = extend(tx, verified, &head).await?;
        let first = frontier.size();
        let mut nodes = Vec::new();
        for sealed in entries {
            frontier.push(sealed.leaf, |node, hash| {
                if let Some(level) = node.tile_level() {
                    nodes.push((level, node.index, *hash));
                }
            });
        }
        store::insert_entries(tx, first, entries).await?;
        store::insert_nodes(tx, &nodes).await?;
        store::move_head(tx, first, &frontier).await?;
        let checkpoint = frontier.size();
        let receipts = (first..).zip(entries).map(|(index, s)| Receipt { index, leaf: s.leaf, checkpoint }).collect();
        Ok((receipts, frontier))
    }

    /// The committed tree's right edge, after making sure that it extends what this process has seen.
    pub(super) async fn committed(&self) -> Result<Frontier, AuditError> {
        let verified = self.verified();
        let head = store::head(&self.database).await?;
        let extended = if Head::of(&verified) == head {
            Ok(verified)
        } else {
            extend(&mut *store::reader(&self.database).await?, verified, &head).await
        };
        match extended {
            Ok(frontier) => {
                self.saw(frontier.clone());
                Ok(frontier)
            }
            Err(error) => {
                if let AuditError::Inconsistent { .. } = error {
                    self.suspend(&error);
                }
                Err(error)
            }
        }
    }

    /// Remembers a committed tree.
    fn saw(&self, frontier: Frontier) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if frontier.size() > verified.size() {
            *verified = frontier;
        }
    }

    fn set_health(&self, health: Health) {
        let mut now = self.health.write().unwrap_or_else(PoisonError::into_inner);
        // A contradiction is not forgotten.
        if !matches!(*now, Health::Broken { .. }) {
            *now = health;
        }
    }

    fn suspend(&self, error: &AuditError) {
        let since = self.clock.now();
        let why = error.to_string();
        if let AuditError::Inconsistent { .. } = error {
            tracing::error!(%error, "THE AUDIT LOG IS BROKEN: nothing is recorded and no source is shown until it is mended");
            self.set_health(Health::Broken { since, why });
        } else {
            tracing::error!(%error, "the audit log cannot be written: no source is shown until it can");
            self.set_health(Health::Suspended { since, why });
        }
    }

    /// Answers those who wait that nothing was recorded.
    fn refuse_waiting(&self, queue: &mut mpsc::Receiver<Message>, closing: &mut Vec<oneshot::Sender<()>>) {
        let refusal = self.writable().err().unwrap_or(LogUnavailable::Closed);
        while let Ok(message) = queue.try_recv() {
            match message {
                Message::Append(job) => {
                    // Who has left is not told.
                    let _ = job.reply.send(Err(refusal.clone()));
                }
                Message::Close(done) => {
                    queue.close();
                    closing.push(done);
                }
            }
        }
    }

    /// Waits until the log can be written again. Returns at once from a log that is broken or that nobody holds any more,
    /// when all that is left is to refuse.
    async fn reopen(
        &self,
        writer: &mut Writer,
        queue: &mut mpsc::Receiver<Message>,
        closing: &mut Vec<oneshot::Sender<()>>,
        pause: &mut Duration,
    ) {
        while matches!(self.writable(), Err(LogUnavailable::Suspended(_))) && !queue.is_closed() {
            sleep(*pause).await;
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            let broken = matches!(*self.health.read().unwrap_or_else(PoisonError::into_inner), Health::Broken { .. });
            if !broken {
                match timeout(COMMIT, self.probe(writer)).await.unwrap_or_else(|_| Err(too_slow())) {
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
            self.refuse_waiting_unless_open(queue, closing);
        }
    }

    fn refuse_waiting_unless_open(&self, queue: &mut mpsc::Receiver<Message>, closing: &mut Vec<oneshot::Sender<()>>) {
        if self.writable().is_err() {
            self.refuse_waiting(queue, closing);
        }
    }

    /// Whether a new connection can write, and finds what was acknowledged.
    async fn probe(&self, writer: &mut Writer) -> Result<u64, AuditError> {
        store::drop_idle(&self.database).await;
        let verified = self.verified();
        let mut tx = writer.begin(&self.database).await?;
        let head = store::lock_head(&mut tx).await?;
        let frontier = extend(&mut tx, verified, &head).await?;
        store::commit(tx).await?;
        let size = frontier.size();
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

/// Follows the tree from what was verified to the head, by its entries.
async fn extend(on: &mut store::Connection, verified: Frontier, head: &Head) -> Result<Frontier, AuditError> {
    let mut frontier = verified;
    if head.size < frontier.size() {
        let (is, was) = (head.size, frontier.size());
        return Err(opening::refuse(format!("the log has {is} entries, and had {was} before")));
    }
    while frontier.size() < head.size {
        opening::replay(on, &mut frontier, head.size).await?;
    }
    if Head::of(&frontier) == *head {
        Ok(frontier)
    } else {
        Err(opening::refuse(format!("the head of the log does not fit its {} entries", head.size)))
    }
}

fn too_slow() -> AuditError {
    let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "the database did not answer in 30 seconds");
    AuditError::Database(DatabaseError::Sql(late.into()))
}
