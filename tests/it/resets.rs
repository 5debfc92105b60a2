//! Resets by two administrators, over HTTP: what each of them is shown, what ends when, and that nobody alone, nor two of one line, nor the
//! person themselves gets anything by it.

mod hands;

use std::time::Duration;

use lectern::accounts::{ResetOf, Role};
use lectern::audit::{Filter, Kind};
use lectern::cli::installation;

use crate::factors::{enrol, give, kinds, knock};
use crate::harness::client::{Answer, Client, csrf_in};
use crate::harness::{Backend, DAY, Person, Portal, on_both};

on_both! {
    a_password_is_reset_by_two_and_chosen_by_the_third
    a_factor_alone_is_removed_by_two
    nobody_resets_alone
    every_link_that_does_not_work_has_one_answer
    a_reset_lapses_is_refused_and_withdrawn
    of_two_decisions_at_once_one_holds
    of_two_uses_at_once_one_holds
    a_sign_in_under_way_does_not_outlive_a_reset
}

pub(crate) const CHOSEN: &str = "copper lantern under seven hills";

struct Scene {
    portal: Portal,
    first: Client,
    second: Client,
    person: Person,
    page: String,
}

impl Scene {
    async fn set(backend: Backend) -> Self {
        let portal = Portal::bare(backend).await;
        let person = portal.colleague(Role::Administrator).await;
        let first = portal.sign_in(&portal.administrators[0]).await;
        let second = portal.sign_in(&portal.administrators[1]).await;
        let page = format!("/admin/people/{}", person.id);
        Self { portal, first, second, person, page }
    }

    async fn propose(&self, by: &Client, what: &str) -> Answer {
        by.post(&format!("{}/reset", self.page), &[("what", what), ("reason", "lost it on the train")]).await
    }

    async fn approve(&self, by: &Client) -> Answer {
        by.post(&format!("{}/reset/approve", self.page), &[]).await
    }

    /// Proposed by one and carried out by the other: the code and the link.
    async fn parts(&self) -> (String, String) {
        let code = secret_in(&self.propose(&self.first, "password").await.is(200).text());
        let link = secret_in(&self.approve(&self.second).await.is(200).text());
        (code, link.strip_prefix("http://127.0.0.1:8420").unwrap().to_owned())
    }
}

/// What a page shows once.
fn secret_in(page: &str) -> String {
    let (_, rest) = page.split_once("mono secret\">").unwrap_or_else(|| panic!("nothing is shown in {page}"));
    rest.split('<').next().unwrap().to_owned()
}

/// Opens a link and sends its form.
pub(crate) async fn choose(who: &Client, link: &str, code: &str, password: &str) -> Answer {
    let page = who.get(link).await;
    let Some(csrf) = csrf_in(&page.text()) else { return page };
    who.post_with(link, &csrf, &[("code", code), ("password", password), ("again", password)]).await
}

