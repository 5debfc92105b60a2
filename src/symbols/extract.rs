//! From the text of a file to its definitions and references.
//!
//! The text may be anything: what is broken is parsed as far as it goes, and everything is bounded. A large file is cut into pieces at
//! lines that begin at the margin, each parsed by itself, so that memory does not grow with the file.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tree_sitter::{Node, ParseOptions, Parser, Tree, TreeCursor};

use super::language::Lang;
use super::rules::{Compiled, Named, Place, When};
use super::{Definition, Reference, ReferenceKind, SymbolKind};

/// Bytes of a text above which its symbols are not looked for.
const LARGEST: usize = 64 << 20;
/// Bytes that are parsed at once.
const PIECE: usize = 1 << 20;
/// Bytes of a name at most.
const LONGEST_NAME: usize = 200;
/// Bytes of a container at most.
const LONGEST_CONTAINER: usize = 200;
/// Words that begin statements of C.
const CONTROL: [&str; 9] = ["if", "else", "for", "while", "do", "switch", "case", "return", "sizeof"];
/// Nodes above a name that are looked at.
const HIGHEST: usize = 64;
/// How long a file may take when it is indexed. One of a megabyte usually takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is defined and used in a file, in the order of its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    pub definitions: Vec<Definition>,
    uses: Vec<Use>,
    /// Where each line begins.
    starts: Vec<u32>,
    /// False: part of the file was given up, for its size or for the time it took.
    pub complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use {
    at: u32,
    length: u32,
    kind: ReferenceKind,
}

impl Extracted {
    /// Every use of a name that is not its definition. `text` is what it was extracted from.
    pub fn references<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Reference> + 'a {
        self.uses(text).map(|(name, kind, at)| {
            let (line, column) = place(&self.starts, at);
            Reference { name: name.to_owned(), kind, line, column }
        })
    }

    /// The uses of one name.
    pub fn references_to<'a>(&'a self, text: &'a str, name: &'a str) -> impl Iterator<Item = Reference> + 'a {
        self.uses(text).filter(move |(found, ..)| *found == name).map(|(name, kind, at)| {
            let (line, column) = place(&self.starts, at);
            Reference { name: name.to_owned(), kind, line, column }
        })
    }

    /// Each use: the name, how it is used, and where it begins in the text.
    pub(super) fn uses<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (&'a str, ReferenceKind, u32)> + 'a {
        self.uses.iter().filter_map(|one| {
            let name = text.get(one.at as usize..(one.at + one.length) as usize)?;
            Some((name, one.kind, one.at))
        })
    }
}

/// The symbols of a text; `None` when there is no grammar for the language of its path.
#[must_use]
pub fn extract(path: &str, text: &str) -> Option<Extracted> {
    let first = text.lines().next().unwrap_or_default();
    let first = first.get(..first.floor_char_boundary(200)).unwrap_or_default();
    Lang::of(path, first).map(|lang| of_lang(lang, text))
}

/// The symbols of a text in this language.
pub(super) fn of_lang(lang: Lang, text: &str) -> Extracted {
    within(PATIENCE, lang, text)
}

/// The same, as far as one comes in this time.
pub(super) fn within(patience: Duration, lang: Lang, text: &str) -> Extracted {
    let end = Instant::now() + patience;
    until(&|| Instant::now() >= end, lang, text)
}

/// The same, as far as one comes before it is late.
pub(super) fn until(late: &dyn Fn() -> bool, lang: Lang, text: &str) -> Extracted {
    let mut found = Extracted { starts: line_starts(text), complete: text.len() <= LARGEST, ..Extracted::default() };
    if !found.complete {
        return found;
    }
    let grammar = lang.grammar(text);
    let mut parser = Parser::new();
    // Each grammar is held against this library by a test.
    if parser.set_language(&grammar.language).is_err() {
        found.complete = false;
        return found;
    }
    let mut base = 0;
    for piece in pieces(text) {
        if late() {
            found.complete = false;
            break;
        }
        let mut progress = |_: &_| if late() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let bytes = piece.as_bytes();
        let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
        let tree = parser.parse_with_options(&mut read, None, Some(ParseOptions::new().progress_callback(&mut progress)));
        if let Some(tree) = tree {
            let first = found.definitions.len();
            let mut walk = Walk { grammar, text: piece, base, out: &mut found, scopes: Vec::new(), frames: Vec::new(), block: None };
            let whole = walk.run(tree.walk(), late) && (!grammar.traits.preprocessed || walk.macros(&tree, first, late));
            found.complete &= whole;
        } else {
            parser.reset();
            found.complete = false;
        }
        base += piece.len();
    }
    found
}

