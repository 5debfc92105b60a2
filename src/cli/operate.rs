//! Running an installation: init, serve, doctor, products, index, and the log.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};

use super::audit::{self, AuditCommand, Installation};
use super::{DEFAULT_DATA, installation, progress, serve as serving};
use crate::accounts::{NewAccount, Password, Role};
use crate::audit::witness::Witnessing;
use crate::audit::{Context, Draft, Kind, Outcome, Own, read_public};
use crate::catalog::{NewProduct, Product, Secret};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::ids::{Entropy, RequestId};
use crate::web::Portal;

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The configuration to write; one that is there is used as it is
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The log's name in its checkpoints, a name you own; it cannot be changed later. Needed when the configuration is written
    #[arg(long, value_name = "NAME")]
    log_origin: Option<String>,
    /// E-mail addresses of the first two administrators: one alone can grant nothing
    #[arg(long, value_name = "EMAIL", num_args = 2, required = true)]
    administrators: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    at: Installation,
}

#[derive(Debug, Subcommand)]
pub(super) enum MirrorCommand {
    /// Add a product, fetch it, publish its versions and index them
    Add {
        /// Its name in addresses
        name: String,
        /// A git repository, by URL or path
        source: String,
        /// As people read it
        #[arg(long, default_value = "")]
        title: String,
        /// Patterns of the tags to publish
        #[arg(long, value_name = "PATTERN", default_value = "*")]
        tags: Vec<String>,
        /// Patterns of the branches to publish
        #[arg(long, value_name = "PATTERN")]
        branches: Vec<String>,
        #[command(flatten)]
        at: Installation,
    },
    /// Fetch what is new, of one product or of all
    Sync {
        name: Option<String>,
        #[command(flatten)]
        at: Installation,
    },
    /// List products
    List {
        #[command(flatten)]
        at: Installation,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum VersionCommand {
    /// List a product's versions, newest first
    List {
        product: String,
        #[command(flatten)]
        at: Installation,
    },
    /// Fetch what fits the product's patterns in its mirror's origin and publish it, or put it into quarantine as is set for the product
    Publish {
        product: String,
        #[command(flatten)]
        at: Installation,
    },
    /// Take a version from every reader at once; to put it back takes two administrators
    Withdraw {
        product: String,
        version: String,
        /// Why; it stands in the record
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        at: Installation,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum IndexCommand {
    /// Say how much of each product can be searched; exit code 1 when not all
    Status {
        #[command(flatten)]
        at: Installation,
    },
    /// Import a SCIP index for a version: its definitions and references are preferred over those found in the text alone
    Scip {
        /// The product's name
        #[arg(long)]
        product: String,
        /// The version that the index was made of
        #[arg(long)]
        version: String,
        /// The index, as rust-analyzer, scip-typescript, scip-java, scip-clang and others write it
        file: PathBuf,
        #[command(flatten)]
        at: Installation,
    },
    /// Build an index from nothing, of one product or of all
    Rebuild {
        name: Option<String>,
        #[command(flatten)]
        at: Installation,
    },
}

/// The configuration of an installation, whether it is there or not.
pub(super) fn configured(at: &Installation) -> anyhow::Result<Config> {
    match (&at.config, &at.data) {
        (Some(file), _) => Ok(Config::load(file)?),
        (None, Some(data)) => Ok(Config::for_data(data)?),
        (None, None) => Ok(Config::for_data(DEFAULT_DATA.as_ref())?),
    }
}

/// An installation that is there already: looking at one makes none.
pub(super) fn existing(at: &Installation) -> anyhow::Result<Config> {
    let config = configured(at)?;
    if !config.keys().is_dir() {
        let node = if config.database.starts_with("sqlite:") {
            ""
        } else {
            ". A further node of a portal that shares its database needs the directory keys and the file checkpoint from the data directory of \
             a node that runs"
        };
        bail!(
            "there is no installation in {}. Name one with --data or --config, or make one with lectern demo or lectern init{node}",
            config.data.display()
        );
    }
    Ok(config)
}

pub(super) fn entropy() -> anyhow::Result<Entropy> {
    Entropy::system().map_err(|cause| anyhow!("the operating system gives no random bytes: {cause}"))
}

pub(super) fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("nobody reads the output")
}

pub(super) fn context(entropy: &Entropy) -> Context {
    Context::internal(RequestId::random(entropy))
}

pub(super) async fn open(config: Config) -> anyhow::Result<Arc<Portal>> {
    installation::open(config, Arc::new(SystemClock), entropy()?).await
}

pub(super) async fn init(args: InitArgs) -> anyhow::Result<()> {
    if !args.config.exists() {
        let origin = args.log_origin.ok_or_else(|| {
            anyhow!("name the log with --log-origin, as in --log-origin reading-room.example/audit: a name you own, which cannot be changed later")
        })?;
        let text = format!(
            "# Lectern. Every key, its range and its default: README.md.\n# Relative to this file.\ndata = \"data\"\nlisten = \"127.0.0.1:8420\"\n\
             # The origin browsers see; the portal expects a proxy with TLS in front.\n# public_origin = \"https://reading-room.example\"\n\n\
             [accounts]\n# Who must have a second factor: \"optional\" is nobody, \"staff\" administrators and auditors, or \"everyone\".\n\
             # Choose \"staff\" once both administrators have signed in.\nsecond_factor = \"optional\"\n\n\
             [log]\n# The log's name in its checkpoints. It cannot be changed later.\norigin = {origin:?}\n"
        );
        fs::write(&args.config, text).with_context(|| format!("{} cannot be written", args.config.display()))?;
        say(&format!("Wrote {}.", args.config.display()))?;
    }
    let config = Config::load(&args.config)?;
    let lock = installation::lock(&config)?;
    let portal = open(config).await?;
    lock.alone(&portal.database)?;
    for email in &args.administrators {
        if portal.accounts.find(&email.to_lowercase()).await?.is_some() {
            say(&format!("{email} has an account already."))?;
            continue;
        }
        let password = Password::random(&portal.entropy);
        let shown = password.reveal().to_owned();
        let new = NewAccount { email: email.clone(), name: email.clone(), role: Role::Administrator, agency: None };
        portal.accounts.create(new, password, &context(&portal.entropy)).await?;
        say(&format!("administrator {email}, password {shown}"))?;
    }
    portal.log.close().await;
    say(&format!("Now: lectern serve --config {}", args.config.display()))
}

pub(super) async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let config = existing(&args.at)?;
    if config.public_origin.is_none() && !config.listen.ip().is_loopback() {
        bail!("listening on {} wants public_origin in the configuration, the origin that browsers see", config.listen);
    }
    let lock = installation::lock(&config)?;
    let listener = serving::listen(config.listen).await?;
    let portal = open(config).await?;
    lock.alone(&portal.database)?;
    let behind = portal.jobs.open_indexes().await?;
    for product in &behind {
        tracing::warn!(product = product.name, "the index is behind; it is brought up to date while serving");
        let (jobs, product) = (portal.jobs.clone(), product.clone());
        tokio::spawn(async move {
            if let Err(problem) = jobs.index(&product, &(Arc::new(|_| {}) as crate::jobs::Watch)).await {
                tracing::error!(%problem, "the index could not be brought up to date");
            }
        });
    }
    serving::serve(portal, listener).await
}

pub(super) async fn doctor(at: &Installation) -> anyhow::Result<ExitCode> {
    let config = existing(at)?;
    say(&format!("configuration: data in {}, listening on {}", config.data.display(), config.listen))?;
    let portal = open(config).await?;
    let mut well = true;
    portal.database.ping().await?;
    say("database: answers, commits durably")?;
    match portal.log.health().alarm() {
        None => say(&format!("log: {} entries, all verified against the signed checkpoint", portal.log.size().await?))?,
        Some(alarm) => {
            well = false;
            say(&format!("log: {alarm}"))?;
        }
    }
    if let Err(problem) = portal.accounts.check_factor_key().await {
        well = false;
        say(&format!("second factors: {problem}"))?;
    }
    match portal.log.check_listing().await {
        Ok(None) => say("auditors' listing: every entry as it is")?,
        Ok(Some(index)) => {
            well = false;
            say(&format!(
                "auditors' listing: entry {index} is not listed as it is, so filters may miss it or show it wrongly. The log itself is as said above. \
                 Stop the portal and make the listing anew: lectern audit relist"
            ))?;
        }
        Err(problem) => {
            well = false;
            say(&format!("auditors' listing: {problem}"))?;
        }
    }
    portal.log.meet_witnesses().await?;
    if let Some(witnessing) = portal.log.witnessing().await? {
        well &= !witnessing.exceeded;
        say(&witnessed(&witnessing))?;
        for witness in &witnessing.witnesses {
            well &= witness.standing.why().is_none();
            let why = witness.standing.why().map(|why| format!(": {why}")).unwrap_or_default();
            say(&format!("witness {}: {}{why}", witness.name, witness.standing.as_str()))?;
        }
    }
    let behind = portal.jobs.open_indexes().await?;
    for product in portal.catalog.products().await? {
        let versions = portal.catalog.versions(&product.id).await?;
        well &= !behind.iter().any(|one| one.id == product.id) && product.problem.is_none();
        let trouble = product.problem.as_ref().map(|problem| format!(" Last synchronisation failed: {problem}.")).unwrap_or_default();
        say(&format!("{}: {} versions. {}{trouble}", product.name, versions.len(), portal.jobs.index_state(&product, &versions)))?;
        for version in versions.iter().filter(|version| version.moved_to.is_some()) {
            say(&format!("{}: {} moved at its origin after it was published", product.name, version.name))?;
        }
    }
    portal.log.close().await;
    Ok(ExitCode::from(u8::from(!well)))
}

fn witnessed(witnessing: &Witnessing) -> String {
    let Witnessing { size, entries, lag, exceeded, .. } = witnessing;
    let refused = if *exceeded { ", more than is allowed: no source is shown" } else { "" };
    match entries {
        0 => format!("witnesses: a quorum has cosigned all {size} entries"),
        _ => format!(
            "witnesses: a quorum has cosigned {size} entries; {entries} more wait, the first for {} seconds{refused}",
            lag.as_secs()
        ),
    }
}

pub(super) async fn mirror(command: MirrorCommand) -> anyhow::Result<()> {
    match command {
        MirrorCommand::Add { name, source, title, tags, branches, at } => {
            let portal = open(existing(&at)?).await?;
            let (source, credentials) = crate::mirrors::Source::parse(&source)?.parted();
            let credentials = credentials.map(|found| anyhow::Ok((Secret::new(found.to_json()?), found.told()))).transpose()?;
            let credentials = credentials.as_ref().map(|(secret, told)| (secret, told.as_str()));
            let new = NewProduct { name, title, source: source.address(), tags, branches };
            let draft = Draft::new(Kind::ProductCreated, Outcome::Done);
            let product = portal.catalog.add_with(new, credentials, draft, &context(&portal.entropy)).await?;
            bring(&portal, &product).await?;
            portal.log.close().await;
        }
        MirrorCommand::Sync { name, at } => {
            let portal = open(existing(&at)?).await?;
            for product in chosen(&portal, name.as_deref()).await? {
                bring(&portal, &product).await?;
            }
            portal.log.close().await;
        }
        MirrorCommand::List { at } => {
            let portal = open(existing(&at)?).await?;
            for product in portal.catalog.products().await? {
                let synced = product.synced_at.map_or_else(|| "never synchronised".to_owned(), |at| format!("synchronised {at}"));
                say(&format!("{}\t{}\t{synced}", product.name, product.source))?;
            }
            portal.log.close().await;
        }
    }
    Ok(())
}

async fn chosen(portal: &Portal, name: Option<&str>) -> anyhow::Result<Vec<Product>> {
    let Some(name) = name else { return Ok(portal.catalog.products().await?) };
    let product = portal.catalog.product(name).await?;
    Ok(vec![product.ok_or_else(|| anyhow!("there is no product called {name}. lectern mirror list names them"))?])
}

async fn bring(portal: &Portal, product: &Product) -> anyhow::Result<()> {
    let (synced, built) = portal.jobs.bring_up_to_date(product, &progress::watch(&product.name)).await?;
    say(&format!(
        "{}: {} versions, {} of them new{}, {} moved; {} distinct files indexed, {} of them new",
        product.name,
        synced.versions,
        synced.published.new.len(),
        match synced.published.quarantined.len() {
            0 => String::new(),
            waiting => format!(" ({waiting} in quarantine)"),
        },
        synced.published.moved.len(),
        built.documents,
        built.added
    ))
}

pub(super) async fn version(command: VersionCommand) -> anyhow::Result<()> {
    let (name, at) = match &command {
        VersionCommand::List { product, at } | VersionCommand::Publish { product, at } | VersionCommand::Withdraw { product, at, .. } => {
            (product, at)
        }
    };
    let portal = open(existing(at)?).await?;
    for product in chosen(&portal, Some(name)).await? {
        match &command {
            VersionCommand::List { .. } => {}
            VersionCommand::Publish { .. } => bring(&portal, &product).await?,
            VersionCommand::Withdraw { version, reason, .. } => withdraw(&portal, &product, version, reason).await?,
        }
        for version in portal.catalog.every_version(&product.id).await? {
            let moved = version.moved_to.as_ref().map(|to| format!("\tmoved to {to}")).unwrap_or_default();
            let standing = version.life.standing.as_str();
            say(&format!("{}\t{}\t{}\t{standing}{moved}", version.name, version.commit, version.reference))?;
        }
    }
    portal.log.close().await;
    Ok(())
}

async fn withdraw(portal: &Portal, product: &Product, version: &str, reason: &str) -> anyhow::Result<()> {
    let found = portal.catalog.tended(&product.id, version).await?;
    let found = found.ok_or_else(|| anyhow!("{} has no version {version}. lectern version list {0} names them", product.name))?;
    Ok(portal.catalog.withdraw_by_operator(&found, reason, &context(&portal.entropy)).await?)
}

pub(super) async fn index(command: IndexCommand) -> anyhow::Result<ExitCode> {
    match command {
        IndexCommand::Status { at } => {
            let portal = open(existing(&at)?).await?;
            let behind = portal.jobs.open_indexes().await?;
            for product in portal.catalog.products().await? {
                let versions = portal.catalog.versions(&product.id).await?;
                say(&format!("{}: {}", product.name, portal.jobs.index_state(&product, &versions)))?;
            }
            portal.log.close().await;
            Ok(ExitCode::from(u8::from(!behind.is_empty())))
        }
        IndexCommand::Scip { product, version, file, at } => {
            let portal = open(existing(&at)?).await?;
            let outcome = portal.jobs.import_scip(&product, &version, &file).await;
            portal.log.close().await;
            let done = outcome?;
            say(&format!(
                "{product} {version}: {} definitions and {} references in {} files; {} files are not in this version, {} places have no name there",
                done.definitions, done.references, done.files, done.unknown_files, done.unfitting
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        IndexCommand::Rebuild { name, at } => {
            let config = existing(&at)?;
            let _lock = installation::lock(&config)?;
            let portal = open(config).await?;
            for product in chosen(&portal, name.as_deref()).await? {
                let built = portal.jobs.rebuild(&product, &progress::watch(&product.name)).await?;
                say(&format!("{}: {} distinct files indexed", product.name, built.documents))?;
            }
            portal.log.close().await;
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub(super) async fn audit(command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify(args) => verify(args).await,
        AuditCommand::Export(args) => {
            let config = existing(&args.installation)?;
            let entropy = entropy()?;
            let database = installation::database(&config).await?;
            let log = installation::log(&config, &database, &(Arc::new(SystemClock) as _), &entropy).await?;
            audit::export(&log, &context(&entropy), &args, &mut std::io::stdout()).await?;
            log.close().await;
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Key(args) => key(&args).await,
        AuditCommand::Relist(at) => {
            let config = existing(&at)?;
            let _lock = installation::lock(&config)?;
            let database = installation::database(&config).await?;
            let log = installation::log(&config, &database, &(Arc::new(SystemClock) as _), &entropy()?).await?;
            let size = log.list_anew().await?;
            log.close().await;
            say(&format!("{size} entries are listed as they are."))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Shows the log's key, makes it when there is none yet, or changes it.
async fn key(args: &audit::KeyArgs) -> anyhow::Result<ExitCode> {
    let entropy = entropy()?;
    if !args.rotate {
        let config = configured(&args.installation)?;
        let key = match read_public(&config.keys()) {
            Ok(key) => key,
            Err(_) => installation::key(&config, &installation::database(&config).await?, &entropy).await?.public().clone(),
        };
        audit::key(&key, &mut std::io::stdout())?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = existing(&args.installation)?;
    let _lock = installation::lock(&config)?;
    let database = installation::database(&config).await?;
    let log = installation::log(&config, &database, &(Arc::new(SystemClock) as _), &entropy).await?;
    let old = log.public_key().clone();
    let new = log.change_key(&config.keys(), &entropy, &context(&entropy)).await?;
    log.close().await;
    // Opened anew it verifies all of itself, and keeps a checkpoint that the new key has signed.
    let log = installation::log(&config, &database, &(Arc::new(SystemClock) as _), &entropy).await?;
    log.close().await;
    say(&format!("The key was changed. The old one, which signed the hand-over, was:\n{old}"))?;
    say(
        "Whoever verifies with it follows the hand-over, which the portal and every export publish beside the checkpoint. Witnesses must be",
    )?;
    say("given the new key, and so must every other portal of this log: copy the directory of keys to it.")?;
    audit::key(&new, &mut std::io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

/// Verifies from what is published. Without a target it is the installation's own log, through the same door.
async fn verify(command: audit::VerifyCommand) -> anyhow::Result<ExitCode> {
    let audit::VerifyCommand { args, installation: at } = command;
    let named = at.data.is_some() || at.config.is_some();
    let config = if named { Some(existing(&at)?) } else { existing(&at).ok() };
    let mut own = None;
    if args.what.is_empty()
        && let Some(config) = &config
    {
        let database = installation::database(config).await?;
        let log = installation::log(config, &database, &(Arc::new(SystemClock) as _), &entropy()?).await?;
        own = Some(Own { log, runtime: tokio::runtime::Handle::current() });
    }
    // The token of an installation is shown only to an address that was given together with it, and a key found by chance in the
    // default directory is not one that was handed over for this log.
    let token = config.as_ref().filter(|_| named).and_then(|config| std::fs::read_to_string(installation::token_file(&config.keys())).ok());
    let token = token.map(|token| token.trim().to_owned());
    let key = match &config {
        Some(config) if named || own.is_some() => Some(read_public(&config.keys())?),
        _ => None,
    };
    let exit = tokio::task::spawn_blocking(move || {
        let own = own.as_ref().map(|own| own as &dyn crate::audit::Artefacts);
        audit::verify(&args, audit::Known { own, key, token }, &mut std::io::stdout())
    })
    .await??;
    Ok(ExitCode::from(exit as u8))
}
