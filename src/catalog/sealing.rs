//! Secrets that have to be shown to others again, a mirror's credentials and a webhook's key, kept encrypted (XChaCha20-Poly1305).
//!
//! The key lies in a file of its own, `DATA/keys/mirrors.key`, so that neither the database nor a backup opens them. It is read when it is
//! needed and not kept. What is sealed names its product and purpose as associated data: moved to another row it does not open.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use data_encoding::HEXLOWER;

use crate::ids::{Entropy, ProductId};

/// The file's name in the directory of keys.
pub const SEALING_KEY: &str = "mirrors.key";
/// First byte of what is sealed.
const FORM: u8 = 1;
const NONCE: usize = 24;

#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    #[error(
        "the key of the mirrors' secrets, {path}, is missing, and with it the credentials and webhook secrets that are kept cannot be opened. \
         Put it back from the copy that is kept apart, or remove them on the settings page of each product and set them anew"
    )]
    Missing { path: PathBuf },
    #[error("{path} is not a key of the mirrors' secrets: put it back from the copy that is kept apart")]
    Damaged { path: PathBuf },
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

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Shown to a mirror's origin.
    Credentials,
    /// Known to whoever calls the webhook.
    Webhook,
}

impl Purpose {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Webhook => "webhook",
        }
    }
}

/// Seals and opens, with the key in a file.
#[derive(Clone, Debug)]
pub(super) struct Sealer {
    path: PathBuf,
    entropy: Entropy,
}

impl Sealer {
    pub(super) fn new(path: PathBuf, entropy: Entropy) -> Self {
        Self { path, entropy }
    }

    /// `first`: nothing is sealed yet, so that a key may be made.
    pub(super) fn seal(&self, about: (&ProductId, Purpose), secret: &Secret, first: bool) -> Result<Vec<u8>, SealingError> {
        let cipher = self.cipher(first)?;
        let nonce = self.entropy.bytes::<NONCE>();
        let data = associated(about);
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: &data };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealingError::Other { path: self.path.clone() })?;
        Ok([&[FORM], nonce.as_slice(), &sealed].concat())
    }

    pub(super) fn open(&self, about: (&ProductId, Purpose), sealed: &[u8]) -> Result<Secret, SealingError> {
        let other = || SealingError::Other { path: self.path.clone() };
        let cipher = self.cipher(false)?;
        let rest = sealed.strip_prefix(&[FORM]).ok_or_else(other)?;
        let (nonce, msg) = rest.split_first_chunk::<NONCE>().ok_or_else(other)?;
        let plain = cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad: &associated(about) }).map_err(|_| other())?;
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
            ErrorKind::NotFound => SealingError::Missing { path: self.path.clone() },
            _ => self.file(why),
        })?;
        let damaged = || SealingError::Damaged { path: self.path.clone() };
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

fn associated((product, purpose): (&ProductId, Purpose)) -> Vec<u8> {
    format!("lectern secret\n{product}\n{}", purpose.as_str()).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_own_product_purpose_and_key_only() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(SEALING_KEY);
        let keeper = Sealer::new(path.clone(), Entropy::seeded(1));
        let (one, two) = (ProductId::known("prd_1"), ProductId::known("prd_2"));
        let secret = Secret::new("hunter2".to_owned());
        let about = (&one, Purpose::Credentials);
        assert!(matches!(keeper.seal(about, &secret, false), Err(SealingError::Missing { .. })));
        let sealed = keeper.seal(about, &secret, true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_ne!(sealed, keeper.seal(about, &secret, true).unwrap());
        assert_eq!(keeper.open(about, &sealed).unwrap().reveal(), "hunter2");
        for other in [(&two, Purpose::Credentials), (&one, Purpose::Webhook)] {
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
        let other = Sealer::new(path, Entropy::seeded(2));
        other.seal(about, &secret, true).unwrap();
        assert!(matches!(other.open(about, &sealed), Err(SealingError::Other { .. })));
    }

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret");
    }
}
