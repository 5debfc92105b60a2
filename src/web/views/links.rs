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

/// `…/file/{path}#L{number}`.
pub fn line(product: &str, version: &str, at: &[u8], number: u64) -> String {
    format!("{}#L{number}", file(product, version, at))
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
    fn query_values_are_encoded_and_empty_ones_left_out() {
        assert_eq!(query("/search", &[("q", "a&b +c=%"), ("page", "")]), "/search?q=a%26b%20%2Bc%3D%25");
        assert_eq!(query("/audit", &[("person", "")]), "/audit");
    }
}
