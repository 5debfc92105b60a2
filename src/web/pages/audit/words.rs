//! Entries in words: a line of a list, a sentence, and every field by its name.

use serde_json::Value;

use crate::accounts::Role;
use crate::audit::{Entry, Kind, Outcome};
use crate::web::views::audit::LogRow;
use crate::web::views::format::{count, counted};

/// Characters of a line's subject at most; the entry's own page has all of it.
const SUBJECT: usize = 240;

/// An entry as a line of a list.
pub(in crate::web::pages) fn row(entry: &Entry) -> LogRow {
    let personal = entry.personal.as_ref();
    let agency = personal.and_then(|personal| personal.agency_name.clone());
    let role = || entry.actor.as_ref().map(|actor| label(&actor.role)).unwrap_or_default();
    let place = entry.place.as_ref();
    LogRow {
        index: entry.index,
        at: entry.at.micros(),
        person: visible(&person(entry).unwrap_or_default()),
        agency: visible(&agency.unwrap_or_else(role)),
        kind: entry.kind.to_string(),
        what: shortened(&visible(&subject(entry))),
        version: visible(place.and_then(|place| place.version.as_deref()).unwrap_or_default()),
        outcome: outcome(entry).to_owned(),
        refused: is_refused(entry),
    }
}

/// What happened, in one sentence.
pub(super) fn sentence(entry: &Entry) -> String {
    let agency = entry.personal.as_ref().and_then(|personal| personal.agency_name.as_deref());
    let who = match (person(entry), agency) {
        (_, _) if entry.kind == Kind::SessionRefused && entry.actor.is_none() => "Somebody".to_owned(),
        (Some(person), Some(agency)) => format!("{person} of {agency}"),
        (Some(person), None) => person,
        (None, _) if entry.facts.get("by").is_some_and(|by| by == "command line") => "The operator".to_owned(),
        (None, _) => "The portal".to_owned(),
    };
    let mut sentence = visible(&format!("{who} {}", deed(entry)));
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

/// What whoever did it did, to stand behind their name.
fn deed(entry: &Entry) -> String {
    let place = place(entry);
    let subject = || shortened(&subject(entry));
    match entry.kind {
        Kind::SessionOpened => match proofs(entry) {
            proofs if proofs.is_empty() => "signed in".to_owned(),
            proofs => format!("signed in with {proofs}"),
        },
        Kind::SessionClosed => "signed out, or ended a session".to_owned(),
        Kind::SessionRefused => refused(entry),
        Kind::TreeListed => format!("listed {place}"),
        Kind::FileOpened => format!("opened {place}"),
        Kind::HistoryViewed => match entry.place.as_ref().and_then(|place| place.lines) {
            Some((first, last)) => format!("viewed the history of lines {first} to {last} of {place}"),
            None => format!("viewed the history of {place}"),
        },
        Kind::BlameViewed => format!("viewed who last changed each line of {place}"),
        Kind::DiffViewed => match ["commit", "from"].map(|fact| entry.facts.get(fact).and_then(Value::as_str)) {
            [Some(commit), _] => format!("viewed what the commit {} did, in {place}", commit.get(..10).unwrap_or(commit)),
            [None, Some(from)] => format!("compared {place} with {from}"),
            [None, None] => format!("compared {place}"),
        },
        Kind::SymbolViewed => match entry.personal.as_ref().and_then(|personal| personal.query.as_deref()) {
            Some(name) => format!("looked up the symbol {name} in {place}"),
            None => format!("looked up a symbol in {place}"),
        },
        Kind::Searched => format!("searched for {}", subject()),
        Kind::SearchSaved => format!("saved the search {}", subject()),
        Kind::SearchRemoved => format!("removed the saved search {}", subject()),
        Kind::AccessDenied => format!("was refused {}", if place.is_empty() { subject() } else { place }),
        Kind::AuditViewed => format!("viewed the log: {}", subject()),
        Kind::AuditExported => format!("exported the log: {}", subject()),
        Kind::SymbolsImported => format!("imported precise symbols for {place}"),
        Kind::BackupTaken => "took a backup of everything".to_owned(),
        Kind::EntitlementProposed => format!("proposed a grant of {place}"),
        Kind::EntitlementApproved => format!("approved a grant of {place}"),
        Kind::EntitlementRefused => format!("refused a grant of {place}"),
        Kind::EntitlementRevoked => format!("revoked a grant of {place}"),
        Kind::EntitlementEmergency => format!("gave access to {place} alone, for hours"),
        Kind::EntitlementReviewed => format!("reviewed access to {place} that was given alone"),
        Kind::EntitlementPreviewed => format!("looked at what a grant of {place} opens"),
        Kind::EntitlementExamined => format!("looked at how a grant of {place} was used"),
        Kind::EntitlementConfirmed => format!("confirmed a grant of {place} in the campaign {}", named(entry)),
        Kind::EntitlementLapsed => format!("let a grant of {place} lapse, which nobody confirmed in the campaign {}", named(entry)),
        Kind::CampaignOpened => format!("opened the campaign {}, in which grants are confirmed or lapse", named(entry)),
        Kind::CampaignViewed => format!("looked at how the grants in the campaign {} were used", named(entry)),
        Kind::CampaignEndAsked => format!("asked that the campaign {} be called off", named(entry)),
        Kind::CampaignKept => format!("refused to call off the campaign {}", named(entry)),
        Kind::CampaignCalledOff => format!("called off the campaign {}, so that nothing lapses by it", named(entry)),
        Kind::SuspensionPlaced => format!("suspended the {}", suspended(entry)),
        Kind::SuspensionLiftAsked => format!("asked that the suspension of the {} be lifted", suspended(entry)),
        Kind::SuspensionKept => format!("kept the suspension of the {}", suspended(entry)),
        Kind::SuspensionLifted => format!("lifted the suspension of the {}", suspended(entry)),
        Kind::AgreementDrafted => format!("drafted the agreement {}", subject()),
        Kind::AgreementAmended => format!("changed the agreement {}", fact(entry, "agreement")),
        Kind::AmendmentProposed => format!("proposed to change the signed agreement {}", fact(entry, "agreement")),
        Kind::AmendmentRefused => format!("refused a change of the signed agreement {}", fact(entry, "agreement")),
        Kind::TermsPublished => format!("published terms of the agreement {}", fact(entry, "agreement")),
        Kind::TermsAccepted => format!("accepted the terms of the agreement {}", fact(entry, "agreement")),
        Kind::DocumentAttached => format!("attached {} to an agreement", subject()),
        Kind::PersonNominated => format!("nominated {} for the agreement {}", fact(entry, "account"), fact(entry, "agreement")),
        Kind::PersonApproved => format!("approved that the agreement {} names {}", fact(entry, "agreement"), fact(entry, "account")),
        Kind::PersonRefused => format!("refused that the agreement {} names {}", fact(entry, "agreement"), fact(entry, "account")),
        Kind::PersonWithdrawn => format!("withdrew {} from the agreement {}", fact(entry, "account"), fact(entry, "agreement")),
        Kind::AgencyChanged => format!("changed what is written down about the agency {}", fact(entry, "agency")),
        Kind::AgreementSigned => format!("entered the signed agreement {}", fact(entry, "agreement")),
        Kind::AgreementEnded => format!("ended the agreement {}", fact(entry, "agreement")),
        Kind::AgreementPersonNamed => format!("named {} in the agreement {}", fact(entry, "account"), fact(entry, "agreement")),
        Kind::AgencyCreated => format!("added the agency {}", fact(entry, "agency")),
        Kind::ListImported => format!("read in a file of {}", listed(entry)),
        Kind::ListExported => format!("wrote {} to a file", listed(entry)),
        Kind::ProductCreated => format!("added the product {place}"),
        Kind::ProductChanged => format!("changed the product {place}: {}", changed(entry)),
        Kind::VersionPublished => format!("published {place}"),
        Kind::VersionQuarantined => format!("put {place} into quarantine"),
        Kind::VersionReleaseAsked => match before(entry) {
            "withdrawn" => format!("asked to put back {place}, which had been withdrawn"),
            _ => format!("asked to release {place} from quarantine"),
        },
        Kind::VersionReleaseRefused => match before(entry) {
            "return asked" => format!("refused to put back {place}, which stays withdrawn"),
            _ => format!("refused to release {place}, which stays in quarantine"),
        },
        Kind::VersionReleased => match before(entry) {
            "return asked" => format!("put back {place}, which had been withdrawn"),
            _ => format!("released {place} from quarantine"),
        },
        Kind::VersionWithdrawn => format!("withdrew {place}"),
        Kind::MirrorTagMoveAcknowledged => format!("acknowledged that the tag or branch of {place} was moved at its origin"),
        _ => deed_about_people(entry),
    }
}

/// The same of accounts and of agencies' directories; and of what has no words of its own.
fn deed_about_people(entry: &Entry) -> String {
    let subject = || shortened(&subject(entry));
    match entry.kind {
        Kind::AccountCreated => format!("opened the account of {}", fact(entry, "account")),
        Kind::AccountInvited => match entry.facts.get("second_needed") {
            Some(Value::Bool(true)) => {
                format!("made a link for {} to choose a password, for a second administrator to approve", fact(entry, "account"))
            }
            _ => format!("made a link for {} to choose a password", fact(entry, "account")),
        },
        Kind::AccountInvitationApproved => format!("approved the invitation of {}", fact(entry, "account")),
        Kind::AccountInvitationUsed => "used an invitation, and chose a password".to_owned(),
        Kind::AccountInvitationWithdrawn => format!("withdrew the invitation of {}", fact(entry, "account")),
        Kind::RoleChangeProposed => {
            format!("proposed to make {} {}, who is {}", fact(entry, "account"), role(entry, "after"), role(entry, "before"))
        }
        Kind::RoleChanged => {
            format!("approved that {}, who was {}, is {}", fact(entry, "account"), role(entry, "before"), role(entry, "after"))
        }
        Kind::RoleChangeRefused => {
            format!("refused to make {} {}, who is {}", fact(entry, "account"), role(entry, "after"), role(entry, "before"))
        }
        Kind::AccountDisabled => format!("locked the account of {}", fact(entry, "account")),
        Kind::AccountEnabled => format!("unlocked the account of {}", fact(entry, "account")),
        Kind::AccountPasswordChanged => "changed their password".to_owned(),
        Kind::AccountSecondFactorChanged => factor_change(entry).to_owned(),
        Kind::AccountResetProposed => format!("proposed to reset the {} of the account of {}", reset(entry), fact(entry, "account")),
        Kind::AccountResetApproved => {
            format!("reset the {} of the account of {}, and ended its sessions", reset(entry), fact(entry, "account"))
        }
        Kind::AccountResetRefused => format!("refused to reset the {} of the account of {}", reset(entry), fact(entry, "account")),
        Kind::AccountResetWithdrawn => format!("withdrew the reset of the {} of the account of {}", reset(entry), fact(entry, "account")),
        Kind::AccountResetUsed => "chose another password after a reset".to_owned(),
        Kind::AccountSessionsEnded => format!("ended the sessions of {}", fact(entry, "account")),
        Kind::AccountChanged => "gave an account another name or address that nobody was invited to yet".to_owned(),
        Kind::DirectoryTokenMade => format!("made the token {} for an agency's directory", subject()),
        Kind::DirectoryTokenRevoked => format!("revoked the token {} of an agency's directory", subject()),
        Kind::DirectoryPersonEntered => format!("entered a person{}", stated(entry)),
        Kind::DirectoryPersonChanged => format!("changed what it says of a person{}", stated(entry)),
        Kind::DirectoryPersonRemoved => "removed a person, whose access ended with that".to_owned(),
        kind => format!("did this: {}, {}", kind.words(), subject()).trim_end_matches([' ', ',']).to_owned(),
    }
}

/// What a directory's word on a person's being active came to; nothing where it stayed as it was.
fn stated(entry: &Entry) -> &'static str {
    let active = |when: &str| entry.facts.get(when).and_then(|of| of.get("active")).and_then(Value::as_bool);
    match (active("before"), active("after")) {
        (before, Some(true)) if before != Some(true) => ", whom it nominates",
        (before, Some(false)) if before != Some(false) => ", who is not, or no longer, the agency's: their access ended with that",
        _ => "",
    }
}

