//! People and grants as files, at the portal and from the command line: what a file would do is told line by line, and then all of it is
//! done or nothing.

use std::fs;
use std::path::Path;

use lectern::audit::{Filter, Kind};
use serde_json::Value;

use crate::harness::client::Client;
use crate::harness::process::{lectern, run, said};
use crate::harness::{Backend, DAY, Portal, on_both};

on_both! {
    a_file_of_people_is_looked_at_and_then_carried_out_whole
    a_file_of_grants_proposes_and_gives_nothing
    what_was_written_out_changes_nothing_when_it_is_read_in
}

const PEOPLE: &str = "/admin/people/import";

/// The digest that a page of a dry run carries.
fn digest_in(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("name=\"digest\" value=\"")?;
    Some(rest.split('"').next().unwrap().to_owned())
}

async fn look(client: &Client, address: &str, csv: &str) -> String {
    client.post(address, &[("csv", csv)]).await.is(200).text()
}

async fn number(portal: &Portal, kind: Kind) -> usize {
    portal.entries(Filter { kind: Some(kind), ..Filter::default() }).await.len()
}

async fn a_file_of_people_is_looked_at_and_then_carried_out_whole(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let (agency, other) = (portal.agency().await, portal.agency().await);
    let reference = |of: &crate::harness::Agency| of.name.replace("Agency ", "GSP-");
    let there = portal.named(&agency).await;
    let client = portal.sign_in(&portal.administrators[0]).await;
    let second = portal.sign_in(&portal.administrators[1]).await;
    let good = format!(
        "email,name,role,agency,agreements\r\nAda@one.example,Ada Byron,,{agency},{reference}\r\nbea@vendor.example,Bea,auditor,,\r\n{there},,reviewer,{agency},{reference}\r\n",
        agency = agency.name,
        reference = reference(&agency),
        there = there.email,
    );
    // A line that cannot be done keeps all of them from being done, whatever is sent.
    for (line, words) in [
        (format!("carl@one.example,Carl,,{},", "No such agency"), "There is no agency"),
        (format!("carl@one.example,Carl,,{},{}", agency.name, reference(&other)), "is with another agency"),
        (format!("carl@one.example,Carl,,{},GSP-none", agency.name), "There is no agreement"),
        ("carl@one.example,Carl,auditor,,".to_owned() + &reference(&agency), "is with another agency"),
        ("carl@one.example,Carl,publisher,,".to_owned(), "There is no role"),
        ("carl@one.example,Carl,reviewer,,".to_owned(), "Choose the agency"),
        ("carl,Carl,auditor,,".to_owned(), "Write an e-mail address"),
        ("ADA@one.example,Ada Byron,,".to_owned() + &agency.name + ",", "Line 2 is about the same person"),
        (format!("{},,administrator,,", there.email), "They are a reviewer here"),
        (format!("{},,,{},", there.email, other.name), "They are of"),
        (format!("{},Another Name,,{},", there.email, agency.name), "Their name is"),
    ] {
        let file = if line.starts_with(&there.email) {
            good.replace(&format!("{},,reviewer", there.email), "x@one.example,X,reviewer")
        } else {
            good.clone()
        };
        let file = format!("{file}{line}\r\n");
        let page = look(&client, PEOPLE, &file).await;
        assert!(page.contains(words) && page.contains("1 line cannot be done"), "{line}: {page}");
        assert!(digest_in(&page).is_none(), "{line}");
        client.post(PEOPLE, &[("csv", &file), ("digest", &"0".repeat(64))]).await.is(409);
    }
    for (file, words) in
        [("", "The column email is missing"), ("email,name,shoe\r\n", "There is no column"), ("email,name\r\na\r\n", "Line 2 has 1 fields")]
    {
        let page = client.post(PEOPLE, &[("csv", file)]).await.is(422).text();
        assert!(page.contains(words), "{page}");
    }
    assert_eq!(portal.rooms.accounts.list().await.unwrap().len(), 4, "looking made somebody");

    let page = look(&client, PEOPLE, &good).await;
    assert!(page.contains("2 lines would make something, 1 line nothing"), "{page}");
    for words in ["Invites Ada Byron as a reviewer of", "Nominates them for", "Invites Bea as an auditor, which another administrator"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let digest = digest_in(&page).unwrap();
    let size = portal.rooms.log.size().await.unwrap();
    // Another file than the one that was looked at is not carried out.
    client.post(PEOPLE, &[("csv", &good.replace("Bea", "Mallory")), ("digest", &digest)]).await.is(409);
    assert_eq!(portal.rooms.log.size().await.unwrap(), size);
    let page = client.post(PEOPLE, &[("csv", &good), ("digest", &digest)]).await.is(200).text();
    assert_eq!(page.matches("/invitation/").count(), 2);
    for (kind, count) in [
        (Kind::AccountInvited, 2),
        (Kind::PersonNominated, 1),
        (Kind::PersonApproved, 0),
        (Kind::ListImported, 1),
        (Kind::AccountInvitationApproved, 0),
    ] {
        assert_eq!(number(&portal, kind).await, count, "{kind}");
    }
    // What takes two still does.
    let bea = portal.rooms.accounts.find("bea@vendor.example").await.unwrap().unwrap();
    assert!(second.get(&format!("/admin/people/{}", bea.id)).await.is(200).text().contains("Approve invitation"));
    assert!(!portal.rooms.entitlements.people(&agency.agreement).await.unwrap().contains(&bea.id));
    // The same again changes nothing and says so.
    let size = portal.rooms.log.size().await.unwrap();
    let page = look(&client, PEOPLE, &good).await;
    assert!(page.contains("It would change nothing") && digest_in(&page).is_none(), "{page}");
    client.post(PEOPLE, &[("csv", &good), ("digest", &digest)]).await.is(200);
    assert_eq!(portal.rooms.log.size().await.unwrap(), size);
}

async fn a_file_of_grants_proposes_and_gives_nothing(backend: Backend) {
    let portal = Portal::bare(backend).await;
    portal.bring("gateway").await;
    let agency = portal.agency().await;
    let person = portal.named(&agency).await;
    let reference = agency.name.replace("Agency ", "GSP-");
    let client = portal.sign_in(&portal.administrators[0]).await;
    let address = "/admin/grants/import";
    let header = "agreement,product,versions,from,until,purpose,include,exclude,people,needed\r\n";
    let whole = format!("{header}{reference},gateway,v2.*,2027-03-01,2027-12-31,a review,,,,\r\n");
    let part =
        format!("{reference},gateway,\"v1.*\nv2.0\",2027-03-01,2027-12-31,\"=SUM(1)\",\"src\nsecret\",src/net,{},2\r\n", person.email);
    for (line, words) in [
        ("GSP-none,gateway,*,2027-03-01,2027-12-31,x,,,,\r\n".to_owned(), "There is no agreement"),
        (format!("{reference},none,*,2027-03-01,2027-12-31,x,,,,\r\n"), "There is no product"),
        (format!("{reference},gateway,*,soon,2027-12-31,x,,,,\r\n"), "is no day"),
        (format!("{reference},gateway,*,2027-03-01,2040-12-31,x,,,,\r\n"), "beyond its agreement"),
        (format!("{reference},gateway,*,2027-03-01,2027-12-31,x,,,nobody@one.example,\r\n"), "does not name nobody@one.example"),
        (format!("{reference},gateway,*,2027-03-01,2027-12-31,x,,,,9\r\n"), "one to five approvals"),
        (format!("{reference},gateway,*,2027-03-01,2027-12-31,,,,,\r\n"), "cannot be left empty"),
        (format!("{reference},gateway,v2.*,2027-03-01,2027-12-31,a review,,,,\r\n"), "An earlier line proposes the same"),
    ] {
        let page = look(&client, address, &format!("{whole}{line}")).await;
        assert!(page.contains(words) && digest_in(&page).is_none(), "{line}: {page}");
    }
    let file = format!("{whole}{part}");
    let digest = digest_in(&look(&client, address, &file).await).unwrap();
    assert!(portal.rooms.entitlements.list().await.unwrap().is_empty());
    client.post(address, &[("csv", &file), ("digest", &digest)]).await.is(303);
    let lines = portal.rooms.entitlements.list().await.unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.entitlement.state.as_str() == "proposed"));
    let one = lines.iter().find(|line| line.entitlement.needed == 2).unwrap();
    assert_eq!(one.entitlement.versions, ["v1.*", "v2.0"]);
    assert_eq!((one.entitlement.scope.includes.len(), one.entitlement.scope.excludes.len()), (2, 1));
    assert_eq!(one.entitlement.window.until.to_string(), "2028-01-01T00:00:00.000000Z", "the last day counts whole");
    assert!(look(&client, address, &file).await.contains("It would change nothing"));
    // Written out no cell begins a formula, and read in again it says the same.
    let written = client.get("/admin/grants/export").await.is(200);
    assert_eq!(written.header("content-disposition"), "attachment; filename=\"grants.csv\"");
    assert!(written.text().contains("\"'=SUM(1)\""), "{}", written.text());
    assert!(look(&client, address, &written.text()).await.contains("It would change nothing"));
    assert_eq!(number(&portal, Kind::ListExported).await, 1);
}

