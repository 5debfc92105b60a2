//! Terms made ready to look with: texts, expressions, patterns on paths and names.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, ClassSetItem};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look, Repetition};

use super::query::Query;

/// How deep groups may be nested in an expression.
const DEEPEST: u32 = 100;

/// Something to look for in bytes.
///
/// A match touches a line: the place behind the last newline of a file belongs to no line, so nothing matches there.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    regex: Regex,
    /// The same for texts in ASCII alone, where that is quicker: most are, and what `\w` stands for is a large table otherwise.
    ascii: Option<Regex>,
    /// What the planner reads.
    pub(super) hir: Hir,
    /// It ignores the case of some letters.
    pub(super) folds: bool,
    /// Whether it matches is decided within a line: no match reaches over a newline, or asks where the text begins or ends.
    pub(super) within_lines: bool,
    /// What is in every match, where that is worth looking for first.
    inner: Option<Arc<Finder<'static>>>,
}

pub(super) struct Problem {
    pub(super) reason: String,
    /// In bytes of the expression.
    pub(super) span: Option<Range<usize>>,
}

impl Matcher {
    /// A text, as it is.
    pub(super) fn text(text: &str, ignore_case: bool) -> Result<Self, Problem> {
        Self::pattern(&regex_syntax::escape(text), ignore_case)
    }

    /// An expression: `^` and `$` at lines, `.` is not a newline.
    pub(super) fn pattern(pattern: &str, ignore_case: bool) -> Result<Self, Problem> {
        let hir = parsed(pattern, ignore_case)?;
        let made = |builder: &mut RegexBuilder| {
            builder.nest_limit(DEEPEST).size_limit(Query::EXPRESSION_SIZE).dfa_size_limit(Query::EXPRESSION_SIZE).build()
        };
        let regex = made(RegexBuilder::new(pattern).multi_line(true).case_insensitive(ignore_case))
            .map_err(|_| Problem { reason: "it is too large to be searched for".to_owned(), span: None })?;
        let looks = hir.properties().look_set();
        let within_lines = !may_hold_newline(&hir) && !looks.contains(Look::Start) && !looks.contains(Look::End);
        let literal = required(&hir).filter(|literal| within_lines && literal.len() >= SHORTEST_INNER);
        let inner =
            literal.filter(|_| !matches!(hir.kind(), HirKind::Literal(_))).map(|literal| Arc::new(Finder::new(&literal).into_owned()));
        // What is looked for by its literal seldom comes to the expression.
        let wide = inner.is_none() && has_wide_class(&hir);
        let ascii = if wide { made(&mut RegexBuilder::new(&within_ascii(&hir).to_string())).ok() } else { None };
        Ok(Self { regex, ascii, hir, folds: ignore_case || sets_ignore_case(pattern), within_lines, inner })
    }

    /// How much work it is to make an expression ready: characters, and ranges of characters, as often as they are repeated.
    pub(super) fn weight(pattern: &str, ignore_case: bool) -> usize {
        // What is no expression is found to be none when it is made.
        parsed(pattern, ignore_case).map_or(0, |hir| weight(&hir))
    }

    /// Plain text is part of a path; a pattern is the path or its end from some component on. A slash in front stands for
    /// the beginning of a component.
    pub(super) fn path(words: &str, ignore_case: bool) -> Result<Self, String> {
        let (front, rest) = match words.strip_prefix('/') {
            Some(rest) => (r"(?:\A|/)", rest),
            None => ("", words),
        };
        let pattern =
            if is_pattern(rest) { format!(r"(?:\A|/){}\z", pattern_of(rest)?) } else { format!("{front}{}", regex_syntax::escape(rest)) };
        Self::pattern(&pattern, ignore_case).map_err(|_| TOO_LARGE.to_owned())
    }

    /// Whether [`Matcher::name`] and [`Matcher::path`] can be made of these words, but for their size.
    pub(super) fn is_sound(words: &str) -> Result<(), String> {
        pattern_of(words).map(|_| ())
    }

