//! The page of one file in two versions, and its JSON.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::asked::Comparing;
use super::rows::{self, Side};
use super::summary::kind;
use crate::audit::Receipt;
use crate::catalog::{Place, RepoPath, name_text};
use crate::highlight::{Highlighted, Limits};
use crate::source::compare::{Changed, Difference, Fate, MOST_ROWS, Part, Row, What};
use crate::source::text::Text;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::html;
use crate::web::views::compare::{Body, CompareFilePage, SideFacts, Versions};
use crate::web::views::format::counted;
use crate::web::views::links;
use crate::web::views::reading::{Act, Pieces, Seal};
use crate::web::views::shell::{Link, Notice, Shell, Tone};

pub(super) async fn page(
    portal: &AppState,
    shell: Shell,
    versions: Versions,
    asked: &Comparing,
    found: &Difference,
    receipt: Receipt,
) -> Result<Response, WebError> {
    let path = standing(asked, found);
    let texts = found.text(true).zip(found.text(false)).filter(|_| found.fate.is_some());
    let mut notices = notices(asked, found, texts.as_ref());
    let body = match &texts {
        Some((old, new)) if !found.rows.is_empty() => {
            let page_lines = portal.config.reading.page_lines as u64;
            let (before, after) = tokio::join!(paint(portal, found.old.as_ref(), old), paint(portal, found.new.as_ref(), new));
            notices.extend(after.as_ref().map(|painted| hidden(found, painted)).unwrap_or_default());
            let (old, new) = (Side::new(found, true, old, before, page_lines), Side::new(found, false, new, after, page_lines));
            if asked.is_split() {
                Body::Split(rows::split(asked, found, &old, &new))
            } else {
                Body::Unified(rows::unified(asked, found, &old, &new))
            }
        }
        _ => plain(found),
    };
    let (lines_added, lines_removed) = found.lines();
    let near = |file: Option<&Changed>| file.map(|file| Link { label: file.path.to_string(), href: asked.file_href(&file.path, &[]) });
    html(&CompareFilePage {
        shell,
        seal: Seal { entry: receipt.index },
        versions,
        summary_href: asked.summary_href(&[]),
        above: above(asked, &path),
        name: name_text(path.name()),
        before: found.old.as_ref().filter(|_| found.fate == Some(Fate::Renamed)).map(|part| part.path.to_string()),
        fate: fate(found),
        lines_added,
        lines_removed,
        changes: found.hunks.len() as u64,
        first_change: first_change(&body),
        views: acts(asked, &path, "view", &[("One below the other", ""), ("Side by side", "split")]),
        spaces: acts(asked, &path, "space", &[("White space counts", ""), ("Ignore it", "ignore")]),
        contexts: acts(asked, &path, "context", &[("3 lines around", ""), ("10", "10"), ("All", "all")]),
        previous: near(found.previous.as_ref()),
        next: near(found.next.as_ref()),
        notices,
        sides: sides(found),
        body,
        pieces: pieces(asked, found, &path),
        gutter: gutter(texts.as_ref()),
        path: path.to_string(),
    })
}

/// Where the file stands now, or stood when it was removed.
fn standing(asked: &Comparing, found: &Difference) -> RepoPath {
    found.new.as_ref().or(found.old.as_ref()).map_or_else(|| asked.path.clone(), |part| part.path.clone())
}

async fn paint(portal: &AppState, part: Option<&Part>, text: &Arc<Text>) -> Option<Arc<Highlighted>> {
    let part = part?;
    let limits = Limits { bytes: portal.config.reading.highlight_bytes, ..Limits::default() };
    let patience = portal.config.reading.highlight_deadline;
    Some(portal.painter.paint(part.side.id, &part.path.to_string(), text, limits, patience).await)
}

fn above(asked: &Comparing, path: &RepoPath) -> Vec<Link> {
    let link = |directory: &RepoPath| Link { label: name_text(directory.name()), href: asked.directory_href(directory) };
    path.parent().trail().iter().map(link).collect()
}

