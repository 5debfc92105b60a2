//! What became of a path: its history and that of some of its lines, who wrote them, and single commits.
//!
//! Each goes the way of every page that shows source: the gate, the vault's look inside the permit, the record, and then what it
//! recorded. A commit's id in an address is no way around a scope: the vault looks for it only among the commits that the version
//! reaches, and tells of what it changed only what may be read. An id that is nothing, one that another version reaches, and one of
//! which nothing may be read get the answer of a page that is not there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::place::{self, Shown, Where};
use super::reading::{beside, list, resolve, seal, wish};
use super::text_page;
use crate::access::{Action, Cleared, Entitled, Resource as _, Sought, Wish};
use crate::audit::Receipt;
use crate::catalog::{Place, RepoPath};
use crate::clock::Timestamp;
use crate::highlight::{SourceHtml, snippet_line};
use crate::source::history::Words;
use crate::source::past::{
    Became, BlameAsked, BlameCommit, BlameTold, Blamed, CommitAsked, CommitTold, Deadline, DiffLine, Edition, LinesAsked, LinesTold,
    LinesTrail, Nature, Sign, State as FileState, Step, Told, Trail, TrailAsked, Trailed,
};
use crate::source::text::{self, Content};
use crate::source::{ObjectId, Resolved, SourceError, Vault};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::html;
use crate::web::views::past as view;
use crate::web::views::reading::{Act, Location, Pieces};
use crate::web::views::shell::{Link, Notice, Place as Room, Tone};
use crate::web::views::{format, links};

/// Commits of a page of a file's history, and of that of some lines.
const PAGE: usize = 50;
const PAGE_OF_LINES: usize = 20;
/// Steps from the newest line to the oldest.
const HEATS: i64 = 8;

pub(super) async fn history(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let after = commit_named(&who, "after")?;
    let lines = who.visit.parameter("lines");
    let sought = portal.gate.entitle(&who.principal, wish(&who, Action::List)?, &who.visit.context).await?;
    if !lines.is_empty() {
        let asked = LinesAsked { lines: range(&lines)?, after, most: PAGE_OF_LINES };
        let trail = ask(&who, &portal, sought, move |vault, sought, deadline| vault.lines_trail(sought, asked, deadline)).await?;
        return history_of_lines(&who, &portal, &lines, after, portal.log.record(trail, &who.visit.context).await?).await;
    }
    let product = sought.resource().place().product.clone();
    let readable = portal.gate.readable_versions(&who.principal, &product).await?.into_iter();
    let editions: Vec<Edition> = readable.map(|one| Edition { name: one.name, commit: one.commit, scopes: one.scopes }).collect();
    let trail = ask(&who, &portal, sought, move |vault, sought, deadline| {
        vault.trail(sought, &TrailAsked { after, most: PAGE, editions: &editions }, deadline)
    });
    let cleared = portal.log.record(trail.await?, &who.visit.context).await?;
    history_of_path(&who, &portal, after, cleared).await
}

pub(super) async fn blame(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let state = match (commit_named(&who, "before")?, commit_named(&who, "at")?) {
        (None, None) => FileState::Version,
        (Some(before), None) => FileState::Before(before),
        (None, Some(at)) => FileState::At(at),
        (Some(_), Some(_)) => return Err(WebError::BadRequest("Either before= or at= names a commit, not both.".to_owned())),
    };
    let from = match who.visit.parameter("from") {
        text if text.is_empty() => 1,
        text => text.parse().map_err(|_| WebError::BadRequest(format!("from={text} is no number.")))?,
    };
    let sought = portal.gate.entitle(&who.principal, wish(&who, Action::Read)?, &who.visit.context).await?;
    let asked = BlameAsked { state, from, most: portal.config.reading.page_lines as u64 };
    let blamed = ask(&who, &portal, sought, move |vault, sought, deadline| vault.blame(sought, asked, deadline)).await?;
    let cleared = portal.log.record(blamed, &who.visit.context).await?;
    let told = Blamed::told(&cleared);
    if who.visit.wants_json { Ok(Json(blame_json(&told)).into_response()) } else { blame_page(&who, &portal, told).await }
}

