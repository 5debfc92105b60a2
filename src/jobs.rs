//! Bringing source into the house: fetch it, publish what is new, index it. Whole, step by step, or from the queue.
//!
//! The only place that holds the [`MachineReader`].

mod corpus;
mod history;
mod progress;
mod symbols;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corpus::ProductCorpus;
pub use progress::{DiskUse, Doing, Figures};
use tokio::sync::Notify;

use crate::audit::{self, Context, Draft, Log, LogUnavailable, Outcome};
use crate::catalog::{
    Catalog, CatalogError, NewVersion, Product, Published, Purpose, RepoPath, Signature, Signers, Unranked, Verdict, Version,
};
use crate::clock::Timestamp;
use crate::database::{Database, DatabaseError, Kind};
use crate::entitlements::Entitlements;
use crate::ids::{Entropy, RequestId};
use crate::mirrors::naming::{self, Wanted, newest_first};
use crate::mirrors::{self, Credentials, FetchError, Fetched, Mirror, Ref, RefKind, SignatureKind, Source};
use crate::queue::{Job, Queue, Task};
use crate::search::{self, Built, IndexWriter, Indexes, SearchError, VersionKey};
use crate::source::{MachineReader, ObjectId, SourceError};
use crate::symbols::{Imported, SymbolError, Symbols};

#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{0}")]
    Pattern(#[from] naming::PatternError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("the credentials that are kept for it cannot be read: set them anew on its settings page")]
    Credentials,
    #[error("the index of {product} could not be built: {cause}")]
    Index { product: String, cause: SearchError },
    #[error("the history of {product} could not be indexed: {cause}")]
    History { product: String, cause: SearchError },
    #[error("the table of {product}'s history could not be made: {cause}")]
    Past { product: String, cause: SourceError },
    #[error("the symbols of {product} could not be taken: {cause}")]
    Symbols { product: String, cause: SymbolError },
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    #[error("there is no version {version} of {product}")]
    NoVersion { product: String, version: String },
    #[error("no tag or branch of {product} fits its patterns ({patterns}); upstream has {tags} tags and {branches} branches")]
    NothingWanted { product: String, patterns: String, tags: usize, branches: usize },
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the work was broken off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// What is under way, for whoever watches.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Fetch(mirrors::Progress),
    Index(search::Progress),
    History(search::HistoryProgress),
    Symbols(crate::symbols::Progress),
}

/// Takes steps, many times a second, on any thread.
pub type Watch = Arc<dyn Fn(Step) + Send + Sync>;

/// What a synchronisation brought.
#[derive(Clone, Debug)]
pub struct Synced {
    pub published: Published,
    /// New objects and bytes.
    pub objects: u64,
    pub bytes: u64,
    /// Wanted references that could not be taken, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// All versions there are now.
    pub versions: usize,
}

#[derive(Clone)]
pub struct Jobs {
    database: Database,
    log: Log,
    catalog: Catalog,
    entitlements: Entitlements,
    queue: Queue,
    mirrors: PathBuf,
    reader: MachineReader,
    indexes: Arc<Indexes>,
    symbols: Arc<Symbols>,
    entropy: Entropy,
    stop: Arc<AtomicBool>,
    wake: Arc<Notify>,
}

impl Jobs {
    #[must_use]
    pub fn new(
        (database, log): (Database, Log),
        (catalog, entitlements): (Catalog, Entitlements),
        queue: Queue,
        mirrors: PathBuf,
        (reader, indexes, symbols): (MachineReader, Arc<Indexes>, Arc<Symbols>),
        entropy: Entropy,
    ) -> Self {
        let (stop, wake) = (Arc::default(), Arc::default());
        Self { database, log, catalog, entitlements, queue, mirrors, reader, indexes, symbols, entropy, stop, wake }
    }

    /// Fetches a product's source, publishes what is new and indexes it.
    pub async fn bring_up_to_date(&self, product: &Product, watch: &Watch) -> Result<(Synced, Built), JobError> {
        let outcome = self.fetch_and_index(product, watch).await;
        self.note(product, outcome).await
    }

