//! Nothing outside of a scope takes part.

use super::scope::Selection;
use super::*;

fn sources() -> Sources {
    Sources::default()
        .with("v1", &[("kernel/a/x.c", "secret one"), ("kernel/ab/y.c", "secret two"), ("lib/z.c", "secret three")])
        .with("v2", &[("kernel/a/x.c", "secret one"), ("kernel/ab/y.c", "secret two, changed"), ("lib/z.c", "secret three")])
        .with("v3", &[("kernel/a/x.c", "secret new"), ("kernel/ab/y.c", "secret two, changed"), ("kernel/a", "secret file")])
}

fn scope(rules: &[(&str, &[&str], &[&str])]) -> (tempfile::TempDir, Scope) {
    let mut sources = sources();
    let (home, index) = indexed(&mut sources);
    let mut scope = sources.whole("os", index);
    let paths = |texts: &[&str]| texts.iter().map(|t| RepoPath::parse(t.as_bytes()).unwrap()).collect();
    let versions = rules.iter().map(|(name, includes, excludes)| {
        let version = scope.products[0].versions.iter().find(|v| v.name == *name).unwrap();
        VersionScope { includes: paths(includes), excludes: paths(excludes), ..version.clone() }
    });
    scope.products[0].versions = versions.collect();
    (home, scope)
}

fn seen(query: &str, scope: &Scope) -> Vec<String> {
    let results = search(query, scope);
    assert_eq!(results.total_files, states(&results).count() as u64);
    states(&results).map(|hit| format!("{} {}", hit.path, hit.versions.join(","))).collect()
}

#[test]
fn everything_for_whom_everything_is_open() {
    let (_home, scope) = scope(&[("v3", &[""], &[]), ("v2", &[""], &[]), ("v1", &[""], &[])]);
    assert_eq!(seen("secret", &scope), ["kernel/a v3", "kernel/a/x.c v3", "kernel/ab/y.c v3"]);
    assert_eq!(
        seen("secret version:all", &scope),
        ["kernel/a v3", "kernel/a/x.c v3", "kernel/a/x.c v2,v1", "kernel/ab/y.c v3,v2", "kernel/ab/y.c v1", "lib/z.c v2,v1"]
    );
    assert_eq!(seen("secret version:v1", &scope), ["kernel/a/x.c v1", "kernel/ab/y.c v1", "lib/z.c v1"]);
    assert_eq!(seen("three version:v[12]", &scope), ["lib/z.c v2,v1"]);
    assert_eq!(seen("three version:v9", &scope), [""; 0]);
}

#[test]
fn places_are_directories_and_not_beginnings_of_names() {
    let (_home, scope) = scope(&[("v2", &["kernel/a"], &[])]);
    assert_eq!(seen("secret", &scope), ["kernel/a/x.c v2"]);
    let results = search("nothing-like-this", &scope);
    assert_eq!((results.scope_files, results.searched_files), (1, 1));
}

#[test]
fn a_version_is_not_named_where_the_path_is_closed_in_it() {
    // The same bytes at the same path: open in v2, closed in v1.
    let (_home, scope) = scope(&[("v2", &["lib"], &[]), ("v1", &[""], &["lib"])]);
    assert_eq!(seen("three version:all", &scope), ["lib/z.c v2"]);
    assert_eq!(seen("three version:v1", &scope), [""; 0]);
    let results = search("three version:v1", &scope);
    assert_eq!((results.total_lines, results.scope_files), (0, 2));
}

#[test]
fn exclusions_win_and_an_empty_rule_opens_nothing() {
    let (_home, scope) = scope(&[("v3", &["kernel", "kernel/ab"], &["kernel/ab/y.c"]), ("v2", &[], &[])]);
    assert_eq!(seen("secret version:all", &scope), ["kernel/a v3", "kernel/a/x.c v3"]);
    assert_eq!(seen("NOT zebra version:v2", &scope), [""; 0]);
    assert_eq!(seen("path:lib version:all", &scope), [""; 0]);
    assert_eq!(search("zebra version:v2", &scope).scope_files, 0);
}

#[test]
fn newest_is_the_newest_that_may_be_read() {
    let (_home, scope) = scope(&[("v1", &[""], &[])]);
    assert_eq!(seen("secret", &scope), ["kernel/a/x.c v1", "kernel/ab/y.c v1", "lib/z.c v1"]);
}

