//! A file of CSV as rows by column.

use std::collections::BTreeMap;

use super::super::EntitlementError;

/// A row, by the names of its columns.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The line it begins on, from 1.
    pub(super) line: u64,
    cells: BTreeMap<String, String>,
}

impl Row {
    /// What stands in a column, without the space around it; empty when the file has no such column.
    pub(super) fn get(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// The lines of a cell, empty ones left out.
    pub(super) fn list(&self, column: &str) -> Vec<String> {
        self.get(column).lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

fn problem(sentence: String) -> EntitlementError {
    EntitlementError::Invalid { field: "csv", problem: sentence }
}

/// Reads a file whose first line names its columns, in any order.
///
/// # Errors
/// When it is no such file, or has a column that is not known, or lacks one of the first `needed` ones.
pub(super) fn read(bytes: &[u8], known: &[&str], needed: usize) -> Result<Vec<Row>, EntitlementError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let told = |cause: csv::Error| match cause.kind() {
        csv::ErrorKind::Utf8 { .. } => problem("The file is not in UTF-8. Save it as CSV in UTF-8.".to_owned()),
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = line_of(bytes, pos.as_ref());
            problem(format!("Line {line} has {len} fields, and the first line names {expected_len} columns."))
        }
        _ => problem(format!("The file could not be read as CSV: {cause}.")),
    };
    let columns: Vec<String> = reader.headers().map_err(told)?.iter().map(str::to_lowercase).collect();
    if let Some(odd) = columns.iter().find(|column| !known.contains(&column.as_str())) {
        return Err(problem(format!("There is no column {odd:?}. The first line names the columns: {}.", known.join(", "))));
    }
    if let Some(missing) = known.iter().take(needed).find(|column| !columns.iter().any(|there| there == *column)) {
        return Err(problem(format!("The column {missing} is missing. The first line names the columns: {}.", known.join(", "))));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(told)?;
        let cells = columns.iter().cloned().zip(record.iter().map(|cell| bare(cell).to_owned())).collect();
        rows.push(Row { line: line_of(bytes, record.position()), cells });
    }
    Ok(rows)
}

/// The line on which a record begins, from 1. Where lines end in CR LF, or are empty, its position is that of the end before it.
fn line_of(bytes: &[u8], position: Option<&csv::Position>) -> u64 {
    let at = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(0);
    let (before, rest) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let lines = before.iter().chain(ends).filter(|byte| **byte == b'\n').count();
    1 + lines as u64
}

/// Without the apostrophe that keeps a spreadsheet from taking a text for a formula.
fn bare(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &[u8]) -> String {
        read(text, &["email", "name", "note"], 2).unwrap_err().to_string()
    }

    #[test]
    fn columns_come_in_any_order_and_cells_may_hold_lines() {
        let rows =
            read(b"\xef\xbb\xbfName,EMAIL,note\r\n Ada , a@b.example ,\"x\n\ny\"\r\n'=1,c@d.example,\n", &["email", "name", "note"], 2)
                .unwrap();
        assert_eq!(
            (rows[0].get("name"), rows[0].get("email"), rows[0].list("note")),
            ("Ada", "a@b.example", vec!["x".to_owned(), "y".to_owned()])
        );
        assert_eq!((rows[1].get("name"), rows[1].get("note"), rows[1].line), ("=1", "", 5));
        assert_eq!(rows[1].get("other"), "");
        assert!(read(b"email,name\n", &["email", "name"], 2).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(failure(b"email,nom\n"), "There is no column \"nom\". The first line names the columns: email, name, note.");
        assert_eq!(failure(b"email\n"), "The column name is missing. The first line names the columns: email, name, note.");
        assert_eq!(failure(b"email,name\na,b\na\n"), "Line 3 has 1 fields, and the first line names 2 columns.");
        assert_eq!(failure(b"email,name\n\xff,b\n"), "The file is not in UTF-8. Save it as CSV in UTF-8.");
        assert!(failure(b"").contains("The column email is missing"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["plain", "=cmd()", "+1", "-x", "@a", "two\nlines", "a \"quote\", and a comma", "'quoted'"] {
            let file = format!("email,name\r\n{},{}\r\n", crate::audit::csv_field("a"), crate::audit::csv_field(text));
            assert!(!file.contains("\n=") && !file.contains(",=") && !file.contains("\"="));
            assert_eq!(read(file.as_bytes(), &["email", "name"], 2).unwrap()[0].get("name"), text);
        }
    }
}
