//! What everything an agency reads hangs on, over HTTP: agreements and how far they reach, the people they name and the terms these
//! accept, what is suspended, and what one administrator gives alone.

use std::time::Duration;

use lectern::accounts::Role;
use lectern::audit::{Entry, Filter, Kind};
use lectern::clock::Clock;
use lectern::entitlements::NominationStage;
use serde_json::Value;

use crate::harness::client::Client;
use crate::harness::library::MAIN;
use crate::harness::{Agency, Backend, DAY, Grant, HOUR, Person, Portal, on_both};

on_both! {
    whatever_is_suspended_cannot_be_read_until_two_have_lifted_it
    a_person_is_named_by_two_and_withdrawn_by_one
    terms_are_accepted_before_the_first_page_and_again_when_they_change
    a_draft_opens_nothing_and_a_signed_agreement_reaches_further_by_two
    an_agreement_reaches_no_further_than_its_networks_and_products
    a_grant_takes_as_many_approvals_as_it_says
    a_grant_for_some_is_for_nobody_else
    what_is_given_alone_is_short_loud_and_reviewed_by_another
    an_agency_that_is_struck_is_granted_nothing_new
    of_two_who_decide_at_once_one_is_told
}

fn file() -> String {
    format!("/p/gateway/v2.0/file/{MAIN}")
}

/// An agency with a reviewer who reads the gateway, and both administrators.
struct Scene {
    portal: Portal,
    agency: Agency,
    person: Person,
    reader: Client,
    first: Client,
    second: Client,
}

impl Scene {
    async fn set(backend: Backend) -> Self {
        let portal = Portal::start(backend).await;
        let agency = portal.agency().await;
        let person = portal.named(&agency).await;
        portal.grant(&agency, &Grant::of("gateway")).await;
        Self {
            reader: portal.sign_in(&person).await,
            first: portal.sign_in(&portal.administrators[0]).await,
            second: portal.sign_in(&portal.administrators[1]).await,
            agency,
            person,
            portal,
        }
    }

    async fn kinds(&self, kind: Kind) -> Vec<Entry> {
        self.portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await
    }

    async fn nominate(&self, person: &Person) -> String {
        self.first.post(&format!("/admin/agreements/{}/people", self.agency.agreement), &[("account", person.id.as_str())]).await.is(303);
        let all = self.portal.rooms.entitlements.nominations_of(&person.id).await.unwrap();
        let new = all.iter().find(|of| of.nomination.stage == NominationStage::Nominated).unwrap();
        format!("/admin/nominations/{}", new.nomination.id)
    }
}

