//! The table: read as written, refused when damaged, and the same however it was gathered.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::gather::gather;
use super::{Deadline, Past, Tables};
use crate::catalog::RepoPath;
use crate::source::history::History;
use crate::source::raw::Repositories;
use crate::source::raw::tests::Fixture;
use crate::source::tree::ObjectId;

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text.as_bytes()).unwrap()
}

struct Made {
    fixture: Fixture,
    history: History,
}

impl Made {
    fn new() -> Self {
        let fixture = Fixture::new();
        let history = History::of(Arc::new(Repositories::at(fixture.repositories.root().to_owned())), "x");
        Self { fixture, history }
    }

    fn commit(&self, files: &[(&str, &str, &str)], parents: &[ObjectId], at: u32) -> ObjectId {
        let blobs: Vec<(&str, &[u8], ObjectId)> =
            files.iter().map(|(mode, name, text)| (*mode, name.as_bytes(), self.fixture.blob(text.as_bytes()))).collect();
        let parents: String = parents.iter().map(|parent| "parent ".to_owned() + &parent.to_string() + "\n").collect();
        let who = format!("A <a@b> {at} +0000");
        self.fixture.commit(self.fixture.tree(&blobs), format!("{parents}author {who}\ncommitter {who}\n\nat {at}\n").as_bytes())
    }

    /// Two sides and their merge, a mode changed, a file gone and come again.
    fn commits(&self) -> Vec<ObjectId> {
        let one = self.commit(&[("100644", "a", "1\n"), ("100644", "b", "1\n")], &[], 1);
        let left = self.commit(&[("100644", "a", "2\n"), ("100644", "b", "1\n")], &[one], 2);
        let right = self.commit(&[("100644", "a", "1\n"), ("100755", "b", "1\n")], &[one], 3);
        let merge = self.commit(&[("100644", "a", "2\n"), ("100755", "b", "1\n")], &[left, right], 4);
        let gone = self.commit(&[("100755", "b", "1\n")], &[merge], 5);
        let again = self.commit(&[("100644", "a", "2\n"), ("100755", "b", "1\n"), ("120000", "l", "a")], &[gone], 6);
        vec![one, left, right, merge, gone, again]
    }

    fn gathered(&self, heads: &[ObjectId], before: Option<&Past>) -> Past {
        gather(&self.history, heads, before, &|| true).unwrap().unwrap()
    }
}

/// `path: commit old>new own`, all of it.
fn told(past: &Past) -> Vec<String> {
    let mut told = Vec::new();
    for place in (0..).take(past.commits.len()) {
        let commit = past.commit(place).unwrap();
        told.push(format!("{} {} {:?}", commit.id, commit.at, past.parents(place)));
        for change in past.changes_of(place) {
            let side = |number| (number > 0).then(|| past.side(number).map(|side| (side.kind, side.executable, side.id)).unwrap());
            told.push(format!("{} {:?}>{:?} {}", past.path(change.path).unwrap(), side(change.old), side(change.new), change.own));
        }
    }
    told
}

fn signed(bytes: &[u8]) -> Vec<u8> {
    [bytes, Sha256::digest(bytes).as_slice()].concat()
}

#[test]
fn a_table_is_read_as_written_and_refused_when_damaged() {
    let made = Made::new();
    let past = made.gathered(&made.commits()[5..], None);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tables/x");
    assert!(Past::read(&file).unwrap().is_none());
    past.write(&file).unwrap();
    assert_eq!(told(&Past::read(&file).unwrap().unwrap()), told(&past));
    let bytes = fs::read(&file).unwrap();
    for at in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[at] ^= 1;
        fs::write(&file, &broken).unwrap();
        assert!(Past::read(&file).unwrap().is_none(), "{at}");
    }
    for end in [0, 1, 16, 31, 32, 48, bytes.len() - 1] {
        fs::write(&file, &bytes[..end]).unwrap();
        assert!(Past::read(&file).unwrap().is_none(), "{end}");
    }
    // Whole, but as an older or a newer program writes it; or something else altogether.
    let (body, _) = bytes.split_last_chunk::<32>().unwrap();
    assert_eq!(signed(body), bytes);
    for other in
        [[&b"lectern past   2"[..], &body[16..]].concat(), body[16..].to_vec(), [body, b"\0"].concat(), body[..16].to_vec(), Vec::new()]
    {
        fs::write(&file, signed(&other)).unwrap();
        assert!(Past::read(&file).unwrap().is_none());
    }
}

