//! The log's keys, one after another. When a log changes its key, the old one signs the hand-over to the new one, and the new
//! one signs it, too: a checkpoint (tlog-checkpoint) with one extension line,
//! `key-handover <old vkey> <new vkey>`, that both have signed. So whoever trusts one key of a log can follow it to the
//! others, and the hand-over stands at one place of the tree: what the old key signs beyond it counts for nothing.

use std::str::FromStr;

use super::checkpoint::{Checkpoint, Note, NoteError, Signature, SignerKey, VerifierKey};

/// The file of a log's hand-overs, one note behind the other, oldest first.
pub const HANDOVERS_FILE: &str = "handovers";
const EXTENSION: &str = "key-handover ";
/// More than anybody changes keys; longer files are refused.
const MOST: usize = 1000;

/// That one key gave the log to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    pub checkpoint: Checkpoint,
    pub old: VerifierKey,
    pub new: VerifierKey,
    note: Note,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    #[error("hand-over {number}: {source}")]
    Note { number: usize, source: NoteError },
    #[error("hand-over {number}: {why}")]
    Form { number: usize, why: &'static str },
    #[error("hand-over {number} is not signed by both keys: {source}")]
    Unsigned { number: usize, source: NoteError },
    #[error("there are more than {MOST} hand-overs")]
    TooMany,
}

impl Handover {
    /// Signs a hand-over at this checkpoint with both keys.
    ///
    /// # Errors
    /// When the keys have other names than the log.
    pub fn sign(checkpoint: Checkpoint, old: &SignerKey, new: &SignerKey) -> Result<Self, NoteError> {
        for key in [old.public(), new.public()] {
            if key.name() != checkpoint.origin {
                return Err(NoteError::OtherLog { found: key.name().to_owned(), expected: checkpoint.origin });
            }
        }
        let text = format!("{}{EXTENSION}{} {}\n", checkpoint.text(), old.public(), new.public());
        let signatures = vec![old.sign(&text, 0), new.sign(&text, 0)];
        let note = Note::new(text, signatures)?;
        Ok(Self { checkpoint, old: old.public().clone(), new: new.public().clone(), note })
    }

    /// As it is published.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    fn read(number: usize, note: Note) -> Result<Self, HandoverError> {
        let form = |why| HandoverError::Form { number, why };
        let checkpoint = Checkpoint::parse(note.text()).map_err(|source| HandoverError::Note { number, source })?;
        let mut extensions = note.text().lines().skip(3);
        let keys = extensions.next().and_then(|l| l.strip_prefix(EXTENSION)).ok_or_else(|| form("its fourth line names no keys"))?;
        if extensions.next().is_some() {
            return Err(form("it has more than one extension line"));
        }
        let (old, new) = keys.split_once(' ').ok_or_else(|| form("its fourth line does not name two keys"))?;
        let key = |text: &str| VerifierKey::from_str(text).map_err(|source| HandoverError::Note { number, source });
        let (old, new) = (key(old)?, key(new)?);
        if old.name() != checkpoint.origin || new.name() != checkpoint.origin || old.is_witness() || new.is_witness() {
            return Err(form("its keys are not those of the log it is about"));
        }
        if old == new {
            return Err(form("both keys are the same"));
        }
        for key in [&old, &new] {
            note.verify(std::slice::from_ref(key)).map_err(|source| HandoverError::Unsigned { number, source })?;
        }
        Ok(Self { checkpoint, old, new, note })
    }
}

/// Reads a file of hand-overs, each signed by both its keys.
///
/// # Errors
/// When one of them is not.
pub fn read_handovers(text: &str) -> Result<Vec<Handover>, HandoverError> {
    let mut all = Vec::new();
    for (number, note) in (1..).zip(notes(text)) {
        if number > MOST {
            return Err(HandoverError::TooMany);
        }
        let note = note.parse().map_err(|source| HandoverError::Note { number, source })?;
        all.push(Handover::read(number, note)?);
    }
    Ok(all)
}

