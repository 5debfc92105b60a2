//! Whose signatures are trusted: keys as an `allowed_signers` file of OpenSSH names them (ssh-keygen(1), "ALLOWED SIGNERS"), OpenPGP
//! certificates between such lines, and what a signature by any key is worth. Checking is `ssh-key`'s and `pgp`'s.

use ssh_key::{HashAlg, PublicKey, SshSig};

use super::openpgp::{self, Certificate};
use super::{CatalogError, invalid};

/// What git signs for.
const NAMESPACE: &str = "git";
/// Keys and certificates at most.
const MOST: usize = 1_000;

/// What a version's signature is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Whole, and made by the key of one of the signers: by whom, as the product's list of signers names them.
    Good { by: String },
    /// Made by a key that is not among the signers: its fingerprint. One by OpenSSH is whole; one by OpenPGP cannot be checked without it.
    UnknownKey { key: String },
    /// Whole, and by one of the signers, whose key did not hold when it was made: not yet, not any more, or revoked.
    OutOfTerm { by: String },
    /// Not a signature of what it is attached to.
    Bad,
    /// There is none, or one of a kind that is not checked.
    Unchecked,
}

impl Verdict {
    /// As the database and entries write it, and who or which key it is about.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Good { by } => ("good", Some(by)),
            Self::UnknownKey { key } => ("unknown key", Some(key)),
            Self::OutOfTerm { by } => ("out of term", Some(by)),
            Self::Bad => ("bad", None),
            Self::Unchecked => ("unchecked", None),
        }
    }

    pub(super) fn of(word: &str, about: Option<String>) -> Self {
        match (word, about) {
            ("good", Some(by)) => Self::Good { by },
            ("unknown key", Some(key)) => Self::UnknownKey { key },
            ("out of term", Some(by)) => Self::OutOfTerm { by },
            ("bad", _) => Self::Bad,
            _ => Self::Unchecked,
        }
    }
}

/// A product's signers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signers {
    keys: Vec<Signer>,
    certificates: Vec<Certificate>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signer {
    principals: String,
    key: PublicKey,
}

impl Signers {
    /// Reads the lines of an `allowed_signers` file, and armored OpenPGP certificates between them.
    ///
    /// # Errors
    /// A sentence that names the line. Certificate authorities and dates of SSH keys are refused rather than passed over, and so are
    /// OpenPGP certificates of which no key may sign.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let mut signers = Self::default();
        let mut lines = (1..).zip(text.lines().map(str::trim));
        while let Some((number, line)) = lines.next() {
            let refuse = |problem: String| CatalogError::Invalid { field: "signers", problem: format!("Line {number}: {problem}") };
            if line == openpgp::BEGIN {
                let mut block = format!("{line}\n");
                let ended = lines.by_ref().any(|(_, line)| {
                    block.extend([line, "\n"]);
                    line == openpgp::END
                });
                let certificates =
                    if ended { Certificate::parse(&block) } else { Err("the end of the certificate is missing.".to_owned()) };
                signers.certificates.extend(certificates.map_err(refuse)?);
            } else if !line.is_empty() && !line.starts_with('#') {
                signers.keys.extend(signer(line).map_err(refuse)?);
            }
        }
        if signers.keys.len() + signers.certificates.len() > MOST {
            return Err(invalid("signers", "Name at most 1,000 keys and certificates."));
        }
        Ok(signers)
    }

    /// Each with the fingerprint of its key, as entries name them.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let keys = self.keys.iter().map(|signer| format!("{} {}", signer.principals, fingerprint(&signer.key)));
        keys.chain(self.certificates.iter().map(Certificate::told)).collect()
    }

    /// What a signature of this text is worth, by OpenSSH or OpenPGP.
    #[must_use]
    pub fn check(&self, text: &[u8], signature: &[u8]) -> Verdict {
        if !signature.starts_with(b"-----BEGIN SSH") {
            return openpgp::check(&self.certificates, text, signature);
        }
        let Ok(signature) = SshSig::from_pem(signature) else { return Verdict::Bad };
        let key = PublicKey::from(signature.public_key().clone());
        if key.verify(NAMESPACE, text, &signature).is_err() {
            return Verdict::Bad;
        }
        match self.keys.iter().find(|signer| signer.key.key_data() == key.key_data()) {
            Some(signer) => Verdict::Good { by: signer.principals.clone() },
            None => Verdict::UnknownKey { key: fingerprint(&key) },
        }
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// `principals [options] type key [comment]`; none where it is for other things than git.
fn signer(line: &str) -> Result<Option<Signer>, String> {
    let (principals, rest) = match line.strip_prefix('"') {
        Some(rest) => rest.split_once('"').ok_or("the quote behind the principals is missing.")?,
        None => line.split_once(char::is_whitespace).ok_or("write who signs, and behind it their public key.")?,
    };
    let rest = rest.trim_start();
    let first = rest.split_whitespace().next().unwrap_or_default();
    let (options, key) = if is_type(first) { ("", rest) } else { rest.split_once(char::is_whitespace).unwrap_or((rest, "")) };
    let mut is_for_git = true;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let namespaces = option.strip_prefix("namespaces=").map(|value| value.trim_matches('"'));
        match namespaces {
            // Of a list the parts behind the first stand here by themselves.
            Some(value) if value == NAMESPACE => is_for_git = true,
            Some(_) if option.matches('"').count() == 2 => is_for_git = false,
            _ => {
                let name = option.split('=').next().unwrap_or_default();
                return Err(format!("the option {name} is not known here. Name one namespace, and remove lines that hold no longer."));
            }
        }
    }
    let key = PublicKey::from_openssh(key.trim()).map_err(|_| "no public key stands behind the principals.")?;
    Ok(is_for_git.then(|| Signer { principals: principals.to_owned(), key }))
}

