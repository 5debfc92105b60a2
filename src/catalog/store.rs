//! Products and versions in the database.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{
    Act, Arrival, CatalogError, Every, Kept, Life, NewVersion, Pin, Product, Purpose, Settings, Signature, Standing, Verdict, Version,
};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{AccountId, ProductId, VersionId};

fn product(row: &AnyRow) -> Result<Product, DatabaseError> {
    let lines = |text: String| text.lines().map(str::to_owned).collect();
    Ok(Product {
        id: ProductId::known(row.try_get::<String, _>("id")?),
        name: row.try_get("name")?,
        title: row.try_get("title")?,
        source: row.try_get("source")?,
        tags: lines(row.try_get("tags")?),
        branches: lines(row.try_get("branches")?),
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        synced_at: row.try_get::<Option<i64>, _>("synced_at")?.map(Timestamp::from_micros),
        problem: row.try_get("problem")?,
        scheduled_at: row.try_get::<Option<i64>, _>("scheduled_at")?.map(Timestamp::from_micros),
        settings: settings_of(row)?,
    })
}

fn settings_of(row: &AnyRow) -> Result<Settings, DatabaseError> {
    let every = u64::try_from(row.try_get::<i64, _>("sync_every")?).unwrap_or(0);
    Ok(Settings {
        arrival: if row.try_get::<i64, _>("quarantine")? == 0 { Arrival::Published } else { Arrival::Quarantined },
        every: Every::minutes(every / 60),
        signers: row.try_get("signers")?,
    })
}

/// Versions with the names of who acted on them.
macro_rules! versions {
    ($rest:literal) => {
        concat!(
            "SELECT v.*, a.name AS asker, d.name AS decider, k.name AS acknowledger FROM versions v
             LEFT JOIN accounts a ON a.id = v.asked_by LEFT JOIN accounts d ON d.id = v.decided_by
             LEFT JOIN accounts k ON k.id = v.acknowledged_by ",
            $rest
        )
    };
}

fn version(row: &AnyRow) -> Result<Version, DatabaseError> {
    Ok(Version {
        id: VersionId::known(row.try_get::<String, _>("id")?),
        product: ProductId::known(row.try_get::<String, _>("product_id")?),
        name: row.try_get("name")?,
        reference: row.try_get("ref")?,
        commit: row.try_get("commit_id")?,
        tag: row.try_get("tag_id")?,
        signature: Signature::parse(&row.try_get::<String, _>("signature")?),
        verdict: Verdict::of(&row.try_get::<String, _>("verdict")?, row.try_get("signer")?),
        authored_at: Timestamp::from_micros(row.try_get("authored_at")?),
        published_at: Timestamp::from_micros(row.try_get("published_at")?),
        life: Life {
            // A standing of a later version of this program must not open anything.
            standing: Standing::parse(&row.try_get::<String, _>("standing")?).unwrap_or(Standing::Withdrawn),
            asked: act(row, ["asked_at", "asked_by", "asker", "ask_reason"])?,
            decided: act(row, ["decided_at", "decided_by", "decider", "decide_reason"])?,
        },
        moved_to: row.try_get("moved_to")?,
        moved_at: row.try_get::<Option<i64>, _>("moved_at")?.map(Timestamp::from_micros),
        acknowledged: act(row, ["acknowledged_at", "acknowledged_by", "acknowledger", "acknowledge_reason"])?,
    })
}

/// What an administrator did, where its time is set.
fn act(row: &AnyRow, [at, by, name, reason]: [&str; 4]) -> Result<Option<Act>, DatabaseError> {
    let Some(at) = row.try_get::<Option<i64>, _>(at)? else { return Ok(None) };
    Ok(Some(Act {
        by: row.try_get::<Option<String>, _>(by)?.map(AccountId::known),
        name: row.try_get(name)?,
        at: Timestamp::from_micros(at),
        reason: row.try_get::<Option<String>, _>(reason)?.unwrap_or_default(),
    }))
}

