//! How fast and how completely is searched, beside ripgrep and csearch, in one run on the same files.
//!
//! `cargo bench --bench search` makes its corpora: Linux 6.1 as Debian packages it, a fifth of it, and releases of git when a mirror
//! of git is named. Lectern is measured through the parts of the real program: mirror, index, gate, searcher, log, router. Each
//! measure is taken in a process of its own. `-- --help` names the options.
//!
//! It fails when Lectern and ripgrep count other lines in a file that is the same text for both.

mod corpora;
mod measures;
mod others;
mod patterns;
#[expect(dead_code, reason = "other benches use more of it")]
#[path = "../site/mod.rs"]
mod site;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Parser, ValueEnum};
use corpora::Corpus;
use measures::{Crowd, Indexed, Task, Timed, ask};
use others::{Answer, Other};
use patterns::{OVER_VERSIONS, PATTERNS, Pattern};
use site::{cores, say};

/// How fast and how completely is searched
#[derive(Parser)]
struct Options {
    /// Linux, unpacked or packed [default: where Debian's linux-source-6.1 puts it]
    #[arg(long, value_name = "DIR_OR_TAR")]
    linux: Option<PathBuf>,
    /// A mirror or clone of git with its tags: measures searching over 52 releases
    #[arg(long, value_name = "PATH")]
    git: Option<PathBuf>,
    /// Only these parts; may be given several times [default: all]
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
    /// Where everything is put; corpora that are there already are taken [default: a directory that is removed]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The ripgrep to run
    #[arg(long, value_name = "PROGRAM", default_value = "rg")]
    rg: PathBuf,
    /// How often each query is asked
    #[arg(long, value_name = "COUNT", default_value_t = 11)]
    runs: usize,
    /// How long readers ask at once
    #[arg(long, value_name = "SECONDS", default_value_t = 8.0)]
    seconds: f64,
    #[arg(long, hide = true)]
    child: Option<String>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A fifth of Linux
    Subset,
    /// Linux whole
    Linux,
    /// Releases of git
    Releases,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(order) = &options.child {
        let order = serde_json::from_str(order)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return say(&runtime.block_on(measures::obey(order))?);
    }
    let removed = if options.dir.is_none() { Some(tempfile::TempDir::with_prefix("lectern-bench-")?) } else { None };
    let dir = match (&options.dir, &removed) {
        (Some(dir), _) => dir.clone(),
        (None, Some(removed)) => removed.path().to_owned(),
        (None, None) => bail!("there is no directory to work in"),
    };
    fs::create_dir_all(&dir)?;
    let dir = fs::canonicalize(dir)?;
    let rg = Other::ripgrep(&options.rg);
    let rg_version = rg.as_ref().map_or("not here".to_owned(), |rg| rg.version.clone());
    say(&format!("{} cores; ripgrep {rg_version}; milliseconds at the median of {} warm runs\n", cores(), options.runs))?;
    let mut differ = 0;
    if options.wants(Part::Subset) || options.wants(Part::Linux) {
        match corpora::linux(options.linux.as_deref(), &dir)? {
            None => say("Linux is not here: `apt-get install linux-source-6.1` brings it, or name it with --linux.")?,
            Some(tree) => {
                if options.wants(Part::Subset) {
                    let subset = Corpus::new("subset", corpora::fifth(&tree, &dir)?, &dir)?;
                    differ += on_linux(&subset, rg.as_ref(), &options, &dir)?;
                }
                if options.wants(Part::Linux) {
                    differ += on_linux(&Corpus::new("linux", tree, &dir)?, rg.as_ref(), &options, &dir)?;
                }
            }
        }
    }
    if options.wants(Part::Releases) {
        match &options.git {
            Some(repository) => on_releases(repository, &options, &dir)?,
            None => say("\nReleases of git were not measured: name a mirror of it with --git.")?,
        }
    }
    if differ > 0 {
        bail!("Lectern and ripgrep count other lines for {differ} expressions");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "what is counted here stays far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

/// The value in the middle; sorts them.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A portal that is made anew, with its source in.
fn portal(name: &str, repository: &Path, tags: &[String], dir: &Path) -> anyhow::Result<(PathBuf, f64)> {
    let data = dir.join(name).join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let seconds = ask(&data, Task::Mirror { repository: repository.to_owned(), tags: tags.to_vec() })?;
    Ok((data, seconds))
}

/// Gives how many expressions are counted otherwise than by ripgrep.
fn on_linux(corpus: &Corpus, rg: Option<&Other>, options: &Options, dir: &Path) -> anyhow::Result<usize> {
    say(&format!(
        "\n## {}: {} files, {} MB; {} of them no plain UTF-8 text\n",
        corpus.name,
        corpus.files,
        corpus.bytes / 1_000_000,
        corpus.apart.len()
    ))?;
    let (data, mirrored) = portal(corpus.name, &corpus.repository, &["v1.0".to_owned()], dir)?;
    let indexed: Indexed = ask(&data, Task::Index)?;
    let csearch = Other::codesearch(&corpus.tree, &dir.join(corpus.name))?;
    tell_index(corpus, mirrored, &indexed, csearch.as_ref())?;

    let queries: Vec<String> = PATTERNS.iter().map(Pattern::query).collect();
    let timed: Vec<Timed> = ask(&data, Task::Time { queries, runs: options.runs })?;
    let quoted = corpus.name == "subset";
    let columns = if quoted { "zoekt (quoted) | livegrep (quoted)" } else { "goal | within" };
    say(&format!(
        "\n| query | lines | Lectern | ripgrep | csearch | of ripgrep | of csearch | {columns} |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    ))?;
    let (mut unequal, mut uncounted) = (Vec::new(), Vec::new());
    for (pattern, timed) in PATTERNS.iter().zip(&timed) {
        let beside = |other: Option<&Other>| other.map(|other| other.ask(pattern, &corpus.tree, options.runs)).transpose();
        let (by_rg, by_csearch) = (beside(rg)?, beside(csearch.as_ref())?);
        say(&row(pattern, timed, by_rg.as_ref(), by_csearch.as_ref(), quoted))?;
        let by_path = rg.map(|rg| rg.count(pattern, &corpus.tree)).transpose()?;
        if by_path.as_ref().is_some_and(Option::is_none) {
            uncounted.push(pattern.name());
        }
        if let Some(by_path) = by_path.flatten().filter(|by_path| by_path.values().sum::<u64>() != timed.lines || !timed.complete) {
            unequal.push((*pattern, by_path));
        }
    }
    say(
        "\nOver HTTP, a page of 20 files, recorded; milliseconds:\n\n| query | the search | JSON | HTML | HTML above the search |\n|---|--:|--:|--:|--:|",
    )?;
    for (pattern, timed) in PATTERNS.iter().zip(&timed) {
        let Timed { page, json, html, .. } = timed;
        say(&format!("| {} | {page:.1} | {json:.1} | {html:.1} | {:.1} |", pattern.name(), html - page))?;
    }
    tell_crowd(&ask(&data, Task::Crowd { seconds: options.seconds })?)?;
    explain(corpus, &data, &unequal, &uncounted)
}

fn tell_index(corpus: &Corpus, mirrored: f64, indexed: &Indexed, csearch: Option<&Other>) -> anyhow::Result<()> {
    let of = |bytes: u64| float(bytes) / float(corpus.bytes);
    say(
        "| index | seconds | peak MiB | of it own | beside its contents, of the corpus | contents, of the corpus |\n|---|--:|--:|--:|--:|--:|",
    )?;
    say(&format!(
        "| Lectern: files (mirrored in {mirrored:.1} s before) | {:.1} | {:.0} | {:.0} | {:.3} | {:.3} |",
        indexed.files.seconds,
        indexed.files.peak,
        indexed.files.peak_own,
        of(indexed.beside),
        of(indexed.contents)
    ))?;
    say(&format!(
        "| and then symbols and history, in all | {:.1} | {:.0} | {:.0} | {:.3} | |",
        indexed.whole.seconds,
        indexed.whole.peak,
        indexed.whole.peak_own,
        of(indexed.beside + indexed.others)
    ))?;
    if let Some(index) = csearch.and_then(|csearch| csearch.index.as_ref()) {
        say(&format!("| csearch | {:.1} | | | {:.3} | |", index.seconds, of(index.bytes)))?;
    }
    if corpus.name == "subset" {
        say("| zoekt (quoted) | 43 | | | 2.77 | |\n| livegrep (quoted) | 17 | | | 6.3 | |")?;
    }
    Ok(())
}

fn row(pattern: &Pattern, timed: &Timed, rg: Option<&Answer>, csearch: Option<&Answer>, quoted: bool) -> String {
    let number = |value: f64| if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
    let took = |answer: Option<&Answer>| match answer {
        Some(answer) if answer.lines == timed.lines => number(answer.took),
        Some(answer) => format!("{} ({} lines)", number(answer.took), answer.lines),
        None => String::new(),
    };
    let ratio = |answer: Option<&Answer>| answer.map_or(String::new(), |answer| format!("{:.3}", timed.all / answer.took));
    let last = match pattern.quoted {
        Some((zoekt, livegrep)) if quoted => format!("{zoekt} | {livegrep}"),
        _ if quoted => " | ".to_owned(),
        _ => format!("{} | {}", pattern.kind.goal(), if timed.all <= pattern.kind.goal() { "yes" } else { "no" }),
    };
    let suite = if pattern.suite { "" } else { " †" };
    let bound = if timed.complete { "" } else { " at least" };
    format!(
        "| {}{suite} | {}{bound} | {} | {} | {} | {} | {} | {last} |",
        pattern.name(),
        timed.lines,
        number(timed.all),
        took(rg),
        took(csearch),
        ratio(rg),
        ratio(csearch)
    )
}

/// Looks for the files that are counted otherwise. Those that are no plain UTF-8 text are named; any other is a failure.
fn explain(corpus: &Corpus, data: &Path, unequal: &[(Pattern, BTreeMap<Vec<u8>, u64>)], uncounted: &[String]) -> anyhow::Result<usize> {
    say("\n† is not in ripgrep's benchsuite. Lines are those that a match touches, also over lines; other counts are in parentheses.")?;
    for name in uncounted {
        say(&format!("Not compared: {name}, which ripgrep had not counted over lines within a minute."))?;
    }
    if unequal.is_empty() {
        say("Lectern and ripgrep count the same lines for every expression compared.")?;
        return Ok(0);
    }
    let queries = unequal.iter().map(|(pattern, _)| pattern.query()).collect();
    let ours: Vec<BTreeMap<String, u64>> = ask(data, Task::Paths { queries })?;
    let mut failed = 0;
    for ((pattern, theirs), ours) in unequal.iter().zip(&ours) {
        let mut paths: BTreeMap<&[u8], (u64, u64)> = BTreeMap::new();
        for (path, lines) in ours {
            paths.entry(path.as_bytes()).or_default().0 = *lines;
        }
        for (path, lines) in theirs {
            paths.entry(path).or_default().1 = *lines;
        }
        let (mut wrong, mut named) = (0, 0);
        for (path, (ours, theirs)) in paths.into_iter().filter(|(_, (ours, theirs))| ours != theirs) {
            let reason = corpus.apart.get(path).copied();
            wrong += usize::from(reason.is_none());
            named += 1;
            if named <= 40 || reason.is_none() && wrong <= 10 {
                let path = String::from_utf8_lossy(path);
                say(&format!("- {}: {path}: {ours} lines, ripgrep {theirs}: {}", pattern.name(), reason.unwrap_or("NOT EXPLAINED")))?;
            }
        }
        say(&format!("- {}: {named} files are counted otherwise, {wrong} of them without a reason", pattern.name()))?;
        failed += usize::from(wrong > 0);
    }
    Ok(failed)
}

fn tell_crowd([one, all, beside]: &[Crowd; 3]) -> anyhow::Result<()> {
    say(
        "\nPeople at once, pages over HTTP, short queries; milliseconds at the median and at most, and answers, of each of them:\n\n| | a second | medians | at most | answers | refused | the heavy one: answered, refused |\n|---|--:|---|---|---|--:|---|",
    )?;
    for (what, crowd) in [("1 reader", one), ("8 readers", all), ("8 readers, and one with scans and a pathological expression", beside)] {
        let list =
            |of: fn(&(f64, f64, u64, u64)) -> f64| crowd.readers.iter().map(|one| format!("{:.0}", of(one))).collect::<Vec<_>>().join(" ");
        let refused: u64 = crowd.readers.iter().map(|one| one.3).sum();
        let (answered, not) = crowd.heavy;
        say(&format!(
            "| {what} | {:.0} | {} | {} | {} | {refused} | {answered}, {not} |",
            crowd.a_second,
            list(|one| one.0),
            list(|one| one.1),
            list(|one| float(one.2))
        ))?;
    }
    Ok(())
}

/// One release and all of them, of a repository with their trees and without the history between them, so that what is measured
/// is what versions add.
fn on_releases(repository: &Path, options: &Options, dir: &Path) -> anyhow::Result<()> {
    let tags = corpora::releases(repository)?;
    let newest = tags.first().cloned().unwrap_or_default();
    say(&format!("\n## git: {} releases, {} to {newest}\n", tags.len(), tags.last().cloned().unwrap_or_default()))?;
    let repository = corpora::without_history(repository, &tags, dir)?;
    say(
        "| releases | mirrored, s | indexed, s | peak MiB | of it own | files | distinct | contents, MB | beside, MB | with symbols and changes, s | peak MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    )?;
    let mut all = PathBuf::new();
    for (name, tags) in [("git-newest", tags.get(..1).unwrap_or_default()), ("git-all", tags.as_slice())] {
        let (data, mirrored) = portal(name, &repository, tags, dir)?;
        let indexed: Indexed = ask(&data, Task::Index)?;
        say(&format!(
            "| {} | {mirrored:.1} | {:.1} | {:.0} | {:.0} | {} | {} | {:.1} | {:.1} | {:.1} | {:.0} |",
            tags.len(),
            indexed.files.seconds,
            indexed.files.peak,
            indexed.files.peak_own,
            indexed.in_versions,
            indexed.documents,
            float(indexed.contents) / 1e6,
            float(indexed.beside) / 1e6,
            indexed.whole.seconds,
            indexed.whole.peak
        ))?;
        all = data;
    }
    let queries = OVER_VERSIONS.iter().flat_map(|query| [(*query).to_owned(), format!("{query} version:all")]).collect();
    let timed: Vec<Timed> = ask(&all, Task::Time { queries, runs: options.runs })?;
    say("\n| query | lines in one | ms | lines in all | ms | of one | page: one | page: all |\n|---|--:|--:|--:|--:|--:|--:|--:|")?;
    for (query, pair) in OVER_VERSIONS.iter().zip(timed.chunks(2)) {
        if let [one, all] = pair {
            say(&format!(
                "| `{query}` | {} | {:.2} | {} | {:.2} | {:.2} | {:.2} | {:.2} |",
                one.lines,
                one.all,
                all.lines,
                all.all,
                all.all / one.all,
                one.page,
                all.page
            ))?;
        }
    }
    Ok(())
}
