//! How fast a file is shown and its past is told: tree, file, histories, blame, history of lines; beside what the `git` program takes.
//!
//! `cargo bench --bench history -- --git MIRROR` measures the real router in this process, each page whole and recorded: the first
//! time, until it begins to arrive and until it is there, and again. With `--same` it also holds them against the `git` program: the commits of each history, and the commit of each line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::Value;
use site::{Reader, Site, cores, say};
use tempfile::TempDir;

#[expect(dead_code, reason = "other benches use more of it")]
mod site;

/// Times that a page is asked for again.
const AGAIN: usize = 15;

/// How fast a file is shown and its past is told
#[derive(Parser)]
struct Options {
    /// A repository on this computer, of git by default in what is asked of it
    #[arg(long, value_name = "MIRROR")]
    git: PathBuf,
    /// The tag whose past it is
    #[arg(long, default_value = "v2.47.0")]
    tag: String,
    /// Files asked for; several times
    #[arg(long, value_name = "PATH", default_values_t = ["Makefile".to_owned(), "builtin/log.c".to_owned(), "diff.c".to_owned()])]
    file: Vec<String>,
    /// A directory asked for
    #[arg(long, default_value = "builtin")]
    directory: String,
    /// Hold the answers against the git program's
    #[arg(long)]
    same: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(Options::parse()))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let home = TempDir::with_prefix("lectern-bench-")?;
    let site = Site::open(&home.path().join("data"), None).await?;
    let began = Instant::now();
    let product = site.add_product("git", &options.git, std::slice::from_ref(&options.tag)).await?;
    let quiet: lectern::jobs::Watch = Arc::new(|_| {});
    site.portal.jobs.synchronise(&product, &quiet).await?;
    let fetched = began.elapsed();
    let began = Instant::now();
    site.portal.jobs.keep_past(&product).await?;
    let kept = began.elapsed();
    let table = std::fs::metadata(site.portal.config.pasts().join("git"))?.len();
    say(&format!(
        "{} at {}, {} cores; fetched in {:.1} s, its table of {} kB made in {:.1} s; {} kB of memory in use\n",
        options.git.display(),
        options.tag,
        cores(),
        fetched.as_secs_f64(),
        table / 1_000,
        kept.as_secs_f64(),
        in_use()
    ))?;
    let reader = site.readers(&product, 1).await?.pop().context("nobody reads")?;
    say("| page | first bytes ms | first ms | again p50 ms | again p99 ms | git ms |\n|---|--:|--:|--:|--:|--:|")?;
    for directory in ["", options.directory.as_str()] {
        let tree = format!("{}:{directory}", options.tag);
        row(&site, &reader, &options, &format!("tree/{directory}"), Some(&["ls-tree", "-l", &tree])).await?;
    }
    for file in &options.file {
        let blob = format!("{}:{file}", options.tag);
        row(&site, &reader, &options, &format!("file/{file}"), Some(&["cat-file", "blob", &blob])).await?;
        let log: &[&str] = &["log", "--format=%H", &options.tag, "--", file];
        row(&site, &reader, &options, &format!("history/{file}"), Some(log)).await?;
        row(&site, &reader, &options, &format!("blame/{file}"), Some(&["blame", "--porcelain", &options.tag, "--", file])).await?;
        let lines = format!("100,140:{file}");
        let log: &[&str] = &["log", "-n20", "-L", &lines, &options.tag];
        row(&site, &reader, &options, &format!("history/{file}?lines=100-140"), Some(log)).await?;
    }
    let log: &[&str] = &["log", "--format=%H", "-n50", &options.tag, "--", &options.directory];
    row(&site, &reader, &options, &format!("history/{}", options.directory), Some(log)).await?;
    row(&site, &reader, &options, "history/", Some(&["log", "--format=%H", "-n50", &options.tag])).await?;
    if options.same {
        for file in &options.file {
            same(&site, &reader, &options, file).await?;
        }
    }
    site.close().await;
    Ok(())
}

