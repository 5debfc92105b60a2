//! Who made each line of a file what it is.
//!
//! The lines of a file are handed from each commit that changed it to its parents, as far as they stand there unchanged; what no parent
//! has was written in that commit. Only commits that changed the file are looked at, which the table names, each once.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::shown::{Deadline, Inquiry, MOST_BYTES_OF_NAMES, weight, with_commits};
use super::{NONE, NOWHERE, window};
use crate::access::{Cleared, Entitled, Resource, Sought};
use crate::audit::{Draft, Kind, Receipt, Shown};
use crate::catalog::{Place, RepoPath, path_text};
use crate::source::history::{Side, Words, hunks, text_of};
use crate::source::text::{self, Content};
use crate::source::tree::{EntryKind, ObjectId};
use crate::source::{Opened, SourceError, Vault, with_object};

/// Lines of a page at most: its entry names the commit of each.
const MOST_LINES: u64 = 1_000;
/// Lines of a page where the path alone fills much of the entry.
const FEW_LINES: u64 = 200;
/// Lines of a blame that is kept in memory.
const KEPT_LINES: usize = 200_000;

/// Which state of a file is looked at, under the path that it had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it stands in the version.
    Version,
    /// As a commit left it.
    At(ObjectId),
    /// As it stood in the first parent of a commit.
    Before(ObjectId),
}

#[derive(Clone, Copy, Debug)]
pub struct BlameAsked {
    pub state: State,
    /// A line within the piece that is shown, and how many lines a piece has.
    pub from: u64,
    pub most: u64,
}

/// What a blame was made of: the product, the commit it looks back from, the path, and what of its former names may be read.
pub(super) type KeptKey = (String, ObjectId, RepoPath, Vec<u8>);

/// For each line the commit, the number of the path it had there, and the line's number there, from 0.
pub(super) type Kept = Vec<(u32, u32, u32)>;

/// The blame of a part of a file; nothing of it is told before it is recorded.
#[derive(Clone, Debug)]
pub struct Blamed {
    place: Place,
    state: State,
    blob: ObjectId,
    size: u64,
    data: Arc<Vec<u8>>,
    stands: bool,
    nature: Nature,
    total: u64,
    first: u64,
    lines: Vec<Origin>,
    commits: Vec<BlameCommit>,
}

/// Whether a file has lines to speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Text,
    NoText,
    /// Larger than [`LARGEST_FILE`](crate::source::history::LARGEST_FILE).
    Large,
}

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Place in the list of commits.
    pub commit: usize,
    /// The line's number in that commit, counted from 1.
    pub line: u64,
}

/// A commit that wrote some of the lines.
#[derive(Clone, Debug)]
pub struct BlameCommit {
    pub id: ObjectId,
    /// When it was written: seconds since the epoch.
    pub at: i64,
    /// None where its words may not be shown.
    pub words: Option<Words>,
    /// What the file was called in it.
    pub path: RepoPath,
    /// What it was called before; none when it was not there.
    pub path_before: Option<RepoPath>,
}

impl Resource for Blamed {
    fn place(&self) -> &Place {
        &self.place
    }

    fn kind(&self) -> Kind {
        Kind::BlameViewed
    }

    fn describe(&self, draft: Draft) -> Draft {
        let mut draft = with_object(draft, self.blob);
        if let (Some(place), false) = (&mut draft.place, self.lines.is_empty()) {
            place.lines = Some((self.first, self.first + self.lines.len() as u64 - 1));
        }
        draft = match self.state {
            State::Version => draft,
            State::At(commit) => draft.fact("at", commit.to_string()),
            State::Before(commit) => draft.fact("before", commit.to_string()),
        };
        draft = with_commits(draft, self.commits.iter().map(|commit| (commit.id, commit.words.is_some())));
        let mut others: Vec<&RepoPath> = self.commits.iter().map(|commit| &commit.path).filter(|path| **path != self.place.path).collect();
        others.sort_unstable();
        others.dedup();
        let shown: Vec<Shown> = others
            .into_iter()
            .map(|path| Shown {
                product: self.place.product.clone(),
                versions: vec![self.place.version.clone()],
                path: path_text(path),
                ..Shown::default()
            })
            .collect();
        if shown.is_empty() { draft } else { draft.showing(shown) }
    }
}

/// A blame, told.
pub struct BlameTold<'a> {
    pub opened: Opened,
    pub state: State,
    /// The path leads to something in the version, too.
    pub stands: bool,
    pub nature: Nature,
    /// Lines in the whole file.
    pub total: u64,
    /// The number of the first line shown, counted from 1.
    pub first: u64,
    pub lines: &'a [Origin],
    pub commits: &'a [BlameCommit],
    pub receipt: Receipt,
}

