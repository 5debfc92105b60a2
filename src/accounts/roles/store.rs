//! Changes of roles in the database.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::steps::Act;
use super::super::store::agency;
use super::super::{Account, Role};
use super::{RoleChange, Stage};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, AgencyId, RoleChangeId};

const CHANGES: &str = "SELECT c.*, a.name AS person, g.name AS agency_name, w.name AS proposer FROM role_changes c
     JOIN accounts a ON a.id = c.account_id LEFT JOIN agencies g ON g.id = c.agency_id JOIN accounts w ON w.id = c.proposed_by";

fn change(row: &AnyRow) -> Result<RoleChange, DatabaseError> {
    let damaged = || sqlx::Error::Decode("a change of a role without a known role or state".into());
    let role = |column: &str| row.try_get::<String, _>(column)?.parse::<Role>().map_err(|()| damaged());
    let state: String = row.try_get("state")?;
    Ok(RoleChange {
        id: RoleChangeId::known(row.try_get::<String, _>("id")?),
        account: AccountId::known(row.try_get::<String, _>("account_id")?),
        name: row.try_get("person")?,
        from: role("from_role")?,
        to: role("to_role")?,
        agency: agency(row)?,
        reason: row.try_get("reason")?,
        stage: Stage::ALL.into_iter().find(|stage| stage.as_str() == state).ok_or_else(damaged)?,
        proposed: Act {
            by: AccountId::known(row.try_get::<String, _>("proposed_by")?),
            at: Timestamp::from_micros(row.try_get("proposed_at")?),
        },
        proposer: row.try_get("proposer")?,
    })
}

/// False when one waits for a decision already.
pub(super) async fn insert(
    tx: &mut Tx,
    id: &RoleChangeId,
    of: &Account,
    (to, agency): (Role, Option<&AgencyId>),
    reason: &str,
    act: &Act,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO role_changes (id, account_id, from_role, to_role, agency_id, reason, state, proposed_by, proposed_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'proposed', $7, $8)",
    )
    .bind(id.as_str())
    .bind(of.id.as_str())
    .bind(of.role.as_str())
    .bind(to.as_str())
    .bind(agency.map(|agency| agency.as_str().to_owned()))
    .bind(reason.to_owned())
    .bind(act.by.as_str())
    .bind(act.at.micros())
    .execute(&mut **tx)
    .await;
    match done {
        Ok(_) => Ok(true),
        Err(e) if violates_unique(&e, "role_changes", "account_id") => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Held until the transaction ends: writing a row as it is makes another who would change it wait.
pub(super) async fn load(tx: &mut Tx, id: &RoleChangeId) -> Result<Option<RoleChange>, DatabaseError> {
    sqlx::query("UPDATE role_changes SET state = state WHERE id = $1").bind(id.as_str()).execute(&mut **tx).await?;
    let sql = format!("{CHANGES} WHERE c.id = $1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(change).transpose()
}

pub(super) async fn proposed(database: &Database) -> Result<Vec<RoleChange>, DatabaseError> {
    let sql = format!("{CHANGES} WHERE c.state = 'proposed' ORDER BY c.proposed_at, c.id");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(database.pool()).await?;
    rows.iter().map(change).collect()
}

/// False when somebody else was quicker.
pub(super) async fn decide(
    tx: &mut Tx,
    id: &RoleChangeId,
    (from, to): (Stage, Stage),
    act: &Act,
    refusal: Option<&str>,
) -> Result<bool, DatabaseError> {
    let done =
        sqlx::query("UPDATE role_changes SET state = $3, decided_by = $4, decided_at = $5, refusal = $6 WHERE id = $1 AND state = $2")
            .bind(id.as_str())
            .bind(from.as_str())
            .bind(to.as_str())
            .bind(act.by.as_str())
            .bind(act.at.micros())
            .bind(refusal.map(str::to_owned))
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() == 1)
}
