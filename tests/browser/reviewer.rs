//! A reviewer's day: desk, products, product, directory, file, search, what cannot be searched for, what is not there.

use serde_json::json;

use crate::browser::Browser;
use crate::portal::Portal;

#[test]
fn reads_and_searches() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };

    browser.go("/");
    browser.arrive("Sign in");
    browser.inspect();
    browser.fill("#email", &portal.first_reviewer.email);
    browser.fill("#password", "not the password");
    browser.push("Sign in");
    browser.read("[role=alert]", "");
    assert_eq!(browser.attribute("#email", "value").as_deref(), Some(portal.first_reviewer.email.as_str()), "what was typed is kept");
    browser.inspect_error(401);
    browser.fill("#password", &portal.first_reviewer.password);
    browser.push("Sign in");
    browser.read("h1", "Your desk");
    browser.inspect();

    browser.follow("Products");
    browser.arrive_at("/p");
    browser.read("main", "lantern");
    browser.inspect();
    browser.follow("lantern");
    browser.arrive_at("/p/lantern");
    browser.read("main", "v1.0");
    browser.inspect();
    browser.follow("v1.1");
    browser.arrive_at("/p/lantern/v1.1/tree/");

    a_directory(&browser);
    a_file(&browser);
    every_kind_of_file(&browser);
    searching(&browser);
    what_is_not_there(&browser);

    browser.follow("Receipts");
    browser.arrive_at("/transparency/receipts");
    browser.read("main", "boot/start.c");
    browser.read("main", "Download all");
    browser.inspect();
    browser.go("/transparency/receipts?path=nowhere%2Fat%2Fall");
    browser.read(".empty", "No receipt matches all of these.");
    browser.inspect();
    browser.follow("How the record is kept, and how to verify it");
    browser.arrive_at("/transparency");
    browser.read("main", "Every entry is on disk before what it tells of is shown.");
    browser.inspect();

    browser.go("/account");
    browser.read("main", &portal.first_reviewer.email);
    browser.inspect();
    browser.go("/");
    browser.read(".recent", "boot/start.c");
    browser.inspect();
    browser.sign_out();
    browser.inspect();
    browser.go("/p/lantern/v1.1/file/boot/start.c");
    browser.arrive("Sign in");
}

/// The root: directories first, the README beneath with its links kept inside.
fn a_directory(browser: &Browser) {
    browser.read(".seal", "Recorded as entry");
    let names = browser.script("return [...document.querySelectorAll('.listing td:first-child > a')].map((link) => link.textContent)", &[]);
    assert_eq!(names, json!(["boot/", "docs/", "kernel/", "vendor/", "README.md", "lamp.png", "lamp.svg"]));
    browser.read(".readme h2", "README.md");
    browser.read(".readme .prose", "lights a lamp");
    assert_eq!(browser.count(".readme table"), 1);
    assert_eq!(browser.count(".readme a[href^='http']"), 0, "no link leads out of the portal");
    let pictures = browser
        .script("return [...document.querySelectorAll('.readme img')].map((img) => [img.alt, img.complete && img.naturalWidth])", &[]);
    assert_eq!(pictures, json!([["The lamp", 24]]), "pictures that a browser shows are shown, and no others are asked for");
    // Links lead where something is, and nowhere else.
    assert_eq!(browser.count(".readme a[href='/p/lantern/v1.1/tree/boot']"), 1, "a directory, without a slash at its end");
    assert!(browser.words(".readme .prose").contains("file that is not there"));
    assert_eq!(browser.count(".readme a[href*='nowhere']"), 0);
    browser.inspect();
    browser.follow("lights a lamp");
    browser.arrive_at("/p/lantern/v1.1/file/boot/start.c");
}