impl Blamed {
    /// Tells what was recorded.
    #[must_use]
    pub fn told(cleared: &Cleared<Self>) -> BlameTold<'_> {
        let blamed = cleared.get().resource();
        let receipt = cleared.receipt();
        let opened = Opened { place: blamed.place.clone(), blob: blamed.blob, size: blamed.size, data: Arc::clone(&blamed.data), receipt };
        BlameTold {
            opened,
            state: blamed.state,
            stands: blamed.stands,
            nature: blamed.nature,
            total: blamed.total,
            first: blamed.first,
            lines: &blamed.lines,
            commits: &blamed.commits,
            receipt,
        }
    }
}

impl Vault {
    /// Who wrote the lines of a file; the permit comes back when there is no such file.
    ///
    /// # Errors
    /// When the repository cannot be read, or time is up.
    pub fn blame(
        &self,
        sought: Entitled<Sought>,
        asked: BlameAsked,
        deadline: Deadline,
    ) -> Result<Result<Entitled<Blamed>, Entitled<Sought>>, SourceError> {
        let scope = sought.scope_key();
        self.inquire(sought, deadline, |inquiry, place| inquiry.blame(self, place, asked, scope))
    }
}

impl Inquiry<'_> {
    fn blame(&mut self, vault: &Vault, place: &Place, asked: BlameAsked, scope: Vec<u8>) -> Result<Option<Blamed>, SourceError> {
        let at = match asked.state {
            State::Version => Some(self.head),
            State::At(commit) => self.reachable(commit),
            State::Before(commit) => self.reachable(commit).and_then(|commit| self.past.parents(commit).first().copied()),
        };
        let Some(at) = at else { return Ok(None) };
        let Some(number) = self.past.number_of(&place.path).filter(|_| (self.reads)(&place.path)) else { return Ok(None) };
        let track = self.follow(number);
        let file = self.past.side(self.side(track, at)).filter(|side| side.kind != EntryKind::Submodule);
        let Some(file) = file else { return Ok(None) };
        let read = self.reader.bytes(Some(file))?;
        let nature = if read.is_some() { Nature::NoText } else { Nature::Large };
        let size = read.as_ref().map_or_else(|| self.reader.size(file), |data| Ok(data.len() as u64))?;
        let data = read.unwrap_or_default();
        let blamed = Blamed {
            place: place.clone(),
            state: asked.state,
            blob: file.id,
            size,
            data: Arc::clone(&data),
            stands: self.side(track, self.head) != NONE,
            nature,
            total: 0,
            first: 1,
            lines: Vec::new(),
            commits: Vec::new(),
        };
        if nature == Nature::Large || file.kind == EntryKind::Symlink {
            return Ok(Some(blamed));
        }
        let Content::Text(decoded) = text::decode(&data) else { return Ok(Some(blamed)) };
        let commit = self.past.commit(at).map(|commit| commit.id).ok_or(SourceError::BadCommit)?;
        let key = (place.product.clone(), commit, place.path.clone(), scope);
        let kept = || vault.tables.blames.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().get(&key).cloned();
        let origins = if let Some(known) = known {
            known
        } else {
            let made = Arc::new(self.origins(at, track)?);
            if made.len() <= KEPT_LINES {
                kept().put(key, Arc::clone(&made));
            }
            made
        };
        // What is shown as a line may also end with a lone CR: it is then a part of one that was compared.
        let mut ends = memchr::memchr_iter(b'\n', decoded.as_str().as_bytes()).peekable();
        let mut compared = 0_usize;
        let all: Vec<usize> = decoded
            .lines()
            .map(|line| {
                while ends.next_if(|end| *end < line.offset).is_some() {
                    compared += 1;
                }
                compared
            })
            .collect();
        let total = all.len() as u64;
        let room = if weight(&place.path) > MOST_BYTES_OF_NAMES { FEW_LINES } else { MOST_LINES };
        let most = asked.most.clamp(1, room);
        let first = (asked.from.clamp(1, total.max(1)) - 1) / most * most;
        let range = window(usize::try_from(first).unwrap_or(usize::MAX), usize::try_from(most).unwrap_or(usize::MAX), all.len());
        let shown: Vec<(u32, u32, u32)> =
            all.get(range).unwrap_or_default().iter().filter_map(|line| origins.get(*line).copied()).collect();
        let (lines, commits) = self.commits(&shown)?;
        Ok(Some(Blamed { nature: Nature::Text, total, first: first + 1, lines, commits, ..blamed }))
    }

    /// The commits of these lines, in the order in which they are met.
    fn commits(&mut self, shown: &[(u32, u32, u32)]) -> Result<(Vec<Origin>, Vec<BlameCommit>), SourceError> {
        let mut numbers: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        let mut commits = Vec::new();
        let mut lines = Vec::with_capacity(shown.len());
        for (at, path, line) in shown.iter().copied() {
            let commit = if let Some(known) = numbers.get(&(at, path)) {
                *known
            } else {
                let track = self.follow(path);
                let (id, written, words) = self.words(at)?;
                let path_before = match self.past.parents(at).first().copied() {
                    Some(parent) => {
                        let was = self.in_parent(track, at, parent)?;
                        (self.side(was, parent) != NONE).then(|| self.path(was))
                    }
                    None => None,
                };
                commits.push(BlameCommit { id, at: written, words, path: self.path(track), path_before });
                numbers.insert((at, path), commits.len() - 1);
                commits.len() - 1
            };
            lines.push(Origin { commit, line: u64::from(line) + 1 });
        }
        Ok((lines, commits))
    }

    /// For each line of the file in this commit where it comes from.
    fn origins(&mut self, at: u32, track: usize) -> Result<Kept, SourceError> {
        let text = self.bytes(track, at)?;
        let count = lines_in(&text_of(&text).text);
        let mut found: Kept = vec![(at, 0, 0); count as usize];
        // By commit and name; children come before their parents. Each line as it is numbered there, and in the file asked about.
        let mut waiting: BTreeMap<(u32, usize), Vec<(u32, u32)>> = BTreeMap::new();
        waiting.insert((self.origin(track, at), track), (0..count).map(|line| (line, line)).collect());
        while let Some(((place, track), mut lines)) = waiting.pop_last() {
            self.deadline.check()?;
            let own = self.bytes(track, place)?;
            for parent in self.past.parents(place).to_vec() {
                if lines.is_empty() {
                    break;
                }
                let was = self.in_parent(track, place, parent)?;
                let origin = self.origin(was, parent);
                if self.side(was, parent) == NONE || origin == NOWHERE {
                    continue;
                }
                let theirs = self.bytes(was, parent)?;
                let kept = unchanged(&text_of(&theirs).text, &text_of(&own).text);
                let passed = waiting.entry((origin, was)).or_default();
                lines.retain(|(line, asked)| match kept.get(*line as usize).copied().flatten() {
                    Some(before) => {
                        passed.push((before, *asked));
                        false
                    }
                    None => true,
                });
            }
            let path = self.number(track);
            for (line, asked) in lines {
                if let Some(slot) = found.get_mut(asked as usize) {
                    *slot = (place, path, line);
                }
            }
        }
        Ok(found)
    }

    pub(super) fn bytes(&mut self, track: usize, place: u32) -> Result<Arc<Vec<u8>>, SourceError> {
        let side: Option<Side> = self.past.side(self.side(track, place)).filter(|side| side.kind != EntryKind::Submodule);
        // What is too large to be compared has no lines: they were all written behind it.
        Ok(self.reader.bytes(side)?.unwrap_or_default())
    }
}

