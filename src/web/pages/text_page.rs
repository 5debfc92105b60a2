//! The page of a text. It is sent piece by piece: the frame at once, lines as soon as they are highlighted, the outline behind them.
//!
//! Everything on it was recorded before its first byte, so there is nothing left that the log could refuse. What fails after that byte is
//! told on the page itself.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template as _;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::compare;
use super::place::{self, Shown, acts};
use super::reading::{facts, file_location, seal};
use super::text_views::{self, View};
use crate::catalog::Place;
use crate::highlight::{self, Highlighted, Limits, Notices, Painter, Painting, PlainReason, SourceHtml};
use crate::source::Opened;
use crate::source::compare::{Difference, Hunk};
use crate::source::text::Text;
use crate::symbols::{Definition, SymbolKind};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::{Pieces, html};
use crate::web::views::format::{count, counted};
use crate::web::views::links;
use crate::web::views::reading::{self as view, LINES_GO_HERE, STRETCH};
use crate::web::views::shell::{Notice, Place as Room, Tone};

/// Lines of a part that is asked for by itself, while somebody scrolls.
pub(super) const PART_LINES: u64 = 1000;
/// Beyond this only the lines shown are looked at, and nothing is highlighted.
const HUGE: usize = 16 << 20;
/// Names in an outline; where a file defines more, the outline is of the lines shown.
const MOST_OUTLINED: usize = 2000;
/// Pieces that wait for whoever sends them.
const WAITING: usize = 2;

/// Lines by themselves, for a page that is there already.
pub(super) async fn lines(portal: &AppState, opened: &Opened, text: &Arc<Text>, shown: (u64, u64)) -> Result<Response, WebError> {
    let lines = painted(portal, opened, text, shown).await;
    html(&view::LinesPart { entry: opened.receipt.index, lines: view::Lines { first: shown.0, lines } })
}

pub(super) async fn page(
    who: &Reader,
    portal: &AppState,
    opened: Opened,
    text: &Arc<Text>,
    shown: (u64, u64),
) -> Result<Response, WebError> {
    let opened = Arc::new(opened);
    let path = opened.place.path.to_string();
    // Both are worked on while the frame is put together.
    let outline = tokio::spawn(outline(Arc::clone(portal), Arc::clone(&opened), shown));
    let painting = begin(portal, &opened, &path, text);
    let since = who.visit.parameter("since");
    let changes = if since.is_empty() { None } else { Some(compare::since(who, portal, &opened.place, &since).await?) };
    let mut page = frame(who, portal, &opened, text, shown).await?;
    if let Some(found) = &changes {
        page.notices.push(changed(portal, &opened.place, found));
        page.changes = found.hunks_shown().iter().map(place_of).collect::<Vec<_>>().join(" ");
    }
    if shown.1 < shown.0 {
        return html(&page);
    }
    let patience = portal.config.reading.highlight_deadline;
    let lines = match painting {
        Some(painting) if portal.painter.hides_nothing(&path, text).await => Lines::Come(painting),
        Some(painting) => {
            // What hides in the file is told above its lines, and so before them.
            let painted = match painting.whole(Instant::now() + patience).await {
                Some(whole) => cut(&whole, window(shown)),
                None => portal.painter.plain(&path, text, window(shown)).await,
            };
            page.notices.extend(notices(portal, &opened, &painted.notices));
            Lines::Here(painted.lines, painted.plain)
        }
        None => Lines::Here(unpainted(text, window(shown)).await, Some(PlainReason::TooLarge { from: 1 })),
    };
    let (head, _) = parts(&page)?;
    let (to, pieces) = mpsc::channel(WAITING);
    let writer = Writer { page, path, text: Arc::clone(text), shown: window(shown), painter: portal.painter.clone(), patience, to };
    tokio::spawn(writer.write(head, lines, outline));
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    Ok((headers, Body::from_stream(Pieces(pieces))).into_response())
}

