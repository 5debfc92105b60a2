//! How a file came about: its history, a commit, who wrote its lines, what they were before; by mouse, by keyboard, without scripts.

use crate::browser::{Browser, ENTER, Scripts};
use crate::portal::Portal;

const FILE: &str = "boot/start.c";

#[test]
fn looks_into_the_past() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    browser.sign_in(&portal.first_reviewer);

    browser.go(&format!("/p/lantern/v1.1/history/{FILE}"));
    browser.read(".past", "added");
    browser.inspect();
    let commits = browser.count(".past tbody tr");
    assert!(commits >= 1, "{commits}");
    browser.click(".past tbody tr:last-child td:first-child > a");
    browser.until("the commit", || browser.place().contains("/commit/"));
    browser.read("main", FILE);
    assert!(browser.count(".delta .added") > 0);
    browser.inspect();
    browser.back();
    browser.until("the history again", || browser.place().ends_with(FILE));

    browser.go("/p/lantern/v1.1/history/");
    browser.read(".past", "files");
    browser.inspect();

    browser.go(&format!("/p/lantern/v1.1/history/{FILE}?lines=1-3"));
    browser.read(".hitlist", "stdio.h");
    browser.inspect();

    // By keyboard: into blame, and from a line to its commit.
    browser.go(&format!("/p/lantern/v1.1/history/{FILE}"));
    browser.tab_to(".acts a[href*='/blame/']");
    browser.press(&[ENTER]);
    browser.until("blame", || browser.place().contains("/blame/"));
    browser.read("#source", "stdio.h");
    browser.inspect();
    browser.tab_to(".blame .by a");
    browser.press(&[ENTER]);
    browser.until("the commit", || browser.place().contains("/commit/"));
}

#[test]
fn looks_into_the_past_without_scripts() {
    let portal = Portal::open();
    let Some(browser) = Browser::open_with(&portal, Scripts::Off) else { return };
    browser.sign_in(&portal.first_reviewer);
    browser.go(&format!("/p/lantern/v1.1/history/{FILE}"));
    browser.follow("Blame");
    browser.until("blame", || browser.place().contains("/blame/"));
    browser.read("#source", "stdio.h");
    browser.click(".blame .by a");
    browser.until("the commit", || browser.place().contains("/commit/"));
    browser.read("main", FILE);
}
