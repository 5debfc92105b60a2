//! Progress of long work: a line that moves on a terminal, plain lines now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};

use crate::jobs::{Figures, Watch};

/// How often a plain line is written.
const EVERY: Duration = Duration::from_secs(5);

struct State {
    words: String,
    since: Instant,
    told: Instant,
}

/// Shows the work on `product` on the standard error stream.
#[must_use]
pub(super) fn watch(product: &str) -> Watch {
    let terminal = std::io::stderr().is_terminal();
    let bar = if terminal { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{prefix} {msg} {wide_bar} {percent:>3}%")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━─");
    bar.set_style(style);
    bar.set_prefix(product.to_owned());
    let now = Instant::now();
    let state = Mutex::new(State { words: String::new(), since: now, told: now });
    let product = product.to_owned();
    Arc::new(move |step| {
        let figures = step.figures();
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.words != figures.words {
            *state = State { words: figures.words.clone(), since: Instant::now(), told: Instant::now() };
        }
        if terminal {
            bar.set_length(figures.total);
            bar.set_position(figures.done);
            bar.set_message(line(&figures, state.since.elapsed()));
            if figures.total > 0 && figures.done >= figures.total {
                bar.tick();
            }
        } else if state.told.elapsed() >= EVERY {
            state.told = Instant::now();
            let text = line(&figures, state.since.elapsed());
            let _ = writeln!(std::io::stderr(), "{product}: {text}");
        }
    })
}

/// "indexing 1,200 of 30,492 files, 82.1 MiB, 410 files/s, 1 minute left".
fn line(at: &Figures, elapsed: Duration) -> String {
    if at.done == 0 && at.total == 0 {
        return at.words.clone();
    }
    let mut text = if at.unit == "bytes" {
        format!("{} {} of {}", at.words, HumanBytes(at.done), HumanBytes(at.total))
    } else {
        format!("{} {} of {} {}", at.words, at.done, at.total, at.unit)
    };
    if at.unit != "bytes" && at.bytes > 0 {
        text.push_str(&format!(", {}", HumanBytes(at.bytes)));
    }
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    if millis >= 1_000 && at.done > 0 {
        let rate = at.done.saturating_mul(1_000) / millis;
        if at.unit == "bytes" {
            text.push_str(&format!(", {}/s", HumanBytes(rate)));
        } else {
            text.push_str(&format!(", {rate} {}/s", at.unit));
        }
        if let Some(left) = at.total.saturating_sub(at.done).checked_div(rate).filter(|_| at.total > at.done) {
            text.push_str(&format!(", {} left", HumanDuration(Duration::from_secs(left))));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_rate_and_time_left() {
        let at = Figures { words: "indexing".to_owned(), done: 1_000, total: 3_000, unit: "files".to_owned(), bytes: 2048 };
        assert_eq!(line(&at, Duration::from_secs(10)), "indexing 1000 of 3000 files, 2.00 KiB, 100 files/s, 20 seconds left");
        let at = Figures { words: "fetching".to_owned(), done: 1 << 20, total: 0, unit: "bytes".to_owned(), bytes: 1 << 20 };
        assert_eq!(line(&at, Duration::from_secs(1)), "fetching 1.00 MiB of 0 B, 1.00 MiB/s");
    }
}
