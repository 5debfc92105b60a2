//! What an entry must look like (`docs/entry.md`): canonical JSON (RFC 8785) of a known form. This is written apart from the
//! code that writes entries, so that each is held against the other.

mod canonical;

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use self::canonical::EXACT;

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

/// What the verifier needs of an entry that is in its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The commitment to the personal part.
    pub details: Option<String>,
}

const OUTCOMES: [&str; 4] = ["permitted", "denied", "failed", "done"];

/// A text, borrowed where it is written without escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'e>(#[serde(borrow)] Cow<'e, str>);

macro_rules! fields {
    ($(#[$about:meta])* $form:ident { $($needed:ident),* ; $($optional:ident),* ; $($more:ident : $kind:ty),* }) => {
        $(#[$about])*
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "that a field is there and is a text is all that is asked of some")]
        struct $form<'e> {
            $(#[serde(borrow)] $needed: Text<'e>,)*
            $(#[serde(default, deserialize_with = "given", borrow)] $optional: Option<Text<'e>>,)*
            $(#[serde(default, deserialize_with = "given")] $more: Option<$kind>,)*
        }
    };
}

fields! { Actor { account, role; agency, session; } }
fields! { Place { product; version, commit, path, path_hex, blob; lines: [u64; 2] } }
fields! { Basis { entitlement, agreement; ; } }
fields! { Personal { salt; name, email, address, user_agent, query, agency_name; } }

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that a field is there and of its form is all that is asked of some")]
struct Form<'e> {
    v: u64,
    #[serde(borrow)]
    at: Text<'e>,
    #[serde(borrow)]
    kind: Text<'e>,
    #[serde(borrow)]
    outcome: Text<'e>,
    #[serde(borrow)]
    request: Text<'e>,
    #[serde(borrow)]
    salt: Text<'e>,
    #[serde(default, deserialize_with = "given", borrow)]
    details: Option<Text<'e>>,
    #[serde(default, deserialize_with = "object", borrow)]
    actor: Option<Actor<'e>>,
    #[serde(default, deserialize_with = "object", borrow)]
    place: Option<Place<'e>>,
    #[serde(default, deserialize_with = "object", borrow)]
    basis: Option<Basis<'e>>,
    #[serde(default, deserialize_with = "given", borrow)]
    facts: Option<&'e RawValue>,
}

/// What is there is no null: what is absent is left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An object; the fields of one in an array, in their order, would be taken for it as well.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    if !raw.starts_with('{') {
        return Err(D::Error::custom("an object was expected"));
    }
    serde_json::from_str(raw).map(Some).map_err(D::Error::custom)
}

/// Checks that these bytes are an entry. Kinds and facts that a newer version added pass.
///
/// # Errors
/// When they are not JSON of the form, or spell it in another way than the canonical one.
pub fn check(bytes: &[u8]) -> Result<Checked, EntryError> {
    let malformed = |e: serde_json::Error| EntryError::Form(e.to_string());
    if !canonical::is_plainly(bytes) {
        // Written again it must be the same bytes, so that it holds nothing twice and nothing spelt otherwise.
        let value: Value = serde_json::from_slice(bytes).map_err(malformed)?;
        if canonical(&value).as_bytes() != bytes {
            return Err(EntryError::NotCanonical);
        }
    }
    if !bytes.starts_with(b"{") {
        return Err(EntryError::Form("it is no object".to_owned()));
    }
    let form: Form<'_> = serde_json::from_slice(bytes).map_err(malformed)?;
    if form.v != 1 {
        return Err(EntryError::Says("that it is of a version other than 1"));
    }
    if !is_time(&form.at.0) {
        return Err(EntryError::Says("no time in UTC with six digits of a second"));
    }
    if !is_kind(&form.kind.0) {
        return Err(EntryError::Says("no kind"));
    }
    if !OUTCOMES.contains(&&*form.outcome.0) {
        return Err(EntryError::Says("no outcome"));
    }
    if !is_hex(&form.salt.0, 16) {
        return Err(EntryError::Says("no salt of 16 bytes"));
    }
    if form.details.as_ref().is_some_and(|d| !is_hex(&d.0, 32)) {
        return Err(EntryError::Says("no SHA-256 as its commitment"));
    }
    if form.facts.is_some_and(|f| !f.get().starts_with('{') || f.get() == "{}") {
        return Err(EntryError::Says("no facts where it could leave them out"));
    }
    if let Some(place) = &form.place {
        if place.path_hex.as_ref().is_some_and(|hex| !is_hex(&hex.0, hex.0.len() / 2)) {
            return Err(EntryError::Says("no bytes of its path in hexadecimal"));
        }
        if place.lines.is_some_and(|lines| lines.iter().any(|number| *number > EXACT)) {
            return Err(EntryError::Says("no first and last line"));
        }
    }
    Ok(Checked { details: form.details.map(|details| details.0.into_owned()) })
}

