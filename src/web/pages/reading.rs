//! Directories and files. Each handler goes the one way: the gate, the vault's look inside the permit, the record, the read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::inside::{self, Inside};
use super::place::{self, Shown, Where, acts};
use super::text_page;
use super::text_views::{self, View};
use crate::access::{Action, Entitled, Resource, Sought, Wish};
use crate::audit::Receipt;
use crate::catalog::{RepoPath, name_text};
use crate::highlight::{self, Target};
use crate::source::text::{self, Content, ImageKind, LineEnds, Text};
use crate::source::{EntryKind, Gitlink, Listed, Listing, Opened, Opening, Resolved, Shape};
use crate::symbols;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::html;
use crate::web::views::links;
use crate::web::views::reading as view;

/// Bytes of a hex page, and of its row.
const HEX_PAGE: u64 = 4096;
/// Bytes of a `.gitmodules` that is looked into.
const LARGEST_GITMODULES: u64 = 1 << 20;
/// Bytes of an image that are sent.
const LARGEST_IMAGE: u64 = 32 << 20;
/// What a picture may do when it is opened by itself: nothing. A drawing may hold scripts, links and addresses; none of them works, but its own
/// styles and what it carries in itself.
const PICTURE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

/// Which part of a file an address asks for.
struct Part {
    /// The first line to show.
    from: u64,
    /// The first byte to show.
    at: u64,
    /// Show bytes, whatever it is.
    hex: bool,
    view: View,
    /// The lines by themselves, for a page that is there already.
    alone: bool,
}

impl Part {
    fn asked(who: &Reader) -> Result<Self, WebError> {
        let number = |name: &str| match who.visit.parameter(name) {
            text if text.is_empty() => Ok(0),
            text => text.parse().map_err(|_| WebError::BadRequest(format!("{name}={text} is no number."))),
        };
        Ok(Self {
            from: number("from")?,
            at: number("at")?,
            hex: !who.visit.parameter("hex").is_empty(),
            view: View::asked(who)?,
            alone: who.visit.parameter("part") == "lines",
        })
    }
}

pub(super) async fn tree(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let wish = wish(&who, Action::List)?;
    listing(&who, &portal, wish).await
}

pub(super) async fn file(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let part = Part::asked(&who)?;
    let wish = wish(&who, Action::Read)?;
    match resolve(&who, &portal, wish).await? {
        Resolved::File(opening) => opened(&who, &portal, opening, &part).await,
        Resolved::Submodule(link) => submodule(&who, &portal, link).await,
        Resolved::Nothing(sought) => Err(portal.gate.missing(sought, &who.visit.context).await.into()),
        Resolved::Directory(listing) => Err(portal.gate.missing(listing, &who.visit.context).await.into()),
    }
}

/// An image's bytes, for the page that shows it. Recorded by itself, since it can be asked for by itself.
pub(super) async fn image(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let wish = wish(&who, Action::Read)?;
    let opening = match resolve(&who, &portal, wish).await? {
        Resolved::File(opening) => opening,
        Resolved::Nothing(sought) => return Err(portal.gate.missing(sought, &who.visit.context).await.into()),
        Resolved::Submodule(link) => return Err(portal.gate.missing(link, &who.visit.context).await.into()),
        Resolved::Directory(listing) => return Err(portal.gate.missing(listing, &who.visit.context).await.into()),
    };
    let (opening, shape) = examine(&portal, opening).await?;
    let (size, path) = (opening.resource().size(), opening.resource().place().path.to_string());
    let mime = match shape {
        Shape::Image(kind) if size <= LARGEST_IMAGE => kind.mime(),
        Shape::Text { .. } if View::Drawn.fitting(&path, size) == View::Drawn => "image/svg+xml",
        _ => return Err(portal.gate.missing(opening, &who.visit.context).await.into()),
    };
    let opened = read(&who, &portal, opening).await?;
    let headers = [(header::CONTENT_TYPE, mime), (header::CONTENT_SECURITY_POLICY, PICTURE_POLICY)];
    Ok((headers, opened.data.as_ref().clone()).into_response())
}

/// What `/p/{product}/{version}/{room}/{path}` asks for. It is taken from the address itself, since a path is bytes, and axum's
/// own decoding refuses those that are not UTF-8.
pub(super) fn wish(who: &Reader, action: Action) -> Result<Wish, WebError> {
    let mut components = who.visit.components().skip(1);
    let mut name = || percent_decode_str(components.next().unwrap_or_default()).decode_utf8_lossy().into_owned();
    let (product, version, _room) = (name(), name(), name());
    let path = components.collect::<Vec<_>>().join("/");
    let path = RepoPath::from_address(&path).map_err(|problem| WebError::BadRequest(format!("This is no path of a file: {problem}.")))?;
    Ok(Wish { product, version, path, action })
}

