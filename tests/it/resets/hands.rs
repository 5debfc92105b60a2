//! Whatever administrators do about resets, in whatever order: nothing of anybody's is reset but by two hands of different lines, neither of
//! which is the person's, and what opens an account afterwards is what the rules say, worked out here a second time.

use std::collections::BTreeSet;

use lectern::accounts::lives;
use lectern::accounts::{OneTimeCode, Password, ResetOf, Role};
use lectern::audit::Kind;
use lectern::clock::{Clock, Timestamp};
use lectern::entitlements::lives::{Hand, Kinship, take};
use lectern::ids::ResetId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{CHOSEN, kinds};
use crate::factors::enrol;
use crate::harness::{Backend, DAY, HOUR, Person, Portal, on_both};

on_both! {
    no_sequence_resets_anybody_by_fewer_than_two_hands
}

const SEQUENCES: u64 = 3;
const STEPS: usize = 80;

/// Every row of the table is reached, and no other way leads anywhere.
#[test]
fn the_table_of_resets_is_closed() {
    use lives::{RESET, ResetStage as Stage, ResetVerb as Verb};
    let verbs = [Verb::Open, Verb::Remove, Verb::Refuse, Verb::Withdraw, Verb::Use, Verb::Lapse];
    let mut reached = vec![Stage::Proposed];
    for stage in Stage::ALL {
        for verb in verbs {
            for kinship in [Kinship::Same, Kinship::OneLine, Kinship::Independent] {
                let row = RESET.iter().find(|row| row.from == stage && row.verb == verb);
                let may = row.filter(|row| row.hand == Hand::Any || kinship == Kinship::Independent);
                assert_eq!(take(RESET, stage, verb, kinship).ok(), may.map(|row| row.to), "{stage:?} {verb:?} {kinship:?}");
            }
        }
    }
    for _ in Stage::ALL {
        for row in RESET {
            if reached.contains(&row.from) && !reached.contains(&row.to) {
                reached.push(row.to);
            }
        }
    }
    assert_eq!(reached.len(), Stage::ALL.len());
    // What takes something away takes a second hand.
    for row in RESET.iter().filter(|row| matches!(row.to, Stage::Open | Stage::Done)) {
        assert_eq!(row.hand, Hand::Second);
    }
}

struct Somebody {
    person: Person,
    line: usize,
    password: String,
    /// The password opens the account.
    usable: bool,
    factor: bool,
}

struct Asked {
    id: ResetId,
    whom: usize,
    by: usize,
    what: ResetOf,
    code: OneTimeCode,
    until: Timestamp,
    link: Option<String>,
    over: bool,
}

struct World {
    portal: Portal,
    people: Vec<Somebody>,
    resets: Vec<Asked>,
    random: StdRng,
    passwords: usize,
}

impl World {
    async fn new(backend: Backend, seed: u64) -> Self {
        let portal = Portal::bare(backend).await;
        let mut people = Vec::new();
        let mut add = |person: Person, line| {
            let password = person.password.clone();
            people.push(Somebody { person, line, password, usable: true, factor: false });
        };
        let [first, second] = portal.administrators.clone();
        // The third was invited by the first.
        let third = portal.invited(Role::Administrator, None, &first, &second).await;
        add(first, 0);
        add(second, 1);
        add(third, 0);
        add(portal.colleague(Role::Administrator).await, 2);
        add(portal.colleague(Role::Administrator).await, 3);
        add(portal.auditor.clone(), 4);
        Self { portal, people, resets: Vec::new(), random: StdRng::seed_from_u64(seed), passwords: 0 }
    }

    fn any(&mut self, below: usize) -> usize {
        self.random.random_range(0..below.max(1))
    }

    /// Administrators who can sign in with their password alone, as the story's hands do.
    fn acts(&self, who: usize) -> bool {
        let one = &self.people[who];
        one.person.role == Role::Administrator && one.usable && !one.factor
    }

    /// As the harness signs them in.
    fn now_as(&self, who: usize) -> Person {
        Person { password: self.people[who].password.clone(), ..self.people[who].person.clone() }
    }

    /// Lines of administrators who have a password.
    fn lines_without(&self, who: usize) -> usize {
        let others = self.people.iter().enumerate().filter(|(n, one)| *n != who && one.usable && one.person.role == Role::Administrator);
        others.map(|(_, one)| one.line).collect::<BTreeSet<_>>().len()
    }

    async fn step(&mut self) -> String {
        let hand = self.any(self.people.len());
        let whom = self.any(self.people.len());
        match self.any(14) {
            0 => {
                let hours = u32::try_from(self.any(60)).unwrap();
                self.portal.clock.advance(HOUR * hours);
                format!("{hours} hours passed")
            }
            1 | 2 => self.choose().await,
            3 if self.people[whom].usable && !self.people[whom].factor && self.people[whom].person.role == Role::Auditor => {
                let client = self.portal.sign_in(&self.now_as(whom)).await;
                enrol(&self.portal, &client).await;
                self.people[whom].factor = true;
                format!("{whom} set a second factor up")
            }
            _ if !self.acts(hand) => format!("{hand} cannot act"),
            4..=7 => self.propose(hand, whom).await,
            8 => self.end(hand).await,
            _ => self.approve(hand).await,
        }
    }

