//! From a query to the documents that must be read: bounds on what can match, before anything is read.

use std::thread;
use std::time::{Duration, Instant};

use regex::bytes::Regex;
use roaring::RoaringBitmap;

use super::grams::Of;
use super::pattern::Matcher;
use super::query::{Case, Expr, PathTerm, Query, SymbolTerm, Term, Trait};
use super::rank::word_of;
use super::scope::Selection;
use super::trigram::Needs;
use super::{ProductIndex, SearchError};
use crate::symbols::Defining;

/// How long looking up takes, or a multiple of it, where a part of the index lies outside of the scope. Grams are looked up in
/// the whole of it, which takes 3 ms at most in practice: how long it takes must not tell what lies outside.
const PACE: Duration = Duration::from_millis(5);

/// A query made ready: its expressions compiled once, for all products.
pub(super) struct Plan {
    root: Node,
    /// What is looked for in texts.
    pub(super) matchers: Vec<Matcher>,
    /// For each of them, what a text must have in which it is found.
    needs: Vec<Needs>,
    /// For each of them, whether it is looked for in the names that a text defines, and nowhere else.
    of_names: Vec<bool>,
    /// Which of them are shown: those that are not excluded.
    pub(super) shown: Vec<usize>,
    /// Texts that a file has when it matches, as they were written: in any case, or in their own.
    pub(super) words: Vec<(String, bool)>,
}

enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// Place in `matchers`.
    Holds(usize),
    Path(Box<(Matcher, Needs)>),
    Is(Trait),
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

/// What a product has for a plan: all that is known before anything is read.
pub(super) struct Bound {
    pub(super) test: Test,
    pub(super) bounds: Bounds,
    /// For each matcher the blocks in which it may be found; `None`: in all, or it is looked for in whole texts.
    pub(super) blocks: Vec<Option<RoaringBitmap>>,
    /// For each matcher that is looked for in names: what defines one.
    pub(super) names: Vec<Option<Defining>>,
    /// What defines one of the words looked for.
    definers: Defining,
}

impl Bound {
    /// Whether a document defines one of the words looked for.
    pub(super) fn defines(&self, index: &ProductIndex, document: u32) -> bool {
        !self.definers.is_empty() && defined_lines(index, &self.definers, document).is_some()
    }
}

