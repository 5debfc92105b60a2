//! The pictures in the README: of the commit that is checked out, as the program shows it. Taken in every run, and kept when
//! `LECTERN_SCREENSHOTS` names a directory for them.

use std::path::PathBuf;
use std::{env, fs};

use crate::browser::Browser;
use crate::portal::Portal;

#[test]
fn for_the_readme() {
    let own = tempfile::tempdir().expect("a directory of its own");
    let directory = env::var_os("LECTERN_SCREENSHOTS").map_or_else(|| own.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&directory).expect("the directory for the pictures");
    let portal = Portal::of_this_checkout();
    let browser = Browser::open(&portal).expect("a browser to take pictures of");
    browser.screen(1440, 900);
    let take = |name: &str| {
        let picture = browser.picture();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 20_000, "{name} is no picture of a page");
        fs::write(directory.join(name), picture).expect("a picture");
    };

    browser.sign_in(&portal.first_reviewer);
    for path in ["src/access/policy.rs", "verify/src/merkle.rs#L54-L60"] {
        browser.go(&format!("/p/lectern/main/file/{path}"));
        browser.read(".seal", "Recorded as entry");
    }
    browser.until("the lines", || browser.count("#source .on") == 7);
    take("file.png");
    browser.go("/search?q=record+lang%3Arust+path%3Asrc%2Faudit");
    browser.read(".hits", "record");
    take("search.png");
    browser.go("/");
    browser.sign_out();
    browser.sign_in(&portal.auditor);
    browser.go("/audit");
    browser.read(".entries", "merkle.rs");
    take("audit.png");
}
