//! How far work has come: in figures for a terminal, and kept in the database for the pages of every process.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{JobError, Jobs, Step, Watch};
use crate::catalog::Product;
use crate::clock::Timestamp;
use crate::mirrors::{Mirror, Phase};
use crate::queue::Job;

/// How often it is kept.
const EVERY: Duration = Duration::from_secs(1);

/// What is known of the work at hand, whatever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// "fetching".
    pub words: String,
    pub done: u64,
    /// 0 while it is not known.
    pub total: u64,
    /// What `done` and `total` count: "files".
    pub unit: String,
    pub bytes: u64,
}

/// What is done about a product now, or waits to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    Nothing,
    /// It is asked for; from then on, where it failed and is tried again.
    Waiting {
        again: Option<Timestamp>,
    },
    /// Figures, as soon as there are any.
    Running(Option<Figures>),
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    pub mirror: u64,
    /// Of search, history, symbols and what is kept of the past.
    pub index: u64,
}

impl Step {
    #[must_use]
    pub fn figures(self) -> Figures {
        let (words, done, total, unit, bytes) = match self {
            Self::Fetch(at) => {
                let words = match at.phase {
                    Phase::Contacting => "asking for references",
                    Phase::Receiving => "fetching",
                    Phase::Resolving => "resolving differences",
                    Phase::Checking => "checking",
                    Phase::Storing => "storing",
                };
                match at.total {
                    0 => (words, at.bytes, at.total_bytes, "bytes", at.bytes),
                    total => (words, at.done, total, "objects", at.bytes),
                }
            }
            Self::Index(at) => ("indexing", at.files_done, at.files_total, "files", at.bytes_done),
            Self::Symbols(at) => ("extracting symbols", at.files_done, at.files_total, "files", at.bytes_done),
            Self::History(at) => ("reading history", at.commits_done, at.commits_total, "commits", at.bytes),
        };
        Figures { words: words.to_owned(), done, total, unit: unit.to_owned(), bytes }
    }
}

impl Jobs {
    /// What is done about a product now, by this process or another.
    pub async fn doing(&self, product: &Product) -> Result<Doing, JobError> {
        Ok(match self.queue.pending(product.id.as_str()).await? {
            None => Doing::Nothing,
            Some(job) if job.running => Doing::Running(job.progress.and_then(|text| serde_json::from_str(&text).ok())),
            Some(job) => Doing::Waiting { again: job.problem.map(|_| job.after) },
        })
    }

    /// Takes steps of a job, and keeps the last one each second until it is aborted.
    pub(super) fn tell_progress(&self, job: &Job) -> (Watch, JoinHandle<()>) {
        let last: Arc<Mutex<Option<Step>>> = Arc::default();
        let taken = Arc::clone(&last);
        let watch: Watch = Arc::new(move |step| *taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(step));
        let (queue, job) = (self.queue.clone(), job.clone());
        let telling = tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let step = last.lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(text) = step.and_then(|step| serde_json::to_string(&step.figures()).ok()) else { continue };
                if let Err(cause) = queue.note_progress(&job, &text).await {
                    tracing::warn!(%cause, job = %job.id, "the progress of a job could not be kept");
                }
            }
        });
        (watch, telling)
    }

    /// What a product takes on this machine's disk.
    pub async fn disk_use(&self, product: &Product) -> Result<DiskUse, JobError> {
        let mirror = Mirror::at(&self.mirrors, &product.name)?.dir();
        let index = self.indexes.directory_of(&product.name);
        let (reader, name) = (self.reader.clone(), product.name.clone());
        let past = move || reader.past_size(&name);
        let work = tokio::task::spawn_blocking(move || DiskUse { mirror: bytes(&mirror), index: bytes(&index) + past() });
        Ok(work.await?)
    }
}

/// Bytes of the files below a directory; what cannot be looked at is nothing.
fn bytes(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes(&entry.path()),
        Ok(data) if data.is_file() => data.len(),
        _ => 0,
    };
    entries.map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_become_figures_that_are_kept_and_read_back() {
        let fetch = |total, total_bytes| crate::mirrors::Progress { phase: Phase::Receiving, done: 3, total, bytes: 40, total_bytes };
        let counted = Step::Fetch(fetch(9, 0)).figures();
        assert_eq!((counted.words.as_str(), counted.done, counted.total, counted.unit.as_str()), ("fetching", 3, 9, "objects"));
        let sized = Step::Fetch(fetch(0, 80)).figures();
        assert_eq!((sized.done, sized.total, sized.unit.as_str()), (40, 80, "bytes"));
        let kept = serde_json::to_string(&counted).unwrap();
        assert_eq!(serde_json::from_str::<Figures>(&kept).unwrap(), counted);
    }

    #[test]
    fn bytes_are_those_of_all_files_below() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("a/b")).unwrap();
        fs::write(home.path().join("one"), [0; 10]).unwrap();
        fs::write(home.path().join("a/b/two"), [0; 32]).unwrap();
        assert_eq!((bytes(home.path()), bytes(&home.path().join("nothing"))), (42, 0));
    }
}