/// A text in pieces that end before a line at the margin, as far as there is one.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > PIECE {
        let bytes = rest.as_bytes();
        let at_margin = |at: usize| {
            bytes.get(at.wrapping_sub(1)) == Some(&b'\n')
                && bytes.get(at).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'#' | b'_'))
        };
        let found = (PIECE / 2..PIECE).rev().find(|&at| at_margin(at));
        let cut = found.unwrap_or_else(|| rest.floor_char_boundary(PIECE));
        let (piece, more) = rest.split_at(cut);
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

/// Where lines begin, as pages count them: they end with LF, CR LF or a lone CR.
fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let ends = memchr::memchr2_iter(b'\n', b'\r', bytes);
    let starts = ends.filter(|&at| bytes.get(at) == Some(&b'\n') || bytes.get(at + 1) != Some(&b'\n')).map(|at| at + 1);
    std::iter::once(0).chain(starts).map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect()
}

/// The line, from 1, and the byte in it, from 0.
fn place(starts: &[u32], at: u32) -> (u32, u32) {
    let line = starts.partition_point(|&start| start <= at);
    let start = line.checked_sub(1).and_then(|line| starts.get(line)).copied().unwrap_or(0);
    (u32::try_from(line).unwrap_or(u32::MAX), at - start)
}

/// A node on the way from the root, and the field that it fills in the one above.
#[derive(Clone, Copy)]
struct Frame<'t> {
    node: Node<'t>,
    kind: u16,
    field: u16,
}

struct Scope {
    end: usize,
    name: String,
    kind: SymbolKind,
}

struct Walk<'t, 'o> {
    grammar: &'static Compiled,
    text: &'t str,
    base: usize,
    out: &'o mut Extracted,
    scopes: Vec<Scope>,
    frames: Vec<Frame<'t>>,
    /// Where the body of a function begins that a macro made, and the function's number.
    block: Option<(usize, usize)>,
}

