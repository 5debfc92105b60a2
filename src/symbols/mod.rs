//! Definitions and references: what is defined where in a version, and who uses it.
//!
//! A file's symbols are extracted from its text alone, by the grammar of its language ([`Extracted`]). An index of one product
//! ([`SymbolIndex`]) keeps the definitions of each distinct file once, however many versions hold it, and of each name how often the
//! file uses it; where in the file, extracting it again tells, for the few files that are shown. Machines build it
//! ([`SymbolWriter`]). [`Symbols::find`] answers within what its asker may read: what lies outside is not counted, not ranked and not
//! named, and the answer stays shut until the entry about it is durable.

mod answer;
mod builder;
mod extract;
mod index;
mod language;
mod part;
mod precise;
mod rules;
mod scip;
mod service;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use answer::{Answer, Ask, Defined, Elsewhere, Sealed, Use, UsedIn, UsedLine, Wanted};
pub use builder::{Built, Progress, SymbolWriter};
pub use extract::{Extracted, extract};
pub use index::{Defining, SymbolIndex, may_define};
pub use precise::{Import, Imported, import};
pub use service::Symbols;

use crate::source::SourceError;

/// A version as its symbols are indexed: its name and the commit that it stood for then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionKey {
    pub name: String,
    pub commit: String,
}

/// What goes wrong with the symbols of a product.
#[derive(Debug, thiserror::Error)]
pub enum SymbolError {
    #[error("there is no index of symbols here yet; build it")]
    Missing,
    #[error("the index of symbols is damaged: {what}; rebuild it")]
    Damaged { what: String },
    #[error("the index of symbols is in format {found}, and this program reads format {known}; rebuild it")]
    Format { found: u64, known: u32 },
    #[error("another process is building this index of symbols")]
    Busy,
    #[error("the work was cancelled")]
    Cancelled,
    #[error("{doing} failed: {source}")]
    Io {
        doing: &'static str,
        #[source]
        source: Arc<io::Error>,
    },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the index of symbols holds as many files as it can")]
    Full,
    #[error("this is no SCIP index that can be used here: {what}")]
    NotScip { what: String },
    #[error("{path} cannot be read: {source}")]
    Import { path: String, source: Arc<io::Error> },
}

impl SymbolError {
    /// Whether building the index anew is the remedy.
    #[must_use]
    pub fn wants_rebuild(&self) -> bool {
        matches!(self, Self::Missing | Self::Damaged { .. } | Self::Format { .. })
    }

    fn damaged(what: &str) -> Self {
        Self::Damaged { what: what.to_owned() }
    }

    fn io(doing: &'static str, source: &io::Error) -> Self {
        // What an index needs and does not find has been lost.
        if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) {
            return Self::Damaged { what: format!("{doing} failed: {source}") };
        }
        Self::Io { doing, source: Arc::new(io::Error::new(source.kind(), source.to_string())) }
    }

    fn import(path: &Path, source: &io::Error) -> Self {
        Self::Import { path: path.display().to_string(), source: Arc::new(io::Error::new(source.kind(), source.to_string())) }
    }

    fn source(cause: SourceError) -> Self {
        Self::Source(cause)
    }
}

/// What a definition defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SymbolKind {
    Function = 1,
    Method = 2,
    Class = 3,
    Struct = 4,
    Enum = 5,
    Interface = 6,
    Type = 7,
    Macro = 8,
    Constant = 9,
    Field = 10,
    Variable = 11,
    Module = 12,
}

/// How a name is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ReferenceKind {
    Call = 0,
    /// As a type.
    Type = 1,
    /// Something inherits from it, or implements it.
    Implementation = 2,
    /// Declared without what it consists of.
    Declaration = 3,
    Other = 4,
}

impl SymbolKind {
    pub const ALL: [Self; 12] = [
        Self::Function,
        Self::Method,
        Self::Class,
        Self::Struct,
        Self::Enum,
        Self::Interface,
        Self::Type,
        Self::Macro,
        Self::Constant,
        Self::Field,
        Self::Variable,
        Self::Module,
    ];

    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Method => "method",
            Self::Class => "class",
            Self::Struct => "struct",
            Self::Enum => "enum",
            Self::Interface => "interface",
            Self::Type => "type",
            Self::Macro => "macro",
            Self::Constant => "constant",
            Self::Field => "field",
            Self::Variable => "variable",
            Self::Module => "module",
        }
    }

    fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// What is defined inside belongs to it.
    fn holds_members(self) -> bool {
        matches!(self, Self::Class | Self::Struct | Self::Enum | Self::Interface)
    }

    fn is_scope(self) -> bool {
        self.holds_members() || matches!(self, Self::Function | Self::Method | Self::Module)
    }
}

impl ReferenceKind {
    pub const ALL: [Self; 5] = [Self::Call, Self::Type, Self::Implementation, Self::Declaration, Self::Other];

    /// In one word, as addresses have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Type => "type",
            Self::Implementation => "implementation",
            Self::Declaration => "declaration",
            Self::Other => "other",
        }
    }

    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for SymbolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A name that is defined in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    pub kind: SymbolKind,
    /// Of the name, from 1.
    pub line: u32,
    /// Where the name begins in its line, in bytes of the decoded text, from 0.
    pub column: u32,
    /// The first and the last line of the whole.
    pub whole: (u32, u32),
    /// What it is defined in: `Class` or `module.Class`; empty at the top.
    pub container: String,
}

/// A name that is used in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub name: String,
    pub kind: ReferenceKind,
    pub line: u32,
    pub column: u32,
}

#[cfg(test)]
mod tests;
