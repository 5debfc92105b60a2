//! What a grant opens, shown before it is proposed, given or approved. It is recorded before it is shown, and what was shown is kept in
//! the session: nobody sends on what they did not see.

use std::sync::Arc;

use crate::access::Opening;
use crate::clock::Timestamp;
use crate::entitlements::{Agreement, Figures, Line, PathScope, Seen};
use crate::search::{Change, Directory, Foreseen, Preview};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::SignedIn;
use crate::web::views::admin::grants::{Reveal, RevealPerson, RevealRow, SensitiveRow};
use crate::web::views::format::{count, counted, day, series};
use crate::web::views::reading::Seal;
use crate::web::views::shell::{Notice, Tone};

use super::fields::last_moment;

/// Digests of what was shown in this session, and the entries that say so.
const SHOWN: &str = "previews";
/// How many are kept; who looks at more at a time looks again.
const KEPT: usize = 20;

/// Counts what a grant opens. Nothing of it may be shown yet.
pub(super) async fn foresee(who: &SignedIn, portal: &AppState, opening: Opening) -> Result<Foreseen, WebError> {
    let reveal = portal.gate.reveal(&who.principal, opening, &who.visit.context).await?;
    let room = Arc::clone(portal);
    tokio::task::spawn_blocking(move || room.indexes.foresee(reveal)).await?.map_err(WebError::internal)
}

/// What a grant that was proposed opens.
pub(super) async fn foresee_grant(who: &SignedIn, portal: &AppState, line: &Line) -> Result<Foreseen, WebError> {
    let grant = &line.entitlement;
    let product = portal.catalog.product(&line.product_name).await?.ok_or(WebError::NotFound)?;
    let opening = Opening {
        grant: Some(grant.id.clone()),
        agreement: grant.agreement.clone(),
        product,
        versions: grant.versions.clone(),
        scope: grant.scope.clone(),
        readers: grant.readers.clone(),
        lasting: format!("{} to {}", grant.window.from, grant.window.until),
    };
    foresee(who, portal, opening).await
}

/// What was shown under this digest, if it is what would be shown now and was shown in this session.
pub(super) async fn seen(who: &SignedIn, foreseen: &Foreseen, digest: &str) -> Result<Option<Seen>, WebError> {
    let Some(figures) = foreseen.as_shown(digest) else { return Ok(None) };
    let shown = who.visit.session.get::<Vec<(String, u64)>>(SHOWN).await?.unwrap_or_default();
    let entry = shown.into_iter().find(|(known, _)| known == digest).map(|(_, entry)| entry);
    Ok(entry.map(|entry| Seen { digest: digest.to_owned(), entry, figures }))
}

/// What a grant is proposed as, besides what can be counted of it.
pub(super) struct Asked<'a> {
    /// The product's name.
    pub(super) product: &'a str,
    pub(super) scope: &'a PathScope,
    pub(super) versions: &'a [String],
    pub(super) until: Timestamp,
    pub(super) agreement: &'a Agreement,
}

/// Records what was counted, then shows it.
pub(super) async fn show(who: &SignedIn, portal: &AppState, foreseen: Foreseen, asked: &Asked<'_>) -> Result<(Reveal, Preview), WebError> {
    let (preview, digest, receipt) = Foreseen::open(portal.log.record(foreseen, &who.visit.context).await?);
    let mut shown = who.visit.session.get::<Vec<(String, u64)>>(SHOWN).await?.unwrap_or_default();
    shown.retain(|(known, _)| *known != digest);
    shown.push((digest.clone(), receipt.index));
    let surplus = shown.len().saturating_sub(KEPT);
    who.visit.session.insert(SHOWN, shown.split_off(surplus)).await?;
    let all = preview.sensitive_paths;
    let listed = preview.sensitive.len() as u64;
    let reveal = Reveal {
        digest,
        seal: Seal { entry: receipt.index },
        summary: summary(&preview),
        newest: newest(&preview),
        rows: preview.directories.iter().map(row).collect(),
        more: preview.more_directories,
        people: preview.people.iter().map(person).collect(),
        sensitive: preview.sensitive.iter().map(|(path, why)| SensitiveRow { path: path.to_string(), why: why.words() }).collect(),
        sensitive_caption: if listed < all { format!("The first {} of {} paths.", count(listed), count(all)) } else { String::new() },
        notices: warnings(&preview, asked),
        since: Vec::new(),
    };
    Ok((reveal, preview))
}