impl Plan {
    pub(super) fn new(query: &Query) -> Result<Self, SearchError> {
        let mut plan = Self {
            root: Node::All(Vec::new()),
            matchers: Vec::new(),
            needs: Vec::new(),
            of_names: Vec::new(),
            shown: Vec::new(),
            words: Vec::new(),
        };
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
            Term::Text(text) => {
                if positive {
                    self.words.push((text.clone(), ignores));
                }
                self.holds(Matcher::text(text, ignores).ok()?, positive, false)
            }
            Term::Pattern(pattern) => {
                let matcher = Matcher::pattern(pattern, ignores).ok()?;
                if let Some(text) = Matcher::required_text(pattern).filter(|_| positive) {
                    self.words.push((text, ignores));
                }
                self.holds(matcher, positive, false)
            }
            Term::Symbol(SymbolTerm::Words(text)) => {
                if positive {
                    self.words.push((text.clone(), ignores));
                }
                self.holds(Matcher::text(text, ignores).ok()?, positive, true)
            }
            Term::Symbol(SymbolTerm::Pattern(pattern)) => self.holds(Matcher::pattern(pattern, ignores).ok()?, positive, true),
            Term::Path(PathTerm::Words(words)) => on_path(Matcher::path(words, ignores).ok()?),
            Term::Path(PathTerm::Pattern(pattern)) => on_path(Matcher::pattern(pattern, ignores).ok()?),
            Term::Language(name) => Node::Language(language_key(name)),
            Term::Product(name) => Node::Product(Matcher::name(name).ok()?),
            Term::Is(is) => Node::Is(*is),
            // Of history only.
            Term::Author(_) => return None,
        })
    }

    fn holds(&mut self, matcher: Matcher, positive: bool, of_names: bool) -> Node {
        let place = self.matchers.len();
        self.of_names.push(of_names);
        self.needs.push(Needs::of(&matcher.hir, matcher.folds, !matcher.within_lines));
        self.matchers.push(matcher);
        if positive {
            self.shown.push(place);
        }
        Node::Holds(place)
    }

    /// Whether something is looked for in the names that a text defines.
    pub(super) fn looks_for_names(&self) -> bool {
        self.of_names.contains(&true)
    }

    /// Bytes of these documents at one path that are to be looked through. What they have in common is looked through once, when
    /// what is looked for lies within lines.
    pub(super) fn bytes_of(&self, bound: &Bound, selection: &Selection<'_>, forms: &[u32]) -> u64 {
        let documents = &selection.index.documents;
        let bodies = || forms.iter().filter_map(|number| documents.get(*number)?.body);
        let blocks = documents.blocks();
        // What was woven is looked for in the lines of others, too. What of these lines is closed must not be seen in what a search
        // takes account of: then only their own are counted.
        let woven = bodies().any(|body| body.is_woven()) && !selection.partial;
        let read = forms.first().filter(|_| woven).map_or(forms, |first| documents.forms(*first));
        let inside = |among: &RoaringBitmap| -> u64 {
            let all = read.iter().flat_map(|number| blocks.of(*number)).filter(|block| among.contains(*block));
            all.filter_map(|block| blocks.get(block)).map(|block| u64::from(block.length)).sum()
        };
        let of = |(needs, among): (&Needs, &Option<RoaringBitmap>)| match among {
            Some(among) => inside(among),
            None if needs.spread || forms.len() == 1 => bodies().map(|body| body.text + body.raw).sum(),
            None => {
                let own: u64 = bodies().map(|body| body.own + body.raw).sum();
                own.max(bodies().map(|body| body.text).max().unwrap_or(0))
            }
        };
        self.needs.iter().zip(&bound.blocks).map(of).sum()
    }

    /// Whether files of this product can match at all, whatever is in them.
    pub(super) fn concerns(&self, product: &str) -> bool {
        self.root.concerns(product) != Some(false)
    }

    /// What is known of a product's documents without reading them.
    pub(super) fn bind(&self, selection: &Selection<'_>) -> Result<Bound, SearchError> {
        let mut definers = Defining::default();
        let bound = self.bind_within(selection, &selection.documents, || {
            definers = self.definers(selection)?;
            self.root.bind(selection)
        })?;
        Ok(Bound { definers, ..bound })
    }

    /// What defines one of the words looked for. Where symbols are not known, nothing does.
    fn definers(&self, selection: &Selection<'_>) -> Result<Defining, SearchError> {
        let words: Vec<(&str, bool)> = self.words.iter().filter_map(|(text, any_case)| Some((word_of(text)?, *any_case))).collect();
        match &selection.scope.symbols {
            Some(symbols) if !words.is_empty() => symbols.defining_words(&words).map_err(|cause| SearchError::Corpus(cause.into())),
            _ => Ok(Defining::default()),
        }
    }

    /// The same within another scope, and with a test made elsewhere over the same matchers.
    pub(super) fn bind_within(
        &self,
        selection: &Selection<'_>,
        scope: &RoaringBitmap,
        test: impl FnOnce() -> Result<Test, SearchError>,
    ) -> Result<Bound, SearchError> {
        let began = Instant::now();
        let mut found: Vec<Option<RoaringBitmap>> = Vec::new();
        let mut blocks = Vec::new();
        let index = selection.index;
        let mut names = Vec::new();
        for ((needs, matcher), of_names) in self.needs.iter().zip(&self.matchers).zip(&self.of_names) {
            if *of_names {
                let defining = defining(selection, matcher)?;
                let defines = |document: &u32| defined_lines(index, &defining, *document).is_some();
                found.push(Some(scope.iter().filter(defines).collect()));
                blocks.push(None);
                names.push(Some(defining));
                continue;
            }
            names.push(None);
            let (documents, inside) = if needs.spread {
                (index.grams.documents(needs, &index.documents)?, None)
            } else {
                let blocks = index.grams.blocks(Of::Texts, needs)?;
                (blocks.as_ref().map(|blocks| index.documents.with_blocks(blocks)), blocks)
            };
            found.push(documents);
            blocks.push(inside);
        }
        let test = test()?;
        let candidates = |place: usize| found.get(place).cloned().flatten();
        let bounds = test.bounds(scope, &candidates);
        if selection.partial {
            thread::sleep(left_of_pace(began.elapsed()));
        }
        Ok(Bound { test, bounds, blocks, names, definers: Defining::default() })
    }
}

/// What defines a name that the matcher takes. Where symbols are not known, nothing does.
fn defining(selection: &Selection<'_>, matcher: &Matcher) -> Result<Defining, SearchError> {
    let Some(symbols) = &selection.scope.symbols else { return Ok(Defining::default()) };
    let found = symbols.defining(&|name| matcher.is_match(name.as_bytes()));
    found.map_err(|cause| SearchError::Corpus(cause.into()))
}

