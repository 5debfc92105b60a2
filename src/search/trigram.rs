//! What an expression needs to have in a text, in grams.
//!
//! Texts are indexed as they are. An expression that ignores case is read with A to Z in lower case, and each of its grams then
//! stands for all its cases; Unicode's other case pairs (µ, the Kelvin sign, ſ …) need nothing special: `regex-syntax` has put
//! them into classes by the time an expression is looked at here. A [`Condition`] holds of every text in which the expression
//! matches; where that would take too many alternatives it is weakened, never the other way.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

use super::gram::Gram;

/// What an expression needs, and how that is to be looked up.
#[derive(Clone, Debug)]
pub(super) struct Needs {
    pub(super) condition: Condition,
    /// Each gram stands for all its cases.
    pub(super) folds: bool,
    /// A match may reach over lines, so that only the grams of one [`Condition::All`] lie in the same block.
    pub(super) spread: bool,
}

/// What a text must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// Nothing in particular.
    Anything,
    /// No text has it.
    Nothing,
    /// All these grams, near each other; and what else is listed.
    All(BTreeSet<Gram>, Vec<Condition>),
    Any(Vec<Condition>),
}

impl Needs {
    /// What every text has in which this expression matches.
    pub(super) fn of(expression: &Hir, folds: bool, spread: bool) -> Self {
        let mut condition = Shape::of(expression, folds).noted();
        if !spread {
            condition = condition.merged();
        }
        for most in [64, 16, 4, 1] {
            if condition.cost() <= MOST_LOOKUPS {
                return Self { condition, folds, spread };
            }
            condition = condition.with_fewer(most);
        }
        let condition = if condition.cost() <= MOST_LOOKUPS { condition } else { Condition::Anything };
        Self { condition, folds, spread }
    }
}

impl Condition {
    /// One of these texts is in it.
    fn one_of(texts: &Texts) -> Self {
        let mut any = Self::Nothing;
        for text in texts {
            let mut all = Self::Anything;
            // Which line follows another is not known of what was woven: each line by itself.
            for line in text.split_inclusive(|&b| b == b'\n') {
                let near: BTreeSet<Gram> = line.windows(3).filter_map(|gram| Some(Gram::of(gram.try_into().ok()?))).collect();
                if !near.is_empty() {
                    all = all.and(Self::All(near, Vec::new()));
                }
            }
            any = any.or(all);
            if any == Self::Anything {
                break;
            }
        }
        any
    }

    fn and(self, other: Self) -> Self {
        let parts = |condition| match condition {
            Self::All(grams, inner) if grams.is_empty() => inner,
            one => vec![one],
        };
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::Anything, c) | (c, Self::Anything) => c,
            (one, other) if one == other => one,
            (one, other) => {
                let mut all = parts(one);
                for part in parts(other) {
                    if !all.contains(&part) {
                        all.push(part);
                    }
                }
                Self::All(BTreeSet::new(), all)
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Anything, _) | (_, Self::Anything) => Self::Anything,
            (Self::Nothing, c) | (c, Self::Nothing) => c,
            (Self::Any(mut one), Self::Any(other)) => {
                one.extend(other.into_iter().filter(|c| !one.contains(c)).collect::<Vec<_>>());
                Self::Any(one)
            }
            (Self::Any(mut any), one) | (one, Self::Any(mut any)) => {
                if !any.contains(&one) {
                    any.push(one);
                }
                Self::Any(any)
            }
            (one, other) if one == other => one,
            (one, other) => Self::Any(vec![one, other]),
        }
    }

    /// The same where all that is needed is needed in one place.
    fn merged(self) -> Self {
        match self {
            Self::All(mut grams, inner) => {
                let mut rest = Vec::new();
                for part in inner {
                    match part.merged() {
                        Self::All(more, others) => {
                            grams.extend(more);
                            rest.extend(others);
                        }
                        other => rest.push(other),
                    }
                }
                Self::All(grams, rest)
            }
            Self::Any(parts) => Self::Any(parts.into_iter().map(Self::merged).collect()),
            plain => plain,
        }
    }

    /// How many lookups it takes.
    fn cost(&self) -> usize {
        match self {
            Self::Anything | Self::Nothing => 0,
            Self::All(grams, inner) => grams.len() + inner.iter().map(Self::cost).sum::<usize>(),
            Self::Any(inner) => inner.iter().map(Self::cost).sum(),
        }
    }

    /// The same with no more than so many grams in a row: weaker, and cheaper.
    fn with_fewer(self, most: usize) -> Self {
        let inside = |inner: Vec<Self>| inner.into_iter().map(|c| c.with_fewer(most)).collect();
        match self {
            Self::All(grams, inner) => {
                let every = grams.len().div_ceil(most).max(1);
                Self::All(grams.into_iter().step_by(every).collect(), inside(inner))
            }
            Self::Any(inner) => Self::Any(inside(inner)),
            plain => plain,
        }
    }

    #[cfg(test)]
    pub(super) fn holds_of(&self, grams: &[Gram], folds: bool) -> bool {
        let has = |gram: &Gram| if folds { gram.cases().iter().any(|g| grams.contains(g)) } else { grams.contains(gram) };
        match self {
            Self::Anything => true,
            Self::Nothing => false,
            Self::All(needed, inner) => needed.iter().all(has) && inner.iter().all(|c| c.holds_of(grams, folds)),
            Self::Any(inner) => inner.iter().any(|c| c.holds_of(grams, folds)),
        }
    }
}