async fn whatever_is_suspended_cannot_be_read_until_two_have_lifted_it(backend: Backend) {
    let scene = Scene::set(backend).await;
    let grant = scene.portal.rooms.entitlements.list().await.unwrap()[0].entitlement.id.to_string();
    let agency = scene.agency.id.to_string();
    for (subject, id) in
        [("grant", grant.as_str()), ("agreement", scene.agency.agreement.as_str()), ("agency", agency.as_str()), ("product", "gateway")]
    {
        scene.reader.get(&file()).await.is(200);
        let form = format!("/admin/suspensions/new?subject={subject}&id={id}");
        assert!(scene.first.get(&form).await.is(200).text().contains("Suspend at once"), "{subject}");
        let without = scene.first.post("/admin/suspensions/new", &[("subject", subject), ("id", id), ("reason", " ")]).await.is(422);
        assert!(without.text().contains("cannot be left empty"));
        scene.reader.get(&file()).await.is(200);
        let placed =
            scene.first.post("/admin/suspensions/new", &[("subject", subject), ("id", id), ("reason", "an incident")]).await.is(303);
        let page = placed.location().to_owned();
        scene.reader.get(&file()).await.is(404);
        assert_eq!(scene.reader.get_json("/search?q=strcpy").await.is(200).json()["total"], 0, "{subject}");
        let again = scene.second.post("/admin/suspensions/new", &[("subject", subject), ("id", id), ("reason", "too")]).await.is(409);
        assert!(again.text().contains("suspended already"));
        // Nothing is lifted that nobody asked to lift, and nobody lifts what they asked for.
        scene.second.post(&format!("{page}/lift"), &[]).await.is(409);
        scene.first.post(&format!("{page}/ask"), &[("reason", "it is over")]).await.is(303);
        let own = scene.first.post(&format!("{page}/lift"), &[]).await.is(409);
        assert!(own.text().contains("another administrator must"), "{}", own.text());
        scene.reader.get(&file()).await.is(404);
        // Kept by the other, asked for once more, and lifted.
        scene.second.post(&format!("{page}/keep"), &[("reason", "not yet")]).await.is(303);
        scene.second.post(&format!("{page}/lift"), &[]).await.is(409);
        scene.second.post(&format!("{page}/ask"), &[("reason", "now it is")]).await.is(303);
        scene.reader.get(&file()).await.is(404);
        scene.first.post(&format!("{page}/lift"), &[]).await.is(303);
        scene.reader.get(&file()).await.is(200);
        scene.first.post(&format!("{page}/ask"), &[("reason", "again")]).await.is(409);
    }
    for (kind, count) in
        [(Kind::SuspensionPlaced, 4), (Kind::SuspensionLiftAsked, 8), (Kind::SuspensionKept, 4), (Kind::SuspensionLifted, 4)]
    {
        let entries = scene.kinds(kind).await;
        assert_eq!(entries.len(), count, "{kind}");
        assert!(entries.iter().all(|entry| entry.actor.is_some()));
    }
    let placed = &scene.kinds(Kind::SuspensionPlaced).await[3];
    assert_eq!((&placed.facts["subject"], &placed.facts["reason"]), (&Value::from("product"), &Value::from("an incident")));
    assert_eq!(placed.place.as_ref().unwrap().product, "gateway");
    // The page of what is suspended says so, and leads to suspending what is not.
    assert!(scene.first.get("/admin/products/gateway").await.is(200).text().contains("/admin/suspensions/new?subject=product"));
    let fields = [("subject", "product"), ("id", "gateway"), ("reason", "once more")];
    scene.first.post("/admin/suspensions/new", &fields).await.is(303);
    let page = scene.first.get("/admin/products/gateway").await.is(200).text();
    assert!(page.contains("once more") && !page.contains("/admin/suspensions/new"), "{page}");
    scene.first.get("/admin/suspensions/new?subject=reader&id=x").await.is(404);
    scene.first.get("/admin/suspensions/new?subject=grant&id=ent_none").await.is(404);
}

async fn a_person_is_named_by_two_and_withdrawn_by_one(backend: Backend) {
    let scene = Scene::set(backend).await;
    let late = scene.portal.unnamed(&scene.agency).await;
    let reader = scene.portal.sign_in(&late).await;
    let page = scene.nominate(&late).await;
    reader.get(&file()).await.is(404);
    let own = scene.first.post(&format!("{page}/approve"), &[]).await.is(409);
    assert!(own.text().contains("another administrator must"));
    let twice = format!("/admin/agreements/{}/people", scene.agency.agreement);
    scene.second.post(&twice, &[("account", late.id.as_str())]).await.is(422);
    scene.second.post(&format!("{page}/approve"), &[]).await.is(303);
    // Two decided that this person reads what the agency was granted, so that it was granted before does not matter.
    reader.get(&file()).await.is(200);
    scene.second.post(&format!("{page}/approve"), &[]).await.is(409);
    scene.second.post(&format!("{page}/withdraw"), &[("reason", "left the project")]).await.is(303);
    reader.get(&file()).await.is(404);
    // Named anew, refused, and named once more.
    let page = scene.nominate(&late).await;
    scene.second.post(&format!("{page}/refuse"), &[("reason", "not cleared")]).await.is(303);
    scene.second.post(&format!("{page}/approve"), &[]).await.is(409);
    reader.get(&file()).await.is(404);
    let page = scene.nominate(&late).await;
    scene.second.post(&format!("{page}/approve"), &[]).await.is(303);
    reader.get(&file()).await.is(200);
    // Whoever leaves the agency reads nothing from the next request, and no agreement names them.
    scene.first.post(&format!("/admin/people/{}/leave", late.id), &[("reason", "changed employer")]).await.is(303);
    reader.get(&file()).await.is(303);
    let nominees = scene.portal.rooms.entitlements.people(&scene.agency.agreement).await.unwrap();
    assert_eq!(nominees, std::slice::from_ref(&scene.person.id));
    for (kind, count) in [
        (Kind::PersonNominated, 3),
        (Kind::PersonApproved, 2),
        (Kind::PersonRefused, 1),
        (Kind::PersonWithdrawn, 2),
        (Kind::AccountDisabled, 1),
    ] {
        assert_eq!(scene.kinds(kind).await.len(), count, "{kind}");
    }
    // Nobody of another agency, and nobody who is no reviewer.
    let other = scene.portal.agency().await;
    let stranger = scene.portal.unnamed(&other).await;
    for account in [stranger.id.as_str(), scene.portal.auditor.id.as_str(), "acc_none", ""] {
        scene.first.post(&twice, &[("account", account)]).await.is(422);
    }
}

