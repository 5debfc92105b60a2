//! A user as JSON: read from what a directory sends, written as it is told, and cut to what was asked for.

use serde_json::{Map, Value, json};

use super::error::ScimError;
use super::schema::{self, Attribute, Kind, USER};
use crate::entitlements::{DirectoryPerson, Profile};

pub(super) type Fields = Map<String, Value>;

/// What a directory sends of a user, by the attributes' own names: what is unknown or not for it to say left out (RFC 7644, section 3.3),
/// values checked for their kind.
pub(super) fn read(body: &Fields) -> Result<Fields, ScimError> {
    if let Some(named) = field(body, "schemas") {
        let known = named.as_array().is_some_and(|list| list.iter().filter_map(Value::as_str).any(|one| one.eq_ignore_ascii_case(USER)));
        if !known {
            return Err(ScimError::syntax(format!("schemas: This takes {USER}.")));
        }
    }
    let mut fields = Fields::new();
    for (name, value) in body {
        let Some(attribute) = schema::attribute(name).filter(|of| of.writable) else { continue };
        if let Some(value) = written(attribute, value)? {
            fields.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(fields)
}

/// A field, whatever the case of its name.
pub(super) fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    fields.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A value as it is kept; none for what is the same as nothing: null, an empty text or list (RFC 7643, section 2.5).
pub(super) fn written(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    if !attribute.multi {
        return one(attribute, value);
    }
    let values = match value {
        Value::Null => return Ok(None),
        Value::Array(values) => values.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut kept = Vec::new();
    for value in values {
        kept.extend(one(attribute, value)?);
    }
    Ok((!kept.is_empty()).then_some(Value::Array(kept)))
}

/// One value of an attribute.
pub(super) fn one(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Kind::Text | Kind::Time, Value::String(text)) => Ok((!text.is_empty()).then(|| json!(text))),
        (Kind::Boolean, Value::Bool(is)) => Ok(Some(json!(is))),
        // Entra ID writes "True" and "False".
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(json!(true))),
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(json!(false))),
        (Kind::Complex(_), Value::Object(fields)) => parts(attribute, fields),
        // The address alone.
        (Kind::Complex(_), Value::String(text)) if attribute.multi && !text.is_empty() => Ok(Some(json!({"value": text}))),
        (Kind::Text | Kind::Time, _) => Err(ScimError::value(attribute.name, "This is a text.")),
        (Kind::Boolean, _) => Err(ScimError::value(attribute.name, "This is true or false.")),
        (Kind::Complex(_), _) => Err(ScimError::value(attribute.name, "This has parts: send an object.")),
    }
}

/// The parts of a complex value; none of one that lacks what it needs.
fn parts(attribute: &'static Attribute, fields: &Fields) -> Result<Option<Value>, ScimError> {
    let kept = some_parts(attribute, fields)?;
    let whole = attribute.parts().iter().filter(|part| part.required).all(|part| kept.contains_key(part.name));
    Ok((whole && !kept.is_empty()).then_some(Value::Object(kept)))
}

/// Those parts of a complex value that are named.
pub(super) fn some_parts(attribute: &'static Attribute, fields: &Fields) -> Result<Fields, ScimError> {
    let mut kept = Fields::new();
    for (name, value) in fields {
        let Some(part) = schema::part(attribute, name) else { continue };
        if let Some(value) = one(part, value)? {
            kept.insert(part.name.to_owned(), value);
        }
    }
    Ok(kept)
}

/// The profile that these fields make.
pub(super) fn profile(mut fields: Fields, active: bool) -> Result<Profile, ScimError> {
    if !fields.contains_key("userName") {
        return Err(ScimError::value("userName", "Every user has one."));
    }
    fields.entry("active").or_insert(json!(active));
    serde_json::from_value(Value::Object(fields)).map_err(|cause| ScimError::internal(&cause))
}

/// The profile's own fields.
pub(super) fn fields(profile: &Profile) -> Result<Fields, ScimError> {
    match serde_json::to_value(profile) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ScimError::internal(&std::fmt::Error)),
        Err(cause) => Err(ScimError::internal(&cause)),
    }
}

pub(super) fn location(base: &str, person: &DirectoryPerson) -> String {
    format!("{base}/Users/{}", person.id)
}

/// Weak, since what is sent may be cut to what was asked for (RFC 7644, section 3.14).
pub(super) fn etag(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// A user as it is told.
pub(super) fn told(base: &str, person: &DirectoryPerson) -> Result<Fields, ScimError> {
    let mut told = fields(&person.profile)?;
    told.insert("schemas".to_owned(), json!([USER]));
    told.insert("id".to_owned(), json!(person.id.as_str()));
    told.insert(
        "meta".to_owned(),
        json!({
            "resourceType": "User",
            "created": person.created_at.to_string(),
            "lastModified": person.changed_at.to_string(),
            "location": location(base, person),
            "version": etag(person.version),
        }),
    );
    Ok(told)
}

/// What of a user was asked for, or was not to be told (RFC 7644, section 3.9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    only: Vec<(String, Option<String>)>,
    without: Vec<(String, Option<String>)>,
}

