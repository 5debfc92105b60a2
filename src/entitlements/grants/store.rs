//! Entitlements in the database.

use std::collections::HashMap;

use ipnet::IpNet;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::agreements::Reach;
use super::super::campaigns::{confirm_by, lapsed_by};
use super::super::paging::{Conditions, List, Page, Searched, Turn};
use super::super::steps::Act;
use super::super::store::{NAMED_AT_ONCE, act, by_ids, damaged, flag, optional_paths, optional_time, path_lines, paths, texts, time};
use super::super::suspensions::{live_on, suspends};
use super::{Emergency, Entitlement, Figures, GrantFilter, Held, Line, PathScope, Phase, Readers, State, Under, Window};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx};
use crate::ids::{AccountId, AgencyId, AgreementId, EntitlementId, ProductId};

fn entitlement(row: &AnyRow) -> Result<Entitlement, DatabaseError> {
    let missing = |what: &str| damaged(&format!("an entitlement without {what}"));
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
        readers: if flag(row, "everybody")? {
            Readers::Everybody
        } else {
            Readers::These(list(row, "people")?.into_iter().map(AccountId::known).collect())
        },
        window: Window { from: time(row, "starts_at")?, until: time(row, "ends_at")? },
        purpose: row.try_get("purpose")?,
        proposed: act(row, "proposed_by", "proposed_at")?.ok_or_else(|| missing("its proposal"))?,
        needed: row.try_get("needed")?,
        approvals: approvals(row)?,
        state,
        emergency: if flag(row, "emergency")? {
            Some(Emergency { reviewed: act(row, "reviewed_by", "reviewed_at")?, review: row.try_get("review")? })
        } else {
            None
        },
    })
}

/// What a subquery joined by commas.
fn list(row: &AnyRow, column: &str) -> Result<Vec<String>, DatabaseError> {
    let joined: Option<String> = row.try_get(column)?;
    let mut list: Vec<String> = joined.unwrap_or_default().split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
    list.sort_unstable();
    Ok(list)
}

fn approvals(row: &AnyRow) -> Result<Vec<Act>, DatabaseError> {
    let mut acts = Vec::new();
    for text in list(row, "approvals")? {
        let read =
            text.split_once(' ').and_then(|(by, at)| Some(Act { by: AccountId::known(by), at: Timestamp::from_micros(at.parse().ok()?) }));
        acts.push(read.ok_or_else(|| damaged("an approval without its time"))?);
    }
    acts.sort_by_key(|act| act.at);
    Ok(acts)
}

/// Every column of a grant, with its people and its approvals.
const GRANT: &str = "e.*,
    (SELECT string_agg(p.account_id, ',') FROM entitlement_people p WHERE p.entitlement_id = e.id) AS people,
    (SELECT string_agg(v.approved_by || ' ' || CAST(v.approved_at AS TEXT), ',') FROM entitlement_approvals v
     WHERE v.entitlement_id = e.id) AS approvals";

pub(super) async fn insert(tx: &mut Tx, new: &Entitlement, foreseen: Option<&Figures>) -> Result<(), DatabaseError> {
    let foreseen = foreseen.and_then(|figures| serde_json::to_string(figures).ok());
    sqlx::query(
        "INSERT INTO entitlements (id, agreement_id, product_id, versions, includes, excludes, starts_at, ends_at, purpose,
             state, proposed_by, proposed_at, everybody, needed, emergency, foreseen)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'proposed', $10, $11, $12, $13, $14, $15)",
    )
    .bind(new.id.as_str())
    .bind(new.agreement.as_str())
    .bind(new.product.as_str())
    .bind(new.versions.join("\n"))
    .bind(path_lines(&new.scope.includes))
    .bind(path_lines(&new.scope.excludes))
    .bind(new.window.from.micros())
    .bind(new.window.until.micros())
    .bind(new.purpose.as_str())
    .bind(new.proposed.by.as_str())
    .bind(new.proposed.at.micros())
    .bind(i64::from(new.readers == Readers::Everybody))
    .bind(new.needed)
    .bind(i64::from(new.emergency.is_some()))
    .bind(foreseen)
    .execute(&mut **tx)
    .await?;
    if let Readers::These(accounts) = &new.readers {
        for account in accounts {
            sqlx::query("INSERT INTO entitlement_people (entitlement_id, account_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(new.id.as_str())
                .bind(account.as_str())
                .execute(&mut **tx)
                .await?;
        }
    }
    Ok(())
}

