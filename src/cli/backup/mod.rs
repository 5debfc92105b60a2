//! `lectern backup` and `lectern restore`: everything that cannot be derived, as files that either database takes.
//!
//! A backup is taken while the portal runs. It is one state of the whole database, and the checkpoint in it is signed over exactly the
//! entries in it. Files are copied before that state is chosen, so that what they say of the log it holds, too.

mod manifest;
mod restore;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use data_encoding::BASE64;
use indicatif::{ProgressBar, ProgressStyle};

use self::manifest::{Backup, LogPart, Manifest, Writing};
pub(super) use self::restore::{RestoreArgs, restore};
use super::audit::Installation;
use super::installation;
use super::operate::{context, entropy, existing, say};
use crate::audit::{Draft, Kind, Outcome};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::database::{Cell, DumpError, newest_migration, write_header, write_row};
use crate::sealing::Kept;

/// What is not carried over: whoever was signed in signs in again, so that no session that was ended since comes back; and the auditors'
/// listing is made anew from the entries.
const LEFT_OUT: [&str; 3] = ["sessions", "log_listing", "log_places"];
/// What of the data directory is derived, is in the dump, or belongs to a process.
const DERIVED: [&str; 7] = ["mirrors", "index", "lock", "checkpoint", "lectern.db", "lectern.db-wal", "lectern.db-shm"];

/// The table that a log of any age is most of.
const ENTRIES: &str = "log_entries";
const CHECKPOINT: &str = "checkpoint";
const CONFIGURATION: &str = "configuration.toml";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct BackupArgs {
    /// The directory to write, which must be empty or not there. It will hold the log's key and everybody's details: keep it as such
    #[arg(long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    at: Installation,
    #[command(subcommand)]
    command: Option<BackupCommand>,
}

