//! What an administrator may be told of a grant before deciding on it.
//!
//! Administrators read no source. But names and counts of files are derived from source, too: so whoever counts demands this proof, and
//! shuts away what was counted until the entry that says so is durable. Nothing reads a file by it.

use std::collections::BTreeMap;

use super::policy::{Facts, fits, opening};
use super::{AccessError, Gate, scopes};
use crate::accounts::{Principal, Role, done_by};
use crate::audit::{self, Basis, Context, Draft, Kind, Outcome};
use crate::catalog::{Product, Version};
use crate::clock::Timestamp;
use crate::entitlements::{Held, NominationStage, PathScope, Readers};
use crate::ids::{AccountId, AgreementId, EntitlementId};

/// What a grant opens, and to whom.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The grant itself, when it was proposed already.
    pub grant: Option<EntitlementId>,
    pub agreement: AgreementId,
    pub product: Product,
    /// Patterns of version names.
    pub versions: Vec<String>,
    pub scope: PathScope,
    pub readers: Readers,
    /// When, in words: the same words for the same window.
    pub lasting: String,
}

/// Proof that somebody may be told what a grant opens: how many files and lines, and the names of some. Made only by [`Gate::reveal`].
#[derive(Debug)]
#[must_use]
pub struct Reveal {
    principal: Principal,
    opening: Opening,
    versions: Vec<Version>,
    groups: Vec<Group>,
}

/// People who may read the same today.
#[derive(Debug)]
pub struct Group {
    /// By name.
    pub people: Vec<(AccountId, String)>,
    /// What they may read today of each published version of the product, in the order of [`Reveal::versions`].
    pub today: Vec<Vec<PathScope>>,
}

impl Reveal {
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Every published version of the product, newest first.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Whether the grant is for this version.
    #[must_use]
    pub fn opens(&self, version: &Version) -> bool {
        fits(&self.opening.versions, &version.name)
    }

    /// The people it is for, by what they may read today.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The entry that says that something was told by this.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let texts = |paths: &[crate::catalog::RepoPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        let of = &self.opening;
        let mut draft = done_by(&self.principal, Kind::EntitlementPreviewed);
        draft.outcome = Outcome::Permitted;
        draft.place = Some(audit::Place { product: of.product.name.clone(), ..audit::Place::default() });
        draft.basis = of.grant.clone().map(|entitlement| Basis { entitlement, agreement: of.agreement.clone() });
        draft = draft.fact("agreement", of.agreement.as_str()).fact("versions", of.versions.clone());
        draft.fact("includes", texts(&of.scope.includes)).fact("excludes", texts(&of.scope.excludes))
    }
}

impl Gate {
    /// Permits an administrator to be told what a grant opens; to anybody else there is no such product.
    ///
    /// What the people may read today is decided as for a request from a network that their agreements admit, their terms accepted: so
    /// that what differs is what the grant does.
    pub async fn reveal(&self, principal: &Principal, opening: Opening, context: &Context) -> Result<Reveal, AccessError> {
        if principal.role() != Role::Administrator {
            return Err(self.unknown_product(principal, &opening.product.name, context).await);
        }
        let versions = self.catalog.versions(&opening.product.id).await?;
        let mut held: BTreeMap<AccountId, Vec<Held>> = BTreeMap::new();
        for (account, one) in self.entitlements.held_under(&opening.agreement, &opening.product.id).await? {
            held.entry(account).or_default().push(admitted(one));
        }
        let now = self.clock.now();
        let mut groups: BTreeMap<Vec<EntitlementId>, Group> = BTreeMap::new();
        for nominee in self.entitlements.nominees(&opening.agreement).await? {
            let account = nominee.nomination.account;
            let meant = match &opening.readers {
                Readers::Everybody => true,
                Readers::These(accounts) => accounts.contains(&account),
            };
            if nominee.nomination.stage != NominationStage::Approved || nominee.disabled || !meant {
                continue;
            }
            let held = held.remove(&account).unwrap_or_default();
            let key = held.iter().map(|one| one.entitlement.id.clone()).collect();
            let group =
                groups.entry(key).or_insert_with(|| Group { people: Vec::new(), today: today(held, &opening.product, &versions, now) });
            group.people.push((account, nominee.name));
        }
        Ok(Reveal { principal: principal.clone(), opening, versions, groups: groups.into_values().collect() })
    }
}

/// The same, asked from where it is admitted by somebody who accepted the terms.
fn admitted(mut held: Held) -> Held {
    held.under.reach.addresses.clear();
    held.under.terms_pending = false;
    held
}

fn today(held: Vec<Held>, product: &Product, versions: &[Version], now: Timestamp) -> Vec<Vec<PathScope>> {
    let facts = Facts { role: Role::Reviewer, address: None, held };
    let of = |version: &Version| opening(&facts, &product.name, &version.name, now).map(|opening| scopes(&opening)).unwrap_or_default();
    versions.iter().map(of).collect()
}
