//! Agencies, and which of them the programme takes.

mod list;
mod store;

use serde_json::json;

use super::{EntitlementError, Entitlements, draft, invalid, only_administrators, words};
use crate::accounts::{Principal, done_by};
use crate::audit::{Context, Kind};
use crate::clock::Timestamp;
use crate::ids::AgencyId;

/// A government agency whose people review source.
#[derive(Clone, Debug)]
pub struct Agency {
    pub id: AgencyId,
    /// As addresses show it.
    pub slug: String,
    pub name: String,
    pub country: String,
    /// What it is: "cyber security centre", in words.
    pub kind: String,
    /// Whom to ask, one a line.
    pub contacts: String,
    pub created_at: Timestamp,
    /// Since when it is struck from the list of eligible agencies, and why. Nothing new is signed with it or granted to it.
    pub ineligible: Option<(Timestamp, String)>,
    /// It is suspended whole.
    pub suspended: bool,
}

/// An agency as an administrator writes it down.
#[derive(Clone, Debug, Default)]
pub struct NewAgency {
    pub name: String,
    pub country: String,
    pub kind: String,
    pub contacts: String,
}

impl NewAgency {
    /// With nothing more said.
    #[must_use]
    pub fn named(name: &str, country: &str) -> Self {
        Self { name: name.to_owned(), country: country.to_owned(), ..Self::default() }
    }
}

impl Entitlements {
    /// By name.
    pub async fn agencies(&self) -> Result<Vec<Agency>, EntitlementError> {
        Ok(store::all(&self.database).await?)
    }

    /// By slug, id or name.
    pub async fn agency(&self, key: &str) -> Result<Option<Agency>, EntitlementError> {
        Ok(store::find(&self.database, key).await?)
    }

    /// `by` is absent only for what the command line makes.
    pub async fn add_agency(&self, new: NewAgency, by: Option<&Principal>, context: &Context) -> Result<Agency, EntitlementError> {
        if let Some(by) = by {
            only_administrators(by)?;
        }
        let agency = Agency {
            id: AgencyId::random(&self.entropy),
            slug: slug(&new.name),
            name: words("name", &new.name, 200)?,
            country: words("country", &new.country, 100)?,
            kind: optional("kind", &new.kind, 100)?,
            contacts: optional("contacts", &new.contacts, 2000)?,
            created_at: self.clock.now(),
            ineligible: None,
            suspended: false,
        };
        if agency.slug.is_empty() {
            return Err(invalid("name", "Write a name with at least one letter or digit."));
        }
        let mut tx = self.database.begin().await?;
        store::insert(&mut tx, &agency).await?;
        let mut entry = draft(by, Kind::AgencyCreated).fact("agency", json!(agency.id.as_str()));
        entry = entry.fact("name", json!(agency.name)).fact("country", json!(agency.country));
        self.log.commit(tx, entry, context).await.map(|()| agency)
    }

    /// Changes what is written down about an agency; its address stays.
    pub async fn edit_agency(&self, id: &AgencyId, new: NewAgency, by: &Principal, context: &Context) -> Result<(), EntitlementError> {
        only_administrators(by)?;
        let before = self.agency(id.as_str()).await?.ok_or(EntitlementError::Unknown)?;
        let after = Agency {
            name: words("name", &new.name, 200)?,
            country: words("country", &new.country, 100)?,
            kind: optional("kind", &new.kind, 100)?,
            contacts: optional("contacts", &new.contacts, 2000)?,
            ..before.clone()
        };
        // The contacts are people's names, which stand in no entry.
        let said = |of: &Agency| json!({"name": of.name, "country": of.country, "kind": of.kind});
        let contacts = before.contacts != after.contacts;
        let mut tx = self.database.begin().await?;
        store::update(&mut tx, &after).await?;
        let mut entry = done_by(by, Kind::AgencyChanged).fact("agency", json!(id.as_str()));
        entry = entry.fact("before", said(&before)).fact("after", said(&after)).fact("contacts_changed", json!(contacts));
        self.log.commit(tx, entry, context).await
    }

    /// Strikes an agency from the list of eligible ones, or puts it back when there is no reason given.
    pub async fn set_eligible(
        &self,
        id: &AgencyId,
        struck: Option<&str>,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        only_administrators(by)?;
        let reason = struck.map(|reason| words("reason", reason, 1000)).transpose()?;
        let mut tx = self.database.begin().await?;
        if !store::set_eligible(&mut tx, id, reason.as_deref(), self.clock.now()).await? {
            return Err(EntitlementError::Conflict);
        }
        let mut entry = done_by(by, Kind::AgencyChanged).fact("agency", json!(id.as_str()));
        entry = entry.fact("before", json!({"eligible": reason.is_some()})).fact("after", json!({"eligible": reason.is_none()}));
        entry = entry.fact_if("reason", reason);
        self.log.commit(tx, entry, context).await
    }
}

fn optional(field: &'static str, text: &str, most: usize) -> Result<String, EntitlementError> {
    if text.trim().is_empty() { Ok(String::new()) } else { words(field, text, most) }
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain() {
        assert_eq!(slug("Agency One"), "agency-one");
        assert_eq!(slug("  Bundesamt (BSI) "), "bundesamt-bsi");
        assert_eq!(slug("—"), "");
    }
}