#[derive(Debug, Subcommand)]
enum BackupCommand {
    /// Check that a backup is whole: every file against its hash, and the log against its checkpoint
    Verify {
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

pub(super) async fn backup(args: BackupArgs) -> anyhow::Result<()> {
    if let Some(BackupCommand::Verify { directory }) = args.command {
        let backup = Backup::open(&directory)?;
        restore::verify(&backup, [])?;
        let Manifest { taken_at, lectern, log, .. } = backup.manifest;
        say(&format!("{}: whole, taken {taken_at} by Lectern {lectern}.", directory.display()))?;
        return say(&format!("The log {} holds: {} entries, root {}.", log.origin, log.size, log.root));
    }
    let out = args.out.context("name a directory with --out")?;
    take(&out, &args.at).await
}

async fn take(out: &Path, at: &Installation) -> anyhow::Result<()> {
    let config = existing(at)?;
    let clock = SystemClock;
    let entropy = entropy()?;
    let database = installation::database(&config).await?;
    let log = installation::log(&config, &database, &(Arc::new(clock) as _), &entropy).await?;
    let mut writing = Writing::begin(out)?;
    if inside(out, &config.data)? {
        fs::remove_dir(out)?;
        bail!("{} lies in the data directory. A backup beside what it is of is lost together with it: choose another place", out.display());
    }
    // It copies out what people may only see when it is recorded, so that it was taken stands in the log before it is.
    log.append(Draft::new(Kind::BackupTaken, Outcome::Done).fact("by", "command line"), &context(&entropy)).await?;

    let taken_at = clock.now().to_string();
    let mut files = Vec::new();
    find(&config.data, Path::new(""), &config, &mut files)?;
    for file in files {
        copy(&mut writing, &config.data.join(&file), &format!("data/{}", file.display())).await?;
    }
    if let Some(file) = &at.config {
        copy(&mut writing, file, CONFIGURATION).await?;
    }
    let (mut snapshot, checkpoint, note) = log.snapshot().await?;
    writing.file(CHECKPOINT, None, async |to| Ok(to.write_all(note.as_bytes()).map(|()| None)?)).await?;
    let bar = progress("copied", checkpoint.size);
    for table in snapshot.tables().await? {
        if LEFT_OUT.contains(&table.name.as_str()) {
            continue;
        }
        let is_log = table.name == ENTRIES;
        let write = async |to: &mut manifest::Hashing| {
            write_header(to, &table)?;
            let mut take = |row: &[Cell]| {
                bar.inc(u64::from(is_log));
                write_row(to, row).map_err(DumpError::from)
            };
            let rows = snapshot.rows(&table, &mut take).await?;
            Ok(Some(rows))
        };
        writing.file(&table_file(&table.name), None, write).await?;
    }
    drop(snapshot);
    bar.finish_and_clear();
    let log_part = LogPart { origin: checkpoint.origin.clone(), size: checkpoint.size, root: BASE64.encode(&checkpoint.root) };
    writing.finish(|files| Manifest {
        format: manifest::FORMAT,
        taken_at: taken_at.clone(),
        lectern: env!("CARGO_PKG_VERSION").to_owned(),
        database: database.kind().as_str().to_owned(),
        migration: newest_migration(),
        log: log_part,
        files,
    })?;
    log.close().await;
    // What was written is read again as a restore would, which also finds a key that was changed while it was copied.
    restore::verify(&Backup::open(out)?, [])?;
    let dir = out.display();
    say(&format!("Backed up the log with its {} entries and everything beside it to {dir}, as of {taken_at}.", checkpoint.size))?;
    say("It holds the log's key and personal details: keep it where only those come who may see them. Mirrors and indexes are not in it:")?;
    say("after a restore, lectern mirror sync brings them back.")?;
    for kept in Kept::ALL.into_iter().filter(|kept| config.keys().join(kept.file()).exists()) {
        say(&format!("Nor is keys/{}, which opens {}: keep a copy of it apart.", kept.file(), kept.opens()))?;
    }
    Ok(())
}

/// Progress in entries of the log, on a terminal; nothing elsewhere.
fn progress(done: &'static str, entries: u64) -> ProgressBar {
    let bar = ProgressBar::new(entries);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} entries {msg}, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(done);
    bar
}

fn table_file(table: &str) -> String {
    format!("tables/{table}.jsonl")
}

/// Whether one directory, which is there, lies in another.
fn inside(directory: &Path, other: &Path) -> anyhow::Result<bool> {
    let whole = |path: &Path| fs::canonicalize(path).with_context(|| format!("{} cannot be read", path.display()));
    Ok(whole(directory)?.starts_with(whole(other)?))
}

/// Keys that are kept apart: with them, whoever has a backup could open what is sealed in it.
fn is_apart(path: &str) -> bool {
    Kept::ALL.into_iter().any(|kept| path.strip_prefix("keys/") == Some(kept.file()))
}

/// What of the data directory cannot be derived, by paths below it.
fn find(data: &Path, below: &Path, config: &Config, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let directory = data.join(below);
    let cannot = || format!("{} cannot be read", directory.display());
    for entry in fs::read_dir(&directory).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let path = below.join(entry.file_name());
        let name = path.to_str().with_context(|| format!("the name of {} is not UTF-8; give it another", entry.path().display()))?;
        if DERIVED.contains(&name)
            || is_apart(name)
            || path.extension().is_some_and(|ending| ending == "new")
            || is_database(config, &entry.path())
        {
            continue;
        }
        let kind = fs::metadata(entry.path()).with_context(|| format!("{} cannot be read", entry.path().display()))?;
        if kind.is_dir() {
            find(data, &path, config, found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

/// Whether a file is the SQLite database of a configuration, or one of the files beside it.
fn is_database(config: &Config, file: &Path) -> bool {
    let Some(database) = installation::sqlite_file(config) else { return false };
    ["", "-wal", "-shm", "-journal", ".lock"].into_iter().any(|ending| Path::new(&format!("{}{ending}", database.display())) == file)
}

async fn copy(writing: &mut Writing, from: &Path, to: &str) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be read", from.display());
    let mut file = File::open(from).with_context(cannot)?;
    let mode = file.metadata().with_context(cannot)?.permissions().mode() & 0o777;
    let write = async |to: &mut manifest::Hashing| {
        io::copy(&mut file, to).with_context(cannot)?;
        Ok(None)
    };
    writing.file(to, Some(mode), write).await
}