pub(super) async fn insert_product(tx: &mut Tx, product: &Product) -> Result<(), CatalogError> {
    let done =
        sqlx::query("INSERT INTO products (id, name, title, source, tags, branches, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(product.id.as_str())
            .bind(product.name.as_str())
            .bind(product.title.as_str())
            .bind(product.source.as_str())
            .bind(product.tags.join("\n"))
            .bind(product.branches.join("\n"))
            .bind(product.created_at.micros())
            .execute(&mut **tx)
            .await;
    match done {
        Ok(_) => Ok(()),
        Err(error) if violates_unique(&error, "products", "name") => Err(CatalogError::NameTaken(product.name.clone())),
        Err(error) => Err(DatabaseError::from(error).into()),
    }
}

pub(super) async fn products(database: &Database) -> Result<Vec<Product>, DatabaseError> {
    let rows = sqlx::query("SELECT * FROM products ORDER BY name").fetch_all(database.pool()).await?;
    rows.iter().map(product).collect()
}

/// By id or by name.
pub(super) async fn find_product(database: &Database, key: &str) -> Result<Option<Product>, DatabaseError> {
    let row = sqlx::query("SELECT * FROM products WHERE name = $1 OR id = $1").bind(key.to_owned()).fetch_optional(database.pool()).await?;
    row.as_ref().map(product).transpose()
}

/// Newest first.
pub(super) async fn versions(database: &Database, of: &ProductId) -> Result<Vec<Version>, DatabaseError> {
    let rows =
        sqlx::query(versions!("WHERE v.product_id = $1 ORDER BY v.rank, v.name")).bind(of.as_str()).fetch_all(database.pool()).await?;
    rows.iter().map(version).collect()
}

/// What is published, newest first. In one row, since each row costs more than all that is in it.
pub(super) async fn pins(database: &Database, of: &ProductId) -> Result<Vec<Pin>, DatabaseError> {
    // Neither a name nor a commit has a space or a comma in it.
    let sql = "SELECT string_agg(CAST(rank AS TEXT) || ' ' || name || ' ' || commit_id, ',') AS pins FROM versions
         WHERE product_id = $1 AND standing = 'published'";
    let row = sqlx::query(sql).bind(of.as_str()).fetch_one(database.pool()).await?;
    let text: Option<String> = row.try_get("pins")?;
    let mut pins: Vec<(i64, Pin)> = text.iter().flat_map(|text| text.split(',')).filter_map(pin).collect();
    pins.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)));
    Ok(pins.into_iter().map(|(_, pin)| pin).collect())
}

fn pin(text: &str) -> Option<(i64, Pin)> {
    let mut parts = text.split(' ');
    let rank = parts.next()?.parse().ok()?;
    Some((rank, Pin { name: parts.next()?.to_owned(), commit: parts.next()?.to_owned() }))
}

/// A published version by its product's name and its own, in one query whether or not either is there.
pub(super) async fn locate(database: &Database, product: &str, name: &str) -> Result<Option<Version>, DatabaseError> {
    let row =
        sqlx::query(versions!("JOIN products p ON p.id = v.product_id WHERE p.name = $1 AND v.name = $2 AND v.standing = 'published'"))
            .bind(product.to_owned())
            .bind(name.to_owned())
            .fetch_optional(database.pool())
            .await?;
    row.as_ref().map(version).transpose()
}

/// False when the product has a version of this name already.
pub(super) async fn insert_version(
    tx: &mut Tx,
    id: &VersionId,
    product: &ProductId,
    new: &NewVersion,
    (standing, now): (Standing, Timestamp),
) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO versions (id, product_id, name, ref, commit_id, tag_id, signature, authored_at, published_at, rank, standing, verdict, signer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $12) ON CONFLICT (product_id, name) DO NOTHING",
    )
    .bind(id.as_str())
    .bind(product.as_str())
    .bind(new.name.as_str())
    .bind(new.reference.as_str())
    .bind(new.commit.as_str())
    .bind(new.tag.clone())
    .bind(new.signature.as_str())
    .bind(new.authored_at.micros())
    .bind(now.micros())
    .bind(standing.as_str())
    .bind(new.verdict.parts().0)
    .bind(new.verdict.parts().1.map(str::to_owned))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A version whatever its standing, with its product's name.
pub(super) async fn load(tx: &mut Tx, id: &VersionId) -> Result<Option<(Version, String)>, DatabaseError> {
    let row = sqlx::query(versions!("WHERE v.id = $1")).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    let Some(row) = row else { return Ok(None) };
    let version = version(&row)?;
    let row = sqlx::query("SELECT name FROM products WHERE id = $1").bind(version.product.as_str()).fetch_one(&mut **tx).await?;
    Ok(Some((version, row.try_get("name")?)))
}

