//! Whether somebody may: a pure function of the facts in force, the request and the time.
//!
//! Nothing is permitted but by a grant for which every rule holds; each rule alone denies. Grants stand beside each other:
//! what one excludes, another may open.

use std::net::IpAddr;

use globset::GlobBuilder;

use crate::accounts::Role;
use crate::audit::Basis;
use crate::catalog::RepoPath;
use crate::clock::Timestamp;
use crate::entitlements::{Held, PathScope, State};

/// What decides about a person.
#[derive(Clone, Debug)]
pub struct Facts {
    pub role: Role,
    /// Where the person asks from, where that is known.
    pub address: Option<IpAddr>,
    pub held: Vec<Held>,
}

/// What is asked for in one version of a product.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub product: &'a str,
    pub version: &'a str,
    pub path: &'a RepoPath,
    pub action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To be shown what a file holds.
    Read,
    /// To be shown the names in a directory that may be read, or that leads to something that may.
    List,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// By the first of these; the scopes are those of every grant that opens this version.
    Permit {
        basis: Basis,
        scopes: Vec<PathScope>,
    },
    Deny(Reason),
}

/// Why not: for the log, never for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The role reads no source.
    Role,
    /// No grant names the product.
    Product,
    /// A grant is proposed or was refused.
    NotApproved,
    Revoked,
    NotYet,
    Expired,
    /// The agreement's term is over or has not begun, it was ended, or is not signed or does not cover the product.
    Agreement,
    /// Nobody confirmed the grant by the day of a campaign.
    Unconfirmed,
    /// The grant, or something it hangs on, is suspended.
    Suspended,
    /// The agreement does not admit the network it was asked from.
    Address,
    /// The person has yet to accept the agreement's terms.
    Terms,
    Version,
    Path,
    /// It may be asked for, but it is not there.
    Missing,
}

impl Reason {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Role => "the role reads no source",
            Self::Product => "no grant for this product",
            Self::NotApproved => "the grant is not approved",
            Self::Revoked => "the grant was revoked",
            Self::NotYet => "the grant has not begun",
            Self::Expired => "the grant has expired",
            Self::Agreement => "the agreement is not in force",
            Self::Suspended => "the grant, or something it hangs on, is suspended",
            Self::Unconfirmed => "the grant has lapsed, since nobody confirmed it in time",
            Self::Address => "the agreement does not admit this network",
            Self::Terms => "the agreement's terms are not accepted",
            Self::Version => "outside the grant's versions",
            Self::Path => "outside the grant's paths",
            Self::Missing => "there is nothing at this place",
        }
    }
}

#[must_use]
pub fn decide(facts: &Facts, request: &Request<'_>, now: Timestamp) -> Decision {
    let opening = match opening(facts, request.product, request.version, now) {
        Ok(opening) => opening,
        Err(reason) => return Decision::Deny(reason),
    };
    let permits = |held: &&&Held| match request.action {
        Action::Read => held.entitlement.scope.reads(request.path),
        Action::List => held.entitlement.scope.passes(request.path),
    };
    let Some(held) = opening.iter().find(permits) else {
        return Decision::Deny(Reason::Path);
    };
    Decision::Permit {
        basis: Basis { entitlement: held.entitlement.id.clone(), agreement: held.entitlement.agreement.clone() },
        scopes: opening.iter().map(|held| held.entitlement.scope.clone()).collect(),
    }
}

/// The grants that open something in this version now, or the reason that came closest to a permit.
pub(super) fn opening<'a>(facts: &'a Facts, product: &str, version: &str, now: Timestamp) -> Result<Vec<&'a Held>, Reason> {
    if facts.role != Role::Reviewer {
        return Err(Reason::Role);
    }
    let mut closest = Reason::Product;
    let mut opening = Vec::new();
    for held in &facts.held {
        match opens(held, product, version, facts.address, now) {
            Ok(()) => opening.push(held),
            Err(reason) => closest = closest.max(reason),
        }
    }
    if opening.is_empty() { Err(closest) } else { Ok(opening) }
}

fn opens(held: &Held, product: &str, version: &str, address: Option<IpAddr>, now: Timestamp) -> Result<(), Reason> {
    let grant = &held.entitlement;
    if held.product != product {
        return Err(Reason::Product);
    }
    match &grant.state {
        State::Approved { .. } if grant.is_well_approved(now) => {}
        State::Revoked { .. } => return Err(Reason::Revoked),
        _ => return Err(Reason::NotApproved),
    }
    if now < grant.window.from {
        return Err(Reason::NotYet);
    }
    if now >= grant.window.until {
        return Err(Reason::Expired);
    }
    let under = &held.under;
    if under.draft || !under.term.contains(now) || under.ended.is_some_and(|ended| ended <= now) || !under.reach.covers(product) {
        return Err(Reason::Agreement);
    }
    if under.confirm_by.is_some_and(|day| day <= now) {
        return Err(Reason::Unconfirmed);
    }
    if under.suspended {
        return Err(Reason::Suspended);
    }
    if !under.reach.admits(address) {
        return Err(Reason::Address);
    }
    if under.terms_pending {
        return Err(Reason::Terms);
    }
    if !fits(&grant.versions, version) {
        return Err(Reason::Version);
    }
    Ok(())
}

