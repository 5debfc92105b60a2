//! Which users a filter is for (RFC 7644, section 3.4.2.2). The grammar, and its limits of 64 levels and 1,024 terms, are `scim_v2`'s.

use std::cmp::Ordering;

use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, PatchPath, ValFilter};
use serde_json::{Map, Value};

use super::error::ScimError;
use super::resource::Fields;
use super::schema::{self, Attribute, Kind, Target};
use crate::clock::Timestamp;
use crate::entitlements::Narrow;

/// Bytes of a filter or a path at most.
const LONGEST: usize = 8 * 1024;

/// Reads a filter, and makes sure that it can be held against any user.
pub(super) fn parse(text: &str) -> Result<Filter, ScimError> {
    if text.len() > LONGEST {
        return Err(ScimError::filter(format!("The filter is longer than {LONGEST} bytes.")));
    }
    let filter: Filter = text.parse().map_err(|cause| ScimError::filter(format!("The filter cannot be read: {cause}")))?;
    check(&filter)?;
    Ok(filter)
}

/// Reads the path of a change.
pub(super) fn parse_path(text: &str) -> Result<PatchPath, ScimError> {
    if text.len() > LONGEST {
        return Err(ScimError::path(format!("The path is longer than {LONGEST} bytes.")));
    }
    text.parse().map_err(|cause| ScimError::path(format!("The path {text:?} cannot be read: {cause}")))
}

/// What of a filter the database can look up, so that not everybody has to be held against it.
pub(super) fn narrow(filter: &Filter) -> Narrow {
    match filter {
        Filter::Attr(AttrExp::Comparison(path, CompareOp::Eq, CompValue::Str(text))) => {
            match schema::resolve(path).map(|of| of.attribute.name) {
                Some("userName") => Narrow::UserName(text.clone()),
                Some("externalId") => Narrow::ExternalId(text.clone()),
                Some("id") => Narrow::Id(text.clone()),
                _ => Narrow::All,
            }
        }
        Filter::And(all) => all.iter().map(narrow).find(|narrow| *narrow != Narrow::All).unwrap_or_default(),
        _ => Narrow::All,
    }
}

pub(super) fn matches(filter: &Filter, user: &Fields) -> bool {
    match filter {
        Filter::Attr(test) => holds(test, |path| schema::resolve(path).map(|target| (subject(target), values(user, target)))),
        Filter::ValuePath(of) => schema::resolve(&of.attr)
            .filter(|target| target.part.is_none())
            .is_some_and(|target| elements(user, target.attribute).any(|one| matches_value(&of.filter, target.attribute, one))),
        Filter::Not(inner) => !matches(inner, user),
        Filter::And(all) => all.iter().all(|one| matches(one, user)),
        Filter::Or(all) => all.iter().any(|one| matches(one, user)),
    }
}

/// Whether one value of an attribute fits what stands in brackets behind it.
pub(super) fn matches_value(filter: &ValFilter, attribute: &'static Attribute, value: &Value) -> bool {
    match filter {
        ValFilter::Attr(test) => holds(test, |path| {
            let part = schema::part(attribute, &path.name).filter(|_| path.sub_attr.is_none())?;
            Some((part, value.get(part.name).into_iter().collect()))
        }),
        ValFilter::Not(inner) => !matches_value(inner, attribute, value),
        ValFilter::And(all) => all.iter().all(|one| matches_value(one, attribute, value)),
        ValFilter::Or(all) => all.iter().any(|one| matches_value(one, attribute, value)),
    }
}

fn check(filter: &Filter) -> Result<(), ScimError> {
    match filter {
        Filter::Attr(test) => checked(test, |path| schema::resolve(path).map(subject)),
        Filter::ValuePath(of) => match schema::resolve(&of.attr) {
            Some(target) if target.part.is_none() => check_value(&of.filter, target.attribute),
            _ => Err(unknown(&of.attr)),
        },
        Filter::Not(inner) => check(inner),
        Filter::And(all) | Filter::Or(all) => all.iter().try_for_each(check),
    }
}

/// That what stands in brackets behind an attribute is about its parts.
pub(super) fn check_value(filter: &ValFilter, attribute: &'static Attribute) -> Result<(), ScimError> {
    match filter {
        ValFilter::Attr(test) => checked(test, |path| schema::part(attribute, &path.name).filter(|_| path.sub_attr.is_none())),
        ValFilter::Not(inner) => check_value(inner, attribute),
        ValFilter::And(all) | ValFilter::Or(all) => all.iter().try_for_each(|one| check_value(one, attribute)),
    }
}

