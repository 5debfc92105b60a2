//! A text in another way than line by line: Markdown rendered, and separated values as a table. Each is an address of its own beside the
//! source, which stays what the plain address shows: what is rendered leaves out what its author wanted left out.

use std::sync::Arc;

use super::inside::Inside;
use super::place::{self, Shown, Where};
use super::reading;
use crate::highlight::{self, SourceHtml, Target, language_of, plain_line};
use crate::source::Opened;
use crate::source::text::Text;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::html;
use crate::web::views::links;
use crate::web::views::reading as view;
use crate::web::views::shell;

/// Bytes of a drawing that is shown as one. How long drawing takes is the browser's matter, which draws only when asked for by this view.
const LARGEST_DRAWING: u64 = 1 << 20;

/// How a text is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    #[default]
    Source,
    /// Markdown as its author meant it to be read.
    Rendered,
    /// A drawing in SVG as a picture, in which no script runs and which loads nothing.
    Drawn,
    /// Comma- or tab-separated values in rows and columns.
    Table,
}

impl View {
    pub(super) fn asked(who: &Reader) -> Result<Self, WebError> {
        match who.visit.parameter("view").as_str() {
            "" | "source" => Ok(Self::Source),
            "rendered" => Ok(Self::Rendered),
            "table" => Ok(Self::Table),
            "drawn" => Ok(Self::Drawn),
            other => Err(WebError::BadRequest(format!("view={other} is no way to show a file: source, rendered, table and drawn are."))),
        }
    }

    /// The other way in which a file of this name can be shown.
    pub(super) fn other_of(path: &str) -> Option<(Self, &'static str, &'static str)> {
        if path.to_ascii_lowercase().ends_with(".svg") {
            return Some((Self::Drawn, "Drawn", "drawn"));
        }
        match language_of(path, "").map(highlight::Language::name) {
            Some("Markdown") => Some((Self::Rendered, "Rendered", "rendered")),
            Some("CSV") => Some((Self::Table, "Table", "table")),
            _ => None,
        }
    }

    /// This view, where a file of this name and size in bytes has it; else its source.
    pub(super) fn fitting(self, path: &str, size: u64) -> Self {
        let has = Self::other_of(path).is_some_and(|(other, _, _)| other == self);
        if has && (self != Self::Drawn || size <= LARGEST_DRAWING) { self } else { Self::Source }
    }
}

/// The page of rendered Markdown; `None` where it is too large or takes too long.
pub(super) async fn rendered(
    who: &Reader,
    portal: &AppState,
    opened: &Opened,
    inside: Inside,
    text: &Arc<Text>,
) -> Result<Option<axum::response::Response>, WebError> {
    let address = move |target: Target<'_>| inside.address(target);
    let Some(prose) = portal.painter.markdown(text, address, portal.config.reading.highlight_deadline).await else { return Ok(None) };
    let page = view::RenderedPage {
        shell: who.shell(portal, &opened.place.path.to_string(), shell::Place::Products).await?,
        location: reading::file_location(who, portal, opened).await?,
        seal: reading::seal(opened.receipt),
        facts: reading::facts(opened, Some(text), Some("Markdown")),
        acts: place::acts(who, portal, &opened.place, Shown::Text(View::Rendered)).await?,
        prose,
    };
    html(&page).map(Some)
}

/// The page of a table: the rows that begin in the lines shown.
pub(super) async fn table(
    who: &Reader,
    portal: &AppState,
    opened: &Opened,
    text: &Arc<Text>,
    shown: (u64, u64),
) -> Result<axum::response::Response, WebError> {
    let path = opened.place.path.to_string();
    let separator = if path.to_ascii_lowercase().ends_with(".tsv") { '\t' } else { separator_of(text.as_str()) };
    let (head, rows) = rows_of(text, separator, shown);
    let total = text.line_count() as u64;
    let page_lines = portal.config.reading.page_lines as u64;
    let file = links::file(&opened.place.product, &opened.place.version, opened.place.path.bytes());
    let piece = |from: u64| links::query(&file, &[("view", "table"), ("from", &from.to_string())]);
    let beside = reading::beside(who, portal, &opened.place).await?;
    html(&view::TablePage {
        shell: who.shell(portal, &path, shell::Place::Products).await?,
        location: place::location(who, portal, Where::File(&opened.place, beside.as_ref())).await?,
        seal: reading::seal(opened.receipt),
        facts: reading::facts(opened, Some(text), Some("CSV")),
        acts: place::acts(who, portal, &opened.place, Shown::Text(View::Table)).await?,
        pieces: pieces(shown, total, page_lines, &piece),
        source: file,
        head,
        rows,
    })
}

