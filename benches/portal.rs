//! How fast the portal answers, at 1, 8 and 64 readers, on SQLite and on PostgreSQL.
//!
//! `cargo bench --bench portal` measures the real router in this process: session, gate, log, vault, highlighting and template, but
//! no network. Everything is made here, in a directory of its own: a repository, a portal, people and a grant.
//!
//! A bare loop of `fdatasync` on the same disk, run before each row of appends, says what the disk allows. `-- --help` names the options.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use cluster::Cluster;
use lectern::audit::{Actor, Draft, Kind, Outcome, PathText, Place};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use site::{Reader, Site, cores, say};
use tempfile::TempDir;

mod cluster;
#[expect(dead_code, reason = "other benches use more of it")]
mod site;

const READERS: [u64; 3] = [1, 8, 64];
const FILES: u64 = 2_000;
const DIRECTORIES: u64 = 40;

/// How fast the portal answers
#[derive(Parser)]
struct Options {
    /// A repository on this computer to measure on, in place of the one that is generated
    #[arg(long, value_name = "NAME=PATH")]
    product: Option<String>,
    /// How long each row is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5)]
    seconds: f64,
    /// Where to put everything: on the disk that is meant
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(Options::parse()))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let dir = fs::canonicalize(&options.dir)?;
    let root = TempDir::with_prefix_in("lectern-bench-", &dir)?;
    let (name, repository) = match options.product.as_deref().map(|given| given.split_once('=').context("--product wants NAME=PATH")) {
        Some(given) => given.and_then(|(name, path)| Ok((name.to_owned(), fs::canonicalize(path).context(path.to_owned())?)))?,
        None => ("generated".to_owned(), generate(&root.path().join("generated.git"))?),
    };
    let span = Duration::try_from_secs_f64(options.seconds)?;
    say(&format!("{name}, {} cores, files in {}, {:?} a row", cores(), root.path().display(), span))?;
    measure_on("SQLite", &root.path().join("sqlite"), None, (&name, &repository), span).await?;
    let Some(cluster) = Cluster::start(&dir)? else {
        return say("\nPostgreSQL: not measured, its server programs (initdb) are not on this machine");
    };
    measure_on("PostgreSQL", &root.path().join("postgresql"), Some(cluster.url()), (&name, &repository), span).await
}

async fn measure_on(database: &str, data: &Path, url: Option<String>, product: (&str, &Path), span: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    let measured = Arc::new(Measured::open(data, url, product).await?);
    say(&format!("\n{database}, ready after {:.1} s\n", began.elapsed().as_secs_f64()))?;
    say("| what | readers | a second | p50 ms | p99 ms | failed | of fdatasync |\n|---|--:|--:|--:|--:|--:|--:|")?;
    for (what, paths) in &measured.pages {
        for readers in READERS {
            let (at, paths) = (Arc::clone(&measured), Arc::clone(paths));
            let figures = measure(readers, span, move |n| {
                let (at, path) = (Arc::clone(&at), paths.get(pick(n, paths.len())).cloned().unwrap_or_default());
                async move { at.get(&path, false).await.is_ok() }
            });
            say(&format!("| {what} | {readers} | {} | |", figures.await?.1))?;
        }
    }
    for readers in READERS {
        let bare = fdatasync(data, span)?;
        let at = Arc::clone(&measured);
        let figures = measure(readers, span, move |n| {
            let at = Arc::clone(&at);
            async move { at.site.portal.log.append(opened(n, at.reader.principal.actor()), &at.site.context()).await.is_ok() }
        });
        let (per_second, figures) = figures.await?;
        say(&format!("| log append | {readers} | {figures} | {:.2} of {bare:.0} |", per_second / bare))?;
    }
    measured.site.close().await;
    Ok(())
}

