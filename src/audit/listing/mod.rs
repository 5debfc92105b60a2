//! The auditors' listing: what filters look at, one row for each entry, derived from the entries.
//!
//! An entry is durable without it. The task that appends fills it when nobody has appended for a moment, when it has fallen behind as
//! far as [`Settings::behind`] allows, and whenever somebody asks for a list, which waits for it: so lists are exact, and nobody who
//! reads waits for the auditors' indexes. It can be made anew from the entries at any time, and is held against them by [`Log::check_listing`].

pub(super) mod store;

use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use self::store::{Place, Row};
#[cfg(doc)]
use super::Settings;
use super::entry::Form;
use super::event::Personal;
use super::sequencer::Message;
use super::store::{Stored, Writer, plain};
use super::{AuditError, EntryError, Log, LogUnavailable, Shared};
use crate::clock::Timestamp;

/// Entries listed by one transaction when nobody waits for them: whoever appends meanwhile waits for no more than that.
pub(super) const BATCH: u64 = 128;
/// When somebody has asked for them.
pub(super) const ASKED_BATCH: u64 = 1024;
/// When more than these are appended by one transaction, so that the listing catches up.
pub(super) const LARGEST_BATCH: u64 = 4096;

/// An entry as it is listed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    row: Row,
    places: Vec<Place>,
}

impl Listed {
    fn of(stored: &Stored) -> Result<Self, AuditError> {
        let unreadable = |source| AuditError::Entry { index: stored.index, source };
        let form = Form::read(&stored.entry).map_err(unreadable)?;
        let personal = match &stored.personal {
            Some(text) => Personal::read(text).map_err(unreadable)?,
            None => Personal::default(),
        };
        let at = Timestamp::parse(&form.at).ok_or_else(|| unreadable(EntryError::Says("no RFC 3339 time")))?;
        let lower = |text: Option<String>| text.map(|t| plain(&t.to_lowercase()));
        let places = (0..)
            .zip(form.shown())
            .map(|(position, shown)| Place {
                index: stored.index,
                position,
                product: plain(&shown.product),
                path: plain(&shown.path.text),
                blob: shown.blob.as_deref().map(plain),
            })
            .collect();
        let actor = form.actor.as_ref();
        let place = form.place.as_ref();
        let row = Row {
            index: stored.index,
            at: at.micros(),
            account: actor.map(|a| plain(a.account.as_str())),
            email: lower(personal.email),
            name: lower(personal.name),
            agency: actor.and_then(|a| a.agency.as_ref()).map(|a| plain(a.as_str())),
            agency_name: lower(personal.agency_name),
            product: place.map(|p| plain(&p.product)),
            version: place.and_then(|p| p.version.as_deref()).map(plain),
            path: place.and_then(|p| p.path.as_ref()).map(|p| plain(&p.text)),
            blob: place.and_then(|p| p.blob.as_deref()).map(plain),
            request: plain(&form.request),
            outcome: form.outcome.as_str().to_owned(),
            entitlement: form.basis.as_ref().map(|b| plain(b.entitlement.as_str())),
            kind: form.kind,
        };
        Ok(Self { row, places })
    }
}

impl Log {
    /// Waits until the first `size` entries are listed. While the log cannot be written, what was appended last may not be.
    pub(super) async fn listed_to(&self, size: u64) -> Result<(), AuditError> {
        if self.shared.listed() >= size { Ok(()) } else { self.have_listed(size).await }
    }

    /// As [`Log::listed_to`], whatever is known to be listed.
    async fn have_listed(&self, size: u64) -> Result<(), AuditError> {
        let (done, listed) = oneshot::channel();
        if self.queue.send(Message::List { size, done }).await.is_err() {
            return Ok(());
        }
        match listed.await {
            // Whoever may look at a log that is suspended sees what there is.
            Ok(Err(AuditError::Unavailable(LogUnavailable::Suspended(_) | LogUnavailable::Closed))) | Err(_) => Ok(()),
            Ok(done) => done,
        }
    }

    /// Holds the listing against the entries it is made from; returns the first entry that it does not list as it is.
    ///
    /// # Errors
    /// When the database cannot be read, or an entry is not in its form.
    pub async fn check_listing(&self) -> Result<Option<u64>, AuditError> {
        let size = self.size().await?;
        self.listed_to(size).await?;
        // One state of both, so that what is erased meanwhile is in neither or gone from both.
        let mut snapshot = self.shared.database.snapshot().await?;
        let reader = snapshot.connection();
        let head = super::store::head_on(reader).await?;
        let mut next = 0;
        while next < size {
            let end = size.min(next + ASKED_BATCH);
            let mut rows = store::rows(reader, next, end).await?.into_iter().peekable();
            let mut places = store::places(reader, next, end).await?.into_iter().peekable();
            for stored in super::store::entries(reader, next, end, ASKED_BATCH).await? {
                let right = Listed::of(&stored)?;
                let row = rows.next_if(|r| r.index == stored.index);
                let places = std::iter::from_fn(|| places.next_if(|p| p.index == stored.index)).collect();
                if row.map(|row| Listed { row, places }) != Some(right) {
                    return Ok(Some(stored.index));
                }
            }
            if rows.next().is_some() || places.next().is_some() {
                return Ok(Some(end - 1));
            }
            next = end;
        }
        Ok(store::beyond(reader, head.size).await?)
    }

    /// Throws the listing away and makes it anew from the entries.
    ///
    /// # Errors
    /// When the log cannot be written, or an entry is not in its form.
    pub async fn list_anew(&self) -> Result<u64, AuditError> {
        let mut tx = self.shared.database.begin().await?;
        super::store::lock_head(&mut tx).await?;
        store::clear(&mut tx).await?;
        super::store::commit(tx).await?;
        self.shared.listed.store(0, Ordering::Relaxed);
        let size = self.size().await?;
        // A batch that was being listed before may be noted only now.
        self.have_listed(size).await?;
        self.shared.writable()?;
        Ok(size)
    }
}

impl Shared {
    /// How many entries are known to be listed.
    pub(super) fn listed(&self) -> u64 {
        self.listed.load(Ordering::Relaxed)
    }

    /// How many entries are known of and not listed.
    pub(super) fn behind(&self) -> u64 {
        self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner).size().saturating_sub(self.listed())
    }

    /// Lists the next entries, so many at the most; says how many. Another process that does the same waits for the head, and then finds them listed.
    pub(super) async fn list_batch(&self, writer: &mut Writer, most: u64) -> Result<usize, AuditError> {
        let mut tx = writer.begin(&self.database).await?;
        let head = super::store::lock_head(&mut tx).await?;
        let first = store::listed(&mut tx).await?;
        let mut rows = Vec::new();
        let mut places = Vec::new();
        for stored in super::store::entries(&mut tx, first, head.size, most).await? {
            let listed = Listed::of(&stored)?;
            rows.push(listed.row);
            places.extend(listed.places);
        }
        store::insert(&mut tx, &rows, &places).await?;
        super::store::commit_group(tx).await?;
        self.listed.store(rows.last().map_or(first, |r| r.index + 1), Ordering::Relaxed);
        Ok(rows.len())
    }
}

#[cfg(test)]
mod tests;
