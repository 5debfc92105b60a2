//! Accounts, sessions and failed attempts in the database.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};

use super::principal::{Agency, Principal, Role, SessionHash};
use super::{Account, LiveSession, Lock, People, Wanted, locks};
use crate::clock::{SharedClock, Timestamp};
use crate::config::SessionConfig;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, AgencyId};

/// Reading a page counts as activity, but is written down at most this often.
const TOUCH_EVERY: Duration = Duration::from_secs(20);
/// How long a session that nobody signed in to is kept.
const ANONYMOUS: Duration = Duration::from_secs(3600);

pub(super) const ACCOUNT: &str = "account";
pub(super) const WAITING: &str = "waiting";
pub(super) const CONFIRMED: &str = "confirmed";
pub(super) const ADDRESS: &str = "address";
pub(super) const USER_AGENT: &str = "user_agent";

/// How long a session waits for the second factor. Its row was made when the password was given.
const AWAITED_FOR: Duration = Duration::from_secs(600);

/// Whose a session is.
pub(super) enum Owner {
    Is(Principal),
    /// The password was theirs; the second factor is awaited.
    Awaits(Principal),
}

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
    waiting: Option<String>,
    confirmed_at: Option<i64>,
    address: Option<String>,
    user_agent: Option<String>,
}

