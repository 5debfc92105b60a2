//! A product's secrets: set, replaced and removed, and opened for what they are for. Never shown, and recorded by what is told of them.

use serde_json::json;

use super::{Catalog, CatalogError, Product, about, store};
use crate::accounts::{StepUp, done_by};
use crate::audit::{Context, Kind};
use crate::clock::Timestamp;
use crate::database::Tx;
use crate::ids::{AccountId, ProductId};
use crate::sealing::Secret;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Shown to a mirror's origin.
    Credentials,
    /// Known to whoever calls the webhook.
    Webhook,
}

impl Purpose {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Webhook => "webhook",
        }
    }
}

/// What is told of a secret.
#[derive(Clone, Debug)]
pub struct Kept {
    /// "token of fetcher".
    pub told: String,
    pub at: Timestamp,
    /// Who set it; none for the command line.
    pub by: Option<String>,
}

impl Catalog {
    /// What is told of a product's secret; none when none is set.
    pub async fn kept(&self, product: &Product, purpose: Purpose) -> Result<Option<Kept>, CatalogError> {
        Ok(store::kept(&self.database, &product.id, purpose).await?)
    }

    /// The secret itself, by the product's name, for what it is for. It takes the same way whether or not there is one.
    pub async fn secret(&self, product: &str, purpose: Purpose) -> Result<Option<Secret>, CatalogError> {
        let Some((id, sealed)) = store::sealed(&self.database, product, purpose).await? else { return Ok(None) };
        Ok(Some(self.sealer.open(&sealed_about((&id, purpose)), &sealed)?))
    }

    /// Sets or replaces a secret; `told` is all that is ever shown of it.
    pub async fn keep_secret(
        &self,
        product: &Product,
        purpose: Purpose,
        (secret, told): (&Secret, &str),
        by: &StepUp,
        context: &Context,
    ) -> Result<(), CatalogError> {
        let mut tx = self.database.begin().await?;
        let before = store::remove_secret(&mut tx, &product.id, purpose).await?;
        self.put(&mut tx, (&product.id, purpose), (secret, told), Some(by.principal().account())).await?;
        self.changed(tx, (product, purpose), (before.as_deref(), Some(told)), by, context).await
    }

    /// Removes a secret; nothing is written when there is none.
    pub async fn remove_secret(&self, product: &Product, purpose: Purpose, by: &StepUp, context: &Context) -> Result<(), CatalogError> {
        let mut tx = self.database.begin().await?;
        let Some(before) = store::remove_secret(&mut tx, &product.id, purpose).await? else { return Ok(()) };
        self.changed(tx, (product, purpose), (Some(&before), None), by, context).await
    }

    /// Seals a secret into its row.
    pub(super) async fn put(
        &self,
        tx: &mut Tx,
        about: (&ProductId, Purpose),
        (secret, told): (&Secret, &str),
        by: Option<&AccountId>,
    ) -> Result<(), CatalogError> {
        let first = store::nothing_sealed(tx).await?;
        let sealed = self.sealer.seal(&sealed_about(about), secret, first)?;
        Ok(store::insert_secret(tx, about, (sealed, told), (by, self.clock.now())).await?)
    }

    async fn changed(
        &self,
        tx: Tx,
        (product, purpose): (&Product, Purpose),
        (before, after): (Option<&str>, Option<&str>),
        by: &StepUp,
        context: &Context,
    ) -> Result<(), CatalogError> {
        super::tending::only_administrators(Some(by.principal()))?;
        let state = |told: Option<&str>| json!({ purpose.as_str(): told.unwrap_or("none") });
        let draft = done_by(by.principal(), Kind::ProductChanged).at(about(&product.name, None));
        let draft = draft.fact("before", state(before)).fact("after", state(after));
        self.log.commit(tx, draft, context).await
    }
}

/// What a secret is sealed for: in another row it does not open.
fn sealed_about((product, purpose): (&ProductId, Purpose)) -> String {
    format!("lectern secret\n{product}\n{}", purpose.as_str())
}
