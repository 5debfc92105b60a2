//! Hits over many versions: spans, what came and went; the order of hits; facets; parts of an answer.

use super::*;
use crate::symbols::SymbolIndex;

fn sources() -> Sources {
    Sources::default()
        .with("v1", &[("a.c", "one\n"), ("b.c", "evil(1)\n")])
        .with("v2", &[("a.c", "one\nevil(1)\n"), ("b.c", "evil(1)\n")])
        .with("v3", &[("a.c", "top\none\nevil(1)\nevil(2)\n"), ("b.c", "evil(1)\n")])
        .with("v4", &[("a.c", "one\n"), ("b.c", "evil(1)\n")])
        .with("v5", &[("a.c", "one\nevil(2)\n")])
        .with("v6", &[("a.c", "one\n"), ("c.c", "x")])
}

fn spans(spans: &[Span]) -> Vec<String> {
    spans.iter().map(|s| format!("{}..{} {}", s.oldest, s.newest, s.versions)).collect()
}

#[test]
fn a_path_is_listed_once_with_its_versions() {
    let mut sources = sources();
    let (_home, index) = indexed(&mut sources);
    let scope = sources.whole("git", index);
    let results = search("evil version:all", &scope);
    assert_eq!((results.total_paths, results.total_files, results.total_lines), (2, 4, 5));
    let [a, b] = results.hits.as_slice() else { panic!("{results:?}") };
    assert_eq!((a.path.to_string().as_str(), spans(&a.spans)), ("a.c", vec!["v5..v5 1".to_owned(), "v2..v3 2".to_owned()]));
    assert_eq!((a.introduced.as_deref(), a.gone.as_deref()), (Some("v2"), Some("v6")));
    let states: Vec<_> = a.states.iter().map(|state| state.versions.join(",")).collect();
    assert_eq!(states, ["v5", "v3", "v2"]);
    assert_eq!((spans(&b.spans), b.introduced.as_deref(), b.gone.as_deref()), (vec!["v1..v4 4".to_owned()], None, Some("v5")));
    // Of each line, wherever it stood.
    let second = &a.states[1].lines;
    assert_eq!((second[0].text.as_str(), spans(&second[0].spans)), ("evil(1)", vec!["v2..v3 2".to_owned()]));
    assert_eq!(spans(&second[1].spans), ["v5..v5 1", "v3..v3 1"]);
    assert_eq!(
        results.facets.versions.iter().map(|c| format!("{} {}", c.value, c.files)).collect::<Vec<_>>(),
        ["v5 1", "v4 1", "v3 2", "v2 2", "v1 1"]
    );
    assert_eq!(results.coverage[0].versions, ["v6", "v5", "v4", "v3", "v2", "v1"]);
}

#[test]
fn ranges_take_both_ends() {
    let mut sources = sources();
    let (_home, index) = indexed(&mut sources);
    let scope = sources.whole("git", index);
    let searched = |range: &str| search(&format!("evil version:{range}"), &scope).coverage[0].versions.join(",");
    assert_eq!(searched("v2..v4"), "v4,v3,v2");
    assert_eq!(searched("v4..v2"), "v4,v3,v2");
    assert_eq!(searched("v5.."), "v6,v5");
    assert_eq!(searched("..v2"), "v2,v1");
    assert_eq!(searched("v3..v3"), "v3");
    assert_eq!(searched("v3..v9"), "");
    assert_eq!(searched("\"v3..v4\""), "");
    assert!(Query::parse("x version:..").is_err());
    let one = search("evil version:v2..v3", &scope);
    assert_eq!((one.hits[0].introduced.as_deref(), one.hits[0].gone.as_deref()), (None, None));
}

#[test]
fn the_likeliest_come_first() {
    let files = [
        ("aaa/uses.c", "  find_node(x);\n"),
        ("bbb/part.c", "refind_nodes();\n"),
        ("lib/find_node.c", "  find_node(y);\n"),
        ("tests/t.c", "  find_node(x);\n"),
        ("vendor/v.c", "int find_node(int a)\n"),
        ("zzz/again.c", "struct node *find_node(int a)\n{\n"),
    ];
    let (_home, scope) = one_version(&files);
    let order: Vec<_> = search("find_node", &scope).hits.iter().map(|hit| hit.path.to_string()).collect();
    assert_eq!(order, ["lib/find_node.c", "aaa/uses.c", "zzz/again.c", "bbb/part.c", "tests/t.c", "vendor/v.c"]);
}

