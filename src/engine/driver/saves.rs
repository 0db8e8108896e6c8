//! Saves: what is watched, and what a change concerns.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;

use crate::config;
use crate::graph;
use crate::model::{Builder, ChangeSet, Origin, Project};
use crate::report::{Report, Reporter};
use crate::watch::{News, Noticed, WatchOptions, WatchScope, Watcher};

use super::super::{Goal, Request, Saved, Session};
use super::desk::Desk;

/// How many changed paths are told by name.
const SHOWN: usize = 20;

/// A file that was written longer before the first sign was moved here, with its time.
const PLAUSIBLE: Duration = Duration::from_secs(1);

/// A save, and its moments.
pub(super) struct Save {
    pub(super) saved: Saved,
    /// When it was written.
    pub(super) written: Instant,
    /// When the system said so.
    pub(super) sign: Instant,
    /// When it had been quiet for long enough.
    pub(super) looked: Instant,
}

/// The watcher, where the command has one.
pub(super) struct Saves {
    watching: Option<Watching>,
}

struct Watching {
    watcher: Watcher,
    change_rx: mpsc::Receiver<Noticed>,
    reporter: Reporter,
    /// What releases depend on beyond their configuration, as last told to the watcher.
    further: BTreeSet<PathBuf>,
}

impl Saves {
    /// Watches the project, if the command is one that follows saves. When this returns, no save
    /// is missed any more.
    pub(super) async fn start(request: &Request, project: &Project, reporter: &Reporter) -> Self {
        if request.goal != Goal::Watching {
            return Self { watching: None };
        }
        let options = WatchOptions { poll: request.poll };
        let (watcher, change_rx, news) =
            Watcher::start(WatchScope::of(project, &[]), options).await;
        news.into_iter().for_each(|news| tell(reporter, news));
        let (reporter, further) = (reporter.clone(), BTreeSet::new());
        Self { watching: Some(Watching { watcher, change_rx, reporter, further }) }
    }

    /// The next save; what there is to know about noticing them is told meanwhile. Safe to drop at
    /// any time.
    pub(super) async fn next(&mut self, session: &Session, desk: &Desk) -> Save {
        loop {
            let noticed = match &mut self.watching {
                Some(watching) => tokio::select! {
                    noticed = watching.change_rx.recv() => noticed,
                    news = watching.watcher.news() => {
                        tell(&watching.reporter, news);
                        continue;
                    }
                },
                None => None,
            };
            let Some(noticed) = noticed else { return std::future::pending().await };
            let Noticed { changes, sign, looked } = noticed;
            let written = written(changes.paths.iter().map(PathBuf::as_path), sign);
            let saved = saved(changes, session.project(), desk);
            if saved.config || !saved.artifacts.is_empty() || !saved.releases.is_empty() {
                return Save { saved, written, sign, looked };
            }
        }
    }

    /// Watches what belongs to `project` from here on, with what its releases turned out to
    /// depend on.
    pub(super) fn adopt(&mut self, project: &Project, desk: &Desk) {
        let Some(watching) = &mut self.watching else { return };
        let further = project.releases.keys().flat_map(|release| desk.watched(release));
        watching.further = further.collect();
        let further: Vec<PathBuf> = watching.further.iter().cloned().collect();
        watching.watcher.update(WatchScope::of(project, &further));
    }

    /// The same, if a release turned out to depend on something new.
    pub(super) fn extend(&mut self, project: &Project, desk: &Desk) {
        let Some(watching) = &self.watching else { return };
        let mut further = project.releases.keys().flat_map(|release| desk.watched(release));
        if further.any(|path| !watching.further.contains(&path)) {
            self.adopt(project, desk);
        }
    }

    /// Looks at everything at once.
    pub(super) fn flush(&self) {
        if let Some(watching) = &self.watching {
            watching.watcher.flush();
        }
    }

    /// Says that saves are waited for.
    pub(super) fn tell_watching(&self, reporter: &Reporter) {
        let Some(Watching { watcher, .. }) = &self.watching else { return };
        reporter.tell(Report::Watching { files: watcher.files() });
    }
}

fn tell(reporter: &Reporter, news: News) {
    match news {
        News::Warning(text) => reporter.warn(text, None),
        News::Note(text) => reporter.note(text),
    }
}

/// When the newest of `paths` was written, as its own time says; at the latest at the first `sign`.
fn written<'a>(paths: impl Iterator<Item = &'a Path>, sign: Instant) -> Instant {
    let (now, clock) = (Instant::now(), SystemTime::now());
    let times = paths.take(SHOWN).filter_map(|path| path.symlink_metadata().ok()?.modified().ok());
    let age = times.max().and_then(|newest| clock.duration_since(newest).ok());
    let written = age.and_then(|age| now.checked_sub(age)).filter(|written| *written <= sign);
    written.filter(|written| sign - *written <= PLAUSIBLE).unwrap_or(sign)
}

fn saved(changes: ChangeSet, project: &Project, desk: &Desk) -> Saved {
    let affected = graph::affected(project, &changes, |release| desk.watched(release));
    let shown = changes.paths.iter().take(SHOWN).map(|path| {
        let path = path.strip_prefix(&project.root).unwrap_or(path);
        path.display().to_string()
    });
    Saved {
        shown: shown.collect(),
        artifacts: affected.artifacts,
        releases: affected.releases,
        config: affected.config
            || names_images(&changes, project)
            || may_make_another_project(&changes, project),
        changes,
    }
}

/// Whether the project is one that nobody wrote down, and what it was inferred from has changed.
fn may_make_another_project(changes: &ChangeSet, project: &Project) -> bool {
    project.origin == Origin::Inferred
        && changes.paths.iter().any(|path| config::is_inferred_from(path, &project.root))
}

/// Whether a Dockerfile is among the changes: what it builds from decides which image needs which,
/// and that is part of the project.
fn names_images(changes: &ChangeSet, project: &Project) -> bool {
    project.artifacts.values().any(|artifact| match &artifact.builder {
        Builder::Docker(docker) => changes.paths.contains(&docker.dockerfile),
        Builder::Command(_) => false,
    })
}
