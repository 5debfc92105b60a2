//! Agreements: drafted, signed, amended, ended; their terms in versions, and what is attached to them.

mod agreement;
mod list;
mod store;

use ipnet::IpNet;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use agreement::{
    AMENDMENT_LIFE, Agreement, Amendment, AmendmentStage, AmendmentVerb, Ended, LIFE, Paper, REMINDERS, Reach, Stage, Standing, Verb,
};
pub use list::AgreementFilter;

use super::steps::{Act, Kinship, TransitionError, take};
use super::store::damaged;
use super::{EntitlementError, Entitlements, Window, draft, invalid, only_administrators, words};
use crate::accounts::{Principal, StepUp, done_by};
use crate::audit::{Context, Kind};
use crate::clock::Timestamp;
use crate::ids::{AgencyId, AgreementId, AmendmentId, DocumentId};

/// Bytes of the largest document taken.
pub const LARGEST_DOCUMENT: usize = 16 << 20;

/// An agreement as an administrator writes it down.
#[derive(Clone, Debug)]
pub struct NewAgreement {
    pub agency: AgencyId,
    pub reference: String,
    pub term: Window,
    pub reach: Reach,
    pub paper: Paper,
    pub draft: bool,
    pub signed_at: Option<Timestamp>,
}

impl NewAgreement {
    /// Signed, reaching as far as what is granted under it, with nothing more said.
    #[must_use]
    pub fn signed(agency: AgencyId, reference: &str, term: Window) -> Self {
        Self {
            agency,
            reference: reference.to_owned(),
            term,
            reach: Reach::default(),
            paper: Paper::default(),
            draft: false,
            signed_at: None,
        }
    }
}

/// A version of an agreement's terms.
#[derive(Clone, Debug)]
pub struct Terms {
    pub version: i64,
    pub text: String,
    pub published_at: Timestamp,
    pub publisher: Option<String>,
    /// People who have accepted it.
    pub accepted: i64,
}

/// What is attached to an agreement, without its bytes.
#[derive(Clone, Debug)]
pub struct Document {
    pub id: DocumentId,
    pub agreement: AgreementId,
    pub name: String,
    pub media_type: String,
    pub sha256: String,
    pub size: i64,
    pub attached_at: Timestamp,
    pub attacher: Option<String>,
    /// The one that it was attached in place of.
    pub replaces: Option<DocumentId>,
    /// Another was attached in its place.
    pub replaced: bool,
}

/// A document to be attached.
#[derive(Clone, Debug)]
pub struct NewDocument {
    /// As it is called where it comes from; what stands before its last slash is left out.
    pub name: String,
    pub media_type: String,
    pub bytes: Vec<u8>,
    /// One that it takes the place of.
    pub replaces: Option<DocumentId>,
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

impl Entitlements {
    /// By the end of their terms.
    pub async fn agreements(&self) -> Result<Vec<Agreement>, EntitlementError> {
        Ok(store::all(&self.database).await?)
    }

    pub async fn agreements_of(&self, agency: &AgencyId) -> Result<Vec<Agreement>, EntitlementError> {
        Ok(store::of_agency(&self.database, agency).await?)
    }

    /// By id or reference.
    pub async fn agreement(&self, key: &str) -> Result<Option<Agreement>, EntitlementError> {
        Ok(store::find(&self.database, key).await?)
    }

