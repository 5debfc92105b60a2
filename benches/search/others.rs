//! The programs beside which Lectern is measured, run as a person runs them: a process for each question, its answer read whole.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::median;
use crate::patterns::Pattern;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Other {
    pub(crate) name: &'static str,
    program: PathBuf,
    pub(crate) version: String,
    pub(crate) index: Option<Index>,
}

pub(crate) struct Index {
    path: PathBuf,
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
}

/// Milliseconds at the median, and matching lines.
pub(crate) struct Answer {
    pub(crate) took: f64,
    pub(crate) lines: u64,
}

impl Other {
    pub(crate) fn ripgrep(program: &Path) -> Option<Self> {
        let said = Command::new(program).arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&said.stdout).lines().next()?.replace("ripgrep ", "");
        Some(Self { name: "ripgrep", program: program.to_owned(), version, index: None })
    }

    /// Builds its index, too.
    pub(crate) fn codesearch(tree: &Path, dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = dir.join("csearch.index");
        let _ = std::fs::remove_file(&path);
        let began = Instant::now();
        let mut command = Command::new("cindex");
        command.arg(tree).env("CSEARCHINDEX", &path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.status() {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(cause).context("cindex"),
            Ok(status) if !status.success() => bail!("cindex failed: {status}"),
            Ok(_) => {}
        }
        let index = Index { seconds: began.elapsed().as_secs_f64(), bytes: std::fs::metadata(&path)?.len(), path };
        Ok(Some(Self { name: "csearch", program: PathBuf::from("csearch"), version: "Debian's codesearch".to_owned(), index: Some(index) }))
    }

    /// Line by line, as it is used: a match over lines is found by its own `--multiline` alone, see [`Other::count`].
    pub(crate) fn ask(&self, pattern: &Pattern, tree: &Path, runs: usize) -> anyhow::Result<Answer> {
        let (mut took, mut said) = (Vec::new(), Vec::new());
        let began = Instant::now();
        // One run more, to warm what it reads.
        for run in 0..=runs {
            let asked = Instant::now();
            said = self.run(pattern, tree, false)?.with_context(|| format!("{} takes longer than a minute", self.name))?;
            if run > 0 {
                took.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            if run >= 3 && began.elapsed().as_secs() >= 10 {
                break;
            }
        }
        Ok(Answer { took: median(&mut took), lines: lines(&said).count() as u64 })
    }

    /// How many lines of each file a match touches; none when that takes longer than a minute, as `--multiline` on a large file may.
    /// For ripgrep alone.
    pub(crate) fn count(&self, pattern: &Pattern, tree: &Path) -> anyhow::Result<Option<BTreeMap<Vec<u8>, u64>>> {
        let mut by_path: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let Some(said) = self.run(pattern, tree, pattern.over_lines)? else { return Ok(None) };
        for line in lines(&said) {
            let path = line.split(|&byte| byte == 0).next().unwrap_or_default();
            *by_path.entry(path.strip_prefix(b"./").unwrap_or(path).to_vec()).or_default() += 1;
        }
        Ok(Some(by_path))
    }

    /// What it says; none when it was not done in time.
    fn run(&self, pattern: &Pattern, tree: &Path, over_lines: bool) -> anyhow::Result<Option<Vec<u8>>> {
        let mut command = Command::new(&self.program);
        if let Some(index) = &self.index {
            command.env("CSEARCHINDEX", &index.path).arg("-n");
            command.args(pattern.ignore_case.then_some("-i")).arg(pattern.expression);
        } else {
            // Everything, whatever a file looks like, but git's own directory.
            command.args([
                "--no-config",
                "-n",
                "--no-heading",
                "--color",
                "never",
                "--null",
                "-uuu",
                "--text",
                "--no-mmap",
                "-g",
                "!/.git",
            ]);
            command.args(over_lines.then_some("--multiline")).arg(if pattern.ignore_case { "-i" } else { "-s" });
            command.args(["-e", pattern.expression, "./"]);
        }
        let mut child = command.current_dir(tree).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut output = child.stdout.take().context("no output")?;
        let (to, from) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = to.send(output.read_to_end(&mut said).map(|_| said));
        });
        let said = from.recv_timeout(PATIENCE);
        if said.is_err() {
            child.kill()?;
        }
        let status = child.wait()?;
        let _ = reader.join();
        let Ok(said) = said else { return Ok(None) };
        match status.code() {
            // 1: nothing was found.
            Some(0 | 1) => Ok(Some(said?)),
            other => bail!("{} ended with {other:?} on {}", self.name, pattern.expression),
        }
    }
}

fn lines(said: &[u8]) -> impl Iterator<Item = &[u8]> {
    said.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}
