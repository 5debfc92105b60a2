//! What the nodes of each grammar mean: which names are defined, called or implemented where.
//!
//! A name is a leaf, and what it is follows from where it stands: the field that it fills in its parent, with some parents looked
//! through (a declarator, the last part of a qualified name). The grammars' own `tags.scm` queries say the same for fewer things
//! (in C neither macros nor enumerators, fields, variables or any reference) and take several times as long; so these are tables,
//! walked once. A test holds each node and field that is named here against its grammar.

use std::collections::HashMap;

use tree_sitter::Language;

use super::{ReferenceKind, SymbolKind};

/// Where a name stands: a parent and the field that is filled; an empty one stands for no field.
type At = (&'static str, &'static str);

/// What must hold besides, for a name to be defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// Outside of functions.
    NotLocal,
    /// Its node has a body; without one it is named only.
    HasBody,
    /// It is the first thing in its node.
    First,
    /// Outside of functions, or a function is its value: then it is one.
    ValueDecides,
    /// A function is its value.
    ValueIsFunction,
    /// What it is follows from the node that its type is.
    TypeDecides,
}

use When::{Always, First, HasBody, NotLocal, TypeDecides, ValueDecides, ValueIsFunction};

use ReferenceKind::{Other, Type};
use SymbolKind as K;

/// One grammar's meaning.
pub(super) struct Rules {
    /// Leaves that are names, and what one is where nothing says more; without that it counts only where something does.
    pub(super) names: &'static [(&'static str, Option<ReferenceKind>)],
    /// Looked through on the way from a name to what defines it.
    pub(super) declarators: &'static [At],
    /// Looked through on the way from a name to what uses it.
    pub(super) wrappers: &'static [At],
    pub(super) defines: &'static [(&'static str, &'static str, SymbolKind, When)],
    /// What is inside belongs to the name there, although it is not defined there.
    pub(super) extends: &'static [At],
    pub(super) calls: &'static [At],
    pub(super) types: &'static [At],
    /// Whatever name stands below is implemented or inherited.
    pub(super) implements: &'static [At],
    /// What is defined inside is local.
    pub(super) functions: &'static [&'static str],
    /// What is true of the whole language.
    pub(super) traits: Traits,
}

/// What is true of a whole language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    /// Its text goes through the preprocessor of C: macros may stand where the grammar knows none, and make definitions.
    pub(super) preprocessed: bool,
    /// `_` names nothing.
    pub(super) blank: bool,
}

const PREPROCESSED: Traits = Traits { preprocessed: true, blank: false };
const BLANK: Traits = Traits { preprocessed: false, blank: true };
const PLAIN: Traits = Traits { preprocessed: false, blank: false };

pub(super) const C: Rules = Rules {
    names: &[
        ("identifier", Some(Other)),
        ("type_identifier", Some(Type)),
        ("field_identifier", Some(Other)),
        ("primitive_type", Some(Type)),
    ],
    declarators: &[
        ("pointer_declarator", "declarator"),
        ("function_declarator", "declarator"),
        ("array_declarator", "declarator"),
        ("init_declarator", "declarator"),
        ("attributed_declarator", ""),
        ("parenthesized_declarator", ""),
    ],
    wrappers: &[("field_expression", "field")],
    defines: &[
        ("function_definition", "declarator", K::Function, Always),
        ("declaration", "declarator", K::Variable, NotLocal),
        ("field_declaration", "declarator", K::Field, Always),
        ("type_definition", "declarator", K::Type, Always),
        ("struct_specifier", "name", K::Struct, HasBody),
        ("union_specifier", "name", K::Struct, HasBody),
        ("enum_specifier", "name", K::Enum, HasBody),
        ("enumerator", "name", K::Constant, Always),
        ("preproc_def", "name", K::Macro, Always),
        ("preproc_function_def", "name", K::Macro, Always),
    ],
    extends: &[],
    calls: &[("call_expression", "function")],
    types: &[],
    implements: &[],
    functions: &["function_definition", "compound_statement"],
    traits: PREPROCESSED,
};

