//! From the scopes of a syntax to the seven classes that have a colour.
//!
//! A syntax names what it sees by scopes, dotted names in a stack; the topmost scope that means something to us decides. Regular
//! expressions are run over one line at a time and have no timeout of their own, so whoever calls bounds the length of a line.

use std::collections::HashMap;
use std::sync::LazyLock;

use syntect::parsing::{ClearAmount, ParseState, Scope, ScopeStackOp, SyntaxReference, SyntaxSet};

use super::html::{Class, Run};

/// What a scope says of the text in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Is(Class),
    /// A keyword if it is a word, a preprocessor's if it begins with `#`, nothing if it is a sign.
    Word,
    /// `int` is a type where `struct` is a keyword, and many syntaxes call both by one name.
    Storage,
    /// Nothing of what is below shows through: an expression within a string, or one language within another.
    Reset,
}

/// The longest selector that is a prefix of a scope decides; a scope without one shows what is below it.
const RULES: &[(&str, Rule)] = &[
    ("comment", Rule::Is(Class::Comment)),
    ("constant", Rule::Is(Class::Number)),
    ("entity.name", Rule::Is(Class::Type)),
    ("entity.name.constant", Rule::Is(Class::Number)),
    ("entity.name.constant.preprocessor", Rule::Is(Class::Preprocessor)),
    ("entity.name.function", Rule::Is(Class::Function)),
    ("entity.name.function.preprocessor", Rule::Is(Class::Preprocessor)),
    ("entity.name.label", Rule::Is(Class::Preprocessor)),
    ("entity.name.macro", Rule::Is(Class::Preprocessor)),
    ("entity.name.section", Rule::Is(Class::Keyword)),
    ("entity.name.tag", Rule::Is(Class::Keyword)),
    ("entity.other.attribute-name", Rule::Is(Class::Type)),
    ("entity.other.inherited-class", Rule::Is(Class::Type)),
    ("keyword", Rule::Word),
    ("keyword.other.unit", Rule::Is(Class::Number)),
    ("markup.deleted", Rule::Is(Class::Preprocessor)),
    ("markup.heading", Rule::Is(Class::Keyword)),
    ("markup.inserted", Rule::Is(Class::String)),
    ("markup.raw", Rule::Is(Class::String)),
    ("markup.underline.link", Rule::Is(Class::Function)),
    ("meta.annotation", Rule::Is(Class::Preprocessor)),
    ("meta.diff.header", Rule::Is(Class::Keyword)),
    ("meta.diff.range", Rule::Is(Class::Function)),
    ("meta.embedded", Rule::Reset),
    ("meta.group.expansion", Rule::Reset),
    ("meta.interpolation", Rule::Reset),
    ("meta.template.expression", Rule::Reset),
    ("source", Rule::Reset),
    ("storage", Rule::Is(Class::Keyword)),
    ("storage.type", Rule::Storage),
    ("storage.type.class", Rule::Is(Class::Keyword)),
    ("storage.type.function", Rule::Is(Class::Keyword)),
    ("storage.type.numeric", Rule::Is(Class::Number)),
    ("storage.type.string", Rule::Is(Class::String)),
    ("string", Rule::Is(Class::String)),
    ("string.unquoted.makefile", Rule::Reset),
    ("support", Rule::Is(Class::Function)),
    ("support.class", Rule::Is(Class::Type)),
    ("support.constant", Rule::Is(Class::Number)),
    ("support.macro", Rule::Is(Class::Preprocessor)),
    ("support.type", Rule::Is(Class::Type)),
    ("text", Rule::Reset),
    ("variable.annotation", Rule::Is(Class::Preprocessor)),
    ("variable.function", Rule::Is(Class::Function)),
    ("variable.language", Rule::Is(Class::Keyword)),
    ("variable.other.constant", Rule::Is(Class::Number)),
];

static SELECTORS: LazyLock<Vec<(Scope, Rule)>> = LazyLock::new(|| {
    let scope = |name| Scope::new(name).expect("the selectors are short, and far fewer than a repository of scopes holds");
    let mut selectors: Vec<(Scope, Rule)> = RULES.iter().map(|(name, rule)| (scope(name), *rule)).collect();
    selectors.sort_by_key(|(scope, _)| std::cmp::Reverse(scope.len()));
    selectors
});

