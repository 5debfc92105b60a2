//! What a grant opens is shown before it is proposed and before it is approved: counted right, recorded first, and nothing goes on unseen.

use std::collections::BTreeSet;

use git2::FileMode;
use lectern::access::{AccessError, Action, Decision, Facts, Opening, Request, decide};
use lectern::accounts::Role;
use lectern::audit::{Filter, Kind};
use lectern::catalog::RepoPath;
use lectern::clock::Clock;
use lectern::entitlements::{PathScope, Readers};
use lectern::search::{Extent, Foreseen, Preview};

use crate::harness::client::{Client, seen_in};
use crate::harness::library::{Piece, VERSIONS};
use crate::harness::{Agency, Backend, DAY, Grant, Person, Portal, on_both};

on_both! {
    figures_are_those_of_a_plain_walk
    what_is_foreseen_for_a_person_is_what_policy_then_permits
    nothing_is_proposed_that_was_not_shown
    nothing_is_approved_that_was_not_shown_as_it_is_now
    what_should_not_be_overlooked_is_said
    only_administrators_are_told_and_each_time_it_is_recorded
    what_is_not_indexed_is_said_to_be_uncounted
}

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text.as_bytes()).unwrap()
}

async fn opening(portal: &Portal, agency: &Agency, versions: &[&str], includes: &[&str], excludes: &[&str]) -> Opening {
    Opening {
        grant: None,
        agreement: agency.agreement.clone(),
        product: portal.rooms.catalog.product("gateway").await.unwrap().unwrap(),
        versions: versions.iter().map(ToString::to_string).collect(),
        scope: PathScope {
            includes: includes.iter().map(|text| path(text)).collect(),
            excludes: excludes.iter().map(|text| path(text)).collect(),
        },
        readers: Readers::Everybody,
        lasting: String::new(),
    }
}

async fn preview(portal: &Portal, opening: Opening) -> Preview {
    let by = portal.desk(&portal.administrators[0]).await;
    let reveal = portal.rooms.gate.reveal(&by.principal, opening, &portal.context()).await.unwrap();
    let foreseen = portal.rooms.indexes.foresee(reveal).unwrap();
    Foreseen::open(portal.rooms.log.record(foreseen, &portal.context()).await.unwrap()).0
}

/// The files of the gateway, as somebody who walks the trees finds them.
fn walked(portal: &Portal) -> impl Iterator<Item = &Piece> {
    portal.library.pieces.iter().filter(|piece| piece.product == "gateway" && piece.mode != FileMode::Commit)
}

fn lines(piece: &Piece) -> u64 {
    let text = piece.text.as_deref().unwrap_or_default();
    text.lines().count() as u64
}

async fn figures_are_those_of_a_plain_walk(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    portal.named(&agency).await;
    let table: [(&[&str], &[&str], &[&str]); 5] = [
        (&["*"], &[""], &[]),
        (&["v2.*"], &["src", "docs"], &["src/net/deep"]),
        (&["v1.0", "v1.1"], &[""], &["secret", "big"]),
        (&["*"], &["src/net"], &[]),
        (&["v9"], &[""], &[]),
    ];
    for (versions, includes, excludes) in table {
        let asked = opening(&portal, &agency, versions, includes, excludes).await;
        let scope = asked.scope.clone();
        let meant = |piece: &&Piece| {
            versions.iter().any(|pattern| *pattern == "*" || *pattern == piece.version || *pattern == "v2.*" && piece.version == "v2.0")
        };
        let opened = |piece: &&Piece| meant(piece) && scope.reads(&RepoPath::parse(&piece.path).unwrap());
        let found = preview(&portal, asked.clone()).await;
        let files: BTreeSet<(&[u8], &str)> =
            walked(&portal).filter(opened).map(|piece| (piece.path.as_slice(), piece.object.as_str())).collect();
        assert_eq!(found.files, files.len() as u64, "{versions:?} {includes:?}");
        assert_eq!(found.published, VERSIONS.len());
        for version in VERSIONS {
            let here: Vec<&Piece> = walked(&portal).filter(opened).filter(|piece| piece.version == version).collect();
            let told = found.versions.iter().find(|one| one.name == version);
            let figures = told.map_or((0, 0), |one| (one.files, one.lines));
            assert_eq!(figures, (here.len() as u64, here.iter().map(|piece| lines(piece)).sum()), "{version} {includes:?}");
        }
        // Every top directory by its own walk, and of what is left out how much that is.
        for directory in found.directories.iter().filter(|one| !one.excluded && one.path.components().count() == 1) {
            let below = files.iter().filter(|(path, _)| directory.path.contains(&RepoPath::parse(path).unwrap()));
            assert_eq!(directory.files, below.count() as u64, "{}", directory.path);
            assert_eq!(directory.new, directory.files, "nobody reads anything yet");
        }
        for exclude in excludes {
            let told = found.directories.iter().find(|one| one.excluded && one.path == path(exclude)).map_or(0, |one| one.files);
            let inside = PathScope { includes: asked.scope.includes.clone(), excludes: Vec::new() };
            let hidden: BTreeSet<(&[u8], &str)> = walked(&portal)
                .filter(meant)
                .filter(|piece| {
                    let at = RepoPath::parse(&piece.path).unwrap();
                    inside.reads(&at) && path(exclude).contains(&at)
                })
                .map(|piece| (piece.path.as_slice(), piece.object.as_str()))
                .collect();
            assert_eq!(told, hidden.len() as u64, "{exclude}");
        }
    }
}