/// What to say of a text that is not shown whole.
pub(super) fn pieces(shown: (u64, u64), total: u64, page_lines: u64, piece: &dyn Fn(u64) -> String) -> Option<view::Pieces> {
    (total > shown.1 || shown.0 > 1).then(|| view::Pieces {
        unit: "Lines",
        from: shown.0,
        to: shown.1,
        of: total,
        previous: (shown.0 > 1).then(|| piece(shown.0.saturating_sub(page_lines).max(1))),
        next: (total > shown.1).then(|| piece(shown.1 + 1)),
    })
}

/// The sign that stands most often in the first line, of those that separate.
fn separator_of(text: &str) -> char {
    let first = text.lines().next().unwrap_or_default();
    [',', ';', '\t', '|'].into_iter().max_by_key(|sign| (first.matches(*sign).count(), *sign == ',')).unwrap_or(',')
}

/// A row: the line it begins at, and its values.
type Row = (u64, Vec<SourceHtml>);

/// The first row of the file, which names the columns, if it is among the lines shown, and the others that begin there. A value in quotes
/// may go over lines (RFC 4180); of one that goes over the last line shown, what lies within is shown.
fn rows_of(text: &Text, separator: char, (first, last): (u64, u64)) -> (Vec<SourceHtml>, Vec<Row>) {
    let mut head = Vec::new();
    let mut rows = Vec::new();
    let mut open: Option<(u64, Vec<String>)> = None;
    let mut quoted = false;
    for (number, line) in (1..=last).zip(text.lines()) {
        let (_, values) = open.get_or_insert_with(|| (number, vec![String::new()]));
        if quoted {
            put(values, '\n');
        }
        quoted = take(line.text, separator, quoted, values);
        if !quoted && let Some(row) = open.take() {
            keep(row, first, &mut head, &mut rows);
        }
    }
    if let Some(row) = open {
        keep(row, first, &mut head, &mut rows);
    }
    (head, rows)
}

fn keep((number, values): (u64, Vec<String>), first: u64, head: &mut Vec<SourceHtml>, rows: &mut Vec<Row>) {
    if number < first {
        return;
    }
    let cells = values.iter().map(|value| plain_line(&value.replace('\n', " "))).collect();
    if number == 1 { *head = cells } else { rows.push((number, cells)) }
}

fn put(values: &mut [String], letter: char) {
    if let Some(value) = values.last_mut() {
        value.push(letter);
    }
}

/// Takes a line's values; says whether it ends within quotes.
fn take(line: &str, separator: char, mut quoted: bool, values: &mut Vec<String>) -> bool {
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                put(values, '"');
            }
            '"' if quoted => quoted = false,
            // Within a value that does not begin with it, a quote is a sign like others.
            '"' if values.last().is_some_and(String::is_empty) => quoted = true,
            sign if sign == separator && !quoted => values.push(String::new()),
            sign => put(values, sign),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table_of(text: &str, shown: (u64, u64)) -> (Vec<String>, Vec<(u64, Vec<String>)>) {
        let plain = |cells: &Vec<SourceHtml>| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (head, rows) = rows_of(&Text::from(text.to_owned()), separator_of(text), shown);
        (plain(&head), rows.iter().map(|(number, cells)| (*number, plain(cells))).collect())
    }

    #[test]
    fn values_are_separated_and_quoted_ones_are_whole() {
        let text = "name,what\n\"a, b\",1\n\"he said \"\"no\"\"\nand went\",<2>\nlast,\n";
        let (head, rows) = table_of(text, (1, 5));
        assert_eq!(head, ["name", "what"]);
        let expected = [
            (2, vec!["a, b".to_owned(), "1".to_owned()]),
            (3, vec!["he said &quot;no&quot; and went".to_owned(), "&lt;2&gt;".to_owned()]),
            (5, vec!["last".to_owned(), String::new()]),
        ];
        assert_eq!(rows, expected);
        // Nothing of a line that is not shown.
        assert_eq!(table_of(text, (3, 3)), (Vec::new(), vec![(3, vec!["he said &quot;no&quot;".to_owned()])]));
        assert_eq!(table_of("", (1, 0)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn the_separator_is_what_the_first_line_has_most_of() {
        for (text, sign) in [("a,b;c,d", ','), ("a;b", ';'), ("a\tb,c\td", '\t'), ("word", ','), ("a|b|c", '|')] {
            assert_eq!(separator_of(text), sign, "{text}");
        }
    }
}
