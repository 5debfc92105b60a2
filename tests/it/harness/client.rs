//! A browser, as far as the portal can tell: it keeps the session's cookie and sends forms as the portal's own pages do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use lectern::accounts::Role;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use tower::ServiceExt;

use super::library::Library;
use super::witness::{Sighting, Witness};

pub(crate) const HOST: &str = "127.0.0.1:8420";
pub(crate) const ORIGIN: &str = "http://127.0.0.1:8420";

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) rooms: Arc<lectern::web::Portal>,
    pub(super) router: Router,
    pub(super) library: Arc<Library>,
    pub(super) witness: Arc<Witness>,
    /// Shared by clones: they are tabs of one browser.
    pub(super) cookie: Arc<Mutex<Option<String>>>,
    /// All that was asked and sent so far: what comes back of it was known already.
    pub(super) asked: Arc<Mutex<String>>,
    pub(crate) who: Option<(String, Role)>,
    pub(crate) address: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// It ended before its end.
    pub(crate) broken: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location")
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{} {}", self.location(), self.text());
        self
    }

    /// Everything that is the same for the same answer.
    pub(crate) fn essence(&self) -> (StatusCode, Vec<(String, String)>, String) {
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .filter(|(name, _)| name.as_str() != "x-request-id")
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        (self.status, headers, self.text())
    }
}

