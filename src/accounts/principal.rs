//! Who is asking.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::audit::{Actor, Personal};
use crate::clock::Timestamp;
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