impl Selection {
    /// From lists of names.
    pub(super) fn read<'a>(only: impl Iterator<Item = &'a str>, without: impl Iterator<Item = &'a str>) -> Result<Self, ScimError> {
        let names = |list: &mut dyn Iterator<Item = &'a str>| list.map(str::trim).filter(|name| !name.is_empty()).map(name_of).collect();
        let (mut only, mut without) = (only, without);
        let read = Self { only: names(&mut only), without: names(&mut without) };
        if !read.only.is_empty() && !read.without.is_empty() {
            return Err(ScimError::bad("invalidValue", "Either attributes or excludedAttributes can be named."));
        }
        Ok(read)
    }

    pub(super) fn cut(&self, told: Fields) -> Value {
        let mut kept = Fields::new();
        for (name, value) in told {
            let always = schema::attribute(&name).is_some_and(|of| of.always);
            let value = if always || (self.only.is_empty() && self.without.is_empty()) { Some(value) } else { self.part(&name, value) };
            if let Some(value) = value {
                kept.insert(name, value);
            }
        }
        Value::Object(kept)
    }

    fn part(&self, name: &str, value: Value) -> Option<Value> {
        let of = |list: &[(String, Option<String>)]| -> Vec<Option<String>> {
            list.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, part)| part.clone()).collect()
        };
        let among = |parts: &[Option<String>], part: &str| parts.iter().flatten().any(|given| given.eq_ignore_ascii_case(part));
        if self.only.is_empty() {
            let without = of(&self.without);
            return if without.contains(&None) { None } else { keep_parts(value, &|part| !among(&without, part)) };
        }
        let only = of(&self.only);
        match only.as_slice() {
            [] => None,
            parts if parts.contains(&None) => Some(value),
            parts => keep_parts(value, &|part| among(parts, part)),
        }
    }
}

fn keep_parts(value: Value, keep: &dyn Fn(&str) -> bool) -> Option<Value> {
    match value {
        Value::Object(mut fields) => {
            fields.retain(|name, _| keep(name));
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        Value::Array(values) => {
            let kept: Vec<Value> = values.into_iter().filter_map(|value| keep_parts(value, keep)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        plain => Some(plain),
    }
}

/// A name with its part, without the schema it may be written with.
fn name_of(written: &str) -> (String, Option<String>) {
    let bare = match written.get(..USER.len()) {
        Some(urn) if urn.eq_ignore_ascii_case(USER) => written.get(USER.len()..).unwrap_or_default().trim_start_matches(':'),
        _ => written,
    };
    match bare.split_once('.') {
        Some((name, part)) => (name.to_owned(), Some(part.to_owned())),
        None => (bare.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &Value) -> Fields {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_is_known_is_read_by_its_own_name_and_the_rest_left_out() {
        let body = object(&json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:user", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
            "ID": "chosen by the client", "USERNAME": "ada", "Active": "False", "password": "t1meMa$heen", "nickName": null, "title": "",
            "name": {"GivenName": "Ada", "middleName": "x"}, "emails": [{"value": "a@one.example", "$ref": "x"}, {"type": "work"}, "b@one.example"],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "x"}
        }));
        let expected = json!({
            "userName": "ada", "active": false, "name": {"givenName": "Ada"},
            "emails": [{"value": "a@one.example"}, {"value": "b@one.example"}]
        });
        assert_eq!(Value::Object(read(&body).unwrap()), expected);
    }

    #[test]
    fn a_value_of_another_kind_is_refused_by_name() {
        for (body, says) in [
            (json!({"userName": 1}), "userName: This is a text."),
            (json!({"active": "yes"}), "active: This is true or false."),
            (json!({"name": "Ada"}), "name: This has parts: send an object."),
            (json!({"emails": [7]}), "emails: This has parts: send an object."),
            (json!({"schemas": ["urn:x"]}), "schemas: This takes urn:ietf:params:scim:schemas:core:2.0:User."),
        ] {
            let error = read(&object(&body)).unwrap_err();
            assert!(format!("{error:?}").contains(says), "{error:?}");
        }
    }

    #[test]
    fn what_was_asked_for_is_told_and_what_is_always_told() {
        let whole = object(&json!({
            "schemas": [USER], "id": "usr_1", "userName": "ada", "name": {"givenName": "Ada", "familyName": "Byron"},
            "emails": [{"value": "a@one.example", "type": "work"}], "meta": {"version": "W/\"1\""}
        }));
        let cut = |only: &str, without: &str| Selection::read(only.split(','), without.split(',')).unwrap().cut(whole.clone());
        assert_eq!(cut("", ""), Value::Object(whole.clone()));
        assert_eq!(
            cut("username, name.GIVENNAME,urn:ietf:params:scim:schemas:core:2.0:User:emails.value,nothing", ""),
            json!({"schemas": [USER], "id": "usr_1", "userName": "ada", "name": {"givenName": "Ada"}, "emails": [{"value": "a@one.example"}]})
        );
        assert_eq!(
            cut("", "ID,userName,emails,name.familyName,meta"),
            json!({"schemas": [USER], "id": "usr_1", "name": {"givenName": "Ada"}})
        );
        assert!(Selection::read("a".split(','), "b".split(',')).is_err());
    }
}
