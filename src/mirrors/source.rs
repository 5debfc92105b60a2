//! Where a mirror comes from: the address an administrator wrote, understood before anything is contacted.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FetchError;

/// An upstream repository. Shown without any password in it.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A repository on this computer.
    Path(PathBuf),
    Url(String),
}

/// What is shown to an upstream that asks who is fetching. Nothing is ever asked on a terminal.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credentials {
    /// Anonymous over https; the keys an ssh agent holds over ssh.
    #[default]
    None,
    /// For https. Hosts that want no user name take any, as `x-access-token`.
    Token { user: String, token: String },
    /// For ssh: a private key as its file has it.
    Key { private: String, passphrase: Option<String> },
}

impl Credentials {
    /// As they are kept, to be sealed.
    ///
    /// # Errors
    /// Never: they are plain texts.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// As they were kept.
    ///
    /// # Errors
    /// When the text is none that was written by [`Credentials::to_json`].
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// All that is ever shown of them.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Token { user, .. } => format!("token of {user}"),
            Self::Key { passphrase: None, .. } => "SSH key".to_owned(),
            Self::Key { .. } => "SSH key with a passphrase".to_owned(),
        }
    }

    /// Takes them out of a text that somebody else wrote.
    pub(super) fn scrub(&self, text: &str) -> String {
        match self {
            Self::Token { token, .. } if !token.is_empty() => text.replace(token.as_str(), "…"),
            Self::Key { passphrase: Some(passphrase), .. } if !passphrase.is_empty() => text.replace(passphrase.as_str(), "…"),
            _ => text.to_owned(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token { .. } => "Token",
            Self::Key { .. } => "Key",
        })
    }
}

impl Source {
    /// Takes an https or ssh URL, `user@host:path`, a `file://` URL or a path. What exists as a path is a path.
    ///
    /// # Errors
    /// When it is none of these, or would be fetched unencrypted over a network.
    pub fn parse(given: &str) -> Result<Self, FetchError> {
        let given = given.trim();
        let no_address = || FetchError::NoAddress { given: redacted(given) };
        if given.is_empty() || given.len() > 4096 || given.chars().any(char::is_control) {
            return Err(no_address());
        }
        if let Some((scheme, rest)) = given.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "file" if rest.starts_with('/') => Ok(Self::Path(PathBuf::from(decoded(rest)))),
                "https" | "ssh" if !host(rest).is_empty() => Ok(Self::Url(given.to_owned())),
                "http" | "git" if is_loopback(host(rest)) => Ok(Self::Url(given.to_owned())),
                "http" | "git" if !host(rest).is_empty() => Err(FetchError::Unencrypted { given: redacted(given) }),
                _ => Err(no_address()),
            };
        }
        // git's own rule: a colon before the first slash makes it host:path, unless such a path exists.
        let before_slash = given.split('/').next().unwrap_or(given);
        if before_slash.contains(':') && !Path::new(given).exists() {
            let (host, path) = given.split_once(':').ok_or_else(no_address)?;
            // `transport::address` would name a program to run.
            if host.is_empty() || path.is_empty() || path.starts_with(':') || host.starts_with('-') {
                return Err(no_address());
            }
            return Ok(Self::Url(given.to_owned()));
        }
        Ok(Self::Path(PathBuf::from(given)))
    }

    /// The address without name and password in it, and these as credentials. The user's name of an ssh address stays in it.
    #[must_use]
    pub fn parted(self) -> (Self, Option<Credentials>) {
        let Self::Url(url) = &self else { return (self, None) };
        let Some((scheme, rest)) = url.split_once("://") else { return (self, None) };
        let authority = rest.split('/').next().unwrap_or(rest);
        let Some((who, host)) = authority.rsplit_once('@') else { return (self, None) };
        let path = rest.get(authority.len()..).unwrap_or_default();
        let plain = |text: &str| decoded(text).to_string_lossy().into_owned();
        let is_ssh = scheme.eq_ignore_ascii_case("ssh");
        let (user, token) = match who.split_once(':') {
            Some((user, token)) if !token.is_empty() => (plain(user), plain(token)),
            _ if is_ssh => return (self, None),
            // A token often stands where the user name does.
            _ => ("x-access-token".to_owned(), plain(who.trim_end_matches(':'))),
        };
        let kept = if is_ssh { format!("{}@", who.split(':').next().unwrap_or_default()) } else { String::new() };
        (Self::Url(format!("{scheme}://{kept}{host}{path}")), Some(Credentials::Token { user, token }))
    }

    /// Whether it is fetched over ssh; none of a path on this computer.
    #[must_use]
    pub fn is_ssh(&self) -> Option<bool> {
        match self {
            Self::Path(_) => None,
            Self::Url(url) => Some(!url.contains("://") || url.to_ascii_lowercase().starts_with("ssh:")),
        }
    }

    /// As it is kept and given to git: with all that is in it.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Url(url) => url.clone(),
        }
    }

    /// The name a product made from it would have: `git` for `https://example.org/git.git`.
    #[must_use]
    pub fn suggested_name(&self) -> String {
        let text = match self {
            Self::Path(path) => std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned(),
            Self::Url(url) => url.clone(),
        };
        let text = text.trim_end_matches('/');
        let text = text.strip_suffix("/.git").unwrap_or(text);
        let last = text.rsplit(['/', ':']).next().unwrap_or(text);
        super::naming::slug(last.strip_suffix(".git").unwrap_or(last)).to_ascii_lowercase()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => fmt::Display::fmt(&path.display(), f),
            Self::Url(url) => f.write_str(&redacted(url)),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The address without the password in it.
pub(super) fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.split('/').next().unwrap_or(rest);
    let Some((who, host)) = authority.rsplit_once('@') else { return url.to_owned() };
    let path = rest.get(authority.len()..).unwrap_or_default();
    // A token often stands where the user name does.
    let who = if scheme.eq_ignore_ascii_case("ssh") { who.split(':').next().unwrap_or_default() } else { "…" };
    format!("{scheme}://{who}@{host}{path}")
}

