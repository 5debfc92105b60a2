//! How numbers, sizes, times and identifiers are written for people. Pure functions, also usable as template filters of the same names.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const MOMENT: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute]:[second] UTC");
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:long] [year]");
const SHORT_DAY: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:short]");
const CLOCK: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]:[second]");
const INPUT_DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const MACHINE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// "18,204".
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// "1 file", "18,204 files": the plural is the singular with an s unless `many` says otherwise.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A size in bytes, in decimal units: "812 bytes", "11.8 KB", "1.3 GB".
pub fn size(bytes: u64) -> String {
    if bytes < 1_000 {
        return counted(bytes, "byte", "bytes");
    }
    let mut unit = 1_000_u64;
    for name in ["KB", "MB", "GB", "TB", "PB"] {
        // Tenths, rounded half up in integers; 999.95 of a unit is already 1.0 of the next.
        let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
        if tenths < 10_000 || name == "PB" {
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
        unit *= 1_000;
    }
    counted(bytes, "byte", "bytes")
}

fn written(micros: i64, form: &[BorrowedFormatItem<'_>]) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .ok()
        .and_then(|at| at.format(form).ok())
        .unwrap_or_else(|| "an unknown time".to_owned())
}

/// Microseconds since the epoch as "21 Nov 2026, 10:44:51 UTC".
pub fn moment(micros: i64) -> String {
    written(micros, MOMENT)
}

/// Microseconds since the epoch as "21 November 2026" (the day in UTC).
pub fn day(micros: i64) -> String {
    written(micros, DAY)
}

/// Microseconds since the epoch as "21 Nov" (the day in UTC), where the year is plain.
pub fn short_day(micros: i64) -> String {
    written(micros, SHORT_DAY)
}

/// Microseconds since the epoch as "10:44:51" (UTC).
pub fn clock(micros: i64) -> String {
    written(micros, CLOCK)
}

/// Microseconds since the epoch as "2026-11-21", the form of `<input type="date">`.
pub fn input_day(micros: i64) -> String {
    written(micros, INPUT_DAY)
}

/// Microseconds since the epoch as "2026-11-21T10:44:51Z", for `<time datetime>`.
pub fn machine(micros: i64) -> String {
    written(micros, MACHINE)
}

/// The first ten characters of a commit or blob id.
pub fn short(id: &str) -> String {
    id.chars().take(10).collect()
}

/// An offset into a file as eight or more hexadecimal digits.
pub fn offset(at: u64) -> String {
    format!("{at:08x}")
}

/// Bytes as pairs of hexadecimal digits, with a wider gap after every eighth.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3 + 1);
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 {
            out.push_str(if place.is_multiple_of(8) { "  " } else { " " });
        }
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Bytes as printable ASCII, a middle dot for every other.
pub fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '·' }).collect()
}

/// What a browser calls itself, in words: "Firefox on Windows". A program is told by its own name.
pub fn browser(agent: &str) -> String {
    // Each names those it wants to be taken for, so that the most particular one is looked for first.
    let programs = [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
    let systems = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Mac OS X", "a Mac"),
        ("Linux", "Linux"),
    ];
    let named = |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (named(&programs), named(&systems)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        (None, _) => match agent.split(['/', ' ']).next().filter(|name| !name.is_empty()) {
            Some(name) => name.chars().take(40).collect(),
            None => "An unknown browser".to_owned(),
        },
    }
}

