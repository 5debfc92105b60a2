//! `lectern audit`: the log from outside. Verifies what a portal or a directory publishes, exports the log, and shows the
//! key to verify it with.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use data_encoding::{BASE64, HEXLOWER};
use indicatif::{ProgressBar, ProgressStyle};

use crate::audit::fsck::{FsckError, Report, Trust, check_receipt, fsck};
use crate::audit::{
    ArtefactError, Artefacts, AuditError, Context, Directory, Draft, Format, LONGEST_PROOF, Log, Portal, Proof, VKEY_FILE, VerifierKey,
    export as export_log, read_public,
};

/// How a command ended; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Holds = 0,
    Fails = 1,
    Usage = 2,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify the log from what it publishes: a portal, an exported directory, receipts, or all of them together
    Verify(VerifyArgs),
    /// Write the log to files
    Export(ExportArgs),
    /// Show the key that the log is verified with, on the last line
    Key(KeyArgs),
}

/// Where the installation is, for the commands that need it.
#[derive(Debug, Default, Args)]
pub struct Installation {
    /// The data directory of a demonstration or default installation
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub data: Option<PathBuf>,
    /// The configuration of an installation
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub struct VerifyArgs {
    /// A portal's address, an exported directory, a receipt (.tlog-proof) or a kept checkpoint; any number of them
    #[arg(value_name = "URL_OR_DIR_OR_RECEIPT")]
    pub what: Vec<String>,
    /// The log's key, as text or in a file. Take it from whoever handed it over, not from the portal
    #[arg(long, value_name = "VKEY|FILE")]
    pub key: Option<String>,
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
    #[command(flatten)]
    pub installation: Installation,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// The directory (tiles) or file (jsonl, csv) to write
    #[arg(long, value_name = "DIR_OR_FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub installation: Installation,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExportFormat {
    /// Checkpoint, tiles, entry bundles and personal details: all that `verify` wants
    Tiles,
    /// One JSON object a line
    Jsonl,
    /// One row an entry
    Csv,
}

#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(flatten)]
    pub installation: Installation,
}

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Tiles => Self::Tiles,
            ExportFormat::Jsonl => Self::JsonLines,
            ExportFormat::Csv => Self::Csv,
        }
    }
}

/// Verifies what `args` name. `data` is the data directory that they mean, if any, and `own` the log in it, which is
/// verified when they name no other.
///
/// # Errors
/// Only when `out` cannot be written. What does not hold or cannot be read is written there, and in the exit code.
pub fn verify(args: &VerifyArgs, data: Option<&Path>, own: Option<&dyn Artefacts>, out: &mut dyn Write) -> io::Result<Exit> {
    let targets = match Targets::of(args, own) {
        Ok(targets) => targets,
        Err(error) => return usage(out, &error),
    };
    let key = match targets.key(args, data, out) {
        Ok(key) => key,
        Err(error) => {
            let said = usage(out, &error)?;
            // That a portal cannot be reached is no fault of how it was called.
            return Ok(if error.is::<ArtefactError>() { Exit::Fails } else { said });
        }
    };
    writeln!(out, "Key: {key}")?;
    let trust = Trust { key, kept: targets.kept, receipts: targets.receipts };
    let mut exit = Exit::Holds;
    for (name, log) in &targets.logs {
        match fsck(log.artefacts(), &trust, &mut bar("verified")) {
            Ok(report) => tell(out, name, &trust, &report)?,
            Err(error) => {
                exit = Exit::Fails;
                fails(out, name, &error)?;
            }
        }
    }
    if targets.logs.is_empty() {
        exit = alone(&trust, targets.leaf.as_ref(), out)?;
    }
    Ok(exit)
}

/// Writes the log to files, after recording that it is.
///
/// # Errors
/// When it cannot be recorded, read or written.
pub async fn export(log: &Log, context: &Context, args: &ExportArgs, out: &mut (dyn Write + Send)) -> Result<(), AuditError> {
    let mut progress = bar("exported");
    let draft = Draft::exported_by_operator();
    let size = export_log(log, draft, context, args.format.into(), &args.out, &mut progress).await?;
    let said = match args.format {
        ExportFormat::Tiles => writeln!(
            out,
            "Exported {size} entries to {dir}, their personal details beside them. Verify with: lectern audit verify {dir}",
            dir = args.out.display()
        ),
        _ => writeln!(out, "Exported {size} entries to {}.", args.out.display()),
    };
    said.map_err(|source| AuditError::File { path: args.out.clone(), source })
}

