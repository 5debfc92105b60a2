//! What a grant would open, counted: for an administrator who decides on it.
//!
//! A file here is a document of the index, a path with what it holds: one that stands in several versions as it is counts once. All is
//! told by bitmaps, worked out once for each set of paths and not for each version. No file is read.
//!
//! Nobody may look at what was counted before the entry is durable that says it was shown: see [`Foreseen`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use roaring::{MultiOps as _, RoaringBitmap};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::query::Trait;
use super::scope::Rules;
use super::sealed::{Indexes, drafts_showing};
use super::sensitive::Sensitive;
use super::weave;
use super::{ProductIndex, SearchError};
use crate::access::Reveal;
use crate::audit::{Draft, Receipt, Recordable, Recorded, Shown};
use crate::catalog::{RepoPath, path_text};
use crate::entitlements::{Figures, PathScope, Readers};
use crate::ids::{AccountId, EntitlementId};

/// Directories told at most; where there are more, those of the second level are left out first.
const MOST_DIRECTORIES: usize = 120;
/// Paths with telling names told at most.
const MOST_SENSITIVE: usize = 60;

/// What a grant opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// The published versions it is for that were counted, newest first.
    pub versions: Vec<VersionFigures>,
    /// Those that the index does not hold yet.
    pub uncounted: Vec<String>,
    /// How many versions are published.
    pub published: usize,
    /// Files in all versions counted.
    pub files: u64,
    pub lines: u64,
    /// Of these, files whose contents the index does not have.
    pub unread: u64,
    /// The top two levels, in order; and what is excluded, wherever it lies.
    pub directories: Vec<Directory>,
    /// How many more directories of these levels hold something.
    pub more_directories: usize,
    /// Paths whose names stand out, in order; of many the first.
    pub sensitive: Vec<(RepoPath, Sensitive)>,
    /// How many there are.
    pub sensitive_paths: u64,
    /// Everybody it is for.
    pub people: Vec<Change>,
    /// Included paths at which there is nothing.
    pub empty: Vec<RepoPath>,
    /// Excluded paths that hide nothing.
    pub idle: Vec<RepoPath>,
}

/// A version that it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionFigures {
    pub name: String,
    pub files: u64,
    pub lines: u64,
}

/// A directory, or what is excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    pub path: RepoPath,
    /// Files that it opens there; of what is excluded, files that it does not.
    pub files: u64,
    /// Of these, files that at least one of the people cannot read today.
    pub new: u64,
    pub excluded: bool,
}

/// What changes for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub account: AccountId,
    pub name: String,
    pub today: Extent,
    /// Together with the grant.
    pub after: Extent,
}

/// How much somebody may read of the product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub files: u64,
    pub versions: u64,
    /// Files of each version by itself, all together: what differs anywhere differs in this.
    pub places: u64,
}

/// What was counted, shut away until it is recorded.
#[derive(Debug)]
#[must_use]
pub struct Foreseen {
    reveal: Reveal,
    preview: Preview,
}

impl Indexes {
    /// Counts what a grant opens. Blocks for some milliseconds: call it off the async threads.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn foresee(&self, reveal: Reveal) -> Result<Foreseen, SearchError> {
        let index = self.get(&reveal.opening().product.name);
        let preview = preview(index.as_deref(), &reveal)?;
        Ok(Foreseen { reveal, preview })
    }
}

impl Foreseen {
    /// SHA-256 of what the grant opens and of all that would be shown of it, in hexadecimal.
    #[must_use]
    fn digest(&self) -> String {
        let of = self.reveal.opening();
        let readers = match &of.readers {
            Readers::Everybody => Value::Null,
            Readers::These(accounts) => {
                json!(accounts.iter().map(AccountId::as_str).collect::<BTreeSet<_>>())
            }
        };
        let told = json!({
            "grant": of.grant.as_ref().map(EntitlementId::as_str), "agreement": of.agreement.as_str(),
            "product": of.product.name, "versions": of.versions, "includes": addresses(&of.scope.includes),
            "excludes": addresses(&of.scope.excludes), "readers": readers, "lasting": of.lasting, "shows": self.preview.told(),
        });
        HEXLOWER.encode(&Sha256::digest(told.to_string().as_bytes()))
    }

    /// The numbers alone, to be kept with the grant, for whoever names the digest of exactly this: they were shown all of it before.
    #[must_use]
    pub fn as_shown(&self, digest: &str) -> Option<Figures> {
        (self.digest() == digest).then(|| self.preview.figures())
    }

    /// Opens what was recorded, with its digest.
    pub fn open(recorded: Recorded<Self>) -> (Preview, String, Receipt) {
        let receipt = recorded.receipt();
        let (foreseen, _) = recorded.into_parts();
        let digest = foreseen.digest();
        (foreseen.preview, digest, receipt)
    }
}

