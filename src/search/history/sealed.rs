//! Searching histories for a person: within what they may read, and shut away until it is recorded.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::json;

use super::HistoryIndex;
use super::scope::HistoryScope;
use super::searcher::{CommitHit, HistoryResults};
use crate::access::{Readable, Scoped};
use crate::audit::{Draft, PathText, Receipt, Recordable, Recorded, Shown};
use crate::catalog::{RepoPath, path_text};
use crate::search::contents::Home;
use crate::search::sealed::{Indexes, Sealed, drafts_of, named, scope_of};
use crate::search::{Budget, PageRequest, Query, SearchError, Searcher};

impl Searcher {
    /// Runs a query over histories within what its asker may read. Blocks: call it off the async threads.
    ///
    /// # Errors
    /// When an index cannot be read, or the work was cancelled.
    pub fn run_history_scoped(
        &self,
        scoped: &Scoped<Query>,
        text: &str,
        indexes: &Indexes,
        page: PageRequest,
        budget: &Budget,
    ) -> Result<Sealed<HistoryResults>, SearchError> {
        let products = scope_of(scoped, indexes).products.into_iter();
        let scope: Vec<HistoryScope> = products
            .map(|product| {
                let history = indexes.history(&product.product);
                HistoryScope::new(product, history)
            })
            .collect();
        let mut found = self.run_history(scoped.query(), &scope, page, budget)?;
        for hit in &mut found.commits {
            let readable = scoped.products().iter().find(|one| one.product.name == hit.product);
            let history = indexes.history(&hit.product);
            if !readable.zip(history).is_some_and(|(readable, history)| withhold(readable, &history, hit)) {
                tracing::error!(product = hit.product, "a search of history found something outside of its scope; it was withheld");
            }
        }
        let messages = found.messages;
        found.commits.retain(|hit| !hit.files.is_empty() || (messages && hit.subject.is_some()));
        Ok(Sealed::of(found, scoped, text))
    }
}

/// The scope once more, asked of each hit by itself: what is outside is taken out. Tells whether nothing was.
fn withhold(readable: &Readable, history: &HistoryIndex, hit: &mut CommitHit) -> bool {
    let reads = |name: &String, path: &RepoPath| {
        let version = readable.versions.iter().find(|version| version.name == *name);
        version.is_some_and(|version| version.scopes.iter().any(|scope| scope.reads(path)))
    };
    let files = hit.files.len();
    hit.files.retain(|file| !file.versions.is_empty() && file.versions.iter().all(|name| reads(name, &file.path)));
    let outside = hit.subject.is_some() && !may_read_message(readable, history, hit);
    if outside {
        hit.subject = None;
        hit.message.clear();
        hit.message_lines = 0;
    }
    hit.files.len() == files && !outside
}

/// Every file that the commit changed lies, in some version, within what may be read of it.
fn may_read_message(readable: &Readable, history: &HistoryIndex, hit: &CommitHit) -> bool {
    let Some(place) = history.commits.all().iter().position(|commit| commit.id == hit.commit) else { return false };
    let Ok(place) = u32::try_from(place) else { return false };
    let paths: Vec<&RepoPath> = history.documents_of(place).skip(1).filter_map(|document| history.index.documents.path(document)).collect();
    readable.versions.iter().any(|version| paths.iter().all(|path| version.scopes.iter().any(|scope| scope.reads(path))))
}

impl Sealed<HistoryResults> {
    /// Opens what was recorded.
    pub fn open_history(recorded: Recorded<Self>) -> (HistoryResults, Receipt) {
        let receipt = recorded.receipt();
        (recorded.into_parts().0.into_found(), receipt)
    }
}

impl Recordable for Sealed<HistoryResults> {
    fn drafts(&self) -> Vec<Draft> {
        let found = self.found();
        let mut facts = vec![
            ("history", json!(if found.messages { "messages" } else { "changes" })),
            ("commits", json!(found.total_commits)),
            ("lines", json!(found.total_lines)),
            ("searched", json!(found.searched)),
        ];
        if !found.messages {
            facts.push(("files", json!(found.total_files)));
        }
        drafts_of(self, found.commits.iter().flat_map(places_of), facts)
    }
}

/// The message, where it or its subject was shown, and each file.
fn places_of(hit: &CommitHit) -> Vec<Shown> {
    let place = |path: PathText, versions: &[String]| Shown {
        product: hit.product.clone(),
        versions: named(versions),
        path,
        commit: Some(hit.commit.to_string()),
        ..Shown::default()
    };
    let mut places = Vec::new();
    if hit.subject.is_some() {
        let lines = hit.message.iter().map(|line| line.number).collect();
        places.push(Shown { message: true, lines, ..place(path_text(&RepoPath::root()), &hit.versions) });
    }
    for file in &hit.files {
        let numbers = |added: bool| file.lines.iter().filter(|line| line.added == added).map(|line| line.line.number).collect();
        places.push(Shown { lines: numbers(true), removed: numbers(false), ..place(path_text(&file.path), &file.versions) });
    }
    places
}

/// The histories that are served, by product.
#[derive(Debug, Default)]
pub(in crate::search) struct Histories(RwLock<HashMap<String, Arc<HistoryIndex>>>);

impl Indexes {
    /// Where the index of a product's history is kept.
    #[must_use]
    pub fn history_of(&self, product: &str) -> PathBuf {
        self.directory_of(product).join("history")
    }

    /// The history served for a product; none while there is none.
    #[must_use]
    pub fn history(&self, product: &str) -> Option<Arc<HistoryIndex>> {
        self.histories.0.read().unwrap_or_else(PoisonError::into_inner).get(product).cloned()
    }

    /// Serves the newest history on disk if another process has built one since.
    ///
    /// # Errors
    /// As [`Indexes::reload_history`].
    pub fn refresh_history(&self, product: &str) -> Result<(), SearchError> {
        let current = Home::new(&self.history_of(product)).current()?;
        if current.is_some() && current != self.history(product).map(|history| history.generation()) {
            self.reload_history(product)?;
        }
        Ok(())
    }

    /// Serves the newest history on disk from now on.
    ///
    /// # Errors
    /// When there is none, or it cannot be read; what was served before is served still.
    pub fn reload_history(&self, product: &str) -> Result<Arc<HistoryIndex>, SearchError> {
        let history = Arc::new(HistoryIndex::open(&self.history_of(product))?);
        let mut open = self.histories.0.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(product.to_owned(), Arc::clone(&history));
        Ok(history)
    }
}
