//! What pages show: plain data, rendered by the templates of the same names.
//!
//! A view holds words, numbers and addresses that are ready to be shown; it decides nothing and asks nobody. Numbers are `u64`, times are
//! microseconds since the epoch in UTC, and both are written for people by [`format`]. Addresses come from [`links`]. Every value is
//! escaped by the templates; only [`crate::highlight::SourceHtml`] goes through as it is.
//!
//! Every form is `<form method="post">` with a hidden `csrf`; the addresses they post to are named at each view.

pub mod admin;
pub mod assets;
pub mod audit;
pub mod compare;
pub mod design;
pub mod desks;
pub mod everyone;
pub mod factors;
pub mod find;
pub mod format;
pub mod forms;
pub mod history_search;
pub mod links;
pub mod past;
pub mod products;
pub mod reading;
pub mod search;
pub mod shell;
pub mod symbol;
pub mod transparency;

pub use assets::{asset, static_file};

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use askama::Template as _;

    use super::shell::{Person, Role, Shell};

    fn files(dir: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, into);
            } else {
                into.push(path);
            }
        }
    }

    fn texts(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
        let mut paths = Vec::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut paths);
        paths.retain(|path| path.extension().is_some_and(|e| e == ending));
        assert!(!paths.is_empty());
        paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
    }

    #[test]
    fn templates_keep_to_the_content_security_policy() {
        for (path, text) in texts("templates", "html") {
            for forbidden in [" style=", "<style", "|safe", "| safe", "javascript:", " onclick=", " onchange=", " onload="] {
                assert!(!text.contains(forbidden), "{forbidden} in {}", path.display());
            }
            for script in text.split("<script").skip(1) {
                assert!(script.starts_with(" type=\"module\" src="), "inline script in {}", path.display());
            }
        }
    }

    #[test]
    fn every_posting_form_carries_the_token() {
        for (path, text) in texts("templates", "html") {
            for form in text.split("method=\"post\"").skip(1) {
                let form = form.split("</form>").next().unwrap();
                assert!(form.contains("csrf("), "a form without csrf in {}", path.display());
            }
        }
    }

    #[test]
    fn scripts_parse_no_markup() {
        for (path, text) in texts("static", "js") {
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest", "prefetch"]
            {
                // Two scripts ask for anything, each in one place: for what completion names, and for parts of a page. Both are recorded.
                let asks = [("fetch(", "complete.js"), ("XMLHttpRequest", "ask.js")]
                    .iter()
                    .any(|(call, of)| forbidden == *call && path.ends_with(of));
                let may = asks && text.matches(forbidden).count() == 1;
                assert!(may || !text.contains(forbidden), "{forbidden} in {}", path.display());
            }
        }
    }

    #[test]
    fn what_people_typed_stays_text_and_stands_in_its_own_field() {
        let shell = Shell {
            title: "Add an agency".into(),
            person: Some(Person { name: "<b>Mallory</b>".into(), role: Role::Administrator, agency: None }),
            ..Shell::default()
        };
        let form = super::admin::agencies::AgencyForm {
            id: None,
            kind: String::new(),
            contacts: String::new(),
            shell,
            csrf: "token".into(),
            name: "\"><script>alert(1)</script>".into(),
            country: String::new(),
            errors: super::forms::FieldErrors::default(),
        };
        let html = form.render().unwrap();
        assert!(!html.contains("<b>Mallory"));
        assert!(!html.contains("<script>alert"));
        assert!(html.contains("name=\"name\" type=\"text\" value=\"&#34;&#62;&#60;script&#62;alert(1)"), "{html}");
    }

    #[test]
    fn lines_are_anchored_by_their_number_in_the_file() {
        use super::reading::{FilePage, LINES_GO_HERE, Lines};
        let page = FilePage::sample();
        let html = page.render().unwrap();
        assert!(html.contains("&#60;script&#62;</a>") && !html.contains("<script></a>"), "{html}");
        assert_eq!(html.matches(LINES_GO_HERE).count(), 1);
        let lines = Lines { first: 5_001, lines: vec![crate::highlight::SourceHtml::default(); 3] }.render().unwrap();
        assert!(lines.contains("id=\"L5001\"") && lines.contains("id=\"L5003\"") && !lines.contains("id=\"L5004\""));
        assert!(html.contains("href=\"/transparency/receipt/18204\">Recorded as entry <span class=\"num\">18,204</span>"));
    }
}
