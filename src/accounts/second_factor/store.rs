//! Second factors and recovery codes in the database.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::totp::StepNumber;
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx};
use crate::ids::AccountId;

/// What is kept of an account's second factor.
pub(super) struct Kept {
    /// Of the one in use.
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) since: Option<Timestamp>,
    pub(super) last_step: StepNumber,
    /// Of one that is being set up, and since when.
    pub(super) next: Option<(Vec<u8>, Timestamp)>,
}

const COLUMNS: &str = "sealed, since, last_step, next_sealed, next_at";

fn kept(row: &AnyRow) -> Result<Kept, DatabaseError> {
    let at = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_micros));
    Ok(Kept {
        sealed: row.try_get("sealed")?,
        since: at("since")?,
        last_step: row.try_get("last_step")?,
        next: row.try_get::<Option<Vec<u8>>, _>("next_sealed")?.zip(at("next_at")?),
    })
}

pub(super) async fn find(database: &Database, account: &AccountId) -> Result<Option<Kept>, DatabaseError> {
    let sql = format!("SELECT {COLUMNS} FROM second_factors WHERE account_id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(account.as_str()).fetch_optional(database.pool()).await?;
    row.as_ref().map(kept).transpose()
}

/// Held until the transaction ends: codes of one account are checked one after another.
pub(super) async fn hold(tx: &mut Tx, account: &AccountId) -> Result<Option<Kept>, DatabaseError> {
    let sql = format!("UPDATE second_factors SET last_step = last_step WHERE account_id = $1 RETURNING {COLUMNS}");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(account.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(kept).transpose()
}

/// Whether nothing is sealed yet, so that a key may be made.
pub(super) async fn nothing_sealed(tx: &mut Tx) -> Result<bool, DatabaseError> {
    let sql = "SELECT COUNT(*) FROM second_factors WHERE sealed IS NOT NULL OR next_sealed IS NOT NULL";
    Ok(sqlx::query(sql).fetch_one(&mut **tx).await?.try_get::<i64, _>(0)? == 0)
}

/// Keeps what is being set up; an earlier one that was not confirmed is gone.
pub(super) async fn begin(tx: &mut Tx, account: &AccountId, sealed: Vec<u8>, at: Timestamp) -> Result<(), DatabaseError> {
    sqlx::query(
        "INSERT INTO second_factors (account_id, last_step, next_sealed, next_at) VALUES ($1, 0, $2, $3)
         ON CONFLICT (account_id) DO UPDATE SET next_sealed = $2, next_at = $3",
    )
    .bind(account.as_str())
    .bind(sealed)
    .bind(at.micros())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What was being set up is the one in use from here on.
pub(super) async fn confirm(tx: &mut Tx, account: &AccountId, step: StepNumber, at: Timestamp) -> Result<(), DatabaseError> {
    sqlx::query(
        "UPDATE second_factors SET sealed = next_sealed, since = $3, last_step = $2, next_sealed = NULL, next_at = NULL WHERE account_id = $1",
    )
    .bind(account.as_str())
    .bind(step)
    .bind(at.micros())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn note_step(tx: &mut Tx, account: &AccountId, step: StepNumber) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE second_factors SET last_step = $2 WHERE account_id = $1")
        .bind(account.as_str())
        .bind(step)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// False when there was none in use.
pub(super) async fn remove(tx: &mut Tx, account: &AccountId) -> Result<bool, DatabaseError> {
    sqlx::query("DELETE FROM recovery_codes WHERE account_id = $1").bind(account.as_str()).execute(&mut **tx).await?;
    let sql = "DELETE FROM second_factors WHERE account_id = $1 RETURNING since";
    let row = sqlx::query(sql).bind(account.as_str()).fetch_optional(&mut **tx).await?;
    Ok(row.map(|row| row.try_get::<Option<i64>, _>("since")).transpose()?.flatten().is_some())
}

/// Puts these codes in the place of all that the account has.
pub(super) async fn replace_recovery(tx: &mut Tx, account: &AccountId, hashes: &[String], at: Timestamp) -> Result<(), DatabaseError> {
    sqlx::query("DELETE FROM recovery_codes WHERE account_id = $1").bind(account.as_str()).execute(&mut **tx).await?;
    for hash in hashes {
        sqlx::query("INSERT INTO recovery_codes (account_id, hash, made_at) VALUES ($1, $2, $3)")
            .bind(account.as_str())
            .bind(hash.as_str())
            .bind(at.micros())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// False when it is none of theirs, or was used.
pub(super) async fn use_recovery(tx: &mut Tx, account: &AccountId, hash: &str, at: Timestamp) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE recovery_codes SET used_at = $3 WHERE account_id = $1 AND hash = $2 AND used_at IS NULL")
        .bind(account.as_str())
        .bind(hash.to_owned())
        .bind(at.micros())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

const UNUSED: &str = "SELECT COUNT(*) FROM recovery_codes WHERE account_id = $1 AND used_at IS NULL";

pub(super) async fn unused(database: &Database, account: &AccountId) -> Result<i64, DatabaseError> {
    Ok(sqlx::query(UNUSED).bind(account.as_str()).fetch_one(database.pool()).await?.try_get(0)?)
}

pub(super) async fn unused_in(tx: &mut Tx, account: &AccountId) -> Result<i64, DatabaseError> {
    Ok(sqlx::query(UNUSED).bind(account.as_str()).fetch_one(&mut **tx).await?.try_get(0)?)
}

/// Those who have one.
pub(super) async fn accounts(database: &Database) -> Result<Vec<AccountId>, DatabaseError> {
    let rows = sqlx::query("SELECT account_id FROM second_factors WHERE sealed IS NOT NULL").fetch_all(database.pool()).await?;
    rows.iter().map(|row| Ok(AccountId::known(row.try_get::<String, _>(0)?))).collect()
}
