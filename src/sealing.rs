//! Secrets that have to be used again, kept encrypted (XChaCha20-Poly1305): a mirror's credentials, a webhook's key, what an authenticator
//! app shares with the portal.
//!
//! Each kind has a key in a file of its own in `DATA/keys`, so that neither the database nor a backup opens them. It is read when it is
//! needed and not kept. What is sealed names what it is about as associated data: moved to another row it does not open.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use data_encoding::HEXLOWER;

use crate::ids::Entropy;

/// First byte of what is sealed.
const FORM: u8 = 1;
const NONCE: usize = 24;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Credentials of mirrors, and secrets of webhooks.
    Mirrors,
    /// What authenticator apps share with the portal.
    SecondFactors,
}

impl Kept {
    pub const ALL: [Self; 2] = [Self::Mirrors, Self::SecondFactors];

    /// The key's file in the directory of keys.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Mirrors => "mirrors.key",
            Self::SecondFactors => "factors.key",
        }
    }

    /// What it opens, within a sentence.
    #[must_use]
    pub fn opens(self) -> &'static str {
        match self {
            Self::Mirrors => "the credentials of mirrors and the secrets of webhooks",
            Self::SecondFactors => "the secrets of second factors, without which no code can be checked",
        }
    }

    fn of(self) -> &'static str {
        match self {
            Self::Mirrors => "the mirrors' secrets",
            Self::SecondFactors => "second factors",
        }
    }

    fn without(self) -> &'static str {
        match self {
            Self::Mirrors => {
                "with it the credentials and webhook secrets that are kept cannot be opened. Put it back from the copy that is kept apart, or \
                 remove them on the settings page of each product and set them anew"
            }
            Self::SecondFactors => {
                "with it no code of a second factor can be checked. Put it back from the copy that is kept apart; until then recovery codes \
                 work, and a factor can be removed by two administrators or by lectern admin people reset"
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    #[error("the key of {}, {path}, is missing, and {}", kept.of(), kept.without())]
    Missing { kept: Kept, path: PathBuf },
    #[error("{path} is not a key of {}: put it back from the copy that is kept apart", kept.of())]
    Damaged { kept: Kept, path: PathBuf },
    #[error("{path} cannot be read or written: {why}")]
    File { path: PathBuf, why: std::io::Error },
    #[error("what is kept was sealed with another key than {path}, or was changed: put that key back, or set the secret anew")]
    Other { path: PathBuf },
}

/// A text that is not to be seen: neither shown, nor logged, nor compared but in constant time.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// For whoever must show it to somebody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Seals and opens, with the key in a file.
#[derive(Clone, Debug)]
pub struct Sealer {
    kept: Kept,
    path: PathBuf,
    entropy: Entropy,
}

impl Sealer {
    /// `keys` is the directory of keys.
    #[must_use]
    pub fn new(keys: &Path, kept: Kept, entropy: Entropy) -> Self {
        Self { kept, path: keys.join(kept.file()), entropy }
    }

    /// Where the key lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Seals a secret; `about` says what it is about and what for. `first`: nothing is sealed yet, so that a key may be made.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn seal(&self, about: &str, secret: &Secret, first: bool) -> Result<Vec<u8>, SealingError> {
        let cipher = self.cipher(first)?;
        let nonce = self.entropy.bytes::<NONCE>();
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: about.as_bytes() };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealingError::Other { path: self.path.clone() })?;
        Ok([&[FORM], nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed about the same.
    ///
    /// # Errors
    /// When the key cannot be read, or this was sealed with another one, about something else, or was changed.
    pub fn open(&self, about: &str, sealed: &[u8]) -> Result<Secret, SealingError> {
        let other = || SealingError::Other { path: self.path.clone() };
        let cipher = self.cipher(false)?;
        let rest = sealed.strip_prefix(&[FORM]).ok_or_else(other)?;
        let (nonce, msg) = rest.split_first_chunk::<NONCE>().ok_or_else(other)?;
        let plain = cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad: about.as_bytes() }).map_err(|_| other())?;
        String::from_utf8(plain).map(Secret).map_err(|_| other())
    }

    fn cipher(&self, make: bool) -> Result<XChaCha20Poly1305, SealingError> {
        let text = match fs::read_to_string(&self.path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound && make => {
                self.make()?;
                fs::read_to_string(&self.path)
            }
            other => other,
        };
        let text = text.map_err(|why| match why.kind() {
            ErrorKind::NotFound => SealingError::Missing { kept: self.kept, path: self.path.clone() },
            _ => self.file(why),
        })?;
        let damaged = || SealingError::Damaged { kept: self.kept, path: self.path.clone() };
        let bytes = HEXLOWER.decode(text.trim().as_bytes()).map_err(|_| damaged())?;
        let key: [u8; 32] = bytes.try_into().map_err(|_| damaged())?;
        Ok(XChaCha20Poly1305::new(&Key::from(key)))
    }

    /// Makes the key, whole or not at all; one that another process has made meanwhile stays.
    fn make(&self) -> Result<(), SealingError> {
        let beside = self.path.with_extension(format!("{}.new", self.entropy.hex::<4>()));
        let write = || {
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&beside)?;
            writeln!(file, "{}", self.entropy.hex::<32>())?;
            file.sync_all()?;
            match fs::hard_link(&beside, &self.path) {
                Err(cause) if cause.kind() != ErrorKind::AlreadyExists => return Err(cause),
                _ => {}
            }
            self.path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        };
        let outcome = write();
        let _ = fs::remove_file(&beside);
        outcome.map_err(|why| self.file(why))
    }

    fn file(&self, why: std::io::Error) -> SealingError {
        SealingError::File { path: self.path.clone(), why }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Sealed with `0b…` as the key and `07…` as the nonce.
    const EARLIER: &str = "01070707070707070707070707070707070707070707070707ced31dc366775011eddf8e353d3a153fb17e33cb8ef95b";

    #[test]
    fn what_is_sealed_opens_for_what_it_is_about_and_its_own_key_only() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mirrors.key");
        let keeper = Sealer::new(home.path(), Kept::Mirrors, Entropy::seeded(1));
        let secret = Secret::new("hunter2".to_owned());
        let about = "lectern secret\nprd_1\ncredentials";
        assert!(matches!(keeper.seal(about, &secret, false), Err(SealingError::Missing { .. })));
        let sealed = keeper.seal(about, &secret, true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_ne!(sealed, keeper.seal(about, &secret, true).unwrap());
        assert_eq!(keeper.open(about, &sealed).unwrap().reveal(), "hunter2");
        for other in ["lectern secret\nprd_2\ncredentials", "lectern secret\nprd_1\nwebhook", ""] {
            assert!(matches!(keeper.open(other, &sealed), Err(SealingError::Other { .. })));
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keeper.open(about, &changed).is_err(), "{at}");
            assert!(keeper.open(about, &sealed[..at]).is_err(), "{at}");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(keeper.open(about, &sealed), Err(SealingError::Missing { .. })));
        let other = Sealer::new(home.path(), Kept::Mirrors, Entropy::seeded(2));
        other.seal(about, &secret, true).unwrap();
        assert!(matches!(other.open(about, &sealed), Err(SealingError::Other { .. })));
    }

    /// What was sealed before stays open: form, key file and associated data are those of the first version.
    #[test]
    fn what_was_sealed_earlier_opens() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("mirrors.key"), format!("{}\n", "0b".repeat(32))).unwrap();
        let keeper = Sealer::new(home.path(), Kept::Mirrors, Entropy::seeded(1));
        let sealed = HEXLOWER.decode(EARLIER.as_bytes()).unwrap();
        assert_eq!(keeper.open("lectern secret\nprd_1\ncredentials", &sealed).unwrap().reveal(), "hunter2");
    }

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret");
    }
}
