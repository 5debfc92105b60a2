//! How fast the log takes entries and how fast it is verified, on SQLite and on PostgreSQL.
//!
//! `cargo bench --bench log` appends with 1, 16, 64 and 256 writers, each waiting for its entry to be durable before it begins the next.
//! Beside each row stands, from the same minute, a bare group commit: as many writers wait in the same way for records as long as the entries
//! with what is personal beside them, hashed by those who wait, which one loop puts into a table of the same database, a row each with its
//! hash, all that wait by one commit. And a bare file: one loop writes such records and syncs after as many as the log committed together. The ratios say what the log costs besides waking those who wait and
//! the database's commit, and besides the disk's sync. What the auditors' listing takes comes apart: the rate with it is over the row and
//! the time until all of its entries were listed. Then the log is grown to a million entries, and verified from outside, through an
//! export, and at a start. `-- --quick` is for seeing that it works; `-- --help` names the options.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;
use cluster::Cluster;
use lectern::audit::merkle::{Hash, leaf};
use lectern::audit::{Context, Draft, Filter, Format, Kind, Log, Outcome, PathText, Place, export};
use lectern::cli::installation;
use lectern::clock::{SharedClock, SystemClock};
use lectern::config::Config;
use lectern::database::Database;
use lectern::ids::{Entropy, RequestId};
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

mod cluster;

const WRITERS: [usize; 4] = [1, 16, 64, 256];

/// How fast the log is appended to and verified
#[derive(Parser)]
struct Options {
    /// How long each row is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    seconds: f64,
    /// How many entries are verified
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// A fraction of a second a row, and few entries
    #[arg(long)]
    quick: bool,
    /// Where to put everything: on the disk that is meant
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Only open this installation's log, and say how long it took: what this program has others of its kind do
    #[arg(long, value_name = "FILE", hide = true)]
    open: Option<PathBuf>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn main() -> anyhow::Result<()> {
    let mut options = Options::parse();
    if options.quick {
        (options.seconds, options.entries) = (0.3, 5_000);
    }
    lectern::cli::runtime()?.block_on(run(options))
}

async fn run(options: Options) -> anyhow::Result<()> {
    if let Some(config) = options.open {
        return open_only(&config).await;
    }
    let dir = fs::canonicalize(&options.dir)?;
    let root = TempDir::with_prefix_in("lectern-bench-log-", &dir)?;
    let span = Duration::try_from_secs_f64(options.seconds)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    say(&format!("{cores} cores, files in {}, {span:?} a row", root.path().display()))?;
    measure_on("SQLite", &root.path().join("sqlite"), None, span, options.entries).await?;
    let Some(cluster) = Cluster::start(&dir)? else {
        return say("\nPostgreSQL: not measured, its server programs (initdb) are not on this machine");
    };
    measure_on("PostgreSQL", &root.path().join("postgresql"), Some(cluster.url()), span, options.entries).await
}

async fn measure_on(name: &str, data: &Path, url: Option<String>, span: Duration, entries: u64) -> anyhow::Result<()> {
    fs::create_dir_all(data)?;
    let config = data.join("lectern.toml");
    let database = url.map(|url| format!("[database]\nurl = {url:?}\n")).unwrap_or_default();
    // Late is what is measured, not what is refused.
    fs::write(&config, format!("data = {:?}\n{database}[log]\ndeadline_ms = 60000\n", data.display().to_string()))?;
    let opened = Opened::open(&config).await?;
    say(&format!("\n{name}\n"))?;
    say(
        "| writers | entries a second | p50 ms | p99 ms | entries a commit | with the listing | bare group commit / log | bare file / log |",
    )?;
    say("|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for writers in WRITERS {
        let appended = opened.append(writers, span).await?;
        let Appended { per_second, p50, p99, group, listed_per_second } = appended;
        let record = opened.stored_bytes().await?;
        let bare = opened.bare_group_commit(writers, span, record).await? / per_second;
        let file = bare_file(data, group, span, record)? / per_second;
        say(&format!(
            "| {writers} | {per_second:.0} | {p50:.2} | {p99:.2} | {group:.0} | {listed_per_second:.0} | {bare:.2} | {file:.2} |"
        ))?;
    }
    let filled = opened.fill(entries).await?;
    say(&format!("\nGrown to {} entries in {:.1} s.", filled.0, filled.1.as_secs_f64()))?;
    let out = data.join("export");
    let began = Instant::now();
    let draft = Draft::exported_by_operator();
    let size = export(&opened.log, draft, &opened.context(), Format::Tiles, &out, &mut |_, _| {}).await?;
    say(&format!("Exported in {:.1} s.", began.elapsed().as_secs_f64()))?;
    opened.log.close().await;
    opened.database.close().await;
    let mut verify = Command::new(env!("CARGO_BIN_EXE_lectern"));
    verify.args(["audit", "verify"]).arg(&out);
    verified("through an export", size, &mut verify)?;
    let mut open = Command::new(std::env::current_exe()?);
    open.arg("--open").arg(&config);
    verified("at a start", size, &mut open)
}

/// Runs a program to its end, and says how long it took and the most memory it had.
fn verified(what: &str, size: u64, command: &mut Command) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = most_memory(child.id()).unwrap_or(0).max(peak);
        std::thread::sleep(Duration::from_millis(2));
    };
    if !status.success() {
        bail!("verifying {what}: {status}");
    }
    let seconds = began.elapsed().as_secs_f64();
    let per_second = f64::from(u32::try_from(size)?) / seconds;
    say(&format!("Verified {what}: {size} entries in {seconds:.2} s, {per_second:.0} a second, {} MB at most.", peak / 1024))
}

