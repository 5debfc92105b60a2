//! Grants in lists, and what is said about them in words.

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::fields::last_moment;
use crate::clock::Timestamp;
use crate::entitlements::{GrantFilter, Line, PathScope, Phase, Turn};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Administering;
use crate::web::page::html;
use crate::web::views::admin::grants::{GrantRow, GrantState, GrantsPage};
use crate::web::views::format::series;
use crate::web::views::forms::Choice;
use crate::web::views::links;
use crate::web::views::shell::Place;

const ADDRESS: &str = "/admin/grants";

const STATES: [(&str, Phase); 8] = [
    ("proposed", Phase::Proposed),
    ("not-yet", Phase::NotYet),
    ("in-force", Phase::InForce),
    ("suspended", Phase::Suspended),
    ("lapsed", Phase::Lapsed),
    ("ended", Phase::Ended),
    ("refused", Phase::Refused),
    ("revoked", Phase::Revoked),
];

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Filters {
    state: String,
    agency: String,
    agreement: String,
    product: String,
    /// Words to be found.
    q: String,
    /// The grant that the page lies behind, or before.
    after: String,
    before: String,
}

impl Filters {
    fn phase(&self) -> Result<Option<Phase>, WebError> {
        if self.state.is_empty() {
            return Ok(None);
        }
        let found = STATES.iter().find(|(value, _)| *value == self.state);
        found.map(|(_, phase)| Some(*phase)).ok_or_else(|| {
            let known: Vec<&str> = STATES.iter().map(|(value, _)| *value).collect();
            WebError::BadRequest(format!("There is no such state of a grant. There are {}.", known.join(", ")))
        })
    }

    /// Another page of the same list.
    fn at(&self, turn: (&str, &str)) -> String {
        let pairs =
            [("state", &self.state), ("agency", &self.agency), ("agreement", &self.agreement), ("product", &self.product), ("q", &self.q)];
        let mut pairs = pairs.map(|(name, value)| (name, value.as_str())).to_vec();
        pairs.push(turn);
        links::query(ADDRESS, &pairs)
    }
}

pub(super) async fn list(who: Administering, State(portal): State<AppState>, Query(filters): Query<Filters>) -> Result<Response, WebError> {
    let phase = filters.phase()?;
    let now = portal.clock.now();
    let agency = match filters.agency.as_str() {
        "" => None,
        key => Some(portal.entitlements.agency(key).await?.ok_or(WebError::NotFound)?),
    };
    let agreement = match filters.agreement.as_str() {
        "" => None,
        key => Some(portal.entitlements.agreement(key).await?.ok_or(WebError::NotFound)?),
    };
    let wanted = GrantFilter {
        phase,
        agency: agency.as_ref().map(|agency| agency.id.clone()),
        agreement: agreement.as_ref().map(|agreement| agreement.id.clone()),
        product: filters.product.clone(),
        words: filters.q.clone(),
        ..GrantFilter::default()
    };
    let page = portal.entitlements.grants(&wanted, &turn(&filters.after, &filters.before)).await?;
    let filtered = phase.is_some() || agency.is_some() || agreement.is_some() || !filters.product.is_empty() || !filters.q.is_empty();
    html(&GrantsPage {
        shell: who.shell(&portal, "Grants", Place::Grants).await?,
        newer: page.before.as_deref().map(|id| filters.at(("before", id))),
        older: page.after.as_deref().map(|id| filters.at(("after", id))),
        rows: page.rows.iter().map(|line| row(line, now)).collect(),
        total: page.total,
        states: STATES.iter().map(|(value, phase)| choice(*value, state(*phase).words())).collect(),
        agencies: agencies(&portal).await?,
        products: products(&portal).await?,
        filtered,
        agency: agency.map(|agency| agency.slug).unwrap_or_default(),
        agreement: agreement.map(|agreement| agreement.reference).unwrap_or_default(),
        state: filters.state,
        product: filters.product,
        words: filters.q,
    })
}

/// Which page of a list an address asks for.
pub(super) fn turn(after: &str, before: &str) -> Turn {
    match (after, before) {
        ("", "") => Turn::First,
        ("", before) => Turn::Before(before.to_owned()),
        (after, _) => Turn::After(after.to_owned()),
    }
}

pub(super) fn choice(value: impl Into<String>, label: impl Into<String>) -> Choice {
    Choice { value: value.into(), label: label.into() }
}

/// Every agency, by its slug.
pub(super) async fn agencies(portal: &AppState) -> Result<Vec<Choice>, WebError> {
    let agencies = portal.entitlements.agencies().await?;
    Ok(agencies.into_iter().map(|agency| choice(agency.slug, agency.name)).collect())
}

/// Every product, by its name.
pub(super) async fn products(portal: &AppState) -> Result<Vec<Choice>, WebError> {
    let products = portal.catalog.products().await?;
    Ok(products.into_iter().map(|product| choice(product.name, product.title)).collect())
}

/// Where a grant is in its life at this moment.
pub(in crate::web) fn state_of(line: &Line, now: Timestamp) -> GrantState {
    state(line.phase(now))
}

fn state(phase: Phase) -> GrantState {
    match phase {
        Phase::Proposed => GrantState::Proposed,
        Phase::NotYet => GrantState::NotYet,
        Phase::InForce => GrantState::InForce,
        Phase::Suspended => GrantState::Suspended,
        Phase::Lapsed => GrantState::Lapsed,
        Phase::Ended => GrantState::Ended,
        Phase::Refused => GrantState::Refused,
        Phase::Revoked => GrantState::Revoked,
    }
}

