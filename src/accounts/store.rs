//! Accounts, sessions and failed attempts in the database.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};

use super::principal::{Agency, Principal, Role, SessionHash};
use super::{Account, LiveSession};
use crate::clock::{SharedClock, Timestamp};
use crate::config::SessionConfig;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, AgencyId};

/// Reading a page counts as activity, but is written down at most this often.
const TOUCH_EVERY: Duration = Duration::from_secs(20);
/// How long a session that nobody signed in to is kept.
const ANONYMOUS: Duration = Duration::from_secs(3600);

pub(super) const ACCOUNT: &str = "account";
pub(super) const CONFIRMED: &str = "confirmed";
pub(super) const ADDRESS: &str = "address";

/// Sessions for `tower-sessions`, kept under the hash of their id.
#[derive(Clone)]
pub struct Sessions {
    pub(super) database: Database,
    pub(super) clock: SharedClock,
    pub(super) limits: SessionConfig,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

pub(super) fn hash_of(id: Id) -> SessionHash {
    SessionHash(HEXLOWER.encode(&Sha256::digest(id.0.to_be_bytes())))
}

/// What of a session stands in columns of its own.
struct Columns {
    data: String,
    account: Option<String>,
    confirmed_at: Option<i64>,
    address: Option<String>,
}

fn columns(record: &Record) -> Result<Columns, session_store::Error> {
    let text = |key: &str| record.data.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Columns {
        data: serde_json::to_string(&record.data).map_err(|e| session_store::Error::Encode(e.to_string()))?,
        account: text(ACCOUNT),
        confirmed_at: record.data.get(CONFIRMED).and_then(Value::as_i64),
        address: text(ADDRESS),
    })
}

fn backend(error: impl std::fmt::Display) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let now = self.clock.now();
        let columns = columns(record)?;
        let lifetime = if columns.account.is_some() { self.limits.absolute } else { ANONYMOUS };
        self.database
            .execute(
                sqlx::query(
                    "INSERT INTO sessions (hash, account_id, data, created_at, seen_at, expires_at, confirmed_at, address, revoked)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)",
                )
                .bind(hash_of(record.id).0)
                .bind(columns.account)
                .bind(columns.data)
                .bind(now.micros())
                .bind(now.micros())
                .bind(now.plus(lifetime).micros())
                .bind(columns.confirmed_at)
                .bind(columns.address),
            )
            .await
            .map_err(backend)?;
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let columns = columns(record)?;
        // Signing in begins the absolute limit.
        self.database
            .execute(
                sqlx::query(
                    "UPDATE sessions SET data = $2, confirmed_at = $4, address = $5,
                 expires_at = CASE WHEN account_id IS NULL AND $3 IS NOT NULL THEN $6 ELSE expires_at END, account_id = $3
             WHERE hash = $1 AND revoked = 0",
                )
                .bind(hash_of(record.id).0)
                .bind(columns.data)
                .bind(columns.account)
                .bind(columns.confirmed_at)
                .bind(columns.address)
                .bind(self.clock.now().plus(self.limits.absolute).micros()),
            )
            .await
            .map_err(backend)?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let now = self.clock.now();
        let row = sqlx::query(
            "SELECT data, seen_at, expires_at FROM sessions
             WHERE hash = $1 AND revoked = 0 AND expires_at > $2 AND seen_at > $3",
        )
        .bind(hash_of(*id).0)
        .bind(now.micros())
        .bind(now.minus(self.limits.idle).micros())
        .fetch_optional(self.database.pool())
        .await
        .map_err(backend)?;
        let Some(row) = row else { return Ok(None) };
        let seen: i64 = row.try_get("seen_at").map_err(backend)?;
        if now.since(Timestamp::from_micros(seen)) >= TOUCH_EVERY {
            let touched = self
                .database
                .execute(
                    sqlx::query("UPDATE sessions SET seen_at = $2 WHERE hash = $1 AND revoked = 0").bind(hash_of(*id).0).bind(now.micros()),
                )
                .await;
            // A full disk must not end a session: it then counts as idle since the last time that could be written down.
            if let Err(cause) = touched {
                tracing::warn!(%cause, "a session's activity could not be written down");
            }
        }
        let data: String = row.try_get("data").map_err(backend)?;
        let data: HashMap<String, Value> = serde_json::from_str(&data).map_err(|e| session_store::Error::Decode(e.to_string()))?;
        // tower-sessions wants an expiry of its own; ours is the column, checked above.
        Ok(Some(Record { id: *id, data, expiry_date: OffsetDateTime::UNIX_EPOCH + time::Duration::days(365 * 8000) }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.database
            .execute(sqlx::query("UPDATE sessions SET revoked = 1, data = '{}' WHERE hash = $1").bind(hash_of(*id).0))
            .await
            .map_err(backend)?;
        Ok(())
    }
}