/// Shows the key, on the last line.
///
/// # Errors
/// When `out` cannot be written.
pub fn key(key: &VerifierKey, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "This is the verifier key of the audit log {}. It is public.", key.name())?;
    writeln!(out, "Hand it to the agencies by a way of its own, on paper or signed: whoever verifies the log needs it from")?;
    writeln!(out, "somebody they trust, not from the portal. With it: lectern audit verify URL_OR_DIR --key KEY")?;
    writeln!(out, "{key}")
}

/// What is to be verified, sorted.
#[derive(Default)]
struct Targets<'a> {
    logs: Vec<(String, Source<'a>)>,
    receipts: Vec<(String, Proof)>,
    kept: Vec<(String, String)>,
    leaf: Option<[u8; 32]>,
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
    fn of(args: &VerifyArgs, own: Option<&'a dyn Artefacts>) -> anyhow::Result<Self> {
        let token = match &args.token_file {
            Some(file) => Some(read(file)?.trim().to_owned()),
            None => args.token.clone(),
        };
        let mut targets = Self::default();
        if let Some(hex) = &args.leaf {
            let bytes = HEXLOWER.decode(hex.trim().to_ascii_lowercase().as_bytes()).ok();
            let leaf = bytes.and_then(|b| b.try_into().ok());
            targets.leaf = Some(leaf.context("--leaf wants the 64 hexadecimal digits of a SHA-256")?);
        }
        for what in &args.what {
            targets.add(what, token.as_ref())?;
        }
        for file in &args.checkpoint {
            targets.kept.push((file.display().to_string(), read(file)?));
        }
        if targets.logs.is_empty()
            && targets.receipts.is_empty()
            && let Some(own) = own
        {
            targets.logs.push(("the log of this installation".to_owned(), Source::Own(own)));
        }
        if targets.logs.is_empty() && targets.receipts.is_empty() {
            bail!("name what to verify: a portal's address, an exported directory or a receipt; or give --data or --config");
        }
        Ok(targets)
    }

    fn add(&mut self, what: &str, token: Option<&String>) -> anyhow::Result<()> {
        if what.starts_with("http://") || what.starts_with("https://") {
            let portal = Portal::new(what, token.cloned());
            self.logs.push((what.to_owned(), Source::Given(Box::new(portal))));
            return Ok(());
        }
        let path = Path::new(what);
        if path.is_dir() {
            self.logs.push((what.to_owned(), Source::Given(Box::new(Directory(path.to_owned())))));
            return Ok(());
        }
        let text = read(path)?;
        if text.starts_with("c2sp.org/tlog-proof") {
            let proof = text.parse().with_context(|| what.to_owned())?;
            self.receipts.push((what.to_owned(), proof));
        } else if text.contains("\n\u{2014} ") {
            self.kept.push((what.to_owned(), text));
        } else {
            bail!("{what} is neither a directory nor a receipt (.tlog-proof) nor a checkpoint");
        }
        Ok(())
    }

    /// The key to believe. One that comes from where the log itself comes from proves less, and is said to.
    fn key(&self, args: &VerifyArgs, data: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<VerifierKey> {
        if let Some(text) = &args.key {
            let text = if text.contains('+') { text.clone() } else { read(Path::new(text))? };
            return text.parse().context("--key");
        }
        if let Some(data) = data {
            return Ok(read_public(&data.join("keys"))?);
        }
        for (name, log) in &self.logs {
            if let Some(bytes) = log.artefacts().get(VKEY_FILE)? {
                let key = String::from_utf8_lossy(&bytes).parse().with_context(|| format!("the key from {name}"))?;
                writeln!(
                    out,
                    "Note: the key comes from {name} itself. Compare it with the one that was handed over, or give that with --key."
                )?;
                return Ok(key);
            }
        }
        bail!("give the log's key with --key: the text or the file that was handed over, as `lectern audit key` shows it")
    }
}

/// Receipts and checkpoints without the log they are from.
fn alone(trust: &Trust, leaf: Option<&[u8; 32]>, out: &mut dyn Write) -> io::Result<Exit> {
    let mut exit = Exit::Holds;
    let mut unsure = false;
    for (name, proof) in &trust.receipts {
        match check_receipt(name, proof, leaf, &trust.key) {
            Ok((checkpoint, proved)) => {
                unsure |= !proved;
                let what = if proved {
                    format!("entry {} is in the log of {} entries", proof.index, checkpoint.size)
                } else {
                    format!("the checkpoint over {} entries is signed", checkpoint.size)
                };
                writeln!(out, "{name}: {what}.")?;
            }
            Err(error) => {
                exit = Exit::Fails;
                fails(out, name, &error)?;
            }
        }
    }
    if unsure {
        writeln!(out, "Not proved: which entry it is, for receipts that do not carry theirs. Give its hash with --leaf, or the log.")?;
    }
    writeln!(out, "Not proved: that today's log still says so. Give the portal's address or an export to prove that.")?;
    Ok(exit)
}

fn tell(out: &mut dyn Write, name: &str, trust: &Trust, report: &Report) -> io::Result<()> {
    writeln!(out, "{name}: the log {} holds.", trust.key.name())?;
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
    for unproved in &report.unproved {
        writeln!(out, "  Not proved: {unproved}.")?;
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
    writeln!(out, "{name}: DOES NOT HOLD: {error}.")?;
    if let Some(index) = error.index() {
        writeln!(out, "First affected entry: {index}")?;
    }
    Ok(())
}

fn usage(out: &mut dyn Write, error: &anyhow::Error) -> io::Result<Exit> {
    writeln!(out, "{error:#}.")?;
    Ok(Exit::Usage)
}

fn read(file: &Path) -> anyhow::Result<String> {
    let name = || file.display().to_string();
    let mut text = String::new();
    let most = LONGEST_PROOF as u64;
    File::open(file).with_context(name)?.take(most + 1).read_to_string(&mut text).with_context(name)?;
    if text.len() as u64 > most {
        bail!("{} is longer than any receipt, checkpoint or key", name());
    }
    Ok(text)
}

/// Progress on a terminal; nothing elsewhere.
fn bar(done: &'static str) -> impl FnMut(u64, u64) + Send {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} entries {msg}, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(done);
    move |now, all| {
        bar.set_length(all);
        bar.set_position(now);
        if now >= all {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;
    use tempfile::TempDir;

    use super::*;
    use crate::audit::{Kind, LogKey, Outcome, Settings};
    use crate::clock::SystemClock;
    use crate::database::Database;
    use crate::ids::{Entropy, RequestId};

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: AuditCommand,
    }

    /// What a command line says and how it ends.
    fn run(data: Option<&Path>, line: &[&str]) -> (Exit, String) {
        let line = Line::try_parse_from([&["lectern"], line].concat()).unwrap();
        let AuditCommand::Verify(args) = line.command else { panic!("not verify") };
        let mut out = Vec::new();
        let exit = verify(&args, data, None, &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    struct Files {
        dir: TempDir,
        vkey: String,
        leaf: String,
    }

    impl Files {
        fn path(&self, name: &str) -> String {
            self.dir.path().join(name).display().to_string()
        }
    }

    /// A log, its export, receipts of entry 3 and a checkpoint from before.
    async fn files() -> Files {
        let dir = TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name);
        let entropy = Entropy::system().unwrap();
        let database = Database::open(&Database::sqlite_url(&path("db"))).await.unwrap();
        let key = LogKey::open_or_create(&path("keys"), "portal.example/audit", &entropy).unwrap();
        let settings = Settings::new(path("checkpoint"));
        let log = Log::open(database, key, Arc::new(SystemClock), entropy, settings).await.unwrap();
        let context = Context::internal(RequestId::known("req_1"));
        for _ in 0..5 {
            log.append(Draft::new(Kind::MirrorSynced, Outcome::Done).fact("objects", 5), &context).await.unwrap();
        }
        std::fs::write(path("kept"), log.checkpoint().await.unwrap()).unwrap();
        std::fs::write(path("bare.tlog-proof"), log.receipt_file(3).await.unwrap().unwrap()).unwrap();
        std::fs::write(path("whole.tlog-proof"), log.receipt_file_with_entry(3).await.unwrap().unwrap()).unwrap();
        let args = ExportArgs { format: ExportFormat::Tiles, out: path("out"), installation: Installation::default() };
        let mut said = Vec::new();
        export(&log, &context, &args, &mut said).await.unwrap();
        assert!(String::from_utf8(said).unwrap().starts_with("Exported 7 entries to "));
        let leaf = HEXLOWER.encode(&log.entry(3).await.unwrap().unwrap().leaf);
        Files { vkey: log.public_key().to_string(), leaf, dir }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_asked_for_is_verified_together() {
        let files = files().await;
        let (out, kept, bare) = (files.path("out"), files.path("kept"), files.path("bare.tlog-proof"));
        let (exit, said) = run(None, &["verify", &out, &bare, &kept, "--checkpoint", &kept, "--key", &files.vkey]);
        assert_eq!(exit, Exit::Holds, "{said}");
        assert!(said.starts_with(&format!("Key: {}\n", files.vkey)));
        assert!(said.contains("7 entries, root "), "{said}");
        assert!(said.contains("it extends 3 older checkpoints, and 1 receipts are of entries in it"), "{said}");
        let (exit, said) = run(Some(files.dir.path()), &["verify", &out]);
        assert_eq!(exit, Exit::Holds);
        assert!(!said.contains("Note:") && said.contains("Not proved: that nothing was rewritten since earlier"), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_from_where_the_log_is_from_is_said_to_be() {
        let files = files().await;
        let (exit, said) = run(None, &["verify", &files.path("out")]);
        assert_eq!(exit, Exit::Holds);
        assert!(said.starts_with("Note: the key comes from ") && said.lines().nth(1).unwrap().ends_with(&files.vkey), "{said}");
        let other = LogKey::new("portal.example/audit", &[9; 32]).unwrap().public().to_string();
        let (exit, said) = run(None, &["verify", &files.path("out"), "--key", &other]);
        assert_eq!(exit, Exit::Fails);
        assert!(said.contains("DOES NOT HOLD: the checkpoint: no known key has signed this"), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn receipts_are_verified_without_the_log_as_far_as_they_go() {
        let files = files().await;
        let (bare, whole) = (files.path("bare.tlog-proof"), files.path("whole.tlog-proof"));
        let vkey = files.path("keys/log.vkey");
        let (exit, said) = run(None, &["verify", &whole, "--key", &vkey]);
        assert_eq!(exit, Exit::Holds);
        assert!(said.contains("entry 3 is in the log of 6 entries."), "{said}");
        let (exit, said) = run(None, &["verify", &bare, "--key", &vkey]);
        assert_eq!(exit, Exit::Holds);
        assert!(said.contains("Not proved: which entry it is"), "{said}");
        let (exit, said) = run(None, &["verify", &bare, "--key", &vkey, "--leaf", &files.leaf]);
        assert_eq!(exit, Exit::Holds);
        assert!(said.contains("entry 3 is in the log of 6 entries."), "{said}");
        let (exit, said) = run(None, &["verify", &bare, "--key", &vkey, "--leaf", &"0".repeat(64)]);
        assert_eq!(exit, Exit::Fails);
        assert!(said.contains("First affected entry: 3"), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn damage_is_told_with_the_entry_it_begins_at() {
        let files = files().await;
        let bundle = files.path("out/tile/entries/000.p/7");
        let mut bytes = std::fs::read(&bundle).unwrap();
        *bytes.last_mut().unwrap() = b' ';
        std::fs::write(bundle, bytes).unwrap();
        let (exit, said) = run(None, &["verify", &files.path("out")]);
        assert_eq!(exit, Exit::Fails);
        assert!(said.contains("DOES NOT HOLD: entry 6 does not hash to its leaf") && said.ends_with("First affected entry: 6\n"), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn wrong_usage_is_answered_with_what_to_give() {
        let files = files().await;
        let (whole, db) = (files.path("whole.tlog-proof"), files.path("db"));
        for (line, says) in [
            (vec!["verify"], "name what to verify"),
            (vec!["verify", &whole], "give the log's key with --key"),
            (vec!["verify", &whole, "--key", "a+b"], "--key: this is not a key"),
            (vec!["verify", "/nowhere"], "/nowhere: No such file"),
            (vec!["verify", &db], "db: stream did not contain valid UTF-8"),
            (vec!["verify", &whole, "--leaf", "x"], "--leaf wants the 64 hexadecimal digits"),
            (vec!["verify", &whole, "--token-file", "/nowhere"], "/nowhere: No such file"),
        ] {
            let (exit, said) = run(None, &line);
            assert_eq!(exit, Exit::Usage, "{line:?} {said}");
            assert!(said.contains(says), "{line:?} {said}");
        }
        let (exit, said) = run(None, &["verify", "http://127.0.0.1:1"]);
        assert_eq!((exit, said.contains("could not be fetched")), (Exit::Fails, true), "{said}");
        let twice = ["lectern", "verify", "--token", "a", "--token-file", "b"];
        assert!(Line::try_parse_from(twice).is_err());
    }

    #[test]
    fn the_key_stands_alone_on_the_last_line() {
        let own = LogKey::new("portal.example/audit", &[9; 32]).unwrap();
        let mut out = Vec::new();
        key(own.public(), &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        assert_eq!(said.lines().last().unwrap().parse::<VerifierKey>().unwrap(), *own.public());
    }
}
