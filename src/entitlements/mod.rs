//! Agencies, their agreements, and what each opens.
//!
//! Nothing is readable by default. A grant names a product, versions, paths and a window under an agreement; it is in force
//! when a second administrator has approved it, within its window and the agreement's term, for the people the agreement
//! names, until somebody revokes it. This room keeps the facts and their transitions; whether they permit anything is for
//! `access` to decide, afresh on each request.

mod agreement;
mod entitlement;
mod store;

use globset::Glob;
use serde_json::json;

pub use agreement::{Agency, Agreement, Ended};
pub use entitlement::{Act, Entitlement, PathScope, State, TransitionError, Window};

use crate::accounts::{Principal, Role, StepUp, done_by};
use crate::audit::{Context, Draft, Kind, Log, LogUnavailable, Outcome};
use crate::catalog::Product;
use crate::clock::{SharedClock, Timestamp};
use crate::database::{Database, DatabaseError};
use crate::ids::{AccountId, AgencyId, AgreementId, EntitlementId, Entropy};

#[derive(Debug, thiserror::Error)]
pub enum EntitlementError {
    #[error("{problem}")]
    Invalid { field: &'static str, problem: String },
    #[error("there is no such agency, agreement or grant")]
    Unknown,
    #[error("somebody else decided on it at the same moment; look at it again")]
    Conflict,
    #[error(transparent)]
    Transition(#[from] TransitionError),
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A proposal as an administrator writes it.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub agreement: AgreementId,
    pub versions: Vec<String>,
    pub scope: PathScope,
    pub window: Window,
    pub purpose: String,
}

/// A grant with the names around it, for lists.
#[derive(Clone, Debug)]
pub struct Line {
    pub entitlement: Entitlement,
    pub product_name: String,
    pub product_title: String,
    pub agreement_reference: String,
    pub agreement_term: Window,
    pub agreement_ended: Option<Timestamp>,
    pub agency: AgencyId,
    pub agency_name: String,
    pub proposer: String,
    pub decider: Option<String>,
    pub revoker: Option<String>,
}

/// A grant some person might read under, with the facts that decide whether they may.
#[derive(Clone, Debug)]
pub struct Held {
    pub entitlement: Entitlement,
    /// The product's name.
    pub product: String,
    pub term: Window,
    pub term_ended: Option<Timestamp>,
}

#[derive(Clone)]
pub struct Entitlements {
    database: Database,
    log: Log,
    clock: SharedClock,
    entropy: Entropy,
}

impl Entitlements {
    #[must_use]
    pub fn new(database: Database, log: Log, clock: SharedClock, entropy: Entropy) -> Self {
        Self { database, log, clock, entropy }
    }

    pub async fn agencies(&self) -> Result<Vec<Agency>, EntitlementError> {
        Ok(store::agencies(&self.database).await?)
    }

    /// By slug, id or name.
    pub async fn agency(&self, key: &str) -> Result<Option<Agency>, EntitlementError> {
        Ok(store::find_agency(&self.database, key).await?)
    }

    pub async fn agreements(&self) -> Result<Vec<Agreement>, EntitlementError> {
        Ok(store::agreements(&self.database).await?)
    }

    /// By id or reference.
    pub async fn agreement(&self, key: &str) -> Result<Option<Agreement>, EntitlementError> {
        Ok(store::find_agreement(&self.database, key).await?)
    }

    /// The people an agreement names.
    pub async fn people(&self, agreement: &AgreementId) -> Result<Vec<AccountId>, EntitlementError> {
        Ok(store::people(&self.database, agreement).await?)
    }

    /// Every grant, newest proposal first.
    pub async fn list(&self) -> Result<Vec<Line>, EntitlementError> {
        Ok(store::list(&self.database).await?)
    }

    /// What a person might read under, whatever its state.
    pub async fn held_by(&self, account: &AccountId) -> Result<Vec<Held>, EntitlementError> {
        Ok(store::held_by(&self.database, account).await?)
    }

    /// `by` is absent only for what the command line makes.
    pub async fn add_agency(
        &self,
        name: &str,
        country: &str,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<Agency, EntitlementError> {
        let agency = Agency {
            id: AgencyId::random(&self.entropy),
            slug: slug(name),
            name: words("name", name, 200)?,
            country: words("country", country, 100)?,
            created_at: self.clock.now(),
        };
        if agency.slug.is_empty() {
            return Err(invalid("name", "Write a name with at least one letter or digit."));
        }
        let mut tx = self.database.begin().await?;
        store::insert_agency(&mut tx, &agency).await?;
        let mut draft = draft(by, Kind::AgencyCreated);
        draft = draft.fact("agency", json!(agency.id.as_str()));
        draft = draft.fact("name", json!(agency.name));
        self.log.append_in(&mut tx, draft, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(agency)
    }

    pub async fn sign_agreement(
        &self,
        agency: &AgencyId,
        reference: &str,
        term: Window,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<Agreement, EntitlementError> {
        if term.until <= term.from {
            return Err(invalid("until", "The term must end after it begins."));
        }
        let agreement = Agreement {
            id: AgreementId::random(&self.entropy),
            agency: agency.clone(),
            reference: words("reference", reference, 100)?,
            term,
            created_at: self.clock.now(),
            ended: None,
        };
        let mut tx = self.database.begin().await?;
        store::insert_agreement(&mut tx, &agreement).await?;
        let mut draft = draft(by, Kind::AgreementSigned);
        draft = draft.fact("agreement", json!(agreement.id.as_str()));
        draft = draft.fact("agency", json!(agency.as_str()));
        draft = draft.fact("reference", json!(agreement.reference));
        draft = draft.fact("from", json!(term.from.to_string()));
        draft = draft.fact("until", json!(term.until.to_string()));
        self.log.append_in(&mut tx, draft, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(agreement)
    }

    /// Ends an agreement before its term; what was granted under it lapses with it.
    pub async fn end_agreement(&self, id: &AgreementId, reason: &str, by: &StepUp, context: &Context) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        let act = Act { by: by.principal().account().clone(), at: self.clock.now() };
        let mut tx = self.database.begin().await?;
        if !store::end_agreement(&mut tx, id, &act, &reason).await? {
            return Err(EntitlementError::Conflict);
        }
        let mut draft = done_by(by.principal(), Kind::AgreementEnded);
        draft = draft.fact("agreement", json!(id.as_str()));
        draft = draft.fact("reason", json!(reason));
        self.log.append_in(&mut tx, draft, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// Names a reviewer of the agency under its agreement.
    pub async fn name_person(
        &self,
        agreement: &AgreementId,
        account: &AccountId,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let mut tx = self.database.begin().await?;
        if !store::name_person(&mut tx, agreement, account, self.clock.now()).await? {
            return Err(invalid("account", "Choose a reviewer of this agency whom the agreement does not name yet."));
        }
        let mut draft = draft(by, Kind::AgreementPersonNamed);
        draft = draft.fact("agreement", json!(agreement.as_str()));
        draft = draft.fact("account", json!(account.as_str()));
        self.log.append_in(&mut tx, draft, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    pub async fn propose(
        &self,
        proposal: Proposal,
        product: &Product,
        by: &Principal,
        context: &Context,
    ) -> Result<EntitlementId, EntitlementError> {
        only_administrators(by)?;
        let agreement = store::find_agreement(&self.database, proposal.agreement.as_str()).await?.ok_or(EntitlementError::Unknown)?;
        check(&proposal, &agreement, self.clock.now())?;
        let new = Entitlement {
            id: EntitlementId::random(&self.entropy),
            agreement: proposal.agreement,
            product: product.id.clone(),
            versions: proposal.versions,
            scope: proposal.scope,
            window: proposal.window,
            purpose: words("purpose", &proposal.purpose, 500)?,
            proposed: Act { by: by.account().clone(), at: self.clock.now() },
            state: State::Proposed,
        };
        let mut tx = self.database.begin().await?;
        store::insert(&mut tx, &new).await?;
        self.log.append_in(&mut tx, about(&new, by, Kind::EntitlementProposed, &product.name), context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(new.id)
    }

    pub async fn approve(&self, id: &EntitlementId, by: &StepUp, context: &Context) -> Result<(), EntitlementError> {
        let approver = by.principal().account();
        let one_hand = store::lineage(&self.database, approver).await? == store::lineage_of_proposer(&self.database, id).await?;
        self.change(id, by.principal(), Kind::EntitlementApproved, "proposed", context, |e, now| {
            let changed = e.approve(approver, now)?;
            if one_hand { Err(TransitionError::SameHand) } else { Ok(changed) }
        })
        .await
    }

    pub async fn refuse(&self, id: &EntitlementId, reason: &str, by: &Principal, context: &Context) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        self.change(id, by, Kind::EntitlementRefused, "proposed", context, |e, now| e.refuse(by.account(), reason, now)).await
    }

    pub async fn revoke(&self, id: &EntitlementId, reason: &str, by: &StepUp, context: &Context) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        self.change(id, by.principal(), Kind::EntitlementRevoked, "approved", context, |e, now| {
            e.revoke(by.principal().account(), reason, now)
        })
        .await
    }

    /// One transaction: load, the pure transition, save, its entry, commit.
    async fn change(
        &self,
        id: &EntitlementId,
        by: &Principal,
        kind: Kind,
        from: &'static str,
        context: &Context,
        transition: impl FnOnce(Entitlement, Timestamp) -> Result<Entitlement, TransitionError>,
    ) -> Result<(), EntitlementError> {
        only_administrators(by)?;
        let mut tx = self.database.begin().await?;
        let entitlement = store::load(&mut tx, id).await?.ok_or(EntitlementError::Unknown)?;
        let changed = transition(entitlement, self.clock.now())?;
        if !store::save(&mut tx, &changed, from).await? {
            return Err(EntitlementError::Conflict);
        }
        let product = store::product_name(&mut tx, &changed.product).await?;
        self.log.append_in(&mut tx, about(&changed, by, kind, &product), context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }
}

/// Whoever may not grant is told that there is nothing to decide on.
fn only_administrators(by: &Principal) -> Result<(), EntitlementError> {
    if by.role() == Role::Administrator { Ok(()) } else { Err(EntitlementError::Unknown) }
}

fn draft(by: Option<&Principal>, kind: Kind) -> Draft {
    by.map_or_else(|| Draft::new(kind, Outcome::Done), |by| done_by(by, kind))
}

fn about(entitlement: &Entitlement, by: &Principal, kind: Kind, product: &str) -> Draft {
    let texts = |paths: &[crate::catalog::RepoPath]| json!(paths.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut draft = done_by(by, kind);
    draft.basis = Some(crate::audit::Basis { entitlement: entitlement.id.clone(), agreement: entitlement.agreement.clone() });
    draft.place = Some(crate::audit::Place { product: product.to_owned(), ..crate::audit::Place::default() });
    draft = draft.fact("purpose", json!(entitlement.purpose));
    draft = draft.fact("versions", json!(entitlement.versions));
    draft = draft.fact("includes", texts(&entitlement.scope.includes));
    draft = draft.fact("excludes", texts(&entitlement.scope.excludes));
    draft = draft.fact("from", json!(entitlement.window.from.to_string()));
    draft = draft.fact("until", json!(entitlement.window.until.to_string()));
    if let State::Refused { reason, .. } | State::Revoked { reason, .. } = &entitlement.state {
        draft = draft.fact("reason", json!(reason));
    }
    draft
}

pub(crate) fn invalid(field: &'static str, problem: &str) -> EntitlementError {
    EntitlementError::Invalid { field, problem: problem.to_owned() }
}

fn check(proposal: &Proposal, agreement: &Agreement, now: Timestamp) -> Result<(), EntitlementError> {
    if agreement.ended.is_some() || now >= agreement.term.until {
        return Err(invalid("agreement", "This agreement has ended."));
    }
    if proposal.window.until <= proposal.window.from {
        return Err(invalid("until", "The window must end after it begins."));
    }
    if proposal.window.until <= now {
        return Err(invalid("until", "This lies in the past."));
    }
    if proposal.window.until > agreement.term.until || proposal.window.from < agreement.term.from {
        return Err(invalid("until", "A grant cannot reach beyond its agreement's term."));
    }
    if proposal.versions.is_empty() || proposal.versions.len() > 200 {
        return Err(invalid("versions", "Write at least one pattern of versions, such as v2.*, or * for all."));
    }
    if let Some(bad) = proposal.versions.iter().find(|pattern| Glob::new(pattern).is_err()) {
        return Err(EntitlementError::Invalid { field: "versions", problem: format!("{bad} is no pattern of versions.") });
    }
    if proposal.scope.includes.is_empty() || proposal.scope.includes.len() + proposal.scope.excludes.len() > 1000 {
        return Err(invalid("includes", "Write at least one path, or / for the whole tree."));
    }
    Ok(())
}

/// Trimmed text of 1 to `most` characters in one or more lines without control characters.
fn words(field: &'static str, text: &str, most: usize) -> Result<String, EntitlementError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid(field, "This cannot be left empty."));
    }
    if text.chars().count() > most || text.chars().any(|c| c.is_control() && c != '\n' && c != '\r') {
        return Err(EntitlementError::Invalid { field, problem: format!("Write {most} characters at most, without control characters.") });
    }
    Ok(text.to_owned())
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain() {
        assert_eq!(slug("Agency One"), "agency-one");
        assert_eq!(slug("  Bundesamt (BSI) "), "bundesamt-bsi");
        assert_eq!(slug("—"), "");
    }
}
