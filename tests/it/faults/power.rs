//! Power cuts under a process that appends, and a disk that turns read-only under it. The disk is ext4 in a file.

use lectern::ids::Entropy;

use super::appender::{Appender, Installation, Orders, Said, binary};
use super::judge::Judge;
use super::{count, tell};
use crate::harness::disk::{Disk, may_have};

/// A log is left behind for a new one before it is long.
const LIVES: u32 = 10;
const MEGABYTES: u64 = 48;
/// Those who append while the disk turns read-only.
const TASKS: u64 = 4;

/// Reads until so many receipts were said, or it ends.
fn until(appender: &mut Appender, judge: &mut Judge, receipts: u64) {
    let mut seen = 0;
    while seen < receipts {
        let Some(said) = appender.next() else { panic!("it ended by itself: {}", appender.errors()) };
        judge.hear(&said);
        seen += u64::from(matches!(said, Said::Receipt { .. }));
    }
}

fn judges_within(disk: &Disk, judge: &mut Judge) {
    judge.judges_by(&|args| {
        let mut command = disk.command(env!("CARGO_BIN_EXE_lectern"));
        command.args(args);
        command
    });
}

#[test]
fn power_cuts() {
    if !may_have("power cuts") {
        return;
    }
    let entropy = Entropy::system().unwrap();
    let cuts = count(10, 200);
    let mut acknowledged = 0;
    for first in (0..cuts).step_by(usize::try_from(LIVES).unwrap()) {
        let home = tempfile::tempdir().unwrap();
        let disk = Disk::ext4(home.path(), MEGABYTES);
        let installation = Installation::at(&disk.path().join("data"), None, home.path());
        let mut judge = Judge::of(&installation);
        for life in first..cuts.min(first + LIVES) {
            let [tasks, receipts] = entropy.bytes::<2>();
            // In the first and the last life while all is opened, for the first time and again.
            let receipts = if life == first || life == first + LIVES - 1 { 0 } else { receipts };
            let orders = Orders::at(&installation).tasks(1 << (tasks % 7)).endless();
            println!("the power is cut after {receipts} receipts, {orders:?}");
            let mut appender = orders.start_by(disk.command(binary()));
            until(&mut appender, &mut judge, u64::from(receipts));
            // Up to the cut, whether it had been read by then or not.
            judge.is_deaf_from(disk.cut());
            appender.kill();
            while let Some(said) = appender.next() {
                judge.hear(&said);
            }
            drop(appender);
            disk.unmount();
            disk.mount();
            judge.is_deaf_from(i64::MAX);
            if disk.outside().join("data/keys/log.key").exists() || !judge.acknowledged.is_empty() {
                judges_within(&disk, &mut judge);
            }
        }
        acknowledged += judge.acknowledged.len();
    }
    tell(&format!("power cuts ({acknowledged} entries acknowledged)"), cuts);
}

#[test]
fn a_disk_that_turns_read_only() {
    if !may_have("a disk that turns read-only") {
        return;
    }
    let times = count(2, 20);
    for _ in 0..times {
        let home = tempfile::tempdir().unwrap();
        let disk = Disk::ext4(home.path(), MEGABYTES);
        let installation = Installation::at(&disk.path().join("data"), None, home.path());
        let mut judge = Judge::of(&installation);
        let orders = Orders::at(&installation).tasks(TASKS).endless();
        let mut appender = orders.start_by(disk.command(binary()));
        until(&mut appender, &mut judge, 50);
        judge.is_deaf_from(disk.damage());
        // It goes on being asked, and refuses: nothing can be written any more.
        judge.hears_refusals(&mut appender, TASKS);
        appender.kill();
        while let Some(said) = appender.next() {
            judge.hear(&said);
        }
        drop(appender);
        disk.unmount();
        disk.mount();
        judge.is_deaf_from(i64::MAX);
        judges_within(&disk, &mut judge);
        let mut next = Orders::at(&installation).entries(3).start_by(disk.command(binary()));
        assert!(judge.hear_out(&mut next), "{}", next.errors());
        judges_within(&disk, &mut judge);
    }
    tell("a disk that turns read-only", times);
}