/// Words that declare something and name no type.
const DECLARATIONS: &[&str] = &[
    "abstract",
    "alias",
    "async",
    "auto",
    "class",
    "const",
    "data",
    "def",
    "defmodule",
    "enum",
    "extends",
    "extern",
    "final",
    "fn",
    "for",
    "fun",
    "func",
    "function",
    "impl",
    "implements",
    "import",
    "in",
    "inline",
    "instance",
    "interface",
    "lambda",
    "let",
    "local",
    "macro",
    "mod",
    "module",
    "mut",
    "mutable",
    "my",
    "namespace",
    "newtype",
    "object",
    "our",
    "package",
    "proc",
    "property",
    "protocol",
    "pub",
    "record",
    "register",
    "static",
    "struct",
    "sub",
    "template",
    "trait",
    "type",
    "typedef",
    "typename",
    "union",
    "unsafe",
    "use",
    "using",
    "val",
    "var",
    "volatile",
    "where",
];

/// Parses line after line and gives each line's runs of classes.
pub(super) struct Parser<'a> {
    syntaxes: &'a SyntaxSet,
    state: ParseState,
    /// The rule in force in each open scope: its own, or that of the scope below.
    open: Vec<Option<Rule>>,
    cleared: Vec<Vec<Option<Rule>>>,
    known: HashMap<Scope, Option<Rule>>,
    runs: Vec<Run>,
}

/// The syntax contradicts itself; nothing more can be said of the text.
#[derive(Debug)]
pub(super) struct Broken;

impl<'a> Parser<'a> {
    pub(super) fn new(syntaxes: &'a SyntaxSet, syntax: &SyntaxReference) -> Self {
        Self { syntaxes, state: ParseState::new(syntax), open: Vec::new(), cleared: Vec::new(), known: HashMap::new(), runs: Vec::new() }
    }

    /// `line` ends with its LF: the syntaxes are written for that.
    pub(super) fn parse(&mut self, line: &str) -> Result<&[Run], Broken> {
        let changes = self.state.parse_line(line, self.syntaxes).map_err(|_| Broken)?;
        self.runs.clear();
        let mut at = 0;
        for (place, change) in changes {
            if place > at {
                self.run(line, at, place)?;
                at = place;
            }
            self.apply(&change);
        }
        if at < line.len() {
            self.run(line, at, line.len())?;
        }
        Ok(&self.runs)
    }

    fn run(&mut self, line: &str, start: usize, end: usize) -> Result<(), Broken> {
        let token = line.get(start..end).ok_or(Broken)?;
        let class = self.open.last().copied().flatten().and_then(|rule| class_of(rule, token));
        match self.runs.last_mut() {
            Some((last_end, last)) if *last == class => *last_end = end,
            _ => self.runs.push((end, class)),
        }
        Ok(())
    }

    fn apply(&mut self, change: &ScopeStackOp) {
        match change {
            ScopeStackOp::Push(scope) => {
                let own = *self.known.entry(*scope).or_insert_with(|| rule_of(*scope));
                self.open.push(own.or_else(|| self.open.last().copied().flatten()));
            }
            ScopeStackOp::Pop(count) => self.open.truncate(self.open.len().saturating_sub(*count)),
            ScopeStackOp::Clear(amount) => {
                let count = match amount {
                    ClearAmount::TopN(count) => *count,
                    ClearAmount::All => self.open.len(),
                };
                let kept = self.open.len().saturating_sub(count);
                self.cleared.push(self.open.split_off(kept));
            }
            ScopeStackOp::Restore => self.open.append(&mut self.cleared.pop().unwrap_or_default()),
            ScopeStackOp::Noop => {}
        }
    }
}

fn rule_of(scope: Scope) -> Option<Rule> {
    SELECTORS.iter().find(|(selector, _)| selector.is_prefix_of(scope)).map(|(_, rule)| *rule)
}

fn class_of(rule: Rule, token: &str) -> Option<Class> {
    match rule {
        Rule::Is(class) => Some(class),
        Rule::Reset => None,
        Rule::Word if token.starts_with('#') => Some(Class::Preprocessor),
        Rule::Word => token.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '@').then_some(Class::Keyword),
        Rule::Storage if DECLARATIONS.contains(&token) => Some(Class::Keyword),
        Rule::Storage => token.starts_with(|c: char| c.is_alphabetic() || c == '_').then_some(Class::Type),
    }
}
