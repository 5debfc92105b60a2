//! The log's key in its two files: `log.key`, which only the portal may read, and `log.vkey`, which everyone should have.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::checkpoint::{SignerKey, VerifierKey};
use super::{AuditError, durable_file};
use crate::ids::Entropy;

/// The key that signs checkpoints. Its name is the log's origin.
pub type LogKey = SignerKey;

const SECRET: &str = "log.key";
/// The file name of the verifier key, in the key directory and in an export.
pub const PUBLIC: &str = "log.vkey";

impl LogKey {
    /// The key in `directory` (`DATA/keys`), made with this origin when there is none yet.
    ///
    /// # Errors
    /// When the files cannot be read or written, or the key that is there has another origin.
    pub fn open_or_create(directory: &Path, origin: &str, entropy: &Entropy) -> Result<Self, AuditError> {
        fs::create_dir_all(directory).map_err(|e| file_error(directory, e))?;
        let file = directory.join(SECRET);
        if !file.try_exists().map_err(|e| file_error(&file, e))? {
            let text = format!("{}\n", Self::new(origin, &entropy.bytes())?.to_secret_text());
            match durable_file::create(&file, text.as_bytes(), 0o600) {
                // Another process was faster: its key is the key.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                other => other.map_err(|e| file_error(&file, e))?,
            }
        }
        let key = Self::read(directory)?;
        if key.public().name() != origin {
            let (path, is, wanted) = (file.display(), key.public().name(), origin);
            return Err(AuditError::Inconsistent {
                found: format!("the key in {path} is that of the log {is:?}, and the origin is set to {wanted:?}"),
                remedy: format!("set the origin back to {is:?}: a log keeps its name for as long as it lives"),
            });
        }
        let public = directory.join(PUBLIC);
        let text = format!("{}\n", key.public());
        if fs::read(&public).ok().as_deref() != Some(text.as_bytes()) {
            durable_file::replace(&public, text.as_bytes()).map_err(|e| file_error(&public, e))?;
        }
        Ok(key)
    }

    /// The key in `directory`.
    ///
    /// # Errors
    /// When there is none, or its file holds something else.
    pub fn read(directory: &Path) -> Result<Self, AuditError> {
        let file = directory.join(SECRET);
        let text = fs::read_to_string(&file).map_err(|e| file_error(&file, e))?;
        Ok(Self::from_secret_text(&text)?)
    }
}

/// The verifier key in `directory`, as [`LogKey::open_or_create`] leaves it there.
///
/// # Errors
/// When there is none, or its file holds something else.
pub fn read_public(directory: &Path) -> Result<VerifierKey, AuditError> {
    let file = directory.join(PUBLIC);
    let text = fs::read_to_string(&file).map_err(|e| file_error(&file, e))?;
    Ok(text.parse()?)
}

pub(super) fn file_error(path: &Path, source: io::Error) -> AuditError {
    AuditError::File { path: path.to_owned(), source }
}
