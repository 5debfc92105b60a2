//! What follows of what a directory says, from the first day of somebody to the last.

use std::time::Duration;

use lectern::accounts::{Password, ResetOf, Role, Standing};
use lectern::audit::{Filter, Kind};
use lectern::entitlements::NominationStage::{Approved, Nominated, Refused, Withdrawn};
use serde_json::json;

use super::{Scene, USER, connect, kinds, user};
use crate::factors::enrol;
use crate::harness::client::csrf_in;
use crate::harness::library::MAIN;
use crate::harness::{Backend, Client, Grant, Person, on_both};
use crate::resets::choose;

on_both! {
    whoever_a_directory_enters_reads_when_two_administrators_agree_and_not_after_they_left
    the_maker_of_the_token_is_the_first_of_two
    whoever_comes_back_is_nominated_and_invited_like_somebody_new
    what_was_being_reset_when_somebody_left_opens_nothing_when_they_are_back
    a_reviewer_whom_the_agency_has_already_is_taken_up
    whoever_moves_to_another_agency_is_that_one_s
    whoever_is_removed_has_left_however_they_came
    what_administrators_decided_is_not_undone_by_saying_it_again
    what_administrators_approved_keeps_its_name
    agencies_are_apart
    everything_is_in_the_log_and_nobody_s_name_is
    pages_say_what_came_of_it
}

const MINUTE: Duration = Duration::from_secs(60);
const CHOSEN: &str = "copper lantern under seven hills";

/// Makes a link for somebody, has it approved, and chooses a password with it.
async fn join(scene: &Scene, email: &str) -> (Person, Client) {
    let (first, second) = (&scene.portal.administrators[0], &scene.portal.administrators[1]);
    let (accounts, context) = (&scene.portal.rooms.accounts, scene.portal.context());
    let account = accounts.find(email).await.unwrap().unwrap();
    let link = accounts.invite_again(&account.id, &scene.portal.desk(first).await.principal, &context).await.unwrap();
    let guess = accounts.accept_invitation(link.path().rsplit('/').next().unwrap(), Password::new(CHOSEN.to_owned()), &context).await;
    assert!(guess.is_err(), "one administrator alone let somebody in");
    let invitation = accounts.invitation_of(&account.id).await.unwrap().unwrap();
    accounts.approve_invitation(&invitation.id, &scene.portal.desk(second).await.step_up, &context).await.unwrap();
    let stranger = scene.portal.stranger();
    let csrf = csrf_in(&stranger.get(&link.path()).await.is(200).text()).unwrap();
    stranger.post_with(&link.path(), &csrf, &[("password", CHOSEN), ("again", CHOSEN)]).await;
    let person = Person { id: account.id, email: email.to_owned(), password: CHOSEN.to_owned(), role: Role::Reviewer };
    let client = scene.portal.sign_in(&person).await;
    (person, client)
}

async fn whoever_a_directory_enters_reads_when_two_administrators_agree_and_not_after_they_left(backend: Backend) {
    let scene = Scene::set(backend).await;
    scene.portal.bring("gateway").await;
    scene.portal.grant(&scene.agency, &Grant::of("gateway")).await;
    let file = format!("/p/gateway/v2.0/file/{MAIN}");
    for (leaver, by_delete) in [("ada@one.example", false), ("bea@one.example", true)] {
        let path = scene.directory.enter(leaver).await;
        assert_eq!(scene.stages(leaver).await, [Nominated]);
        assert_eq!(scene.directory.get(&path).await.is(200).json()["active"], true);
        let (person, client) = join(&scene, leaver).await;
        client.get(&file).await.is(404);
        scene.approve(leaver).await;
        client.get(&file).await.is(200);
        // Gone with the next request.
        if by_delete {
            scene.directory.delete(&path).await.is(204);
            scene.directory.get(&path).await.is(404);
        } else {
            assert_eq!(scene.directory.switch(&path, false).await.is(200).json()["active"], false);
        }
        assert!(client.get(&file).await.is(303).location().starts_with("/sign-in"));
        assert_eq!(scene.stages(leaver).await, [Withdrawn]);
        let tried = scene.portal.stranger().post("/sign-in", &[("email", leaver), ("password", CHOSEN)]).await;
        tried.is(401);
        let account = scene.portal.rooms.accounts.find(person.id.as_str()).await.unwrap().unwrap();
        assert_eq!(account.standing(), Standing::Locked);
        assert!(account.lock.reason.unwrap().contains("directory"));
    }
}

