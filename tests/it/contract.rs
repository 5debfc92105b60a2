//! `docs/openapi.json` is what programs can rely on: it describes every page that answers them, and every answer is as it says. Fields may be
//! added, so an answer may have more.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::library::{BINARY, MAIN};
use crate::harness::{Backend, Client, Portal};

/// Pages with JSON that are no part of the contract: completion is between the portal's own script and itself, and a receipt is a file.
const APART: [&str; 3] = ["/api/openapi.json", "/search/suggest", "/transparency/receipt/{index}"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_for_programs_is_described_and_every_answer_is_as_described() {
    let portal = Portal::start(Backend::Sqlite).await;
    let (reader, auditor) = (portal.reader().await, portal.sign_in(&portal.auditor).await);
    let contract = reader.get("/api/openapi.json").await.is(200).json();
    let described: BTreeSet<&str> = contract["paths"].as_object().unwrap().keys().map(String::as_str).collect();

    // Every route that answers a program with data is there, and nothing else.
    let routes: Vec<_> = portal.routes.iter().filter(|route| route.method == "GET").collect();
    let mut answering = BTreeSet::new();
    for route in &routes {
        let client = if route.guard == "auditor" { &auditor } else { &reader };
        let answer = client.get_json(&address(&portal, &reader, route.path).await).await;
        if answer.status == 200 && answer.header("content-type").starts_with("application/json") && !APART.contains(&route.path) {
            answering.insert(plain(route.path));
        }
    }
    assert_eq!(answering, described.iter().map(|path| plain(path)).collect());

    for (path, item) in contract["paths"].as_object().unwrap() {
        let role = item["get"]["x-role"].as_str().unwrap();
        let route = routes.iter().find(|route| plain(route.path) == plain(path)).unwrap();
        assert_eq!(route.guard, role, "{path}");
        let client = if role == "auditor" { &auditor } else { &reader };
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        for address in addresses(&portal, &reader, route.path).await {
            let answer = client.get_json(&address).await.is(200).json();
            assert_eq!(faults(&contract, schema, &answer, ""), Vec::<String>::new(), "{address}: {answer}");
        }
    }
    for wrong in ["/p/gateway/v2.0/file/no/such", "/search?q=%22open", "/p/gateway/v2.0/file/README.md?from=x", "/no/such/page"] {
        let answer = reader.get_json(wrong).await;
        assert!(answer.status.is_client_error(), "{wrong}");
        let schema = serde_json::json!({ "$ref": "#/components/schemas/Error" });
        assert_eq!(faults(&contract, &schema, &answer.json(), ""), Vec::<String>::new(), "{wrong}");
    }
}

/// A fault is found where there is one.
#[test]
fn an_answer_that_is_not_as_described_is_found() {
    let contract: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    let schema = serde_json::json!({ "$ref": "#/components/schemas/Products" });
    let good = serde_json::json!({ "products": [{ "name": "a", "title": "A", "versions": ["v1"], "more": 1 }] });
    assert_eq!(faults(&contract, &schema, &good, ""), Vec::<String>::new());
    for (pointer, value, fault) in [
        ("/products/0/versions/0", Value::Null, "/products/0/versions/0 is null"),
        ("/products/0/name", serde_json::json!(1), "/products/0/name is 1"),
        ("/products", serde_json::json!([{}]), "/products/0 has no name"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let found = faults(&contract, &schema, &bad, "");
        assert!(found.iter().any(|one| one.starts_with(fault)), "{found:?}");
    }
}

/// A path without its last slash and without the names of its parts, which two of its forms share.
fn plain(path: &str) -> String {
    path.trim_end_matches('/').replace("{*path}", "{path}")
}

async fn address(portal: &Portal, reader: &Client, path: &str) -> String {
    addresses(portal, reader, path).await.remove(0)
}

/// Addresses of a route that are answered, each in a form of its own.
async fn addresses(portal: &Portal, reader: &Client, path: &str) -> Vec<String> {
    let at = path.replace("{product}", "gateway").replace("{version}", "v2.0").replace("{from}", "v1.0").replace("{to}", "v2.0");
    let of = |places: &[&str]| places.iter().map(|place| at.replace("{*path}", place)).collect();
    match path {
        "/p/{product}/{version}/tree/{*path}" => of(&["src", "assets"]),
        "/p/{product}/{version}/file/{*path}" => of(&[MAIN, BINARY, "src/link_to_main"]),
        "/p/{product}/{version}/history/{*path}" => of(&[MAIN, "src", &format!("{MAIN}?lines=1-2"), &format!("{BINARY}?lines=1-2")]),
        "/p/{product}/{version}/commit/{id}" => {
            let version = reader.get_json("/p/gateway/v2.0/tree/").await.json();
            vec![at.replace("{id}", version["commit"].as_str().unwrap())]
        }
        "/p/{product}/compare/{from}/{to}/{*path}" => of(&[MAIN, "README.md", BINARY]),
        "/p/{product}/{version}/find" | "/p/{product}/{version}/find/" => vec![format!("{at}?q=main")],
        "/symbol/{product}/{version}" => vec![format!("{at}?name=value")],
        "/search" => ["strcpy", "strcpy%20type:diff", "commit%20type:commit"].map(|query| format!("{at}?q={query}")).to_vec(),
        "/audit" => vec![at.clone(), format!("{at}?product=gateway")],
        "/audit/entries/{index}" => {
            let last = portal.rooms.log.size().await.unwrap() - 1;
            vec![at.replace("{index}", "0"), at.replace("{index}", &last.to_string())]
        }
        _ => of(&[MAIN]),
    }
}

/// Where a value is not as its schema says: what JSON Schema calls `$ref`, `oneOf`, `type`, `enum`, `required`, `properties`, `items`,
/// `minItems` and `maxItems`, which are all that the contract uses.
fn faults(contract: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = contract.pointer(name.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{name} is not there"));
        return faults(contract, target, value, at);
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let tried: Vec<_> = ways.iter().map(|way| faults(contract, way, value, at)).collect();
        return if tried.iter().any(Vec::is_empty) { Vec::new() } else { tried.concat() };
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type that the contract uses"),
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    if !types.iter().any(|name| is(name)) {
        return vec![format!("{at} is {value}, not {types:?}")];
    }
    let mut found = Vec::new();
    if let Some(words) = schema["enum"].as_array().filter(|words| !value.is_null() && !words.contains(value)) {
        found.push(format!("{at} is {value}, none of {words:?}"));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).filter(|name| !object.contains_key(*name))
        {
            found.push(format!("{at} has no {name}"));
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            found.extend(object.get(name).into_iter().flat_map(|one| faults(contract, inner, one, &format!("{at}/{name}"))));
        }
    }
    if let Some(list) = value.as_array() {
        let length = list.len() as u64;
        if schema["minItems"].as_u64().is_some_and(|least| length < least) || schema["maxItems"].as_u64().is_some_and(|most| length > most)
        {
            found.push(format!("{at} has {length} items"));
        }
        if let Some(inner) = schema.get("items") {
            found.extend(list.iter().enumerate().flat_map(|(nth, one)| faults(contract, inner, one, &format!("{at}/{nth}"))));
        }
    }
    found
}
