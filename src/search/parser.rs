//! From the text of a query to its tree. Positions are counted in characters throughout.

mod checks;
mod mistakes;

use std::ops::Range;

use checks::{Room, check, fits, name_fits, on_paths};
use mistakes::{FIELDS, error, example, inside, lonely_and, names};

use super::query::{Case, Expr, PathTerm, Query, QueryError, SymbolTerm, Term, Trait, Type, Versions};

/// `make`: what is looked for is made ready, to see whether it can be.
pub(super) fn parse(text: &str, make: bool) -> Result<Query, QueryError> {
    let chars: Vec<char> = text.chars().collect();
    if text.len() > Query::LONGEST {
        return Err(error(
            0..chars.len(),
            format!("This query is {} bytes long", text.len()),
            format!("Shorten it: {} bytes is the most that is taken.", Query::LONGEST),
        ));
    }
    let mut parser = Parser { chars: &chars, make, at: 0, depth: 0, alternatives: 0, terms: Vec::new(), whole: Whole::default() };
    let filter = parser.either()?;
    parser.skip_space();
    if parser.at < chars.len() {
        return Err(error(
            parser.at..parser.at + 1,
            "This parenthesis closes nothing",
            "Take it away, or put the text into quotes if you are looking for it.",
        ));
    }
    let query = Query {
        filter,
        versions: parser.whole.versions.map(|(v, _)| v).unwrap_or_default(),
        case: parser.whole.case.map(|(c, _)| c).unwrap_or_default(),
        kind: parser.whole.kind.map(|(kind, _)| kind).unwrap_or_default(),
        count_all: parser.whole.count_all.is_some(),
    };
    if query.filter.is_none() && query.versions == Versions::Newest {
        return Err(error(
            0..chars.len(),
            "This query asks for nothing",
            "Type a word to look for, \"words in quotes\", an /expression/ or a filter such as path:*.c.",
        ));
    }
    let mut room = Room::whole(make);
    for (term, places) in &parser.terms {
        fits(term, query.kind, places)?;
        let on_path = (query.kind == Type::Path).then(|| on_paths(Expr::Term(term.clone())));
        match &on_path {
            Some(Expr::Term(term)) => check(term, query.case, places, &mut room)?,
            _ => check(term, query.case, places, &mut room)?,
        }
    }
    Ok(match query.kind {
        Type::Path => Query { filter: query.filter.map(on_paths), ..query },
        _ => query,
    })
}

/// Whether a term of this text, written without quotes, is read as just this text.
pub(super) fn stands_bare(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        && !text.contains(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ':' | '"'))
        && !matches!(text, "AND" | "OR" | "NOT")
}

/// Whether a filter's value must be quoted to hold this character.
pub(super) fn ends_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')')
}

struct Parser<'a> {
    chars: &'a [char],
    make: bool,
    at: usize,
    depth: usize,
    /// How many OR branches we are inside of, or may be.
    alternatives: usize,
    /// Each with the place of every character of its text, and the place behind the last.
    terms: Vec<(Term, Vec<usize>)>,
    whole: Whole,
}

/// What is said of the whole query, each with its place.
#[derive(Default)]
struct Whole {
    versions: Option<(Versions, Range<usize>)>,
    case: Option<(Case, Range<usize>)>,
    kind: Option<(Type, Range<usize>)>,
    count_all: Option<((), Range<usize>)>,
}