/// False when its life is not any more what it was, since somebody else acted meanwhile.
pub(super) async fn save_life(tx: &mut Tx, version: &Version, after: &Life, published_at: Timestamp) -> Result<bool, DatabaseError> {
    let (asked, decided) = (after.asked.as_ref(), after.decided.as_ref());
    let by = |act: Option<&Act>| act.and_then(|act| act.by.as_ref()).map(|by| by.as_str().to_owned());
    let reason = |act: Option<&Act>| act.map(|act| act.reason.clone());
    let done = sqlx::query(
        "UPDATE versions SET standing = $2, asked_by = $3, asked_at = $4, ask_reason = $5, decided_by = $6, decided_at = $7,
         decide_reason = $8, published_at = $9 WHERE id = $1 AND standing = $10 AND COALESCE(asked_by, '') = $11",
    )
    .bind(version.id.as_str())
    .bind(after.standing.as_str())
    .bind(by(asked))
    .bind(asked.map(|act| act.at.micros()))
    .bind(reason(asked))
    .bind(by(decided))
    .bind(decided.map(|act| act.at.micros()))
    .bind(reason(decided))
    .bind(published_at.micros())
    .bind(version.life.standing.as_str())
    .bind(by(version.life.asked.as_ref()).unwrap_or_default())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether two accounts were opened from the same beginning, so that what both agree to is one person's word.
pub(super) async fn one_hand(tx: &mut Tx, one: &AccountId, other: &AccountId) -> Result<bool, DatabaseError> {
    let row = sqlx::query("SELECT COUNT(DISTINCT lineage) FROM accounts WHERE id IN ($1, $2)")
        .bind(one.as_str())
        .bind(other.as_str())
        .fetch_one(&mut **tx)
        .await?;
    Ok(row.try_get::<i64, _>(0)? < 2)
}

/// A product's settings, locked until the transaction ends.
pub(super) async fn settings(tx: &mut Tx, product: &ProductId) -> Result<Option<Settings>, DatabaseError> {
    // Writing a row as it is locks it on either database.
    let row = sqlx::query("UPDATE products SET quarantine = quarantine WHERE id = $1 RETURNING quarantine, sync_every, signers")
        .bind(product.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(settings_of).transpose()
}

pub(super) async fn save_settings(tx: &mut Tx, product: &ProductId, settings: &Settings) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE products SET quarantine = $2, sync_every = $3, signers = $4 WHERE id = $1")
        .bind(product.as_str())
        .bind(i64::from(settings.arrival == Arrival::Quarantined))
        .bind(settings.every.map_or(0, |every| i64::try_from(every.span().as_secs()).unwrap_or(0)))
        .bind(settings.signers.clone())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes that a synchronisation is asked for now. False when none is due any more, since another process has asked.
pub(super) async fn take_turn(tx: &mut Tx, product: &ProductId, now: Timestamp, due_before: Timestamp) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE products SET scheduled_at = $2
         WHERE id = $1 AND sync_every > 0 AND COALESCE(scheduled_at, 0) <= $3 AND COALESCE(synced_at, 0) <= $3",
    )
    .bind(product.as_str())
    .bind(now.micros())
    .bind(due_before.micros())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether nothing is sealed yet.
pub(super) async fn nothing_sealed(tx: &mut Tx) -> Result<bool, DatabaseError> {
    let row = sqlx::query("SELECT COUNT(*) FROM mirror_secrets").fetch_one(&mut **tx).await?;
    Ok(row.try_get::<i64, _>(0)? == 0)
}

/// What is told of a secret.
pub(super) async fn kept(database: &Database, product: &ProductId, purpose: Purpose) -> Result<Option<Kept>, DatabaseError> {
    let row = sqlx::query(
        "SELECT s.told, s.set_at, a.name FROM mirror_secrets s LEFT JOIN accounts a ON a.id = s.set_by
         WHERE s.product_id = $1 AND s.purpose = $2",
    )
    .bind(product.as_str())
    .bind(purpose.as_str())
    .fetch_optional(database.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Kept { told: row.try_get("told")?, at: Timestamp::from_micros(row.try_get("set_at")?), by: row.try_get("name")? }))
}

