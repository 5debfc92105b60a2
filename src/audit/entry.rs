//! The entry as it stands in the log, canonical JSON (RFC 8785), and as it is read back ([`Entry`]).
//!
//! An entry can never be changed, so what may have to be erased stays outside: the personal part lies beside it, and the
//! entry holds only `details`, the SHA-256 of that part's canonical JSON, which has a random salt of its own in it. The
//! entry's own salt keeps a short entry from being guessed from its hash.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::event::{Actor, Basis, Kind, Outcome, Personal, Place, Shown, UnknownKind};
use super::merkle::{self, Hash};
use crate::clock::Timestamp;
use crate::ids::RequestId;

/// The entry's JSON. Absent parts are left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    pub(super) v: u64,
    pub(super) at: String,
    pub(super) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) basis: Option<Basis>,
    pub(super) request: String,
    pub(super) outcome: Outcome,
    pub(super) salt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) facts: Map<String, Value>,
}

impl Form {
    /// The places of the fact `places`; those of another form are left out.
    pub(super) fn shown(&self) -> Vec<Shown> {
        shown(&self.facts)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct PersonalForm {
    #[serde(flatten)]
    pub(super) personal: Personal,
    pub(super) salt: String,
}

/// What is wrong with the bytes of an entry or of a personal part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("the entry is not JSON of the form that this version knows: {0}")]
    Form(String),
    #[error("the entry is not in canonical form (RFC 8785)")]
    NotCanonical,
    #[error("the entry says {0}")]
    Says(&'static str),
    #[error("the personal part does not fit the commitment in its entry")]
    OtherPersonal,
}

/// An entry read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub index: u64,
    pub leaf: Hash,
    pub at: Timestamp,
    pub kind: Kind,
    pub actor: Option<Actor>,
    pub place: Option<Place>,
    pub basis: Option<Basis>,
    pub request: RequestId,
    pub outcome: Outcome,
    pub facts: Map<String, Value>,
    /// The commitment to the personal part.
    pub details: Option<String>,
    /// `None` when there was none, or it has been erased.
    pub personal: Option<Personal>,
    /// The canonical JSON that was hashed.
    pub bytes: Vec<u8>,
    /// The canonical JSON of the personal part, as it is exported beside the entry.
    pub beside: Option<String>,
}

impl Entry {
    /// Reads an entry and the personal part beside it.
    ///
    /// # Errors
    /// When either is not what this version writes, or they do not belong together.
    pub fn read(index: u64, bytes: Vec<u8>, beside: Option<String>) -> Result<Self, EntryError> {
        let form = check_entry(&bytes)?;
        let personal = match &beside {
            Some(text) => Some(check_personal(&form, text)?),
            None => None,
        };
        Ok(Self {
            index,
            leaf: merkle::leaf(&bytes),
            at: Timestamp::parse(&form.at).ok_or(EntryError::Says("no RFC 3339 time"))?,
            kind: form.kind.parse().map_err(|e: UnknownKind| EntryError::Form(e.to_string()))?,
            actor: form.actor,
            place: form.place,
            basis: form.basis,
            request: RequestId::known(form.request),
            outcome: form.outcome,
            facts: form.facts,
            details: form.details,
            personal,
            bytes,
            beside,
        })
    }

    /// Whether it once had a personal part that has been erased.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.details.is_some() && self.beside.is_none()
    }

    /// The places of the fact `places`.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        shown(&self.facts)
    }
}

/// Reads an entry's bytes and checks that they are in the form this log writes. Kinds that a newer version added pass.
pub(super) fn check_entry(bytes: &[u8]) -> Result<Form, EntryError> {
    let form: Form = serde_json::from_slice(bytes).map_err(|e| EntryError::Form(e.to_string()))?;
    // Written again it must be the same bytes, so that it holds nothing twice, nothing unknown, nothing spelt otherwise.
    if canonical(&form).as_bytes() != bytes {
        return Err(EntryError::NotCanonical);
    }
    let hex = |text: &str, bytes: usize| HEXLOWER.decode(text.as_bytes()).is_ok_and(|b| b.len() == bytes);
    if form.v != 1 {
        return Err(EntryError::Says("that it is of a version other than 1"));
    }
    if Timestamp::parse(&form.at).is_none_or(|at| at.to_string() != form.at) {
        return Err(EntryError::Says("no time in UTC with six digits of a second"));
    }
    if !hex(&form.salt, 16) {
        return Err(EntryError::Says("no salt of 16 bytes"));
    }
    if form.details.as_deref().is_some_and(|d| !hex(d, 32)) {
        return Err(EntryError::Says("no SHA-256 as its commitment"));
    }
    Ok(form)
}

