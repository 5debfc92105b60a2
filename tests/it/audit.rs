//! The log as auditors, readers and third parties meet it: what it lists, what it proves, and to whom.

use data_encoding::{BASE64, HEXLOWER};
use lectern::audit::{Filter, Kind, Proof, VerifierKey};
use serde_json::Value;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Hash, HashReader, Tile};

use crate::harness::client::{Client, encoded};
use crate::harness::library::{MAIN, SEED, SOCKET};
use crate::harness::process::{run, said};
use crate::harness::{Backend, Grant, Portal, on_both};

on_both! {
    the_list_for_programs_and_its_filters
    filters_that_mean_nothing_are_refused_in_words
    an_entry_proves_itself_by_two_implementations
    what_is_published_is_what_others_compute
    bundles_are_for_auditors_and_the_token
    an_export_holds_everything_and_is_recorded
    receipts_are_for_those_concerned
    a_reviewer_s_receipts_are_one_file_that_verifies_by_itself
    readers_do_not_see_the_log_and_administrators_not_the_readers
}

/// Two readers, what each did, and an auditor.
async fn busy(backend: Backend) -> (Portal, Client, Client, Client) {
    let portal = Portal::start(backend).await;
    let one = portal.reader().await;
    let two = portal.reviewer(&[Grant::of("ledger")]).await;
    let two = portal.sign_in(&two).await;
    one.get(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200);
    one.get_json(&format!("/p/gateway/v1.0/file/{SEED}")).await.is(200);
    portal.clock.advance(std::time::Duration::from_secs(60));
    one.get_json("/search?q=strcpy").await.is(200);
    two.get_json("/p/ledger/v2.0/tree/src").await.is(200);
    two.get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(404);
    let auditor = portal.sign_in(&portal.auditor).await;
    (portal, one, two, auditor)
}

