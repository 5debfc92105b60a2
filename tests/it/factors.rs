//! Second factors: who sets one up and how, what signing in asks for then, what a recovery code stands in for, who must have one; and
//! passwords that their owners change.

mod waiting;

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use lectern::accounts::Role;
use lectern::audit::{Entry, Filter, Kind};
use lectern::clock::{Clock, Timestamp};
use lectern::config::FactorPolicy;
use totp_rs::{Builder, Secret};

use crate::harness::client::{Answer, Client};
use crate::harness::{Backend, Person, Portal, on_both};

on_both! {
    a_factor_is_set_up_and_asked_for
    a_code_is_taken_once_and_near_its_time
    wrong_codes_are_counted_for_the_account_whatever_the_session
    a_recovery_code_works_once_for_whoever_comes_first
    what_is_begun_holds_nothing_and_is_shown_to_a_fresh_password_alone
    a_fresh_confirmation_asks_for_the_code_too
    a_factor_is_replaced_and_turned_off_with_a_code
    whoever_must_have_one_reaches_nothing_else_first
    a_password_is_changed_by_whoever_knows_it
    without_the_key_codes_are_not_checked_and_recovery_codes_are
}

pub(crate) const PAGE: &str = "/account/second-factor";
pub(crate) const DOOR: &str = "/sign-in/second-factor";
/// A password that somebody changes to.
const NEW: &str = "seven lanterns under copper hills";
pub(crate) const STEP: Duration = Duration::from_secs(30);

/// The code that an app shows.
pub(crate) fn code_at(secret: &str, at: Timestamp) -> String {
    let seed: [u8; 20] = BASE32_NOPAD.decode(secret.as_bytes()).unwrap().try_into().unwrap();
    let app = Builder::new().with_secret(Secret::new_stack(seed)).with_digits(6).with_step_duration(30).build().unwrap();
    app.generate(u64::try_from(at.seconds()).unwrap()).to_string()
}

/// An app of somebody's, and their recovery codes.
#[derive(Clone, Debug)]
pub(crate) struct App {
    secret: String,
    pub(crate) recovery: Vec<String>,
}

impl App {
    pub(crate) fn code(&self, portal: &Portal) -> String {
        code_at(&self.secret, portal.clock.now())
    }

    /// A code that was not used yet: time goes on by a step.
    pub(crate) fn next(&self, portal: &Portal) -> String {
        portal.clock.advance(STEP);
        self.code(portal)
    }
}

/// The secret on the page that shows it.
fn secret_in(page: &str) -> String {
    let (_, rest) = page.split_once("mono secret\">").unwrap_or_else(|| panic!("no secret in {page}"));
    rest.split('<').next().unwrap().replace(' ', "")
}

