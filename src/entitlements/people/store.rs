//! Nominations and accepted terms in the database.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::paging::{Conditions, List, Page, Searched, Turn};
use super::super::steps::Act;
use super::super::store::{act, by_ids, damaged, time};
use super::{Entrant, Nomination, NominationFilter, Nominee, PendingTerms, Stage};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, AgencyId, AgreementId, DirectoryTokenId, NominationId};

fn nomination(row: &AnyRow) -> Result<Nomination, DatabaseError> {
    let state: String = row.try_get("state")?;
    Ok(Nomination {
        id: NominationId::known(row.try_get::<String, _>("id")?),
        agreement: AgreementId::known(row.try_get::<String, _>("agreement_id")?),
        account: AccountId::known(row.try_get::<String, _>("account_id")?),
        stage: Stage::ALL.into_iter().find(|stage| stage.as_str() == state).ok_or_else(|| damaged("a nomination without a known state"))?,
        nominated_by: row.try_get::<Option<String>, _>("nominated_by")?.map(AccountId::known),
        nominated_via: row.try_get::<Option<String>, _>("nominated_via")?.map(DirectoryTokenId::known),
        nominated_at: time(row, "nominated_at")?,
        decided: act(row, "decided_by", "decided_at")?,
        reason: row.try_get("reason")?,
    })
}

const NOMINEES: &str =
    "SELECT n.*, a.name AS person_name, a.email AS person_email, a.disabled_at AS person_disabled, y.name AS agency_name,
        g.reference AS agreement_reference, w.name AS nominator, d.name AS decider, t.name AS directory,
        (SELECT MAX(t.version) FROM terms_accepted t WHERE t.agreement_id = n.agreement_id AND t.account_id = n.account_id) AS accepted
     FROM nominations n JOIN accounts a ON a.id = n.account_id JOIN agreements g ON g.id = n.agreement_id
     JOIN agencies y ON y.id = g.agency_id
     LEFT JOIN accounts w ON w.id = n.nominated_by LEFT JOIN accounts d ON d.id = n.decided_by
     LEFT JOIN directory_tokens t ON t.id = n.nominated_via";

fn nominee(row: &AnyRow) -> Result<Nominee, DatabaseError> {
    Ok(Nominee {
        nomination: nomination(row)?,
        name: row.try_get("person_name")?,
        email: row.try_get("person_email")?,
        agency: row.try_get("agency_name")?,
        agreement: row.try_get("agreement_reference")?,
        nominator: row.try_get("nominator")?,
        directory: row.try_get("directory")?,
        decider: row.try_get("decider")?,
        accepted: row.try_get("accepted")?,
        disabled: row.try_get::<Option<i64>, _>("person_disabled")?.is_some(),
    })
}

async fn nominees(database: &Database, rest: &str, key: &str) -> Result<Vec<Nominee>, DatabaseError> {
    let rows = sqlx::query(AssertSqlSafe(format!("{NOMINEES} {rest}"))).bind(key.to_owned()).fetch_all(database.pool()).await?;
    rows.iter().map(nominee).collect()
}

pub(super) async fn of_agreement(database: &Database, agreement: &AgreementId) -> Result<Vec<Nominee>, DatabaseError> {
    nominees(database, "WHERE n.agreement_id = $1 ORDER BY a.name, n.nominated_at, n.id", agreement.as_str()).await
}

pub(super) async fn of_account(database: &Database, account: &AccountId) -> Result<Vec<Nominee>, DatabaseError> {
    nominees(database, "WHERE n.account_id = $1 ORDER BY n.nominated_at DESC, n.id", account.as_str()).await
}

/// Those of these ids, in any order.
pub(super) async fn those(database: &Database, ids: &[String]) -> Result<Vec<Nominee>, DatabaseError> {
    let rows = by_ids(database, ids, |list| AssertSqlSafe(format!("{NOMINEES} WHERE n.id IN ({list})"))).await?;
    rows.iter().map(nominee).collect()
}

pub(super) async fn find(database: &Database, id: &str) -> Result<Option<Nominee>, DatabaseError> {
    Ok(nominees(database, "WHERE n.id = $1", id).await?.pop())
}

pub(super) async fn load(tx: &mut Tx, id: &NominationId) -> Result<Option<Nomination>, DatabaseError> {
    let row = sqlx::query("SELECT * FROM nominations WHERE id = $1").bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(nomination).transpose()
}

