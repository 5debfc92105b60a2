//! A fetch from beginning to end: ask, compare, bring into quarantine, check, move over, report.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use git2::{Oid, Repository};

use super::check::{Check, Checked};
use super::local::{LocalRepository, copy_objects};
use super::naming::{VersionKey, Wanted, newest_first};
use super::plan::{Plan, RefChange};
use super::quarantine::{Quarantine, ensure, lock, open};
use super::refs::{Accepted, Ref, Skipped, accept, describe};
use super::remote::{Advertised, download};
use super::{Credentials, FetchError, Mirror, OnProgress, Phase, Progress, Source, disk, on_disk};
use crate::ids::Entropy;
use crate::source::tree::ObjectId;

/// From a path, up to so many new objects are taken one by one; beyond, whole packs are copied.
const ONE_BY_ONE: usize = 20_000;

/// What to fetch.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub source: &'a Source,
    pub wanted: &'a Wanted,
    pub credentials: &'a Credentials,
}

/// What a fetch found. The mirror now holds everything the refs lead to, but has accepted none of it.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Wanted tags and branches that lead to commits, newest version first.
    pub refs: Vec<Ref>,
    /// Wanted ones that do not, with the reason.
    pub skipped: Vec<Skipped>,
    /// Compared with what was accepted before, in order of name.
    pub changes: Vec<RefChange>,
    /// How many tags and branches there are upstream, wanted or not.
    pub tags_upstream: usize,
    pub branches_upstream: usize,
    /// The branch upstream shows first, if it has a commit.
    pub default_branch: Option<String>,
    /// Objects that are new in the mirror and were checked.
    pub objects: u64,
    /// Bytes transferred.
    pub bytes: u64,
    /// History stops early because the source is a shallow clone.
    pub shallow: bool,
}

/// What came with a fetch.
#[derive(Debug, Default)]
struct Brought {
    plan: Plan,
    objects: u64,
    bytes: u64,
}

impl Mirror {
    /// Brings the wanted refs and everything they lead to into the mirror, checked. Transfers nothing when all of it is accepted already.
    ///
    /// Call it off the async threads. `stop` ends it soon after it is set, except while a host that does not answer is waited for.
    ///
    /// # Errors
    /// In an administrator's words. The mirror is then as readable as before.
    pub fn fetch(
        &self,
        request: Request<'_>,
        entropy: &Entropy,
        progress: OnProgress<'_>,
        stop: &AtomicBool,
    ) -> Result<Fetched, FetchError> {
        let _lock = lock(self)?;
        ensure(self, entropy)?;
        let accepted = Accepted::read(self, &open(&self.dir())?)?;
        progress(Progress::start(Phase::Contacting));
        let run = Run { mirror: self, request, accepted: &accepted, entropy, stop, name: request.source.to_string() };
        let brought = match run.bring(true, progress) {
            // Something in the mirror stood in the way, say objects that once came without all they need. Take everything anew.
            Err(FetchError::Incomplete { .. } | FetchError::Damaged { .. }) if run.has_objects() => run.bring(false, progress)?,
            other => other?,
        };
        run.report(brought)
    }

    /// Writes down that `refs` are accepted: what they lead to is kept for ever, whatever upstream does to its refs, and the next fetch
    /// reports changes against them.
    ///
    /// # Errors
    /// When the mirror lacks one of them, or cannot be written.
    pub fn accept(&self, refs: &[&Ref]) -> Result<(), FetchError> {
        let _lock = lock(self)?;
        accept(self, &open(&self.dir())?, refs)
    }
}

struct Run<'a> {
    mirror: &'a Mirror,
    request: Request<'a>,
    accepted: &'a Accepted,
    entropy: &'a Entropy,
    stop: &'a AtomicBool,
    /// Of the source, for messages.
    name: String,
}

