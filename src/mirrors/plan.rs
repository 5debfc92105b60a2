//! Which of the refs upstream are wanted, and how they differ from what was accepted before.

use std::collections::BTreeMap;

use git2::Reference;

use super::FetchError;
use super::naming::Wanted;
use super::refs::{Accepted, RefKind, Skipped, split_name};
use super::remote::{Advertised, MOST_REFS};
use crate::catalog::name_text;
use crate::source::tree::ObjectId;

/// How a ref differs from what was accepted. Names are full, `refs/tags/v1.0`; ids are of what the ref itself points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefChange {
    New {
        name: String,
        to: ObjectId,
    },
    /// For a tag: somebody replaced a published version.
    Moved {
        name: String,
        from: ObjectId,
        to: ObjectId,
    },
    Gone {
        name: String,
        was: ObjectId,
    },
}

/// The wanted refs of one fetch. Names are full.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) tips: Vec<(String, ObjectId)>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) tags: usize,
    pub(super) branches: usize,
    pub(super) default_branch: Option<String>,
    pub(super) gone: Vec<RefChange>,
}

impl RefChange {
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::New { name, .. } | Self::Moved { name, .. } | Self::Gone { name, .. } => name,
        }
    }
}

impl Plan {
    /// Chooses among what is advertised.
    pub(super) fn of(advertised: &Advertised, wanted: &Wanted, accepted: &Accepted, source_name: &str) -> Result<Self, FetchError> {
        let mut plan = Plan { default_branch: advertised.default_branch.clone(), ..Plan::default() };
        let mut there: BTreeMap<&str, ObjectId> = BTreeMap::new();
        for tip in &advertised.tips {
            let full = std::str::from_utf8(&tip.name);
            let counter = if tip.name.starts_with(b"refs/tags/") { &mut plan.tags } else { &mut plan.branches };
            *counter += 1;
            let lossy = name_text(&tip.name);
            let Some((kind, short)) = split_name(full.unwrap_or(&lossy)) else { continue };
            if let (Ok(full), Some(target)) = (full, tip.target) {
                there.insert(full, target);
            }
            let wanted = match kind {
                RefKind::Tag => wanted.tag(short),
                RefKind::Branch => wanted.branch(short),
            };
            if !wanted {
                continue;
            }
            let reason = match (full, tip.target) {
                (Err(_), _) => "its name is not UTF-8",
                (Ok(full), _) if !Reference::is_valid_name(full) => "its name is not a valid one",
                (Ok(_), None) => "it leads nowhere",
                (Ok(full), Some(target)) => {
                    plan.tips.push((full.to_owned(), target));
                    continue;
                }
            };
            plan.skipped.push(Skipped { name: lossy, reason: reason.to_owned() });
        }
        if advertised.unnamed > 0 {
            let reason = "their names are not UTF-8".to_owned();
            plan.skipped.push(Skipped { name: format!("{} refs", advertised.unnamed), reason });
        }
        if plan.tips.len() > MOST_REFS {
            let (source_name, count) = (source_name.to_owned(), plan.tips.len());
            return Err(FetchError::TooMany { source_name, count, what: "tags and branches", limit: MOST_REFS });
        }
        plan.gone = accepted
            .known
            .iter()
            .filter(|(name, _)| !there.contains_key(name.as_str()))
            .map(|(name, was)| RefChange::Gone { name: name.clone(), was: *was })
            .collect();
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::fixtures::{DIR, FILE, House, Upstream, id, names, path};
    use super::super::quarantine::open;
    use super::super::{Credentials, Request, SignatureKind, Source};
    use super::*;

    #[test]
    fn refs_are_told_what_they_are() {
        let up = Upstream::new();
        let blob = up.blob("hello");
        let elsewhere = git2::Oid::from_bytes(&[9; 20]).unwrap();
        let inner = up.tree(&[(FILE, b"caf\xe9.c", blob), ("120000", b"link", up.blob("../target")), ("160000", b"sub", elsewhere)]);
        let tree = up.tree(&[(DIR, b"dir", inner), ("100755", b"run", blob)]);
        let first = up.commit_with(tree, &[], "gpgsig -----BEGIN SSH SIGNATURE-----\n x\n -----END SSH SIGNATURE-----\n", "one\n\nmore");
        up.point("refs/tags/v1.0", first);
        let tag = up.annotated(
            "v2.0",
            up.simple("two", &[first]),
            "commit",
            "Two\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----",
        );
        up.annotated("v2.0-signed-again", tag, "tag", "\n\n");
        up.point("refs/tags/key", blob);
        up.annotated("dir", tree, "tree", "a directory");
        up.point("refs/heads/main", first);
        up.repository.set_head("refs/heads/main").unwrap();
        up.point("refs/notes/x", first);
        for source in [path(&up.path()), Source::Url(up.path().display().to_string())] {
            let house = House::new();
            let fetched = house.fetch(&source).unwrap();
            assert_eq!(names(&fetched), ["v2.0-signed-again", "v2.0", "v1.0", "main"]);
            assert_eq!((fetched.tags_upstream, fetched.branches_upstream), (5, 1));
            assert_eq!(fetched.default_branch.as_deref(), Some("main"));
            let [again, two, one, main] = &fetched.refs[..] else { panic!() };
            assert_eq!(
                (two.tag, two.signature, two.subject.as_str(), two.time),
                (Some(id(tag)), Some(SignatureKind::OpenPgp), "Two", 1_700_000_123)
            );
            assert_eq!((one.annotated(), one.signature, one.commit), (false, Some(SignatureKind::Ssh), id(first)));
            assert_eq!((again.commit, again.subject.as_str()), (two.commit, ""));
            assert_eq!((main.kind, main.full_name().as_str()), (RefKind::Branch, "refs/heads/main"));
            let skipped: Vec<_> = fetched.skipped.iter().map(|s| (s.name.as_str(), s.reason.as_str())).collect();
            assert_eq!(
                skipped,
                [("refs/tags/dir", "it points at a directory, not at a commit"), ("refs/tags/key", "it points at a file, not at a commit"),]
            );
            house.accept_all(&fetched);
            assert!(house.count_kept() > 8);
            assert_eq!(house.files(), ["product.git", "product.lock"]);
        }
    }

    #[test]
    fn moved_and_deleted_tags_are_reported_and_change_nothing() {
        let up = Upstream::new();
        let (one, two) = (up.simple("one", &[]), up.simple("two", &[]));
        up.point("refs/tags/v1", one);
        up.point("refs/tags/gone", one);
        let house = House::new();
        house.accept_all(&house.fetch(&path(&up.path())).unwrap());
        up.point("refs/tags/v1", two);
        up.unpoint("refs/tags/gone");
        for _ in 0..2 {
            let fetched = house.fetch(&path(&up.path())).unwrap();
            assert_eq!(
                fetched.changes,
                [
                    RefChange::Gone { name: "refs/tags/gone".into(), was: id(one) },
                    RefChange::Moved { name: "refs/tags/v1".into(), from: id(one), to: id(two) },
                ]
            );
            let mirror = open(&house.mirror.dir()).unwrap();
            assert_eq!(mirror.refname_to_id("refs/lectern/known/tags/v1").unwrap(), one);
            mirror.refname_to_id(&format!("refs/lectern/commits/{one}")).unwrap();
        }
        let fetched = house.fetch(&path(&up.path())).unwrap();
        house.accept_all(&fetched);
        let after = house.fetch(&path(&up.path())).unwrap();
        assert_eq!(after.changes, [RefChange::Gone { name: "refs/tags/gone".into(), was: id(one) }]);
        let mirror = open(&house.mirror.dir()).unwrap();
        for commit in [one, two] {
            assert_eq!(mirror.refname_to_id(&format!("refs/lectern/commits/{commit}")).unwrap(), commit);
        }
    }

    #[test]
    fn only_the_wanted_is_asked_for() {
        let up = Upstream::new();
        for (name, content) in [("refs/tags/v1", "a"), ("refs/tags/nightly", "b"), ("refs/heads/main", "c"), ("refs/heads/odd", "d")] {
            up.point(name, up.simple(content, &[]));
        }
        let wanted = Wanted::parse(&["v*"], &["main"]).unwrap();
        let request = |source| Request { source, wanted: &wanted, credentials: &Credentials::None };
        let house = House::new();
        let fetched = house.mirror.fetch(request(&path(&up.path())), &house.entropy, &mut |_| {}, &AtomicBool::new(false)).unwrap();
        assert_eq!((names(&fetched), fetched.objects), (vec!["v1", "main"], 6));
        house.accept_all(&fetched);
        assert_eq!(house.count_kept(), 6);
    }

    #[test]
    fn refs_without_readable_names_are_counted() {
        use std::os::unix::ffi::OsStrExt as _;
        let up = Upstream::new();
        let one = up.simple("one", &[]);
        up.point("refs/tags/v1", one);
        let odd = up.path().join("refs/tags").join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
        std::fs::write(odd, format!("{one}\n")).unwrap();
        let fetched = House::new().fetch(&Source::Url(up.path().display().to_string())).unwrap();
        assert_eq!(names(&fetched), ["v1"]);
        assert_eq!(fetched.skipped, [Skipped { name: "1 refs".into(), reason: "their names are not UTF-8".into() }]);
    }
}