/// What was suspended: "agency Agency One".
fn suspended(entry: &Entry) -> String {
    let fact = |name: &str| entry.facts.get(name).map(plain).unwrap_or_default();
    format!("{} {}", fact("subject"), fact("name"))
}

/// "people" or "grants".
fn listed(entry: &Entry) -> &str {
    entry.facts.get("list").and_then(Value::as_str).unwrap_or("something")
}

/// "password and code": what somebody signed in with.
fn proofs(entry: &Entry) -> String {
    let proofs = entry.facts.get("factors").and_then(Value::as_array).into_iter().flatten();
    proofs.filter_map(Value::as_str).collect::<Vec<_>>().join(" and ")
}

/// What somebody gave who was not let in, or not believed.
fn refused(entry: &Entry) -> String {
    let wrong = entry.facts.get("wrong").and_then(Value::as_str).unwrap_or("password");
    match entry.personal.as_ref().and_then(|personal| personal.email.as_deref()) {
        Some(email) if wrong == "code" && entry.actor.is_none() => {
            format!("gave the right password and a wrong code for {email}, or tried too often")
        }
        Some(_) if wrong == "code" => "gave a wrong code, or tried too often".to_owned(),
        Some(email) => format!("gave a wrong {wrong} for {email}, or tried too often"),
        None => format!("gave a wrong {wrong}, or tried too often"),
    }
}

