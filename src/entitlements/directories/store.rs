//! Whom directories keep, in the database.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::store::{damaged, flag, time};
use super::super::suspensions::live_on;
use super::{DirectoryPerson, Kept, KeptAccount, Narrow, Profile};
use crate::accounts::Standing;
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, AgencyId, DirectoryPersonId};

/// What unique thing is there already.
pub(super) enum Taken {
    UserName,
    Account,
}

fn person(row: &AnyRow) -> Result<DirectoryPerson, DatabaseError> {
    let profile: String = row.try_get("profile")?;
    Ok(DirectoryPerson {
        id: DirectoryPersonId::known(row.try_get::<String, _>("id")?),
        account: row.try_get::<Option<String>, _>("account_id")?.map(AccountId::known),
        profile: serde_json::from_str(&profile).map_err(|_| damaged("a directory's person who cannot be read"))?,
        created_at: time(row, "created_at")?,
        changed_at: time(row, "changed_at")?,
        version: row.try_get("version")?,
    })
}

fn json(profile: &Profile) -> Result<String, DatabaseError> {
    serde_json::to_string(profile).map_err(|_| damaged("a profile that cannot be written"))
}

/// Whether an agency is suspended whole, and whether it is among the eligible.
pub(super) async fn agency(tx: &mut Tx, id: &AgencyId) -> Result<(bool, bool), DatabaseError> {
    let sql = format!("SELECT {} AS suspended, y.ineligible_since FROM agencies y WHERE y.id = $1", live_on("y.id"));
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_one(&mut **tx).await?;
    Ok((row.try_get::<i64, _>("suspended")? > 0, row.try_get::<Option<i64>, _>("ineligible_since")?.is_none()))
}

pub(super) async fn is_suspended(database: &Database, id: &AgencyId) -> Result<bool, DatabaseError> {
    let sql = format!("SELECT {} AS suspended FROM agencies y WHERE y.id = $1", live_on("y.id"));
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_one(database.pool()).await?;
    Ok(row.try_get::<i64, _>("suspended")? > 0)
}

/// Some or all of a directory's people, in the order in which they were entered.
pub(super) async fn list(database: &Database, agency: &AgencyId, narrow: &Narrow) -> Result<Vec<DirectoryPerson>, DatabaseError> {
    let (which, key) = match narrow {
        Narrow::All => ("$2 = ''", String::new()),
        Narrow::Id(id) => ("id = $2", id.clone()),
        Narrow::UserName(name) => ("user_name_key = $2", name.to_lowercase()),
        Narrow::ExternalId(id) => ("external_id = $2", id.clone()),
    };
    let sql = format!("SELECT * FROM directory_people WHERE agency_id = $1 AND {which} ORDER BY created_at, id");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(agency.as_str()).bind(key).fetch_all(database.pool()).await?;
    rows.iter().map(person).collect()
}

/// How many a directory keeps, and how many accounts its agency has, locked ones among them.
pub(super) async fn count(tx: &mut Tx, agency: &AgencyId) -> Result<(u64, u64), DatabaseError> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM directory_people p WHERE p.agency_id = $1) AS people,
             (SELECT COUNT(*) FROM accounts a WHERE a.agency_id = $1) AS accounts",
    )
    .bind(agency.as_str())
    .fetch_one(&mut **tx)
    .await?;
    let number = |column: &str| row.try_get::<i64, _>(column).map(|number| u64::try_from(number).unwrap_or(0));
    Ok((number("people")?, number("accounts")?))
}

/// Somebody of this directory, whom nobody else changes until the transaction ends.
pub(super) async fn hold(tx: &mut Tx, agency: &AgencyId, id: &str) -> Result<Option<DirectoryPerson>, DatabaseError> {
    let row = sqlx::query("UPDATE directory_people SET version = version WHERE id = $1 AND agency_id = $2 RETURNING *")
        .bind(id.to_owned())
        .bind(agency.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(person).transpose()
}

fn taken(error: sqlx::Error) -> Result<Taken, DatabaseError> {
    if violates_unique(&error, "directory_people", "account_id") {
        return Ok(Taken::Account);
    }
    if violates_unique(&error, "directory_people", "agency_id") {
        return Ok(Taken::UserName);
    }
    Err(error.into())
}

pub(super) async fn insert(tx: &mut Tx, agency: &AgencyId, new: &DirectoryPerson) -> Result<Result<(), Taken>, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO directory_people (id, agency_id, user_name_key, external_id, profile, created_at, changed_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id.as_str())
    .bind(agency.as_str())
    .bind(new.profile.key())
    .bind(new.profile.external_id.clone())
    .bind(json(&new.profile)?)
    .bind(new.created_at.micros())
    .bind(new.changed_at.micros())
    .bind(new.version)
    .execute(&mut **tx)
    .await;
    match done {
        Ok(_) => Ok(Ok(())),
        Err(error) => taken(error).map(Err),
    }
}

