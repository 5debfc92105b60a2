//! How a log gathers cosignatures, and what it makes of what its witnesses say.
//!
//! The newest checkpoint is offered to every witness with an address, at most one a second, to each on its own, with a
//! deadline and growing pauses after failure. It stays what is offered until it has a quorum or everyone has answered, so
//! that fast and slow witnesses meet on one size. With the quorum it is kept in `DATA/witnessed`, and served from then on.
//!
//! # What one lying witness may cause
//!
//! - A bad signature, another key's, an endless or senseless answer: it is named, and does not count as cosigning.
//! - "I cosigned more than you have" (409 with a larger size) and "that does not extend what I cosigned" (422) are claims. The
//!   witness is asked for what it cosigned last. When it shows a checkpoint with *this log's own signature* that this log does
//!   not extend, that is a proof, whoever shows it: the log was put back to an older copy, or it was forked. It is broken.
//! - Without a proof such a witness does not count as cosigning, no more. Only when no quorum is possible without those who
//!   say so, the log is broken, too: a portal that cannot be witnessed any more must say why, and a policy that lets so few
//!   stop it was its operator's choice. So a witness that the quorum can do without stops nothing by lying.
//!
//! Several processes may offer one log: a witness that has cosigned more of it for another is no contradiction, as long as
//! this log has that much.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::gathering::{Candidate, Gathering, Standing};
use super::transport::{DEADLINE, Http, Reply, Transport};
use super::{Submission, kept};
use crate::audit::checkpoint::{Checkpoint, Note, Signature, decimal};
use crate::audit::policy::Policy;
use crate::audit::{AuditError, Health, Log, LogKey, LogUnavailable, Shared, durable_file};
use crate::clock::Timestamp;

/// The least time between two checkpoints that are offered.
const EVERY: Duration = Duration::from_secs(1);
/// Pauses after a witness has failed.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often a witness may name another size within one exchange: others may submit at the same time.
const MOST_TURNS: usize = 4;
/// A cosignature's time never exceeds this (tlog-cosignature).
const LATEST: u64 = i64::MAX as u64;

/// By whom a log is witnessed, and how long it may do without.
#[derive(Clone, Debug)]
pub struct Witnesses {
    pub policy: Policy,
    /// How old an entry may be that no quorum has cosigned, before no more source is shown.
    pub lag: Duration,
    /// How many such entries there may be.
    pub lag_entries: u64,
    pub transport: Arc<dyn Transport>,
}

impl Witnesses {
    /// Over HTTP.
    #[must_use]
    pub fn new(policy: Policy, lag: Duration, lag_entries: u64) -> Self {
        Self { policy, lag, lag_entries, transport: Arc::new(Http::new()) }
    }

    /// Whether the log of this key can be witnessed so.
    fn check(&self, key: &LogKey) -> Result<(), String> {
        let (logs, all, key) = (self.policy.logs(), key.keys().all(), key.public());
        // A policy that lists the key before this one leads here by the hand-over.
        if !logs.is_empty() && !logs.iter().any(|l| all.contains(&l.key)) {
            return Err(format!("it lists logs, and this one is not among them; add the line \"log {key}\""));
        }
        for witness in self.policy.witnesses() {
            let plain = |url: &str| url.strip_prefix("https://").or(url.strip_prefix("http://")).is_some_and(|rest| !rest.is_empty());
            if let Some(url) = witness.url.as_deref().filter(|url| !plain(url)) {
                return Err(format!("the address {url:?} of the witness {:?} begins with neither https:// nor http://", witness.name));
            }
        }
        let reached: Vec<bool> = self.policy.witnesses().iter().map(|w| w.url.is_some()).collect();
        if self.policy.quorum_of(&reached) {
            return Ok(());
        }
        Err("its quorum needs witnesses that have no address; add their URLs at the ends of their lines".to_owned())
    }
}

/// How far a log is witnessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessing {
    /// The size of the newest checkpoint that has the quorum.
    pub size: u64,
    /// Entries beyond it.
    pub entries: u64,
    /// The age of the oldest of those.
    pub lag: Duration,
    /// Whether that is more than is allowed, so that no source is shown.
    pub exceeded: bool,
    pub witnesses: Vec<WitnessState>,
}

