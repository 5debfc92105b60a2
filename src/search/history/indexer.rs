//! Building the index of a history: what the generation before holds is kept, and only commits that came since are read.
//!
//! A long history is written in steps, each a generation of its own that is served: what was written when a build is killed is
//! not read again, and the oldest versions can be searched first.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use roaring::RoaringBitmap;

use super::commits::{Commit, Commits, encode_runs};
use super::reading::{Part, read_in_order};
use super::{CommitId, HistoryIndex, Numbers};
use crate::catalog::RepoPath;
use crate::search::contents::Home;
use crate::search::documents::IndexedVersion;
use crate::search::generation::GenerationWriter;
use crate::search::{Decoded, SearchError, Trait, Traits, VersionKey};
use crate::source::ObjectId;
use crate::source::history::{Changed, History, Links, Words};

/// Parts of contents before they are put together again.
const MOST_PARTS: usize = 16;
/// Commits of the first step of a build.
const STEP: usize = 20_000;
/// Threads that read commits while the grams of what they read are found.
const MOST_THREADS: usize = 8;

/// How far a build has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryProgress {
    pub commits_done: u64,
    pub commits_total: u64,
    /// Bytes of messages and changed lines so far.
    pub bytes: u64,
}

/// What a build did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct HistoryBuilt {
    /// The generation that is served now.
    pub generation: u64,
    /// False: it was as it should be already.
    pub changed: bool,
    /// Commits that it holds, and how many of them were read for it.
    pub commits: u64,
    pub added: u64,
}

/// Builds the next generation of a history's index. One at a time for each index, in all processes.
pub struct HistoryWriter<'a> {
    home: Home,
    directory: PathBuf,
    previous: Option<&'a HistoryIndex>,
    step: usize,
    _lock: File,
}

/// What a build is made from.
pub struct HistorySource<'a> {
    pub history: &'a History,
    /// The index forgets all others.
    pub versions: &'a [VersionKey],
    /// The language of a file, by its path.
    pub language: &'a dyn Fn(&RepoPath) -> Option<String>,
}

impl<'a> HistoryWriter<'a> {
    /// Takes the index at `directory`, creates it when there is none, and removes what a run that was killed left behind.
    ///
    /// `previous` is the generation to build upon; without it everything is read anew.
    ///
    /// # Errors
    /// When another process is building this index, or its directory cannot be used.
    pub fn begin(directory: &Path, previous: Option<&'a HistoryIndex>) -> Result<Self, SearchError> {
        let home = Home::new(directory);
        let lock = home.lock()?;
        home.sweep()?;
        let current = home.served()?;
        let previous = previous.filter(|history| history.index.home == home && Some(history.generation()) == current);
        // What is built anew beside an index that can be served is not to take its place before it is whole.
        let anew = previous.is_none() && current.is_some() && HistoryIndex::open(directory).is_ok();
        Ok(Self { home, directory: directory.to_owned(), previous, step: if anew { usize::MAX } else { STEP }, _lock: lock })
    }

    /// Has what was written served, and kept if the process is killed, after so many commits; each step may be as large as all
    /// that came before it.
    #[must_use]
    pub fn in_steps_of(self, commits: usize) -> Self {
        Self { step: commits, ..self }
    }

    /// Indexes the history of these versions, and lets the result be served. Whatever goes wrong before, and whenever the process
    /// is killed, what was served before is served still.
    ///
    /// # Errors
    /// When the history cannot be read, the index cannot be written, or `cancel` was set.
    pub fn build(
        self,
        source: &HistorySource<'_>,
        progress: &mut dyn FnMut(HistoryProgress),
        cancel: &AtomicBool,
    ) -> Result<HistoryBuilt, SearchError> {
        if let Some(previous) = self.previous
            && previous.versions().eq(source.versions)
        {
            let commits = previous.commits() as u64;
            return Ok(HistoryBuilt { generation: previous.generation(), changed: false, commits, added: 0 });
        }
        let built = self.in_steps(source, progress, cancel);
        // What was built is served, or is of no use. What cannot be removed now is removed by the next run.
        let _ = self.home.sweep();
        built
    }

