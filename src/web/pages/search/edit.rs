//! Changing what a query says without taking it out of its writer's hand: facets and next steps add or remove a phrase, and
//! leave the rest as it was typed. What comes out is always a query.

use std::ops::Range;

use crate::search::Query;

/// Keywords, that stand for themselves only outside of quotes.
const OR: &str = "OR";
const AND: &str = "AND";

/// A part of a query at its outermost level: a term, a filter or a group, with its exclusion; or `OR` or `AND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase<'a> {
    /// In bytes of the query.
    pub(super) span: Range<usize>,
    pub(super) text: &'a str,
}

impl<'a> Phrase<'a> {
    /// The name and the value of a filter, as they were typed, with the name in small letters.
    pub(super) fn filter(&self) -> Option<(String, &'a str)> {
        let (name, value) = self.text.split_once(':')?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic());
        (is_name && !value.starts_with(':')).then(|| (name.to_ascii_lowercase(), value))
    }
}

/// The phrases of a query, whether or not it is one already.
pub(super) fn phrases(text: &str) -> Vec<Phrase<'_>> {
    let mut scan = Scan { text, at: 0 };
    let mut phrases = Vec::new();
    loop {
        scan.skip_space();
        let start = scan.at;
        if scan.rest().is_empty() {
            return phrases;
        }
        scan.phrase(0);
        if scan.at == start {
            // A parenthesis that closes nothing.
            scan.step();
        }
        phrases.extend(text.get(start..scan.at).map(|phrase| Phrase { span: start..scan.at, text: phrase }));
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn step(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.step();
        }
    }

    fn phrase(&mut self, depth: usize) {
        loop {
            let rest = self.rest();
            let minus = rest.strip_prefix('-').and_then(|rest| rest.chars().next());
            if minus.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '"' | '/' | '(')) {
                self.at += 1;
            } else if rest.strip_prefix("NOT").is_some_and(|rest| rest.starts_with(|c: char| c.is_whitespace() || c == '(')) {
                self.at += 3;
                self.skip_space();
            } else {
                break;
            }
        }
        match self.peek() {
            Some('(') if depth <= Query::DEEPEST => {
                self.at += 1;
                loop {
                    self.skip_space();
                    match self.peek() {
                        None => return,
                        Some(')') => return self.step(),
                        Some(_) => self.phrase(depth + 1),
                    }
                }
            }
            Some(mark @ ('"' | '/')) => self.delimited(mark),
            _ => {
                let name = self.rest().chars().take_while(char::is_ascii_alphabetic).count();
                let behind = self.rest().get(name..).unwrap_or_default();
                let mark = behind.strip_prefix(':').and_then(|value| value.chars().next());
                match mark {
                    Some(mark @ ('"' | '/')) if name > 0 => {
                        self.at += name + 1;
                        self.delimited(mark);
                    }
                    _ => self.bare(),
                }
            }
        }
    }

    /// Up to the same mark again, and whatever stands right behind it.
    fn delimited(&mut self, mark: char) {
        self.step();
        while let Some(c) = self.peek() {
            self.step();
            if c == '\\' {
                self.step();
            } else if c == mark {
                break;
            }
        }
    }

    fn bare(&mut self) {
        let mut open = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                c if c.is_whitespace() => return,
                '(' => open += 1,
                ')' if open == 0 => return,
                ')' => open -= 1,
                _ => {}
            }
            self.step();
        }
    }
}

/// The query with a phrase more. `None` when that would be no query.
pub(super) fn with(query: &str, phrase: &str) -> Option<String> {
    if has(query, phrase) {
        return Some(query.to_owned());
    }
    checked(joined(&grouped(query), phrase))
}

/// The query without this phrase at its outermost level; empty when nothing else was asked for.
pub(super) fn without(query: &str, phrase: &str) -> Option<String> {
    checked(dropping(query, |one| one.text == phrase))
}

/// The query with this setting (`version:`, `case:`, `type:`, `count:`), or without it.
pub(super) fn set(query: &str, name: &str, value: Option<&str>) -> Option<String> {
    let rest = dropping(query, |one| one.filter().is_some_and(|(given, _)| given == name));
    match value {
        Some(value) => checked(joined(&grouped(&rest), &format!("{name}:{value}"))),
        None => checked(rest),
    }
}

/// The query with its directory, if it names one as [`directory`] does, changed for another or for none.
pub(super) fn within(query: &str, path: Option<&str>) -> Option<String> {
    let rest = dropping(query, |one| directory_of(one.text).is_some());
    match path {
        Some(path) => checked(joined(&grouped(&rest), &directory(path))),
        None => checked(rest),
    }
}

