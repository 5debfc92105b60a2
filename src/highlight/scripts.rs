//! Words whose letters are not what they seem (CVE-2021-42694), by the measures of UTS 39.
//!
//! A word is flagged when
//! - its letters come from more scripts than UTS 39 calls "highly restrictive" (Latin beside Japanese, Korean or Chinese is that, and is
//!   not flagged). Latin beside Greek is common in formulas, so there a Greek letter must be one that can be taken for another script's;
//! - all its letters are of one other script, and every one of them looks like an ASCII character. In prose of that script such words are
//!   ordinary, so outside code there must be no word of that script, on the line or in prose so far, that is plainly foreign;
//! - it uses letterlike or mathematical characters that are drawn like ASCII letters, in code or beside ASCII letters.

use std::ops::Range;

use unicode_script::{Script, UnicodeScript};
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{is_potential_mixed_script_confusable_char, skeleton};

use super::marks;

/// A word that may deceive, and the sentence that says how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flag {
    pub(super) range: Range<usize>,
    pub(super) kind: FlagKind,
    pub(super) title: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlagKind {
    Mixed,
    Lookalike,
}

/// The scripts that the text at hand is plainly written in. For code that is a line's affair, for prose the document's.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<Script>);

/// Finds the words of `line` to flag. `is_code` says of an offset whether it lies in code, where foreign words are not expected.
pub(super) fn flags(line: &str, seen: &mut Seen, is_code: impl Fn(usize) -> bool) -> Vec<Flag> {
    if line.is_ascii() {
        return Vec::new();
    }
    let words: Vec<(Range<usize>, &str)> = words(line).filter_map(|range| Some((range.clone(), line.get(range)?))).collect();
    for (_, word) in &words {
        seen.0.extend(plain_script(word).filter(|script| !seen.0.contains(script)));
    }
    let flags = words.into_iter().filter_map(|(range, word)| {
        let (kind, title) = flag(word, seen, is_code(range.start))?;
        Some(Flag { range, kind, title })
    });
    flags.collect()
}

fn flag(word: &str, seen: &Seen, in_code: bool) -> Option<(FlagKind, String)> {
    let scripts = scripts_of(word);
    if is_mixed(word, &scripts) {
        return Some((FlagKind::Mixed, format!("Letters of {} in one word", joined(&scripts))));
    }
    if let Some((script, twin)) = lookalike(word, &scripts) {
        let flagged = in_code || !seen.0.contains(&script);
        return flagged.then(|| (FlagKind::Lookalike, format!("{} letters that look like \u{201c}{twin}\u{201d}", name(script))));
    }
    let twin = styled(word, in_code)?;
    Some((FlagKind::Lookalike, format!("Characters that look like \u{201c}{twin}\u{201d}")))
}

/// The runs of letters, digits, underscores, and the marks and invisible characters among them, that are not all ASCII. The letter of an
/// escape (`\n`) or of a format (`%s`) is no part of the word behind it.
fn words(line: &str) -> impl Iterator<Item = Range<usize>> {
    let mut chars = line.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (start, first) = chars.next()?;
            if matches!(first, '\\' | '%') {
                chars.next_if(|(_, c)| c.is_ascii_alphabetic() || *c == first);
            }
            if !is_word_start(first) {
                continue;
            }
            let mut end = start + first.len_utf8();
            let mut ascii = first.is_ascii();
            while let Some((at, c)) = chars.next_if(|(_, c)| is_word_part(*c)) {
                end = at + c.len_utf8();
                ascii &= c.is_ascii();
            }
            if !ascii {
                return Some(start..end);
            }
        }
    })
}

