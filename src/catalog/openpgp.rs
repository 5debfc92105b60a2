//! OpenPGP certificates (RFC 9580) among the signers. Reading packets and checking signatures is `pgp`'s. Which keys of a certificate
//! may sign, and from when to when, is decided here, and where the standard leaves room more strictly:
//!
//! - Of each key the newest self-signature counts. A subkey that signs must have signed in turn that it belongs to its primary key.
//! - A revocation that names no reason, or a compromise, is for all time; one of a key that was superseded or retired, from then on.
//! - A signature must have been made within the terms of its key and of the primary key, by SHA-2 or SHA-3.

use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PublicKey, PublicSubkey, RevocationCode, Signature, SignatureType};
use pgp::types::{KeyDetails as _, Tag};

use super::signers::Verdict;

/// How a certificate begins and ends in a list of signers.
pub(super) const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
pub(super) const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Somebody's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// As the certificate names its holder first.
    holder: String,
    fingerprint: String,
    keys: Vec<Key>,
}

/// A key that may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    public: Public,
    term: Term,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Primary(PublicKey),
    Subkey(PublicSubkey),
}

/// Seconds since the epoch, the second one no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Term {
    from: u64,
    until: u64,
}

impl Term {
    /// From when a key was made, as long as its newest self-signature says.
    fn of(made: u32, newest: &Signature) -> Self {
        let lasts = newest.key_expiration_time().map_or(0, pgp::types::Duration::as_secs);
        let from = u64::from(made);
        Self { from, until: if lasts == 0 { u64::MAX } else { from + u64::from(lasts) } }
    }

    fn within(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    fn revoked_by(self, revocation: &Signature) -> Self {
        let soft = matches!(revocation.revocation_reason_code(), Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired));
        Self { until: self.until.min(made(revocation).filter(|_| soft).unwrap_or(0)), ..self }
    }

    fn holds(self, at: u64) -> bool {
        self.from <= at && at < self.until
    }
}

impl Certificate {
    /// Reads the certificates of one armored block.
    ///
    /// # Errors
    /// A sentence that says why it cannot be used.
    pub(super) fn parse(block: &str) -> Result<Vec<Self>, String> {
        let unreadable = |_| "this is no OpenPGP certificate.".to_owned();
        let (read, _) = SignedPublicKey::from_string_many(block).map_err(unreadable)?;
        let mut certificates = Vec::new();
        for one in read {
            certificates.push(Self::of(&one.map_err(unreadable)?)?);
        }
        if certificates.is_empty() { Err("there is no OpenPGP certificate in this.".to_owned()) } else { Ok(certificates) }
    }

    fn of(read: &SignedPublicKey) -> Result<Self, String> {
        let primary = &read.primary_key;
        let fingerprint = primary.fingerprint().to_string().to_uppercase();
        let own = |signature: &&Signature| is_fit(signature) && signature.verify_key(primary).is_ok();
        let direct = newest(read.details.direct_signatures.iter().filter(own));
        let mut users = Vec::new();
        for user in &read.details.users {
            let own = |one: &&Signature| is_fit(one) && one.verify_certification(primary, Tag::UserId, &user.id).is_ok();
            let said = newest(user.signatures.iter().filter(own));
            // What was said last may be that this is not their name any more.
            if let Some(said) = said.filter(|said| said.typ() != Some(SignatureType::CertRevocation)) {
                users.push((String::from_utf8_lossy(user.id.id()).into_owned(), said));
            }
        }
        let holder = users.iter().max_by_key(|(_, said)| (said.is_primary(), made(said))).map(|(name, _)| name.clone());
        let Some(newest) = newest(users.iter().map(|(_, said)| *said).chain(direct)) else {
            return Err(format!("nothing in the certificate {fingerprint} is signed by itself."));
        };
        let revocations = read.details.revocation_signatures.iter().filter(own);
        let term = revocations.fold(Term::of(primary.created_at().as_secs(), newest), Term::revoked_by);
        let mut keys = Vec::new();
        let flags = direct.filter(|direct| names_uses(direct)).unwrap_or(newest);
        if !names_uses(flags) || flags.key_flags().sign() {
            keys.push(Key { public: Public::Primary(primary.clone()), term });
        }
        keys.extend(read.public_subkeys.iter().filter_map(|subkey| {
            let own = term_of_subkey(primary, subkey)?;
            Some(Key { public: Public::Subkey(subkey.key.clone()), term: own.within(term) })
        }));
        keys.retain(|key| key.term.from < key.term.until);
        if keys.is_empty() {
            return Err(format!("no key of the certificate {fingerprint} may sign: it is revoked, or for other uses."));
        }
        Ok(Self { holder: holder.unwrap_or_else(|| fingerprint.clone()), fingerprint, keys })
    }

