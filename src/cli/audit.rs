//! `lectern audit`: the log from outside. Verifies what a portal or a directory publishes, exports the log, and shows and
//! changes the key it is verified with.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::audit::command::{Exit, Surroundings, VerifyArgs, verify as verify_all};
use crate::audit::{Artefacts, AuditError, Context, Draft, Format, Log, Portal, VerifierKey, export as export_log};

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify the log from what it publishes: a portal, an exported directory, receipts, or all of them together
    Verify(VerifyCommand),
    /// Write the log to files
    Export(ExportArgs),
    /// Show the key that the log is verified with, on the last line; make it when there is none; change it with --rotate
    Key(KeyArgs),
    /// Make the auditors' listing anew from the entries, when `lectern doctor` says that it does not fit them. Stop the portal first
    Relist(Installation),
}

/// Where the installation is, for the commands that need it.
#[derive(Clone, Debug, Default, Args)]
pub struct Installation {
    /// The data directory of a demonstration or default installation
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub data: Option<PathBuf>,
    /// The configuration of an installation
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub struct VerifyCommand {
    #[command(flatten)]
    pub args: VerifyArgs,
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
    /// Give the log a new key: the old one signs the hand-over, and whoever verifies follows it. Stop the portal first
    #[arg(long)]
    pub rotate: bool,
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

/// What is known of the installation that was named, if any.
#[derive(Default)]
pub struct Known<'a> {
    /// Its log, which is verified when no other is named.
    pub own: Option<&'a dyn Artefacts>,
    pub key: Option<VerifierKey>,
    pub token: Option<String>,
}

/// Verifies what `args` name.
///
/// # Errors
/// Only when `out` cannot be written. What does not hold or cannot be read is written there, and in the exit code.
pub fn verify(args: &VerifyArgs, known: Known<'_>, out: &mut dyn Write) -> io::Result<Exit> {
    let fetch = |address: &str, token: Option<&str>| Box::new(Portal::new(address, token.map(str::to_owned))) as Box<dyn Artefacts>;
    let mut progress = bar("verified");
    let Known { own, key, token } = known;
    verify_all(args, &mut Surroundings { fetch: &fetch, own, key, token, progress: &mut progress }, out)
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
    use std::path::Path;
    use std::sync::Arc;

    use clap::Parser;
    use data_encoding::HEXLOWER;
    use tempfile::TempDir;

    use super::*;
    use crate::audit::checkpoint::SignerKey;
    use crate::audit::{Checkpoint, Kind, LogKey, Outcome, Settings, merkle, read_public};
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
        let AuditCommand::Verify(command) = line.command else { panic!("not verify") };
        let mut out = Vec::new();
        let key = data.map(|data| read_public(&data.join("keys")).unwrap());
        let exit = verify(&command.args, Known { key, ..Known::default() }, &mut out).unwrap();
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
        let key = LogKey::new("portal.example/audit", &Entropy::system().unwrap().bytes()).unwrap();
        files_of(key).await
    }

    async fn files_of(key: LogKey) -> Files {
        let dir = TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name);
        let entropy = Entropy::system().unwrap();
        let database = Database::open(&Database::sqlite_url(&path("db"))).await.unwrap();
        std::fs::create_dir(path("keys")).unwrap();
        std::fs::write(path("keys/log.key"), key.signer().to_secret_text()).unwrap();
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

    /// A witness of the portal's log, and a policy that asks for it.
    fn witness(files: &Files) -> (SignerKey, String) {
        let witness = SignerKey::witness("witness.example/w1", &[2; 32]).unwrap();
        let policy = files.path("policy");
        std::fs::write(&policy, format!("log {}\nwitness w1 {}\nquorum w1\n", files.vkey, witness.public())).unwrap();
        (witness, policy)
    }

