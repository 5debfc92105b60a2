//! A small crate for an index made by a real indexer.
mod queue;

pub trait Drain {
    fn drain(&mut self) -> usize;
}

pub use queue::Queue;

/// Runs twice; `size` below is a local, and so is the field of another type.
pub fn run(queue: &mut Queue) -> usize {
    let size = queue.size();
    queue.push(size);
    queue.drain() + size
}

pub fn size() -> usize {
    0
}
