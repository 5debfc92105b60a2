//! Suspensions: one administrator takes a grant, an agreement, an agency or a product out of force at once; two put it back.

mod store;

use serde_json::json;

use super::steps::{Act, Hand, Step, take};
use super::{EntitlementError, Entitlements, only_administrators, words};
use crate::accounts::{Principal, StepUp, done_by};
use crate::audit::{Context, Draft, Kind};
use crate::ids::SuspensionId;

pub(super) use store::{live_on, suspends};

/// What can be suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    Agency,
    Agreement,
    Grant,
    Product,
}

/// One thing that is suspended, with the name people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub kind: SubjectKind,
    pub id: String,
    pub name: String,
}

/// Where a suspension is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nothing of it can be read.
    Placed,
    /// The same, and somebody asks that it be lifted.
    LiftAsked,
    /// It holds no longer.
    Lifted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    AskLift,
    KeepIt,
    Lift,
}

/// The life of a suspension. Placing one takes a single hand, since it only takes away.
pub const LIFE: &[Step<Stage, Verb>] = &[
    Step { from: Stage::Placed, verb: Verb::AskLift, to: Stage::LiftAsked, hand: Hand::Any },
    Step { from: Stage::LiftAsked, verb: Verb::KeepIt, to: Stage::Placed, hand: Hand::Any },
    Step { from: Stage::LiftAsked, verb: Verb::Lift, to: Stage::Lifted, hand: Hand::Second },
];

#[derive(Clone, Debug)]
pub struct Suspension {
    pub id: SuspensionId,
    pub subject: Subject,
    pub stage: Stage,
    pub reason: String,
    pub placed: Act,
    pub placer: String,
    /// Who asks that it be lifted, or asked last.
    pub asked: Option<Act>,
    pub asker: Option<String>,
    pub lift_reason: Option<String>,
    pub lifted: Option<Act>,
    pub lifter: Option<String>,
}

impl SubjectKind {
    pub const ALL: [Self; 4] = [Self::Agency, Self::Agreement, Self::Grant, Self::Product];

    /// As forms and entries write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agency => "agency",
            Self::Agreement => "agreement",
            Self::Grant => "grant",
            Self::Product => "product",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Stage {
    pub const ALL: [Self; 3] = [Self::Placed, Self::LiftAsked, Self::Lifted];

    fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::LiftAsked => "lift_asked",
            Self::Lifted => "lifted",
        }
    }

    /// Whether it keeps anybody from reading.
    #[must_use]
    pub fn holds(self) -> bool {
        self != Self::Lifted
    }
}

impl Entitlements {
    /// Those that hold, newest first.
    pub async fn suspensions(&self) -> Result<Vec<Suspension>, EntitlementError> {
        Ok(store::holding(&self.database).await?)
    }

    /// Every one there was of one thing, newest first.
    pub async fn suspensions_of(&self, subject: &str) -> Result<Vec<Suspension>, EntitlementError> {
        Ok(store::of(&self.database, subject).await?)
    }

    pub async fn suspension(&self, id: &str) -> Result<Option<Suspension>, EntitlementError> {
        Ok(store::find(&self.database, id).await?)
    }

    /// Takes something out of force, from the next request on.
    pub async fn suspend(
        &self,
        kind: SubjectKind,
        id: &str,
        reason: &str,
        by: &StepUp,
        context: &Context,
    ) -> Result<SuspensionId, EntitlementError> {
        only_administrators(by.principal())?;
        let reason = words("reason", reason, 1000)?;
        let name = store::name_of(&self.database, kind, id).await?.ok_or(EntitlementError::Unknown)?;
        let new = SuspensionId::random(&self.entropy);
        let subject = Subject { kind, id: id.to_owned(), name };
        let act = Act { by: by.principal().account().clone(), at: self.clock.now() };
        let mut tx = self.database.begin().await?;
        if !store::insert(&mut tx, &new, &subject.id, &reason, &act).await? {
            return Err(EntitlementError::Conflict);
        }
        let entry = about(&new, &subject, by.principal(), Kind::SuspensionPlaced).fact("reason", json!(reason));
        self.log.commit(tx, entry, context).await.map(|()| new)
    }

    /// Asks that another administrator lift it. It holds until then.
    pub async fn ask_to_lift(&self, id: &SuspensionId, reason: &str, by: &Principal, context: &Context) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        self.step(id, Verb::AskLift, Some(reason), by, context).await
    }

    /// Answers that it stays in force.
    pub async fn keep_suspended(&self, id: &SuspensionId, reason: &str, by: &Principal, context: &Context) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        self.step(id, Verb::KeepIt, Some(reason), by, context).await
    }

    /// Puts what was suspended back in force; not for whoever asked for it.
    pub async fn lift(&self, id: &SuspensionId, by: &StepUp, context: &Context) -> Result<(), EntitlementError> {
        self.step(id, Verb::Lift, None, by.principal(), context).await
    }

    async fn step(
        &self,
        id: &SuspensionId,
        verb: Verb,
        reason: Option<String>,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        only_administrators(by)?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(EntitlementError::Unknown)?;
        let kinship = self.kinship(&mut tx, found.asked.as_ref().map(|asked| &asked.by), by.account()).await?;
        let to = take(LIFE, found.stage, verb, kinship)?;
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        if !store::save(&mut tx, id, found.stage, to, &act, reason.as_deref()).await? {
            return Err(EntitlementError::Conflict);
        }
        let kind = match verb {
            Verb::AskLift => Kind::SuspensionLiftAsked,
            Verb::KeepIt => Kind::SuspensionKept,
            Verb::Lift => Kind::SuspensionLifted,
        };
        let mut entry = about(id, &found.subject, by, kind);
        entry = entry.fact_if("reason", reason);
        self.log.commit(tx, entry, context).await
    }
}

fn about(id: &SuspensionId, subject: &Subject, by: &Principal, kind: Kind) -> Draft {
    let mut draft = done_by(by, kind);
    draft = draft.fact("suspension", json!(id.as_str()));
    draft = draft.fact("subject", json!(subject.kind.as_str()));
    draft = draft.fact("id", json!(subject.id));
    if subject.kind == SubjectKind::Product {
        draft.place = Some(crate::audit::Place { product: subject.name.clone(), ..crate::audit::Place::default() });
    }
    draft.fact("name", json!(subject.name))
}

#[cfg(test)]
mod tests {
    use super::super::steps::{Kinship, TransitionError};
    use super::*;

    #[test]
    fn a_suspension_is_lifted_by_a_second_hand_alone() {
        let step = |from, verb, kinship| take(LIFE, from, verb, kinship);
        for kinship in [Kinship::Same, Kinship::OneLine, Kinship::Independent] {
            assert_eq!(step(Stage::Placed, Verb::AskLift, kinship), Ok(Stage::LiftAsked));
            assert_eq!(step(Stage::LiftAsked, Verb::KeepIt, kinship), Ok(Stage::Placed));
            assert_eq!(step(Stage::Placed, Verb::Lift, kinship), Err(TransitionError::AlreadyDecided));
            for verb in [Verb::AskLift, Verb::KeepIt, Verb::Lift] {
                assert!(step(Stage::Lifted, verb, kinship).is_err());
            }
        }
        assert_eq!(step(Stage::LiftAsked, Verb::Lift, Kinship::Same), Err(TransitionError::OwnProposal));
        assert_eq!(step(Stage::LiftAsked, Verb::Lift, Kinship::OneLine), Err(TransitionError::SameHand));
        assert_eq!(step(Stage::LiftAsked, Verb::Lift, Kinship::Independent), Ok(Stage::Lifted));
    }
}
