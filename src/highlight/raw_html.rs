//! HTML inside Markdown, reduced to what can be shown of it.
//!
//! None of it is ever passed on. Tags that only lay out a page (`<p align>`, `<sub>`, `<details>`…) leave their contents, `<br>` and the
//! ends of blocks leave a line break, `<img>` leaves its address and text to be treated like any picture, comments leave nothing. Whatever
//! else begins with `<` is text: a reader of `Vec<T>` or of `<script>` sees just that.

/// What is left of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Break,
    Image { src: &'a str, alt: &'a str },
}

/// Tags whose contents stand without them.
const LAYOUT: &[&str] = &[
    "a",
    "abbr",
    "b",
    "big",
    "blockquote",
    "center",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "i",
    "ins",
    "kbd",
    "li",
    "mark",
    "nobr",
    "ol",
    "p",
    "picture",
    "pre",
    "q",
    "s",
    "samp",
    "section",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];

/// Of those, the ones that end a line.
const BLOCKS: &[&str] = &[
    "blockquote",
    "center",
    "dd",
    "details",
    "div",
    "dt",
    "figcaption",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "li",
    "p",
    "pre",
    "summary",
    "tr",
];

/// Takes time in proportion to the fragment's length.
pub(super) fn reduce(html: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut text = html;
    let mut rest = html;
    // Once no tag ends in '>' from here on, none will further on.
    let mut may_end = true;
    while let Some(at) = rest.find('<').filter(|_| may_end) {
        let here = rest.get(at..).unwrap_or_default();
        let (piece, after) = if let Some(comment) = here.strip_prefix("<!--") {
            (None, comment.find("-->").and_then(|end| comment.get(end + 3..)).unwrap_or_default())
        } else {
            match Tag::parse(here) {
                Parsed::Tag(tag, after) if tag.is_known() => (tag.piece(), after),
                Parsed::Unended => {
                    may_end = false;
                    continue;
                }
                _ => {
                    rest = here.get(1..).unwrap_or_default();
                    continue;
                }
            }
        };
        push_text(&mut pieces, text.get(..text.len() - here.len()).unwrap_or_default());
        pieces.extend(piece);
        text = after;
        rest = after;
    }
    push_text(&mut pieces, text);
    pieces
}

fn push_text<'a>(pieces: &mut Vec<Piece<'a>>, text: &'a str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

struct Tag<'a> {
    name: String,
    closes: bool,
    attributes: &'a str,
}

enum Parsed<'a> {
    Tag(Tag<'a>, &'a str),
    /// It begins as a tag does, and nothing ends it.
    Unended,
    Text,
}

impl<'a> Tag<'a> {
    /// `html` starts with `<`.
    fn parse(html: &'a str) -> Parsed<'a> {
        let inner = html.get(1..).unwrap_or_default();
        let (inner, closes) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
        let name_end = inner.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inner.len());
        let (name, attributes) = inner.split_at(name_end);
        if name.is_empty() || name.len() > 12 || !attributes.starts_with(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/') {
            return Parsed::Text;
        }
        let mut quote = None;
        for (at, byte) in attributes.bytes().enumerate() {
            match (quote, byte) {
                (None, b'>') => {
                    let (attributes, rest) = attributes.split_at(at);
                    let tag = Tag { name: name.to_ascii_lowercase(), closes, attributes };
                    return Parsed::Tag(tag, rest.get(1..).unwrap_or_default());
                }
                (None, b'"' | b'\'') => quote = Some(byte),
                (Some(open), _) if open == byte => quote = None,
                _ => {}
            }
        }
        // An unbalanced quote swallowed the end; without it there may be one.
        if quote.is_some() { Parsed::Text } else { Parsed::Unended }
    }

    fn is_known(&self) -> bool {
        matches!(self.name.as_str(), "br" | "hr" | "img") || LAYOUT.contains(&self.name.as_str())
    }

    fn piece(&self) -> Option<Piece<'a>> {
        match self.name.as_str() {
            "img" => Some(Piece::Image { src: self.attribute("src"), alt: self.attribute("alt") }),
            "br" | "hr" => Some(Piece::Break),
            name => (self.closes && BLOCKS.contains(&name)).then_some(Piece::Break),
        }
    }

    /// The first attribute of that name, or nothing.
    fn attribute(&self, name: &str) -> &'a str {
        let mut rest = self.attributes;
        while let Some((key, value, after)) = next_attribute(rest) {
            if key.eq_ignore_ascii_case(name) {
                return value;
            }
            rest = after;
        }
        ""
    }
}

fn next_attribute(attributes: &str) -> Option<(&str, &str, &str)> {
    let start = attributes.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
    let key_end = start.find(|c: char| c.is_ascii_whitespace() || c == '=').unwrap_or(start.len());
    let (key, rest) = start.split_at(key_end);
    let Some(value) = rest.trim_ascii_start().strip_prefix('=').map(str::trim_ascii_start) else {
        return (!key.is_empty()).then_some((key, "", rest));
    };
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            let (value, after) = quoted.split_once(quote).unwrap_or((quoted, ""));
            return Some((key, value, after));
        }
    }
    let value_end = value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len());
    let (value, after) = value.split_at(value_end);
    Some((key, value, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Piece::{Break, Image, Text};
    use super::*;

    #[test]
    fn layout_leaves_its_contents() {
        assert_eq!(reduce("<p align=\"center\">a <b>bold</b> word</p>"), [Text("a "), Text("bold"), Text(" word"), Break]);
        assert_eq!(reduce("one<br/>two<BR >three"), [Text("one"), Break, Text("two"), Break, Text("three")]);
    }

    #[test]
    fn pictures_leave_address_and_text() {
        let image = Image { src: "a b.png", alt: "x > y" };
        assert_eq!(reduce("<img width=3 SRC='a b.png' alt=\"x > y\" onerror=alert(1)>"), [image]);
        assert_eq!(reduce("<img src=a.png/>"), [Image { src: "a.png/", alt: "" }]);
        assert_eq!(reduce("<img>"), [Image { src: "", alt: "" }]);
    }

    #[test]
    fn comments_leave_nothing() {
        assert_eq!(reduce("a<!-- <b> --> b"), [Text("a"), Text(" b")]);
        assert_eq!(reduce("a<!-- never closed <script>"), [Text("a")]);
    }

    #[test]
    fn the_rest_is_text() {
        for html in
            ["<script>alert(1)</script>", "Vec<T>", "a < b", "<", "<>", "</>", "<iframe src=x>", "<p", "<b x=\"", "<!DOCTYPE html>", "<b<i"]
        {
            assert_eq!(reduce(html), [Text(html)]);
        }
    }

    #[test]
    fn long_fragments_take_no_longer_than_their_length() {
        for html in ["<b ", "<b x=\"", "<!-", "<", "<img src='"] {
            assert!(!reduce(&html.repeat(100_000)).is_empty());
        }
    }

    proptest! {
        #[test]
        fn anything_is_reduced(html in "(<|</|<!--|-->|>|\"|'|=|img|src|br|p| |x){0,40}") {
            for piece in reduce(&html) {
                if let Text(text) = piece {
                    prop_assert!(!text.is_empty() && html.contains(text));
                }
            }
        }
    }
}
