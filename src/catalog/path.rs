//! Paths inside a version's tree.

use std::fmt;

use data_encoding::HEXLOWER;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// A path from the root of a tree: bytes, as git keeps them, which need not be UTF-8.
///
/// Compared by component (`kernel/a` does not contain `kernel/ab`), so it does not deref to `str`. The empty path is the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Vec<u8>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("a path may not hold an empty component (two slashes in a row, or one at its start)")]
    EmptyComponent,
    #[error("a path may not hold the components \".\" or \"..\"")]
    Dots,
    #[error("a path may not hold a NUL byte")]
    Nul,
    #[error("a path may be {} bytes long at most", RepoPath::LONGEST)]
    TooLong,
}

/// What stays as it is in an address: unreserved characters (RFC 3986, section 2.3) and a few that browsers leave alone.
const IN_ADDRESS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+').remove(b',').remove(b'@').remove(b'=').remove(b'/');

impl RepoPath {
    /// Bytes in the longest path taken; Linux's `PATH_MAX`.
    pub const LONGEST: usize = 4096;

    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Takes the bytes of a path; one slash at its end is dropped.
    ///
    /// # Errors
    /// When it is no path that a tree could hold.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        let bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(Self::root());
        }
        if bytes.len() > Self::LONGEST {
            return Err(PathError::TooLong);
        }
        if bytes.contains(&0) {
            return Err(PathError::Nul);
        }
        for component in bytes.split(|&b| b == b'/') {
            match component {
                b"" => return Err(PathError::EmptyComponent),
                b"." | b".." => return Err(PathError::Dots),
                _ => {}
            }
        }
        Ok(Self(bytes.to_vec()))
    }

    /// Takes a path from an address, where bytes may be percent-encoded.
    ///
    /// # Errors
    /// As [`RepoPath::parse`].
    pub fn from_address(text: &str) -> Result<Self, PathError> {
        let bytes: Vec<u8> = percent_decode_str(text).collect();
        Self::parse(&bytes)
    }

    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the root downwards; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|c| !c.is_empty())
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.components().next_back().unwrap_or(b"")
    }

    /// The directory it lies in; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Self(self.0.get(..end).unwrap_or(b"").to_vec())
    }

    /// The path of `name` in this directory.
    ///
    /// # Errors
    /// When `name` is not one component, or the whole grows too long.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        if name.is_empty() || name.contains(&b'/') {
            return Err(PathError::EmptyComponent);
        }
        let mut bytes = self.0.clone();
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        Self::parse(&bytes)
    }

    /// Whether `inner` is this path or lies below it, component by component.
    #[must_use]
    pub fn contains(&self, inner: &Self) -> bool {
        if self.is_root() {
            return true;
        }
        inner.0.strip_prefix(self.0.as_slice()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    /// Every directory above it and itself, from the first component down; none for the root.
    #[must_use]
    pub fn trail(&self) -> Vec<Self> {
        let mut trail = Vec::new();
        let mut at = Self::root();
        for component in self.components() {
            if !at.0.is_empty() {
                at.0.push(b'/');
            }
            at.0.extend_from_slice(component);
            trail.push(at.clone());
        }
        trail
    }

    /// For an address: percent-encoded, slashes kept.
    #[must_use]
    pub fn address(&self) -> String {
        percent_encode(&self.0, IN_ADDRESS).to_string()
    }

    /// Its bytes in hexadecimal where they are not UTF-8, since its text then shows them but cannot be turned back.
    #[must_use]
    pub fn odd_bytes(&self) -> Option<String> {
        std::str::from_utf8(&self.0).is_err().then(|| HEXLOWER.encode(&self.0))
    }
}

/// As text: UTF-8 as it is, other bytes as `\xE9`.
impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_text(&self.0))
    }
}

/// The text of a file name or path that need not be UTF-8.
#[must_use]
pub fn name_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn containment_is_by_component() {
        assert!(path("kernel/a").contains(&path("kernel/a")));
        assert!(path("kernel/a").contains(&path("kernel/a/b.c")));
        assert!(!path("kernel/a").contains(&path("kernel/ab")));
        assert!(!path("kernel/a").contains(&path("kernel")));
        assert!(RepoPath::root().contains(&path("x")));
        assert!(!path("x").contains(&RepoPath::root()));
    }

    #[test]
    fn odd_paths_are_named_and_refused() {
        for (text, error) in [
            ("/etc", PathError::EmptyComponent),
            ("a//b", PathError::EmptyComponent),
            ("a/../b", PathError::Dots),
            ("./a", PathError::Dots),
            ("a\0", PathError::Nul),
        ] {
            assert_eq!(RepoPath::parse(text.as_bytes()), Err(error), "{text:?}");
        }
        assert_eq!(RepoPath::parse(&[b'a'; 4097]), Err(PathError::TooLong));
        assert_eq!(RepoPath::from_address("a%2f..%2fb"), Err(PathError::Dots));
        assert_eq!(RepoPath::parse(b"a/b/"), Ok(path("a/b")));
    }

    #[test]
    fn bytes_that_are_not_utf8_survive_the_address() {
        let odd = RepoPath::parse(b"caf\xe9/a b#?.c").unwrap();
        assert_eq!(odd.to_string(), "caf\\xE9/a b#?.c");
        assert_eq!(odd.address(), "caf%E9/a%20b%23%3F.c");
        assert_eq!(RepoPath::from_address(&odd.address()), Ok(odd.clone()));
        assert_eq!(odd.odd_bytes().unwrap(), "636166e92f612062233f2e63");
        assert_eq!(path("a").odd_bytes(), None);
    }

    #[test]
    fn parents_and_trails() {
        assert_eq!(path("a/b/c").parent(), path("a/b"));
        assert_eq!(path("a").parent(), RepoPath::root());
        assert_eq!(path("a/b").trail(), [path("a"), path("a/b")]);
        assert_eq!(path("a").join(b"b").unwrap(), path("a/b"));
        assert!(path("a").join(b"b/c").is_err());
        assert!(path("a").join(b"..").is_err());
    }
}