fn is_word_start(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_word_part(c: char) -> bool {
    is_word_start(c) || (!c.is_ascii() && (c.script() == Script::Inherited || marks::is_hidden(c)))
}

/// The scripts of the letters, in order of appearance.
fn scripts_of(word: &str) -> Vec<Script> {
    let mut scripts = Vec::new();
    for script in word.chars().map(|c| c.script()) {
        if !matches!(script, Script::Common | Script::Inherited | Script::Unknown) && !scripts.contains(&script) {
            scripts.push(script);
        }
    }
    scripts
}

fn is_mixed(word: &str, scripts: &[Script]) -> bool {
    if scripts.len() < 2 {
        return false;
    }
    let mut resolved = AugmentedScriptSet::default();
    let mut beside_latin = AugmentedScriptSet::default();
    for c in word.chars().filter(|c| !marks::is_hidden(*c)) {
        let set = AugmentedScriptSet::from(c);
        resolved.intersect_with(set);
        if !set.base.contains_script(Script::Latin) {
            beside_latin.intersect_with(set);
        }
    }
    if !resolved.is_empty() || beside_latin.jpan || beside_latin.kore || beside_latin.hanb {
        return false;
    }
    let formula = scripts.len() == 2 && scripts.contains(&Script::Latin) && scripts.contains(&Script::Greek);
    !formula || word.chars().any(|c| c.script() == Script::Greek && is_potential_mixed_script_confusable_char(c))
}

/// The ASCII word that a word of one other script is drawn like. A single Greek letter is a symbol of mathematics.
fn lookalike(word: &str, scripts: &[Script]) -> Option<(Script, String)> {
    let [script] = *scripts else { return None };
    let letters = word.chars().filter(|c| c.script() == script).count();
    if script == Script::Latin || (script == Script::Greek && letters < 2) {
        return None;
    }
    Some((script, twin(word)?))
}

/// The script of a word of one script that could not be taken for ASCII.
fn plain_script(word: &str) -> Option<Script> {
    let scripts = scripts_of(word);
    let [script] = *scripts.as_slice() else { return None };
    twin(word).is_none().then_some(script)
}

/// Letterlike symbols, Roman numerals, full-width and mathematical letters that are drawn like ASCII.
fn styled(word: &str, in_code: bool) -> Option<String> {
    let is_styled =
        |c: char| matches!(c, '\u{2100}'..='\u{214f}' | '\u{2160}'..='\u{2188}' | '\u{ff10}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}');
    if !word.chars().any(is_styled) || !(in_code || word.chars().any(|c| c.is_ascii_alphabetic())) {
        return None;
    }
    twin(word)
}

/// What the word looks like if every character of it looks like ASCII, with the characters that are not seen left out.
fn twin(word: &str) -> Option<String> {
    let mut twin = String::new();
    for c in word.chars().filter(|c| !marks::is_hidden(*c)) {
        if c.is_ascii() {
            twin.push(c);
            continue;
        }
        for drawn in skeleton(c.encode_utf8(&mut [0; 4])) {
            if !drawn.is_ascii_alphanumeric() {
                return None;
            }
            twin.push(drawn);
        }
    }
    Some(twin)
}

fn joined(scripts: &[Script]) -> String {
    let names: Vec<String> = scripts.iter().copied().map(name).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

fn name(script: Script) -> String {
    script.full_name().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(line: &str, code: bool) -> Vec<(String, String)> {
        flags(line, &mut Seen::default(), |_| code).into_iter().map(|flag| (line[flag.range].to_owned(), flag.title)).collect()
    }

    fn one(line: &str, code: bool) -> String {
        let mut found = titles(line, code);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0).1
    }

    #[test]
    fn a_letter_of_another_script_in_a_word() {
        assert_eq!(one("if (аdmin) {", true), "Letters of Cyrillic and Latin in one word");
        assert_eq!(one("sayHеllo()", false), "Letters of Latin and Cyrillic in one word");
        assert_eq!(one("lοgin", true), "Letters of Latin and Greek in one word");
        assert_eq!(one("aբс", true), "Letters of Latin, Armenian and Cyrillic in one word");
        assert_eq!(titles("x = аdmin + y", true)[0].0, "аdmin");
    }

    #[test]
    fn an_invisible_character_does_not_split_a_word() {
        assert_eq!(one("ad\u{200b}m\u{456}n", true), "Letters of Latin and Cyrillic in one word");
    }

    #[test]
    fn writing_systems_that_use_several_scripts_are_not_suspicious() {
        for line in [
            "ひらがなとカタカナと漢字",
            "USBメモリ",
            "한국어API",
            "naïve_café",
            "переменная_1",
            "日本語text漢字",
            "μs Δt λ_max ω0",
            "α + β",
            "été",
        ] {
            assert_eq!(titles(line, true), [], "{line}");
        }
    }

    #[test]
    fn a_whole_word_that_looks_like_ascii() {
        assert_eq!(one("сор = 1", true), "Cyrillic letters that look like “cop”");
        assert_eq!(one("int сор;", false), "Cyrillic letters that look like “cop”");
        assert_eq!(one("ΑΒΕ", true), "Greek letters that look like “ABE”");
    }

    #[test]
    fn such_a_word_is_ordinary_in_prose_of_its_script() {
        assert_eq!(titles("// а это комментарий о том и о сём", false), []);
        assert_eq!(titles("сор; // а это комментарий", true).len(), 2);
    }

    #[test]
    fn prose_remembers_what_it_is_written_in() {
        let mut seen = Seen::default();
        assert_eq!(flags("Просто текст", &mut seen, |_| false), []);
        assert_eq!(flags("сор", &mut seen, |_| false), []);
        assert_eq!(flags("сор", &mut seen, |_| true).len(), 1);
        assert_eq!(flags("ΑΒΕ", &mut seen, |_| false).len(), 1);
    }

    #[test]
    fn an_escape_or_a_format_is_no_part_of_the_word_behind_it() {
        for line in [r"\nЭто", r"%sЭто", r"C:\\Это", "%%Это"] {
            assert_eq!(titles(line, true), [], "{line}");
        }
        assert_eq!(titles(r"\\nЭто \ndЭто", true).len(), 2);
    }

    #[test]
    fn mathematical_and_full_width_letters() {
        assert_eq!(one("𝐚dmin = 1", true), "Characters that look like “admin”");
        assert_eq!(one("ａdmin", false), "Characters that look like “admin”");
        assert_eq!(titles("これはＡＰＩです", false), []);
        assert_eq!(titles("ＡＰＩ", false), []);
    }
}
