//! Where a verifier reads what a log publishes: a directory, a portal, or the log itself.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::tiles::{LONGEST_BUNDLE, Resource};
use super::{Log, VKEY_FILE};

/// The personal parts of an export, one JSON object a line: `{"index":…,"personal":{…}}`, by rising index.
pub const PERSONAL_FILE: &str = "personal.jsonl";

/// Why an artefact could not be read. That there is none is no error.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    #[error("{name} was refused ({status}); it may need an auditor's token")]
    Refused { name: String, status: u16 },
    #[error("{name} could not be read: {source}")]
    Io { name: String, source: io::Error },
    #[error("{name} could not be fetched: {why}")]
    Http { name: String, why: String },
    #[error("{name} is longer than any such thing can be")]
    TooLong { name: String },
}

/// A reader of lines from an artefact of any length.
pub type Lines = Box<dyn BufRead>;

/// What a log publishes, by name (`checkpoint`, `tile/0/000`, …).
pub trait Artefacts {
    /// All of one artefact; `None` when there is none of this name.
    ///
    /// # Errors
    /// When it cannot be read, may not be, or is too long for what it should be.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArtefactError>;

    /// The personal parts beside the entries; `None` when they are not published here.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    fn personal(&self) -> Result<Option<Lines>, ArtefactError> {
        Ok(None)
    }
}

/// An exported log.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

impl Directory {
    fn open(&self, name: &str) -> Result<Option<File>, ArtefactError> {
        match File::open(self.0.join(Path::new(name))) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound || e.kind() == io::ErrorKind::NotADirectory => Ok(None),
            Err(source) => Err(ArtefactError::Io { name: name.to_owned(), source }),
        }
    }
}

impl Artefacts for Directory {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArtefactError> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let most = LONGEST_BUNDLE as u64;
        let read = file.take(most + 1).read_to_end(&mut bytes);
        match read {
            Ok(length) if length as u64 > most => Err(ArtefactError::TooLong { name: name.to_owned() }),
            Ok(_) => Ok(Some(bytes)),
            Err(source) => Err(ArtefactError::Io { name: name.to_owned(), source }),
        }
    }

    fn personal(&self) -> Result<Option<Lines>, ArtefactError> {
        Ok(self.open(PERSONAL_FILE)?.map(|file| Box::new(BufReader::with_capacity(1 << 16, file)) as Lines))
    }
}

/// A portal, over HTTP.
pub struct Portal {
    base: String,
    agent: ureq::Agent,
    token: Option<String>,
}

impl Portal {
    /// `address` is the portal's, or that of the place below which it publishes its log. Nothing is fetched yet.
    #[must_use]
    pub fn new(address: &str, token: Option<String>) -> Self {
        let base = address.trim_end_matches('/');
        let is_host = base.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
        let tls = ureq::tls::TlsConfig::builder()
            .provider(ureq::tls::TlsProvider::NativeTls)
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            // A portal that wants a sign-in redirects; following would only fetch its sign-in page.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(120)))
            .user_agent("lectern-verify")
            .build()
            .new_agent();
        Self { base: if is_host { format!("{base}/transparency") } else { base.to_owned() }, agent, token }
    }
}

impl Artefacts for Portal {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArtefactError> {
        let name = if name == VKEY_FILE { "key" } else { name };
        let url = format!("{}/{name}", self.base);
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let failed = |e: ureq::Error| match e {
            ureq::Error::BodyExceedsLimit(_) => ArtefactError::TooLong { name: url.clone() },
            other => ArtefactError::Http { name: url.clone(), why: other.to_string() },
        };
        let mut response = request.call().map_err(failed)?;
        match response.status().as_u16() {
            200 => {
                let body = response.body_mut().with_config().limit(LONGEST_BUNDLE as u64);
                body.read_to_vec().map(Some).map_err(failed)
            }
            404 | 410 => Ok(None),
            status @ (300..=399 | 401 | 403) => Err(ArtefactError::Refused { name: url, status }),
            status => Err(ArtefactError::Http { name: url, why: format!("the portal answered {status}") }),
        }
    }
}

/// The log of this process, through what it would publish. Its methods wait for the log: call them outside async code.
pub struct Own {
    pub log: Log,
    pub runtime: tokio::runtime::Handle,
}

impl Artefacts for Own {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArtefactError> {
        let got = match name.parse() {
            _ if name == VKEY_FILE => Ok(Some(format!("{}\n", self.log.public_key()).into_bytes())),
            Ok(Resource::Checkpoint) => self.runtime.block_on(self.log.checkpoint()).map(|c| Some(c.into_bytes())),
            Ok(Resource::Tile { level, number, width }) => self.runtime.block_on(self.log.tile(level, number, width)),
            Ok(Resource::Entries { number, width }) => self.runtime.block_on(self.log.entry_bundle(number, width)),
            Err(_) => Ok(None),
        };
        got.map_err(|e| ArtefactError::Io { name: name.to_owned(), source: io::Error::other(e) })
    }
}
