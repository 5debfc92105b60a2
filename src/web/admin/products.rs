//! Products, the mirrors they come from, and their versions. Commits and tags, and nothing of what is in them.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::agencies::count;
use super::fields::patterns;
use super::{Nothing, again, done};
use crate::accounts::done_by;
use crate::audit::Kind;
use crate::catalog::{self, CatalogError, NewProduct, Signature, Version};
use crate::mirrors::Source;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::products::{ProductForm, ProductPage, ProductRow, ProductsPage};
use crate::web::views::format::counted;
use crate::web::views::forms::FieldErrors;
use crate::web::views::products::{MovedTag, TagKind, VersionRow};
use crate::web::views::shell::{Notice, Place, Tone};

pub(super) async fn list(who: Administering, State(portal): State<AppState>) -> Result<Response, WebError> {
    let mut rows = Vec::new();
    for product in portal.catalog.products().await? {
        let versions = portal.catalog.versions(&product.id).await?;
        rows.push(ProductRow {
            versions: versions.len() as u64,
            newest: versions.first().map(|version| version.name.clone()).unwrap_or_default(),
            synced_at: product.synced_at.map(crate::clock::Timestamp::micros),
            moved_tags: moved(&versions),
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
    if let Some(problem) = problem(typed.source.trim()) {
        errors.add("source", problem);
        return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, form_page(&who, &portal, typed, errors).await?));
    }
    let draft = done_by(&who.principal, Kind::ProductCreated);
    let (field, problem) = match portal.catalog.add(typed.product(), draft, &who.visit.context).await {
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

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(name): Path<String>) -> Result<Response, WebError> {
    let product = find(&portal, &name).await?;
    let versions = portal.catalog.versions(&product.id).await?;
    let shell = who.shell(&portal, &product.title, Place::Products).await?;
    html(&ProductPage {
        csrf: shell.csrf.clone(),
        shell,
        source_url: shown(&product.source),
        version_pattern: pattern_words(&product),
        synced_at: product.synced_at.map(crate::clock::Timestamp::micros),
        sync_failed: product.problem.is_some(),
        sync_report: product.problem.clone().unwrap_or_default(),
        syncing: portal.jobs.is_syncing(&product).await.map_err(WebError::internal)?,
        index: portal.jobs.index_state(&product, &versions),
        alarms: alarms(&versions),
        versions: versions.into_iter().map(version_row).collect(),
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
    done(&who, "The source is being fetched. Reload this page to see how it went.", &address(&product)).await
}

async fn find(portal: &AppState, name: &str) -> Result<catalog::Product, WebError> {
    let product = portal.catalog.product(name).await?;
    product.filter(|product| product.name == name).ok_or(WebError::NotFound)
}

fn address(product: &catalog::Product) -> String {
    format!("/admin/products/{}", product.name)
}

fn moved(versions: &[Version]) -> u64 {
    count(versions.iter().filter(|version| version.moved_to.is_some()))
}

fn alarms(versions: &[Version]) -> Vec<Notice> {
    match moved(versions) {
        0 => Vec::new(),
        moved => {
            let tags = counted(moved, "tag or branch was", "tags or branches were");
            let text = format!("{tags} moved at the source after publication. The versions still show what was published.");
            vec![Notice::new(Tone::Danger, text)]
        }
    }
}

pub(in crate::web) fn version_row(version: Version) -> VersionRow {
    VersionRow {
        tag: match (&version.tag, version.reference.starts_with("refs/heads/")) {
            (Some(_), _) => TagKind::Annotated,
            (None, true) => TagKind::Branch,
            (None, false) => TagKind::Lightweight,
        },
        name: version.name,
        href: None,
        commit: version.commit,
        signed: version.signature != Signature::None,
        published_at: version.published_at.micros(),
        changes: None,
        moved: version.moved_to.zip(version.moved_at).map(|(to_commit, at)| MovedTag { to_commit, seen_at: at.micros() }),
    }
}

/// "v*", "branches main", "v* and branches main, stable/*".
fn pattern_words(product: &catalog::Product) -> String {
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

/// What keeps an address from being one to mirror from, a sentence.
fn problem(source: &str) -> Option<String> {
    match Source::parse(source) {
        Err(error) => Some(format!("{error}.")),
        Ok(Source::Url(url)) if shown(&url) != url => {
            Some("Leave name and password out: the address stands in the record and on pages.".to_owned())
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::{ProductId, VersionId};

    #[test]
    fn an_address_with_a_password_is_neither_taken_nor_shown() {
        for good in ["https://git.example/a.git", "ssh://git@git.example/a.git", "git@git.example:a.git", "/srv/git/a.git"] {
            assert_eq!(problem(good), None, "{good}");
            assert_eq!(shown(good), good);
        }
        for secret in ["https://me:hunter2@git.example/a.git", "https://hunter2@git.example/a.git", "ssh://git:hunter2@git.example/a.git"] {
            assert!(problem(secret).is_some(), "{secret}");
            assert!(!shown(secret).contains("hunter2"), "{secret}");
        }
        for bad in ["", "ftp://git.example/a.git", "http://git.example/a.git"] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_version_says_what_it_was_published_from() {
        let version = |reference: &str, tag: Option<&str>, moved: Option<&str>| Version {
            id: VersionId::known("ver"),
            product: ProductId::known("prd"),
            name: "v1".to_owned(),
            reference: reference.to_owned(),
            commit: "c0ffee".to_owned(),
            tag: tag.map(str::to_owned),
            signature: Signature::OpenPgp,
            authored_at: Timestamp::from_seconds(1),
            published_at: Timestamp::from_seconds(2),
            moved_to: moved.map(str::to_owned),
            moved_at: moved.map(|_| Timestamp::from_seconds(3)),
        };
        assert_eq!(version_row(version("refs/tags/v1", Some("7a6"), None)).tag, TagKind::Annotated);
        assert_eq!(version_row(version("refs/tags/v1", None, None)).tag, TagKind::Lightweight);
        assert_eq!(version_row(version("refs/heads/main", None, None)).tag, TagKind::Branch);
        let row = version_row(version("refs/tags/v1", None, Some("beef")));
        assert_eq!((row.moved.unwrap().seen_at, row.href, row.signed), (3_000_000, None, true));
        assert!(alarms(&[version("refs/tags/v1", None, None)]).is_empty());
        assert_eq!(alarms(&[version("refs/tags/v1", None, Some("beef"))]).len(), 1);
    }
}
