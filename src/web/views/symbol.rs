//! A name: where it is defined, and who uses it.

use askama::Template;

use super::format::filters;
use super::reading::Seal;
use super::shell::{Link, Notice, Shell};
use crate::highlight::SourceHtml;

/// `/symbol/{product}/{version}`.
#[derive(Debug, Template)]
#[template(path = "pages/symbol.html")]
pub struct SymbolPage {
    pub shell: Shell,
    /// The product's title.
    pub product: String,
    pub product_href: String,
    pub version: String,
    pub root_href: String,
    /// Where the form leads.
    pub action: String,
    pub name: String,
    /// Only what lies below; empty for everywhere.
    pub below: String,
    /// The file from which it was asked, as it stands in addresses; may be empty.
    pub from: String,
    pub back: Option<Link>,
    /// None before a name was asked for.
    pub found: Option<Found>,
    pub notices: Vec<Notice>,
}

/// What is known of the name.
#[derive(Debug)]
pub struct Found {
    pub seal: Seal,
    /// "3 definitions and 143 references in 29 files".
    pub words: String,
    pub precise: bool,
    pub tabs: Vec<Tab>,
    /// The words above the definitions; none where they are not shown.
    pub definitions_title: Option<String>,
    pub definitions: Vec<DefinitionRow>,
    /// Of other products, one after the other.
    pub elsewhere: Vec<ElsewhereRows>,
    /// Where all of them are.
    pub all_definitions: Option<Link>,
    pub references_title: Option<String>,
    pub files: Vec<FileRows>,
    pub page: usize,
    pub previous: Option<String>,
    pub next: Option<String>,
}

/// A kind of place to be shown alone.
#[derive(Clone, Debug)]
pub struct Tab {
    pub label: &'static str,
    pub count: u64,
    pub href: String,
    pub on: bool,
}

#[derive(Clone, Debug)]
pub struct DefinitionRow {
    /// "function".
    pub kind: &'static str,
    pub directory: String,
    pub file: String,
    pub line: u64,
    pub href: String,
    /// "in strbuf": what it is defined in.
    pub container: String,
    /// "this file", "this directory", or the other product and its version; may be empty.
    pub near: String,
    pub html: SourceHtml,
}

/// What another product defines.
#[derive(Clone, Debug)]
pub struct ElsewhereRows {
    pub definitions: Vec<DefinitionRow>,
    /// Where all is that the other product has of the name.
    pub page: Link,
}

#[derive(Clone, Debug)]
pub struct FileRows {
    pub path: String,
    pub directory: String,
    pub name: String,
    pub href: String,
    pub total: u64,
    pub lines: Vec<UseRow>,
    /// "12 more references in this file", with where they are.
    pub more: Option<Link>,
}

#[derive(Clone, Debug)]
pub struct UseRow {
    pub number: u64,
    pub href: String,
    pub html: SourceHtml,
    /// "call", "type"; of several kinds all.
    pub kinds: String,
}

/// The same for who clicked at a name: the nearest definitions, and where the rest is.
#[derive(Debug, Template)]
#[template(path = "parts/symbol_peek.html")]
pub struct Peek {
    pub name: String,
    pub seal: Seal,
    pub definitions: Vec<DefinitionRow>,
    /// Some of other products, and how many those have.
    pub elsewhere: Vec<DefinitionRow>,
    pub total_elsewhere: u64,
    /// "143 references in 29 files".
    pub words: String,
    /// How many definitions are not shown.
    pub more: u64,
    pub page: String,
    pub definitions_page: String,
    pub notices: Vec<Notice>,
}
