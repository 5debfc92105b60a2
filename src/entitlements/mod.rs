//! Agencies, their agreements, the people these name, and what each grant opens.
//!
//! Nothing is readable by default. A grant names a product, versions, paths and a window under an agreement; it is in force
//! when as many other administrators as it takes have approved it, within its window and the agreement's term, for people whom the
//! agreement names and who accepted its terms, until somebody revokes it or suspends something it hangs on. This room keeps the facts
//! and their transitions, each life as a table; whether they permit anything is for `access` to decide, afresh on each request.

mod agencies;
mod agreements;
mod campaigns;
mod directories;
mod grants;
mod imports;
mod paging;
mod people;
mod store;
mod suspensions;

pub use crate::accounts::steps::{Act, Hand, Kinship, TransitionError};
pub use agencies::{Agency, NewAgency};
pub use agreements::{
    Agreement, AgreementFilter, Amendment, AmendmentStage, Document, Ended, LARGEST_DOCUMENT, NewAgreement, NewDocument, Paper, REMINDERS,
    Reach, Standing, Terms,
};
pub use campaigns::{
    BROAD, Campaign, Counted, Evidence, IDLE, Item, ItemFilter, NewCampaign, PersonUse, Points, SealedEvidence, Stage as CampaignStage,
    Standing as Confirmation, Tally,
};
pub use directories::{
    DirectoryPerson, Email, Kept, KeptAccount, MOST_DIRECTORY_PEOPLE, Name, Narrow, Profile, ProfileError, ProvisioningError,
};
pub use grants::{
    Emergency, Entitlement, Figures, GrantFilter, Held, LONGEST_EMERGENCY, Line, MOST_APPROVALS, PathScope, Phase, Proposal, Readers,
    Review, Seen, State, Under, Window,
};
pub use imports::{GRANT_COLUMNS, Invited, Outcome as ImportOutcome, PEOPLE_COLUMNS, Plan as ImportPlan, PlannedLine};
pub use paging::{PAGE, Page, Turn};
pub use people::{Nomination, NominationFilter, Nominee, PendingTerms, Stage as NominationStage};
pub use suspensions::{Stage as SuspensionStage, Subject, SubjectKind, Suspension};

/// The tables of every life in this room, for tests that walk them.
pub mod lives {
    pub use super::agreements::{
        AMENDMENT_LIFE, AmendmentStage, AmendmentVerb, LIFE as AGREEMENT, Stage as AgreementStage, Verb as AgreementVerb,
    };
    pub use super::campaigns::{
        GRANT_LIFE as CONFIRMATION, LIFE as CAMPAIGN, Stage as CampaignStage, Standing as Confirmation, Turning as ConfirmationVerb,
        Verb as CampaignVerb,
    };
    pub use super::grants::{LIFE as GRANT, Stage as GrantStage, Verb as GrantVerb};
    pub use super::people::{LIFE as NOMINATION, Stage as NominationStage, Verb as NominationVerb};
    pub use super::steps::{Hand, Kinship, Step, take};
    pub use super::suspensions::{LIFE as SUSPENSION, Stage as SuspensionStage, Verb as SuspensionVerb};
}

use std::collections::HashMap;

use crate::accounts::{self, AccountError, Principal, Role, done_by, steps};
use crate::audit::{AuditError, Draft, Kind, Log, LogUnavailable, Outcome};
use crate::clock::SharedClock;
use crate::database::{Database, DatabaseError, Tx};
use crate::ids::{AccountId, Entropy};

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
    Account(#[from] AccountError),
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    #[error(transparent)]
    Audit(AuditError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
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

    /// What people, agencies, agreements and campaigns of these ids are called today.
    pub async fn names(&self, ids: Vec<String>) -> Result<HashMap<String, String>, EntitlementError> {
        Ok(store::names(&self.database, &ids).await?)
    }

    /// How `by` stands to whoever asked for something: to nobody, when nobody did.
    async fn kinship<'a>(&self, tx: &mut Tx, asked: impl Into<Option<&'a AccountId>>, by: &AccountId) -> Result<Kinship, EntitlementError> {
        match asked.into() {
            Some(asked) => Ok(accounts::kinship(tx, asked, by).await?),
            None => Ok(Kinship::Independent),
        }
    }
}

/// Whoever may not grant is told that there is nothing to decide on.
fn only_administrators(by: &Principal) -> Result<(), EntitlementError> {
    if by.role() == Role::Administrator { Ok(()) } else { Err(EntitlementError::Unknown) }
}

fn draft(by: Option<&Principal>, kind: Kind) -> Draft {
    by.map_or_else(|| Draft::new(kind, Outcome::Done), |by| done_by(by, kind))
}

pub(crate) fn invalid(field: &'static str, problem: &str) -> EntitlementError {
    EntitlementError::Invalid { field, problem: problem.to_owned() }
}

/// Trimmed text of 1 to `most` characters in one or more lines without control characters.
fn words(field: &'static str, text: &str, most: usize) -> Result<String, EntitlementError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid(field, "This cannot be left empty."));
    }
    if text.chars().count() > most || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(EntitlementError::Invalid { field, problem: format!("Write {most} characters at most, without control characters.") });
    }
    Ok(text.to_owned())
}