/// Read inside the transaction that will change it, by itself: the update that does nothing makes another who wants to change it wait
/// until this one is done, where the database lets several write at once.
pub(in super::super) async fn load(tx: &mut Tx, id: &EntitlementId) -> Result<Option<Entitlement>, DatabaseError> {
    sqlx::query("UPDATE entitlements SET state = state WHERE id = $1").bind(id.as_str()).execute(&mut **tx).await?;
    let row = sqlx::query(AssertSqlSafe(format!("SELECT {GRANT} FROM entitlements e WHERE e.id = $1")));
    row.bind(id.as_str()).fetch_optional(&mut **tx).await?.as_ref().map(entitlement).transpose()
}

/// The name of a product, as entries of the log write it.
pub(super) async fn product_name(tx: &mut Tx, id: &ProductId) -> Result<String, DatabaseError> {
    let row = sqlx::query("SELECT name FROM products WHERE id = $1").bind(id.as_str()).fetch_one(&mut **tx).await?;
    Ok(row.try_get(0)?)
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

/// Saves the newest approval, and what it leads to; false when somebody else was quicker.
pub(super) async fn save_approval(tx: &mut Tx, changed: &Entitlement, before: usize) -> Result<bool, DatabaseError> {
    let Some(newest) = changed.approvals.get(before) else { return Ok(false) };
    sqlx::query("INSERT INTO entitlement_approvals (entitlement_id, approved_by, approved_at) VALUES ($1, $2, $3)")
        .bind(changed.id.as_str())
        .bind(newest.by.as_str())
        .bind(newest.at.micros())
        .execute(&mut **tx)
        .await?;
    save(tx, changed, "proposed").await
}

/// Whether somebody gave access alone that nobody has reviewed.
pub(super) async fn unreviewed_by(tx: &mut Tx, account: &AccountId) -> Result<bool, DatabaseError> {
    let row = sqlx::query("SELECT COUNT(*) FROM entitlements WHERE proposed_by = $1 AND emergency = 1 AND reviewed_at IS NULL")
        .bind(account.as_str())
        .fetch_one(&mut **tx)
        .await?;
    Ok(row.try_get::<i64, _>(0)? > 0)
}

/// False when there is nothing to review, or somebody has.
pub(super) async fn save_review(tx: &mut Tx, id: &EntitlementId, act: &Act, review: &str) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE entitlements SET reviewed_by = $2, reviewed_at = $3, review = $4 WHERE id = $1 AND emergency = 1 AND reviewed_at IS NULL",
    )
    .bind(id.as_str())
    .bind(act.by.as_str())
    .bind(act.at.micros())
    .bind(review.to_owned())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn lines_where(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT {GRANT}, p.name AS product_name, p.title AS product_title, g.reference AS agreement_reference,
             g.starts_at AS term_from, g.ends_at AS term_until, g.ended_at AS term_ended, y.name AS agency_name, y.id AS agency_id,
             who.name AS proposer, dec.name AS decider, rev.name AS revoker, chk.name AS reviewer, {} AS suspended, {} AS confirm_by
         FROM entitlements e JOIN products p ON p.id = e.product_id JOIN agreements g ON g.id = e.agreement_id
         JOIN agencies y ON y.id = g.agency_id JOIN accounts who ON who.id = e.proposed_by
         LEFT JOIN accounts dec ON dec.id = e.decided_by LEFT JOIN accounts rev ON rev.id = e.revoked_by
         LEFT JOIN accounts chk ON chk.id = e.reviewed_by {rest}",
        live_on("e.id, g.id, g.agency_id, e.product_id"),
        confirm_by("e.id")
    ))
}

