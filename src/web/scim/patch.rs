//! Changes of parts of a user (RFC 7644, section 3.5.2), as directories send them: with a path, with a path into the values that fit a
//! filter, or without one.

use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, PatchPath, ValFilter};
use serde_json::{Value, json};

use super::error::ScimError;
use super::filter::{check_value, matches_value, parse_path};
use super::resource::{Fields, field, one, some_parts, written};
use super::schema::{self, Attribute, Kind};

const MESSAGE: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Operations of one request at most.
const MOST: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

impl Verb {
    /// Entra ID writes a capital.
    fn read(text: &str) -> Option<Self> {
        [("add", Self::Add), ("replace", Self::Replace), ("remove", Self::Remove)]
            .into_iter()
            .find(|(word, _)| text.eq_ignore_ascii_case(word))
            .map(|(_, verb)| verb)
    }
}

/// Applies the operations of a request, one after another, to a profile's fields. All of them or none: the fields are changed only when the
/// answer is good.
pub(super) fn apply(body: &Fields, fields: &Fields) -> Result<Fields, ScimError> {
    let named = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(|one| one.as_str() == Some(MESSAGE)));
    if field(body, "schemas").is_some_and(|list| !named(list)) {
        return Err(ScimError::syntax(format!("schemas: This takes {MESSAGE}.")));
    }
    let operations = field(body, "Operations").and_then(Value::as_array);
    let operations = operations.filter(|list| !list.is_empty()).ok_or_else(|| ScimError::syntax("Operations: Send a list of them."))?;
    if operations.len() > MOST {
        return Err(ScimError::bad("tooMany", format!("Operations: {MOST} are the most that are done at once.")));
    }
    let mut changed = fields.clone();
    for operation in operations {
        let operation = operation.as_object().ok_or_else(|| ScimError::syntax("Operations: Each is an object."))?;
        let verb = field(operation, "op").and_then(Value::as_str).and_then(Verb::read);
        let verb = verb.ok_or_else(|| ScimError::syntax("op: This is add, replace or remove."))?;
        let value = field(operation, "value");
        match field(operation, "path") {
            Some(Value::String(path)) if !path.trim().is_empty() => at(&mut changed, verb, &parse_path(path)?, value)?,
            None | Some(Value::Null | Value::String(_)) => everywhere(&mut changed, verb, value)?,
            Some(_) => return Err(ScimError::path("path: This is a text.")),
        }
    }
    Ok(changed)
}

/// Without a path: the value's names are paths, of which those that are unknown are left out.
fn everywhere(fields: &mut Fields, verb: Verb, value: Option<&Value>) -> Result<(), ScimError> {
    if verb == Verb::Remove {
        return Err(ScimError::bad("noTarget", "Say with a path what is to be removed."));
    }
    let Some(Value::Object(values)) = value else {
        return Err(ScimError::value("value", "Without a path this is an object."));
    };
    for (name, value) in values {
        if ["schemas", "id", "meta"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            continue;
        }
        if let Ok(path) = parse_path(name) {
            at(fields, verb, &path, Some(value))?;
        }
    }
    Ok(())
}

fn at(fields: &mut Fields, verb: Verb, path: &PatchPath, value: Option<&Value>) -> Result<(), ScimError> {
    if verb != Verb::Remove && value.is_none() {
        return Err(ScimError::value("value", "Say what is to be written."));
    }
    let value = value.filter(|_| verb != Verb::Remove).unwrap_or(&Value::Null);
    let attr = match path {
        PatchPath::Attr(attr) => attr,
        PatchPath::Value(of) => &of.attr,
    };
    // What a user does not have here is not kept.
    let Some(attribute) = known(attr) else { return Ok(()) };
    if !attribute.writable {
        return Err(ScimError::bad("mutability", format!("{} is not for a directory to write.", attribute.name)));
    }
    let before = primaries(fields, attribute);
    match path {
        PatchPath::Attr(AttrPath { sub_attr: None, .. }) => whole(fields, verb, attribute, value)?,
        PatchPath::Attr(AttrPath { sub_attr: Some(name), .. }) => {
            if let Some(part) = schema::part(attribute, name) {
                part_of(fields, attribute, part, value)?;
            }
        }
        PatchPath::Value(of) => {
            if !attribute.multi || of.attr.sub_attr.is_some() {
                return Err(ScimError::path(format!("{} has no values to choose from.", of.attr)));
            }
            check_value(&of.filter, attribute)?;
            let part = match &of.sub_attr {
                None => None,
                Some(name) => match schema::part(attribute, name) {
                    Some(part) => Some(part),
                    None => return Ok(()),
                },
            };
            chosen(fields, verb, attribute, &of.filter, part, value)?;
        }
    }
    one_primary(fields, attribute, &before);
    required(fields, attribute)
}

