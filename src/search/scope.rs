//! What may be searched: a bitmap over documents, made before anything is read or counted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use roaring::{MultiOps as _, RoaringBitmap};

use super::ProductIndex;
use super::pattern::Matcher;
use super::query::Versions;
use crate::catalog::RepoPath;
use crate::symbols::SymbolIndex;

/// The products that a person may read of, in the order in which they are to be listed.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub products: Vec<ProductScope>,
}

#[derive(Clone, Debug)]
pub(super) struct ProductScope {
    /// Its name in addresses and in `product:`.
    pub product: String,
    /// `None` while it has not been indexed; its versions are then said to be missing.
    pub index: Option<Arc<ProductIndex>>,
    /// Its symbols, while they are known.
    pub symbols: Option<Arc<SymbolIndex>>,
    /// The versions that may be read of, newest first.
    pub versions: Vec<VersionScope>,
}

/// What may be read of a version: what lies in one of `includes` and in none of `excludes`, each a file or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VersionScope {
    pub name: String,
    /// The commit it stands for now. An index made of another commit does not answer for this version.
    pub commit: String,
    /// Empty: nothing may be read. The root: everything.
    pub includes: Vec<RepoPath>,
    pub excludes: Vec<RepoPath>,
}

impl VersionScope {
    fn opens_all(&self) -> bool {
        opens_all(&self.includes, &self.excludes)
    }
}

fn opens_all(includes: &[RepoPath], excludes: &[RepoPath]) -> bool {
    excludes.is_empty() && includes.iter().any(RepoPath::is_root)
}

/// A product's part of a scope, cut to the versions that a query asks for.
pub(super) struct Selection<'a> {
    pub(super) scope: &'a ProductScope,
    pub(super) index: &'a ProductIndex,
    /// Newest first, each once.
    versions: Vec<Held<'a>>,
    /// The place among these of each version of the index.
    place_of: Vec<Option<usize>>,
    /// Documents that may be read in one of these versions.
    pub(super) documents: RoaringBitmap,
    /// Something that the index holds may not be read.
    pub(super) partial: bool,
}

/// What may be read of a version.
struct Held<'a> {
    name: &'a str,
    documents: Cow<'a, RoaringBitmap>,
}

impl<'a> Selection<'a> {
    /// Also tells which of the versions asked for are not indexed.
    pub(super) fn new(scope: &'a ProductScope, asked: &Versions) -> (Option<Self>, Vec<&'a VersionScope>) {
        let wanted = asked_for(&scope.versions, asked);
        let Some(index) = scope.index.as_deref() else { return (None, wanted) };
        let mut rules = Rules::default();
        let mut versions: Vec<Held<'a>> = Vec::new();
        let mut missing = Vec::new();
        for version in wanted {
            let Some(documents) = index.version(&version.name, &version.commit) else {
                missing.push(version);
                continue;
            };
            let documents = rules.apply(index, &version.includes, &version.excludes, documents);
            // One version stands in the scope once for each grant that opens it.
            match versions.last_mut().filter(|last| last.name == version.name) {
                Some(last) => *last.documents.to_mut() |= documents.as_ref(),
                None => versions.push(Held { name: &version.name, documents }),
            }
        }
        let place_of = |name: &str| versions.iter().position(|version| version.name == name);
        let place_of = index.versions.iter().map(|version| place_of(&version.key.name)).collect();
        let all_open = versions.iter().all(|version| matches!(version.documents, Cow::Borrowed(_)));
        let documents = if all_open && versions.len() == index.versions.len() {
            index.living.clone()
        } else {
            versions.iter().map(|version| version.documents.as_ref()).union()
        };
        // Whether anything is closed must not depend on what this query asks for.
        let open = scope.versions.iter().filter(|version| version.opens_all() && index.version(&version.name, &version.commit).is_some());
        let partial = open.map(|version| &version.name).collect::<HashSet<_>>().len() < index.versions.len();
        (Some(Self { scope, index, versions, place_of, documents, partial }), missing)
    }

    /// Whether a document counts by itself among what is to be looked into. One that was woven may have been picked for lines
    /// beside its own: where something is closed that must not be seen, and [all of these](Self::uncounted) count until the end.
    pub(super) fn counts(&self, document: u32) -> bool {
        let woven = || self.index.documents.get(document).and_then(|known| known.body).is_some_and(|body| body.is_woven());
        !self.partial || !woven()
    }