async fn the_maker_of_the_token_is_the_first_of_two(backend: Backend) {
    let scene = Scene::set(backend).await;
    scene.directory.enter("ada@one.example").await;
    let account = scene.portal.rooms.accounts.find("ada@one.example").await.unwrap().unwrap();
    let nominee = scene.portal.rooms.entitlements.nominations_of(&account.id).await.unwrap().remove(0);
    let page = format!("/admin/nominations/{}", nominee.nomination.id);
    let maker = scene.portal.sign_in(&scene.portal.administrators[0]).await;
    let shown = maker.get(&page).await.is(200).text();
    assert!(shown.contains("You made the token") && shown.contains("(token “Entra” of Name of first"), "{shown}");
    maker.post(&format!("{page}/approve"), &[]).await.is(409);
    // Nor whom they let in, with the other's approval.
    let kin = scene.portal.invited(Role::Administrator, None, &scene.portal.administrators[0], &scene.portal.administrators[1]).await;
    scene.portal.sign_in(&kin).await.post(&format!("{page}/approve"), &[]).await.is(409);
    assert_eq!(scene.stages("ada@one.example").await, [Nominated]);
    scene.portal.clock.advance(crate::harness::HOUR / 60);
    // A word through a token of the other's changes who answers for it: now they are the first, and the maker of the other the second.
    let other = connect(&scene.portal, &scene.agency, &scene.portal.administrators[1]).await;
    let path = format!("/Users/{}", scene.directory.get("/Users").await.json()["Resources"][0]["id"].as_str().unwrap());
    other.patch(&path, json!([{"op": "replace", "path": "displayName", "value": "Ada King"}])).await.is(200);
    assert_eq!(scene.stages("ada@one.example").await, [Withdrawn, Nominated]);
    let second = scene.portal.sign_in(&scene.portal.administrators[1]).await;
    second.post(&format!("{page}/approve"), &[]).await.is(409);
    let new = scene.portal.rooms.entitlements.nominations_of(&account.id).await.unwrap();
    let new = new.iter().find(|of| of.nomination.stage == Nominated).unwrap();
    assert_eq!(new.name, "Ada King");
    let page = format!("/admin/nominations/{}", new.nomination.id);
    second.post(&format!("{page}/approve"), &[]).await.is(409);
    maker.post(&format!("{page}/approve"), &[]).await.is(303);
    assert_eq!(scene.stages("ada@one.example").await, [Withdrawn, Approved]);
}

async fn whoever_comes_back_is_nominated_and_invited_like_somebody_new(backend: Backend) {
    let scene = Scene::set(backend).await;
    let path = scene.directory.enter("ada@one.example").await;
    let (person, _) = join(&scene, "ada@one.example").await;
    scene.approve("ada@one.example").await;
    scene.directory.switch(&path, false).await.is(200);
    // A link that was made before they left and not used opens nothing when they are back.
    let bea = scene.directory.enter("bea@one.example").await;
    let (accounts, context) = (&scene.portal.rooms.accounts, scene.portal.context());
    let account = accounts.find("bea@one.example").await.unwrap().unwrap();
    let by = [scene.portal.desk(&scene.portal.administrators[0]).await, scene.portal.desk(&scene.portal.administrators[1]).await];
    let link = accounts.invite_again(&account.id, &by[0].principal, &context).await.unwrap();
    accounts.approve_invitation(&accounts.invitation_of(&account.id).await.unwrap().unwrap().id, &by[1].step_up, &context).await.unwrap();
    scene.portal.stranger().get(&link.path()).await.is(200);
    scene.directory.switch(&bea, false).await.is(200);
    scene.directory.switch(&bea, true).await.is(200);
    assert!(csrf_in(&scene.portal.stranger().get(&link.path()).await.text()).is_none(), "an old link opens an account");
    // By word of the directory alone nobody signs in again.
    scene.portal.clock.advance(crate::harness::HOUR);
    scene.directory.switch(&path, true).await.is(200);
    assert_eq!(scene.stages("ada@one.example").await, [Withdrawn, Nominated]);
    let stranger = scene.portal.stranger();
    stranger.post("/sign-in", &[("email", &person.email), ("password", CHOSEN)]).await.is(401);
    assert_eq!(accounts.find("ada@one.example").await.unwrap().unwrap().standing(), Standing::Invited);
    // The account has a past: it is not given to somebody of another name.
    let other = json!([{"op": "replace", "value": {"userName": "eve@one.example", "displayName": "Eve"}}]);
    scene.directory.patch(&path, other).await.is(200);
    let account = accounts.find(person.id.as_str()).await.unwrap().unwrap();
    assert_eq!((account.email.as_str(), account.name.as_str()), ("ada@one.example", "Known as ada"));
    // Removed and entered again, it is the same account.
    scene.directory.delete(&path).await.is(204);
    scene.portal.clock.advance(crate::harness::HOUR);
    scene.directory.enter("ada@one.example").await;
    assert_eq!(scene.stages("ada@one.example").await, [Withdrawn, Withdrawn, Nominated]);
    scene.approve("ada@one.example").await;
    let (back, _) = join(&scene, "ada@one.example").await;
    assert_eq!(back.id, person.id);
}

