use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::audit::checkpoint::SignerKey;
use crate::audit::merkle::{Hash, Node};
use crate::clock::FixedClock;

const ORIGIN: &str = "portal.example/audit";
const NOW: i64 = 1_790_000_000;

fn log_key() -> SignerKey {
    SignerKey::new(ORIGIN, &[0x11; 32]).unwrap()
}

fn open(directory: &Path) -> Witness {
    try_open(directory, Some("witness.example/w1")).unwrap()
}

fn try_open(directory: &Path, name: Option<&str>) -> Result<Witness, WitnessError> {
    let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(NOW)));
    Witness::open(directory, name, vec![log_key().public().clone()], clock, &Entropy::seeded(7))
}

/// A log that may have been forked: what it holds beyond `fork` is said by `branch`.
#[derive(Clone, Copy, Debug)]
struct Tree {
    branch: u8,
    fork: u64,
}

const HONEST: Tree = Tree { branch: 0, fork: u64::MAX };

impl Tree {
    fn leaf(self, index: u64) -> Hash {
        merkle::leaf(&[if index < self.fork { 0 } else { self.branch }, u8::try_from(index).unwrap()])
    }

    fn root(self, size: u64) -> Hash {
        merkle::root_of(&(0..size).map(|i| self.leaf(i)).collect::<Vec<_>>())
    }

    fn node(self, node: Node) -> Hash {
        let width = 1 << node.height;
        merkle::root_of(&(node.index * width..(node.index + 1) * width).map(|i| self.leaf(i)).collect::<Vec<_>>())
    }

    fn proof(self, old: u64, size: u64) -> Vec<Hash> {
        let spans = merkle::consistency_spans(old, size).unwrap_or_default();
        merkle::hashes(&spans, |node| Ok::<_, ()>(self.node(node))).unwrap()
    }

    fn checkpoint(self, size: u64) -> Checkpoint {
        Checkpoint { origin: ORIGIN.into(), size, root: self.root(size) }
    }

    fn submission(self, old: u64, size: u64) -> Submission {
        Submission { old, proof: self.proof(old, size), note: self.checkpoint(size).sign(&log_key()).to_string() }
    }
}

fn add(witness: &Witness, submission: &Submission) -> Answer {
    witness.add_checkpoint(submission.to_string().as_bytes())
}

/// Whether the answer is a good cosignature over this checkpoint.
fn is_cosigned(witness: &Witness, checkpoint: &Checkpoint, answer: &Answer) -> bool {
    let Answer::Cosigned(lines) = answer else { return false };
    let note: Note = format!("{}\n{lines}", checkpoint.text()).parse().unwrap();
    let keys = [witness.public_key().clone()];
    note.verify(&keys).is_ok_and(|good| good.len() == 1 && good[0].1.witnessed_at() == Some(NOW as u64))
}

#[test]
fn a_log_that_grows_is_cosigned_and_remembered() {
    let home = TempDir::new().unwrap();
    let directory = home.path().join("w");
    let mut old = 0;
    for size in [0, 0, 1, 1, 5, 8, 13] {
        // Opened each time anew: what it knows is on disk.
        let witness = open(&directory);
        let answer = add(&witness, &HONEST.submission(old, size));
        assert!(is_cosigned(&witness, &HONEST.checkpoint(size), &answer), "{size}: {answer:?}");
        let seen = witness.latest(&hash_of(ORIGIN)).unwrap();
        assert_eq!((&seen.checkpoint, seen.at.seconds()), (&HONEST.checkpoint(size), NOW));
        let note: Note = seen.note.parse().unwrap();
        let keys = [log_key().public().clone(), witness.public_key().clone()];
        assert_eq!(note.verify(&keys).unwrap().len(), 2);
        old = size;
    }
    let mode = |name: &str| std::fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("witness.key"), 0o600);
    let vkey = std::fs::read_to_string(directory.join(VKEY_FILE)).unwrap();
    assert_eq!(vkey.trim(), open(&directory).public_key().to_string());
    // The name is needed only once.
    assert_eq!(try_open(&directory, None).unwrap().public_key().name(), "witness.example/w1");
}