/// Checks a personal part, as it was given, against the commitment in its entry.
///
/// # Errors
/// When it is another one, or not of the form.
pub fn check_personal(entry: &Checked, beside: &str) -> Result<(), EntryError> {
    let malformed = |e: serde_json::Error| EntryError::Form(e.to_string());
    // Whoever handed it on may have spelt it anew; the commitment is over the canonical form.
    let text = if canonical::is_plainly(beside.as_bytes()) {
        Cow::Borrowed(beside)
    } else {
        Cow::Owned(canonical(&serde_json::from_str::<Value>(beside).map_err(malformed)?))
    };
    if entry.details.as_deref() != Some(commitment(&text).as_str()) {
        return Err(EntryError::OtherPersonal);
    }
    if !text.starts_with('{') {
        return Err(EntryError::Form("the personal part is no object".to_owned()));
    }
    serde_json::from_str::<Personal<'_>>(&text).map(|_| ()).map_err(malformed)
}

/// The canonical form (RFC 8785) of what has string keys and finite numbers.
///
/// # Panics
/// When it has other keys or numbers, which no JSON has.
#[must_use]
pub fn canonical(value: &impl serde::Serialize) -> String {
    // serde_json writes texts and whole numbers as RFC 8785 does, and sorts the names of an object that it has as a value. What is
    // plainly canonical is the one canonical form of what it says, whoever wrote it.
    let plainly = |text: &String| canonical::is_plainly(text.as_bytes());
    if let Some(text) = serde_json::to_string(value).ok().filter(plainly) {
        return text;
    }
    let sorted = serde_json::to_value(value).and_then(|value| serde_json::to_string(&value));
    if let Some(text) = sorted.ok().filter(plainly) {
        return text;
    }
    serde_json_canonicalizer::to_string(value).expect("these values have string keys and finite numbers, so they have a canonical form")
}

/// The commitment to a personal part in canonical form.
#[must_use]
pub fn commitment(beside: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(beside))
}

fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Words in lower case with dots between them.
fn is_kind(text: &str) -> bool {
    text.len() <= 100
        && text.split('.').count() >= 2
        && text.split('.').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

/// `2026-11-21T20:00:10.316710Z`, a day that there is.
fn is_time(text: &str) -> bool {
    let shape = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    let fits =
        text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(|(b, s)| if s == b'd' { b.is_ascii_digit() } else { b == s });
    let number = |from: usize, to: usize| text.get(from..to).and_then(|t| t.parse::<u32>().ok()).unwrap_or(u32::MAX);
    if !fits {
        return false;
    }
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && number(11, 13) < 24 && number(14, 16) < 60 && number(17, 19) < 60
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENTRY: &str = concat!(
        r#"{"actor":{"account":"acc_3","agency":"agy_1","role":"reviewer","session":"5f3a"},"at":"2027-01-02T03:04:05.000006Z","#,
        r#""basis":{"agreement":"agr_1","entitlement":"ent_1"},"facts":{"a":{"x":"é\n","y":null},"bytes":3,"z":1},"#,
        r#""kind":"source.file.opened","outcome":"permitted","place":{"blob":"b3","commit":"c0ffee","lines":[1,20],"path":"caf","#,
        r#""path_hex":"636166e9","product":"kernel","version":"v2.1"},"request":"req_1","salt":"00112233445566778899aabbccddeeff","v":1}"#
    );

    #[test]
    fn the_form_and_no_other() {
        assert_eq!(check(ENTRY.as_bytes()), Ok(Checked { details: None }));
        assert!(check(ENTRY.replace("source.file.opened", "source.file.dreamt").as_bytes()).is_ok(), "a newer version's kind");
        for (from, to, says) in [
            (r#""v":1"#, r#""v": 1"#, "canonical"),
            (r#""v":1"#, r#""v":1,"v":1"#, "canonical"),
            (r#""v":1"#, r#""v":1.0"#, "canonical"),
            ("kernel", "k\\u0065rnel", "canonical"),
            (r#""v":1"#, r#""v":1,"z":1"#, "unknown field `z`"),
            (r#""v":1"#, r#""v":"1""#, "invalid type: string"),
            (r#""v":1"#, r#""v":2"#, "of a version other than 1"),
            (r#","v":1"#, "", "missing field `v`"),
            (r#""product":"kernel","#, "", "missing field `product`"),
            (r#""product":"kernel","#, r#""product":1,"#, "invalid type: integer"),
            (r#""product":"#, r#""pro":"","product":"#, "unknown field `pro`"),
            ("[1,20]", "[1]", "invalid length 1"),
            ("[1,20]", "[1,-20]", "invalid value: integer `-20`"),
            ("[1,20]", "[1,9007199254740992]", "no first and last line"),
            (r#""facts":{"a":{"x":"é\n","y":null},"bytes":3,"z":1}"#, r#""facts":{}"#, "no facts"),
            ("permitted", "perhaps", "no outcome"),
            ("source.file.opened", "Source", "no kind"),
            ("000006Z", "00000Z", "no time in UTC"),
            ("-01-02T", "-02-29T", "no time in UTC"),
            ("-01-02T", "-00-02T", "no time in UTC"),
            ("T03:", "T24:", "no time in UTC"),
            (r#"{"agreement":"agr_1","entitlement":"ent_1"}"#, r#"["ent_1","agr_1"]"#, "an object was expected"),
            (r#""salt":"00"#, r#""salt":"0g"#, "no salt"),
            (r#""facts""#, r#""details":"0","facts""#, "no SHA-256"),
            (r#""request":"req_1","#, "", "missing field `request`"),
        ] {
            let changed = ENTRY.replacen(from, to, 1);
            assert_ne!(changed, ENTRY, "{from}");
            let error = check(changed.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{to}: {error}");
        }
        assert!(check(ENTRY.replacen("2027-01-02", "2028-02-29", 1).as_bytes()).is_ok(), "a leap year");
    }

    /// The schema in the documentation says the same as the code, as far as a schema can.
    #[test]
    fn the_published_schema_agrees() {
        let schema: Value = serde_json::from_str(include_str!("../../docs/entry.schema.json")).unwrap();
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("entry.json", schema).unwrap();
        let mut schemas = boon::Schemas::new();
        let entry = compiler.compile("entry.json", &mut schemas).unwrap();
        let agrees = |value: &Value, what: &str| {
            let by_schema = schemas.validate(value, entry).is_ok();
            let by_code = check(canonical(value).as_bytes());
            assert_eq!(by_schema, by_code.is_ok(), "{what}: {by_code:?}");
            by_schema
        };
        let good: Value = serde_json::from_str(ENTRY).unwrap();
        assert!(agrees(&good, "an entry"));
        // Each field and each field of its objects: absent, and of other types.
        let odd = [
            Value::Null,
            Value::from(1),
            Value::from(""),
            Value::from("x.y"),
            Value::from(true),
            serde_json::json!({}),
            serde_json::json!([]),
        ];
        let paths: Vec<String> = good
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(name, value)| {
                let inner = value.as_object().filter(|_| name != "facts").into_iter().flat_map(|o| o.keys());
                std::iter::once(format!("/{name}")).chain(inner.map(move |key| format!("/{name}/{key}")))
            })
            .collect();
        let mut refused = 0;
        for path in &paths {
            let (parent, name) = path.rsplit_once('/').unwrap();
            let mut without = good.clone();
            without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
            refused += u32::from(!agrees(&without, &format!("without {path}")));
            for value in &odd {
                let mut changed = good.clone();
                *changed.pointer_mut(path).unwrap() = value.clone();
                refused += u32::from(!agrees(&changed, &format!("{path} as {value}")));
            }
            let mut more = good.clone();
            more.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert("more".into(), Value::from("x"));
            refused += u32::from(!agrees(&more, &format!("one more beside {path}")));
        }
        assert!(refused > 100, "{refused}");
    }

    #[test]
    fn a_personal_part_fits_its_commitment_however_it_is_spelt() {
        let beside = r#"{"email":"ada@agency.example","name":"Ada","salt":"aa"}"#;
        let entry = Checked { details: Some(commitment(beside)) };
        assert_eq!(check_personal(&entry, beside), Ok(()));
        assert_eq!(check_personal(&entry, &beside.replace("\":", "\" : ")), Ok(()));
        assert_eq!(check_personal(&entry, &beside.replace("Ada", "Eva")), Err(EntryError::OtherPersonal));
        assert_eq!(check_personal(&Checked { details: None }, beside), Err(EntryError::OtherPersonal));
        let odd = r#"{"salt":"aa","shoe_size":"44"}"#;
        let error = check_personal(&Checked { details: Some(commitment(odd)) }, odd).unwrap_err().to_string();
        assert!(error.contains("shoe_size"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_from_outside_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}:,\"0-9a-z]{0,80}") {
            prop_assert!(check(&bytes).is_err());
            prop_assert!(check(text.as_bytes()).is_err());
        }
    }
}
