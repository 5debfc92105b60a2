//! How fast symbols are extracted and looked up, and how many of them universal-ctags finds, too.
//!
//! `cargo bench --bench symbols -- --repository PATH [--tags 'v2.*']` extracts the symbols of the tags of a repository (of the newest, of all
//! others, and with nothing new), looks names up through the real router, and holds what is defined in the newest tag against `ctags` where
//! that is installed; headers of C++ are left out of C, which they are named like. `--only` chooses among these parts.

#![expect(clippy::cast_precision_loss, reason = "what is counted here stays far below 2^52")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use lectern::catalog::{NewVersion, Signature};
use lectern::clock::Timestamp;
use lectern::source::text::{Content, decode};
use lectern::source::{MachineReader, Vault};
use lectern::symbols::{SymbolIndex, SymbolWriter, VersionKey, extract};
use site::{Site, cores, say};
use tempfile::TempDir;

#[expect(dead_code, reason = "each bench uses a part of it")]
mod site;

const PRODUCT: &str = "measured";
/// Names that are looked up.
const LOOKED_UP: usize = 100;

/// How fast and how completely symbols are extracted
#[derive(Parser)]
struct Options {
    /// A repository
    #[arg(long, value_name = "PATH")]
    repository: PathBuf,
    /// A pattern of tags, as `git tag --list` takes it
    #[arg(long, default_value = "*")]
    tags: String,
    /// A part to measure alone; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// A name to look up besides those that are picked; may be given several times
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The ctags to run; it has to be Universal Ctags
    #[arg(long, value_name = "PROGRAM", default_value = "ctags")]
    ctags: PathBuf,
    /// Where to put everything
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Extracting; of all tags where nothing is looked up, too
    Extract,
    /// Looking names up in the newest tag
    LookUp,
    /// Against ctags
    Ctags,
}

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(Options::parse()))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let wanted = |part: Part| options.only.is_empty() || options.only.contains(&part);
    let repository = git2::Repository::open(&options.repository).context("the repository cannot be opened")?;
    let keys = versions(&repository, &options.tags)?;
    let newest = keys.first().context("no tag fits")?;
    let home = TempDir::with_prefix_in("lectern-symbols-", fs::canonicalize(&options.dir)?)?;
    let mirror = home.path().join(format!("mirrors/{PRODUCT}.git"));
    fs::create_dir_all(mirror.parent().context("a directory")?)?;
    symlink(fs::canonicalize(repository.path())?, &mirror)?;
    say(&format!("{}, {} cores, newest tag {}\n", options.repository.display(), cores(), newest.name))?;
    if wanted(Part::Extract) || wanted(Part::LookUp) {
        let (_, reader) = Vault::open(home.path().join("mirrors"), home.path().join("past"));
        let directory = home.path().join("index").join(PRODUCT).join("symbols");
        say("| extracting | files | MB | s | MB/s | anonymous memory, at most |\n|---|--:|--:|--:|--:|--:|")?;
        build(&reader, &directory, &newest.name, std::slice::from_ref(newest))?;
        if wanted(Part::Extract) {
            if keys.len() > 1 {
                build(&reader, &directory, &format!("{} more versions", keys.len() - 1), &keys)?;
            }
            build(&reader, &directory, "nothing new", &keys)?;
        }
        let began = Instant::now();
        let index = SymbolIndex::open(&directory)?;
        say(&format!(
            "\nIndex: {:.1} MB for {} files, {} of them given up in part; opened and held against its checksums in {:.2} s.\n",
            index.bytes() as f64 / 1e6,
            index.files(),
            index.incomplete(),
            began.elapsed().as_secs_f64()
        ))?;
    }
    if wanted(Part::LookUp) {
        look_up(&options, home.path(), &repository, newest).await?;
    }
    if wanted(Part::Ctags) {
        against_ctags(&options, &repository, newest)?;
    }
    Ok(())
}

/// Tags, the newest first.
fn versions(repository: &git2::Repository, tags: &str) -> anyhow::Result<Vec<VersionKey>> {
    let mut versions = Vec::new();
    for name in repository.tag_names(Some(tags))?.iter().flatten().flatten() {
        let commit = repository.revparse_single(name)?.peel_to_commit()?;
        versions.push((commit.time().seconds(), VersionKey { name: name.to_owned(), commit: commit.id().to_string() }));
    }
    versions.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Ok(versions.into_iter().map(|(_, key)| key).collect())
}