/// The most memory that a process has had, in KiB.
fn most_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

async fn open_only(config: &Path) -> anyhow::Result<()> {
    let opened = Opened::open(config).await?;
    opened.log.close().await;
    opened.database.close().await;
    Ok(())
}

struct Opened {
    database: Database,
    log: Log,
    entropy: Entropy,
}

/// What one row found.
struct Appended {
    per_second: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
    /// Entries a commit, on average.
    group: f64,
    /// Entries a second, until the last one was listed for auditors.
    listed_per_second: f64,
}

impl Opened {
    async fn open(config: &Path) -> anyhow::Result<Self> {
        let config = Config::load(config)?;
        let entropy = Entropy::system().map_err(|cause| anyhow!("no random bytes: {cause}"))?;
        let database = installation::database(&config).await?;
        let clock: SharedClock = Arc::new(SystemClock);
        let log = installation::log(&config, &database, &clock, &entropy).await?;
        Ok(Self { database, log, entropy })
    }

    fn context(&self) -> Context {
        Context::internal(RequestId::random(&self.entropy))
    }

    async fn append(&self, writers: usize, span: Duration) -> anyhow::Result<Appended> {
        let began = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let (log, context) = (self.log.clone(), self.context());
                tokio::spawn(async move {
                    let mut answers = Vec::new();
                    while began.elapsed() < span {
                        let asked = Instant::now();
                        let receipt = log.append(opened(writer, answers.len()), &context).await?;
                        answers.push((asked.elapsed(), receipt.checkpoint));
                    }
                    anyhow::Ok(answers)
                })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.extend(task.await??);
        }
        let whole = began.elapsed().as_secs_f64();
        self.log.count(&Filter::default()).await?;
        let listed = began.elapsed().as_secs_f64();
        // All entries of a commit are given the checkpoint at its end.
        let commits: BTreeSet<u64> = answers.iter().map(|(_, checkpoint)| *checkpoint).collect();
        let mut took: Vec<Duration> = answers.iter().map(|(took, _)| *took).collect();
        took.sort_unstable();
        let at = |percent: usize| took.get(took.len().saturating_sub(1) * percent / 100).map_or(f64::NAN, |one| one.as_secs_f64() * 1e3);
        let count = f64::from(u32::try_from(took.len())?);
        let group = count / f64::from(u32::try_from(commits.len())?);
        Ok(Appended { per_second: count / whole, p50: at(50), p99: at(99), group, listed_per_second: count / listed })
    }

    /// What the newest entries are long, each with the personal part beside it.
    async fn stored_bytes(&self) -> anyhow::Result<usize> {
        let size = self.log.size().await?;
        let entries = self.log.entries(size.saturating_sub(1000), size).await?;
        let whole: usize = entries.iter().map(|e| e.bytes.len() + e.beside.as_ref().map_or(0, String::len)).sum();
        Ok(whole / entries.len().max(1))
    }

    /// How many records a second a table takes durably, each in a row of its own with its hash, when so many writers wait for theirs.
    async fn bare_group_commit(&self, writers: usize, span: Duration, bytes: usize) -> anyhow::Result<f64> {
        let mut connection = self.database.pool().acquire().await?;
        let table = "CREATE TABLE bare (idx BIGINT PRIMARY KEY, hash BYTEA NOT NULL, record BYTEA NOT NULL)";
        sqlx::query(table).execute(&mut *connection).await?;
        let (records, mut waiting) = mpsc::channel::<(Hash, Vec<u8>, oneshot::Sender<()>)>(4096);
        let began = Instant::now();
        for _ in 0..writers {
            let records = records.clone();
            tokio::spawn(async move {
                while began.elapsed() < span {
                    let (done, durable) = oneshot::channel();
                    let record = vec![7; bytes];
                    if records.send((leaf(&record), record, done)).await.is_err() || durable.await.is_err() {
                        return;
                    }
                }
            });
        }
        drop(records);
        let (start, nameless) = match self.database.kind() {
            lectern::database::Kind::Sqlite => ("BEGIN IMMEDIATE", true),
            lectern::database::Kind::Postgres => ("BEGIN", false),
        };
        let mut group = Vec::new();
        let mut given: u32 = 0;
        while waiting.recv_many(&mut group, 256).await > 0 {
            let mut tx = connection.begin_with(start).await?;
            // As the log does: few different lengths, so that each statement stays prepared.
            let mut rest = group.as_slice();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(if rest.len() < 16 { rest.len() } else { rest.len() / 16 * 16 });
                let named = |n: usize| format!("(${}, ${}, ${})", 3 * n + 1, 3 * n + 2, 3 * n + 3);
                let rows: Vec<String> = (0..chunk.len()).map(|n| if nameless { "(?, ?, ?)".to_owned() } else { named(n) }).collect();
                let mut query = sqlx::query(AssertSqlSafe(format!("INSERT INTO bare (idx, hash, record) VALUES {}", rows.join(", "))));
                for (hash, record, _) in chunk {
                    query = query.bind(i64::from(given)).bind(hash.as_slice()).bind(record.as_slice());
                    given += 1;
                }
                query.execute(&mut *tx).await?;
                rest = after;
            }
            tx.commit().await?;
            for (.., done) in group.drain(..) {
                // Whoever has left need not know.
                let _ = done.send(());
            }
        }
        let per_second = f64::from(given) / began.elapsed().as_secs_f64();
        sqlx::query("DROP TABLE bare").execute(&mut *connection).await?;
        Ok(per_second)
    }

    /// Appends until there are so many entries. Gives how many there are, and how long that took.
    async fn fill(&self, entries: u64) -> anyhow::Result<(u64, Duration)> {
        let began = Instant::now();
        loop {
            let size = self.log.size().await?;
            let Some(missing) = entries.checked_sub(size).filter(|missing| *missing > 0) else { return Ok((size, began.elapsed())) };
            let many = usize::try_from(missing.min(64 * 256))?;
            let tasks: Vec<_> = (0..many.div_ceil(256))
                .map(|writer| {
                    let (log, context) = (self.log.clone(), self.context());
                    let drafts = (0..(many - writer * 256).min(256)).map(|n| opened(writer, n)).collect();
                    tokio::spawn(async move { log.append_all(drafts, &context).await })
                })
                .collect();
            for task in tasks {
                task.await?.context("growing the log")?;
            }
        }
    }
}

