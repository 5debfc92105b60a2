//! Which encoding the bytes of a text are in, by its marks, its faults and what it would say.

use std::fmt;

use encoding_rs::{DecoderResult, EUC_JP, SHIFT_JIS, WINDOWS_1252};
use unicode_script::{Script, UnicodeScript};

use super::Text;

/// git looks for a NUL in this many bytes when it decides whether a file is binary.
const PROBE: usize = 8000;

/// How a text was written as bytes. `Display` gives the name people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Latin1,
    /// Latin-1 with letters and quotation marks where Latin-1 has control characters.
    Windows1252,
    ShiftJis,
    EucJp,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16 LE",
            Self::Utf16Be => "UTF-16 BE",
            Self::Latin1 => "Latin-1",
            Self::Windows1252 => "Windows-1252",
            Self::ShiftJis => "Shift-JIS",
            Self::EucJp => "EUC-JP",
        })
    }
}

/// The bytes as text, if that is what they are.
pub(super) fn text_of(bytes: &[u8]) -> Option<Text> {
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return (!probe(rest).contains(&0)).then(|| utf8(rest).with_byte_order_mark());
    }
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return readable_utf16(rest, Encoding::Utf16Le).map(Text::with_byte_order_mark);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return readable_utf16(rest, Encoding::Utf16Be).map(Text::with_byte_order_mark);
    }
    if probe(bytes).contains(&0) {
        return unmarked_utf16(bytes);
    }
    eight_bit(bytes)
}

/// What is looked at to tell binary from text.
pub(super) fn probe(bytes: &[u8]) -> &[u8] {
    bytes.get(..PROBE).unwrap_or(bytes)
}

/// A control character that text files do not use: not TAB, LF, VT, FF, CR, BS (overstriking) or ESC (colours).
fn is_odd_control(byte: u8) -> bool {
    (byte < 0x20 && !matches!(byte, 8..=13 | 27)) || byte == 0x7f
}

/// Bytes without a NUL: UTF-8 if they are that or nearly that, else the likeliest of the older encodings, else no text when control
/// characters betray it.
fn eight_bit(bytes: &[u8]) -> Option<Text> {
    let lossy = utf8(bytes);
    let odd = bytes.iter().filter(|b| is_odd_control(**b)).count();
    let invalid = lossy.invalid.len();
    let sequences = lossy.contents.chars().filter(|c| !c.is_ascii()).count() - invalid;
    if odd > 0 && 10 * (odd + invalid) > 3 * bytes.len() {
        return None;
    }
    if invalid <= sequences || 100 * odd > bytes.len() {
        return Some(lossy);
    }
    let japanese = || japanese(bytes, SHIFT_JIS, Encoding::ShiftJis).or_else(|| japanese(bytes, EUC_JP, Encoding::EucJp));
    Some(japanese().or_else(|| western(bytes)).unwrap_or(lossy))
}

