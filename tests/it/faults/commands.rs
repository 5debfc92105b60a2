//! Commands that said that they were done, and then the power was cut: keys, hand-overs, backups, restored installations, exports, and
//! what a witness answered must be there afterwards. As a control, the same with syncs that do nothing: it has to be felt.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use lectern::audit::checkpoint::{Checkpoint, SignerKey};
use lectern::audit::merkle;
use lectern::audit::witness::Submission;
use tempfile::TempDir;

use super::tell;
use crate::harness::disk::{Disk, may_have};
use crate::harness::process::said;

const LECTERN: &str = env!("CARGO_BIN_EXE_lectern");
const MEGABYTES: u64 = 64;

/// An installation on a disk of its own.
struct Desk {
    disk: Disk,
    config: String,
    home: TempDir,
    /// Whether a sync does anything.
    syncs: bool,
}

impl Desk {
    fn new(syncs: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let disk = Disk::ext4(home.path(), MEGABYTES);
        let config = configuration(home.path(), "own", &disk.path().join("data"));
        Self { disk, config, home, syncs }
    }

    fn command(&self) -> Command {
        if self.syncs {
            return self.disk.command(LECTERN);
        }
        let mut command = self.disk.command("strace");
        command.args(["-qq", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:retval=0", LECTERN]);
        command
    }

    fn run(&self, args: &[&str]) -> String {
        ok(&self.command().args(args).output().unwrap())
    }

    /// As it is seen after the power was cut and came back.
    fn cut(&self) {
        self.disk.cut();
        self.disk.unmount();
        self.disk.mount();
    }

    /// What a command says that only looks, and whether all was well.
    fn look(&self, args: &[&str]) -> Output {
        self.disk.command(LECTERN).args(args).output().unwrap()
    }

    fn on_disk(&self, name: &str) -> String {
        self.disk.path().join(name).display().to_string()
    }

    /// What a file holds.
    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.disk.outside().join(name)).ok()
    }
}

fn configuration(home: &Path, name: &str, data: &Path) -> String {
    let file = home.join(format!("{name}.toml"));
    fs::write(&file, format!("data = {:?}\nlisten = \"127.0.0.1:0\"\n", data.display().to_string())).unwrap();
    file.display().to_string()
}

fn ok(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    said(output)
}

fn is_well(output: &Output) -> bool {
    output.status.code() == Some(0)
}

/// An installation that was made and never synced any other way: the power is cut at once.
fn made(syncs: bool) -> (Desk, bool) {
    let desk = Desk::new(syncs);
    desk.run(&["init", "--config", &desk.config, "--administrators", "a@x.example", "b@x.example"]);
    let key = desk.read("data/keys/log.vkey");
    assert!(key.is_some());
    desk.cut();
    let well = desk.read("data/keys/log.vkey") == key && is_well(&desk.look(&["doctor", "--config", &desk.config]));
    (desk, well)
}

/// As [`made`], and synced as a whole, whatever its commands do.
fn settled(syncs: bool) -> Desk {
    let (mut desk, well) = made(true);
    assert!(well);
    ok(&desk.disk.command("sync").output().unwrap());
    desk.syncs = syncs;
    desk
}

fn key_is_changed(syncs: bool) -> bool {
    let desk = settled(syncs);
    let old = desk.read("data/keys/log.vkey");
    let said = desk.run(&["audit", "key", "--rotate", "--config", &desk.config]);
    let new = said.lines().last().map(str::to_owned);
    assert!(new.is_some() && new != old);
    desk.cut();
    let shown = desk.look(&["audit", "key", "--config", &desk.config]);
    is_well(&shown)
        && ok(&shown).lines().last().map(str::to_owned) == new
        && is_well(&desk.look(&["audit", "verify", "--config", &desk.config]))
}

fn backup_is_taken(syncs: bool) -> bool {
    let desk = settled(syncs);
    desk.run(&["backup", "--out", &desk.on_disk("backup"), "--config", &desk.config]);
    desk.cut();
    is_well(&desk.look(&["backup", "verify", &desk.on_disk("backup")]))
}

