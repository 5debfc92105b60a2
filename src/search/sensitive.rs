//! Names that say that a file may hold what nobody meant to open. It is a hint for whoever decides on a grant, and a short list on
//! purpose: a name tells nothing for certain, and one that stands out in every tree tells nothing at all.

use crate::catalog::RepoPath;

/// Why a name stands out, what weighs more first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sensitive {
    Keys,
    Credentials,
    Signing,
    Licensing,
    Closed,
}

/// Words that stand out anywhere in a path, each by itself: `keys` is one of `secret/keys` and of `hsm-keys.c`, not of `monkeys`.
const WORDS: [(&str, Sensitive); 27] = [
    ("keys", Sensitive::Keys),
    ("keyring", Sensitive::Keys),
    ("keystore", Sensitive::Keys),
    ("privkey", Sensitive::Keys),
    ("credential", Sensitive::Credentials),
    ("credentials", Sensitive::Credentials),
    ("secret", Sensitive::Credentials),
    ("secrets", Sensitive::Credentials),
    ("password", Sensitive::Credentials),
    ("passwords", Sensitive::Credentials),
    ("passwd", Sensitive::Credentials),
    ("htpasswd", Sensitive::Credentials),
    ("netrc", Sensitive::Credentials),
    ("pgpass", Sensitive::Credentials),
    ("vault", Sensitive::Credentials),
    ("codesign", Sensitive::Signing),
    ("codesigning", Sensitive::Signing),
    ("hsm", Sensitive::Signing),
    ("keygen", Sensitive::Licensing),
    ("licensing", Sensitive::Licensing),
    ("licencing", Sensitive::Licensing),
    ("licenseserver", Sensitive::Licensing),
    ("confidential", Sensitive::Closed),
    ("embargo", Sensitive::Closed),
    ("embargoed", Sensitive::Closed),
    ("private", Sensitive::Closed),
    ("proprietary", Sensitive::Closed),
];
/// Neighbouring words of one name that stand out together.
const PAIRS: [(&str, &str, Sensitive); 7] = [
    ("private", "key", Sensitive::Keys),
    ("id", "rsa", Sensitive::Keys),
    ("id", "ed25519", Sensitive::Keys),
    ("signing", "key", Sensitive::Keys),
    ("code", "signing", Sensitive::Signing),
    ("license", "server", Sensitive::Licensing),
    ("licence", "server", Sensitive::Licensing),
];
/// Endings of file names.
const ENDINGS: [(&str, Sensitive); 8] = [
    (".pem", Sensitive::Keys),
    (".key", Sensitive::Keys),
    (".p12", Sensitive::Keys),
    (".pfx", Sensitive::Keys),
    (".jks", Sensitive::Keys),
    (".kdbx", Sensitive::Credentials),
    (".env", Sensitive::Credentials),
    (".ppk", Sensitive::Keys),
];

impl Sensitive {
    /// What the name of a file or of a directory above it says; none when it says nothing.
    #[must_use]
    pub fn of(path: &RepoPath) -> Option<Self> {
        let by_name = path.components().filter_map(of_name).min();
        let ends = |ending: &str| {
            let name = path.name();
            name.len()
                .checked_sub(ending.len())
                .and_then(|at| name.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(ending.as_bytes()))
        };
        by_name.into_iter().chain(ENDINGS.iter().filter(|(ending, _)| ends(ending)).map(|(_, why)| *why)).min()
    }

    /// "May hold keys" …
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Keys => "may hold keys",
            Self::Credentials => "may hold credentials or other secrets",
            Self::Signing => "may belong to signing or a security module",
            Self::Licensing => "may belong to licensing",
            Self::Closed => "is named as not for others",
        }
    }
}

fn of_name(name: &[u8]) -> Option<Sensitive> {
    let words = words_of(name);
    let single = WORDS.iter().filter(|(word, _)| words.iter().any(|one| one == word)).map(|(_, why)| *why);
    let pair = |(first, second, _): &&(&str, &str, Sensitive)| {
        words.windows(2).any(|two| matches!(two, [one, other] if one == first && other == second))
    };
    single.chain(PAIRS.iter().filter(pair).map(|(_, _, why)| *why)).min()
}

/// The words of a name in lower case, parted by what is no letter and no digit and where capitals begin.
fn words_of(name: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut lower_before = false;
    for &byte in name {
        let begins = byte.is_ascii_uppercase() && lower_before;
        if (begins || !byte.is_ascii_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if byte.is_ascii_alphanumeric() {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        lower_before = byte.is_ascii_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Option<Sensitive> {
        Sensitive::of(&RepoPath::parse(path.as_bytes()).unwrap())
    }

    #[test]
    fn what_stands_out_is_a_word_and_not_a_part_of_one() {
        for (path, why) in [
            ("secret/keys/hsm_seed.txt", Some(Sensitive::Keys)),
            ("src/hsm_seed.txt", Some(Sensitive::Signing)),
            ("net/monkeys.c", None),
            ("net/keyboard.c", None),
            ("net/key.c", None),
            ("net/secretary.c", None),
            ("tls/server.PEM", Some(Sensitive::Keys)),
            ("tls/pem.c", None),
            (".env", Some(Sensitive::Credentials)),
            ("deploy/.netrc", Some(Sensitive::Credentials)),
            ("PrivateKeyLoader.java", Some(Sensitive::Keys)),
            ("ssh/id_ed25519", Some(Sensitive::Keys)),
            ("tools/license-server/main.go", Some(Sensitive::Licensing)),
            ("LICENSE", None),
            ("lib/private/a.c", Some(Sensitive::Closed)),
            ("src/main.c", None),
        ] {
            assert_eq!(of(path), why, "{path}");
        }
    }

    #[test]
    fn the_lists_are_in_lower_case_and_name_nothing_twice() {
        let mut words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())));
        words.sort_unstable();
        let all = words.len();
        words.dedup();
        assert_eq!(words.len(), all);
    }
}
