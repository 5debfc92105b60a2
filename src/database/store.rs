//! All of a database as rows: read within one snapshot, written within one transaction.

use std::collections::BTreeSet;
use std::future::poll_fn;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row};

use super::dump::{Cell, DumpError, Table, Type};
use super::{Database, DatabaseError, Kind, Tx};

/// What sqlx keeps to know which migrations were run.
const MIGRATIONS: &str = "_sqlx_migrations";

/// One state of the whole database, whatever is committed meanwhile.
pub struct Snapshot {
    tx: sqlx::Transaction<'static, Any>,
    kind: Kind,
}

/// A transaction that puts all rows of the database in the place of those that are there.
pub struct Loading {
    tx: Tx,
    /// In the order in which they can be filled.
    tables: Vec<Table>,
    removed: u64,
}

impl Database {
    /// Takes a snapshot. It is of the instant of the first read in it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn snapshot(&self) -> Result<Snapshot, DatabaseError> {
        let begin = match self.kind {
            Kind::Sqlite => "BEGIN DEFERRED",
            Kind::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(Snapshot { tx: self.pool.begin_with(begin).await?, kind: self.kind })
    }

    /// Removes every row, in a transaction in which others are to take their place.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn load(&self) -> Result<Loading, DatabaseError> {
        let mut tx = self.begin().await?;
        let tables = tables(&mut tx, self.kind).await?;
        let mut removed = 0;
        for table in tables.iter().rev() {
            let sql = format!("DELETE FROM \"{}\"", table.name);
            removed += sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?.rows_affected();
        }
        Ok(Loading { tx, tables, removed })
    }
}

impl Snapshot {
    /// For reads of a room's own within the snapshot.
    pub fn connection(&mut self) -> &mut AnyConnection {
        &mut self.tx
    }

    /// All tables, each behind those that it refers to.
    ///
    /// # Errors
    /// When the database does not answer, or a table holds what cannot be carried over.
    pub async fn tables(&mut self) -> Result<Vec<Table>, DatabaseError> {
        tables(&mut self.tx, self.kind).await
    }

    /// Hands the rows of a table over, one by one, by their first column. Returns how many there were.
    ///
    /// # Errors
    /// When the database does not answer, a row is not of the table's types, or `take` fails.
    pub async fn rows(
        &mut self,
        table: &Table,
        take: &mut (dyn FnMut(&[Cell]) -> Result<(), DumpError> + Send),
    ) -> Result<u64, DatabaseError> {
        let columns = names(table);
        let first = table.columns.first().map_or("1", |(name, _)| name);
        let sql = format!("SELECT {columns} FROM \"{}\" ORDER BY \"{first}\"", table.name);
        let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut *self.tx);
        let mut count = 0;
        while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
            take(&cells(&row?, table)?)?;
            count += 1;
        }
        Ok(count)
    }
}

impl Loading {
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// How many rows were there.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.removed
    }

    /// For reads of a room's own of what was loaded.
    pub fn connection(&mut self) -> &mut AnyConnection {
        &mut self.tx
    }

    /// Adds rows to a table: a few at a time, for they all travel in one statement.
    ///
    /// # Errors
    /// When the database refuses them.
    pub async fn insert(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), DatabaseError> {
        if rows.is_empty() {
            return Ok(());
        }
        let width = table.columns.len();
        let mut sql = format!("INSERT INTO \"{}\" ({}) VALUES ", table.name, names(table));
        for row in 0..rows.len() {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 1..=width {
                sql += &format!("{}${}", if column == 1 { "" } else { ", " }, row * width + column);
            }
            sql.push(')');
        }
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for row in rows {
            for (cell, (_, kind)) in row.iter().zip(&table.columns) {
                query = match (cell, kind) {
                    (Cell::Null, Type::Integer) => query.bind(None::<i64>),
                    (Cell::Null, Type::Text) => query.bind(None::<String>),
                    (Cell::Null, Type::Bytes) => query.bind(None::<Vec<u8>>),
                    (Cell::Integer(number), _) => query.bind(*number),
                    (Cell::Text(text), _) => query.bind(text.clone()),
                    (Cell::Bytes(bytes), _) => query.bind(bytes.clone()),
                };
            }
        }
        query.execute(&mut *self.tx).await?;
        Ok(())
    }

    /// # Errors
    /// When it was not committed, or nobody can tell.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        Ok(self.tx.commit().await?)
    }
}

