use proptest::prelude::*;

use super::super::checkpoint::{Signature, SignerKey};
use super::super::merkle;
use super::*;

fn log_key(seed: u8) -> SignerKey {
    SignerKey::new("portal.example/audit", &[seed; 32]).unwrap()
}

fn witness_key(seed: u8) -> SignerKey {
    SignerKey::witness(&format!("witness.example/w{seed}"), &[seed; 32]).unwrap()
}

fn l(seed: u8) -> String {
    log_key(seed).public().to_string()
}

fn w(seed: u8) -> String {
    witness_key(seed).public().to_string()
}

/// The example of the specification.
fn two_levels() -> String {
    let mut text = format!("log {}\n\n", l(100));
    for (letter, first) in [("X", 1), ("Y", 4)] {
        for i in 0..3 {
            text.push_str(&format!("witness {letter}{} {}\n", i + 1, w(first + i)));
        }
    }
    text + "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
}

#[test]
fn the_example_of_the_specification() {
    let policy: Policy = two_levels().parse().unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
    assert_eq!(policy.witnesses()[3].name, "Y1");
    for (cosigned, holds) in [
        ([0, 0, 0, 0, 0, 0], false),
        ([1, 1, 0, 0, 0, 0], false),
        ([1, 0, 0, 1, 1, 1], false),
        ([1, 0, 1, 0, 1, 0], true),
        ([1, 1, 1, 1, 1, 1], true),
    ] {
        assert_eq!(policy.quorum_of(&cosigned.map(|c| c == 1)), holds, "{cosigned:?}");
    }
    // What is not given has not cosigned, and what is too much does not matter.
    assert!(!policy.quorum_of(&[true, true]));
    assert!(policy.quorum_of(&[true; 9]));
}

#[test]
fn white_space_comments_and_addresses() {
    let text = format!(
        "# a policy\n \t# of one log\n\n\tlog  {}\thttps://log.example/ \n  \t\nwitness \u{e9}t\u{e9} {} https://w.example/a\nquorum \u{e9}t\u{e9}",
        l(1),
        w(1)
    );
    let policy: Policy = text.parse().unwrap();
    assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/"));
    assert_eq!(policy.witnesses()[0].url.as_deref(), Some("https://w.example/a"));
    assert!(policy.asks_for_witnesses() && !policy.quorum_of(&[false]) && policy.quorum_of(&[true]));
    let none: Policy = "quorum none\n".parse().unwrap();
    assert!(!none.asks_for_witnesses() && none.quorum_of(&[]));
    assert!(none.logs().is_empty());
}

#[test]
fn names_are_bytes() {
    // Latin-1 "\u{e9}" and "\u{e8}" are both no UTF-8, and are two names; so are K and the Kelvin sign.
    let mut file = Vec::new();
    for (name, seed) in [(&b"\xe9"[..], 1), (b"\xe8", 2), (b"K", 3), ("\u{212a}".as_bytes(), 4)] {
        file.extend([b"witness ", name, b" ", w(seed).as_bytes(), b"\n"].concat());
    }
    file.extend(b"group g any \xe8 K\nquorum g\n# \xff");
    let policy = Policy::parse(&file).unwrap();
    assert!(!policy.quorum_of(&[true, false, false, true]));
    assert!(policy.quorum_of(&[false, true, false, false]));
}