pub(super) const CPP: Rules = Rules {
    names: &[
        ("identifier", Some(Other)),
        ("type_identifier", Some(Type)),
        ("field_identifier", Some(Other)),
        ("namespace_identifier", Some(Other)),
        ("primitive_type", Some(Type)),
        ("destructor_name", None),
        ("operator_name", None),
    ],
    declarators: &[
        ("pointer_declarator", "declarator"),
        ("function_declarator", "declarator"),
        ("array_declarator", "declarator"),
        ("init_declarator", "declarator"),
        ("attributed_declarator", ""),
        ("parenthesized_declarator", ""),
        ("reference_declarator", ""),
        ("qualified_identifier", "name"),
        ("template_function", "name"),
        ("template_type", "name"),
    ],
    wrappers: &[
        ("field_expression", "field"),
        ("qualified_identifier", "name"),
        ("template_function", "name"),
        ("template_method", "name"),
        ("template_type", "name"),
    ],
    defines: &[
        ("function_definition", "declarator", K::Function, Always),
        ("declaration", "declarator", K::Variable, NotLocal),
        ("field_declaration", "declarator", K::Field, Always),
        ("type_definition", "declarator", K::Type, Always),
        ("struct_specifier", "name", K::Struct, HasBody),
        ("union_specifier", "name", K::Struct, HasBody),
        ("enum_specifier", "name", K::Enum, HasBody),
        ("enumerator", "name", K::Constant, Always),
        ("preproc_def", "name", K::Macro, Always),
        ("preproc_function_def", "name", K::Macro, Always),
        ("class_specifier", "name", K::Class, HasBody),
        ("alias_declaration", "name", K::Type, Always),
        ("concept_definition", "name", K::Type, Always),
        ("namespace_definition", "name", K::Module, Always),
    ],
    extends: &[],
    calls: &[("call_expression", "function")],
    types: &[],
    implements: &[("base_class_clause", "")],
    functions: &["function_definition", "compound_statement", "lambda_expression"],
    traits: PREPROCESSED,
};

pub(super) const CSHARP: Rules = Rules {
    names: &[("identifier", Some(Other))],
    declarators: &[("variable_declarator", "name"), ("variable_declaration", ""), ("qualified_name", "name")],
    wrappers: &[
        ("member_access_expression", "name"),
        ("member_binding_expression", "name"),
        ("generic_name", ""),
        ("qualified_name", "name"),
        ("conditional_access_expression", ""),
        ("nullable_type", "type"),
        ("array_type", "type"),
    ],
    defines: &[
        ("class_declaration", "name", K::Class, Always),
        ("record_declaration", "name", K::Class, Always),
        ("struct_declaration", "name", K::Struct, Always),
        ("interface_declaration", "name", K::Interface, Always),
        ("enum_declaration", "name", K::Enum, Always),
        ("enum_member_declaration", "name", K::Constant, Always),
        ("delegate_declaration", "name", K::Type, Always),
        ("method_declaration", "name", K::Method, Always),
        ("constructor_declaration", "name", K::Method, Always),
        ("local_function_statement", "name", K::Function, Always),
        ("property_declaration", "name", K::Field, Always),
        ("event_declaration", "name", K::Field, Always),
        ("field_declaration", "", K::Field, Always),
        ("event_field_declaration", "", K::Field, Always),
        ("namespace_declaration", "name", K::Module, Always),
        ("file_scoped_namespace_declaration", "name", K::Module, Always),
    ],
    extends: &[],
    calls: &[("invocation_expression", "function")],
    types: &[("type_argument_list", ""), ("attribute", "name"), ("base_list", "")],
    implements: &[("base_list", "")],
    functions: &["method_declaration", "constructor_declaration", "local_function_statement", "lambda_expression"],
    traits: PLAIN,
};