#[test]
fn each_refusal_has_its_status_in_the_order_of_the_specification() {
    let home = TempDir::new().unwrap();
    let witness = open(home.path());
    assert!(is_cosigned(&witness, &HONEST.checkpoint(5), &add(&witness, &HONEST.submission(0, 5))));
    let good = HONEST.submission(5, 8);

    // 400: what is no request, before anything is looked up.
    for body in [b"".as_slice(), b"old 5\n\nx", b"\xff", b"x".repeat(LONGEST_SUBMISSION + 1).as_slice()] {
        assert!(matches!(witness.add_checkpoint(body), Answer::Malformed(_)));
    }
    // 404, though nobody it trusts has signed.
    let stranger = SignerKey::new("another.example/log", &[3; 32]).unwrap();
    let unknown = Checkpoint { origin: "another.example/log".into(), ..HONEST.checkpoint(8) };
    let unknown = Submission { note: unknown.sign(&stranger).to_string(), ..good.clone() };
    assert!(matches!(add(&witness, &unknown), Answer::UnknownLog(_)));
    // 403: nobody's, somebody else's and a forged signature, though the old size is too large.
    let other = SignerKey::new(ORIGIN, &[4; 32]).unwrap();
    let unsigned = Submission { old: 9, note: HONEST.checkpoint(8).sign(&other).to_string(), ..good.clone() };
    assert!(matches!(add(&witness, &unsigned), Answer::Unsigned(_)));
    let forged = good.note.replace("\n8\n", "\n9\n");
    assert!(matches!(add(&witness, &Submission { note: forged, ..good.clone() }), Answer::Unsigned(_)));
    // 400: larger than the checkpoint, though it is not what was cosigned either.
    assert!(matches!(add(&witness, &Submission { old: 9, ..good.clone() }), Answer::Malformed(_)));
    // 409, though the proof does not hold.
    for old in [0, 4, 6] {
        assert_eq!(add(&witness, &Submission { old, proof: vec![[0; 32]], ..good.clone() }), Answer::Conflict(5));
    }
    // 422: a wrong proof, a missing one, another root of the same size, a proof where none belongs.
    let fork = Tree { branch: 1, fork: 3 };
    for wrong in [
        Submission { proof: vec![[0; 32]], ..good.clone() },
        Submission { proof: Vec::new(), ..good.clone() },
        fork.submission(5, 8),
        fork.submission(5, 5),
        Submission { proof: vec![[0; 32]], ..HONEST.submission(5, 5) },
    ] {
        assert!(matches!(add(&witness, &wrong), Answer::Inconsistent(_)), "{wrong:?}");
    }
    // Signatures by keys that it does not know are ignored, and it is not confused by its own.
    let noted = Submission { note: format!("{}{}", good.note, witness_line(&good.note)), ..good };
    assert!(is_cosigned(&witness, &HONEST.checkpoint(8), &add(&witness, &noted)));
}

fn witness_line(note: &str) -> String {
    let note: Note = note.parse().unwrap();
    SignerKey::witness("witness.example/w9", &[9; 32]).unwrap().sign(note.text(), 5).to_string()
}

#[test]
fn the_empty_tree_has_one_root_and_needs_no_proof() {
    let home = TempDir::new().unwrap();
    let witness = open(home.path());
    let other_root = Checkpoint { origin: ORIGIN.into(), size: 0, root: [1; 32] };
    let wrong = Submission { old: 0, proof: Vec::new(), note: other_root.sign(&log_key()).to_string() };
    assert!(matches!(add(&witness, &wrong), Answer::Inconsistent(_)));
    let wrong = Submission { proof: vec![[0; 32]], ..HONEST.submission(0, 3) };
    assert!(matches!(add(&witness, &wrong), Answer::Inconsistent(_)));
    assert!(witness.seen().is_empty());
}

#[test]
fn a_log_may_have_two_keys_and_others_have_their_own_memory() {
    let home = TempDir::new().unwrap();
    let (old, new) = (log_key(), SignerKey::new(ORIGIN, &[0x12; 32]).unwrap());
    let second = SignerKey::new("second.example/log", &[0x13; 32]).unwrap();
    let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(NOW)));
    let logs = [&old, &new, &second].map(|k| k.public().clone()).to_vec();
    let witness = Witness::open(home.path(), Some("w"), logs, clock, &Entropy::seeded(7)).unwrap();
    let mut submission = HONEST.submission(0, 3);
    assert!(matches!(add(&witness, &submission), Answer::Cosigned(_)));
    let turned = HONEST.checkpoint(5);
    submission = Submission { note: turned.sign(&new).to_string(), ..HONEST.submission(3, 5) };
    assert!(matches!(add(&witness, &submission), Answer::Cosigned(_)));
    let other = Checkpoint { origin: "second.example/log".into(), ..HONEST.checkpoint(2) };
    submission = Submission { old: 0, proof: Vec::new(), note: other.sign(&second).to_string() };
    assert!(matches!(add(&witness, &submission), Answer::Cosigned(_)));
    let sizes: Vec<u64> = witness.seen().iter().map(|s| s.checkpoint.size).collect();
    assert_eq!(sizes, [5, 2]);
}

