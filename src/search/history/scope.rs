//! Which documents of a history take part: bitmaps, made before anything is read or counted.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::{MultiOps as _, RoaringBitmap};

use super::HistoryIndex;
use crate::catalog::RepoPath;
use crate::search::query::Versions;
use crate::search::scope::{ProductScope, Selection, VersionScope};

/// A product's part of a scope, over its history.
#[derive(Clone, Debug)]
pub(super) struct HistoryScope {
    /// As for files, but over the documents of the history; without an index while there is none.
    pub(super) product: ProductScope,
    pub(super) history: Option<Arc<HistoryIndex>>,
}

impl HistoryScope {
    pub(super) fn new(product: ProductScope, history: Option<Arc<HistoryIndex>>) -> Self {
        let index = history.as_ref().map(|history| Arc::clone(&history.index));
        Self { product: ProductScope { index, ..product }, history }
    }
}

/// The same, cut to the versions that a query asks for.
pub(super) struct Reach<'a> {
    pub(super) history: &'a HistoryIndex,
    pub(super) selection: Selection<'a>,
    /// Changes that take part.
    pub(super) changes: RoaringBitmap,
    /// Messages that take part.
    pub(super) messages: RoaringBitmap,
    /// For each version asked for, newest first, which messages are open in it.
    open: Vec<(&'a str, RoaringBitmap)>,
}

impl<'a> Reach<'a> {
    /// Also tells which of the versions asked for are not indexed.
    pub(super) fn new(scope: &'a HistoryScope, asked: &Versions) -> (Option<Self>, Vec<&'a VersionScope>) {
        let (selection, missing) = Selection::new(&scope.product, asked);
        let Some((selection, history)) = selection.zip(scope.history.as_deref()) else { return (None, missing) };
        let changes = &selection.documents - &history.messages;
        let open = open_messages(history, &selection);
        let messages = open.iter().map(|(_, messages)| messages).union();
        (Some(Self { history, selection, changes, messages, open }), missing)
    }

    /// The versions in which a document is open, newest first.
    pub(super) fn versions_of(&self, document: u32) -> Vec<String> {
        if self.history.messages.contains(document) {
            self.open.iter().filter(|(_, messages)| messages.contains(document)).map(|(name, _)| (*name).to_owned()).collect()
        } else {
            let places = self.selection.places_holding(document);
            places.into_iter().map(|place| self.selection.name(place).to_owned()).collect()
        }
    }
}

/// A version stands in a scope once for each grant that opens it: what these open together counts.
fn open_messages<'a>(history: &HistoryIndex, selection: &Selection<'a>) -> Vec<(&'a str, RoaringBitmap)> {
    let mut by_rules: HashMap<Vec<Rules<'_>>, Closed> = HashMap::new();
    let mut open = Vec::new();
    for name in selection.version_names() {
        let grants = || selection.scope.versions.iter().filter(|version| version.name == name);
        let reached = grants().find_map(|version| history.index.version(name, &version.commit));
        let Some(reached) = reached else { continue };
        let rules: Vec<Rules<'_>> = grants().map(|version| (version.includes.as_slice(), version.excludes.as_slice())).collect();
        let closed = by_rules.entry(rules).or_insert_with_key(|rules| Closed::by(history, rules));
        let mut messages = reached & &history.messages;
        if !closed.changes.is_disjoint(reached) {
            messages -= &closed.messages;
        }
        open.push((name, messages));
    }
    open
}

/// What a grant includes, and what it excludes.
type Rules<'a> = (&'a [RepoPath], &'a [RepoPath]);

/// What some rules keep closed, whatever the version.
struct Closed {
    changes: RoaringBitmap,
    /// Messages of commits that changed one of these, and those that could speak of anything: merges, and commits without
    /// changes. They are open only where no change is closed.
    messages: RoaringBitmap,
}

impl Closed {
    fn by(history: &HistoryIndex, rules: &[Rules<'_>]) -> Self {
        let documents = &history.index.documents;
        let mut readable = RoaringBitmap::new();
        for (includes, excludes) in rules {
            let mut inside = RoaringBitmap::new();
            for place in *includes {
                inside |= documents.below(place).as_ref();
            }
            for place in *excludes {
                inside -= documents.below(place).as_ref();
            }
            readable |= inside;
        }
        let mut changes = documents.below(&RepoPath::root()).as_ref() - &history.messages;
        changes -= readable;
        let mut messages = RoaringBitmap::new();
        if changes.is_empty() {
            return Self { changes, messages };
        }
        for (place, commit) in (0..).zip(history.commits.all()) {
            let own = history.documents_of(place);
            let tells_nothing = own.len() == 1 || commit.parents.len() > 1;
            if tells_nothing || changes.range_cardinality(own.clone()) > 0 {
                messages.insert(commit.first);
            }
        }
        Self { changes, messages }
    }
}
