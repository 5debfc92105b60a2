//! One line of source as HTML: escaped, with its classes, marks and flags.
//!
//! This file is where text becomes markup. Every tag is written here, every character of the source goes through [`escape`], and tags
//! are closed in the order in which they were opened, within the line.

use std::fmt::Write as _;
use std::ops::Range;

use super::marks::{self, Mark};
use super::notices::{Kind, Tally};
use super::scripts::{Flag, FlagKind};
use crate::source::text::Line;

/// The kinds of token that have a colour. `look.css` names a class for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Keyword,
    String,
    Comment,
    Number,
    Function,
    Type,
    Preprocessor,
}

impl Class {
    fn letter(self) -> char {
        match self {
            Self::Keyword => 'k',
            Self::String => 's',
            Self::Comment => 'c',
            Self::Number => 'n',
            Self::Function => 'f',
            Self::Type => 't',
            Self::Preprocessor => 'p',
        }
    }
}

/// Up to which byte of the line a class holds, from where the one before ended. What lies behind the last has no class.
pub(super) type Run = (usize, Option<Class>);

/// What is to be written around the text of a line. Ranges are in bytes of the line, in order, apart, and on character boundaries.
#[derive(Clone, Copy, Default)]
pub(super) struct Around<'a> {
    pub(super) runs: &'a [Run],
    pub(super) flags: &'a [Flag],
    pub(super) found: &'a [Range<usize>],
    /// The line is prose on a page, not a line of a file: mild marks are left out.
    pub(super) in_prose: bool,
}

/// Whether nothing in the text needs a mark or a flag: printable ASCII and TAB.
pub(super) fn is_plain_ascii(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b) || b == b'\t')
}

/// Writes a line, and tells `tally` what in it a reader should know of.
pub(super) fn write_line(out: &mut String, line: &Line<'_>, around: Around<'_>, tally: &mut Tally) {
    let Around { mut runs, mut flags, mut found, in_prose } = around;
    for flag in flags {
        tally.add(match flag.kind {
            FlagKind::Mixed => Kind::MixedScripts,
            FlagKind::Lookalike => Kind::Lookalike,
        });
    }
    let plain = is_plain_ascii(line.text);
    let mut open = Open::default();
    let mut at = 0;
    while at < line.text.len() {
        while runs.first().is_some_and(|(end, _)| *end <= at) {
            runs = runs.get(1..).unwrap_or_default();
        }
        while flags.first().is_some_and(|flag| flag.range.end <= at) {
            flags = flags.get(1..).unwrap_or_default();
        }
        while found.first().is_some_and(|range| range.end <= at) {
            found = found.get(1..).unwrap_or_default();
        }
        let mut next = runs.first().map_or(line.text.len(), |(end, _)| (*end).min(line.text.len()));
        let in_found = edge(found.first(), at, &mut next);
        let in_flag = edge(flags.first().map(|flag| &flag.range), at, &mut next);
        let state = Open { found: in_found, flag: flags.first().filter(|_| in_flag), class: runs.first().and_then(|(_, class)| *class) };
        open.change_to(out, state);
        if plain {
            escape(out, line.text.get(at..next).expect("ASCII is a character boundary"));
        } else {
            write_marked(out, line, at..next, in_prose, tally);
        }
        at = next;
    }
    open.change_to(out, Open::default());
}

/// Whether `at` lies in the range; brings `next` forward to where that changes.
fn edge(range: Option<&Range<usize>>, at: usize, next: &mut usize) -> bool {
    let Some(range) = range else { return false };
    let inside = range.start <= at;
    *next = (*next).min(if inside { range.end } else { range.start });
    inside
}

/// The elements open at a place, the outermost first.
#[derive(Clone, Copy, Default)]
struct Open<'a> {
    found: bool,
    flag: Option<&'a Flag>,
    class: Option<Class>,
}

