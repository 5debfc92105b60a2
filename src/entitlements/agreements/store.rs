//! Agreements, amendments, terms and documents in the database.

use ipnet::IpNet;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::paging::{Conditions, List, Page, Searched, Turn};
use super::super::steps::Act;
use super::super::store::{act, by_ids, damaged, flag, optional_time, texts, time};
use super::super::suspensions::{live_on, suspends};
use super::super::{EntitlementError, Window, invalid};
use super::{Agreement, AgreementFilter, Amendment, AmendmentStage, Document, Ended, Paper, REMINDERS, Reach, Standing, Terms};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, AgencyId, AgreementId, AmendmentId, DocumentId};

fn rows(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT g.*, {} AS suspended FROM agreements g {rest}", live_on("g.id, g.agency_id")))
}

fn reach(row: &AnyRow) -> Result<Reach, DatabaseError> {
    let network = |text: String| text.parse::<IpNet>().map_err(|_| damaged("an agreement with something that is no network"));
    Ok(Reach { addresses: texts(row, "addresses")?.into_iter().map(network).collect::<Result<_, _>>()?, covers: texts(row, "covers")? })
}

/// The networks and products as columns keep them.
fn reach_texts(of: &Reach) -> (String, String) {
    (of.addresses.iter().map(IpNet::to_string).collect::<Vec<_>>().join("\n"), of.covers.join("\n"))
}

fn agreement(row: &AnyRow) -> Result<Agreement, DatabaseError> {
    let reason: Option<String> = row.try_get("end_reason")?;
    Ok(Agreement {
        id: AgreementId::known(row.try_get::<String, _>("id")?),
        agency: AgencyId::known(row.try_get::<String, _>("agency_id")?),
        reference: row.try_get("reference")?,
        term: Window { from: time(row, "starts_at")?, until: time(row, "ends_at")? },
        reach: reach(row)?,
        paper: Paper {
            kind: row.try_get("kind")?,
            renewal: row.try_get("renewal")?,
            handling: row.try_get("handling")?,
            export_class: row.try_get("export_class")?,
            sites: texts(row, "sites")?,
        },
        draft: flag(row, "draft")?,
        signed_at: optional_time(row, "signed_at")?,
        created_at: time(row, "created_at")?,
        ended: optional_time(row, "ended_at")?.map(|at| Ended { at, reason: reason.unwrap_or_default() }),
        suspended: row.try_get::<i64, _>("suspended")? > 0,
    })
}

pub(super) async fn all(database: &Database) -> Result<Vec<Agreement>, DatabaseError> {
    let found = sqlx::query(rows("ORDER BY g.ends_at, g.reference")).fetch_all(database.pool()).await?;
    found.iter().map(agreement).collect()
}

pub(super) async fn of_agency(database: &Database, agency: &AgencyId) -> Result<Vec<Agreement>, DatabaseError> {
    let found =
        sqlx::query(rows("WHERE g.agency_id = $1 ORDER BY g.ends_at, g.reference")).bind(agency.as_str()).fetch_all(database.pool());
    found.await?.iter().map(agreement).collect()
}

/// Those of these ids, in any order.
pub(super) async fn those(database: &Database, ids: &[String]) -> Result<Vec<Agreement>, DatabaseError> {
    let found = by_ids(database, ids, |list| rows(&format!("WHERE g.id IN ({list})"))).await?;
    found.iter().map(agreement).collect()
}

/// By id or reference.
pub(super) async fn find(database: &Database, key: &str) -> Result<Option<Agreement>, DatabaseError> {
    let row = sqlx::query(rows("WHERE g.id = $1 OR g.reference = $1")).bind(key.to_owned()).fetch_optional(database.pool()).await?;
    row.as_ref().map(agreement).transpose()
}

pub(super) async fn load(tx: &mut Tx, id: &AgreementId) -> Result<Option<Agreement>, DatabaseError> {
    let row = sqlx::query(rows("WHERE g.id = $1")).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(agreement).transpose()
}

fn taken(error: sqlx::Error) -> EntitlementError {
    if violates_unique(&error, "agreements", "reference") {
        return invalid("reference", "There is an agreement of this reference already.");
    }
    DatabaseError::from(error).into()
}

pub(super) async fn insert(tx: &mut Tx, new: &Agreement) -> Result<(), EntitlementError> {
    let (addresses, covers) = reach_texts(&new.reach);
    sqlx::query(
        "INSERT INTO agreements (id, agency_id, reference, starts_at, ends_at, created_at, draft, kind, signed_at, renewal, handling,
             export_class, sites, addresses, covers)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(new.id.as_str())
    .bind(new.agency.as_str())
    .bind(new.reference.as_str())
    .bind(new.term.from.micros())
    .bind(new.term.until.micros())
    .bind(new.created_at.micros())
    .bind(i64::from(new.draft))
    .bind(new.paper.kind.as_str())
    .bind(new.signed_at.map(Timestamp::micros))
    .bind(new.paper.renewal.as_str())
    .bind(new.paper.handling.as_str())
    .bind(new.paper.export_class.as_str())
    .bind(new.paper.sites.join("\n"))
    .bind(addresses)
    .bind(covers)
    .execute(&mut **tx)
    .await
    .map(drop)
    .map_err(taken)
}

