//! Repositories elsewhere, by https and ssh, with libgit2.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use git2::{
    AutotagOption, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions, ProxyOptions, RemoteCallbacks, Repository,
};

use super::source::redacted;
use super::{Credentials, FetchError, OnProgress, Phase, Progress, on_disk};
use crate::source::tree::ObjectId;

/// Refs taken from one repository at most.
pub(super) const MOST_REFS: usize = 200_000;
/// Up to so many refs are asked for by name; beyond, everything is (libgit2 compares each asked with each advertised).
const ASKED_BY_NAME: usize = 1500;

/// A ref as a repository states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    /// In full, `refs/tags/v1.0`; need not be UTF-8.
    pub(super) name: Vec<u8>,
    /// `None` when it leads nowhere.
    pub(super) target: Option<ObjectId>,
}

/// The tags and branches a repository has.
#[derive(Clone, Debug, Default)]
pub(super) struct Advertised {
    pub(super) tips: Vec<Tip>,
    pub(super) default_branch: Option<String>,
    /// Refs whose names could not be read.
    pub(super) unnamed: usize,
}

/// Asks which refs there are, and brings what `choose` names into the quarantine, over one connection.
///
/// `choose` sees the refs and returns the full names to bring; none ends the conversation there.
pub(super) fn download(
    quarantine: &Repository,
    url: &str,
    credentials: &Credentials,
    choose: &mut dyn FnMut(&Advertised) -> Result<Vec<String>, FetchError>,
    (progress, stop): (OnProgress<'_>, &AtomicBool),
) -> Result<u64, FetchError> {
    let failed = |e: &git2::Error| explain(url, credentials, stop, e);
    let mut remote = quarantine.remote_anonymous(url).map_err(|e| failed(&e))?;
    let mut connection =
        remote.connect_auth(Direction::Fetch, Some(callbacks(credentials, stop)), Some(proxy())).map_err(|e| failed(&e))?;
    let advertised = listed(connection.list().map_err(|e| failed(&e))?, url)?;
    let names = choose(&advertised)?;
    if names.is_empty() || stop.load(Ordering::Relaxed) {
        return if names.is_empty() { Ok(0) } else { Err(FetchError::Stopped) };
    }
    let refspecs = if names.len() > ASKED_BY_NAME {
        let under = |prefix: &str| names.iter().any(|n| n.starts_with(prefix));
        ["refs/tags/", "refs/heads/"]
            .into_iter()
            .filter(|prefix| under(prefix))
            .map(|prefix| format!("+{prefix}*:refs/incoming/{prefix}*"))
            .collect()
    } else {
        names.iter().map(|name| format!("+{name}:refs/incoming/{name}")).collect::<Vec<_>>()
    };
    let mut received = 0;
    let mut options = FetchOptions::new();
    let mut callbacks = callbacks(credentials, stop);
    callbacks.transfer_progress(|at| {
        received = at.received_bytes() as u64;
        let resolving = at.total_objects() > 0 && at.received_objects() == at.total_objects();
        let (phase, done, total) = if resolving {
            (Phase::Resolving, at.indexed_deltas(), at.total_deltas())
        } else {
            (Phase::Receiving, at.received_objects(), at.total_objects())
        };
        progress(Progress { phase, done: done as u64, total: total as u64, bytes: received, total_bytes: 0 });
        !stop.load(Ordering::Relaxed)
    });
    options.remote_callbacks(callbacks).proxy_options(proxy()).download_tags(AutotagOption::None).update_fetchhead(false);
    let outcome = connection.remote().download(&refspecs, Some(&mut options));
    drop(options);
    outcome.map_err(|e| failed(&e))?;
    Ok(received)
}

fn listed(heads: &[git2::RemoteHead<'_>], url: &str) -> Result<Advertised, FetchError> {
    if heads.len() > 2 * MOST_REFS {
        return Err(FetchError::TooMany { source_name: redacted(url), count: heads.len(), what: "refs", limit: MOST_REFS });
    }
    let mut advertised = Advertised::default();
    for head in heads {
        // git2 takes names for UTF-8 and panics where they are not. Such a ref could not be asked for either.
        let Ok(name) = catch_unwind(AssertUnwindSafe(|| head.name().to_owned())) else {
            advertised.unnamed += 1;
            continue;
        };
        if name == "HEAD" {
            let branch = catch_unwind(AssertUnwindSafe(|| head.symref_target().map(str::to_owned))).ok().flatten();
            advertised.default_branch = branch.and_then(|b| b.strip_prefix("refs/heads/").map(str::to_owned));
        } else if !name.ends_with("^{}") && (name.starts_with("refs/tags/") || name.starts_with("refs/heads/")) {
            advertised.tips.push(Tip { name: name.into_bytes(), target: ObjectId::from_bytes(head.oid().as_bytes()) });
        }
    }
    Ok(advertised)
}

fn proxy() -> ProxyOptions<'static> {
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    proxy
}

/// Answers what the other side asks, each kind of question once, and never on a terminal.
fn callbacks<'a>(credentials: &'a Credentials, stop: &'a AtomicBool) -> RemoteCallbacks<'a> {
    let mut callbacks = RemoteCallbacks::new();
    let mut answered = CredentialType::empty();
    callbacks.credentials(move |_url, user, allowed| {
        let ask = |kind: CredentialType, answered: &mut CredentialType| {
            let fresh = allowed.contains(kind) && !answered.contains(kind);
            answered.insert(kind);
            fresh
        };
        if ask(CredentialType::USERNAME, &mut answered) {
            return Cred::username(user.unwrap_or("git"));
        }
        match credentials {
            Credentials::Token { user, token } if ask(CredentialType::USER_PASS_PLAINTEXT, &mut answered) => {
                Cred::userpass_plaintext(user, token)
            }
            Credentials::Key { private, passphrase } if ask(CredentialType::SSH_KEY, &mut answered) => {
                Cred::ssh_key_from_memory(user.unwrap_or("git"), None, private, passphrase.as_deref())
            }
            Credentials::None if ask(CredentialType::SSH_KEY, &mut answered) => Cred::ssh_key_from_agent(user.unwrap_or("git")),
            _ => Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, "no credentials left to try")),
        }
    });
    callbacks.sideband_progress(move |_| !stop.load(Ordering::Relaxed));
    callbacks
}

