//! Putting a backup in place. Everything is read and verified before; what is there is kept unless it is an earlier part of the same
//! log; and the database changes last, in one transaction, so that an attempt that breaks off is refused by the portal and can be
//! made again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::manifest::{Backup, FilePart};
use super::{CHECKPOINT, CONFIGURATION, ENTRIES, LEFT_OUT, progress, table_file};
use crate::audit::{Checkpoint, LogKey, Rebuild, stand, verify_loaded};
use crate::cli::audit::Installation;
use crate::cli::installation;
use crate::cli::operate::{configured, say};
use crate::config::Config;
use crate::database::{Cell, Database, Loading, Rows, Table, newest_migration};

/// Rows that travel in one statement. 17 columns of the widest table make less than the 32,766 values that SQLite takes.
const TOGETHER: usize = 128;
/// Files of the data directory that say how far the log went.
const NOTES: [&str; 2] = [CHECKPOINT, "witnessed"];

#[derive(Debug, Args)]
pub(in crate::cli) struct RestoreArgs {
    /// The directory that lectern backup wrote
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// A checkpoint that somebody kept, which the backup must hold; may be given more than once
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    #[command(flatten)]
    at: Installation,
}

/// A checkpoint that the restored log must not fall behind, and where it is from.
struct Kept {
    from: String,
    checkpoint: Checkpoint,
}

pub(in crate::cli) async fn restore(args: RestoreArgs) -> anyhow::Result<()> {
    let config = configured(&args.at)?;
    let backup = Backup::open(&args.from)?;
    if backup.manifest.migration != newest_migration() {
        bail!(
            "the backup was taken by Lectern {} with tables of version {}, and this is {} with {}. Restore it with that version, and then start \
             this one, which brings the tables up to date",
            backup.manifest.lectern,
            backup.manifest.migration,
            env!("CARGO_PKG_VERSION"),
            newest_migration()
        );
    }
    let key = key(&backup)?;
    let mut kept = Vec::new();
    for file in &args.checkpoint {
        let note = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let checkpoint = key.keys().open(&note).with_context(|| format!("{} is no checkpoint of this log", file.display()))?;
        kept.push(Kept { from: file.display().to_string(), checkpoint });
    }
    let lock = installation::lock(&config)?;
    kept.extend(there(&config, &key)?);
    let checkpoint = refuse_to_lose(&backup, &kept)?;
    let roots = verify(&backup, kept.iter().map(|one| one.checkpoint.size))?;
    for one in &kept {
        if roots.get(&one.checkpoint.size) != Some(&one.checkpoint.root) {
            bail!(
                "the backup says other things about the first {} entries than {} does: one of them is of a rewritten log. Keep both, and ask \
                 those who hold receipts",
                one.checkpoint.size,
                one.from
            );
        }
    }

    let database = installation::database(&config).await.with_context(|| {
        "what is there cannot be restored over, nor can it be told what it holds. Move the database away, and keep it as evidence"
            .to_owned()
    })?;
    lock.alone(&database)?;
    let empty = refuse_other(&backup, &checkpoint, &database).await?;
    let mut loading = database.load().await?;
    // One is the head of the empty log.
    if empty && loading.removed() > 1 {
        bail!(
            "the database holds {} rows, though its log is empty: they are of something else. Name an empty database",
            loading.removed() - 1
        );
    }
    load(&backup, &mut loading).await?;
    verify_loaded(loading.connection(), &checkpoint).await.context("what was loaded")?;
    place(&backup, &config, &key)?;
    loading.commit().await?;
    database.close().await;
    sync(&config.data)?;
    drop(lock);
    tell(&backup, &args)
}

/// Reads every file of a backup, and verifies its log against its checkpoint. Returns the roots over the first entries, for each of
/// these numbers that it reaches.
pub(super) fn verify(backup: &Backup, sizes: impl IntoIterator<Item = u64>) -> anyhow::Result<BTreeMap<u64, [u8; 32]>> {
    let checkpoint = checkpoint(backup)?;
    let mut built = Rebuild::keeping(sizes);
    let bar = progress("verified", checkpoint.size);
    for part in &backup.manifest.files {
        let Some(rows) = part.rows else {
            backup.read(part)?.finish()?;
            continue;
        };
        let mut count = 0;
        let is_log = part.path == table_file(ENTRIES);
        each_row(backup, part, |table, row| {
            count += 1;
            bar.inc(u64::from(is_log));
            if is_log { push(&mut built, table, row) } else { Ok(()) }
        })?;
        if count != rows {
            bail!("{} has {count} rows, and the manifest says {rows}", part.path);
        }
    }
    bar.finish_and_clear();
    Ok(built.finish(&checkpoint)?)
}

