//! The record as everybody who is signed in may see it: its state, and their own receipts.

use askama::Template;

use super::audit::{Checkpoint, LogFilter, LogRow};
use super::format::filters;
use super::shell::{Notice, Shell};

/// `/transparency`.
#[derive(Debug, Template)]
#[template(path = "pages/transparency.html")]
pub struct Transparency {
    pub shell: Shell,
    pub checkpoint: Checkpoint,
    /// Whether entries can be written, a sentence.
    pub standing: Notice,
    /// How one key vouches for the next, as published; empty when the key was never changed.
    pub handovers: String,
    /// The page is for a reviewer.
    pub reader: bool,
    /// Who cosigns the log; `None` when nobody must.
    pub witnessed: Option<Witnessed>,
}

/// How far the log is witnessed.
#[derive(Debug)]
pub struct Witnessed {
    /// The size of the newest checkpoint that a quorum has cosigned.
    pub size: u64,
    /// Entries beyond it.
    pub entries: u64,
    /// So many that no source is shown.
    pub exceeded: bool,
    pub rows: Vec<WitnessRow>,
}

/// One witness.
#[derive(Debug)]
pub struct WitnessRow {
    pub name: String,
    /// The size that it cosigned last.
    pub size: u64,
    /// When it did, microseconds since the epoch, UTC.
    pub at: Option<i64>,
    /// How it does: "cosigning", "failing".
    pub state: &'static str,
    pub trouble: bool,
}

/// `/transparency/receipts`.
#[derive(Debug, Template)]
#[template(path = "pages/receipts.html")]
pub struct ReceiptsPage {
    pub shell: Shell,
    pub checkpoint: Checkpoint,
    /// How many receipts pass the filter.
    pub count: u64,
    /// Nothing is filtered out.
    pub everything: bool,
    /// Newest first.
    pub rows: Vec<LogRow>,
    pub older: Option<String>,
    /// All of them as one file.
    pub bundle: String,
    pub filter: LogFilter,
    /// A filter that cannot be understood.
    pub problem: Option<String>,
}