type Texts = BTreeSet<Vec<u8>>;

/// Alternatives kept apart, and bytes in all of them when there is more than one.
const MOST_TEXTS: usize = 48;
const MOST_BYTES: usize = 1_024;
/// Bytes of a front or back that are kept once its grams are noted: what can still form a gram with a neighbour.
const EDGE: usize = 2;
/// Lookups that one expression may take.
const MOST_LOOKUPS: usize = 1_000;
/// Copies of a repeated part that are looked at.
const MOST_COPIES: u32 = 4;
/// Characters in a class before it counts as any character.
const WIDEST_CLASS: u32 = 16;

/// What is known of the texts that match a part of an expression.
#[derive(Clone)]
enum Shape {
    /// All there are.
    Exact(Texts),
    /// Each begins with one of `front` and ends with one of `back`, and `needs` holds of what it is part of.
    Open { front: Texts, back: Texts, needs: Condition },
}

impl Shape {
    /// `folds`: A to Z are read in lower case.
    fn of(hir: &Hir, folds: bool) -> Self {
        let inner = |hir| Self::of(hir, folds);
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::empty(),
            HirKind::Literal(literal) => Self::Exact(Texts::from([read(&literal.0, folds)])),
            HirKind::Class(class) => Self::class(class, folds),
            HirKind::Capture(capture) => inner(&capture.sub),
            HirKind::Concat(parts) => parts.iter().map(inner).reduce(|one, next| one.then(&next)).unwrap_or_else(Self::empty),
            HirKind::Alternation(parts) => Self::either(parts.iter().map(inner).collect()),
            HirKind::Repetition(repetition) => {
                let one = inner(&repetition.sub);
                match (repetition.min, repetition.max) {
                    (0, Some(0)) => Self::empty(),
                    (0, Some(1)) => Self::either(vec![one, Self::empty()]),
                    (0, _) => Self::anything(),
                    (min, max) => {
                        let copies = (1..min.min(MOST_COPIES)).fold(one.clone(), |copies, _| copies.then(&one));
                        if max == Some(min) && min <= MOST_COPIES { copies } else { copies.repeated() }
                    }
                }
            }
        }
    }

    fn empty() -> Self {
        Self::Exact(Texts::from([Vec::new()]))
    }

    fn anything() -> Self {
        let empty = Texts::from([Vec::new()]);
        Self::Open { front: empty.clone(), back: empty, needs: Condition::Anything }
    }

    fn class(class: &Class, folds: bool) -> Self {
        match class {
            Class::Unicode(class) => {
                let widths = class.iter().map(|r| u32::from(r.end()) - u32::from(r.start()) + 1);
                if widths.sum::<u32>() > WIDEST_CLASS {
                    return Self::one_of_bytes(first_bytes(class));
                }
                let chars = class.iter().flat_map(|range| range.start()..=range.end());
                Self::Exact(chars.map(|c| read(c.to_string().as_bytes(), folds)).collect())
            }
            Class::Bytes(class) => {
                if class.iter().map(|r| u32::from(r.end() - r.start()) + 1).sum::<u32>() > WIDEST_CLASS {
                    return Self::anything();
                }
                let bytes = class.iter().flat_map(|range| range.start()..=range.end());
                Self::Exact(bytes.map(|b| read(&[b], folds)).collect())
            }
        }
    }

    /// Something that begins with one of these bytes; not known if they may be ASCII.
    fn one_of_bytes(bytes: Option<BTreeSet<u8>>) -> Self {
        let (Some(bytes), Self::Open { front, back, .. }) = (bytes, Self::anything()) else { return Self::anything() };
        let byte = |byte| Condition::All([Gram::of_byte(byte)].into(), Vec::new());
        let needs = bytes.into_iter().map(byte).fold(Condition::Nothing, Condition::or);
        Self::Open { front, back, needs }
    }

    fn front(&self) -> &Texts {
        match self {
            Self::Exact(texts) | Self::Open { front: texts, .. } => texts,
        }
    }

    fn back(&self) -> &Texts {
        match self {
            Self::Exact(texts) | Self::Open { back: texts, .. } => texts,
        }
    }

    fn needs(&self) -> Condition {
        match self {
            Self::Exact(_) => Condition::Anything,
            Self::Open { needs, .. } => needs.clone(),
        }
    }

    /// All that is known, as a condition.
    fn noted(&self) -> Condition {
        match self {
            Self::Exact(texts) => Condition::one_of(texts),
            Self::Open { front, back, needs } => needs.clone().and(Condition::one_of(front)).and(Condition::one_of(back)),
        }
    }

    /// One, and right behind it the other.
    fn then(&self, next: &Self) -> Self {
        let both = cross(self.back(), next.front());
        if let (Self::Exact(_), Self::Exact(_), Some(both)) = (self, next, &both) {
            return Self::Exact(both.clone());
        }
        // What matches the one ends where what matches the other begins.
        let seam = both.or_else(|| cross(&trimmed(self.back(), ends_with), &trimmed(next.front(), begins_with)));
        let mut needs = self.needs().and(next.needs());
        if let Some(seam) = seam {
            needs = needs.and(Condition::one_of(&seam));
        }
        let longer = |exact: &Self, one: &Texts, other: &Texts| match exact {
            Self::Exact(_) => cross(one, other),
            Self::Open { .. } => None,
        };
        let front = longer(self, self.front(), next.front());
        let back = longer(next, self.back(), next.back());
        // Where only the nearer part can be kept, what is given up at the far side has been noted.
        if front.is_none() || back.is_none() {
            needs = needs.and(Condition::one_of(self.front())).and(Condition::one_of(next.back()));
        }
        let front = front.unwrap_or_else(|| self.front().clone());
        let back = back.unwrap_or_else(|| next.back().clone());
        Self::Open { front, back, needs }.within_limits()
    }

    /// One of these.
    fn either(parts: Vec<Self>) -> Self {
        let exact = parts.iter().map(|part| match part {
            Self::Exact(texts) => Some(texts),
            Self::Open { .. } => None,
        });
        if let Some(exact) = exact.collect::<Option<Vec<_>>>() {
            let texts: Texts = exact.into_iter().flatten().cloned().collect();
            if fits(&texts) {
                return Self::Exact(texts);
            }
        }
        let (mut front, mut back, mut needs) = (Texts::new(), Texts::new(), Condition::Nothing);
        for part in parts {
            needs = needs.or(part.noted());
            front.extend(trimmed(part.front(), begins_with));
            back.extend(trimmed(part.back(), ends_with));
        }
        Self::Open { front, back, needs }.within_limits()
    }

    /// Itself, perhaps with more of the same behind it.
    fn repeated(self) -> Self {
        match self {
            Self::Exact(texts) => Self::Open { front: texts.clone(), back: texts, needs: Condition::Anything },
            open @ Self::Open { .. } => open,
        }
    }

    fn within_limits(self) -> Self {
        let noted = match &self {
            Self::Open { front, back, .. } if !fits(front) || !fits(back) => self.noted(),
            _ => return self,
        };
        let keep = |texts: &Texts, edge: fn(&[u8], usize) -> &[u8]| {
            if fits(texts) { texts.clone() } else { trimmed(texts, edge) }
        };
        Self::Open { front: keep(self.front(), begins_with), back: keep(self.back(), ends_with), needs: noted }
    }
}