fn columns(record: &Record) -> Result<Columns, session_store::Error> {
    let text = |key: &str| record.data.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Columns {
        data: serde_json::to_string(&record.data).map_err(|e| session_store::Error::Encode(e.to_string()))?,
        account: text(ACCOUNT),
        waiting: text(WAITING),
        confirmed_at: record.data.get(CONFIRMED).and_then(Value::as_i64),
        address: text(ADDRESS),
        user_agent: text(USER_AGENT),
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
                    "INSERT INTO sessions (hash, account_id, data, created_at, seen_at, expires_at, confirmed_at, address, user_agent,
                 waiting_id, revoked)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)",
                )
                .bind(hash_of(record.id).0)
                .bind(columns.account)
                .bind(columns.data)
                .bind(now.micros())
                .bind(now.micros())
                .bind(now.plus(lifetime).micros())
                .bind(columns.confirmed_at)
                .bind(columns.address)
                .bind(columns.user_agent)
                .bind(columns.waiting),
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
                    "UPDATE sessions SET data = $2, confirmed_at = $4, address = $5, user_agent = $7, waiting_id = $8,
                 expires_at = CASE WHEN account_id IS NULL AND $3 IS NOT NULL THEN $6 ELSE expires_at END, account_id = $3
             WHERE hash = $1 AND revoked = 0",
                )
                .bind(hash_of(record.id).0)
                .bind(columns.data)
                .bind(columns.account)
                .bind(columns.confirmed_at)
                .bind(columns.address)
                .bind(self.clock.now().plus(self.limits.absolute).micros())
                .bind(columns.user_agent)
                .bind(columns.waiting),
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
    /// Whose session this is, now, and whether it still awaits their second factor.
    pub(super) async fn owner(&self, id: Id) -> Result<Option<Owner>, DatabaseError> {
        let now = self.clock.now();
        let row = sqlx::query(
            "SELECT a.id, a.email, a.name, a.role, a.agency_id, g.name AS agency_name, s.confirmed_at, s.created_at,
                 CAST(CASE WHEN s.account_id IS NULL THEN 1 ELSE 0 END AS BIGINT) AS waiting,
                 CAST(CASE WHEN f.sealed IS NULL THEN 0 ELSE 1 END AS BIGINT) AS second_factor
             FROM sessions s JOIN accounts a ON a.id = COALESCE(s.account_id, s.waiting_id) LEFT JOIN agencies g ON g.id = a.agency_id
                 LEFT JOIN second_factors f ON f.account_id = a.id
             WHERE s.hash = $1 AND s.revoked = 0 AND s.expires_at > $2 AND s.seen_at > $3 AND a.disabled_at IS NULL",
        )
        .bind(hash_of(id).0)
        .bind(now.micros())
        .bind(now.minus(self.limits.idle).micros())
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(role) = row.try_get::<String, _>("role")?.parse().ok() else { return Ok(None) };
        let principal = Principal {
            account: AccountId::known(row.try_get::<String, _>("id")?),
            email: row.try_get("email")?,
            name: row.try_get("name")?,
            role,
            agency: agency(&row)?,
            session: hash_of(id),
            confirmed_at: row.try_get::<Option<i64>, _>("confirmed_at")?.map(Timestamp::from_micros),
            second_factor: row.try_get::<i64, _>("second_factor")? != 0,
            address: None,
        };
        let waiting = row.try_get::<i64, _>("waiting")? != 0;
        let since = Timestamp::from_micros(row.try_get("created_at")?);
        Ok(match (waiting, principal.second_factor) {
            (false, _) => Some(Owner::Is(principal)),
            (true, true) if now < since.plus(AWAITED_FOR) => Some(Owner::Awaits(principal)),
            (true, _) => None,
        })
    }

    /// Live sessions of an account, newest first.
    pub(super) async fn of_account(&self, account: &AccountId) -> Result<Vec<LiveSession>, DatabaseError> {
        let now = self.clock.now();
        let rows = sqlx::query(
            "SELECT hash, created_at, seen_at, address, user_agent FROM sessions
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
                    user_agent: row.try_get("user_agent")?,
                })
            })
            .collect()
    }

    pub(super) async fn revoke(&self, hash: &SessionHash) -> Result<(), DatabaseError> {
        self.database.execute(sqlx::query("UPDATE sessions SET revoked = 1, data = '{}' WHERE hash = $1").bind(hash.as_str())).await?;
        Ok(())
    }

    /// Ends every session of an account that lives but this one, those that wait for its second factor too, and says how many.
    pub(super) async fn revoke_all_but(tx: &mut Tx, account: &AccountId, kept: &SessionHash) -> Result<u64, DatabaseError> {
        let done = sqlx::query(
            "UPDATE sessions SET revoked = 1, data = '{}' WHERE (account_id = $1 OR waiting_id = $1) AND hash <> $2 AND revoked = 0",
        )
        .bind(account.as_str())
        .bind(kept.as_str())
        .execute(&mut **tx)
        .await?;
        Ok(done.rows_affected())
    }

    pub(super) async fn revoke_all(tx: &mut Tx, account: &AccountId) -> Result<u64, DatabaseError> {
        let sql = "UPDATE sessions SET revoked = 1, data = '{}' WHERE (account_id = $1 OR waiting_id = $1) AND revoked = 0";
        let done = sqlx::query(sql).bind(account.as_str()).execute(&mut **tx).await?;
        Ok(done.rows_affected())
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

pub(super) fn agency(row: &AnyRow) -> Result<Option<Agency>, sqlx::Error> {
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
        joined: row.try_get::<i64, _>("joined")? != 0,
        reset_at: row.try_get::<Option<i64>, _>("reset_at")?.map(Timestamp::from_micros),
        second_factor: row.try_get::<Option<i64>, _>("factor_since")?.map(Timestamp::from_micros),
        disabled_at: row.try_get::<Option<i64>, _>("disabled_at")?.map(Timestamp::from_micros),
        lock: Lock {
            by: row.try_get::<Option<String>, _>("disabled_by")?.map(AccountId::known),
            name: row.try_get("locker")?,
            reason: row.try_get("disabled_reason")?,
        },
    })
}

