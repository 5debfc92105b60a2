//! Long lists a page at a time: grants, agreements, agencies and nominations, as filtered by the database and as the rules tell it.

use std::collections::BTreeSet;

use lectern::clock::{Clock, Timestamp};
use lectern::entitlements::{
    AgreementFilter, GrantFilter, NewAgency, NewAgreement, NewCampaign, NominationFilter, NominationStage, PAGE, Phase, Standing, Subject,
    SubjectKind, Turn, Window,
};

use crate::harness::client::Client;
use crate::harness::{Agency, Backend, DAY, Grant, Portal, on_both};

on_both! {
    pages_follow_each_other_and_stay_what_they_are
    the_database_tells_the_phase_of_a_grant_as_the_rules_do
    the_database_tells_how_an_agreement_stands_as_the_rules_do
    words_find_what_holds_all_of_them
}

/// The grants on a page, and the addresses of the pages of newer and of older ones.
async fn page(client: &Client, address: &str) -> (Vec<String>, Option<String>, Option<String>) {
    let text = client.get(address).await.is(200).text();
    let ids = text.match_indices("href=\"/admin/grants/ent_").map(|(at, found)| {
        let rest = &text[at + found.len()..];
        rest[..rest.find('"').unwrap()].to_owned()
    });
    let link = |rel: &str| {
        let (_, rest) = text.split_once(&format!("rel=\"{rel}\" href=\""))?;
        Some(rest[..rest.find('"').unwrap()].replace("&#38;", "&").replace("&amp;", "&"))
    };
    (ids.collect(), link("prev"), link("next"))
}

async fn pages_follow_each_other_and_stay_what_they_are(backend: Backend) {
    let portal = Portal::bare(backend).await;
    portal.add("gateway").await;
    portal.add("ledger").await;
    let agency = portal.agency().await;
    let mut proposed = Vec::new();
    for number in 0..112_u32 {
        // Some at the same instant: then it is the id that tells their order.
        portal.clock.advance(std::time::Duration::from_secs(u64::from(number % 3)));
        let product = if number % 4 == 0 { "ledger" } else { "gateway" };
        proposed.push(portal.propose(&agency, &Grant::of(product)).await.to_string());
    }
    let client = portal.sign_in(&portal.administrators[1]).await;
    let (first, none, second_at) = page(&client, "/admin/grants").await;
    assert_eq!((first.len(), none), (PAGE, None));
    let second_at = second_at.unwrap();
    let (second, first_at, third_at) = page(&client, &second_at).await;
    let (third, back_at, none) = page(&client, &third_at.unwrap()).await;
    assert_eq!((second.len(), third.len(), none), (PAGE, 12, None));
    let all: Vec<String> = first.iter().chain(&second).chain(&third).map(|id| format!("ent_{id}")).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>(), proposed.iter().collect::<BTreeSet<_>>());
    let newest = portal.rooms.entitlements.list().await.unwrap();
    assert_eq!(all, newest.iter().map(|line| line.entitlement.id.to_string()).collect::<Vec<_>>());
    // Back the same way, and the middle stays what it is while others propose.
    assert_eq!(page(&client, &back_at.unwrap()).await.0, second);
    assert_eq!(page(&client, &first_at.unwrap()).await.0, first);
    portal.clock.advance(DAY);
    let client = portal.sign_in(&portal.administrators[1]).await;
    portal.propose(&agency, &Grant::of("gateway")).await;
    assert_eq!(page(&client, &second_at).await.0, second);
    assert!(client.get("/admin/grants").await.is(200).text().contains("113 grants"));
    let text = client.get("/admin/grants?product=ledger&state=proposed").await.is(200).text();
    assert!(text.contains("28 grants that match."), "{text}");
    // A page behind what is not there begins at the top, and filters stay in the addresses.
    assert_eq!(page(&client, "/admin/grants?after=ent_none").await.0.len(), PAGE);
    assert!(page(&client, "/admin/grants?product=gateway").await.2.unwrap().starts_with("/admin/grants?product=gateway&after=ent_"));
    // An agency's page shows the newest and leads to all.
    let slug = agency.name.to_lowercase().replace(' ', "-");
    let text = client.get(&format!("/admin/agencies/{slug}")).await.is(200).text();
    assert!(text.contains("All 113 grants") && text.contains(&format!("/admin/grants?agency={slug}")), "{text}");
}

