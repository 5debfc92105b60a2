//! The entry as it stands in the log, canonical JSON (RFC 8785), and as it is read back ([`Entry`]).
//!
//! An entry can never be changed, so what may have to be erased stays outside: the personal part lies beside it, and the
//! entry holds only `details`, the SHA-256 of that part's canonical JSON, which has a random salt of its own in it. The
//! entry's own salt keeps a short entry from being guessed from its hash.

use lectern_verify::entry::{Checked, EntryError, check, check_personal};
pub(super) use lectern_verify::entry::{canonical, commitment};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event::{Actor, Basis, Kind, Outcome, Personal, Place, Shown, UnknownKind};
use super::merkle::{self, Hash};
use crate::clock::Timestamp;
use crate::ids::RequestId;

/// The entry's JSON. Absent parts are left out. Fields stand in the order of their names, as everywhere in an entry: so it is written
/// in its canonical form at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<Actor>,
    pub(super) at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) basis: Option<Basis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) facts: Map<String, Value>,
    pub(super) kind: String,
    pub(super) outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<Place>,
    pub(super) request: String,
    pub(super) salt: String,
    pub(super) v: u64,
}

impl Form {
    /// Reads an entry of this log, which was checked when it was written and whenever the log is opened.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, EntryError> {
        serde_json::from_slice(bytes).map_err(|e| EntryError::Form(e.to_string()))
    }

    /// The places of the fact `places`; those of another form are left out.
    pub(super) fn shown(&self) -> Vec<Shown> {
        shown(&self.facts)
    }
}

/// The personal part's JSON.
#[derive(Serialize, Deserialize)]
struct PersonalForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agency_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    salt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

impl Personal {
    /// Reads the personal part of an entry of this log, as [`Form::read`] does.
    pub(super) fn read(beside: &str) -> Result<Self, EntryError> {
        let form: PersonalForm = serde_json::from_str(beside).map_err(|e| EntryError::Form(e.to_string()))?;
        let PersonalForm { address, agency_name, email, name, query, salt: _, user_agent } = form;
        Ok(Self { name, email, address, user_agent, query, agency_name })
    }

    /// The canonical JSON that lies beside an entry; `None` when nothing is personal.
    pub(super) fn write(self, salt: impl FnOnce() -> String) -> Option<String> {
        if self == Self::default() {
            return None;
        }
        let Self { name, email, address, user_agent, query, agency_name } = self;
        Some(canonical(&PersonalForm { address, agency_name, email, name, query, salt: salt(), user_agent }))
    }
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
        let (form, checked) = form(&bytes)?;
        let personal = match &beside {
            Some(text) => {
                check_personal(&checked, text)?;
                Some(Personal::read(text)?)
            }
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

/// Reads the bytes of an entry that is in the form this log writes. Kinds that a newer version added pass.
fn form(bytes: &[u8]) -> Result<(Form, Checked), EntryError> {
    let checked = check(bytes)?;
    Ok((Form::read(bytes)?, checked))
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
        assert!(Entry::read(0, text.replacen(r#""v":1"#, r#""v": 1"#, 1).into_bytes(), None).is_err());
        let dreamt = text.replace("source.file.opened", "source.file.dreamt");
        assert!(form(dreamt.as_bytes()).is_ok(), "a newer version's kind is in its form");
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
    }
}
