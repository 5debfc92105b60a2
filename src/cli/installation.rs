//! Opening what an installation consists of, in the order of the rooms.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use sha2::{Digest, Sha256};

use crate::access::Gate;
use crate::accounts::Accounts;
use crate::audit::{Log, LogKey, Settings};
use crate::catalog::Catalog;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::database::{Database, Kind};
use crate::entitlements::Entitlements;
use crate::highlight::Painter;
use crate::ids::Entropy;
use crate::inspection::Inspection;
use crate::jobs::Jobs;
use crate::mirrors;
use crate::queue::Queue;
use crate::search::{Indexes, Searcher};
use crate::source::Vault;
use crate::web::{Allowance, Portal, Tokens};

/// Where the last signed checkpoint is kept, outside the database.
const CHECKPOINT: &str = "checkpoint";

/// Only one process at a time may hold an installation that keeps its database in its data directory.
#[must_use]
pub struct Lock(#[expect(dead_code, reason = "held for as long as it lives")] File);

/// Makes the data directory, and keeps other processes out of it.
///
/// # Errors
/// When it cannot be made or written, or another process holds it.
pub fn lock(config: &Config) -> anyhow::Result<Lock> {
    let data = &config.data;
    make_private(data)?;
    let path = data.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("the data directory {} cannot be written", data.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => {
            bail!("another Lectern is running on {}. Stop it, or choose another data directory with --data", data.display())
        }
        Err(TryLockError::Error(cause)) => Err(cause).with_context(|| format!("{} cannot be locked", path.display())),
    }
}

/// Makes a directory that only its owner may enter; one that is there stays as it is.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("the data directory {} cannot be made", directory.display()))
}

/// Opens the database, named by its address without the password in it when that fails.
///
/// # Errors
/// When it cannot be reached or brought to this version.
pub async fn database(config: &Config) -> anyhow::Result<Database> {
    make_private(&config.data)?;
    let shown = config.database.rsplit('@').next().unwrap_or(&config.database);
    let database = Database::open(&config.database).await.with_context(|| format!("the database {shown} cannot be opened"))?;
    if database.kind() == Kind::Sqlite {
        tracing::debug!("SQLite commits durably");
    }
    Ok(database)
}

/// Opens the log: all of it is verified.
///
/// # Errors
/// When its key cannot be read or made, or what is stored does not hold.
pub async fn log(config: &Config, database: &Database, clock: &SharedClock, entropy: &Entropy) -> anyhow::Result<Log> {
    let key = LogKey::open_or_create(&config.keys(), &config.log.origin, entropy)?;
    let settings = Settings { deadline: config.log.deadline, ..Settings::new(config.data.join(CHECKPOINT)) };
    Ok(Log::open(database.clone(), key, Arc::clone(clock), entropy.clone(), settings).await?)
}

/// Opens everything.
///
/// # Errors
/// When any part cannot be opened; the message names it.
pub async fn open(config: Config, clock: SharedClock, entropy: Entropy) -> anyhow::Result<Arc<Portal>> {
    let database = database(&config).await?;
    let log = log(&config, &database, &clock, &entropy).await?;
    mirrors::sweep(&config.mirrors())?;
    let accounts = Accounts::new(database.clone(), log.clone(), Arc::clone(&clock), entropy.clone(), &config)?;
    let catalog = Catalog::new(database.clone(), log.clone(), Arc::clone(&clock), entropy.clone());
    let entitlements = Entitlements::new(database.clone(), log.clone(), Arc::clone(&clock), entropy.clone());
    let gate = Gate::new(entitlements.clone(), catalog.clone(), log.clone(), Arc::clone(&clock));
    let inspection = Inspection::new(database.clone(), log.clone(), Arc::clone(&clock), entropy.clone());
    let (vault, reader) = Vault::open(config.mirrors());
    let indexes = Arc::new(Indexes::at(config.indexes()));
    let queue = Queue::new(database.clone(), Arc::clone(&clock), entropy.clone());
    let jobs = Jobs::new(database.clone(), catalog.clone(), queue, config.mirrors(), (reader, Arc::clone(&indexes)), entropy.clone());
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    Ok(Arc::new(Portal {
        tokens: Tokens {
            verifier: Sha256::digest(token(&token_file(&config.keys()), &entropy)?.as_bytes()).into(),
            witness: Sha256::digest(token(&config.keys().join("witness.token"), &entropy)?.as_bytes()).into(),
        },
        database,
        log,
        accounts,
        catalog,
        entitlements,
        gate,
        vault: Arc::new(vault),
        painter: Painter::default(),
        searcher: Searcher::new(cores),
        indexes,
        allowance: Arc::new(Allowance::new(config.search, Arc::clone(&clock), cores)),
        inspection,
        jobs,
        clock,
        entropy,
        config,
    }))
}

/// Where the token is kept with which programs fetch everything that the log publishes.
#[must_use]
pub fn token_file(keys: &Path) -> PathBuf {
    keys.join("verifier.token")
}

/// The token in a file, made when there is none yet.
fn token(path: &Path, entropy: &Entropy) -> anyhow::Result<String> {
    if let Ok(text) = fs::read_to_string(path)
        && text.trim().len() >= 32
    {
        return Ok(text.trim().to_owned());
    }
    let token = entropy.hex::<24>();
    write_private(path, &token)?;
    Ok(token)
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// When the directory cannot be written.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let whole = || format!("{} cannot be written", path.display());
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside).with_context(whole)?;
    file.write_all(text.as_bytes()).with_context(whole)?;
    file.sync_all().with_context(whole)?;
    fs::rename(&beside, path).with_context(whole)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).with_context(whole)
}
