//! The log's SQL, one text for SQLite and PostgreSQL. Nothing here decides anything.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Connection as _, Row, Transaction};

use super::event::Sealed;
use super::merkle::{Frontier, Hash};
use crate::database::{Database, DatabaseError, Kind, Tx};

/// The row that says how large the tree is; whether it tells the truth is for others to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) root: Vec<u8>,
    pub(super) frontier: Vec<u8>,
}

impl Head {
    pub(super) fn of(frontier: &Frontier) -> Self {
        Self { size: frontier.size(), root: frontier.root().to_vec(), frontier: frontier.to_bytes() }
    }
}

/// An entry as it is stored.
pub(super) struct Stored {
    pub(super) index: u64,
    pub(super) leaf: Vec<u8>,
    pub(super) entry: Vec<u8>,
    pub(super) personal: Option<String>,
}

/// A node of `log_tree`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeNode {
    pub(super) level: u32,
    pub(super) n: u64,
    pub(super) hash: Vec<u8>,
}

/// A connection to read in: a transaction's, or one from [`reader`].
pub(super) type Connection = AnyConnection;

type Result<T> = std::result::Result<T, DatabaseError>;

/// Makes the head of an empty log, when there is none.
pub(super) async fn create_head(database: &Database) -> Result<()> {
    let empty = Head::of(&Frontier::new());
    database
        .execute(
            sqlx::query("INSERT INTO log_head (id, size, root, frontier) VALUES (1, 0, $1, $2) ON CONFLICT (id) DO NOTHING")
                .bind(empty.root)
                .bind(empty.frontier),
        )
        .await?;
    Ok(())
}

/// The head as it is committed.
pub(super) async fn head(database: &Database) -> Result<Head> {
    head_on(&mut *reader(database).await?).await
}

/// As [`head`], as it is seen in a transaction.
pub(super) async fn head_on(on: &mut Connection) -> Result<Head> {
    let row = sqlx::query("SELECT size, root, frontier FROM log_head WHERE id = 1").fetch_one(on).await?;
    to_head(&row)
}

/// A connection that only the sequencer has, so that it never waits for those who read.
pub(super) struct Writer {
    connection: Option<AnyConnection>,
    begin: &'static str,
    /// When it was last seen to be alive.
    alive: Option<Instant>,
}

/// How long after its last transaction a connection is taken for alive. One that was lost sooner suspends the log for a moment.
const FRESH: Duration = Duration::from_secs(1);

impl Writer {
    pub(super) fn new(database: &Database) -> Self {
        let begin = match database.kind() {
            // Takes the write lock at once.
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => "BEGIN",
        };
        Self { connection: None, begin, alive: None }
    }

    /// Begins a transaction. A connection that was lost while nobody wrote is replaced: nothing was sent on it yet.
    pub(super) async fn begin(&mut self, database: &Database) -> Result<Transaction<'_, Any>> {
        let begin = self.begin;
        let alive = match &mut self.connection {
            Some(_) if self.alive.is_some_and(|seen| seen.elapsed() < FRESH) => true,
            Some(connection) => connection.ping().await.is_ok(),
            None => false,
        };
        self.alive = Some(Instant::now());
        if !alive {
            self.connection = Some(database.pool().acquire().await?.detach());
        }
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok(connection.begin_with(begin).await?)
    }

    /// Gives the connection up, in whatever state it is.
    pub(super) fn abandon(&mut self) {
        self.connection = None;
    }
}

/// The head, locked until the transaction ends: on SQLite all of the database is, from the beginning of one that writes.
pub(super) async fn lock_head(tx: &mut Connection) -> Result<Head> {
    if is_sqlite(tx) {
        return head_on(tx).await;
    }
    let sql = "SELECT size, root, frontier FROM log_head WHERE id = 1 FOR UPDATE";
    to_head(&sqlx::query(sql).fetch_one(tx).await?)
}

/// Moves the head from `old` to `new`, and locks it as [`lock_head`] does. Whether it was at `old`; nothing is changed otherwise.
pub(super) async fn move_head(tx: &mut Connection, old: &Frontier, new: &Frontier) -> Result<bool> {
    let (old, new) = (Head::of(old), Head::of(new));
    let sql = "UPDATE log_head SET size = $1, root = $2, frontier = $3 WHERE id = 1 AND size = $4 AND root = $5 AND frontier = $6";
    let query = sqlx::query(sql).bind(signed(new.size)).bind(new.root).bind(new.frontier);
    let query = query.bind(signed(old.size)).bind(old.root).bind(old.frontier);
    Ok(query.execute(tx).await?.rows_affected() == 1)
}