#[test]
fn two_witnesses_never_share_a_directory() {
    let home = TempDir::new().unwrap();
    let first = open(home.path());
    assert!(matches!(try_open(home.path(), None), Err(WitnessError::Taken(_))));
    drop(first);
    open(home.path());
}

#[test]
fn a_memory_that_was_lost_is_refused_with_what_to_do() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("cosigned.json");
    let refused = |says: &str| {
        let error = try_open(home.path(), Some("witness.example/w1")).unwrap_err();
        assert!(matches!(error, WitnessError::Damaged { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains(says) && error.contains("this witness must not go on"), "{error}");
    };
    let witness = open(home.path());
    assert!(matches!(add(&witness, &HONEST.submission(0, 5)), Answer::Cosigned(_)));
    drop(witness);
    let whole = std::fs::read_to_string(&file).unwrap();
    let damages = [
        (String::new(), "it is damaged"),
        (whole[..whole.len() / 2].to_owned(), "it is damaged"),
        ("\0".repeat(whole.len()), "it is damaged"),
        (whole.replace("\"v\": 1", "\"v\": 2"), "it is of version 2"),
        (whole.replace("\\n5\\n", "\\n4\\n"), "does not fit the text"),
        (whole.replace("\"portal.example/audit\"", "\"other\""), "it is of the log"),
    ];
    for (damage, says) in damages {
        assert_ne!(damage, whole);
        std::fs::write(&file, damage).unwrap();
        refused(says);
    }
    std::fs::remove_file(&file).unwrap();
    refused("it is missing");
    std::fs::write(&file, &whole).unwrap();
    let key = home.path().join("witness.key");
    let secret = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    refused("the key is gone");
    std::fs::write(&key, "PRIVATE+KEY+x").unwrap();
    refused("this is not a key");
    std::fs::write(&key, secret).unwrap();
    assert_eq!(open(home.path()).seen()[0].checkpoint.size, 5);
    let error = try_open(home.path(), Some("another")).unwrap_err();
    assert!(matches!(error, WitnessError::OtherName { .. }), "{error}");
}

#[test]
fn what_cannot_be_written_down_is_not_cosigned() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("cosigned.json");
    let witness = open(home.path());
    assert!(matches!(add(&witness, &HONEST.submission(0, 5)), Answer::Cosigned(_)));
    let whole = std::fs::read(&file).unwrap();
    // Nothing can be put in the place of a directory with something in it.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir_all(file.join("x")).unwrap();
    assert!(matches!(add(&witness, &HONEST.submission(5, 8)), Answer::Failed(_)));
    assert!(witness.failed());
    std::fs::remove_dir_all(&file).unwrap();
    std::fs::write(&file, whole).unwrap();
    // Though it could be written again, nobody has read what is there.
    assert!(matches!(add(&witness, &HONEST.submission(5, 8)), Answer::Failed(_)));
    drop(witness);
    let witness = open(home.path());
    assert!(matches!(add(&witness, &HONEST.submission(5, 8)), Answer::Cosigned(_)));
}

#[test]
fn a_start_that_was_cut_short_is_finished_by_the_next() {
    let home = TempDir::new().unwrap();
    open(home.path());
    let [key, vkey] = ["witness.key", VKEY_FILE].map(|name| home.path().join(name));
    // Killed before the verifier key was written, before the key was, and while it was.
    std::fs::remove_file(&vkey).unwrap();
    open(home.path());
    assert!(vkey.exists());
    std::fs::remove_file(&key).unwrap();
    std::fs::write(home.path().join(format!("witness.key.{}.new", std::process::id())), "PRIV").unwrap();
    let witness = open(home.path());
    assert!(matches!(add(&witness, &HONEST.submission(0, 5)), Answer::Cosigned(_)));
}

