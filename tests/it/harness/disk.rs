//! Disks that can be cut from their power, filled, frozen and made read-only: an ext4 file system in a file, or one in memory, that
//! only those see who are started within. It goes away with the process that holds it, and that ends with this one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use super::postgres::is_root;
use super::process::said;

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: what was not yet on the disk never gets there.
/// Says at which microsecond it was about to.
const CUT: &str = "use Time::HiRes 'time'; sysopen(my $d, $ARGV[0], 0) or die \"$!\"; my $flags = pack('L', 2); my $at = time; \
                   defined ioctl($d, 0x8004587d, $flags) or die \"$!\"; printf '%d', $at * 1e6";

/// Whether a test may have such disks. Without root it says what is left out, or fails where everything has to run.
pub(crate) fn may_have(what: &str) -> bool {
    let missing = if is_root() {
        let tried = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
        if tried.is_ok_and(|output| output.status.success()) {
            return true;
        }
        "this root may not mount"
    } else {
        "mounting a disk needs root"
    };
    assert!(std::env::var("LECTERN_REQUIRE_ROOT").as_deref() != Ok("1"), "{missing}, and LECTERN_REQUIRE_ROOT=1 asks for it");
    println!("not run: {missing}, so this was left out: {what}");
    false
}

pub(crate) struct Disk {
    keeper: Child,
    image: Option<PathBuf>,
    at: PathBuf,
}

impl Disk {
    /// An ext4 file system in a file below `home`, mounted at `home/disk`.
    pub(crate) fn ext4(home: &Path, megabytes: u64) -> Self {
        let image = home.join("image");
        fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        done("mkfs.ext4", &Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).output().unwrap());
        let disk = Self::keep(home, Some(image));
        disk.mount();
        disk
    }

    /// A file system in memory, mounted at `home/disk`.
    pub(crate) fn memory(home: &Path, megabytes: u64) -> Self {
        let disk = Self::keep(home, None);
        let size = format!("size={megabytes}m");
        done("mount", &disk.command("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(&disk.at).output().unwrap());
        disk
    }

    /// The keeper holds the mounts, and ends when nobody can write to it any more.
    fn keep(home: &Path, image: Option<PathBuf>) -> Self {
        let at = home.join("disk");
        fs::create_dir(&at).unwrap();
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", "echo kept; exec cat >/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "kept\n");
        Self { keeper, image, at }
    }

    /// Where those who are started within find it.
    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    /// Where everybody else finds it.
    pub(crate) fn outside(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.keeper.id(), self.at.display()))
    }

    /// A program that sees the disk. The process is the program's own.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-m", "-t", &self.keeper.id().to_string(), "--"]).arg(program).stdin(Stdio::null());
        command
    }

    pub(crate) fn mount(&self) {
        let image = self.image.as_ref().expect("only a disk in a file can be mounted again");
        done("mount", &self.command("mount").args(["-o", "loop,errors=remount-ro"]).arg(image).arg(&self.at).output().unwrap());
    }

    pub(crate) fn unmount(&self) {
        done("umount", &self.command("umount").arg(&self.at).output().unwrap());
    }

    /// Takes the power away, and says at which microsecond of the system's clock. Nothing can be written or read any more until it was
    /// unmounted and mounted.
    ///
    /// The processes go on, as they would not. A sync that is in flight while ext4 gives its journal up may be told that all is well,
    /// though what it waited for reads as zeros afterwards: seen with a bare loop of write and fdatasync, too. So what is said from then
    /// on is nothing that anybody could have heard.
    pub(crate) fn cut(&self) -> i64 {
        let output = self.command("perl").args(["-e", CUT]).arg(&self.at).output().unwrap();
        done("the power cut", &output);
        String::from_utf8(output.stdout).unwrap().parse().unwrap()
    }

    /// What ext4 does when it finds itself damaged: it is read-only from here on. Says at which microsecond. What [`Disk::cut`] says of
    /// a sync in flight holds here, too: of what is told after that moment, ext4 may have thrown the last away.
    pub(crate) fn damage(&self) -> i64 {
        let script =
            "device=$(findmnt -n -o SOURCE \"$1\") && date +%s%6N && echo 'by a test' >\"/sys/fs/ext4/${device#/dev/}/trigger_fs_error\"";
        let output = self.command("sh").args(["-c", script, "sh"]).arg(&self.at).output().unwrap();
        done("the damage", &output);
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    /// Holds every write back until the guard is dropped, or this process ends.
    pub(crate) fn freeze(&self) -> Frozen {
        let script = "echo waiting; read _; fsfreeze -u \"$1\"";
        let mut command = self.command("sh");
        command.args(["-c", script, "sh"]).arg(&self.at).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut thaws = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(thaws.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let waits = thaws.stdin.take();
        let frozen = Frozen { thaws, waits };
        done("fsfreeze", &self.command("fsfreeze").arg("-f").arg(&self.at).output().unwrap());
        frozen
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.command("umount").arg("-l").arg(&self.at).stderr(Stdio::null()).status();
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// A disk that holds every write back.
pub(crate) struct Frozen {
    thaws: Child,
    waits: Option<ChildStdin>,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.waits = None;
        let _ = self.thaws.wait();
    }
}

/// Uses up all the room, to the last byte.
pub(crate) fn fill(filler: &Path) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(filler).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write(&vec![b'x'; size]).unwrap_or(0) < size {
            size /= 2;
        }
    }
}

fn done(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}: {}", said(output));
}
