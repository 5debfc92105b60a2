//! Campaigns in the database.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::grants::{Figures, Line};
use super::super::paging::{Conditions, List, Page, Turn};
use super::super::steps::Act;
use super::super::store::{act, by_ids, damaged, flag, optional_time, time};
use super::super::{Subject, SubjectKind};
use super::campaign::{Campaign, Counted, Item, Points, Stage, Standing, Tally};
use super::{ItemFilter, NewCampaign};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, CampaignId, EntitlementId};

/// Grants a statement inserts.
const ROWS_AT_ONCE: usize = 100;

/// When a grant lapses unless somebody confirms it, or since when it has, as a column of a query over grants.
pub(in super::super) fn confirm_by(grant: &str) -> String {
    format!("(SELECT MIN(i.due_at) FROM campaign_grants i WHERE i.entitlement_id = {grant} AND i.state IN ('pending', 'lapsed'))")
}

/// Whether a grant has lapsed at a moment.
pub(in super::super) fn lapsed_by(grant: &str, now: &str) -> String {
    format!("{grant} IN (SELECT i.entitlement_id FROM campaign_grants i WHERE i.state IN ('pending', 'lapsed') AND i.due_at <= {now})")
}

const ROWS: &str = "SELECT c.*, o.name AS opener, q.name AS asker, d.name AS decider, y.name AS agency_name,
        g.reference AS agreement_name, p.name AS product_name,
        (SELECT COUNT(*) FROM campaign_grants i WHERE i.campaign_id = c.id AND i.state = 'pending') AS pending,
        (SELECT COUNT(*) FROM campaign_grants i WHERE i.campaign_id = c.id AND i.state = 'confirmed') AS confirmed,
        (SELECT COUNT(*) FROM campaign_grants i WHERE i.campaign_id = c.id AND i.state = 'lapsed') AS lapsed,
        (SELECT COUNT(*) FROM campaign_grants i WHERE i.campaign_id = c.id AND i.state = 'released') AS released
     FROM campaigns c JOIN accounts o ON o.id = c.opened_by LEFT JOIN accounts q ON q.id = c.asked_by
     LEFT JOIN accounts d ON d.id = c.decided_by LEFT JOIN agencies y ON y.id = c.agency_id
     LEFT JOIN agreements g ON g.id = c.agreement_id LEFT JOIN products p ON p.id = c.product_id";

fn number(row: &AnyRow, column: &str) -> Result<u64, DatabaseError> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| damaged("a campaign with a number below zero"))
}

fn campaign(row: &AnyRow) -> Result<Campaign, DatabaseError> {
    let text = |column: &str| row.try_get::<Option<String>, _>(column);
    let mut subject = None;
    for (kind, id, name) in [
        (SubjectKind::Agency, "agency_id", "agency_name"),
        (SubjectKind::Agreement, "agreement_id", "agreement_name"),
        (SubjectKind::Product, "product_id", "product_name"),
    ] {
        if let Some(id) = text(id)? {
            subject = Some(Subject { kind, id, name: text(name)?.unwrap_or_default() });
        }
    }
    let state: String = row.try_get("state")?;
    Ok(Campaign {
        id: CampaignId::known(row.try_get::<String, _>("id")?),
        name: row.try_get("name")?,
        subject,
        due: time(row, "due_at")?,
        counted_to: number(row, "counted_to")?,
        opened: act(row, "opened_by", "opened_at")?.ok_or_else(|| damaged("a campaign without who opened it"))?,
        opener: row.try_get("opener")?,
        stage: Stage::ALL.into_iter().find(|stage| stage.as_str() == state).ok_or_else(|| damaged("a campaign without a known state"))?,
        asked: act(row, "asked_by", "asked_at")?,
        asker: row.try_get("asker")?,
        ask_reason: row.try_get("ask_reason")?,
        decided: act(row, "decided_by", "decided_at")?,
        decider: row.try_get("decider")?,
        tally: Tally {
            pending: number(row, "pending")?,
            confirmed: number(row, "confirmed")?,
            lapsed: number(row, "lapsed")?,
            released: number(row, "released")?,
        },
    })
}

const LIST: List<'_> = List {
    from: "FROM campaigns c",
    id: "c.id",
    column: "c.opened_at",
    of: "(SELECT k.opened_at FROM campaigns k WHERE k.id = {})",
    descending: true,
};