async fn terms_are_accepted_before_the_first_page_and_again_when_they_change(backend: Backend) {
    let scene = Scene::set(backend).await;
    let terms = format!("/admin/agreements/{}/terms", scene.agency.agreement);
    scene.first.post(&terms, &[("text", "Take nothing away.")]).await.is(303);
    let sent = scene.reader.get(&format!("{}?x=1", file())).await.is(303);
    assert!(sent.location().starts_with("/terms?next="), "{}", sent.location());
    let told = scene.reader.get_json(&file()).await.is(403);
    assert_eq!(told.json()["error"]["code"], "terms_not_accepted");
    for page in ["/", "/p", "/search?q=strcpy"] {
        assert!(scene.reader.get(page).await.is(303).location().starts_with("/terms"), "{page}");
    }
    let shown = scene.reader.get("/terms?next=/p").await.is(200).text();
    assert!(shown.contains("Take nothing away.") && shown.contains("version 1"));
    let agreement = scene.agency.agreement.as_str();
    scene.reader.post("/terms", &[("agreement", agreement), ("version", "2"), ("next", "/p")]).await.is(409);
    scene.reader.post("/terms", &[("agreement", "agr_none"), ("version", "1"), ("next", "/p")]).await.is(404);
    let onward = scene.reader.post("/terms", &[("agreement", agreement), ("version", "1"), ("next", "/p")]).await.is(303);
    assert_eq!(onward.location(), "/p");
    scene.reader.get(&file()).await.is(200);
    // Terms that change are asked for again; one that was read before they changed is not taken for the newer.
    scene.second.post(&terms, &[("text", "Take nothing away, and tell nobody.")]).await.is(303);
    scene.reader.get(&file()).await.is(303);
    scene.reader.post("/terms", &[("agreement", agreement), ("version", "1"), ("next", "/p")]).await.is(409);
    scene.reader.get(&file()).await.is(303);
    assert!(scene.reader.get("/terms").await.is(200).text().contains("have changed"));
    scene.reader.post("/terms", &[("agreement", agreement), ("version", "2"), ("next", "//evil.example")]).await.is(303);
    scene.reader.get(&file()).await.is(200);
    let accepted = scene.kinds(Kind::TermsAccepted).await;
    let published = scene.kinds(Kind::TermsPublished).await;
    assert_eq!((accepted.len(), published.len()), (2, 2));
    for (accepted, published) in accepted.iter().zip(&published) {
        assert_eq!(accepted.facts["sha256"], published.facts["sha256"]);
        assert_eq!(accepted.actor.as_ref().unwrap().account, scene.person.id);
    }
    assert!(scene.first.get(&terms).await.is(200).text().contains("accepted by 1 person"));
    assert!(scene.second.post(&terms, &[("text", " ")]).await.is(422).text().contains("cannot be left empty"));
}