pub(super) const JAVA: Rules = Rules {
    names: &[("identifier", Some(Other)), ("type_identifier", Some(Type))],
    declarators: &[("variable_declarator", "name")],
    wrappers: &[("scoped_type_identifier", ""), ("generic_type", "")],
    defines: &[
        ("class_declaration", "name", K::Class, Always),
        ("record_declaration", "name", K::Class, Always),
        ("interface_declaration", "name", K::Interface, Always),
        ("annotation_type_declaration", "name", K::Interface, Always),
        ("enum_declaration", "name", K::Enum, Always),
        ("enum_constant", "name", K::Constant, Always),
        ("method_declaration", "name", K::Method, Always),
        ("constructor_declaration", "name", K::Method, Always),
        ("compact_constructor_declaration", "name", K::Method, Always),
        ("annotation_type_element_declaration", "name", K::Method, Always),
        ("field_declaration", "declarator", K::Field, Always),
        ("constant_declaration", "declarator", K::Constant, Always),
    ],
    extends: &[],
    calls: &[("method_invocation", "name")],
    types: &[("annotation", "name"), ("marker_annotation", "name")],
    implements: &[("superclass", ""), ("super_interfaces", ""), ("extends_interfaces", "")],
    functions: &["method_declaration", "constructor_declaration", "lambda_expression"],
    traits: PLAIN,
};

pub(super) const GO: Rules = Rules {
    names: &[
        ("identifier", Some(Other)),
        ("type_identifier", Some(Type)),
        ("field_identifier", Some(Other)),
        ("package_identifier", Some(Other)),
    ],
    declarators: &[],
    wrappers: &[("selector_expression", "field"), ("type_instantiation_expression", "type")],
    defines: &[
        ("function_declaration", "name", K::Function, Always),
        ("method_declaration", "name", K::Method, Always),
        ("method_elem", "name", K::Method, Always),
        ("type_spec", "name", K::Type, TypeDecides),
        ("type_alias", "name", K::Type, Always),
        ("field_declaration", "name", K::Field, Always),
        ("const_spec", "name", K::Constant, NotLocal),
        ("var_spec", "name", K::Variable, NotLocal),
    ],
    extends: &[],
    calls: &[("call_expression", "function")],
    types: &[],
    implements: &[],
    functions: &["function_declaration", "method_declaration", "func_literal"],
    traits: BLANK,
};

pub(super) const RUST: Rules = Rules {
    names: &[
        ("identifier", Some(Other)),
        ("type_identifier", Some(Type)),
        ("field_identifier", Some(Other)),
        ("shorthand_field_identifier", Some(Other)),
    ],
    declarators: &[("generic_type", "type"), ("scoped_type_identifier", "name")],
    wrappers: &[
        ("scoped_identifier", "name"),
        ("field_expression", "field"),
        ("generic_function", "function"),
        ("generic_type", "type"),
        ("scoped_type_identifier", "name"),
    ],
    defines: &[
        ("function_item", "name", K::Function, Always),
        ("function_signature_item", "name", K::Function, Always),
        ("struct_item", "name", K::Struct, Always),
        ("union_item", "name", K::Struct, Always),
        ("enum_item", "name", K::Enum, Always),
        ("enum_variant", "name", K::Constant, Always),
        ("trait_item", "name", K::Interface, Always),
        ("type_item", "name", K::Type, Always),
        ("associated_type", "name", K::Type, Always),
        ("mod_item", "name", K::Module, Always),
        ("macro_definition", "name", K::Macro, Always),
        ("const_item", "name", K::Constant, Always),
        ("static_item", "name", K::Variable, Always),
        ("field_declaration", "name", K::Field, Always),
    ],
    extends: &[("impl_item", "type")],
    calls: &[("call_expression", "function"), ("macro_invocation", "macro")],
    types: &[],
    implements: &[("impl_item", "trait")],
    functions: &["function_item", "closure_expression"],
    traits: BLANK,
};

pub(super) const PYTHON: Rules = Rules {
    names: &[("identifier", Some(Other))],
    declarators: &[],
    wrappers: &[("attribute", "attribute")],
    defines: &[
        ("function_definition", "name", K::Function, Always),
        ("class_definition", "name", K::Class, Always),
        ("assignment", "left", K::Variable, NotLocal),
    ],
    extends: &[],
    calls: &[("call", "function")],
    types: &[("type", ""), ("generic_type", "")],
    implements: &[("class_definition", "superclasses")],
    functions: &["function_definition", "lambda"],
    traits: PLAIN,
};