/// "net/, platform/ and tests/".
pub fn series(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// What an audit entry of a kind says somebody did, in one word or two.
pub fn did(kind: &str) -> &str {
    match kind {
        "session.opened" => "Signed in",
        "session.refused" => "Sign-in refused",
        "session.closed" => "Signed out",
        "source.tree.listed" => "Listed",
        "source.file.opened" => "Opened",
        "source.history.viewed" => "History",
        "source.blame.viewed" => "Blame",
        "source.diff.viewed" => "Compared",
        "source.searched" => "Searched",
        "search.saved" => "Saved a search",
        "search.removed" => "Removed a search",
        "source.symbol.viewed" => "Symbol",
        "access.denied" => "Refused",
        "entitlement.proposed" => "Proposed grant",
        "entitlement.approved" => "Approved grant",
        "entitlement.refused" => "Refused grant",
        "entitlement.revoked" => "Revoked grant",
        "mirror.synced" => "Synchronised",
        "mirror.tag_moved" => "Tag moved",
        "version.published" => "Published",
        "version.quarantined" => "Quarantined",
        "version.release_asked" => "Asked to open",
        "version.release_refused" => "Refused to open",
        "version.released" => "Opened version",
        "version.withdrawn" => "Withdrew",
        "product.created" => "Added product",
        "product.changed" => "Changed product",
        "symbols.imported" => "Imported symbols",
        "audit.viewed" => "Viewed the log",
        "audit.exported" => "Exported the log",
        "configuration.changed" => "Configured",
        other => other,
    }
}

/// The same functions as template filters.
#[expect(clippy::inline_always, reason = "askama's filter_fn writes it")]
pub mod filters {
    use askama::{Result, Values, filter_fn};

    /// A whole number, or a reference to one: templates hold both.
    pub trait Whole {
        fn whole(&self) -> u64;
    }

    impl Whole for u64 {
        fn whole(&self) -> u64 {
            *self
        }
    }

    impl Whole for usize {
        fn whole(&self) -> u64 {
            u64::try_from(*self).unwrap_or(u64::MAX)
        }
    }

    impl<T: Whole> Whole for &T {
        fn whole(&self) -> u64 {
            (*self).whole()
        }
    }

    /// Microseconds since the epoch, or a reference to them.
    pub trait Micros {
        fn micros(&self) -> i64;
    }

    impl Micros for i64 {
        fn micros(&self) -> i64 {
            *self
        }
    }

    impl<T: Micros> Micros for &T {
        fn micros(&self) -> i64 {
            (*self).micros()
        }
    }

    #[filter_fn]
    pub fn count(number: impl Whole, _: &dyn Values) -> Result<String> {
        Ok(super::count(number.whole()))
    }

    #[filter_fn]
    pub fn counted(number: impl Whole, _: &dyn Values, one: &str, many: &str) -> Result<String> {
        Ok(super::counted(number.whole(), one, many))
    }

    #[filter_fn]
    pub fn bytesize(bytes: impl Whole, _: &dyn Values) -> Result<String> {
        Ok(super::size(bytes.whole()))
    }

    #[filter_fn]
    pub fn moment(micros: impl Micros, _: &dyn Values) -> Result<String> {
        Ok(super::moment(micros.micros()))
    }

    #[filter_fn]
    pub fn day(micros: impl Micros, _: &dyn Values) -> Result<String> {
        Ok(super::day(micros.micros()))
    }

    #[filter_fn]
    pub fn isoday(micros: impl Micros, _: &dyn Values) -> Result<String> {
        Ok(super::input_day(micros.micros()))
    }

    #[filter_fn]
    pub fn shortday(micros: impl Micros, _: &dyn Values) -> Result<String> {
        Ok(super::short_day(micros.micros()))
    }

    #[filter_fn]
    pub fn clock(micros: impl Micros, _: &dyn Values) -> Result<String> {
        Ok(super::clock(micros.micros()))
    }

    #[filter_fn]
    pub fn machine(micros: impl Micros, _: &dyn Values) -> Result<String> {
        Ok(super::machine(micros.micros()))
    }

    #[filter_fn]
    pub fn short(id: impl AsRef<str>, _: &dyn Values) -> Result<String> {
        Ok(super::short(id.as_ref()))
    }

    #[filter_fn]
    pub fn offset(at: impl Whole, _: &dyn Values) -> Result<String> {
        Ok(super::offset(at.whole()))
    }

    #[filter_fn]
    pub fn hex(bytes: impl AsRef<[u8]>, _: &dyn Values) -> Result<String> {
        Ok(super::hex(bytes.as_ref()))
    }

    #[filter_fn]
    pub fn ascii(bytes: impl AsRef<[u8]>, _: &dyn Values) -> Result<String> {
        Ok(super::ascii(bytes.as_ref()))
    }

    #[filter_fn]
    pub fn series(items: impl AsRef<[String]>, _: &dyn Values) -> Result<String> {
        Ok(super::series(items.as_ref()))
    }

    #[filter_fn]
    pub fn did(kind: impl AsRef<str>, _: &dyn Values) -> Result<String> {
        Ok(super::did(kind.as_ref()).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_in_words() {
        for (agent, words) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
            ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "Chrome on Linux"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                "Safari on a Mac",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0",
                "Edge on Windows",
            ),
            ("curl/8.5.0", "curl"),
            ("", "An unknown browser"),
        ] {
            assert_eq!(browser(agent), words, "{agent}");
        }
    }

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (18_204, "18,204"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn sizes_round_to_a_tenth_and_carry_into_the_next_unit() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.0 KB"),
            (11_849, "11.8 KB"),
            (999_949, "999.9 KB"),
            (999_950, "1.0 MB"),
            (1_300_000_000, "1.3 GB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn times_are_utc_and_odd_ones_do_not_panic() {
        let at = 1_795_257_891_000_000;
        assert_eq!(moment(at), "21 Nov 2026, 10:44:51 UTC");
        assert_eq!(day(at), "21 November 2026");
        assert_eq!(clock(at), "10:44:51");
        assert_eq!(input_day(at), "2026-11-21");
        assert_eq!(machine(at), "2026-11-21T10:44:51Z");
        assert_eq!(moment(i64::MAX), "an unknown time");
        assert_eq!(day(-1), "31 December 1969");
    }

    #[test]
    fn bytes_read_as_hex_and_ascii() {
        let bytes: Vec<u8> = (0x3c..0x46).collect();
        assert_eq!(hex(&bytes), "3c 3d 3e 3f 40 41 42 43  44 45");
        assert_eq!(ascii(b"<a>\x00\xff~"), "<a>··~");
        assert_eq!(offset(0x1f0), "000001f0");
    }

    #[test]
    fn a_series_reads_as_a_sentence() {
        let items = |n: usize| ["net/", "platform/", "tests/"].iter().take(n).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(series(&items(0)), "");
        assert_eq!(series(&items(1)), "net/");
        assert_eq!(series(&items(3)), "net/, platform/ and tests/");
    }
}