fn a_file(browser: &Browser) {
    browser.read("h1", "start.c");
    browser.read("#source", "lantern_canary");
    browser.read(".seal", "Recorded as entry");
    for class in ["k", "s", "c", "n"] {
        assert!(browser.count(&format!("#source .{class}")) > 0, "nothing is highlighted as {class}");
    }
    browser.inspect();
    browser.click("#L3 > a");
    browser.arrive_at("/p/lantern/v1.1/file/boot/start.c#L3");
    browser.shift_click("#L6 > a");
    browser.arrive_at("/p/lantern/v1.1/file/boot/start.c#L3-L6");
    assert_eq!(browser.count("#source .on"), 4);
    browser.read(".picked", "Lines 3 to 6");
    browser.inspect();
    browser.push("Clear");
    browser.arrive_at("/p/lantern/v1.1/file/boot/start.c");
    assert_eq!(browser.count("#source .on"), 0);
    // An address with lines, as it is passed on.
    browser.go("/p/lantern/v1.1/file/kernel/lamp.rs#L300-L302");
    browser.until("three lines picked", || browser.count("#source .on") == 3);
    let seen = browser.script(
        "const line = document.getElementById('L300').getBoundingClientRect(); return line.top > 0 && line.bottom < innerHeight;",
        &[],
    );
    assert_eq!(seen, json!(true), "the lines are scrolled to");
    browser.inspect();
    // The same place in the other version.
    browser.click("details.picker summary");
    browser.follow("v1.0");
    browser.until("the other version", || browser.place().starts_with("/p/lantern/v1.0/file/kernel/lamp.rs"));
}

fn every_kind_of_file(browser: &Browser) {
    browser.go("/p/lantern/v1.1/file/kernel/trojan.rs");
    browser.read(".notices", "");
    assert!(browser.count("#source em.mark") >= 4, "what is not seen is marked");
    assert!(browser.count("#source em.mixed") >= 1, "an identifier that mixes scripts is marked");
    browser.inspect();
    for (path, words) in [
        ("kernel/bytes.bin", "00 01 02"),
        ("kernel/empty.rs", "This file is empty."),
        ("docs/latin.txt", "café au lait"),
        ("lamp.png", "lamp.png"),
        ("lamp.svg", "circle"),
        ("docs/newest", "guide.md"),
        ("vendor/wick", "1234567890"),
    ] {
        browser.go(&format!("/p/lantern/v1.1/file/{path}"));
        browser.read("main", words);
        browser.read(".seal", "Recorded as entry");
        browser.inspect();
    }
}

fn searching(browser: &Browser) {
    browser.go("/search");
    browser.read("h1", "Search");
    browser.inspect();
    browser.fill("#query", "lantern_canary");
    browser.push("Search");
    browser.arrive_at("/search?q=lantern_canary");
    browser.read(".hits h2", "boot/start.c");
    assert_eq!(browser.words(".hits mark"), "lantern_canary");
    browser.inspect();
    browser.click(".hits .lines > div:has(mark) > a");
    browser.until("the line in its file", || browser.place() == "/p/lantern/v1.1/file/boot/start.c?q=lantern_canary#L4");
    browser.back();
    browser.arrive_at("/search?q=lantern_canary");

    browser.go("/search?q=lamp");
    browser.read(".hits", "lamp");
    browser.inspect();
    browser.go("/search?q=%2Flamp_%28%2F");
    browser.read("h1", "This query cannot be understood.");
    assert_eq!(browser.count("[role=alert] mark.bad"), 1, "the characters that are wrong are pointed at");
    browser.inspect_error(400);
    browser.go("/search?q=nowhere_in_here");
    browser.read(".nothing", "Nothing you may read matches.");
    browser.inspect();
}

fn what_is_not_there(browser: &Browser) {
    for path in ["/p/lantern/v1.1/file/kernel/nobody.rs", "/p/nothing", "/nowhere", "/audit", "/admin/grants"] {
        browser.go(path);
        browser.read("main", "404");
    }
    browser.inspect_error(404);
}