const JS_DECLARATORS: [At; 1] = [("member_expression", "property")];
const JS_WRAPPERS: [At; 1] = [("member_expression", "property")];
const JS_FUNCTIONS: [&str; 6] = [
    "function_declaration",
    "function_expression",
    "generator_function",
    "generator_function_declaration",
    "arrow_function",
    "method_definition",
];

pub(super) const JAVASCRIPT: Rules = Rules {
    names: &[
        ("identifier", Some(Other)),
        ("property_identifier", Some(Other)),
        ("private_property_identifier", Some(Other)),
        ("shorthand_property_identifier", Some(Other)),
        ("shorthand_property_identifier_pattern", Some(Other)),
    ],
    declarators: &JS_DECLARATORS,
    wrappers: &JS_WRAPPERS,
    defines: &[
        ("function_declaration", "name", K::Function, Always),
        ("generator_function_declaration", "name", K::Function, Always),
        ("class_declaration", "name", K::Class, Always),
        ("class", "name", K::Class, Always),
        ("method_definition", "name", K::Method, Always),
        ("field_definition", "property", K::Field, Always),
        ("variable_declarator", "name", K::Variable, ValueDecides),
        ("pair", "key", K::Method, ValueIsFunction),
        ("assignment_expression", "left", K::Function, ValueIsFunction),
    ],
    extends: &[],
    calls: &[("call_expression", "function")],
    types: &[("new_expression", "constructor")],
    implements: &[("class_heritage", "")],
    functions: &JS_FUNCTIONS,
    traits: PLAIN,
};

pub(super) const TYPESCRIPT: Rules = Rules {
    names: &[
        ("identifier", Some(Other)),
        ("type_identifier", Some(Type)),
        ("property_identifier", Some(Other)),
        ("private_property_identifier", Some(Other)),
        ("shorthand_property_identifier", Some(Other)),
        ("shorthand_property_identifier_pattern", Some(Other)),
    ],
    declarators: &JS_DECLARATORS,
    wrappers: &[("member_expression", "property"), ("generic_type", "name"), ("nested_type_identifier", "name")],
    defines: &[
        ("function_declaration", "name", K::Function, Always),
        ("generator_function_declaration", "name", K::Function, Always),
        ("function_signature", "name", K::Function, Always),
        ("class_declaration", "name", K::Class, Always),
        ("abstract_class_declaration", "name", K::Class, Always),
        ("class", "name", K::Class, Always),
        ("interface_declaration", "name", K::Interface, Always),
        ("type_alias_declaration", "name", K::Type, Always),
        ("enum_declaration", "name", K::Enum, Always),
        ("enum_body", "name", K::Constant, Always),
        ("enum_assignment", "name", K::Constant, Always),
        ("method_definition", "name", K::Method, Always),
        ("method_signature", "name", K::Method, Always),
        ("abstract_method_signature", "name", K::Method, Always),
        ("property_signature", "name", K::Field, Always),
        ("public_field_definition", "name", K::Field, Always),
        ("internal_module", "name", K::Module, Always),
        ("module", "name", K::Module, Always),
        ("variable_declarator", "name", K::Variable, ValueDecides),
        ("pair", "key", K::Method, ValueIsFunction),
        ("assignment_expression", "left", K::Function, ValueIsFunction),
    ],
    extends: &[],
    calls: &[("call_expression", "function")],
    types: &[("new_expression", "constructor")],
    implements: &[("extends_clause", "value"), ("implements_clause", ""), ("extends_type_clause", "type")],
    functions: &JS_FUNCTIONS,
    traits: PLAIN,
};