async fn a_draft_opens_nothing_and_a_signed_agreement_reaches_further_by_two(backend: Backend) {
    let scene = Scene::set(backend).await;
    let fields = [
        ("agency", scene.agency.id.as_str()),
        ("reference", "GSP-DRAFT"),
        ("from", "2027-02-01"),
        ("until", "2027-04-30"),
        ("kind", "source review"),
        ("handling", "No notes leave the room."),
        ("save", "draft"),
    ];
    let page = scene.first.post("/admin/agreements/new", &fields).await.is(303).location().to_owned();
    let id = page.rsplit('/').next().unwrap();
    let grant =
        [("agreement", id), ("product", "gateway"), ("versions", "*"), ("from", "2027-02-03"), ("until", "2027-03-31"), ("purpose", "x")];
    assert!(scene.first.propose("/admin/grants/new", &grant).await.is(422).text().contains("is a draft"));
    // A draft is changed whole; once it is signed, what makes it reach further takes a second administrator.
    let longer: Vec<(&str, &str)> =
        fields.iter().map(|&(name, value)| if name == "until" { (name, "2027-05-31") } else { (name, value) }).collect();
    scene.first.post(&format!("{page}/edit"), &longer).await.is(303);
    scene.first.post(&format!("{page}/sign"), &[]).await.is(303);
    scene.first.post(&format!("{page}/sign"), &[]).await.is(409);
    scene.first.propose("/admin/grants/new", &grant).await.is(303);
    let until = || async { scene.portal.rooms.entitlements.agreement(id).await.unwrap().unwrap().term.until.date() };
    assert_eq!(until().await, "2027-06-01");
    let renewed = [
        ("agency", scene.agency.id.as_str()),
        ("reference", "GSP-OTHER"),
        ("from", "2027-02-01"),
        ("until", "2028-05-31"),
        ("kind", "source review"),
        ("handling", "Notes stay sealed."),
        ("reason", "renewed by letter"),
    ];
    scene.first.post(&format!("{page}/edit"), &renewed).await.is(303);
    assert_eq!(until().await, "2027-06-01");
    let stands = scene.portal.rooms.entitlements.agreement(id).await.unwrap().unwrap();
    assert_eq!((stands.reference.as_str(), stands.paper.handling.as_str()), ("GSP-DRAFT", "Notes stay sealed."));
    scene.second.post(&format!("{page}/edit"), &renewed).await.is(409);
    let amendment = scene.portal.rooms.entitlements.open_amendments().await.unwrap()[0].id.to_string();
    let decide = |verb: &str| format!("{page}/amendments/{amendment}/{verb}");
    scene.first.post(&decide("approve"), &[]).await.is(409);
    assert_eq!(until().await, "2027-06-01");
    scene.second.post(&decide("approve"), &[]).await.is(303);
    assert_eq!(until().await, "2028-06-01");
    scene.second.post(&decide("refuse"), &[("reason", "late")]).await.is(409);
    let amended = scene.kinds(Kind::AgreementAmended).await;
    let last = amended.last().unwrap();
    assert_eq!(last.facts["before"]["until"], "2027-06-01T00:00:00.000000Z");
    assert_eq!(last.facts["after"]["until"], "2028-06-01T00:00:00.000000Z");
    assert_eq!(scene.kinds(Kind::AgreementDrafted).await.len(), 1);
    // Ninety days before its end it stands among the renewals, and on the desk.
    assert!(!scene.first.get("/admin/agreements?due=renewal").await.is(200).text().contains("GSP-DRAFT"));
    scene.portal.clock.set(lectern::clock::Timestamp::parse("2028-05-28").unwrap());
    let first = scene.portal.sign_in(&scene.portal.administrators[0]).await;
    assert!(first.get("/admin/agreements?due=renewal").await.is(200).text().contains("GSP-DRAFT"));
    assert!(first.get("/").await.is(200).text().contains("GSP-DRAFT ends within seven days"));
}