pub(super) fn lines_in(text: &[u8]) -> u32 {
    let ends = memchr::memchr_iter(b'\n', text).count() + usize::from(!text.is_empty() && !text.ends_with(b"\n"));
    u32::try_from(ends).unwrap_or(u32::MAX)
}

/// For each line of `new` its number in `old`, where it stands there unchanged; counted from 0.
pub(super) fn unchanged(old: &[u8], new: &[u8]) -> Vec<Option<u32>> {
    let mut kept: Vec<Option<u32>> = Vec::new();
    let mut next = 0;
    for hunk in hunks(old, new) {
        let same = hunk.new.start.saturating_sub(u32::try_from(kept.len()).unwrap_or(u32::MAX));
        kept.extend((next..next + same).map(Some));
        kept.extend(hunk.new.map(|_| None));
        next = hunk.old.end;
    }
    let rest = lines_in(new).saturating_sub(u32::try_from(kept.len()).unwrap_or(u32::MAX));
    kept.extend((next..next + rest).map(Some));
    kept
}

#[cfg(test)]
mod unchanged_lines {
    use super::*;

    #[test]
    fn are_found_under_their_former_numbers() {
        assert_eq!(unchanged(b"a\nb\nc\n", b"x\na\nc\n"), [None, Some(0), Some(2)]);
        assert_eq!(unchanged(b"", b"x\ny"), [None, None]);
        assert_eq!(unchanged(b"x\ny", b""), []);
        assert_eq!(unchanged(b"x\ny", b"x\ny\n"), [Some(0), None]);
        assert_eq!(unchanged(b"x\n", b"x\n"), [Some(0)]);
    }
}