fn acts(asked: &Comparing, path: &RepoPath, name: &'static str, values: &[(&str, &str)]) -> Vec<Act> {
    let act = |(label, value): &(&str, &str)| Act {
        label: (*label).to_owned(),
        href: asked.file_href(path, &[(name, value)]),
        current: asked.get(name) == *value,
        key: "",
    };
    values.iter().map(act).collect()
}

fn fate(found: &Difference) -> String {
    match found.fate {
        None => "The same in both".to_owned(),
        Some(Fate::Added) => format!("Added in {}", found.to.version),
        Some(Fate::Removed) => format!("Removed in {}", found.to.version),
        Some(Fate::Renamed) if found.likeness == 100 => "Renamed, the same bytes".to_owned(),
        Some(Fate::Renamed) => format!("Renamed, {}% the same", found.likeness),
        Some(Fate::Changed) => "Changed".to_owned(),
    }
}

fn first_change(body: &Body) -> Option<u64> {
    use crate::web::views::compare::{SplitRow, UnifiedRow};
    match body {
        Body::Unified(rows) => rows.iter().find_map(|row| match row {
            UnifiedRow::Removed { change, .. } | UnifiedRow::Added { change, .. } => *change,
            _ => None,
        }),
        Body::Split(rows) => rows.iter().find_map(|row| match row {
            SplitRow::Changed { change, .. } => *change,
            _ => None,
        }),
        _ => None,
    }
}

/// What else is not as it was, in sentences.
fn notices(asked: &Comparing, found: &Difference, texts: Option<&(Arc<Text>, Arc<Text>)>) -> Vec<Notice> {
    let mut said = Vec::new();
    if let (Some(old), Some(new)) = (&found.old, &found.new) {
        if old.side.kind != new.side.kind {
            said.push(format!("What was a {} is a {} now.", kind(old.side), kind(new.side)));
        } else if old.side.executable != new.side.executable {
            let how = if new.side.executable { "made executable" } else { "no longer executable" };
            said.push(format!("It was {how}: mode {} before, {} now.", old.side.mode(), new.side.mode()));
        }
        if let (What::Text(old), What::Text(new)) = (&old.what, &new.what) {
            if old.encoding() != new.encoding() {
                said.push(format!("Its encoding is another: {} before, {} now. The texts are compared.", old.encoding(), new.encoding()));
            }
            if old.byte_order_mark() != new.byte_order_mark() {
                said.push(
                    if new.byte_order_mark() { "A byte order mark was added." } else { "Its byte order mark was removed." }.to_owned(),
                );
            }
            if old.line_ends() != new.line_ends() && old.line_count() > 0 && new.line_count() > 0 {
                said.push(format!("Its lines end otherwise: {} before, {} now.", old.line_ends(), new.line_ends()));
            }
        }
    }
    if let (Some(old), Some(new), true, Some(_)) = (&found.old, &found.new, found.hunks.is_empty(), texts) {
        let same = if old.side.id == new.side.id { "Its bytes are the same in both versions." } else { "No line of it differs as a text." };
        said.push(same.to_owned());
    }
    if asked.is_loose() && texts.is_some() {
        said.push("White space is left aside: lines that differ in nothing else are shown as the same, as they are now.".to_owned());
    }
    said.into_iter().map(|text| Notice::new(Tone::Look, text)).collect()
}

/// What cannot be seen in the lines that were added.
fn hidden(found: &Difference, painted: &Highlighted) -> Vec<Notice> {
    let added = |line: usize| found.hunks.iter().any(|hunk| hunk.new.contains(&u32::try_from(line.saturating_sub(1)).unwrap_or(u32::MAX)));
    let told = painted.notices.iter().filter_map(|notice| {
        let first = notice.lines.iter().copied().find(|line| added(*line))?;
        let shown = found.rows.iter().any(|row| matches!(row, Row::Added { new } if *new as usize == first));
        let sentence = Notice::new(Tone::Look, format!("{notice} Line {first} is among what was added."));
        Some(if shown { sentence.link("Show it", format!("#n{first}")) } else { sentence })
    });
    told.collect()
}

