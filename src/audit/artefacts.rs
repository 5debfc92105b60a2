//! Where `lectern` itself reads what a log publishes, besides from a directory: a portal, or the log of this process.

use std::io;
use std::time::Duration;

use super::tiles::{LONGEST_BUNDLE, Resource};
use super::{ArtefactError, Artefacts, Log, VKEY_FILE, handover, outgoing};

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
        let agent = outgoing::agent("lectern-verify", Some(Duration::from_secs(10)), Duration::from_secs(120));
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
            _ if name == handover::HANDOVERS_FILE => Ok(Some(self.log.handovers().into_bytes())),
            _ if name == VKEY_FILE => Ok(Some(format!("{}\n", self.log.public_key()).into_bytes())),
            Ok(Resource::Checkpoint) => self.runtime.block_on(self.log.newest_checkpoint()).map(|c| Some(c.into_bytes())),
            Ok(Resource::Tile { level, number, width }) => self.runtime.block_on(self.log.tile(level, number, width)),
            Ok(Resource::Entries { number, width }) => self.runtime.block_on(self.log.entry_bundle(number, width)),
            Err(_) => Ok(None),
        };
        got.map_err(|e| ArtefactError::Io { name: name.to_owned(), source: io::Error::other(e) })
    }
}