    /// As entries name it.
    pub(super) fn told(&self) -> String {
        format!("{} {}", self.holder, self.fingerprint)
    }
}

/// What a detached signature of this text is worth.
pub(super) fn check(certificates: &[Certificate], text: &[u8], signature: &[u8]) -> Verdict {
    let Ok(armored) = std::str::from_utf8(signature) else { return Verdict::Bad };
    let Ok((signature, _)) = DetachedSignature::from_string(armored) else { return Verdict::Bad };
    let signature = signature.signature;
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Verdict::Bad;
    }
    if !signature.hash_alg().is_some_and(is_strong) {
        return Verdict::Unchecked;
    }
    let Some(at) = made(&signature) else { return Verdict::Bad };
    let mut verdict = None;
    for certificate in certificates {
        for key in certificate.keys.iter().filter(|key| key.is_named_by(&signature)) {
            if !key.has_made(&signature, text) {
                verdict = verdict.or(Some(Verdict::Bad));
            } else if key.term.holds(at) {
                return Verdict::Good { by: certificate.holder.clone() };
            } else {
                verdict = Some(Verdict::OutOfTerm { by: certificate.holder.clone() });
            }
        }
    }
    verdict.unwrap_or_else(|| Verdict::UnknownKey { key: issuer(&signature) })
}

impl Key {
    fn is_named_by(&self, signature: &Signature) -> bool {
        let (fingerprint, id) = match &self.public {
            Public::Primary(key) => (key.fingerprint(), key.legacy_key_id()),
            Public::Subkey(key) => (key.fingerprint(), key.legacy_key_id()),
        };
        let fingerprints = signature.issuer_fingerprint();
        if fingerprints.is_empty() { signature.issuer_key_id().contains(&&id) } else { fingerprints.contains(&&fingerprint) }
    }

    fn has_made(&self, signature: &Signature, text: &[u8]) -> bool {
        match &self.public {
            Public::Primary(key) => signature.verify(key, text),
            Public::Subkey(key) => signature.verify(key, text),
        }
        .is_ok()
    }
}

/// When a subkey may sign; `None`: never.
fn term_of_subkey(primary: &PublicKey, subkey: &SignedPublicSubKey) -> Option<Term> {
    let own = |signature: &&Signature| is_fit(signature) && signature.verify_subkey_binding(primary, &subkey.key).is_ok();
    let (revocations, bindings): (Vec<_>, Vec<_>) =
        subkey.signatures.iter().filter(own).partition(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
    let binding = newest(bindings.into_iter()).filter(|binding| binding.key_flags().sign())?;
    let back = binding.embedded_signature().filter(|back| is_fit(back))?;
    back.verify_primary_key_binding(&subkey.key, primary).ok()?;
    Some(revocations.into_iter().fold(Term::of(subkey.key.created_at().as_secs(), binding), Term::revoked_by))
}

/// The newest of some signatures, a revocation before others of its second.
fn newest<'a>(all: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    all.max_by_key(|signature| (made(signature), signature.typ() == Some(SignatureType::CertRevocation)))
}

fn made(signature: &Signature) -> Option<u64> {
    signature.created().map(|at| u64::from(at.as_secs()))
}

/// Whether the signature says what its key is for.
fn names_uses(signature: &Signature) -> bool {
    let flags = signature.key_flags();
    flags.sign() || flags.certify() || flags.encrypt_comms() || flags.encrypt_storage() || flags.authentication()
}

/// Whether a signature of a certificate on itself counts: SHA-1 still does, which most certificates made before 2020 are signed with.
fn is_fit(signature: &Signature) -> bool {
    let hash = signature.hash_alg();
    made(signature).is_some() && hash.is_some_and(|hash| is_strong(hash) || hash == HashAlgorithm::Sha1)
}

fn is_strong(hash: HashAlgorithm) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    matches!(hash, Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512)
}

