//! The database: SQLite embedded, or PostgreSQL shared by several portal processes, behind one portable SQL text.
//!
//! Columns are BIGINT, TEXT or BYTEA only, flags are BIGINT 0/1, times BIGINT microseconds (UTC).
//!
//! A commit that was acknowledged must be on disk, or a power cut takes audit entries away that somebody holds a receipt of. So
//! SQLite must run with `journal_mode=WAL` and `synchronous=FULL`, and PostgreSQL with `synchronous_commit`, `fsync` and
//! `full_page_writes` on: each connection sets what it can set and reads all of it back, and one without them is not used.
//! What an earlier process left in SQLite's write-ahead log is written anew before anything is read.

mod dump;
mod store;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyPoolOptions, AnyQueryResult, AnyRow, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Row};

pub use self::dump::{Cell, DumpError, Rows, Table, Type, write_header, write_row};
pub use self::store::{Loading, Snapshot};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long opening waits for other processes to let go of the write-ahead log.
const SETTLING: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("the database address {0:?} is neither sqlite: nor postgres:")]
    UnknownKind(String),
    #[error("SQLite did not take {pragma}: it reports {found:?}, and without it a power cut could lose audit entries")]
    Unsafe { pragma: &'static str, found: String },
    #[error(
        "PostgreSQL reports {setting} = {found:?}, and with that a power cut could lose audit entries. Set it to on in \
         postgresql.conf; for a database that holds nothing of value, database.allow_unsafe = true in the configuration does without"
    )]
    UnsafeServer { setting: &'static str, found: String },
    #[error("the database cannot be brought to this version of Lectern: {0}")]
    Migration(#[from] MigrateError),
    #[error("the database failed: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("{0}")]
    Dump(#[from] DumpError),
}

impl DatabaseError {
    /// Whether storage failed under the database: a write or sync was refused by the device, or what was read back is damaged.
    /// After that nothing that this process reads proves what is on disk.
    #[must_use]
    pub fn is_storage_failure(&self) -> bool {
        matches!(self, Self::Sql(error) if is_storage_failure(error))
    }
}

/// Five characters are an SQLSTATE (PostgreSQL, appendix A), anything shorter is an extended result code of SQLite
/// (sqlite.org/rescode.html), whose low byte says what kind it is.
fn is_storage_failure(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(cause) = error else {
        return false;
    };
    let Some(code) = cause.code() else { return false };
    if code.len() == 5 {
        // data_corrupted, index_corrupted, io_error. A server that goes away is none: it panics rather than go on after a
        // failed sync, and replays its own log when it comes back.
        return matches!(code.as_ref(), "XX001" | "XX002" | "58030");
    }
    let Ok(code) = code.parse::<u32>() else { return false };
    match (code & 0xff, code >> 8) {
        // SQLITE_IOERR about locks, memory, the shared-memory file (which a full disk cannot extend) or a temporary directory:
        // nothing of what is kept was touched.
        (10, 8 | 9 | 11 | 12 | 14 | 15 | 18..=21 | 25) => false,
        // SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB.
        (10 | 11 | 26, _) => true,
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// What is asked of a PostgreSQL server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// That it syncs what it commits.
    Durable,
    /// Nothing: what it holds may be lost with the power. For tests.
    Unsafe,
}

#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
    kind: Kind,
    fault: Fault,
    settled: bool,
}

/// The first storage failure that a write met, for whoever must not go on after one.
#[derive(Clone, Debug, Default)]
struct Fault(Arc<OnceLock<String>>);

impl Fault {
    fn hear(&self, error: &sqlx::Error) {
        if is_storage_failure(error) {
            self.0.get_or_init(|| error.to_string());
        }
    }
}

/// A transaction that writes. Dropping it rolls it back.
pub struct Tx {
    inner: sqlx::Transaction<'static, Any>,
    fault: Fault,
}

impl Tx {
    /// # Errors
    /// When it was not committed, or nobody can tell. A storage failure is remembered: see [`Database::fault`].
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        let fault = self.fault;
        self.inner.commit().await.inspect_err(|error| fault.hear(error))
    }

    /// # Errors
    /// When the connection is lost, which rolls back as well.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.inner.rollback().await
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

impl Database {
    /// Opens the database named by `url` and brings its tables to this version.
    ///
    /// # Errors
    /// When the address names no known database, it cannot be reached, its tables come from a newer version, or it does not
    /// take the settings that make commits durable.
    pub async fn open(url: &str) -> Result<Self, DatabaseError> {
        Self::open_on(url, Server::Durable).await
    }

    /// As [`Database::open`], on a server of which less may be asked.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_on(url: &str, server: Server) -> Result<Self, DatabaseError> {
        install_default_drivers();
        let kind = match url.split(':').next() {
            Some("sqlite") => Kind::Sqlite,
            Some("postgres" | "postgresql") => Kind::Postgres,
            _ => return Err(DatabaseError::UnknownKind(url.to_owned())),
        };
        // By itself first: a pool would try a connection that is refused again until its time is over, and not say why.
        let mut first = AnyConnection::connect(url).await?;
        prepare(&mut first, kind, server).await?;
        let settled = match kind {
            Kind::Sqlite => settle(&mut first, SETTLING).await?,
            Kind::Postgres => true,
        };
        first.close().await?;
        let pool = options(kind, server).connect(url).await?;
        MIGRATIONS.run(&pool).await?;
        Ok(Self { pool, kind, fault: Fault::default(), settled })
    }

    /// The address of an SQLite database in a file, created when it is not there.
    #[must_use]
    pub fn sqlite_url(file: &Path) -> String {
        format!("sqlite://{}?mode=rwc", file.display())
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether all that the write-ahead log held was written anew when the database was opened. It cannot be while another
    /// process reads an older state of it; then that process did so when it opened the database itself.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// What storage said when it failed under a write of this process, whichever room's, if it ever did: they all share one
    /// write-ahead log.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.0.get().map(String::as_str)
    }

    /// For reads.
    #[must_use]
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Runs one statement that writes, in a transaction of its own.
    ///
    /// # Errors
    /// When it was not written, or nobody can tell. A storage failure is remembered: see [`Database::fault`].
    pub async fn execute(&self, query: Query<'_, Any, AnyArguments>) -> Result<AnyQueryResult, sqlx::Error> {
        query.execute(&self.pool).await.inspect_err(|error| self.fault.hear(error))
    }

    /// As [`Database::execute`], and returns the row that the statement returns.
    ///
    /// # Errors
    /// As [`Database::execute`]; also when there is no row.
    pub async fn execute_returning(&self, query: Query<'_, Any, AnyArguments>) -> Result<AnyRow, sqlx::Error> {
        query.fetch_one(&self.pool).await.inspect_err(|error| self.fault.hear(error))
    }

    /// Begins a transaction that writes. On SQLite it takes the write lock at once, so that it cannot fail later for
    /// having read before another writer committed.
    pub async fn begin(&self) -> Result<Tx, DatabaseError> {
        let inner = match self.kind {
            Kind::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await?,
            Kind::Postgres => self.pool.begin().await?,
        };
        Ok(Tx { inner, fault: self.fault.clone() })
    }

    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.pool.acquire().await?.ping().await?;
        Ok(())
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// The version of the tables that this program works with.
#[must_use]
pub fn newest_migration() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Whether a write failed because something with this unique key is there already. SQLite names `table.column` in its
/// message, PostgreSQL the constraint, which by default is `table_column_key` (or `table_pkey`).
#[must_use]
pub fn violates_unique(error: &sqlx::Error, table: &str, column: &str) -> bool {
    let sqlx::Error::Database(cause) = error else {
        return false;
    };
    let message = cause.message();
    cause.is_unique_violation() && (message.contains(&format!("{table}.{column}")) || message.contains(&format!("{table}_{column}_key")))
}

fn options(kind: Kind, server: Server) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(12).acquire_timeout(Duration::from_secs(10)).after_connect(move |connection, _| {
        Box::pin(async move {
            prepare(connection, kind, server).await.map_err(|error| match error {
                DatabaseError::Sql(error) => error,
                other => sqlx::Error::Configuration(other.into()),
            })
        })
    })
}

/// Sets what makes a connection's commits durable, and reads it back.
async fn prepare(connection: &mut AnyConnection, kind: Kind, server: Server) -> Result<(), DatabaseError> {
    match kind {
        Kind::Sqlite => {
            set_pragmas(connection).await?;
            check_pragmas(connection).await
        }
        Kind::Postgres => {
            // A commit is acknowledged when it is on disk, whatever the server's default.
            sqlx::query("SET synchronous_commit = on").execute(&mut *connection).await?;
            check_server(connection, server).await
        }
    }
}

async fn set_pragmas(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    for pragma in [
        "PRAGMA busy_timeout = 10000",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        // What is erased leaves the file.
        "PRAGMA secure_delete = ON",
        "PRAGMA cache_size = -16000",
        // What a statement of many rows keeps until it has ended, in case it must be undone, goes to no file: that was half of all
        // that was written for an entry.
        "PRAGMA temp_store = MEMORY",
        // Frames (16 MiB) before they are moved into the database: a page that many commits change is then moved once for all of them.
        "PRAGMA wal_autocheckpoint = 4000",
    ] {
        sqlx::query(pragma).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn check_pragmas(connection: &mut AnyConnection) -> Result<(), DatabaseError> {
    let journal: String = sqlx::query("PRAGMA journal_mode").fetch_one(&mut *connection).await?.try_get(0)?;
    if !journal.eq_ignore_ascii_case("wal") {
        return Err(DatabaseError::Unsafe { pragma: "journal_mode=WAL", found: journal });
    }
    let synchronous: i64 = sqlx::query("PRAGMA synchronous").fetch_one(&mut *connection).await?.try_get(0)?;
    if synchronous != 2 {
        return Err(DatabaseError::Unsafe { pragma: "synchronous=FULL", found: synchronous.to_string() });
    }
    Ok(())
}

async fn check_server(connection: &mut AnyConnection, server: Server) -> Result<(), DatabaseError> {
    if server == Server::Unsafe {
        return Ok(());
    }
    for (setting, show) in
        [("synchronous_commit", "SHOW synchronous_commit"), ("fsync", "SHOW fsync"), ("full_page_writes", "SHOW full_page_writes")]
    {
        let found: String = sqlx::query(show).fetch_one(&mut *connection).await?.try_get(0)?;
        if found != "on" {
            return Err(DatabaseError::UnsafeServer { setting, found });
        }
    }
    Ok(())
}

/// Writes what the write-ahead log holds into the database file, syncs that, and empties the log. Whether that was done.
///
/// A process whose sync failed leaves frames behind that the system may hold in memory only, marked clean, so that no later sync
/// writes them. Read back they look committed; after a power cut they are gone. Written anew they are dirty again, and the sync
/// that follows covers them.
///
/// # Errors
/// When storage fails. That others use the database is no error.
async fn settle(connection: &mut AnyConnection, patience: Duration) -> Result<bool, DatabaseError> {
    // Without waiting within SQLite, which would hold up whoever writes meanwhile.
    sqlx::query("PRAGMA busy_timeout = 0").execute(&mut *connection).await?;
    let began = std::time::Instant::now();
    loop {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await?;
        let (busy, frames, written): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        // Where only the emptying was hindered, by somebody who reads, all frames were written and synced none the less.
        if busy == 0 || (frames >= 0 && frames == written) {
            return Ok(true);
        }
        if began.elapsed() >= patience {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Errors as a database reports them, for tests.
#[cfg(test)]
pub(crate) mod coded {
    use std::borrow::Cow;
    use std::error::Error;
    use std::fmt;

    use super::DatabaseError;

    #[derive(Debug)]
    struct Coded(&'static str);

    impl fmt::Display for Coded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "(code: {})", self.0)
        }
    }

    impl Error for Coded {}

    impl sqlx::error::DatabaseError for Coded {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    pub(crate) fn error(code: &'static str) -> DatabaseError {
        DatabaseError::Sql(sqlx::Error::Database(Box::new(Coded(code))))
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    async fn pragma(connection: &mut AnyConnection, name: &str) -> String {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {name}"))).fetch_one(connection).await.unwrap();
        row.try_get::<String, _>(0).unwrap_or_else(|_| row.get::<i64, _>(0).to_string())
    }

    fn wal(dir: &TempDir) -> u64 {
        std::fs::metadata(dir.path().join("d-wal")).map_or(0, |file| file.len())
    }

    #[tokio::test]
    async fn every_connection_commits_durably() {
        let dir = TempDir::new().unwrap();
        let database = Database::open(&Database::sqlite_url(&dir.path().join("d"))).await.unwrap();
        let mut held = Vec::new();
        for _ in 0..database.pool().options().get_max_connections() {
            let mut connection = database.pool().acquire().await.unwrap();
            assert_eq!(pragma(&mut connection, "journal_mode").await, "wal");
            assert_eq!(pragma(&mut connection, "synchronous").await, "2");
            assert_eq!(pragma(&mut connection, "foreign_keys").await, "1");
            held.push(connection);
        }
        drop(held);
        database.close().await;
    }

    /// A database in memory takes no write-ahead log.
    #[tokio::test]
    async fn a_database_that_does_not_take_the_settings_is_refused_on_every_connection() {
        let refused = Database::open("sqlite::memory:").await.unwrap_err().to_string();
        assert!(refused.starts_with("SQLite did not take journal_mode=WAL: it reports \"memory\""), "{refused}");
        // The pool asks each of its connections by itself, not only the first.
        let pool = options(Kind::Sqlite, Server::Durable).acquire_timeout(Duration::from_millis(200));
        assert!(pool.connect("sqlite::memory:").await.is_err());
        let mut bare = AnyConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut bare).await.unwrap();
        assert!(check_pragmas(&mut bare).await.is_err());
        let file = TempDir::new().unwrap();
        let mut loose = AnyConnection::connect(&Database::sqlite_url(&file.path().join("d"))).await.unwrap();
        set_pragmas(&mut loose).await.unwrap();
        check_pragmas(&mut loose).await.unwrap();
        sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut loose).await.unwrap();
        let refused = check_pragmas(&mut loose).await.unwrap_err().to_string();
        assert!(refused.starts_with("SQLite did not take synchronous=FULL: it reports \"1\""), "{refused}");
    }

    #[tokio::test]
    async fn what_an_earlier_process_left_in_the_write_ahead_log_is_written_anew() {
        let dir = TempDir::new().unwrap();
        let url = Database::sqlite_url(&dir.path().join("d"));
        let first = Database::open(&url).await.unwrap();
        sqlx::query("CREATE TABLE t (n BIGINT)").execute(first.pool()).await.unwrap();
        assert!(wal(&dir) > 0);
        // The first is still there, and reads nothing: its frames are written and the log is emptied.
        let second = Database::open(&url).await.unwrap();
        assert!(second.is_settled());
        assert_eq!(wal(&dir), 0);

        // Somebody reads a state before the last write: what came later cannot be written over it, and opening says so.
        let mut reader = first.pool().begin_with("BEGIN DEFERRED").await.unwrap();
        sqlx::query("SELECT n FROM t").fetch_all(&mut *reader).await.unwrap();
        sqlx::query("INSERT INTO t VALUES (1)").execute(first.pool()).await.unwrap();
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        assert!(!settle(&mut connection, Duration::ZERO).await.unwrap());
        reader.rollback().await.unwrap();
        assert!(settle(&mut connection, Duration::ZERO).await.unwrap());
        assert_eq!(wal(&dir), 0);
    }

    #[test]
    fn a_failure_of_storage_is_told_from_a_refusal() {
        let fails = |code| coded::error(code).is_storage_failure();
        // SQLITE_IOERR and its WRITE, FSYNC, DIR_FSYNC, READ, SHORT_READ, TRUNCATE; CORRUPT with CORRUPT_VTAB; NOTADB.
        for code in ["10", "778", "1034", "1290", "266", "522", "1546", "11", "267", "26", "XX001", "XX002", "58030"] {
            assert!(fails(code), "{code}");
        }
        // FULL, BUSY, BUSY_SNAPSHOT, LOCKED, READONLY, READONLY_DBMOVED, CONSTRAINT_TRIGGER, CANTOPEN, IOERR_SHMSIZE, IOERR_NOMEM,
        // IOERR_LOCK; disk_full, admin_shutdown, serialization_failure, raise_exception.
        for code in ["13", "5", "517", "6", "8", "1032", "1811", "14", "4874", "3082", "3850", "53100", "57P01", "40001", "P0001"] {
            assert!(!fails(code), "{code}");
        }
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(!DatabaseError::Sql(sqlx::Error::Io(lost)).is_storage_failure());
    }
}
