//! A path in a published version.

use super::RepoPath;
use crate::audit;

/// A path in a version of a product. The commit is the one the version pins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub product: String,
    pub version: String,
    pub commit: String,
    pub path: RepoPath,
}

impl Place {
    /// Another path in the same version.
    #[must_use]
    pub fn with_path(&self, path: RepoPath) -> Self {
        Self { path, ..self.clone() }
    }

    /// Whether `inner` lies in the same version at this path or below it.
    #[must_use]
    pub fn contains(&self, inner: &Self) -> bool {
        self.product == inner.product && self.version == inner.version && self.commit == inner.commit && self.path.contains(&inner.path)
    }

    /// As an entry of the log names it.
    #[must_use]
    pub fn entry(&self) -> audit::Place {
        audit::Place {
            product: self.product.clone(),
            version: Some(self.version.clone()),
            commit: Some(self.commit.clone()),
            path: Some(path_text(&self.path)),
            ..audit::Place::default()
        }
    }
}

/// A path as entries of the log write it: its text, and its bytes where they are not UTF-8.
#[must_use]
pub fn path_text(path: &RepoPath) -> audit::PathText {
    audit::PathText { text: path.to_string(), hex: path.odd_bytes() }
}