#[test]
fn what_is_not_indexed_is_said() {
    let (_home, mut scope) = scope(&[("v3", &[""], &[]), ("v2", &[""], &[])]);
    scope.products[0].versions[0].commit = "moved".to_owned();
    scope.products.push(ProductScope {
        product: "new".to_owned(),
        index: None,
        symbols: None,
        versions: scope.products[0].versions[..1].to_vec(),
    });
    let results = search("secret", &scope);
    let missing: Vec<_> = results.not_indexed.iter().map(|v| format!("{} {}", v.product, v.version)).collect();
    assert_eq!(missing, ["os v3", "new v3"]);
    assert!(!results.complete);
    assert_eq!((results.total_files, results.scope_files), (0, 0));
    let results = search("secret version:all product:os", &scope);
    assert_eq!((results.total_files, results.not_indexed.len()), (3, 1));
}

#[test]
fn products_come_in_the_order_of_the_scope() {
    let (_first, one) = scope(&[("v3", &[""], &[])]);
    let (_second, two) = scope(&[("v1", &["lib"], &[])]);
    let mut both = one;
    both.products.extend(two.products);
    both.products[1].product = "an-other".to_owned();
    assert_eq!(seen("secret", &both), ["kernel/a v3", "kernel/a/x.c v3", "kernel/ab/y.c v3", "lib/z.c v1"]);
    assert_eq!(seen("secret product:an-*", &both), ["lib/z.c v1"]);
    assert_eq!(seen("secret -product:an-*", &both).len(), 3);
    assert_eq!(seen("(product:os path:ab) OR product:an-other", &both), ["kernel/ab/y.c v3", "lib/z.c v1"]);
}

#[test]
fn names_facets_and_coverage_tell_nothing_from_outside() {
    let (_home, scope) = scope(&[("v3", &["kernel/ab"], &[]), ("v1", &["kernel/ab"], &[])]);
    assert_eq!(seen("kernel type:path version:all", &scope), ["kernel/ab/y.c v3", "kernel/ab/y.c v1"]);
    assert_eq!(seen("x.c type:path version:all", &scope), [""; 0]);
    assert_eq!(seen("/./ type:path", &scope), ["kernel/ab/y.c v3"]);
    assert_eq!(seen("is:source version:all", &scope), ["kernel/ab/y.c v3", "kernel/ab/y.c v1"]);
    let results = search("secret version:all", &scope);
    let said = |counts: &[Count]| counts.iter().map(|c| format!("{} {}", c.value, c.files)).collect::<Vec<_>>();
    assert_eq!(said(&results.facets.languages), ["C 2"]);
    // All that is open lies in one directory: there is none to choose.
    assert_eq!(said(&results.facets.directories), [""; 0]);
    assert_eq!(said(&results.facets.versions), ["v3 1", "v1 1"]);
    assert_eq!(results.coverage, [Coverage { product: "os".to_owned(), versions: vec!["v3".to_owned(), "v1".to_owned()], files: 2 }]);
    // v2 has the same bytes as v3; where it may not be read it is not between them.
    let hit = &results.hits[0];
    assert_eq!((hit.introduced.as_deref(), hit.gone.as_deref()), (None, None));
    let versions = |span: &Span| format!("{} {} {}", span.newest, span.oldest, span.versions);
    assert_eq!(hit.spans.iter().map(versions).collect::<Vec<_>>(), ["v3 v1 2"]);
}

#[test]
fn where_something_is_closed_lookups_are_paced() {
    let asked = Versions::Newest;
    let paced = |scope: &Scope| Selection::new(&scope.products[0], &asked).0.unwrap().partial;
    let (_one, whole) = scope(&[("v3", &[""], &[]), ("v2", &[""], &[]), ("v1", &[""], &[])]);
    assert!(!paced(&whole));
    let (_two, fewer_versions) = scope(&[("v3", &[""], &[]), ("v2", &[""], &[])]);
    let (_three, fewer_paths) = scope(&[("v3", &[""], &[]), ("v2", &[""], &["lib"]), ("v1", &[""], &[])]);
    assert!(paced(&fewer_versions) && paced(&fewer_paths));
}