/// Everybody, as [`account`] reads them.
const ACCOUNTS: &str = "SELECT a.id, a.email, a.name, a.role, a.agency_id, g.name AS agency_name, a.created_at, a.disabled_at,
        a.disabled_by, a.disabled_reason, l.name AS locker, a.reset_at, f.since AS factor_since,
        CAST(CASE WHEN a.password = '' AND a.reset_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS joined
     FROM accounts a LEFT JOIN agencies g ON g.id = a.agency_id LEFT JOIN accounts l ON l.id = a.disabled_by
         LEFT JOIN second_factors f ON f.account_id = a.id";

pub(super) async fn list(database: &Database) -> Result<Vec<Account>, DatabaseError> {
    let rows = sqlx::query(AssertSqlSafe(format!("{ACCOUNTS} ORDER BY a.role, a.email"))).fetch_all(database.pool()).await?;
    rows.iter().map(account).collect()
}

pub(super) async fn of_agency(database: &Database, agency: &AgencyId) -> Result<Vec<Account>, DatabaseError> {
    let query = sqlx::query(AssertSqlSafe(format!("{ACCOUNTS} WHERE a.agency_id = $1 ORDER BY a.role, a.email")));
    query.bind(agency.as_str()).fetch_all(database.pool()).await?.iter().map(account).collect()
}

pub(super) async fn count(database: &Database) -> Result<u64, DatabaseError> {
    let row = sqlx::query("SELECT COUNT(*) FROM accounts").fetch_one(database.pool()).await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
}

/// People on a page at most.
const PAGE: usize = 50;

/// What a search asks for, as [`wanted_by`] binds it.
const WANTED: &str = "($1 = '' OR lower(a.name) LIKE $2 ESCAPE '!' OR a.email LIKE $2 ESCAPE '!') AND ($3 = '' OR a.agency_id = $3)
     AND ($4 = '' OR a.role = $4)
     AND ($5 = '' OR $5 = CASE WHEN a.disabled_at IS NOT NULL THEN 'locked' WHEN a.reset_at IS NOT NULL THEN 'reset'
         WHEN a.password = '' THEN 'invited' ELSE 'active' END)";

/// Those whom a search asks for, by e-mail address, and how many they are on all pages.
pub(super) async fn page(database: &Database, wanted: &Wanted) -> Result<People, DatabaseError> {
    let text = wanted.text.trim().to_lowercase();
    let escaped: String = text.chars().flat_map(|c| matches!(c, '%' | '_' | '!').then_some('!').into_iter().chain([c])).collect();
    let asked = [
        text,
        format!("%{escaped}%"),
        wanted.agency.as_ref().map(ToString::to_string).unwrap_or_default(),
        wanted.role.map(|role| role.as_str().to_owned()).unwrap_or_default(),
        wanted.standing.map(|standing| standing.as_str().to_owned()).unwrap_or_default(),
    ];
    let count = format!("SELECT COUNT(*) FROM accounts a WHERE {WANTED}");
    let mut count = sqlx::query(AssertSqlSafe(count));
    let rows = format!("{ACCOUNTS} WHERE {WANTED} AND a.email > $6 ORDER BY a.email LIMIT {}", PAGE + 1);
    let mut rows = sqlx::query(AssertSqlSafe(rows));
    for value in asked {
        count = count.bind(value.clone());
        rows = rows.bind(value);
    }
    let total: i64 = count.fetch_one(database.pool()).await?.try_get(0)?;
    let found = rows.bind(wanted.after.clone()).fetch_all(database.pool()).await?;
    let mut people: Vec<Account> = found.iter().map(account).collect::<Result<_, _>>()?;
    let more = people.len() > PAGE;
    people.truncate(PAGE);
    let next = if more { people.last().map(|last| last.email.clone()) } else { None };
    Ok(People { people, next, total: u64::try_from(total).unwrap_or(0) })
}

/// By id or by e-mail address.
pub(super) async fn find(database: &Database, key: &str) -> Result<Option<Account>, DatabaseError> {
    let sql = format!("{ACCOUNTS} WHERE a.id = $1 OR a.email = $1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(key.to_owned()).fetch_optional(database.pool()).await?;
    row.as_ref().map(account).transpose()
}

/// The account's id and password hash, unless it has none yet, is disabled or not there.
pub(super) async fn credentials(database: &Database, email: &str) -> Result<Option<(AccountId, String)>, DatabaseError> {
    let row = sqlx::query("SELECT id, password FROM accounts WHERE email = $1 AND password <> '' AND disabled_at IS NULL")
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

/// False when the password is no longer the one that was verified.
pub(super) async fn change_password(tx: &mut Tx, id: &AccountId, old: &str, new: String) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE accounts SET password = $3 WHERE id = $1 AND password = $2 AND disabled_at IS NULL")
        .bind(id.as_str())
        .bind(old.to_owned())
        .bind(new)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes the password from an account that has one, or was reset before. False when it has none, or is locked.
pub(super) async fn reset_password(tx: &mut Tx, id: &AccountId, at: Timestamp) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE accounts SET password = '', reset_at = $2 WHERE id = $1 AND (password <> '' OR reset_at IS NOT NULL) AND disabled_at IS NULL",
    )
    .bind(id.as_str())
    .bind(at.micros())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// False when it was not reset, or is locked.
pub(super) async fn set_password_after_reset(tx: &mut Tx, id: &AccountId, hash: String) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE accounts SET password = $2, reset_at = NULL WHERE id = $1 AND password = '' AND reset_at IS NOT NULL AND disabled_at IS NULL",
    )
    .bind(id.as_str())
    .bind(hash)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// False when it has a password already, or had, or was disabled meanwhile.
pub(super) async fn set_first_password(tx: &mut Tx, id: &AccountId, hash: String) -> Result<bool, DatabaseError> {
    let done =
        sqlx::query("UPDATE accounts SET password = $2 WHERE id = $1 AND password = '' AND reset_at IS NULL AND disabled_at IS NULL")
            .bind(id.as_str())
            .bind(hash)
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts an account that nobody has used yet into the line of whoever invites to it.
pub(super) async fn set_lineage(tx: &mut Tx, id: &AccountId, by: &AccountId) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE accounts SET lineage = (SELECT w.lineage FROM accounts w WHERE w.id = $2) WHERE id = $1 AND password = '' AND reset_at IS NULL")
        .bind(id.as_str())
        .bind(by.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The lines that two accounts come from.
pub(super) async fn lineages(tx: &mut Tx, one: &AccountId, other: &AccountId) -> Result<[Option<String>; 2], DatabaseError> {
    let mut found = [None, None];
    for (account, slot) in [one, other].into_iter().zip(&mut found) {
        let row = sqlx::query("SELECT lineage FROM accounts WHERE id = $1").bind(account.as_str()).fetch_optional(&mut **tx).await?;
        *slot = row.map(|row| row.try_get(0)).transpose()?;
    }
    Ok(found)
}

/// What decides on an account's lock.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) role: Role,
    locked: bool,
    pub(super) locked_by: Option<AccountId>,
}

impl Held {
    pub(super) fn stage(&self) -> locks::Stage {
        if self.locked { locks::Stage::Locked } else { locks::Stage::Open }
    }
}

/// An account that nobody else changes until the transaction ends: writing a row as it is locks it on either database.
pub(super) async fn hold(tx: &mut Tx, id: &AccountId) -> Result<Option<Held>, DatabaseError> {
    let row = sqlx::query("UPDATE accounts SET role = role WHERE id = $1 RETURNING role, disabled_at, disabled_by")
        .bind(id.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let role: String = row.try_get("role")?;
    Ok(Some(Held {
        role: role.parse().map_err(|()| sqlx::Error::Decode("an account without a known role".into()))?,
        locked: row.try_get::<Option<i64>, _>("disabled_at")?.is_some(),
        locked_by: row.try_get::<Option<String>, _>("disabled_by")?.map(AccountId::known),
    }))
}

/// Keeps others from making administrators fewer until the transaction ends.
pub(super) async fn hold_administrators(tx: &mut Tx) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE accounts SET role = role WHERE role = 'administrator'").execute(&mut **tx).await?;
    Ok(())
}

/// How many lines the administrators come from who can sign in.
pub(super) async fn administrators(tx: &mut Tx) -> Result<i64, DatabaseError> {
    let row =
        sqlx::query("SELECT COUNT(DISTINCT lineage) FROM accounts WHERE role = 'administrator' AND disabled_at IS NULL AND password <> ''")
            .fetch_one(&mut **tx)
            .await?;
    Ok(row.try_get(0)?)
}

pub(super) async fn lock(tx: &mut Tx, id: &AccountId, at: Timestamp, by: Option<&AccountId>, reason: &str) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE accounts SET disabled_at = $2, disabled_by = $3, disabled_reason = $4 WHERE id = $1")
        .bind(id.as_str())
        .bind(at.micros())
        .bind(by.map(|by| by.as_str().to_owned()))
        .bind(reason.to_owned())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn unlock(tx: &mut Tx, id: &AccountId) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE accounts SET disabled_at = NULL, disabled_by = NULL, disabled_via = NULL, disabled_reason = NULL WHERE id = $1")
        .bind(id.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// False when the role is another than it was when the change was proposed, or the account is locked.
pub(super) async fn set_role(
    tx: &mut Tx,
    id: &AccountId,
    from: Role,
    (to, agency): (Role, Option<&AgencyId>),
) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE accounts SET role = $3, agency_id = $4 WHERE id = $1 AND role = $2 AND disabled_at IS NULL")
        .bind(id.as_str())
        .bind(from.as_str())
        .bind(to.as_str())
        .bind(agency.map(|agency| agency.as_str().to_owned()))
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}