#[test]
fn what_is_no_policy_is_refused_with_its_line_and_a_remedy() {
    let ws = format!("witness a {}\nwitness b {}\n", w(1), w(2));
    let other_name = SignerKey::witness("another.example", &[1; 32]).unwrap().public().to_string();
    for (text, line, says) in [
        (String::new(), 1, "no line states the quorum; add"),
        ("# nothing\n\n".to_owned(), 2, "no line states the quorum"),
        ("quorum none\nquorum none\n".to_owned(), 2, "states the quorum already"),
        ("quorum\n".to_owned(), 1, "the quorum is one name, and none are given"),
        ("quorum a b\n".to_owned(), 1, "and 2 items are given"),
        ("quorum a\n".to_owned(), 1, "\"a\" is no witness or group of a line before"),
        (format!("quorum a\n{ws}"), 1, "define it above this line"),
        ("Quorum none\n".to_owned(), 1, "\"Quorum\" begins no line of a policy; write log, witness"),
        ("quorum none\r\n".to_owned(), 1, "0x0d is not allowed; save the file with line feeds"),
        ("quorum none\x0b\n".to_owned(), 1, "0x0b is not allowed; remove it"),
        ("\nlog\n".to_owned(), 2, "write \"log VKEY [URL]\""),
        (format!("log {} u v\n", l(1)), 1, "and 3 items are given"),
        ("log x\n".to_owned(), 1, "it is not of the form name+id+base64; copy the key"),
        (format!("log {}\n", w(1)), 1, "is a witness's key (type 04)"),
        (format!("log {}\nlog {}\n", l(1), l(1)), 2, "is that of \"portal.example/audit\" on a line before"),
        ("witness a\n".to_owned(), 1, "write \"witness NAME VKEY [URL]\""),
        (format!("witness a {}\n", l(1)), 1, "is a log's key (type 01)"),
        (format!("{ws}witness c {}\n", w(1)), 3, "is that of \"a\" on a line before"),
        (format!("{ws}witness c {other_name}\n"), 3, "is that of \"a\" on a line before"),
        (format!("{ws}witness a {}\n", w(3)), 3, "the name \"a\" is taken"),
        (format!("witness none {}\n", w(3)), 1, "may be named \"none\""),
        (format!("{ws}group none all a\n"), 3, "may be named \"none\""),
        (format!("{ws}group a any b\n"), 3, "the name \"a\" is taken"),
        (format!("{ws}group g\n"), 3, "write \"group NAME all|any|NUMBER MEMBER…\""),
        (format!("{ws}group g all\n"), 3, "the group \"g\" has no members"),
        (format!("{ws}group g 0 a b\n"), 3, "a number from 1 to 2"),
        (format!("{ws}group g 3 a b\n"), 3, "a number from 1 to 2"),
        (format!("{ws}group g 01 a b\n"), 3, "a number from 1 to 2"),
        (format!("{ws}group g +1 a b\n"), 3, "a number from 1 to 2"),
        (format!("{ws}group g ALL a b\n"), 3, "\"ALL\" is not how many"),
        (format!("{ws}group g all a none\n"), 3, "\"none\" can be no group's member"),
        (format!("{ws}group g all a a\n"), 3, "\"a\" is a group's member already"),
        (format!("{ws}group g any a\ngroup h any a b\n"), 4, "\"a\" is a group's member already"),
        (format!("{ws}group g all a g\n"), 3, "\"g\" is no witness or group of a line before"),
        (format!("{ws}group g any h\ngroup h any a\n"), 3, "\"h\" is no witness or group of a line before"),
        ("#".repeat(LONGEST_POLICY + 1), 1, "262145 bytes long"),
    ] {
        let error = text.parse::<Policy>().unwrap_err();
        assert_eq!(error.line, line, "{error}: {text:.99}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn as_many_as_the_specification_asks_for_are_taken() {
    let mut text = String::new();
    for i in 0..64 {
        text.push_str(&format!("log {}\nwitness w{i} {}\ngroup g{i} all w{i}", l(i), w(i)));
        text.push_str(&if i == 0 { "\n".to_owned() } else { format!(" g{}\n", i - 1) });
    }
    let policy: Policy = (text + "quorum g63\n").parse().unwrap();
    assert!(policy.quorum_of(&[true; 64]) && !policy.quorum_of(&[true; 63]));
}

fn note(by: &SignerKey, cosignatures: &[Signature]) -> String {
    let checkpoint = Checkpoint { origin: "portal.example/audit".into(), size: 1, root: merkle::leaf(b"x") };
    let cosignatures = cosignatures.iter().map(ToString::to_string).collect::<String>();
    format!("{}{cosignatures}", checkpoint.sign(by))
}

fn cosign(seed: u8, time: u64) -> Signature {
    let checkpoint = Checkpoint { origin: "portal.example/audit".into(), size: 1, root: merkle::leaf(b"x") };
    witness_key(seed).sign(&checkpoint.text(), time)
}

#[test]
fn a_note_is_held_against_the_policy() {
    let policy: Policy = two_levels().parse().unwrap();
    let cosignatures = [cosign(4, 12), cosign(9, 9), cosign(1, 10), cosign(1, 11), cosign(3, 13)];
    let opened = policy.open(&note(&log_key(100), &cosignatures)).unwrap();
    assert_eq!((opened.checkpoint.size, &opened.log), (1, log_key(100).public()));
    assert_eq!(opened.by, [("X1".to_owned(), 11), ("X3".to_owned(), 13), ("Y1".to_owned(), 12)]);
    assert!(opened.quorum);

    // Twice the same witness is one, and a time beyond all times is none.
    for too_few in [vec![cosign(1, 1), cosign(1, 2), cosign(4, 1)], vec![cosign(1, 1), cosign(2, LATEST + 1), cosign(4, 1)]] {
        let opened = policy.open(&note(&log_key(100), &too_few)).unwrap();
        assert!(!opened.quorum);
        assert_eq!(opened.by.len(), 2);
    }

    // A witness that is known, whose signature does not hold, whatever the others say.
    let forged = note(&log_key(100), &[cosign(1, 1), cosign(2, 1)]).replace("\n1\n", "\n2\n");
    let resigned = Checkpoint::parse(forged.parse::<Note>().unwrap().text()).unwrap().sign(&log_key(100));
    let forged = format!("{resigned}{}", cosign(5, 1));
    assert_eq!(policy.open(&forged), Err(NoteError::BadSignature("witness.example/w5".into()).into()));
    // The same by an unknown one is ignored.
    assert!(!policy.open(&format!("{resigned}{}", cosign(9, 1))).unwrap().quorum);

    // Witnesses alone make no checkpoint, nor does another key of the log's name.
    let unsigned = policy.open(&note(&log_key(101), &cosignatures)).unwrap_err();
    assert!(matches!(unsigned, UntrustedNote::Note(NoteError::Unsigned(_))), "{unsigned}");
    let both: Policy = format!("log {}\n{}", l(101), two_levels()).parse().unwrap();
    assert_eq!(both.open(&note(&log_key(101), &[])).unwrap().log, *log_key(101).public());
    let unknown: Policy = "quorum none\n".parse().unwrap();
    let error = unknown.open(&note(&log_key(100), &[])).unwrap_err().to_string();
    assert_eq!(error, "the checkpoint is of the log \"portal.example/audit\", and the trust policy lists none; add a line \"log VKEY\"");
    assert!(unknown.open_for(&note(&log_key(100), &[]), &[log_key(100).public().clone()]).unwrap().quorum);
}

/// A policy as its rules, to be written down and to be asked without going through its text.
#[derive(Clone, Debug)]
enum Rule {
    Witness(u8),
    Group(usize, Vec<Rule>),
}

fn rules() -> impl Strategy<Value = Rule> {
    let leaf = Just(Rule::Witness(0));
    leaf.prop_recursive(4, 24, 5, |inner| {
        (prop::collection::vec(inner, 1..5), any::<prop::sample::Index>())
            .prop_map(|(members, k)| Rule::Group(k.index(members.len()) + 1, members))
    })
}

fn number(rule: &mut Rule, next: &mut u8) {
    match rule {
        Rule::Witness(seed) => {
            *seed = *next;
            *next += 1;
        }
        Rule::Group(_, members) => members.iter_mut().for_each(|m| number(m, next)),
    }
}

fn write(rule: &Rule, text: &mut String, groups: &mut usize) -> String {
    match rule {
        Rule::Witness(seed) => {
            text.push_str(&format!("witness w{seed} {}\n", w(*seed)));
            format!("w{seed}")
        }
        Rule::Group(least, members) => {
            let names: Vec<String> = members.iter().map(|m| write(m, text, groups)).collect();
            *groups += 1;
            let name = format!("g{groups}");
            let least = match *least {
                n if n == names.len() => "all".to_owned(),
                1 => "any".to_owned(),
                n => n.to_string(),
            };
            text.push_str(&format!("group {name} {least} {}\n", names.join(" ")));
            name
        }
    }
}

fn asks(rule: &Rule, cosigned: &[bool]) -> bool {
    match rule {
        Rule::Witness(seed) => cosigned[usize::from(*seed)],
        Rule::Group(least, members) => members.iter().filter(|m| asks(m, cosigned)).count() >= *least,
    }
}

proptest! {
    #[test]
    fn a_written_rule_is_the_rule_that_is_asked(mut rule in rules(), cosigned in prop::collection::vec(any::<bool>(), 256)) {
        number(&mut rule, &mut 0);
        let mut text = String::new();
        let name = write(&rule, &mut text, &mut 0);
        let policy: Policy = format!("{text}quorum {name}\n").parse().unwrap();
        prop_assert_eq!(policy.quorum_of(&cosigned), asks(&rule, &cosigned));
        // One more cosignature never loses a quorum.
        let all = vec![true; cosigned.len()];
        prop_assert!(policy.quorum_of(&all));
    }

    #[test]
    fn no_file_from_outside_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        lines in "((log|witness|group|quorum|#|none|all|any|[0-9a-z]{1,2}|[ \t]|\n){0,12}\n){0,8}",
    ) {
        let _ = Policy::parse(&bytes);
        if let Err(error) = lines.parse::<Policy>() {
            prop_assert!((1..=lines.split('\n').count()).contains(&error.line));
        }
    }
}
