//! The page of what differs, by directory and by file, and its JSON.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::asked::Comparing;
use crate::audit::Receipt;
use crate::catalog::name_text;
use crate::source::EntryKind;
use crate::source::compare::{Changed, Count, Looked, Side, Summary, Totals};
use crate::web::error::WebError;
use crate::web::page::html;
use crate::web::views::compare::{Choice, Choices, ComparePage, DirectoryRow, FileRow, TotalsRow, Versions};
use crate::web::views::format::counted;
use crate::web::views::reading::{Act, Pieces, Seal};
use crate::web::views::shell::{Notice, Shell, Tone};

/// Files on a page, as the vault cuts them.
const PAGE: u64 = crate::source::compare::PAGE as u64;

pub(super) fn page(shell: Shell, versions: Versions, asked: &Comparing, found: &Summary, receipt: Receipt) -> Result<Response, WebError> {
    let href = |changed: &[(&'static str, &str)]| asked.summary_href(changed);
    let filtered = ["path", "lang", "only", "kind", "vendored"].iter().any(|name| !asked.get(name).is_empty());
    let page = |number: usize| asked.summary_href(&[("page", &number.to_string())]);
    let first = found.page as u64 * PAGE;
    let order =
        |label: &str, value: &'static str, current| Act { label: label.to_owned(), href: href(&[("sort", value)]), current, key: "" };
    let by_size = asked.get("sort") == "size";
    html(&ComparePage {
        shell,
        seal: Seal { entry: receipt.index },
        versions,
        totals: totals(&found.totals),
        chosen: chosen(asked),
        notices: notices(asked, found),
        filters: filters(asked, found),
        glob: asked.get("path").to_owned(),
        kept: asked.kept(&[("path", "")]),
        cleared: filtered.then(|| href(&[("path", ""), ("lang", ""), ("only", ""), ("kind", ""), ("vendored", "")])),
        directories: directories(asked, found),
        more_directories: (found.more_directories > 0).then(|| {
            format!(
                "{} more are not listed; open one, or filter by path.",
                counted(found.more_directories as u64, "directory", "directories")
            )
        }),
        files: found.files.iter().map(|(file, count)| file_row(asked, file, *count)).collect(),
        orders: vec![order("By path", "", !by_size), order("By size of change", "size", by_size)],
        pages: (found.pages > 1).then(|| Pieces {
            unit: "Files",
            from: first + 1,
            to: (first + PAGE).min(found.totals.files),
            of: found.totals.files,
            previous: (found.page > 0).then(|| page(found.page)),
            next: (found.page + 1 < found.pages).then(|| page(found.page + 2)),
        }),
    })
}

fn totals(of: &Totals) -> TotalsRow {
    TotalsRow {
        files: of.files,
        added: of.added,
        removed: of.removed,
        changed: of.changed,
        renamed: of.renamed,
        lines_added: of.lines_added,
        lines_removed: of.lines_removed,
    }
}

/// What of all that differs is shown, to stand behind "differ".
fn chosen(asked: &Comparing) -> String {
    let mut parts = Vec::new();
    if !asked.directory.is_root() {
        parts.push(format!("in {}/", asked.directory));
    }
    match asked.get("path") {
        "" => {}
        path => parts.push(format!("at paths that match {path}")),
    }
    match asked.get("lang") {
        "" => {}
        language => parts.push(format!("in the language {language}")),
    }
    match asked.get("kind") {
        "build" => parts.push("of build scripts".to_owned()),
        "tests" => parts.push("of tests".to_owned()),
        _ => {}
    }
    match asked.get("only") {
        "" => {}
        "binary" => parts.push("only binary files".to_owned()),
        only => parts.push(format!("only what was {only}")),
    }
    if asked.get("vendored") == "no" {
        parts.push("vendored code left out".to_owned());
    }
    parts.join(", ")
}

fn notices(asked: &Comparing, found: &Summary) -> Vec<Notice> {
    let mut notices = Vec::new();
    let Totals { uncounted, large, .. } = found.totals;
    if uncounted > 0 {
        let text = format!(
            "The lines of {} are not counted yet, so numbers of lines are lower bounds{}.",
            counted(uncounted, "file", "files"),
            if asked.get("only") == "binary" { ", and more files may prove to be binary" } else { "" }
        );
        notices.push(Notice::new(Tone::Look, text).link("Count on", asked.summary_href(&[])));
    }
    if large > 0 {
        let text = format!("The lines of {} are not counted: a side is larger than 8 MiB.", counted(large, "file", "files"));
        notices.push(Notice::new(Tone::Quiet, text));
    }
    if found.looked == Looked::SameBytesOnly {
        let text = "So many files were added and removed that a file is called renamed only where its bytes are the same.";
        notices.push(Notice::new(Tone::Quiet, text));
    }
    notices
}

fn filters(asked: &Comparing, found: &Summary) -> Vec<Choices> {
    let choice = |name: &'static str, value: &str, label: &str, count: Option<u64>| {
        let on = asked.get(name) == value;
        let href = asked.summary_href(&[(name, if on { "" } else { value })]);
        Choice { label: label.to_owned(), count, href, on }
    };
    // Numbers stand only where choosing something else would not change them.
    let free = asked.get("only").is_empty();
    let number = |n: u64| free.then_some(n);
    let of = &found.totals;
    let what = [
        ("changed", "Changed", number(of.changed)),
        ("added", "Only added", number(of.added)),
        ("removed", "Only removed", number(of.removed)),
        ("renamed", "Only renamed", number(of.renamed)),
        ("binary", "Binary files", number(of.binary)),
    ];
    let mut groups = vec![
        Choices { title: "Change", values: what.iter().map(|(value, label, n)| choice("only", value, label, *n)).collect() },
        Choices {
            title: "Kind",
            values: vec![
                choice("kind", "build", "Build scripts", None),
                choice("kind", "tests", "Tests", None),
                choice("vendored", "no", "Leave out vendored", None),
            ],
        },
    ];
    if !found.languages.is_empty() {
        let values = found.languages.iter().map(|(name, files)| choice("lang", name, name, Some(*files))).collect();
        groups.push(Choices { title: "Language", values });
    }
    groups
}

fn directories(asked: &Comparing, found: &Summary) -> Vec<DirectoryRow> {
    let inside = asked.directory.components().count() + 1;
    found
        .directories
        .iter()
        .map(|one| DirectoryRow {
            name: if one.path.is_root() { "All directories".to_owned() } else { format!("{}/", name_text(one.path.name())) },
            href: asked.directory_href(&one.path),
            depth: if one.open { one.path.components().count() } else { inside },
            open: one.open,
            current: one.path == asked.directory,
            totals: totals(&one.totals),
        })
        .collect()
}

fn file_row(asked: &Comparing, file: &Changed, count: Option<Count>) -> FileRow {
    let (lines_added, lines_removed) = match count {
        Some(Count::Lines { added, removed }) => (u64::from(added), u64::from(removed)),
        _ => (0, 0),
    };
    FileRow {
        path: file.path.to_string(),
        href: asked.file_href(&file.path, &[]),
        before: file.before.as_ref().map(ToString::to_string),
        fate: file.fate().word(),
        note: note(file),
        uncounted: match count {
            Some(Count::Lines { .. }) => "",
            Some(Count::Binary) => "binary",
            Some(Count::Large) => "too large to count",
            None => "not counted yet",
        },
        lines_added,
        lines_removed,
    }
}

/// What is worth a word besides what became of it.
pub(super) fn note(file: &Changed) -> String {
    let mut parts = Vec::new();
    if file.before.is_some() {
        parts.push(if file.same_bytes() { "the same bytes".to_owned() } else { format!("{}% the same", file.likeness) });
    }
    match (file.old, file.new) {
        (Some(old), Some(new)) if old.kind != new.kind => parts.push(format!("{} became {}", kind(old), kind(new))),
        (Some(old), Some(new)) if old.executable != new.executable => {
            parts.push(if new.executable { "made executable" } else { "no longer executable" }.to_owned());
        }
        (Some(side), _) | (None, Some(side)) if side.kind != EntryKind::Blob => parts.push(kind(side).to_owned()),
        (None, Some(side)) if side.executable => parts.push("executable".to_owned()),
        _ => {}
    }
    parts.join(", ")
}

pub(super) fn kind(side: Side) -> &'static str {
    match side.kind {
        EntryKind::Tree => "directory",
        EntryKind::Blob => "file",
        EntryKind::Symlink => "symbolic link",
        EntryKind::Submodule => "submodule",
    }
}

