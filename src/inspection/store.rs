//! Saved searches in the database.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{NewestVersion, SavedSearch};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, SavedSearchId};

/// Neither a product's name nor a reference of git holds white space.
fn lines(newest: &[NewestVersion]) -> String {
    newest.iter().map(|one| format!("{} {}", one.product, one.version)).collect::<Vec<_>>().join("\n")
}

fn saved(row: &AnyRow) -> Result<SavedSearch, DatabaseError> {
    let newest: String = row.try_get("newest")?;
    let pairs = newest.lines().filter_map(|line| line.split_once(' '));
    Ok(SavedSearch {
        id: SavedSearchId::known(row.try_get::<String, _>("id")?),
        name: row.try_get("name")?,
        query: row.try_get("query")?,
        saved_at: Timestamp::from_micros(row.try_get("saved_at")?),
        ran_at: Timestamp::from_micros(row.try_get("ran_at")?),
        newest: pairs.map(|(product, version)| NewestVersion { product: product.to_owned(), version: version.to_owned() }).collect(),
    })
}

/// Whether a write found the name free.
fn unless_taken<T>(written: Result<T, sqlx::Error>) -> Result<bool, DatabaseError> {
    match written {
        Ok(_) => Ok(true),
        // SQLite names the first column, PostgreSQL the constraint, which is called after both.
        Err(error)
            if violates_unique(&error, "saved_searches", "account_id") || violates_unique(&error, "saved_searches", "account_id_name") =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn list(database: &Database, account: &AccountId) -> Result<Vec<SavedSearch>, DatabaseError> {
    let sql = "SELECT id, name, query, saved_at, ran_at, newest FROM saved_searches WHERE account_id = $1 ORDER BY lower(name), id";
    let rows = sqlx::query(sql).bind(account.as_str()).fetch_all(database.pool()).await?;
    rows.iter().map(saved).collect()
}

pub(super) async fn find(tx: &mut Tx, account: &AccountId, id: &SavedSearchId) -> Result<Option<SavedSearch>, DatabaseError> {
    let sql = "SELECT id, name, query, saved_at, ran_at, newest FROM saved_searches WHERE account_id = $1 AND id = $2";
    let row = sqlx::query(sql).bind(account.as_str()).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(saved).transpose()
}

pub(super) async fn count(tx: &mut Tx, account: &AccountId) -> Result<u64, DatabaseError> {
    let sql = "SELECT count(*) FROM saved_searches WHERE account_id = $1";
    let number: i64 = sqlx::query(sql).bind(account.as_str()).fetch_one(&mut **tx).await?.try_get(0)?;
    Ok(u64::try_from(number).unwrap_or(0))
}

/// False when the person keeps another under this name.
pub(super) async fn insert(tx: &mut Tx, account: &AccountId, saved: &SavedSearch) -> Result<bool, DatabaseError> {
    let sql = "INSERT INTO saved_searches (id, account_id, name, query, saved_at, ran_at, newest) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let query = sqlx::query(sql).bind(saved.id.as_str()).bind(account.as_str()).bind(saved.name.clone()).bind(saved.query.clone());
    let query = query.bind(saved.saved_at.micros()).bind(saved.ran_at.micros()).bind(lines(&saved.newest));
    unless_taken(query.execute(&mut **tx).await)
}

/// False when the person keeps another under this name.
pub(super) async fn rename(tx: &mut Tx, account: &AccountId, id: &SavedSearchId, name: &str) -> Result<bool, DatabaseError> {
    let sql = "UPDATE saved_searches SET name = $3 WHERE account_id = $1 AND id = $2";
    unless_taken(sqlx::query(sql).bind(account.as_str()).bind(id.as_str()).bind(name.to_owned()).execute(&mut **tx).await)
}

pub(super) async fn remove(tx: &mut Tx, account: &AccountId, id: &SavedSearchId) -> Result<(), DatabaseError> {
    let sql = "DELETE FROM saved_searches WHERE account_id = $1 AND id = $2";
    sqlx::query(sql).bind(account.as_str()).bind(id.as_str()).execute(&mut **tx).await?;
    Ok(())
}

pub(super) async fn ran(
    database: &Database,
    account: &AccountId,
    id: &SavedSearchId,
    at: Timestamp,
    newest: &[NewestVersion],
) -> Result<(), DatabaseError> {
    let sql = "UPDATE saved_searches SET ran_at = $3, newest = $4 WHERE account_id = $1 AND id = $2";
    let query = sqlx::query(sql).bind(account.as_str().to_owned()).bind(id.as_str().to_owned()).bind(at.micros()).bind(lines(newest));
    database.execute(query).await?;
    Ok(())
}
