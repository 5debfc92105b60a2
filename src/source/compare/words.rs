//! Which words of a line changed: lines that were removed are held against those added in their place.

use std::collections::HashMap;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput};

/// Bytes of a line that is looked into, and pairs of lines of one hunk that are held against each other, and words in all of these.
const LONGEST: usize = 2_000;
const MOST_PAIRS: usize = 10_000;
const MOST_WORDS: usize = 2_000_000;
/// Per cent that two lines must share to be called one line that changed.
const LEAST: u64 = 30;

/// Places in two lists of lines that are one line, before and after. In order.
pub(super) fn pairs<'l>(old: &[&'l str], new: &[&'l str]) -> Vec<(usize, usize)> {
    if old.is_empty() || new.is_empty() || old.len().saturating_mul(new.len()) > MOST_PAIRS {
        return Vec::new();
    }
    let mut numbers = HashMap::new();
    let mut bags = |lines: &[&'l str]| lines.iter().copied().map(|line| bag(&mut numbers, line)).collect::<Vec<_>>();
    let (olds, news) = (bags(old), bags(new));
    let sum = |bags: &[Bag]| bags.iter().map(|(words, _)| words.len()).sum::<usize>();
    if sum(&olds) * news.len() + sum(&news) * olds.len() > MOST_WORDS {
        return Vec::new();
    }
    // The heaviest chain of pairs that do not cross: `best[i][j]` is that of the lines from i and from j on.
    let width = news.len() + 1;
    let mut best = vec![0_u64; (olds.len() + 1) * width];
    let mut likeness = vec![0_u64; olds.len() * news.len()];
    let get = |table: &[u64], at: usize| table.get(at).copied().unwrap_or(0);
    for (i, a) in olds.iter().enumerate().rev() {
        for (j, b) in news.iter().enumerate().rev() {
            let same = alike(a, b);
            let taken = if same >= LEAST { same + get(&best, (i + 1) * width + j + 1) } else { 0 };
            let left = get(&best, (i + 1) * width + j).max(get(&best, i * width + j + 1));
            if let Some(cell) = best.get_mut(i * width + j) {
                *cell = taken.max(left);
            }
            if let Some(cell) = likeness.get_mut(i * news.len() + j) {
                *cell = same;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut found = Vec::new();
    while i < olds.len() && j < news.len() {
        let same = get(&likeness, i * news.len() + j);
        let here = get(&best, i * width + j);
        if same >= LEAST && here == same + get(&best, (i + 1) * width + j + 1) {
            found.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if here == get(&best, (i + 1) * width + j) {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

/// The bytes that changed in a line, before and after.
pub(super) fn changed(old: &str, new: &str) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    if old.len() > LONGEST || new.len() > LONGEST {
        return (Vec::new(), Vec::new());
    }
    let (olds, news): (Vec<&str>, Vec<&str>) = (words(old).collect(), words(new).collect());
    let mut input = InternedInput::default();
    input.update_before(olds.iter().copied());
    input.update_after(news.iter().copied());
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_no_heuristic(&input);
    let (starts_old, starts_new) = (starts(&olds), starts(&news));
    let bytes = |starts: &[usize], range: Range<u32>| {
        let at = |place: u32| starts.get(place as usize).copied().unwrap_or(0);
        at(range.start)..at(range.end)
    };
    let mut both = (Vec::new(), Vec::new());
    for hunk in diff.hunks() {
        push(&mut both.0, bytes(&starts_old, hunk.before), old);
        push(&mut both.1, bytes(&starts_new, hunk.after), new);
    }
    both
}

/// Two changes with nothing but white space between them are one.
fn push(ranges: &mut Vec<Range<usize>>, range: Range<usize>, line: &str) {
    if range.is_empty() {
        return;
    }
    match ranges.last_mut() {
        Some(last) if line.get(last.end..range.start).is_some_and(|between| between.chars().all(char::is_whitespace)) => {
            last.end = range.end;
        }

        _ => ranges.push(range),
    }
}

/// Where each word starts, and where the last one ends.
fn starts(words: &[&str]) -> Vec<usize> {
    let ends = words.iter().scan(0, |end, word| {
        *end += word.len();
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

/// Names and numbers, runs of white space, and every other sign by itself.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 1,
        c if c.is_whitespace() => 2,
        _ => 3,
    };
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = kind(rest.chars().next()?);
        let end = match first {
            3 => rest.chars().next().map_or(0, char::len_utf8),
            _ => rest.find(|c| kind(c) != first).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// The words of a line by number, in that order, each with how many bytes of it there are; and all of these bytes.
type Bag = (Vec<(u32, u32)>, u64);

fn bag<'l>(numbers: &mut HashMap<&'l str, u32>, line: &'l str) -> Bag {
    let mut bag: Vec<(u32, u32)> = Vec::new();
    for word in words(line.get(..line.floor_char_boundary(LONGEST)).unwrap_or(line)).filter(|word| !word.trim().is_empty()) {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        bag.push((*numbers.entry(word).or_insert(next), u32::try_from(word.len()).unwrap_or(u32::MAX)));
    }
    let bytes = bag.iter().map(|(_, bytes)| u64::from(*bytes)).sum();
    bag.sort_unstable();
    bag.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 += later.1;
        }
        same
    });
    (bag, bytes)
}

/// Per cent that two lines share.
fn alike((a, in_a): &Bag, (b, in_b): &Bag) -> u64 {
    if in_a + in_b == 0 {
        return 100;
    }
    let (mut mine, mut theirs) = (a.iter().peekable(), b.iter().peekable());
    let mut common = 0;
    while let (Some((word, x)), Some((other, y))) = (mine.peek(), theirs.peek()) {
        if word == other {
            common += u64::from(*x.min(y));
        }
        if word <= other {
            mine.next();
        }
        if other <= word {
            theirs.next();
        }
    }
    common * 200 / (in_a + in_b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_words_that_changed_are_told() {
        let told = |old: &str, new: &str| {
            let (a, b) = changed(old, new);
            let cut = |line: &str, ranges: Vec<Range<usize>>| ranges.into_iter().map(|range| line[range].to_owned()).collect::<Vec<_>>();
            (cut(old, a), cut(new, b))
        };
        assert_eq!(told("if (len > 16)", "if (len >= 64)"), (vec!["16".to_owned()], vec!["= 64".to_owned()]));
        assert_eq!(told("\treturn a;", "    return a;"), (vec!["\t".to_owned()], vec!["    ".to_owned()]));
        assert_eq!(told("naïve тест", "naïve мир"), (vec!["тест".to_owned()], vec!["мир".to_owned()]));
        assert_eq!(told("same", "same"), (vec![], vec![]));
    }

    #[test]
    fn lines_are_paired_with_what_they_became() {
        let old = ["int a = first(x);", "return a;"];
        let new = ["/* a comment that is new */", "int a = second(x);", "return a + 1;"];
        assert_eq!(pairs(&old, &new), [(0, 1), (1, 2)]);
        assert_eq!(pairs(&["alpha beta"], &["gamma delta"]), []);
        assert_eq!(pairs(&[], &["x"]), []);
        assert_eq!(pairs(&["same words"; 101], &["same words"; 101]), []);
        assert_eq!(pairs(&["same words"; 100], &["same words"; 100]).len(), 100);
        // Few lines, and more words in them than are held against each other.
        let long: Vec<String> = (0..100).map(|n| (0..400).map(|word| format!("{n}_{word} ")).collect::<Vec<_>>().concat()).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        assert_eq!((pairs(&long, &long), pairs(&long[..10], &long[..10]).len()), (vec![], 10));
    }

    proptest! {
        #[test]
        fn what_did_not_change_is_the_same(old in "[ab_ ().é]{0,30}", new in "[ab_ ().é]{0,30}") {
            let (a, b) = changed(&old, &new);
            let rest = |line: &str, ranges: &[Range<usize>]| {
                let mut kept = String::new();
                let mut at = 0;
                for range in ranges {
                    kept.push_str(&line[at..range.start]);
                    at = range.end;
                }
                kept.push_str(&line[at..]);
                // Changes are joined over white space.
                kept.replace(' ', "")
            };
            prop_assert_eq!(rest(&old, &a), rest(&new, &b));
        }

        #[test]
        fn pairs_do_not_cross(old in prop::collection::vec("[abc ]{0,8}", 0..8), new in prop::collection::vec("[abc ]{0,8}", 0..8)) {
            let (olds, news): (Vec<&str>, Vec<&str>) = (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
            let found = pairs(&olds, &news);
            prop_assert!(found.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
        }
    }
}
