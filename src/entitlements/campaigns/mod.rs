//! Campaigns: every so often each grant is confirmed by an administrator who was shown how it was used, or it lapses.

mod campaign;
mod evidence;
mod store;

use std::time::Duration;

use serde_json::json;

pub use campaign::{
    BROAD, Campaign, Counted, Evidence, GRANT_LIFE, IDLE, Item, LIFE, PersonUse, Points, Stage, Standing, Tally, Turning, Verb,
};
pub use evidence::SealedEvidence;
pub(super) use store::{confirm_by, lapsed_by};

use super::grants::{self, Line};
use super::steps::Act;
use super::{EntitlementError, Entitlements, Page, Subject, Turn, invalid, only_administrators, words};
use crate::accounts::{Principal, StepUp, done_by};
use crate::audit::{Basis, Context, Draft, Kind, Outcome, Place};
use crate::clock::Timestamp;
use crate::database::DatabaseError;
use crate::ids::{CampaignId, EntitlementId, RequestId};

/// How long a campaign may last at most.
const LONGEST: Duration = Duration::from_secs(400 * 86_400);
/// How long after looking at the use of a grant it can be confirmed.
const FRESH: Duration = Duration::from_secs(3600);
/// Grants whose lapse is noted by one transaction.
const NOTED_AT_ONCE: usize = 100;

/// What a campaign is opened for.
#[derive(Clone, Debug)]
pub struct NewCampaign {
    pub name: String,
    /// An agency, an agreement or a product; none: every grant.
    pub subject: Option<Subject>,
    pub due: Timestamp,
}

/// Which grants of a campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemFilter {
    pub standing: Option<Standing>,
    pub unused: bool,
    pub broad: bool,
    pub refused: bool,
}

impl Entitlements {
    /// Every campaign, newest first.
    pub async fn campaigns(&self, turn: &Turn) -> Result<Page<Campaign>, EntitlementError> {
        let page = store::page(&self.database, turn).await?;
        let campaigns = store::those(&self.database, &page.rows).await?;
        Ok(page.filled(campaigns, |campaign| campaign.id.as_str()))
    }

    /// Those in which something waits, the next to be due first.
    pub async fn running_campaigns(&self) -> Result<Vec<Campaign>, EntitlementError> {
        Ok(store::running(&self.database, self.clock.now()).await?)
    }

    /// How many grants wait to be confirmed by somebody who did not propose them, as this administrator did not.
    pub async fn to_confirm(&self, by: &Principal) -> Result<u64, EntitlementError> {
        Ok(store::waiting_for(&self.database, by.account(), self.clock.now()).await?)
    }

    pub async fn campaign(&self, id: &str) -> Result<Option<Campaign>, EntitlementError> {
        Ok(store::those(&self.database, &[id.to_owned()]).await?.pop())
    }

    /// The campaign in which a grant waits, or lapsed.
    pub async fn campaign_of(&self, grant: &EntitlementId) -> Result<Option<Campaign>, EntitlementError> {
        match store::campaign_of(&self.database, grant).await? {
            Some(id) => self.campaign(&id).await,
            None => Ok(None),
        }
    }

    /// A page of the grants in a campaign: those least used first.
    pub async fn items(&self, campaign: &CampaignId, filter: ItemFilter, turn: &Turn) -> Result<Page<Item>, EntitlementError> {
        let page = store::item_page(&self.database, campaign, filter, self.clock.now(), turn).await?;
        let lines = grants::lines(&self.database, &page.rows).await?;
        let items = store::items(&self.database, campaign, lines).await?;
        Ok(page.filled(items, |item| item.line.entitlement.id.as_str()))
    }

    pub async fn item(&self, campaign: &CampaignId, grant: &str) -> Result<Option<Item>, EntitlementError> {
        let lines = grants::lines(&self.database, &[grant.to_owned()]).await?;
        Ok(store::items(&self.database, campaign, lines).await?.pop())
    }

    /// How many grants a campaign would ask about.
    pub async fn grants_to_confirm(&self, subject: Option<&Subject>) -> Result<u64, EntitlementError> {
        Ok(store::eligible(&self.database, subject, self.clock.now()).await?.len() as u64)
    }