/// One witness, as its log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessState {
    /// Its name in the policy.
    pub name: String,
    /// The largest tree that it cosigned for this process, or before as far as that was kept.
    pub size: u64,
    /// When it cosigned last, as it says.
    pub at: Option<Timestamp>,
    pub standing: Standing,
}

/// What is offered.
struct Target {
    size: u64,
    /// With the log's signature only.
    note: Note,
}

/// The side of the log's witnesses within the log.
pub(in crate::audit) struct Client {
    witnesses: Witnesses,
    file: PathBuf,
    gathering: Mutex<Gathering>,
    target: watch::Sender<Option<Arc<Target>>>,
    /// Counts what was learnt, so that others can wait for it.
    progress: watch::Sender<u64>,
    /// Held while the file is written, so that the newer comes later.
    keeping: tokio::sync::Mutex<()>,
    started: AtomicBool,
    /// The first entry that no quorum has cosigned, and its time.
    oldest: Mutex<Option<(u64, Timestamp)>>,
}

impl Client {
    /// `None` when the policy asks for no cosignature.
    pub(in crate::audit) fn new(witnesses: &Witnesses, file: PathBuf, key: &LogKey) -> Result<Option<Self>, AuditError> {
        if !witnesses.policy.asks_for_witnesses() {
            return Ok(None);
        }
        witnesses.check(key).map_err(AuditError::Policy)?;
        let kept = kept::read(&file, key.keys(), &witnesses.policy)?;
        Ok(Some(Self {
            gathering: Mutex::new(Gathering::new(witnesses.policy.clone(), kept)),
            witnesses: witnesses.clone(),
            file,
            target: watch::Sender::new(None),
            progress: watch::Sender::new(0),
            keeping: tokio::sync::Mutex::default(),
            started: AtomicBool::new(false),
            oldest: Mutex::default(),
        }))
    }

    /// The size and the note of the newest checkpoint that has the quorum.
    pub(in crate::audit) fn witnessed(&self) -> Option<(u64, String)> {
        self.gathering().witnessed().map(|w| (w.size(), w.note()))
    }

    fn gathering(&self) -> MutexGuard<'_, Gathering> {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learnt(&self) {
        self.progress.send_modify(|n| *n = n.wrapping_add(1));
    }
}