async fn what_was_being_reset_when_somebody_left_opens_nothing_when_they_are_back(backend: Backend) {
    let scene = Scene::set(backend).await;
    let (portal, accounts, context) = (&scene.portal, &scene.portal.rooms.accounts, scene.portal.context());
    let (first, second) = (portal.desk(&portal.administrators[0]).await, portal.desk(&portal.administrators[1]).await);
    let path = scene.directory.enter("ada@one.example").await;
    let (ada, client) = join(&scene, "ada@one.example").await;
    scene.approve("ada@one.example").await;
    enrol(portal, &client).await;
    let propose = async |what| accounts.propose_reset(&ada.id, what, "lost it on the train", &first.principal, &context).await.unwrap();
    // One that only waits.
    let (waiting, _) = propose(ResetOf::Factor).await;
    scene.directory.switch(&path, false).await.is(200);
    accounts.approve_reset(&waiting, &second.step_up, &context).await.unwrap_err();
    scene.directory.switch(&path, true).await.is(200);
    let account = accounts.find("ada@one.example").await.unwrap().unwrap();
    assert_eq!((account.standing(), account.second_factor), (Standing::Invited, None));
    portal.clock.advance(MINUTE);
    let (_, client) = join(&scene, "ada@one.example").await;
    client.get("/account").await.is(200);
    enrol(portal, &client).await;
    // One that was carried out: both parts are in the world.
    let (reset, code) = propose(ResetOf::Password).await;
    let link = accounts.approve_reset(&reset, &second.step_up, &context).await.unwrap().unwrap();
    portal.stranger().get(&link.path()).await.is(200);
    for active in [false, true] {
        scene.directory.switch(&path, active).await.is(200);
        choose(&portal.stranger(), &link.path(), &code.reveal(), "another lantern under eight hills").await.is(404);
    }
    let account = accounts.find("ada@one.example").await.unwrap().unwrap();
    assert_eq!((account.standing(), account.second_factor, account.reset_at), (Standing::Invited, None, None));
    let ended: Vec<_> = scene.kinds(Kind::AccountResetWithdrawn).await.iter().map(|entry| entry.facts["what"].clone()).collect();
    assert_eq!(ended, ["second factor", "password"]);
    portal.clock.advance(MINUTE);
    join(&scene, "ada@one.example").await.1.get("/account").await.is(200);
}