/// The bytes with which characters of a class begin in UTF-8, if none of them is ASCII.
fn first_bytes(class: &ClassUnicode) -> Option<BTreeSet<u8>> {
    if class.iter().any(|range| range.start().is_ascii()) {
        return None;
    }
    let sequences = class.iter().flat_map(|range| Utf8Sequences::new(range.start(), range.end()));
    Some(sequences.filter_map(|sequence| sequence.as_slice().first().copied()).flat_map(|first| first.start..=first.end).collect())
}

fn read(text: &[u8], folds: bool) -> Vec<u8> {
    if folds { text.to_ascii_lowercase() } else { text.to_vec() }
}

fn fits(texts: &Texts) -> bool {
    texts.len() <= 1 || texts.len() <= MOST_TEXTS && texts.iter().map(Vec::len).sum::<usize>() <= MOST_BYTES
}

/// Each of the one with each of the other behind it, unless those are too many.
fn cross(one: &Texts, other: &Texts) -> Option<Texts> {
    let bytes = |texts: &Texts| texts.iter().map(Vec::len).sum::<usize>();
    let texts = one.len() * other.len();
    if texts > MOST_TEXTS || texts > 1 && bytes(one) * other.len() + bytes(other) * one.len() > MOST_BYTES {
        return None;
    }
    Some(one.iter().flat_map(|a| other.iter().map(move |b| [a.as_slice(), b].concat())).collect())
}