    /// Keeps why something failed, for the product's page.
    async fn note<T>(&self, product: &Product, outcome: Result<T, JobError>) -> Result<T, JobError> {
        if let Err(problem) = &outcome
            && !self.stop.load(Ordering::Relaxed)
        {
            self.catalog.note_problem(&product.id, &problem.to_string()).await?;
        }
        outcome
    }

    async fn fetch_and_index(&self, product: &Product, watch: &Watch) -> Result<(Synced, Built), JobError> {
        let synced = self.synchronise(product, watch).await?;
        let built = self.index(product, watch).await?;
        Ok((synced, built))
    }

    /// Fetches a product's source and publishes what is new.
    pub async fn synchronise(&self, product: &Product, watch: &Watch) -> Result<Synced, JobError> {
        let known = self.catalog.every_version(&product.id).await?;
        let fetched = self.fetch(product, watch).await?;
        let mut found = to_publish(&fetched.refs, &known);
        let signers = Signers::parse(&product.settings.signers)?;
        let ids = found.iter().map(|new| new.tag.clone().unwrap_or_else(|| new.commit.clone())).collect();
        for (new, verdict) in found.iter_mut().zip(self.verdicts(product, signers, ids).await?) {
            new.verdict = verdict;
        }
        if found.is_empty() && known.is_empty() && fetched.tags_upstream + fetched.branches_upstream > 0 {
            return Err(JobError::NothingWanted {
                product: product.name.clone(),
                patterns: product.tags.iter().chain(&product.branches).cloned().collect::<Vec<_>>().join(", "),
                tags: fetched.tags_upstream,
                branches: fetched.branches_upstream,
            });
        }
        self.accept(product, &fetched, &found).await?;
        let context = Context::internal(RequestId::random(&self.entropy));
        let published = self.catalog.publish(product, &found, newest_versions_first, &context).await?;
        Ok(Synced {
            versions: known.len() + published.new.len(),
            published,
            objects: fetched.objects,
            bytes: fetched.bytes,
            skipped: fetched.skipped.into_iter().map(|one| (one.name, one.reason)).collect(),
        })
    }

    /// As [`Jobs::synchronise`]; a repository without any tag that fits publishes its default branch instead, from then on.
    pub async fn synchronise_or_branch(&self, product: &Product, watch: &Watch) -> Result<Synced, JobError> {
        let outcome = self.synchronise(product, watch).await;
        let Err(JobError::NothingWanted { .. }) = &outcome else { return outcome };
        let fetched = self.fetch(product, watch).await?;
        let Some(branch) = fetched.default_branch else { return outcome };
        let product = Product { branches: vec![branch], ..product.clone() };
        self.catalog.set_origin(&product).await?;
        self.synchronise(&product, watch).await
    }

    /// The first directory, by name, of a product's newest version.
    pub async fn first_directory(&self, product: &Product) -> Result<Option<RepoPath>, JobError> {
        let Some(newest) = self.catalog.versions(&product.id).await?.into_iter().next() else { return Ok(None) };
        let (reader, name) = (self.reader.clone(), product.name.clone());
        let work = tokio::task::spawn_blocking(move || {
            let commit = ObjectId::parse(&newest.commit)?;
            let mut first: Option<RepoPath> = None;
            let mut visit = |path: &RepoPath, _, _| {
                let trail = path.parent().trail().into_iter().next();
                if let Some(directory) = trail.filter(|directory| first.as_ref().is_none_or(|first| directory < first)) {
                    first = Some(directory);
                }
            };
            reader.walker(&name).ok()?.walk(commit, &mut visit).ok()?;
            first
        });
        Ok(work.await?)
    }

