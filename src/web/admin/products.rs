//! Products, the mirrors they come from, and their versions. Commits and tags, and nothing of what is in them.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::fields::patterns;
use super::suspensions::{form_address, notice};
use super::{Nothing, again, done, progress, versions};
use crate::accounts::done_by;
use crate::audit::Kind;
use crate::catalog::{Arrival, CatalogError, Every, NewProduct, Product, Purpose, Secret, Signature, Standing, Verdict, Version};
use crate::entitlements::{Subject, SubjectKind};
use crate::mirrors::Source;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::products::{ProductForm, ProductPage, ProductRow, ProductsPage, TendedVersion};
use crate::web::views::forms::FieldErrors;
use crate::web::views::products::{MovedTag, TagKind, VersionRow};
use crate::web::views::shell::{Notice, Place, Tone};

pub(super) async fn list(who: Administering, State(portal): State<AppState>) -> Result<Response, WebError> {
    let mut rows = Vec::new();
    for product in portal.catalog.products().await? {
        let every = portal.catalog.every_version(&product.id).await?;
        let (closed, alarms) = (waiting(&every), moved(&every));
        let versions = published(every);
        rows.push(ProductRow {
            versions: versions.len() as u64,
            quarantined: closed,
            newest: versions.first().map(|version| version.name.clone()).unwrap_or_default(),
            synced_at: product.synced_at.map(crate::clock::Timestamp::micros),
            moved_tags: alarms,
            index: portal.jobs.index_state(&product, &versions),
            name: product.name,
            title: product.title,
        });
    }
    html(&ProductsPage { shell: who.shell(&portal, "Products", Place::Products).await?, rows })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    title: String,
    source: String,
    tags: String,
    branches: String,
}

pub(super) async fn form(who: Administering, State(portal): State<AppState>) -> Result<Response, WebError> {
    let typed = Typed { tags: "v*".to_owned(), ..Typed::default() };
    form_page(&who, &portal, typed, FieldErrors::default()).await
}

pub(super) async fn add(who: Administering, State(portal): State<AppState>, form: Protected<Typed>) -> Result<Response, WebError> {
    let typed = form.into_inner();
    let mut errors = FieldErrors::default();
    let (source, credentials) = match Source::parse(&typed.source) {
        Ok(source) => source.parted(),
        Err(problem) => {
            errors.add("source", format!("{problem}."));
            return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, typed, errors).await?));
        }
    };
    let new = NewProduct { source: source.address(), ..typed.product() };
    let credentials = match credentials {
        Some(found) => Some((Secret::new(found.to_json().map_err(WebError::internal)?), found.told())),
        None => None,
    };
    let credentials = credentials.as_ref().map(|(secret, told)| (secret, told.as_str()));
    let draft = done_by(&who.principal, Kind::ProductCreated);
    let (field, problem) = match portal.catalog.add_with(new, credentials, draft, &who.visit.context).await {
        Ok(product) => {
            portal.jobs.request_sync(&product).await.map_err(WebError::internal)?;
            return done(&who, "The product was added, and its source is being fetched.", &address(&product)).await;
        }
        Err(CatalogError::BadName(_)) => {
            ("name", "Use 1 to 64 lower-case letters, digits, dots, dashes or underscores, a letter or digit first.".to_owned())
        }
        Err(CatalogError::NameTaken(_)) => ("name", "There is a product of this name already.".to_owned()),
        Err(CatalogError::Invalid { field, problem }) => (field, problem),
        Err(other) => return Err(other.into()),
    };
    errors.add(field, problem);
    Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, typed, errors).await?))
}

impl Typed {
    fn product(&self) -> NewProduct {
        NewProduct {
            name: self.name.trim().to_owned(),
            title: self.title.clone(),
            source: self.source.clone(),
            tags: patterns(&self.tags),
            branches: patterns(&self.branches),
        }
    }
}

async fn form_page(who: &SignedIn, portal: &AppState, typed: Typed, errors: FieldErrors) -> Result<Response, WebError> {
    let shell = who.shell(portal, "Add a product", Place::Products).await?;
    let Typed { name, title, source, tags, branches } = typed;
    html(&ProductForm { csrf: shell.csrf.clone(), shell, name, title, source, tags, branches, errors })
}

/// Versions that the page of a product shows before somebody asks for all.
const NEWEST: usize = 100;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Shows {
    /// "all"
    versions: String,
}

