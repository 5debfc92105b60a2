//! The program under test, serving a repository made for the walk, with its people.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use git2::{IndexEntry, IndexTime, Oid, Repository, Signature, Time};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for any machine; only a portal that hangs takes it.
const START: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) password: String,
}

pub(crate) struct Portal {
    child: Child,
    log: PathBuf,
    pub(crate) address: String,
    pub(crate) first_reviewer: Person,
    pub(crate) second_reviewer: Person,
    pub(crate) auditor: Person,
    pub(crate) first_administrator: Person,
    pub(crate) second_administrator: Person,
    _room: TempDir,
}

impl Portal {
    /// Shows the small repository of the walks as `lantern`.
    pub(crate) fn open() -> Self {
        let room = TempDir::new().expect("a directory of its own");
        let repository = room.path().join("lantern");
        make_repository(&repository);
        Self::showing("lantern", &repository, room)
    }

    /// Shows the commit that is checked out here as `lectern`, published from a branch called `main`.
    pub(crate) fn of_this_checkout() -> Self {
        let room = TempDir::new().expect("a directory of its own");
        let clone = room.path().join("lectern");
        let repository = Repository::clone(env!("CARGO_MANIFEST_DIR"), &clone).expect("a clone of this checkout");
        let commit = repository.head().and_then(|head| head.peel_to_commit()).expect("a commit is checked out");
        repository.branch("shown", &commit, true).expect("a branch");
        repository.set_head("refs/heads/shown").expect("the branch");
        repository.branch("main", &commit, true).expect("a branch");
        repository.set_head("refs/heads/main").expect("the branch");
        Self::showing("lectern", &clone, room)
    }

    /// An installation as `lectern init` leaves it: two administrators and nothing else. Where the repository of the walks lies is said, too.
    pub(crate) fn empty() -> (Self, PathBuf) {
        let room = TempDir::new().expect("a directory of its own");
        let repository = room.path().join("lantern");
        make_repository(&repository);
        let config = room.path().join("lectern.toml");
        let emails = ["one@vendor.example", "two@vendor.example"];
        let made = Command::new(env!("CARGO_BIN_EXE_lectern"))
            .args(["init", "--log-origin", "reading-room.example/audit", "--config"])
            .arg(&config)
            .arg("--administrators")
            .args(emails)
            .output()
            .expect("the program starts");
        let said = String::from_utf8(made.stdout).expect("in text");
        assert!(made.status.success(), "{said}{}", String::from_utf8_lossy(&made.stderr));
        let written = fs::read_to_string(&config).expect("a configuration");
        assert!(written.contains("listen = \"127.0.0.1:8420\""), "{written}");
        fs::write(&config, written.replace("127.0.0.1:8420", "127.0.0.1:0")).expect("another port");
        let administrator = |email: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(&format!("administrator {email}, password ")));
            Person { email: email.to_owned(), password: line.expect("a password").to_owned() }
        };
        let [first, second] = emails.map(administrator);
        let mut serve = Command::new(env!("CARGO_BIN_EXE_lectern"));
        serve.arg("serve").arg("--config").arg(&config);
        let mut portal = Self::started(&mut serve, room);
        (portal.first_administrator, portal.second_administrator) = (first, second);
        (portal, repository)
    }

    fn showing(name: &str, repository: &Path, room: TempDir) -> Self {
        let data = room.path().join("data");
        let mut demo = Command::new(env!("CARGO_BIN_EXE_lectern"));
        demo.arg("demo").args(["--listen", "127.0.0.1:0", "--data"]).arg(&data);
        demo.arg("--product").arg(format!("{name}={}", repository.display()));
        let mut portal = Self::started(&mut demo, room);
        let accounts = fs::read_to_string(data.join("demo-accounts.json")).expect("the accounts are kept");
        let accounts: Value = serde_json::from_str(&accounts).expect("as JSON");
        portal.first_reviewer = person(&accounts, "first.reviewer@one.example");
        portal.second_reviewer = person(&accounts, "second.reviewer@two.example");
        portal.auditor = person(&accounts, "auditor@vendor.example");
        portal.first_administrator = person(&accounts, "first.administrator@vendor.example");
        portal.second_administrator = person(&accounts, "second.administrator@vendor.example");
        portal
    }

    fn started(command: &mut Command, room: TempDir) -> Self {
        let log = room.path().join("log");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a file for the log"))
            .spawn()
            .expect("the program starts");
        let (say, heard) = mpsc::channel();
        let said = BufReader::new(child.stdout.take().expect("its output is piped"));
        // The output is read to its end, so that the program never waits for a reader.
        thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        let mut portal = Self {
            child,
            log,
            address: String::new(),
            first_reviewer: nobody(),
            second_reviewer: nobody(),
            auditor: nobody(),
            first_administrator: nobody(),
            second_administrator: nobody(),
            _room: room,
        };
        portal.address = loop {
            match heard.recv_timeout(START) {
                Ok(line) => {
                    if let Some(address) = line.strip_prefix("lectern: ready ") {
                        break address.to_owned();
                    }
                }
                Err(cause) => panic!("the portal did not say that it is ready: {cause}\n{}", portal.told()),
            }
        };
        portal
    }

    /// A day within the agreements' term, which begins with the portal and lasts a year.
    pub(crate) fn soon(&self) -> String {
        let begun = fs::metadata(&self.log).and_then(|log| log.created().or_else(|_| log.modified())).expect("when it began");
        let day = time::OffsetDateTime::from(begun) + Duration::from_secs(30 * 86_400);
        format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
    }

    /// What it wrote to its log, for whoever looks for the cause of a failure.
    fn told(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        let ended = self.child.try_wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            if let Ok(Some(status)) = ended {
                eprintln!("the portal had ended by itself: {status}");
            }
            let told = self.told();
            let from = told.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
            eprintln!("the end of the portal's log:\n{}", &told[from..]);
        }
    }
}