/// The page without its lines and its outline.
async fn frame(who: &Reader, portal: &AppState, opened: &Opened, text: &Text, shown: (u64, u64)) -> Result<view::FilePage, WebError> {
    let place = &opened.place;
    let page_lines = portal.config.reading.page_lines as u64;
    let file = links::file(&place.product, &place.version, place.path.bytes());
    let piece = |from: u64| links::query(&file, &[("since", &who.visit.parameter("since")), ("from", &from.to_string())]);
    let path = place.path.to_string();
    let language = highlight::language_of(&path, text.lines().next().map(|line| line.text).unwrap_or_default());
    Ok(view::FilePage {
        shell: who.shell(portal, &path, Room::Products).await?,
        location: file_location(who, portal, opened).await?,
        seal: seal(opened.receipt),
        facts: facts(opened, Some(text), language.map(highlight::Language::name)),
        acts: acts(who, portal, place, Shown::Text(View::Source)).await?,
        prose: language.is_some_and(highlight::Language::is_prose),
        find: who.visit.parameter("q"),
        part_lines: PART_LINES,
        notices: Vec::new(),
        changes: String::new(),
        shown,
        pieces: text_views::pieces(shown, text.line_count() as u64, page_lines, &piece),
        plain_reason: None,
        broken: false,
        symbol_action: links::symbol(&place.product, &place.version, &[]),
        symbol_from: place.path.address(),
        outline: view::Outline::default(),
    })
}

/// Lines that came or became others, `10-12`; or the line before which some went, `-10`.
fn place_of(hunk: &Hunk) -> String {
    if hunk.new.is_empty() { format!("-{}", hunk.new.start + 1) } else { format!("{}-{}", hunk.new.start + 1, hunk.new.end) }
}

fn changed(portal: &AppState, place: &Place, found: &Difference) -> Notice {
    let since = &found.from.version;
    let file = links::file(&place.product, &place.version, place.path.bytes());
    let comparison = links::compare_at(&place.product, since, &place.version, place.path.bytes(), false);
    let (all, shown) = (found.hunks.len(), found.hunks_shown());
    let sentence = match shown.first() {
        _ if found.text(false).is_none() => format!("Its lines cannot be compared with {since}."),
        None => format!("No line of it differs from {since}."),
        Some(_) if shown.len() < all => format!("{} places differ from {since}; the first {} are marked.", count(all as u64), shown.len()),
        Some(_) => format!("{} from {since}.", counted(all as u64, "place differs", "places differ")),
    };
    let notice = Notice::new(Tone::Quiet, sentence);
    let notice = match shown.first() {
        Some(first) => {
            let line = u64::from(first.new.start) + 1;
            notice.link("Show the first", place::line_at(&file, since, line, portal.config.reading.page_lines as u64))
        }
        None => notice,
    };
    notice.link("The comparison", comparison)
}

/// What stands before the lines, and behind them.
fn parts(page: &view::FilePage) -> Result<(String, String), WebError> {
    let page = page.render()?;
    let (head, foot) = page.split_once(LINES_GO_HERE).ok_or_else(|| WebError::internal("the page has no place for its lines"))?;
    Ok((head.to_owned(), foot.to_owned()))
}

/// Lines that are at hand, or that come while they are highlighted.
enum Lines {
    Here(Vec<SourceHtml>, Option<PlainReason>),
    Come(Painting),
}

struct Writer {
    page: view::FilePage,
    path: String,
    text: Arc<Text>,
    /// Of the text's lines, counted from 0.
    shown: Range<usize>,
    painter: Painter,
    /// How long the next lines are waited for; what is not highlighted by then is sent as it is.
    patience: Duration,
    to: mpsc::Sender<Result<Bytes, Infallible>>,
}

/// The reader went away.
struct Gone;

impl Writer {
    async fn write(self, head: String, lines: Lines, outline: JoinHandle<Result<view::Outline, WebError>>) {
        // Nobody is there to be told.
        let _ = self.try_write(head, lines, outline).await;
    }

    async fn try_write(mut self, head: String, lines: Lines, outline: JoinHandle<Result<view::Outline, WebError>>) -> Result<(), Gone> {
        self.send(head).await?;
        self.page.plain_reason = match lines {
            Lines::Here(lines, reason) => self.put(self.shown.start, lines).await.map(|()| reason)?,
            Lines::Come(painting) => self.follow(painting).await?,
        }
        .map(|reason| reason.to_string());
        match outline.await.map_err(WebError::internal).flatten() {
            Ok(outline) => self.page.outline = outline,
            Err(cause) => {
                tracing::error!(?cause, "the outline of a file failed while its page was sent");
                self.page.broken = true;
            }
        }
        let foot = parts(&self.page).map(|(_, foot)| foot);
        self.send(foot.unwrap_or_default()).await
    }