fn read_line(row: &AnyRow) -> Result<Line, DatabaseError> {
    Ok(Line {
        entitlement: entitlement(row)?,
        product_name: row.try_get("product_name")?,
        product_title: row.try_get("product_title")?,
        agreement_reference: row.try_get("agreement_reference")?,
        agreement_term: Window { from: time(row, "term_from")?, until: time(row, "term_until")? },
        agreement_ended: optional_time(row, "term_ended")?,
        agency: AgencyId::known(row.try_get::<String, _>("agency_id")?),
        agency_name: row.try_get("agency_name")?,
        proposer: row.try_get("proposer")?,
        decider: row.try_get("decider")?,
        revoker: row.try_get("revoker")?,
        reviewer: row.try_get("reviewer")?,
        suspended: row.try_get::<i64, _>("suspended")? > 0,
        confirm_by: optional_time(row, "confirm_by")?,
        foreseen: match row.try_get::<Option<String>, _>("foreseen")? {
            Some(text) => Some(serde_json::from_str(&text).map_err(|_| damaged("a grant with figures that are none"))?),
            None => None,
        },
    })
}

pub(super) async fn list_all(database: &Database) -> Result<Vec<Line>, DatabaseError> {
    let rows = sqlx::query(lines_where("ORDER BY e.proposed_at DESC, e.id")).fetch_all(database.pool()).await?;
    rows.iter().map(read_line).collect()
}

/// Those of these ids, in any order.
pub(in super::super) async fn lines(database: &Database, ids: &[String]) -> Result<Vec<Line>, DatabaseError> {
    let rows = by_ids(database, ids, |list| lines_where(&format!("WHERE e.id IN ({list})"))).await?;
    rows.iter().map(read_line).collect()
}

pub(super) async fn line(database: &Database, id: &str) -> Result<Option<Line>, DatabaseError> {
    let row = sqlx::query(lines_where("WHERE e.id = $1")).bind(id.to_owned()).fetch_optional(database.pool()).await?;
    row.as_ref().map(read_line).transpose()
}

/// Every entitlement of the agreements that name this person and belong to the agency the person works for now. Where a second
/// administrator approved the person's nomination, the time of it does not matter; whom the command line named, or one administrator alone
/// in earlier versions, reads only what was approved afterwards, by somebody who could see who would read it.
pub(super) async fn held_by(database: &Database, account: &AccountId) -> Result<Vec<Held>, DatabaseError> {
    let text = AssertSqlSafe(format!(
        "SELECT {},
             (SELECT COUNT(*) FROM agreement_terms t WHERE t.agreement_id = g.id
                AND t.version = (SELECT MAX(x.version) FROM agreement_terms x WHERE x.agreement_id = g.id)
                AND NOT EXISTS (SELECT 1 FROM terms_accepted k
                                WHERE k.agreement_id = g.id AND k.version = t.version AND k.account_id = n.account_id)) AS terms_pending
         {}",
        held_columns(),
        held_where("n.account_id = $1")
    ));
    sqlx::query(text).bind(account.as_str()).fetch_all(database.pool()).await?.iter().map(held_row).collect()
}

