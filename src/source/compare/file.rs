//! One file in two versions: what it is in each, and the rows that a page shows of what differs.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use serde_json::json;

use super::lines::{Hunk, Row, decode, hunks, rows, whole_lines};
use super::summary::neighbours;
use super::words::{changed, pairs};
use super::{Changed, Comparisons, Fate, Selection, Side, drafts, lines_of, names_of};
use crate::access::{Pair, Resource};
use crate::audit::{Draft, Receipt, Recordable, Recorded, Shown};
use crate::catalog::{Place, RepoPath, name_text, path_text};
use crate::source::text::{Content, ImageKind, Text};
use crate::source::tree::{EntryKind, ObjectId};
use crate::source::{SourceError, commit};

/// Rows of a page.
pub const MOST_ROWS: usize = 2_000;
/// Bytes of a text whose lines are compared.
const LARGEST_COMPARED: u64 = 16 << 20;

/// What of a file is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// White space tells nothing.
    pub loose: bool,
    /// Lines around what differs.
    pub context: u32,
    /// Lines of the new text that are shown besides, first and last from 1.
    pub opened: Vec<(u32, u32)>,
    /// The first row, from 0.
    pub at: usize,
}

/// What stands on one side.
#[derive(Clone, Debug)]
pub struct Part {
    pub path: RepoPath,
    pub side: Side,
    /// In bytes.
    pub size: u64,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Text(Arc<Text>),
    Image(ImageKind),
    /// Its bytes' SHA-256, in hexadecimal.
    Binary(String),
    /// Larger than [`LARGEST_COMPARED`].
    Large,
    /// Where a symbolic link points.
    Link(String),
    /// The commit that a submodule pins.
    Submodule(ObjectId),
}

/// A file of two versions, and a page of what differs in it.
pub struct Difference {
    pub from: Place,
    pub to: Place,
    /// None when it is the same in both.
    pub fate: Option<Fate>,
    /// Per cent that is the same, when it was renamed.
    pub likeness: u8,
    pub old: Option<Part>,
    pub new: Option<Part>,
    /// Everything that differs in the lines of two texts.
    pub hunks: Vec<Hunk>,
    /// Those of the page.
    pub rows: Vec<Row>,
    /// How many rows there are, and which of them is the first here, from 0.
    pub all_rows: usize,
    pub at: usize,
    /// Lines that became others, by the rows shown: before and afterwards, from 1.
    pub pairs: Vec<(u32, u32)>,
    /// The bytes that changed in such lines, by the number of the line.
    pub old_words: HashMap<u32, Vec<Range<usize>>>,
    pub new_words: HashMap<u32, Vec<Range<usize>>>,
    /// The files before and behind this one, among those chosen.
    pub previous: Option<Changed>,
    pub next: Option<Changed>,
}

/// A difference that nobody may look at yet.
#[must_use]
pub struct SealedDifference {
    pair: Pair,
    path: RepoPath,
    found: Difference,
}

impl Comparisons {
    /// None when neither version has a file there that may be read.
    pub(in crate::source) fn difference(
        &self,
        pair: Pair,
        path: &RepoPath,
        chosen: &Selection,
        asked: &Asked,
    ) -> Result<Option<SealedDifference>, SourceError> {
        let comparison = self.compare(&pair)?;
        let (from, to) = (pair.from.resource().place().clone(), pair.to.resource().place().clone());
        let own = comparison.files.iter().position(|file| file.path == *path);
        let own = own.or_else(|| comparison.files.iter().position(|file| file.before.as_ref() == Some(path)));
        let [previous, next] = own.map_or([None, None], |at| neighbours(&comparison, at, chosen));
        let found = match own.and_then(|at| comparison.files.get(at)) {
            Some(file) => file.clone(),
            None => match self.unchanged(&pair, path)? {
                Some(file) => file,
                None => return Ok(None),
            },
        };
        let fate = own.map(|_| found.fate());
        let (path, before) = (found.path.clone(), found.before.clone().unwrap_or_else(|| found.path.clone()));
        let part = |path: RepoPath, side: Option<Side>| side.map(|side| self.part(&to.product, path, side)).transpose();
        let (old, new) = (part(before, found.old)?, part(found.path, found.new)?);
        let likeness = found.likeness;
        let mut found = Difference {
            from,
            to,
            fate,
            likeness,
            old,
            new,
            hunks: Vec::new(),
            rows: Vec::new(),
            all_rows: 0,
            at: 0,
            pairs: Vec::new(),
            old_words: HashMap::new(),
            new_words: HashMap::new(),
            previous,
            next,
        };
        if let (Some(old), Some(new)) = (found.text(true), found.text(false))
            && fate.is_some()
        {
            found.compare(&old, &new, asked);
        }
        Ok(Some(SealedDifference { pair, path, found }))
    }

    /// A file that stands at the same place in both versions, and may be read in both.
    fn unchanged(&self, pair: &Pair, path: &RepoPath) -> Result<Option<Changed>, SourceError> {
        let mut sides = Vec::new();
        for permit in [&pair.from, &pair.to] {
            let place = permit.resource().place();
            if !permit.shows(path, false) {
                return Ok(None);
            }
            let found = self.repositories.resolve(&place.product, commit(place)?, path)?;
            let Some(found) = found.filter(|found| found.kind != EntryKind::Tree) else { return Ok(None) };
            sides.push(Side { kind: found.kind, executable: found.executable, id: found.id });
        }
        let (new, old) = (sides.pop(), sides.pop());
        Ok(Some(Changed { path: path.clone(), before: None, old, new, likeness: 0 }))
    }

