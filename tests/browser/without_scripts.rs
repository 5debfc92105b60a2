//! The same house with JavaScript switched off: nothing is lost but speed and keys.

use crate::browser::{Browser, Scripts};
use crate::portal::Portal;

#[test]
fn everything_works_without_scripts() {
    let portal = Portal::open();
    let Some(browser) = Browser::open_with(&portal, Scripts::Off) else { return };
    browser.sign_in(&portal.first_reviewer);
    assert_eq!(browser.count("html.keys-on"), 0, "no script ran");
    browser.follow("lantern");
    browser.arrive_at("/p/lantern");
    browser.follow("v1.1");
    browser.arrive_at("/p/lantern/v1.1/tree/");
    browser.follow("lights a lamp");
    browser.arrive_at("/p/lantern/v1.1/file/boot/start.c");
    browser.read("#source", "lantern_canary");
    assert_eq!(browser.count("html.lines-on"), 0, "no script ran");
    // A line's number is a link to it, and the line it leads to is lit.
    browser.click("#L4 > a");
    browser.arrive_at("/p/lantern/v1.1/file/boot/start.c#L4");
    assert_eq!(browser.count("#L4:target"), 1);
    // Menus and drawers open without scripts.
    browser.click("details.picker summary");
    browser.follow("v1.0");
    browser.until("the other version", || browser.place().starts_with("/p/lantern/v1.0/file/boot/start.c"));
    moving(&browser);
    browser.go("/p/lantern/v1.0/file/boot/start.c");
    browser.screen(390, 900);
    browser.push("Files");
    browser.until("the drawer", || browser.count("#files:popover-open") == 1);
    browser.click("#files a[href$='/boot/table.h']");
    browser.arrive_at("/p/lantern/v1.0/file/boot/table.h");
    browser.screen(1440, 900);
    browser.fill(".find input", "lantern_canary");
    browser.press(&[crate::browser::ENTER]);
    browser.read(".hits h2", "boot/start.c");
    // Facets are links, menus unfold, forms are sent.
    browser.go("/search?q=lamp");
    browser.follow_in(".facets", "Rust");
    browser.until("the narrowed results", || browser.place() == "/search?q=lamp%20lang:rust");
    browser.push("Save this search");
    browser.fill("#save-name", "Lamps");
    browser.push("Save");
    browser.read(".ways", "Saved as Lamps");
    browser.go("/search");
    browser.follow_in(".saved", "Lamps");
    browser.read(".hits h2", "kernel/lamp.rs");
    browser.go("/");
    browser.sign_out();

    browser.sign_in(&portal.auditor);
    browser.go("/audit?path=boot%2Fstart.c");
    browser.read(".entries", "boot/start.c");
    browser.click(".entries td a");
    browser.read(".climb", "Root");
    browser.sign_out();

    browser.sign_in(&portal.first_administrator);
    browser.go("/admin/grants");
    browser.click("main table a[href^='/admin/grants/']");
    browser.push("Revoke");
    browser.fill("#revoke-reason", "Tried without scripts");
    browser.push("Revoke grant");
    browser.read(".panel .state", "Revoked");
}

/// What scripts make quicker works by links and forms.
fn moving(browser: &Browser) {
    browser.go("/p/lantern/v1.1/file/kernel/long.c");
    // The finder is a page with a form.
    browser.click("a.finder");
    browser.arrive_at("/p/lantern/v1.1/find");
    browser.fill("#q", "wick.c:5");
    browser.push("Find");
    browser.read(".foundfiles", "wick.c");
    browser.click(".foundfiles a");
    browser.arrive_at("/p/lantern/v1.1/file/kernel/deep/inner/wick.c#L5");
    assert_eq!(browser.count("#L5:target"), 1);
    // What stands beside a directory is listed by the one above it, and so is what stands in it.
    browser.click(".crumb a.beside[data-beside$='/tree/kernel/deep']");
    browser.arrive_at("/p/lantern/v1.1/tree/kernel");
    browser.click(".listing a[href$='/file/kernel/long.c']");
    browser.arrive_at("/p/lantern/v1.1/file/kernel/long.c");
    // A long file is read piece by piece.
    browser.follow("Next piece");
    browser.arrive_at("/p/lantern/v1.1/file/kernel/long.c?from=5001");
    assert_eq!((browser.count("#L5001"), browser.count("#L5000")), (1, 0));
    browser.follow("Next piece");
    browser.arrive_at("/p/lantern/v1.1/file/kernel/long.c?from=10001");
    assert_eq!(browser.count("#L12000"), 1);
    browser.back();
    browser.arrive_at("/p/lantern/v1.1/file/kernel/long.c?from=5001");
    browser.go("/p/lantern/v1.1/file/docs/guide.md");
    browser.follow("Rendered");
    browser.read(".prose", "First steps");
    for label in ["Blame", "History", "Bytes", "Compare with v1.0"] {
        assert!(browser.words(".acts").contains(label), "{label} is a link");
    }
}
