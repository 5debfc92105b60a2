//! What the tables of this room have in common.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::steps::Act;
use crate::catalog::RepoPath;
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError};
use crate::ids::AccountId;

pub(super) fn time(row: &AnyRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Ok(Timestamp::from_micros(row.try_get(column)?))
}

pub(super) fn optional_time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_micros))
}

pub(super) fn flag(row: &AnyRow, column: &str) -> Result<bool, sqlx::Error> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

pub(super) fn act(row: &AnyRow, by: &str, at: &str) -> Result<Option<Act>, sqlx::Error> {
    let by: Option<String> = row.try_get(by)?;
    let at: Option<i64> = row.try_get(at)?;
    Ok(by.zip(at).map(|(by, at)| Act { by: AccountId::known(by), at: Timestamp::from_micros(at) }))
}

/// Texts kept one a line.
pub(super) fn texts(row: &AnyRow, column: &str) -> Result<Vec<String>, sqlx::Error> {
    Ok(row.try_get::<String, _>(column)?.lines().map(str::to_owned).collect())
}

pub(super) fn paths(text: &str) -> Result<Vec<RepoPath>, DatabaseError> {
    text.split('\n').map(|line| RepoPath::from_address(line).map_err(|e| sqlx::Error::Decode(Box::new(e)).into())).collect()
}

pub(super) fn optional_paths(text: &str) -> Result<Vec<RepoPath>, DatabaseError> {
    if text.is_empty() { Ok(Vec::new()) } else { paths(text) }
}

pub(super) fn path_lines(paths: &[RepoPath]) -> String {
    paths.iter().map(RepoPath::address).collect::<Vec<_>>().join("\n")
}

/// The rows of these ids: `select` makes a statement of a list of what stands for them.
pub(super) async fn by_ids(
    database: &Database,
    ids: &[String],
    select: impl Fn(&str) -> AssertSqlSafe<String>,
) -> Result<Vec<AnyRow>, DatabaseError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = (1..=ids.len()).map(|n| format!("${n}")).collect();
    let query = ids.iter().fold(sqlx::query(select(&list.join(", "))), |query, id| query.bind(id.clone()));
    Ok(query.fetch_all(database.pool()).await?)
}

/// Ids in one statement.
pub(super) const NAMED_AT_ONCE: usize = 500;

/// What people, agencies, agreements and campaigns of these ids are called.
pub(super) async fn names(database: &Database, ids: &[String]) -> Result<HashMap<String, String>, DatabaseError> {
    let mut names = HashMap::new();
    for chunk in ids.chunks(NAMED_AT_ONCE) {
        let rows = by_ids(database, chunk, |list| {
            AssertSqlSafe(format!(
                "SELECT id, name FROM accounts WHERE id IN ({list}) UNION ALL SELECT id, name FROM agencies WHERE id IN ({list})
                 UNION ALL SELECT id, reference FROM agreements WHERE id IN ({list}) UNION ALL SELECT id, name FROM campaigns WHERE id IN ({list})"
            ))
        })
        .await?;
        for row in rows {
            names.insert(row.try_get(0)?, row.try_get(1)?);
        }
    }
    Ok(names)
}

/// A row that lacks what every one of its table has.
pub(super) fn damaged(what: &str) -> DatabaseError {
    DatabaseError::Sql(sqlx::Error::Decode(what.to_owned().into()))
}
