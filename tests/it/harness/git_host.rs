//! A git host on this machine that wants a name and a token: `git http-backend` behind the least of HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::BASE64;

pub(crate) struct GitHost {
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

/// Whether git is on this machine, with the part of it that answers over HTTP.
pub(crate) fn is_there() -> bool {
    backend().is_some()
}

fn backend() -> Option<PathBuf> {
    let output = Command::new("git").arg("--exec-path").output().ok()?;
    let path = Path::new(String::from_utf8(output.stdout).ok()?.trim()).join("git-http-backend");
    path.exists().then_some(path)
}

impl GitHost {
    /// Serves the repositories below `root` until the test ends.
    pub(crate) fn start(root: &Path, user: &str, token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let expected = format!("Basic {}", BASE64.encode(format!("{user}:{token}").as_bytes()));
        let (root, backend) = (root.to_owned(), backend().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, backend, expected) = (root.clone(), backend.clone(), expected.clone());
                std::thread::spawn(move || {
                    // Whoever hangs up is not waited for.
                    let _ = answer(stream, &root, &backend, &expected);
                });
            }
        });
        Self { address }
    }
}

fn answer(stream: TcpStream, root: &Path, backend: &Path, expected: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let mut body = Vec::new();
    if header("transfer-encoding") == "chunked" {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else {
        body.resize(header("content-length").parse().unwrap_or(0), 0);
        reader.read_exact(&mut body)?;
    }
    if header("authorization") != expected {
        // A host that says back what it was shown.
        let said = format!("no {} here", header("authorization"));
        return write!(
            out,
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}",
            said.len()
        );
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut child = Command::new(backend)
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &method)
        .env("REMOTE_USER", "fetcher")
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child.stdin.take().unwrap().write_all(&body)?;
    let output = child.wait_with_output()?.stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let kept: Vec<&str> = head.lines().filter(|line| !line.starts_with("Status: ")).collect();
    let kept = kept.join("\r\n");
    let body = &output[(end + 4).min(output.len())..];
    write!(out, "HTTP/1.1 {status}\r\n{kept}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    out.write_all(body)
}
