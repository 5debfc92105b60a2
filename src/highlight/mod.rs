//! Source text to safe HTML, line by line.
//!
//! [`SourceHtml`] is the only HTML that templates take without escaping it once more; this room alone makes it. What it guarantees:
//! - every character of the source is there, escaped, or a visible mark stands for it: controls of direction, invisible characters and
//!   invalid bytes are shown and never sent as they are (CVE-2021-42574), and words that deceive by their letters are flagged
//!   (CVE-2021-42694). [`Notices`] says where;
//! - only `span`, `em` and `mark` occur in a line, with classes and titles of our own, closed within the line;
//! - highlighting ends when it has taken enough time or text. What is left is plain text, and [`PlainReason`] says why.

#[cfg(test)]
mod checks;
mod code;
mod html;
mod languages;
mod links;
mod markdown;
mod marked;
mod marks;
mod notices;
mod own;
mod painter;
mod raw_html;
mod scripts;

use std::fmt;
use std::ops::Range;

use syntect::parsing::{SyntaxReference, SyntaxSet};

pub use self::languages::{Language, language_named, language_of, languages};
pub use self::links::{Target, heading_anchor, path_from};
pub use self::markdown::MARKDOWN_LIMIT;
pub use self::marks::hides;
pub use self::notices::{Kind, Notice, Notices};
pub use self::painter::{Painter, Painting};

use self::code::Parser;
use self::html::{Around, Class, Run};
use self::notices::Tally;
use self::scripts::Seen;
use crate::source::text::{Encoding, Line, Text};

/// HTML in which every character of the source it shows has been escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct SourceHtml(String);

impl SourceHtml {
    /// The markup, for whoever measures, stores or compares it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceHtml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for SourceHtml {}

/// How much text is highlighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the text, in bytes; what lies behind is plain.
    pub bytes: usize,
    /// Lines from the start; what lies behind is plain.
    pub lines: usize,
    /// Bytes in one line; a longer line is plain, and the others are not.
    pub line_bytes: usize,
}

impl Default for Limits {
    /// A second or two of work for honest text. The slowest expressions take time by the cube of a line made for them, which for a line of
    /// this length is about a second.
    fn default() -> Self {
        Self { bytes: 2 << 20, lines: 50_000, line_bytes: 1000 }
    }
}

/// A line of a file that is shown by itself, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// Of its file; its language is that of the line.
    pub path: String,
    pub text: String,
    /// What is marked, in bytes; brought onto character boundaries.
    pub found: Vec<Range<usize>>,
}

/// A text as lines of HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlighted {
    /// One for each of [`Text::lines`].
    pub lines: Vec<SourceHtml>,
    /// The language's name, also when the text is plain.
    pub language: Option<String>,
    /// Why some of it is plain although its language is known.
    pub plain: Option<PlainReason>,
    pub notices: Notices,
}

/// Why text is shown without highlighting. `Display` is a sentence for the page; lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainReason {
    /// From this line on the text is past the limit of bytes.
    TooLarge { from: usize },
    /// From this line on the text is past the limit of lines.
    TooManyLines { from: usize },
    /// Time was up at this line.
    TooSlow { from: usize },
    /// At this line the syntax failed.
    Failed { from: usize },
    /// So many lines are too long, of which this is the first.
    LongLines { first: usize, count: usize },
}

impl fmt::Display for PlainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { from } => write!(f, "This file is large: from line {from} on it is shown without highlighting."),
            Self::TooManyLines { from } => write!(f, "This file has many lines: from line {from} on it is shown without highlighting."),
            Self::TooSlow { from } => write!(f, "Highlighting took too long: from line {from} on this file is shown without it."),
            Self::Failed { from } => write!(f, "Highlighting failed: from line {from} on this file is shown without it."),
            Self::LongLines { first, count: 1 } => write!(f, "Line {first} is very long and is shown without highlighting."),
            Self::LongLines { first, count } => {
                write!(f, "{count} very long lines, the first of them line {first}, are shown without highlighting.")
            }
        }
    }
}

/// The syntaxes, loaded once for all; each compiles its expressions when it is first used.
pub struct Highlighter {
    syntaxes: SyntaxSet,
    own: SyntaxSet,
}

impl Default for Highlighter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Highlighter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Highlighter({} syntaxes)", self.syntaxes.syntaxes().len())
    }
}

impl Highlighter {
    /// Takes some ten milliseconds.
    pub fn new() -> Self {
        Self { syntaxes: two_face::syntax::extra_newlines(), own: own::syntaxes() }
    }

