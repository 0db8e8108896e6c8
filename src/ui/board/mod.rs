//! What a person sees of the loop: reports in, lines out. Does no I/O and knows no clock.
//!
//! On a terminal a row is held in the part that is redrawn until it is finished, so that each
//! image and release takes one line; elsewhere every step is a line at once.
//!
//! `round` says how a round ended, `ends` how the session began and ended, `running` what becomes
//! of ports and pods, `told` what was said of pods already.

mod ends;
mod round;
mod running;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::ObjectRef;
use crate::report::{ArtifactNews, Failure, ForwardNews, ReleaseNews, Report};

use super::amount::{bytes, count, seconds, several};
use super::clean::{Colours, clean};
use super::failure;
use super::line::{Line, Tone, columns};
use super::row::{self, Doing, Done, Row, Sort};
use round::{Cause, Lap};
use told::Told;

/// How much is said, and in which way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// Rows are held back until they are finished, because the terminal shows them meanwhile.
    pub(super) hold: bool,
    /// Only failures and warnings.
    pub(super) quiet: bool,
    /// Times `-v` was given.
    pub(super) verbose: u8,
    /// Ctrl+C takes everything back.
    pub(super) takes_back: bool,
    /// Keys are read.
    pub(super) keys: bool,
    /// Saves wait for a key.
    pub(super) manual: bool,
}

/// How long a release waits for the same before a log says so; most waits are over before.
const LASTING: Duration = Duration::from_secs(2);

/// What a release that settles waits for.
#[derive(Debug)]
struct Wait {
    waits: Vec<String>,
    text: String,
    since: Duration,
    told: bool,
}

/// The name's column is at least and at most this wide.
const NAME: std::ops::RangeInclusive<usize> = 6..=32;

/// The state of everything on its way.
#[derive(Debug)]
pub(super) struct Board {
    manner: Manner,
    rows: Vec<Row>,
    waiting: BTreeMap<String, String>,
    /// What each release that settles waits for, by its name; only where rows are not held.
    settling: BTreeMap<String, Wait>,
    told: Told,
    width: usize,
    /// The round that began with the start is not over.
    first: bool,
    /// Something was done in this round.
    acted: bool,
    /// What was saved, until it is told.
    cause: Option<Cause>,
    /// What the round found as it is wanted.
    unchanged: BTreeSet<(Sort, String)>,
    /// Columns of the terminal; absent where a line may have any length.
    columns: Option<usize>,
    /// What each image was at the end of the last round without a failure.
    live: BTreeMap<String, String>,
    /// What each image was delivered as since.
    delivered: BTreeMap<String, String>,
}

impl Board {
    pub(super) fn new(manner: Manner) -> Self {
        Self {
            manner,
            rows: Vec::new(),
            waiting: BTreeMap::new(),
            settling: BTreeMap::new(),
            told: Told::default(),
            width: *NAME.start(),
            first: true,
            acted: false,
            cause: None,
            unchanged: BTreeSet::new(),
            columns: None,
            live: BTreeMap::new(),
            delivered: BTreeMap::new(),
        }
    }

    /// Takes `report` into account at the time `now` and returns the lines that stay.
    pub(super) fn take(&mut self, report: &Report, now: Duration) -> Vec<Line> {
        let important = matches!(report, Report::Failed(_) | Report::Warning { .. })
            || matches!(report, Report::Artifact { news: ArtifactNews::Failed(_), .. })
            || matches!(report, Report::Release { news: ReleaseNews::Failed(_), .. })
            || matches!(report, Report::Forward { news: ForwardNews::Failed(_), .. })
            || matches!(report, Report::Pod { mended: false, .. })
            || matches!(report, Report::Stopped { leftovers, .. } if !leftovers.is_empty());
        let mut lines = self.lines(report, now);
        let is_beside = matches!(report, Report::Trace { .. } | Report::Note { .. })
            || matches!(report, Report::Release { news: ReleaseNews::Recorded { .. }, .. });
        if self.manner.hold && !self.manner.quiet && !lines.is_empty() && !is_beside {
            lines.splice(0..0, self.cause.take().map(|cause| cause.line()));
        }
        if self.manner.quiet && !important { Vec::new() } else { lines }
    }

