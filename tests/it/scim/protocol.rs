//! The protocol: shapes that directories send, and every answer they can get.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::{PATCH, Scene, USER, kind, user};
use crate::harness::client::{HOST, encoded};
use crate::harness::{Backend, on_both};

on_both! {
    a_user_of_the_standard_s_examples
    as_entra_id_calls
    as_okta_calls
    what_is_published
    lists_are_filtered_paged_and_cut
    every_error_is_told_in_the_form_of_the_standard
    versions
}

/// RFC 7644, sections 3.3 and 3.5.1.
async fn a_user_of_the_standard_s_examples(backend: Backend) {
    let scene = Scene::set(backend).await;
    let sent = json!({
        "schemas": [USER], "userName": "bjensen@one.example", "externalId": "bjensen",
        "name": {"formatted": "Ms. Barbara J Jensen III", "familyName": "Jensen", "givenName": "Barbara"}
    });
    let made = scene.directory.post("/Users", sent.clone()).await.is(201);
    let body = made.json();
    let id = body["id"].as_str().unwrap().to_owned();
    let location = format!("http://127.0.0.1:8420/scim/v2/Users/{id}");
    assert_eq!((made.location(), made.header("etag")), (location.as_str(), "W/\"1\""));
    assert!(made.header("content-type").starts_with("application/scim+json"));
    let mut expected = sent.clone();
    expected["active"] = json!(true);
    expected["id"] = json!(id);
    expected["meta"] = json!({
        "resourceType": "User", "created": "2027-02-03T09:30:00.000000Z", "lastModified": "2027-02-03T09:30:00.000000Z",
        "location": location, "version": "W/\"1\""
    });
    assert_eq!(body, expected);
    let read = scene.directory.get(&format!("/Users/{id}")).await.is(200);
    assert_eq!((read.json(), read.header("etag")), (body, "W/\"1\""));
    // Replaced, with what is not for a client to say ignored, and what is not said cleared but whether they are active.
    scene.portal.clock.advance(crate::harness::HOUR);
    let put = json!({
        "schemas": [USER], "id": "2819c223", "userName": "bjensen@one.example", "name": {"familyName": "Jensen", "middleName": "Jane"},
        "roles": [], "emails": [{"value": "bjensen@one.example"}, {"value": "babs@jensen.example"}], "meta": {"version": "x"}
    });
    let replaced = scene.directory.put(&format!("/Users/{id}"), put).await.is(200).json();
    assert_eq!(replaced["name"], json!({"familyName": "Jensen"}));
    assert_eq!(replaced["emails"], json!([{"value": "bjensen@one.example"}, {"value": "babs@jensen.example"}]));
    assert_eq!((&replaced["active"], replaced.get("externalId")), (&json!(true), None));
    assert_eq!(replaced["meta"]["version"], "W/\"2\"");
    assert_eq!(replaced["meta"]["lastModified"], "2027-02-03T10:30:00.000000Z");
    assert_eq!(replaced["meta"]["created"], "2027-02-03T09:30:00.000000Z");
}

