//! Building the index of a product's symbols.

use std::sync::atomic::AtomicBool;

use super::{Step, Watch};
use crate::catalog::{Product, Version};
use crate::source::MachineReader;
use crate::symbols::{Built, SymbolError, SymbolWriter, Symbols, VersionKey};

/// Extracts what is not yet of the symbols of these versions, or all of it anew, and serves the result.
pub(super) fn build(
    reader: &MachineReader,
    symbols: &Symbols,
    (product, anew): (&str, bool),
    versions: &[Version],
    watch: &Watch,
    stop: &AtomicBool,
) -> Result<Built, SymbolError> {
    let keys: Vec<VersionKey> = versions.iter().map(|v| VersionKey { name: v.name.clone(), commit: v.commit.clone() }).collect();
    let writer = SymbolWriter::begin(&symbols.directory_of(product), anew)?;
    let built = writer.build(reader, product, &keys, &mut |progress| watch(Step::Symbols(progress)), stop)?;
    symbols.reload(product)?;
    Ok(built)
}

/// Whether the symbols of all these versions are known.
pub(super) fn are_whole(symbols: &Symbols, product: &Product, versions: &[Version]) -> bool {
    symbols.get(&product.name).is_some_and(|index| {
        let held: Vec<_> = index.versions().map(|key| (key.name.as_str(), key.commit.as_str())).collect();
        versions.iter().all(|version| held.contains(&(version.name.as_str(), version.commit.as_str())))
    })
}

/// How much of a product's symbols is known, a sentence.
pub(super) fn state(symbols: &Symbols, product: &Product, versions: &[Version]) -> String {
    let Some(index) = symbols.get(&product.name) else { return "Its symbols are not known yet.".to_owned() };
    let files = index.files();
    let given_up = match index.incomplete() {
        0 => String::new(),
        1 => ", of which 1 was given up in part".to_owned(),
        n => format!(", of which {n} were given up in part"),
    };
    if are_whole(symbols, product, versions) {
        format!("Their symbols are known: {files} distinct files{given_up}.")
    } else {
        format!("Their symbols are known in part: {files} distinct files{given_up}.")
    }
}
