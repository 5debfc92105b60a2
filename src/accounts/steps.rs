//! Lives as tables: which step leads where, and whose hand may take it.

use crate::clock::Timestamp;
use crate::ids::AccountId;

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub by: AccountId,
    pub at: Timestamp,
}

/// Whose hand a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Any administrator's.
    Any,
    /// That of an administrator who did not ask for it, and whose account another line of administrators opened.
    Second,
}

/// How whoever takes a step stands to whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// They are the same person.
    Same,
    /// One of them opened the other's account, or somebody opened both.
    OneLine,
    Independent,
}

/// A row of a table.
#[derive(Debug)]
pub struct Step<S, V> {
    pub from: S,
    pub verb: V,
    pub to: S,
    pub hand: Hand,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    #[error("Whoever asked for it cannot decide on it; another administrator must.")]
    OwnProposal,
    #[error("The account that asked for it and yours were opened by the same administrator; somebody independent must decide.")]
    SameHand,
    #[error("Nobody decides on their own role; another administrator must.")]
    OwnRole,
    #[error("Nobody decides on the reset of their own account; another administrator must.")]
    OwnReset,
    #[error("It has waited for too long and lapsed; propose it anew.")]
    Lapsed,
    #[error("You have approved it already; it waits for another administrator.")]
    ApprovedAlready,
    #[error("This was decided already; look at it again.")]
    AlreadyDecided,
    #[error("Only a grant in force can be revoked.")]
    NotInForce,
    #[error("The day of the campaign has come; what was not confirmed has lapsed. Propose it anew.")]
    CampaignOver,
    #[error("Its window has ended; propose it anew.")]
    WindowEnded,
    #[error("The agreement is not in force, so nothing can be approved under it.")]
    AgreementOver,
}

/// Where a step leads.
///
/// # Errors
/// When the table has no such step from here, or not for this hand.
pub fn take<S: Copy + PartialEq, V: Copy + PartialEq>(
    table: &[Step<S, V>],
    from: S,
    verb: V,
    kinship: Kinship,
) -> Result<S, TransitionError> {
    let step = table.iter().find(|step| step.from == from && step.verb == verb).ok_or(TransitionError::AlreadyDecided)?;
    match (step.hand, kinship) {
        (Hand::Second, Kinship::Same) => Err(TransitionError::OwnProposal),
        (Hand::Second, Kinship::OneLine) => Err(TransitionError::SameHand),
        _ => Ok(step.to),
    }
}