fn row(of: &Directory) -> RevealRow {
    let slash = if of.excluded { "" } else { "/" };
    RevealRow {
        path: format!("{}{slash}", of.path),
        second_level: of.path.components().count() > 1,
        files: of.files,
        new: of.new,
        excluded: of.excluded,
    }
}

fn person(of: &Change) -> RevealPerson {
    let (today, after) = (of.today, of.after);
    let change = if after.places == 0 {
        "nothing, as today".to_owned()
    } else if today.places == 0 {
        format!("nothing today, then {}", counted(after.files, "file", "files"))
    } else if after == today {
        "the same".to_owned()
    } else if after.files > today.files {
        format!("{} more", counted(after.files - today.files, "file", "files"))
    } else if after.versions > today.versions {
        format!("the same files in {}", counted(after.versions - today.versions, "more version", "more versions"))
    } else {
        "the same files in more places".to_owned()
    };
    RevealPerson { name: of.name.clone(), today: today.files, after: after.files, change }
}

fn summary(of: &Preview) -> String {
    let figures = of.figures();
    let versions = match (figures.versions.len(), of.published) {
        (_, 0) => return "No version is published yet, so nothing can be counted.".to_owned(),
        (0, all) => return format!("Nothing so far: it is for none of the {} published.", counted(all as u64, "version", "versions")),
        (open, all) if open == all => format!("all {} published", counted(all as u64, "version", "versions")),
        (open, all) => format!("{open} of the {} published", counted(all as u64, "version", "versions")),
    };
    if of.versions.is_empty() {
        return format!("It is for {versions}, and none of these is counted yet.");
    }
    format!("{} with {}, in {versions}.", counted(of.files, "file", "files"), counted(of.lines, "line", "lines"))
}

fn newest(of: &Preview) -> Option<String> {
    let newest = of.versions.first().filter(|_| of.versions.len() > 1)?;
    let (files, lines) = (counted(newest.files, "file", "files"), counted(newest.lines, "line", "lines"));
    Some(format!(
        "In {}, the newest of these: {files} with {lines}. A file that stands in several versions as it is counts once.",
        newest.name
    ))
}

/// What whoever decides should not overlook.
fn warnings(of: &Preview, asked: &Asked<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut look = |text: String| notices.push(Notice::new(Tone::Look, text));
    let names = |paths: &[crate::catalog::RepoPath]| {
        series(&paths.iter().map(|path| if path.is_root() { "/".to_owned() } else { path.to_string() }).collect::<Vec<_>>())
    };
    if of.people.is_empty() {
        look("Nobody could read by it: the agreement names no reviewer whom it is for.".to_owned());
    }
    if !of.uncounted.is_empty() {
        look(format!("Not counted yet: {}. The index is still being built; look again when it is done.", series(&of.uncounted)));
    }
    if of.unread > 0 {
        look(format!("{} could not be read when indexed; the lines are not counted.", counted(of.unread, "file", "files")));
    }
    if !of.empty.is_empty() {
        look(format!("In these versions there is nothing at {}. Is it written as in the tree?", names(&of.empty)));
    }
    if !of.idle.is_empty() {
        look(format!("Leaving out {} hides nothing: nothing that is opened lies there.", names(&of.idle)));
    }
    if asked.scope == &PathScope::whole() {
        look("It opens the whole product, every file of it.".to_owned());
    }
    let term = asked.agreement.term;
    if !asked.agreement.reach.covers(asked.product) {
        let text = "The agreement does not cover this product any more, so nothing of it would be opened.";
        notices.push(Notice::new(Tone::Danger, text));
    }
    let mut look = |text: String| notices.push(Notice::new(Tone::Look, text));
    if asked.until > term.until {
        look(format!("It would go on beyond the agreement, which ends on {}, and ends with it.", day(last_moment(term.until))));
    } else if asked.until == term.until {
        look(format!("It has no end of its own: it lasts as long as the agreement, to {}.", day(last_moment(term.until))));
    }
    let later: Vec<String> = asked.versions.iter().filter(|pattern| pattern.contains(['*', '?', '[', '{'])).cloned().collect();
    if later.iter().any(|pattern| pattern == "*") {
        look("Every new release is opened, too, as soon as it is published.".to_owned());
    } else if !later.is_empty() {
        look(format!("New releases whose names match {} are opened, too, as soon as they are published.", series(&later)));
    }
    notices
}