async fn a_password_is_reset_by_two_and_chosen_by_the_third(backend: Backend) {
    let scene = Scene::set(backend).await;
    let theirs = scene.portal.sign_in(&scene.person).await;
    enrol(&scene.portal, &theirs).await;
    let waiting = knock(&scene.portal, &scene.person).await;
    let proposed = scene.propose(&scene.first, "password").await.is(200).text();
    let code = secret_in(&proposed);
    // It changes nothing yet, and is on the desk of whoever may decide.
    theirs.get("/account").await.is(200);
    assert!(scene.second.get("/").await.is(200).text().contains("You may decide"));
    assert!(!scene.first.get("/").await.is(200).text().contains("You may decide"));
    assert!(!scene.second.get(&scene.page).await.is(200).text().contains(&code));
    let shown = scene.approve(&scene.second).await.is(200).text();
    let link = secret_in(&shown).strip_prefix("http://127.0.0.1:8420").unwrap().to_owned();
    assert!(link.starts_with("/reset/") && !shown.contains(&code), "{shown}");
    // Sessions, those that wait too, password and factor: none of it opens anything.
    theirs.get("/account").await.is(303);
    assert!(waiting.get(crate::factors::DOOR).await.is(303).location().starts_with("/sign-in"));
    scene.portal.stranger().sign_in(&scene.person).await.is(401);
    for password in ["", "x"] {
        scene.portal.stranger().post("/sign-in", &[("email", &scene.person.email), ("password", password)]).await.is(401);
    }
    assert!(scene.first.get("/admin/people?state=reset").await.is(200).text().contains(&scene.person.email));
    // The link without the code, the code of nobody, a password that is too short: nothing is used up.
    let back = scene.portal.stranger();
    for (typed, password, says) in
        [("", CHOSEN, "not the code"), ("aaaa-aaaa-aaaa-aaaa", CHOSEN, "not the code"), (code.as_str(), "short", "at least 15 characters")]
    {
        let page = choose(&back, &link, typed, password).await.is(422).text();
        assert!(page.contains(says), "{says}: {page}");
    }
    assert_eq!(choose(&back, &link, &code.to_uppercase(), CHOSEN).await.is(303).location(), "/");
    assert!(back.get("/account").await.is(200).text().contains("Your password alone."));
    choose(&scene.portal.stranger(), &link, &code, CHOSEN).await.is(404);
    scene.portal.sign_in(&Person { password: CHOSEN.to_owned(), ..scene.person.clone() }).await.get("/admin/people").await.is(200);
    for (kind, count) in [
        (Kind::AccountResetProposed, 1),
        (Kind::AccountResetApproved, 1),
        (Kind::AccountResetUsed, 1),
        (Kind::AccountResetRefused, 0),
        (Kind::AccountResetWithdrawn, 0),
    ] {
        assert_eq!(kinds(&scene.portal, kind).await.len(), count, "{kind}");
    }
    let done = &kinds(&scene.portal, Kind::AccountResetApproved).await[0];
    assert_eq!((&done.facts["what"], &done.facts["second_factor"], &done.facts["sessions"]), (&"password".into(), &true.into(), &2.into()));
    assert_eq!(kinds(&scene.portal, Kind::AccountResetUsed).await[0].actor.as_ref().unwrap().account, scene.person.id);
    // Neither part is kept in the clear.
    for table in ["account_resets", "sessions"] {
        let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"));
        for row in sqlx::query(sql).fetch_all(scene.portal.rooms.database.pool()).await.unwrap() {
            for n in 0..sqlx::Row::columns(&row).len() {
                let text = sqlx::Row::try_get::<Option<String>, _>(&row, n).ok().flatten().unwrap_or_default();
                assert!(!text.contains(&code) && !text.contains(&code.replace('-', "")) && !text.contains(&link[7..]), "{table}: {text}");
            }
        }
    }
}

async fn a_factor_alone_is_removed_by_two(backend: Backend) {
    let scene = Scene::set(backend).await;
    scene.propose(&scene.first, "second factor").await.is(409);
    let theirs = scene.portal.sign_in(&scene.person).await;
    let app = enrol(&scene.portal, &theirs).await;
    assert_eq!(scene.propose(&scene.first, "second factor").await.is(303).location(), scene.page);
    assert_eq!(scene.approve(&scene.second).await.is(303).location(), scene.page);
    theirs.get("/account").await.is(303);
    scene.portal.sign_in(&scene.person).await.get("/account").await.is(200);
    // Set up anew, nothing of the old one works.
    let new = enrol(&scene.portal, &scene.portal.sign_in(&scene.person).await).await;
    give(&knock(&scene.portal, &scene.person).await, &app.recovery[0]).await.is(401);
    give(&knock(&scene.portal, &scene.person).await, &new.next(&scene.portal)).await.is(303);
    let done = &kinds(&scene.portal, Kind::AccountResetApproved).await[0];
    assert_eq!((&done.facts["what"], &done.facts["second_factor"]), (&"second factor".into(), &true.into()));
}

