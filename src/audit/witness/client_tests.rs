//! A log and its witnesses, without a network: what they answer is made up here, or is a real [`Witness`]'s.

use std::fs;
use std::sync::Mutex;

use tempfile::TempDir;

use super::*;
use crate::audit::checkpoint::SignerKey;
use crate::audit::policy::Policy;
use crate::audit::tests::{Bench, ORIGIN, context, fill, opened};
use crate::audit::{AuditError, Draft, Health, Log, LogKey, LogUnavailable, Proof, Recordable, Settings};
use std::sync::Arc;
use std::time::Duration;

/// What a witness does when it is asked.
#[derive(Clone, Debug)]
enum Mode {
    Honest,
    Down,
    /// Cosigns another size of the same log.
    CosignsElse,
    /// Cosigns in its own name with another key.
    OtherKey,
    /// Cosigns as of this time.
    At(u64),
    Says(u16, String),
    /// Answers like that, and shows nothing.
    Hides(u16, String),
}

struct One {
    witness: Witness,
    mode: Mutex<Mode>,
    home: TempDir,
}

/// Witnesses that can be asked without a network.
struct Town {
    all: Vec<One>,
}

impl std::fmt::Debug for Town {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Town")
    }
}

impl Town {
    fn of(count: usize, log: &VerifierKey) -> Arc<Self> {
        let all = (0..count).map(|at| {
            let home = TempDir::new().unwrap();
            let (clock, entropy) = (Arc::new(crate::clock::SystemClock), Entropy::seeded(at as u64));
            let witness = Witness::open(home.path(), Some(&format!("w{at}.example")), vec![log.clone()], clock, &entropy).unwrap();
            One { witness, mode: Mutex::new(Mode::Honest), home }
        });
        Arc::new(Self { all: all.collect() })
    }

    fn set(&self, at: usize, mode: Mode) {
        *self.all[at].mode.lock().unwrap() = mode;
    }

    fn one(&self, url: &str) -> (&One, Mode) {
        let one = &self.all[url.strip_prefix("http://w").unwrap().parse::<usize>().unwrap()];
        (one, one.mode.lock().unwrap().clone())
    }

    /// `least` of them all are a quorum.
    fn policy(&self, least: usize) -> Policy {
        let lines = self.all.iter().enumerate().map(|(at, one)| format!("witness w{at} {} http://w{at}\n", one.witness.public_key()));
        let names: Vec<String> = (0..self.all.len()).map(|at| format!("w{at}")).collect();
        format!("{}group all-of-them {least} {}\nquorum all-of-them\n", lines.collect::<String>(), names.join(" ")).parse().unwrap()
    }
}

impl Transport for Town {
    fn add_checkpoint(&self, url: &str, body: String) -> Result<Reply, String> {
        let (one, mode) = self.one(url);
        let submission: Submission = body.parse().unwrap();
        let note: Note = submission.note.parse().unwrap();
        let reply = |status, body: &str| Ok(Reply { status, body: body.to_owned() });
        match mode {
            Mode::Down => Err("nobody is there".to_owned()),
            Mode::CosignsElse => {
                let mut elsewhere = Checkpoint::parse(note.text()).unwrap();
                elsewhere.size += 1;
                let name = one.witness.public_key().name();
                let line = SignerKey::witness(name, &[9; 32]).unwrap().sign(&elsewhere.text(), 5).to_string();
                // Under its own key's id, so that it is taken for its signature.
                let line = line.split(' ').nth(2).unwrap().trim().to_owned();
                let mut bytes = data_encoding::BASE64.decode(line.as_bytes()).unwrap();
                bytes[..4].copy_from_slice(&one.witness.public_key().id());
                reply(200, &format!("\u{2014} {name} {}\n", data_encoding::BASE64.encode(&bytes)))
            }
            Mode::OtherKey => {
                let key = SignerKey::witness(one.witness.public_key().name(), &[9; 32]).unwrap();
                reply(200, &key.sign(note.text(), 5).to_string())
            }
            Mode::At(time) => {
                let secret = fs::read_to_string(one.home.path().join("witness.key")).unwrap();
                reply(200, &SignerKey::from_secret_text(&secret).unwrap().sign(note.text(), time).to_string())
            }
            Mode::Says(status, text) | Mode::Hides(status, text) => reply(status, &text),
            Mode::Honest => match one.witness.add_checkpoint(body.as_bytes()) {
                Answer::Cosigned(lines) => reply(200, &lines),
                Answer::Conflict(size) => reply(409, &format!("{size}\n")),
                Answer::Inconsistent(why) => reply(422, &why),
                other => reply(500, &format!("{other:?}")),
            },
        }
    }