/// The value of the first anti-forgery field of a page.
pub(crate) fn csrf_in(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The digest of the preview that a page shows.
pub(crate) fn seen_in(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("name=\"seen\" value=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

pub(crate) fn encoded(text: &str) -> String {
    percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string()
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&")
}

impl Client {
    pub(crate) fn request(method: Method, address: &str, body: Option<String>, headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(address).header(header::HOST, HOST);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.map_or_else(Body::empty, Body::from)).unwrap()
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let what = format!("{} {}", request.method(), request.uri());
        if let Some(cookie) = self.cookie() {
            request.headers_mut().insert(header::COOKIE, format!("__Host-lectern={cookie}").parse().unwrap());
        }
        let address: SocketAddr = self.address.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
        let asked = {
            let decoded = percent_encoding::percent_decode_str(&what).decode_utf8_lossy().into_owned();
            let mut asked = self.asked.lock().unwrap();
            asked.push_str(&decoded);
            asked.push('\n');
            asked.clone()
        };
        let before = self.rooms.log.size().await.unwrap_or(0);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, mut stream) = response.into_parts();
        let (mut body, mut broken) = (Vec::new(), false);
        while let Some(frame) = stream.frame().await {
            match frame {
                Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => broken = true,
            }
        }
        let after = self.rooms.log.size().await.unwrap_or(u64::MAX);
        for value in parts.headers.get_all(header::SET_COOKIE) {
            self.keep(value.to_str().unwrap());
        }
        self.seen(&what, (before, after), &body, &asked);
        Answer { status: parts.status, headers: parts.headers, body, broken }
    }

    /// Notes what an answer gave away.
    pub(super) fn seen(&self, what: &str, window: (u64, u64), body: &[u8], asked: &str) {
        let path = what.rsplit(' ').next().unwrap_or_default().split('?').next().unwrap_or_default();
        let source =
            (path.starts_with("/p/") && path.matches('/').count() > 2) || path.starts_with("/search") || path.starts_with("/symbol/");
        let (account, role) = self.who.clone().unzip();
        let none = std::collections::BTreeSet::new();
        let sighting = Sighting { account, role, what: what.to_owned(), source, window, canaries: none.clone(), names: none };
        self.witness.see(&self.library, sighting, body, asked);
    }

    fn keep(&self, set_cookie: &str) {
        let (pair, attributes) = set_cookie.split_once(';').unwrap_or((set_cookie, ""));
        let value = pair.strip_prefix("__Host-lectern=").expect("no cookie but the session's");
        let gone = value.is_empty() || attributes.contains("Max-Age=0");
        // What is taken away needs no protection.
        for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
            assert!(gone || attributes.contains(attribute), "{set_cookie}");
        }
        *self.cookie.lock().unwrap() = (!gone).then(|| value.to_owned());
    }

    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    pub(crate) fn set_cookie(&self, value: Option<String>) {
        *self.cookie.lock().unwrap() = value;
    }

    pub(crate) async fn get(&self, address: &str) -> Answer {
        self.send(Self::request(Method::GET, address, None, &[("accept", "text/html")])).await
    }

    pub(crate) async fn get_json(&self, address: &str) -> Answer {
        self.send(Self::request(Method::GET, address, None, &[("accept", "application/json")])).await
    }

    /// The session's anti-forgery token, from a page that has a form in it.
    pub(crate) async fn csrf(&self) -> String {
        let page = if self.who.is_some() { "/account" } else { "/sign-in" };
        let page = self.get(page).await;
        csrf_in(&page.text()).unwrap_or_else(|| panic!("no form in {} {}", page.status, page.text()))
    }

    /// Sends a form as a browser does from one of the portal's pages.
    pub(crate) async fn post(&self, address: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf().await;
        self.post_with(address, &csrf, fields).await
    }

    pub(crate) async fn post_with(&self, address: &str, csrf: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("csrf", csrf)];
        all.extend_from_slice(fields);
        for (_, value) in fields {
            let mut asked = self.asked.lock().unwrap();
            asked.push_str(value);
            asked.push('\n');
        }
        self.send(Self::request(Method::POST, address, Some(form(&all)), &[("origin", ORIGIN), ("accept", "text/html")])).await
    }

    /// Sends a form with a file in it, as a browser does: `parts` are what stands before the file.
    pub(crate) async fn upload(&self, address: &str, parts: &[(&str, &str)], file: (&str, &[u8])) -> Answer {
        let (name, bytes) = file;
        let mut body = Vec::new();
        for (field, value) in parts {
            body.extend_from_slice(format!("--edge\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n").as_bytes());
        }
        let head = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"document\"; filename=\"{name}\"\r\nContent-Type: application/pdf\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        self.send_parts(address, body, "edge").await
    }

    /// The same, byte for byte as given.
    pub(crate) async fn send_parts(&self, address: &str, body: Vec<u8>, boundary: &str) -> Answer {
        let kind = format!("multipart/form-data; boundary={boundary}");
        let mut request =
            Self::request(Method::POST, address, None, &[("origin", ORIGIN), ("accept", "text/html"), ("content-type", &kind)]);
        *request.body_mut() = Body::from(body);
        self.send(request).await
    }

    /// Sends the form of a grant as its page does: looks at the preview, then sends what was shown. What cannot be previewed is the answer.
    pub(crate) async fn propose(&self, address: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = fields.to_vec();
        all.push(("act", "preview"));
        let shown = self.post(address, &all).await;
        let Some(digest) = seen_in(&shown.text()).filter(|_| shown.status == StatusCode::OK) else { return shown };
        all.pop();
        all.push(("seen", &digest));
        self.post(address, &all).await
    }

    /// The digest of what the page of a grant shows that it opens; empty when it shows none.
    pub(crate) async fn look(&self, page: &str) -> String {
        seen_in(&self.get(page).await.text()).unwrap_or_default()
    }

    /// Approves a grant as its page does, after looking at it.
    pub(crate) async fn approve(&self, page: &str) -> Answer {
        let seen = self.look(page).await;
        self.post(&format!("{page}/approve"), &[("seen", &seen)]).await
    }

    /// Signs in over HTTP. Whoever it is known as changes only when that works.
    pub(crate) async fn sign_in(&mut self, person: &super::Person) -> Answer {
        let answer = self.post("/sign-in", &[("email", &person.email), ("password", &person.password)]).await;
        if answer.status == StatusCode::SEE_OTHER {
            self.who = Some((person.id.to_string(), person.role));
        }
        answer
    }
}