/// Whether the query has this phrase at its outermost level, where it holds for all that is found.
pub(super) fn has(query: &str, phrase: &str) -> bool {
    let phrases = phrases(query);
    phrases.iter().all(|one| one.text != OR) && phrases.iter().any(|one| one.text == phrase)
}

/// The phrase as the query has it, in whatever case, at its outermost level.
pub(super) fn like(query: &str, phrase: &str) -> Option<String> {
    let phrases = phrases(query);
    let choice = phrases.iter().any(|one| one.text == OR);
    phrases.into_iter().find(|one| !choice && one.text.eq_ignore_ascii_case(phrase)).map(|one| one.text.to_owned())
}

/// The value of a setting as it was typed.
pub(super) fn setting<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    phrases(query).iter().filter_map(Phrase::filter).find(|(given, _)| given == name).map(|(_, value)| value)
}

/// The directory that the query is narrowed to, with no slash at its end.
pub(super) fn directory_in(query: &str) -> Option<String> {
    phrases(query).iter().find_map(|one| directory_of(one.text))
}

/// A filter for what lies below a directory, and nothing else.
pub(super) fn directory(path: &str) -> String {
    format!("path:/^{}\\//", escaped(path.trim_end_matches('/')))
}

/// A text within an expression between slashes, where it stands for itself.
pub(super) fn escaped(text: &str) -> String {
    let mut expression = String::with_capacity(text.len() + 12);
    for c in text.chars() {
        if matches!(c, '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' | '/') {
            expression.push('\\');
        }
        expression.push(c);
    }
    expression
}

fn directory_of(phrase: &str) -> Option<String> {
    let inside = phrase.strip_prefix("path:/^")?.strip_suffix("\\//")?;
    let mut path = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        path.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    // Any other expression is the writer's own.
    (directory(&path) == phrase).then_some(path)
}

