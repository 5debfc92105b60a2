//! What a path says of the file at it.

use crate::catalog::RepoPath;

/// What a path looks like, in the order in which files are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    Source,
    Documentation,
    Test,
    /// Brought in from elsewhere.
    Vendored,
}

impl PathKind {
    pub const ALL: [Self; 4] = [Self::Source, Self::Documentation, Self::Test, Self::Vendored];

    #[must_use]
    pub fn of(path: &RepoPath) -> Self {
        let mut kind = Self::Source;
        let mut components: Vec<Vec<u8>> = path.components().map(<[u8]>::to_ascii_lowercase).collect();
        let name = components.pop().unwrap_or_default();
        for directory in &components {
            kind = kind.max(match directory.as_slice() {
                b"vendor" | b"vendored" | b"third_party" | b"third-party" | b"thirdparty" | b"node_modules" => Self::Vendored,
                b"test" | b"tests" | b"testing" | b"testdata" | b"__tests__" | b"spec" | b"specs" | b"t" => Self::Test,
                b"doc" | b"docs" | b"documentation" => Self::Documentation,
                _ => Self::Source,
            });
        }
        let stem = name.split(|&b| b == b'.').next().unwrap_or_default();
        let is_test = stem.starts_with(b"test_") || stem.starts_with(b"test-") || stem.ends_with(b"_test") || stem.ends_with(b"_spec");
        let inner = name.windows(6).any(|w| w == b".test." || w == b".spec.");
        if is_test || inner { kind.max(Self::Test) } else { kind }
    }
}
