//! What a git tree, commit and `.gitmodules` say, read from their bytes: pure rules, no repository.
//!
//! Nothing here trusts its input. A tree is taken apart entry by entry and either understood whole or refused, since an entry that
//! is skipped would be a file that no reviewer ever sees.

use std::cmp::Ordering;
use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// The largest object taken into a mirror and read, in bytes.
pub const LARGEST_OBJECT: u64 = 1 << 30;

/// The name of a git object: the 20 bytes of its SHA-1, in hexadecimal as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 20]);

impl ObjectId {
    /// The blob of no bytes. A file of it is like any other, so that tells nothing of where one came from.
    pub(super) const EMPTY: Self =
        Self([0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6, 0x43, 0x4b, 0x8b, 0x29, 0xae, 0x77, 0x5a, 0xd8, 0xc2, 0xe4, 0x8c, 0x53, 0x91]);

    /// From 40 hexadecimal digits, of either case.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
        Self::from_bytes(&bytes)
    }

    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    #[must_use]
    pub const fn bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    Tree,
    Blob,
    /// A blob whose bytes are the path it points at.
    Symlink,
    /// A commit of another repository, which is not mirrored.
    Submodule,
}

/// One entry of a tree, as the tree states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// One component: never empty, no slash, no NUL; need not be UTF-8.
    pub name: Vec<u8>,
    pub kind: EntryKind,
    pub executable: bool,
    pub id: ObjectId,
}

/// One line of a directory listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: Vec<u8>,
    pub kind: EntryKind,
    pub executable: bool,
    pub id: ObjectId,
    /// In bytes: of files and symbolic links.
    pub size: Option<u64>,
}

/// Where a path leads in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub kind: EntryKind,
    pub id: ObjectId,
    /// In bytes: of files and symbolic links.
    pub size: Option<u64>,
    pub executable: bool,
}

/// Why bytes are not a tree that can be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error("an entry is cut short")]
    Cut,
    #[error("an entry has the mode {0:?}, which means nothing")]
    Mode(String),
    #[error("an entry is named {0:?}, which no path can hold")]
    Name(String),
    #[error("two entries are named {0:?}")]
    Twice(String),
}

/// The entries of a tree object, one after the other, as they stand in its bytes.
#[derive(Clone, Debug)]
pub struct TreeEntries<'a> {
    rest: &'a [u8],
}

/// One entry of a tree, borrowed from the tree's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeEntryRef<'a> {
    pub name: &'a [u8],
    pub kind: EntryKind,
    pub executable: bool,
    pub id: ObjectId,
}

impl<'a> TreeEntries<'a> {
    #[must_use]
    pub fn of(tree: &'a [u8]) -> Self {
        Self { rest: tree }
    }

    /// Bytes that were not looked at yet.
    #[must_use]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self) -> Result<TreeEntryRef<'a>, TreeError> {
        let (mode, rest) = split_at_byte(self.rest, b' ').ok_or(TreeError::Cut)?;
        let (name, rest) = split_at_byte(rest, 0).ok_or(TreeError::Cut)?;
        let (id, rest) = rest.split_at_checked(20).ok_or(TreeError::Cut)?;
        let id = ObjectId::from_bytes(id).ok_or(TreeError::Cut)?;
        let (kind, executable) = kind_of(mode).ok_or_else(|| TreeError::Mode(shown(mode)))?;
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
            return Err(TreeError::Name(shown(name)));
        }
        self.rest = rest;
        Ok(TreeEntryRef { name, kind, executable, id })
    }
}

impl<'a> Iterator for TreeEntries<'a> {
    type Item = Result<TreeEntryRef<'a>, TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.take();
        if entry.is_err() {
            self.rest = b"";
        }
        Some(entry)
    }
}

/// All entries of a tree object, in its order.
///
/// # Errors
/// When an entry is not understood.
pub fn parse_tree(tree: &[u8]) -> Result<Vec<TreeEntry>, TreeError> {
    TreeEntries::of(tree)
        .map(|entry| entry.map(|e| TreeEntry { name: e.name.to_vec(), kind: e.kind, executable: e.executable, id: e.id }))
        .collect()
}

/// Whether a tree can be taken into a mirror: understood whole, no name twice, and no `.git`, which some checkout of it would obey.
/// Calls `each` with every entry on the way.
///
/// # Errors
/// What is wrong with it.
pub fn check_tree<'a>(tree: &'a [u8], mut each: impl FnMut(TreeEntryRef<'a>)) -> Result<(), TreeError> {
    let mut previous: &[u8] = b"";
    let mut sorted = true;
    for entry in TreeEntries::of(tree) {
        let entry = entry?;
        if entry.name.eq_ignore_ascii_case(b".git") {
            return Err(TreeError::Name(shown(entry.name)));
        }
        // Git sorts a directory as if its name ended in a slash, so `a` the directory stands behind `a.c`; two equal names
        // need not be neighbours in that order, and in plain order most trees are sorted but for a few.
        sorted &= previous < entry.name;
        previous = entry.name;
        each(entry);
    }
    if sorted {
        return Ok(());
    }
    let mut names: Vec<&[u8]> = TreeEntries::of(tree).flatten().map(|e| e.name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => Err(TreeError::Twice(shown(pair.first().copied().unwrap_or_default()))),
        None => Ok(()),
    }
}