    fn in_steps(
        &self,
        source: &HistorySource<'_>,
        progress: &mut dyn FnMut(HistoryProgress),
        cancel: &AtomicBool,
    ) -> Result<HistoryBuilt, SearchError> {
        let heads = source.versions.iter().map(|key| ObjectId::parse(&key.commit)).collect::<Option<Vec<_>>>();
        let heads = heads.ok_or_else(|| SearchError::Corpus("a version names a commit that is no object id".into()))?;
        let mut work = HistoryProgress::default();
        let mut written: Option<HistoryIndex> = None;
        loop {
            let step = self.step(written.as_ref().or(self.previous), source, &heads, &mut work, progress, cancel)?;
            if step.left == 0 {
                return Ok(HistoryBuilt { added: work.commits_done, ..step.built });
            }
            written = Some(HistoryIndex::open(&self.directory)?);
            let _ = self.home.sweep();
        }
    }

    /// Builds one generation upon another.
    fn step(
        &self,
        previous: Option<&HistoryIndex>,
        source: &HistorySource<'_>,
        heads: &[ObjectId],
        work: &mut HistoryProgress,
        progress: &mut dyn FnMut(HistoryProgress),
        cancel: &AtomicBool,
    ) -> Result<Step, SearchError> {
        let numbers = previous.map(|index| index.commits.numbers()).unwrap_or_default();
        let known = |id: &ObjectId| numbers.contains_key(&CommitId::from_bytes(*id.bytes()));
        let mut new = source.history.commits(heads, &known).map_err(|e| SearchError::Corpus(e.into()))?;
        work.commits_total = work.commits_done + new.len() as u64;
        progress(*work);

        let (number, directory) = self.home.begin()?;
        let wanted = previous.map(|index| index.wanted(&numbers, heads, &new)).unwrap_or_default();
        let mut writer = match previous {
            Some(previous) if previous.wants_compaction(&wanted) => Writer::copying(&directory, previous, &wanted, cancel)?,
            Some(previous) => Writer::upon(&directory, previous)?,
            None => Writer::fresh(&directory)?,
        };
        // The steps grow with what there is, so that they stay few.
        let here = new.len().min(self.step.max(writer.commits.len()));
        let left = new.len() - here;
        new.truncate(here);
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MOST_THREADS);
        let mut links = new.iter();
        read_in_order(source.history, &new, threads, cancel, &mut |part| {
            match part {
                Part::Words(words) => {
                    let links = links.next().ok_or_else(|| SearchError::damaged("more commits were read than there are"))?;
                    work.commits_done += 1;
                    work.bytes += words.message.len() as u64;
                    writer.begin_commit(links, words)?;
                    progress(*work);
                }
                Part::Change(path, changed) => {
                    if let Changed::Lines { lines, .. } = &changed {
                        work.bytes += lines.text.len() as u64;
                    }
                    writer.add_change(&path, changed, source.language)?;
                }
            }
            Ok(())
        })?;
        let commits = writer.commits.len() as u64;
        // A version is served when all of its history is there.
        let whole = |key: &&VersionKey| left == 0 || CommitId::from_hex(&key.commit).is_some_and(|id| writer.numbers.contains_key(&id));
        let versions: Vec<VersionKey> = source.versions.iter().filter(whole).cloned().collect();
        writer.finish(&versions, previous, cancel)?;
        self.home.switch(number, &directory)?;
        Ok(Step { built: HistoryBuilt { generation: number, changed: true, commits, added: 0 }, left })
    }
}

/// What a step did.
struct Step {
    built: HistoryBuilt,
    /// Commits that are still to be read.
    left: usize,
}

