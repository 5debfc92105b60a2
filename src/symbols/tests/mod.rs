//! Symbols of texts, of parts and of whole mirrors.
//!
//! - here: any bytes are extracted, and what is written is read back.
//! - `languages`: what is found in each language.
//! - `building`: indexes of mirrors: incremental, killed and taken up again, damaged.

mod building;
mod languages;

use std::cell::Cell;
use std::time::Duration;

use proptest::prelude::*;

use super::builder::facts;
use super::extract::{of_lang, until, within};
use super::language::Lang;
use super::part::{Facts, Part, PartBuilder, UnitKey};

fn key(number: u8, lang: Lang) -> UnitKey {
    UnitKey { blob: [number; 20], by_path: lang.number() }
}

/// Words and marks that grammars make much of, so that what is generated is code as often as noise.
const PIECES: [&str; 48] = [
    "int",
    " ",
    "\n",
    "x",
    "foo",
    "(",
    ")",
    "{",
    "}",
    ";",
    "*",
    "#define A",
    "struct",
    "class",
    "def",
    ":",
    "fn",
    "impl",
    "<",
    ">",
    "::",
    "=",
    "\"",
    "'",
    "/*",
    "*/",
    "//",
    "func",
    "type",
    "interface",
    "<?php",
    "?>",
    "module",
    "end",
    "do",
    "`",
    "${",
    "<<EOF",
    "EOF",
    "=>",
    "[",
    "]",
    "é",
    "\u{202e}",
    "\r\n",
    "\t",
    "if",
    "0x1",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_extracted_in_every_language(pieces in prop::collection::vec(0..PIECES.len(), 0..200)) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        for lang in Lang::ALL {
            let found = of_lang(lang, &text);
            prop_assert!(found.complete);
            let lines: Vec<&str> = text.split('\n').collect();
            for one in &found.definitions {
                prop_assert!(one.whole.0 <= one.line && one.line <= one.whole.1, "{:?}", one);
                prop_assert!(!one.name.is_empty() && text.contains(one.name.as_str()));
            }
            for one in found.references(&text) {
                let line = lines[one.line as usize - 1];
                prop_assert!(line[one.column as usize..].starts_with(&one.name), "{lang:?} {one:?}");
            }
        }
    }

    #[test]
    fn any_bytes_are_facts(bytes in prop::collection::vec(any::<u8>(), 0..400), number in 0_u8..16) {
        let made = facts(UnitKey { blob: [1; 20], by_path: number }, &bytes);
        prop_assert!(made.unit.complete);
    }

    #[test]
    fn a_part_is_read_as_it_was_written(texts in prop::collection::vec("((int|void) [a-d]{1,2}\\([a-d]\\) \\{ [a-d]\\([a-d]\\); \\}\n|#define [A-D] 1\n){0,6}", 1..5)) {
        let home = tempfile::tempdir().unwrap();
        let mut builder = PartBuilder::default();
        let all: Vec<Facts> = (0..).zip(&texts).map(|(n, text)| facts(key(n, Lang::C), text.as_bytes())).collect();
        for (place, facts) in all.iter().enumerate().rev() {
            builder.add(place as u64, facts);
        }
        builder.write(&home.path().join("part")).unwrap();
        let part = Part::open(&home.path().join("part")).unwrap();
        prop_assert_eq!(part.facts().unwrap(), all.clone());
        let mut names = Vec::new();
        part.each_name(&mut |number, name| names.push((number, name.to_owned()))).unwrap();
        prop_assert!(names.is_sorted());
        for (number, name) in names {
            prop_assert_eq!(part.find(&name).unwrap(), Some(number));
            let defined: Vec<usize> = part.postings(number).unwrap().iter().map(|posting| posting.definitions as usize).collect();
            let expected = all.iter().filter(|facts| facts.definitions.iter().any(|one| one.name == name) || facts.uses.iter().any(|(used, _)| *used == name));
            let expected: Vec<usize> = expected.map(|facts| facts.definitions.iter().filter(|one| one.name == name).count()).collect();
            prop_assert_eq!(defined, expected);
        }
        prop_assert_eq!(part.find("nothing has this name").unwrap(), None);
    }

    /// A part that is not what was written is refused or gives something else; it never brings the program down.
    #[test]
    fn a_damaged_part_is_no_accident(at in 0_usize..600, with in any::<u8>()) {
        let home = tempfile::tempdir().unwrap();
        let mut builder = PartBuilder::default();
        builder.add(0, &facts(key(1, Lang::C), b"struct a { int b; };\nint c(struct a *d) { return c(d->b); }\n"));
        builder.write(&home.path().join("part")).unwrap();
        let mut bytes = std::fs::read(home.path().join("part")).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= with;
        std::fs::write(home.path().join("part"), bytes).unwrap();
        if let Ok(part) = Part::open(&home.path().join("part")) {
            let _ = part.facts();
            let _ = part.find("c");
        }
    }
}