/// What policy permits a person now: files as they are counted, versions of which anything, and files of each version.
async fn permitted(portal: &Portal, person: &Person) -> Extent {
    let held = portal.rooms.entitlements.held_by(&person.id).await.unwrap();
    let facts = Facts { role: Role::Reviewer, address: "192.0.2.7".parse().ok(), held };
    let readable = |piece: &&Piece| {
        let request =
            Request { product: "gateway", version: piece.version, path: &RepoPath::parse(&piece.path).unwrap(), action: Action::Read };
        matches!(decide(&facts, &request, portal.clock.now()), Decision::Permit { .. })
    };
    let all: Vec<&Piece> = walked(portal).filter(readable).collect();
    let files: BTreeSet<_> = all.iter().map(|piece| (&piece.path, &piece.object)).collect();
    let versions: BTreeSet<_> = all.iter().map(|piece| piece.version).collect();
    Extent { files: files.len() as u64, versions: versions.len() as u64, places: all.len() as u64 }
}

async fn what_is_foreseen_for_a_person_is_what_policy_then_permits(backend: Backend) {
    let portal = Portal::start(backend).await;
    let places =
        ["", "src", "src/net", "src/net/deep", "secret", "secret/keys", "docs", "odd", "src/gateway_main.c", "big", "nowhere", "assets"];
    let patterns = ["*", "v2.*", "v1.*", "v1.0", "v2.0", "v[12].0"];
    let mut seed = 7_u64;
    let mut any = |most: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % most
    };
    for _ in 0..6 {
        let agency = portal.agency().await;
        let people = [portal.named(&agency).await, portal.named(&agency).await];
        let (gone, other) = (portal.named(&agency).await, portal.unnamed(&agency).await);
        portal
            .rooms
            .accounts
            .lock(&gone.id, "left", &portal.desk(&portal.administrators[0]).await.step_up, &portal.context())
            .await
            .unwrap();
        for _ in 0..4 {
            let grant = Grant {
                product: "gateway",
                versions: vec![patterns[any(patterns.len())]],
                includes: (0..=any(2)).map(|_| places[any(places.len())]).collect(),
                excludes: (0..any(3)).map(|_| places[1 + any(places.len() - 1)]).collect(),
                ..Grant::of("gateway")
            };
            let asked = opening(&portal, &agency, &grant.versions, &grant.includes, &grant.excludes).await;
            let told = preview(&portal, asked).await;
            assert_eq!(told.people.len(), people.len(), "{:?}", told.people);
            let mut before = Vec::new();
            for person in &people {
                before.push(permitted(&portal, person).await);
            }
            portal.grant(&agency, &grant).await;
            for (person, before) in people.iter().zip(before) {
                let change = told.people.iter().find(|one| one.account == person.id).unwrap();
                assert_eq!((change.today, change.after), (before, permitted(&portal, person).await), "{grant:?}");
            }
            assert!(told.people.iter().all(|one| one.account != gone.id && one.account != other.id));
        }
    }
}

fn fields<'a>(agency: &'a Agency, change: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("agreement", agency.agreement.as_str()),
        ("product", "gateway"),
        ("versions", "v*"),
        ("include", "src\nsecret"),
        ("exclude", "src/net/deep"),
        ("from", "2027-02-03"),
        ("until", "2027-03-31"),
        ("purpose", "review"),
    ];
    for (name, value) in change {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
    }
    fields
}

const NEW: &str = "/admin/grants/new";

async fn shown(client: &Client, fields: &[(&str, &str)]) -> (String, String) {
    let mut all = fields.to_vec();
    all.push(("act", "preview"));
    let page = client.post(NEW, &all).await.is(200).text();
    (seen_in(&page).unwrap(), page)
}

async fn count(portal: &Portal, kind: Kind) -> usize {
    portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await.len()
}

