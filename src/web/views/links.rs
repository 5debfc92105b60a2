//! The portal's own addresses, percent-encoded. Product and version are slugs, paths are bytes as git has them.

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// What may not stand bare in a path segment (RFC 3986, section 3.3), `%` and the delimiters of later parts included.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What may not stand bare in a query value.
const VALUE: &AsciiSet = &SEGMENT.remove(b'/').add(b'&').add(b'+').add(b'=').add(b';').add(b'\'');

fn segment(text: &[u8]) -> String {
    percent_encode(text, SEGMENT).to_string()
}

fn path(bytes: &[u8]) -> String {
    bytes.split(|byte| *byte == b'/').map(segment).collect::<Vec<_>>().join("/")
}

/// A value for a query string, percent-encoded.
pub fn value(text: &str) -> String {
    percent_encode(text.as_bytes(), VALUE).to_string()
}

/// `base?name=value&…`, leaving out pairs without a value.
pub fn query(base: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name}={}", value(text))).collect();
    if pairs.is_empty() { base.to_owned() } else { format!("{base}?{}", pairs.join("&")) }
}

/// `/p/{product}`.
pub fn product(product: &str) -> String {
    format!("/p/{}", segment(product.as_bytes()))
}

/// `/p/{product}/{version}/{room}/{path}`, for example room `blame`.
pub fn place(product: &str, version: &str, room: &str, at: &[u8]) -> String {
    format!("/p/{}/{}/{room}/{}", segment(product.as_bytes()), segment(version.as_bytes()), path(at))
}

/// `/p/{product}/{version}/tree/{path}`; the empty path is the root.
pub fn tree(product: &str, version: &str, at: &[u8]) -> String {
    place(product, version, "tree", at)
}

/// `/p/{product}/{version}/file/{path}`.
pub fn file(product: &str, version: &str, at: &[u8]) -> String {
    place(product, version, "file", at)
}

/// `/p/{product}/{version}/history/{path}`; the empty path is the root.
pub fn history(product: &str, version: &str, at: &[u8]) -> String {
    place(product, version, "history", at)
}

/// `/p/{product}/{version}/blame/{path}`.
pub fn blame(product: &str, version: &str, at: &[u8]) -> String {
    place(product, version, "blame", at)
}

/// `/p/{product}/{version}/commit/{id}`.
pub fn commit(product: &str, version: &str, id: &str) -> String {
    place(product, version, "commit", id.as_bytes())
}

/// `…/file/{path}#L{number}`.
pub fn line(product: &str, version: &str, at: &[u8], number: u64) -> String {
    format!("{}#L{number}", file(product, version, at))
}

/// `/p/{product}/compare/{from}/{to}`.
pub fn compare(product: &str, from: &str, to: &str) -> String {
    format!("/p/{}/compare/{}/{}", segment(product.as_bytes()), segment(from.as_bytes()), segment(to.as_bytes()))
}

/// `/p/{product}/compare/{from}/{to}/{path}`.
pub fn compare_file(product: &str, from: &str, to: &str, at: &[u8]) -> String {
    format!("{}/{}", compare(product, from, to), path(at))
}

/// `/symbol/{product}/{version}`, with these parameters as far as they have values.
pub fn symbol(product: &str, version: &str, pairs: &[(&str, &str)]) -> String {
    query(&format!("/symbol/{}/{}", segment(product.as_bytes()), segment(version.as_bytes())), pairs)
}

/// `/p/{product}/{version}/find`, the file finder.
pub fn find(product: &str, version: &str) -> String {
    format!("/p/{}/{}/find", segment(product.as_bytes()), segment(version.as_bytes()))
}

/// The comparison of two versions at a place: the page of a file, or the list of what differs below a directory.
pub fn compare_at(product: &str, from: &str, to: &str, at: &[u8], is_directory: bool) -> String {
    match (at, is_directory) {
        ([], _) => compare(product, from, to),
        (at, true) => format!("{}?dir={}", compare(product, from, to), path(at)),
        (at, false) => compare_file(product, from, to, at),
    }
}

/// The receipt of an audit entry.
pub fn receipt(entry: u64) -> String {
    format!("/transparency/receipt/{entry}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_encoded_and_slashes_of_a_path_kept() {
        assert_eq!(file("git", "v2.1", b"Documentation/a b?#%.txt"), "/p/git/v2.1/file/Documentation/a%20b%3F%23%25.txt");
        assert_eq!(tree("git", "v2.1", b""), "/p/git/v2.1/tree/");
        assert_eq!(file("git", "x/y", b"a"), "/p/git/x%2Fy/file/a");
        assert_eq!(line("git", "v1", b"\xe9.c", 12), "/p/git/v1/file/%E9.c#L12");
    }

    #[test]
    fn a_comparison_is_of_two_versions_and_perhaps_a_path() {
        assert_eq!(compare_at("git", "v1", "v2", b"", true), "/p/git/compare/v1/v2");
        assert_eq!(compare_at("git", "v/1", "v2", b"a b/c", false), "/p/git/compare/v%2F1/v2/a%20b/c");
        assert_eq!(compare_at("git", "v1", "v2", b"a b/c", true), "/p/git/compare/v1/v2?dir=a%20b/c");
    }

    #[test]
    fn query_values_are_encoded_and_empty_ones_left_out() {
        assert_eq!(query("/search", &[("q", "a&b +c=%"), ("page", "")]), "/search?q=a%26b%20%2Bc%3D%25");
        assert_eq!(query("/audit", &[("person", "")]), "/audit");
    }
}
