//! Faults, on purpose: killed processes, power cuts, disks that fail, fill up, freeze or lie about their end, clocks that jump, readers
//! that leave, rights that end in the middle. A judge writes down every answer in its own memory and holds the log against it after
//! each fault:
//!
//! - **I1** each byte of source that somebody received has its entry under a verifiable checkpoint;
//! - **I2** no acknowledged entry is lost or changed;
//! - **I3** checkpoints that were handed out, before, during and after the fault, are consistent with each other and with the log;
//! - **I4** after each recovery `lectern audit verify` passes, on the data directory and on an export.
//!
//! There are two levels. The log alone: a process that only appends, where hundreds of faults are cheap ([`appender`], [`judge`]).
//! And the program itself with readers over HTTP ([`readers`]).
//!
//! `LECTERN_FAULTS=full` runs the full counts; otherwise there are fewer of each. What needs root (power cuts, disks that are full,
//! frozen or read-only) says so when it is left out, and fails with `LECTERN_REQUIRE_ROOT=1`. Each test prints its figures.

/// The process that appends, and how it is started.
mod appender;
/// System calls that fail, and processes that are killed at one, by strace.
mod calls;
/// The clock goes forwards and backwards by a year.
mod clock;
/// Commands that said that they were done, before the power is cut.
mod commands;
/// A disk without room.
mod full_disk;
/// A disk that holds every write back.
mod frozen;
/// Who holds the log against what was answered.
mod judge;
/// Appending processes that are killed.
mod kills;
/// Clients that leave before, during and after the answer.
mod leavers;
/// Power cuts, and a disk that turns read-only.
mod power;
/// The program, killed while people read.
mod readers;
/// A right that ends while a hundred files are opened.
mod revocation;
/// Files whose end was torn off or overwritten.
mod tails;

/// After a write or sync that the device failed, nothing is acknowledged before a restart.
const SHUT_UNTIL_RESTART: bool = true;

/// How many faults of a kind: few in every run, all when they are asked for.
fn count(few: u32, all: u32) -> u32 {
    match std::env::var("LECTERN_FAULTS") {
        Err(_) => few,
        Ok(asked) => {
            assert_eq!(asked, "full", "LECTERN_FAULTS is either full or not set");
            all
        }
    }
}

/// What zero failures in so many runs allow to say: with 95 % confidence the rate is below 3/N.
fn tell(what: &str, faults: u32) {
    assert!(faults > 0, "{what}: nothing was tried");
    println!("figures: {what}: {faults} faults, 0 broke a promise; below {:.2} % with 95 % confidence (3/N)", 300.0 / f64::from(faults));
}