/// What somebody did with their second factor.
fn factor_change(entry: &Entry) -> &'static str {
    match entry.facts.get("change").and_then(Value::as_str).unwrap_or_default() {
        "set up" => "set up a second factor",
        "replaced" => "set up another second factor in the place of the one before",
        "turned off" => "turned their second factor off",
        "new recovery codes" => "made new recovery codes",
        "recovery code used" => "used a recovery code in the place of their second factor",
        _ => "changed their second factor",
    }
}

/// "password": what is reset.
fn reset(entry: &Entry) -> &str {
    entry.facts.get("what").and_then(Value::as_str).unwrap_or("something")
}

/// "an auditor": the role somebody had, or is to have.
fn role(entry: &Entry, when: &str) -> &'static str {
    let role = entry.facts.get(when).and_then(|of| of.get("role")).and_then(Value::as_str);
    role.and_then(|role| role.parse().ok()).map_or("something else", Role::noun)
}

/// How it stood before, of what has standings.
fn before(entry: &Entry) -> &str {
    entry.facts.get("before").and_then(Value::as_str).unwrap_or_default()
}

/// "new versions published, now quarantined": each setting that an entry says was changed.
fn changed(entry: &Entry) -> String {
    let settings = |name: &str| entry.facts.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (settings("before"), settings("after"));
    let one = |(name, new): (&String, &Value)| {
        let old = before.get(name).map(plain).unwrap_or_default();
        format!("{} {old}, now {}", name.replace('_', " "), plain(new))
    };
    after.iter().map(one).collect::<Vec<_>>().join("; ")
}