pub(super) async fn show(
    who: Administering,
    State(portal): State<AppState>,
    Path(name): Path<String>,
    Query(shows): Query<Shows>,
) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    let every = portal.catalog.every_version(&product.id).await?;
    let listed = if shows.versions == "all" { every.len() } else { NEWEST };
    let more = every.len().saturating_sub(listed) as u64;
    let (alarms, rows) = (alarms(&product, &every), every.iter().take(listed).map(|version| tended(&product, version)).collect());
    let versions = published(every);
    let disk = portal.jobs.disk_use(&product).await.map_err(WebError::internal)?;
    let shell = who.shell(&portal, &product.title, Place::Products).await?;
    let subject = Subject { kind: SubjectKind::Product, id: product.id.to_string(), name: product.name.clone() };
    let held = notice(&portal, &subject.id).await?;
    let suspend = held.is_none().then(|| form_address(&subject));
    let alarms = held.into_iter().chain(alarms).collect();
    html(&ProductPage {
        suspend,
        csrf: shell.csrf.clone(),
        shell,
        source_url: shown(&product.source),
        version_pattern: pattern_words(&product),
        quarantines: product.settings.arrival == Arrival::Quarantined,
        schedule: product.settings.every.map_or_else(|| "when somebody asks".to_owned(), Every::words),
        credentials: portal.catalog.kept(&product, Purpose::Credentials).await?.map(|kept| kept.told),
        synced_at: product.synced_at.map(crate::clock::Timestamp::micros),
        sync_failed: product.problem.is_some(),
        sync_report: product.problem.clone().unwrap_or_default(),
        work: progress::work(&portal, &product).await?,
        mirror_bytes: disk.mirror,
        index_bytes: disk.index,
        index: portal.jobs.index_state(&product, &versions),
        alarms,
        published: versions.len() as u64,
        versions: rows,
        more_versions: more,
        name: product.name,
        title: product.title,
    })
}

pub(super) async fn sync(
    who: Administering,
    State(portal): State<AppState>,
    Path(name): Path<String>,
    _: Protected<Nothing>,
) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    portal.jobs.request_sync(&product).await.map_err(WebError::internal)?;
    done(&who, "The source is being fetched.", &address(&product)).await
}

pub(super) async fn find(portal: &AppState, name: &str) -> Result<Product, WebError> {
    let product = portal.catalog.product(name).await?;
    product.filter(|product| product.name == name).ok_or(WebError::NotFound)
}

pub(super) fn address(product: &Product) -> String {
    format!("/admin/products/{}", product.name)
}

/// What readers know of.
fn published(mut versions: Vec<Version>) -> Vec<Version> {
    versions.retain(|version| version.life.standing == Standing::Published);
    versions
}

/// How many wait in quarantine.
fn waiting(versions: &[Version]) -> u64 {
    let waits = |version: &&Version| matches!(version.life.standing, Standing::Quarantined | Standing::ReleaseAsked);
    versions.iter().filter(waits).count() as u64
}

fn moved(versions: &[Version]) -> u64 {
    versions.iter().filter(|version| version.is_alarm()).count() as u64
}

/// What of a product needs an administrator: each version that moved, and each that somebody has asked to open.
fn alarms(product: &Product, versions: &[Version]) -> Vec<Notice> {
    let place = |version: &Version| format!("{}/versions/{}", address(product), version.name);
    let mut notices = Vec::new();
    for version in versions.iter().filter(|version| version.is_alarm()) {
        let text = format!(
            "The tag or branch of {} {} was moved at its source after it was fetched. The version stays as it was fetched.",
            product.title, version.name
        );
        notices.push(Notice::new(Tone::Danger, text).link("Look into it", place(version)));
    }
    for version in versions {
        let Some(asked) = &version.life.asked else { continue };
        let who = asked.name.as_deref().unwrap_or("An administrator");
        let what = if version.life.standing == Standing::ReturnAsked { "put back" } else { "release" };
        let text = format!("{who} asks to {what} {} {}. Another administrator has to approve it.", product.title, version.name);
        notices.push(Notice::new(Tone::Look, text).link("Look at it", place(version)));
    }
    notices
}

/// The alarms of all products, for the desk of administrators.
pub(in crate::web) async fn all_alarms(portal: &AppState) -> Result<Vec<Notice>, WebError> {
    let mut notices = Vec::new();
    for product in portal.catalog.products().await? {
        if let Some(problem) = &product.problem {
            let text = format!("{} could not be synchronised: {problem}", product.title);
            notices.push(Notice::new(Tone::Danger, text).link("Look at it", address(&product)));
        }
        notices.extend(alarms(&product, &portal.catalog.every_version(&product.id).await?));
    }
    Ok(notices)
}

fn tended(product: &Product, version: &Version) -> TendedVersion {
    TendedVersion {
        href: format!("{}/versions/{}", address(product), version.name),
        state: versions::state(version.life.standing),
        moved: version.moved_to.clone(),
        is_alarm: version.is_alarm(),
        row: version_row(version.clone()),
    }
}