#[test]
fn whatever_a_table_says_nothing_in_it_points_outside_of_it() {
    let made = Made::new();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("x");
    made.gathered(&made.commits()[5..], None).write(&file).unwrap();
    let bytes = fs::read(&file).unwrap();
    let (body, _) = bytes.split_last_chunk::<32>().unwrap();
    let mut read = 0;
    for at in 16..body.len() {
        for change in [0x01, 0x02, 0x40, 0x80, 0xFF] {
            let mut other = body.to_vec();
            other[at] ^= change;
            fs::write(&file, signed(&other)).unwrap();
            // Each number of what is taken leads somewhere.
            read += Past::read(&file).unwrap().map_or(0, |past| told(&past).len());
        }
    }
    assert!(read > 0);
}

#[test]
fn a_table_is_written_beside_others_and_over_what_a_kill_left() {
    let made = Made::new();
    let commits = made.commits();
    let (half, whole) = (made.gathered(&commits[1..2], None), made.gathered(&commits[5..], None));
    let home = tempfile::tempdir().unwrap();
    // Names of products hold dots, and one may be called what another is without its end.
    let files = ["x", "x.1", "x.2", "x.new", "x.1.new"].map(|name| home.path().join(name));
    for file in &files {
        half.write(file).unwrap();
    }
    fs::write(home.path().join(".x.1"), b"lectern past   1 half of a tab").unwrap();
    whole.write(&files[1]).unwrap();
    for file in &files {
        let expected = if file == &files[1] { &whole } else { &half };
        assert_eq!(told(&Past::read(file).unwrap().unwrap()), told(expected), "{}", file.display());
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), files.len());
}

/// Puts something where a table is looked for.
type Put<'p> = &'p dyn Fn(&Path);