impl<'t> Walk<'t, '_> {
    /// Visits every node once; false when time ran out.
    fn run(&mut self, mut cursor: TreeCursor<'t>, late: &dyn Fn() -> bool) -> bool {
        let mut visited = 0_u32;
        loop {
            visited = visited.wrapping_add(1);
            if visited.is_multiple_of(4096) && late() {
                return false;
            }
            let node = cursor.node();
            let kind = node.kind_id();
            let field = cursor.field_id().map_or(0, u16::from);
            self.frames.push(Frame { node, kind, field });
            if kind == self.grammar.block && self.block.is_some_and(|(at, _)| at == node.start_byte()) {
                self.body(node);
            }
            match self.grammar.name(kind) {
                Named::No => {}
                Named::WhereSaid => self.name(None),
                Named::As(kind) => self.name(Some(kind)),
            }
            if cursor.goto_first_child() {
                continue;
            }
            loop {
                self.frames.pop();
                if cursor.goto_next_sibling() {
                    break;
                }
                if !cursor.goto_parent() {
                    return true;
                }
            }
        }
    }

    /// The node at this height above the last one, which is at 0.
    fn above(&self, height: usize) -> Option<Frame<'t>> {
        self.frames.len().checked_sub(height + 1).and_then(|at| self.frames.get(at)).copied()
    }

    /// Where the node at this height stands in the one above it.
    fn stands(&self, height: usize) -> Option<Place> {
        Some((self.above(height + 1)?.kind, self.above(height)?.field))
    }

    /// How high one comes by passing through these.
    fn through(&self, places: &[Place]) -> usize {
        (0..HIGHEST).take_while(|&height| self.stands(height).is_some_and(|place| places.contains(&place))).count()
    }

    fn name(&mut self, by_itself: Option<ReferenceKind>) {
        let Some(leaf) = self.frames.last().map(|frame| frame.node) else { return };
        let Some(name) = self.text.get(leaf.byte_range()).map(|name| name.trim_start_matches('#')) else { return };
        if name.is_empty() || name.len() > LONGEST_NAME || leaf.is_missing() || self.is_no_name(name) {
            return;
        }
        while self.scopes.last().is_some_and(|scope| scope.end <= leaf.start_byte()) {
            self.scopes.pop();
        }
        let height = self.through(&self.grammar.declarators);
        let rule = self.stands(height).and_then(|place| Some((place, *self.grammar.defines.get(&place)?)));
        if self.grammar.traits.preprocessed
            && let Some(kind) = self.made_by_macro(name)
            && let Some(statement) = (1..=3).filter_map(|height| self.above(height)).find(|frame| frame.kind == self.grammar.statement)
        {
            return self.define(name, kind, leaf, statement.node, 0);
        }
        let mut declared = false;
        if let Some((place, (kind, when))) = rule
            && let Some(whole) = self.above(height + 1).map(|frame| frame.node)
        {
            match self.defined((kind, when), place, whole, height) {
                Verdict::Defines(kind) => return self.define(name, kind, leaf, whole, height),
                Verdict::Declares => declared = true,
                Verdict::Uses => {}
            }
        }
        if self.stands(height).is_some_and(|place| self.grammar.extends.contains(&place))
            && let Some(whole) = self.above(height + 1)
        {
            self.scopes.push(Scope { end: whole.node.end_byte(), name: name.to_owned(), kind: SymbolKind::Class });
        }
        let kind = if declared { Some(ReferenceKind::Declaration) } else { self.used().or(by_itself) };
        if let Some(kind) = kind {
            let start = leaf.end_byte() - name.len();
            let at = u32::try_from(self.base + start).unwrap_or(u32::MAX);
            self.out.uses.push(Use { at, length: u32::try_from(name.len()).unwrap_or(0), kind });
        }
    }

    /// Whether this is a word of the language, or one that stands for nothing.
    fn is_no_name(&self, name: &str) -> bool {
        let traits = self.grammar.traits;
        let here = self.frames.last().map_or(0, |frame| frame.kind);
        // `size_t` and its like are defined somewhere; `int` is not. What a macro leaves of a broken text is no function `if`.
        let is_word = || here == self.grammar.primitive && !name.ends_with("_t") || CONTROL.contains(&name);
        traits.blank && name == "_" || traits.preprocessed && is_word()
    }

    fn is_local(&self) -> bool {
        (1..HIGHEST).filter_map(|height| self.above(height)).any(|frame| self.grammar.functions.contains(&frame.kind))
    }

    /// What a macro outside of functions makes of this name: `SYSCALL_DEFINE3(read, …) {…}` a function, `DEFINE_MUTEX(lock);` a variable. A
    /// function without a type looks like a macro, too: `main() {…}`.
    fn made_by_macro(&mut self, name: &str) -> Option<SymbolKind> {
        let grammar = self.grammar;
        let (argument, call) = match self.above(1)? {
            list if list.kind == grammar.arguments => (Some(list.node), self.above(2)?),
            call => (None, call),
        };
        let statement = self.above(if argument.is_some() { 3 } else { 2 })?;
        if call.kind != grammar.call || statement.kind != grammar.statement || self.is_local() {
            return None;
        }
        let called = call.node.child(0)?;
        let by = self.text.get(called.byte_range())?;
        let is_macro = by.bytes().all(|byte| !byte.is_ascii_lowercase());
        let leaf = self.above(0)?.node;
        // The variable's type comes first where there is one of each for every processor.
        let nth = u32::from(by.contains("PER_CPU"));
        let stands = |nth| argument.is_some_and(|list| list.named_child(nth).is_some_and(|one| one.id() == leaf.id()));
        let end = statement.node.end_byte();
        let behind = self.text.get(end..)?;
        let body = end + (behind.len() - behind.trim_start().len());
        let unclosed = self.text.as_bytes().get(end.checked_sub(1)?) != Some(&b';');
        if unclosed && self.text.as_bytes().get(body) == Some(&b'{') {
            let makes = if is_macro { stands(0) } else { argument.is_none() && by == name };
            return makes.then(|| {
                self.block = Some((body, self.out.definitions.len()));
                SymbolKind::Function
            });
        }
        let defines = by.starts_with("DEFINE_") || by.starts_with("DECLARE_") && !by.contains("PER_CPU") || by.ends_with("_HEAD");
        (is_macro && defines && stands(nth)).then_some(SymbolKind::Variable)
    }

    /// The body of a function that a macro made.
    fn body(&mut self, block: Node<'t>) {
        let Some((_, function)) = self.block.take() else { return };
        let last = place(&self.out.starts, u32::try_from(self.base + block.end_byte().saturating_sub(1)).unwrap_or(u32::MAX)).0;
        if let Some(function) = self.out.definitions.get_mut(function) {
            function.whole.1 = last.max(function.whole.1);
        }
    }

    /// Macros that are defined where the grammar does not look for them: in the middle of an initializer, in what it could not parse.
    /// False when time ran out.
    fn macros(&mut self, tree: &Tree, first: usize, late: &dyn Fn() -> bool) -> bool {
        let known = self.out.definitions.get(first..).unwrap_or_default();
        let known: HashSet<u32> = known.iter().filter(|one| one.kind == SymbolKind::Macro).map(|one| one.line).collect();
        let mut found = Vec::new();
        let mut start = 0;
        for text in self.text.split_inclusive('\n') {
            let at = start;
            start += text.len();
            let Some(defined) = text.trim_start().strip_prefix('#').and_then(|rest| rest.trim_start().strip_prefix("define")) else {
                continue;
            };
            let name = defined.trim_start();
            let length = name.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            let column = text.len() - name.len();
            let (line, _) = place(&self.out.starts, u32::try_from(self.base + at).unwrap_or(u32::MAX));
            if length == 0 || length > LONGEST_NAME || name.len() == defined.len() || known.contains(&line) {
                continue;
            }
            if late() {
                return false;
            }
            let stands = tree.root_node().descendant_for_byte_range(at + column, at + column + length);
            let in_words = stands.is_some_and(|node| ["comment", "string_content", "raw_string_content"].contains(&node.kind()));
            if let Some(name) = name.get(..length).filter(|_| !in_words) {
                let column = u32::try_from(column).unwrap_or(u32::MAX);
                let (name, container) = (name.to_owned(), String::new());
                found.push(Definition { name, kind: SymbolKind::Macro, line, column, whole: (line, line), container });
            }
        }
        if !found.is_empty() {
            self.out.definitions.extend(found);
            if let Some(piece) = self.out.definitions.get_mut(first..) {
                piece.sort_by_key(|one| (one.line, one.column));
            }
        }
        true
    }

    fn defined(&self, (kind, when): (SymbolKind, When), place: Place, whole: Node<'t>, height: usize) -> Verdict {
        let local = || self.is_local();
        let kind_of = |field: u16| whole.child_by_field_id(field).map(|node| node.kind());
        let value_is_function = || {
            let value = whole.child_by_field_id(self.grammar.value).or_else(|| whole.child_by_field_id(self.grammar.right));
            value.is_some_and(|value| self.grammar.functions.contains(&value.kind_id()))
        };
        let text = self.text.get(whole.byte_range()).unwrap_or_default();
        match when {
            When::HasBody if whole.child_by_field_id(self.grammar.body).is_none() => return Verdict::Uses,
            When::First if Some(whole.start_byte()) != self.above(0).map(|frame| frame.node.start_byte()) => return Verdict::Uses,
            When::ValueIsFunction if !value_is_function() => return Verdict::Uses,
            When::ValueDecides if value_is_function() => return Verdict::Defines(SymbolKind::Function),
            When::NotLocal | When::ValueDecides if local() => return Verdict::Uses,
            When::TypeDecides => {
                return Verdict::Defines(match kind_of(self.grammar.kind_of_type) {
                    Some("struct_type") => SymbolKind::Struct,
                    Some("interface_type") => SymbolKind::Interface,
                    _ => kind,
                });
            }
            When::ValueDecides => {
                let before = self.above(height + 2).and_then(|frame| self.text.get(frame.node.byte_range()));
                let constant = before.is_some_and(|text| text.starts_with("const"));
                return Verdict::Defines(if constant { SymbolKind::Constant } else { kind });
            }
            _ => {}
        }
        // A declarator of C: what is called there is a function, and without a body it is declared only.
        let is_declaration = place.0 == self.grammar.declaration && self.grammar.declaration != 0;
        let is_member = place.0 == self.grammar.field_declaration && self.grammar.function_declarator != 0;
        if (is_declaration || is_member) && self.declares_function(height) {
            return Verdict::Declares;
        }
        if is_declaration && text.starts_with("extern") {
            return Verdict::Declares;
        }
        // A macro before a function's type looks like a variable whose `;` was forgotten.
        if is_declaration && height == 0 && !text.ends_with(';') {
            return Verdict::Uses;
        }
        Verdict::Defines(kind)
    }

    /// Whether the first thing that the declarator says of the name is that it is called.
    fn declares_function(&self, height: usize) -> bool {
        let first = (1..=height).filter_map(|height| self.above(height)).find(|frame| frame.kind != self.grammar.qualified);
        first.is_some_and(|frame| frame.kind == self.grammar.function_declarator)
    }

    fn define(&mut self, name: &str, kind: SymbolKind, leaf: Node<'t>, whole: Node<'t>, height: usize) {
        let inside = self.scopes.iter().rev().find(|scope| scope.kind.is_scope()).map(|scope| scope.kind);
        let outer = self.qualifier(whole, height);
        let in_members = outer.is_some() || inside.is_some_and(SymbolKind::holds_members);
        let kind = match kind {
            SymbolKind::Function if in_members => SymbolKind::Method,
            SymbolKind::Variable if inside.is_some_and(SymbolKind::holds_members) => SymbolKind::Field,
            kind => kind,
        };
        let container = self.scopes.iter().map(|scope| scope.name.as_str()).chain(outer.as_deref()).collect::<Vec<_>>().join(".");
        let container = container.get(..container.floor_char_boundary(LONGEST_CONTAINER)).unwrap_or_default().to_owned();
        let starts = &self.out.starts;
        let at = |byte: usize| place(starts, u32::try_from(self.base + byte).unwrap_or(u32::MAX));
        let (line, column) = at(leaf.end_byte() - name.len());
        let last = at(whole.end_byte().saturating_sub(1).max(whole.start_byte())).0;
        let whole_lines = (at(whole.start_byte()).0.min(line), last.max(line));
        self.out.definitions.push(Definition { name: name.to_owned(), kind, line, column, whole: whole_lines, container });
        if kind.is_scope() {
            self.scopes.push(Scope { end: whole.end_byte(), name: name.to_owned(), kind });
        }
    }

    /// What the name is said to belong to where it is defined: `Class` of `Class::name`, the receiver's type in Go.
    fn qualifier(&self, whole: Node<'t>, height: usize) -> Option<String> {
        let text = |node: Node<'t>| self.text.get(node.byte_range());
        let of_scopes: Vec<&str> = (1..=height)
            .filter_map(|height| self.above(height))
            .filter(|frame| frame.kind == self.grammar.qualified && self.grammar.qualified != 0)
            .filter_map(|frame| text(frame.node.child_by_field_id(self.grammar.scope)?))
            .collect();
        if !of_scopes.is_empty() {
            return Some(of_scopes.into_iter().rev().map(without_arguments).collect::<Vec<_>>().join("."));
        }
        let receiver = text(whole.child_by_field_id(self.grammar.receiver).filter(|_| self.grammar.receiver != u16::MAX)?)?;
        let receiver = receiver.trim_matches(['(', ')']).rsplit([' ', '*']).next().unwrap_or_default();
        Some(without_arguments(receiver)).filter(|name| !name.is_empty()).map(str::to_owned)
    }

    /// How the last name is used, where its place says so.
    fn used(&self) -> Option<ReferenceKind> {
        let height = self.through(&self.grammar.wrappers);
        let place = self.stands(height)?;
        if self.grammar.calls.contains(&place) {
            return Some(ReferenceKind::Call);
        }
        let implements = |height: usize| {
            self.stands(height).is_some_and(|place| {
                let all = &self.grammar.implements;
                all.contains(&place) || all.contains(&(place.0, 0))
            })
        };
        if (0..=height + 2).any(implements) {
            return Some(ReferenceKind::Implementation);
        }
        let types = self.grammar.types.contains(&place) || self.grammar.type_fields.contains(&place.1);
        types.then_some(ReferenceKind::Type)
    }
}

enum Verdict {
    Defines(SymbolKind),
    Declares,
    Uses,
}

/// `List` of `List<T>` and of `List[T]`.
fn without_arguments(name: &str) -> &str {
    name.split(['<', '[']).next().unwrap_or(name).trim()
}