pub(in crate::web) fn row(line: &Line, now: Timestamp) -> GrantRow {
    let grant = &line.entitlement;
    GrantRow {
        id: grant.id.to_string(),
        agency: line.agency_name.clone(),
        product: line.product_title.clone(),
        versions: grant.versions.join(", "),
        scope: scope_words(&grant.scope),
        state: state_of(line, now),
        from: grant.window.from.micros(),
        until: last_moment(grant.window.until),
        proposed_by: line.proposer.clone(),
    }
}

/// "All of it", "net and tests without tests/keys".
pub(in crate::web) fn scope_words(scope: &PathScope) -> String {
    let texts = |paths: &[crate::catalog::RepoPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    let whole = scope.includes.iter().any(crate::catalog::RepoPath::is_root);
    let opened = if whole { "All of it".to_owned() } else { series(&texts(&scope.includes)) };
    if scope.excludes.is_empty() { opened } else { format!("{opened} without {}", series(&texts(&scope.excludes))) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::catalog::RepoPath;
    use crate::entitlements::{Act, Entitlement, Readers, State as Life, Window};
    use crate::ids::{AccountId, AgencyId, AgreementId, EntitlementId, ProductId};

    pub(in crate::web::admin) fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    pub(in crate::web::admin) fn act(by: &str, second: i64) -> Act {
        Act { by: AccountId::known(by), at: at(second) }
    }

    /// Proposed by "one" at 1, window 100 to 200, term 50 to 300.
    pub(in crate::web::admin) fn line(state: Life) -> Line {
        Line {
            entitlement: Entitlement {
                id: EntitlementId::known("ent"),
                agreement: AgreementId::known("agr"),
                product: ProductId::known("prd"),
                versions: vec!["v1.*".to_owned()],
                scope: PathScope::whole(),
                readers: Readers::Everybody,
                window: Window { from: at(100), until: at(200) },
                purpose: "review".to_owned(),
                proposed: act("one", 1),
                needed: 1,
                approvals: Vec::new(),
                state,
                emergency: None,
            },
            product_name: "gateway".to_owned(),
            product_title: "Gateway".to_owned(),
            agreement_reference: "GSP-1".to_owned(),
            agreement_term: Window { from: at(50), until: at(300) },
            agreement_ended: None,
            agency: AgencyId::known("agy"),
            agency_name: "Agency One".to_owned(),
            proposer: "First".to_owned(),
            decider: Some("Second".to_owned()),
            revoker: Some("Third".to_owned()),
            reviewer: None,
            suspended: false,
            confirm_by: None,
            foreseen: None,
        }
    }

    pub(in crate::web::admin) fn approved() -> Life {
        Life::Approved { approved: act("two", 10) }
    }

    #[test]
    fn a_grant_is_in_force_only_within_window_and_term() {
        for (second, state) in [(99, GrantState::NotYet), (100, GrantState::InForce), (199, GrantState::InForce), (200, GrantState::Ended)]
        {
            assert_eq!(state_of(&line(approved()), at(second)), state, "{second}");
        }
        let mut ended = line(approved());
        ended.agreement_ended = Some(at(150));
        assert_eq!(state_of(&ended, at(149)), GrantState::InForce);
        assert_eq!(state_of(&ended, at(150)), GrantState::Ended);
        let suspended = Line { suspended: true, ..line(approved()) };
        assert_eq!(state_of(&suspended, at(150)), GrantState::Suspended);
        assert_eq!(state_of(&suspended, at(200)), GrantState::Ended);
        let mut early = line(approved());
        early.entitlement.window.from = at(10);
        assert_eq!(state_of(&early, at(49)), GrantState::NotYet);
        assert_eq!(state_of(&line(Life::Proposed), at(250)), GrantState::Proposed);
        let refused = Life::Refused { refused: act("two", 5), reason: "no".to_owned() };
        assert_eq!(state_of(&line(refused), at(150)), GrantState::Refused);
        let revoked = Life::Revoked { approved: act("two", 10), revoked: act("two", 120), reason: "no".to_owned() };
        assert_eq!(state_of(&line(revoked), at(150)), GrantState::Revoked);
    }

    #[test]
    fn scopes_read_as_words() {
        let path = |text: &str| RepoPath::parse(text.as_bytes()).unwrap();
        assert_eq!(scope_words(&PathScope::whole()), "All of it");
        let some = PathScope { includes: vec![path("net"), path("tests")], excludes: vec![path("tests/keys")] };
        assert_eq!(scope_words(&some), "net and tests without tests/keys");
        let both = PathScope { includes: vec![path("net"), RepoPath::root()], excludes: vec![] };
        assert_eq!(scope_words(&both), "All of it");
    }

    #[test]
    fn filters_keep_themselves_in_the_addresses_of_other_pages() {
        let filters = Filters { state: "in-force".to_owned(), agency: "agency-one".to_owned(), ..Filters::default() };
        assert_eq!(filters.at(("after", "ent_1")), "/admin/grants?state=in-force&agency=agency-one&after=ent_1");
        assert_eq!(filters.phase().unwrap(), Some(Phase::InForce));
        assert!(Filters { state: "open".to_owned(), ..Filters::default() }.phase().is_err());
        assert_eq!(turn("", ""), Turn::First);
        assert_eq!((turn("a", ""), turn("", "b")), (Turn::After("a".to_owned()), Turn::Before("b".to_owned())));
    }
}
