//! What one signs in with: a second factor from the page that offers it to the sign-in that asks for it, another password, and a reset by two
//! administrators.

use data_encoding::BASE32_NOPAD;
use totp_rs::{Builder, Secret};

use crate::browser::Browser;
use crate::portal::{Person, Portal};

/// The code that an app shows at the browser's time, or steps later.
fn code(browser: &Browser, secret: &str, steps: u64) -> String {
    let seed = BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).expect("base32");
    let seed: [u8; 20] = seed.try_into().expect("160 bits");
    let app = Builder::new().with_secret(Secret::new_stack(seed)).with_digits(6).with_step_duration(30).build().expect("an app");
    let now = browser.script("return Math.floor(Date.now() / 1000)", &[]).as_u64().expect("seconds");
    app.generate(now + 30 * steps).to_string()
}

fn knock(browser: &Browser, person: &Person) {
    browser.go("/sign-in");
    browser.fill("#email", &person.email);
    browser.fill("#password", &person.password);
    browser.click("form[action='/sign-in'] button");
}

#[test]
fn from_enrolment_to_a_reset() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    let Some(first) = Browser::open(&portal) else { return };
    let Some(second) = Browser::open(&portal) else { return };
    let person = &portal.auditor;

    browser.sign_in(person);
    browser.go("/account");
    browser.read("main", "Your password alone.");
    browser.inspect();
    browser.follow("Set up a second factor");
    browser.arrive_at("/account/second-factor");
    browser.inspect();
    browser.push("Set up");
    browser.read("h1", "Set up your second factor");
    assert!(browser.count("svg.qr path") == 1, "the picture is drawn");
    browser.inspect();
    let secret = browser.words(".enrol .secret");
    browser.fill("#code", "000000");
    browser.push("Confirm");
    browser.read(".error", "not the code that the app shows");
    browser.inspect_error(422);
    browser.fill("#code", &code(&browser, &secret, 0));
    browser.push("Confirm");
    browser.read("h1", "Your second factor is set up.");
    browser.inspect();
    assert!(browser.count(".codes li") == 10, "ten recovery codes");
    let recovery = browser.words(".codes li:nth-child(3)");
    browser.follow("I have kept them");
    browser.go("/account/second-factor");
    browser.read("main", "10 recovery codes are left");
    browser.inspect();
    browser.push("Turn it off");
    browser.inspect();
    browser.go("/account");
    browser.push("Change password");
    browser.inspect();
    browser.sign_out();

    knock(&browser, person);
    browser.arrive("Second factor");
    browser.inspect();
    // The password alone opens nothing.
    browser.go("/audit");
    browser.arrive("Sign in");
    knock(&browser, person);
    browser.arrive("Second factor");
    browser.fill("#code", "000000");
    browser.push("Sign in");
    browser.read("[role=alert]", "does not fit");
    browser.inspect_error(401);
    // The next code, which may be early: the one before confirmed the factor.
    browser.fill("#code", &code(&browser, &secret, 1));
    browser.push("Sign in");
    browser.until("the desk", || browser.place() == "/" && browser.count(".who") == 1);
    browser.go("/reauthenticate?purpose=look%20at%20this");
    browser.inspect();
    browser.go("/account");
    browser.sign_out();
    knock(&browser, person);
    browser.arrive("Second factor");
    browser.fill("#code", &recovery);
    browser.push("Sign in");
    browser.until("the desk", || browser.place() == "/" && browser.count(".who") == 1);

    // Both are lost.
    first.sign_in(&portal.first_administrator);
    first.go("/admin/people");
    first.follow("An auditor");
    first.read("main", "Password and second factor");
    first.push("Propose a reset");
    first.inspect();
    first.choose("#what", "Password, and the second factor with it");
    first.fill("#reset-reason", "Lost the phone, and called from the number we know");
    first.push("Propose reset");
    first.read("h1", "is proposed");
    first.inspect();
    let code = first.words(".secret");
    first.follow("I have kept it");
    first.read("main", "A reset awaits approval");
    first.inspect();
    second.sign_in(&portal.second_administrator);
    second.read("main", "An auditor, password");
    second.follow("An auditor, password");
    second.read("main", "A reset awaits approval");
    second.inspect();
    second.push("Reset password");
    second.read("h1", "has to choose another password");
    second.inspect();
    let link = second.words(".secret");
    let link = link.strip_prefix(&portal.address).expect("the portal's own address");
    second.follow("I have sent it");
    second.read("main", "Has to choose another password");
    second.inspect();

    // The very next click.
    browser.go("/audit");
    browser.arrive("Sign in");
    browser.go(link);
    browser.read("h1", "choose another password");
    browser.inspect();
    browser.fill("#code", "wrong");
    browser.fill("#password", "copper lantern under seven hills");
    browser.fill("#again", "copper lantern under seven hills");
    browser.push("Choose this password");
    browser.read(".error", "not the code that belongs to this link");
    browser.inspect_error(422);
    browser.fill("#code", &code);
    browser.fill("#password", "copper lantern under seven hills");
    browser.fill("#again", "copper lantern under seven hills");
    browser.push("Choose this password");
    browser.until("the desk", || browser.place() == "/" && browser.count(".who") == 1);
    browser.read("h1", "The record");
    browser.sign_out();
    browser.go(link);
    browser.read("h1", "This link opens nothing.");
    browser.inspect_error(404);
}