fn push(built: &mut Rebuild, table: &Table, row: Vec<Cell>) -> anyhow::Result<()> {
    let mut index = None;
    let (mut leaf, mut entry, mut personal) = (Vec::new(), Vec::new(), None);
    for ((name, _), cell) in table.columns.iter().zip(row) {
        match (name.as_str(), cell) {
            ("idx", Cell::Integer(number)) => index = Some(number),
            ("leaf", Cell::Bytes(bytes)) => leaf = bytes,
            ("entry", Cell::Bytes(bytes)) => entry = bytes,
            ("personal", Cell::Text(text)) => personal = Some(text),
            _ => {}
        }
    }
    let index = index.context("an entry without its index")?;
    Ok(built.push(index, &leaf, entry, personal)?)
}

fn each_row(backup: &Backup, part: &FilePart, mut take: impl FnMut(&Table, Vec<Cell>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut file = backup.read(part)?;
    let read = || -> anyhow::Result<()> {
        let mut rows = Rows::open(&mut file)?;
        let table = rows.table().clone();
        while let Some(row) = rows.next_row()? {
            take(&table, row)?;
        }
        Ok(())
    };
    let outcome = { read }();
    // A file that was changed is said to be, whatever its changed text led to.
    file.finish()?;
    outcome.with_context(|| format!("{} of the backup", part.path))
}

/// The key of the log in a backup.
fn key(backup: &Backup) -> anyhow::Result<LogKey> {
    backup.text("data/keys/log.key")?;
    LogKey::read(&backup.directory.join("data/keys")).context("the log's key in the backup")
}

/// The checkpoint over all of a backup's log.
fn checkpoint(backup: &Backup) -> anyhow::Result<Checkpoint> {
    let note = backup.text(CHECKPOINT)?;
    let checkpoint = key(backup)?.keys().open(&note).context(
        "the checkpoint in the backup is not signed by the key in it. If the key was changed while the backup was taken, take it again",
    )?;
    let log = &backup.manifest.log;
    if (checkpoint.size, data_encoding::BASE64.encode(&checkpoint.root)) != (log.size, log.root.clone()) {
        bail!("the checkpoint in the backup is not the one that its manifest names");
    }
    Ok(checkpoint)
}

/// What the data directory says about how far the log went.
fn there(config: &Config, key: &LogKey) -> anyhow::Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for name in NOTES {
        let path = config.data.join(name);
        match fs::read_to_string(&path) {
            Ok(note) => {
                let checkpoint = key.keys().open(&note).with_context(|| {
                    format!(
                        "{} is no checkpoint of the log in the backup. Choose another data directory, or move this one away",
                        path.display()
                    )
                })?;
                kept.push(Kept { from: path.display().to_string(), checkpoint });
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(cause).with_context(|| format!("{} cannot be read", path.display())),
        }
    }
    let own = config.keys().join("log.key");
    if own.exists() && LogKey::read(&config.keys())?.public() != key.public() {
        bail!("{} is another key than that of the log in the backup. Choose another data directory, or move this one away", own.display());
    }
    Ok(kept)
}

/// Refuses a backup that is older than what is known to have been signed.
fn refuse_to_lose(backup: &Backup, kept: &[Kept]) -> anyhow::Result<Checkpoint> {
    let checkpoint = checkpoint(backup)?;
    if let Some(newest) = kept.iter().max_by_key(|one| one.checkpoint.size).filter(|one| one.checkpoint.size > checkpoint.size) {
        bail!(
            "the backup ends before the entry {}, and {} was signed over {}: the entries {} to {} would be lost, of which people hold receipts. \
             Take a newer backup. If there is none, keep everything that is left as evidence and restore into an empty data directory: the log \
             then forks from what was handed out, every witness will refuse it, and all who hold receipts have to be told",
            checkpoint.size,
            newest.from,
            newest.checkpoint.size,
            checkpoint.size,
            newest.checkpoint.size - 1
        );
    }
    Ok(checkpoint)
}

/// Refuses a database whose log is not the beginning of the one in the backup. Whether it has no log yet.
async fn refuse_other(backup: &Backup, checkpoint: &Checkpoint, database: &Database) -> anyhow::Result<bool> {
    let stand = stand(database).await?;
    if stand.size > checkpoint.size {
        bail!(
            "the database holds {} entries of the log and the backup {}: the entries {} to {} would be lost. Nothing was changed. If that \
             database is not to be kept, move it away first",
            stand.size,
            checkpoint.size,
            checkpoint.size,
            stand.size - 1
        );
    }
    if stand.size > 0 && verify(backup, [stand.size])?.get(&stand.size).map(<[u8; 32]>::as_slice) != Some(&stand.root) {
        bail!(
            "the database holds {} entries of another log, or of one that was rewritten. Nothing was changed. Name an empty database, or move \
             that one away and keep it as evidence",
            stand.size
        );
    }
    Ok(stand.size == 0)
}

async fn load(backup: &Backup, loading: &mut Loading) -> anyhow::Result<()> {
    let bar = progress("loaded", backup.manifest.log.size);
    for table in loading.tables().to_vec() {
        if LEFT_OUT.contains(&table.name.as_str()) {
            continue;
        }
        let part = backup.part(&table_file(&table.name))?;
        let mut file = backup.read(part)?;
        let mut rows = Rows::open(&mut file)?;
        let wanted = || format!("the rows of {} do not fit the table of this version", table.name);
        let columns = |table: &Table| table.columns.iter().cloned().collect::<BTreeSet<_>>();
        if rows.table().name != table.name || columns(rows.table()) != columns(&table) {
            bail!("{}", wanted());
        }
        let given = rows.table().clone();
        let mut group = Vec::new();
        while let Some(row) = rows.next_row()? {
            group.push(row);
            bar.inc(u64::from(table.name == ENTRIES));
            if group.len() == TOGETHER {
                loading.insert(&given, &group).await.with_context(wanted)?;
                group.clear();
            }
        }
        loading.insert(&given, &group).await.with_context(wanted)?;
        // Once more: it was read once more.
        file.finish()?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Writes the files of the data directory. The checkpoint comes first: from then on, until the database is there as well, a portal
/// is refused rather than begin a log of its own with this key.
fn place(backup: &Backup, config: &Config, key: &LogKey) -> anyhow::Result<()> {
    put(backup, backup.part(CHECKPOINT)?, &config.data.join(CHECKPOINT), 0o644)?;
    for part in &backup.manifest.files {
        let Some(name) = part.path.strip_prefix("data/") else { continue };
        let to = config.data.join(name);
        let size = |note: &str| key.keys().open(note).map(|checkpoint| checkpoint.size).ok();
        // What witnesses signed later is kept: the backup holds that part of the log.
        if NOTES.contains(&name)
            && let Ok(own) = fs::read_to_string(&to)
            && size(&own) >= size(&backup.text(&part.path)?)
        {
            continue;
        }
        put(backup, part, &to, part.mode.unwrap_or(0o600))?;
    }
    Ok(())
}

/// Puts a file in place, whole or not at all.
fn put(backup: &Backup, part: &FilePart, to: &Path, mode: u32) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", to.display());
    let directory = to.parent().ok_or_else(|| anyhow!(cannot()))?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(cannot)?;
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = to.with_file_name(name);
    match fs::remove_file(&beside) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause).with_context(cannot),
        _ => {}
    }
    let mut from = backup.read(part)?;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode & 0o777).open(&beside).with_context(cannot)?;
    io::copy(&mut from, &mut file).with_context(cannot)?;
    from.finish()?;
    file.sync_all().with_context(cannot)?;
    fs::rename(&beside, to).with_context(cannot)?;
    sync(directory)
}