pub(super) async fn commit(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let number = |name: &str| match who.visit.parameter(name) {
        text if text.is_empty() => Ok(0),
        text => text.parse().map_err(|_| WebError::BadRequest(format!("{name}={text} is no number."))),
    };
    let (from, skip) = (number("from")?, number("line")?);
    let named = wish(&who, Action::List)?;
    let id = named.path.to_string();
    let wish = Wish { path: RepoPath::root(), ..named };
    let sought = portal.gate.entitle(&who.principal, wish, &who.visit.context).await?;
    let Some(commit) = ObjectId::parse(&id) else {
        return Err(portal.gate.missing_commit(sought, &id, &who.visit.context).await.into());
    };
    let asked = CommitAsked { id: commit, from, skip };
    let found = work(&who, &portal, move |vault, deadline| vault.commit(sought, asked, deadline)).await?;
    let told = match found {
        Ok(told) => told,
        Err(sought) => return Err(portal.gate.missing_commit(sought, &id, &who.visit.context).await.into()),
    };
    let cleared = portal.log.record(told, &who.visit.context).await?;
    let told = Told::told(&cleared);
    if who.visit.wants_json { Ok(Json(commit_json(&told)).into_response()) } else { commit_page(&who, &portal, told).await }
}

/// Works off the async threads, within what a person may ask for at a stretch.
async fn work<T: Send + 'static>(
    who: &Reader,
    portal: &AppState,
    work: impl FnOnce(&Vault, Deadline) -> Result<T, SourceError> + Send + 'static,
) -> Result<T, WebError> {
    let turn = portal.allowance.turn(who.principal.account()).await?;
    let (vault, span) = (Arc::clone(&portal.vault), portal.config.reading.history_deadline);
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(&vault, Deadline::within(span))
    });
    Ok(done.await??)
}

/// The same for what may turn out not to be there.
async fn ask<R: Send + 'static>(
    who: &Reader,
    portal: &AppState,
    sought: Entitled<Sought>,
    look: impl FnOnce(&Vault, Entitled<Sought>, Deadline) -> Result<Result<Entitled<R>, Entitled<Sought>>, SourceError> + Send + 'static,
) -> Result<Entitled<R>, WebError> {
    match work(who, portal, move |vault, deadline| look(vault, sought, deadline)).await? {
        Ok(found) => Ok(found),
        Err(sought) => Err(portal.gate.missing(sought, &who.visit.context).await.into()),
    }
}

/// The commit that a parameter names.
fn commit_named(who: &Reader, name: &str) -> Result<Option<ObjectId>, WebError> {
    match who.visit.parameter(name) {
        text if text.is_empty() => Ok(None),
        text => match ObjectId::parse(&text) {
            Some(id) => Ok(Some(id)),
            None => Err(WebError::BadRequest(format!("{name}={text} is no id of a commit: it has 40 hexadecimal digits."))),
        },
    }
}

