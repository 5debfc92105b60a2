//! Agencies in the database.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::paging::{Conditions, List, Page, Searched, Turn};
use super::super::store::{by_ids, optional_time, time};
use super::super::suspensions::live_on;
use super::super::{EntitlementError, invalid};
use super::Agency;
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::AgencyId;

fn rows(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT y.*, {} AS suspended FROM agencies y {rest}", live_on("y.id")))
}

fn agency(row: &AnyRow) -> Result<Agency, DatabaseError> {
    let reason: Option<String> = row.try_get("ineligible_reason")?;
    Ok(Agency {
        id: AgencyId::known(row.try_get::<String, _>("id")?),
        slug: row.try_get("slug")?,
        name: row.try_get("name")?,
        country: row.try_get("country")?,
        kind: row.try_get("kind")?,
        contacts: row.try_get("contacts")?,
        created_at: time(row, "created_at")?,
        ineligible: optional_time(row, "ineligible_since")?.map(|at| (at, reason.unwrap_or_default())),
        suspended: row.try_get::<i64, _>("suspended")? > 0,
    })
}

pub(super) async fn all(database: &Database) -> Result<Vec<Agency>, DatabaseError> {
    let found = sqlx::query(rows("ORDER BY y.name")).fetch_all(database.pool()).await?;
    found.iter().map(agency).collect()
}

/// Those of these ids, in any order.
pub(super) async fn those(database: &Database, ids: &[String]) -> Result<Vec<Agency>, DatabaseError> {
    by_ids(database, ids, |list| rows(&format!("WHERE y.id IN ({list})"))).await?.iter().map(agency).collect()
}

/// By slug, id or name.
pub(super) async fn find(database: &Database, key: &str) -> Result<Option<Agency>, DatabaseError> {
    let query = sqlx::query(rows("WHERE y.slug = $1 OR y.id = $1 OR y.name = $1")).bind(key.to_owned());
    query.fetch_optional(database.pool()).await?.as_ref().map(agency).transpose()
}

fn taken(error: sqlx::Error) -> EntitlementError {
    if violates_unique(&error, "agencies", "name") || violates_unique(&error, "agencies", "slug") {
        return invalid("name", "There is an agency of this name already.");
    }
    DatabaseError::from(error).into()
}

pub(super) async fn insert(tx: &mut Tx, new: &Agency) -> Result<(), EntitlementError> {
    sqlx::query("INSERT INTO agencies (id, slug, name, country, kind, contacts, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(new.id.as_str())
        .bind(new.slug.as_str())
        .bind(new.name.as_str())
        .bind(new.country.as_str())
        .bind(new.kind.as_str())
        .bind(new.contacts.as_str())
        .bind(new.created_at.micros())
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(taken)
}

pub(super) async fn update(tx: &mut Tx, after: &Agency) -> Result<(), EntitlementError> {
    sqlx::query("UPDATE agencies SET name = $2, country = $3, kind = $4, contacts = $5 WHERE id = $1")
        .bind(after.id.as_str())
        .bind(after.name.as_str())
        .bind(after.country.as_str())
        .bind(after.kind.as_str())
        .bind(after.contacts.as_str())
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(taken)
}

/// False when it stands so already.
pub(super) async fn set_eligible(tx: &mut Tx, id: &AgencyId, struck: Option<&str>, now: Timestamp) -> Result<bool, DatabaseError> {
    let query = match struck {
        Some(_) => "UPDATE agencies SET ineligible_since = $2, ineligible_reason = $3 WHERE id = $1 AND ineligible_since IS NULL",
        None => "UPDATE agencies SET ineligible_since = NULL, ineligible_reason = NULL WHERE id = $1 AND ineligible_since IS NOT NULL",
    };
    let mut query = sqlx::query(query).bind(id.as_str());
    if let Some(reason) = struck {
        query = query.bind(now.micros()).bind(reason.to_owned());
    }
    Ok(query.execute(&mut **tx).await?.rows_affected() == 1)
}

const FROM: &str = "FROM agencies y";
const SEARCHED: Searched<'_> = Searched { columns: &["y.name", "y.slug", "y.country", "y.kind"], related: &[] };
const LIST: List<'_> =
    List { from: FROM, id: "y.id", column: "y.name", of: "(SELECT k.name FROM agencies k WHERE k.id = {})", descending: false };

/// The ids on a page of the agencies.
pub(super) async fn page(database: &Database, words: &str, turn: &Turn) -> Result<Page<String>, DatabaseError> {
    let mut conditions = Conditions::default();
    conditions.words(&SEARCHED, words);
    LIST.page(database, &conditions, turn).await
}

pub(super) async fn count(database: &Database) -> Result<u64, DatabaseError> {
    Conditions::default().count(database, FROM).await
}

/// How many accounts each agency has.
pub(super) async fn people(database: &Database) -> Result<Vec<(String, u64)>, DatabaseError> {
    let mut conditions = Conditions::default();
    conditions.and("a.agency_id IS NOT NULL".to_owned());
    conditions.count_by(database, "a.agency_id", "FROM accounts a").await
}
