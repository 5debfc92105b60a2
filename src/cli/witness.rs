//! `lectern witness`: what an agency runs to hold a vendor to its log.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::serve;
use crate::audit::VerifierKey;
use crate::audit::policy::Policy;
use crate::audit::witness::{Witness, Witnesses};
use crate::clock::SystemClock;
use crate::config::{ConfigError, LogConfig};
use crate::ids::Entropy;
use crate::web::serve_witness;

/// Run a witness, on a machine of the agency's: it cosigns a vendor's log for as long as that only grows
///
/// A log alone can be rewritten by whoever holds its key. A witness remembers the last checkpoint that it cosigned and
/// cosigns only what provably extends it, so a portal that must show its cosignatures can neither take back nor change
/// what it recorded without being found out. It proves nothing when the vendor runs it: run it yourself, keep its directory
/// on a disk that lasts, and never start it from a copy. It needs no account at the portal and sees no entries, only sizes
/// and hashes.
///
/// It speaks plain HTTP; a proxy in front adds TLS. Give the verifier key that it prints, and its address, to the vendor
/// for the portal's trust policy, and to your own people for theirs.
#[derive(Debug, Args)]
pub(super) struct WitnessArgs {
    /// Where its key is and what it cosigned; made when it is not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where it takes checkpoints
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8425")]
    listen: SocketAddr,
    /// Its name, one that you own, as in witness.agency.example/lectern; needed at the first start
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Verifier key of a log to cosign, as `lectern audit key` prints it
    #[arg(long = "log", value_name = "VKEY", required_unless_present = "policy")]
    logs: Vec<VerifierKey>,
    /// A trust policy (C2SP tlog-policy) whose logs are cosigned, too
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Who must witness the log, as the configuration has it.
///
/// # Errors
/// When the trust policy that it names cannot be read or is not one.
pub(super) fn witnesses(config: &LogConfig) -> Result<Option<Witnesses>, ConfigError> {
    let Some(file) = &config.policy else { return Ok(None) };
    let policy = policy(file).map_err(|problem| ConfigError::Value {
        key: "log.policy",
        problem,
        remedy: "name a trust policy (C2SP tlog-policy) with \"witness NAME VKEY URL\" lines and a quorum, or leave the key out",
    })?;
    Ok(Some(Witnesses::new(policy, config.witness_lag, config.witness_lag_entries)))
}

fn policy(file: &Path) -> Result<Policy, String> {
    let wrong = |problem: String| format!("names {}, {problem}", file.display());
    let bytes = std::fs::read(file).map_err(|cause| wrong(format!("which cannot be read: {cause}")))?;
    Policy::parse(&bytes).map_err(|cause| wrong(format!("which is no trust policy: {cause}")))
}

pub(super) async fn run(args: WitnessArgs) -> anyhow::Result<ExitCode> {
    let mut logs = args.logs;
    if let Some(file) = &args.policy {
        let policy = policy(file).map_err(|problem| ConfigError::Option {
            name: "--policy",
            problem,
            remedy: "name a trust policy (C2SP tlog-policy) with a \"log VKEY\" line for each log",
        })?;
        logs.extend(policy.logs().iter().map(|line| line.key.clone()));
    }
    let listener = serve::listen(args.listen).await?;
    let address = listener.local_addr()?;
    let entropy = Entropy::system().map_err(|cause| anyhow!("the operating system gives no random bytes: {cause}"))?;
    let witness = Arc::new(Witness::open(&args.data, args.name.as_deref(), logs, Arc::new(SystemClock), &entropy)?);
    let mut out = std::io::stdout();
    writeln!(out, "{}\nlectern witness: ready http://{address}", witness.public_key())?;
    out.flush()?;
    if serve_witness(listener, witness, serve::stopped()).await.context("serving failed")? {
        return Ok(ExitCode::SUCCESS);
    }
    Err(anyhow!("{} could not be written, so nothing more is cosigned. Mend the disk and start the witness again", args.data.display()))
}
