//! What is shown of a path that matches: its files, newest first, their lines, and in which versions each is so.

use std::collections::HashMap;
use std::sync::Arc;

use super::SearchError;
use super::across::Across;
use super::facets::spans;
use super::forms::Forms;
use super::plan::Plan;
use super::results::{FileHit, LineHit, PageRequest, PathHit, Span};
use super::scope::Selection;
use super::searcher::{Found, Product};
use super::verify::{Subject, fingerprint};

pub(super) fn path(plan: &Plan, product: &Product<'_>, found: &Found, page: &PageRequest) -> Result<Option<PathHit>, SearchError> {
    let selection = &product.selection;
    let documents = &selection.index.documents;
    let several = selection.version_names().len() > 1;
    let mut states = Vec::new();
    let mut places = Vec::new();
    let mut lines_in = LinesIn::default();
    let mut newest_first: Vec<(Vec<usize>, u32, u64)> =
        found.documents.iter().map(|&(number, lines)| (selection.places_of(number), number, lines)).collect();
    newest_first.sort_unstable();
    let all: Vec<u32> = found.documents.iter().map(|(number, _)| *number).collect();
    let across = Across::new(plan, &product.bound, selection, &all, &|| false)?;
    let forms = if across.is_none() { Forms::of_woven(selection.index, &all)? } else { None };
    let known = across.as_ref().filter(|_| several).map(|across| lines_in.slots(&across.fingerprints())).unwrap_or_default();
    for (here, number, total_lines) in newest_first {
        places.extend(&here);
        let full = states.len() == page.states_per_path;
        let mut lines = Vec::new();
        if total_lines > 0 && (several || !full) {
            lines = match &across {
                Some(across) => {
                    if several {
                        let shown = across.shown_of(number)?;
                        lines_in.note(shown.iter().filter_map(|place| known.get(*place).copied()), &here);
                    }
                    if full { Vec::new() } else { across.lines(number, page)? }
                }
                None => match Subject::new(plan, &product.bound, selection.index, number, forms.as_ref(), &|| false)? {
                    Some(subject) => one_by_one(&subject, several.then_some((&mut lines_in, here.as_slice())), full, page)?,
                    None => Vec::new(),
                },
            };
        }
        if full {
            continue;
        }
        let Some((document, path)) = documents.get(number).zip(documents.path(number)) else { continue };
        let language = document.language.and_then(|l| documents.languages().get(usize::from(l)));
        // Where several forms are looked into at once, a line is told by its place among the lines of all.
        let slots: Vec<Option<usize>> = match &across {
            _ if !several => Vec::new(),
            Some(_) => lines.iter().map(|(place, line)| known.get(*place).copied().filter(|_| is_whole(line))).collect(),
            None => lines.iter().map(|(_, line)| lines_in.slot_of(line)).collect(),
        };
        let state = FileHit {
            product: selection.scope.product.clone(),
            versions: here.into_iter().map(|place| selection.name(place).to_owned()).collect(),
            path: path.clone(),
            blob: document.blob,
            language: language.cloned(),
            binary: document.traits.has(super::query::Trait::Binary),
            kind: documents.kind(document),
            total_lines,
            lines: lines.into_iter().map(|(_, line)| line).collect(),
        };
        states.push((state, slots));
    }
    let states: Vec<FileHit> = states.into_iter().map(|(state, slots)| lines_in.told(state, &slots, selection)).collect();
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

/// The lines of a document that is looked into by itself; their versions are noted.
fn one_by_one(
    subject: &Subject<'_>,
    noted: Option<(&mut LinesIn, &[usize])>,
    full: bool,
    page: &PageRequest,
) -> Result<Vec<(usize, LineHit)>, SearchError> {
    if let Some((lines_in, here)) = noted {
        let slots = lines_in.slots(&subject.fingerprints());
        lines_in.note(slots.into_iter(), here);
    }
    let lines = if full { Vec::new() } else { subject.lines(page)?.0 };
    Ok(lines.into_iter().enumerate().collect())
}

/// In which versions each line is among those that match.
#[derive(Default)]
struct LinesIn {
    slots: HashMap<u64, usize>,
    /// The places of versions, as bits.
    held: Vec<Vec<u64>>,
    spans: Vec<Option<Arc<[Span]>>>,
}

impl LinesIn {
    /// A slot for the text of each line.
    fn slots(&mut self, fingerprints: &[u64]) -> Vec<usize> {
        let slots = fingerprints.iter().map(|line| {
            let next = self.held.len();
            let slot = *self.slots.entry(*line).or_insert(next);
            if slot == next {
                self.held.push(Vec::new());
                self.spans.push(None);
            }
            slot
        });
        slots.collect()
    }

    /// The slot of a line that is shown; of one that is shown in part there is none, and nothing is said of it.
    fn slot_of(&self, line: &LineHit) -> Option<usize> {
        if is_whole(line) { self.slots.get(&fingerprint(line.text.as_bytes())).copied() } else { None }
    }

    fn note(&mut self, slots: impl Iterator<Item = usize>, places: &[usize]) {
        let mut bits = vec![0_u64; places.iter().max().map_or(0, |last| last / 64 + 1)];
        for place in places {
            if let Some(word) = bits.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
        }
        for slot in slots {
            let Some(held) = self.held.get_mut(slot) else { continue };
            held.resize(held.len().max(bits.len()), 0);
            held.iter_mut().zip(&bits).for_each(|(word, more)| *word |= more);
        }
    }

    /// The file with the spans of its lines.
    fn told(&mut self, mut file: FileHit, slots: &[Option<usize>], selection: &Selection<'_>) -> FileHit {
        for (line, slot) in file.lines.iter_mut().zip(slots) {
            let Some((held, known)) = slot.and_then(|slot| self.held.get(slot).zip(self.spans.get_mut(slot))) else { continue };
            let told = known.get_or_insert_with(|| {
                let places: Vec<usize> =
                    (0..held.len() * 64).filter(|at| held.get(at / 64).is_some_and(|w| w >> (at % 64) & 1 == 1)).collect();
                spans(selection, &places).into()
            });
            line.spans = Arc::clone(told);
        }
        file
    }
}

fn is_whole(line: &LineHit) -> bool {
    line.cut_front == 0 && line.cut_back == 0
}
