//! What is known of a log's witnesses, and when what they say makes a quorum or a contradiction. Pure: asking them and keeping
//! files is the client's business.

use crate::audit::checkpoint::{Checkpoint, Note, NoteError, Signature, VerifierKey};
use crate::audit::handover::Keys;
use crate::audit::policy::Policy;
use crate::clock::Timestamp;

/// How a witness does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was not asked yet.
    Unasked,
    /// It cosigned what it was asked last, or had cosigned more of this log for another process already.
    Cosigning,
    /// It does not answer, or not with a cosignature.
    Failing(String),
    /// It answered what no witness answers.
    Lying(String),
    /// It says that it cosigned what this log does not hold. A claim, not a proof.
    Contradicting(String),
}

impl Standing {
    /// One word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Cosigning => "cosigning",
            Self::Failing(_) => "failing",
            Self::Lying(_) => "lying",
            Self::Contradicting(_) => "contradicting",
        }
    }

    /// Why it does not cosign, when it does not.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Unasked | Self::Cosigning => None,
            Self::Failing(why) | Self::Lying(why) | Self::Contradicting(why) => Some(why),
        }
    }
}

/// One witness of the policy, as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The largest tree of this log that it cosigned for this process, or before as far as that was kept.
    pub(super) size: u64,
    /// What it says that it cosigned for others, as long as this log has that much.
    ahead: u64,
    /// When it cosigned last, as it says.
    pub(super) at: Option<Timestamp>,
    pub(super) standing: Standing,
    /// Whether it can be asked.
    asked: bool,
    /// The size that it was asked about last, once that was answered or had failed.
    tried: Option<u64>,
    /// It failed, and is left alone for a while.
    pausing: bool,
    /// What it said that this log does not hold, until it cosigns again.
    claim: Option<String>,
}

/// A checkpoint of this log with the cosignatures it has so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) checkpoint: Checkpoint,
    /// With the log's own signature only.
    pub(super) signed: Note,
    /// By the policy's order.
    cosignatures: Vec<Option<Signature>>,
}

impl Candidate {
    /// # Errors
    /// When the note is no checkpoint.
    pub(super) fn new(note: &str, witnesses: usize) -> Result<Self, NoteError> {
        let signed: Note = note.parse()?;
        Ok(Self { checkpoint: Checkpoint::parse(signed.text())?, signed, cosignatures: vec![None; witnesses] })
    }

    /// Takes a note apart into what the log and what the policy's witnesses signed; all else is left out.
    ///
    /// # Errors
    /// When the log has not signed it, or a signature does not hold.
    pub(super) fn read(note: &str, log: &Keys, policy: &Policy) -> Result<Self, NoteError> {
        let checkpoint = log.open(note)?;
        let note: Note = note.parse()?;
        let by = |key: &VerifierKey| match note.verify(std::slice::from_ref(key)) {
            Ok(good) => Ok(good.first().map(|(_, signature)| (*signature).clone())),
            Err(NoteError::Unsigned(_)) => Ok(None),
            Err(other) => Err(other),
        };
        let own = log.all().iter().map(by).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let cosignatures = policy.witnesses().iter().map(|w| by(&w.key)).collect::<Result<_, _>>()?;
        Ok(Self { checkpoint, signed: Note::new(note.text().to_owned(), own)?, cosignatures })
    }

    pub(super) fn size(&self) -> u64 {
        self.checkpoint.size
    }

    fn flags(&self) -> Vec<bool> {
        self.cosignatures.iter().map(Option::is_some).collect()
    }

    fn count(&self) -> usize {
        self.cosignatures.iter().flatten().count()
    }

    /// The checkpoint with all that have signed it.
    pub(super) fn note(&self) -> String {
        let cosignatures: String = self.cosignatures.iter().flatten().map(ToString::to_string).collect();
        format!("{}{cosignatures}", self.signed)
    }
}

/// What is being gathered.
#[derive(Debug)]
pub(super) struct Gathering {
    policy: Policy,
    known: Vec<Known>,
    /// What the witnesses are asked to cosign now.
    target: Option<Candidate>,
    /// The newest that has the quorum and is kept on disk.
    witnessed: Option<Candidate>,
    /// Every witness that can be asked has been, or there was a quorum before that and it is kept.
    met: bool,
}