/// Directories first, then names in byte order.
pub fn listing_order(a: &Entry, b: &Entry) -> Ordering {
    let later = |e: &Entry| e.kind != EntryKind::Tree;
    later(a).cmp(&later(b)).then_with(|| a.name.cmp(&b.name))
}

fn kind_of(mode: &[u8]) -> Option<(EntryKind, bool)> {
    // Old tools padded modes with zeros and kept group bits (100664); git reads both.
    if mode.is_empty() || mode.len() > 7 || !mode.iter().all(|d| (b'0'..=b'7').contains(d)) {
        return None;
    }
    let mode = mode.iter().fold(0_u32, |mode, d| mode * 8 + u32::from(d - b'0'));
    match mode & 0o170_000 {
        0o040_000 => Some((EntryKind::Tree, false)),
        0o100_000 => Some((EntryKind::Blob, mode & 0o111 != 0)),
        0o120_000 => Some((EntryKind::Symlink, false)),
        0o160_000 => Some((EntryKind::Submodule, false)),
        _ => None,
    }
}

pub(super) fn split_at_byte(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&b| b == byte)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

fn shown(bytes: &[u8]) -> String {
    crate::catalog::name_text(bytes.get(..100).unwrap_or(bytes))
}

/// The tree and the parents a commit names in its first lines, and when it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitLinks {
    pub tree: ObjectId,
    pub parents: Vec<ObjectId>,
    /// Seconds since the epoch; 0 where the commit does not say.
    pub time: i64,
}

/// Reads the links of a commit object; `None` when it is no commit.
#[must_use]
pub fn commit_links(commit: &[u8]) -> Option<CommitLinks> {
    let (first, mut rest) = split_at_byte(commit, b'\n')?;
    let tree = link(first, b"tree ")?;
    let mut parents = Vec::new();
    while let Some((line, after)) = split_at_byte(rest, b'\n') {
        if !line.starts_with(b"parent ") {
            break;
        }
        parents.push(link(line, b"parent ")?);
        rest = after;
    }
    let headers = rest.split(|&b| b == b'\n').take_while(|line| !line.is_empty());
    let committer = headers.into_iter().find_map(|line| line.strip_prefix(b"committer "));
    // `Name <address> seconds zone`; names and addresses may hold spaces.
    let seconds = committer.and_then(|who| who.rsplit(|&b| b == b' ').nth(1));
    let time = seconds.and_then(|s| std::str::from_utf8(s).ok()?.parse().ok()).unwrap_or(0);
    Some(CommitLinks { tree, parents, time })
}

fn link(line: &[u8], word: &[u8]) -> Option<ObjectId> {
    ObjectId::parse(std::str::from_utf8(line.strip_prefix(word)?).ok()?)
}

/// Where the submodule at `path` comes from, by the text of a `.gitmodules`.
///
/// The file is in git's configuration syntax. What is not understood is passed over, and a URL is only ever shown.
#[must_use]
pub fn submodule_url(gitmodules: &[u8], path: &[u8]) -> Option<String> {
    let mut url: Option<String> = None;
    let mut here = false;
    let mut found = None;
    let text = gitmodules.get(..1 << 20).unwrap_or(gitmodules);
    let finish = |url: &mut Option<String>, here: &mut bool, found: &mut Option<String>| {
        if std::mem::take(here) && found.is_none() {
            *found = url.take();
        }
        *url = None;
    };
    for line in text.split(|&b| b == b'\n') {
        let line = line.trim_ascii();
        if line.starts_with(b"[") {
            finish(&mut url, &mut here, &mut found);
            continue;
        }
        let Some((key, value)) = split_at_byte(line, b'=') else { continue };
        let value = unquoted(value.trim_ascii());
        match key.trim_ascii().to_ascii_lowercase().as_slice() {
            b"path" => here = value.strip_suffix(b"/").unwrap_or(&value) == path,
            b"url" => url = Some(crate::catalog::name_text(value.get(..2048).unwrap_or(&value))),
            _ => {}
        }
    }
    finish(&mut url, &mut here, &mut found);
    found
}

