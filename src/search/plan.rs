//! From a query to the documents that must be read: bounds on what can match, before anything is read.

use regex::bytes::Regex;
use roaring::RoaringBitmap;

use super::pattern::Matcher;
use super::query::{Case, Expr, PathTerm, Query, Term};
use super::scope::Selection;
use super::trigram::Condition;
use super::{ProductIndex, SearchError};

/// A query made ready: its expressions compiled once, for all products.
pub(super) struct Plan {
    root: Node,
    /// What is looked for in texts.
    pub(super) matchers: Vec<Matcher>,
    /// For each of them, what a text must have in which it is found.
    conditions: Vec<Condition>,
    /// Which of them are shown: those that are not excluded.
    pub(super) shown: Vec<usize>,
}

enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// Place in `matchers`.
    Holds(usize),
    Path(Regex),
    Language(String),
    Product(Regex),
}

/// The same, for one product: what is known without reading is a set of documents.
pub(super) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Holds(usize),
    Among(RoaringBitmap),
    Always(bool),
}

/// Documents that match for certain, and those that may.
pub(super) struct Bounds {
    pub(super) sure: RoaringBitmap,
    pub(super) maybe: RoaringBitmap,
}

impl Plan {
    pub(super) fn new(query: &Query) -> Result<Self, SearchError> {
        let mut plan = Self { root: Node::All(Vec::new()), matchers: Vec::new(), conditions: Vec::new(), shown: Vec::new() };
        if let Some(filter) = &query.filter {
            // A query exists only when its expressions compile.
            plan.root = plan.node(filter, query.case, true).ok_or_else(|| SearchError::damaged("a query lost its expressions"))?;
        }
        Ok(plan)
    }

    fn node(&mut self, expr: &Expr, case: Case, positive: bool) -> Option<Node> {
        let parts =
            |plan: &mut Self, parts: &[Expr]| -> Option<Vec<Node>> { parts.iter().map(|part| plan.node(part, case, positive)).collect() };
        let term = match expr {
            Expr::All(inner) => return Some(Node::All(parts(self, inner)?)),
            Expr::Any(inner) => return Some(Node::Any(parts(self, inner)?)),
            Expr::Not(inner) => return Some(Node::Not(Box::new(self.node(inner, case, !positive)?))),
            Expr::Term(term) => term,
        };
        let ignores = case.ignores(term);
        Some(match term {
            Term::Text(text) => self.holds(Matcher::text(text, ignores).ok()?, positive),
            Term::Pattern(pattern) => self.holds(Matcher::pattern(pattern, ignores).ok()?, positive),
            Term::Path(PathTerm::Words(words)) => Node::Path(Matcher::path(words, ignores).ok()?),
            Term::Path(PathTerm::Pattern(pattern)) => Node::Path(Matcher::path_pattern(pattern, ignores).ok()?),
            Term::Language(name) => Node::Language(language_key(name)),
            Term::Product(name) => Node::Product(Matcher::name(name).ok()?),
        })
    }

    fn holds(&mut self, matcher: Matcher, positive: bool) -> Node {
        let place = self.matchers.len();
        self.conditions.push(Condition::of(&matcher.hir));
        self.matchers.push(matcher);
        if positive {
            self.shown.push(place);
        }
        Node::Holds(place)
    }

    /// Whether files of this product can match at all, whatever is in them.
    pub(super) fn concerns(&self, product: &str) -> bool {
        self.root.concerns(product) != Some(false)
    }

    /// Documents of an index that include all in which a matcher is found.
    pub(super) fn candidates(&self, place: usize, index: &ProductIndex) -> Result<RoaringBitmap, SearchError> {
        let condition = self.conditions.get(place).unwrap_or(&Condition::Anything);
        let found = index.grams.documents(condition)?;
        Ok(found.unwrap_or_else(|| index.documents.text().clone()))
    }

    /// What must hold of a document of this product.
    pub(super) fn bind(&self, selection: &Selection<'_>) -> Test {
        self.root.bind(selection)
    }
}