pub(super) fn json(asked: &Comparing, found: &Summary, receipt: Receipt) -> Response {
    let numbers = |of: &Totals| {
        json!({
            "files": of.files, "added": of.added, "removed": of.removed, "changed": of.changed, "renamed": of.renamed, "binary": of.binary,
            "lines_added": of.lines_added, "lines_removed": of.lines_removed, "uncounted": of.uncounted, "too_large": of.large,
        })
    };
    let directories: Vec<Value> = found
        .directories
        .iter()
        .filter(|one| !one.open)
        .map(|one| json!({"path": one.path.to_string(), "totals": numbers(&one.totals)}))
        .collect();
    let files: Vec<Value> = found.files.iter().map(|(file, count)| file_json(file, *count)).collect();
    let next = (found.page + 1 < found.pages).then(|| asked.summary_href(&[("page", &(found.page + 2).to_string())]));
    let body = json!({
        "product": found.to.product, "from": found.from.version, "to": found.to.version,
        "from_commit": found.from.commit, "to_commit": found.to.commit, "directory": asked.directory.to_string(),
        "totals": numbers(&found.totals), "complete": found.totals.uncounted == 0,
        "renames": if found.looked == Looked::Everywhere { "similar" } else { "same bytes" },
        "directories": directories, "more_directories": found.more_directories, "files": files, "next": next, "receipt": receipt,
    });
    Json(body).into_response()
}

fn file_json(file: &Changed, count: Option<Count>) -> Value {
    let side = |side: Option<Side>| side.map(|side| json!({"mode": side.mode(), "blob": side.id.to_string()}));
    let (added, removed) = match count {
        Some(Count::Lines { added, removed }) => (Some(added), Some(removed)),
        _ => (None, None),
    };
    let likeness = file.before.is_some().then_some(file.likeness);
    json!({
        "path": file.path.to_string(), "before": file.before.as_ref().map(ToString::to_string), "change": file.fate().word(),
        "likeness": likeness, "lines_added": added, "lines_removed": removed, "binary": count.map(|count| count == Count::Binary),
        "old": side(file.old), "new": side(file.new),
    })
}
