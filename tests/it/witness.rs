//! A portal and its witnesses: real `lectern witness` processes, and some that only pretend to be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use lectern::audit::checkpoint::SignerKey;
use lectern::audit::policy::Policy;
use lectern::audit::witness::{Submission, Witnessing};
use lectern::audit::{Checkpoint, Health, LogKey, VerifierKey, merkle};
use lectern::config::Config;
use lectern::ids::Entropy;

use crate::harness::library::{Library, MAIN};
use crate::harness::process::{Program, lectern, run, said};
use crate::harness::{Backend, Portal, canaries_in, on_both};

on_both! {
    a_quorum_is_served_though_others_are_down_slow_or_lying
    without_witnesses_for_too_long_no_source_is_shown
}

/// A `lectern witness`. It is killed when it is dropped.
struct Running {
    child: Child,
    /// `127.0.0.1:PORT`
    address: String,
    vkey: String,
}

impl Running {
    fn command(data: &Path, log: &str) -> Command {
        let mut command = lectern();
        command.arg("witness").arg("--data").arg(data).args(["--listen", "127.0.0.1:0", "--name"]);
        command.arg(format!("{}.example", data.file_name().unwrap().to_str().unwrap())).args(["--log", log]);
        command
    }

    fn start(data: &Path, log: &str) -> Self {
        // What it refuses it says, and here it refuses much.
        let mut child = Self::command(data, log).env("LECTERN_LOG", "error").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let vkey = lines.next().expect("it ended before it said anything").unwrap();
        let ready = lines.next().expect("it ended before it was ready").unwrap();
        let address = ready.strip_prefix("lectern witness: ready http://").unwrap().to_owned();
        Self { child, address, vkey }
    }

    fn line(&self, name: &str) -> String {
        format!("witness {name} {} http://{}\n", self.vkey, self.address)
    }

    /// SIGKILL: nothing of it runs any more.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it, or lets it go on; its address stays its own meanwhile.
    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn status(&self) -> serde_json::Value {
        let (_, body) = http(&self.address, "GET", "/", "").unwrap();
        serde_json::from_str(&body).unwrap()
    }

    /// The size that it cosigned last of the only log it knows.
    fn size(&self) -> u64 {
        self.status()["cosigned"][0]["size"].as_u64().unwrap_or(0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Head and body of an answer; `None` when none arrived whole.
fn http(address: &str, method: &str, path: &str, body: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(120))).ok()?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n").filter(|_| answer.starts_with("HTTP/1.1 "))?;
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned))?;
    (length.parse() == Ok(body.len())).then(|| (head.to_owned(), body.to_owned()))
}

/// The key of a portal that is not there yet.
fn log_key(config: &Config) -> VerifierKey {
    LogKey::open_or_create(&config.keys(), &config.log.origin, &Entropy::system().unwrap()).unwrap().public().clone()
}

