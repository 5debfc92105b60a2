//! Products and versions in the database.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{CatalogError, NewVersion, Product, Signature, Version};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Tx, violates_unique};
use crate::ids::{ProductId, VersionId};

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
    })
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
        authored_at: Timestamp::from_micros(row.try_get("authored_at")?),
        published_at: Timestamp::from_micros(row.try_get("published_at")?),
        moved_to: row.try_get("moved_to")?,
        moved_at: row.try_get::<Option<i64>, _>("moved_at")?.map(Timestamp::from_micros),
    })
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
    let rows = sqlx::query("SELECT * FROM versions WHERE product_id = $1 ORDER BY rank, name")
        .bind(of.as_str())
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(version).collect()
}

/// A version by its product's name and its own, in one query whether or not either is there.
pub(super) async fn locate(database: &Database, product: &str, name: &str) -> Result<Option<Version>, DatabaseError> {
    let row = sqlx::query("SELECT v.* FROM versions v JOIN products p ON p.id = v.product_id WHERE p.name = $1 AND v.name = $2")
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
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO versions (id, product_id, name, ref, commit_id, tag_id, signature, authored_at, published_at, rank)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0) ON CONFLICT (product_id, name) DO NOTHING",
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
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
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
    let done = sqlx::query("UPDATE versions SET moved_to = $2, moved_at = $3 WHERE id = $1 AND (moved_to IS NULL OR moved_to <> $2)")
        .bind(version.as_str())
        .bind(to.to_owned())
        .bind(now.micros())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
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
