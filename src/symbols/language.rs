//! The languages whose symbols are known, each with its grammar.

use std::sync::OnceLock;

use super::rules::{self, Compiled};
use crate::highlight::language_of;

/// A language with a grammar. Its number is kept in indexes: it is never reused, and a change wants a new format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Lang {
    C = 1,
    Cpp = 2,
    CSharp = 3,
    Java = 4,
    Go = 5,
    Rust = 6,
    Python = 7,
    JavaScript = 8,
    TypeScript = 9,
    Tsx = 10,
    Php = 11,
    Ruby = 12,
    Bash = 13,
    /// A header that may be C or C++: what is in it decides.
    Header = 14,
}

impl Lang {
    pub(super) const ALL: [Self; 14] = [
        Self::C,
        Self::Cpp,
        Self::CSharp,
        Self::Java,
        Self::Go,
        Self::Rust,
        Self::Python,
        Self::JavaScript,
        Self::TypeScript,
        Self::Tsx,
        Self::Php,
        Self::Ruby,
        Self::Bash,
        Self::Header,
    ];

    /// By the path, and by the first line of a file whose name says nothing.
    pub(super) fn of(path: &str, first_line: &str) -> Option<Self> {
        let named = language_of(path, first_line)?;
        Some(match named.name() {
            "C" if path.trim_end_matches(".in").rsplit('.').next() == Some("h") => Self::Header,
            "C" => Self::C,
            "C++" | "CUDA" => Self::Cpp,
            "C#" => Self::CSharp,
            "Java" => Self::Java,
            "Go" => Self::Go,
            "Rust" => Self::Rust,
            "Python" => Self::Python,
            "JavaScript" => Self::JavaScript,
            "TypeScript" => Self::TypeScript,
            "TSX" => Self::Tsx,
            "PHP" => Self::Php,
            "Ruby" => Self::Ruby,
            "Shell" => Self::Bash,
            _ => return None,
        })
    }

    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.number() == number)
    }

    /// Whether code of the two calls each other by name.
    pub(super) fn is_akin(self, other: Self) -> bool {
        let family = |lang: Self| match lang {
            Self::C | Self::Cpp | Self::Header => 1,
            Self::JavaScript | Self::TypeScript | Self::Tsx => 2,
            other => 10 + other.number(),
        };
        family(self) == family(other)
    }

    /// The grammar for this text, and what its nodes mean.
    pub(super) fn grammar(self, text: &str) -> &'static Compiled {
        macro_rules! once {
            ($grammar:expr, $rules:expr) => {{
                static COMPILED: OnceLock<Compiled> = OnceLock::new();
                COMPILED.get_or_init(|| Compiled::new($grammar.into(), &$rules))
            }};
        }
        match self {
            Self::Header if !is_cpp(text) => Self::C.grammar(text),
            Self::C => once!(tree_sitter_c::LANGUAGE, rules::C),
            Self::Cpp | Self::Header => once!(tree_sitter_cpp::LANGUAGE, rules::CPP),
            Self::CSharp => once!(tree_sitter_c_sharp::LANGUAGE, rules::CSHARP),
            Self::Java => once!(tree_sitter_java::LANGUAGE, rules::JAVA),
            Self::Go => once!(tree_sitter_go::LANGUAGE, rules::GO),
            Self::Rust => once!(tree_sitter_rust::LANGUAGE, rules::RUST),
            Self::Python => once!(tree_sitter_python::LANGUAGE, rules::PYTHON),
            Self::JavaScript => once!(tree_sitter_javascript::LANGUAGE, rules::JAVASCRIPT),
            Self::TypeScript => once!(tree_sitter_typescript::LANGUAGE_TYPESCRIPT, rules::TYPESCRIPT),
            Self::Tsx => once!(tree_sitter_typescript::LANGUAGE_TSX, rules::TYPESCRIPT),
            Self::Php => once!(tree_sitter_php::LANGUAGE_PHP, rules::PHP),
            Self::Ruby => once!(tree_sitter_ruby::LANGUAGE, rules::RUBY),
            Self::Bash => once!(tree_sitter_bash::LANGUAGE, rules::BASH),
        }
    }
}

/// Whether a header has lines that no C header has outside of `#ifdef __cplusplus`.
fn is_cpp(text: &str) -> bool {
    let mut depth = 0_usize;
    for line in text.lines() {
        let line = line.trim_start();
        if let Some(directive) = line.strip_prefix('#') {
            let directive = directive.trim_start();
            if depth > 0 && directive.starts_with("if") {
                depth += 1;
            } else if directive.starts_with("endif") || (depth == 1 && directive.starts_with("else")) {
                depth = depth.saturating_sub(1);
            } else if depth == 0 && directive.starts_with("if") && directive.contains("__cplusplus") && !directive.contains("ifndef") {
                depth = 1;
            }
            continue;
        }
        let begins = |word: &str| line.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '<', '\t', ':']));
        let class = begins("class") && !line.contains('(') && (line.contains('{') || line.ends_with(';') || line.contains(':'));
        let access = ["public:", "private:", "protected:"].iter().any(|word| line.starts_with(word));
        if depth == 0 && (begins("namespace") || begins("template") || access || class || line.starts_with("using namespace ")) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_is_in_it() {
        for text in ["namespace a {\n", "template <class T>\n", "class A : public B {\n", "struct A {\npublic:\n  int b;\n};\n"] {
            assert!(is_cpp(text), "{text}");
        }
        for text in [
            "struct a { int class; };\n",
            "#ifdef __cplusplus\nextern \"C\" {\nnamespace x {\n#endif\nint a(void);\n",
            "int class(int a);\n/* template for\n",
            "#ifdef __cplusplus\n#if 1\nclass X {\n#endif\n#endif\nint a;\n",
        ] {
            assert!(!is_cpp(text), "{text}");
        }
    }

    #[test]
    fn languages_keep_their_numbers() {
        for lang in Lang::ALL {
            assert_eq!(Lang::numbered(lang.number()), Some(lang));
        }
        assert_eq!(Lang::numbered(0), None);
        assert_eq!(Lang::of("a/b.h", ""), Some(Lang::Header));
        assert_eq!(Lang::of("a/run", "#!/bin/sh"), Some(Lang::Bash));
        assert_eq!(Lang::of("README.md", ""), None);
    }
}