/// The same of everybody whom an agreement names, by person: approved grants of one product. Whether terms were accepted is not looked at:
/// they count as pending, so that nothing is opened by what this gives.
pub(super) async fn held_under(
    database: &Database,
    agreement: &AgreementId,
    product: &ProductId,
) -> Result<Vec<(AccountId, Held)>, DatabaseError> {
    let named = "e.product_id = $2 AND e.state = 'approved'
        AND n.account_id IN (SELECT m.account_id FROM nominations m WHERE m.agreement_id = $1 AND m.state = 'approved')";
    // Each grant is loaded once, however many hold it.
    let pairs = AssertSqlSafe(format!("SELECT n.account_id AS reader, e.id AS grant_id {}", held_where(named)));
    let rows = sqlx::query(pairs).bind(agreement.as_str()).bind(product.as_str()).fetch_all(database.pool()).await?;
    let pairs: Vec<(String, String)> =
        rows.iter().map(|row| Ok((row.try_get("reader")?, row.try_get("grant_id")?))).collect::<Result<_, DatabaseError>>()?;
    let mut ids: Vec<String> = pairs.iter().map(|(_, grant)| grant.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut grants: HashMap<EntitlementId, Held> = HashMap::new();
    for chunk in ids.chunks(NAMED_AT_ONCE) {
        let rows = by_ids(database, chunk, |list| {
            AssertSqlSafe(format!(
                "SELECT {}, CAST(1 AS BIGINT) AS terms_pending FROM entitlements e JOIN agreements g ON g.id = e.agreement_id
                 JOIN products d ON d.id = e.product_id WHERE e.id IN ({list})",
                held_columns()
            ))
        })
        .await?;
        for row in &rows {
            let held = held_row(row)?;
            grants.insert(held.entitlement.id.clone(), held);
        }
    }
    let of = |grant: String| grants.get(&EntitlementId::known(grant)).cloned();
    Ok(pairs.into_iter().filter_map(|(reader, grant)| Some((AccountId::known(reader), of(grant)?))).collect())
}

/// What a query says of a grant and of what it stands under.
fn held_columns() -> String {
    format!(
        "{GRANT}, d.name AS product_name, g.starts_at AS term_from, g.ends_at AS term_until, g.ended_at AS term_ended, g.draft AS draft,
         g.addresses AS addresses, g.covers AS covers, {} AS suspended, {} AS confirm_by",
        live_on("e.id, g.id, g.agency_id, e.product_id"),
        confirm_by("e.id")
    )
}

/// Of whom, and what they hold, in order of both.
fn held_where(whose: &str) -> String {
    format!(
        "FROM nominations n JOIN accounts a ON a.id = n.account_id JOIN agreements g ON g.id = n.agreement_id
         JOIN entitlements e ON e.agreement_id = g.id JOIN products d ON d.id = e.product_id
         WHERE {whose} AND n.state = 'approved' AND g.agency_id = a.agency_id AND a.disabled_at IS NULL
           AND (n.decided_by IS NOT NULL OR e.decided_at IS NULL OR n.nominated_at <= e.decided_at)
           AND (e.everybody = 1 OR EXISTS (SELECT 1 FROM entitlement_people r WHERE r.entitlement_id = e.id AND r.account_id = n.account_id))
         ORDER BY n.account_id, e.id"
    )
}

fn held_row(row: &AnyRow) -> Result<Held, DatabaseError> {
    let network = |text: String| text.parse::<IpNet>().map_err(|_| damaged("an agreement with something that is no network"));
    Ok(Held {
        entitlement: entitlement(row)?,
        product: row.try_get("product_name")?,
        under: Under {
            term: Window { from: time(row, "term_from")?, until: time(row, "term_until")? },
            ended: optional_time(row, "term_ended")?,
            draft: flag(row, "draft")?,
            reach: Reach {
                addresses: texts(row, "addresses")?.into_iter().map(network).collect::<Result<_, _>>()?,
                covers: texts(row, "covers")?,
            },
            suspended: row.try_get::<i64, _>("suspended")? > 0,
            confirm_by: optional_time(row, "confirm_by")?,
            terms_pending: row.try_get::<i64, _>("terms_pending")? > 0,
        },
    })
}

const FROM: &str = "FROM entitlements e JOIN agreements g ON g.id = e.agreement_id";
const SEARCHED: Searched<'_> = Searched {
    columns: &["e.purpose", "e.versions", "e.includes", "e.excludes"],
    related: &[
        ("e.product_id IN (SELECT p.id FROM products p WHERE {})", &["p.title", "p.name"]),
        ("e.agreement_id IN (SELECT g.id FROM agreements g JOIN agencies y ON y.id = g.agency_id WHERE {})", &["y.name", "g.reference"]),
        ("e.proposed_by IN (SELECT w.id FROM accounts w WHERE {})", &["w.name"]),
    ],
};
const LIST: List<'_> = List {
    from: FROM,
    id: "e.id",
    column: "e.proposed_at",
    of: "(SELECT k.proposed_at FROM entitlements k WHERE k.id = {})",
    descending: true,
};
const BY_END: List<'_> =
    List { from: FROM, id: "e.id", column: "e.ends_at", of: "(SELECT k.ends_at FROM entitlements k WHERE k.id = {})", descending: false };

