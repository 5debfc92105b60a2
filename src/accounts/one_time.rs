//! What opens something once: secrets of links, and codes that people type. Shown once, kept as a hash, never printed.

use std::fmt;
use std::net::SocketAddr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};

use crate::ids::Entropy;

/// What a link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Invitation,
    Reset,
}

/// A link that opens a page once.
pub struct Link {
    door: Door,
    secret: String,
}

impl Link {
    /// 256 random bits, in 43 characters that may stand in an address.
    pub(super) fn random(door: Door, entropy: &Entropy) -> Self {
        Self { door, secret: BASE64URL_NOPAD.encode(&entropy.bytes::<32>()) }
    }

    /// The path of the page that it opens.
    #[must_use]
    pub fn path(&self) -> String {
        let door = match self.door {
            Door::Invitation => "invitation",
            Door::Reset => "reset",
        };
        format!("/{door}/{}", self.secret)
    }

    /// The whole address, at a portal's public origin or where it listens.
    #[must_use]
    pub fn address(&self, origin: Option<&str>, listen: SocketAddr) -> String {
        match origin {
            Some(origin) => format!("{origin}{}", self.path()),
            None => format!("http://{listen}{}", self.path()),
        }
    }

    /// As it is kept.
    pub(super) fn hash(&self) -> String {
        hash(&self.secret)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

/// As the secret of a link is kept.
pub(super) fn hash(secret: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(secret.as_bytes()))
}

/// A code that somebody types once: 80 random bits as four groups of four letters and digits, none of which is taken for another.
pub struct OneTimeCode(String);

impl OneTimeCode {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    const LENGTH: usize = 16;

    pub(super) fn random(entropy: &Entropy) -> Self {
        let letter = |byte: &u8| Self::LETTERS.get(usize::from(byte % 32)).map(|&letter| char::from(letter));
        Self(entropy.bytes::<16>().iter().filter_map(letter).collect())
    }

    /// As it was typed, whatever stands between the groups; none when it is no such code.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let text: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_lowercase()).take(40).collect();
        let known = text.bytes().all(|byte| Self::LETTERS.contains(&byte));
        (text.len() == Self::LENGTH && known).then_some(Self(text))
    }

    /// To show once to whoever it is made for.
    #[must_use]
    pub fn reveal(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }

    /// As it is kept. So many bits cannot be guessed from an unsalted hash; `of` keeps a hash from standing for another account's.
    pub(super) fn hash(&self, of: &str) -> String {
        hash(&format!("{of}\n{}", self.0))
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_kept_as_a_hash() {
        let link = Link::random(Door::Invitation, &Entropy::seeded(5));
        assert_eq!(link.path().len(), "/invitation/".len() + 43);
        assert!(!link.hash().contains(&link.secret) && link.hash().len() == 64);
        assert_eq!(format!("{link:?}"), "Link");
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = OneTimeCode::random(&Entropy::seeded(5));
        let shown = code.reveal();
        assert_eq!(shown.len(), 19, "{shown}");
        let hash = code.hash("acc_1");
        for typed in [shown.clone(), shown.replace('-', " "), shown.replace('-', "").to_uppercase(), format!(" {shown}\n")] {
            assert_eq!(OneTimeCode::parse(&typed).unwrap().hash("acc_1"), hash, "{typed:?}");
        }
        assert_ne!(code.hash("acc_2"), hash);
        for none in ["", "123456", "aaaa-aaaa-aaaa-aaa", "aaaa-aaaa-aaaa-aaaa-a", "aaaa-aaaa-aaaa-aaa0", "ääää-aaaa-aaaa-aaaa"] {
            assert!(OneTimeCode::parse(none).is_none(), "{none}");
        }
        assert_eq!(format!("{code:?}"), "OneTimeCode");
    }
}
