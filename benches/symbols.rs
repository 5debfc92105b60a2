//! How fast symbols are extracted, and how many of them universal-ctags finds, too.
//!
//! `cargo bench --bench symbols -- --repository PATH [--tags 'v2.*']` extracts the symbols of the tags of a repository, measures that, a
//! build with nothing to do and one after a kill, and holds what is defined in the newest tag against `ctags` where that is installed.

#![expect(clippy::cast_precision_loss, reason = "what is counted here stays far below 2^52")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use lectern::source::Vault;
use lectern::source::text::{Content, decode};
use lectern::symbols::{SymbolIndex, SymbolWriter, VersionKey, extract};

/// How fast and how completely symbols are extracted
#[derive(Parser)]
struct Options {
    /// A repository
    #[arg(long, value_name = "PATH")]
    repository: PathBuf,
    /// A pattern of tags, as `git tag --list` takes it
    #[arg(long, default_value = "*")]
    tags: String,
    /// The ctags to run; it has to be Universal Ctags
    #[arg(long, value_name = "PROGRAM", default_value = "ctags")]
    ctags: PathBuf,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut out = std::io::stdout().lock();
    let repository = git2::Repository::open(&options.repository).context("the repository cannot be opened")?;
    let mut versions = Vec::new();
    for name in repository.tag_names(Some(&options.tags))?.iter().flatten().flatten() {
        let commit = repository.revparse_single(name)?.peel_to_commit()?;
        versions.push((commit.time().seconds(), VersionKey { name: name.to_owned(), commit: commit.id().to_string() }));
    }
    versions.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let keys: Vec<VersionKey> = versions.into_iter().map(|(_, key)| key).collect();
    let newest = keys.first().context("no tag fits")?;

    let home = tempfile::TempDir::with_prefix("lectern-symbols-")?;
    fs::create_dir(home.path().join("mirrors"))?;
    symlink(fs::canonicalize(repository.path())?, home.path().join("mirrors/x.git"))?;
    let (_, reader) = Vault::open(home.path().join("mirrors"), home.path().join("past"));
    let directory = home.path().join("symbols");
    let run = |keys: &[VersionKey]| -> anyhow::Result<(f64, u64, u64)> {
        let began = Instant::now();
        let mut bytes = 0;
        let writer = SymbolWriter::begin(&directory, false)?;
        let built = writer.build(&reader, "x", keys, &mut |at| bytes = at.bytes_done, &AtomicBool::new(false))?;
        Ok((began.elapsed().as_secs_f64(), built.added, bytes))
    };
    let (first, added, bytes) = run(keys.get(..1).unwrap_or_default())?;
    writeln!(out, "{}: {added} files, {:.1} MB in {first:.1} s", newest.name, bytes as f64 / 1e6)?;
    if keys.len() > 1 {
        let (all, added, bytes) = run(&keys)?;
        writeln!(out, "{} more versions: {added} further files, {:.1} MB in {all:.1} s", keys.len() - 1, bytes as f64 / 1e6)?;
    }
    writeln!(out, "with nothing new: {:.3} s", run(&keys)?.0)?;
    let began = Instant::now();
    let index = SymbolIndex::open(&directory)?;
    writeln!(
        out,
        "index: {:.1} MB for {} files, {} given up in part; opened in {:.3} s",
        index.bytes() as f64 / 1e6,
        index.files(),
        index.incomplete(),
        began.elapsed().as_secs_f64()
    )?;
    let peak = fs::read_to_string("/proc/self/status")?;
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned();
    writeln!(out, "peak memory: {peak}")?;
    against_ctags(&options, &repository, newest, &mut out)
}

/// Names by place: path, line, name.
type Found = BTreeSet<(String, u64, String)>;

fn against_ctags(
    options: &Options,
    repository: &git2::Repository,
    newest: &VersionKey,
    out: &mut impl std::io::Write,
) -> anyhow::Result<()> {
    let tree = repository.revparse_single(&newest.commit)?.peel_to_tree()?;
    for (language, endings, kinds) in [
        ("C", &[".c", ".h"][..], "--kinds-C=defgmstuv"),
        ("Python", &[".py"][..], "--kinds-Python=cfmv"),
        ("Go", &[".go"][..], "--kinds-Go=fctvsimna"),
    ] {
        let work = tempfile::TempDir::with_prefix("lectern-ctags-")?;
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
            .args(["-R", "--output-format=xref", "--_xformat=%n\t%F\t%N", kinds])
            .arg(format!("--languages={language}"))
            .arg(format!("--langmap={language}:{}", endings.concat()))
            .args(["-f", "-", "."])
            .current_dir(work.path())
            .output();
        let Ok(run) = run else {
            writeln!(out, "{language}: {files} files; there is no ctags to compare with")?;
            continue;
        };
        let mut theirs = Found::new();
        for line in String::from_utf8_lossy(&run.stdout).lines() {
            let mut parts = line.split('\t');
            if let (Some(number), Some(path), Some(name)) = (parts.next(), parts.next(), parts.next())
                && !name.starts_with("__anon")
            {
                theirs.insert((path.trim_start_matches("./").to_owned(), number.parse().unwrap_or(0), name.to_owned()));
            }
        }
        let both = ours.intersection(&theirs).count();
        writeln!(
            out,
            "{language}: {files} files; {} definitions, ctags {}, both {both}: precision {:.1} %, recall {:.1} %",
            ours.len(),
            theirs.len(),
            100.0 * both as f64 / ours.len().max(1) as f64,
            100.0 * both as f64 / theirs.len().max(1) as f64
        )?;
        for (words, one, other) in [("only here", &ours, &theirs), ("only ctags", &theirs, &ours)] {
            let mut some: BTreeMap<String, String> = BTreeMap::new();
            for (path, line, name) in one.difference(other) {
                some.entry(path.clone()).or_insert_with(|| format!("{path}:{line} {name}"));
            }
            let every = (some.len() / 8).max(1);
            for line in some.values().step_by(every).take(8) {
                writeln!(out, "    {words}: {line}")?;
            }
        }
    }
    Ok(())
}

fn take(repository: &git2::Repository, id: git2::Oid, path: &str, work: &Path, ours: &mut Found) -> anyhow::Result<()> {
    let blob = repository.find_blob(id)?;
    let at = work.join(path);
    fs::create_dir_all(at.parent().unwrap_or(work))?;
    fs::write(&at, blob.content())?;
    let Content::Text(text) = decode(blob.content()) else { return Ok(()) };
    let Some(found) = extract(path, text.as_str()) else { return Ok(()) };
    ours.extend(found.definitions.into_iter().map(|one| (path.to_owned(), u64::from(one.line), one.name)));
    Ok(())
}