impl Node {
    /// Whether it holds of all files of a product, of none (`Some(false)`), or depends on the file.
    fn concerns(&self, product: &str) -> Option<bool> {
        match self {
            Self::Product(name) => Some(name.is_match(product.as_bytes())),
            Self::Not(inner) => inner.concerns(product).map(|known| !known),
            Self::All(parts) => {
                let known: Vec<_> = parts.iter().map(|part| part.concerns(product)).collect();
                if known.contains(&Some(false)) { Some(false) } else { (!known.contains(&None)).then_some(true) }
            }
            Self::Any(parts) => {
                let known: Vec<_> = parts.iter().map(|part| part.concerns(product)).collect();
                if known.contains(&Some(true)) { Some(true) } else { (!known.contains(&None)).then_some(false) }
            }
            Self::Holds(_) | Self::Path(_) | Self::Language(_) => None,
        }
    }

    fn bind(&self, selection: &Selection<'_>) -> Test {
        let documents = &selection.index.documents;
        let parts = |parts: &[Self]| parts.iter().map(|part| part.bind(selection)).collect();
        match self {
            Self::All(inner) => Test::All(parts(inner)),
            Self::Any(inner) => Test::Any(parts(inner)),
            Self::Not(inner) => Test::Not(Box::new(inner.bind(selection))),
            Self::Holds(place) => Test::Holds(*place),
            Self::Path(pattern) => Test::Among(documents.where_path(|path| pattern.is_match(path.bytes())) & &selection.documents),
            Self::Language(name) => {
                Test::Among(documents.where_language(|language| language_key(language) == *name) & &selection.documents)
            }
            Self::Product(name) => Test::Always(name.is_match(selection.scope.product.as_bytes())),
        }
    }
}

impl Test {
    /// `candidates` gives, for a matcher, documents of the scope that include all in which it is found.
    pub(super) fn bounds(
        &self,
        scope: &RoaringBitmap,
        candidates: &mut impl FnMut(usize) -> Result<RoaringBitmap, SearchError>,
    ) -> Result<Bounds, SearchError> {
        Ok(match self {
            Self::Always(true) => Bounds { sure: scope.clone(), maybe: scope.clone() },
            Self::Always(false) => Bounds { sure: RoaringBitmap::new(), maybe: RoaringBitmap::new() },
            Self::Among(documents) => Bounds { sure: documents.clone(), maybe: documents.clone() },
            Self::Holds(place) => Bounds { sure: RoaringBitmap::new(), maybe: candidates(*place)? & scope },
            Self::Not(inner) => {
                let inner = inner.bounds(scope, candidates)?;
                Bounds { sure: scope - inner.maybe, maybe: scope - inner.sure }
            }
            Self::All(parts) => {
                let mut all = Bounds { sure: scope.clone(), maybe: scope.clone() };
                for part in parts {
                    let part = part.bounds(scope, candidates)?;
                    all.sure &= part.sure;
                    all.maybe &= part.maybe;
                }
                all
            }
            Self::Any(parts) => {
                let mut any = Bounds { sure: RoaringBitmap::new(), maybe: RoaringBitmap::new() };
                for part in parts {
                    let part = part.bounds(scope, candidates)?;
                    any.sure |= part.sure;
                    any.maybe |= part.maybe;
                }
                any
            }
        })
    }

    /// Whether it holds of a document; `found` tells whether a matcher is found in it.
    pub(super) fn holds(&self, document: u32, found: &mut impl FnMut(usize) -> bool) -> bool {
        match self {
            Self::Always(known) => *known,
            Self::Among(documents) => documents.contains(document),
            Self::Holds(place) => found(*place),
            Self::Not(inner) => !inner.holds(document, found),
            // What is known without reading comes first.
            Self::All(parts) => {
                parts.iter().filter(|p| !p.reads()).all(|p| p.holds(document, found))
                    && parts.iter().filter(|p| p.reads()).all(|p| p.holds(document, found))
            }
            Self::Any(parts) => {
                parts.iter().filter(|p| !p.reads()).any(|p| p.holds(document, found))
                    || parts.iter().filter(|p| p.reads()).any(|p| p.holds(document, found))
            }
        }
    }

    fn reads(&self) -> bool {
        match self {
            Self::Always(_) | Self::Among(_) => false,
            Self::Holds(_) => true,
            Self::Not(inner) => inner.reads(),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::reads),
        }
    }
}

/// Names of languages are compared in lower case, and by the usual short names.
fn language_key(name: &str) -> String {
    let name = name.to_lowercase();
    let long = match name.as_str() {
        "cpp" | "cxx" => "c++",
        "cs" | "csharp" => "c#",
        "golang" => "go",
        "js" => "javascript",
        "py" => "python",
        "rb" => "ruby",
        "rs" => "rust",
        "ts" => "typescript",
        _ => return name,
    };
    long.to_owned()
}
