//! Links from one query to the next: facets, kinds of search, and what to try where nothing was found.

use super::edit;
use crate::access::Readable;
use crate::search::{PathKind, Query, Results, Trait, Type};
use crate::web::views::links;
use crate::web::views::search::{Facet, FacetValue, Instead, Tab};
use crate::web::views::shell::Link;

/// Characters that are looked up at a time.
const LOOKED_UP: usize = 3;

fn href(query: &str) -> String {
    links::query("/search", &[("q", query)])
}

/// What can be searched for with the same words.
pub(super) fn tabs(query: &str, on: Type) -> Vec<Tab> {
    let tab = |(label, kind): (&'static str, Type)| {
        let value = (kind != Type::File).then(|| kind.name());
        let asked = edit::set(query, "type", value)?;
        Some(Tab { label, href: href(&asked), on: kind == on })
    };
    let all = [("Files", Type::File), ("Names", Type::Path), ("Changes", Type::Diff), ("Commits", Type::Commit)];
    all.into_iter().filter_map(tab).collect()
}

/// Lists that narrow what was found. One that would leave everything as it is, is left out.
pub(super) fn facets(query: &str, results: &Results, readable: &[Readable]) -> Vec<Facet> {
    let facets = [
        versions(query, results, readable),
        products(query, results, readable),
        languages(query, results),
        directories(query, results),
        kinds(query, results),
    ];
    facets.into_iter().flatten().collect()
}

/// A phrase as a link that adds it, or takes it away where it is.
fn toggle(query: &str, phrase: &str, label: String, count: Option<u64>) -> Option<FacetValue> {
    let there = edit::like(query, phrase);
    let edited = match &there {
        Some(there) => edit::without(query, there),
        None => edit::with(query, phrase),
    }?;
    Some(FacetValue { label, count, href: href(&edited), on: there.is_some() })
}

fn versions(query: &str, results: &Results, readable: &[Readable]) -> Option<Facet> {
    let searched: Vec<&Readable> =
        readable.iter().filter(|one| results.coverage.iter().any(|other| other.product == one.product.name)).collect();
    let most = searched.iter().map(|one| one.versions.len()).max().unwrap_or(0);
    if most < 2 {
        return None;
    }
    let setting = edit::setting(query, "version");
    let chosen = |value: Option<&str>, label: String, count: Option<u64>| {
        let on = setting == value;
        Some(FacetValue { label, count, href: href(&edit::set(query, "version", value)?), on })
    };
    let total = |on: bool| (on && results.total_files > 0).then_some(results.total_files);
    let all = if let [_] = searched.as_slice() { format!("All {most}") } else { "All".to_owned() };
    let newest = match searched.as_slice() {
        [one] => one.versions.first().map_or_else(|| "Newest".to_owned(), |version| format!("Newest, {}", version.name)),
        _ => "Newest of each".to_owned(),
    };
    let mut values: Vec<FacetValue> = Vec::new();
    values.extend(chosen(Some("all"), all, total(setting == Some("all"))));
    values.extend(chosen(None, newest, total(setting.is_none())));
    if let [one] = searched.as_slice() {
        for version in &one.versions {
            let name = &version.name;
            let counted = results.facets.versions.iter().find(|count| count.value == *name).map(|count| count.files);
            let written = edit::filter("version", name);
            let value = written.strip_prefix("version:").unwrap_or(name);
            // Where several were searched, those without a match say nothing.
            if results.facets.versions.is_empty() || counted.is_some() || setting == Some(value) {
                values.extend(chosen(Some(value), name.clone(), counted));
            }
        }
    }
    Some(Facet { title: "Version", trail: Vec::new(), values })
}

fn products(query: &str, results: &Results, readable: &[Readable]) -> Option<Facet> {
    if readable.len() < 2 {
        return None;
    }
    let searched = |one: &&Readable| {
        let phrase = edit::filter("product", &one.product.name);
        results.coverage.iter().any(|other| other.product == one.product.name) || edit::like(query, &phrase).is_some()
    };
    let value = |one: &Readable| toggle(query, &edit::filter("product", &one.product.name), one.product.title.clone(), None);
    Some(Facet { title: "Product", trail: Vec::new(), values: readable.iter().filter(searched).filter_map(value).collect() })
}