fn nobody() -> Person {
    Person { email: String::new(), password: String::new() }
}

fn person(accounts: &Value, email: &str) -> Person {
    let account = accounts.as_array().into_iter().flatten().find(|account| account["email"] == email).expect(email);
    Person { email: email.to_owned(), password: account["password"].as_str().expect("a password").to_owned() }
}

const README: &str = "# Lantern\n\nA *small* program that [lights a lamp](boot/start.c), with a [guide](docs/guide.md#first-steps), \
a [page elsewhere](https://lamp.example/manual) its [first part](boot) and a [file that is not there](docs/nowhere.md).\n\n\
| Part | Language | Lines |\n|:-----|:--------:|------:|\n| `boot` | C | 12 |\n| `kernel` | Rust | 420 |\n\n\
- [x] Lights the lamp\n- [ ] Puts it out again\n\n\
```c\nint main(void) { return light(1); }   /* a long line, that does not fit on a narrow screen and has to scroll in its own box */\n```\n\n\
> [!NOTE]\n> The lamp is hot.\n\n> [!WARNING]\n> Do not touch it.\n\n![The lamp](lamp.png) ![The lamp drawn](lamp.svg) ![A lamp that is gone](gone.png)\n\nSaid once[^1].\n\n[^1]: And explained here.\n\n\
## Building\n\n1. Take the sources.\n2. Run `make lamp`.\n";

const START_C: &str = "#include <stdio.h>\n\n/* The first thing that runs. */\nstatic const char *NAME = \"lantern_canary\";\n\n\
int main(int argc, char **argv)\n{\n\tif (argc > 1)\n\t\tprintf(\"%s: lit for %d\\n\", NAME, 42);\n\treturn light(1);\n}\n";