/// What [`Line::phase`] tells of a grant, as the database tells it.
fn meet(phase: Phase, conditions: &mut Conditions, now: Timestamp) {
    let stage = match phase {
        Phase::Proposed => "proposed",
        Phase::Refused => "refused",
        Phase::Revoked => "revoked",
        Phase::NotYet | Phase::InForce | Phase::Suspended | Phase::Lapsed | Phase::Ended => "approved",
    };
    conditions.and(format!("e.state = '{stage}'"));
    if stage != "approved" {
        return;
    }
    let now = conditions.number(now.micros());
    let over = format!("(e.ends_at <= {now} OR g.ends_at <= {now} OR (g.ended_at IS NOT NULL AND g.ended_at <= {now}))");
    let begun = format!("(e.starts_at <= {now} AND g.starts_at <= {now})");
    let suspended = suspends(&["e.id", "g.id", "g.agency_id", "e.product_id"]);
    let lapsed = lapsed_by("e.id", &now);
    conditions.and(match phase {
        Phase::Ended => over,
        Phase::Lapsed => format!("NOT {over} AND {lapsed}"),
        Phase::Suspended => format!("NOT {over} AND NOT {lapsed} AND {suspended}"),
        Phase::NotYet => format!("NOT {over} AND NOT {begun} AND NOT {lapsed} AND NOT {suspended}"),
        // What holds of the few agreements is asked once for each of them.
        _ => format!(
            "e.ends_at > {now} AND e.starts_at <= {now} AND NOT {lapsed} AND NOT {} AND e.agreement_id IN (SELECT k.id FROM agreements k
             WHERE k.ends_at > {now} AND k.starts_at <= {now} AND (k.ended_at IS NULL OR k.ended_at > {now}) AND NOT {})",
            suspends(&["e.id", "e.product_id"]),
            suspends(&["k.id", "k.agency_id"])
        ),
    });
}

fn conditions(filter: &GrantFilter, now: Timestamp) -> Conditions {
    let mut all = Conditions::default();
    if let Some(phase) = filter.phase {
        meet(phase, &mut all, now);
    }
    let texts = [
        ("g.agency_id =", filter.agency.as_ref().map(AgencyId::as_str)),
        ("e.agreement_id =", filter.agreement.as_ref().map(AgreementId::as_str)),
        ("e.proposed_by =", filter.by.as_ref().map(AccountId::as_str)),
        ("e.proposed_by <>", filter.not_by.as_ref().map(AccountId::as_str)),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            let value = all.text(value);
            all.and(format!("{condition} {value}"));
        }
    }
    if !filter.product.is_empty() {
        let name = all.text(&filter.product);
        all.and(format!("e.product_id IN (SELECT p.id FROM products p WHERE p.name = {name})"));
    }
    if let Some(end) = filter.ends_before {
        let end = all.number(end.micros());
        all.and(format!("e.ends_at < {end}"));
    }
    if filter.unreviewed {
        all.and("e.emergency = 1 AND e.reviewed_at IS NULL".to_owned());
    }
    all.words(&SEARCHED, &filter.words);
    all
}

/// The ids on a page of the grants.
pub(super) async fn page(database: &Database, filter: &GrantFilter, now: Timestamp, turn: &Turn) -> Result<Page<String>, DatabaseError> {
    let list = if filter.soonest_first { BY_END } else { LIST };
    list.page(database, &conditions(filter, now), turn).await
}

pub(super) async fn count(database: &Database, filter: &GrantFilter, now: Timestamp) -> Result<u64, DatabaseError> {
    conditions(filter, now).count(database, FROM).await
}

/// How many grants are in force for each value of a column of theirs or their agreement's.
pub(super) async fn in_force_by(database: &Database, column: &str, now: Timestamp) -> Result<Vec<(String, u64)>, DatabaseError> {
    let filter = GrantFilter { phase: Some(Phase::InForce), ..GrantFilter::default() };
    conditions(&filter, now).count_by(database, column, FROM).await
}
