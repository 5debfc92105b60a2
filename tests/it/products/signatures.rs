//! Tags and commits signed by the real git, ssh-keygen and GnuPG, and what becomes of that.

use std::path::{Path, PathBuf};
use std::process::Command;

use lectern::audit::{Draft, Kind, Outcome};
use lectern::catalog::{NewProduct, Settings, Verdict};

use super::of_kind;
use crate::harness::{Backend, Grant, Portal, on_both};

on_both! { signatures_are_checked_by_the_signers_that_are_named }

/// Runs a program in a directory; none where it is not on this machine.
fn program(name: &str, directory: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new(name)
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_AUTHOR_DATE", "1700000000 +0000")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .output()
        .ok()?;
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn key(home: &Path, name: &str, kind: &str) -> Option<(PathBuf, String)> {
    let file = home.join(name);
    program("ssh-keygen", home, &["-q", "-t", kind, "-N", "", "-C", "", "-f", file.to_str().unwrap()])?;
    let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    Some((file, public))
}

/// Tags signed by two keys, one of which was changed afterwards, one that is not signed, and a signed commit under a bare tag.
fn repository(home: &Path, [ours, theirs]: [&Path; 2]) -> Option<PathBuf> {
    let place = home.join("signed");
    std::fs::create_dir(&place).unwrap();
    let git = |args: &[&str]| {
        program("git", &place, &[&["-c", "user.name=A", "-c", "user.email=a@b.example", "-c", "gpg.format=ssh"], args].concat())
    };
    git(&["init", "-q"])?;
    std::fs::write(place.join("a.c"), "int a;\n").unwrap();
    git(&["add", "a.c"])?;
    git(&["commit", "-q", "-m", "one"])?;
    git(&["tag", "-m", "unsigned", "v1"])?;
    let with = |key: &Path| format!("user.signingkey={}", key.display());
    git(&["-c", &with(ours), "tag", "-s", "-m", "ours", "v2"])?;
    git(&["-c", &with(theirs), "tag", "-s", "-m", "theirs", "v3"])?;
    let changed = git(&["cat-file", "tag", "v2"])?.replace("tag v2", "tag v4");
    std::fs::write(home.join("changed"), changed).unwrap();
    let id = git(&["hash-object", "-t", "tag", "-w", home.join("changed").to_str().unwrap()])?;
    git(&["update-ref", "refs/tags/v4", id.trim()])?;
    git(&["-c", &with(ours), "commit", "-q", "-S", "--allow-empty", "-m", "two"])?;
    git(&["tag", "v5"])?;
    // Signed with GnuPG once, over the first commit, which is the same wherever it is made.
    let tag = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/openpgp/tag");
    let id = git(&["hash-object", "-t", "tag", "-w", tag.to_str().unwrap()])?;
    git(&["update-ref", "refs/tags/v6", id.trim()])?;
    Some(place)
}

async fn signatures_are_checked_by_the_signers_that_are_named(backend: Backend) {
    let home = tempfile::tempdir().unwrap();
    let missing = "git and ssh-keygen, which tests/run.sh installs";
    let (ours, our_key) = key(home.path(), "ours", "ed25519").expect(missing);
    let (theirs, their_key) = key(home.path(), "theirs", "ecdsa").expect(missing);
    let source = repository(home.path(), [&ours, &theirs]).expect(missing);
    let portal = Portal::bare(backend).await;
    let new = NewProduct {
        name: "signed".to_owned(),
        title: "Signed".to_owned(),
        source: source.display().to_string(),
        tags: vec!["v*".to_owned()],
        branches: Vec::new(),
    };
    let draft = Draft::new(Kind::ProductCreated, Outcome::Done);
    let product = portal.rooms.catalog.add(new, draft, &portal.context()).await.unwrap();
    let by = portal.desk(&portal.administrators[0]).await;
    let set = async |signers: String| {
        let settings = Settings { signers, ..Settings::default() };
        portal.rooms.catalog.change_settings(&product, &settings, &by.step_up, &portal.context()).await.unwrap();
    };
    set(format!("dev@vendor.example {our_key}")).await;
    portal.rooms.jobs.request_sync(&product).await.unwrap();
    portal.rooms.jobs.work_off().await.unwrap();
    let verdicts = async || {
        let mut versions = portal.rooms.catalog.versions(&product.id).await.unwrap();
        versions.sort_by(|a, b| a.name.cmp(&b.name));
        versions.into_iter().map(|version| version.verdict).collect::<Vec<_>>()
    };
    let good = |by: &str| Verdict::Good { by: by.to_owned() };
    let found = verdicts().await;
    assert_eq!(
        (&found[0], &found[1], &found[3], &found[4]),
        (&Verdict::Unchecked, &good("dev@vendor.example"), &Verdict::Bad, &good("dev@vendor.example"))
    );
    let Verdict::UnknownKey { key } = &found[2] else { panic!("{found:?}") };
    assert!(key.starts_with("SHA256:"));
    let Verdict::UnknownKey { key: openpgp } = &found[5] else { panic!("{found:?}") };
    assert_eq!(openpgp.len(), 40);
    for entry in of_kind(&portal, Kind::VersionPublished).await {
        let (verdict, signer) = match entry.place.as_ref().unwrap().version.as_deref().unwrap() {
            "v1" => ("unchecked", None),
            "v3" => ("unknown key", Some(key.as_str())),
            "v4" => ("bad", None),
            "v6" => ("unknown key", Some(openpgp.as_str())),
            _ => ("good", Some("dev@vendor.example")),
        };
        assert_eq!((&entry.facts["verdict"], entry.facts.get("signer").and_then(|by| by.as_str())), (&verdict.into(), signer));
    }
    let person = portal.reviewer(&[Grant::of("signed")]).await;
    let reader = portal.sign_in(&person).await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    for page in [reader.get("/p/signed").await, administrator.get("/admin/products/signed").await] {
        let text = page.is(200).text();
        for says in ["good, by dev@vendor.example", &format!("by an unknown key, {key}"), ">bad<", "unsigned"] {
            assert!(text.contains(says), "{says}: {text}");
        }
    }
    // Other signers, another verdict of the same signatures; and a line that cannot be heeded changes nothing.
    let certificate = include_str!("../../vectors/openpgp/vendor.asc");
    set(format!("{certificate}partner@other.example namespaces=\"git\" {their_key}")).await;
    portal.rooms.jobs.work_off().await.unwrap();
    let found = verdicts().await;
    assert!(
        matches!(found[1], Verdict::UnknownKey { .. }) && found[2] == good("partner@other.example") && found[3] == Verdict::Bad,
        "{found:?}"
    );
    assert_eq!(found[5], good("Vendor Release <release@vendor.example>"));
    let changed = of_kind(&portal, Kind::ProductChanged).await.pop().unwrap();
    assert!(changed.facts["before"]["signers"][0].as_str().unwrap().starts_with("dev@vendor.example SHA256:"));
    assert_eq!(changed.facts["after"]["signers"][0], format!("partner@other.example {key}"));
    let fields = [("arrival", "published"), ("every", "off"), ("signers", "somebody cert-authority ssh-ed25519 AAAA")];
    let answer = administrator.post("/admin/products/signed/settings", &fields).await.is(422);
    assert!(answer.text().contains("Line 1: the option cert-authority"), "{}", answer.text());
    for (certificate, says) in [
        (include_str!("../../vectors/openpgp/former-compromised.asc"), "Line 2: no key of the certificate"),
        (certificate.trim_end().trim_end_matches('-'), "Line 2: the end of the certificate is missing"),
    ] {
        let signers = format!("# ours\n{certificate}");
        let fields = [("arrival", "published"), ("every", "off"), ("signers", signers.as_str())];
        let answer = administrator.post("/admin/products/signed/settings", &fields).await.is(422);
        assert!(answer.text().contains(says), "{}", answer.text());
    }
}
