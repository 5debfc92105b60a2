//! Who is asking.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::audit::{Actor, Personal};
use crate::clock::Timestamp;
use crate::config::FactorPolicy;
use crate::ids::{AccountId, AgencyId};

/// What an account is for. One account has one role, and none includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads source for an agency.
    Reviewer,
    /// Reads the log; sees no source.
    Auditor,
    /// Grants access together with another; sees no source, and what readers did only in figures.
    Administrator,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Reviewer, Self::Auditor, Self::Administrator];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }

    /// Within a sentence.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Reviewer => "a reviewer",
            Self::Auditor => "an auditor",
            Self::Administrator => "an administrator",
        }
    }

    /// As a person reads it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Reviewer => "Reviewer",
            Self::Auditor => "Auditor",
            Self::Administrator => "Administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// A person in a live session. Made only by [`super::Accounts::principal`], from facts read for this request.
#[derive(Clone, Debug)]
pub struct Principal {
    pub(super) account: AccountId,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) agency: Option<Agency>,
    pub(super) session: SessionHash,
    pub(super) confirmed_at: Option<Timestamp>,
    pub(super) second_factor: bool,
    pub(super) address: Option<IpAddr>,
}

/// The agency someone works for, as far as a principal says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agency {
    pub id: AgencyId,
    pub name: String,
}

/// The SHA-256 of a session's id in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionHash(pub(super) String);

impl SessionHash {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What entries of the log call the session: enough to tell sessions apart, not enough to find the row by guessing.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.chars().take(16).collect()
    }
}

impl Principal {
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    #[must_use]
    pub fn agency(&self) -> Option<&Agency> {
        self.agency.as_ref()
    }

    /// Where this request came from, as far as a proxy in front can be believed.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    #[must_use]
    pub fn session(&self) -> &SessionHash {
        &self.session
    }

    /// Whether a second factor is set up for their account.
    #[must_use]
    pub fn has_second_factor(&self) -> bool {
        self.second_factor
    }

    /// The same person, where it does not matter whether a second factor is due. There is no way back.
    #[must_use]
    pub fn admitted(&self) -> Admitted {
        Admitted(self.clone())
    }

    /// As an entry of the log names them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor {
            account: self.account.clone(),
            agency: self.agency.as_ref().map(|agency| agency.id.clone()),
            role: self.role.as_str().to_owned(),
            session: Some(self.session.short()),
        }
    }

    /// What an entry says about them by commitment only.
    #[must_use]
    pub fn personal(&self) -> Personal {
        Personal {
            name: Some(self.name.clone()),
            email: Some(self.email.clone()),
            agency_name: self.agency.as_ref().map(|agency| agency.name.clone()),
            ..Personal::default()
        }
    }
}

impl FactorPolicy {
    /// Whether those of this role must have a second factor.
    pub(super) fn of(self, role: Role) -> bool {
        match self {
            Self::Nobody => false,
            Self::Staff => role != Role::Reviewer,
            Self::Everybody => true,
        }
    }
}

/// Whose session it is, as [`super::Accounts::presence`] finds it for each request.
#[derive(Clone, Debug)]
pub enum Presence {
    Nobody,
    /// Gave the password. Nothing is open to them but the page that asks for their second factor.
    Waiting(Waiting),
    /// Must set up a second factor, which those of their role must have, before anything else.
    Due(Admitted),
    Present(Principal),
}

/// Somebody whose password was right and whose second factor is awaited. No room takes this for a [`Principal`], and nothing but
/// [`super::Accounts::give_factor`] makes one of it.
#[derive(Clone, Debug)]
pub struct Waiting(pub(super) Principal);

/// Somebody who gave all that their account asks for, though a second factor may be due that it does not have yet. Enough to set one up,
/// to confirm who it is and to sign out; no room takes it for a [`Principal`].
#[derive(Clone, Debug)]
pub struct Admitted(pub(super) Principal);

impl Admitted {
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.0.account
    }

    #[must_use]
    pub fn email(&self) -> &str {
        &self.0.email
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    #[must_use]
    pub fn role(&self) -> Role {
        self.0.role
    }

    #[must_use]
    pub fn agency(&self) -> Option<&Agency> {
        self.0.agency.as_ref()
    }

    #[must_use]
    pub fn has_second_factor(&self) -> bool {
        self.0.second_factor
    }
}

/// Proof that somebody admitted showed minutes ago that they are who they are: enough to set up a second factor. Made only by
/// [`super::Accounts::fresh`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Fresh {
    pub(super) admitted: Admitted,
}

/// Proof that the person showed minutes ago that they are who they are. Made only by [`super::Accounts::stepped_up`].
#[derive(Clone, Debug)]
#[must_use]
pub struct StepUp {
    pub(super) principal: Principal,
}

impl StepUp {
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}
