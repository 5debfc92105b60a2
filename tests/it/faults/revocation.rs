//! A right that is revoked while a hundred files are being opened. Whoever began before may still be answered; whoever begins when the
//! revocation stands in the log is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lectern::audit::{Filter, Kind};
use lectern::ids::Entropy;
use tokio::sync::Barrier;

use super::{count, tell};
use crate::harness::library::MAIN;
use crate::harness::{Backend, Grant, Portal, on_both};

on_both! { revoked_while_a_hundred_files_are_opened }

const OPENS: usize = 100;

/// One request for a file.
struct Open {
    /// How many entries there were before it.
    size: u64,
    /// Whether the revocation had been answered by then.
    after: bool,
    status: u16,
    /// The index of its entry, when it was answered.
    index: Option<u64>,
}

async fn revoked_while_a_hundred_files_are_opened(backend: Backend) {
    let portal = Portal::bare(backend).await;
    portal.bring("gateway").await;
    let administrator = portal.sign_in(&portal.administrators[1]).await;
    let csrf = administrator.csrf().await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    let reader = portal.sign_in(&person).await;
    let address = format!("/p/gateway/v2.0/file/{MAIN}");
    let rounds = count(4, 20);
    let (mut answered, mut turned_away, mut late) = (0, 0, 0);
    for _ in 0..rounds {
        let grant = portal.grant(&agency, &Grant::of("gateway")).await;
        reader.get_json(&address).await.is(200);
        let revoked = Arc::new(AtomicBool::new(false));
        let barrier = Arc::new(Barrier::new(OPENS + 1));
        let opens: Vec<_> = (0..OPENS)
            .map(|n| {
                let (reader, address) = (reader.clone(), address.clone());
                let (rooms, revoked, barrier) = (Arc::clone(&portal.rooms), Arc::clone(&revoked), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    // Some begin at once, some when the revocation is on its way, some when it is over.
                    for _ in 0..n * 4 {
                        tokio::task::yield_now().await;
                    }
                    let after = revoked.load(Ordering::SeqCst);
                    let size = rooms.log.size().await.unwrap();
                    let answer = reader.get_json(&address).await;
                    let status = answer.status.as_u16();
                    let index = (status == 200).then(|| answer.json()["receipt"]["index"].as_u64().unwrap());
                    Open { size, after, status, index }
                })
            })
            .collect();
        barrier.wait().await;
        let [turns] = Entropy::system().unwrap().bytes::<1>();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        administrator.post_with(&format!("/admin/grants/{grant}/revoke"), &csrf, &[("reason", "a race")]).await.is(303);
        revoked.store(true, Ordering::SeqCst);
        let filter = Filter { kind: Some(Kind::EntitlementRevoked), ..Filter::default() };
        let revocation = portal.entries(filter).await.last().unwrap().index;
        for open in opens {
            let open = open.await.unwrap();
            let Some(index) = open.index else {
                assert_eq!(open.status, 404);
                turned_away += 1;
                continue;
            };
            assert!(!open.after, "the entry {index} was begun after the revocation was answered");
            assert!(
                index < revocation || open.size <= revocation,
                "the entry {index} was begun when there were {} entries, the revocation at {revocation} among them",
                open.size
            );
            answered += 1;
            late += u32::from(index > revocation);
        }
        reader.get_json(&address).await.is(404);
    }
    println!("{answered} answered, {late} of them begun before the revocation and recorded behind it; {turned_away} turned away");
    tell(&format!("revoked while {OPENS} files are opened, {backend:?}"), rounds);
}
