//! Grants: proposed, approved, refused, revoked; given alone for hours where it cannot wait, and reviewed afterwards.

mod entitlement;
mod list;
mod seen;
mod store;

use globset::Glob;
use serde_json::json;

pub use entitlement::{Emergency, Entitlement, LIFE, LONGEST_EMERGENCY, MOST_APPROVALS, PathScope, Readers, Stage, State, Verb, Window};
pub use list::{GrantFilter, Phase};
pub use seen::{Figures, Seen};

use seen::after_seeing;
pub(super) use store::{lines, load};

use super::agreements::{Agreement, Reach};
use super::steps::{Act, Kinship, TransitionError};
use super::{EntitlementError, Entitlements, invalid, only_administrators, words};
use crate::accounts::{Principal, StepUp, done_by};
use crate::audit::{Basis, Context, Draft, Kind, Place};
use crate::catalog::{Product, RepoPath};
use crate::clock::Timestamp;
use crate::database::{DatabaseError, Tx};
use crate::ids::{AccountId, AgencyId, AgreementId, EntitlementId, ProductId};

/// A proposal as an administrator writes it.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub agreement: AgreementId,
    pub versions: Vec<String>,
    pub scope: PathScope,
    pub readers: Readers,
    pub window: Window,
    pub purpose: String,
    /// How many other administrators have to approve it.
    pub needed: i64,
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
    pub reviewer: Option<String>,
    /// Something it hangs on is suspended, or the grant itself.
    pub suspended: bool,
    /// When it lapses unless an administrator confirms it, or since when it has.
    pub confirm_by: Option<Timestamp>,
    /// What its proposer was shown that it opens.
    pub foreseen: Option<Figures>,
}

/// A grant some person might read under, with the facts that decide whether they may.
#[derive(Clone, Debug)]
pub struct Held {
    pub entitlement: Entitlement,
    /// The product's name.
    pub product: String,
    pub under: Under,
}

/// How what a grant hangs on stands, for one person.
#[derive(Clone, Debug)]
pub struct Under {
    pub term: Window,
    pub ended: Option<Timestamp>,
    /// The agreement is not signed yet.
    pub draft: bool,
    pub reach: Reach,
    /// The grant, its agreement, its agency or its product.
    pub suspended: bool,
    /// When it lapses unless an administrator confirms it, or since when it has.
    pub confirm_by: Option<Timestamp>,
    /// The newest terms of the agreement, if it has any, are not accepted by this person.
    pub terms_pending: bool,
}

/// What a review of access given alone found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    Justified,
    /// It should not have been given.
    Objected,
}

impl Review {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::Objected => "objected",
        }
    }
}

impl Entitlements {
    /// Every grant, newest proposal first.
    pub async fn list(&self) -> Result<Vec<Line>, EntitlementError> {
        Ok(store::list_all(&self.database).await?)
    }

    pub async fn grant(&self, id: &str) -> Result<Option<Line>, EntitlementError> {
        Ok(store::line(&self.database, id).await?)
    }

    /// What a person might read under, whatever its state.
    pub async fn held_by(&self, account: &AccountId) -> Result<Vec<Held>, EntitlementError> {
        Ok(store::held_by(&self.database, account).await?)
    }

    /// What everybody whom an agreement names might read of one product, under this agreement or another; those who might read nothing are
    /// left out.
    pub async fn held_under(&self, agreement: &AgreementId, product: &ProductId) -> Result<Vec<(AccountId, Held)>, EntitlementError> {
        Ok(store::held_under(&self.database, agreement, product).await?)
    }

