//! The query language: what a reader typed, as a tree.
//!
//! A [`Query`] is made by [`Query::parse`] alone, so every query that exists is within the limits and every expression in it
//! compiles. Its text ([`fmt::Display`]) parses back to the same query.
//!
//! | written | means, of one file |
//! |---|---|
//! | `strcpy(`, `"two words"` | holds this text; in quotes `\"` and `\\` are a quote and a backslash |
//! | `/ab+c/` | holds a match of the expression (`regex` crate; `^` and `$` at lines, `.` is not a newline); `\/` is a slash |
//! | `a b`, `a AND b` | both |
//! | `a OR b` | one of them; binds less tightly than both |
//! | `NOT a`, `-a` | not `a`; `-` only before a letter, digit, `_`, quote, slash or parenthesis, so `->next` is a text |
//! | `(a OR b) c` | parentheses group; inside a word (`main()`) they belong to it, as far as they are balanced |
//! | `path:`, `file:` | plain text: part of its path; with `*`, `?`, `[…]` or `{a,b}`: the path, or its end from some component on; `/…/`: an expression on the path |
//! | `sym:name` | defines a symbol whose name has this in it; in quotes or `/…/` as a text; the lines are those of the definitions |
//! | `lang:c` | is in this language, whatever the case |
//! | `product:git` | belongs to a product of this name; a pattern may be given |
//! | `is:binary`, `nonutf8`, `longline`, `unindexed`, `generated`, `hidden` | what its contents are like: see [`Trait`] |
//! | `is:source`, `documentation`, `test`, `vendored` | what its path looks like |
//! | `version:v2.*` | once, outside of OR, NOT and parentheses: search these versions; `all`; `v2.1..v2.4` with both ends, `v2.1..`, `..v2.4`; without it each product's newest |
//! | `type:file`, `path`, `diff`, `commit` | once, likewise: what is searched: contents, names alone, changed lines, commit messages |
//! | `count:all` | once, likewise: count to the end, however long it takes |
//! | `author:name` | of changes and commits: part of the author's name |
//! | `is:added`, `is:removed` | of changes: lines that came, lines that went |
//! | `case:yes`, `no`, `auto` | once, likewise: `auto`, as without it, heeds case in a term that has a capital |
//!
//! A term and a bare word end at white space. In patterns `*` stops at a slash and `**` does not.

use std::fmt;
use std::ops::Range;

use super::PathKind;
use super::parser;
use super::pattern::Matcher;

/// A whole query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub(super) filter: Option<Expr>,
    pub(super) versions: Versions,
    pub(super) case: Case,
    pub(super) kind: Type,
    pub(super) count_all: bool,
}

/// What is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Type {
    /// Files by their contents.
    #[default]
    File,
    /// Files by their paths: words and expressions are looked for there.
    Path,
    /// Lines added and removed, in all of history.
    Diff,
    /// Messages of commits.
    Commit,
}

/// What a file must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Term(Term),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// The file holds this text.
    Text(String),
    /// The file holds a match of this expression.
    Pattern(String),
    /// The file's path is like this.
    Path(PathTerm),
    /// The file defines a symbol whose name is like this.
    Symbol(SymbolTerm),
    /// The file is in this language.
    Language(String),
    /// The file belongs to a product whose name is like this pattern.
    Product(String),
    /// The file is so.
    Is(Trait),
    /// This is part of the name of the change's author.
    Author(String),
}

/// What a file, or a changed line, is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trait {
    /// It is no text; it is searched by the texts that are found in it.
    Binary,
    /// It is a text in another encoding than UTF-8; it is searched decoded and by its bytes.
    NonUtf8,
    /// It has a line of more than [`Trait::LONG_LINE`] bytes.
    LongLine,
    /// It could not be read when it was indexed, and is searched by its path alone.
    Unindexed,
    /// It says of itself that a program wrote it.
    Generated,
    /// It holds characters that cannot be seen, or that turn the direction of text.
    Hidden,
    /// Its path looks like this.
    Kind(PathKind),
    /// The line was added.
    Added,
    /// The line was removed.
    Removed,
}

