//! Markdown as safe HTML that stays in the reading room.
//!
//! Every tag is written here; raw HTML in the text never is. Links and pictures lead only where the caller's `resolve` says, and only to
//! addresses of this server. Another server's address is shown and cannot be followed, so that no click and no picture tells it who reads
//! what. Headings start at the second level, because the page has a title of its own. Invisible characters get the marks they get in code,
//! but those that are at home in prose (no-break spaces, composed emoji) are left alone.

use std::collections::HashMap;
use std::fmt::Write as _;

use percent_encoding::{CONTROLS, utf8_percent_encode};
use pulldown_cmark::{Alignment, BlockQuoteKind, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd, TextMergeStream};

use super::html::{self, Around};
use super::links::{Address, Target, heading_anchor, slug};
use super::notices::Tally;
use super::raw_html::{self, Piece};
use super::scripts::{self, Seen};
use super::{Highlighter, Limits, SourceHtml, language_named};
use crate::source::text::{Encoding, Line, Text};

/// A longer text is not rendered, in bytes.
pub const MARKDOWN_LIMIT: usize = 512 << 10;

/// Deeper nesting is shown flat.
const DEPTH: usize = 40;

/// How much of the code in fences is highlighted, in bytes.
const FENCED: usize = 128 << 10;

/// Markup that grew past this came from a text made to grow, in bytes.
const OUTPUT: usize = 16 << 20;

impl Highlighter {
    /// Renders Markdown. `resolve` gives the address on this server for a target, as `/path?query`, or nothing. None when the text is too
    /// large, or grew too large, or took too long: show its source then.
    pub fn markdown(
        &self,
        text: &str,
        resolve: &dyn Fn(Target<'_>) -> Option<String>,
        out_of_time: &dyn Fn() -> bool,
    ) -> Option<SourceHtml> {
        if text.len() > MARKDOWN_LIMIT {
            return None;
        }
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_GFM
            | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
        let mut page = Page::new(self, resolve, out_of_time);
        for (count, event) in TextMergeStream::new(Parser::new_ext(text, options)).enumerate() {
            if page.out.len() > OUTPUT || (count % 64 == 0 && out_of_time()) {
                return None;
            }
            page.event(event);
        }
        Some(SourceHtml(page.out))
    }
}

/// Text that is gathered instead of written, until the element that asked for it ends.
enum Gathering {
    Code { language: String, text: String },
    Html(String),
    Image { address: String, alt: String, depth: usize },
}

struct Page<'a> {
    highlighter: &'a Highlighter,
    resolve: &'a dyn Fn(Target<'_>) -> Option<String>,
    out_of_time: &'a dyn Fn() -> bool,
    out: String,
    /// What closes each open element, and where the element's contents start.
    open: Vec<(&'static str, usize)>,
    gathering: Option<Gathering>,
    /// The markup before the open heading, and the heading's words.
    heading: Option<(String, String)>,
    /// The address to show behind each open link, if its text does not show it.
    links: Vec<Option<String>>,
    slugs: HashMap<String, usize>,
    footnotes: HashMap<String, usize>,
    alignments: Vec<Alignment>,
    column: usize,
    in_table_head: bool,
    fenced: usize,
    seen: Seen,
}