    /// Whether it matches in a path, or in a name.
    pub(super) fn is_match(&self, path: &[u8]) -> bool {
        self.regex.is_match(path)
    }

    /// A pattern for the whole of a name, in its own case.
    pub(super) fn name(words: &str) -> Result<Regex, String> {
        build(&format!(r"\A{}\z", pattern_of(words)?), false)
    }

    /// Whether a letter that the expression looks for is a capital (`\W` and `\pL` are not looked for).
    pub(super) fn has_capital(pattern: &str) -> bool {
        struct Capitals(bool);
        impl ast::Visitor for Capitals {
            type Output = bool;
            type Err = ();
            fn finish(self) -> Result<bool, ()> {
                Ok(self.0)
            }
            fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
                if let Ast::Literal(literal) = ast {
                    self.0 |= literal.c.is_uppercase();
                }
                Ok(())
            }
            fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), ()> {
                match item {
                    ClassSetItem::Literal(literal) => self.0 |= literal.c.is_uppercase(),
                    ClassSetItem::Range(range) => {
                        self.0 |= range.start.c.is_uppercase() || range.end.c.is_uppercase();
                    }
                    _ => {}
                }
                Ok(())
            }
        }
        ast::parse::ParserBuilder::new()
            .nest_limit(DEEPEST)
            .build()
            .parse(pattern)
            .is_ok_and(|ast| ast::visit(&ast, Capitals(false)).unwrap_or(false))
    }

    /// The longest text that is in every match of an expression, if it is text; as it is written, also where case is ignored.
    pub(super) fn required_text(pattern: &str) -> Option<String> {
        String::from_utf8(required(&parsed(pattern, false).ok()?)?).ok()
    }

    /// Whether it is found anywhere.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        if self.inner.is_some() {
            let mut found = false;
            self.each_line(text, &mut |_, _| {
                found = true;
                false
            });
            return found;
        }
        self.regex_for(text).find(text).is_some_and(|m| !nowhere(text, m.start()))
    }

    fn regex_for(&self, text: &[u8]) -> &Regex {
        self.ascii.as_ref().filter(|_| text.is_ascii()).unwrap_or(&self.regex)
    }

    /// Calls `line` with each line in which it is found, and the first match there, for as long as that says so. Only for what
    /// matches within lines.
    fn each_line(&self, text: &[u8], line: &mut dyn FnMut(usize, &Range<usize>) -> bool) {
        let regex = self.regex_for(text);
        let mut at = 0;
        while at < text.len() {
            let start = match &self.inner {
                // The line may match that has what every match has; no other.
                Some(inner) => match inner.find(text.get(at..).unwrap_or_default()) {
                    Some(found) => line_start(text, at + found),
                    None => return,
                },
                None => match regex.find_at(text, at) {
                    Some(found) if !nowhere(text, found.start()) => line_start(text, found.start()),
                    _ => return,
                },
            };
            let end = (line_end(text, start) + 1).min(text.len());
            let within = text.get(start..end).unwrap_or_default();
            let found = regex.find(within).filter(|found| !nowhere(within, found.start()));
            if found.is_some_and(|found| !line(start, &(start + found.start()..start + found.end()))) {
                return;
            }
            at = end;
        }
    }

    /// Calls `line` with the start of each line that a match touches, in order, none twice; and with the first match that does.
    pub(super) fn lines(&self, text: &[u8], mut line: impl FnMut(usize, &Range<usize>)) {
        if self.within_lines {
            self.each_line(text, &mut |start, found| {
                line(start, found);
                true
            });
            return;
        }
        // The first line not looked at yet. Lines can be long and matches many: none is gone through twice.
        let mut next = 0;
        for found in self.matches(text) {
            if found.start >= next {
                let between = text.get(next..found.start).unwrap_or_default();
                next += line_start(between, between.len());
            }
            while next < text.len() && (next <= found.start || next < found.end) {
                line(next, &found);
                next = line_end(text, next) + 1;
            }
        }
    }

    /// Every match, leftmost first, none overlapping another.
    pub(super) fn matches<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = Range<usize>> + use<'_, 't> {
        self.regex_for(text).find_iter(text).map(|m| m.range()).filter(|m| !nowhere(text, m.start))
    }
}

