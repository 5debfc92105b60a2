//! Reading commits on several threads, and handing over what they hold in their order and within bounded memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::catalog::RepoPath;
use crate::search::SearchError;
use crate::source::SourceError;
use crate::source::history::{Changed, History, Links, Words};

/// Commits that a thread reads before the next thread's turn comes: neighbours share trees and files.
const BLOCK: usize = 32;
/// Blocks after which a thread reads through a new reader: one keeps in memory much of what it has read.
const BLOCKS_OF_A_READER: usize = 64;
/// Bytes handed over at once, about, and how often a thread does so before it waits.
const HANDFUL: usize = 1 << 20;
const AHEAD: usize = 4;

/// What is read, one after the other: a commit's words, then its changes.
pub(super) enum Part {
    Words(Words),
    Change(RepoPath, Changed),
}

enum Message {
    Parts(Vec<Part>),
    BlockEnds,
}

type Lane = SyncSender<Result<Message, SearchError>>;

/// Calls `take` with everything these commits hold, in order.
pub(super) fn read_in_order(
    history: &History,
    commits: &[Links],
    threads: usize,
    cancel: &AtomicBool,
    take: &mut dyn FnMut(Part) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let threads = threads.clamp(1, commits.len().div_ceil(BLOCK).max(1));
    thread::scope(|scope| {
        // Each block is some thread's, in turn: so the order is known, and no thread gets far ahead of it.
        let lanes: Vec<_> = (0..threads)
            .map(|number| {
                let (lane, parts) = sync_channel(AHEAD);
                let blocks = commits.chunks(BLOCK).skip(number).step_by(threads);
                scope.spawn(move || {
                    if let Err(e) = read_blocks(history, blocks, cancel, &lane) {
                        // Nobody takes it any more when the work was given up.
                        let _ = lane.send(Err(e));
                    }
                });
                parts
            })
            .collect();
        for (_, lane) in commits.chunks(BLOCK).zip(lanes.iter().cycle()) {
            let next = || lane.recv().map_err(|_| SearchError::damaged("a thread that reads history ended early")).flatten();
            while let Message::Parts(parts) = next()? {
                parts.into_iter().try_for_each(&mut *take)?;
            }
        }
        Ok(())
    })
}

fn read_blocks<'a>(
    history: &History,
    blocks: impl Iterator<Item = &'a [Links]>,
    cancel: &AtomicBool,
    lane: &Lane,
) -> Result<(), SearchError> {
    let mut reader = history.reader().map_err(corpus)?;
    for (number, block) in blocks.enumerate() {
        if number > 0 && number.is_multiple_of(BLOCKS_OF_A_READER) {
            reader = history.reader().map_err(corpus)?;
        }
        let mut parts = Vec::new();
        let mut bytes = 0;
        for commit in block {
            let (words, changes) = reader.commit(commit.id).map_err(corpus)?;
            bytes += words.message.len() + 256;
            parts.push(Part::Words(words));
            for change in changes {
                if cancel.load(Ordering::Relaxed) {
                    return Err(SearchError::Cancelled);
                }
                let Some(lines) = reader.lines(&change).map_err(corpus)? else { continue };
                bytes += change.path.bytes().len() + 128;
                if let Changed::Lines { lines, .. } = &lines {
                    bytes += lines.text.len() + lines.runs.len() * 12;
                }
                parts.push(Part::Change(change.path, lines));
                if bytes >= HANDFUL {
                    bytes = 0;
                    if lane.send(Ok(Message::Parts(std::mem::take(&mut parts)))).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        if cancel.load(Ordering::Relaxed) {
            return Err(SearchError::Cancelled);
        }
        if lane.send(Ok(Message::Parts(parts))).is_err() || lane.send(Ok(Message::BlockEnds)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn corpus(error: SourceError) -> SearchError {
    SearchError::Corpus(error.into())
}
