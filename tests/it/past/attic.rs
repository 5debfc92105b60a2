//! A repository of which everything is known.

use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Oid, Repository, Signature, Time};
use serde_json::Value;

/// Twenty numbered lines, with some replaced.
pub(super) fn text(replaced: &[(usize, &str)]) -> String {
    let line =
        |n: usize| replaced.iter().find(|(at, _)| *at == n).map_or_else(|| format!("line {n} as it was first"), |(_, t)| (*t).to_owned());
    (1..=20).map(|n| line(n) + "\n").collect()
}

pub(super) struct Attic {
    repository: Repository,
    commits: Vec<(&'static str, Oid)>,
    files: Vec<(Vec<u8>, Vec<u8>, FileMode)>,
}

impl Attic {
    pub(super) fn at(path: &Path) -> Self {
        Self { repository: Repository::init_bare(path).unwrap(), commits: Vec::new(), files: Vec::new() }
    }

    pub(super) fn put(&mut self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.put_as(path, bytes, FileMode::Blob)
    }

    /// The bytes of a submodule are the commit's id, in hexadecimal.
    pub(super) fn put_as(&mut self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>, mode: FileMode) -> &mut Self {
        self.remove(&path);
        self.files.push((path.as_ref().to_vec(), bytes.as_ref().to_vec(), mode));
        self
    }

    /// Files that are not there yet.
    pub(super) fn put_all(&mut self, files: impl Iterator<Item = (String, String)>) -> &mut Self {
        self.files.extend(files.map(|(path, text)| (path.into_bytes(), text.into_bytes(), FileMode::Blob)));
        self
    }

    pub(super) fn remove(&mut self, path: impl AsRef<[u8]>) -> &mut Self {
        self.files.retain(|(other, ..)| other != path.as_ref());
        self
    }

    pub(super) fn remove_all(&mut self) -> Vec<(Vec<u8>, Vec<u8>, FileMode)> {
        std::mem::take(&mut self.files)
    }

    pub(super) fn put_back(&mut self, files: Vec<(Vec<u8>, Vec<u8>, FileMode)>) -> &mut Self {
        self.files = files;
        self
    }

    pub(super) fn id(&self, name: &str) -> Oid {
        self.commits.iter().find(|(other, _)| *other == name).unwrap_or_else(|| panic!("no commit {name}")).1
    }

    /// The files as they are now become a commit; each is an hour younger than the one before.
    pub(super) fn commit(&mut self, name: &'static str, parents: &[&str]) {
        let mut tree = TreeUpdateBuilder::new();
        for (path, bytes, mode) in &self.files {
            let id = match mode {
                FileMode::Commit => Oid::from_str(std::str::from_utf8(bytes).unwrap()).unwrap(),
                _ => self.repository.odb().unwrap().write(ObjectType::Blob, bytes).unwrap(),
            };
            tree.upsert(path.clone(), id, *mode);
        }
        let id = self.write(&mut tree, name, parents);
        self.commits.push((name, id));
    }

    fn write(&self, tree: &mut TreeUpdateBuilder, name: &str, parents: &[&str]) -> Oid {
        let empty = self.repository.find_tree(self.repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let tree = self.repository.find_tree(tree.create_updated(&self.repository, &empty).unwrap()).unwrap();
        let seconds = 1_600_000_000 + 3_600 * i64::try_from(self.commits.len()).unwrap();
        let who = Signature::new("A U Thor", "author@vendor.example", &Time::new(seconds, 0)).unwrap();
        let parents: Vec<_> = parents.iter().map(|parent| self.repository.find_commit(self.id(parent)).unwrap()).collect();
        let message = format!("{name}\n\nThe body of {name}.\n");
        self.repository.commit(None, &who, &who, &message, &tree, &parents.iter().collect::<Vec<_>>()).unwrap()
    }

    pub(super) fn tag(&self, name: &str, commit: &str) {
        let object = self.repository.find_object(self.id(commit), Some(ObjectType::Commit)).unwrap();
        self.repository.tag_lightweight(name, &object, false).unwrap();
    }

    pub(super) fn name_of(&self, id: &Value) -> &'static str {
        let id = id.as_str().unwrap();
        self.commits.iter().find(|(_, commit)| commit.to_string() == id).unwrap_or_else(|| panic!("no commit {id}")).0
    }
}

/// A history of which everything is known.
pub(super) fn attic(path: &Path) -> Attic {
    let mut a = Attic::at(path);
    a.put("README", "one\ntwo\n").put("src/a.c", text(&[])).put("secret/plan.txt", "the plan\nin three\nlines\n");
    a.put("secret/came_out.txt", text(&[(3, "a secret third line")])).put("data.bin", b"\0\x01binary\xff").put_as(
        "run.sh",
        "#!/bin/sh\n",
        FileMode::Blob,
    );
    a.put("gone.txt", "here for now\n").put("dos.txt", "a\r\nb\r\nc\r\n").put("endless.txt", "a\nb");
    a.commit("begin", &[]);
    a.put("src/a.c", text(&[(5, "five")]));
    a.commit("five", &["begin"]);
    let ours = a.files.clone();
    a.put("src/a.c", text(&[(15, "fifteen")]));
    a.commit("fifteen", &["begin"]);
    a.files = ours;
    a.put("src/a.c", text(&[(5, "five"), (15, "fifteen")]));
    a.commit("merge", &["five", "fifteen"]);
    a.tag("v1.0", "merge");
    a.remove("src/a.c").put("src/b.c", text(&[(1, "one"), (5, "five"), (15, "fifteen")]));
    a.commit("rename", &["merge"]);
    a.remove("secret/came_out.txt")
        .put("src/came_out.txt", text(&[(3, "a secret third line")]))
        .put("secret/plan.txt", "the plan\nin four\nlines\n");
    a.commit("out", &["rename"]);
    a.put_as("run.sh", "#!/bin/sh\n", FileMode::BlobExecutable).put("data.bin", b"\0\x02binary\xff");
    a.commit("mode", &["out"]);
    a.remove("gone.txt");
    a.commit("away", &["mode"]);
    a.put("gone.txt", "here again\n").put("dos.txt", "a\r\nB\r\nc\r\n").put("endless.txt", "a\nb\n");
    a.commit("again", &["away"]);
    // A merge in which somebody put a line that stands on neither side.
    let before = a.files.clone();
    a.put("src/b.c", text(&[(1, "one"), (5, "five"), (10, "ten"), (15, "fifteen")]));
    a.commit("ten", &["again"]);
    a.files = before;
    a.put("README", "one\ntwo\nthree\n");
    a.commit("readme", &["again"]);
    a.put("src/b.c", text(&[(1, "one"), (5, "five"), (10, "ten"), (15, "fifteen"), (20, "put in by the merge")]));
    a.commit("evil", &["ten", "readme"]);
    a.remove("README");
    a.commit("last", &["evil"]);
    a.tag("v2.0", "last");
    a
}