fn codes_in(page: &str) -> Vec<String> {
    let (_, list) = page.split_once("<ol class=\"codes").unwrap_or_else(|| panic!("no codes in {page}"));
    list.split("<li>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

/// Sets a second factor up as its pages do.
pub(crate) async fn enrol(portal: &Portal, who: &Client) -> App {
    who.post(&format!("{PAGE}/begin"), &[]).await.is(303);
    let secret = secret_in(&who.get(PAGE).await.is(200).text());
    let code = code_at(&secret, portal.clock.now());
    let page = who.post(&format!("{PAGE}/confirm"), &[("code", &code)]).await.is(200).text();
    App { secret, recovery: codes_in(&page) }
}

/// Gives the password; the session awaits the code.
pub(crate) async fn knock(portal: &Portal, person: &Person) -> Client {
    let client = portal.stranger();
    let answer = client.post("/sign-in", &[("email", &person.email), ("password", &person.password)]).await.is(303);
    assert_eq!(answer.location(), DOOR);
    client
}

/// Gives a code at the door.
pub(crate) async fn give(client: &Client, code: &str) -> Answer {
    let page = client.get(DOOR).await.is(200).text();
    let csrf = crate::harness::client::csrf_in(&page).unwrap();
    client.post_with(DOOR, &csrf, &[("code", code), ("next", "/account")]).await
}

pub(crate) async fn kinds(portal: &Portal, kind: Kind) -> Vec<Entry> {
    portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await
}

async fn changes(portal: &Portal) -> Vec<String> {
    let entries = kinds(portal, Kind::AccountSecondFactorChanged).await;
    entries.iter().map(|entry| entry.facts["change"].as_str().unwrap().to_owned()).collect()
}

async fn a_factor_is_set_up_and_asked_for(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.colleague(Role::Auditor).await;
    let [here, elsewhere] = [portal.sign_in(&person).await, portal.sign_in(&person).await];
    assert!(here.get("/account").await.is(200).text().contains("Your password alone."));
    here.post(&format!("{PAGE}/confirm"), &[("code", "000000")]).await.is(409);
    here.post(&format!("{PAGE}/begin"), &[]).await.is(303);
    let page = here.get(PAGE).await.is(200).text();
    assert!(page.contains("<svg class=\"qr\"") && page.contains("otpauth://totp/Lectern:"), "{page}");
    let secret = secret_in(&page);
    // A code of another time sets nothing up.
    let late = code_at(&secret, portal.clock.now().plus(STEP * 5));
    assert!(here.post(&format!("{PAGE}/confirm"), &[("code", &late)]).await.is(422).text().contains("not the code"));
    portal.sign_in(&person).await.get("/account").await.is(200);
    let code = code_at(&secret, portal.clock.now());
    let shown = here.post(&format!("{PAGE}/confirm"), &[("code", &code)]).await.is(200).text();
    let app = App { secret: secret.clone(), recovery: codes_in(&shown) };
    assert_eq!(app.recovery.len(), 10);
    // Sessions that were opened with less have ended, and nothing of the secret is shown again or kept in the clear.
    here.get("/account").await.is(200);
    elsewhere.get("/account").await.is(303);
    assert!(!here.get(PAGE).await.is(200).text().contains(&secret));
    let tables = ["second_factors", "recovery_codes", "sessions"];
    for table in tables {
        let rows = dump(&portal, table).await;
        assert!(!rows.contains(&secret) && !rows.contains(&app.recovery[0].replace('-', "")), "{table}");
    }
    // The password alone opens a door, and nothing behind it.
    let knocked = knock(&portal, &person).await;
    assert!(knocked.get("/account").await.is(303).location().starts_with("/sign-in"));
    give(&knocked, "123456").await.is(401);
    let opened = give(&knocked, &app.next(&portal)).await.is(303);
    assert_eq!(opened.location(), "/account");
    assert!(knocked.get("/account").await.is(200).text().contains("10 recovery codes are left"));
    let opened = kinds(&portal, Kind::SessionOpened).await;
    assert_eq!(opened.last().unwrap().facts["factors"], serde_json::json!(["password", "code"]));
    let refused = kinds(&portal, Kind::SessionRefused).await;
    assert_eq!((refused.len(), &refused[0].facts["wrong"]), (1, &"code".into()));
    assert!(refused[0].actor.is_none());
    assert_eq!(changes(&portal).await, ["set up"]);
    assert_eq!(kinds(&portal, Kind::AccountSecondFactorChanged).await[0].facts["sessions"], 2);
}

/// Every row of a table as text, with bytes in hexadecimal.
async fn dump(portal: &Portal, table: &str) -> String {
    use sqlx::{AssertSqlSafe, Column as _, Row as _};
    let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}"))).fetch_all(portal.rooms.database.pool()).await.unwrap();
    assert!(!rows.is_empty(), "{table} is empty");
    let mut text = String::new();
    for row in rows {
        for column in row.columns() {
            let name = column.name();
            let value = row.try_get::<Option<String>, _>(name).ok().flatten();
            let bytes = || row.try_get::<Option<Vec<u8>>, _>(name).ok().flatten().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            text.push_str(&value.or_else(bytes).unwrap_or_default());
            text.push('\n');
        }
    }
    text
}

async fn a_code_is_taken_once_and_near_its_time(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.colleague(Role::Auditor).await;
    let app = enrol(&portal, &portal.sign_in(&person).await).await;
    // The one that confirmed it is used up.
    give(&knock(&portal, &person).await, &app.code(&portal)).await.is(401);
    let code = app.next(&portal);
    give(&knock(&portal, &person).await, &code).await.is(303);
    for _ in 0..2 {
        give(&knock(&portal, &person).await, &code).await.is(401);
        portal.clock.advance(Duration::from_secs(10));
    }
    // One step early and one step late are taken, two are not.
    let mut now = portal.clock.now().plus(STEP * 4);
    for (offset, status) in [(-2_i64, 401), (2, 401), (-1, 303), (1, 303)] {
        now = now.plus(STEP * 10);
        portal.clock.set(now);
        let at = Timestamp::from_seconds(now.seconds() + 30 * offset);
        give(&knock(&portal, &person).await, &code_at(&app.secret, at)).await.is(status);
    }
    // A clock that was put back opens nothing with codes from before the last one taken.
    portal.clock.set(now.minus(STEP * 5));
    give(&knock(&portal, &person).await, &app.code(&portal)).await.is(401);
    // Spaces are for people.
    portal.clock.set(now.plus(STEP * 10));
    let code = app.code(&portal);
    give(&knock(&portal, &person).await, &format!("{} {}", &code[..3], &code[3..])).await.is(303);
}

async fn wrong_codes_are_counted_for_the_account_whatever_the_session(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.colleague(Role::Auditor).await;
    let app = enrol(&portal, &portal.sign_in(&person).await).await;
    portal.clock.advance(STEP);
    // Each from another session and another address, with the right password in between.
    for address in ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1", "192.0.2.5:1", "192.0.2.6:1"] {
        let mut client = portal.stranger();
        client.address = address;
        client.post("/sign-in", &[("email", &person.email), ("password", &person.password)]).await.is(303);
        give(&client, "000000").await.is(401);
    }
    // Now the right one is refused, too, also where somebody has signed in before, and also a recovery code, which stays unused.
    give(&knock(&portal, &person).await, &app.code(&portal)).await.is(401);
    give(&knock(&portal, &person).await, &app.recovery[0]).await.is(401);
    portal.clock.advance(Duration::from_secs(3));
    give(&knock(&portal, &person).await, &app.recovery[0]).await.is(303);
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    let page = administrator.get(&format!("/admin/people/{}", person.id)).await.is(200).text();
    assert!(page.contains("6 wrong passwords or codes") && page.contains("9 recovery codes are left"), "{page}");
    // However many come at once, as many are tried as would be one after another.
    portal.clock.advance(STEP);
    let mut knocking = Vec::new();
    for _ in 0..12 {
        knocking.push(knock(&portal, &person).await);
    }
    let before = kinds(&portal, Kind::SessionRefused).await.len();
    let tries = knocking.into_iter().map(|client| tokio::spawn(async move { give(&client, "000000").await.status.as_u16() }));
    let mut statuses = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        statuses.push(one.await.unwrap());
    }
    assert_eq!(statuses, [401; 12]);
    assert_eq!(kinds(&portal, Kind::SessionRefused).await.len(), before + 12);
    let row = sqlx::query("SELECT failures FROM sign_in_attempts WHERE subject = $1").bind(format!("code {}", person.email));
    let counted: i64 = sqlx::Row::get(&row.fetch_one(portal.rooms.database.pool()).await.unwrap(), 0);
    assert_eq!(counted, 6, "five cost nothing and the sixth holds back the rest");
}

