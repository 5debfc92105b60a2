//! The form an agreement is written down with.

use serde::Deserialize;

use super::fields::{ending, networks, patterns, starting};
use crate::entitlements::{Agency, Agreement, NewAgreement, Paper, Reach, Window};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::views::admin::agencies::AgreementValues;
use crate::web::views::forms::FieldErrors;

/// What was typed; the names are those of the inputs.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    pub(super) agency: String,
    reference: String,
    kind: String,
    from: String,
    until: String,
    signed: String,
    covers: String,
    addresses: String,
    sites: String,
    export_class: String,
    renewal: String,
    handling: String,
    /// Why a signed agreement is to reach further.
    pub(super) reason: String,
    /// `draft` to keep it as one.
    save: String,
}

impl Typed {
    pub(super) fn of(agreement: &Agreement, agency: String) -> Self {
        let networks = agreement.reach.addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        let Paper { kind, renewal, handling, export_class, sites } = agreement.paper.clone();
        Self {
            agency,
            reference: agreement.reference.clone(),
            kind,
            from: agreement.term.from.date(),
            until: crate::clock::Timestamp::from_micros(super::last_moment(agreement.term.until)).date(),
            signed: agreement.signed_at.map(crate::clock::Timestamp::date).unwrap_or_default(),
            covers: agreement.reach.covers.join("\n"),
            addresses: networks.join("\n"),
            sites: sites.join("\n"),
            export_class,
            renewal,
            handling,
            reason: String::new(),
            save: String::new(),
        }
    }
}

impl From<Typed> for AgreementValues {
    fn from(typed: Typed) -> Self {
        let Typed {
            agency,
            reference,
            kind,
            from,
            until,
            signed,
            covers,
            addresses,
            sites,
            export_class,
            renewal,
            handling,
            reason,
            save: _,
        } = typed;
        Self { agency, reference, kind, from, until, signed, covers, addresses, sites, export_class, renewal, handling, reason }
    }
}

/// The agreement that was typed, or every field that keeps it from being one. Where one is changed, `before` is it: a day that was not
/// changed keeps its hours.
pub(super) async fn read(
    portal: &AppState,
    typed: &Typed,
    agency: Option<&Agency>,
    before: Option<&Agreement>,
) -> Result<Result<NewAgreement, FieldErrors>, WebError> {
    let mut errors = FieldErrors::default();
    let kept = before.map(|of| of.term);
    let from = starting(&typed.from);
    let until = ending(&typed.until);
    if agency.is_none() {
        errors.add("agency", "Choose the agency that signed it.");
    }
    if from.is_none() {
        errors.add("from", "Choose the first day, as in 2026-11-21.");
    }
    if until.is_none() {
        errors.add("until", "Choose the last day, as in 2027-03-31.");
    }
    let signed_at = starting(&typed.signed);
    if signed_at.is_none() && !typed.signed.trim().is_empty() {
        errors.add("signed", "Choose the day it was signed, as in 2026-11-21, or leave it empty.");
    }
    let addresses = networks(&typed.addresses).unwrap_or_else(|problem| {
        errors.add("addresses", problem);
        Vec::new()
    });
    let covers = patterns(&typed.covers);
    for name in &covers {
        if portal.catalog.product(name).await?.is_none_or(|product| product.name != *name) {
            errors.add("covers", format!("There is no product called {name}."));
        }
    }
    let (Some(agency), Some(from), Some(until), true) = (agency, from, until, errors.is_empty()) else {
        return Ok(Err(errors));
    };
    let typed_term = Window { from, until };
    Ok(Ok(NewAgreement {
        agency: agency.id.clone(),
        reference: typed.reference.clone(),
        term: kept.map_or(typed_term, |kept| unmoved(typed_term, kept)),
        reach: Reach { addresses, covers },
        paper: Paper {
            kind: typed.kind.clone(),
            renewal: typed.renewal.clone(),
            handling: typed.handling.clone(),
            export_class: typed.export_class.clone(),
            sites: typed.sites.lines().map(str::to_owned).collect(),
        },
        draft: before.map_or(typed.save == "draft", |of| of.draft),
        signed_at: signed_at.or_else(|| before.and_then(|of| of.signed_at)),
    }))
}

/// On days that are those of the term there is, it keeps to its instants.
fn unmoved(typed: Window, kept: Window) -> Window {
    let last = |until| crate::clock::Timestamp::from_micros(super::last_moment(until)).date();
    Window {
        from: if typed.from.date() == kept.from.date() { kept.from } else { typed.from },
        until: if last(typed.until) == last(kept.until) { kept.until } else { typed.until },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn days_that_were_not_changed_keep_their_instants() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let kept = Window { from: at("2026-11-21T12:34:56Z"), until: at("2027-03-31T18:00:00Z") };
        let days = |from: &str, until: &str| Window { from: starting(from).unwrap(), until: ending(until).unwrap() };
        assert_eq!(unmoved(days("2026-11-21", "2027-03-31"), kept), kept);
        assert_eq!(unmoved(days("2026-11-21", "2028-03-31"), kept).until, at("2028-04-01"));
        assert_eq!(unmoved(days("2026-11-22", "2027-03-31"), kept).from, at("2026-11-22"));
    }
}