    fn lines(&mut self, report: &Report, now: Duration) -> Vec<Line> {
        match report {
            Report::Started { .. } => self.started(report),
            Report::Artifact { name, news } => self.artifact(name.as_str(), news, now),
            Report::Release { name, news } => self.release(name.as_str(), news, now),
            Report::Changed { paths, count, ignored } => self.changed(paths, *count, *ignored),
            Report::Forward { target, news } => self.forward(target, news),
            Report::Pod { .. } => self.pod(report),
            Report::Round { took, live, ready, failed, first } => {
                self.told.forget_images();
                let lap = Lap { took: *took, live: *live, ready: *ready };
                self.round(lap, *failed, *first)
            }
            Report::Watching { files } => self.watching(*files),
            Report::Waiting { name, why } => self.waits(name, why),
            Report::Failed(failure) => failure::lines(Line::of(Tone::Bad, "error: "), failure, 2),
            Report::Note { text } => {
                text.lines().map(|line| Line::new().and(plain(line))).collect()
            }
            Report::Warning { text, help } => warning(text, help.as_deref()),
            Report::Trace { text } => vec![Line::of(Tone::Faint, plain(text))],
            Report::Leaving => self.leaving(),
            Report::Undone { what } => vec![Line::new().and(plain(what))],
            Report::Stopped { took, leftovers, kept } => self.stopped(*took, leftovers, kept),
            // Shown by others: they are no part of the loop.
            Report::Log(_) | Report::Data { .. } | Report::Check(_) => Vec::new(),
        }
    }

    /// Notes how wide the terminal is.
    pub(super) fn fit(&mut self, columns: usize) {
        self.columns = Some(columns);
    }

    /// What is going on, for the part of the screen that is redrawn.
    pub(super) fn progress(&self, now: Duration) -> Vec<Line> {
        if self.manner.quiet {
            return Vec::new();
        }
        let rows = self.rows.iter().filter_map(|row| row.progress(self.width, now));
        let waiting = self
            .waiting
            .iter()
            .map(|(name, why)| row::other(name, self.width, Tone::Faint, "waits for", why).faint());
        let cause = self.cause.iter().filter(|_| self.manner.hold).map(Cause::line);
        cause.chain(rows).chain(waiting).collect()
    }

    /// Waits that have lasted long enough to be told, each once.
    pub(super) fn lasting(&mut self, now: Duration) -> Vec<Line> {
        let width = self.width;
        let waits = self.settling.iter_mut();
        // What was told of a pod meanwhile is why.
        let due = waits.filter(|(_, wait)| {
            let lasts = now.saturating_sub(wait.since) >= LASTING;
            !wait.told && lasts && !self.told.explains(&wait.waits)
        });
        let lines = due.map(|(name, wait)| {
            wait.told = true;
            row::other(name, width, Tone::Busy, "settling", &wait.text)
        });
        let lines: Vec<Line> = lines.collect();
        if self.manner.quiet { Vec::new() } else { lines }
    }

    /// Whether time alone changes what [`Board::progress`] or [`Board::lasting`] shows.
    pub(super) fn is_busy(&self) -> bool {
        self.rows.iter().any(|row| row.doing.as_ref().is_some_and(|doing| doing.since.is_some()))
    }

    /// Gives out what is still held back.
    pub(super) fn flush(&mut self) -> Vec<Line> {
        self.waiting.clear();
        self.settling.clear();
        let rows = std::mem::take(&mut self.rows);
        if self.manner.quiet || !self.manner.hold {
            return Vec::new();
        }
        self.results(&rows)
    }

