//! What is attached to an agreement, the signed paper above all: attached, replaced, handed out; never removed.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use super::{again, done, problem_of};
use crate::entitlements::{Agreement, Document, NewDocument};
use crate::highlight::hides;
use crate::ids::DocumentId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::upload::Upload;
use crate::web::views::admin::agencies::{DocumentRow, DocumentsPage};
use crate::web::views::format::{moment, size};
use crate::web::views::forms::{Choice, FieldErrors};
use crate::web::views::shell::Place;

type Answer = Result<Response, WebError>;

pub(super) async fn list(who: Administering, State(portal): State<AppState>, Path(id): Path<String>) -> Answer {
    let agreement = find(&portal, &id).await?;
    page(&who, &portal, &agreement, String::new(), FieldErrors::default()).await
}

pub(super) async fn attach(who: Administering, State(portal): State<AppState>, Path(id): Path<String>, upload: Upload) -> Answer {
    let agreement = find(&portal, &id).await?;
    let Upload { name, media_type, bytes, replaces } = upload;
    let mut errors = FieldErrors::default();
    if hides(&name) {
        errors.add("document", "The name of the file holds characters that hide or turn others; give it another.");
        let page = page(&who, &portal, &agreement, replaces, errors).await?;
        return Ok(again(axum::http::StatusCode::UNPROCESSABLE_ENTITY, page));
    }
    let replaced = (!replaces.is_empty()).then(|| DocumentId::known(replaces.as_str()));
    let new = NewDocument { name, media_type, bytes, replaces: replaced };
    match portal.entitlements.attach(&agreement.id, new, &who.principal, &who.visit.context).await {
        Ok(_) => done(&who, "Attached.", &address(&agreement)).await,
        Err(error) => {
            let (status, field, problem) = problem_of(error)?;
            errors.add(field, problem);
            Ok(again(status, page(&who, &portal, &agreement, replaces, errors).await?))
        }
    }
}

/// As a file to be kept: nothing in it is ever shown as a page of this portal.
pub(super) async fn download(_: Administering, State(portal): State<AppState>, Path((id, document)): Path<(String, String)>) -> Answer {
    let agreement = find(&portal, &id).await?;
    let found = portal.entitlements.document(&document).await?.filter(|(of, _)| of.agreement == agreement.id);
    let (document, bytes) = found.ok_or(WebError::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&document.name)),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    Ok((headers, bytes).into_response())
}

/// The name as every browser takes it, and as it is (RFC 6266, section 4.3).
fn disposition(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", percent_encode(name.as_bytes(), NON_ALPHANUMERIC))
}

async fn page(who: &SignedIn, portal: &AppState, of: &Agreement, replaces: String, errors: FieldErrors) -> Answer {
    let documents = portal.entitlements.documents(&of.id).await?;
    if who.visit.wants_json {
        let all: Vec<_> = documents.iter().map(told).collect();
        return Ok(axum::Json(serde_json::json!({ "documents": all })).into_response());
    }
    let shell = who.shell(portal, &format!("Documents of {}", of.reference), Place::Agencies).await?;
    let current = documents.iter().filter(|document| !document.replaced);
    html(&DocumentsPage {
        csrf: shell.csrf.clone(),
        shell,
        id: of.id.to_string(),
        reference: of.reference.clone(),
        choices: current.map(|document| Choice { value: document.id.to_string(), label: document.name.clone() }).collect(),
        rows: documents.iter().map(row).collect(),
        replaces,
        errors,
    })
}

fn told(of: &Document) -> serde_json::Value {
    serde_json::json!({
        "id": of.id.as_str(), "name": of.name, "media_type": of.media_type, "sha256": of.sha256, "size": of.size,
        "attached_at": of.attached_at.to_string(), "attached_by": of.attacher,
        "replaces": of.replaces.as_ref().map(DocumentId::as_str), "replaced": of.replaced,
    })
}

fn row(of: &Document) -> DocumentRow {
    DocumentRow {
        id: of.id.to_string(),
        name: of.name.clone(),
        size: size(u64::try_from(of.size).unwrap_or(0)),
        attached: format!("{}, {}", of.attacher.as_deref().unwrap_or("the command line"), moment(of.attached_at.micros())),
        sha256: of.sha256.clone(),
        replaced: of.replaced,
    }
}

async fn find(portal: &AppState, id: &str) -> Result<Agreement, WebError> {
    portal.entitlements.agreement(id).await?.ok_or(WebError::NotFound)
}

fn address(agreement: &Agreement) -> String {
    format!("/admin/agreements/{}/documents", agreement.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_breaks_out_of_its_header() {
        assert_eq!(disposition("a b.pdf"), "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b%2Epdf");
        assert_eq!(
            disposition("Verträge\"; x=\".pdf"),
            "attachment; filename=\"Vertr_ge__ x__.pdf\"; filename*=UTF-8''Vertr%C3%A4ge%22%3B%20x%3D%22%2Epdf"
        );
    }
}
