//! Highlighting for pages: off the async threads, a few at once, kept by blob, and never longer than a page may wait.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use tokio::sync::{Semaphore, watch};

use super::{Highlighted, Highlighter, Limits, Notices, PlainReason, Snippet, SourceHtml, first_line};
use crate::source::ObjectId;
use crate::source::text::Text;

/// Files kept highlighted, and the bytes of markup that one of them, and all of them together, may have. A long file is read part by part,
/// so that it is kept pays more than with others.
const KEPT: usize = 128;
const LARGEST_KEPT: usize = 64 << 20;
const KEPT_BYTES: usize = 192 << 20;
/// What a line takes beside its markup.
const LINE: usize = 24;
/// Lines that are handed on together while the work goes on.
const BATCH: usize = 100;
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

/// The files used last, as many as there is room for, and those that are worked on: whoever comes meanwhile takes part.
struct Kept {
    files: LruCache<Key, (Arc<Highlighted>, usize)>,
    bytes: usize,
    going: HashMap<Key, Going>,
}

/// A text while it is highlighted: the lines that are done, and how many these are.
#[derive(Clone)]
struct Going {
    so_far: Arc<SoFar>,
    count: watch::Receiver<usize>,
}

#[derive(Default)]
struct SoFar {
    lines: Mutex<Vec<SourceHtml>>,
    /// All of them, which are then no more among those above.
    whole: OnceLock<Arc<Highlighted>>,
}

/// The lines of a text, as far as they are highlighted.
#[derive(Clone)]
pub struct Painting(State);

#[derive(Clone)]
enum State {
    Done(Arc<Highlighted>),
    Going(Going),
}

impl Painting {
    /// The whole, once it is done; none when that takes longer than until then, or failed.
    pub async fn whole(&self, until: Instant) -> Option<Arc<Highlighted>> {
        match &self.0 {
            State::Done(done) => Some(Arc::clone(done)),
            State::Going(going) => {
                going.reach(usize::MAX, until).await;
                going.so_far.whole.get().cloned()
            }
        }
    }

    /// The lines of a range, counted from 0, as far as they are done, once at least so many are; none when that takes longer than until
    /// then, or failed.
    pub async fn lines(&self, range: Range<usize>, at_least: usize, until: Instant) -> Option<Vec<SourceHtml>> {
        let of = |lines: &[SourceHtml]| lines.get(range.start..range.end.min(lines.len())).map(<[SourceHtml]>::to_vec);
        match &self.0 {
            State::Done(done) => of(&done.lines),
            State::Going(going) => {
                let wanted = range.end.min(range.start.saturating_add(at_least));
                going.reach(wanted, until).await;
                let so_far = locked(&going.so_far.lines);
                match going.so_far.whole.get() {
                    Some(whole) => of(&whole.lines),
                    None => of(&so_far).filter(|lines| range.start + lines.len() >= wanted),
                }
            }
        }
    }
}

impl Going {
    /// Waits until so many lines are done, all of them, or the time is over.
    async fn reach(&self, count: usize, until: Instant) {
        let mut counted = self.count.clone();
        // What has failed gets no further: the sender is then gone.
        let _ = tokio::time::timeout_at(until.into(), counted.wait_for(|done| *done >= count)).await;
    }
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Kept {
    fn default() -> Self {
        let files = LruCache::new(NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN));
        Self { files, bytes: 0, going: HashMap::new() }
    }
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
            kept: Arc::new(Mutex::new(Kept::default())),
            at_once: Arc::new(Semaphore::new(2)),
        }
    }
}

impl Painter {
    /// Begins to highlight a text, or takes part in what has begun. It is finished for the next reader when nobody waits any more.
    pub fn begin(&self, blob: ObjectId, path: &str, text: &Arc<Text>, limits: Limits) -> Painting {
        let key = (blob, self.highlighter.language(path, first_line(text)).map(super::languages::Language::name));
        let mut kept = locked(&self.kept);
        if let Some(done) = kept.get(&key) {
            return Painting(State::Done(done));
        }
        if let Some(going) = kept.going.get(&key) {
            return Painting(State::Going(going.clone()));
        }
        let (sender, count) = watch::channel(0);
        let going = Going { so_far: Arc::default(), count };
        kept.going.insert(key, going.clone());
        tokio::spawn(self.clone().work(key, path.to_owned(), Arc::clone(text), limits, Arc::clone(&going.so_far), sender));
        Painting(State::Going(going))
    }

    /// The lines of a text; plain when highlighting is not done after `patience`.
    pub async fn paint(&self, blob: ObjectId, path: &str, text: &Arc<Text>, limits: Limits, patience: Duration) -> Arc<Highlighted> {
        match self.begin(blob, path, text, limits).whole(Instant::now() + patience).await {
            Some(done) => done,
            None => Arc::new(self.plain(path, text, 0..usize::MAX).await),
        }
    }