async fn row(site: &Site, reader: &Reader, options: &Options, page: &str, git: Option<&[&str]>) -> anyhow::Result<()> {
    let address = format!("/p/git/{}/{page}", options.tag);
    let (begins, first) = site.timed(reader, &address).await?;
    let mut again = Vec::new();
    for _ in 0..AGAIN {
        again.push(site.timed(reader, &address).await?.1);
    }
    again.sort_unstable();
    let at = |percent: usize| again.get((again.len() - 1) * percent / 100).copied().map_or_else(String::new, ms);
    let beside = git.map(|arguments| timed(&options.git, arguments)).transpose()?;
    let beside = beside.map_or_else(String::new, ms);
    say(&format!("| {page} | {} | {} | {} | {} | {beside} |", ms(begins), ms(first), at(50), at(99)))
}

/// Memory of this process that is in no file, in kB; 0 where the system does not say.
fn in_use() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn ms(span: Duration) -> String {
    format!("{:.1}", span.as_secs_f64() * 1_000.0)
}

fn timed(repository: &Path, arguments: &[&str]) -> anyhow::Result<Duration> {
    let began = Instant::now();
    said(repository, arguments)?;
    Ok(began.elapsed())
}

fn said(repository: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").arg("--git-dir").arg(repository).args(arguments).output().context("git")?;
    if !output.status.success() {
        bail!("git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Every page of an answer.
async fn all(site: &Site, reader: &Reader, mut address: String, list: &str) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    loop {
        let answer: Value = serde_json::from_str(&site.get(reader, &address, true).await?)?;
        found.extend(answer.get(list).and_then(Value::as_array).context("no list")?.iter().cloned());
        match answer.get("next").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut address),
            None => return Ok(found),
        }
    }
}

/// Says what differs from what the git program tells of a file.
async fn same(site: &Site, reader: &Reader, options: &Options, file: &str) -> anyhow::Result<()> {
    let ours = all(site, reader, format!("/p/git/{}/history/{file}", options.tag), "commits").await?;
    // Under this name, since git follows renames along one line of history only.
    let ours: Vec<&str> = ours.iter().filter(|row| row["path"] == file).filter_map(|row| row["commit"].as_str()).collect();
    let theirs = said(&options.git, &["log", "--format=%H", &options.tag, "--", file])?;
    let theirs: Vec<&str> = theirs.lines().collect();
    let missing = theirs.iter().filter(|id| !ours.contains(id)).count();
    let more = ours.iter().filter(|id| !theirs.contains(id)).count();
    let order = if ours == theirs { ", in the same order" } else { "" };
    say(&format!("{file}: history of {} commits, git's of {}: {missing} missing, {more} more{order}", ours.len(), theirs.len()))?;

    let ours = all(site, reader, format!("/p/git/{}/blame/{file}", options.tag), "lines").await?;
    let theirs = said(&options.git, &["blame", "--porcelain", &options.tag, "--", file])?;
    let mut blamed: BTreeMap<u64, String> = BTreeMap::new();
    for line in theirs.lines().filter(|line| !line.starts_with('\t')) {
        let mut words = line.split(' ');
        if let (Some(id), Some(_), Some(number)) = (words.next().filter(|id| id.len() == 40), words.next(), words.next()) {
            blamed.insert(number.parse()?, id.to_owned());
        }
    }
    let differs =
        |line: &&Value| line["number"].as_u64().and_then(|number| blamed.get(&number)).map(String::as_str) != line["commit"].as_str();
    let different: Vec<u64> = ours.iter().filter(differs).filter_map(|line| line["number"].as_u64()).collect();
    say(&format!(
        "{file}: blame of {} lines, git's of {}: {} differ {:?}",
        ours.len(),
        blamed.len(),
        different.len(),
        different.get(..different.len().min(10))
    ))
}