/// Says what a libgit2 error means to whoever wants the mirror.
fn explain(url: &str, credentials: &Credentials, stop: &AtomicBool, error: &git2::Error) -> FetchError {
    let source_name = redacted(url);
    // libgit2's own words are kept: they name hosts and status codes.
    let why = credentials.scrub(error.message().trim());
    if stop.load(Ordering::Relaxed) || error.code() == ErrorCode::User {
        return FetchError::Stopped;
    }
    let ssh = !url.contains("://") || url.to_ascii_lowercase().starts_with("ssh:");
    let lower = why.to_ascii_lowercase();
    match (error.code(), error.class()) {
        (ErrorCode::Auth, _) => auth(source_name, ssh, credentials),
        (_, ErrorClass::Callback | ErrorClass::Http) if lower.contains("authenticat") || lower.contains("credentials") => {
            auth(source_name, ssh, credentials)
        }
        (_, ErrorClass::Ssh) if lower.contains("authenticat") || lower.contains("agent") || lower.contains("public key") => {
            auth(source_name, ssh, credentials)
        }
        (ErrorCode::Certificate, _) | (_, ErrorClass::Ssl) => FetchError::HostNotTrusted { source_name, why },
        (ErrorCode::NotFound, _) => FetchError::NotFound { source_name, why },
        (_, ErrorClass::Http) if lower.contains("404") => FetchError::NotFound { source_name, why },
        (_, ErrorClass::Net | ErrorClass::Os) if lower.contains("resolve") || lower.contains("connect") => {
            FetchError::Unreachable { source_name, why }
        }
        (_, ErrorClass::Ssh) if lower.contains("resolve") || lower.contains("connect") || lower.contains("handshake") => {
            FetchError::Unreachable { source_name, why }
        }
        _ if lower.contains("not found")
            || lower.contains("does not exist")
            || lower.contains("does not appear")
            || lower.contains("not exported") =>
        {
            FetchError::NotFound { source_name, why }
        }
        _ if lower.contains("sha256") || lower.contains("object format") => FetchError::Sha256 { source_name },
        _ if lower.contains("no space left") => on_disk(format_args!("writing what {source_name} sent"), error),
        _ => FetchError::Transfer { source_name, why },
    }
}

fn auth(source_name: String, ssh: bool, credentials: &Credentials) -> FetchError {
    let what = if ssh {
        "an ssh key that it knows, or run the portal with an ssh agent that holds one"
    } else {
        "a user name and an access token that may read it"
    };
    let why = if matches!(credentials, Credentials::None) { "" } else { ", and did not accept the credentials given" };
    FetchError::AuthenticationNeeded { source_name, what, why }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::super::fixtures::House;
    use super::*;

    #[test]
    fn a_host_that_is_not_there_is_said_to_be_unreachable() {
        // Port 1 of this computer: nothing listens, and no name needs looking up.
        for url in ["https://127.0.0.1:1/x.git", "ssh://git@127.0.0.1:1/x.git", "http://127.0.0.1:1/x.git"] {
            let error = House::new().fetch(&Source::parse(url).unwrap()).unwrap_err();
            assert!(matches!(error, FetchError::Unreachable { .. }), "{url}: {error:?}");
            assert!(error.to_string().contains("127.0.0.1"), "{error}");
        }
    }

    #[test]
    fn errors_are_put_in_an_administrators_words() {
        let stop = AtomicBool::new(false);
        let said =
            |url: &str, code, class, text: &str| explain(url, &Credentials::None, &stop, &git2::Error::new(code, class, text)).to_string();
        let https = "https://me:secret@example.org/x.git";
        for (code, class, text, expected) in [
            (ErrorCode::Auth, ErrorClass::Http, "remote authentication required", "an access token"),
            (ErrorCode::GenericError, ErrorClass::Http, "unexpected http status code: 404", "there is no repository at"),
            (ErrorCode::Certificate, ErrorClass::Ssl, "the SSL certificate is invalid", "does not prove to be"),
            (ErrorCode::GenericError, ErrorClass::Net, "failed to resolve address for example.org", "cannot be reached"),
            (ErrorCode::Eof, ErrorClass::Net, "unexpected EOF", "broke off"),
        ] {
            let said = said(https, code, class, text);
            assert!(said.contains(expected) && !said.contains("secret"), "{text}: {said}");
        }
        let said = said("git@example.org:x", ErrorCode::Auth, ErrorClass::Ssh, "failed to authenticate");
        assert!(said.contains("an ssh key"), "{said}");
    }
}
