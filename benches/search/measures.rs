//! What is measured of Lectern, each in a process of its own: so that the peak of memory is of that work alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lectern::catalog::Product;
use lectern::jobs::{Step, Watch};
use lectern::search::{Budget, PageRequest, Query, Results, Sealed};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::patterns::{HEAVY, SHORT};
use crate::site::{Reader, Site};
use crate::{float, median};

/// Asks for all that matches to be counted.
const ALL: &str = " count:all";
const READERS: usize = 8;

/// The page that a reader sees, and what the portal spends on it once it is full.
fn one_page() -> (PageRequest, Budget) {
    (
        PageRequest { limit: 20, lines_per_file: 10, context: 1, ..PageRequest::default() },
        Budget { bytes: 1_000_000_000, ..Budget::unlimited() },
    )
}

/// The most that one answer shows.
fn most(offset: usize) -> (PageRequest, Budget) {
    (PageRequest { offset, limit: 1_000, lines_per_file: 10_000, ..PageRequest::default() }, Budget::unlimited())
}

/// What a child process is to do in the portal at `data`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) data: PathBuf,
    pub(crate) task: Task,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Task {
    /// Gives [`Indexed`].
    Index,
    /// Gives `f64`: seconds. The portal is made.
    Mirror { repository: PathBuf, tags: Vec<String> },
    /// Gives a [`Timed`] for each query.
    Time { queries: Vec<String>, runs: usize },
    /// Gives, for each query, the matching lines of each path.
    Paths { queries: Vec<String> },
    /// Gives three [`Crowd`]s: one reader, all of them, and all beside one who asks for what is heavy.
    Crowd { seconds: f64 },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Indexed {
    /// Of the files of all versions, which are searched from then on; and with the symbols and the history that follow.
    pub(crate) files: Cost,
    pub(crate) whole: Cost,
    pub(crate) documents: u64,
    /// Files of all versions.
    pub(crate) in_versions: u64,
    /// Bytes on disk: the contents of files, what is beside them, and the indexes of symbols and history.
    pub(crate) contents: u64,
    pub(crate) beside: u64,
    pub(crate) others: u64,
}

/// What work took.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    /// MiB resident at most, and of that what is not a file's; the second is looked at every 20 ms.
    pub(crate) peak: f64,
    pub(crate) peak_own: f64,
}