/// What is said where there are no lines to show.
fn plain(found: &Difference) -> Body {
    let (old, new) = (found.old.as_ref(), found.new.as_ref());
    let sentence = |version: &str, part: Option<&Part>| {
        let Some(part) = part else { return format!("In {version} it is not there, or you may not read it.") };
        let size = counted(part.size, "byte", "bytes");
        match &part.what {
            What::Link(target) => format!("In {version} it is a symbolic link that points to {target}."),
            What::Submodule(commit) => format!("In {version} it is a submodule at commit {commit}. That repository is not mirrored here."),
            What::Image(kind) => {
                format!("In {version} it is an image, {}, of {size}.", kind.mime().trim_start_matches("image/").to_uppercase())
            }
            What::Binary(_) => format!("In {version} it is binary, {size}; its hashes stand below."),
            What::Large => format!("In {version} it holds {size}, more than is compared line by line."),
            What::Text(text) => format!("In {version} it is a text of {}.", counted(text.line_count() as u64, "line", "lines")),
        }
    };
    let image = |part: Option<&Part>| part.is_none_or(|part| matches!(part.what, What::Image(_)));
    if found.fate.is_some() && image(old) && image(new) && (old.is_some() || new.is_some()) {
        return Body::Images;
    }
    let mut words = Vec::new();
    if let (Some(old), Some(new)) = (old, new) {
        if old.side.id == new.side.id {
            words.push("Its bytes are the same in both versions.".to_owned());
        } else if matches!((&old.what, &new.what), (What::Text(_), What::Text(_))) {
            words.push("No line of it differs.".to_owned());
        }
    }
    words.push(sentence(&found.from.version, old));
    words.push(sentence(&found.to.version, new));
    Body::Words(words)
}

fn sides(found: &Difference) -> Vec<SideFacts> {
    // The file as it is now is shown with what was changed in it.
    let both_texts = found.old.is_some() && found.text(false).is_some();
    let side = |place: &Place, part: Option<&Part>, since: &str| {
        let Some(part) = part else {
            return SideFacts {
                version: place.version.clone(),
                href: None,
                path: String::new(),
                what: "Not there, or not for you to read".to_owned(),
                size: 0,
                mode: "",
                blob: String::new(),
                sha256: None,
                image: None,
            };
        };
        let at = |room: &str| links::place(&place.product, &place.version, room, part.path.bytes());
        SideFacts {
            version: place.version.clone(),
            href: Some(links::query(&at("file"), &[("since", since)])),
            path: part.path.to_string(),
            what: match &part.what {
                What::Text(text) => format!("Text, {}, {}", text.encoding(), counted(text.line_count() as u64, "line", "lines")),
                What::Image(kind) => format!("Image, {}", kind.mime().trim_start_matches("image/").to_uppercase()),
                What::Binary(_) => "Binary".to_owned(),
                What::Large => "Too large to be compared by lines".to_owned(),
                What::Link(_) => "Symbolic link".to_owned(),
                What::Submodule(_) => "Submodule".to_owned(),
            },
            size: part.size,
            mode: part.side.mode(),
            blob: part.side.id.to_string(),
            sha256: match &part.what {
                What::Binary(hash) => Some(hash.clone()),
                _ => None,
            },
            image: matches!(part.what, What::Image(_)).then(|| at("image")),
        }
    };
    let since = if both_texts { found.from.version.as_str() } else { "" };
    vec![side(&found.from, found.old.as_ref(), ""), side(&found.to, found.new.as_ref(), since)]
}

