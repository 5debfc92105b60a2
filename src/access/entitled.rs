//! Proof that somebody may see something, now.

use crate::accounts::Principal;
use crate::audit::{Basis, Draft, Kind, Outcome, Recordable, Recorded};
use crate::catalog::{Place, RepoPath};
use crate::entitlements::PathScope;

/// Proof that a person may see `R`, by facts that held when it was asked. Made only by [`super::Gate`], or narrowed from
/// another; not `Clone`, so that one permit gives one record and one read.
#[derive(Debug)]
#[must_use]
pub struct Entitled<R> {
    resource: R,
    principal: Principal,
    basis: Basis,
    scopes: Vec<PathScope>,
}

/// Entitled and recorded: what the vault demands before it gives anything away.
pub type Cleared<R> = Recorded<Entitled<R>>;

/// Something of a version that can be shown.
pub trait Resource {
    fn place(&self) -> &Place;

    /// The entry that says it was shown.
    fn kind(&self) -> Kind;

    /// Whether it is told of a directory, of which a part may be read, cut to that part.
    fn is_listing(&self) -> bool {
        self.kind() == Kind::TreeListed
    }

    /// What the entry says besides the place; the object shown, above all.
    fn describe(&self, draft: Draft) -> Draft {
        draft
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the inner place does not lie within the outer one, or not within the grants")]
pub struct NotWithin;

impl<R: Resource> Entitled<R> {
    pub(super) fn new(resource: R, principal: Principal, basis: Basis, scopes: Vec<PathScope>) -> Self {
        Self { resource, principal, basis, scopes }
    }

    pub fn resource(&self) -> &R {
        &self.resource
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether a name at this path may be shown: a file when it may be read, a directory also when it leads to one.
    #[must_use]
    pub fn shows(&self, path: &RepoPath, is_directory: bool) -> bool {
        self.scopes.iter().any(|scope| if is_directory { scope.passes(path) } else { scope.reads(path) })
    }

    /// Whether this permit and another show the same below a directory, whatever is there.
    #[must_use]
    pub fn shows_alike<S>(&self, other: &Entitled<S>, directory: &RepoPath) -> bool {
        let whole = |scope: &PathScope| scope.reads(directory) && !scope.excludes.iter().any(|exclude| directory.contains(exclude));
        self.scopes == other.scopes || (self.scopes.iter().any(whole) && other.scopes.iter().any(whole))
    }

    /// What may be read by this permit, as bytes that are the same for the same: for what was made under it to be kept apart from what
    /// was made under others.
    #[must_use]
    pub fn scope_key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        for scope in &self.scopes {
            for (sign, paths) in [(b'+', &scope.includes), (b'-', &scope.excludes)] {
                for path in paths {
                    key.push(sign);
                    key.extend_from_slice(path.bytes());
                    key.push(0);
                }
            }
            key.push(b'\n');
        }
        key
    }

    /// The same permit for something within: the object found at the place, or a file below a directory.
    ///
    /// # Errors
    /// When it lies outside the place this permit is for, or outside what may be read.
    pub fn narrow<S: Resource>(self, inner: S) -> Result<Entitled<S>, NotWithin> {
        self.check(&inner)?;
        Ok(Entitled { resource: inner, principal: self.principal, basis: self.basis, scopes: self.scopes })
    }

    /// A permit of its own for a file below a directory, to be recorded by itself.
    ///
    /// # Errors
    /// As [`Entitled::narrow`].
    pub fn fork<S: Resource>(&self, inner: S) -> Result<Entitled<S>, NotWithin> {
        self.check(&inner)?;
        Ok(Entitled { resource: inner, principal: self.principal.clone(), basis: self.basis.clone(), scopes: self.scopes.clone() })
    }

    fn check<S: Resource>(&self, inner: &S) -> Result<(), NotWithin> {
        let within = self.resource.place().contains(inner.place()) && self.shows(&inner.place().path, inner.is_listing());
        if within { Ok(()) } else { Err(NotWithin) }
    }
}

impl<R: Resource> Recordable for Entitled<R> {
    fn drafts(&self) -> Vec<Draft> {
        let mut draft = Draft::new(self.resource.kind(), Outcome::Permitted)
            .by(self.principal.actor())
            .on(self.basis.clone())
            .at(self.resource.place().entry());
        draft.personal = self.principal.personal();
        vec![self.resource.describe(draft)]
    }
}
