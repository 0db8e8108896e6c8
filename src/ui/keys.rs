//! Keys that are pressed while wharf runs.
//!
//! The terminal keeps its signals, so that Ctrl+C and Ctrl+Z work as ever; only line editing and
//! echo are off, and they come back when [`Keys`] is dropped, by a panic too.

use std::io::{Stdin, stdin};
use std::os::fd::AsFd as _;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use rustix::termios::{isatty, tcgetattr, tcgetpgrp, tcsetattr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A key with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// `r`: look at everything anew.
    Rebuild,
    /// `q`, or the bytes of Ctrl+C and Ctrl+D where the terminal makes no signal of them.
    Leave,
    /// `?` or `h`.
    Help,
}

/// What `?` shows.
pub const HELP: &str = "r rebuilds what changed, q or ctrl+c stops, ? shows this";

impl Press {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'r' | b'R' => Some(Self::Rebuild),
            b'q' | b'Q' | 0x03 | 0x04 => Some(Self::Leave),
            b'?' | b'h' | b'H' => Some(Self::Help),
            _ => None,
        }
    }
}

/// The keyboard, as long as this lives.
pub struct Keys {
    before: Termios,
    input: AsyncFd<Stdin>,
    continued: Signal,
    pressed: std::collections::VecDeque<Press>,
}

impl Keys {
    /// Takes the keyboard, if stdin is a terminal and wharf is in its foreground.
    ///
    /// Must be called within a Tokio runtime.
    #[must_use]
    pub fn listen() -> Option<Self> {
        let input = stdin();
        if !isatty(&input) || !is_foreground() {
            return None;
        }
        let before = tcgetattr(&input).ok()?;
        let continued =
            signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())).ok()?;
        #[expect(deprecated, reason = "sound here: stdin is never closed; its successor is unsafe")]
        let input = AsyncFd::with_interest(input, Interest::READABLE).ok()?;
        let keys = Self { before, input, continued, pressed: Default::default() };
        keys.quieten();
        Some(keys)
    }

    /// The next key with a meaning; pends for ever once the terminal is gone.
    pub async fn next(&mut self) -> Press {
        loop {
            if let Some(press) = self.pressed.pop_front() {
                return press;
            }
            tokio::select! {
                ready = self.input.readable() => {
                    let Ok(mut ready) = ready else { return std::future::pending().await };
                    let mut bytes = [0; 64];
                    // With VMIN = 0 a read never blocks, so stdin, which other programs share,
                    // need not be switched to non-blocking.
                    match rustix::io::read(ready.get_inner().as_fd(), &mut bytes) {
                        // Nothing to read although it is readable: the terminal has hung up.
                        Ok(0) if ready.ready().is_read_closed() => {
                            return std::future::pending().await;
                        }
                        Ok(count) => self.pressed.extend(presses(&bytes[..count])),
                        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                        Err(_) => return std::future::pending().await,
                    }
                    ready.clear_ready();
                }
                // Back from Ctrl+Z: the shell has set the terminal as it likes it.
                Some(()) = self.continued.recv() => self.quieten(),
            }
        }
    }

    fn quieten(&self) {
        if !is_foreground() {
            return;
        }
        let mut modes = self.before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        // A terminal that refuses is gone, or shows keys; neither is worth ending for.
        let _ = tcsetattr(self.input.get_ref(), OptionalActions::Now, &modes);
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if is_foreground() {
            let _ = tcsetattr(self.input.get_ref(), OptionalActions::Now, &self.before);
        }
    }
}

/// A background process that touches the terminal's modes is stopped by the system.
fn is_foreground() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Escape sequences (arrow keys, pasted text's marks) are one key without meaning.
fn presses(bytes: &[u8]) -> Vec<Press> {
    if bytes.first() == Some(&0x1b) {
        return Vec::new();
    }
    bytes.iter().filter_map(|&byte| Press::of(byte)).collect()
}