/// Somebody who takes connections and does this with each. It ends with the process.
fn pretend(answer: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn pretended_key(seed: u8) -> SignerKey {
    SignerKey::witness(&format!("pretender{seed}.example"), &[seed; 32]).unwrap()
}

/// Waits until the witnesses are as they should be; how long that takes is not what is tested.
async fn until(portal: &Portal, what: &str, holds: impl Fn(&Witnessing) -> bool) -> Witnessing {
    for _ in 0..2_400 {
        let now = portal.rooms.log.witnessing().await.unwrap().unwrap();
        if holds(&now) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come about: {:?}", portal.rooms.log.witnessing().await);
}

async fn a_quorum_is_served_though_others_are_down_slow_or_lying(backend: Backend) {
    let home = tempfile::tempdir().unwrap();
    let mut running = Vec::new();
    let mut policy = String::new();
    let portal = Portal::with(backend, |config| {
        let log = log_key(config).to_string();
        running.extend(["agency", "ministry"].map(|name| Running::start(&home.path().join(name), &log)));
        policy = format!("log {log}\n{}{}", running[0].line("agency"), running[1].line("ministry"));
        let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let slow = pretend(|stream| {
            // Until the other side gives up.
            let _ = (&stream).take(1 << 20).read_to_end(&mut Vec::new());
        });
        let endless = pretend(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        let elsewhere = format!("HTTP/1.1 307 x\r\nLocation: http://{}/add-checkpoint\r\nContent-Length: 0\r\n\r\n", running[0].address);
        let sends_on = pretend(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(elsewhere.as_bytes());
        });
        // A cosignature over something else, by the right key.
        let line = pretended_key(5).sign("something else\n", 5).to_string();
        let line = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len());
        let liar = pretend(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(line.as_bytes());
        });
        for (seed, name, address) in
            [(1, "down", down), (2, "slow", slow), (3, "endless", endless), (4, "sends-on", sends_on), (5, "liar", liar)]
        {
            policy.push_str(&format!("witness {name} {} http://{address}\n", pretended_key(seed).public()));
        }
        policy.push_str("group enough 2 agency ministry down slow endless sends-on liar\nquorum enough\n");
        let file = home.path().join("policy");
        std::fs::write(&file, &policy).unwrap();
        config.log.policy = Some(file);
    })
    .await;
    portal.rooms.log.meet_witnesses().await.unwrap();
    portal.bring("gateway").await;
    let person = portal.reviewer(&[crate::harness::Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    let page = reader.get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200).json();
    let size = portal.rooms.log.size().await.unwrap();
    until(&portal, "a witnessed end", |w| w.size == size).await;
    let now = until(&portal, "a word about each", |w| w.witnesses.iter().all(|w| w.standing.as_str() != "unasked")).await;

    let policy: Policy = policy.parse().unwrap();
    let note = reader.get("/transparency/checkpoint").await.is(200).text();
    let opened = policy.open(&note).unwrap();
    assert!(opened.quorum && opened.checkpoint.size == size, "{note}");
    assert_eq!(opened.by.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["agency", "ministry"]);
    // Another implementation, which knows the log's signature only.
    let theirs = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    let key = signed_note::StandardVerifier::new(&portal.rooms.log.public_key().to_string()).unwrap();
    let (by_log, by_others) = theirs.verify(&signed_note::VerifierList::new(vec![Box::new(key)])).unwrap();
    assert_eq!((by_log.len(), by_others.len()), (1, 2));
    // A receipt is cosigned, too.
    let receipt = reader.get(&format!("/transparency/receipt/{}", page["receipt"]["index"])).await.is(200).text();
    let proof: lectern::audit::Proof = receipt.parse().unwrap();
    assert!(policy.open(&proof.checkpoint).unwrap().quorum);
    proof.verify(&proof.leaf().unwrap(), portal.rooms.log.public_key()).unwrap();

    let states: Vec<(&str, &str)> = now.witnesses.iter().map(|w| (w.name.as_str(), w.standing.as_str())).collect();
    let expected = ["cosigning", "cosigning", "failing", "failing", "failing", "failing", "lying"];
    assert_eq!(states.iter().map(|(_, state)| *state).collect::<Vec<_>>(), expected, "{now:?}");
    assert!(now.witnesses[5].standing.why().unwrap().contains("answered 307"), "{now:?}");
    assert_eq!(portal.rooms.log.health(), Health::Open);
    let figures = portal.stranger().get("/metrics").await.is(200).text();
    for line in [
        &format!("lectern_log_witnessed_size {size}"),
        "lectern_log_witnessed 1",
        &format!("lectern_witness_cosigned_size{{witness=\"ministry\"}} {size}"),
        "lectern_witness_state{witness=\"liar\",state=\"lying\"} 1",
        "lectern_witness_state{witness=\"liar\",state=\"cosigning\"} 0",
    ] {
        assert!(figures.contains(&format!("\n{line}\n")), "{line}: {figures}");
    }
    // What each witness shows is what the log shows.
    let hash = lectern::audit::witness::hash_of(portal.rooms.log.public_key().name());
    for witness in &running {
        let (_, shown) = http(&witness.address, "GET", &format!("/{hash}/checkpoint"), "").unwrap();
        let shown = policy.open(&shown).unwrap();
        assert_eq!((shown.checkpoint, shown.by.len()), (opened.checkpoint.clone(), 1));
    }
}

async fn without_witnesses_for_too_long_no_source_is_shown(backend: Backend) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("agency");
    let mut witness = None;
    let portal = Portal::with(backend, |config| {
        let started = Running::start(&data, &log_key(config).to_string());
        let file = home.path().join("policy");
        std::fs::write(&file, format!("{}quorum agency\n", started.line("agency"))).unwrap();
        config.log.policy = Some(file);
        witness = Some(started);
    })
    .await;
    let witness = witness.unwrap();
    portal.rooms.log.meet_witnesses().await.unwrap();
    portal.bring("gateway").await;
    let person = portal.reviewer(&[crate::harness::Grant::of("gateway")]).await;
    let reader = portal.sign_in(&person).await;
    let auditor = portal.sign_in(&portal.auditor).await;
    let size = portal.rooms.log.size().await.unwrap();
    until(&portal, "a witnessed end", |w| w.size >= size).await;
    let file = format!("/p/gateway/v2.0/file/{MAIN}");
    reader.get(&file).await.is(200);
    until(&portal, "a witnessed end", |w| w.entries == 0).await;

    witness.signal("-STOP");
    reader.get(&file).await.is(200);
    portal.clock.advance(Duration::from_secs(60));
    // As long as is allowed.
    reader.get(&file).await.is(200);
    portal.clock.advance(Duration::from_secs(1));
    let size = portal.rooms.log.size().await.unwrap();
    for page in [file.as_str(), "/p/gateway/v2.0/tree/", "/search?q=strcpy", "/search/export?format=csv&q=strcpy"] {
        let html = reader.get(page).await.is(503);
        assert!(html.text().contains("The record has not been witnessed, so no source is shown."), "{page}: {}", html.text());
        let json = reader.get_json(page).await.is(503);
        assert_eq!(json.json()["error"]["code"], "unwitnessed", "{page}");
        assert!(canaries_in(&html.body).is_empty() && canaries_in(&json.body).is_empty(), "{page}");
    }
    assert_eq!(portal.rooms.log.size().await.unwrap(), size, "what is refused so is not recorded as shown");
    // What one may not read is still not there.
    reader.get("/p/gateway/v2.0/file/never/there.c").await.is(404);
    // Everything else goes on, and is recorded.
    auditor.get("/audit").await.is(200);
    let mut stranger = portal.stranger();
    stranger.sign_in(&person).await.is(303);
    stranger.get("/").await.is(200);
    stranger.get("/transparency/checkpoint").await.is(200);
    let ready = stranger.get("/readyz").await.is(503).text();
    assert!(ready.contains("no quorum of witnesses has cosigned the last ") && ready.contains("the first 61 seconds old"), "{ready}");
    let figures = stranger.get("/metrics").await.is(200).text();
    assert!(figures.contains("\nlectern_log_open 1\n") && figures.contains("\nlectern_log_witnessed 0\n"), "{figures}");
    assert!(figures.contains("\nlectern_log_witness_lag_seconds 61\n"), "{figures}");

    witness.signal("-CONT");
    until(&portal, "a witnessed end", |w| w.entries == 0).await;
    reader.get(&file).await.is(200);
    stranger.get("/readyz").await.is(200);
}

