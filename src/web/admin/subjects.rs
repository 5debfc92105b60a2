//! What a suspension or a campaign is of, found by what an address or a form says.

use crate::entitlements::{Subject, SubjectKind};
use crate::web::AppState;
use crate::web::error::WebError;

/// With the name people know it by; `key` is an id, or what stands for it in addresses.
pub(super) async fn find(portal: &AppState, kind: SubjectKind, key: &str) -> Result<Subject, WebError> {
    let found = match kind {
        SubjectKind::Agency => portal.entitlements.agency(key).await?.map(|agency| (agency.id.to_string(), agency.name)),
        SubjectKind::Agreement => portal.entitlements.agreement(key).await?.map(|of| (of.id.to_string(), of.reference)),
        SubjectKind::Product => portal.catalog.product(key).await?.map(|product| (product.id.to_string(), product.name)),
        SubjectKind::Grant => portal
            .entitlements
            .grant(key)
            .await?
            .map(|line| (line.entitlement.id.to_string(), format!("{} under {}", line.product_title, line.agreement_reference))),
    };
    let (id, name) = found.ok_or(WebError::NotFound)?;
    Ok(Subject { kind, id, name })
}
