//! Whatever administrators do, in whatever order and however many of them: what can be read afterwards is what the rules say, worked out
//! here a second time from who did what.

use std::collections::HashMap;
use std::time::Duration;

use lectern::accounts::Role;
use lectern::catalog::{Product, RepoPath};
use lectern::clock::{Clock, Timestamp};
use lectern::entitlements::{
    EntitlementError, LONGEST_EMERGENCY, NewCampaign, PathScope, Proposal, Readers, SubjectKind, SuspensionStage, TransitionError, Window,
};
use lectern::ids::{AccountId, CampaignId, EntitlementId, NominationId, SuspensionId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::harness::{Agency, Backend, DAY, Desk, HOUR, Person, Portal, on_both};

on_both! {
    no_sequence_of_actions_opens_what_is_forbidden
}

/// Sequences on each database, and steps in each.
const SEQUENCES: u64 = 6;
const STEPS: usize = 150;

/// An administrator, and the line their account comes from.
struct Hand {
    desk: Desk,
    line: usize,
}

struct Given {
    id: EntitlementId,
    proposer: usize,
    needed: usize,
    approvals: Vec<usize>,
    window: Window,
    only: Option<usize>,
    /// Refused or revoked.
    over: bool,
    alone: bool,
    reviewed: bool,
}

struct Named {
    id: NominationId,
    person: usize,
    nominator: usize,
    approver: Option<usize>,
    over: bool,
}

struct Held {
    id: SuspensionId,
    subject: String,
    asker: Option<usize>,
    lifted: bool,
}

struct Round {
    id: CampaignId,
    due: Timestamp,
    asker: Option<usize>,
    off: bool,
    /// Grants by their place in the story, and whether somebody confirmed them.
    grants: HashMap<usize, bool>,
}

/// What was done, as it was done.
#[derive(Default)]
struct Story {
    grants: Vec<Given>,
    nominations: Vec<Named>,
    suspensions: Vec<Held>,
    rounds: Vec<Round>,
    terms: i64,
    accepted: HashMap<usize, i64>,
    ended: bool,
}

struct World {
    portal: Portal,
    agency: Agency,
    product: Product,
    hands: Vec<Hand>,
    readers: Vec<(Person, Desk)>,
    term: Window,
    story: Story,
    random: StdRng,
}

impl World {
    async fn new(backend: Backend, seed: u64) -> Self {
        let portal = Portal::bare(backend).await;
        portal.bring("gateway").await;
        let product = portal.rooms.catalog.product("gateway").await.unwrap().unwrap();
        let agency = portal.agency().await;
        let agreement = portal.rooms.entitlements.agreement(agency.agreement.as_str()).await.unwrap().unwrap();
        let mut people = portal.administrators.to_vec();
        people.push(portal.colleague(Role::Administrator).await);
        // The first administrator invited the fourth, with the second's approval.
        people.push(portal.invited(Role::Administrator, None, &people[0], &people[1]).await);
        let mut hands = Vec::new();
        for (person, line) in people.iter().zip([0, 1, 2, 0]) {
            hands.push(Hand { desk: portal.desk(person).await, line });
        }
        let mut readers = Vec::new();
        for _ in 0..2 {
            let person = portal.unnamed(&agency).await;
            let desk = portal.desk(&person).await;
            readers.push((person, desk));
        }
        let random = StdRng::seed_from_u64(seed);
        Self { portal, agency, product, hands, readers, term: agreement.term, story: Story::default(), random }
    }

    fn any(&mut self, below: usize) -> usize {
        self.random.random_range(0..below.max(1))
    }

    fn now(&self) -> Timestamp {
        self.portal.clock.now()
    }

    /// Whether two hands are independent of each other.
    fn apart(&self, one: usize, other: usize) -> bool {
        self.hands[one].line != self.hands[other].line
    }

    /// What the rules say of a reader.
    fn may_read(&self, reader: usize) -> bool {
        let now = self.now();
        let story = &self.story;
        let held = |subject: &str| story.suspensions.iter().any(|of| !of.lifted && of.subject == subject);
        let named = story
            .nominations
            .iter()
            .any(|of| of.person == reader && !of.over && of.approver.is_some_and(|by| self.apart(by, of.nominator)));
        let agreed = story.terms == 0 || story.accepted.get(&reader) == Some(&story.terms);
        let hangs = [self.agency.agreement.as_str(), self.agency.id.as_str(), self.product.id.as_str()];
        if !named || !agreed || story.ended || !self.term.contains(now) || hangs.into_iter().any(held) {
            return false;
        }
        story.grants.iter().enumerate().any(|(which, of)| {
            let second = of.alone || (of.approvals.len() >= of.needed && self.well_approved(of));
            let mine = of.only.is_none_or(|only| only == reader);
            second && mine && !of.over && of.window.contains(now) && !held(of.id.as_str()) && !self.asked_about(which, true)
        })
    }

    /// Whether a grant waits to be confirmed, or has lapsed because nobody did; or has lapsed.
    fn asked_about(&self, which: usize, lapsed: bool) -> bool {
        let open = |of: &&Round| !of.off && of.grants.get(&which) == Some(&false);
        self.story.rounds.iter().filter(open).any(|of| !lapsed || of.due <= self.now())
    }

    fn well_approved(&self, of: &Given) -> bool {
        let mut hands = of.approvals.clone();
        hands.push(of.proposer);
        hands.iter().enumerate().all(|(n, &one)| hands.iter().skip(n + 1).all(|&other| self.apart(one, other)))
    }

    async fn check(&self, step: usize, did: &str) {
        for (reader, (_, desk)) in self.readers.iter().enumerate() {
            let opened = !self.portal.rooms.gate.readable(&desk.principal).await.unwrap().is_empty();
            assert_eq!(opened, self.may_read(reader), "reader {reader} after step {step}: {did}");
        }
    }

    fn proposal(&mut self, window: Window, needed: usize, only: Option<usize>) -> Proposal {
        Proposal {
            agreement: self.agency.agreement.clone(),
            versions: vec!["*".to_owned()],
            scope: PathScope { includes: vec![RepoPath::root()], excludes: Vec::new() },
            readers: match only {
                None => Readers::Everybody,
                Some(reader) => Readers::These(vec![self.readers[reader].0.id.clone()]),
            },
            window,
            purpose: "review".to_owned(),
            needed: i64::try_from(needed).unwrap(),
        }
    }

    /// One thing that somebody does, or tries to.
    async fn step(&mut self) -> String {
        let hand = self.any(4);
        match self.any(46) {
            0..=4 => self.propose(hand).await,
            5..=13 => self.decide(hand).await,
            14..=17 => self.nominate(hand).await,
            18..=23 => self.decide_nomination(hand).await,
            24 => self.suspend(hand).await,
            25..=31 => self.decide_suspension(hand).await,
            32..=35 => self.terms(hand).await,
            36 => self.give_alone(hand).await,
            37 | 38 => {
                let hours = u32::try_from(self.any(12)).unwrap();
                self.portal.clock.advance(HOUR * hours);
                format!("{hours} hours passed")
            }
            39..=44 => self.campaign(hand).await,
            _ => self.end(hand).await,
        }
    }

    async fn campaign(&mut self, hand: usize) -> String {
        let verb = self.random.random_range(0..12);
        if verb == 0 || self.story.rounds.is_empty() {
            return self.open_campaign(hand).await;
        }
        let which = self.any(self.story.rounds.len());
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let room = &self.portal.rooms.entitlements;
        let (id, due, asker) = (&self.story.rounds[which].id, self.story.rounds[which].due, self.story.rounds[which].asker);
        let now = self.now();
        match verb {
            1 => {
                if room.ask_to_call_off(id, "a mistake", &by.principal, &context).await.is_ok() {
                    self.story.rounds[which].asker = Some(hand);
                }
            }
            2 => {
                if room.go_on(id, "none", &by.principal, &context).await.is_ok() {
                    self.story.rounds[which].asker = None;
                }
            }
            3 => {
                if room.call_off(id, &by.step_up, &context).await.is_ok() {
                    assert!(self.apart(hand, asker.expect("nobody asked for it")), "{hand} called off what their own hand asked for");
                    assert!(now < due, "what has lapsed came back");
                    self.story.rounds[which].off = true;
                }
            }
            4 => drop(room.note_lapses().await.unwrap()),
            _ => return self.confirm(hand, which).await,
        }
        format!("{hand} did {verb} to campaign {which}")
    }

    async fn open_campaign(&mut self, hand: usize) -> String {
        let due = self.now().plus(HOUR * (1 + u32::try_from(self.any(30)).unwrap()));
        let new = NewCampaign { name: "Spring".to_owned(), subject: None, due };
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let opened = self.portal.rooms.entitlements.open_campaign(new, &by.step_up, &context).await;
        let now = self.now();
        let asks = |(which, of): &(usize, &Given)| {
            let approved = !of.alone && of.approvals.len() >= of.needed && self.well_approved(of);
            approved && !of.over && now < of.window.until && !self.story.ended && now < self.term.until && !self.asked_about(*which, false)
        };
        let expected: HashMap<usize, bool> = self.story.grants.iter().enumerate().filter(asks).map(|(which, _)| (which, false)).collect();
        assert_eq!(opened.is_ok(), !expected.is_empty(), "{opened:?}");
        if let Ok(id) = opened {
            for which in 0..self.story.grants.len() {
                let item = self.portal.rooms.entitlements.item(&id, self.story.grants[which].id.as_str()).await.unwrap();
                assert_eq!(item.is_some(), expected.contains_key(&which), "grant {which}");
            }
            self.story.rounds.push(Round { id, due, asker: None, off: false, grants: expected });
        }
        format!("{hand} opened a campaign")
    }

    async fn confirm(&mut self, hand: usize, round: usize) -> String {
        let mut grants: Vec<usize> = self.story.rounds[round].grants.keys().copied().collect();
        grants.sort_unstable();
        let which = grants[self.any(grants.len())];
        let shown = self.any(5) > 0;
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let room = &self.portal.rooms.entitlements;
        let of = &self.story.rounds[round];
        let campaign = room.campaign(of.id.as_str()).await.unwrap().unwrap();
        let item = room.item(&of.id, self.story.grants[which].id.as_str()).await.unwrap().unwrap();
        let mut examined = 0;
        if shown {
            let sealed = room.evidence(&campaign, &item, None, &by.principal).await.unwrap();
            examined = self.portal.rooms.log.record(sealed, &context).await.unwrap().receipt().index;
        }
        let id = &self.story.grants[which].id;
        let done = room.confirm(&of.id, id, examined, "needed", &by.step_up, &context).await;
        if done.is_ok() {
            assert!(shown, "{hand} confirmed what they were not shown");
            assert!(self.apart(hand, self.story.grants[which].proposer), "{hand} confirmed what their own hand proposed");
            assert!(!of.off && !of.grants[&which] && self.now() < of.due, "{hand} confirmed what was decided");
            self.story.rounds[round].grants.insert(which, true);
        }
        format!("{hand} confirmed grant {which} in campaign {round}: {}", done.is_ok())
    }

    async fn propose(&mut self, hand: usize) -> String {
        let needed = 1 + self.any(2);
        let only = (self.any(3) == 0).then(|| self.any(2));
        let from = self.now().plus(HOUR * u32::try_from(self.any(6)).unwrap());
        let window = Window { from, until: from.plus(DAY * (1 + u32::try_from(self.any(4)).unwrap())) };
        let proposal = self.proposal(window, needed, only);
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let proposed = self.portal.rooms.entitlements.propose(proposal, &self.product, &by.principal, &context).await;
        if let Ok(id) = &proposed {
            let (over, alone, reviewed) = (false, false, false);
            self.story.grants.push(Given {
                id: id.clone(),
                proposer: hand,
                needed,
                approvals: Vec::new(),
                window,
                only,
                over,
                alone,
                reviewed,
            });
        }
        format!("{hand} proposed: {}", proposed.is_ok())
    }

    async fn give_alone(&mut self, hand: usize) -> String {
        let hours = u32::try_from(1 + self.any(9)).unwrap();
        let window = Window { from: self.now(), until: self.now().plus(HOUR * hours) };
        let proposal = self.proposal(window, 1, None);
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let given = self.portal.rooms.entitlements.break_glass(proposal, &self.product, None, &by.step_up, &context).await;
        if let Ok(id) = &given {
            assert!(HOUR * hours <= LONGEST_EMERGENCY, "{hours} hours were given alone");
            assert!(!self.story.grants.iter().any(|of| of.alone && of.proposer == hand && !of.reviewed), "a second one, unreviewed");
            let (over, alone, reviewed) = (false, true, false);
            self.story.grants.push(Given {
                id: id.clone(),
                proposer: hand,
                needed: 0,
                approvals: Vec::new(),
                window,
                only: None,
                over,
                alone,
                reviewed,
            });
        }
        format!("{hand} gave alone for {hours} hours: {}", given.is_ok())
    }

    async fn decide(&mut self, hand: usize) -> String {
        if self.story.grants.is_empty() {
            return String::new();
        }
        let which = self.any(self.story.grants.len());
        let id = self.story.grants[which].id.clone();
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let room = &self.portal.rooms.entitlements;
        match self.random.random_range(0..16) {
            0 => {
                let done = room.refuse(&id, "no", &by.principal, &context).await;
                self.story.grants[which].over |= done.is_ok();
                format!("{hand} refused grant {which}: {}", done.is_ok())
            }
            1 => {
                let done = room.revoke(&id, "no", &by.step_up, &context).await;
                self.story.grants[which].over |= done.is_ok();
                format!("{hand} revoked grant {which}: {}", done.is_ok())
            }
            2 => {
                let done = room.review(&id, lectern::entitlements::Review::Justified, "so", &by.step_up, &context).await;
                if done.is_ok() {
                    assert!(self.apart(hand, self.story.grants[which].proposer), "{hand} reviewed what their own hand gave");
                }
                self.story.grants[which].reviewed |= done.is_ok();
                format!("{hand} reviewed grant {which}: {}", done.is_ok())
            }
            _ => {
                let done = room.approve(&id, &by.step_up, &context).await;
                if done.is_ok() {
                    self.story.grants[which].approvals.push(hand);
                    assert!(self.well_approved(&self.story.grants[which]), "{hand} approved what only others may");
                }
                format!("{hand} approved grant {which}: {}", done.is_ok())
            }
        }
    }

    async fn nominate(&mut self, hand: usize) -> String {
        let person = self.any(2);
        let account: AccountId = self.readers[person].0.id.clone();
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let done = self.portal.rooms.entitlements.nominate(&self.agency.agreement, &account, &by.principal, &context).await;
        if let Ok(id) = &done {
            self.story.nominations.push(Named { id: id.clone(), person, nominator: hand, approver: None, over: false });
        }
        format!("{hand} nominated {person}: {}", done.is_ok())
    }

    async fn decide_nomination(&mut self, hand: usize) -> String {
        if self.story.nominations.is_empty() {
            return String::new();
        }
        let which = self.any(self.story.nominations.len());
        let id = self.story.nominations[which].id.clone();
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let room = &self.portal.rooms.entitlements;
        let of = &mut self.story.nominations[which];
        match self.random.random_range(0..16) {
            0 => of.over |= room.refuse_nomination(&id, "no", &by.principal, &context).await.is_ok(),
            1 => of.over |= room.withdraw_nomination(&id, "no", &by.step_up, &context).await.is_ok(),
            _ => {
                let done = room.approve_nomination(&id, &by.step_up, &context).await;
                if done.is_ok() {
                    of.approver = Some(hand);
                    let nominator = of.nominator;
                    assert!(self.apart(hand, nominator), "{hand} approved what {nominator} nominated");
                }
            }
        }
        format!("{hand} decided on nomination {which}")
    }

    async fn suspend(&mut self, hand: usize) -> String {
        let grants = self.story.grants.len();
        let which = self.any(3 + grants);
        let (kind, id) = match which {
            0 => (SubjectKind::Agreement, self.agency.agreement.to_string()),
            1 => (SubjectKind::Agency, self.agency.id.to_string()),
            2 => (SubjectKind::Product, self.product.id.to_string()),
            grant => (SubjectKind::Grant, self.story.grants[grant - 3].id.to_string()),
        };
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let placed = self.portal.rooms.entitlements.suspend(kind, &id, "an incident", &by.step_up, &context).await;
        if let Ok(new) = &placed {
            self.story.suspensions.push(Held { id: new.clone(), subject: id, asker: None, lifted: false });
        }
        format!("{hand} suspended {which}: {}", placed.is_ok())
    }

    async fn decide_suspension(&mut self, hand: usize) -> String {
        if self.story.suspensions.is_empty() {
            return String::new();
        }
        let which = self.any(self.story.suspensions.len());
        let id = self.story.suspensions[which].id.clone();
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let room = &self.portal.rooms.entitlements;
        let verb = self.random.random_range(0..5);
        let of = &mut self.story.suspensions[which];
        match verb {
            0 | 1 => {
                if room.ask_to_lift(&id, "over", &by.principal, &context).await.is_ok() {
                    of.asker = Some(hand);
                }
            }
            2 => {
                if room.keep_suspended(&id, "not over", &by.principal, &context).await.is_ok() {
                    of.asker = None;
                }
            }
            _ => {
                if room.lift(&id, &by.step_up, &context).await.is_ok() {
                    of.lifted = true;
                    let asker = of.asker.expect("nobody asked for it");
                    assert!(self.apart(hand, asker), "{hand} lifted what {asker} asked for");
                }
            }
        }
        format!("{hand} did {verb} to suspension {which}")
    }

    async fn terms(&mut self, hand: usize) -> String {
        let context = self.portal.context();
        let room = &self.portal.rooms.entitlements;
        if self.random.random_range(0..6) == 0 {
            let done = room.publish_terms(&self.agency.agreement, "Take nothing away.", &self.hands[hand].desk.step_up, &context).await;
            if let Ok(version) = done {
                self.story.terms = version;
            }
            return format!("{hand} published terms");
        }
        for reader in 0..self.readers.len() {
            let version = self.story.terms - self.random.random_range(0..2);
            let done = room.accept_terms(&self.agency.agreement, version, &self.readers[reader].1.principal, &context).await;
            if done.is_ok() {
                assert_eq!(version, self.story.terms, "old terms were taken for the newest");
                self.story.accepted.insert(reader, version);
            }
        }
        "readers accepted terms".to_owned()
    }

    /// Rarely, the agreement ends, and with it the story.
    async fn end(&mut self, hand: usize) -> String {
        if self.any(6) > 0 {
            return String::new();
        }
        let (by, context) = (&self.hands[hand].desk, self.portal.context());
        let done = self.portal.rooms.entitlements.end_agreement(&self.agency.agreement, "over", &by.step_up, &context).await;
        self.story.ended |= done.is_ok();
        format!("{hand} ended the agreement")
    }
}

async fn no_sequence_of_actions_opens_what_is_forbidden(backend: Backend) {
    let mut opened = 0;
    for seed in 0..SEQUENCES {
        let mut world = World::new(backend, seed).await;
        for step in 0..STEPS {
            let did = world.step().await;
            world.check(step, &did).await;
            opened += usize::from(world.may_read(0));
        }
        // Whatever the rules say of states is what the room holds.
        for of in &world.story.suspensions {
            let found = world.portal.rooms.entitlements.suspension(of.id.as_str()).await.unwrap().unwrap();
            assert_eq!(found.stage == SuspensionStage::Lifted, of.lifted);
        }
    }
    // A test in which nobody ever read anything would show nothing.
    assert!(opened > 20, "a reader could read after {opened} steps only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hand_is_never_two() {
    let mut world = World::new(Backend::Sqlite, 0).await;
    let window = Window { from: world.now(), until: world.now().plus(Duration::from_secs(3600)) };
    let proposal = world.proposal(window, 1, None);
    let room = &world.portal.rooms.entitlements;
    let context = world.portal.context();
    let id = room.propose(proposal, &world.product, &world.hands[0].desk.principal, &context).await.unwrap();
    for (hand, expected) in [(0, TransitionError::OwnProposal), (3, TransitionError::SameHand)] {
        let told = room.approve(&id, &world.hands[hand].desk.step_up, &context).await.unwrap_err();
        assert!(matches!(&told, EntitlementError::Transition(found) if *found == expected), "{hand}: {told}");
    }
    room.approve(&id, &world.hands[1].desk.step_up, &context).await.unwrap();
}
