//! What every response gave away, and whether the log says so.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use git2::FileMode;
use lectern::accounts::Role;
use lectern::audit::fsck::{Trust, fsck};
use lectern::audit::{Entry, Health, Kind, Own, Shown};
use lectern::queue::Queue;

use super::library::{CANARY, Library, Piece};

/// One response, as far as it matters here.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) account: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) what: String,
    /// Whether the page is one that a record is made for each time it is shown.
    pub(crate) source: bool,
    /// The log's size before the request and after the response.
    pub(crate) window: (u64, u64),
    pub(crate) canaries: BTreeSet<String>,
    /// Indexes of pieces whose names stood in it, though the request did not name them.
    pub(crate) names: BTreeSet<String>,
}

#[derive(Default)]
pub(crate) struct Witness {
    sightings: Mutex<Vec<Sighting>>,
}

/// Names that are said by others, too.
fn is_telling(name: &str) -> bool {
    !name.starts_with("README") && !name.starts_with('.')
}

/// The canaries in a body, as it is and as it reads without its markup.
pub(crate) fn canaries_in(body: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut bare = Vec::with_capacity(body.len());
    let mut inside = false;
    for &byte in body {
        match byte {
            b'<' => inside = true,
            b'>' if inside => inside = false,
            _ if !inside => bare.push(byte),
            _ => {}
        }
    }
    for text in [body, &bare] {
        for at in memchr_all(text, b"CANARY-") {
            if let Some(canary) = text.get(at..at + CANARY)
                && canary[7..].iter().all(u8::is_ascii_hexdigit)
            {
                found.insert(String::from_utf8_lossy(canary).into_owned());
            }
        }
    }
    found
}

fn memchr_all<'a>(text: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = word[0];
    text.iter().enumerate().filter(move |&(at, &byte)| byte == first && text[at..].starts_with(word)).map(|(at, _)| at)
}

impl Witness {
    pub(crate) fn see(&self, library: &Library, mut sighting: Sighting, body: &[u8], asked: &str) {
        sighting.canaries = canaries_in(body);
        let text = String::from_utf8_lossy(body);
        let plain = text.replace("&#38;", "&").replace("\\\\", "\\");
        let names: BTreeSet<String> = library.pieces.iter().map(Piece::name).filter(|name| is_telling(name)).collect();
        sighting.names = names.into_iter().filter(|name| plain.contains(name.as_str()) && !asked.contains(name.as_str())).collect();
        self.sightings.lock().unwrap().push(sighting);
    }

    /// Everything that must hold when a test is over; the sentences say what does not.
    pub(crate) async fn check(&self, rooms: &Arc<lectern::web::Portal>, library: &Library) -> Vec<String> {
        let mut wrong = Vec::new();
        if rooms.log.health() != Health::Open {
            wrong.push(format!("the log is not open: {:?}", rooms.log.health()));
        }
        let own = Own { log: rooms.log.clone(), runtime: tokio::runtime::Handle::current() };
        let trust = Trust { keys: rooms.log.public_key().clone().into(), policy: None, kept: Vec::new(), receipts: Vec::new() };
        let size = rooms.log.size().await.unwrap();
        match tokio::task::spawn_blocking(move || fsck(&own, &trust, &mut |_, _| {})).await.unwrap() {
            Ok(report) if report.size >= size && report.entries == report.size => {}
            Ok(report) => wrong.push(format!("fsck saw {} of {size} entries", report.entries)),
            Err(error) => wrong.push(format!("fsck: {error}")),
        }
        let queue = Queue::new(rooms.database.clone(), Arc::clone(&rooms.clock), rooms.entropy.clone());
        let given_up = queue.given_up().await.unwrap();
        if given_up > 0 {
            wrong.push(format!("{given_up} jobs were given up"));
        }
        if rooms.log.health() == Health::Open
            && let Some(index) = rooms.log.check_listing().await.unwrap()
        {
            wrong.push(format!("the entry {index} is not listed as it is"));
        }
        // Of the log itself: what a portal whose storage failed wrote last may not be listed.
        let mut entries = Vec::new();
        loop {
            let page = rooms.log.entries(entries.len() as u64, u64::MAX).await.unwrap();
            if page.is_empty() {
                break;
            }
            entries.extend(page);
        }
        entries.reverse();
        let sightings = self.sightings.lock().unwrap().clone();
        for sighting in &sightings {
            check_one(library, sighting, &entries, &mut wrong);
        }
        wrong
    }
}

