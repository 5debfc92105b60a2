//! Every write and every sync of a short run, each in turn: the process is killed at it, or it fails. The run opens a log that is there,
//! appends, and closes; then everything must hold, and the next one goes on.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use super::appender::{Installation, Orders, Said, binary};
use super::judge::Judge;
use super::{SHUT_UNTIL_RESTART, count, tell};
use crate::harness::strace::Traced;

/// Entries of a short run, one after the other.
const ENTRIES: u64 = 6;

const SYNCS: &str = "fdatasync,fsync";
const WRITES: &str = "write,pwrite64,writev,pwritev";
const NAMES: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,ftruncate,mkdir,mkdirat";

/// What stands at the start of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Nothing,
    ALog,
}

/// One kind of fault, tried at the first call, the next, and so on until a run ends without meeting it.
struct Series {
    what: &'static str,
    start: Start,
    step: u32,
    /// Of the nth call, on these files only when some are named.
    fault: fn(u32) -> Traced,
    files: &'static [&'static str],
    meets: fn(&Traced, ExitStatus) -> bool,
    /// Whether the log has to stay shut after it, as after an error of the device. What was only refused may be tried again.
    shuts: bool,
}

impl Series {
    fn run(&self, prepared: &Installation) {
        let mut faults = 0;
        for nth in (1..).step_by(usize::try_from(self.step).unwrap()) {
            let installation = if self.start == Start::Nothing { Installation::new() } else { prepared.copy() };
            let files: Vec<_> = self.files.iter().map(|name| installation.data.join(name)).collect();
            let traced = (self.fault)(nth).on(&files.iter().map(AsRef::<Path>::as_ref).collect::<Vec<_>>());
            let mut judge = Judge::of(&installation);
            let orders = Orders::at(&installation).entries(ENTRIES);
            let mut appender = orders.start_by(traced.command(&binary()));
            let (mut refused, mut closed) = (None, false);
            while let Some(said) = appender.next() {
                closed |= said == Said::Closed;
                match &said {
                    // It saw the fault as it opened.
                    Said::NotOpened(..) => continue,
                    Said::Refused(why) => refused = Some(why.clone()),
                    Said::Receipt { index, .. } if SHUT_UNTIL_RESTART && self.shuts => {
                        assert_eq!(refused, None, "{index} was acknowledged after a write had failed");
                    }
                    _ => {}
                }
                judge.hear(&said);
            }
            let ended = appender.end();
            if !(self.meets)(&traced, ended) {
                assert!(ended.success() && closed, "{}, no fault at {nth}: {}", self.what, appender.errors());
                judge.judges();
                break;
            }
            faults += 1;
            println!("{} {nth}: {ended}, {} receipts, {refused:?}", self.what, judge.acknowledged.len());
            judge.judges_if_begun();
            let mut next = orders.start();
            assert!(judge.hear_out(&mut next), "after {} {nth}: {}", self.what, next.errors());
            judge.judges();
        }
        tell(self.what, faults);
    }
}

fn prepared() -> Installation {
    let installation = Installation::new();
    let mut judge = Judge::of(&installation);
    let mut first = Orders::at(&installation).entries(ENTRIES).start();
    assert!(judge.hear_out(&mut first), "{}", first.errors());
    installation
}

#[test]
fn killed_at_every_call() {
    let prepared = prepared();
    let killed = |_: &Traced, ended: ExitStatus| ended.signal() == Some(9);
    let step = count(5, 1);
    for series in [
        Series {
            what: "killed at a sync",
            start: Start::ALog,
            step: 1,
            fault: |nth| Traced::kill(SYNCS, nth),
            files: &[],
            meets: killed,
            shuts: false,
        },
        Series {
            what: "killed at a write of the database",
            start: Start::ALog,
            step: count(15, 1),
            fault: |nth| Traced::kill(WRITES, nth),
            files: &["lectern.db", "lectern.db-wal"],
            meets: killed,
            shuts: false,
        },
        Series {
            what: "killed where a file gets its name or loses it",
            start: Start::ALog,
            step: 1,
            fault: |nth| Traced::kill(NAMES, nth),
            files: &[],
            meets: killed,
            shuts: false,
        },
        Series {
            what: "killed at a sync while a log is made",
            start: Start::Nothing,
            step,
            fault: |nth| Traced::kill(SYNCS, nth),
            files: &[],
            meets: killed,
            shuts: false,
        },
        Series {
            what: "killed where a file gets its name while a log is made",
            start: Start::Nothing,
            step: step.min(2),
            fault: |nth| Traced::kill(NAMES, nth),
            files: &[],
            meets: killed,
            shuts: false,
        },
    ] {
        series.run(&prepared);
    }
}

#[test]
fn every_call_fails() {
    let prepared = prepared();
    let failed = |traced: &Traced, _: ExitStatus| traced.has_failed();
    let step = count(15, 1);
    for series in [
        Series {
            what: "a sync fails",
            start: Start::ALog,
            step: 1,
            fault: |nth| Traced::fail(SYNCS, "EIO", nth),
            files: &[],
            meets: failed,
            shuts: true,
        },
        Series {
            what: "syncs fail from one on",
            start: Start::ALog,
            step: count(3, 1),
            fault: |nth| Traced::fail_from(SYNCS, "EIO", nth),
            files: &[],
            meets: failed,
            shuts: true,
        },
        Series {
            what: "a write of the database fails",
            start: Start::ALog,
            step,
            fault: |nth| Traced::fail(WRITES, "EIO", nth),
            files: &["lectern.db", "lectern.db-wal"],
            meets: failed,
            shuts: true,
        },
        Series {
            what: "a write of the database finds no room",
            start: Start::ALog,
            step,
            fault: |nth| Traced::fail(WRITES, "ENOSPC", nth),
            files: &["lectern.db", "lectern.db-wal"],
            meets: failed,
            shuts: false,
        },
        Series {
            what: "a rename fails",
            start: Start::ALog,
            step: 1,
            fault: |nth| Traced::fail("rename,renameat,renameat2", "EIO", nth),
            files: &[],
            meets: failed,
            shuts: false,
        },
    ] {
        series.run(&prepared);
    }
}
