//! The real program, and the least of an HTTP client to talk to it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::client::{csrf_in, form};

/// No answer in this time is none. Nothing here takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn lectern() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lectern"));
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    lectern().args(args).output().unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A portal that was started by the command line. It is killed when it is dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    /// What it said until it was ready.
    pub(crate) said: String,
}

impl Program {
    /// `lectern demo` until it says that it is ready.
    pub(crate) fn demo(data: &Path, products: &[(&str, &str)], more: &[&str]) -> Self {
        let mut command = lectern();
        command.args(demo_args(data, products)).args(more);
        Self::start(command)
    }

    #[expect(clippy::zombie_processes, reason = "it is waited for when the program is dropped, and where it ends early")]
    pub(crate) fn start(mut command: Command) -> Self {
        let errors = tempfile::NamedTempFile::new().unwrap();
        command.stdout(Stdio::piped()).stderr(errors.reopen().unwrap());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap() == 0 {
                let status = child.wait().unwrap();
                let errors = std::fs::read_to_string(errors.path()).unwrap();
                panic!("it ended with {status} before it was ready:\n{said}{errors}");
            }
            said.push_str(&line);
            if let Some(address) = line.trim().strip_prefix("lectern: ready http://") {
                let address = address.to_owned();
                return Self { child, address, said };
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        // SIGKILL: nothing of it runs any more.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor { address: self.address.clone(), cookie: None }
    }

    /// Somebody of `demo-accounts.json`, signed in.
    pub(crate) fn sign_in(&self, data: &Path, which: usize) -> Visitor {
        let text = std::fs::read_to_string(data.join("demo-accounts.json")).unwrap();
        let accounts: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut visitor = self.visitor();
        let (email, password) = (accounts[which]["email"].as_str().unwrap(), accounts[which]["password"].as_str().unwrap());
        let page = visitor.get("/sign-in").unwrap();
        let csrf = csrf_in(&page.text()).unwrap();
        let answer = visitor.post("/sign-in", &[("csrf", &csrf), ("email", email), ("password", password)]).unwrap();
        assert_eq!(answer.status, 303, "{}", answer.text());
        visitor
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn demo_args(data: &Path, products: &[(&str, &str)]) -> Vec<String> {
    let mut args = vec!["demo".to_owned(), "--data".to_owned(), data.display().to_string()];
    args.extend(["--listen".to_owned(), "127.0.0.1:0".to_owned()]);
    for (name, source) in products {
        args.extend(["--product".to_owned(), format!("{name}={source}")]);
    }
    args
}

pub(crate) struct Visitor {
    address: String,
    cookie: Option<String>,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }
}

impl Visitor {
    pub(crate) fn get(&mut self, path: &str) -> Option<Reply> {
        self.ask("GET", path, "text/html", None)
    }

    pub(crate) fn get_json(&mut self, path: &str) -> Option<Reply> {
        self.ask("GET", path, "application/json", None)
    }

    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Option<Reply> {
        self.ask("POST", path, "text/html", Some(&form(fields)))
    }

    /// The bytes of a request of this visitor.
    pub(crate) fn request(&self, method: &str, path: &str, accept: &str, body: Option<&str>) -> Vec<u8> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\n", self.address);
        request.push_str(&format!("Accept: {accept}\r\nConnection: close\r\n"));
        if let Some(cookie) = &self.cookie {
            request.push_str(&format!("Cookie: __Host-lectern={cookie}\r\n"));
        }
        if let Some(body) = body {
            request.push_str(&format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body.unwrap_or_default());
        request.into_bytes()
    }

    /// None when the answer did not arrive whole.
    fn ask(&mut self, method: &str, path: &str, accept: &str, body: Option<&str>) -> Option<Reply> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(&self.request(method, path, accept, body)).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let body = bytes[end + 4..].to_vec();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut headers = HashMap::new();
        for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(':')) {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        if headers.get("content-length").is_some_and(|length| length.parse() != Ok(body.len())) {
            return None;
        }
        if let Some(cookie) = headers.get("set-cookie").and_then(|value| value.strip_prefix("__Host-lectern=")) {
            self.cookie = Some(cookie.split(';').next()?.to_owned());
        }
        Some(Reply { status, body })
    }
}