    /// Whether this could be proposed now.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn check(&self, proposal: &Proposal, product: &Product, by: &Principal) -> Result<(), EntitlementError> {
        self.checked(proposal.clone(), product, by).await.map(drop)
    }

    /// As [`Entitlements::propose_seen`], by whoever was shown nothing: the command line and its like.
    pub async fn propose(
        &self,
        proposal: Proposal,
        product: &Product,
        by: &Principal,
        context: &Context,
    ) -> Result<EntitlementId, EntitlementError> {
        self.propose_seen(proposal, product, None, by, context).await
    }

    /// Proposes a grant; what its proposer was shown that it opens is kept with it.
    pub async fn propose_seen(
        &self,
        proposal: Proposal,
        product: &Product,
        seen: Option<&Seen>,
        by: &Principal,
        context: &Context,
    ) -> Result<EntitlementId, EntitlementError> {
        let new = self.checked(proposal, product, by).await?;
        let mut tx = self.database.begin().await?;
        self.propose_in(&mut tx, &new, product, seen, by, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(new.id)
    }

    /// Proposes what was checked, within a transaction.
    pub(super) async fn propose_in(
        &self,
        tx: &mut Tx,
        new: &Entitlement,
        product: &Product,
        seen: Option<&Seen>,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        store::insert(tx, new, seen.map(|seen| &seen.figures)).await?;
        let entry = after_seeing(about(new, by, Kind::EntitlementProposed, &product.name), seen);
        self.log.append_in(tx, entry, context).await?;
        Ok(())
    }

    /// Gives access alone and at once, for [`LONGEST_EMERGENCY`] at most, to be reviewed by another administrator afterwards. Nobody gives
    /// a second one before the first is reviewed.
    pub async fn break_glass(
        &self,
        proposal: Proposal,
        product: &Product,
        seen: Option<&Seen>,
        by: &StepUp,
        context: &Context,
    ) -> Result<EntitlementId, EntitlementError> {
        let now = self.clock.now();
        let by = by.principal();
        if proposal.window.from < now || proposal.window.until > now.plus(LONGEST_EMERGENCY) {
            return Err(invalid("until", "Access given alone begins now and lasts eight hours at most."));
        }
        let proposed = self.checked(proposal, product, by).await?;
        let approved = Act { by: by.account().clone(), at: now };
        let emergency = Some(Emergency { reviewed: None, review: None });
        let new = Entitlement { state: State::Approved { approved }, needed: 0, emergency, ..proposed };
        let mut tx = self.database.begin().await?;
        if store::unreviewed_by(&mut tx, by.account()).await? {
            return Err(invalid(
                "",
                "You gave access alone before, and nobody has reviewed that yet. Another administrator has to, first.",
            ));
        }
        store::insert(&mut tx, &new, seen.map(|seen| &seen.figures)).await?;
        store::save(&mut tx, &new, "proposed").await?;
        let entry = after_seeing(about(&new, by, Kind::EntitlementEmergency, &product.name), seen);
        self.log.commit(tx, entry, context).await.map(|()| new.id)
    }

    pub(super) async fn checked(&self, proposal: Proposal, product: &Product, by: &Principal) -> Result<Entitlement, EntitlementError> {
        only_administrators(by)?;
        let agreement = self.agreement(proposal.agreement.as_str()).await?.ok_or(EntitlementError::Unknown)?;
        let agency = self.agency(agreement.agency.as_str()).await?.ok_or(EntitlementError::Unknown)?;
        if agency.ineligible.is_some() {
            return Err(invalid("agency", "This agency is struck from the list of eligible agencies."));
        }
        check(&proposal, &agreement, product, self.clock.now())?;
        if let Readers::These(accounts) = &proposal.readers {
            let named = self.nominees(&agreement.id).await?;
            let known = |account: &AccountId| named.iter().any(|nominee| nominee.nomination.account == *account);
            if accounts.is_empty() || !accounts.iter().all(known) {
                return Err(invalid("people", "Choose people whom the agreement names, or everybody it names."));
            }
        }
        Ok(Entitlement {
            id: EntitlementId::random(&self.entropy),
            agreement: proposal.agreement,
            product: product.id.clone(),
            versions: proposal.versions,
            scope: proposal.scope,
            readers: proposal.readers,
            window: proposal.window,
            purpose: words("purpose", &proposal.purpose, 500)?,
            proposed: Act { by: by.account().clone(), at: self.clock.now() },
            needed: proposal.needed,
            approvals: Vec::new(),
            state: State::Proposed,
            emergency: None,
        })
    }

    /// As [`Entitlements::approve_seen`], by whoever was shown nothing.
    pub async fn approve(&self, id: &EntitlementId, by: &StepUp, context: &Context) -> Result<(), EntitlementError> {
        self.approve_seen(id, None, by, context).await
    }

    /// Approves a grant; the entry says what the approver was shown that it opens.
    pub async fn approve_seen(
        &self,
        id: &EntitlementId,
        seen: Option<&Seen>,
        by: &StepUp,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let approver = by.principal();
        only_administrators(approver)?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(EntitlementError::Unknown)?;
        let mut kinship = self.kinship(&mut tx, &found.proposed.by, approver.account()).await?;
        for earlier in &found.approvals {
            if kinship == Kinship::Independent && earlier.by != *approver.account() {
                kinship = self.kinship(&mut tx, &earlier.by, approver.account()).await?;
            }
        }
        let before = found.approvals.len();
        let changed = found.approve(approver.account(), kinship, self.clock.now())?;
        if !store::save_approval(&mut tx, &changed, before).await? {
            return Err(EntitlementError::Conflict);
        }
        let product = store::product_name(&mut tx, &changed.product).await?;
        let entry = after_seeing(about(&changed, approver, Kind::EntitlementApproved, &product), seen);
        self.log.commit(tx, entry, context).await
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

    /// Says of access that was given alone whether it was justified; another administrator's to say.
    pub async fn review(
        &self,
        id: &EntitlementId,
        review: Review,
        words_of: &str,
        by: &StepUp,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let by = by.principal();
        only_administrators(by)?;
        let said = words("reason", words_of, 1000)?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(EntitlementError::Unknown)?;
        match self.kinship(&mut tx, &found.proposed.by, by.account()).await? {
            Kinship::Same => return Err(TransitionError::OwnProposal.into()),
            Kinship::OneLine => return Err(TransitionError::SameHand.into()),
            Kinship::Independent => {}
        }
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        if !store::save_review(&mut tx, id, &act, &format!("{}: {said}", review.as_str())).await? {
            return Err(TransitionError::AlreadyDecided.into());
        }
        let product = store::product_name(&mut tx, &found.product).await?;
        let mut entry = about(&found, by, Kind::EntitlementReviewed, &product);
        entry = entry.fact("review", review.as_str()).fact("reason", json!(said));
        self.log.commit(tx, entry, context).await
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
        self.log.commit(tx, about(&changed, by, kind, &product), context).await
    }
}

fn about(entitlement: &Entitlement, by: &Principal, kind: Kind, product: &str) -> Draft {
    let texts = |paths: &[RepoPath]| json!(paths.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut draft = done_by(by, kind);
    draft.basis = Some(Basis { entitlement: entitlement.id.clone(), agreement: entitlement.agreement.clone() });
    draft.place = Some(Place { product: product.to_owned(), ..Place::default() });
    draft = draft.fact("purpose", json!(entitlement.purpose));
    draft = draft.fact("versions", json!(entitlement.versions));
    draft = draft.fact("includes", texts(&entitlement.scope.includes));
    draft = draft.fact("excludes", texts(&entitlement.scope.excludes));
    draft = draft.fact("from", json!(entitlement.window.from.to_string()));
    draft = draft.fact("until", json!(entitlement.window.until.to_string()));
    if let Readers::These(accounts) = &entitlement.readers {
        draft = draft.fact("people", json!(accounts.iter().map(AccountId::as_str).collect::<Vec<_>>()));
    }
    if kind == Kind::EntitlementApproved {
        draft = draft.fact("approvals", json!(entitlement.approvals.len())).fact("needed", json!(entitlement.needed));
    }
    if let State::Refused { reason, .. } | State::Revoked { reason, .. } = &entitlement.state {
        draft = draft.fact("reason", json!(reason));
    }
    draft
}

fn check(proposal: &Proposal, agreement: &Agreement, product: &Product, now: Timestamp) -> Result<(), EntitlementError> {
    if agreement.ended.is_some() || now >= agreement.term.until {
        return Err(invalid("agreement", "This agreement has ended."));
    }
    if agreement.draft {
        return Err(invalid("agreement", "This agreement is a draft; sign it first."));
    }
    if !agreement.reach.covers(&product.name) {
        return Err(EntitlementError::Invalid {
            field: "product",
            problem: format!("The agreement covers {} and nothing else; amend it first.", agreement.reach.covers.join(", ")),
        });
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
    if proposal.versions.is_empty() || proposal.versions.len() > 2000 {
        return Err(invalid("versions", "Write at least one pattern of versions, such as v2.*, or * for all."));
    }
    if let Some(bad) = proposal.versions.iter().find(|pattern| Glob::new(pattern).is_err()) {
        return Err(EntitlementError::Invalid { field: "versions", problem: format!("{bad} is no pattern of versions.") });
    }
    if proposal.scope.includes.is_empty() || proposal.scope.includes.len() + proposal.scope.excludes.len() > 1000 {
        return Err(invalid("includes", "Write at least one path, or / for the whole tree."));
    }
    if !(1..=MOST_APPROVALS).contains(&proposal.needed) {
        return Err(invalid("needed", "It takes one to five approvals."));
    }
    Ok(())
}