/// As Microsoft's documentation has it: "Develop and plan provisioning for a SCIM endpoint in Microsoft Entra ID".
async fn as_entra_id_calls(backend: Backend) {
    let scene = Scene::set(backend).await;
    let probe = encoded("userName eq \"dea2d9f8-a1d4-4c8d-93d4-8d5dd3b2f9d7\"");
    let none = scene.directory.get(&format!("/Users?filter={probe}")).await.is(200).json();
    assert_eq!(
        none,
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0,
            "Resources": []
        })
    );
    let sent = json!({
        "schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "userName": "Test_User_ab6490ee@one.example", "active": true,
        "emails": [{"primary": true, "type": "work", "value": "Test_User_fd0ea19b@one.example"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        "roles": [], "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Analysis"}
    });
    let made = scene.directory.post("/Users", sent).await.is(201).json();
    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    let account = scene.portal.rooms.accounts.find("test_user_fd0ea19b@one.example").await.unwrap().unwrap();
    assert_eq!(account.name, "givenName familyName");
    // It looks its users up without regard to case, and by the id it gave.
    for filter in ["userName eq \"test_user_AB6490EE@one.example\"", "externalId eq \"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef\""] {
        let found = scene.directory.get(&format!("/Users?filter={}", encoded(filter))).await.is(200).json();
        assert_eq!(found["Resources"][0]["id"], made["id"], "{filter}");
    }
    let several = json!([
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "updatedEmail@one.example"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
        {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "Other"},
        {"op": "Add", "path": "phoneNumbers[type eq \"work\"].value", "value": "+1 555"},
    ]);
    let changed = scene.directory.patch(&path, several).await.is(200).json();
    assert_eq!(changed["emails"], json!([{"primary": true, "type": "work", "value": "updatedEmail@one.example"}]));
    assert_eq!(changed["name"]["familyName"], "updatedFamilyName");
    let renamed =
        scene.directory.patch(&path, json!([{"op": "Replace", "path": "userName", "value": "5b50642d@one.example"}])).await.is(200);
    assert_eq!(renamed.json()["userName"], "5b50642d@one.example");
    let off = scene.directory.patch(&path, json!([{"op": "Replace", "path": "active", "value": "False"}])).await.is(200);
    assert_eq!(off.json()["active"], false);
    scene.directory.delete(&path).await.is(204);
    assert_eq!(kind(&scene.directory.get(&path).await.is(404)), "");
}

/// As Okta's documentation has it: "SCIM 2.0 protocol reference".
async fn as_okta_calls(backend: Backend) {
    let scene = Scene::set(backend).await;
    let probe = format!("/Users?filter={}&startIndex=1&count=100", encoded("userName eq \"test.user@okta.example\""));
    assert_eq!(scene.directory.get(&probe).await.is(200).json()["totalResults"], 0);
    let sent = json!({
        "schemas": [USER], "userName": "test.user@okta.example", "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": true, "value": "test.user@okta.example", "type": "work"}], "displayName": "Test User", "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7", "groups": [], "password": "1mz050nq", "active": true
    });
    let made = scene.directory.post("/Users", sent.clone()).await.is(201);
    assert!(!made.text().contains("1mz050nq"));
    let path = format!("/Users/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(scene.directory.get(&probe).await.is(200).json()["itemsPerPage"], 1);
    let mut put = sent;
    put["title"] = json!("");
    put["name"]["familyName"] = json!("Another");
    put["id"] = made.json()["id"].clone();
    assert_eq!(scene.directory.put(&path, put).await.is(200).json()["name"]["familyName"], "Another");
    let off = scene.directory.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await.is(200).json();
    assert_eq!(off["active"], false);
    let account = scene.portal.rooms.accounts.find("test.user@okta.example").await.unwrap().unwrap();
    assert!(!account.joined, "a password of the directory's was taken");
}

