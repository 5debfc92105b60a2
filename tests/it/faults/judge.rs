//! The judge: keeps every answer that was given, in its own memory, and holds the log against it from outside. Nothing of the log's
//! own code decides here; what is published does, and `lectern audit verify` with every checkpoint that was ever seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::appender::{Appender, Installation, Said};
use crate::harness::process::said;

/// So many refusals, and whatever could still be acknowledged would have been.
const REFUSALS: usize = 400;

/// An answer: the entry that it says is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) leaf: String,
    /// A checkpoint of this size was promised to include it.
    pub(super) checkpoint: u64,
    pub(super) path: String,
    pub(super) version: Option<String>,
}

/// How the judge runs `lectern`.
pub(super) type Runs<'a> = &'a dyn Fn(&[&str]) -> Command;

pub(super) struct Judge {
    home: TempDir,
    /// `--config FILE` or `--data DIR`
    at: [String; 2],
    data: PathBuf,
    key: Option<String>,
    pub(super) acknowledged: BTreeMap<u64, Acknowledged>,
    /// By size, with the file that it is kept in.
    checkpoints: BTreeMap<u64, (String, PathBuf)>,
    pub(super) refused: Vec<String>,
    /// Answers from this microsecond on are none.
    deaf_from: i64,
}

impl Judge {
    pub(super) fn of(installation: &Installation) -> Self {
        Self::with(["--config".to_owned(), installation.config.display().to_string()], &installation.data)
    }

    /// Of a demonstration.
    pub(super) fn of_data(data: &Path) -> Self {
        Self::with(["--data".to_owned(), data.display().to_string()], data)
    }

