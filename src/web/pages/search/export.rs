//! All that a query matches, as a file: complete, or visibly broken off. Each part is recorded before a byte of it leaves.

use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::mpsc;

use super::{EXHAUSTIVE, edit, results};
use crate::access::{Readable, Scoped};
use crate::accounts::AccountError;
use crate::audit::{Receipt, csv_field};
use crate::search::{FileHit, LineHit, PageRequest, Query, Results, Sealed, Type};
use crate::web::AppState;
use crate::web::allowance::{Turn, Wait};
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::Pieces;

/// Paths looked for at a time; at first few, so that the file begins soon.
const PATHS: usize = 500;
const FIRST_PATHS: usize = 20;
/// Lines of one file, and files of one path: more than there are. A file that has more breaks the export off.
const LINES: usize = 10_000;
const STATES: usize = 1_000;
/// Pieces that wait for a slow reader.
const WAITING: usize = 2;
/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

const COLUMNS: &str = "product,oldest_version,newest_version,versions,path,blob,line,text,bytes_cut_before,bytes_cut_behind";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }
}

/// Why an export ended before its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{}", if matches!(.0, crate::audit::LogUnavailable::Unwitnessed { .. }) { "the record has not been witnessed" } else { "the record cannot be written" })]
    Unrecordable(#[from] crate::audit::LogUnavailable),
    #[error("what may be read changed")]
    Rights,
    #[error("the index was replaced by a newer one")]
    Index,
    #[error("not every file could be looked into in time")]
    Unfinished,
    #[error("a file has more matching lines than an export takes")]
    TooManyLines,
    #[error("the session ended")]
    Session,
    #[error("the reader went away")]
    Gone,
    #[error("{0}")]
    Failed(String),
}

impl From<WebError> for Broken {
    fn from(error: WebError) -> Self {
        Self::Failed(format!("{error:?}"))
    }
}

pub(in crate::web::pages) async fn export(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let text = who.visit.parameter("q");
    let format = match who.visit.parameter("format").as_str() {
        "csv" => Format::Csv,
        "jsonl" => Format::JsonLines,
        _ => return Err(WebError::BadRequest("There is no such form of export. There are csv and jsonl.".to_owned())),
    };
    let query = Query::parse(&text).map_err(|error| WebError::BadRequest(format!("{}. {}", error.message, error.hint)))?;
    if !matches!(query.kind(), Type::File | Type::Path) {
        return Err(WebError::BadRequest("What is found in files and their names can be exported. Leave out type:.".to_owned()));
    }
    let _by = who.step_up(&portal, &who.visit.address, "export what a search finds")?;
    // Every page is looked for until it is full, and the pages are all there is: nothing has to be counted besides.
    let asked = edit::set(&text, "count", None).unwrap_or_else(|| text.clone());
    let turn = portal.allowance.turn(who.principal.account()).await?;
    let scoped = scope(&who, &portal, &asked).await?;
    let export = Export {
        generations: generations(&portal, scoped.products()),
        rights: scoped.products().to_vec(),
        portal: Arc::clone(&portal),
        format,
        text,
        asked,
        offset: 0,
        paths: 0,
        lines: 0,
        who,
    };
    // The first part, or the whole, is recorded before the status line: when the log cannot take it, the answer is 503.
    let sealed = results::run(&portal, Arc::new(scoped), export.text.clone(), export.page(), EXHAUSTIVE, turn).await?;
    let (first, receipt) = export.record(sealed).await?;
    let head = export.head(&first, receipt);
    let (to, pieces) = mpsc::channel(WAITING);
    let (mime, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "search.csv"),
        Format::JsonLines => ("application/jsonl; charset=utf-8", "search.jsonl"),
    };
    tokio::spawn(async move {
        if let Err(cause) = export.write(head, first, &to).await {
            tracing::warn!(%cause, "an export of a search broke off");
            // Without an end the part never passes for the whole.
            let _ = to.send(Err(BoxError::from(cause))).await;
        }
    });
    let headers = [(header::CONTENT_TYPE, mime.to_owned()), (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))];
    Ok((headers, Body::from_stream(Pieces(pieces))).into_response())
}