    /// Opens a campaign over the grants that are in force or will be, but for those that wait in another and those given alone.
    pub async fn open_campaign(&self, new: NewCampaign, by: &StepUp, context: &Context) -> Result<CampaignId, EntitlementError> {
        let by = by.principal();
        only_administrators(by)?;
        let name = words("name", &new.name, 100)?;
        let now = self.clock.now();
        if new.due <= now || new.due > now.plus(LONGEST) {
            return Err(invalid("due", "Choose a day that is to come, within 400 days."));
        }
        let (usages, counted_to) = self.log.usages().await.map_err(EntitlementError::Audit)?;
        let refused = self.log.refusals().await.map_err(EntitlementError::Audit)?;
        let id = CampaignId::random(&self.entropy);
        let act = Act { by: by.account().clone(), at: now };
        let mut tx = self.database.begin().await?;
        let grants = store::eligible_in(&mut tx, new.subject.as_ref(), now).await?;
        if grants.is_empty() {
            return Err(invalid("subject", "There is no grant to confirm: none is in force, or each waits in another campaign."));
        }
        let counted: Vec<_> = grants
            .iter()
            .map(|grant| {
                let usage = usages.get(grant.id.as_str()).cloned().unwrap_or_default();
                let refusals = grant.people.iter().map(|person| refused.since(person, &grant.product, grant.approved)).sum();
                Counted { last: usage.last, files: usage.files, opens: grant.opens, refusals }
            })
            .collect();
        store::insert(&mut tx, &id, &name, &new, counted_to, &act).await?;
        if !store::insert_grants(&mut tx, &id, new.due, now, grants.iter().zip(&counted)).await? {
            return Err(EntitlementError::Conflict);
        }
        let mut entry = about(&id, &name, by, Kind::CampaignOpened).fact("due", json!(new.due.to_string()));
        entry = entry.fact("grants", json!(grants.len())).fact("counted_to", json!(counted_to));
        entry = match &new.subject {
            Some(of) => entry.fact("subject", json!(of.kind.as_str())).fact("id", json!(of.id)),
            None => entry.fact("subject", "everything"),
        };
        self.log.commit(tx, entry, context).await.map(|()| id)
    }

    /// Records that the figures of a campaign's grants are shown.
    pub async fn campaign_viewed(
        &self,
        campaign: &Campaign,
        shown: usize,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let entry = about(&campaign.id, &campaign.name, by, Kind::CampaignViewed).fact("grants", json!(shown));
        self.log.append(entry, context).await?;
        Ok(())
    }

    /// Confirms that a grant is still needed as it is, by somebody who was shown its use a moment ago: `examined` is the entry that says so.
    pub async fn confirm(
        &self,
        campaign: &CampaignId,
        grant: &EntitlementId,
        examined: u64,
        reason: &str,
        by: &StepUp,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let by = by.principal();
        only_administrators(by)?;
        let reason = words("reason", reason, 1000)?;
        let now = self.clock.now();
        if !self.was_shown(campaign, grant, examined, by, now).await? {
            return Err(invalid("examined", "Look at how it was used first. It is shown here."));
        }
        let found = self.campaign(campaign.as_str()).await?.ok_or(EntitlementError::Unknown)?;
        let mut tx = self.database.begin().await?;
        let loaded = grants::load(&mut tx, grant).await?.ok_or(EntitlementError::Unknown)?;
        let item = self.item(campaign, grant.as_str()).await?.ok_or(EntitlementError::Unknown)?;
        let kinship = self.kinship(&mut tx, &loaded.proposed.by, by.account()).await?;
        let to = item.confirm(kinship, now)?;
        let act = Act { by: by.account().clone(), at: now };
        if !store::decide(&mut tx, campaign, grant, to, &act, &reason, examined).await? {
            return Err(EntitlementError::Conflict);
        }
        let mut entry = about(campaign, &found.name, by, Kind::EntitlementConfirmed);
        entry = on(entry, &item.line).fact("reason", json!(reason)).fact("examined", json!(examined));
        self.log.commit(tx, entry, context).await
    }