    /// Sends lines in whole stretches as they are highlighted. Says why some of them are plain.
    async fn follow(&mut self, painting: Painting) -> Result<Option<PlainReason>, Gone> {
        let mut next = self.shown.clone();
        while !next.is_empty() {
            let Some(mut lines) = painting.lines(next.clone(), STRETCH, Instant::now() + self.patience).await else {
                let plain = self.painter.plain(&self.path, &self.text, next.clone()).await;
                return self.put(next.start, plain.lines).await.map(|()| plain.plain);
            };
            if lines.len() < next.len() {
                lines.truncate(lines.len() / STRETCH * STRETCH);
            }
            let first = next.start;
            next.start += lines.len();
            self.put_lines(first, lines).await?;
        }
        Ok(painting.whole(Instant::now() + self.patience).await.and_then(|whole| whole.plain))
    }

    /// Sends all lines from the first of these on. They are all there unless the work on them failed, which was logged.
    async fn put(&mut self, first: usize, lines: Vec<SourceHtml>) -> Result<(), Gone> {
        self.page.broken |= lines.len() < self.shown.end.saturating_sub(first);
        self.put_lines(first, lines).await
    }

    async fn put_lines(&self, first: usize, lines: Vec<SourceHtml>) -> Result<(), Gone> {
        self.send(view::Lines { first: first as u64 + 1, lines }.render().unwrap_or_default()).await
    }

    async fn send(&self, text: String) -> Result<(), Gone> {
        self.to.send(Ok(Bytes::from(text))).await.map_err(|_| Gone)
    }
}

/// What is defined in the file, and where, with a sentence where that is too much to be shown.
async fn outline(portal: AppState, opened: Arc<Opened>, shown: (u64, u64)) -> Result<view::Outline, WebError> {
    let symbols = Arc::clone(&portal.symbols);
    let place = opened.place.clone();
    let found = tokio::task::spawn_blocking(move || symbols.outline(&opened)).await?;
    // What a type consists of stands in it; here are the things that one goes to.
    let leads = |one: &Definition| match one.kind {
        SymbolKind::Field => false,
        SymbolKind::Constant => one.container.is_empty(),
        _ => true,
    };
    let mut found: Vec<Definition> = found.into_iter().filter(leads).collect();
    let inside = |one: &Definition| (shown.0..=shown.1).contains(&u64::from(one.line));
    let all = found.len();
    let page_lines = portal.config.reading.page_lines as u64;
    let note = (all > MOST_OUTLINED).then(|| {
        found.retain(inside);
        // One line may define any number.
        found.truncate(portal.config.reading.page_lines.max(MOST_OUTLINED));
        format!("Of the lines shown. The whole file defines {} names.", count(all as u64))
    });
    let item = |one: Definition| {
        let line = u64::from(one.line);
        view::OutlineItem {
            kind: one.kind.to_string(),
            href: if inside(&one) {
                format!("#L{line}")
            } else {
                place::line_href(&place.product, &place.version, &place.path, line, page_lines)
            },
            name: one.name,
            whole: (one.whole.1 > one.whole.0).then_some((u64::from(one.whole.0), u64::from(one.whole.1))),
        }
    };
    Ok(view::Outline { items: found.into_iter().map(item).collect(), note })
}

/// The lines shown, highlighted if they are in time and their file is not huge.
pub(super) async fn painted(portal: &AppState, opened: &Opened, text: &Arc<Text>, shown: (u64, u64)) -> Vec<SourceHtml> {
    let path = opened.place.path.to_string();
    let range = window(shown);
    let Some(painting) = begin(portal, opened, &path, text) else { return unpainted(text, range).await };
    match painting.lines(range.clone(), range.len(), Instant::now() + portal.config.reading.highlight_deadline).await {
        Some(lines) => lines,
        None => portal.painter.plain(&path, text, range).await.lines,
    }
}

/// Lines of a file that is huge.
async fn unpainted(text: &Arc<Text>, range: Range<usize>) -> Vec<SourceHtml> {
    let text = Arc::clone(text);
    let lines = move || text.lines().skip(range.start).take(range.len()).map(|line| highlight::snippet(&line, &[])).collect();
    tokio::task::spawn_blocking(lines).await.unwrap_or_default()
}

