//! Reading an index in the SCIP format (<https://github.com/sourcegraph/scip>), which the tools of a language make: `rust-analyzer scip`,
//! `scip-typescript`, `scip-java`, `scip-clang` and others.
//!
//! Of the format's messages only the fields that are used here are named; the rest is passed over. Documents are decoded one at a time.

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::{SymbolError, SymbolKind};

/// `scip.Document`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Document {
    /// From the root of the sources, with slashes.
    #[prost(string, tag = "1")]
    pub(super) relative_path: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) occurrences: Vec<Occurrence>,
    #[prost(message, repeated, tag = "3")]
    pub(super) symbols: Vec<SymbolInformation>,
    /// What columns count: 1 bytes of UTF-8, 2 units of UTF-16, 3 code points; 0 where it is not said.
    #[prost(int32, tag = "6")]
    pub(super) position_encoding: i32,
}

/// `scip.Occurrence`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Occurrence {
    /// First line, first column, and last column; or with the last line before that. All from 0.
    #[prost(int32, repeated, tag = "1")]
    pub(super) range: Vec<i32>,
    #[prost(string, tag = "2")]
    pub(super) symbol: String,
    #[prost(int32, tag = "3")]
    pub(super) symbol_roles: i32,
    #[prost(int32, repeated, tag = "7")]
    pub(super) enclosing_range: Vec<i32>,
}

/// `scip.SymbolInformation`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SymbolInformation {
    #[prost(string, tag = "1")]
    pub(super) symbol: String,
    #[prost(message, repeated, tag = "4")]
    pub(super) relationships: Vec<Relationship>,
    #[prost(int32, tag = "5")]
    pub(super) kind: i32,
}

/// `scip.Relationship`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Relationship {
    #[prost(string, tag = "1")]
    pub(super) symbol: String,
    #[prost(bool, tag = "3")]
    pub(super) is_implementation: bool,
}

/// `scip.SymbolRole`.
pub(super) const DEFINITION: i32 = 1;
pub(super) const IMPORT: i32 = 2;
pub(super) const FORWARD_DEFINITION: i32 = 64;

/// Columns of a document, where it does not say what they count.
pub(super) const UTF16: i32 = 2;

/// Calls `visit` with each document of an index. What else is in it is passed over.
pub(super) fn documents(mut bytes: &[u8], visit: &mut dyn FnMut(Document) -> Result<(), SymbolError>) -> Result<(), SymbolError> {
    let wrong = |what: &str| SymbolError::NotScip { what: what.to_owned() };
    let mut seen = false;
    while !bytes.is_empty() {
        let (tag, wire) = decode_key(&mut bytes).map_err(|cause| wrong(&cause.to_string()))?;
        match (tag, wire) {
            (1 | 2, WireType::LengthDelimited) => {
                let length = decode_varint(&mut bytes).ok().and_then(|length| usize::try_from(length).ok());
                let (inside, rest) = length.and_then(|length| bytes.split_at_checked(length)).ok_or_else(|| wrong("it ends too early"))?;
                bytes = rest;
                seen = true;
                if tag == 2 {
                    visit(Document::decode(inside).map_err(|cause| wrong(&cause.to_string()))?)?;
                }
            }
            _ => skip_field(wire, tag, &mut bytes, DecodeContext::default()).map_err(|cause| wrong(&cause.to_string()))?,
        }
    }
    if seen { Ok(()) } else { Err(wrong("there is no document in it")) }
}

/// What a symbol is: as `scip.SymbolInformation.Kind` says, or as its last descriptor ends.
pub(super) fn kind(said: i32, symbol: &str) -> SymbolKind {
    match said {
        17 => SymbolKind::Function,
        9 | 18 | 26 | 45 | 66..=71 | 74 | 76 | 80 => SymbolKind::Method,
        7 | 33 | 62 | 75 => SymbolKind::Class,
        28 | 46 | 49 | 59 => SymbolKind::Struct,
        11 => SymbolKind::Enum,
        21 | 42 | 53 | 56 => SymbolKind::Interface,
        3 | 54 | 55 | 57 | 58 | 73 => SymbolKind::Type,
        25 => SymbolKind::Macro,
        8 | 12 => SymbolKind::Constant,
        15 | 41 | 72 | 77 | 79 | 81 => SymbolKind::Field,
        16 | 29 | 30 | 35 | 36 | 64 => SymbolKind::Module,
        37 | 44 | 52 | 60 | 61 | 82 => SymbolKind::Variable,
        _ if symbol.ends_with(").") => SymbolKind::Method,
        _ if symbol.ends_with('#') => SymbolKind::Type,
        _ if symbol.ends_with('/') => SymbolKind::Module,
        _ if symbol.ends_with('!') => SymbolKind::Macro,
        _ => SymbolKind::Variable,
    }
}

/// A symbol that is known in its document alone.
pub(super) fn is_local(symbol: &str) -> bool {
    symbol.starts_with("local ")
}

/// Its descriptors but the last, without marks: `queue.Queue` of `rust-analyzer cargo fetcher 0.1.0 queue/impl#[Queue]size().`.
pub(super) fn container(symbol: &str) -> String {
    if is_local(symbol) {
        return String::new();
    }
    // Scheme, manager, package and version come first; two spaces stand for one in them.
    let mut rest = symbol;
    for _ in 0..4 {
        let Some(behind) = behind_field(rest) else { return String::new() };
        rest = behind;
    }
    let mut names: Vec<String> = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    for c in rest.chars() {
        match c {
            '`' => quoted = !quoted,
            '/' | '#' | '.' | ':' | '!' | '[' | ']' | '(' | ')' if !quoted => {
                if !name.is_empty() {
                    names.push(std::mem::take(&mut name));
                }
            }
            c => name.push(c),
        }
    }
    names.pop();
    names.retain(|name| name != "impl");
    names.join(".")
}

/// What follows the first space that stands alone.
fn behind_field(text: &str) -> Option<&str> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.find(' ')?;
        match text.as_bytes().get(at + 1) {
            Some(b' ') => at += 2,
            _ => return text.get(at + 1..),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_what_comes_before_the_name() {
        for (symbol, expected) in [
            ("rust-analyzer cargo fetcher 0.1.0 queue/impl#[Queue]size().", "queue.Queue"),
            ("scip-typescript npm reader 1.0.0 `shape.ts`/Square#area().", "shape.ts.Square"),
            ("scip-python python a  b 1 `a.b`/C#", "a.b"),
            ("local 4", ""),
            ("nonsense", ""),
            ("a b c d top.", ""),
        ] {
            assert_eq!(container(symbol), expected, "{symbol}");
        }
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for bytes in
            [&b""[..], b"\x12\xff", b"\x12\x05ab", b"hello world, this is no index", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert!(matches!(documents(bytes, &mut |_| Ok(())), Err(SymbolError::NotScip { .. })), "{bytes:?}");
        }
    }
}
