//! Moving through a tree that one did not write: finder, keys, tree, breadcrumb, long files, lines, and what helps with reading.

use serde_json::json;

use crate::browser::{Browser, DOWN, ENTER, ESCAPE, HOME, LEFT, RIGHT};
use crate::portal::Portal;

const WICK: &str = "/p/lantern/v1.1/file/kernel/deep/inner/wick.c";
const LONG: &str = "/p/lantern/v1.1/file/kernel/long.c";

#[test]
fn moves_through_an_unknown_tree() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    browser.sign_in(&portal.first_reviewer);
    the_finder(&browser);
    the_tree(&browser);
    the_breadcrumb(&browser);
    the_keys_of_a_place(&browser);
    other_views(&browser);
    back_and_forward(&browser);
}

#[test]
fn reads_long_files_and_blocks() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    browser.sign_in(&portal.first_reviewer);
    a_long_file(&browser);
    lines_that_are_picked(&browser);
    scopes_and_folds(&browser);
    words_and_hits(&browser);
    the_strip_beside(&browser);
    preferences(&browser);
}

fn the_finder(browser: &Browser) {
    browser.go("/p/lantern/v1.1/file/boot/start.c");
    browser.read("h1", "start.c");
    browser.press(&["t"]);
    browser.read("dialog[open] h2", "Find a file");
    browser.read(".findernote", "nothing recorded, before you type");
    browser.type_words("wikc");
    browser.until("the file is the first", || browser.words("dialog [aria-selected=true]").contains("wick.c"));
    browser.read(".findernote", "Recorded as entry");
    browser.inspect();
    browser.press(&[ESCAPE]);
    browser.until("the finder closed", || browser.count("dialog") == 0);
    // Whoever types quickly need not wait for the list.
    browser.press(&["t"]);
    browser.until("the finder", || browser.count("dialog[open]") == 1);
    browser.type_words("wick.c:5");
    browser.press(&[ENTER]);
    browser.arrive_at(&format!("{WICK}#L5"));
    browser.until("the line", || browser.count("#L5.on") == 1);
    browser.back();
    browser.arrive_at("/p/lantern/v1.1/file/boot/start.c");
    // The next in the list, by keyboard.
    browser.press(&["t"]);
    browser.until("the finder", || browser.count("dialog[open]") == 1);
    browser.type_words("kernel rs");
    browser.until("several files", || browser.count("dialog [role=option]") > 2);
    let second = browser.attribute("dialog [role=option]:nth-child(2)", "data-href").unwrap_or_default();
    browser.press(&[DOWN, ENTER]);
    browser.arrive_at(&second);
    // The same as a page.
    browser.go("/p/lantern/v1.1/find?q=wick");
    browser.read(".foundfiles", "wick.c");
    browser.inspect();
    browser.go("/p/lantern/v1.1/find?q=nothing_like_it");
    browser.read(".why", "No file that you may read is called so.");
    browser.inspect();
}