async fn scope(who: &Reader, portal: &AppState, asked: &str) -> Result<Scoped<Query>, WebError> {
    let query = Query::parse(asked).map_err(|error| WebError::BadRequest(error.to_string()))?;
    Ok(portal.gate.scope(&who.principal, query).await?)
}

struct Export {
    who: Reader,
    portal: AppState,
    format: Format,
    /// As typed, and as it is run.
    text: String,
    asked: String,
    rights: Vec<Readable>,
    generations: Vec<Option<u64>>,
    offset: usize,
    paths: u64,
    lines: u64,
}

type To = mpsc::Sender<Result<Bytes, BoxError>>;

impl Export {
    fn page(&self) -> PageRequest {
        let limit = if self.offset == 0 { FIRST_PATHS } else { PATHS };
        PageRequest { offset: self.offset, limit, lines_per_file: LINES, context: 0, states_per_path: STATES }
    }

    async fn record(&self, sealed: Sealed<Results>) -> Result<(Results, Receipt), crate::audit::LogUnavailable> {
        let sealed = sealed.noting("exported", self.format.name());
        Ok(Sealed::open(self.portal.log.record(sealed, &self.who.visit.context).await?))
    }

    async fn write(mut self, head: String, first: Results, to: &To) -> Result<(), Broken> {
        send(to, head).await?;
        let mut part = first;
        loop {
            self.rows(&part, to).await?;
            let Some(next) = part.next else { break };
            self.offset = next;
            part = self.next(to).await?;
        }
        if part.searched_files < part.scope_files {
            return Err(Broken::Unfinished);
        }
        send(to, self.end()).await
    }

    /// The next part, if the same person may still read the same of the same index.
    async fn next(&self, to: &To) -> Result<Results, Broken> {
        let turn = tokio::select! {
            turn = self.turn() => turn,
            () = to.closed() => return Err(Broken::Gone),
        };
        let principal = self
            .portal
            .accounts
            .principal(&self.who.visit.session, self.who.visit.context.address.as_deref())
            .await
            .map_err(|error: AccountError| WebError::from(error))?;
        if principal.is_none_or(|principal| principal.account() != self.who.principal.account()) {
            return Err(Broken::Session);
        }
        let scoped = scope(&self.who, &self.portal, &self.asked).await?;
        if !same_rights(&self.rights, scoped.products()) {
            return Err(Broken::Rights);
        }
        let run = results::run(&self.portal, Arc::new(scoped), self.text.clone(), self.page(), EXHAUSTIVE, turn);
        let sealed = tokio::select! {
            sealed = run => sealed?,
            () = to.closed() => return Err(Broken::Gone),
        };
        if generations(&self.portal, &self.rights) != self.generations {
            return Err(Broken::Index);
        }
        Ok(self.record(sealed).await?.0)
    }

    /// An export goes on as fast as its reader's allowance comes back.
    async fn turn(&self) -> Turn {
        loop {
            match self.portal.allowance.turn(self.who.principal.account()).await {
                Ok(turn) => return turn,
                Err(Wait::Busy) => tokio::time::sleep(Duration::from_secs(1)).await,
                Err(Wait::Spent(wait)) => tokio::time::sleep(wait).await,
            }
        }
    }

    async fn rows(&mut self, part: &Results, to: &To) -> Result<(), Broken> {
        let mut piece = String::new();
        for hit in &part.hits {
            if hit.more_states > 0 || hit.states.iter().any(|state| state.total_lines > state.lines.len() as u64) {
                return Err(Broken::TooManyLines);
            }
            self.paths += 1;
            for state in &hit.states {
                for line in &state.lines {
                    self.lines += 1;
                    piece.push_str(&row(self.format, state, Some(line)));
                }
                if state.lines.is_empty() {
                    piece.push_str(&row(self.format, state, None));
                }
                if piece.len() > PIECE {
                    send(to, std::mem::take(&mut piece)).await?;
                }
            }
        }
        send(to, piece).await
    }

