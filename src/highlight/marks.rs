//! Characters that are not seen, or that change how others are seen, and the names they are shown under.
//!
//! A reader must be able to trust that the order and the number of characters on the page are those in the file (CVE-2021-42574). So no
//! such character is ever sent to the browser: its mark is sent in its place. Which characters: the bidirectional controls, everything
//! Unicode calls default-ignorable, all control characters but TAB, the separators that some programs break lines at, noncharacters, and
//! the spaces that are not U+0020. The last are only odd and get a milder mark; so do joiners and variation selectors where they do their
//! proper work, inside a word of a script that needs them or in a composed emoji.

use std::borrow::Cow;

use unicode_script::{Script, UnicodeScript};

/// What a character that needs a mark does to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Changes the order in which its neighbours are read.
    Order,
    /// Is not seen.
    Hidden,
    /// Looks like something it is not, or is hidden for a good reason; worth a mark and not worth a notice.
    Mild,
}

/// Whether `c` needs a mark, knowing the characters around it.
pub(super) fn mark(c: char, before: Option<char>, after: Option<char>) -> Option<Mark> {
    match c {
        '\t' | ' '..='~' => None,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{206a}'..='\u{206f}' => {
            Some(Mark::Order)
        }
        '\u{3000}' => (!before.is_none_or(is_wide) || !after.is_none_or(is_wide)).then_some(Mark::Mild),
        '\u{c}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}' => Some(Mark::Mild),
        '\u{200c}' | '\u{200d}' if before.is_some_and(joins_letters) && after.is_some_and(joins_letters) => Some(Mark::Mild),
        '\u{200d}' if before.is_some_and(is_emoji_part) && after.is_some_and(is_pictograph) => Some(Mark::Mild),
        '\u{fe0e}' | '\u{fe0f}' if before.is_some_and(is_pictograph) => Some(Mark::Mild),
        '\u{fe0f}' if after == Some('\u{20e3}') => Some(Mark::Mild),
        _ => (c.is_control() || is_hidden(c)).then_some(Mark::Hidden),
    }
}

/// Whether a text has characters that change the order of their neighbours, or are not seen.
pub fn hides(text: &str) -> bool {
    // Most files have nothing else.
    if text.bytes().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~')) {
        return false;
    }
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied();
        let ends_line = c == '\n' || c == '\r';
        if !ends_line && matches!(mark(c, before, after), Some(Mark::Order | Mark::Hidden)) {
            return true;
        }
        before = Some(c);
    }
    false
}

/// Default-ignorable (Unicode 16, `Default_Ignorable_Code_Point`), a separator, or a noncharacter.
pub(super) fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// An ideographic space is as wide as these, and ordinary among them and at the ends of their lines.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff01}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

/// A letter or sign of a script in which words are spelt with joiners (UAX 31, A1, A2 and B).
fn joins_letters(c: char) -> bool {
    matches!(
        c.script(),
        Script::Arabic
            | Script::Syriac
            | Script::Mongolian
            | Script::Devanagari
            | Script::Bengali
            | Script::Gurmukhi
            | Script::Gujarati
            | Script::Oriya
            | Script::Tamil
            | Script::Telugu
            | Script::Kannada
            | Script::Malayalam
            | Script::Sinhala
            | Script::Khmer
            | Script::Myanmar
            | Script::Tibetan
    )
}

/// A picture that may be one of several in a composed emoji, or have a text and a coloured form.
pub(super) fn is_pictograph(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}'
        | '\u{24c2}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}'
        | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

fn is_emoji_part(c: char) -> bool {
    is_pictograph(c) || c == '\u{fe0f}'
}

