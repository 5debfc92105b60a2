//! What the benches measure on: a real portal in this process, people, grants, and answers to their requests.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use lectern::accounts::{Admission, Attempt, NewAccount, Password, Principal, Role, StepUp};
use lectern::audit::{Context, Draft, Kind, Outcome};
use lectern::catalog::{NewProduct, Product};
use lectern::cli::installation;
use lectern::clock::SystemClock;
use lectern::config::Config;
use lectern::entitlements::{NewAgency, NewAgreement, PathScope, Proposal, Readers, Window};
use lectern::ids::{AccountId, AgencyId, Entropy, RequestId};
use lectern::web::{self, Portal};
use tower::ServiceExt;
use tower_sessions::Session;

pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A portal, and its router.
pub(crate) struct Site {
    pub(crate) portal: Arc<Portal>,
    router: Router,
}

/// Somebody who may read everything of one product, and is signed in.
pub(crate) struct Reader {
    pub(crate) principal: Principal,
    pub(crate) cookie: String,
}

impl Site {
    /// Opens what is in `data`, or makes it. `url`: another database than SQLite.
    pub(crate) async fn open(data: &Path, url: Option<String>) -> anyhow::Result<Self> {
        fs::create_dir_all(data)?;
        let file = data.join("lectern.toml");
        let database = url.map(|url| format!("[database]\nurl = {url:?}\n")).unwrap_or_default();
        fs::write(&file, format!("data = {:?}\n{database}", data.display().to_string()))?;
        let entropy = Entropy::system().map_err(|cause| anyhow!("no random bytes: {cause}"))?;
        let portal = installation::open(Config::load(&file)?, Arc::new(SystemClock), entropy).await?;
        let (router, _) = web::router(&portal);
        Ok(Self { portal, router })
    }

    pub(crate) async fn close(&self) {
        self.portal.log.close().await;
        self.portal.database.close().await;
    }

    pub(crate) fn context(&self) -> Context {
        Context::internal(RequestId::random(&self.portal.entropy))
    }

    /// A product with these tags of a repository; without any, with the branch it is on.
    pub(crate) async fn add_product(&self, name: &str, repository: &Path, tags: &[String]) -> anyhow::Result<Product> {
        let branch = || -> Option<String> { Some(git2::Repository::open(repository).ok()?.head().ok()?.shorthand().ok()?.to_owned()) };
        let (tags, branches) = match branch() {
            Some(branch) if tags.is_empty() => (Vec::new(), vec![branch]),
            _ if tags.is_empty() => (vec!["*".to_owned()], Vec::new()),
            _ => (tags.to_vec(), Vec::new()),
        };
        let new = NewProduct { name: name.to_owned(), title: name.to_owned(), source: repository.display().to_string(), tags, branches };
        Ok(self.portal.catalog.add(new, Draft::new(Kind::ProductCreated, Outcome::Done), &self.context()).await?)
    }

    /// An agency of its own, an agreement, a grant to everything, and so many people who read under it.
    pub(crate) async fn readers(&self, product: &Product, count: usize) -> anyhow::Result<Vec<Reader>> {
        let entitlements = &self.portal.entitlements;
        let [a, b, c] = self.portal.entropy.bytes::<3>();
        let mark = format!("{a:02x}{b:02x}{c:02x}");
        let agency = entitlements.add_agency(NewAgency::named(&format!("Agency {mark}"), "Atlantis"), None, &self.context()).await?;
        let now = self.portal.clock.now();
        let term = Window { from: now, until: now.plus(Duration::from_secs(86_400)) };
        let agreement = entitlements.add_agreement(NewAgreement::signed(agency.id.clone(), &mark, term), None, &self.context()).await?;
        let mut people = Vec::new();
        for number in 0..count {
            let email = format!("reviewer{number}@{mark}.example");
            let (account, password) = self.account(&email, Role::Reviewer, Some(agency.id.clone())).await?;
            entitlements.name_person(&agreement.id, &account, &self.context()).await?;
            people.push((email, password));
        }
        let first = self.administrator(&format!("first@{mark}.example")).await?;
        let second = self.administrator(&format!("second@{mark}.example")).await?;
        let proposal = Proposal {
            agreement: agreement.id,
            versions: vec!["*".to_owned()],
            scope: PathScope::whole(),
            readers: Readers::Everybody,
            window: term,
            purpose: "Measuring".to_owned(),
            needed: 1,
        };
        let grant = entitlements.propose(proposal, product, first.principal(), &self.context()).await?;
        entitlements.approve(&grant, &second, &self.context()).await?;
        let mut readers = Vec::new();
        for (email, password) in people {
            let cookie = self.sign_in(&email, &password).await.context("signing in")?;
            readers.push(Reader { principal: self.principal(&email, password).await?, cookie });
        }
        Ok(readers)
    }

