//! Finding files by a few letters of their names, among all paths of one version that the asker may read.
//!
//! The letters must stand in the path in their order; what is written apart must each be found. Matches in the file's own name
//! count for more than those in its directories, beginnings of words for more than their middles, and letters side by side for
//! more than scattered ones. Only paths within the scope are looked at, so how long it takes tells of nothing else.

use std::cmp::Reverse;
use std::ops::Range;

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::documents::Documents;
use super::query::Versions;
use super::scope::Selection;
use super::sealed::{Indexes, Sealed, drafts_of, scope_of};
use super::{BlobId, PathKind};
use crate::access::{ReadableVersion, Scoped};
use crate::audit::{Draft, Receipt, Recordable, Recorded, Shown};
use crate::catalog::{RepoPath, path_text};

/// Characters of what is looked for; nobody types more.
const LONGEST: usize = 400;
/// What a match in the file's own name counts, beside the match in the path.
const NAME: u32 = 2;
/// For a name that is all that was typed, with its ending or without, and for one that begins with it.
const WHOLE: u32 = 1_000;
const BEGINNING: u32 = 60;
/// For a word that is a directory's name, or the file's without its ending.
const COMPONENT: u32 = 200;

/// Part of a file's name, in one version.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub product: String,
    pub version: String,
    pub text: String,
    /// Files shown at most.
    pub limit: usize,
}

/// Files by their names, the likeliest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub files: Vec<NamedFile>,
    /// Files whose path matches, shown or not.
    pub total: u64,
    /// Files in the version that the asker may read.
    pub searched: u64,
    /// False: the index does not hold this version yet, and nothing was looked at.
    pub indexed: bool,
    product: String,
    version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    pub path: RepoPath,
    pub blob: BlobId,
    /// What matches, in bytes of the path as text; in order.
    pub matched: Vec<Range<usize>>,
}

impl Indexes {
    /// Looks for files within what the asker may read. Blocks for some milliseconds: call it off the async threads.
    pub fn find(&self, scoped: &Scoped<Wanted>) -> Sealed<Files> {
        let wanted = scoped.query();
        let readable = scoped.products().iter().find(|one| one.product.name == wanted.product);
        let version = readable.and_then(|one| one.versions.iter().find(|one| one.name == wanted.version));
        let mut found = Files { product: wanted.product.clone(), version: wanted.version.clone(), ..Files::default() };
        if let Some(version) = version {
            self.look(scoped, version, &mut found);
        }
        let bases = version.map(|version| (wanted.product.clone(), version.basis.clone()));
        Sealed::of(found, scoped, &wanted.text).resting_on(bases.into_iter().collect())
    }

    fn look(&self, scoped: &Scoped<Wanted>, version: &ReadableVersion, found: &mut Files) {
        let wanted = scoped.query();
        let scope = scope_of(scoped, self);
        let Some(mut product) = scope.products.into_iter().find(|one| one.product == wanted.product) else { return };
        product.versions.retain(|one| one.name == wanted.version);
        let (Some(selection), missing) = Selection::new(&product, &Versions::All) else { return };
        found.indexed = missing.is_empty();
        found.searched = selection.documents.len();
        let text: String = wanted.text.chars().take(LONGEST).collect();
        let documents = &selection.index.documents;
        let (total, best) = ranked(documents, selection.documents.iter(), &text, wanted.limit);
        found.total = total;
        found.files = best;
        // The scope once more, asked of each by itself.
        found.files.retain(|file| version.scopes.iter().any(|scope| scope.reads(&file.path)));
    }
}

/// How well a path matches: more letters side by side first, then source before tests and what was brought in, then the shorter.
type Rank = (Reverse<u32>, PathKind, usize);

