//! A portal to test: the real router in this process, a real database, a clock that stands still, seeded randomness, and a
//! library with a canary in every file. When it is dropped it checks that the log says all that was shown.

pub(crate) mod client;
pub(crate) mod disk;
pub(crate) mod git_host;
pub(crate) mod library;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod strace;
mod witness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use lectern::accounts::{NewAccount, Password, Principal, Role, StepUp};
use lectern::audit::{Context, Draft, Entry, Filter, Kind, Outcome};
use lectern::catalog::{NewProduct, Product, RepoPath};
use lectern::cli::installation;
use lectern::clock::{Clock, FixedClock, SharedClock, Timestamp};
use lectern::config::{Config, PasswordConfig};
use lectern::entitlements::{NewAgency, NewAgreement, PathScope, Proposal, Readers, Window};
use lectern::ids::{AccountId, AgreementId, EntitlementId, Entropy, RequestId};
use lectern::web::Route;
use tempfile::TempDir;
use tower_sessions::Session;

pub(crate) use client::Client;
use library::{Library, PRODUCTS};
use witness::Witness;
pub(crate) use witness::canaries_in;
pub(crate) use witness::places as witness_places;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// Makes of each function over a backend one test on SQLite and one on PostgreSQL.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::harness::Backend::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if crate::harness::postgres::is_there() {
                    super::$name(crate::harness::Backend::Postgres).await;
                }
            })*
        }
    };
}
pub(crate) use on_both;

/// Somebody with an account.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: AccountId,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) role: Role,
}

/// What a reviewer is to be granted.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) product: &'static str,
    pub(crate) versions: Vec<&'static str>,
    pub(crate) includes: Vec<&'static str>,
    pub(crate) excludes: Vec<&'static str>,
    /// From now on and until then.
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl Grant {
    /// All of a product, for a year.
    pub(crate) fn of(product: &'static str) -> Self {
        Self { product, versions: vec!["*"], includes: vec![""], excludes: Vec::new(), from: Duration::ZERO, until: 365 * DAY }
    }

    pub(crate) fn versions(self, versions: &[&'static str]) -> Self {
        Self { versions: versions.to_vec(), ..self }
    }

    pub(crate) fn paths(self, includes: &[&'static str], excludes: &[&'static str]) -> Self {
        Self { includes: includes.to_vec(), excludes: excludes.to_vec(), ..self }
    }
}

/// An agency with an agreement.
#[derive(Clone, Debug)]
pub(crate) struct Agency {
    pub(crate) id: lectern::ids::AgencyId,
    pub(crate) name: String,
    pub(crate) agreement: AgreementId,
}

/// Somebody signed in, with the proofs that rooms ask for.
pub(crate) struct Desk {
    pub(crate) principal: Principal,
    pub(crate) step_up: StepUp,
}

pub(crate) struct Portal {
    pub(crate) rooms: Arc<lectern::web::Portal>,
    pub(crate) routes: Vec<Route>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) library: Arc<Library>,
    pub(crate) backend: Backend,
    pub(crate) auditor: Person,
    pub(crate) administrators: [Person; 2],
    _home: TempDir,
    router: Router,
    witness: Arc<Witness>,
    counter: AtomicU64,
    unchecked: AtomicBool,
    runtime: tokio::runtime::Handle,
}

impl Portal {
    /// With the whole library.
    pub(crate) async fn start(backend: Backend) -> Self {
        let portal = Self::bare(backend).await;
        for product in PRODUCTS {
            portal.bring(product).await;
        }
        portal
    }

    /// Without products.
    pub(crate) async fn bare(backend: Backend) -> Self {
        Self::with(backend, |_| {}).await
    }

    pub(crate) async fn with(backend: Backend, change: impl FnOnce(&mut Config)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut config = Config::for_data(&home.path().join("data")).unwrap();
        // As cheap as Argon2 takes it.
        config.password = PasswordConfig { memory_kib: 16, passes: 1, lanes: 1 };
        // Machines that test are slow, and nothing here is about being late.
        config.log.deadline = Duration::from_secs(30);
        config.reading.highlight_deadline = Duration::from_secs(60);
        config.reading.history_deadline = Duration::from_secs(600);
        config.search.deadline = Duration::from_secs(600);
        config.search.stream_after = Duration::from_secs(60);
        config.search.patience = Duration::from_secs(60);
        config.search.budget = Duration::from_secs(86_400);
        if backend == Backend::Postgres {
            config.database = postgres::database();
            // The cluster of the tests does not sync: what it holds is thrown away.
            config.allow_unsafe_database = true;
        }
        change(&mut config);
        let clock = Arc::new(FixedClock::at(Timestamp::parse("2027-02-03T09:30:00Z").unwrap()));
        Self::open(backend, config, home, clock).await
    }