    /// Writes an agreement down, as a draft or as signed. `by` is absent only for what the command line makes.
    pub async fn add_agreement(&self, new: NewAgreement, by: Option<&Principal>, context: &Context) -> Result<Agreement, EntitlementError> {
        if let Some(by) = by {
            only_administrators(by)?;
        }
        let agreement = Agreement {
            id: AgreementId::random(&self.entropy),
            agency: new.agency,
            reference: words("reference", &new.reference, 100)?,
            term: checked_term(new.term)?,
            reach: new.reach,
            paper: checked_paper(new.paper)?,
            draft: new.draft,
            signed_at: new.signed_at,
            created_at: self.clock.now(),
            ended: None,
            suspended: false,
        };
        let agency = self.agency(agreement.agency.as_str()).await?.ok_or(EntitlementError::Unknown)?;
        if agency.ineligible.is_some() {
            return Err(invalid("agency", "This agency is struck from the list of eligible agencies."));
        }
        let mut tx = self.database.begin().await?;
        store::insert(&mut tx, &agreement).await?;
        let mut entry = draft(by, if agreement.draft { Kind::AgreementDrafted } else { Kind::AgreementSigned });
        entry = entry.fact("agreement", json!(agreement.id.as_str())).fact("agency", json!(agreement.agency.as_str()));
        for (name, value) in facts(&agreement) {
            entry = entry.fact(name, value);
        }
        self.log.commit(tx, entry, context).await.map(|()| agreement)
    }

    /// Signs a draft.
    pub async fn sign_agreement(
        &self,
        id: &AgreementId,
        signed_at: Timestamp,
        by: &StepUp,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        only_administrators(by.principal())?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(EntitlementError::Unknown)?;
        take(LIFE, found.stage(), Verb::Sign, Kinship::Independent)?;
        if !store::sign(&mut tx, id, signed_at).await? {
            return Err(EntitlementError::Conflict);
        }
        let mut entry = done_by(by.principal(), Kind::AgreementSigned);
        entry = entry.fact("agreement", json!(id.as_str())).fact("agency", json!(found.agency.as_str()));
        for (name, value) in facts(&Agreement { draft: false, signed_at: Some(signed_at), ..found }) {
            entry = entry.fact(name, value);
        }
        self.log.commit(tx, entry, context).await
    }

    /// Changes what the paper says; of a draft, everything. What makes a signed agreement reach further is an [`Amendment`].
    pub async fn edit_agreement(
        &self,
        id: &AgreementId,
        new: NewAgreement,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        only_administrators(by)?;
        let paper = checked_paper(new.paper)?;
        let term = checked_term(new.term)?;
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, id).await?.ok_or(EntitlementError::Unknown)?;
        let after = match found.stage() {
            Stage::Draft => {
                Agreement { reference: words("reference", &new.reference, 100)?, term, reach: new.reach, paper, ..found.clone() }
            }
            Stage::Signed => Agreement { paper, ..found.clone() },
            Stage::Terminated => return Err(TransitionError::AlreadyDecided.into()),
        };
        if !store::update(&mut tx, &after, found.draft).await? {
            return Err(EntitlementError::Conflict);
        }
        let (before, after) = changes(&facts(&found), &facts(&after));
        let mut entry = done_by(by, Kind::AgreementAmended).fact("agreement", json!(id.as_str()));
        entry = entry.fact("before", Value::Object(before)).fact("after", Value::Object(after));
        self.log.commit(tx, entry, context).await
    }

    /// Ends an agreement before its term; what was granted under it lapses with it.
    pub async fn end_agreement(&self, id: &AgreementId, reason: &str, by: &StepUp, context: &Context) -> Result<(), EntitlementError> {
        only_administrators(by.principal())?;
        let reason = words("reason", reason, 1000)?;
        let act = Act { by: by.principal().account().clone(), at: self.clock.now() };
        let mut tx = self.database.begin().await?;
        if !store::end(&mut tx, id, &act, &reason).await? {
            return Err(EntitlementError::Conflict);
        }
        let entry = done_by(by.principal(), Kind::AgreementEnded).fact("agreement", json!(id.as_str())).fact("reason", json!(reason));
        self.log.commit(tx, entry, context).await
    }

    /// Of one agreement, newest first.
    pub async fn amendments(&self, agreement: &AgreementId) -> Result<Vec<Amendment>, EntitlementError> {
        Ok(store::amendments(&self.database, agreement).await?)
    }