fn host(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(v6) = host.strip_prefix('[') {
        return v6.split(']').next().unwrap_or(v6);
    }
    host.split(':').next().unwrap_or(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn decoded(path: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(percent_encoding::percent_decode_str(path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        let path = |p: &str| Ok::<_, String>(Source::Path(p.into()));
        let url = |u: &str| Ok::<_, String>(Source::Url(u.into()));
        for (given, expected) in [
            ("/srv/git/x.git", path("/srv/git/x.git")),
            ("  ../x ", path("../x")),
            ("file:///srv/a%20b", path("/srv/a b")),
            ("https://example.org/x.git", url("https://example.org/x.git")),
            ("git@example.org:x/y.git", url("git@example.org:x/y.git")),
            ("ssh://git@example.org:22/x", url("ssh://git@example.org:22/x")),
            ("http://127.0.0.1:8000/x", url("http://127.0.0.1:8000/x")),
            ("http://[::1]:8000/x", url("http://[::1]:8000/x")),
        ] {
            assert_eq!(Source::parse(given).map_err(|e| e.to_string()), expected, "{given}");
        }
        for given in ["", "https://", "https:///x", "ftp://example.org/x", "file://host/x", "a\nb", ":x", "-oProxy:x", "ext::sh -c x"] {
            assert!(matches!(Source::parse(given), Err(FetchError::NoAddress { .. })), "{given}");
        }
        assert!(matches!(Source::parse("http://example.org/x"), Err(FetchError::Unencrypted { .. })));
        assert!(matches!(Source::parse("http://127.0.0.1@example.org/x"), Err(FetchError::Unencrypted { .. })));
    }

    #[test]
    fn passwords_are_not_shown() {
        for (given, shown) in [
            ("https://me:secret@example.org/x", "https://…@example.org/x"),
            ("https://secret@example.org/x@y", "https://…@example.org/x@y"),
            ("ssh://git:secret@example.org/x", "ssh://git@example.org/x"),
            ("git@example.org:x", "git@example.org:x"),
        ] {
            assert_eq!(Source::parse(given).unwrap().to_string(), shown);
            assert_eq!(format!("{:?}", Source::parse(given).unwrap()), shown);
        }
        let token = Credentials::Token { user: "u".into(), token: "secret".into() };
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn addresses_are_taken_apart_from_what_is_secret_in_them() {
        for (given, address, credentials) in [
            ("https://example.org/x", "https://example.org/x", None),
            ("https://me:se%40cret@example.org/x@y", "https://example.org/x@y", Some(("me", "se@cret"))),
            ("https://ghp_token@example.org:8443/x", "https://example.org:8443/x", Some(("x-access-token", "ghp_token"))),
            ("https://ghp_token:@example.org/x", "https://example.org/x", Some(("x-access-token", "ghp_token"))),
            ("ssh://git@example.org/x", "ssh://git@example.org/x", None),
            ("ssh://git:secret@example.org:22/x", "ssh://git@example.org:22/x", Some(("git", "secret"))),
            ("git@example.org:x", "git@example.org:x", None),
            ("/srv/a@b", "/srv/a@b", None),
        ] {
            let (source, found) = Source::parse(given).unwrap().parted();
            assert_eq!(source.address(), address, "{given}");
            assert_eq!(source.to_string(), address, "{given}");
            let found = found.map(|found| match found {
                Credentials::Token { user, token } => (user, token),
                other => panic!("{other:?}"),
            });
            assert_eq!(found, credentials.map(|(user, token)| (user.to_owned(), token.to_owned())), "{given}");
        }
    }

    #[test]
    fn credentials_are_kept_whole_and_told_in_part() {
        let token = Credentials::Token { user: "fetcher".into(), token: "hunter2".into() };
        let key = Credentials::Key { private: "-----BEGIN hunter2".into(), passphrase: Some("hunter2".into()) };
        for (credentials, told) in [(token, "token of fetcher"), (key, "SSH key with a passphrase")] {
            let kept = credentials.to_json().unwrap();
            assert_eq!(Credentials::from_json(&kept).unwrap().to_json().unwrap(), kept);
            assert_eq!(credentials.told(), told);
            assert_eq!(credentials.scrub("said hunter2 to us"), "said … to us");
            assert!(!format!("{credentials:?}").contains("hunter2"));
        }
    }

    #[test]
    fn names_are_suggested() {
        for (given, name) in [
            ("https://example.org/Git.git/", "git"),
            ("git@example.org:deep/lib-x.git", "lib-x"),
            ("/nowhere/some project/.git", "some-project"),
            ("/", "version"),
        ] {
            assert_eq!(Source::parse(given).unwrap().suggested_name(), name, "{given}");
        }
    }
}
