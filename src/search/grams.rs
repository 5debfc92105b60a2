//! Which documents hold which three bytes: a tantivy index of each document's distinct grams.
//!
//! A document is its number, in a fast field (tantivy's own numbers change when it merges segments), and its grams, without
//! frequencies, positions or norms. Segments never change once written, so that generations can share them.
//!
//! Grams are found on tantivy's indexing threads: a document's text is left in a [`Tray`] from which the tokenizer takes it,
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
use super::trigram::{Condition, Gram, Grams};

const TOKENIZER: &str = "grams";
const NUMBER: &str = "number";
/// Memory that tantivy's indexing threads may use for postings, each.
const MEMORY: usize = 48 << 20;
const THREADS: usize = 2;
/// Bytes of texts waiting for an indexing thread; one text may be larger.
const WAITING: usize = 16 << 20;

/// The grams of a generation, open for lookups.
pub(super) struct GramIndex {
    segments: Vec<Segment>,
}

struct Segment {
    grams: Arc<InvertedIndexReader>,
    /// Our number of each of tantivy's documents.
    numbers: Vec<u32>,
}

impl GramIndex {
    /// `documents`: how many there are; no number reaches it.
    pub(super) fn open(directory: &Path, documents: usize) -> Result<Self, SearchError> {
        let damaged = |e: tantivy::TantivyError| SearchError::Damaged { what: format!("its grams cannot be read ({e})") };
        let index = Index::open_in_dir(directory).map_err(damaged)?;
        let (_, field, _) = schema();
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(damaged)?;
        let mut segments = Vec::new();
        for segment in reader.searcher().segment_readers() {
            segments.push(Segment {
                grams: segment.inverted_index(field).map_err(damaged)?,
                numbers: numbers(segment, documents).map_err(damaged)?,
            });
        }
        Ok(Self { segments })
    }

    /// Documents of which the condition holds; `None` when it holds of all.
    pub(super) fn documents(&self, condition: &Condition) -> Result<Option<RoaringBitmap>, SearchError> {
        if *condition == Condition::Anything {
            return Ok(None);
        }
        let mut found = RoaringBitmap::new();
        for segment in &self.segments {
            let inside = segment.documents(condition).map_err(|e| SearchError::io("looking up grams", &e))?;
            found.extend(inside.iter().filter_map(|&number| segment.numbers.get(number as usize)));
        }
        Ok(Some(found))
    }
}

fn numbers(segment: &SegmentReader, documents: usize) -> tantivy::Result<Vec<u32>> {
    let column = segment.fast_fields().column_first_or_default::<u64>(NUMBER)?;
    let known = |number: u64| u32::try_from(number).ok().filter(|&n| (n as usize) < documents);
    (0..segment.max_doc())
        .map(|document| {
            known(column.get_val(document)).ok_or_else(|| tantivy::TantivyError::InternalError("a number is out of range".to_owned()))
        })
        .collect()
}

impl Segment {
    /// In ascending order, as tantivy numbers them.
    fn documents(&self, condition: &Condition) -> io::Result<Vec<u32>> {
        match condition {
            Condition::Anything => Ok((0..).take(self.numbers.len()).collect()),
            Condition::Nothing => Ok(Vec::new()),
            Condition::Any(parts) => {
                let mut found = Vec::new();
                for part in parts {
                    found.extend(self.documents(part)?);
                }
                found.sort_unstable();
                found.dedup();
                Ok(found)
            }
            Condition::All(grams, parts) => {
                let mut found = if grams.is_empty() { None } else { Some(self.holding(grams.iter().copied())?) };
                for part in parts {
                    if found.as_ref().is_some_and(Vec::is_empty) {
                        break;
                    }
                    let other = self.documents(part)?;
                    found = Some(match found {
                        None => other,
                        Some(mut found) => {
                            found.retain(|document| other.binary_search(document).is_ok());
                            found
                        }
                    });
                }
                Ok(found.unwrap_or_else(|| (0..).take(self.numbers.len()).collect()))
            }
        }
    }

