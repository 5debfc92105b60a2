//! A PostgreSQL of the tests' own: started once for the process in a directory of its own, reached through a socket in it,
//! and ended by a shell that waits for this process to end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
}

static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Whether there is one. Without it the tests on PostgreSQL say that they did not run, or fail where they have to run.
pub(crate) fn is_there() -> bool {
    if cluster().is_some() {
        return true;
    }
    let missing = "no PostgreSQL server binaries (initdb) are on this machine";
    assert!(std::env::var("LECTERN_REQUIRE_POSTGRES").as_deref() != Ok("1"), "{missing}, and LECTERN_REQUIRE_POSTGRES=1 asks for them");
    println!("not run: {missing}");
    false
}

/// The address of a new, empty database.
pub(crate) fn database() -> String {
    let cluster = cluster().expect("asked for after is_there()");
    let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let socket = cluster.directory.display().to_string();
    let done = as_server(&cluster.programs.join("createdb")).args(["-h", &socket, "-U", "lectern", &name]).output().unwrap();
    assert!(done.status.success(), "createdb: {}", String::from_utf8_lossy(&done.stderr));
    format!("postgres://lectern@localhost/{name}?host={}", socket.replace('/', "%2F"))
}

fn cluster() -> Option<&'static Cluster> {
    CLUSTER.get_or_init(|| programs().map(start)).as_ref()
}

/// Where `initdb` and the others are: on the PATH, or where distributions put them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.filter_map(|version| Some(version.ok()?.path().join("bin"))));
    }
    // What stands on the PATH may be a link to one of the programs that belong together.
    let real = |place: PathBuf| Some(place.join("initdb").canonicalize().ok()?.parent()?.to_owned());
    places.into_iter().filter_map(real).find(|place| ["postgres", "pg_ctl", "createdb"].iter().all(|name| place.join(name).is_file()))
}

pub(crate) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

/// The server refuses to run as root.
fn as_server(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
    command
}

fn start(programs: PathBuf) -> Cluster {
    let made = as_server(Path::new("mktemp")).args(["-d", "/tmp/lectern-tests-XXXXXX"]).output().unwrap();
    assert!(made.status.success(), "mktemp: {}", String::from_utf8_lossy(&made.stderr));
    let directory = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
    let data = directory.join("data");
    let mut initdb = as_server(&programs.join("initdb"));
    initdb.args(["-A", "trust", "-U", "lectern", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
    let done = initdb.output().unwrap();
    assert!(done.status.success(), "initdb: {}", String::from_utf8_lossy(&done.stderr));
    let settings = format!(
        "-c listen_addresses='' -c unix_socket_directories={} -c fsync=off -c max_connections=300 -c shared_buffers=64MB",
        directory.display()
    );
    let mut control = as_server(&programs.join("pg_ctl"));
    control.args(["-w", "-t", "60", "-s", "-l"]).arg(directory.join("log")).arg("-o").arg(settings).arg("-D").arg(&data).arg("start");
    let status = control.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "pg_ctl: {}", std::fs::read_to_string(directory.join("log")).unwrap_or_default());
    end_with_this_process(&programs, &directory);
    Cluster { programs, directory }
}

/// The shell reads a pipe that nobody writes to; it closes when this process ends, however it ends.
fn end_with_this_process(programs: &Path, directory: &Path) {
    let script = "cat >/dev/null; \"$0\" -D \"$1/data\" -m immediate -s stop; rm -rf \"$1\"";
    let mut shell = as_server(Path::new("sh"));
    shell.args(["-c", script]).arg(programs.join("pg_ctl")).arg(directory);
    let child = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::mem::forget(child);
}