/// The edges of texts, short enough to be few.
fn trimmed(texts: &Texts, edge: fn(&[u8], usize) -> &[u8]) -> Texts {
    let cut = |length| texts.iter().map(|text| edge(text, length).to_vec()).collect::<Texts>();
    (1..=EDGE).rev().map(cut).find(fits).unwrap_or_else(|| cut(0))
}

fn begins_with(text: &[u8], length: usize) -> &[u8] {
    text.get(..length).unwrap_or(text)
}

fn ends_with(text: &[u8], length: usize) -> &[u8] {
    text.get(text.len().saturating_sub(length)..).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::gram::Grams;
    use crate::search::pattern::Matcher;

    fn condition(pattern: &str) -> Condition {
        Needs::of(&Matcher::pattern(pattern, false).ok().unwrap().hir, false, false).condition
    }

    fn holds(pattern: &str, text: &str) -> bool {
        condition(pattern).holds_of(Grams::new().of(text.as_bytes()), false)
    }

    #[test]
    fn literals_need_all_of_their_grams() {
        assert_eq!(condition("abcd"), Condition::All([Gram::of(*b"abc"), Gram::of(*b"bcd")].into(), Vec::new()));
        assert_eq!(condition("ab"), Condition::Anything);
        assert_eq!(condition(r"ab\b[cx]d$"), condition("(abcd|abxd)"));
        assert_eq!(condition("[a&&b]xyz"), Condition::Nothing);
    }

    /// Expressions that narrow: each with a text that could match, and one that could not.
    #[test]
    fn what_could_match_and_what_could_not() {
        for (pattern, could, could_not) in [
            ("memcpy", "x memcpy y", "x MEMCPY y"),
            (r"[A-Z]+_RESUME", "PM_RESUME", "PM_RESUM"),
            (r"strcpy\s*\(", "strcpy (", "strcp ("),
            (r"memcpy\(.*,.*,.*len", "memcpy(a,b,len)", "memcpy[a,b,len"),
            ("ERR_SYS|PME_TURN_OFF|LINK_REQ_RST|CFG_BME_EVT", "PME_TURN_OFF", "pme_turn_off"),
            ("(abc|xyz)+def", "xyzdef", "abc xyz"),
            ("(foo){3,}", "foofoofoo", "foo foo"),
            ("(foo){9}", "foofoofoofoofoo", "foo foo"),
            ("ab(c?)de", "abde", "abxde"),
            ("ab(c|d)?efg", "abdefg", "ab efx"),
            (".*needle.*", "needle", "needl e"),
            ("foo\nbar", "foo\nbar", "foo bar"),
            (r"\p{Greek}+", "\u{3b1}", "plain words"),
            (r"(?-u:\xff\xfe\xfd)", "", "x"),
        ] {
            assert_ne!(condition(pattern), Condition::Anything, "{pattern}");
            if pattern.is_ascii() && !pattern.contains(r"\x") {
                assert!(holds(pattern, could), "{pattern} {could}");
            }
            assert!(!holds(pattern, could_not), "{pattern} {could_not}");
        }
    }

    #[test]
    fn other_scripts_are_told_by_their_first_bytes() {
        assert!(holds(r"\p{Greek}", "x \u{3b1} y") && holds(r"\p{Cyrillic}\d", "\u{431}1"));
        assert!(!holds(r"\p{Greek}", "x \u{431}\u{4e2d} y"));
        assert!(!holds(r"\p{Greek}", "caf\u{e9}"));
        assert_eq!(condition(r"\p{Lu}"), Condition::Anything);
    }

    #[test]
    fn unicode_case_is_never_overlooked() {
        for (word, spellings) in [
            ("kernel", ["KERNEL", "\u{212A}ernel", "kernel"]),
            ("tasks", ["TASKS", "ta\u{17F}k\u{17F}", "ta\u{17F}\u{212A}s"]),
            ("10µs", ["10μs", "10ΜS", "10µ\u{17F}"]),
            ("straße", ["STRAẞE", "ſtraße", "Straße"]),
            ("привет", ["ПРИВЕТ", "Привет", "пРИВЕТ"]),
        ] {
            for spelling in spellings {
                let matcher = Matcher::text(word, true).ok().unwrap();
                assert!(matcher.is_in(spelling.as_bytes()), "{word} {spelling}");
                let needs = Needs::of(&matcher.hir, true, false);
                assert!(needs.condition.holds_of(Grams::new().of(spelling.as_bytes()), true), "{word} {spelling}");
                assert!(!needs.condition.holds_of(Grams::new().of(b"something else"), true), "{word}");
            }
        }
    }

    #[test]
    fn what_may_be_apart_is_not_looked_for_together() {
        let needs = |pattern: &str, spread| Needs::of(&Matcher::pattern(pattern, false).ok().unwrap().hir, false, spread).condition;
        let near = |text: &str| Condition::All(text.as_bytes().windows(3).map(|w| Gram::of(w.try_into().unwrap())).collect(), Vec::new());
        assert_eq!(needs(r"goto\s+fail", true), Condition::All(BTreeSet::new(), vec![near("goto"), near("fail")]));
        assert_eq!(
            needs("void.*main", false),
            Condition::All(
                [near("void"), near("main")]
                    .into_iter()
                    .flat_map(|c| match c {
                        Condition::All(grams, _) => grams,
                        _ => BTreeSet::new(),
                    })
                    .collect(),
                Vec::new()
            )
        );
        // Of a text over two lines each line by itself.
        assert_eq!(needs("abc\nxyz", true), Condition::All(BTreeSet::new(), vec![near("abc\n"), near("xyz")]));
    }

    #[test]
    fn conditions_stay_affordable() {
        let words = (0..400).map(|n| format!("word{n}")).collect::<Vec<_>>().join("|");
        let long = "(?i)".to_owned() + &"task_struct_sk".repeat(40);
        for pattern in [words.as_str(), long.as_str(), "(((abc){4}x){4}y){4}z", "[abc]{20}"] {
            let cost = condition(pattern).cost();
            assert!((1..=MOST_LOOKUPS).contains(&cost), "{pattern}: {cost}");
        }
        assert!(condition("((a|b|c|d)(e|f|g|h){4}){4}").cost() <= MOST_LOOKUPS);
        assert!(!holds(&words, "nothing of it"));
        assert!(holds(&words, "word399"));
    }
}