pub(super) async fn update(tx: &mut Tx, of: &DirectoryPerson) -> Result<Result<(), Taken>, DatabaseError> {
    let done = sqlx::query(
        "UPDATE directory_people SET user_name_key = $2, external_id = $3, profile = $4, changed_at = $5, version = $6 WHERE id = $1",
    )
    .bind(of.id.as_str())
    .bind(of.profile.key())
    .bind(of.profile.external_id.clone())
    .bind(json(&of.profile)?)
    .bind(of.changed_at.micros())
    .bind(of.version)
    .execute(&mut **tx)
    .await;
    match done {
        Ok(_) => Ok(Ok(())),
        Err(error) => taken(error).map(Err),
    }
}

/// Says which account is that of a person. Whoever moved from another agency is that one's no longer.
pub(super) async fn link(
    tx: &mut Tx,
    agency: &AgencyId,
    id: &DirectoryPersonId,
    account: &AccountId,
) -> Result<Result<(), Taken>, DatabaseError> {
    sqlx::query("UPDATE directory_people SET account_id = NULL WHERE account_id = $1 AND agency_id <> $2")
        .bind(account.as_str())
        .bind(agency.as_str())
        .execute(&mut **tx)
        .await?;
    let done = sqlx::query("UPDATE directory_people SET account_id = $2 WHERE id = $1")
        .bind(id.as_str())
        .bind(account.as_str())
        .execute(&mut **tx)
        .await;
    match done {
        Ok(_) => Ok(Ok(())),
        Err(error) => taken(error).map(Err),
    }
}

/// Whether an account is that of one of this agency's people.
pub(super) async fn is_linked(tx: &mut Tx, agency: &AgencyId, account: &AccountId) -> Result<bool, DatabaseError> {
    let row = sqlx::query("SELECT COUNT(*) FROM directory_people WHERE account_id = $1 AND agency_id = $2")
        .bind(account.as_str())
        .bind(agency.as_str())
        .fetch_one(&mut **tx)
        .await?;
    Ok(row.try_get::<i64, _>(0)? > 0)
}

pub(super) async fn delete(tx: &mut Tx, id: &DirectoryPersonId) -> Result<(), DatabaseError> {
    sqlx::query("DELETE FROM directory_people WHERE id = $1").bind(id.as_str()).execute(&mut **tx).await?;
    Ok(())
}

/// A directory's people with what became of them, by user name.
pub(super) async fn kept(database: &Database, agency: &AgencyId, now: Timestamp) -> Result<Vec<Kept>, DatabaseError> {
    let rows = sqlx::query(
        "SELECT p.*, a.name AS account_name, a.email AS account_email,
             CAST(CASE WHEN a.disabled_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS locked,
             CAST(CASE WHEN a.password = '' THEN 0 ELSE 1 END AS BIGINT) AS joined,
             (SELECT COUNT(*) FROM nominations n JOIN agreements g ON g.id = n.agreement_id
              WHERE n.account_id = a.id AND n.state = 'nominated' AND g.ended_at IS NULL AND g.ends_at > $2) AS waiting,
             (SELECT COUNT(*) FROM nominations n JOIN agreements g ON g.id = n.agreement_id
              WHERE n.account_id = a.id AND n.state = 'approved' AND g.ended_at IS NULL AND g.ends_at > $2) AS named
         FROM directory_people p
         LEFT JOIN accounts a ON a.id = p.account_id AND a.agency_id = p.agency_id AND a.role = 'reviewer'
         WHERE p.agency_id = $1 ORDER BY p.user_name_key",
    )
    .bind(agency.as_str())
    .bind(now.micros())
    .fetch_all(database.pool())
    .await?;
    rows.iter()
        .map(|row| {
            let name: Option<String> = row.try_get("account_name")?;
            let account = match name {
                None => None,
                Some(name) => Some(KeptAccount {
                    name,
                    email: row.try_get("account_email")?,
                    standing: match (flag(row, "locked")?, flag(row, "joined")?) {
                        (true, _) => Standing::Locked,
                        (false, false) => Standing::Invited,
                        (false, true) => Standing::Active,
                    },
                    waiting: row.try_get::<i64, _>("waiting")? > 0,
                    named: row.try_get::<i64, _>("named")? > 0,
                }),
            };
            Ok(Kept { person: person(row)?, account })
        })
        .collect()
}
