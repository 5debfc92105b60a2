//! What administrators do about products and versions: each deed with its entry in one transaction.

use serde_json::json;

use super::{Act, Catalog, CatalogError, Deed, Product, Settings, Signers, Standing, Version, about, invalid, store};
use crate::accounts::{Principal, Role, StepUp, done_by};
use crate::audit::{Context, Draft, Kind, Outcome};
use crate::database::DatabaseError;
use crate::queue::Task;

impl Catalog {
    /// Takes a version from everybody, from the next request on.
    ///
    /// # Errors
    /// When it is withdrawn already, or no reason was given.
    pub async fn withdraw(&self, version: &Version, reason: &str, by: &StepUp, context: &Context) -> Result<(), CatalogError> {
        self.decide(version, (Deed::Withdraw, reason), Some(by.principal()), context).await
    }

    /// The same by the command line.
    ///
    /// # Errors
    /// As [`Catalog::withdraw`].
    pub async fn withdraw_by_operator(&self, version: &Version, reason: &str, context: &Context) -> Result<(), CatalogError> {
        self.decide(version, (Deed::Withdraw, reason), None, context).await
    }

    /// Asks to release a version from quarantine, or to put back one that was withdrawn.
    ///
    /// # Errors
    /// When it is neither, somebody has asked already, or no reason was given.
    pub async fn ask_to_open(&self, version: &Version, reason: &str, by: &Principal, context: &Context) -> Result<(), CatalogError> {
        self.decide(version, (Deed::Ask, reason), Some(by), context).await
    }

    /// Opens a version that another administrator has asked to open.
    ///
    /// # Errors
    /// When nobody has, or it was this administrator, or one of the same hand.
    pub async fn approve(&self, version: &Version, by: &StepUp, context: &Context) -> Result<(), CatalogError> {
        self.decide(version, (Deed::Approve, ""), Some(by.principal()), context).await
    }

    /// Leaves a version closed that somebody has asked to open.
    ///
    /// # Errors
    /// When nobody has, or no reason was given.
    pub async fn refuse(&self, version: &Version, reason: &str, by: &Principal, context: &Context) -> Result<(), CatalogError> {
        self.decide(version, (Deed::Refuse, reason), Some(by), context).await
    }