    async fn open(backend: Backend, config: Config, home: TempDir, clock: Arc<FixedClock>) -> Self {
        let shared: SharedClock = Arc::clone(&clock) as SharedClock;
        let rooms = installation::open(config, shared, Entropy::seeded(42)).await.unwrap();
        let (router, table) = lectern::web::router(&rooms);
        let library = Arc::new(Library::write(&home.path().join("upstream")));
        let auditor = account(&rooms, "auditor@vendor.example", Role::Auditor, None).await;
        let first = account(&rooms, "first.administrator@vendor.example", Role::Administrator, None).await;
        let second = account(&rooms, "second.administrator@vendor.example", Role::Administrator, None).await;
        Self {
            rooms,
            routes: table,
            clock,
            library,
            backend,
            auditor,
            administrators: [first, second],
            _home: home,
            router,
            witness: Arc::default(),
            counter: AtomicU64::new(0),
            unchecked: AtomicBool::new(false),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    pub(crate) fn context(&self) -> Context {
        Context::internal(RequestId::random(&self.rooms.entropy))
    }

    /// Adds a product of the library, and fetches nothing yet.
    pub(crate) async fn add(&self, product: &str) -> Product {
        let new = NewProduct {
            name: product.to_owned(),
            title: format!("The {product}"),
            source: self.library.source(product),
            tags: vec!["v*".to_owned()],
            branches: Vec::new(),
        };
        self.rooms.catalog.add(new, Draft::new(Kind::ProductCreated, Outcome::Done), &self.context()).await.unwrap()
    }

    /// Fetches, publishes and indexes a product of the library.
    pub(crate) async fn bring(&self, product: &str) {
        let product = self.add(product).await;
        let quiet: lectern::jobs::Watch = Arc::new(|_| {});
        let (synced, _built) = self.rooms.jobs.bring_up_to_date(&product, &quiet).await.unwrap();
        assert_eq!(synced.versions, library::VERSIONS.len());
    }

    /// A browser that nobody has signed in with yet.
    pub(crate) fn stranger(&self) -> Client {
        Client {
            rooms: Arc::clone(&self.rooms),
            router: self.router.clone(),
            library: Arc::clone(&self.library),
            witness: Arc::clone(&self.witness),
            cookie: Arc::default(),
            asked: Arc::default(),
            who: None,
            address: "192.0.2.7:5000",
        }
    }

    pub(crate) async fn sign_in(&self, person: &Person) -> Client {
        let mut client = self.stranger();
        client.sign_in(person).await.is(303);
        client
    }

    /// An agency with an agreement that runs from yesterday for two years.
    pub(crate) async fn agency(&self) -> Agency {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let name = format!("Agency {number}");
        let agency = self.rooms.entitlements.add_agency(NewAgency::named(&name, "Atlantis"), None, &self.context()).await.unwrap();
        let now = self.clock.now();
        let term = Window { from: now.minus(DAY), until: now.plus(730 * DAY) };
        let reference = format!("GSP-{number}");
        let agreement = self
            .rooms
            .entitlements
            .add_agreement(NewAgreement::signed(agency.id.clone(), &reference, term), None, &self.context())
            .await
            .unwrap();
        Agency { id: agency.id, name, agreement: agreement.id }
    }

    /// A reviewer of the agency whom no agreement names.
    pub(crate) async fn unnamed(&self, agency: &Agency) -> Person {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        account(&self.rooms, &format!("reviewer.{number}@agency.example"), Role::Reviewer, Some(agency)).await
    }

    /// A reviewer of the agency, named in its agreement.
    pub(crate) async fn named(&self, agency: &Agency) -> Person {
        let person = self.unnamed(agency).await;
        self.rooms.entitlements.name_person(&agency.agreement, &person.id, &self.context()).await.unwrap();
        person
    }

    /// One more auditor or administrator.
    pub(crate) async fn colleague(&self, role: Role) -> Person {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        account(&self.rooms, &format!("colleague.{number}@vendor.example"), role, None).await
    }

    /// Somebody whom one administrator invites and, where it takes two, the other approves.
    pub(crate) async fn invited(&self, role: Role, agency: Option<&Agency>, by: &Person, second: &Person) -> Person {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let email = format!("invited.{number}@somewhere.example");
        let password = Password::random(&self.rooms.entropy).reveal().to_owned();
        let new = NewAccount { email: email.clone(), name: format!("Invited {number}"), role, agency: agency.map(|of| of.id.clone()) };
        let (accounts, context) = (&self.rooms.accounts, self.context());
        let (id, link) = accounts.invite(new, Some(&self.desk(by).await.principal), &context).await.unwrap();
        if role != Role::Reviewer {
            let invitation = accounts.invitation_of(&id).await.unwrap().unwrap();
            accounts.approve_invitation(&invitation.id, &self.desk(second).await.step_up, &context).await.unwrap();
        }
        let secret = link.path().rsplit('/').next().unwrap().to_owned();
        accounts.accept_invitation(&secret, Password::new(password.clone()), &context).await.unwrap();
        Person { id, email, password, role }
    }

    /// A browser at another process of the same portal, configured otherwise.
    pub(crate) async fn beside(&self, change: impl FnOnce(&mut Config)) -> Client {
        let mut config = self.rooms.config.clone();
        change(&mut config);
        let shared: SharedClock = Arc::clone(&self.clock) as SharedClock;
        let rooms = installation::open(config, shared, Entropy::seeded(43)).await.unwrap();
        let (router, _) = lectern::web::router(&rooms);
        Client { rooms, router, ..self.stranger() }
    }

    /// A reviewer of an agency of their own, with these grants in force.
    pub(crate) async fn reviewer(&self, grants: &[Grant]) -> Person {
        let agency = self.agency().await;
        let person = self.named(&agency).await;
        for grant in grants {
            self.grant(&agency, grant).await;
        }
        person
    }

    /// A reviewer who may read everything, signed in.
    pub(crate) async fn reader(&self) -> Client {
        let person = self.reviewer(&PRODUCTS.map(Grant::of)).await;
        self.sign_in(&person).await
    }

    pub(crate) async fn propose(&self, agency: &Agency, grant: &Grant) -> EntitlementId {
        let product = self.rooms.catalog.product(grant.product).await.unwrap().unwrap();
        let paths = |texts: &[&str]| texts.iter().map(|text| RepoPath::parse(text.as_bytes()).unwrap()).collect();
        let now = self.clock.now();
        let proposal = Proposal {
            agreement: agency.agreement.clone(),
            versions: grant.versions.iter().map(ToString::to_string).collect(),
            scope: PathScope { includes: paths(&grant.includes), excludes: paths(&grant.excludes) },
            window: Window { from: now.plus(grant.from), until: now.plus(grant.until) },
            readers: Readers::Everybody,
            purpose: "review".to_owned(),
            needed: 1,
        };
        let by = self.desk(&self.administrators[0]).await;
        self.rooms.entitlements.propose(proposal, &product, &by.principal, &self.context()).await.unwrap()
    }

    /// Proposed by one administrator and approved by the other.
    pub(crate) async fn grant(&self, agency: &Agency, grant: &Grant) -> EntitlementId {
        let id = self.propose(agency, grant).await;
        let by = self.desk(&self.administrators[1]).await;
        self.rooms.entitlements.approve(&id, &by.step_up, &self.context()).await.unwrap();
        id
    }

    /// The proofs of somebody who has just signed in over HTTP.
    pub(crate) async fn desk(&self, person: &Person) -> Desk {
        let client = self.sign_in(person).await;
        let id = client.cookie().unwrap().parse().unwrap();
        let session = Session::new(Some(id), Arc::new(self.rooms.accounts.sessions()), None);
        let principal = self.rooms.accounts.principal(&session, None).await.unwrap().unwrap();
        let step_up = self.rooms.accounts.stepped_up(&principal).unwrap();
        Desk { principal, step_up }
    }

    /// The entries that pass a filter, oldest first.
    pub(crate) async fn entries(&self, filter: Filter) -> Vec<Entry> {
        let mut entries = self.rooms.log.list(&filter, 10_000).await.unwrap().entries;
        entries.reverse();
        entries
    }

    /// What this person was refused, oldest first.
    pub(crate) async fn refusals(&self, person: &AccountId) -> Vec<Entry> {
        self.entries(Filter { person: Some(person.to_string()), kind: Some(Kind::AccessDenied), ..Filter::default() }).await
    }

    /// What does not hold now of what a drop checks.
    pub(crate) async fn what_is_wrong(&self) -> Vec<String> {
        self.witness.check(&self.rooms, &self.library).await
    }

    /// As if the portal had answered this: the log is not asked to say so.
    pub(crate) async fn pretend(&self, client: &Client, address: &str, body: &[u8]) {
        let size = self.rooms.log.size().await.unwrap();
        client.seen(address, (size, size), body, address);
    }

    /// For tests that break a promise on purpose, to see that the check finds it.
    pub(crate) fn do_not_check(&self) {
        self.unchecked.store(true, Ordering::Relaxed);
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        let check = !std::thread::panicking() && !self.unchecked.load(Ordering::Relaxed);
        let work = async {
            let wrong = if check { self.what_is_wrong().await } else { Vec::new() };
            self.rooms.jobs.stop();
            self.rooms.log.close().await;
            self.rooms.database.close().await;
            wrong
        };
        let wrong = std::thread::scope(|scope| scope.spawn(|| self.runtime.block_on(work)).join().unwrap());
        assert!(wrong.is_empty(), "when the portal was closed:\n{}", wrong.join("\n"));
    }
}

async fn account(rooms: &lectern::web::Portal, email: &str, role: Role, agency: Option<&Agency>) -> Person {
    let password = Password::random(&rooms.entropy).reveal().to_owned();
    let new =
        NewAccount { email: email.to_owned(), name: format!("Name of {email}"), role, agency: agency.map(|agency| agency.id.clone()) };
    let context = Context::internal(RequestId::random(&rooms.entropy));
    let id = rooms.accounts.create(new, Password::new(password.clone()), &context).await.unwrap();
    Person { id, email: email.to_owned(), password, role }
}