async fn phases(portal: &Portal) -> Vec<Phase> {
    let now = portal.clock.now();
    let all = portal.rooms.entitlements.list().await.unwrap();
    for phase in Phase::ALL {
        let filter = GrantFilter { phase: Some(phase), ..GrantFilter::default() };
        let told = portal.rooms.entitlements.grants(&filter, &Turn::First).await.unwrap();
        let rule: Vec<_> = all.iter().filter(|line| line.phase(now) == phase).map(|line| line.entitlement.id.clone()).collect();
        assert_eq!(told.rows.iter().map(|line| line.entitlement.id.clone()).collect::<Vec<_>>(), rule, "{phase:?}");
        assert_eq!(portal.rooms.entitlements.count_grants(&filter).await.unwrap(), rule.len() as u64);
    }
    let in_force = all.iter().filter(|line| line.phase(now) == Phase::InForce).count() as u64;
    let by_agency = portal.rooms.entitlements.in_force_by_agency().await.unwrap();
    assert_eq!(by_agency.iter().map(|(_, number)| number).sum::<u64>(), in_force);
    let by_agreement = portal.rooms.entitlements.in_force_by_agreement().await.unwrap();
    assert_eq!(by_agreement.iter().map(|(_, number)| number).sum::<u64>(), in_force);
    all.iter().map(|line| line.phase(now)).collect()
}

async fn suspend(portal: &Portal, kind: SubjectKind, id: &str) {
    let by = portal.desk(&portal.administrators[0]).await;
    portal.rooms.entitlements.suspend(kind, id, "an incident", &by.step_up, &portal.context()).await.unwrap();
}

async fn the_database_tells_the_phase_of_a_grant_as_the_rules_do(backend: Backend) {
    let portal = Portal::bare(backend).await;
    portal.add("gateway").await;
    let (one, two, three): (Agency, Agency, Agency) = (portal.agency().await, portal.agency().await, portal.agency().await);
    let by = portal.desk(&portal.administrators[1]).await;
    let context = portal.context();
    for agency in [&one, &two, &three] {
        portal.propose(agency, &Grant::of("gateway")).await;
        portal.grant(agency, &Grant { from: DAY, until: 3 * DAY, ..Grant::of("gateway") }).await;
        portal.grant(agency, &Grant { until: 2 * DAY, ..Grant::of("gateway") }).await;
        let refused = portal.propose(agency, &Grant::of("gateway")).await;
        portal.rooms.entitlements.refuse(&refused, "no", &by.principal, &context).await.unwrap();
        let revoked = portal.grant(agency, &Grant::of("gateway")).await;
        portal.rooms.entitlements.revoke(&revoked, "over", &by.step_up, &context).await.unwrap();
    }
    let alone = portal.grant(&one, &Grant::of("gateway")).await;
    suspend(&portal, SubjectKind::Grant, alone.as_str()).await;
    suspend(&portal, SubjectKind::Agency, two.id.as_str()).await;
    let mut seen = BTreeSet::new();
    let start = portal.clock.now();
    let subject = Some(Subject { kind: SubjectKind::Agency, id: three.id.to_string(), name: String::new() });
    let spring = NewCampaign { name: "Spring".to_owned(), subject, due: start.plus(DAY) };
    portal.rooms.entitlements.open_campaign(spring, &by.step_up, &context).await.unwrap();
    let instant = std::time::Duration::from_micros(1);
    for at in [start, start.plus(DAY).minus(instant), start.plus(DAY), start.plus(2 * DAY), start.plus(3 * DAY), start.plus(731 * DAY)] {
        portal.clock.set(at);
        seen.extend(phases(&portal).await.into_iter().map(|phase| format!("{phase:?}")));
    }
    assert_eq!(seen.len(), Phase::ALL.len(), "{seen:?}");
    // An agreement that was ended takes its grants with it.
    portal.clock.set(start);
    let by = portal.desk(&portal.administrators[1]).await;
    portal.rooms.entitlements.end_agreement(&three.agreement, "over", &by.step_up, &context).await.unwrap();
    assert!(phases(&portal).await.contains(&Phase::Ended));
}