/// A demonstration that was set up, to be served with a configuration of its own.
struct Installed {
    home: tempfile::TempDir,
    data: PathBuf,
    log: String,
}

impl Installed {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let library = Library::write(&home.path().join("upstream"));
        let data = home.path().join("data");
        let mut program = Program::demo(&data, &[("gateway", &library.source("gateway"))], &[]);
        // Somebody reads, so that there is something to take back.
        read(&program, &data);
        program.kill();
        let log = std::fs::read_to_string(data.join("keys/log.vkey")).unwrap().trim().to_owned();
        Self { home, data, log }
    }

    fn configure(&self, policy: &str) -> PathBuf {
        let file = self.home.path().join("lectern.toml");
        std::fs::write(self.home.path().join("policy"), policy).unwrap();
        std::fs::write(&file, "data = \"data\"\nlisten = \"127.0.0.1:0\"\n[log]\npolicy = \"policy\"\n").unwrap();
        file
    }

    fn serve(&self, configuration: &Path) -> Command {
        let mut command = lectern();
        command.arg("serve").arg("--config").arg(configuration).current_dir(&self.home);
        command
    }
}

fn read(program: &Program, data: &Path) {
    let page = program.sign_in(data, 0).get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).unwrap();
    assert_eq!(page.status, 200, "{}", page.text());
}