impl Sessions {
    pub(super) async fn principal(&self, id: Id) -> Result<Option<Principal>, DatabaseError> {
        let now = self.clock.now();
        let row = sqlx::query(
            "SELECT a.id, a.email, a.name, a.role, a.agency_id, g.name AS agency_name, s.confirmed_at
             FROM sessions s JOIN accounts a ON a.id = s.account_id LEFT JOIN agencies g ON g.id = a.agency_id
             WHERE s.hash = $1 AND s.revoked = 0 AND s.expires_at > $2 AND s.seen_at > $3 AND a.disabled_at IS NULL",
        )
        .bind(hash_of(id).0)
        .bind(now.micros())
        .bind(now.minus(self.limits.idle).micros())
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(role) = row.try_get::<String, _>("role")?.parse().ok() else { return Ok(None) };
        Ok(Some(Principal {
            account: AccountId::known(row.try_get::<String, _>("id")?),
            email: row.try_get("email")?,
            name: row.try_get("name")?,
            role,
            agency: agency(&row)?,
            session: hash_of(id),
            confirmed_at: row.try_get::<Option<i64>, _>("confirmed_at")?.map(Timestamp::from_micros),
            address: None,
        }))
    }

    /// Live sessions of an account, newest first.
    pub(super) async fn of_account(&self, account: &AccountId) -> Result<Vec<LiveSession>, DatabaseError> {
        let now = self.clock.now();
        let rows = sqlx::query(
            "SELECT hash, created_at, seen_at, address FROM sessions
             WHERE account_id = $1 AND revoked = 0 AND expires_at > $2 AND seen_at > $3 ORDER BY created_at DESC",
        )
        .bind(account.as_str())
        .bind(now.micros())
        .bind(now.minus(self.limits.idle).micros())
        .fetch_all(self.database.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(LiveSession {
                    hash: SessionHash(row.try_get("hash")?),
                    opened_at: Timestamp::from_micros(row.try_get("created_at")?),
                    seen_at: Timestamp::from_micros(row.try_get("seen_at")?),
                    address: row.try_get("address")?,
                })
            })
            .collect()
    }

    pub(super) async fn revoke(&self, hash: &SessionHash) -> Result<(), DatabaseError> {
        self.database.execute(sqlx::query("UPDATE sessions SET revoked = 1, data = '{}' WHERE hash = $1").bind(hash.as_str())).await?;
        Ok(())
    }

    pub(super) async fn revoke_all(tx: &mut Tx, account: &AccountId) -> Result<(), DatabaseError> {
        sqlx::query("UPDATE sessions SET revoked = 1, data = '{}' WHERE account_id = $1").bind(account.as_str()).execute(&mut **tx).await?;
        Ok(())
    }

    /// Drops sessions that have ended, and forgets failed attempts after a quarter of a year.
    pub(super) async fn sweep(&self) -> Result<u64, DatabaseError> {
        let done = self.database.execute(sqlx::query("DELETE FROM sessions WHERE expires_at < $1").bind(self.clock.now().micros())).await?;
        self.database
            .execute(
                sqlx::query("DELETE FROM sign_in_attempts WHERE last_at < $1")
                    .bind(self.clock.now().minus(Duration::from_secs(90 * 86_400)).micros()),
            )
            .await?;
        Ok(done.rows_affected())
    }
}

fn agency(row: &AnyRow) -> Result<Option<Agency>, sqlx::Error> {
    let id: Option<String> = row.try_get("agency_id")?;
    let name: Option<String> = row.try_get("agency_name")?;
    Ok(id.zip(name).map(|(id, name)| Agency { id: AgencyId::known(id), name }))
}

fn account(row: &AnyRow) -> Result<Account, DatabaseError> {
    Ok(Account {
        id: AccountId::known(row.try_get::<String, _>("id")?),
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        role: row.try_get::<String, _>("role")?.parse().unwrap_or(Role::Reviewer),
        agency: agency(row)?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        disabled_at: row.try_get::<Option<i64>, _>("disabled_at")?.map(Timestamp::from_micros),
    })
}

const ACCOUNTS: &str = "SELECT a.id, a.email, a.name, a.role, a.agency_id, g.name AS agency_name, a.created_at, a.disabled_at
     FROM accounts a LEFT JOIN agencies g ON g.id = a.agency_id ORDER BY a.role, a.email";
const ONE_ACCOUNT: &str = "SELECT a.id, a.email, a.name, a.role, a.agency_id, g.name AS agency_name, a.created_at, a.disabled_at
     FROM accounts a LEFT JOIN agencies g ON g.id = a.agency_id WHERE a.id = $1 OR a.email = $1";