pub(super) async fn named(database: &Database, agreement: &AgreementId) -> Result<Vec<AccountId>, DatabaseError> {
    let rows =
        sqlx::query("SELECT account_id FROM nominations WHERE agreement_id = $1 AND state = 'approved' ORDER BY nominated_at, account_id")
            .bind(agreement.as_str())
            .fetch_all(database.pool())
            .await?;
    rows.iter().map(|row| Ok(AccountId::known(row.try_get::<String, _>(0)?))).collect()
}

/// Nominations of a person that wait or hold.
pub(super) async fn standing(tx: &mut Tx, account: &AccountId) -> Result<Vec<NominationId>, DatabaseError> {
    let rows = sqlx::query("SELECT id FROM nominations WHERE account_id = $1 AND state IN ('nominated', 'approved') ORDER BY id")
        .bind(account.as_str())
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok(NominationId::known(row.try_get::<String, _>(0)?))).collect()
}

/// False when the agreement names that person already, or the person is no reviewer of its agency. Whom nobody nominated, the
/// command line names, and that is decided at once.
pub(super) async fn insert(
    tx: &mut Tx,
    id: &NominationId,
    agreement: &AgreementId,
    account: &AccountId,
    entrant: Entrant<'_>,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let (state, decided_at) = if entrant.by.is_some() { (Stage::Nominated, None) } else { (Stage::Approved, Some(now.micros())) };
    let done = sqlx::query(
        "INSERT INTO nominations (id, agreement_id, account_id, state, nominated_by, nominated_at, decided_at, nominated_via)
         SELECT $1, g.id, a.id, $4, $5, $6, $7, $8 FROM agreements g JOIN accounts a ON a.agency_id = g.agency_id
         WHERE g.id = $2 AND a.id = $3 AND a.role = 'reviewer' AND a.disabled_at IS NULL",
    )
    .bind(id.as_str())
    .bind(agreement.as_str())
    .bind(account.as_str())
    .bind(state.as_str())
    .bind(entrant.by.map(|by| by.as_str().to_owned()))
    .bind(now.micros())
    .bind(decided_at)
    .bind(entrant.via.map(|via| via.as_str().to_owned()))
    .execute(&mut **tx)
    .await;
    match done {
        Ok(done) => Ok(done.rows_affected() == 1),
        Err(e) if violates_unique(&e, "nominations", "agreement_id") => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Whether the person is still an open account of the agreement's agency.
pub(super) async fn may_be_named(tx: &mut Tx, of: &Nomination) -> Result<bool, DatabaseError> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM accounts a JOIN agreements g ON g.agency_id = a.agency_id
         WHERE a.id = $1 AND g.id = $2 AND a.disabled_at IS NULL AND a.role = 'reviewer' AND g.ended_at IS NULL",
    )
    .bind(of.account.as_str())
    .bind(of.agreement.as_str())
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.try_get::<i64, _>(0)? == 1)
}

/// False when somebody else was quicker.
pub(super) async fn save(
    tx: &mut Tx,
    id: &NominationId,
    from: Stage,
    to: Stage,
    act: &Act,
    reason: Option<&str>,
) -> Result<bool, DatabaseError> {
    let query = match to {
        Stage::Withdrawn => "UPDATE nominations SET state = $3, ended_by = $4, ended_at = $5, reason = $6 WHERE id = $1 AND state = $2",
        _ => "UPDATE nominations SET state = $3, decided_by = $4, decided_at = $5, reason = $6 WHERE id = $1 AND state = $2",
    };
    let done = sqlx::query(query)
        .bind(id.as_str())
        .bind(from.as_str())
        .bind(to.as_str())
        .bind(act.by.as_str())
        .bind(act.at.micros())
        .bind(reason.map(str::to_owned))
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The agreements of an agency that have not ended and do not name the person, by reference.
pub(super) async fn open_agreements(
    tx: &mut Tx,
    agency: &AgencyId,
    account: &AccountId,
    now: Timestamp,
) -> Result<Vec<AgreementId>, DatabaseError> {
    let rows = sqlx::query(
        "SELECT g.id FROM agreements g WHERE g.agency_id = $1 AND g.ended_at IS NULL AND g.ends_at > $3
             AND NOT EXISTS (SELECT 1 FROM nominations n
                             WHERE n.agreement_id = g.id AND n.account_id = $2 AND n.state IN ('nominated', 'approved'))
         ORDER BY g.reference",
    )
    .bind(agency.as_str())
    .bind(account.as_str())
    .bind(now.micros())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok(AgreementId::known(row.try_get::<String, _>(0)?))).collect()
}