/// Has so many readers ask one thing after the other. `work` is given a different number each time, and says whether it succeeded.
/// Gives how many did a second, and the columns of the table; times are in milliseconds.
async fn measure<F, W>(readers: u64, span: Duration, work: F) -> anyhow::Result<(f64, String)>
where
    F: Fn(u64) -> W + Clone + Send + 'static,
    W: Future<Output = bool> + Send,
{
    let began = Instant::now();
    let tasks: Vec<_> = (0..readers)
        .map(|reader| {
            let work = work.clone();
            tokio::spawn(async move {
                let (mut took, mut failed, mut n) = (Vec::new(), 0, reader << 32);
                while began.elapsed() < span {
                    let asked = Instant::now();
                    if work(n).await {
                        took.push(asked.elapsed());
                    } else {
                        failed += 1;
                    }
                    n += 1;
                }
                (took, failed)
            })
        })
        .collect();
    let (mut took, mut failed) = (Vec::new(), 0);
    for task in tasks {
        let (theirs, lost) = task.await?;
        took.extend(theirs);
        failed += lost;
    }
    let whole = began.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len().saturating_sub(1) * percent / 100).map_or(f64::NAN, |one| one.as_secs_f64() * 1e3);
    let per_second = f64::from(u32::try_from(took.len())?) / whole;
    Ok((per_second, format!("{per_second:.0} | {:.2} | {:.2} | {failed}", at(50), at(99))))
}

/// How often a second the disk makes a 4 KiB write durable.
fn fdatasync(dir: &Path, span: Duration) -> anyhow::Result<f64> {
    let path = dir.join("fdatasync");
    let mut file = File::create(&path)?;
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < span.min(Duration::from_secs(1)) {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    let per_second = f64::from(count) / began.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(per_second)
}

/// A place in a list, spread evenly (splitmix64).
fn pick(n: u64, among: usize) -> usize {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((z ^ (z >> 31)) >> 1).unwrap_or(0) % among.max(1)
}

/// An entry as large as that of a file opened.
fn opened(n: u64, by: Actor) -> Draft {
    Draft::new(Kind::FileOpened, Outcome::Permitted)
        .by(by)
        .at(Place {
            product: "generated".to_owned(),
            version: Some("main".to_owned()),
            commit: Some("0".repeat(40)),
            path: Some(PathText::of(format!("module_{}/file_{n}.c", n % DIRECTORIES).as_bytes())),
            blob: Some("1".repeat(40)),
            lines: Some((1, 200)),
        })
        .person("First reviewer", "first.reviewer@one.example")
        .fact("size", 5_000)
}

/// A portal with one product that one reviewer may read, and what there is to ask for.
struct Measured {
    site: Site,
    reader: Reader,
    /// What is measured, and the addresses to ask for.
    pages: Vec<(&'static str, Arc<Vec<String>>)>,
}

impl Measured {
    async fn open(data: &Path, url: Option<String>, (name, repository): (&str, &Path)) -> anyhow::Result<Self> {
        let site = Site::open(data, url).await?;
        let product = site.add_product(name, repository, &[]).await?;
        let _ = site.portal.jobs.bring_up_to_date(&product, &(Arc::new(|_| {}) as _)).await?;
        let reader = site.readers(&product, 1).await.context("setting up")?.pop().context("no reader")?;
        let mut measured = Self { site, reader, pages: Vec::new() };
        measured.survey(name).await.context("finding out what there is")?;
        Ok(measured)
    }

    /// Directories, files, and words that stand in them, as a program learns them.
    async fn survey(&mut self, name: &str) -> anyhow::Result<()> {
        let version = self.json("/p").await?;
        let version = version.pointer("/products/0/versions/0").and_then(Value::as_str).context("no version")?.to_owned();
        let (mut directories, mut files, mut waiting) = (Vec::new(), Vec::new(), vec![String::new()]);
        while let Some(directory) = waiting.pop().filter(|_| directories.len() < 400) {
            let path = format!("/p/{name}/{version}/tree/{directory}");
            let listed = self.json(&path).await?;
            directories.push(path);
            for entry in listed.get("entries").and_then(Value::as_array).into_iter().flatten() {
                let word = |field| entry.get(field).and_then(Value::as_str).unwrap_or_default();
                // Names that are not UTF-8 are written out with a backslash.
                let Some(part) = Some(word("name")).filter(|name| !name.contains('\\')) else { continue };
                let slash = if directory.is_empty() { "" } else { "/" };
                let inner = format!("{directory}{slash}{}", utf8_percent_encode(part, NON_ALPHANUMERIC));
                match word("kind") {
                    "tree" => waiting.push(inner),
                    "blob" => files.push(format!("/p/{name}/{version}/file/{inner}")),
                    _ => {}
                }
            }
        }
        let sample = (0..60).filter_map(|n| files.get(pick(n, files.len())));
        let mut searches = Vec::new();
        for file in sample {
            let text = self.json(file).await?.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
            let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| w.len() > 5).collect();
            let Some(word) = words.get(pick(text.len() as u64, words.len())) else { continue };
            // One search in five is a regular expression.
            let query = if searches.len() % 5 == 4 { format!("%2F{word}%5Cw*%20*%5C(%2F") } else { (*word).to_owned() };
            searches.push(format!("/search?q={query}"));
        }
        if files.is_empty() || searches.is_empty() {
            bail!("the product has no files with text");
        }
        // Fewer than the portal keeps.
        let warm: Vec<String> = (0..50).filter_map(|n| files.get(pick(n + 1_000, files.len())).cloned()).collect();
        for file in &warm {
            self.get(file, false).await?;
        }
        let pages = [("file page, highlighted before", warm), ("file page", files), ("tree page", directories), ("search page", searches)];
        self.pages = pages.into_iter().map(|(what, paths)| (what, Arc::new(paths))).collect();
        Ok(())
    }

    async fn json(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.get(path, true).await?)?)
    }

    async fn get(&self, path: &str, json: bool) -> anyhow::Result<String> {
        self.site.get(&self.reader, path, json).await
    }
}

