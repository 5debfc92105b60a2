//! The second agency's reviewer may read the first directory: it is there, and nothing else leaves a trace.

use serde_json::json;

use crate::browser::Browser;
use crate::portal::Portal;

/// In files outside the directory that is granted.
const ELSEWHERE: [&str; 5] = ["kernel", "secret_wick", "kernel_only_word", "README", "lamp.png"];

#[test]
fn sees_one_directory_and_no_trace_of_the_rest() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    browser.sign_in(&portal.second_reviewer);
    browser.read("h1", "Your desk");
    browser.inspect();
    no_trace(&browser);

    for place in ["/p", "/p/lantern", "/p/lantern/v1.1/tree/", "/p/lantern/v1.1/tree/boot"] {
        browser.go(place);
        browser.read("main", "boot");
        browser.inspect();
        no_trace(&browser);
    }
    let names = browser.script("return [...document.querySelectorAll('.listing td:first-child > a')].map((link) => link.textContent)", &[]);
    assert_eq!(names, json!(["start.c", "table.h"]));
    browser.follow("start.c");
    browser.read("#source", "lantern_canary");
    no_trace(&browser);

    browser.go("/search?q=lamp_1");
    browser.read(".nothing", "Nothing you may read matches.");
    browser.inspect();
    browser.go("/search?q=lantern_canary");
    browser.read(".hits h2", "boot/start.c");
    no_trace(&browser);

    // A file that is there for others and one that is nowhere are the same.
    browser.go("/p/lantern/v1.1/file/kernel/secret_wick.rs");
    browser.read("main", "404");
    let there = browser.script("return document.documentElement.outerHTML", &[]);
    browser.inspect_error(404);
    browser.go("/p/lantern/v1.1/file/kernel/no_such_wick.rs");
    browser.read("main", "404");
    let nowhere = browser.script("return document.documentElement.outerHTML", &[]);
    assert_eq!(there, nowhere);
}

#[track_caller]
fn no_trace(browser: &Browser) {
    let page = browser.script("return document.documentElement.outerHTML", &[]);
    let page = page.as_str().expect("the page");
    for word in ELSEWHERE {
        assert!(!page.contains(word), "{} has a trace of {word}", browser.place());
    }
}
