//! Products, their versions, and places in them.
//!
//! A version pins a commit when it is fetched and is never pointed at another: when its tag moves upstream, that is
//! noted beside it and recorded. Whether it can be read at all is its standing: [`Catalog::versions`] and [`Catalog::locate`], which
//! everything that readers see comes from, know published versions only.

mod openpgp;
mod path;
mod place;
mod secrets;
mod settings;
mod signers;
mod standing;
mod store;
mod tending;

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

pub use crate::sealing::{SealingError, Secret};
pub use path::{PathError, RepoPath, name_text};
pub use place::{Place, path_text};
pub use secrets::{Kept, Purpose};
pub use settings::{Arrival, Every, Settings};
pub use signers::{Signers, Verdict};
pub use standing::{Act, Deed, Life, Standing, StandingError, TRANSITIONS};

use crate::audit::{self, Context, Draft, Kind, Log, LogUnavailable, Outcome};
use crate::clock::{SharedClock, Timestamp};
use crate::database::{Database, DatabaseError};
use crate::ids::{Entropy, ProductId, VersionId};
use crate::queue::Queue;
use crate::sealing::{self, Sealer};

#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("{0:?} is no name for a product: use 1 to 64 lower-case letters, digits, dots, dashes or underscores, a letter or digit first")]
    BadName(String),
    #[error("there is a product called {0} already")]
    NameTaken(String),
    #[error("{problem}")]
    Invalid { field: &'static str, problem: String },
    #[error("there is no such product or version")]
    Unknown,
    #[error("somebody else changed it at the same moment; look at it again")]
    Conflict,
    #[error(transparent)]
    Standing(#[from] StandingError),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Something the vendor ships and opens for review.
#[derive(Clone, Debug)]
pub struct Product {
    pub id: ProductId,
    /// As addresses show it.
    pub name: String,
    pub title: String,
    /// The URL or path its repository is fetched from.
    pub source: String,
    /// Patterns of the tags published as versions.
    pub tags: Vec<String>,
    /// Patterns of the branches published as versions.
    pub branches: Vec<String>,
    pub created_at: Timestamp,
    pub synced_at: Option<Timestamp>,
    /// Why the last synchronisation failed.
    pub problem: Option<String>,
    /// When the last synchronisation was asked for that nobody but the schedule did.
    pub scheduled_at: Option<Timestamp>,
    pub settings: Settings,
}

/// A commit of a product under a name.
#[derive(Clone, Debug)]
pub struct Version {
    pub id: VersionId,
    pub product: ProductId,
    /// As addresses show it.
    pub name: String,
    /// The full reference it was published from, `refs/tags/v2.1`.
    pub reference: String,
    pub commit: String,
    /// The tag object, where the tag is annotated.
    pub tag: Option<String>,
    pub signature: Signature,
    /// What that is worth by the product's signers.
    pub verdict: Verdict,
    pub authored_at: Timestamp,
    /// Since when it can be read; of one that waits in quarantine, when it was fetched.
    pub published_at: Timestamp,
    pub life: Life,
    /// Where upstream has pointed the reference since; not followed.
    pub moved_to: Option<String>,
    pub moved_at: Option<Timestamp>,
    /// Who has looked into that.
    pub acknowledged: Option<Act>,
}

impl Version {
    /// Whether its reference was moved upstream and nobody has looked into it yet.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        self.moved_to.is_some() && self.acknowledged.is_none()
    }
}

/// A version's name and the commit that it stands for, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub name: String,
    pub commit: String,
}

/// Whether a tag (or a branch's commit) carries a signature. Carrying one says nothing yet about whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    None,
    OpenPgp,
    Ssh,
    X509,
}

impl Signature {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::OpenPgp => "openpgp",
            Self::Ssh => "ssh",
            Self::X509 => "x509",
        }
    }

    fn parse(text: &str) -> Self {
        [Self::OpenPgp, Self::Ssh, Self::X509].into_iter().find(|kind| kind.as_str() == text).unwrap_or(Self::None)
    }
}

#[derive(Clone, Debug)]
pub struct NewProduct {
    pub name: String,
    pub title: String,
    pub source: String,
    pub tags: Vec<String>,
    pub branches: Vec<String>,
}

/// A reference that was fetched and is to be published.
#[derive(Clone, Debug)]
pub struct NewVersion {
    pub name: String,
    pub reference: String,
    pub commit: String,
    pub tag: Option<String>,
    pub signature: Signature,
    pub verdict: Verdict,
    pub authored_at: Timestamp,
}

/// A version whose place in the order is to be found.
#[derive(Clone, Debug)]
pub struct Unranked {
    pub name: String,
    pub reference: String,
    pub authored_at: Timestamp,
}

