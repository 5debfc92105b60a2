//! The PostgreSQL server that benches measure on.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;

/// A PostgreSQL server of our own, reached by a socket in its directory. It commits durably, as it does by default.
pub(crate) struct Cluster {
    programs: PathBuf,
    dir: TempDir,
    /// PostgreSQL refuses to run as root, so root has the account `postgres` run it.
    account: Option<(u32, u32)>,
}

impl Cluster {
    /// None when its programs are not on this machine.
    pub(crate) fn start(dir: &Path) -> anyhow::Result<Option<Self>> {
        let Some(programs) = programs() else { return Ok(None) };
        let dir = TempDir::with_prefix_in("lectern-bench-pg-", dir)?;
        let account = if fs::metadata("/proc/self")?.uid() == 0 { Some(postgres()?) } else { None };
        if let Some((user, group)) = account {
            chown(dir.path(), Some(user), Some(group))?;
        }
        let cluster = Self { programs, dir, account };
        let options = format!("-c listen_addresses='' -k {}", cluster.dir.path().display());
        cluster.call("initdb", &["-A", "trust", "-U", "postgres"])?;
        cluster.call("pg_ctl", &["start", "-w", "-l", "log", "-o", &options])?;
        Ok(Some(cluster))
    }

    /// The address of its database.
    pub(crate) fn url(&self) -> String {
        let socket = utf8_percent_encode(&self.dir.path().to_string_lossy(), NON_ALPHANUMERIC).to_string();
        format!("postgres://postgres@localhost/postgres?host={socket}")
    }

    fn call(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(self.programs.join(program));
        command
            .args(arguments)
            .args(["-D", "data"])
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        let status = command.status().with_context(|| format!("{program} could not be started"))?;
        if status.success() { Ok(()) } else { bail!("{program} failed: {status}") }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What cannot be stopped any more has ended already.
        let _ = self.call("pg_ctl", &["stop", "-w", "-m", "fast"]);
    }
}

/// Where the newest server's programs are.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|one| Some((one.file_name().to_str()?.parse().ok()?, one.path().join("bin"))))
        .filter(|(_, bin): &(u32, PathBuf)| bin.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

/// Ids of the user and the group `postgres`.
fn postgres() -> anyhow::Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:")).context("there is no account postgres to run PostgreSQL as")?;
    let mut ids = line.split(':').skip(2).map(str::parse);
    match (ids.next(), ids.next()) {
        (Some(Ok(user)), Some(Ok(group))) => Ok((user, group)),
        _ => bail!("the account postgres has no ids in /etc/passwd"),
    }
}
