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
use crate::audit::{Log, LogKey, Settings, stand};
use crate::catalog::Catalog;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::database::{Database, Kind, Server};
use crate::entitlements::Entitlements;
use crate::highlight::Painter;
use crate::ids::Entropy;
use crate::inspection::Inspection;
use crate::jobs::Jobs;
use crate::mirrors;
use crate::queue::Queue;
use crate::search::{Indexes, Searcher};
use crate::source::Vault;
use crate::symbols::Symbols;
use crate::web::{AddressBrake, Allowance, Portal, Tokens};

/// Where the last signed checkpoint is kept, outside the database.
const CHECKPOINT: &str = "checkpoint";

/// Only one process at a time may serve from a data directory, and only one from a database of SQLite, wherever that lies.
#[must_use]
pub struct Lock(#[expect(dead_code, reason = "held for as long as it lives")] Vec<File>);

impl Lock {
    /// That no other process kept the database from writing anew what its write-ahead log held: see [`Database::is_settled`].
    ///
    /// # Errors
    /// When one did.
    pub fn alone(&self, database: &Database) -> anyhow::Result<()> {
        if database.is_settled() {
            return Ok(());
        }
        bail!(
            "another program has been reading the database for long, so that what was written last cannot be made durable. Wait until it has \
             ended (a backup, an export, a shell of sqlite3), and try again"
        )
    }
}

/// Makes the data directory, and keeps other processes out of it.
///
/// # Errors
/// When it cannot be made or written, or another process holds it.
pub fn lock(config: &Config) -> anyhow::Result<Lock> {
    let data = &config.data;
    make_private(data)?;
    let in_data =
        take(&data.join("lock"), &format!("running on {}. Stop it, or choose another data directory with --data", data.display()))?;
    let mut held = vec![in_data];
    // Two data directories may name one database.
    if let Some(database) = sqlite_file(config).filter(|file| file.parent() != Some(data)) {
        let beside = PathBuf::from(format!("{}.lock", database.display()));
        held.push(take(&beside, &format!("using the database {}. Stop it, or name another database", database.display()))?);
    }
    Ok(Lock(held))
}

/// Locks a file, made when it is not there. `doing` ends the sentence about the process that has it.
fn take(path: &Path, doing: &str) -> anyhow::Result<File> {
    let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    let file = open.with_context(|| format!("{} cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another Lectern is {doing}"),
        Err(TryLockError::Error(cause)) => Err(cause).with_context(|| format!("{} cannot be locked", path.display())),
    }
}

/// The file of a database of SQLite.
#[must_use]
pub fn sqlite_file(config: &Config) -> Option<PathBuf> {
    let rest = config.database.strip_prefix("sqlite:")?;
    Some(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest).split('?').next().unwrap_or_default()))
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
    let server = if config.allow_unsafe_database { Server::Unsafe } else { Server::Durable };
    let database = Database::open_on(&config.database, server).await.with_context(|| format!("the database {shown} cannot be opened"))?;
    if server == Server::Unsafe && database.kind() == Kind::Postgres {
        tracing::warn!(
            "database.allow_unsafe is set: a power cut may take entries away that were acknowledged. Never for a log that counts"
        );
    }
    Ok(database)
}

/// Opens the log: all of it is verified.
///
/// # Errors
/// When its key cannot be read or made, or what is stored does not hold.
pub async fn log(config: &Config, database: &Database, clock: &SharedClock, entropy: &Entropy) -> anyhow::Result<Log> {
    let key = key(config, database, entropy).await?;
    let witnesses = super::witness::witnesses(&config.log)?;
    let settings = Settings { deadline: config.log.deadline, witnesses, ..Settings::new(config.data.join(CHECKPOINT)) };
    Ok(Log::open(database.clone(), key, Arc::clone(clock), entropy.clone(), settings).await?)
}

/// The log's key, made when there is none yet and no log either.
///
/// # Errors
/// When it cannot be read or made.
pub async fn key(config: &Config, database: &Database, entropy: &Entropy) -> anyhow::Result<LogKey> {
    refuse_new_key(config, database).await?;
    Ok(LogKey::open_or_create(&config.keys(), &config.log.origin, entropy)?)
}

/// Where there is a log, or there was, its key is missing: a new one would begin another.
async fn refuse_new_key(config: &Config, database: &Database) -> anyhow::Result<()> {
    let secret = config.keys().join("log.key");
    if secret.exists() {
        return Ok(());
    }
    let size = stand(database).await?.size;
    let checkpoint = config.data.join(CHECKPOINT);
    if size == 0 && !checkpoint.exists() {
        return Ok(());
    }
    let found = if size > 0 {
        format!("the database holds a log of {size} entries")
    } else {
        format!("{} was signed over a log", checkpoint.display())
    };
    bail!(
        "{found}, and its key is not in {}: a new key would begin another log. On a further node of a portal, copy the directory keys and the \
         file checkpoint from the data directory of a node that runs into {}; otherwise put both back from a backup. If lectern restore \
         broke off here, run it again",
        secret.display(),
        config.data.display()
    )
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
    let catalog = Catalog::new(database.clone(), log.clone(), Arc::clone(&clock), entropy.clone(), &config.keys());
    let entitlements = Entitlements::new(database.clone(), log.clone(), Arc::clone(&clock), entropy.clone());
    let gate = Gate::new(entitlements.clone(), catalog.clone(), log.clone(), Arc::clone(&clock));
    let inspection = Inspection::new(database.clone(), log.clone(), Arc::clone(&clock), entropy.clone());
    let (vault, reader) = Vault::open(config.mirrors(), config.pasts());
    let queue = Queue::new(database.clone(), Arc::clone(&clock), entropy.clone());
    let symbols = Arc::new(Symbols::at(config.indexes(), reader.clone()));
    let indexes = Arc::new(Indexes::at(config.indexes()).with_symbols(Arc::clone(&symbols)));
    let held = (reader, Arc::clone(&indexes), Arc::clone(&symbols));
    let granted = (catalog.clone(), entitlements.clone());
    let jobs = Jobs::new((database.clone(), log.clone()), granted, queue, config.mirrors(), held, entropy.clone());
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
        symbols,
        allowance: Arc::new(Allowance::new(config.search, Arc::clone(&clock), cores)),
        inspection,
        jobs,
        hooks: AddressBrake::new(Arc::clone(&clock)),
        invitations: AddressBrake::new(Arc::clone(&clock)),
        directories: AddressBrake::for_programs(Arc::clone(&clock)),
        strange_directories: AddressBrake::new(Arc::clone(&clock)),
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
