//! What is wrong with a query, in words.

use std::ops::Range;

use crate::search::query::QueryError;

pub(super) const FIELDS: &str = "The filters are product:, version:, path: (or file:), sym:, lang:, is:, type:, author:, case:, count:";

/// The names in a list of names, "a, b or c".
pub(super) fn names<T>(all: &[(&str, T, &str)]) -> String {
    let names: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

pub(super) fn example(field: &str) -> &'static str {
    match field {
        "product" => "product:git",
        "version" => "version:v2.4*",
        "lang" | "language" => "lang:c",
        "case" => "case:yes",
        "is" => "is:binary",
        "type" => "type:path",
        "count" => "count:all",
        "author" => "author:kim",
        "sym" | "symbol" => "sym:strbuf_add or sym:/^strbuf_/",
        _ => "path:src/net or path:*.c",
    }
}

pub(super) fn lonely_and(place: Range<usize>) -> QueryError {
    error(
        place,
        "AND stands between two things, and one of them is missing",
        "A space means the same: strcpy memcpy. Quote it to look for the word itself: \"AND\".",
    )
}

pub(super) fn inside(field: &str, span: Range<usize>) -> QueryError {
    error(
        span,
        format!("{field} holds for the whole query and cannot be part of a choice, an exclusion or parentheses"),
        "Put the rest into parentheses and write it behind them: (strcpy OR strcat) version:all.",
    )
}

pub(super) fn error(span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> QueryError {
    QueryError { span, message: message.into(), hint: hint.into() }
}