impl Recordable for Foreseen {
    fn drafts(&self) -> Vec<Draft> {
        let (shown, figures) = (&self.preview, self.preview.figures());
        let product = &self.reveal.opening().product.name;
        let named = shown.directories.iter().map(|one| &one.path).chain(shown.sensitive.iter().map(|(path, _)| path));
        let place = |path: &RepoPath| Shown { product: product.clone(), path: path_text(path), ..Shown::default() };
        let mut drafts = drafts_showing(named.map(place), || self.reveal.draft());
        if let Some(first) = drafts.first_mut() {
            let facts = [
                ("opened", json!(figures.versions.len())),
                ("uncounted", json!(figures.uncounted)),
                ("files", json!(figures.files)),
                ("lines", json!(figures.lines)),
                ("sensitive", json!(figures.sensitive)),
                ("people", json!(figures.people)),
                ("digest", json!(self.digest())),
            ];
            first.facts.extend(facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        drafts
    }
}

impl Preview {
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            versions: self.versions.iter().map(|version| version.name.clone()).chain(self.uncounted.iter().cloned()).collect(),
            uncounted: self.uncounted.len() as u64,
            files: self.files,
            lines: self.lines,
            sensitive: self.sensitive_paths,
            people: self.people.len() as u64,
        }
    }

    /// Everything in it, in one form.
    fn told(&self) -> Value {
        let extent = |one: Extent| json!([one.files, one.versions, one.places]);
        json!({
            "versions": self.versions.iter().map(|of| json!([of.name, of.files, of.lines])).collect::<Vec<_>>(),
            "uncounted": self.uncounted, "published": self.published, "files": self.files, "lines": self.lines, "unread": self.unread,
            "directories": self.directories.iter().map(|of| json!([of.path.address(), of.files, of.new, of.excluded])).collect::<Vec<_>>(),
            "more": self.more_directories,
            "sensitive": self.sensitive.iter().map(|(path, _)| path.address()).collect::<Vec<_>>(), "all": self.sensitive_paths,
            "people": self.people.iter().map(|of| json!([of.account.as_str(), extent(of.today), extent(of.after)])).collect::<Vec<_>>(),
            "empty": addresses(&self.empty), "idle": addresses(&self.idle),
        })
    }
}

fn addresses(paths: &[RepoPath]) -> Vec<String> {
    paths.iter().map(RepoPath::address).collect()
}