/// Whether a grant of these patterns is for a version.
#[must_use]
pub fn fits(patterns: &[String], version: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, version))
}

/// Whether a version's name fits a pattern. One that cannot be read fits nothing.
fn matches(pattern: &str, version: &str) -> bool {
    pattern == "*"
        || pattern == version
        || GlobBuilder::new(pattern).literal_separator(true).build().is_ok_and(|glob| glob.compile_matcher().is_match(version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entitlements::{Act, Entitlement, Reach, Readers, Under, Window};
    use crate::ids::{AccountId, AgreementId, EntitlementId, ProductId};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn act(by: &str, second: i64) -> Act {
        Act { by: AccountId::known(by), at: at(second) }
    }

    fn path(text: &str) -> RepoPath {
        RepoPath::parse(text.as_bytes()).unwrap()
    }

    /// Window 100 to 200, term 50 to 300, approved at 10, opens net/ of v1.* but not net/keys.
    fn held() -> Held {
        Held {
            entitlement: Entitlement {
                id: EntitlementId::known("ent"),
                agreement: AgreementId::known("agr"),
                product: ProductId::known("prd"),
                versions: vec!["v1.*".to_owned()],
                scope: PathScope { includes: vec![path("net")], excludes: vec![path("net/keys")] },
                window: Window { from: at(100), until: at(200) },
                purpose: "review".to_owned(),
                readers: Readers::Everybody,
                proposed: act("one", 1),
                needed: 1,
                approvals: vec![act("two", 10)],
                state: State::Approved { approved: act("two", 10) },
                emergency: None,
            },
            product: "gateway".to_owned(),
            under: Under {
                term: Window { from: at(50), until: at(300) },
                ended: None,
                draft: false,
                reach: Reach::default(),
                suspended: false,
                confirm_by: None,
                terms_pending: false,
            },
        }
    }

    fn admit(facts: &mut Facts, network: &str) {
        facts.held[0].under.reach.addresses = vec![network.parse().unwrap()];
    }

    fn cover(facts: &mut Facts, product: &str) {
        facts.held[0].under.reach.covers = vec![product.to_owned()];
    }

    fn check(change: impl FnOnce(&mut Facts), product: &str, version: &str, place: &str, action: Action, now: i64) -> Result<(), Reason> {
        let mut facts = Facts { role: Role::Reviewer, address: "192.0.2.7".parse().ok(), held: vec![held()] };
        change(&mut facts);
        let request = Request { product, version, path: &path(place), action };
        match decide(&facts, &request, at(now)) {
            Decision::Permit { .. } => Ok(()),
            Decision::Deny(reason) => Err(reason),
        }
    }

    #[test]
    fn each_rule_alone_denies() {
        use Action::{List, Read};
        let same = |_: &mut Facts| {};
        let table = [
            (check(same, "gateway", "v1.2", "net/a.c", Read, 150), Ok(())),
            (check(same, "gateway", "v1.2", "net/a.c", Read, 100), Ok(())),
            (check(same, "gateway", "v1.2", "net/a.c", Read, 99), Err(Reason::NotYet)),
            (check(same, "gateway", "v1.2", "net/a.c", Read, 200), Err(Reason::Expired)),
            (check(same, "gatewayx", "v1.2", "net/a.c", Read, 150), Err(Reason::Product)),
            (check(same, "gateway", "v2.0", "net/a.c", Read, 150), Err(Reason::Version)),
            (check(same, "gateway", "v1.2", "netx/a.c", Read, 150), Err(Reason::Path)),
            (check(same, "gateway", "v1.2", "net/keys/a.pem", Read, 150), Err(Reason::Path)),
            (check(same, "gateway", "v1.2", "", Read, 150), Err(Reason::Path)),
            (check(same, "gateway", "v1.2", "", List, 150), Ok(())),
            (check(same, "gateway", "v1.2", "net/keys", List, 150), Err(Reason::Path)),
            (check(|f| f.role = Role::Administrator, "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Role)),
            (check(|f| f.role = Role::Auditor, "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Role)),
            (check(|f| f.held.clear(), "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Product)),
            (check(|f| f.held[0].under.ended = Some(at(150)), "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Agreement)),
            (check(|f| f.held[0].under.ended = Some(at(151)), "gateway", "v1.2", "net/a.c", Read, 150), Ok(())),
            (check(|f| f.held[0].under.term.until = at(150), "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Agreement)),
            (check(|f| f.held[0].under.draft = true, "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Agreement)),
            (check(|f| f.held[0].under.suspended = true, "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Suspended)),
            (check(|f| f.held[0].under.confirm_by = Some(at(150)), "gateway", "v1.2", "net/a.c", Read, 149), Ok(())),
            (check(|f| f.held[0].under.confirm_by = Some(at(150)), "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Unconfirmed)),
            (check(|f| f.held[0].under.terms_pending = true, "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Terms)),
            (check(|f| admit(f, "192.0.2.0/24"), "gateway", "v1.2", "net/a.c", Read, 150), Ok(())),
            (check(|f| admit(f, "198.51.100.0/24"), "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Address)),
            (check(|f| cover(f, "ledger"), "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::Agreement)),
            (check(|f| cover(f, "gateway"), "gateway", "v1.2", "net/a.c", Read, 150), Ok(())),
            (check(|f| f.held[0].entitlement.needed = 2, "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::NotApproved)),
            (check(|f| f.held[0].entitlement.state = State::Proposed, "gateway", "v1.2", "net/a.c", Read, 150), Err(Reason::NotApproved)),
            (
                check(|f| f.held[0].entitlement.approvals = vec![act("one", 10)], "gateway", "v1.2", "net/a.c", Read, 150),
                Err(Reason::NotApproved),
            ),
            (
                check(
                    |f| {
                        f.held[0].entitlement.state =
                            State::Revoked { approved: act("two", 10), revoked: act("one", 150), reason: String::new() }
                    },
                    "gateway",
                    "v1.2",
                    "net/a.c",
                    Read,
                    150,
                ),
                Err(Reason::Revoked),
            ),
        ];
        for (n, (found, expected)) in table.into_iter().enumerate() {
            assert_eq!(found, expected, "row {n}");
        }
    }

    #[test]
    fn patterns_stop_at_slashes() {
        let patterns = ["v2.0".to_owned(), "x/*".to_owned()];
        assert!(fits(&patterns, "v2.0") && fits(&patterns, "x/y"));
        assert!(!fits(&patterns, "x/y/z") && !fits(&patterns, "v2.1") && !fits(&[], "v2.0"));
    }

    #[test]
    fn grants_stand_beside_each_other() {
        let also = |f: &mut Facts| {
            let mut other = held();
            other.entitlement.scope = PathScope { includes: vec![path("net/keys/public")], excludes: vec![] };
            f.held.push(other);
        };
        assert_eq!(check(also, "gateway", "v1.2", "net/keys/public/a", Action::Read, 150), Ok(()));
        assert_eq!(check(also, "gateway", "v1.2", "net/keys/private", Action::Read, 150), Err(Reason::Path));
        assert_eq!(check(also, "gateway", "v1.2", "net/keys", Action::List, 150), Ok(()));
    }

    proptest! {
        #[test]
        fn no_permit_outside_term_window_scope_or_approvals(
            now in 0_i64..400, approved in prop::option::of((0_i64..400, prop::bool::ANY)), ended in prop::option::of(0_i64..400),
            from in 0_i64..400, until in 0_i64..400, place in "(net|net/keys|net/a|other|net/keys2)(/x)?", version in "v[12]\\.[0-9]",
        ) {
            let mut one = held();
            one.under.ended = ended.map(at);
            one.entitlement.window = Window { from: at(from), until: at(until) };
            if let Some((second, own)) = approved {
                let approved = act(if own { "one" } else { "two" }, second);
                one.entitlement.approvals = vec![approved.clone()];
                one.entitlement.state = State::Approved { approved };
            } else {
                one.entitlement.state = State::Proposed;
            }
            let facts = Facts { role: Role::Reviewer, address: None, held: vec![one] };
            let place = path(&place);
            let request = Request { product: "gateway", version: &version, path: &place, action: Action::Read };
            if let Decision::Permit { .. } = decide(&facts, &request, at(now)) {
                prop_assert!((50..300).contains(&now) && from <= now && now < until);
                prop_assert!(ended.is_none_or(|e| now < e));
                prop_assert!(matches!(approved, Some((second, false)) if second <= now));
                prop_assert!(version.starts_with("v1."));
                prop_assert!(path("net").contains(&place) && !path("net/keys").contains(&place));
            }
        }
    }
}