impl Problem {
    fn syntax(error: &regex_syntax::Error) -> Self {
        let (reason, span) = match error {
            regex_syntax::Error::Parse(e) => (e.kind().to_string(), Some(e.span())),
            regex_syntax::Error::Translate(e) => (e.kind().to_string(), Some(e.span())),
            _ => ("it is not an expression".to_owned(), None),
        };
        Self { reason, span: span.map(|s| s.start.offset..s.end.offset) }
    }
}

/// Where the line that holds `at` begins.
pub(super) fn line_start(text: &[u8], at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1)
}

/// Where the line that holds `at` ends: its newline, or the end of the text.
pub(super) fn line_end(text: &[u8], at: usize) -> usize {
    let behind = text.get(at..).unwrap_or_default();
    memchr::memchr(b'\n', behind).map_or(text.len(), |newline| at + newline)
}

/// Whether a match that starts here touches no line.
fn nowhere(text: &[u8], start: usize) -> bool {
    start == text.len() && text.last().is_none_or(|&b| b == b'\n')
}

/// Bytes of a literal that is worth looking for before the expression.
const SHORTEST_INNER: usize = 2;

fn parsed(pattern: &str, ignore_case: bool) -> Result<Hir, Problem> {
    let mut parser = regex_syntax::ParserBuilder::new();
    parser.utf8(false).multi_line(true).case_insensitive(ignore_case).nest_limit(DEEPEST);
    parser.build().parse(pattern).map_err(|e| Problem::syntax(&e))
}

fn weight(hir: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().map(weight).fold(1, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().max(1),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len().max(1),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            weight(&repetition.sub).saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Capture(capture) => weight(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
    }
}

/// Ranges of a class beyond which it is worth having another for ASCII.
const WIDE: usize = 4;

/// Whether an expression has a class of many characters beyond ASCII.
fn has_wide_class(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => class.ranges().len() > WIDE && !class.is_ascii(),
        _ => hir.kind().subs().iter().any(has_wide_class),
    }
}

/// What matches in a text in ASCII just where the expression does.
fn within_ascii(hir: &Hir) -> Hir {
    let parts = |parts: &[Hir]| parts.iter().map(within_ascii).collect();
    let class = |ranges: Vec<(u32, u32)>| {
        let byte = |number: u32| u8::try_from(number.min(0x7F)).unwrap_or(0x7F);
        let ranges = ranges.into_iter().filter(|range| range.0 <= 0x7F).map(|(first, last)| ClassBytesRange::new(byte(first), byte(last)));
        Hir::class(Class::Bytes(ClassBytes::new(ranges)))
    };
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => *other,
        }),
        HirKind::Literal(literal) if literal.0.is_ascii() => Hir::literal(literal.0.clone()),
        HirKind::Literal(_) => Hir::fail(),
        HirKind::Class(Class::Unicode(all)) => class(all.iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect()),
        HirKind::Class(Class::Bytes(all)) => class(all.iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect()),
        HirKind::Repetition(repetition) => {
            Hir::repetition(Repetition { sub: Box::new(within_ascii(&repetition.sub)), ..repetition.clone() })
        }
        HirKind::Capture(capture) => within_ascii(&capture.sub),
        HirKind::Concat(all) => Hir::concat(parts(all)),
        HirKind::Alternation(all) => Hir::alternation(parts(all)),
    }
}

/// The longest text that is in every match as it stands here.
fn required(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(literal.0.to_vec()),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(required).max_by_key(Vec::len),
        _ => None,
    }
}

fn may_hold_newline(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&b'\n'),
        HirKind::Class(Class::Unicode(class)) => class.iter().any(|r| r.start() <= '\n' && '\n' <= r.end()),
        HirKind::Class(Class::Bytes(class)) => class.iter().any(|r| r.start() <= b'\n' && b'\n' <= r.end()),
        _ => hir.kind().subs().iter().any(may_hold_newline),
    }
}