/// `10-20`, `L10-L20` or `10`.
fn range(text: &str) -> Result<(u64, u64), WebError> {
    let number = |part: &str| part.trim().trim_start_matches(['L', 'l']).parse().ok().filter(|number| *number > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    number(first).zip(number(last)).ok_or_else(|| WebError::BadRequest(format!("lines={text} names no lines; lines=10-20 would.")))
}

/// A commit's words, or none of them.
fn line(place: &Place, id: ObjectId, at: i64, words: Option<&Words>) -> view::CommitLine {
    let id = id.to_string();
    view::CommitLine {
        subject: words.map(|words| split(words).0),
        author: words.map(|words| words.author.clone()).unwrap_or_default(),
        at: Timestamp::from_seconds(at).micros(),
        href: links::commit(&place.product, &place.version, &id),
        id,
    }
}

/// Subject and body of a message.
fn split(words: &Words) -> (String, String) {
    let message = String::from_utf8_lossy(&words.message);
    let message = message.trim_start_matches('\n');
    let (subject, body) = message.split_once("\n\n").unwrap_or((message, ""));
    (subject.split_whitespace().collect::<Vec<_>>().join(" "), body.trim_end().to_owned())
}

fn words_json(id: ObjectId, at: i64, words: Option<&Words>) -> Value {
    json!({
        "commit": id.to_string(), "at": Timestamp::from_seconds(at).to_string(),
        "author": words.map(|words| &words.author), "subject": words.map(|words| split(words).0),
    })
}

fn step_json(step: &Step) -> Value {
    let mut one = words_json(step.commit, step.at, step.words.as_ref());
    if let Some(fields) = one.as_object_mut() {
        fields.insert("change".to_owned(), json!(step.became.words()));
        fields.insert("path".to_owned(), json!(step.path.to_string()));
        fields.insert("renamed_from".to_owned(), json!(step.renamed_from.as_ref().map(ToString::to_string)));
    }
    one
}

/// A commit as a row of a history: its words, what it did, what the file was called before, and then, where that was another name.
fn told_step(place: &Place, step: &Step) -> view::Step {
    view::Step {
        commit: line(place, step.commit, step.at, step.words.as_ref()),
        became: if step.renamed_from.is_some() { "changed" } else { step.became.words() },
        renamed_from: step.renamed_from.as_ref().map(ToString::to_string),
        called: (step.path != place.path).then(|| step.path.to_string()),
    }
}

/// The ways to look at the place, while it stands in the version.
async fn acts(who: &Reader, portal: &AppState, place: &Place, stands: bool, shown: Shown) -> Result<Vec<Act>, WebError> {
    if stands { place::acts(who, portal, place, shown).await } else { Ok(Vec::new()) }
}

/// The page's place, with the versions' links to pages of the same kind.
async fn location(who: &Reader, portal: &AppState, place: &Place, directory: bool, room: &str) -> Result<Location, WebError> {
    let listed = if directory {
        let wish = Wish { product: place.product.clone(), version: place.version.clone(), path: place.path.clone(), action: Action::List };
        match resolve(who, portal, wish).await? {
            Resolved::Directory(listing) => Some(list(who, portal, listing).await?),
            _ => None,
        }
    } else {
        beside(who, portal, place).await?
    };
    let (at, from) = match &listed {
        Some(listed) if directory => (Where::Directory(listed), "tree"),
        listed => (Where::File(place, listed.as_ref()), "file"),
    };
    let mut location = place::location(who, portal, at).await?;
    for version in &mut location.versions {
        if version.href == links::place(&place.product, &version.name, from, place.path.bytes()) {
            version.href = links::place(&place.product, &version.name, room, place.path.bytes());
        }
    }
    Ok(location)
}

fn title(kind: &str, place: &Place) -> String {
    if place.path.is_root() { format!("{kind} of {}", place.version) } else { format!("{kind} of {}", place.path) }
}

async fn history_of_path(who: &Reader, portal: &AppState, after: Option<ObjectId>, cleared: Cleared<Trail>) -> Result<Response, WebError> {
    let told = Trail::told(&cleared);
    if who.visit.wants_json {
        return Ok(Json(history_json(&told)).into_response());
    }
    let place = told.place;
    let own = links::history(&place.product, &place.version, place.path.bytes());
    let row = |row: &crate::source::past::TrailRow| {
        let (added, removed) = row.lines.unwrap_or_default();
        let Step { commit, became, path, .. } = &row.step;
        let there = *became != Became::Removed && !told.directory;
        let blame = format!("{}?at={commit}", links::blame(&place.product, &place.version, path.bytes()));
        view::HistoryRow {
            step: told_step(place, &row.step),
            added,
            removed,
            counted: row.lines.is_some(),
            files: row.files,
            blame: there.then_some(blame),
            edition: row
                .edition
                .as_ref()
                .filter(|name| **name != place.version)
                .map(|name| Link { label: name.clone(), href: links::file(&place.product, name, path.bytes()) }),
        }
    };
    let gone = "It does not stand in this version any more. This is what became of it before.";
    html(&view::HistoryPage {
        shell: who.shell(portal, &title("History", place), Room::Products).await?,
        location: location(who, portal, place, told.directory, "history").await?,
        seal: seal(told.receipt),
        acts: acts(who, portal, place, !told.gone, Shown::Past { directory: told.directory, act: "History" }).await?,
        notices: if told.gone { vec![Notice::new(Tone::Look, gone)] } else { Vec::new() },
        directory: told.directory,
        rows: told.rows.iter().map(row).collect(),
        newest: after.map(|_| own.clone()),
        older: told.next.map(|next| format!("{own}?after={next}")),
    })
}

fn history_json(told: &Trailed<'_>) -> Value {
    let place = told.place;
    let rows = told.rows.iter().map(|row| {
        let mut one = step_json(&row.step);
        if let Some(fields) = one.as_object_mut() {
            fields.insert("added".to_owned(), json!(row.lines.map(|(added, _)| added)));
            fields.insert("removed".to_owned(), json!(row.lines.map(|(_, removed)| removed)));
            fields.insert("files".to_owned(), json!(row.files));
            fields.insert("same_as_version".to_owned(), json!(row.edition));
        }
        one
    });
    let own = links::history(&place.product, &place.version, place.path.bytes());
    json!({
        "product": place.product, "version": place.version, "path": place.path.to_string(), "directory": told.directory,
        "commits": rows.collect::<Vec<_>>(), "next": told.next.map(|next| format!("{own}?after={next}")), "receipt": told.receipt,
    })
}

async fn history_of_lines(
    who: &Reader,
    portal: &AppState,
    asked: &str,
    after: Option<ObjectId>,
    cleared: Cleared<LinesTrail>,
) -> Result<Response, WebError> {
    let told: LinesTold<'_> = LinesTrail::told(&cleared);
    let place = told.place;
    let own = format!("{}?lines={}", links::history(&place.product, &place.version, place.path.bytes()), links::value(asked));
    let next = told.next.map(|next| format!("{own}&after={next}"));
    if who.visit.wants_json {
        let rows = told.rows.iter().map(|row| {
            let mut one = step_json(&row.step);
            if let Some(fields) = one.as_object_mut() {
                fields.insert("lines".to_owned(), diff_json(&row.lines));
                fields.insert("left".to_owned(), json!(row.left));
            }
            one
        });
        let body = json!({
            "product": place.product, "version": place.version, "path": place.path.to_string(), "lines": told.lines,
            "commits": rows.collect::<Vec<_>>(), "next": next, "receipt": told.receipt,
        });
        return Ok(Json(body).into_response());
    }
    let row = |row: &crate::source::past::LinesRow| view::LinesRow {
        step: told_step(place, &row.step),
        lines: diff(&row.lines),
        left: row.left as u64,
    };
    let page_lines = portal.config.reading.page_lines as u64;
    let lines = told.lines.map(|(first, last)| {
        let href = place::line_href(&place.product, &place.version, &place.path, first, page_lines);
        view::LinesFollowed { first, last, href: if last > first { format!("{href}-L{last}") } else { href } }
    });
    html(&view::LinesPage {
        shell: who.shell(portal, &title("History of lines", place), Room::Products).await?,
        location: location(who, portal, place, false, "history").await?,
        seal: seal(told.receipt),
        acts: acts(who, portal, place, true, Shown::Past { directory: false, act: "" }).await?,
        notices: no_lines(place, told.nature, lines.is_none()).into_iter().collect(),
        lines,
        rows: told.rows.iter().map(row).collect(),
        newest: after.map(|_| own.clone()),
        older: next,
    })
}

/// Why a file has no lines whose past could be told.
fn no_lines(place: &Place, nature: Nature, none: bool) -> Option<Notice> {
    let sentence = match nature {
        Nature::Text => return none.then(|| Notice::new(Tone::Quiet, "The file is empty.")),
        Nature::NoText => "It has no lines of text, so there is nothing to say of who wrote which.",
        Nature::Large => "It is larger than 64 MiB, too large for its lines to be compared, so it is not said who wrote which.",
    };
    let history = links::history(&place.product, &place.version, place.path.bytes());
    Some(Notice::new(Tone::Look, sentence).link("Its history", history))
}

fn diff(lines: &[DiffLine]) -> Vec<view::DiffRow> {
    let row = |line: &DiffLine| view::DiffRow {
        class: class(line.sign),
        old: line.old,
        new: line.new,
        html: snippet_line(&line.text, &[]),
        unended: line.unended,
    };
    lines.iter().map(row).collect()
}

fn class(sign: Sign) -> &'static str {
    match sign {
        Sign::Added => "added",
        Sign::Removed => "removed",
        Sign::Same => "same",
        Sign::Gap => "gap",
    }
}

