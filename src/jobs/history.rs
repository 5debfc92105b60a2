//! Building the index of a product's history, and the table of what became of each path.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Step, Watch};
use crate::catalog::{Product, RepoPath, Version};
use crate::highlight::language_of;
use crate::search::{HistoryBuilt, HistorySource, HistoryWriter, Indexes, SearchError, VersionKey};
use crate::source::{MachineReader, ObjectId, SourceError};

/// Indexes what is not yet of the history of these versions, or all of it anew, and serves the result.
pub(super) fn build(
    reader: &MachineReader,
    indexes: &Indexes,
    (product, anew): (&str, bool),
    versions: &[Version],
    watch: &Watch,
    stop: &AtomicBool,
) -> Result<HistoryBuilt, SearchError> {
    let previous = indexes.reload_history(product).ok().filter(|_| !anew);
    let keys: Vec<VersionKey> = versions.iter().map(|v| VersionKey { name: v.name.clone(), commit: v.commit.clone() }).collect();
    let history = reader.history(product);
    let language = |path: &RepoPath| language_of(&path.to_string(), "").map(|language| language.name().to_owned());
    let source = HistorySource { history: &history, versions: &keys, language: &language };
    let writer = HistoryWriter::begin(&indexes.history_of(product), previous.as_deref())?;
    let built = writer.build(&source, &mut |progress| watch(Step::History(progress)), stop)?;
    indexes.reload_history(product)?;
    Ok(built)
}

/// Keeps what each commit of these versions did to which path.
pub(super) fn keep_past(
    reader: &MachineReader,
    (product, anew): (&str, bool),
    versions: &[Version],
    stop: &AtomicBool,
) -> Result<(), SourceError> {
    // What is stopped here is made at the next start.
    reader.keep_past(product, &heads(versions), anew, &|| !stop.load(Ordering::Relaxed)).map(|_| ())
}

/// The commits that versions pin.
pub(super) fn heads(versions: &[Version]) -> Vec<ObjectId> {
    versions.iter().filter_map(|version| ObjectId::parse(&version.commit)).collect()
}

/// Whether the history of all these versions can be searched.
pub(super) fn is_whole(indexes: &Indexes, product: &Product, versions: &[Version]) -> bool {
    indexes.history(&product.name).is_some_and(|history| {
        let held: Vec<_> = history.versions().map(|key| (key.name.as_str(), key.commit.as_str())).collect();
        versions.iter().all(|version| held.contains(&(version.name.as_str(), version.commit.as_str())))
    })
}

/// How much of a product's history can be searched, a sentence.
pub(super) fn state(indexes: &Indexes, product: &Product, versions: &[Version]) -> String {
    let Some(history) = indexes.history(&product.name) else { return "Its history is not indexed yet.".to_owned() };
    let (commits, changes) = (history.commits(), history.changes());
    if is_whole(indexes, product, versions) {
        format!("Their history is indexed: {commits} commits, {changes} changed files.")
    } else {
        format!("Their history is indexed in part: {commits} commits, {changes} changed files.")
    }
}