    fn latest(&self, url: &str, origin: &str) -> Result<Option<String>, String> {
        let (one, mode) = self.one(url);
        match mode {
            Mode::Hides(..) | Mode::Down => Ok(None),
            _ => Ok(one.witness.latest(&hash_of(origin)).map(|s| s.note)),
        }
    }
}

#[derive(Debug)]
struct Reading;

impl Recordable for Reading {
    fn drafts(&self) -> Vec<Draft> {
        vec![opened(1)]
    }
}

fn key(bench: &Bench) -> LogKey {
    LogKey::open_or_create(&bench.dir.path().join("keys"), ORIGIN, &Entropy::system().unwrap()).unwrap()
}

fn settings(bench: &Bench, town: &Arc<Town>, policy: Policy) -> Settings {
    let mut settings = Settings::new(bench.checkpoint_file());
    settings.deadline = Duration::from_secs(60);
    let mut witnesses = Witnesses::new(policy, Duration::from_secs(60), 1_000);
    witnesses.transport = Arc::clone(town) as Arc<dyn Transport>;
    settings.witnesses = Some(witnesses);
    settings
}

async fn try_open(bench: &Bench, town: &Arc<Town>, policy: Policy) -> Result<Log, AuditError> {
    let settings = settings(bench, town, policy);
    Log::open(bench.database().await, key(bench), bench.clock.clone(), Entropy::system().unwrap(), settings).await
}

async fn open(bench: &Bench, town: &Arc<Town>, least: usize) -> Log {
    let log = try_open(bench, town, town.policy(least)).await.unwrap();
    log.meet_witnesses().await.unwrap();
    log
}

