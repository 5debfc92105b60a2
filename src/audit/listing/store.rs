//! The listing's SQL, one text for SQLite and PostgreSQL.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row as _};

use super::super::store::{self as log, Connection, Stored, chunks, placeholder, signed, to_stored, unsigned};
use super::super::usage::Usage;
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError};

/// A row of `log_listing`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) index: u64,
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) account: Option<String>,
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
    pub(super) agency: Option<String>,
    pub(super) agency_name: Option<String>,
    pub(super) product: Option<String>,
    pub(super) version: Option<String>,
    pub(super) path: Option<String>,
    pub(super) blob: Option<String>,
    pub(super) request: String,
    pub(super) outcome: String,
    pub(super) entitlement: Option<String>,
}

/// A row of `log_places`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: u64,
    pub(super) position: i64,
    pub(super) product: String,
    pub(super) path: String,
    pub(super) blob: Option<String>,
}

/// A condition of a query: a text that uses `?` for each of its values, which become numbered placeholders.
pub(in crate::audit) struct Condition {
    pub(in crate::audit) sql: &'static str,
    pub(in crate::audit) values: Vec<Value>,
}

#[derive(Clone)]
pub(in crate::audit) enum Value {
    Text(String),
    Number(i64),
}

type Result<T> = std::result::Result<T, DatabaseError>;

const COLUMNS: &str =
    "idx, at, kind, account, email, name, agency, agency_name, product, version, path, blob, request, outcome, entitlement";
const PLACE_COLUMNS: &str = "idx, position, product, path, blob";

/// How many entries are listed.
pub(in crate::audit) async fn listed(on: &mut Connection) -> Result<u64> {
    let row = sqlx::query("SELECT MAX(idx) FROM log_listing").fetch_one(on).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map_or(0, |last| unsigned(last).saturating_add(1)))
}

