//! Checkpoints as signed notes: C2SP signed-note 1.0.0, tlog-checkpoint 1.0.0, tlog-cosignature 1.0.1.
//!
//! What is parsed here comes from anywhere, so sizes are bounded and every deviation is an error that names it. Signatures
//! are checked with `verify_strict`, so one text has one set of acceptable signatures.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature as Ed25519Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::merkle::Hash;

const ED25519: u8 = 1;
const COSIGNATURE: u8 = 4;
const PRIVATE: &str = "PRIVATE+KEY+";
/// Longer notes are refused unread; a checkpoint with a hundred cosignatures stays far below.
pub const LONGEST_NOTE: usize = 64 * 1024;
const MOST_SIGNATURES: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("this is not a key: {0}")]
    Key(&'static str),
    #[error("this is not a signed note: {0}")]
    Note(&'static str),
    #[error("this is not a checkpoint: {0}")]
    Checkpoint(&'static str),
    #[error("the signature by {0} does not fit the text")]
    BadSignature(String),
    #[error("no known key has signed this (signed by: {0})")]
    Unsigned(String),
    #[error("the checkpoint is of the log {found:?}, not of {expected:?}")]
    OtherLog { found: String, expected: String },
    #[error("the key of {name} that has signed this was handed over before the log had {size} entries")]
    Retired { name: String, size: u64 },
}

/// A public key with its name, as `vkey` text: `<name>+<key id, 8 hex>+<base64 of type and key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    kind: u8,
    key: VerifyingKey,
}

impl VerifierKey {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Whether this is a witness's key, whose signatures carry a time.
    #[must_use]
    pub fn is_witness(&self) -> bool {
        self.kind == COSIGNATURE
    }

    fn new(name: &str, kind: u8, key: VerifyingKey) -> Self {
        Self { name: name.to_owned(), id: key_id(name, kind, key.as_bytes()), kind, key }
    }

    /// Whether `signature`, made under this name and id, is one by this key over `text`.
    fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        let strict =
            |message: &[u8], bytes: &[u8]| Ed25519Signature::from_slice(bytes).is_ok_and(|s| self.key.verify_strict(message, &s).is_ok());
        match self.kind {
            COSIGNATURE => signature
                .split_first_chunk::<8>()
                .is_some_and(|(time, bytes)| strict(cosigned(text, u64::from_be_bytes(*time)).as_bytes(), bytes)),
            _ => strict(text.as_bytes(), signature),
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.kind], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, id, bytes) = key_parts(text.trim())?;
        let (&kind, key) = bytes.split_first().ok_or(NoteError::Key("it holds no key bytes"))?;
        if kind != ED25519 && kind != COSIGNATURE {
            return Err(NoteError::Key("its type is neither Ed25519 (01) nor Ed25519 cosignature (04)"));
        }
        let key: [u8; 32] = key.try_into().map_err(|_| NoteError::Key("it is not 32 bytes long"))?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| NoteError::Key("its bytes are no point of the curve"))?;
        if key.is_weak() {
            return Err(NoteError::Key("it is of low order, so it would accept more than one text"));
        }
        let key = Self::new(name, kind, key);
        if key.id != id {
            return Err(NoteError::Key("its id does not fit its name and bytes; it was mistyped or changed"));
        }
        Ok(key)
    }
}

/// A secret key with its name. Says nothing about itself in debug output.
#[derive(Clone)]
pub struct SignerKey {
    public: VerifierKey,
    secret: SigningKey,
}