impl<'a> Page<'a> {
    fn new(highlighter: &'a Highlighter, resolve: &'a dyn Fn(Target<'_>) -> Option<String>, out_of_time: &'a dyn Fn() -> bool) -> Self {
        Self {
            highlighter,
            resolve,
            out_of_time,
            out: String::new(),
            open: Vec::new(),
            gathering: None,
            heading: None,
            links: Vec::new(),
            slugs: HashMap::new(),
            footnotes: HashMap::new(),
            alignments: Vec::new(),
            column: 0,
            in_table_head: false,
            fenced: FENCED,
            seen: Seen::default(),
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => self.code_span(&code),
            Event::InlineMath(math) | Event::DisplayMath(math) => self.code_span(&math),
            Event::Html(html) => self.html_line(&html),
            Event::InlineHtml(html) => self.raw_html(&html),
            Event::FootnoteReference(name) => self.footnote_reference(&name),
            Event::SoftBreak => self.text("\n"),
            Event::HardBreak if self.gathering.is_some() => self.text(" "),
            Event::HardBreak => self.out.push_str("<br>\n"),
            Event::Rule => self.out.push_str("<hr>\n"),
            Event::TaskListMarker(true) => self.out.push_str("<span class=\"task done\" role=\"img\" aria-label=\"done\">☑</span> "),
            Event::TaskListMarker(false) => self.out.push_str("<span class=\"task\" role=\"img\" aria-label=\"to do\">☐</span> "),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        if let Some(Gathering::Image { depth, .. }) = &mut self.gathering {
            *depth += 1;
            return;
        }
        match tag {
            Tag::Paragraph => self.element("<p>", "</p>\n"),
            Tag::Heading { .. } => {
                let before = std::mem::take(&mut self.out);
                self.heading = Some((before, String::new()));
                self.element("", "");
            }
            Tag::BlockQuote(kind) => self.block_quote(kind),
            Tag::CodeBlock(kind) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.gathering = Some(Gathering::Code { language: info, text: String::new() });
            }
            Tag::MetadataBlock(_) => self.gathering = Some(Gathering::Code { language: "yaml".to_owned(), text: String::new() }),
            Tag::HtmlBlock => self.gathering = Some(Gathering::Html(String::new())),
            Tag::List(None) => self.element("<ul>\n", "</ul>\n"),
            Tag::List(Some(1)) => self.element("<ol>\n", "</ol>\n"),
            Tag::List(Some(first)) => self.element(&format!("<ol start=\"{first}\">\n"), "</ol>\n"),
            Tag::Item => self.element("<li>", "</li>\n"),
            Tag::FootnoteDefinition(name) => {
                let number = self.footnote(&name);
                self.element(&format!("<div class=\"footnote\" id=\"doc.note{number}\"><sup>{number}</sup> "), "</div>\n");
            }
            Tag::Table(alignments) => {
                self.alignments = alignments;
                self.element("<table>\n", "</tbody></table>\n");
            }
            Tag::TableHead => {
                (self.column, self.in_table_head) = (0, true);
                self.element("<thead><tr>", "</tr></thead><tbody>\n");
            }
            Tag::TableRow => {
                (self.column, self.in_table_head) = (0, false);
                self.element("<tr>", "</tr>\n");
            }
            Tag::TableCell => self.cell(),
            Tag::Emphasis => self.element("<em>", "</em>"),
            Tag::Strong => self.element("<strong>", "</strong>"),
            Tag::Strikethrough => self.element("<del>", "</del>"),
            Tag::Superscript => self.element("<sup>", "</sup>"),
            Tag::Subscript => self.element("<sub>", "</sub>"),
            Tag::Link { dest_url, .. } => self.link(&dest_url),
            Tag::Image { dest_url, .. } => {
                self.gathering = Some(Gathering::Image { address: dest_url.into_string(), alt: String::new(), depth: 0 });
            }
            Tag::DefinitionList => self.element("<dl>\n", "</dl>\n"),
            Tag::DefinitionListTitle => self.element("<dt>", "</dt>\n"),
            Tag::DefinitionListDefinition => self.element("<dd>", "</dd>\n"),
        }
    }

    fn element(&mut self, start: &str, end: &'static str) {
        let (start, end) = if self.open.len() < DEPTH { (start, end) } else { ("", "") };
        self.out.push_str(start);
        self.open.push((end, self.out.len()));
    }

    fn end(&mut self, end: TagEnd) {
        match self.gathering.take() {
            Some(Gathering::Image { address, alt, depth: 0 }) => return self.image(&address, &alt),
            Some(Gathering::Image { address, alt, depth }) => {
                self.gathering = Some(Gathering::Image { address, alt, depth: depth - 1 });
                return;
            }
            Some(Gathering::Code { language, text }) => return self.code_block(&language, text),
            Some(Gathering::Html(html)) => return self.html_block(&html),
            None => {}
        }
        let Some((closing, from)) = self.open.pop() else { return };
        if end == TagEnd::Link {
            self.address_behind(from);
        }
        self.out.push_str(closing);
        if let TagEnd::Heading(level) = end {
            self.heading(level);
        }
    }

    fn heading(&mut self, level: HeadingLevel) {
        let Some((before, words)) = self.heading.take() else { return };
        let contents = std::mem::replace(&mut self.out, before);
        let level = (level as usize + 1).min(6);
        let slug = self.unique(slug(&words));
        let _ = write!(self.out, "<h{level}");
        if !slug.is_empty() {
            self.out.push_str(" id=\"doc-");
            html::escape_attribute(&mut self.out, &slug);
            self.out.push('"');
        }
        let _ = writeln!(self.out, ">{contents}</h{level}>");
    }

    fn unique(&mut self, slug: String) -> String {
        let count = self.slugs.entry(slug.clone()).and_modify(|count| *count += 1).or_insert(0);
        if *count == 0 || slug.is_empty() {
            return slug;
        }
        let numbered = format!("{slug}-{count}");
        self.unique(numbered)
    }

    fn block_quote(&mut self, kind: Option<BlockQuoteKind>) {
        let (class, title) = match kind {
            None => return self.element("<blockquote>\n", "</blockquote>\n"),
            Some(BlockQuoteKind::Note) => ("note", "Note"),
            Some(BlockQuoteKind::Tip) => ("tip", "Tip"),
            Some(BlockQuoteKind::Important) => ("important", "Important"),
            Some(BlockQuoteKind::Warning) => ("warning", "Warning"),
            Some(BlockQuoteKind::Caution) => ("caution", "Caution"),
        };
        self.element(&format!("<blockquote class=\"{class}\">\n<p><strong>{title}</strong></p>\n"), "</blockquote>\n");
    }

    fn cell(&mut self) {
        let class = match self.alignments.get(self.column) {
            Some(Alignment::Center) => " class=\"centre\"",
            Some(Alignment::Right) => " class=\"right\"",
            Some(Alignment::Left | Alignment::None) | None => "",
        };
        self.column += 1;
        if self.in_table_head {
            self.element(&format!("<th{class}>"), "</th>");
        } else {
            self.element(&format!("<td{class}>"), "</td>");
        }
    }

    fn link(&mut self, address: &str) {
        let (href, shown) = match Address::of(address) {
            Address::Anchor(fragment) => (Some(format!("#{}", heading_anchor(fragment))), None),
            Address::Here { path, fragment } => {
                let href = self.resolved(Target::Link { path: &path }).map(|mut href| {
                    if let Some(fragment) = fragment {
                        let _ = write!(href, "#{}", heading_anchor(fragment));
                    }
                    href
                });
                (href, None)
            }
            Address::Elsewhere(address) => {
                let href = self.resolved(Target::Elsewhere { address });
                let shown = href.is_none().then(|| address.to_owned());
                (href, shown)
            }
            Address::Nowhere => (None, None),
        };
        self.links.push(shown);
        match href {
            Some(href) => {
                let mut start = "<a href=\"".to_owned();
                html::escape(&mut start, &utf8_percent_encode(&href, CONTROLS).to_string());
                start.push_str("\">");
                self.element(&start, "</a>");
            }
            None => self.element("", ""),
        }
    }

    /// Shows the address of a link that cannot be followed, unless that is just what the link's text was.
    fn address_behind(&mut self, from: usize) {
        let Some(Some(address)) = self.links.pop() else { return };
        let mut escaped = String::new();
        html::escape_attribute(&mut escaped, &address);
        let text = self.out.get(from..).unwrap_or_default();
        if text != escaped && escaped.strip_prefix("mailto:") != Some(text) {
            let _ = write!(self.out, " <span class=\"address\">{escaped}</span>");
        }
    }

    /// The answer of `resolve`, if it is an address on this server.
    fn resolved(&self, target: Target<'_>) -> Option<String> {
        let href = (self.resolve)(target)?;
        let second = href.chars().nth(1);
        (href.starts_with('/') && !matches!(second, Some('/' | '\\')) && !href.contains(char::is_control)).then_some(href)
    }

    fn image(&mut self, address: &str, alt: &str) {
        let found = Address::of(address);
        let src = match &found {
            Address::Here { path, .. } => self.resolved(Target::Image { path }),
            Address::Elsewhere(address) => self.resolved(Target::Elsewhere { address }),
            Address::Anchor(_) | Address::Nowhere => None,
        };
        if let Some(src) = src {
            self.out.push_str("<img loading=\"lazy\" src=\"");
            html::escape(&mut self.out, &utf8_percent_encode(&src, CONTROLS).to_string());
            self.out.push_str("\" alt=\"");
            html::escape_attribute(&mut self.out, alt);
            self.out.push_str("\">");
            return;
        }
        let shown = match found {
            Address::Elsewhere(address) => address,
            Address::Here { .. } => address,
            Address::Anchor(_) | Address::Nowhere => "",
        };
        self.out.push_str("<span class=\"absent\" title=\"");
        html::escape_attribute(&mut self.out, shown);
        self.out.push_str("\">");
        write_text(&mut self.out, &mut self.seen, if alt.trim().is_empty() { shown } else { alt });
        self.out.push_str("</span>");
    }

    fn text(&mut self, text: &str) {
        match &mut self.gathering {
            Some(Gathering::Image { alt, .. }) => alt.push_str(text),
            Some(Gathering::Code { text: gathered, .. } | Gathering::Html(gathered)) => gathered.push_str(text),
            None => {
                if let Some((_, words)) = &mut self.heading {
                    words.push_str(text);
                }
                write_text(&mut self.out, &mut self.seen, text);
            }
        }
    }

    fn code_span(&mut self, code: &str) {
        if self.gathering.is_some() {
            return self.text(code);
        }
        self.out.push_str("<code>");
        self.text(code);
        self.out.push_str("</code>");
    }

    fn code_block(&mut self, info: &str, code: String) {
        let word = info.split(|c: char| c.is_whitespace() || c == ',' || c == '{').next().unwrap_or_default();
        let language = language_named(word);
        let limits = Limits { bytes: self.fenced, ..Limits::default() };
        self.fenced = self.fenced.saturating_sub(if language.is_some() { code.len() } else { 0 });
        // A region that scrolls must be reachable with the keyboard.
        self.out.push_str("<pre class=\"fence\" tabindex=\"0\"><code>");
        let mut each = |line| {
            let _ = writeln!(self.out, "{line}");
        };
        self.highlighter.each_line_in(language, &Text::from(code), limits, self.out_of_time, &mut each);
        self.out.push_str("</code></pre>\n");
    }

    fn html_line(&mut self, html: &str) {
        match &mut self.gathering {
            Some(Gathering::Html(gathered)) => gathered.push_str(html),
            _ => self.raw_html(html),
        }
    }

    fn html_block(&mut self, html: &str) {
        let outside = std::mem::take(&mut self.out);
        self.raw_html(html);
        let contents = std::mem::replace(&mut self.out, outside);
        let contents = contents.trim().trim_end_matches("<br>").trim_end();
        if !contents.is_empty() {
            let _ = writeln!(self.out, "<p>{contents}</p>");
        }
    }

    fn raw_html(&mut self, html: &str) {
        for piece in raw_html::reduce(html) {
            match piece {
                Piece::Text(text) => self.text(text),
                Piece::Image { alt, .. } if self.gathering.is_some() => self.text(alt),
                Piece::Image { src, alt } => self.image(src, alt),
                Piece::Break if self.gathering.is_some() => self.text(" "),
                Piece::Break if self.out.is_empty() || self.out.trim_end().ends_with("<br>") => {}
                Piece::Break => self.out.push_str("<br>"),
            }
        }
    }

    fn footnote(&mut self, name: &str) -> usize {
        let next = self.footnotes.len() + 1;
        *self.footnotes.entry(name.to_owned()).or_insert(next)
    }

    fn footnote_reference(&mut self, name: &str) {
        if self.gathering.is_some() {
            return;
        }
        let number = self.footnote(name);
        let _ = write!(self.out, "<sup><a href=\"#doc.note{number}\">{number}</a></sup>");
    }
}

/// Writes text with its marks and flags; a line break in it stays one.
fn write_text(out: &mut String, seen: &mut Seen, text: &str) {
    if html::is_plain_ascii(text) {
        return html::escape(out, text);
    }
    for (place, line) in text.split('\n').enumerate() {
        if place > 0 {
            out.push('\n');
        }
        let flags = scripts::flags(line, seen, |_| false);
        let around = Around { flags: &flags, in_prose: true, ..Around::default() };
        let line = Line { text: line, offset: 0, invalid: &[], encoding: Encoding::Utf8 };
        html::write_line(out, &line, around, &mut Tally::default());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::checks::{SHARED, is_harmless, tags};
    use super::*;

    fn resolve(target: Target<'_>) -> Option<String> {
        match target {
            Target::Link { path } => path.contains(".md").then(|| format!("/p/x/v1/file/{path}")),
            Target::Image { path } => path.contains(".png").then(|| format!("/p/x/v1/image/{path}")),
            Target::Elsewhere { address } => address.strip_prefix("https://vendor.example").map(str::to_owned),
        }
    }

    fn shown(text: &str) -> String {
        SHARED.markdown(text, &resolve, &|| false).expect("within limits").to_string()
    }

    #[test]
    fn blocks_and_spans() {
        assert_eq!(shown("a *b* **c** ~~d~~ `e<f`"), "<p>a <em>b</em> <strong>c</strong> <del>d</del> <code>e&lt;f</code></p>\n");
        assert_eq!(shown("1. a\n2. b\n"), "<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n");
        assert_eq!(shown("3. a"), "<ol start=\"3\">\n<li>a</li>\n</ol>\n");
        assert_eq!(
            shown("> [!WARNING]\n> Hot"),
            "<blockquote class=\"warning\">\n<p><strong>Warning</strong></p>\n<p>Hot</p>\n</blockquote>\n"
        );
        assert_eq!(shown("a  \nb\n\n---"), "<p>a<br>\nb</p>\n<hr>\n");
    }

    #[test]
    fn tables_tasks_and_footnotes() {
        assert_eq!(
            shown("|a|b|\n|-|-:|\n|1|2|\n"),
            "<table>\n<thead><tr><th>a</th><th class=\"right\">b</th></tr></thead><tbody>\n<tr><td>1</td><td class=\"right\">2</td></tr>\n</tbody></table>\n"
        );
        assert!(shown("- [x] a\n- [ ] b").contains("aria-label=\"done\">☑</span> a</li>\n<li><span class=\"task\""));
        let noted = shown("a[^n]\n\n[^n]: b");
        assert!(noted.contains("<sup><a href=\"#doc.note1\">1</a></sup>"), "{noted}");
        assert!(noted.contains("<div class=\"footnote\" id=\"doc.note1\"><sup>1</sup> <p>b</p>\n</div>"), "{noted}");
    }

    #[test]
    fn headings_leave_the_first_level_to_the_page() {
        assert_eq!(
            shown("# Use `it`!\n\nUse it\n===\n\n###### Deep"),
            "<h2 id=\"doc-use-it\">Use <code>it</code>!</h2>\n<h2 id=\"doc-use-it-1\">Use it</h2>\n<h6 id=\"doc-deep\">Deep</h6>\n"
        );
        assert_eq!(shown("[go](#Use%20it)"), "<p><a href=\"#doc-use-it\">go</a></p>\n");
    }

    #[test]
    fn links_stay_inside() {
        assert_eq!(shown("[a](doc/b.md#Use-it)"), "<p><a href=\"/p/x/v1/file/doc/b.md#doc-use-it\">a</a></p>\n");
        assert_eq!(shown("[a](b.c)"), "<p>a</p>\n");
        assert_eq!(
            shown("[a](https://example.org/?x=1&y=\"z\")"),
            "<p>a <span class=\"address\">https://example.org/?x=1&amp;y=&quot;z&quot;</span></p>\n"
        );
        assert_eq!(shown("<https://example.org/>"), "<p>https://example.org/</p>\n");
        assert_eq!(shown("<a@example.org>"), "<p>a@example.org</p>\n");
        assert_eq!(shown("[a](https://vendor.example/p/x)"), "<p><a href=\"/p/x\">a</a></p>\n");
        for target in ["javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "vbscript:x", "java&#9;script:alert(1)"] {
            assert_eq!(shown(&format!("[a]({target})")), "<p>a</p>\n", "{target}");
        }
    }

    #[test]
    fn what_resolve_says_must_be_on_this_server() {
        for answer in ["https://example.org", "//example.org", "/\\example.org", "javascript:alert(1)", "", "/a\nb"] {
            let html = SHARED.markdown("[a](b) ![c](d)", &|_| Some(answer.to_owned()), &|| false).unwrap().to_string();
            assert!(!html.contains("href") && !html.contains("src"), "{answer}: {html}");
        }
    }

    #[test]
    fn pictures_are_ours_or_absent() {
        assert_eq!(shown("![a \"b\"](c.png)"), "<p><img loading=\"lazy\" src=\"/p/x/v1/image/c.png\" alt=\"a &quot;b&quot;\"></p>\n");
        assert_eq!(
            shown("[![Build *ok*](https://ci.example/badge.svg)](https://ci.example/)"),
            "<p><span class=\"absent\" title=\"https://ci.example/badge.svg\">Build ok</span> <span class=\"address\">https://ci.example/</span></p>\n"
        );
        assert_eq!(
            shown("<img src=\"a.png\" onerror=\"alert(1)\" alt=x>"),
            "<p><img loading=\"lazy\" src=\"/p/x/v1/image/a.png\" alt=\"x\"></p>\n"
        );
    }

    #[test]
    fn raw_html_is_text() {
        assert_eq!(shown("a <script>alert(1)</script> b"), "<p>a &lt;script&gt;alert(1)&lt;/script&gt; b</p>\n");
        assert_eq!(shown("<script>\nalert(1)\n</script>\n"), "<p>&lt;script&gt;\nalert(1)\n&lt;/script&gt;</p>\n");
        assert_eq!(shown("<p align=center>\n<b>Lectern</b><br>\nreads\n</p>\n\nx<!-- y -->z\n"), "<p>Lectern<br>\nreads</p>\n<p>xz</p>\n");
        assert_eq!(shown("<!-- only -->\n"), "");
        assert_eq!(shown("Vec<T> and <iframe src=x>"), "<p>Vec&lt;T&gt; and &lt;iframe src=x&gt;</p>\n");
    }

    #[test]
    fn invisible_characters_are_marked_and_emoji_are_whole() {
        let html = shown("a\u{202e}b ⚠\u{fe0f} c\u{a0}d аdmin");
        assert!(
            html.contains("<em class=\"mark\" title=\"RIGHT-TO-LEFT OVERRIDE\">U+202E</em>b ⚠\u{fe0f} c\u{a0}d <em class=\"mixed\""),
            "{html}"
        );
        assert!(shown("![a\u{202e}](c.png)").contains("alt=\"aU+202E\""));
    }

    #[test]
    fn fenced_code_is_highlighted() {
        assert_eq!(
            shown("```c\nint x; // <\n```"),
            "<pre class=\"fence\" tabindex=\"0\"><code><span class=\"t\">int</span> x; <span class=\"c\">// &lt;</span>\n</code></pre>\n"
        );
        assert_eq!(shown("    a < b\n"), "<pre class=\"fence\" tabindex=\"0\"><code>a &lt; b\n</code></pre>\n");
    }

    #[test]
    fn size_nesting_and_time_are_bounded() {
        assert!(SHARED.markdown(&"a".repeat(MARKDOWN_LIMIT + 1), &resolve, &|| false).is_none());
        assert!(SHARED.markdown("a", &resolve, &|| true).is_none());
        let deep = shown(&format!("{}a", ">".repeat(5000)));
        assert!(tags(&deep).len() <= DEPTH + 1);
    }

    #[test]
    fn texts_made_to_be_slow_are_not() {
        let filled = |piece: &str| piece.repeat(20_000 / piece.len());
        for piece in ["[", "![", "*a_", "`", "<a ", "<!--", "[^a]", "> ", "- ", "|-|\n", "# a\n", "[a](", "&", "~a~~", "\u{200b}", "<b><i>"]
        {
            if let Some(html) = SHARED.markdown(&filled(piece), &resolve, &|| false) {
                tags(html.as_str());
            }
        }
    }

    proptest! {
        #[test]
        fn only_harmless_markup(text in "(<script>|</script>|<img src=x onerror=alert\\(1\\)>|javascript:|\\[a\\]\\(|\\)|!\\[|<a href=\"|\">|'|\"|<!--|-->|\
            # |> |- |1\\. |```|`|\n|\n\n|\\||\\|-\\|-\\|\n|\\*\\*|_|~~|\\[\\^1\\]|: |&lt;|&#x6a;|<b|onclick=|x|y\\.png|z\\.md|https://e\\.org|data:| |\\\\|\u{202e}){0,40}") {
            let html = shown(&text);
            for tag in tags(&html) {
                prop_assert!(is_harmless(&tag), "{} in {}", tag, html);
            }
            let kept = ["<script", "\u{202e}"].into_iter().find(|part| html.contains(part));
            prop_assert_eq!(kept, None);
        }

        #[test]
        fn any_text_is_shown(text in any::<String>()) {
            for tag in tags(&shown(&text)) {
                prop_assert!(is_harmless(&tag), "{}", tag);
            }
        }
    }
}