    /// Whether this entry says that the use of this grant was shown to this person, in this campaign, not long ago.
    async fn was_shown(
        &self,
        campaign: &CampaignId,
        grant: &EntitlementId,
        examined: u64,
        by: &Principal,
        now: Timestamp,
    ) -> Result<bool, EntitlementError> {
        let Some(entry) = self.log.entry(examined).await.map_err(EntitlementError::Audit)? else { return Ok(false) };
        Ok(entry.kind == Kind::EntitlementExamined
            && entry.actor.is_some_and(|actor| actor.account == *by.account())
            && entry.basis.is_some_and(|basis| basis.entitlement == *grant)
            && entry.facts.get("campaign").is_some_and(|known| known == campaign.as_str())
            && entry.at.plus(FRESH) > now)
    }

    /// Asks that another administrator call a campaign off, so that nothing lapses by it.
    pub async fn ask_to_call_off(&self, id: &CampaignId, reason: &str, by: &Principal, context: &Context) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        self.campaign_step(id, Verb::AskEnd, Some(reason), by, context).await
    }

    /// Answers that it goes on.
    pub async fn go_on(&self, id: &CampaignId, reason: &str, by: &Principal, context: &Context) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        self.campaign_step(id, Verb::GoOn, Some(reason), by, context).await
    }

    /// Calls it off; not for whoever asked for it.
    pub async fn call_off(&self, id: &CampaignId, by: &StepUp, context: &Context) -> Result<(), EntitlementError> {
        self.campaign_step(id, Verb::CallOff, None, by.principal(), context).await
    }

    async fn campaign_step(
        &self,
        id: &CampaignId,
        verb: Verb,
        reason: Option<String>,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        only_administrators(by)?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(EntitlementError::Unknown)?;
        let kinship = self.kinship(&mut tx, found.asked.as_ref().map(|asked| &asked.by), by.account()).await?;
        let to = found.step(verb, kinship, self.clock.now())?;
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        if !store::save(&mut tx, id, found.stage, to, &act, reason.as_deref()).await? {
            return Err(EntitlementError::Conflict);
        }
        let kind = match verb {
            Verb::AskEnd => Kind::CampaignEndAsked,
            Verb::GoOn => Kind::CampaignKept,
            Verb::CallOff => Kind::CampaignCalledOff,
        };
        let mut entry = about(id, &found.name, by, kind);
        entry = entry.fact_if("reason", reason);
        if to == Stage::CalledOff {
            entry = entry.fact("released", json!(store::release(&mut tx, id).await?));
        }
        self.log.commit(tx, entry, context).await
    }

    /// Notes in the log what has lapsed because nobody confirmed it in time; says how many. Nothing of it could be read before it is noted.
    pub async fn note_lapses(&self) -> Result<usize, EntitlementError> {
        let now = self.clock.now();
        let mut noted = 0;
        for (campaign, name, grant) in store::overdue(&self.database, now, NOTED_AT_ONCE).await? {
            let Some(item) = self.item(&campaign, grant.as_str()).await? else { continue };
            // What had ended by itself, or was revoked, lapses no more.
            let ended = !item.line.would_open(item.due);
            let to = if ended { Standing::Released } else { Standing::Lapsed };
            let mut tx = self.database.begin().await?;
            if !store::note(&mut tx, &campaign, &grant, to).await? {
                continue;
            }
            if to == Standing::Lapsed {
                let draft = Draft::new(Kind::EntitlementLapsed, Outcome::Done);
                let entry = on(draft, &item.line).fact("campaign", json!(campaign.as_str())).fact("name", json!(name));
                let entry = entry.fact("due", json!(item.due.to_string()));
                self.log.append_in(&mut tx, entry, &Context::internal(RequestId::random(&self.entropy))).await?;
            }
            tx.commit().await.map_err(DatabaseError::from)?;
            noted += 1;
        }
        Ok(noted)
    }
}

fn about(id: &CampaignId, name: &str, by: &Principal, kind: Kind) -> Draft {
    done_by(by, kind).fact("campaign", json!(id.as_str())).fact("name", json!(name))
}

/// The same entry, about this grant.
fn on(mut draft: Draft, line: &Line) -> Draft {
    draft.basis = Some(Basis { entitlement: line.entitlement.id.clone(), agreement: line.entitlement.agreement.clone() });
    draft.place = Some(Place { product: line.product_name.clone(), ..Place::default() });
    draft
}
