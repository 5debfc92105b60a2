//! A portal, fetched by the program `curl`: so that this one needs no TLS and no HTTP of its own, and its reader can choose the
//! one that the agency trusts already.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use lectern_verify::artefacts::{ArtefactError, Artefacts, VKEY_FILE};
use lectern_verify::tiles::LONGEST_BUNDLE;

/// What a portal publishes.
pub(crate) struct Portal {
    base: String,
    token: Option<String>,
}

impl Portal {
    /// `address` is the portal's, or that of the place below which it publishes its log. Nothing is fetched yet.
    pub(crate) fn new(address: &str, token: Option<&str>) -> Self {
        let base = address.trim_end_matches('/');
        let is_host = base.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
        Self { base: if is_host { format!("{base}/transparency") } else { base.to_owned() }, token: token.map(str::to_owned) }
    }

    /// The answer's body and behind it, on a line of its own, its status.
    fn curl(&self, url: &str) -> io::Result<(bool, Vec<u8>, String)> {
        // Without the user's own settings; addresses and the token go in by standard input, where other users do not see them.
        let mut child = Command::new("curl")
            .args(["--disable", "--silent", "--show-error", "--max-time", "120", "--connect-timeout", "10", "--proto", "=http,https"])
            .args(["--max-redirs", "0", "--user-agent", "lectern-verify", "--write-out", "\n%{http_code}", "--config", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], "");
        let mut config = format!("url = \"{}\"\n", quoted(url));
        if let Some(token) = &self.token {
            config.push_str(&format!("header = \"Authorization: Bearer {}\"\n", quoted(token)));
        }
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(config.as_bytes())?;
        }
        let mut body = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(LONGEST_BUNDLE as u64 + 16).read_to_end(&mut body)?;
        }
        let ended = child.wait_with_output()?;
        Ok((ended.status.success(), body, String::from_utf8_lossy(&ended.stderr).trim().to_owned()))
    }
}

impl Artefacts for Portal {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArtefactError> {
        let name = if name == VKEY_FILE { "key" } else { name };
        let url = format!("{}/{name}", self.base);
        let failed = |why: String| ArtefactError::Http { name: url.clone(), why };
        let (done, mut body, said) = self.curl(&url).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => failed("the program curl is not installed; install it, or verify an exported directory".to_owned()),
            _ => failed(e.to_string()),
        })?;
        if body.len() > LONGEST_BUNDLE {
            return Err(ArtefactError::TooLong { name: url });
        }
        let status = body.iter().rposition(|b| *b == b'\n').map(|at| body.split_off(at)).unwrap_or_default();
        if !done {
            return Err(failed(said));
        }
        match String::from_utf8_lossy(&status).trim().parse() {
            Ok(200) => Ok(Some(body)),
            Ok(404 | 410) => Ok(None),
            Ok(status @ (300..=399 | 401 | 403)) => Err(ArtefactError::Refused { name: url, status }),
            Ok(status) => Err(failed(format!("the portal answered {status}"))),
            Err(_) => Err(failed(said)),
        }
    }
}