fn languages(query: &str, results: &Results) -> Option<Facet> {
    let value = |name: &str, files| toggle(query, &edit::filter("lang", &name.to_lowercase()), name.to_owned(), Some(files));
    let values: Vec<FacetValue> = results.facets.languages.iter().filter_map(|count| value(&count.value, count.files)).collect();
    (values.len() > 1 || values.iter().any(|value| value.on)).then_some(Facet { title: "Language", trail: Vec::new(), values })
}

/// One level at a time, with the way back.
fn directories(query: &str, results: &Results) -> Option<Facet> {
    let inside = edit::directory_in(query);
    let mut trail = Vec::new();
    if let Some(inside) = &inside {
        trail.extend(edit::within(query, None).map(|all| Link { label: "All".to_owned(), href: href(&all) }));
        let ends = inside.match_indices('/').map(|(at, _)| at).chain([inside.len()]);
        let mut from = 0;
        for end in ends {
            let (path, name) = (inside.get(..end).unwrap_or_default(), inside.get(from..end).unwrap_or_default());
            trail.extend(edit::within(query, Some(path)).map(|up| Link { label: name.to_owned(), href: href(&up) }));
            from = end + 1;
        }
    }
    let within = inside.map(|path| format!("{path}/")).unwrap_or_default();
    let value = |count: &crate::search::Count| {
        let below = count.value.strip_prefix(&within).filter(|below| !below.is_empty())?;
        let label = count.product.as_ref().map_or_else(|| below.to_owned(), |product| format!("{product}: {below}"));
        let edited = edit::within(query, Some(&count.value))?;
        let edited = match &count.product {
            Some(product) => edit::with(&edited, &edit::filter("product", product))?,
            None => edited,
        };
        Some(FacetValue { label, count: Some(count.files), href: href(&edited), on: false })
    };
    let values: Vec<FacetValue> = results.facets.directories.iter().filter_map(value).collect();
    (values.len() > 1 || !trail.is_empty()).then_some(Facet { title: "Directory", trail, values })
}

fn kinds(query: &str, results: &Results) -> Option<Facet> {
    let value = |(kind, files): &(PathKind, u64)| {
        let label = match kind {
            PathKind::Source => "Source",
            PathKind::Documentation => "Documentation",
            PathKind::Test => "Tests",
            PathKind::Vendored => "Vendored",
        };
        toggle(query, &format!("is:{}", Trait::Kind(*kind).name()), label.to_owned(), Some(*files))
    };
    let values: Vec<FacetValue> = results.facets.kinds.iter().filter_map(value).collect();
    (values.len() > 1 || values.iter().any(|value| value.on)).then_some(Facet { title: "Kind", trail: Vec::new(), values })
}

/// Why every file had to be read: nothing in the query is fixed text long enough to be looked up.
pub(super) fn costly(query: &str) -> Option<String> {
    let terms: Vec<&str> = edit::phrases(query)
        .iter()
        .filter(|one| {
            one.filter().is_none()
                && !["OR", "AND"].contains(&one.text)
                && !one.text.starts_with(['-', '('])
                && !one.text.starts_with("NOT")
        })
        .map(|one| one.text)
        .collect();
    let is_loose = |term: &&str| match term.strip_prefix('/').and_then(|term| term.strip_suffix('/')) {
        Some(expression) => longest_text(expression) < LOOKED_UP,
        None => term.trim_matches('"').chars().count() < LOOKED_UP,
    };
    let loose = terms.iter().filter(|term| is_loose(term)).count();
    let first = terms.first().filter(|_| loose == terms.len())?;
    let what = if first.starts_with('/') { format!("no part of {first} is fixed") } else { format!("{first} is very short") };
    Some(format!("Every file has to be read, because {what}. A word of three letters or more beside it makes the search fast."))
}

