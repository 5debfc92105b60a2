//! `DATA/witnessed`: the newest checkpoint that a quorum has cosigned, beside `DATA/checkpoint`.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::gathering::Candidate;
use crate::audit::checkpoint::LONGEST_NOTE;
use crate::audit::handover::Keys;
use crate::audit::keys::file_error;
use crate::audit::policy::Policy;
use crate::audit::{AuditError, Shared};

/// The file's name, beside the checkpoint that was signed last.
const NAME: &str = "witnessed";

pub(super) const REMEDY: &str = "The database was put back to an older copy, or its log was changed. Stop every portal on this log and keep what is \
                                 there now: it is evidence. Then restore the newest copy of the database, with the files `checkpoint` and `witnessed` \
                                 as they are now. A log that has lost entries which witnesses cosigned can never be witnessed again";

pub(in crate::audit) fn file(checkpoint: &Path) -> PathBuf {
    checkpoint.with_file_name(NAME)
}

/// What is kept, with the cosignatures by the policy's witnesses; `None` when there is no such file.
pub(super) fn read(file: &Path, log: &Keys, policy: &Policy) -> Result<Option<Candidate>, AuditError> {
    let Some(note) = text(file)? else { return Ok(None) };
    Candidate::read(&note, log, policy).map(Some).map_err(|e| damaged(file, &e))
}

fn text(file: &Path) -> Result<Option<String>, AuditError> {
    let open = match File::open(file) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| file_error(file, e))?,
    };
    let mut text = String::new();
    match open.take(LONGEST_NOTE as u64 + 1).read_to_string(&mut text) {
        Ok(_) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::InvalidData => Err(damaged(file, &e)),
        Err(e) => Err(file_error(file, e)),
    }
}

fn damaged(file: &Path, why: &dyn std::fmt::Display) -> AuditError {
    AuditError::Inconsistent {
        found: format!("{} holds no cosigned checkpoint of this log: {why}", file.display()),
        remedy:
            "Put that file back from a copy. If there is none, ask a witness for the checkpoint that it cosigned last and put that there: \
                 without it nothing at the start shows that the log was not put back"
                .to_owned(),
    }
}

impl Shared {
    /// Refuses a log that does not extend the checkpoint that its witnesses cosigned last, whether or not witnesses are
    /// asked for any more. All of the log has been verified against itself before.
    pub(in crate::audit) async fn check_kept(&self) -> Result<(), AuditError> {
        let file = file(&self.settings.checkpoint_file);
        let Some(note) = text(&file)? else { return Ok(()) };
        let kept = self.key.keys().open(&note).map_err(|e| damaged(&file, &e))?;
        let size = self.verified().size();
        let found = if kept.size > size {
            format!("the log has {size} entries, and {} were cosigned by its witnesses ({})", kept.size, file.display())
        } else {
            let root = self.root_at(kept.size).await?;
            if root == kept.root {
                return Ok(());
            }
            format!(
                "the first {} entries hash to {}, and its witnesses cosigned {} ({})",
                kept.size,
                BASE64.encode(&root),
                BASE64.encode(&kept.root),
                file.display()
            )
        };
        Err(AuditError::Inconsistent { found, remedy: REMEDY.to_owned() })
    }
}
