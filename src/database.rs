//! The database: SQLite embedded, or PostgreSQL shared by several portal processes, behind one portable SQL text.
//!
//! Columns are BIGINT, TEXT or BYTEA only, flags are BIGINT 0/1, times BIGINT microseconds (UTC). SQLite must run with
//! `journal_mode=WAL` and `synchronous=FULL`, or an acknowledged audit entry could be lost with the power: both are read
//! back on every connection, and a connection without them is refused.

use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Row};

/// A transaction that writes. Dropping it rolls it back.
pub type Tx = sqlx::Transaction<'static, Any>;

static MIGRATIONS: Migrator = sqlx::migrate!();

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("the database address {0:?} is neither sqlite: nor postgres:")]
    UnknownKind(String),
    #[error("SQLite did not take {pragma}: it reports {found:?}, and without it a power cut could lose audit entries")]
    Unsafe { pragma: &'static str, found: String },
    #[error("the database cannot be brought to this version of Lectern: {0}")]
    Migration(#[from] MigrateError),
    #[error("the database failed: {0}")]
    Sql(#[from] sqlx::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
    kind: Kind,
}

impl Database {
    /// Opens the database named by `url` and brings its tables to this version.
    ///
    /// # Errors
    /// When the address names no known database, it cannot be reached, its tables come from a newer version, or SQLite
    /// does not take the settings that make commits durable.
    pub async fn open(url: &str) -> Result<Self, DatabaseError> {
        install_default_drivers();
        let kind = match url.split(':').next() {
            Some("sqlite") => Kind::Sqlite,
            Some("postgres" | "postgresql") => Kind::Postgres,
            _ => return Err(DatabaseError::UnknownKind(url.to_owned())),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(12)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    match kind {
                        Kind::Sqlite => set_pragmas(connection).await,
                        Kind::Postgres => set_synchronous(connection).await,
                    }
                })
            })
            .connect(url)
            .await?;
        let database = Self { pool, kind };
        if kind == Kind::Sqlite {
            let mut connection = database.pool.acquire().await?;
            check_durable(&mut connection).await?;
        }
        MIGRATIONS.run(&database.pool).await?;
        Ok(database)
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

    /// For reads, and for single statements that write nothing else.
    #[must_use]
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Begins a transaction that writes. On SQLite it takes the write lock at once, so that it cannot fail later for
    /// having read before another writer committed.
    pub async fn begin(&self) -> Result<Tx, DatabaseError> {
        Ok(match self.kind {
            Kind::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await?,
            Kind::Postgres => self.pool.begin().await?,
        })
    }

    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.pool.acquire().await?.ping().await?;
        Ok(())
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
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

async fn set_pragmas(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    for pragma in [
        "PRAGMA busy_timeout = 10000",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        // What is erased leaves the file.
        "PRAGMA secure_delete = ON",
        "PRAGMA cache_size = -16000",
    ] {
        sqlx::query(pragma).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A commit is acknowledged when it is on disk, whatever the server's default.
async fn set_synchronous(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SET synchronous_commit = on").execute(connection).await?;
    Ok(())
}

async fn check_durable(connection: &mut AnyConnection) -> Result<(), DatabaseError> {
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
