//! What is shown of a path that matches: its files, newest first, their lines, and in which versions each is so.

use std::collections::HashMap;

use super::SearchError;
use super::facets::spans;
use super::plan::Plan;
use super::results::{FileHit, LineHit, PageRequest, PathHit};
use super::searcher::{Found, Product};
use super::verify::{Subject, fingerprint};

pub(super) fn path(plan: &Plan, product: &Product<'_>, found: &Found, page: &PageRequest) -> Result<Option<PathHit>, SearchError> {
    let selection = &product.selection;
    let documents = &selection.index.documents;
    let several = selection.version_names().len() > 1;
    let mut states = Vec::new();
    let mut places = Vec::new();
    // In which versions each line is among those that match.
    let mut lines_in: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut held = selection.places_of(&found.documents.iter().map(|(number, _)| *number).collect());
    let mut newest_first: Vec<(Vec<usize>, u32, u64)> =
        found.documents.iter().map(|&(number, lines)| (held.remove(&number).unwrap_or_default(), number, lines)).collect();
    newest_first.sort_unstable();
    for (here, number, total_lines) in newest_first {
        places.extend(&here);
        let subject = Subject::new(plan, &product.bound, selection.index, number, &|| false)?.filter(|_| total_lines > 0);
        if let Some(subject) = subject.as_ref().filter(|_| several) {
            let mut fingerprints = subject.fingerprints();
            fingerprints.sort_unstable();
            fingerprints.dedup();
            for line in fingerprints {
                lines_in.entry(line).or_default().extend(&here);
            }
        }
        if states.len() == page.states_per_path {
            continue;
        }
        let Some((document, path)) = documents.get(number).zip(documents.path(number)) else { continue };
        let lines = subject.map(|subject| subject.lines(page).0).unwrap_or_default();
        let language = document.language.and_then(|l| documents.languages().get(usize::from(l)));
        states.push(FileHit {
            product: selection.scope.product.clone(),
            versions: here.into_iter().map(|place| selection.name(place).to_owned()).collect(),
            path: path.clone(),
            blob: document.blob,
            language: language.cloned(),
            binary: document.traits.has(super::query::Trait::Binary),
            kind: documents.kind(document),
            total_lines,
            lines,
        });
    }
    for places in lines_in.values_mut() {
        places.sort_unstable();
        places.dedup();
    }
    if several {
        for line in states.iter_mut().flat_map(|state| &mut state.lines) {
            line.spans = lines_in.get(&whole_line(line)).map(|places| spans(selection, places)).unwrap_or_default();
        }
    }
    places.sort_unstable();
    places.dedup();
    let Some(first) = states.first() else { return Ok(None) };
    let searched = selection.version_names().len();
    let oldest = places.last().copied().unwrap_or(0);
    let newest = places.first().copied().unwrap_or(0);
    Ok(Some(PathHit {
        product: first.product.clone(),
        path: first.path.clone(),
        language: first.language.clone(),
        binary: first.binary,
        kind: first.kind,
        spans: spans(selection, &places),
        introduced: (oldest + 1 < searched).then(|| selection.name(oldest).to_owned()),
        gone: newest.checked_sub(1).map(|before| selection.name(before).to_owned()),
        total_lines: found.documents.iter().map(|(_, lines)| lines).sum(),
        more_states: found.documents.len() - states.len(),
        states,
    }))
}

/// The fingerprint of a line that is shown; of one that is shown in part there is none, and nothing is said of it.
fn whole_line(line: &LineHit) -> u64 {
    if line.cut_front > 0 || line.cut_back > 0 { 0 } else { fingerprint(line.text.as_bytes()) }
}
