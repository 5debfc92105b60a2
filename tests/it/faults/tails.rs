//! Files whose end was torn off or overwritten after the process was killed, as bad disks and bad copies leave them. What is whole
//! opens and has everything; where an acknowledged entry is gone, the log is not opened, and it says why.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use lectern::ids::Entropy;

use super::appender::{Installation, Orders, Said};
use super::judge::Judge;
use super::{count, tell};
use crate::harness::process::{run, said};

/// The longest end that is touched: more than what is derived from entries and written behind the last of them.
const LONGEST: u64 = 128 << 10;
/// Entries that stand in the write-ahead file only.
const ENTRIES: u64 = 60;

/// What was done to a file.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// The end is gone.
    Cut(u64),
    /// It is there, as zeros.
    Zeros(u64),
    /// It is there, as something else.
    Garbage(u64),
    /// Zeros stand behind it.
    ZerosBehind(u64),
    /// Something else stands behind it.
    GarbageBehind(u64),
}

impl Edit {
    fn any(entropy: &Entropy) -> Self {
        let [kind, a, b, c] = entropy.bytes::<4>();
        let length = 1 + u64::from(u32::from_be_bytes([0, a, b, c])) % LONGEST;
        match kind % 5 {
            0 => Self::Cut(length),
            1 => Self::Zeros(length),
            2 => Self::Garbage(length),
            3 => Self::ZerosBehind(length),
            _ => Self::GarbageBehind(length),
        }
    }

    fn on(self, file: &Path, entropy: &Entropy) {
        let file = OpenOptions::new().write(true).open(file).unwrap();
        let length = file.metadata().unwrap().len();
        let garbage = |count: u64| (0..count).map(|_| entropy.bytes::<1>()[0] | 1).collect::<Vec<u8>>();
        let zeros = |count: u64| vec![0; usize::try_from(count).unwrap()];
        match self {
            Self::Cut(by) => file.set_len(length - by).unwrap(),
            Self::Zeros(by) => file.write_all_at(&zeros(by), length - by).unwrap(),
            Self::Garbage(by) => file.write_all_at(&garbage(by), length - by).unwrap(),
            Self::ZerosBehind(by) => file.write_all_at(&zeros(by), length).unwrap(),
            Self::GarbageBehind(by) => file.write_all_at(&garbage(by), length).unwrap(),
        }
    }

    /// Whether nothing that had been written was touched.
    fn leaves_all(self) -> bool {
        matches!(self, Self::ZerosBehind(_) | Self::GarbageBehind(_))
    }
}

/// A log whose process was killed, with entries that stand in the write-ahead file only, under a checkpoint over all of them.
fn killed() -> (Installation, Vec<Said>) {
    let installation = Installation::new();
    let mut first = Orders::at(&installation).entries(3).start();
    let mut heard = Vec::new();
    while let Some(said) = first.next() {
        heard.push(said);
    }
    assert!(first.end().success(), "{}", first.errors());
    let mut appender = Orders::at(&installation).entries(ENTRIES).holds().start();
    let (mut receipts, mut size) = (0, 0);
    while receipts < ENTRIES {
        let Some(said) = appender.next() else { panic!("it ended by itself: {}", appender.errors()) };
        if let Said::Receipt { index, .. } = &said {
            receipts += 1;
            size = index + 1;
        }
        heard.push(said);
    }
    let patience = Instant::now() + Duration::from_secs(60);
    while kept_size(&installation.data.join("checkpoint")) < size {
        assert!(Instant::now() < patience, "no checkpoint was kept");
        std::thread::sleep(Duration::from_millis(20));
    }
    appender.kill();
    drop(appender);
    (installation, heard)
}