    /// Documents that hold all of these grams: the rarest first.
    fn holding(&self, grams: impl Iterator<Item = Gram>) -> io::Result<Vec<u32>> {
        let mut terms = Vec::new();
        for gram in grams {
            match self.grams.terms().get(gram.term())? {
                Some(term) => terms.push(term),
                None => return Ok(Vec::new()),
            }
        }
        terms.sort_unstable_by_key(|term| term.doc_freq);
        let mut found: Option<Vec<u32>> = None;
        for term in terms {
            let mut postings = self.grams.read_postings_from_terminfo(&term, IndexRecordOption::Basic)?;
            let mut at = postings.doc();
            found = Some(match found {
                None => {
                    let mut all = Vec::with_capacity(term.doc_freq as usize);
                    while at != TERMINATED {
                        all.push(at);
                        at = postings.advance();
                    }
                    all
                }
                Some(mut found) => {
                    found.retain(|&document| {
                        if at < document {
                            at = postings.seek(document);
                        }
                        at == document
                    });
                    found
                }
            });
            if found.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        Ok(found.unwrap_or_default())
    }
}

fn schema() -> (Schema, Field, Field) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default().set_tokenizer(TOKENIZER).set_index_option(IndexRecordOption::Basic).set_fieldnorms(false);
    let grams = schema.add_text_field("grams", TextOptions::default().set_indexing_options(indexing));
    let number = schema.add_u64_field(NUMBER, NumericOptions::default().set_fast());
    (schema.build(), grams, number)
}

/// Adds documents to the grams of a generation that is being built.
pub(super) struct GramWriter {
    writer: IndexWriter,
    tray: Arc<Tray>,
    grams: Field,
    number: Field,
}

impl GramWriter {
    /// In an empty directory.
    pub(super) fn create(directory: &Path) -> Result<Self, SearchError> {
        let begin = |e| SearchError::io("creating the grams", &e);
        fs::create_dir(directory).map_err(begin)?;
        let mapped = MmapDirectory::open(directory).map_err(|e| SearchError::grams(&e.into()))?;
        let index = Index::create(mapped, schema().0, tantivy::IndexSettings::default());
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
        index.tokenizers().register(TOKENIZER, FromTray { tray: Arc::clone(&tray), grams: None });
        let writer = index.writer_with_num_threads(THREADS, THREADS * MEMORY).map_err(|e| SearchError::grams(&e))?;
        let (_, grams, number) = schema();
        Ok(Self { writer, tray, grams, number })
    }

    /// Notes the grams of a document's text. Each number once.
    pub(super) fn add(&self, number: u32, text: Vec<u8>) -> Result<(), SearchError> {
        if text.len() < 3 {
            return Ok(());
        }
        self.tray.leave(number, text);
        let mut document = TantivyDocument::default();
        document.add_u64(self.number, u64::from(number));
        document.add_text(self.grams, number.to_string());
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

/// Texts on their way to an indexing thread, by document number.
#[derive(Default)]
struct Tray {
    waiting: Mutex<Waiting>,
    taken: Condvar,
}

#[derive(Default)]
struct Waiting {
    texts: HashMap<u32, Vec<u8>>,
    bytes: usize,
    missed: bool,
}

impl Tray {
    /// Waits for room first. When no text is taken for a long time the indexing threads may be gone, which the writer notices
    /// as soon as the document is added: so it does not wait forever.
    fn leave(&self, number: u32, text: Vec<u8>) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |waiting: &mut Waiting| waiting.bytes > 0 && waiting.bytes + text.len() > WAITING;
        let room = self.taken.wait_timeout_while(waiting, Duration::from_secs(30), full);
        let (mut waiting, _) = room.unwrap_or_else(PoisonError::into_inner);
        waiting.bytes += text.len();
        waiting.texts.insert(number, text);
    }

    fn take(&self, number: Option<u32>) -> Vec<u8> {
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

/// The tokenizer: what it is given as a text is the number of a document whose text is in the tray.
struct FromTray {
    tray: Arc<Tray>,
    /// Made on first use: two megabytes, kept by the thread that uses it.
    grams: Option<Grams>,
}

impl Clone for FromTray {
    fn clone(&self) -> Self {
        Self { tray: Arc::clone(&self.tray), grams: None }
    }
}

impl Tokenizer for FromTray {
    type TokenStream<'a> = GramStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> GramStream<'a> {
        let text = self.tray.take(text.parse().ok());
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
