//! The house's walls, checked on the source itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Lowest first: a room imports only rooms before it.
const ROOMS: [&str; 20] = [
    "clock",
    "ids",
    "database",
    "config",
    "queue",
    "sealing",
    "audit",
    "accounts",
    "catalog",
    "entitlements",
    "access",
    "source",
    "mirrors",
    "highlight",
    "symbols",
    "search",
    "inspection",
    "jobs",
    "web",
    "cli",
];
/// Hands: no room imports them, and of each other only the command line the others.
const HANDS: [&str; 3] = ["jobs", "web", "cli"];
/// Imports upwards that are still there, and why. This list only shrinks.
const UPWARDS: [(&str, &str, &str); 0] = [];
/// Files of more than 600 lines, and why. This list only shrinks.
const LONG_FILES: [(&str, &str); 0] = [];
const LONGEST: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(directory)];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "nothing was looked at in {directory}");
    found.sort();
    found
}

/// Rust files of `src` with what is only for tests left out, and comments, too.
fn sources() -> Vec<(String, String)> {
    let sources = files("src", ".rs");
    let tests_only: BTreeSet<String> = sources.iter().flat_map(|(name, text)| modules_for_tests(name, text)).collect();
    let within = |name: &str| tests_only.iter().any(|module| name == format!("{module}.rs") || name.starts_with(&format!("{module}/")));
    sources.into_iter().filter(|(name, _)| !within(name)).map(|(name, text)| (name, without_tests(&text))).collect()
}

/// `#[cfg(test)] mod name;`: the files of `name`, without their ending.
fn modules_for_tests(name: &str, text: &str) -> Vec<String> {
    let module = Regex::new(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod (\w+);").unwrap();
    let path = Path::new(name);
    let inside = match path.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => path.parent().unwrap().to_owned(),
        stem => path.parent().unwrap().join(stem),
    };
    module.captures_iter(text).map(|found| inside.join(&found[1]).to_str().unwrap().to_owned()).collect()
}

fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        if line.trim() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        // The item ends where a line closes it at the same depth; a whole file was left out already.
        let indent = line.len() - line.trim_start().len();
        for line in lines.by_ref() {
            let depth = line.len() - line.trim_start().len();
            let ends = line.trim_end().ends_with(';') || line.trim_start().starts_with('}');
            if depth == indent && ends {
                break;
            }
        }
    }
    kept
}

fn room_of(name: &str) -> &str {
    let inside = name.strip_prefix("src/").unwrap();
    inside.split(['/', '.']).next().unwrap()
}

/// Every room that a file names, in a `use` or within an expression.
fn imports(text: &str) -> BTreeSet<String> {
    let one = Regex::new(r"\bcrate::(\w+)").unwrap();
    let many = Regex::new(r"(?s)\buse crate::\{(.*?)\};").unwrap();
    let mut found: BTreeSet<String> = one.captures_iter(text).map(|found| found[1].to_owned()).collect();
    for group in many.captures_iter(text) {
        let mut depth = 0;
        let mut part = String::new();
        for c in group[1].chars().chain([',']) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.extend(part.trim().split("::").next().filter(|room| !room.is_empty()).map(str::to_owned));
                    part.clear();
                    continue;
                }
                _ => {}
            }
            part.push(c);
        }
    }
    found
}

fn declared() -> Vec<String> {
    let module = Regex::new(r"(?m)^pub mod (\w+);").unwrap();
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    module.captures_iter(&text).map(|found| found[1].to_owned()).collect()
}

#[test]
fn the_rooms_are_those_of_the_crate() {
    let declared: BTreeSet<String> = declared().into_iter().collect();
    assert_eq!(declared, ROOMS.iter().map(ToString::to_string).collect());
}

#[test]
fn the_papers_list_the_rooms_in_their_order() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md stands beside Cargo.toml");
    let (_, list) = text.split_once("```rooms\n").expect("a block that begins with ```rooms");
    let (list, _) = list.split_once("```").expect("an end of that block");
    let listed: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, ROOMS);
}

#[test]
fn rooms_import_downwards_only() {
    let rank: BTreeMap<&str, usize> = ROOMS.iter().enumerate().map(|(rank, room)| (*room, rank)).collect();
    let mut upwards = BTreeSet::new();
    let mut looked_at = 0;
    for (name, text) in sources() {
        let room = room_of(&name).to_owned();
        let Some(own) = rank.get(room.as_str()) else {
            assert!(["lib", "main"].contains(&room.as_str()), "{name} lies in no room");
            continue;
        };
        for import in imports(&text) {
            let Some(other) = rank.get(import.as_str()) else { panic!("{name} imports crate::{import}, which is no room") };
            looked_at += 1;
            if other > own || (HANDS.contains(&import.as_str()) && import != room && !HANDS.contains(&room.as_str())) {
                upwards.insert((room.clone(), import, name.clone()));
            }
        }
    }
    assert!(looked_at > 100, "only {looked_at} imports were seen");
    let tolerated: BTreeSet<(String, String, String)> =
        UPWARDS.iter().map(|(room, other, name)| (room.to_string(), other.to_string(), name.to_string())).collect();
    assert_eq!(upwards, tolerated);
}