pub(super) fn tag_kind(version: &Version) -> TagKind {
    match (&version.tag, version.reference.starts_with("refs/heads/")) {
        (Some(_), _) => TagKind::Annotated,
        (None, true) => TagKind::Branch,
        (None, false) => TagKind::Lightweight,
    }
}

pub(in crate::web) fn version_row(version: Version) -> VersionRow {
    let signature = signature(&version);
    VersionRow {
        tag: tag_kind(&version),
        name: version.name,
        href: None,
        commit: version.commit,
        signature: signature.0,
        signature_class: signature.1,
        published_at: version.published_at.micros(),
        changes: None,
        moved: version.moved_to.zip(version.moved_at).map(|(to_commit, at)| MovedTag { to_commit, seen_at: at.micros() }),
    }
}

/// What a version's signature is worth, in words and as a CSS class.
pub(super) fn signature(version: &Version) -> (String, &'static str) {
    match (version.signature, &version.verdict) {
        (Signature::None, _) => ("unsigned".to_owned(), "dim"),
        (_, Verdict::Good { by }) => (format!("good, by {by}"), ""),
        (_, Verdict::UnknownKey { key }) => (format!("by an unknown key, {key}"), "dim"),
        (_, Verdict::OutOfTerm { by }) => (format!("by {by}, whose key did not hold when it was made"), "deny"),
        (_, Verdict::Bad) => ("bad".to_owned(), "deny"),
        (Signature::OpenPgp, Verdict::Unchecked) => ("OpenPGP, not checked".to_owned(), "dim"),
        (Signature::X509, Verdict::Unchecked) => ("X.509, not checked".to_owned(), "dim"),
        (Signature::Ssh, Verdict::Unchecked) => ("SSH, not checked yet".to_owned(), "dim"),
    }
}

/// "v*", "branches main", "v* and branches main, stable/*".
fn pattern_words(product: &Product) -> String {
    let (tags, branches) = (product.tags.join(", "), product.branches.join(", "));
    match (tags.is_empty(), branches.is_empty()) {
        (_, true) => tags,
        (true, false) => format!("branches {branches}"),
        (false, false) => format!("{tags} and branches {branches}"),
    }
}

/// Where a product is mirrored from, without a password in it.
fn shown(source: &str) -> String {
    Source::parse(source).map_or_else(|_| "an address that cannot be read".to_owned(), |source| source.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::catalog::{Act, Life};
    use crate::clock::Timestamp;
    use crate::ids::{ProductId, VersionId};

    #[test]
    fn an_address_with_a_password_is_not_shown() {
        for good in ["https://git.example/a.git", "ssh://git@git.example/a.git", "git@git.example:a.git", "/srv/git/a.git"] {
            assert_eq!(shown(good), good);
        }
        for secret in ["https://me:hunter2@git.example/a.git", "https://hunter2@git.example/a.git", "ssh://git:hunter2@git.example/a.git"] {
            assert!(!shown(secret).contains("hunter2"), "{secret}");
        }
    }

    pub(in crate::web::admin) fn version(reference: &str, tag: Option<&str>, moved: Option<&str>) -> Version {
        Version {
            id: VersionId::known("ver"),
            product: ProductId::known("prd"),
            name: "v1".to_owned(),
            reference: reference.to_owned(),
            commit: "c0ffee".to_owned(),
            tag: tag.map(str::to_owned),
            signature: Signature::OpenPgp,
            verdict: Verdict::Unchecked,
            authored_at: Timestamp::from_seconds(1),
            published_at: Timestamp::from_seconds(2),
            life: Life::new(Standing::Published),
            moved_to: moved.map(str::to_owned),
            moved_at: moved.map(|_| Timestamp::from_seconds(3)),
            acknowledged: None,
        }
    }

    #[test]
    fn a_version_says_what_it_was_published_from() {
        assert_eq!(tag_kind(&version("refs/tags/v1", Some("7a6"), None)), TagKind::Annotated);
        assert_eq!(tag_kind(&version("refs/tags/v1", None, None)), TagKind::Lightweight);
        assert_eq!(tag_kind(&version("refs/heads/main", None, None)), TagKind::Branch);
        let row = version_row(version("refs/tags/v1", None, Some("beef")));
        assert_eq!((row.moved.unwrap().seen_at, row.href, row.signature.as_str()), (3_000_000, None, "OpenPGP, not checked"));
    }

    #[test]
    fn a_moved_tag_is_an_alarm_until_somebody_acknowledges_it() {
        let mut moved = version("refs/tags/v1", None, Some("beef"));
        assert!(moved.is_alarm() && !version("refs/tags/v1", None, None).is_alarm());
        let reason = "Upstream signed it anew.".to_owned();
        moved.acknowledged = Some(Act { by: None, name: None, at: Timestamp::from_seconds(4), reason });
        assert!(!moved.is_alarm());
    }
}