async fn nobody_resets_alone(backend: Backend) {
    let scene = Scene::set(backend).await;
    let [one, two] = scene.portal.administrators.clone();
    let child = scene.portal.sign_in(&scene.portal.invited(Role::Administrator, None, &one, &two).await).await;
    let theirs = scene.portal.sign_in(&scene.person).await;
    for (what, reason, status) in [("password", " ", 422), ("everything", "so", 422), ("", "so", 422)] {
        scene.first.post(&format!("{}/reset", scene.page), &[("what", what), ("reason", reason)]).await.is(status);
    }
    assert!(scene.propose(&theirs, "password").await.is(409).text().contains("their own account"));
    scene.propose(&scene.first, "password").await.is(200);
    scene.propose(&scene.second, "password").await.is(409);
    for (who, says) in
        [(&scene.first, "another administrator must"), (&child, "opened by the same administrator"), (&theirs, "their own account")]
    {
        let told = scene.approve(who).await.is(409).text();
        assert!(told.contains(says), "{says}: {told}");
    }
    theirs.get("/account").await.is(200);
    // Minutes after the password it asks for it again.
    scene.portal.clock.advance(Duration::from_secs(11 * 60));
    assert!(scene.approve(&scene.second).await.is(303).location().starts_with("/reauthenticate"));
    theirs.get("/account").await.is(200);
    assert!(kinds(&scene.portal, Kind::AccountResetApproved).await.is_empty());
    // Who has not joined, or is locked, is not reset.
    let second = scene.portal.desk(&two).await;
    let first = scene.portal.desk(&one).await;
    let locked = scene.portal.colleague(Role::Auditor).await;
    scene.portal.rooms.accounts.lock(&locked.id, "left", &first.step_up, &scene.portal.context()).await.unwrap();
    let context = scene.portal.context();
    let told = scene.portal.rooms.accounts.propose_reset(&locked.id, ResetOf::Password, "so", &second.principal, &context).await;
    assert!(told.unwrap_err().to_string().contains("locked"));
}

async fn every_link_that_does_not_work_has_one_answer(backend: Backend) {
    let scene = Scene::set(backend).await;
    let never = "/reset/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let (code, used) = scene.parts().await;
    choose(&scene.portal.stranger(), &used, &code, CHOSEN).await.is(303);
    let (code, withdrawn) = scene.parts().await;
    scene.first.post(&format!("{}/reset/withdraw", scene.page), &[]).await.is(303);
    let (late_code, late) = scene.parts().await;
    scene.portal.clock.advance(DAY.checked_sub(Duration::from_micros(1)).unwrap());
    scene.portal.stranger().get(&late).await.is(200);
    scene.portal.clock.advance(Duration::from_micros(1));
    let essence = scene.portal.stranger().get(&never).await.is(404).essence();
    let invitation = never.replace("reset", "invitation");
    for (link, code) in [(&used, &code), (&withdrawn, &code), (&late, &late_code), (&format!("/reset/{}", "x".repeat(3000)), &code)] {
        let stranger = scene.portal.stranger();
        assert_eq!(stranger.get(link).await.essence(), essence, "{link}");
        let csrf = stranger.csrf().await;
        let answer = stranger.post_with(link, &csrf, &[("code", code), ("password", CHOSEN), ("again", CHOSEN)]).await;
        assert_eq!(answer.essence(), essence, "{link}");
        // The secret of one kind of link opens no door of another.
        assert_eq!(
            stranger.get(&link.replace("/reset/", "/invitation/")).await.essence(),
            stranger.get(&invitation).await.essence(),
            "{link}"
        );
    }
    assert_eq!(kinds(&scene.portal, Kind::AccountResetUsed).await.len(), 1);
    // Links are not tried without end.
    let stranger = scene.portal.stranger();
    let mut last = 404;
    for n in 0..40 {
        last = stranger.get(&format!("/reset/{n}")).await.status.as_u16();
    }
    assert_eq!(last, 429);
}