/// The character's name in the Unicode Character Database, or what it is where it has none.
pub(super) fn name(c: char) -> Cow<'static, str> {
    const C0: [&str; 32] = [
        "NULL",
        "START OF HEADING",
        "START OF TEXT",
        "END OF TEXT",
        "END OF TRANSMISSION",
        "ENQUIRY",
        "ACKNOWLEDGE",
        "BELL",
        "BACKSPACE",
        "CHARACTER TABULATION",
        "LINE FEED",
        "LINE TABULATION",
        "FORM FEED",
        "CARRIAGE RETURN",
        "SHIFT OUT",
        "SHIFT IN",
        "DATA LINK ESCAPE",
        "DEVICE CONTROL ONE",
        "DEVICE CONTROL TWO",
        "DEVICE CONTROL THREE",
        "DEVICE CONTROL FOUR",
        "NEGATIVE ACKNOWLEDGE",
        "SYNCHRONOUS IDLE",
        "END OF TRANSMISSION BLOCK",
        "CANCEL",
        "END OF MEDIUM",
        "SUBSTITUTE",
        "ESCAPE",
        "INFORMATION SEPARATOR FOUR",
        "INFORMATION SEPARATOR THREE",
        "INFORMATION SEPARATOR TWO",
        "INFORMATION SEPARATOR ONE",
    ];
    if let Some(name) = C0.get(u32::from(c) as usize) {
        return Cow::Borrowed(name);
    }
    Cow::Borrowed(match c {
        '\u{7f}' => "DELETE",
        '\u{85}' => "NEXT LINE",
        '\u{80}'..='\u{9f}' => "CONTROL CHARACTER",
        '\u{a0}' => "NO-BREAK SPACE",
        '\u{ad}' => "SOFT HYPHEN",
        '\u{34f}' => "COMBINING GRAPHEME JOINER",
        '\u{61c}' => "ARABIC LETTER MARK",
        '\u{115f}' => "HANGUL CHOSEONG FILLER",
        '\u{1160}' => "HANGUL JUNGSEONG FILLER",
        '\u{1680}' => "OGHAM SPACE MARK",
        '\u{17b4}' => "KHMER VOWEL INHERENT AQ",
        '\u{17b5}' => "KHMER VOWEL INHERENT AA",
        '\u{180e}' => "MONGOLIAN VOWEL SEPARATOR",
        '\u{180b}'..='\u{180f}' => "MONGOLIAN FREE VARIATION SELECTOR",
        '\u{2000}' => "EN QUAD",
        '\u{2001}' => "EM QUAD",
        '\u{2002}' => "EN SPACE",
        '\u{2003}' => "EM SPACE",
        '\u{2004}' => "THREE-PER-EM SPACE",
        '\u{2005}' => "FOUR-PER-EM SPACE",
        '\u{2006}' => "SIX-PER-EM SPACE",
        '\u{2007}' => "FIGURE SPACE",
        '\u{2008}' => "PUNCTUATION SPACE",
        '\u{2009}' => "THIN SPACE",
        '\u{200a}' => "HAIR SPACE",
        '\u{200b}' => "ZERO WIDTH SPACE",
        '\u{200c}' => "ZERO WIDTH NON-JOINER",
        '\u{200d}' => "ZERO WIDTH JOINER",
        '\u{200e}' => "LEFT-TO-RIGHT MARK",
        '\u{200f}' => "RIGHT-TO-LEFT MARK",
        '\u{2028}' => "LINE SEPARATOR",
        '\u{2029}' => "PARAGRAPH SEPARATOR",
        '\u{202a}' => "LEFT-TO-RIGHT EMBEDDING",
        '\u{202b}' => "RIGHT-TO-LEFT EMBEDDING",
        '\u{202c}' => "POP DIRECTIONAL FORMATTING",
        '\u{202d}' => "LEFT-TO-RIGHT OVERRIDE",
        '\u{202e}' => "RIGHT-TO-LEFT OVERRIDE",
        '\u{202f}' => "NARROW NO-BREAK SPACE",
        '\u{205f}' => "MEDIUM MATHEMATICAL SPACE",
        '\u{2060}' => "WORD JOINER",
        '\u{2061}' => "FUNCTION APPLICATION",
        '\u{2062}' => "INVISIBLE TIMES",
        '\u{2063}' => "INVISIBLE SEPARATOR",
        '\u{2064}' => "INVISIBLE PLUS",
        '\u{2066}' => "LEFT-TO-RIGHT ISOLATE",
        '\u{2067}' => "RIGHT-TO-LEFT ISOLATE",
        '\u{2068}' => "FIRST STRONG ISOLATE",
        '\u{2069}' => "POP DIRECTIONAL ISOLATE",
        '\u{206a}' => "INHIBIT SYMMETRIC SWAPPING",
        '\u{206b}' => "ACTIVATE SYMMETRIC SWAPPING",
        '\u{206c}' => "INHIBIT ARABIC FORM SHAPING",
        '\u{206d}' => "ACTIVATE ARABIC FORM SHAPING",
        '\u{206e}' => "NATIONAL DIGIT SHAPES",
        '\u{206f}' => "NOMINAL DIGIT SHAPES",
        '\u{2800}' => "BRAILLE PATTERN BLANK",
        '\u{3000}' => "IDEOGRAPHIC SPACE",
        '\u{3164}' => "HANGUL FILLER",
        '\u{feff}' => "ZERO WIDTH NO-BREAK SPACE",
        '\u{ffa0}' => "HALFWIDTH HANGUL FILLER",
        '\u{fff9}' => "INTERLINEAR ANNOTATION ANCHOR",
        '\u{fffa}' => "INTERLINEAR ANNOTATION SEPARATOR",
        '\u{fffb}' => "INTERLINEAR ANNOTATION TERMINATOR",
        '\u{1bca0}'..='\u{1bca3}' => "SHORTHAND FORMAT CONTROL",
        '\u{1d173}'..='\u{1d17a}' => "MUSICAL SYMBOL FORMAT CONTROL",
        '\u{e0001}' => "LANGUAGE TAG",
        '\u{e007f}' => "CANCEL TAG",
        '\u{fe00}'..='\u{fe0f}' => return Cow::Owned(format!("VARIATION SELECTOR-{}", u32::from(c) - 0xfe00 + 1)),
        '\u{e0100}'..='\u{e01ef}' => return Cow::Owned(format!("VARIATION SELECTOR-{}", u32::from(c) - 0xe0100 + 17)),
        '\u{e0020}'..='\u{e007e}' => return Cow::Owned(tag_name(c)),
        '\u{fdd0}'..='\u{fdef}' => "NONCHARACTER",
        _ if u32::from(c) & 0xfffe == 0xfffe => "NONCHARACTER",
        _ => "INVISIBLE CHARACTER",
    })
}

