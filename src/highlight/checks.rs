//! What all markup that this room makes must satisfy, for its tests.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::{Highlighter, marks};
use crate::source::text::Line;

/// Loading the syntaxes takes a while without optimisation.
pub(super) static SHARED: LazyLock<Highlighter> = LazyLock::new(Highlighter::new);

/// Reads the markup of a line back: fails unless every tag is one that lines have and closes in order, every `&` begins an entity that
/// [`super::html::escape`] writes, and no character is there that needs a strong mark; gives the text with the tags left out.
pub(super) fn markup(html: &str) -> String {
    let mut text = String::new();
    let mut open = Vec::new();
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        if c == '<' {
            let (tag, after) = rest.split_once('>').unwrap_or_else(|| panic!("unclosed tag in {html}"));
            let name = tag.trim_start_matches(['<', '/']).split(' ').next().unwrap();
            if tag.starts_with("</") {
                assert_eq!(open.pop(), Some(name), "{html}");
            } else {
                let attributes = tag.strip_prefix('<').unwrap().strip_prefix(name).unwrap();
                assert!(is_ours(name, attributes), "{tag} in {html}");
                open.push(name);
            }
            rest = after;
            continue;
        }
        if c == '&' {
            let entities = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&#39;", '\'')];
            let (entity, meant) = entities.into_iter().find(|(entity, _)| rest.starts_with(entity)).unwrap_or_else(|| panic!("{html}"));
            text.push(meant);
            rest = &rest[entity.len()..];
            continue;
        }
        assert!(
            !matches!(c, '>' | '"' | '\'') && !matches!(marks::mark(c, None, None), Some(marks::Mark::Order | marks::Mark::Hidden)),
            "{c:?} in {html}"
        );
        text.push(c);
        rest = &rest[c.len_utf8()..];
    }
    assert_eq!(open, [""; 0], "{html}");
    text
}

fn is_ours(name: &str, attributes: &str) -> bool {
    let title = |class: &str| {
        let inner = attributes.strip_prefix(&format!(" class=\"{class}\" title=\"")).and_then(|rest| rest.strip_suffix('"'));
        inner.is_some_and(|title| !title.is_empty() && !title.contains(['"', '<', '>']))
    };
    match name {
        "mark" => attributes.is_empty(),
        "span" => ["k", "s", "c", "n", "f", "t", "p"].iter().any(|class| attributes == format!(" class=\"{class}\"")),
        "em" => ["mark", "mark mild", "mark bad", "mixed"].into_iter().any(title),
        _ => false,
    }
}

/// What a reader is to read: the line, with what a mark stands for written as its mark.
pub(super) fn expected(line: &Line<'_>) -> String {
    let chars: Vec<(usize, char)> = line.text.char_indices().collect();
    let mut expected = String::new();
    for (place, &(at, c)) in chars.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| chars[place].1);
        let after = chars.get(place + 1).map(|(_, c)| *c);
        if let Some((_, byte)) = line.invalid.iter().find(|(offset, _)| *offset == line.offset + at) {
            let _ = write!(expected, "\\x{byte:02X}");
        } else if marks::mark(c, before, after).is_some() {
            let _ = write!(expected, "U+{:04X}", u32::from(c));
        } else {
            expected.push(c);
        }
    }
    expected
}

/// The start tags of a document, which fails unless its tags close in order.
pub(super) fn tags(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut open = Vec::new();
    for piece in html.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("unclosed tag in {html}"));
        let name = tag.trim_start_matches('/').split(' ').next().unwrap().to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{html}");
        } else {
            tags.push(tag.to_owned());
            if !matches!(name.as_str(), "br" | "hr" | "img") {
                open.push(name);
            }
        }
    }
    assert_eq!(open, [""; 0], "{html}");
    tags
}

/// Whether a start tag is one that documents have, and leads nowhere but to this server.
pub(super) fn is_harmless(tag: &str) -> bool {
    const NAMES: [&str; 30] = [
        "p",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "code",
        "ul",
        "ol",
        "li",
        "div",
        "sup",
        "sub",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "em",
        "strong",
        "del",
        "a",
        "span",
        "img",
        "br",
        "hr",
        "dl",
    ];
    const ATTRIBUTES: [&str; 11] = ["class", "title", "id", "href", "src", "alt", "start", "loading", "tabindex", "role", "aria-label"];
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    while let Some((key, value)) = rest.split_once("=\"") {
        let Some((value, after)) = value.split_once('"') else { return false };
        let inside = value.starts_with("/p/") || value.starts_with("#doc") || (key == "href" && value.starts_with('/'));
        if !ATTRIBUTES.contains(&key) || (matches!(key, "href" | "src") && !inside) {
            return false;
        }
        rest = after.trim_start();
    }
    NAMES.contains(&name) && rest.is_empty()
}
