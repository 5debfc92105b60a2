//! Receipts of many entries as one file: proofs one behind the other, each with its entry, newest first. Whoever holds it can
//! verify all of them without the log, and hold the log against them later.

use super::query::{Filter, Page};
use super::witness::Client;
use super::{AuditError, Checkpoint, Kind, Log, Proof, merkle, opening};

/// Receipts made at a time.
const READ: usize = 256;

/// Whether a receipt of a refusal carries its entry. That says why, which is for auditors: a grant that is not in force yet is
/// nothing that whoever was refused may learn of. Without it the receipt still proves where the entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusals {
    Whole,
    Bare,
}

/// A file of receipts that is made while it is read.
pub struct ReceiptBundle {
    log: Log,
    refusals: Refusals,
    filter: Option<Filter>,
    /// The checkpoint that they rest on; those of which witnesses have cosigned one already, on that.
    newest: (Checkpoint, String),
    witnessed: Option<(Checkpoint, String)>,
}

impl Log {
    /// The receipts of all entries that pass the filter and are there now.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn receipts(&self, filter: Filter, refusals: Refusals) -> Result<ReceiptBundle, AuditError> {
        let (size, note) = self.shared.checkpoint().await?;
        let open = |note: String| Ok::<_, AuditError>((self.shared.key.keys().open(&note)?, note));
        let witnessed = self.shared.client.as_ref().and_then(Client::witnessed).map(|(_, note)| open(note)).transpose()?;
        let newest = open(note)?;
        let before = Some(filter.before.map_or(size, |before| before.min(size)));
        Ok(ReceiptBundle { log: self.clone(), refusals, filter: Some(Filter { before, ..filter }), newest, witnessed })
    }
}

impl ReceiptBundle {
    /// The next piece of the file; `None` at its end.
    ///
    /// # Errors
    /// When the log cannot be read. What was given out before is whole receipts.
    pub async fn next(&mut self) -> Result<Option<String>, AuditError> {
        let Some(filter) = self.filter.take() else { return Ok(None) };
        let Page { entries, next } = self.log.list(&filter, READ).await?;
        if entries.is_empty() {
            return Ok(None);
        }
        let first = entries.first().map_or(0, |e| e.index);
        let (Checkpoint { size, root, .. }, note) = match &self.witnessed {
            Some(witnessed) if first < witnessed.0.size => witnessed,
            _ => &self.newest,
        };
        // All paths at once, since they share most of their tiles.
        let spans: Vec<_> = entries.iter().map(|e| merkle::inclusion_spans(e.index, *size).unwrap_or_default()).collect();
        let mut hashes = self.log.shared.hashes(&spans.concat()).await?.into_iter();
        let mut piece = String::new();
        for (entry, spans) in entries.into_iter().zip(&spans) {
            let path: Vec<_> = hashes.by_ref().take(spans.len()).collect();
            let bare = entry.kind == Kind::AccessDenied && self.refusals == Refusals::Bare;
            let proof = Proof { extra: (!bare).then_some(entry.bytes), index: entry.index, path, checkpoint: note.clone() };
            // What is stored may have been changed since the log was opened: a receipt that proves nothing is not given out.
            if !merkle::includes(entry.index, *size, &entry.leaf, &proof.path, root) {
                return Err(opening::refuse(format!("the stored hashes do not prove the entry {}", entry.index)));
            }
            piece.push_str(&proof.to_string());
        }
        self.filter = next.map(|before| Filter { before: Some(before), ..filter });
        Ok(Some(piece))
    }
}
