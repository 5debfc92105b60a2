//! `lectern demo`: everything embedded, with people and grants, on real repositories.
//!
//! Whatever was done stays done: a run that was interrupted is taken up where it ended. What the people of the
//! demonstration do, they do by signing in as anybody would.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::installation::{self, write_private};
use super::{progress, serve};
use crate::accounts::{NewAccount, Password, Role};
use crate::audit::{Context, Draft, Kind, Outcome};
use crate::catalog::{NewProduct, Product, RepoPath};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::entitlements::{NewAgency, NewAgreement, PathScope, Proposal, Readers, State, Window};
use crate::ids::{AgreementId, Entropy, RequestId};
use crate::mirrors::{Source, enclosing_repository};
use crate::web::Portal;

const DAY: Duration = Duration::from_secs(86_400);
const ACCOUNTS: &str = "demo-accounts.json";

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DATA)]
    pub data: PathBuf,
    /// The address to serve at
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8420")]
    pub listen: SocketAddr,
    /// A repository to show, by URL or path; may be given several times. Default: the checkout this is run in
    #[arg(long, value_name = "NAME=GIT_URL_OR_PATH")]
    pub product: Vec<String>,
    /// Start over: remove what an earlier demonstration left in the data directory
    #[arg(long)]
    pub fresh: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DemoAccount {
    role: String,
    email: String,
    password: String,
    agency: Option<String>,
}

/// Name, role, agency.
const PEOPLE: [(&str, &str, Role, Option<&str>); 5] = [
    ("First reviewer", "first.reviewer@one.example", Role::Reviewer, Some("Agency One")),
    ("Second reviewer", "second.reviewer@two.example", Role::Reviewer, Some("Agency Two")),
    ("An auditor", "auditor@vendor.example", Role::Auditor, None),
    ("First administrator", "first.administrator@vendor.example", Role::Administrator, None),
    ("Second administrator", "second.administrator@vendor.example", Role::Administrator, None),
];
/// Agency, country, reference of its agreement.
const AGENCIES: [(&str, &str, &str); 2] = [("Agency One", "Atlantis", "DEMO-ONE"), ("Agency Two", "Lyonesse", "DEMO-TWO")];

/// # Errors
/// In a sentence for whoever ran it.
pub(super) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let mut config = Config::for_data(&args.data)?;
    config.listen = args.listen;
    if !config.listen.ip().is_loopback() {
        bail!("a demonstration serves this machine only, and {} is not a loopback address. Use 127.0.0.1", config.listen);
    }
    let wanted = products(&args.product)?;
    let listener = serve::listen(config.listen).await?;
    // With port 0 the system chose one, and pages name it.
    config.listen = listener.local_addr()?;
    let lock = installation::lock(&config)?;
    if config.data.join("lectern.db").exists() && !config.data.join(ACCOUNTS).exists() {
        bail!("{} holds an installation that is no demonstration. Choose another directory with --data", config.data.display());
    }
    if args.fresh {
        remove_earlier(&config.data)?;
    }
    let entropy = Entropy::system().map_err(|cause| anyhow!("the operating system gives no random bytes: {cause}"))?;
    let portal = installation::open(config, Arc::new(SystemClock), entropy).await?;
    lock.alone(&portal.database)?;
    let demo = Demo { portal: Arc::clone(&portal), out: std::io::stdout() };
    demo.set_up(&wanted).await?;
    serve::serve(portal, listener).await?;
    drop(lock);
    Ok(())
}

/// A product to show.
struct Wanted {
    name: String,
    source: String,
}

fn products(given: &[String]) -> anyhow::Result<Vec<Wanted>> {
    if given.is_empty() {
        let here = std::env::current_dir().context("the current directory cannot be read")?;
        let repository = enclosing_repository(&here).ok_or_else(|| {
            anyhow!(
                "{} is not in a git repository, so there is nothing to show. Run this in a checkout, or name one with --product NAME=GIT_URL_OR_PATH",
                here.display()
            )
        })?;
        let name = Source::Path(repository.clone()).suggested_name();
        return Ok(vec![Wanted { name, source: repository.display().to_string() }]);
    }
    given
        .iter()
        .map(|text| {
            let (name, source) = text
                .split_once('=')
                .ok_or_else(|| anyhow!("--product {text:?} is not NAME=GIT_URL_OR_PATH, as in git=https://host.example/git.git"))?;
            let source = match Source::parse(source)? {
                // The portal may be started from elsewhere the next time.
                Source::Path(path) => fs::canonicalize(&path)
                    .with_context(|| format!("there is nothing at {}. Check the path after {name}=", path.display()))?
                    .display()
                    .to_string(),
                url @ Source::Url(_) => match url.parted() {
                    (url, None) => url.address(),
                    (url, Some(_)) => {
                        bail!("{url}: a demonstration keeps no password. Leave it out, or use lectern init and lectern mirror add")
                    }
                },
            };
            Ok(Wanted { name: name.to_owned(), source })
        })
        .collect()
}