fn known(path: &AttrPath) -> Option<&'static Attribute> {
    if path.uri.as_deref().is_some_and(|uri| !uri.eq_ignore_ascii_case(schema::USER)) {
        return None;
    }
    schema::attribute(&path.name)
}

/// A whole attribute.
fn whole(fields: &mut Fields, verb: Verb, attribute: &'static Attribute, value: &Value) -> Result<(), ScimError> {
    let new = written(attribute, value)?;
    match (new, verb) {
        (None, Verb::Add) => {}
        (None, _) => {
            fields.remove(attribute.name);
        }
        (Some(Value::Array(new)), Verb::Add) => {
            let mut kept = taken(fields, attribute);
            for value in new {
                if !kept.contains(&value) {
                    kept.push(value);
                }
            }
            put(fields, attribute, kept);
        }
        // Parts that are not named stay as they are (section 3.5.2.3).
        (Some(Value::Object(new)), _) => match fields.entry(attribute.name).or_insert_with(|| json!({})) {
            Value::Object(kept) => kept.extend(new),
            other => *other = Value::Object(new),
        },
        (Some(new), _) => {
            fields.insert(attribute.name.to_owned(), new);
        }
    }
    Ok(())
}

/// A part of an attribute, or of each of its values.
fn part_of(fields: &mut Fields, attribute: &'static Attribute, part: &'static Attribute, value: &Value) -> Result<(), ScimError> {
    let new = one(part, value)?;
    if attribute.multi {
        let mut kept = taken(fields, attribute);
        if kept.is_empty() && new.is_some() {
            kept.push(json!({}));
        }
        for one in &mut kept {
            set(one, part, new.clone());
        }
        put(fields, attribute, kept);
    } else {
        set(fields.entry(attribute.name).or_insert_with(|| json!({})), part, new);
        tidy(fields, attribute);
    }
    Ok(())
}

/// The values that fit a filter, or a part of each.
fn chosen(
    fields: &mut Fields,
    verb: Verb,
    attribute: &'static Attribute,
    filter: &ValFilter,
    part: Option<&'static Attribute>,
    value: &Value,
) -> Result<(), ScimError> {
    let new = match (part, value) {
        (Some(part), value) => one(part, value)?,
        (None, Value::Object(parts)) => Some(Value::Object(some_parts(attribute, parts)?)),
        (None, value) => one(attribute, value)?,
    };
    let mut found = 0;
    let mut left = Vec::new();
    for mut one in taken(fields, attribute) {
        if !matches_value(filter, attribute, &one) {
            left.push(one);
            continue;
        }
        found += 1;
        match (part, &new) {
            (Some(part), new) => set(&mut one, part, new.clone()),
            (None, Some(Value::Object(new))) => merge(&mut one, new),
            (None, _) => continue,
        }
        left.push(one);
    }
    if found == 0 && verb == Verb::Add && new.is_some() {
        // What an addition names and is not there is made, as the filter says that it is.
        let mut made = json!({});
        described(filter, attribute, &mut made);
        match (part, &new) {
            (Some(part), new) => set(&mut made, part, new.clone()),
            (None, Some(Value::Object(new))) => merge(&mut made, new),
            (None, _) => {}
        }
        left.push(made);
    } else if found == 0 {
        return Err(ScimError::bad("noTarget", format!("No value of {} fits the filter of the path.", attribute.name)));
    }
    put(fields, attribute, left);
    Ok(())
}

fn merge(one: &mut Value, new: &Fields) {
    match one {
        Value::Object(kept) => kept.extend(new.clone()),
        other => *other = Value::Object(new.clone()),
    }
}

/// What a filter of equalities says that a value is.
fn described(filter: &ValFilter, attribute: &'static Attribute, made: &mut Value) {
    match filter {
        ValFilter::Attr(AttrExp::Comparison(path, CompareOp::Eq, given)) => {
            let given = match given {
                CompValue::Str(text) => json!(text),
                CompValue::True => json!(true),
                CompValue::False => json!(false),
                CompValue::Null | CompValue::Number(_) => return,
            };
            if let Some(part) = schema::part(attribute, &path.name) {
                set(made, part, one(part, &given).ok().flatten());
            }
        }
        ValFilter::And(all) => all.iter().for_each(|one| described(one, attribute, made)),
        _ => {}
    }
}

