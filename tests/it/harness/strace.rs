//! Faults at system calls, without a line in the program for it: strace kills the process at the nth call, or has the call fail.

use std::path::Path;
use std::process::Command;

use tempfile::NamedTempFile;

/// A run under strace. The count is that of each thread by itself: what writes to the log does so from one.
pub(crate) struct Traced {
    log: NamedTempFile,
    calls: &'static str,
    fault: String,
    paths: Vec<String>,
}

impl Traced {
    /// The process is killed at the nth of these calls, and strace ends as it did.
    pub(crate) fn kill(calls: &'static str, nth: u32) -> Self {
        Self::new(calls, format!("signal=KILL:when={nth}"))
    }

    /// The nth of these calls fails.
    pub(crate) fn fail(calls: &'static str, error: &str, nth: u32) -> Self {
        Self::new(calls, format!("error={error}:when={nth}"))
    }

    /// From the nth on, these calls fail.
    pub(crate) fn fail_from(calls: &'static str, error: &str, nth: u32) -> Self {
        Self::new(calls, format!("error={error}:when={nth}+"))
    }

    fn new(calls: &'static str, fault: String) -> Self {
        let there = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
        assert!(there, "strace is not on this machine. Install Debian's package of that name: apt-get install strace");
        Self { log: NamedTempFile::new().unwrap(), calls, fault, paths: Vec::new() }
    }

    /// Only calls on these files count.
    pub(crate) fn on(mut self, files: &[&Path]) -> Self {
        self.paths = files.iter().map(|file| file.display().to_string()).collect();
        self
    }

    /// The command, to be followed by the program's arguments.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(self.log.path());
        command.args(["-e", &format!("trace={}", self.calls), "-e", &format!("inject={}:{}", self.calls, self.fault)]);
        for path in &self.paths {
            command.args(["-P", path]);
        }
        command.arg("--").arg(program);
        command
    }

    /// Whether a call was made to fail.
    pub(crate) fn has_failed(&self) -> bool {
        std::fs::read_to_string(self.log.path()).unwrap().contains("(INJECTED)")
    }
}