/// Splits notes that stand one behind the other: a note ends where its signatures do.
fn notes(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.trim().is_empty() {
            return None;
        }
        let signatures = rest.find("\n\n").map_or(rest.len(), |at| at + 2);
        let length: usize = rest.get(signatures..)?.split_inclusive('\n').take_while(|l| l.starts_with('\u{2014}')).map(str::len).sum();
        // What has no signatures is one note to its end, and refused as that.
        let end = if length == 0 { rest.len() } else { signatures + length };
        let (note, after) = rest.split_at(end);
        rest = after;
        Some(note)
    })
}

/// The keys that a verifier believes, each as far as it goes.
#[derive(Clone, Debug)]
pub struct Keys {
    trusted: Vec<Trusted>,
    handovers: Vec<Handover>,
}

#[derive(Clone, Debug)]
struct Trusted {
    key: VerifierKey,
    /// The size of the tree at which it was handed over.
    until: Option<u64>,
}

impl Keys {
    /// # Errors
    /// When there is none, one is a witness's, or they are keys of several logs.
    pub fn new(keys: Vec<VerifierKey>) -> Result<Self, NoteError> {
        let first = keys.first().ok_or(NoteError::Key("none was given"))?;
        if keys.iter().any(VerifierKey::is_witness) {
            return Err(NoteError::Key("it is a witness's, not a log's"));
        }
        if let Some(other) = keys.iter().find(|k| k.name() != first.name()) {
            return Err(NoteError::OtherLog { found: other.name().to_owned(), expected: first.name().to_owned() });
        }
        let trusted = keys.into_iter().map(|key| Trusted { key, until: None }).collect();
        Ok(Self { trusted, handovers: Vec::new() })
    }

    /// Follows hand-overs from the keys that are believed, forwards and backwards. Those that lead nowhere are left out.
    pub fn follow(&mut self, handovers: &[Handover]) {
        let mut left: Vec<&Handover> = handovers.iter().filter(|h| !self.handovers.contains(h)).collect();
        while let Some(at) = left.iter().position(|h| self.trusts(&h.old) || self.trusts(&h.new)) {
            let handover = left.swap_remove(at);
            for key in [&handover.old, &handover.new] {
                if !self.trusts(key) {
                    self.trusted.push(Trusted { key: key.clone(), until: None });
                }
            }
            let size = handover.checkpoint.size;
            for trusted in self.trusted.iter_mut().filter(|t| t.key == handover.old) {
                trusted.until = Some(trusted.until.map_or(size, |until| until.min(size)));
            }
            self.handovers.push(handover.clone());
        }
    }

    /// The hand-overs that were followed.
    #[must_use]
    pub fn handovers(&self) -> &[Handover] {
        &self.handovers
    }

    /// The key that signs today, as far as is known.
    #[must_use]
    pub fn current(&self) -> Option<&VerifierKey> {
        self.trusted.iter().find(|t| t.until.is_none()).or_else(|| self.trusted.first()).map(|t| &t.key)
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.trusted.first().map_or("", |t| t.key.name())
    }

    /// Reads a signed checkpoint and verifies that one of these keys has signed it while it was the log's.
    ///
    /// # Errors
    /// When it is no checkpoint of this log, or no signature holds.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let note: Note = note.parse()?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != self.origin() {
            return Err(NoteError::OtherLog { found: checkpoint.origin, expected: self.origin().to_owned() });
        }
        let keys = self.all();
        let good = note.verify(&keys)?;
        let in_time = |key: &VerifierKey| self.trusted.iter().any(|t| t.key == *key && t.until.is_none_or(|u| checkpoint.size <= u));
        if good.iter().any(|(key, _)| in_time(key)) {
            return Ok(checkpoint);
        }
        let names: Vec<_> = note.signatures().iter().map(Signature::name).collect();
        Err(NoteError::Retired { name: names.join(", "), size: checkpoint.size })
    }

    /// All of them, those that were handed over among them.
    #[must_use]
    pub fn all(&self) -> Vec<VerifierKey> {
        self.trusted.iter().map(|t| t.key.clone()).collect()
    }

    fn trusts(&self, key: &VerifierKey) -> bool {
        self.trusted.iter().any(|t| t.key == *key)
    }
}