async fn a_reset_lapses_is_refused_and_withdrawn(backend: Backend) {
    let scene = Scene::set(backend).await;
    let act = async |by: &Client, verb: &str, fields: &[(&str, &str)]| by.post(&format!("{}/reset/{verb}", scene.page), fields).await;
    scene.propose(&scene.first, "password").await.is(200);
    act(&scene.second, "refuse", &[("reason", " ")]).await.is(422);
    act(&scene.second, "refuse", &[("reason", "it was not them")]).await.is(303);
    act(&scene.second, "approve", &[]).await.is(409);
    scene.propose(&scene.first, "password").await.is(200);
    act(&scene.first, "withdraw", &[]).await.is(303);
    act(&scene.second, "approve", &[]).await.is(409);
    scene.propose(&scene.first, "password").await.is(200);
    scene.portal.clock.advance((7 * DAY).checked_sub(Duration::from_micros(1)).unwrap());
    let rooms = &scene.portal.rooms.accounts;
    let waits = rooms.reset_of(&scene.person.id).await.unwrap().unwrap();
    scene.portal.clock.advance(Duration::from_micros(1));
    assert!(rooms.reset_of(&scene.person.id).await.unwrap().is_none() && rooms.proposed_resets().await.unwrap().is_empty());
    let second = scene.portal.desk(&scene.portal.administrators[1]).await;
    let late = rooms.approve_reset(&waits.id, &second.step_up, &scene.portal.context()).await.unwrap_err();
    assert!(late.to_string().contains("lapsed"), "{late}");
    // It makes way for another one; the password worked all the while.
    scene.portal.sign_in(&scene.person).await;
    let first = scene.portal.sign_in(&scene.portal.administrators[0]).await;
    scene.propose(&first, "password").await.is(200);
    let second = scene.portal.sign_in(&scene.portal.administrators[1]).await;
    scene.approve(&second).await.is(200);
    // Withdrawn once it was carried out, or lapsed, the password stays reset, and another reset opens another link.
    act(&second, "withdraw", &[]).await.is(303);
    scene.portal.stranger().sign_in(&scene.person).await.is(401);
    let code = secret_in(&scene.propose(&first, "password").await.is(200).text());
    scene.approve(&second).await.is(200);
    scene.portal.clock.advance(DAY);
    let [first, second] =
        [scene.portal.sign_in(&scene.portal.administrators[0]).await, scene.portal.sign_in(&scene.portal.administrators[1]).await];
    let last = secret_in(&scene.propose(&first, "password").await.is(200).text());
    let link = secret_in(&scene.approve(&second).await.is(200).text());
    let link = link.strip_prefix("http://127.0.0.1:8420").unwrap();
    // The code of an earlier proposal is none of this one's.
    choose(&scene.portal.stranger(), link, &code, CHOSEN).await.is(422);
    choose(&scene.portal.stranger(), link, &last, CHOSEN).await.is(303);
    for (kind, count) in [(Kind::AccountResetRefused, 1), (Kind::AccountResetWithdrawn, 2), (Kind::AccountResetApproved, 3)] {
        assert_eq!(kinds(&scene.portal, kind).await.len(), count, "{kind}");
    }
}

async fn of_two_decisions_at_once_one_holds(backend: Backend) {
    let scene = Scene::set(backend).await;
    let third = scene.portal.sign_in(&scene.portal.colleague(Role::Administrator).await).await;
    for _ in 0..4 {
        scene.propose(&scene.first, "password").await.is(200);
        let decisions = [(scene.second.clone(), "approve"), (third.clone(), "approve"), (third.clone(), "refuse")];
        let (second_csrf, third_csrf) = (scene.second.csrf().await, third.csrf().await);
        let mut deciding = Vec::new();
        for (n, (who, verb)) in decisions.into_iter().enumerate() {
            let (address, csrf) = (format!("{}/reset/{verb}", scene.page), if n == 0 { second_csrf.clone() } else { third_csrf.clone() });
            deciding.push(tokio::spawn(async move { who.post_with(&address, &csrf, &[("reason", "no")]).await.status.as_u16() }));
        }
        let mut held = 0;
        for one in deciding {
            let status = one.await.unwrap();
            assert!([200, 303, 409].contains(&status), "{status}");
            held += usize::from(status != 409);
        }
        assert_eq!(held, 1);
        // Whatever held, the way is free for the next.
        if scene.portal.rooms.accounts.reset_of(&scene.person.id).await.unwrap().is_some() {
            scene.first.post(&format!("{}/reset/withdraw", scene.page), &[]).await.is(303);
        }
    }
    let decided =
        kinds(&scene.portal, Kind::AccountResetApproved).await.len() + kinds(&scene.portal, Kind::AccountResetRefused).await.len();
    assert_eq!(decided, 4);
}

