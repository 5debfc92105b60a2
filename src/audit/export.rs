//! The log as files: what it publishes, for verifiers, or its entries in words, for people and their programs.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

use super::entry::Entry;
use super::handover::HANDOVERS_FILE;
use super::keys::file_error;
use super::tiles::{Resource, WIDTH, nodes_at};
use super::{Artefacts, AuditError, Context, Directory, Draft, Kind, Log, Outcome, PERSONAL_FILE, VKEY_FILE, durable_file, opening};
use crate::ids::AgencyId;

/// Entries read at a time.
const PAGE: u64 = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A directory with checkpoint, tiles, entry bundles, personal parts and the verifier key.
    Tiles,
    /// A file with one JSON object a line.
    JsonLines,
    /// A file with one row an entry.
    Csv,
}

impl Format {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tiles => "tiles",
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
        }
    }
}

/// Records that the log is exported, then writes all of it up to there to `to`. `progress` is told how many entries of how
/// many have been written. Returns their number.
///
/// # Errors
/// When that cannot be recorded, the log not be read, or the files not be written; also when `to` holds another log.
pub async fn export(
    log: &Log,
    draft: Draft,
    context: &Context,
    format: Format,
    to: &Path,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<u64, AuditError> {
    if format == Format::Tiles {
        refuse_other_log(log, to)?;
    }
    log.append(draft.fact("format", format.as_str()), context).await?;
    match format {
        Format::Tiles => tiles(log, to, progress).await,
        Format::JsonLines => lines(log, to, None, jsonl_line, progress).await,
        Format::Csv => lines(log, to, Some(csv_header()), csv_line, progress).await,
    }
}

impl Draft {
    /// That the log is exported by the operator of the machine, who is known to no account.
    #[must_use]
    pub fn exported_by_operator() -> Self {
        Self::new(Kind::AuditExported, Outcome::Done).fact("by", "command line")
    }
}

async fn tiles(log: &Log, to: &Path, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<u64, AuditError> {
    let (size, note) = log.shared.published().await?;
    make_directory(to)?;
    let mut personal = create(&to.join(PERSONAL_FILE))?;
    for number in 0..size.div_ceil(WIDTH) {
        let from = number * WIDTH;
        let end = size.min(from + WIDTH);
        let width = u8::try_from(end - from).ok();
        let hashes = log.tile(0, number, width).await?;
        let bundle = log.entry_bundle(number, width).await?;
        write(to, Resource::tile(0, number, size), hashes)?;
        write(to, Resource::entries(number, size), bundle)?;
        for entry in log.entries(from, end).await? {
            if let Some(beside) = &entry.beside {
                let line = format!("{{\"index\":{},\"personal\":{beside}}}\n", entry.index);
                personal.write_all(line.as_bytes()).map_err(|e| file_error(to, e))?;
            }
        }
        progress(end, size);
    }
    for level in 1..=7_u8 {
        let count = nodes_at(level.into(), size);
        for number in 0..count.div_ceil(WIDTH) {
            let width = u8::try_from((count - number * WIDTH).min(WIDTH)).ok();
            write(to, Resource::tile(level, number, count), log.tile(level, number, width).await?)?;
        }
    }
    finish(personal, to)?;
    if !log.handovers().is_empty() {
        let handovers = to.join(HANDOVERS_FILE);
        durable_file::replace(&handovers, log.handovers().as_bytes()).map_err(|e| file_error(&handovers, e))?;
    }
    let key = format!("{}\n", log.public_key());
    durable_file::replace(&to.join(VKEY_FILE), key.as_bytes()).map_err(|e| file_error(to, e))?;
    // Last, so that a directory with a checkpoint has all that belongs to it, whatever happens to the machine.
    durable_file::sync_below(to).map_err(|e| file_error(to, e))?;
    let checkpoint = to.join(Resource::Checkpoint.to_string());
    durable_file::replace(&checkpoint, note.as_bytes()).map_err(|e| file_error(&checkpoint, e))?;
    Ok(size)
}

fn write(to: &Path, resource: Option<Resource>, bytes: Option<Vec<u8>>) -> Result<(), AuditError> {
    let (Some(resource), Some(bytes)) = (resource, bytes) else {
        return Err(opening::refuse("a tile of the tree is missing".to_owned()));
    };
    let file = to.join(resource.to_string());
    make_directory(file.parent().unwrap_or(to))?;
    fs::write(&file, bytes).map_err(|e| file_error(&file, e))
}

async fn lines(
    log: &Log,
    to: &Path,
    header: Option<String>,
    line: fn(&Entry) -> String,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<u64, AuditError> {
    let size = log.size().await?;
    let mut file = create(to)?;
    let put = |file: &mut BufWriter<File>, text: String| file.write_all(text.as_bytes()).map_err(|e| file_error(to, e));
    if let Some(header) = header {
        put(&mut file, header)?;
    }
    let mut next = 0;
    while next < size {
        let page = log.entries(next, size.min(next + PAGE)).await?;
        if page.is_empty() {
            return Err(opening::refuse(format!("the entry {next} is missing")));
        }
        for entry in page {
            put(&mut file, line(&entry))?;
            next = entry.index + 1;
        }
        progress(next, size);
    }
    finish(file, to)?;
    Ok(size)
}

/// The columns of a CSV export, and the fields of a JSON Lines export but for `facts`, which stay an object there.
pub const ROW_NAMES: [&str; 27] = [
    "index",
    "at",
    "kind",
    "what",
    "outcome",
    "name",
    "email",
    "role",
    "account",
    "agency",
    "agency_name",
    "session",
    "product",
    "version",
    "commit",
    "path",
    "path_hex",
    "blob",
    "lines",
    "entitlement",
    "agreement",
    "request",
    "address",
    "user_agent",
    "query",
    "facts",
    "leaf",
];

/// The first line of a CSV export.
#[must_use]
pub fn csv_header() -> String {
    format!("{}\r\n", ROW_NAMES.join(","))
}

/// An entry as a row of CSV (RFC 4180). Fields that a spreadsheet would take for a formula begin with an apostrophe.
#[must_use]
pub fn csv_line(entry: &Entry) -> String {
    let fields = row(entry).map(|field| match field {
        Value::Null => String::new(),
        Value::String(text) => csv_field(&text),
        other => csv_field(&other.to_string()),
    });
    format!("{}\r\n", fields.join(","))
}

/// An entry as a line of JSON. What is absent is left out.
#[must_use]
pub fn jsonl_line(entry: &Entry) -> String {
    let fields = ROW_NAMES.iter().zip(row(entry)).filter(|(_, value)| !value.is_null());
    let object: Map<String, Value> = fields.map(|(name, value)| ((*name).to_owned(), value)).collect();
    format!("{}\n", Value::Object(object))
}

/// The fields in the order of [`ROW_NAMES`].
fn row(entry: &Entry) -> [Value; 27] {
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    let actor = entry.actor.as_ref();
    let place = entry.place.as_ref();
    let path = place.and_then(|p| p.path.as_ref());
    let lines = place.and_then(|p| p.lines).map(|(from, to)| format!("{from}-{to}"));
    let personal = entry.personal.clone().unwrap_or_default();
    let facts = if entry.facts.is_empty() { Value::Null } else { Value::Object(entry.facts.clone()) };
    [
        json!(entry.index),
        json!(entry.at.to_string()),
        json!(entry.kind.as_str()),
        json!(entry.kind.words()),
        json!(entry.outcome.as_str()),
        text(personal.name.as_deref()),
        text(personal.email.as_deref()),
        text(actor.map(|a| a.role.as_str())),
        text(actor.map(|a| a.account.as_str())),
        text(actor.and_then(|a| a.agency.as_ref()).map(AgencyId::as_str)),
        text(personal.agency_name.as_deref()),
        text(actor.and_then(|a| a.session.as_deref())),
        text(place.map(|p| p.product.as_str())),
        text(place.and_then(|p| p.version.as_deref())),
        text(place.and_then(|p| p.commit.as_deref())),
        text(path.map(|p| p.text.as_str())),
        text(path.and_then(|p| p.hex.as_deref())),
        text(place.and_then(|p| p.blob.as_deref())),
        text(lines.as_deref()),
        text(entry.basis.as_ref().map(|b| b.entitlement.as_str())),
        text(entry.basis.as_ref().map(|b| b.agreement.as_str())),
        json!(entry.request.as_str()),
        text(personal.address.as_deref()),
        text(personal.user_agent.as_deref()),
        text(personal.query.as_deref()),
        facts,
        json!(HEXLOWER.encode(&entry.leaf)),
    ]
}

/// A field of CSV (RFC 4180), in quotes where it needs them. What a spreadsheet would take for a formula begins with an apostrophe.
#[must_use]
pub fn csv_field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    if guard.is_empty() && !text.contains([',', '"', '\r', '\n']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

fn refuse_other_log(log: &Log, to: &Path) -> Result<(), AuditError> {
    let there = Directory(to.to_owned()).get(VKEY_FILE).map_err(|e| file_error(to, io::Error::other(e)))?;
    let own: Vec<String> = log.shared.key.keys().all().iter().map(ToString::to_string).collect();
    match there.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()) {
        Some(other) if !own.contains(&other) => Err(AuditError::Inconsistent {
            found: format!("{} holds the export of another log, with the key {other}", to.display()),
            remedy: "Export to a directory of its own".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn make_directory(path: &Path) -> Result<(), AuditError> {
    fs::create_dir_all(path).map_err(|e| file_error(path, e))
}

fn create(path: &Path) -> Result<BufWriter<File>, AuditError> {
    Ok(BufWriter::new(File::create(path).map_err(|e| file_error(path, e))?))
}

fn finish(mut file: BufWriter<File>, path: &Path) -> Result<(), AuditError> {
    let flushed = file.flush().and_then(|()| file.get_ref().sync_all());
    flushed.and_then(|()| durable_file::sync_directory(path)).map_err(|e| file_error(path, e))
}
