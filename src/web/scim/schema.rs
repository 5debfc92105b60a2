//! What a user has, as one table: what may be written, how it is compared, and what `/Schemas` says of it (RFC 7643, sections 3.1, 4.1 and 7).

use scim_v2::filter::AttrPath;
use serde_json::{Map, Value, json};

pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Boolean,
    Time,
    Complex(&'static [Attribute]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "RFC 7643 describes an attribute by them")]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) multi: bool,
    pub(super) required: bool,
    /// Letters of either case are told apart.
    pub(super) exact: bool,
    pub(super) writable: bool,
    /// Always in an answer, whatever was asked for.
    pub(super) always: bool,
    unique: bool,
    canonical: &'static [&'static str],
    says: &'static str,
}

impl Attribute {
    const fn of(name: &'static str, kind: Kind, says: &'static str) -> Self {
        Self { name, kind, multi: false, required: false, exact: false, writable: true, always: false, unique: false, canonical: &[], says }
    }

    const fn text(name: &'static str, says: &'static str) -> Self {
        Self::of(name, Kind::Text, says)
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn exact(self) -> Self {
        Self { exact: true, ..self }
    }

    const fn multi(self) -> Self {
        Self { multi: true, ..self }
    }

    const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    const fn read_only(self) -> Self {
        Self { writable: false, ..self }
    }

    const fn always(self) -> Self {
        Self { always: true, ..self }
    }

    const fn canonical(self, values: &'static [&'static str]) -> Self {
        Self { canonical: values, ..self }
    }

    /// Its parts; none of what is not complex.
    pub(super) fn parts(&self) -> &'static [Attribute] {
        match self.kind {
            Kind::Complex(parts) => parts,
            _ => &[],
        }
    }

    fn described(&self) -> Value {
        let (kind, parts) = match self.kind {
            Kind::Text => ("string", None),
            Kind::Boolean => ("boolean", None),
            Kind::Time => ("dateTime", None),
            Kind::Complex(parts) => ("complex", Some(parts)),
        };
        let mut of = json!({
            "name": self.name,
            "type": kind,
            "multiValued": self.multi,
            "description": self.says,
            "required": self.required,
            "caseExact": self.exact,
            "mutability": if self.writable { "readWrite" } else { "readOnly" },
            "returned": if self.always { "always" } else { "default" },
            "uniqueness": if self.unique { "server" } else { "none" },
        });
        if let Some(fields) = of.as_object_mut() {
            if !self.canonical.is_empty() {
                fields.insert("canonicalValues".to_owned(), json!(self.canonical));
            }
            if let Some(parts) = parts {
                fields.insert("subAttributes".to_owned(), parts.iter().map(Attribute::described).collect());
            }
        }
        of
    }
}

const NAME: &[Attribute] = &[
    Attribute::text("formatted", "The whole name, as it is shown."),
    Attribute::text("familyName", "The family name."),
    Attribute::text("givenName", "The given name."),
];

const EMAIL: &[Attribute] = &[
    Attribute::text("value", "The address.").required(),
    Attribute::text("display", "How the address is shown."),
    Attribute::text("type", "What the address is for.").canonical(&["work", "home", "other"]),
    Attribute::of("primary", Kind::Boolean, "Whether this is the address to sign in with. One is at most."),
];

/// What is of users.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::text("userName", "What tells a user from others of the same directory.").required().unique(),
    Attribute::of("name", Kind::Complex(NAME), "The parts of the name."),
    Attribute::text("displayName", "The name by which people are called here."),
    Attribute::text("title", "What somebody is at the agency."),
    Attribute::of(
        "active",
        Kind::Boolean,
        "Whether the agency nominates this user. It opens nothing: two administrators decide who reads. False ends all access at once. \
         What is not said is true of a new user, and stays as it was of one that is replaced.",
    )
    .required(),
    Attribute::of(
        "emails",
        Kind::Complex(EMAIL),
        "E-mail addresses. The primary one, else the first, is what somebody signs in with. There need be none where userName is one.",
    )
    .multi()
    .required(),
];

const META: &[Attribute] = &[
    Attribute::text("resourceType", "").exact().read_only(),
    Attribute::of("created", Kind::Time, "").read_only(),
    Attribute::of("lastModified", Kind::Time, "").read_only(),
    Attribute::text("location", "").exact().read_only(),
    Attribute::text("version", "").exact().read_only(),
];

/// What every resource has.
const COMMON: &[Attribute] = &[
    Attribute::text("schemas", "").exact().multi().read_only().always(),
    Attribute::text("id", "").exact().read_only().always(),
    Attribute::text("externalId", "").exact(),
    Attribute::of("meta", Kind::Complex(META), "").read_only(),
];

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) attribute: &'static Attribute,
    pub(super) part: Option<&'static Attribute>,
}

fn named(list: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    list.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// Names of attributes are the same in either case (RFC 7643, section 2.1).
pub(super) fn attribute(name: &str) -> Option<&'static Attribute> {
    named(ATTRIBUTES, name).or_else(|| named(COMMON, name))
}

pub(super) fn part(of: &'static Attribute, name: &str) -> Option<&'static Attribute> {
    named(of.parts(), name)
}

/// What a path of a filter or a change leads to; none where a user has no such thing.
pub(super) fn resolve(path: &AttrPath) -> Option<Target> {
    if path.uri.as_deref().is_some_and(|uri| !uri.eq_ignore_ascii_case(USER)) {
        return None;
    }
    let attribute = attribute(&path.name)?;
    let part = match path.sub_attr.as_deref() {
        None => None,
        Some(name) => Some(part(attribute, name)?),
    };
    Some(Target { attribute, part })
}

/// `/Schemas`.
pub(super) fn schemas(base: &str) -> Vec<Value> {
    vec![json!({
        "schemas": [SCHEMA],
        "id": USER,
        "name": "User",
        "description": "Somebody of the agency, as its directory says.",
        "attributes": ATTRIBUTES.iter().map(Attribute::described).collect::<Vec<_>>(),
        "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{USER}")},
    })]
}

/// `/ResourceTypes`.
pub(super) fn resource_types(base: &str) -> Vec<Value> {
    vec![json!({
        "schemas": [RESOURCE_TYPE],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": "Somebody of the agency, as its directory says.",
        "schema": USER,
        "schemaExtensions": [],
        "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/User")},
    })]
}

/// `/ServiceProviderConfig`.
pub(super) fn config(base: &str, most: usize) -> Map<String, Value> {
    let config = json!({
        "schemas": [CONFIG],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": most},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Token of the agency's directory",
            "description": "A bearer token that an administrator of the reading room makes on the agency's page.",
            "primary": true,
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    });
    match config {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
