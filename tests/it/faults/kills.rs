//! Appending processes that are killed: at any moment, from before the database is open to after hundreds of entries. Then the judge
//! looks, and the next one goes on with the same log.

use std::time::Duration;

use lectern::ids::Entropy;

use super::appender::{Installation, Orders, Said};
use super::judge::Judge;
use super::{count, tell};
use crate::harness::postgres;

/// A log is verified whole after each fault, so it is left behind for a new one before it is long.
const LIVES: u32 = 10;

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after it began.
    Begun(Duration),
    /// So long after it began to verify the log.
    Verifying(Duration),
    /// After it said so many receipts.
    Receipts(u64),
}

impl Moment {
    fn any(entropy: &Entropy) -> Self {
        let [kind, a, b] = entropy.bytes::<3>();
        let number = u64::from(u16::from_be_bytes([a, b]));
        match kind % 8 {
            0 => Self::Begun(Duration::from_micros(number)),
            1 => Self::Verifying(Duration::from_micros(number / 2)),
            _ => Self::Receipts(number % 200),
        }
    }
}

/// One life of a process. Gives how many receipts it said.
fn live(orders: &Orders, moment: Moment, judge: &mut Judge) -> u64 {
    let mut appender = orders.start();
    let mut receipts = 0;
    loop {
        let due = match moment {
            Moment::Receipts(wanted) => receipts >= wanted,
            _ => false,
        };
        if due {
            break;
        }
        let Some(said) = appender.next() else { panic!("it ended by itself: {}", appender.errors()) };
        judge.hear(&said);
        match (moment, said) {
            (Moment::Begun(after), Said::Begun) | (Moment::Verifying(after), Said::Database) => {
                std::thread::sleep(after);
                break;
            }
            (_, Said::Receipt { .. }) => receipts += 1,
            _ => {}
        }
    }
    appender.kill();
    // What it had said by then counts, whether anybody had read it or not.
    while let Some(said) = appender.next() {
        receipts += u64::from(matches!(said, Said::Receipt { .. }));
        judge.hear(&said);
    }
    receipts
}

fn kill_often(kills: u32, new: &dyn Fn() -> Installation) -> u64 {
    let entropy = Entropy::system().unwrap();
    let mut receipts = 0;
    for first in (0..kills).step_by(usize::try_from(LIVES).unwrap()) {
        let installation = new();
        let mut judge = Judge::of(&installation);
        for _ in first..kills.min(first + LIVES) {
            let moment = Moment::any(&entropy);
            let [tasks] = entropy.bytes::<1>();
            let orders = Orders::at(&installation).tasks(1 << (tasks % 7)).endless();
            println!("killed at {moment:?}, {orders:?}");
            receipts += live(&orders, moment, &mut judge);
            judge.judges_if_begun();
        }
        let mut last = Orders::at(&installation).entries(3).start();
        assert!(judge.hear_out(&mut last), "{}", last.errors());
        judge.judges();
    }
    receipts
}

#[test]
fn killed_on_sqlite() {
    let kills = count(30, 900);
    let receipts = kill_often(kills, &Installation::new);
    tell(&format!("killed while appending, SQLite ({receipts} entries acknowledged)"), kills);
}

#[test]
fn killed_on_postgresql() {
    if !postgres::is_there() {
        return;
    }
    let kills = count(10, 100);
    let receipts = kill_often(kills, &|| Installation::on(&postgres::database()));
    tell(&format!("killed while appending, PostgreSQL ({receipts} entries acknowledged)"), kills);
}