fn kept_size(checkpoint: &Path) -> u64 {
    let note = fs::read_to_string(checkpoint).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

fn judge(installation: &Installation, heard: &[Said]) -> Judge {
    let mut judge = Judge::of(installation);
    for said in heard {
        judge.hear(said);
    }
    judge
}

/// How the log is opened: its size, or why not.
fn open(installation: &Installation) -> Result<u64, String> {
    let mut appender = Orders::at(installation).entries(0).start();
    let mut opened = None;
    while let Some(said) = appender.next() {
        match said {
            Said::Open(size) => opened = Some(Ok(size)),
            Said::NotOpened(why, _) => opened = Some(Err(why)),
            _ => {}
        }
    }
    appender.end();
    opened.unwrap_or_else(|| panic!("neither opened nor refused: {}", appender.errors()))
}

fn is_refused_outside(installation: &Installation) {
    let config = installation.config.to_str().unwrap();
    let verified = run(&["audit", "verify", "--config", config]);
    assert_eq!(verified.status.code(), Some(1), "{}", said(&verified));
}

#[test]
fn torn_and_garbage_ends() {
    let entropy = Entropy::system().unwrap();
    let times = count(24, 400);
    let mut refused = 0;
    let (mut killed_one, mut heard) = killed();
    for time in 0..times {
        if time > 0 && time % 40 == 0 {
            (killed_one, heard) = killed();
        }
        let installation = killed_one.copy();
        let edit = Edit::any(&entropy);
        let wal = installation.data.join("lectern.db-wal");
        assert!(fs::metadata(&wal).unwrap().len() > 2 * LONGEST, "there is nothing to tear off");
        edit.on(&wal, &entropy);
        let mut judge = judge(&installation, &heard);
        match open(&installation) {
            Ok(size) => {
                println!("{edit:?}: opened with {size} entries");
                judge.judges();
            }
            Err(why) => {
                println!("{edit:?}: {why}");
                assert!(!edit.leaves_all(), "{edit:?} touched nothing that was written, and it was refused: {why}");
                assert!(why.contains("its end is missing"), "{why}");
                is_refused_outside(&installation);
                refused += 1;
            }
        }
    }
    // What was not touched still opens.
    let mut judge = judge(&killed_one, &heard);
    judge.judges();
    assert!(refused > 0, "no end was missed");
    println!("{refused} of {times} were not opened, each for what was missing");
    tell("ends torn off or overwritten", times);
}

#[test]
fn garbage_in_the_files_beside_the_log() {
    let entropy = Entropy::system().unwrap();
    let (killed, heard) = killed();
    let mut tried = 0;
    for name in ["checkpoint", "keys/log.key"] {
        let whole = fs::read(killed.data.join(name)).unwrap();
        let mut other = whole.clone();
        let middle = whole.len() / 2;
        other[middle] ^= 1;
        let damaged: Vec<(&str, Vec<u8>)> = vec![
            ("empty", Vec::new()),
            ("half of it", whole[..middle].to_vec()),
            ("zeros", vec![0; whole.len()]),
            ("garbage", (0..whole.len()).map(|_| entropy.bytes::<1>()[0]).collect()),
            ("one bit", other),
        ];
        for (what, bytes) in damaged {
            let installation = killed.copy();
            let file = installation.data.join(name);
            fs::write(&file, &bytes).unwrap();
            let why = open(&installation).expect_err(&format!("{name}, {what}: opened"));
            println!("{name}, {what}: {why}");
            is_refused_outside(&installation);
            assert_eq!(fs::read(&file).unwrap(), bytes, "{name}, {what}: it was replaced");
            // With the file as it was, it opens, and nothing was lost meanwhile.
            fs::write(&file, &whole).unwrap();
            let mut judge = judge(&installation, &heard);
            judge.judges();
            tried += 1;
        }
    }
    // Without its checkpoint a log that has entries is not opened.
    let installation = killed.copy();
    fs::remove_file(installation.data.join("checkpoint")).unwrap();
    let why = open(&installation).expect_err("opened without its checkpoint");
    assert!(why.contains("checkpoint"), "{why}");
    // The public half is made anew from the secret one.
    let installation = killed.copy();
    let vkey = installation.data.join("keys/log.vkey");
    let whole = fs::read(&vkey).unwrap();
    fs::write(&vkey, "garbage").unwrap();
    open(&installation).unwrap();
    assert_eq!(fs::read(&vkey).unwrap(), whole);
    tell("garbage in the checkpoint and the key", tried + 2);
}