/// The lines, from 1, on which a document defines such a name.
pub(super) fn defined_lines<'a>(index: &ProductIndex, defining: &'a Defining, document: u32) -> Option<&'a [u32]> {
    let (known, path) = index.documents.get(document).zip(index.documents.path(document))?;
    defining.lines(known.blob.bytes(), path)
}

/// How long to wait until a multiple of the pace is over.
fn left_of_pace(elapsed: Duration) -> Duration {
    let paces = elapsed.as_micros() / PACE.as_micros() + 1;
    PACE.saturating_mul(u32::try_from(paces).unwrap_or(u32::MAX)).saturating_sub(elapsed)
}

fn on_path(matcher: Matcher) -> Node {
    // A path is looked at whole: what is needed is needed in one place.
    let needs = Needs::of(&matcher.hir, matcher.folds, false);
    Node::Path(Box::new((matcher, needs)))
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
            Self::Holds(_) | Self::Path(_) | Self::Language(_) | Self::Is(_) => None,
        }
    }

    fn bind(&self, selection: &Selection<'_>) -> Result<Test, SearchError> {
        let documents = &selection.index.documents;
        let parts = |parts: &[Self]| parts.iter().map(|part| part.bind(selection)).collect::<Result<_, _>>();
        Ok(match self {
            Self::All(inner) => Test::All(parts(inner)?),
            Self::Any(inner) => Test::Any(parts(inner)?),
            Self::Not(inner) => Test::Not(Box::new(inner.bind(selection)?)),
            Self::Holds(place) => Test::Holds(*place),
            Self::Path(path) => {
                let (matcher, needs) = path.as_ref();
                Test::Among(match selection.index.grams.blocks(Of::Paths, needs)? {
                    Some(blocks) => {
                        let named = documents.with_blocks(&blocks) & &selection.documents;
                        let is = |&document: &u32| documents.path(document).is_some_and(|path| matcher.is_match(path.bytes()));
                        named.iter().filter(is).collect()
                    }
                    None => documents.where_path(|path| matcher.is_match(path.bytes())) & &selection.documents,
                })
            }
            Self::Is(is) => Test::Among(documents.that_are(*is) & &selection.documents),
            Self::Language(name) => {
                Test::Among(documents.where_language(|language| language_key(language) == *name) & &selection.documents)
            }
            Self::Product(name) => Test::Always(name.is_match(selection.scope.product.as_bytes())),
        })
    }
}

impl Test {
    /// `candidates` gives, for a matcher, documents that include all in which it is found; `None` when that may be all.
    fn bounds(&self, scope: &RoaringBitmap, candidates: &impl Fn(usize) -> Option<RoaringBitmap>) -> Bounds {
        match self {
            Self::Always(true) => Bounds { sure: scope.clone(), maybe: scope.clone() },
            Self::Always(false) => Bounds { sure: RoaringBitmap::new(), maybe: RoaringBitmap::new() },
            Self::Among(documents) => Bounds { sure: documents.clone(), maybe: documents.clone() },
            Self::Holds(place) => {
                let maybe = candidates(*place).map_or_else(|| scope.clone(), |found| found & scope);
                Bounds { sure: RoaringBitmap::new(), maybe }
            }
            Self::Not(inner) => {
                let inner = inner.bounds(scope, candidates);
                Bounds { sure: scope - inner.maybe, maybe: scope - inner.sure }
            }
            Self::All(parts) => {
                let mut all = Bounds { sure: scope.clone(), maybe: scope.clone() };
                for part in parts {
                    let part = part.bounds(scope, candidates);
                    all.sure &= part.sure;
                    all.maybe &= part.maybe;
                }
                all
            }
            Self::Any(parts) => {
                let mut any = Bounds { sure: RoaringBitmap::new(), maybe: RoaringBitmap::new() };
                for part in parts {
                    let part = part.bounds(scope, candidates);
                    any.sure |= part.sure;
                    any.maybe |= part.maybe;
                }
                any
            }
        }
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

    /// Whether it is a term looked for in texts, and nothing else.
    pub(super) fn is_one_term(&self) -> bool {
        match self {
            Self::Holds(_) => true,
            Self::All(parts) => {
                parts.iter().filter(|part| part.reads()).all(Self::is_one_term) && parts.iter().filter(|p| p.reads()).count() == 1
            }
            _ => false,
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
pub(super) fn language_key(name: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_up_takes_whole_paces() {
        let left = |micros| left_of_pace(Duration::from_micros(micros)).as_micros();
        assert_eq!([left(0), left(1), left(4_999), left(5_000), left(12_345)], [5_000, 4_999, 1, 5_000, 2_655]);
    }
}