async fn list(auditor: &Client, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = format!("/audit{query}");
    loop {
        let page = auditor.get_json(&next).await.is(200).json();
        all.extend(page["entries"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(address) => address.clone_into(&mut next),
            None => return all,
        }
    }
}

async fn the_list_for_programs_and_its_filters(backend: Backend) {
    let (portal, one, two, auditor) = busy(backend).await;
    let all = list(&auditor, "").await;
    let indexes: Vec<u64> = all.iter().map(|entry| entry["index"].as_u64().unwrap()).collect();
    assert!(indexes.windows(2).all(|pair| pair[0] == pair[1] + 1), "newest first, and none left out");
    assert_eq!(indexes.last(), Some(&0));
    // Looking at the log stands in it, too.
    assert_eq!(all[0]["kind"], "audit.viewed");
    assert_eq!(all[0]["actor"]["email"], portal.auditor.email.as_str());
    let opened = list(&auditor, "?kind=source.file.opened").await;
    assert_eq!(opened.len(), 2);
    let entry = &opened[1];
    assert_eq!(entry["place"]["product"], "gateway");
    assert_eq!(entry["place"]["version"], "v2.0");
    assert_eq!(entry["place"]["path"], MAIN);
    assert_eq!(entry["place"]["blob"], portal.library.piece("gateway", "v2.0", MAIN).object.as_str());
    assert_eq!(entry["at"], "2027-02-03T09:30:00.000000Z");
    assert_eq!(entry["actor"]["role"], "reviewer");
    assert!(entry["actor"]["agency"].as_str().unwrap().starts_with("Agency "));
    assert!(entry["basis"]["entitlement"].as_str().unwrap().starts_with("ent_"));
    assert!(entry["request"].as_str().unwrap().starts_with("req_"));

    let person = |client: &Client| client.who.clone().unwrap().0;
    let kinds = async |query: String| {
        let entries = list(&auditor, &query).await;
        let mut kinds: Vec<String> = entries.iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(format!("?person={}", person(&two))).await, ["access.denied", "session.opened", "source.tree.listed"]);
    assert_eq!(
        kinds(format!("?person={}&product=gateway", person(&one))).await,
        ["source.file.opened", "source.file.opened", "source.searched", "source.tree.listed"]
    );
    // A directory covers what lies in it, also what a search showed.
    assert_eq!(
        kinds("?product=gateway&path=src&person=reviewer".to_owned()).await,
        ["access.denied", "source.file.opened", "source.searched", "source.tree.listed"]
    );
    assert_eq!(kinds(format!("?product=gateway&path={}", encoded(SOCKET))).await, ["source.searched"]);
    assert_eq!(kinds("?product=gateway&path=src/ne".to_owned()).await, Vec::<String>::new());
    let agency = opened[0]["actor"]["agency_id"].as_str().unwrap();
    assert_eq!(kinds(format!("?agency={agency}&kind=source.searched")).await, ["source.searched"]);
    let later = "2027-02-03T09:31:00Z";
    assert_eq!(kinds(format!("?from={later}&kind=source.searched")).await.len(), 1);
    assert_eq!(kinds(format!("?until={later}&kind=source.searched")).await.len(), 0);
    assert_eq!(kinds(format!("?until={later}&kind=source.file.opened")).await.len(), 2);
    assert_eq!(kinds("?person=no-such-person".to_owned()).await, Vec::<String>::new());
    for entry in list(&auditor, "?kind=source.searched").await {
        assert_eq!(entry["query"], "strcpy");
    }
    auditor.get("/audit").await.is(200);
}

async fn filters_that_mean_nothing_are_refused_in_words(backend: Backend) {
    let portal = Portal::bare(backend).await;
    let auditor = portal.sign_in(&portal.auditor).await;
    for query in ["kind=source.odd", "from=yesterday", "until=31.12.2027", "before=x", "before=-1"] {
        for address in [format!("/audit?{query}"), format!("/audit/export?format=jsonl&{query}")] {
            let page = auditor.get(&address).await.is(400);
            assert!(!page.text().contains("panicked"));
            let error = auditor.get_json(&address).await.is(400).json();
            assert_eq!(error["error"]["code"], "bad_request", "{address}");
            assert!(!error["error"]["message"].as_str().unwrap().is_empty());
        }
    }
    auditor.get("/audit/export?format=exe").await.is(400);
    for odd in ["/audit/entries/x", "/audit/entries/999999", "/audit/entries/-1", "/audit/entries/99999999999999999999999"] {
        auditor.get(odd).await.is(404);
    }
}

fn key(text: &str) -> (VerifierKey, VerifierList) {
    let theirs = StandardVerifier::new(text.trim()).unwrap();
    (text.trim().parse().unwrap(), VerifierList::new(vec![Box::new(theirs)]))
}

/// Size and root of a checkpoint, after another implementation found it signed.
fn opened(note: &str, verifiers: &VerifierList) -> (u64, Hash) {
    let parsed = Note::from_bytes(note.as_bytes()).unwrap();
    assert_eq!(parsed.verify(verifiers).unwrap().0.len(), 1);
    let text = std::str::from_utf8(parsed.text()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "lectern.example/audit");
    (lines[1].parse().unwrap(), hash(&BASE64.decode(lines[2].as_bytes()).unwrap()))
}

fn hash(bytes: &[u8]) -> Hash {
    Hash(bytes.try_into().unwrap())
}

async fn an_entry_proves_itself_by_two_implementations(backend: Backend) {
    let (_portal, _one, _two, auditor) = busy(backend).await;
    let (ours, theirs) = key(&auditor.get("/transparency/key").await.is(200).text());
    let size = auditor.get_json("/audit").await.json()["size"].as_u64().unwrap();
    for index in 0..size {
        let entry = auditor.get_json(&format!("/audit/entries/{index}")).await.is(200).json();
        assert_eq!(entry["index"], index);
        let leaf = HEXLOWER.decode(entry["leaf"].as_str().unwrap().as_bytes()).unwrap();
        let path: Vec<Vec<u8>> =
            entry["proof"].as_array().unwrap().iter().map(|hex| HEXLOWER.decode(hex.as_str().unwrap().as_bytes()).unwrap()).collect();
        let checkpoint = entry["checkpoint"].as_str().unwrap().to_owned();
        let (size, root) = opened(&checkpoint, &theirs);
        assert_eq!(entry["size"], size);
        tlog_tiles::check_record(&path.iter().map(|bytes| hash(bytes)).collect(), size, root, index, hash(&leaf)).unwrap();
        let path = path.into_iter().map(|bytes| bytes.try_into().unwrap()).collect();
        let proof = Proof { extra: None, index, path, checkpoint };
        assert_eq!(proof.verify(&leaf.clone().try_into().unwrap(), &ours).unwrap().size, size);
        let mut other = leaf.clone();
        other[0] ^= 1;
        assert!(proof.verify(&other.try_into().unwrap(), &ours).is_err());
        // The leaf is the hash of the entry that is shown, in its canonical form.
        let canonical = serde_json_canonicalizer::to_vec(&entry["entry"]).unwrap();
        assert_eq!(tlog_tiles::record_hash(&canonical).0.to_vec(), leaf, "entry {index}");
    }
    let page = auditor.get("/audit/entries/3").await.is(200).text();
    assert!(page.contains("Entry 3"), "{page}");
}

struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|&index| self.0[usize::try_from(index).unwrap()]).collect())
    }
}

