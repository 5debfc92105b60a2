//! What a room hands in to be recorded ([`Draft`]), and how it becomes an entry. Bounded in every field: an entry is at
//! most 65,535 bytes long.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::entry::{Form, canonical, commitment};
pub use super::kind::{Kind, UnknownKind};
use super::merkle::{self, Hash};
use super::tiles::LONGEST_ENTRY;
use crate::clock::Timestamp;
use crate::ids::{AccountId, AgencyId, AgreementId, EntitlementId, Entropy, RequestId};

/// Bytes of a name, a role, a slug and their like.
const SHORT: usize = 512;
/// Bytes of a path, or of the words searched for.
const LONG: usize = 8 * 1024;
/// Integers beyond this are not exact in JSON as RFC 8785 writes it.
const EXACT: u64 = (1 << 53) - 1;

/// What somebody did, about to be recorded.
#[derive(Clone, Debug)]
pub struct Draft {
    pub kind: Kind,
    pub actor: Option<Actor>,
    pub place: Option<Place>,
    pub basis: Option<Basis>,
    pub outcome: Outcome,
    /// What is not personal: counts, values before and after, the places that a search showed.
    pub facts: Map<String, Value>,
    pub personal: Personal,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    #[serde(serialize_with = "put_id", deserialize_with = "take_id")]
    pub account: AccountId,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "put_some_id", deserialize_with = "take_some_id")]
    pub agency: Option<AgencyId>,
    pub role: String,
    /// A short hash of the session, never its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// What it was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// First and last line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<(u64, u64)>,
    #[serde(flatten)]
    pub path: Option<PathText>,
    /// The product's slug.
    pub product: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A path as text, and its exact bytes when they are not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathText {
    #[serde(rename = "path")]
    pub text: String,
    #[serde(rename = "path_hex", default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

impl PathText {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: text.to_owned(), hex: None },
            Err(_) => Self { text: String::from_utf8_lossy(bytes).into_owned(), hex: Some(HEXLOWER.encode(bytes)) },
        }
    }
}

/// Why it was allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    #[serde(serialize_with = "put_id", deserialize_with = "take_id")]
    pub agreement: AgreementId,
    #[serde(serialize_with = "put_id", deserialize_with = "take_id")]
    pub entitlement: EntitlementId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Permitted,
    Denied,
    Failed,
    Done,
}

impl Outcome {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }
}

/// What belongs to a person and can be erased. Texts longer than their bound are shortened, and end in `…` then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The words searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency_name: Option<String>,
}

/// A place that a search showed, or another of several that one answer disclosed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub product: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    #[serde(flatten)]
    pub path: PathText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// The lines shown, counted from 1; of a commit's change those that it added, of a message its lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u64>,
    /// The commit whose change of the file, or whose message, was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The lines shown that the commit removed, as they were numbered before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<u64>,
    /// The commit's message was shown, or its subject.
    #[serde(default, skip_serializing_if = "is_false")]
    pub message: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
fn is_false(known: &bool) -> bool {
    !known
}

/// The request in which something happened.
#[derive(Clone, Debug)]
pub struct Context {
    pub request: RequestId,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

impl Context {
    /// For what the portal does of itself.
    #[must_use]
    pub fn internal(request: RequestId) -> Self {
        Self { request, address: None, user_agent: None }
    }
}

/// What cannot become an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    #[error("the audit entry's {field} is {bytes} bytes long, and {limit} is the most")]
    TooLong { field: &'static str, bytes: usize, limit: usize },
    #[error("the audit entry would be {bytes} bytes long, and {LONGEST_ENTRY} is the most")]
    TooLarge { bytes: usize },
    #[error("the audit entry holds a number that JSON cannot state exactly")]
    Number,
    #[error("there was nothing to record")]
    Nothing,
}

impl Draft {
    #[must_use]
    pub fn new(kind: Kind, outcome: Outcome) -> Self {
        let personal = Personal::default();
        Self { kind, actor: None, place: None, basis: None, outcome, facts: Map::new(), personal }
    }

    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    #[must_use]
    pub fn on(mut self, basis: Basis) -> Self {
        self.basis = Some(basis);
        self
    }

    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// As [`Draft::fact`], where there is something to tell.
    #[must_use]
    pub fn fact_if(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.fact(name, value),
            None => self,
        }
    }

