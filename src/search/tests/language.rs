//! The query language: what is read, what is refused, and how.

use proptest::prelude::*;

use super::super::parser::joined;
use super::*;

fn shown(text: &str) -> String {
    let query = Query::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(Query::parse(&query.to_string()).as_ref(), Ok(&query), "{text}");
    query.filter().map_or_else(String::new, tree)
}

/// With every group in brackets and every term by its kind.
fn tree(expr: &Expr) -> String {
    let list = |parts: &[Expr]| parts.iter().map(tree).collect::<Vec<_>>().join(" ");
    match expr {
        Expr::All(parts) => format!("[all {}]", list(parts)),
        Expr::Any(parts) => format!("[any {}]", list(parts)),
        Expr::Not(inner) => format!("[not {}]", tree(inner)),
        Expr::Term(Term::Text(text)) => text.clone(),
        Expr::Term(term) => term.to_string(),
    }
}

#[test]
fn what_is_written_and_what_is_read() {
    for (written, read) in [
        ("strcpy", "strcpy"),
        ("a b  c", "[all a b c]"),
        ("a AND b", "[all a b]"),
        ("a b OR c d", "[any [all a b] [all c d]]"),
        ("a (b OR c)", "[all a [any b c]]"),
        ("a (b c)", "[all a b c]"),
        ("(a OR b) OR c", "[any a b c]"),
        ("-a NOT b", "[all [not a] [not b]]"),
        ("NOT NOT a", "[not [not a]]"),
        ("NOT (a OR b)", "[not [any a b]]"),
        ("->next", "->next"),
        ("--help -x", "[all --help [not x]]"),
        ("a - b", "[all a - b]"),
        ("main() strcpy( f(a)", "[all main() strcpy( f(a)]"),
        ("(strcpy(a) OR b)", "[any strcpy(a) b]"),
        ("\"a \\\"b\\\" \\\\ \\n\"", "a \"b\" \\ \\n"),
        ("#include\"x\"", "#include\"x\""),
        ("std::move file::x http://x", "[all std::move file::x http://x]"),
        ("foo:bar", "foo:bar"),
        ("/a b\\/c\\\\/", "/a b\\/c\\\\/"),
        ("OReilly NOTE ANDROID", "[all OReilly NOTE ANDROID]"),
        ("\"OR\" \"path:x\"", "[all OR path:x]"),
        ("path:a.c file:\"b c\" path:/x\\/y/", "[all path:a.c path:\"b c\" path:/x\\/y/]"),
        ("lang:C++ language:c", "[all lang:C++ lang:c]"),
        ("PATH:x", "path:x"),
        ("(path:x)", "path:x"),
        ("-path:test/", "[not path:test/]"),
        ("product:lib* x", "[all product:lib* x]"),
        ("version:all", ""),
        ("x version:v2.* case:no", "x"),
        ("日本 \"語\"", "[all 日本 語]"),
    ] {
        assert_eq!(shown(written), read, "{written}");
    }
    let query = Query::parse("version:\"all\" case:yes (a OR b)").unwrap();
    assert_eq!(query.versions(), &Versions::Like("all".to_owned()));
    assert_eq!(query.to_string(), "(a OR b) version:\"all\" case:yes");
    assert!(query.reads_contents());
    assert!(!Query::parse("path:x version:newest").is_ok_and(|q| q.reads_contents()));
}

#[test]
fn errors_point_at_what_is_wrong() {
    for (written, marked, says) in [
        ("", "", "asks for nothing"),
        ("   ", "   ", "asks for nothing"),
        ("a OR", "OR", "one of them is missing"),
        ("OR a", "OR", "one of them is missing"),
        ("a OR OR b", "OR", "one of them is missing"),
        ("a AND", "AND", "one of them is missing"),
        ("AND a", "AND", "one of them is missing"),
        ("a AND AND b", "AND", "one of them is missing"),
        ("a NOT", "NOT", "Nothing follows"),
        ("(a OR b", "(", "never closed"),
        ("a)", ")", "closes nothing"),
        ("a ()", "()", "nothing between"),
        ("é \"b", "\"", "never closed"),
        ("\"\"", "\"\"", "nothing in here"),
        ("\"a\"b", "\"a\"b", "more follows"),
        ("/usr/include", "/usr/i", "more follows"),
        ("/usr", "/", "never closed"),
        ("é /a(b/", "(", "unclosed group"),
        ("/a\\/[b-a]/", "b-a", "invalid character class range"),
        ("/(?=x)/", "(?=", "look-around"),
        ("/(a{1000}){1000}/", "(a{1000}){1000}", "too large"),
        ("path:/[/ x", "[", "unclosed character class"),
        ("path:[a", "[a", "never closed"),
        ("lang:", "lang:", "needs a value"),
        ("lang: rust", "lang:", "needs a value"),
        ("lang:/x/", "lang:/x/", "takes no /expression/"),
        ("lens:main", "lens:", "not available yet"),
        ("sym:", "sym:", "needs a value"),
        ("sym:main type:diff", "main", "does not belong to this type"),
        ("sym:/a(b/", "(", "cannot be used"),
        ("x lens:crypto", "lens:", "not available yet"),
        ("repo:git x", "repo:", "no filter here"),
        ("case:maybe x", "case:maybe", "yes, no or auto"),
        ("version:a version:b", "version:b", "given twice"),
        ("a OR version:b", "version:b", "whole query"),
        ("version:b a OR c", "version:b", "whole query"),
        ("(version:b) a", "version:b", "whole query"),
        ("NOT case:no", "case:no", "whole query"),
        ("version:[x", "version:[x", "never closed"),
    ] {
        let error = Query::parse(written).expect_err(written);
        let at: String = written.chars().skip(error.span.start).take(error.span.len()).collect();
        assert_eq!(at, marked, "{written}: {error}");
        assert!(error.message.contains(says), "{written}: {error}");
        assert!(!error.hint.is_empty(), "{written}");
    }
}