impl Run<'_> {
    fn bring(&self, incremental: bool, progress: OnProgress<'_>) -> Result<Brought, FetchError> {
        match self.request.source {
            Source::Url(url) => self.bring_remote(url, incremental, progress),
            Source::Path(path) => {
                let local = LocalRepository::find(path)?;
                let plan = self.plan(&local.advertised()?)?;
                let news = self.news(&plan, incremental)?;
                let (objects, bytes) = if news.is_empty() {
                    (0, 0)
                } else if let Some(few) = incremental.then(|| self.bring_few(&local, &news, progress)).transpose()?.flatten() {
                    few
                } else {
                    self.bring_packs(&local, &news, incremental, progress)?
                };
                Ok(Brought { plan, objects, bytes })
            }
        }
    }

    fn bring_remote(&self, url: &str, incremental: bool, progress: OnProgress<'_>) -> Result<Brought, FetchError> {
        let borrow = if incremental { vec![self.mirror.dir().join("objects")] } else { Vec::new() };
        let quarantine = Quarantine::new(self.mirror, &borrow, self.entropy)?;
        if incremental {
            quarantine.have(&self.accepted.commits)?;
            quarantine.set_shallow(&open_shallow(self.mirror)?)?;
        }
        let mut plan = Plan::default();
        let mut news = Vec::new();
        let repository = quarantine.open()?;
        let mut choose = |advertised: &Advertised| {
            plan = self.plan(advertised)?;
            news = self.news(&plan, incremental)?;
            Ok(news.iter().map(|(name, _)| name.clone()).collect())
        };
        let bytes = download(&repository, url, self.request.credentials, &mut choose, (&mut *progress, self.stop))?;
        drop(repository);
        let objects = if news.is_empty() { 0 } else { self.check_and_promote(quarantine, &news, incremental, progress)? };
        Ok(Brought { plan, objects, bytes })
    }

    /// For a source whose news are few: checks them where they are, then copies object by object. `None` when they are many.
    fn bring_few(
        &self,
        local: &LocalRepository,
        news: &[(String, ObjectId)],
        progress: OnProgress<'_>,
    ) -> Result<Option<(u64, u64)>, FetchError> {
        if self.accepted.commits.is_empty() {
            return Ok(None);
        }
        let mirror_objects = self.mirror.dir().join("objects");
        let mut borrow = vec![mirror_objects];
        borrow.extend(local.object_dirs()?);
        let quarantine = Quarantine::new(self.mirror, &borrow, self.entropy)?;
        let mut shallow = local.shallow()?;
        shallow.extend(open_shallow(self.mirror)?);
        quarantine.set_shallow(&shallow)?;
        let Some(checked) = self.check(&quarantine, news, true, ONE_BY_ONE, progress)? else { return Ok(None) };
        let bytes = self.pack(&quarantine, &checked)?;
        progress(Progress { bytes, done: checked.len() as u64, ..Progress::start(Phase::Storing) });
        quarantine.promote(self.mirror, &|_| false)?;
        Ok(Some((checked.len() as u64, bytes)))
    }

    /// Writes those checked objects that the mirror lacks into a pack in the quarantine.
    fn pack(&self, quarantine: &Quarantine, checked: &Checked) -> Result<u64, FetchError> {
        let failed = |e: git2::Error| on_disk("packing what is new", &e);
        let mirror = open(&self.mirror.dir())?;
        let have = mirror.odb().map_err(failed)?;
        let all = quarantine.open()?;
        let mut pack = all.packbuilder().map_err(failed)?;
        for id in checked.all() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(FetchError::Stopped);
            }
            let id = Oid::from_bytes(id.bytes()).map_err(failed)?;
            if !have.exists(id) {
                pack.insert_object(id, None).map_err(failed)?;
            }
        }
        if pack.object_count() == 0 {
            return Ok(0);
        }
        let dir = quarantine.objects().join("pack");
        pack.write(&dir, 0).map_err(failed)?;
        let sizes = fs::read_dir(&dir).and_then(|list| list.map(|entry| Ok(entry?.metadata()?.len())).sum::<std::io::Result<u64>>());
        sizes.map_err(disk("reading the quarantine"))
    }

    fn bring_packs(
        &self,
        local: &LocalRepository,
        news: &[(String, ObjectId)],
        incremental: bool,
        progress: OnProgress<'_>,
    ) -> Result<(u64, u64), FetchError> {
        let mirror_objects = self.mirror.dir().join("objects");
        let borrow = if incremental { vec![mirror_objects.clone()] } else { Vec::new() };
        let quarantine = Quarantine::new(self.mirror, &borrow, self.entropy)?;
        let mut shallow = local.shallow()?;
        if incremental {
            shallow.extend(open_shallow(self.mirror)?);
        }
        quarantine.set_shallow(&shallow)?;
        let have = if incremental { mirror_objects } else { quarantine.objects() };
        let bytes = copy_objects(&local.object_dirs()?, &have, &quarantine.objects(), &mut *progress, self.stop)?;
        let objects = self.check_and_promote(quarantine, news, incremental, progress)?;
        Ok((objects, bytes))
    }

    fn check_and_promote(
        &self,
        quarantine: Quarantine,
        news: &[(String, ObjectId)],
        incremental: bool,
        progress: OnProgress<'_>,
    ) -> Result<u64, FetchError> {
        let checked = self.check(&quarantine, news, incremental, usize::MAX, &mut *progress)?.unwrap_or_default();
        progress(Progress { done: checked.len() as u64, total: checked.len() as u64, ..Progress::start(Phase::Storing) });
        let reached: HashSet<ObjectId> = checked.all().collect();
        quarantine.promote(self.mirror, &|id| reached.contains(&id))?;
        Ok(checked.len() as u64)
    }

    fn check(
        &self,
        quarantine: &Quarantine,
        news: &[(String, ObjectId)],
        incremental: bool,
        most: usize,
        progress: OnProgress<'_>,
    ) -> Result<Option<Checked>, FetchError> {
        let none = BTreeSet::new();
        Check {
            open: &|| quarantine.open(),
            source_name: &self.name,
            tips: news,
            checked: if incremental { &self.accepted.commits } else { &none },
            shallow: &quarantine.shallow()?,
            read_files: matches!(self.request.source, Source::Path(_)),
            most,
        }
        .run(progress, self.stop)
    }

    fn plan(&self, advertised: &Advertised) -> Result<Plan, FetchError> {
        Plan::of(advertised, self.request.wanted, self.accepted, &self.name)
    }

    /// The wanted refs that are not as accepted, save those that are here and known to lead to no commit.
    fn news(&self, plan: &Plan, incremental: bool) -> Result<Vec<(String, ObjectId)>, FetchError> {
        if !incremental {
            return Ok(plan.tips.clone());
        }
        let mirror = open(&self.mirror.dir())?;
        let odb = mirror.odb().map_err(|e| on_disk("reading the mirror", &e))?;
        let old = |(name, target): &&(String, ObjectId)| {
            self.accepted.known.get(name) == Some(target) || matches!(describe(&odb, name, *target), Ok(Err(_)))
        };
        Ok(plan.tips.iter().filter(|tip| !old(tip)).cloned().collect())
    }

    fn has_objects(&self) -> bool {
        let objects = self.mirror.dir().join("objects");
        let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
        entries(&objects).iter().any(|name| name.len() == 2) || !entries(&objects.join("pack")).is_empty()
    }

    fn report(&self, brought: Brought) -> Result<Fetched, FetchError> {
        let damaged = |e: git2::Error| FetchError::Mirror { path: self.mirror.dir(), why: e.message().to_owned() };
        let Brought { plan, objects, bytes } = brought;
        let repository: Repository = open(&self.mirror.dir())?;
        let odb = repository.odb().map_err(damaged)?;
        let mut fetched = Fetched {
            skipped: plan.skipped,
            changes: plan.gone,
            tags_upstream: plan.tags,
            branches_upstream: plan.branches,
            default_branch: plan.default_branch,
            objects,
            bytes,
            shallow: !open_shallow(self.mirror)?.is_empty(),
            ..Fetched::default()
        };
        let mut refs = Vec::with_capacity(plan.tips.len());
        for (name, to) in plan.tips {
            match describe(&odb, &name, to).map_err(damaged)? {
                Ok(described) => refs.push(described),
                Err(reason) => {
                    fetched.skipped.push(Skipped { name, reason });
                    continue;
                }
            }
            match self.accepted.known.get(&name).copied() {
                None => fetched.changes.push(RefChange::New { name, to }),
                Some(from) if from != to => fetched.changes.push(RefChange::Moved { name, from, to }),
                Some(_) => {}
            }
        }
        fetched.changes.sort_by(|a, b| a.name().cmp(b.name()));
        fetched.skipped.sort_by(|a, b| a.name.cmp(&b.name));
        fetched.refs = newest_first(refs, |r| VersionKey::of(&r.name, r.time));
        Ok(fetched)
    }
}

