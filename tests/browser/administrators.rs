//! Two administrators: one proposes, the other approves, and a revocation holds at the reader's next click.

use crate::browser::Browser;
use crate::portal::{Person, Portal};

#[test]
fn grant_and_revoke() {
    let portal = Portal::open();
    let Some(first) = Browser::open(&portal) else { return };
    let Some(second) = Browser::open(&portal) else { return };
    let Some(reader) = Browser::open(&portal) else { return };

    reader.sign_in(&portal.second_reviewer);
    reader.go("/p/lantern/v1.1/file/docs/guide.md");
    reader.read("main", "404");

    first.sign_in(&portal.first_administrator);
    first.read("h1", "Nothing waits for you.");
    first.inspect();
    first.follow("Propose a grant");
    first.arrive_at("/admin/grants/new");
    first.inspect();
    first.push("Preview");
    first.read("[role=alert]", "");
    first.read(".error", "");
    first.inspect_error(422);
    first.choose("#agency", "Agency Two");
    first.choose("#agreement", "DEMO-TWO");
    first.choose("#product", "lantern");
    first.fill("#versions", "*");
    first.fill("#include", "docs");
    let term = first.words("#agreement option:checked");
    assert!(term.contains("DEMO-TWO"), "{term}");
    first.set_date("#until", &portal.soon());
    first.fill("#purpose", "Reading the guide");
    first.push("Preview");
    first.read("#preview", "docs/");
    first.inspect();
    first.push("Propose grant");
    first.read("h1", "Grant lantern to Agency Two");
    first.inspect();
    assert!(first.count("form[action$='/approve']") == 0, "nobody approves what they proposed");
    reader.go("/p/lantern/v1.1/file/docs/guide.md");
    reader.read("main", "404");

    second.sign_in(&portal.second_administrator);
    second.read("h1", "One decision waits for you.");
    second.inspect();
    second.click(".page a[href^='/admin/grants/ent_']");
    second.read("h1", "Grant lantern to Agency Two");
    second.inspect();
    let grant = second.place();
    second.push("Approve grant");
    confirm_if_asked(&second, &portal.second_administrator, "Approve grant");
    second.read(".panel .state", "In force");
    second.inspect();

    reader.go("/p/lantern/v1.1/file/docs/guide.md");
    reader.read("main", "First steps");
    reader.read(".seal", "Recorded as entry");

    the_other_pages(&first);
    first.go(&grant);
    first.push("Revoke");
    first.fill("#revoke-reason", "The reading is done");
    first.inspect();
    first.push("Revoke grant");
    confirm_if_asked(&first, &portal.first_administrator, "Revoke grant");
    first.read(".panel .state", "Revoked");
    first.inspect();

    // The very next click.
    reader.click(".tree a[href*='/docs']");
    reader.read("main", "404");
    reader.go("/p/lantern/v1.1/file/boot/start.c");
    reader.read("#source", "lantern_canary");

    // No source for administrators, and no log.
    for path in ["/p", "/p/lantern/v1.1/file/boot/start.c", "/search?q=lamp", "/audit"] {
        first.go(path);
        first.read("main", "404");
    }
    first.inspect_error(404);
}

/// The password once more, when the sign-in was not just now, and then the decision again.
pub(crate) fn confirm_if_asked(browser: &Browser, person: &Person, decision: &str) {
    browser.until("an answer", || !browser.place().contains('?') || browser.place().starts_with("/reauthenticate"));
    if browser.place().starts_with("/reauthenticate") {
        browser.inspect();
        browser.fill("#password", &person.password);
        browser.push("Confirm");
        browser.push(decision);
    }
}

fn the_other_pages(browser: &Browser) {
    for (path, words) in [
        ("/", "Nothing waits for you."),
        ("/admin/grants", "docs"),
        ("/admin/grants?state=ended", "Grants"),
        ("/admin/agencies", "Agency One"),
        ("/admin/agencies/new", "agency"),
        ("/admin/agencies/agency-one/directory", "Tenant URL"),
        ("/admin/agreements/new", "agreement"),
        ("/admin/people", "First reviewer"),
        ("/admin/people/new", "E-mail"),
        ("/admin/products", "lantern"),
        ("/admin/products/lantern", "v1.1"),
        ("/admin/products/new", "Name"),
        ("/account", "First administrator"),
        ("/design", "Design"),
    ] {
        browser.go(path);
        browser.until(words, || browser.words("body").to_lowercase().contains(&words.to_lowercase()));
        browser.inspect();
    }
    // A directory's token, shown once, and revoked.
    browser.go("/admin/agencies/agency-one/directory");
    browser.fill("#name", "Entra");
    browser.push("Make a token");
    browser.until("the token", || browser.words("body").contains("lectern_directory_"));
    browser.inspect();
    browser.follow("I have passed it on");
    browser.until("the list", || browser.place().ends_with("/directory"));
    browser.inspect();
    browser.push("Revoke Entra");
    browser.until("its end", || browser.words("body").contains("Nothing is taken with this token"));
    // From a list to one of it, and from an agency to its agreement.
    for (list, one) in
        [(Some("/admin/people"), "/admin/people/"), (Some("/admin/agencies"), "/admin/agencies/"), (None, "/admin/agreements/")]
    {
        if let Some(list) = list {
            browser.go(list);
        }
        browser.click(&format!("main table a[href^='{one}']:not([href$='/new'])"));
        browser.until(one, || browser.place().starts_with(one));
        browser.inspect();
    }
}