pub(super) async fn page(database: &Database, turn: &Turn) -> Result<Page<String>, DatabaseError> {
    LIST.page(database, &Conditions::default(), turn).await
}

/// Those of these ids, in any order.
pub(super) async fn those(database: &Database, ids: &[String]) -> Result<Vec<Campaign>, DatabaseError> {
    let rows = by_ids(database, ids, |list| AssertSqlSafe(format!("{ROWS} WHERE c.id IN ({list})"))).await?;
    rows.iter().map(campaign).collect()
}

/// The campaign in which a grant waits, or lapsed.
pub(super) async fn campaign_of(database: &Database, grant: &EntitlementId) -> Result<Option<String>, DatabaseError> {
    let sql = "SELECT campaign_id FROM campaign_grants WHERE entitlement_id = $1 AND state IN ('pending', 'lapsed') ORDER BY due_at";
    let row = sqlx::query(sql).bind(grant.as_str()).fetch_optional(database.pool()).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// Those that are not called off and not due yet, in which grants wait, and those to be called off.
pub(super) async fn running(database: &Database, now: Timestamp) -> Result<Vec<Campaign>, DatabaseError> {
    let wait = "EXISTS (SELECT 1 FROM campaign_grants i WHERE i.campaign_id = c.id AND i.state = 'pending')";
    let rows = sqlx::query(AssertSqlSafe(format!(
        "{ROWS} WHERE c.due_at > $1 AND (c.state = 'end_asked' OR (c.state = 'open' AND {wait})) ORDER BY c.due_at, c.id"
    )));
    rows.bind(now.micros()).fetch_all(database.pool()).await?.iter().map(campaign).collect()
}

/// Grants that wait in campaigns and were not proposed by this administrator.
pub(super) async fn waiting_for(database: &Database, account: &AccountId, now: Timestamp) -> Result<u64, DatabaseError> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM campaign_grants i JOIN entitlements e ON e.id = i.entitlement_id
         WHERE i.state = 'pending' AND i.due_at > $1 AND e.proposed_by <> $2",
    );
    let number: i64 = row.bind(now.micros()).bind(account.as_str()).fetch_one(database.pool()).await?.try_get(0)?;
    Ok(number.unsigned_abs())
}

/// Read inside the transaction that will change it: the update that does nothing makes another who wants to change it wait.
pub(super) async fn load(tx: &mut Tx, id: &CampaignId) -> Result<Option<Campaign>, DatabaseError> {
    sqlx::query("UPDATE campaigns SET state = state WHERE id = $1").bind(id.as_str()).execute(&mut **tx).await?;
    let row = sqlx::query(AssertSqlSafe(format!("{ROWS} WHERE c.id = $1"))).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(campaign).transpose()
}

/// A grant that a campaign asks about.
#[derive(Debug)]
pub(super) struct Eligible {
    pub(super) id: EntitlementId,
    /// The product's name.
    pub(super) product: String,
    pub(super) approved: Timestamp,
    /// Whom it is for.
    pub(super) people: Vec<AccountId>,
    pub(super) opens: Option<u64>,
}

fn eligible_sql(subject: Option<&Subject>, now: Timestamp) -> (String, Vec<String>) {
    let now = now.micros();
    let mut values = Vec::new();
    let of = subject.map_or_else(String::new, |of| {
        values.push(of.id.clone());
        let column = match of.kind {
            SubjectKind::Agency => "g.agency_id",
            SubjectKind::Agreement => "g.id",
            SubjectKind::Product => "e.product_id",
            SubjectKind::Grant => "e.id",
        };
        format!("AND {column} = $1")
    });
    let sql = format!(
        "SELECT e.id, d.name AS product, e.decided_at, e.foreseen, e.everybody,
             (SELECT string_agg(r.account_id, ',') FROM entitlement_people r WHERE r.entitlement_id = e.id) AS people,
             g.id AS agreement
         FROM entitlements e JOIN agreements g ON g.id = e.agreement_id JOIN products d ON d.id = e.product_id
         WHERE e.state = 'approved' AND e.emergency = 0 AND e.ends_at > {now} AND g.ends_at > {now}
           AND (g.ended_at IS NULL OR g.ended_at > {now})
           AND e.id NOT IN (SELECT i.entitlement_id FROM campaign_grants i
                            WHERE i.state = 'pending' OR (i.state = 'lapsed' AND i.due_at <= {now})) {of}
         ORDER BY e.id"
    );
    (sql, values)
}

