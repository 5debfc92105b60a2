//! Marks put into a line that is highlighted already: the words that changed, for example.

use std::ops::Range;

use super::{SourceHtml, html};

impl SourceHtml {
    /// This line with `mark` elements around byte ranges of its `text`, which are brought onto character boundaries. `self` must be
    /// what became of this very text; of another, marks may stand at other places, and nothing else changes.
    pub fn marked(&self, text: &str, ranges: &[Range<usize>]) -> Self {
        let ranges = html::tidy(text, ranges);
        if ranges.is_empty() {
            return self.clone();
        }
        let mut out = String::with_capacity(self.0.len() + 13 * ranges.len());
        let mut chars = text.char_indices();
        let mut ranges = ranges.iter().peekable();
        let mut open = false;
        let mut rest = self.0.as_str();
        while let Some(first) = rest.chars().next() {
            // What is written for one character: itself, an entity, or an element that stands for it.
            let (piece, is_tag) = match first {
                '<' if rest.starts_with("<em class=\"mark") => (upto(rest, "</em>"), false),
                '<' => (upto(rest, ">"), true),
                '&' => (upto(rest, ";"), false),
                _ => (rest.get(..first.len_utf8()).unwrap_or(rest), false),
            };
            rest = rest.get(piece.len()..).unwrap_or_default();
            let mut inside = false;
            if !is_tag && let Some((at, _)) = chars.next() {
                while ranges.next_if(|range| range.end <= at).is_some() {}
                inside = ranges.peek().is_some_and(|range| range.start <= at);
            }
            // A mark lies within whatever else is open there, so that elements close in order.
            if open && !inside {
                out.push_str("</mark>");
            }
            if inside && !open {
                out.push_str("<mark>");
            }
            open = inside;
            out.push_str(piece);
        }
        if open {
            out.push_str("</mark>");
        }
        Self(out)
    }
}

/// Up to the end of the next `end`.
fn upto<'a>(text: &'a str, end: &str) -> &'a str {
    text.find(end).and_then(|at| text.get(..at + end.len())).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::checks::{self, SHARED, markup};
    use super::super::{Limits, snippet_line};
    use crate::source::text::{Line, Text};

    fn highlighted(text: &str) -> super::SourceHtml {
        let shown = SHARED.lines(&Text::from(text.to_owned()), "a.c", Limits::default(), &|| false);
        shown.lines.into_iter().next().unwrap_or_default()
    }

    #[test]
    fn marks_lie_within_what_is_open() {
        let line = "if (a < \"b\u{202e}c\") return;";
        let html = highlighted(line);
        let at = line.find('<').unwrap();
        let marked = html.marked(line, std::slice::from_ref(&(at..at + 1)));
        assert!(marked.as_str().contains("(a <mark>&lt;</mark> "), "{marked}");
        let word = line.find("b\u{202e}c").unwrap();
        let marked = html.marked(line, std::slice::from_ref(&(word..word + 5)));
        assert!(marked.as_str().contains("<mark>b<em class=\"mark\""), "{marked}");
        assert_eq!(html.marked(line, &[]), html);
    }

    proptest! {
        #[test]
        fn all_of_the_line_is_there_and_well_formed(text in any::<String>(), ranges in prop::collection::vec((0..40_usize, 0..40_usize), 0..5)) {
            let text = text.replace(['\n', '\r'], "");
            let ranges: Vec<std::ops::Range<usize>> = ranges.into_iter().map(|(start, end)| start..end).collect();
            let line = Line { text: &text, offset: 0, invalid: &[], encoding: crate::source::text::Encoding::Utf8 };
            let marked = highlighted(&text).marked(&text, &ranges);
            prop_assert_eq!(markup(marked.as_str()), checks::expected(&line));
            // The same is marked as when the marks are written with the line.
            let inside = |html: &str| {
                let mut found = String::new();
                for part in html.split("<mark>").skip(1) {
                    found.push_str(&markup(part.split("</mark>").next().unwrap_or_default()));
                }
                found
            };
            let plain = snippet_line(&text, &[]).marked(&text, &ranges);
            prop_assert_eq!(inside(marked.as_str()), inside(plain.as_str()));
        }
    }
}
