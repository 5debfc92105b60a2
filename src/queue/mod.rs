//! Work to be done apart from a request, kept in the database, so that what was asked for survives a restart. A job's payload
//! is the id of what it is about: what it does is decided from the facts when it runs.

mod store;

use std::time::Duration;

use crate::clock::{SharedClock, Timestamp};
use crate::database::{Database, DatabaseError, Tx};
use crate::ids::{Entropy, JobId};

/// Tries before a job is given up.
const TRIES: i64 = 5;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Fetch a product's source, publish what is new, and index it.
    Synchronise,
    /// Bring a product's index to what is published now.
    Index,
    /// Check the signatures of a product's versions anew.
    Signatures,
}

impl Task {
    const ALL: [Self; 3] = [Self::Synchronise, Self::Index, Self::Signatures];

    fn as_str(self) -> &'static str {
        match self {
            Self::Synchronise => "synchronise",
            Self::Index => "index",
            Self::Signatures => "signatures",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.as_str() == text)
    }
}

/// A job that was claimed: nobody else works on it.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: JobId,
    pub task: Task,
    /// The id of what it is about.
    pub subject: String,
    /// With this one.
    pub attempts: i64,
}

/// A job that waits or runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub running: bool,
    /// When it is taken up, while it waits.
    pub after: Timestamp,
    /// Why it failed, where it did and is tried again.
    pub problem: Option<String>,
    /// As was last noted, while it runs.
    pub progress: Option<String>,
}

#[derive(Clone)]
pub struct Queue {
    database: Database,
    clock: SharedClock,
    entropy: Entropy,
}

impl Queue {
    #[must_use]
    pub fn new(database: Database, clock: SharedClock, entropy: Entropy) -> Self {
        Self { database, clock, entropy }
    }

    /// Adds a job within the caller's transaction; the same that waits already is only brought forward.
    pub async fn enqueue(&self, tx: &mut Tx, task: Task, subject: &str) -> Result<(), DatabaseError> {
        store::insert(tx, &JobId::random(&self.entropy), task.as_str(), subject, self.clock.now()).await
    }

    /// Takes the job that has waited longest.
    pub async fn claim(&self) -> Result<Option<Job>, DatabaseError> {
        let mut tx = self.database.begin().await?;
        let job = store::claim(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        Ok(job)
    }

    pub async fn done(&self, job: &Job) -> Result<(), DatabaseError> {
        store::finish(&self.database, &job.id, "done", None, self.clock.now()).await
    }

    /// Puts it back to be tried again later, or gives it up after five tries.
    pub async fn failed(&self, job: &Job, problem: &str) -> Result<(), DatabaseError> {
        let now = self.clock.now();
        if job.attempts >= TRIES {
            return store::finish(&self.database, &job.id, "failed", Some(problem), now).await;
        }
        let wait = Duration::from_secs(30 << job.attempts.clamp(0, 10));
        store::retry(&self.database, &job.id, problem, now, now.plus(wait)).await
    }

    /// What is done about a subject now, or waits to be; what runs before what waits.
    pub async fn pending(&self, subject: &str) -> Result<Option<Pending>, DatabaseError> {
        store::pending(&self.database, subject).await
    }

    /// Keeps how far a job has come, a text of whoever runs it.
    pub async fn note_progress(&self, job: &Job, progress: &str) -> Result<(), DatabaseError> {
        store::note_progress(&self.database, &job.id, progress).await
    }

    /// How many jobs were given up.
    pub async fn given_up(&self) -> Result<u64, DatabaseError> {
        store::count(&self.database, "failed").await
    }

    /// Puts back what a process that died had claimed. For the only process that works on the queue.
    pub async fn recover(&self) -> Result<(), DatabaseError> {
        store::recover(&self.database, self.clock.now()).await
    }
}
