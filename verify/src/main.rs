//! `lectern-verify`: verifies a transparency log, receipts and checkpoints, on a machine that has nothing to do with the portal.

mod curl;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use lectern_verify::command::{Exit, Surroundings, VerifyArgs, verify};

/// Verify a transparency log from what it publishes: a portal (fetched by the program curl), an exported directory, receipts and
/// checkpoints, or all of them together. Exit codes: 0 what was given holds, 1 it does not or cannot be read, 2 wrong usage.
#[derive(Parser)]
#[command(name = "lectern-verify", version, max_term_width = 100)]
struct Line {
    #[command(flatten)]
    args: VerifyArgs,
}

fn main() -> ExitCode {
    let line = Line::parse();
    let mut shown = 0;
    let mut progress = |now: u64, all: u64| {
        let percent = now.saturating_mul(100).checked_div(all).unwrap_or(100);
        if percent > shown && io::stderr().is_terminal() {
            shown = percent;
            let end = if now >= all { "\r\x1b[K" } else { "" };
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(io::stderr(), "\r{now} of {all} entries verified{end}");
        }
    };
    let mut around = Surroundings {
        fetch: &|address, token| Box::new(curl::Portal::new(address, token)),
        own: None,
        key: None,
        token: None,
        progress: &mut progress,
    };
    match verify(&line.args, &mut around, &mut io::stdout().lock()) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(_) => ExitCode::from(Exit::Fails as u8),
    }
}