async fn an_agreement_reaches_no_further_than_its_networks_and_products(backend: Backend) {
    let scene = Scene::set(backend).await;
    let page = format!("/admin/agreements/{}", scene.agency.agreement);
    let agreement = scene.portal.rooms.entitlements.agreement(scene.agency.agreement.as_str()).await.unwrap().unwrap();
    let from = agreement.term.from.date();
    let until = agreement.term.until.minus(Duration::from_micros(1)).date();
    let change = |covers: &'static str, addresses: &'static str| {
        let fields = [
            ("agency", scene.agency.id.to_string()),
            ("reference", agreement.reference.clone()),
            ("from", from.clone()),
            ("until", until.clone()),
            ("covers", covers.to_owned()),
            ("addresses", addresses.to_owned()),
            ("reason", "as signed".to_owned()),
        ];
        let page = page.clone();
        let scene = &scene;
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            scene.first.post(&format!("{page}/edit"), &fields).await.is(303);
            let amendment = scene.portal.rooms.entitlements.open_amendments().await.unwrap()[0].id.to_string();
            scene.second.post(&format!("{page}/amendments/{amendment}/approve"), &[]).await.is(303);
        }
    };
    // The reader asks from 192.0.2.7.
    change("", "192.0.2.0/29, 2001:db8::/32").await;
    scene.reader.get(&file()).await.is(200);
    change("", "198.51.100.0/24").await;
    scene.reader.get(&file()).await.is(404);
    assert_eq!(scene.reader.get_json("/p").await.is(200).json()["products"].as_array().unwrap().len(), 0);
    change("ledger", "").await;
    scene.reader.get(&file()).await.is(404);
    let grant = [
        ("agreement", scene.agency.agreement.as_str()),
        ("product", "gateway"),
        ("versions", "*"),
        ("from", "2027-02-03"),
        ("until", "2027-03-31"),
        ("purpose", "x"),
    ];
    assert!(scene.first.propose("/admin/grants/new", &grant).await.is(422).text().contains("covers ledger and nothing else"));
    change("gateway ledger", "").await;
    scene.reader.get(&file()).await.is(200);
    let odd = [
        ("agency", scene.agency.id.as_str()),
        ("reference", "x"),
        ("from", from.as_str()),
        ("until", until.as_str()),
        ("covers", "nothing"),
        ("addresses", "192.0.2.0/40"),
    ];
    let told = scene.first.post(&format!("{page}/edit"), &odd).await.is(422).text();
    assert!(told.contains("no product called nothing") && told.contains("is no network"), "{told}");
}

async fn a_grant_takes_as_many_approvals_as_it_says(backend: Backend) {
    let scene = Scene::set(backend).await;
    let third = scene.portal.colleague(Role::Administrator).await;
    let third = scene.portal.sign_in(&third).await;
    let fields = [
        ("agreement", scene.agency.agreement.as_str()),
        ("product", "ledger"),
        ("versions", "*"),
        ("from", "2027-02-03"),
        ("until", "2027-03-31"),
        ("purpose", "review"),
        ("needed", "2"),
    ];
    for odd in ["0", "6", "two"] {
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|&(name, value)| if name == "needed" { (name, odd) } else { (name, value) }).collect();
        scene.first.propose("/admin/grants/new", &fields).await.is(422);
    }
    let page = scene.first.propose("/admin/grants/new", &fields).await.is(303).location().to_owned();
    let readable = || async { scene.reader.get_json("/p").await.is(200).json()["products"].as_array().unwrap().len() };
    scene.second.approve(&page).await.is(303);
    assert_eq!(readable().await, 1);
    let twice = scene.second.approve(&page).await.is(409);
    assert!(twice.text().contains("approved it already"), "{}", twice.text());
    scene.first.approve(&page).await.is(409);
    third.approve(&page).await.is(303);
    assert_eq!(readable().await, 2);
    let approvals = scene.kinds(Kind::EntitlementApproved).await;
    let last = approvals.last().unwrap();
    assert_eq!((&last.facts["approvals"], &last.facts["needed"]), (&Value::from(2), &Value::from(2)));
}

async fn a_grant_for_some_is_for_nobody_else(backend: Backend) {
    let scene = Scene::set(backend).await;
    let other = scene.portal.named(&scene.agency).await;
    let colleague = scene.portal.sign_in(&other).await;
    let fields = |people: &str| {
        vec![
            ("agreement", scene.agency.agreement.to_string()),
            ("product", "ledger".to_owned()),
            ("versions", "*".to_owned()),
            ("from", "2027-02-03".to_owned()),
            ("until", "2027-03-31".to_owned()),
            ("purpose", "review".to_owned()),
            ("people", people.to_owned()),
        ]
    };
    let post = async |people: &str| {
        let fields = fields(people);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        scene.first.propose("/admin/grants/new", &fields).await
    };
    assert!(post("nobody@nowhere.example").await.is(422).text().contains("Nobody has the e-mail address"));
    let unnamed = scene.portal.unnamed(&scene.agency).await;
    assert!(post(&unnamed.email).await.is(422).text().contains("whom the agreement names"));
    let page = post(&other.email.to_uppercase()).await.is(303).location().to_owned();
    scene.second.approve(&page).await.is(303);
    let readable = async |client: &Client| client.get_json("/p").await.is(200).json()["products"].as_array().unwrap().len();
    assert_eq!(readable(&scene.reader).await, 1);
    let products = colleague.get_json("/p").await.json();
    assert_eq!(products["products"][1]["name"], "ledger", "{products}");
}