/// What has changed since a grant was proposed, in sentences.
pub(super) fn since(earlier: Option<&Figures>, now: &Figures) -> Vec<String> {
    let Some(was) = earlier else { return vec!["Its proposer was shown no preview.".to_owned()] };
    if was == now {
        return vec!["Nothing has changed since it was proposed.".to_owned()];
    }
    let beyond = |these: &Figures, those: &Figures| -> Vec<String> {
        these.versions.iter().filter(|version| !those.versions.contains(version)).cloned().collect()
    };
    let mut said = Vec::new();
    let (new, gone) = (beyond(now, was), beyond(was, now));
    if !new.is_empty() {
        said.push(format!("It now opens {}, too, published since it was proposed.", series(&new)));
    }
    if !gone.is_empty() {
        said.push(format!("Since it was proposed {} can no longer be read by anybody.", series(&gone)));
    }
    if was.uncounted != now.uncounted {
        said.push(format!("When it was proposed {} had not been counted; now {}.", versions(was.uncounted), versions(now.uncounted)));
    }
    for (before, after, one, many) in [
        (was.files, now.files, "file", "files"),
        (was.lines, now.lines, "line", "lines"),
        (was.sensitive, now.sensitive, "path with a telling name", "paths with telling names"),
        (was.people, now.people, "person", "people"),
    ] {
        if before != after {
            said.push(format!("When it was proposed it was {}, now it is {}.", counted(before, one, many), count(after)));
        }
    }
    if said.is_empty() {
        said.push("The same versions are counted in another order than when it was proposed.".to_owned());
    }
    said
}

fn versions(number: u64) -> String {
    counted(number, "version", "versions")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;
    use crate::search::Extent;

    fn figures(versions: &[&str], files: u64) -> Figures {
        Figures { versions: versions.iter().map(ToString::to_string).collect(), files, ..Figures::default() }
    }

    #[test]
    fn what_changed_since_the_proposal_is_said_by_name() {
        assert_eq!(since(None, &figures(&[], 0)), ["Its proposer was shown no preview."]);
        assert_eq!(since(Some(&figures(&["v1"], 3)), &figures(&["v1"], 3)), ["Nothing has changed since it was proposed."]);
        assert_eq!(
            since(Some(&figures(&["v1", "v0"], 3)), &figures(&["v2", "v1"], 5)),
            [
                "It now opens v2, too, published since it was proposed.",
                "Since it was proposed v0 can no longer be read by anybody.",
                "When it was proposed it was 3 files, now it is 5.",
            ]
        );
    }

    #[test]
    fn what_changes_for_a_person_reads_as_words() {
        let says = |today: [u64; 3], after: [u64; 3]| {
            let extent = |[files, versions, places]: [u64; 3]| Extent { files, versions, places };
            person(&Change { account: AccountId::known("a"), name: "Ada".to_owned(), today: extent(today), after: extent(after) }).change
        };
        assert_eq!(says([0, 0, 0], [0, 0, 0]), "nothing, as today");
        assert_eq!(says([0, 0, 0], [1, 1, 1]), "nothing today, then 1 file");
        assert_eq!(says([5, 2, 9], [5, 2, 9]), "the same");
        assert_eq!(says([5, 2, 9], [7, 2, 12]), "2 files more");
        assert_eq!(says([5, 2, 9], [5, 3, 12]), "the same files in 1 more version");
        assert_eq!(says([5, 2, 9], [5, 2, 10]), "the same files in more places");
    }
}