/// A repository of files like those of a C program: 30 to 570 lines each, the same in every run.
fn generate(path: &Path) -> anyhow::Result<PathBuf> {
    const WORDS: [&str; 12] =
        ["buffer", "session", "verify", "packet", "handle", "context", "offset", "length", "status", "cipher", "socket", "window"];
    let word = |n| WORDS.get(pick(n, WORDS.len())).copied().unwrap_or_default();
    let repository = git2::Repository::init_bare(path)?;
    let mut update = git2::build::TreeUpdateBuilder::new();
    for n in 0..FILES {
        let mut text = format!("/* {} {} */\n#include <string.h>\n", word(n), word(n + 7));
        for f in 0..(4 + pick(n, 77)) as u64 {
            let seed = n * 1_000 + f;
            let (a, b) = (word(seed), word(seed + 500_000));
            text.push_str(&format!(
                "\nint {a}_{b}_{seed}(struct {a} *{a}, size_t {b})\n{{\n\tif (!{a} || {b} > {seed})\n\t\treturn -1;\n\treturn memcmp({a}->data, \"{b}\", {b});\n}}\n"
            ));
        }
        update.upsert(format!("module_{}/{}_{n}.c", n % DIRECTORIES, word(n)), repository.blob(text.as_bytes())?, git2::FileMode::Blob);
    }
    let empty = repository.find_tree(repository.treebuilder(None)?.write()?)?;
    let tree = repository.find_tree(update.create_updated(&repository, &empty)?)?;
    let author = git2::Signature::new("Bench", "bench@vendor.example", &git2::Time::new(1_700_000_000, 0))?;
    repository.commit(Some("refs/heads/main"), &author, &author, "Generated", &tree, &[])?;
    repository.set_head("refs/heads/main")?;
    Ok(path.to_owned())
}
