//! What an administrator was shown of a grant before proposing or approving it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit::Draft;

/// What somebody was shown that a grant opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// SHA-256 of all that was shown, in hexadecimal.
    pub digest: String,
    /// The entry that says it was shown.
    pub entry: u64,
    pub figures: Figures,
}

/// What a grant opens, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Names of the published versions it is for, newest first.
    pub versions: Vec<String>,
    /// How many of these could not be counted yet.
    pub uncounted: u64,
    /// Files in the others; one that stands in several as it is counts once.
    pub files: u64,
    pub lines: u64,
    /// Paths whose names say that they may hold secrets.
    pub sensitive: u64,
    /// People who may read it.
    pub people: u64,
}

/// The same entry, saying what was looked at before.
pub(super) fn after_seeing(draft: Draft, seen: Option<&Seen>) -> Draft {
    match seen {
        Some(seen) => draft.fact("previewed", json!(seen.entry)).fact("digest", json!(seen.digest)),
        None => draft,
    }
}
