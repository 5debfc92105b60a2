//! Reading the log: what auditors look for, and what verifiers are given.

use std::collections::HashMap;
use std::sync::PoisonError;

use super::entry::Entry;
use super::listing::store::{self as listing, Condition, Value};
use super::merkle::{self, Hash, Span};
use super::store::{self, Stored};
use super::tiles::{self, LONGEST_BUNDLE, WIDTH, nodes_at};
use super::witness::Client;
use super::{AuditError, Checkpoint, Context, Draft, Kind, Log, LogUnavailable, Outcome, Proof, Shared, opening};
use crate::clock::Timestamp;

/// Which entries an auditor wants to see. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// An account's id, or a part of a name or an e-mail address.
    pub person: Option<String>,
    /// An account's id, and nobody else.
    pub account: Option<String>,
    /// An agency's id, or a part of its name.
    pub agency: Option<String>,
    pub product: Option<String>,
    /// A path, or a directory that it lies in.
    pub path: Option<String>,
    pub kind: Option<Kind>,
    /// The first instant.
    pub from: Option<Timestamp>,
    /// The first instant after it.
    pub until: Option<Timestamp>,
    /// Only entries with a smaller index, as [`Page::next`] says.
    pub before: Option<u64>,
}

/// Entries, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// What to put into [`Filter::before`] for the next page; `None` at the end.
    pub next: Option<u64>,
}

