//! The thread that watches: hints in, changes out.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::model::ChangeSet;

use super::debounce::Debouncer;
use super::locks::GitLocks;
use super::native::{Hint, Native, NoWatches};
use super::scope::WatchScope;
use super::snapshot::{Hints, Snapshot, Watches};

/// How saves are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchOptions {
    /// Look again and again instead of being told by the system: for shared folders of virtual
    /// machines and networks, whose changes no system tells.
    pub poll: bool,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    order_tx: Sender<Order>,
    news_rx: mpsc::Receiver<News>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What a person should know about how saves are noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Saves are noticed late, or some may be taken apart.
    Warning(String),
    /// All is well again.
    Note(String),
}

#[derive(Debug, Default)]
struct Shared {
    files: AtomicUsize,
    /// How often hints were lost.
    #[cfg(test)]
    losses: AtomicUsize,
}

/// A save, and when it was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// What changed.
    pub changes: ChangeSet,
    /// The first sign of it: the system's word that something was written.
    pub sign: Instant,
    /// The end of the quiet after it, when it was looked at.
    pub looked: Instant,
}

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// By the system: something happened.
    Hint(Hint),
    /// Another scope.
    Scope(WatchScope),
    /// Look everywhere, at once.
    Flush,
    /// End.
    Stop,
}

/// How many changes may wait for whoever reads them; when it is full, later ones are merged into
/// one that follows.
const WAITING: usize = 4;

/// How much news may wait for whoever tells it; what is more is only logged.
const NEWS: usize = 16;

/// How soon it is tried whether the system watches again: a person who raises a limit waits for it
/// to be seen.
const RETRY: Duration = Duration::from_secs(5);

/// Each try looks at everything, which takes its time in a large project.
const RETRY_LATEST: Duration = Duration::from_secs(60);

/// How soon a change is offered again that nobody took.
const OFFER_PAUSE: Duration = Duration::from_millis(50);

/// The look that backs hints up works one part in so many of the time: half a percent.
const CALM: u32 = 200;

/// Without hints it is all there is: an eighth of the time.
const BRISK: u32 = 8;

/// A round of the backing look takes at least this long, in small projects as well.
const CALM_ROUND: Duration = Duration::from_secs(2);
const BRISK_ROUND: Duration = Duration::from_millis(300);

/// It works in portions of this length, so that a hint never waits for it.
const PORTION: Duration = Duration::from_millis(4);

impl Watcher {
    /// Begins to watch. When this returns, everything in `scope` has been looked at, so that what
    /// is read of it from here on is either current or told of as changed.
    ///
    /// The news says why saves are noticed late, when they are.
    pub async fn start(
        scope: WatchScope,
        options: WatchOptions,
    ) -> (Self, mpsc::Receiver<Noticed>, Vec<News>) {
        let (order_tx, order_rx) = channel();
        let (change_tx, change_rx) = mpsc::channel(WAITING);
        let (news_tx, news_rx) = mpsc::channel(NEWS);
        let (ready_tx, ready_rx) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let thread = {
            let (order_tx, shared) = (order_tx.clone(), Arc::clone(&shared));
            std::thread::spawn(move || {
                let mut thread = Thread::new(options, order_tx, (change_tx, news_tx), shared);
                thread.set_scope(scope);
                thread.pending = ChangeSet::default();
                let _ = ready_tx.send(());
                thread.run(&order_rx);
            })
        };
        let mut watcher = Self { order_tx, news_rx, thread: Some(thread), shared };
        // An error means that the thread has panicked; the receiver's end tells it.
        let _ = ready_rx.await;
        let news = std::iter::from_fn(|| watcher.news_rx.try_recv().ok()).collect();
        (watcher, change_rx, news)
    }

    /// Watches `scope` from here on. What changed in folders that are in both is told.
    pub fn update(&self, scope: WatchScope) {
        let _ = self.order_tx.send(Order::Scope(scope));
    }