    async fn account(&self, email: &str, role: Role, agency: Option<AgencyId>) -> anyhow::Result<(AccountId, String)> {
        let password = Password::random(&self.portal.entropy);
        let shown = password.reveal().to_owned();
        let new = NewAccount { email: email.to_owned(), name: email.to_owned(), role, agency };
        Ok((self.portal.accounts.create(new, password, &self.context()).await?, shown))
    }

    async fn administrator(&self, email: &str) -> anyhow::Result<StepUp> {
        let (_, password) = self.account(email, Role::Administrator, None).await?;
        let principal = self.principal(email, password).await?;
        self.portal.accounts.stepped_up(&principal).context("no confirmation")
    }

    /// An administrator who is signed in.
    pub(crate) async fn administrator_signed_in(&self, email: &str) -> anyhow::Result<Reader> {
        let (_, password) = self.account(email, Role::Administrator, None).await?;
        let cookie = self.sign_in(email, &password).await.context("signing in")?;
        Ok(Reader { principal: self.principal(email, password).await?, cookie })
    }

    async fn principal(&self, email: &str, password: String) -> anyhow::Result<Principal> {
        let accounts = &self.portal.accounts;
        let session = Session::new(None, Arc::new(accounts.sessions()), None);
        let attempt = Attempt { email: email.to_owned(), password: Password::new(password), address: "here".to_owned() };
        let admission = accounts.sign_in(attempt, &session, &self.context()).await?;
        anyhow::ensure!(admission == Admission::Open, "{email} has a second factor");
        accounts.principal(&session, None).await?.context("no session")
    }

    /// Over HTTP, as a browser does. Gives the cookie.
    async fn sign_in(&self, email: &str, password: &str) -> anyhow::Result<String> {
        let (_, cookie, form) = self.send(Request::get("/sign-in").body(Body::empty())?).await?;
        let csrf = form.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).context("no csrf")?;
        let fields = format!("email={}&password={password}&csrf={csrf}", email.replace('@', "%40"));
        let request = Request::post("/sign-in")
            .header(header::HOST, "127.0.0.1:8420")
            .header(header::ORIGIN, "http://127.0.0.1:8420")
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let (status, cookie, _) = self.send(request.body(fields.into())?).await?;
        if status == StatusCode::SEE_OTHER { Ok(cookie) } else { bail!("signing in was answered {status}") }
    }

    /// A page, or its JSON, as this reader gets it.
    pub(crate) async fn get(&self, reader: &Reader, path: &str, json: bool) -> anyhow::Result<String> {
        let accept = if json { "application/json" } else { "text/html" };
        let request = Request::get(path).header(header::COOKIE, &reader.cookie).header(header::ACCEPT, accept);
        let (status, _, text) = self.send(request.body(Body::empty())?).await?;
        if status == StatusCode::OK { Ok(text) } else { bail!("{path} was answered {status}") }
    }

    /// How long it takes until a page begins to arrive, and until it is whole.
    pub(crate) async fn timed(&self, reader: &Reader, path: &str) -> anyhow::Result<(Duration, Duration)> {
        let request = Request::get(path).header(header::COOKIE, &reader.cookie).header(header::ACCEPT, "text/html");
        let request = request.body(Body::empty())?;
        let began = Instant::now();
        let response = self.router.clone().oneshot(request).await?;
        if response.status() != StatusCode::OK {
            bail!("{path} was answered {}", response.status());
        }
        let mut body = response.into_body();
        body.frame().await.with_context(|| format!("{path} is empty"))??;
        let first = began.elapsed();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok((first, began.elapsed()))
    }

    /// Status, cookie and text of the answer.
    async fn send(&self, request: Request<Body>) -> anyhow::Result<(StatusCode, String, String)> {
        let response = self.router.clone().oneshot(request).await?;
        let cookie = response.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|value| value.split(';').next()).unwrap_or_default().to_owned();
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, cookie, String::from_utf8_lossy(&body).into_owned()))
    }
}
