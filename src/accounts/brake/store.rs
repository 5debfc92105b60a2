//! Failed attempts in the database.

use std::time::Duration;

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    pub(super) failures: i64,
    pub(super) last_at: i64,
    pub(super) not_before: i64,
}

const ATTEMPTS: &str = "SELECT failures, last_at, not_before FROM sign_in_attempts WHERE subject = $1";

fn read(row: Option<AnyRow>) -> Result<Attempts, DatabaseError> {
    let Some(row) = row else { return Ok(Attempts::default()) };
    Ok(Attempts { failures: row.try_get("failures")?, last_at: row.try_get("last_at")?, not_before: row.try_get("not_before")? })
}

pub(super) async fn attempts(database: &Database, subject: &str) -> Result<Attempts, DatabaseError> {
    read(sqlx::query(ATTEMPTS).bind(subject.to_owned()).fetch_optional(database.pool()).await?)
}

pub(super) async fn attempts_in(tx: &mut Tx, subject: &str) -> Result<Attempts, DatabaseError> {
    read(sqlx::query(ATTEMPTS).bind(subject.to_owned()).fetch_optional(&mut **tx).await?)
}

/// Counts one more failure and returns how many there are now.
pub(super) async fn count_failure(tx: &mut Tx, subject: &str, now: Timestamp, forget: Duration) -> Result<i64, DatabaseError> {
    let row = sqlx::query(
        "INSERT INTO sign_in_attempts (subject, failures, last_at, not_before) VALUES ($1, 1, $2, 0)
         ON CONFLICT (subject) DO UPDATE SET
             failures = CASE WHEN sign_in_attempts.last_at < $3 THEN 1 ELSE sign_in_attempts.failures + 1 END,
             last_at = $2
         RETURNING failures",
    )
    .bind(subject.to_owned())
    .bind(now.micros())
    .bind(now.minus(forget).micros())
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.try_get("failures")?)
}

pub(super) async fn hold_back(tx: &mut Tx, subject: &str, until: Timestamp) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE sign_in_attempts SET not_before = $2 WHERE subject = $1")
        .bind(subject.to_owned())
        .bind(until.micros())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn forget_failures(tx: &mut Tx, subject: &str) -> Result<(), DatabaseError> {
    sqlx::query("DELETE FROM sign_in_attempts WHERE subject = $1").bind(subject.to_owned()).execute(&mut **tx).await?;
    Ok(())
}
