//! The log within a snapshot of its database, for a backup; and from rows that are not in a database yet, for a restore.

use std::collections::BTreeMap;

use super::checkpoint::Checkpoint;
use super::entry::Entry;
use super::merkle::{self, Frontier, Hash};
use super::store::{self, Connection};
use super::{AuditError, Log, opening, sequencer};
use crate::database::{Database, Snapshot};

impl Log {
    /// A snapshot of the database, with the checkpoint over exactly the entries in it, and its signed note. It is signed only when it
    /// extends everything that this process verified.
    ///
    /// # Errors
    /// When the database cannot be read, or the log in it does not hold.
    pub async fn snapshot(&self) -> Result<(Snapshot, Checkpoint, String), AuditError> {
        // Before the snapshot is taken, so that it cannot be behind this.
        let verified = self.shared.verified();
        let mut snapshot = self.shared.database.snapshot().await?;
        let head = store::head_on(snapshot.connection()).await?;
        let frontier = sequencer::extend(snapshot.connection(), verified, &head, self.shared.key.public()).await?;
        let origin = self.shared.key.public().name().to_owned();
        let checkpoint = Checkpoint { origin, size: frontier.size(), root: frontier.root() };
        let note = checkpoint.sign(self.shared.key.signer()).to_string();
        Ok((snapshot, checkpoint, note))
    }
}

/// How far a stored log goes, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    pub size: u64,
    pub root: Vec<u8>,
}

/// How far the log in a database goes, as its head says: nothing of it is verified.
///
/// # Errors
/// When the database cannot be read.
pub async fn stand(database: &Database) -> Result<Stand, AuditError> {
    store::create_head(database).await?;
    let head = store::head(database).await?;
    let last = store::last_index(&mut *store::reader(database).await?).await?;
    // Entries beyond the head would be lost like any others.
    Ok(Stand { size: head.size.max(last.map_or(0, |index| index.saturating_add(1))), root: head.root })
}

/// Verifies all of a log that was just loaded, in the transaction that loads it, and that it is the one the checkpoint was signed
/// over, no more and no less.
///
/// # Errors
/// When the database cannot be read, or the log in it does not hold.
pub async fn verify_loaded(on: &mut Connection, checkpoint: &Checkpoint) -> Result<(), AuditError> {
    let frontier = opening::verify_all(on, Some(checkpoint)).await?.frontier;
    if frontier.size() == checkpoint.size {
        return Ok(());
    }
    let (is, says) = (frontier.size(), checkpoint.size);
    Err(opening::refuse(format!("the log has {is} entries, and its checkpoint is over {says}")))
}

/// A tree built from entries that are given in order, and the roots it had on the way.
#[derive(Debug)]
pub struct Rebuild {
    frontier: Frontier,
    roots: BTreeMap<u64, Option<Hash>>,
}

impl Rebuild {
    /// Keeps the roots over the first entries, for each of these numbers.
    #[must_use]
    pub fn keeping(sizes: impl IntoIterator<Item = u64>) -> Self {
        let mut built = Self { frontier: Frontier::new(), roots: sizes.into_iter().map(|size| (size, None)).collect() };
        built.keep();
        built
    }

    /// Adds an entry after checking it, its hash, and the personal part beside it.
    ///
    /// # Errors
    /// When it is not the next one, is not in its form, or they do not fit each other.
    pub fn push(&mut self, index: i64, leaf: &[u8], entry: Vec<u8>, personal: Option<String>) -> Result<(), AuditError> {
        let next = self.frontier.size();
        if u64::try_from(index) != Ok(next) {
            return Err(opening::refuse(format!("the entry {next} is missing")));
        }
        if merkle::leaf(&entry) != leaf {
            return Err(opening::refuse(format!("the entry {next} is not the one that was hashed")));
        }
        let entry = Entry::read(next, entry, personal).map_err(|source| AuditError::Entry { index: next, source })?;
        self.frontier.push(entry.leaf, |_, _| {});
        self.keep();
        Ok(())
    }

    /// The roots that were to be kept, after holding the whole against the checkpoint over it; those of greater sizes are absent.
    ///
    /// # Errors
    /// When the checkpoint is over something else.
    pub fn finish(self, checkpoint: &Checkpoint) -> Result<BTreeMap<u64, Hash>, AuditError> {
        let (size, root) = (self.frontier.size(), self.frontier.root());
        if size != checkpoint.size {
            return Err(opening::refuse(format!("there are {size} entries, and the checkpoint is over {}", checkpoint.size)));
        }
        if root != checkpoint.root {
            return Err(opening::refuse(format!("the {size} entries are not those that the checkpoint was signed over")));
        }
        Ok(self.roots.into_iter().filter_map(|(size, root)| Some((size, root?))).collect())
    }

    fn keep(&mut self) {
        if let Some(root) = self.roots.get_mut(&self.frontier.size()) {
            *root = Some(self.frontier.root());
        }
    }
}