fn set(of: &mut Value, part: &Attribute, value: Option<Value>) {
    if let Value::Object(kept) = of {
        match value {
            Some(value) => {
                kept.insert(part.name.to_owned(), value);
            }
            None => {
                kept.remove(part.name);
            }
        }
    }
}

/// Takes the values of an attribute out, to be put back.
fn taken(fields: &mut Fields, attribute: &Attribute) -> Vec<Value> {
    match fields.remove(attribute.name) {
        Some(Value::Array(values)) => values,
        Some(single) => vec![single],
        None => Vec::new(),
    }
}

fn put(fields: &mut Fields, attribute: &'static Attribute, values: Vec<Value>) {
    fields.insert(attribute.name.to_owned(), Value::Array(values));
    tidy(fields, attribute);
}

/// Leaves out values that lack what they need, and what nothing is left of.
fn tidy(fields: &mut Fields, attribute: &'static Attribute) {
    let whole = |one: &Value| {
        let needed = attribute.parts().iter().filter(|part| part.required).all(|part| one.get(part.name).is_some());
        needed && one.as_object().is_none_or(|fields| !fields.is_empty())
    };
    let is_empty = match fields.get_mut(attribute.name) {
        Some(Value::Array(values)) => {
            values.retain(whole);
            values.is_empty()
        }
        Some(Value::Object(parts)) => parts.is_empty(),
        _ => false,
    };
    if is_empty {
        fields.remove(attribute.name);
    }
}

fn is_primary(one: &Value) -> bool {
    one.get("primary") == Some(&Value::Bool(true))
}

fn primaries(fields: &Fields, attribute: &Attribute) -> Vec<Value> {
    let values = fields.get(attribute.name).and_then(Value::as_array);
    values.into_iter().flatten().filter(|one| is_primary(one)).cloned().collect()
}

/// A value that has become the primary one takes the place of the one before (section 3.5.2).
fn one_primary(fields: &mut Fields, attribute: &Attribute, before: &[Value]) {
    let Some(Value::Array(values)) = fields.get_mut(attribute.name) else { return };
    if values.iter().filter(|one| is_primary(one)).count() < 2 {
        return;
    }
    for one in values.iter_mut().filter(|one| before.contains(one)) {
        if let Value::Object(parts) = one {
            parts.insert("primary".to_owned(), json!(false));
        }
    }
}