fn diff_json(lines: &[DiffLine]) -> Value {
    let shown = lines.iter().filter(|line| line.sign != Sign::Gap);
    let line = |line: &DiffLine| json!({"sign": class(line.sign), "old": line.old, "new": line.new, "text": line.text});
    Value::Array(shown.map(line).collect())
}

async fn blame_page(who: &Reader, portal: &AppState, told: BlameTold<'_>) -> Result<Response, WebError> {
    let place = told.opened.place.clone();
    let last = told.first + (told.lines.len() as u64).saturating_sub(1);
    let lines = painted(portal, &told, (told.first, last)).await?;
    let times = || told.commits.iter().map(|commit| commit.at);
    let (oldest, newest) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let own = links::blame(&place.product, &place.version, place.path.bytes());
    let mut notices = Vec::new();
    let query = match told.state {
        FileState::Version => String::new(),
        FileState::At(commit) => format!("at={commit}&"),
        FileState::Before(commit) => format!("before={commit}&"),
    };
    if let FileState::At(commit) | FileState::Before(commit) = told.state {
        let id = commit.to_string();
        let how = if matches!(told.state, FileState::At(_)) { "left it" } else { "found it" };
        let sentence = format!("The file as the commit {} {how}, not as it stands in {}.", format::short(&id), place.version);
        let commit = Link { label: "That commit".to_owned(), href: links::commit(&place.product, &place.version, &id) };
        notices.push(Notice::new(Tone::Look, sentence).link(commit.label, commit.href));
    }
    notices.extend(no_lines(&place, told.nature, told.total == 0));
    let piece = |from: u64| format!("{own}?{query}from={from}");
    let mut before: Option<usize> = None;
    let rows = told.lines.iter().zip(lines).zip(told.first..).map(|((origin, html), number)| {
        let is_first = before.replace(origin.commit) != Some(origin.commit);
        let commit = told.commits.get(origin.commit);
        view::BlameLine {
            number,
            html,
            heat: commit.map_or(0, |commit| heat(commit.at, oldest, newest)),
            by: commit.filter(|_| is_first).map(|commit| by(&place, commit)),
        }
    });
    let rows: Vec<view::BlameLine> = rows.collect();
    let shown = rows.len() as u64;
    html(&view::BlamePage {
        shell: who.shell(portal, &title("Blame", &place), Room::Products).await?,
        location: location(who, portal, &place, false, "blame").await?,
        seal: seal(told.receipt),
        acts: acts(
            who,
            portal,
            &place,
            told.stands,
            Shown::Past { directory: false, act: if told.state == FileState::Version { "Blame" } else { "" } },
        )
        .await?,
        notices,
        lines: rows,
        pieces: (shown < told.total).then(|| Pieces {
            unit: "Lines",
            from: told.first,
            to: last,
            of: told.total,
            previous: (told.first > 1).then(|| piece(told.first.saturating_sub(shown).max(1))),
            next: (last < told.total).then(|| piece(last + 1)),
        }),
        commits: told.commits.len() as u64,
        oldest: Timestamp::from_seconds(oldest).micros(),
        newest: Timestamp::from_seconds(newest).micros(),
    })
}