    /// What there is to know since. Safe to drop at any time.
    pub async fn news(&mut self) -> News {
        match self.news_rx.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Looks everywhere at once, without waiting for a quiet, and tries whether the system watches
    /// again where it did not.
    pub fn flush(&self) {
        let _ = self.order_tx.send(Order::Flush);
    }

    /// How many files are watched.
    #[must_use]
    pub fn files(&self) -> usize {
        self.shared.files.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn losses(&self) -> usize {
        self.shared.losses.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn hint(&self, hint: Hint) {
        let _ = self.order_tx.send(Order::Hint(hint));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.order_tx.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A look takes a fraction of a second; its panic was its own.
            let _ = thread.join();
        }
    }
}

struct Thread {
    order_tx: Sender<Order>,
    change_tx: mpsc::Sender<Noticed>,
    news_tx: mpsc::Sender<News>,
    shared: Arc<Shared>,
    snapshot: Snapshot,
    /// `None`: by looking alone.
    native: Option<Native>,
    /// Why there is none, where that is not what was asked for.
    trouble: Option<String>,
    /// When it is tried again.
    retry: Option<Instant>,
    hints: Hints,
    debouncer: Debouncer,
    backing: Backing,
    git_locks: GitLocks,
    /// Changes that nobody has taken yet.
    pending: ChangeSet,
    /// When the first of them gave a sign.
    sign: Option<Instant>,
    offered: Option<Instant>,
}

impl Thread {
    fn new(
        options: WatchOptions,
        order_tx: Sender<Order>,
        (change_tx, news_tx): (mpsc::Sender<Noticed>, mpsc::Sender<News>),
        shared: Arc<Shared>,
    ) -> Self {
        let mut thread = Self {
            order_tx,
            change_tx,
            news_tx,
            shared,
            snapshot: Snapshot::default(),
            native: None,
            trouble: None,
            retry: None,
            hints: Hints::default(),
            debouncer: Debouncer::default(),
            backing: Backing::default(),
            git_locks: GitLocks::default(),
            pending: ChangeSet::default(),
            sign: None,
            offered: None,
        };
        if !options.poll {
            match Native::start(thread.order_tx.clone()) {
                Ok(native) => thread.native = Some(native),
                Err(why) => thread.is_blind(why),
            }
        }
        thread
    }

    fn tell(&self, news: News) {
        if let Err(error) = self.news_tx.try_send(news) {
            tracing::warn!(%error, "not told");
        }
    }

    /// The system does not watch: it is looked again and again, until that is mended.
    fn is_blind(&mut self, why: String) {
        self.native = None;
        self.retry = Some(Instant::now() + RETRY);
        if self.trouble.as_ref() != Some(&why) {
            self.trouble = Some(why.clone());
            self.tell(News::Warning(why));
        }
    }

    /// Tries whether the system watches after all.
    fn try_again(&mut self) {
        let began = Instant::now();
        match Native::start(self.order_tx.clone()) {
            Err(why) => self.is_blind(why),
            Ok(native) => {
                self.native = Some(native);
                self.retry = None;
                // A look at everything sets every watch.
                self.hints.add_all();
                self.look();
                if self.native.is_some() && self.trouble.take().is_some() {
                    self.tell(News::Note("the system tells of saves again".to_owned()));
                }
            }
        }
        if self.retry.is_some() {
            let pause = (began.elapsed() * CALM).clamp(RETRY, RETRY_LATEST);
            self.retry = Some(Instant::now() + pause);
        }
    }

    fn run(&mut self, order_rx: &Receiver<Order>) {
        loop {
            let order = match self.next_due() {
                Some(due) => order_rx.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => order_rx.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(order) => {
                    self.obey(order);
                    // What came meanwhile belongs to the same sign.
                    while let Ok(order) = order_rx.try_recv() {
                        if matches!(order, Order::Stop) {
                            return;
                        }
                        self.obey(order);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if self.debouncer.is_due(now, || self.git_locks.are_held()) {
                self.pass_over_locks(now);
                self.look();
            }
            if self.retry.is_some_and(|retry| retry <= now) {
                self.try_again();
            }
            if self.backing.is_due(Instant::now()) {
                self.back_up();
            }
            if !self.offer() {
                return;
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let offer = self.offered.map(|offered| offered + OFFER_PAUSE);
        [self.debouncer.due(), self.backing.due, offer, self.retry].into_iter().flatten().min()
    }

    /// A lock that a save has waited for in vain holds up no other.
    fn pass_over_locks(&mut self, now: Instant) {
        for lock in self.git_locks.pass_over(self.debouncer.has_waited(now)) {
            let lock = lock.display();
            self.tell(News::Warning(format!(
                "{lock} is held for long: saves no longer wait until `git` has done its work. \
                 Where none runs, remove it: `rm {lock}`"
            )));
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Hint(Hint::Path { path, is_structural }) => {
                if self.snapshot.concerns(&path) {
                    self.hints.add(&path, is_structural);
                    self.debouncer.touch(Instant::now());
                }
            }
            Order::Hint(Hint::Lost) => {
                tracing::debug!("hints were lost: everything is looked at");
                #[cfg(test)]
                self.shared.losses.fetch_add(1, Ordering::Relaxed);
                self.hints.add_all();
                self.debouncer.touch(Instant::now());
            }
            Order::Scope(scope) => self.set_scope(scope),
            Order::Flush if self.retry.is_some() => self.try_again(),
            Order::Flush => {
                self.hints.add_all();
                self.look();
            }
            Order::Stop => {}
        }
    }

    fn set_scope(&mut self, scope: WatchScope) {
        if scope == *self.snapshot.scope() {
            return;
        }
        self.git_locks.set_scope(&scope);
        let changed =
            with_watches(&mut self.native, |watches| self.snapshot.set_scope(scope, watches));
        self.pending.merge(changed);
        self.after_look();
    }

    fn look(&mut self) {
        let sign = self.debouncer.first();
        self.debouncer.clear();
        let hints = std::mem::take(&mut self.hints);
        if hints.is_empty() {
            return;
        }
        let changed =
            with_watches(&mut self.native, |watches| self.snapshot.check(&hints, watches));
        if !changed.is_empty() {
            self.sign = self.sign.or(sign);
        }
        self.pending.merge(changed);
        self.after_look();
    }

    fn after_look(&mut self) {
        self.shared.files.store(self.snapshot.files(), Ordering::Relaxed);
        if let Some(why) = self.native.as_mut().and_then(Native::trouble) {
            self.is_blind(why);
            // What happened where no watch could be set was not told of.
            self.hints.add_all();
            self.debouncer.touch(Instant::now());
        }
        if self.backing.due.is_none() {
            self.backing.due = Some(Instant::now());
        }
    }

    /// Looks at a few folders, whether there was a hint or not.
    fn back_up(&mut self) {
        let started = Instant::now();
        if self.backing.queue.is_empty() {
            self.backing.queue = self.snapshot.folders().into();
            self.backing.round = started;
        }
        while started.elapsed() < PORTION {
            let Some(folder) = self.backing.queue.pop_front() else { break };
            if let Some(found) = self.snapshot.differs(&folder)
                && !found.is_empty()
            {
                self.hints.merge(found);
                self.debouncer.touch(Instant::now());
            }
        }
        let (slowness, shortest) =
            if self.native.is_some() { (CALM, CALM_ROUND) } else { (BRISK, BRISK_ROUND) };
        let now = Instant::now();
        let rest = now + (now - started) * slowness;
        self.backing.due = Some(match self.backing.queue.is_empty() {
            true => rest.max(self.backing.round + shortest),
            false => rest,
        });
    }

    /// Hands changes over; `false` when nobody will ever take them.
    fn offer(&mut self) -> bool {
        if self.pending.is_empty() {
            self.offered = None;
            return !self.change_tx.is_closed();
        }
        let looked = Instant::now();
        let sign = self.sign.unwrap_or(looked);
        let noticed = Noticed { changes: std::mem::take(&mut self.pending), sign, looked };
        match self.change_tx.try_send(noticed) {
            Ok(()) => {
                self.sign = None;
                self.offered = None;
                true
            }
            Err(mpsc::error::TrySendError::Full(noticed)) => {
                self.pending = noticed.changes;
                self.sign = Some(noticed.sign);
                self.offered = Some(looked);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

/// The look that notices what no hint tells of: writes through memory maps, network folders.
#[derive(Debug)]
struct Backing {
    queue: VecDeque<PathBuf>,
    due: Option<Instant>,
    /// When the round began.
    round: Instant,
}

impl Default for Backing {
    fn default() -> Self {
        Self { queue: VecDeque::new(), due: None, round: Instant::now() }
    }
}

impl Backing {
    fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }
}

fn with_watches<T>(native: &mut Option<Native>, look: impl FnOnce(&mut dyn Watches) -> T) -> T {
    match native {
        Some(native) => look(native),
        None => look(&mut NoWatches),
    }
}
