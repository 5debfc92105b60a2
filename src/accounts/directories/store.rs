//! Directories' tokens, and what they do to accounts, in the database.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::super::{Account, Agency};
use super::people::Found;
use super::{Directory, DirectoryToken};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, AgencyId, DirectoryTokenId, InvitationId};

pub(super) struct NewToken<'a> {
    pub(super) id: &'a DirectoryTokenId,
    pub(super) agency: &'a AgencyId,
    pub(super) name: &'a str,
    pub(super) secret: &'a str,
    pub(super) maker: &'a AccountId,
    pub(super) made_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

fn time(row: &AnyRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Ok(Timestamp::from_micros(row.try_get(column)?))
}

fn optional_time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_micros))
}

pub(super) async fn insert(tx: &mut Tx, new: &NewToken<'_>) -> Result<(), DatabaseError> {
    sqlx::query(
        "INSERT INTO directory_tokens (id, agency_id, name, secret, made_by, made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.id.as_str())
    .bind(new.agency.as_str())
    .bind(new.name)
    .bind(new.secret)
    .bind(new.maker.as_str())
    .bind(new.made_at.micros())
    .bind(new.expires_at.micros())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many hold now. Tokens of one agency are made one after another.
pub(super) async fn holding(tx: &mut Tx, agency: &AgencyId, now: Timestamp) -> Result<usize, DatabaseError> {
    sqlx::query("UPDATE agencies SET slug = slug WHERE id = $1").bind(agency.as_str()).execute(&mut **tx).await?;
    let row = sqlx::query("SELECT COUNT(*) FROM directory_tokens WHERE agency_id = $1 AND revoked_at IS NULL AND expires_at > $2")
        .bind(agency.as_str())
        .bind(now.micros())
        .fetch_one(&mut **tx)
        .await?;
    Ok(usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX))
}

/// Its name; none where it is of another agency, revoked already or not there.
pub(super) async fn revoke(
    tx: &mut Tx,
    agency: &AgencyId,
    id: &DirectoryTokenId,
    by: &AccountId,
    now: Timestamp,
) -> Result<Option<String>, DatabaseError> {
    let row = sqlx::query(
        "UPDATE directory_tokens SET revoked_by = $3, revoked_at = $4 WHERE id = $1 AND agency_id = $2 AND revoked_at IS NULL RETURNING name",
    )
    .bind(id.as_str())
    .bind(agency.as_str())
    .bind(by.as_str())
    .bind(now.micros())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

pub(super) async fn of_agency(database: &Database, agency: &AgencyId) -> Result<Vec<DirectoryToken>, DatabaseError> {
    let rows = sqlx::query(
        "SELECT t.*, m.name AS maker, r.name AS revoker FROM directory_tokens t JOIN accounts m ON m.id = t.made_by
         LEFT JOIN accounts r ON r.id = t.revoked_by WHERE t.agency_id = $1 ORDER BY t.made_at DESC, t.id",
    )
    .bind(agency.as_str())
    .fetch_all(database.pool())
    .await?;
    rows.iter()
        .map(|row| {
            let revoker: Option<String> = row.try_get("revoker")?;
            Ok(DirectoryToken {
                id: DirectoryTokenId::known(row.try_get::<String, _>("id")?),
                agency: AgencyId::known(row.try_get::<String, _>("agency_id")?),
                name: row.try_get("name")?,
                maker: row.try_get("maker")?,
                made_at: time(row, "made_at")?,
                expires_at: time(row, "expires_at")?,
                used_at: optional_time(row, "used_at")?,
                revoked: optional_time(row, "revoked_at")?.map(|at| (at, revoker.unwrap_or_default())),
            })
        })
        .collect()
}

/// Whose it is, where it holds, and when it was used last.
pub(super) async fn by_secret(
    database: &Database,
    secret: &str,
    now: Timestamp,
) -> Result<Option<(Directory, Option<Timestamp>)>, DatabaseError> {
    let row = sqlx::query(
        "SELECT t.id, t.name, t.made_by, t.used_at, y.id AS agency_id, y.name AS agency_name
         FROM directory_tokens t JOIN agencies y ON y.id = t.agency_id
         WHERE t.secret = $1 AND t.revoked_at IS NULL AND t.expires_at > $2",
    )
    .bind(secret.to_owned())
    .bind(now.micros())
    .fetch_optional(database.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let directory = Directory {
        token: DirectoryTokenId::known(row.try_get::<String, _>("id")?),
        name: row.try_get("name")?,
        agency: Agency { id: AgencyId::known(row.try_get::<String, _>("agency_id")?), name: row.try_get("agency_name")? },
        maker: AccountId::known(row.try_get::<String, _>("made_by")?),
    };
    Ok(Some((directory, optional_time(&row, "used_at")?)))
}

pub(super) async fn touch(database: &Database, id: &DirectoryTokenId, now: Timestamp) -> Result<(), DatabaseError> {
    let query = sqlx::query("UPDATE directory_tokens SET used_at = $2 WHERE id = $1").bind(id.as_str()).bind(now.micros());
    database.execute(query).await?;
    Ok(())
}

/// Whether a token holds still, which nobody changes until the transaction ends.
pub(super) async fn hold_token(tx: &mut Tx, id: &DirectoryTokenId, now: Timestamp) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE directory_tokens SET name = name WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2")
        .bind(id.as_str())
        .bind(now.micros())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes an account without a password. False when the e-mail address is taken.
pub(super) async fn insert_account(tx: &mut Tx, account: &Account, by: &Directory) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO accounts (id, email, name, role, agency_id, password, created_at, lineage, made_via)
         SELECT $1, $2, $3, $4, $5, '', $6, m.lineage, $8 FROM accounts m WHERE m.id = $7 ON CONFLICT (email) DO NOTHING",
    )
    .bind(account.id.as_str())
    .bind(account.email.as_str())
    .bind(account.name.as_str())
    .bind(account.role.as_str())
    .bind(account.agency.as_ref().map(|agency| agency.id.as_str().to_owned()))
    .bind(account.created_at.micros())
    .bind(by.maker.as_str())
    .bind(by.token.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The account of an e-mail address, where it is that of a reviewer of this agency.
pub(super) async fn theirs(tx: &mut Tx, agency: &AgencyId, email: &str) -> Result<Option<AccountId>, DatabaseError> {
    let row = sqlx::query("SELECT id FROM accounts WHERE email = $1 AND agency_id = $2 AND role = 'reviewer'")
        .bind(email.to_owned())
        .bind(agency.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| Ok(AccountId::known(row.try_get::<String, _>(0)?))).transpose()
}

/// A reviewer of this agency, whom nobody else changes until the transaction ends.
pub(super) async fn hold(tx: &mut Tx, agency: &AgencyId, id: &AccountId) -> Result<Option<Found>, DatabaseError> {
    let row = sqlx::query(
        "UPDATE accounts SET role = role WHERE id = $1 AND agency_id = $2 AND role = 'reviewer' RETURNING disabled_at, disabled_via",
    )
    .bind(id.as_str())
    .bind(agency.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Found {
        locked: optional_time(&row, "disabled_at")?.is_some(),
        by_directory: row.try_get::<Option<String>, _>("disabled_via")?.is_some(),
    }))
}

/// Gives an account another name and address that a directory made and for which no link was made, while it is not locked. False where that
/// is not so, or the address is taken.
pub(super) async fn rename_unused(tx: &mut Tx, id: &AccountId, email: &str, name: &str) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE accounts SET email = $2, name = $3
         WHERE id = $1 AND password = '' AND made_via IS NOT NULL AND disabled_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM invitations i WHERE i.account_id = $1)
             AND NOT EXISTS (SELECT 1 FROM accounts o WHERE o.email = $2 AND o.id <> $1)",
    )
    .bind(id.as_str())
    .bind(email.to_owned())
    .bind(name.to_owned())
    .execute(&mut **tx)
    .await;
    match done {
        Ok(done) => Ok(done.rows_affected() == 1),
        Err(error) if violates_unique(&error, "accounts", "email") => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn lock(tx: &mut Tx, id: &AccountId, at: Timestamp, via: &DirectoryTokenId, reason: &str) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE accounts SET disabled_at = $2, disabled_by = NULL, disabled_via = $3, disabled_reason = $4 WHERE id = $1")
        .bind(id.as_str())
        .bind(at.micros())
        .bind(via.as_str())
        .bind(reason.to_owned())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Opens an account that a directory locked, without the password it had.
pub(super) async fn reopen(tx: &mut Tx, id: &AccountId) -> Result<(), DatabaseError> {
    sqlx::query(
        "UPDATE accounts SET disabled_at = NULL, disabled_by = NULL, disabled_via = NULL, disabled_reason = NULL, made_via = NULL,
             password = '', reset_at = NULL
         WHERE id = $1 AND disabled_via IS NOT NULL",
    )
    .bind(id.as_str())
    .execute(&mut **tx)
    .await?;
    // Nor with the second factor it had: whoever comes back sets up everything anew.
    for table in ["second_factors", "recovery_codes"] {
        let sql =
            format!("DELETE FROM {table} WHERE account_id = $1 AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = $1 AND a.password = '')");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.as_str()).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Ends resets of an account that could be carried out, or used; says of what each was.
pub(super) async fn withdraw_resets(tx: &mut Tx, id: &AccountId, at: Timestamp) -> Result<Vec<(String, String)>, DatabaseError> {
    let rows = sqlx::query(
        "UPDATE account_resets SET state = 'withdrawn', ended_at = $2 WHERE account_id = $1 AND state IN ('proposed', 'open')
         RETURNING id, what",
    )
    .bind(id.as_str())
    .bind(at.micros())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Takes the links of an account out of force that could be used, now or once they are approved.
pub(super) async fn withdraw_links(tx: &mut Tx, id: &AccountId, at: Timestamp) -> Result<Vec<InvitationId>, DatabaseError> {
    let rows = sqlx::query(
        "UPDATE invitations SET state = 'withdrawn', ended_at = $2 WHERE account_id = $1 AND state IN ('proposed', 'open') RETURNING id",
    )
    .bind(id.as_str())
    .bind(at.micros())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok(InvitationId::known(row.try_get::<String, _>(0)?))).collect()
}