    /// The language of a file, as [`language_of`] says.
    pub fn language(&self, path: &str, first_line: &str) -> Option<&'static Language> {
        language_of(path, first_line)
    }

    /// Highlights `text` as the language of `path`, or of its first line. `out_of_time` is asked before each line; once it says yes, the
    /// rest is plain. A single line can take longer than its share, so call this where waiting harms nobody.
    pub fn lines(&self, text: &Text, path: &str, limits: Limits, out_of_time: &dyn Fn() -> bool) -> Highlighted {
        let mut lines = Vec::new();
        let about = self.each_line(text, path, limits, out_of_time, &mut |line| lines.push(line));
        Highlighted { lines, ..about }
    }

    /// The same line by line: `each` is given every line as soon as it is done, so that what is returned holds none.
    pub fn each_line(
        &self,
        text: &Text,
        path: &str,
        limits: Limits,
        out_of_time: &dyn Fn() -> bool,
        each: &mut dyn FnMut(SourceHtml),
    ) -> Highlighted {
        self.each_line_in(language_of(path, first_line(text)), text, limits, out_of_time, each)
    }

    fn each_line_in(
        &self,
        language: Option<&Language>,
        text: &Text,
        limits: Limits,
        out_of_time: &dyn Fn() -> bool,
        each: &mut dyn FnMut(SourceHtml),
    ) -> Highlighted {
        let mut parser = language.and_then(|language| self.syntax(language)).map(|(set, syntax)| Parser::new(set, syntax));
        let is_code = language.is_some_and(|language| !language.is_prose());
        let mut tally = Tally::default();
        let mut seen = Seen::default();
        let mut stopped = None;
        let mut long = None;
        let mut buffer = String::new();
        for (number, line) in (1..).zip(text.lines()) {
            tally.next_line();
            let mut runs: &[Run] = &[];
            if let Some(live) = &mut parser {
                stopped = if number > limits.lines {
                    Some(PlainReason::TooManyLines { from: number })
                } else if line.offset + line.text.len() > limits.bytes {
                    Some(PlainReason::TooLarge { from: number })
                } else if out_of_time() {
                    Some(PlainReason::TooSlow { from: number })
                } else if line.text.len() > limits.line_bytes {
                    let (first, count) = long.unwrap_or((number, 0));
                    long = Some((first, count + 1));
                    None
                } else {
                    buffer.clear();
                    buffer.push_str(line.text);
                    buffer.push('\n');
                    match live.parse(&buffer) {
                        Ok(found) => {
                            runs = found;
                            None
                        }
                        Err(code::Broken) => Some(PlainReason::Failed { from: number }),
                    }
                };
            }
            if is_code {
                seen = Seen::default();
            }
            let flags = scripts::flags(line.text, &mut seen, |at| is_code && !in_words(runs, at));
            let mut out = String::with_capacity(line.text.len() + 24 * runs.len());
            html::write_line(&mut out, &line, Around { runs, flags: &flags, ..Around::default() }, &mut tally);
            each(SourceHtml(out));
            if stopped.is_some() && parser.is_some() {
                parser = None;
            }
        }
        let plain = stopped.or(long.map(|(first, count)| PlainReason::LongLines { first, count }));
        Highlighted { lines: Vec::new(), language: language.map(|language| language.name().to_owned()), plain, notices: tally.finish() }
    }

    /// Whether there is surely nothing in the text to be told of before it is read; highlighting it can then find no notice.
    pub fn hides_nothing(&self, text: &Text, path: &str) -> bool {
        let is_plain = |line: Line<'_>| html::is_plain_ascii(line.text);
        // Without highlighting all that may be code counts as code, so that more is noticed, and never less.
        text.lines().all(is_plain) || self.each_line(text, path, Limits::default(), &|| true, &mut |_| {}).notices.is_empty()
    }

    /// Lines that stand alone, each highlighted as if a file in the language of its path began with it: a comment or string that began
    /// above is not known of. `out_of_time` is asked before each line; once it says yes, the rest is plain.
    pub fn snippets(&self, lines: &[Snippet], limits: Limits, out_of_time: &dyn Fn() -> bool) -> Vec<SourceHtml> {
        let mut stopped = false;
        let one = |snippet: &Snippet| {
            let line = Line { text: &snippet.text, offset: 0, invalid: &[], encoding: Encoding::Utf8 };
            let found = html::tidy(line.text, &snippet.found);
            stopped = stopped || out_of_time();
            let language = language_of(&snippet.path, "").filter(|_| !stopped && line.text.len() <= limits.line_bytes);
            let syntax = language.and_then(|language| self.syntax(language));
            let mut parser = syntax.map(|(set, syntax)| Parser::new(set, syntax));
            let runs = parser.as_mut().and_then(|parser| parser.parse(&format!("{}\n", line.text)).ok()).unwrap_or_default();
            let is_code = language.is_some_and(|language| !language.is_prose());
            let flags = scripts::flags(line.text, &mut Seen::default(), |at| is_code && !in_words(runs, at));
            let mut out = String::with_capacity(line.text.len() + 24 * runs.len());
            html::write_line(&mut out, &line, Around { runs, flags: &flags, found: &found, ..Around::default() }, &mut Tally::default());
            SourceHtml(out)
        };
        lines.iter().map(one).collect()
    }

    fn syntax(&self, language: &Language) -> Option<(&SyntaxSet, &SyntaxReference)> {
        let named = |set| SyntaxSet::find_syntax_by_name(set, language.syntax()).map(|syntax| (set, syntax));
        named(&self.own).or_else(|| named(&self.syntaxes))
    }
}

