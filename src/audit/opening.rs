//! Holding the stored log against itself and against what was signed. What this room writes is never taken on trust when
//! it is read again: every root is recomputed from the entries.

use std::path::Path;

use data_encoding::BASE64;

use super::checkpoint::{Checkpoint, VerifierKey};
use super::handover::Keys;
use super::keys::file_error;
use super::merkle::{self, Frontier, Hash};
use super::store::{self, Head, TreeNode};
use super::tiles::nodes_at;
use super::{AuditError, Kind};

/// Entries read at a time.
const PAGE: u64 = 1024;

const RESTORE: &str = "Stop every portal on this log, restore the database and the checkpoint file from the same backup, \
                       and keep what is there now: it is evidence. `lectern audit verify` on an export or a running copy \
                       says more";

/// Recomputes the whole tree from the entries and holds it against the stored hashes, the head, and the last checkpoint
/// that was signed.
pub(super) async fn verify_all(on: &mut store::Connection, signed: Option<&Checkpoint>) -> Result<Verified, AuditError> {
    // Others may append meanwhile, so what must not be smaller is read last.
    let head = store::head_on(on).await?;
    if let Some(signed) = signed.filter(|s| s.size > head.size) {
        return Err(refuse(format!(
            "the log has {} entries, but a checkpoint over {} was signed: its end is missing, or an older copy was put in its place",
            head.size, signed.size
        )));
    }
    let mut frontier = Frontier::new();
    let mut key_changed = None;
    while frontier.size() < head.size {
        check_signed(&frontier, signed)?;
        // A page ends where the signed checkpoint does, so that its root is met.
        let stop = signed.map_or(head.size, |s| if s.size > frontier.size() { s.size } else { head.size });
        let replayed = replay(on, &mut frontier, stop).await?;
        check_nodes(on, &replayed.nodes).await?;
        key_changed = replayed.key_changed.or(key_changed);
    }
    check_signed(&frontier, signed)?;
    if Head::of(&frontier) != head {
        return Err(refuse(format!("the head of the log does not fit its {} entries", head.size)));
    }
    check_nothing_more(on).await?;
    Ok(Verified { frontier, key_changed })
}

/// A stored log that holds.
pub(super) struct Verified {
    /// The tree's right edge.
    pub(super) frontier: Frontier,
    /// The last entry that says that the log gets another key.
    pub(super) key_changed: Option<u64>,
}

/// Entries that were appended to the frontier.
pub(super) struct Replayed {
    /// The tile nodes that were completed.
    nodes: Vec<(u32, u64, Hash)>,
    /// The last of them that says that the log gets another key.
    pub(super) key_changed: Option<u64>,
}

/// Appends at most a page of the stored entries up to `to` to the frontier, each checked against its leaf hash.
pub(super) async fn replay(on: &mut store::Connection, frontier: &mut Frontier, to: u64) -> Result<Replayed, AuditError> {
    let entries = store::entries(on, frontier.size(), to, PAGE).await?;
    if entries.is_empty() {
        return Err(refuse(format!("the entry {} is missing", frontier.size())));
    }
    let mut nodes = Vec::new();
    let mut key_changed = None;
    // An entry is canonical JSON, where a quotation mark within a text is written otherwise: this can only be its kind.
    let change = format!("\"kind\":\"{}\"", Kind::LogKeyChanged);
    for stored in entries {
        if stored.index != frontier.size() {
            return Err(refuse(format!("the entry {} is missing", frontier.size())));
        }
        let leaf = merkle::leaf(&stored.entry);
        if stored.leaf != leaf {
            return Err(refuse(format!("the entry {} is not the one that was hashed", stored.index)));
        }
        if memchr::memmem::find(&stored.entry, change.as_bytes()).is_some() {
            key_changed = Some(stored.index);
        }
        frontier.push(leaf, |node, hash| {
            if let Some(level) = node.tile_level() {
                nodes.push((level, node.index, *hash));
            }
        });
    }
    Ok(Replayed { nodes, key_changed })
}

/// The checkpoint kept outside the database, verified; `None` when there is no such file.
pub(super) fn read_checkpoint(file: &Path, keys: &Keys) -> Result<Option<Checkpoint>, AuditError> {
    match std::fs::read_to_string(file) {
        Ok(note) => match keys.open(&note) {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(e) => Err(AuditError::Inconsistent {
                found: format!("{} holds no checkpoint of this log: {e}", file.display()),
                remedy: RESTORE.to_owned(),
            }),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(file_error(file, e)),
    }
}

/// Refuses a log that has entries but no checkpoint beside it.
pub(super) fn missing_checkpoint(file: &Path, size: u64) -> AuditError {
    AuditError::Inconsistent {
        found: format!("the log has {size} entries, but the checkpoint last signed over them is not in {}", file.display()),
        remedy: "Put that file back from the backup; any checkpoint of this log that somebody kept will do (the end of a \
                 receipt is one). On a further node of a portal, copy it from a node that runs, or fetch /transparency/checkpoint there"
            .to_owned(),
    }
}

/// Refuses to go on with a key that is not the log's any more.
pub(super) fn other_key(own: &VerifierKey) -> AuditError {
    AuditError::Inconsistent {
        found: format!("the log was given another key than this process has ({own})"),
        remedy:
            "Copy the directory of keys from where the key was changed, and start this portal anew. If the change broke off there, finish \
                 it with lectern audit key --rotate"
                .to_owned(),
    }
}

pub(super) fn refuse(found: String) -> AuditError {
    AuditError::Inconsistent { found, remedy: RESTORE.to_owned() }
}

fn check_signed(frontier: &Frontier, signed: Option<&Checkpoint>) -> Result<(), AuditError> {
    match signed {
        Some(s) if s.size == frontier.size() && s.root != frontier.root() => Err(refuse(format!(
            "the first {} entries hash to {}, but the checkpoint signed over them says {}: an entry was changed after it was signed",
            s.size,
            BASE64.encode(&frontier.root()),
            BASE64.encode(&s.root)
        ))),
        _ => Ok(()),
    }
}

async fn check_nodes(on: &mut store::Connection, computed: &[(u32, u64, Hash)]) -> Result<(), AuditError> {
    let top = computed.iter().map(|(level, ..)| *level).max().unwrap_or(0);
    for level in 1..=top {
        let of_level = || computed.iter().filter(|(l, ..)| *l == level);
        let Some((first, last)) = of_level().next().zip(of_level().next_back()) else { continue };
        let stored = store::nodes_on(on, level, first.1, last.1 + 1).await?;
        let right = of_level().map(|(level, n, hash)| TreeNode { level: *level, n: *n, hash: hash.to_vec() });
        if !right.eq(stored) {
            let (from, to) = (first.1, last.1);
            return Err(refuse(format!("the stored hashes {from} to {to} of level {level} do not fit the entries below them")));
        }
    }
    Ok(())
}

/// That nothing is stored beyond the head.
async fn check_nothing_more(on: &mut store::Connection) -> Result<(), AuditError> {
    let last = store::last_index(on).await?;
    let levels = store::levels(on).await?;
    let size = store::head_on(on).await?.size;
    if let Some(index) = last.filter(|l| *l >= size) {
        return Err(refuse(format!("there is an entry {index} in a log of {size}")));
    }
    for (level, count, last) in levels {
        let most = nodes_at(level, size);
        if level == 0 || count > most || last >= most {
            return Err(refuse(format!("level {level} holds {count} hashes, and a log of {size} entries has {most}")));
        }
    }
    Ok(())
}
