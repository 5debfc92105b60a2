//! Receipts as files: a `.tlog-proof` (C2SP tlog-proof) proves offline that an entry is in a log. A bundle is several of them,
//! one behind the other: each begins with its own first line.

use std::fmt::{self, Write};
use std::io::{BufRead, Read};
use std::str::FromStr;

use data_encoding::BASE64;

use super::checkpoint::{Checkpoint, NoteError, VerifierKey, decimal, from_base64};
use super::merkle::{self, Hash};
use super::tiles::LONGEST_ENTRY;

/// What each proof begins with.
pub const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// The extension that the specification asks for.
pub const EXTENSION: &str = "tlog-proof";
/// Longer files are refused unread: an entry in base64, 64 hashes and the longest note fit twice.
pub const LONGEST_PROOF: usize = 512 * 1024;

/// A self-contained proof that an entry is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Not covered by the proof's format; here the entry itself, when it is given along.
    pub extra: Option<Vec<u8>>,
    pub index: u64,
    /// From the leaf's sibling up.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("this is not a proof file: {0}")]
    Form(&'static str),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the proof does not show that the entry {index} is in the tree of {size}")]
    NotIncluded { index: u64, size: u64 },
}

impl Proof {
    /// Verifies that the log of this key has this leaf where the proof says, and returns the checkpoint it rests on.
    ///
    /// # Errors
    /// When the checkpoint is not signed by the key, or the path does not lead from the leaf to its root.
    pub fn verify(&self, leaf: &Hash, key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        let Checkpoint { size, root, .. } = &checkpoint;
        if merkle::includes(self.index, *size, leaf, &self.path, root) {
            Ok(checkpoint)
        } else {
            Err(ProofError::NotIncluded { index: self.index, size: *size })
        }
    }

    /// The hash of the entry that is given along.
    #[must_use]
    pub fn leaf(&self) -> Option<Hash> {
        self.extra.as_deref().map(merkle::leaf)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        f.write_char('\n')?;
        f.write_str(&self.checkpoint)
    }
}

impl FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        if text.len() > LONGEST_PROOF {
            return Err(ProofError::Form("it is longer than 512 KiB"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Form("no empty line parts it from its checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(ProofError::Form("its first line is not c2sp.org/tlog-proof@v1"));
        }
        let extra = match lines.next_if(|l| l.starts_with("extra ")).and_then(|l| l.strip_prefix("extra ")) {
            None => None,
            Some(base64) => {
                let bytes = from_base64(base64).ok_or(ProofError::Form("its extra line is not base64"))?;
                if bytes.len() > LONGEST_ENTRY {
                    return Err(ProofError::Form("its extra line is longer than an entry may be"));
                }
                Some(bytes)
            }
        };
        let index = lines.next().and_then(|l| l.strip_prefix("index ")).and_then(decimal).ok_or(ProofError::Form("it states no index"))?;
        let path = lines
            .map(|l| from_base64(l).and_then(|b| Hash::try_from(b).ok()))
            .collect::<Option<Vec<_>>>()
            .ok_or(ProofError::Form("a line of its path is not a SHA-256 hash in base64"))?;
        // A tree of 2^64 leaves has paths of 64 hashes.
        if path.len() > 64 {
            return Err(ProofError::Form("its path is longer than any tree is high"));
        }
        Ok(Self { extra, index, path, checkpoint: checkpoint.to_owned() })
    }
}

/// Reads proofs that stand one behind the other, one at a time. After one that is none there is nothing more.
pub fn read_proofs(from: impl BufRead) -> impl Iterator<Item = Result<Proof, ProofError>> {
    let mut lines = from;
    let mut first = String::new();
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut text = std::mem::take(&mut first);
        loop {
            let mut line = Vec::new();
            match lines.by_ref().take(LONGEST_PROOF as u64).read_until(b'\n', &mut line) {
                Ok(0) => {
                    ended = true;
                    break;
                }
                Ok(_) => {}
                Err(_) => {
                    ended = true;
                    return Some(Err(ProofError::Form("it cannot be read")));
                }
            }
            let Ok(line) = String::from_utf8(line) else {
                ended = true;
                return Some(Err(ProofError::Form("it is not a text in UTF-8")));
            };
            if line.trim_end_matches('\n') == FIRST_LINE && !text.is_empty() {
                first = line;
                break;
            }
            text.push_str(&line);
            if text.len() > LONGEST_PROOF {
                ended = true;
                return Some(Err(ProofError::Form("it is longer than 512 KiB")));
            }
        }
        if text.is_empty() {
            return None;
        }
        let proof = text.parse::<Proof>();
        ended |= proof.is_err();
        Some(proof)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::checkpoint::SignerKey;
    use super::*;

    fn proof() -> (Proof, SignerKey) {
        let key = SignerKey::new("portal.example/audit", &[0x11; 32]).unwrap();
        let leaves: Vec<Hash> = (0..3_u8).map(|i| merkle::leaf(&[i])).collect();
        let checkpoint = Checkpoint { origin: key.public().name().into(), size: 3, root: merkle::root_of(&leaves) };
        let path = vec![leaves[0], leaves[2]];
        (Proof { extra: None, index: 1, path, checkpoint: checkpoint.sign(&key).to_string() }, key)
    }

    #[test]
    fn a_proof_is_written_as_specified_and_proves_its_leaf_only() {
        let (mut proof, key) = proof();
        let [first, second] = [0, 1].map(|i: usize| BASE64.encode(&proof.path[i]));
        let text = format!("c2sp.org/tlog-proof@v1\nindex 1\n{first}\n{second}\n\n{}", proof.checkpoint);
        assert_eq!(proof.to_string(), text);
        assert_eq!(text.parse(), Ok(proof.clone()));
        assert_eq!(proof.verify(&merkle::leaf(&[1]), key.public()).unwrap().size, 3);
        let other = proof.verify(&merkle::leaf(&[2]), key.public());
        assert_eq!(other, Err(ProofError::NotIncluded { index: 1, size: 3 }));
        let stranger = SignerKey::new("portal.example/audit", &[0x12; 32]).unwrap();
        assert!(matches!(proof.verify(&merkle::leaf(&[1]), stranger.public()), Err(ProofError::Note(_))));
        proof.extra = Some(vec![1]);
        let text = proof.to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra AQ==\nindex 1\n"));
        assert_eq!(text.parse(), Ok(proof.clone()));
        assert_eq!(proof.leaf(), Some(merkle::leaf(&[1])));
    }

    #[test]
    fn what_is_no_proof_is_refused_by_name_of_what_is_wrong() {
        let good = proof().0.to_string();
        for (text, says) in [
            (String::new(), "no empty line"),
            (good.replace("@v1", "@v2"), "its first line"),
            (good.replace("index 1", "index 01"), "states no index"),
            (good.replace("index 1", "extra !\nindex 1"), "its extra line is not base64"),
            (good.replace("index 1\n", "index 1\nAAAA\n"), "a line of its path"),
            (
                good.replace("index 1\n", &format!("index 1\n{}", format!("{}\n", BASE64.encode(&[0; 32])).repeat(63))),
                "longer than any tree",
            ),
            ("x".repeat(LONGEST_PROOF + 1), "longer than 512 KiB"),
        ] {
            let error = text.parse::<Proof>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_from_outside_makes_it_panic(text in any::<String>()) {
            let _ = text.parse::<Proof>();
            let _ = format!("{FIRST_LINE}\nindex 1\n{text}").parse::<Proof>();
        }
    }
}
