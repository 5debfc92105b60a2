//! Agencies' identity directories, as far as they prove who they are: by a token that one administrator made for one agency.
//!
//! One administrator is enough to make a token, since whoever calls with it can nominate people of its agency and end their access, and
//! nothing else. Its maker counts as the one who nominated: the second administrator, who approves, is never they nor of their line.

mod people;
mod store;

use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::json;
use sha2::{Digest, Sha256};

pub(crate) use people::Claim;

use super::{AccountError, Accounts, Agency, StepUp, done_by, invalid, only_administrators};
use crate::audit::{Actor, Context, Draft, Kind, Outcome, Personal};
use crate::clock::Timestamp;
use crate::ids::{AccountId, AgencyId, DirectoryTokenId, Entropy};

/// How long a token can hold, in days.
pub const DIRECTORY_TOKEN_LASTS: [u32; 4] = [30, 90, 180, 365];
/// Tokens of one agency that hold at the same time, at most.
const MOST: usize = 10;
/// The last use is written down at most this often.
const TOUCH_EVERY: Duration = Duration::from_secs(60);
/// What every token begins with, so that one that was left lying about can be told for what it is.
const PREFIX: &str = "lectern_directory_";

/// The role that entries give a directory.
pub(crate) const ROLE: &str = "directory";

/// A token in words of its own: shown once, kept as a hash, never printed.
pub struct DirectorySecret(String);

impl DirectorySecret {
    /// 256 random bits behind the prefix.
    fn random(entropy: &Entropy) -> Self {
        Self(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&entropy.bytes::<32>())))
    }

    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for DirectorySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectorySecret")
    }
}

fn hash(secret: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(secret.as_bytes()))
}

/// A token, as administrators see it.
#[derive(Clone, Debug)]
pub struct DirectoryToken {
    pub id: DirectoryTokenId,
    pub agency: AgencyId,
    pub name: String,
    /// The name of whoever made it.
    pub maker: String,
    pub made_at: Timestamp,
    /// The first instant at which it no longer holds.
    pub expires_at: Timestamp,
    /// To the minute.
    pub used_at: Option<Timestamp>,
    /// When it was revoked, and the name of whoever did.
    pub revoked: Option<(Timestamp, String)>,
}

impl DirectoryToken {
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.expires_at
    }
}

/// A directory that calls with a token in force. Made only by [`Accounts::directory`], from what is so at this request.
#[derive(Clone, Debug)]
pub struct Directory {
    token: DirectoryTokenId,
    name: String,
    agency: Agency,
    maker: AccountId,
}

impl Directory {
    #[must_use]
    pub fn token(&self) -> &DirectoryTokenId {
        &self.token
    }

    #[must_use]
    pub fn agency(&self) -> &Agency {
        &self.agency
    }

    /// Whoever made the token, who answers for what is nominated through it.
    #[must_use]
    pub fn maker(&self) -> &AccountId {
        &self.maker
    }

    /// An entry about something that the directory did. Its account is the token.
    #[must_use]
    pub fn draft(&self, kind: Kind) -> Draft {
        let mut draft = Draft::new(kind, Outcome::Done);
        draft.actor = Some(Actor {
            account: AccountId::known(self.token.as_str()),
            agency: Some(self.agency.id.clone()),
            role: ROLE.to_owned(),
            session: None,
        });
        draft.personal = Personal {
            name: Some(format!("The directory “{}”", self.name)),
            agency_name: Some(self.agency.name.clone()),
            ..Personal::default()
        };
        draft
    }
}

impl Accounts {
    /// Makes a token for an agency's directory; the secret is known to nobody afterwards.
    pub async fn make_directory_token(
        &self,
        agency: &AgencyId,
        name: &str,
        days: u32,
        by: &StepUp,
        context: &Context,
    ) -> Result<(DirectoryTokenId, DirectorySecret), AccountError> {
        let by = by.principal();
        only_administrators(Some(by))?;
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(invalid("name", "Write what tells this token from others, in 100 characters at most."));
        }
        if !DIRECTORY_TOKEN_LASTS.contains(&days) {
            return Err(invalid("days", "Choose how long it holds."));
        }
        let now = self.clock.now();
        let (id, secret) = (DirectoryTokenId::random(&self.entropy), DirectorySecret::random(&self.entropy));
        let new = store::NewToken {
            id: &id,
            agency,
            name,
            secret: &hash(&secret.0),
            maker: by.account(),
            made_at: now,
            expires_at: now.plus(Duration::from_secs(u64::from(days) * 86_400)),
        };
        let mut tx = self.database.begin().await?;
        if store::holding(&mut tx, agency, now).await? >= MOST {
            return Err(invalid("name", "This agency has ten tokens that hold. Revoke one that is used no longer first."));
        }
        store::insert(&mut tx, &new).await?;
        let mut entry = done_by(by, Kind::DirectoryTokenMade).fact("agency", json!(agency.as_str())).fact("token", json!(id.as_str()));
        entry = entry.fact("name", json!(name)).fact("expires", json!(new.expires_at.to_string()));
        self.log.commit(tx, entry, context).await.map(|()| (id, secret))
    }

    /// Takes a token out of force, from the next request on.
    pub async fn revoke_directory_token(
        &self,
        agency: &AgencyId,
        id: &DirectoryTokenId,
        by: &StepUp,
        context: &Context,
    ) -> Result<(), AccountError> {
        let by = by.principal();
        only_administrators(Some(by))?;
        let mut tx = self.database.begin().await?;
        let name = store::revoke(&mut tx, agency, id, by.account(), self.clock.now()).await?.ok_or(AccountError::Conflict)?;
        let mut entry = done_by(by, Kind::DirectoryTokenRevoked).fact("agency", json!(agency.as_str()));
        entry = entry.fact("token", json!(id.as_str())).fact("name", json!(name));
        self.log.commit(tx, entry, context).await
    }

    /// The tokens of an agency's directory, the newest first, those that hold no longer among them.
    pub async fn directory_tokens(&self, agency: &AgencyId) -> Result<Vec<DirectoryToken>, AccountError> {
        Ok(store::of_agency(&self.database, agency).await?)
    }

    /// Whose directory shows this token, if it holds now. It is looked up by its hash, which tells nothing of how near a guess came.
    pub async fn directory(&self, secret: &str) -> Result<Option<Directory>, AccountError> {
        let now = self.clock.now();
        let Some((directory, used_at)) = store::by_secret(&self.database, &hash(secret), now).await? else { return Ok(None) };
        let long_ago = used_at.is_none_or(|used| now.since(used) >= TOUCH_EVERY);
        // A disk that takes nothing more keeps nobody from being told what is so.
        if long_ago && let Err(cause) = store::touch(&self.database, &directory.token, now).await {
            tracing::warn!(%cause, "the use of a directory's token could not be written down");
        }
        Ok(Some(directory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_told_for_what_it_is_and_kept_as_a_hash() {
        let secret = DirectorySecret::random(&Entropy::seeded(5));
        let random = secret.reveal().strip_prefix(PREFIX).unwrap();
        assert_eq!(random.len(), 43);
        assert!(!hash(secret.reveal()).contains(random) && hash(secret.reveal()).len() == 64);
        assert_eq!(format!("{secret:?}"), "DirectorySecret");
    }
}