pub(super) fn is_refused(entry: &Entry) -> bool {
    entry.outcome == Outcome::Denied
}

/// How many places a search showed.
pub(super) fn shown(entry: &Entry) -> usize {
    match entry.facts.get("places") {
        Some(Value::Array(places)) => places.len(),
        _ => 0,
    }
}

pub(super) fn outcome(entry: &Entry) -> &'static str {
    match (entry.outcome, entry.kind) {
        (Outcome::Permitted, Kind::SessionOpened) => "let in",
        (Outcome::Permitted, Kind::AuditExported) => "handed out",
        (Outcome::Permitted, _) => "shown",
        (Outcome::Denied, Kind::MirrorTagMoved) => "not followed",
        (Outcome::Denied, _) => "refused",
        (Outcome::Failed, _) => "failed",
        (Outcome::Done, _) => "done",
    }
}

/// The name of whoever it was, or what stands for it; `None` for the portal itself.
fn person(entry: &Entry) -> Option<String> {
    let personal = entry.personal.as_ref();
    let account = || entry.actor.as_ref().map(|actor| actor.account.to_string());
    let named = personal.and_then(|personal| personal.name.clone().or_else(|| personal.email.clone()));
    named.or_else(account).or_else(|| entry.is_erased().then(|| "Somebody whose details were erased".to_owned()))
}

