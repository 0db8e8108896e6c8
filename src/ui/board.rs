//! What a person sees of the loop: reports in, lines out. Does no I/O and knows no clock.
//!
//! On a terminal a row is held in the part that is redrawn until it is finished, so that each
//! image and release takes one line; elsewhere every step is a line at once.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Leftover, ObjectRef};
use crate::report::{ArtifactNews, Failure, ForwardNews, ReleaseNews, Report};

use super::amount::{count, seconds, several};
use super::clean::{Colours, clean};
use super::failure;
use super::line::{Line, Tone, columns};
use super::row::{self, Doing, Done, Row, Sort};

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
}

/// How long a release waits for the same before a log says so; most waits are over before.
const LASTING: Duration = Duration::from_secs(2);

/// What a release that settles waits for.
#[derive(Debug)]
struct Wait {
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
    width: usize,
    /// The round that began with the start is not over.
    first: bool,
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
            width: *NAME.start(),
            first: true,
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
        let lines = self.lines(report, now);
        if self.manner.quiet && !important { Vec::new() } else { lines }
    }

    fn lines(&mut self, report: &Report, now: Duration) -> Vec<Line> {
        match report {
            Report::Started { .. } => started(report),
            Report::Artifact { name, news } => self.artifact(name.as_str(), news, now),
            Report::Release { name, news } => self.release(name.as_str(), news, now),
            Report::Changed { paths, count, ignored } => self.changed(paths, *count, *ignored),
            Report::Forward { target, news } => self.forward(target, news),
            Report::Pod { .. } => self.pod(report),
            Report::Round { took, failed, first } => self.round(*took, *failed, *first),
            Report::Watching { files, note } => self.watching(*files, note.as_deref()),
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
        rows.chain(waiting).collect()
    }

    /// Waits that have lasted long enough to be told, each once.
    pub(super) fn lasting(&mut self, now: Duration) -> Vec<Line> {
        let width = self.width;
        let waits = self.settling.iter_mut();
        let due = waits.filter(|(_, wait)| !wait.told && now.saturating_sub(wait.since) >= LASTING);
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
        rows.iter().filter_map(|row| row.result(self.width)).collect()
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
        let row = self.row(sort, name);
        row.doing = None;
        if !hold {
            let width = self.width;
            return vec![row::single(name, width, done)];
        }
        row.done.push(done);
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
        rows.iter().filter_map(|row| row.result(self.width)).collect()
    }

    /// Takes the row off the board and returns its line.
    fn finish(&mut self, sort: Sort, name: &str) -> Vec<Line> {
        let found = self.rows.iter().position(|row| row.sort == sort && row.name == name);
        let line = found.and_then(|index| self.rows.remove(index).result(self.width));
        line.filter(|_| self.manner.hold).into_iter().collect()
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
            ArtifactNews::Delivered { image, how, sent_bytes, total_bytes, took } => {
                self.delivered.insert(name.to_owned(), image.to_string());
                let (sent_bytes, total_bytes, took) = (*sent_bytes, *total_bytes, *took);
                let done = Done::Delivered { how, sent_bytes, total_bytes, took };
                self.done(sort, name, done, true)
            }
            ArtifactNews::Failed(failure) => {
                let mut lines = self.failed(sort, name, failure);
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
                let mut lines = self.built_only();
                let row = self.row(sort, name);
                row.done.clear();
                row.hooks.clear();
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
            ReleaseNews::Patched { took } => {
                self.done(sort, name, Done::Patched { took: *took }, false)
            }
            ReleaseNews::Recorded { revision, changed, .. } => {
                self.recorded(name, *revision, changed)
            }
            ReleaseNews::Settling { waits } => {
                let waits: Vec<_> = waits.iter().map(|wait| plain(wait)).collect();
                self.settles(name, waits.join("; "), now)
            }
            ReleaseNews::Live { took } => {
                self.settling.remove(name);
                self.done(sort, name, Done::Live { took: *took }, true)
            }
            ReleaseNews::RolledBack { revision } => {
                let mut lines = self.finish(sort, name);
                let detail = format!("to revision {revision}");
                lines.push(row::other(name, self.width, Tone::Careful, "rolled back", &detail));
                lines
            }
            ReleaseNews::Failed(failure) => self.failed(sort, name, failure),
        }
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

    fn settles(&mut self, name: &str, text: String, now: Duration) -> Vec<Line> {
        let lines = self.doing(Sort::Release, name, "settling", text.clone(), now);
        if self.manner.hold || self.manner.verbose > 0 {
            return lines;
        }
        match self.settling.get_mut(name) {
            Some(wait) if essence(&wait.text) == essence(&text) => wait.text = text,
            _ => {
                self.settling.insert(name.to_owned(), Wait { text, since: now, told: false });
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

    fn changed(&self, paths: &[String], number: usize, ignored: bool) -> Vec<Line> {
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
        vec![Line::of(Tone::Faint, format!("{text} changed{note}"))]
    }

    fn forward(&mut self, target: &str, news: &ForwardNews) -> Vec<Line> {
        let target = plain(target);
        let name = target.rsplit('/').next().unwrap_or_default();
        self.widen(name);
        match news {
            ForwardNews::Open { local, remote } => {
                let address = address(local, remote);
                vec![row::other(name, self.width, Tone::Good, "forwarded", &address)]
            }
            ForwardNews::Closed if self.manner.verbose == 0 => Vec::new(),
            ForwardNews::Closed => {
                vec![row::other(name, self.width, Tone::Faint, "closed", &target)]
            }
            ForwardNews::Failed(failure) => {
                let start = Line::new().column(Tone::Strong, name, self.width).and("  ");
                let start = start.with(Tone::Bad, "failed: ");
                failure::lines(start, failure, self.width + 2)
            }
        }
    }

    fn pod(&mut self, report: &Report) -> Vec<Line> {
        let Report::Pod { workload, pod, container, what, last_lines, mended } = report else {
            return Vec::new();
        };
        let name = workload.as_ref().map_or(pod, |workload| &workload.name);
        self.widen(name);
        if *mended {
            let detail = format!("pod {pod} is well again");
            return vec![row::other(name, self.width, Tone::Good, "mended", &detail)];
        }
        let container = container.as_ref().map(|name| format!(", container {name}"));
        let place = format!("pod {pod}{}: ", container.unwrap_or_default());
        let start = Line::new().column(Tone::Strong, name, self.width).and("  ");
        let first = start.with(Tone::Bad, "trouble: ").and(format!("{place}{}", plain(what)));
        let blanks = " ".repeat(self.width + 4);
        let below =
            last_lines.iter().map(|line| Line::new().and(format!("{blanks}{}", plain(line))));
        std::iter::once(first).chain(below).collect()
    }

    fn round(&mut self, took: Duration, failed: usize, first: bool) -> Vec<Line> {
        self.first = false;
        if failed == 0 {
            self.live.append(&mut self.delivered);
        }
        self.waiting.clear();
        let total = seconds_of_round(took);
        let hold = self.manner.hold;
        let (idle, rows): (Vec<Row>, Vec<Row>) =
            std::mem::take(&mut self.rows).into_iter().partition(Row::is_unchanged);
        if failed == 0 && hold && !first && rows.is_empty() {
            // Somebody saved what is there already; that nothing happens deserves a word.
            return idle.iter().take(1).filter_map(|row| row.result(self.width)).collect();
        }
        if let (false, true, 0, Some(line)) = (first, hold, failed, self.small_round(&rows, &total))
        {
            return vec![line];
        }
        let mut lines: Vec<Line> = rows.iter().filter_map(|row| row.result(self.width)).collect();
        if first {
            lines.splice(0..0, idle.iter().filter_map(|row| row.result(self.width)));
        }
        if !hold {
            lines.clear();
        }
        lines.push(match failed {
            0 if first => Line::of(Tone::Good, format!("done in {total}")),
            0 => Line::of(Tone::Good, format!("total {total}")),
            failed => Line::of(Tone::Bad, format!("{failed} failed, after {total}")),
        });
        lines
    }

    /// A round of one image and one release, or less, in one line.
    fn small_round(&self, rows: &[Row], total: &str) -> Option<Line> {
        let few = |sort| rows.iter().filter(|row| row.sort == sort).count() <= 1;
        if rows.is_empty() || !few(Sort::Artifact) || !few(Sort::Release) {
            return None;
        }
        let mut ordered: Vec<&Row> = rows.iter().collect();
        ordered.sort_by_key(|row| row.sort == Sort::Release);
        let steps: Vec<String> = ordered.iter().flat_map(|row| row.steps()).collect();
        let line = Line::new().column(Tone::Strong, &ordered[0].name, self.width).and("  ");
        Some(line.and(steps.join(" · ")).and("   ").with(Tone::Good, format!("total {total}")))
    }

    fn watching(&self, files: usize, note: Option<&str>) -> Vec<Line> {
        let stop = if self.manner.takes_back {
            "ctrl+c stops and takes everything back"
        } else {
            "ctrl+c stops and leaves everything running"
        };
        let keys = if self.manner.keys { "; ? shows keys" } else { "" };
        let text = format!("watching {}; {stop}{keys}", several(files, "file"));
        let mut lines = vec![Line::of(Tone::Faint, text)];
        if let Some(note) = note {
            lines.extend(warning(note, None));
        }
        lines
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

    fn leaving(&mut self) -> Vec<Line> {
        // What has been done is told; what was going on is given up.
        for row in &mut self.rows {
            row.doing = None;
        }
        let mut lines = self.flush();
        lines.push(Line::of(Tone::Faint, "stopping; ctrl+c again leaves at once"));
        lines
    }

    fn stopped(&mut self, took: Duration, leftovers: &[Leftover], kept: &[String]) -> Vec<Line> {
        let mut lines = self.flush();
        let total = seconds(took);
        let kept =
            if kept.is_empty() { String::new() } else { format!(" (kept: {})", kept.join(", ")) };
        if leftovers.is_empty() {
            let text = format!("stopped in {total}; nothing left behind{}", plain(&kept));
            lines.push(Line::of(Tone::Good, text));
            return lines;
        }
        let things = several(leftovers.len(), "thing");
        let text = format!("stopped in {total}; {things} left behind{}", plain(&kept));
        lines.push(Line::of(Tone::Bad, text));
        for leftover in leftovers {
            lines.push(
                Line::new()
                    .and("  ")
                    .with(Tone::Strong, plain(&leftover.what))
                    .and(format!(": {}", plain(&leftover.why))),
            );
            lines.push(
                Line::new().and("    remove it: ").with(Tone::Strong, plain(&leftover.by_hand)),
            );
        }
        lines
    }
}

fn started(report: &Report) -> Vec<Line> {
    let Report::Started { project, context, namespace, artifacts, releases, file } = report else {
        return Vec::new();
    };
    let place = if context.is_empty() {
        String::new()
    } else {
        format!(" on {context}, namespace {namespace}")
    };
    let images = several(*artifacts, "image");
    let releases = several(*releases, "release");
    let file = file.as_deref().unwrap_or("no wharf.yaml, inferred from the folder");
    let text = format!("{place}: {images}, {releases} ({file})");
    vec![Line::of(Tone::Strong, plain(project)).and(plain(&text))]
}

fn warning(text: &str, help: Option<&str>) -> Vec<Line> {
    let mut texts = text.lines();
    let first = Line::of(Tone::Careful, "warning: ").and(plain(texts.next().unwrap_or_default()));
    let mut lines = vec![first];
    lines.extend(texts.map(|text| Line::new().and(format!("  {}", plain(text)))));
    lines.extend(help.iter().flat_map(|help| failure::help_lines(help, "  ")));
    lines
}

/// What to type into a browser, or the bare address where it does not look like HTTP.
fn address(local: &std::net::SocketAddr, remote: &str) -> String {
    let web = remote.contains("http")
        || matches!(remote, "80" | "3000" | "4200" | "5000" | "5173")
        || (remote.len() == 4 && remote.starts_with('8'));
    if web && !remote.contains("https") { format!("http://{local}") } else { local.to_string() }
}

/// A round's length: hundredths matter longer here, since people compare them.
fn seconds_of_round(took: Duration) -> String {
    let exact = took.as_secs_f64();
    if exact < 9.995 { format!("{exact:.2}s") } else { seconds(took) }
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