/// Waits until the log's witnesses are as they should be; how long that takes is not what is tested.
async fn until(log: &Log, what: &str, holds: impl Fn(&Witnessing) -> bool) -> Witnessing {
    for _ in 0..3_000 {
        let now = log.witnessing().await.unwrap().unwrap();
        if holds(&now) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not come about: {:?}", log.witnessing().await);
}

fn standing(now: &Witnessing, at: usize) -> &'static str {
    now.witnesses[at].standing.as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_checkpoint_with_a_quorum_is_served_and_kept() {
    let bench = Bench::sqlite();
    let town = Town::of(3, key(&bench).public());
    town.set(2, Mode::Down);
    let log = open(&bench, &town, 2).await;
    let policy = town.policy(2);
    let cosigned = |note: &str| policy.open_for(note, std::slice::from_ref(log.public_key())).unwrap();
    let first = cosigned(&log.checkpoint().await.unwrap());
    assert!(first.quorum && first.checkpoint.size == 1, "{first:?}");
    assert_eq!(first.by.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["w0", "w1"]);

    fill(&log, 30).await;
    let size = log.size().await.unwrap();
    let now = until(&log, "a witnessed end", |w| w.size == size && w.entries == 0).await;
    assert_eq!((now.lag, standing(&now, 0), standing(&now, 2)), (Duration::ZERO, "cosigning", "failing"));
    let note = log.checkpoint().await.unwrap();
    assert_eq!(fs::read_to_string(bench.dir.path().join("witnessed")).unwrap(), note);

    // The third comes late, and is added.
    town.set(2, Mode::Honest);
    until(&log, "the third", |w| standing(w, 2) == "cosigning" && w.witnesses[2].size == size).await;
    let mut note = log.checkpoint().await.unwrap();
    for _ in 0..3_000 {
        if cosigned(&note).by.len() == 3 {
            break;
        }
        // It is being written down.
        tokio::time::sleep(Duration::from_millis(20)).await;
        note = log.checkpoint().await.unwrap();
    }
    assert_eq!(cosigned(&note).by.len(), 3, "{note}");
    assert_eq!(fs::read_to_string(bench.dir.path().join("witnessed")).unwrap(), note);

    // What is witnessed proves itself so; what is not yet rests on the log's signature.
    for at in 0..3 {
        town.set(at, Mode::Down);
    }
    let newest = log.append(opened(7), &context()).await.unwrap();
    for (index, witnesses) in [(3, 3), (newest.index, 0)] {
        let proof: Proof = log.receipt_file(index).await.unwrap().unwrap().parse().unwrap();
        let leaf = log.entry(index).await.unwrap().unwrap().leaf;
        proof.verify(&leaf, log.public_key()).unwrap();
        assert_eq!(cosigned(&proof.checkpoint).by.len(), witnesses, "{index}");
    }
    assert_eq!(log.checkpoint().await.unwrap(), note);
    assert!(log.newest_checkpoint().await.unwrap().contains(&format!("\n{}\n", newest.index + 1)));

    // After the next start as before it.
    log.close().await;
    let log = try_open(&bench, &town, town.policy(2)).await.unwrap();
    assert_eq!(log.checkpoint().await.unwrap(), note);
    log.meet_witnesses().await.unwrap();
    assert_eq!(log.checkpoint().await.unwrap(), note);
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_that_lie_are_named_and_do_not_count() {
    let liars = [
        (Mode::CosignsElse, "lying", "no cosignature of its own (the signature by w3.example does not fit the text)"),
        (Mode::OtherKey, "lying", "no cosignature of its own (no known key"),
        (Mode::At(0), "lying", "a cosignature without a time"),
        (Mode::At(1 << 63), "lying", "a cosignature without a time"),
        (Mode::Says(200, String::new()), "lying", "no signatures"),
        (Mode::Says(200, "thank you\n".into()), "lying", "no signatures"),
        (Mode::Says(200, "x\n\n\u{2014} w AAAAAAA=\n".into()), "lying", "another text"),
        (Mode::Says(409, "no".into()), "lying", "names no size that it cosigned: \"no\""),
        (Mode::Says(409, "01\n".into()), "lying", "names no size"),
        (Mode::Says(409, "0\n".into()), "lying", "says that it cosigned 0 entries last, and refuses what extends them"),
        (Mode::Says(404, "who?\u{1b}[2J".into()), "failing", "answered 404: \"who?\\u{1b}[2J\""),
        (Mode::Says(302, String::new()), "failing", "answered 302"),
        // Claims that it cannot show, though it shows what it cosigned.
        (Mode::Says(409, "18446744073709551615\n".into()), "contradicting", "says that it cosigned 18446744073709551615 entries"),
        (Mode::Hides(409, "1000000\n".into()), "contradicting", "and this log has"),
        (Mode::Says(422, String::new()), "contradicting", "does not extend"),
        (Mode::Hides(422, String::new()), "contradicting", "does not extend"),
    ];
    let bench = Bench::sqlite();
    let town = Town::of(3 + liars.len(), key(&bench).public());
    // Three honest ones are as many as are asked for.
    let log = open(&bench, &town, 3).await;
    until(&log, "all of them", |w| (0..town.all.len()).all(|at| standing(w, at) == "cosigning")).await;
    for ((mode, ..), at) in liars.iter().zip(3..) {
        town.set(at, mode.clone());
    }
    log.append(opened(1), &context()).await.unwrap();
    until(&log, "each lie", |w| (3..town.all.len()).all(|at| w.witnesses[at].standing.why().is_some())).await;
    let now = until(&log, "a witnessed end", |w| w.entries == 0).await;
    for ((mode, state, says), at) in liars.iter().zip(3..) {
        let (is, why) = (standing(&now, at), now.witnesses[at].standing.why().unwrap_or_default());
        assert!(is == *state && why.contains(says), "{mode:?}: {is}: {why}");
    }
    assert_eq!(log.health(), Health::Open);
    let served = town.policy(3).open_for(&log.checkpoint().await.unwrap(), std::slice::from_ref(log.public_key())).unwrap();
    assert!(served.quorum && served.by.len() == 3, "{served:?}");

    // They may think better of it.
    for at in 3..town.all.len() {
        town.set(at, Mode::Honest);
    }
    until(&log, "all of them", |w| (0..town.all.len()).all(|at| standing(w, at) == "cosigning")).await;
    let _ = log.record(Reading, &context()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_alone_break_the_log_only_when_there_is_no_quorum_without_them() {
    let bench = Bench::sqlite();
    let town = Town::of(3, key(&bench).public());
    let log = open(&bench, &town, 2).await;
    town.set(0, Mode::Hides(409, "500\n".into()));
    log.append(opened(1), &context()).await.unwrap();
    until(&log, "the first claim", |w| standing(w, 0) == "contradicting" && w.entries == 0).await;
    assert_eq!(log.health(), Health::Open);
    // It was never taken back, even though it answers no more.
    town.set(0, Mode::Down);
    until(&log, "silence", |w| standing(w, 0) == "failing").await;
    town.set(1, Mode::Hides(422, String::new()));
    log.append(opened(2), &context()).await.unwrap();
    until(&log, "the second claim", |w| standing(w, 1) == "contradicting").await;
    let Health::Broken { why, .. } = log.health() else { panic!("{:?}", log.health()) };
    assert!(
        why.contains("no quorum is possible any more") && why.contains("\"w0\" says that it cosigned 500") && why.contains("\"w1\""),
        "{why}"
    );
    assert!(matches!(log.append(opened(3), &context()).await, Err(LogUnavailable::Suspended(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_witness_that_shows_our_own_signature_is_a_proof() {
    // The same key over two databases: what a restored copy, or a fork, looks like from outside.
    for (theirs, ours, says) in [(20, 10, "this log has 11"), (10, 20, "this log began otherwise"), (15, 15, "this log began otherwise")] {
        let bench = Bench::sqlite();
        let town = Town::of(3, key(&bench).public());
        town.set(1, Mode::Down);
        town.set(2, Mode::Down);
        let log = open(&bench, &town, 1).await;
        fill(&log, theirs).await;
        until(&log, "a witnessed end", |w| w.entries == 0).await;
        log.close().await;

        for file in ["lectern.db", "lectern.db-wal", "lectern.db-shm", "checkpoint", "witnessed"] {
            let _ = fs::remove_file(bench.dir.path().join(file));
        }
        town.set(1, Mode::Honest);
        town.set(2, Mode::Honest);
        // Two that know nothing yet would be a quorum.
        let log = try_open(&bench, &town, town.policy(2)).await.unwrap();
        fill(&log, ours).await;
        let mut refused = log.meet_witnesses().await;
        if refused.is_ok() {
            // Those two were faster; the third is heard nevertheless.
            until(&log, "the proof", |w| standing(w, 0) == "contradicting").await;
            refused = log.meet_witnesses().await;
        }
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("the witness \"w0\" shows a checkpoint") && error.contains(says), "{error}");
        assert!(error.contains("Stop every portal on this log"), "{error}");
        assert!(matches!(log.health(), Health::Broken { .. }));
        assert!(matches!(log.record(Reading, &context()).await, Err(LogUnavailable::Suspended(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_witnesses_for_too_long_nothing_is_recorded_for_readers() {
    let bench = Bench::sqlite();
    let town = Town::of(1, key(&bench).public());
    let log = open(&bench, &town, 1).await;
    let _ = log.record(Reading, &context()).await.unwrap();
    until(&log, "a witnessed end", |w| w.entries == 0).await;
    town.set(0, Mode::Down);

    // A quiet log does not grow old.
    bench.clock.advance(Duration::from_secs(3_600));
    let _ = log.record(Reading, &context()).await.unwrap();
    bench.clock.advance(Duration::from_secs(60));
    let _ = log.record(Reading, &context()).await.unwrap();
    bench.clock.advance(Duration::from_secs(1));
    let refused = log.record(Reading, &context()).await.unwrap_err();
    assert_eq!(refused, LogUnavailable::Unwitnessed { entries: 2, seconds: 61 });
    // Everything else goes on.
    log.append(opened(1), &context()).await.unwrap();
    assert_eq!(log.health(), Health::Open);
    assert!(log.witnessing().await.unwrap().unwrap().exceeded);
    town.set(0, Mode::Honest);
    until(&log, "a witnessed end", |w| w.entries == 0 && !w.exceeded).await;
    let _ = log.record(Reading, &context()).await.unwrap();

    // The same by number.
    until(&log, "a witnessed end", |w| w.entries == 0).await;
    town.set(0, Mode::Down);
    fill(&log, 1_000).await;
    let _ = log.record(Reading, &context()).await.unwrap();
    assert_eq!(log.record(Reading, &context()).await.unwrap_err(), LogUnavailable::Unwitnessed { entries: 1_001, seconds: 0 });
    town.set(0, Mode::Honest);
    until(&log, "a witnessed end", |w| w.entries == 0).await;
    let _ = log.record(Reading, &context()).await.unwrap();

    // A start without a witness counts from the entries, not from the start.
    town.set(0, Mode::Down);
    log.append(opened(1), &context()).await.unwrap();
    log.close().await;
    bench.clock.advance(Duration::from_secs(61));
    let log = open(&bench, &town, 1).await;
    assert!(matches!(log.record(Reading, &context()).await, Err(LogUnavailable::Unwitnessed { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_not_served_as_witnessed() {
    let bench = Bench::sqlite();
    let town = Town::of(1, key(&bench).public());
    let log = open(&bench, &town, 1).await;
    let first = log.checkpoint().await.unwrap();
    let file = bench.dir.path().join("witnessed");
    fs::remove_file(&file).unwrap();
    fs::create_dir_all(file.join("x")).unwrap();
    log.append(opened(1), &context()).await.unwrap();
    until(&log, "a cosignature", |w| w.witnesses[0].size == 2).await;
    assert_eq!((log.checkpoint().await.unwrap(), log.witnessing().await.unwrap().unwrap().size), (first, 1));
    fs::remove_dir_all(&file).unwrap();
    until(&log, "a kept checkpoint", |w| w.size == 2).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), log.checkpoint().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_start_the_log_must_extend_what_was_witnessed() {
    let bench = Bench::sqlite();
    let town = Town::of(2, key(&bench).public());
    let log = open(&bench, &town, 2).await;
    fill(&log, 20).await;
    until(&log, "a witnessed end", |w| w.entries == 0).await;
    log.close().await;
    let file = bench.dir.path().join("witnessed");
    let whole = fs::read_to_string(&file).unwrap();
    let (key, kept) = (key(&bench), Checkpoint::open(&whole, key(&bench).public()).unwrap());
    let more = Checkpoint { size: 22, ..kept.clone() }.sign(key.signer()).to_string();
    let other = Checkpoint { root: [7; 32], ..kept }.sign(key.signer()).to_string();
    let spoilt = whole.replace("w1.example ", "w1.example A");
    let at = whole.rfind('=').unwrap() - 4;
    let another = if &whole[at..=at] == "A" { "B" } else { "A" };
    let flipped = format!("{}{another}{}", &whole[..at], &whole[at + 1..]);
    for (damage, says) in [
        (more, "the log has 21 entries, and 22 were cosigned by its witnesses"),
        (other, "its witnesses cosigned BwcHBwcH"),
        (String::new(), "holds no cosigned checkpoint of this log"),
        (spoilt, "holds no cosigned checkpoint of this log"),
        (flipped, "holds no cosigned checkpoint of this log"),
    ] {
        assert_ne!(damage, whole);
        fs::write(&file, damage).unwrap();
        match try_open(&bench, &town, town.policy(2)).await {
            Err(AuditError::Inconsistent { found, .. }) => assert!(found.contains(says), "{found}"),
            other => panic!("{says}: {other:?}"),
        }
    }
    // What it says is held against the log when nobody asks for witnesses any more, too.
    let more = Checkpoint { size: 22, root: [7; 32], origin: ORIGIN.into() }.sign(key.signer()).to_string();
    fs::write(&file, more).unwrap();
    let error = bench.try_open().await.unwrap_err().to_string();
    assert!(error.contains("22 were cosigned by its witnesses"), "{error}");
    fs::write(&file, &whole).unwrap();
    let log = try_open(&bench, &town, town.policy(2)).await.unwrap();
    assert_eq!(log.checkpoint().await.unwrap(), whole);
    log.close().await;
    // A policy that asks for more than was gathered: what was is no quorum of it.
    let stranger = Town::of(3, key.public());
    let log = try_open(&bench, &stranger, stranger.policy(3)).await.unwrap();
    assert_eq!(log.witnessing().await.unwrap().unwrap().size, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_kept_is_refused() {
    let bench = Bench::sqlite();
    let town = Town::of(2, key(&bench).public());
    let own = key(&bench).public().to_string();
    let other = SignerKey::new("another.example", &[3; 32]).unwrap().public().to_string();
    let [w0, w1] = [0, 1].map(|at: usize| town.all[at].witness.public_key().to_string());
    for (policy, says) in [
        (
            format!("log {other}\nwitness w0 {w0} http://w0\nquorum w0\n"),
            "this one is not among them; add the line \"log portal.example/audit+",
        ),
        (format!("witness w0 {w0}\nquorum w0\n"), "witnesses that have no address"),
        (format!("witness w0 {w0} http://w0\nwitness w1 {w1}\ngroup g all w0 w1\nquorum g\n"), "witnesses that have no address"),
        (format!("witness w0 {w0} ftp://w0\nquorum w0\n"), "begins with neither https:// nor http://"),
    ] {
        let error = try_open(&bench, &town, policy.parse().unwrap()).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let fits = format!("log {other}\nlog {own}\nwitness w0 {w0} http://w0\nwitness w1 {w1}\ngroup g any w0 w1\nquorum g\n");
    let log = try_open(&bench, &town, fits.parse().unwrap()).await.unwrap();
    log.meet_witnesses().await.unwrap();
    log.close().await;
    let none = format!("witness w0 {w0} http://w0\nquorum none\n");
    let log = try_open(&bench, &town, none.parse().unwrap()).await.unwrap();
    log.meet_witnesses().await.unwrap();
    assert_eq!(log.witnessing().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_on_one_log_share_its_witnesses() {
    for bench in Bench::all().await {
        let town = Town::of(3, key(&bench).public());
        let second = TempDir::new().unwrap();
        let first = open(&bench, &town, 2).await;
        first.append(opened(1), &context()).await.unwrap();
        let mut settings = settings(&bench, &town, town.policy(2));
        settings.checkpoint_file = second.path().join("checkpoint");
        // What is kept is each process's own; the checkpoint it begins with is the other's.
        fs::write(&settings.checkpoint_file, first.newest_checkpoint().await.unwrap()).unwrap();
        let (database, entropy) = (bench.database().await, Entropy::system().unwrap());
        let other = Log::open(database, key(&bench), bench.clock.clone(), entropy, settings).await.unwrap();
        other.meet_witnesses().await.unwrap();
        for n in 0..6 {
            for log in [&first, &other] {
                fill(log, 5).await;
                if n % 2 == 0 {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
        }
        let size = first.size().await.unwrap();
        for log in [&first, &other] {
            let now = until(log, "a witnessed end", |w| w.size == size).await;
            assert!((0..3).all(|at| standing(&now, at) != "contradicting" && standing(&now, at) != "lying"), "{now:?}");
            assert_eq!(log.health(), Health::Open);
        }
    }
}