impl SignerKey {
    /// The log's own key. Its name is the log's origin.
    ///
    /// # Errors
    /// When the name is empty or holds a space or `+`.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Self::of_kind(name, seed, ED25519)
    }

    /// A witness's key.
    ///
    /// # Errors
    /// As [`SignerKey::new`].
    pub fn witness(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Self::of_kind(name, seed, COSIGNATURE)
    }

    #[must_use]
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// The line this key signs `text` with; a witness's states `time`, in seconds since 1970, and a log's leaves it out.
    #[must_use]
    pub fn sign(&self, text: &str, time: u64) -> Signature {
        let bytes = if self.public.is_witness() {
            let signature = self.secret.sign(cosigned(text, time).as_bytes()).to_bytes();
            [time.to_be_bytes().as_slice(), &signature].concat()
        } else {
            self.secret.sign(text.as_bytes()).to_bytes().to_vec()
        };
        Signature { name: self.public.name.clone(), id: self.public.id, bytes }
    }

    /// The secret as text: `PRIVATE+KEY+<name>+<key id>+<base64 of type and seed>`.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let bytes = [&[self.public.kind], self.secret.as_bytes().as_slice()].concat();
        let (name, id) = (&self.public.name, HEXLOWER.encode(&self.public.id));
        format!("{PRIVATE}{name}+{id}+{}", BASE64.encode(&bytes))
    }

    /// Takes back [`SignerKey::to_secret_text`].
    ///
    /// # Errors
    /// When it is not such a text; the error never repeats it.
    pub fn from_secret_text(text: &str) -> Result<Self, NoteError> {
        let text = text.trim().strip_prefix(PRIVATE).ok_or(NoteError::Key("it does not begin with PRIVATE+KEY+"))?;
        let (name, id, bytes) = key_parts(text)?;
        let (&kind, seed) = bytes.split_first().ok_or(NoteError::Key("it holds no key bytes"))?;
        if kind != ED25519 && kind != COSIGNATURE {
            return Err(NoteError::Key("its type is neither Ed25519 (01) nor Ed25519 cosignature (04)"));
        }
        let seed: [u8; 32] = seed.try_into().map_err(|_| NoteError::Key("it is not 32 bytes long"))?;
        let key = Self::of_kind(name, &seed, kind)?;
        if key.public.id != id {
            return Err(NoteError::Key("its id does not fit its name and bytes; it was mistyped or changed"));
        }
        Ok(key)
    }

    fn of_kind(name: &str, seed: &[u8; 32], kind: u8) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Key("its name is empty or holds a space or a plus sign"));
        }
        let secret = SigningKey::from_bytes(seed);
        Ok(Self { public: VerifierKey::new(name, kind, secret.verifying_key()), secret })
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.public)
    }
}

/// One signature line of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Signature {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Unix seconds that a witness put into its signature; only meaningful once it has been verified with a witness's key.
    #[must_use]
    pub fn witnessed_at(&self) -> Option<u64> {
        let (time, signature) = self.bytes.split_first_chunk::<8>()?;
        (signature.len() == 64).then(|| u64::from_be_bytes(*time))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_slice(), &self.bytes].concat();
        writeln!(f, "\u{2014} {} {}", self.name, BASE64.encode(&bytes))
    }
}

impl FromStr for Signature {
    type Err = NoteError;

    fn from_str(line: &str) -> Result<Self, NoteError> {
        let wrong = NoteError::Note("a signature line is not \"\u{2014} name base64\"");
        let rest = line.strip_prefix("\u{2014} ").ok_or(wrong.clone())?;
        let (name, base64) = rest.split_once(' ').ok_or(wrong.clone())?;
        let bytes = from_base64(base64).ok_or(wrong.clone())?;
        match bytes.split_first_chunk::<4>() {
            Some((id, signature)) if is_name(name) && !signature.is_empty() => {
                Ok(Self { name: name.to_owned(), id: *id, bytes: signature.to_vec() })
            }
            _ => Err(wrong),
        }
    }
}