fn sync(directory: &Path) -> anyhow::Result<()> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("{} cannot be made durable", directory.display()))
}

fn tell(backup: &Backup, args: &RestoreArgs) -> anyhow::Result<()> {
    let manifest = &backup.manifest;
    let (size, last) = (manifest.log.size, manifest.log.size.saturating_sub(1));
    say(&format!(
        "Restored {} as of {}: the log {} with {size} entries.",
        backup.directory.display(),
        manifest.taken_at,
        manifest.log.origin
    ))?;
    if args.checkpoint.is_empty() {
        say(&format!(
            "Whatever was recorded after the entry {last} is not in it. If the portal went on after the backup was taken, receipts were handed out \
             that this log will contradict as soon as it goes on: it forks, and witnesses refuse it. Compare with a checkpoint that somebody \
             kept before you start it: lectern audit verify --checkpoint FILE."
        ))?;
    }
    say("Grants, people and passwords are as they were then: revoke again what was revoked since. Everybody has to sign in again.")?;
    if manifest.files.iter().any(|file| file.path == CONFIGURATION) {
        let file = backup.directory.join(CONFIGURATION);
        say(&format!("The configuration of then is in {}; it was not put in place.", file.display()))?;
    }
    say("Nothing was signed. Next: lectern doctor, which verifies the log once more, then lectern mirror sync, then lectern serve.")
}