fn names(browser: &Browser) -> Vec<String> {
    let names =
        browser.script("return [...document.querySelectorAll('#files .tree li:not(.rest) a')].map((link) => link.textContent)", &[]);
    names.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn the_tree(browser: &Browser) {
    browser.go(WICK);
    browser.until("the tree", || browser.count(".tree[data-ready]") == 1);
    // Only the way down, and what stands beside the file.
    assert_eq!(names(browser), ["kernel", "deep", "inner", "wick.c"]);
    browser.click(".tree .rest a[href='/p/lantern/v1.1/tree/']");
    browser.until("the root's entries", || names(browser).contains(&"boot".to_owned()));
    assert_eq!(names(browser)[..6], ["boot", "docs", "kernel", "deep", "inner", "wick.c"]);
    browser.click(".tree a[href$='/tree/boot'] .twisty");
    browser.until("a directory opened in place", || names(browser).contains(&"start.c".to_owned()));
    assert_eq!(browser.place(), WICK, "opening a directory goes nowhere");
    browser.inspect();
    // It stays open on the next page, and what was not opened is not there.
    browser.click(".tree a[href$='/file/boot/start.c']");
    browser.arrive_at("/p/lantern/v1.1/file/boot/start.c");
    browser.go("/p/lantern/v1.1/file/docs/guide.md");
    browser.until("what was open", || names(browser).contains(&"start.c".to_owned()));
    assert!(!names(browser).contains(&"inner".to_owned()), "{:?}", names(browser));
    // By keyboard: to the start, into a directory, out of it and shut.
    browser.script("document.querySelector('.tree a[tabindex=\"0\"]').focus()", &[]);
    browser.press(&[HOME]);
    assert_eq!(browser.script("return document.activeElement.textContent", &[]), json!("boot"));
    browser.press(&[RIGHT]);
    assert_eq!(browser.script("return document.activeElement.textContent", &[]), json!("start.c"));
    browser.press(&[LEFT, LEFT]);
    browser.until("the directory shut", || !names(browser).contains(&"start.c".to_owned()));
    assert_eq!(browser.attribute(".tree a[href$='/tree/boot']", "aria-expanded").as_deref(), Some("false"));
    browser.press(&[RIGHT]);
    browser.until("the directory open again", || names(browser).contains(&"start.c".to_owned()));
}

fn the_breadcrumb(browser: &Browser) {
    browser.go(WICK);
    browser.click(".crumb a.beside[data-beside$='/tree/kernel/deep']");
    browser.read(".menu.besides", "long.c");
    browser.read(".menu.besides .noted", "recorded, as entry");
    assert_eq!(browser.words(".menu.besides a[aria-current]"), "deep");
    browser.inspect();
    browser.press(&[ESCAPE]);
    browser.until("the menu closed", || browser.count(".menu.besides") == 0);
    browser.click(".crumb a.beside[data-beside$='/tree/kernel/deep']");
    browser.until("the menu", || browser.count(".menu.besides a") > 3);
    browser.click(".menu.besides a[href$='/file/kernel/long.c']");
    browser.arrive_at(LONG);
    browser.back();
    browser.arrive_at(WICK);
}

fn the_keys_of_a_place(browser: &Browser) {
    browser.go(&format!("{WICK}#L5-L7"));
    browser.until("the lines", || browser.count("#source .on") == 3);
    browser.press(&["?"]);
    for words in ["Find a file", "Go to a line", "Who last changed", "The history of this place", "never moves", "Fold or unfold"] {
        browser.read("dialog[open]", words);
    }
    browser.press(&[ESCAPE]);
    browser.until("the keys closed", || browser.count("dialog") == 0);
    browser.script("navigator.clipboard.writeText = async (words) => { window.copied = words; }", &[]);
    browser.press(&["y"]);
    browser.read("#said", "This address always shows commit");
    let copied = browser.script("return window.copied.replace(location.origin, '')", &[]);
    assert_eq!(copied, json!(format!("{WICK}#L5-L7")), "a version is one commit for good");
    browser.press(&["h"]);
    browser.arrive_at("/p/lantern/v1.1/history/kernel/deep/inner/wick.c?lines=5-7");
    browser.back();
    browser.arrive_at(&format!("{WICK}#L5-L7"));
    browser.until("the lines again", || browser.count("#source .on") == 3);
    browser.press(&["b"]);
    browser.arrive_at("/p/lantern/v1.1/blame/kernel/deep/inner/wick.c#L5-L7");
    browser.back();
    browser.arrive_at(&format!("{WICK}#L5-L7"));
    // What the pages behind these addresses say is not looked at here.
    browser.console();
}

fn other_views(browser: &Browser) {
    browser.go("/p/lantern/v1.1/file/docs/guide.md");
    browser.follow("Rendered");
    browser.arrive_at("/p/lantern/v1.1/file/docs/guide.md?view=rendered");
    browser.read(".prose", "First steps");
    browser.inspect();
    browser.follow("Code");
    browser.arrive_at("/p/lantern/v1.1/file/docs/guide.md");
    browser.go("/p/lantern/v1.1/file/docs/values.csv?view=table");
    browser.read("table.values", "one, small");
    browser.inspect();
    browser.go("/p/lantern/v1.1/file/lamp.png");
    browser.read(".facts", "24 × 24 pixels");
    // A drawing is a text; as a picture it is shown to whoever asks, and neither runs nor loads anything.
    browser.go("/p/lantern/v1.1/file/lamp.svg");
    browser.read("#source", "<circle");
    browser.follow("Drawn");
    browser.arrive_at("/p/lantern/v1.1/file/lamp.svg?view=drawn");
    let drawn = "const image = document.querySelector('.picture img'); return image.complete && image.naturalWidth;";
    browser.until("the drawing", || browser.script(drawn, &[]) == json!(9));
    browser.inspect();
    browser.go("/p/lantern/v1.1/image/lamp.svg");
    assert_eq!(browser.script("return [document.documentElement.localName, document.documentElement.id]", &[]), json!(["svg", ""]));
    // The browser says that it ran no script.
    browser.console();
}

fn back_and_forward(browser: &Browser) {
    let states = [
        WICK.to_owned(),
        format!("{WICK}#L7"),
        "/p/lantern/v1.1/blame/kernel/deep/inner/wick.c#L7".to_owned(),
        "/p/lantern/v1.1/history/kernel/deep/inner/wick.c".to_owned(),
        "/p/lantern/compare/v1.0/v1.1/kernel/deep/inner/wick.c".to_owned(),
    ];
    browser.go(WICK);
    browser.until("the keys", || browser.count("html.keys-on.lines-on") == 1);
    browser.press(&["l"]);
    browser.until("the dialog", || browser.focused("dialog[open] #line"));
    browser.type_words("7");
    browser.press(&[ENTER]);
    browser.arrive_at(&states[1]);
    browser.until("the line", || browser.count("#L7.on") == 1);
    browser.press(&["b"]);
    browser.arrive_at(&states[2]);
    browser.follow("History");
    browser.arrive_at(&states[3]);
    browser.follow("Compare with v1.0");
    browser.arrive_at(&states[4]);
    for state in states.iter().rev().skip(1) {
        browser.back();
        browser.arrive_at(state);
    }
    for state in states.iter().skip(1) {
        browser.forward();
        browser.arrive_at(state);
    }
    browser.back();
    browser.back();
    browser.until("the line in blame", || browser.count("#L7.on") == 1);
}

fn a_long_file(browser: &Browser) {
    browser.go(LONG);
    browser.until("its scrolling", || browser.count(".scrolls-on") == 1);
    assert_eq!(browser.count(".pieces .btn"), 1, "the link to the next piece is there for whoever has no scripts");
    let there = |line: u32| browser.count(&format!("#L{line}")) == 1;
    assert!(there(5_000) && !there(5_001));
    // Another width is no reason to ask for anything.
    browser.screen(600, 900);
    browser.screen(1440, 900);
    browser.script("document.querySelector('#source').scrollTop = 1e9", &[]);
    browser.until("the end of the file", || there(12_000));
    browser.read("#further", "lines 11,001 to 12,000 as entry");
    assert!(!there(6_500) && !there(8_500), "what was passed on the way was not asked for");
    // Going to a line that is not here asks for the lines around it.
    browser.press(&["l"]);
    browser.until("the dialog", || browser.count("dialog[open]") == 1);
    browser.type_words("8500");
    browser.press(&[ENTER]);
    browser.arrive_at(&format!("{LONG}#L8500"));
    browser.until("the line", || browser.count("#L8500.on") == 1);
    let seen = "const box = document.getElementById('L8500').getBoundingClientRect(); return box.top > 0 && box.bottom < innerHeight;";
    browser.until("the line in sight", || browser.script(seen, &[]) == json!(true));
    browser.back();
    browser.arrive_at(LONG);
    // An address with a line that the first piece does not hold.
    browser.go("/p/lantern/v1.1/file/boot/start.c");
    browser.go(&format!("{LONG}#L11500"));
    browser.until("the line", || browser.count("#L11500.on") == 1);
    // Who wrote it stands on a later page of blame.
    browser.press(&["b"]);
    browser.arrive_at("/p/lantern/v1.1/blame/kernel/long.c?from=11500#L11500");
    browser.until("the line in blame", || browser.count("#L11500.on") == 1);
    // The middle, by the address of a piece: it goes on in both directions.
    browser.go(&format!("{LONG}?from=6000"));
    browser.until("its scrolling", || browser.count(".scrolls-on") == 1);
    assert!(there(5_001) && there(10_000) && !there(4_000));
    browser.until("the lines before it", || there(4_900));
}

fn lines_that_are_picked(browser: &Browser) {
    browser.go(&format!("{WICK}#L5-L6"));
    browser.read(".picked", "Lines 5 to 6");
    let hrefs = browser.script("return [...document.querySelectorAll('.picked a')].map((link) => link.getAttribute('href'))", &[]);
    let path = "kernel/deep/inner/wick.c";
    let expected = json!([
        format!("/p/lantern/v1.1/blame/{path}#L5-L6"),
        format!("/p/lantern/v1.1/history/{path}?lines=5-6"),
        "/search?q=%22if%20(oil%20%3E%201)%20%7B%22",
    ]);
    assert_eq!(hrefs, expected);
    browser.inspect();
    browser.follow("Search for the longest line");
    browser.read(".hits h2", "wick.c");
}

fn scopes_and_folds(browser: &Browser) {
    browser.go(&format!("{WICK}#L120"));
    browser.until("the line", || browser.count("#L120.on") == 1);
    browser.until("the scopes at the top", || browser.words(".scopes").contains("int wick_burn(int oil)"));
    browser.read(".scopes", "while (oil) {");
    browser.inspect();
    // Where the outline says how far a definition goes, its blocks end with it, however they are indented.
    let added = browser.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        &json!({ "source":
        "document.addEventListener('readystatechange', () => { const link = document.querySelector('.outline a[href$=\"#L3\"]');
         if (link) Object.assign(link.dataset, { from: '3', to: '100' }); })" }),
    );
    browser.go("/p/lantern/v1.1/file/boot/start.c");
    browser.go(&format!("{WICK}#L90"));
    browser.until("the definition and its block", || {
        browser.words(".scopes").contains("int wick_burn(int oil)") && browser.words(".scopes").contains("while (oil) {")
    });
    browser.until("it can be folded", || {
        browser.script("document.querySelector('#source').scrollTop = 0; return document.querySelector('#L3 > button') !== null", &[])
            == json!(true)
    });
    browser.script("document.querySelector('#L3 > button').click()", &[]);
    assert_eq!(browser.attribute("#L3", "data-folded").as_deref(), Some("97 lines"));
    browser.devtools("Page.removeScriptToEvaluateOnNewDocument", &added);
    browser.go(&format!("{WICK}#L5"));
    browser.until("the line", || browser.count("#L5.on") == 1);
    browser.until("a block that can be folded", || browser.count("#L5 > button[aria-expanded=true]") == 1);
    browser.press(&["z"]);
    browser.until("the block folded", || browser.count("#L5[data-folded]") == 1);
    assert_eq!(browser.attribute("#L5", "data-folded").as_deref(), Some("241 lines"));
    browser.inspect();
    // A line within is uncovered when one goes there.
    browser.press(&["l"]);
    browser.until("the dialog", || browser.count("dialog[open]") == 1);
    browser.type_words("60");
    browser.press(&[ENTER]);
    browser.until("the line uncovered", || browser.count("#L60.on:not(.folded)") == 1 && browser.count("#L5[data-folded]") == 0);
}