/// What publishing a fetch changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    pub new: Vec<String>,
    /// Those of them that wait in quarantine.
    pub quarantined: Vec<String>,
    /// Versions whose reference points elsewhere than when they were published, told for the first time.
    pub moved: Vec<String>,
}

#[derive(Clone)]
pub struct Catalog {
    database: Database,
    log: Log,
    queue: Queue,
    clock: SharedClock,
    entropy: Entropy,
    sealer: Sealer,
}

impl Catalog {
    /// `keys` is the directory of keys.
    #[must_use]
    pub fn new(database: Database, log: Log, clock: SharedClock, entropy: Entropy, keys: &Path) -> Self {
        let queue = Queue::new(database.clone(), Arc::clone(&clock), entropy.clone());
        let sealer = Sealer::new(keys, sealing::Kept::Mirrors, entropy.clone());
        Self { database, log, queue, clock, entropy, sealer }
    }

    pub async fn products(&self) -> Result<Vec<Product>, CatalogError> {
        Ok(store::products(&self.database).await?)
    }

    /// A version of any standing, by its name: for whoever tends it.
    pub async fn tended(&self, product: &ProductId, version: &str) -> Result<Option<Version>, CatalogError> {
        Ok(self.every_version(product).await?.into_iter().find(|one| one.name == version))
    }

    /// By name or id.
    pub async fn product(&self, key: &str) -> Result<Option<Product>, CatalogError> {
        Ok(store::find_product(&self.database, key).await?)
    }

    /// What is published, newest first.
    pub async fn versions(&self, product: &ProductId) -> Result<Vec<Version>, CatalogError> {
        let mut versions = store::versions(&self.database, product).await?;
        versions.retain(|version| version.life.standing == Standing::Published);
        Ok(versions)
    }

    /// The names of what is published and what they stand for, newest first.
    pub async fn pins(&self, product: &ProductId) -> Result<Vec<Pin>, CatalogError> {
        Ok(store::pins(&self.database, product).await?)
    }

    /// Published or not, newest first: for whoever tends them. Nothing of this is for readers.
    pub async fn every_version(&self, product: &ProductId) -> Result<Vec<Version>, CatalogError> {
        Ok(store::versions(&self.database, product).await?)
    }

    /// A published version by its product's name and its own.
    pub async fn locate(&self, product: &str, version: &str) -> Result<Option<Version>, CatalogError> {
        Ok(store::locate(&self.database, product, version).await?)
    }

    /// Adds a product; `draft` says who did.
    pub async fn add(&self, new: NewProduct, draft: Draft, context: &Context) -> Result<Product, CatalogError> {
        self.add_with(new, None, draft, context).await
    }

    /// Adds a product with the credentials for its source, and what is told of them.
    pub async fn add_with(
        &self,
        new: NewProduct,
        credentials: Option<(&Secret, &str)>,
        mut draft: Draft,
        context: &Context,
    ) -> Result<Product, CatalogError> {
        let product = self.check(new)?;
        let mut tx = self.database.begin().await?;
        store::insert_product(&mut tx, &product).await?;
        if let Some((secret, told)) = credentials {
            let by = draft.actor.as_ref().map(|actor| actor.account.clone());
            self.put(&mut tx, (&product.id, Purpose::Credentials), (secret, told), by.as_ref()).await?;
            draft = draft.fact("credentials", json!(told));
        }
        draft.place = Some(about(product.name.as_str(), None));
        draft = draft.fact("source", json!(product.source));
        draft = draft.fact("tags", json!(product.tags));
        draft = draft.fact("branches", json!(product.branches));
        self.log.commit(tx, draft, context).await.map(|()| product)
    }