pub(super) const PHP: Rules = Rules {
    names: &[("name", Some(Other))],
    declarators: &[("variable_name", "")],
    wrappers: &[("qualified_name", ""), ("relative_name", ""), ("optional_type", "")],
    defines: &[
        ("function_definition", "name", K::Function, Always),
        ("method_declaration", "name", K::Method, Always),
        ("class_declaration", "name", K::Class, Always),
        ("trait_declaration", "name", K::Class, Always),
        ("interface_declaration", "name", K::Interface, Always),
        ("enum_declaration", "name", K::Enum, Always),
        ("enum_case", "name", K::Constant, Always),
        ("const_element", "", K::Constant, First),
        ("property_element", "name", K::Field, Always),
        ("property_promotion_parameter", "name", K::Field, Always),
    ],
    extends: &[],
    calls: &[
        ("function_call_expression", "function"),
        ("member_call_expression", "name"),
        ("nullsafe_member_call_expression", "name"),
        ("scoped_call_expression", "name"),
    ],
    types: &[("named_type", ""), ("object_creation_expression", ""), ("attribute", "")],
    implements: &[("base_clause", ""), ("class_interface_clause", ""), ("use_declaration", "")],
    functions: &["function_definition", "method_declaration", "anonymous_function", "arrow_function"],
    traits: PLAIN,
};

pub(super) const RUBY: Rules = Rules {
    names: &[("identifier", Some(Other)), ("constant", Some(Type))],
    declarators: &[("setter", "name"), ("scope_resolution", "name")],
    wrappers: &[("scope_resolution", "name")],
    defines: &[
        ("method", "name", K::Method, Always),
        ("singleton_method", "name", K::Method, Always),
        ("class", "name", K::Class, Always),
        ("module", "name", K::Module, Always),
        ("alias", "name", K::Method, Always),
        ("assignment", "left", K::Constant, NotLocal),
    ],
    extends: &[],
    calls: &[("call", "method")],
    types: &[],
    implements: &[("superclass", "")],
    functions: &["method", "singleton_method", "lambda"],
    traits: PLAIN,
};

pub(super) const BASH: Rules = Rules {
    names: &[("word", None), ("variable_name", Some(Other))],
    declarators: &[],
    wrappers: &[],
    defines: &[("function_definition", "name", K::Function, Always), ("variable_assignment", "name", K::Variable, NotLocal)],
    extends: &[],
    calls: &[("command_name", "")],
    types: &[],
    implements: &[],
    functions: &["function_definition"],
    traits: PLAIN,
};

/// A node and the field of it that is filled, as the grammar numbers them; field 0 is none.
pub(super) type Place = (u16, u16);

/// Whether a leaf is a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    No,
    /// Where a rule says what it is, and nowhere else.
    WhereSaid,
    /// Everywhere; this is how it is used where no rule says more.
    As(ReferenceKind),
}

/// The same by the numbers of the grammar.
pub(super) struct Compiled {
    pub(super) language: Language,
    /// By number of the node.
    names: Vec<Named>,
    pub(super) declarators: Vec<Place>,
    pub(super) wrappers: Vec<Place>,
    pub(super) defines: HashMap<Place, (SymbolKind, When)>,
    pub(super) extends: Vec<Place>,
    pub(super) calls: Vec<Place>,
    pub(super) types: Vec<Place>,
    pub(super) implements: Vec<Place>,
    pub(super) functions: Vec<u16>,
    /// Fields that a type fills in any grammar.
    pub(super) type_fields: Vec<u16>,
    pub(super) body: u16,
    pub(super) value: u16,
    pub(super) right: u16,
    pub(super) kind_of_type: u16,
    pub(super) scope: u16,
    pub(super) receiver: u16,
    pub(super) declaration: u16,
    pub(super) field_declaration: u16,
    pub(super) function_declarator: u16,
    pub(super) qualified: u16,
    pub(super) traits: Traits,
    pub(super) call: u16,
    pub(super) arguments: u16,
    pub(super) statement: u16,
    pub(super) block: u16,
    pub(super) primitive: u16,
}