impl<'a> Open<'a> {
    fn change_to(&mut self, out: &mut String, next: Open<'a>) {
        let same_found = self.found == next.found;
        let same_flag = same_found && self.flag == next.flag;
        let same_class = same_flag && self.class == next.class;
        if self.class.is_some() && !same_class {
            out.push_str("</span>");
        }
        if self.flag.is_some() && !same_flag {
            out.push_str("</em>");
        }
        if self.found && !same_found {
            out.push_str("</mark>");
        }
        if next.found && !same_found {
            out.push_str("<mark>");
        }
        if let Some(flag) = next.flag.filter(|_| !same_flag) {
            out.push_str("<em class=\"mixed\" title=\"");
            escape(out, &flag.title);
            out.push_str("\">");
        }
        if let Some(class) = next.class.filter(|_| !same_class) {
            out.push_str("<span class=\"");
            out.push(class.letter());
            out.push_str("\">");
        }
        *self = next;
    }
}

/// Writes a piece of a line, with a mark for each character that cannot be shown and each invalid byte.
fn write_marked(out: &mut String, line: &Line<'_>, Range { start, end }: Range<usize>, in_prose: bool, tally: &mut Tally) {
    let piece = line.text.get(start..end).expect("ranges are on character boundaries");
    let mut written = 0;
    let mut before = line.text.get(..start).and_then(|text| text.chars().next_back());
    let mut chars = piece.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        let mut after = || chars.peek().map(|(_, c)| *c).or_else(|| line.text.get(start + end..)?.chars().next());
        let shown = if c == char::REPLACEMENT_CHARACTER {
            invalid_byte(line, start + at).map(|byte| {
                tally.add(Kind::InvalidBytes);
                byte_mark(byte, &line.encoding.to_string())
            })
        } else if c.is_ascii() && !c.is_ascii_control() {
            None
        } else {
            marks::mark(c, before, after()).filter(|mark| !(in_prose && *mark == Mark::Mild)).map(|mark| {
                tally.add_mark(mark);
                character_mark(c, mark)
            })
        };
        if let Some(shown) = shown {
            escape(out, piece.get(written..at).expect("offsets of characters"));
            out.push_str(&shown);
            written = end;
        }
        before = Some(c);
    }
    escape(out, piece.get(written..).expect("offsets of characters"));
}

fn invalid_byte(line: &Line<'_>, at: usize) -> Option<u8> {
    let at = line.offset + at;
    let found = line.invalid.binary_search_by_key(&at, |(offset, _)| *offset).ok()?;
    line.invalid.get(found).map(|(_, byte)| *byte)
}

fn byte_mark(byte: u8, encoding: &str) -> String {
    format!("<em class=\"mark bad\" title=\"byte that is not {encoding}\">\\x{byte:02X}</em>")
}

fn character_mark(c: char, mark: Mark) -> String {
    let class = if mark == Mark::Mild { "mark mild" } else { "mark" };
    let mut shown = format!("<em class=\"{class}\" title=\"");
    escape(&mut shown, &marks::name(c));
    let _ = write!(shown, "\">U+{:04X}</em>", u32::from(c));
    shown
}

/// Writes text so that HTML reads it as text, in an element or a quoted attribute.
pub(super) fn escape(out: &mut String, text: &str) {
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let entity = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            _ => continue,
        };
        out.push_str(text.get(written..at).expect("ASCII is a character boundary"));
        out.push_str(entity);
        written = at + 1;
    }
    out.push_str(text.get(written..).expect("ASCII is a character boundary"));
}

/// Text for an attribute, where no element can be a mark: characters that need one are written as `U+202E`.
pub(super) fn escape_attribute(out: &mut String, text: &str) {
    if is_plain_ascii(text) {
        return escape(out, text);
    }
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if marks::mark(c, before, chars.peek().copied()).is_some() {
            let _ = write!(out, "U+{:04X}", u32::from(c));
        } else {
            escape(out, c.encode_utf8(&mut [0; 4]));
        }
        before = Some(c);
    }
}

/// Brings ranges into order and onto character boundaries of `text`, and joins those that touch.
pub(super) fn tidy(text: &str, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut tidy: Vec<Range<usize>> = ranges
        .iter()
        .map(|range| boundary_before(text, range.start)..boundary_after(text, range.end))
        .filter(|range| range.start < range.end)
        .collect();
    tidy.sort_unstable_by_key(|range| range.start);
    tidy.dedup_by(|later, earlier| {
        let joined = later.start <= earlier.end;
        if joined {
            earlier.end = earlier.end.max(later.end);
        }
        joined
    });
    tidy
}

fn boundary_before(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn boundary_after(text: &str, at: usize) -> usize {
    (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}
