//! Whatever administrators do to each other and to others, in whatever order: nobody has what takes two by the hands of one line, and two
//! who are independent of each other are always left.

use std::collections::BTreeSet;

use lectern::accounts::{NewAccount, Password, Role};
use lectern::audit::Kind;
use lectern::clock::Clock;
use lectern::ids::AccountId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{CHOSEN, kinds};
use crate::harness::{Agency, Backend, HOUR, Person, Portal, on_both};

on_both! {
    no_sequence_gives_a_role_by_one_line_of_hands
}

/// Sequences on each database, and steps in each.
const SEQUENCES: u64 = 3;
const STEPS: usize = 90;

/// Somebody in the story: whether they can act, and by whose hands they have their role.
struct Somebody {
    person: Person,
    line: usize,
    role: Role,
    joined: bool,
    locked_by: Option<usize>,
    link: Option<String>,
    /// Who made the link or proposed the role, and who approved it.
    asked: Option<usize>,
    approved: Option<usize>,
}

struct World {
    portal: Portal,
    agency: Agency,
    people: Vec<Somebody>,
    random: StdRng,
}

impl World {
    async fn new(backend: Backend, seed: u64) -> Self {
        let portal = Portal::bare(backend).await;
        let agency = portal.agency().await;
        let mut people = Vec::new();
        let beginners = [portal.administrators[0].clone(), portal.administrators[1].clone(), portal.colleague(Role::Administrator).await];
        for (line, person) in beginners.into_iter().enumerate() {
            let role = Role::Administrator;
            people.push(Somebody { person, line, role, joined: true, locked_by: None, link: None, asked: None, approved: None });
        }
        Self { portal, agency, people, random: StdRng::seed_from_u64(seed) }
    }

    fn any(&mut self, below: usize) -> usize {
        self.random.random_range(0..below)
    }

    fn acts(&self, who: usize) -> bool {
        let one = &self.people[who];
        one.role == Role::Administrator && one.joined && one.locked_by.is_none()
    }

    fn apart(&self, one: usize, other: usize) -> bool {
        self.people[one].line != self.people[other].line
    }

    /// How many lines of administrators there would be without this one.
    fn lines_without(&self, who: usize) -> usize {
        (0..self.people.len()).filter(|&one| one != who && self.acts(one)).map(|one| self.people[one].line).collect::<BTreeSet<_>>().len()
    }

    async fn step(&mut self) -> String {
        let hand = self.any(self.people.len());
        let whom = self.any(self.people.len());
        let verb = self.any(16);
        if verb == 0 {
            let hours = u32::try_from(self.any(60)).unwrap();
            self.portal.clock.advance(HOUR * hours);
            return "time passed".to_owned();
        }
        if verb <= 2 {
            return self.join(whom).await;
        }
        if !self.acts(hand) {
            return format!("{hand} cannot act");
        }
        match verb {
            3 | 4 if self.people.len() < 9 => self.invite(hand).await,
            5 => self.invite_again(hand, whom).await,
            3 | 4 | 6 | 7 => self.approve_invitation(hand, whom).await,
            8 | 9 => self.propose(hand, whom).await,
            10..=12 => self.approve_role(hand, whom).await,
            13 => self.lock(hand, whom).await,
            _ => self.unlock(hand, whom).await,
        }
    }

    fn role(&mut self) -> Role {
        Role::ALL[self.any(3)]
    }

    async fn invite(&mut self, hand: usize) -> String {
        let role = self.role();
        let number = self.people.len();
        let email = format!("somebody.{number}@somewhere.example");
        let agency = (role == Role::Reviewer).then(|| self.agency.id.clone());
        let new = NewAccount { email: email.clone(), name: format!("Somebody {number}"), role, agency };
        let by = self.portal.desk(&self.people[hand].person).await;
        let (id, link) = self.portal.rooms.accounts.invite(new, Some(&by.principal), &self.portal.context()).await.unwrap();
        let person = Person { id, email, password: format!("{CHOSEN} {number}"), role };
        self.people.push(Somebody {
            person,
            line: self.people[hand].line,
            role,
            joined: false,
            locked_by: None,
            link: link.path().rsplit('/').next().map(str::to_owned),
            asked: Some(hand),
            approved: None,
        });
        format!("{hand} invited {number} as {role}")
    }

    async fn invite_again(&mut self, hand: usize, whom: usize) -> String {
        let by = self.portal.desk(&self.people[hand].person).await;
        let id = self.people[whom].person.id.clone();
        let made = self.portal.rooms.accounts.invite_again(&id, &by.principal, &self.portal.context()).await;
        let theirs = self.people[hand].line;
        let one = &mut self.people[whom];
        assert_eq!(made.is_ok(), !one.joined && one.locked_by.is_none());
        if let Ok(link) = &made {
            one.link = Some(link.path().rsplit('/').next().unwrap().to_owned());
            (one.asked, one.approved, one.line) = (Some(hand), None, theirs);
            one.person.role = one.role;
        }
        format!("{hand} made another link for {whom}: {}", made.is_ok())
    }

    async fn approve_invitation(&mut self, hand: usize, whom: usize) -> String {
        let id = self.people[whom].person.id.clone();
        let Some(of) = self.portal.rooms.accounts.invitation_of(&id).await.unwrap() else { return String::new() };
        let by = self.portal.desk(&self.people[hand].person).await;
        let done = self.portal.rooms.accounts.approve_invitation(&of.id, &by.step_up, &self.portal.context()).await;
        if done.is_ok() {
            let asked = self.people[whom].asked.unwrap();
            assert!(self.apart(hand, asked), "{hand} approved what {asked} asked for");
            self.people[whom].approved = Some(hand);
        }
        format!("{hand} approved the invitation of {whom}: {}", done.is_ok())
    }