impl Filter {
    fn conditions(&self) -> Vec<Condition> {
        let text = |t: &str| Value::Text(store::plain(t));
        let part = |t: &str| Value::Text(format!("%{}%", escape(&t.to_lowercase())));
        let mut all = Vec::new();
        let mut add = |sql, values| all.push(Condition { sql, values });
        if let Some(before) = self.before {
            add("l.idx < ?", vec![Value::Number(i64::try_from(before).unwrap_or(i64::MAX))]);
        }
        if let Some(person) = trimmed(self.person.as_deref()) {
            add(r"l.account = ? OR l.email LIKE ? ESCAPE '\' OR l.name LIKE ? ESCAPE '\'", vec![text(person), part(person), part(person)]);
        }
        if let Some(account) = self.account.as_deref() {
            add("l.account = ?", vec![text(account)]);
        }
        if let Some(agency) = trimmed(self.agency.as_deref()) {
            add(r"l.agency = ? OR l.agency_name LIKE ? ESCAPE '\'", vec![text(agency), part(agency)]);
        }
        let product = trimmed(self.product.as_deref());
        let path = self.path.as_deref().map(|p| p.trim_matches('/')).filter(|p| !p.is_empty());
        let under = |p: &str| Value::Text(format!("{}/%", escape(p)));
        match (product, path) {
            (None, None) => {}
            (Some(product), None) => {
                add("l.product = ? OR l.idx IN (SELECT s.idx FROM log_places s WHERE s.product = ?)", vec![text(product), text(product)]);
            }
            (None, Some(path)) => add(
                r"l.path = ? OR l.path LIKE ? ESCAPE '\' OR l.idx IN
                  (SELECT s.idx FROM log_places s WHERE s.path = ? OR s.path LIKE ? ESCAPE '\')",
                vec![text(path), under(path), text(path), under(path)],
            ),
            (Some(product), Some(path)) => add(
                r"(l.product = ? AND (l.path = ? OR l.path LIKE ? ESCAPE '\')) OR l.idx IN
                  (SELECT s.idx FROM log_places s WHERE s.product = ? AND (s.path = ? OR s.path LIKE ? ESCAPE '\'))",
                vec![text(product), text(path), under(path), text(product), text(path), under(path)],
            ),
        }
        if let Some(kind) = self.kind {
            add("l.kind = ?", vec![text(kind.as_str())]);
        }
        if let Some(from) = self.from {
            add("l.at >= ?", vec![Value::Number(from.micros())]);
        }
        if let Some(until) = self.until {
            add("l.at < ?", vec![Value::Number(until.micros())]);
        }
        all
    }
}

impl Log {
    /// How many entries there are.
    pub async fn size(&self) -> Result<u64, AuditError> {
        Ok(self.shared.committed().await?.size())
    }

    /// Entries that pass the filter, newest first, `limit` at the most.
    pub async fn list(&self, filter: &Filter, limit: usize) -> Result<Page, AuditError> {
        // One more than asked for tells whether there is a next page.
        let most = limit.clamp(1, 10_000);
        self.listed_for(filter).await?;
        let mut stored = listing::find(&self.shared.database, &filter.conditions(), most as u64 + 1).await?;
        let more = stored.len() > most;
        stored.truncate(most);
        let entries = stored.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = entries.last().filter(|_| more).map(|e| e.index);
        Ok(Page { entries, next })
    }

    /// How many entries pass the filter.
    pub async fn count(&self, filter: &Filter) -> Result<u64, AuditError> {
        self.listed_for(filter).await?;
        listing::count(&self.shared.database, &filter.conditions()).await.map_err(Into::into)
    }

    /// Waits until every entry that the filter may let pass is listed. Nothing more is in a log that cannot be written.
    async fn listed_for(&self, filter: &Filter) -> Result<(), AuditError> {
        let listed = filter.before.is_some_and(|before| before <= self.shared.listed());
        if listed || self.shared.writable().is_err() {
            return Ok(());
        }
        self.listed_to(self.size().await?).await
    }

    /// One entry.
    pub async fn entry(&self, index: u64) -> Result<Option<Entry>, AuditError> {
        Ok(self.entries(index, index.saturating_add(1)).await?.pop())
    }

    /// The entries `from..to` in order, 1,024 at the most.
    pub async fn entries(&self, from: u64, to: u64) -> Result<Vec<Entry>, AuditError> {
        let mut reader = store::reader(&self.shared.database).await?;
        let stored = store::entries(&mut reader, from, to, 1024).await?;
        stored.into_iter().map(read).collect()
    }

    /// The checkpoint that is published: the newest that a quorum of witnesses has cosigned, where one must; without
    /// witnesses, and until there is one, the newest signed.
    pub async fn checkpoint(&self) -> Result<String, AuditError> {
        Ok(self.shared.published().await?.1)
    }

    /// The signed checkpoint over all committed entries, whether or not witnesses have cosigned it yet.
    pub async fn newest_checkpoint(&self) -> Result<String, AuditError> {
        Ok(self.shared.checkpoint().await?.1)
    }

    /// The inclusion proof of an entry in the tree of `size` leaves; `None` when there is no such entry or tree.
    pub async fn proof(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, AuditError> {
        let Some(spans) = merkle::inclusion_spans(index, size) else { return Ok(None) };
        if !self.shared.reaches(size).await? {
            return Ok(None);
        }
        self.shared.hashes(&spans).await.map(Some)
    }

    /// The proof that the tree of `size` leaves begins with the tree of `old`; `None` when there are no such trees.
    pub async fn consistency(&self, old: u64, size: u64) -> Result<Option<Vec<Hash>>, AuditError> {
        self.shared.consistency(old, size).await
    }

    /// The `.tlog-proof` file of an entry, under the newest checkpoint that witnesses have cosigned when that includes it,
    /// else under the newest signed; `None` when there is no such entry.
    pub async fn receipt_file(&self, index: u64) -> Result<Option<String>, AuditError> {
        Ok(self.shared.receipt(index).await?.map(|p| p.to_string()))
    }

    /// As [`Log::receipt_file`], with the entry itself in the `extra` line: such a file can be verified without anything
    /// else. The entry holds no personal details.
    pub async fn receipt_file_with_entry(&self, index: u64) -> Result<Option<String>, AuditError> {
        let (Some(mut proof), Some(entry)) = (self.shared.receipt(index).await?, self.entry(index).await?) else {
            return Ok(None);
        };
        proof.extra = Some(entry.bytes);
        Ok(Some(proof.to_string()))
    }

    /// A tile's bytes; `width` is `None` for a full one. `None` when the tree has no such tile.
    pub async fn tile(&self, level: u8, number: u64, width: Option<u8>) -> Result<Option<Vec<u8>>, AuditError> {
        let Some((from, to)) = places(number, width) else { return Ok(None) };
        if !self.shared.has_nodes(level.into(), to).await? {
            return Ok(None);
        }
        Ok(Some(self.shared.nodes(level.into(), from, to).await?.concat()))
    }

    /// An entry bundle's bytes; `width` is `None` for a full one. `None` when the log has no such bundle.
    pub async fn entry_bundle(&self, number: u64, width: Option<u8>) -> Result<Option<Vec<u8>>, AuditError> {
        let Some((from, to)) = places(number, width) else { return Ok(None) };
        if !self.shared.has_nodes(0, to).await? {
            return Ok(None);
        }
        let mut reader = store::reader(&self.shared.database).await?;
        let mut bundle = Vec::new();
        let mut next = from;
        for stored in store::entries(&mut reader, from, to, WIDTH).await? {
            if stored.index != next || tiles::push_entry(&mut bundle, &stored.entry).is_none() {
                return Err(opening::refuse(format!("the entry {next} is missing or too long")));
            }
            next += 1;
        }
        debug_assert!(bundle.len() <= LONGEST_BUNDLE);
        if next == to { Ok(Some(bundle)) } else { Err(opening::refuse(format!("the entry {next} is missing"))) }
    }

    /// Erases the personal parts of the entries before an instant, whose retention has ended, and says so in an entry of
    /// its own, in one transaction. The tree still verifies. Returns how many were erased.
    pub async fn erase_personal(&self, before: Timestamp, context: &Context) -> Result<u64, AuditError> {
        let size = self.size().await?;
        self.listed_to(size).await?;
        let mut tx = self.shared.database.begin().await?;
        // Whoever lists entries holds this, too: so none is listed by what is being erased.
        store::lock_head(&mut tx).await?;
        if listing::listed(&mut tx).await? < size {
            // By the listing it is known what is how old.
            return Err(LogUnavailable::Late.into());
        }
        let erased = store::erase(&mut tx, 0, size, before.micros()).await?;
        listing::erase(&mut tx, 0, size, before.micros()).await?;
        if erased > 0 {
            let draft = Draft::new(Kind::AuditDetailsErased, Outcome::Done).fact("before", before.to_string()).fact("entries", erased);
            self.append_in(&mut tx, draft, context).await?;
        }
        store::commit(tx).await?;
        Ok(erased)
    }
}

impl Shared {
    /// The size and the note of the checkpoint that is published.
    pub(super) async fn published(&self) -> Result<(u64, String), AuditError> {
        match self.client.as_ref().and_then(Client::witnessed) {
            Some(witnessed) => Ok(witnessed),
            None => self.checkpoint().await,
        }
    }

    /// The size and the note of the newest checkpoint.
    pub(super) async fn checkpoint(&self) -> Result<(u64, String), AuditError> {
        let frontier = self.committed().await?;
        let size = frontier.size();
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, note)) = signed.as_ref().filter(|(s, _)| *s == size) {
            return Ok((size, note.clone()));
        }
        let origin = self.key.public().name().to_owned();
        let note = Checkpoint { origin, size, root: frontier.root() }.sign(self.key.signer()).to_string();
        if signed.as_ref().is_none_or(|(s, _)| *s < size) {
            *signed = Some((size, note.clone()));
        }
        Ok((size, note))
    }

    async fn receipt(&self, index: u64) -> Result<Option<Proof>, AuditError> {
        // A receipt must verify at once, so what is not witnessed yet rests on the log's signature alone.
        let witnessed = self.client.as_ref().and_then(Client::witnessed).filter(|(size, _)| index < *size);
        let (size, checkpoint) = match witnessed {
            Some(witnessed) => witnessed,
            None => self.checkpoint().await?,
        };
        let Some(spans) = merkle::inclusion_spans(index, size) else { return Ok(None) };
        let path = self.hashes(&spans).await?;
        Ok(Some(Proof { extra: None, index, path, checkpoint }))
    }

    pub(super) async fn consistency(&self, old: u64, size: u64) -> Result<Option<Vec<Hash>>, AuditError> {
        let Some(spans) = merkle::consistency_spans(old, size) else { return Ok(None) };
        if !self.reaches(size).await? {
            return Ok(None);
        }
        self.hashes(&spans).await.map(Some)
    }

    /// The root of the tree when it had this many leaves, all of which must be there.
    pub(super) async fn root_at(&self, size: u64) -> Result<Hash, AuditError> {
        let root = self.hashes(&[Span { from: 0, to: size }]).await?;
        root.first().copied().ok_or_else(|| opening::refuse("a hash is missing".to_owned()))
    }

    /// When an entry was written, which must be there.
    pub(super) async fn written_at(&self, index: u64) -> Result<Timestamp, AuditError> {
        let mut reader = store::reader(&self.database).await?;
        let stored = store::entries(&mut reader, index, index + 1, 1).await?.pop();
        Ok(read(stored.ok_or_else(|| opening::refuse(format!("the entry {index} is missing")))?)?.at)
    }

    /// Whether there are this many entries.
    async fn reaches(&self, size: u64) -> Result<bool, AuditError> {
        Ok(self.verified().size() >= size || self.committed().await?.size() >= size)
    }

    /// Whether a tile level has this many nodes.
    async fn has_nodes(&self, level: u32, count: u64) -> Result<bool, AuditError> {
        let enough = |size| nodes_at(level, size) >= count;
        Ok(enough(self.verified().size()) || enough(self.committed().await?.size()))
    }

    /// The nodes `from..to` of a tile level, all of which must be there.
    pub(super) async fn nodes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, AuditError> {
        let stored = if level == 0 {
            store::leaves(&self.database, from, to).await?
        } else {
            store::nodes(&self.database, level, from, to).await?.into_iter().map(|n| n.hash).collect()
        };
        let hashes: Option<Vec<Hash>> = stored.into_iter().map(|h| h.try_into().ok()).collect();
        hashes
            .filter(|h| h.len() as u64 == to - from)
            .ok_or_else(|| opening::refuse(format!("hashes between {from} and {to} of level {level} are missing")))
    }

    /// The hashes of spans of leaves that are all there, each tile read once.
    pub(super) async fn hashes(&self, spans: &[Span]) -> Result<Vec<Hash>, AuditError> {
        let size = spans.iter().map(|s| s.to).max().unwrap_or(0).max(self.verified().size());
        let mut read: HashMap<(u32, u64), Vec<Hash>> = HashMap::new();
        let mut out = Vec::with_capacity(spans.len());
        for span in spans {
            let mut parts = Vec::new();
            for node in span.nodes() {
                let (level, above) = (node.height / merkle::TILE_HEIGHT, node.height % merkle::TILE_HEIGHT);
                let from = node.index << above;
                let tile = from / WIDTH;
                if let std::collections::hash_map::Entry::Vacant(place) = read.entry((level, tile)) {
                    let end = nodes_at(level, size).min((tile + 1) * WIDTH);
                    place.insert(self.nodes(level, tile * WIDTH, end).await?);
                }
                let tile = read.get(&(level, tile)).map_or([].as_slice(), Vec::as_slice);
                let start = usize::try_from(from % WIDTH).unwrap_or(usize::MAX);
                let below = tile.get(start..).and_then(|t| t.get(..1 << above));
                parts.push(merkle::root_of(below.ok_or_else(|| opening::refuse("a hash is missing".to_owned()))?));
            }
            out.push(merkle::fold(&parts).unwrap_or_else(merkle::empty_root));
        }
        Ok(out)
    }
}

fn read(stored: Stored) -> Result<Entry, AuditError> {
    let index = stored.index;
    let leaf = stored.leaf;
    let entry = Entry::read(index, stored.entry, stored.personal).map_err(|source| AuditError::Entry { index, source })?;
    if entry.leaf.as_slice() == leaf {
        Ok(entry)
    } else {
        Err(opening::refuse(format!("the entry {index} is not the one that was hashed")))
    }
}

/// The nodes that a tile of this number and width holds, as `from..to`.
fn places(number: u64, width: Option<u8>) -> Option<(u64, u64)> {
    let from = number.checked_mul(WIDTH)?;
    Some((from, from.checked_add(width.map_or(WIDTH, u64::from))?))
}

fn trimmed(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|t| !t.is_empty())
}

/// Takes the meaning out of the characters that LIKE gives one.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in store::plain(text).chars() {
        if matches!(c, '\\' | '%' | '_') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