impl Compiled {
    pub(super) fn new(language: Language, rules: &Rules) -> Self {
        let node = |kind: &str| language.id_for_node_kind(kind, true);
        let field = |name: &str| if name.is_empty() { 0 } else { language.field_id_for_name(name).map_or(u16::MAX, u16::from) };
        let places = |all: &[At]| all.iter().map(|(kind, name)| (node(kind), field(name))).collect::<Vec<_>>();
        let mut names = vec![Named::No; language.node_kind_count()];
        for (kind, by_itself) in rules.names {
            if let Some(slot) = names.get_mut(usize::from(node(kind))) {
                *slot = by_itself.map_or(Named::WhereSaid, Named::As);
            }
        }
        Self {
            names,
            declarators: places(rules.declarators),
            wrappers: places(rules.wrappers),
            defines: rules.defines.iter().map(|(kind, name, is, when)| ((node(kind), field(name)), (*is, *when))).collect(),
            extends: places(rules.extends),
            calls: places(rules.calls),
            types: places(rules.types),
            implements: places(rules.implements),
            functions: rules.functions.iter().map(|kind| node(kind)).collect(),
            type_fields: ["type", "returns", "return_type"].map(field).into_iter().filter(|&id| id != u16::MAX).collect(),
            body: field("body"),
            value: field("value"),
            right: field("right"),
            kind_of_type: field("type"),
            scope: field("scope"),
            receiver: field("receiver"),
            declaration: node("declaration"),
            field_declaration: node("field_declaration"),
            function_declarator: node("function_declarator"),
            qualified: node("qualified_identifier"),
            traits: rules.traits,
            call: node("call_expression"),
            arguments: node("argument_list"),
            statement: node("expression_statement"),
            block: node("compound_statement"),
            primitive: node("primitive_type"),
            language,
        }
    }

    /// What a leaf is by itself.
    pub(super) fn name(&self, node: u16) -> Named {
        self.names.get(usize::from(node)).copied().unwrap_or(Named::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a rule names that its grammar does not have would hold of nothing, and nobody would see.
    #[test]
    fn rules_name_what_the_grammars_have() {
        let all: [(&str, Language, &Rules); 13] = [
            ("C", tree_sitter_c::LANGUAGE.into(), &C),
            ("C++", tree_sitter_cpp::LANGUAGE.into(), &CPP),
            ("C#", tree_sitter_c_sharp::LANGUAGE.into(), &CSHARP),
            ("Java", tree_sitter_java::LANGUAGE.into(), &JAVA),
            ("Go", tree_sitter_go::LANGUAGE.into(), &GO),
            ("Rust", tree_sitter_rust::LANGUAGE.into(), &RUST),
            ("Python", tree_sitter_python::LANGUAGE.into(), &PYTHON),
            ("JavaScript", tree_sitter_javascript::LANGUAGE.into(), &JAVASCRIPT),
            ("TypeScript", tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(), &TYPESCRIPT),
            ("TSX", tree_sitter_typescript::LANGUAGE_TSX.into(), &TYPESCRIPT),
            ("PHP", tree_sitter_php::LANGUAGE_PHP.into(), &PHP),
            ("Ruby", tree_sitter_ruby::LANGUAGE.into(), &RUBY),
            ("Bash", tree_sitter_bash::LANGUAGE.into(), &BASH),
        ];
        let mut missing = Vec::new();
        for (name, language, rules) in all {
            let defines: Vec<At> = rules.defines.iter().map(|(kind, field, ..)| (*kind, *field)).collect();
            let places = [rules.declarators, rules.wrappers, &defines, rules.extends, rules.calls, rules.types, rules.implements].concat();
            let kinds = places.iter().map(|(kind, _)| *kind).chain(rules.names.iter().map(|(kind, _)| *kind));
            for kind in kinds.chain(rules.functions.iter().copied()) {
                if language.id_for_node_kind(kind, true) == 0 {
                    missing.push(format!("{name}: {kind}"));
                }
            }
            for (kind, field) in places {
                if !field.is_empty() && language.field_id_for_name(field).is_none() {
                    missing.push(format!("{name}: {kind}.{field}"));
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }
}