impl From<VerifierKey> for Keys {
    fn from(key: VerifierKey) -> Self {
        Self { trusted: vec![Trusted { key, until: None }], handovers: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::merkle;
    use super::*;

    const ORIGIN: &str = "portal.example/audit";

    fn key(seed: u8) -> SignerKey {
        SignerKey::new(ORIGIN, &[seed; 32]).unwrap()
    }

    fn at(size: u64) -> Checkpoint {
        Checkpoint { origin: ORIGIN.into(), size, root: merkle::leaf(&size.to_be_bytes()) }
    }

    fn chain() -> String {
        let [one, two, three] = [1, 2, 3].map(key);
        let first = Handover::sign(at(10), &one, &two).unwrap();
        let second = Handover::sign(at(20), &two, &three).unwrap();
        format!("{}{}", first.note(), second.note())
    }

    #[test]
    fn whoever_trusts_one_key_follows_it_to_the_others() {
        let handovers = read_handovers(&chain()).unwrap();
        assert_eq!(handovers.len(), 2);
        for trusted in 1..=3 {
            let mut keys = Keys::from(key(trusted).public().clone());
            keys.follow(&handovers);
            keys.follow(&handovers);
            assert_eq!((keys.handovers().len(), keys.current()), (2, Some(key(3).public())));
            for (signer, size, counts) in [(1, 10, true), (1, 11, false), (2, 20, true), (2, 21, false), (3, 10_000, true)] {
                let opened = keys.open(&at(size).sign(&key(signer)).to_string());
                assert_eq!(opened.is_ok(), counts, "key {signer} at {size} for who trusts {trusted}: {opened:?}");
            }
            assert!(matches!(keys.open(&at(5).sign(&key(4)).to_string()), Err(NoteError::Unsigned(_))));
        }
        // Signed by the right key, but about another log.
        let elsewhere = Checkpoint { origin: "elsewhere.example/audit".into(), ..at(5) }.sign(&key(1)).to_string();
        assert!(matches!(Keys::from(key(1).public().clone()).open(&elsewhere), Err(NoteError::OtherLog { .. })));
        let mut stranger = Keys::from(key(4).public().clone());
        stranger.follow(&handovers);
        assert!(stranger.handovers().is_empty());
    }

    #[test]
    fn a_handover_by_one_key_alone_is_none() {
        let [one, two] = [1, 2].map(key);
        let whole = Handover::sign(at(10), &one, &two).unwrap().note().clone();
        for missing in [0, 1] {
            let mut signatures = whole.signatures().to_vec();
            signatures.remove(missing);
            let note = Note::new(whole.text().to_owned(), signatures).unwrap().to_string();
            assert!(matches!(read_handovers(&note), Err(HandoverError::Unsigned { number: 1, .. })), "{note}");
        }
        let text = whole.to_string();
        for (from, to) in [("\n10\n", "\n11\n"), ("key-handover ", "key-handover  "), ("key-handover ", "hand-over ")] {
            assert!(read_handovers(&text.replace(from, to)).is_err(), "{to}");
        }
        assert!(read_handovers(&format!("{text}x")).is_err());
        assert!(read_handovers("x").is_err());
        assert_eq!(read_handovers("").unwrap(), []);
        assert!(Handover::sign(at(10), &one, &SignerKey::new("other", &[2; 32]).unwrap()).is_err());
    }

    #[test]
    fn keys_of_one_log_only() {
        let witness = SignerKey::witness(ORIGIN, &[1; 32]).unwrap().public().clone();
        let other = SignerKey::new("other", &[1; 32]).unwrap().public().clone();
        assert!(Keys::new(vec![]).is_err() && Keys::new(vec![witness]).is_err());
        assert!(Keys::new(vec![key(1).public().clone(), other]).is_err());
        assert!(Keys::new(vec![key(1).public().clone(), key(2).public().clone()]).is_ok());
    }
}
