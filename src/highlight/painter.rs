//! Highlighting for pages: off the async threads, a few at once, kept by blob, and never longer than a page may wait.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use tokio::sync::Semaphore;

use super::{Highlighted, Highlighter, Limits, Snippet, SourceHtml};
use crate::source::ObjectId;
use crate::source::text::Text;

/// Files kept highlighted, and the bytes of markup that one of them, and all of them together, may have. A long file is read part by part,
/// so that it is kept pays more than with others.
const KEPT: usize = 128;
const LARGEST_KEPT: usize = 64 << 20;
const KEPT_BYTES: usize = 192 << 20;
/// What a line takes beside its markup.
const LINE: usize = 24;
/// How long the work goes on for the next reader after a page has given up waiting.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// The same blob is highlighted differently as another language.
type Key = (ObjectId, Option<&'static str>);

/// Highlights for pages. Clones share what is kept.
#[derive(Clone)]
pub struct Painter {
    highlighter: Arc<Highlighter>,
    kept: Arc<Mutex<Kept>>,
    at_once: Arc<Semaphore>,
}

/// The files used last, as many as there is room for.
struct Kept {
    files: LruCache<Key, (Arc<Highlighted>, usize)>,
    bytes: usize,
}

impl Kept {
    fn get(&mut self, key: &Key) -> Option<Arc<Highlighted>> {
        self.files.get(key).map(|(done, _)| Arc::clone(done))
    }

    fn put(&mut self, key: Key, done: &Arc<Highlighted>) {
        let size = done.lines.iter().map(|line| line.as_str().len() + LINE).sum();
        if size > LARGEST_KEPT {
            return;
        }
        self.bytes += size;
        let mut gone = self.files.push(key, (Arc::clone(done), size));
        loop {
            self.bytes -= gone.map_or(0, |(_, (_, size))| size);
            if self.bytes <= KEPT_BYTES {
                return;
            }
            gone = self.files.pop_lru();
        }
    }
}

impl Default for Painter {
    fn default() -> Self {
        Self {
            highlighter: Arc::new(Highlighter::new()),
            kept: Arc::new(Mutex::new(Kept { files: LruCache::new(NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN)), bytes: 0 })),
            at_once: Arc::new(Semaphore::new(2)),
        }
    }
}

impl Painter {
    /// The lines of a text; plain when highlighting is not done after `patience`. It is then finished for the next reader.
    pub async fn paint(&self, blob: ObjectId, path: &str, text: &Arc<Text>, limits: Limits, patience: Duration) -> Arc<Highlighted> {
        let first = text.lines().next().map(|line| line.text).unwrap_or_default();
        let key = (blob, self.highlighter.language(path, first).map(super::languages::Language::name));
        if let Some(kept) = self.kept().get(&key) {
            return kept;
        }
        let work = tokio::spawn(self.clone().work(key, path.to_owned(), Arc::clone(text), limits));
        if let Ok(Ok(Some(done))) = tokio::time::timeout(patience, work).await {
            return done;
        }
        let (highlighter, text, path) = (Arc::clone(&self.highlighter), Arc::clone(text), path.to_owned());
        let plain = tokio::task::spawn_blocking(move || highlighter.lines(&text, &path, limits, &|| true)).await;
        Arc::new(plain.unwrap_or_else(|_| Highlighted {
            lines: Vec::new(),
            language: None,
            plain: None,
            notices: super::Notices::default(),
        }))
    }

    /// Lines that stand alone; those not done after `patience` are plain.
    pub async fn snippets(&self, lines: Vec<Snippet>, limits: Limits, patience: Duration) -> Vec<SourceHtml> {
        let highlighter = Arc::clone(&self.highlighter);
        let work = tokio::task::spawn_blocking(move || {
            let end = Instant::now() + patience;
            highlighter.snippets(&lines, limits, &|| Instant::now() > end)
        });
        work.await.unwrap_or_default()
    }

    /// Markdown as HTML; `None` where it is too large or takes too long.
    pub async fn markdown<R>(&self, text: &Arc<Text>, resolve: R, patience: Duration) -> Option<SourceHtml>
    where
        R: Fn(super::Target<'_>) -> Option<String> + Send + 'static,
    {
        let (highlighter, text) = (Arc::clone(&self.highlighter), Arc::clone(text));
        let work = tokio::task::spawn_blocking(move || {
            let end = Instant::now() + patience;
            highlighter.markdown(text.as_str(), &resolve, &|| Instant::now() > end)
        });
        work.await.ok().flatten()
    }

    async fn work(self, key: Key, path: String, text: Arc<Text>, limits: Limits) -> Option<Arc<Highlighted>> {
        let permit = Arc::clone(&self.at_once).acquire_owned().await.ok()?;
        let kept = Arc::clone(&self.kept);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let end = Instant::now() + AFTERWARDS;
            let done = Arc::new(self.highlighter.lines(&text, &path, limits, &|| Instant::now() > end));
            kept.lock().unwrap_or_else(PoisonError::into_inner).put(key, &done);
            done
        })
        .await
        .ok()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_a_bound_and_the_oldest_goes_first() {
        let files = LruCache::new(NonZeroUsize::new(KEPT).unwrap());
        let mut kept = Kept { files, bytes: 0 };
        let file = |bytes: usize| {
            let text = Text::from("x".repeat(bytes));
            let lines = text.lines().map(|line| crate::highlight::snippet(&line, &[])).collect();
            Arc::new(Highlighted { lines, language: None, plain: None, notices: super::super::Notices::default() })
        };
        let key = |n: u8| (ObjectId::from_bytes(&[n; 20]).unwrap(), None);
        let large = file(LARGEST_KEPT - LINE);
        for n in 1..=4 {
            kept.put(key(n), &large);
        }
        assert!(kept.get(&key(1)).is_none() && kept.get(&key(2)).is_some() && kept.get(&key(4)).is_some());
        assert_eq!(kept.bytes, 3 * LARGEST_KEPT);
        // The same again takes its own place, and what is too large takes none.
        kept.put(key(4), &large);
        assert_eq!((kept.bytes, kept.files.len()), (3 * LARGEST_KEPT, 3));
        kept.put(key(5), &file(LARGEST_KEPT));
        assert!(kept.get(&key(5)).is_none());
    }
}
