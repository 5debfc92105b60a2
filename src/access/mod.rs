//! May you? The only maker of [`Entitled`], [`Scoped`] and [`Reveal`].
//!
//! Every decision is made afresh from the facts in the database now; nothing is cached. A refusal is recorded before it is
//! answered, and whatever is refused, or is not there, takes the same way to the same answer.

mod entitled;
mod policy;
mod reveal;

pub use entitled::{Cleared, Entitled, NotWithin, Resource};
pub use policy::{Action, Decision, Facts, Reason, Request, decide, fits};
pub use reveal::{Group, Opening, Reveal};

use crate::accounts::{Principal, done_by};
use crate::audit::{self, Basis, Context, Kind, Log, LogUnavailable, Outcome};
use crate::catalog::{Catalog, CatalogError, Pin, Place, Product, RepoPath, path_text};
use crate::clock::{SharedClock, Timestamp};
use crate::entitlements::{EntitlementError, Entitlements, Held, PathScope};

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Recorded already. Says nothing about why.
    #[error("there is nothing here that this person may read")]
    Denied,
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    #[error(transparent)]
    Entitlements(#[from] EntitlementError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// What somebody asks for, as the address names it.
#[derive(Clone, Debug)]
pub struct Wish {
    pub product: String,
    pub version: String,
    pub path: RepoPath,
    pub action: Action,
}

/// A place asked for that may be seen if it is there; what is there, the vault resolves.
#[derive(Clone, Debug)]
pub struct Sought {
    place: Place,
    action: Action,
}

impl Resource for Sought {
    fn place(&self) -> &Place {
        &self.place
    }

    fn kind(&self) -> Kind {
        match self.action {
            Action::Read => Kind::FileOpened,
            Action::List => Kind::TreeListed,
        }
    }
}

/// Permits for the whole of two versions of one product.
#[derive(Debug)]
#[must_use]
pub struct Pair {
    pub from: Entitled<Sought>,
    pub to: Entitled<Sought>,
}

/// A query together with everything its asker may read now.
#[derive(Debug)]
#[must_use]
pub struct Scoped<Q> {
    query: Q,
    principal: Principal,
    products: Vec<Readable>,
}

/// A product somebody may read something of.
#[derive(Clone, Debug)]
pub struct Readable {
    pub product: Product,
    /// Newest first; never empty.
    pub versions: Vec<ReadableVersion>,
}

#[derive(Clone, Debug)]
pub struct ReadableVersion {
    pub name: String,
    pub commit: String,
    /// Of every grant that opens it.
    pub scopes: Vec<PathScope>,
    pub basis: Basis,
}

impl<Q> Scoped<Q> {
    pub fn query(&self) -> &Q {
        &self.query
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    pub fn products(&self) -> &[Readable] {
        &self.products
    }
}

/// Decides who may see what.
#[derive(Clone)]
pub struct Gate {
    entitlements: Entitlements,
    catalog: Catalog,
    log: Log,
    clock: SharedClock,
}

impl Gate {
    #[must_use]
    pub fn new(entitlements: Entitlements, catalog: Catalog, log: Log, clock: SharedClock) -> Self {
        Self { entitlements, catalog, log, clock }
    }

    /// Permits, or records the refusal and answers [`AccessError::Denied`].
    pub async fn entitle(&self, principal: &Principal, wish: Wish, context: &Context) -> Result<Entitled<Sought>, AccessError> {
        let facts = self.facts(principal).await?;
        let version = self.catalog.locate(&wish.product, &wish.version).await?;
        let request = Request { product: &wish.product, version: &wish.version, path: &wish.path, action: wish.action };
        match (decide(&facts, &request, self.clock.now()), version) {
            (Decision::Permit { basis, scopes }, Some(version)) => {
                let place = Place { product: wish.product, version: wish.version, commit: version.commit, path: wish.path };
                Ok(Entitled::new(Sought { place, action: wish.action }, principal.clone(), basis, scopes))
            }
            (Decision::Permit { .. }, None) => Err(self.refuse(principal, &wish, Reason::Missing, context).await),
            (Decision::Deny(reason), _) => Err(self.refuse(principal, &wish, reason, context).await),
        }
    }

    /// Permits to compare two versions of a product at a path that may be seen in one of them at least, or records the refusal.
    /// What it gives are permits for the whole of both versions; what of them may be shown, [`Entitled::shows`] tells.
    pub async fn entitle_both(&self, principal: &Principal, wishes: [Wish; 2], context: &Context) -> Result<Pair, AccessError> {
        let facts = self.facts(principal).await?;
        let now = self.clock.now();
        let root = RepoPath::root();
        let mut permits = Vec::new();
        let mut seen = false;
        for wish in &wishes {
            let version = self.catalog.locate(&wish.product, &wish.version).await?;
            let at = |path, action| Request { product: &wish.product, version: &wish.version, path, action };
            match (decide(&facts, &at(&root, Action::List), now), version) {
                (Decision::Permit { basis, scopes }, Some(version)) => {
                    seen |= matches!(decide(&facts, &at(&wish.path, wish.action), now), Decision::Permit { .. });
                    let place = Place {
                        product: wish.product.clone(),
                        version: wish.version.clone(),
                        commit: version.commit,
                        path: RepoPath::root(),
                    };
                    let sought = Sought { place, action: Action::List };
                    permits.push(Entitled::new(sought, principal.clone(), basis, scopes));
                }
                (Decision::Permit { .. }, None) => return Err(self.refuse(principal, wish, Reason::Missing, context).await),
                (Decision::Deny(reason), _) => return Err(self.refuse(principal, wish, reason, context).await),
            }
        }
        let [_, asked] = &wishes;
        match (permits.pop(), permits.pop()) {
            (Some(to), Some(from)) if seen => Ok(Pair { from, to }),
            _ => Err(self.refuse(principal, asked, Reason::Path, context).await),
        }
    }

    /// Records that what was asked for is not there, though it might have been seen, and gives the answer of a refusal.
    pub async fn nothing_at(&self, principal: &Principal, wish: &Wish, context: &Context) -> AccessError {
        self.refuse(principal, wish, Reason::Missing, context).await
    }

    /// Records that a place which might have been seen is not there, and gives the answer of a refusal.
    pub async fn missing<R: Resource>(&self, entitled: Entitled<R>, context: &Context) -> AccessError {
        let place = entitled.resource().place();
        let wish = Wish { product: place.product.clone(), version: place.version.clone(), path: place.path.clone(), action: Action::Read };
        self.refuse(entitled.principal(), &wish, Reason::Missing, context).await
    }

    /// Records that a product was asked for of which this person may read nothing, or which is not there.
    pub async fn unknown_product(&self, principal: &Principal, product: &str, context: &Context) -> AccessError {
        let mut draft = done_by(principal, Kind::AccessDenied).fact("reason", Reason::Product.words());
        draft.place = Some(audit::Place { product: shortened(product), ..audit::Place::default() });
        draft.outcome = Outcome::Denied;
        match self.log.append(draft, context).await {
            Ok(_) => AccessError::Denied,
            Err(unavailable) => unavailable.into(),
        }
    }

    /// Binds a query to what its asker may read now.
    pub async fn scope<Q>(&self, principal: &Principal, query: Q) -> Result<Scoped<Q>, AccessError> {
        let products = self.readable(principal).await?;
        Ok(Scoped { query, principal: principal.clone(), products })
    }

    /// Every product and version somebody may read something of now, by name and newest first.
    pub async fn readable(&self, principal: &Principal) -> Result<Vec<Readable>, AccessError> {
        let facts = self.facts(principal).await?;
        let now = self.clock.now();
        let mut names: Vec<&str> = facts.held.iter().map(|held| held.product.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut readable = Vec::new();
        for name in names {
            let Some(product) = self.catalog.product(name).await? else { continue };
            let pins = self.catalog.pins(&product.id).await?.into_iter();
            let versions: Vec<_> = pins.filter_map(|pin| opened(&facts, name, pin, now)).collect();
            if !versions.is_empty() {
                readable.push(Readable { product, versions });
            }
        }
        Ok(readable)
    }

    /// The versions of one product somebody may read something of now, newest first.
    pub async fn versions(&self, principal: &Principal, product: &str) -> Result<Vec<String>, AccessError> {
        let facts = self.facts(principal).await?;
        let now = self.clock.now();
        let Some(found) = self.catalog.product(product).await? else { return Ok(Vec::new()) };
        let pins = self.catalog.pins(&found.id).await?.into_iter();
        Ok(pins.map(|pin| pin.name).filter(|name| policy::opening(&facts, product, name, now).is_ok()).collect())
    }

    /// The versions of one product somebody may read something of now, each with its scopes, newest first.
    pub async fn readable_versions(&self, principal: &Principal, product: &str) -> Result<Vec<ReadableVersion>, AccessError> {
        let facts = self.facts(principal).await?;
        let now = self.clock.now();
        let Some(found) = self.catalog.product(product).await? else { return Ok(Vec::new()) };
        let pins = self.catalog.pins(&found.id).await?.into_iter();
        Ok(pins.filter_map(|pin| opened(&facts, product, pin, now)).collect())
    }

    /// As [`Gate::missing`], of a commit: the entry says which was asked for.
    pub async fn missing_commit<R: Resource>(&self, entitled: Entitled<R>, commit: &str, context: &Context) -> AccessError {
        let place = entitled.resource().place();
        let mut draft = done_by(entitled.principal(), Kind::AccessDenied).fact("reason", Reason::Missing.words()).at(place.entry());
        draft = draft.fact("commit", shortened(commit));
        draft.outcome = Outcome::Denied;
        match self.log.append(draft, context).await {
            Ok(_) => AccessError::Denied,
            Err(unavailable) => unavailable.into(),
        }
    }

    async fn facts(&self, principal: &Principal) -> Result<Facts, AccessError> {
        Ok(Facts { role: principal.role(), address: principal.address(), held: self.entitlements.held_by(principal.account()).await? })
    }

    async fn refuse(&self, principal: &Principal, wish: &Wish, reason: Reason, context: &Context) -> AccessError {
        let mut draft = done_by(principal, Kind::AccessDenied).fact("reason", reason.words()).at(audit::Place {
            product: shortened(&wish.product),
            version: Some(shortened(&wish.version)),
            path: Some(path_text(&wish.path)),
            ..audit::Place::default()
        });
        draft.outcome = Outcome::Denied;
        match self.log.append(draft, context).await {
            Ok(_) => AccessError::Denied,
            Err(unavailable) => unavailable.into(),
        }
    }
}

fn opened(facts: &Facts, product: &str, pin: Pin, now: Timestamp) -> Option<ReadableVersion> {
    let opening = policy::opening(facts, product, &pin.name, now).ok()?;
    let (basis, scopes) = (basis(opening.first()?), scopes(&opening));
    Some(ReadableVersion { name: pin.name, commit: pin.commit, scopes, basis })
}

/// A name that somebody made up, as far as an entry takes it.
fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

fn basis(held: &Held) -> Basis {
    Basis { entitlement: held.entitlement.id.clone(), agreement: held.entitlement.agreement.clone() }
}

fn scopes(opening: &[&Held]) -> Vec<PathScope> {
    opening.iter().map(|held| held.entitlement.scope.clone()).collect()
}