async fn a_reviewer_whom_the_agency_has_already_is_taken_up(backend: Backend) {
    let scene = Scene::set(backend).await;
    let ada = scene.portal.named(&scene.agency).await;
    let bea = scene.portal.named(&scene.agency).await;
    let client = scene.portal.sign_in(&ada).await;
    let path = scene.directory.enter(&ada.email.to_uppercase()).await;
    // They go on as before; what is named needs no nomination, and a name that administrators know stays.
    client.get("/account").await.is(200);
    assert_eq!(scene.stages(&ada.email).await, [Approved]);
    let account = scene.portal.rooms.accounts.find(&ada.email).await.unwrap().unwrap();
    assert!(account.name.starts_with("Name of"));
    // Entered as inactive, somebody has left.
    let gone = json!({"schemas": [USER], "userName": bea.email, "active": false});
    scene.directory.post("/Users", gone).await.is(201);
    assert_eq!(scene.stages(&bea.email).await, [Withdrawn]);
    // Nobody is two users of one directory.
    let mut twice = user("someone.else@one.example");
    twice["emails"] = json!([{"value": ada.email, "primary": true}]);
    let answer = scene.directory.post("/Users", twice).await.is(409);
    assert_eq!(super::kind(&answer), "uniqueness");
    scene.directory.delete(&path).await.is(204);
    client.get("/account").await.is(303);
    // Whoever is an auditor since is out of its reach.
    let eve = scene.portal.named(&scene.agency).await;
    let path = scene.directory.enter(&eve.email).await;
    let [first, second] = &scene.portal.administrators;
    let (first, second) = (scene.portal.desk(first).await, scene.portal.desk(second).await);
    let (accounts, context) = (&scene.portal.rooms.accounts, scene.portal.context());
    let change = accounts.propose_role(&eve.id, (Role::Auditor, None), "they change sides", &first.principal, &context).await.unwrap();
    scene.portal.rooms.entitlements.approve_role(accounts, &change, &second.step_up, &context).await.unwrap();
    scene.directory.switch(&path, false).await.is(200);
    scene.directory.switch(&path, true).await.is(200);
    scene.directory.delete(&path).await.is(204);
    let account = accounts.find(eve.id.as_str()).await.unwrap().unwrap();
    assert_eq!((account.role, account.standing()), (Role::Auditor, Standing::Active));
}

async fn whoever_moves_to_another_agency_is_that_one_s(backend: Backend) {
    let scene = Scene::set(backend).await;
    let theirs = scene.portal.agency().await;
    let other = connect(&scene.portal, &theirs, &scene.portal.administrators[0]).await;
    let ada = scene.portal.named(&scene.agency).await;
    let path = scene.directory.enter(&ada.email).await;
    let [first, second] = &scene.portal.administrators;
    let (first, second) = (scene.portal.desk(first).await, scene.portal.desk(second).await);
    let (accounts, context) = (&scene.portal.rooms.accounts, scene.portal.context());
    let to = (Role::Reviewer, Some(theirs.id.clone()));
    let change = accounts.propose_role(&ada.id, to, "they change their employer", &first.principal, &context).await.unwrap();
    scene.portal.rooms.entitlements.approve_role(accounts, &change, &second.step_up, &context).await.unwrap();
    // The directory they were in says that they left, and they work on for the other.
    other.enter(&ada.email).await;
    assert_eq!(scene.stages(&ada.email).await, [Withdrawn, Nominated]);
    scene.directory.switch(&path, false).await.is(200);
    scene.directory.delete(&path).await.is(204);
    assert_eq!(accounts.find(ada.id.as_str()).await.unwrap().unwrap().standing(), Standing::Active);
    assert_eq!(scene.stages(&ada.email).await, [Withdrawn, Nominated]);
}

async fn whoever_is_removed_has_left_however_they_came(backend: Backend) {
    let scene = Scene::set(backend).await;
    let by = scene.portal.desk(&scene.portal.administrators[0]).await;
    let (room, context) = (&scene.portal.rooms.entitlements, scene.portal.context());
    // Entered while nobody was nominated, and added by hand since.
    room.set_eligible(&scene.agency.id, Some("not now"), &by.principal, &context).await.unwrap();
    let ada = scene.portal.named(&scene.agency).await;
    let path = scene.directory.enter(&ada.email).await;
    room.set_eligible(&scene.agency.id, None, &by.principal, &context).await.unwrap();
    assert_eq!(scene.stages(&ada.email).await, [Approved]);
    scene.directory.delete(&path).await.is(204);
    assert_eq!(scene.stages(&ada.email).await, [Withdrawn]);
}