async fn what_was_written_out_changes_nothing_when_it_is_read_in(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let agency = portal.agency().await;
    portal.named(&agency).await;
    let client = portal.sign_in(&portal.administrators[0]).await;
    let odd = format!("email,name,agency\r\nodd@one.example,\"=cmd|' /C calc'!A0\",{}\r\n", agency.name);
    let digest = digest_in(&look(&client, PEOPLE, &odd).await).unwrap();
    client.post(PEOPLE, &[("csv", &odd), ("digest", &digest)]).await.is(200);
    let written = client.get("/admin/people/export").await.is(200).text();
    assert!(written.contains("\"'=cmd|") && !written.contains(",=") && !written.contains("\n="), "{written}");
    assert_eq!(written.lines().next().unwrap(), "email,name,role,agency,agreements,state");
    let page = look(&client, PEOPLE, &written).await;
    assert!(page.contains("It would change nothing"), "{page}");
    // It is asked for again who it is, some minutes later.
    portal.clock.advance(DAY / 100);
    let asked = client.get("/admin/people/export").await.is(303);
    assert!(asked.location().starts_with("/reauthenticate"), "{}", asked.location());
}

/// Runs `lectern admin …` on an installation.
fn admin(config: &Path, args: &[&str]) -> (i32, String) {
    let mut all = vec!["admin"];
    all.extend(args);
    all.extend(["--config", config.to_str().unwrap()]);
    let output = run(&all);
    (output.status.code().unwrap(), said(&output))
}