/// A secret as it is sealed, and its product's id, in one query whether or not either is there.
pub(super) async fn sealed(database: &Database, product: &str, purpose: Purpose) -> Result<Option<(ProductId, Vec<u8>)>, DatabaseError> {
    let row = sqlx::query(
        "SELECT s.product_id, s.sealed FROM mirror_secrets s JOIN products p ON p.id = s.product_id WHERE p.name = $1 AND s.purpose = $2",
    )
    .bind(product.to_owned())
    .bind(purpose.as_str())
    .fetch_optional(database.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((ProductId::known(row.try_get::<String, _>("product_id")?), row.try_get("sealed")?)))
}

/// What was told of a secret that is removed or replaced; none when there was none.
pub(super) async fn remove_secret(tx: &mut Tx, product: &ProductId, purpose: Purpose) -> Result<Option<String>, DatabaseError> {
    let row = sqlx::query("DELETE FROM mirror_secrets WHERE product_id = $1 AND purpose = $2 RETURNING told")
        .bind(product.as_str())
        .bind(purpose.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get("told")).transpose()?)
}

pub(super) async fn insert_secret(
    tx: &mut Tx,
    (product, purpose): (&ProductId, Purpose),
    (sealed, told): (Vec<u8>, &str),
    (by, at): (Option<&AccountId>, Timestamp),
) -> Result<(), DatabaseError> {
    sqlx::query("INSERT INTO mirror_secrets (product_id, purpose, sealed, told, set_at, set_by) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(product.as_str())
        .bind(purpose.as_str())
        .bind(sealed)
        .bind(told.to_owned())
        .bind(at.micros())
        .bind(by.map(|by| by.as_str().to_owned()))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes the order of a product's versions, newest first.
pub(super) async fn rank(tx: &mut Tx, product: &ProductId, names: &[String]) -> Result<(), DatabaseError> {
    for (rank, name) in (0_i64..).zip(names) {
        sqlx::query("UPDATE versions SET rank = $3 WHERE product_id = $1 AND name = $2 AND rank <> $3")
            .bind(product.as_str())
            .bind(name.as_str())
            .bind(rank)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// False when that move was noted before.
pub(super) async fn note_move(tx: &mut Tx, version: &VersionId, to: &str, now: Timestamp) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE versions SET moved_to = $2, moved_at = $3, acknowledged_by = NULL, acknowledged_at = NULL, acknowledge_reason = NULL
         WHERE id = $1 AND (moved_to IS NULL OR moved_to <> $2)",
    )
    .bind(version.as_str())
    .bind(to.to_owned())
    .bind(now.micros())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// False when it does not point there any more, or somebody else has acknowledged it.
pub(super) async fn acknowledge(tx: &mut Tx, version: &VersionId, moved_to: &str, act: &Act) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "UPDATE versions SET acknowledged_by = $3, acknowledged_at = $4, acknowledge_reason = $5
         WHERE id = $1 AND moved_to = $2 AND acknowledged_at IS NULL",
    )
    .bind(version.as_str())
    .bind(moved_to.to_owned())
    .bind(act.by.as_ref().map(|by| by.as_str().to_owned()))
    .bind(act.at.micros())
    .bind(act.reason.clone())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn note_verdict(tx: &mut Tx, version: &VersionId, verdict: &Verdict) -> Result<(), DatabaseError> {
    let (word, about) = verdict.parts();
    sqlx::query("UPDATE versions SET verdict = $2, signer = $3 WHERE id = $1")
        .bind(version.as_str())
        .bind(word)
        .bind(about.map(str::to_owned))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn note_sync(tx: &mut Tx, product: &ProductId, now: Timestamp) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE products SET synced_at = $2, problem = NULL WHERE id = $1")
        .bind(product.as_str())
        .bind(now.micros())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn note_problem(database: &Database, product: &ProductId, problem: &str) -> Result<(), DatabaseError> {
    database.execute(sqlx::query("UPDATE products SET problem = $2 WHERE id = $1").bind(product.as_str()).bind(problem.to_owned())).await?;
    Ok(())
}

pub(super) async fn set_origin(database: &Database, product: &ProductId, source: &str, branches: &str) -> Result<(), DatabaseError> {
    database
        .execute(
            sqlx::query("UPDATE products SET source = $2, branches = $3 WHERE id = $1")
                .bind(product.as_str())
                .bind(source.to_owned())
                .bind(branches.to_owned()),
        )
        .await?;
    Ok(())
}
