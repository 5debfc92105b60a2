//! A question about a name, and the answer, shut until it is recorded.

use serde_json::json;

use super::{Definition, ReferenceKind};
use crate::access::{ReadableVersion, Scoped};
use crate::accounts::Principal;
use crate::audit::{self, Basis, Draft, Kind, Outcome, Receipt, Recordable, Recorded, Shown};
use crate::catalog::{RepoPath, path_text};
use crate::source::ObjectId;

/// Bytes of places that one entry names, at most; more go into further entries of the same group.
const ENTRY_ROOM: usize = 40_000;

/// What is asked of a name in one version.
#[derive(Clone, Debug)]
pub struct Ask {
    pub product: String,
    pub version: String,
    pub name: String,
    /// The file in which the asker stands: what is near it comes first.
    pub from: Option<RepoPath>,
    /// The place in that file: where precise data is had, the symbol that stands there. Line from 1, byte of the line from 0.
    pub at: Option<(u32, u32)>,
    pub wanted: Wanted,
    /// Only what lies here.
    pub below: RepoPath,
    /// From 1.
    pub page: usize,
}

/// Which part of the answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The first definitions, and references of every kind.
    All,
    /// A few definitions, for who clicked at a name.
    Peek,
    Definitions,
    References(ReferenceKind),
}

/// All that is so of a name, as far as its asker may read, and the part that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub product: String,
    pub version: String,
    pub commit: String,
    pub name: String,
    /// False: the symbols of this version are not known yet.
    pub indexed: bool,
    /// The definitions and references come from an index that the vendor's compiler made.
    pub precise: bool,
    /// Such an index is there, and cannot be read: what is told comes from the texts alone.
    pub damaged: bool,
    pub total_definitions: u64,
    /// The nearest first.
    pub definitions: Vec<Defined>,
    /// Definitions in other products, and how many there are; of the first page only.
    pub elsewhere: Vec<Elsewhere>,
    pub total_elsewhere: u64,
    /// References by kind, in the order of [`ReferenceKind::ALL`].
    pub uses: [u64; ReferenceKind::ALL.len()],
    /// Files that have references of the kinds wanted.
    pub total_files: u64,
    pub files: Vec<UsedIn>,
    /// The number of the next page.
    pub next: Option<usize>,
}

/// What another product defines under the name, in the newest version of it whose symbols are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    pub product: String,
    pub version: String,
    pub commit: String,
    pub total: u64,
    /// The first of them.
    pub definitions: Vec<Defined>,
    pub(super) basis: Basis,
}

/// A definition, and the line on which its name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined {
    pub path: RepoPath,
    pub blob: ObjectId,
    pub definition: Definition,
    pub line: UsedLine,
}

/// A file that uses the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedIn {
    pub path: RepoPath,
    pub blob: ObjectId,
    /// References in it, of the kinds wanted.
    pub total: u64,
    pub lines: Vec<UsedLine>,
    /// References on lines that are not among these.
    pub more: u64,
}

/// A line that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedLine {
    /// From 1.
    pub number: u64,
    /// Without its end; a long line is cut to the part around the name.
    pub text: String,
    pub uses: Vec<Use>,
}

/// Where the name stands in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// In bytes of the text: the first, and the one behind the last.
    pub range: (usize, usize),
    /// None: it is defined there.
    pub kind: Option<ReferenceKind>,
}

/// An answer that nobody may look at yet.
#[must_use]
pub struct Sealed {
    answer: Answer,
    principal: Principal,
    basis: Basis,
}

impl Answer {
    pub(super) fn empty(ask: &Ask, commit: &str) -> Self {
        Self {
            product: ask.product.clone(),
            version: ask.version.clone(),
            commit: commit.to_owned(),
            name: ask.name.clone(),
            indexed: false,
            precise: false,
            damaged: false,
            total_definitions: 0,
            definitions: Vec::new(),
            elsewhere: Vec::new(),
            total_elsewhere: 0,
            uses: [0; ReferenceKind::ALL.len()],
            total_files: 0,
            files: Vec::new(),
            next: None,
        }
    }

    #[must_use]
    pub fn total_uses(&self) -> u64 {
        self.uses.iter().sum()
    }

    #[must_use]
    pub fn uses_of(&self, kind: ReferenceKind) -> u64 {
        self.uses.get(kind as usize).copied().unwrap_or(0)
    }
}

impl Sealed {
    pub(super) fn of(answer: Answer, scoped: &Scoped<Ask>, version: &ReadableVersion) -> Self {
        Self { answer, principal: scoped.principal().clone(), basis: version.basis.clone() }
    }

    /// Opens what was recorded.
    #[must_use]
    pub fn open(recorded: Recorded<Self>) -> (Answer, Receipt) {
        let receipt = recorded.receipt();
        (recorded.into_parts().0.answer, receipt)
    }

    fn draft(&self) -> Draft {
        let answer = &self.answer;
        let mut draft = Draft::new(Kind::SymbolViewed, Outcome::Permitted).by(self.principal.actor()).on(self.basis.clone());
        draft.personal = self.principal.personal();
        draft.place = Some(audit::Place {
            product: answer.product.clone(),
            version: Some(answer.version.clone()),
            commit: Some(answer.commit.clone()),
            ..audit::Place::default()
        });
        draft.query(answer.name.as_str())
    }
}

impl Recordable for Sealed {
    fn drafts(&self) -> Vec<Draft> {
        let answer = &self.answer;
        let place = |(product, version): (&str, &str), path: &RepoPath, blob: ObjectId, lines: Vec<u64>| Shown {
            product: product.to_owned(),
            versions: vec![version.to_owned()],
            path: path_text(path),
            blob: Some(blob.to_string()),
            lines,
            ..Shown::default()
        };
        let here = (answer.product.as_str(), answer.version.as_str());
        let elsewhere = answer.elsewhere.iter().flat_map(|other| other.definitions.iter().map(move |one| (other, one)));
        let elsewhere = elsewhere.map(|(other, one)| ((other.product.as_str(), other.version.as_str()), one));
        let defined = answer.definitions.iter().map(|one| (here, one)).chain(elsewhere);
        let defined = defined.map(|(of, one)| place(of, &one.path, one.blob, vec![one.line.number]));
        let lines = |file: &UsedIn| file.lines.iter().map(|line| line.number).collect();
        let used = answer.files.iter().map(|file| place(here, &file.path, file.blob, lines(file)));
        let mut drafts = Vec::new();
        let mut room = ENTRY_ROOM;
        let mut shown = Vec::new();
        for place in defined.chain(used) {
            let size = place.path.text.len() * 3 + place.path.hex.as_ref().map_or(0, String::len) + place.lines.len() * 8 + 300;
            if size > room && !shown.is_empty() {
                drafts.push(self.draft().showing(std::mem::take(&mut shown)));
                room = ENTRY_ROOM;
            }
            room = room.saturating_sub(size);
            shown.push(place);
        }
        drafts.push(self.draft().showing(shown));
        if let Some(first) = drafts.first_mut() {
            first.facts.insert("definitions".to_owned(), json!(answer.total_definitions));
            first.facts.insert("references".to_owned(), json!(answer.total_uses()));
            if answer.total_elsewhere > 0 {
                let basis = |other: &Elsewhere| json!({"product": other.product, "entitlement": other.basis.entitlement.as_str()});
                first.facts.insert("elsewhere".to_owned(), json!(answer.total_elsewhere));
                first.facts.insert("bases".to_owned(), answer.elsewhere.iter().map(basis).collect());
            }
        }
        drafts
    }
}
