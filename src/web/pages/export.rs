//! The log as a file, for people and their programs. What proves it whole is made by the command line.

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::audit::filter::Wanted;
use super::audit::{Parameters, agencies, checkpoint_view, products, wanted};
use super::receipts;
use crate::accounts::done_by;
use crate::audit::{AuditError, Entry, Filter, Kind, Log, Outcome, Refusals, csv_header, csv_line, jsonl_line};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::{Auditing, SignedIn};
use crate::web::page::{Pieces, html};
use crate::web::views::audit::{ExportFormat, ExportPage};
use crate::web::views::shell::{Notice, Place, Tone};

/// Entries read at a time. An entry has 64 KiB at most, and its personal part less: few megabytes are held at once.
const READ: usize = 100;
/// Pieces that wait for a slow reader.
const WAITING: usize = 2;

/// What a form of export is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    JsonLines,
    Csv,
    Receipts,
    /// Explained here, and made by the command line: it is a directory, and the proof of all entries.
    Tiles,
}

impl Format {
    const ALL: [Self; 4] = [Self::JsonLines, Self::Csv, Self::Receipts, Self::Tiles];

    fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Receipts => "receipts",
            Self::Tiles => "tiles",
        }
    }

    fn view(self) -> ExportFormat {
        let (title, says) = match self {
            Self::JsonLines => ("JSON Lines", "One object a line, newest first, for programs."),
            Self::Csv => ("CSV", "One row an entry, newest first, for spreadsheets."),
            Self::Receipts => {
                ("Receipts", "Each entry with its proof, newest first, for a person or an agency to keep. No names or addresses.")
            }
            Self::Tiles => ("Proof of the whole log", "Checkpoint, tiles and entries, for verifiers. Shows the command that makes it."),
        };
        ExportFormat { value: self.name().to_owned(), title: title.to_owned(), says: says.to_owned() }
    }
}

pub(super) async fn export(who: Auditing, State(portal): State<AppState>, Query(parameters): Parameters) -> Result<Response, WebError> {
    let format = parameters.iter().find(|(name, _)| name == "format").map(|(_, value)| value.clone());
    let wanted = wanted(&portal, parameters).await?;
    let Some(format) = format else { return page(&who, &portal, wanted, None).await };
    let Some(format) = Format::ALL.into_iter().find(|known| known.name() == format) else {
        let problem = "There is no such form of export. There are jsonl, csv, receipts and tiles.".to_owned();
        return page(&who, &portal, wanted, Some(problem)).await;
    };
    let chosen = match wanted.read() {
        Ok(chosen) => chosen,
        Err(problem) => return page(&who, &portal, wanted, Some(problem)).await,
    };
    if format == Format::Tiles {
        return command(&who, &portal, wanted).await;
    }
    let by = who.step_up(&portal, &who.visit.address, "export the log")?;
    let mut draft = done_by(by.principal(), Kind::AuditExported).fact("format", format.name());
    draft.outcome = Outcome::Permitted;
    let receipt = portal.log.append(chosen.describe(draft, &wanted), &who.visit.context).await?;
    // Everything before the entry that says so, and not what is still to come while this is sent.
    let before = Some(chosen.filter.before.map_or(receipt.index, |before| before.min(receipt.index)));
    let filter = Filter { before, ..chosen.filter };
    match format {
        Format::Receipts => receipts::file(&portal.log, filter, Refusals::Whole).await,
        _ => Ok(file(format, portal.log.clone(), filter)),
    }
}

async fn page(who: &SignedIn, portal: &AppState, wanted: Wanted, problem: Option<String>) -> Result<Response, WebError> {
    if let Some(problem) = problem.as_ref().filter(|_| who.visit.wants_json) {
        return Err(WebError::BadRequest(problem.clone()));
    }
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = view(who, portal, wanted, problem).await?;
    Ok((status, html(&page)?).into_response())
}

async fn view(who: &SignedIn, portal: &AppState, wanted: Wanted, problem: Option<String>) -> Result<ExportPage, WebError> {
    Ok(ExportPage {
        shell: who.shell(portal, "Export the log", Place::Exports).await?,
        checkpoint: checkpoint_view(portal).await?,
        formats: Format::ALL.map(Format::view).into(),
        filter: wanted.into_values(),
        agencies: agencies(portal).await?,
        products: products(portal).await?,
        problem,
    })
}

/// How the proof of the whole log is made, which is a directory and not a file.
async fn command(who: &SignedIn, portal: &AppState, wanted: Wanted) -> Result<Response, WebError> {
    let mut page = view(who, portal, wanted, None).await?;
    let text = "The proof is a directory with every entry, so it is made where the portal runs: \
                lectern audit export --format tiles --out DIRECTORY. Without it, anyone can verify the portal itself: ";
    page.shell.flash = Some(Notice::new(Tone::Look, format!("{text}{}", page.checkpoint.verify_command)));
    html(&page)
}

/// The entries as a file that is made while it is sent. A reader who goes away ends it; an error breaks it off, so that a
/// part never passes for the whole.
fn file(format: Format, log: Log, filter: Filter) -> Response {
    let (to, pieces) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        if let Err(error) = write(format, &log, filter, &to).await {
            tracing::error!(%error, "an export broke off");
            // When nobody waits for it any more, nobody needs to be told.
            let _ = to.send(Err(error)).await;
        }
    });
    let (mime, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "audit-log.csv"),
        _ => ("application/jsonl; charset=utf-8", "audit-log.jsonl"),
    };
    let headers = [(header::CONTENT_TYPE, mime.to_owned()), (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))];
    (headers, Body::from_stream(Pieces(pieces))).into_response()
}

type Piece = Result<Bytes, AuditError>;

async fn write(format: Format, log: &Log, mut filter: Filter, to: &mpsc::Sender<Piece>) -> Result<(), AuditError> {
    let line: fn(&Entry) -> String = if format == Format::Csv { csv_line } else { jsonl_line };
    let mut piece = if format == Format::Csv { csv_header() } else { String::new() };
    loop {
        let page = log.list(&filter, READ).await?;
        for entry in &page.entries {
            piece.push_str(&line(entry));
        }
        if to.send(Ok(Bytes::from(std::mem::take(&mut piece)))).await.is_err() || page.next.is_none() {
            return Ok(());
        }
        filter.before = page.next;
    }
}
