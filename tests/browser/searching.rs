//! Searching in a real browser: narrowing, versions, completion, saving, and all of it by keyboard.

use serde_json::json;

use crate::browser::{Browser, DOWN, ENTER, ESCAPE, TAB};
use crate::portal::Portal;

#[test]
fn narrows_completes_and_keeps_searches() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    browser.sign_in(&portal.first_reviewer);

    browser.go("/search");
    browser.read("h1", "Search");
    browser.read(".saved", "will stand here");
    browser.inspect();

    results(&browser);
    saving(&browser);
    completing(&browser);
    by_keyboard(&browser);
}

fn results(browser: &Browser) {
    browser.go("/search?q=lamp+version%3Aall");
    browser.read(".tally h1", "across 2 versions");
    browser.read(".tally", "in 2 versions.");
    browser.read(".tally .seal", "Recorded as entry");
    browser.read(".hits .span", "still there");
    assert!(browser.count(".hits mark") > 0 && browser.count(".hits .lines .k") > 0, "what matched is marked, in highlighted lines");
    browser.inspect();
    // A value of a facet narrows the query, and the same value widens it again.
    browser.follow_in(".facets", "Rust");
    browser.until("the query narrowed", || browser.attribute(".find input", "value").as_deref() == Some("lamp version:all lang:rust"));
    assert_eq!(browser.count(".hits"), 1);
    browser.click(".facets a.on[href='/search?q=lamp%20version:all']");
    browser.until("the query widened", || browser.attribute(".find input", "value").as_deref() == Some("lamp version:all"));
    // What came later says so.
    browser.go("/search?q=later%20version:all");
    browser.read(".hits .span", "appeared in v1.1, still there");
    // Menus open over the results, and stay within the page.
    browser.push("Export");
    browser.read(".drop[open]", "Export as CSV");
    browser.inspect();
    browser.push("Export");
    browser.go("/search?q=lantern%20type:path");
    browser.read(".nothing", "Nothing you may read matches.");
    browser.inspect();
    browser.go("/search?q=start%20type:path");
    browser.read(".hits h2", "boot/start.c");
    browser.read(".tabs [aria-current]", "Names");
    browser.inspect();
}

fn saving(browser: &Browser) {
    browser.go("/search?q=lamp%20lang:rust");
    browser.push("Save this search");
    browser.fill("#save-name", "Lamps in Rust");
    browser.inspect();
    browser.push("Save");
    browser.read(".flash", "Saved as “Lamps in Rust”.");
    browser.read(".ways", "Saved as Lamps in Rust");
    browser.inspect();
    browser.go("/search");
    browser.read(".saved", "Lamps in Rust");
    browser.click(".saved details summary");
    browser.inspect();
    browser.fill(".saved input[name=name]", "Lamps");
    browser.push("Rename");
    browser.read(".flash", "Renamed");
    browser.click(".saved a strong");
    browser.read(".hits h2", "kernel/lamp.rs");
}

fn completing(browser: &Browser) {
    browser.go("/search");
    browser.until("the cursor in the box", || focused(browser, "#query"));
    browser.type_words("wick la");
    browser.read(".complete:not([hidden]) [role=option]", "lang:");
    browser.inspect();
    browser.press(&[DOWN, ENTER]);
    browser.until("the filter", || typed(browser) == "wick lang:");
    browser.type_words("ru");
    browser.read(".complete:not([hidden]) [role=option]", "lang:");
    browser.press(&[DOWN, TAB]);
    browser.until("the language", || typed(browser).starts_with("wick lang:ru") && typed(browser).ends_with(' '));
    browser.type_words("path:ker");
    browser.read(".complete:not([hidden])", "path:kernel/");
    browser.read(".complete:not([hidden]) .noted", "recorded, as entry");
    browser.inspect();
    assert_eq!(browser.attribute("#query", "aria-expanded").as_deref(), Some("true"));
    browser.press(&[ESCAPE]);
    browser.until("it is closed", || browser.count(".complete:not([hidden])") == 0);
    assert!(typed(browser).ends_with("path:ker"), "Escape closes the list and takes nothing away");
    // One's own searches run as they are chosen; the box in the head has them, too.
    browser.go("/p");
    browser.click(".find input");
    browser.type_words("lamps");
    browser.read(".find .complete:not([hidden])", "Lamps");
    browser.press(&[DOWN, ENTER]);
    browser.until("its results", || browser.place().starts_with("/search?q=lamp"));
    // Enter without a choice searches for what was typed.
    browser.click(".find input");
    browser.script("document.querySelector('.find input').select()", &[]);
    browser.type_words("wick");
    browser.press(&[ENTER]);
    browser.until("the results", || browser.place().starts_with("/search?q=wick"));
}

fn by_keyboard(browser: &Browser) {
    browser.go("/search?q=lamp");
    browser.read(".hits h2", "");
    browser.press(&["j"]);
    assert!(focused(browser, ".hits:first-of-type h2 a"), "j goes to the first file");
    browser.press(&["n"]);
    assert!(focused(browser, ".hits:first-of-type .lines > div:not(.context) > a"), "n goes to the first line that matches");
    browser.press(&["n", "p", "k"]);
    assert!(focused(browser, ".hits h2 a"), "k goes back to a file");
    browser.press(&["?"]);
    browser.read("dialog[open]", "Next and previous file");
    browser.press(&[ESCAPE]);
    browser.until("the keys closed", || browser.count("dialog") == 0);
    browser.press(&["j", ENTER]);
    browser.until("the file", || browser.place().contains("/file/"));
}

fn typed(browser: &Browser) -> String {
    browser.script("return document.activeElement.value ?? ''", &[]).as_str().unwrap_or_default().to_owned()
}

fn focused(browser: &Browser, css: &str) -> bool {
    browser.script("return document.activeElement.matches(arguments[0])", &[json!(css)]) == json!(true)
}
