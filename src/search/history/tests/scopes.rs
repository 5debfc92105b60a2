//! Nothing outside of a scope takes part, and nothing tells of it.

use super::*;

/// `open/` and `shut/`: a commit in each, one in both, one that moves a file from one to the other, a merge, an empty commit.
fn story() -> Told {
    let mut t = Told::new();
    let mut at = files(&[("open/a", "needle open\n"), ("shut/b", "needle shut\n")]);
    let root = t.commit(&[], &at, "Both at first\n");
    at.insert("open/a".into(), b"needle open\nneedle two\n".to_vec());
    let open = t.commit(&[root], &at, "Only open\n");
    at.insert("shut/b".into(), b"needle shut\nneedle hidden\n".to_vec());
    let shut = t.commit(&[open], &at, "Only shut\n");
    t.publish("v1", shut);
    let moved = at.remove("shut/b").unwrap();
    at.insert("open/b".into(), moved);
    let moved = t.commit(&[shut], &at, "Move it\n");
    let mut side = at.clone();
    side.insert("open/c".into(), b"needle side\n".to_vec());
    let branch = t.commit(&[moved], &side, "On a branch\n");
    let empty = t.commit(&[moved], &at, "Nothing changed\n");
    let merge = t.commit(&[empty, branch], &side, "Merge it\n");
    t.publish("v2", merge);
    t
}

const ALL: &[&str] = &[""];

#[test]
fn everything_for_whom_everything_is_open() {
    let t = story();
    let scope = t.scope(t.indexed(), &[("v2", ALL, &[]), ("v1", ALL, &[])]);
    assert_eq!(
        changed("needle", &scope),
        [
            "On a branch open/c:+1",
            "Move it open/b:+1,+2",
            "Move it shut/b:-1,-2",
            "Only shut shut/b:+2",
            "Only open open/a:+2",
            "Both at first open/a:+1",
            "Both at first shut/b:+1"
        ]
    );
    let messages = ["Merge it", "Nothing changed", "On a branch", "Move it", "Only shut", "Only open", "Both at first"];
    assert_eq!(subjects("/./", &scope), messages);
}

#[test]
fn a_part_shows_its_changes_and_no_message_that_may_speak_of_the_rest() {
    let t = story();
    let rules: [(&str, &[&str], &[&str]); 2] = [("v2", &["open"], &[]), ("v2", ALL, &["shut"])];
    for rule in rules {
        let scope = t.scope(t.indexed(), &[rule]);
        assert_eq!(
            changed("needle", &scope),
            ["On a branch open/c:+1", "? open/b:+1,+2", "Only open open/a:+2", "? open/a:+1"],
            "{rule:?}"
        );
        let results = search("needle", DIFF, &scope);
        assert_eq!((results.total_lines, results.total_files, results.total_commits), (5, 4, 4));
        assert_eq!((results.searched, results.scope), (4, 4));
        assert_eq!(changed("hidden -two", &scope), ["? open/b:+2"]);
        assert_eq!(changed("path:shut", &scope), [""; 0]);
        // Neither the merge nor the commit without changes: they may speak of anything.
        assert_eq!(subjects("/./", &scope), ["On a branch", "Only open"]);
        let results = search("(shut OR Move OR Merge)", COMMIT, &scope);
        assert_eq!((results.total_commits, results.total_lines, results.scope, results.searched), (0, 0, 2, 2));
    }
}

#[test]
fn versions_reach_only_what_came_before_them() {
    let t = story();
    let scope = t.scope(t.indexed(), &[("v1", ALL, &[])]);
    assert_eq!(subjects("/./ version:all", &scope), ["Only shut", "Only open", "Both at first"]);
    assert_eq!(changed("needle", &scope).len(), 4);
    assert_eq!(changed("side version:all", &scope), [""; 0]);
    // All of the older version, and a part of the newer: what came since is cut to that part, and so are its messages.
    let scope = t.scope(t.indexed(), &[("v2", &["open"], &[]), ("v1", ALL, &[])]);
    assert_eq!(subjects("/./ version:all", &scope), ["On a branch", "Only shut", "Only open", "Both at first"]);
    assert_eq!(changed("hidden version:all", &scope), ["? open/b:+2", "Only shut shut/b:+2"]);
    let results = search("needle version:all", DIFF, &scope);
    let first = results.commits.iter().find(|commit| commit.subject.as_deref() == Some("Both at first")).unwrap();
    // One of its two files is closed in v2.
    assert_eq!(first.versions, ["v1"]);
    let results = search("\"needle open\" version:all", DIFF, &scope);
    assert_eq!(results.commits[0].versions, ["v2", "v1"]);
}

#[test]
fn grants_stand_beside_each_other() {
    let t = story();
    let scope = t.scope(t.indexed(), &[("v2", &["open"], &[]), ("v2", &["shut"], &[])]);
    let messages = ["Merge it", "Nothing changed", "On a branch", "Move it", "Only shut", "Only open", "Both at first"];
    assert_eq!(subjects("/./", &scope), messages);
    let results = search("hidden", DIFF, &scope);
    assert!(results.commits.iter().all(|commit| commit.versions == ["v2"]));
    let nothing = t.scope(t.indexed(), &[("v2", &[], &[])]);
    let results = search("/./ version:all", COMMIT, &nothing);
    assert_eq!((results.total_commits, results.scope), (0, 0));
    assert_eq!(search("path:/./", DIFF, &nothing).scope, 0);
}

#[test]
fn what_is_not_indexed_is_said() {
    let t = story();
    let mut scope = t.scope(t.indexed(), &[("v2", ALL, &[]), ("v1", ALL, &[])]);
    scope[0].product.versions[0].commit = "moved".to_owned();
    let unindexed = ProductScope { product: "new".to_owned(), ..scope[0].product.clone() };
    scope.push(HistoryScope::new(unindexed, None));
    let results = search("needle", DIFF, &scope);
    let missing: Vec<_> = results.not_indexed.iter().map(|v| format!("{} {}", v.product, v.version)).collect();
    assert_eq!((missing, results.complete), (vec!["x v2".to_owned(), "new v2".to_owned()], false));
    assert_eq!((results.total_files, results.scope), (0, 0));
}
