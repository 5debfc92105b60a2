//! Promise 1 is checked at the end of every test. Here the check itself is: it passes over what was recorded and finds what
//! was not.

use std::collections::BTreeSet;

use crate::harness::library::{self, MAIN, SEED, VERSIONS};
use crate::harness::{Backend, Portal, canaries_in, on_both};

on_both! { what_is_recorded_passes_and_what_is_not_is_found }

async fn what_is_recorded_passes_and_what_is_not_is_found(backend: Backend) {
    let portal = Portal::start(backend).await;
    let reader = portal.reader().await;
    reader.get(&format!("/p/gateway/v2.0/file/{MAIN}")).await.is(200);
    assert_eq!(portal.what_is_wrong().await, Vec::<String>::new());

    let piece = portal.library.piece("gateway", "v2.0", SEED);
    // A page that shows a file, a listing and a search that nobody recorded.
    for (address, body, says) in [
        ("/p/gateway/v2.0/file/x", format!("<i>{}</i>", piece.canaries[0]), SEED),
        ("/p/gateway/v2.0/tree/secret", "<a>socket_close.c</a>".to_owned(), "socket_close.c"),
        ("/search?q=x", format!("<mark>CANARY</mark>{}", &piece.canaries[0][6..]), SEED),
        ("/p/gateway/v2.0/file/x", "CANARY-000000000".to_owned(), "CANARY-000000000 stands in no file"),
        // The right file, but of an earlier request: each showing has its own entry.
        ("/p/gateway/v2.0/file/x", portal.library.piece("gateway", "v2.0", MAIN).canaries[0].clone(), MAIN),
        // The right path, but of another version.
        ("/p/gateway/v1.0/file/x", portal.library.piece("gateway", "v1.0", MAIN).canaries[0].clone(), "v1.0"),
    ] {
        let before = portal.what_is_wrong().await.len();
        portal.pretend(&reader, address, body.as_bytes()).await;
        let wrong = portal.what_is_wrong().await;
        assert_eq!(wrong.len(), before + 1, "{address}: {wrong:?}");
        assert!(wrong.last().unwrap().contains(says), "{wrong:?}");
    }
    portal.do_not_check();
}

#[test]
fn every_file_of_every_version_has_a_canary_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let library = library::Library::write(home.path());
    let mut seen = BTreeSet::new();
    for piece in &library.pieces {
        let own = library::canary(piece.product, piece.version, &piece.path);
        assert!(seen.insert(own), "{} {}", piece.version, piece.path_text());
        let plain = piece.text.as_ref().map_or(piece.bytes.as_slice(), |text| text.as_bytes());
        let found: Vec<String> = canaries_in(plain).into_iter().collect();
        let mut canaries = piece.canaries.clone();
        canaries.sort();
        if piece.mode != git2::FileMode::Commit {
            assert_eq!(found, canaries, "{}", piece.path_text());
        }
    }
    assert_eq!(library.of("gateway", VERSIONS[0]).count(), library.of("gateway", VERSIONS[2]).count());
}

#[test]
fn canaries_are_seen_through_markup() {
    let one = |text: &str| canaries_in(text.as_bytes()).into_iter().collect::<Vec<_>>();
    assert_eq!(one("<td>CANARY-012345678</td>"), ["CANARY-012345678"]);
    assert_eq!(one("<mark>CANARY</mark>-01<b class=x>2345678</b>"), ["CANARY-012345678"]);
    assert_eq!(one("CANARY-01234567"), Vec::<String>::new());
    assert_eq!(one("CANARY and CANARY-xyz"), Vec::<String>::new());
}
