//! A process that opens a log and appends to it from several tasks, and says every answer as a line once it has it. It is this test
//! binary itself, told to run one function only.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lectern::audit::{Context, Draft, Kind, Log, Outcome, PathText, Place};
use lectern::cli::installation;
use lectern::clock::{Clock, SharedClock, SystemClock};
use lectern::config::Config;
use lectern::ids::{Entropy, RequestId};
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempDir};

/// Names the environment variable with the orders.
const ORDERS: &str = "LECTERN_FAULT_ORDERS";
/// Stands before what is said, since the test harness writes lines of its own.
const MARK: &str = "@lectern ";

/// A directory as `lectern` keeps it, and its configuration.
pub(super) struct Installation {
    pub(super) config: PathBuf,
    pub(super) data: PathBuf,
    _home: Option<TempDir>,
}

impl Installation {
    /// On SQLite, in a directory of its own.
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let made = Self::at(&home.path().join("data"), None, home.path());
        Self { _home: Some(home), ..made }
    }

    /// On PostgreSQL.
    pub(super) fn on(url: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let made = Self::at(&home.path().join("data"), Some(url), home.path());
        Self { _home: Some(home), ..made }
    }

    /// With its data in a given directory.
    pub(super) fn at(data: &Path, url: Option<&str>, home: &Path) -> Self {
        let config = home.join("lectern.toml");
        let database = url.map(|url| format!("\n[database]\nurl = {url:?}\nallow_unsafe = true\n")).unwrap_or_default();
        std::fs::write(&config, format!("data = {:?}\n{database}", data.display().to_string())).unwrap();
        Self { config, data: data.to_owned(), _home: None }
    }

    /// The same as it is now, elsewhere.
    pub(super) fn copy(&self) -> Self {
        let copy = Self::new();
        let copied = Command::new("cp").arg("-a").arg(&self.data).arg(&copy.data).status().unwrap();
        assert!(copied.success());
        copy
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    config: PathBuf,
    tasks: u64,
    /// Entries to append before it closes the log and ends.
    entries: u64,
    /// Then it keeps the log open, until it is killed.
    holds: bool,
}

impl Orders {
    pub(super) fn at(installation: &Installation) -> Self {
        Self { config: installation.config.clone(), tasks: 1, entries: 1, holds: false }
    }

    pub(super) fn tasks(self, tasks: u64) -> Self {
        Self { tasks, ..self }
    }

    pub(super) fn entries(self, entries: u64) -> Self {
        Self { entries, ..self }
    }

    pub(super) fn endless(self) -> Self {
        self.entries(u64::MAX)
    }

    pub(super) fn holds(self) -> Self {
        Self { holds: true, ..self }
    }

    pub(super) fn start(&self) -> Appender {
        self.start_by(Command::new(binary()))
    }

    /// Starts it by a command that the binary's arguments can follow.
    pub(super) fn start_by(&self, mut command: Command) -> Appender {
        let errors = NamedTempFile::new().unwrap();
        command.args(["--exact", "faults::appender::child", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(ORDERS, serde_json::to_string(self).unwrap()).env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.reopen().unwrap());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Appender { child, lines, errors }
    }
}

pub(super) fn binary() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Entries that are refused are tried again, so often by each task: long enough for a log that opens by itself to be seen doing so.
const REFUSALS: u64 = 80;

/// What the process says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Said {
    Begun,
    /// The database is open; the log is verified next.
    Database,
    /// The log is open and has so many entries.
    Open(u64),
    /// It could not be opened, and when that was found.
    NotOpened(String, i64),
    /// An entry is durable.
    Receipt {
        index: u64,
        leaf: String,
        checkpoint: u64,
        path: String,
        /// When it was told so: microseconds of the system's clock.
        at: i64,
    },
    /// An entry was refused.
    Refused(String),
    /// A checkpoint as the log hands it out, and when.
    Checkpoint(String, i64),
    Closed,
}

impl Said {
    /// Whether it is an answer that was given before that time.
    pub(super) fn is_before(&self, time: i64) -> bool {
        match self {
            Self::Receipt { at, .. } | Self::Checkpoint(_, at) | Self::NotOpened(_, at) => *at < time,
            _ => true,
        }
    }
}

/// The process from outside. It is killed when it is dropped.
pub(super) struct Appender {
    pub(super) child: Child,
    lines: BufReader<ChildStdout>,
    errors: NamedTempFile,
}

