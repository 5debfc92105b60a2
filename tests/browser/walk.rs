//! One way through the house by keyboard alone: no pointer, and no address but that of the door. Where the focus goes can be seen at each step,
//! and each page on the way is inspected.

use crate::browser::{Browser, DOWN, ENTER, ESCAPE, HOME, RIGHT, TAB};
use crate::portal::Portal;

const FILE: &str = "/p/lantern/v1.1/file/boot/start.c";

#[test]
fn from_the_door_to_a_comparison() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    in_by_the_door(&browser, &portal);
    through_the_tree(&browser);
    by_search_to_a_line(&browser);
    to_a_definition(&browser);
    what_is_done_with_lines(&browser);
    who_wrote_it(&browser);
    what_changed(&browser);
}

/// Goes on from a page that was inspected, which tries it in all widths and so loses the focus.
#[track_caller]
fn enter(browser: &Browser, css: &str) {
    browser.inspect();
    browser.tab_to(css);
    browser.press(&[ENTER]);
}

fn in_by_the_door(browser: &Browser, portal: &Portal) {
    browser.go("/");
    browser.until("the door", || browser.place().starts_with("/sign-in"));
    browser.inspect();
    browser.tab_to("#email");
    browser.type_words(&portal.first_reviewer.email);
    browser.press(&[TAB]);
    browser.see_focus();
    browser.type_words(&portal.first_reviewer.password);
    browser.press(&[TAB]);
    browser.see_focus();
    browser.press(&[ENTER]);
    browser.read("h1", "Your desk");
    enter(browser, ".product .title a");
    browser.arrive_at("/p/lantern");
    enter(browser, "main a[href='/p/lantern/v1.1/tree/']");
    browser.arrive_at("/p/lantern/v1.1/tree/");
}

fn through_the_tree(browser: &Browser) {
    browser.until("the tree", || browser.count(".tree[data-ready]") == 1);
    browser.inspect();
    browser.tab_to(".tree a[tabindex='0']");
    browser.press(&[HOME]);
    assert!(browser.focused(".tree a[href$='/tree/boot']"), "the first directory");
    browser.see_focus();
    browser.press(&[RIGHT]);
    browser.until("the directory open", || browser.count(".tree a[href$='/file/boot/start.c']") == 1);
    browser.press(&[DOWN]);
    browser.see_focus();
    browser.press(&[ENTER]);
    browser.arrive_at(FILE);
    browser.read("#source", "lantern_canary");
    // The source itself is a stop, and scrolls.
    browser.inspect();
    browser.tab_to("#source");
}

fn by_search_to_a_line(browser: &Browser) {
    browser.press(&["/"]);
    browser.until("the cursor in the search box", || browser.focused(".find input"));
    browser.see_focus();
    browser.type_words("\"lit for\"");
    browser.press(&[ENTER]);
    browser.read(".hits h2", "start.c");
    browser.inspect();
    browser.press(&["n"]);
    browser.until("the first line found", || browser.focused(".hits .lines a"));
    browser.see_focus();
    browser.press(&[ENTER]);
    browser.until("the line", || browser.place().starts_with(FILE) && browser.count("#L9.on") == 1);
    browser.inspect();
}

fn to_a_definition(browser: &Browser) {
    browser.press(&["d"]);
    browser.read("dialog[open] .chips", "NAME");
    browser.inspect();
    // Looking at it at all widths has moved the focus.
    browser.press(&[ESCAPE]);
    browser.until("the dialog closed", || browser.count("dialog[open]") == 0);
    browser.press(&["d"]);
    browser.read("dialog[open] .chips", "NAME");
    browser.tab_to("dialog[open] .chips button:nth-child(2)");
    browser.press(&[ENTER]);
    browser.read(".peekbox .peek", "boot/start.c:4");
    browser.until("the focus within", || browser.focused(".peekbox .def a"));
    browser.see_focus();
    browser.press(&[ENTER]);
    browser.until("the definition", || browser.place().ends_with("start.c#L4") && browser.count("#L4.on") == 1);
    // Its references are a page of their own.
    browser.press(&["d"]);
    browser.read("dialog[open] .chips", "NAME");
    browser.tab_to("dialog[open] .chips button:last-child");
    browser.press(&[ENTER]);
    browser.read(".peekbox .peekfoot", "reference");
    browser.tab_to(".peekbox .peekfoot a");
    browser.press(&[ENTER]);
    browser.read("h1", "NAME");
    enter(browser, ".trailnav a.back");
    browser.arrive_at(FILE);
}

fn what_is_done_with_lines(browser: &Browser) {
    let pick = || {
        browser.press(&["l"]);
        browser.until("the dialog", || browser.focused("dialog[open] #line"));
        browser.see_focus();
        browser.type_words("8-9");
        browser.press(&[ENTER]);
        browser.until("the lines", || browser.count("#source .on") == 2);
    };
    pick();
    browser.script("navigator.clipboard.writeText = async (words) => { window.copied = words; }", &[]);
    browser.press(&["y"]);
    browser.until("the address copied", || {
        browser.script("return window.copied ?? ''", &[]).as_str().is_some_and(|at| at.ends_with("/p/lantern/v1.1/file/boot/start.c#L8-L9"))
    });
    for act in ["button", "a[href*='/blame/']", "a[href*='/history/']", "a[href^='/search']"] {
        browser.tab_to(&format!(".picked {act}"));
    }
    browser.press(&[ENTER]);
    browser.until("the search", || browser.place().starts_with("/search?q="));
    browser.read(".hits h2", "start.c");
    browser.back();
    browser.until("the lines again", || browser.count("#source .on") == 2);
    browser.press(&["s"]);
    browser.until("the search", || browser.place().starts_with("/search?q="));
    browser.back();
    browser.until("the lines again", || browser.count("#source .on") == 2);
    browser.press(&["h"]);
    browser.until("their history", || browser.place().ends_with("/history/boot/start.c?lines=8-9"));
    browser.read(".hitlist", "printf");
    browser.back();
    browser.until("the lines again", || browser.count("#source .on") == 2);
}

fn who_wrote_it(browser: &Browser) {
    browser.press(&["b"]);
    browser.until("blame", || browser.place().ends_with("/blame/boot/start.c#L8-L9") && browser.count("#source .on") == 2);
    enter(browser, ".blame .by a");
    browser.until("the commit", || browser.place().contains("/commit/"));
    browser.read("main", "boot/start.c");
    browser.inspect();
    browser.back();
    browser.until("blame again", || browser.place().contains("/blame/boot/start.c"));
    enter(browser, ".acts a[href*='/history/']");
    browser.until("the history", || browser.place().ends_with("/history/boot/start.c"));
    browser.read(".past", "added");
}

fn what_changed(browser: &Browser) {
    enter(browser, ".acts a[href*='/compare/']");
    browser.until("the comparison of a file", || browser.place() == "/p/lantern/compare/v1.0/v1.1/boot/start.c");
    enter(browser, ".crumb a.root");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1");
    browser.read(".sum", "files differ");
    enter(browser, ".differing a[href$='/boot/table.h']");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1/boot/table.h");
    browser.inspect();
    browser.press(&["n"]);
    browser.until("the first change", || browser.focused("[data-change]"));
    browser.see_focus();
    browser.tab_to(".who button");
    browser.press(&[ENTER]);
    browser.arrive("Signed out");
}