fn unknown(path: &AttrPath) -> ScimError {
    ScimError::filter(format!("A user has no attribute {path}."))
}

fn checked(expression: &AttrExp, find: impl Fn(&AttrPath) -> Option<&'static Attribute>) -> Result<(), ScimError> {
    let (path, compared) = match expression {
        AttrExp::Present(path) => (path, None),
        AttrExp::Comparison(path, op, value) => (path, Some((op, value))),
    };
    let attribute = find(path).ok_or_else(|| unknown(path))?;
    let Some((op, value)) = compared else { return Ok(()) };
    let equality = matches!(op, CompareOp::Eq | CompareOp::Ne);
    let order = matches!(op, CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le);
    let can = match (attribute.kind, value) {
        (Kind::Complex(_), _) => false,
        (Kind::Text, CompValue::Str(_)) => true,
        (_, CompValue::Null) | (Kind::Boolean, CompValue::True | CompValue::False) => equality,
        (Kind::Boolean, CompValue::Str(text)) => equality && boolean(text).is_some(),
        (Kind::Time, CompValue::Str(text)) => (equality || order) && Timestamp::parse(text).is_some(),
        _ => false,
    };
    if can { Ok(()) } else { Err(ScimError::filter(format!("{path} cannot be compared in this way: {op} {value}."))) }
}

/// What is compared of what a path leads to: of a list of complex values their `value`.
fn subject(target: Target) -> &'static Attribute {
    let whole = target.part.unwrap_or(target.attribute);
    if whole.multi { schema::part(whole, "value").unwrap_or(whole) } else { whole }
}

fn elements<'a>(user: &'a Map<String, Value>, attribute: &'static Attribute) -> impl Iterator<Item = &'a Value> {
    match user.get(attribute.name) {
        Some(Value::Array(values)) => values.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    }
    .iter()
}

fn values(user: &Fields, target: Target) -> Vec<&Value> {
    let all = elements(user, target.attribute);
    let part = match target.part {
        Some(part) => Some(part),
        None if target.attribute.multi => schema::part(target.attribute, "value"),
        None => None,
    };
    match part {
        Some(part) => all.filter_map(|one| one.get(part.name)).collect(),
        None => all.collect(),
    }
}

/// Whether one test holds: for any of the values, but "not equal" for none that is.
fn holds<'a>(test: &AttrExp, find: impl Fn(&AttrPath) -> Option<(&'static Attribute, Vec<&'a Value>)>) -> bool {
    let path = match test {
        AttrExp::Present(path) | AttrExp::Comparison(path, ..) => path,
    };
    let Some((attribute, found)) = find(path) else { return false };
    match test {
        AttrExp::Present(_) | AttrExp::Comparison(_, CompareOp::Ne, CompValue::Null) => !found.is_empty(),
        AttrExp::Comparison(_, CompareOp::Eq, CompValue::Null) => found.is_empty(),
        AttrExp::Comparison(_, CompareOp::Ne, given) => !found.iter().any(|one| compares(attribute, &CompareOp::Eq, one, given)),
        AttrExp::Comparison(_, op, given) => found.iter().any(|one| compares(attribute, op, one, given)),
    }
}

fn boolean(text: &str) -> Option<bool> {
    [("true", true), ("false", false)].into_iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, is)| is)
}

fn compares(attribute: &Attribute, op: &CompareOp, found: &Value, given: &CompValue) -> bool {
    match (attribute.kind, found, given) {
        (Kind::Boolean, Value::Bool(found), CompValue::True | CompValue::False) => *found == (*given == CompValue::True),
        (Kind::Boolean, Value::Bool(found), CompValue::Str(given)) => boolean(given) == Some(*found),
        (Kind::Time, Value::String(found), CompValue::Str(given)) => match (Timestamp::parse(found), Timestamp::parse(given)) {
            (Some(found), Some(given)) => orders(op, found.cmp(&given)),
            _ => false,
        },
        (Kind::Text, Value::String(found), CompValue::Str(given)) if attribute.exact => texts(op, found, given),
        (Kind::Text, Value::String(found), CompValue::Str(given)) => texts(op, &found.to_lowercase(), &given.to_lowercase()),
        _ => false,
    }
}