fn backup_is_restored(syncs: bool) -> bool {
    let mut desk = settled(true);
    desk.run(&["backup", "--out", &desk.on_disk("backup"), "--config", &desk.config]);
    ok(&desk.disk.command("sync").output().unwrap());
    desk.syncs = syncs;
    let second = configuration(desk.home.path(), "second", &desk.disk.path().join("second"));
    desk.run(&["restore", "--from", &desk.on_disk("backup"), "--config", &second]);
    let key = desk.read("second/keys/log.key");
    assert!(key.is_some());
    desk.cut();
    desk.read("second/keys/log.key") == key && is_well(&desk.look(&["doctor", "--config", &second]))
}

fn log_is_exported(syncs: bool) -> bool {
    let desk = settled(syncs);
    desk.run(&["audit", "export", "--format", "tiles", "--out", &desk.on_disk("export"), "--config", &desk.config]);
    desk.cut();
    is_well(&desk.look(&["audit", "verify", &desk.on_disk("export")]))
}

/// A witness that answered with a cosignature knows of it afterwards.
fn witness_answered(syncs: bool) -> bool {
    let home = tempfile::tempdir().unwrap();
    let mut desk = Desk { disk: Disk::ext4(home.path(), MEGABYTES), config: String::new(), home, syncs: true };
    let log = SignerKey::new("portal.example/audit", &[1; 32]).unwrap();
    let start = |desk: &Desk| {
        let mut command = desk.command();
        command.args(["witness", "--listen", "127.0.0.1:0", "--name", "agency.example", "--log", &log.public().to_string()]);
        let mut child =
            command.args(["--data", &desk.on_disk("witness")]).env("LECTERN_LOG", "error").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let key = lines.next().expect("it ended before it said anything").unwrap();
        let ready = lines.next().expect("it ended before it was ready").unwrap();
        (child, key, ready.strip_prefix("lectern witness: ready http://").unwrap().to_owned())
    };
    let end = |mut child: std::process::Child| {
        let id = child.id().to_string();
        // strace holds what would end it back; what it runs ends it.
        let traced = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let id = traced.split_whitespace().next().unwrap_or(&id);
        assert!(Command::new("kill").args(["-TERM", id]).status().unwrap().success());
        child.wait().unwrap();
    };
    let (first, key, _) = start(&desk);
    end(first);
    ok(&desk.disk.command("sync").output().unwrap());
    desk.syncs = syncs;
    let (second, again, address) = start(&desk);
    assert_eq!(key, again);
    let checkpoint = Checkpoint { origin: "portal.example/audit".into(), size: 1, root: merkle::leaf(b"x") };
    let submission = Submission { old: 0, proof: Vec::new(), note: checkpoint.sign(&log).to_string() }.to_string();
    let answer = ureq::post(format!("http://{address}/add-checkpoint")).send(submission).unwrap();
    assert_eq!(answer.status(), 200);
    desk.disk.cut();
    end(second);
    desk.disk.unmount();
    desk.disk.mount();
    desk.syncs = true;
    let (third, after, address) = start(&desk);
    let status = ureq::get(format!("http://{address}/")).call().unwrap().body_mut().read_to_string().unwrap();
    end(third);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    after == key && status["cosigned"][0]["size"] == 1
}

/// Does something with or without syncs, cuts the power, and says whether it is there.
type Case = fn(bool) -> bool;

#[test]
fn what_a_command_said_is_there_after_a_power_cut() {
    if !may_have("power cuts after commands") {
        return;
    }
    let cases: [(&str, Case); 6] = [
        ("init", |syncs| made(syncs).1),
        ("audit key --rotate", key_is_changed),
        ("backup", backup_is_taken),
        ("restore", backup_is_restored),
        ("audit export", log_is_exported),
        ("witness", witness_answered),
    ];
    for (command, survives) in cases {
        assert!(survives(true), "{command}: what it said was done was not there after the power was cut");
        assert!(!survives(false), "{command}: the control, without syncs, lost nothing, so this cannot fail");
    }
    tell("power cut after a command", u32::try_from(cases.len()).unwrap());
}
