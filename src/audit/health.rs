//! Whether entries can be appended, and what an operator is told when they cannot.

use crate::clock::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Open,
    /// A write was refused, and nothing was half done. It is tried again, and the log opens by itself when it works and
    /// everything acknowledged is still there.
    Suspended {
        since: Timestamp,
        why: String,
    },
    /// Storage failed. What this process reads back may never have reached the disk, so it appends nothing more: only the next
    /// start, which writes and reads everything anew, opens the log.
    Poisoned {
        since: Timestamp,
        why: String,
    },
    /// What is stored contradicts what was signed or seen. Only people can mend this.
    Broken {
        since: Timestamp,
        why: String,
    },
    Closed,
}

/// What an operator has to know of a log that cannot be written. Its cause may name files and addresses: it is not for readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// `None` when it was closed in good order.
    pub since: Option<Timestamp>,
    pub what: &'static str,
    pub why: Option<String>,
    pub remedy: &'static str,
}

impl Health {
    /// Why the log cannot be written; `None` when it can.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        let (since, why, what, remedy) = match self {
            Self::Open => return None,
            Self::Suspended { since, why } => (
                Some(*since),
                Some(why),
                "the audit log cannot be written, so no source is shown; it is tried again and opens by itself",
                "make room on the disk, or bring the database back; nothing has to be repaired",
            ),
            Self::Poisoned { since, why } => (
                Some(*since),
                Some(why),
                "storage failed under the audit log, so nothing is recorded and no source is shown until a restart",
                "check the disk and its file system first, then restart the portal, which verifies the whole log, and run lectern doctor",
            ),
            Self::Broken { since, why } => (
                Some(*since),
                Some(why),
                "the audit log contradicts what was signed or seen before, so nothing is recorded and no source is shown",
                "stop every portal on this log and keep what is there: it is evidence; then run lectern doctor, and restore a backup that \
                 holds every signed entry",
            ),
            Self::Closed => (None, None, "the audit log is closed", "start the portal"),
        };
        Some(Alarm { since, what, why: why.cloned(), remedy })
    }
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(since) = self.since {
            write!(f, "since {since}: ")?;
        }
        f.write_str(self.what)?;
        if let Some(why) = &self.why {
            write!(f, ". Found: {why}")?;
        }
        write!(f, ". What to do: {}", self.remedy)
    }
}
