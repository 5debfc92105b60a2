//! The commands. Exit codes: 0 ok, 1 the thing checked does not hold or failed, 2 wrong usage or configuration.

mod admin;
pub mod audit;
mod backup;
mod demo;
mod desk;
pub mod installation;
mod operate;
mod progress;
mod serve;
mod witness;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::ConfigError;

/// Where everything is kept when nothing else is said.
const DEFAULT_DATA: &str = "lectern-data";

#[derive(Debug, Parser)]
#[command(name = "lectern", version, about = "A reading room for source code", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up everything with people and grants, on a repository of yours, and serve it to this machine
    Demo(demo::DemoArgs),
    /// Write a configuration, make the database and the log's key, and open the first two administrators' accounts
    Init(operate::InitArgs),
    /// Serve an installation
    Serve(operate::ServeArgs),
    /// Check configuration, database, mirrors, index and log
    Doctor(audit::Installation),
    /// People, agencies, agreements and grants, for scripts
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Products and where they are fetched from
    #[command(subcommand)]
    Mirror(operate::MirrorCommand),
    /// Published versions
    #[command(subcommand)]
    Version(operate::VersionCommand),
    /// The search index
    #[command(subcommand)]
    Index(operate::IndexCommand),
    /// Copy everything that cannot be derived, while the portal runs; or check such a copy
    Backup(backup::BackupArgs),
    /// Put a backup in place, after verifying all of it
    Restore(backup::RestoreArgs),
    /// The log: verify it from outside, export it, show its key
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    Witness(witness::WitnessArgs),
}

/// After how many steps of other work a thread looks for what came from outside.
const ATTENTIVE: u32 = 8;

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            let _ = usage.print();
            return ExitCode::from(if usage.use_stderr() { 2 } else { 0 });
        }
    };
    log_to_stderr();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(cause) => return told(&anyhow::anyhow!("the runtime cannot be started: {cause}")),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(problem) => told(&problem),
    }
}

/// The threads that everything runs on.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    // A database answers from outside of these threads, and whoever appends to the log waits for a few of its answers, one after the
    // other: they are looked for more often than tokio does when there is much to do.
    tokio::runtime::Builder::new_multi_thread().enable_all().global_queue_interval(ATTENTIVE).event_interval(ATTENTIVE).build()
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args).await?,
        Command::Init(args) => operate::init(args).await?,
        Command::Serve(args) => operate::serve(args).await?,
        Command::Doctor(at) => return operate::doctor(&at).await,
        Command::Admin(command) => return admin::run(command).await,
        Command::Mirror(command) => operate::mirror(command).await?,
        Command::Version(command) => operate::version(command).await?,
        Command::Index(command) => return operate::index(command).await,
        Command::Backup(args) => backup::backup(args).await?,
        Command::Restore(args) => backup::restore(args).await?,
        Command::Audit(command) => return operate::audit(command).await,
        Command::Witness(args) => return witness::run(args).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// One sentence, with its causes behind it.
fn told(problem: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "lectern: {problem:#}");
    let is_configuration = problem.chain().any(<dyn std::error::Error>::is::<ConfigError>);
    ExitCode::from(if is_configuration { 2 } else { 1 })
}

/// Lines for people on a terminal, JSON for machines elsewhere. `LECTERN_LOG` says how much.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("LECTERN_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        subscriber.compact().init();
    } else {
        subscriber.json().init();
    }
}