    /// Those that wait for a second administrator, oldest first.
    pub async fn open_amendments(&self) -> Result<Vec<Amendment>, EntitlementError> {
        Ok(store::open_amendments(&self.database).await?)
    }

    /// Proposes that a signed agreement reach further, or less far: its term renewed, its networks or products changed.
    pub async fn propose_amendment(
        &self,
        agreement: &AgreementId,
        until: Timestamp,
        reach: Reach,
        reason: &str,
        by: &Principal,
        context: &Context,
    ) -> Result<AmendmentId, EntitlementError> {
        only_administrators(by)?;
        let reason = words("reason", reason, 1000)?;
        let id = AmendmentId::random(&self.entropy);
        let now = self.clock.now();
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, agreement).await?.ok_or(EntitlementError::Unknown)?;
        if found.stage() != Stage::Signed {
            return Err(TransitionError::AlreadyDecided.into());
        }
        if until <= found.term.from || until <= now {
            return Err(invalid("until", "The term must end after it begins, and not in the past."));
        }
        let wanted = Agreement { term: Window { until, ..found.term }, reach, ..found.clone() };
        let (before, after) = changes(&facts(&found), &facts(&wanted));
        if after.is_empty() {
            return Err(invalid("until", "Change the end of the term, the networks or the products; as it is, nothing would change."));
        }
        let act = Act { by: by.account().clone(), at: now };
        if !store::insert_amendment(&mut tx, &id, &wanted, &reason, &act).await? {
            return Err(EntitlementError::Conflict);
        }
        let mut entry = done_by(by, Kind::AmendmentProposed).fact("agreement", json!(agreement.as_str()));
        entry = entry.fact("amendment", json!(id.as_str())).fact("reason", json!(reason));
        entry = entry.fact("before", Value::Object(before)).fact("after", Value::Object(after));
        self.log.commit(tx, entry, context).await.map(|()| id)
    }

    pub async fn approve_amendment(&self, id: &AmendmentId, by: &StepUp, context: &Context) -> Result<(), EntitlementError> {
        self.decide_amendment(id, AmendmentVerb::Approve, None, by.principal(), context).await
    }

    pub async fn refuse_amendment(
        &self,
        id: &AmendmentId,
        reason: &str,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let reason = words("reason", reason, 1000)?;
        self.decide_amendment(id, AmendmentVerb::Refuse, Some(reason), by, context).await
    }

    async fn decide_amendment(
        &self,
        id: &AmendmentId,
        verb: AmendmentVerb,
        reason: Option<String>,
        by: &Principal,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        only_administrators(by)?;
        let mut tx = self.database.begin().await?;
        let amendment = store::load_amendment(&mut tx, id).await?.ok_or(EntitlementError::Unknown)?;
        let found = store::load(&mut tx, &amendment.agreement).await?.ok_or(EntitlementError::Unknown)?;
        let kinship = self.kinship(&mut tx, &amendment.proposed.by, by.account()).await?;
        let to = take(AMENDMENT_LIFE, amendment.stage, verb, kinship)?;
        let act = Act { by: by.account().clone(), at: self.clock.now() };
        if !store::decide_amendment(&mut tx, id, to, &act, reason.as_deref()).await? {
            return Err(EntitlementError::Conflict);
        }
        let after = Agreement { term: Window { until: amendment.until, ..found.term }, reach: amendment.reach, ..found.clone() };
        let approved = verb == AmendmentVerb::Approve;
        if approved && (found.stage() != Stage::Signed || !store::update(&mut tx, &after, false).await?) {
            return Err(TransitionError::AgreementOver.into());
        }
        let (before, after) = changes(&facts(&found), &facts(&after));
        let mut entry = done_by(by, if approved { Kind::AgreementAmended } else { Kind::AmendmentRefused });
        entry = entry.fact("agreement", json!(found.id.as_str())).fact("amendment", json!(id.as_str()));
        entry = entry.fact("before", Value::Object(before)).fact("after", Value::Object(after));
        entry = entry.fact_if("reason", reason);
        self.log.commit(tx, entry, context).await
    }

    /// Newest first.
    pub async fn terms(&self, agreement: &AgreementId) -> Result<Vec<Terms>, EntitlementError> {
        Ok(store::terms(&self.database, agreement).await?)
    }

    /// Publishes a version of the terms. Nobody reads under the agreement from then on before accepting it.
    pub async fn publish_terms(
        &self,
        agreement: &AgreementId,
        text: &str,
        by: &StepUp,
        context: &Context,
    ) -> Result<i64, EntitlementError> {
        only_administrators(by.principal())?;
        let text = words("text", text, 100_000)?;
        let digest = sha256(text.as_bytes());
        let mut tx = self.database.begin().await?;
        let found = store::load(&mut tx, agreement).await?.ok_or(EntitlementError::Unknown)?;
        if found.stage() == Stage::Terminated {
            return Err(TransitionError::AlreadyDecided.into());
        }
        let act = Act { by: by.principal().account().clone(), at: self.clock.now() };
        let Some(version) = store::insert_terms(&mut tx, agreement, &text, &digest, &act).await? else {
            return Err(EntitlementError::Conflict);
        };
        let mut entry = done_by(by.principal(), Kind::TermsPublished).fact("agreement", json!(agreement.as_str()));
        entry = entry.fact("version", json!(version)).fact("sha256", json!(digest));
        self.log.commit(tx, entry, context).await.map(|()| version)
    }

    /// Newest first.
    pub async fn documents(&self, agreement: &AgreementId) -> Result<Vec<Document>, EntitlementError> {
        Ok(store::documents(&self.database, agreement).await?)
    }

    /// What is attached under this id, with its bytes.
    pub async fn document(&self, id: &str) -> Result<Option<(Document, Vec<u8>)>, EntitlementError> {
        let found = store::document(&self.database, id).await?;
        match &found {
            Some((document, bytes)) if sha256(bytes) != document.sha256 => {
                Err(damaged(&format!("the document {id}, which is not what was attached")).into())
            }
            _ => Ok(found),
        }
    }

    /// Attaches a document; nothing that was attached is ever removed.
    pub async fn attach(
        &self,
        agreement: &AgreementId,
        new: NewDocument,
        by: &Principal,
        context: &Context,
    ) -> Result<DocumentId, EntitlementError> {
        only_administrators(by)?;
        let name = new.name.rsplit(['/', '\\']).next().unwrap_or_default();
        if new.bytes.is_empty() || name.trim().is_empty() {
            return Err(invalid("document", "Choose a file that is not empty."));
        }
        if new.bytes.len() > LARGEST_DOCUMENT {
            return Err(invalid("document", "This file is larger than 16 MB, and no larger one is taken."));
        }
        let found = self.agreement(agreement.as_str()).await?.ok_or(EntitlementError::Unknown)?;
        if let Some(replaced) = &new.replaces
            && !self.documents(&found.id).await?.iter().any(|known| known.id == *replaced && !known.replaced)
        {
            return Err(invalid(
                "replaces",
                "That document was replaced already, or belongs to another agreement; look at the list again.",
            ));
        }
        let document = Document {
            id: DocumentId::random(&self.entropy),
            agreement: found.id,
            name: one_line("document", name, 200)?,
            media_type: new.media_type.chars().filter(char::is_ascii_graphic).take(100).collect(),
            sha256: sha256(&new.bytes),
            size: i64::try_from(new.bytes.len()).unwrap_or(i64::MAX),
            attached_at: self.clock.now(),
            attacher: None,
            replaces: new.replaces,
            replaced: false,
        };
        let mut tx = self.database.begin().await?;
        if !store::insert_document(&mut tx, &document, new.bytes, by.account()).await? {
            return Err(EntitlementError::Conflict);
        }
        let mut entry = done_by(by, Kind::DocumentAttached).fact("agreement", json!(agreement.as_str()));
        entry = entry.fact("document", json!(document.id.as_str())).fact("name", json!(document.name));
        entry = entry.fact("sha256", json!(document.sha256)).fact("size", json!(document.size));
        entry = entry.fact_if("replaces", document.replaces.as_ref().map(DocumentId::as_str));
        self.log.commit(tx, entry, context).await.map(|()| document.id)
    }
}