pub(super) async fn list(database: &Database) -> Result<Vec<Account>, DatabaseError> {
    let rows = sqlx::query(ACCOUNTS).fetch_all(database.pool()).await?;
    rows.iter().map(account).collect()
}

/// By id or by e-mail address.
pub(super) async fn find(database: &Database, key: &str) -> Result<Option<Account>, DatabaseError> {
    let row = sqlx::query(ONE_ACCOUNT).bind(key.to_owned()).fetch_optional(database.pool()).await?;
    row.as_ref().map(account).transpose()
}

/// The account's id and password hash, unless it is disabled or not there.
pub(super) async fn credentials(database: &Database, email: &str) -> Result<Option<(AccountId, String)>, DatabaseError> {
    let row = sqlx::query("SELECT id, password FROM accounts WHERE email = $1 AND disabled_at IS NULL")
        .bind(email.to_owned())
        .fetch_optional(database.pool())
        .await?;
    row.map(|row| Ok((AccountId::known(row.try_get::<String, _>("id")?), row.try_get("password")?))).transpose()
}

/// False when the e-mail address is taken.
pub(super) async fn insert(tx: &mut Tx, account: &Account, password: String, by: Option<&AccountId>) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO accounts (id, email, name, role, agency_id, password, created_at, lineage)
             VALUES ($1, $2, $3, $4, $5, $6, $7, COALESCE((SELECT lineage FROM accounts WHERE id = $8), $1))",
    )
    .bind(account.id.as_str())
    .bind(account.email.as_str())
    .bind(account.name.as_str())
    .bind(account.role.as_str())
    .bind(account.agency.as_ref().map(|agency| agency.id.as_str().to_owned()))
    .bind(password)
    .bind(account.created_at.micros())
    .bind(by.map(|by| by.as_str().to_owned()))
    .execute(&mut **tx)
    .await;
    match done {
        Ok(_) => Ok(true),
        Err(error) if violates_unique(&error, "accounts", "email") => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Replaces the hash only if it is still the one that was verified.
pub(super) async fn rehash(database: &Database, id: &AccountId, old: &str, new: String) -> Result<(), DatabaseError> {
    database
        .execute(
            sqlx::query("UPDATE accounts SET password = $3 WHERE id = $1 AND password = $2")
                .bind(id.as_str())
                .bind(old.to_owned())
                .bind(new),
        )
        .await?;
    Ok(())
}

/// False when it was changed by somebody else in between, or is in that state already.
pub(super) async fn set_disabled(tx: &mut Tx, id: &AccountId, at: Option<Timestamp>) -> Result<bool, DatabaseError> {
    let sql = if at.is_some() {
        "UPDATE accounts SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL"
    } else {
        "UPDATE accounts SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NOT NULL"
    };
    let done = sqlx::query(sql).bind(id.as_str()).bind(at.map(Timestamp::micros)).execute(&mut **tx).await?;
    Ok(done.rows_affected() == 1)
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    pub(super) failures: i64,
    pub(super) not_before: i64,
}

pub(super) async fn attempts(database: &Database, subject: &str) -> Result<Attempts, DatabaseError> {
    let row = sqlx::query("SELECT failures, not_before FROM sign_in_attempts WHERE subject = $1")
        .bind(subject.to_owned())
        .fetch_optional(database.pool())
        .await?;
    let Some(row) = row else { return Ok(Attempts::default()) };
    Ok(Attempts { failures: row.try_get("failures")?, not_before: row.try_get("not_before")? })
}

/// Counts one more failure and returns how many there are now.
pub(super) async fn count_failure(database: &Database, subject: &str, now: Timestamp, forget: Duration) -> Result<i64, DatabaseError> {
    let row = database
        .execute_returning(
            sqlx::query(
                "INSERT INTO sign_in_attempts (subject, failures, last_at, not_before) VALUES ($1, 1, $2, 0)
         ON CONFLICT (subject) DO UPDATE SET
             failures = CASE WHEN sign_in_attempts.last_at < $3 THEN 1 ELSE sign_in_attempts.failures + 1 END,
             last_at = $2
         RETURNING failures",
            )
            .bind(subject.to_owned())
            .bind(now.micros())
            .bind(now.minus(forget).micros()),
        )
        .await?;
    Ok(row.try_get("failures")?)
}

pub(super) async fn hold_back(database: &Database, subject: &str, until: Timestamp) -> Result<(), DatabaseError> {
    database
        .execute(
            sqlx::query("UPDATE sign_in_attempts SET not_before = $2 WHERE subject = $1").bind(subject.to_owned()).bind(until.micros()),
        )
        .await?;
    Ok(())
}

pub(super) async fn forget_failures(database: &Database, subject: &str) -> Result<(), DatabaseError> {
    database.execute(sqlx::query("DELETE FROM sign_in_attempts WHERE subject = $1").bind(subject.to_owned())).await?;
    Ok(())
}