/// Runs what should end by itself, and ends it when it says that it serves.
fn refused(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = out.any(|line| line.unwrap().contains("ready http://"));
    if ready {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(!ready, "it was not refused: {}", said(&output));
    output
}

#[test]
fn a_portal_that_was_put_back_to_an_older_copy_is_refused_because_of_its_witness() {
    let installed = Installed::new();
    let witness = Running::start(&installed.home.path().join("agency"), &installed.log);
    let configuration = installed.configure(&format!("{}quorum agency\n", witness.line("agency")));
    let mut program = Program::start(installed.serve(&configuration));
    let copied = witness.size();
    assert!(copied > 0, "the witness is met before the portal serves");
    program.kill();

    // A copy of all there is but the keys: with its checkpoint, and with what was witnessed then.
    let files = ["lectern.db", "lectern.db-wal", "lectern.db-shm", "checkpoint", "witnessed"];
    let copy = installed.home.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in files {
        let _ = std::fs::copy(installed.data.join(file), copy.join(file));
    }
    let mut program = Program::start(installed.serve(&configuration));
    read(&program, &installed.data);
    // Until what the witness cosigned is kept, too.
    let key: VerifierKey = installed.log.parse().unwrap();
    let kept = || {
        let note = std::fs::read_to_string(installed.data.join("witnessed")).unwrap_or_default();
        Checkpoint::open(&note, &key).map_or(0, |checkpoint| checkpoint.size)
    };
    for _ in 0..2_400 {
        if kept() > copied + 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(kept() > copied + 1 && witness.size() >= kept());
    program.kill();
    let newest = std::fs::read(installed.data.join("witnessed")).unwrap();

    let put_back = |from: &Path| {
        for file in files {
            let _ = std::fs::remove_file(installed.data.join(file));
            let _ = std::fs::copy(from.join(file), installed.data.join(file));
        }
    };
    let now = installed.home.path().join("now");
    std::fs::create_dir(&now).unwrap();
    for file in files {
        let _ = std::fs::copy(installed.data.join(file), now.join(file));
    }
    put_back(&copy);
    let output = refused(&mut installed.serve(&configuration));
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the witness \"agency\" shows a checkpoint over ") && text.contains("with this log's own signature"), "{text}");
    assert!(text.contains("Stop every portal on this log"), "{text}");

    // Without asking anybody, when what was witnessed last is there.
    std::fs::write(installed.data.join("witnessed"), &newest).unwrap();
    let output = refused(&mut installed.serve(&configuration));
    assert!(said(&output).contains("were cosigned by its witnesses"), "{}", said(&output));

    // As it was, it goes on.
    put_back(&now);
    let program = Program::start(installed.serve(&configuration));
    read(&program, &installed.data);
    drop(program);
    // So that a doctor says, who asks as a portal does; and that all is not well without one.
    let doctor = || run(&["doctor", "--config", &configuration.display().to_string()]);
    let looked = doctor();
    assert_eq!(looked.status.code(), Some(0), "{}", said(&looked));
    assert!(said(&looked).contains("\nwitness agency: cosigning\n"), "{}", said(&looked));
    drop(witness);
    let looked = doctor();
    assert_eq!(looked.status.code(), Some(1), "{}", said(&looked));
    assert!(said(&looked).contains("\nwitness agency: failing: "), "{}", said(&looked));
    // A policy that is none is a matter of configuration.
    let output = refused(&mut installed.serve(&installed.configure("quorum nobody\n")));
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("`log.policy`") && text.contains("line 1: \"nobody\" is no witness or group"), "{text}");
}

