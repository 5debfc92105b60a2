//! How a log reaches a witness.

use std::fmt::Debug;
use std::time::Duration;

use super::hash_of;
use crate::audit::checkpoint::LONGEST_NOTE;
use crate::audit::outgoing;

/// How long one exchange may take, from the name's look-up to the answer's last byte.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

/// Asks witnesses. It waits for the answer, bounded in time and length: call it outside async code.
pub trait Transport: Send + Sync + Debug {
    /// `POST URL/add-checkpoint`.
    ///
    /// # Errors
    /// When there was no answer, or none that may be read.
    fn add_checkpoint(&self, url: &str, body: String) -> Result<Reply, String>;

    /// `GET URL/HASH/checkpoint`: what the witness cosigned last of a log, when it tells.
    ///
    /// # Errors
    /// As [`Transport::add_checkpoint`].
    fn latest(&self, url: &str, origin: &str) -> Result<Option<String>, String>;
}

/// HTTP, without following where a witness would send one.
#[derive(Debug)]
pub struct Http {
    agent: ureq::Agent,
}

impl Http {
    #[must_use]
    pub fn new() -> Self {
        Self { agent: outgoing::agent("lectern", None, DEADLINE) }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for Http {
    fn add_checkpoint(&self, url: &str, body: String) -> Result<Reply, String> {
        let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let sent = self.agent.post(&address).header("Content-Type", "text/plain; charset=utf-8").send(body);
        read(sent.map_err(|e| e.to_string())?)
    }

    fn latest(&self, url: &str, origin: &str) -> Result<Option<String>, String> {
        let address = format!("{}/{}/checkpoint", url.trim_end_matches('/'), hash_of(origin));
        let reply = read(self.agent.get(&address).call().map_err(|e| e.to_string())?)?;
        Ok((reply.status == 200).then_some(reply.body))
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Reply, String> {
    let status = response.status().as_u16();
    let bytes = response.body_mut().with_config().limit(LONGEST_NOTE as u64).read_to_vec().map_err(|e| e.to_string())?;
    // Nothing that a witness may answer is not UTF-8; what is shows as such where it is read.
    Ok(Reply { status, body: String::from_utf8_lossy(&bytes).into_owned() })
}