async fn what_is_published_is_what_others_compute(backend: Backend) {
    let (portal, one, _two, _auditor) = busy(backend).await;
    // More than one tile of each kind.
    for _ in 0..300 {
        one.get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200);
    }
    let stranger = portal.stranger();
    let (_, theirs) = key(&stranger.get("/transparency/key").await.is(200).text());
    for address in ["checkpoint", "handovers", "tile/0/000"] {
        stranger.get(&format!("/transparency/{address}")).await.is(303);
        let bearer = Client::request(axum::http::Method::GET, &format!("/transparency/{address}"), None, &[("authorization", "Bearer x")]);
        stranger.send(bearer).await.is(401);
        let token = std::fs::read_to_string(portal.rooms.config.keys().join("witness.token")).unwrap();
        let token = format!("Bearer {token}");
        let bearer = Client::request(axum::http::Method::GET, &format!("/transparency/{address}"), None, &[("authorization", &token)]);
        stranger.send(bearer).await.is(200);
    }
    let stranger = one;
    let (size, root) = opened(&stranger.get("/transparency/checkpoint").await.is(200).text(), &theirs);
    assert!(size > 300);
    let token = std::fs::read_to_string(portal.rooms.config.keys().join("verifier.token")).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let bundle = async |name: &str| {
        let address = format!("/transparency/tile/entries/{name}");
        let request = Client::request(axum::http::Method::GET, &address, None, &[("authorization", &bearer)]);
        stranger.send(request).await.is(200).body
    };
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for name in ["000".to_owned(), format!("001.p/{}", size - 256)] {
        let bytes = bundle(&name).await;
        let mut rest = bytes.as_slice();
        while let [a, b, more @ ..] = rest {
            let (entry, behind) = more.split_at(usize::from(u16::from_be_bytes([*a, *b])));
            entries.push(entry.to_vec());
            rest = behind;
        }
        assert!(rest.is_empty());
    }
    assert_eq!(entries.len() as u64, size);
    let mut stored = Stored(Vec::new());
    for (index, entry) in (0..).zip(&entries) {
        let more = tlog_tiles::stored_hashes(index, entry, &stored).unwrap();
        stored.0.extend(more);
    }
    assert_eq!(tlog_tiles::tree_hash(size, &stored).unwrap(), root);
    for tile in Tile::new_tiles(8, 0, size) {
        // The other implementation writes the tile height in front of the level.
        let address = tile.path().replacen("tile/8/", "/transparency/tile/", 1);
        let answer = stranger.get(&address).await.is(200);
        assert_eq!(answer.body, tile.read_data(&stored).unwrap(), "{address}");
        assert_eq!(answer.header("content-type"), "application/octet-stream");
    }
    for odd in
        ["tile/0/002", "tile/0/001", "tile/9/000", "tile/0/x", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/00", "tile/../checkpoint"]
    {
        let answer = stranger.get(&format!("/transparency/{odd}")).await;
        assert_eq!(answer.status, 404, "{odd}");
    }
}