    async fn fetch(&self, product: &Product, watch: &Watch) -> Result<Fetched, JobError> {
        let mirror = Mirror::at(&self.mirrors, &product.name)?;
        let source = Source::parse(&product.source)?;
        let wanted = Wanted::parse(&product.tags, &product.branches)?;
        let credentials = match self.catalog.secret(&product.name, Purpose::Credentials).await? {
            Some(secret) => Credentials::from_json(secret.reveal()).map_err(|_| JobError::Credentials)?,
            None => Credentials::None,
        };
        let (entropy, watch, stop) = (self.entropy.clone(), Arc::clone(watch), Arc::clone(&self.stop));
        let work = tokio::task::spawn_blocking(move || {
            let request = mirrors::Request { source: &source, wanted: &wanted, credentials: &credentials };
            mirror.fetch(request, &entropy, &mut |progress| watch(Step::Fetch(progress)), &stop)
        });
        Ok(work.await??)
    }

    /// Keeps what is about to be published for good. What moved upstream is not among it.
    async fn accept(&self, product: &Product, fetched: &Fetched, found: &[NewVersion]) -> Result<(), JobError> {
        let known = self.catalog.every_version(&product.id).await?;
        let is_new = |one: &Ref| {
            let name = one.full_name();
            found.iter().any(|new| new.reference == name) && (one.kind == RefKind::Branch || !known.iter().any(|v| v.reference == name))
        };
        let accepted: Vec<Ref> = fetched.refs.iter().filter(|one| is_new(one)).cloned().collect();
        let mirror = Mirror::at(&self.mirrors, &product.name)?;
        let work = tokio::task::spawn_blocking(move || mirror.accept(&accepted.iter().collect::<Vec<_>>()));
        work.await??;
        self.reader.forget(&product.name);
        Ok(())
    }

    /// Indexes the versions of a product that are not yet, their symbols and their history, and serves the result. The files come
    /// first: they can be searched while the rest is read.
    pub async fn index(&self, product: &Product, watch: &Watch) -> Result<Built, JobError> {
        self.build(product, false, watch).await
    }

    /// Builds a product's index from nothing. What is served is served until that is whole.
    pub async fn rebuild(&self, product: &Product, watch: &Watch) -> Result<Built, JobError> {
        self.build(product, true, watch).await
    }

    /// Keeps what each commit of a product's versions did to which path; part of indexing it.
    pub async fn keep_past(&self, product: &Product) -> Result<(), JobError> {
        let versions = self.catalog.versions(&product.id).await?;
        let (reader, stop, name) = (self.reader.clone(), Arc::clone(&self.stop), product.name.clone());
        let work = tokio::task::spawn_blocking(move || {
            history::keep_past(&reader, (&name, false), &versions, &stop).map_err(|cause| JobError::Past { product: name, cause })
        });
        work.await?
    }

    async fn build(&self, product: &Product, anew: bool, watch: &Watch) -> Result<Built, JobError> {
        let versions = self.catalog.versions(&product.id).await?;
        let (reader, indexes, watch, stop) = (self.reader.clone(), Arc::clone(&self.indexes), Arc::clone(watch), Arc::clone(&self.stop));
        let (name, symbols) = (product.name.clone(), Arc::clone(&self.symbols));
        let work = tokio::task::spawn_blocking(move || {
            let built = match build(&reader, &indexes, (&name, anew), &versions, &watch, &stop) {
                Ok(built) => built,
                Err(cause) => return Err(JobError::Index { product: name, cause }),
            };
            if let Err(cause) = symbols::build(&reader, &symbols, (&name, anew), &versions, &watch, &stop) {
                return Err(JobError::Symbols { product: name, cause });
            }
            if let Err(cause) = history::build(&reader, &indexes, (&name, anew), &versions, &watch, &stop) {
                return Err(JobError::History { product: name, cause });
            }
            match history::keep_past(&reader, (&name, anew), &versions, &stop) {
                Ok(()) => Ok(built),
                Err(cause) => Err(JobError::Past { product: name, cause }),
            }
        });
        work.await?
    }

