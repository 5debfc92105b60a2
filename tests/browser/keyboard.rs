//! Everything without a mouse: Tab, Enter and the single keys.

use crate::browser::{Browser, DOWN, END, ENTER, ESCAPE, HOME, RIGHT, TAB};
use crate::portal::Portal;

/// More presses of Tab than any page has stops.
const STOPS: usize = 200;

#[test]
fn reads_without_a_mouse() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };

    browser.go("/sign-in");
    browser.until("the cursor in the first field", || browser.focused("#email"));
    browser.type_words(&portal.first_reviewer.email);
    browser.press(&[TAB]);
    browser.type_words(&portal.first_reviewer.password);
    browser.press(&[ENTER]);
    browser.read("h1", "Your desk");

    // The first stop of a page leads past its head.
    browser.press(&[TAB]);
    assert!(browser.focused("a.skip"), "the first stop is the way past the head");
    browser.press(&[ENTER]);
    browser.arrive_at("/#main");

    browser.tab_to(".product .title a");
    browser.press(&[ENTER]);
    browser.arrive_at("/p/lantern");
    browser.tab_to("main a[href='/p/lantern/v1.1/tree/']");
    browser.press(&[ENTER]);
    browser.arrive_at("/p/lantern/v1.1/tree/");
    browser.tab_to(".listing a[href$='/tree/boot']");
    browser.press(&[ENTER]);
    browser.until("the directory", || browser.place().contains("/tree/boot"));
    browser.tab_to(".listing a[href$='/file/boot/start.c']");
    browser.press(&[ENTER]);
    browser.arrive_at("/p/lantern/v1.1/file/boot/start.c");
    // The source can be reached, and so scrolled, by Tab, there and back.
    browser.tab_to("#source");
    browser.shift_tab();
    assert!(!browser.focused("#source"), "Tab leads back out of the source");

    the_single_keys(&browser);

    through_tree_finder_and_search(&browser);

    // The version menu opens by Enter, closes by Escape, and the focus is back where it was.
    browser.go("/p/lantern/v1.1/file/boot/start.c");
    browser.tab_to("details.picker summary");
    browser.press(&[ENTER]);
    browser.until("the menu", || browser.count("details.picker[open]") == 1);
    browser.inspect();
    browser.press(&[ESCAPE]);
    browser.until("the menu closed", || browser.count("details.picker[open]") == 0);
    assert!(browser.focused("details.picker summary"), "the focus is back at the menu's button");

    browser.tab_to(".who button");
    browser.press(&[ENTER]);
    browser.arrive("Signed out");
}

/// From one file through the tree to another, by the finder to a third, and by a search to a line.
fn through_tree_finder_and_search(browser: &Browser) {
    browser.go("/p/lantern/v1.1/file/boot/start.c");
    browser.until("the tree", || browser.count(".tree[data-ready]") == 1);
    browser.tab_to(".tree a[aria-current]");
    browser.press(&[END]);
    assert!(browser.focused(".tree .rest a"), "the last row is the rest of the tree");
    browser.press(&[RIGHT]);
    browser.until("the root's entries", || browser.count(".tree a[href$='/tree/kernel']") == 1);
    browser.press(&[HOME]);
    for _ in 0..STOPS {
        if browser.focused(".tree a[href$='/tree/kernel']") {
            break;
        }
        browser.press(&[DOWN]);
    }
    browser.press(&[RIGHT]);
    browser.until("the directory open", || browser.count(".tree a[href$='/file/kernel/later.rs']") == 1);
    for _ in 0..STOPS {
        if browser.focused(".tree a[href$='/file/kernel/later.rs']") {
            break;
        }
        browser.press(&[DOWN]);
    }
    browser.press(&[ENTER]);
    browser.arrive_at("/p/lantern/v1.1/file/kernel/later.rs");
    browser.read("h1", "later.rs");
    browser.press(&["t"]);
    browser.until("the finder", || browser.count("dialog[open]") == 1);
    browser.type_words("wick.c");
    browser.press(&[ENTER]);
    browser.arrive_at("/p/lantern/v1.1/file/kernel/deep/inner/wick.c");
    browser.read("h1", "wick.c");
    // What stands beside a directory, by its slash.
    browser.tab_to(".crumb a.beside[data-beside$='/tree/kernel/deep']");
    browser.press(&[ENTER]);
    browser.until("the menu", || browser.focused(".menu.besides a[aria-current]"));
    browser.press(&[ESCAPE]);
    assert!(browser.focused(".crumb a.beside[data-beside$='/tree/kernel/deep']"), "the focus is back at the slash");
    browser.press(&["/"]);
    browser.until("the cursor in the search box", || browser.focused(".find input"));
    browser.type_words("wick_burn");
    browser.press(&[ENTER]);
    browser.read(".hits h2", "wick.c");
    browser.press(&["n"]);
    browser.until("the first line found", || browser.focused(".hits .lines a"));
    browser.press(&[ENTER]);
    browser.arrive_at("/p/lantern/v1.1/file/kernel/deep/inner/wick.c?q=wick_burn#L3");
    browser.press(&["n"]);
    browser.read(".hitcount", "1 of 1");
}

fn the_single_keys(browser: &Browser) {
    let place = "/p/lantern/v1.1/file/boot/start.c";
    browser.go(place);
    browser.press(&["?"]);
    browser.read("dialog[open] h2", "Keys");
    browser.inspect();
    browser.press(&[ESCAPE]);
    browser.until("the keys closed", || browser.count("dialog") == 0);
    browser.press(&["l"]);
    browser.read("dialog[open] h2", "Go to line");
    browser.inspect();
    browser.type_words("4-6");
    browser.press(&[ENTER]);
    browser.arrive_at(&format!("{place}#L4-L6"));
    browser.until("the lines", || browser.count("#source .on") == 3);
    browser.press(&["/"]);
    browser.until("the cursor in the search box", || browser.focused(".find input"));
    // Keys typed into a field are words.
    browser.type_words("wick l?");
    assert_eq!(browser.count("dialog"), 0, "no key acts while one types");
    browser.press(&[ENTER]);
    browser.until("the results", || browser.place().starts_with("/search?q=wick"));
    // They can be switched off, and stay off.
    browser.go("/account");
    browser.click("[data-keys-setting] input[data-keys]");
    browser.go(place);
    browser.press(&["?", "l", "/"]);
    assert_eq!(browser.count("dialog"), 0, "the keys are off");
    assert!(!browser.focused(".find input"), "the keys are off");
    browser.go("/account");
    browser.click("[data-keys-setting] input[data-keys]");
    browser.go(place);
    browser.press(&["?"]);
    browser.read("dialog[open] h2", "Keys");
}