/// A text and its signatures, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// # Errors
    /// When the text does not end in a line feed or holds another control character.
    pub fn new(text: String, signatures: Vec<Signature>) -> Result<Self, NoteError> {
        check_text(&text)?;
        Ok(Self { text, signatures })
    }

    /// What was signed, with its final line feed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The signatures by these keys. Signatures by others are ignored.
    ///
    /// # Errors
    /// When one that claims to be by one of the keys is not, or none is by any of them.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<(&'k VerifierKey, &Signature)>, NoteError> {
        let mut good = Vec::new();
        for signature in &self.signatures {
            for key in keys.iter().filter(|k| k.name == signature.name && k.id == signature.id) {
                if !key.accepts(&self.text, &signature.bytes) {
                    return Err(NoteError::BadSignature(signature.name.clone()));
                }
                good.push((key, signature));
            }
        }
        if good.is_empty() {
            let names: Vec<_> = self.signatures.iter().map(Signature::name).collect();
            return Err(NoteError::Unsigned(names.join(", ")));
        }
        Ok(good)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.text, self.signatures.iter().map(ToString::to_string).collect::<String>())
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > LONGEST_NOTE {
            return Err(NoteError::Note("it is longer than 64 KiB"));
        }
        let middle = note.rfind("\n\n").ok_or(NoteError::Note("no empty line parts text and signatures"))?;
        let (text, rest) = note.split_at(middle + 1);
        let lines = rest
            .strip_prefix('\n')
            .and_then(|r| r.strip_suffix('\n'))
            .ok_or(NoteError::Note("it does not end in a signature and a line feed"))?;
        check_text(text)?;
        let signatures = lines.split('\n').map(str::parse).collect::<Result<Vec<Signature>, _>>()?;
        if signatures.len() > MOST_SIGNATURES {
            return Err(NoteError::Note("it has more than 128 signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}

/// What a log says about itself at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root))
    }

    /// Signs it with the log's own key.
    #[must_use]
    pub fn sign(&self, key: &SignerKey) -> Note {
        let text = self.text();
        let signature = key.sign(&text, 0);
        Note { text, signatures: vec![signature] }
    }

    /// Reads the text of a note. Extension lines are allowed and left unread.
    ///
    /// # Errors
    /// When it is no checkpoint.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let origin = lines.next().filter(|o| !o.is_empty()).ok_or(NoteError::Checkpoint("its origin is empty"))?;
        let size = lines
            .next()
            .and_then(decimal)
            .ok_or(NoteError::Checkpoint("its second line is not a size in decimal without leading zeros"))?;
        let root = lines
            .next()
            .and_then(from_base64)
            .and_then(|b| Hash::try_from(b).ok())
            .ok_or(NoteError::Checkpoint("its third line is not a SHA-256 hash in base64"))?;
        let mut extensions = lines.peekable();
        while let Some(line) = extensions.next() {
            if line.is_empty() && extensions.peek().is_some() {
                return Err(NoteError::Checkpoint("an extension line is empty"));
            }
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Reads a signed checkpoint and verifies that the log of this key has signed it.
    ///
    /// # Errors
    /// When it is no checkpoint of that log, or its signature does not hold.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let note: Note = note.parse()?;
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin != key.name {
            return Err(NoteError::OtherLog { found: checkpoint.origin, expected: key.name.clone() });
        }
        note.verify(std::slice::from_ref(key))?;
        Ok(checkpoint)
    }
}

/// A number in decimal without sign, spaces or leading zeros.
#[must_use]
pub fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// Standard base64 with padding. The decoder would also take several padded texts in a row; one value has one spelling here.
#[must_use]
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    (BASE64.encode_len(bytes.len()) == text.len() && !text.trim_end_matches('=').contains('=')).then_some(bytes)
}

fn key_id(name: &str, kind: u8, key: &[u8]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key).finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
    [a, b, c, d]
}

/// Splits `<name>+<id>+<base64>`; base64 may hold plus signs itself.
fn key_parts(text: &str) -> Result<(&str, [u8; 4], Vec<u8>), NoteError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(bytes)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteError::Key("it is not of the form name+id+base64"));
    };
    if !is_name(name) {
        return Err(NoteError::Key("its name is empty or holds a space"));
    }
    let id = HEXLOWER.decode(id.as_bytes()).ok().and_then(|i| i.try_into().ok());
    let id = id.ok_or(NoteError::Key("its id is not 8 hexadecimal digits"))?;
    let bytes = from_base64(bytes).ok_or(NoteError::Key("its last part is not base64"))?;
    Ok((name, id, bytes))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 1024 && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Note("its text does not end in a line feed"));
    }
    if text.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(NoteError::Note("its text holds a control character"));
    }
    Ok(())
}