pub(super) async fn insert(tx: &mut Connection, rows: &[Row], places: &[Place]) -> Result<()> {
    for chunk in chunks(rows) {
        let mut query = sqlx::query(AssertSqlSafe(log::insert(tx, "log_listing", COLUMNS, 15, chunk.len())));
        for row in chunk {
            query = bind(query, row);
        }
        query.execute(&mut *tx).await?;
    }
    for chunk in chunks(places) {
        let mut query = sqlx::query(AssertSqlSafe(log::insert(tx, "log_places", PLACE_COLUMNS, 5, chunk.len())));
        for place in chunk {
            let (product, path, blob) = (place.product.as_str(), place.path.as_str(), place.blob.as_deref());
            query = query.bind(signed(place.index)).bind(place.position).bind(product).bind(path).bind(blob);
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// Entries for which all conditions hold, newest first.
pub(in crate::audit) async fn find(database: &Database, conditions: &[Condition], limit: u64) -> Result<Vec<Stored>> {
    let from = "SELECT e.idx, e.leaf, e.entry, e.personal FROM log_listing l JOIN log_entries e ON e.idx = l.idx";
    let (mut sql, values) = select(from, conditions);
    sql += " ORDER BY l.idx DESC LIMIT ";
    sql += &placeholder(values.len() + 1);
    let rows = bound(sql, values).bind(signed(limit)).fetch_all(database.pool()).await?;
    rows.iter().map(to_stored).collect()
}

/// How many entries there are for which all conditions hold.
pub(in crate::audit) async fn count(database: &Database, conditions: &[Condition]) -> Result<u64> {
    let (sql, values) = select("SELECT COUNT(*) FROM log_listing l", conditions);
    let row = bound(sql, values).fetch_one(database.pool()).await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
}

/// Entries that show something of source, by the grant that is their basis.
const SHOWN: &str = "l.kind LIKE 'source.%' AND l.idx < $1";
/// A file as it stood.
const FILE: &str = "CASE WHEN l.kind = 'source.file.opened' THEN l.path || ' ' || COALESCE(l.blob, '') END";

fn usage(row: &AnyRow) -> Result<(String, Usage)> {
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let last = row.try_get::<Option<i64>, _>(2)?.map(Timestamp::from_micros);
    Ok((row.try_get(0)?, Usage { shown: count(row.try_get(1)?), last, files: count(row.try_get(3)?) }))
}

/// The use of each grant that was used.
pub(in crate::audit) async fn usages(database: &Database, size: u64) -> Result<Vec<(String, Usage)>> {
    let sql = format!(
        "SELECT l.entitlement, COUNT(*), MAX(l.at), COUNT(DISTINCT {FILE}) FROM log_listing l
         WHERE l.entitlement IS NOT NULL AND {SHOWN} GROUP BY l.entitlement"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(signed(size)).fetch_all(database.pool()).await?;
    rows.iter().map(usage).collect()
}

/// The use of one grant by each person.
pub(in crate::audit) async fn usage_by_account(database: &Database, grant: &str, size: u64) -> Result<Vec<(String, Usage)>> {
    let sql = format!(
        "SELECT l.account, COUNT(*), MAX(l.at), COUNT(DISTINCT {FILE}) FROM log_listing l
         WHERE {SHOWN} AND l.entitlement = $2 AND l.account IS NOT NULL GROUP BY l.account"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(signed(size)).bind(grant.to_owned()).fetch_all(database.pool()).await?;
    rows.iter().map(usage).collect()
}

/// The path of each distinct file opened under one grant.
pub(in crate::audit) async fn files_opened(database: &Database, grant: &str, size: u64) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT l.path, l.blob FROM log_listing l
               WHERE l.idx < $1 AND l.entitlement = $2 AND l.kind = 'source.file.opened' AND l.path IS NOT NULL";
    let rows = sqlx::query(sql).bind(signed(size)).bind(grant.to_owned()).fetch_all(database.pool()).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The versions of which something was shown under one grant.
pub(in crate::audit) async fn versions_read(database: &Database, grant: &str, size: u64) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT DISTINCT l.version FROM log_listing l WHERE {SHOWN} AND l.entitlement = $2 AND l.version IS NOT NULL ORDER BY l.version"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(signed(size)).bind(grant.to_owned()).fetch_all(database.pool()).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Who was refused something of which product, and when.
pub(in crate::audit) async fn refusals(database: &Database, size: u64) -> Result<Vec<(String, String, i64)>> {
    let sql = "SELECT l.account, l.product, l.at FROM log_listing l
               WHERE l.kind = 'access.denied' AND l.idx < $1 AND l.account IS NOT NULL AND l.product IS NOT NULL";
    let rows = sqlx::query(sql).bind(signed(size)).fetch_all(database.pool()).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
}

/// Takes what is personal out of the rows of entries `from..to` that are older than `before`, in microseconds.
pub(in crate::audit) async fn erase(tx: &mut Connection, from: u64, to: u64, before: i64) -> Result<()> {
    let sql = "UPDATE log_listing SET email = NULL, name = NULL, agency_name = NULL WHERE idx >= $1 AND idx < $2 AND at < $3";
    sqlx::query(sql).bind(signed(from)).bind(signed(to)).bind(before).execute(tx).await?;
    Ok(())
}

/// Removes all rows.
pub(super) async fn clear(tx: &mut Connection) -> Result<()> {
    sqlx::query("DELETE FROM log_places").execute(&mut *tx).await?;
    sqlx::query("DELETE FROM log_listing").execute(tx).await?;
    Ok(())
}

/// The rows of the entries `from..to`, in order.
pub(super) async fn rows(on: &mut Connection, from: u64, to: u64) -> Result<Vec<Row>> {
    let sql = format!("SELECT {COLUMNS} FROM log_listing WHERE idx >= $1 AND idx < $2 ORDER BY idx");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(signed(from)).bind(signed(to)).fetch_all(on).await?;
    rows.iter().map(to_row).collect()
}

/// The places of the entries `from..to`, in order.
pub(super) async fn places(on: &mut Connection, from: u64, to: u64) -> Result<Vec<Place>> {
    let sql = format!("SELECT {PLACE_COLUMNS} FROM log_places WHERE idx >= $1 AND idx < $2 ORDER BY idx, position");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(signed(from)).bind(signed(to)).fetch_all(on).await?;
    rows.iter().map(to_place).collect()
}

/// The first row that belongs to none of the first `size` entries.
pub(super) async fn beyond(on: &mut Connection, size: u64) -> Result<Option<u64>> {
    let sql = "SELECT MIN(idx) FROM (SELECT idx FROM log_listing WHERE idx >= $1 OR idx < 0 UNION ALL \
               SELECT idx FROM log_places WHERE idx >= $2 OR idx < 0) AS beyond";
    let row = sqlx::query(sql).bind(signed(size)).bind(signed(size)).fetch_one(on).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(unsigned))
}

fn bind<'q>(query: Query<'q, Any, AnyArguments>, row: &'q Row) -> Query<'q, Any, AnyArguments> {
    query
        .bind(signed(row.index))
        .bind(row.at)
        .bind(row.kind.as_str())
        .bind(row.account.as_deref())
        .bind(row.email.as_deref())
        .bind(row.name.as_deref())
        .bind(row.agency.as_deref())
        .bind(row.agency_name.as_deref())
        .bind(row.product.as_deref())
        .bind(row.version.as_deref())
        .bind(row.path.as_deref())
        .bind(row.blob.as_deref())
        .bind(row.request.as_str())
        .bind(row.outcome.as_str())
        .bind(row.entitlement.as_deref())
}

fn to_row(row: &AnyRow) -> Result<Row> {
    Ok(Row {
        index: unsigned(row.try_get(0)?),
        at: row.try_get(1)?,
        kind: row.try_get(2)?,
        account: row.try_get(3)?,
        email: row.try_get(4)?,
        name: row.try_get(5)?,
        agency: row.try_get(6)?,
        agency_name: row.try_get(7)?,
        product: row.try_get(8)?,
        version: row.try_get(9)?,
        path: row.try_get(10)?,
        blob: row.try_get(11)?,
        request: row.try_get(12)?,
        outcome: row.try_get(13)?,
        entitlement: row.try_get(14)?,
    })
}

fn to_place(row: &AnyRow) -> Result<Place> {
    Ok(Place {
        index: unsigned(row.try_get(0)?),
        position: row.try_get(1)?,
        product: row.try_get(2)?,
        path: row.try_get(3)?,
        blob: row.try_get(4)?,
    })
}

/// A statement with the conditions behind it, and the values they bind, in order.
fn select(start: &str, conditions: &[Condition]) -> (String, Vec<Value>) {
    let mut sql = String::from(start);
    let mut values = Vec::new();
    for (n, condition) in conditions.iter().enumerate() {
        sql.push_str(if n == 0 { " WHERE (" } else { " AND (" });
        let mut parts = condition.sql.split('?');
        sql.push_str(parts.next().unwrap_or_default());
        for (part, value) in parts.zip(&condition.values) {
            values.push(value.clone());
            sql += &placeholder(values.len());
            sql += part;
        }
        sql.push(')');
    }
    (sql, values)
}

fn bound<'q>(sql: String, values: Vec<Value>) -> Query<'q, Any, AnyArguments> {
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        };
    }
    query
}
