//! `verify` on the command line: sorts what was given, finds the keys to believe, verifies, and says what was proved and what
//! could not be. The same for `lectern audit verify` and for `lectern-verify`, which differ only in how they fetch from a portal.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::{BASE64, HEXLOWER};

use super::artefacts::{ArtefactError, Artefacts, Directory, VKEY_FILE};
use super::checkpoint::{Checkpoint, LONGEST_NOTE, Note, NoteError, VerifierKey};
use super::fsck::{FsckError, Receipts, Report, Trust, check_alone, fsck};
use super::handover::{HANDOVERS_FILE, Handover, Keys, read_handovers};
use super::merkle::Hash;
use super::policy::Policy;
use super::proof::{FIRST_LINE, read_proofs};

/// How a command ended; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Holds = 0,
    Fails = 1,
    Usage = 2,
}

#[derive(Clone, Debug, Default, Args)]
pub struct VerifyArgs {
    /// A portal's address, an exported directory, receipts (.tlog-proof, one or a bundle), a kept checkpoint or hand-overs of
    /// the key; any number of them
    #[arg(value_name = "URL_OR_DIR_OR_FILE")]
    pub what: Vec<String>,
    /// The log's key, as text or in a file. Take it from whoever handed it over, not from the portal
    #[arg(long, value_name = "VKEY|FILE")]
    pub key: Option<String>,
    /// A trust policy (C2SP tlog-policy): the log's key, the witnesses' keys, and which of them must have cosigned
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// A checkpoint kept from earlier, which the log must extend; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The hash of the entry that a receipt is about, when it is verified without the log
    #[arg(long, value_name = "HEX")]
    pub leaf: Option<String>,
    /// A token that the portal shows its log to
    #[arg(long, env = "LECTERN_TOKEN", hide_env_values = true, conflicts_with = "token_file")]
    pub token: Option<String>,
    /// A file with that token
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Opens the portal at an address, with the token for it.
pub type Fetch = dyn Fn(&str, Option<&str>) -> Box<dyn Artefacts>;

/// What surrounds the command: how to fetch, and the installation that was named, if any.
pub struct Surroundings<'a> {
    /// What a portal at this address publishes.
    pub fetch: &'a Fetch,
    /// The log of the installation, which is verified when no other is named.
    pub own: Option<&'a dyn Artefacts>,
    /// The key of the installation.
    pub key: Option<VerifierKey>,
    /// The token of the installation.
    pub token: Option<String>,
    /// Told how many entries of how many have been verified.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// Verifies what `args` name.
///
/// # Errors
/// Only when `out` cannot be written. What does not hold or cannot be read is written there, and in the exit code.
pub fn verify(args: &VerifyArgs, around: &mut Surroundings<'_>, out: &mut dyn Write) -> io::Result<Exit> {
    match prepare(args, around, out)? {
        Ok((targets, trust)) => targets.verify(trust, around.progress, out),
        Err(Trouble::Usage(why)) => {
            writeln!(out, "{why}.")?;
            Ok(Exit::Usage)
        }
        Err(Trouble::Unread(name, why)) => {
            writeln!(out, "{name}: {UNREAD}: {why}.")?;
            Ok(Exit::Fails)
        }
        Err(Trouble::Fails(name, why)) => {
            writeln!(out, "{name}: {FAILS}: {why}.")?;
            Ok(Exit::Fails)
        }
    }
}

/// Why nothing could be verified.
enum Trouble {
    Usage(String),
    Unread(String, String),
    Fails(String, String),
}

impl Trouble {
    fn of(name: &str, error: &ArtefactError) -> Self {
        // That a portal cannot be reached is no fault of how it was called.
        Self::Unread(name.to_owned(), error.to_string())
    }
}

fn usage<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Usage(why.into()))
}

fn prepare<'a>(args: &VerifyArgs, around: &mut Surroundings<'a>, out: &mut dyn Write) -> io::Result<Result<(Targets<'a>, Trust), Trouble>> {
    let prepared = (|| {
        let targets = Targets::of(args, around)?;
        let policy = match &args.policy {
            Some(file) => Some(Policy::parse(&read_bytes(file)?).map_err(|e| Trouble::Usage(format!("{}: {e}", file.display())))?),
            None => None,
        };
        let (keys, from) = targets.keys(args, policy.as_ref(), around)?;
        Ok((targets, keys, from, policy))
    })();
    let (mut targets, mut keys, from, policy) = match prepared {
        Ok(prepared) => prepared,
        Err(trouble) => return Ok(Err(trouble)),
    };
    if let Some(name) = from {
        writeln!(out, "Note: the key comes from {name} itself. Compare it with the one that was handed over, or give that with --key.")?;
    }
    for key in keys.all() {
        writeln!(out, "Key: {key}")?;
    }
    let handovers = match targets.handovers() {
        Ok(handovers) => handovers,
        Err(trouble) => return Ok(Err(trouble)),
    };
    keys.follow(&handovers);
    for handover in keys.handovers() {
        let (new, size) = (&handover.new, handover.checkpoint.size);
        writeln!(out, "Key: {new}, to which the one before was handed over at {size} entries, signed by both")?;
    }
    let trust = Trust { keys, policy, kept: std::mem::take(&mut targets.kept), receipts: std::mem::take(&mut targets.receipts) };
    Ok(Ok((targets, trust)))
}