/// A filter with its value in quotes when it needs them.
pub(super) fn filter(name: &str, value: &str) -> String {
    let quoted = format!("{name}:\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    let bare = format!("{name}:{value}");
    match (Query::parse_edited(&bare), Query::parse_edited(&quoted)) {
        (Ok(one), Ok(other)) if one == other => bare,
        _ => quoted,
    }
}

fn dropping(query: &str, drops: impl Fn(&Phrase<'_>) -> bool) -> String {
    let phrases = phrases(query);
    let mut kept: Vec<&str> = Vec::new();
    let mut changed = false;
    for (place, one) in phrases.iter().enumerate() {
        let next_goes = one.text == AND && phrases.get(place + 1).is_none_or(&drops);
        if drops(one) || next_goes || (one.text == AND && kept.is_empty()) {
            changed = true;
        } else {
            kept.push(one.text);
        }
    }
    if changed { kept.join(" ") } else { query.trim().to_owned() }
}

/// A choice in parentheses, so that what is added holds for all of it.
fn grouped(query: &str) -> String {
    let choice = phrases(query).iter().any(|one| one.text == OR);
    let query = query.trim();
    if !choice {
        return query.to_owned();
    }
    // A word may end in an open parenthesis, which would take the other one for its own.
    let close = format!("({query})");
    if Query::parse_edited(&close).is_ok() { close } else { format!("({query} )") }
}

fn joined(query: &str, phrase: &str) -> String {
    if query.is_empty() { phrase.to_owned() } else { format!("{query} {phrase}") }
}

fn checked(query: String) -> Option<String> {
    (query.is_empty() || Query::parse_edited(&query).is_ok()).then_some(query)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(query: &str) -> Vec<&str> {
        phrases(query).into_iter().map(|one| one.text).collect()
    }

    #[test]
    fn phrases_are_what_the_parser_sees() {
        assert_eq!(texts("strcpy lang:c"), ["strcpy", "lang:c"]);
        assert_eq!(
            texts(r#""two words" -"x y" path:/a b\/c/ main(a, b)"#),
            [r#""two words""#, r#"-"x y""#, r"path:/a b\/c/", "main(a,", "b", ")"]
        );
        assert_eq!(texts("(a OR (b c)) NOT  d NOT (e f)"), ["(a OR (b c))", "NOT  d", "NOT (e f)"]);
        assert_eq!(texts("main() file::read ->next"), ["main()", "file::read", "->next"]);
        // What is not finished yet goes to the end.
        assert_eq!(texts("a \"b c"), ["a", "\"b c"]);
        assert_eq!(texts("a (b c"), ["a", "(b c"]);
        assert_eq!(texts("a ) b"), ["a", ")", "b"]);
        assert_eq!(texts("  "), [""; 0]);
    }

    #[test]
    fn filters_are_added_and_removed() {
        assert_eq!(with("strcpy", "lang:c").as_deref(), Some("strcpy lang:c"));
        assert_eq!(with("strcpy lang:c", "lang:c").as_deref(), Some("strcpy lang:c"));
        assert_eq!(with("a OR b", "lang:c").as_deref(), Some("(a OR b) lang:c"));
        assert_eq!(without("strcpy  lang:c x", "lang:c").as_deref(), Some("strcpy x"));
        assert_eq!(without("strcpy AND lang:c", "lang:c").as_deref(), Some("strcpy"));
        assert_eq!(without("lang:c AND strcpy", "lang:c").as_deref(), Some("strcpy"));
        assert_eq!(without("lang:c", "lang:c").as_deref(), Some(""));
        assert_eq!(with("a (b", "lang:c"), None);
    }

    #[test]
    fn settings_are_given_once() {
        assert_eq!(set("strcpy version:v1 x", "version", Some("all")).as_deref(), Some("strcpy x version:all"));
        assert_eq!(set("strcpy VERSION:v1", "version", None).as_deref(), Some("strcpy"));
        assert_eq!(set("a OR b", "version", Some("all")).as_deref(), Some("(a OR b) version:all"));
        assert_eq!(set("(a OR b) version:v1", "version", None).as_deref(), Some("(a OR b)"));
        assert_eq!(setting("a version:\"x y\"", "version"), Some("\"x y\""));
        // The word in quotes is a text.
        assert_eq!(set("\"version:v1\"", "version", Some("all")).as_deref(), Some("\"version:v1\" version:all"));
    }

    #[test]
    fn directories_are_changed_for_one_another() {
        let src = within("strcpy", Some("src/net")).unwrap();
        assert_eq!(src, r"strcpy path:/^src\/net\//");
        assert_eq!(directory_in(&src).as_deref(), Some("src/net"));
        assert_eq!(within(&src, Some("src")).as_deref(), Some(r"strcpy path:/^src\//"));
        assert_eq!(within(&src, None).as_deref(), Some("strcpy"));
        assert_eq!(directory_in("path:/^a.*\\//"), None);
        let odd = within("x", Some("a+b (1)/[c].d")).unwrap();
        assert_eq!(directory_in(&odd).as_deref(), Some("a+b (1)/[c].d"));
    }

    #[test]
    fn values_are_quoted_when_they_must_be() {
        assert_eq!(filter("lang", "c++"), "lang:c++");
        assert_eq!(filter("lang", "Emacs Lisp"), "lang:\"Emacs Lisp\"");
        assert_eq!(filter("version", "all"), "version:\"all\"");
        assert_eq!(filter("version", "v2.45.0"), "version:v2.45.0");
    }

    proptest! {
        #[test]
        fn what_comes_out_is_a_query(text in "(strcpy|\"a b\"|/x y/|-foo|NOT |OR |AND |lang:c |path:x|version:v1|case:no|\\(|\\)| ){0,10}", dir in "[a-z.+/]{1,12}") {
            for edited in [with(&text, "lang:rust"), without(&text, "lang:c"), set(&text, "version", Some("all")), within(&text, Some(&dir))] {
                let Some(edited) = edited else { continue };
                prop_assert!(edited.is_empty() || Query::parse(&edited).is_ok(), "{edited}");
            }
            if let Ok(query) = Query::parse(&text) {
                // The rest is left as it was.
                let there = with(&text, "lang:rust").and_then(|more| without(&more, "lang:rust"));
                if let Some(back) = there {
                    prop_assert_eq!(Query::parse(&back).map(|query| query.to_string()), Ok(query.to_string()));
                }
                prop_assert!(set(&text, "version", Some("all")).is_some(), "{}", text);
            }
        }

        #[test]
        fn phrases_cover_all_but_spaces(text in any::<String>()) {
            let mut rest = text.clone();
            for one in phrases(&text).iter().rev() {
                prop_assert_eq!(&text[one.span.clone()], one.text);
                rest.replace_range(one.span.clone(), "");
            }
            prop_assert!(rest.chars().all(char::is_whitespace), "{rest:?}");
        }
    }
}