    /// Imports a SCIP index for a version: portals that run take it from then on. It changes what readers are told, so the log says so
    /// before it does.
    pub async fn import_scip(&self, product: &str, version: &str, file: &Path) -> Result<Imported, JobError> {
        let missing = || JobError::NoVersion { product: product.to_owned(), version: version.to_owned() };
        let found = self.catalog.locate(product, version).await?.ok_or_else(missing)?;
        let failed = |cause| JobError::Symbols { product: product.to_owned(), cause };
        let (reader, file, directory) = (self.reader.clone(), file.to_owned(), self.symbols.directory_of(product));
        let (name, commit) = (product.to_owned(), found.commit.clone());
        let work = tokio::task::spawn_blocking(move || crate::symbols::import(&reader, &name, &commit, &file, &directory));
        let import = work.await?.map_err(failed)?;
        let mut draft = Draft::new(audit::Kind::SymbolsImported, Outcome::Done).fact("by", "command line");
        draft.place = Some(audit::Place {
            product: product.to_owned(),
            version: Some(found.name),
            commit: Some(found.commit),
            ..audit::Place::default()
        });
        let draft = draft.fact("sha256", import.sha256.as_str()).fact("size", import.size);
        let draft = draft.fact("files", import.brought.files).fact("definitions", import.brought.definitions);
        let draft = draft.fact("references", import.brought.references);
        let receipt = self.log.append(draft, &Context::internal(RequestId::random(&self.entropy))).await?;
        import.serve(&receipt).map_err(failed)
    }

    /// Asks for a synchronisation, to be done apart from the request.
    pub async fn request_sync(&self, product: &Product) -> Result<(), JobError> {
        let mut tx = self.database.begin().await?;
        self.queue.enqueue(&mut tx, Task::Synchronise, product.id.as_str()).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        self.hurry();
        Ok(())
    }

    /// Has the worker look for what was just asked for.
    pub fn hurry(&self) {
        self.wake.notify_one();
    }

    /// How much of a product's versions can be searched, a sentence.
    #[must_use]
    pub fn index_state(&self, product: &Product, versions: &[Version]) -> String {
        let Some(index) = self.indexes.get(&product.name) else { return "Not indexed yet.".to_owned() };
        let held = versions.iter().filter(|v| index.versions().any(|(key, _)| key.name == v.name && key.commit == v.commit)).count();
        let files = index.documents();
        let rest = [history::state(&self.indexes, product, versions), symbols::state(&self.symbols, product, versions)].join(" ");
        if held == versions.len() {
            format!("All {held} versions are indexed: {files} distinct files. {rest}")
        } else {
            format!("{held} of {} versions are indexed: {files} distinct files. {rest}", versions.len())
        }
    }

    /// Serves every index there is on disk; gives the products whose index is missing, damaged or behind.
    pub async fn open_indexes(&self) -> Result<Vec<Product>, JobError> {
        let mut behind = Vec::new();
        for product in self.catalog.products().await? {
            let versions = self.catalog.versions(&product.id).await?;
            let (indexes, symbols, name) = (Arc::clone(&self.indexes), Arc::clone(&self.symbols), product.name.clone());
            let opened = tokio::task::spawn_blocking(move || {
                // One that cannot be opened is found not to be whole below.
                let _ = indexes.reload_history(&name);
                let _ = symbols.reload(&name);
                indexes.reload(&name)
            });
            let opened = opened.await?;
            let whole = opened.is_ok_and(|index| {
                let held: Vec<_> = index.versions().map(|(key, _)| (key.name.clone(), key.commit.clone())).collect();
                versions.iter().all(|v| held.contains(&(v.name.clone(), v.commit.clone())))
            });
            let (reader, name, heads) = (self.reader.clone(), product.name.clone(), history::heads(&versions));
            let has_past = tokio::task::spawn_blocking(move || reader.has_past(&name, &heads)).await?;
            let whole = whole && has_past && history::is_whole(&self.indexes, &product, &versions);
            let whole = whole && symbols::are_whole(&self.symbols, &product, &versions);
            if !whole && !versions.is_empty() {
                behind.push(product);
            }
        }
        Ok(behind)
    }