/// Tag characters repeat ASCII out of sight; the title says which character is repeated.
fn tag_name(c: char) -> String {
    match u32::from(c).checked_sub(0xe0000).and_then(char::from_u32) {
        Some(' ') => "TAG SPACE".to_owned(),
        Some(ascii) => format!("TAG {ascii}"),
        None => "TAG".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_told_from_what_is_only_odd() {
        for plain in ["", "int main(void)\r\n\t{ }", "na\u{ef}ve \u{4e2d}\u{6587}", "a\u{a0}b", "page\u{c}break"] {
            assert!(!hides(plain), "{plain:?}");
        }
        for hiding in ["if (a\u{202e} b)", "x\u{200b}y", "nul\0", "\u{feff}int", "bell\u{7}"] {
            assert!(hides(hiding), "{hiding:?}");
        }
    }

    #[test]
    fn controls_of_direction_change_the_order() {
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain(['\u{200e}', '\u{200f}', '\u{61c}']) {
            assert_eq!(mark(c, Some('a'), Some('b')), Some(Mark::Order), "{c:?}");
        }
    }

    #[test]
    fn what_is_not_seen_is_marked() {
        let listed = ['\u{ad}', '\u{180e}', '\u{3164}', '\u{115f}', '\u{1160}', '\u{ffa0}', '\u{feff}', '\u{fff9}', '\u{fffb}', '\u{2028}'];
        let ranges = ('\u{200b}'..='\u{200d}').chain('\u{2060}'..='\u{2064}').chain('\u{fe00}'..='\u{fe0f}');
        for c in ranges.chain('\u{e0000}'..='\u{e007f}').chain(listed).chain(['\0', '\u{8}', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}']) {
            assert_eq!(mark(c, Some('a'), Some('b')), Some(Mark::Hidden), "{c:?}");
        }
    }

    #[test]
    fn ordinary_characters_are_not() {
        for c in ('!'..='~').chain(['\t', ' ', 'é', 'ß', 'Я', '日', 'ｱ', '🦀', '\u{301}', '\u{fffd}', '“', '…']) {
            assert_eq!(mark(c, Some('a'), Some('b')), None, "{c:?}");
        }
    }

    #[test]
    fn what_has_work_to_do_is_marked_mildly() {
        assert_eq!(mark('\u{200d}', Some('👩'), Some('🚀')), Some(Mark::Mild));
        assert_eq!(mark('\u{fe0f}', Some('⚠'), None), Some(Mark::Mild));
        assert_eq!(mark('\u{200c}', Some('ی'), Some('خ')), Some(Mark::Mild));
        assert_eq!(mark('\u{a0}', Some('a'), Some('b')), Some(Mark::Mild));
        assert_eq!(mark('\u{200d}', Some('a'), Some('🚀')), Some(Mark::Hidden));
        assert_eq!(mark('\u{fe0f}', Some('a'), None), Some(Mark::Hidden));
    }

    #[test]
    fn an_ideographic_space_is_at_home_among_ideographs() {
        assert_eq!(mark('\u{3000}', Some('日'), Some('本')), None);
        assert_eq!(mark('\u{3000}', None, Some('本')), None);
        assert_eq!(mark('\u{3000}', Some('a'), Some('b')), Some(Mark::Mild));
        assert_eq!(mark('\u{3000}', Some('日'), Some('b')), Some(Mark::Mild));
    }

    #[test]
    fn every_mark_has_a_name() {
        for c in ('\0'..=char::MAX).filter(|c| mark(*c, Some('a'), Some('a')).is_some()) {
            let name = name(c);
            assert!(!name.is_empty() && !name.contains(['\u{202e}', '\u{200b}']), "{c:?}");
        }
        assert_eq!(name('\u{202e}'), "RIGHT-TO-LEFT OVERRIDE");
        assert_eq!(name('\u{e0041}'), "TAG A");
        assert_eq!(name('\u{e0100}'), "VARIATION SELECTOR-17");
    }
}
