//! What people type into forms, read or refused in their words.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::catalog::RepoPath;
use crate::clock::Timestamp;
use crate::entitlements::Window;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The first instant of a day, `2026-11-21`; of a full RFC 3339 time, that instant.
pub(in crate::web) fn starting(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
}

/// The first instant after a day, so that the day itself counts; of a full RFC 3339 time, that instant.
pub(in crate::web) fn ending(text: &str) -> Option<Timestamp> {
    let at = Timestamp::parse(text)?;
    Some(if text.trim().len() == 10 { at.plus(DAY) } else { at })
}

/// The last moment before a window's end, which is not in it: its day is the last one that counts.
pub(in crate::web) fn last_moment(until: Timestamp) -> i64 {
    until.minus(Duration::from_micros(1)).micros()
}

/// Two days as a window within a term: on the term's own first and last day it keeps to the term's hours.
pub(super) fn within(window: Window, term: Window) -> Window {
    let same_day = |a: Timestamp, b: Timestamp| a.date() == b.date();
    let last = |until: Timestamp| Timestamp::from_micros(last_moment(until));
    Window {
        from: if same_day(window.from, term.from) { window.from.max(term.from) } else { window.from },
        until: if same_day(last(window.until), last(term.until)) { window.until.min(term.until) } else { window.until },
    }
}

/// Paths, one a line; `/` is the whole tree, and empty lines are none.
///
/// # Errors
/// A sentence that names the line.
pub(super) fn paths(text: &str) -> Result<Vec<RepoPath>, String> {
    let mut paths = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let path = match line {
            "/" => RepoPath::root(),
            _ => RepoPath::parse(line.as_bytes()).map_err(|problem| format!("Line {number}: {problem}. Write it as in net/session."))?,
        };
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// Networks, parted by spaces, commas or line ends; an address alone is a network of one.
///
/// # Errors
/// A sentence that names what is none.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let one = |text: String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(|network| network.trunc()).map_err(|_| format!("{text} is no network. Write 192.0.2.0/24 or 2001:db8::/32."))
    };
    patterns(text).into_iter().map(one).collect()
}

/// Patterns or names, parted by spaces, commas or line ends.
pub(super) fn patterns(text: &str) -> Vec<String> {
    let mut patterns: Vec<String> = Vec::new();
    for pattern in text.split(|c: char| c.is_whitespace() || c == ',').filter(|part| !part.is_empty()) {
        if !patterns.iter().any(|known| known == pattern) {
            patterns.push(pattern.to_owned());
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_last_day_counts_and_a_last_instant_does_not() {
        assert_eq!(starting("2026-11-21"), Some(at("2026-11-21T00:00:00Z")));
        assert_eq!(ending(" 2026-11-21 "), Some(at("2026-11-22T00:00:00Z")));
        assert_eq!(ending("2026-11-21T10:00:00Z"), Some(at("2026-11-21T10:00:00Z")));
        for odd in ["", "21.11.2026", "2026-13-01", "2026-02-30", "tomorrow"] {
            assert_eq!(starting(odd), None, "{odd:?}");
            assert_eq!(ending(odd), None, "{odd:?}");
        }
        assert_eq!(Timestamp::from_micros(last_moment(at("2026-11-22"))).date(), "2026-11-21");
    }

    #[test]
    fn a_window_keeps_to_its_terms_hours_on_the_terms_own_days_only() {
        let term = Window { from: at("2026-11-21T12:34:56Z"), until: at("2027-03-31T18:00:00Z") };
        let days = |from, until| Window { from: starting(from).unwrap(), until: ending(until).unwrap() };
        assert_eq!(within(days("2026-11-21", "2027-03-31"), term), term);
        assert_eq!(within(days("2026-11-22", "2027-03-30"), term), days("2026-11-22", "2027-03-30"));
        assert_eq!(within(days("2026-11-20", "2027-04-01"), term), days("2026-11-20", "2027-04-01"));
        let whole = days("2026-11-21", "2027-03-31");
        assert_eq!(within(days("2026-11-21", "2027-03-31"), whole), whole);
    }

    #[test]
    fn paths_are_one_a_line_and_errors_name_theirs() {
        let path = |text: &str| RepoPath::parse(text.as_bytes()).unwrap();
        assert_eq!(paths(" net/session/ \r\n\r\nREADME file\nnet/session"), Ok(vec![path("net/session"), path("README file")]));
        assert_eq!(paths("/"), Ok(vec![RepoPath::root()]));
        assert_eq!(paths("\n \n"), Ok(vec![]));
        for (text, line) in [("net\n../keys", "Line 2:"), ("/etc", "Line 1:"), ("a\n\nb//c", "Line 3:"), ("a\0", "Line 1:")] {
            assert!(paths(text).unwrap_err().starts_with(line), "{text:?}");
        }
    }

    #[test]
    fn networks_are_read_and_what_is_none_is_named() {
        let texts = |text: &str| networks(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(texts("192.0.2.9/24, 2001:db8::1\n").unwrap(), ["192.0.2.0/24", "2001:db8::1/128"]);
        assert_eq!(texts("").unwrap(), Vec::<String>::new());
        for odd in ["192.0.2.0/33", "192.0.2", "example.org"] {
            assert!(texts(odd).unwrap_err().starts_with(odd));
        }
    }

    #[test]
    fn patterns_are_parted_by_anything_between_them() {
        assert_eq!(patterns("v1.*, v2.*\nv2.*\t*"), ["v1.*", "v2.*", "*"]);
        assert!(patterns(" ,\n,").is_empty());
    }
}
