//! Ways to go on with a query that is being typed: filters, versions, paths within one's rights, one's own searches.
//!
//! Filters and languages are the same for everybody. A path's name is source: it comes out of a search bound to its asker, which
//! is recorded before the names are sent.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{edit, results, saved};
use crate::access::Readable;
use crate::audit::Receipt;
use crate::highlight::languages;
use crate::search::{PageRequest, Query, Trait, Type};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;

/// Names of paths offered, and files looked at for them.
const PATHS: usize = 20;
const LOOKED_AT: usize = 60;
/// Of anything else.
const MOST: usize = 12;
/// How long looking for paths may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// What can stand before a colon, and what it does.
const FILTERS: [(&str, &str); 10] = [
    ("lang:", "in this language"),
    ("path:", "the path has this in it, or is like this pattern"),
    ("version:", "these versions, instead of each product’s newest"),
    ("product:", "only in this product"),
    ("type:", "names, changes or commits instead of lines"),
    ("is:", "binary, test, vendored, generated and others"),
    ("case:", "whether capitals count"),
    ("sym:", "it defines a symbol with this in its name"),
    ("author:", "of changes and commits, by whom"),
    ("count:", "count everything, however long it takes"),
];

/// Values of filters that have few; those of `is:` and `type:` are the query language's own lists.
const CASES: [(&str, &str); 3] =
    [("yes", "capitals count"), ("no", "they do not"), ("auto", "they count in a term that has one, as without it")];
const COUNTS: [(&str, &str); 1] = [("all", "exact totals, however long that takes")];

/// One way to go on.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Item {
    group: &'static str,
    /// As it is shown.
    label: String,
    /// What takes the place of what is replaced.
    insert: String,
    note: String,
    /// What is replaced, in characters of the query, where it is not the word at the caret.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<usize>,
    /// The query is whole with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    runs: bool,
}