impl Trait {
    /// Bytes above which a line is long.
    pub const LONG_LINE: usize = 1_000;
    /// All, by their names in queries, with what each means.
    pub const ALL: [(&'static str, Self, &'static str); 12] = [
        ("binary", Self::Binary, "no text; searched by the texts in it"),
        ("nonutf8", Self::NonUtf8, "a text in another encoding than UTF-8"),
        ("longline", Self::LongLine, "has a line of more than 1,000 bytes"),
        ("unindexed", Self::Unindexed, "could not be read when it was indexed"),
        ("generated", Self::Generated, "says that a program wrote it"),
        ("hidden", Self::Hidden, "holds characters that cannot be seen or turn the direction of text"),
        ("source", Self::Kind(PathKind::Source), "neither documentation, test nor vendored, by its path"),
        ("documentation", Self::Kind(PathKind::Documentation), "documentation, by its path"),
        ("test", Self::Kind(PathKind::Test), "a test, by its path"),
        ("vendored", Self::Kind(PathKind::Vendored), "brought in from elsewhere, by its path"),
        ("added", Self::Added, "lines that were added (with type:diff)"),
        ("removed", Self::Removed, "lines that were removed (with type:diff)"),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, ..)| *known == name).map(|(_, is, _)| *is)
    }

    /// As it is written behind `is:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, is, _)| *is == self).map_or("", |(name, ..)| name)
    }
}

impl Type {
    /// All, by their names in queries, with what each searches.
    pub const ALL: [(&'static str, Self, &'static str); 4] = [
        ("file", Self::File, "files by their contents"),
        ("path", Self::Path, "files by their names"),
        ("diff", Self::Diff, "lines added and removed, in all of history"),
        ("commit", Self::Commit, "messages of commits"),
    ];