async fn of_two_uses_at_once_one_holds(backend: Backend) {
    let scene = Scene::set(backend).await;
    let (code, link) = scene.parts().await;
    let uses = ["seven lanterns under copper hills", CHOSEN].map(|password| {
        let (who, link, code) = (scene.portal.stranger(), link.clone(), code.clone());
        tokio::spawn(async move { choose(&who, &link, &code, password).await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for one in uses {
        statuses.push(one.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404]);
    assert_eq!(kinds(&scene.portal, Kind::AccountResetUsed).await.len(), 1);
}

/// Sign-ins that race a reset: once it is carried out, no session of the old password lives.
async fn a_sign_in_under_way_does_not_outlive_a_reset(backend: Backend) {
    let scene = Scene::set(backend).await;
    let person = scene.portal.colleague(Role::Auditor).await;
    let page = format!("/admin/people/{}", person.id);
    scene.first.post(&format!("{page}/reset"), &[("what", "password"), ("reason", "stolen")]).await.is(200);
    let mut knocking = Vec::new();
    for _ in 0..8 {
        let (mut client, person) = (scene.portal.stranger(), person.clone());
        let csrf = client.csrf().await;
        knocking.push(tokio::spawn(async move {
            let fields = [("email", person.email.as_str()), ("password", person.password.as_str())];
            let status = client.post_with("/sign-in", &csrf, &fields).await.status;
            client.who = Some((person.id.to_string(), person.role));
            (status, client)
        }));
    }
    scene.second.post(&format!("{page}/reset/approve"), &[]).await.is(200);
    for one in knocking {
        let (status, client) = one.await.unwrap();
        assert!([303, 401].contains(&status.as_u16()), "{status}");
        client.get("/account").await.is(303);
    }
    assert!(scene.portal.rooms.accounts.sessions_of(&person.id).await.unwrap().is_empty());
    let closed = scene.portal.entries(Filter { kind: Some(Kind::AccountResetApproved), ..Filter::default() }).await;
    assert_eq!(closed.len(), 1);
}

/// The operator's own reset, which takes nobody else and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_resets_alone_and_the_record_says_so() {
    let scene = Scene::set(Backend::Sqlite).await;
    let rooms = &scene.portal.rooms;
    let theirs = scene.portal.sign_in(&scene.person).await;
    scene.propose(&scene.first, "password").await.is(200);
    let (link, code) = rooms
        .accounts
        .reset_by_operator(&scene.person.id, ResetOf::Password, "nobody else is left", &scene.portal.context())
        .await
        .unwrap()
        .unwrap();
    theirs.get("/account").await.is(303);
    choose(&scene.portal.stranger(), &link.path(), &code.reveal(), CHOSEN).await.is(303);
    let done = &kinds(&scene.portal, Kind::AccountResetApproved).await[0];
    assert!(done.actor.is_none() && done.facts["by"] == "command line" && done.facts["reason"] == "nobody else is left");
    let withdrawn = &kinds(&scene.portal, Kind::AccountResetWithdrawn).await[0];
    assert_eq!(withdrawn.facts["by"], "command line");
    assert!(installation::sqlite_file(&rooms.config).is_some());
}