fn check_one(library: &Library, sighting: &Sighting, entries: &[Entry], wrong: &mut Vec<String>) {
    let by = |entry: &&Entry| {
        let account = entry.actor.as_ref().map(|actor| actor.account.as_str());
        account.is_some() && account == sighting.account.as_deref()
    };
    let within = |entry: &&Entry| sighting.window.0 <= entry.index && entry.index < sighting.window.1;
    let fresh: Vec<&Entry> = entries.iter().filter(by).filter(within).collect();
    let earlier: Vec<&Entry> = entries.iter().filter(by).filter(|entry| entry.index < sighting.window.1).collect();
    for canary in &sighting.canaries {
        let Some(places) = library.canaries.get(canary) else {
            wrong.push(format!("{}: {canary} stands in no file", sighting.what));
            continue;
        };
        let recorded = places.iter().any(|&at| fresh.iter().any(|entry| shows(library, entry, &library.pieces[at])));
        if !recorded {
            let piece = &library.pieces[places[0]];
            wrong.push(format!(
                "{}: {:?} saw {} of {} {}, and no entry of that request says so",
                sighting.what,
                sighting.account,
                piece.path_text(),
                piece.product,
                piece.version
            ));
        }
    }
    if sighting.role == Some(Role::Auditor) || sighting.what.contains(" /transparency/tile/entries/") {
        // Auditors, and whoever verifies with the token, read the log, where the names of what was read stand.
        return;
    }
    let covering = if sighting.source { &fresh } else { &earlier };
    for name in &sighting.names {
        let mut pieces = library.pieces.iter().filter(|piece| piece.name() == *name);
        if !pieces.any(|piece| covering.iter().any(|entry| names(library, entry, piece))) {
            wrong.push(format!("{}: {:?} saw the name {name}, and no entry says so", sighting.what, sighting.account));
        }
    }
}

/// Whether this entry says that the piece's content was shown.
fn shows(library: &Library, entry: &Entry, piece: &Piece) -> bool {
    match entry.kind {
        Kind::FileOpened => entry.place.as_ref().is_some_and(|place| {
            place.product == piece.product
                && place.version.as_deref() == Some(piece.version)
                && place.blob.as_deref() == Some(piece.object.as_str())
                && place.path.as_ref().is_some_and(|path| is_path(&path.text, path.hex.as_deref(), &piece.path))
        }),
        // Who wrote each line: the state that stands in the version, or the one a commit left or found.
        Kind::BlameViewed => entry.place.as_ref().is_some_and(|place| {
            place.product == piece.product
                && place.blob.as_deref() == Some(piece.object.as_str())
                && place.path.as_ref().is_some_and(|path| is_path(&path.text, path.hex.as_deref(), &piece.path))
        }),
        Kind::Searched | Kind::DiffViewed | Kind::HistoryViewed | Kind::SymbolViewed => places(entry).iter().any(|shown| {
            let state = match &shown.commit {
                // Of history: what a commit did to the file.
                Some(commit) => library.touches(commit, piece),
                None => {
                    shown.versions.iter().any(|version| version == piece.version) && shown.blob.as_deref() == Some(piece.object.as_str())
                }
            };
            shown.product == piece.product && state && is_path(&shown.path.text, shown.path.hex.as_deref(), &piece.path)
        }),
        _ => false,
    }
}

/// Whether this entry says that the piece's name was disclosed: by a listing, by itself, or within another's content.
fn names(library: &Library, entry: &Entry, piece: &Piece) -> bool {
    let name = piece.name();
    let tells = |other: &Piece| {
        let text = other.text.as_deref().unwrap_or_default();
        other.product == piece.product && (text.contains(&name) || (other.mode == FileMode::Link && other.bytes.ends_with(name.as_bytes())))
    };
    if library
        .pieces
        .iter()
        .any(|other| (other.path == piece.path && other.product == piece.product || tells(other)) && shows(library, entry, other))
    {
        return true;
    }
    if entry.kind == Kind::DiffViewed && compared(entry, piece, &tells, library) {
        return true;
    }
    // A history names the file it is of, and what that was called before; a preview of a grant, what stands out.
    let mut others = places(entry).into_iter().map(|shown| (shown.product, shown.path));
    if matches!(entry.kind, Kind::HistoryViewed | Kind::BlameViewed | Kind::DiffViewed | Kind::EntitlementPreviewed)
        && others.any(|(product, path)| product == piece.product && is_path(&path.text, path.hex.as_deref(), &piece.path))
    {
        return true;
    }
    let Some(place) = entry.place.as_ref().filter(|place| entry.kind == Kind::TreeListed && place.product == piece.product) else {
        return false;
    };
    let Some(path) = &place.path else { return false };
    let version = place.version.as_deref();
    // A listing shows where its links point, too.
    let links = library.pieces.iter().filter(|other| other.mode == FileMode::Link && tells(other));
    let listed = |other: &Piece| version == Some(other.version) && is_path(&path.text, path.hex.as_deref(), &other.directory());
    listed(piece) || links.into_iter().any(listed)
}

/// Whether a comparison named the piece, or a file that holds its name, among what differs.
fn compared(entry: &Entry, piece: &Piece, tells: &dyn Fn(&Piece) -> bool, library: &Library) -> bool {
    let named = |other: &Piece| {
        places(entry).iter().any(|shown| {
            shown.product == other.product
                && shown.versions.iter().any(|version| version == other.version)
                && is_path(&shown.path.text, shown.path.hex.as_deref(), &other.path)
        })
    };
    let links = library.pieces.iter().filter(|other| other.mode == FileMode::Link && tells(other));
    named(piece) || links.into_iter().any(named)
}

fn is_path(text: &str, hex: Option<&str>, path: &[u8]) -> bool {
    match hex {
        Some(hex) => data_encoding::HEXLOWER.encode(path) == hex,
        None => text.as_bytes() == path,
    }
}

/// The places that a search showed.
pub(crate) fn places(entry: &Entry) -> Vec<Shown> {
    let places = entry.facts.get("places").cloned().unwrap_or_default();
    serde_json::from_value(places).unwrap_or_default()
}