/// Brings the index to these versions; a row of the table.
fn build(reader: &MachineReader, directory: &Path, what: &str, keys: &[VersionKey]) -> anyhow::Result<()> {
    let (over, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watch = std::thread::spawn({
        let (over, most) = (Arc::clone(&over), Arc::clone(&most));
        move || {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(anonymous_memory(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    });
    let began = Instant::now();
    let mut bytes = 0;
    let writer = SymbolWriter::begin(directory, false)?;
    let built = writer.build(reader, PRODUCT, keys, &mut |at| bytes = at.bytes_done, &AtomicBool::new(false))?;
    let (took, bytes) = (began.elapsed().as_secs_f64(), bytes as f64 / 1e6);
    over.store(true, Ordering::Relaxed);
    let _ = watch.join();
    let memory = most.load(Ordering::Relaxed) as f64 / 1e6;
    say(&format!("| {what} | {} | {bytes:.1} | {took:.2} | {:.1} | {memory:.0} MB |", built.added, bytes / took))
}

/// In bytes, of this process.
fn anonymous_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// Asks the real router: session, gate, index, the files shown, log and template.
async fn look_up(options: &Options, data: &Path, repository: &git2::Repository, newest: &VersionKey) -> anyhow::Result<()> {
    let site = Site::open(data, None).await?;
    let product = site.add_product(PRODUCT, &options.repository, std::slice::from_ref(&newest.name)).await?;
    let new = NewVersion {
        name: newest.name.clone(),
        reference: format!("refs/tags/{}", newest.name),
        commit: newest.commit.clone(),
        tag: None,
        signature: Signature::None,
        verdict: lectern::catalog::Verdict::Unchecked,
        authored_at: Timestamp::from_seconds(0),
    };
    let in_order = |found: Vec<lectern::catalog::Unranked>| found.into_iter().map(|one| one.name).collect();
    let _ = site.portal.catalog.publish(&product, &[new], in_order, &site.context()).await?;
    site.portal.symbols.reload(PRODUCT)?;
    let reader = site.readers(&product, 1).await?.pop().context("no reader")?;
    let picked = picked(repository, newest)?;
    say(&format!("| looking up, as {} | names | p50 ms | p95 ms | most ms |\n|---|--:|--:|--:|--:|", reader.principal.name()))?;
    for (what, more) in [("a click", "&fragment=1"), ("the page", ""), ("the page again", "")] {
        let mut took = Vec::new();
        for (name, path) in &picked {
            let began = Instant::now();
            site.get(&reader, &format!("/symbol/{PRODUCT}/{}?name={name}&from={path}{more}", newest.name), false).await?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let at = |part: usize| took.get((took.len() * part / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        say(&format!("| {what} | {} | {:.1} | {:.1} | {:.1} |", took.len(), ms(at(50)), ms(at(95)), ms(at(100))))?;
    }
    for name in &options.names {
        let address = format!("/symbol/{PRODUCT}/{}?name={name}", newest.name);
        let began = Instant::now();
        let answer: serde_json::Value = serde_json::from_str(&site.get(&reader, &address, true).await?)?;
        let number = |of: &str| answer.get(of).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let (first, began) = (began.elapsed(), Instant::now());
        site.get(&reader, &address, true).await?;
        say(&format!(
            "| {name}: {} definitions, references in {} files | 1 | {:.1}, again {:.1} | | |",
            number("total_definitions"),
            number("total_files"),
            first.as_secs_f64() * 1e3,
            began.elapsed().as_secs_f64() * 1e3
        ))?;
    }
    say("")?;
    site.close().await;
    Ok(())
}

/// Names that files of the version define, spread over all of it, each with its file.
fn picked(repository: &git2::Repository, newest: &VersionKey) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    repository.revparse_single(&newest.commit)?.peel_to_tree()?.walk(git2::TreeWalkMode::PreOrder, |directory, entry| {
        let plain = entry.name().ok().filter(|name| name.is_ascii() && directory.is_ascii());
        if let (Some(name), Some(git2::ObjectType::Blob)) = (plain, entry.kind()) {
            files.push((entry.id(), format!("{directory}{name}")));
        }
        git2::TreeWalkResult::Ok
    })?;
    let mut names = Vec::new();
    for (id, path) in files.iter().step_by((files.len() / (4 * LOOKED_UP)).max(1)) {
        let Content::Text(text) = decode(repository.find_blob(*id)?.content()) else { continue };
        let found = extract(path, text.as_str()).unwrap_or_default();
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        names.extend(found.definitions.into_iter().find(|one| plain(&one.name)).map(|one| (one.name, path.clone())));
    }
    names.truncate(LOOKED_UP);
    Ok(names)
}

/// What is defined, by place: path, line and name; with the kind.
type Found = BTreeMap<(String, u64, String), String>;

const COMPARED: [(&str, &[&str], &str); 3] =
    [("C", &[".c", ".h"], "--kinds-C=defgmstuv"), ("Python", &[".py"], "--kinds-Python=cfmv"), ("Go", &[".go"], "--kinds-Go=fctvsimna")];

fn against_ctags(options: &Options, repository: &git2::Repository, newest: &VersionKey) -> anyhow::Result<()> {
    let tree = repository.revparse_single(&newest.commit)?.peel_to_tree()?;
    let mut more = Vec::new();
    say("| against ctags | files | found here | by ctags | by both | precision | recall |\n|---|--:|--:|--:|--:|--:|--:|")?;
    for (language, endings, kinds) in COMPARED {
        let work = TempDir::with_prefix_in("lectern-ctags-", &options.dir)?;
        let mut ours = Found::new();
        let mut files = 0;
        tree.walk(git2::TreeWalkMode::PreOrder, |directory, entry| {
            let name = entry.name().unwrap_or_default();
            let path = format!("{directory}{name}");
            let fits = entry.filemode() == 0o100_644 || entry.filemode() == 0o100_755;
            if fits && endings.iter().any(|ending| name.ends_with(ending)) {
                let taken = take(repository, entry.id(), &path, work.path(), &mut ours);
                files += u64::from(taken.is_ok());
            }
            git2::TreeWalkResult::Ok
        })?;
        if files == 0 {
            continue;
        }
        let run = Command::new(&options.ctags)
            .args(["-R", "--output-format=xref", "--_xformat=%n\t%F\t%K\t%N", kinds])
            .arg(format!("--languages={language}"))
            .arg(format!("--langmap={language}:{}", endings.concat()))
            .args(["-f", "-", "."])
            .current_dir(work.path())
            .output();
        let Ok(run) = run else {
            say(&format!("| {language} | {files} | {} | there is no ctags | | | |", ours.len()))?;
            continue;
        };
        let mut theirs = Found::new();
        for line in String::from_utf8_lossy(&run.stdout).lines() {
            let mut parts = line.split('\t');
            if let (Some(number), Some(path), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next(), parts.next())
                && !name.starts_with("__anon")
            {
                let place = (path.trim_start_matches("./").to_owned(), number.parse().unwrap_or(0), name.to_owned());
                theirs.insert(place, kind.to_owned());
            }
        }
        let both = ours.keys().filter(|place| theirs.contains_key(*place)).count();
        let share = |of: usize| 100.0 * both as f64 / of.max(1) as f64;
        let (precision, recall) = (share(ours.len()), share(theirs.len()));
        say(&format!("| {language} | {files} | {} | {} | {both} | {precision:.1} % | {recall:.1} % |", ours.len(), theirs.len()))?;
        more.extend(by_kind(&format!("{language}, only here"), &ours, &theirs));
        more.extend(by_kind(&format!("{language}, only ctags"), &theirs, &ours));
    }
    say("\n| where they differ | of | differ | for example |\n|---|--:|--:|---|")?;
    more.iter().try_for_each(|row| say(row))
}

/// Rows by kind of what the one has and the other has not.
fn by_kind(what: &str, one: &Found, other: &Found) -> Vec<String> {
    let mut kinds: BTreeMap<&str, (usize, Vec<String>)> = BTreeMap::new();
    for (place, kind) in one {
        let (all, missing) = kinds.entry(kind).or_default();
        *all += 1;
        if !other.contains_key(place) {
            missing.push(format!("{}:{} {}", place.0, place.1, place.2));
        }
    }
    let row = |(kind, (all, missing)): (&str, (usize, Vec<String>))| {
        let examples: BTreeSet<&String> = missing.iter().step_by((missing.len() / 4).max(1)).take(4).collect();
        let examples: Vec<&str> = examples.into_iter().map(String::as_str).collect();
        format!("| {what}: {kind} | {all} | {} | {} |", missing.len(), examples.join("; "))
    };
    kinds.into_iter().filter(|(_, (_, missing))| !missing.is_empty()).map(row).collect()
}

/// Whether a header has what only C++ has.
fn is_of_cpp(header: &[u8]) -> bool {
    let begins = |line: &str| ["namespace ", "template <", "template<", "class "].iter().any(|word| line.trim_start().starts_with(word));
    String::from_utf8_lossy(header).lines().any(begins)
}

fn take(repository: &git2::Repository, id: git2::Oid, path: &str, work: &Path, ours: &mut Found) -> anyhow::Result<()> {
    let blob = repository.find_blob(id)?;
    if Path::new(path).extension().is_some_and(|ending| ending == "h") && is_of_cpp(blob.content()) {
        anyhow::bail!("ctags would be made to read C++ as C");
    }
    let at = work.join(path);
    fs::create_dir_all(at.parent().unwrap_or(work))?;
    fs::write(&at, blob.content())?;
    let Content::Text(text) = decode(blob.content()) else { return Ok(()) };
    let Some(found) = extract(path, text.as_str()) else { return Ok(()) };
    ours.extend(found.definitions.into_iter().map(|one| ((path.to_owned(), u64::from(one.line), one.name), one.kind.to_string())));
    Ok(())
}