/// Withdraws a nomination by a directory's hand. False when somebody else was quicker.
pub(super) async fn end_via(
    tx: &mut Tx,
    id: &NominationId,
    from: Stage,
    via: &DirectoryTokenId,
    at: Timestamp,
    reason: &str,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE nominations SET state = $3, ended_via = $4, ended_at = $5, reason = $6 WHERE id = $1 AND state = $2")
        .bind(id.as_str())
        .bind(from.as_str())
        .bind(Stage::Withdrawn.as_str())
        .bind(via.as_str())
        .bind(at.micros())
        .bind(reason.to_owned())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether an agreement ever named the person.
pub(super) async fn was_approved(tx: &mut Tx, account: &AccountId) -> Result<bool, DatabaseError> {
    let row = sqlx::query("SELECT COUNT(*) FROM nominations WHERE account_id = $1 AND decided_at IS NOT NULL AND state <> 'refused'")
        .bind(account.as_str())
        .fetch_one(&mut **tx)
        .await?;
    Ok(row.try_get::<i64, _>(0)? > 0)
}

/// Of agreements that have not ended and name the person: the newest terms, where the person has not accepted them.
pub(super) async fn pending_terms(database: &Database, account: &AccountId, now: Timestamp) -> Result<Vec<PendingTerms>, DatabaseError> {
    let rows = sqlx::query(
        "SELECT t.agreement_id, t.version, t.text, t.published_at, g.reference,
             (SELECT COUNT(*) FROM terms_accepted x WHERE x.agreement_id = t.agreement_id AND x.account_id = n.account_id) AS accepted
         FROM nominations n JOIN agreements g ON g.id = n.agreement_id JOIN agreement_terms t ON t.agreement_id = g.id
         WHERE n.account_id = $1 AND n.state = 'approved' AND g.draft = 0 AND g.ended_at IS NULL AND g.ends_at > $2
           AND t.version = (SELECT MAX(v.version) FROM agreement_terms v WHERE v.agreement_id = g.id)
           AND NOT EXISTS (SELECT 1 FROM terms_accepted x
                           WHERE x.agreement_id = t.agreement_id AND x.version = t.version AND x.account_id = n.account_id)
         ORDER BY g.reference",
    )
    .bind(account.as_str())
    .bind(now.micros())
    .fetch_all(database.pool())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(PendingTerms {
                agreement: AgreementId::known(row.try_get::<String, _>("agreement_id")?),
                reference: row.try_get("reference")?,
                version: row.try_get("version")?,
                text: row.try_get("text")?,
                published_at: time(row, "published_at")?,
                changed: row.try_get::<i64, _>("accepted")? > 0,
            })
        })
        .collect()
}

pub(super) async fn accept(
    tx: &mut Tx,
    agreement: &AgreementId,
    version: i64,
    account: &AccountId,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    sqlx::query(
        "INSERT INTO terms_accepted (agreement_id, version, account_id, accepted_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(agreement.as_str())
    .bind(version)
    .bind(account.as_str())
    .bind(now.micros())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

const FROM: &str = "FROM nominations n JOIN accounts a ON a.id = n.account_id JOIN agreements g ON g.id = n.agreement_id
    JOIN agencies y ON y.id = g.agency_id";
const SEARCHED: Searched<'_> = Searched { columns: &["a.name", "a.email", "y.name", "g.reference"], related: &[] };
const LIST: List<'_> = List {
    from: FROM,
    id: "n.id",
    column: "n.nominated_at",
    of: "(SELECT k.nominated_at FROM nominations k WHERE k.id = {})",
    descending: true,
};

/// The ids on a page of the nominations.
pub(super) async fn page(database: &Database, filter: &NominationFilter, turn: &Turn) -> Result<Page<String>, DatabaseError> {
    let mut conditions = Conditions::default();
    if let Some(stage) = filter.stage {
        let stage = conditions.text(stage.as_str());
        conditions.and(format!("n.state = {stage}"));
    }
    if let Some(agency) = &filter.agency {
        let agency = conditions.text(agency.as_str());
        conditions.and(format!("g.agency_id = {agency}"));
    }
    conditions.words(&SEARCHED, &filter.words);
    LIST.page(database, &conditions, turn).await
}