/// Milliseconds at the median.
#[derive(Serialize, Deserialize)]
pub(crate) struct Timed {
    pub(crate) lines: u64,
    pub(crate) complete: bool,
    /// All that matches counted, and as much shown as one answer may hold.
    pub(crate) all: f64,
    /// A page of it, sealed; and the same page over HTTP, recorded.
    pub(crate) page: f64,
    pub(crate) json: f64,
    pub(crate) html: f64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Crowd {
    pub(crate) a_second: f64,
    /// Of each reader: milliseconds at the median and at most, answers, and those that were refused.
    pub(crate) readers: Vec<(f64, f64, u64, u64)>,
    /// Of the one who asks for what is heavy: answered, and refused.
    pub(crate) heavy: (u64, u64),
}

/// Has a child of this process do it.
pub(crate) fn ask<T: DeserializeOwned>(data: &Path, task: Task) -> anyhow::Result<T> {
    let order = serde_json::to_string(&Order { data: data.to_owned(), task })?;
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args(["--child", &order]).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("a measure failed: {}", output.status);
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The child's part: gives what is to be said on its output.
pub(crate) async fn obey(order: Order) -> anyhow::Result<String> {
    let data = &order.data;
    Ok(match order.task {
        Task::Mirror { repository, tags } => serde_json::to_string(&mirror(data, &repository, &tags).await?)?,
        Task::Index => serde_json::to_string(&index(data).await?)?,
        Task::Time { queries, runs } => serde_json::to_string(&Measured::open(data, 1).await?.time(&queries, runs).await?)?,
        Task::Paths { queries } => serde_json::to_string(&Measured::open(data, 1).await?.paths(&queries).await?)?,
        Task::Crowd { seconds } => {
            let measured = Arc::new(Measured::open(data, READERS + 1).await?);
            let span = Duration::try_from_secs_f64(seconds)?;
            let alone = crowd(&measured, span, 1, false).await?;
            let all = crowd(&measured, span, READERS, false).await?;
            serde_json::to_string(&[alone, all, crowd(&measured, span, READERS, true).await?])?
        }
    })
}

const NAME: &str = "corpus";

async fn mirror(data: &Path, repository: &Path, tags: &[String]) -> anyhow::Result<f64> {
    let site = Site::open(data, None).await?;
    let product = site.add_product(NAME, repository, tags).await?;
    let began = Instant::now();
    let _ = site.portal.jobs.synchronise(&product, &(Arc::new(|_| {}) as _)).await?;
    let took = began.elapsed().as_secs_f64();
    site.close().await;
    Ok(took)
}

async fn index(data: &Path) -> anyhow::Result<Indexed> {
    let site = Site::open(data, None).await?;
    let product = product(&site).await?;
    let (done, own) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watcher = std::thread::spawn({
        let (done, own) = (Arc::clone(&done), Arc::clone(&own));
        move || {
            while !done.load(Ordering::Relaxed) {
                own.fetch_max(status("RssAnon:"), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let began = Instant::now();
    let cost = {
        let own = Arc::clone(&own);
        move || {
            let mib = |kilobytes: u64| float(kilobytes) / 1024.0;
            let peak_own = mib(own.load(Ordering::Relaxed));
            Cost { seconds: began.elapsed().as_secs_f64(), peak: mib(status("VmHWM:")), peak_own }
        }
    };
    let files = Arc::new(OnceLock::new());
    let watch: Watch = Arc::new({
        let (files, cost) = (Arc::clone(&files), cost.clone());
        move |step| {
            if matches!(step, Step::Symbols(_) | Step::History(_)) {
                files.get_or_init(&cost);
            }
        }
    });
    let built = site.portal.jobs.rebuild(&product, &watch).await?;
    let whole = cost();
    done.store(true, Ordering::Relaxed);
    let _ = watcher.join();
    let served = site.portal.indexes.get(NAME).context("no index is served")?;
    let in_versions = served.versions().map(|(_, files)| files).sum();
    let directory = site.portal.indexes.directory_of(NAME);
    let (mut contents, mut beside, mut others) = (0, 0, 0);
    weigh(&directory, &mut contents, &mut beside)?;
    for other in ["symbols", "history"] {
        let (mut one, mut two) = (0, 0);
        weigh(&directory.join(other), &mut one, &mut two)?;
        others += one + two;
        contents -= one;
        beside -= two;
    }
    site.close().await;
    let files = files.get().copied().unwrap_or(whole);
    Ok(Indexed { files, whole, documents: built.documents, in_versions, contents, beside, others })
}

/// A line of `/proc/self/status` that is in kilobytes.
fn status(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn weigh(directory: &Path, contents: &mut u64, beside: &mut u64) -> anyhow::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            weigh(&entry.path(), contents, beside)?;
        } else if entry.file_name().as_encoded_bytes().starts_with(b"contents") {
            *contents += about.len();
        } else {
            *beside += about.len();
        }
    }
    Ok(())
}

async fn product(site: &Site) -> anyhow::Result<Product> {
    site.portal.catalog.product(NAME).await?.context("there is no product")
}

/// A portal whose index is served, and people who may read all of it.
struct Measured {
    site: Site,
    readers: Vec<Reader>,
}

impl Measured {
    async fn open(data: &Path, readers: usize) -> anyhow::Result<Self> {
        let site = Site::open(data, None).await?;
        let behind = site.portal.jobs.open_indexes().await?;
        if !behind.is_empty() {
            bail!("the index is behind");
        }
        let product = product(&site).await?;
        let readers = site.readers(&product, readers).await?;
        Ok(Self { site, readers })
    }

    fn reader(&self) -> anyhow::Result<&Reader> {
        self.readers.first().context("no reader")
    }

    /// An answer, sealed.
    async fn search(&self, text: &str, (page, budget): (PageRequest, Budget)) -> anyhow::Result<(f64, Sealed<Results>)> {
        let query = Query::parse(text).with_context(|| text.to_owned())?;
        let scoped = self.site.portal.gate.scope(&self.reader()?.principal, query).await?;
        let portal = Arc::clone(&self.site.portal);
        let text = text.to_owned();
        let work = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let sealed = portal.searcher.run_scoped(&scoped, &text, &portal.indexes, page, &budget);
            sealed.map(|sealed| (began.elapsed().as_secs_f64() * 1e3, sealed))
        });
        Ok(work.await??)
    }

    async fn open_up(&self, sealed: Sealed<Results>) -> anyhow::Result<Results> {
        Ok(Sealed::open(self.site.portal.log.record(sealed, &self.site.context()).await?).0)
    }

    async fn time(&self, queries: &[String], runs: usize) -> anyhow::Result<Vec<Timed>> {
        let mut timed = Vec::new();
        for query in queries {
            let everything = format!("{query}{ALL}");
            let (_, warm) = self.search(&everything, most(0)).await?;
            let results = self.open_up(warm).await?;
            let (mut all, mut page, mut json, mut html) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let began = Instant::now();
            let address = format!("/search?q={}", utf8_percent_encode(query, NON_ALPHANUMERIC));
            for run in 0..runs {
                all.push(self.search(&everything, most(0)).await?.0);
                page.push(self.search(query, one_page()).await?.0);
                for (took, as_json) in [(&mut json, true), (&mut html, false)] {
                    let asked = Instant::now();
                    self.site.get(self.reader()?, &address, as_json).await?;
                    took.push(asked.elapsed().as_secs_f64() * 1e3);
                }
                if run >= 2 && began.elapsed() > Duration::from_secs(15) {
                    break;
                }
            }
            timed.push(Timed {
                lines: results.total_lines,
                complete: results.complete,
                all: median(&mut all),
                page: median(&mut page),
                json: median(&mut json),
                html: median(&mut html),
            });
        }
        self.site.close().await;
        Ok(timed)
    }

    async fn paths(&self, queries: &[String]) -> anyhow::Result<Vec<BTreeMap<String, u64>>> {
        let mut all = Vec::new();
        for query in queries {
            let mut lines = BTreeMap::new();
            let mut next = Some(0);
            while let Some(offset) = next {
                let results = self.open_up(self.search(&format!("{query}{ALL}"), most(offset)).await?.1).await?;
                next = results.next;
                lines.extend(results.hits.into_iter().map(|hit| (hit.path.to_string(), hit.total_lines)));
            }
            all.push(lines);
        }
        self.site.close().await;
        Ok(all)
    }
}

/// People who each ask for one thing after the other, as pages; no two begin with the same. The last of them asks for what is heavy,
/// when somebody is to.
async fn crowd(measured: &Arc<Measured>, span: Duration, count: usize, heavy: bool) -> anyhow::Result<Crowd> {
    let began = Instant::now();
    let tasks: Vec<_> = (0..count + usize::from(heavy))
        .map(|number| {
            let measured = Arc::clone(measured);
            let queries: &[&str] = if number == count { &HEAVY } else { &SHORT };
            tokio::spawn(async move {
                let (mut took, mut refused) = (Vec::new(), 0);
                let addresses: Vec<_> =
                    queries.iter().map(|query| format!("/search?q={}", utf8_percent_encode(query, NON_ALPHANUMERIC))).collect();
                for address in addresses.iter().cycle().skip(number) {
                    if began.elapsed() >= span {
                        break;
                    }
                    let Some(reader) = measured.readers.get(number) else { break };
                    let asked = Instant::now();
                    match measured.site.get(reader, address, false).await {
                        Ok(_) => took.push(asked.elapsed().as_secs_f64() * 1e3),
                        Err(_) => refused += 1,
                    }
                }
                (took, refused)
            })
        })
        .collect();
    let (mut readers, mut answered, mut by_heavy) = (Vec::new(), 0, (0, 0));
    for (number, task) in tasks.into_iter().enumerate() {
        let (mut took, refused) = task.await?;
        if number == count {
            by_heavy = (took.len() as u64, refused);
        } else {
            answered += took.len() as u64;
            let most = took.iter().copied().fold(f64::NAN, f64::max);
            let own = took.len() as u64;
            readers.push((median(&mut took), most, own, refused));
        }
    }
    Ok(Crowd { a_second: float(answered) / began.elapsed().as_secs_f64(), readers, heavy: by_heavy })
}
