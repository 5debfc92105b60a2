//! The lines of a difference as rows of a page: one below the other, or side by side.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::asked::Comparing;
use crate::catalog::{Place, RepoPath};
use crate::highlight::{Highlighted, SourceHtml, snippet};
use crate::source::compare::{Difference, Part, Row};
use crate::source::text::{Line, LineEnds, Text};
use crate::web::pages::place;
use crate::web::views::compare::{Cell, Gap, SplitRow, UnifiedRow};
use crate::web::views::format::counted;
use crate::web::views::links;
use crate::web::views::shell::Link;

/// Lines that one link opens.
const STEP: u32 = 20;
/// Lines that one link opens at most.
const MOST_OPENED: u32 = 1_500;

/// One side of a difference, ready to be cut into lines.
pub(super) struct Side<'a> {
    text: &'a Text,
    lines: Vec<Line<'a>>,
    painted: Option<Arc<Highlighted>>,
    words: &'a HashMap<u32, Vec<Range<usize>>>,
    place: &'a Place,
    part: Option<&'a Part>,
    since: &'a str,
    page_lines: u64,
}

impl<'a> Side<'a> {
    pub(super) fn new(found: &'a Difference, old: bool, text: &'a Text, painted: Option<Arc<Highlighted>>, page_lines: u64) -> Self {
        let (place, part, words) =
            if old { (&found.from, found.old.as_ref(), &found.old_words) } else { (&found.to, found.new.as_ref(), &found.new_words) };
        // The file as it is now is shown with what was changed in it.
        let since = if old || found.old.is_none() { "" } else { &found.from.version };
        Self { text, lines: text.lines().collect(), painted, words, place, part, since, page_lines }
    }

    /// `changed`: what ends the line is worth a word.
    fn cell(&self, number: u32, changed: Option<bool>) -> Cell {
        let at = number as usize - 1;
        let line = self.lines.get(at);
        let painted = self.painted.as_ref().and_then(|painted| painted.lines.get(at).cloned());
        let html = painted.or_else(|| line.map(|line| snippet(line, &[]))).unwrap_or_default();
        let words = self.words.get(&number).filter(|_| changed.is_some());
        let html: SourceHtml = match (line, words) {
            (Some(line), Some(words)) => html.marked(line.text, words),
            _ => html,
        };
        let path = self.part.map(|part| &part.path);
        let file = |path: &RepoPath| links::file(&self.place.product, &self.place.version, path.bytes());
        let href = path.map(|path| place::line_at(&file(path), self.since, u64::from(number), self.page_lines));
        Cell { number: u64::from(number), href: href.unwrap_or_default(), html, end: changed.map_or("", |odd| self.end(at, odd)) }
    }

    /// What ends a line: nothing always is worth a word, the others where they are not all the same.
    fn end(&self, at: usize, odd: bool) -> &'static str {
        let Some(line) = self.lines.get(at) else { return "" };
        let start = line.offset + line.text.len();
        let to = self.lines.get(at + 1).map_or(self.text.as_str().len(), |next| next.offset);
        match self.text.as_str().get(start..to) {
            Some("") => "no line end",
            Some("\r\n") if odd => "CRLF",
            Some("\n") if odd => "LF",
            Some("\r") if odd => "CR",
            _ => "",
        }
    }
}

/// Whether line ends are worth showing: where the texts do not end all their lines in one way.
fn odd_ends(old: &Text, new: &Text) -> bool {
    match (old.line_ends(), new.line_ends()) {
        (LineEnds::Mixed, _) | (_, LineEnds::Mixed) => true,
        (LineEnds::None, _) | (_, LineEnds::None) => false,
        (a, b) => a != b,
    }
}

/// Counts changes: rows that differ and stand together.
struct Changes {
    /// Of the last change.
    number: u64,
    inside: bool,
}

impl Changes {
    /// How many changes stand before this page is not told by its rows.
    fn before(found: &Difference) -> Self {
        let first = found.rows.iter().find_map(|row| match row {
            Row::Same { new, .. } | Row::Added { new } | Row::Gap { new, .. } => Some(*new),
            Row::Removed { .. } => None,
        });
        let first_old = found.rows.iter().find_map(|row| match row {
            Row::Same { old, .. } | Row::Removed { old } | Row::Gap { old, .. } => Some(*old),
            Row::Added { .. } => None,
        });
        let passed = |hunk: &&crate::source::compare::Hunk| {
            first.is_none_or(|first| hunk.new.end < first) && first_old.is_none_or(|first| hunk.old.end < first)
        };
        let number = if found.at == 0 { 0 } else { found.hunks.iter().filter(passed).count() as u64 };
        Self { number, inside: false }
    }

    /// The number of the change that begins with this row.
    fn next(&mut self, differs: bool) -> Option<u64> {
        let begins = differs && !self.inside;
        self.inside = differs;
        self.number += u64::from(begins);
        begins.then_some(self.number)
    }
}

pub(super) fn unified(asked: &Comparing, found: &Difference, old: &Side<'_>, new: &Side<'_>) -> Vec<UnifiedRow> {
    let odd = Some(odd_ends(old.text, new.text));
    let mut changes = Changes::before(found);
    let rows = found.rows.iter().enumerate().map(|(at, row)| {
        let change = changes.next(matches!(row, Row::Removed { .. } | Row::Added { .. }));
        match *row {
            Row::Same { old: a, new: b } => UnifiedRow::Same { old: old.cell(a, None), new: new.cell(b, None) },
            Row::Removed { old: a } => UnifiedRow::Removed { old: old.cell(a, odd), change },
            Row::Added { new: b } => UnifiedRow::Added { new: new.cell(b, odd), change },
            Row::Gap { new: b, lines, .. } => UnifiedRow::Gap(gap(asked, found, at, b, lines)),
        }
    });
    rows.collect()
}

