//! How files that match are spread over languages, directories, versions and kinds; and runs of versions.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::results::{Count, Facets, Span};
use super::scope::Selection;
use crate::catalog::RepoPath;

/// Values of a facet that are told.
const MOST: usize = 20;
/// Versions that are told.
const MOST_VERSIONS: usize = 500;

/// Files that match, by the place of their product.
pub(super) fn facets(products: &[(&Selection<'_>, &RoaringBitmap)]) -> Facets {
    let mut languages: HashMap<String, u64> = HashMap::new();
    let mut kinds = HashMap::new();
    let mut facets = Facets::default();
    let several = products.iter().filter(|(_, matching)| !matching.is_empty()).count() > 1;
    for (selection, matching) in products.iter().filter(|(_, matching)| !matching.is_empty()) {
        let documents = &selection.index.documents;
        let product = several.then(|| selection.scope.product.clone());
        let mut by_language = vec![0_u64; documents.languages().len()];
        for document in matching.iter().filter_map(|number| documents.get(number)) {
            if let Some(count) = document.language.and_then(|language| by_language.get_mut(usize::from(language))) {
                *count += 1;
            }
            *kinds.entry(documents.kind(document)).or_default() += 1;
        }
        for (language, count) in documents.languages().iter().zip(by_language).filter(|(_, count)| *count > 0) {
            *languages.entry(language.clone()).or_default() += count;
        }
        facets.directories.extend(directories(selection, matching, product.as_ref()));
        if selection.version_names().len() > 1 {
            let counted = selection.count_by_version(matching).filter(|(_, files)| *files > 0).take(MOST_VERSIONS);
            facets.versions.extend(counted.map(|(name, files)| Count { product: product.clone(), value: name.to_owned(), files }));
        }
    }
    facets.languages = languages.into_iter().map(|(value, files)| Count { product: None, value, files }).collect();
    facets.kinds = kinds.into_iter().collect();
    facets.kinds.sort_unstable();
    for counts in [&mut facets.languages, &mut facets.directories] {
        counts.sort_unstable_by(|a, b| b.files.cmp(&a.files).then_with(|| (&a.product, &a.value).cmp(&(&b.product, &b.value))));
        counts.truncate(MOST);
    }
    facets
}

/// The directories one level below what all these files have in common.
fn directories(selection: &Selection<'_>, matching: &RoaringBitmap, product: Option<&String>) -> Vec<Count> {
    let documents = &selection.index.documents;
    let paths = || matching.iter().filter_map(|number| documents.path(number)).map(RepoPath::bytes);
    let Some(first) = paths().next() else { return Vec::new() };
    let mut common = first.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
    for path in paths() {
        let same = first.iter().zip(path).take(common).take_while(|(a, b)| a == b).count();
        if same < common {
            common = first.get(..same).unwrap_or_default().iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        }
    }
    let mut counts: HashMap<&[u8], u64> = HashMap::new();
    for path in paths() {
        let below = path.get(common..).unwrap_or_default();
        if let Some(slash) = below.iter().position(|&b| b == b'/') {
            *counts.entry(path.get(..common + slash + 1).unwrap_or_default()).or_default() += 1;
        }
    }
    let text = |directory: &[u8]| String::from_utf8(directory.to_vec()).ok();
    counts.into_iter().filter_map(|(directory, files)| Some(Count { product: product.cloned(), value: text(directory)?, files })).collect()
}

/// The runs of neighbouring versions, newest first; `places` are those of versions, in ascending order.
pub(super) fn spans(selection: &Selection<'_>, places: &[usize]) -> Vec<Span> {
    let runs = places.chunk_by(|one, next| one + 1 == *next);
    let span = |run: &[usize]| {
        let (newest, oldest) = (*run.first()?, *run.last()?);
        Some(Span { newest: selection.name(newest).to_owned(), oldest: selection.name(oldest).to_owned(), versions: run.len() })
    };
    runs.filter_map(span).collect()
}
