//! What a backup is made of: its files, their hashes, and the manifest that is written when all of them are whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The form of a backup. A later one is another number.
pub(super) const FORMAT: u32 = 1;
const NAME: &str = "manifest.json";
/// More than any manifest is.
const LONGEST: u64 = 64 << 20;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// RFC 3339, UTC.
    pub(super) taken_at: String,
    /// The version of Lectern that took it.
    pub(super) lectern: String,
    /// The database it was taken from; it can be restored into either.
    pub(super) database: String,
    /// The version of the tables.
    pub(super) migration: i64,
    pub(super) log: LogPart,
    pub(super) files: Vec<FilePart>,
}

/// How far the log goes in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogPart {
    pub(super) origin: String,
    pub(super) size: u64,
    /// In base64.
    pub(super) root: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilePart {
    /// Below the directory of the backup, with slashes.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// Of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<u64>,
    /// The permissions that the file had where it was copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<u32>,
}

/// The manifest and its hash, so that a change to itself is found as well.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    manifest: Manifest,
    sha256: String,
}

fn canonical(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json_canonicalizer::to_string(value)?)
}

fn sync_directory(path: &Path) -> anyhow::Result<()> {
    File::open(path).and_then(|directory| directory.sync_all()).with_context(|| format!("{} cannot be made durable", path.display()))
}

/// A backup that is being written.
pub(super) struct Writing {
    directory: PathBuf,
    files: Vec<FilePart>,
}

impl Writing {
    /// Begins one in a directory that is not there yet, or is empty.
    pub(super) fn begin(directory: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("the directory {} cannot be made", directory.display());
        DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(cannot)?;
        if fs::read_dir(directory).with_context(cannot)?.next().is_some() {
            bail!("{} is not empty. A backup wants a directory of its own, so that nothing in it is from another", directory.display());
        }
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).with_context(cannot)?;
        Ok(Self { directory: directory.to_owned(), files: Vec::new() })
    }

    /// Writes one file. `write` returns the number of rows, of a table.
    pub(super) async fn file(
        &mut self,
        path: &str,
        mode: Option<u32>,
        write: impl AsyncFnOnce(&mut Hashing) -> anyhow::Result<Option<u64>>,
    ) -> anyhow::Result<()> {
        let whole = self.directory.join(path);
        let cannot = || format!("{} cannot be written", whole.display());
        if let Some(parent) = whole.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent).with_context(cannot)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&whole).with_context(cannot)?;
        let mut out = Hashing { to: BufWriter::with_capacity(1 << 16, file), hash: Sha256::new(), bytes: 0 };
        let rows = write(&mut out).await?;
        out.to.flush().and_then(|()| out.to.get_ref().sync_all()).with_context(cannot)?;
        let sha256 = HEXLOWER.encode(&out.hash.finalize());
        self.files.push(FilePart { path: path.to_owned(), bytes: out.bytes, sha256, rows, mode });
        Ok(())
    }

    /// Makes all of it durable, and then writes the manifest: a directory without one is no backup.
    pub(super) fn finish(self, about: impl FnOnce(Vec<FilePart>) -> Manifest) -> anyhow::Result<Manifest> {
        let mut directories: Vec<PathBuf> =
            self.files.iter().filter_map(|f| Some(self.directory.join(&f.path).parent()?.to_owned())).collect();
        directories.sort();
        directories.dedup();
        for directory in directories.iter().flat_map(|d| d.ancestors()).take_while(|d| d.starts_with(&self.directory)) {
            sync_directory(directory)?;
        }
        let manifest = about(self.files);
        let sha256 = HEXLOWER.encode(&Sha256::digest(canonical(&manifest)?));
        let text = format!("{}\n", canonical(&Sealed { manifest: manifest.clone(), sha256 })?);
        super::super::installation::write_private(&self.directory.join(NAME), &text)?;
        if let Some(parent) = self.directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory(parent)?;
        }
        Ok(manifest)
    }
}