    /// One transaction: load, the pure transition, save, its entry, commit. Nobody is the command line.
    async fn decide(
        &self,
        version: &Version,
        (deed, reason): (Deed, &str),
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<(), CatalogError> {
        only_administrators(by)?;
        let reason = if deed == Deed::Approve { String::new() } else { because(reason)? };
        let now = self.clock.now();
        let mut tx = self.database.begin().await?;
        let (version, product) = store::load(&mut tx, &version.id).await?.ok_or(CatalogError::Unknown)?;
        let asker = version.life.asked.as_ref().and_then(|asked| asked.by.as_ref());
        let one_hand = match (asker, by) {
            (Some(asker), Some(by)) => store::one_hand(&mut tx, asker, by.account()).await?,
            _ => false,
        };
        let act = Act { by: by.map(|by| by.account().clone()), name: None, at: now, reason: reason.clone() };
        let before = version.life.standing;
        let after = version.life.clone().after(deed, act, one_hand)?;
        let released = deed == Deed::Approve && before == Standing::ReleaseAsked;
        let published_at = if released { now } else { version.published_at };
        if !store::save_life(&mut tx, &version, &after, published_at).await? {
            return Err(CatalogError::Conflict);
        }
        let mut draft = draft(by, kind(deed)).at(about(&product, Some((&version.name, &version.commit))));
        draft = draft.fact("before", json!(before.as_str()));
        draft = draft.fact("after", json!(after.standing.as_str()));
        if !reason.is_empty() {
            draft = draft.fact("reason", json!(reason));
        }
        self.log.append_in(&mut tx, draft, context).await?;
        if [before, after.standing].contains(&Standing::Published) {
            self.queue.enqueue(&mut tx, Task::Index, version.product.as_str()).await?;
        }
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// Says that somebody has looked into where a version's reference was moved to: it is no alarm any more. The version stays as it is.
    ///
    /// # Errors
    /// When it was not moved there, somebody else has said so, or no reason was given.
    pub async fn acknowledge_move(
        &self,
        version: &Version,
        moved_to: &str,
        reason: &str,
        by: &Principal,
        context: &Context,
    ) -> Result<(), CatalogError> {
        only_administrators(Some(by))?;
        let act = Act { by: Some(by.account().clone()), name: None, at: self.clock.now(), reason: because(reason)? };
        let mut tx = self.database.begin().await?;
        let (version, product) = store::load(&mut tx, &version.id).await?.ok_or(CatalogError::Unknown)?;
        if !store::acknowledge(&mut tx, &version.id, moved_to, &act).await? {
            return Err(CatalogError::Conflict);
        }
        let mut draft = done_by(by, Kind::MirrorTagMoveAcknowledged).at(about(&product, Some((&version.name, &version.commit))));
        draft = draft.fact("ref", json!(version.reference));
        draft = draft.fact("from", json!(version.commit));
        draft = draft.fact("to", json!(moved_to));
        draft = draft.fact("reason", json!(act.reason));
        self.log.commit(tx, draft, context).await
    }

    /// Changes what is set for a product; nothing is written where all of it is so already.
    ///
    /// # Errors
    /// When there is no such product.
    pub async fn change_settings(
        &self,
        product: &Product,
        settings: &Settings,
        by: &StepUp,
        context: &Context,
    ) -> Result<(), CatalogError> {
        only_administrators(Some(by.principal()))?;
        Signers::parse(&settings.signers)?;
        let mut tx = self.database.begin().await?;
        let before = store::settings(&mut tx, &product.id).await?.ok_or(CatalogError::Unknown)?;
        let Some((old, new)) = before.changes(settings) else { return Ok(()) };
        store::save_settings(&mut tx, &product.id, settings).await?;
        if before.signers != settings.signers {
            self.queue.enqueue(&mut tx, Task::Signatures, product.id.as_str()).await?;
        }
        let mut draft = done_by(by.principal(), Kind::ProductChanged).at(about(&product.name, None));
        draft = draft.fact("before", old);
        draft = draft.fact("after", new);
        self.log.commit(tx, draft, context).await
    }

    /// Asks for a synchronisation of each product whose schedule says that one is due. True when there was one.
    pub async fn ask_for_what_is_due(&self) -> Result<bool, CatalogError> {
        let now = self.clock.now();
        let mut asked = false;
        for product in self.products().await? {
            let Some(every) = product.settings.every else { continue };
            let due_before = now.minus(every.span());
            let last = product.synced_at.max(product.scheduled_at);
            if last.is_some_and(|last| last > due_before) {
                continue;
            }
            let mut tx = self.database.begin().await?;
            if store::take_turn(&mut tx, &product.id, now, due_before).await? {
                self.queue.enqueue(&mut tx, Task::Synchronise, product.id.as_str()).await?;
                asked = true;
            }
            tx.commit().await.map_err(DatabaseError::from)?;
        }
        Ok(asked)
    }
}

fn kind(deed: Deed) -> Kind {
    match deed {
        Deed::Withdraw => Kind::VersionWithdrawn,
        Deed::Ask => Kind::VersionReleaseAsked,
        Deed::Approve => Kind::VersionReleased,
        Deed::Refuse => Kind::VersionReleaseRefused,
    }
}

/// Whoever may not tend products is told that there is nothing to tend.
pub(super) fn only_administrators(by: Option<&Principal>) -> Result<(), CatalogError> {
    if by.is_none_or(|by| by.role() == Role::Administrator) { Ok(()) } else { Err(CatalogError::Unknown) }
}

fn draft(by: Option<&Principal>, kind: Kind) -> Draft {
    match by {
        Some(by) => done_by(by, kind),
        None => Draft::new(kind, Outcome::Done).fact("by", "command line"),
    }
}

/// A reason as entries keep it.
fn because(text: &str) -> Result<String, CatalogError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid("reason", "This cannot be left empty."));
    }
    if text.chars().count() > 1000 || text.chars().any(|c| c.is_control() && c != '\n' && c != '\r') {
        return Err(invalid("reason", "Write 1000 characters at most, without control characters."));
    }
    Ok(text.to_owned())
}