fn is_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| word.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = include_str!("../../tests/vectors/sshsig/ed25519.pub");
    const TEXT: &[u8] = include_bytes!("../../tests/vectors/sshsig/text");
    const RSA: &str = include_str!("../../tests/vectors/sshsig/rsa.pub");
    const ECDSA: &str = include_str!("../../tests/vectors/sshsig/ecdsa.pub");

    fn signature(name: &str) -> &'static [u8] {
        match name {
            "ed25519" => include_bytes!("../../tests/vectors/sshsig/text.ed25519.sig"),
            "rsa" => include_bytes!("../../tests/vectors/sshsig/text.rsa.sig"),
            "ecdsa" => include_bytes!("../../tests/vectors/sshsig/text.ecdsa.sig"),
            _ => include_bytes!("../../tests/vectors/sshsig/text.file.sig"),
        }
    }

    fn signers(lines: &str) -> Signers {
        Signers::parse(lines).unwrap()
    }

    #[test]
    fn what_openssh_signed_is_good_by_whom_the_list_names() {
        let all = signers(&format!(
            "# ours\nfirst@vendor.example {KEY}\nsecond@vendor.example,third@vendor.example namespaces=\"git\" {RSA}\nfourth {ECDSA}"
        ));
        let good = |by: &str| Verdict::Good { by: by.to_owned() };
        assert_eq!(all.check(TEXT, signature("ed25519")), good("first@vendor.example"));
        assert_eq!(all.check(TEXT, signature("rsa")), good("second@vendor.example,third@vendor.example"));
        assert_eq!(all.check(TEXT, signature("ecdsa")), good("fourth"));
        assert_eq!(all.told().len(), 3);
        assert!(all.told()[0].starts_with("first@vendor.example SHA256:"));
    }

    #[test]
    fn another_key_is_unknown_and_another_text_or_purpose_is_bad() {
        let ours = signers(&format!("first@vendor.example {KEY}"));
        assert!(matches!(ours.check(TEXT, signature("rsa")), Verdict::UnknownKey { key } if key.starts_with("SHA256:")));
        assert!(matches!(Signers::default().check(TEXT, signature("ed25519")), Verdict::UnknownKey { .. }));
        assert_eq!(ours.check(b"another text\n", signature("ed25519")), Verdict::Bad);
        // Signed by the right key, but as a file and not for git.
        assert_eq!(ours.check(TEXT, signature("file")), Verdict::Bad);
        let mut damaged = signature("ed25519").to_vec();
        damaged[60] ^= 1;
        assert_eq!(ours.check(TEXT, &damaged), Verdict::Bad);
        assert_eq!(ours.check(TEXT, b"-----BEGIN SSH SIGNATURE-----\n"), Verdict::Bad);
        // A key that may sign for other things only is none of ours.
        let elsewhere = signers(&format!("first@vendor.example namespaces=\"file\" {KEY}"));
        assert!(matches!(elsewhere.check(TEXT, signature("ed25519")), Verdict::UnknownKey { .. }));
    }

    #[test]
    fn lines_that_cannot_be_heeded_are_named() {
        for (line, says) in [
            ("first@vendor.example", "Line 2: write who signs"),
            ("first@vendor.example ssh-ed25519 AAAA", "Line 2: no public key"),
            (&format!("*@vendor.example cert-authority {KEY}"), "Line 2: the option cert-authority"),
            (&format!("a valid-before=\"20270101Z\" {KEY}"), "Line 2: the option valid-before"),
            (&format!("a namespaces=\"git,file\" {KEY}"), "Line 2: the option"),
            ("\"a b ssh-ed25519", "Line 2: the quote"),
        ] {
            let said = Signers::parse(&format!("\n{line}")).unwrap_err().to_string();
            assert!(said.starts_with(says), "{line}: {said}");
        }
    }

    #[test]
    fn verdicts_are_kept_and_read_back() {
        let (by, key) = ("a".to_owned(), "SHA256:x".to_owned());
        let out = Verdict::OutOfTerm { by: by.clone() };
        for verdict in [Verdict::Good { by }, Verdict::UnknownKey { key }, out, Verdict::Bad, Verdict::Unchecked] {
            let (word, about) = verdict.parts();
            assert_eq!(Verdict::of(word, about.map(str::to_owned)), verdict);
        }
    }
}