#[test]
fn a_witness_is_told_of_logs_by_their_keys() {
    let home = TempDir::new().unwrap();
    let open = |logs: Vec<VerifierKey>, name| {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(NOW)));
        Witness::open(home.path(), name, logs, clock, &Entropy::seeded(7)).unwrap_err()
    };
    assert!(matches!(open(Vec::new(), Some("w")), WitnessError::NoLog));
    let witness = SignerKey::witness("w", &[1; 32]).unwrap();
    assert!(matches!(open(vec![witness.public().clone()], Some("w")), WitnessError::NoLogKey(_)));
    assert!(matches!(open(vec![log_key().public().clone()], None), WitnessError::Unnamed));
    assert!(matches!(open(vec![log_key().public().clone()], Some("a b")), WitnessError::Key(_)));
}

#[test]
fn of_many_who_submit_at_once_one_is_served_after_the_other() {
    let home = TempDir::new().unwrap();
    let witness = open(home.path());
    let branches: Vec<Tree> = (0..8).map(|branch| Tree { branch, fork: 0 }).collect();
    let cosigned: usize = std::thread::scope(|scope| {
        let all: Vec<_> = branches.iter().map(|tree| scope.spawn(|| add(&witness, &tree.submission(0, 9)))).collect();
        let answers: Vec<Answer> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert!(answers.iter().all(|a| matches!(a, Answer::Cosigned(_) | Answer::Conflict(9))), "{answers:?}");
        answers.iter().filter(|a| matches!(a, Answer::Cosigned(_))).count()
    });
    assert_eq!(cosigned, 1);
}

/// What somebody does to a witness.
#[derive(Clone, Debug)]
enum Deed {
    /// A submission from a branch, which states the old size as it is, or wrongly.
    Submit { tree: Tree, size: u64, old: Option<u64>, spoilt: bool },
    /// The process ends; what it had begun to write lies beside.
    Crash { half_written: bool },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let tree = prop_oneof![3 => Just(HONEST), 2 => (1_u8..3, 0_u64..16).prop_map(|(branch, fork)| Tree { branch, fork })];
    let submit = (tree, 0_u64..20, prop::option::weighted(0.3, 0_u64..20), prop::bool::weighted(0.1))
        .prop_map(|(tree, size, old, spoilt)| Deed::Submit { tree, size, old, spoilt });
    prop::collection::vec(prop_oneof![6 => submit, 1 => any::<bool>().prop_map(|half_written| Deed::Crash { half_written })], 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_order_of_submissions_makes_it_cosign_what_is_not_consistent(deeds in deeds()) {
        let home = TempDir::new().unwrap();
        let mut witness = open(home.path());
        let mut cosigned: Vec<(Tree, u64)> = Vec::new();
        let mut last = 0;
        for deed in deeds {
            let (tree, size, old, spoilt) = match deed {
                Deed::Submit { tree, size, old, spoilt } => (tree, size, old, spoilt),
                Deed::Crash { half_written } => {
                    drop(witness);
                    if half_written {
                        let whole = std::fs::read(home.path().join("cosigned.json")).unwrap();
                        let beside = home.path().join(format!("cosigned.json.{}.new", std::process::id()));
                        std::fs::write(beside, &whole[..whole.len() / 2]).unwrap();
                    }
                    witness = open(home.path());
                    continue;
                }
            };
            let mut submission = tree.submission(old.unwrap_or(last).min(size), size);
            if spoilt && !submission.proof.is_empty() {
                submission.proof[0][0] ^= 1;
            }
            match add(&witness, &submission) {
                Answer::Cosigned(_) => {
                    cosigned.push((tree, size));
                    last = size;
                }
                Answer::Conflict(size) => prop_assert_eq!(size, last),
                Answer::Inconsistent(_) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
        // Nothing is forgotten, nothing shrinks, and each that was cosigned is the beginning of each larger one.
        prop_assert_eq!(witness.seen().first().map_or(0, |s| s.checkpoint.size), last);
        let sizes: Vec<u64> = cosigned.iter().map(|(_, size)| *size).collect();
        prop_assert!(sizes.is_sorted());
        for (tree, size) in &cosigned {
            let roots: BTreeSet<Hash> = cosigned.iter().filter(|(_, s)| s >= size).map(|(t, _)| t.root(*size)).collect();
            prop_assert_eq!(roots, BTreeSet::from([tree.root(*size)]));
        }
    }
}
