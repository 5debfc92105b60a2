//! Who may go where. A route that is added shows here; one that is public needs a reason.

use std::collections::BTreeSet;

use axum::http::Method;
use lectern::audit::{Filter, Outcome};
use lectern::web::Route;

use crate::harness::client::{Client, ORIGIN, form};
use crate::harness::library::MAIN;
use crate::harness::{Backend, Grant, Portal, on_both};

on_both! {
    anonymous_is_turned_away_and_changes_nothing
    each_role_keeps_to_its_own_pages
    other_methods_are_answered_like_pages_that_are_not_there
}

/// What anybody may ask for. This list only shrinks.
const OPEN: [&str; 12] = [
    "GET /healthz",
    // Whoever opens it shows the secret of an invitation; every one that does not work has the same answer.
    "GET /invitation/{secret}",
    "GET /metrics",
    "GET /readyz",
    // As of an invitation, and a code besides.
    "GET /reset/{secret}",
    "GET /sign-in",
    "GET /static/{*name}",
    "GET /transparency/key",
    // Whoever calls shows a secret, and all that follows is a fetch.
    "POST /hooks/{product}",
    "POST /invitation/{secret}",
    "POST /reset/{secret}",
    "POST /sign-in",
];

pub(crate) fn is_open(route: &Route) -> bool {
    ["public", "anyone"].contains(&route.guard)
}

/// Routes for which no session counts: a token opens them, which the tests of directories see to.
pub(crate) fn is_for_programs(route: &Route) -> bool {
    route.guard == "directory's token"
}