/// What it was done to, without the version.
fn subject(entry: &Entry) -> String {
    let fact = |name: &str| entry.facts.get(name).map(plain);
    match (entry.kind, &entry.place) {
        (Kind::Searched, _) => {
            let files = counted(shown(entry) as u64, "file", "files");
            let how = match (entry.facts.get("suggested"), entry.facts.get("exported").and_then(Value::as_str)) {
                (Some(_), _) => "suggested while it was typed".to_owned(),
                (None, Some(format)) => format!("exported as {format}"),
                (None, None) => "shown".to_owned(),
            };
            let query = entry.personal.as_ref().and_then(|personal| personal.query.as_deref());
            format!("{} ({files} {how})", query.unwrap_or("words that were erased"))
        }
        (Kind::SymbolViewed, Some(place)) => {
            let name = entry.personal.as_ref().and_then(|personal| personal.query.as_deref()).unwrap_or("a name that was erased");
            format!("{}: {name} ({} shown)", place.product, counted(shown(entry) as u64, "file", "files"))
        }
        (Kind::SearchSaved | Kind::SearchRemoved, _) => {
            let words = entry.personal.as_ref().and_then(|personal| personal.query.clone());
            words.unwrap_or_else(|| "whose words were erased".to_owned())
        }
        (_, Some(place)) => match &place.path {
            Some(path) if path.text.is_empty() => format!("{}: /", place.product),
            Some(path) => format!("{}: {}", place.product, path.text),
            None => place.product.clone(),
        },
        (Kind::AuditViewed, None) => match entry.facts.get("entry").and_then(Value::as_u64) {
            Some(index) => format!("entry {}", count(index)),
            None => filters(entry),
        },
        (Kind::AccessDenied, None) => fact("page").or_else(|| fact("reason")).unwrap_or_default(),
        _ => ["reference", "name", "product", "account", "user", "agreement", "agency", "format", "origin"]
            .iter()
            .find_map(|name| fact(name))
            .unwrap_or_default(),
    }
}

/// A fact in words; "somebody", "something" where it is missing.
fn fact(entry: &Entry, name: &str) -> String {
    match entry.facts.get(name) {
        Some(value) => shortened(&plain(value)),
        None if name == "account" => "somebody".to_owned(),
        None => "that is not named".to_owned(),
    }
}

/// What something is called in its facts.
fn named(entry: &Entry) -> String {
    shortened(&entry.facts.get("name").map(plain).unwrap_or_default())
}

/// What an auditor looked for.
fn filters(entry: &Entry) -> String {
    let chosen = entry.facts.iter().filter(|(name, _)| *name != "page").map(|(name, value)| format!("{name} {}", plain(value)));
    let person = entry.personal.as_ref().and_then(|personal| personal.query.clone());
    let all: Vec<String> = person.into_iter().chain(chosen).collect();
    if all.is_empty() { "all entries".to_owned() } else { all.join(", ") }
}