/// Checks a personal part, given as its canonical JSON, against the commitment in its entry.
pub(super) fn check_personal(form: &Form, beside: &str) -> Result<Personal, EntryError> {
    if form.details.as_deref() != Some(commitment(beside).as_str()) {
        return Err(EntryError::OtherPersonal);
    }
    let parsed: PersonalForm = serde_json::from_str(beside).map_err(|e| EntryError::Form(e.to_string()))?;
    if canonical(&parsed) != beside {
        return Err(EntryError::NotCanonical);
    }
    Ok(parsed.personal)
}

pub(super) fn canonical(value: &impl Serialize) -> String {
    serde_json_canonicalizer::to_string(value).expect("these values have string keys and finite numbers, so they have a canonical form")
}

pub(super) fn commitment(beside: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(beside))
}

fn shown(facts: &Map<String, Value>) -> Vec<Shown> {
    match facts.get("places") {
        Some(Value::Array(places)) => places.iter().filter_map(|p| Shown::deserialize(p).ok()).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::event::{Context, Draft, DraftError};
    use super::*;
    use crate::ids::Entropy;

    fn sealed(draft: Draft) -> (Vec<u8>, Option<String>) {
        let context = Context::internal(RequestId::known("req_1"));
        let at = Timestamp::parse("2027-01-02T03:04:05.000006Z").unwrap();
        let sealed = draft.seal(&context, at, &Entropy::seeded(7)).unwrap();
        (sealed.entry, sealed.beside)
    }

    #[test]
    fn an_entry_has_this_form_for_ever() {
        let mut draft = super::super::tests::opened(3).fact("z", 1).fact("a", json!({"y": null, "x": "\u{e9}\n"}));
        draft.place.as_mut().unwrap().path = Some(super::super::PathText::of(b"caf\xe9"));
        let (entry, beside) = sealed(draft);
        let beside = beside.unwrap();
        assert_eq!(
            String::from_utf8(entry).unwrap(),
            format!(
                concat!(
                    r#"{{"actor":{{"account":"acc_3","agency":"agy_1","role":"reviewer","session":"5f3a"}},"at":"2027-01-02T03:04:05.000006Z","#,
                    r#""basis":{{"agreement":"agr_1","entitlement":"ent_1"}},"details":"{}","facts":{{"a":{{"x":"é\n","y":null}},"bytes":3,"z":1}},"#,
                    r#""kind":"source.file.opened","outcome":"permitted","place":{{"blob":"b3","commit":"c0ffee","lines":[1,20],"path":"caf\u{{fffd}}","#,
                    r#""path_hex":"636166e9","product":"kernel","version":"v2.1"}},"request":"req_1","salt":"{}","v":1}}"#
                ),
                commitment(&beside),
                "SALT"
            )
            .replace("\\u{fffd}", "\u{fffd}")
            .replace("SALT", &salts().1)
        );
        let [name, agency] = [r#""name":"Ada 3""#, r#"{"agency_name":"Agency of Light""#];
        assert_eq!(beside, format!(r#"{agency},"email":"Ada3@agency.example",{name},"salt":"{}"}}"#, salts().0));
    }

    /// What the seeded generator gives for the personal part and the entry.
    fn salts() -> (String, String) {
        let entropy = Entropy::seeded(7);
        (entropy.hex::<16>(), entropy.hex::<16>())
    }

    #[test]
    fn what_is_absent_is_left_out_and_read_back_as_absent() {
        let (entry, beside) = sealed(Draft::new(Kind::LogOpened, Outcome::Done));
        assert_eq!(beside, None);
        let text = String::from_utf8(entry.clone()).unwrap();
        for name in ["actor", "place", "basis", "details", "facts", "null"] {
            assert!(!text.contains(name), "{text}");
        }
        let read = Entry::read(5, entry, None).unwrap();
        assert_eq!((read.index, read.kind, read.is_erased(), read.place), (5, Kind::LogOpened, false, None));
    }

    #[test]
    fn another_form_of_the_same_is_refused() {
        let (entry, beside) = sealed(super::super::tests::opened(3));
        let text = String::from_utf8(entry.clone()).unwrap();
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from));
            check_entry(text.replacen(from, to, 1).as_bytes()).unwrap_err()
        };
        assert_eq!(changed(r#""v":1"#, r#""v": 1"#), EntryError::NotCanonical);
        assert_eq!(
            changed(r#""v":1"#, r#""v":1,"z":1"#).to_string().split(": ").next(),
            Some("the entry is not JSON of the form that this version knows")
        );
        assert_eq!(changed(r#""product":"#, r#""nothing":1,"product":"#), EntryError::NotCanonical);
        assert_eq!(changed("kernel", "k\\u0065rnel"), EntryError::NotCanonical);
        assert!(matches!(changed("permitted", "perhaps"), EntryError::Form(_)));
        assert!(matches!(changed(r#""v":1"#, r#""v":2"#), EntryError::Says(_)));
        assert!(matches!(changed("000006Z", "00000Z"), EntryError::Says(_)));
        assert!(matches!(changed(r#""salt":""#, r#""salt":"0"#), EntryError::Says(_)));
        assert!(matches!(changed(r#""details":""#, r#""details":"0"#), EntryError::Says(_)));
        assert!(check_entry(text.replace("source.file.opened", "source.file.dreamt").as_bytes()).is_ok(), "a newer version's kind");
        let other = beside.unwrap().replace("Ada 3", "Ada 4");
        assert_eq!(Entry::read(0, entry, Some(other)), Err(EntryError::OtherPersonal));
    }

    #[test]
    fn the_same_event_twice_is_two_different_entries() {
        let context = Context::internal(RequestId::known("req_1"));
        let entropy = Entropy::seeded(7);
        let at = Timestamp::from_seconds(0);
        let leaf = || super::super::tests::opened(3).seal(&context, at, &entropy).unwrap().leaf;
        assert_ne!(leaf(), leaf());
    }

    proptest! {
        #[test]
        fn whatever_is_recorded_is_read_back(
            texts in prop::array::uniform6(any::<String>()), path in prop::collection::vec(any::<u8>(), 0..300),
            number in any::<i64>(), float in -1e300_f64..1e300, lines in any::<Option<(u32, u32)>>(),
        ) {
            let [name, email, query, role, product, fact] = texts;
            let mut draft = super::super::tests::opened(1).person(&*name, email).query(query).fact(&fact, json!([float, fact]));
            draft.actor.as_mut().unwrap().role = role;
            let place = draft.place.as_mut().unwrap();
            place.product = product;
            place.path = Some(super::super::PathText::of(&path));
            place.lines = lines.map(|(a, b)| (a.into(), b.into()));
            let whole = draft.clone().fact("n", number);
            let context = Context::internal(RequestId::known("req_1"));
            let now = Timestamp::from_micros(number);
            match whole.seal(&context, now, &Entropy::seeded(1)) {
                Err(e) => prop_assert!(e == DraftError::Number && number.unsigned_abs() >= 1 << 53),
                Ok(sealed) => {
                    let read = Entry::read(0, sealed.entry, sealed.beside).unwrap();
                    prop_assert_eq!(read.at, now);
                    prop_assert_eq!((read.actor, read.place), (draft.actor, draft.place));
                    prop_assert_eq!(read.facts.get("n"), Some(&json!(number)));
                    prop_assert_eq!(read.personal.unwrap().name, Some(name));
                }
            }
        }

        #[test]
        fn no_bytes_from_outside_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}:,\"0-9a-z]{0,80}") {
            prop_assert!(check_entry(&bytes).is_err());
            prop_assert!(check_entry(text.as_bytes()).is_err());
        }
    }
}