fn first_line(text: &Text) -> &str {
    text.lines().next().map(|line| line.text).unwrap_or_default()
}

/// Whether the place is in a comment or a string, where people write in their own language.
fn in_words(runs: &[Run], at: usize) -> bool {
    let run = runs.partition_point(|(end, _)| *end <= at);
    runs.get(run).is_some_and(|(_, class)| matches!(class, Some(Class::Comment | Class::String)))
}

/// One line without highlighting, with its marks and flags.
pub fn plain_line(text: &str) -> SourceHtml {
    snippet_line(text, &[])
}

/// The beginning of a text without highlighting, line by line, up to so many bytes.
pub fn plain_text(text: &Text, bytes: usize) -> SourceHtml {
    let mut out = String::new();
    for line in text.lines().take_while(|line| line.offset < bytes) {
        out.push_str(snippet(&line, &[]).as_str());
        out.push('\n');
    }
    SourceHtml(out)
}

/// One line of a search result: `mark` elements around the byte ranges found, which are brought onto character boundaries.
pub fn snippet_line(text: &str, ranges: &[Range<usize>]) -> SourceHtml {
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    snippet(&Line { text, offset: 0, invalid: &[], encoding: Encoding::Utf8 }, ranges)
}

/// As [`snippet_line`], for a line whose invalid bytes are known.
pub fn snippet(line: &Line<'_>, ranges: &[Range<usize>]) -> SourceHtml {
    let found = html::tidy(line.text, ranges);
    let flags = scripts::flags(line.text, &mut Seen::default(), |_| false);
    let mut out = String::with_capacity(line.text.len() + 16);
    html::write_line(&mut out, line, Around { flags: &flags, found: &found, ..Around::default() }, &mut Tally::default());
    SourceHtml(out)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::checks::{SHARED, markup};
    use super::*;
    use crate::source::text::{Content, decode};

    const PATHS: [&str; 12] = ["a.c", "a.rs", "a.py", "a.js", "a.md", "a.html", "Makefile", "a.sh", "a.yaml", "a.tex", "a.unknown", "a.go"];

    fn highlighted(text: &str, path: &str) -> Highlighted {
        SHARED.lines(&Text::from(text.to_owned()), path, Limits::default(), &|| false)
    }

    fn first_line(text: &str, path: &str) -> String {
        highlighted(text, path).lines.first().map(ToString::to_string).unwrap_or_default()
    }

    fn told(bytes: &[u8], path: &str) -> Highlighted {
        let Content::Text(text) = decode(bytes) else { panic!("not text") };
        SHARED.lines(&text, path, Limits::default(), &|| false)
    }

    #[test]
    fn one_highlighter_serves_all_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Highlighter>();
    }

    #[test]
    fn every_language_with_a_syntax_has_that_syntax() {
        let with_syntax: Vec<&Language> = languages().filter(|language| !language.syntax().is_empty()).collect();
        let missing: Vec<&str> = with_syntax.iter().filter(|one| SHARED.syntax(one).is_none()).map(|one| one.syntax()).collect();
        assert_eq!(missing, Vec::<&str>::new());
        assert!(with_syntax.len() >= 200, "{} languages are highlighted", with_syntax.len());
    }

    #[test]
    fn build_files_configuration_and_scripts_are_highlighted() {
        for (path, line) in [
            ("CMakeLists.txt", "add_executable(lamp main.c) # light"),
            ("lamp/Kconfig", "config LAMP"),
            ("Kbuild", "obj-$(CONFIG_LAMP) += lamp.o # light"),
            ("rules.mk", "all: lamp # light"),
            ("BUILD.bazel", "cc_library(name = \"lamp\")"),
            ("meson.build", "project('lamp', 'c')"),
            ("BUILD.gn", "static_library(\"lamp\") {"),
            ("Android.bp", "cc_library { name: \"lamp\" }"),
            ("lamp.service", "ExecStart=/usr/bin/lamp # light"),
            ("99-lamp.rules", "ACTION==\"add\", RUN+=\"lamp\""),
            ("Dockerfile", "FROM debian AS lamp"),
            ("Cargo.toml", "name = \"lamp\""),
            ("setup.cfg", "; light"),
            ("board.dts", "status = \"okay\"; /* light */"),
            ("boot.S", "mov r0, #1 @ light"),
            ("kernel.lds", "SECTIONS { .text : { *(.text) } }"),
            ("vmlinux.lds.S", "SECTIONS /* light */"),
            ("ci.yml", "name: \"lamp\" # light"),
            ("configure.ac", "AC_INIT([lamp], [1.0]) dnl light"),
            ("lamp.bb", "inherit lamp # light"),
            ("debian/control", "Package: lamp"),
            ("lamp.proto", "message Lamp {}"),
            ("nginx.conf", "server { listen 80; } # light"),
            ("Jenkinsfile", "pipeline { agent any } // light"),
            ("lamp.po", "msgid \"light\""),
            ("lamp.asn1", "Lamp ::= SEQUENCE { on BOOLEAN }"),
            ("Justfile", "set shell := [\"sh\"] # light"),
            ("go.mod", "module lamp // light"),
        ] {
            let found = highlighted(&format!("{line}\n"), path);
            assert!(found.language.is_some(), "{path} is in no language");
            assert!(found.lines[0].as_str().contains("<span class="), "{path}: {}", found.lines[0]);
        }
    }

    #[test]
    fn c_has_its_classes() {
        assert_eq!(
            first_line("static int tag_equal(const uint8_t *a, size_t len) { return 0; } /* x */\n", "a.c"),
            "<span class=\"k\">static</span> <span class=\"t\">int</span> <span class=\"f\">tag_equal</span>(<span class=\"k\">const</span> \
             <span class=\"t\">uint8_t</span> *a, <span class=\"t\">size_t</span> len) { <span class=\"k\">return</span> \
             <span class=\"n\">0</span>; } <span class=\"c\">/* x */</span>"
        );
        assert_eq!(first_line("#include <stdio.h>\n", "a.h"), "<span class=\"p\">#include</span> <span class=\"s\">&lt;stdio.h&gt;</span>");
        assert_eq!(
            first_line("#define TAG_LEN 16\n", "a.c"),
            "<span class=\"p\">#define</span> <span class=\"p\">TAG_LEN</span> <span class=\"n\">16</span>"
        );
        assert_eq!(
            first_line("struct a b = foo(\"x\");\n", "a.c"),
            "<span class=\"k\">struct</span> a b = <span class=\"f\">foo</span>(<span class=\"s\">&quot;x&quot;</span>);"
        );
    }

    #[test]
    fn other_languages_have_theirs() {
        assert!(
            first_line("pub fn bar(&self) -> Option<u8> {\n", "a.rs")
                .starts_with("<span class=\"k\">pub</span> <span class=\"k\">fn</span> <span class=\"f\">bar</span>")
        );
        assert_eq!(
            first_line("return f\"a{x}b\"\n", "a.py"),
            "<span class=\"k\">return</span> <span class=\"s\">f&quot;a</span>{x}<span class=\"s\">b&quot;</span>"
        );
        assert!(first_line("def f(): # x\n", "a.py").ends_with("<span class=\"c\"># x</span>"));
        assert_eq!(highlighted("x\n", "Makefile").language.as_deref(), Some("Makefile"));
        assert_eq!(highlighted("#!/bin/sh\n", "tool").language.as_deref(), Some("Shell"));
        assert_eq!(highlighted("x\n", "tool").language, None);
    }

    #[test]
    fn a_comment_goes_on_over_lines() {
        let lines = highlighted("/* one\r\ntwo\rthree */ int x;\n", "a.c").lines;
        assert_eq!(
            lines.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "<span class=\"c\">/* one</span>",
                "<span class=\"c\">two</span>",
                "<span class=\"c\">three */</span> <span class=\"t\">int</span> x;"
            ]
        );
    }

    #[test]
    fn five_characters_are_escaped() {
        assert_eq!(plain_line("<a href=\"x\" b='y'>&</a>").as_str(), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;&lt;/a&gt;");
    }

    #[test]
    fn controls_of_direction_are_shown_and_not_sent() {
        let shown = highlighted("/* a\u{202e} b \u{2066}*/\n\nx\u{200b}\n", "a.c");
        assert_eq!(
            shown.lines[0].as_str(),
            "<span class=\"c\">/* a<em class=\"mark\" title=\"RIGHT-TO-LEFT OVERRIDE\">U+202E</em> b \
             <em class=\"mark\" title=\"LEFT-TO-RIGHT ISOLATE\">U+2066</em>*/</span>"
        );
        let order = shown.notices.of(Kind::ReadingOrder).unwrap();
        assert_eq!((order.count, order.lines.as_slice()), (2, &[1][..]));
        assert_eq!(shown.notices.of(Kind::Invisible).unwrap().lines, [3]);
    }

    #[test]
    fn separators_are_marks_and_break_no_lines() {
        let shown = highlighted("a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f\n", "a.txt");
        assert_eq!(shown.lines.len(), 1);
        assert_eq!(shown.lines[0].as_str().matches("<em class=\"mark").count(), 5);
    }

    #[test]
    fn invalid_bytes_are_shown() {
        let shown = told("日本 ".bytes().chain(*b"caf\xe9 \xef\xbf\xbd\n").collect::<Vec<_>>().as_slice(), "a.txt");
        assert_eq!(shown.lines[0].as_str(), "日本 caf<em class=\"mark bad\" title=\"byte that is not UTF-8\">\\xE9</em> \u{fffd}");
        assert_eq!(shown.notices.of(Kind::InvalidBytes).unwrap().count, 1);
        let utf16 = told(b"\xff\xfea\0\x00\xd8\n\0", "a.txt");
        assert!(utf16.lines[0].as_str().contains("title=\"byte that is not UTF-16 LE\">\\xD8</em>"), "{:?}", utf16.lines);
    }

    #[test]
    fn a_flagged_word_keeps_its_classes() {
        let shown = highlighted("int x = аdmin(\"сор\");\n", "a.c");
        assert!(
            shown.lines[0].as_str().contains("<em class=\"mixed\" title=\"Letters of Cyrillic and Latin in one word\">"),
            "{:?}",
            shown.lines
        );
        assert_eq!(markup(shown.lines[0].as_str()), "int x = аdmin(\"сор\");");
        assert_eq!(shown.notices.of(Kind::MixedScripts).unwrap().to_string(), "One word that mixes letters of several scripts, on line 1.");
        assert_eq!(shown.notices.of(Kind::Lookalike).unwrap().count, 1);
    }

    #[test]
    fn time_is_asked_for_between_lines() {
        let asked = Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > 3
        };
        let shown = SHARED.lines(&Text::from("int x;\n".repeat(9)), "a.c", Limits::default(), &stop);
        assert_eq!(shown.plain, Some(PlainReason::TooSlow { from: 4 }));
        assert_eq!(shown.plain.unwrap().to_string(), "Highlighting took too long: from line 4 on this file is shown without it.");
        assert_eq!(shown.lines.iter().filter(|line| line.as_str().contains("span")).count(), 3);
        assert_eq!((shown.lines.len(), asked.get()), (9, 4));
        assert_eq!(shown.language.as_deref(), Some("C"));
    }

    #[test]
    fn past_the_limits_text_is_plain() {
        let text = Text::from(format!("int x;\n{}\nint y;\nint z;\n", "int ".repeat(20)));
        let with = |limits| SHARED.lines(&text, "a.c", limits, &|| false);
        let many = with(Limits { lines: 2, ..Limits::default() });
        assert_eq!(many.plain, Some(PlainReason::TooManyLines { from: 3 }));
        assert_eq!(many.lines[2].as_str(), "int y;");
        let large = with(Limits { bytes: 90, ..Limits::default() });
        assert_eq!(large.plain, Some(PlainReason::TooLarge { from: 3 }));
        let long = with(Limits { line_bytes: 40, ..Limits::default() });
        assert_eq!(long.plain.unwrap().to_string(), "Line 2 is very long and is shown without highlighting.");
        assert!(!long.lines[1].as_str().contains("span") && long.lines[2].as_str().contains("span"));
    }

    #[test]
    fn a_very_long_line_is_not_parsed() {
        let long = format!("\"{}\nint x;\n", "(".repeat(3_000_000));
        let shown = SHARED.lines(&Text::from(long), "a.js", Limits { bytes: usize::MAX, ..Limits::default() }, &|| false);
        assert_eq!(shown.plain, Some(PlainReason::LongLines { first: 1, count: 1 }));
        assert_eq!(shown.lines.len(), 2);
    }

    #[test]
    fn lines_that_stand_alone_are_highlighted_and_marked() {
        let line = |path: &str, text: &str, found: Range<usize>| Snippet { path: path.into(), text: text.into(), found: vec![found] };
        let lines = [line("a.c", "return strcpy(a, 1);", 7..13), line("a.unknown", "return <1>", 0..6), line("a.rs", "fn x() {}", 0..0)];
        let shown = SHARED.snippets(&lines, Limits::default(), &|| false);
        assert_eq!(
            shown[0].as_str(),
            "<span class=\"k\">return</span> <mark><span class=\"f\">strcpy</span></mark>(a, <span class=\"n\">1</span>);"
        );
        assert_eq!(shown[1].as_str(), "<mark>return</mark> &lt;1&gt;");
        assert!(shown[2].as_str().starts_with("<span class=\"k\">fn</span>"));
        let late = SHARED.snippets(&lines, Limits::default(), &|| true);
        assert_eq!(late[0].as_str(), "return <mark>strcpy</mark>(a, 1);");
        let long = SHARED.snippets(&lines, Limits { line_bytes: 9, ..Limits::default() }, &|| false);
        assert!(!long[0].as_str().contains("span") && long[2].as_str().contains("span"));
    }

    #[test]
    fn found_places_are_marked() {
        let told = |text: &str, ranges: &[(usize, usize)]| {
            snippet_line(text, &ranges.iter().map(|(start, end)| *start..*end).collect::<Vec<_>>()).to_string()
        };
        assert_eq!(told("a < b\n", &[(2, 3)]), "a <mark>&lt;</mark> b");
        assert_eq!(told("abcdef", &[(4, 9), (0, 2), (1, 3)]), "<mark>abc</mark>d<mark>ef</mark>");
        assert_eq!(told("日本語", &[(1, 4)]), "<mark>日本</mark>語");
        assert_eq!(told("abc", &[(3, 3), (7, 9), (2, 1)]), "abc");
        assert_eq!(told("a\u{202e}b", &[(0, 2)]), "<mark>a<em class=\"mark\" title=\"RIGHT-TO-LEFT OVERRIDE\">U+202E</em></mark>b");
        assert!(told("x аdmin", &[(3, 5)]).contains("<em class=\"mixed\""));
    }

    proptest! {
        #[test]
        fn nothing_is_dropped_and_markup_is_ours(bytes in prop::collection::vec(any::<u8>(), 0..200), path in prop::sample::select(&PATHS)) {
            let Content::Text(text) = decode(&bytes) else { return Ok(()) };
            let shown = SHARED.lines(&text, path, Limits::default(), &|| false);
            prop_assert_eq!(shown.lines.len(), text.line_count());
            for (line, html) in text.lines().zip(&shown.lines) {
                prop_assert_eq!(markup(html.as_str()), checks::expected(&line));
            }
        }

        #[test]
        fn code_with_odd_characters_is_all_there(
            text in "(int |x|аd|сор|\\(|\\{|<|&|\"|'|/\\*|\\*/|//|#|\n|\r|é|日|\u{202e}|\u{200b}|\u{e0041}|\u{a0}|\u{3000}|⚠\u{fe0f}|\u{301}){0,60}",
            path in prop::sample::select(&PATHS),
        ) {
            let text = Text::from(text);
            let shown = SHARED.lines(&text, path, Limits::default(), &|| false);
            for (line, html) in text.lines().zip(&shown.lines) {
                prop_assert_eq!(markup(html.as_str()), checks::expected(&line));
            }
        }

        #[test]
        fn snippets_are_all_there(text in any::<String>(), ranges in prop::collection::vec((0..40_usize, 0..40_usize), 0..5)) {
            let text = text.replace(['\n', '\r'], "");
            let ranges: Vec<Range<usize>> = ranges.into_iter().map(|(start, end)| start..end).collect();
            let line = Line { text: &text, offset: 0, invalid: &[], encoding: Encoding::Utf8 };
            prop_assert_eq!(markup(snippet_line(&text, &ranges).as_str()), checks::expected(&line));
        }
    }
}
