//! What the reader of a page is given: which entry tells of it. The proof of that is a file of its own ([`super::Proof`]).

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::merkle::Hash;

/// Says which entry of the log tells of something, from when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The entry's index, counted from 0.
    pub index: u64,
    /// The hash of the entry.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub leaf: Hash,
    /// The size of a checkpoint that includes it.
    pub checkpoint: u64,
}

fn to_hex<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&HEXLOWER.encode(hash))
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|b| Hash::try_from(b).ok());
    bytes.ok_or_else(|| serde::de::Error::custom("not a SHA-256 in lower-case hexadecimal"))
}