/// Two tagged versions with a file of every kind that is shown in a way of its own.
fn make_repository(at: &Path) {
    let repository = Repository::init(at).expect("a repository");
    let lines: String = (1..=420).fold(String::new(), |text, n| text + &format!("pub fn lamp_{n}() -> u32 {{ {n} }} // wick {n}\n"));
    let long = format!("pub const WICK: &str = \"{}\";\n{lines}", "wick ".repeat(120));
    let counted: String = (1..=12_000).fold(String::new(), |text, n| text + &format!("int long_{n}(void) {{ return {n}; }}\n"));
    let body: String = (1..=80).fold(String::new(), |text, n| text + &format!("\t\tif (oil > {n}) {{\n\t\t\tburn({n});\n\t\t}}\n"));
    let deep = format!("#include <lamp.h>\n\nint wick_burn(int oil)\n{{\n\twhile (oil) {{\n{body}\t\toil--;\n\t}}\n\treturn 0;\n}}\n");
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("docs/values.csv", b"lamp,oil\n\"one, small\",3\ntwo,4\n".to_vec()),
        ("kernel/deep/inner/wick.c", deep.into()),
        ("kernel/deep/other.c", b"int other;\n".to_vec()),
        ("kernel/long.c", counted.into()),
        ("README.md", README.into()),
        ("boot/start.c", START_C.into()),
        ("boot/table.h", b"#pragma once\nint light(int on);\n".to_vec()),
        ("docs/guide.md", b"# Guide\n\n## First steps\n\nRead `boot/start.c` first.\n".to_vec()),
        ("docs/latin.txt", b"caf\xe9 au lait, \xfcber alles gelesen\n".to_vec()),
        ("kernel/lamp.rs", long.into()),
        ("kernel/secret_wick.rs", "// kernel_only_word\npub fn burn() {}\n".into()),
        ("kernel/trojan.rs", "fn check(\u{430}dmin: bool) {\n    // \u{202e}nimda fi \u{2066}return\u{2069} early\u{200b}\n}\n".into()),
        ("kernel/empty.rs", Vec::new()),
        ("kernel/bytes.bin", (0..=255_u8).cycle().take(4096).collect()),
        (
            "lamp.svg",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><circle cx=\"4\" cy=\"4\" r=\"4\"/>\
                <script>document.documentElement.id = 'ran'</script></svg>\n"
                .to_vec(),
        ),
        ("lamp.png", data_encoding::BASE64.decode(PNG.as_bytes()).expect("a picture")),
    ];
    let first = commit(&repository, &files, None, "Light the lamp");
    tag(&repository, "v1.0", first);
    let mut files = files;
    if let Some(table) = files.iter_mut().find(|(path, _)| *path == "boot/table.h") {
        table.1 = b"#pragma once\nint light(int level);\nint dark(void);\n".to_vec();
    }
    files.push(("kernel/later.rs", (1..=90).fold(String::new(), |text, n| text + &format!("pub fn later_{n}() {{}}\n")).into()));
    let second = commit(&repository, &files, Some(first), "Add what came later");
    tag(&repository, "v1.1", second);
}

/// A lamp of 24 by 24 pixels.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAABgAAAAYCAIAAABvFaqvAAAASElEQVR42mO4syONKohh6BgkE++FC5FgEB5TcJnFQKoRuIyjjUEkmYJmFgMl\
piCbNWrQqEHUNYhqKXtQZlpqlkdULiEHsvAHAJ+DAolFiZH4AAAAAElFTkSuQmCC";

fn commit(repository: &Repository, files: &[(&str, Vec<u8>)], parent: Option<Oid>, message: &str) -> Oid {
    let mut index = repository.index().expect("an index");
    for (path, content) in files {
        index.add_frombuffer(&entry(0o100_644, path), content).expect("a file");
    }
    index.add_frombuffer(&entry(0o120_000, "docs/newest"), b"guide.md").expect("a symbolic link");
    let elsewhere = Oid::from_str("1234567890123456789012345678901234567890").expect("a commit of another repository");
    index.add(&IndexEntry { id: elsewhere, ..entry(0o160_000, "vendor/wick") }).expect("a submodule");
    let tree = repository.find_tree(index.write_tree().expect("a tree")).expect("the tree");
    let who = author();
    let parent = parent.map(|parent| repository.find_commit(parent).expect("the parent"));
    let parents: Vec<_> = parent.iter().collect();
    repository.commit(Some("HEAD"), &who, &who, message, &tree, &parents).expect("a commit")
}

fn entry(mode: u32, path: &str) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id: Oid::ZERO_SHA1,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

fn tag(repository: &Repository, name: &str, commit: Oid) {
    let commit = repository.find_object(commit, None).expect("the commit");
    repository.tag(name, &commit, &author(), "As released", false).expect("a tag");
}

fn author() -> Signature<'static> {
    Signature::new("Lamp Lighter", "lighter@lamp.example", &Time::new(1_700_000_000, 0)).expect("a name")
}