/// What every user has cannot be taken away; whether an address is left is for the profile to say.
fn required(fields: &Fields, attribute: &Attribute) -> Result<(), ScimError> {
    let missing = attribute.required && matches!(attribute.kind, Kind::Text | Kind::Boolean) && !fields.contains_key(attribute.name);
    if missing { Err(ScimError::value(attribute.name, "Every user has one.")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &Value) -> Fields {
        value.as_object().cloned().unwrap()
    }

    fn ada() -> Fields {
        object(&json!({
            "userName": "ada", "active": true, "name": {"givenName": "Ada", "familyName": "Byron"},
            "emails": [{"value": "a@one.example", "type": "work", "primary": true}, {"value": "a@home.example", "type": "home"}]
        }))
    }

    fn patched(operations: &Value) -> Result<Value, ScimError> {
        apply(&object(&json!({"schemas": [MESSAGE], "Operations": operations})), &ada()).map(Value::Object)
    }

    /// What a change leaves, at a place in the fields.
    fn after(operations: &Value, pointer: &str) -> Value {
        let fields = patched(operations).unwrap_or_else(|error| panic!("{operations}: {error:?}"));
        fields.pointer(pointer).cloned().unwrap_or(Value::Null)
    }

    #[test]
    fn entra_id_switches_somebody_off_with_a_text() {
        assert_eq!(after(&json!([{"op": "Replace", "path": "active", "value": "False"}]), "/active"), json!(false));
        assert_eq!(after(&json!([{"op": "replace", "value": {"active": false}}]), "/active"), json!(false));
    }

    #[test]
    fn entra_id_writes_into_values_by_their_type() {
        let at_work = |op: &str| json!([{"op": op, "path": "emails[type eq \"work\"].value", "value": "new@one.example"}]);
        for op in ["Add", "Replace"] {
            assert_eq!(after(&at_work(op), "/emails/0"), json!({"value": "new@one.example", "type": "work", "primary": true}), "{op}");
        }
        let made = json!([{"op": "Add", "path": "emails[type eq \"other\"].value", "value": "o@one.example"}]);
        assert_eq!(after(&made, "/emails/2"), json!({"type": "other", "value": "o@one.example"}));
        let flat = json!([{"op": "Add", "value": {"emails[type eq \"other\"].value": "o@one.example", "name.givenName": "Augusta"}}]);
        assert_eq!(after(&flat, "/emails/2/value"), json!("o@one.example"));
        assert_eq!(after(&flat, "/name"), json!({"givenName": "Augusta", "familyName": "Byron"}));
    }

    #[test]
    fn operations_follow_one_another() {
        let both = json!([
            {"op": "Replace", "path": "displayName", "value": "Countess"},
            {"op": "Replace", "path": "name.familyName", "value": "King"},
            {"op": "Add", "path": "emails", "value": [{"value": "third@one.example", "primary": true}, {"value": "a@home.example", "type": "home"}]},
            {"op": "Remove", "path": "emails[type eq \"home\"]"},
            {"op": "Remove", "path": "displayName"},
        ]);
        let fields = patched(&both).unwrap();
        assert_eq!(fields["name"]["familyName"], "King");
        assert_eq!(fields.get("displayName"), None);
        assert_eq!(
            fields["emails"],
            json!([{"value": "a@one.example", "type": "work", "primary": false}, {"value": "third@one.example", "primary": true}])
        );
    }

    #[test]
    fn parts_are_set_and_taken_away() {
        let part = |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
        assert_eq!(
            after(&part("replace", "name", json!({"familyName": "King"})), "/name"),
            json!({"givenName": "Ada", "familyName": "King"})
        );
        assert_eq!(after(&json!([{"op": "remove", "path": "name.givenName"}]), "/name"), json!({"familyName": "Byron"}));
        assert_eq!(after(&json!([{"op": "remove", "path": "name"}]), "/name"), Value::Null);
        assert_eq!(after(&part("replace", "emails", json!([])), "/emails"), Value::Null);
        assert_eq!(after(&part("replace", "title", json!("")), "/title"), Value::Null);
        assert_eq!(after(&json!([{"op": "remove", "path": "emails[type eq \"home\"].value"}]), "/emails/1"), Value::Null);
        assert_eq!(after(&part("replace", "emails[type eq \"work\"]", json!({"display": "x"})), "/emails/0/display"), json!("x"));
        assert_eq!(after(&part("replace", "urn:ietf:params:scim:schemas:core:2.0:User:title", json!("x")), "/title"), json!("x"));
    }

    #[test]
    fn what_is_not_kept_is_passed_over() {
        for path in [
            "phoneNumbers[type eq \"work\"].value",
            "nickName",
            "addresses[type eq \"work\"].formatted",
            "name.middleName",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        ] {
            assert_eq!(patched(&json!([{"op": "Add", "path": path, "value": "x"}])).unwrap(), Value::Object(ada()), "{path}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_in_the_words_of_the_standard() {
        for (operation, kind) in [
            (json!({"op": "copy", "path": "title", "value": "x"}), "invalidSyntax"),
            (json!({"path": "title", "value": "x"}), "invalidSyntax"),
            (json!("replace"), "invalidSyntax"),
            (json!({"op": "replace", "path": "emails[type eq", "value": "x"}), "invalidPath"),
            (json!({"op": "replace", "path": 7, "value": "x"}), "invalidPath"),
            (json!({"op": "replace", "path": "name[type eq \"x\"]", "value": "x"}), "invalidPath"),
            (json!({"op": "replace", "path": "emails[colour eq \"x\"].value", "value": "x"}), "invalidFilter"),
            (json!({"op": "replace", "path": "emails[type eq \"other\"].value", "value": "x"}), "noTarget"),
            (json!({"op": "remove", "path": "emails[type eq \"other\"]"}), "noTarget"),
            (json!({"op": "remove"}), "noTarget"),
            (json!({"op": "replace", "path": "id", "value": "x"}), "mutability"),
            (json!({"op": "replace", "path": "meta.created", "value": "x"}), "mutability"),
            (json!({"op": "remove", "path": "userName"}), "invalidValue"),
            (json!({"op": "remove", "path": "active"}), "invalidValue"),
            (json!({"op": "replace", "path": "active", "value": "maybe"}), "invalidValue"),
            (json!({"op": "replace", "path": "title"}), "invalidValue"),
            (json!({"op": "replace", "value": "x"}), "invalidValue"),
        ] {
            let error = patched(&json!([operation])).unwrap_err();
            assert!(format!("{error:?}").contains(kind), "{operation}: {error:?}");
        }
        assert!(apply(&object(&json!({"Operations": []})), &ada()).is_err());
        assert!(apply(&object(&json!({"schemas": ["x"], "Operations": [{"op": "remove", "path": "title"}]})), &ada()).is_err());
    }
}