impl Appender {
    /// What it says next; none when it has ended. A line that was not finished was not said.
    pub(super) fn next(&mut self) -> Option<Said> {
        loop {
            let mut line = Vec::new();
            self.lines.read_until(b'\n', &mut line).unwrap();
            let line = String::from_utf8(line).unwrap();
            if line.is_empty() {
                return None;
            }
            if let Some((_, said)) = line.strip_suffix('\n').and_then(|line| line.split_once(MARK)) {
                return Some(serde_json::from_str(said).unwrap());
            }
        }
    }

    pub(super) fn kill(&mut self) {
        // SIGKILL: nothing of it runs any more.
        self.child.kill().unwrap();
    }

    /// How it ended, after all that it said was read.
    pub(super) fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// What it wrote on standard error.
    pub(super) fn errors(&self) -> String {
        std::fs::read_to_string(self.errors.path()).unwrap()
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of the process. Without orders it has nothing to do.
#[test]
#[ignore = "the other tests start it, with orders"]
fn child() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(work(orders));
}

async fn work(orders: Orders) {
    say(&Said::Begun);
    let config = Config::load(&orders.config).unwrap();
    let _lock = match installation::lock(&config) {
        Ok(lock) => lock,
        Err(problem) => return say(&Said::NotOpened(format!("{problem:#}"), SystemClock.now().micros())),
    };
    let entropy = Entropy::system().unwrap();
    let database = match installation::database(&config).await {
        Ok(database) => database,
        Err(problem) => return say(&Said::NotOpened(format!("{problem:#}"), SystemClock.now().micros())),
    };
    say(&Said::Database);
    let clock: SharedClock = Arc::new(SystemClock);
    let log = match installation::log(&config, &database, &clock, &entropy).await {
        Ok(log) => log,
        Err(problem) => return say(&Said::NotOpened(format!("{problem:#}"), SystemClock.now().micros())),
    };
    let Ok(size) = log.size().await else { return };
    say(&Said::Open(size));
    let left = Arc::new(AtomicU64::new(orders.entries));
    let tasks: Vec<_> =
        (0..orders.tasks).map(|task| tokio::spawn(append(log.clone(), entropy.clone(), Arc::clone(&left), (size, task)))).collect();
    let fetching = tokio::spawn(fetch(log.clone()));
    for task in tasks {
        task.await.unwrap();
    }
    if orders.holds {
        std::future::pending::<()>().await;
    }
    fetching.abort();
    log.close().await;
    database.close().await;
    say(&Said::Closed);
}

/// Appends one entry after the other until none is left to append.
async fn append(log: Log, entropy: Entropy, left: Arc<AtomicU64>, (size, task): (u64, u64)) {
    let (mut number, mut refused) = (0_u64, 0);
    while left.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        let path = format!("src/task_{task}/after_{size}/file_{number}.c");
        number += 1;
        let place = Place { product: "gateway".to_owned(), path: Some(PathText::of(path.as_bytes())), ..Place::default() };
        let draft = Draft::new(Kind::FileOpened, Outcome::Permitted).at(place).person("A reviewer", "reviewer@agency.example");
        let context = Context::internal(RequestId::random(&entropy));
        match log.append(draft, &context).await {
            Ok(receipt) => say(&Said::Receipt {
                index: receipt.index,
                leaf: data_encoding::HEXLOWER.encode(&receipt.leaf),
                checkpoint: receipt.checkpoint,
                path,
                at: SystemClock.now().micros(),
            }),
            Err(problem) => {
                say(&Said::Refused(problem.to_string()));
                refused += 1;
                if refused < REFUSALS {
                    left.fetch_add(1, Ordering::SeqCst);
                }
                // A log that is shut refuses at once.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// Fetches checkpoints all the time.
async fn fetch(log: Log) {
    let mut last = String::new();
    loop {
        if let Ok(note) = log.checkpoint().await
            && note != last
        {
            say(&Said::Checkpoint(note.clone(), SystemClock.now().micros()));
            last = note;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One line, whole: nobody else writes in between, and it is far shorter than what a pipe takes at once.
fn say(said: &Said) {
    let line = format!("\n{MARK}{}\n", serde_json::to_string(said).unwrap());
    let mut out = std::io::stdout().lock();
    // Nobody may listen any more.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}