fn utf8(bytes: &[u8]) -> Text {
    let mut text = String::with_capacity(bytes.len());
    let mut invalid = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for &byte in chunk.invalid() {
            invalid.push((text.len(), byte));
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Text::new(text, Encoding::Utf8, invalid)
}

/// UTF-16, of which every lone surrogate and an odd last byte are invalid bytes.
fn utf16(bytes: &[u8], encoding: Encoding) -> Text {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let unit = |pair: &[u8; 2]| if encoding == Encoding::Utf16Le { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
    let mut text = String::with_capacity(bytes.len());
    let mut invalid = Vec::new();
    let mut reject = |text: &mut String, byte: u8| {
        invalid.push((text.len(), byte));
        text.push(char::REPLACEMENT_CHARACTER);
    };
    for decoded in char::decode_utf16(pairs.iter().map(unit)) {
        match decoded {
            Ok(c) => text.push(c),
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                let pair = if encoding == Encoding::Utf16Le { unit.to_le_bytes() } else { unit.to_be_bytes() };
                for byte in pair {
                    reject(&mut text, byte);
                }
            }
        }
    }
    for &byte in odd {
        reject(&mut text, byte);
    }
    Text::new(text, encoding, invalid)
}

/// What a byte order mark calls UTF-16, unless it then reads like no text at all: `ff fe` also begins other formats.
fn readable_utf16(bytes: &[u8], encoding: Encoding) -> Option<Text> {
    let text = utf16(bytes, encoding);
    let odd = text.contents.chars().filter(|c| is_odd_in_utf16(*c)).count() + text.invalid.len();
    (20 * odd <= text.contents.chars().count() + 60).then_some(text)
}

/// A control character, or one that is unassigned, private or no character at all.
fn is_odd_in_utf16(c: char) -> bool {
    u8::try_from(c).map_or_else(|_| c.script() == Script::Unknown, is_odd_control)
}

/// UTF-16 without a byte order mark. The NULs that made us ask must all be the same half of their unit, and every character must be one
/// that text has: either most are ASCII, or the file is long enough to show that it keeps to a few scripts.
fn unmarked_utf16(bytes: &[u8]) -> Option<Text> {
    if bytes.len() < 4 || !bytes.len().is_multiple_of(2) {
        return None;
    }
    let (pairs, _) = bytes.as_chunks::<2>();
    let (mut first_nuls, mut second_nuls) = (0_usize, 0_usize);
    for [first, second] in pairs {
        first_nuls += usize::from(*first == 0);
        second_nuls += usize::from(*second == 0);
    }
    let encoding = match (first_nuls, second_nuls) {
        (0, 1..) => Encoding::Utf16Le,
        (1.., 0) => Encoding::Utf16Be,
        _ => return None,
    };
    let text = utf16(bytes, encoding);
    let mut scripts = Vec::new();
    let (mut all, mut ascii) = (0_usize, 0_usize);
    for c in text.contents.chars() {
        let script = c.script();
        if is_odd_in_utf16(c) || c == char::REPLACEMENT_CHARACTER {
            return None;
        }
        if !matches!(script, Script::Common | Script::Inherited) && !scripts.contains(&script) {
            scripts.push(script);
        }
        all += 1;
        ascii += usize::from(c.is_ascii());
    }
    let mostly_ascii = 4 * ascii >= 3 * all;
    let few_scripts = bytes.len() >= 32 && scripts.len() <= 4;
    (text.invalid.is_empty() && (mostly_ascii || few_scripts)).then_some(text)
}

/// Text in `encoding`, if decoding finds at most one fault in a hundred characters and the characters are those of Japanese: kana and the
/// common kanji, and few half-width kana, which Shift-JIS takes most high bytes of another encoding for.
fn japanese(bytes: &[u8], decoding: &'static encoding_rs::Encoding, encoding: Encoding) -> Option<Text> {
    let mut text = String::with_capacity(2 * bytes.len());
    let mut invalid = Vec::new();
    let mut decoder = decoding.new_decoder_without_bom_handling();
    let mut rest = bytes;
    loop {
        text.reserve(decoder.max_utf8_buffer_length_without_replacement(rest.len())?);
        let (result, read) = decoder.decode_to_string_without_replacement(rest, &mut text, true);
        let (done, later) = rest.split_at(read);
        rest = later;
        match result {
            DecoderResult::InputEmpty => break,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, after) => {
                let end = done.len().checked_sub(usize::from(after))?;
                for &byte in done.get(end.checked_sub(usize::from(length))?..end)? {
                    invalid.push((text.len(), byte));
                    text.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
    }
    is_japanese(&text, invalid.len()).then(|| Text::new(text, encoding, invalid))
}

fn is_japanese(text: &str, invalid: usize) -> bool {
    let (mut kana, mut kanji, mut half_width, mut other) = (0_usize, 0_usize, 0_usize, 0_usize);
    for c in text.chars().filter(|c| !c.is_ascii()) {
        match c {
            '\u{3000}'..='\u{3002}' | '\u{300c}'..='\u{300f}' | '\u{3040}'..='\u{30ff}' => kana += 1,
            '\u{ff01}'..='\u{ff5e}' => kanji += 1,
            '\u{ff61}'..='\u{ff9f}' => half_width += 1,
            '\u{4e00}'..='\u{9fff}' if is_common_kanji(c) => kanji += 1,
            _ => other += 1,
        }
    }
    let full_width = kana + kanji;
    let faults = other.saturating_sub(invalid) + 2 * half_width;
    full_width >= 2 && 100 * invalid <= full_width && 2 * faults <= full_width && (10 * kana >= full_width || faults == 0)
}

/// A kanji of level 1, which Shift-JIS has from 0x889f to 0x9872.
fn is_common_kanji(c: char) -> bool {
    let mut buffer = [0; 4];
    let (encoded, _, _) = SHIFT_JIS.encode(c.encode_utf8(&mut buffer));
    encoded.first().is_some_and(|lead| (0x88..=0x98).contains(lead))
}

/// Latin-1, or Windows-1252 when bytes are used that are control characters in Latin-1. Most high bytes must read as text does: letters
/// beside letters, signs by themselves. So three stray bytes in an ASCII file are invalid bytes and not "ÿþ€".
fn western(bytes: &[u8]) -> Option<Text> {
    let (mut likely, mut all, mut windows) = (0_usize, 0_usize, false);
    let neighbours = std::iter::once(None).chain(bytes.iter().copied().map(Some));
    for ((before, &byte), place) in neighbours.zip(bytes).zip(1..) {
        if byte < 0x80 {
            continue;
        }
        all += 1;
        windows |= byte < 0xa0;
        likely += usize::from(match byte {
            0x81 | 0x8d | 0x8f | 0x90 | 0x9d => return None,
            _ if is_western_letter(byte) => [before, bytes.get(place).copied()].into_iter().flatten().any(is_western_letter),
            // € … quotation marks, dashes, ™, no-break space and £ § © « ® ° ± ´ µ · » ¿
            _ => b"\x80\x85\x91\x92\x93\x94\x95\x96\x97\x99\xa0\xa3\xa7\xa9\xab\xae\xb0\xb1\xb4\xb5\xb7\xbb\xbf".contains(&byte),
        });
    }
    // More high bytes than a stray few is text in some eight-bit encoding, of which this is the one whose every byte can be shown.
    let plausible = 2 * likely > all || 10 * all > bytes.len().max(100);
    plausible.then(|| {
        if windows {
            let text = WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned();
            Text::new(text, Encoding::Windows1252, Vec::new())
        } else {
            Text::new(bytes.iter().copied().map(char::from).collect(), Encoding::Latin1, Vec::new())
        }
    })
}

/// Š Œ Ž š œ ž Ÿ and what Latin-1 has; not ÿ, which is rare where 0xff is not.
fn is_western_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, 0x8a | 0x8c | 0x8e | 0x9a | 0x9c | 0x9e | 0x9f | 0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..=0xfe)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Content, decode};
    use super::*;

    fn text(bytes: &[u8]) -> Text {
        match decode(bytes) {
            Content::Text(text) => text,
            other => panic!("{other:?} for {bytes:?}"),
        }
    }

    fn named(bytes: &[u8]) -> (String, String, usize) {
        let text = text(bytes);
        (text.encoding().to_string(), text.as_str().to_owned(), text.invalid().len())
    }

    fn in_utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    }

    /// The bytes a text was made from: what the invalid bytes stand for, put back.
    fn original(text: &Text) -> Vec<u8> {
        let mut bytes = if text.byte_order_mark() { "\u{feff}".to_owned().into_bytes() } else { Vec::new() };
        let mut from = 0;
        for &(at, byte) in text.invalid() {
            bytes.extend_from_slice(&text.as_str().as_bytes()[from..at]);
            bytes.push(byte);
            from = at + char::REPLACEMENT_CHARACTER.len_utf8();
        }
        bytes.extend_from_slice(&text.as_str().as_bytes()[from..]);
        bytes
    }

    #[test]
    fn utf8_with_and_without_a_byte_order_mark() {
        assert_eq!(named("naïve 日本 🦀\n".as_bytes()), ("UTF-8".into(), "naïve 日本 🦀\n".into(), 0));
        assert_eq!(named(b""), ("UTF-8".into(), String::new(), 0));
        let marked = text(b"\xef\xbb\xbfint x;\n");
        assert_eq!((marked.as_str(), marked.byte_order_mark()), ("int x;\n", true));
        assert!(!text(b"int x;\n").byte_order_mark());
    }

    #[test]
    fn a_few_broken_bytes_leave_utf8_what_it_is() {
        let broken = text(b"\xe6\x97\xa5\xe6\x9c\xac na\xc3\xafve caf\xe9 \xff\n");
        assert_eq!(broken.encoding(), Encoding::Utf8);
        assert_eq!(broken.as_str(), "日本 naïve caf\u{fffd} \u{fffd}\n");
        assert_eq!(broken.invalid(), [(17, 0xe9), (21, 0xff)]);
        // Nothing here reads as letters either, so ASCII with stray bytes is not called Latin-1.
        assert_eq!(named(b"return 0; /* \xff\xfe \x80 */\n").0, "UTF-8");
        assert_eq!(text(b"return 0; /* \xff\xfe */\n").invalid().len(), 2);
        // A truncated character: both of its bytes are kept.
        assert_eq!(text("日本語".as_bytes().get(..8).unwrap()).invalid(), [(6, 0xe8), (9, 0xaa)]);
    }

    #[test]
    fn utf16_in_both_orders_marked_and_unmarked() {
        let source = "#include <stdio.h>\r\nint main(void) { return 0; } // Größe\r\n";
        for little in [true, false] {
            let name = if little { "UTF-16 LE" } else { "UTF-16 BE" };
            let bare = in_utf16(source, little);
            assert_eq!(named(&bare), (name.into(), source.into(), 0));
            let marked = in_utf16(&format!("\u{feff}{source}"), little);
            assert_eq!(named(&marked), (name.into(), source.into(), 0));
            assert!(text(&marked).byte_order_mark());
            let japanese = in_utf16("これは日本語の文章です。\n改行もあります。\n", little);
            assert_eq!(named(&japanese).0, name);
        }
        let lone = [0xff, 0xfe, b'a', 0, 0x00, 0xd8, b'b', 0, b'c'];
        assert_eq!(text(&lone).invalid(), [(1, 0x00), (4, 0xd8), (8, b'c')]);
    }

    #[test]
    fn what_only_resembles_utf16_is_binary() {
        for bytes in [&b"a\0"[..], b"ab\0\0", b"\x7fELF\x02\x01\x01\0\0\0\0\0", b"\x01\0\x02\0\x03\0\x04\0", b"GIF\0", b"\0\0\0\0"] {
            assert_eq!(decode(bytes), Content::Binary, "{bytes:?}");
        }
        let samples: Vec<u8> = (0..4000_u16).flat_map(|n| n.wrapping_mul(7919).to_le_bytes()).collect();
        assert_eq!(decode(&samples), Content::Binary);
        let marked: Vec<u8> = [0xff, 0xfe].into_iter().chain((0..999_u16).flat_map(|n| [(n % 7) as u8, 0])).collect();
        assert_eq!(decode(&marked), Content::Binary);
        let noise: Vec<u8> = [0xff, 0xfe].into_iter().chain((0..2000_u16).flat_map(|n| n.wrapping_mul(40503).to_le_bytes())).collect();
        assert_eq!(decode(&noise), Content::Binary);
    }

    #[test]
    fn latin1_and_its_windows_superset() {
        assert_eq!(named(b"Copyright Ren\xe9 M\xfcller \xa9\n"), ("Latin-1".into(), "Copyright René Müller ©\n".into(), 0));
        assert_eq!(named(b"\xc4\xcb\xd1\xcf\xd6\n").1, "ÄËÑÏÖ\n");
        assert_eq!(named(b"caf\xe9"), ("Latin-1".into(), "café".into(), 0));
        assert_eq!(named(b"\x93quoted\x94 na\xefve \x80 5\n"), ("Windows-1252".into(), "“quoted” naïve € 5\n".into(), 0));
        // A byte that Windows-1252 does not have, and no other encoding to blame.
        assert_eq!(named(b"caf\xe9 \x81 x\n").0, "UTF-8");
    }

    #[test]
    fn shift_jis_by_what_it_says() {
        for source in ["/* 初期化する関数 */\nint x = 1;\n", "日本語", "// カウンタを増やす。\n", "東京"] {
            let bytes = SHIFT_JIS.encode(source).0;
            assert_eq!(named(&bytes), ("Shift-JIS".into(), source.into(), 0));
        }
        // A trail byte that is a backslash does not end a string early.
        assert_eq!(text(b"\"\x95\x5c\x8e\xa6\";\n").as_str(), "\"表示\";\n");
        let mut long = SHIFT_JIS.encode(&"これは長い説明です。\n".repeat(20)).0.into_owned();
        long.extend_from_slice(b"\xa0\n");
        let broken = text(&long);
        assert_eq!((broken.encoding(), broken.invalid().len()), (Encoding::ShiftJis, 1));
        assert_eq!(broken.invalid()[0].1, 0xa0);
    }

    #[test]
    fn other_encodings_are_not_called_shift_jis() {
        let japanese = EUC_JP.encode("これは日本語の文章です。\n").0;
        assert_eq!(named(&japanese), ("EUC-JP".into(), "これは日本語の文章です。\n".into(), 0));
        let french = encoding_rs::WINDOWS_1252.encode("L'été dernier, à la forêt, où l'élève rêvait d'être préféré\n").0;
        assert_eq!(text(&french).encoding(), Encoding::Latin1);
        let chinese = encoding_rs::GBK.encode("这是一个测试文件，用来检查编码。\n").0;
        assert_ne!(text(&chinese).encoding(), Encoding::ShiftJis);
        let russian = encoding_rs::WINDOWS_1251.encode("Привет, мир. Это проверка.\n").0;
        assert_ne!(text(&russian).encoding(), Encoding::ShiftJis);
    }

    #[test]
    fn binary_is_what_has_nuls_or_little_else_than_control_characters() {
        assert_eq!(decode(b"abc\0def"), Content::Binary);
        assert_eq!(decode(b"\x01\x02\x03\x04"), Content::Binary);
        assert_eq!(decode(b"\xef\xbb\xbfa\0b"), Content::Binary);
        assert_eq!(named(b"\x1b[31mred\x1b[0m\x0c\n").0, "UTF-8");
        // Like git, a NUL past the first 8000 bytes does not make a text binary.
        let late = [&b"x".repeat(9000)[..], b"\0\n"].concat();
        assert_eq!(text(&late).as_str().len(), 9002);
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Content::Text(text) = decode(&bytes) {
                for &(at, _) in text.invalid() {
                    prop_assert!(text.as_str()[at..].starts_with(char::REPLACEMENT_CHARACTER));
                }
                prop_assert_eq!(text.lines().count(), text.line_count());
                if text.encoding() == Encoding::Utf8 {
                    prop_assert_eq!(original(&text), bytes);
                }
            }
        }

        #[test]
        fn utf8_gives_back_every_byte(pieces in prop::collection::vec(prop_oneof!["[a-zé日\r\n ]{0,9}".prop_map(String::into_bytes),
            prop::collection::vec(1..=255_u8, 0..3)], 0..20)) {
            let bytes = pieces.concat();
            prop_assert_eq!(original(&utf8(&bytes)), bytes);
        }

        #[test]
        fn utf16_gives_back_every_unit(units in prop::collection::vec(any::<u16>(), 0..50), odd in any::<bool>()) {
            let mut bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            bytes.extend(odd.then_some(7));
            let text = utf16(&bytes, Encoding::Utf16Le);
            let mut invalid = text.invalid().iter().copied().peekable();
            let mut back = Vec::new();
            for (at, c) in text.as_str().char_indices() {
                match invalid.next_if(|(place, _)| *place == at) {
                    Some((_, byte)) => back.push(byte),
                    None => back.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_le_bytes())),
                }
            }
            prop_assert_eq!(back, bytes);
        }
    }
}