async fn bundles_are_for_auditors_and_the_token(backend: Backend) {
    let (portal, one, _two, auditor) = busy(backend).await;
    let address = "/transparency/tile/entries/000.p/1";
    auditor.get(address).await.is(200);
    one.get(address).await.is(404);
    portal.sign_in(&portal.administrators[0]).await.get(address).await.is(404);
    portal.stranger().get(address).await.is(303);
    for wrong in ["Bearer x", "Bearer ", "Bearer 000000000000000000000000000000000000000000000000"] {
        let request = Client::request(axum::http::Method::GET, address, None, &[("authorization", wrong)]);
        portal.stranger().send(request).await.is(401);
    }
}

async fn an_export_holds_everything_and_is_recorded(backend: Backend) {
    let (portal, _one, _two, auditor) = busy(backend).await;
    auditor.get("/audit/export").await.is(200);
    let size = portal.rooms.log.size().await.unwrap();
    let jsonl = auditor.get("/audit/export?format=jsonl").await.is(200);
    assert!(jsonl.header("content-disposition").contains("attachment"));
    let lines: Vec<Value> = jsonl.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let indexes: Vec<u64> = lines.iter().map(|line| line["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, (0..size).rev().collect::<Vec<_>>());
    let csv = auditor.get("/audit/export?format=csv&kind=source.file.opened").await.is(200).text();
    assert_eq!(csv.trim_end().lines().count(), 3, "{csv}");
    assert!(csv.starts_with("index,at,kind"));
    let exported = portal.entries(Filter { kind: Some(Kind::AuditExported), ..Filter::default() }).await;
    assert_eq!(exported.len(), 2);
    assert_eq!(exported[0].facts["format"], "jsonl");
    // It weighs: later it asks for the password again.
    portal.clock.advance(std::time::Duration::from_secs(601));
    let asked = auditor.get("/audit/export?format=jsonl").await.is(303);
    assert!(asked.location().starts_with("/reauthenticate?"));
    assert_eq!(portal.entries(Filter { kind: Some(Kind::AuditExported), ..Filter::default() }).await.len(), 2);
}

async fn receipts_are_for_those_concerned(backend: Backend) {
    let (portal, one, two, auditor) = busy(backend).await;
    let opened_entries = portal.entries(Filter { kind: Some(Kind::FileOpened), ..Filter::default() }).await;
    let entry = &opened_entries[0];
    let address = format!("/transparency/receipt/{}", entry.index);
    let (ours, theirs) = key(&one.get("/transparency/key").await.text());
    for client in [&one, &auditor] {
        let receipt = client.get(&address).await.is(200).text();
        let proof: Proof = receipt.parse().unwrap();
        assert_eq!(proof.index, entry.index);
        assert_eq!(proof.leaf(), Some(entry.leaf));
        proof.verify(&entry.leaf, &ours).unwrap();
        let (size, root) = opened(&proof.checkpoint, &theirs);
        let path = proof.path.iter().map(|bytes| hash(bytes)).collect();
        tlog_tiles::check_record(&path, size, root, proof.index, hash(&entry.leaf)).unwrap();
        // Who it was stands beside the log, not in it.
        assert!(!String::from_utf8_lossy(&proof.extra.unwrap()).contains('@'));
    }
    let missing = two.get("/no/such/page").await.is(404);
    assert_eq!(two.get(&address).await.essence(), missing.essence());
    assert_eq!(two.get("/transparency/receipt/999999").await.essence(), missing.essence());
    portal.sign_in(&portal.administrators[0]).await.get(&address).await.is(404);
    portal.stranger().get(&address).await.is(303);
    one.get("/transparency/receipt/0").await.is(404);
    one.get("/transparency/receipt/x").await.is(404);
}

async fn a_reviewer_s_receipts_are_one_file_that_verifies_by_itself(backend: Backend) {
    let (portal, one, two, auditor) = busy(backend).await;
    one.get("/p/gateway/v2.0/file/never/there.c").await.is(404);
    for _ in 0..300 {
        one.get_json(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200);
    }
    let listed = one.get_json("/transparency/receipts").await.is(200).json();
    let count = listed["count"].as_u64().unwrap();
    assert!(count > 300 && listed["receipts"].as_array().unwrap().len() == 100);
    let page = one.get("/transparency/receipts").await.is(200).text();
    assert!(page.contains(&format!("Download all {count} receipts")) && page.contains("Older receipts"), "{page}");
    one.get(listed["next"].as_str().unwrap()).await.is(200);
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("receipts.tlog-proofs");
    let (vkey, _) = key(&one.get("/transparency/key").await.text());
    for (client, address, least) in [
        (&one, "/transparency/receipts/bundle".to_owned(), count),
        (&one, format!("/transparency/receipts/bundle?path={MAIN}"), 300),
        (&two, "/transparency/receipts/bundle".to_owned(), 1),
        (&auditor, format!("/audit/export?format=receipts&path={MAIN}"), 300),
    ] {
        let bundle = client.get(&address).await.is(200).text();
        let proofs: Vec<Proof> = lectern::audit::read_proofs(bundle.as_bytes()).map(Result::unwrap).collect();
        assert!(proofs.len() as u64 >= least, "{address}: {}", proofs.len());
        let theirs = portal.rooms.log.list(&Filter::default(), 10_000).await.unwrap().entries;
        for proof in &proofs {
            let entry = theirs.iter().find(|entry| entry.index == proof.index).unwrap();
            proof.verify(&entry.leaf, &vkey).unwrap();
            // Why somebody was refused is not for them to know; that they were is in their receipts.
            assert_eq!(proof.extra.is_none(), entry.kind == Kind::AccessDenied && !address.starts_with("/audit"), "{address}");
        }
        std::fs::write(&file, &bundle).unwrap();
        let verified = run(&["audit", "verify", file.to_str().unwrap(), "--key", &vkey.to_string()]);
        assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
        // One receipt that carries its entry, moved to another place.
        let whole = proofs.iter().find(|proof| proof.extra.is_some()).unwrap();
        let moved = Proof { index: whole.index ^ 1, ..whole.clone() }.to_string();
        std::fs::write(&file, bundle.replacen(&whole.to_string(), &moved, 1)).unwrap();
        let verified = run(&["audit", "verify", file.to_str().unwrap(), "--key", &vkey.to_string()]);
        assert_eq!(verified.status.code(), Some(1), "{}", said(&verified));
    }
    let denied = portal.entries(Filter { kind: Some(Kind::AccessDenied), ..Filter::default() }).await;
    let mine =
        |entry: &&lectern::audit::Entry| entry.place.as_ref().and_then(|p| p.path.as_ref()).is_some_and(|p| p.text == "never/there.c");
    let mine = denied.iter().find(mine).unwrap();
    let single = one.get(&format!("/transparency/receipt/{}", mine.index)).await.is(200).text();
    assert_eq!(single.parse::<Proof>().unwrap().extra, None);
    // Whose they are is not for the address to say.
    let asked = one.get_json(&format!("/transparency/receipts?person={0}&agency={0}", "two")).await.is(200).json();
    assert_eq!(asked["count"], count);
    one.get("/transparency/receipts?from=yesterday").await.is(400);
    one.get("/transparency").await.is(200);
    portal.stranger().get("/transparency/receipts/bundle").await.is(303);
}

async fn readers_do_not_see_the_log_and_administrators_not_the_readers(backend: Backend) {
    let (portal, one, _two, auditor) = busy(backend).await;
    let administrator = portal.sign_in(&portal.administrators[0]).await;
    for page in ["/audit", "/audit/entries/0", "/audit/export", "/audit/export?format=jsonl"] {
        one.get(page).await.is(404);
        administrator.get(page).await.is(404);
    }
    for page in ["/", "/admin/grants", "/admin/people", "/admin/agencies", "/admin/products", "/admin/products/gateway", "/account"] {
        let text = administrator.get(page).await.is(200).text();
        for hidden in ["gateway_main", "hsm_seed", "strcpy", "source.file"] {
            assert!(!text.contains(hidden), "{hidden} shows at {page}");
        }
    }
    for page in ["/p", "/p/gateway", "/search?q=strcpy", "/p/gateway/v2.0/tree/"] {
        auditor.get(page).await.is(404);
    }
}