#[derive(Serialize)]
struct Suggestions {
    /// The word at the caret, in characters.
    from: usize,
    to: usize,
    items: Vec<Item>,
    /// Of the entry that says which names are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

impl Item {
    fn word(group: &'static str, insert: String, note: &str) -> Self {
        let label = insert.trim_end().to_owned();
        Self { group, label, insert, note: note.to_owned(), from: None, to: None, runs: false }
    }
}

pub(in crate::web::pages) async fn suggest(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let query = who.visit.parameter("q");
    if query.len() > Query::LONGEST {
        return Err(WebError::BadRequest(format!("A query has {} bytes at most.", Query::LONGEST)));
    }
    let length = query.chars().count();
    let caret = who.visit.parameter("at").parse::<usize>().unwrap_or(length).min(length);
    let caret = query.char_indices().nth(caret).map_or(query.len(), |(at, _)| at);
    let span = word_at(&query, caret);
    let typed = query.get(span.start..caret).unwrap_or_default();
    let chars = |to: usize| query.get(..to).map_or(0, |before| before.chars().count());
    let mut receipt = None;
    let items = match typed.split_once(':') {
        Some((name, value)) => match name.to_ascii_lowercase().as_str() {
            name @ ("path" | "file") => {
                let (items, recorded) = paths(&who, &portal, &query, name, value).await?;
                receipt = recorded;
                items
            }
            "version" => versions(&portal.gate.readable(&who.principal).await?, &query, value),
            "product" => products(&portal.gate.readable(&who.principal).await?, value),
            "lang" | "language" => in_languages(name, value),
            other => values(other, value),
        },
        None => words(&who, &portal, &query, typed).await?,
    };
    Ok(Json(Suggestions { from: chars(span.start), to: chars(span.end), items, receipt }).into_response())
}

/// The word at the caret, in bytes: of a phrase without what excludes it, and within its parentheses.
fn word_at(query: &str, caret: usize) -> Range<usize> {
    let mut within = 0..query.len();
    loop {
        let inside = query.get(within.clone()).unwrap_or_default();
        let at = caret.saturating_sub(within.start);
        let found = edit::phrases(inside).into_iter().find(|one| one.span.start <= at && at <= one.span.end);
        let Some(found) = found else { return caret..caret };
        let start = within.start + found.span.start;
        let end = within.start + found.span.end;
        let lead = match found.text.strip_prefix("NOT") {
            Some(rest) if rest.starts_with(char::is_whitespace) => 3,
            _ if found.text.starts_with(['-', '(']) && found.text.len() > 1 => 1,
            _ => return start..end,
        };
        if caret < start + lead {
            return start..end;
        }
        within = start + lead..end;
    }
}

fn values(name: &str, typed: &str) -> Vec<Item> {
    let known: Vec<(&str, &str)> = match name {
        "type" => Type::ALL.iter().map(|(name, _, note)| (*name, *note)).collect(),
        "is" => Trait::ALL.iter().map(|(name, _, note)| (*name, *note)).collect(),
        "case" => CASES.to_vec(),
        "count" => COUNTS.to_vec(),
        _ => Vec::new(),
    };
    let typed = typed.to_lowercase();
    let item = |(value, note): (&str, &str)| Item::word("Values", format!("{name}:{value} "), note);
    known.into_iter().filter(|(value, _)| value.starts_with(&typed)).map(item).collect()
}

fn in_languages(field: &str, typed: &str) -> Vec<Item> {
    let typed = typed.trim_matches('"').to_lowercase();
    let mut names: Vec<&str> =
        languages().map(crate::highlight::Language::name).filter(|name| name.to_lowercase().contains(&typed)).collect();
    // What begins so stands first, and the shortest of those.
    names.sort_by_key(|name| (!name.to_lowercase().starts_with(&typed), name.len(), *name));
    names.dedup();
    let item = |name: &str| Item::word("Languages", format!("{} ", edit::filter(field, &name.to_lowercase())), name);
    names.into_iter().take(MOST).map(item).collect()
}

fn products(readable: &[Readable], typed: &str) -> Vec<Item> {
    let typed = typed.to_lowercase();
    let fits = |one: &&Readable| one.product.name.contains(&typed) || one.product.title.to_lowercase().contains(&typed);
    let item = |one: &Readable| Item::word("Products", format!("{} ", edit::filter("product", &one.product.name)), &one.product.title);
    readable.iter().filter(fits).take(MOST).map(item).collect()
}

/// Versions by name, of the products that the query names, or of all.
fn versions(readable: &[Readable], query: &str, typed: &str) -> Vec<Item> {
    let named: Vec<&str> = edit::phrases(query)
        .iter()
        .filter_map(edit::Phrase::filter)
        .filter(|(name, _)| name == "product")
        .map(|(_, value)| value)
        .collect();
    let fixed = [("all", "every version"), ("newest", "each product’s newest, as without it")];
    let mut items: Vec<Item> = fixed
        .iter()
        .filter(|(name, _)| name.starts_with(typed))
        .map(|(name, note)| Item::word("Versions", format!("version:{name} "), note))
        .collect();
    // A range is completed at its end.
    let (before, typed) = typed.rsplit_once("..").map_or(("", typed), |(first, last)| (first, last));
    let before = if before.is_empty() { String::new() } else { format!("{before}..") };
    for one in readable.iter().filter(|one| named.is_empty() || named.contains(&one.product.name.as_str())) {
        for (age, version) in one.versions.iter().enumerate().filter(|(_, version)| version.name.contains(typed)) {
            let note = if age == 0 { format!("{}, the newest", one.product.title) } else { one.product.title.clone() };
            items.push(Item::word("Versions", format!("{} ", edit::filter("version", &format!("{before}{}", version.name))), &note));
        }
    }
    items.truncate(MOST);
    items
}

/// Filters that begin so, and the person's own searches with these words in them.
async fn words(who: &Reader, portal: &AppState, query: &str, typed: &str) -> Result<Vec<Item>, WebError> {
    let small = typed.to_ascii_lowercase();
    let mut items: Vec<Item> = FILTERS
        .iter()
        .filter(|(name, _)| name.starts_with(&small))
        .map(|(name, note)| Item::word("Filters", (*name).to_owned(), note))
        .collect();
    let whole = query.chars().count();
    let asked = query.trim().to_lowercase();
    let of_all = |group, label: String, insert: String| Item {
        group,
        note: if label == insert { String::new() } else { insert.clone() },
        label,
        insert,
        from: Some(0),
        to: Some(whole),
        runs: true,
    };
    let mut own = Vec::new();
    for search in portal.inspection.saved_searches(&who.principal).await? {
        if search.name.to_lowercase().contains(&asked) || search.query.to_lowercase().contains(&asked) {
            own.push(of_all("Saved searches", search.name, search.query));
        }
    }
    own.truncate(4);
    let lately = saved::recent(who, portal).await?.into_iter().filter(|one| one.to_lowercase().contains(&asked) && one != query);
    own.extend(lately.take(3).map(|one| of_all("Asked lately", one.clone(), one)));
    if asked.is_empty() {
        own.append(&mut items);
        return Ok(own);
    }
    items.append(&mut own);
    Ok(items)
}

/// Directories and files with a component that begins like this, within what the person may read, once that is recorded.
async fn paths(who: &Reader, portal: &AppState, query: &str, name: &str, typed: &str) -> Result<(Vec<Item>, Option<Receipt>), WebError> {
    let typed = typed.trim_matches('"');
    if typed.starts_with('/') || typed.contains(['*', '?', '[', '{']) {
        return Ok((Vec::new(), None));
    }
    let kept = edit::phrases(query)
        .into_iter()
        .filter(|one| one.filter().is_some_and(|(name, value)| matches!(name.as_str(), "product" | "version") && !value.is_empty()));
    let kept: Vec<&str> = kept.map(|one| one.text).collect();
    let asked = format!("{} type:path path:/(^|\\/){}/", kept.join(" "), edit::escaped(typed));
    let Ok(parsed) = Query::parse(asked.trim()) else { return Ok((Vec::new(), None)) };
    // Completion waits for nothing: whoever has no turn now goes on typing.
    let Ok(turn) = portal.allowance.turn_now(who.principal.account()).await else { return Ok((Vec::new(), None)) };
    let scoped = portal.gate.scope(&who.principal, parsed).await?;
    let page = PageRequest { offset: 0, limit: LOOKED_AT, lines_per_file: 0, context: 0, states_per_path: 1 };
    let text = format!("{name}:{typed}");
    let sealed = results::run(portal, Arc::new(scoped), text, page, DEADLINE, turn).await?;
    let (found, receipt) = crate::search::Sealed::open(portal.log.record(sealed.noting("suggested", true), &who.visit.context).await?);
    let names: Vec<String> = found.hits.iter().filter_map(|hit| String::from_utf8(hit.path.bytes().to_vec()).ok()).collect();
    Ok((offered(name, typed, &names), Some(receipt)))
}

/// The directories that stand behind what was typed, those with most files first, then files.
fn offered(name: &str, typed: &str, paths: &[String]) -> Vec<Item> {
    let small = typed.to_lowercase();
    let mut directories: BTreeMap<&str, u64> = BTreeMap::new();
    let mut files: Vec<&str> = Vec::new();
    for path in paths {
        let at = std::iter::once(0)
            .chain(path.match_indices('/').map(|(at, _)| at + 1))
            .find(|at| path.get(*at..).is_some_and(|rest| rest.to_lowercase().starts_with(&small)));
        let Some(at) = at else { continue };
        let behind = at + typed.len();
        match path.get(behind..).and_then(|rest| rest.find('/')).and_then(|slash| path.get(..=behind + slash)) {
            Some(directory) => *directories.entry(directory).or_default() += 1,
            None => files.push(path),
        }
    }
    let mut directories: Vec<(&str, u64)> = directories.into_iter().collect();
    directories.sort_by_key(|(path, count)| (!path.to_lowercase().starts_with(&small), std::cmp::Reverse(*count), path.len()));
    files.sort_by_key(|path| (path.matches('/').count(), path.len(), *path));
    let directories = directories.into_iter().map(|(path, _)| Item::word("Directories", edit::filter(name, path), ""));
    let files = files.into_iter().map(|path| Item::word("Files", format!("{} ", edit::filter(name, path)), ""));
    directories.chain(files).take(PATHS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(query: &str) -> &str {
        // The bar is the caret.
        let caret = query.find('|').unwrap();
        let whole = query.replacen('|', "", 1);
        let span = word_at(&whole, caret);
        let end = span.end + usize::from(span.end >= caret);
        &query[span.start..end]
    }

    #[test]
    fn the_word_is_the_one_at_the_caret() {
        assert_eq!(typed("strcpy la|"), "la|");
        assert_eq!(typed("str|cpy lang:c"), "str|cpy");
        assert_eq!(typed("strcpy | lang:c"), "|");
        assert_eq!(typed("strcpy -path:te|"), "path:te|");
        assert_eq!(typed("a NOT path:te|"), "path:te|");
        assert_eq!(typed("(a OR lang:ru|"), "lang:ru|");
        assert_eq!(typed("(a OR -(b pa|)) c"), "pa|");
        assert_eq!(typed("path:\"a b|"), "path:\"a b|");
        assert_eq!(typed("|"), "|");
    }

    #[test]
    fn languages_that_begin_so_come_first() {
        let names: Vec<String> = in_languages("lang", "ru").into_iter().map(|item| item.insert).collect();
        assert!(names[0].starts_with("lang:ru"), "{names:?}");
        assert!(names.contains(&"lang:rust ".to_owned()), "{names:?}");
    }

    #[test]
    fn directories_come_before_files_and_are_gone_on_with() {
        let paths = ["src/net/a.c", "src/net/b.c", "src/netx/c.c", "docs/net.txt", "src/deep/net/x.c"].map(str::to_owned);
        let items: Vec<String> = offered("path", "net", &paths).into_iter().map(|item| item.insert).collect();
        assert_eq!(items, ["path:src/net/", "path:src/netx/", "path:src/deep/net/", "path:docs/net.txt "]);
        let items: Vec<String> = offered("file", "src/net/", &paths).into_iter().map(|item| item.insert).collect();
        assert_eq!(items, ["file:src/net/a.c ", "file:src/net/b.c "]);
        assert_eq!(offered("path", "ß", &["ẞx/İ/ß.c".to_owned()]).len(), 1);
    }

    #[test]
    fn values_are_those_of_their_filter() {
        let of = |name, typed| values(name, typed).into_iter().map(|item| item.insert).collect::<Vec<_>>();
        assert_eq!(of("case", "n"), ["case:no "]);
        assert_eq!(of("type", "").len(), 4);
        assert!(of("nothing", "").is_empty());
    }
}