    async fn join(&mut self, whom: usize) -> String {
        let Some(link) = self.people[whom].link.clone() else { return String::new() };
        let password = Password::new(self.people[whom].person.password.clone());
        let done = self.portal.rooms.accounts.accept_invitation(&link, password, &self.portal.context()).await;
        if done.is_ok() {
            let one = &self.people[whom];
            assert!(!one.joined && one.locked_by.is_none());
            assert!(one.role == Role::Reviewer || one.approved.is_some(), "{whom} joined as {} by one hand", one.role);
            self.people[whom].joined = true;
        }
        format!("{whom} used their link: {}", done.is_ok())
    }

    async fn propose(&mut self, hand: usize, whom: usize) -> String {
        let to = self.role();
        let agency = (to == Role::Reviewer).then(|| self.agency.id.clone());
        let by = self.portal.desk(&self.people[hand].person).await;
        let id = self.people[whom].person.id.clone();
        let done = self.portal.rooms.accounts.propose_role(&id, (to, agency), "so", &by.principal, &self.portal.context()).await;
        format!("{hand} proposed that {whom} be {to}: {}", done.is_ok())
    }

    async fn approve_role(&mut self, hand: usize, whom: usize) -> String {
        let id: AccountId = self.people[whom].person.id.clone();
        let Some(change) = self.portal.rooms.accounts.proposed_role(&id).await.unwrap() else { return String::new() };
        let by = self.portal.desk(&self.people[hand].person).await;
        let (accounts, context) = (&self.portal.rooms.accounts, self.portal.context());
        let enough = self.people[whom].role != Role::Administrator || self.lines_without(whom) >= 2;
        let done = self.portal.rooms.entitlements.approve_role(accounts, &change.id, &by.step_up, &context).await;
        if done.is_ok() {
            let asked = self.people.iter().position(|one| one.person.id == change.proposed.by).unwrap();
            assert!(hand != whom && self.apart(hand, asked), "{hand} approved what {asked} proposed for {whom}");
            assert!(enough, "too few administrators are left");
            let one = &mut self.people[whom];
            (one.role, one.asked, one.approved) = (change.to, Some(asked), Some(hand));
            one.person.role = change.to;
        }
        format!("{hand} approved that {whom} be {}: {}", change.to, done.is_ok())
    }

    async fn lock(&mut self, hand: usize, whom: usize) -> String {
        let by = self.portal.desk(&self.people[hand].person).await;
        let id = self.people[whom].person.id.clone();
        let may = hand != whom && self.people[whom].locked_by.is_none() && (!self.acts(whom) || self.lines_without(whom) >= 2);
        let done = self.portal.rooms.accounts.lock(&id, "so", &by.step_up, &self.portal.context()).await;
        assert_eq!(done.is_ok(), may, "{hand} locked {whom}: {done:?}");
        if done.is_ok() {
            self.people[whom].locked_by = Some(hand);
        }
        format!("{hand} locked {whom}: {}", done.is_ok())
    }

    async fn unlock(&mut self, hand: usize, whom: usize) -> String {
        let by = self.portal.desk(&self.people[hand].person).await;
        let id = self.people[whom].person.id.clone();
        let may = self.people[whom].locked_by.is_some_and(|locker| self.apart(hand, locker));
        let done = self.portal.rooms.accounts.unlock(&id, &by.step_up, &self.portal.context()).await;
        assert_eq!(done.is_ok(), may, "{hand} unlocked {whom}: {done:?}");
        if done.is_ok() {
            self.people[whom].locked_by = None;
        }
        format!("{hand} unlocked {whom}: {}", done.is_ok())
    }

    /// What the rooms say is what the story says, and nobody but the first three has what takes two by less.
    async fn check(&self, step: usize, did: &str) {
        for (number, one) in self.people.iter().enumerate() {
            let account = self.portal.rooms.accounts.find(one.person.id.as_str()).await.unwrap().unwrap();
            let (locked, is_locked) = (account.disabled_at.is_some(), one.locked_by.is_some());
            assert_eq!((account.role, account.joined, locked), (one.role, one.joined, is_locked), "{number} after step {step}: {did}");
            if number > 2 && one.joined && one.role != Role::Reviewer {
                let (asked, approved) = (one.asked.unwrap(), one.approved.unwrap());
                assert!(self.apart(asked, approved), "{number} is {} by one line after step {step}: {did}", one.role);
            }
        }
        assert!(self.lines_without(usize::MAX) >= 2, "after step {step}: {did}");
    }
}

async fn no_sequence_gives_a_role_by_one_line_of_hands(backend: Backend) {
    for seed in 0..SEQUENCES {
        let mut world = World::new(backend, seed).await;
        for step in 0..STEPS {
            let did = world.step().await;
            world.check(step, &did).await;
        }
        // The sequence did something.
        assert!(world.people.len() > 3 && !kinds(&world.portal, Kind::AccountInvitationUsed).await.is_empty(), "{seed}");
        assert!(world.portal.clock.now() > world.portal.rooms.accounts.list().await.unwrap()[0].created_at);
    }
}