fn ranked(documents: &Documents, all: impl Iterator<Item = u32>, text: &str, limit: usize) -> (u64, Vec<NamedFile>) {
    let mut finder = Finder::new(text);
    let mut hits: Vec<(Rank, u32)> = Vec::new();
    for number in all {
        let Some((document, path)) = documents.get(number).zip(documents.path(number)) else { continue };
        if let Some(score) = finder.score(path) {
            hits.push(((Reverse(score), documents.kind(document), path.bytes().len()), number));
        }
    }
    let total = hits.len() as u64;
    let order = |hit: &(Rank, u32)| (hit.0, documents.rank(hit.1));
    if hits.len() > limit {
        hits.select_nth_unstable_by_key(limit, order);
        hits.truncate(limit);
    }
    hits.sort_unstable_by_key(order);
    let named = hits.into_iter().filter_map(|(_, number)| {
        let path = documents.path(number)?;
        Some(NamedFile { path: path.clone(), blob: documents.get(number)?.blob, matched: finder.matched(path) })
    });
    (total, named.collect())
}

/// What was typed, ready to be held against paths.
struct Finder {
    matcher: Matcher,
    /// What was typed apart, each with its lower case.
    words: Vec<(Atom, String)>,
    /// All of it in lower case.
    small: String,
    letters: Vec<char>,
}

impl Finder {
    fn new(text: &str) -> Self {
        let atom = |word: &str| Atom::new(word, CaseMatching::Smart, Normalization::Smart, AtomKind::Fuzzy, false);
        let words = text.split_whitespace().map(|word| (atom(word), word.to_lowercase())).collect();
        Self { matcher: Matcher::new(Config::DEFAULT.match_paths()), words, small: text.trim().to_lowercase(), letters: Vec::new() }
    }

    fn score(&mut self, path: &RepoPath) -> Option<u32> {
        let (whole, name) = (path.bytes(), path.name());
        let mut score = 0;
        for (word, small) in &self.words {
            let in_path = of(word, whole, &mut self.letters, &mut self.matcher)?;
            let in_name = of(word, name, &mut self.letters, &mut self.matcher).unwrap_or(0);
            let is_it = |component: &[u8]| component.eq_ignore_ascii_case(small.as_bytes());
            let component = path.components().any(is_it) || is_it(stem(name));
            score += in_path + NAME * in_name + u32::from(component) * COMPONENT;
        }
        let typed = self.small.as_bytes();
        let begins = name.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed));
        let is_it = name.eq_ignore_ascii_case(typed) || stem(name).eq_ignore_ascii_case(typed);
        Some(score + if is_it { WHOLE } else { u32::from(begins) * BEGINNING })
    }

    /// Where it matches: in the name if all of it does, else in the path.
    fn matched(&mut self, path: &RepoPath) -> Vec<Range<usize>> {
        let text = path.to_string();
        let name = text.rfind('/').map_or(0, |slash| slash + 1);
        let within = |finder: &mut Self, from: usize| {
            let part = text.get(from..)?;
            let mut places = Vec::new();
            for (word, _) in &finder.words {
                word.indices(Utf32Str::new(part, &mut finder.letters), &mut finder.matcher, &mut places)?;
            }
            places.sort_unstable();
            places.dedup();
            Some((from, places))
        };
        let (from, places) = within(self, name).or_else(|| within(self, 0)).unwrap_or_default();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let letters = text.get(from..).unwrap_or_default().char_indices().enumerate();
        for (_, (at, letter)) in letters.filter(|(nth, _)| u32::try_from(*nth).is_ok_and(|nth| places.binary_search(&nth).is_ok())) {
            let (start, end) = (from + at, from + at + letter.len_utf8());
            match ranges.last_mut().filter(|last| last.end == start) {
                Some(last) => last.end = end,
                None => ranges.push(start..end),
            }
        }
        ranges
    }
}

fn of(word: &Atom, bytes: &[u8], letters: &mut Vec<char>, matcher: &mut Matcher) -> Option<u32> {
    if bytes.is_ascii() {
        return word.score(Utf32Str::Ascii(bytes), matcher).map(u32::from);
    }
    let text = crate::catalog::name_text(bytes);
    word.score(Utf32Str::new(&text, letters), matcher).map(u32::from)
}