    async fn propose(&mut self, hand: usize, whom: usize) -> String {
        let what = ResetOf::ALL[self.any(2)];
        let now = self.portal.clock.now();
        let pending = self.resets.iter().any(|of| of.whom == whom && !of.over && now < of.until);
        let may = hand != whom && !pending && (what == ResetOf::Password || self.people[whom].factor);
        let by = self.portal.desk(&self.now_as(hand)).await;
        let id = self.people[whom].person.id.clone();
        let made = self.portal.rooms.accounts.propose_reset(&id, what, "lost", &by.principal, &self.portal.context()).await;
        assert_eq!(made.is_ok(), may, "{hand} proposed to reset {} of {whom}: {made:?}", what.as_str());
        if let Ok((id, code)) = made {
            self.resets.push(Asked { id, whom, by: hand, what, code, until: now.plus(7 * DAY), link: None, over: false });
        }
        format!("{hand} proposed to reset {} of {whom}", what.as_str())
    }

    async fn approve(&mut self, hand: usize) -> String {
        if self.resets.is_empty() {
            return String::new();
        }
        let which = self.any(self.resets.len());
        let now = self.portal.clock.now();
        let of = &self.resets[which];
        let apart = self.people[hand].line != self.people[of.by].line;
        let open = !of.over && of.link.is_none() && now < of.until;
        let enough =
            self.people[of.whom].person.role != Role::Administrator || of.what == ResetOf::Factor || self.lines_without(of.whom) >= 2;
        let still = of.what == ResetOf::Password || self.people[of.whom].factor;
        let may = open && apart && hand != of.whom && enough && still;
        let by = self.portal.desk(&self.now_as(hand)).await;
        let done = self.portal.rooms.accounts.approve_reset(&of.id, &by.step_up, &self.portal.context()).await;
        assert_eq!(done.is_ok(), may, "{hand} carried out {which}: {done:?}");
        let of = &mut self.resets[which];
        if let Ok(link) = done {
            let person = &mut self.people[of.whom];
            person.factor = false;
            match (of.what, link) {
                (ResetOf::Password, Some(link)) => {
                    person.usable = false;
                    of.link = Some(link.path().rsplit('/').next().unwrap().to_owned());
                    of.until = now.plus(DAY);
                }
                (ResetOf::Factor, None) => of.over = true,
                (_, link) => panic!("{link:?}"),
            }
        }
        format!("{hand} carried out {which}: {may}")
    }

    async fn end(&mut self, hand: usize) -> String {
        if self.resets.is_empty() {
            return String::new();
        }
        let which = self.any(self.resets.len());
        let now = self.portal.clock.now();
        let refuse = self.any(2) == 0;
        let by = self.portal.desk(&self.now_as(hand)).await;
        let (rooms, context) = (&self.portal.rooms.accounts, self.portal.context());
        let of = &mut self.resets[which];
        let may = !of.over && now < of.until && (of.link.is_none() || !refuse);
        let done = if refuse {
            rooms.refuse_reset(&of.id, "no", &by.principal, &context).await
        } else {
            rooms.withdraw_reset(&of.id, &by.principal, &context).await
        };
        assert_eq!(done.is_ok(), may, "{hand} ended {which}: {done:?}");
        of.over |= done.is_ok();
        format!("{hand} ended {which}: {may}")
    }

    async fn choose(&mut self) -> String {
        if self.resets.is_empty() {
            return String::new();
        }
        let which = self.any(self.resets.len());
        let other = self.any(self.resets.len());
        let now = self.portal.clock.now();
        let Some(link) = self.resets[which].link.clone() else { return String::new() };
        self.passwords += 1;
        let password = format!("{CHOSEN} {}", self.passwords);
        let code = self.resets[other].code.reveal();
        let of = &self.resets[which];
        let may = !of.over && now < of.until && which == other;
        let done = self.portal.rooms.accounts.use_reset(&link, &code, Password::new(password.clone()), &self.portal.context()).await;
        assert_eq!(done.is_ok(), may, "link {which} with the code of {other}: {done:?}");
        if may {
            let of = &mut self.resets[which];
            of.over = true;
            let person = &mut self.people[of.whom];
            (person.usable, person.password) = (true, password);
        }
        format!("link {which} with the code of {other}: {may}")
    }

    async fn check(&self, step: usize, did: &str) {
        for (number, one) in self.people.iter().enumerate() {
            let account = self.portal.rooms.accounts.find(one.person.id.as_str()).await.unwrap().unwrap();
            let (usable, factor) = (account.reset_at.is_none(), account.second_factor.is_some());
            assert_eq!((usable, factor), (one.usable, one.factor), "{number} after step {step}: {did}");
        }
        assert!(self.lines_without(usize::MAX) >= 2, "after step {step}: {did}");
    }
}

async fn no_sequence_resets_anybody_by_fewer_than_two_hands(backend: Backend) {
    let mut done = 0;
    for seed in 0..SEQUENCES {
        let mut world = World::new(backend, seed).await;
        for step in 0..STEPS {
            let did = world.step().await;
            world.check(step, &did).await;
        }
        // Whoever's password is said to open their account signs in with it, and nobody else does.
        for who in 0..world.people.len() {
            let status = world.portal.stranger().sign_in(&world.now_as(who)).await.status.as_u16();
            assert_eq!(status, if world.people[who].usable { 303 } else { 401 }, "{who}");
        }
        done += kinds(&world.portal, Kind::AccountResetUsed).await.len();
    }
    assert!(done > 0, "nobody ever chose a password after a reset");
}
