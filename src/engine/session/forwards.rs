//! The local ports of a session: opened once, told once, tried again when something changed.

use crate::engine::effect::Effect;
use crate::model::Forward;
use crate::report::{Failure, ForwardNews, Report};

use super::Session;

/// How a local port stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Local {
    Closed,
    Opening,
    Open,
    /// It could not be opened; tried again when something has changed.
    Failed(Failure),
}

impl Session {
    pub(super) fn on_forward(
        &mut self,
        forward: &Forward,
        result: Result<(), Failure>,
        effects: &mut Vec<Effect>,
    ) {
        let now = match result {
            Ok(()) => Local::Open,
            Err(failure) => {
                // What it leads to may come with the deploy that is under way.
                if !(self.round.open && is_early(&failure)) {
                    self.tell_forward(forward, &failure, effects);
                }
                Local::Failed(failure)
            }
        };
        for (known, local) in &mut self.forwards {
            if known == forward {
                local.clone_from(&now);
            }
        }
    }

    /// Tells a failure of a local port once.
    pub(super) fn tell_forward(
        &mut self,
        forward: &Forward,
        failure: &Failure,
        effects: &mut Vec<Effect>,
    ) {
        let target = format!("{}/{}", forward.kind, forward.name);
        if self.forwards_told.get(&target) == Some(failure) {
            return;
        }
        self.forwards_told.insert(target.clone(), failure.clone());
        let news = ForwardNews::Failed(failure.clone());
        effects.push(Effect::Tell(Report::Forward { target, news }));
    }

    /// Local ports that could not be opened are worth another try.
    pub(super) fn retry_forwards(&mut self) {
        for (_, local) in &mut self.forwards {
            if matches!(local, Local::Failed(_)) {
                *local = Local::Closed;
            }
        }
    }

    pub(super) fn open_forwards(&mut self, effects: &mut Vec<Effect>) {
        if !self.round.open {
            return;
        }
        for (forward, local) in &mut self.forwards {
            if *local == Local::Closed {
                *local = Local::Opening;
                effects.push(Effect::OpenForward(forward.clone()));
            }
        }
    }
}

/// Whether a local port could not be opened because what it leads to is not there yet.
fn is_early(failure: &Failure) -> bool {
    ["::no_target", "::no_port"].iter().any(|end| failure.code.ends_with(end))
}