async fn what_is_given_alone_is_short_loud_and_reviewed_by_another(backend: Backend) {
    let scene = Scene::set(backend).await;
    let fields = |hours: &'static str| {
        vec![
            ("agreement", scene.agency.agreement.to_string()),
            ("product", "ledger".to_owned()),
            ("versions", "*".to_owned()),
            ("purpose", "an incident".to_owned()),
            ("hours", hours.to_owned()),
        ]
    };
    let give = async |client: &Client, hours: &'static str| {
        let fields = fields(hours);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.propose("/admin/grants/alone", &fields).await
    };
    for odd in ["0", "9", "", "-1"] {
        assert!(give(&scene.first, odd).await.is(422).text().contains("Choose 1 to 8 hours"), "{odd}");
    }
    let readable = async || scene.reader.get_json("/p").await.is(200).json()["products"].as_array().unwrap().len();
    let page = give(&scene.first, "2").await.is(303).location().to_owned();
    assert_eq!(readable().await, 2);
    // Everybody who should know is told.
    let auditor = scene.portal.sign_in(&scene.portal.auditor).await;
    for desk in [&scene.first, &scene.second, &auditor] {
        assert!(desk.get("/").await.is(200).text().contains("alone, and no"), "a desk says nothing");
    }
    assert!(give(&scene.first, "1").await.is(422).text().contains("nobody has reviewed"));
    scene.first.post(&format!("{page}/justified"), &[("reason", "I know")]).await.is(409);
    scene.portal.clock.advance(2 * HOUR);
    let reader = scene.portal.sign_in(&scene.person).await;
    assert_eq!(reader.get_json("/p").await.is(200).json()["products"].as_array().unwrap().len(), 1);
    let second = scene.portal.sign_in(&scene.portal.administrators[1]).await;
    second.post(&format!("{page}/objected"), &[("reason", "it could have waited")]).await.is(303);
    second.post(&format!("{page}/justified"), &[("reason", "after all")]).await.is(409);
    let reviewed = scene.kinds(Kind::EntitlementReviewed).await;
    assert_eq!((reviewed.len(), &reviewed[0].facts["review"]), (1, &Value::from("objected")));
    assert_eq!(scene.kinds(Kind::EntitlementEmergency).await.len(), 1);
    let first = scene.portal.sign_in(&scene.portal.administrators[0]).await;
    let page = give(&first, "8").await.is(303).location().to_owned();
    // It is taken back like any other.
    let reader = scene.portal.sign_in(&scene.person).await;
    assert_eq!(reader.get_json("/p").await.json()["products"].as_array().unwrap().len(), 2);
    second.post(&format!("{page}/revoke"), &[("reason", "enough")]).await.is(303);
    assert_eq!(reader.get_json("/p").await.json()["products"].as_array().unwrap().len(), 1);
    assert!(scene.portal.clock.now() > lectern::clock::Timestamp::parse("2027-02-03").unwrap().plus(DAY / 4));
}

