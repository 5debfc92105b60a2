//! From a name to where it is defined, and to everything that uses it: by a click, by keys, and without scripts.

use serde_json::json;

use crate::browser::{Browser, ENTER, ESCAPE, Scripts};
use crate::portal::Portal;

const FILE: &str = "/p/lantern/v1.1/file/boot/start.c";

#[test]
fn follows_a_name() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    browser.sign_in(&portal.first_reviewer);

    browser.go(FILE);
    browser.read(".outline", "main");
    browser.inspect();
    browser.click("#L6 .f");
    browser.read(".peekbox .peek", "boot/start.c:6");
    browser.read(".peekbox", "this file");
    browser.read(".peekbox .seal", "Recorded as entry");
    browser.inspect();
    browser.press(&[ESCAPE]);
    browser.until("the definitions closed", || browser.count(".peekbox") == 0);
    assert_eq!(browser.place(), FILE, "looking a name up leaves the place as it is");

    // What is called here is declared elsewhere and defined nowhere.
    browser.click("#L10 .f");
    browser.read(".peekbox .peek", "no definition that you may read");
    browser.follow("All 2 references");
    browser.read("h1", "light");
    browser.read("main", "boot/table.h");
    browser.inspect();
    browser.click(".symbol .acts a[href*='kind=call']");
    browser.until("the calls alone", || browser.place().contains("kind=call") && !browser.words("main").contains("boot/table.h"));
    browser.follow("Back to boot/start.c");
    browser.arrive_at(FILE);

    by_keys(&browser);
}

fn by_keys(browser: &Browser) {
    browser.go(&format!("{FILE}#L10"));
    browser.until("the line", || browser.count("#source .on") == 1);
    browser.press(&["d"]);
    browser.read("dialog[open] h2", "Look up a symbol");
    browser.read("dialog[open] .chips", "light");
    browser.inspect();
    // Looking at it at all widths has moved the focus.
    browser.press(&[ESCAPE]);
    browser.until("the dialog closed", || browser.count("dialog[open]") == 0);
    browser.press(&["d"]);
    browser.read("dialog[open] .chips", "light");
    // The names of the line come first.
    browser.press(&[ENTER]);
    browser.read(".peekbox .peek", "light");
    browser.until("the focus within", || {
        browser.script("return document.querySelector('.peekbox').contains(document.activeElement)", &[]) == json!(true)
    });
    browser.press(&[ENTER]);
    browser.read("h1", "light");
}

#[test]
fn follows_a_name_without_scripts() {
    let portal = Portal::open();
    let Some(browser) = Browser::open_with(&portal, Scripts::Off) else { return };
    browser.sign_in(&portal.first_reviewer);
    browser.go(FILE);
    browser.fill("#symbol", "main");
    browser.press(&[ENTER]);
    browser.read("h1", "main");
    browser.read(".defs", "boot/start.c:6");
    browser.click(".def a");
    browser.arrive_at(&format!("{FILE}#L6"));
}
