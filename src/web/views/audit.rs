//! The log, as auditors read it.

use askama::Template;

use super::format::filters;
use super::forms::Choice;
use super::shell::Shell;

/// A signed state of the log.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Entries it covers.
    pub size: u64,
    /// Root hash, base64.
    pub root: String,
    /// The log's name.
    pub origin: String,
    /// When it was signed, microseconds since the epoch, UTC.
    pub signed_at: i64,
    /// What verifies the signature, in note form.
    pub verifier_key: String,
    /// The command that verifies everything from outside.
    pub verify_command: String,
    /// The checkpoint as published, with its signatures.
    pub note: String,
}

/// `/audit`.
#[derive(Debug, Template)]
#[template(path = "audit/log.html")]
pub struct LogPage {
    pub shell: Shell,
    pub checkpoint: Checkpoint,
    pub filter: LogFilter,
    /// Values the filter offers.
    pub agencies: Vec<Choice>,
    pub products: Vec<Choice>,
    pub kinds: Vec<Choice>,
    /// Filters in force, each with the address without it.
    pub chips: Vec<Chip>,
    /// A filter that cannot be understood: field and sentence.
    pub problem: Option<String>,
    /// Newest first.
    pub entries: Vec<LogRow>,
    /// The page of older entries, and the newest.
    pub older: Option<String>,
    pub newest: Option<String>,
}

/// The filter as typed; every field may be empty.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    pub person: String,
    pub agency: String,
    pub product: String,
    pub path: String,
    pub kind: String,
    /// "2026-11-21".
    pub from: String,
    pub until: String,
}

/// A filter in force.
#[derive(Clone, Debug)]
pub struct Chip {
    /// "Agency: Agency One".
    pub label: String,
    /// The page without this filter.
    pub remove_href: String,
}

/// One entry in a list.
#[derive(Clone, Debug)]
pub struct LogRow {
    pub index: u64,
    /// Microseconds since the epoch, UTC.
    pub at: i64,
    /// The person's name, or what stands for it when erased; empty for the portal itself.
    pub person: String,
    /// The agency's name, or the role; may be empty.
    pub agency: String,
    /// Dotted, as in the entry: shown as [`super::format::did`] says.
    pub kind: String,
    /// Path, query or other subject, in words.
    pub what: String,
    /// May be empty.
    pub version: String,
    /// "shown", "refused", "failed".
    pub outcome: String,
    /// Drawn in oxblood.
    pub refused: bool,
}

impl LogRow {
    /// Where its receipt is.
    pub fn receipt(&self) -> String {
        super::links::receipt(self.index)
    }
}

/// `/audit/entries/{index}`.
#[derive(Debug, Template)]
#[template(path = "audit/entry.html")]
pub struct EntryPage {
    pub shell: Shell,
    pub index: u64,
    /// Dotted.
    pub kind: String,
    /// What happened, one sentence: "First reviewer of Agency One opened net/session/verify.c in Aurora Gateway 4.2.1."
    pub sentence: String,
    /// Microseconds since the epoch, UTC.
    pub at: i64,
    pub refused: bool,
    /// Every field of the entry, in words.
    pub facts: Vec<EntryFact>,
    /// The personal part has been erased; its commitment remains.
    pub erased: bool,
    /// The canonical JSON, pretty printed for reading.
    pub json: String,
    /// Hex.
    pub leaf: String,
    /// Hashes from leaf to root, hex.
    pub proof: Vec<String>,
    pub checkpoint: Checkpoint,
    pub previous: Option<u64>,
    pub next: Option<u64>,
}

impl EntryPage {
    /// Where its receipt is.
    pub fn receipt(&self) -> String {
        super::links::receipt(self.index)
    }
}

/// A field of an entry.
#[derive(Clone, Debug)]
pub struct EntryFact {
    /// "Person", "Agency", "Request".
    pub label: String,
    pub value: String,
    /// Hashes, ids and paths.
    pub mono: bool,
}

/// `/audit/export`; a form sends `format` and the filter by GET to `/audit/export?format=`.
#[derive(Debug, Template)]
#[template(path = "audit/export.html")]
pub struct ExportPage {
    pub shell: Shell,
    pub checkpoint: Checkpoint,
    pub formats: Vec<ExportFormat>,
    pub filter: LogFilter,
    pub agencies: Vec<Choice>,
    pub products: Vec<Choice>,
    pub problem: Option<String>,
}

/// A form the log can be exported in.
#[derive(Clone, Debug)]
pub struct ExportFormat {
    /// What is sent: "tiles", "jsonl", "csv", "ocsf", "cef".
    pub value: String,
    pub title: String,
    /// What it holds and whom it is for, a sentence.
    pub says: String,
}
