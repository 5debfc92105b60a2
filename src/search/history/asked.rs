//! What a query asks of a history: its terms, each with the sign of the lines it looks at.

use roaring::RoaringBitmap;

use super::HistoryIndex;
use super::scope::Reach;
use crate::search::SearchError;
use crate::search::pattern::Matcher;
use crate::search::plan::{Bound, Plan, Test, language_key};
use crate::search::query::{Case, Expr, PathTerm, Query, Term, Trait, Type};
use crate::source::history::Run;

/// Which changed lines a term looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signs {
    added: bool,
    removed: bool,
}

impl Signs {
    const BOTH: Self = Self { added: true, removed: true };

    pub(super) fn take(self, run: &Run) -> bool {
        if run.added { self.added } else { self.removed }
    }

    pub(super) fn are_both(self) -> bool {
        self == Self::BOTH
    }
}

/// A query over histories, made ready.
pub(super) struct Asked {
    /// Its matchers; the rest of a query is bound here.
    pub(super) plan: Plan,
    /// For each matcher, which lines it looks at.
    pub(super) signs: Vec<Signs>,
    filter: Option<Expr>,
    case: Case,
    /// Messages are searched, and not changed lines.
    pub(super) messages: bool,
    pub(super) count_all: bool,
}

impl Asked {
    pub(super) fn new(query: &Query) -> Result<Self, SearchError> {
        let mut signs = Vec::new();
        let filter = query.filter.as_ref().map(|filter| signed(filter, Signs::BOTH, &mut signs));
        // Matchers are numbered in the order of their terms; what only a history knows is none of them.
        let terms = filter.clone().map(without_authors);
        let plan = Plan::new(&Query { filter: terms, ..query.clone() })?;
        Ok(Self { plan, signs, filter, case: query.case, messages: query.kind == Type::Commit, count_all: query.count_all })
    }

    pub(super) fn sign_of(&self, matcher: usize) -> Signs {
        self.signs.get(matcher).copied().unwrap_or(Signs::BOTH)
    }

    /// What is known of a product's documents without reading them.
    pub(super) fn bind(&self, reach: &Reach<'_>) -> Result<Bound, SearchError> {
        let scope = if self.messages { &reach.messages } else { &reach.changes };
        self.plan.bind_within(&reach.selection, scope, || {
            let mut next = 0;
            self.filter.as_ref().map_or(Ok(Test::Always(true)), |filter| self.test(filter, reach, &mut next))
        })
    }

    /// The same, for one product. `next` is the number of the next matcher.
    fn test(&self, expr: &Expr, reach: &Reach<'_>, next: &mut usize) -> Result<Test, SearchError> {
        let mut parts = |parts: &[Expr]| parts.iter().map(|part| self.test(part, reach, next)).collect::<Result<Vec<_>, _>>();
        let term = match expr {
            Expr::All(inner) => return parts(inner).map(Test::All),
            Expr::Any(inner) => return parts(inner).map(Test::Any),
            Expr::Not(inner) => return Ok(Test::Not(Box::new(self.test(inner, reach, next)?))),
            Expr::Term(term) => term,
        };
        let documents = &reach.history.index.documents;
        let lost = || SearchError::damaged("a query lost its expressions");
        let ignores = self.case.ignores(term);
        let on_path = |matcher: &Matcher| self.of_changes(reach, documents.where_path(|path| matcher.is_match(path.bytes())));
        Ok(match term {
            Term::Text(_) | Term::Pattern(_) => {
                *next += 1;
                Test::Holds(*next - 1)
            }
            Term::Path(PathTerm::Words(words)) => on_path(&Matcher::path(words, ignores).map_err(|_| lost())?),
            Term::Path(PathTerm::Pattern(pattern)) => on_path(&Matcher::pattern(pattern, ignores).map_err(|_| lost())?),
            Term::Language(name) => {
                let key = language_key(name);
                self.of_changes(reach, documents.where_language(|language| language_key(language) == key))
            }
            Term::Product(name) => {
                let name = Matcher::name(name).map_err(|_| lost())?;
                Test::Always(name.is_match(reach.selection.scope.product.as_bytes()))
            }
            Term::Author(name) => {
                let matcher = Matcher::text(name, ignores).map_err(|_| lost())?;
                Test::Among(of_author(reach.history, &matcher))
            }
            // Signs were taken out; the others, and symbols, are of files, and are refused when a query is read.
            Term::Is(_) | Term::Symbol(_) => Test::Always(false),
        })
    }

    /// Changes that a filter takes. Where messages are searched, what holds of a file holds of every commit that changed it.
    fn of_changes(&self, reach: &Reach<'_>, found: RoaringBitmap) -> Test {
        let found = found & &reach.changes;
        if !self.messages {
            return Test::Among(found);
        }
        let commits = found.iter().filter_map(|document| reach.history.commit_of(document));
        Test::Among(commits.map(|(_, commit)| commit.first).collect())
    }
}

/// All documents of the commits whose author's name has this in it.
fn of_author(history: &HistoryIndex, name: &Matcher) -> RoaringBitmap {
    let wanted: Vec<bool> = history.commits.authors().iter().map(|author| name.is_in(author.as_bytes())).collect();
    let mut found = RoaringBitmap::new();
    for (place, commit) in (0..).zip(history.commits.all()) {
        if wanted.get(commit.author as usize).copied().unwrap_or(false) {
            found.insert_range(history.documents_of(place));
        }
    }
    found
}

/// Takes `is:added` and `is:removed` out: they say which lines the terms beside them look at. Notes that for each term.
fn signed(expr: &Expr, signs: Signs, found: &mut Vec<Signs>) -> Expr {
    match expr {
        Expr::All(parts) => {
            let signs = parts.iter().fold(signs, narrowed);
            Expr::All(parts.iter().filter(|part| sign_of(part).is_none()).map(|part| signed(part, signs, found)).collect())
        }
        Expr::Any(parts) => Expr::Any(parts.iter().map(|part| signed(part, signs, found)).collect()),
        expr if sign_of(expr).is_some() => Expr::All(Vec::new()),
        Expr::Not(inner) => Expr::Not(Box::new(signed(inner, signs, found))),
        Expr::Term(term) => {
            if matches!(term, Term::Text(_) | Term::Pattern(_)) {
                found.push(signs);
            }
            expr.clone()
        }
    }
}

fn narrowed(signs: Signs, part: &Expr) -> Signs {
    match sign_of(part) {
        Some(true) => Signs { removed: false, ..signs },
        Some(false) => Signs { added: false, ..signs },
        None => signs,
    }
}

/// Whether this asks for lines of one sign, and whether for those that were added.
fn sign_of(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Term(Term::Is(Trait::Added)) => Some(true),
        Expr::Term(Term::Is(Trait::Removed)) => Some(false),
        Expr::Not(inner) => sign_of(inner).map(|added| !added),
        _ => None,
    }
}

/// A stand-in for what is no term of a text, so that the numbers of the others stay.
fn without_authors(expr: Expr) -> Expr {
    match expr {
        Expr::All(parts) => Expr::All(parts.into_iter().map(without_authors).collect()),
        Expr::Any(parts) => Expr::Any(parts.into_iter().map(without_authors).collect()),
        Expr::Not(inner) => Expr::Not(Box::new(without_authors(*inner))),
        // Whether it holds depends on the document, and it is found in no text.
        Expr::Term(Term::Author(_)) => Expr::Term(Term::Language(String::new())),
        Expr::Term(term) => Expr::Term(term),
    }
}