fn preview(index: Option<&ProductIndex>, reveal: &Reveal) -> Result<Preview, SearchError> {
    let scope = &reveal.opening().scope;
    let mut found = Preview { published: reveal.versions().len(), ..Preview::default() };
    let nothing = RoaringBitmap::new();
    let mut rules = Rules::default();
    // What each published version holds, and what the grant opens of it.
    let mut versions: Vec<(&RoaringBitmap, Cow<'_, RoaringBitmap>)> = Vec::new();
    let mut within = RoaringBitmap::new();
    for version in reveal.versions() {
        let held = index.and_then(|index| Some((index, index.version(&version.name, &version.commit)?)));
        let open = match held {
            Some((index, documents)) if reveal.opens(version) => {
                let open = rules.apply(index, &scope.includes, &scope.excludes, documents);
                let lines = index.lines_of(&open)?;
                found.versions.push(VersionFigures { name: version.name.clone(), files: open.len(), lines });
                within |= documents;
                open
            }
            None if reveal.opens(version) => {
                found.uncounted.push(version.name.clone());
                Cow::Borrowed(&nothing)
            }
            _ => Cow::Borrowed(&nothing),
        };
        versions.push((held.map_or(&nothing, |(_, documents)| documents), open));
    }
    let opened = versions.iter().map(|(_, open)| open.as_ref()).union();
    let mut known: Option<RoaringBitmap> = None;
    for group in reveal.groups() {
        let (today, after, mine) = match index {
            Some(index) => change(index, &versions, &group.today, &mut rules),
            None => Default::default(),
        };
        known = Some(known.map_or_else(|| mine.clone(), |known| known & &mine));
        let of = |(account, name): &(AccountId, String)| Change { account: account.clone(), name: name.clone(), today, after };
        found.people.extend(group.people.iter().map(of));
    }
    found.people.sort_by(|a, b| (&a.name, &a.account).cmp(&(&b.name, &b.account)));
    let Some(index) = index else { return Ok(found) };
    found.files = opened.len();
    found.lines = index.lines_of(&opened)?;
    found.unread = opened.intersection_len(&index.documents.that_are(Trait::Unindexed));
    let new = &opened - &known.unwrap_or_default();
    (found.directories, found.more_directories) = directories(index, &opened, &new);
    name_sensitive(index, &opened, &mut found);
    if !found.versions.is_empty() {
        exceptions(index, reveal, &within, &mut found);
    }
    Ok(found)
}

/// What people who may read so much today may read then, and all documents that they may read today.
fn change<'a>(
    index: &ProductIndex,
    versions: &[(&RoaringBitmap, Cow<'_, RoaringBitmap>)],
    today: &'a [Vec<PathScope>],
    rules: &mut Rules<'a>,
) -> (Extent, Extent, RoaringBitmap) {
    let (mut before, mut after) = (Extent::default(), Extent::default());
    let (mut old, mut all) = (RoaringBitmap::new(), RoaringBitmap::new());
    for ((documents, open), scopes) in versions.iter().zip(today) {
        let mut mine = RoaringBitmap::new();
        for scope in scopes {
            mine |= rules.apply(index, &scope.includes, &scope.excludes, documents).as_ref();
        }
        let then = &mine | &**open;
        for (extent, documents) in [(&mut before, &mine), (&mut after, &then)] {
            extent.places += documents.len();
            extent.versions += u64::from(!documents.is_empty());
        }
        old |= mine;
        all |= then;
    }
    before.files = old.len();
    after.files = all.len();
    (before, after, old)
}

#[derive(Default)]
struct Counts {
    files: u64,
    new: u64,
}

/// Directories of the second level, by name.
type Below<'a> = BTreeMap<&'a [u8], Counts>;

/// The top two levels of what is opened; and how many directories of these were left out.
fn directories(index: &ProductIndex, opened: &RoaringBitmap, new: &RoaringBitmap) -> (Vec<Directory>, usize) {
    let mut tree: BTreeMap<&[u8], (Counts, Below<'_>)> = BTreeMap::new();
    for document in opened {
        let Some(path) = index.documents.path(document) else { continue };
        let is_new = u64::from(new.contains(document));
        let mut components = path.components();
        let (Some(first), Some(second)) = (components.next(), components.next()) else { continue };
        let (counts, below) = tree.entry(first).or_default();
        counts.files += 1;
        counts.new += is_new;
        if components.next().is_some() {
            let counts = below.entry(second).or_default();
            counts.files += 1;
            counts.new += is_new;
        }
    }
    let all = tree.values().map(|(_, below)| 1 + below.len()).sum::<usize>();
    let second_level = all <= MOST_DIRECTORIES;
    let mut told = Vec::new();
    for (first, (counts, below)) in tree.into_iter().take(MOST_DIRECTORIES) {
        let Ok(path) = RepoPath::parse(first) else { continue };
        told.push(Directory { path: path.clone(), files: counts.files, new: counts.new, excluded: false });
        for (second, counts) in below.into_iter().filter(|_| second_level) {
            let Ok(path) = path.join(second) else { continue };
            told.push(Directory { path, files: counts.files, new: counts.new, excluded: false });
        }
    }
    let left_out = all - told.len();
    (told, left_out)
}

/// Included paths where there is nothing, and what each excluded path hides, among the documents of the versions opened.
fn exceptions(index: &ProductIndex, reveal: &Reveal, within: &RoaringBitmap, found: &mut Preview) {
    let scope = &reveal.opening().scope;
    let mut included = RoaringBitmap::new();
    for include in &scope.includes {
        let there = &*index.documents.below(include) & within;
        if there.is_empty() {
            found.empty.push(include.clone());
        }
        included |= there;
    }
    for exclude in &scope.excludes {
        match index.documents.below(exclude).intersection_len(&included) {
            0 => found.idle.push(exclude.clone()),
            files => found.directories.push(Directory { path: exclude.clone(), files, new: 0, excluded: true }),
        }
    }
    found.directories.sort_by(|a, b| a.path.components().cmp(b.path.components()));
}

fn name_sensitive(index: &ProductIndex, opened: &RoaringBitmap, found: &mut Preview) {
    let mut paths: Vec<&RepoPath> = opened.iter().filter_map(|document| index.documents.path(document)).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let Some(why) = Sensitive::of(path) else { continue };
        found.sensitive_paths += 1;
        if found.sensitive.len() < MOST_SENSITIVE {
            found.sensitive.push((path.clone(), why));
        }
    }
}

impl ProductIndex {
    /// Lines of text in these documents; a binary has none.
    fn lines_of(&self, documents: &RoaringBitmap) -> Result<u64, SearchError> {
        let lines = if let Some(known) = self.lines.get() {
            known
        } else {
            let binary = self.documents.that_are(Trait::Binary);
            let all = (0_u32..).zip(self.documents.all());
            let counted = all.map(|(number, _)| if binary.contains(number) { Ok(0) } else { self.count_lines(number) });
            let counted = counted.collect::<Result<Vec<u32>, SearchError>>()?;
            self.lines.get_or_init(|| counted)
        };
        Ok(documents.iter().filter_map(|number| lines.get(number as usize)).map(|&lines| u64::from(lines)).sum())
    }

    fn count_lines(&self, number: u32) -> Result<u32, SearchError> {
        let Some((document, body)) = self.documents.get(number).and_then(|known| Some((known, known.body?))) else { return Ok(0) };
        if !body.is_woven() {
            return Ok(body.lines);
        }
        let mut lines = 0_u32;
        let read = weave::each(self.contents.runs(document)?, u32::MAX, |run| lines = lines.saturating_add(run.lines));
        read.map(|()| lines).ok_or_else(|| SearchError::damaged("the lines of a file are not what was written"))
    }
}