/// False when it has ended meanwhile, or is no draft any more where it was one.
pub(super) async fn update(tx: &mut Tx, after: &Agreement, draft: bool) -> Result<bool, EntitlementError> {
    let (addresses, covers) = reach_texts(&after.reach);
    let done = sqlx::query(
        "UPDATE agreements SET reference = $3, starts_at = $4, ends_at = $5, kind = $6, renewal = $7, handling = $8, export_class = $9,
             sites = $10, addresses = $11, covers = $12 WHERE id = $1 AND draft = $2 AND ended_at IS NULL",
    )
    .bind(after.id.as_str())
    .bind(i64::from(draft))
    .bind(after.reference.as_str())
    .bind(after.term.from.micros())
    .bind(after.term.until.micros())
    .bind(after.paper.kind.as_str())
    .bind(after.paper.renewal.as_str())
    .bind(after.paper.handling.as_str())
    .bind(after.paper.export_class.as_str())
    .bind(after.paper.sites.join("\n"))
    .bind(addresses)
    .bind(covers)
    .execute(&mut **tx)
    .await
    .map_err(taken)?;
    Ok(done.rows_affected() == 1)
}

/// False when it is no draft any more.
pub(super) async fn sign(tx: &mut Tx, id: &AgreementId, signed_at: Timestamp) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE agreements SET draft = 0, signed_at = $2 WHERE id = $1 AND draft = 1 AND ended_at IS NULL")
        .bind(id.as_str())
        .bind(signed_at.micros())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// False when it had ended already.
pub(super) async fn end(tx: &mut Tx, id: &AgreementId, act: &Act, reason: &str) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE agreements SET ended_at = $2, ended_by = $3, end_reason = $4 WHERE id = $1 AND ended_at IS NULL")
        .bind(id.as_str())
        .bind(act.at.micros())
        .bind(act.by.as_str())
        .bind(reason.to_owned())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

const AMENDMENTS: &str = "SELECT m.*, p.name AS proposer, d.name AS decider FROM amendments m
     JOIN accounts p ON p.id = m.proposed_by LEFT JOIN accounts d ON d.id = m.decided_by";

fn amendment(row: &AnyRow) -> Result<Amendment, DatabaseError> {
    let state: String = row.try_get("state")?;
    Ok(Amendment {
        id: AmendmentId::known(row.try_get::<String, _>("id")?),
        agreement: AgreementId::known(row.try_get::<String, _>("agreement_id")?),
        until: time(row, "ends_at")?,
        reach: reach(row)?,
        reason: row.try_get("reason")?,
        stage: AmendmentStage::ALL
            .into_iter()
            .find(|stage| stage.as_str() == state)
            .ok_or_else(|| damaged("an amendment without a known state"))?,
        proposed: act(row, "proposed_by", "proposed_at")?.ok_or_else(|| damaged("an amendment without its proposal"))?,
        proposer: row.try_get("proposer")?,
        decided: act(row, "decided_by", "decided_at")?,
        decider: row.try_get("decider")?,
        refusal: row.try_get("refusal")?,
    })
}

async fn amendments_where(database: &Database, rest: &str, key: &str) -> Result<Vec<Amendment>, DatabaseError> {
    let rows = sqlx::query(AssertSqlSafe(format!("{AMENDMENTS} {rest}"))).bind(key.to_owned()).fetch_all(database.pool()).await?;
    rows.iter().map(amendment).collect()
}

pub(super) async fn amendments(database: &Database, agreement: &AgreementId) -> Result<Vec<Amendment>, DatabaseError> {
    amendments_where(database, "WHERE m.agreement_id = $1 ORDER BY m.proposed_at DESC, m.id", agreement.as_str()).await
}

pub(super) async fn open_amendments(database: &Database) -> Result<Vec<Amendment>, DatabaseError> {
    amendments_where(database, "WHERE m.state = $1 ORDER BY m.proposed_at, m.id", AmendmentStage::Proposed.as_str()).await
}

pub(super) async fn load_amendment(tx: &mut Tx, id: &AmendmentId) -> Result<Option<Amendment>, DatabaseError> {
    let row = sqlx::query(AssertSqlSafe(format!("{AMENDMENTS} WHERE m.id = $1"))).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(amendment).transpose()
}