#[test]
fn what_defines_a_word_comes_first() {
    let files = [
        ("aaa/uses.c", "  find_node(x);\n"),
        ("lib/find_node.c", "  find_node(y);\n"),
        ("vendor/v.c", "int find_node(int a)\n{\n    return a;\n}\n"),
        ("words.txt", "int find_node(int a)\n{\n    return 1;\n}\n"),
        ("zzz/defines.c", "/* FindNode */\nint find_node(int a)\n{\n    return 0;\n}\n"),
        ("zzz/class.cpp", "class FindNode {\n};\n// find_node\n"),
    ];
    let (home, mut scope) = one_version(&files);
    let paths: Vec<RepoPath> = files.iter().map(|(name, _)| path(name)).collect();
    let extracted: Vec<_> = files.iter().zip(&paths).map(|((_, text), path)| (*blob(text.as_bytes()).bytes(), path, *text)).collect();
    let symbols = SymbolIndex::of_files(&home.path().join("symbols"), &extracted).unwrap();
    scope.products[0].symbols = Some(Arc::new(symbols));
    let order = |query: &str, scope: &Scope| search(query, scope).hits.iter().map(|hit| hit.path.to_string()).collect::<Vec<_>>().join(" ");
    let rest = "lib/find_node.c aaa/uses.c words.txt zzz/class.cpp";
    for query in ["find_node", "FIND_NODE case:no", r"/\bfind_node\b/"] {
        assert_eq!(order(query, &scope), format!("zzz/defines.c vendor/v.c {rest}"), "{query}");
    }
    assert!(order(r"/find_node\s*\(int/", &scope).starts_with("zzz/defines.c vendor/v.c"));
    // In which case it is written counts where the query says so.
    assert_eq!(order("FindNode", &scope), "zzz/class.cpp zzz/defines.c");
    assert_eq!(order("findnode", &scope), "zzz/class.cpp zzz/defines.c");
    assert!(order("Find_node case:yes", &scope).is_empty());
    // What is excluded, and what is only a part of a name, defines nothing that was looked for.
    assert!(order("find_nod", &scope).starts_with("lib/find_node.c"));
    assert_eq!(order("int -find_nod OR return", &scope), order("return", &scope));
    // First in the first part of an answer, too, however much there is before it.
    let early = Budget { bytes: 1, ..Budget::unlimited() };
    let query = Query::parse("find_node").unwrap();
    let page = PageRequest { limit: 1, ..PageRequest::default() };
    let first = Searcher::new(1).run(&query, &scope, page, &early).unwrap();
    assert_eq!((first.hits[0].path.to_string().as_str(), first.complete), ("zzz/defines.c", false));
    // What may not be read moves nothing: the file that defines it is not among them.
    scope.products[0].versions[0].excludes = vec![path("zzz"), path("vendor")];
    assert_eq!(order("find_node", &scope), "lib/find_node.c aaa/uses.c words.txt");
}

#[test]
fn facets_count_what_matches() {
    let files = [("src/net/a.c", "x"), ("src/net/b.rs", "x"), ("src/fs/c.c", "x"), ("src/d.c", "x"), ("src/net/e.c", "y")];
    let (_home, scope) = one_version(&files);
    let facets = search("x", &scope).facets;
    let said = |counts: &[Count]| counts.iter().map(|c| format!("{} {}", c.value, c.files)).collect::<Vec<_>>();
    assert_eq!(said(&facets.languages), ["C 3", "Rust 1"]);
    assert_eq!(said(&facets.directories), ["src/net/ 2", "src/fs/ 1"]);
    assert_eq!(facets.kinds, [(PathKind::Source, 4)]);
    assert_eq!(facets.versions, []);
}

#[test]
fn what_is_ready_early_is_given_early() {
    // More than the first tier, so that there is a second.
    let text = format!("needle\n{}", "hay in a stack\n".repeat(20_000));
    let files: Vec<(String, String)> = (0..20).map(|n| (format!("f{n:02}"), text.clone())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let (_home, scope) = one_version(&files);
    let budget = Budget { bytes: 10_000, ..Budget::unlimited() };
    let mut parts: Vec<Results> = Vec::new();
    let query = Query::parse("needle count:all").unwrap();
    Searcher::new(2)
        .stream(&query, &scope, PageRequest { limit: 5, ..PageRequest::default() }, &budget, &mut |part| {
            parts.push(part);
            Ok(())
        })
        .unwrap();
    assert!(parts.len() > 1);
    let shown: Vec<_> = parts.iter().flat_map(|part| &part.hits).map(|hit| hit.path.to_string()).collect();
    assert_eq!(shown, ["f00", "f01", "f02", "f03", "f04"]);
    let last = parts.pop().unwrap();
    assert!(parts.iter().all(|part| part.more_to_come && !part.complete) && !last.more_to_come && last.complete);
    assert_eq!((last.total_files, last.next), (20, Some(5)));
    // A sink that fails ends the search.
    let failed = Searcher::new(2).stream(&query, &scope, PageRequest::default(), &budget, &mut |_| Err(SearchError::Cancelled));
    assert!(matches!(failed, Err(SearchError::Cancelled)));
}
