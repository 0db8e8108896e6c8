//! Signals and keys, as one stream of what is asked of the running command.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::model::Key;
use crate::report::Reporter;
use crate::ui::{HELP, Keys, Press};

/// More presses than anybody makes while the command is busy; what is too much is dropped.
pub(super) const PRESSES: usize = 64;

/// Signals that ask for the end.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals: from here on none of them ends the process by itself.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Passes signals and keys on, for ever.
pub(super) async fn pass_on(
    mut signals: Signals,
    mut keys: Option<Keys>,
    key_tx: mpsc::Sender<Key>,
    reporter: Reporter,
) {
    loop {
        let key = tokio::select! {
            biased;
            () = signals.next() => Key::Interrupt,
            press = pressed(keys.as_mut()) => match press {
                Press::Leave => Key::Interrupt,
                Press::Rebuild => Key::Rebuild,
                Press::Help => {
                    reporter.note(HELP);
                    continue;
                }
            },
        };
        // A command that no longer listens is about to end.
        let _ = key_tx.try_send(key);
    }
}

async fn pressed(keys: Option<&mut Keys>) -> Press {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}