/// False when another waits already.
pub(super) async fn insert_amendment(
    tx: &mut Tx,
    id: &AmendmentId,
    wanted: &Agreement,
    reason: &str,
    act: &Act,
) -> Result<bool, DatabaseError> {
    let (addresses, covers) = reach_texts(&wanted.reach);
    let done = sqlx::query(
        "INSERT INTO amendments (id, agreement_id, ends_at, addresses, covers, reason, state, proposed_by, proposed_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'proposed', $7, $8)",
    )
    .bind(id.as_str())
    .bind(wanted.id.as_str())
    .bind(wanted.term.until.micros())
    .bind(addresses)
    .bind(covers)
    .bind(reason.to_owned())
    .bind(act.by.as_str())
    .bind(act.at.micros())
    .execute(&mut **tx)
    .await;
    match done {
        Ok(_) => Ok(true),
        Err(e) if violates_unique(&e, "amendments", "agreement_id") => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// False when somebody else was quicker.
pub(super) async fn decide_amendment(
    tx: &mut Tx,
    id: &AmendmentId,
    to: AmendmentStage,
    act: &Act,
    refusal: Option<&str>,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE amendments SET state = $2, decided_by = $3, decided_at = $4, refusal = $5 WHERE id = $1 AND state = 'proposed'",
    )
    .bind(id.as_str())
    .bind(to.as_str())
    .bind(act.by.as_str())
    .bind(act.at.micros())
    .bind(refusal.map(str::to_owned))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn terms(database: &Database, agreement: &AgreementId) -> Result<Vec<Terms>, DatabaseError> {
    let rows = sqlx::query(
        "SELECT t.*, p.name AS publisher,
             (SELECT COUNT(*) FROM terms_accepted a WHERE a.agreement_id = t.agreement_id AND a.version = t.version) AS accepted
         FROM agreement_terms t LEFT JOIN accounts p ON p.id = t.published_by WHERE t.agreement_id = $1 ORDER BY t.version DESC",
    )
    .bind(agreement.as_str())
    .fetch_all(database.pool())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Terms {
                version: row.try_get("version")?,
                text: row.try_get("text")?,
                published_at: time(row, "published_at")?,
                publisher: row.try_get("publisher")?,
                accepted: row.try_get("accepted")?,
            })
        })
        .collect()
}

/// The version it became; none when somebody else published one at the same moment.
pub(super) async fn insert_terms(
    tx: &mut Tx,
    agreement: &AgreementId,
    text: &str,
    digest: &str,
    act: &Act,
) -> Result<Option<i64>, DatabaseError> {
    let row = sqlx::query("SELECT MAX(version) FROM agreement_terms WHERE agreement_id = $1").bind(agreement.as_str()).fetch_one(&mut **tx);
    let version = row.await?.try_get::<Option<i64>, _>(0)?.unwrap_or(0) + 1;
    let done = sqlx::query(
        "INSERT INTO agreement_terms (agreement_id, version, text, sha256, published_by, published_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING",
    )
    .bind(agreement.as_str())
    .bind(version)
    .bind(text.to_owned())
    .bind(digest.to_owned())
    .bind(act.by.as_str())
    .bind(act.at.micros())
    .execute(&mut **tx)
    .await?;
    Ok((done.rows_affected() == 1).then_some(version))
}

fn columns(content: &str) -> String {
    format!(
        "SELECT d.id, d.agreement_id, d.name, d.media_type, d.sha256, LENGTH(d.content) AS size, d.attached_at, a.name AS attacher,
             d.replaces, (SELECT COUNT(*) FROM agreement_documents r WHERE r.replaces = d.id) AS replaced{content}
         FROM agreement_documents d LEFT JOIN accounts a ON a.id = d.attached_by"
    )
}

fn one_document(row: &AnyRow) -> Result<Document, DatabaseError> {
    // PostgreSQL counts bytes in an INT4, SQLite in a BIGINT.
    let size = row.try_get::<i64, _>("size").or_else(|_| row.try_get::<i32, _>("size").map(i64::from))?;
    Ok(Document {
        id: DocumentId::known(row.try_get::<String, _>("id")?),
        agreement: AgreementId::known(row.try_get::<String, _>("agreement_id")?),
        name: row.try_get("name")?,
        media_type: row.try_get("media_type")?,
        sha256: row.try_get("sha256")?,
        size,
        attached_at: time(row, "attached_at")?,
        attacher: row.try_get("attacher")?,
        replaces: row.try_get::<Option<String>, _>("replaces")?.map(DocumentId::known),
        replaced: row.try_get::<i64, _>("replaced")? > 0,
    })
}

