//! Trust policies (C2SP tlog-policy): which logs are known, which witnesses, and which of those must have cosigned a
//! checkpoint before it counts.
//!
//! Pure: a policy is bytes from a file, and says nothing of how it is used. Names are opaque bytes, as the specification
//! has it: nothing is folded or normalized, so two names are the same only when their bytes are.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::checkpoint::{Checkpoint, Note, NoteError, VerifierKey, decimal};

/// Longer policies are refused unread. A thousand witnesses with addresses fit.
pub const LONGEST_POLICY: usize = 256 * 1024;
/// The name that means that no cosignature is asked for.
const NONE: &str = "none";
/// A cosignature's time never exceeds this (tlog-cosignature).
const LATEST: u64 = i64::MAX as u64;

/// What is wrong with a policy's text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct PolicyError {
    /// Counted from 1.
    pub line: usize,
    /// What was found, and what to write instead.
    pub what: String,
}

/// Why a note is no checkpoint that a policy knows. That a quorum is missing is no error: [`Cosigned::quorum`] says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UntrustedNote {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the checkpoint is of the log {found:?}, and the trust policy lists {listed}")]
    UnknownLog { found: String, listed: String },
}

/// A log that a policy knows. The key's name is the log's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub key: VerifierKey,
    /// As it was written; what it leads to is for the policy's user to say.
    pub url: Option<String>,
}

/// A witness that a policy knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name within the policy, which need not be that of its key. Only for people: bytes that are not UTF-8 are replaced.
    pub name: String,
    pub key: VerifierKey,
    /// Where it takes checkpoints (`URL/add-checkpoint`).
    pub url: Option<String>,
}

/// A trust policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<LogLine>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A checkpoint that a known log has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    pub checkpoint: Checkpoint,
    /// The key that signed it.
    pub log: VerifierKey,
    /// The witnesses that cosigned it, in the policy's order, each with its time in seconds since 1970.
    pub by: Vec<(String, u64)>,
    /// Whether those are as many as the policy asks for.
    pub quorum: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    Nobody,
    Of(Member),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    least: usize,
    /// Witnesses, and groups that stand before this one.
    members: Vec<Member>,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// At the first line that the format does not allow, or when no line states the quorum.
    pub fn parse(file: &[u8]) -> Result<Self, PolicyError> {
        if file.len() > LONGEST_POLICY {
            let what = format!("the policy is {} bytes long, and {LONGEST_POLICY} are allowed; list fewer witnesses", file.len());
            return Err(PolicyError { line: 1, what });
        }
        let mut reading = Reading::default();
        let mut last = 0;
        // Editors that leave out the last line feed are forgiven.
        for (number, line) in (1..).zip(file.strip_suffix(b"\n").unwrap_or(file).split(|b| *b == b'\n')) {
            reading.line(line).map_err(|what| PolicyError { line: number, what })?;
            last = number;
        }
        let Some(quorum) = reading.quorum else {
            let what = "no line states the quorum; add \"quorum NAME\" with a witness or a group, or \"quorum none\"".to_owned();
            return Err(PolicyError { line: last, what });
        };
        Ok(Self { logs: reading.logs, witnesses: reading.witnesses, groups: reading.groups, quorum })
    }

    /// The logs, in the order of their lines.
    #[must_use]
    pub fn logs(&self) -> &[LogLine] {
        &self.logs
    }

    /// The witnesses, in the order of their lines.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Whether any cosignature is asked for: with `quorum none`, none is.
    #[must_use]
    pub fn asks_for_witnesses(&self) -> bool {
        self.quorum != Quorum::Nobody
    }

    /// Whether these are as many as the policy asks for: one flag for each of [`Policy::witnesses`], whether it has
    /// cosigned. A flag that is not given counts as not cosigned.
    #[must_use]
    pub fn quorum_of(&self, cosigned: &[bool]) -> bool {
        // A group refers only to what stands before it, so one pass in their order is enough.
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let holds = |member: &Member, groups: &[bool]| match member {
            Member::Witness(at) => cosigned.get(*at).copied().unwrap_or(false),
            Member::Group(at) => groups.get(*at).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|m| holds(m, &groups)).count();
            groups.push(count >= group.least);
        }
        match &self.quorum {
            Quorum::Nobody => true,
            Quorum::Of(member) => holds(member, &groups),
        }
    }

    /// Verifies a signed checkpoint of one of the policy's logs and finds out which witnesses have cosigned it.
    /// Signatures by unknown keys are ignored.
    ///
    /// # Errors
    /// When it is no checkpoint of a listed log, none of that log's keys has signed it, or the signature of any listed
    /// log or witness does not hold.
    pub fn open(&self, note: &str) -> Result<Cosigned, UntrustedNote> {
        let keys: Vec<VerifierKey> = self.logs.iter().map(|l| l.key.clone()).collect();
        self.open_for(note, &keys)
    }

    /// As [`Policy::open`], for logs that are known from elsewhere, as those of a policy without `log` lines are.
    ///
    /// # Errors
    /// As [`Policy::open`].
    pub fn open_for(&self, note: &str, logs: &[VerifierKey]) -> Result<Cosigned, UntrustedNote> {
        let note: Note = note.parse()?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if !logs.iter().any(|k| k.name() == checkpoint.origin) {
            return Err(UntrustedNote::UnknownLog { found: checkpoint.origin, listed: listed(logs) });
        }
        let keys: Vec<VerifierKey> = logs.iter().chain(self.witnesses.iter().map(|w| &w.key)).cloned().collect();
        let good = note.verify(&keys)?;
        let Some((log, _)) = good.iter().find(|(key, _)| !key.is_witness() && key.name() == checkpoint.origin) else {
            return Err(NoteError::Unsigned(good.iter().map(|(key, _)| key.name()).collect::<Vec<_>>().join(", ")).into());
        };
        let times: Vec<Option<u64>> = self
            .witnesses
            .iter()
            .map(|w| good.iter().filter(|(k, _)| **k == w.key).filter_map(|(_, s)| s.witnessed_at()).filter(|t| *t <= LATEST).max())
            .collect();
        let by = self.witnesses.iter().zip(&times).filter_map(|(w, time)| Some((w.name.clone(), (*time)?))).collect();
        let quorum = self.quorum_of(&times.iter().map(Option::is_some).collect::<Vec<_>>());
        Ok(Cosigned { checkpoint, log: (*log).clone(), by, quorum })
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text.as_bytes())
    }
}