fn open_shallow(mirror: &Mirror) -> Result<BTreeSet<ObjectId>, FetchError> {
    crate::source::read_shallow(&mirror.dir()).map_err(disk("reading the mirror"))
}

#[cfg(test)]
mod tests {
    use git2::ObjectType;

    use super::super::fixtures::{FILE, House, Upstream, id, names, path};
    use super::super::{Phase, sweep};
    use super::*;

    #[test]
    fn a_second_fetch_brings_only_what_is_new_and_stands_alone() {
        for url in [false, true] {
            let up = Upstream::new();
            let mut last = up.simple("0", &[]);
            for n in 1..20 {
                last = up.simple(&n.to_string(), &[last]);
            }
            up.point("refs/tags/v1", last);
            let source = if url { Source::Url(up.path().display().to_string()) } else { path(&up.path()) };
            let house = House::new();
            let first = house.fetch(&source).unwrap();
            assert_eq!((first.objects, first.changes.len()), (60, 1));
            assert!(first.bytes > 0);
            house.accept_all(&first);

            let second = house.fetch(&source).unwrap();
            assert_eq!((second.objects, second.bytes, second.changes.len()), (0, 0, 0));
            assert_eq!(names(&second), ["v1"]);

            let new = up.simple("new", &[last]);
            up.annotated("v2", new, "commit", "two");
            up.repack();
            let third = house.fetch(&source).unwrap();
            assert_eq!((third.objects, names(&third)), (4, vec!["v2", "v1"]));
            house.accept_all(&third);
            drop(up);
            assert_eq!(house.count_kept(), 63);
        }
    }