#[test]
fn scripts_do_the_same_twice_and_nothing_changes() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("lectern.toml");
    let init = lectern()
        .args(["init", "--config", config.to_str().unwrap(), "--log-origin", "room.example/audit", "--administrators"])
        .args(["one@vendor.example", "two@vendor.example"])
        .output()
        .unwrap();
    assert!(init.status.success(), "{}", said(&init));
    let told = said(&init);
    let password = told.lines().find(|line| line.contains("one@vendor.example")).unwrap().rsplit(' ').next().unwrap().to_owned();
    let admin = |args: &[&str]| admin(&config, args);
    let outcomes = |text: &str| -> Vec<String> {
        let rows: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        rows.as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap().to_owned()).collect()
    };
    let term = ["--from", "2026-01-01", "--until", "2099-12-31"];
    let steps: [Vec<&str>; 3] = [
        vec!["agencies", "add", "Agency One", "--country", "Atlantis"],
        [vec!["agreements", "add", "Agency One", "ONE"], term.to_vec()].concat(),
        vec!["people", "add", "ada@one.example", "--name", "Ada", "--agency", "agency-one", "--agreement", "ONE"],
    ];
    for step in steps {
        for (more, outcome) in [(vec!["--dry-run"], "make"), (vec![], "make"), (vec![], "nothing"), (vec!["--dry-run"], "nothing")] {
            let (code, text) = admin(&[step.clone(), vec!["--json"], more.clone()].concat());
            assert_eq!((code, outcomes(&text)), (0, vec![outcome.to_owned()]), "{step:?} {more:?}");
        }
    }
    // With another country, term or name it is refused, and nothing changes.
    assert_eq!(admin(&["agencies", "add", "Agency One", "--country", "Lyonesse"]).0, 1);
    assert_eq!(admin(&["agreements", "add", "Agency One", "ONE", "--from", "2026-01-01", "--until", "2098-12-31"]).0, 1);
    assert_eq!(admin(&["people", "add", "ada@one.example", "--name", "Bea", "--agency", "Agency One"]).0, 1);
    assert_eq!(admin(&["people", "add", "ada@one.example"]).0, 2, "usage");
    let (code, listed) = admin(&["people", "list"]);
    assert_eq!(code, 0);
    assert!(listed.contains("ada@one.example\tAda\treviewer\tAgency One\tinvited\tno\n"), "{listed}");

    let file = home.path().join("people.csv");
    let path = file.to_str().unwrap();
    fs::write(&file, "email,name,agency\nada@one.example,Ada,Agency One\nbea@one.example,Bea,Agency One\n").unwrap();
    let (code, text) = admin(&["people", "import", path, "--dry-run", "--json"]);
    assert_eq!((code, outcomes(&text)), (0, vec!["nothing".to_owned(), "make".to_owned()]));
    let digest = serde_json::from_str::<Value>(&text).unwrap()[0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(admin(&["people", "import", path, "--digest", &"0".repeat(64)]).0, 1);
    let (code, text) = admin(&["people", "import", path, "--digest", &digest]);
    assert!(code == 0 && text.contains("/invitation/"), "{text}");
    let (code, text) = admin(&["people", "import", path, "--digest", &digest, "--json"]);
    assert_eq!((code, outcomes(&text)), (0, vec!["nothing".to_owned(), "nothing".to_owned()]));
    fs::write(&file, "email,name,agency\ncarl@one.example,Carl,Agency One\nada@one.example,Ada,Agency Two\n").unwrap();
    let (code, text) = admin(&["people", "import", path]);
    assert!(code == 1 && text.contains("There is no agency"), "{text}");
    assert!(!admin(&["people", "list"]).1.contains("carl"));
    assert_eq!(admin(&["people", "import", "/nowhere"]).0, 1);

    // A grant is proposed by an administrator with their password, and given to nobody.
    let grants = home.path().join("grants.csv");
    fs::write(&grants, "agreement,product,versions,from,until,purpose\nONE,none,*,2026-01-01,2098-12-31,review\n").unwrap();
    let secret = home.path().join("password");
    fs::write(&secret, format!("{password}\n")).unwrap();
    let import = ["grants", "import", grants.to_str().unwrap(), "--as", "one@vendor.example", "--password-file", secret.to_str().unwrap()];
    let (code, text) = admin(&import);
    assert!(code == 1 && text.contains("There is no product"), "{text}");
    fs::write(&secret, "wrong\n").unwrap();
    let (code, text) = admin(&import);
    assert!(code == 1 && text.contains("cannot sign in"), "{text}");
    assert_eq!(admin(&["grants", "list"]), (0, String::new()));
    assert!(admin(&["grants", "export"]).1.starts_with("agreement,product,"));
    assert!(admin(&["people", "export"]).1.contains("bea@one.example,Bea,reviewer,Agency One,,invited"));

    for outcome in ["make", "nothing"] {
        let (code, text) = admin(&["people", "lock", "bea@one.example", "--reason", "left", "--json"]);
        assert_eq!((code, outcomes(&text)), (0, vec![outcome.to_owned()]));
    }
    let (code, text) = admin(&["people", "lock", "two@vendor.example", "--reason", "left"]);
    assert!(code == 1 && text.contains("Fewer than two administrators"), "{text}");
    // A reset takes nobody else here, and says so; whoever has nothing that could be reset is refused.
    let reset = ["people", "reset", "two@vendor.example", "--reason", "lost", "--json"];
    assert_eq!(admin(&[reset.as_slice(), &["--factor-only"]].concat()).0, 1);
    let (code, text) = admin(&reset);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert!(code == 0 && told[0]["says"].as_str().unwrap().contains("by one hand"), "{text}");
    assert!(told[0]["link"].as_str().unwrap().contains("/reset/") && told[0]["code"].as_str().unwrap().len() == 19, "{text}");
    assert!(admin(&["people", "list"]).1.contains("two@vendor.example\tadministrator\t\treset\tno\n"));
    assert!(admin(&["agreements", "list"]).1.contains("ONE\tAgency One\t"));
    assert!(admin(&["agencies", "list"]).1.contains("agency-one\tAgency One\tAtlantis\tyes"));
}
