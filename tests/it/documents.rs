//! What is attached to agreements: kept as it was sent, replaced and never removed, handed out as a file and nothing else.

use lectern::audit::{Filter, Kind};
use sha2::{Digest as _, Sha256};

use crate::harness::client::Client;
use crate::harness::{Agency, Backend, Portal, on_both};

on_both! {
    a_document_is_kept_as_it_was_sent_and_replaced_by_another
    what_cannot_be_taken_is_told_and_nothing_is_kept
    of_two_who_replace_one_at_once_one_is_told
}

const LARGEST: usize = 16 << 20;

struct Scene {
    portal: Portal,
    agency: Agency,
    first: Client,
    csrf: String,
}

impl Scene {
    async fn set(backend: Backend) -> Self {
        let portal = Portal::bare(backend).await;
        let agency = portal.agency().await;
        let first = portal.sign_in(&portal.administrators[0]).await;
        let csrf = first.csrf().await;
        Self { portal, agency, first, csrf }
    }

    fn page(&self) -> String {
        format!("/admin/agreements/{}/documents", self.agency.agreement)
    }

    async fn all(&self) -> Vec<serde_json::Value> {
        self.first.get_json(&self.page()).await.is(200).json()["documents"].as_array().unwrap().clone()
    }

    async fn attached(&self) -> usize {
        self.portal.entries(Filter { kind: Some(Kind::DocumentAttached), ..Filter::default() }).await.len()
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

async fn a_document_is_kept_as_it_was_sent_and_replaced_by_another(backend: Backend) {
    let scene = Scene::set(backend).await;
    // Bytes of every kind, with the boundary of the form among them.
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(70_000).chain(*b"--edge").collect();
    scene.first.upload(&scene.page(), &[("csrf", &scene.csrf)], ("Vertr\u{e4}ge 2027.pdf", &bytes)).await.is(303);
    let all = scene.all().await;
    assert_eq!((all[0]["name"].as_str(), all[0]["size"].as_u64()), (Some("Vertr\u{e4}ge 2027.pdf"), Some(bytes.len() as u64)));
    assert_eq!(all[0]["sha256"], hex(&bytes).as_str());
    let id = all[0]["id"].as_str().unwrap().to_owned();
    let sent = scene.first.get(&format!("{}/{id}", scene.page())).await.is(200);
    assert_eq!(sent.body, bytes);
    assert_eq!(sent.header("content-type"), "application/octet-stream");
    assert_eq!(sent.header("x-content-type-options"), "nosniff");
    assert_eq!(sent.header("content-security-policy"), "default-src 'none'; sandbox");
    assert!(sent.header("content-disposition").starts_with("attachment; filename=\"Vertr_ge 2027.pdf\";"));
    let entry = scene.portal.entries(Filter { kind: Some(Kind::DocumentAttached), ..Filter::default() }).await.pop().unwrap();
    assert_eq!((&entry.facts["sha256"], &entry.facts["size"]), (&hex(&bytes).into(), &(bytes.len() as u64).into()));
    assert_eq!(entry.facts["name"], "Vertr\u{e4}ge 2027.pdf");

    scene.first.upload(&scene.page(), &[("csrf", &scene.csrf), ("replaces", &id)], ("signed.pdf", b"signed")).await.is(303);
    let all = scene.all().await;
    assert_eq!((all.len(), all.iter().filter(|one| one["replaced"] == true).count()), (2, 1));
    let entry = scene.portal.entries(Filter { kind: Some(Kind::DocumentAttached), ..Filter::default() }).await.pop().unwrap();
    assert_eq!(entry.facts["replaces"], id.as_str());
    // What was replaced is there still, and cannot be replaced once more.
    assert_eq!(scene.first.get(&format!("{}/{id}", scene.page())).await.is(200).body, bytes);
    let again = scene.first.upload(&scene.page(), &[("csrf", &scene.csrf), ("replaces", &id)], ("other.pdf", b"other")).await.is(422);
    assert!(again.text().contains("was replaced already"), "{}", again.text());
    let page = scene.first.get(&scene.page()).await.is(200).text();
    assert!(page.contains("Replaced") && page.contains("signed.pdf"), "{page}");
    assert!(scene.first.get(&format!("/admin/agreements/{}", scene.agency.agreement)).await.is(200).text().contains("1 document"));

    // Nobody else, and nowhere else.
    let other = scene.portal.agency().await;
    scene.first.get(&format!("/admin/agreements/{}/documents/{id}", other.agreement)).await.is(404);
    let elsewhere = format!("/admin/agreements/{}/documents", other.agreement);
    scene.first.upload(&elsewhere, &[("csrf", &scene.csrf), ("replaces", &id)], ("x.pdf", b"x")).await.is(422);
    scene.first.get(&format!("{}/doc_none", scene.page())).await.is(404);
    let auditor = scene.portal.sign_in(&scene.portal.auditor).await;
    auditor.get(&scene.page()).await.is(404);
    auditor.get(&format!("{}/{id}", scene.page())).await.is(404);
    let csrf = auditor.csrf().await;
    auditor.upload(&scene.page(), &[("csrf", &csrf)], ("x.pdf", b"x")).await.is(404);
    assert_eq!(scene.attached().await, 2);
}

async fn what_cannot_be_taken_is_told_and_nothing_is_kept(backend: Backend) {
    let scene = Scene::set(backend).await;
    let with = [("csrf", scene.csrf.as_str())];
    for (name, bytes, says) in [
        ("", b"x".as_slice(), "Choose a file"),
        ("empty.pdf", b"", "Choose a file"),
        ("..", b"", "Choose a file"),
        ("/", b"x", "Choose a file"),
        ("a\u{202e}fdp.exe", b"x", "hide or turn"),
    ] {
        let told = scene.first.upload(&scene.page(), &with, (name, bytes)).await.is(422);
        assert!(told.text().contains(says), "{name:?}: {}", told.text());
    }
    let long = format!("{}.pdf", "x".repeat(300));
    scene.first.upload(&scene.page(), &with, (&long, b"x")).await.is(422);
    let told = scene.first.upload(&scene.page(), &with, ("large.pdf", &vec![b'x'; LARGEST + 1])).await.is(422);
    assert!(told.text().contains("larger than 16 MB"), "{}", told.text());
    let told = scene.first.upload(&scene.page(), &with, ("larger.pdf", &vec![b'x'; 2 * LARGEST + 1])).await;
    assert!(told.status.is_client_error(), "{}", told.status);
    // Without the token, with it behind the file, with another's, and from another page.
    for parts in [&[][..], &[("replaces", "")], &[("csrf", "x")], &[("replaces", ""), ("csrf", &scene.csrf)]] {
        scene.first.upload(&scene.page(), parts, ("a.pdf", b"x")).await.is(403);
    }
    // Half sent, or no such form at all.
    let head = format!("--edge\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{}\r\n", scene.csrf);
    let file = "--edge\r\nContent-Disposition: form-data; name=\"document\"; filename=\"a.pdf\"\r\n\r\nthe first ha";
    for body in [format!("{head}{file}"), format!("{head}--edge"), String::new(), "--other--\r\n".to_owned()] {
        let told = scene.first.send_parts(&scene.page(), body.clone().into_bytes(), "edge").await;
        assert!(told.status.is_client_error(), "{} {body:?}", told.status);
    }
    scene.first.post(&scene.page(), &[("document", "x")]).await.is(400);
    assert_eq!((scene.all().await.len(), scene.attached().await), (0, 0));

    // As large as may be, and a name from another system.
    scene.first.upload(&scene.page(), &with, ("C:\\papers\\..\\signed.pdf", &vec![b'x'; LARGEST])).await.is(303);
    let all = scene.all().await;
    assert_eq!((all[0]["name"].as_str(), all[0]["size"].as_u64()), (Some("signed.pdf"), Some(LARGEST as u64)));
}

async fn of_two_who_replace_one_at_once_one_is_told(backend: Backend) {
    let scene = Scene::set(backend).await;
    let second = scene.portal.sign_in(&scene.portal.administrators[1]).await;
    let csrf = second.csrf().await;
    scene.first.upload(&scene.page(), &[("csrf", &scene.csrf)], ("a.pdf", b"a")).await.is(303);
    for round in 0..3 {
        let all = scene.all().await;
        let id = all.iter().find(|one| one["replaced"] == false).unwrap()["id"].as_str().unwrap().to_owned();
        let (page, left, right) =
            (scene.page(), [("csrf", scene.csrf.as_str()), ("replaces", &id)], [("csrf", csrf.as_str()), ("replaces", &id)]);
        let (a, b) = tokio::join!(scene.first.upload(&page, &left, ("b.pdf", b"b")), second.upload(&page, &right, ("c.pdf", b"c")));
        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert!(statuses == [303, 409] || statuses == [303, 422], "{statuses:?}");
        assert_eq!(scene.all().await.len(), round + 2);
    }
}