pub(super) async fn resolve(who: &Reader, portal: &AppState, wish: Wish) -> Result<Resolved, WebError> {
    let sought: Entitled<Sought> = portal.gate.entitle(&who.principal, wish, &who.visit.context).await?;
    let vault = Arc::clone(&portal.vault);
    Ok(tokio::task::spawn_blocking(move || vault.resolve(sought)).await??)
}

async fn examine(portal: &AppState, opening: Entitled<Opening>) -> Result<(Entitled<Opening>, Shape), WebError> {
    let vault = Arc::clone(&portal.vault);
    Ok(tokio::task::spawn_blocking(move || vault.examine(&opening).map(|shape| (opening, shape))).await??)
}

async fn read(who: &Reader, portal: &AppState, opening: Entitled<Opening>) -> Result<Opened, WebError> {
    let cleared = portal.log.record(opening, &who.visit.context).await?;
    let vault = Arc::clone(&portal.vault);
    Ok(tokio::task::spawn_blocking(move || vault.read(&cleared)).await??)
}

pub(super) async fn list(who: &Reader, portal: &AppState, listing: Entitled<Listing>) -> Result<Listed, WebError> {
    let cleared = portal.log.record(listing, &who.visit.context).await?;
    let vault = Arc::clone(&portal.vault);
    Ok(tokio::task::spawn_blocking(move || vault.list(&cleared)).await??)
}