pub(super) async fn eligible(database: &Database, subject: Option<&Subject>, now: Timestamp) -> Result<Vec<EntitlementId>, DatabaseError> {
    let (sql, values) = eligible_sql(subject, now);
    let query = values.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
    let rows = query.fetch_all(database.pool()).await?;
    rows.iter().map(|row| Ok(EntitlementId::known(row.try_get::<String, _>("id")?))).collect()
}

pub(super) async fn eligible_in(tx: &mut Tx, subject: Option<&Subject>, now: Timestamp) -> Result<Vec<Eligible>, DatabaseError> {
    let named = sqlx::query("SELECT agreement_id, account_id FROM nominations WHERE state = 'approved'").fetch_all(&mut **tx).await?;
    let mut by_agreement: std::collections::HashMap<String, Vec<AccountId>> = std::collections::HashMap::new();
    for row in &named {
        by_agreement.entry(row.try_get(0)?).or_default().push(AccountId::known(row.try_get::<String, _>(1)?));
    }
    let (sql, values) = eligible_sql(subject, now);
    let query = values.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
    let rows = query.fetch_all(&mut **tx).await?;
    rows.iter()
        .map(|row| {
            let everybody = flag(row, "everybody")?;
            let some: Option<String> = row.try_get("people")?;
            let people = if everybody {
                by_agreement.get(&row.try_get::<String, _>("agreement")?).cloned().unwrap_or_default()
            } else {
                some.unwrap_or_default().split(',').filter(|one| !one.is_empty()).map(|one| AccountId::known(one.to_owned())).collect()
            };
            let foreseen: Option<String> = row.try_get("foreseen")?;
            Ok(Eligible {
                id: EntitlementId::known(row.try_get::<String, _>("id")?),
                product: row.try_get("product")?,
                approved: optional_time(row, "decided_at")?.ok_or_else(|| damaged("a grant approved at no time"))?,
                people,
                opens: foreseen.and_then(|text| serde_json::from_str::<Figures>(&text).ok()).map(|figures| figures.files),
            })
        })
        .collect()
}