/// A name without its ending.
fn stem(name: &[u8]) -> &[u8] {
    name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0).and_then(|dot| name.get(..dot)).unwrap_or(name)
}

impl Recordable for Sealed<Files> {
    fn drafts(&self) -> Vec<Draft> {
        let found = self.found();
        let place = |file: &NamedFile| Shown {
            product: found.product.clone(),
            versions: vec![found.version.clone()],
            path: path_text(&file.path),
            blob: Some(file.blob.to_string()),
            ..Shown::default()
        };
        drafts_of(self, found.files.iter().map(place), vec![("files", found.total.into()), ("searched", found.searched.into())])
    }
}

impl Sealed<Files> {
    /// Opens what was recorded.
    pub fn open_files(recorded: Recorded<Self>) -> (Files, Receipt) {
        let receipt = recorded.receipt();
        (recorded.into_parts().0.into_found(), receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(text: &str, paths: &[&str]) -> Vec<String> {
        let mut finder = Finder::new(text);
        let mut hits: Vec<(Rank, &str)> = paths
            .iter()
            .filter_map(|path| {
                let path_of = RepoPath::parse(path.as_bytes()).unwrap();
                Some(((Reverse(finder.score(&path_of)?), PathKind::of(&path_of), path.len()), *path))
            })
            .collect();
        hits.sort_unstable();
        hits.into_iter().map(|(_, path)| path.to_owned()).collect()
    }

    #[test]
    fn names_count_for_more_than_directories() {
        let paths = ["diff/main.c", "lib/diff.c", "xdiff/xdiffi.c", "docs/different.txt", "diffcore-delta.c"];
        assert_eq!(best("diff", &paths)[0], "lib/diff.c");
        assert_eq!(best("diff.c", &paths)[0], "lib/diff.c");
        assert_eq!(best("diff/", &paths), ["diff/main.c", "xdiff/xdiffi.c"]);
        assert_eq!(best("zzz", &paths), Vec::<String>::new());
    }

    #[test]
    fn beginnings_of_words_and_neighbours_count_for_more() {
        let paths = ["kernel/sched/core.c", "drivers/misc/score_table.c", "kernel/rcu/scheduling_core.h", "s/c/h/e/d/x.c"];
        assert_eq!(best("sched core", &paths)[..2], ["kernel/sched/core.c".to_owned(), "kernel/rcu/scheduling_core.h".to_owned()]);
        assert_eq!(best("ksc", &paths)[0], "kernel/sched/core.c");
        assert_eq!(best("core", &paths)[0], "kernel/sched/core.c");
    }

    #[test]
    fn capitals_count_when_one_is_typed() {
        let paths = ["Makefile", "makefile.md"];
        assert_eq!(best("make", &paths).len(), 2);
        assert_eq!(best("Make", &paths), ["Makefile"]);
    }

    #[test]
    fn source_stands_before_tests_and_what_was_brought_in() {
        assert_eq!(best("open.c", &["vendor/a/open.c", "sourc/a/open.c"])[0], "sourc/a/open.c");
    }

    #[test]
    fn what_matches_is_pointed_at_in_bytes() {
        let mut finder = Finder::new("sockop");
        let path = RepoPath::parse(b"src/net/socket_open.c").unwrap();
        assert_eq!(finder.matched(&path), [8..12, 15..17]);
        let mut finder = Finder::new("net/open");
        assert_eq!(finder.matched(&path), [4..8, 15..19]);
        let mut finder = Finder::new("cle");
        let path = RepoPath::parse("größe/schlüssel_clé.c".as_bytes()).unwrap();
        let text = path.to_string();
        let shown: String = finder.matched(&path).into_iter().map(|range| &text[range]).collect();
        assert_eq!(shown, "clé");
        let mut finder = Finder::new("cafe");
        let odd = RepoPath::parse(b"odd/caf\xe9.c").unwrap();
        assert!(finder.score(&odd).is_some());
        finder.matched(&odd);
    }
}