pub(super) fn split(asked: &Comparing, found: &Difference, old: &Side<'_>, new: &Side<'_>) -> Vec<SplitRow> {
    let odd = Some(odd_ends(old.text, new.text));
    let partner: HashMap<u32, u32> = found.pairs.iter().copied().collect();
    let paired: std::collections::HashSet<u32> = partner.values().copied().collect();
    let mut changes = Changes::before(found);
    let mut rows = Vec::new();
    let (mut olds, mut news): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    let flush = |rows: &mut Vec<SplitRow>, olds: &mut Vec<u32>, news: &mut Vec<u32>, changes: &mut Changes| {
        for (a, b) in beside(olds, news, &partner, &paired) {
            let change = changes.next(true);
            rows.push(SplitRow::Changed { old: a.map(|a| old.cell(a, odd)), new: b.map(|b| new.cell(b, odd)), change });
        }
        olds.clear();
        news.clear();
    };
    for (at, row) in found.rows.iter().enumerate() {
        match *row {
            Row::Removed { old } => olds.push(old),
            Row::Added { new } => news.push(new),
            Row::Same { old: a, new: b } => {
                flush(&mut rows, &mut olds, &mut news, &mut changes);
                changes.next(false);
                rows.push(SplitRow::Same { old: old.cell(a, None), new: new.cell(b, None) });
            }
            Row::Gap { new: b, lines, .. } => {
                flush(&mut rows, &mut olds, &mut news, &mut changes);
                changes.next(false);
                rows.push(SplitRow::Gap(gap(asked, found, at, b, lines)));
            }
        }
    }
    flush(&mut rows, &mut olds, &mut news, &mut changes);
    rows
}

/// Which line stands beside which: what it became, and those between two such pairs as they come.
fn beside(
    olds: &[u32],
    news: &[u32],
    partner: &HashMap<u32, u32>,
    paired: &std::collections::HashSet<u32>,
) -> Vec<(Option<u32>, Option<u32>)> {
    let mut rows = Vec::new();
    let (mut olds, mut news) = (olds.iter().copied().peekable(), news.iter().copied().peekable());
    loop {
        let free_old = olds.next_if(|old| !partner.get(old).is_some_and(|new| paired.contains(new)));
        let free_new = news.next_if(|new| !paired.contains(new));
        if free_old.is_some() || free_new.is_some() {
            rows.push((free_old, free_new));
            continue;
        }
        // Pairs do not cross, so both come to theirs at once; a page that cuts between them shows each by itself.
        match (olds.peek().copied(), news.peek().copied()) {
            (Some(old), Some(new)) if partner.get(&old) == Some(&new) => {
                rows.push((olds.next(), news.next()));
            }
            (None, None) => return rows,
            (Some(_), None) => rows.push((olds.next(), None)),
            (None, Some(_)) => rows.push((None, news.next())),
            (Some(_), Some(_)) => rows.push((olds.next(), news.next())),
        }
    }
}

fn gap(asked: &Comparing, found: &Difference, at: usize, new: u32, lines: u32) -> Gap {
    let last = new + lines - 1;
    let open = |from: u32, to: u32| {
        let ranges: Vec<String> = asked.opened().iter().chain([&(from, to)]).map(|(a, b)| format!("{a}-{b}")).collect();
        let row = found.at.to_string();
        let path = found.new.as_ref().or(found.old.as_ref()).map_or(&asked.path, |part| &part.path);
        let href = asked.file_href(path, &[("open", &ranges.join(",")), ("row", if found.at == 0 { "" } else { &row })]);
        format!("{href}#n{from}")
    };
    let link = |label: String, from: u32, to: u32| Link { label, href: open(from, to) };
    let mut opens = Vec::new();
    if lines <= STEP + STEP / 2 {
        opens.push(link("Show them".to_owned(), new, last));
    } else {
        // Those next to what stands above and below, where something does.
        let is_first = found.at == 0 && at == 0;
        let is_last = found.at + at + 1 == found.all_rows;
        if !is_first {
            opens.push(link(format!("Next {STEP}"), new, new + STEP - 1));
        }
        if !is_last {
            opens.push(link(format!("Last {STEP}"), last + 1 - STEP, last));
        }
        if lines <= MOST_OPENED {
            opens.push(link("All".to_owned(), new, last));
        }
    }
    let is = if lines == 1 { "line is" } else { "lines are" };
    Gap { words: format!("{} the same", counted(u64::from(lines), is, is)), opens }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_beside_what_they_became() {
        let partner: HashMap<u32, u32> = [(2, 11), (4, 14)].into();
        let paired = partner.values().copied().collect();
        let rows = beside(&[1, 2, 3, 4], &[10, 11, 12, 13, 14, 15], &partner, &paired);
        let shown: Vec<String> = rows.iter().map(|(a, b)| format!("{}/{}", a.unwrap_or(0), b.unwrap_or(0))).collect();
        assert_eq!(shown, ["1/10", "2/11", "3/12", "0/13", "4/14", "0/15"]);
        // The partner lies behind the end of the page.
        assert_eq!(beside(&[2], &[], &partner, &paired), [(Some(2), None)]);
    }
}