#[test]
fn the_command_says_who_it_is_for_and_ends_when_it_is_told() {
    let help = run(&["witness", "--help"]);
    let text = said(&help).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("on a machine of the agency's") && text.contains("It proves nothing when the vendor runs it"), "{text}");
    assert_eq!(run(&["witness", "--data", "x"]).status.code(), Some(2), "a log must be named");
    let home = tempfile::tempdir().unwrap();
    let policy = home.path().join("policy").display().to_string();
    for (text, problem) in [(None, "which cannot be read: "), (Some("quorum nobody\n"), "line 1: \"nobody\" is no witness or group")] {
        if let Some(text) = text {
            std::fs::write(&policy, text).unwrap();
        }
        let refused = run(&["witness", "--data", "x", "--policy", &policy]);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains("--policy names ") && said(&refused).contains(problem), "{}", said(&refused));
    }
    let data = home.path().join("agency");
    let log = SignerKey::new("portal.example/audit", &[1; 32]).unwrap();
    let mut witness = Running::start(&data, &log.public().to_string());
    let status = witness.status();
    assert_eq!((&status["name"], &status["vkey"]), (&"agency.example".into(), &witness.vkey.as_str().into()));
    assert_eq!(status["cosigned"], serde_json::json!([]));
    assert_eq!(std::fs::read_to_string(data.join("witness.vkey")).unwrap().trim(), witness.vkey);

    let second = refused(&mut Running::command(&data, &log.public().to_string()));
    assert!(second.status.code() == Some(1) && said(&second).contains("another witness is running on"), "{}", said(&second));

    let post = |body: &str| http(&witness.address, "POST", "/add-checkpoint", body).unwrap();
    let checkpoint = Checkpoint { origin: "portal.example/audit".into(), size: 1, root: merkle::leaf(b"x") };
    let submission = Submission { old: 0, proof: Vec::new(), note: checkpoint.sign(&log).to_string() }.to_string();
    let (head, body) = post(&submission);
    assert!(head.starts_with("HTTP/1.1 200 ") && body.starts_with("\u{2014} agency.example "), "{head}");
    let (head, body) = post(&submission);
    assert!(head.starts_with("HTTP/1.1 409 ") && head.contains("content-type: text/x.tlog.size\r\n") && body == "1\n", "{head}\n{body}");
    for (body, status) in [
        ("x".to_owned(), 400),
        (submission.replace("portal.example", "another.example"), 404),
        (submission.replace("\n1\n", "\n2\n"), 403),
        (submission.replace("old 0", "old 2"), 400),
        ("x".repeat(100_000), 413),
    ] {
        let (head, _) = post(&body);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
    let (head, _) = http(&witness.address, "GET", "/0123/checkpoint", "").unwrap();
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(witness.size(), 1);

    witness.signal("-TERM");
    assert!(witness.child.wait().unwrap().success());

    // What was damaged meanwhile is not taken for a beginning.
    std::fs::write(data.join("cosigned.json"), "{").unwrap();
    let damaged = refused(&mut Running::command(&data, &log.public().to_string()));
    assert!(damaged.status.code() == Some(1) && said(&damaged).contains("this witness must not go on"), "{}", said(&damaged));
}

/// What the log of somebody who cheats may look like: each leaf is a byte.
type Leaves = Vec<u8>;

fn submission(log: &SignerKey, old: u64, leaves: &Leaves) -> String {
    let hash = |from: u64, to: u64| {
        let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        merkle::root_of(&leaves[range].iter().map(|leaf| merkle::leaf(&[*leaf])).collect::<Vec<_>>())
    };
    let size = leaves.len() as u64;
    let spans = merkle::consistency_spans(old.min(size), size).unwrap();
    let proof = spans.iter().map(|span| hash(span.from, span.to)).collect();
    let checkpoint = Checkpoint { origin: "portal.example/audit".into(), size, root: hash(0, size) };
    Submission { old, proof, note: checkpoint.sign(log).to_string() }.to_string()
}