    fn with(at: [String; 2], data: &Path) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            at,
            data: data.to_owned(),
            key: None,
            acknowledged: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            refused: Vec::new(),
            deaf_from: i64::MAX,
        }
    }

    pub(super) fn acknowledge(&mut self, index: u64, new: Acknowledged) {
        assert!(new.checkpoint > index, "the receipt of {index} is for a tree of {} entries", new.checkpoint);
        if let Some(other) = self.acknowledged.get(&index) {
            panic!("I2: the index {index} was given out for {other:?} and for {new:?}");
        }
        self.acknowledged.insert(index, new);
    }

    /// Keeps a checkpoint as it was handed out.
    pub(super) fn keep(&mut self, note: &str) {
        let mut lines = note.lines().skip(1);
        let size: u64 = lines.next().unwrap().parse().unwrap();
        let root = lines.next().unwrap().to_owned();
        let file = self.home.path().join(format!("checkpoint-{size}"));
        if let Some((before, _)) = self.checkpoints.get(&size) {
            assert_eq!(*before, root, "I3: two checkpoints over {size} entries");
            return;
        }
        fs::write(&file, note).unwrap();
        self.checkpoints.insert(size, (root, file));
    }

    /// What is said from this microsecond on, nobody hears.
    pub(super) fn is_deaf_from(&mut self, time: i64) {
        self.deaf_from = time;
    }

    /// Hears one thing that an appending process says.
    pub(super) fn hear(&mut self, said: &Said) {
        if !said.is_before(self.deaf_from) {
            return;
        }
        match said {
            Said::Receipt { index, leaf, checkpoint, path, .. } => {
                let new = Acknowledged { leaf: leaf.clone(), checkpoint: *checkpoint, path: path.clone(), version: None };
                self.acknowledge(*index, new);
            }
            Said::Checkpoint(note, _) => self.keep(note),
            Said::Refused(why) => self.refused.push(why.clone()),
            Said::Open(size) => {
                let last = self.acknowledged.last_key_value().map_or(0, |(index, _)| index + 1);
                assert!(*size >= last, "I2: it opened with {size} entries, and {last} were acknowledged");
            }
            Said::NotOpened(why, _) => panic!("the log was not opened: {why}"),
            Said::Begun | Said::Database | Said::Closed => {}
        }
    }

    /// Hears all that is left to hear. Gives whether it ended as it should.
    pub(super) fn hear_out(&mut self, appender: &mut Appender) -> bool {
        let mut closed = false;
        while let Some(said) = appender.next() {
            closed |= said == Said::Closed;
            self.hear(&said);
        }
        appender.end().success() && closed
    }

    /// Hears a process until it was refused often.
    pub(super) fn hears_some_refused(&mut self, appender: &mut Appender) -> u64 {
        let mut receipts = 0;
        while self.refused.len() < REFUSALS {
            let Some(said) = appender.next() else { panic!("it ended by itself: {}", appender.errors()) };
            receipts += u64::from(matches!(said, Said::Receipt { .. }) && !self.refused.is_empty());
            self.hear(&said);
        }
        receipts
    }

    /// As [`Judge::hears_some_refused`]; after the first refusal nothing is acknowledged. What each of the other tasks had been
    /// given before may be said behind it.
    pub(super) fn hears_refusals(&mut self, appender: &mut Appender, tasks: u64) {
        let receipts = self.hears_some_refused(appender);
        assert!(receipts < tasks, "{receipts} entries were acknowledged after a failed write, by {tasks} tasks");
    }

    /// Everything that must hold now. The log is opened, as after a fault.
    pub(super) fn judges(&mut self) {
        self.judges_by(&|args| {
            let mut command = crate::harness::process::lectern();
            command.args(args);
            command
        });
    }

    /// As [`Judge::judges`], unless the process was killed before there was a log.
    pub(super) fn judges_if_begun(&mut self) {
        if self.data.join("keys/log.key").exists() || !self.acknowledged.is_empty() {
            self.judges();
        }
    }

    /// As [`Judge::judges`], with commands that see what the log lies on.
    pub(super) fn judges_by(&mut self, lectern: Runs<'_>) {
        let at: [&str; 2] = [&self.at[0], &self.at[1]];
        let kept: Vec<&str> = self.checkpoints.values().flat_map(|(_, file)| ["--checkpoint", file.to_str().unwrap()]).collect();
        let verified = lectern(&[&["audit", "verify"], &at[..], &kept].concat()).output().unwrap();
        passes("I4, the data directory", &verified);
        // On a file system that no fault reaches.
        let out = tempfile::tempdir_in(self.home.path()).unwrap();
        let export = out.path().join("export");
        let export = export.to_str().unwrap();
        let exported = lectern(&[&["audit", "export", "--format", "tiles", "--out", export], &at[..]].concat()).output().unwrap();
        passes("the export", &exported);
        let key = match &self.key {
            Some(key) => key.clone(),
            None => fs::read_to_string(Path::new(export).join("log.vkey")).unwrap().trim().to_owned(),
        };
        let verified = lectern(&[&["audit", "verify", export, "--key", &key], &kept[..]].concat()).output().unwrap();
        passes("I3 and I4, the export", &verified);
        self.key = Some(key);
        self.compares(&entries(Path::new(export)));
        let note = fs::read_to_string(Path::new(export).join("checkpoint")).unwrap();
        self.keep(&note);
    }

    fn compares(&self, entries: &[Vec<u8>]) {
        for (&index, answer) in &self.acknowledged {
            let place = usize::try_from(index).unwrap();
            let entry = entries.get(place).unwrap_or_else(|| panic!("I2: {answer:?} at {index} is not among {} entries", entries.len()));
            let mut leaf = Sha256::new_with_prefix([0]);
            leaf.update(entry);
            assert_eq!(data_encoding::HEXLOWER.encode(&leaf.finalize()), answer.leaf, "I2: the entry {index} was changed");
            let entry: serde_json::Value = serde_json::from_slice(entry).unwrap();
            assert_eq!(entry["kind"], "source.file.opened", "I1: {entry}");
            assert_eq!(entry["place"]["path"], answer.path.as_str(), "I1: {entry}");
            if let Some(version) = &answer.version {
                assert_eq!(entry["place"]["version"], version.as_str(), "I1: {entry}");
            }
        }
    }
}

fn passes(what: &str, output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{what}: {}", said(output));
}

/// The entries in the bundles of an export: each behind its length in two bytes (C2SP tlog-tiles).
fn entries(directory: &Path) -> Vec<Vec<u8>> {
    let bundles = directory.join("tile/entries");
    let mut entries = Vec::new();
    // Far fewer than a thousand of them.
    for number in 0..1_000 {
        let name = format!("{number:03}");
        let bytes = match fs::read(bundles.join(&name)) {
            Ok(bytes) => bytes,
            Err(_) => match fs::read_dir(bundles.join(format!("{name}.p"))) {
                Ok(mut partial) => fs::read(partial.next().unwrap().unwrap().path()).unwrap(),
                Err(_) => break,
            },
        };
        let mut rest = bytes.as_slice();
        while let [a, b, more @ ..] = rest {
            let (entry, behind) = more.split_at(usize::from(u16::from_be_bytes([*a, *b])));
            entries.push(entry.to_vec());
            rest = behind;
        }
    }
    entries
}