    pub(super) fn uncounted(&self) -> u64 {
        if self.partial { self.documents.iter().filter(|document| !self.counts(*document)).count() as u64 } else { 0 }
    }

    /// The versions searched, newest first.
    pub(super) fn version_names(&self) -> impl ExactSizeIterator<Item = &'a str> {
        self.versions.iter().map(|version| version.name)
    }

    /// The places, among the versions searched, of those in which a document may be read; in order.
    pub(super) fn places_of(&self, document: u32) -> Vec<usize> {
        let places = self.index.held_by(document).iter().filter_map(|&place| *self.place_of.get(place as usize)?);
        let mut places: Vec<usize> =
            places.filter(|place| self.versions.get(*place).is_some_and(|version| version.documents.contains(document))).collect();
        places.sort_unstable();
        places
    }

    /// The same for one of very many documents: of a history each version has what all before it have.
    pub(super) fn places_holding(&self, document: u32) -> Vec<usize> {
        let holds = |version: &Held<'_>| version.documents.contains(document);
        self.versions.iter().enumerate().filter(|(_, version)| holds(version)).map(|(place, _)| place).collect()
    }

    pub(super) fn name(&self, place: usize) -> &'a str {
        self.versions.get(place).map_or("", |version| version.name)
    }

    /// What may be read in the newest of the versions searched.
    pub(super) fn newest(&self) -> Option<&RoaringBitmap> {
        self.versions.first().map(|version| version.documents.as_ref())
    }

    /// How many of these documents may be read in each of the versions searched.
    pub(super) fn count_by_version(&self, documents: &RoaringBitmap) -> impl Iterator<Item = (&'a str, u64)> {
        self.versions.iter().map(|version| (version.name, version.documents.intersection_len(documents)))
    }
}

/// Most versions share their rules: each set of rules is worked out once.
#[derive(Default)]
pub(super) struct Rules<'a>(HashMap<(&'a [RepoPath], &'a [RepoPath]), RoaringBitmap>);

impl<'a> Rules<'a> {
    /// What of a version's documents lies in one of `includes` and in none of `excludes`.
    pub(super) fn apply<'b>(
        &mut self,
        index: &ProductIndex,
        includes: &'a [RepoPath],
        excludes: &'a [RepoPath],
        documents: &'b RoaringBitmap,
    ) -> Cow<'b, RoaringBitmap> {
        if opens_all(includes, excludes) {
            return Cow::Borrowed(documents);
        }
        let open = self.0.entry((includes, excludes)).or_insert_with(|| {
            let mut open = RoaringBitmap::new();
            for place in includes {
                open |= index.documents.below(place).as_ref();
            }
            for place in excludes {
                open -= index.documents.below(place).as_ref();
            }
            open
        });
        Cow::Owned(documents & &*open)
    }
}

fn asked_for<'a>(versions: &'a [VersionScope], asked: &Versions) -> Vec<&'a VersionScope> {
    let named = |name: &str| versions.iter().position(|version| version.name == name);
    match asked {
        // One version stands here once for each grant that opens it.
        Versions::Newest => {
            versions.iter().take_while(|version| versions.first().is_some_and(|newest| newest.name == version.name)).collect()
        }
        Versions::All => versions.iter().collect(),
        Versions::Like(pattern) => match Matcher::name(pattern) {
            Ok(name) => versions.iter().filter(|version| name.is_match(version.name.as_bytes())).collect(),
            // A query is parsed with the same pattern.
            Err(_) => Vec::new(),
        },
        Versions::Between { oldest, newest } => {
            let first = newest.as_deref().map_or(Some(0), named);
            let last = oldest.as_deref().map_or(versions.len().checked_sub(1), named);
            let Some((first, last)) = first.zip(last) else { return Vec::new() };
            // Whoever writes the newer one first means the same.
            let (first, last) = (first.min(last), first.max(last));
            let last = versions.get(last).map(|version| &version.name);
            let behind = versions.iter().rposition(|version| Some(&version.name) == last).map_or(0, |place| place + 1);
            versions.get(first..behind).unwrap_or_default().iter().collect()
        }
    }
}
