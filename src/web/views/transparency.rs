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
