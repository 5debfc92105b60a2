//! Which blocks hold which three bytes: a tantivy index of each block's distinct grams, and of those of each document's path.
//!
//! A block is its number, in a fast field (tantivy's own numbers change when it merges segments), and its grams, without
//! frequencies, positions or norms. A document's first block also has the grams of its path, in a field of their own. Segments
//! never change once written, so that generations can share them.
//!
//! Grams are found on tantivy's indexing threads: a block's text is left in a [`Tray`] from which the tokenizer takes it,
//! so texts waiting there are bounded by their bytes where tantivy would bound them by their number.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use roaring::RoaringBitmap;
use tantivy::directory::MmapDirectory;
use tantivy::index::{InvertedIndexReader, SegmentReader};
use tantivy::schema::{Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{DocSet as _, Index, IndexWriter, ReloadPolicy, TERMINATED, TantivyDocument};

use super::SearchError;
use super::contents::{share, sync_directory};
use super::documents::Documents;
use super::gram::{Gram, Grams};
use super::trigram::{Condition, Needs};
use crate::catalog::RepoPath;

const NUMBER: &str = "number";
/// Memory that tantivy's indexing threads may use for postings, each. The more, the fewer segments there are to look into.
const MEMORY: usize = 160 << 20;
const THREADS: usize = 2;
/// Bytes of texts waiting for an indexing thread; one text may be larger.
const WAITING: usize = 16 << 20;

/// What grams are of. Also the names of tantivy's fields and tokenizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    Texts,
    Paths,
}

impl Of {
    const ALL: [Self; 2] = [Self::Texts, Self::Paths];

    fn name(self) -> &'static str {
        match self {
            Self::Texts => "grams",
            Self::Paths => "names",
        }
    }
}

/// The grams of a generation, open for lookups.
pub(super) struct GramIndex {
    segments: Vec<Segment>,
}

struct Segment {
    texts: Arc<InvertedIndexReader>,
    paths: Arc<InvertedIndexReader>,
    /// Our number of each of tantivy's documents.
    numbers: Vec<u32>,
}

impl GramIndex {
    /// `blocks`: how many there are; no number reaches it.
    pub(super) fn open(directory: &Path, blocks: usize) -> Result<Self, SearchError> {
        let damaged = |e: tantivy::TantivyError| SearchError::Damaged { what: format!("its grams cannot be read ({e})") };
        let index = Index::open_in_dir(directory).map_err(damaged)?;
        let fields = schema();
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(damaged)?;
        let mut segments = Vec::new();
        for segment in reader.searcher().segment_readers() {
            segments.push(Segment {
                texts: segment.inverted_index(fields.texts).map_err(damaged)?,
                paths: segment.inverted_index(fields.paths).map_err(damaged)?,
                numbers: numbers(segment, blocks).map_err(damaged)?,
            });
        }
        Ok(Self { segments })
    }

    /// Blocks that include all in which a match of the expression lies; `None` when there may be one in any. Only for
    /// expressions whose matches do not reach over lines.
    pub(super) fn blocks(&self, of: Of, needs: &Needs) -> Result<Option<RoaringBitmap>, SearchError> {
        if needs.condition == Condition::Anything {
            return Ok(None);
        }
        self.holding(of, needs, &needs.condition).map(Some)
    }

    /// Documents that include all in which the expression matches; `None` when it may match in any.
    pub(super) fn documents(&self, needs: &Needs, documents: &Documents) -> Result<Option<RoaringBitmap>, SearchError> {
        self.spread(needs, &needs.condition, documents)
    }

