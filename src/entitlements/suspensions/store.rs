//! Suspensions in the database.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::super::steps::Act;
use super::super::store::{act, damaged};
use super::{Stage, Subject, SubjectKind, Suspension};
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::SuspensionId;

/// With the names of the people, and of what is suspended: one of four.
const ROWS: &str = "SELECT s.*, p.name AS placer, q.name AS asker, l.name AS lifter,
        y.name AS agency_name, g.reference AS agreement_name, d.name AS product_name, e.id AS grant_id,
        eg.reference AS grant_agreement, ed.title AS grant_product
     FROM suspensions s JOIN accounts p ON p.id = s.placed_by
     LEFT JOIN accounts q ON q.id = s.asked_by LEFT JOIN accounts l ON l.id = s.lifted_by
     LEFT JOIN agencies y ON y.id = s.subject LEFT JOIN agreements g ON g.id = s.subject
     LEFT JOIN products d ON d.id = s.subject LEFT JOIN entitlements e ON e.id = s.subject
     LEFT JOIN agreements eg ON eg.id = e.agreement_id LEFT JOIN products ed ON ed.id = e.product_id";

fn subject(row: &AnyRow) -> Result<Subject, DatabaseError> {
    let id: String = row.try_get("subject")?;
    let text = |column: &str| row.try_get::<Option<String>, _>(column);
    let (kind, name) = if let Some(name) = text("agency_name")? {
        (SubjectKind::Agency, name)
    } else if let Some(name) = text("agreement_name")? {
        (SubjectKind::Agreement, name)
    } else if let Some(name) = text("product_name")? {
        (SubjectKind::Product, name)
    } else if text("grant_id")?.is_some() {
        let name = format!("{} under {}", text("grant_product")?.unwrap_or_default(), text("grant_agreement")?.unwrap_or_default());
        (SubjectKind::Grant, name)
    } else {
        return Err(damaged("a suspension without its subject"));
    };
    Ok(Subject { kind, id, name })
}

fn suspension(row: &AnyRow) -> Result<Suspension, DatabaseError> {
    let written: String = row.try_get("state")?;
    let stage =
        Stage::ALL.into_iter().find(|stage| stage.as_str() == written).ok_or_else(|| damaged("a suspension without a known state"))?;
    Ok(Suspension {
        id: SuspensionId::known(row.try_get::<String, _>("id")?),
        subject: subject(row)?,
        stage,
        reason: row.try_get("reason")?,
        placed: act(row, "placed_by", "placed_at")?.ok_or_else(|| damaged("a suspension without who placed it"))?,
        placer: row.try_get("placer")?,
        asked: act(row, "asked_by", "asked_at")?,
        asker: row.try_get("asker")?,
        lift_reason: row.try_get("lift_reason")?,
        lifted: act(row, "lifted_by", "lifted_at")?,
        lifter: row.try_get("lifter")?,
    })
}

/// How many hold on one of these; what a query says of a grant beside its other facts.
pub(in super::super) fn live_on(columns: &str) -> String {
    format!("(SELECT COUNT(*) FROM suspensions s WHERE s.state <> 'lifted' AND s.subject IN ({columns}))")
}

/// Whether a suspension holds on one of these columns.
pub(in super::super) fn suspends(columns: &[&str]) -> String {
    // One look at the few suspensions there are, and not one for each row.
    let any: Vec<String> =
        columns.iter().map(|column| format!("{column} IN (SELECT s.subject FROM suspensions s WHERE s.state <> 'lifted')")).collect();
    format!("({})", any.join(" OR "))
}

pub(super) async fn holding(database: &Database) -> Result<Vec<Suspension>, DatabaseError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{ROWS} WHERE s.state <> 'lifted' ORDER BY s.placed_at DESC, s.id")))
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(suspension).collect()
}

pub(super) async fn of(database: &Database, subject: &str) -> Result<Vec<Suspension>, DatabaseError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{ROWS} WHERE s.subject = $1 ORDER BY s.placed_at DESC, s.id")))
        .bind(subject.to_owned())
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(suspension).collect()
}

pub(super) async fn find(database: &Database, id: &str) -> Result<Option<Suspension>, DatabaseError> {
    let row =
        sqlx::query(sqlx::AssertSqlSafe(format!("{ROWS} WHERE s.id = $1"))).bind(id.to_owned()).fetch_optional(database.pool()).await?;
    row.as_ref().map(suspension).transpose()
}

pub(super) async fn load(tx: &mut Tx, id: &SuspensionId) -> Result<Option<Suspension>, DatabaseError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{ROWS} WHERE s.id = $1"))).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(suspension).transpose()
}

/// The name of what is to be suspended; none when it is not there.
pub(super) async fn name_of(database: &Database, kind: SubjectKind, id: &str) -> Result<Option<String>, DatabaseError> {
    let row = sqlx::query(match kind {
        SubjectKind::Agency => "SELECT name FROM agencies WHERE id = $1",
        SubjectKind::Agreement => "SELECT reference FROM agreements WHERE id = $1",
        SubjectKind::Product => "SELECT name FROM products WHERE id = $1",
        SubjectKind::Grant => {
            "SELECT d.title || ' under ' || g.reference FROM entitlements e JOIN agreements g ON g.id = e.agreement_id
             JOIN products d ON d.id = e.product_id WHERE e.id = $1"
        }
    })
    .bind(id.to_owned())
    .fetch_optional(database.pool())
    .await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// False when it is suspended already.
pub(super) async fn insert(tx: &mut Tx, id: &SuspensionId, subject: &str, reason: &str, act: &Act) -> Result<bool, DatabaseError> {
    let done =
        sqlx::query("INSERT INTO suspensions (id, subject, reason, placed_by, placed_at, state) VALUES ($1, $2, $3, $4, $5, 'placed')")
            .bind(id.as_str())
            .bind(subject.to_owned())
            .bind(reason.to_owned())
            .bind(act.by.as_str())
            .bind(act.at.micros())
            .execute(&mut **tx)
            .await;
    match done {
        Ok(_) => Ok(true),
        Err(e) if violates_unique(&e, "suspensions", "subject") => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// False when somebody else was quicker.
pub(super) async fn save(
    tx: &mut Tx,
    id: &SuspensionId,
    from: Stage,
    to: Stage,
    act: &Act,
    reason: Option<&str>,
) -> Result<bool, DatabaseError> {
    let query = match to {
        Stage::LiftAsked => {
            "UPDATE suspensions SET state = $3, asked_by = $4, asked_at = $5, lift_reason = $6 WHERE id = $1 AND state = $2"
        }
        Stage::Placed => {
            "UPDATE suspensions SET state = $3, asked_by = NULL, asked_at = NULL, lift_reason = NULL WHERE id = $1 AND state = $2"
        }
        Stage::Lifted => "UPDATE suspensions SET state = $3, lifted_by = $4, lifted_at = $5 WHERE id = $1 AND state = $2",
    };
    let mut query = sqlx::query(query).bind(id.as_str()).bind(from.as_str()).bind(to.as_str());
    if to != Stage::Placed {
        query = query.bind(act.by.as_str()).bind(act.at.micros());
    }
    if to == Stage::LiftAsked {
        query = query.bind(reason.unwrap_or_default().to_owned());
    }
    Ok(query.execute(&mut **tx).await?.rows_affected() == 1)
}
