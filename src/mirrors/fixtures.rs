//! Upstream repositories for tests, made object by object so that they can hold what no tool would write.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use git2::{ObjectType, Oid, Repository};
use tempfile::TempDir;

use super::naming::Wanted;
use super::{Credentials, FetchError, Fetched, Mirror, Progress, Ref, Request, Source};
use crate::ids::Entropy;
use crate::source::tree::ObjectId;

pub(super) const FILE: &str = "100644";
pub(super) const DIR: &str = "40000";

pub(super) struct Upstream {
    pub(super) repository: Repository,
    pub(super) home: TempDir,
}

impl Upstream {
    pub(super) fn new() -> Self {
        let home = TempDir::new().unwrap();
        let repository = Repository::init_bare(home.path().join("up.git")).unwrap();
        Self { repository, home }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.home.path().join("up.git")
    }

    pub(super) fn write(&self, kind: ObjectType, bytes: &[u8]) -> Oid {
        self.repository.odb().unwrap().write(kind, bytes).unwrap()
    }

    pub(super) fn blob(&self, text: &str) -> Oid {
        self.write(ObjectType::Blob, text.as_bytes())
    }

    /// Entries as given, in the order given: no tool would stop a hostile one.
    pub(super) fn tree(&self, entries: &[(&str, &[u8], Oid)]) -> Oid {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(id.as_bytes());
        }
        self.write(ObjectType::Tree, &bytes)
    }

    pub(super) fn commit(&self, tree: Oid, parents: &[Oid], message: &str) -> Oid {
        self.commit_with(tree, parents, "", message)
    }

    pub(super) fn commit_with(&self, tree: Oid, parents: &[Oid], headers: &str, message: &str) -> Oid {
        let parents = parents.iter().fold(String::new(), |all, p| all + "parent " + &p.to_string() + "\n");
        let who = "A U Thor <author@example.org> 1700000000 +0100";
        let text = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n{headers}\n{message}\n");
        self.write(ObjectType::Commit, text.as_bytes())
    }

    /// A commit of one file.
    pub(super) fn simple(&self, content: &str, parents: &[Oid]) -> Oid {
        let tree = self.tree(&[(FILE, b"file.c", self.blob(content))]);
        self.commit(tree, parents, content)
    }

    pub(super) fn annotated(&self, name: &str, target: Oid, kind: &str, message: &str) -> Oid {
        let text = format!("object {target}\ntype {kind}\ntag {name}\ntagger T <t@example.org> 1700000123 +0000\n\n{message}\n");
        let id = self.write(ObjectType::Tag, text.as_bytes());
        self.point(&format!("refs/tags/{name}"), id);
        id
    }

    pub(super) fn point(&self, name: &str, id: Oid) {
        self.repository.reference(name, id, true, "").unwrap();
    }

    pub(super) fn unpoint(&self, name: &str) {
        self.repository.find_reference(name).unwrap().delete().unwrap();
    }

    /// Where the loose object lies.
    pub(super) fn object_file(&self, id: Oid) -> PathBuf {
        let hex = id.to_string();
        self.path().join("objects").join(&hex[..2]).join(&hex[2..])
    }

    /// Puts every object into one pack, as after `git gc`.
    pub(super) fn repack(&self) {
        let objects = self.path().join("objects");
        let mut ids = Vec::new();
        let odb = self.repository.odb().unwrap();
        odb.foreach(|id| {
            ids.push(*id);
            true
        })
        .unwrap();
        let mut pack = self.repository.packbuilder().unwrap();
        for id in &ids {
            pack.insert_object(*id, None).unwrap();
        }
        let made = TempDir::new_in(self.home.path()).unwrap();
        pack.write(made.path(), 0).unwrap();
        std::fs::remove_dir_all(&objects).unwrap();
        std::fs::create_dir_all(&objects).unwrap();
        std::fs::rename(made.path(), objects.join("pack")).unwrap();
    }
}

/// A directory of mirrors with one in it.
pub(super) struct House {
    pub(super) mirror: Mirror,
    pub(super) home: TempDir,
    pub(super) entropy: Entropy,
}

impl House {
    pub(super) fn new() -> Self {
        let home = TempDir::new().unwrap();
        let mirror = Mirror::at(home.path(), "product").unwrap();
        Self { mirror, home, entropy: Entropy::seeded(7) }
    }

    pub(super) fn fetch(&self, source: &Source) -> Result<Fetched, FetchError> {
        self.fetch_until(source, &mut |_| {}, &AtomicBool::new(false))
    }

    pub(super) fn fetch_until(
        &self,
        source: &Source,
        progress: &mut dyn FnMut(Progress),
        stop: &AtomicBool,
    ) -> Result<Fetched, FetchError> {
        let wanted = Wanted::parse(&["*"], &["*"]).unwrap();
        let request = Request { source, wanted: &wanted, credentials: &Credentials::None };
        self.mirror.fetch(request, &self.entropy, progress, stop)
    }

    pub(super) fn accept_all(&self, fetched: &Fetched) {
        self.mirror.accept(&fetched.refs.iter().collect::<Vec<&Ref>>()).unwrap();
    }

    /// What lies in the directory of mirrors.
    pub(super) fn files(&self) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(self.home.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Walks everything reachable from the refs the mirror keeps; panics where something is missing.
    pub(super) fn count_kept(&self) -> usize {
        let repository = Repository::open_bare(self.mirror.dir()).unwrap();
        let mut walk = repository.revwalk().unwrap();
        walk.push_glob("refs/lectern/commits/*").unwrap();
        let mut count = 0;
        for id in walk {
            let commit = repository.find_commit(id.unwrap()).unwrap();
            count += 1;
            count_tree(&repository, commit.tree_id(), &mut count);
        }
        count
    }
}

fn count_tree(repository: &Repository, id: Oid, count: &mut usize) {
    *count += 1;
    for entry in &repository.find_tree(id).unwrap() {
        match entry.kind() {
            Some(ObjectType::Tree) => count_tree(repository, entry.id(), count),
            Some(ObjectType::Blob) => {
                repository.find_blob(entry.id()).unwrap();
                *count += 1;
            }
            _ => {}
        }
    }
}

pub(super) fn path(path: &Path) -> Source {
    Source::Path(path.to_owned())
}

pub(super) fn names(fetched: &Fetched) -> Vec<&str> {
    fetched.refs.iter().map(|r| r.name.as_str()).collect()
}

pub(super) fn id(oid: Oid) -> ObjectId {
    ObjectId::from_bytes(oid.as_bytes()).unwrap()
}