    fn part(&self, product: &str, path: RepoPath, side: Side) -> Result<Part, SourceError> {
        if side.kind == EntryKind::Submodule {
            return Ok(Part { path, side, size: 0, what: What::Submodule(side.id) });
        }
        let handle = self.repositories.handle(product)?;
        let Some(bytes) = handle.read_within(side.id, LARGEST_COMPARED)? else {
            return Ok(Part { path, side, size: handle.size(side.id)?, what: What::Large });
        };
        let what = match side.kind {
            EntryKind::Symlink => What::Link(name_text(&bytes)),
            _ => match decode(&bytes) {
                Content::Text(text) => What::Text(Arc::new(text)),
                Content::Image(kind) => What::Image(kind),
                Content::Binary => What::Binary(sha256(&bytes)),
            },
        };
        Ok(Part { path, side, size: bytes.len() as u64, what })
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

impl Difference {
    /// The text of a side, where both are texts or nothing.
    #[must_use]
    pub fn text(&self, old: bool) -> Option<Arc<Text>> {
        let text = |part: &Option<Part>| match part.as_ref().map(|part| &part.what) {
            None => Some(Arc::new(Text::from(String::new()))),
            Some(What::Text(text)) => Some(Arc::clone(text)),
            Some(_) => None,
        };
        let both = (text(&self.old)?, text(&self.new)?);
        Some(if old { both.0 } else { both.1 })
    }

    /// Lines added and removed in all of it.
    #[must_use]
    pub fn lines(&self) -> (u64, u64) {
        let sum = |of: fn(&Hunk) -> &Range<u32>| self.hunks.iter().map(|hunk| u64::from(of(hunk).end - of(hunk).start)).sum();
        (sum(|hunk| &hunk.new), sum(|hunk| &hunk.old))
    }

    fn compare(&mut self, old: &Text, new: &Text, asked: &Asked) {
        self.hunks = hunks(old, new, asked.loose);
        let all = rows(&self.hunks, (lines_of(old), lines_of(new)), asked.context, &asked.opened);
        self.all_rows = all.len();
        self.at = asked.at.min(all.len().saturating_sub(1)) / MOST_ROWS * MOST_ROWS;
        self.rows = all.into_iter().skip(self.at).take(MOST_ROWS).collect();
        let (old_shown, new_shown) = self.shown_lines();
        let (olds, news): (Vec<&str>, Vec<&str>) = (whole_lines(old).collect(), whole_lines(new).collect());
        let bare = |lines: &[&'_ str], range: &Range<u32>| -> Vec<String> {
            let lines = lines.get(range.start as usize..range.end as usize).unwrap_or_default();
            lines.iter().map(|line| line.trim_end_matches(['\n', '\r']).to_owned()).collect()
        };
        for hunk in &self.hunks {
            let is_shown =
                (hunk.old.clone().any(|n| old_shown.contains(&(n + 1)))) || hunk.new.clone().any(|n| new_shown.contains(&(n + 1)));
            if !is_shown || hunk.old.is_empty() || hunk.new.is_empty() {
                continue;
            }
            let (before, after) = (bare(&olds, &hunk.old), bare(&news, &hunk.new));
            let (before, after): (Vec<&str>, Vec<&str>) =
                (before.iter().map(String::as_str).collect(), after.iter().map(String::as_str).collect());
            for (i, j) in pairs(&before, &after) {
                let number = |start: u32, at: usize| start + u32::try_from(at).unwrap_or(0) + 1;
                let (a, b) = (number(hunk.old.start, i), number(hunk.new.start, j));
                self.pairs.push((a, b));
                let (was, is) = changed(before.get(i).unwrap_or(&""), after.get(j).unwrap_or(&""));
                self.old_words.insert(a, was);
                self.new_words.insert(b, is);
            }
        }
    }

    /// The lines of either side that the page shows.
    fn shown_lines(&self) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let mut shown = (BTreeSet::new(), BTreeSet::new());
        for row in &self.rows {
            match row {
                Row::Same { old, new } => {
                    shown.0.insert(*old);
                    shown.1.insert(*new);
                }
                Row::Removed { old } => drop(shown.0.insert(*old)),
                Row::Added { new } => drop(shown.1.insert(*new)),
                Row::Gap { .. } => {}
            }
        }
        shown
    }
}

impl SealedDifference {
    /// Opens what was recorded.
    pub fn open(recorded: Recorded<Self>) -> (Difference, Receipt) {
        let receipt = recorded.receipt();
        (recorded.into_parts().0.found, receipt)
    }
}

impl Recordable for SealedDifference {
    fn drafts(&self) -> Vec<Draft> {
        let found = &self.found;
        let (old, new) = found.shown_lines();
        let part = |part: &Option<Part>, place: &Place, lines: BTreeSet<u32>| {
            part.as_ref().map(|part| Shown {
                product: place.product.clone(),
                versions: vec![place.version.clone()],
                path: path_text(&part.path),
                blob: Some(part.side.id.to_string()),
                lines: lines.into_iter().map(u64::from).collect(),
                ..Shown::default()
            })
        };
        let mut places: Vec<Shown> = part(&found.old, &found.from, old).into_iter().chain(part(&found.new, &found.to, new)).collect();
        for near in [&found.previous, &found.next].into_iter().flatten() {
            places.extend(names_of(&found.from, &found.to, near));
        }
        drafts(&self.pair, &self.path, vec![("change", json!(found.fate.map_or("none", Fate::word)))], places)
    }
}