async fn nothing_is_proposed_that_was_not_shown(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    portal.named(&agency).await;
    let first = portal.sign_in(&portal.administrators[0]).await;
    let second = portal.sign_in(&portal.administrators[1]).await;
    let good = fields(&agency, &[]);

    // Sent without a look: nothing is proposed, and what it opens is shown.
    let unseen = first.post(NEW, &good).await.is(409);
    assert!(unseen.text().contains("look at what it opens first") && unseen.text().contains("secret/"), "{}", unseen.text());
    let digest = seen_in(&unseen.text()).unwrap();
    assert_eq!(count(&portal, Kind::EntitlementPreviewed).await, 1);
    // What one administrator was shown, another was not.
    second.post(NEW, &fields(&agency, &[("seen", &digest)])).await.is(409);
    // Whatever was changed since is shown anew first; but for the words of the purpose, which open nothing.
    for change in [("include", "src"), ("exclude", ""), ("versions", "v1.*"), ("until", "2027-03-30"), ("product", "ledger")] {
        let other = first.post(NEW, &fields(&agency, &[change, ("seen", &digest)])).await.is(409);
        assert!(other.text().contains("is not what you looked at"), "{change:?}");
        assert_ne!(seen_in(&other.text()).unwrap(), digest, "{change:?}");
    }
    // So is what changed by itself: one more person would read it.
    portal.named(&agency).await;
    first.post(NEW, &fields(&agency, &[("seen", &digest)])).await.is(409);
    assert!(portal.rooms.entitlements.list().await.unwrap().is_empty());
    // A form that could not be sent is not counted for.
    let previews = count(&portal, Kind::EntitlementPreviewed).await;
    first.post(NEW, &fields(&agency, &[("until", "2031-01-01"), ("act", "preview")])).await.is(422);
    assert_eq!(count(&portal, Kind::EntitlementPreviewed).await, previews);

    let (digest, page) = shown(&first, &good).await;
    assert!(page.contains("Propose grant") && page.contains("left out"), "{page}");
    first.post(NEW, &fields(&agency, &[("seen", &digest), ("purpose", "another review")])).await.is(303);
    let proposed = portal.entries(Filter { kind: Some(Kind::EntitlementProposed), ..Filter::default() }).await.pop().unwrap();
    let previewed = portal.entries(Filter { kind: Some(Kind::EntitlementPreviewed), ..Filter::default() }).await.pop().unwrap();
    assert_eq!(proposed.facts["previewed"], previewed.index);
    assert_eq!((&proposed.facts["digest"], &previewed.facts["digest"]), (&digest.as_str().into(), &digest.as_str().into()));
    assert!(previewed.index < proposed.index);
    assert_eq!(previewed.place.as_ref().unwrap().product, "gateway");
    assert!(previewed.facts["files"].as_u64().unwrap() > 0 && previewed.facts["sensitive"].as_u64().unwrap() > 0);
    // Access given alone is looked at first, too.
    let alone = fields(&agency, &[("hours", "2")]);
    first.post("/admin/grants/alone", &alone).await.is(409);
    first.propose("/admin/grants/alone", &alone).await.is(303);
}

async fn nothing_is_approved_that_was_not_shown_as_it_is_now(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    portal.named(&agency).await;
    let first = portal.sign_in(&portal.administrators[0]).await;
    let second = portal.sign_in(&portal.administrators[1]).await;
    let page = first.propose(NEW, &fields(&agency, &[])).await.is(303).location().to_owned();
    let approve = format!("{page}/approve");
    assert!(second.post(&approve, &[]).await.is(409).text().contains("look at what it opens first"));
    assert!(second.post(&approve, &[("seen", &"0".repeat(64))]).await.is(409).text().contains("has changed since you looked"));
    let shown = second.get(&page).await.is(200).text();
    assert!(shown.contains("Nothing has changed since it was proposed."), "{shown}");
    let digest = seen_in(&shown).unwrap();
    // A version is withdrawn between the look and the approval.
    first.post("/admin/products/gateway/versions/v1.0/withdraw", &[("reason", "a key was in it")]).await.is(303);
    let told = second.post(&approve, &[("seen", &digest)]).await.is(409).text();
    assert!(told.contains("has changed since you looked") && told.contains("v1.0 can no longer be read"), "{told}");
    assert_eq!(count(&portal, Kind::EntitlementApproved).await, 0);
    second.approve(&page).await.is(303);
    let approved = portal.entries(Filter { kind: Some(Kind::EntitlementApproved), ..Filter::default() }).await.pop().unwrap();
    let entry = approved.facts["previewed"].as_u64().unwrap();
    let previewed = portal.rooms.log.entries(entry, entry + 1).await.unwrap().pop().unwrap();
    assert_eq!((previewed.kind, &previewed.facts["digest"]), (Kind::EntitlementPreviewed, &approved.facts["digest"]));
    assert_eq!(previewed.actor, approved.actor);
    // Afterwards it is counted only when somebody asks.
    let before = count(&portal, Kind::EntitlementPreviewed).await;
    assert!(!first.get(&page).await.is(200).text().contains("Names that stand out"));
    assert_eq!(count(&portal, Kind::EntitlementPreviewed).await, before);
    assert!(first.get(&format!("{page}?opens=now")).await.is(200).text().contains("Names that stand out"));
    assert_eq!(count(&portal, Kind::EntitlementPreviewed).await, before + 1);
    // What was proposed without anybody having seen it says so.
    let unseen = portal.propose(&agency, &Grant::of("gateway")).await;
    assert!(second.get(&format!("/admin/grants/{unseen}")).await.is(200).text().contains("was shown no preview"));
}