/// An entry as large as that of a file opened.
fn opened(writer: usize, n: usize) -> Draft {
    Draft::new(Kind::FileOpened, Outcome::Permitted)
        .at(Place {
            product: "generated".to_owned(),
            version: Some("v1.0".to_owned()),
            commit: Some("0".repeat(40)),
            path: Some(PathText::of(format!("module_{writer}/file_{n}.c").as_bytes())),
            blob: Some("1".repeat(40)),
            lines: Some((1, 200)),
        })
        .person("First reviewer", "first.reviewer@one.example")
        .fact("size", 5_000)
}

/// Groups of a size that need not be whole: groups of 2.5 are groups of 2 and of 3.
struct Groups {
    size: f64,
    given: u32,
    due: f64,
}

impl Groups {
    fn of(size: f64) -> Self {
        Self { size, given: 0, due: 0.0 }
    }

    /// The numbers of the next group's records.
    fn next(&mut self) -> std::ops::Range<u32> {
        self.due += self.size;
        let first = self.given;
        while f64::from(self.given) + 0.5 < self.due {
            self.given += 1;
        }
        first..self.given
    }
}

/// How many records a second a file takes durably, when it is synced after each group of so many.
fn bare_file(dir: &Path, group: f64, span: Duration, bytes: usize) -> anyhow::Result<f64> {
    let path = dir.join("bare");
    let mut file = File::create(&path)?;
    let mut groups = Groups::of(group);
    let began = Instant::now();
    while began.elapsed() < span {
        let records = vec![7_u8; bytes * groups.next().len()];
        file.write_all(&records)?;
        file.sync_data()?;
    }
    let per_second = f64::from(groups.given) / began.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(per_second)
}