/// The lines shown, highlighted.
async fn painted(portal: &AppState, told: &BlameTold<'_>, shown: (u64, u64)) -> Result<Vec<SourceHtml>, WebError> {
    if told.lines.is_empty() {
        return Ok(Vec::new());
    }
    let data = Arc::clone(&told.opened.data);
    let decoded = tokio::task::spawn_blocking(move || text::decode(&data)).await?;
    let Content::Text(text) = decoded else { return Err(WebError::internal("a text changed its nature")) };
    Ok(text_page::painted(portal, &told.opened, &Arc::new(text), shown).await)
}

fn by(place: &Place, commit: &BlameCommit) -> view::By {
    let before = |path: &RepoPath| format!("{}?before={}", links::blame(&place.product, &place.version, path.bytes()), commit.id);
    view::By { commit: line(place, commit.id, commit.at, commit.words.as_ref()), before: commit.path_before.as_ref().map(before) }
}

/// 0 for the newest.
fn heat(at: i64, oldest: i64, newest: i64) -> u8 {
    // A commit's clock may have said anything.
    let span = newest.saturating_sub(oldest).max(1);
    let step = newest.saturating_sub(at).saturating_mul(HEATS) / span.saturating_add(1);
    u8::try_from(step.clamp(0, HEATS - 1)).unwrap_or(0)
}

fn blame_json(told: &BlameTold<'_>) -> Value {
    let place = &told.opened.place;
    let commits = told.commits.iter().map(|commit| {
        let mut one = words_json(commit.id, commit.at, commit.words.as_ref());
        if let Some(fields) = one.as_object_mut() {
            fields.insert("path".to_owned(), json!(commit.path.to_string()));
            fields.insert("path_before".to_owned(), json!(commit.path_before.as_ref().map(ToString::to_string)));
        }
        one
    });
    let lines = told.lines.iter().zip(told.first..).map(|(line, number)| {
        let commit = told.commits.get(line.commit).map(|commit| commit.id.to_string());
        json!({"number": number, "commit": commit, "line": line.line})
    });
    let shown = told.lines.len() as u64;
    let next = told.first + shown;
    let state = match told.state {
        FileState::Version => String::new(),
        FileState::At(commit) => format!("at={commit}&"),
        FileState::Before(commit) => format!("before={commit}&"),
    };
    let own = links::blame(&place.product, &place.version, place.path.bytes());
    json!({
        "product": place.product, "version": place.version, "commit": place.commit, "path": place.path.to_string(),
        "blob": told.opened.blob.to_string(), "total": told.total, "commits": commits.collect::<Vec<_>>(), "lines": lines.collect::<Vec<_>>(),
        "next": (next <= told.total && shown > 0).then(|| format!("{own}?{state}from={next}")), "receipt": told.receipt,
    })
}