async fn what_is_published(backend: Backend) {
    let scene = Scene::set(backend).await;
    let config = scene.directory.get("/ServiceProviderConfig").await.is(200).json();
    for (name, supported) in
        [("patch", true), ("bulk", false), ("filter", true), ("changePassword", false), ("sort", false), ("etag", true)]
    {
        assert_eq!(config[name]["supported"], supported, "{name}");
    }
    assert_eq!(config["filter"]["maxResults"], 200);
    assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
    let types = scene.directory.get("/ResourceTypes").await.is(200).json();
    assert_eq!((&types["totalResults"], &types["Resources"][0]["endpoint"]), (&json!(1), &json!("/Users")));
    assert_eq!(scene.directory.get("/ResourceTypes/User").await.is(200).json(), types["Resources"][0]);
    let schemas = scene.directory.get("/Schemas").await.is(200).json();
    assert_eq!(scene.directory.get(&format!("/Schemas/{USER}")).await.is(200).json(), schemas["Resources"][0]);
    let attributes = schemas["Resources"][0]["attributes"].as_array().unwrap();
    let names: Vec<&str> = attributes.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["userName", "name", "displayName", "title", "active", "emails"]);
    for path in ["/ResourceTypes/Group", "/Schemas/urn:x", "/Groups", "/Groups/1", "/nothing", "/Users/a/b"] {
        assert_eq!(kind(&scene.directory.get(path).await.is(404)), "", "{path}");
    }
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas"] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let told = scene.directory.ask(method, path, Some(json!({})), &[]).await.is(405);
            assert_eq!(told.header("allow"), "GET");
        }
    }
    assert_eq!(scene.directory.ask(Method::PUT, "/Users", Some(json!({})), &[]).await.is(405).header("allow"), "GET, POST");
    assert_eq!(scene.directory.post("/Users/x", json!({})).await.is(405).header("allow"), "GET, PUT, PATCH, DELETE");
    assert_eq!(scene.directory.get("/.search").await.is(405).header("allow"), "POST");
    for path in ["/Schemas?filter=id%20pr", "/ResourceTypes?filter=id%20pr"] {
        scene.directory.get(path).await.is(403);
    }
    scene.directory.post("/Bulk", json!({})).await.is(501);
    scene.directory.get("/Me").await.is(501);
}

