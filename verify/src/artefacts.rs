//! Where a verifier reads what a log publishes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::tiles::LONGEST_BUNDLE;

/// The verifier key, as it lies beside what is published.
pub const VKEY_FILE: &str = "log.vkey";
/// The personal parts of an export, one JSON object a line: `{"index":…,"personal":{…}}`, by rising index.
pub const PERSONAL_FILE: &str = "personal.jsonl";

/// Why an artefact could not be read. That there is none is no error.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    #[error("{name} was refused ({status}); the portal wants a token (--token)")]
    Refused { name: String, status: u16 },
    #[error("{name} could not be read: {source}")]
    Io { name: String, source: io::Error },
    #[error("{name} could not be fetched: {why}")]
    Http { name: String, why: String },
    #[error("{name} is longer than any such thing can be")]
    TooLong { name: String },
}

/// A reader of lines from an artefact of any length.
pub type Lines = Box<dyn BufRead>;

/// What a log publishes, by name (`checkpoint`, `tile/0/000`, …). Several threads may read at a time.
pub trait Artefacts: Sync {
    /// All of one artefact; `None` when there is none of this name.
    ///
    /// # Errors
    /// When it cannot be read, may not be, or is too long for what it should be.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArtefactError>;

    /// The personal parts beside the entries; `None` when they are not published here.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    fn personal(&self) -> Result<Option<Lines>, ArtefactError> {
        Ok(None)
    }
}

/// An exported log.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

impl Directory {
    fn open(&self, name: &str) -> Result<Option<File>, ArtefactError> {
        match File::open(self.0.join(Path::new(name))) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound || e.kind() == io::ErrorKind::NotADirectory => Ok(None),
            Err(source) => Err(ArtefactError::Io { name: name.to_owned(), source }),
        }
    }
}

impl Artefacts for Directory {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArtefactError> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let most = LONGEST_BUNDLE as u64;
        let read = file.take(most + 1).read_to_end(&mut bytes);
        match read {
            Ok(length) if length as u64 > most => Err(ArtefactError::TooLong { name: name.to_owned() }),
            Ok(_) => Ok(Some(bytes)),
            Err(source) => Err(ArtefactError::Io { name: name.to_owned(), source }),
        }
    }

    fn personal(&self) -> Result<Option<Lines>, ArtefactError> {
        Ok(self.open(PERSONAL_FILE)?.map(|file| Box::new(BufReader::with_capacity(1 << 16, file)) as Lines))
    }
}