/// What was cosigned as far as answers arrived, and what was submitted without one.
#[derive(Default)]
struct Ledger {
    cosigned: Vec<Leaves>,
    lost: Vec<Leaves>,
    over: bool,
}

impl Ledger {
    /// What the witness may have cosigned at this size.
    fn of_size(&self, size: usize, pick: u8) -> Option<Leaves> {
        let cosigned = self.cosigned.iter().find(|leaves| leaves.len() == size);
        let lost: Vec<&Leaves> = self.lost.iter().filter(|leaves| leaves.len() == size).collect();
        cosigned.or_else(|| lost.get(usize::from(pick) % lost.len().max(1)).copied()).cloned()
    }
}

#[test]
fn a_witness_that_is_killed_again_and_again_never_cosigns_what_is_not_consistent() {
    const KILLS: usize = 50;
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("agency");
    let log = SignerKey::new("portal.example/audit", &[1; 32]).unwrap();
    let vkey = log.public().to_string();
    let mut witness = Running::start(&data, &vkey);
    // Another each time: what was given back may be anybody's.
    let address = Mutex::new(witness.address.clone());
    let ledger: Mutex<Ledger> = Mutex::default();

    std::thread::scope(|scope| {
        for colour in 1..=4_u8 {
            let (ledger, log, address) = (&ledger, &log, &address);
            scope.spawn(move || cheat(colour, log, address, ledger));
        }
        for _ in 0..KILLS {
            // Somewhere in the midst of what they do: right behind an answer, or while another is being made.
            let before = ledger.lock().unwrap().cosigned.len();
            loop {
                let now = ledger.lock().unwrap().cosigned.len();
                if now > before {
                    break;
                }
                assert!(!ledger.lock().unwrap().over, "one who submits has given up");
                std::thread::sleep(Duration::from_millis(1));
            }
            witness.kill();
            witness = Running::start(&data, &vkey);
            address.lock().unwrap().clone_from(&witness.address);
        }
        ledger.lock().unwrap().over = true;
    });
    let mut ledger = ledger.into_inner().unwrap();
    assert!(ledger.cosigned.len() >= KILLS);
    // What it remembers is the longest, and each that it cosigned is the beginning of each longer one.
    let size = usize::try_from(witness.size()).unwrap();
    assert!(ledger.cosigned.iter().all(|leaves| leaves.len() <= size));
    ledger.cosigned.sort_by_key(Vec::len);
    for pair in ledger.cosigned.windows(2) {
        assert!(pair[1].starts_with(&pair[0]), "{pair:?}");
    }
    println!("{} cosignatures, {} lost answers, {KILLS} kills", ledger.cosigned.len(), ledger.lost.len());
}

/// Extends what was cosigned by leaves of its own, as others do at the same time, and tries to change what was.
fn cheat(colour: u8, log: &SignerKey, address: &Mutex<String>, ledger: &Mutex<Ledger>) {
    let entropy = Entropy::seeded(colour.into());
    let mut known: Leaves = Leaves::new();
    loop {
        let [deed, place, count, pick] = entropy.bytes();
        let mut leaves = known.clone();
        leaves.extend(std::iter::repeat_n(colour, 1 + usize::from(count % 3)));
        if deed < 80 && !known.is_empty() {
            // A leaf that was cosigned is another now.
            let place = usize::from(place) % known.len();
            leaves[place] ^= 0x80;
        }
        if ledger.lock().unwrap().over {
            return;
        }
        let address = address.lock().unwrap().clone();
        let answer = http(&address, "POST", "/add-checkpoint", &submission(log, known.len() as u64, &leaves));
        let mut ledger = ledger.lock().unwrap();
        let Some((head, body)) = answer else {
            // It was killed, and may have cosigned this before.
            ledger.lost.push(leaves);
            drop(ledger);
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let size = match head.split(' ').nth(1).unwrap() {
            "200" => {
                ledger.cosigned.push(leaves.clone());
                leaves.len()
            }
            "409" => body.trim().parse().unwrap(),
            "422" => known.len(),
            other => panic!("{other}: {body}"),
        };
        if let Some(leaves) = ledger.of_size(size, pick) {
            known = leaves;
        }
    }
}