async fn lists_are_filtered_paged_and_cut(backend: Backend) {
    let scene = Scene::set(backend).await;
    let mut all = Vec::new();
    for n in 0..7 {
        let mut one = user(&format!("person.{n}@one.example"));
        if n % 2 == 0 {
            one["title"] = json!("Analyst");
        }
        all.push(scene.directory.post("/Users", one).await.is(201).json()["userName"].as_str().unwrap().to_owned());
        scene.portal.clock.advance(crate::harness::HOUR);
    }
    let ask = async |query: &str| scene.directory.get(&format!("/Users?{query}")).await.is(200).json();
    let names = |body: &Value| -> Vec<String> {
        body["Resources"].as_array().unwrap().iter().map(|one| one["userName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&ask("").await), all);
    let page = ask("startIndex=3&count=2").await;
    assert_eq!(
        (names(&page), &page["totalResults"], &page["startIndex"], &page["itemsPerPage"]),
        (all[2..4].to_vec(), &json!(7), &json!(3), &json!(2))
    );
    assert_eq!(names(&ask("startIndex=-4&count=1").await), all[..1]);
    for (query, start) in [("count=0", 1), ("count=-1", 1), ("startIndex=8", 8), ("startIndex=900000000000", 900_000_000_000_i64)] {
        let page = ask(query).await;
        assert_eq!((&page["totalResults"], &page["Resources"], &page["startIndex"]), (&json!(7), &json!([]), &json!(start)), "{query}");
    }
    let found = ask(&format!("filter={}&count=2", encoded("title eq \"analyst\" and userName sw \"person\""))).await;
    assert_eq!((&found["totalResults"], names(&found).len()), (&json!(4), 2));
    let since = ask(&format!("filter={}", encoded("meta.lastModified gt \"2027-02-03T14:29:59Z\""))).await;
    assert_eq!(names(&since), all[5..]);
    let cut = ask("attributes=userName&count=1").await;
    assert_eq!(cut["Resources"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "schemas", "userName"]);
    let cut = ask("excludedAttributes=meta,active,title&count=1").await;
    assert_eq!(cut["Resources"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["displayName", "id", "schemas", "userName"]);
    let one = format!("/Users/{}?attributes=displayName", ask("count=1").await["Resources"][0]["id"].as_str().unwrap());
    assert_eq!(
        scene.directory.get(&one).await.is(200).json().as_object().unwrap().keys().collect::<Vec<_>>(),
        ["displayName", "id", "schemas"]
    );
    // The same as a request with a body.
    let search = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    for path in ["/.search", "/Users/.search"] {
        let body = json!({"schemas": [search], "attributes": ["userName"], "filter": "not (title pr)", "startIndex": 2, "count": 10});
        let found = scene.directory.post(path, body).await.is(200).json();
        assert_eq!((names(&found), &found["totalResults"]), (vec![all[3].clone(), all[5].clone()], &json!(3)), "{path}");
        for wrong in [
            json!({"schemas": ["x"]}),
            json!({"count": "ten"}),
            json!({"attributes": "userName"}),
            json!({"filter": 7}),
            json!({"filter": "userName"}),
        ] {
            scene.directory.post(path, wrong).await.is(400);
        }
    }
    // No more than two hundred at once.
    assert_eq!(ask("count=100000").await["itemsPerPage"], 7);
}

async fn every_error_is_told_in_the_form_of_the_standard(backend: Backend) {
    let scene = Scene::set(backend).await;
    let ada = scene.directory.enter("ada@one.example").await;
    let bea = scene.directory.enter("bea@one.example").await;
    let size = scene.portal.rooms.log.size().await.unwrap();
    for (body, word) in [
        (json!({"schemas": [USER]}), "invalidValue"),
        (json!({"userName": ""}), "invalidValue"),
        (json!({"userName": 7}), "invalidValue"),
        (json!({"userName": "ada"}), "invalidValue"),
        (json!({"userName": "x@one.example", "active": "perhaps"}), "invalidValue"),
        (json!({"userName": "x@one.example", "displayName": "a\nb"}), "invalidValue"),
        (json!({"userName": "x@one.example", "title": "a".repeat(201)}), "invalidValue"),
        (json!({"userName": "x", "emails": [{"value": "no address"}]}), "invalidValue"),
        (
            json!({"userName": "x@one.example", "emails": [{"value": "a@b.example", "primary": true}, {"value": "c@b.example", "primary": true}]}),
            "invalidValue",
        ),
        (json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "userName": "x@one.example"}), "invalidSyntax"),
        (json!([]), "invalidSyntax"),
        (json!("x"), "invalidSyntax"),
    ] {
        assert_eq!(kind(&scene.directory.post("/Users", body.clone()).await.is(400)), word, "{body}");
        assert_eq!(kind(&scene.directory.put(&ada, body.clone()).await.is(400)), word, "{body}");
    }
    assert_eq!(kind(&scene.directory.post("/Users", user("ADA@one.example")).await.is(409)), "uniqueness");
    assert_eq!(kind(&scene.directory.put(&bea, user("Ada@one.example")).await.is(409)), "uniqueness");
    let rename = json!([{"op": "replace", "path": "userName", "value": "ada@one.example"}]);
    assert_eq!(kind(&scene.directory.patch(&bea, rename).await.is(409)), "uniqueness");
    for (operation, word) in [
        (json!({"op": "remove", "path": "userName"}), "invalidValue"),
        (json!({"op": "replace", "path": "emails[type eq \"x\"].value", "value": "y"}), "noTarget"),
        (json!({"op": "replace", "path": "((", "value": "y"}), "invalidPath"),
        (json!({"op": "replace", "path": "id", "value": "y"}), "mutability"),
        (json!({"op": "swap", "path": "title"}), "invalidSyntax"),
    ] {
        assert_eq!(kind(&scene.directory.patch(&ada, json!([operation])).await.is(400)), word, "{operation}");
    }
    // Of several operations one that cannot be done undoes all.
    let both = json!([{"op": "add", "path": "title", "value": "x"}, {"op": "remove", "path": "userName"}]);
    scene.directory.patch(&ada, both).await.is(400);
    assert_eq!(scene.directory.get(&ada).await.is(200).json().get("title"), None);
    let many: Vec<Value> = (0..101).map(|n| json!({"op": "add", "path": "title", "value": n.to_string()})).collect();
    assert_eq!(kind(&scene.directory.patch(&ada, json!(many)).await.is(400)), "tooMany");
    for query in ["filter=", "filter=userName", "filter=nick%20pr", "filter=active%20gt%20true", "filter=%28%28%28"] {
        assert_eq!(kind(&scene.directory.get(&format!("/Users?{query}")).await.is(400)), "invalidFilter", "{query}");
    }
    for query in ["count=ten", "startIndex=1.5", "attributes=userName&excludedAttributes=title"] {
        assert_eq!(kind(&scene.directory.get(&format!("/Users?{query}")).await.is(400)), "invalidValue", "{query}");
    }
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let body = (method == Method::PUT).then(|| user("x@one.example"));
        let body = body.or_else(|| (method == Method::PATCH).then(|| json!({"Operations": [{"op": "remove", "path": "title"}]})));
        assert_eq!(kind(&scene.directory.ask(method.clone(), "/Users/usr_none", body, &[]).await.is(404)), "", "{method}");
    }
    // What is no JSON, of another kind, or too long.
    let raw = async |kind: &str, body: Vec<u8>| {
        let request = Request::builder().method("POST").uri("/scim/v2/Users").header("host", HOST).header("content-type", kind);
        let request = request.header("authorization", format!("Bearer {}", scene.directory.token)).body(Body::from(body)).unwrap();
        scene.directory.client.send(request).await
    };
    assert_eq!(kind(&raw("application/scim+json", b"{\"userName\": ".to_vec()).await.is(400)), "invalidSyntax");
    assert_eq!(kind(&raw("application/scim+json", b"\xff\xfe".to_vec()).await.is(400)), "invalidSyntax");
    assert_eq!(kind(&raw("application/xml", b"<x/>".to_vec()).await.is(415)), "");
    assert_eq!(kind(&raw("application/x-www-form-urlencoded", b"userName=x".to_vec()).await.is(415)), "");
    let long = json!({"userName": "x@one.example", "title": "a".repeat(70_000)}).to_string().into_bytes();
    assert_eq!(kind(&raw("application/scim+json", long).await.is(413)), "");
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000)).into_bytes();
    assert_eq!(kind(&raw("application/scim+json", deep).await.is(400)), "invalidSyntax");
    assert_eq!(scene.portal.rooms.log.size().await.unwrap(), size, "something that was refused was recorded as done");
    for kind in ["application/json; charset=utf-8", "Application/SCIM+JSON"] {
        raw(kind, user(&format!("{}@one.example", kind.len())).to_string().into_bytes()).await.is(201);
    }
}