async fn what_administrators_decided_is_not_undone_by_saying_it_again(backend: Backend) {
    let scene = Scene::set(backend).await;
    let path = scene.directory.enter("ada@one.example").await;
    let by = scene.portal.desk(&scene.portal.administrators[1]).await;
    let (room, context) = (&scene.portal.rooms.entitlements, scene.portal.context());
    let account = scene.portal.rooms.accounts.find("ada@one.example").await.unwrap().unwrap();
    let waiting = room.nominations_of(&account.id).await.unwrap().remove(0).nomination.id;
    room.refuse_nomination(&waiting, "not for this", &by.principal, &context).await.unwrap();
    // What was so already is no change, and neither nominates nor is recorded.
    let size = scene.portal.rooms.log.size().await.unwrap();
    let before = scene.directory.get(&path).await.is(200);
    scene.directory.switch(&path, true).await.is(200);
    let after = scene.directory.put(&path, user("ada@one.example")).await.is(200);
    assert_eq!((before.json(), before.header("etag")), (after.json(), after.header("etag")));
    assert_eq!(scene.portal.rooms.log.size().await.unwrap(), size);
    scene.directory.patch(&path, json!([{"op": "add", "path": "title", "value": "Analyst"}])).await.is(200);
    assert_eq!(scene.stages("ada@one.example").await, [Refused]);
    // A lock that an administrator placed is not lifted, and nobody is nominated past it.
    scene.portal.rooms.accounts.lock(&account.id, "an incident", &by.step_up, &context).await.unwrap();
    scene.directory.switch(&path, false).await.is(200);
    scene.directory.switch(&path, true).await.is(200);
    let account = scene.portal.rooms.accounts.find("ada@one.example").await.unwrap().unwrap();
    assert_eq!((account.standing(), account.lock.reason.as_deref()), (Standing::Locked, Some("an incident")));
    assert_eq!(scene.stages("ada@one.example").await, [Refused]);
    scene.directory.delete(&path).await.is(204);
    scene.directory.enter("ada@one.example").await;
    assert_eq!(scene.portal.rooms.accounts.find("ada@one.example").await.unwrap().unwrap().standing(), Standing::Locked);
}

async fn what_administrators_approved_keeps_its_name(backend: Backend) {
    let scene = Scene::set(backend).await;
    let rename = |email: &str| json!([{"op": "replace", "value": {"userName": email, "displayName": format!("Known as {email}")}}]);
    let find = async |key: &str| scene.portal.rooms.accounts.find(key).await.unwrap();
    // While nobody at the vendor has had a hand in it, the account follows, and is nominated anew.
    let path = scene.directory.enter("ada@one.example").await;
    let id = find("ada@one.example").await.unwrap().id;
    scene.directory.patch(&path, rename("ada.king@one.example")).await.is(200);
    let account = find(id.as_str()).await.unwrap();
    assert_eq!((account.email.as_str(), account.name.as_str()), ("ada.king@one.example", "Known as ada.king@one.example"));
    assert_eq!(scene.stages("ada.king@one.example").await, [Withdrawn, Nominated]);
    assert_eq!(kinds(&scene.portal, Kind::AccountChanged).await.len(), 1);
    // An address that is somebody else's it does not get.
    let auditor = scene.portal.auditor.email.clone();
    let told = scene.directory.patch(&path, rename(&auditor)).await.is(200).json();
    assert_eq!(told["userName"], auditor.as_str());
    assert_eq!(find(id.as_str()).await.unwrap().email, "ada.king@one.example");
    scene.directory.patch(&path, rename("ada.king@one.example")).await.is(200);
    // Once approved, it stays what was approved, whatever the directory says; what it says it reads again.
    scene.approve("ada.king@one.example").await;
    let stages = scene.stages("ada.king@one.example").await;
    let told = scene.directory.patch(&path, rename("eve@one.example")).await.is(200).json();
    assert_eq!(told["userName"], "eve@one.example");
    assert_eq!(find(id.as_str()).await.unwrap().email, "ada.king@one.example");
    assert_eq!(scene.stages("ada.king@one.example").await, stages);
    // And once a link was made: whoever it was sent to is who chooses the password.
    let path = scene.directory.enter("bea@one.example").await;
    let by = scene.portal.desk(&scene.portal.administrators[0]).await;
    let id = find("bea@one.example").await.unwrap().id;
    scene.portal.rooms.accounts.invite_again(&id, &by.principal, &scene.portal.context()).await.unwrap();
    scene.directory.patch(&path, rename("mallory@one.example")).await.is(200);
    assert_eq!(find(id.as_str()).await.unwrap().email, "bea@one.example");
    assert_eq!(scene.stages("bea@one.example").await, [Nominated]);
}