/// A value of git's configuration syntax: quotes dropped, escapes resolved, a comment behind it cut off.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut quoted = false;
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'#' | b';' if !quoted => break,
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(b't') => out.push(b'\t'),
                Some(b'b') | None => {}
                Some(other) => out.push(other),
            },
            _ => out.push(byte),
        }
    }
    if !quoted {
        out.truncate(out.trim_ascii_end().len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: &str, name: &[u8]) -> Vec<u8> {
        let mut bytes = mode.as_bytes().to_vec();
        bytes.push(b' ');
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(&[7; 20]);
        bytes
    }

    #[test]
    fn modes_say_what_an_entry_is() {
        for (mode, kind, executable) in [
            ("40000", EntryKind::Tree, false),
            ("040000", EntryKind::Tree, false),
            ("100644", EntryKind::Blob, false),
            ("100664", EntryKind::Blob, false),
            ("100755", EntryKind::Blob, true),
            ("120000", EntryKind::Symlink, false),
            ("160000", EntryKind::Submodule, false),
        ] {
            let entries = parse_tree(&entry(mode, b"caf\xe9")).unwrap();
            assert_eq!(entries, [TreeEntry { name: b"caf\xe9".to_vec(), kind, executable, id: ObjectId([7; 20]) }], "{mode}");
        }
    }

    #[test]
    fn a_tree_is_understood_whole_or_refused() {
        let good = entry("100644", b"a");
        for cut in 1..good.len() {
            assert_eq!(parse_tree(&good[..cut]), Err(TreeError::Cut), "{cut}");
        }
        assert_eq!(parse_tree(b"").unwrap(), []);
        for (bytes, error) in [
            (entry("20000", b"a"), TreeError::Mode("20000".into())),
            (entry("99", b"a"), TreeError::Mode("99".into())),
            (entry("37777777777777777777777", b"a"), TreeError::Mode("37777777777777777777777".into())),
            (entry("100644", b""), TreeError::Name(String::new())),
            (entry("40000", b".."), TreeError::Name("..".into())),
            (entry("100644", b"a/b"), TreeError::Name("a/b".into())),
        ] {
            assert_eq!(parse_tree(&bytes), Err(error));
        }
    }

    #[test]
    fn names_may_not_stand_twice_or_steer_a_checkout() {
        let all = |entries: &[Vec<u8>]| check_tree(&entries.concat(), |_| {});
        // Git's own order: the directory `a` behind `a.c`.
        assert_eq!(all(&[entry("100644", b"a.c"), entry("40000", b"a")]), Ok(()));
        assert_eq!(all(&[entry("100644", b"a"), entry("100644", b"a.c"), entry("40000", b"a")]), Err(TreeError::Twice("a".into())));
        assert_eq!(all(&[entry("40000", b".GIT")]), Err(TreeError::Name(".GIT".into())));
        assert_eq!(all(&[entry("100644", b".gitignore"), entry("100644", b".gitmodules")]), Ok(()));
    }

    #[test]
    fn a_commit_names_its_tree_and_parents() {
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let text = format!("tree {a}\nparent {b}\nparent {c}\nauthor X\ncommitter A B <a b> 1700000000 +0100\n\nparent {a}\n");
        let links = commit_links(text.as_bytes()).unwrap();
        assert_eq!((links.tree.to_string(), links.time), (a.clone(), 1_700_000_000));
        assert_eq!(commit_links(format!("tree {a}\n\ncommitter x 5 +0000\n").as_bytes()).unwrap().time, 0);
        assert_eq!(links.parents.iter().map(ToString::to_string).collect::<Vec<_>>(), [b.clone(), c]);
        assert_eq!(commit_links(format!("parent {b}\n").as_bytes()), None);
        assert_eq!(commit_links(format!("tree {a}\nparent xyz\n").as_bytes()), None);
    }

    #[test]
    fn gitmodules_are_read_and_nonsense_is_passed_over() {
        let text = b"# a comment\n[submodule \"one\"]\n\tpath = lib/one\n\turl = https://example.org/one.git\n\
            [submodule \"two\"]\n\turl = \"ssh://example.org/t\\\\wo\" ; why\n\tPATH = lib/two/\n[broken\n= = =\n\xff\xfe\n";
        assert_eq!(submodule_url(text, b"lib/one").unwrap(), "https://example.org/one.git");
        assert_eq!(submodule_url(text, b"lib/two").unwrap(), "ssh://example.org/t\\wo");
        assert_eq!(submodule_url(text, b"lib"), None);
        assert_eq!(submodule_url(b"path = x\nurl", b"x"), None);
        assert_eq!(submodule_url(b"", b""), None);
    }

    #[test]
    fn listings_put_directories_first() {
        let line = |name: &str, kind| Entry { name: name.into(), kind, executable: false, id: ObjectId([0; 20]), size: None };
        let mut lines =
            [line("b", EntryKind::Blob), line("z", EntryKind::Tree), line("Z", EntryKind::Submodule), line("a", EntryKind::Tree)];
        lines.sort_by(listing_order);
        let names: Vec<_> = lines.iter().map(|l| l.name.clone()).collect();
        assert_eq!(names, [b"a", b"z", b"Z", b"b"]);
    }
}