#[test]
fn depth_and_size_are_no_danger() {
    for lang in Lang::ALL {
        for text in ["(".repeat(200_000), "{".repeat(200_000), "[".repeat(100_000), "a.".repeat(100_000), "<".repeat(50_000)] {
            let _ = of_lang(lang, &text);
        }
    }
}

/// It is looked at the clock before each piece, in the parser, and on the way through what that made; when it is late, what there was
/// time for is given, and that it is not all.
#[test]
fn time_runs_out() {
    let text = "int a(void) { return b(); }\n".repeat(100_000);
    let looks = Cell::new(0_u32);
    let whole = until(
        &|| {
            looks.set(looks.get() + 1);
            false
        },
        Lang::C,
        &text,
    );
    assert!(whole.complete);
    assert_eq!(whole.definitions.len(), 100_000);
    let all = looks.get();
    assert!(all > 10);
    let mut before = 0;
    for last in [1, 2, all / 2, all] {
        looks.set(0);
        let some = until(
            &|| {
                looks.set(looks.get() + 1);
                looks.get() >= last
            },
            Lang::C,
            &text,
        );
        assert!(!some.complete, "{last} of {all}");
        assert!((before..=100_000).contains(&some.definitions.len()), "{last} of {all}");
        assert!(looks.get() <= last + 4, "{last} of {all}: it went on to {}", looks.get());
        before = some.definitions.len();
    }
    assert!(within(Duration::ZERO, Lang::C, &text).definitions.is_empty());
}

/// What is too large is told as incomplete; a name or a container that is too long is none, or is cut.
#[test]
fn there_are_limits() {
    let huge = of_lang(Lang::C, &format!("int a;{}", " ".repeat(64 << 20)));
    assert!(!huge.complete && huge.definitions.is_empty());
    let name = |length: usize| "n".repeat(length);
    let found = of_lang(Lang::C, &format!("int {};\nint {};\n", name(200), name(201)));
    assert_eq!(found.definitions.iter().map(|one| one.line).collect::<Vec<_>>(), [1]);
    let nested = format!("class {}:\n class é{}:\n  def run(): pass\n", name(150), name(60));
    let found = of_lang(Lang::Python, &nested);
    assert_eq!(found.definitions.len(), 3);
    assert!(found.definitions.iter().all(|one| one.container.len() <= 200));
}

#[test]
fn a_large_file_is_taken_in_pieces_and_nothing_is_lost() {
    let lines: Vec<String> = (0..60_000).map(|n| format!("#define REGISTER_{n:06} 0x{n:08x}\n")).collect();
    let text = lines.concat();
    assert!(text.len() > 2 << 20);
    let found = of_lang(Lang::C, &text);
    assert!(found.complete);
    assert_eq!(found.definitions.len(), 60_000);
    for (n, one) in found.definitions.iter().enumerate() {
        assert_eq!((one.name.as_str(), one.line as usize, one.column), (format!("REGISTER_{n:06}").as_str(), n + 1, 8));
    }
}

#[test]
fn lines_are_those_of_pages() {
    let text = "int a;\r\nint b;\rint c;\nint d;\n";
    let lines: Vec<u32> = of_lang(Lang::C, text).definitions.iter().map(|one| one.line).collect();
    assert_eq!(lines, [1, 2, 3, 4]);
}