pub(super) async fn insert(
    tx: &mut Tx,
    id: &CampaignId,
    name: &str,
    new: &NewCampaign,
    counted_to: u64,
    act: &Act,
) -> Result<(), DatabaseError> {
    let of = |kind: SubjectKind| new.subject.as_ref().filter(|of| of.kind == kind).map(|of| of.id.clone());
    sqlx::query(
        "INSERT INTO campaigns (id, name, agency_id, agreement_id, product_id, due_at, counted_to, opened_by, opened_at, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open')",
    )
    .bind(id.as_str())
    .bind(name.to_owned())
    .bind(of(SubjectKind::Agency))
    .bind(of(SubjectKind::Agreement))
    .bind(of(SubjectKind::Product))
    .bind(new.due.micros())
    .bind(i64::try_from(counted_to).unwrap_or(i64::MAX))
    .bind(act.by.as_str())
    .bind(act.at.micros())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// False when one of the grants came into another campaign meanwhile.
pub(super) async fn insert_grants<'a>(
    tx: &mut Tx,
    id: &CampaignId,
    due: Timestamp,
    now: Timestamp,
    grants: impl Iterator<Item = (&'a Eligible, &'a Counted)>,
) -> Result<bool, DatabaseError> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let all: Vec<_> = grants.collect();
    for chunk in all.chunks(ROWS_AT_ONCE) {
        let rows: Vec<String> = (0..chunk.len())
            .map(|n| {
                let first = n * 9;
                let values: Vec<String> = (1..=9).map(|value| format!("${}", first + value)).collect();
                format!("({}, 'pending')", values.join(", "))
            })
            .collect();
        let sql = format!(
            "INSERT INTO campaign_grants (campaign_id, entitlement_id, due_at, last_used_at, files, opens, refusals, unused, broad, state)
             VALUES {}",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (grant, counted) in chunk {
            let points = Points::of(counted, grant.approved, now);
            query = query.bind(id.as_str()).bind(grant.id.as_str()).bind(due.micros());
            query = query.bind(counted.last.map(Timestamp::micros)).bind(count(counted.files)).bind(counted.opens.map(count));
            query = query.bind(count(counted.refusals)).bind(i64::from(points.unused)).bind(i64::from(points.broad));
        }
        match query.execute(&mut **tx).await {
            Ok(_) => {}
            Err(e) if violates_unique(&e, "campaign_grants", "entitlement_id") => return Ok(false),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(true)
}

/// False when somebody else was quicker.
pub(super) async fn save(
    tx: &mut Tx,
    id: &CampaignId,
    from: Stage,
    to: Stage,
    act: &Act,
    reason: Option<&str>,
) -> Result<bool, DatabaseError> {
    let query = match to {
        Stage::EndAsked => "UPDATE campaigns SET state = $3, asked_by = $4, asked_at = $5, ask_reason = $6 WHERE id = $1 AND state = $2",
        Stage::Open => "UPDATE campaigns SET state = $3, asked_by = NULL, asked_at = NULL, ask_reason = NULL WHERE id = $1 AND state = $2",
        Stage::CalledOff => "UPDATE campaigns SET state = $3, decided_by = $4, decided_at = $5 WHERE id = $1 AND state = $2",
    };
    let mut query = sqlx::query(query).bind(id.as_str()).bind(from.as_str()).bind(to.as_str());
    if to != Stage::Open {
        query = query.bind(act.by.as_str()).bind(act.at.micros());
    }
    if to == Stage::EndAsked {
        query = query.bind(reason.unwrap_or_default().to_owned());
    }
    Ok(query.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Lets go of every grant that waits in a campaign; says how many.
pub(super) async fn release(tx: &mut Tx, id: &CampaignId) -> Result<u64, DatabaseError> {
    let query = sqlx::query("UPDATE campaign_grants SET state = 'released' WHERE campaign_id = $1 AND state = 'pending'").bind(id.as_str());
    Ok(query.execute(&mut **tx).await?.rows_affected())
}

/// False when it was decided, or noted, before.
pub(super) async fn decide(
    tx: &mut Tx,
    campaign: &CampaignId,
    grant: &EntitlementId,
    to: Standing,
    act: &Act,
    reason: &str,
    examined: u64,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE campaign_grants SET state = $3, decided_by = $4, decided_at = $5, reason = $6, examined = $7
         WHERE campaign_id = $1 AND entitlement_id = $2 AND state = 'pending' AND due_at > $8",
    )
    .bind(campaign.as_str())
    .bind(grant.as_str())
    .bind(to.as_str())
    .bind(act.by.as_str())
    .bind(act.at.micros())
    .bind(reason.to_owned())
    .bind(i64::try_from(examined).unwrap_or(i64::MAX))
    .bind(act.at.micros())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What waits though its day has come: campaign, its name, grant.
pub(super) async fn overdue(
    database: &Database,
    now: Timestamp,
    most: usize,
) -> Result<Vec<(CampaignId, String, EntitlementId)>, DatabaseError> {
    let sql = format!(
        "SELECT i.campaign_id, c.name, i.entitlement_id FROM campaign_grants i JOIN campaigns c ON c.id = i.campaign_id
         WHERE i.state = 'pending' AND i.due_at <= $1 ORDER BY i.due_at, i.entitlement_id LIMIT {most}"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(now.micros()).fetch_all(database.pool()).await?;
    rows.iter()
        .map(|row| {
            let (campaign, grant): (String, String) = (row.try_get(0)?, row.try_get(2)?);
            Ok((CampaignId::known(campaign), row.try_get(1)?, EntitlementId::known(grant)))
        })
        .collect()
}

/// False when another process was quicker.
pub(super) async fn note(tx: &mut Tx, campaign: &CampaignId, grant: &EntitlementId, to: Standing) -> Result<bool, DatabaseError> {
    let done = sqlx::query("UPDATE campaign_grants SET state = $3 WHERE campaign_id = $1 AND entitlement_id = $2 AND state = 'pending'")
        .bind(campaign.as_str())
        .bind(grant.as_str())
        .bind(to.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

const ITEMS: List<'_> = List {
    from: "FROM campaign_grants i",
    id: "i.entitlement_id",
    column: "COALESCE(i.last_used_at, 0)",
    of: "(SELECT COALESCE(MAX(k.last_used_at), 0) FROM campaign_grants k WHERE k.entitlement_id = {} AND k.campaign_id = i.campaign_id)",
    descending: false,
};

/// The ids of the grants on a page.
pub(super) async fn item_page(
    database: &Database,
    campaign: &CampaignId,
    filter: ItemFilter,
    now: Timestamp,
    turn: &Turn,
) -> Result<Page<String>, DatabaseError> {
    let mut all = Conditions::default();
    let id = all.text(campaign.as_str());
    all.and(format!("i.campaign_id = {id}"));
    if let Some(standing) = filter.standing {
        let now = now.micros();
        all.and(match standing {
            Standing::Pending => format!("i.state = 'pending' AND i.due_at > {now}"),
            Standing::Lapsed => format!("(i.state = 'lapsed' OR (i.state = 'pending' AND i.due_at <= {now}))"),
            Standing::Confirmed | Standing::Released => format!("i.state = '{}'", standing.as_str()),
        });
    }
    for (wanted, condition) in [(filter.unused, "i.unused = 1"), (filter.broad, "i.broad = 1"), (filter.refused, "i.refusals > 0")] {
        if wanted {
            all.and(condition.to_owned());
        }
    }
    ITEMS.page(database, &all, turn).await
}

/// These grants as they stand in a campaign; those that do not are left out.
pub(super) async fn items(database: &Database, campaign: &CampaignId, lines: Vec<Line>) -> Result<Vec<Item>, DatabaseError> {
    let mut ids: Vec<String> = lines.iter().map(|line| line.entitlement.id.to_string()).collect();
    // Behind the grants, as the last that is bound; no grant has its name.
    ids.push(campaign.to_string());
    let last = ids.len();
    let rows = by_ids(database, &ids, |list| {
        AssertSqlSafe(format!(
            "SELECT i.*, d.name AS decider FROM campaign_grants i LEFT JOIN accounts d ON d.id = i.decided_by
             WHERE i.entitlement_id IN ({list}) AND i.campaign_id = ${last}"
        ))
    })
    .await?;
    let mut items = Vec::new();
    for line in lines {
        for row in &rows {
            if row.try_get::<String, _>("entitlement_id")? == line.entitlement.id.as_str() {
                items.push(item(row, line.clone())?);
            }
        }
    }
    Ok(items)
}

fn item(row: &AnyRow, line: Line) -> Result<Item, DatabaseError> {
    let optional = |column: &str| -> Result<Option<u64>, DatabaseError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.and_then(|n| u64::try_from(n).ok()))
    };
    let state: String = row.try_get("state")?;
    Ok(Item {
        line,
        standing: Standing::ALL
            .into_iter()
            .find(|standing| standing.as_str() == state)
            .ok_or_else(|| damaged("a grant in a campaign without a known state"))?,
        due: time(row, "due_at")?,
        counted: Counted {
            last: optional_time(row, "last_used_at")?,
            files: number(row, "files")?,
            opens: optional("opens")?,
            refusals: number(row, "refusals")?,
        },
        points: Points { unused: flag(row, "unused")?, broad: flag(row, "broad")? },
        decided: act(row, "decided_by", "decided_at")?,
        decider: row.try_get("decider")?,
        reason: row.try_get("reason")?,
        examined: optional("examined")?,
    })
}

/// The name of somebody.
pub(super) async fn name_of(database: &Database, account: &AccountId) -> Result<Option<String>, DatabaseError> {
    let row = sqlx::query("SELECT name FROM accounts WHERE id = $1").bind(account.as_str()).fetch_optional(database.pool()).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each request of a reader asks it of each of their grants: what waits of all the others must not be walked through for that.
    #[tokio::test]
    async fn when_a_grant_lapses_is_found_by_the_grant() {
        let home = tempfile::tempdir().unwrap();
        let database = Database::open(&Database::sqlite_url(&home.path().join("lectern.db"))).await.unwrap();
        let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN SELECT {} FROM entitlements e", confirm_by("e.id")));
        let rows = sqlx::query(plan).fetch_all(database.pool()).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
        assert!(steps.iter().any(|step| step.contains("campaign_grants_entitlement (entitlement_id=? AND state=?)")), "{steps:?}");
    }
}