/// The directory a file lies in, for the pane beside it; none where only the file itself may be read.
pub(super) async fn beside(who: &Reader, portal: &AppState, place: &crate::catalog::Place) -> Result<Option<Listed>, WebError> {
    let wish = Wish { product: place.product.clone(), version: place.version.clone(), path: place.path.parent(), action: Action::List };
    match resolve(who, portal, wish).await {
        Ok(Resolved::Directory(listing)) => Ok(Some(list(who, portal, listing).await?)),
        Ok(_) | Err(WebError::NotFound) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn listing(who: &Reader, portal: &AppState, wish: Wish) -> Result<Response, WebError> {
    let listing = match resolve(who, portal, wish).await? {
        Resolved::Directory(listing) => listing,
        Resolved::Nothing(sought) => return Err(portal.gate.missing(sought, &who.visit.context).await.into()),
        Resolved::File(opening) => return Err(portal.gate.missing(opening, &who.visit.context).await.into()),
        Resolved::Submodule(link) => return Err(portal.gate.missing(link, &who.visit.context).await.into()),
    };
    if who.visit.parameter("part") == "rows" && !who.visit.wants_json {
        let listed = list(who, portal, listing).await?;
        return html(&view::RowsPart { entry: listed.receipt.index, rows: place::rows(&listed.place, &listed, 0) });
    }
    if !who.visit.wants_json {
        let vault = Arc::clone(&portal.vault);
        let (listing, readme) = tokio::task::spawn_blocking(move || vault.readme_in(&listing).map(|readme| (listing, readme))).await??;
        return page_of(who, portal, listing, readme).await;
    }
    let listed = list(who, portal, listing).await?;
    let entries: Vec<_> = listed
        .entries
        .iter()
        .map(|one| json!({"name": name_text(&one.entry.name), "kind": kind_word(one.entry.kind), "size": one.entry.size}))
        .collect();
    let place = &listed.place;
    let body = json!({
        "product": place.product, "version": place.version, "commit": place.commit, "path": place.path.to_string(),
        "entries": entries, "receipt": listed.receipt,
    });
    Ok(Json(body).into_response())
}

async fn page_of(
    who: &Reader,
    portal: &AppState,
    listing: Entitled<Listing>,
    readme: Option<Entitled<Opening>>,
) -> Result<Response, WebError> {
    let listed = list(who, portal, listing).await?;
    let readme = match readme {
        Some(readme) => readme_view(portal, inside::read(who, portal, readme).await?).await,
        None => None,
    };
    let title = if listed.place.path.is_root() { listed.place.version.clone() } else { listed.place.path.to_string() };
    let shell = who.shell(portal, &title, crate::web::views::shell::Place::Products).await?;
    let location = place::location(who, portal, Where::Directory(&listed)).await?;
    html(&view::TreePage {
        shell,
        location,
        seal: seal(listed.receipt),
        acts: acts(who, portal, &listed.place, Shown::Entries).await?,
        entries: listed.entries.iter().map(|one| entry(&listed, one)).collect(),
        notices: Vec::new(),
        readme,
    })
}

fn entry(listed: &Listed, one: &crate::source::ListedEntry) -> view::Entry {
    view::Entry {
        name: name_text(&one.entry.name),
        href: place::href(&listed.place, &one.path, one.entry.kind),
        kind: place::entry_kind(one.entry.kind, one.entry.executable),
        size: one.entry.size.filter(|_| one.entry.kind == EntryKind::Blob),
        target: None,
        commit: (one.entry.kind == EntryKind::Submodule).then(|| one.entry.id.to_string()),
    }
}

async fn readme_view(portal: &AppState, (opened, inside): (Opened, Inside)) -> Option<view::Readme> {
    let Content::Text(text) = text::decode(&opened.data) else { return None };
    let text = Arc::new(text);
    let place = opened.place;
    let name = name_text(place.path.name());
    let href = links::file(&place.product, &place.version, place.path.bytes());
    let is_markdown = name.to_ascii_lowercase().ends_with(".md") || name.to_ascii_lowercase().ends_with(".markdown");
    let patience = portal.config.reading.highlight_deadline;
    let address = move |target: Target<'_>| inside.address(target);
    let rendered = if is_markdown { portal.painter.markdown(&text, address, patience).await } else { None };
    Some(match rendered {
        Some(html) => view::Readme { name, href, html, plain: false },
        None => view::Readme { name, href, html: highlight::plain_text(&text, 64 << 10), plain: true },
    })
}

async fn opened(who: &Reader, portal: &AppState, opening: Entitled<Opening>, part: &Part) -> Result<Response, WebError> {
    if opening.resource().is_symlink() {
        return symlink(who, portal, opening).await;
    }
    let size = opening.resource().size();
    let (opening, shape) = examine(portal, opening).await?;
    match shape {
        Shape::Text { lines } if !part.hex => {
            let path = opening.resource().place().path.to_string();
            let view = if who.visit.wants_json { View::Source } else { part.view.fitting(&path, size) };
            let shown = match view {
                _ if who.visit.wants_json => (1, lines),
                View::Rendered | View::Drawn => (1, lines),
                _ if part.alone => lines_of(part, lines, text_page::PART_LINES),
                _ => lines_of(part, lines, portal.config.reading.page_lines as u64),
            };
            // What is defined on lines that are not shown is named by the outline beside them.
            let may_define = symbols::may_define(&opening.resource().place().path);
            let beyond = !part.alone && view == View::Source && shown != (1, lines) && may_define;
            let opening = same(opening, |file| {
                let file = file.with_lines(shown);
                if beyond { file.with_outline() } else { file }
            })?;
            match view {
                View::Rendered => rendered(who, portal, opening, part, lines).await,
                View::Drawn => image_page(who, portal, read(who, portal, opening).await?, None).await,
                View::Source | View::Table => text_page(who, portal, read(who, portal, opening).await?, part, view, shown).await,
            }
        }
        _ if who.visit.wants_json => {
            let opened = read(who, portal, same(opening, |file| file.with_bytes((0, 0)))?).await?;
            Ok(Json(file_json(&opened, None)).into_response())
        }
        Shape::Image(kind) if !part.hex && size <= LARGEST_IMAGE => {
            let opened = read(who, portal, opening).await?;
            image_page(who, portal, opened, Some(kind)).await
        }
        _ => {
            let from = part.at.min(size.saturating_sub(1)) / 16 * 16;
            let shown = (from, from.saturating_add(HEX_PAGE).min(size));
            let opened = read(who, portal, same(opening, |file| file.with_bytes(shown))?).await?;
            hex_page(who, portal, opened, shown).await
        }
    }
}

/// The same file with a narrower record.
pub(super) fn same(opening: Entitled<Opening>, narrower: impl FnOnce(Opening) -> Opening) -> Result<Entitled<Opening>, WebError> {
    let file = narrower(opening.resource().clone());
    opening.narrow(file).map_err(WebError::internal)
}

/// The first and the last line of the piece that a page shows.
fn lines_of(part: &Part, lines: u64, page: u64) -> (u64, u64) {
    let from = part.from.clamp(1, lines.max(1));
    let first = (from - 1) / page * page + 1;
    (first, (first + page - 1).min(lines))
}

/// Markdown as its author meant it to be read; what cannot be rendered is shown as its source, from where a page of that begins.
async fn rendered(who: &Reader, portal: &AppState, opening: Entitled<Opening>, part: &Part, lines: u64) -> Result<Response, WebError> {
    let (opened, inside) = inside::read(who, portal, opening).await?;
    let text = text_of(&opened).await?;
    if let Some(page) = text_views::rendered(who, portal, &opened, inside, &text).await? {
        return Ok(page);
    }
    let shown = lines_of(part, lines, portal.config.reading.page_lines as u64);
    text_page(who, portal, opened, part, View::Source, shown).await
}

async fn text_of(opened: &Opened) -> Result<Arc<Text>, WebError> {
    let data = Arc::clone(&opened.data);
    match tokio::task::spawn_blocking(move || text::decode(&data)).await? {
        Content::Text(text) => Ok(Arc::new(text)),
        Content::Image(_) | Content::Binary => Err(WebError::internal("a text changed its nature")),
    }
}

async fn text_page(
    who: &Reader,
    portal: &AppState,
    opened: Opened,
    part: &Part,
    view: View,
    shown: (u64, u64),
) -> Result<Response, WebError> {
    let text = text_of(&opened).await?;
    if who.visit.wants_json {
        return Ok(Json(file_json(&opened, Some(&text))).into_response());
    }
    if view == View::Table {
        return text_views::table(who, portal, &opened, &text, shown).await;
    }
    if part.alone {
        text_page::lines(portal, &opened, &text, shown).await
    } else {
        text_page::page(who, portal, opened, &text, shown).await
    }
}

pub(super) fn facts(opened: &Opened, text: Option<&Text>, language: Option<&str>) -> view::FileFacts {
    let odd = text.map(Text::line_ends).filter(|ends| !matches!(ends, LineEnds::Lf | LineEnds::None));
    let encoding = text.map(|text| match text.invalid().len() {
        0 => text.encoding().to_string(),
        1 => format!("{}, 1 invalid byte", text.encoding()),
        n => format!("{}, {n} invalid bytes", text.encoding()),
    });
    view::FileFacts {
        language: language.unwrap_or_default().to_owned(),
        encoding: encoding.unwrap_or_default(),
        lines: text.map_or(0, |text| text.line_count() as u64),
        size: opened.size,
        blob: opened.blob.to_string(),
        line_endings: odd.map(|ends| format!("{ends} line endings")),
    }
}

async fn hex_page(who: &Reader, portal: &AppState, opened: Opened, shown: (u64, u64)) -> Result<Response, WebError> {
    let href = links::file(&opened.place.product, &opened.place.version, opened.place.path.bytes());
    let piece = |at: u64| format!("{href}?hex=1&at={at}");
    let rows = opened.data.chunks(16).zip((shown.0..).step_by(16));
    html(&view::HexPage {
        shell: who.shell(portal, &opened.place.path.to_string(), crate::web::views::shell::Place::Products).await?,
        location: file_location(who, portal, &opened).await?,
        seal: seal(opened.receipt),
        facts: facts(&opened, None, None),
        acts: acts(who, portal, &opened.place, Shown::Bytes).await?,
        reason: "Its bytes are shown as they are.".to_owned(),
        rows: rows.map(|(bytes, offset)| view::HexRow { offset, bytes: bytes.to_vec() }).collect(),
        pieces: (opened.size > HEX_PAGE).then(|| view::Pieces {
            unit: "Bytes",
            from: shown.0,
            to: shown.1.saturating_sub(1),
            of: opened.size,
            previous: (shown.0 > 0).then(|| piece(shown.0.saturating_sub(HEX_PAGE))),
            next: (shown.1 < opened.size).then(|| piece(shown.1)),
        }),
    })
}

/// A picture, or a drawing, which is a text besides.
async fn image_page(who: &Reader, portal: &AppState, opened: Opened, kind: Option<ImageKind>) -> Result<Response, WebError> {
    let shown = if kind.is_some() { Shown::Image } else { Shown::Text(View::Drawn) };
    html(&view::ImagePage {
        shell: who.shell(portal, &opened.place.path.to_string(), crate::web::views::shell::Place::Products).await?,
        location: file_location(who, portal, &opened).await?,
        seal: seal(opened.receipt),
        facts: facts(&opened, None, None),
        acts: acts(who, portal, &opened.place, shown).await?,
        src: links::place(&opened.place.product, &opened.place.version, "image", opened.place.path.bytes()),
        format: kind.map_or_else(|| "SVG".to_owned(), |kind| kind.mime().trim_start_matches("image/").to_uppercase()),
        dimensions: kind.and_then(|kind| kind.pixels(&opened.data)),
    })
}

async fn symlink(who: &Reader, portal: &AppState, opening: Entitled<Opening>) -> Result<Response, WebError> {
    let (opened, inside) = inside::read(who, portal, opening).await?;
    let target = name_text(&opened.data);
    if who.visit.wants_json {
        return Ok(Json(file_json(&opened, Some(&Text::from(target)))).into_response());
    }
    let (target, target_href) = tokio::task::spawn_blocking(move || {
        let href = inside.page(&target);
        (target, href)
    })
    .await?;
    html(&view::SymlinkPage {
        shell: who.shell(portal, &opened.place.path.to_string(), crate::web::views::shell::Place::Products).await?,
        location: file_location(who, portal, &opened).await?,
        seal: seal(opened.receipt),
        facts: facts(&opened, None, None),
        acts: acts(who, portal, &opened.place, Shown::Pointer).await?,
        target,
        target_href,
    })
}

async fn submodule(who: &Reader, portal: &AppState, link: Entitled<Gitlink>) -> Result<Response, WebError> {
    let url = submodule_url(who, portal, &link).await?;
    let cleared = portal.log.record(link, &who.visit.context).await?;
    let commit = portal.vault.submodule(&cleared);
    let place = cleared.get().resource().place().clone();
    if who.visit.wants_json {
        let body = json!({
            "product": place.product, "version": place.version, "commit": place.commit, "path": place.path.to_string(),
            "blob": null, "size": 0, "encoding": null, "text": null, "submodule": commit.to_string(), "receipt": cleared.receipt(),
        });
        return Ok(Json(body).into_response());
    }
    let beside = beside(who, portal, &place).await?;
    html(&view::SubmodulePage {
        shell: who.shell(portal, &place.path.to_string(), crate::web::views::shell::Place::Products).await?,
        location: place::location(who, portal, Where::File(&place, beside.as_ref())).await?,
        seal: seal(cleared.receipt()),
        acts: acts(who, portal, &place, Shown::Pointer).await?,
        commit: commit.to_string(),
        url,
    })
}

/// Where `.gitmodules` says a submodule comes from. That file is opened for it like any other, and recorded.
async fn submodule_url(who: &Reader, portal: &AppState, link: &Entitled<Gitlink>) -> Result<Option<String>, WebError> {
    let place = link.resource().place();
    let path = RepoPath::parse(b".gitmodules").map_err(WebError::internal)?;
    if !link.shows(&path, false) {
        return Ok(None);
    }
    let wish = Wish { product: place.product.clone(), version: place.version.clone(), path, action: Action::Read };
    let Resolved::File(opening) = resolve(who, portal, wish).await? else { return Ok(None) };
    if opening.resource().size() > LARGEST_GITMODULES {
        return Ok(None);
    }
    let opened = read(who, portal, opening).await?;
    Ok(crate::source::tree::submodule_url(&opened.data, place.path.bytes()))
}

pub(super) async fn file_location(who: &Reader, portal: &AppState, opened: &Opened) -> Result<view::Location, WebError> {
    let beside = beside(who, portal, &opened.place).await?;
    place::location(who, portal, Where::File(&opened.place, beside.as_ref())).await
}

fn file_json(opened: &Opened, text: Option<&Text>) -> serde_json::Value {
    let place = &opened.place;
    json!({
        "product": place.product, "version": place.version, "commit": place.commit, "path": place.path.to_string(),
        "blob": opened.blob.to_string(), "size": opened.size, "encoding": text.map(|text| text.encoding().to_string()),
        "text": text.map(Text::as_str), "receipt": opened.receipt,
    })
}

pub(super) fn seal(receipt: Receipt) -> view::Seal {
    view::Seal { entry: receipt.index }
}

fn kind_word(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Tree => "tree",
        EntryKind::Blob => "blob",
        EntryKind::Symlink => "symlink",
        EntryKind::Submodule => "submodule",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_begin_where_a_page_begins() {
        let part = |from| Part { from, at: 0, hex: false, view: View::Source, alone: false };
        assert_eq!(lines_of(&part(0), 12_000, 5_000), (1, 5_000));
        assert_eq!(lines_of(&part(5_001), 12_000, 5_000), (5_001, 10_000));
        assert_eq!(lines_of(&part(11_999), 12_000, 5_000), (10_001, 12_000));
        assert_eq!(lines_of(&part(u64::MAX), 12_000, 5_000), (10_001, 12_000));
        assert_eq!(lines_of(&part(0), 0, 5_000), (1, 0));
    }
}
