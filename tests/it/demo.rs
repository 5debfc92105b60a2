//! `lectern demo` and the commands about the log, as their users meet them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::harness::library::{Library, MAIN};
use crate::harness::process::{Program, Visitor, demo_args, lectern, run, said};

fn accounts(data: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(data.join("demo-accounts.json")).unwrap()).unwrap()
}

fn names(visitor: &mut Visitor, directory: &str) -> Vec<String> {
    let listed = visitor.get_json(&format!("/p/gateway/v2.0/tree/{directory}")).unwrap();
    assert_eq!(listed.status, 200, "{}", listed.text());
    listed.json()["entries"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_demonstration_from_beginning_to_end() {
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let data = home.path().join("data");
    let (gateway, ledger) = (library.source("gateway"), library.source("ledger"));
    let products = [("gateway", gateway.as_str()), ("ledger", ledger.as_str())];
    let mut program = Program::demo(&data, &products, &[]);

    let first = accounts(&data);
    let mode = fs::metadata(data.join("demo-accounts.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let roles: Vec<&str> = first.as_array().unwrap().iter().map(|account| account["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["reviewer", "reviewer", "auditor", "administrator", "administrator"]);
    for account in first.as_array().unwrap() {
        let mut fields: Vec<&String> = account.as_object().unwrap().keys().collect();
        fields.sort();
        assert_eq!(fields, ["agency", "email", "password", "role"]);
        assert!(program.said.contains(account["password"].as_str().unwrap()), "the passwords are shown once");
        assert_eq!(account["agency"].is_null(), account["role"] != "reviewer");
    }
    assert!(program.said.trim_end().ends_with(&format!("lectern: ready http://{}", program.address)));

    // The first agency may read everything, the second the first directory of each product.
    let mut one = program.sign_in(&data, 0);
    assert_eq!(one.get_json("/p").unwrap().json()["products"].as_array().unwrap().len(), 2);
    assert!(names(&mut one, "").len() > 5);
    assert_eq!(one.get(&format!("/p/gateway/v2.0/file/{MAIN}")).unwrap().status, 200);
    let mut two = program.sign_in(&data, 1);
    assert_eq!(names(&mut two, ""), ["assets"]);
    assert_eq!(two.get("/p/gateway/v2.0/file/assets/gateway_logo.png").unwrap().status, 200);
    assert_eq!(two.get(&format!("/p/gateway/v2.0/file/{MAIN}")).unwrap().status, 404);
    let mut auditor = program.sign_in(&data, 2);
    let denied = auditor.get_json("/audit?kind=access.denied").unwrap().json();
    assert_eq!(denied["entries"][0]["actor"]["email"], first[1]["email"]);
    let mut administrator = program.sign_in(&data, 3);
    assert_eq!(administrator.get("/admin/grants").unwrap().status, 200);
    assert_eq!(administrator.get("/audit").unwrap().status, 404);

    // Another may not start on the same data, nor at the same address.
    let second = lectern().args(demo_args(&data, &products)).output().unwrap();
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains("another Lectern is running"), "{}", said(&second));
    let other = home.path().join("other");
    let taken = run(&["demo", "--data", other.to_str().unwrap(), "--listen", &program.address, "--product", &format!("gateway={gateway}")]);
    assert_eq!(taken.status.code(), Some(1), "{}", said(&taken));
    assert!(said(&taken).contains("is taken by another program"), "{}", said(&taken));

    // The running portal verifies from outside, with the key handed over, and with its token only.
    let key = run(&["audit", "key", "--data", data.to_str().unwrap()]);
    let key = String::from_utf8(key.stdout).unwrap().lines().last().unwrap().to_owned();
    assert_eq!(key, fs::read_to_string(data.join("keys/log.vkey")).unwrap().trim());
    let portal = format!("http://{}", program.address);
    let bearer = data.join("keys/verifier.token");
    let verified = run(&["audit", "verify", &portal, "--key", &key, "--token-file", bearer.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    // With the witnesses' token only its hashes, and without any nothing.
    let witness = data.join("keys/witness.token");
    let verified = run(&["audit", "verify", &portal, "--key", &key, "--token-file", witness.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    assert!(said(&verified).contains("were refused, so only their hashes were verified"), "{}", said(&verified));
    let verified = run(&["audit", "verify", &portal, "--key", &key]);
    assert_eq!(verified.status.code(), Some(1), "{}", said(&verified));
    assert!(said(&verified).contains("the portal wants a token (--token)"), "{}", said(&verified));
    program.kill();

    // A second run takes up what is there.
    let mut program = Program::demo(&data, &products, &[]);
    assert_eq!(accounts(&data), first);
    assert!(!program.said.contains(first[0]["password"].as_str().unwrap()), "the passwords are shown only once");
    assert!(program.said.contains("gateway: 3 versions, 0 of them new"), "{}", program.said);
    let mut auditor = program.sign_in(&data, 2);
    let proposed = auditor.get_json("/audit?kind=entitlement.proposed").unwrap().json();
    assert_eq!(proposed["entries"].as_array().unwrap().len(), 4, "the second run grants nothing again");
    program.kill();

    // And --fresh starts over.
    let mut program = Program::demo(&data, &products[..1], &["--fresh"]);
    assert_ne!(accounts(&data), first);
    let mut one = program.sign_in(&data, 0);
    assert_eq!(one.get_json("/p").unwrap().json()["products"].as_array().unwrap().len(), 1);
    program.kill();
}

#[test]
fn an_interrupted_demonstration_is_taken_up() {
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let data = home.path().join("data");
    let gateway = library.source("gateway");
    let products = [("gateway", gateway.as_str())];
    // Killed as soon as each of these is there: while people are made, while fetching, while indexing.
    for sign in ["demo-accounts.json", "mirrors", "index"] {
        let mut child = lectern().args(demo_args(&data, &products)).stdout(std::process::Stdio::null()).spawn().unwrap();
        while !data.join(sign).exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before {sign} was there");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut program = Program::demo(&data, &products, &[]);
    let mut one = program.sign_in(&data, 0);
    assert_eq!(one.get(&format!("/p/gateway/v1.0/file/{MAIN}")).unwrap().status, 200);
    assert!(one.get_json("/search?q=strcpy").unwrap().json()["total"].as_u64().unwrap() > 0);
    program.kill();
    let verified = run(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
}

#[test]
fn what_cannot_be_shown_is_said_in_a_sentence() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let data = data.to_str().unwrap();
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let demo = |more: &[&str]| {
        let output = lectern().current_dir(&empty).args(["demo", "--data", data]).args(more).output().unwrap();
        (output.status.code().unwrap(), said(&output))
    };
    let directory = format!("x={}", empty.display());
    for (args, code, says) in [
        (vec![], 1, "is not in a git repository"),
        (vec!["--listen", &address, "--product", &directory], 1, "is taken by another program"),
        (vec!["--listen", "0.0.0.0:0", "--product", &directory], 1, "not a loopback address"),
        (vec!["--listen", "127.0.0.1:0", "--product", &directory], 1, "repository"),
        (vec!["--listen", "127.0.0.1:0", "--product", "x=/no/such/place"], 1, "there is nothing at /no/such/place"),
        (vec!["--listen", "127.0.0.1:0", "--product", "y=http://127.0.0.1:1/y.git"], 1, "127.0.0.1:1"),
        (vec!["--listen", "127.0.0.1:0", "--product", "nothing"], 1, "is not NAME=GIT_URL_OR_PATH"),
        (vec!["--listen", "nowhere"], 2, "nowhere"),
        (vec!["--no-such-option"], 2, "--no-such-option"),
    ] {
        let (got, text) = demo(&args);
        assert_eq!(got, code, "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
        assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{args:?}: {text}");
    }
}

#[test]
fn an_export_verifies_and_whatever_is_changed_in_it_is_found() {
    let home = tempfile::tempdir().unwrap();
    let library = Library::write(&home.path().join("upstream"));
    let data = home.path().join("data");
    let mut program = Program::demo(&data, &[("ledger", &library.source("ledger"))], &[]);
    let mut one = program.sign_in(&data, 0);
    assert_eq!(one.get("/p/ledger/v2.0/file/src/ledger_main.rs").unwrap().status, 200);
    program.kill();
    let data = data.to_str().unwrap();
    let out = home.path().join("out");
    let text = out.to_str().unwrap();
    let exported = run(&["audit", "export", "--format", "tiles", "--out", text, "--data", data]);
    assert_eq!(exported.status.code(), Some(0), "{}", said(&exported));
    let verified = run(&["audit", "verify", text]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));

    let bundle = fs::read_dir(out.join("tile/entries/000.p")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&bundle).unwrap();
    let mut bent = whole.clone();
    let at = bent.len() / 2;
    bent[at] ^= 1;
    fs::write(&bundle, &bent).unwrap();
    let verified = run(&["audit", "verify", text]);
    assert_eq!(verified.status.code(), Some(1), "{}", said(&verified));
    assert!(said(&verified).contains("DOES NOT HOLD") && said(&verified).contains("First affected entry:"), "{}", said(&verified));
    fs::write(&bundle, &whole).unwrap();
    fs::remove_file(out.join("checkpoint")).unwrap();
    assert_eq!(run(&["audit", "verify", text]).status.code(), Some(1));
    assert_eq!(run(&["audit", "verify"]).status.code(), Some(2));

    for (format, file) in [("jsonl", "log.jsonl"), ("csv", "log.csv")] {
        let file = home.path().join(file);
        let exported = run(&["audit", "export", "--format", format, "--out", file.to_str().unwrap(), "--data", data]);
        assert_eq!(exported.status.code(), Some(0), "{}", said(&exported));
        assert!(fs::read_to_string(&file).unwrap().contains("source.file.opened"));
    }
}
