//! Provisioning by an agency's identity directory: SCIM 2.0 (RFC 7643 and 7644) under `/scim/v2`. What it does is in `entitlements`: it
//! nominates and ends, and reads again what it wrote. docs/scim.md is for who connects one.
//!
//! Reading leaves no entry. A directory is told nothing but what it wrote itself, polls every few minutes, and when its token was used last
//! is shown on its page; entries of that would only hide those that matter.

mod error;
mod filter;
mod guard;
mod patch;
mod resource;
mod schema;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use scim_v2::filter::Filter;
use serde_json::{Value, json};

use self::error::ScimError;
use self::guard::Provisioning;
use self::resource::{Fields, Selection, field};
use super::AppState;
use super::guard::text;
use super::routes::Routes;
use crate::entitlements::{DirectoryPerson, Profile, ProvisioningError};

pub(super) const CONTENT_TYPE: &str = "application/scim+json; charset=utf-8";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// Users on a page: when nothing is said, and at most.
const PAGE: usize = 100;
const MOST: usize = 200;
/// How often a change without a condition is tried again when somebody else changes the user at the same moment.
const TRIES: usize = 5;

type Answer = Result<Response, ScimError>;
type Asked = Result<Query<Vec<(String, String)>>, QueryRejection>;
type Body = Result<Bytes, BytesRejection>;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get::<Provisioning, _, _>("/scim/v2/ServiceProviderConfig", config)
        .others::<Provisioning, _, _>("/scim/v2/ServiceProviderConfig", only_get)
        .get::<Provisioning, _, _>("/scim/v2/ResourceTypes", resource_types)
        .others::<Provisioning, _, _>("/scim/v2/ResourceTypes", only_get)
        .get::<Provisioning, _, _>("/scim/v2/ResourceTypes/{id}", resource_type)
        .others::<Provisioning, _, _>("/scim/v2/ResourceTypes/{id}", only_get)
        .get::<Provisioning, _, _>("/scim/v2/Schemas", schemas)
        .others::<Provisioning, _, _>("/scim/v2/Schemas", only_get)
        .get::<Provisioning, _, _>("/scim/v2/Schemas/{id}", one_schema)
        .others::<Provisioning, _, _>("/scim/v2/Schemas/{id}", only_get)
        .get::<Provisioning, _, _>("/scim/v2/Users", list)
        .post::<Provisioning, _, _>("/scim/v2/Users", enter)
        .others::<Provisioning, _, _>("/scim/v2/Users", get_or_post)
        .get::<Provisioning, _, _>("/scim/v2/Users/{id}", show)
        .put::<Provisioning, _, _>("/scim/v2/Users/{id}", replace)
        .patch::<Provisioning, _, _>("/scim/v2/Users/{id}", change)
        .delete::<Provisioning, _, _>("/scim/v2/Users/{id}", remove)
        .others::<Provisioning, _, _>("/scim/v2/Users/{id}", of_one)
        .post::<Provisioning, _, _>("/scim/v2/Users/.search", search)
        .others::<Provisioning, _, _>("/scim/v2/Users/.search", only_post)
        .post::<Provisioning, _, _>("/scim/v2/.search", search)
        .others::<Provisioning, _, _>("/scim/v2/.search", only_post)
        .others::<Provisioning, _, _>("/scim/v2/{*rest}", nothing)
}

/// Where a directory finds the portal.
pub(super) fn base(portal: &AppState) -> String {
    match portal.config.public_origin.as_deref() {
        Some(origin) => format!("{origin}/scim/v2"),
        None => format!("http://{}/scim/v2", portal.config.listen),
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body.to_string()).into_response()
}

async fn only_get(_: Provisioning) -> ScimError {
    ScimError::not_allowed("GET")
}

async fn only_post(_: Provisioning) -> ScimError {
    ScimError::not_allowed("POST")
}

async fn get_or_post(_: Provisioning) -> ScimError {
    ScimError::not_allowed("GET, POST")
}

async fn of_one(_: Provisioning) -> ScimError {
    ScimError::not_allowed("GET, PUT, PATCH, DELETE")
}

/// What is nowhere, and what the standard knows and is not done here.
async fn nothing(_: Provisioning, Path(rest): Path<String>) -> ScimError {
    match rest.as_str() {
        "Bulk" | "Me" => ScimError::not_implemented("This is not done here; /ServiceProviderConfig says what is."),
        _ => ScimError::not_found(),
    }
}

async fn config(from: Provisioning) -> Response {
    answer(StatusCode::OK, &Value::Object(schema::config(&from.base, MOST)))
}

async fn resource_types(from: Provisioning, asked: Asked) -> Answer {
    unfiltered(asked)?;
    Ok(answer(StatusCode::OK, &all(&schema::resource_types(&from.base))))
}

async fn resource_type(from: Provisioning, Path(id): Path<String>) -> Answer {
    one_of(schema::resource_types(&from.base), &id)
}

async fn schemas(from: Provisioning, asked: Asked) -> Answer {
    unfiltered(asked)?;
    Ok(answer(StatusCode::OK, &all(&schema::schemas(&from.base))))
}