    #[test]
    fn an_empty_repository_has_no_refs() {
        let up = Upstream::new();
        for source in [path(&up.path()), Source::Url(up.path().display().to_string())] {
            let fetched = House::new().fetch(&source).unwrap();
            assert_eq!((fetched.refs.len(), fetched.tags_upstream, fetched.default_branch), (0, 0, None));
        }
    }

    #[test]
    fn a_fetch_stopped_anywhere_leaves_the_mirror_as_it_was() {
        for url in [false, true] {
            let up = Upstream::new();
            let first = up.simple("one", &[]);
            up.point("refs/tags/v1", first);
            let source = if url { Source::Url(up.path().display().to_string()) } else { path(&up.path()) };
            let house = House::new();
            house.accept_all(&house.fetch(&source).unwrap());
            let mut last = first;
            for n in 0..50 {
                last = up.simple(&format!("more {n}"), &[last]);
            }
            up.point("refs/tags/v2", last);
            let mut stopped = 0;
            for at in 0..40 {
                let stop = AtomicBool::new(false);
                let mut calls = 0;
                let outcome = house.fetch_until(
                    &source,
                    &mut |p| {
                        calls += 1;
                        // Once it stores, it finishes.
                        if calls > at && p.phase != Phase::Storing {
                            stop.store(true, Ordering::Relaxed);
                        }
                    },
                    &stop,
                );
                match outcome {
                    Err(FetchError::Stopped) => stopped += 1,
                    Ok(_) => break,
                    Err(other) => panic!("{other}"),
                }
                assert_eq!(house.count_kept(), 3);
                assert_eq!(house.files(), ["product.git", "product.lock"]);
                let mirror = open(&house.mirror.dir()).unwrap();
                assert!(mirror.find_commit(last).is_err(), "stopped at {at}");
            }
            assert!(stopped > 1);
            assert_eq!(names(&house.fetch(&source).unwrap()), ["v2", "v1"]);
        }
    }