/// Removes only what a demonstration makes.
fn remove_earlier(data: &Path) -> anyhow::Result<()> {
    for name in ["lectern.db", "lectern.db-wal", "lectern.db-shm", "checkpoint", ACCOUNTS] {
        match fs::remove_file(data.join(name)) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(cause).with_context(|| format!("{} cannot be removed", data.join(name).display()));
            }
            _ => {}
        }
    }
    for name in ["mirrors", "index", "keys"] {
        match fs::remove_dir_all(data.join(name)) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(cause).with_context(|| format!("{} cannot be removed", data.join(name).display()));
            }
            _ => {}
        }
    }
    Ok(())
}

struct Demo {
    portal: Arc<Portal>,
    out: std::io::Stdout,
}

impl Demo {
    async fn set_up(&self, wanted: &[Wanted]) -> anyhow::Result<()> {
        let (accounts, new) = self.accounts()?;
        self.people(&accounts).await?;
        let mut products = Vec::new();
        for one in wanted {
            products.push(self.product(one).await?);
        }
        self.grants(&accounts, &products).await?;
        for product in self.portal.jobs.open_indexes().await? {
            let _ = self.portal.jobs.index(&product, &progress::watch(&product.name)).await?;
        }
        self.tell(&accounts, new)
    }

    fn say(&self, text: &str) -> anyhow::Result<()> {
        writeln!(&self.out, "{text}").context("nobody reads the output")
    }

    fn context(&self) -> Context {
        Context::internal(RequestId::random(&self.portal.entropy))
    }

    /// The accounts of the demonstration, from the file or made now. The file comes first: a password that was set and then
    /// lost would lock everybody out.
    fn accounts(&self) -> anyhow::Result<(Vec<DemoAccount>, bool)> {
        let path = self.portal.config.data.join(ACCOUNTS);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let accounts =
                    serde_json::from_str(&text).with_context(|| format!("{} is damaged. Start over with --fresh", path.display()))?;
                Ok((accounts, false))
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                let accounts: Vec<DemoAccount> = PEOPLE
                    .iter()
                    .map(|(_, email, role, agency)| DemoAccount {
                        role: role.as_str().to_owned(),
                        email: (*email).to_owned(),
                        password: Password::random(&self.portal.entropy).reveal().to_owned(),
                        agency: agency.map(str::to_owned),
                    })
                    .collect();
                write_private(&path, &serde_json::to_string_pretty(&accounts)?)?;
                Ok((accounts, true))
            }
            Err(cause) => Err(cause).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    async fn people(&self, accounts: &[DemoAccount]) -> anyhow::Result<()> {
        let portal = &self.portal;
        let now = portal.clock.now();
        for (agency, country, reference) in AGENCIES {
            let known = portal.entitlements.agency(agency).await?;
            let known = match known {
                Some(known) => known,
                None => portal.entitlements.add_agency(NewAgency::named(agency, country), None, &self.context()).await?,
            };
            if portal.entitlements.agreement(reference).await?.is_none() {
                let term = Window { from: now.minus(DAY), until: now.plus(365 * DAY) };
                portal.entitlements.add_agreement(NewAgreement::signed(known.id, reference, term), None, &self.context()).await?;
            }
        }
        for (account, (name, email, role, agency)) in accounts.iter().zip(PEOPLE) {
            let agency = match agency {
                Some(agency) => portal.entitlements.agency(agency).await?.map(|agency| agency.id),
                None => None,
            };
            if portal.accounts.find(email).await?.is_none() {
                let new = NewAccount { email: email.to_owned(), name: name.to_owned(), role, agency };
                let password = Password::new(account.password.clone());
                portal.accounts.create(new, password, &self.context()).await?;
            }
        }
        self.name_people().await
    }

    async fn name_people(&self) -> anyhow::Result<()> {
        let portal = &self.portal;
        for (agency, _, reference) in AGENCIES {
            let Some(agreement) = portal.entitlements.agreement(reference).await? else { continue };
            let named = portal.entitlements.people(&agreement.id).await?;
            for account in portal.accounts.list().await? {
                let theirs = account.agency.as_ref().is_some_and(|a| a.name == agency);
                if theirs && !named.contains(&account.id) {
                    portal.entitlements.name_person(&agreement.id, &account.id, &self.context()).await?;
                }
            }
        }
        Ok(())
    }

