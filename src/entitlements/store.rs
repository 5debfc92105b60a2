//! Agencies, agreements and entitlements in the database.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Act, Agency, Agreement, Ended, Entitlement, EntitlementError, Held, Line, PathScope, State, Window};
use crate::catalog::RepoPath;
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, AgencyId, AgreementId, EntitlementId, ProductId};

fn time(row: &AnyRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Ok(Timestamp::from_micros(row.try_get(column)?))
}

fn act(row: &AnyRow, by: &str, at: &str) -> Result<Option<Act>, sqlx::Error> {
    let by: Option<String> = row.try_get(by)?;
    let at: Option<i64> = row.try_get(at)?;
    Ok(by.zip(at).map(|(by, at)| Act { by: AccountId::known(by), at: Timestamp::from_micros(at) }))
}

fn paths(text: &str) -> Result<Vec<RepoPath>, DatabaseError> {
    text.split('\n').map(|line| RepoPath::from_address(line).map_err(|e| sqlx::Error::Decode(Box::new(e)).into())).collect()
}

fn optional_paths(text: &str) -> Result<Vec<RepoPath>, DatabaseError> {
    if text.is_empty() { Ok(Vec::new()) } else { paths(text) }
}

fn lines(paths: &[RepoPath]) -> String {
    paths.iter().map(RepoPath::address).collect::<Vec<_>>().join("\n")
}

fn agency(row: &AnyRow) -> Result<Agency, DatabaseError> {
    Ok(Agency {
        id: AgencyId::known(row.try_get::<String, _>("id")?),
        slug: row.try_get("slug")?,
        name: row.try_get("name")?,
        country: row.try_get("country")?,
        created_at: time(row, "created_at")?,
    })
}

fn agreement(row: &AnyRow) -> Result<Agreement, DatabaseError> {
    let ended_at: Option<i64> = row.try_get("ended_at")?;
    let reason: Option<String> = row.try_get("end_reason")?;
    Ok(Agreement {
        id: AgreementId::known(row.try_get::<String, _>("id")?),
        agency: AgencyId::known(row.try_get::<String, _>("agency_id")?),
        reference: row.try_get("reference")?,
        term: Window { from: time(row, "starts_at")?, until: time(row, "ends_at")? },
        created_at: time(row, "created_at")?,
        ended: ended_at.map(|at| Ended { at: Timestamp::from_micros(at), reason: reason.unwrap_or_default() }),
    })
}

fn entitlement(row: &AnyRow) -> Result<Entitlement, DatabaseError> {
    let missing = |what: &str| DatabaseError::Sql(sqlx::Error::Decode(format!("an entitlement without {what}").into()));
    let reason = row.try_get::<Option<String>, _>("reason")?.unwrap_or_default();
    let decided = act(row, "decided_by", "decided_at")?;
    let state: String = row.try_get("state")?;
    let state = match state.as_str() {
        "proposed" => State::Proposed,
        "approved" => State::Approved { approved: decided.ok_or_else(|| missing("its approval"))? },
        "refused" => State::Refused { refused: decided.ok_or_else(|| missing("its refusal"))?, reason },
        "revoked" => State::Revoked {
            approved: decided.ok_or_else(|| missing("its approval"))?,
            revoked: act(row, "revoked_by", "revoked_at")?.ok_or_else(|| missing("its revocation"))?,
            reason,
        },
        _ => return Err(missing("a known state")),
    };
    Ok(Entitlement {
        id: EntitlementId::known(row.try_get::<String, _>("id")?),
        agreement: AgreementId::known(row.try_get::<String, _>("agreement_id")?),
        product: ProductId::known(row.try_get::<String, _>("product_id")?),
        versions: row.try_get::<String, _>("versions")?.lines().map(str::to_owned).collect(),
        scope: PathScope {
            includes: paths(&row.try_get::<String, _>("includes")?)?,
            excludes: optional_paths(&row.try_get::<String, _>("excludes")?)?,
        },
        window: Window { from: time(row, "starts_at")?, until: time(row, "ends_at")? },
        purpose: row.try_get("purpose")?,
        proposed: act(row, "proposed_by", "proposed_at")?.ok_or_else(|| missing("its proposal"))?,
        state,
    })
}