async fn the_database_tells_how_an_agreement_stands_as_the_rules_do(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let agency = portal.agency().await;
    let now = portal.clock.now();
    let mut made = vec![agency.agreement.clone()];
    for (number, (from, until, draft)) in
        [(0, 10, false), (1, 400, false), (0, 91, false), (0, 90, false), (0, 300, true), (0, 5, true)].into_iter().enumerate()
    {
        let term = Window { from: now.plus(DAY * from), until: now.plus(DAY * until) };
        let new = NewAgreement { draft, ..NewAgreement::signed(agency.id.clone(), &format!("REF-{number}"), term) };
        made.push(portal.rooms.entitlements.add_agreement(new, None, &portal.context()).await.unwrap().id);
    }
    let by = portal.desk(&portal.administrators[0]).await;
    portal.rooms.entitlements.end_agreement(&made[3], "over", &by.step_up, &portal.context()).await.unwrap();
    suspend(&portal, SubjectKind::Agreement, made[4].as_str()).await;
    let all = [
        Standing::Draft,
        Standing::Signed,
        Standing::InForce,
        Standing::RenewalDue,
        Standing::Suspended,
        Standing::Expired,
        Standing::Terminated,
    ];
    let mut seen = BTreeSet::new();
    for days in [0, 1, 4, 9, 10, 89, 90, 91, 400] {
        portal.clock.set(now.plus(DAY * days));
        let now: Timestamp = portal.clock.now();
        let agreements = portal.rooms.entitlements.agreements().await.unwrap();
        let ids = |keep: &dyn Fn(&lectern::entitlements::Agreement) -> bool| -> BTreeSet<_> {
            agreements.iter().filter(|of| keep(of)).map(|of| of.id.clone()).collect()
        };
        for standing in all {
            let filter = AgreementFilter { standing: vec![standing], ..AgreementFilter::default() };
            let told = portal.rooms.entitlements.agreements_page(&filter, &Turn::First).await.unwrap();
            let rule = ids(&|of| of.standing(now) == standing);
            assert_eq!(told.rows.iter().map(|of| of.id.clone()).collect::<BTreeSet<_>>(), rule, "{standing:?} on day {days}");
            assert!(told.rows.is_sorted_by_key(|of| of.term.until));
            if !rule.is_empty() {
                seen.insert(format!("{standing:?}"));
            }
        }
        let due: BTreeSet<_> = portal.rooms.entitlements.renewals().await.unwrap().into_iter().map(|of| of.id).collect();
        assert_eq!(due, ids(&|of| of.reminder(now).is_some()), "day {days}");
        let open = portal.rooms.entitlements.agreements_in_force().await.unwrap();
        assert_eq!(open.iter().map(|(_, number)| *number).sum::<u64>(), ids(&|of| of.in_force(now)).len() as u64);
    }
    assert_eq!(seen.len(), all.len(), "{seen:?}");
}

async fn words_find_what_holds_all_of_them(backend: Backend) {
    let portal = Portal::bare(backend).await;
    for (name, country) in [("Office_100% Signals", "Atlantis"), ("Office Signals", "Avalon"), ("B\u{e4}renamt", "Atlantis")] {
        portal.rooms.entitlements.add_agency(NewAgency::named(name, country), None, &portal.context()).await.unwrap();
    }
    let found = async |words: &str| {
        let page = portal.rooms.entitlements.agencies_page(words, &Turn::First).await.unwrap();
        assert_eq!(page.total, page.rows.len() as u64);
        page.rows.into_iter().map(|agency| agency.name).collect::<Vec<_>>()
    };
    assert_eq!(found("office").await, ["Office Signals", "Office_100% Signals"]);
    assert_eq!(found("SIGNALS atlantis").await, ["Office_100% Signals"]);
    assert_eq!(found("e_").await, ["Office_100% Signals"]);
    assert_eq!(found("0%").await, ["Office_100% Signals"]);
    assert_eq!(found("b\u{e4}ren").await, ["B\u{e4}renamt"]);
    assert_eq!(found("' OR 1=1 --").await, Vec::<String>::new());
    assert_eq!(found("").await.len(), 3);
    let client = portal.sign_in(&portal.administrators[0]).await;
    let text = client.get("/admin/agencies?q=atlantis").await.is(200).text();
    assert!(text.contains("2 agencies that match.") && !text.contains("Avalon"), "{text}");
    assert!(client.get("/admin/agencies?q=nowhere").await.is(200).text().contains("No agency matches"));

    let agency = portal.agency().await;
    let named = portal.named(&agency).await;
    let other = portal.named(&portal.agency().await).await;
    let wanted = NominationFilter { stage: Some(NominationStage::Approved), agency: Some(agency.id.clone()), words: String::new() };
    let page = portal.rooms.entitlements.nominations(&wanted, &Turn::First).await.unwrap();
    assert_eq!((page.total, &page.rows[0].email), (1, &named.email));
    let text = client.get(&format!("/admin/nominations?q={}", other.email)).await.is(200).text();
    assert!(text.contains("1 nomination that matches.") && !text.contains(&named.email), "{text}");
    client.get("/admin/nominations?state=odd").await.is(400);
    client.get("/admin/agreements?state=odd").await.is(400);
    client.get("/admin/agreements?agency=none").await.is(404);
    let text = client.get("/admin/agreements?q=GSP-").await.is(200).text();
    assert!(text.contains("2 agreements that match."), "{text}");
    assert!(client.get("/admin/agreements?due=renewal").await.is(200).text().contains("No agreement ends within ninety days"));
}