/// What is to be verified, sorted.
#[derive(Default)]
struct Targets<'a> {
    logs: Vec<(String, Source<'a>)>,
    receipts: Vec<(String, Receipts)>,
    kept: Vec<(String, String)>,
    handovers: Vec<(String, String)>,
    leaf: Option<Hash>,
}

enum Source<'a> {
    Given(Box<dyn Artefacts>),
    Own(&'a dyn Artefacts),
}

impl Source<'_> {
    fn artefacts(&self) -> &dyn Artefacts {
        match self {
            Self::Given(artefacts) => &**artefacts,
            Self::Own(artefacts) => *artefacts,
        }
    }
}

impl<'a> Targets<'a> {
    fn of(args: &VerifyArgs, around: &Surroundings<'a>) -> Result<Self, Trouble> {
        let token = match &args.token_file {
            Some(file) => Some(read(file)?.trim().to_owned()),
            None => args.token.clone().or_else(|| around.token.clone()),
        };
        let mut targets = Self::default();
        if let Some(hex) = &args.leaf {
            let bytes = HEXLOWER.decode(hex.trim().to_ascii_lowercase().as_bytes()).ok();
            let Some(leaf) = bytes.and_then(|b| b.try_into().ok()) else {
                return usage("--leaf wants the 64 hexadecimal digits of a SHA-256");
            };
            targets.leaf = Some(leaf);
        }
        for what in &args.what {
            targets.add(what, token.as_deref(), around)?;
        }
        for file in &args.checkpoint {
            targets.kept.push((file.display().to_string(), read(file)?));
        }
        if targets.logs.is_empty()
            && targets.receipts.is_empty()
            && let Some(own) = around.own
        {
            targets.logs.push(("the log of this installation".to_owned(), Source::Own(own)));
        }
        if targets.logs.is_empty() && targets.receipts.is_empty() && targets.kept.is_empty() {
            return usage("name what to verify: a portal's address, an exported directory, receipts or kept checkpoints");
        }
        Ok(targets)
    }

    fn add(&mut self, what: &str, token: Option<&str>, around: &Surroundings<'_>) -> Result<(), Trouble> {
        if what.starts_with("http://") || what.starts_with("https://") {
            self.logs.push((what.to_owned(), Source::Given((around.fetch)(what, token))));
            return Ok(());
        }
        let path = Path::new(what);
        if path.is_dir() {
            self.logs.push((what.to_owned(), Source::Given(Box::new(Directory(path.to_owned())))));
            return Ok(());
        }
        if begins_as_proof(path)? {
            self.receipts.push((what.to_owned(), Receipts::File(path.to_owned())));
            return Ok(());
        }
        let text = read(path)?;
        if text.contains("\nkey-handover ") {
            self.handovers.push((what.to_owned(), text));
        } else if text.contains("\n\u{2014} ") {
            self.kept.push((what.to_owned(), text));
        } else {
            return usage(format!("{what} is neither a directory nor receipts (.tlog-proof) nor a checkpoint nor hand-overs of a key"));
        }
        Ok(())
    }

    /// The keys to believe, and where they are from when that is the log itself, which proves less.
    fn keys(&self, args: &VerifyArgs, policy: Option<&Policy>, around: &Surroundings<'_>) -> Result<(Keys, Option<String>), Trouble> {
        if let Some(text) = &args.key {
            let text = if text.contains('+') { text.clone() } else { read(Path::new(text))? };
            let key: VerifierKey = text.parse().map_err(|e: NoteError| Trouble::Usage(format!("--key: {e}")))?;
            return Ok((Keys::new(vec![key]).map_err(|e| Trouble::Usage(format!("--key: {e}")))?, None));
        }
        if let Some(policy) = policy.filter(|p| !p.logs().is_empty()) {
            return Ok((self.keys_of(policy)?, None));
        }
        if let Some(key) = &around.key {
            return Ok((Keys::from(key.clone()), None));
        }
        for (name, log) in &self.logs {
            let bytes = log.artefacts().get(VKEY_FILE).map_err(|e| Trouble::of(name, &e))?;
            if let Some(bytes) = bytes {
                let key = String::from_utf8_lossy(&bytes).parse();
                let key: VerifierKey = key.map_err(|e: NoteError| Trouble::Usage(format!("the key from {name}: {e}")))?;
                return Ok((Keys::from(key), Some(name.clone())));
            }
        }
        usage("give the log's key with --key: the text or the file that was handed over, as `lectern audit key` shows it; or --policy")
    }