impl HistoryIndex {
    /// Which of its commits can be reached from these heads, by themselves or through commits that it does not hold yet.
    fn wanted(&self, numbers: &Numbers, heads: &[ObjectId], new: &[Links]) -> Vec<bool> {
        let through = heads.iter().chain(new.iter().flat_map(|links| &links.parents));
        self.commits.reachable(through.filter_map(|id| numbers.get(&CommitId::from_bytes(*id.bytes())).copied()))
    }

    /// Whether too much of it is wanted no more, or it lies in too many files.
    fn wants_compaction(&self, wanted: &[bool]) -> bool {
        let unwanted = (0..).zip(wanted).filter(|(_, wanted)| !**wanted).map(|(place, _)| self.documents_of(place).len());
        unwanted.sum::<usize>() * 3 > self.index.documents() || self.index.contents.parts() >= MOST_PARTS
    }
}

/// Writes the files of a generation.
struct Writer {
    directory: PathBuf,
    files: GenerationWriter,
    commits: Vec<Commit>,
    numbers: Numbers,
    authors: Vec<String>,
    by_author: HashMap<String, u32>,
    /// By path, so that it is looked up once.
    languages: HashMap<RepoPath, Option<String>>,
    /// Documents kept the numbers that they had in the generation before.
    kept: bool,
}

impl Writer {
    fn of(directory: &Path, files: GenerationWriter) -> Self {
        Self {
            directory: directory.to_owned(),
            files,
            commits: Vec::new(),
            numbers: HashMap::new(),
            authors: Vec::new(),
            by_author: HashMap::new(),
            languages: HashMap::new(),
            kept: false,
        }
    }

    fn fresh(directory: &Path) -> Result<Self, SearchError> {
        Ok(Self::of(directory, GenerationWriter::fresh(directory)?))
    }

    /// With everything that the previous generation holds, under the same numbers.
    fn upon(directory: &Path, previous: &HistoryIndex) -> Result<Self, SearchError> {
        let mut writer = Self::of(directory, GenerationWriter::upon(directory, &previous.index)?);
        writer.kept = true;
        writer.take_authors(previous.commits.authors());
        for commit in previous.commits.all() {
            writer.push_commit(commit.clone())?;
        }
        Ok(writer)
    }

    /// With the commits that are wanted, copied into fresh files without reading the history.
    fn copying(directory: &Path, previous: &HistoryIndex, wanted: &[bool], cancel: &AtomicBool) -> Result<Self, SearchError> {
        let index = &previous.index;
        let mut writer = Self::fresh(directory)?;
        writer.take_authors(previous.commits.authors());
        let mut moved: HashMap<u32, u32> = HashMap::new();
        for ((old, commit), wanted) in (0..).zip(previous.commits.all()).zip(wanted) {
            if cancel.load(Ordering::Relaxed) {
                return Err(SearchError::Cancelled);
            }
            if !wanted {
                continue;
            }
            // What is wanted is wanted with all that came before.
            let parents = commit.parents.iter().filter_map(|parent| moved.get(parent).copied()).collect();
            let first = writer.files.next()?;
            moved.insert(old, u32::try_from(writer.commits.len()).map_err(|_| SearchError::Full)?);
            writer.push_commit(Commit { first, parents, ..commit.clone() })?;
            for number in previous.documents_of(old) {
                let found = index.documents.get(number).zip(index.documents.path(number));
                let (document, path) = found.ok_or_else(|| SearchError::damaged("a commit lost a document"))?;
                let language = document.language.and_then(|l| index.documents.languages().get(usize::from(l))).cloned();
                let decoded = match document.body {
                    Some(_) => Some(Decoded { text: index.contents.own(document)?.to_vec(), raw: None, traits: document.traits, language }),
                    None => None,
                };
                writer.files.add(path, document.blob, document.size, decoded)?;
                writer.files.append_behind(previous.behind(document)?)?;
            }
        }
        Ok(writer)
    }

