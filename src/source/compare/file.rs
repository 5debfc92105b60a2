//! One file in two versions: what it is in each, and the rows that a page shows of what differs.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use serde_json::json;

use super::lines::{Hunk, Row, decode, rows};
use super::summary::neighbours;
use super::texts::{Held, text};
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
        let held = self.held(&to.product, found.old, found.new)?;
        let (path, before) = (found.path.clone(), found.before.clone().unwrap_or_else(|| found.path.clone()));
        let part = |path: RepoPath, side: Option<Side>, what: &Option<(u64, What)>| {
            side.zip(what.as_ref()).map(|(side, (size, what))| Part { path, side, size: *size, what: what.clone() })
        };
        let [was, is] = &held.sides;
        let (old, new) = (part(before, found.old, was), part(found.path, found.new, is));
        let mut found = Difference {
            from,
            to,
            fate,
            likeness: found.likeness,
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
        if let (Some([old, new]), true) = (held.texts(), fate.is_some()) {
            found.compare(&held, (lines_of(&old), lines_of(&new)), asked);
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

    /// Both sides, as they are kept or read now.
    fn held(&self, product: &str, old: Option<Side>, new: Option<Side>) -> Result<Arc<Held>, SourceError> {
        let key = [old, new].map(|side| side.map(|side| (side.kind, side.id)));
        if let Some(held) = self.shelf.get(&key) {
            return Ok(held);
        }
        let what = |side: Option<Side>| side.map(|side| self.what(product, side)).transpose();
        let held = Arc::new(Held::new([what(old)?, what(new)?]));
        self.shelf.put(key, &held);
        Ok(held)
    }

    /// What stands on a side, and its size in bytes.
    fn what(&self, product: &str, side: Side) -> Result<(u64, What), SourceError> {
        if side.kind == EntryKind::Submodule {
            return Ok((0, What::Submodule(side.id)));
        }
        let handle = self.repositories.handle(product)?;
        let Some(bytes) = handle.read_within(side.id, LARGEST_COMPARED)? else { return Ok((handle.size(side.id)?, What::Large)) };
        let what = match side.kind {
            EntryKind::Symlink => What::Link(name_text(&bytes)),
            _ => match decode(&bytes) {
                Content::Text(text) => What::Text(Arc::new(text)),
                Content::Image(kind) => What::Image(kind),
                Content::Binary => What::Binary(sha256(&bytes)),
            },
        };
        Ok((bytes.len() as u64, what))
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
        let text = |part: &Option<Part>| text(part.as_ref().map(|part| &part.what));
        let both = (text(&self.old)?, text(&self.new)?);
        Some(if old { both.0 } else { both.1 })
    }

    /// Lines added and removed in all of it.
    #[must_use]
    pub fn lines(&self) -> (u64, u64) {
        let sum = |of: fn(&Hunk) -> &Range<u32>| self.hunks.iter().map(|hunk| u64::from(of(hunk).end - of(hunk).start)).sum();
        (sum(|hunk| &hunk.new), sum(|hunk| &hunk.old))
    }

    /// Of what differs, that of which the page shows all.
    #[must_use]
    pub fn hunks_shown(&self) -> &[Hunk] {
        let (old, new) = self.shown_lines();
        let all = |shown: &BTreeSet<u32>, range: &Range<u32>| range.clone().all(|line| shown.contains(&(line + 1)));
        let behind = self.hunks.partition_point(|hunk| all(&old, &hunk.old) && all(&new, &hunk.new));
        self.hunks.get(..behind).unwrap_or_default()
    }

    fn compare(&mut self, held: &Held, lines: (u32, u32), asked: &Asked) {
        self.hunks.clone_from(&held.differing(asked.loose).hunks);
        let all = rows(&self.hunks, lines, asked.context, &asked.opened);
        self.all_rows = all.len();
        self.at = asked.at.min(all.len().saturating_sub(1)) / MOST_ROWS * MOST_ROWS;
        self.rows = all.into_iter().skip(self.at).take(MOST_ROWS).collect();
        let (old_shown, new_shown) = self.shown_lines();
        // Rows count lines from one, and one side of a hunk may have none.
        let shows =
            |shown: &BTreeSet<u32>, range: &Range<u32>| shown.range(range.start + 1..).next().is_some_and(|line| *line <= range.end);
        for became in held.became(asked.loose, &|hunk| shows(&old_shown, &hunk.old) || shows(&new_shown, &hunk.new)) {
            self.pairs.extend(&became.pairs);
            self.old_words.extend(became.old_words.iter().cloned());
            self.new_words.extend(became.new_words.iter().cloned());
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
