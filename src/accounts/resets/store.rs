//! Resets in the database.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::steps::Act;
use super::{Reset, Stage, What};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, ResetId};

const RESETS: &str = "SELECT r.*, a.name AS person, w.name AS proposer, d.name AS decider FROM account_resets r
     JOIN accounts a ON a.id = r.account_id LEFT JOIN accounts w ON w.id = r.proposed_by LEFT JOIN accounts d ON d.id = r.decided_by";

fn reset(row: &AnyRow) -> Result<Reset, DatabaseError> {
    let damaged = || sqlx::Error::Decode("a reset without a known state or subject".into());
    let (state, what): (String, String) = (row.try_get("state")?, row.try_get("what")?);
    Ok(Reset {
        id: ResetId::known(row.try_get::<String, _>("id")?),
        account: AccountId::known(row.try_get::<String, _>("account_id")?),
        name: row.try_get("person")?,
        what: What::ALL.into_iter().find(|one| one.as_str() == what).ok_or_else(damaged)?,
        reason: row.try_get("reason")?,
        stage: Stage::ALL.into_iter().find(|stage| stage.as_str() == state).ok_or_else(damaged)?,
        proposed_by: row.try_get::<Option<String>, _>("proposed_by")?.map(AccountId::known),
        proposer: row.try_get("proposer")?,
        proposed_at: Timestamp::from_micros(row.try_get("proposed_at")?),
        expires_at: Timestamp::from_micros(row.try_get("expires_at")?),
        decider: row.try_get("decider")?,
        code: row.try_get("code")?,
    })
}

/// False when another one of the account is not over yet.
pub(super) async fn insert(tx: &mut Tx, new: &Reset, secret: Option<String>) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO account_resets (id, account_id, what, reason, state, code, secret, proposed_by, proposed_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(new.id.as_str())
    .bind(new.account.as_str())
    .bind(new.what.as_str())
    .bind(new.reason.as_str())
    .bind(new.stage.as_str())
    .bind(new.code.as_str())
    .bind(secret)
    .bind(new.proposed_by.as_ref().map(|by| by.as_str().to_owned()))
    .bind(new.proposed_at.micros())
    .bind(new.expires_at.micros())
    .execute(&mut **tx)
    .await;
    match done {
        Ok(_) => Ok(true),
        Err(e) if violates_unique(&e, "account_resets", "account_id") => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// The one of an account that is not over yet, unless its time is.
pub(super) async fn pending(database: &Database, account: &AccountId, now: Timestamp) -> Result<Option<Reset>, DatabaseError> {
    let sql = format!("{RESETS} WHERE r.account_id = $1 AND r.state IN ('proposed', 'open') AND r.expires_at > $2");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(account.as_str()).bind(now.micros()).fetch_optional(database.pool()).await?;
    row.as_ref().map(reset).transpose()
}

/// Those that wait for a second administrator, oldest first.
pub(super) async fn proposed(database: &Database, now: Timestamp) -> Result<Vec<Reset>, DatabaseError> {
    let sql = format!("{RESETS} WHERE r.state = 'proposed' AND r.expires_at > $1 ORDER BY r.proposed_at, r.id");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(now.micros()).fetch_all(database.pool()).await?;
    rows.iter().map(reset).collect()
}

pub(super) async fn by_secret(database: &Database, secret: &str) -> Result<Option<Reset>, DatabaseError> {
    let sql = format!("{RESETS} WHERE r.secret = $1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(secret.to_owned()).fetch_optional(database.pool()).await?;
    row.as_ref().map(reset).transpose()
}

/// The row that `which` names, held until the transaction ends: writing it as it is makes another who would change it wait.
async fn held(tx: &mut Tx, which: &str, key: &str) -> Result<Option<Reset>, DatabaseError> {
    let sql = format!("UPDATE account_resets SET state = state WHERE {which}");
    sqlx::query(AssertSqlSafe(sql)).bind(key.to_owned()).execute(&mut **tx).await?;
    let sql = format!("{RESETS} WHERE r.{which}");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(key.to_owned()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(reset).transpose()
}

pub(super) async fn load(tx: &mut Tx, id: &ResetId) -> Result<Option<Reset>, DatabaseError> {
    held(tx, "id = $1", id.as_str()).await
}

pub(super) async fn load_by_secret(tx: &mut Tx, secret: &str) -> Result<Option<Reset>, DatabaseError> {
    held(tx, "secret = $1", secret).await
}

/// The one of an account that is not over yet, whatever the time.
pub(super) async fn load_pending(tx: &mut Tx, account: &AccountId) -> Result<Option<Reset>, DatabaseError> {
    held(tx, "account_id = $1 AND state IN ('proposed', 'open')", account.as_str()).await
}

/// What a decision writes down besides the state.
#[derive(Default)]
pub(super) struct Decision<'d> {
    pub(super) refusal: Option<&'d str>,
    pub(super) secret: Option<String>,
    pub(super) expires_at: Option<Timestamp>,
}

/// False when somebody else was quicker.
pub(super) async fn decide(
    tx: &mut Tx,
    id: &ResetId,
    (from, to): (Stage, Stage),
    act: &Act,
    decision: Decision<'_>,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE account_resets SET state = $3, decided_by = $4, decided_at = $5, refusal = $6, secret = $7,
             expires_at = COALESCE($8, expires_at) WHERE id = $1 AND state = $2",
    )
    .bind(id.as_str())
    .bind(from.as_str())
    .bind(to.as_str())
    .bind(act.by.as_str())
    .bind(act.at.micros())
    .bind(decision.refusal.map(str::to_owned))
    .bind(decision.secret)
    .bind(decision.expires_at.map(Timestamp::micros))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends it, by its person, an administrator, or (`None`) by itself. False when somebody else was quicker.
pub(super) async fn end(
    tx: &mut Tx,
    id: &ResetId,
    (from, to): (Stage, Stage),
    (by, at): (Option<&AccountId>, Timestamp),
) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE account_resets SET state = $3, ended_by = $4, ended_at = $5 WHERE id = $1 AND state = $2")
        .bind(id.as_str())
        .bind(from.as_str())
        .bind(to.as_str())
        .bind(by.map(|by| by.as_str().to_owned()))
        .bind(at.micros())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}