    fn cosign(witness: &SignerKey, note: &str) -> String {
        let text = note.split_once("\n\n").unwrap().0;
        format!("{note}{}", witness.sign(&format!("{text}\n"), 1_790_000_001))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_policy_names_the_key_and_wants_its_quorum() {
        let files = files().await;
        let (witness, policy) = witness(&files);
        let (out, whole) = (files.path("out"), files.path("whole.tlog-proof"));
        for what in [&out, &whole] {
            let (exit, said) = run(None, &["verify", what, "--policy", &policy]);
            assert_eq!(exit, Exit::Fails, "{said}");
            assert!(said.contains("is not cosigned as the policy asks: no witness of the policy has signed it"), "{said}");
        }
        let checkpoint = files.path("out/checkpoint");
        let note = std::fs::read_to_string(&checkpoint).unwrap();
        std::fs::write(&checkpoint, cosign(&witness, &note)).unwrap();
        // What is older than a checkpoint with the quorum, and the beginning of the same log, needs none of its own.
        let (exit, said) = run(None, &["verify", &out, &whole, "--policy", &policy]);
        assert_eq!(exit, Exit::Holds, "{said}");
        assert!(said.contains("cosigned by w1 at 2026-09-21T14:13:21Z") && !said.contains("everybody is shown the same log"), "{said}");
        let stranger = SignerKey::witness("witness.example/w1", &[3; 32]).unwrap();
        std::fs::write(&checkpoint, cosign(&stranger, &note)).unwrap();
        let (exit, said) = run(None, &["verify", &out, "--policy", &policy]);
        assert_eq!(exit, Exit::Fails, "{said}");
        let bent = cosign(&witness, &note).replace("witness.example/w1 ", "witness.example/w1 x");
        std::fs::write(&checkpoint, bent).unwrap();
        assert_eq!(run(None, &["verify", &out, "--policy", &policy]).0, Exit::Fails);
        std::fs::write(&policy, "log x\n").unwrap();
        let (exit, said) = run(None, &["verify", &out, "--policy", &policy]);
        assert_eq!((exit, said.contains("policy: line 1: ")), (Exit::Usage, true), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_histories_of_one_log_are_found_without_the_log() {
        let files = files().await;
        // The same key over other entries, as many as in the first log when its receipts were given out.
        let key = LogKey::read(&files.dir.path().join("keys")).unwrap();
        let (vkey, leaf) = (key.public().to_string(), merkle::leaf(b"another"));
        let entries: Vec<_> = (0..6_u8).map(|n| if n == 3 { leaf } else { merkle::leaf(&[n]) }).collect();
        let forged = Checkpoint { origin: key.public().name().to_owned(), size: 6, root: merkle::root_of(&entries) };
        let other = files.path("other");
        std::fs::write(&other, forged.sign(key.signer()).to_string()).unwrap();
        let (whole, kept) = (files.path("whole.tlog-proof"), files.path("kept"));
        let (exit, said) = run(None, &["verify", &whole, &kept, "--key", &vkey]);
        assert_eq!(exit, Exit::Holds, "{said}");
        assert!(said.contains("No two of them say different things"), "{said}");
        for line in [vec!["verify", &whole, &other], vec!["verify", &kept, &other]] {
            let (exit, said) = run(None, &[line, vec!["--key", &vkey]].concat());
            assert_eq!(exit, Exit::Fails, "{said}");
            assert!(said.contains("say different things about the first 6 entries"), "{said}");
        }
        let (exit, said) = run(None, &["verify", &files.path("out"), "--checkpoint", &other, "--key", &vkey]);
        assert_eq!((exit, said.contains("says other things about the first 6 entries")), (Exit::Fails, true), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn copies_of_one_log_are_held_against_each_other() {
        let (files, others) = (files().await, files_of(LogKey::new("portal.example/audit", &[7; 32]).unwrap()).await);
        let (out, copy) = (files.path("out"), files.path("copy"));
        copy_tree(&files.dir.path().join("out"), &files.dir.path().join("copy"));
        let (exit, said) = run(None, &["verify", &out, &copy, "--key", &files.vkey]);
        assert_eq!((exit, said.matches("it extends 1 older checkpoints").count()), (Exit::Holds, 2), "{said}");
        // Another log of the same name is none of this key's.
        let (exit, said) = run(None, &["verify", &out, &others.path("out"), "--key", &files.vkey]);
        assert_eq!((exit, said.contains("no known key has signed this")), (Exit::Fails, true), "{said}");
        // A bundle is verified to its last receipt.
        let whole = std::fs::read_to_string(files.path("whole.tlog-proof")).unwrap();
        let bundle = files.path("bundle.tlog-proofs");
        std::fs::write(&bundle, whole.repeat(30)).unwrap();
        let (exit, said) = run(None, &["verify", &bundle, "--key", &files.vkey]);
        assert_eq!((exit, said.contains("30 receipts in all: 30 prove their entry")), (Exit::Holds, true), "{said}");
        std::fs::write(&bundle, format!("{}{}", whole.repeat(29), whole.replace("index 3", "index 4"))).unwrap();
        let (exit, said) = run(None, &["verify", &bundle, "--key", &files.vkey]);
        assert_eq!((exit, said.contains("receipt 30 does not prove the entry 4")), (Exit::Fails, true), "{said}");
        assert!(said.ends_with("First affected entry: 4\n"), "{said}");
        let (exit, said) = run(None, &["verify", &out, &bundle, "--key", &files.vkey]);
        assert_eq!((exit, said.contains("receipt 30 does not prove the entry 4")), (Exit::Fails, true), "{said}");
        std::fs::write(&bundle, format!("{whole}c2sp.org/tlog-proof@v1\nindex x\n\n")).unwrap();
        assert_eq!(run(None, &["verify", &bundle, "--key", &files.vkey]).0, Exit::Fails);
    }

    fn copy_tree(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy_tree(&path, &target);
            } else {
                std::fs::copy(&path, &target).unwrap();
            }
        }
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
            (vec!["verify", &db], "db: it is not a text in UTF-8"),
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