/// An address of the route, of things that are there as far as possible.
pub(crate) fn address(route: &Route) -> String {
    let path = route.path.replace("{product}", "gateway").replace("{version}", "v2.0").replace("{*path}", MAIN);
    let path = path.replace("{from}", "v1.0").replace("{to}", "v2.0");
    path.replace("{index}", "0")
        .replace("{id}", "x")
        .replace("{amendment}", "x")
        .replace("{document}", "x")
        .replace("{name}", "gateway")
        .replace("{*bundle}", "000.p/1")
        .replace("{token}", "x")
        .replace("{*rest}", "Groups")
        .replace("{secret}", "x")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a line for each route")]
async fn the_table_of_routes() {
    let portal = Portal::bare(Backend::Sqlite).await;
    let mut table: Vec<String> =
        portal.routes.iter().map(|route| format!("{:<4} {:<44} {}", route.method, route.path, route.guard)).collect();
    table.sort();
    insta::assert_snapshot!(table.join("\n"), @r"
    *    /scim/v2/.search                             directory's token
    *    /scim/v2/ResourceTypes                       directory's token
    *    /scim/v2/ResourceTypes/{id}                  directory's token
    *    /scim/v2/Schemas                             directory's token
    *    /scim/v2/Schemas/{id}                        directory's token
    *    /scim/v2/ServiceProviderConfig               directory's token
    *    /scim/v2/Users                               directory's token
    *    /scim/v2/Users/.search                       directory's token
    *    /scim/v2/Users/{id}                          directory's token
    *    /scim/v2/{*rest}                             directory's token
    DELETE /scim/v2/Users/{id}                          directory's token
    GET  /                                            signed in
    GET  /account                                     signed in
    GET  /account/second-factor                       signed in, factor or not
    GET  /admin/agencies                              administrator
    GET  /admin/agencies/new                          administrator
    GET  /admin/agencies/{id}                         administrator
    GET  /admin/agencies/{id}/directory               administrator
    GET  /admin/agencies/{id}/edit                    administrator
    GET  /admin/agreements                            administrator
    GET  /admin/agreements/new                        administrator
    GET  /admin/agreements/{id}                       administrator
    GET  /admin/agreements/{id}/documents             administrator
    GET  /admin/agreements/{id}/documents/{document}  administrator
    GET  /admin/agreements/{id}/edit                  administrator
    GET  /admin/agreements/{id}/terms                 administrator
    GET  /admin/campaigns                             administrator
    GET  /admin/campaigns/new                         administrator
    GET  /admin/campaigns/{id}                        administrator
    GET  /admin/campaigns/{id}/grants/{grant}         administrator
    GET  /admin/grants                                administrator
    GET  /admin/grants/alone                          administrator
    GET  /admin/grants/export                         administrator
    GET  /admin/grants/import                         administrator
    GET  /admin/grants/new                            administrator
    GET  /admin/grants/{id}                           administrator
    GET  /admin/nominations                           administrator
    GET  /admin/nominations/{id}                      administrator
    GET  /admin/people                                administrator
    GET  /admin/people/export                         administrator
    GET  /admin/people/import                         administrator
    GET  /admin/people/new                            administrator
    GET  /admin/people/{id}                           administrator
    GET  /admin/products                              administrator
    GET  /admin/products/new                          administrator
    GET  /admin/products/{name}                       administrator
    GET  /admin/products/{name}/progress              administrator
    GET  /admin/products/{name}/settings              administrator
    GET  /admin/products/{name}/versions/{version}    administrator
    GET  /admin/suspensions                           administrator
    GET  /admin/suspensions/new                       administrator
    GET  /admin/suspensions/{id}                      administrator
    GET  /api/openapi.json                            signed in
    GET  /audit                                       auditor
    GET  /audit/entries/{index}                       auditor
    GET  /audit/export                                auditor
    GET  /design                                      signed in
    GET  /healthz                                     public
    GET  /invitation/{secret}                         anyone
    GET  /metrics                                     public
    GET  /p                                           reviewer
    GET  /p/{product}                                 reviewer
    GET  /p/{product}/compare                         reviewer
    GET  /p/{product}/compare/{from}/{to}             reviewer
    GET  /p/{product}/compare/{from}/{to}/{*path}     reviewer
    GET  /p/{product}/{version}/blame/{*path}         reviewer
    GET  /p/{product}/{version}/commit/{id}           reviewer
    GET  /p/{product}/{version}/file/{*path}          reviewer
    GET  /p/{product}/{version}/find                  reviewer
    GET  /p/{product}/{version}/find/                 reviewer
    GET  /p/{product}/{version}/history               reviewer
    GET  /p/{product}/{version}/history/              reviewer
    GET  /p/{product}/{version}/history/{*path}       reviewer
    GET  /p/{product}/{version}/image/{*path}         reviewer
    GET  /p/{product}/{version}/tree                  reviewer
    GET  /p/{product}/{version}/tree/                 reviewer
    GET  /p/{product}/{version}/tree/{*path}          reviewer
    GET  /readyz                                      public
    GET  /reauthenticate                              signed in, factor or not
    GET  /reset/{secret}                              anyone
    GET  /scim/v2/ResourceTypes                       directory's token
    GET  /scim/v2/ResourceTypes/{id}                  directory's token
    GET  /scim/v2/Schemas                             directory's token
    GET  /scim/v2/Schemas/{id}                        directory's token
    GET  /scim/v2/ServiceProviderConfig               directory's token
    GET  /scim/v2/Users                               directory's token
    GET  /scim/v2/Users/{id}                          directory's token
    GET  /search                                      reviewer
    GET  /search/export                               reviewer
    GET  /search/suggest                              reviewer
    GET  /sign-in                                     anyone
    GET  /sign-in/second-factor                       password given
    GET  /static/{*name}                              public
    GET  /symbol/{product}/{version}                  reviewer
    GET  /terms                                       signed in
    GET  /transparency                                signed in, factor or not
    GET  /transparency/checkpoint                     signed in or a token
    GET  /transparency/handovers                      signed in or a token
    GET  /transparency/key                            public
    GET  /transparency/receipt/{index}                signed in
    GET  /transparency/receipts                       signed in
    GET  /transparency/receipts/bundle                signed in
    GET  /transparency/tile/entries/{*bundle}         auditor or verifier's token
    GET  /transparency/tile/{*tile}                   signed in or a token
    PATCH /scim/v2/Users/{id}                          directory's token
    POST /account/password                            signed in
    POST /account/second-factor/begin                 signed in, factor or not
    POST /account/second-factor/confirm               signed in, factor or not
    POST /account/second-factor/off                   signed in
    POST /account/second-factor/recovery              signed in
    POST /account/sessions/end                        signed in
    POST /admin/agencies/new                          administrator
    POST /admin/agencies/{id}/directory/tokens        administrator
    POST /admin/agencies/{id}/directory/tokens/{token}/revoke administrator
    POST /admin/agencies/{id}/edit                    administrator
    POST /admin/agencies/{id}/restore                 administrator
    POST /admin/agencies/{id}/strike                  administrator
    POST /admin/agreements/new                        administrator
    POST /admin/agreements/{id}/amendments/{amendment}/approve administrator
    POST /admin/agreements/{id}/amendments/{amendment}/refuse administrator
    POST /admin/agreements/{id}/documents             administrator
    POST /admin/agreements/{id}/edit                  administrator
    POST /admin/agreements/{id}/end                   administrator
    POST /admin/agreements/{id}/people                administrator
    POST /admin/agreements/{id}/sign                  administrator
    POST /admin/agreements/{id}/terms                 administrator
    POST /admin/campaigns/new                         administrator
    POST /admin/campaigns/{id}/ask                    administrator
    POST /admin/campaigns/{id}/end                    administrator
    POST /admin/campaigns/{id}/grants/{grant}/confirm administrator
    POST /admin/campaigns/{id}/keep                   administrator
    POST /admin/grants/alone                          administrator
    POST /admin/grants/import                         administrator
    POST /admin/grants/new                            administrator
    POST /admin/grants/{id}/approve                   administrator
    POST /admin/grants/{id}/justified                 administrator
    POST /admin/grants/{id}/objected                  administrator
    POST /admin/grants/{id}/refuse                    administrator
    POST /admin/grants/{id}/revoke                    administrator
    POST /admin/nominations/{id}/approve              administrator
    POST /admin/nominations/{id}/refuse               administrator
    POST /admin/nominations/{id}/withdraw             administrator
    POST /admin/people/import                         administrator
    POST /admin/people/new                            administrator
    POST /admin/people/{id}/invitation                administrator
    POST /admin/people/{id}/invitation/approve        administrator
    POST /admin/people/{id}/invitation/withdraw       administrator
    POST /admin/people/{id}/leave                     administrator
    POST /admin/people/{id}/lock                      administrator
    POST /admin/people/{id}/reset                     administrator
    POST /admin/people/{id}/reset/approve             administrator
    POST /admin/people/{id}/reset/refuse              administrator
    POST /admin/people/{id}/reset/withdraw            administrator
    POST /admin/people/{id}/role                      administrator
    POST /admin/people/{id}/role/approve              administrator
    POST /admin/people/{id}/role/refuse               administrator
    POST /admin/people/{id}/sessions/end              administrator
    POST /admin/people/{id}/unlock                    administrator
    POST /admin/products/new                          administrator
    POST /admin/products/{name}/credentials           administrator
    POST /admin/products/{name}/credentials/remove    administrator
    POST /admin/products/{name}/settings              administrator
    POST /admin/products/{name}/sync                  administrator
    POST /admin/products/{name}/versions/{version}/acknowledge administrator
    POST /admin/products/{name}/versions/{version}/approve administrator
    POST /admin/products/{name}/versions/{version}/ask administrator
    POST /admin/products/{name}/versions/{version}/refuse administrator
    POST /admin/products/{name}/versions/{version}/withdraw administrator
    POST /admin/products/{name}/webhook               administrator
    POST /admin/products/{name}/webhook/remove        administrator
    POST /admin/suspensions/new                       administrator
    POST /admin/suspensions/{id}/ask                  administrator
    POST /admin/suspensions/{id}/keep                 administrator
    POST /admin/suspensions/{id}/lift                 administrator
    POST /hooks/{product}                             public
    POST /invitation/{secret}                         anyone
    POST /reauthenticate                              signed in, factor or not
    POST /reset/{secret}                              anyone
    POST /scim/v2/.search                             directory's token
    POST /scim/v2/Users                               directory's token
    POST /scim/v2/Users/.search                       directory's token
    POST /search/saved                                reviewer
    POST /search/saved/{id}/remove                    reviewer
    POST /search/saved/{id}/rename                    reviewer
    POST /sign-in                                     anyone
    POST /sign-in/second-factor                       password given
    POST /sign-out                                    signed in, factor or not
    POST /terms                                       signed in
    PUT  /scim/v2/Users/{id}                          directory's token
    ");
    let open: BTreeSet<String> = portal.routes.iter().filter(|r| is_open(r)).map(|r| format!("{} {}", r.method, r.path)).collect();
    assert_eq!(open, OPEN.iter().map(ToString::to_string).collect());
    let guards: BTreeSet<&str> = portal.routes.iter().map(|route| route.guard).collect();
    let known = [
        "administrator",
        "anyone",
        "auditor",
        "auditor or verifier's token",
        "directory's token",
        "password given",
        "public",
        "reviewer",
        "signed in",
        "signed in or a token",
        "signed in, factor or not",
    ];
    assert_eq!(guards, known.into());
}

async fn anonymous_is_turned_away_and_changes_nothing(backend: Backend) {
    let portal = Portal::start(backend).await;
    let stranger = portal.stranger();
    let csrf = stranger.csrf().await;
    let size = portal.rooms.log.size().await.unwrap();
    for route in portal.routes.iter().filter(|route| !is_open(route) && !is_for_programs(route)) {
        let address = address(route);
        if route.method == "GET" {
            let answer = stranger.get(&address).await.is(303);
            assert!(answer.location().starts_with("/sign-in"), "{address}: {}", answer.location());
            assert!(answer.body.is_empty());
            let answer = stranger.get_json(&address).await.is(401);
            assert_eq!(answer.json()["error"]["code"], "unauthenticated");
            continue;
        }
        for csrf in [csrf.as_str(), "", "x"] {
            for accept in ["text/html", "application/json"] {
                let fields = form(&[("csrf", csrf), ("reason", "x"), ("password", "x"), ("name", "x")]);
                let headers = [("origin", ORIGIN), ("accept", accept)];
                let answer = stranger.send(Client::request(Method::POST, &address, Some(fields), &headers)).await;
                assert!([401, 403].contains(&answer.status.as_u16()), "{address}: {}", answer.status);
            }
        }
    }
    for odd in ["/no/such/page", "/p/gateway/v2.0/blame/x", "/admin"] {
        assert!(stranger.get(odd).await.is(303).location().starts_with("/sign-in"), "{odd}");
    }
    assert_eq!(portal.rooms.log.size().await.unwrap(), size, "a stranger wrote an entry");
}

async fn each_role_keeps_to_its_own_pages(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reviewer = portal.reviewer(&[Grant::of("gateway"), Grant::of("ledger")]).await;
    for person in [&reviewer, &portal.auditor, &portal.administrators[0]] {
        let client = portal.sign_in(person).await;
        let role = person.role.as_str();
        let (html, json) = (client.get("/no/such/page").await.is(404), client.get_json("/no/such/page").await.is(404));
        let csrf = client.csrf().await;
        for route in &portal.routes {
            let theirs = route.guard == role || (role == "auditor" && route.guard == "auditor or verifier's token");
            // Whoever has signed in is not asked again.
            if is_open(route) || is_for_programs(route) || route.guard.starts_with("signed in") || route.guard == "password given" || theirs
            {
                continue;
            }
            let address = address(route);
            let before = portal.refusals(&person.id).await.len();
            let asked = if route.method == "GET" {
                assert_eq!(client.get_json(&address).await.essence(), json.essence(), "{role} at {address}");
                assert_eq!(client.get(&address).await.essence(), html.essence(), "{role} at {address}");
                2
            } else {
                let answer = client.post_with(&address, &csrf, &[("reason", "because"), ("name", "x")]).await;
                assert_eq!(answer.essence(), html.essence(), "{role} at {address}");
                1
            };
            let refusals = portal.refusals(&person.id).await;
            assert_eq!(refusals.len(), before + asked, "{role} at {address}");
            let entry = refusals.last().unwrap();
            assert_eq!(entry.outcome, Outcome::Denied);
            assert_eq!(entry.facts["page"], address.as_str());
            assert_eq!(entry.actor.as_ref().unwrap().role, role);
        }
    }
    let grants = portal.rooms.entitlements.list().await.unwrap();
    assert_eq!(grants.len(), 2, "a form that was refused changed something");
}

async fn other_methods_are_answered_like_pages_that_are_not_there(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    let missing = reader.get("/no/such/page").await.is(404);
    for (method, address) in [
        (Method::DELETE, format!("/p/gateway/v2.0/file/{MAIN}")),
        (Method::PUT, "/p".to_owned()),
        (Method::PATCH, "/".to_owned()),
        (Method::OPTIONS, "/search".to_owned()),
        (Method::GET, "/sign-out".to_owned()),
    ] {
        let answer = reader.send(Client::request(method.clone(), &address, None, &[("accept", "text/html")])).await;
        let mut headers = answer.clone();
        headers.headers.remove("allow");
        assert_eq!(headers.essence(), missing.essence(), "{method} {address}");
    }
    let opened = portal
        .entries(Filter { product: Some("gateway".to_owned()), kind: Some(lectern::audit::Kind::FileOpened), ..Filter::default() })
        .await;
    assert!(opened.is_empty());
}