    /// The keys that a policy lists for the log in question.
    fn keys_of(&self, policy: &Policy) -> Result<Keys, Trouble> {
        let known: Vec<VerifierKey> = policy.logs().iter().map(|l| l.key.clone()).collect();
        if let Ok(keys) = Keys::new(known.clone()) {
            return Ok(keys);
        }
        let origin = self.origin()?;
        let of_log: Vec<VerifierKey> = known.into_iter().filter(|k| Some(k.name()) == origin.as_deref()).collect();
        match Keys::new(of_log) {
            Ok(keys) => Ok(keys),
            Err(_) => {
                usage(format!("the policy lists several logs, and none of them is {}", origin.as_deref().unwrap_or("what was given")))
            }
        }
    }

    /// The name of the log that is to be verified, as the first thing given says.
    fn origin(&self) -> Result<Option<String>, Trouble> {
        let origin = |note: &str| note.parse::<Note>().ok().and_then(|n| Checkpoint::parse(n.text()).ok()).map(|c| c.origin);
        for (name, log) in &self.logs {
            let bytes = log.artefacts().get("checkpoint").map_err(|e| Trouble::of(name, &e))?;
            if let Some(found) = bytes.and_then(|b| origin(&String::from_utf8_lossy(&b))) {
                return Ok(Some(found));
            }
        }
        if let Some(found) = self.kept.iter().find_map(|(_, note)| origin(note)) {
            return Ok(Some(found));
        }
        let first = self.receipts.iter().find_map(|(_, receipts)| match receipts {
            Receipts::Kept(proof) => origin(&proof.checkpoint),
            Receipts::File(path) => read_proofs(BufReader::new(File::open(path).ok()?)).next()?.ok().and_then(|p| origin(&p.checkpoint)),
        });
        Ok(first)
    }