/// Where in long source something is: hits, changes, and how old lines are.
fn the_strip_beside(browser: &Browser) {
    browser.go(&format!("{WICK}?q=burn(80"));
    browser.until("the hit's place", || browser.count(".marks i.hit") == 1);
    browser.script(
        "const strip = document.querySelector('.marks'); const box = strip.getBoundingClientRect();
        strip.dispatchEvent(new MouseEvent('click', { clientX: box.left + 4, clientY: box.top + 10, bubbles: true }))",
        &[],
    );
    let seen = "const box = document.getElementById('L244').getBoundingClientRect(); return box.top > 0 && box.bottom < innerHeight;";
    browser.until("the only hit", || browser.script(seen, &[]) == json!(true));
    browser.go("/p/lantern/compare/v1.0/v1.1/kernel/later.rs");
    browser.until("what was added", || browser.count(".marks i.add") == 1);
    browser.inspect();
    browser.go("/p/lantern/v1.1/blame/kernel/deep/inner/wick.c");
    browser.until("how old the lines are", || browser.count(".marks i[class^='h']") == 1);
    browser.inspect();
}

fn painted(browser: &Browser, name: &str) -> u64 {
    browser.script("return CSS.highlights.get(arguments[0])?.size ?? 0", &[json!(name)]).as_u64().unwrap_or(0)
}

