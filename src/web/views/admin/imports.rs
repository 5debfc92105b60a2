//! Files of people and grants.

use askama::Template;

use crate::web::views::format::filters;
use crate::web::views::forms::FieldErrors;
use crate::web::views::shell::Shell;

/// `/admin/{list}/import`; posts `csv`, `csrf`, and to carry it out `digest`, to the same address.
#[derive(Debug, Template)]
#[template(path = "admin/import.html")]
pub struct ImportPage {
    pub shell: Shell,
    pub csrf: String,
    /// "people" or "grants", as addresses write it.
    pub list: &'static str,
    pub is_people: bool,
    /// The first line of a file.
    pub columns: String,
    /// The file as it was pasted.
    pub csv: String,
    /// What it would do.
    pub plan: Option<PlanView>,
    pub errors: FieldErrors,
}

/// What a file would do.
#[derive(Clone, Debug)]
pub struct PlanView {
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    pub sentence: String,
    /// It can be carried out, and would make something.
    pub may: bool,
    pub rows: Vec<PlanRow>,
}

/// What a line would do.
#[derive(Clone, Debug)]
pub struct PlanRow {
    /// From 1.
    pub line: u64,
    pub subject: String,
    pub state: &'static str,
    /// The CSS class of the state.
    pub class: &'static str,
    pub says: String,
}

/// After a file of people was read in: the links of whom it invited, shown once.
#[derive(Debug, Template)]
#[template(path = "admin/imported.html")]
pub struct ImportedPage {
    pub shell: Shell,
    /// Lines that made something.
    pub made: u64,
    pub links: Vec<LinkRow>,
}

#[derive(Clone, Debug)]
pub struct LinkRow {
    pub email: String,
    /// The whole address.
    pub link: String,
}
