//! Highlighting for pages: off the async threads, a few at once, kept by blob, and never longer than a page may wait.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use tokio::sync::Semaphore;

use super::{Highlighted, Highlighter, Limits, Snippet, SourceHtml};
use crate::source::ObjectId;
use crate::source::text::Text;

/// Files kept highlighted, and the bytes of text up to which one is.
const KEPT: usize = 128;
const KEPT_BYTES: usize = 4 << 20;
/// How long the work goes on for the next reader after a page has given up waiting.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// The same blob is highlighted differently as another language.
type Key = (ObjectId, Option<&'static str>);

/// Highlights for pages. Clones share what is kept.
#[derive(Clone)]
pub struct Painter {
    highlighter: Arc<Highlighter>,
    kept: Arc<Mutex<LruCache<Key, Arc<Highlighted>>>>,
    at_once: Arc<Semaphore>,
}

impl Default for Painter {
    fn default() -> Self {
        Self {
            highlighter: Arc::new(Highlighter::new()),
            kept: Arc::new(Mutex::new(LruCache::new(NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN)))),
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
            return Arc::clone(kept);
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
            if text.as_str().len() <= KEPT_BYTES {
                kept.lock().unwrap_or_else(PoisonError::into_inner).put(key, Arc::clone(&done));
            }
            done
        })
        .await
        .ok()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, LruCache<Key, Arc<Highlighted>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