pub(super) async fn documents(database: &Database, agreement: &AgreementId) -> Result<Vec<Document>, DatabaseError> {
    let query = format!("{} WHERE d.agreement_id = $1 ORDER BY d.attached_at DESC, d.id", columns(""));
    let rows = sqlx::query(AssertSqlSafe(query)).bind(agreement.as_str()).fetch_all(database.pool()).await?;
    rows.iter().map(one_document).collect()
}

pub(super) async fn document(database: &Database, id: &str) -> Result<Option<(Document, Vec<u8>)>, DatabaseError> {
    let query = format!("{} WHERE d.id = $1", columns(", d.content"));
    let row = sqlx::query(AssertSqlSafe(query)).bind(id.to_owned()).fetch_optional(database.pool()).await?;
    row.map(|row| Ok((one_document(&row)?, row.try_get("content")?))).transpose()
}

/// False when another takes the place of the same one already.
pub(super) async fn insert_document(tx: &mut Tx, new: &Document, content: Vec<u8>, by: &AccountId) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO agreement_documents (id, agreement_id, name, media_type, sha256, content, attached_by, attached_at, replaces)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(new.id.as_str())
    .bind(new.agreement.as_str())
    .bind(new.name.as_str())
    .bind(new.media_type.as_str())
    .bind(new.sha256.as_str())
    .bind(content)
    .bind(by.as_str())
    .bind(new.attached_at.micros())
    .bind(new.replaces.as_ref().map(|id| id.as_str().to_owned()))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

const FROM: &str = "FROM agreements g JOIN agencies y ON y.id = g.agency_id";
const SEARCHED: Searched<'_> = Searched { columns: &["g.reference", "y.name", "g.kind", "g.covers", "g.sites"], related: &[] };
const LIST: List<'_> =
    List { from: FROM, id: "g.id", column: "g.ends_at", of: "(SELECT k.ends_at FROM agreements k WHERE k.id = {})", descending: false };

/// What [`Agreement::standing`] tells, as the database tells it.
fn stands(standing: Standing, conditions: &mut Conditions, now: Timestamp) -> String {
    let at = now;
    let now = conditions.number(at.micros());
    let ended = format!("(g.ended_at IS NOT NULL AND g.ended_at <= {now})");
    let signed = format!("NOT {ended} AND g.draft = 0 AND g.ends_at > {now}");
    let suspended = suspends(&["g.id", "g.agency_id"]);
    let begun = format!("{signed} AND NOT {suspended} AND g.starts_at <= {now}");
    // Reminders are for those that nobody has ended, not even for later.
    let mut due = || format!("(g.ends_at <= {} AND g.ended_at IS NULL)", conditions.number(soon(at)));
    match standing {
        Standing::Terminated => ended,
        Standing::Draft => format!("(NOT {ended} AND g.draft = 1)"),
        Standing::Expired => format!("(NOT {ended} AND g.draft = 0 AND g.ends_at <= {now})"),
        Standing::Suspended => format!("({signed} AND {suspended})"),
        Standing::Signed => format!("({signed} AND NOT {suspended} AND g.starts_at > {now})"),
        Standing::RenewalDue => format!("({begun} AND {})", due()),
        Standing::InForce => format!("({begun} AND NOT {})", due()),
    }
}

/// What ends until then ends soon.
fn soon(now: Timestamp) -> i64 {
    let [first, ..] = REMINDERS;
    now.plus(first).micros()
}

fn conditions(filter: &AgreementFilter, now: Timestamp) -> Conditions {
    let mut all = Conditions::default();
    if !filter.standing.is_empty() {
        let ways: Vec<String> = filter.standing.iter().map(|standing| stands(*standing, &mut all, now)).collect();
        all.and(format!("({})", ways.join(" OR ")));
    }
    if filter.due {
        let (now, soon) = (all.number(now.micros()), all.number(soon(now)));
        all.and(format!("g.ended_at IS NULL AND g.draft = 0 AND g.ends_at > {now} AND g.ends_at <= {soon}"));
    }
    if let Some(agency) = &filter.agency {
        let agency = all.text(agency.as_str());
        all.and(format!("g.agency_id = {agency}"));
    }
    all.words(&SEARCHED, &filter.words);
    all
}

/// The ids on a page of the agreements.
pub(super) async fn page(
    database: &Database,
    filter: &AgreementFilter,
    now: Timestamp,
    turn: &Turn,
) -> Result<Page<String>, DatabaseError> {
    LIST.page(database, &conditions(filter, now), turn).await
}

/// How many of these agreements each agency has; of filters without words.
pub(super) async fn count_by_agency(
    database: &Database,
    filter: &AgreementFilter,
    now: Timestamp,
) -> Result<Vec<(String, u64)>, DatabaseError> {
    conditions(filter, now).count_by(database, "g.agency_id", "FROM agreements g").await
}
