//! Verifies a transparency log (RFC 6962; C2SP tlog-tiles, tlog-checkpoint, tlog-cosignature, tlog-proof, tlog-policy) from what
//! it publishes, without trusting whoever runs it.
//!
//! This is all that `lectern-verify` consists of besides the crates in its `Cargo.toml`: hashes and signatures from `sha2` and
//! `ed25519-dalek`, JSON from `serde_json`. Read it in this order:
//!
//! 1. [`merkle`]: the tree, and both kinds of proof.
//! 2. [`checkpoint`]: signed notes and keys. [`handover`]: how one key gives a log to the next. [`policy`]: which witnesses must agree.
//! 3. [`tiles`], [`proof`], [`entry`]: the forms of what is published.
//! 4. [`fsck`]: the verification itself. [`command`]: what is said on the terminal.

pub mod artefacts;
pub mod checkpoint;
pub mod command;
pub mod entry;
pub mod fsck;
pub mod handover;
pub mod merkle;
pub mod policy;
pub mod proof;
pub mod tiles;
