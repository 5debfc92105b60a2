//! Conditions and pages of lists in the database.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row};

use super::{PAGE, Page, Turn};
use crate::database::{Database, DatabaseError};

/// Words that a list is searched for at most.
const MOST_WORDS: usize = 8;

/// A value in a statement.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(i64),
}

/// Where words are searched for.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Searched<'a> {
    /// Columns of the rows themselves.
    pub(in super::super) columns: &'a [&'a str],
    /// Few rows that many of these refer to, searched once for all of them: what says so, with `{}` for the condition, and their columns.
    pub(in super::super) related: &'a [(&'a str, &'a [&'a str])],
}

/// Conditions that rows have to meet, and their values.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Conditions {
    all: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    pub(in super::super) fn and(&mut self, condition: String) {
        self.all.push(condition);
    }

    /// What stands for this text in a condition.
    pub(in super::super) fn text(&mut self, value: &str) -> String {
        self.values.push(Value::Text(value.to_owned()));
        format!("${}", self.values.len())
    }

    pub(in super::super) fn number(&mut self, value: i64) -> String {
        self.values.push(Value::Number(value));
        format!("${}", self.values.len())
    }

    /// Every word of what was typed stands somewhere there, in capitals or not.
    pub(in super::super) fn words(&mut self, searched: &Searched<'_>, typed: &str) {
        for word in typed.split_whitespace().take(MOST_WORDS) {
            // SQLite lowers ASCII only, PostgreSQL all letters.
            let mut lowered = vec![word.to_lowercase(), word.to_ascii_lowercase()];
            lowered.dedup();
            let values: Vec<String> = lowered
                .iter()
                .map(|word| {
                    let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
                    self.text(&format!("%{escaped}%"))
                })
                .collect();
            let holds = |columns: &[&str]| {
                let within = format!("LOWER({})", columns.join(" || ' ' || "));
                let like: Vec<String> = values.iter().map(|value| format!("{within} LIKE {value} ESCAPE '\\'")).collect();
                like.join(" OR ")
            };
            let related = searched.related.iter().map(|(those, columns)| those.replace("{}", &holds(columns)));
            let anywhere: Vec<String> = std::iter::once(holds(searched.columns)).chain(related).collect();
            self.and(format!("({})", anywhere.join(" OR ")));
        }
    }

    fn sql(&self) -> String {
        if self.all.is_empty() { String::new() } else { format!(" WHERE {}", self.all.join(" AND ")) }
    }

    pub(in super::super) fn bound<'q>(&self, mut query: Query<'q, Any, AnyArguments>) -> Query<'q, Any, AnyArguments> {
        for value in &self.values {
            query = match value {
                Value::Text(text) => query.bind(text.clone()),
                Value::Number(number) => query.bind(*number),
            };
        }
        query
    }

    /// How many rows meet them.
    pub(in super::super) async fn count(&self, database: &Database, from: &str) -> Result<u64, DatabaseError> {
        let text = AssertSqlSafe(format!("SELECT COUNT(*) {from}{}", self.sql()));
        let row = self.bound(sqlx::query(text)).fetch_one(database.pool()).await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }

    /// How many rows meet them for each value of a column.
    pub(in super::super) async fn count_by(
        &self,
        database: &Database,
        column: &str,
        from: &str,
    ) -> Result<Vec<(String, u64)>, DatabaseError> {
        let text = AssertSqlSafe(format!("SELECT {column}, COUNT(*) {from}{} GROUP BY {column}", self.sql()));
        let rows = self.bound(sqlx::query(text)).fetch_all(database.pool()).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0)))).collect()
    }
}

/// A list in its order: by a column, and by id where that is the same.
pub(in super::super) struct List<'a> {
    /// "FROM … JOIN …".
    pub(in super::super) from: &'a str,
    pub(in super::super) id: &'a str,
    pub(in super::super) column: &'a str,
    /// What gives that column of the row whose id stands for `{}`.
    pub(in super::super) of: &'a str,
    pub(in super::super) descending: bool,
}

impl List<'_> {
    /// The ids on a page.
    pub(in super::super) async fn page(
        &self,
        database: &Database,
        conditions: &Conditions,
        turn: &Turn,
    ) -> Result<Page<String>, DatabaseError> {
        let total = conditions.count(database, self.from).await?;
        let mut ids = self.ids(database, conditions.clone(), turn).await?;
        let mut turn = turn;
        if ids.is_empty() && *turn != Turn::First {
            // There is no such row any more: from the beginning.
            turn = &Turn::First;
            ids = self.ids(database, conditions.clone(), turn).await?;
        }
        let more = ids.len() > PAGE;
        ids.truncate(PAGE);
        if matches!(turn, Turn::Before(_)) {
            ids.reverse();
        }
        let (is_before, is_behind) = match turn {
            Turn::First => (false, more),
            Turn::After(_) => (true, more),
            Turn::Before(_) => (more, true),
        };
        let before = ids.first().filter(|_| is_before).cloned();
        let after = ids.last().filter(|_| is_behind).cloned();
        Ok(Page { rows: ids, total, before, after })
    }

    /// The ids on a page and one more; backwards when it ends before a row.
    async fn ids(&self, database: &Database, mut conditions: Conditions, turn: &Turn) -> Result<Vec<String>, DatabaseError> {
        let way = |descending: bool| if descending { ("DESC", "<") } else { ("ASC", ">") };
        let backwards = matches!(turn, Turn::Before(_));
        let ((column_way, column_sign), (id_way, id_sign)) = (way(self.descending != backwards), way(backwards));
        let Self { from, id, column, .. } = self;
        if let Turn::After(here) | Turn::Before(here) = turn {
            let here = conditions.text(here);
            let of = self.of.replace("{}", &here);
            conditions.and(format!("({column} {column_sign} {of} OR ({column} = {of} AND {id} {id_sign} {here}))"));
        }
        let text = AssertSqlSafe(format!(
            "SELECT {id} {from}{} ORDER BY {column} {column_way}, {id} {id_way} LIMIT {}",
            conditions.sql(),
            PAGE + 1
        ));
        let rows = conditions.bound(sqlx::query(text)).fetch_all(database.pool()).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_matched_as_they_are_typed_and_nothing_in_them_is_a_pattern() {
        let mut conditions = Conditions::default();
        let searched =
            Searched { columns: &["a.name", "a.email"], related: &[("a.agency_id IN (SELECT y.id FROM y WHERE {})", &["y.name"])] };
        conditions.words(&searched, "Ada 50%_\\ \u{c9}A");
        assert_eq!(conditions.all.len(), 3);
        let agency = |value: &str| format!("a.agency_id IN (SELECT y.id FROM y WHERE LOWER(y.name) LIKE {value} ESCAPE '\\'");
        assert_eq!(conditions.all[0], format!("(LOWER(a.name || ' ' || a.email) LIKE $1 ESCAPE '\\' OR {}))", agency("$1")));
        // In both forms, where they differ.
        assert!(conditions.all[2].contains("LIKE $3 ESCAPE") && conditions.all[2].contains("LIKE $4 ESCAPE"), "{}", conditions.all[2]);
        let texts: Vec<String> = conditions.values.iter().map(|value| format!("{value:?}")).collect();
        assert_eq!(texts[0], "Text(\"%ada%\")");
        assert_eq!(texts[1], "Text(\"%50\\\\%\\\\_\\\\\\\\%\")");
        let mut many = Conditions::default();
        many.words(&Searched { columns: &["x"], related: &[] }, &"w ".repeat(100));
        assert_eq!(many.all.len(), MOST_WORDS);
    }
}
