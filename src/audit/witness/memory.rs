//! What a witness must never forget: its key, and what it cosigned last of each log.
//!
//! Everything cosigned is one file, so that it is whole or visibly damaged, and it is made before the key is: a key without
//! it means that the memory was lost. What it holds are the cosigned checkpoints themselves, and each is verified with the
//! witness's own key when it is read. Memory that is lost cannot be made up for: whoever cosigned anything before and no longer
//! knows what may cosign what contradicts it.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Answer, Seen, VKEY_FILE, WitnessError};
use crate::audit::checkpoint::{Checkpoint, Note, Signature, SignerKey};
use crate::audit::durable_file;
use crate::clock::Timestamp;
use crate::ids::Entropy;

const SECRET: &str = "witness.key";
const COSIGNED: &str = "cosigned.json";
const LOCK: &str = "lock";
/// A file of what was cosigned is not read beyond this: a thousand logs fit.
const LONGEST: u64 = 64 * 1024 * 1024;

const LOST: &str = "Put the newest copy of the whole directory back if you are sure that nothing was cosigned since; otherwise this witness \
                    must not go on: keep its files as they are, start a new one with another name in another directory, and give its \
                    verifier key to whoever relies on the old one";

/// The file of what was cosigned.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    v: u32,
    /// By origin, each a checkpoint with the log's signatures and the witness's.
    cosigned: BTreeMap<String, String>,
}

pub(super) struct Memory {
    key: SignerKey,
    file: PathBuf,
    state: Mutex<State>,
    /// Held for as long as the witness lives.
    _lock: File,
}

struct State {
    logs: BTreeMap<String, Seen>,
    /// A write failed: what the file holds is not certain any more.
    failed: Option<String>,
}

impl Memory {
    pub(super) fn open(directory: &Path, name: Option<&str>, entropy: &Entropy) -> Result<Self, WitnessError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| WitnessError::File { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at(directory))?;
        let lock = lock(directory)?;
        let (file, secret, public) = (directory.join(COSIGNED), directory.join(SECRET), directory.join(VKEY_FILE));
        if !secret.try_exists().map_err(at(&secret))? {
            let name = name.ok_or(WitnessError::Unnamed)?;
            let key = SignerKey::witness(name, &entropy.bytes())?;
            match read(&file)? {
                Some(stored) if !stored.cosigned.is_empty() => {
                    let found = format!("the key is gone, and {COSIGNED} says what was cosigned with it");
                    return Err(WitnessError::Damaged { path: secret, found, remedy: LOST });
                }
                Some(_) => {}
                None => write(&file, &BTreeMap::new()).map_err(at(&file))?,
            }
            durable_file::create(&secret, format!("{}\n", key.to_secret_text()).as_bytes(), 0o600).map_err(at(&secret))?;
        }
        let text = fs::read_to_string(&secret).map_err(at(&secret))?;
        let damaged = |found: String| WitnessError::Damaged { path: secret.clone(), found, remedy: LOST };
        let key = SignerKey::from_secret_text(&text).map_err(|e| damaged(e.to_string()))?;
        if !key.public().is_witness() {
            return Err(damaged("it is not a witness's key".to_owned()));
        }
        if let Some(wanted) = name.filter(|n| *n != key.public().name()) {
            return Err(WitnessError::OtherName { is: key.public().name().to_owned(), wanted: wanted.to_owned() });
        }
        let text = format!("{}\n", key.public());
        if fs::read(&public).ok().as_deref() != Some(text.as_bytes()) {
            durable_file::replace(&public, text.as_bytes()).map_err(at(&public))?;
        }
        let damaged = |found: String| WitnessError::Damaged { path: file.clone(), found, remedy: LOST };
        let stored = read(&file)?.ok_or_else(|| damaged("it is missing, and the witness has a key".to_owned()))?;
        let logs = stored.cosigned.into_iter().map(|(origin, note)| match verify(&origin, note, &key) {
            Ok(seen) => Ok((origin, seen)),
            Err(found) => Err(damaged(format!("what it says of the log {origin:?} does not hold: {found}"))),
        });
        let logs = logs.collect::<Result<_, _>>()?;
        Ok(Self { key, state: Mutex::new(State { logs, failed: None }), file, _lock: lock })
    }

    pub(super) fn key(&self) -> &SignerKey {
        &self.key
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).logs.values().cloned().collect()
    }

    pub(super) fn failed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failed.is_some()
    }

    /// Lets `decide` compare what was cosigned last of a log with what is to be, alone, and cosigns it when it agrees: the
    /// checkpoint, its text, the log's signatures over it and the time. It is on disk before this returns.
    pub(super) fn advance(
        &self,
        origin: &str,
        decide: impl FnOnce(Option<&Checkpoint>) -> Result<(Checkpoint, String, Vec<Signature>, u64), Answer>,
    ) -> Result<Answer, Answer> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &state.failed {
            return Err(Answer::Failed(why.clone()));
        }
        let last = state.logs.get(origin).map(|s| s.checkpoint.clone());
        let (checkpoint, text, mut signatures, time) = decide(last.as_ref())?;
        let own = self.key.sign(&text, time);
        let line = own.to_string();
        // The same checkpoint again is remembered already.
        if last.as_ref() != Some(&checkpoint) {
            signatures.push(own);
            let note = Note::new(text, signatures).map_err(|e| Answer::Malformed(e.to_string()))?.to_string();
            let at = Timestamp::from_seconds(i64::try_from(time).unwrap_or(i64::MAX));
            let mut logs = state.logs.clone();
            logs.insert(origin.to_owned(), Seen { checkpoint, at, note });
            let notes = logs.iter().map(|(origin, seen)| (origin.clone(), seen.note.clone())).collect();
            if let Err(error) = write(&self.file, &notes) {
                // Whether the file is the old one or the new is not known now; reading it again at the next start tells.
                let why = format!("what was to be cosigned could not be written down ({error}), so this witness must be started again");
                tracing::error!(%error, file = %self.file.display(), "the witness could not write; it cosigns nothing until it is started again");
                state.failed = Some(why.clone());
                return Err(Answer::Failed(why));
            }
            state.logs = logs;
        }
        Ok(Answer::Cosigned(line))
    }
}

