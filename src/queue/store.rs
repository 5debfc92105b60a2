//! Jobs in the database.

use sqlx::Row;

use super::{Job, Pending, Task};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx};
use crate::ids::JobId;

pub(super) async fn insert(tx: &mut Tx, id: &JobId, kind: &str, subject: &str, now: Timestamp) -> Result<(), DatabaseError> {
    // What waits to be tried again need not wait when somebody asks for it.
    sqlx::query("UPDATE jobs SET run_after = $3 WHERE kind = $1 AND subject = $2 AND state = 'waiting' AND run_after > $3")
        .bind(kind.to_owned())
        .bind(subject.to_owned())
        .bind(now.micros())
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO jobs (id, kind, subject, state, attempts, run_after, updated_at)
         SELECT $1, $2, $3, 'waiting', 0, $4, $4
         WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE kind = $2 AND subject = $3 AND state = 'waiting')",
    )
    .bind(id.as_str())
    .bind(kind.to_owned())
    .bind(subject.to_owned())
    .bind(now.micros())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn claim(tx: &mut Tx, now: Timestamp) -> Result<Option<Job>, DatabaseError> {
    let row = sqlx::query(
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, updated_at = $1, progress = NULL
         WHERE state = 'waiting' AND id = (SELECT id FROM jobs WHERE state = 'waiting' AND run_after <= $1 ORDER BY run_after, id LIMIT 1)
         RETURNING id, kind, subject, attempts",
    )
    .bind(now.micros())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kind: String = row.try_get("kind")?;
    let Some(task) = Task::parse(&kind) else { return Ok(None) };
    Ok(Some(Job {
        id: JobId::known(row.try_get::<String, _>("id")?),
        task,
        subject: row.try_get("subject")?,
        attempts: row.try_get("attempts")?,
    }))
}

pub(super) async fn finish(
    database: &Database,
    id: &JobId,
    state: &str,
    problem: Option<&str>,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    database
        .execute(
            sqlx::query("UPDATE jobs SET state = $2, problem = $3, updated_at = $4 WHERE id = $1")
                .bind(id.as_str())
                .bind(state.to_owned())
                .bind(problem.map(str::to_owned))
                .bind(now.micros()),
        )
        .await?;
    Ok(())
}

pub(super) async fn retry(database: &Database, id: &JobId, problem: &str, now: Timestamp, after: Timestamp) -> Result<(), DatabaseError> {
    database
        .execute(
            sqlx::query("UPDATE jobs SET state = 'waiting', problem = $2, updated_at = $3, run_after = $4 WHERE id = $1")
                .bind(id.as_str())
                .bind(problem.to_owned())
                .bind(now.micros())
                .bind(after.micros()),
        )
        .await?;
    Ok(())
}

pub(super) async fn pending(database: &Database, subject: &str) -> Result<Option<Pending>, DatabaseError> {
    let row = sqlx::query(
        "SELECT state, run_after, problem, progress FROM jobs WHERE subject = $1 AND state IN ('waiting', 'running')
         ORDER BY state, run_after, id LIMIT 1",
    )
    .bind(subject.to_owned())
    .fetch_optional(database.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Pending {
        running: row.try_get::<String, _>("state")? == "running",
        after: Timestamp::from_micros(row.try_get("run_after")?),
        problem: row.try_get("problem")?,
        progress: row.try_get("progress")?,
    }))
}

pub(super) async fn note_progress(database: &Database, id: &JobId, progress: &str) -> Result<(), DatabaseError> {
    database
        .execute(
            sqlx::query("UPDATE jobs SET progress = $2 WHERE id = $1 AND state = 'running'").bind(id.as_str()).bind(progress.to_owned()),
        )
        .await?;
    Ok(())
}

pub(super) async fn count(database: &Database, state: &str) -> Result<u64, DatabaseError> {
    let row = sqlx::query("SELECT COUNT(*) FROM jobs WHERE state = $1").bind(state.to_owned()).fetch_one(database.pool()).await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
}

pub(super) async fn recover(database: &Database, now: Timestamp) -> Result<(), DatabaseError> {
    database
        .execute(
            sqlx::query("UPDATE jobs SET state = 'waiting', run_after = $1, updated_at = $1 WHERE state = 'running'").bind(now.micros()),
        )
        .await?;
    Ok(())
}
