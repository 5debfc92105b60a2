//! People and grants as files of CSV (RFC 4180): written out, and read in again. What reading a file in would do is told line by line
//! first; then it is done whole or not at all. A file gives nobody what takes two: it invites, nominates and proposes.

mod grants;
mod people;
mod table;

pub use grants::GRANT_COLUMNS;
pub use people::{Invited, PEOPLE_COLUMNS};

use serde_json::json;

use super::{EntitlementError, Entitlements, draft, invalid};
use crate::accounts::Principal;
use crate::audit::{Context, Kind};
use crate::database::Tx;

/// What a line of a file would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What would be made, each in a sentence.
    Make(Vec<String>),
    /// All of it is so already.
    Nothing,
    /// Why not, in a sentence.
    Refuse(String),
}

impl Outcome {
    /// "make", "nothing" or "refuse".
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Make(_) => "make",
            Self::Nothing => "nothing",
            Self::Refuse(_) => "refuse",
        }
    }

    /// In sentences.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::Make(sentences) => sentences.join(" "),
            Self::Nothing => "It is so already.".to_owned(),
            Self::Refuse(sentence) => sentence.clone(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct PlannedLine {
    /// Of the file, from 1.
    pub line: u64,
    /// Whom or what it is about.
    pub subject: String,
    pub outcome: Outcome,
}

/// What reading a file in would do, as things are now.
#[derive(Clone, Debug)]
pub struct Plan {
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    pub lines: Vec<PlannedLine>,
}

impl Plan {
    /// Lines that would make something.
    #[must_use]
    pub fn makes(&self) -> usize {
        self.lines.iter().filter(|line| matches!(line.outcome, Outcome::Make(_))).count()
    }

    /// Lines that cannot be done, for which none is.
    #[must_use]
    pub fn refuses(&self) -> usize {
        self.lines.iter().filter(|line| matches!(line.outcome, Outcome::Refuse(_))).count()
    }

    /// # Errors
    /// When a line cannot be done, or the file is not the one that was looked at.
    fn sound(&self, digest: Option<&str>) -> Result<(), EntitlementError> {
        if digest.is_some_and(|digest| digest != self.digest) {
            return Err(invalid("csv", "This is another file than the one that was looked at. Look at it again first."));
        }
        match self.refuses() {
            0 => Ok(()),
            _ => Err(invalid("csv", "Nothing was done, since some lines cannot be. Mend them and look at the file again.")),
        }
    }
}

/// One line of CSV, its end included.
fn row(fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| crate::audit::csv_field(field)).collect();
    format!("{}\r\n", fields.join(","))
}

fn header(columns: &[&str]) -> String {
    format!("{}\r\n", columns.join(","))
}

impl Entitlements {
    /// Says in the log that a file was read in, beside what each line made.
    async fn imported(
        &self,
        tx: &mut Tx,
        what: &'static str,
        plan: &Plan,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<(), EntitlementError> {
        let mut entry = draft(by, Kind::ListImported).fact("list", what).fact("sha256", json!(plan.digest));
        entry = entry.fact("lines", json!(plan.lines.len())).fact("made", json!(plan.makes()));
        if by.is_none() {
            entry = entry.fact("by", "command line");
        }
        self.log.append_in(tx, entry, context).await?;
        Ok(())
    }

    /// Says in the log that a file was written out.
    async fn exported(&self, what: &'static str, lines: usize, by: Option<&Principal>, context: &Context) -> Result<(), EntitlementError> {
        let mut entry = draft(by, Kind::ListExported).fact("list", what).fact("lines", json!(lines));
        if by.is_none() {
            entry = entry.fact("by", "command line");
        }
        let tx = self.database.begin().await?;
        self.log.commit(tx, entry, context).await
    }
}
