//! What may be searched: a bitmap over documents, made before anything is read or counted.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::pattern::Matcher;
use super::query::Versions;
use super::{ProductIndex, VersionKey};
use crate::catalog::RepoPath;

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
    pub(super) fn allows(&self, path: &RepoPath) -> bool {
        let lies_in = |places: &[RepoPath]| places.iter().any(|place| place.contains(path));
        lies_in(&self.includes) && !lies_in(&self.excludes)
    }
}

/// A product's part of a scope, cut to the versions that a query asks for.
pub(super) struct Selection<'a> {
    pub(super) scope: &'a ProductScope,
    pub(super) index: &'a ProductIndex,
    /// Newest first.
    versions: Vec<(&'a VersionScope, &'a RoaringBitmap)>,
    /// Documents that may be read in one of these versions.
    pub(super) documents: RoaringBitmap,
}

impl<'a> Selection<'a> {
    /// Also tells which of the versions asked for are not indexed.
    pub(super) fn new(scope: &'a ProductScope, asked: &Versions) -> (Option<Self>, Vec<&'a VersionScope>) {
        let wanted = asked_for(&scope.versions, asked);
        let Some(index) = scope.index.as_deref() else { return (None, wanted) };
        let known: HashMap<&VersionKey, &RoaringBitmap> = index.versions.iter().map(|version| (&version.key, &version.documents)).collect();
        let mut versions = Vec::new();
        let mut missing = Vec::new();
        for version in wanted {
            let key = VersionKey { name: version.name.clone(), commit: version.commit.clone() };
            match known.get(&key) {
                Some(documents) => versions.push((version, *documents)),
                None => missing.push(version),
            }
        }
        let documents = readable(index, &versions);
        (Some(Self { scope, index, versions, documents }), missing)
    }

    /// The versions in which this document may be read, newest first.
    pub(super) fn versions_of(&self, document: u32) -> Vec<&'a str> {
        self.holding(document).map(|(_, version)| version.name.as_str()).collect()
    }

    /// How many versions back the newest lies in which this document may be read.
    pub(super) fn age_of(&self, document: u32) -> Option<usize> {
        self.holding(document).next().map(|(age, _)| age)
    }

    fn holding(&self, document: u32) -> impl Iterator<Item = (usize, &'a VersionScope)> {
        let path = self.index.documents.path(document);
        let holds = move |(version, documents): &(&VersionScope, &RoaringBitmap)| {
            documents.contains(document) && path.is_some_and(|path| version.allows(path))
        };
        let versions = self.versions.iter().enumerate();
        versions.filter(move |(_, version)| holds(version)).map(|(age, (version, _))| (age, *version))
    }
}

fn asked_for<'a>(versions: &'a [VersionScope], asked: &Versions) -> Vec<&'a VersionScope> {
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
    }
}

fn readable(index: &ProductIndex, versions: &[(&VersionScope, &RoaringBitmap)]) -> RoaringBitmap {
    // Most versions share their rules: each set of rules is worked out once.
    let mut by_rules: HashMap<(&[RepoPath], &[RepoPath]), RoaringBitmap> = HashMap::new();
    for (version, documents) in versions {
        *by_rules.entry((&version.includes, &version.excludes)).or_default() |= *documents;
    }
    let mut readable = RoaringBitmap::new();
    for ((includes, excludes), mut documents) in by_rules {
        if !includes.iter().any(RepoPath::is_root) {
            let mut included = RoaringBitmap::new();
            for place in includes {
                included |= index.documents.below(place).as_ref();
            }
            documents &= included;
        }
        for place in excludes {
            documents -= index.documents.below(place).as_ref();
        }
        readable |= documents;
    }
    readable
}