/// The longest stretch of letters, digits and underscores in an expression that stand for themselves.
fn longest_text(expression: &str) -> usize {
    let (mut longest, mut here) = (0, 0);
    let mut chars = expression.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
                here = 0;
            }
            '[' => (in_class, here) = (true, 0),
            ']' => (in_class, here) = (false, 0),
            c if !in_class && (c.is_alphanumeric() || c == '_') => {
                // One that may be left out does not count.
                let optional = matches!(chars.peek(), Some('?' | '*' | '{'));
                here = if optional { 0 } else { here + 1 };
            }
            _ => here = 0,
        }
        longest = longest.max(here);
    }
    longest
}

/// Queries that may find something where this one found nothing.
pub(super) fn instead(query: &str) -> Vec<Instead> {
    let mut instead = Vec::new();
    let mut offer = |words: &str, edited: Option<String>| {
        if let Some(edited) = edited.filter(|edited| !edited.is_empty() && *edited != query.trim()) {
            instead.push(Instead { words: words.to_owned(), href: href(&edited), query: edited });
        }
    };
    let phrases = edit::phrases(query);
    let filters: Vec<String> = phrases.iter().filter_map(edit::Phrase::filter).map(|(name, _)| name).collect();
    let has = |names: &[&str]| filters.iter().any(|name| names.contains(&name.as_str()));
    if edit::setting(query, "version") != Some("all") {
        offer("Search all versions", edit::set(query, "version", Some("all")));
    }
    let capital = phrases.iter().any(|one| {
        one.filter().is_none() && !["OR", "AND"].contains(&one.text) && one.text.trim_start_matches("NOT ").chars().any(char::is_uppercase)
    });
    if (capital && edit::setting(query, "case").is_none()) || edit::setting(query, "case") == Some("yes") {
        offer("Let capitals and small letters be the same", edit::set(query, "case", Some("no")));
    }
    if has(&["path", "file", "lang", "language", "product", "is"]) {
        offer("Search without the filters", without_filters(query));
    }
    if edit::setting(query, "type").is_none() && Query::parse_edited(query).is_ok_and(|query| query.reads_contents()) {
        offer("Look for files of this name", edit::set(query, "type", Some("path")));
    }
    instead
}

fn without_filters(query: &str) -> Option<String> {
    let mut edited = query.to_owned();
    for name in ["path", "file", "lang", "language", "product", "is"] {
        edited = edit::set(&edited, name, None)?;
    }
    Some(edited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_looked_for_elsewhere() {
        let tabs = tabs("strcpy type:path", Type::Path);
        assert_eq!(tabs.iter().map(|tab| (tab.label, tab.on)).collect::<Vec<_>>()[..2], [("Files", false), ("Names", true)]);
        assert_eq!(tabs[0].href, "/search?q=strcpy");
        assert_eq!(tabs[3].href, "/search?q=strcpy%20type:commit");
    }

    #[test]
    fn next_steps_fit_the_query() {
        let queries = |query: &str| instead(query).into_iter().map(|step| step.query).collect::<Vec<_>>();
        assert_eq!(queries("strcpy"), ["strcpy version:all", "strcpy type:path"]);
        assert_eq!(
            queries("StrCpy version:all lang:c"),
            ["StrCpy version:all lang:c case:no", "StrCpy version:all", "StrCpy version:all lang:c type:path"]
        );
        assert_eq!(queries("path:x version:all"), ["version:all"]);
        assert_eq!(queries("a OR b")[0], "(a OR b) version:all");
    }

    #[test]
    fn what_makes_a_query_expensive_is_named() {
        for cheap in ["strcpy", "/str(cpy|cat)/", "ab strcpy", "lang:c", r"/\w+_RESUME/"] {
            assert_eq!(costly(cheap), None, "{cheap}");
        }
        assert!(costly(r"/\w+\s*[abcdef]+x?/").unwrap().contains(r"no part of /\w+\s*[abcdef]+x?/ is fixed"));
        assert!(costly("a lang:c").unwrap().contains("a is very short"));
    }

    #[test]
    fn a_value_that_is_on_is_taken_away() {
        let on = toggle("strcpy lang:C", "lang:c", "C".into(), Some(1)).unwrap();
        assert!(on.on);
        assert_eq!(on.href, "/search?q=strcpy");
        assert_eq!(toggle("strcpy", "lang:c", "C".into(), None).unwrap().href, "/search?q=strcpy%20lang:c");
    }
}