    /// Works on the queue until [`Jobs::stop`].
    pub async fn work(&self) {
        if self.database.kind() == Kind::Sqlite
            && let Err(cause) = self.queue.recover().await
        {
            tracing::error!(%cause, "jobs that were broken off could not be put back");
        }
        while !self.stop.load(Ordering::Relaxed) {
            self.refresh_indexes().await;
            if let Err(cause) = self.catalog.ask_for_what_is_due().await {
                tracing::error!(%cause, "what is due by schedule could not be asked for");
            }
            if let Err(cause) = self.entitlements.note_lapses().await {
                tracing::error!(%cause, "grants that have lapsed could not be noted in the log");
            }
            match self.queue.claim().await {
                Ok(Some(job)) => self.run(&job).await,
                Ok(None) => {
                    tokio::select! {
                        () = self.wake.notified() => {}
                        () = tokio::time::sleep(Duration::from_secs(5)) => {}
                    }
                }
                Err(cause) => {
                    tracing::error!(%cause, "the queue could not be read");
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            }
        }
    }

    /// Serves what another process has indexed meanwhile.
    async fn refresh_indexes(&self) {
        let Ok(products) = self.catalog.products().await else { return };
        let (indexes, symbols) = (Arc::clone(&self.indexes), Arc::clone(&self.symbols));
        let refreshed = tokio::task::spawn_blocking(move || {
            for product in products {
                if let Err(cause) = indexes.refresh(&product.name).and_then(|()| indexes.refresh_history(&product.name)) {
                    tracing::warn!(%cause, product = product.name, "the index could not be opened");
                }
                if let Err(cause) = symbols.refresh(&product.name) {
                    tracing::warn!(%cause, product = product.name, "the index of symbols could not be opened");
                }
            }
        });
        let _ = refreshed.await;
    }

    /// Breaks off what is under way; it is taken up again at the next start.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    async fn run(&self, job: &Job) {
        let (watch, telling) = self.tell_progress(job);
        let outcome = match self.catalog.product(&job.subject).await {
            Ok(Some(product)) => match job.task {
                Task::Synchronise => self.run_synchronise(&product, &watch).await,
                Task::Index => self.run_index(&product, &watch).await,
                Task::Signatures => self.check_signatures(&product).await,
            },
            Ok(None) => Ok(()),
            Err(problem) => Err(problem.into()),
        };
        telling.abort();
        let noted = match outcome {
            Ok(()) => self.queue.done(job).await,
            Err(problem) => {
                tracing::warn!(%problem, job = %job.id, "a job failed");
                self.queue.failed(job, &problem.to_string()).await
            }
        };
        if let Err(cause) = noted {
            tracing::error!(%cause, job = %job.id, "the outcome of a job could not be kept");
        }
    }

    async fn run_synchronise(&self, product: &Product, watch: &Watch) -> Result<(), JobError> {
        let (synced, _) = self.bring_up_to_date(product, watch).await?;
        tracing::info!(product = product.name, new = synced.published.new.len(), moved = synced.published.moved.len(), "synchronised");
        Ok(())
    }

    /// Checks the signatures of all versions, whatever their standing, by the signers that are named now.
    async fn check_signatures(&self, product: &Product) -> Result<(), JobError> {
        let versions = self.catalog.every_version(&product.id).await?;
        let ids = versions.iter().map(|version| version.tag.clone().unwrap_or_else(|| version.commit.clone())).collect();
        let verdicts = self.verdicts(product, Signers::parse(&product.settings.signers)?, ids).await?;
        let verdicts: Vec<_> = versions.into_iter().map(|version| version.id).zip(verdicts).collect();
        Ok(self.catalog.note_verdicts(&verdicts).await?)
    }

