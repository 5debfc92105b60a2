//! The static files: embedded in the program, named by URLs that change when their bytes do.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";
const WOFF2: &str = "font/woff2";

struct Asset {
    name: &'static str,
    bytes: &'static [u8],
    mime: &'static str,
}

macro_rules! embed {
    ($($name:literal as $mime:expr),* $(,)?) => {
        &[$(Asset { name: $name, bytes: include_bytes!(concat!("../../../static/", $name)), mime: $mime }),*]
    };
}

/// Every file under `static/`; a test compares this list with the directory.
const ASSETS: &[Asset] = embed![
    "fonts/inter-OFL.txt" as TEXT,
    "fonts/inter-italic-latin.woff2" as WOFF2,
    "fonts/inter-latin-ext.woff2" as WOFF2,
    "fonts/inter-latin.woff2" as WOFF2,
    "fonts/jetbrains-mono-OFL.txt" as TEXT,
    "fonts/jetbrains-mono-italic-latin.woff2" as WOFF2,
    "fonts/jetbrains-mono-latin-ext.woff2" as WOFF2,
    "fonts/jetbrains-mono-latin.woff2" as WOFF2,
    "fonts/source-serif-4-OFL.txt" as TEXT,
    "fonts/source-serif-4-latin-ext.woff2" as WOFF2,
    "fonts/source-serif-4-latin.woff2" as WOFF2,
    "compare.js" as JS,
    "ages.js" as JS,
    "aids.js" as JS,
    "ask.js" as JS,
    "complete.js" as JS,
    "finder.js" as JS,
    "keys.js" as JS,
    "lectern.css" as CSS,
    "lectern.svg" as SVG,
    "lines.js" as JS,
    "symbols.js" as JS,
    "minimap.js" as JS,
    "pieces.js" as JS,
    "prefs.js" as JS,
    "progress.js" as JS,
    "times.js" as JS,
    "tree.js" as JS,
];

/// The first eight hexadecimal digits of the SHA-256 of each file, in the order of [`ASSETS`].
static VERSIONS: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
    ASSETS
        .iter()
        .map(|asset| {
            let mut digits = HEXLOWER.encode(&Sha256::digest(asset.bytes));
            digits.truncate(8);
            (asset.name, digits)
        })
        .collect()
});

/// The URL of a static file, with a version that changes when the file does, so that it may be cached for ever.
///
/// A name that is not embedded gives its URL without a version, which the server answers with 404.
pub fn asset(name: &str) -> String {
    match VERSIONS.iter().find(|(known, _)| *known == name) {
        Some((_, version)) => format!("/static/{name}?v={version}"),
        None => format!("/static/{name}"),
    }
}

/// The bytes and media type of the static file `name` (what follows `/static/`, for example `fonts/inter-latin.woff2`).
pub fn static_file(name: &str) -> Option<(&'static [u8], &'static str)> {
    ASSETS.iter().find(|asset| asset.name == name).map(|asset| (asset.bytes, asset.mime))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn files(dir: &Path, prefix: &str, into: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files(&entry.path(), &format!("{name}/"), into);
            } else {
                into.insert(name);
            }
        }
    }

    #[test]
    fn every_static_file_is_embedded() {
        let mut on_disk = BTreeSet::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("static"), "", &mut on_disk);
        let embedded: BTreeSet<String> = ASSETS.iter().map(|a| a.name.to_owned()).collect();
        assert_eq!(on_disk, embedded);
    }

    #[test]
    fn a_url_carries_the_version_of_its_bytes() {
        let url = asset("lectern.css");
        let version = url.strip_prefix("/static/lectern.css?v=").unwrap();
        assert_eq!(version.len(), 8);
        assert!(version.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(version, asset("lectern.svg").rsplit('=').next().unwrap());
    }

    #[test]
    fn fonts_named_by_the_stylesheet_exist() {
        let (css, _) = static_file("lectern.css").unwrap();
        let css = std::str::from_utf8(css).unwrap();
        let named: Vec<&str> = css.split("url(").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(!named.is_empty());
        for url in named {
            assert!(static_file(url).is_some(), "{url} is named by the stylesheet and not embedded");
        }
    }

    #[test]
    fn an_unknown_name_is_not_served() {
        assert!(static_file("../Cargo.toml").is_none());
        assert_eq!(asset("nothing.css"), "/static/nothing.css");
    }
}