    /// As it is written behind `type:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind, _)| *kind == self).map_or("", |(name, ..)| name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SymbolTerm {
    /// Part of the name.
    Words(String),
    Pattern(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathTerm {
    /// Part of the path, or a pattern when it has `*`, `?`, `[` or `{`.
    Words(String),
    Pattern(String),
}

/// Which versions of each product are searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    #[default]
    Newest,
    All,
    /// Those whose name is like this pattern.
    Like(String),
    /// Those between two, both included; an end that is not named is open.
    Between {
        oldest: Option<String>,
        newest: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// Heeded in terms that have a capital.
    #[default]
    Auto,
    Heeded,
    Ignored,
}

/// Why a query cannot be answered, in words for the one who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}. {hint}")]
pub struct QueryError {
    /// The offending characters, counted in characters (not bytes) from the start of the query.
    pub span: Range<usize>,
    /// What is wrong; without a full stop.
    pub message: String,
    /// What to do about it: one or more sentences.
    pub hint: String,
}

impl Query {
    /// Bytes in the longest query taken.
    pub const LONGEST: usize = 4096;
    /// How deep parentheses and NOT may be nested.
    pub const DEEPEST: usize = 32;
    /// Terms and filters in one query.
    pub const MOST_TERMS: usize = 64;
    /// Bytes an expression may take once compiled.
    pub const EXPRESSION_SIZE: usize = 10 << 20;
    /// Characters, and ranges of characters, of all expressions of a query together, as often as they are repeated: making these
    /// ready takes a tenth of a second or two.
    pub const EXPRESSION_WEIGHT: usize = 50_000;

    /// Reads what a reader typed.
    ///
    /// # Errors
    /// With the place and the remedy, when it is no query.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parser::parse(text, true)
    }

    /// The same of a query that was put together from one that was read. What it looks for is not made ready, which is most of the
    /// work: a page has a hundred links to such queries.
    ///
    /// # Errors
    /// As [`Query::parse`].
    pub fn parse_edited(text: &str) -> Result<Self, QueryError> {
        parser::parse(text, false)
    }

    /// What a file must be like; `None` when every file will do.
    #[must_use]
    pub fn filter(&self) -> Option<&Expr> {
        self.filter.as_ref()
    }

    #[must_use]
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    #[must_use]
    pub fn case(&self) -> Case {
        self.case
    }

    #[must_use]
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// Whether everything is to be counted, however long it takes.
    #[must_use]
    pub fn counts_all(&self) -> bool {
        self.count_all
    }

    /// Whether it looks into files, rather than at their paths, languages and products alone.
    #[must_use]
    pub fn reads_contents(&self) -> bool {
        fn reads(expr: &Expr) -> bool {
            match expr {
                Expr::All(parts) | Expr::Any(parts) => parts.iter().any(reads),
                Expr::Not(inner) => reads(inner),
                Expr::Term(term) => matches!(term, Term::Text(_) | Term::Pattern(_) | Term::Symbol(_)),
            }
        }
        self.filter.as_ref().is_some_and(reads)
    }
}

impl Case {
    /// Whether this term is to be found in any case.
    pub(super) fn ignores(self, term: &Term) -> bool {
        match self {
            Self::Heeded => false,
            Self::Ignored => true,
            Self::Auto => match term {
                Term::Text(text) | Term::Path(PathTerm::Words(text)) | Term::Symbol(SymbolTerm::Words(text)) => {
                    !text.chars().any(char::is_uppercase)
                }
                Term::Pattern(pattern) | Term::Path(PathTerm::Pattern(pattern)) | Term::Symbol(SymbolTerm::Pattern(pattern)) => {
                    !Matcher::has_capital(pattern)
                }
                Term::Language(_) | Term::Product(_) | Term::Is(_) | Term::Author(_) => true,
            },
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(filter) = &self.filter {
            let alone = Self { filter: None, ..self.clone() } == Self::default();
            parts.push(match filter {
                Expr::Any(_) if !alone => format!("({filter})"),
                _ => filter.to_string(),
            });
        }
        match &self.versions {
            Versions::Newest => {}
            Versions::All => parts.push("version:all".to_owned()),
            // Quoted, since a version may be called "all".
            Versions::Like(pattern) if pattern == "all" || pattern == "newest" => {
                parts.push(format!("version:{}", quoted(pattern)));
            }
            // Quoted, since a version may be called "a..b" elsewhere than in git.
            Versions::Like(pattern) if pattern.contains("..") => parts.push(format!("version:{}", quoted(pattern))),
            Versions::Like(pattern) => parts.push(format!("version:{}", value(pattern))),
            Versions::Between { oldest, newest } => {
                let end = |name: &Option<String>| name.clone().unwrap_or_default();
                parts.push(format!("version:{}..{}", end(oldest), end(newest)));
            }
        }
        if self.kind != Type::File {
            parts.push(format!("type:{}", self.kind.name()));
        }
        if self.count_all {
            parts.push("count:all".to_owned());
        }
        match self.case {
            Case::Auto => {}
            Case::Heeded => parts.push("case:yes".to_owned()),
            Case::Ignored => parts.push("case:no".to_owned()),
        }
        f.write_str(&parts.join(" "))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    let space = if i == 0 { "" } else { " " };
                    match part {
                        Self::Any(_) | Self::All(_) => write!(f, "{space}({part})")?,
                        _ => write!(f, "{space}{part}")?,
                    }
                }
                Ok(())
            }
            Self::Any(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    let or = if i == 0 { "" } else { " OR " };
                    match part {
                        Self::Any(_) => write!(f, "{or}({part})")?,
                        _ => write!(f, "{or}{part}")?,
                    }
                }
                Ok(())
            }
            Self::Not(inner) => match inner.as_ref() {
                Self::Any(_) | Self::All(_) => write!(f, "NOT ({inner})"),
                _ => write!(f, "NOT {inner}"),
            },
            Self::Term(term) => write!(f, "{term}"),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&if parser::stands_bare(text) { text.clone() } else { quoted(text) }),
            Self::Pattern(pattern) => f.write_str(&slashed(pattern)),
            Self::Path(PathTerm::Words(words)) => write!(f, "path:{}", value(words)),
            Self::Path(PathTerm::Pattern(pattern)) => write!(f, "path:{}", slashed(pattern)),
            Self::Symbol(SymbolTerm::Words(words)) => write!(f, "sym:{}", value(words)),
            Self::Symbol(SymbolTerm::Pattern(pattern)) => write!(f, "sym:{}", slashed(pattern)),
            Self::Language(name) => write!(f, "lang:{}", value(name)),
            Self::Product(name) => write!(f, "product:{}", value(name)),
            Self::Is(is) => write!(f, "is:{}", is.name()),
            Self::Author(name) => write!(f, "author:{}", value(name)),
        }
    }
}

fn value(text: &str) -> String {
    let bare = !text.is_empty() && !text.starts_with(['"', '/', ':']) && !text.contains(parser::ends_value);
    if bare { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The expression between slashes, with a backslash before each of its own.
fn slashed(pattern: &str) -> String {
    let mut out = String::from("/");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
            }
            '/' => out.push_str("\\/"),
            _ => out.push(c),
        }
    }
    out.push('/');
    out
}
