//! Whatever directories ask for, in whatever order, and whatever administrators decide meanwhile: nobody reads whom not two independent
//! administrators let read, one who made the token and one who approved, and no directory touches another agency's people.

use std::collections::BTreeSet;

use lectern::accounts::Role;
use lectern::clock::Clock;
use lectern::entitlements::NominationStage;
use lectern::ids::NominationId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::{Directory, connect, user};
use crate::harness::{Agency, Backend, Desk, Grant, HOUR, Person, Portal, on_both};

on_both! {
    no_sequence_of_requests_lets_anybody_read_without_two_administrators
}

/// Sequences on each database, and steps in each.
const SEQUENCES: u64 = 3;
const STEPS: usize = 140;
const AGENCIES: usize = 2;
const READERS: usize = 2;

/// A nomination as it was seen to be made.
struct Seen {
    id: NominationId,
    /// Of the administrators.
    nominator: usize,
    approver: Option<usize>,
}

struct Reader {
    person: Person,
    desk: Desk,
    agency: usize,
    /// What their agency's directory calls them now.
    path: Option<String>,
    nominations: Vec<Seen>,
}

struct World {
    portal: Portal,
    agencies: Vec<Agency>,
    hands: Vec<Desk>,
    /// Of each agency, one token of the first administrator and one of the second.
    directories: Vec<[Directory; 2]>,
    readers: Vec<Reader>,
    random: StdRng,
}

impl World {
    async fn new(backend: Backend, seed: u64) -> Self {
        let portal = Portal::bare(backend).await;
        portal.bring("gateway").await;
        let third = portal.colleague(Role::Administrator).await;
        let people = [portal.administrators[0].clone(), portal.administrators[1].clone(), third];
        let mut hands = Vec::new();
        for person in &people {
            hands.push(portal.desk(person).await);
        }
        let (mut agencies, mut directories, mut readers) = (Vec::new(), Vec::new(), Vec::new());
        for agency in 0..AGENCIES {
            let made = portal.agency().await;
            portal.grant(&made, &Grant::of("gateway")).await;
            directories.push([connect(&portal, &made, &people[0]).await, connect(&portal, &made, &people[1]).await]);
            for _ in 0..READERS {
                let person = portal.unnamed(&made).await;
                let desk = portal.desk(&person).await;
                readers.push(Reader { person, desk, agency, path: None, nominations: Vec::new() });
            }
            agencies.push(made);
        }
        Self { portal, agencies, hands, directories, readers, random: StdRng::seed_from_u64(seed) }
    }

    fn any(&mut self, below: usize) -> usize {
        self.random.random_range(0..below)
    }

    /// How everything of an agency stands, told apart from what another's directory might do.
    async fn stand(&self, agency: usize) -> Vec<String> {
        let mut stand = Vec::new();
        for reader in self.readers.iter().filter(|reader| reader.agency == agency) {
            let account = self.portal.rooms.accounts.find(reader.person.id.as_str()).await.unwrap().unwrap();
            stand.push(format!("{account:?}"));
            for of in self.portal.rooms.entitlements.nominations_of(&account.id).await.unwrap() {
                stand.push(format!("{:?}", of.nomination));
            }
        }
        let id = &self.agencies[agency].id;
        for kept in self.portal.rooms.entitlements.kept_by_directory(id).await.unwrap() {
            stand.push(format!("{:?}", kept.person));
        }
        stand
    }

    /// Something that a directory asks for, of anybody at all.
    async fn ask(&mut self) -> String {
        let (agency, token) = (self.any(AGENCIES), self.any(2));
        let whom = self.any(self.readers.len());
        let verb = self.any(8);
        let directory = self.directories[agency][token].clone();
        let email = self.readers[whom].person.email.clone();
        let path = self.readers[whom].path.clone().unwrap_or_else(|| "/Users/usr_none".to_owned());
        let other = 1 - agency;
        let before = self.stand(other).await;
        let mut profile = user(&email);
        profile["active"] = json!(!verb.is_multiple_of(3));
        let answer = match verb {
            0 | 1 => directory.post("/Users", profile).await,
            2 => directory.delete(&path).await,
            3 => directory.put(&path, profile).await,
            4 => directory.switch(&path, false).await,
            5 => directory.switch(&path, true).await,
            6 => {
                let name = format!("Name {}", self.any(3));
                directory.patch(&path, json!([{"op": "replace", "path": "displayName", "value": name}])).await
            }
            _ => {
                let stolen = self.any(self.readers.len());
                let email = self.readers[stolen].person.email.clone();
                directory.patch(&path, json!([{"op": "replace", "path": "userName", "value": email}])).await
            }
        };
        assert!(answer.status.is_success() || [404, 409].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.text());
        assert_eq!(self.stand(other).await, before, "the directory of {agency} touched another agency");
        if self.readers[whom].agency == agency && answer.status == 201 {
            self.readers[whom].path = Some(format!("/Users/{}", answer.json()["id"].as_str().unwrap()));
        }
        if self.readers[whom].agency == agency && answer.status == 204 {
            self.readers[whom].path = None;
        }
        self.notice(token).await;
        format!("the directory of {agency} with token {token} did {verb} to {whom}: {}", answer.status)
    }