    /// These lines of a text without highlighting, counted from 0, and the notices of all of it.
    pub async fn plain(&self, path: &str, text: &Arc<Text>, range: Range<usize>) -> Highlighted {
        let (highlighter, text, path) = (Arc::clone(&self.highlighter), Arc::clone(text), path.to_owned());
        let plain = tokio::task::spawn_blocking(move || {
            let (mut lines, mut number) = (Vec::new(), 0);
            let about = highlighter.each_line(&text, &path, Limits::default(), &|| true, &mut |line| {
                if range.contains(&number) {
                    lines.push(line);
                }
                number += 1;
            });
            let plain = about.plain.map(|_| PlainReason::TooSlow { from: range.start + 1 });
            Highlighted { lines, plain, ..about }
        });
        plain.await.unwrap_or_else(|_| Highlighted { lines: Vec::new(), language: None, plain: None, notices: Notices::default() })
    }

    /// As [`Highlighter::hides_nothing`].
    pub async fn hides_nothing(&self, path: &str, text: &Arc<Text>) -> bool {
        let (highlighter, text, path) = (Arc::clone(&self.highlighter), Arc::clone(text), path.to_owned());
        tokio::task::spawn_blocking(move || highlighter.hides_nothing(&text, &path)).await.unwrap_or(false)
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

    async fn work(self, key: Key, path: String, text: Arc<Text>, limits: Limits, so_far: Arc<SoFar>, count: watch::Sender<usize>) {
        let leaving = Leaving { kept: Arc::clone(&self.kept), key };
        let Ok(permit) = Arc::clone(&self.at_once).acquire_owned().await else { return };
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let end = Instant::now() + AFTERWARDS;
            let mut batch = Vec::with_capacity(BATCH);
            let about = self.highlighter.each_line(&text, &path, limits, &|| Instant::now() > end, &mut |line| {
                batch.push(line);
                if batch.len() == BATCH {
                    let mut lines = locked(&so_far.lines);
                    lines.append(&mut batch);
                    count.send_replace(lines.len());
                }
            });
            let mut lines = locked(&so_far.lines);
            lines.append(&mut batch);
            let done = Arc::new(Highlighted { lines: std::mem::take(&mut *lines), ..about });
            // Under the lock, so that the lines are always in one of both.
            let _ = so_far.whole.set(Arc::clone(&done));
            locked(&self.kept).put(key, &done);
            drop(leaving);
            count.send_replace(usize::MAX);
        });
    }
}

/// However the work on a text ends, it is worked on no longer.
struct Leaving {
    kept: Arc<Mutex<Kept>>,
    key: Key,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        locked(&self.kept).going.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize) -> Arc<Text> {
        Arc::new(Text::from((1..=lines).map(|n| format!("int line_{n} = {n}; /* here */\n")).collect::<Vec<_>>().concat()))
    }

    fn blob(n: u8) -> ObjectId {
        ObjectId::from_bytes(&[n; 20]).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn lines_come_as_they_are_done_and_are_those_of_the_whole() {
        let painter = Painter::default();
        let text = text(2_050);
        let later = || Instant::now() + Duration::from_secs(60);
        let painting = painter.begin(blob(1), "a.c", &text, Limits::default());
        let mut lines: Vec<SourceHtml> = Vec::new();
        while lines.len() < 2_050 {
            let some = painting.lines(lines.len()..2_050, 200, later()).await.unwrap();
            assert!(some.len() >= 200.min(2_050 - lines.len()));
            lines.extend(some);
        }
        let whole = painting.whole(later()).await.unwrap();
        assert_eq!(lines, whole.lines);
        assert_eq!(lines, Highlighter::new().lines(&text, "a.c", Limits::default(), &|| false).lines);
        // The next reader takes what is kept, and nobody works any more.
        assert!(Arc::ptr_eq(&whole, &painter.paint(blob(1), "a.c", &text, Limits::default(), Duration::ZERO).await));
        assert!(locked(&painter.kept).going.is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_comes_while_a_text_is_worked_on_takes_part() {
        let painter = Painter::default();
        let busy = Arc::clone(&painter.at_once).acquire_many_owned(2).await.unwrap();
        let text = text(300);
        let first = painter.begin(blob(1), "a.c", &text, Limits::default());
        let second = painter.begin(blob(1), "a.c", &text, Limits::default());
        // Its turn does not come: the page is plain, and says from where on.
        assert!(second.lines(0..300, 1, Instant::now()).await.is_none());
        let plain = painter.plain("a.c", &text, 100..200).await;
        assert_eq!((plain.lines.len(), plain.plain), (100, Some(PlainReason::TooSlow { from: 101 })));
        assert_eq!(plain.lines[0].as_str(), "int line_101 = 101; /* here */");
        drop(busy);
        let later = Instant::now() + Duration::from_secs(60);
        let (first, second) = (first.whole(later).await.unwrap(), second.whole(later).await.unwrap());
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_fails_is_waited_for_no_longer() {
        let painter = Painter::default();
        painter.at_once.close();
        let painting = painter.begin(blob(1), "a.c", &text(10), Limits::default());
        assert!(painting.whole(Instant::now() + Duration::from_secs(600)).await.is_none());
        assert!(painting.lines(0..10, 1, Instant::now() + Duration::from_secs(600)).await.is_none());
        assert!(locked(&painter.kept).going.is_empty());
    }

    #[test]
    fn what_is_kept_has_a_bound_and_the_oldest_goes_first() {
        let mut kept = Kept::default();
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
