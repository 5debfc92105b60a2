//! How fast two versions of a product are compared, beside `git diff` where that program is.
//!
//! `cargo bench --bench compare -- --product git=/path/to/git.git --pair v2.30.0..v2.45.0` asks the real router in this process: session, gate,
//! both trees, renames, counted lines, log and template. The first time nothing is kept; again, what depends on nobody's rights is.
//! With `--same` it also holds each summary against `git diff --raw --numstat -M`, file by file.

use std::collections::{BTreeMap, BTreeSet};
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

#[expect(dead_code, reason = "other benches use more of it")]
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
    /// Files whose difference is asked for, besides the one that changed most; several times
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<String>,
    /// Hold the summaries against the git program's
    #[arg(long)]
    same: bool,
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
        if options.same {
            same(&site, &reader, &repository, (from, to), &base).await?;
        }
        for (what, query) in
            [("by size", "?sort=size"), ("one language", "?lang=C"), ("build scripts", "?kind=build"), ("page 3", "?page=3")]
        {
            measure(&site, &reader, &format!("{from} to {to}, {what}"), &format!("{base}{query}"), None).await?;
        }
        let largest = site.get(&reader, &format!("{base}?sort=size&only=changed"), true).await?;
        let largest: Value = serde_json::from_str(&largest)?;
        let path = largest.pointer("/files/0/path").or(found.pointer("/files/0/path")).and_then(Value::as_str);
        for path in path.into_iter().chain(options.files.iter().map(String::as_str)) {
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
    let (_, first) = site.timed(reader, address).await?;
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
        again.push(site.timed(reader, address).await?.1);
    }
    again.sort_unstable();
    let at = |percent: usize| again.get((again.len() - 1) * percent / 100).copied().unwrap_or_default();
    let ms = |span: Duration| format!("{:.1}", span.as_secs_f64() * 1e3);
    let files = data.pointer("/totals/files").and_then(Value::as_u64).map(|files| files.to_string()).unwrap_or_default();
    let git = git.map(ms).unwrap_or_default();
    say(&format!("| {what} | {files} | {} | {} | {} | {git} |", ms(first), ms(at(50)), ms(at(99))))?;
    Ok(data)
}

/// A file that differs: what became of it, its name before, and lines added and removed; none of a binary one.
type File = (String, Option<String>, Option<(u64, u64)>);

/// Says what differs from what the git program tells of two versions.
async fn same(site: &Site, reader: &Reader, repository: &Path, (from, to): (&str, &str), base: &str) -> anyhow::Result<()> {
    let mut ours: BTreeMap<String, File> = BTreeMap::new();
    let mut address = Some(base.to_owned());
    while let Some(next) = address {
        let page: Value = serde_json::from_str(&site.get(reader, &next, true).await?)?;
        for file in page.pointer("/files").and_then(Value::as_array).context("no files")? {
            let text = |name: &str| file[name].as_str().map(str::to_owned);
            let lines = file["lines_added"].as_u64().zip(file["lines_removed"].as_u64());
            ours.insert(text("path").context("no path")?, (text("change").context("no change")?, text("before"), lines));
        }
        address = page.pointer("/next").and_then(Value::as_str).map(str::to_owned);
    }
    let theirs = told_by_git(repository, from, to)?;
    let differs = |path: &&String| ours.get(*path) != theirs.get(*path);
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let different: Vec<&String> = paths.iter().copied().filter(differs).collect();
    let sum =
        |files: &BTreeMap<String, File>, of: fn((u64, u64)) -> u64| files.values().filter_map(|(.., lines)| lines.map(of)).sum::<u64>();
    let fates = |files: &BTreeMap<String, File>| {
        let mut fates: BTreeMap<String, usize> = BTreeMap::new();
        for (fate, ..) in files.values() {
            *fates.entry(fate.clone()).or_default() += 1;
        }
        fates
    };
    for (whose, files) in [("ours", &ours), ("git's", &theirs)] {
        let (added, removed) = (sum(files, |(added, _)| added), sum(files, |(_, removed)| removed));
        say(&format!("{from} to {to}, {whose}: {} files, {:?}, +{added} -{removed}", files.len(), fates(files)))?;
    }
    say(&format!("{from} to {to}: {} differ", different.len()))?;
    different.iter().take(40).try_for_each(|path| say(&format!("  {path}: {:?}, git's {:?}", ours.get(*path), theirs.get(*path))))
}

/// By the path where it stands now, or stood when it was removed.
fn told_by_git(repository: &Path, from: &str, to: &str) -> anyhow::Result<BTreeMap<String, File>> {
    let said = |format: &str| -> anyhow::Result<Vec<String>> {
        let output =
            Command::new("git").arg("-C").arg(repository).args(["diff", format, "-z", "-M", "-l0", from, to]).output().context("git")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.split('\0').filter(|part| !part.is_empty()).map(str::to_owned).collect())
    };
    let mut files = BTreeMap::new();
    let mut parts = said("--raw")?.into_iter();
    while let Some(head) = parts.next() {
        let (letter, path) = (head.split(' ').next_back().and_then(|word| word.chars().next()), parts.next().context("no path")?);
        let (fate, before) = match letter {
            Some('A') => ("added", None),
            Some('D') => ("removed", None),
            Some('R') => ("renamed", Some(path.clone())),
            _ => ("changed", None),
        };
        let path = if before.is_some() { parts.next().context("no name")? } else { path };
        files.insert(path, (fate.to_owned(), before, None));
    }
    let mut parts = said("--numstat")?.into_iter();
    while let Some(head) = parts.next() {
        let fields: Vec<&str> = head.split('\t').collect();
        let [added, removed, path] = fields.as_slice() else { bail!("git said {head:?}") };
        let path = if path.is_empty() { parts.nth(1).context("no name")? } else { (*path).to_owned() };
        if let Some((.., lines)) = files.get_mut(&path) {
            *lines = added.parse().ok().zip(removed.parse().ok());
        }
    }
    Ok(files)
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
