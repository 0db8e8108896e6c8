//! Local ports and pods: what runs, and what is wrong with it.

use crate::report::{ForwardNews, Report};

use super::super::failure;
use super::super::line::{Line, Tone};
use super::super::row;
use super::{Board, plain};

impl Board {
    pub(super) fn forward(&mut self, target: &str, news: &ForwardNews) -> Vec<Line> {
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

    pub(super) fn pod(&mut self, report: &Report) -> Vec<Line> {
        let Report::Pod { workload, pod, container, what, last_lines, mended } = report else {
            return Vec::new();
        };
        let name = workload.as_ref().map_or(pod, |workload| &workload.name);
        self.widen(name);
        let of = workload.as_ref().map_or_else(|| format!("pod/{pod}"), ToString::to_string);
        if *mended {
            self.told.mended(&of);
            let detail = format!("pod {pod} is well again");
            return vec![row::other(name, self.width, Tone::Good, "mended", &detail)];
        }
        if !self.told.trouble(of, container.as_ref(), what, last_lines) {
            return Vec::new();
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
}

/// What to type into a browser, or the bare address where it does not look like HTTP.
fn address(local: &std::net::SocketAddr, remote: &str) -> String {
    let web = remote.contains("http")
        || matches!(remote, "80" | "3000" | "4200" | "5000" | "5173")
        || (remote.len() == 4 && remote.starts_with('8'));
    if web && !remote.contains("https") { format!("http://{local}") } else { local.to_string() }
}