async fn one_schema(from: Provisioning, Path(id): Path<String>) -> Answer {
    one_of(schema::schemas(&from.base), &id)
}

/// What is published is published whole (RFC 7644, section 4).
fn unfiltered(asked: Asked) -> Result<(), ScimError> {
    match parameter(&asked_for(asked)?, "filter") {
        Some(_) => Err(ScimError::forbidden("This cannot be filtered.")),
        None => Ok(()),
    }
}

fn all(resources: &[Value]) -> Value {
    page(resources.len(), 1, resources)
}

fn page(total: usize, start: usize, resources: &[Value]) -> Value {
    json!({"schemas": [LIST], "totalResults": total, "startIndex": start, "itemsPerPage": resources.len(), "Resources": resources})
}

fn one_of(resources: Vec<Value>, id: &str) -> Answer {
    let found = resources.into_iter().find(|one| one["id"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(id)));
    Ok(answer(StatusCode::OK, &found.ok_or_else(ScimError::not_found)?))
}

fn asked_for(asked: Asked) -> Result<Vec<(String, String)>, ScimError> {
    asked.map(|Query(pairs)| pairs).map_err(|_| ScimError::syntax("The query of the address cannot be read."))
}

/// A parameter of an address, whatever the case of its name.
fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// What is asked of the list of users.
struct Search {
    filter: Option<Filter>,
    /// From 1.
    start: usize,
    count: usize,
    selection: Selection,
}

impl Search {
    fn of_address(pairs: &[(String, String)]) -> Result<Self, ScimError> {
        let number = |name: &str| match parameter(pairs, name).map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => text.parse::<i64>().map(Some).map_err(|_| ScimError::value(name, "This is a whole number.")),
        };
        Self::read(parameter(pairs, "filter"), number("startIndex")?, number("count")?, selection(pairs)?)
    }

    fn of_body(body: &Fields) -> Result<Self, ScimError> {
        if field(body, "schemas").is_some_and(|list| !list.as_array().is_some_and(|list| list.contains(&json!(SEARCH)))) {
            return Err(ScimError::syntax(format!("schemas: This takes {SEARCH}.")));
        }
        let number = |name: &str| match field(body, name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| ScimError::value(name, "This is a whole number.")),
        };
        let names = |name: &str| match field(body, name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => Ok(list.iter().filter_map(Value::as_str).collect()),
            Some(_) => Err(ScimError::value(name, "This is a list of names.")),
        };
        let filter = match field(body, "filter") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.as_str()),
            Some(_) => return Err(ScimError::filter("The filter is a text.")),
        };
        let selection = Selection::read(names("attributes")?.into_iter(), names("excludedAttributes")?.into_iter())?;
        Self::read(filter, number("startIndex")?, number("count")?, selection)
    }

    /// Less than nothing is nothing, and less than the first is the first (RFC 7644, section 3.4.2.4).
    fn read(filter: Option<&str>, start: Option<i64>, count: Option<i64>, selection: Selection) -> Result<Self, ScimError> {
        Ok(Self {
            filter: filter.map(filter::parse).transpose()?,
            start: usize::try_from(start.unwrap_or(1)).unwrap_or(1).max(1),
            count: count.map_or(PAGE, |count| usize::try_from(count).unwrap_or(0).min(MOST)),
            selection,
        })
    }
}

fn selection(pairs: &[(String, String)]) -> Result<Selection, ScimError> {
    let names = |name: &str| parameter(pairs, name).unwrap_or_default().split(',');
    Selection::read(names("attributes"), names("excludedAttributes"))
}

async fn list(from: Provisioning, State(portal): State<AppState>, asked: Asked) -> Answer {
    let search = Search::of_address(&asked_for(asked)?)?;
    found(&from, &portal, &search).await
}

async fn search(from: Provisioning, State(portal): State<AppState>, body: Body) -> Answer {
    let search = Search::of_body(&object(&from, body)?)?;
    found(&from, &portal, &search).await
}

async fn found(from: &Provisioning, portal: &AppState, search: &Search) -> Answer {
    let narrow = search.filter.as_ref().map(filter::narrow).unwrap_or_default();
    let people = portal.entitlements.directory_people(&from.directory, &narrow).await?;
    let mut users = Vec::new();
    for person in &people {
        let user = resource::told(&from.base, person)?;
        if search.filter.as_ref().is_none_or(|filter| filter::matches(filter, &user)) {
            users.push(user);
        }
    }
    let total = users.len();
    let shown: Vec<Value> = users.into_iter().skip(search.start - 1).take(search.count).map(|user| search.selection.cut(user)).collect();
    Ok(answer(StatusCode::OK, &page(total, search.start, &shown)))
}

async fn show(from: Provisioning, State(portal): State<AppState>, Path(id): Path<String>, asked: Asked) -> Answer {
    let selection = selection(&asked_for(asked)?)?;
    let person = find(&from, &portal, &id).await?;
    if conditions(&from, header::IF_NONE_MATCH.as_str()).is_some_and(|tags| fits(&tags, person.version)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag(person.version))]).into_response());
    }
    user(StatusCode::OK, &from, &person, &selection)
}