fn listed(logs: &[VerifierKey]) -> String {
    let names: Vec<String> = logs.iter().map(|k| format!("{:?}", k.name())).collect();
    if names.is_empty() { "none; add a line \"log VKEY\"".to_owned() } else { names.join(", ") }
}

/// A policy as far as it has been read.
#[derive(Default)]
struct Reading {
    logs: Vec<LogLine>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Quorum>,
    names: HashMap<Vec<u8>, Defined>,
}

struct Defined {
    member: Member,
    /// A name may be a member of one group only, so that each witness counts in one way.
    taken: bool,
}

impl Reading {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if let Some(byte) = line.iter().find(|b| matches!(b, 0..=8 | 0x0b..=0x1f | 0x7f)) {
            let hint = if *byte == b'\r' { "save the file with line feeds alone at the ends of its lines" } else { "remove it" };
            return Err(format!("the control character 0x{byte:02x} is not allowed; {hint}"));
        }
        let mut items = line.split(|b| matches!(b, b' ' | b'\t')).filter(|i| !i.is_empty());
        let Some(keyword) = items.next().filter(|k| !k.starts_with(b"#")) else { return Ok(()) };
        let items: Vec<&[u8]> = items.collect();
        match (keyword, items.as_slice()) {
            (b"log", [key]) => self.log(key, None),
            (b"log", [key, url]) => self.log(key, Some(url)),
            (b"log", _) => Err(format!("a log has a key and at most a URL, and {} are given; write \"log VKEY [URL]\"", count(&items))),
            (b"witness", [name, key]) => self.witness(name, key, None),
            (b"witness", [name, key, url]) => self.witness(name, key, Some(url)),
            (b"witness", _) => {
                let given = count(&items);
                Err(format!("a witness has a name, a key and at most a URL, and {given} are given; write \"witness NAME VKEY [URL]\""))
            }
            (b"group", [name, least, members @ ..]) => self.group(name, least, members),
            (b"group", _) => Err("a group has a name, a number and members; write \"group NAME all|any|NUMBER MEMBER…\"".to_owned()),
            (b"quorum", [name]) => self.quorum(name),
            (b"quorum", _) => {
                Err(format!("the quorum is one name, and {} are given; write \"quorum NAME\" or \"quorum none\"", count(&items)))
            }
            (other, _) => Err(format!("{} begins no line of a policy; write log, witness, group, quorum or # for a comment", Shown(other))),
        }
    }

    fn log(&mut self, key: &[u8], url: Option<&[u8]>) -> Result<(), String> {
        let key = read_key(key)?;
        if key.is_witness() {
            return Err(format!("{key} is a witness's key (type 04); a log's is of type 01, as its operator publishes it"));
        }
        if let Some(same) = self.logs.iter().find(|l| same_bytes(&l.key, &key)) {
            return Err(format!("this log's key is that of {:?} on a line before; remove one of the two", same.key.name()));
        }
        self.logs.push(LogLine { key, url: url.map(text) });
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: Option<&[u8]>) -> Result<(), String> {
        let key = read_key(key)?;
        if !key.is_witness() {
            return Err(format!("{key} is a log's key (type 01); a witness's is of type 04, as its operator publishes it"));
        }
        if let Some(same) = self.witnesses.iter().find(|w| same_bytes(&w.key, &key)) {
            return Err(format!("this witness's key is that of {:?} on a line before; remove one of the two", same.name));
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: text(name), key, url: url.map(text) });
        Ok(())
    }

    fn group(&mut self, name: &[u8], least: &[u8], members: &[&[u8]]) -> Result<(), String> {
        let most = members.len();
        if most == 0 {
            return Err(format!("the group {} has no members; name at least one witness or group", Shown(name)));
        }
        let least = match least {
            b"all" => most,
            b"any" => 1,
            number => std::str::from_utf8(number)
                .ok()
                .and_then(decimal)
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| (1..=most).contains(n))
                .ok_or_else(|| {
                    let (name, number) = (Shown(name), Shown(number));
                    format!(
                        "{number} is not how many of its {most} members the group {name} needs; write all, any or a number from 1 to {most}"
                    )
                })?,
        };
        // Before it is defined itself, so that it cannot be its own member.
        let members = members.iter().map(|m| self.take(m)).collect::<Result<Vec<_>, _>>()?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { least, members });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("a line before states the quorum already; remove one of the two".to_owned());
        }
        self.quorum = Some(if name == NONE.as_bytes() { Quorum::Nobody } else { Quorum::Of(self.defined(name)?.member) });
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), String> {
        if name == NONE.as_bytes() {
            return Err("no witness or group may be named \"none\", which means no witness at all; choose another name".to_owned());
        }
        if self.names.insert(name.to_vec(), Defined { member, taken: false }).is_some() {
            return Err(format!("the name {} is taken by a line before; choose another name", Shown(name)));
        }
        Ok(())
    }

    fn defined(&mut self, name: &[u8]) -> Result<&mut Defined, String> {
        let unknown = || format!("{} is no witness or group of a line before; define it above this line", Shown(name));
        self.names.get_mut(name).ok_or_else(unknown)
    }

    fn take(&mut self, name: &[u8]) -> Result<Member, String> {
        if name == NONE.as_bytes() {
            return Err("\"none\" can be no group's member; leave it out".to_owned());
        }
        let defined = self.defined(name)?;
        if std::mem::replace(&mut defined.taken, true) {
            return Err(format!("{} is a group's member already, and may be one only once; leave it out", Shown(name)));
        }
        Ok(defined.member)
    }
}

/// The bytes of an item in a message, bounded.
struct Shown<'b>(&'b [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        let shown = String::from_utf8_lossy(self.0.get(..LONGEST).unwrap_or(self.0));
        write!(f, "{shown:?}{}", if self.0.len() > LONGEST { "…" } else { "" })
    }
}

fn count(items: &[&[u8]]) -> String {
    match items.len() {
        0 => "none".to_owned(),
        many => format!("{many} items"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read_key(bytes: &[u8]) -> Result<VerifierKey, String> {
    let hint = "copy the key as its operator publishes it, NAME+ID+BASE64";
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{} is no key: it is not UTF-8; {hint}", Shown(bytes)))?;
    text.parse().map_err(|e: NoteError| format!("{}: {e}; {hint}", Shown(bytes)))
}

/// Whether two keys of one type wrap the same public key, whatever they are named.
fn same_bytes(one: &VerifierKey, other: &VerifierKey) -> bool {
    let last = |key: &VerifierKey| key.to_string().splitn(3, '+').nth(2).map(str::to_owned);
    last(one) == last(other)
}

#[cfg(test)]
mod tests;