/// Whose key a signature says that it was made with.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(ToString::to_string);
    let issuer = fingerprint.or_else(|| signature.issuer_key_id().first().map(ToString::to_string));
    issuer.map_or_else(|| "which is not named".to_owned(), |issuer| issuer.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = include_bytes!("../../tests/vectors/openpgp/text");
    const VENDOR: &str = include_str!("../../tests/vectors/openpgp/vendor.asc");
    const PARTNER: &str = include_str!("../../tests/vectors/openpgp/partner.asc");
    const PARTNER_LONGER: &str = include_str!("../../tests/vectors/openpgp/partner-longer.asc");
    const SUPERSEDED: &str = include_str!("../../tests/vectors/openpgp/former-superseded.asc");
    const COMPROMISED: &str = include_str!("../../tests/vectors/openpgp/former-compromised.asc");
    const READER: &str = include_str!("../../tests/vectors/openpgp/reader.asc");

    fn signature(name: &str) -> &'static [u8] {
        match name {
            "vendor" => include_bytes!("../../tests/vectors/openpgp/text.vendor.sig"),
            "sha1" => include_bytes!("../../tests/vectors/openpgp/text.sha1.sig"),
            "partner" => include_bytes!("../../tests/vectors/openpgp/text.partner.sig"),
            "partner-late" => include_bytes!("../../tests/vectors/openpgp/text.partner-late.sig"),
            "former" => include_bytes!("../../tests/vectors/openpgp/text.former.sig"),
            _ => include_bytes!("../../tests/vectors/openpgp/text.former-late.sig"),
        }
    }

    fn by(block: &str, name: &str) -> Verdict {
        check(&Certificate::parse(block).unwrap(), TEXT, signature(name))
    }

    fn good(by: &str) -> Verdict {
        Verdict::Good { by: by.to_owned() }
    }

    #[test]
    fn what_gnupg_signed_is_good_by_whom_the_certificate_names() {
        assert_eq!(by(VENDOR, "vendor"), good("Vendor Release <release@vendor.example>"));
        assert_eq!(by(PARTNER, "partner"), good("Partner <partner@other.example>"));
        let told = Certificate::parse(VENDOR).unwrap()[0].told();
        assert_eq!(told, "Vendor Release <release@vendor.example> 8B0B7223E21DC3168E90BE2FEEF79515CD9E8223");
    }

    #[test]
    fn another_key_is_unknown_and_another_text_or_signature_is_bad() {
        let vendor = Certificate::parse(VENDOR).unwrap();
        let other = check(&vendor, TEXT, signature("partner"));
        assert_eq!(other, Verdict::UnknownKey { key: "2EA5FBAAAF44177331AC57498A6DCD3177859825".to_owned() });
        assert!(matches!(check(&[], TEXT, signature("vendor")), Verdict::UnknownKey { .. }));
        assert_eq!(check(&vendor, b"another text\n", signature("vendor")), Verdict::Bad);
        let longer = [TEXT, b"\n"].concat();
        assert_eq!(check(&vendor, &longer, signature("vendor")), Verdict::Bad);
        let whole = std::str::from_utf8(signature("vendor")).unwrap();
        for damaged in ["", "-----BEGIN PGP SIGNATURE-----\n", &whole[..whole.len() / 2], &whole.replace("SIGNATURE", "MESSAGE"), VENDOR] {
            assert_eq!(check(&vendor, TEXT, damaged.as_bytes()), Verdict::Bad, "{damaged}");
        }
        // Whole, and not to be relied on.
        assert_eq!(check(&vendor, TEXT, signature("sha1")), Verdict::Unchecked);
    }

    #[test]
    fn a_key_holds_for_its_term() {
        let out = |by: &str| Verdict::OutOfTerm { by: by.to_owned() };
        let (partner, former) = ("Partner <partner@other.example>", "Former <former@vendor.example>");
        assert_eq!(by(PARTNER, "partner-late"), out(partner));
        assert_eq!(by(PARTNER_LONGER, "partner-late"), good(partner));
        assert_eq!(by(SUPERSEDED, "former"), good(former));
        assert_eq!(by(SUPERSEDED, "former-late"), out(former));
        for (block, says) in [(COMPROMISED, "may sign"), (READER, "may sign"), (&VENDOR[..200], "no OpenPGP certificate")] {
            let said = Certificate::parse(block).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }

    #[test]
    fn what_a_certificate_does_not_bind_is_none_of_its_keys() {
        let read = |block: &str| SignedPublicKey::from_string(block).unwrap().0;
        let (vendor, mut partner) = (read(VENDOR), read(PARTNER));
        // Somebody else's subkey.
        partner.public_subkeys.extend(vendor.public_subkeys.clone());
        let taken = Certificate::of(&partner).unwrap();
        assert_eq!(taken.keys.len(), 1);
        assert!(matches!(check(&[taken], TEXT, signature("vendor")), Verdict::UnknownKey { .. }));
        // A subkey without its binding.
        let mut bare = vendor.clone();
        bare.public_subkeys[0].signatures.clear();
        assert!(Certificate::of(&bare).is_err());
        // A certificate in another's name: what they signed about themselves is not about this key.
        let mut forged = read(PARTNER);
        forged.details = vendor.details.clone();
        assert!(Certificate::of(&forged).unwrap_err().contains("signed by itself"));
        // Without what revokes it, it is as it was; so a newer copy is to be named.
        let mut whole = read(COMPROMISED);
        whole.details.revocation_signatures.clear();
        assert!(Certificate::of(&whole).is_ok());
    }
}