    /// Adds places to the fact `places`, by which the auditor's filters find this entry, too.
    #[must_use]
    pub fn showing(mut self, places: impl IntoIterator<Item = Shown>) -> Self {
        let list = self.facts.entry("places").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.extend(places.into_iter().filter_map(|p| serde_json::to_value(p).ok()));
        }
        self
    }

    #[must_use]
    pub fn person(mut self, name: impl Into<String>, email: impl Into<String>) -> Self {
        self.personal.name = Some(name.into());
        self.personal.email = Some(email.into());
        self
    }

    #[must_use]
    pub fn agency_name(mut self, name: impl Into<String>) -> Self {
        self.personal.agency_name = Some(name.into());
        self
    }

    #[must_use]
    pub fn query(mut self, words: impl Into<String>) -> Self {
        self.personal.query = Some(words.into());
        self
    }

    /// Makes the entry, and the personal part that lies beside it.
    ///
    /// # Errors
    /// When it is too long for an entry, or holds a number that JSON cannot state.
    pub fn seal(mut self, context: &Context, at: Timestamp, entropy: &Entropy) -> Result<Sealed, DraftError> {
        self.check()?;
        check_numbers(self.facts.values())?;
        let personal = &mut self.personal;
        personal.address = personal.address.take().or_else(|| context.address.clone());
        personal.user_agent = personal.user_agent.take().or_else(|| context.user_agent.clone());
        personal.shorten();
        let beside = self.personal.write(|| entropy.hex::<16>());
        let form = Form {
            actor: self.actor,
            at: at.to_string(),
            basis: self.basis,
            details: beside.as_deref().map(commitment),
            facts: self.facts,
            kind: self.kind.to_string(),
            outcome: self.outcome,
            place: self.place,
            request: context.request.to_string(),
            salt: entropy.hex::<16>(),
            v: 1,
        };
        let entry = canonical(&form);
        if entry.len() > LONGEST_ENTRY {
            return Err(DraftError::TooLarge { bytes: entry.len() });
        }
        let leaf = merkle::leaf(entry.as_bytes());
        Ok(Sealed { leaf, entry: entry.into_bytes(), beside })
    }

    fn check(&self) -> Result<(), DraftError> {
        let within = |field, text: Option<&str>, limit| match text {
            Some(t) if t.len() > limit => Err(DraftError::TooLong { field, bytes: t.len(), limit }),
            _ => Ok(()),
        };
        if let Some(actor) = &self.actor {
            within("account", Some(actor.account.as_str()), SHORT)?;
            within("agency", actor.agency.as_ref().map(AgencyId::as_str), SHORT)?;
            within("role", Some(&actor.role), SHORT)?;
            within("session", actor.session.as_deref(), SHORT)?;
        }
        if let Some(place) = &self.place {
            within("product", Some(&place.product), SHORT)?;
            within("version", place.version.as_deref(), SHORT)?;
            within("commit", place.commit.as_deref(), SHORT)?;
            within("path", place.path.as_ref().map(|p| p.text.as_str()), 2 * LONG)?;
            within("path", place.path.as_ref().and_then(|p| p.hex.as_deref()), 2 * LONG)?;
            within("blob", place.blob.as_deref(), SHORT)?;
            if place.lines.is_some_and(|(from, to)| from > EXACT || to > EXACT) {
                return Err(DraftError::Number);
            }
        }
        if let Some(basis) = &self.basis {
            within("entitlement", Some(basis.entitlement.as_str()), SHORT)?;
            within("agreement", Some(basis.agreement.as_str()), SHORT)?;
        }
        Ok(())
    }
}

impl Personal {
    fn shorten(&mut self) {
        for (text, limit) in [
            (&mut self.name, SHORT),
            (&mut self.email, SHORT),
            (&mut self.address, SHORT),
            (&mut self.user_agent, SHORT),
            (&mut self.agency_name, SHORT),
            (&mut self.query, LONG),
        ] {
            if let Some(text) = text.as_mut().filter(|t| t.len() > limit) {
                let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                text.truncate(end);
                text.push('…');
            }
        }
    }
}

/// An entry ready to be appended.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub(super) leaf: Hash,
    pub(super) entry: Vec<u8>,
    /// The canonical JSON of the personal part.
    pub(super) beside: Option<String>,
}

fn check_numbers<'v>(values: impl IntoIterator<Item = &'v Value>) -> Result<(), DraftError> {
    let mut waiting: Vec<&Value> = values.into_iter().collect();
    while let Some(value) = waiting.pop() {
        match value {
            Value::Number(n) if n.as_u64().is_some_and(|n| n > EXACT) => return Err(DraftError::Number),
            Value::Number(n) if n.as_i64().is_some_and(|n| n.unsigned_abs() > EXACT) => return Err(DraftError::Number),
            Value::Array(list) => waiting.extend(list),
            Value::Object(map) => waiting.extend(map.values()),
            _ => {}
        }
    }
    Ok(())
}

trait Id: Sized {
    fn text(&self) -> &str;
    fn of(text: String) -> Self;
}

macro_rules! ids_in_entries {
    ($($id:ident)*) => {$(impl Id for $id {
        fn text(&self) -> &str { self.as_str() }
        fn of(text: String) -> Self { Self::known(text) }
    })*};
}

ids_in_entries! { AccountId AgencyId EntitlementId AgreementId }

fn put_id<S: Serializer>(id: &impl Id, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.text())
}

fn take_id<'de, D: Deserializer<'de>, I: Id>(deserializer: D) -> Result<I, D::Error> {
    String::deserialize(deserializer).map(I::of)
}

#[expect(clippy::ref_option, reason = "serde hands the field over by reference")]
fn put_some_id<S: Serializer>(id: &Option<impl Id>, serializer: S) -> Result<S::Ok, S::Error> {
    id.as_ref().map(Id::text).serialize(serializer)
}

fn take_some_id<'de, D: Deserializer<'de>, I: Id>(deserializer: D) -> Result<Option<I>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|id| id.map(I::of))
}