    /// Takes down which nominations there are that were not before: whoever made the token is who nominated.
    async fn notice(&mut self, by: usize) {
        for reader in &mut self.readers {
            let known: BTreeSet<&str> = reader.nominations.iter().map(|of| of.id.as_str()).collect();
            let all = self.portal.rooms.entitlements.nominations_of(&reader.person.id).await.unwrap();
            let new: Vec<NominationId> = all.iter().map(|of| of.nomination.id.clone()).filter(|id| !known.contains(id.as_str())).collect();
            reader.nominations.extend(new.into_iter().map(|id| Seen { id, nominator: by, approver: None }));
        }
    }

    /// An administrator decides on something, or tries to.
    async fn decide(&mut self) -> String {
        let (hand, whom) = (self.any(3), self.any(self.readers.len()));
        let verb = self.any(8);
        let (by, context) = (&self.hands[hand], self.portal.context());
        let room = &self.portal.rooms.entitlements;
        let accounts = &self.portal.rooms.accounts;
        let reader = &mut self.readers[whom];
        match verb {
            0 => {
                let done = accounts.lock(&reader.person.id, "an incident", &by.step_up, &context).await;
                return format!("{hand} locked {whom}: {}", done.is_ok());
            }
            1 => {
                let done = accounts.unlock(&reader.person.id, &by.step_up, &context).await;
                return format!("{hand} unlocked {whom}: {}", done.is_ok());
            }
            _ => {}
        }
        let Some(of) = reader.nominations.last_mut() else { return String::new() };
        if verb == 2 {
            let done = room.refuse_nomination(&of.id, "no", &by.principal, &context).await;
            return format!("{hand} refused {whom}: {}", done.is_ok());
        }
        let done = room.approve_nomination(&of.id, &by.step_up, &context).await;
        if done.is_ok() {
            assert_ne!(hand, of.nominator, "{hand} approved what their own token nominated");
            of.approver = Some(hand);
        }
        format!("{hand} approved {whom}: {}", done.is_ok())
    }

    /// Nobody reads but by two hands, and nobody whom their directory does not hold for its own.
    async fn check(&self, step: usize, did: &str) -> usize {
        let mut reading = 0;
        for (number, reader) in self.readers.iter().enumerate() {
            let opened = !self.portal.rooms.gate.readable(&reader.desk.principal).await.unwrap().is_empty();
            if !opened {
                continue;
            }
            reading += 1;
            let standing = self.portal.rooms.entitlements.nominations_of(&reader.person.id).await.unwrap();
            let by_two = standing.iter().filter(|of| of.nomination.stage == NominationStage::Approved).any(|of| {
                let seen = reader.nominations.iter().find(|seen| seen.id == of.nomination.id).unwrap();
                seen.approver.is_some_and(|approver| approver != seen.nominator)
            });
            assert!(by_two, "reader {number} reads by one hand after step {step}: {did}");
            let path = reader.path.as_deref().expect("somebody reads whom no directory keeps");
            let kept = self.directories[reader.agency][0].get(path).await.is(200).json();
            assert_eq!(kept["active"], true, "reader {number} reads and left, after step {step}: {did}");
        }
        reading
    }
}

async fn no_sequence_of_requests_lets_anybody_read_without_two_administrators(backend: Backend) {
    let mut read = 0;
    for seed in 0..SEQUENCES {
        let mut world = World::new(backend, seed).await;
        for step in 0..STEPS {
            // Directories are held back by the clock, which stands still otherwise.
            world.portal.clock.advance(HOUR / 60);
            let did = if world.any(5) < 2 { world.ask().await } else { world.decide().await };
            read += world.check(step, &did).await;
        }
        assert!(world.portal.clock.now() > lectern::clock::Timestamp::from_seconds(0));
    }
    // A test in which nobody ever read anything would show nothing.
    assert!(read > 20, "somebody read after {read} steps only");
}
