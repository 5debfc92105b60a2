//! How fast two versions of a product are compared, beside `git diff` where that program is.
//!
//! `cargo bench --bench compare -- --product git=/path/to/git.git --pair v2.30.0..v2.45.0` asks the real router in this process: session, gate,
//! both trees, renames, counted lines, log and template. The first time nothing is kept; again, what depends on nobody's rights is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::Value;
use site::{Reader, Site, cores, say};
use tempfile::TempDir;

mod site;

/// Times that a page is asked for again.
const AGAIN: usize = 15;

/// How fast two versions are compared
#[derive(Parser)]
struct Options {
    /// A repository on this computer, with the tags to compare
    #[arg(long, value_name = "NAME=PATH", default_value = "lectern=.")]
    product: String,
    /// Two tags; may be given several times
    #[arg(long = "pair", value_name = "TAG..TAG", required = true)]
    pairs: Vec<String>,
    /// Where to put everything
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
    let root = TempDir::with_prefix_in("lectern-bench-", fs::canonicalize(&options.dir)?)?;
    let (name, repository) = options.product.split_once('=').context("--product wants NAME=PATH")?;
    let repository = fs::canonicalize(repository).context(repository.to_owned())?;
    let pairs: Vec<(&str, &str)> = options
        .pairs
        .iter()
        .map(|pair| pair.split_once("..").with_context(|| format!("{pair}: write two tags with two dots between them")))
        .collect::<anyhow::Result<_>>()?;
    let tags: Vec<String> = pairs.iter().flat_map(|(from, to)| [(*from).to_owned(), (*to).to_owned()]).collect();
    let site = Site::open(root.path(), None).await?;
    let product = site.add_product(name, &repository, &tags).await?;
    let _ = site.portal.jobs.synchronise(&product, &(Arc::new(|_| {}) as _)).await?;
    let reader = site.readers(&product, 1).await?.pop().context("no reader")?;
    say(&format!("{name}, {} cores, asked by {}\n", cores(), reader.principal.name()))?;
    say("| what | files | first ms | again p50 ms | again p99 ms | git ms |\n|---|--:|--:|--:|--:|--:|")?;
    for (from, to) in pairs {
        let base = format!("/p/{name}/compare/{from}/{to}");
        let git = git(&repository, &["diff", "--stat", "-M", from, to]);
        let found: Value = measure(&site, &reader, &format!("{from} to {to}"), &base, git).await?;
        for (what, query) in
            [("by size", "?sort=size"), ("one language", "?lang=C"), ("build scripts", "?kind=build"), ("page 3", "?page=3")]
        {
            measure(&site, &reader, &format!("{from} to {to}, {what}"), &format!("{base}{query}"), None).await?;
        }
        let largest = site.get(&reader, &format!("{base}?sort=size&only=changed"), true).await?;
        let largest: Value = serde_json::from_str(&largest)?;
        let path = largest.pointer("/files/0/path").or(found.pointer("/files/0/path")).and_then(Value::as_str);
        if let Some(path) = path {
            let git = git_file(&repository, from, to, path);
            for (what, query) in [("", ""), (", side by side", "?view=split"), (", white space ignored", "?space=ignore")] {
                measure(&site, &reader, &format!("{path}{what}"), &format!("{base}/{path}{query}"), git).await?;
            }
        }
    }
    site.close().await;
    Ok(())
}

/// Asks for a page once, then again and again; a row of the table. Gives its data.
async fn measure(site: &Site, reader: &Reader, what: &str, address: &str, git: Option<Duration>) -> anyhow::Result<Value> {
    let began = Instant::now();
    site.get(reader, address, false).await?;
    let first = began.elapsed();
    let data: Value = serde_json::from_str(&site.get(reader, address, true).await?)?;
    if data.get("complete") == Some(&Value::Bool(false)) {
        say(&format!("{what}: lines were not all counted the first time; asking on"))?;
        for _ in 0..100 {
            let data: Value = serde_json::from_str(&site.get(reader, address, true).await?)?;
            if data.get("complete") != Some(&Value::Bool(false)) {
                break;
            }
        }
        say(&format!("{what}: all counted after {:.1} s", began.elapsed().as_secs_f64()))?;
    }
    let mut again = Vec::new();
    for _ in 0..AGAIN {
        let began = Instant::now();
        site.get(reader, address, false).await?;
        again.push(began.elapsed());
    }
    again.sort_unstable();
    let at = |percent: usize| again.get((again.len() - 1) * percent / 100).copied().unwrap_or_default();
    let ms = |span: Duration| format!("{:.1}", span.as_secs_f64() * 1e3);
    let files = data.pointer("/totals/files").and_then(Value::as_u64).map(|files| files.to_string()).unwrap_or_default();
    let git = git.map(ms).unwrap_or_default();
    say(&format!("| {what} | {files} | {} | {} | {} | {git} |", ms(first), ms(at(50)), ms(at(99))))?;
    Ok(data)
}

/// How long `git` takes, the better of two runs; none where it is not.
fn git(repository: &Path, arguments: &[&str]) -> Option<Duration> {
    let run = || -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut command = Command::new("git");
        let status = command.arg("-C").arg(repository).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if status.success() { Ok(began.elapsed()) } else { bail!("git failed") }
    };
    run().ok().into_iter().chain(run().ok()).min()
}

fn git_file(repository: &Path, from: &str, to: &str, path: &str) -> Option<Duration> {
    git(repository, &["diff", from, to, "--", path])
}