async fn an_agency_that_is_struck_is_granted_nothing_new(backend: Backend) {
    let scene = Scene::set(backend).await;
    let page = format!("/admin/agencies/{}", scene.agency.name.to_lowercase().replace(' ', "-"));
    scene.first.post(&format!("{page}/strike"), &[("reason", "")]).await.is(422);
    scene.first.post(&format!("{page}/strike"), &[("reason", "sanctions")]).await.is(303);
    scene.second.post(&format!("{page}/strike"), &[("reason", "sanctions")]).await.is(409);
    assert!(scene.first.get(&page).await.is(200).text().contains("sanctions"));
    scene.reader.get(&file()).await.is(200);
    let grant = [
        ("agreement", scene.agency.agreement.as_str()),
        ("product", "ledger"),
        ("versions", "*"),
        ("from", "2027-02-03"),
        ("until", "2027-03-31"),
        ("purpose", "x"),
    ];
    assert!(scene.first.propose("/admin/grants/new", &grant).await.is(422).text().contains("struck from the list"));
    let signed = [("agency", scene.agency.id.as_str()), ("reference", "GSP-NEW"), ("from", "2027-02-01"), ("until", "2027-04-30")];
    assert!(scene.first.post("/admin/agreements/new", &signed).await.is(422).text().contains("struck from the list"));
    scene.second.post(&format!("{page}/restore"), &[]).await.is(303);
    scene.first.propose("/admin/grants/new", &grant).await.is(303);
    let changed = scene.kinds(Kind::AgencyChanged).await;
    assert_eq!(changed.len(), 2);
    assert_eq!(
        (&changed[0].facts["before"]["eligible"], &changed[0].facts["after"]["eligible"]),
        (&Value::from(true), &Value::from(false))
    );
    // What is written down about it changes, its address does not, and contacts stand in no entry.
    let edited = [("name", "Agency of Atlantis"), ("country", "Atlantis"), ("kind", "ministry"), ("contacts", "Ada Lovelace")];
    scene.first.post(&format!("{page}/edit"), &edited).await.is(303);
    assert!(scene.first.get(&page).await.is(200).text().contains("Ada Lovelace"));
    let last = scene.kinds(Kind::AgencyChanged).await.pop().unwrap();
    assert_eq!(last.facts["after"]["kind"], "ministry");
    assert!(!String::from_utf8_lossy(&last.bytes).contains("Lovelace"));
}

async fn of_two_who_decide_at_once_one_is_told(backend: Backend) {
    let scene = Scene::set(backend).await;
    let third = scene.portal.colleague(Role::Administrator).await;
    let third = scene.portal.sign_in(&third).await;
    let (one, two) = (scene.second.csrf().await, third.csrf().await);
    let fields = [("reason", "because")];
    for (left, right) in [("approve", "approve"), ("approve", "refuse"), ("refuse", "refuse")].repeat(2) {
        let person = scene.portal.unnamed(&scene.agency).await;
        let page = scene.nominate(&person).await;
        let (left, right) = (format!("{page}/{left}"), format!("{page}/{right}"));
        let (a, b) = tokio::join!(scene.second.post_with(&left, &one, &fields), third.post_with(&right, &two, &fields));
        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409], "{left} and {right}");
    }
    let subject = [("subject", "product"), ("id", "ledger"), ("reason", "an incident")];
    let (a, b) = tokio::join!(
        scene.second.post_with("/admin/suspensions/new", &one, &subject),
        third.post_with("/admin/suspensions/new", &two, &subject)
    );
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    // Two approvals that a grant takes, at once: both count, and it is in force.
    let fourth = scene.portal.colleague(Role::Administrator).await;
    let fourth = scene.portal.sign_in(&fourth).await;
    let csrf = fourth.csrf().await;
    for _ in 0..3 {
        let fields = [
            ("agreement", scene.agency.agreement.as_str()),
            ("product", "gateway"),
            ("versions", "*"),
            ("from", "2027-02-03"),
            ("until", "2027-03-31"),
            ("purpose", "review"),
            ("needed", "2"),
        ];
        let page = scene.first.propose("/admin/grants/new", &fields).await.is(303).location().to_owned();
        let approve = format!("{page}/approve");
        let seen = [third.look(&page).await, fourth.look(&page).await];
        let fields = seen.each_ref().map(|seen| [("seen", seen.as_str())]);
        let (a, b) = tokio::join!(third.post_with(&approve, &two, &fields[0]), fourth.post_with(&approve, &csrf, &fields[1]));
        assert_eq!((a.status.as_u16(), b.status.as_u16()), (303, 303));
        let id = page.rsplit('/').next().unwrap();
        let line = scene.portal.rooms.entitlements.grant(id).await.unwrap().unwrap();
        assert!(line.entitlement.is_well_approved(scene.portal.clock.now()));
    }
}
