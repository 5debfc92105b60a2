//! Gathering a table from a repository: every commit is read once, on several threads, and handed over in order.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::Past;
use super::table::Builder;
use crate::source::SourceError;
use crate::source::history::{History, Links, Reader, Step};
use crate::source::tree::ObjectId;

/// Commits that a thread reads before the next thread's turn comes: neighbours share trees.
const BLOCK: usize = 256;
/// Blocks that a thread reads ahead.
const AHEAD: usize = 4;
const MOST_THREADS: usize = 8;

/// A commit's time, and its changes.
type Read = (i64, Vec<Step>);
type Lane = SyncSender<Result<Vec<Read>, SourceError>>;

/// The table of everything that `heads` reach, built upon one that there is. `None` when `go_on` said no before it was done.
pub(super) fn gather(
    history: &History,
    heads: &[ObjectId],
    before: Option<&Past>,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Past>, SourceError> {
    let mut builder = before.map(Builder::upon).unwrap_or_default();
    let commits = history.commits(heads, &|id| builder.knows(id))?;
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MOST_THREADS);
    let threads = threads.clamp(1, commits.len().div_ceil(BLOCK).max(1));
    let whole = thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads)
            .map(|number| {
                let (lane, blocks) = sync_channel(AHEAD);
                let own = commits.chunks(BLOCK).skip(number).step_by(threads);
                scope.spawn(move || read_blocks(history, own, go_on, &lane));
                blocks
            })
            .collect();
        for (block, lane) in commits.chunks(BLOCK).zip(lanes.iter().cycle()) {
            // A thread that was told to stop hands over nothing more.
            let Ok(read) = lane.recv() else { return Ok(false) };
            for (links, (at, steps)) in block.iter().zip(read?) {
                let added = builder.add(links.id, at, &links.parents, steps);
                added.ok_or_else(|| SourceError::Unreadable(format!("the commit {} cannot be taken into the history", links.id)))?;
            }
        }
        Ok::<bool, SourceError>(true)
    })?;
    Ok(whole.then(|| builder.finish()))
}

fn read_blocks<'a>(history: &History, blocks: impl Iterator<Item = &'a [Links]>, go_on: &(dyn Fn() -> bool + Sync), lane: &Lane) {
    let mut reader = match history.reader() {
        Ok(reader) => reader,
        Err(cause) => {
            // Nobody takes it any more when another thread failed before.
            let _ = lane.send(Err(cause));
            return;
        }
    };
    for block in blocks {
        let Some(read) = read_block(&mut reader, block, go_on).transpose() else { return };
        let failed = read.is_err();
        if lane.send(read).is_err() || failed {
            return;
        }
    }
}

fn read_block(reader: &mut Reader, block: &[Links], go_on: &(dyn Fn() -> bool + Sync)) -> Result<Option<Vec<Read>>, SourceError> {
    let mut read = Vec::with_capacity(block.len());
    for links in block {
        if !go_on() {
            return Ok(None);
        }
        read.push(reader.steps(links.id)?);
    }
    Ok(Some(read))
}
