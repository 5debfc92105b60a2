//! How refs become versions: which are wanted, what they are called in addresses, and which comes first.

use std::cmp::{Ordering, Reverse};
use std::collections::{HashMap, HashSet};

use globset::{GlobBuilder, GlobMatcher};

/// Characters in the longest slug.
const LONGEST_SLUG: usize = 100;

/// Which refs of a repository become versions: glob patterns over short names, where `*` also takes in slashes.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    tags: Vec<GlobMatcher>,
    branches: Vec<GlobMatcher>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a pattern of names: {why}. Write the name itself, or use * and ?, as in v* or release/*")]
pub struct PatternError {
    pattern: String,
    why: String,
}

impl Wanted {
    /// # Errors
    /// When a pattern is malformed.
    pub fn parse<S: AsRef<str>>(tags: &[S], branches: &[S]) -> Result<Self, PatternError> {
        let all = |patterns: &[S]| patterns.iter().map(|p| matcher(p.as_ref())).collect::<Result<Vec<_>, _>>();
        Ok(Self { tags: all(tags)?, branches: all(branches)? })
    }

    #[must_use]
    pub fn tag(&self, name: &str) -> bool {
        self.tags.iter().any(|m| m.is_match(name))
    }

    #[must_use]
    pub fn branch(&self, name: &str) -> bool {
        self.branches.iter().any(|m| m.is_match(name))
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, PatternError> {
    let wrong = |why: &str| PatternError { pattern: pattern.to_owned(), why: why.to_owned() };
    if pattern.is_empty() {
        return Err(wrong("it is empty"));
    }
    if pattern.len() > 250 {
        return Err(wrong("it is longer than 250 bytes"));
    }
    GlobBuilder::new(pattern)
        .literal_separator(false)
        .backslash_escape(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|e| wrong(&e.kind().to_string()))
}

/// The name of a ref as an address can hold it: letters, digits, `.`, `_`, `-` and `+`; anything else becomes `-`.
///
/// Never empty, never starts with a dot, so it is never `.` or `..`.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().take(LONGEST_SLUG) {
        let kept = if c.is_ascii_alphanumeric() || "._-+".contains(c) { c } else { '-' };
        if kept != '-' || !slug.ends_with('-') {
            slug.push(kept);
        }
    }
    let slug = slug.trim_start_matches(['.', '-']).trim_end_matches('-');
    if slug.is_empty() { "version".to_owned() } else { slug.to_owned() }
}

/// Slugs for `names`, in their order, each unlike the others and unlike those `taken`, without regard to case.
///
/// The first of two names that fall together keeps the plain slug, so an existing version's address never changes.
#[must_use]
pub fn slugs<S: AsRef<str>>(names: &[S], taken: &[S]) -> Vec<String> {
    let mut used: HashSet<String> = taken.iter().map(|s| s.as_ref().to_ascii_lowercase()).collect();
    // Where to go on counting, so that many names with one slug stay linear.
    let mut next: HashMap<String, u32> = HashMap::new();
    names
        .iter()
        .map(|name| {
            let plain = slug(name.as_ref());
            if used.insert(plain.to_ascii_lowercase()) {
                return plain;
            }
            let count = next.entry(plain.to_ascii_lowercase()).or_insert(1);
            loop {
                *count += 1;
                let numbered = format!("{plain}-{count}");
                if used.insert(numbered.to_ascii_lowercase()) {
                    return numbered;
                }
            }
        })
        .collect()
}

/// A version's name taken apart for ordering, with the time it was made.
///
/// `v2.45.0-rc1` is the family `v`, the numbers 2, 45, 0 and the rest `-rc1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionKey {
    family: String,
    numbers: Vec<u64>,
    rest: Vec<Part>,
    name: String,
    time: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Word(String),
    Number(u64),
}

impl VersionKey {
    /// `time` in seconds since the epoch: of the tag, or of the commit.
    #[must_use]
    pub fn of(name: &str, time: i64) -> Self {
        let start = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
        let (family, version) = name.split_at(start);
        let mut numbers = Vec::new();
        let mut rest = version;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            if digits == 0 {
                break;
            }
            let (number, after) = rest.split_at(digits);
            numbers.push(number.parse().unwrap_or(u64::MAX));
            rest = after;
            match after.strip_prefix(['.', '_']) {
                Some(next) if next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
                _ => break,
            }
        }
        Self { family: family.to_lowercase(), numbers, rest: parts(rest), name: name.to_owned(), time }
    }

    fn is_version(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// Older before newer, within one family.
    fn age(&self, other: &Self) -> Ordering {
        let width = self.numbers.len().max(other.numbers.len());
        let at = |key: &Self, i: usize| key.numbers.get(i).copied().unwrap_or(0);
        (0..width)
            .map(|i| at(self, i).cmp(&at(other, i)))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
            .then_with(|| stage(&self.rest).cmp(&stage(&other.rest)))
            .then_with(|| compare_parts(&self.rest, &other.rest))
            .then_with(|| self.time.cmp(&other.time))
            .then_with(|| self.name.cmp(&other.name))
    }
}

/// Sorts newest first: the main family of version numbers (that with most members) first, then the other families by their newest
/// member's time, then names that are no versions by time.
#[must_use]
pub fn newest_first<T>(items: Vec<T>, key: impl Fn(&T) -> VersionKey) -> Vec<T> {
    let mut families: HashMap<String, (usize, i64)> = HashMap::new();
    for item in &items {
        let key = key(item);
        if key.is_version() {
            let family = families.entry(key.family).or_insert((0, i64::MIN));
            family.0 += 1;
            family.1 = family.1.max(key.time);
        }
    }
    let main =
        families.iter().max_by_key(|(name, (members, newest))| (*members, *newest, Reverse(name.as_str()))).map(|(name, _)| name.clone());
    let rank = |k: &VersionKey| {
        let (class, newest) = match (&main, families.get(&k.family)) {
            _ if !k.is_version() => (2, k.time),
            (Some(main), _) if *main == k.family => (0, 0),
            (_, Some((_, newest))) => (1, *newest),
            _ => (2, k.time),
        };
        (class, Reverse(newest))
    };
    let order = |a: &VersionKey, b: &VersionKey| {
        rank(a).cmp(&rank(b)).then_with(|| {
            if a.is_version() && b.is_version() {
                a.family.cmp(&b.family).then_with(|| b.age(a))
            } else {
                b.time.cmp(&a.time).then_with(|| a.name.cmp(&b.name))
            }
        })
    };
    let mut keyed: Vec<(VersionKey, T)> = items.into_iter().map(|item| (key(&item), item)).collect();
    keyed.sort_by(|(a, _), (b, _)| order(a, b));
    keyed.into_iter().map(|(_, item)| item).collect()
}

/// -1 for what comes before the release (`-rc1`, `.beta2`, `~dev`), 1 for what comes after it (`-p1`, `.post1`), 0 for the release.
fn stage(rest: &[Part]) -> i8 {
    const BEFORE: [&str; 12] = ["a", "alpha", "b", "beta", "c", "dev", "m", "milestone", "next", "pre", "preview", "rc"];
    match rest.first() {
        None => 0,
        Some(Part::Word(word)) if BEFORE.contains(&word.as_str()) || word.starts_with("snapshot") => -1,
        Some(_) => 1,
    }
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (same, is_number): (fn(char) -> bool, bool) = if first.is_ascii_digit() {
            (|c| c.is_ascii_digit(), true)
        } else if first.is_alphabetic() {
            (char::is_alphabetic, false)
        } else {
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        };
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push(if is_number { Part::Number(part.parse().unwrap_or(u64::MAX)) } else { Part::Word(part.to_lowercase()) });
        rest = after;
    }
    parts
}

fn compare_parts(a: &[Part], b: &[Part]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| match (a, b) {
            (Part::Number(a), Part::Number(b)) => a.cmp(b),
            (Part::Word(a), Part::Word(b)) => a.cmp(b),
            (Part::Word(_), Part::Number(_)) => Ordering::Less,
            (Part::Number(_), Part::Word(_)) => Ordering::Greater,
        })
        .find(|o| o.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[(&str, i64)]) -> Vec<String> {
        newest_first(names.to_vec(), |(name, time)| VersionKey::of(name, *time)).into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn patterns_choose_refs() {
        let wanted = Wanted::parse(&["v*", "release-2.?"], &["main"]).unwrap();
        for (name, tag, branch) in [
            ("v1.0", true, false),
            ("v/with/slashes", true, false),
            ("release-2.1", true, false),
            ("release-2.10", false, false),
            ("main", false, true),
            ("maintenance", false, false),
        ] {
            assert_eq!((wanted.tag(name), wanted.branch(name)), (tag, branch), "{name}");
        }
        assert!(Wanted::parse(&["v[0-9"], &[]).unwrap_err().to_string().contains("v[0-9"));
        assert!(Wanted::parse(&[""], &[]).is_err());
        assert!(!Wanted::default().tag("anything"));
    }

    #[test]
    fn slugs_fit_an_address() {
        for (name, expected) in [
            ("v2.45.0", "v2.45.0"),
            ("feature/one two", "feature-one-two"),
            ("a//b", "a-b"),
            ("..", "version"),
            (".hidden", "hidden"),
            ("été", "t"),
            ("版本", "version"),
            ("1.0+build.5", "1.0+build.5"),
            ("x%2f", "x-2f"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
        assert_eq!(slug(&"x".repeat(500)).len(), LONGEST_SLUG);
    }

    #[test]
    fn slugs_are_unique_and_old_ones_stay() {
        assert_eq!(slugs(&["a/b", "a-b", "A-B", "c"], &["c"]), ["a-b", "a-b-2", "A-B-3", "c-2"]);
        assert_eq!(slugs(&["x", "x-2", "X"], &[]), ["x", "x-2", "X-3"]);
    }

    #[test]
    fn version_numbers_are_compared_as_numbers() {
        assert_eq!(
            sorted(&[("v2.44.9", 9), ("v2.45.0", 1), ("v2.45.0-rc1", 2), ("v2.45.0-rc10", 3), ("v2.45.0-rc2", 4), ("v2.9", 99)]),
            ["v2.45.0", "v2.45.0-rc10", "v2.45.0-rc2", "v2.45.0-rc1", "v2.44.9", "v2.9"]
        );
        assert_eq!(sorted(&[("1.0", 1), ("1.0.1", 1), ("1.0-p1", 1), ("1.0b2", 1)]), ["1.0.1", "1.0-p1", "1.0", "1.0b2"]);
        assert_eq!(sorted(&[("1_8_0", 0), ("1_10_0", 0)]), ["1_10_0", "1_8_0"]);
        assert_eq!(sorted(&[("v99999999999999999999999", 0), ("v1", 0)]), ["v99999999999999999999999", "v1"]);
    }

    #[test]
    fn other_families_follow_the_main_one() {
        assert_eq!(
            sorted(&[
                ("gitgui-0.21.0", 50),
                ("v1.0", 10),
                ("junio-gpg-pub", 5),
                ("v2.0", 20),
                ("latest", 60),
                ("gitgui-0.9", 40),
                ("v1.5", 15)
            ]),
            ["v2.0", "v1.5", "v1.0", "gitgui-0.21.0", "gitgui-0.9", "latest", "junio-gpg-pub"]
        );
        assert_eq!(sorted(&[]), [""; 0]);
    }

    #[test]
    fn the_order_is_total() {
        let names = ["v1", "v1.0", "V1", "x", "y", "a-1", "b-1", "v1-rc", "v1-p", "", "0"];
        for a in names {
            for b in names {
                assert_eq!(sorted(&[(a, 1), (b, 1)]), sorted(&[(b, 1), (a, 1)]), "{a} {b}");
            }
        }
    }
}