async fn versions(backend: Backend) {
    let scene = Scene::set(backend).await;
    let ada = scene.directory.enter("ada@one.example").await;
    let with =
        async |method: Method, name: &str, tag: &str, body: Option<Value>| scene.directory.ask(method, &ada, body, &[(name, tag)]).await;
    with(Method::GET, "if-none-match", "W/\"1\"", None).await.is(304);
    with(Method::GET, "if-none-match", "\"7\", \"1\"", None).await.is(304);
    with(Method::GET, "if-none-match", "W/\"2\"", None).await.is(200);
    let titled = |title: &str| Some(json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": title}]}));
    let stale = with(Method::PATCH, "if-match", "W/\"2\"", titled("x")).await.is(412);
    assert_eq!(kind(&stale), "");
    with(Method::PUT, "if-match", "W/\"0\"", Some(user("ada@one.example"))).await.is(412);
    with(Method::DELETE, "if-match", "W/\"9\"", None).await.is(412);
    let new = with(Method::PATCH, "if-match", "W/\"1\"", titled("x")).await.is(200);
    assert_eq!((new.header("etag"), &new.json()["meta"]["version"]), ("W/\"2\"", &json!("W/\"2\"")));
    with(Method::PATCH, "if-match", "*", titled("y")).await.is(200);
    with(Method::PATCH, "if-match", "W/\"1\"", titled("z")).await.is(412);
    assert_eq!(scene.directory.get(&ada).await.is(200).json()["title"], "y");
    with(Method::DELETE, "if-match", "W/\"3\"", None).await.is(204);
}