async fn what_should_not_be_overlooked_is_said(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    let first = portal.sign_in(&portal.administrators[0]).await;
    let last = lectern::clock::Timestamp::from_micros(portal.clock.now().plus(730 * DAY).micros() - 1).date();
    for (change, says) in [
        (vec![], "Nobody could read by it"),
        (vec![("include", ""), ("exclude", "")], "the whole product"),
        (vec![("until", last.as_str())], "no end of its own"),
        (vec![("versions", "*")], "Every new release is opened"),
        (vec![("versions", "v1.*")], "whose names match v1.*"),
        (vec![("versions", "v7")], "for none of the 3 versions published"),
        (vec![("exclude", "docs\nsrc/net/deep")], "Leaving out docs hides nothing"),
        (vec![("include", "src\nsrcs")], "there is nothing at srcs"),
    ] {
        let (_, page) = shown(&first, &fields(&agency, &change)).await;
        assert!(page.contains(says), "{change:?}: {page}");
    }
    let (_, page) = shown(&first, &fields(&agency, &[])).await;
    assert!(page.contains("secret/keys/hsm_seed.txt") && page.contains("may hold keys"), "{page}");
    let person = portal.named(&agency).await;
    let (_, page) = shown(&first, &fields(&agency, &[])).await;
    assert!(!page.contains("Nobody could read") && page.contains(&format!("Name of {}", person.email)), "{page}");
    assert!(page.contains("nothing today, then"), "{page}");
}

async fn only_administrators_are_told_and_each_time_it_is_recorded(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    let reviewer = portal.named(&agency).await;
    for person in [&reviewer, &portal.auditor] {
        let by = portal.desk(person).await;
        let asked = opening(&portal, &agency, &["*"], &[""], &[]).await;
        let refused = portal.rooms.gate.reveal(&by.principal, asked, &portal.context()).await;
        assert!(matches!(refused, Err(AccessError::Denied)));
        assert_eq!(portal.refusals(&person.id).await.len(), 1);
    }
    let first = portal.sign_in(&portal.administrators[0]).await;
    let previewed = || count(&portal, Kind::EntitlementPreviewed);
    for number in 1..4 {
        shown(&first, &fields(&agency, &[])).await;
        assert_eq!(previewed().await, number);
    }
    let entry = portal.entries(Filter { kind: Some(Kind::EntitlementPreviewed), ..Filter::default() }).await.pop().unwrap();
    let named: BTreeSet<String> = crate::harness::witness_places(&entry).into_iter().map(|shown| shown.path.text).collect();
    for name in ["src", "secret", "secret/keys", "src/net/deep", "secret/keys/hsm_seed.txt"] {
        assert!(named.contains(name), "{name} {named:?}");
    }
}

async fn what_is_not_indexed_is_said_to_be_uncounted(backend: Backend) {
    let portal = Portal::start(backend).await;
    let agency = portal.agency().await;
    portal.named(&agency).await;
    std::fs::remove_dir_all(portal.rooms.indexes.directory_of("gateway")).unwrap();
    let mut beside = portal.beside(|_| {}).await;
    beside.sign_in(&portal.administrators[0]).await.is(303);
    let (digest, page) = shown(&beside, &fields(&agency, &[("versions", "v1.*")])).await;
    assert!(page.contains("Not counted yet: v1.1 and v1.0."), "{page}");
    assert!(!page.contains("secret/keys"), "{page}");
    let proposed = beside.post(NEW, &fields(&agency, &[("versions", "v1.*"), ("seen", &digest)])).await.is(303);
    // Counted by now, it is something else.
    let second = portal.sign_in(&portal.administrators[1]).await;
    let page = second.get(proposed.location()).await.is(200).text();
    assert!(page.contains("When it was proposed 2 versions had not been counted; now 0 versions."), "{page}");
}