/// Where a crate may be named.
fn only_in(word: &str, may: impl Fn(&str) -> bool) {
    let named = Regex::new(&format!(r"\b{word}\b(?:::|;| as )")).unwrap();
    let sources = sources();
    let outside: Vec<&String> = sources.iter().filter(|(name, text)| named.is_match(text) && !may(name)).map(|(name, _)| name).collect();
    assert!(outside.is_empty(), "{word} in {outside:?}");
    assert!(sources.iter().any(|(name, text)| named.is_match(text) && may(name)), "{word} is nowhere");
}

#[test]
fn sql_is_in_stores_and_in_the_database_room() {
    only_in("sqlx", |name| name.ends_with("/store.rs") || name == "src/database.rs");
}

#[test]
fn git2_is_where_repositories_are_read_and_fetched() {
    only_in("git2", |name| name == "src/source/raw.rs" || name.starts_with("src/mirrors/"));
}

#[test]
fn axum_is_in_the_web_room_and_where_it_is_served() {
    only_in("axum", |name| name.starts_with("src/web/") || name == "src/cli/serve.rs");
}

#[test]
fn full_text_search_is_behind_its_room() {
    only_in("tantivy", |name| name.starts_with("src/search/"));
}

#[test]
fn the_system_is_asked_what_time_it_is_in_one_place() {
    let now = Regex::new(r"SystemTime::now|OffsetDateTime::now|UtcDateTime::now").unwrap();
    let asking: Vec<String> = sources().into_iter().filter(|(_, text)| now.is_match(text)).map(|(name, _)| name).collect();
    assert_eq!(asking, ["src/clock.rs"]);
}

#[test]
fn the_machine_reader_never_reaches_the_web() {
    let reader = Regex::new(r"\bMachineReader\b").unwrap();
    let mut holding: Vec<String> = sources().into_iter().filter(|(_, text)| reader.is_match(text)).map(|(name, _)| name).collect();
    holding.retain(|name| name.starts_with("src/web") || name.starts_with("src/inspection"));
    assert_eq!(holding, Vec::<String>::new());
}

#[test]
fn templates_trust_no_text_and_hold_no_code_or_style() {
    let safe = Regex::new(r"\|\s*safe\b").unwrap();
    let inline = [r"(?i)<style\b", r"(?i)\sstyle\s*=", r"(?i)\son\w+\s*=", r"(?i)javascript:"].map(|text| Regex::new(text).unwrap());
    let script = Regex::new(r"(?is)<script\b[^>]*>(.*?)</script>").unwrap();
    for (name, text) in files("templates", ".html") {
        assert!(!safe.is_match(&text), "{name} trusts a text");
        for inline in &inline {
            assert!(!inline.is_match(&text), "{name} has {}", inline.find(&text).unwrap().as_str());
        }
        for found in script.captures_iter(&text) {
            assert!(found[1].trim().is_empty() && found[0].contains("src="), "{name} has a script in it");
        }
    }
}

#[test]
fn files_stay_short() {
    let long = |directory: &str, ending: &str| {
        let files = files(directory, ending).into_iter();
        files.filter(|(_, text)| text.lines().count() > LONGEST).map(|(name, _)| name).collect::<Vec<_>>()
    };
    let found = [long("src", ".rs"), long("tests", ".rs"), long("benches", ".rs"), long("templates", ".html")].concat();
    assert_eq!(found, LONG_FILES.map(|(name, _)| name.to_owned()));
}

#[test]
fn no_file_is_named_for_what_has_no_name() {
    for (name, _) in files("src", ".rs") {
        let stem = Path::new(&name).file_stem().unwrap().to_str().unwrap();
        assert!(!["utils", "util", "common", "helpers", "helper", "misc", "types"].contains(&stem), "{name}");
        assert!(!name.contains("/utils/") && !name.contains("/common/"), "{name}");
    }
}

#[test]
fn what_is_for_tests_is_left_out_and_nothing_else() {
    let text = "use crate::a::B;\n// use crate::c;\n#[cfg(test)]\nmod tests {\n    use crate::d;\n}\nfn f() { crate::e::g() }\n";
    let found: Vec<String> = imports(&without_tests(text)).into_iter().collect();
    assert_eq!(found, ["a", "e"]);
    let found: Vec<String> = imports("use crate::{a::{B, c::D}, e, f::G};").into_iter().collect();
    assert_eq!(found, ["a", "e", "f"]);
    assert_eq!(
        modules_for_tests("src/audit/mod.rs", "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod outside;"),
        ["src/audit/tests", "src/audit/outside"]
    );
    assert_eq!(modules_for_tests("src/a/b.rs", "#[cfg(test)]\npub(super) mod c;"), ["src/a/b/c"]);
}