/// What a witness signs (tlog-cosignature, v1).
fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use signed_note::{Note as TheirNote, Signer as _, StandardSigner, StandardVerifier, VerifierList};

    use super::super::merkle;
    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/transparency-log.json")).unwrap()
    }

    fn text<'v>(vectors: &'v Value, path: &str) -> &'v str {
        vectors.pointer(path).unwrap().as_str().unwrap()
    }

    fn seed(vectors: &Value, path: &str) -> [u8; 32] {
        HEXLOWER.decode(text(vectors, path).as_bytes()).unwrap().try_into().unwrap()
    }

    fn first_checkpoint() -> Checkpoint {
        let root = merkle::leaf(&merkle::tests::vector_leaf(0));
        Checkpoint { origin: "portal.example/audit".into(), size: 1, root }
    }

    #[test]
    fn the_example_of_signed_note() {
        let vectors = vectors();
        let key: VerifierKey = text(&vectors, "/signed_note/vkey").parse().unwrap();
        assert_eq!(key.to_string(), text(&vectors, "/signed_note/vkey"));
        let message = text(&vectors, "/signed_note/text");
        let signature = text(&vectors, "/signed_note/signature");
        let note = format!("{message}\n\u{2014} example.com/foo {signature}\n");
        let parsed: Note = note.parse().unwrap();
        assert_eq!((parsed.text(), parsed.to_string().as_str()), (message, note.as_str()));
        assert_eq!(parsed.verify(std::slice::from_ref(&key)).unwrap().len(), 1);
        let changed: Note = note.replace("example message", "exemplary message").parse().unwrap();
        assert_eq!(changed.verify(&[key]), Err(NoteError::BadSignature("example.com/foo".into())));
        assert_eq!(parsed.verify(&[]), Err(NoteError::Unsigned("example.com/foo".into())));
    }

    #[test]
    fn the_checkpoint_and_its_cosignature_of_the_specification() {
        let vectors = vectors();
        let key = SignerKey::new("portal.example/audit", &seed(&vectors, "/log/seed")).unwrap();
        let witness = SignerKey::witness("witness.example/w1", &seed(&vectors, "/witness/seed")).unwrap();
        assert_eq!(key.public().to_string(), text(&vectors, "/log/vkey"));
        assert_eq!(witness.public().to_string(), text(&vectors, "/witness/vkey"));
        let checkpoint = first_checkpoint();
        let time = vectors["witness"]["time_at_size_0"].as_u64().unwrap() + 1;
        let cosignature = witness.sign(&checkpoint.text(), time);
        let log_line = text(&vectors, "/checkpoint_1/log_line");
        assert_eq!(cosignature.to_string(), text(&vectors, "/checkpoint_1/witness_line"));
        assert_eq!(cosignature.witnessed_at(), Some(time));
        let note = format!("{}{cosignature}", checkpoint.sign(&key));
        assert_eq!(note, format!("{}\n{log_line}{cosignature}", checkpoint.text()));
        assert_eq!(Checkpoint::open(&note, key.public()).unwrap(), checkpoint);
        let note: Note = note.parse().unwrap();
        let keys = [key.public().clone(), witness.public().clone()];
        assert_eq!(note.verify(&keys).unwrap().len(), 2);
        let other = note.to_string().replace("\n1\n", "\n2\n");
        assert!(matches!(Checkpoint::open(&other, key.public()), Err(NoteError::BadSignature(_))));
        let later = Note::new(checkpoint.text(), vec![Signature { bytes: [9; 72].into(), ..cosignature }]).unwrap();
        assert!(matches!(later.verify(&keys), Err(NoteError::BadSignature(_))));
    }

    #[test]
    fn keys_that_are_none_are_refused_by_name_of_what_is_wrong() {
        for (key, says) in [
            ("", "it is not of the form name+id+base64"),
            ("a+00000000", "it is not of the form name+id+base64"),
            ("a b+00000000+AQ==", "its name is empty or holds a space"),
            ("a+0000+AQ==", "its id is not 8 hexadecimal digits"),
            ("a+00000000+!", "its last part is not base64"),
            ("a+00000000+AQ==", "it is not 32 bytes long"),
            ("a+00000000+Bg==", "its type is neither Ed25519 (01) nor Ed25519 cosignature (04)"),
            ("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "its id does not fit"),
            ("a+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "it is of low order"),
        ] {
            let error = key.parse::<VerifierKey>().unwrap_err().to_string();
            assert!(error.contains(says), "{key}: {error}");
        }
        let key = SignerKey::new("a", &[7; 32]).unwrap();
        assert_eq!(SignerKey::from_secret_text(&key.to_secret_text()).unwrap().public(), key.public());
        assert!(!format!("{key:?}").contains(&key.to_secret_text()[20..]));
        assert!(SignerKey::new("a+b", &[7; 32]).is_err());
    }

    #[test]
    fn texts_that_are_no_checkpoints_are_refused() {
        let root = BASE64.encode(&[0; 32]);
        for size in ["01", "-1", "+1", " 1", "", "1 ", "18446744073709551616", "0x1"] {
            assert!(Checkpoint::parse(&format!("o\n{size}\n{root}\n")).is_err(), "{size:?}");
        }
        assert!(Checkpoint::parse(&format!("\n1\n{root}\n")).is_err());
        assert!(Checkpoint::parse("o\n1\nAAAA\n").is_err());
        assert!(Checkpoint::parse(&format!("o\n1\n{root}\n\nx\n")).is_err());
        assert_eq!(Checkpoint::parse(&format!("o\n0\n{root}\nextension\n")).unwrap().size, 0);
        for note in [
            "",
            "x",
            "a\n\n",
            "a\n\n\n",
            "a\tb\n\n\u{2014} n AAAAAAA=\n",
            "a\n\n\u{2014} n AAAAAAA=",
            "a\n\n- n AAAAAAA=\n",
            "a\n\n\u{2014} n AAAAAAA=AAAA\n",
        ] {
            assert!(note.parse::<Note>().is_err(), "{note:?}");
        }
        assert!(format!("a\n\n{}", "\u{2014} n AAAAAAA=\n".repeat(16)).parse::<Note>().is_ok());
        assert!(format!("a\n\n{}", "\u{2014} n AAAAAAA=\n".repeat(129)).parse::<Note>().is_err());
    }

    #[test]
    fn another_log_s_checkpoint_is_not_ours() {
        let (ours, theirs) = (SignerKey::new("ours", &[1; 32]).unwrap(), SignerKey::new("theirs", &[1; 32]).unwrap());
        let checkpoint = Checkpoint { origin: "theirs".into(), size: 0, root: merkle::empty_root() };
        let note = checkpoint.sign(&theirs).to_string();
        assert!(matches!(Checkpoint::open(&note, ours.public()), Err(NoteError::OtherLog { .. })));
        // Signed by the right key, but about another log.
        let note = checkpoint.sign(&ours).to_string();
        assert!(matches!(Checkpoint::open(&note, ours.public()), Err(NoteError::OtherLog { .. })));
    }

    proptest! {
        #[test]
        fn signed_note_accepts_what_we_sign_and_signs_what_we_accept(
            seed in any::<[u8; 32]>(), name in "[a-z./\u{e9}-]{1,20}", size in any::<u64>(), root in any::<[u8; 32]>(),
        ) {
            let key = SignerKey::new(&name, &seed).unwrap();
            let verifier = StandardVerifier::new(&key.public().to_string()).unwrap();
            let signer = StandardSigner::new(&key.to_secret_text()).unwrap();
            let checkpoint = Checkpoint { origin: name.clone(), size, root };
            let ours = checkpoint.sign(&key).to_string();

            let parsed = TheirNote::from_bytes(ours.as_bytes()).unwrap();
            let verifiers = VerifierList::new(vec![Box::new(verifier)]);
            prop_assert_eq!(parsed.verify(&verifiers).unwrap().0.len(), 1);
            let read = tlog_tiles::Checkpoint::from_bytes(parsed.text()).unwrap();
            prop_assert_eq!((read.origin(), read.size(), read.hash().0), (name.as_str(), size, root));

            prop_assert_eq!(signer.key_id(), u32::from_be_bytes(key.public().id()));
            let mut theirs = TheirNote::new(checkpoint.text().as_bytes(), &[]).unwrap();
            theirs.add_sigs(&[&signer]).unwrap();
            let theirs = String::from_utf8(theirs.to_bytes()).unwrap();
            prop_assert_eq!(&theirs, &ours);
            prop_assert_eq!(Checkpoint::open(&theirs, key.public()).unwrap(), checkpoint);
        }

        #[test]
        fn no_text_from_outside_makes_it_panic(text in any::<String>(), lines in "(\u{2014} [a-z]{0,3} [A-Za-z0-9+/=]{0,12}\n){0,3}") {
            let note = format!("{text}\n\n{lines}");
            if let Ok(parsed) = note.parse::<Note>() {
                prop_assert_eq!(parsed.to_string(), note);
                let _ = Checkpoint::parse(parsed.text());
            }
            let _ = text.parse::<VerifierKey>();
            let _ = SignerKey::from_secret_text(&text);
        }
    }
}