    fn spread(&self, needs: &Needs, condition: &Condition, documents: &Documents) -> Result<Option<RoaringBitmap>, SearchError> {
        Ok(match condition {
            Condition::Anything => None,
            Condition::Nothing => Some(RoaringBitmap::new()),
            Condition::Any(parts) => {
                let mut any = RoaringBitmap::new();
                for part in parts {
                    match self.spread(needs, part, documents)? {
                        Some(found) => any |= found,
                        None => return Ok(None),
                    }
                }
                Some(any)
            }
            Condition::All(grams, parts) => {
                let mut all = None;
                if !grams.is_empty() {
                    let near = Condition::All(grams.clone(), Vec::new());
                    all = Some(documents.with_blocks(&self.holding(Of::Texts, needs, &near)?));
                }
                for part in parts {
                    let found = self.spread(needs, part, documents)?;
                    all = match (all, found) {
                        (Some(all), Some(found)) => Some(all & found),
                        (one, other) => one.or(other),
                    };
                }
                all
            }
        })
    }

    fn holding(&self, of: Of, needs: &Needs, condition: &Condition) -> Result<RoaringBitmap, SearchError> {
        let mut found: Vec<u32> = Vec::new();
        for segment in &self.segments {
            let inside = segment.blocks(of, needs.folds, condition).map_err(|e| SearchError::io("looking up grams", &e))?;
            found.extend(inside.iter().filter_map(|&number| segment.numbers.get(number as usize)));
        }
        found.sort_unstable();
        Ok(found.into_iter().collect())
    }
}

fn numbers(segment: &SegmentReader, blocks: usize) -> tantivy::Result<Vec<u32>> {
    let column = segment.fast_fields().column_first_or_default::<u64>(NUMBER)?;
    let known = |number: u64| u32::try_from(number).ok().filter(|&n| (n as usize) < blocks);
    (0..segment.max_doc())
        .map(|document| {
            known(column.get_val(document)).ok_or_else(|| tantivy::TantivyError::InternalError("a number is out of range".to_owned()))
        })
        .collect()
}

/// The postings of a gram in all its cases.
struct Cases {
    lists: Vec<BlockSegment>,
    /// Blocks in all of them together, at most.
    count: u32,
}

type BlockSegment = tantivy::postings::SegmentPostings;

impl Segment {
    /// In ascending order, as tantivy numbers them.
    fn blocks(&self, of: Of, folds: bool, condition: &Condition) -> io::Result<Vec<u32>> {
        match condition {
            Condition::Anything => Ok((0..).take(self.numbers.len()).collect()),
            Condition::Nothing => Ok(Vec::new()),
            Condition::Any(parts) => {
                let mut found = Vec::new();
                for part in parts {
                    found.extend(self.blocks(of, folds, part)?);
                }
                found.sort_unstable();
                found.dedup();
                Ok(found)
            }
            Condition::All(grams, parts) => {
                let mut found = if grams.is_empty() { None } else { Some(self.holding(of, folds, grams.iter().copied())?) };
                for part in parts {
                    if found.as_ref().is_some_and(Vec::is_empty) {
                        break;
                    }
                    let other = self.blocks(of, folds, part)?;
                    found = Some(match found {
                        None => other,
                        Some(mut found) => {
                            found.retain(|block| other.binary_search(block).is_ok());
                            found
                        }
                    });
                }
                Ok(found.unwrap_or_else(|| (0..).take(self.numbers.len()).collect()))
            }
        }
    }