    /// What the signatures of these tags and commits are worth, in their order.
    async fn verdicts(&self, product: &Product, signers: Signers, ids: Vec<String>) -> Result<Vec<Verdict>, JobError> {
        let mirror = Mirror::at(&self.mirrors, &product.name)?;
        let work = tokio::task::spawn_blocking(move || {
            let signed = mirror.signed(&ids)?;
            let check = |signed: Option<mirrors::Signed>| signed.map_or(Verdict::Unchecked, |one| signers.check(&one.text, &one.signature));
            Ok::<_, JobError>(signed.into_iter().map(check).collect())
        });
        work.await?
    }

    async fn run_index(&self, product: &Product, watch: &Watch) -> Result<(), JobError> {
        let outcome = self.index(product, watch).await.map(|_| ());
        self.note(product, outcome).await
    }

    /// Works off what is due now, and returns.
    pub async fn work_off(&self) -> Result<(), JobError> {
        self.catalog.ask_for_what_is_due().await?;
        while let Some(job) = self.queue.claim().await? {
            self.run(&job).await;
        }
        Ok(())
    }
}

/// What the references found are published as. One that was published before keeps its name; a branch that has gone on
/// becomes a further version, named with its commit.
fn to_publish(refs: &[Ref], known: &[Version]) -> Vec<NewVersion> {
    let mut taken: Vec<String> = known.iter().map(|version| version.name.clone()).collect();
    let mut found = Vec::new();
    for one in refs {
        let commit = one.commit.to_string();
        let reference = one.full_name();
        let mut before = known.iter().filter(|version| version.reference == reference).peekable();
        let name = match before.peek() {
            Some(first) if one.kind == RefKind::Tag => first.name.clone(),
            Some(_) => match before.find(|version| version.commit == commit) {
                Some(same) => same.name.clone(),
                None => format!("{}-{}", naming::slug(&one.name), commit.get(..7).unwrap_or(&commit)),
            },
            None => naming::slugs(std::slice::from_ref(&one.name), &taken).pop().unwrap_or_default(),
        };
        taken.push(name.clone());
        found.push(NewVersion {
            name,
            reference,
            commit,
            tag: one.tag.map(|tag| tag.to_string()),
            signature: one.signature.map_or(Signature::None, |kind| match kind {
                SignatureKind::OpenPgp => Signature::OpenPgp,
                SignatureKind::Ssh => Signature::Ssh,
                SignatureKind::X509 => Signature::X509,
            }),
            verdict: Verdict::Unchecked,
            authored_at: Timestamp::from_seconds(one.time),
        });
    }
    found
}

/// Versions from tags by their numbers, then those from branches by their time; newest first.
fn newest_versions_first(versions: Vec<Unranked>) -> Vec<String> {
    let (tags, mut branches): (Vec<_>, Vec<_>) = versions.into_iter().partition(|one| one.reference.starts_with("refs/tags/"));
    let tags = newest_first(tags, |one| naming::VersionKey::of(&one.name, one.authored_at.seconds()));
    branches.sort_by_key(|one| std::cmp::Reverse(one.authored_at));
    tags.into_iter().chain(branches).map(|one| one.name).collect()
}

fn build(
    reader: &MachineReader,
    indexes: &Indexes,
    (product, anew): (&str, bool),
    versions: &[Version],
    watch: &Watch,
    stop: &AtomicBool,
) -> Result<Built, SearchError> {
    let previous = indexes.reload(product).ok().filter(|_| !anew);
    let keys = versions.iter().map(|v| VersionKey { name: v.name.clone(), commit: v.commit.clone() }).collect();
    let walker = reader.walker(product).map_err(|cause| SearchError::Corpus(cause.into()))?;
    let mut corpus = ProductCorpus::new(keys, walker);
    let writer = IndexWriter::begin(&indexes.directory_of(product), previous.as_deref())?;
    let built = writer.build(&mut corpus, &mut |progress| watch(Step::Index(progress)), stop)?;
    indexes.reload(product)?;
    Ok(built)
}