    fn begin_commit(&mut self, links: &Links, words: Words) -> Result<(), SearchError> {
        let number = |id: &ObjectId| self.numbers.get(&CommitId::from_bytes(*id.bytes())).copied();
        let parents = links.parents.iter().map(number).collect::<Option<Vec<_>>>();
        let parents = parents.ok_or_else(|| SearchError::damaged("a commit came before its parents"))?;
        let author = self.author(words.author);
        let id = CommitId::from_bytes(*links.id.bytes());
        let (authored_at, committed_at, first) = (words.authored_at, words.committed_at, self.files.next()?);
        self.push_commit(Commit { id, author, authored_at, committed_at, first, parents })?;
        let message = Decoded { text: words.message, raw: None, traits: Traits::default(), language: None };
        self.files.add(&RepoPath::root(), id, 0, Some(message)).map(|_| ())
    }

    /// A file changed by the commit that was begun last.
    fn add_change(&mut self, path: &RepoPath, changed: Changed, language: &dyn Fn(&RepoPath) -> Option<String>) -> Result<(), SearchError> {
        let commit = self.commits.last().map(|commit| commit.id).ok_or_else(|| SearchError::damaged("a change came before its commit"))?;
        let Changed::Lines { lines, binary } = changed else {
            return self.files.add(path, commit, 0, None).map(|_| ());
        };
        if !self.languages.contains_key(path) {
            self.languages.insert(path.clone(), language(path));
        }
        let language = self.languages.get(path).cloned().flatten();
        let behind = encode_runs(&lines.runs);
        let traits = Traits::default().with_if(Trait::Binary, binary);
        self.files.add(path, commit, behind.len() as u64, Some(Decoded { text: lines.text, raw: None, traits, language }))?;
        self.files.append_behind(&behind)
    }

    fn push_commit(&mut self, commit: Commit) -> Result<(), SearchError> {
        let place = u32::try_from(self.commits.len()).map_err(|_| SearchError::Full)?;
        self.numbers.insert(commit.id, place);
        self.commits.push(commit);
        Ok(())
    }

    fn take_authors(&mut self, authors: &[String]) {
        for author in authors {
            self.author(author.clone());
        }
    }

    fn author(&mut self, name: String) -> u32 {
        if let Some(known) = self.by_author.get(&name) {
            return *known;
        }
        let place = u32::try_from(self.authors.len()).unwrap_or(u32::MAX);
        self.authors.push(name.clone());
        self.by_author.insert(name, place);
        place
    }

    fn finish(self, versions: &[VersionKey], previous: Option<&HistoryIndex>, cancel: &AtomicBool) -> Result<(), SearchError> {
        let all = self.files.next()?;
        let commits = Commits::new(self.commits, self.authors);
        let mut indexed: Vec<IndexedVersion> = Vec::new();
        for key in versions {
            if cancel.load(Ordering::Relaxed) {
                return Err(SearchError::Cancelled);
            }
            let older = previous.filter(|_| self.kept).map(|index| index.index.versions.as_slice()).unwrap_or_default();
            let same = older.iter().chain(&indexed).find(|version| version.key.commit == key.commit);
            let documents = if let Some(same) = same {
                same.documents.clone()
            } else {
                let id = CommitId::from_hex(&key.commit).and_then(|id| self.numbers.get(&id).copied());
                reached(&commits, id.ok_or_else(|| SearchError::damaged("a version's commit was not read"))?, all)
            };
            indexed.push(IndexedVersion { key: key.clone(), documents });
        }
        commits.write(&self.directory)?;
        self.files.finish(&indexed)
    }
}

/// The documents of all commits that can be reached from one.
fn reached(commits: &Commits, from: u32, documents: u32) -> RoaringBitmap {
    let reached = commits.reachable([from]);
    let mut found = RoaringBitmap::new();
    let ends = commits.all().iter().skip(1).map(|commit| commit.first).chain([documents]);
    for ((commit, end), _) in commits.all().iter().zip(ends).zip(reached).filter(|(_, reached)| *reached) {
        found.insert_range(commit.first..end);
    }
    found.optimize();
    found
}
