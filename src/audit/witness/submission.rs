//! What a log sends to a witness (C2SP tlog-witness, `add-checkpoint`).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use crate::audit::checkpoint::{LONGEST_NOTE, decimal, from_base64};
use crate::audit::merkle::Hash;

/// A tree of 2^63 leaves has no longer consistency proof.
const MOST_LINES: usize = 63;
/// Longer requests are refused unread.
pub const LONGEST_SUBMISSION: usize = LONGEST_NOTE + 32 + 45 * MOST_LINES;

/// A checkpoint, and the proof that it extends the one of the size `old`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The size that the witness cosigned last, as far as the log knows.
    pub old: u64,
    pub proof: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub note: String,
}

impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

impl FromStr for Submission {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text.len() > LONGEST_SUBMISSION {
            return Err("the request is longer than any submission can be");
        }
        let (head, note) = text.split_once("\n\n").ok_or("no empty line parts the proof from the checkpoint")?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|l| l.strip_prefix("old ")).and_then(decimal);
        let old = old.ok_or("the first line is not \"old \" and a size in decimal without leading zeros")?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MOST_LINES {
                return Err("the proof has more than 63 lines");
            }
            let hash = from_base64(line).and_then(|b| Hash::try_from(b).ok());
            proof.push(hash.ok_or("a line of the proof is not a SHA-256 hash in base64")?);
        }
        Ok(Self { old, proof, note: note.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let text = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
                    5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n\
                    example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} x AAAAAAA=\n";
        let submission: Submission = text.parse().unwrap();
        assert_eq!((submission.old, submission.proof.len()), (20_852_014, 4));
        assert!(submission.note.starts_with("example.com/behind-the-sofa\n20852163\n"));
        assert_eq!(submission.to_string(), text);
    }

    #[test]
    fn what_is_no_submission_is_refused_by_name_of_what_is_wrong() {
        let hash = format!("{}\n", BASE64.encode(&[7; 32]));
        assert!(format!("old 1\n{}\nx", hash.repeat(63)).parse::<Submission>().is_ok());
        for (text, says) in [
            (String::new(), "no empty line"),
            ("old 1\nx".to_owned(), "no empty line"),
            ("old 01\n\nx".to_owned(), "the first line"),
            ("old  1\n\nx".to_owned(), "the first line"),
            ("old -1\n\nx".to_owned(), "the first line"),
            ("old 18446744073709551616\n\nx".to_owned(), "the first line"),
            ("1\n\nx".to_owned(), "the first line"),
            ("\n\nx".to_owned(), "the first line"),
            ("old 1\nAAAA\n\nx".to_owned(), "a line of the proof"),
            (format!("old 1\r\n{hash}\nx"), "the first line"),
            (format!("old 1\n{}\nx", hash.repeat(64)), "more than 63 lines"),
            ("x".repeat(LONGEST_SUBMISSION + 1), "longer than any submission"),
        ] {
            let error = text.parse::<Submission>().unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_makes_it_panic(
            old in any::<u64>(), proof in prop::collection::vec(any::<[u8; 32]>(), 0..63), note in any::<String>(),
        ) {
            let _ = note.parse::<Submission>();
            let submission = Submission { old, proof, note };
            prop_assert_eq!(submission.to_string().parse(), Ok(submission));
        }
    }
}
