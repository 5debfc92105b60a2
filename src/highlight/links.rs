//! Where the links and pictures of a document lead.

use percent_encoding::percent_decode_str;

use super::marks;

/// Where a link or a picture wants to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A place in the tree as the author wrote it, percent-decoded: `../doc/a.md`, or `/doc/a.md` from the root. It may well lead nowhere or
    /// outside. For the fragment, which is kept, see [`heading_anchor`]: it is appended to the answer.
    Link { path: &'a str },
    /// A picture in the tree, written in the same way.
    Image { path: &'a str },
    /// An address elsewhere, with its scheme. Answer only if it can be shown here instead.
    Elsewhere { address: &'a str },
}

/// The `id` of the heading that a fragment (without `#`) names. The prefix keeps a text from naming the page's own elements.
pub fn heading_anchor(fragment: &str) -> String {
    format!("doc-{}", slug(&percent_decode_str(fragment).decode_utf8_lossy()))
}

/// The path in the tree that `written` names, seen from `directory`: both without a slash at either end, save that `written` may begin with
/// one to start from the root. None when it climbs out of the tree.
pub fn path_from(directory: &str, written: &str) -> Option<String> {
    let base = if written.starts_with('/') { "" } else { directory };
    let mut path: Vec<&str> = Vec::new();
    for part in base.split('/').chain(written.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                path.pop()?;
            }
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}

/// What the author of a link wrote.
pub(super) enum Address<'a> {
    Anchor(&'a str),
    Here {
        path: String,
        fragment: Option<&'a str>,
    },
    Elsewhere(&'a str),
    /// Not an address, or one that would make the browser act.
    Nowhere,
}

impl<'a> Address<'a> {
    pub(super) fn of(written: &'a str) -> Self {
        const SCHEMES: [&str; 13] = ["http", "https", "mailto", "ftp", "ftps", "git", "ssh", "irc", "ircs", "news", "tel", "xmpp", "doi"];
        let written = written.trim();
        if let Some(fragment) = written.strip_prefix('#') {
            return Self::Anchor(fragment);
        }
        if written.starts_with("//") {
            return Self::Elsewhere(written);
        }
        if let Some((scheme, _)) = written.split_once(':').filter(|(before, _)| !before.contains(['/', '?', '#'])) {
            let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
            return if known { Self::Elsewhere(written) } else { Self::Nowhere };
        }
        let (place, fragment) = written.split_once('#').map_or((written, None), |(place, fragment)| (place, Some(fragment)));
        let place = place.split_once('?').map_or(place, |(place, _)| place);
        match percent_decode_str(place).decode_utf8() {
            Ok(path) if !path.is_empty() && !path.contains(char::is_control) => Self::Here { path: path.into_owned(), fragment },
            _ => Self::Nowhere,
        }
    }
}

/// The part of a heading that names it in an address: its letters and digits in lower case, with `-` for spaces.
pub(super) fn slug(heading: &str) -> String {
    let letters = heading.trim().chars().filter_map(|c| match c {
        ' ' | '-' => Some('-'),
        '_' => Some('_'),
        _ => (c.is_alphanumeric() && !marks::is_hidden(c)).then_some(c),
    });
    letters.flat_map(char::to_lowercase).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(written: &str) -> String {
        match Address::of(written) {
            Address::Anchor(fragment) => format!("anchor {fragment}"),
            Address::Here { path, fragment: None } => format!("here {path}"),
            Address::Here { path, fragment: Some(fragment) } => format!("here {path} at {fragment}"),
            Address::Elsewhere(address) => format!("elsewhere {address}"),
            Address::Nowhere => "nowhere".to_owned(),
        }
    }

    #[test]
    fn an_address_is_here_elsewhere_or_nowhere() {
        for (written, expected) in [
            ("doc/a.md", "here doc/a.md"),
            ("../a%20b.md?raw=1#Use%20it", "here ../a b.md at Use%20it"),
            ("/a:b", "here /a:b"),
            ("#top", "anchor top"),
            ("https://example.org/a", "elsewhere https://example.org/a"),
            ("HTTP://example.org", "elsewhere HTTP://example.org"),
            ("//example.org/a", "elsewhere //example.org/a"),
            ("mailto:a@example.org", "elsewhere mailto:a@example.org"),
            ("javascript:alert(1)", "nowhere"),
            (" JavaScript:alert(1)", "nowhere"),
            ("data:text/html,<script>", "nowhere"),
            ("vbscript:x", "nowhere"),
            ("file:///etc/passwd", "nowhere"),
            ("a%00b", "nowhere"),
            ("a%0d%0ab", "nowhere"),
            ("%ff", "nowhere"),
            ("", "nowhere"),
        ] {
            assert_eq!(told(written), expected, "{written}");
        }
    }

    #[test]
    fn paths_are_seen_from_a_directory_and_stay_in_the_tree() {
        for (directory, written, expected) in [
            ("", "a.md", Some("a.md")),
            ("doc/api", "../a.md", Some("doc/a.md")),
            ("doc/api", "./b/./c.md", Some("doc/api/b/c.md")),
            ("doc/api", "/LICENSE", Some("LICENSE")),
            ("doc", "..", Some("")),
            ("doc", "../..", None),
            ("", "../x", None),
        ] {
            assert_eq!(path_from(directory, written).as_deref(), expected, "{directory} {written}");
        }
    }

    #[test]
    fn a_heading_is_named_by_its_letters() {
        assert_eq!(slug("Getting  started: the `demo`!"), "getting--started-the-demo");
        assert_eq!(slug("使い方"), "使い方");
        assert_eq!(slug("a\u{3164}b\u{200b}"), "ab");
        assert_eq!(heading_anchor("Use%20it"), "doc-use-it");
        assert_eq!(slug(&"x".repeat(5000)).len(), 100);
    }
}