/// "net/session/verify.c in gateway 4.2.1"; empty when the entry names no place.
fn place(entry: &Entry) -> String {
    let Some(place) = &entry.place else { return String::new() };
    let within = [Some(place.product.as_str()), place.version.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    match place.path.as_ref().map(|path| path.text.as_str()) {
        None => within,
        Some("") => format!("the top directory of {within}"),
        Some(path) => format!("{path} in {within}"),
    }
}

/// With a capital, and spaces where a name has underscores.
pub(super) fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) if values.iter().any(Value::is_object) => values.iter().map(plain).collect::<Vec<_>>().join("; "),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SUBJECT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Characters that would hide, or change the order of what stands beside them, written out: what readers asked for may hold any.
pub(super) fn visible(text: &str) -> String {
    let hides = |c: char| {
        c.is_control() || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::fields::facts;
    use super::*;
    use crate::audit::{Actor, Draft, Entry, PathText, Place, Shown};
    use crate::clock::Timestamp;
    use crate::ids::{AccountId, AgencyId, RequestId};

    pub(in crate::web::pages::audit) fn draft_of(kind: Kind) -> Draft {
        let actor = Actor {
            account: AccountId::known("acc_1"),
            agency: Some(AgencyId::known("agy_1")),
            role: "reviewer".to_owned(),
            session: Some("5e55".to_owned()),
        };
        Draft::new(kind, Outcome::Permitted).by(actor).person("First reviewer", "r@one.example").agency_name("Agency One")
    }

    /// The entry that a draft becomes, as entry 3 of the seventh second.
    pub(in crate::web::pages::audit) fn sealed(draft: Draft) -> Entry {
        Entry {
            index: 3,
            leaf: [0; 32],
            at: Timestamp::from_seconds(7),
            kind: draft.kind,
            actor: draft.actor,
            place: draft.place,
            basis: draft.basis,
            request: RequestId::known("req_1"),
            outcome: draft.outcome,
            facts: draft.facts,
            details: Some("00".repeat(32)),
            personal: Some(draft.personal),
            bytes: Vec::new(),
            beside: Some(String::new()),
        }
    }

    fn at(path: &str) -> Place {
        let path = Some(PathText::of(path.as_bytes()));
        Place { product: "gateway".to_owned(), version: Some("4.2.1".to_owned()), path, ..Place::default() }
    }

    fn erased(draft: Draft) -> Entry {
        Entry { personal: None, beside: None, ..sealed(draft) }
    }

    #[test]
    fn what_was_read_stands_in_a_line_and_in_a_sentence() {
        let entry = sealed(draft_of(Kind::FileOpened).at(at("net/verify.c")));
        let row = row(&entry);
        assert_eq!((row.person.as_str(), row.agency.as_str()), ("First reviewer", "Agency One"));
        assert_eq!((row.what.as_str(), row.version.as_str()), ("gateway: net/verify.c", "4.2.1"));
        assert_eq!((row.outcome.as_str(), row.refused), ("shown", false));
        assert_eq!(sentence(&entry), "First reviewer of Agency One opened net/verify.c in gateway 4.2.1.");
        let root = sealed(draft_of(Kind::TreeListed).at(at("")));
        assert_eq!(sentence(&root), "First reviewer of Agency One listed the top directory of gateway 4.2.1.");
    }

    #[test]
    fn searches_say_the_words_and_how_many_files_were_shown() {
        let places =
            ["a.c", "b.c"].map(|path| Shown { product: "gateway".to_owned(), path: PathText::of(path.as_bytes()), ..Shown::default() });
        let draft = draft_of(Kind::Searched).query("memcpy len").showing(places);
        assert_eq!(row(&sealed(draft.clone())).what, "memcpy len (2 files shown)");
        assert_eq!(row(&erased(draft.clone())).what, "words that were erased (2 files shown)");
        let facts = facts(&sealed(draft));
        assert_eq!(facts.iter().filter(|fact| fact.label == "Shown").count(), 2);
        assert!(facts.iter().any(|fact| fact.label == "Searched for" && fact.value == "memcpy len"));
    }

    #[test]
    fn what_was_seen_of_the_past_is_told_apart() {
        let lines = Place { lines: Some((4, 9)), ..at("a.c") };
        assert_eq!(
            sentence(&sealed(draft_of(Kind::HistoryViewed).at(lines))),
            "First reviewer of Agency One viewed the history of lines 4 to 9 of a.c in gateway 4.2.1."
        );
        let draft = draft_of(Kind::DiffViewed).at(at("")).fact("commit", "0123456789abcdef");
        assert_eq!(
            sentence(&sealed(draft)),
            "First reviewer of Agency One viewed what the commit 0123456789 did, in the top directory of gateway 4.2.1."
        );
    }

    #[test]
    fn what_was_erased_is_stood_for_by_ids() {
        let entry = erased(draft_of(Kind::FileOpened).at(at("a.c")));
        assert_eq!(row(&entry).person, "acc_1");
        assert_eq!(row(&entry).agency, "Reviewer");
        let nobody = erased(Draft::new(Kind::SessionRefused, Outcome::Denied));
        assert_eq!(row(&nobody).person, "Somebody whose details were erased");
    }

    #[test]
    fn the_portal_and_the_operator_are_told_apart() {
        let mut entry = sealed(Draft::new(Kind::LogOpened, Outcome::Done).fact("origin", "room.example"));
        assert_eq!(row(&entry).person, "");
        assert_eq!(sentence(&entry), "The portal did this: log opened, room.example.");
        entry = sealed(Draft::new(Kind::AuditExported, Outcome::Done).fact("by", "command line").fact("format", "csv"));
        assert_eq!(sentence(&entry), "The operator exported the log: csv.");
    }

    #[test]
    fn refusals_say_so() {
        let mut draft = draft_of(Kind::AccessDenied).at(at("keys/a.pem"));
        draft.outcome = Outcome::Denied;
        let entry = sealed(draft);
        assert!(row(&entry).refused && is_refused(&entry));
        assert_eq!(sentence(&entry), "First reviewer of Agency One was refused keys/a.pem in gateway 4.2.1.");
        let mut refused = Draft::new(Kind::SessionRefused, Outcome::Denied);
        refused.personal.email = Some("x@one.example".to_owned());
        assert_eq!(sentence(&sealed(refused)), "Somebody gave a wrong password for x@one.example, or tried too often.");
    }

    #[test]
    fn names_of_fields_read_as_words() {
        assert_eq!(label("path_hex"), "Path hex");
        assert_eq!(label(""), "");
    }

    #[test]
    fn facts_of_any_form_read_as_words() {
        let bases = serde_json::json!([{"product": "git", "entitlement": "ent_1"}, {"product": "zlib", "entitlement": "ent_2"}]);
        assert_eq!(plain(&bases), "entitlement ent_1, product git; entitlement ent_2, product zlib");
        assert_eq!(plain(&serde_json::json!(["v1.*", "v2.*"])), "v1.*, v2.*");
        assert_eq!(plain(&serde_json::json!(7)), "7");
    }

    #[test]
    fn no_character_hides_and_no_line_grows() {
        let entry = sealed(draft_of(Kind::FileOpened).at(at("a\u{202e}c.\n\u{200b}exe")));
        assert_eq!(row(&entry).what, "gateway: a\\u{202e}c.\\u{a}\\u{200b}exe");
        let long = sealed(draft_of(Kind::FileOpened).at(at(&"é".repeat(500))));
        assert_eq!(row(&long).what.chars().count(), SUBJECT + 1);
    }

    #[test]
    fn every_kind_reads_as_a_sentence() {
        for kind in Kind::ALL {
            let sentence = sentence(&sealed(draft_of(*kind)));
            assert!(sentence.starts_with("First reviewer of Agency One ") && sentence.ends_with('.'), "{sentence}");
        }
    }
}