pub(super) async fn commit(tx: Tx) -> Result<()> {
    Ok(tx.commit().await?)
}

/// As [`commit`], for a transaction of the [`Writer`].
pub(super) async fn commit_group(tx: Transaction<'_, Any>) -> Result<()> {
    Ok(tx.commit().await?)
}

/// Closes the connections that nobody is using, so that the next one is new.
pub(super) async fn drop_idle(database: &Database) {
    for _ in 0..database.pool().num_idle() {
        let Some(connection) = database.pool().try_acquire() else { break };
        // A connection that cannot even be closed is gone, too.
        let _ = connection.close().await;
    }
}

pub(super) async fn insert_entries(tx: &mut Connection, first: u64, entries: &[Sealed]) -> Result<()> {
    let mut index = first;
    for chunk in chunks(entries) {
        let mut query = sqlx::query(AssertSqlSafe(insert(tx, "log_entries", "idx, leaf, entry, personal", 4, chunk.len())));
        for Sealed { leaf, entry, beside } in chunk {
            query = query.bind(signed(index)).bind(leaf.as_slice()).bind(entry.as_slice()).bind(beside.as_deref());
            index += 1;
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

pub(super) async fn insert_nodes(tx: &mut Connection, nodes: &[(u32, u64, Hash)]) -> Result<()> {
    for chunk in chunks(nodes) {
        let mut query = sqlx::query(AssertSqlSafe(insert(tx, "log_tree", "level, n, hash", 3, chunk.len())));
        for (level, n, hash) in chunk {
            query = query.bind(i64::from(*level)).bind(signed(*n)).bind(hash.to_vec());
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// Entries `from..to` in order, `most` at the most.
pub(super) async fn entries(on: &mut Connection, from: u64, to: u64, most: u64) -> Result<Vec<Stored>> {
    let to = to.min(from.saturating_add(most));
    let rows = sqlx::query("SELECT idx, leaf, entry, personal FROM log_entries WHERE idx >= $1 AND idx < $2 ORDER BY idx")
        .bind(signed(from))
        .bind(signed(to))
        .fetch_all(on)
        .await?;
    rows.iter().map(to_stored).collect()
}

/// A connection for [`entries`], when there is no transaction to read in.
pub(super) async fn reader(database: &Database) -> Result<sqlx::pool::PoolConnection<Any>> {
    Ok(database.pool().acquire().await?)
}

/// The leaf hashes `from..to` in order.
pub(super) async fn leaves(database: &Database, from: u64, to: u64) -> Result<Vec<Vec<u8>>> {
    let rows = sqlx::query("SELECT leaf FROM log_entries WHERE idx >= $1 AND idx < $2 ORDER BY idx")
        .bind(signed(from))
        .bind(signed(to))
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(|r| Ok(r.try_get(0)?)).collect()
}

/// The nodes `from..to` of a level of `log_tree`, in order.
pub(super) async fn nodes(database: &Database, level: u32, from: u64, to: u64) -> Result<Vec<TreeNode>> {
    nodes_on(&mut *reader(database).await?, level, from, to).await
}

/// As [`nodes`], as they are seen in a transaction.
pub(super) async fn nodes_on(on: &mut Connection, level: u32, from: u64, to: u64) -> Result<Vec<TreeNode>> {
    let rows = sqlx::query("SELECT level, n, hash FROM log_tree WHERE level = $1 AND n >= $2 AND n < $3 ORDER BY n")
        .bind(i64::from(level))
        .bind(signed(from))
        .bind(signed(to))
        .fetch_all(on)
        .await?;
    rows.iter()
        .map(|r| {
            Ok(TreeNode {
                level: u32::try_from(r.try_get::<i64, _>(0)?).unwrap_or(u32::MAX),
                n: unsigned(r.try_get(1)?),
                hash: r.try_get(2)?,
            })
        })
        .collect()
}

/// How many nodes each level has, and the number of its last one.
pub(super) async fn levels(on: &mut Connection) -> Result<Vec<(u32, u64, u64)>> {
    let rows = sqlx::query("SELECT level, COUNT(*), MAX(n) FROM log_tree GROUP BY level ORDER BY level").fetch_all(on).await?;
    rows.iter()
        .map(|r| {
            let level = u32::try_from(r.try_get::<i64, _>(0)?).unwrap_or(u32::MAX);
            Ok((level, unsigned(r.try_get(1)?), unsigned(r.try_get(2)?)))
        })
        .collect()
}

/// The index of the last entry there is.
pub(super) async fn last_index(on: &mut Connection) -> Result<Option<u64>> {
    let row = sqlx::query("SELECT MAX(idx) FROM log_entries").fetch_one(on).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(unsigned))
}

/// Erases the personal part of the entries `from..to` that are older than `before`, in microseconds; returns how many had one.
pub(super) async fn erase(tx: &mut Connection, from: u64, to: u64, before: i64) -> Result<u64> {
    let sql = "UPDATE log_entries SET personal = NULL WHERE idx >= $1 AND idx < $2 AND personal IS NOT NULL \
               AND idx IN (SELECT l.idx FROM log_listing l WHERE l.at < $3)";
    let query = sqlx::query(sql).bind(signed(from)).bind(signed(to)).bind(before);
    Ok(query.execute(tx).await?.rows_affected())
}

fn to_head(row: &AnyRow) -> Result<Head> {
    Ok(Head { size: unsigned(row.try_get(0)?), root: row.try_get(1)?, frontier: row.try_get(2)? })
}

pub(super) fn to_stored(row: &AnyRow) -> Result<Stored> {
    Ok(Stored { index: unsigned(row.try_get(0)?), leaf: row.try_get(1)?, entry: row.try_get(2)?, personal: row.try_get(3)? })
}

/// PostgreSQL takes no NUL in a text. The entry itself has it, written as `\u0000`.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// `INSERT INTO table (columns) VALUES ($1, …), …` for this many rows. SQLite gets nameless placeholders: it looks the name of each
/// one up among all others, which is most of the work when they are many.
pub(super) fn insert(on: &Connection, table: &str, columns: &str, width: usize, rows: usize) -> String {
    let nameless = is_sqlite(on);
    let mut sql = format!("INSERT INTO {table} ({columns}) VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=width {
            sql += if column == 1 { "" } else { ", " };
            if nameless {
                sql.push('?');
            } else {
                // A text takes all that is written to it.
                let _ = write!(sql, "${}", row * width + column);
            }
        }
        sql.push(')');
    }
    sql
}

fn is_sqlite(on: &Connection) -> bool {
    on.backend_name() == "SQLite"
}

pub(super) fn placeholder(number: usize) -> String {
    format!("${number}")
}

/// Runs of 256 at the most whose lengths are multiples of 16, and a shorter one: two for a group, and few different texts, so that each
/// stays prepared.
pub(super) fn chunks<T>(all: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = all;
    std::iter::from_fn(move || {
        let length = match rest.len() {
            0 => return None,
            few @ 1..16 => few,
            many => many.min(256) / 16 * 16,
        };
        let (chunk, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(chunk)
    })
}

/// Sizes and indices stay far below 2^63; a corrupt one becomes one that no check accepts.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod bench {
    //! What tests do to a database that the log itself never does.
    use sqlx::AssertSqlSafe;

    use crate::database::Database;

    pub(in crate::audit) async fn execute(database: &Database, sql: &str) -> u64 {
        sqlx::query(AssertSqlSafe(sql)).execute(database.pool()).await.unwrap().rows_affected()
    }

    /// As a room writes by itself, beside the log.
    pub(in crate::audit) async fn write(database: &Database, sql: &str) -> Result<(), sqlx::Error> {
        database.execute(sqlx::query(AssertSqlSafe(sql))).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn a_group_is_two_statements_and_their_lengths_are_few() {
        let all: Vec<u32> = (0..1000).collect();
        let mut lengths = BTreeSet::new();
        for many in 0..=all.len() {
            let whole = &all[..many];
            let chunks: Vec<&[u32]> = super::chunks(whole).collect();
            assert_eq!(chunks.concat(), whole);
            assert!(many > 256 || chunks.len() <= 2, "{many}");
            lengths.extend(chunks.iter().map(|chunk| chunk.len()));
        }
        assert!(lengths.len() <= 31 && lengths.last() == Some(&256), "{lengths:?}");
    }
}
