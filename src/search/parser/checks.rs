//! Whether the terms of a query can be looked for, once the whole of it is known.

use super::mistakes::error;
use crate::search::pattern::{Matcher, Problem, is_pattern};
use crate::search::query::{Case, Expr, PathTerm, Query, QueryError, SymbolTerm, Term, Trait, Type};

/// What may be made ready of the expressions of one query.
pub(super) struct Room {
    /// What is left for those that follow; see [`Matcher::weight`].
    left: usize,
    /// They are made, and all else that is looked for. Otherwise it is known to be sound.
    make: bool,
}

impl Room {
    pub(super) fn whole(make: bool) -> Self {
        Self { left: Query::EXPRESSION_WEIGHT, make }
    }

    /// Takes what this expression needs, and makes it once.
    fn take(&mut self, pattern: &str, ignore_case: bool) -> Result<(), Problem> {
        let weight = Matcher::weight(pattern, ignore_case);
        let Some(left) = self.left.checked_sub(weight) else {
            let alone = weight > Query::EXPRESSION_WEIGHT;
            let reason =
                if alone { "it is too large to be searched for" } else { "with those before it, it is too large to be searched for" };
            return Err(Problem { reason: reason.to_owned(), span: None });
        };
        self.left = left;
        if self.make { Matcher::pattern(pattern, ignore_case).map(|_| ()) } else { Ok(()) }
    }
}

/// Makes sure that a term can be looked for, now that it is known whether case is heeded.
pub(super) fn check(term: &Term, case: Case, places: &[usize], room: &mut Room) -> Result<(), QueryError> {
    let whole = places.first().copied().unwrap_or(0)..places.last().copied().unwrap_or(0);
    let place = |text: &str, byte: usize| {
        let nth = text.get(..byte).map_or(0, |before| before.chars().count());
        places.get(nth).copied().unwrap_or(whole.end)
    };
    let ignore = case.ignores(term);
    match term {
        Term::Pattern(pattern) | Term::Path(PathTerm::Pattern(pattern)) | Term::Symbol(SymbolTerm::Pattern(pattern)) => {
            room.take(pattern, ignore).map_err(|problem| {
                let span = problem.span.map_or(whole.clone(), |span| {
                    let start = place(pattern, span.start);
                    start..place(pattern, span.end).max(start + 1)
                });
                error(
                    span,
                    format!("This expression cannot be used: {}", problem.reason),
                    "Expressions are written in the regex crate's syntax; put a text into quotes to have it taken as it is.",
                )
            })
        }
        // What is looked for as it stands is always sound, and making it ready is most of the work.
        Term::Text(_) | Term::Symbol(SymbolTerm::Words(_)) if !room.make => Ok(()),
        Term::Text(text) | Term::Symbol(SymbolTerm::Words(text)) => Matcher::text(text, ignore)
            .map(|_| ())
            .map_err(|problem| error(whole, problem.reason, "Shorten it, or have its case heeded with case:yes.")),
        Term::Path(PathTerm::Words(words)) => {
            let made = if room.make {
                Matcher::path(words, ignore).map(|_| ())
            } else if is_pattern(words) {
                Matcher::is_sound(words)
            } else {
                Ok(())
            };
            made.map_err(|reason| error(whole, reason, "As in path:*.c or path:src/net."))
        }
        Term::Product(name) => name_fits(name, room.make).map_err(|reason| error(whole, reason, "As in product:git or product:lib*.")),
        Term::Language(_) | Term::Is(_) | Term::Author(_) => Ok(()),
    }
}

/// Makes sure that names can be compared with this pattern.
pub(super) fn name_fits(name: &str, make: bool) -> Result<(), String> {
    if make { Matcher::name(name).map(|_| ()) } else { Matcher::is_sound(name) }
}

/// Makes sure that a term can be asked for in this type of search.
pub(super) fn fits(term: &Term, kind: Type, places: &[usize]) -> Result<(), QueryError> {
    let whole = places.first().copied().unwrap_or(0)..places.last().copied().unwrap_or(0);
    let (here, wanted) = match term {
        Term::Is(Trait::Added | Trait::Removed) => (kind == Type::Diff, "type:diff"),
        Term::Author(_) => (matches!(kind, Type::Diff | Type::Commit), "type:diff or type:commit"),
        Term::Is(_) => (matches!(kind, Type::File | Type::Path), "files: leave type: away"),
        Term::Symbol(_) => (kind == Type::File, "the contents of files: leave type: away"),
        _ => (true, ""),
    };
    if here { Ok(()) } else { Err(error(whole, "This filter does not belong to this type of search", format!("It works with {wanted}."))) }
}

/// The same, with words and expressions looked for in paths.
pub(super) fn on_paths(expr: Expr) -> Expr {
    match expr {
        Expr::All(parts) => Expr::All(parts.into_iter().map(on_paths).collect()),
        Expr::Any(parts) => Expr::Any(parts.into_iter().map(on_paths).collect()),
        Expr::Not(inner) => Expr::Not(Box::new(on_paths(*inner))),
        Expr::Term(Term::Text(text)) => Expr::Term(Term::Path(PathTerm::Words(text))),
        Expr::Term(Term::Pattern(pattern)) => Expr::Term(Term::Path(PathTerm::Pattern(pattern))),
        Expr::Term(term) => Expr::Term(term),
    }
}