async fn a_recovery_code_works_once_for_whoever_comes_first(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.colleague(Role::Auditor).await;
    let app = enrol(&portal, &portal.sign_in(&person).await).await;
    let [one, other] = [knock(&portal, &person).await, knock(&portal, &person).await];
    let code = app.recovery[3].clone();
    let race = [one, other].map(|client| {
        let code = code.clone();
        tokio::spawn(async move { give(&client, &code).await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for one in race {
        statuses.push(one.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 401]);
    give(&knock(&portal, &person).await, &code).await.is(401);
    give(&knock(&portal, &person).await, &app.recovery[4].to_uppercase().replace('-', " ")).await.is(303);
    assert_eq!(changes(&portal).await, ["set up", "recovery code used", "recovery code used"]);
    let used = kinds(&portal, Kind::AccountSecondFactorChanged).await;
    assert_eq!((&used[1].facts["left"], &used[2].facts["left"]), (&9.into(), &8.into()));
    let opened = kinds(&portal, Kind::SessionOpened).await;
    assert_eq!(opened.last().unwrap().facts["factors"], serde_json::json!(["password", "recovery code"]));
    // Another's code is none of theirs.
    let stranger = portal.colleague(Role::Auditor).await;
    enrol(&portal, &portal.sign_in(&stranger).await).await;
    give(&knock(&portal, &stranger).await, &app.recovery[5]).await.is(401);
}

async fn what_is_begun_holds_nothing_and_is_shown_to_a_fresh_password_alone(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.colleague(Role::Auditor).await;
    let client = portal.sign_in(&person).await;
    client.post(&format!("{PAGE}/begin"), &[]).await.is(303);
    let first = secret_in(&client.get(PAGE).await.text());
    client.post(&format!("{PAGE}/begin"), &[]).await.is(303);
    let second = secret_in(&client.get(PAGE).await.text());
    assert_ne!(first, second);
    let code = code_at(&first, portal.clock.now());
    client.post(&format!("{PAGE}/confirm"), &[("code", &code)]).await.is(422);
    // It is no factor yet.
    let mut again = portal.stranger();
    assert_eq!(again.sign_in(&person).await.is(303).location(), "/");
    // Eleven minutes after the password neither is the secret shown nor anything taken.
    portal.clock.advance(Duration::from_secs(11 * 60));
    assert!(!client.get(PAGE).await.is(200).text().contains("mono secret"));
    let code = code_at(&second, portal.clock.now());
    for verb in ["begin", "confirm"] {
        let asked = client.post(&format!("{PAGE}/{verb}"), &[("code", &code)]).await.is(303);
        assert!(asked.location().starts_with("/reauthenticate?next=/account/second-factor"), "{}", asked.location());
    }
    client.post("/reauthenticate", &[("password", &person.password), ("next", PAGE)]).await.is(303);
    assert_eq!(secret_in(&client.get(PAGE).await.text()), second);
    // And an hour after it was begun it is none any more.
    portal.clock.advance(Duration::from_secs(14 * 60));
    client.get(PAGE).await.is(200);
    for _ in 0..4 {
        portal.clock.advance(Duration::from_secs(10 * 60));
        client.get(PAGE).await.is(200);
    }
    client.post("/reauthenticate", &[("password", &person.password), ("next", PAGE)]).await.is(303);
    assert!(!client.get(PAGE).await.is(200).text().contains("mono secret"));
    let code = code_at(&second, portal.clock.now());
    client.post(&format!("{PAGE}/confirm"), &[("code", &code)]).await.is(409);
    assert!(changes(&portal).await.is_empty());
}

async fn a_fresh_confirmation_asks_for_the_code_too(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let [first, other] = portal.administrators.clone();
    let client = portal.sign_in(&first).await;
    let app = enrol(&portal, &client).await;
    let page = format!("/admin/people/{}", portal.auditor.id);
    portal.clock.advance(Duration::from_secs(11 * 60));
    let lock = async || client.post(&format!("{page}/lock"), &[("reason", "left")]).await;
    assert!(lock().await.is(303).location().starts_with("/reauthenticate"));
    assert!(client.get("/reauthenticate").await.is(200).text().contains("name=\"code\""));
    let code = app.code(&portal);
    for (password, code) in [(first.password.as_str(), ""), (&first.password, "000000"), ("wrong", &code), (&other.password, &code)] {
        let answer = client.post("/reauthenticate", &[("password", password), ("code", code)]).await.is(200).text();
        assert!(answer.contains("do not both fit"), "{answer}");
        assert!(lock().await.is(303).location().starts_with("/reauthenticate"));
    }
    // A wrong password used nothing up.
    client.post("/reauthenticate", &[("password", &first.password), ("code", &code)]).await.is(303);
    assert_eq!(lock().await.is(303).location(), page);
    let wrong: Vec<String> =
        kinds(&portal, Kind::SessionRefused).await.iter().map(|entry| entry.facts["wrong"].as_str().unwrap().to_owned()).collect();
    assert_eq!(wrong, ["code", "code", "password", "password"]);
}

async fn a_factor_is_replaced_and_turned_off_with_a_code(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.colleague(Role::Auditor).await;
    let client = portal.sign_in(&person).await;
    let old = enrol(&portal, &client).await;
    for verb in ["recovery", "off"] {
        for code in ["", "000000", &old.code(&portal)] {
            let answer = client.post(&format!("{PAGE}/{verb}"), &[("code", code)]).await.is(422).text();
            assert!(answer.contains("does not fit, was used before"), "{answer}");
        }
    }
    portal.clock.advance(Duration::from_secs(60));
    let made = client.post(&format!("{PAGE}/recovery"), &[("code", &old.next(&portal))]).await.is(200).text();
    let renewed = codes_in(&made);
    give(&knock(&portal, &person).await, &old.recovery[0]).await.is(401);
    give(&knock(&portal, &person).await, &renewed[0]).await.is(303);
    // Another one in the place of the first, which holds until then.
    portal.clock.advance(STEP);
    client.post(&format!("{PAGE}/begin"), &[]).await.is(303);
    give(&knock(&portal, &person).await, &old.next(&portal)).await.is(303);
    let new = enrol(&portal, &client).await;
    portal.clock.advance(STEP);
    give(&knock(&portal, &person).await, &old.code(&portal)).await.is(401);
    give(&knock(&portal, &person).await, &renewed[1]).await.is(401);
    give(&knock(&portal, &person).await, &new.next(&portal)).await.is(303);
    // Minutes later, turning it off asks for the password first.
    portal.clock.advance(Duration::from_secs(11 * 60));
    assert!(client.post(&format!("{PAGE}/off"), &[("code", &new.code(&portal))]).await.is(303).location().starts_with("/reauthenticate"));
    client.post("/reauthenticate", &[("password", &person.password), ("code", &new.code(&portal))]).await.is(303);
    client.post(&format!("{PAGE}/off"), &[("code", &new.recovery[9])]).await.is(303);
    portal.sign_in(&person).await.get("/account").await.is(200);
    client.post(&format!("{PAGE}/off"), &[("code", &new.recovery[8])]).await.is(422);
    let done = ["set up", "new recovery codes", "recovery code used", "replaced", "recovery code used", "turned off"];
    assert_eq!(changes(&portal).await, done);
}

async fn whoever_must_have_one_reaches_nothing_else_first(backend: Backend) {
    let portal = Portal::with(backend, |config| config.accounts.second_factor = FactorPolicy::Staff).await;
    let agency = portal.agency().await;
    let reviewer = portal.named(&agency).await;
    portal.sign_in(&reviewer).await.get("/account").await.is(200);
    let mut client = portal.stranger();
    let person = portal.auditor.clone();
    let due = client.post("/sign-in", &[("email", &person.email), ("password", &person.password)]).await.is(303);
    assert_eq!(due.location(), "/");
    client.who = None;
    assert_eq!(client.get("/audit").await.is(303).location(), "/account/second-factor?next=/audit");
    assert_eq!(client.get_json("/audit").await.is(403).json()["error"]["code"], "second_factor_due");
    let page = client.get(PAGE).await.is(200).text();
    assert!(page.contains("A second factor is due") && !page.contains("href=\"/audit\""), "{page}");
    let csrf = crate::harness::client::csrf_in(&page).unwrap();
    client.post_with("/account/password", &csrf, &[]).await.is(403);
    client.post_with(&format!("{PAGE}/off"), &csrf, &[]).await.is(403);
    client.post_with(&format!("{PAGE}/begin"), &csrf, &[("next", "/audit")]).await.is(303);
    let secret = secret_in(&client.get(PAGE).await.text());
    let code = code_at(&secret, portal.clock.now());
    let done = client.post_with(&format!("{PAGE}/confirm"), &csrf, &[("code", &code), ("next", "/audit")]).await.is(200).text();
    assert!(done.contains("href=\"/audit\""), "{done}");
    client.who = Some((person.id.to_string(), Role::Auditor));
    client.get("/audit").await.is(200);
    // It is not turned off, but replaced.
    let app = App { secret, recovery: codes_in(&done) };
    let told = client.post(&format!("{PAGE}/off"), &[("code", &app.next(&portal))]).await.is(422).text();
    assert!(told.contains("Your role needs a second factor"), "{told}");
    assert_eq!(changes(&portal).await, ["set up"]);
}

async fn a_password_is_changed_by_whoever_knows_it(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.colleague(Role::Auditor).await;
    let [here, there] = [portal.sign_in(&person).await, portal.sign_in(&person).await];
    let waiting = {
        let other = portal.colleague(Role::Auditor).await;
        enrol(&portal, &portal.sign_in(&other).await).await;
        knock(&portal, &other).await
    };
    let change = async |current: &str, new: &str, again: &str| {
        here.post("/account/password", &[("current", current), ("password", new), ("again", again)]).await
    };
    for (current, new, again, says) in [
        (person.password.as_str(), NEW, "another", "not what you typed above"),
        (&person.password, "short", "short", "at least 15 characters"),
        (&person.password, &person.password, &person.password, "the password you have"),
        ("wrong", NEW, NEW, "This is not your password"),
    ] {
        let page = change(current, new, again).await.is(422).text();
        assert!(page.contains(says), "{says}: {page}");
    }
    assert_eq!(change(&person.password, NEW, NEW).await.is(303).location(), "/account");
    here.get("/account").await.is(200);
    there.get("/account").await.is(303);
    portal.stranger().sign_in(&person).await.is(401);
    portal.sign_in(&Person { password: NEW.to_owned(), ..person.clone() }).await;
    // Only theirs ended.
    waiting.get(DOOR).await.is(200);
    let changed = kinds(&portal, Kind::AccountPasswordChanged).await;
    assert_eq!((changed.len(), &changed[0].facts["sessions"]), (1, &1.into()));
    assert_eq!(changed[0].facts["account"], person.id.as_str());
    // A wrong one is counted as at sign-in.
    for _ in 0..6 {
        change("wrong", "copper lantern under seven hills", "copper lantern under seven hills").await.is(422);
    }
    change(NEW, "copper lantern under seven hills", "copper lantern under seven hills").await.is(422);
}

async fn without_the_key_codes_are_not_checked_and_recovery_codes_are(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let person = portal.colleague(Role::Auditor).await;
    let app = enrol(&portal, &portal.sign_in(&person).await).await;
    portal.rooms.accounts.check_factor_key().await.unwrap();
    let key = portal.rooms.config.keys().join("factors.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let client = knock(&portal, &person).await;
    give(&client, &app.next(&portal)).await.is(500);
    let told = portal.rooms.accounts.check_factor_key().await.unwrap_err().to_string();
    assert!(told.contains("factors.key, is missing") && told.contains("recovery codes work"), "{told}");
    give(&client, &app.recovery[0]).await.is(303);
    // Another key is never made while something is sealed with the one that is missing.
    let other = portal.sign_in(&portal.auditor).await;
    other.post(&format!("{PAGE}/begin"), &[]).await.is(500);
    assert!(!key.exists());
    std::fs::write(&key, kept).unwrap();
    give(&knock(&portal, &person).await, &app.next(&portal)).await.is(303);
}
