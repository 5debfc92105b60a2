//! An auditor's day: the record, the log, the reader's opening in it, its proof and its receipt; and no source.

use serde_json::json;

use crate::browser::Browser;
use crate::portal::Portal;

#[test]
fn finds_who_read_what() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    browser.sign_in(&portal.first_reviewer);
    browser.go("/p/lantern/v1.1/file/boot/start.c");
    browser.read("#source", "lantern_canary");
    browser.go("/p/lantern/v1.1/file/kernel/nobody.rs");
    browser.read("main", "404");
    browser.inspect_error(404);
    let entry = opening(&browser);
    browser.go("/");
    browser.sign_out();

    browser.sign_in(&portal.auditor);
    browser.read("h1", "The record");
    browser.read("main", "boot/start.c");
    browser.inspect();
    browser.follow("Read the log");
    browser.arrive_at("/audit");
    browser.read("h1", "Who read what");
    browser.read(".entries", "boot/start.c");
    browser.read(".command", &portal.address);
    browser.inspect();

    browser.fill(".filter input[name=path]", "boot/start.c");
    browser.push("Show");
    browser.until("the filter in the address", || browser.place().contains("path=boot%2Fstart.c"));
    browser.read(".chips", "boot/start.c");
    let shown = browser
        .script("return [...document.querySelectorAll('.entries tbody tr')].map((row) => row.querySelector('.what').textContent)", &[]);
    let shown: Vec<&str> = shown.as_array().into_iter().flatten().filter_map(|row| row.as_str()).collect();
    assert!(!shown.is_empty() && shown.iter().all(|what| what.contains("boot/start.c")), "the filter holds for every row: {shown:?}");
    browser.read(".entries", "First reviewer");
    browser.inspect();
    browser.follow(&entry.to_string());
    browser.arrive_at(&format!("/audit/entries/{entry}"));
    browser.read("main", "source.file.opened");
    browser.read("main", &portal.first_reviewer.email);
    browser.read("main", "boot/start.c");
    assert!(browser.count(".climb .hash") >= 2, "the proof leads from the leaf to the root");
    browser.inspect();
    let receipt = browser.attribute(".proof a.btn", "href").expect("a receipt");
    let answer = browser.script_with_callback(
        "const done = arguments[arguments.length - 1];
         fetch(arguments[0]).then(async (answer) => done([answer.status, await answer.text()]), (cause) => done([0, String(cause)]));",
        &[json!(receipt)],
    );
    assert_eq!(answer[0], json!(200), "{answer}");
    assert!(answer[1].as_str().is_some_and(|text| text.contains("lectern.example/audit")), "{answer}");

    browser.go("/audit?path=nowhere%2Fat%2Fall");
    browser.read(".empty", "No entry matches all of these.");
    browser.inspect();
    browser.go("/audit/export");
    browser.read("h1", "");
    browser.inspect();
    browser.go("/account");
    browser.inspect();

    // No source for auditors, and no administration.
    for path in ["/p", "/p/lantern/v1.1/file/boot/start.c", "/search?q=lamp", "/admin/grants"] {
        browser.go(path);
        browser.read("main", "404");
    }
    browser.inspect_error(404);
}

/// The number of the entry that says that the file was opened, from its page's seal.
fn opening(browser: &Browser) -> u64 {
    browser.go("/p/lantern/v1.1/file/boot/start.c");
    browser.read(".seal", "Recorded as entry");
    browser.words(".seal .num").replace(',', "").parse().expect("a number")
}