fn lock(directory: &Path) -> Result<File, WitnessError> {
    let path = directory.join(LOCK);
    let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = open.map_err(|source| WitnessError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(WitnessError::Taken(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(WitnessError::File { path, source }),
    }
}

fn write(file: &Path, cosigned: &BTreeMap<String, String>) -> std::io::Result<()> {
    let stored = Stored { v: 1, cosigned: cosigned.clone() };
    let mut bytes = serde_json::to_vec_pretty(&stored)?;
    bytes.push(b'\n');
    durable_file::replace(file, &bytes)
}

/// `None` when there is no such file.
fn read(file: &Path) -> Result<Option<Stored>, WitnessError> {
    let at = |source| WitnessError::File { path: file.to_owned(), source };
    let open = match File::open(file) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(at)?,
    };
    let mut bytes = Vec::new();
    open.take(LONGEST).read_to_end(&mut bytes).map_err(at)?;
    let damaged = |found: String| WitnessError::Damaged { path: file.to_owned(), found, remedy: LOST };
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|e| damaged(format!("it is damaged ({e})")))?;
    if stored.v == 1 { Ok(Some(stored)) } else { Err(damaged(format!("it is of version {}, and this program knows version 1", stored.v))) }
}

/// Whether this is what the witness cosigned of that log.
fn verify(origin: &str, text: String, key: &SignerKey) -> Result<Seen, String> {
    let note: Note = text.parse().map_err(|e: super::NoteError| e.to_string())?;
    let keys = [key.public().clone()];
    let good = note.verify(&keys).map_err(|e| e.to_string())?;
    let time = good.iter().filter_map(|(_, signature)| signature.witnessed_at()).max().ok_or("its cosignature states no time")?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| e.to_string())?;
    if checkpoint.origin != origin {
        return Err(format!("it is of the log {:?}", checkpoint.origin));
    }
    Ok(Seen { checkpoint, at: Timestamp::from_seconds(i64::try_from(time).unwrap_or(i64::MAX)), note: text })
}