async fn commit_page(who: &Reader, portal: &AppState, told: CommitTold<'_>) -> Result<Response, WebError> {
    let place = told.place;
    let product = portal.catalog.product(&place.product).await?.map_or_else(|| place.product.clone(), |product| product.title);
    let own = links::commit(&place.product, &place.version, &told.id.to_string());
    let parent = |id: &ObjectId| {
        let id = id.to_string();
        Link { label: format::short(&id), href: links::commit(&place.product, &place.version, &id) }
    };
    let short = format::short(&told.id.to_string());
    let receipt: Receipt = told.receipt;
    html(&view::CommitPage {
        shell: who.shell(portal, &format!("Commit {short}"), Room::Products).await?,
        seal: seal(receipt),
        product,
        product_href: links::product(&place.product),
        version: place.version.clone(),
        root_href: links::tree(&place.product, &place.version, b""),
        history_href: links::history(&place.product, &place.version, b""),
        commit: line(place, told.id, told.at, told.words),
        body: told.words.map(|words| split(words).1).unwrap_or_default(),
        parents: told.parents.iter().map(parent).collect(),
        merge: told.merge,
        from: told.from as u64 + 1,
        total: told.total as u64,
        files: told.files.iter().map(|file| changed(place, file)).collect(),
        start: (told.from > 0 || told.files.first().is_some_and(|file| file.skipped > 0)).then(|| own.clone()),
        next: told.next.map(|(file, line)| format!("{own}?from={file}&line={line}")),
    })
}

fn changed(place: &Place, file: &crate::source::past::ToldFile) -> view::ChangedFile {
    let note = match (file.binary, file.unread) {
        (true, _) => "A binary file: its bytes are not compared here.",
        (_, true) => "Too large to be compared line by line.",
        _ if file.became == Became::Mode => "Only its mode changed, or what kind of entry it is.",
        _ if file.lines.is_empty() && file.renamed_from.is_some() => "Renamed without a change.",
        _ => "",
    };
    view::ChangedFile {
        path: file.path.to_string(),
        became: file.became.words(),
        renamed_from: file.renamed_from.as_ref().map(ToString::to_string),
        href: file.stands.then(|| links::file(&place.product, &place.version, file.path.bytes())),
        history: links::history(&place.product, &place.version, file.path.bytes()),
        note,
        added: file.added,
        removed: file.removed,
        lines: diff(&file.lines),
        skipped: file.skipped as u64,
        left: file.left as u64,
    }
}

fn commit_json(told: &CommitTold<'_>) -> Value {
    let place = told.place;
    let file = |file: &crate::source::past::ToldFile| {
        json!({
            "path": file.path.to_string(), "renamed_from": file.renamed_from.as_ref().map(ToString::to_string),
            "change": file.became.words(), "binary": file.binary, "unread": file.unread, "added": file.added, "removed": file.removed,
            "skipped": file.skipped, "left": file.left, "lines": diff_json(&file.lines),
        })
    };
    let mut body = words_json(told.id, told.at, told.words);
    if let Some(fields) = body.as_object_mut() {
        let own = links::commit(&place.product, &place.version, &told.id.to_string());
        fields.insert("product".to_owned(), json!(place.product));
        fields.insert("version".to_owned(), json!(place.version));
        fields.insert("message".to_owned(), json!(told.words.map(|words| String::from_utf8_lossy(&words.message).into_owned())));
        fields.insert("parents".to_owned(), json!(told.parents.iter().map(ToString::to_string).collect::<Vec<_>>()));
        fields.insert("total".to_owned(), json!(told.total));
        fields.insert("files".to_owned(), Value::Array(told.files.iter().map(file).collect()));
        fields.insert("next".to_owned(), json!(told.next.map(|(file, line)| format!("{own}?from={file}&line={line}"))));
        fields.insert("receipt".to_owned(), json!(told.receipt));
    }
    body
}
