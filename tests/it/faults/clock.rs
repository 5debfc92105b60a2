//! The clock goes forwards and backwards by a year, between entries and while they are written. The order of entries is that of their
//! index; the time in them is what the clock said; sessions and terms follow the clock.

use lectern::audit::{Draft, Filter, Kind, Outcome};
use lectern::clock::Clock;

use super::{count, tell};
use crate::harness::library::MAIN;
use crate::harness::{Backend, DAY, Portal, on_both};

on_both! { a_year_forwards_and_backwards }

/// Entries of one task.
const ENTRIES: u64 = 25;
const TASKS: u64 = 8;

async fn a_year_forwards_and_backwards(backend: Backend) {
    let portal = Portal::start(backend).await;
    let year = 365 * DAY;
    let address = format!("/p/gateway/v2.0/file/{MAIN}");
    let person = portal.reviewer(&[crate::harness::Grant::of("gateway")]).await;
    let began = portal.clock.now();
    let reader = portal.sign_in(&person).await;
    let first = reader.get_json(&address).await.is(200).json()["receipt"]["index"].as_u64().unwrap();

    // Two years on, the session is over, and so are the agreement's term and the grant's window.
    portal.clock.set(began.plus(2 * year));
    assert_eq!(reader.get(&address).await.status, 303, "the session goes on");
    let later = portal.sign_in(&person).await;
    later.get(&address).await.is(404);
    // Two years back, and half a year before the grant: not yet.
    portal.clock.set(began.minus(year / 2));
    let earlier = portal.sign_in(&person).await;
    earlier.get(&address).await.is(404);
    // As it was: what was in force is in force.
    portal.clock.set(began);
    let again = portal.sign_in(&person).await;
    let second = again.get_json(&address).await.is(200).json()["receipt"]["index"].as_u64().unwrap();
    assert!(second > first);
    let written = portal.entries(Filter::default()).await;
    assert!(written.iter().map(|entry| entry.index).eq(0..written.len() as u64), "an index is missing");
    assert!(!written.iter().map(|entry| entry.at).is_sorted(), "no entry says the time that the clock said");
    assert_eq!((written[usize::try_from(first).unwrap()].at, written[usize::try_from(second).unwrap()].at), (began, began));

    // While entries are written.
    let steps = count(50, 1_000);
    let before = portal.rooms.log.size().await.unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (rooms, context) = (portal.rooms.clone(), portal.context());
            tokio::spawn(async move {
                let mut last = 0;
                for _ in 0..ENTRIES {
                    let receipt = rooms.log.append(Draft::new(Kind::AuditViewed, Outcome::Done), &context).await.unwrap();
                    assert!(receipt.index > last && receipt.checkpoint > receipt.index);
                    last = receipt.index;
                }
            })
        })
        .collect();
    for step in 0..steps {
        portal.clock.set(if step % 2 == 0 { began.plus(year) } else { began.minus(year) });
        portal.rooms.log.checkpoint().await.unwrap();
    }
    for task in tasks {
        task.await.unwrap();
    }
    portal.clock.set(began);
    assert_eq!(portal.rooms.log.size().await.unwrap(), before + TASKS * ENTRIES);
    again.get_json(&address).await.is(200);
    tell(&format!("clock steps of a year, {backend:?}"), steps + 4);
}