/// A file, hashed as it is written.
pub(super) struct Hashing {
    to: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A backup that is there.
pub(super) struct Backup {
    pub(super) directory: PathBuf,
    pub(super) manifest: Manifest,
}

impl Backup {
    /// Reads what a backup says of itself. None of its files is looked at yet.
    pub(super) fn open(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(NAME);
        let shown = path.display();
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => file.take(LONGEST).read_to_string(&mut text).with_context(|| format!("{shown} cannot be read"))?,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => bail!(
                "{} is no whole backup: it has no manifest.json, which is written last. If it was being taken, it broke off; take it again",
                directory.display()
            ),
            Err(cause) => return Err(cause).with_context(|| format!("{shown} cannot be read")),
        };
        let damaged = || format!("{shown} is damaged. Take another backup");
        let form: serde_json::Value = serde_json::from_str(&text).with_context(damaged)?;
        let format = form.pointer("/manifest/format").and_then(serde_json::Value::as_u64);
        if let Some(format) = format.filter(|format| *format > u64::from(FORMAT)) {
            bail!(
                "the backup in {} is of the form {format}, and this version of Lectern reads {FORMAT}. Take a newer one",
                directory.display()
            );
        }
        let sealed: Sealed = serde_json::from_value(form).with_context(damaged)?;
        let hash = HEXLOWER.encode(&Sha256::digest(canonical(&sealed.manifest)?));
        // Written again it must be the same, so that no byte of it can have changed.
        if hash != sealed.sha256 || format!("{}\n", canonical(&sealed)?) != text {
            bail!("{}", damaged());
        }
        if sealed.manifest.format != FORMAT {
            bail!("the backup in {} is of the form {}, which there never was", directory.display(), sealed.manifest.format);
        }
        for file in &sealed.manifest.files {
            if !Path::new(&file.path).components().all(|part| matches!(part, Component::Normal(_))) {
                bail!("the backup names the file {:?}, which does not lie in it", file.path);
            }
        }
        Ok(Self { directory: directory.to_owned(), manifest: sealed.manifest })
    }

    pub(super) fn part(&self, path: &str) -> anyhow::Result<&FilePart> {
        let found = self.manifest.files.iter().find(|file| file.path == path);
        found.with_context(|| format!("the backup in {} has no {path}", self.directory.display()))
    }

    /// Opens a file of it, to be read to its end and then held against the manifest.
    pub(super) fn read(&self, part: &FilePart) -> anyhow::Result<Checked> {
        let path = self.directory.join(&part.path);
        let file = File::open(&path).with_context(|| format!("{} of the backup cannot be read", path.display()))?;
        let from = BufReader::with_capacity(1 << 16, file);
        Ok(Checked { from, hash: Sha256::new(), bytes: 0, part: part.clone(), path })
    }

    /// A small file of it, whole and checked.
    pub(super) fn text(&self, path: &str) -> anyhow::Result<String> {
        let mut file = self.read(self.part(path)?)?;
        let mut text = String::new();
        (&mut file).take(1 << 20).read_to_string(&mut text).with_context(|| format!("{path} of the backup"))?;
        file.finish()?;
        Ok(text)
    }
}

/// A file of a backup, hashed as it is read.
pub(super) struct Checked {
    from: BufReader<File>,
    hash: Sha256,
    bytes: u64,
    part: FilePart,
    path: PathBuf,
}

impl Checked {
    /// Reads the rest, and holds all of it against the manifest.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        io::copy(&mut self, &mut io::sink()).with_context(|| format!("{} of the backup cannot be read", self.path.display()))?;
        if self.bytes != self.part.bytes || HEXLOWER.encode(&self.hash.finalize()) != self.part.sha256 {
            bail!("{} is not the file that the manifest of the backup was written for: it was changed or damaged", self.path.display());
        }
        Ok(())
    }
}

impl Read for Checked {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(to)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Checked {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.from.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.hash.update(self.from.buffer().get(..count).unwrap_or_default());
        self.bytes += count as u64;
        self.from.consume(count);
    }
}
