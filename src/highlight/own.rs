//! Syntaxes of our own, where the bundled set has none: comments, strings, numbers and the words that mean something, which is what build
//! files and configuration need. Languages of one kind share one.

use syntect::parsing::{SyntaxDefinition, SyntaxSet, SyntaxSetBuilder};

macro_rules! embed {
    ($($name:literal)*) => { &[$(include_str!(concat!("syntaxes/", $name, ".sublime-syntax"))),*] };
}

const TEXTS: &[&str] = embed![
    "asn1" "build_rules" "debian_control" "gettext" "kconfig" "linker_script" "m4" "recipe" "rules" "schema_language" "server_configuration"
    "texinfo"
];

/// All of them, for lines that end with their LF.
pub(super) fn syntaxes() -> SyntaxSet {
    let mut builder = SyntaxSetBuilder::new();
    for text in TEXTS {
        builder
            .add(SyntaxDefinition::load_from_str(text, true, None).expect("the syntaxes are part of the program, and a test loads each"));
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_loaded_by_its_name() {
        let set = syntaxes();
        assert_eq!(set.syntaxes().len(), TEXTS.len());
        for name in ["Kconfig", "Linker Script", "M4", "Recipe", "Texinfo"] {
            assert!(set.find_syntax_by_name(name).is_some(), "{name}");
        }
    }
}