async fn agencies_are_apart(backend: Backend) {
    let scene = Scene::set(backend).await;
    let theirs = scene.portal.agency().await;
    let other = connect(&scene.portal, &theirs, &scene.portal.administrators[1]).await;
    let ada = scene.directory.enter("ada@one.example").await;
    let (mine, never) = (scene.directory.get("/Users").await.json(), other.get("/Users/usr_00000000000000000000").await.is(404));
    for answer in
        [other.get(&ada).await, other.put(&ada, user("ada@one.example")).await, other.switch(&ada, false).await, other.delete(&ada).await]
    {
        assert_eq!(answer.essence(), never.essence());
    }
    let id = ada.rsplit('/').next().unwrap();
    for filter in [format!("id eq \"{id}\""), "userName eq \"ada@one.example\"".to_owned(), "userName pr".to_owned()] {
        let found = other.get(&format!("/Users?filter={}", crate::harness::client::encoded(&filter))).await.is(200).json();
        assert_eq!((&found["totalResults"], &found["Resources"]), (&json!(0), &json!([])), "{filter}");
    }
    assert_eq!(scene.directory.get("/Users").await.json(), mine);
    // Whose address it is elsewhere, a directory is not told: the answer is as of one that nobody has.
    let plain = other.post("/Users", user("nobody@two.example")).await.is(201);
    for taken in ["ada@one.example", scene.portal.auditor.email.as_str(), scene.portal.administrators[0].email.as_str()] {
        let size = scene.portal.rooms.accounts.list().await.unwrap().len();
        let answer = other.post("/Users", user(taken)).await.is(201);
        let shape = |answer: &crate::harness::client::Answer| {
            let body = answer.json();
            (body.as_object().unwrap().keys().cloned().collect::<Vec<_>>(), body["active"].clone(), body["meta"]["version"].clone())
        };
        assert_eq!(shape(&answer), shape(&plain), "{taken}");
        let path = format!("/Users/{}", answer.json()["id"].as_str().unwrap());
        for _ in 0..2 {
            other.switch(&path, false).await.is(200);
            other.switch(&path, true).await.is(200);
        }
        other.delete(&path).await.is(204);
        assert_eq!(scene.portal.rooms.accounts.list().await.unwrap().len(), size, "{taken}");
        let account = scene.portal.rooms.accounts.find(taken).await.unwrap().unwrap();
        assert!(account.disabled_at.is_none(), "{taken} was locked by another agency's directory");
    }
    assert_eq!(scene.stages("ada@one.example").await, [Nominated]);
    assert_eq!(scene.directory.get("/Users").await.json(), mine);
}