    /// Blocks that hold all of these grams: the rarest first.
    fn holding(&self, of: Of, folds: bool, grams: impl Iterator<Item = Gram>) -> io::Result<Vec<u32>> {
        let reader = match of {
            Of::Texts => &self.texts,
            Of::Paths => &self.paths,
        };
        let mut all = Vec::new();
        for gram in grams {
            let mut cases = Vec::new();
            for case in if folds { gram.cases() } else { vec![gram] } {
                cases.extend(reader.terms().get(case.term())?);
            }
            if cases.is_empty() {
                return Ok(Vec::new());
            }
            all.push((cases.iter().map(|term| term.doc_freq).sum::<u32>(), cases));
        }
        all.sort_unstable_by_key(|(count, _)| *count);
        let mut found: Option<Vec<u32>> = None;
        for (count, cases) in all {
            let lists = cases.iter().map(|term| reader.read_postings_from_terminfo(term, IndexRecordOption::Basic));
            let mut cases = Cases { lists: lists.collect::<io::Result<_>>()?, count };
            found = Some(match found {
                None => cases.all(),
                Some(found) => cases.among(found),
            });
            if found.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        Ok(found.unwrap_or_default())
    }
}

impl Cases {
    fn all(&mut self) -> Vec<u32> {
        let mut all = Vec::with_capacity(self.count as usize);
        for list in &mut self.lists {
            let mut at = list.doc();
            while at != TERMINATED {
                all.push(at);
                at = list.advance();
            }
        }
        if self.lists.len() > 1 {
            all.sort_unstable();
            all.dedup();
        }
        all
    }

    /// Those of some blocks, in ascending order, that are in one of the lists.
    fn among(&mut self, mut blocks: Vec<u32>) -> Vec<u32> {
        blocks.retain(|&block| {
            self.lists.iter_mut().any(|list| {
                let at = if list.doc() < block { list.seek(block) } else { list.doc() };
                at == block
            })
        });
        blocks
    }
}

struct Fields {
    schema: Schema,
    texts: Field,
    paths: Field,
    number: Field,
}

fn schema() -> Fields {
    let mut schema = Schema::builder();
    let mut grams = |of: Of| {
        let indexing =
            TextFieldIndexing::default().set_tokenizer(of.name()).set_index_option(IndexRecordOption::Basic).set_fieldnorms(false);
        schema.add_text_field(of.name(), TextOptions::default().set_indexing_options(indexing))
    };
    let (texts, paths) = (grams(Of::Texts), grams(Of::Paths));
    let number = schema.add_u64_field(NUMBER, NumericOptions::default().set_fast());
    Fields { schema: schema.build(), texts, paths, number }
}

/// Adds blocks to the grams of a generation that is being built.
pub(super) struct GramWriter {
    writer: IndexWriter,
    tray: Arc<Tray>,
    fields: Fields,
}

impl GramWriter {
    /// In an empty directory.
    pub(super) fn create(directory: &Path) -> Result<Self, SearchError> {
        let begin = |e| SearchError::io("creating the grams", &e);
        fs::create_dir(directory).map_err(begin)?;
        let mapped = MmapDirectory::open(directory).map_err(|e| SearchError::grams(&e.into()))?;
        let index = Index::create(mapped, schema().schema, tantivy::IndexSettings::default());
        Self::new(&index.map_err(|e| SearchError::grams(&e))?)
    }

    /// With everything that is in the grams of another generation.
    pub(super) fn upon(directory: &Path, previous: &Path) -> Result<Self, SearchError> {
        let begin = |e| SearchError::io("sharing the grams", &e);
        fs::create_dir(directory).map_err(begin)?;
        for entry in fs::read_dir(previous).map_err(begin)? {
            let name = entry.map_err(begin)?.file_name();
            if !name.as_encoded_bytes().ends_with(b".lock") {
                share(&previous.join(&name), &directory.join(&name))?;
            }
        }
        Self::new(&Index::open_in_dir(directory).map_err(|e| SearchError::grams(&e))?)
    }

    fn new(index: &Index) -> Result<Self, SearchError> {
        let tray = Arc::new(Tray::default());
        for of in Of::ALL {
            index.tokenizers().register(of.name(), FromTray { of, tray: Arc::clone(&tray), grams: None });
        }
        let writer = index.writer_with_num_threads(THREADS, THREADS * MEMORY).map_err(|e| SearchError::grams(&e))?;
        Ok(Self { writer, tray, fields: schema() })
    }