impl Gathering {
    /// `kept` is what was kept when the log ran last.
    pub(super) fn new(policy: Policy, kept: Option<Candidate>) -> Self {
        let known = (0..).zip(policy.witnesses()).map(|(at, witness)| {
            let cosigned = kept.as_ref().and_then(|k| k.cosignatures.get(at)).and_then(Option::as_ref);
            Known {
                size: cosigned.and(kept.as_ref()).map_or(0, Candidate::size),
                ahead: 0,
                at: cosigned.and_then(time_of),
                standing: Standing::Unasked,
                asked: witness.url.is_some(),
                tried: None,
                pausing: false,
                claim: None,
            }
        });
        let known = known.collect();
        // The policy may ask for more than it did then.
        let witnessed = kept.filter(|k| policy.quorum_of(&k.flags()));
        Self { known, policy, target: None, witnessed, met: false }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn known(&self) -> &[Known] {
        &self.known
    }

    pub(super) fn witnessed(&self) -> Option<&Candidate> {
        self.witnessed.as_ref()
    }

    pub(super) fn met(&mut self) -> bool {
        self.met |= self.target.is_some() && self.is_over() && self.unkept().is_none();
        self.met
    }

    /// What has a quorum could not be kept. Nobody need wait for that.
    pub(super) fn not_kept(&mut self) {
        self.met = true;
    }

    /// Whether there is nothing to wait for before a newer checkpoint is offered: there is a quorum, or everyone who can
    /// be asked has answered or is left alone for now.
    pub(super) fn is_over(&self) -> bool {
        let Some(target) = &self.target else { return true };
        let answered = |known: &Known| !known.asked || known.pausing || known.tried == Some(target.size());
        self.policy.quorum_of(&target.flags()) || self.known.iter().all(answered)
    }

    /// Offers a checkpoint from now on, unless it is not newer than what is offered.
    pub(super) fn aim(&mut self, target: Candidate) -> bool {
        let newer = self.target.as_ref().is_none_or(|t| t.size() < target.size());
        if newer {
            self.target = Some(target);
        }
        newer
    }

    /// Begins to ask a witness. Returns the size that it cosigned last, as far as is known.
    pub(super) fn begin(&mut self, at: usize) -> Option<u64> {
        let known = self.known.get_mut(at)?;
        known.pausing = false;
        Some(known.size.max(known.ahead))
    }

    /// A cosignature over this log's checkpoint of a size, which was verified. Returns what is to be kept now.
    pub(super) fn cosigned(&mut self, at: usize, size: u64, signature: &Signature) -> Option<Candidate> {
        let known = self.known.get_mut(at)?;
        (known.size, known.ahead, known.at) = (known.size.max(size), 0, time_of(signature));
        (known.standing, known.tried, known.claim) = (Standing::Cosigning, Some(size), None);
        if let Some(target) = self.target.as_mut().filter(|t| t.size() == size) {
            *target.cosignatures.get_mut(at)? = Some(signature.clone());
            return self.unkept();
        }
        // Late, but what it is about is still the newest that has a quorum.
        let mut more = self.witnessed.clone().filter(|w| w.size() == size)?;
        *more.cosignatures.get_mut(at)? = Some(signature.clone());
        self.is_news(&more).then_some(more)
    }

    /// What has the quorum and is not kept as it is.
    pub(super) fn unkept(&self) -> Option<Candidate> {
        let target = self.target.as_ref().filter(|t| self.policy.quorum_of(&t.flags()))?;
        self.is_news(target).then(|| target.clone())
    }

    /// Whether this is newer than what is kept, or has more cosignatures.
    pub(super) fn is_news(&self, candidate: &Candidate) -> bool {
        self.witnessed.as_ref().is_none_or(|w| (w.size(), w.count()) < (candidate.size(), candidate.count()))
    }

    /// It lies on disk now.
    pub(super) fn kept(&mut self, candidate: Candidate) {
        if self.is_news(&candidate) {
            self.witnessed = Some(candidate);
        }
    }

    /// A witness had cosigned `larger` of this log's entries already, for another process.
    pub(super) fn outrun(&mut self, at: usize, asked: u64, larger: u64) {
        if let Some(known) = self.known.get_mut(at) {
            (known.ahead, known.standing, known.tried) = (larger, Standing::Cosigning, Some(asked));
        }
    }

    /// A witness did not cosign, and why. Returns whether that is new of it.
    pub(super) fn failed(&mut self, at: usize, asked: u64, standing: Standing) -> bool {
        let Some(known) = self.known.get_mut(at) else { return false };
        let new = known.standing.as_str() != standing.as_str();
        (known.standing, known.tried, known.pausing) = (standing, Some(asked), true);
        new
    }

    /// A witness says that this log holds less than it cosigned, or other entries. Returns what all who say so say, when
    /// there is no quorum without them.
    pub(super) fn claims(&mut self, at: usize, claim: &str) -> Option<String> {
        self.known.get_mut(at)?.claim = Some(claim.to_owned());
        let others: Vec<bool> = self.known.iter().map(|k| k.claim.is_none()).collect();
        if self.policy.quorum_of(&others) {
            return None;
        }
        let named = self.policy.witnesses().iter().zip(&self.known);
        let said = named.filter_map(|(w, k)| Some(format!("the witness {:?} {}", w.name, k.claim.as_deref()?)));
        Some(said.collect::<Vec<_>>().join("; "))
    }
}

fn time_of(signature: &Signature) -> Option<Timestamp> {
    signature.witnessed_at().map(|t| Timestamp::from_seconds(i64::try_from(t).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::audit::checkpoint::SignerKey;
    use crate::audit::merkle;

    const WITNESSES: u8 = 3;

    fn log() -> SignerKey {
        SignerKey::new("portal.example/audit", &[0x11; 32]).unwrap()
    }

    fn witness(at: u8) -> SignerKey {
        SignerKey::witness(&format!("w{at}.example"), &[at + 1; 32]).unwrap()
    }

    fn policy() -> Policy {
        let lines = (0..WITNESSES).map(|at| format!("witness w{at} {} http://w{at}\n", witness(at).public()));
        format!("{}group g 2 w0 w1 w2\nquorum g\n", lines.collect::<Vec<_>>().concat()).parse().unwrap()
    }

    fn candidate(size: u64) -> Candidate {
        let checkpoint = Checkpoint { origin: "portal.example/audit".into(), size, root: merkle::leaf(&size.to_be_bytes()) };
        Candidate::new(&checkpoint.sign(&log()).to_string(), WITNESSES.into()).unwrap()
    }

    fn sign(at: u8, size: u64) -> Signature {
        witness(at).sign(candidate(size).signed.text(), 1_000 + size)
    }

    #[test]
    fn a_checkpoint_is_offered_until_it_has_a_quorum_or_all_have_answered() {
        let mut gathering = Gathering::new(policy(), None);
        assert!(gathering.is_over() && !gathering.met());
        assert!(gathering.aim(candidate(5)) && !gathering.aim(candidate(5)) && !gathering.aim(candidate(4)));
        assert!(!gathering.is_over());
        assert_eq!(gathering.cosigned(0, 5, &sign(0, 5)), None);
        gathering.failed(1, 5, Standing::Failing("x".into()));
        assert!(!gathering.is_over() && !gathering.met());
        let kept = gathering.cosigned(2, 5, &sign(2, 5)).unwrap();
        assert!(gathering.is_over() && !gathering.met() && gathering.witnessed().is_none());
        // Until it was written down it is asked for again.
        assert_eq!(gathering.unkept(), Some(kept.clone()));
        gathering.kept(kept.clone());
        assert_eq!((gathering.unkept(), gathering.witnessed()), (None, Some(&kept)));
        assert!(gathering.met());

        // All have failed: what is newer may be offered, and when one is asked again that is waited for.
        assert!(gathering.aim(candidate(6)));
        for at in 0..3 {
            assert!(!gathering.is_over());
            gathering.failed(at, 6, Standing::Failing("x".into()));
        }
        assert!(gathering.is_over());
        assert!(gathering.aim(candidate(7)));
        assert!(gathering.is_over(), "all are left alone for a while");
        assert_eq!(gathering.begin(1), Some(0));
        assert!(!gathering.is_over());
        gathering.outrun(1, 7, 9);
        assert!(gathering.is_over());
        // What it says of others is not taken for what it cosigned, but is what it is asked to extend.
        assert_eq!((gathering.known()[1].size, gathering.begin(1)), (0, Some(9)));
        assert_eq!((gathering.known()[0].size, gathering.begin(0)), (5, Some(5)));
    }

    #[test]
    fn what_comes_late_is_added_to_what_is_kept() {
        let mut gathering = Gathering::new(policy(), None);
        gathering.aim(candidate(5));
        gathering.cosigned(0, 5, &sign(0, 5));
        let kept = gathering.cosigned(1, 5, &sign(1, 5)).unwrap();
        gathering.kept(kept.clone());
        gathering.aim(candidate(6));
        let more = gathering.cosigned(2, 5, &sign(2, 5)).unwrap();
        assert_eq!((more.size(), more.count()), (5, 3));
        gathering.kept(more.clone());
        // What was begun before does not take it away again.
        gathering.kept(kept);
        assert_eq!(gathering.witnessed(), Some(&more));
        assert_eq!(gathering.cosigned(2, 4, &sign(2, 4)), None);
    }

    #[test]
    fn what_is_written_is_read_and_only_the_policy_s_witnesses_count() {
        let mut full = candidate(5);
        full.cosignatures = (0..WITNESSES).map(|at| (at != 1).then(|| sign(at, 5))).collect();
        let note = format!("{}{}", full.note(), witness(9).sign(full.signed.text(), 5));
        let read = Candidate::read(&note, &log().public().clone().into(), &policy()).unwrap();
        assert_eq!(read, full);
        let gathering = Gathering::new(policy(), Some(read));
        assert_eq!(gathering.known().iter().map(|k| k.size).collect::<Vec<_>>(), [5, 0, 5]);
        assert_eq!(gathering.witnessed(), Some(&full));
        let forged = format!("{}{}", candidate(5).signed, sign(0, 4));
        assert!(matches!(Candidate::read(&forged, &log().public().clone().into(), &policy()), Err(NoteError::BadSignature(_))));
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Aim(u64),
        Cosign(u8, u64),
        Fail(u8, u64),
        Keep,
    }

    proptest! {
        #[test]
        fn what_is_witnessed_has_a_quorum_and_only_grows(deeds in prop::collection::vec(prop_oneof![
            2 => (1_u64..9).prop_map(Deed::Aim),
            6 => (0..WITNESSES, 1_u64..9).prop_map(|(at, size)| Deed::Cosign(at, size)),
            1 => (0..WITNESSES, 1_u64..9).prop_map(|(at, size)| Deed::Fail(at, size)),
            4 => Just(Deed::Keep),
        ], 0..60)) {
            let mut gathering = Gathering::new(policy(), None);
            let mut waiting = Vec::new();
            let mut given = BTreeSet::new();
            let mut last = (0, 0);
            for deed in deeds {
                match deed {
                    Deed::Aim(size) => {
                        gathering.aim(candidate(size));
                    }
                    Deed::Cosign(at, size) => {
                        given.insert((at, size));
                        waiting.extend(gathering.cosigned(at.into(), size, &sign(at, size)));
                    }
                    Deed::Fail(at, size) => {
                        gathering.failed(at.into(), size, Standing::Lying("x".into()));
                    }
                    // What was written last is told first.
                    Deed::Keep => waiting.pop().into_iter().for_each(|c| gathering.kept(c)),
                }
                let Some(witnessed) = gathering.witnessed() else { continue };
                let opened = policy().open_for(&witnessed.note(), &[log().public().clone()]).unwrap();
                prop_assert!(opened.quorum);
                for (name, _) in &opened.by {
                    let at: u8 = name[1..].parse().unwrap();
                    prop_assert!(given.contains(&(at, opened.checkpoint.size)), "{name} never cosigned that");
                }
                let now = (opened.checkpoint.size, opened.by.len());
                prop_assert!(last <= now);
                last = now;
            }
        }
    }
}