async fn everything_is_in_the_log_and_nobody_s_name_is(backend: Backend) {
    let scene = Scene::set(backend).await;
    let before = scene.portal.rooms.log.size().await.unwrap();
    let path = scene.directory.enter("ada.byron@one.example").await;
    scene.directory.patch(&path, json!([{"op": "replace", "path": "title", "value": "Countess of Lovelace"}])).await.is(200);
    scene.directory.get("/Users?filter=active%20eq%20true").await.is(200);
    scene.directory.switch(&path, false).await.is(200);
    scene.directory.switch(&path, true).await.is(200);
    scene.directory.delete(&path).await.is(204);
    let entries = scene.portal.entries(Filter::default()).await;
    let entries: Vec<_> = entries.into_iter().filter(|entry| entry.index >= before).collect();
    let told: Vec<&str> = entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(
        told,
        [
            "directory.person_entered",
            "account.created",
            "agreement.person_nominated",
            "directory.person_changed",
            "directory.person_changed",
            "account.disabled",
            "agreement.person_withdrawn",
            "directory.person_changed",
            "account.enabled",
            "agreement.person_nominated",
            "directory.person_removed",
            "account.disabled",
            "agreement.person_withdrawn",
        ]
    );
    for entry in &entries {
        let actor = entry.actor.as_ref().unwrap();
        assert_eq!((actor.account.as_str(), actor.role.as_str()), (scene.directory.id.as_str(), "directory"));
        assert_eq!(actor.agency.as_ref(), Some(&scene.agency.id));
        let clear = String::from_utf8_lossy(&entry.bytes).to_lowercase();
        for personal in ["byron", "lovelace", "countess", "known as"] {
            assert!(!clear.contains(personal), "{clear}");
        }
        let personal = entry.personal.as_ref().unwrap();
        assert_eq!(personal.name.as_deref(), Some("The directory “Entra”"));
    }
    // Before and after stand beside, under the commitment.
    let changed = &entries[3];
    assert_eq!(changed.facts["changed"], json!(["title"]));
    let words: serde_json::Value = serde_json::from_str(changed.personal.as_ref().unwrap().query.as_deref().unwrap()).unwrap();
    assert_eq!(words, json!({"title": {"before": null, "after": "Countess of Lovelace"}}));
    assert_eq!((&entries[4].facts["before"], &entries[4].facts["after"]), (&json!({"active": true}), &json!({"active": false})));
    // An auditor reads it.
    let auditor = scene.portal.sign_in(&scene.portal.auditor).await;
    let page = auditor.get(&format!("/audit/entries/{}", entries[4].index)).await.is(200).text();
    assert!(page.contains("The directory “Entra” of Agency 0 changed what it says of a person, who is not, or no longer"), "{page}");
    assert!(page.contains("What was written"));
    let page = auditor.get("/audit?kind=directory.person_entered").await.is(200).text();
    assert!(page.contains("directory.person_entered") && page.contains("The directory “Entra”"), "{page}");
    assert_eq!(scene.kinds(Kind::DirectoryPersonRemoved).await.len(), 1);
}

async fn pages_say_what_came_of_it(backend: Backend) {
    let scene = Scene::set(backend).await;
    scene.directory.enter("ada@one.example").await;
    scene.directory.enter(&scene.portal.auditor.email.clone()).await;
    let gone = scene.directory.enter("gone@one.example").await;
    scene.directory.switch(&gone, false).await.is(200);
    let slug = scene.portal.rooms.entitlements.agency(scene.agency.id.as_str()).await.unwrap().unwrap().slug;
    let first = scene.portal.sign_in(&scene.portal.administrators[0]).await;
    let page = first.get(&format!("/admin/agencies/{slug}/directory")).await.is(200).text();
    for words in ["Awaits approval", "Not nominated", "Somebody else has an account", "Not active", "Known as ada", "of whom 1 await"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let agency = first.get(&format!("/admin/agencies/{slug}")).await.is(200).text();
    assert!(agency.contains("It keeps 3 people here, of whom 1 await approval"), "{agency}");
    let list = first.get("/admin/nominations?state=nominated").await.is(200).text();
    assert!(list.contains("nominated by the agency&#39;s directory (token “Entra” of"), "{list}");
    let account = scene.portal.rooms.accounts.find("ada@one.example").await.unwrap().unwrap();
    let person = first.get(&format!("/admin/people/{}", account.id)).await.is(200).text();
    assert!(person.contains("Nobody has made a link for them yet") && person.contains("Make a link<"), "{person}");
    // Another name than administrators know is pointed out.
    scene.approve("ada@one.example").await;
    let path = scene.directory.get("/Users?filter=userName%20eq%20%22ada@one.example%22").await.json()["Resources"][0]["id"].clone();
    let path = format!("/Users/{}", path.as_str().unwrap());
    scene.directory.patch(&path, json!([{"op": "replace", "path": "displayName", "value": "Somebody Else"}])).await.is(200);
    let page = first.get(&format!("/admin/agencies/{slug}/directory")).await.is(200).text();
    assert!(page.contains("Somebody Else") && page.contains("Known here as Known as ada, ada@one.example."), "{page}");
}
