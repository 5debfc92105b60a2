//! What the bytes of a blob are: text in a named encoding, a picture, or something else.
//!
//! Nothing is dropped. A byte that has no meaning in the encoding stands in the text as U+FFFD and is kept in [`Text::invalid`] with its
//! place, so that a page can show it and the original can be told from what was shown. A file is never called text in another encoding
//! only because a few of its bytes are broken.

mod encoding;
mod pixels;
mod within;

use std::fmt;

pub use self::encoding::Encoding;
pub use self::within::{is_mostly_text, texts_within};

/// What a blob holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Text(Text),
    Image(ImageKind),
    Binary,
}

/// Pictures that a browser shows. SVG is not among them: it is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    Png,
    Jpeg,
    Gif,
    WebP,
}

impl ImageKind {
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if bytes.starts_with(b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if (bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a")) && encoding::probe(bytes).contains(&0) {
            // Blocks of a GIF end in a NUL. Without one it is a script that pretends to be a picture, and is to be read.
            Some(Self::Gif)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else {
            None
        }
    }
}

/// How the lines of a text end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnds {
    /// There is no line break.
    None,
    Lf,
    CrLf,
    Cr,
    Mixed,
}

impl fmt::Display for LineEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no line breaks",
            Self::Lf => "LF",
            Self::CrLf => "CRLF",
            Self::Cr => "CR",
            Self::Mixed => "mixed line ends",
        })
    }
}

/// A decoded text, and all that decoding would otherwise have hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    contents: String,
    encoding: Encoding,
    byte_order_mark: bool,
    invalid: Vec<(usize, u8)>,
    line_ends: LineEnds,
    missing_final_newline: bool,
}

impl Text {
    /// The text, without a byte order mark. An invalid byte stands in it as U+FFFD.
    pub fn as_str(&self) -> &str {
        &self.contents
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether the file began with a byte order mark, which is not part of the text.
    pub fn byte_order_mark(&self) -> bool {
        self.byte_order_mark
    }

    /// The bytes that mean nothing in the encoding: the offset in the text of the U+FFFD that stands for it, and the byte. In order.
    pub fn invalid(&self) -> &[(usize, u8)] {
        &self.invalid
    }

    pub fn line_ends(&self) -> LineEnds {
        self.line_ends
    }

    /// The text has a last line, and that line has no line break.
    pub fn missing_final_newline(&self) -> bool {
        self.missing_final_newline
    }

    pub fn lines(&self) -> Lines<'_> {
        Lines { text: &self.contents, offset: 0, invalid: &self.invalid, encoding: self.encoding }
    }

    pub fn line_count(&self) -> usize {
        line_count(&self.contents)
    }

    fn new(contents: String, encoding: Encoding, invalid: Vec<(usize, u8)>) -> Self {
        let line_ends = line_ends(contents.as_bytes());
        let missing_final_newline = !contents.is_empty() && !contents.ends_with(['\n', '\r']);
        Self { contents, encoding, byte_order_mark: false, invalid, line_ends, missing_final_newline }
    }

    fn with_byte_order_mark(mut self) -> Self {
        self.byte_order_mark = true;
        self
    }
}

/// A text that is UTF-8 to begin with, such as one that was typed.
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text, Encoding::Utf8, Vec::new())
    }
}

/// One line, without its line break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub text: &'a str,
    /// Where the line starts in the text, in bytes.
    pub offset: usize,
    /// Those of [`Text::invalid`] that are in this line; their offsets count from the start of the text.
    pub invalid: &'a [(usize, u8)],
    pub encoding: Encoding,
}

/// Lines end with LF, CR LF or a lone CR, and with nothing else: U+2028, U+0085, VT and FF are characters of a line.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a str,
    offset: usize,
    invalid: &'a [(usize, u8)],
    encoding: Encoding,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.text.is_empty() {
            return None;
        }
        let (line, rest) = split_line(self.text);
        let consumed = self.text.len() - rest.len();
        let here = self.invalid.partition_point(|(at, _)| *at < self.offset + consumed);
        let (invalid, later) = self.invalid.split_at(here);
        let found = Line { text: line, offset: self.offset, invalid, encoding: self.encoding };
        self.text = rest;
        self.offset += consumed;
        self.invalid = later;
        Some(found)
    }
}

fn split_line(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| b == b'\n' || b == b'\r').unwrap_or(text.len());
    let (line, rest) = text.split_at(end);
    let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix(['\n', '\r'])).unwrap_or(rest);
    (line, rest)
}

/// The number of lines a reader sees: a last line counts whether or not it ends with a line break.
pub fn line_count(text: &str) -> usize {
    let breaks = count_line_ends(text.as_bytes());
    let unended = usize::from(!text.is_empty() && !text.ends_with(['\n', '\r']));
    breaks.lf + breaks.crlf + breaks.cr + unended
}