fn begin(portal: &AppState, opened: &Opened, path: &str, text: &Arc<Text>) -> Option<Painting> {
    let limits = Limits { bytes: portal.config.reading.highlight_bytes, ..Limits::default() };
    (text.as_str().len() <= HUGE).then(|| portal.painter.begin(opened.blob, path, text, limits))
}

/// The lines shown, counted from 0.
fn window(shown: (u64, u64)) -> Range<usize> {
    let number = |line: u64| usize::try_from(line).unwrap_or(usize::MAX);
    number(shown.0.saturating_sub(1))..number(shown.1)
}

fn cut(whole: &Highlighted, range: Range<usize>) -> Highlighted {
    let lines = whole.lines.get(range).unwrap_or_default().to_vec();
    Highlighted { lines, language: whole.language.clone(), plain: whole.plain, notices: whole.notices.clone() }
}

fn notices(portal: &AppState, opened: &Opened, notices: &Notices) -> Vec<Notice> {
    let place = &opened.place;
    let page_lines = portal.config.reading.page_lines as u64;
    let told = |notice: &highlight::Notice| {
        let sentence = Notice::new(Tone::Look, notice.to_string());
        match notice.lines.first() {
            Some(&line) => sentence.link("Show it", place::line_href(&place.product, &place.version, &place.path, line as u64, page_lines)),
            None => sentence,
        }
    };
    notices.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::ObjectId;

    /// What is sent of a page with these lines, when its outline is this.
    async fn sent(text: &str, lines: impl FnOnce(&Painter, &Arc<Text>) -> Lines, outline: Result<view::Outline, WebError>) -> String {
        let (painter, text) = (Painter::default(), Arc::new(Text::from(text.to_owned())));
        let lines = lines(&painter, &text);
        let (to, mut pieces) = mpsc::channel(100);
        let (page, shown) = (view::FilePage::sample(), 0..text.line_count());
        let (head, _) = parts(&page).unwrap();
        let writer = Writer { page, path: "a.c".to_owned(), text, shown, painter, patience: Duration::from_secs(60), to };
        writer.write(head, lines, tokio::spawn(async { outline })).await;
        let mut page = Vec::new();
        while let Some(Ok(piece)) = pieces.recv().await {
            page.extend_from_slice(&piece);
        }
        String::from_utf8(page).unwrap()
    }

    fn outline() -> view::Outline {
        view::Outline { items: Vec::new(), note: Some("The note".to_owned()) }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn lines_come_in_whole_stretches_and_the_page_behind_them() {
        let text: String = (1..=450).map(|number| format!("int line_{number};\n")).collect::<Vec<_>>().concat();
        let blob = ObjectId::from_bytes(&[1; 20]).unwrap();
        let page = sent(&text, |painter, text| Lines::Come(painter.begin(blob, "a.c", text, Limits::default())), Ok(outline())).await;
        let numbers: Vec<&str> = page.split("<div id=\"L").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(numbers, (1..=450).map(|number| number.to_string()).collect::<Vec<_>>());
        let stretches: Vec<usize> = page.split("class=\"stretch\"").skip(1).map(|rest| rest.matches("<div id=").count()).collect();
        assert_eq!(stretches, [200, 200, 50]);
        assert!(page.contains("<span class=\"t\">int</span> line_450;") && page.trim_end().ends_with("</html>"), "{page}");
        assert!(!page.contains("is not whole"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_fails_after_the_first_byte_is_told_on_the_page() {
        let line = |_: &Painter, _: &Arc<Text>| Lines::Here(vec![SourceHtml::default()], None);
        let none = |_: &Painter, _: &Arc<Text>| Lines::Here(Vec::new(), None);
        let failed = || Err(WebError::internal("out of order"));
        for (page, broken) in [
            (sent("one\n", line, Ok(outline())).await, false),
            (sent("one\n", line, failed()).await, true),
            (sent("one\n", none, Ok(outline())).await, true),
        ] {
            assert_eq!(page.contains("this page is not whole"), broken, "{page}");
            assert!(page.trim_end().ends_with("</html>"));
        }
    }
}