    async fn product(&self, wanted: &Wanted) -> anyhow::Result<Product> {
        let portal = &self.portal;
        if let Some(known) = portal.catalog.product(&wanted.name).await? {
            if known.source != wanted.source && known.synced_at.is_none() {
                // Nothing ever came from there: a mistyped address is mended by typing it again.
                let mended = Product { source: wanted.source.clone(), ..known };
                portal.catalog.set_origin(&mended).await?;
                self.bring(&mended).await?;
                return Ok(mended);
            }
            if known.source != wanted.source {
                bail!(
                    "the product {} comes from {} in this data directory. Choose another name or start over with --fresh",
                    known.name,
                    known.source
                );
            }
            if known.synced_at.is_some() && wanted.source.contains("://") {
                return Ok(known);
            }
            self.bring(&known).await?;
            return Ok(known);
        }
        let new = NewProduct {
            name: wanted.name.clone(),
            title: wanted.name.clone(),
            source: wanted.source.clone(),
            tags: vec!["*".to_owned()],
            branches: Vec::new(),
        };
        let product = portal.catalog.add(new, Draft::new(Kind::ProductCreated, Outcome::Done), &self.context()).await?;
        self.bring(&product).await?;
        Ok(product)
    }

    async fn bring(&self, product: &Product) -> anyhow::Result<()> {
        let watch = progress::watch(&product.name);
        let synced = self.portal.jobs.synchronise_or_branch(product, &watch).await?;
        let built = self.portal.jobs.index(product, &watch).await?;
        self.say(&format!(
            "{}: {} versions, {} of them new; {} distinct files indexed, {} of them new",
            product.name,
            synced.versions,
            synced.published.new.len(),
            built.documents,
            built.added
        ))?;
        for (name, reason) in synced.skipped.iter().take(10) {
            self.say(&format!("{}: {name} was left out: {reason}", product.name))?;
        }
        for name in &synced.published.moved {
            self.say(&format!("{}: {name} points elsewhere now than when it was published; it is shown as published", product.name))?;
        }
        Ok(())
    }

    /// The first agency may read everything, the second the first directory of each product.
    async fn grants(&self, accounts: &[DemoAccount], products: &[Product]) -> anyhow::Result<()> {
        let lines = self.portal.entitlements.list().await?;
        let now = self.portal.clock.now();
        let mut missing = Vec::new();
        for product in products {
            for (agency, _, reference) in AGENCIES {
                let there = lines.iter().any(|line| {
                    line.agency_name == agency
                        && line.product_name == product.name
                        && matches!(line.entitlement.state, State::Approved { .. } | State::Revoked { .. })
                });
                if !there {
                    missing.push((product, agency, reference));
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let first = self.sign_in(accounts, 3).await?;
        let second = self.sign_in(accounts, 4).await?;
        for (product, agency, reference) in missing {
            let agreement =
                self.portal.entitlements.agreement(reference).await?.ok_or_else(|| anyhow!("the agreement {reference} is gone"))?;
            let includes = match agency {
                "Agency One" => RepoPath::root(),
                _ => match self.portal.jobs.first_directory(product).await? {
                    Some(directory) => directory,
                    None => continue,
                },
            };
            let window = Window { from: now, until: agreement.term.until };
            self.grant(agreement.id, product, includes, window, (&first, &second)).await?;
        }
        for desk in [first, second] {
            desk.close(&self.portal, &self.context()).await?;
        }
        Ok(())
    }

    async fn grant(
        &self,
        agreement: AgreementId,
        product: &Product,
        include: RepoPath,
        window: Window,
        by: (&Desk, &Desk),
    ) -> anyhow::Result<()> {
        let proposal = Proposal {
            agreement,
            versions: vec!["*".to_owned()],
            scope: PathScope { includes: vec![include], excludes: Vec::new() },
            readers: Readers::Everybody,
            window,
            purpose: "Demonstration".to_owned(),
            needed: 1,
        };
        let entitlements = &self.portal.entitlements;
        let id = entitlements.propose(proposal, product, &by.0.principal, &self.context()).await?;
        entitlements.approve(&id, &by.1.step_up, &self.context()).await?;
        Ok(())
    }

    async fn sign_in(&self, accounts: &[DemoAccount], which: usize) -> anyhow::Result<Desk> {
        let account = accounts.get(which).ok_or_else(|| anyhow!("{ACCOUNTS} is damaged. Start over with --fresh"))?;
        let opened = Desk::open(&self.portal, &account.email, account.password.clone(), None, &self.context()).await;
        opened.with_context(|| format!("the password in {ACCOUNTS} does not fit. Start over with --fresh"))
    }

    fn tell(&self, accounts: &[DemoAccount], new: bool) -> anyhow::Result<()> {
        let path = self.portal.config.data.join(ACCOUNTS);
        if !new {
            return self.say(&format!("The accounts and their passwords are in {}.", path.display()));
        }
        self.say("")?;
        for account in accounts {
            let agency = account.agency.as_deref().unwrap_or("");
            self.say(&format!("{:<14} {:<36} {:<30} {agency}", account.role, account.email, account.password))?;
        }
        self.say("")?;
        self.say(&format!(
            "They are kept in {}. The first agency may read everything, the second the first directory of each product.",
            path.display()
        ))
    }
}
