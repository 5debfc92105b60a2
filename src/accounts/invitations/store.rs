//! Invitations in the database.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::steps::Act;
use super::{Invitation, Stage};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, InvitationId};

const INVITATIONS: &str = "SELECT i.*, w.name AS inviter FROM invitations i LEFT JOIN accounts w ON w.id = i.invited_by";

fn invitation(row: &AnyRow) -> Result<Invitation, DatabaseError> {
    let state: String = row.try_get("state")?;
    let known = Stage::ALL.into_iter().find(|stage| stage.as_str() == state);
    Ok(Invitation {
        id: InvitationId::known(row.try_get::<String, _>("id")?),
        account: AccountId::known(row.try_get::<String, _>("account_id")?),
        stage: known.ok_or_else(|| sqlx::Error::Decode("an invitation without a known state".into()))?,
        invited_by: row.try_get::<Option<String>, _>("invited_by")?.map(AccountId::known),
        inviter: row.try_get("inviter")?,
        invited_at: Timestamp::from_micros(row.try_get("invited_at")?),
        expires_at: Timestamp::from_micros(row.try_get("expires_at")?),
    })
}

/// False when the account has one that is not over yet.
pub(super) async fn insert(tx: &mut Tx, new: &Invitation, secret: &str) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO invitations (id, account_id, secret, state, invited_by, invited_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.id.as_str())
    .bind(new.account.as_str())
    .bind(secret)
    .bind(new.stage.as_str())
    .bind(new.invited_by.as_ref().map(|by| by.as_str().to_owned()))
    .bind(new.invited_at.micros())
    .bind(new.expires_at.micros())
    .execute(&mut **tx)
    .await;
    match done {
        Ok(_) => Ok(true),
        Err(e) if violates_unique(&e, "invitations", "account_id") => Ok(false),
        Err(e) => Err(e.into()),
    }
}

pub(super) async fn newest(database: &Database, account: &AccountId) -> Result<Option<Invitation>, DatabaseError> {
    let sql = format!("{INVITATIONS} WHERE i.account_id = $1 ORDER BY i.invited_at DESC, CASE i.state WHEN 'withdrawn' THEN 1 ELSE 0 END");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(account.as_str()).fetch_optional(database.pool()).await?;
    row.as_ref().map(invitation).transpose()
}

pub(super) async fn proposed(database: &Database) -> Result<Vec<Invitation>, DatabaseError> {
    let sql = format!("{INVITATIONS} WHERE i.state = 'proposed' ORDER BY i.invited_at, i.id");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(database.pool()).await?;
    rows.iter().map(invitation).collect()
}

pub(super) async fn by_secret(database: &Database, secret: &str) -> Result<Option<Invitation>, DatabaseError> {
    let sql = format!("{INVITATIONS} WHERE i.secret = $1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(secret.to_owned()).fetch_optional(database.pool()).await?;
    row.as_ref().map(invitation).transpose()
}

/// The row that `which` names, held until the transaction ends: writing it as it is makes another who would change it wait.
async fn held(tx: &mut Tx, which: &str, key: &str) -> Result<Option<Invitation>, DatabaseError> {
    let sql = format!("UPDATE invitations SET state = state WHERE {which}");
    sqlx::query(AssertSqlSafe(sql)).bind(key.to_owned()).execute(&mut **tx).await?;
    let sql = format!("{INVITATIONS} WHERE i.{which}");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(key.to_owned()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(invitation).transpose()
}

pub(super) async fn load(tx: &mut Tx, id: &InvitationId) -> Result<Option<Invitation>, DatabaseError> {
    held(tx, "id = $1", id.as_str()).await
}

pub(super) async fn load_by_secret(tx: &mut Tx, secret: &str) -> Result<Option<Invitation>, DatabaseError> {
    held(tx, "secret = $1", secret).await
}

/// The one that is not over yet.
pub(super) async fn pending(tx: &mut Tx, account: &AccountId) -> Result<Option<Invitation>, DatabaseError> {
    held(tx, "account_id = $1 AND state IN ('proposed', 'open')", account.as_str()).await
}

/// False when somebody else was quicker.
pub(super) async fn approve(
    tx: &mut Tx,
    id: &InvitationId,
    (from, to): (Stage, Stage),
    act: &Act,
    expires_at: Timestamp,
) -> Result<bool, DatabaseError> {
    let done =
        sqlx::query("UPDATE invitations SET state = $3, decided_by = $4, decided_at = $5, expires_at = $6 WHERE id = $1 AND state = $2")
            .bind(id.as_str())
            .bind(from.as_str())
            .bind(to.as_str())
            .bind(act.by.as_str())
            .bind(act.at.micros())
            .bind(expires_at.micros())
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// False when somebody else was quicker.
pub(super) async fn end(tx: &mut Tx, id: &InvitationId, (from, to): (Stage, Stage), act: &Act) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE invitations SET state = $3, ended_by = $4, ended_at = $5 WHERE id = $1 AND state = $2")
        .bind(id.as_str())
        .bind(from.as_str())
        .bind(to.as_str())
        .bind(act.by.as_str())
        .bind(act.at.micros())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}