fn pieces(asked: &Comparing, found: &Difference, path: &RepoPath) -> Option<Pieces> {
    let shown = found.rows.len();
    if shown == found.all_rows {
        return None;
    }
    let opened: Vec<String> = asked.opened().iter().map(|(first, last)| format!("{first}-{last}")).collect();
    let piece = |row: usize| asked.file_href(path, &[("open", &opened.join(",")), ("row", &row.to_string())]);
    Some(Pieces {
        unit: "Rows",
        from: found.at as u64 + 1,
        to: (found.at + shown) as u64,
        of: found.all_rows as u64,
        previous: (found.at > 0).then(|| piece(found.at.saturating_sub(MOST_ROWS))),
        next: (found.at + shown < found.all_rows).then(|| piece(found.at + MOST_ROWS)),
    })
}

fn gutter(texts: Option<&(Arc<Text>, Arc<Text>)>) -> &'static str {
    match texts.map_or(0, |(old, new)| old.line_count().max(new.line_count())) {
        0..=999 => "g3",
        1_000..=9_999 => "g4",
        10_000..=99_999 => "g5",
        _ => "g7",
    }
}

pub(super) fn json(asked: &Comparing, found: &Difference, receipt: Receipt) -> Response {
    let side = |part: Option<&Part>| {
        part.map(|part| {
            let (encoding, sha256) = match &part.what {
                What::Text(text) => (Some(text.encoding().to_string()), None),
                What::Binary(hash) => (None, Some(hash)),
                _ => (None, None),
            };
            let target = match &part.what {
                What::Link(target) => Some(target),
                _ => None,
            };
            json!({
                "path": part.path.to_string(), "mode": part.side.mode(), "blob": part.side.id.to_string(), "size": part.size,
                "encoding": encoding, "sha256": sha256, "target": target,
            })
        })
    };
    let texts = found.text(true).zip(found.text(false));
    let (added, removed) = found.lines();
    let rows: Option<Vec<Value>> = texts.as_ref().map(|(old, new)| rows_json(found, old, new));
    let path = standing(asked, found);
    let body = json!({
        "product": found.to.product, "from": found.from.version, "to": found.to.version,
        "from_commit": found.from.commit, "to_commit": found.to.commit, "path": path.to_string(),
        "change": found.fate.map(Fate::word), "likeness": (found.fate == Some(Fate::Renamed)).then_some(found.likeness),
        "old": side(found.old.as_ref()), "new": side(found.new.as_ref()),
        "lines_added": texts.as_ref().map(|_| added), "lines_removed": texts.as_ref().map(|_| removed),
        "rows": rows, "next": pieces(asked, found, &path).and_then(|pieces| pieces.next), "receipt": receipt,
    });
    Json(body).into_response()
}

/// Every row with its lines as they are, what ends them included; a gap says how many lines it leaves out.
fn rows_json(found: &Difference, old: &Text, new: &Text) -> Vec<Value> {
    let whole = |text: &Text| -> Vec<String> {
        let starts: Vec<usize> = text.lines().map(|line| line.offset).collect();
        let ends = starts.iter().copied().skip(1).chain([text.as_str().len()]);
        starts.iter().zip(ends).map(|(start, end)| text.as_str().get(*start..end).unwrap_or_default().to_owned()).collect()
    };
    let (olds, news) = (whole(old), whole(new));
    let line = |lines: &[String], number: u32| lines.get(number as usize - 1).cloned().unwrap_or_default();
    let rows = found.rows.iter().map(|row| match *row {
        Row::Same { old, new } => json!({"kind": "same", "old": old, "new": new, "text": line(&news, new)}),
        Row::Removed { old } => json!({"kind": "removed", "old": old, "text": line(&olds, old)}),
        Row::Added { new } => json!({"kind": "added", "new": new, "text": line(&news, new)}),
        Row::Gap { old, new, lines } => json!({"kind": "gap", "old": old, "new": new, "lines": lines}),
    });
    rows.collect()
}