    /// The lines of rows; what was as it is wanted is worth one only when more is to be said.
    fn results(&self, rows: &[Row]) -> Vec<Line> {
        let told = rows.iter().filter(|row| !row.is_unchanged() || self.manner.verbose > 0);
        let room = self.columns.unwrap_or(usize::MAX);
        told.filter_map(|row| row.result_within(self.width, room)).collect()
    }

    fn row(&mut self, sort: Sort, name: &str) -> &mut Row {
        self.widen(name);
        self.waiting.remove(name);
        let found = self.rows.iter().position(|row| row.sort == sort && row.name == name);
        let index = found.unwrap_or_else(|| {
            self.rows.push(Row::new(sort, name));
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }

    fn widen(&mut self, name: &str) {
        self.width = self.width.max(columns(name)).min(*NAME.end());
    }

    fn doing(
        &mut self,
        sort: Sort,
        name: &str,
        verb: &'static str,
        detail: String,
        now: Duration,
    ) -> Vec<Line> {
        let (hold, width) = (self.manner.hold, self.width.max(columns(name)));
        let row = self.row(sort, name);
        let line = row::other(name, width.min(*NAME.end()), Tone::Busy, verb, &detail);
        let same = row.doing.take().filter(|doing| doing.verb == verb);
        let since = same.and_then(|doing| doing.since).unwrap_or(now);
        row.doing = Some(Doing { verb, detail, since: Some(since) });
        if hold { Vec::new() } else { vec![line] }
    }

    /// Notes that `done` came about; `ends` says whether it was the row's last step.
    fn done(&mut self, sort: Sort, name: &str, done: Done, ends: bool) -> Vec<Line> {
        let (hold, first) = (self.manner.hold, self.first);
        let is_unchanged = matches!(done, Done::Unchanged { .. });
        if is_unchanged {
            self.unchanged.insert((sort, name.to_owned()));
        } else {
            self.unchanged.remove(&(sort, name.to_owned()));
            self.acted = true;
        }
        let told = !is_unchanged || self.manner.verbose > 0;
        let row = self.row(sort, name);
        row.doing = None;
        row.done.push(done.clone());
        if !hold {
            let width = self.width;
            return if told { vec![row::single(name, width, done)] } else { Vec::new() };
        }
        // Later rounds are held to their end: a small one is told in one line.
        if ends && first { self.finish(sort, name) } else { Vec::new() }
    }

    /// Takes images off the board that nothing happens to any more: those that others are built
    /// from reach no node.
    fn built_only(&mut self) -> Vec<Line> {
        if !self.first || !self.manner.hold {
            return Vec::new();
        }
        let over = |row: &mut Row| row.sort == Sort::Artifact && row.doing.is_none();
        let rows: Vec<Row> = self.rows.extract_if(.., over).collect();
        self.results(&rows)
    }

    /// Takes the row off the board and returns its line.
    fn finish(&mut self, sort: Sort, name: &str) -> Vec<Line> {
        let found = self.rows.iter().position(|row| row.sort == sort && row.name == name);
        let row = found.map(|index| self.rows.remove(index));
        let row = row.filter(|_| self.manner.hold);
        self.results(row.as_slice())
    }

    fn artifact(&mut self, name: &str, news: &ArtifactNews, now: Duration) -> Vec<Line> {
        let sort = Sort::Artifact;
        match news {
            ArtifactNews::Unchanged { image, found } => {
                self.delivered.insert(name.to_owned(), image.to_string());
                let done = Done::Unchanged { detail: image.to_string() };
                self.done(sort, name, done, *found != "engine")
            }
            ArtifactNews::Building { why, .. } => {
                self.row(sort, name).done.clear();
                self.doing(sort, name, "building", plain(why), now)
            }
            ArtifactNews::Step { step, cached, done, took } => {
                self.step(name, step, *cached, *done, *took, now)
            }
            ArtifactNews::Built { image, took, cached } => {
                tracing::debug!(name, %image, cached = cached.0, steps = cached.1, "built");
                self.row(sort, name).done.clear();
                let done = Done::Built { image: image.clone(), took: *took };
                self.done(sort, name, done, false)
            }
            ArtifactNews::Cancelled => {
                self.rows.retain(|row| row.sort != sort || row.name != name);
                let line = row::other(name, self.width, Tone::Faint, "cancelled", "");
                if self.manner.hold { Vec::new() } else { vec![line] }
            }
            ArtifactNews::Sending { sent_bytes, total_bytes } => {
                // Where lines stay, the result alone is worth one.
                if !self.manner.hold {
                    return Vec::new();
                }
                let detail = format!("{} of {}", bytes(*sent_bytes), bytes(*total_bytes));
                self.doing(sort, name, "pushing", detail, now)
            }
            ArtifactNews::Delivered { image, how, sent_bytes, total_bytes, took } => {
                self.delivered.insert(name.to_owned(), image.to_string());
                let (sent_bytes, total_bytes, took) = (*sent_bytes, *total_bytes, *took);
                let done = Done::Delivered { how, sent_bytes, total_bytes, took };
                self.done(sort, name, done, true)
            }
            ArtifactNews::Failed(failure) => {
                let mut lines = match self.told.same_as(name, failure) {
                    Some(short) => self.failed(sort, name, &short),
                    None => self.failed(sort, name, failure),
                };
                if let Some(image) = self.live.get(name) {
                    let blanks = " ".repeat(self.width + 2);
                    let still = Line::new().and(format!("{blanks}still live: {image}"));
                    // The failure's code stays its last line.
                    lines.insert(lines.len() - usize::from(!failure.code.is_empty()), still);
                }
                lines
            }
        }
    }

    fn step(
        &mut self,
        name: &str,
        step: &str,
        cached: bool,
        done: bool,
        took: Option<Duration>,
        now: Duration,
    ) -> Vec<Line> {
        let step = plain(step);
        let mut lines = Vec::new();
        if done && self.manner.verbose > 0 {
            let how = match took {
                _ if cached => "cached".to_owned(),
                Some(took) => seconds(took),
                None => String::new(),
            };
            lines.push(row::other(
                name,
                self.width,
                Tone::Faint,
                "step",
                &format!("{step}   {how}"),
            ));
        }
        if !done && self.manner.hold {
            lines.extend(self.doing(Sort::Artifact, name, "building", step, now));
        }
        lines
    }

    fn release(&mut self, name: &str, news: &ReleaseNews, now: Duration) -> Vec<Line> {
        let sort = Sort::Release;
        match news {
            ReleaseNews::Unchanged { revision } => {
                let detail = revision.map(|revision| format!("revision {revision}"));
                let done = Done::Unchanged { detail: detail.unwrap_or_default() };
                self.done(sort, name, done, true)
            }
            ReleaseNews::Drifted { what } => {
                self.widen(name);
                let way = if self.manner.keys { " (r sets it right)" } else { "" };
                let lines = what.iter().map(|what| {
                    let text = format!("{}{way}", plain(what));
                    row::other(name, self.width, Tone::Careful, "drifted", &text)
                });
                lines.collect()
            }
            ReleaseNews::Deploying { why } => {
                self.settling.remove(name);
                self.told.forget();
                let mut lines = self.built_only();
                let row = self.row(sort, name);
                row.done.clear();
                row.hooks.clear();
                row.live = None;
                lines.extend(self.doing(sort, name, "deploying", plain(why), now));
                lines
            }
            ReleaseNews::Hook { hook, state, took } => self.hook(name, hook, state, *took, now),
            ReleaseNews::Deployed { revision, pruned, took } => {
                let hooks = std::mem::take(&mut self.row(sort, name).hooks);
                let (revision, pruned, took) = (*revision, pruned.len(), *took);
                let done = Done::Deployed { revision, pruned, hooks, took };
                self.done(sort, name, done, false)
            }
            ReleaseNews::Patched { took, .. } => {
                self.done(sort, name, Done::Patched { took: *took }, false)
            }
            ReleaseNews::Recorded { revision, changed, .. } => {
                self.recorded(name, *revision, changed)
            }
            ReleaseNews::Settling { waits } => {
                self.unchanged.remove(&(sort, name.to_owned()));
                let waits: Vec<_> = waits.iter().map(|wait| plain(wait)).collect();
                self.settles(name, &waits, now)
            }
            ReleaseNews::Answers { target, took } => self.answers(name, target, *took),
            // What is unchanged and needs no waiting was ready all the time.
            ReleaseNews::Live { .. } if self.unchanged.contains(&(sort, name.to_owned())) => {
                self.finish(sort, name)
            }
            ReleaseNews::Live { took } => {
                self.settling.remove(name);
                self.done(sort, name, Done::Settled { took: *took }, true)
            }
            ReleaseNews::RolledBack { revision } => {
                let mut lines = self.finish(sort, name);
                let detail = format!("to revision {revision}");
                lines.push(row::other(name, self.width, Tone::Careful, "rolled back", &detail));
                lines
            }
            ReleaseNews::Failed(failure) => {
                let failure = self.told.shorten(failure);
                self.failed(sort, name, &failure)
            }
        }
    }

    /// New connections go to the new version, which Kubernetes may not call ready yet.
    fn answers(&mut self, name: &str, target: &str, took: Duration) -> Vec<Line> {
        let (hold, width) = (self.manner.hold, self.width.max(columns(name)));
        self.row(Sort::Release, name).live = Some(took);
        let done = Done::Answers { target: plain(target), took };
        let line = row::single(name, width.min(*NAME.end()), done);
        if hold { Vec::new() } else { vec![line] }
    }

    /// Helm has caught up: said beside the rounds, since it follows when they are over.
    fn recorded(&self, name: &str, revision: Option<u32>, changed: &[ObjectRef]) -> Vec<Line> {
        let detail = revision.map(|revision| format!("revision {revision}")).unwrap_or_default();
        let mut lines =
            vec![row::other(name, self.width, Tone::Faint, "recorded", &detail).faint()];
        if !changed.is_empty() {
            let objects: Vec<String> = changed.iter().map(ToString::to_string).collect();
            let text = format!(
                "Helm changed {} besides the images of `{name}`; what Helm made stands",
                objects.join(", ")
            );
            let help = "let each save go through Helm: `wharf dev --strict-helm`";
            lines.extend(warning(&text, Some(help)));
        }
        lines
    }

    fn settles(&mut self, name: &str, waits: &[String], now: Duration) -> Vec<Line> {
        let text = waits.join("; ");
        let lines = self.doing(Sort::Release, name, "settling", text.clone(), now);
        if self.manner.hold || self.manner.verbose > 0 {
            return lines;
        }
        let waits = waits.to_vec();
        match self.settling.get_mut(name) {
            Some(wait) if essence(&wait.text) == essence(&text) => {
                (wait.waits, wait.text) = (waits, text);
            }
            _ => {
                let wait = Wait { waits, text, since: now, told: false };
                self.settling.insert(name.to_owned(), wait);
            }
        }
        Vec::new()
    }

    fn hook(
        &mut self,
        name: &str,
        hook: &str,
        state: &str,
        took: Option<Duration>,
        now: Duration,
    ) -> Vec<Line> {
        let hook = plain(hook);
        let time = took.map(|took| format!(" {}", seconds(took))).unwrap_or_default();
        if !self.manner.hold {
            let detail = format!("{hook} {state}{time}");
            return vec![row::other(name, self.width, Tone::Busy, "hook", &detail)];
        }
        if took.is_none() {
            return self.doing(Sort::Release, name, "deploying", format!("hook {hook}"), now);
        }
        let short = hook.rsplit('/').next().unwrap_or_default();
        let failed = if state == "failed" { " failed" } else { "" };
        let text = format!("{short} hook{failed}{time}");
        self.row(Sort::Release, name).hooks.push(text);
        self.doing(Sort::Release, name, "deploying", String::new(), now)
    }

    fn failed(&mut self, sort: Sort, name: &str, failure: &Failure) -> Vec<Line> {
        self.widen(name);
        self.waiting.remove(name);
        self.settling.remove(name);
        let mut lines = self.finish(sort, name);
        let start = Line::new().column(Tone::Strong, name, self.width).and("  ");
        // `api` failed to build: its name stands in front already.
        let rest = failure.what.strip_prefix(&format!("`{name}` ")).map(str::to_owned);
        let (start, failure) = match rest {
            Some(what) => (start, Failure { what, ..failure.clone() }),
            None => (start.with(Tone::Bad, "failed: "), failure.clone()),
        };
        lines.extend(failure::lines(start, &failure, self.width + 2));
        lines
    }

    fn changed(&mut self, paths: &[String], number: usize, ignored: bool) -> Vec<Line> {
        if ignored && self.manner.verbose == 0 {
            return Vec::new();
        }
        let shown = paths.len().min(3);
        let mut text = paths[..shown].iter().map(|path| plain(path)).collect::<Vec<_>>().join(", ");
        if number > shown {
            let more = count(number - shown);
            text = if shown == 0 {
                format!("{more} files")
            } else {
                format!("{text} and {more} more")
            };
        }
        let note = if ignored { "; nothing depends on it" } else { "" };
        if !ignored {
            let short = paths.first().map(|path| plain(path.rsplit('/').next().unwrap_or(path)));
            let short = match (short, number) {
                (Some(short), 1) => short,
                (Some(short), _) => format!("{short} and {} more", count(number - 1)),
                (None, _) => text.clone(),
            };
            let cause = Cause { long: text, short };
            let line = cause.line();
            self.cause = Some(cause);
            // On a terminal it is part of the round's one line.
            return if self.manner.hold { Vec::new() } else { vec![line] };
        }
        vec![Line::of(Tone::Faint, format!("{text} changed{note}"))]
    }

    fn watching(&self, files: usize) -> Vec<Line> {
        let stop = match (self.manner.takes_back, self.manner.manual) {
            (true, false) => "ctrl+c stops and takes everything back",
            (false, false) => "ctrl+c stops and leaves everything running",
            // Shorter, for there is more to say.
            (true, true) => "ctrl+c takes everything back",
            (false, true) => "ctrl+c leaves everything running",
        };
        let keys = if self.manner.keys { "; ? shows keys" } else { "" };
        let waits = if self.manner.manual { "; saves wait for r" } else { "" };
        let text = format!("watching {}{waits}; {stop}{keys}", several(files, "file"));
        vec![Line::of(Tone::Faint, text)]
    }

    fn waits(&mut self, name: &str, why: &str) -> Vec<Line> {
        self.widen(name);
        let (name, why) = (plain(name), plain(why));
        let line = row::other(&name, self.width, Tone::Faint, "waits for", &why);
        if self.manner.hold {
            self.waiting.insert(name, why);
            return Vec::new();
        }
        vec![line]
    }
}

fn warning(text: &str, help: Option<&str>) -> Vec<Line> {
    let mut texts = text.lines();
    let first = Line::of(Tone::Careful, "warning: ").and(plain(texts.next().unwrap_or_default()));
    let mut lines = vec![first];
    lines.extend(texts.map(|text| Line::new().and(format!("  {}", plain(text)))));
    lines.extend(help.iter().flat_map(|help| failure::help_lines(help, "  ")));
    lines
}

/// A wait without what stands in parentheses: a probe's answer has an address or a time in it.
fn essence(wait: &str) -> String {
    let mut depth = 0_u32;
    let outside = wait.chars().filter(|letter| {
        depth += u32::from(*letter == '(');
        let is_outside = depth == 0;
        depth -= u32::from(*letter == ')' && depth > 0);
        is_outside
    });
    outside.collect()
}

fn plain(text: &str) -> String {
    clean(text, Colours::Drop).into_owned()
}