impl Log {
    /// Begins to gather cosignatures, and returns when every witness has been asked once or a quorum is kept: from then
    /// on it is known whether witnesses hold more of this log than there is. Without a policy that asks for witnesses it
    /// does nothing.
    ///
    /// # Errors
    /// When the log cannot be read, or what witnesses have cosigned contradicts it.
    pub async fn meet_witnesses(&self) -> Result<(), AuditError> {
        let Some(client) = &self.shared.client else { return Ok(()) };
        let mut progress = client.progress.subscribe();
        if !client.started.swap(true, Ordering::SeqCst) {
            self.shared.aim(client).await?;
            for (at, witness) in client.witnesses.policy.witnesses().iter().enumerate() {
                if let Some(url) = &witness.url {
                    tokio::spawn(follow(Arc::downgrade(&self.shared), at, url.clone(), client.target.subscribe()));
                }
            }
            tokio::spawn(lead(Arc::downgrade(&self.shared)));
        }
        loop {
            progress.borrow_and_update();
            if let Health::Broken { why, .. } = self.health() {
                return Err(AuditError::Inconsistent { found: why, remedy: kept::REMEDY.to_owned() });
            }
            if client.gathering().met() || progress.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// How far the log is witnessed; `None` when nothing asks for witnesses.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn witnessing(&self) -> Result<Option<Witnessing>, AuditError> {
        match &self.shared.client {
            Some(client) => self.shared.witnessing(client).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Sets what is offered, until the log is gone or closed.
async fn lead(log: Weak<Shared>) {
    loop {
        sleep(EVERY).await;
        let Some(shared) = log.upgrade() else { return };
        let Some(client) = &shared.client else { return };
        if matches!(shared.health(), Health::Closed | Health::Broken { .. }) {
            return;
        }
        let unkept = client.gathering().unkept();
        if let Some(candidate) = unkept {
            shared.keep(client, candidate).await;
        }
        if let Err(error) = shared.aim(client).await {
            tracing::warn!(%error, "no checkpoint can be offered to witnesses now");
        }
    }
}

/// Offers one witness whatever is offered, until the log is gone or closed.
async fn follow(log: Weak<Shared>, at: usize, url: String, mut targets: watch::Receiver<Option<Arc<Target>>>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let target = targets.borrow_and_update().clone();
        let cosigned = match &target {
            Some(target) => match offer(&log, at, &url, target).await {
                Some(cosigned) => cosigned,
                None => return,
            },
            None => true,
        };
        if cosigned {
            pause = SHORTEST_PAUSE;
            if targets.changed().await.is_err() {
                return;
            }
        } else {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// One exchange with one witness, and what was learnt from it. Whether it has cosigned; `None` when the log is gone. The log
/// is not held while the witness is waited for.
async fn offer(log: &Weak<Shared>, at: usize, url: &str, target: &Arc<Target>) -> Option<bool> {
    let mut old = {
        let shared = log.upgrade().filter(|s| !matches!(s.health(), Health::Closed | Health::Broken { .. }))?;
        let mut gathering = shared.client.as_ref()?.gathering();
        gathering.begin(at)?
    };
    for _ in 0..MOST_TURNS {
        if old > target.size {
            let shared = log.upgrade()?;
            let client = shared.client.as_ref()?;
            client.gathering().outrun(at, target.size, old);
            client.learnt();
            return Some(true);
        }
        let (transport, body) = {
            let shared = log.upgrade()?;
            let proof = match shared.consistency(old, target.size).await {
                Ok(proof) => proof.unwrap_or_default(),
                Err(error) => return Some(shared.unanswered(at, target.size, Standing::Failing(format!("was not asked: {error}")))),
            };
            let body = Submission { old, proof, note: target.note.to_string() }.to_string();
            (Arc::clone(&shared.client.as_ref()?.witnesses.transport), body)
        };
        let address = url.to_owned();
        let reply = on_a_thread(move || transport.add_checkpoint(&address, body)).await;
        let shared = log.upgrade()?;
        let failed = |standing| Some(shared.unanswered(at, target.size, standing));
        let Reply { status, body } = match reply {
            Ok(reply) => reply,
            Err(why) => return failed(Standing::Failing(format!("gave no answer that can be read: {why}"))),
        };
        match status {
            200 => match shared.cosignature(at, target, &body) {
                Ok(signature) => {
                    shared.cosigned(at, target.size, &signature).await;
                    return Some(true);
                }
                Err(why) => return failed(Standing::Lying(why)),
            },
            409 => match body.strip_suffix('\n').and_then(decimal) {
                None => return failed(Standing::Lying(format!("names no size that it cosigned: {}", excerpt(&body)))),
                Some(size) if size == old => {
                    return failed(Standing::Lying(format!("says that it cosigned {old} entries last, and refuses what extends them")));
                }
                Some(size) if size > target.size => match shared.committed().await.map(|f| f.size()) {
                    Ok(committed) if size > committed => {
                        let claim = format!("says that it cosigned {size} entries, and this log has {committed}");
                        drop(shared);
                        return contradicted(log, at, url, target, claim).await;
                    }
                    Ok(_) => old = size,
                    Err(error) => return failed(Standing::Failing(format!("was not understood: {error}"))),
                },
                Some(size) => old = size,
            },
            422 => {
                let claim =
                    format!("says that the checkpoint over {} entries does not extend the one over {old} that it cosigned", target.size);
                drop(shared);
                return contradicted(log, at, url, target, claim).await;
            }
            other => return failed(Standing::Failing(format!("answered {other}: {}", excerpt(&body)))),
        }
    }
    Some(log.upgrade()?.unanswered(at, target.size, Standing::Failing("names another size each time it is asked".to_owned())))
}

/// A witness says that it cosigned what this log does not hold: whether it can show it.
async fn contradicted(log: &Weak<Shared>, at: usize, url: &str, target: &Target, claim: String) -> Option<bool> {
    let (transport, key) = {
        let shared = log.upgrade()?;
        (Arc::clone(&shared.client.as_ref()?.witnesses.transport), shared.key.keys().clone())
    };
    let (address, origin) = (url.to_owned(), key.origin().to_owned());
    let shown = on_a_thread(move || transport.latest(&address, &origin)).await;
    let shared = log.upgrade()?;
    let client = shared.client.as_ref()?;
    let shown = shown.ok().flatten().and_then(|note| key.open(&note).ok());
    let proof = match shown {
        Some(shown) => match shared.contradiction(&shown).await {
            Ok(proof) => proof,
            Err(error) => return Some(shared.unanswered(at, target.size, Standing::Failing(format!("was not understood: {error}")))),
        },
        None => None,
    };
    let name = client.witnesses.policy.witnesses().get(at).map(|w| w.name.clone()).unwrap_or_default();
    let outvoted = client.gathering().claims(at, &claim);
    // Before the witness counts as asked, so that nobody is served in between.
    if let Some(proof) = proof {
        shared.break_off(client, format!("the witness {name:?} shows {proof}"));
    } else if let Some(said) = outvoted {
        shared.break_off(client, format!("no quorum is possible any more: {said}"));
    }
    Some(shared.unanswered(at, target.size, Standing::Contradicting(claim)))
}

impl Shared {
    /// Offers the newest checkpoint, when what is offered has been dealt with.
    async fn aim(&self, client: &Client) -> Result<(), AuditError> {
        // Looked at each time, so that what others append is known, too.
        let (_, note) = self.checkpoint().await?;
        let candidate = Candidate::new(&note, client.witnesses.policy.witnesses().len())?;
        let target = Arc::new(Target { size: candidate.size(), note: candidate.signed.clone() });
        let mut gathering = client.gathering();
        if gathering.is_over() && gathering.aim(candidate) {
            drop(gathering);
            client.target.send_replace(Some(target));
        }
        Ok(())
    }

    /// The one signature in a witness's answer that counts.
    fn cosignature(&self, at: usize, target: &Target, body: &str) -> Result<Signature, String> {
        let client = self.client.as_ref().ok_or("nobody asked it")?;
        let witness = client.witnesses.policy.witnesses().get(at).ok_or("nobody asked it")?;
        let note: Note = format!("{}\n{body}", target.note.text()).parse().map_err(|e| format!("answered no signatures ({e})"))?;
        if note.text() != target.note.text() {
            return Err("answered another text instead of signatures".to_owned());
        }
        let good = note.verify(std::slice::from_ref(&witness.key)).map_err(|e| format!("answered no cosignature of its own ({e})"))?;
        let (_, signature) = good.first().ok_or("answered no cosignature of its own")?;
        match signature.witnessed_at() {
            Some(1..=LATEST) => Ok((*signature).clone()),
            _ => Err("answered a cosignature without a time".to_owned()),
        }
    }

    async fn cosigned(&self, at: usize, size: u64, signature: &Signature) {
        let Some(client) = &self.client else { return };
        let keep = {
            let mut gathering = client.gathering();
            let before = gathering.known().get(at).map(|k| k.standing.clone());
            if let (Some(before), Some(witness)) = (before, gathering.policy().witnesses().get(at))
                && before.why().is_some()
            {
                tracing::warn!(witness = witness.name, size, "a witness cosigns again");
            }
            gathering.cosigned(at, size, signature)
        };
        if let Some(candidate) = keep {
            self.keep(client, candidate).await;
        }
        client.learnt();
    }

    /// Writes what has the quorum down before anybody is shown it.
    async fn keep(&self, client: &Client, candidate: Candidate) {
        let _one = client.keeping.lock().await;
        if !client.gathering().is_news(&candidate) {
            return;
        }
        let (file, note) = (client.file.clone(), candidate.note());
        let written = tokio::task::spawn_blocking(move || durable_file::replace(&file, note.as_bytes())).await;
        match written.map_err(std::io::Error::other).flatten() {
            Ok(()) => client.gathering().kept(candidate),
            Err(error) => {
                let file = client.file.display();
                tracing::error!(%error, %file, "the cosigned checkpoint was not kept, so it does not count; it is tried again");
                client.gathering().not_kept();
            }
        }
    }

    /// A witness has not cosigned. Always false.
    fn unanswered(&self, at: usize, asked: u64, standing: Standing) -> bool {
        let Some(client) = &self.client else { return false };
        let (why, lies) = (standing.why().unwrap_or_default().to_owned(), !matches!(standing, Standing::Failing(_)));
        let mut gathering = client.gathering();
        if gathering.failed(at, asked, standing) {
            let witness = gathering.policy().witnesses().get(at).map(|w| w.name.as_str());
            if lies {
                tracing::error!(witness, why, "a witness does not count as cosigning: it says what does not hold here");
            } else {
                tracing::warn!(witness, why, "a witness does not cosign; it is asked again");
            }
        }
        drop(gathering);
        client.learnt();
        false
    }

    /// How this log contradicts a checkpoint with its own signature, if it does.
    async fn contradiction(&self, shown: &Checkpoint) -> Result<Option<String>, AuditError> {
        let committed = self.committed().await?.size();
        if shown.size > committed {
            return Ok(Some(format!(
                "a checkpoint over {} entries with this log's own signature, and this log has {committed}",
                shown.size
            )));
        }
        let differs = self.root_at(shown.size).await? != shown.root;
        Ok(differs.then(|| format!("a checkpoint over {} entries with this log's own signature, and this log began otherwise", shown.size)))
    }

    fn break_off(&self, client: &Client, found: String) {
        tracing::error!(found, "THE AUDIT LOG IS BROKEN: nothing is recorded and no source is shown until it is mended");
        *self.health.write().unwrap_or_else(PoisonError::into_inner) = Health::Broken { since: self.clock.now(), why: found };
        client.learnt();
    }

    async fn witnessing(&self, client: &Client) -> Result<Witnessing, AuditError> {
        let witnesses = {
            let gathering = client.gathering();
            let named = gathering.policy().witnesses().iter().zip(gathering.known());
            named.map(|(w, k)| WitnessState { name: w.name.clone(), size: k.size, at: k.at, standing: k.standing.clone() }).collect()
        };
        Ok(Witnessing { witnesses, ..self.lag(client).await? })
    }

    /// How far behind the log its witnesses are, without a word about each.
    async fn lag(&self, client: &Client) -> Result<Witnessing, AuditError> {
        let size = client.gathering().witnessed().map_or(0, Candidate::size);
        let entries = self.verified().size().saturating_sub(size);
        let lag = if entries == 0 { Duration::ZERO } else { self.clock.now().since(self.oldest(client, size).await?) };
        let exceeded = entries > client.witnesses.lag_entries || lag > client.witnesses.lag;
        Ok(Witnessing { size, entries, lag, exceeded, witnesses: Vec::new() })
    }

    /// When the entry was written that is the first beyond what is witnessed. Read once for each.
    async fn oldest(&self, client: &Client, index: u64) -> Result<Timestamp, AuditError> {
        let known = *client.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, at)) = known.filter(|(of, _)| *of == index) {
            return Ok(at);
        }
        let at = self.written_at(index).await?;
        *client.oldest.lock().unwrap_or_else(PoisonError::into_inner) = Some((index, at));
        Ok(at)
    }

    /// That the log is witnessed as far as it must be for source to be shown.
    pub(in crate::audit) async fn check_witnessed(&self) -> Result<(), LogUnavailable> {
        let Some(client) = &self.client else { return Ok(()) };
        match self.lag(client).await {
            Ok(w) if w.exceeded => Err(LogUnavailable::Unwitnessed { entries: w.entries, seconds: w.lag.as_secs() }),
            Ok(_) => Ok(()),
            Err(error) => Err(LogUnavailable::Suspended(error.to_string())),
        }
    }
}

/// Runs what waits for a witness on a thread that nobody waits for when the process ends.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    let (done, answer) = oneshot::channel();
    let run = move || {
        // Whoever asked may have left.
        let _ = done.send(work());
    };
    std::thread::Builder::new().name("witness".to_owned()).spawn(run).map_err(|e| e.to_string())?;
    match timeout(DEADLINE + EVERY, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err("the request was given up".to_owned()),
        Err(_) => Err("there was no answer in time".to_owned()),
    }
}

/// The beginning of what a witness said, fit for a line of a log.
fn excerpt(body: &str) -> String {
    format!("{:?}", body.chars().take(120).collect::<String>())
}