/// Whether an expression has a group or a flag in which case is ignored; perhaps also where it only seems so.
fn sets_ignore_case(pattern: &str) -> bool {
    let flags = |rest: &str| rest.chars().take_while(char::is_ascii_alphabetic).any(|c| c == 'i');
    pattern.split("(?").skip(1).any(flags)
}

const TOO_LARGE: &str = "This pattern is too large";

fn build(pattern: &str, ignore_case: bool) -> Result<Regex, String> {
    RegexBuilder::new(pattern).case_insensitive(ignore_case).size_limit(Query::EXPRESSION_SIZE).build().map_err(|_| TOO_LARGE.to_owned())
}

/// Whether words for a path are more than a part of it.
pub(super) fn is_pattern(words: &str) -> bool {
    words.contains(['*', '?', '[', '{'])
}

/// Any character but a slash; a byte that is no character counts as one.
const ONE: &str = r"(?:[^/]|(?-u:[\x80-\xFF]))";

/// The expression for a pattern of `*`, `**`, `?`, `[…]`, `[!…]`, `{a,b}`, and `\` before one of these to mean itself.
fn pattern_of(words: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut open = 0_usize;
    let mut chars = words.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                // "a/**/b" is also "a/b".
                let whole = out.is_empty() || out.ends_with('/');
                if whole && chars.next_if_eq(&'/').is_some() {
                    out.push_str(r"(?:(?s-u:.)*/)?");
                } else {
                    out.push_str(r"(?s-u:.)*");
                }
            }
            '*' => {
                out.push_str(ONE);
                out.push('*');
            }
            '?' => out.push_str(ONE),
            '[' => {
                let mut inner = String::new();
                let mut closed = false;
                for c in chars.by_ref() {
                    if c == ']' && !matches!(inner.as_str(), "" | "!" | "^") {
                        closed = true;
                        break;
                    }
                    inner.push(c);
                }
                if !closed {
                    return Err("A \"[\" in this pattern is never closed".to_owned());
                }
                out.push_str(&class_of(&inner)?);
            }
            '{' => {
                open += 1;
                if open > 8 {
                    return Err("The braces of this pattern are nested too deeply".to_owned());
                }
                out.push_str("(?:");
            }
            '}' if open > 0 => {
                open -= 1;
                out.push(')');
            }
            ',' if open > 0 => out.push('|'),
            '\\' => out.push_str(&regex_syntax::escape(&chars.next().unwrap_or('\\').to_string())),
            c => out.push_str(&regex_syntax::escape(&c.to_string())),
        }
    }
    if open > 0 {
        return Err("A \"{\" in this pattern is never closed".to_owned());
    }
    Ok(out)
}