    /// Publishes what a fetch brought, or puts it into quarantine: new references as versions, moved ones as a note beside theirs. The
    /// versions, their entries and the order stand or fall together.
    ///
    /// `found` holds every wanted reference there is upstream now; `order` gives the names newest first.
    pub async fn publish(
        &self,
        product: &Product,
        found: &[NewVersion],
        order: impl Fn(Vec<Unranked>) -> Vec<String>,
        context: &Context,
    ) -> Result<Published, CatalogError> {
        let now = self.clock.now();
        let known = store::versions(&self.database, &product.id).await?;
        let mut published = Published::default();
        let mut drafts = Vec::new();
        let mut tx = self.database.begin().await?;
        // As it is set now: the fetch may have taken hours.
        let arrival = store::settings(&mut tx, &product.id).await?.ok_or(CatalogError::Unknown)?.arrival;
        for new in found {
            if let Some(version) = known.iter().find(|version| version.name == new.name) {
                if version.commit != new.commit && store::note_move(&mut tx, &version.id, &new.commit, now).await? {
                    let mut draft = Draft::new(Kind::MirrorTagMoved, Outcome::Denied);
                    draft.place = Some(about(&product.name, Some((&version.name, &version.commit))));
                    draft = draft.fact("ref", json!(version.reference));
                    draft = draft.fact("from", json!(version.commit));
                    draft = draft.fact("to", json!(new.commit));
                    drafts.push(draft);
                    published.moved.push(version.name.clone());
                }
            } else if store::insert_version(&mut tx, &VersionId::random(&self.entropy), &product.id, new, (arrival.standing(), now)).await?
            {
                let mut draft = Draft::new(arrival.kind(), Outcome::Done);
                draft.place = Some(about(&product.name, Some((&new.name, &new.commit))));
                draft = draft.fact("ref", json!(new.reference));
                draft = draft.fact("signature", json!(new.signature.as_str()));
                let (verdict, about) = new.verdict.parts();
                draft = draft.fact("verdict", json!(verdict)).fact_if("signer", about).fact_if("tag", new.tag.as_deref());
                drafts.push(draft);
                published.new.push(new.name.clone());
                if arrival == Arrival::Quarantined {
                    published.quarantined.push(new.name.clone());
                }
            }
        }
        let unranked =
            |name: &str, reference: &str, authored_at| Unranked { name: name.to_owned(), reference: reference.to_owned(), authored_at };
        let new = found.iter().filter(|new| published.new.contains(&new.name));
        let known = known.iter().map(|version| unranked(&version.name, &version.reference, version.authored_at));
        let names = order(known.chain(new.map(|new| unranked(&new.name, &new.reference, new.authored_at))).collect());
        if !published.new.is_empty() {
            store::rank(&mut tx, &product.id, &names).await?;
        }
        store::note_sync(&mut tx, &product.id, now).await?;
        let mut synced = Draft::new(Kind::MirrorSynced, Outcome::Done);
        synced.place = Some(about(product.name.as_str(), None));
        synced = synced.fact("references", json!(found.len()));
        synced = synced.fact("new", json!(published.new.len()));
        if !published.quarantined.is_empty() {
            synced = synced.fact("quarantined", json!(published.quarantined.len()));
        }
        synced = synced.fact("moved", json!(published.moved.len()));
        drafts.push(synced);
        self.log.append_all_in(&mut tx, drafts, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(published)
    }

    /// Changes where a product comes from and which branches are published as versions.
    pub async fn set_origin(&self, product: &Product) -> Result<(), CatalogError> {
        Ok(store::set_origin(&self.database, &product.id, &product.source, &product.branches.join("\n")).await?)
    }

    /// Keeps what the signatures of a product's versions are worth.
    pub async fn note_verdicts(&self, verdicts: &[(VersionId, Verdict)]) -> Result<(), CatalogError> {
        let mut tx = self.database.begin().await?;
        for (version, verdict) in verdicts {
            store::note_verdict(&mut tx, version, verdict).await?;
        }
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    pub async fn note_problem(&self, product: &ProductId, problem: &str) -> Result<(), CatalogError> {
        Ok(store::note_problem(&self.database, product, problem).await?)
    }

    fn check(&self, new: NewProduct) -> Result<Product, CatalogError> {
        if !is_slug(&new.name) {
            return Err(CatalogError::BadName(new.name));
        }
        let title = if new.title.trim().is_empty() { new.name.clone() } else { new.title.trim().to_owned() };
        if title.chars().count() > 200 || title.chars().any(char::is_control) {
            return Err(invalid("title", "Write a title of 200 characters at most."));
        }
        if new.source.trim().is_empty() {
            return Err(invalid("source", "Write the URL or the path of a git repository."));
        }
        if new.tags.is_empty() && new.branches.is_empty() {
            return Err(invalid("tags", "Write a pattern of tags or of branches to publish, such as v*."));
        }
        Ok(Product {
            id: ProductId::random(&self.entropy),
            name: new.name,
            title,
            source: new.source.trim().to_owned(),
            tags: new.tags,
            branches: new.branches,
            created_at: self.clock.now(),
            synced_at: None,
            problem: None,
            scheduled_at: None,
            settings: Settings::default(),
        })
    }
}

fn invalid(field: &'static str, problem: &str) -> CatalogError {
    CatalogError::Invalid { field, problem: problem.to_owned() }
}

/// A product, or one of its versions and the commit it pins, as an entry of the log names it.
fn about(product: &str, version: Option<(&String, &String)>) -> audit::Place {
    audit::Place {
        product: product.to_owned(),
        version: version.map(|(name, _)| name.clone()),
        commit: version.map(|(_, commit)| commit.clone()),
        ..audit::Place::default()
    }
}

fn is_slug(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 64 && name.starts_with(plain) && name.chars().all(|c| plain(c) || matches!(c, '.' | '-' | '_')) && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_names_are_slugs() {
        for good in ["git", "linux-6.1", "a", "3proxy"] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "Git", "a b", "../x", ".git", "a/b", "é", "a..b"] {
            assert!(!is_slug(bad), "{bad}");
        }
    }
}
