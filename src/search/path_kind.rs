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

/// Names of files that say how something is built, packaged or tested by machines, in lower case.
const BUILD_FILES: &[&str] = &[
    "build",
    "build.bazel",
    "build.rs",
    "build.xml",
    "cargo.lock",
    "cargo.toml",
    "cmakelists.txt",
    "configure",
    "configure.ac",
    "configure.in",
    "containerfile",
    "dockerfile",
    "gemfile",
    "gnumakefile",
    "go.mod",
    "go.sum",
    "jenkinsfile",
    "justfile",
    "kbuild",
    "kconfig",
    "makefile",
    "meson.build",
    "meson_options.txt",
    "module.bazel",
    "package-lock.json",
    "package.json",
    "pom.xml",
    "pyproject.toml",
    "rakefile",
    "requirements.txt",
    "sconstruct",
    "setup.cfg",
    "setup.py",
    "vagrantfile",
    "workspace",
    "yarn.lock",
];
const BUILD_ENDINGS: &[&str] = &[
    ".ac",
    ".am",
    ".bzl",
    ".cmake",
    ".csproj",
    ".gradle",
    ".gradle.kts",
    ".m4",
    ".mak",
    ".mk",
    ".ninja",
    ".nix",
    ".sln",
    ".spec",
    ".vcxproj",
];

/// Whether a path looks like a file that says how something is built: where what is shipped can be made to differ from what is read.
#[must_use]
pub fn is_build_script(path: &RepoPath) -> bool {
    let text = path.to_string().to_ascii_lowercase();
    let name = text.rsplit('/').next().unwrap_or_default();
    // `Makefile.am`, `config.mak.dev`, `Dockerfile.alpine`.
    let stem = name.split('.').next().unwrap_or_default();
    let is_stem = matches!(stem, "makefile" | "kbuild" | "kconfig" | "dockerfile" | "containerfile" | "gnumakefile");
    let by_name = is_stem || BUILD_FILES.contains(&name) || BUILD_ENDINGS.iter().any(|ending| name.ends_with(ending));
    let in_config = [".github/workflows/", ".gitlab/ci/", ".circleci/", ".buildkite/", "debian/"]
        .iter()
        .any(|place| text.starts_with(place) || text.contains(&format!("/{place}")));
    by_name || in_config || name.contains(".mak.") || name == ".gitlab-ci.yml" || name == ".travis.yml" || name == ".cirrus.yml"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_build_are_known_by_their_names() {
        let is = |path: &str| is_build_script(&RepoPath::parse(path.as_bytes()).unwrap());
        for path in [
            "Makefile",
            "src/Makefile.am",
            "config.mak.dev",
            "lib/rules.mk",
            "a/CMakeLists.txt",
            "configure.ac",
            ".github/workflows/main.yml",
            "debian/rules",
            "sub/build.rs",
        ] {
            assert!(is(path), "{path}");
        }
        for path in ["builtin/log.c", "build/main.c", "make.c", "docs/makefiles.txt", "src/makefile_parser.rs", "package.c"] {
            assert!(!is(path), "{path}");
        }
    }
}