fn class_of(inner: &str) -> Result<String, String> {
    let (negated, inner) = match inner.strip_prefix(['!', '^']) {
        Some(rest) => (true, rest),
        None => (false, inner),
    };
    let chars: Vec<char> = inner.chars().collect();
    let mut out = String::from(if negated { "[^/" } else { "[" });
    let mut rest = chars.as_slice();
    while let Some((&first, tail)) = rest.split_first() {
        if let ['-', last, tail @ ..] = tail {
            if first > *last {
                return Err(format!("\"{first}-{last}\" in this pattern runs backwards"));
            }
            let _ = write!(out, r"\x{{{:X}}}-\x{{{:X}}}", u32::from(first), u32::from(*last));
            rest = tail;
        } else {
            let _ = write!(out, r"\x{{{:X}}}", u32::from(first));
            rest = tail;
        }
    }
    out.push(']');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pattern: &str, text: &str) -> Vec<usize> {
        let mut lines = Vec::new();
        Matcher::pattern(pattern, false).ok().unwrap().lines(text.as_bytes(), |start, _| lines.push(start));
        lines
    }

    #[test]
    fn lines_that_matches_touch() {
        let text = "ab\ncd\n\nab";
        assert_eq!(lines("a", text), [0, 7]);
        assert_eq!(lines("b\nc", text), [0, 3]);
        assert_eq!(lines("d\n", text), [3]);
        assert_eq!(lines("(?s).*", text), [0, 3, 6, 7]);
        assert_eq!(lines("(?s).", text), [0, 3, 6, 7]);
        assert_eq!(lines("^$", text), [6]);
        assert_eq!(lines("$", text), [0, 3, 6, 7]);
        assert_eq!(lines("x*", "a\n"), [0]);
        assert_eq!(lines("x*", ""), [0_usize; 0]);
        assert_eq!(lines(r"\s*", "a\n\n"), [0, 2]);
    }

    #[test]
    fn in_ascii_the_same_is_found() {
        let text = "word Kernel k_9 task\tSTRASSE x\x0b y\n\n  if (ok)\r\n9 a-b_c\x7f\x01 end";
        for pattern in [
            r"\w{4}\s+\w",
            r"\W+",
            r"\b\w",
            r"\B.\w",
            r"[^\w\s]+",
            r"(?i)\u{212A}\w*",
            r"(?i)ta\u{17F}\w",
            r"\pL+|\d",
            r"é|\w+?k",
            r"[^é]\s",
            r"\S\b{end}|\b{start}\w",
            r"(\w+)\s(\W)",
            r"\D*\z",
            r"^\w|\w$",
            r"(?s:.)\w??",
            r"\p{Greek}|\w\n",
            r"(?-u:\xff)|\w9",
            r"(?:\w|x)*?\d",
        ] {
            let matcher = Matcher::pattern(pattern, false).ok().unwrap();
            let all = |regex: &Regex| regex.find_iter(text.as_bytes()).map(|m| m.range()).collect::<Vec<_>>();
            assert!(matcher.inner.is_some() || matcher.ascii.is_some(), "{pattern}");
            let own = within_ascii(&matcher.hir).to_string();
            assert_eq!(all(&Regex::new(&own).unwrap()), all(&matcher.regex), "{pattern} as {own}");
        }
        assert!(Matcher::pattern("Kernel[a-f]", true).ok().unwrap().ascii.is_none());
    }

    #[test]
    fn patterns_on_paths() {
        let is = |words: &str, path: &str| Matcher::path(words, false).unwrap().is_match(path.as_bytes());
        for (words, path, expected) in [
            ("net", "src/network.c", true),
            ("/net", "src/network.c", true),
            ("/etwork", "src/network.c", false),
            ("*.c", "src/a.c", true),
            ("*.c", "src/a.cc", false),
            ("src/*.c", "lib/src/a.c", true),
            ("src/*.c", "src/b/a.c", false),
            ("rc/*.c", "src/a.c", false),
            ("src/**/a.c", "src/a.c", true),
            ("src/**/a.c", "src/x/y/a.c", true),
            ("src/**", "src/x/y", true),
            ("?.c", "é.c", true),
            ("?.c", "ab.c", false),
            ("[ab].c", "b.c", true),
            ("[!ab].c", "b.c", false),
            ("[!ab].c", "c.c", true),
            ("x[!a]y", "x/y", false),
            ("[]x]", "]", true),
            ("{Makefile,*.mk}", "x/rules.mk", true),
            ("{Makefile,*.mk}", "x/Makefile.in", false),
            ("a\\*{b,c}", "a*b", true),
            ("a.c*", "abc", false),
        ] {
            assert_eq!(is(words, path), expected, "{words} {path}");
        }
        assert!(Matcher::path("*", false).unwrap().is_match(b"caf\xe9"));
        for broken in ["[a", "{a", "[b-a]", "[!]"] {
            assert!(Matcher::path(broken, false).is_err(), "{broken}");
        }
        assert!(Matcher::name("v2.*").unwrap().is_match(b"v2.45.0"));
        assert!(!Matcher::name("v2").unwrap().is_match(b"v2.45.0"));
    }

    #[test]
    fn capitals_are_those_looked_for() {
        for (pattern, has) in [("abc", false), ("aBc", true), (r"\W\S\D\pL\p{Lu}", false), ("[a-zA-Z]", true), ("(?P<Name>x)", false)] {
            assert_eq!(Matcher::has_capital(pattern), has, "{pattern}");
        }
    }
}