    /// Notes the grams of a block, and of the path of the document that it begins. Each number once. `text` goes on behind the
    /// block by what a gram that begins in it may need: two bytes.
    pub(super) fn add(&self, number: u32, text: Vec<u8>, path: Option<&RepoPath>) -> Result<(), SearchError> {
        let mut document = TantivyDocument::default();
        document.add_u64(self.fields.number, u64::from(number));
        let mut left = Vec::new();
        let path = path.map(|path| path.bytes().to_vec()).unwrap_or_default();
        for (of, field, text) in [(Of::Texts, self.fields.texts, text), (Of::Paths, self.fields.paths, path)] {
            if text.len() >= 3 {
                document.add_text(field, number.to_string());
                left.push(((of, number), text));
            }
        }
        self.tray.leave(left);
        self.writer.add_document(document).map_err(|e| SearchError::grams(&e))?;
        Ok(())
    }

    /// Writes everything to disk.
    pub(super) fn finish(mut self, directory: &Path) -> Result<(), SearchError> {
        self.writer.commit().map_err(|e| SearchError::grams(&e))?;
        if !self.tray.is_clear() {
            return Err(SearchError::damaged("a text was lost on its way to the grams"));
        }
        self.writer.wait_merging_threads().map_err(|e| SearchError::grams(&e))?;
        let sync = || -> io::Result<()> {
            for entry in fs::read_dir(directory)? {
                File::open(entry?.path())?.sync_all()?;
            }
            sync_directory(directory)
        };
        sync().map_err(|e| SearchError::io("writing the grams", &e))
    }
}

/// Texts on their way to an indexing thread, by the number of their block.
#[derive(Default)]
struct Tray {
    waiting: Mutex<Waiting>,
    taken: Condvar,
}

#[derive(Default)]
struct Waiting {
    texts: HashMap<(Of, u32), Vec<u8>>,
    bytes: usize,
    missed: bool,
}

impl Tray {
    /// Waits for room first. When no text is taken for a long time the indexing threads may be gone, which the writer notices
    /// as soon as the document is added: so it does not wait forever.
    fn leave(&self, texts: Vec<((Of, u32), Vec<u8>)>) {
        let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |waiting: &mut Waiting| waiting.bytes > 0 && waiting.bytes + bytes > WAITING;
        let room = self.taken.wait_timeout_while(waiting, Duration::from_secs(30), full);
        let (mut waiting, _) = room.unwrap_or_else(PoisonError::into_inner);
        waiting.bytes += bytes;
        waiting.texts.extend(texts);
    }

    fn take(&self, number: Option<(Of, u32)>) -> Vec<u8> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let text = number.and_then(|number| waiting.texts.remove(&number));
        waiting.missed |= text.is_none();
        let text = text.unwrap_or_default();
        waiting.bytes -= text.len();
        self.taken.notify_all();
        text
    }

    /// Whether every text was taken, and none was asked for that was not there.
    fn is_clear(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.texts.is_empty() && !waiting.missed
    }
}

/// The tokenizer: what it is given as a text is the number of a block whose text is in the tray.
struct FromTray {
    of: Of,
    tray: Arc<Tray>,
    /// Made on first use: two megabytes, kept by the thread that uses it.
    grams: Option<Grams>,
}

impl Clone for FromTray {
    fn clone(&self) -> Self {
        Self { of: self.of, tray: Arc::clone(&self.tray), grams: None }
    }
}

impl Tokenizer for FromTray {
    type TokenStream<'a> = GramStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> GramStream<'a> {
        let text = self.tray.take(text.parse().ok().map(|number| (self.of, number)));
        let grams = self.grams.get_or_insert_with(Grams::new).of(&text);
        GramStream { rest: grams.iter(), token: Token { position: 0, ..Token::default() } }
    }
}

struct GramStream<'a> {
    rest: std::slice::Iter<'a, Gram>,
    token: Token,
}

impl TokenStream for GramStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(gram) = self.rest.next() else { return false };
        self.token.text.clear();
        self.token.text.extend(gram.term().map(char::from));
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