#[test]
fn whatever_lies_in_the_place_of_a_table_the_right_one_is_served() {
    let made = Made::new();
    let commits = made.commits();
    let whole = made.gathered(&commits[5..], None);
    let other = Made::new();
    let foreign = other.gathered(&[other.commit(&[("100644", "elsewhere", "1\n")], &[], 1)], None);
    let repositories = Arc::new(Repositories::at(made.fixture.repositories.root().to_owned()));
    let soon = Deadline::within(Duration::from_secs(600));
    let stands = |past: &Past| {
        let place = past.find(commits[5]).unwrap();
        ["a", "b", "l"].map(|name| past.side(past.states_of(past.number_of(&path(name)).unwrap(), place).side(place)))
    };
    let puts: [(&str, Put<'_>); 5] = [
        ("nothing", &|_| ()),
        ("a torn table", &|file| fs::write(file, b"lectern past   1").unwrap()),
        ("another product's", &|file| foreign.write(file).unwrap()),
        ("an older state", &|file| made.gathered(&commits[1..2], None).write(file).unwrap()),
        ("what cannot be read", &|file| fs::create_dir(file).unwrap()),
    ];
    for (what, put) in puts {
        let home = tempfile::tempdir().unwrap();
        put(&home.path().join("x"));
        let tables = Tables::at(home.path().to_owned());
        assert!(!tables.is_written("x", &commits[5..]), "{what}");
        let served = tables.holding(&repositories, "x", commits[5], soon).unwrap();
        let place = served.find(commits[5]).unwrap();
        assert_eq!(stands(&served), stands(&whole), "{what}");
        assert_eq!(served.reached(place).into_iter().filter(|reached| *reached).count(), commits.len(), "{what}");
        let written = tables.write(&made.history, "x", &commits[5..], false, &|| true);
        assert_eq!(
            written.is_ok() && Tables::at(home.path().to_owned()).is_written("x", &commits[5..]),
            what != "what cannot be read",
            "{what}"
        );
    }
}

#[test]
fn what_was_gathered_in_steps_is_what_was_gathered_at_once() {
    let made = Made::new();
    let commits = made.commits();
    let whole = made.gathered(&commits[5..], None);
    let half = made.gathered(&commits[1..2], None);
    let rest = made.gathered(&commits[5..], Some(&half));
    assert_eq!(told(&rest), told(&whole));
    assert_eq!(told(&made.gathered(&commits[5..], Some(&whole))), told(&whole));
    assert!(gather(&made.history, &commits[5..], None, &|| false).unwrap().is_none());
}

#[test]
fn what_stands_at_a_path_follows_from_its_changes() {
    let made = Made::new();
    let commits = made.commits();
    let past = made.gathered(&commits[5..], None);
    let place = |at: usize| past.find(commits[at]).unwrap();
    let head = place(5);
    let a = past.states_of(past.number_of(&path("a")).unwrap(), head);
    // The merge took the left side's, the last commit brought back what the one before took away.
    let origin = |at: usize| (0..commits.len()).find(|one| place(*one) == a.origin(place(at)));
    assert_eq!((0..6).map(origin).collect::<Vec<_>>(), [Some(0), Some(1), Some(0), Some(1), Some(4), Some(5)]);
    assert_eq!((a.side(place(3)), a.side(place(4)), a.side(head)), (a.side(place(1)), 0, a.side(place(1))));
    let all = past.states_of_all(past.below(&RepoPath::root()), head);
    assert_eq!(all.origin(place(3)), place(3));
    // As if the file had never been away, but for the link.
    let two: Vec<u32> = ["a", "b"].map(|name| past.number_of(&path(name)).unwrap()).to_vec();
    let two = past.states_of_all(&two, head);
    assert_eq!(two.state(place(3)), two.state(head));
    let b = past.changes_at(past.number_of(&path("b")).unwrap()).map(|(commit, change)| (commit, change.own)).collect::<Vec<_>>();
    assert_eq!(b, [(place(0), true), (place(2), true), (place(3), false)]);
}

#[test]
fn messages_are_open_where_everything_is() {
    let made = Made::new();
    let commits = made.commits();
    let past = made.gathered(&commits[5..], None);
    let place = |at: usize| past.find(commits[at]).unwrap();
    let not_b = |path: &RepoPath| path.bytes() != b"b";
    assert_eq!((0..6).map(|at| past.is_open(place(at), &not_b)).collect::<Vec<_>>(), [false, true, false, false, true, true]);
    let reached = past.reached(place(5));
    assert!(past.all_open(&reached, &|_| true) && !past.all_open(&reached, &not_b));
    // What the left side reaches knows nothing of the link.
    let not_l = |path: &RepoPath| path.bytes() != b"l";
    assert!(past.all_open(&past.reached(place(1)), &not_l) && !past.all_open(&reached, &not_l));
}

#[test]
fn directories_hold_what_lies_below_them_by_component() {
    let made = Made::new();
    let f = &made.fixture;
    let blob = f.blob(b"x\n");
    let inner = f.tree(&[("100644", b"x", blob)]);
    let root = f.tree(&[("40000", b"a", inner), ("100644", b"a.c", blob), ("40000", b"ab", inner), ("100644", b"b", blob)]);
    let commit = f.commit(root, b"author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nm\n");
    let past = made.gathered(&[commit], None);
    let below = |text: &str| past.below(&path(text)).iter().map(|number| past.path(*number).unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(below("a"), ["a/x"]);
    assert_eq!(below(""), ["a.c", "a/x", "ab/x", "b"]);
    assert_eq!(below("b"), [""; 0]);
    assert!(past.number_of(&path("a")).is_none() && past.number_of(&path("a.c")).is_some());
}

#[test]
fn a_deadline_that_is_over_ends_the_work() {
    assert!(Deadline::within(Duration::ZERO).check().is_err());
    assert!(Deadline::within(Duration::from_secs(600)).check().is_ok());
}
