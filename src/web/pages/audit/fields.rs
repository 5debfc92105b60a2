//! Every field of an entry by its name.

use super::words::{label, outcome, plain, visible};
use crate::audit::Entry;
use crate::ids::AgencyId;
use crate::web::views::audit::EntryFact;

/// Every field of an entry but its time and kind, those of the personal part included.
pub(in crate::web::pages) fn facts(entry: &Entry) -> Vec<EntryFact> {
    let mut list = List(Vec::new());
    let personal = entry.personal.clone().unwrap_or_default();
    list.add("Outcome", Some(outcome(entry)));
    list.add("Person", personal.name.as_deref());
    list.add("E-mail address", personal.email.as_deref());
    list.add("Agency", personal.agency_name.as_deref());
    if let Some(actor) = &entry.actor {
        list.add("Role", Some(&label(&actor.role)));
        list.add_mono("Account", Some(actor.account.as_str()));
        list.add_mono("Agency's id", actor.agency.as_ref().map(AgencyId::as_str));
        list.add_mono("Session", actor.session.as_deref());
    }
    let written = entry.kind.as_str().starts_with("directory.");
    list.add(if written { "What was written" } else { "Searched for" }, personal.query.as_deref());
    if let Some(place) = &entry.place {
        list.add("Product", Some(&place.product));
        list.add("Version", place.version.as_deref());
        list.add_mono("Commit", place.commit.as_deref());
        list.add_mono("Path", place.path.as_ref().map(|path| if path.text.is_empty() { "/" } else { &path.text }));
        list.add_mono("Path's bytes, in hexadecimal", place.path.as_ref().and_then(|path| path.hex.as_deref()));
        list.add_mono("Blob", place.blob.as_deref());
        list.add("Lines", place.lines.map(|(from, to)| format!("{from} to {to}")).as_deref());
    }
    if let Some(basis) = &entry.basis {
        list.add_mono("Grant", Some(basis.entitlement.as_str()));
        list.add_mono("Agreement", Some(basis.agreement.as_str()));
    }
    for (name, value) in entry.facts.iter().filter(|(name, _)| *name != "places") {
        list.add(&label(name), Some(&plain(value)));
    }
    for shown in entry.shown() {
        let (versions, path) = (shown.versions.join(", "), &shown.path.text);
        let mut words = format!("{} {versions}", shown.product);
        if let Some(commit) = &shown.commit {
            words.push_str(&format!(" {}", commit.get(..10).unwrap_or(commit)));
        }
        words.push_str(if shown.message { " its message" } else { "" });
        if !path.is_empty() || !shown.message {
            words.push_str(&format!(" {path}"));
        }
        list.add_mono("Shown", Some(&words));
    }
    list.add("Network address", personal.address.as_deref());
    list.add("Browser", personal.user_agent.as_deref());
    list.add_mono("Request", Some(entry.request.as_str()));
    list.add_mono("Commitment to the personal part", entry.details.as_deref());
    list.0
}

struct List(Vec<EntryFact>);

impl List {
    fn add(&mut self, label: &str, value: Option<&str>) {
        self.push(label, value, false);
    }

    fn add_mono(&mut self, label: &str, value: Option<&str>) {
        self.push(label, value, true);
    }

    fn push(&mut self, label: &str, value: Option<&str>, mono: bool) {
        if let Some(value) = value {
            self.0.push(EntryFact { label: label.to_owned(), value: visible(value), mono });
        }
    }
}