    /// What the file is: the first line.
    fn head(&self, first: &Results, receipt: Receipt) -> String {
        let at = self.portal.clock.now().to_string();
        let versions: Vec<String> =
            first.coverage.iter().flat_map(|one| one.versions.iter().map(|version| format!("{} {version}", one.product))).collect();
        let not_indexed: Vec<String> = first.not_indexed.iter().map(|one| format!("{} {}", one.product, one.version)).collect();
        match self.format {
            Format::JsonLines => {
                let head = json!({
                    "query": self.text, "at": at, "entry": receipt.index, "receipt": receipt, "versions": versions,
                    "files": first.scope_files, "not_indexed": not_indexed, "unread": first.unread_files,
                });
                format!("{head}\n")
            }
            Format::Csv => {
                let entry = receipt.index.to_string();
                let (files, unread) = (first.scope_files.to_string(), first.unread_files.to_string());
                let (versions, not_indexed) = (versions.join(" "), not_indexed.join(" "));
                let pairs = [
                    ("query", self.text.as_str()),
                    ("at", &at),
                    ("entry", &entry),
                    ("files", &files),
                    ("versions", &versions),
                    ("not_indexed", &not_indexed),
                    ("unread", &unread),
                ];
                let fields: Vec<String> = pairs.iter().flat_map(|(name, value)| [(*name).to_owned(), csv_field(value)]).collect();
                format!("{}\r\n{COLUMNS}\r\n", fields.join(","))
            }
        }
    }

    /// That this was all: the last line.
    fn end(&self) -> String {
        match self.format {
            Format::JsonLines => format!("{}\n", json!({"end": true, "paths": self.paths, "lines": self.lines})),
            Format::Csv => format!("end,paths,{},lines,{}\r\n", self.paths, self.lines),
        }
    }
}

async fn send(to: &To, text: String) -> Result<(), Broken> {
    if text.is_empty() {
        return Ok(());
    }
    to.send(Ok(Bytes::from(text))).await.map_err(|_| Broken::Gone)
}

/// A matching line; or a file whose name alone matches.
fn row(format: Format, state: &FileHit, line: Option<&LineHit>) -> String {
    let (newest, oldest) = (state.versions.first().cloned().unwrap_or_default(), state.versions.last().cloned().unwrap_or_default());
    let (path, blob) = (state.path.to_string(), state.blob.to_string());
    match format {
        Format::JsonLines => {
            let cut = line.map(|line| [line.cut_front, line.cut_back]).filter(|cut| *cut != [0, 0]);
            let versions = if state.versions.len() > 1 { vec![oldest, newest] } else { vec![newest] };
            let row = json!({
                "product": state.product, "versions": versions, "count": state.versions.len(), "path": path, "blob": blob,
                "line": line.map(|line| line.number), "text": line.map(|line| &line.text), "ranges": line.map(|line| &line.ranges), "cut": cut,
            });
            format!("{row}\n")
        }
        Format::Csv => {
            let number = |number: u64| number.to_string();
            let of_line = line.map_or_else(Default::default, |line| {
                [number(line.number), csv_field(&line.text), number(line.cut_front as u64), number(line.cut_back as u64)]
            });
            let place = [&state.product, &oldest, &newest].map(|text| csv_field(text));
            let place = place.into_iter().chain([number(state.versions.len() as u64), csv_field(&path), blob]).chain(of_line);
            format!("{}\r\n", place.collect::<Vec<_>>().join(","))
        }
    }
}

/// Which generation of each product's index is served.
fn generations(portal: &AppState, products: &[Readable]) -> Vec<Option<u64>> {
    products.iter().map(|one| portal.indexes.get(&one.product.name).map(|index| index.generation())).collect()
}

fn same_rights(one: &[Readable], other: &[Readable]) -> bool {
    let same_version = |a: &crate::access::ReadableVersion, b: &crate::access::ReadableVersion| {
        a.name == b.name && a.commit == b.commit && a.scopes == b.scopes
    };
    let same = |a: &Readable, b: &Readable| {
        a.product.name == b.product.name
            && a.versions.len() == b.versions.len()
            && a.versions.iter().zip(&b.versions).all(|(a, b)| same_version(a, b))
    };
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
}