/// Words in one line.
fn one_line(field: &'static str, text: &str, most: usize) -> Result<String, EntitlementError> {
    if text.contains(char::is_control) {
        return Err(invalid(field, "The name of the file holds control characters; give it another."));
    }
    words(field, text, most)
}

fn checked_term(term: Window) -> Result<Window, EntitlementError> {
    if term.until <= term.from { Err(invalid("until", "The term must end after it begins.")) } else { Ok(term) }
}

fn checked_paper(paper: Paper) -> Result<Paper, EntitlementError> {
    let optional = |field, text: String, most| if text.trim().is_empty() { Ok(String::new()) } else { words(field, &text, most) };
    let sites = paper.sites.into_iter().filter(|site| !site.trim().is_empty());
    Ok(Paper {
        kind: optional("kind", paper.kind, 100)?,
        renewal: optional("renewal", paper.renewal, 300)?,
        handling: optional("handling", paper.handling, 10_000)?,
        export_class: optional("export_class", paper.export_class, 100)?,
        sites: sites.map(|site| words("sites", &site, 200)).collect::<Result<_, _>>()?,
    })
}

/// An agreement as entries of the log tell it.
fn facts(of: &Agreement) -> Vec<(&'static str, Value)> {
    let networks = of.reach.addresses.iter().map(IpNet::to_string).collect::<Vec<_>>();
    let mut facts =
        vec![("reference", json!(of.reference)), ("from", json!(of.term.from.to_string())), ("until", json!(of.term.until.to_string()))];
    let said = |text: &String| !text.is_empty();
    let paper = &of.paper;
    let texts = [("kind", &paper.kind), ("renewal", &paper.renewal), ("handling", &paper.handling), ("export_class", &paper.export_class)];
    facts.extend(
        texts.into_iter().filter(|(_, text)| said(text)).map(|(name, text)| (name, json!(text.chars().take(2000).collect::<String>()))),
    );
    for (name, list) in [("sites", &paper.sites), ("addresses", &networks), ("covers", &of.reach.covers)] {
        if !list.is_empty() {
            facts.push((name, json!(list)));
        }
    }
    if let Some(signed) = of.signed_at {
        facts.push(("signed", json!(signed.date())));
    }
    facts
}

type Facts = serde_json::Map<String, Value>;

/// What differs, as it was and as it is then. What one side does not say is `null` there.
fn changes(before: &[(&'static str, Value)], after: &[(&'static str, Value)]) -> (Facts, Facts) {
    let (mut was, mut is) = (Facts::new(), Facts::new());
    let value =
        |of: &[(&'static str, Value)], name| of.iter().find(|(known, _)| *known == name).map_or(Value::Null, |(_, value)| value.clone());
    for (name, _) in before.iter().chain(after) {
        let (old, new) = (value(before, *name), value(after, *name));
        if old != new {
            was.insert((*name).to_owned(), old);
            is.insert((*name).to_owned(), new);
        }
    }
    (was, is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_tells_what_differs_on_both_sides() {
        let before = [("reference", json!("A")), ("kind", json!("review"))];
        let after = [("reference", json!("A")), ("covers", json!(["gateway"]))];
        let (was, is) = changes(&before, &after);
        assert_eq!(Value::Object(was), json!({"kind": "review", "covers": null}));
        assert_eq!(Value::Object(is), json!({"kind": null, "covers": ["gateway"]}));
    }
}