struct LineEndCounts {
    lf: usize,
    crlf: usize,
    cr: usize,
}

fn count_line_ends(bytes: &[u8]) -> LineEndCounts {
    let mut counts = LineEndCounts { lf: 0, crlf: 0, cr: 0 };
    let mut after_cr = false;
    for &byte in bytes {
        match byte {
            b'\n' if after_cr => {
                counts.cr -= 1;
                counts.crlf += 1;
            }
            b'\n' => counts.lf += 1,
            b'\r' => counts.cr += 1,
            _ => {}
        }
        after_cr = byte == b'\r';
    }
    counts
}

fn line_ends(bytes: &[u8]) -> LineEnds {
    match count_line_ends(bytes) {
        LineEndCounts { lf: 0, crlf: 0, cr: 0 } => LineEnds::None,
        LineEndCounts { crlf: 0, cr: 0, .. } => LineEnds::Lf,
        LineEndCounts { lf: 0, cr: 0, .. } => LineEnds::CrLf,
        LineEndCounts { lf: 0, crlf: 0, .. } => LineEnds::Cr,
        _ => LineEnds::Mixed,
    }
}

/// Says what the bytes are, and decodes them if they are text.
pub fn decode(bytes: &[u8]) -> Content {
    if let Some(kind) = ImageKind::of(bytes) {
        return Content::Image(kind);
    }
    match encoding::text_of(bytes) {
        Some(text) => Content::Text(text),
        None => Content::Binary,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: &[u8]) -> Text {
        match decode(bytes) {
            Content::Text(text) => text,
            other => panic!("{other:?} for {bytes:?}"),
        }
    }

    #[test]
    fn pictures_by_their_first_bytes() {
        let mimes = [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0\0\0\0;", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        ];
        for (bytes, mime) in mimes {
            let Content::Image(kind) = decode(bytes) else { panic!("{mime}") };
            assert_eq!(kind.mime(), mime);
        }
        assert_eq!(text(b"GIF89a=1;alert(1)//\n").encoding(), Encoding::Utf8);
        assert_eq!(text(b"<svg xmlns='http://www.w3.org/2000/svg'/>").encoding(), Encoding::Utf8);
        assert_eq!(decode(b"RIFF\x24\0\0\0WAVEfmt "), Content::Binary);
    }

    #[test]
    fn line_ends_and_counts() {
        for (source, ends, missing, count) in [
            ("", LineEnds::None, false, 0),
            ("a", LineEnds::None, true, 1),
            ("a\nb\n", LineEnds::Lf, false, 2),
            ("a\r\nb", LineEnds::CrLf, true, 2),
            ("a\rb\r", LineEnds::Cr, false, 2),
            ("a\r\nb\n", LineEnds::Mixed, false, 2),
            ("a\n\rb\r\r\n", LineEnds::Mixed, false, 4),
            ("\n\n", LineEnds::Lf, false, 2),
        ] {
            let text = Text::from(source.to_owned());
            assert_eq!((text.line_ends(), text.missing_final_newline(), text.line_count()), (ends, missing, count), "{source:?}");
            assert_eq!(text.lines().count(), count, "{source:?}");
        }
        let text = Text::from("one\u{2028}same\x0b\x0c\u{85}\rtwo".to_owned());
        let lines: Vec<_> = text.lines().map(|line| (line.offset, line.text)).collect();
        assert_eq!(lines, [(0, "one\u{2028}same\x0b\x0c\u{85}"), (15, "two")]);
    }

    #[test]
    fn a_line_knows_its_invalid_bytes() {
        let text = text("日本語\n".bytes().chain(*b"a\xff\nb\n\xfe").collect::<Vec<_>>().as_slice());
        let invalid: Vec<Vec<u8>> = text.lines().map(|line| line.invalid.iter().map(|(_, byte)| *byte).collect()).collect();
        assert_eq!(invalid, [vec![], vec![0xff], vec![], vec![0xfe]]);
    }

    proptest! {        #[test]
        fn lines_and_their_ends_are_the_whole_text(source in "[a\r\n日]{0,40}") {
            let text = Text::from(source.clone());
            let lines: Vec<_> = text.lines().collect();
            let mut at = 0;
            for line in lines {
                prop_assert!(source[at..line.offset].chars().all(|c| c == '\r' || c == '\n'));
                prop_assert_eq!(&source[line.offset..][..line.text.len()], line.text);
                prop_assert!(!line.text.contains(['\r', '\n']));
                at = line.offset + line.text.len();
            }
            prop_assert!(source[at..].chars().all(|c| c == '\r' || c == '\n'));
        }
    }
}