    #[test]
    fn what_is_missing_upstream_is_named() {
        for url in [false, true] {
            let up = Upstream::new();
            let one = up.simple("one", &[]);
            let blob = up.blob("two");
            let two = up.simple("two", &[one]);
            up.point("refs/tags/v1", one);
            let house = House::new();
            house.accept_all(&house.fetch(&path(&up.path())).unwrap());
            up.point("refs/tags/v2", two);
            fs::remove_file(up.object_file(blob)).unwrap();
            let source = if url { Source::Url(up.path().display().to_string()) } else { path(&up.path()) };
            let error = house.fetch(&source).unwrap_err();
            assert!(
                matches!(&error, FetchError::Incomplete { id, .. } if *id == self::id(blob))
                    || url && matches!(&error, FetchError::NotFound { .. }),
                "{error}"
            );
            assert_eq!(house.count_kept(), 3);
            assert_eq!(house.files(), ["product.git", "product.lock"]);
        }
    }

    #[test]
    fn damage_is_found_before_anything_moves() {
        // A loose object whose bytes are those of another.
        let up = Upstream::new();
        let (a, b) = (up.blob("aaaa"), up.blob("bbbb"));
        let tree = up.tree(&[(FILE, b"a", a), (FILE, b"b", b)]);
        up.point("refs/tags/v1", up.commit(tree, &[], "x"));
        let bytes = fs::read(up.object_file(b)).unwrap();
        fs::remove_file(up.object_file(a)).unwrap();
        fs::write(up.object_file(a), bytes).unwrap();
        let house = House::new();
        let error = house.fetch(&path(&up.path())).unwrap_err();
        assert!(matches!(&error, FetchError::Damaged { id, .. } if *id == self::id(a)), "{error}");

        // A pack with any one byte turned over: refused, or the byte was not part of what anyone reads.
        let up = Upstream::new();
        let mut last = up.simple("0", &[]);
        for n in 1..8 {
            last = up.simple(&format!("{n} {}", "text ".repeat(n)), &[last]);
        }
        up.point("refs/tags/v1", last);
        up.repack();
        let pack = fs::read_dir(up.path().join("objects/pack"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .find(|p| p.extension().is_some_and(|e| e == "pack"))
            .unwrap();
        let whole = fs::read(&pack).unwrap();
        let mut refused = 0;
        for at in (12..whole.len() - 20).step_by(whole.len() / 16) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x5a;
            fs::remove_file(&pack).unwrap();
            fs::write(&pack, bytes).unwrap();
            let house = House::new();
            match house.fetch(&path(&up.path())) {
                Ok(fetched) => {
                    house.accept_all(&fetched);
                    assert_eq!(house.count_kept(), 24);
                }
                Err(FetchError::Damaged { .. } | FetchError::Incomplete { .. } | FetchError::UnsafeTree { .. }) => {
                    refused += 1;
                    assert_eq!(fs::read_dir(house.mirror.dir().join("objects/pack")).unwrap().count(), 0);
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(refused > 8, "{refused}");
    }

    #[test]
    fn trees_that_cannot_be_shown_safely_are_refused() {
        for name in [&b".."[..], b".", b".git", b".Git", b"a/b", b""] {
            for url in [false, true] {
                let up = Upstream::new();
                let tree = up.tree(&[(FILE, name, up.blob("x"))]);
                up.point("refs/tags/v1", up.commit(tree, &[], "x"));
                let source = if url { Source::Url(up.path().display().to_string()) } else { path(&up.path()) };
                let error = House::new().fetch(&source).unwrap_err();
                assert!(
                    matches!(&error, FetchError::UnsafeTree { id, .. } if *id == self::id(tree))
                        || url && matches!(&error, FetchError::Transfer { .. }),
                    "{name:?} {error}"
                );
            }
        }
        let up = Upstream::new();
        let tree = up.tree(&[(FILE, b"a", up.blob("x")), (FILE, b"a", up.blob("y"))]);
        up.point("refs/tags/v1", up.commit(tree, &[], "x"));
        assert!(matches!(House::new().fetch(&path(&up.path())), Err(FetchError::UnsafeTree { .. })));
    }

    #[test]
    fn shallow_clones_stop_where_they_say() {
        let up = Upstream::new();
        let lost = up.simple("lost", &[]);
        let one = up.simple("one", &[lost]);
        up.point("refs/tags/v1", one);
        fs::remove_file(up.object_file(lost)).unwrap();
        assert!(matches!(House::new().fetch(&path(&up.path())), Err(FetchError::Incomplete { kind: "commit", .. })));
        fs::write(up.path().join("shallow"), format!("{one}\n")).unwrap();
        let house = House::new();
        let fetched = house.fetch(&path(&up.path())).unwrap();
        assert!(fetched.shallow);
        house.accept_all(&fetched);
        up.point("refs/tags/v2", up.simple("two", &[one]));
        let fetched = house.fetch(&path(&up.path())).unwrap();
        assert_eq!((fetched.objects, names(&fetched)), (3, vec!["v2", "v1"]));
        house.accept_all(&fetched);
        let mirror = open(&house.mirror.dir()).unwrap();
        let mut walk = mirror.revwalk().unwrap();
        walk.push_glob("refs/lectern/commits/*").unwrap();
        assert_eq!(walk.map(Result::unwrap).count(), 2);
    }

    #[test]
    fn a_mirror_that_was_damaged_is_mended_by_fetching() {
        let up = Upstream::new();
        let one = up.simple("one", &[]);
        up.point("refs/tags/v1", one);
        let house = House::new();
        house.fetch(&path(&up.path())).unwrap();
        let hex = one.to_string();
        let file = house.mirror.dir().join("objects").join(&hex[..2]).join(&hex[2..]);
        let length = fs::read(&file).unwrap().len();
        fs::remove_file(&file).unwrap();
        fs::write(&file, vec![b'x'; length]).unwrap();
        let fetched = house.fetch(&path(&up.path())).unwrap();
        house.accept_all(&fetched);
        assert_eq!(house.count_kept(), 3);
    }

    #[test]
    fn one_fetch_at_a_time_and_leftovers_are_swept() {
        let up = Upstream::new();
        up.point("refs/tags/v1", up.simple("one", &[]));
        let house = House::new();
        let held = lock(&house.mirror).unwrap();
        fs::create_dir(house.home.path().join("product.incoming-00")).unwrap();
        fs::create_dir(house.home.path().join("other.incoming-00")).unwrap();
        assert!(matches!(house.fetch(&path(&up.path())), Err(FetchError::Busy { .. })));
        assert_eq!(sweep(house.home.path()).unwrap(), 1);
        drop(held);
        assert_eq!(sweep(house.home.path()).unwrap(), 1);
        assert_eq!(sweep(Path::new("/nowhere/at/all")).unwrap(), 0);
        house.fetch(&path(&up.path())).unwrap();
    }

    #[test]
    fn the_negotiation_knows_what_is_here() {
        let up = Upstream::new();
        let one = up.write(ObjectType::Blob, b"x");
        let house = House::new();
        ensure(&house.mirror, &house.entropy).unwrap();
        let quarantine = Quarantine::new(&house.mirror, &[], &house.entropy).unwrap();
        quarantine.have(&[id(one)].into()).unwrap();
        assert_eq!(quarantine.open().unwrap().refname_to_id(&format!("refs/have/{one}")).unwrap(), one);
    }
}