#[test]
fn what_was_put_together_is_read_without_making_its_expressions() {
    for written in ["/a{300}/ lang:c", "(x OR y) -path:/z/ version:all", "type:path a*", "sym:/q/"] {
        assert_eq!(Query::parse_edited(written), Query::parse(written), "{written}");
    }
    for written in ["(a", "type:path a[", "a lang:c OR", "/a{60000}/", "product:[x"] {
        assert_eq!(Query::parse_edited(written), Query::parse(written), "{written}");
        assert!(Query::parse_edited(written).is_err(), "{written}");
    }
    // It is for what was read once: this was not, and nobody finds out.
    assert!(Query::parse_edited("/(?=a)/").is_ok());
}

#[test]
fn queries_have_limits() {
    let long = "x".repeat(Query::LONGEST + 1);
    assert!(Query::parse(&long).is_err_and(|e| e.message.contains("4097 bytes")));
    assert!(Query::parse(&long[1..]).is_ok());
    let deep = |n| format!("{}x{}", "(".repeat(n), ")".repeat(n));
    assert!(Query::parse(&deep(Query::DEEPEST)).is_ok());
    assert!(Query::parse(&deep(Query::DEEPEST + 1)).is_err_and(|e| e.message.contains("nested")));
    assert!(Query::parse(&"NOT ".repeat(33)).is_err());
    assert!(Query::parse(&"x ".repeat(Query::MOST_TERMS)).is_ok());
    assert!(Query::parse(&"x ".repeat(Query::MOST_TERMS + 1)).is_err_and(|e| e.message.contains("too many")));
}

#[test]
fn expressions_have_a_limit_together() {
    let (one, other) = (r"/x[ab]{20000}/", r"/[cd]{20000}y/");
    for allowed in [one, other, "path:/[cd]{20000}/"] {
        assert!(Query::parse(allowed).is_ok(), "{allowed}");
    }
    for (written, marked) in [
        (format!("{one} {other}"), other),
        (format!("{one} OR path:{other}"), other),
        (format!("NOT ({one} {other})"), other),
        (format!("{one} case:no word {one}"), one),
    ] {
        let error = Query::parse(&written).expect_err(&written);
        let inner = &marked[1..marked.len() - 1];
        let at: String = written.chars().skip(error.span.start).take(error.span.len()).collect();
        assert_eq!(at, inner, "{written}");
        assert!(error.message.contains("with those before it"), "{error}");
        assert_eq!(Query::parse_edited(&written), Err(error), "{written}");
    }
    // One that is too large alone is told so.
    let error = Query::parse(&format!("{one} /[ab]{{60000}}/")).unwrap_err();
    assert!(error.message.contains("cannot be used: it is too large"), "{error}");
}

fn any_tree() -> impl Strategy<Value = Expr> {
    let text = prop_oneof!["[a-zA-Z_(): \"\\\\/*é-]{1,8}", ".{1,6}", Just("OR".to_owned()), Just("lang:c".to_owned())];
    let term = prop_oneof![
        3 => text.clone().prop_map(Term::Text),
        1 => "[a-z/ .\"()]{1,6}".prop_map(|t| Term::Pattern(regex_syntax::escape(&t))),
        1 => text.clone().prop_map(|t| Term::Path(PathTerm::Words(t.replace(['[', '{', '*', '?'], "x")))),
        1 => "[a-z/ ]{1,6}".prop_map(|t| Term::Path(PathTerm::Pattern(t))),
        1 => text.clone().prop_map(|t| Term::Symbol(SymbolTerm::Words(t))),
        1 => "[a-z/ ]{1,6}".prop_map(|t| Term::Symbol(SymbolTerm::Pattern(t))),
        1 => text.clone().prop_map(Term::Language),
        1 => "[a-z* ]{1,6}".prop_map(Term::Product),
    ];
    term.prop_map(Expr::Term).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| joined(parts, Expr::All)),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| joined(parts, Expr::Any)),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn any_query_is_read_back_from_its_text(
        filter in any_tree(),
        versions in prop_oneof![
            Just(Versions::Newest), Just(Versions::All), "[a-z.* ]{1,5}|all|newest".prop_map(Versions::Like)
        ],
        case in prop_oneof![Just(Case::Auto), Just(Case::Heeded), Just(Case::Ignored)],
    ) {
        let query = Query { filter: Some(filter), versions, case, ..Query::default() };
        prop_assert_eq!(Query::parse(&query.to_string()), Ok(query));
    }

    #[test]
    fn any_text_is_answered(text in ".{0,60}", words in prop::collection::vec(prop::sample::select(vec![
        "(", ")", "\"", "/", "\\", "-", "NOT", "OR", "AND", " ", "path:", "version:", "case:", "a", "é", "*", "[", "{", "lang:", "x"
    ]), 0..30)) {
        for text in [text, words.concat()] {
            match Query::parse(&text) {
                Ok(query) => prop_assert_eq!(Query::parse(&query.to_string()), Ok(query)),
                Err(error) => {
                    prop_assert!(error.span.start <= error.span.end, "{:?}", error);
                    prop_assert!(error.span.end <= text.chars().count(), "{:?} {:?}", text, error);
                }
            }
        }
    }
}