async fn tables(on: &mut AnyConnection, kind: Kind) -> Result<Vec<Table>, DatabaseError> {
    let (tables, columns, references) = match kind {
        Kind::Sqlite => (
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name",
            "SELECT name, type FROM pragma_table_info($1) ORDER BY cid",
            "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1)",
        ),
        Kind::Postgres => (
            "SELECT table_name::text FROM information_schema.tables
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name",
            "SELECT column_name::text, data_type::text FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
            "SELECT DISTINCT other.relname::text FROM pg_constraint
             JOIN pg_class own ON own.oid = conrelid JOIN pg_class other ON other.oid = confrelid
             JOIN pg_namespace space ON space.oid = own.relnamespace
             WHERE contype = 'f' AND space.nspname = current_schema() AND own.relname = $1",
        ),
    };
    let mut waiting = Vec::new();
    for row in sqlx::query(tables).fetch_all(&mut *on).await? {
        let name: String = row.try_get(0)?;
        if name == MIGRATIONS {
            continue;
        }
        let mut found = Vec::new();
        for row in sqlx::query(columns).bind(name.clone()).fetch_all(&mut *on).await? {
            let declared: String = row.try_get(1)?;
            let kind = Type::parse(&declared).ok_or_else(|| DumpError::Column { table: name.clone(), found: declared })?;
            found.push((row.try_get(0)?, kind));
        }
        let mut needs = BTreeSet::new();
        for row in sqlx::query(references).bind(name.clone()).fetch_all(&mut *on).await? {
            needs.insert(row.try_get::<String, _>(0)?);
        }
        needs.remove(&name);
        waiting.push((Table { name, columns: found }, needs));
    }
    Ok(in_order(waiting)?)
}

/// Each table behind those that it needs.
fn in_order(mut waiting: Vec<(Table, BTreeSet<String>)>) -> Result<Vec<Table>, DumpError> {
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let there: BTreeSet<String> = ordered.iter().map(|table| table.name.clone()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, needs)| needs.is_subset(&there));
        if ready.is_empty() {
            return Err(DumpError::Circle(rest.into_iter().map(|(table, _)| table.name).collect::<Vec<_>>().join(", ")));
        }
        ordered.extend(ready.into_iter().map(|(table, _)| table));
        waiting = rest;
    }
    Ok(ordered)
}

fn names(table: &Table) -> String {
    table.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

fn cells(row: &AnyRow, table: &Table) -> Result<Vec<Cell>, sqlx::Error> {
    let cell = |(at, (_, kind)): (usize, &(String, Type))| {
        let cell = match kind {
            Type::Integer => row.try_get::<Option<i64>, _>(at)?.map(Cell::Integer),
            Type::Text => row.try_get::<Option<String>, _>(at)?.map(Cell::Text),
            Type::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Cell::Bytes),
        };
        Ok(cell.unwrap_or(Cell::Null))
    };
    table.columns.iter().enumerate().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, needs: &[&str]) -> (Table, BTreeSet<String>) {
        (Table { name: name.to_owned(), columns: Vec::new() }, needs.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_table_comes_after_those_that_it_refers_to() {
        let ordered = in_order(vec![table("a", &["b", "c"]), table("b", &["c"]), table("c", &[]), table("d", &[])]).unwrap();
        let names: Vec<_> = ordered.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["c", "d", "b", "a"]);
        let error = in_order(vec![table("a", &["b"]), table("b", &["a"]), table("c", &[])]).unwrap_err();
        assert_eq!(error.to_string(), "the tables a, b refer to each other in a circle, so that none can be filled first");
    }
}