pub(super) async fn insert_agency(tx: &mut Tx, agency: &Agency) -> Result<(), EntitlementError> {
    let done = sqlx::query("INSERT INTO agencies (id, slug, name, country, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(agency.id.as_str())
        .bind(agency.slug.as_str())
        .bind(agency.name.as_str())
        .bind(agency.country.as_str())
        .bind(agency.created_at.micros())
        .execute(&mut **tx)
        .await;
    match done {
        Ok(_) => Ok(()),
        Err(e) if violates_unique(&e, "agencies", "name") || violates_unique(&e, "agencies", "slug") => {
            Err(super::invalid("name", "There is an agency of this name already."))
        }
        Err(e) => Err(DatabaseError::from(e).into()),
    }
}

pub(super) async fn agencies(database: &Database) -> Result<Vec<Agency>, DatabaseError> {
    let rows = sqlx::query("SELECT * FROM agencies ORDER BY name").fetch_all(database.pool()).await?;
    rows.iter().map(agency).collect()
}

/// By slug, id or name.
pub(super) async fn find_agency(database: &Database, key: &str) -> Result<Option<Agency>, DatabaseError> {
    let row = sqlx::query("SELECT * FROM agencies WHERE slug = $1 OR id = $1 OR name = $1")
        .bind(key.to_owned())
        .fetch_optional(database.pool())
        .await?;
    row.as_ref().map(agency).transpose()
}

pub(super) async fn insert_agreement(tx: &mut Tx, agreement: &Agreement) -> Result<(), EntitlementError> {
    let done =
        sqlx::query("INSERT INTO agreements (id, agency_id, reference, starts_at, ends_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(agreement.id.as_str())
            .bind(agreement.agency.as_str())
            .bind(agreement.reference.as_str())
            .bind(agreement.term.from.micros())
            .bind(agreement.term.until.micros())
            .bind(agreement.created_at.micros())
            .execute(&mut **tx)
            .await;
    match done {
        Ok(_) => Ok(()),
        Err(e) if violates_unique(&e, "agreements", "reference") => {
            Err(super::invalid("reference", "There is an agreement of this reference already."))
        }
        Err(e) => Err(DatabaseError::from(e).into()),
    }
}

pub(super) async fn agreements(database: &Database) -> Result<Vec<Agreement>, DatabaseError> {
    let rows = sqlx::query("SELECT * FROM agreements ORDER BY ends_at, reference").fetch_all(database.pool()).await?;
    rows.iter().map(agreement).collect()
}

/// By id or reference.
pub(super) async fn find_agreement(database: &Database, key: &str) -> Result<Option<Agreement>, DatabaseError> {
    let row = sqlx::query("SELECT * FROM agreements WHERE id = $1 OR reference = $1")
        .bind(key.to_owned())
        .fetch_optional(database.pool())
        .await?;
    row.as_ref().map(agreement).transpose()
}

/// False when it had ended already.
pub(super) async fn end_agreement(tx: &mut Tx, id: &AgreementId, act: &Act, reason: &str) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE agreements SET ended_at = $2, ended_by = $3, end_reason = $4 WHERE id = $1 AND ended_at IS NULL")
        .bind(id.as_str())
        .bind(act.at.micros())
        .bind(act.by.as_str())
        .bind(reason.to_owned())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// False when the agreement names that person already, or the person does not work for its agency.
pub(super) async fn name_person(tx: &mut Tx, agreement: &AgreementId, account: &AccountId, now: Timestamp) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO agreement_people (agreement_id, account_id, named_at)
         SELECT g.id, a.id, $3 FROM agreements g JOIN accounts a ON a.agency_id = g.agency_id
         WHERE g.id = $1 AND a.id = $2 AND a.role = 'reviewer' ON CONFLICT DO NOTHING",
    )
    .bind(agreement.as_str())
    .bind(account.as_str())
    .bind(now.micros())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn people(database: &Database, agreement: &AgreementId) -> Result<Vec<AccountId>, DatabaseError> {
    let rows = sqlx::query("SELECT account_id FROM agreement_people WHERE agreement_id = $1 ORDER BY named_at, account_id")
        .bind(agreement.as_str())
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(|row| Ok(AccountId::known(row.try_get::<String, _>(0)?))).collect()
}

pub(super) async fn insert(tx: &mut Tx, new: &Entitlement) -> Result<(), DatabaseError> {
    sqlx::query(
        "INSERT INTO entitlements (id, agreement_id, product_id, versions, includes, excludes, starts_at, ends_at, purpose,
             state, proposed_by, proposed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'proposed', $10, $11)",
    )
    .bind(new.id.as_str())
    .bind(new.agreement.as_str())
    .bind(new.product.as_str())
    .bind(new.versions.join("\n"))
    .bind(lines(&new.scope.includes))
    .bind(lines(&new.scope.excludes))
    .bind(new.window.from.micros())
    .bind(new.window.until.micros())
    .bind(new.purpose.as_str())
    .bind(new.proposed.by.as_str())
    .bind(new.proposed.at.micros())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Read inside the transaction that will change it. On PostgreSQL two administrators at once may both read it here; the
/// update that follows demands the state that was read, so that one of them changes nothing and is told.
pub(super) async fn load(tx: &mut Tx, id: &EntitlementId) -> Result<Option<Entitlement>, DatabaseError> {
    let row = sqlx::query("SELECT * FROM entitlements WHERE id = $1").bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(entitlement).transpose()
}

/// The name of a product, as entries of the log write it.
pub(super) async fn product_name(tx: &mut Tx, id: &ProductId) -> Result<String, DatabaseError> {
    let row = sqlx::query("SELECT name FROM products WHERE id = $1").bind(id.as_str()).fetch_one(&mut **tx).await?;
    Ok(row.try_get(0)?)
}

/// The line an account comes from.
pub(super) async fn lineage(database: &Database, account: &AccountId) -> Result<Option<String>, DatabaseError> {
    let row = sqlx::query("SELECT lineage FROM accounts WHERE id = $1").bind(account.as_str()).fetch_optional(database.pool()).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// The line that whoever proposed a grant comes from.
pub(super) async fn lineage_of_proposer(database: &Database, id: &EntitlementId) -> Result<Option<String>, DatabaseError> {
    let row = sqlx::query("SELECT a.lineage FROM entitlements e JOIN accounts a ON a.id = e.proposed_by WHERE e.id = $1")
        .bind(id.as_str())
        .fetch_optional(database.pool())
        .await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// Saves a transition out of the state called `from`; false when somebody else was quicker.
pub(super) async fn save(tx: &mut Tx, changed: &Entitlement, from: &'static str) -> Result<bool, DatabaseError> {
    let (state, decided, revoked, reason) = match &changed.state {
        State::Proposed => ("proposed", None, None, None),
        State::Approved { approved } => ("approved", Some(approved), None, None),
        State::Refused { refused, reason } => ("refused", Some(refused), None, Some(reason)),
        State::Revoked { approved, revoked, reason } => ("revoked", Some(approved), Some(revoked), Some(reason)),
    };
    let by = |act: Option<&Act>| act.map(|act| act.by.as_str().to_owned());
    let at = |act: Option<&Act>| act.map(|act| act.at.micros());
    let done = sqlx::query(
        "UPDATE entitlements SET state = $3, decided_by = $4, decided_at = $5, revoked_by = $6, revoked_at = $7, reason = $8
         WHERE id = $1 AND state = $2",
    )
    .bind(changed.id.as_str())
    .bind(from)
    .bind(state)
    .bind(by(decided))
    .bind(at(decided))
    .bind(by(revoked))
    .bind(at(revoked))
    .bind(reason.cloned())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

const LINES: &str = "SELECT e.*, p.name AS product_name, p.title AS product_title, g.reference AS agreement_reference,
        g.starts_at AS term_from, g.ends_at AS term_until, g.ended_at AS term_ended, y.name AS agency_name, y.id AS agency_id,
        who.name AS proposer, dec.name AS decider, rev.name AS revoker
     FROM entitlements e JOIN products p ON p.id = e.product_id JOIN agreements g ON g.id = e.agreement_id
     JOIN agencies y ON y.id = g.agency_id JOIN accounts who ON who.id = e.proposed_by
     LEFT JOIN accounts dec ON dec.id = e.decided_by LEFT JOIN accounts rev ON rev.id = e.revoked_by
     ORDER BY e.proposed_at DESC, e.id";

pub(super) async fn list(database: &Database) -> Result<Vec<Line>, DatabaseError> {
    let rows = sqlx::query(LINES).fetch_all(database.pool()).await?;
    rows.iter()
        .map(|row| {
            Ok(Line {
                entitlement: entitlement(row)?,
                product_name: row.try_get("product_name")?,
                product_title: row.try_get("product_title")?,
                agreement_reference: row.try_get("agreement_reference")?,
                agreement_term: Window { from: time(row, "term_from")?, until: time(row, "term_until")? },
                agreement_ended: row.try_get::<Option<i64>, _>("term_ended")?.map(Timestamp::from_micros),
                agency: AgencyId::known(row.try_get::<String, _>("agency_id")?),
                agency_name: row.try_get("agency_name")?,
                proposer: row.try_get("proposer")?,
                decider: row.try_get("decider")?,
                revoker: row.try_get("revoker")?,
            })
        })
        .collect()
}

/// Every entitlement of the agreements that name this person and belong to the agency the person works for now. A grant is for
/// the people its agreement named when it was approved: naming somebody afterwards opens nothing until a grant is approved anew.
pub(super) async fn held_by(database: &Database, account: &AccountId) -> Result<Vec<Held>, DatabaseError> {
    let rows = sqlx::query(
        "SELECT e.*, p.name AS product_name, g.starts_at AS term_from, g.ends_at AS term_until, g.ended_at AS term_ended
         FROM agreement_people n JOIN accounts a ON a.id = n.account_id JOIN agreements g ON g.id = n.agreement_id
         JOIN entitlements e ON e.agreement_id = g.id JOIN products p ON p.id = e.product_id
         WHERE n.account_id = $1 AND g.agency_id = a.agency_id AND a.disabled_at IS NULL
           AND (e.decided_at IS NULL OR n.named_at <= e.decided_at) ORDER BY e.id",
    )
    .bind(account.as_str())
    .fetch_all(database.pool())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Held {
                entitlement: entitlement(row)?,
                product: row.try_get("product_name")?,
                term: Window { from: time(row, "term_from")?, until: time(row, "term_until")? },
                term_ended: row.try_get::<Option<i64>, _>("term_ended")?.map(Timestamp::from_micros),
            })
        })
        .collect()
}