async fn enter(from: Provisioning, State(portal): State<AppState>, asked: Asked, body: Body) -> Answer {
    let selection = selection(&asked_for(asked)?)?;
    let profile = resource::profile(resource::read(&object(&from, body)?)?, true)?;
    let (entitlements, accounts) = (&portal.entitlements, &portal.accounts);
    let person = entitlements.enter_directory_person(accounts, profile, &from.directory, &from.context).await?;
    let mut response = user(StatusCode::CREATED, &from, &person, &selection)?;
    if let Ok(location) = HeaderValue::from_str(&resource::location(&from.base, &person)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn replace(from: Provisioning, State(portal): State<AppState>, Path(id): Path<String>, asked: Asked, body: Body) -> Answer {
    let selection = selection(&asked_for(asked)?)?;
    let fields = resource::read(&object(&from, body)?)?;
    // Whether somebody is active is never decided by silence.
    let person = rewritten(&from, &portal, &id, |person| resource::profile(fields.clone(), person.profile.active)).await?;
    user(StatusCode::OK, &from, &person, &selection)
}

async fn change(from: Provisioning, State(portal): State<AppState>, Path(id): Path<String>, asked: Asked, body: Body) -> Answer {
    let selection = selection(&asked_for(asked)?)?;
    let body = object(&from, body)?;
    let changed = |person: &DirectoryPerson| {
        let fields = patch::apply(&body, &resource::fields(&person.profile)?)?;
        resource::profile(fields, person.profile.active)
    };
    let person = rewritten(&from, &portal, &id, changed).await?;
    user(StatusCode::OK, &from, &person, &selection)
}

async fn remove(from: Provisioning, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    for _ in 0..TRIES {
        let person = wanted(&from, &portal, &id).await?;
        let (entitlements, accounts) = (&portal.entitlements, &portal.accounts);
        let which = (&person.id, person.version);
        match entitlements.remove_directory_person(accounts, which, &from.directory, &from.context).await {
            Err(ProvisioningError::Stale) => {}
            other => return Ok(other.map(|()| StatusCode::NO_CONTENT)?.into_response()),
        }
    }
    Err(ScimError::busy())
}

/// Changes somebody. Where the request names a version, only that one; else what is there, and again when it changes meanwhile.
async fn rewritten(
    from: &Provisioning,
    portal: &AppState,
    id: &str,
    new: impl Fn(&DirectoryPerson) -> Result<Profile, ScimError>,
) -> Result<DirectoryPerson, ScimError> {
    for _ in 0..TRIES {
        let person = wanted(from, portal, id).await?;
        let profile = new(&person)?;
        let (entitlements, accounts) = (&portal.entitlements, &portal.accounts);
        let which = (&person.id, person.version);
        match entitlements.change_directory_person(accounts, which, profile, &from.directory, &from.context).await {
            Err(ProvisioningError::Stale) => {}
            other => return Ok(other?),
        }
    }
    Err(ScimError::busy())
}

async fn find(from: &Provisioning, portal: &AppState, id: &str) -> Result<DirectoryPerson, ScimError> {
    portal.entitlements.directory_person(&from.directory, id).await?.ok_or_else(ScimError::not_found)
}

/// Somebody of a version that the request is for.
async fn wanted(from: &Provisioning, portal: &AppState, id: &str) -> Result<DirectoryPerson, ScimError> {
    let person = find(from, portal, id).await?;
    match conditions(from, header::IF_MATCH.as_str()) {
        Some(tags) if !fits(&tags, person.version) => Err(ScimError::stale()),
        _ => Ok(person),
    }
}

/// The versions that a header names.
fn conditions(from: &Provisioning, name: &str) -> Option<Vec<String>> {
    text(&from.headers, name).map(|value| value.split(',').map(|tag| tag.trim().to_owned()).collect())
}

/// Compared weakly: `W/"1"` and `"1"` are one (RFC 9110, section 8.8.3.2).
fn fits(tags: &[String], version: i64) -> bool {
    tags.iter().any(|tag| tag == "*" || tag.trim_start_matches("W/") == format!("\"{version}\""))
}

fn tag(version: i64) -> String {
    resource::etag(version)
}

fn user(status: StatusCode, from: &Provisioning, person: &DirectoryPerson, selection: &Selection) -> Answer {
    let told = selection.cut(resource::told(&from.base, person)?);
    let mut response = answer(status, &told);
    if let Ok(tag) = HeaderValue::from_str(&tag(person.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The JSON object that was sent.
fn object(from: &Provisioning, body: Body) -> Result<Fields, ScimError> {
    let kind = text(&from.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !["", "application/scim+json", "application/json"].contains(&kind) {
        return Err(ScimError::unsupported());
    }
    let body = body.map_err(|cause| match cause.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ScimError::too_large(),
        _ => ScimError::syntax("The request was not received whole."),
    })?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ScimError::syntax("Send a JSON object.")),
        Err(cause) => Err(ScimError::syntax(format!("This is not JSON: {cause}."))),
    }
}