fn words_and_hits(browser: &Browser) {
    // What was searched for is marked, and walked through.
    browser.go(&format!("{WICK}?q=burn(7%20lang%3Ac"));
    browser.until("what was searched for", || painted(browser, "lectern-hit") == 11);
    browser.read(".hitcount", "11 times");
    browser.press(&["n"]);
    browser.read(".hitcount", "1 of 11");
    browser.press(&["n", "n", "p"]);
    browser.read(".hitcount", "2 of 11");
    browser.inspect();
    // The word clicked, and the partner of a bracket.
    browser.go(WICK);
    browser.until("the lines", || browser.count("#L3 .f") > 0 || browser.count("#L3 > span") == 1);
    browser.script(
        "const text = document.createTreeWalker(document.querySelector('#L3 > span'), NodeFilter.SHOW_TEXT); let node;
         while ((node = text.nextNode()) && !node.data.includes('oil'));
         const range = document.createRange(); const at = node.data.indexOf('oil'); range.setStart(node, at); range.setEnd(node, at + 1);
         const box = range.getBoundingClientRect(); const where = { clientX: box.left + 1, clientY: box.top + box.height / 2, bubbles: true };
         node.parentElement.dispatchEvent(new MouseEvent('click', where));",
        &[],
    );
    browser.until("the word's occurrences", || painted(browser, "lectern-word") == 83);
    browser.script(
        "const text = document.createTreeWalker(document.querySelector('#L4 > span'), NodeFilter.SHOW_TEXT); const node = text.nextNode();
         const range = document.createRange(); range.setStart(node, 0); range.setEnd(node, 1);
         const box = range.getBoundingClientRect(); const where = { clientX: box.left + 1, clientY: box.top + box.height / 2, bubbles: true };
         node.parentElement.dispatchEvent(new MouseEvent('click', where));",
        &[],
    );
    browser.until("both brackets", || painted(browser, "lectern-bracket") == 2);
    browser.press(&["m"]);
    let seen = "const box = document.getElementById('L249').getBoundingClientRect(); return box.top > 0 && box.bottom < innerHeight;";
    browser.until("the other bracket", || browser.script(seen, &[]) == json!(true));
}

fn preferences(browser: &Browser) {
    browser.go(WICK);
    browser.push("View");
    browser.read(".picker.view[open]", "Wrap long lines");
    browser.inspect();
    browser.script("for (const box of document.querySelectorAll('.picker.view input')) if (!box.checked) box.click()", &[]);
    browser.choose("#tab-width", "4");
    browser.until("tabs are shown", || browser.count("#L5 i.tab") == 1);
    browser.go("/p/lantern/v1.1/file/boot/start.c");
    browser.read("h1", "start.c");
    assert_eq!(browser.count("html.wrap.spaces.tab4.no-scopes"), 1, "they are kept in this browser");
    assert_eq!(browser.script("return getComputedStyle(document.querySelector('#source')).tabSize", &[]), json!("4"));
    browser.inspect();
    assert_eq!(
        browser.script("return document.querySelector('#L8 > span').textContent", &[]),
        json!("\tif (argc > 1)"),
        "the text is as it was"
    );
}