fn texts(op: &CompareOp, found: &str, given: &str) -> bool {
    match op {
        CompareOp::Co => found.contains(given),
        CompareOp::Sw => found.starts_with(given),
        CompareOp::Ew => found.ends_with(given),
        op => orders(op, found.cmp(given)),
    }
}

fn orders(op: &CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user() -> Fields {
        let user = json!({
            "id": "usr_Aa", "userName": "Björn@One.example", "externalId": "X-1", "title": "Analyst", "active": true,
            "schemas": [schema::USER], "name": {"givenName": "Björn", "familyName": "Jensen"},
            "emails": [{"value": "b@one.example", "type": "work", "primary": true}, {"value": "b@home.example", "type": "home"}],
            "meta": {"created": "2027-02-03T09:30:00.000000Z", "version": "W/\"1\""}
        });
        user.as_object().cloned().unwrap()
    }

    fn found(filter: &str) -> bool {
        matches(&parse(filter).unwrap_or_else(|error| panic!("{filter}: {error:?}")), &user())
    }

    #[test]
    fn filters_find_what_they_say() {
        for filter in [
            "userName eq \"BJÖRN@one.example\"",
            "userName Eq \"björn@one.example\"",
            "USERNAME sw \"björn\"",
            "urn:ietf:params:scim:schemas:core:2.0:User:userName ew \"EXAMPLE\"",
            "name.familyName co \"ens\"",
            "title pr and not (title eq \"Tour Guide\")",
            "title ne \"x\" or userName eq \"x\"",
            "userName gt \"a\" and userName lt \"c\"",
            "meta.created ge \"2027-02-03T10:30:00+01:00\" and meta.created lt \"2027-02-04\"",
            "emails eq \"b@home.example\"",
            "emails[type eq \"work\" and value co \"@one\"]",
            "emails.type eq \"HOME\"",
            "emails pr and displayName eq null and title ne null",
            "active eq true and active eq \"True\" and active ne false",
            "externalId eq \"X-1\" and not (externalId eq \"x-1\")",
            "schemas eq \"urn:ietf:params:scim:schemas:core:2.0:User\"",
            "not (emails[type eq \"work\" and value ew \"home.example\"])",
        ] {
            assert!(found(filter), "{filter}");
        }
        for filter in [
            "userName eq \"björn\"",
            "id eq \"usr_aa\"",
            "displayName pr",
            "emails.type ne \"work\"",
            "active eq false",
            "emails[type eq \"home\" and primary eq true]",
            "meta.created gt \"2027-02-03T09:30:00Z\"",
            "title eq \"Analyst\" and (userName sw \"x\" or userName sw \"y\")",
        ] {
            assert!(!found(filter), "{filter}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_whatever_users_there_are() {
        for filter in [
            "",
            "userName",
            "userName eq",
            "userName eq björn",
            "userName is \"x\"",
            "(userName pr",
            "userName eq \"x\" and",
            "nickName pr",
            "userName pr or phoneNumbers pr",
            "name.nick pr",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"x\"",
            "active gt true",
            "active eq 1",
            "title eq true",
            "userName eq 7",
            "name eq \"Björn\"",
            "meta.created gt \"yesterday\"",
            "meta.created co \"2027\"",
            "title gt null",
            "emails[nick pr]",
            "emails[type.value pr]",
        ] {
            assert!(parse(filter).is_err(), "{filter}");
        }
        assert!(parse(&"(".repeat(200)).is_err());
        let deep = format!("{}title pr{}", "not (".repeat(100), ")".repeat(100));
        assert!(parse(&deep).is_err());
        assert!(parse(&format!("userName eq \"{}\"", "a".repeat(LONGEST))).is_err());
    }

    #[test]
    fn what_can_be_looked_up_is() {
        let narrowed = |text: &str| narrow(&parse(text).unwrap());
        assert_eq!(narrowed("userName eq \"Ada\""), Narrow::UserName("Ada".to_owned()));
        assert_eq!(narrowed("active eq true and externalId eq \"7\""), Narrow::ExternalId("7".to_owned()));
        assert_eq!(narrowed("id eq \"usr_1\""), Narrow::Id("usr_1".to_owned()));
        for filter in ["userName ne \"Ada\"", "not (userName eq \"Ada\")", "userName eq \"Ada\" or userName eq \"Bea\"", "title pr"] {
            assert_eq!(narrowed(filter), Narrow::All, "{filter}");
        }
    }
}