impl Whole {
    fn given(&self) -> [(&'static str, Option<&Range<usize>>); 4] {
        [
            ("version:", self.versions.as_ref().map(|(_, span)| span)),
            ("case:", self.case.as_ref().map(|(_, span)| span)),
            ("type:", self.kind.as_ref().map(|(_, span)| span)),
            ("count:", self.count_all.as_ref().map(|((), span)| span)),
        ]
    }
}

/// What stands between two places: what it says, and where each of its characters was written.
struct Value {
    text: String,
    places: Vec<usize>,
    written: Written,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Bare,
    Quoted,
    Slashed,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.chars.get(self.at + by).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// The length of `word` when it comes next and stands alone.
    fn keyword(&self, word: &str) -> Option<usize> {
        let length = word.chars().count();
        let here = self.chars.get(self.at..self.at + length)?;
        let alone = self.ahead(length).is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')'));
        (alone && word.chars().eq(here.iter().copied())).then_some(length)
    }

    fn either(&mut self) -> Result<Option<Expr>, QueryError> {
        let start = self.at;
        let mut branches = Vec::new();
        let mut ors: Vec<Range<usize>> = Vec::new();
        loop {
            let from = self.at;
            let branch = self.both()?;
            self.skip_space();
            let or = self.keyword("OR").map(|length| self.at..self.at + length);
            match branch {
                Some(branch) => branches.push(branch),
                None if or.is_none() && ors.is_empty() => return Ok(None),
                None => {
                    let place = ors.pop().or(or).unwrap_or(from..self.at);
                    return Err(error(
                        place,
                        "OR stands between two things, and one of them is missing",
                        "Write it as in: strcpy OR strcat. Quote it to look for the word itself: \"OR\".",
                    ));
                }
            }
            let Some(or) = or else { break };
            self.at = or.end;
            ors.push(or);
            if ors.len() == 1 {
                self.alternatives += 1;
                self.refuse_modifiers_since(start)?;
            }
        }
        if !ors.is_empty() {
            self.alternatives -= 1;
        }
        Ok(Some(joined(branches, Expr::Any)))
    }

    fn both(&mut self) -> Result<Option<Expr>, QueryError> {
        let mut parts = Vec::new();
        let mut and: Option<Range<usize>> = None;
        loop {
            self.skip_space();
            if let Some(length) = self.keyword("AND") {
                let place = self.at..self.at + length;
                if parts.is_empty() || and.is_some() {
                    return Err(lonely_and(place));
                }
                self.at += length;
                and = Some(place);
                continue;
            }
            if self.at == self.chars.len() || self.peek() == Some(')') || self.keyword("OR").is_some() {
                break;
            }
            let before = self.at;
            match self.one()? {
                Some(Expr::All(inner)) => parts.extend(inner),
                Some(part) => parts.push(part),
                None => debug_assert!(self.at > before, "a modifier takes up room"),
            }
            and = None;
        }
        if let Some(place) = and {
            return Err(lonely_and(place));
        }
        Ok((!parts.is_empty()).then(|| joined(parts, Expr::All)))
    }

    /// One term, filter or group; `None` for `version:` and `case:`, which are kept aside.
    fn one(&mut self) -> Result<Option<Expr>, QueryError> {
        let start = self.at;
        let minus = self.peek() == Some('-') && self.ahead(1).is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '"' | '/' | '('));
        let not = if minus { Some(1) } else { self.keyword("NOT") };
        if let Some(length) = not {
            self.at += length;
            self.skip_space();
            let inner = self.nested(start, |parser| match parser.peek() {
                None | Some(')') => Ok(None),
                Some(_) if parser.keyword("OR").or(parser.keyword("AND")).is_some() => Ok(None),
                Some(_) => parser.one(),
            })?;
            return match inner {
                Some(inner) => Ok(Some(Expr::Not(Box::new(inner)))),
                None => Err(error(
                    start..start + length,
                    "Nothing follows that could be excluded",
                    "Write it as in: strcpy NOT path:test. Quote it to look for the word itself.",
                )),
            };
        }
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let inner = self.nested(start, Self::either)?;
                self.skip_space();
                if self.peek() != Some(')') {
                    return Err(error(
                        start..start + 1,
                        "This parenthesis is never closed",
                        "Close it, or put the text into quotes if you are looking for a parenthesis.",
                    ));
                }
                self.at += 1;
                match inner {
                    Some(inner) => Ok(Some(inner)),
                    None => Err(error(
                        start..self.at,
                        "There is nothing between these parentheses",
                        "Fill them, or quote them to look for them: \"()\".",
                    )),
                }
            }
            Some('"') => {
                let value = self.quoted()?;
                self.term(Term::Text, value).map(Some)
            }
            Some('/') => {
                let value = self.slashed()?;
                self.term(Term::Pattern, value).map(Some)
            }
            _ => {
                if let Some((name, length)) = self.field() {
                    return self.filter(&name, length);
                }
                let value = self.bare();
                self.term(Term::Text, value).map(Some)
            }
        }
    }

    fn nested<T>(&mut self, start: usize, inside: impl FnOnce(&mut Self) -> Result<T, QueryError>) -> Result<T, QueryError> {
        if self.depth == Query::DEEPEST {
            return Err(error(
                start..start + 1,
                "This query is nested too deeply",
                format!("{} levels of parentheses and NOT is the most that is taken.", Query::DEEPEST),
            ));
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn term(&mut self, kind: impl FnOnce(String) -> Term, value: Value) -> Result<Expr, QueryError> {
        let span = value.span();
        if value.text.is_empty() {
            return Err(error(span, "There is nothing in here to look for", "Put a text into it, or take it away."));
        }
        if self.terms.len() == Query::MOST_TERMS {
            return Err(error(span, "This query has too many terms", format!("{} is the most that is taken.", Query::MOST_TERMS)));
        }
        let term = kind(value.text);
        self.terms.push((term.clone(), value.places));
        Ok(Expr::Term(term))
    }

    /// The name before a colon when it is one that we know, or one that other searches know, and its length.
    fn field(&self) -> Option<(String, usize)> {
        let rest = self.chars.get(self.at..)?;
        let length = rest.iter().position(|c| !c.is_ascii_alphabetic())?;
        let name: String = rest.get(..length)?.iter().map(char::to_ascii_lowercase).collect();
        // `file::read` and `path::Path` are code.
        let colon = rest.get(length) == Some(&':') && rest.get(length + 1) != Some(&':');
        let known = [
            "product",
            "version",
            "path",
            "file",
            "lang",
            "language",
            "sym",
            "symbol",
            "lens",
            "case",
            "author",
            "repo",
            "r",
            "f",
            "ext",
            "extension",
            "branch",
            "tag",
            "rev",
            "content",
            "is",
            "type",
            "count",
            "select",
            "org",
        ];
        (colon && known.contains(&name.as_str())).then_some((name, length + 1))
    }

    fn filter(&mut self, name: &str, length: usize) -> Result<Option<Expr>, QueryError> {
        let start = self.at;
        let field = start..start + length;
        let instead = match name {
            "repo" | "r" | "org" => Some("Sources are arranged by product here: product:NAME."),
            "f" => Some("Write path: or file:."),
            "ext" | "extension" => Some("Write it as a path: path:*.c."),
            "branch" | "tag" | "rev" => Some("Write version:NAME, or version:all."),
            "content" => Some("Write the words by themselves: they are looked for in contents."),
            "select" | "lens" => {
                return Err(error(
                    field,
                    format!("{name}: is not available yet"),
                    format!("{FIELDS}. Quote the whole to look for it as a text."),
                ));
            }
            _ => None,
        };
        if let Some(instead) = instead {
            return Err(error(field, format!("{name}: is no filter here"), format!("{instead} Quote the whole to look for it as a text.")));
        }
        self.at += length;
        let value = match self.peek() {
            Some('"') => self.quoted()?,
            Some('/') => self.slashed()?,
            None => Value { text: String::new(), places: vec![self.at], written: Written::Bare },
            Some(_) => self.bare(),
        };
        if value.text.is_empty() {
            return Err(error(
                field,
                format!("{name}: needs a value right behind its colon"),
                format!("As in {}. Quote the whole to look for it as a text.", example(name)),
            ));
        }
        let span = start..self.at;
        if value.written == Written::Slashed && !matches!(name, "path" | "file" | "sym" | "symbol") {
            return Err(error(span, format!("{name}: takes no /expression/"), format!("Write it as in {}.", example(name))));
        }
        match name {
            "path" | "file" if value.written == Written::Slashed => self.term(|text| Term::Path(PathTerm::Pattern(text)), value).map(Some),
            "path" | "file" => self.term(|text| Term::Path(PathTerm::Words(text)), value).map(Some),
            "sym" | "symbol" if value.written == Written::Slashed => {
                self.term(|text| Term::Symbol(SymbolTerm::Pattern(text)), value).map(Some)
            }
            "sym" | "symbol" => self.term(|text| Term::Symbol(SymbolTerm::Words(text)), value).map(Some),
            "product" => self.term(Term::Product, value).map(Some),
            "version" => self.version(value, span),
            "case" => self.case(&value, span),
            "type" => self.kind(&value, span),
            "count" => self.count(&value, span),
            "author" => self.term(Term::Author, value).map(Some),
            "is" => match Trait::named(&value.text) {
                Some(is) => self.term(|_| Term::Is(is), value).map(Some),
                None => Err(error(span, "This is nothing that can be asked for with is:", format!("There are {}.", names(&Trait::ALL)))),
            },
            _ => self.term(Term::Language, value).map(Some),
        }
    }

    fn version(&mut self, value: Value, span: Range<usize>) -> Result<Option<Expr>, QueryError> {
        self.outermost("version:", &span, self.whole.versions.is_some())?;
        let bare = value.written == Written::Bare;
        let versions = match (value.text.as_str(), value.text.split_once("..")) {
            ("all", _) if bare => Versions::All,
            ("newest", _) if bare => Versions::Newest,
            (_, Some((oldest, newest))) if bare => {
                let end = |name: &str| (!name.is_empty()).then(|| name.to_owned());
                if oldest.is_empty() && newest.is_empty() {
                    return Err(error(span, "This range has no ends", "As in version:v2.1..v2.4, version:v2.1.. or version:..v2.4."));
                }
                Versions::Between { oldest: end(oldest), newest: end(newest) }
            }
            _ => {
                if let Err(reason) = name_fits(&value.text, self.make) {
                    return Err(error(span, reason, "As in version:v2.4* or version:all."));
                }
                Versions::Like(value.text)
            }
        };
        self.whole.versions = Some((versions, span));
        Ok(None)
    }

    fn case(&mut self, value: &Value, span: Range<usize>) -> Result<Option<Expr>, QueryError> {
        self.outermost("case:", &span, self.whole.case.is_some())?;
        let case = match value.text.as_str() {
            "yes" => Case::Heeded,
            "no" => Case::Ignored,
            "auto" => Case::Auto,
            _ => {
                return Err(error(span, "case: takes yes, no or auto", "auto, as without it, heeds case in terms that have a capital."));
            }
        };
        self.whole.case = Some((case, span));
        Ok(None)
    }

    fn kind(&mut self, value: &Value, span: Range<usize>) -> Result<Option<Expr>, QueryError> {
        self.outermost("type:", &span, self.whole.kind.is_some())?;
        let Some((_, kind, _)) = Type::ALL.iter().find(|(name, ..)| *name == value.text) else {
            return Err(error(span, "This is no type of search", format!("There are {}.", names(&Type::ALL))));
        };
        self.whole.kind = Some((*kind, span));
        Ok(None)
    }

    fn count(&mut self, value: &Value, span: Range<usize>) -> Result<Option<Expr>, QueryError> {
        self.outermost("count:", &span, self.whole.count_all.is_some())?;
        if value.text != "all" {
            return Err(error(
                span,
                "count: takes all",
                "Without it the total is exact as far as that is quick, and says so when it is not.",
            ));
        }
        self.whole.count_all = Some(((), span));
        Ok(None)
    }

    fn outermost(&self, field: &str, span: &Range<usize>, twice: bool) -> Result<(), QueryError> {
        if twice {
            return Err(error(
                span.clone(),
                format!("{field} is given twice"),
                "It holds for the whole query: give it once. A pattern such as version:v2.* takes several versions.",
            ));
        }
        if self.depth > 0 || self.alternatives > 0 {
            return Err(inside(field, span.clone()));
        }
        Ok(())
    }

    /// An OR makes what stands before it a branch, and a branch may not hold what is meant for the whole query.
    fn refuse_modifiers_since(&self, start: usize) -> Result<(), QueryError> {
        for (field, span) in self.whole.given() {
            if let Some(span) = span.filter(|span| span.start >= start) {
                return Err(inside(field, span.clone()));
            }
        }
        Ok(())
    }

    fn bare(&mut self) -> Value {
        let mut value = Value { text: String::new(), places: Vec::new(), written: Written::Bare };
        let mut open = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                c if c.is_whitespace() => break,
                '(' => open += 1,
                ')' if open == 0 => break,
                ')' => open -= 1,
                _ => {}
            }
            value.push(c, self.at);
            self.at += 1;
        }
        value.places.push(self.at);
        value
    }

    fn quoted(&mut self) -> Result<Value, QueryError> {
        self.delimited('"', Written::Quoted, |next| matches!(next, '"' | '\\'), false)
    }

    fn slashed(&mut self) -> Result<Value, QueryError> {
        self.delimited('/', Written::Slashed, |next| next == '/', true)
    }

    /// Up to the same mark again. A backslash before what `taken` names is dropped; where `pairs` holds, any other
    /// backslash takes the next character with it.
    fn delimited(&mut self, mark: char, written: Written, taken: impl Fn(char) -> bool, pairs: bool) -> Result<Value, QueryError> {
        let start = self.at;
        let slash = written == Written::Slashed;
        self.at += 1;
        let mut value = Value { text: String::new(), places: Vec::new(), written };
        loop {
            let Some(c) = self.peek() else {
                let (message, hint) = if slash {
                    (
                        "The expression that begins with this slash is never closed",
                        "Close it with a slash, or put the text into quotes if you are looking for a slash.",
                    )
                } else {
                    (
                        "The text that begins with this quote is never closed",
                        "Close it; to look for a quote itself write it within quotes, as \\\".",
                    )
                };
                return Err(error(start..start + 1, message, hint));
            };
            match (c, self.ahead(1)) {
                ('\\', Some(next)) if taken(next) => {
                    value.push(next, self.at + 1);
                    self.at += 2;
                }
                ('\\', Some(next)) if pairs => {
                    value.push(c, self.at);
                    value.push(next, self.at + 1);
                    self.at += 2;
                }
                (c, _) if c == mark => break,
                (c, _) => {
                    value.push(c, self.at);
                    self.at += 1;
                }
            }
        }
        value.places.push(self.at);
        self.at += 1;
        if self.peek().is_none_or(|c| c.is_whitespace() || c == ')') {
            return Ok(value);
        }
        let (message, hint) = if slash {
            (
                "An expression ends at its second slash, but more follows",
                "Write \\/ for a slash within an expression, or put a text that has slashes into quotes.",
            )
        } else {
            ("A text ends at its second quote, but more follows", "Leave a space behind it; write \\\" for a quote within.")
        };
        Err(error(start..self.at + 1, message, hint))
    }
}

impl Value {
    fn push(&mut self, c: char, place: usize) {
        self.text.push(c);
        self.places.push(place);
    }

    fn span(&self) -> Range<usize> {
        let around = usize::from(self.written != Written::Bare);
        let first = self.places.first().copied().unwrap_or(0);
        let last = self.places.last().copied().unwrap_or(first);
        first.saturating_sub(around)..last + around
    }
}

/// One alone stays as it is; of more, those of the same kind are taken in.
pub(super) fn joined(mut parts: Vec<Expr>, kind: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return only;
    }
    let any = matches!(kind(Vec::new()), Expr::Any(_));
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Expr::Any(inner) if any => flat.extend(inner),
            Expr::All(inner) if !any => flat.extend(inner),
            other => flat.push(other),
        }
    }
    kind(flat)
}
