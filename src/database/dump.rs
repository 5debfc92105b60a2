//! Tables as text, the same for both databases: a first line that names the table and its columns with their types, then one
//! JSON array a row. Bytes are written in base64.

use std::fmt::Write as _;
use std::io::{self, BufRead, Read, Write};

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// More than any row can be: entries end at 64 KiB, and everything else is shorter.
const LONGEST_LINE: u64 = 16 << 20;

/// Why a table's rows cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    #[error("a column of the table {table} is of the type {found:?}, and only BIGINT, TEXT and BYTEA can be carried over")]
    Column { table: String, found: String },
    #[error("the tables {0} refer to each other in a circle, so that none can be filled first")]
    Circle(String),
    #[error("line {line} is not one of a table: {problem}")]
    Line { line: u64, problem: String },
    #[error("the rows are of the table {found} with other columns than the table {wanted} of this version has")]
    Other { found: String, wanted: String },
    #[error("{0}")]
    Io(#[from] io::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    Integer,
    Text,
    Bytes,
}

impl Type {
    /// The type of a column as either database names it.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "bigint" => Some(Self::Integer),
            "text" => Some(Self::Text),
            "bytea" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// A table and its columns, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    #[serde(rename = "table")]
    pub name: String,
    pub columns: Vec<(String, Type)>,
}

impl Table {
    /// Where a column stands in a row.
    #[must_use]
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == column)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Writes the first line of a table.
///
/// # Errors
/// When it cannot be written.
pub fn write_header(out: &mut impl Write, table: &Table) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string(table)?)
}

/// Writes a row.
///
/// # Errors
/// When it cannot be written.
pub fn write_row(out: &mut impl Write, cells: &[Cell]) -> io::Result<()> {
    let mut line = String::from("[");
    for (n, cell) in cells.iter().enumerate() {
        line.push_str(if n == 0 { "" } else { "," });
        match cell {
            Cell::Null => line.push_str("null"),
            Cell::Integer(number) => {
                let _ = write!(line, "{number}");
            }
            Cell::Text(text) => line.push_str(&serde_json::to_string(text)?),
            Cell::Bytes(bytes) => {
                line.push('"');
                BASE64.encode_append(bytes, &mut line);
                line.push('"');
            }
        }
    }
    line.push_str("]\n");
    out.write_all(line.as_bytes())
}

/// The rows of a table, read one by one.
pub struct Rows<R> {
    table: Table,
    reader: R,
    line: u64,
    text: String,
}

impl<R: BufRead> Rows<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn open(reader: R) -> Result<Self, DumpError> {
        let mut rows = Self { table: Table { name: String::new(), columns: Vec::new() }, reader, line: 0, text: String::new() };
        if !rows.read_line()? {
            return Err(rows.wrong(&"the file is empty"));
        }
        rows.table = serde_json::from_str(&rows.text).map_err(|e| rows.wrong(&e))?;
        Ok(rows)
    }

    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, or is not a row of this table.
    pub fn next_row(&mut self) -> Result<Option<Vec<Cell>>, DumpError> {
        if !self.read_line()? {
            return Ok(None);
        }
        let values: Vec<Value> = serde_json::from_str(&self.text).map_err(|e| self.wrong(&e))?;
        if values.len() != self.table.columns.len() {
            return Err(self.wrong(&format!("it has {} values for {} columns", values.len(), self.table.columns.len())));
        }
        let cells = values.into_iter().zip(&self.table.columns).map(|(value, (name, kind))| {
            let cell = match (value, kind) {
                (Value::Null, _) => Some(Cell::Null),
                (Value::Number(number), Type::Integer) => number.as_i64().map(Cell::Integer),
                (Value::String(text), Type::Text) => Some(Cell::Text(text)),
                (Value::String(text), Type::Bytes) => BASE64.decode(text.as_bytes()).ok().map(Cell::Bytes),
                _ => None,
            };
            cell.ok_or_else(|| self.wrong(&format!("the value of {name} is not of its type")))
        });
        cells.collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// Whether there was another line.
    fn read_line(&mut self) -> Result<bool, DumpError> {
        self.text.clear();
        self.line += 1;
        (&mut self.reader).take(LONGEST_LINE).read_line(&mut self.text)?;
        match self.text.pop() {
            None => Ok(false),
            Some('\n') => Ok(true),
            Some(_) => Err(self.wrong(&"it does not end")),
        }
    }

    fn wrong(&self, problem: &dyn ToString) -> DumpError {
        DumpError::Line { line: self.line, problem: problem.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = [("n", Type::Integer), ("t", Type::Text), ("b", Type::Bytes)];
        Table { name: "odd".into(), columns: columns.map(|(name, kind)| (name.to_owned(), kind)).to_vec() }
    }

    #[test]
    fn rows_are_read_as_they_were_written() {
        let rows = [
            vec![Cell::Integer(i64::MIN), Cell::Text("a\n\"\u{0}\u{1f600}\u{2028}\\".into()), Cell::Bytes((0..=255).collect())],
            vec![Cell::Integer(i64::MAX), Cell::Text(String::new()), Cell::Bytes(Vec::new())],
            vec![Cell::Null, Cell::Null, Cell::Null],
        ];
        let mut text = Vec::new();
        write_header(&mut text, &table()).unwrap();
        for row in &rows {
            write_row(&mut text, row).unwrap();
        }
        let mut read = Rows::open(text.as_slice()).unwrap();
        assert_eq!(*read.table(), table());
        for row in rows {
            assert_eq!(read.next_row().unwrap(), Some(row));
        }
        assert_eq!(read.next_row().unwrap(), None);
        assert_eq!(String::from_utf8(text.clone()).unwrap().lines().count(), 4, "a row is a line");
    }

    #[test]
    fn what_is_no_row_of_the_table_is_refused_with_its_line() {
        let mut header = Vec::new();
        write_header(&mut header, &table()).unwrap();
        for (line, says) in [
            ("[1,\"a\"]\n", "line 2 is not one of a table: it has 2 values for 3 columns"),
            ("[1.5,\"a\",\"\"]\n", "the value of n is not of its type"),
            ("[1,2,\"\"]\n", "the value of t is not of its type"),
            ("[1,\"a\",\"!\"]\n", "the value of b is not of its type"),
            ("[1,\"a\",\"\"]", "line 2 is not one of a table: it does not end"),
            ("{}\n", "line 2"),
            ("\n", "line 2"),
        ] {
            let text = [header.as_slice(), line.as_bytes()].concat();
            let error = Rows::open(text.as_slice()).unwrap().next_row().unwrap_err().to_string();
            assert!(error.contains(says), "{line}: {error}");
        }
        assert!(Rows::open([].as_slice()).is_err());
        assert!(Rows::open(b"[]\n".as_slice()).is_err());
    }
}
