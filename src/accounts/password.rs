//! Passwords: Argon2id as PHC strings, hashed off the async threads, a bounded number at once.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use crate::config::PasswordConfig;
use crate::ids::Entropy;

/// A password as somebody typed it. Never printed.
#[derive(PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Characters at least; SP 800-63B-4 for a password that stands alone.
    pub const SHORTEST: usize = 15;
    /// Bytes at most; more is refused before it is hashed.
    pub const LONGEST: usize = 1024;

    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Five groups of five letters and digits, about 125 bits.
    #[must_use]
    pub fn random(entropy: &Entropy) -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let groups: Vec<String> = entropy
            .bytes::<25>()
            .chunks(5)
            .map(|chunk| chunk.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32))).map(|&letter| char::from(letter)).collect())
            .collect();
        Self(groups.join("-"))
    }

    /// To be verified a second time.
    pub(super) fn again(&self) -> Self {
        Self(self.0.clone())
    }

    /// To show once to the person it is made for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// # Errors
    /// A sentence for the person who chose it.
    pub fn check(&self, email: &str) -> Result<(), &'static str> {
        let text = self.0.trim();
        if text.chars().count() < Self::SHORTEST {
            return Err("Choose at least 15 characters. Several words are easiest to remember.");
        }
        if self.0.len() > Self::LONGEST {
            return Err("Choose fewer than 1,024 characters.");
        }
        let lower = text.to_lowercase();
        let name = email.split('@').next().unwrap_or("");
        let repeats = text.chars().collect::<std::collections::BTreeSet<_>>().len() < 5;
        if repeats || (name.len() > 3 && lower.contains(name)) || COMMON.iter().any(|word| lower.contains(word)) {
            return Err("This one is too easy to guess. Choose words that have nothing to do with you or with passwords.");
        }
        Ok(())
    }
}

/// Stems of the passwords that are tried first.
const COMMON: [&str; 8] = ["password", "passwort", "123456789", "qwertyuiop", "abcdefgh", "letmein", "iloveyou", "lectern"];

/// Whether a password was right, and its new hash where the stored one was made with less than today's cost.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verified {
    No,
    Yes { upgraded: Option<String> },
}

/// Hashes and verifies; cheap to clone.
#[derive(Clone)]
pub(super) struct Hasher {
    argon2: Argon2<'static>,
    cost: PasswordConfig,
    entropy: Entropy,
    at_once: Arc<Semaphore>,
    /// What an unknown account's password is compared with, so that it costs the same.
    decoy: Arc<str>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hasher({:?})", self.cost)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("password hashing failed: {0}")]
pub struct HashingError(String);

impl Hasher {
    pub(super) fn new(cost: PasswordConfig, entropy: Entropy) -> Result<Self, HashingError> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(|e| HashingError(e.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = hash(&argon2, &entropy, entropy.hex::<16>().as_bytes())?;
        let at_once = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Ok(Self { argon2, cost, entropy, at_once: Arc::new(Semaphore::new(at_once)), decoy: decoy.into() })
    }

    pub(super) async fn hash(&self, password: Password) -> Result<String, HashingError> {
        let (argon2, entropy) = (self.argon2.clone(), self.entropy.clone());
        self.apart(move || hash(&argon2, &entropy, password.0.as_bytes())).await?
    }

    /// Compares with `stored`, or with a decoy where there is none, at the same cost.
    pub(super) async fn verify(&self, password: Password, stored: Option<String>) -> Result<Verified, HashingError> {
        let (argon2, cost, entropy) = (self.argon2.clone(), self.cost, self.entropy.clone());
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.to_string());
        self.apart(move || {
            let parsed = PasswordHash::new(&stored).map_err(|e| HashingError(e.to_string()))?;
            let right = password.0.len() <= Password::LONGEST && argon2.verify_password(password.0.as_bytes(), &parsed).is_ok();
            if !(right && known) {
                return Ok(Verified::No);
            }
            let upgraded = is_outdated(&parsed, cost).then(|| hash(&argon2, &entropy, password.0.as_bytes())).transpose()?;
            Ok(Verified::Yes { upgraded })
        })
        .await?
    }

    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashingError> {
        let permit = Arc::clone(&self.at_once).acquire_owned().await.map_err(|e| HashingError(e.to_string()))?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        })
        .await
        .map_err(|e| HashingError(e.to_string()))
    }
}

fn hash(argon2: &Argon2<'_>, entropy: &Entropy, password: &[u8]) -> Result<String, HashingError> {
    let hash: PasswordHash = argon2.hash_password_with_salt(password, &entropy.bytes::<16>()).map_err(|e| HashingError(e.to_string()))?;
    Ok(hash.to_string())
}

fn is_outdated(hash: &PasswordHash, cost: PasswordConfig) -> bool {
    let weaker = |name: &str, now: u32| hash.params.get_decimal(name).is_none_or(|then| then < now);
    hash.algorithm.as_str() != "argon2id" || weaker("m", cost.memory_kib) || weaker("t", cost.passes) || weaker("p", cost.lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(passes: u32) -> Hasher {
        let cost = PasswordConfig { memory_kib: 8_192, passes, lanes: 1 };
        Hasher::new(cost, Entropy::seeded(1)).unwrap()
    }

    fn typed(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let hasher = hasher(1);
        let stored = hasher.hash(typed("correct horse battery")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8192,t=1,p=1$"), "{stored}");
        let verify = async |text, stored| hasher.verify(typed(text), stored).await.unwrap();
        assert_eq!(verify("correct horse battery", Some(stored.clone())).await, Verified::Yes { upgraded: None });
        assert_eq!(verify("correct horse batterx", Some(stored)).await, Verified::No);
        assert_eq!(verify("correct horse battery", None).await, Verified::No);
    }

    #[tokio::test]
    async fn a_hash_of_less_cost_is_outdated() {
        let stored = hasher(1).hash(typed("correct horse battery")).await.unwrap();
        let verified = hasher(2).verify(typed("correct horse battery"), Some(stored)).await.unwrap();
        let Verified::Yes { upgraded: Some(upgraded) } = verified else { panic!("{verified:?}") };
        assert!(upgraded.contains("t=2"), "{upgraded}");
    }

    #[test]
    fn easy_passwords_are_refused() {
        for text in ["short", "aaaaaaaaaaaaaaaaaaaa", "my password is this", "first.reviewer rocks"] {
            assert!(typed(text).check("first.reviewer@one.example").is_err(), "{text}");
        }
        assert!(typed("copper lantern under seven hills").check("a@b.example").is_ok());
        assert!(Password::random(&Entropy::seeded(3)).check("a@b.example").is_ok());
    }
}