    /// The hand-overs that were given, and those that the logs publish.
    fn handovers(&self) -> Result<Vec<Handover>, Trouble> {
        let mut texts = self.handovers.clone();
        for (name, log) in &self.logs {
            if let Some(bytes) = log.artefacts().get(HANDOVERS_FILE).map_err(|e| Trouble::of(name, &e))? {
                texts.push((format!("{HANDOVERS_FILE} of {name}"), String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        let mut all = Vec::new();
        for (name, text) in texts {
            all.extend(read_handovers(&text).map_err(|e| Trouble::Fails(name, e.to_string()))?);
        }
        Ok(all)
    }

    fn verify(&self, mut trust: Trust, progress: &mut dyn FnMut(u64, u64), out: &mut dyn Write) -> io::Result<Exit> {
        if self.logs.is_empty() {
            return self.alone(&trust, out);
        }
        let mut exit = Exit::Holds;
        let given = trust.kept.len();
        let notes = self.notes(&trust.keys);
        for (at, (name, log)) in self.logs.iter().enumerate() {
            // What the other copies say must be the same log, as far as they go.
            let own = notes.get(at).and_then(Option::as_ref).map_or(0, |(_, size)| *size);
            trust.kept.truncate(given);
            for (other, ((other_name, _), note)) in self.logs.iter().zip(&notes).enumerate() {
                if let Some((text, size)) = note
                    && other != at
                    && *size <= own
                {
                    trust.kept.push((format!("the checkpoint of {other_name}"), text.clone()));
                }
            }
            match fsck(log.artefacts(), &trust, progress) {
                Ok(report) => tell(out, name, &trust, &report)?,
                Err(error) => {
                    exit = Exit::Fails;
                    fails(out, name, &error)?;
                }
            }
        }
        Ok(exit)
    }

    /// The checkpoint that each log publishes now, and its size. What is wrong with one is found when that log is verified.
    fn notes(&self, keys: &Keys) -> Vec<Option<(String, u64)>> {
        if self.logs.len() < 2 {
            return Vec::new();
        }
        let note = |log: &Source<'_>| {
            let bytes = log.artefacts().get("checkpoint").ok()??;
            let text = String::from_utf8(bytes).ok()?;
            let size = keys.open(&text).ok()?.size;
            Some((text, size))
        };
        self.logs.iter().map(|(_, log)| note(log)).collect()
    }

    /// Receipts and checkpoints without the log they are from.
    fn alone(&self, trust: &Trust, out: &mut dyn Write) -> io::Result<Exit> {
        let (mut said, mut entries, mut bare) = (Ok(()), 0_u64, 0_u64);
        let checked = check_alone(trust, self.leaf.as_ref(), &mut |name, proof, checkpoint, proved| {
            *(if proved { &mut entries } else { &mut bare }) += 1;
            let what = if proved {
                format!("entry {} is in the log of {} entries", proof.index, checkpoint.size)
            } else {
                format!("the checkpoint over {} entries is signed", checkpoint.size)
            };
            // A bundle may hold very many.
            if said.is_ok() && entries + bare <= 20 {
                said = writeln!(out, "{name}: {what}.");
            }
        });
        said?;
        if entries + bare > 20 {
            writeln!(out, "… {} receipts in all: {entries} prove their entry, {bare} only a signed checkpoint.", entries + bare)?;
        }
        if let Err(error) = checked {
            fails(out, "What was given", &error)?;
            return Ok(Exit::Fails);
        }
        for (name, _) in &trust.kept {
            writeln!(out, "{name}: a checkpoint of {}, signed.", trust.keys.origin())?;
        }
        if trust.kept.len() + trust.receipts.len() > 1 {
            writeln!(out, "No two of them say different things about a log of the same size.")?;
        }
        if bare > 0 {
            writeln!(out, "Not proved: which entry it is, for receipts that do not carry theirs. Give its hash with --leaf, or the log.")?;
        }
        if trust.policy.is_none() {
            writeln!(out, "{NO_WITNESS}")?;
        }
        writeln!(out, "Not proved: that today's log still says so. Give the portal's address or an export to prove that.")?;
        Ok(Exit::Holds)
    }
}

const FAILS: &str = "DOES NOT HOLD";
/// Nothing was found out, neither good nor bad.
const UNREAD: &str = "COULD NOT BE VERIFIED";
const NO_WITNESS: &str = "Not proved: that everybody is shown the same log; witnesses' cosignatures prove that (--policy).";

fn tell(out: &mut dyn Write, name: &str, trust: &Trust, report: &Report) -> io::Result<()> {
    writeln!(out, "{name}: the log {} holds.", trust.keys.origin())?;
    writeln!(out, "  {} entries, root {}, signed by the key", report.size, BASE64.encode(&report.root))?;
    writeln!(out, "  {} entries read, each in its form and hashing to its leaf; {} tiles", report.entries, report.tiles)?;
    if report.personal + report.without_personal > 0 {
        let (fit, absent) = (report.personal, report.without_personal);
        writeln!(out, "  {fit} personal details fit their entries, {absent} were erased or not given")?;
    }
    if report.checkpoints > 0 {
        let (old, receipts) = (report.checkpoints, report.receipts);
        writeln!(out, "  it extends {old} older checkpoints, and {receipts} receipts are of entries in it")?;
    }
    for (witness, time) in &report.witnesses {
        writeln!(out, "  cosigned by {witness} at {}", utc(*time))?;
    }
    for unproved in &report.unproved {
        writeln!(out, "  Not proved: {unproved}.")?;
    }
    if trust.policy.as_ref().is_none_or(|p| !p.asks_for_witnesses()) {
        writeln!(out, "  {NO_WITNESS}")?;
    }
    if report.checkpoints == 0 {
        writeln!(
            out,
            "  Not proved: that nothing was rewritten since earlier; a kept checkpoint (--checkpoint) or a receipt proves that."
        )?;
    }
    Ok(())
}

fn fails(out: &mut dyn Write, name: &str, error: &FsckError) -> io::Result<()> {
    let verdict = if matches!(error, FsckError::Artefact(_)) { UNREAD } else { FAILS };
    writeln!(out, "{name}: {verdict}: {error}.")?;
    if let Some(index) = error.index() {
        writeln!(out, "First affected entry: {index}")?;
    }
    Ok(())
}

/// Seconds since 1970 as a date and time in UTC.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Counted from 1 March of the year 0, so that the leap day is a year's last.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

fn begins_as_proof(path: &Path) -> Result<bool, Trouble> {
    let mut start = Vec::new();
    let unread = |e: io::Error| Trouble::Usage(format!("{}: {e}", path.display()));
    File::open(path).map_err(unread)?.take(FIRST_LINE.len() as u64).read_to_end(&mut start).map_err(unread)?;
    Ok(start == FIRST_LINE.as_bytes())
}

fn read(file: &Path) -> Result<String, Trouble> {
    String::from_utf8(read_bytes(file)?).map_err(|_| Trouble::Usage(format!("{}: it is not a text in UTF-8", file.display())))
}

fn read_bytes(file: &Path) -> Result<Vec<u8>, Trouble> {
    let unread = |e: io::Error| Trouble::Usage(format!("{}: {e}", file.display()));
    let mut bytes = Vec::new();
    let most = 16 * LONGEST_NOTE as u64;
    File::open(file).map_err(unread)?.take(most + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > most {
        return usage(format!("{} is longer than any checkpoint, key or policy", file.display()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_told_as_dates() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_790_000_001, "2026-09-21T14:13:21Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), date);
        }
    }
}
