//! Agencies' identity directories over HTTP (SCIM 2.0): what they may do, what they are told, and what never follows of it alone.

mod hands;
mod life;
mod limits;
mod protocol;
mod races;
mod tokens;

use axum::body::Body;
use axum::http::{Method, Request};
use lectern::audit::{Entry, Filter, Kind};
use lectern::entitlements::NominationStage;
use lectern::ids::DirectoryTokenId;
use serde_json::{Value, json};

use crate::harness::client::{Answer, Client, HOST};
use crate::harness::{Agency, Backend, Person, Portal};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A program that shows a token.
#[derive(Clone)]
struct Directory {
    client: Client,
    token: String,
    id: DirectoryTokenId,
}

impl Directory {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/scim/v2{path}")).header("host", HOST);
        request = request.header("authorization", format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header("content-type", "application/scim+json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.client.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, &[]).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, Some(body), &[]).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PUT, path, Some(body), &[]).await
    }

    async fn patch(&self, path: &str, operations: Value) -> Answer {
        self.ask(Method::PATCH, path, Some(json!({"schemas": [PATCH], "Operations": operations})), &[]).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, None, &[]).await
    }

    /// Enters somebody, and returns their path.
    async fn enter(&self, email: &str) -> String {
        let made = self.post("/Users", user(email)).await.is(201).json();
        format!("/Users/{}", made["id"].as_str().unwrap())
    }

    async fn switch(&self, path: &str, active: bool) -> Answer {
        self.patch(path, json!([{"op": "replace", "path": "active", "value": active}])).await
    }
}

fn user(email: &str) -> Value {
    let name = email.split('@').next().unwrap();
    json!({"schemas": [USER], "userName": email, "displayName": format!("Known as {name}"), "active": true})
}

/// The word of the standard for what went wrong.
fn kind(answer: &Answer) -> String {
    let body = answer.json();
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(body["status"], answer.status.as_str());
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    assert!(answer.header("content-type").starts_with("application/scim+json"));
    body["scimType"].as_str().unwrap_or_default().to_owned()
}

struct Scene {
    portal: Portal,
    agency: Agency,
    directory: Directory,
}

impl Scene {
    async fn set(backend: Backend) -> Self {
        let portal = Portal::bare(backend).await;
        let agency = portal.agency().await;
        let directory = connect(&portal, &agency, &portal.administrators[0]).await;
        Self { portal, agency, directory }
    }

    /// How the nominations of somebody stand, the oldest first.
    async fn stages(&self, email: &str) -> Vec<NominationStage> {
        let account = self.portal.rooms.accounts.find(email).await.unwrap().unwrap();
        let mut all = self.portal.rooms.entitlements.nominations_of(&account.id).await.unwrap();
        all.sort_by_key(|of| (of.nomination.nominated_at, of.nomination.stage == NominationStage::Nominated));
        all.into_iter().map(|of| of.nomination.stage).collect()
    }

    /// Approves what waits of somebody, as the second administrator.
    async fn approve(&self, email: &str) {
        let account = self.portal.rooms.accounts.find(email).await.unwrap().unwrap();
        let by = self.portal.desk(&self.portal.administrators[1]).await;
        for of in self.portal.rooms.entitlements.nominations_of(&account.id).await.unwrap() {
            if of.nomination.stage == NominationStage::Nominated {
                let (room, context) = (&self.portal.rooms.entitlements, self.portal.context());
                room.approve_nomination(&of.nomination.id, &by.step_up, &context).await.unwrap();
            }
        }
    }

    async fn kinds(&self, kind: Kind) -> Vec<Entry> {
        kinds(&self.portal, kind).await
    }
}

async fn kinds(portal: &Portal, kind: Kind) -> Vec<Entry> {
    portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await
}

/// A token that this administrator makes, in the hands of the agency's directory.
async fn connect(portal: &Portal, agency: &Agency, by: &Person) -> Directory {
    let by = portal.desk(by).await;
    let accounts = &portal.rooms.accounts;
    let (id, secret) = accounts.make_directory_token(&agency.id, "Entra", 90, &by.step_up, &portal.context()).await.unwrap();
    Directory { client: portal.stranger(), token: secret.reveal().to_owned(), id }
}
